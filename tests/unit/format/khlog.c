/* KHLOG1: the standard's vector, the example of the page, limits, damage at every byte, other keys and places. */
#include "test.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/khlog.h"

#define PROJECT { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 }
#define RID     { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 }

static const struct khlog_place place = {
    .project = PROJECT, .rid = RID, .kn = 0, .track = 0, .codec = KHLOG_CODEC, .file_no = 7,
};

/* RK = 00..1f */
static struct secret *vector_rk(void)
{
    struct secret *rk = secret_new(32);

    assert_non_null(rk);
    for (size_t i = 0; i < 32; i++)
        secret_bytes(rk)[i] = (uint8_t) i;
    return rk;
}

/* salt = 40..57; the open record with 123 x aa as wrap, and its key. */
static struct khlog_key *vector_key(const struct secret *rk, struct khlog_open *o)
{
    static uint8_t wrap[123];
    struct khlog_key *k = NULL;

    memset(wrap, 0xaa, sizeof(wrap));
    *o = (struct khlog_open){ .codec = KHLOG_CODEC, .project = place.project, .rid = place.rid, .wrap = SPAN_OF(wrap) };
    for (size_t i = 0; i < sizeof(o->salt); i++)
        o->salt[i] = (uint8_t) (0x40 + i);
    assert_ok(khlog_key_new(rk, &place, o->salt, o->commitment, &k, NULL));
    return k;
}

static void assert_hex(struct span bytes, const char *want)
{
    struct buf text = BUF_INIT(4096);

    hex_add(&text, bytes);
    assert_span_str(buf_span(&text), want);
    buf_deinit(&text);
}

static void the_standards_vector(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    const struct khlog_data d = { .n_events = 1 };
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    uint8_t header[KHLOG_HEADER_LEN], sum[32], data[67];
    struct buf open = BUF_INIT(1024);

    (void) state;
    khlog_header(KHLOG_FILE_LOG, 7, header);
    assert_hex(SPAN_OF(header), "4b484c4f47310000070000009d95948b");
    assert_hex(SPAN_OF(o.commitment), "1d4daa18dc8a03f85613e5c250d87efb5ae0bff684ad4d607452a87cda85136a");
    assert_ok(khlog_write_open(&o, 0, &open, NULL));
    assert_int_equal(open.n, 238);
    sha256(buf_span(&open), sum);
    assert_hex(SPAN_OF(sum), "ed5364273a8b5627ec8225135158e79f2a528f4d2997216ef02741eca3333d78");
    assert_int_equal(khlog_data_size(7), sizeof(data));
    assert_ok(khlog_seal(k, 0, &d, SPAN("keyhole"), data, NULL));
    assert_hex(SPAN_OF(data), "430000007fae960a02000000000000000000000001000000000000000000000000000000000000000000000037ef1538"
                              "faf6225738be19be4882946541ea782e282718");
    buf_deinit(&open);
}

/* ---- the page ---- */

/* Code block n (from 0) after "## Example". */
static void example(int n, struct buf *out)
{
    struct buf doc, text = BUF_INIT(8192);
    const char *at, *end = NULL;
    size_t got = 0;

    test_read_file(test_source("docs/formats/log.md"), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    for (int i = 0; i <= n; i++) {
        assert_non_null(at);
        at = strstr(at, "```\n");
        assert_non_null(at);
        end = strstr(at + 4, "```");
        assert_non_null(end);
        if (i < n)
            at = end + 3;
    }
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

/* The data records of the example: what they say and hold. */
static const struct {
    uint32_t number, n_events;
    uint64_t batch_seq, first_seq;
    uint32_t flags;
    const char *tail; /* of the frame; NULL: it is empty */
} example_data[] = {
    { 0, 0, 0, 0, KHLOG_HEAD, "{\"version\":2,\"width\":80,\"height\":24}" },
    { 1, 2, 0, 0, KHLOG_LAST, "[0.25,\"o\",\"hi\"]\n[1.5,\"m\",\"deploy\"]\n" },
    { 3, 0, 1, 2, KHLOG_LAST, NULL },
    { 4, 1, 2, 2, KHLOG_LAST, "[2,\"o\",\"\\r\\n\"]\n" },
};

static void assert_example_data(const struct khlog_record *r, size_t i, struct khlog_key *k)
{
    struct buf frame = BUF_INIT(1024);
    size_t n = example_data[i].tail == NULL ? 0 : strlen(example_data[i].tail);

    assert_int_equal(r->type, KHLOG_DATA);
    assert_int_equal(r->data.number, example_data[i].number);
    assert_int_equal(r->data.n_events, example_data[i].n_events);
    assert_int_equal(r->data.batch_seq, example_data[i].batch_seq);
    assert_int_equal(r->data.first_seq, example_data[i].first_seq);
    assert_int_equal(r->data.flags, example_data[i].flags);
    assert_ok(khlog_unseal(k, r, &frame, NULL));
    if (example_data[i].tail == NULL)
        assert_int_equal(frame.n, 0);
    else
        assert_span_str(span_sub(buf_span(&frame), frame.n - n, n), example_data[i].tail);
    buf_deinit(&frame);
}

/* Reads the page's file, and writes the same again. */
static void the_example_of_the_page(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(khlog_key_freep) struct khlog_key *k = NULL;
    struct buf file, again = BUF_INIT(4096), frame = BUF_INIT(1024);
    struct khlog_scan scan;
    struct khseg_source src;
    struct span bytes;
    struct khlog_record r;
    enum khlog_step step;
    uint32_t file_no = 0;
    uint64_t at = 0;

    (void) state;
    example(0, &file);
    assert_int_equal(file.n, 627);
    bytes = buf_span(&file);
    src = khseg_source_span(&bytes);
    khlog_scan_init(&scan, &src);
    assert_ok(khlog_scan_header(&scan, KHLOG_FILE_LOG, &file_no, &step, NULL));
    assert_int_equal(step, KHLOG_STEP_RECORD);
    assert_int_equal(file_no, 7);
    khlog_header(KHLOG_FILE_LOG, 7, buf_reserve(&again, KHLOG_HEADER_LEN));
    again.n = KHLOG_HEADER_LEN;
    assert_ok(khlog_scan_next(&scan, &r, &at, &step, NULL));
    assert_int_equal(step, KHLOG_STEP_RECORD);
    assert_int_equal(r.type, KHLOG_OPEN);
    assert_int_equal(at, KHLOG_HEADER_LEN);
    assert_span_eq(r.open.project, place.project);
    assert_span_eq(r.open.rid, place.rid);
    assert_int_equal(r.open.wrap.n, 123);
    assert_ok(khlog_write_open(&r.open, r.local, &again, NULL));
    assert_ok(khlog_key_open(rk, &r.open, file_no, &k, NULL));
    assert_true(khlog_key_fits(k, &r.open));
    for (size_t i = 0; i < 4; i++) {
        assert_ok(khlog_scan_next(&scan, &r, &at, &step, NULL));
        assert_int_equal(step, KHLOG_STEP_RECORD);
        assert_example_data(&r, i, k);
        buf_reset(&frame);
        assert_ok(khlog_unseal(k, &r, &frame, NULL));
        assert_ok(khlog_seal(k, r.local, &r.data, buf_span(&frame), buf_reserve(&again, 512), NULL));
        again.n += khlog_data_size(frame.n);
    }
    assert_ok(khlog_scan_next(&scan, &r, &at, &step, NULL));
    assert_int_equal(r.type, KHLOG_CLOSE);
    assert_int_equal(r.close, 2);
    khlog_write_close(0, 2, buf_reserve(&again, KHLOG_CLOSE_LEN));
    again.n += KHLOG_CLOSE_LEN;
    assert_ok(khlog_scan_next(&scan, &r, &at, &step, NULL));
    assert_int_equal(step, KHLOG_STEP_END);
    assert_span_eq(buf_span(&again), buf_span(&file));
    khlog_scan_deinit(&scan);
    buf_deinit(&file);
    buf_deinit(&again);
    buf_deinit(&frame);
}

/* ---- damage ---- */

/* How many whole records a file gives, and where it stops. */
static size_t count(struct span bytes, enum khlog_step *ret_end, uint64_t *ret_at)
{
    struct khseg_source src = khseg_source_span(&bytes);
    struct khlog_scan scan;
    struct khlog_record r;
    uint32_t file_no;
    uint64_t at;
    size_t n = 0;

    khlog_scan_init(&scan, &src);
    assert_ok(khlog_scan_header(&scan, KHLOG_FILE_LOG, &file_no, ret_end, NULL));
    while (*ret_end == KHLOG_STEP_RECORD) {
        assert_ok(khlog_scan_next(&scan, &r, &at, ret_end, NULL));
        n += *ret_end == KHLOG_STEP_RECORD;
    }
    *ret_at = scan.at;
    khlog_scan_deinit(&scan);
    return n;
}

static const size_t borders[] = { 16, 254, 359, 463, 523, 607 }; /* header, open, four data; the close record never whole */

/* Cut at any byte: the records before it are there, the rest is torn, and only a cut between records is an end. */
static void cut_anywhere(void **state)
{
    struct buf file;
    enum khlog_step end;
    uint64_t at = 0;

    (void) state;
    example(0, &file);
    for (size_t n = 0; n < file.n; n++) {
        size_t want = 0;
        bool between = false;

        for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
            want += i > 0 && borders[i] <= n;
            between |= borders[i] == n;
        }
        assert_int_equal(count(span_of(file.p, n), &end, &at), want);
        assert_int_equal(end, between ? KHLOG_STEP_END : KHLOG_STEP_TORN);
        assert_true(at <= n);
    }
    buf_deinit(&file);
}

/* Any bit changed: the file ends before that record. */
static void flip_each_bit(void **state)
{
    struct buf file;
    enum khlog_step end;
    uint64_t at = 0;

    (void) state;
    example(0, &file);
    for (size_t i = 0; i < file.n * 8; i++) {
        size_t byte = i / 8;

        file.p[byte] ^= (uint8_t) (1 << i % 8);
        assert_in_range(count(buf_span(&file), &end, &at), 0, 5);
        assert_int_equal(end, KHLOG_STEP_TORN);
        assert_true(at <= byte);
        file.p[byte] ^= (uint8_t) (1 << i % 8);
    }
    assert_int_equal(count(buf_span(&file), &end, &at), 6);
    buf_deinit(&file);
}

/* Somebody who mends the CRC after changing a data record is stopped by the tag. */
static void a_mended_crc_does_not_help(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    const struct khlog_data d = { .number = 3, .n_events = 2, .batch_seq = 5, .first_seq = 9, .flags = KHLOG_LAST };
    struct buf frame = BUF_INIT(64);
    struct khlog_record r;
    uint8_t rec[67], changed[67];
    size_t still_a_record = 0;

    (void) state;
    assert_ok(khlog_seal(k, 4, &d, SPAN("keyhole"), rec, NULL));
    for (size_t i = 8; i < sizeof(rec); i++) {
        uint32_t crc;

        memcpy(changed, rec, sizeof(rec));
        changed[i] ^= 1;
        memset(changed + 4, 0, 4);
        crc = crc32c(0, SPAN_OF(changed));
        memcpy(changed + 4, &crc, 4); /* little-endian machine */
        if (!khlog_record_read(SPAN_OF(changed), &r))
            continue; /* a type or flag that is none */
        still_a_record++;
        assert_err(khlog_unseal(k, &r, &frame, NULL), r.type == KHLOG_DATA ? ERR_CORRUPT : ERR_INVAL);
        assert_int_equal(frame.n, 0);
    }
    assert_in_range(still_a_record, 40, 59);
    assert_true(khlog_record_read(SPAN_OF(rec), &r));
    assert_ok(khlog_unseal(k, &r, &frame, NULL));
    assert_span_str(buf_span(&frame), "keyhole");
    buf_deinit(&frame);
}

/* ---- keys ---- */

static void another_key_or_place_ends_at_the_commitment(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    CLEANUP(secret_freep) struct secret *other = secret_random(32);
    struct khlog_open o, wrong[7];
    struct khlog_key *k = vector_key(rk, &o), *none = NULL;

    (void) state;
    for (size_t i = 0; i < 7; i++)
        wrong[i] = o;
    wrong[0].project = SPAN("p_zNe2lKL4dQxW8s0c");
    wrong[1].rid = SPAN("r_2Dz2Sr-SnSlnd8aU");
    wrong[2].kn = 1;
    wrong[3].track = 1;
    wrong[4].codec = 1;
    wrong[5].salt[23] ^= 1;
    wrong[6].commitment[0] ^= 1;
    for (size_t i = 0; i < 7; i++)
        assert_err(khlog_key_open(rk, &wrong[i], 7, &none, NULL), ERR_CORRUPT);
    assert_err(khlog_key_open(rk, &o, 8, &none, NULL), ERR_CORRUPT);
    assert_err(khlog_key_open(other, &o, 7, &none, NULL), ERR_CORRUPT);
    wrong[0].project = SPAN("q_zNe2lKL4dQxW8s0c");
    assert_err(khlog_key_open(rk, &wrong[0], 7, &none, NULL), ERR_INVAL);
    assert_false(khlog_key_fits(k, &wrong[5]));
    assert_false(khlog_key_fits(k, &wrong[6]));
    khlog_key_free(k);
    assert_ok(khlog_key_open(rk, &o, 7, &k, NULL));
    khlog_key_free(k);
}

/* ---- limits ---- */

static void lengths_of_records(void **state)
{
    static const struct {
        uint32_t type, len;
        bool ok;
    } cases[] = {
        { 1, 114, false }, { 1, 115, true }, { 1, 370, true }, { 1, 371, false }, { 2, 59, false }, { 2, 60, true },
        { 2, KHLOG_RECORD_MAX, true }, { 2, KHLOG_RECORD_MAX + 1, false }, { 3, 19, false }, { 3, 20, true },
        { 3, 21, false }, { 0, 60, false }, { 4, 60, false }, { 2, 0, false }, { 2, UINT32_MAX, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t words[4] = { cases[i].len, 0, cases[i].type, 0 }, len = 0; /* little-endian machine */

        assert_int_equal(khlog_peek(span_of(words, 16), &len), cases[i].ok);
        assert_false(khlog_peek(span_of(words, 15), &len));
    }
}

static void wraps_of_any_length(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    uint8_t wrap[256] = { 1 };
    struct buf out = BUF_INIT(1024), small = BUF_INIT(114);
    struct khlog_record r;

    (void) state;
    assert_non_null(k);
    for (size_t n = 0; n < 256; n++) {
        buf_reset(&out);
        o.wrap = span_of(wrap, n);
        assert_ok(khlog_write_open(&o, 3, &out, NULL));
        assert_true(khlog_record_read(buf_span(&out), &r));
        assert_int_equal(r.local, 3);
        assert_span_eq(r.open.wrap, o.wrap);
    }
    o.wrap = span_of(wrap, 256);
    assert_err(khlog_write_open(&o, 3, &out, NULL), ERR_INVAL);
    o.wrap = SPAN_EMPTY;
    assert_err(khlog_write_open(&o, 3, &small, NULL), ERR_LIMIT);
    o.rid = SPAN("r_short");
    assert_err(khlog_write_open(&o, 3, &out, NULL), ERR_INVAL);
    buf_deinit(&out);
    buf_deinit(&small);
}

static void frames_up_to_their_limit(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    const struct khlog_data d = { .number = UINT32_MAX, .n_events = 1, .first_seq = UINT64_MAX - 1 };
    uint8_t *frame = calloc(1, KHLOG_FRAME_MAX + 1), *rec = malloc(KHLOG_RECORD_MAX);
    struct buf back = BUF_INIT(KHLOG_FRAME_MAX + KHLOG_TAG), small = BUF_INIT(100);
    struct khlog_record r;

    (void) state;
    assert_non_null(frame);
    assert_non_null(rec);
    assert_err(khlog_seal(k, 0, &d, span_of(frame, KHLOG_FRAME_MAX + 1), rec, NULL), ERR_LIMIT);
    assert_ok(khlog_seal(k, 0, &d, span_of(frame, KHLOG_FRAME_MAX), rec, NULL));
    assert_true(khlog_record_read(span_of(rec, KHLOG_RECORD_MAX), &r));
    assert_ok(khlog_unseal(k, &r, &back, NULL));
    assert_span_eq(buf_span(&back), span_of(frame, KHLOG_FRAME_MAX));
    assert_err(khlog_unseal(k, &r, &small, NULL), ERR_LIMIT);
    free(frame);
    free(rec);
    buf_deinit(&back);
    buf_deinit(&small);
}

/* Authentic records that nobody may write: a head with events, unknown flags, numbers past 2^64. */
static void fields_that_cannot_be(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    static const struct khlog_data bad[] = {
        { .number = 0, .flags = KHLOG_HEAD, .n_events = 1 },
        { .number = 1, .flags = KHLOG_LATE, .n_events = 1 },
        { .number = 1, .flags = KHLOG_UNSURE, .n_events = 1 },
        { .number = 1, .flags = 16 },
        { .number = 2, .flags = 0x80000000 },
        { .number = 3, .n_events = 2, .first_seq = UINT64_MAX - 1 },
    };
    uint8_t rec[67];
    struct khlog_record r;

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_ok(khlog_seal(k, 0, &bad[i], SPAN("keyhole"), rec, NULL));
        assert_false(khlog_record_read(SPAN_OF(rec), &r));
    }
}

/* Records larger than the scanner's step, with small ones between them. */
static void a_file_larger_than_the_window(void **state)
{
    static const size_t sizes[] = { 10, 300000, 0, 262144 - 60, 262144, 1000000, 1, 262144 * 3, 5 };
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    struct buf file = BUF_INIT(8u << 20), plain = BUF_INIT(2u << 20);
    enum khlog_step end;
    uint64_t at = 0;
    size_t n = sizeof(sizes) / sizeof(sizes[0]);

    (void) state;
    random_fill(buf_reserve(&plain, 1u << 20), 1u << 20);
    khlog_header(KHLOG_FILE_LOG, 1, buf_reserve(&file, KHLOG_HEADER_LEN));
    file.n = KHLOG_HEADER_LEN;
    for (size_t i = 0; i < n; i++) {
        const struct khlog_data d = { .number = (uint32_t) i };

        assert_ok(khlog_seal(k, 0, &d, span_of(plain.p, sizes[i]), buf_reserve(&file, khlog_data_size(sizes[i])), NULL));
        file.n += khlog_data_size(sizes[i]);
    }
    assert_int_equal(count(buf_span(&file), &end, &at), n);
    assert_int_equal(end, KHLOG_STEP_END);
    assert_int_equal(count(span_of(file.p, file.n - 1), &end, &at), n - 1);
    assert_int_equal(end, KHLOG_STEP_TORN);
    memset(buf_reserve(&file, 100000), 0, 100000); /* a file system that made the file longer before the bytes came */
    file.n += 100000;
    assert_int_equal(count(buf_span(&file), &end, &at), n);
    assert_int_equal(end, KHLOG_STEP_TORN);
    assert_int_equal(at, file.n - 100000);
    buf_deinit(&file);
    buf_deinit(&plain);
}

static void put_crc(uint8_t *rec, size_t n)
{
    uint32_t crc;

    memset(rec + 4, 0, 4);
    crc = crc32c(0, span_of(rec, n));
    memcpy(rec + 4, &crc, 4); /* little-endian machine */
}

/* Open records with a CRC that is right, and something in them that is not. */
static void open_records_that_cannot_be(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } cases[] = {
        { "another codec", 19, KHLOG_CODEC + 1 }, { "a project that is none", 77, 'q' },  { "a recording that is none", 96, 'q' },
        { "a wrap longer than the record", 114, 9 }, { "a wrap that ends early", 114, 7 }, { "a project of 19 bytes", 76, 19 },
    };
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    struct buf out = BUF_INIT(1024), frame = BUF_INIT(100);
    struct khlog_record r;

    (void) state;
    o.wrap = SPAN("12345678");
    assert_ok(khlog_write_open(&o, 3, &out, NULL));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t kept = out.p[cases[i].at];

        out.p[cases[i].at] = cases[i].value;
        put_crc(out.p, out.n);
        if (khlog_record_read(buf_span(&out), &r))
            fail_msg("%s", cases[i].name);
        out.p[cases[i].at] = kept;
    }
    put_crc(out.p, out.n);
    assert_true(khlog_record_read(buf_span(&out), &r));
    assert_err(khlog_unseal(k, &r, &frame, NULL), ERR_INVAL);
    r = (struct khlog_record){ .type = KHLOG_DATA, .bytes = buf_span(&out), .data = { .ct = span_of(out.p, KHLOG_TAG - 1) } };
    assert_err(khlog_unseal(k, &r, &frame, NULL), ERR_INVAL);
    assert_false(khlog_record_read(span_of(out.p, 15), &r));
    assert_false(khlog_record_read(span_of(out.p, out.n - 1), &r));
    o.project = SPAN("q_zNe2lKL4dQxW8s0b");
    assert_err(khlog_write_open(&o, 3, &out, NULL), ERR_INVAL);
    buf_deinit(&out);
    buf_deinit(&frame);
}

static void headers_of_other_lengths(void **state)
{
    uint8_t header[KHLOG_HEADER_LEN + 1] = { 0 };
    uint32_t file_no = 0;

    (void) state;
    khlog_header(KHLOG_FILE_LOG, 9, header);
    assert_true(khlog_header_read(span_of(header, 16), KHLOG_FILE_LOG, &file_no));
    assert_int_equal(file_no, 9);
    assert_false(khlog_header_read(span_of(header, 16), KHLOG_FILE_SPL, &file_no));
    assert_false(khlog_header_read(span_of(header, 15), KHLOG_FILE_LOG, &file_no));
    assert_false(khlog_header_read(span_of(header, 17), KHLOG_FILE_LOG, &file_no));
    assert_false(khlog_header_read(SPAN_EMPTY, KHLOG_FILE_LOG, &file_no));
    header[12] ^= 1;
    assert_false(khlog_header_read(span_of(header, 16), KHLOG_FILE_LOG, &file_no));
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

/* The window over the file is 256 KiB at a time: a read may fail before a header, a prefix or the rest of a record. */
static void a_source_that_fails(void **state)
{
    CLEANUP(secret_freep) struct secret *rk = vector_rk();
    struct khlog_open o;
    CLEANUP(khlog_key_freep) struct khlog_key *k = vector_key(rk, &o);
    static const size_t first[] = { 262144 - KHLOG_HEADER_LEN - 60, 262144 - KHLOG_HEADER_LEN - 60 - 20 };
    static uint8_t frame[300000];

    (void) state;
    for (size_t i = 0; i < 2; i++) { /* the second record begins with the second read, or before it */
        const size_t sizes[] = { first[i], 10 };
        struct buf file = BUF_INIT(1u << 20);
        struct failing f = { .left = 1 };
        struct khseg_source src = { .read = read_some, .ctx = &f };
        struct khlog_scan scan;
        struct khlog_record r;
        enum khlog_step step;
        uint32_t file_no;
        uint64_t at;

        khlog_header(KHLOG_FILE_LOG, 1, buf_reserve(&file, KHLOG_HEADER_LEN));
        file.n = KHLOG_HEADER_LEN;
        for (uint32_t n = 0; n < 2; n++) {
            const struct khlog_data d = { .number = n };

            assert_ok(khlog_seal(k, 0, &d, span_of(frame, sizes[n]), buf_reserve(&file, khlog_data_size(sizes[n])), NULL));
            file.n += khlog_data_size(sizes[n]);
        }
        f.bytes = buf_span(&file);
        src.size = file.n;
        khlog_scan_init(&scan, &src);
        assert_ok(khlog_scan_header(&scan, KHLOG_FILE_LOG, &file_no, &step, NULL));
        assert_ok(khlog_scan_next(&scan, &r, &at, &step, NULL));
        assert_int_equal(step, KHLOG_STEP_RECORD);
        assert_err(khlog_scan_next(&scan, &r, &at, &step, NULL), ERR_IO);
        khlog_scan_deinit(&scan);
        f.left = 0;
        khlog_scan_init(&scan, &src);
        assert_err(khlog_scan_header(&scan, KHLOG_FILE_LOG, &file_no, &step, NULL), ERR_IO);
        khlog_scan_deinit(&scan);
        buf_deinit(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_vector),
        cmocka_unit_test(the_example_of_the_page),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flip_each_bit),
        cmocka_unit_test(a_mended_crc_does_not_help),
        cmocka_unit_test(another_key_or_place_ends_at_the_commitment),
        cmocka_unit_test(lengths_of_records),
        cmocka_unit_test(wraps_of_any_length),
        cmocka_unit_test(frames_up_to_their_limit),
        cmocka_unit_test(fields_that_cannot_be),
        cmocka_unit_test(a_file_larger_than_the_window),
        cmocka_unit_test(open_records_that_cannot_be),
        cmocka_unit_test(headers_of_other_lengths),
        cmocka_unit_test(a_source_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
