/* unpack: whole, byte by byte, cut anywhere, bombs, two members, what is refused by name. */
#include "test.h"

#include "codec/unpack.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static const struct unpack_limits generous = { 1ull << 32, 8u << 20, 1000, 23 };

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    (void) reterr;
    buf_add_span(ctx, out);
    return ERR_OK;
}

/* Feeds in pieces of 'step' bytes. */
static enum err run(enum unpack_codec codec, const struct unpack_limits *limits, struct span in, size_t step,
                    struct buf *out, enum unpack_hit *ret_hit)
{
    CLEANUP(unpack_freep) struct unpack *u = unpack_new(codec, limits);
    enum err code = ERR_OK;

    assert_non_null(u);
    for (size_t at = 0; at < in.n && code == ERR_OK; at += step)
        code = unpack_feed(u, span_sub(in, at, step), append, out, NULL);
    if (code == ERR_OK)
        code = unpack_finish(u, NULL);
    if (ret_hit != NULL)
        *ret_hit = unpack_hit(u);
    return code;
}

static void pack_zlib(struct span in, int bits, struct buf *out)
{
    z_stream z = { 0 };
    uint8_t *to;

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    to = buf_reserve(out, deflateBound(&z, in.n) + 64);
    assert_non_null(to);
    z.next_in = (Bytef *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = to;
    z.avail_out = (uInt) deflateBound(&z, in.n) + 64;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    (void) deflateEnd(&z);
}

static void pack_zstd(struct span in, struct buf *out)
{
    uint8_t *to = buf_reserve(out, ZSTD_compressBound(in.n));
    size_t n;

    assert_non_null(to);
    n = ZSTD_compress(to, ZSTD_compressBound(in.n), in.p, in.n, 3);
    assert_false(ZSTD_isError(n));
    out->n += n;
}

static const struct {
    const char *name;
    enum unpack_codec codec;
    int bits; /* of zlib; 0: zstd */
} kinds[] = {
    { "gzip", UNPACK_GZIP, 31 },
    { "deflate as zlib", UNPACK_DEFLATE, 15 },
    { "deflate, raw", UNPACK_DEFLATE, -15 },
    { "zstd", UNPACK_ZSTD, 0 },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void pack(size_t kind, struct span in, struct buf *out)
{
    if (kinds[kind].bits != 0)
        pack_zlib(in, kinds[kind].bits, out);
    else
        pack_zstd(in, out);
}

static void text(struct buf *b, size_t lines)
{
    for (size_t i = 0; i < lines; i++)
        buf_addf(b, "[%zu.%zu, \"o\", \"line %zu of %zu\\r\\n\"]\n", i / 7, i % 10, i * 2654435761u % 9973, lines);
}

static void every_kind_whole_and_in_pieces(void **state)
{
    struct buf plain = BUF_INIT(1u << 24);

    (void) state;
    text(&plain, 3000);
    for (size_t k = 0; k < N_KINDS; k++) {
        struct buf packed = BUF_INIT(1u << 24);

        pack(k, buf_span(&plain), &packed);
        for (size_t step = 1; step <= packed.n; step = step * 9 + 1) {
            struct buf out = BUF_INIT(1u << 24);

            assert_ok(run(kinds[k].codec, &generous, buf_span(&packed), step, &out, NULL));
            assert_span_eq(buf_span(&out), buf_span(&plain));
            buf_deinit(&out);
        }
        buf_deinit(&packed);
    }
    buf_deinit(&plain);
}

static void cut_or_followed_by_garbage_is_corrupt(void **state)
{
    struct buf plain = BUF_INIT(1u << 20);

    (void) state;
    text(&plain, 20);
    for (size_t k = 0; k < N_KINDS; k++) {
        struct buf packed = BUF_INIT(1u << 20);

        pack(k, buf_span(&plain), &packed);
        for (size_t n = 0; n < packed.n; n++) {
            struct buf out = BUF_INIT(1u << 20);

            if (run(kinds[k].codec, &generous, span_sub(buf_span(&packed), 0, n), n % 5 + 1, &out, NULL) != ERR_CORRUPT)
                fail_msg("%s cut at %zu of %zu was taken", kinds[k].name, n, packed.n);
            buf_deinit(&out);
        }
        for (size_t step = 1; step < 1000; step += 998) {
            struct buf out = BUF_INIT(1u << 20);

            buf_add_c(&packed, 'x');
            assert_err(run(kinds[k].codec, &generous, buf_span(&packed), step, &out, NULL), ERR_CORRUPT);
            buf_deinit(&out);
        }
        buf_deinit(&packed);
    }
    buf_deinit(&plain);
}

/* Checksums find flips; raw deflate has none, but must never fail in another way. */
static void flipped_bits_never_pass(void **state)
{
    struct buf plain = BUF_INIT(1u << 20);

    (void) state;
    text(&plain, 8);
    for (size_t k = 0; k < N_KINDS; k++) {
        struct buf packed = BUF_INIT(1u << 20);

        pack(k, buf_span(&plain), &packed);
        for (size_t bit = 0; bit < packed.n * 8; bit++) {
            struct buf out = BUF_INIT(1u << 20);
            enum err code;

            packed.p[bit / 8] ^= (uint8_t) (1u << bit % 8);
            code = run(kinds[k].codec, &generous, buf_span(&packed), packed.n, &out, NULL);
            packed.p[bit / 8] ^= (uint8_t) (1u << bit % 8);
            if (kinds[k].bits > 0 && code == ERR_OK && !span_eq(buf_span(&out), buf_span(&plain)))
                fail_msg("%s: flipped bit %zu changed the output unseen", kinds[k].name, bit);
            assert_true(code == ERR_OK || code == ERR_CORRUPT || code == ERR_LIMIT);
            buf_deinit(&out);
        }
        buf_deinit(&packed);
    }
    buf_deinit(&plain);
}

static void members_and_frames_one_after_another(void **state)
{
    static const size_t several[] = { 0, 3 };

    (void) state;
    for (size_t i = 0; i < 2; i++)
        for (size_t step = 1; step < 200; step += 50) {
            struct buf packed = BUF_INIT(1u << 20), out = BUF_INIT(1u << 20);

            pack(several[i], SPAN("first "), &packed);
            if (several[i] == 3)
                buf_add(&packed, "\x50\x2a\x4d\x18\x03\0\0\0abc", 11); /* skippable */
            pack(several[i], SPAN(""), &packed);
            pack(several[i], SPAN("second"), &packed);
            assert_ok(run(kinds[several[i]].codec, &generous, buf_span(&packed), step, &out, NULL));
            assert_span_str(buf_span(&out), "first second");
            buf_deinit(&packed);
            buf_deinit(&out);
        }
}

static void bombs_end_at_the_limit(void **state)
{
    size_t n = 64u << 20;
    uint8_t *zeros = calloc(1, n);

    (void) state;
    assert_non_null(zeros);
    for (size_t k = 0; k < N_KINDS; k++) {
        struct unpack_limits lim = generous;
        struct buf packed = BUF_INIT(1u << 27), out = BUF_INIT(1u << 27);
        enum unpack_hit hit;

        pack(k, span_of(zeros, n), &packed);
        if (kinds[k].bits == 0) { /* deflate cannot reach 1000, zstd can */
            assert_err(run(kinds[k].codec, &lim, buf_span(&packed), 65536, &out, &hit), ERR_LIMIT);
            assert_int_equal(hit, UNPACK_HIT_RATIO);
            assert_in_range(out.n, 8u << 20, (8u << 20) + 65536);
        }
        lim = (struct unpack_limits){ n - 1, 0, 0, 23 };
        buf_reset(&out);
        assert_err(run(kinds[k].codec, &lim, buf_span(&packed), 65536, &out, &hit), ERR_LIMIT);
        assert_int_equal(hit, UNPACK_HIT_OUTPUT);
        lim.out_max = n;
        buf_reset(&out);
        assert_ok(run(kinds[k].codec, &lim, buf_span(&packed), 65536, &out, &hit));
        assert_int_equal(out.n, n);
        buf_deinit(&packed);
        buf_deinit(&out);
    }
    free(zeros);
}

static void large_zstd_windows_are_a_limit(void **state)
{
    /* magic, descriptor without single segment, window byte: exponent 14 (16 MiB) and 13 (8 MiB); one empty last block
     */
    static const uint8_t big[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 0x01, 0, 0 };
    static const uint8_t fits[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0, 0 };
    struct buf out = BUF_INIT(64);
    enum unpack_hit hit;

    (void) state;
    assert_err(run(UNPACK_ZSTD, &generous, SPAN_OF(big), 3, &out, &hit), ERR_LIMIT);
    assert_int_equal(hit, UNPACK_HIT_WINDOW);
    assert_ok(run(UNPACK_ZSTD, &generous, SPAN_OF(fits), 3, &out, &hit));
    buf_deinit(&out);
}

/* libzstd reads its own old formats when it is built to; we do not (found by the fuzzer). */
static void old_zstd_formats_are_refused(void **state)
{
    static const uint8_t v05[] = { 0x25, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0 };
    struct buf out = BUF_INIT(64);

    (void) state;
    assert_err(run(UNPACK_ZSTD, &generous, SPAN_OF(v05), 8, &out, NULL), ERR_CORRUPT);
    assert_err(run(UNPACK_ZSTD, &generous, SPAN_OF(v05), 1, &out, NULL), ERR_CORRUPT);
    buf_deinit(&out);
}

static void sniffed_by_magic(void **state)
{
    static const struct {
        const char *name;
        struct span in;
        enum err code;
        enum unpack_codec codec;
    } cases[] = {
        { "nothing", { NULL, 0 }, ERR_OK, UNPACK_IDENTITY },
        { "json", { (const uint8_t *) "{\"version", 8 }, ERR_OK, UNPACK_IDENTITY },
        { "gzip", { (const uint8_t *) "\x1f\x8b\x08\x00", 4 }, ERR_OK, UNPACK_GZIP },
        { "one byte", { (const uint8_t *) "\x1f", 1 }, ERR_OK, UNPACK_IDENTITY },
        { "zstd", { (const uint8_t *) "\x28\xb5\x2f\xfd\x04", 5 }, ERR_OK, UNPACK_ZSTD },
        { "zlib 78 9c", { (const uint8_t *) "\x78\x9c\x01", 3 }, ERR_OK, UNPACK_DEFLATE },
        { "zlib 78 01", { (const uint8_t *) "\x78\x01\x01", 3 }, ERR_OK, UNPACK_DEFLATE },
        { "78 02 is no zlib", { (const uint8_t *) "\x78\x02\x01", 3 }, ERR_OK, UNPACK_IDENTITY },
        { "bzip2", { (const uint8_t *) "BZh91AY&", 8 }, ERR_UNSUPPORTED, UNPACK_IDENTITY },
        { "zip", { (const uint8_t *) "PK\x03\x04\x14\0\0\0", 8 }, ERR_UNSUPPORTED, UNPACK_IDENTITY },
        { "xz",
          { (const uint8_t *) "\xfd"
                              "7zXZ\0\0\0",
            8 },
          ERR_UNSUPPORTED,
          UNPACK_IDENTITY },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum unpack_codec codec = UNPACK_IDENTITY;
        struct err_info e = { 0 };
        enum err code = unpack_sniff(cases[i].in, &codec, &e);

        if (code != cases[i].code || codec != cases[i].codec)
            fail_msg("%s: %s, codec %d", cases[i].name, err_name(code), codec);
        if (code == ERR_UNSUPPORTED)
            assert_non_null(strstr(e.text, cases[i].name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_whole_and_in_pieces),
        cmocka_unit_test(cut_or_followed_by_garbage_is_corrupt),
        cmocka_unit_test(flipped_bits_never_pass),
        cmocka_unit_test(members_and_frames_one_after_another),
        cmocka_unit_test(bombs_end_at_the_limit),
        cmocka_unit_test(large_zstd_windows_are_a_limit),
        cmocka_unit_test(old_zstd_formats_are_refused),
        cmocka_unit_test(sniffed_by_magic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
