/* Limits of archives, in total: an archive in an archive is no way around them. Each from both sides, under its own name. */
#include "test.h"
#include "tar.h"

#include "codec/bundle.h"
#include "codec/importer.h"
#include "codec/tar_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define LOG "1645153850:millert:root::/dev/ttypb:30:100\n/home/millert\n/usr/bin/id\n"

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    (void) ctx;
    (void) json;
    (void) reterr;
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    (void) ctx;
    (void) ev;
    (void) reterr;
    return ERR_OK;
}

static struct importer_error import(struct span in, const struct unpack_limits *limits)
{
    struct importer_params p = importer_defaults();
    struct importer *imp;
    struct importer_result r;
    struct importer_error e;

    p.unpack = *limits;
    p.on_head = on_head;
    p.on_event = on_event;
    imp = importer_new(&p);
    assert_non_null(imp);
    for (size_t at = 0; at < in.n && importer_feed(imp, span_sub(in, at, 4096)) == ERR_OK;)
        at += 4096;
    (void) importer_finish(imp, &r);
    e = *importer_error(imp);
    (void) importer_free(imp);
    return e;
}

static void expect(const char *name, struct span in, const struct unpack_limits *limits, enum err code, const char *limit, uint64_t value)
{
    struct importer_error e = import(in, limits);

    if (e.code != code || (limit != NULL && (e.limit == NULL || strcmp(e.limit, limit) != 0 || e.limit_value != value)))
        fail_msg("%s: %s, %s, limit %s %llu", name, err_name(e.code), e.cause, e.limit != NULL ? e.limit : "none",
                 (unsigned long long) e.limit_value);
}

static void zipped(struct span in, struct buf *out)
{
    z_stream z = { 0 };
    uint8_t block[65536];

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    do {
        z.next_out = block;
        z.avail_out = sizeof(block);
        (void) deflate(&z, Z_FINISH);
        buf_add(out, block, sizeof(block) - z.avail_out);
    } while (z.avail_out == 0);
    (void) deflateEnd(&z);
}

/* A sudo log whose output and input are n bytes of zeros each, packed. */
static void two_packed(struct buf *tar, size_t n)
{
    struct buf zeros = BUF_INIT(64u << 20), packed = BUF_INIT(1u << 20);
    char timing[64];

    memset(buf_reserve(&zeros, n), 0, n);
    zeros.n = n;
    zipped(buf_span(&zeros), &packed);
    (void) snprintf(timing, sizeof(timing), "4 0.5 %zu\n3 0.5 %zu\n", n, n);
    tar_add_member(tar, '0', "log", SPAN(LOG));
    tar_add_member(tar, '0', "timing", span_str(timing));
    tar_add_member(tar, '0', "ttyin", buf_span(&packed));
    tar_add_member(tar, '0', "ttyout", buf_span(&packed));
    buf_deinit(&zeros);
    buf_deinit(&packed);
}

static void members_count_together(void **state)
{
    struct buf tar = BUF_INIT(1u << 20);
    struct unpack_limits limits = unpack_limits_import();

    (void) state;
    two_packed(&tar, 300000);
    limits.ratio_max = 0;
    limits.out_max = 600000;
    expect("as many as may be", buf_span(&tar), &limits, ERR_OK, NULL, 0);
    limits.out_max = 599999;
    expect("one more", buf_span(&tar), &limits, ERR_LIMIT, "unpacked-size", 599999);
    limits.out_max = 299999;
    expect("one member alone", buf_span(&tar), &limits, ERR_LIMIT, "unpacked-size", 299999);
    buf_deinit(&tar);
}

/* 20 MB of zeros are 20 KB packed, and these 300 bytes packed again: what was sent is what counts. */
static void ratio_is_of_what_was_sent(void **state)
{
    struct buf tar = BUF_INIT(1u << 20), sent = BUF_INIT(1u << 20);
    struct unpack_limits limits = unpack_limits_import();

    (void) state;
    two_packed(&tar, 10u << 20);
    zipped(buf_span(&tar), &sent);
    limits.ratio_max = 2000;
    assert_true((20u << 20) / 2000 > sent.n && tar.n > (20u << 20) / 2000);
    expect("packed once", buf_span(&tar), &limits, ERR_OK, NULL, 0);
    expect("packed twice", buf_span(&sent), &limits, ERR_LIMIT, "ratio", 2000);
    limits.ratio_free = 21u << 20;
    expect("little enough", buf_span(&sent), &limits, ERR_OK, NULL, 0);
    limits = unpack_limits_import();
    limits.ratio_free = 65536;
    limits.ratio_max = 100;
    expect("a member alone", buf_span(&tar), &limits, ERR_LIMIT, "ratio", 100);
    buf_deinit(&tar);
    buf_deinit(&sent);
}

static enum err nothing(void *ctx, struct span json, struct err_info *reterr)
{
    (void) ctx;
    (void) json;
    (void) reterr;
    return ERR_OK;
}

/* The timing is read before anything plays. */
static void timing_has_an_end(void **state)
{
    struct castout *out = malloc(sizeof(*out));

    (void) state;
    assert_non_null(out);
    for (size_t lines = 10; lines <= 11; lines++) {
        struct bundle_limits limits = { 1u << 20, 80, unpack_limits_import(), NULL };
        struct buf tar = BUF_INIT(1u << 20), timing = BUF_INIT(4096);
        struct err_info e = { .code = ERR_OK };
        struct reader *r;
        enum err code;

        for (size_t i = 0; i < lines; i++)
            buf_add_str(&timing, "4 0.5 1\n");
        tar_add_member(&tar, '0', "log", SPAN(LOG));
        tar_add_member(&tar, '0', "timing", buf_span(&timing));
        tar_add_member(&tar, '0', "ttyout", SPAN("abcdefghijk"));
        castout_init(out, (struct castout_sink){ nothing, nothing, NULL });
        r = bundle_new(out, &limits);
        assert_non_null(r);
        code = r->feed(r, buf_span(&tar), &e);
        if (code == ERR_OK)
            code = r->finish(r, &e);
        assert_err(code, lines == 10 ? ERR_OK : ERR_LIMIT);
        if (lines > 10)
            assert_true(r->limit != NULL && strcmp(r->limit, "timing-size") == 0 && r->limit_value == 80);
        (void) reader_free(r);
        castout_deinit(out);
        buf_deinit(&tar);
        buf_deinit(&timing);
    }
    free(out);
}

/* A tar's own limits, and what its headers may say. */
static void headers(void **state)
{
    struct unpack_limits limits = unpack_limits_import();
    struct buf tar = BUF_INIT(8u << 20), name = BUF_INIT(1u << 20);
    struct importer_error e;

    (void) state;
    tar_add_member(&tar, '0', "log", SPAN(LOG));
    for (size_t i = 1; i < TAR_MEMBERS_MAX + 1; i++)
        tar_add_member(&tar, '5', "dir", SPAN_EMPTY);
    e = import(span_sub(buf_span(&tar), 0, tar.n - TAR_BLOCK), &limits);
    assert_err(e.code, ERR_UNSUPPORTED); /* no recording in it, but not too many members */
    expect("members", buf_span(&tar), &limits, ERR_LIMIT, "tar-members", TAR_MEMBERS_MAX);

    for (size_t n = TAR_NAME_MAX; n <= TAR_NAME_MAX + 1; n++) {
        buf_reset(&tar);
        buf_reset(&name);
        for (size_t i = 0; i < n; i++)
            buf_add_c(&name, 'n');
        tar_add_member(&tar, '0', "log", SPAN(LOG));
        tar_add_member(&tar, 'L', "././@LongLink", buf_span(&name));
        tar_add_member(&tar, '0', "short", SPAN("x"));
        expect("name", buf_span(&tar), &limits, n == TAR_NAME_MAX ? ERR_UNSUPPORTED : ERR_LIMIT, n == TAR_NAME_MAX ? NULL : "tar-name", TAR_NAME_MAX);
    }

    buf_reset(&tar);
    buf_reset(&name);
    buf_addf(&name, "70000 comment=%069985d\n", 0);
    tar_add_member(&tar, '0', "log", SPAN(LOG));
    tar_add_member(&tar, 'x', "pax", buf_span(&name));
    expect("pax", buf_span(&tar), &limits, ERR_LIMIT, "tar-pax", 65536);

    static const struct {
        const char *pax;
        enum err code;
    } records[] = { { "10 size=3\n", ERR_UNSUPPORTED }, { "10 size=x\n", ERR_CORRUPT }, { "9 size=\n", ERR_CORRUPT }, { "11 size=-3\n", ERR_CORRUPT },
                    { "x0 size=3\n", ERR_CORRUPT }, { "99 size=3\n", ERR_CORRUPT }, { "29 size=99999999999999999999\n", ERR_CORRUPT } };

    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        buf_reset(&tar);
        tar_add_member(&tar, '0', "log", SPAN(LOG));
        tar_add_member(&tar, 'x', "pax", span_str(records[i].pax));
        tar_add_member(&tar, '0', "x", SPAN("abc"));
        expect(records[i].pax, buf_span(&tar), &limits, records[i].code, NULL, 0);
    }
    buf_deinit(&tar);
    buf_deinit(&name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_count_together),
        cmocka_unit_test(ratio_is_of_what_was_sent),
        cmocka_unit_test(timing_has_an_end),
        cmocka_unit_test(headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
