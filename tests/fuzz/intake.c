/*
 * intake: whatever events come, as many come out in the same order, each valid JSON; a terminal's screen keeps its layout; an undone batch leaves
 * no trace.
 *
 * Byte 0: kind and rules. rrweb: events as JSON, one a line. Terminal: pieces with 0xfe between them; in each the first byte says
 * what it is (bit 0 input or output, bit 1 the batch ends, bit 2 the batch is undone and comes again), the rest is its data.
 */
#include "base/utf8.h"
#include "codec/asciicast.h"
#include "codec/intake.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/rrweb.h"
#include "codec/screen.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

#define COLS 17
#define ROWS 5
#define MAX  (1u << 20)

static const char *const texts[] = {
    "reveal = keep",
    "rrweb { text = all  inputs = all  keep = { \".k\" } }",
    "rrweb { mask = { \".m\", \"#i\", \"td[data-p]\" }  block = { \".b\" }  attributes = { title } }\nterminal { typed = all }",
    "own \"word\" { pattern = \"s[a-z]{1,9}t\" }\nterminal { typed = none }",
};

static struct mask_rules *rules[sizeof(texts) / sizeof(texts[0])];

static void valid(struct span json)
{
    struct json_limits lim = json_limits_event();
    struct json_error e;

    lim.depth = 256;
    MUST(json_check(json, &lim, &e));
}

/* ---- rrweb ---- */

static void rrweb_lines(struct span in, const struct mask_rules *r)
{
    struct intake *s = intake_new(IMPORTER_RRWEB, r, MAX);
    struct buf json = BUF_INIT(MAX);
    struct span line;
    struct rrweb rr;
    uint64_t seq = 0;

    MUST(s != NULL);
    rrweb_init(&rr, MAX);
    while (in.n > 0) {
        struct json_limits lim = json_limits_event();
        struct json_error je;
        struct rrweb_event ev;
        struct intake_out out;
        struct err_info e;

        (void) span_cut(in, '\n', &line, &in);
        buf_reset(&json);
        if (!json_minify(line, &lim, &json, &je) || rrweb_event(&rr, buf_span(&json), &ev, &e) != ERR_OK)
            continue;
        if (intake_add(s, &(struct intake_item){ .json = ev.json, .seq = seq, .type = ev.type, .source = ev.source }, &e) != ERR_OK)
            break;
        MUST(intake_take(s, &out) && out.ev.seq == seq && out.ev.type == ev.type);
        valid(out.ev.json);
        MUST(out.masked || out.sanitised || span_eq(out.ev.json, ev.json));
        MUST(out.reveal.n == 0 || (out.masked && intake_keeps(s)));
        MUST(!intake_take(s, &out));
        seq++;
    }
    rrweb_deinit(&rr);
    buf_deinit(&json);
    (void) intake_free(s);
}

/* ---- terminals ---- */

struct term {
    struct intake *s;
    struct screen *before, *after;
    struct buf originals; /* JSON, newlines between */
    struct span rest;     /* of them, not yet compared */
    uint64_t seq, taken;
};

static void play(struct screen *s, struct span json)
{
    struct json_iter it = json_iter(json_value(json));
    struct json_value code, data;
    struct buf text = BUF_INIT(MAX);

    MUST(json_next(&it, &code) && json_next(&it, &code) && json_next(&it, &data) && data.type == JSON_STRING);
    MUST(json_string_decode(data.raw, &text));
    if (json_raw_eq(code.raw, "o"))
        screen_feed(s, buf_span(&text));
    buf_deinit(&text);
}

static void same(const struct screen *a, const struct screen *b)
{
    int ax, ay, bx, by;

    screen_cursor(a, &ax, &ay, NULL);
    screen_cursor(b, &bx, &by, NULL);
    MUST(ax == bx && ay == by);
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS; x++) {
            struct screen_cell p, q;

            screen_cell(a, x, y, &p);
            screen_cell(b, x, y, &q);
            MUST(q.cp[0] == '*' || q.cp[0] == 0xff0a || q.width == 0 || p.width == 0 || p.cp[0] == q.cp[0]);
        }
}

static void take(struct term *t)
{
    struct intake_out out;

    while (intake_take(t->s, &out)) {
        struct span original;

        MUST(out.ev.seq == t->taken++);
        valid(out.ev.json);
        MUST(span_cut(t->rest, '\n', &original, &t->rest));
        MUST(out.masked || span_eq(original, out.ev.json));
        play(t->before, original);
        play(t->after, out.ev.json);
        same(t->before, t->after);
    }
}

/* As a recorder would: JSON takes only UTF-8. */
static void piece(struct term *t, struct span in)
{
    struct buf text = BUF_INIT(MAX);
    struct rd r = rd_of(span_sub(in, 1, in.n));
    struct asciicast_event ev;
    struct asciicast cast;
    struct err_info e;
    size_t from = t->originals.n, done = t->originals.n - t->rest.n;

    while (r.n > 0) {
        struct rd one = r;
        uint32_t cp = utf8_read(&one);

        utf8_add(&text, one.failed ? 0xfffd : cp);
        r = one.failed ? rd_of(span_of(r.p + 1, r.n - 1)) : one;
    }
    buf_addf(&t->originals, "[%llu,\"%c\",", (unsigned long long) t->seq, (in.p[0] & 1) != 0 ? 'i' : 'o');
    jsonw_add_string(&t->originals, buf_span(&text));
    buf_add_str(&t->originals, "]\n");
    MUST(!t->originals.failed);
    t->rest = span_sub(buf_span(&t->originals), done, t->originals.n);
    asciicast_init(&cast, 2, MAX);
    MUST(asciicast_event(&cast, span_sub(buf_span(&t->originals), from, t->originals.n - from - 1), &ev, &e) == ERR_OK);
    MUST(intake_add(t->s, &(struct intake_item){ .json = ev.json, .seq = t->seq++, .type = ev.code, .source = -1 }, &e) == ERR_OK);
    take(t);
    asciicast_deinit(&cast);
    buf_deinit(&text);
}

static void end_batch(struct term *t)
{
    struct buf out = BUF_INIT(MAX);
    const struct intake_late *late;
    struct err_info e;
    size_t n;

    MUST(intake_flush(t->s, &e) == ERR_OK);
    take(t);
    MUST(t->taken == t->seq && t->rest.n == 0);
    late = intake_late(t->s, &n);
    MUST(n <= INTAKE_LATE_MAX);
    for (size_t i = 0; i < n; i++) {
        struct span rest = buf_span(&t->originals), line;
        bool masked;

        MUST(late[i].seq < t->seq && late[i].from < late[i].to);
        for (uint64_t k = 0; k <= late[i].seq; k++)
            MUST(span_cut(rest, '\n', &line, &rest));
        MUST(intake_mask_late(line, late[i].seq, &late[i], 1, &out, &masked, &e) == ERR_OK && masked);
        valid(buf_span(&out));
    }
    buf_deinit(&out);
    intake_commit(t->s);
    intake_begin(t->s);
}

static void terminal(struct span in, const struct mask_rules *r)
{
    struct term t = { .s = intake_new(IMPORTER_TERMINAL, r, MAX), .before = screen_new(COLS, ROWS), .after = screen_new(COLS, ROWS) };
    struct intake_out head;
    struct err_info e;
    struct span one;

    MUST(t.s != NULL && t.before != NULL && t.after != NULL);
    buf_init(&t.originals, 8 * MAX);
    MUST(intake_head(t.s, SPAN("{\"version\":2,\"width\":17,\"height\":5}"), &head, &e) == ERR_OK);
    intake_commit(t.s);
    intake_begin(t.s);
    while (in.n > 0) {
        (void) span_cut(in, (char) 0xfe, &one, &in);
        if (one.n == 0)
            continue;
        if ((one.p[0] & 4) != 0 && t.taken == t.seq) { /* a batch that was refused comes again */
            struct intake_out out;

            if (intake_add(t.s, &(struct intake_item){ .json = SPAN("[0,\"o\",\"bob@exa\"]"), .seq = t.seq, .type = 'o', .source = -1 }, &e) == ERR_OK)
                while (intake_take(t.s, &out))
                    continue;
            intake_begin(t.s);
        }
        piece(&t, one);
        if ((one.p[0] & 2) != 0 || (one.p[0] & 4) != 0)
            end_batch(&t);
    }
    end_batch(&t);
    t.before = screen_free(t.before);
    t.after = screen_free(t.after);
    buf_deinit(&t.originals);
    (void) intake_free(t.s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t n = sizeof(texts) / sizeof(texts[0]);
    struct err_info e;

    if (rules[0] == NULL) {
        MUST(mask_init(&e) == ERR_OK);
        for (size_t i = 0; i < n; i++)
            MUST(mask_rules_load(span_str(texts[i]), &rules[i], &e) == ERR_OK);
    }
    if (size < 2 || size > 65536)
        return 0;
    if ((data[0] & 1) == 0)
        rrweb_lines(span_of(data + 1, size - 1), rules[(data[0] >> 1) % n]);
    else
        terminal(span_of(data + 1, size - 1), rules[(data[0] >> 1) % n]);
    return 0;
}
