/* KHSPL1: the example of the page, damage at every byte, records out of order, other keys and places. */
#include "test.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/hex.h"
#include "crypto/random.h"
#include "format/khspl.h"

static const struct span project = { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 };
static const struct span rid = { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 };

static struct secret *vector_rk(void)
{
    struct secret *rk = secret_new(32);

    assert_non_null(rk);
    for (size_t i = 0; i < 32; i++)
        secret_bytes(rk)[i] = (uint8_t) i;
    return rk;
}

/* The second code block after "## Example". */
static void example(struct buf *out)
{
    struct buf doc, text = BUF_INIT(8192);
    const char *at, *end;
    size_t got = 0;

    test_read_file(test_source("docs/formats/log.md"), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    for (int i = 0; i < 3; i++) {
        assert_non_null(at);
        at = strstr(at + 3, "```");
    }
    assert_non_null(at);
    end = strstr(at + 4, "```");
    assert_non_null(end);
    for (const char *p = at + 4; p < end; p++) {
        if (!isspace((unsigned char) *p))
            buf_add_c(&text, *p);
    }
    *out = BUF_INIT(4096);
    assert_true(hex_parse(buf_span(&text), buf_reserve(out, 4096), 4096, &got));
    out->n = got;
    buf_deinit(&doc);
    buf_deinit(&text);
}

static enum err open_span(const struct span *bytes, struct khspl **ret)
{
    struct khseg_source src = khseg_source_span(bytes);

    return khspl_open(&src, ret, NULL);
}

static void the_example_of_the_page(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(khspl_freep) struct khspl *s = NULL;
    struct buf file, frame = BUF_INIT(1024);
    struct span bytes;

    (void) state;
    example(&file);
    assert_int_equal(file.n, 398);
    bytes = buf_span(&file);
    assert_ok(open_span(&bytes, &s));
    assert_int_equal(khspl_file_no(s), 7);
    assert_int_equal(khspl_begin(s)->kn, 0);
    assert_span_eq(khspl_begin(s)->rid, rid);
    assert_int_equal(khspl_begin(s)->wrap.n, 123);
    assert_int_equal(khspl_n(s), 2);
    assert_int_equal(khspl_at(s, 0)->number, 3);
    assert_int_equal(khspl_at(s, 0)->n_events, 0);
    assert_int_equal(khspl_at(s, 1)->first_seq, 2);
    assert_int_equal(khspl_at(s, 1)->batch_seq, 2);
    assert_int_equal(khspl_at(s, 1)->flags, KHLOG_LAST);
    assert_null(khspl_at(s, 2));
    assert_err(khspl_read(s, 0, &frame, NULL), ERR_STATE);
    assert_ok(khspl_unlock(s, rk, project, rid, 0, 0, NULL));
    assert_ok(khspl_read(s, 0, &frame, NULL));
    assert_int_equal(frame.n, 0);
    assert_ok(khspl_read(s, 1, &frame, NULL));
    assert_span_str(span_sub(buf_span(&frame), 9, 100), "[2,\"o\",\"\\r\\n\"]\n");
    assert_err(khspl_read(s, 2, &frame, NULL), ERR_NOTFOUND);
    buf_deinit(&file);
    buf_deinit(&frame);
}

static void each_bit_flipped_and_each_cut(void **state)
{
    struct khspl *s = NULL;
    struct buf file;
    struct span bytes;

    (void) state;
    example(&file);
    bytes = buf_span(&file);
    for (size_t i = 0; i < file.n * 8; i++) {
        file.p[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_err(open_span(&bytes, &s), ERR_CORRUPT);
        file.p[i / 8] ^= (uint8_t) (1 << i % 8);
    }
    for (size_t n = 0; n < file.n; n++) {
        struct span cut = span_of(file.p, n);

        if (n == 314) { /* between the two data records: whole records; the keeper's size and SHA-256 say otherwise */
            assert_ok(open_span(&cut, &s));
            assert_int_equal(khspl_n(s), 1);
            s = khspl_free(s);
        } else {
            assert_err(open_span(&cut, &s), ERR_CORRUPT);
        }
    }
    buf_add_c(&file, '\0');
    bytes = buf_span(&file);
    assert_err(open_span(&bytes, &s), ERR_CORRUPT);
    buf_deinit(&file);
}

static void another_key_or_place(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(secret_freep) struct secret *other = secret_random(32);
    CLEANUP(khspl_freep) struct khspl *s = NULL;
    struct buf file, frame = BUF_INIT(100);
    struct span bytes;

    (void) state;
    example(&file);
    bytes = buf_span(&file);
    assert_ok(open_span(&bytes, &s));
    assert_err(khspl_unlock(s, other, project, rid, 0, 0, NULL), ERR_CORRUPT);
    assert_err(khspl_unlock(s, rk, SPAN("p_zNe2lKL4dQxW8s0c"), rid, 0, 0, NULL), ERR_CORRUPT);
    assert_err(khspl_unlock(s, rk, project, SPAN("r_2Dz2Sr-SnSlnd8aU"), 0, 0, NULL), ERR_CORRUPT);
    assert_err(khspl_unlock(s, rk, project, rid, 1, 0, NULL), ERR_CORRUPT);
    assert_err(khspl_unlock(s, rk, project, rid, 0, 1, NULL), ERR_CORRUPT); /* of the other track */
    assert_err(khspl_read(s, 0, &frame, NULL), ERR_STATE); /* still locked */
    assert_ok(khspl_unlock(s, rk, project, rid, 0, 0, NULL));
    file.p[380] ^= 1; /* it changes after it was opened */
    assert_err(khspl_read(s, 1, &frame, NULL), ERR_CORRUPT);
    buf_deinit(&file);
    buf_deinit(&frame);
}

/* ---- order: authentic records, one after another as they may not be ---- */

struct step {
    uint32_t local, number, n_events;
    uint64_t batch, seq;
    uint32_t flags;
};

static void order_of_records(void **state)
{
    static const struct {
        const char *name;
        struct step steps[3];
        int n;
        enum err want;
    } cases[] = {
        { "whole", { { 9, 4, 2, 1, 10, 2 }, { 9, 6, 1, 2, 12, 0 }, { 9, 7, 1, 2, 13, 2 } }, 3, ERR_OK },
        { "a part of a batch", { { 9, 0, 2, 1, 10, 0 } }, 1, ERR_OK },
        { "a head between", { { 9, 0, 0, 0, 0, 1 }, { 9, 1, 5, 0, 0, 2 }, { 9, 2, 0, 1, 5, 2 } }, 3, ERR_OK },
        { "no data", { { 9, 0, 0, 0, 0, 0 } }, 0, ERR_CORRUPT },
        { "same number", { { 9, 4, 2, 1, 10, 2 }, { 9, 4, 1, 2, 12, 2 } }, 2, ERR_CORRUPT },
        { "number falls", { { 9, 4, 2, 1, 10, 2 }, { 9, 3, 1, 2, 12, 2 } }, 2, ERR_CORRUPT },
        { "another local", { { 9, 4, 2, 1, 10, 2 }, { 8, 5, 1, 2, 12, 2 } }, 2, ERR_CORRUPT },
        { "not the open one", { { 8, 4, 2, 1, 10, 2 } }, 1, ERR_CORRUPT },
        { "batch falls", { { 9, 4, 2, 1, 10, 2 }, { 9, 5, 1, 0, 12, 2 } }, 2, ERR_CORRUPT },
        { "batch goes on after its last", { { 9, 4, 2, 1, 10, 2 }, { 9, 5, 1, 1, 12, 2 } }, 2, ERR_CORRUPT },
        { "batch without an end", { { 9, 4, 2, 1, 10, 0 }, { 9, 5, 1, 2, 12, 2 } }, 2, ERR_CORRUPT },
        { "event missing", { { 9, 4, 2, 1, 10, 2 }, { 9, 5, 1, 2, 13, 2 } }, 2, ERR_CORRUPT },
        { "event twice", { { 9, 4, 2, 1, 10, 2 }, { 9, 5, 1, 2, 11, 2 } }, 2, ERR_CORRUPT },
    };
    CLEANUP(secret_freep) struct secret *rk = vector_rk();

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct khlog_place p = { .project = project, .rid = rid, .kn = 2, .codec = KHLOG_CODEC, .file_no = 3 };
        struct khlog_open o = { .kn = 2, .codec = KHLOG_CODEC, .project = project, .rid = rid };
        CLEANUP(khlog_key_freep) struct khlog_key *k = NULL;
        struct buf file = BUF_INIT(4096);
        struct khspl *s = NULL;
        struct span bytes;

        random_fill(o.salt, sizeof(o.salt));
        assert_ok(khlog_key_new(rk, &p, o.salt, o.commitment, &k, NULL));
        khlog_header(KHLOG_FILE_SPL, 3, buf_reserve(&file, KHLOG_HEADER_LEN));
        file.n = KHLOG_HEADER_LEN;
        assert_ok(khlog_write_open(&o, 9, &file, NULL));
        for (int j = 0; j < cases[i].n; j++) {
            const struct step *t = &cases[i].steps[j];
            const struct khlog_data d = { t->number, t->n_events, t->batch, t->seq, t->flags, SPAN_EMPTY };

            assert_ok(khlog_seal(k, t->local, &d, SPAN("frame"), buf_reserve(&file, 100), NULL));
            file.n += khlog_data_size(5);
        }
        bytes = buf_span(&file);
        if (open_span(&bytes, &s) != cases[i].want)
            fail_msg("%s", cases[i].name);
        khspl_free(s);
        buf_deinit(&file);
    }
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

/* A piece of n records with frames of 'len' bytes, and its key. */
static void make(const struct secret *rk, uint32_t n, size_t len, uint8_t track, struct buf *file)
{
    const struct khlog_place p = { .project = project, .rid = rid, .kn = 2, .track = track, .codec = KHLOG_CODEC, .file_no = 3 };
    struct khlog_open o = { .kn = 2, .track = track, .codec = KHLOG_CODEC, .project = project, .rid = rid };
    CLEANUP(khlog_key_freep) struct khlog_key *k = NULL;
    uint8_t *frame = calloc(1, len);

    assert_non_null(frame);
    *file = BUF_INIT(8u << 20);
    assert_ok(khlog_key_new(rk, &p, o.salt, o.commitment, &k, NULL));
    khlog_header(KHLOG_FILE_SPL, 3, buf_reserve(file, KHLOG_HEADER_LEN));
    file->n = KHLOG_HEADER_LEN;
    assert_ok(khlog_write_open(&o, 9, file, NULL));
    for (uint32_t i = 0; i < n; i++) {
        const struct khlog_data d = { .number = i, .n_events = 1, .batch_seq = i, .first_seq = i, .flags = KHLOG_LAST };

        assert_ok(khlog_seal(k, 9, &d, span_of(frame, len), buf_reserve(file, khlog_data_size(len)), NULL));
        file->n += khlog_data_size(len);
    }
    free(frame);
}

static void many_records_and_a_source_that_fails(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khspl *s = NULL;
    struct buf file, frame = BUF_INIT(8192);
    unsigned left = 0;

    (void) state;
    make(rk, 200, 5000, 0, &file); /* four windows */
    for (;; left++) {
        struct failing f = { buf_span(&file), left };
        struct khseg_source src = { file.n, read_some, &f };
        enum err e = khspl_open(&src, &s, NULL);

        if (e == ERR_OK)
            break;
        assert_int_equal(e, ERR_IO);
    }
    assert_true(left >= 4);
    assert_int_equal(khspl_n(s), 200);
    s = khspl_free(s);
    {
        struct failing f = { buf_span(&file), left };
        struct khseg_source src = { file.n, read_some, &f };

        assert_ok(khspl_open(&src, &s, NULL));
        assert_ok(khspl_unlock(s, rk, project, rid, 2, 0, NULL));
        assert_err(khspl_read(s, 199, &frame, NULL), ERR_IO);
        f.left = 1;
        assert_ok(khspl_read(s, 199, &frame, NULL));
        s = khspl_free(s);
    }
    buf_deinit(&file);
    make(rk, 2, 300000, 0, &file); /* the open record and the first header in one read, the rest in the next ones */
    for (left = 0; left < 3; left++) {
        struct failing f = { buf_span(&file), left };
        struct khseg_source src = { file.n, read_some, &f };

        assert_err(khspl_open(&src, &s, NULL), left < 3 ? ERR_IO : ERR_OK);
    }
    buf_deinit(&file);
    buf_deinit(&frame);
}

static void sizes_tracks_and_first_records(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khspl *s = NULL;
    struct buf file, cut = BUF_INIT(8192);
    struct khseg_source src;
    struct failing f;
    struct span bytes;

    (void) state;
    make(rk, 3, 100, 1, &file);
    bytes = buf_span(&file);
    assert_ok(open_span(&bytes, &s));
    assert_err(khspl_unlock(s, rk, project, rid, 2, 0, NULL), ERR_CORRUPT); /* another track */
    s = khspl_free(s);
    src = khseg_source_span(&bytes);
    src.size = (uint64_t) KHLOG_FILE_MAX + 1;
    assert_err(khspl_open(&src, &s, NULL), ERR_CORRUPT);
    /* no open record at the beginning */
    buf_add(&cut, file.p, KHLOG_HEADER_LEN);
    buf_add_span(&cut, span_sub(bytes, KHLOG_HEADER_LEN + KHLOG_OPEN_MIN, file.n));
    bytes = buf_span(&cut);
    assert_err(open_span(&bytes, &s), ERR_CORRUPT);
    /* a second open record */
    cut.n = 0;
    buf_add(&cut, file.p, KHLOG_HEADER_LEN + KHLOG_OPEN_MIN);
    buf_add(&cut, file.p + KHLOG_HEADER_LEN, file.n - KHLOG_HEADER_LEN);
    bytes = buf_span(&cut);
    assert_err(open_span(&bytes, &s), ERR_CORRUPT);
    /* the open record's rest cannot be read */
    f = (struct failing){ buf_span(&file), 0 };
    src = (struct khseg_source){ file.n, read_some, &f };
    assert_err(khspl_open(&src, &s, NULL), ERR_IO);
    buf_deinit(&file);
    buf_deinit(&cut);
}

/* A whole record in the place of another, after the piece was opened. */
static void another_record_in_its_place(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(khspl_freep) struct khspl *s = NULL;
    struct khlog_open o = { .kn = 2, .codec = KHLOG_CODEC, .project = project, .rid = rid };
    struct buf file, frame = BUF_INIT(1000), open = BUF_INIT(1000);
    uint8_t wrap[255] = { 0 }, kept[200];
    const size_t len = khlog_data_size(100);
    uint8_t *at;
    struct span bytes;
    uint32_t crc;

    (void) state;
    make(rk, 2, 100, 0, &file);
    bytes = buf_span(&file);
    assert_ok(open_span(&bytes, &s));
    assert_ok(khspl_unlock(s, rk, project, rid, 2, 0, NULL));
    at = file.p + file.n - len;
    memcpy(kept, at, len);
    assert_ok(khspl_read(s, 1, &frame, NULL));
    memcpy(at, at - len, len); /* the one before: another number */
    assert_err(khspl_read(s, 1, &frame, NULL), ERR_CORRUPT);
    memcpy(at, kept, len);
    at[12] ^= 1; /* of another recording in the same log */
    memset(at + 4, 0, 4);
    crc = crc32c(0, span_of(at, len));
    memcpy(at + 4, &crc, 4); /* little-endian machine */
    assert_err(khspl_read(s, 1, &frame, NULL), ERR_CORRUPT);
    o.wrap = span_of(wrap, len - KHLOG_OPEN_MIN);
    assert_ok(khlog_write_open(&o, 9, &open, NULL));
    assert_int_equal(open.n, len);
    memcpy(at, open.p, len); /* no data record */
    assert_err(khspl_read(s, 1, &frame, NULL), ERR_CORRUPT);
    memcpy(at, kept, len);
    assert_ok(khspl_read(s, 1, &frame, NULL));
    buf_deinit(&file);
    buf_deinit(&frame);
    buf_deinit(&open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_page),
        cmocka_unit_test(each_bit_flipped_and_each_cut),
        cmocka_unit_test(another_key_or_place),
        cmocka_unit_test(order_of_records),
        cmocka_unit_test(many_records_and_a_source_that_fails),
        cmocka_unit_test(sizes_tracks_and_first_records),
        cmocka_unit_test(another_record_in_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
