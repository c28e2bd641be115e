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

static void add_header(struct buf *b, uint8_t version, uint32_t times, uint32_t types, uint32_t chars)
{
    const uint32_t counts[6] = { 0, 0, 0, times, types, chars };

    buf_add_str(b, "TZif");
    buf_u8(b, version);
    for (int i = 0; i < 15; i++)
        buf_u8(b, 0);
    for (int i = 0; i < 6; i++) {
        buf_u8(b, (uint8_t) (counts[i] >> 24));
        buf_u8(b, (uint8_t) (counts[i] >> 16));
        buf_u8(b, (uint8_t) (counts[i] >> 8));
        buf_u8(b, (uint8_t) counts[i]);
    }
}

/* A file without transitions: one type of UTC+offset, then the footer decides for all times. */
static void tzif(struct buf *b, int32_t offset, const char *footer)
{
    buf_reset(b);
    for (int block = 0; block < 2; block++) {
        add_header(b, '2', 0, 1, 4);
        for (int i = 3; i >= 0; i--)
            buf_u8(b, (uint8_t) ((uint32_t) offset >> 8 * i));
        buf_u8(b, 0);
        buf_u8(b, 0);
        buf_add(b, "ABC\0", 4);
    }
    buf_addf(b, "\n%s\n", footer);
}

/* Footers in every form that POSIX has, against the C library, each day of 12 years and at both changes of them. */
static void test_footers(void **state)
{
    static const char *const footers[] = {
        "ABC-1", "<-03>3", "ABC3:30", "ABC-5:45:30", "ABC5DEF,J60/2,J300/2", "ABC5DEF,J60/2,J60/3:30:15", "ABC5DEF,59,299",
        "ABC5DEF4:30,10/0,350/24", "ABC-1DEF-2,M3.5.0,M10.5.0/3", "ABC+5DEF,M3.2.0/-1,M11.1.0/26", "ABC-10DEF-10:30,M10.1.0,M4.1.6",
        "ABC0DEF,M12.5.6/1,M1.1.3/0",
    };
    struct buf file = BUF_INIT(4096);

    (void) state;
    for (size_t i = 0; i < sizeof(footers) / sizeof(footers[0]); i++) {
        struct arena arena;
        const struct zone *z;
        struct err_info e;

        arena_init(&arena, 1 << 16);
        tzif(&file, 0, footers[i]);
        assert_ok_err(zone_parse(buf_span(&file), &arena, &z, &e), &e);
        assert_int_equal(setenv("TZ", footers[i], 1), 0);
        tzset();
        for (int64_t at = 1577836800; at < 1577836800 + 12 * 366 * 86400LL; at += 3599) {
            time_t t = (time_t) at;
            struct tm tm;

            assert_non_null(localtime_r(&t, &tm));
            if (zone_offset(z, at) != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, the C library says %ld", footers[i], (long long) at, zone_offset(z, at), tm.tm_gmtoff);
        }
        /* long before the epoch, too, and before the year 0: years count down */
        for (int64_t at = -63000000000LL; at < 0; at += 86400LL * 365 * 25)
            (void) zone_offset(z, at);
        arena_deinit(&arena);
    }
    buf_deinit(&file);
}

static void test_bad_files(void **state)
{
    static const char *const footers[] = {
        "A1", "ABC", "<ABC5", "ABC168", "ABC1:60", "ABC1:0:60", "ABC5DEF", "ABC5DE,0,1", "ABC5DEF,0", "ABC5DEF,0,1,", "ABC5DEF,J0,J5",
        "ABC5DEF,J366,J5", "ABC5DEF,367,5", "ABC5DEF,M13.1.0,M4.1.0", "ABC5DEF,M0.1.0,M4.1.0", "ABC5DEF,M3.0.0,M4.1.0",
        "ABC5DEF,M3.6.0,M4.1.0", "ABC5DEF,M3.1.7,M4.1.0", "ABC5DEF,M3-1.0,M4.1.0", "ABC5DEF,M3.1,M4.1.0", "ABC5DEF;0,1", "[BC5", "{BC5",
        "ABC5DEF,0/,1",
    };
    static const int32_t offsets[] = { -26 * 3600 - 1, 26 * 3600 + 1 };
    struct buf file = BUF_INIT(1 << 16);
    struct arena arena;
    const struct zone *z;

    (void) state;
    for (size_t i = 0; i < sizeof(footers) / sizeof(footers[0]); i++) {
        arena_init(&arena, 1 << 16);
        tzif(&file, 0, footers[i]);
        if (zone_parse(buf_span(&file), &arena, &z, NULL) != ERR_CORRUPT)
            fail_msg("%s is taken", footers[i]);
        arena_deinit(&arena);
    }
    for (size_t i = 0; i < 2; i++) {
        arena_init(&arena, 1 << 16);
        tzif(&file, offsets[i], "");
        assert_err(zone_parse(buf_span(&file), &arena, &z, NULL), ERR_CORRUPT);
        tzif(&file, offsets[i] + (i == 0 ? 1 : -1), "");
        assert_ok(zone_parse(buf_span(&file), &arena, &z, NULL));
        arena_deinit(&arena);
    }
    /* Headers: each count over its limit, an old version, no type at all. */
    for (size_t i = 0; i < 8; i++) {
        arena_init(&arena, 1 << 16);
        tzif(&file, 0, "");
        if (i < 6) {
            file.p[20 + 4 * i] = 1; /* the first byte of a count: 16 million */
        } else if (i == 6) {
            file.p[4] = '1';
        } else {
            file.p[20 + 4 * 4 + 3] = 0;
        }
        assert_err(zone_parse(buf_span(&file), &arena, &z, NULL), ERR_CORRUPT);
        arena_deinit(&arena);
    }
    /* No room for it, for every n. */
    for (size_t max = 0; max < 200; max++) {
        enum err e;

        arena_init(&arena, max);
        tzif(&file, 0, "ABC-1");
        e = zone_parse(buf_span(&file), &arena, &z, NULL);
        assert_true(e == ERR_OK || e == ERR_NOMEM);
        arena_deinit(&arena);
    }
    buf_deinit(&file);
}

static bool read_too_much(void *ctx, const char *name, struct buf *out)
{
    (void) ctx;
    (void) name;
    for (size_t i = 0; i <= ZONE_BYTES_MAX; i++)
        buf_u8(out, 0);
    return true;
}

static void test_other_sides(void **state)
{
    static const struct zone_source endless = { read_too_much, NULL };
    char name[ZONE_NAME_MAX + 2];
    struct buf file = BUF_INIT(4096);
    struct arena arena;
    const struct zone *z;

    (void) state;
    memset(name, 'a', sizeof(name));
    assert_true(zone_name_valid(span_of(name, ZONE_NAME_MAX)));
    assert_false(zone_name_valid(span_of(name, ZONE_NAME_MAX + 1)));
    assert_true(zone_name_valid(SPAN("Etc/GMT-14")));
    assert_true(zone_name_valid(SPAN("09AZaz_+-")));
    for (const char *c = "/:@[`{ .,\x7f"; *c != '\0'; c++)
        assert_false(zone_name_valid(span_of(c, 1)));
    arena_init(&arena, 1 << 20);
    assert_err(zone_load(&endless, SPAN("Some/Where"), &arena, &z, NULL), ERR_LIMIT);

    /* Day 60 counted without leap days is 1 March in every year: 2000 is one, 2100 is none, 2004 and 2001 are as they are. */
    tzif(&file, 0, "ABC0DEF,J60/0,J300/0");
    assert_ok(zone_parse(buf_span(&file), &arena, &z, NULL));
    static const int64_t march[] = { 951868800LL, 983404800LL, 1078099200LL, 4107542400LL };
    for (size_t i = 0; i < sizeof(march) / sizeof(march[0]); i++) {
        assert_int_equal(zone_offset(z, march[i]), 3600);
        assert_int_equal(zone_offset(z, march[i] - 1), 0);
    }
    /* The day before has no leap day in front of it. */
    arena_deinit(&arena);
    tzif(&file, 0, "ABC0DEF,J59/0,J300/0");
    assert_ok(zone_parse(buf_span(&file), &arena, &z, NULL));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(zone_offset(z, march[i] - (i % 2 == 0 ? 2 : 1) * 86400), 3600);
    arena_deinit(&arena);
    buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_c_library_says),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_footers), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_other_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
