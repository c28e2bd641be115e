#include "access/zone.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ZONEINFO "/usr/share/zoneinfo/"

static bool read_zone(void *ctx, const char *name, struct buf *out)
{
    char path[256];

    (void) ctx;
    (void) snprintf(path, sizeof(path), ZONEINFO "%s", name);
    if (access(path, R_OK) != 0)
        return false;
    test_read_file(path, out);
    return true;
}

static const struct zone_source source = { read_zone, NULL };

/* The C library reads the same files with other code: every third of a month for 180 years. */
static void test_as_the_c_library_says(void **state)
{
    static const char *const zones[] = {
        "Europe/Berlin",     "America/New_York",  "Europe/Dublin",    "Australia/Lord_Howe", "Asia/Kathmandu",
        "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia",     "America/Nuuk",        "Antarctica/Troll",
        "Asia/Tokyo",        "America/St_Johns",  "Pacific/Auckland", "Asia/Tehran",         "Etc/GMT+5",
    };
    size_t compared = 0;

    (void) state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct arena arena;
        const struct zone *z;
        struct err_info e;

        if (access(ZONEINFO, R_OK) != 0)
            skip();
        arena_init(&arena, 1 << 20);
        assert_ok_err(zone_load(&source, span_str(zones[i]), &arena, &z, &e), &e);
        assert_int_equal(setenv("TZ", zones[i], 1), 0);
        tzset();
        for (int64_t at = 0; at < 180LL * 366 * 86400; at += 874001, compared++) {
            time_t t = (time_t) at;
            struct tm tm;

            assert_non_null(localtime_r(&t, &tm));
            if (zone_offset(z, at) != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, the C library says %ld", zones[i], (long long) at, zone_offset(z, at),
                         tm.tm_gmtoff);
        }
        arena_deinit(&arena);
    }
    assert_true(compared > 90000);
}

/* To the second, around both changes of 2026 (from the file) and of 2075 (from the footer). */
static void test_changes(void **state)
{
    static const struct {
        int64_t at;
        int32_t before, after;
    } changes[] = {
        { 1774746000, 3600, 7200 }, /* 2026-03-29T01:00Z */
        { 1792890000, 7200, 3600 }, /* 2026-10-25T01:00Z */
        { 3321219600, 3600, 7200 }, /* 2075-03-31T01:00Z */
        { 3339363600, 7200, 3600 }, /* 2075-10-27T01:00Z */
    };
    struct arena arena;
    const struct zone *z;

    (void) state;
    if (access(ZONEINFO "Europe/Berlin", R_OK) != 0)
        skip();
    arena_init(&arena, 1 << 20);
    assert_ok(zone_load(&source, SPAN("Europe/Berlin"), &arena, &z, NULL));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(zone_offset(z, changes[i].at - 1), changes[i].before);
        assert_int_equal(zone_offset(z, changes[i].at), changes[i].after);
    }
    arena_deinit(&arena);
}

static void test_names(void **state)
{
    struct arena arena;
    const struct zone *z;

    (void) state;
    arena_init(&arena, 1 << 20);
    assert_true(zone_name_valid(SPAN("America/Argentina/Buenos_Aires")));
    assert_true(zone_name_valid(SPAN("Etc/GMT+5")));
    assert_false(zone_name_valid(SPAN("")));
    assert_false(zone_name_valid(SPAN("/etc/passwd")));
    assert_false(zone_name_valid(SPAN("../../etc/passwd")));
    assert_false(zone_name_valid(SPAN("Europe//Berlin")));
    assert_false(zone_name_valid(SPAN("Europe/")));
    assert_false(zone_name_valid(SPAN("Europe/Ber lin")));
    assert_err(zone_load(&source, SPAN("Europe/Atlantis"), &arena, &z, NULL), ERR_NOTFOUND);
    assert_err(zone_load(&source, SPAN("../zoneinfo/Europe/Berlin"), &arena, &z, NULL), ERR_NOTFOUND);
    assert_err(zone_load(NULL, SPAN("Europe/Berlin"), &arena, &z, NULL), ERR_NOTFOUND);
    assert_ok(zone_load(NULL, SPAN("UTC"), &arena, &z, NULL));
    assert_int_equal(zone_offset(z, 0), 0);
    assert_int_equal(zone_offset(z, 4000000000), 0);
    arena_deinit(&arena);
}

/* Every cut is refused; every flipped byte is refused or gives offsets within a day and more. */
static void test_damage(void **state)
{
    struct buf file = BUF_INIT(ZONE_BYTES_MAX);
    struct arena arena;
    const struct zone *z;

    (void) state;
    if (!read_zone(NULL, "Europe/Berlin", &file))
        skip();
    arena_init(&arena, 1 << 20);
    for (size_t n = 0; n < file.n; n++) {
        assert_err(zone_parse(span_of(file.p, n), &arena, &z, NULL), ERR_CORRUPT);
        arena_deinit(&arena);
    }
    for (size_t i = 0; i < file.n; i++) {
        uint8_t was = file.p[i];

        file.p[i] ^= 0x55;
        if (zone_parse(buf_span(&file), &arena, &z, NULL) == ERR_OK) {
            for (int64_t at = -5000000000; at < 9000000000; at += 700000000)
                assert_true(zone_offset(z, at) > -200 * 3600 && zone_offset(z, at) < 200 * 3600);
        }
        file.p[i] = was;
        arena_deinit(&arena);
    }
    buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_c_library_says),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
