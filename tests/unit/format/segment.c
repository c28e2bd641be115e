/* Segments: the document's example, building and reading back, limits, hostile indexes. */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <zstd.h>

#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/notes.h"
#include "format/segment.h"
#include "format/segment_index.h"
#include "format/zframe.h"

static const struct khseg_context place = {
    .project = { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 },
    .rid = { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 },
    .kn = 0, .track = 0, .seg_no = 7, .codec = 1,
};

static struct secret *rk;

static int setup(void **state)
{
    (void) state;
    rk = secret_new(32);
    for (size_t i = 0; i < 32; i++)
        secret_bytes(rk)[i] = (uint8_t) i;
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    rk = secret_free(rk);
    return 0;
}

static struct segment_builder *builder(const struct segment_options *o)
{
    struct segment_builder *b = NULL;
    struct segment_options none = { .zstd_level = 0 };
    struct err_info e;

    assert_ok_err(segment_builder_new(rk, &place, o != NULL ? o : &none, &b, &e), &e);
    return b;
}

/* Opens a file that stays in memory with the reader: *span is the source's. */
static struct segment_reader *reader(const struct buf *file, struct span *span)
{
    struct segment_reader *r = NULL;
    struct khseg_source src;
    struct err_info e;

    *span = buf_span(file);
    src = khseg_source_span(span);
    assert_ok_err(segment_open(&src, rk, &place, &r, &e), &e);
    return r;
}

/* The code block after the line 'title' of the document, as bytes. */
static void from_document(const char *title, struct buf *out)
{
    struct buf doc, text = BUF_INIT(8192);
    const char *at, *end;
    size_t n = 0;

    test_read_file(test_source("docs/formats/segment.md"), &doc);
    at = strstr(buf_cstr(&doc), title);
    assert_non_null(at);
    at = strstr(at, "```\n");
    assert_non_null(at);
    end = strstr(at + 4, "```");
    assert_non_null(end);
    for (const char *p = at + 4; p < end; p++) {
        if (*p != '\n')
            buf_add_c(&text, *p);
    }
    *out = BUF_INIT(8192);
    assert_true(hex_parse(buf_span(&text), buf_reserve(out, 4096), 4096, &n));
    out->n = n;
    buf_deinit(&doc);
    buf_deinit(&text);
}

/* What assert_example finds: a pause before the first event, and one count of activity. */
static void example_notes(struct segment_builder *b)
{
    struct facts f = facts_begin(true, 0);
    struct facts_notes *n = segment_builder_notes(b);

    assert_true(facts_event(&f, NULL, n, &(struct facts_in){ 40, 250000, SPAN("[0.25,\"o\",\"hi\"]"), 'o', -1 }));
    assert_true(facts_event(&f, NULL, n, &(struct facts_in){ 41, 1500000, SPAN("[1.5,\"m\",\"deploy\"]"), 'm', -1 }));
    assert_true(facts_add(n, &(struct fact){ .kind = FACT_RESIZE, .seq = 39, .time = 125000, .value = 100 | 30ull << 32 },
                          SPAN("wide")));
}

static void assert_example_notes(struct segment_reader *r)
{
    struct facts_notes n;

    facts_notes_init(&n);
    assert_ok(segment_read_notes(r, &n, NULL));
    assert_true(n.active == 250000 && n.n == 1 && n.n_bins == 1 && n.bins_from == 250000 && n.bin == FACTS_BIN_US &&
                n.bins[0] == 1);
    assert_true(n.list[0].kind == FACT_RESIZE && n.list[0].seq == 39 && n.list[0].time == 125000 &&
                n.list[0].value == (100 | 30ull << 32));
    assert_span_str(facts_text(&n, &n.list[0]), "wide");
    assert_int_equal(n.counts.of[FACT_RESIZE], 1);
    assert_int_equal(n.counts.clicks + n.counts.inputs + n.counts.errors, 0);
    facts_notes_deinit(&n);
}

static void assert_example(struct segment_reader *r)
{
    const struct segment_info *i = segment_info(r);
    const struct segment_keyframe *k = segment_keyframe_at(r, 0);
    const struct segment_marker *m = segment_marker_at(r, 0);
    struct buf b = BUF_INIT(4096);

    assert_int_equal(i->first_seq, 40);
    assert_int_equal(i->n_events, 2);
    assert_int_equal(i->t_first, 250000);
    assert_int_equal(i->t_last, 1500000);
    assert_true(i->n_chunks == 1 && i->n_keyframes == 1 && i->n_markers == 1 && i->has_head);
    assert_ok(segment_read_head(r, &b, NULL));
    assert_span_str(buf_span(&b), "{\"version\":2,\"width\":80,\"height\":24}");
    buf_reset(&b);
    assert_ok(segment_read_chunk(r, 0, &b, NULL));
    assert_span_str(buf_span(&b), "[0.25,\"o\",\"hi\"]\n[1.5,\"m\",\"deploy\"]\n");
    buf_reset(&b);
    assert_true(k->kind == SEGMENT_KEYFRAME_SCREEN && k->seq == 40 && k->time == 250000 && k->cols == 80 &&
                k->rows == 24 && k->chunk == 0);
    assert_ok(segment_read_screen(r, k, &b, NULL));
    assert_span_str(buf_span(&b), "\x1b[H");
    assert_true(m->seq == 41 && m->time == 1500000);
    assert_span_str(m->label, "deploy");
    assert_null(segment_chunk_at(r, 1));
    assert_null(segment_keyframe_at(r, 1));
    assert_null(segment_marker_at(r, 1));
    assert_err(segment_read_chunk(r, 1, &b, NULL), ERR_NOTFOUND);
    assert_err(segment_read_stored(r, 1, &b, NULL), ERR_NOTFOUND);
    assert_example_notes(r);
    buf_deinit(&b);
}

static void the_documents_example(void **state)
{
    struct buf plain, file;
    struct segment_reader *r;
    struct segment_index x;
    uint64_t offset = 0;
    uint32_t len = 0;
    struct span s;

    (void) state;
    from_document("\nFile:", &file);
    r = reader(&file, &s);
    assert_example(r);
    segment_reader_free(r);
    /* the plaintext beside it is the same one */
    from_document("\nPlaintext:", &plain);
    assert_ok(segment_footer_read(span_sub(buf_span(&plain), plain.n - 24, 24), plain.n, &offset, &len, NULL));
    assert_ok(segment_index_read(span_sub(buf_span(&plain), offset, len), offset, &x, NULL));
    assert_int_equal(x.first_seq, 40);
    segment_index_deinit(&x);
    {
        struct khseg_reader *k = NULL;
        struct khseg_source src = khseg_source_span(&s);
        uint8_t got[4096];

        assert_ok(khseg_open(&src, rk, &place, &k, NULL));
        assert_int_equal(khseg_plain_len(k), plain.n);
        assert_ok(khseg_read(k, 0, got, plain.n, NULL));
        assert_span_eq(span_of(got, plain.n), buf_span(&plain));
        khseg_reader_free(k);
    }
    buf_deinit(&plain);
    buf_deinit(&file);
}

static void the_builder_says_the_same(void **state)
{
    struct segment_options o = { .first_seq = 40, .first_time = 100000 };
    struct segment_builder *b = builder(&o);
    struct buf file = BUF_INIT(1 << 20);
    struct segment_summary sum;
    struct segment_reader *r;
    uint8_t digest[32];
    struct span s;

    (void) state;
    assert_ok(segment_add_head(b, SPAN("{\"version\":2,\"width\":80,\"height\":24}"), NULL));
    assert_ok(segment_add_screen(b, 40, 80, 24, SPAN("\x1b[H"), NULL));
    assert_ok(segment_add_event(b, 40, 250000, SPAN("[0.25,\"o\",\"hi\"]"), NULL));
    assert_ok(segment_add_marker(b, 41, SPAN("deploy"), NULL));
    assert_ok(segment_add_event(b, 41, 1500000, SPAN("[1.5,\"m\",\"deploy\"]"), NULL));
    example_notes(b);
    assert_ok(segment_add_keyframe(b, 42, NULL)); /* no event follows: both are dropped */
    assert_ok(segment_add_marker(b, 42, SPAN("never"), NULL));
    assert_int_equal(segment_builder_events(b), 2);
    assert_ok(segment_finish(b, &file, &sum, NULL));
    assert_err(segment_finish(b, &file, &sum, NULL), ERR_STATE);
    segment_builder_free(b);
    sha256(buf_span(&file), digest);
    assert_memory_equal(digest, sum.sha256, 32);
    assert_int_equal(sum.size, file.n);
    assert_true(sum.first_seq == 40 && sum.n_events == 2 && sum.t_first == 250000 && sum.t_last == 1500000);
    assert_true(sum.n_chunks == 1 && sum.n_keyframes == 1 && sum.n_markers == 1);
    assert_int_equal(sum.raw_bytes, 35);
    r = reader(&file, &s);
    assert_example(r);
    segment_reader_free(r);
    buf_deinit(&file);
}

/* An event whose size and content follow from its number. */
static struct span event_of(uint64_t seq, size_t n, struct buf *b)
{
    buf_reset(b);
    buf_addf(b, "[%llu,\"o\",\"", (unsigned long long) seq);
    while (b->n < n)
        buf_addf(b, "%llx ", (unsigned long long) (seq * 2654435761u + b->n * 40503u));
    b->n = b->n > n ? n : b->n;
    buf_add_str(b, "\"]");
    return buf_span(b);
}

static void many_chunks_seek_and_order(void **state)
{
    struct segment_options o = { .first_seq = 1000, .first_time = 5000000, .target_bytes = 300000 };
    struct segment_builder *b = builder(&o);
    struct buf file = BUF_INIT(64 << 20), ev = BUF_INIT(1 << 20), out = BUF_INIT(64 << 20), all = BUF_INIT(64 << 20);
    struct segment_summary sum;
    struct segment_reader *r;
    const struct segment_info *info;
    struct span s;
    uint64_t seq = 1000;
    uint32_t n = 0;

    (void) state;
    while (!segment_builder_full(b)) {
        if (seq % 100 == 0)
            assert_ok(segment_add_screen(b, seq, 80, 24, event_of(seq, 500, &ev), NULL));
        assert_ok(segment_add_event(b, seq, (time_us) (5000000 + (seq - 1000) / 2 * 2000),
                                    event_of(seq, 200 + seq % 700, &ev), NULL));
        buf_add_span(&all, buf_span(&ev));
        buf_add_c(&all, '\n');
        seq++;
    }
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    assert_true(sum.n_chunks > 3 && sum.size > 300000 && sum.size < 300000 + (256 << 10));
    assert_int_equal(sum.n_events, seq - 1000);
    assert_int_equal(sum.raw_bytes, all.n);
    r = reader(&file, &s);
    info = segment_info(r);
    assert_int_equal(info->n_events, sum.n_events);
    for (uint32_t i = 0; i < info->n_chunks; i++) {
        const struct segment_chunk *c = segment_chunk_at(r, i);
        struct buf stored = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);

        assert_true(c->raw <= SEGMENT_CHUNK_MAX);
        if (i + 1 < info->n_chunks) /* full: the next event would not have fitted */
            assert_true(c->raw > SEGMENT_CHUNK_USUAL - 1000);
        assert_ok(segment_read_chunk(r, i, &out, NULL));
        assert_ok(segment_read_stored(r, i, &stored, NULL));
        assert_int_equal(stored.n, c->stored);
        assert_ok(zframe_read(buf_span(&stored), c->raw, &again, NULL));
        assert_memory_equal(again.p, out.p + out.n - c->raw, c->raw);
        buf_deinit(&stored);
        buf_deinit(&again);
    }
    assert_span_eq(buf_span(&out), buf_span(&all));
    for (uint64_t q = 1000; q < seq; q++) {
        assert_true(segment_find_seq(r, q, &n));
        assert_true(q >= segment_chunk_at(r, n)->first_seq);
        assert_true(q - segment_chunk_at(r, n)->first_seq < segment_chunk_at(r, n)->n_events);
    }
    assert_false(segment_find_seq(r, 999, &n));
    assert_false(segment_find_seq(r, seq, &n));
    assert_true(segment_find_time(r, 0, &n) && n == 0);
    assert_true(segment_find_time(r, INT64_MAX, &n) && n == info->n_chunks - 1);
    for (uint32_t i = 1; i < info->n_chunks; i++) {
        time_us t = segment_chunk_at(r, i)->t_first;

        assert_true(segment_find_time(r, t, &n) && n == i);
        assert_true(segment_find_time(r, t - 1, &n) && n == i - 1);
    }
    assert_null(segment_keyframe_before(r, 4999999));
    assert_int_equal(segment_keyframe_before(r, 5000000)->seq, 1000);
    assert_int_equal(segment_keyframe_before(r, 5099999)->seq, 1000);
    assert_int_equal(segment_keyframe_before(r, 5100000)->seq, 1100);
    assert_int_equal(segment_keyframe_before(r, INT64_MAX)->seq, (seq - 1) / 100 * 100);
    for (uint32_t i = 0; i < info->n_keyframes; i++) {
        const struct segment_keyframe *k = segment_keyframe_at(r, i);

        buf_reset(&out);
        assert_ok(segment_read_screen(r, k, &out, NULL));
        assert_span_eq(buf_span(&out), event_of(k->seq, 500, &ev));
        assert_true(segment_find_seq(r, k->seq, &n) && n == k->chunk);
    }
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&ev);
    buf_deinit(&out);
    buf_deinit(&all);
}

/* Decodes as a browser does: streaming, window at most 8 MiB. */
static void assert_browser_takes(struct span frame, size_t raw)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    static uint8_t out[1 << 17];
    ZSTD_inBuffer in = { frame.p, frame.n, 0 };
    size_t total = 0, left = 1;

    assert_false(ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, 23)));
    while (left != 0) {
        ZSTD_outBuffer o = { out, sizeof(out), 0 };

        left = ZSTD_decompressStream(d, &o, &in);
        assert_false(ZSTD_isError(left));
        total += o.pos;
    }
    assert_int_equal(total, raw);
    ZSTD_freeDCtx(d);
}

static void sizes_at_their_limits(void **state)
{
    static const size_t sizes[] = { 1, SEGMENT_CHUNK_USUAL - 1, SEGMENT_CHUNK_USUAL, SEGMENT_CHUNK_MAX + 1, 9u << 20, 16u << 20 };
    struct buf ev = BUF_INIT(32u << 20), file = BUF_INIT(64u << 20), out = BUF_INIT(32u << 20);
    struct segment_options o = { .zstd_level = 1, .target_bytes = 32u << 20 };
    struct segment_builder *b;
    struct segment_summary sum;
    struct segment_reader *r;
    struct span s;
    size_t total = 0;

    (void) state;
    assert_non_null(buf_reserve(&ev, (16u << 20) + 1));
    for (size_t i = 0; i <= 16u << 20; i++)
        ev.p[i] = (uint8_t) ('a' + i * i % 23);
    b = builder(&o);
    for (uint64_t i = 0; i < 6; i++) {
        assert_ok(segment_add_event(b, 2 * i, 0, span_of(ev.p, sizes[i]), NULL));
        assert_ok(segment_add_event(b, 2 * i + 1, 0, SPAN("[]"), NULL));
        total += sizes[i] + 4;
    }
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    assert_int_equal(sum.raw_bytes, total);
    r = reader(&file, &s);
    /* 1 and [] and 512 KiB - 1 do not fit together; every larger one is alone */
    for (uint32_t i = 0; i < segment_info(r)->n_chunks; i++) {
        const struct segment_chunk *c = segment_chunk_at(r, i);
        struct buf stored = BUF_INIT(32u << 20);

        assert_true(c->raw <= SEGMENT_CHUNK_MAX || c->n_events == 1);
        buf_reset(&out);
        assert_ok(segment_read_chunk(r, i, &out, NULL));
        assert_ok(segment_read_stored(r, i, &stored, NULL));
        assert_browser_takes(buf_span(&stored), c->raw);
        buf_deinit(&stored);
    }
    assert_int_equal(segment_info(r)->max_raw, (16u << 20) + 1);
    segment_reader_free(r);
    b = builder(NULL);
    assert_err(segment_add_event(b, 0, 0, span_of(ev.p, (16u << 20) + 1), NULL), ERR_LIMIT);
    assert_err(segment_add_event(b, 0, 0, SPAN("[]"), NULL), ERR_STATE); /* an error is final */
    segment_builder_free(b);
    b = builder(NULL);
    assert_err(segment_add_head(b, span_of(ev.p, SEGMENT_HEAD_MAX + 1), NULL), ERR_LIMIT);
    segment_builder_free(b);
    b = builder(NULL);
    assert_err(segment_add_screen(b, 0, 80, 24, span_of(ev.p, SEGMENT_SCREEN_MAX + 1), NULL), ERR_LIMIT);
    segment_builder_free(b);
    buf_deinit(&ev);
    buf_deinit(&file);
    buf_deinit(&out);
}

static void wrong_calls(void **state)
{
    struct segment_options bad[] = {
        { .zstd_level = 20 }, { .zstd_level = -1 }, { .target_bytes = (32u << 20) + 1 }, { .first_time = -1 },
    };
    struct khseg_context other = place;
    struct segment_builder *b = NULL;
    struct buf file = BUF_INIT(1 << 20);
    struct segment_summary sum;
    struct segment_options none = { .zstd_level = 0 };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_err(segment_builder_new(rk, &place, &bad[i], &b, NULL), ERR_INVAL);
    other.codec = 2;
    assert_err(segment_builder_new(rk, &other, &none, &b, NULL), ERR_INVAL);
#define REFUSED(want, ...)                                                                                             \
    do {                                                                                                               \
        b = builder(&(struct segment_options){ .first_seq = 5, .first_time = 10 });                                    \
        assert_ok(segment_add_event(b, 5, 10, SPAN("[]"), NULL));                                                      \
        assert_err(__VA_ARGS__, want);                                                                                 \
        segment_builder_free(b);                                                                                       \
    } while (0)
    REFUSED(ERR_INVAL, segment_add_event(b, 5, 10, SPAN("[]"), NULL));
    REFUSED(ERR_INVAL, segment_add_event(b, 7, 10, SPAN("[]"), NULL));
    REFUSED(ERR_INVAL, segment_add_event(b, 6, 9, SPAN("[]"), NULL));
    REFUSED(ERR_INVAL, segment_add_event(b, 6, SEGMENT_TIME_MAX + 1, SPAN("[]"), NULL));
    REFUSED(ERR_OK, segment_add_event(b, 6, SEGMENT_TIME_MAX, SPAN("[]"), NULL));
    REFUSED(ERR_INVAL, segment_add_event(b, 6, 10, SPAN(""), NULL));
    REFUSED(ERR_INVAL, segment_add_event(b, 6, 10, SPAN("[\n]"), NULL));
    REFUSED(ERR_STATE, segment_add_head(b, SPAN("{}"), NULL));
    REFUSED(ERR_INVAL, segment_add_keyframe(b, 5, NULL));
    REFUSED(ERR_INVAL, segment_add_keyframe(b, 7, NULL));
    REFUSED(ERR_INVAL, segment_add_screen(b, 6, 0, 24, SPAN("x"), NULL));
    REFUSED(ERR_INVAL, segment_add_marker(b, 7, SPAN("x"), NULL));
    REFUSED(ERR_INVAL, segment_add_marker(b, 6, SPAN("\xff"), NULL));
    REFUSED(ERR_INVAL, segment_add_keyframe(b, 6, NULL) ? ERR_OK : segment_add_keyframe(b, 6, NULL));
    b = builder(NULL);
    assert_err(segment_finish(b, &file, &sum, NULL), ERR_STATE);
    segment_builder_free(b);
    b = builder(NULL);
    assert_err(segment_add_head(b, SPAN(""), NULL), ERR_INVAL);
    segment_builder_free(b);
    b = builder(NULL);
    assert_ok(segment_add_head(b, SPAN("{}"), NULL));
    assert_err(segment_add_head(b, SPAN("{}"), NULL), ERR_STATE);
    segment_builder_free(b);
    buf_deinit(&file);
}

static void head_alone_and_long_labels(void **state)
{
    struct segment_builder *b = builder(NULL);
    struct buf file = BUF_INIT(1 << 20), out = BUF_INIT(1000), label = BUF_INIT(1000);
    struct segment_summary sum;
    struct segment_reader *r;
    struct span s;
    uint32_t n;

    (void) state;
    assert_ok(segment_add_head(b, SPAN("{}"), NULL));
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    assert_true(sum.n_events == 0 && sum.n_chunks == 0);
    r = reader(&file, &s);
    assert_ok(segment_read_head(r, &out, NULL));
    assert_false(segment_find_time(r, 0, &n));
    assert_false(segment_find_seq(r, 0, &n));
    assert_null(segment_keyframe_before(r, INT64_MAX));
    segment_reader_free(r);
    buf_reset(&file);
    b = builder(NULL);
    for (int i = 0; i < 100; i++)
        buf_add_str(&label, "\xe2\x82\xac"); /* 3 bytes each: 200 is no border */
    assert_ok(segment_add_marker(b, 0, buf_span(&label), NULL));
    assert_ok(segment_add_marker(b, 0, SPAN("second"), NULL));
    assert_ok(segment_add_event(b, 0, 7, SPAN("[]"), NULL));
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    r = reader(&file, &s);
    assert_int_equal(segment_marker_at(r, 0)->label.n, 198);
    assert_span_str(segment_marker_at(r, 1)->label, "second");
    assert_int_equal(segment_marker_at(r, 1)->time, 7);
    assert_err(segment_read_head(r, &out, NULL), ERR_NOTFOUND);
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&out);
    buf_deinit(&label);
}

static void damage_is_found(void **state)
{
    struct buf file, copy = BUF_INIT(4096);
    struct segment_reader *r = NULL;
    struct khseg_source src;
    struct khseg_context other = place;
    struct span s;

    (void) state;
    from_document("\nFile:", &file);
    for (size_t i = 0; i < file.n; i++) {
        buf_reset(&copy);
        buf_add_span(&copy, buf_span(&file));
        copy.p[i] ^= (uint8_t) (1u << i % 8);
        s = buf_span(&copy);
        src = khseg_source_span(&s);
        assert_err(segment_open(&src, rk, &place, &r, NULL), ERR_CORRUPT);
        s.n = i;
        src = khseg_source_span(&s);
        assert_err(segment_open(&src, rk, &place, &r, NULL), ERR_CORRUPT);
    }
    s = buf_span(&file);
    src = khseg_source_span(&s);
    other.codec = 3;
    assert_err(segment_open(&src, rk, &other, &r, NULL), ERR_UNSUPPORTED);
    buf_deinit(&file);
    buf_deinit(&copy);
}

/* ---- indexes that only a defect of ours, or a stolen recording key, could make ---- */

/* A plaintext as a segment; the reader's verdict over it. */
static enum err verdict(struct span plain)
{
    struct khseg_writer *w = NULL;
    struct segment_reader *r = NULL;
    struct buf f = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    struct khseg_source src;
    struct span s;
    enum err e;

    assert_ok(khseg_writer_new(rk, &place, &f, &w, NULL));
    assert_ok(khseg_write(w, plain, NULL));
    assert_ok(khseg_finish(w, NULL));
    khseg_writer_free(w);
    s = buf_span(&f);
    src = khseg_source_span(&s);
    e = segment_open(&src, rk, &place, &r, NULL);
    for (uint32_t i = 0; e == ERR_OK && i < segment_info(r)->n_chunks; i++)
        e = segment_read_chunk(r, i, &out, NULL);
    for (uint32_t i = 0; e == ERR_OK && i < segment_info(r)->n_keyframes; i++) {
        if (segment_keyframe_at(r, i)->kind == SEGMENT_KEYFRAME_SCREEN)
            e = segment_read_screen(r, segment_keyframe_at(r, i), &out, NULL);
    }
    if (e == ERR_OK && segment_info(r)->has_head)
        e = segment_read_head(r, &out, NULL);
    if (e == ERR_OK) {
        struct facts_notes n;

        facts_notes_init(&n);
        e = segment_read_notes(r, &n, NULL);
        e = e == ERR_NOTFOUND ? ERR_OK : e;
        facts_notes_deinit(&n);
    }
    segment_reader_free(r);
    buf_deinit(&f);
    buf_deinit(&out);
    return e;
}

static void hostile_indexes(void **state)
{
    /* Places in the document's plaintext, counted from the index (I) or the footer (F). */
    enum { I, F };
    static const struct {
        const char *name;
        int base;
        size_t at;
        unsigned width;
        uint64_t value;
        enum err want;
    } cases[] = {
        { "unchanged", I, 0, 8, 40, ERR_OK },
        { "first_seq other: keyframe outside", I, 0, 8, 41, ERR_CORRUPT },
        { "first_seq overflows", I, 0, 8, UINT64_MAX, ERR_CORRUPT },
        { "head past the index", I, 8, 8, 1000, ERR_CORRUPT },
        { "head offset overflows", I, 8, 8, UINT64_MAX - 3, ERR_CORRUPT },
        { "head stored huge", I, 16, 4, UINT32_MAX, ERR_CORRUPT },
        { "head without bytes but a length", I, 16, 4, 0, ERR_CORRUPT },
        { "head raw over its limit", I, 20, 4, SEGMENT_HEAD_MAX + 1, ERR_CORRUPT },
        { "head raw wrong", I, 20, 4, 35, ERR_CORRUPT },
        { "notes past the index", I, 24, 8, 1000, ERR_CORRUPT },
        { "notes stored huge", I, 32, 4, UINT32_MAX, ERR_CORRUPT },
        { "notes without bytes but a length", I, 32, 4, 0, ERR_CORRUPT },
        { "notes raw over their limit", I, 36, 4, NOTES_RAW_MAX + 1, ERR_CORRUPT },
        { "notes raw wrong", I, 36, 4, 140, ERR_CORRUPT },
        { "chunks 0", I, 40, 4, 0, ERR_CORRUPT },
        { "chunks 2", I, 40, 4, 2, ERR_CORRUPT },
        { "chunks huge", I, 40, 4, UINT32_MAX, ERR_CORRUPT },
        { "keyframes huge", I, 44, 4, UINT32_MAX, ERR_CORRUPT },
        { "keyframes 0: bytes left over", I, 44, 4, 0, ERR_CORRUPT },
        { "markers huge", I, 48, 4, UINT32_MAX, ERR_CORRUPT },
        { "markers 0: bytes left over", I, 48, 4, 0, ERR_CORRUPT },
        { "chunk past the index", I, 52, 8, 1u << 20, ERR_CORRUPT },
        { "chunk at another place", I, 52, 8, 0, ERR_CORRUPT },
        { "chunk offset overflows", I, 52, 8, UINT64_MAX, ERR_CORRUPT },
        { "chunk stored 0", I, 60, 4, 0, ERR_CORRUPT },
        { "chunk stored short", I, 60, 4, 20, ERR_CORRUPT },
        { "chunk stored huge", I, 60, 4, UINT32_MAX, ERR_CORRUPT },
        { "chunk raw wrong", I, 64, 4, 37, ERR_CORRUPT },
        { "chunk raw huge", I, 64, 4, UINT32_MAX, ERR_CORRUPT },
        { "chunk raw over 512 KiB with two events", I, 64, 4, SEGMENT_CHUNK_MAX + 1, ERR_CORRUPT },
        { "chunk of 0 events", I, 68, 4, 0, ERR_CORRUPT },
        { "chunk of 3 events, but two lines", I, 68, 4, 3, ERR_CORRUPT },
        { "chunk of more events than bytes", I, 68, 4, UINT32_MAX, ERR_CORRUPT },
        { "first time negative", I, 72, 8, UINT64_MAX, ERR_CORRUPT },
        { "first time after the last", I, 72, 8, 1500001, ERR_CORRUPT },
        { "last time before the first", I, 80, 8, 249999, ERR_CORRUPT },
        { "last time in centuries", I, 80, 8, (UINT64_C(1) << 53) + 1, ERR_CORRUPT },
        { "keyframe kind 0", I, 88, 1, 0, ERR_CORRUPT },
        { "keyframe kind 3", I, 88, 1, 3, ERR_CORRUPT },
        { "keyframe kind 1: bytes left over", I, 88, 1, 1, ERR_CORRUPT },
        { "keyframe of an event before", I, 89, 8, 39, ERR_CORRUPT },
        { "keyframe of an event after", I, 89, 8, 42, ERR_CORRUPT },
        { "keyframe time before the chunk", I, 97, 8, 0, ERR_CORRUPT },
        { "keyframe time after the chunk", I, 97, 8, 1500001, ERR_CORRUPT },
        { "screen of 0 columns", I, 105, 2, 0, ERR_CORRUPT },
        { "screen of 0 rows", I, 107, 2, 0, ERR_CORRUPT },
        { "screen past the index", I, 109, 8, 5000, ERR_CORRUPT },
        { "screen stored 0", I, 117, 4, 0, ERR_CORRUPT },
        { "screen raw over its limit", I, 121, 4, SEGMENT_SCREEN_MAX + 1, ERR_CORRUPT },
        { "marker of an event after", I, 125, 8, 42, ERR_CORRUPT },
        { "marker time outside", I, 133, 8, 2000000, ERR_CORRUPT },
        { "marker label longer than what is there", I, 141, 1, 7, ERR_CORRUPT },
        { "marker label shorter: a byte left over", I, 141, 1, 5, ERR_CORRUPT },
        { "marker label not UTF-8", I, 142, 1, 0xff, ERR_CORRUPT },
        { "footer: index elsewhere", F, 0, 8, 0, ERR_CORRUPT },
        { "footer: index offset overflows", F, 0, 8, UINT64_MAX, ERR_CORRUPT },
        { "footer: index length 0", F, 8, 4, 0, ERR_CORRUPT },
        { "footer: index length huge", F, 8, 4, UINT32_MAX, ERR_CORRUPT },
        { "footer: reserved", F, 12, 4, 1, ERR_CORRUPT },
        { "footer: version 2, no section shared", F, 16, 2, 2, ERR_OK },
        { "footer: version 3", F, 16, 2, 3, ERR_UNSUPPORTED },
        { "footer: version 0", F, 16, 2, 0, ERR_UNSUPPORTED },
        { "footer: magic", F, 20, 1, 'k', ERR_CORRUPT },
    };
    struct buf plain;
    size_t base[2];

    (void) state;
    from_document("\nPlaintext:", &plain);
    base[F] = plain.n - SEGMENT_FOOTER_LEN;
    base[I] = base[F] - 148;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *at = plain.p + base[cases[i].base] + cases[i].at, kept[8];
        enum err got;

        memcpy(kept, at, cases[i].width);
        for (unsigned k = 0; k < cases[i].width; k++)
            at[k] = (uint8_t) (cases[i].value >> 8 * k);
        got = verdict(buf_span(&plain));
        if (got != cases[i].want)
            fail_msg("%s: %s, want %s", cases[i].name, err_name(got), err_name(cases[i].want));
        memcpy(at, kept, cases[i].width);
    }
    for (size_t n = 0; n < plain.n; n++) /* plaintexts that end early, or begin late */
        assert_int_not_equal(verdict(span_sub(buf_span(&plain), 0, n)), ERR_OK);
    for (size_t n = 1; n < plain.n; n++)
        assert_int_not_equal(verdict(span_sub(buf_span(&plain), n, plain.n)), ERR_OK);
    for (size_t i = base[I]; i < plain.n; i++) { /* any byte of index or footer to anything: refused or read, no crash */
        uint8_t kept = plain.p[i];

        for (unsigned v = 0; v < 256; v += 51) {
            plain.p[i] = (uint8_t) v;
            (void) verdict(buf_span(&plain)); /* only that it comes back, under the sanitizers */
        }
        plain.p[i] = kept;
    }
    buf_deinit(&plain);
}

/* Two chunks, two keyframes, two markers: what stands between neighbours. Each case changes one value. */
static void neighbours(void **state)
{
    static const struct {
        const char *name;
        enum err want;
    } cases[] = {
        { "as it should be", ERR_OK },          { "chunks overlap", ERR_CORRUPT },
        { "chunks touch", ERR_OK },             { "times go back between chunks", ERR_CORRUPT },
        { "one event too many for the bytes", ERR_CORRUPT }, { "numbers run over", ERR_CORRUPT },
        { "keyframes of one event", ERR_CORRUPT }, { "keyframes in another order", ERR_CORRUPT },
        { "keyframe time in another chunk", ERR_CORRUPT }, { "markers of one event", ERR_OK },
        { "markers in another order", ERR_CORRUPT }, { "a large event alone", ERR_OK },
        { "a large event and another", ERR_CORRUPT }, { "an event over its limit", ERR_CORRUPT },
        { "markers in another order at one time", ERR_CORRUPT },
    };

    (void) state;
    for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++) {
        struct segment_chunk chunks[2] = {
            { .offset = 100, .stored = 50, .raw = 40, .n_events = 10, .t_first = 5, .t_last = 9 },
            { .offset = 200, .stored = 50, .raw = 40, .n_events = 20, .t_first = 9, .t_last = 20 },
        };
        struct segment_keyframe keyframes[2] = {
            { .kind = SEGMENT_KEYFRAME_OWN, .seq = 3, .time = 7 }, { .kind = SEGMENT_KEYFRAME_OWN, .seq = 15, .time = 10 },
        };
        struct segment_marker markers[2] = { { .seq = 4, .time = 7 }, { .seq = 12, .time = 10 } };
        struct segment_index x = { .chunks = chunks, .keyframes = keyframes, .markers = markers,
                                   .n_chunks = 2, .n_keyframes = 2, .n_markers = 2 }, back;
        struct buf b = BUF_INIT(4096);
        enum err got;

        switch (i) {
        case 1: chunks[1].offset = 149; break;
        case 2: chunks[1].offset = 150; break;
        case 3: chunks[1].t_first = 8; break;
        case 4: chunks[1].n_events = 21; break;
        case 5: x.first_seq = UINT64_MAX - 20; keyframes[0].seq += x.first_seq; break;
        case 6: keyframes[1] = keyframes[0]; break;
        case 7: keyframes[1] = keyframes[0]; keyframes[0].seq = 15; keyframes[0].time = 10; break;
        case 8: keyframes[1].time = 8; break;
        case 9: markers[1] = markers[0]; break;
        case 10: markers[1] = markers[0]; markers[0].seq = 12; markers[0].time = 10; break;
        case 11: chunks[1].n_events = 1; chunks[1].raw = SEGMENT_EVENT_MAX + 1; x.n_keyframes = x.n_markers = 1; break;
        case 12: chunks[1].n_events = 2; chunks[1].raw = SEGMENT_CHUNK_MAX + 1; x.n_keyframes = x.n_markers = 1; break;
        case 13: chunks[1].n_events = 1; chunks[1].raw = SEGMENT_EVENT_MAX + 2; x.n_keyframes = x.n_markers = 1; break;
        case 14: markers[1] = markers[0]; markers[0].seq = 5; break;
        default: break;
        }
        segment_index_write(&x, 1000, &b);
        got = segment_index_read(span_of(b.p, b.n - SEGMENT_FOOTER_LEN), 1000, &back, NULL);
        if (got != cases[i].want)
            fail_msg("%s: %s, want %s", cases[i].name, err_name(got), err_name(cases[i].want));
        if (got == ERR_OK)
            segment_index_deinit(&back);
        buf_deinit(&b);
    }
}

static void frames(void **state)
{
    struct zframe_writer *w = zframe_writer_new(3);
    size_t size, beside;
    uint8_t noise[2000], same[2000];
    uint32_t x = 1;
    struct buf f = BUF_INIT(1000), out = BUF_INIT(1000), two = BUF_INIT(1000), small = BUF_INIT(3);

    (void) state;
    assert_null(zframe_writer_new(0));
    assert_null(zframe_writer_new(20));
    assert_ok(zframe_write(w, SPAN("keyhole keyhole keyhole"), &f, NULL));
    assert_ok(zframe_read(buf_span(&f), 23, &out, NULL));
    assert_span_str(buf_span(&out), "keyhole keyhole keyhole");
    assert_ok(zframe_size(buf_span(&f), 23, &size, NULL));
    assert_int_equal(size, 23);
    assert_err(zframe_size(buf_span(&f), 22, &size, NULL), ERR_CORRUPT);
    assert_err(zframe_size(SPAN("no frame"), 22, &size, NULL), ERR_CORRUPT);
    assert_err(zframe_size(SPAN_EMPTY, 22, &size, NULL), ERR_CORRUPT);
    assert_err(zframe_read(buf_span(&f), 22, &out, NULL), ERR_CORRUPT);
    assert_err(zframe_read(buf_span(&f), 24, &out, NULL), ERR_CORRUPT);
    assert_err(zframe_read(span_sub(buf_span(&f), 0, f.n - 1), 23, &out, NULL), ERR_CORRUPT);
    assert_err(zframe_read(SPAN_EMPTY, 0, &out, NULL), ERR_CORRUPT);
    assert_err(zframe_read(buf_span(&f), 23, &small, NULL), ERR_LIMIT);
    buf_add_span(&two, buf_span(&f));
    buf_add_span(&two, buf_span(&f));
    assert_err(zframe_read(buf_span(&two), 23, &out, NULL), ERR_CORRUPT);
    assert_err(zframe_write(w, SPAN("x"), &small, NULL), ERR_LIMIT);
    assert_int_equal(out.n, 23);
    buf_reset(&f);
    buf_reset(&out);
    assert_ok(zframe_write_short(w, SPAN("keyhole keyhole keyhole"), &f, NULL));
    assert_browser_takes(buf_span(&f), 23);
    assert_ok(zframe_read(buf_span(&f), 23, &out, NULL));
    assert_span_str(buf_span(&out), "keyhole keyhole keyhole");
    assert_err(zframe_write_short(w, SPAN("x"), &small, NULL), ERR_LIMIT);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t) ((x = x * 1664525u + 1013904223u) >> 24);
    assert_ok(zframe_guess(w, SPAN_EMPTY, SPAN_OF(noise), &size, NULL));
    memcpy(same, noise, sizeof(same));
    assert_ok(zframe_guess(w, SPAN_OF(noise), SPAN_OF(same), &beside, NULL));
    assert_in_range(size, 1900, 2100);
    assert_in_range(beside, 10, 500);
    zframe_writer_free(w);
    buf_deinit(&f);
    buf_deinit(&out);
    buf_deinit(&two);
    buf_deinit(&small);
}

static void every_level_keeps_the_window(void **state)
{
    struct buf raw = BUF_INIT(16u << 20);

    (void) state;
    assert_non_null(buf_reserve(&raw, 9u << 20));
    for (raw.n = 0; raw.n < 9u << 20; raw.n++)
        raw.p[raw.n] = (uint8_t) (raw.n / 4096);
    for (int level = 1; level <= ZFRAME_LEVEL_MAX; level += 6) {
        struct zframe_writer *w = zframe_writer_new(level);
        struct buf f = BUF_INIT(16u << 20);

        assert_ok(zframe_write(w, buf_span(&raw), &f, NULL));
        assert_browser_takes(buf_span(&f), raw.n);
        zframe_writer_free(w);
        buf_deinit(&f);
    }
    buf_deinit(&raw);
}

/* ---- several small ones joined into one ---- */

#define PARTS 5

/* A segment of 'n' events from seq on: screens, own keyframes, markers; a head in the first. */
static void small_segment(uint32_t seg_no, uint64_t seq, uint64_t n, struct buf *file)
{
    struct khseg_context c = place;
    struct segment_options o = { .first_seq = seq, .first_time = (time_us) seq * 1000 };
    struct segment_builder *b = NULL;
    struct segment_summary sum;
    struct buf ev = BUF_INIT(1 << 20);
    struct err_info e;

    c.seg_no = seg_no;
    assert_ok_err(segment_builder_new(rk, &c, &o, &b, &e), &e);
    if (seq == 0)
        assert_ok(segment_add_head(b, SPAN("{\"version\":2}"), NULL));
    for (uint64_t i = seq; i < seq + n; i++) {
        if (i % 7 == 0)
            assert_ok(segment_add_screen(b, i, 80, 24, event_of(i, 500, &ev), NULL));
        else if (i % 5 == 0)
            assert_ok(segment_add_keyframe(b, i, NULL));
        if (i % 11 == 0)
            assert_ok(segment_add_marker(b, i, event_of(i, 9, &ev), NULL));
        assert_ok_err(segment_add_event(b, i, (time_us) i * 1000, event_of(i, i % 13 == 0 ? 70000 : 900, &ev), &e), &e);
    }
    *file = BUF_INIT(64 << 20);
    assert_ok(segment_finish(b, file, &sum, NULL));
    segment_builder_free(b);
    buf_deinit(&ev);
}

static struct segment_reader *open_as(uint32_t seg_no, const struct buf *file, struct span *span)
{
    struct khseg_context c = place;
    struct segment_reader *r = NULL;
    struct khseg_source src;
    struct err_info e;

    *span = buf_span(file);
    src = khseg_source_span(span);
    c.seg_no = seg_no;
    assert_ok_err(segment_open(&src, rk, &c, &r, &e), &e);
    return r;
}

static void assert_same_chunk(struct segment_reader *a, uint32_t i, struct segment_reader *b, uint32_t k)
{
    const struct segment_chunk *x = segment_chunk_at(a, i), *y = segment_chunk_at(b, k);
    struct buf p = BUF_INIT(1 << 20), q = BUF_INIT(1 << 20);

    assert_true(x->stored == y->stored && x->raw == y->raw && x->first_seq == y->first_seq &&
                x->n_events == y->n_events && x->t_first == y->t_first && x->t_last == y->t_last);
    assert_ok(segment_read_stored(a, i, &p, NULL));
    assert_ok(segment_read_stored(b, k, &q, NULL));
    assert_span_eq(buf_span(&p), buf_span(&q));
    buf_deinit(&p);
    buf_deinit(&q);
}

static void assert_same_keyframe(struct segment_reader *a, uint32_t i, struct segment_reader *b, uint32_t k)
{
    const struct segment_keyframe *x = segment_keyframe_at(a, i), *y = segment_keyframe_at(b, k);
    struct buf p = BUF_INIT(1 << 20), q = BUF_INIT(1 << 20);

    assert_true(x->seq == y->seq && x->time == y->time && x->kind == y->kind && x->cols == y->cols &&
                x->rows == y->rows);
    if (x->kind == SEGMENT_KEYFRAME_SCREEN) {
        assert_ok(segment_read_screen(a, x, &p, NULL));
        assert_ok(segment_read_screen(b, y, &q, NULL));
        assert_span_eq(buf_span(&p), buf_span(&q));
    }
    buf_deinit(&p);
    buf_deinit(&q);
}

/* Events of 1,000 bytes of noise, the first 'period' of them again and again; the longest chunk of the segment. */
static uint32_t longest_chunk(int level, unsigned period)
{
    struct segment_options o = { .zstd_level = level, .target_bytes = 16u << 20 };
    struct segment_builder *b = builder(&o);
    struct buf file = BUF_INIT(16u << 20), ev = BUF_INIT(2000);
    struct segment_summary sum;
    struct segment_reader *r;
    struct span s;
    uint32_t n;

    for (unsigned i = 0; i < 4000; i++) {
        uint32_t x = i % period * 2654435761u + 1;

        buf_reset(&ev);
        buf_addf(&ev, "[%u,\"", i);
        for (int k = 0; k < 980; k++) {
            x = x * 1664525u + 1013904223u;
            buf_add_c(&ev, (char) ('a' + (x >> 24) % 26));
        }
        buf_add_str(&ev, "\"]");
        assert_ok(segment_add_event(b, i, i, buf_span(&ev), NULL));
    }
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    r = reader(&file, &s);
    n = segment_info(r)->max_raw;
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&ev);
    return n;
}

static void chunks_are_longer_where_they_repeat_one_another(void **state)
{
    (void) state;
    assert_in_range(longest_chunk(9, 4000), SEGMENT_CHUNK_USUAL - 1000, SEGMENT_CHUNK_USUAL);   /* nothing comes again */
    assert_in_range(longest_chunk(9, 230), SEGMENT_CHUNK_MAX - 1000, SEGMENT_CHUNK_MAX);        /* in the next chunk */
    assert_in_range(longest_chunk(9, 600), SEGMENT_CHUNK_USUAL - 1000, SEGMENT_CHUNK_USUAL);    /* further away */
    assert_in_range(longest_chunk(3, 230), SEGMENT_CHUNK_USUAL - 1000, SEGMENT_CHUNK_USUAL);    /* time counts more than room */
}

/* Screen n of a terminal in which each line is like the one before. */
static struct span screen_of(unsigned n, size_t lines, struct buf *b)
{
    buf_reset(b);
    buf_add_str(b, "\033[0m\033[2J\033[H");
    for (size_t i = 0; i < lines; i++)
        buf_addf(b, "09:%02u:%02zu INFO accepted client %zu of %u\r\n", n % 60, i % 60, i * 7919 % 1000, n);
    return buf_span(b);
}

/* Screens lie together, at most SEGMENT_PACK_MAX of them or one that is larger; each is read by itself, also out of a joined segment. */
static void screens_share_sections(void **state)
{
    static const size_t lines[] = { 20, 20, 0, 4000, 4000, 20, 10000, 20, 20, 20 };
    enum { N = sizeof(lines) / sizeof(lines[0]) };
    struct buf file = BUF_INIT(1 << 20), whole = BUF_INIT(1 << 20), screen = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    struct segment_options o = { .zstd_level = 9 };
    struct segment_builder *b = builder(&o);
    uint64_t before = UINT64_MAX;
    unsigned sections = 0;
    struct segment_summary sum;
    struct segment_reader *r;
    struct span s, t;

    (void) state;
    for (unsigned i = 0; i < N; i++) {
        assert_ok(segment_add_screen(b, i, 80, 24, lines[i] == 0 ? SPAN_EMPTY : screen_of(i, lines[i], &screen), NULL));
        assert_ok(segment_add_event(b, i, i, SPAN("[]"), NULL));
    }
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    r = reader(&file, &s);
    b = builder(&o);
    assert_ok(segment_add_segment(b, r, NULL));
    assert_ok(segment_add_screen(b, N, 80, 24, screen_of(N, 20, &screen), NULL));
    assert_ok(segment_add_event(b, N, N, SPAN("[]"), NULL));
    assert_ok(segment_finish(b, &whole, &sum, NULL));
    segment_builder_free(b);
    segment_reader_free(r);
    assert_true(whole.n < file.n + 1000); /* each section went over once */
    r = reader(&whole, &t);
    assert_int_equal(segment_info(r)->n_keyframes, N + 1);
    for (unsigned i = 0; i <= N; i++) {
        const struct segment_keyframe *k = segment_keyframe_at(r, i);

        buf_reset(&out);
        assert_ok(segment_read_screen(r, k, &out, NULL));
        if (i < N && lines[i] == 0)
            assert_int_equal(out.n, 0);
        else
            assert_span_eq(buf_span(&out), screen_of(i, i < N ? lines[i] : 20, &screen));
        assert_true(k->raw <= SEGMENT_PACK_MAX || k->n == k->raw);
        sections += k->offset != before;
        before = k->offset;
    }
    assert_int_equal(sections, 5); /* 0-3; 4, 5; 6; 7-9; the one that came behind */
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&whole);
    buf_deinit(&screen);
    buf_deinit(&out);
}

/* A screen that ends behind its section's end. */
static void a_screen_outside_its_section(void **state)
{
    static const struct {
        uint32_t at, n;
        enum err want;
    } cases[] = { { 0, 40, ERR_OK }, { 10, 30, ERR_OK }, { 40, 0, ERR_OK }, { 10, 31, ERR_CORRUPT }, { 41, 0, ERR_CORRUPT }, { UINT32_MAX, 2, ERR_CORRUPT }, { 1, UINT32_MAX, ERR_CORRUPT } };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct segment_chunk chunk = { .offset = 100, .stored = 50, .raw = 40, .n_events = 10 };
        struct segment_keyframe k = { .kind = SEGMENT_KEYFRAME_SCREEN, .cols = 1, .rows = 1, .offset = 10, .stored = 20, .raw = 40,
                                      .at = cases[i].at, .n = cases[i].n };
        struct segment_index x = { .chunks = &chunk, .keyframes = &k, .n_chunks = 1, .n_keyframes = 1 }, back;
        struct buf b = BUF_INIT(4096);
        enum err got;

        segment_index_write(&x, 1000, &b);
        got = segment_index_read(span_of(b.p, b.n - SEGMENT_FOOTER_LEN), 1000, &back, NULL);
        if (got != cases[i].want)
            fail_msg("case %zu: %s, want %s", i, err_name(got), err_name(cases[i].want));
        if (got == ERR_OK) {
            assert_true(back.keyframes[0].at == cases[i].at && back.keyframes[0].n == cases[i].n);
            segment_index_deinit(&back);
        }
        assert_int_equal(b.p[b.n - 8], i == 0 ? 1 : 2); /* the version: alone in its section, it is as it always was */
        buf_deinit(&b);
    }
}

static void joined(void **state)
{
    static const uint64_t sizes[PARTS] = { 30, 1, 400, 77, 5 };
    struct buf files[PARTS], out = BUF_INIT(64 << 20);
    struct span spans[PARTS], s;
    struct segment_reader *parts[PARTS], *whole;
    struct segment_options o = { .target_bytes = 32 << 20 };
    struct segment_builder *b = builder(&o);
    struct segment_summary sum;
    uint32_t c = 0, k = 0, m = 0;
    uint64_t seq = 0;

    (void) state;
    for (uint32_t i = 0; i < PARTS; i++) {
        small_segment(i, seq, sizes[i], &files[i]);
        seq += sizes[i];
        parts[i] = open_as(i, &files[i], &spans[i]);
        assert_true(segment_fits(b, parts[i]));
        assert_ok(segment_add_segment(b, parts[i], NULL));
    }
    assert_ok(segment_finish(b, &out, &sum, NULL));
    segment_builder_free(b);
    assert_true(sum.first_seq == 0 && sum.n_events == seq && sum.t_last == (time_us) (seq - 1) * 1000);
    whole = reader(&out, &s);
    for (uint32_t i = 0; i < PARTS; i++) {
        const struct segment_info *info = segment_info(parts[i]);

        for (uint32_t n = 0; n < info->n_chunks; n++)
            assert_same_chunk(parts[i], n, whole, c++);
        for (uint32_t n = 0; n < info->n_keyframes; n++)
            assert_same_keyframe(parts[i], n, whole, k++);
        for (uint32_t n = 0; n < info->n_markers; n++, m++) {
            assert_span_eq(segment_marker_at(parts[i], n)->label, segment_marker_at(whole, m)->label);
            assert_int_equal(segment_marker_at(parts[i], n)->seq, segment_marker_at(whole, m)->seq);
        }
        segment_reader_free(parts[i]);
        buf_deinit(&files[i]);
    }
    assert_true(c == segment_info(whole)->n_chunks && k == segment_info(whole)->n_keyframes &&
                m == segment_info(whole)->n_markers && c == sum.n_chunks && c > 6 && k > 60 && m > 40);
    buf_reset(&out);
    assert_ok(segment_read_head(whole, &out, NULL));
    assert_span_str(buf_span(&out), "{\"version\":2}");
    segment_reader_free(whole);
    buf_deinit(&out);
}

static void not_joined(void **state)
{
    struct segment_options tiny = { .target_bytes = 1000 };
    struct buf first, second, third;
    struct span s, t, u;
    struct segment_reader *a, *b, *c;
    struct segment_builder *w;

    (void) state;
    small_segment(0, 0, 10, &first);
    small_segment(1, 10, 10, &second);
    small_segment(2, 25, 10, &third);
    a = open_as(0, &first, &s);
    b = open_as(1, &second, &t);
    c = open_as(2, &third, &u);
    w = builder(NULL);
    assert_ok(segment_add_segment(w, a, NULL));
    assert_err(segment_add_segment(w, c, NULL), ERR_INVAL); /* 20 to 24 are missing */
    assert_err(segment_add_segment(w, b, NULL), ERR_STATE);
    segment_builder_free(w);
    w = builder(NULL);
    assert_ok(segment_add_segment(w, a, NULL));
    assert_err(segment_add_segment(w, a, NULL), ERR_INVAL); /* the same again */
    segment_builder_free(w);
    w = builder(&(struct segment_options){ .first_time = 1 });
    assert_err(segment_add_segment(w, a, NULL), ERR_INVAL); /* time goes back */
    segment_builder_free(w);
    w = builder(&tiny);
    assert_true(segment_fits(w, a));
    assert_ok(segment_add_segment(w, a, NULL));
    assert_false(segment_fits(w, b));
    segment_builder_free(w);
    first.p[first.n / 2] ^= 1; /* damage does not travel */
    w = builder(NULL);
    assert_err(segment_add_segment(w, a, NULL), ERR_CORRUPT);
    segment_builder_free(w);
    segment_reader_free(a);
    segment_reader_free(b);
    segment_reader_free(c);
    buf_deinit(&first);
    buf_deinit(&second);
    buf_deinit(&third);
}

/* One event, number seq, under seg_no == seq, and what 'note' adds. */
static struct segment_reader *noted(uint32_t seq, bool (*note)(struct facts_notes *n, uint32_t seq), struct buf *file, struct span *span)
{
    struct khseg_context c = place;
    struct segment_options o = { .first_seq = seq, .first_time = (time_us) seq * 1000000 };
    struct segment_builder *b = NULL;
    struct segment_summary sum;

    c.seg_no = seq;
    assert_ok(segment_builder_new(rk, &c, &o, &b, NULL));
    assert_ok(segment_add_event(b, seq, (time_us) seq * 1000000, SPAN("[]"), NULL));
    assert_true(note(segment_builder_notes(b), seq));
    *file = BUF_INIT(4 << 20);
    assert_ok(segment_finish(b, file, &sum, NULL));
    segment_builder_free(b);
    return open_as(seq, file, span);
}

static bool no_note(struct facts_notes *n, uint32_t seq)
{
    (void) n;
    (void) seq;
    return true;
}

/* More pages than two segments together may list, an idle span with their number, activity. */
static bool pages(struct facts_notes *n, uint32_t seq)
{
    struct fact page = { .kind = FACT_PAGE, .seq = seq, .time = (time_us) seq * 1000000 };
    struct fact idle = { .kind = FACT_IDLE, .seq = seq, .value = seq };
    bool good = facts_add(n, &idle, SPAN_EMPTY);

    for (uint32_t i = 0; i < FACTS_LISTED_MAX - 1; i++)
        good = facts_add(n, &page, seq == 1 ? SPAN("first") : SPAN("second")) && good;
    n->counts.clicks = 10 + seq;
    n->active = page.time;
    facts_bin(n, page.time, seq);
    return good;
}

static bool of_a_later_event(struct facts_notes *n, uint32_t seq)
{
    return facts_add(n, &(struct fact){ .kind = FACT_DEAD, .seq = seq + 1 }, SPAN_EMPTY);
}

static void assert_joined_notes(struct segment_reader *r)
{
    struct facts_notes n;
    uint32_t of_second = 0;

    facts_notes_init(&n);
    assert_ok(segment_read_notes(r, &n, NULL));
    assert_int_equal(n.counts.of[FACT_PAGE], 2 * (FACTS_LISTED_MAX - 1));
    assert_true(n.counts.of[FACT_IDLE] == 2 && n.counts.clicks == 11 + 12 && n.active == 2000000);
    assert_int_equal(n.n, FACTS_LISTED_MAX + 2); /* of the second's pages one had room */
    for (uint32_t i = 0; i < n.n; i++)
        of_second += span_eq_str(facts_text(&n, &n.list[i]), "second");
    assert_int_equal(of_second, 1);
    assert_true(n.list[0].value == 1 && n.list[FACTS_LISTED_MAX].value == 2); /* the lists follow one another */
    assert_true(n.bins_from == 1000000 && n.n_bins == 9 && n.bins[0] == 1 && n.bins[8] == 2);
    facts_notes_deinit(&n);
}

static void notes_are_joined(void **state)
{
    struct buf files[3], out = BUF_INIT(4 << 20);
    struct span spans[3], s;
    struct segment_builder *b = builder(NULL);
    struct segment_summary sum;
    struct segment_reader *whole;

    (void) state;
    for (uint32_t i = 0; i < 3; i++) {
        struct segment_reader *r = noted(i, i == 0 ? no_note : pages, &files[i], &spans[i]);

        assert_ok(segment_add_segment(b, r, NULL));
        segment_reader_free(r);
        buf_deinit(&files[i]);
    }
    assert_ok(segment_finish(b, &out, &sum, NULL));
    segment_builder_free(b);
    whole = reader(&out, &s);
    assert_joined_notes(whole);
    segment_reader_free(whole);
    buf_deinit(&out);
}

/* Notes that break a rule are not carried on, nor is the segment that has them. */
static void notes_that_cannot_be_read_are_not_joined(void **state)
{
    struct segment_builder *b = builder(NULL);
    struct buf file, out = BUF_INIT(4096);
    struct span s;
    struct segment_reader *r = noted(0, of_a_later_event, &file, &s);
    struct segment_summary sum;

    (void) state;
    assert_err(segment_add_segment(b, r, NULL), ERR_CORRUPT);
    assert_err(segment_finish(b, &out, &sum, NULL), ERR_STATE);
    assert_int_equal(out.n, 0);
    segment_builder_free(b);
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&out);
}

/* ---- tables that are full ---- */

#define JUNK 16384

/* An index over junk: sections are one byte each and nobody unpacks them. */
static struct segment_reader *made(const struct segment_index *x, struct buf *file, struct span *span)
{
    static const uint8_t junk[JUNK];
    struct khseg_writer *w = NULL;
    struct buf index = BUF_INIT(SEGMENT_INDEX_MAX + SEGMENT_FOOTER_LEN);

    *file = BUF_INIT(8u << 20);
    segment_index_write(x, JUNK, &index);
    assert_false(index.failed);
    assert_ok(khseg_writer_new(rk, &place, file, &w, NULL));
    assert_ok(khseg_write(w, SPAN_OF(junk), NULL));
    assert_ok(khseg_write(w, buf_span(&index), NULL));
    assert_ok(khseg_finish(w, NULL));
    khseg_writer_free(w);
    buf_deinit(&index);
    return reader(file, span);
}

/* Of n chunks with one event each from seq on (at least k events); k keyframes, m markers, all at the first events. */
static struct segment_reader *table(uint64_t seq, uint32_t n, uint32_t k, uint32_t m, struct buf *file, struct span *span)
{
    struct segment_index x = { .first_seq = seq, .n_chunks = n, .n_keyframes = k, .n_markers = m };
    struct segment_reader *r;

    x.chunks = calloc(n, sizeof(*x.chunks));
    x.keyframes = calloc(k + 1, sizeof(*x.keyframes));
    x.markers = calloc(m + 1, sizeof(*x.markers));
    assert_true(x.chunks != NULL && x.keyframes != NULL && x.markers != NULL);
    for (uint32_t i = 0; i < n; i++)
        x.chunks[i] = (struct segment_chunk){ .offset = i, .stored = 1, .raw = 2, .n_events = 1 };
    if (k > n) { /* the first one has room for them */
        x.chunks[0].n_events = k - n + 1;
        x.chunks[0].raw = 2 * x.chunks[0].n_events;
    }
    for (uint32_t i = 0; i < k; i++)
        x.keyframes[i] = (struct segment_keyframe){ .kind = SEGMENT_KEYFRAME_OWN, .seq = seq + i };
    for (uint32_t i = 0; i < m; i++)
        x.markers[i].seq = seq;
    r = made(&x, file, span);
    segment_index_deinit(&x);
    return r;
}

static void full_tables(void **state)
{
    static const struct {
        uint32_t n, k, m;
        bool full;
    } cases[] = {
        { SEGMENT_CHUNKS_MAX - 3, 0, 0, false },
        { SEGMENT_CHUNKS_MAX - 2, 0, 0, true },
        { SEGMENT_CHUNKS_MAX, 0, 0, true },
        { SEGMENT_KEYFRAMES_MAX - 3, SEGMENT_KEYFRAMES_MAX - 3, 0, false },
        { SEGMENT_KEYFRAMES_MAX, SEGMENT_KEYFRAMES_MAX - 1, 0, true },
        { 1, SEGMENT_KEYFRAMES_MAX - 2, 0, false },
        { 1, SEGMENT_KEYFRAMES_MAX - 1, 0, true },
        { 1, SEGMENT_KEYFRAMES_MAX, 0, true },
        { 1, 0, SEGMENT_MARKERS_MAX - 1, false },
        { 1, 0, SEGMENT_MARKERS_MAX, true },
    };
    struct segment_options o = { .target_bytes = 32u << 20 };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct segment_builder *b = builder(&o);
        struct segment_reader *r, *more;
        struct buf file, next;
        struct span s, t;
        bool fits = cases[i].n < SEGMENT_CHUNKS_MAX && cases[i].k < SEGMENT_KEYFRAMES_MAX && cases[i].m < SEGMENT_MARKERS_MAX;

        r = table(0, cases[i].n, cases[i].k, cases[i].m, &file, &s);
        more = table(cases[i].k > cases[i].n ? cases[i].k : cases[i].n, 1, 1, 1, &next, &t);
        assert_true(segment_fits(b, r));
        assert_ok(segment_add_segment(b, r, NULL));
        if (segment_builder_full(b) != cases[i].full)
            fail_msg("case %zu", i);
        assert_int_equal(segment_fits(b, more), fits);
        assert_err(segment_add_segment(b, more, NULL), fits ? ERR_OK : ERR_LIMIT);
        segment_builder_free(b);
        segment_reader_free(r);
        segment_reader_free(more);
        buf_deinit(&file);
        buf_deinit(&next);
    }
}

/* The open chunk takes a place, too: what is joined behind it may not be one too many for a reader. */
static void the_open_chunk_counts(void **state)
{
    struct segment_options o = { .target_bytes = 32u << 20 };

    (void) state;
    for (uint32_t over = 0; over < 2; over++) {
        const uint32_t n = SEGMENT_CHUNKS_MAX - 2 + over;
        struct buf file, next, out = BUF_INIT(8u << 20);
        struct segment_builder *b = builder(&o);
        struct segment_summary sum;
        struct segment_reader *r, *more;
        struct span s, t;

        r = table(0, n, 0, 0, &file, &s);
        more = table(n + 1, 1, 0, 0, &next, &t);
        assert_ok(segment_add_segment(b, r, NULL));
        assert_ok(segment_add_event(b, n, 0, SPAN("[]"), NULL));
        assert_int_equal(segment_fits(b, more), over == 0);
        assert_err(segment_add_segment(b, more, NULL), over == 0 ? ERR_OK : ERR_LIMIT);
        segment_reader_free(r);
        if (over == 0) {
            assert_ok(segment_finish(b, &out, &sum, NULL));
            r = reader(&out, &s);
            assert_int_equal(segment_info(r)->n_chunks, SEGMENT_CHUNKS_MAX);
            segment_reader_free(r);
        }
        segment_builder_free(b);
        segment_reader_free(more);
        buf_deinit(&file);
        buf_deinit(&next);
        buf_deinit(&out);
    }
}

/* One entry more than there may be, where one at a time is added. */
static void one_too_many(void **state)
{
    struct segment_options o = { .target_bytes = 32u << 20 };
    struct buf file, out = BUF_INIT(8u << 20);
    struct segment_builder *b = builder(&o);
    struct segment_summary sum;
    struct segment_reader *r;
    struct span s;

    (void) state;
    r = table(0, SEGMENT_CHUNKS_MAX, SEGMENT_KEYFRAMES_MAX, 0, &file, &s);
    assert_ok(segment_add_segment(b, r, NULL));
    assert_ok(segment_add_keyframe(b, SEGMENT_KEYFRAMES_MAX, NULL));
    assert_err(segment_add_event(b, SEGMENT_KEYFRAMES_MAX, 0, SPAN("[]"), NULL), ERR_LIMIT);
    segment_builder_free(b);
    b = builder(&o);
    assert_ok(segment_add_segment(b, r, NULL));
    assert_ok(segment_add_event(b, SEGMENT_CHUNKS_MAX, 0, SPAN("[]"), NULL)); /* it waits in a chunk that has no place */
    assert_err(segment_finish(b, &out, &sum, NULL), ERR_LIMIT);
    segment_builder_free(b);
    segment_reader_free(r);
    buf_deinit(&file);
    r = table(SEGMENT_CHUNKS_MAX + 1, 1, 0, 0, &file, &s); /* and a segment that follows does not make it one */
    b = builder(&o);
    assert_err(segment_add_segment(b, r, NULL), ERR_INVAL);
    segment_builder_free(b);
    b = builder(&o);
    for (int i = 0; i < SEGMENT_MARKERS_MAX; i++)
        assert_ok(segment_add_marker(b, 0, SPAN("here"), NULL));
    assert_err(segment_add_marker(b, 0, SPAN("here"), NULL), ERR_LIMIT);
    assert_err(segment_add_marker(b, 0, SPAN("here"), NULL), ERR_STATE);
    assert_err(segment_add_head(b, SPAN("{}"), NULL), ERR_STATE);
    assert_err(segment_add_keyframe(b, 0, NULL), ERR_STATE);
    assert_err(segment_add_screen(b, 0, 80, 24, SPAN("x"), NULL), ERR_STATE);
    assert_err(segment_add_segment(b, r, NULL), ERR_STATE);
    assert_err(segment_finish(b, &out, &sum, NULL), ERR_STATE);
    segment_builder_free(b);
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&out);
}

static void more_wrong_calls(void **state)
{
    struct segment_builder *b = builder(&(struct segment_options){ .first_seq = UINT64_MAX });
    struct segment_index head_only = { .head = { .stored = 1 }, .first_seq = 0 };
    struct segment_reader *head, *small;
    struct buf file, second, bytes = BUF_INIT(300);
    struct span s, t;

    (void) state;
    assert_err(segment_add_event(b, UINT64_MAX, 0, SPAN("[]"), NULL), ERR_INVAL); /* there would be no number after it */
    segment_builder_free(b);
    b = builder(NULL);
    assert_err(segment_add_screen(b, 0, 80, 0, SPAN("x"), NULL), ERR_INVAL);
    segment_builder_free(b);
    for (int i = 0; i <= SEGMENT_LABEL_MAX; i++)
        buf_add_c(&bytes, '\x80');
    b = builder(NULL);
    assert_ok(segment_add_marker(b, 0, buf_span(&bytes), NULL)); /* not one whole character: an empty label */
    segment_builder_free(b);
    /* a head comes once and first, also with a segment */
    head = made(&head_only, &file, &s);
    small = table(0, 1, 0, 0, &second, &t);
    b = builder(NULL);
    assert_ok(segment_add_segment(b, head, NULL));
    assert_ok(segment_add_segment(b, small, NULL));
    segment_builder_free(b);
    b = builder(NULL);
    assert_ok(segment_add_segment(b, head, NULL));
    assert_err(segment_add_segment(b, head, NULL), ERR_INVAL);
    segment_builder_free(b);
    b = builder(NULL);
    assert_ok(segment_add_head(b, SPAN("{}"), NULL));
    assert_err(segment_add_segment(b, head, NULL), ERR_INVAL);
    segment_builder_free(b);
    b = builder(NULL);
    assert_ok(segment_add_keyframe(b, 0, NULL)); /* it waits for an event of this builder */
    assert_err(segment_add_segment(b, small, NULL), ERR_INVAL);
    segment_builder_free(b);
    segment_reader_free(head);
    buf_deinit(&file);
    head_only.first_seq = 1;
    head = made(&head_only, &file, &s);
    b = builder(NULL);
    assert_ok(segment_add_segment(b, small, NULL));
    assert_err(segment_add_segment(b, head, NULL), ERR_INVAL); /* after events */
    segment_builder_free(b);
    segment_reader_free(head);
    segment_reader_free(small);
    buf_deinit(&file);
    buf_deinit(&second);
    buf_deinit(&bytes);
}

/* ---- chunks and frames of another content ---- */

static void lines_of_a_chunk(void **state)
{
    static const struct {
        const char *text;
        uint32_t n_events;
        enum err want;
    } cases[] = {
        { "[]\n[]\n", 2, ERR_OK }, { "[]\n[]\n", 1, ERR_CORRUPT }, { "[]\n[]\n", 3, ERR_CORRUPT },
        { "[]\n[]", 1, ERR_CORRUPT }, { "[]\n[]", 2, ERR_CORRUPT }, { "[][]", 1, ERR_CORRUPT },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct zframe_writer *z = zframe_writer_new(1);
        struct buf plain = BUF_INIT(4096);
        struct segment_chunk c = { .n_events = cases[i].n_events, .raw = (uint32_t) strlen(cases[i].text) };
        struct segment_index x = { .n_chunks = 1, .chunks = &c };

        assert_ok(zframe_write(z, span_str(cases[i].text), &plain, NULL));
        c.stored = (uint32_t) plain.n;
        segment_index_write(&x, plain.n, &plain);
        if (verdict(buf_span(&plain)) != cases[i].want)
            fail_msg("case %zu", i);
        zframe_writer_free(z);
        buf_deinit(&plain);
    }
}

static void a_keyframe_of_its_own_is_no_screen(void **state)
{
    struct buf file, out = BUF_INIT(100);
    struct span s;
    struct segment_reader *r = table(0, 2, 2, 0, &file, &s);

    (void) state;
    assert_err(segment_read_screen(r, segment_keyframe_at(r, 0), &out, NULL), ERR_INVAL);
    segment_reader_free(r);
    buf_deinit(&file);
    buf_deinit(&out);
}

/* Each case is one index that is wrong in one place, where the bytes are all there. */
static void more_hostile_indexes(void **state)
{
    enum { GOOD, NUMBERS_RUN_OVER, NO_CHUNKS_BUT_A_KEYFRAME, BEFORE_THE_FIRST, KEYFRAME_KIND, KEYFRAME_TIME_BACK, SCREEN_CUT,
           KEYFRAME_CUT, MARKER_CUT, LABEL_LONG, LABEL_BAD, MARKER_TIME_BACK, HEAD_RAW, HEAD_OFFSET, NOTES_RAW,
           NOTES_OFFSET, NOTHING, N_ };

    (void) state;
    for (int i = 0; i < N_; i++) {
        static const uint8_t long_label[SEGMENT_LABEL_MAX + 1] = { 'x' };
        struct segment_chunk chunks[2] = { { .offset = 1, .stored = 1, .raw = 20, .n_events = 10, .t_first = 5, .t_last = 9 },
                                           { .offset = 2, .stored = 1, .raw = 20, .n_events = 10, .t_first = 9, .t_last = 9 } };
        struct segment_keyframe keyframes[2] = { { .kind = SEGMENT_KEYFRAME_OWN, .seq = 3, .time = 7 },
                                                 { .kind = SEGMENT_KEYFRAME_OWN, .seq = 4, .time = 8 } };
        struct segment_marker markers[2] = { { .seq = 3, .time = 7, .label = SPAN("a") }, { .seq = 4, .time = 8, .label = SPAN("b") } };
        struct segment_index x = { .head = { .offset = 0, .stored = 1, .raw = 2 }, .chunks = chunks, .keyframes = keyframes, .markers = markers,
                                   .n_chunks = 2, .n_keyframes = 2, .n_markers = 2 }, back;
        struct buf b = BUF_INIT(4096);
        size_t less = 0;
        enum err got;

        switch (i) {
        case NUMBERS_RUN_OVER:
            x.first_seq = UINT64_MAX - 5;
            x.n_keyframes = x.n_markers = 0;
            break;
        case NO_CHUNKS_BUT_A_KEYFRAME: x.n_chunks = x.n_markers = 0; break;
        case BEFORE_THE_FIRST: x.first_seq = 4; x.n_markers = 0; break;
        case KEYFRAME_KIND: keyframes[1].kind = (enum segment_keyframe_kind) 7; break;
        case KEYFRAME_TIME_BACK: keyframes[0].time = 9; break;
        case SCREEN_CUT:
            x.n_markers = 0;
            keyframes[1] = (struct segment_keyframe){ .kind = SEGMENT_KEYFRAME_SCREEN, .seq = 4, .time = 8, .cols = 1, .rows = 1, .offset = 0, .stored = 1 };
            less = 2;
            break;
        case KEYFRAME_CUT:
            x.n_markers = 0;
            keyframes[0] = (struct segment_keyframe){ .kind = SEGMENT_KEYFRAME_SCREEN, .seq = 3, .time = 7, .cols = 1, .rows = 1, .offset = 0, .stored = 1 };
            less = 10;
            break;
        case MARKER_CUT: less = 3; break;
        case LABEL_LONG: markers[1].label = SPAN_OF(long_label); break;
        case LABEL_BAD: markers[1].label = SPAN("\xff"); break;
        case MARKER_TIME_BACK: markers[0].time = 9; break;
        case HEAD_RAW: x.head = (struct segment_head){ .raw = 1 }; break;
        case HEAD_OFFSET: x.head = (struct segment_head){ .offset = 1 }; break;
        case NOTES_RAW: x.notes = (struct segment_notes_at){ .raw = 1 }; break;
        case NOTES_OFFSET: x.notes = (struct segment_notes_at){ .offset = 1 }; break;
        case NOTHING: x = (struct segment_index){ .first_seq = 7 }; break;
        default: break;
        }
        segment_index_write(&x, 1000, &b);
        got = segment_index_read(span_of(b.p, b.n - SEGMENT_FOOTER_LEN - less), 1000, &back, NULL);
        if (got != (i == GOOD ? ERR_OK : ERR_CORRUPT))
            fail_msg("case %d: %s", i, err_name(got));
        if (got == ERR_OK)
            segment_index_deinit(&back);
        buf_deinit(&b);
    }
}

static void footers(void **state)
{
    struct segment_index x = { .head = { .stored = 1 } }, back;
    struct buf b = BUF_INIT(4096);
    uint64_t offset = 0;
    uint32_t len = 0;
    struct span footer;

    (void) state;
    segment_index_write(&x, 1000, &b);
    footer = span_of(b.p + b.n - SEGMENT_FOOTER_LEN, SEGMENT_FOOTER_LEN);
    assert_ok(segment_footer_read(footer, 1000 + b.n, &offset, &len, NULL));
    assert_true(offset == 1000 && len == b.n - SEGMENT_FOOTER_LEN);
    assert_err(segment_footer_read(span_sub(footer, 0, 23), 1000 + b.n, &offset, &len, NULL), ERR_CORRUPT);
    assert_err(segment_footer_read(span_of(footer.p - 1, 25), 1000 + b.n, &offset, &len, NULL), ERR_CORRUPT);
    assert_err(segment_footer_read(footer, SEGMENT_FOOTER_LEN - 1, &offset, &len, NULL), ERR_CORRUPT);
    assert_err(segment_footer_read(footer, 1000 + b.n + 1, &offset, &len, NULL), ERR_CORRUPT);
    assert_err(segment_footer_read(footer, 1000, &offset, &len, NULL), ERR_CORRUPT);
    for (size_t n = 0; n < len; n++)
        assert_err(segment_index_read(span_of(b.p, n), 1000, &back, NULL), ERR_CORRUPT);
    buf_deinit(&b);
}

/* The stamp: exact bytes, what a segment says of itself, and of joined ones the least. */
static void stamps(void **state)
{
    static const struct { uint16_t parts[3], joined; } cases[] = {
        { { 1, 1, 1 }, 1 }, { { 2, 1, 3 }, 1 }, { { 0, 2, 2 }, 0 }, { { 2, 2, 0 }, 0 }, { { 0xffff, 0xffff, 0xfffe }, 0xfffe },
    };
    struct segment_index x = { .head = { .stored = 1 }, .clean = 0x0102 };
    struct buf b = BUF_INIT(4096);
    struct span footer;

    (void) state;
    segment_index_write(&x, 1000, &b);
    footer = span_of(b.p + b.n - SEGMENT_FOOTER_LEN, SEGMENT_FOOTER_LEN);
    assert_memory_equal(footer.p + 16, "\x01\x00\x02\x01KHIX", 8);
    assert_int_equal(segment_footer_clean(footer), 0x0102);
    buf_deinit(&b);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct segment_builder *w = builder(NULL);
        struct segment_reader *r;
        struct segment_summary sum;
        struct buf file = BUF_INIT(1 << 20), parts[3];
        struct span s[3];

        for (uint32_t k = 0; k < 3; k++) {
            struct segment_builder *p = builder(&(struct segment_options){ .first_seq = k, .clean = cases[i].parts[k] });

            parts[k] = BUF_INIT(1 << 20);
            assert_ok(segment_add_event(p, k, 0, SPAN("{}"), NULL));
            assert_ok(segment_finish(p, &parts[k], &sum, NULL));
            segment_builder_free(p);
            r = reader(&parts[k], &s[k]);
            assert_int_equal(segment_info(r)->clean, cases[i].parts[k]);
            assert_ok(segment_add_segment(w, r, NULL));
            segment_reader_free(r);
        }
        assert_ok(segment_finish(w, &file, &sum, NULL));
        segment_builder_free(w);
        r = reader(&file, &s[0]);
        assert_int_equal(segment_info(r)->clean, cases[i].joined);
        segment_reader_free(r);
        for (uint32_t k = 0; k < 3; k++)
            buf_deinit(&parts[k]);
        buf_deinit(&file);
    }
}

static void damaged_frames(void **state)
{
    struct zframe_writer *w = zframe_writer_new(3);
    struct buf raw = BUF_INIT(20000), f = BUF_INIT(20000), out = BUF_INIT(20000), open = BUF_INIT(1000);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    size_t refused = 0, size = 0;

    (void) state;
    for (unsigned i = 0; raw.n < 10000; i++)
        buf_addf(&raw, "%u ", i * 2654435761u % 977);
    assert_ok(zframe_write(w, buf_span(&raw), &f, NULL));
    for (size_t i = 0; i < f.n * 8; i++) { /* there is no checksum: what is read may differ, and never has another length */
        f.p[i / 8] ^= (uint8_t) (1u << i % 8);
        buf_reset(&out);
        if (zframe_read(buf_span(&f), raw.n, &out, NULL) == ERR_OK)
            assert_int_equal(out.n, raw.n);
        else
            refused++;
        f.p[i / 8] ^= (uint8_t) (1u << i % 8);
    }
    assert_true(refused > 100);
    zframe_writer_freep(&w);
    assert_null(w);
    /* a frame that does not say how much is in it */
    assert_non_null(c);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0)));
    open.n = ZSTD_compress2(c, buf_reserve(&open, 1000), 1000, "keyhole", 7);
    assert_false(ZSTD_isError(open.n));
    assert_err(zframe_size(buf_span(&open), 1000, &size, NULL), ERR_CORRUPT);
    assert_err(zframe_read(buf_span(&open), 7, &out, NULL), ERR_CORRUPT);
    ZSTD_freeCCtx(c);
    buf_deinit(&raw);
    buf_deinit(&f);
    buf_deinit(&out);
    buf_deinit(&open);
}

static void *read_frame(void *ctx)
{
    struct buf out = BUF_INIT(100);
    bool good = zframe_read(*(struct span *) ctx, 7, &out, NULL) == ERR_OK && span_eq_str(buf_span(&out), "keyhole");

    buf_deinit(&out);
    return good ? ctx : NULL;
}

/* Its decompressor goes with the thread: the leak checker looks. */
static void threads_of_their_own(void **state)
{
    struct zframe_writer *w = zframe_writer_new(3);
    struct buf f = BUF_INIT(1000);
    struct span s;
    pthread_t t[3];

    (void) state;
    assert_ok(zframe_write(w, SPAN("keyhole"), &f, NULL));
    s = buf_span(&f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, read_frame, &s), 0);
    for (int i = 0; i < 3; i++) {
        void *ret = NULL;

        assert_int_equal(pthread_join(t[i], &ret), 0);
        assert_non_null(ret);
    }
    zframe_writer_free(w);
    buf_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_example),
        cmocka_unit_test(the_builder_says_the_same),
        cmocka_unit_test(many_chunks_seek_and_order),
        cmocka_unit_test(chunks_are_longer_where_they_repeat_one_another),
        cmocka_unit_test(screens_share_sections),
        cmocka_unit_test(a_screen_outside_its_section),
        cmocka_unit_test(joined),
        cmocka_unit_test(not_joined),
        cmocka_unit_test(notes_are_joined),
        cmocka_unit_test(notes_that_cannot_be_read_are_not_joined),
        cmocka_unit_test(sizes_at_their_limits),
        cmocka_unit_test(wrong_calls),
        cmocka_unit_test(head_alone_and_long_labels),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(hostile_indexes),
        cmocka_unit_test(neighbours),
        cmocka_unit_test(frames),
        cmocka_unit_test(every_level_keeps_the_window),
        cmocka_unit_test(full_tables),
        cmocka_unit_test(the_open_chunk_counts),
        cmocka_unit_test(one_too_many),
        cmocka_unit_test(more_wrong_calls),
        cmocka_unit_test(lines_of_a_chunk),
        cmocka_unit_test(a_keyframe_of_its_own_is_no_screen),
        cmocka_unit_test(more_hostile_indexes),
        cmocka_unit_test(footers),
        cmocka_unit_test(stamps),
        cmocka_unit_test(damaged_frames),
        cmocka_unit_test(threads_of_their_own),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
