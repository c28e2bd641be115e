/*
 * Batches in, frames out: cases by hand, cut anywhere; what real files give in batches of any shape, coding and size is byte
 * for byte what the importer gives; each limit on both sides; what is refused, with line and cause.
 */
#include "test.h"

#include "codec/batch.h"
#include "codec/intake.h"
#include "codec/json_scan.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Everything that batches gave, in order. */
struct got {
    struct batch_state state;
    struct buf head, events; /* NDJSON */
    struct buf reveal;       /* and of track 1 */
    size_t heads, frames, batches;
    struct intake *intake;   /* or NULL */
    struct buf late;         /* struct intake_late */
};

static void got_init(struct got *g, enum importer_kind kind)
{
    *g = (struct got){ .state = batch_state_new(kind) };
    buf_init(&g->head, 1u << 20);
    buf_init(&g->events, 400u << 20);
    buf_init(&g->reveal, 400u << 20);
    buf_init(&g->late, 64u << 20);
}

static void got_deinit(struct got *g)
{
    buf_deinit(&g->head);
    buf_deinit(&g->events);
    buf_deinit(&g->reveal);
    buf_deinit(&g->late);
    g->intake = intake_free(g->intake);
}

static size_t count(struct span s, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

static void take_frame(struct got *g, const struct batch_frame *f, uint64_t *seq)
{
    struct buf *to = f->head ? &g->head : &g->events;
    uint8_t *p = buf_reserve(to, f->raw);

    assert_non_null(p);
    assert_int_equal(ZSTD_getFrameContentSize(f->zstd.p, f->zstd.n), f->raw);
    assert_int_equal(ZSTD_decompress(p, f->raw, f->zstd.p, f->zstd.n), f->raw);
    to->n += f->raw;
    assert_int_equal(f->first_seq, *seq);
    *seq += f->n_events;
    g->heads += f->head;
    g->frames++;
    if (f->head) {
        assert_int_equal(f->n_events, 0);
        return;
    }
    assert_true(f->n_events == 1 || (f->n_events > 1 && f->raw <= BATCH_FRAME_MAX));
    assert_int_equal(count(span_of(p, f->raw), '\n'), f->n_events);
    assert_int_equal(p[f->raw - 1], '\n');
}

/* Track 1: as many lines as events, under the same numbers. */
static void take_reveal(struct got *g, const struct batch_out *out)
{
    uint64_t seq = g->state.next_seq;

    if (g->intake == NULL || !intake_keeps(g->intake)) {
        assert_int_equal(out->n_reveal, 0);
        return;
    }
    for (size_t i = 0; i < out->n_reveal; i++) {
        const struct batch_frame *f = &out->reveal[i];
        uint8_t *p = buf_reserve(&g->reveal, f->raw);

        assert_non_null(p);
        assert_int_equal(ZSTD_decompress(p, f->raw, f->zstd.p, f->zstd.n), f->raw);
        assert_int_equal(f->first_seq, seq);
        if (f->head)
            continue;
        seq += f->n_events;
        assert_int_equal(count(span_of(p, f->raw), '\n'), f->n_events);
        g->reveal.n += f->raw;
    }
    assert_int_equal(seq, out->after.next_seq);
}

/* One accepted batch. */
static void take(struct got *g, const struct batch_out *out)
{
    uint64_t seq = g->state.next_seq, bytes = g->state.bytes;

    for (size_t i = 0; i < out->n_frames; i++) {
        assert_true(!out->frames[i].head || i == 0);
        take_frame(g, &out->frames[i], &seq);
    }
    assert_int_equal(seq, out->after.next_seq);
    assert_int_equal(seq - g->state.next_seq, out->n_events);
    assert_int_equal(out->after.bytes, bytes + out->raw_bytes);
    take_reveal(g, out);
    g->state = out->after;
    g->batches++;
    if (g->intake != NULL) {
        size_t n;
        const struct intake_late *late = intake_late(g->intake, &n);

        buf_add(&g->late, late, n * sizeof(*late));
        intake_commit(g->intake);
    }
}

static enum err feed(struct batch *b, struct span in, size_t step)
{
    enum err e = batch_error(b)->code;

    for (size_t at = 0; at < in.n && e == ERR_OK; at += step) {
        struct span part = span_sub(in, at, step);

        while (e == ERR_OK && (part.n > 0 || batch_more(b)))
            e = batch_step(b, &part);
    }
    return e;
}

static enum err run(struct got *g, enum unpack_codec codec, struct span head, struct span in, size_t step,
                    struct importer_error *ret_error)
{
    CLEANUP(batch_freep) struct batch *b = batch_new(&g->state, codec, head, g->intake);
    struct batch_out out;
    enum err e;

    assert_non_null(b);
    e = feed(b, in, step);
    if (e == ERR_OK)
        e = batch_finish(b, &out);
    if (e == ERR_OK) {
        take(g, &out);
        assert_int_equal(batch_finish(b, &out), ERR_STATE);
    } else {
        struct span more = SPAN("x");

        assert_int_equal(batch_error(b)->code, e);
        assert_int_equal(batch_step(b, &more), e);
        assert_int_equal(batch_finish(b, &out), e);
        assert_true(batch_error(b)->cause[0] != '\0');
        assert_int_equal(e == ERR_LIMIT, batch_error(b)->limit != NULL);
    }
    *ret_error = *batch_error(b);
    return e;
}

/* ---- by hand ---- */

#define T  IMPORTER_TERMINAL
#define R  IMPORTER_RRWEB
#define V2 "{\"version\":2,\"width\":80,\"height\":24}"
#define V3 "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}"

static const struct {
    const char *name;
    enum importer_kind kind;
    const char *in; /* batches, '\f' between them */
    const char *head, *events;
    time_us seek;
} good[] = {
    { "lines", T, "[0.5,\"o\",\"a\"]\n[1.50, \"o\", \"b\"]\f[2,\"o\",\"c\"]\n", V2,
      "[0.5,\"o\",\"a\"]\n[1.50,\"o\",\"b\"]\n[2,\"o\",\"c\"]\n", 2000000 },
    { "array", T, " [ [0.5,\"o\",\"a\"] , [1,\"i\",\"b\"]]\f[\n[2,\"o\",\"c\"]]", V2,
      "[0.5,\"o\",\"a\"]\n[1,\"i\",\"b\"]\n[2,\"o\",\"c\"]\n", 2000000 },
    { "list", T, "{\"events\":[[0.5,\"o\",\"a\"]]}\f{\"x\":{\"y\":[1]},\"events\":[[2,\"o\",\"c\"]],\"z\":1}", V2,
      "[0.5,\"o\",\"a\"]\n[2,\"o\",\"c\"]\n", 2000000 },
    { "a v2 header", T, "{\"version\":2, \"width\":100,\"height\":30}\n[1,\"o\",\"a\"]\f[2,\"o\",\"b\"]",
      "{\"version\":2,\"width\":100,\"height\":30}", "[1,\"o\",\"a\"]\n[2,\"o\",\"b\"]\n", 2000000 },
    { "a header alone", T, V2 "\f[2,\"o\",\"b\"]", V2, "[2,\"o\",\"b\"]\n", 2000000 },
    { "a header in an array", T, "[" V3 ",[1,\"o\",\"a\"]]\f[[1,\"o\",\"b\"]]", V3,
      "[1,\"o\",\"a\"]\n[2,\"o\",\"b\"]\n", 2000000 },
    { "v3: intervals go on", T, V3 "\n[0.1,\"o\",\"a\"]\n# no event\n[0.2,\"o\",\"b\"]\f# none\n[1,\"x\",\"0\"]\f[]\f\f[[1,\"o\",\"\"]]",
      V3, "[0.1,\"o\",\"a\"]\n[0.3,\"o\",\"b\"]\n[1.3,\"x\",\"0\"]\n[2.3,\"o\",\"\"]\n", 2300000 },
    { "v3: rounding goes on", T, V3 "\n[0.0000005,\"o\",\"a\"]\f[0.0000004,\"o\",\"b\"]\f[0.0000005,\"o\",\"c\"]", V3,
      "[0.000001,\"o\",\"a\"]\n[0.000001,\"o\",\"b\"]\n[0.000002,\"o\",\"c\"]\n", 2 },
    { "v1", T, "{\"version\":1,\"width\":80,\"height\":24,\"stdout\":[[0.5,\"a\"],[0.25,\"b\"]]}\f[[1,\"c\"]]\f[1,\"d\"]",
      "{\"version\":1,\"width\":80,\"height\":24}",
      "[0.5,\"o\",\"a\"]\n[0.75,\"o\",\"b\"]\n[1.75,\"o\",\"c\"]\n[2.75,\"o\",\"d\"]\n", 2750000 },
    { "v1 sorted names", T, "{\"height\":24,\"stdout\":[[0.5,\"a\"]],\"version\":1,\"width\":80}",
      "{\"height\":24,\"version\":1,\"width\":80}", "[0.5,\"o\",\"a\"]\n", 500000 },
    { "times go back", T, "[2,\"o\",\"a\"]\f[1,\"o\",\"b\"]", V2, "[2,\"o\",\"a\"]\n[1,\"o\",\"b\"]\n", 2000000 },
    { "nothing at all", T, "\f \n\f[]\f{\"events\":[]}", "", "", 0 },
    { "blank lines, CR LF", T, "\r\n\r\n[1,\"o\",\"a\"]\r\n\r\n\f\n[1,\"o\",\"a\"]", V2,
      "[1,\"o\",\"a\"]\n[1,\"o\",\"a\"]\n", 1000000 },
    { "rrweb array", R, "[{\"type\":4, \"timestamp\":1000}]\f[{\"type\":2,\"timestamp\":1010.5}]", "{}",
      "{\"type\":4,\"timestamp\":1000}\n{\"type\":2,\"timestamp\":1010.5}\n", 10500 },
    { "rrweb list: the head", R, "{\"a\": 1,\"events\":[{\"type\":3}],\"b\":2}\f{\"c\":1,\"events\":[{\"type\":5}]}",
      "{\"a\":1,\"b\":2}", "{\"type\":3}\n{\"type\":5}\n", 0 },
    { "rrweb lines", R, "{\"type\":3,\"timestamp\":5}\n{\"type\":3}\f{\"type\":3,\"timestamp\":7}\n", "{}",
      "{\"type\":3,\"timestamp\":5}\n{\"type\":3}\n{\"type\":3,\"timestamp\":7}\n", 2000 },
    { "rrweb without data or time first", R, "{\"type\":1}\n{\"type\":1}\f{\"type\":3,\"timestamp\":7}", "{}",
      "{\"type\":1}\n{\"type\":1}\n{\"type\":3,\"timestamp\":7}\n", 0 },
    { "rrweb packed as strings", R,
      "[\"{\\\"type\\\": 3}\",{\"type\":4}]\f\"{\\\"type\\\":5}\"\n\"{\\\"type\\\": 6, \\\"timestamp\\\":1}\"", "{}",
      "{\"type\":3}\n{\"type\":4}\n{\"type\":5}\n{\"type\":6,\"timestamp\":1}\n", 0 },
    { "rrweb nothing", R, "\f[]\f \f", "", "", 0 },
    { "rrweb empty list has a head", R, "{\"events\":[]}\f[{\"type\":3}]", "{}", "{\"type\":3}\n", 0 },
};

static void good_batches(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (size_t step = 1; step < 100000; step *= 7) {
            struct span rest = span_str(good[i].in), part;
            bool more = true;
            struct importer_error e;
            struct got g;

            got_init(&g, good[i].kind);
            while (more) {
                more = span_cut(rest, '\f', &part, &rest);
                if (run(&g, UNPACK_IDENTITY, SPAN_EMPTY, part, step, &e) != ERR_OK)
                    fail_msg("%s, step %zu, batch %zu: %s", good[i].name, step, g.batches, e.cause);
            }
            if (!span_eq_str(buf_span(&g.events), good[i].events) || !span_eq_str(buf_span(&g.head), good[i].head))
                fail_msg("%s, step %zu:\n got " SPAN_FMT "\n" SPAN_FMT "\nwant %s\n%s", good[i].name, step,
                         SPAN_ARG(buf_span(&g.head)), SPAN_ARG(buf_span(&g.events)), good[i].head, good[i].events);
            assert_int_equal(g.heads, good[i].head[0] != '\0');
            assert_int_equal(g.state.seek, good[i].seek);
            assert_int_equal(g.state.next_seq, count(span_str(good[i].events), '\n'));
            got_deinit(&g);
        }
}

static const struct {
    const char *name;
    enum importer_kind kind;
    const char *in; /* accepted batches, then the refused one */
    enum err code;
    uint64_t line;
    const char *cause; /* a part of it */
} bad[] = {
    { "a second header", T, V2 "\n" V2, ERR_INVAL, 2, "header comes once" },
    { "a header after events", T, "[1,\"o\",\"a\"]\f" V2, ERR_INVAL, 1, "header comes once" },
    { "a header in a later batch", T, V2 "\f" V2, ERR_INVAL, 1, "header comes once" },
    { "v1's list in a later batch", T, V2 "\f{\"version\":1,\"stdout\":[]}", ERR_INVAL, 1, "header comes once" },
    { "v1's list of another version", T, "{\"width\":1,\"height\":1,\"stdout\":[[1,\"a\"]],\"version\":2}", ERR_INVAL, 1,
      "version" },
    { "a header without a size", T, "{\"version\":2,\"height\":1}\n", ERR_INVAL, 1, "'width'" },
    { "version 4", T, "{\"version\":4,\"width\":1,\"height\":1}\n", ERR_INVAL, 1, "not 1, 2 or 3" },
    { "rrweb in a terminal", T, "{\"type\":3,\"data\":{}}\n", ERR_INVAL, 1, "rrweb" },
    { "rrweb array in a terminal", T, "[{\"type\":3,\"data\":{}}]", ERR_INVAL, 1, "version" },
    { "a terminal in rrweb", R, "[1,\"o\",\"a\"]\n", ERR_INVAL, 1, "no object" },
    { "a header in rrweb", R, V2 "\n", ERR_INVAL, 1, "'type'" },
    { "other JSON", T, "{\"a\":1}", ERR_INVAL, 1, "unknown format" },
    { "text", T, "$ ls\n", ERR_INVAL, 1, "expected" },
    { "text in rrweb", R, "hello", ERR_INVAL, 1, "" },
    { "a mark", T, "\xef\xbb\xbf[1,\"o\",\"a\"]", ERR_INVAL, 1, "byte order mark" },
    { "a broken line", T, "[1,\"o\",\"a\"]\n[2,\"o\",]\n", ERR_INVAL, 2, "expected" },
    { "cut", T, "[1,\"o\",\"a\"]\n\n[2,\"o\",\"ab", ERR_INVAL, 3, "ends" },
    { "cut array", T, "[[1,\"o\",\"a\"],", ERR_INVAL, 1, "ends" },
    { "array of lines", T, "[[1,\"o\",\"a\"]]\n[[2,\"o\",\"b\"]]", ERR_INVAL, 2, "follows" },
    { "time negative", T, "[-1,\"o\",\"a\"]", ERR_INVAL, 1, "negative" },
    { "time a string", T, "[1,\"o\",\"a\"]\f\n[\"1\",\"o\",\"a\"]", ERR_INVAL, 2, "no number" },
    { "output no string", T, "[1,\"o\",1]", ERR_INVAL, 1, "no string" },
    { "two elements", T, "[1,\"o\"]", ERR_INVAL, 1, "a code" },
    { "comment in v2", T, V2 "\n# no\n", ERR_INVAL, 2, "expected" },
    { "comment without a header", T, "[1,\"o\",\"a\"]\n# no\n", ERR_INVAL, 2, "expected" },
    { "bad UTF-8", T, "[1,\"o\",\"\xff\"]", ERR_INVAL, 1, "UTF-8" },
    { "no type", R, "[{\"type\":1},\n{}]", ERR_INVAL, 2, "'type'" },
    { "packed and broken", R, "[{\"type\":1},\n\"abc\"]", ERR_INVAL, 2, "neither a packed" },
    { "after a packed one", R, "[\"{\\\"type\\\":1}\",\n{}]", ERR_INVAL, 2, "'type'" },
    { "intervals beyond counting", T, V3 "\n[9007199254,\"o\",\"a\"]\f[9007199254,\"o\",\"a\"]\n", ERR_INVAL, 1, "add up" },
};

static void bad_batches(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t step = 1; step < 100000; step *= 7) {
            struct span rest = span_str(bad[i].in), part;
            struct importer_error e = { .code = ERR_OK };
            struct batch_state before;
            struct got g;
            enum err code = ERR_OK;
            bool more = true;

            got_init(&g, bad[i].kind);
            while (more && code == ERR_OK) {
                more = span_cut(rest, '\f', &part, &rest);
                before = g.state;
                code = run(&g, UNPACK_IDENTITY, SPAN_EMPTY, part, step, &e);
            }
            if (code != bad[i].code || more || e.line != bad[i].line || strstr(e.cause, bad[i].cause) == NULL)
                fail_msg("%s, step %zu: %s, line %llu: %s", bad[i].name, step, err_name(code),
                         (unsigned long long) e.line, e.cause);
            assert_memory_equal(&before, &g.state, sizeof(before));
            got_deinit(&g);
        }
}

/* ---- the head that is given when a recording begins ---- */

static void given_heads(void **state)
{
    static const struct {
        enum importer_kind kind;
        const char *head, *in, *want_head, *want;
        enum err code;
    } cases[] = {
        { T, " {\"version\": 3, \"term\":{\"cols\":9,\"rows\":9} }", "[1,\"o\",\"a\"]\n[1,\"o\",\"b\"]",
          "{\"version\":3,\"term\":{\"cols\":9,\"rows\":9}}", "[1,\"o\",\"a\"]\n[2,\"o\",\"b\"]\n", ERR_OK },
        { T, "{\"version\":1,\"width\":9,\"height\":9}", "[[1,\"a\"]]", "{\"version\":1,\"width\":9,\"height\":9}",
          "[1,\"o\",\"a\"]\n", ERR_OK },
        { T, V2, "", V2, "", ERR_OK },
        { T, V2, V2 "\n[1,\"o\",\"a\"]", "", "", ERR_INVAL },
        { T, "{\"width\":9,\"height\":9}", "", "", "", ERR_INVAL },
        { T, "{\"version\":4,\"width\":9,\"height\":9}", "", "", "", ERR_INVAL },
        { T, "[]", "", "", "", ERR_INVAL },
        { T, "{", "", "", "", ERR_INVAL },
        { R, "{ \"x\" : [ 1 ] }", "{\"events\":[{\"type\":3}],\"y\":1}", "{\"x\":[1]}", "{\"type\":3}\n", ERR_OK },
        { R, "5", "", "", "", ERR_INVAL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct importer_error e;
        struct got g;
        enum err code;

        got_init(&g, cases[i].kind);
        code = run(&g, UNPACK_IDENTITY, span_str(cases[i].head), span_str(cases[i].in), 3, &e);
        if (code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].head, err_name(code), e.cause);
        assert_span_str(buf_span(&g.head), cases[i].want_head);
        assert_span_str(buf_span(&g.events), cases[i].want);
        assert_int_equal(batch_head_check(cases[i].kind, span_str(cases[i].head), &e) == ERR_OK,
                         code == ERR_OK || strstr(cases[i].in, "version") != NULL);
        got_deinit(&g);
    }
}

static void a_head_twice(void **state)
{
    struct importer_error e;
    struct got g;

    (void) state;
    got_init(&g, T);
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN("[1,\"o\",\"a\"]"), 100, &e));
    assert_err(run(&g, UNPACK_IDENTITY, SPAN(V2), SPAN("[1,\"o\",\"a\"]"), 100, &e), ERR_STATE);
    got_deinit(&g);
}

/* ---- going on in another process ---- */

static void resumed(void **state)
{
    struct importer_error e;
    struct got g;

    (void) state;
    got_init(&g, R);
    g.state = batch_state_resume(R, 40, 5000000, 1234, (struct batch_times){ 0 });
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN("[{\"type\":3,\"timestamp\":9000},{\"type\":3,\"timestamp\":9250}]"), 9, &e));
    assert_int_equal(g.heads, 0);
    assert_int_equal(g.state.next_seq, 42);
    assert_int_equal(g.state.seek, 5250000);
    assert_int_equal(g.state.bytes, 1234 + 2 * 28);
    got_deinit(&g);
    got_init(&g, T);
    g.state = batch_state_resume(T, 3, 5000000, 0, (struct batch_times){ 0 });
    assert_err(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN(V2 "\n"), 9, &e), ERR_INVAL);
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN("[4,\"o\",\"a\"]\n[6.5,\"o\",\"b\"]"), 9, &e));
    assert_int_equal(g.heads, 0);
    assert_int_equal(g.state.seek, 6500000);
    got_deinit(&g);
    got_init(&g, T);
    g.state = batch_state_resume(T, 0, 0, 0, (struct batch_times){ 0 }); /* it had begun, and nothing had come */
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN(V3 "\n[1,\"o\",\"a\"]"), 9, &e));
    assert_int_equal(g.heads, 1);
    assert_int_equal(batch_times(&g.state).kind, BATCH_TIMES_V3);
    got_deinit(&g);
}

/* How times count is handed on: they go on as they were. */
static void resumed_with_times(void **state)
{
    struct batch_times times;
    struct importer_error e;
    struct got g;

    (void) state;
    got_init(&g, R);
    assert_int_equal(batch_times(&g.state).kind, BATCH_TIMES_ABSOLUTE);
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN("[{\"type\":3},{\"type\":3,\"timestamp\":9000}]"), 9, &e));
    times = batch_times(&g.state);
    assert_true(times.kind == BATCH_TIMES_RRWEB && times.base_us == 9000000);
    g.state = batch_state_resume(R, 2, 0, 0, times);
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN("[{\"type\":3,\"timestamp\":20000}]"), 9, &e));
    assert_int_equal(g.state.seek, 11000000);
    got_deinit(&g);
    got_init(&g, T);
    g.state = batch_state_resume(T, 5, 3000000, 0, (struct batch_times){ .kind = BATCH_TIMES_V3 });
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, SPAN("[0.5,\"o\",\"a\"]\n# none\n[1,\"o\",\"b\"]"), 9, &e));
    assert_span_str(buf_span(&g.events), "[3.5,\"o\",\"a\"]\n[4.5,\"o\",\"b\"]\n");
    got_deinit(&g);
}

/* ---- limits, on both sides ---- */

static void repeat(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add_str(b, text);
}

/* [1,"o","xxx…"] of exactly n bytes */
static void event_of(struct buf *b, size_t n)
{
    size_t before = b->n;
    uint8_t *p;

    buf_add_str(b, "[1,\"o\",\"");
    n -= b->n - before + 2;
    p = buf_reserve(b, n);
    assert_non_null(p);
    memset(p, 'x', n);
    b->n += n;
    buf_add_str(b, "\"]");
}

static void large_events(void **state)
{
    static const struct {
        size_t n;
        enum err code;
        size_t frames;
    } cases[] = {
        { BATCH_FRAME_MAX - 1, ERR_OK, 4 }, { BATCH_FRAME_MAX, ERR_OK, 4 }, { 5u << 20, ERR_OK, 4 },
        { BATCH_EVENT_MAX, ERR_OK, 4 },     { BATCH_EVENT_MAX + 1, ERR_LIMIT, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf in = BUF_INIT(64u << 20);
        struct importer_error e;
        struct got g;

        got_init(&g, T);
        buf_add_str(&in, "[1,\"o\",\"before\"]\n");
        event_of(&in, cases[i].n);
        buf_add_str(&in, "\n[1,\"o\",\"after\"]\n");
        assert_int_equal(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&in), 65536, &e), cases[i].code);
        assert_int_equal(g.frames, cases[i].frames); /* head, before, the large one alone, after */
        if (cases[i].code == ERR_OK) {
            assert_span_eq(buf_span(&g.events), buf_span(&in));
        } else {
            assert_string_equal(e.limit, "event-too-large");
            assert_int_equal(e.limit_value, BATCH_EVENT_MAX);
            assert_int_equal(e.line, 2);
        }
        got_deinit(&g);
        buf_deinit(&in);
    }
}

/* An interval is rewritten: the limit is for what is stored. */
static void large_rewritten(void **state)
{
    (void) state;
    for (int over = 0; over < 2; over++) {
        struct buf in = BUF_INIT(64u << 20);
        struct importer_error e;
        struct got g;

        got_init(&g, T);
        buf_add_str(&in, V3 "\n[10,\"o\",\"\"]\n");
        event_of(&in, BATCH_EVENT_MAX - 1 + (size_t) over); /* [1,…] becomes [11,…] */
        assert_int_equal(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&in), 65536, &e), over == 0 ? ERR_OK : ERR_LIMIT);
        if (over == 1)
            assert_string_equal(e.limit, "event-too-large");
        got_deinit(&g);
        buf_deinit(&in);
    }
}

static void full_frames(void **state)
{
    struct buf in = BUF_INIT(64u << 20);
    struct importer_error e;
    struct got g;

    (void) state;
    got_init(&g, T);
    for (int i = 0; i < 16; i++) { /* 16 lines of 32 KiB fill two frames exactly */
        event_of(&in, 32767);
        buf_add_c(&in, '\n');
    }
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&in), 65536, &e));
    assert_int_equal(g.frames, 3);
    got_deinit(&g);
    got_init(&g, T);
    buf_reset(&in);
    for (int i = 0; i < 16; i++) { /* one byte more each: seven fit */
        event_of(&in, 32768);
        buf_add_c(&in, '\n');
    }
    assert_ok(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&in), 65536, &e));
    assert_int_equal(g.frames, 4);
    got_deinit(&g);
    buf_deinit(&in);
}

static void gzip(struct span in, struct buf *out, int window_bits)
{
    z_stream z = { .zalloc = Z_NULL };
    uint8_t *to = buf_reserve(out, in.n + in.n / 100 + 1000);

    assert_non_null(to);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = to;
    z.avail_out = (uInt) (in.n + in.n / 100 + 1000);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    (void) deflateEnd(&z);
}

static void zstd(struct span in, struct buf *out)
{
    size_t bound = ZSTD_compressBound(in.n);
    uint8_t *to = buf_reserve(out, bound);

    assert_non_null(to);
    bound = ZSTD_compress(to, bound, in.p, in.n, 1);
    assert_int_equal(ZSTD_isError(bound), 0);
    out->n += bound;
}

/* 100 MiB of newlines and one event: no ratio rule, and the byte after is too much. */
static void unpacked_limit(void **state)
{
    (void) state;
    for (size_t over = 0; over < 2; over++) {
        struct buf in = BUF_INIT(200u << 20), packed = BUF_INIT(200u << 20);
        struct importer_error e;
        struct got g;

        got_init(&g, T);
        buf_add_str(&in, "[1,\"o\",\"a\"]");
        assert_non_null(buf_reserve(&in, BATCH_UNPACKED_MAX));
        memset(in.p + in.n, '\n', BATCH_UNPACKED_MAX);
        in.n = BATCH_UNPACKED_MAX + over;
        zstd(buf_span(&in), &packed);
        assert_true(packed.n * 1000 < in.n);
        assert_int_equal(run(&g, UNPACK_ZSTD, SPAN_EMPTY, buf_span(&packed), 65536, &e), over == 0 ? ERR_OK : ERR_LIMIT);
        if (over == 1) {
            assert_string_equal(e.limit, "unpacked-size");
            assert_int_equal(e.limit_value, BATCH_UNPACKED_MAX);
        }
        got_deinit(&g);
        buf_deinit(&in);
        buf_deinit(&packed);
    }
}

static void depths_and_heads(void **state)
{
    (void) state;
    for (size_t over = 0; over < 2; over++) {
        struct buf in = BUF_INIT(2u << 20);
        struct importer_error e;
        struct got g;

        got_init(&g, T);
        buf_add_str(&in, "[1,5,");
        repeat(&in, "[", 127 + over);
        repeat(&in, "]", 127 + over);
        buf_add_str(&in, "]");
        assert_int_equal(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&in), 7, &e), over == 0 ? ERR_OK : ERR_LIMIT);
        if (over == 1)
            assert_string_equal(e.limit, "depth");
        got_deinit(&g);

        got_init(&g, T);
        buf_reset(&in);
        buf_add_str(&in, "{\"version\":2,\"width\":80,\"height\":24,\"x\":\"");
        repeat(&in, "y", BATCH_HEAD_MAX - in.n - 2 + over);
        buf_add_str(&in, "\"}");
        assert_int_equal(batch_head_check(T, buf_span(&in), &e), over == 0 ? ERR_OK : ERR_LIMIT);
        assert_int_equal(run(&g, UNPACK_IDENTITY, buf_span(&in), SPAN_EMPTY, 7, &e), over == 0 ? ERR_OK : ERR_LIMIT);
        if (over == 1)
            assert_string_equal(e.limit, "head-too-large");
        got_deinit(&g);
        got_init(&g, T);
        assert_int_equal(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&in), 65536, &e), over == 0 ? ERR_OK : ERR_LIMIT);
        got_deinit(&g);
        buf_deinit(&in);
    }
}

static void broken_coding(void **state)
{
    struct buf packed = BUF_INIT(1u << 20);
    struct importer_error e;
    struct got g;

    (void) state;
    got_init(&g, T);
    gzip(SPAN("[1,\"o\",\"a\"]\n"), &packed, 31);
    assert_err(run(&g, UNPACK_GZIP, SPAN_EMPTY, span_sub(buf_span(&packed), 0, packed.n - 1), 3, &e), ERR_CORRUPT);
    assert_err(run(&g, UNPACK_ZSTD, SPAN_EMPTY, buf_span(&packed), 3, &e), ERR_CORRUPT);
    assert_err(run(&g, UNPACK_GZIP, SPAN_EMPTY, SPAN_EMPTY, 3, &e), ERR_CORRUPT);
    assert_err(run(&g, UNPACK_IDENTITY, SPAN_EMPTY, buf_span(&packed), 3, &e), ERR_INVAL);
    assert_ok(run(&g, UNPACK_GZIP, SPAN_EMPTY, buf_span(&packed), 3, &e));
    assert_int_equal(g.state.next_seq, 1);
    got_deinit(&g);
    buf_deinit(&packed);
}

/* ---- work ---- */

/* 64 KiB that unpack to 60 MiB: no step does more than its share, and the batch says early that it is heavy. */
static void steps_are_small(void **state)
{
    struct buf in = BUF_INIT(64u << 20), packed = BUF_INIT(64u << 20);
    struct batch_state before = batch_state_new(T);
    CLEANUP(batch_freep) struct batch *b = batch_new(&before, UNPACK_ZSTD, SPAN_EMPTY, NULL);
    struct batch_out out;
    struct span rest;
    size_t steps = 0, light = 0;

    (void) state;
    repeat(&in, "[1,\"o\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]\n", 1000000);
    zstd(buf_span(&in), &packed);
    assert_true(packed.n < 65536);
    rest = buf_span(&packed);
    while (rest.n > 0 || batch_more(b)) {
        light += !batch_heavy(b);
        assert_ok(batch_step(b, &rest));
        steps++;
    }
    assert_in_range(steps, in.n / (96u << 10), in.n / (32u << 10));
    assert_in_range(light, 4, 20);
    assert_ok(batch_finish(b, &out));
    assert_int_equal(out.n_events, 1000000);
    buf_deinit(&in);
    buf_deinit(&packed);
}

static void packed_is_heavy(void **state)
{
    struct batch_state before = batch_state_new(R);
    CLEANUP(batch_freep) struct batch *b = batch_new(&before, UNPACK_IDENTITY, SPAN_EMPTY, NULL);
    struct span in = SPAN("[{\"type\":1},\"{\\\"type\\\":2}\",{\"type\":3}]");
    struct batch_out out;

    (void) state;
    assert_false(batch_heavy(b));
    assert_ok(batch_step(b, &in));
    assert_int_equal(in.n, 0);
    assert_true(batch_heavy(b) && batch_more(b));
    assert_ok(batch_step(b, &in));
    assert_false(batch_heavy(b) || batch_more(b));
    assert_ok(batch_finish(b, &out));
    assert_int_equal(out.n_events, 3);
}

/* ---- real files, cut into batches ---- */

struct item {
    size_t at, n;
};

struct real {
    const char *path;
    struct importer_result result;
    struct buf head, events;  /* what the importer stores */
    struct buf items, bytes;  /* struct item; the elements of the file, minified */
    struct buf outer;
    struct mask_rules *rules; /* or NULL */
    uint64_t n_reveal;
};

static enum err on_reveal(void *ctx, int64_t seq, struct span original, struct err_info *reterr)
{
    struct real *r = ctx;

    (void) reterr;
    assert_true(original.n > 0);
    r->n_reveal += seq >= 0;
    return ERR_OK;
}

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    (void) reterr;
    buf_add_span(&((struct real *) ctx)->head, json);
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct real *r = ctx;

    (void) reterr;
    buf_add_span(&r->events, ev->json);
    buf_add_c(&r->events, '\n');
    return ERR_OK;
}

static bool import(struct real *r, struct span file)
{
    struct importer_params p = importer_defaults();
    CLEANUP(importer_freep) struct importer *imp = NULL;

    p.on_head = on_head;
    p.on_event = on_event;
    p.on_reveal = on_reveal;
    p.rules = r->rules;
    p.ctx = r;
    imp = importer_new(&p);
    return importer_feed(imp, file) == ERR_OK && importer_finish(imp, &r->result) == ERR_OK;
}

static bool on_item(void *ctx, const struct json_item *it)
{
    struct real *r = ctx;
    struct item item = { r->bytes.n, it->bytes.n };

    buf_add_span(&r->bytes, it->bytes);
    buf_add(&r->items, &item, sizeof(item));
    return true;
}

static bool on_outer(void *ctx, struct span bytes)
{
    buf_add_span(&((struct real *) ctx)->outer, bytes);
    return true;
}

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    (void) reterr;
    buf_add_span(ctx, out);
    return ERR_OK;
}

static void elements(struct real *r, struct span file)
{
    bool v1 = strcmp(r->result.format, "asciicast-v1") == 0, list = strcmp(r->result.format, "rrweb-list") == 0;
    struct json_scan_opts o = { .shape = v1 || list ? JSON_SHAPE_LIST
                                         : strcmp(r->result.format, "rrweb-array") == 0 ? JSON_SHAPE_ARRAY
                                                                                        : JSON_SHAPE_LINES,
                                .list_key = v1 ? "stdout" : "events",
                                .limits = json_limits_event(),
                                .hash_comments = true,
                                .on_item = on_item,
                                .on_outer = on_outer,
                                .ctx = r };
    struct unpack_limits limits = unpack_limits_import();
    struct buf plain = BUF_INIT(256u << 20);
    CLEANUP(json_scan_freep) struct json_scan *scan = json_scan_new(&o);
    CLEANUP(unpack_freep) struct unpack *u = NULL;
    enum unpack_codec codec;
    struct json_error e;

    assert_ok(unpack_sniff(span_sub(file, 0, UNPACK_SNIFF_MIN), &codec, NULL));
    u = unpack_new(codec, &limits);
    assert_ok(unpack_feed(u, file, append, &plain, NULL));
    assert_true(json_scan_feed(scan, buf_span(&plain), &e));
    (void) json_scan_finish(scan, &e);
    buf_deinit(&plain);
}

static uint32_t rnd(uint32_t below)
{
    return (uint32_t) random() % below;
}

/* Items from i to 'to' as a body of any shape that may hold them. */
static void body(const struct real *r, size_t i, size_t to, bool first, struct buf *out)
{
    const struct item *items = (const struct item *) (const void *) r->items.p;
    bool header = first && r->result.kind == IMPORTER_TERMINAL && r->outer.n == 0;
    bool v1 = first && strcmp(r->result.format, "asciicast-v1") == 0;
    bool list = first && strcmp(r->result.format, "rrweb-list") == 0;
    uint32_t shape = header ? rnd(2) : v1 || list ? 3 : rnd(3);
    struct span outer = buf_span(&r->outer);
    const uint8_t *cut = v1 || list ? memmem(outer.p, outer.n, v1 ? "\"stdout\":[" : "\"events\":[", 10) : NULL;

    if (shape == 1)
        buf_add_c(out, '[');
    if (shape == 2)
        buf_add_str(out, first ? "{ \"events\" : [" : "{\"n\":1, \"events\" : [");
    if (cut != NULL)
        buf_add(out, outer.p, (size_t) (cut - outer.p) + 10);
    for (size_t k = i; k < to; k++) {
        buf_add(out, r->bytes.p + items[k].at, items[k].n);
        if (shape == 0)
            buf_add_str(out, rnd(5) == 0 ? "\r\n\n" : "\n");
        else if (k + 1 < to)
            buf_add_str(out, rnd(5) == 0 ? "\n, " : ",");
    }
    if (shape == 1)
        buf_add_c(out, ']');
    if (shape == 2)
        buf_add_str(out, "]}");
    if (cut != NULL)
        buf_add(out, cut + 10, outer.n - (size_t) (cut - outer.p) - 10);
}

static void one_batch(const struct real *r, struct got *g, size_t i, size_t to, bool first)
{
    struct buf plain = BUF_INIT(128u << 20), packed = BUF_INIT(128u << 20);
    struct importer_error e;
    enum unpack_codec codec = (enum unpack_codec) rnd(4);
    struct span in;

    body(r, i, to, first, &plain);
    in = buf_span(&plain);
    if (codec == UNPACK_ZSTD)
        zstd(in, &packed);
    else if (codec != UNPACK_IDENTITY)
        gzip(in, &packed, codec == UNPACK_GZIP ? 31 : rnd(2) == 0 ? 15 : -15);
    if (codec != UNPACK_IDENTITY)
        in = buf_span(&packed);
    if (run(g, codec, SPAN_EMPTY, in, 1 + rnd(100000), &e) != ERR_OK)
        fail_msg("%s: batch %zu: %s, line %llu", r->path, g->batches, e.cause, (unsigned long long) e.line);
    buf_deinit(&plain);
    buf_deinit(&packed);
}

static size_t n_real, n_real_events, n_real_masked;

/* Stored events with what turned out late, and how many of them have an original. */
static uint64_t settle(struct got *g)
{
    struct buf out = BUF_INIT(400u << 20), one = BUF_INIT(64u << 20);
    struct span rest = buf_span(&g->events), line, original, reveal = buf_span(&g->reveal);
    const struct intake_late *late = (const struct intake_late *) (const void *) g->late.p;
    uint64_t n = 0, seq = 0;

    for (; span_cut(rest, '\n', &line, &rest); seq++) {
        struct err_info e;
        bool masked;

        assert_true(span_cut(reveal, '\n', &original, &reveal));
        assert_ok_err(intake_mask_late(line, seq, late, g->late.n / sizeof(*late), &one, &masked, &e), &e);
        buf_add_span(&out, masked ? buf_span(&one) : line);
        buf_add_c(&out, '\n');
        n += masked || !span_eq_str(original, "0");
    }
    buf_deinit(&g->events);
    g->events = out;
    buf_deinit(&one);
    return n;
}

static struct mask_rules *keep_rules(void)
{
    struct mask_rules *r = NULL;
    struct err_info e;

    assert_ok_err(mask_init(&e), &e);
    assert_ok_err(mask_rules_load(SPAN("reveal = keep  rrweb { inputs = all }"), &r, &e), &e);
    return r;
}

/* masked: what is stored of a file and of batches is the same, too. */
static void real_file(const char *path, struct span file, bool masked)
{
    struct real r = { .path = path, .rules = masked ? keep_rules() : NULL };
    size_t n, at = 0;
    struct got g;

    buf_init(&r.head, 16u << 20);
    buf_init(&r.events, 256u << 20);
    buf_init(&r.items, 64u << 20);
    buf_init(&r.bytes, 256u << 20);
    buf_init(&r.outer, 16u << 20);
    if (import(&r, file) && (strncmp(r.result.format, "asciicast", 9) == 0 || strncmp(r.result.format, "rrweb", 5) == 0)) {
        elements(&r, file);
        got_init(&g, r.result.kind);
        g.intake = masked ? intake_new(r.result.kind, r.rules, BATCH_EVENT_MAX) : NULL;
        n = r.items.n / sizeof(struct item);
        do {
            size_t to = at + (rnd(3) == 0 ? rnd(3) : rnd(200));

            if (to == 0 && r.result.kind == IMPORTER_TERMINAL && r.outer.n == 0)
                to = 1; /* a header line can only stand in the first batch */
            if (g.batches > 300 || to > n)
                to = n;
            one_batch(&r, &g, at, to, g.batches == 0);
            at = to;
        } while (at < n);
        if (g.batches == 1 && g.heads == 0) /* rrweb without events: nothing came, the importer makes {} */
            assert_int_equal(r.events.n, 0);
        else
            assert_span_eq(buf_span(&g.head), buf_span(&r.head));
        if (masked)
            assert_int_equal(settle(&g), r.n_reveal);
        if (!span_eq(buf_span(&g.events), buf_span(&r.events)))
            fail_msg("%s: other events than the importer's", path);
        assert_int_equal(g.state.next_seq, r.result.n_events);
        assert_int_equal(g.state.seek, r.result.duration_us);
        n_real++;
        n_real_events += r.result.n_events;
        n_real_masked += r.n_reveal;
        got_deinit(&g);
    }
    buf_deinit(&r.head);
    buf_deinit(&r.events);
    buf_deinit(&r.items);
    buf_deinit(&r.bytes);
    buf_deinit(&r.outer);
    (void) mask_rules_unref(r.rules);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct buf file = BUF_INIT(256u << 20);

    (void) ftw;
    if (type != FTW_F || st->st_size > (30 << 20))
        return 0;
    test_read_file(path, &file);
    for (unsigned seed = 1; seed <= 3; seed++) {
        srandom(seed);
        real_file(path, buf_span(&file), /* masked= */ seed == 3);
    }
    buf_deinit(&file);
    return 0;
}

static void real_files(void **state)
{
    static const char *const folders[] = { "asciicast", "rrweb", "copyleft" };

    (void) state;
    if (test_shared("asciicast") == NULL)
        skip();
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        assert_int_equal(nftw(test_shared(folders[i]), visit, 10, FTW_PHYS), 0);
    print_message("%zu files, %zu events, %zu masked\n", n_real / 3, n_real_events / 3, n_real_masked);
    assert_true(n_real_masked > 50);
    assert_true(n_real > 3 * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_batches),    cmocka_unit_test(bad_batches),      cmocka_unit_test(given_heads),
        cmocka_unit_test(a_head_twice),    cmocka_unit_test(resumed),          cmocka_unit_test(resumed_with_times),
        cmocka_unit_test(large_events),
        cmocka_unit_test(large_rewritten), cmocka_unit_test(full_frames),      cmocka_unit_test(unpacked_limit),
        cmocka_unit_test(depths_and_heads), cmocka_unit_test(broken_coding),   cmocka_unit_test(steps_are_small),
        cmocka_unit_test(packed_is_heavy), cmocka_unit_test(real_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
