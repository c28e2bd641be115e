/* KHSEG1: the standard's vectors, every length around a block, damage, other keys and places. */
#include "test.h"

#include <stdlib.h>

#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/khseg.h"

static const struct khseg_context place = {
    .project = { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 },
    .rid = { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 },
    .kn = 0, .track = 0, .seg_no = 7, .codec = 1,
};

/* STANDARDS 4.1: RK = 00..1f, salt = 40..57. */
static struct secret *vector_rk(void)
{
    struct secret *rk = secret_new(32);

    assert_non_null(rk);
    for (size_t i = 0; i < 32; i++)
        secret_bytes(rk)[i] = (uint8_t) i;
    return rk;
}

static void write_file(const struct secret *rk, const struct khseg_context *c, struct span plain, size_t step,
                       struct buf *out)
{
    CLEANUP(khseg_writer_freep) struct khseg_writer *w = NULL;
    uint8_t salt[24];

    for (size_t i = 0; i < 24; i++)
        salt[i] = (uint8_t) (0x40 + i);
    buf_init(out, 64u << 20);
    assert_ok(khseg_writer_new_salted(rk, c, salt, out, &w, NULL));
    for (size_t at = 0; at < plain.n; at += step)
        assert_ok(khseg_write(w, span_sub(plain, at, step), NULL));
    assert_int_equal(khseg_written(w), plain.n);
    assert_ok(khseg_finish(w, NULL));
    assert_err(khseg_finish(w, NULL), ERR_STATE);
    assert_err(khseg_write(w, SPAN("x"), NULL), ERR_STATE);
    assert_int_equal(out->n, khseg_file_size(plain.n));
}

/* Opens and reads everything. */
static enum err read_all(struct span file, const struct secret *rk, const struct khseg_context *c, struct buf *out)
{
    CLEANUP(khseg_reader_freep) struct khseg_reader *r = NULL;
    struct khseg_source src = khseg_source_span(&file);
    uint8_t *to;

    TRY(khseg_open(&src, rk, c, &r, NULL));
    buf_reset(out);
    to = buf_reserve(out, khseg_plain_len(r));
    assert_non_null(to);
    TRY(khseg_read(r, 0, to, khseg_plain_len(r), NULL));
    out->n = khseg_plain_len(r);
    return ERR_OK;
}

static void the_standards_vectors(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    static const uint8_t zeros[KHSEG_BLOCK];
    static const struct {
        const char *hex;
        const char *plain;
    } cases[] = {
        { "ebd7fc79ad20f2805d8d25928448d882", "" },
        { "2cee77a0a30efc1a85ef18510c1add169de45bbd0e65f7", "keyhole" },
    };
    struct buf f, text = BUF_INIT(1024);
    uint8_t sum[32], context[KHSEG_CONTEXT_LEN];

    (void) state;
    assert_ok(khseg_context(&place, context, NULL));
    for (size_t i = 0; i < 2; i++) {
        write_file(rk, &place, span_str(cases[i].plain), 1000, &f);
        buf_reset(&text);
        hex_add(&text, buf_span(&f));
        assert_true(span_starts(buf_span(&text),
                                "404142434445464748494a4b4c4d4e4f5051525354555657"
                                "d155bc53bf46131988de8687cf31e3e7389f8eb5eda3abe8ac04c48ea8e3366d"));
        assert_span_str(span_sub(buf_span(&text), 112, 1024), cases[i].hex);
        buf_deinit(&f);
    }
    write_file(rk, &place, SPAN_OF(zeros), 16384, &f);
    assert_int_equal(f.n, 16472);
    sha256(buf_span(&f), sum);
    buf_reset(&text);
    hex_add(&text, SPAN_OF(sum));
    assert_span_str(buf_span(&text), "480244d3c9309f2efc6220fc71eff54dcf7f0a987835f5dd19c0afcd4643a91f");
    buf_deinit(&f);
    buf_deinit(&text);
}

static void every_length_around_a_block(void **state)
{
    static const size_t lengths[] = { 0, 1, 16383, 16384, 16385, 32767, 32768, 32769, 16384 * 8, 16384 * 9 + 5 };
    static const size_t steps[] = { 1000, 16384, 16385, 1u << 20 };
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct buf plain = BUF_INIT(1 << 20), f, back = BUF_INIT(1 << 20);

    (void) state;
    assert_non_null(buf_reserve(&plain, 16384 * 10));
    random_fill(plain.p, 16384 * 10);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (size_t k = 0; k < 4; k++) {
            plain.n = lengths[i];
            write_file(rk, &place, buf_span(&plain), steps[k], &f);
            assert_ok(read_all(buf_span(&f), rk, &place, &back));
            assert_span_eq(buf_span(&back), buf_span(&plain));
            buf_deinit(&f);
        }
    }
    buf_deinit(&plain);
    buf_deinit(&back);
}

static void ranges(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(khseg_reader_freep) struct khseg_reader *r = NULL;
    static uint8_t plain[16384 * 20 + 100], got[sizeof(plain)];
    uint32_t seed = 1;
    struct khseg_source src;
    struct span file;
    struct buf f;

    (void) state;
    random_fill(plain, sizeof(plain));
    write_file(rk, &place, SPAN_OF(plain), 5000, &f);
    file = buf_span(&f);
    src = khseg_source_span(&file);
    assert_ok(khseg_open(&src, rk, &place, &r, NULL));
    assert_int_equal(khseg_plain_len(r), sizeof(plain));
    for (int i = 0; i < 500; i++) {
        size_t at, n;

        seed = seed * 1664525 + 1013904223;
        at = seed % (sizeof(plain) + 1);
        seed = seed * 1664525 + 1013904223;
        n = seed % (sizeof(plain) - at + 1);
        if (i % 3 == 0)
            n %= 100;
        assert_ok(khseg_read(r, at, got, n, NULL));
        assert_memory_equal(got, plain + at, n);
    }
    assert_ok(khseg_read(r, sizeof(plain), got, 0, NULL));
    assert_err(khseg_read(r, sizeof(plain), got, 1, NULL), ERR_INVAL);
    assert_err(khseg_read(r, 0, got, sizeof(plain) + 1, NULL), ERR_INVAL);
    assert_err(khseg_read(r, UINT64_MAX, got, 1, NULL), ERR_INVAL);
    assert_err(khseg_read(r, 1, got, SIZE_MAX, NULL), ERR_INVAL);
    buf_deinit(&f);
}

static void every_flipped_byte_is_refused(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    static const size_t lengths[] = { 0, 7, 16384, 16390 };
    static uint8_t plain[16390];
    struct buf f, back = BUF_INIT(1 << 20);

    (void) state;
    for (size_t l = 0; l < 4; l++) {
        write_file(rk, &place, span_of(plain, lengths[l]), 4096, &f);
        assert_ok(read_all(buf_span(&f), rk, &place, &back));
        for (size_t i = 0; i < f.n; i += f.n > 1000 && i > 200 && i + 200 < f.n ? 13 : 1) {
            f.p[i] ^= (uint8_t) (1u << i % 8);
            assert_err(read_all(buf_span(&f), rk, &place, &back), ERR_CORRUPT);
            f.p[i] ^= (uint8_t) (1u << i % 8);
        }
        buf_deinit(&f);
    }
    buf_deinit(&back);
}

static void every_truncation_and_extension_is_refused(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    static uint8_t plain[16384 * 3 + 50];
    struct buf f, back = BUF_INIT(1 << 20);
    size_t full;

    (void) state;
    write_file(rk, &place, SPAN_OF(plain), 4096, &f);
    full = f.n;
    for (size_t n = 0; n < full; n++) {
        size_t in_block = n < KHSEG_HEAD_LEN ? 0 : (n - KHSEG_HEAD_LEN) % 16400;

        /* all of the head, and around each block's border and tag; in between in steps */
        if (n > 100 && in_block > 40 && in_block < 16360 && n % 97 != 0)
            continue;
        assert_err(read_all(span_of(f.p, n), rk, &place, &back), ERR_CORRUPT);
    }
    for (size_t more = 1; more < 40; more++) {
        buf_u8(&f, 0);
        assert_err(read_all(buf_span(&f), rk, &place, &back), ERR_CORRUPT);
    }
    f.n = full;
    /* two blocks swapped */
    for (size_t i = 0; i < 16400; i++) {
        uint8_t t = f.p[56 + i];

        f.p[56 + i] = f.p[56 + 16400 + i];
        f.p[56 + 16400 + i] = t;
    }
    assert_err(read_all(buf_span(&f), rk, &place, &back), ERR_CORRUPT);
    buf_deinit(&f);
    buf_deinit(&back);
}

static void another_key_or_place_fails_at_the_commitment(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khseg_context c;
    struct khseg_reader *r = NULL;
    struct khseg_source src;
    struct err_info e;
    struct span file;
    struct buf f;

    (void) state;
    write_file(rk, &place, SPAN("keyhole"), 10, &f);
    file = buf_span(&f);
    src = khseg_source_span(&file);
    for (int field = 0; field < 7; field++) {
        c = place;
        switch (field) {
        case 0: c.project = SPAN("p_zNe2lKL4dQxW8s0c"); break;
        case 1: c.rid = SPAN("r_2Dz2Sr-SnSlnd8aU"); break;
        case 2: c.kn = 1; break;
        case 3: c.track = 1; break;
        case 4: c.seg_no = 8; break;
        case 5: c.codec = 2; break;
        default: secret_bytes(rk)[31] ^= 1; break;
        }
        assert_err(khseg_open(&src, rk, &c, &r, &e), ERR_CORRUPT);
        assert_non_null(strstr(e.text, "not of this key and place"));
    }
    secret_bytes(rk)[31] ^= 1;
    c = place;
    c.rid = SPAN("p_2Dz2Sr-SnSlnd8aT");
    assert_err(khseg_open(&src, rk, &c, &r, NULL), ERR_INVAL);
    c.rid = SPAN("r_2Dz2Sr-SnSlnd8a/");
    assert_err(khseg_open(&src, rk, &c, &r, NULL), ERR_INVAL);
    buf_deinit(&f);
}

/* The source's own errors pass through, and nothing half-read stays behind. */
static enum err fail_later(void *ctx, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    const struct buf *f = ctx;

    if (at == 56 + 8 * 16400)
        return ERR_RAISE(reterr, ERR_IO, "planted");
    memcpy(to, f->p + at, n);
    return ERR_OK;
}

static void a_failing_source_leaves_zeros(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(khseg_reader_freep) struct khseg_reader *r = NULL;
    static uint8_t plain[16384 * 10], got[sizeof(plain)];
    struct khseg_source src;
    struct buf f;

    (void) state;
    memset(plain, 7, sizeof(plain));
    write_file(rk, &place, SPAN_OF(plain), 100000, &f);
    src = (struct khseg_source){ f.n, fail_later, &f };
    assert_ok(khseg_open(&src, rk, &place, &r, NULL));
    assert_ok(khseg_read(r, 0, got, 16384 * 8, NULL));
    assert_memory_equal(got, plain, 16384 * 8);
    assert_err(khseg_read(r, 0, got, sizeof(got), NULL), ERR_IO);
    for (size_t i = 0; i < sizeof(got); i++)
        assert_int_equal(got[i], 0);
    buf_deinit(&f);
}

static void fresh_salts_and_a_full_buffer(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khseg_writer *w = NULL;
    struct buf a = BUF_INIT(100), b = BUF_INIT(1000);

    (void) state;
    assert_ok(khseg_writer_new(rk, &place, &a, &w, NULL));
    assert_err(khseg_write(w, span_of(b.p, 0), NULL), ERR_OK);
    assert_ok(khseg_write(w, SPAN("12345678901234567890123456789012345678901234567890"), NULL));
    assert_err(khseg_finish(w, NULL), ERR_LIMIT);
    w = khseg_writer_free(w);
    assert_ok(khseg_writer_new(rk, &place, &b, &w, NULL));
    khseg_writer_free(w);
    assert_memory_not_equal(a.p, b.p, 24);
    buf_deinit(&b);
    b = BUF_INIT(55);
    assert_err(khseg_writer_new(rk, &place, &b, &w, NULL), ERR_LIMIT);
    buf_deinit(&a);
    buf_deinit(&b);
}

struct failing {
    struct span bytes;
    unsigned left;
};

static enum err read_some(void *ctx, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    struct failing *f = ctx;

    if (f->left-- == 0)
        return ERR_RAISE(reterr, ERR_IO, "no more");
    memcpy(to, f->bytes.p + at, n);
    return ERR_OK;
}

static void sources_that_fail_or_lie(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khseg_reader *r = NULL;
    struct khseg_source src;
    struct buf f;
    struct span s;
    uint8_t to[8];

    (void) state;
    write_file(rk, &place, SPAN("keyhole"), 100, &f);
    for (unsigned left = 0; left < 3; left++) { /* the head, the last block, then it is open */
        struct failing x = { buf_span(&f), left };

        src = (struct khseg_source){ f.n, read_some, &x };
        assert_err(khseg_open(&src, rk, &place, &r, NULL), left < 2 ? ERR_IO : ERR_OK);
    }
    r = khseg_reader_free(r);
    s = buf_span(&f);
    src = khseg_source_span(&s);
    src.size = KHSEG_SIZE_MAX + 1;
    assert_err(khseg_open(&src, rk, &place, &r, NULL), ERR_CORRUPT);
    src.size = KHSEG_SIZE_MAX; /* as many bytes as there may be, but they are not there */
    assert_err(khseg_open(&src, rk, &place, &r, NULL), ERR_CORRUPT);
    assert_ok(src.read(src.ctx, f.n - 8, to, 8, NULL));
    assert_err(src.read(src.ctx, f.n - 7, to, 8, NULL), ERR_CORRUPT);
    assert_err(src.read(src.ctx, f.n + 1, to, 0, NULL), ERR_CORRUPT);
    buf_deinit(&f);
}

static void what_a_writer_refuses(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    static const uint8_t zeros[KHSEG_BLOCK * 2];
    const uint64_t wraps = UINT64_MAX / 1025 * 1024 + KHSEG_BLOCK; /* its file's size runs over 2^64 */
    struct khseg_context other = place;
    struct khseg_writer *w = NULL;
    struct buf b = BUF_INIT(KHSEG_BLOCK);
    struct err_info e;

    (void) state;
    other.rid = SPAN("r_short");
    assert_err(khseg_writer_new(rk, &other, &b, &w, NULL), ERR_INVAL);
    assert_null(w);
    for (size_t part = 1; part <= KHSEG_BLOCK; part += KHSEG_BLOCK - 1) { /* no room for a block, gathered or whole */
        buf_reset(&b);
        assert_ok(khseg_writer_new(rk, &place, &b, &w, NULL));
        assert_err(khseg_write(w, span_of(zeros, (size_t) KHSEG_SIZE_MAX + 1), NULL), ERR_LIMIT); /* the length is enough */
        assert_err(khseg_write(w, span_of(zeros, (size_t) KHSEG_SIZE_MAX), NULL), ERR_LIMIT);
        assert_true(khseg_file_size(wraps) <= KHSEG_SIZE_MAX);
        assert_err(khseg_write(w, span_of(zeros, (size_t) wraps), &e), ERR_LIMIT);
        assert_non_null(strstr(e.text, "segment is over")); /* and not for want of room */
        assert_int_equal(khseg_written(w), 0);
        if (part == 1)
            assert_ok(khseg_write(w, span_of(zeros, 1), NULL));
        assert_err(khseg_write(w, span_of(zeros, KHSEG_BLOCK), NULL), ERR_LIMIT);
        w = khseg_writer_free(w);
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_vectors),
        cmocka_unit_test(every_length_around_a_block),
        cmocka_unit_test(ranges),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(every_truncation_and_extension_is_refused),
        cmocka_unit_test(another_key_or_place_fails_at_the_commitment),
        cmocka_unit_test(a_failing_source_leaves_zeros),
        cmocka_unit_test(fresh_salts_and_a_full_buffer),
        cmocka_unit_test(sources_that_fail_or_lie),
        cmocka_unit_test(what_a_writer_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
