/*
 * facts and notes: the first byte says terminal or page and where the recording is cut into segments; then events, one a line: "MILLISECONDS
 * JSON". Notes keep their limits, come back from their bytes as they were, and joined they are what one segment would have noted.
 */
#include "imported.h"

#include "base/utf8.h"
#include "codec/asciicast.h"
#include "codec/facts.h"
#include "codec/json.h"
#include "codec/rrweb.h"
#include "format/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define END_SEQ  (1u << 20)
#define TIME_MAX ((time_us) 1 << 53)

static void sound(const struct facts_notes *n, uint64_t seq, time_us time)
{
    uint32_t of[FACT_KINDS] = { 0 };

    MUST(n->n_bins <= FACTS_BINS && n->active <= time);
    for (uint32_t i = 0; i < n->n; i++) {
        const struct fact *f = &n->list[i];
        struct span text = facts_text(n, f);

        MUST(f->kind > 0 && f->kind < FACT_KINDS && f->seq < seq && f->time >= 0 && f->time <= time);
        MUST(text.n <= FACTS_TEXT_MAX && utf8_valid(text));
        of[f->kind]++;
    }
    for (int k = 1; k < FACT_KINDS; k++)
        MUST(of[k] <= facts_listed_max((enum fact_kind) k) && of[k] <= n->counts.of[k]);
}

/* A run of clicks that goes on in the next segment counts what was clicked in its own. */
static bool same_value(const struct fact *a, const struct fact *b)
{
    return a->value == b->value || (a->kind == FACT_RAGE && a->value >= b->value && b->value >= FACTS_RAGE);
}

/* 'b' may have been joined. */
static bool same(const struct facts_notes *a, const struct facts_notes *b)
{
    bool equal = a->n == b->n && a->active == b->active && memcmp(&a->counts, &b->counts, sizeof(a->counts)) == 0;

    for (uint32_t i = 0; equal && i < a->n; i++)
        equal = a->list[i].kind == b->list[i].kind && a->list[i].seq == b->list[i].seq && a->list[i].time == b->list[i].time &&
                same_value(&a->list[i], &b->list[i]) && span_eq(facts_text(a, &a->list[i]), facts_text(b, &b->list[i]));
    return equal;
}

static bool same_bins(const struct facts_notes *a, const struct facts_notes *b)
{
    return a->n_bins == b->n_bins && a->bin == b->bin && a->bins_from == b->bins_from &&
           memcmp(a->bins, b->bins, a->n_bins * sizeof(a->bins[0])) == 0;
}

static void stored(const struct facts_notes *n, uint64_t seq, time_us time)
{
    struct buf bytes = BUF_INIT(16u << 20), again = BUF_INIT(16u << 20);
    struct err_info e = { .code = ERR_OK };
    struct facts_notes back;

    if (!notes_any(n))
        return;
    notes_write(n, &bytes);
    MUST(bytes.n <= NOTES_RAW_MAX);
    facts_notes_init(&back);
    MUST(notes_read(buf_span(&bytes), seq, time, &back, &e) == ERR_OK && same(n, &back) && same_bins(n, &back));
    notes_write(&back, &again);
    MUST(span_eq(buf_span(&bytes), buf_span(&again)));
    facts_notes_deinit(&back);
    buf_deinit(&bytes);
    buf_deinit(&again);
}

struct run {
    bool terminal;
    struct facts f, g; /* in one segment, in several */
    struct facts_clickable *clicked, *clicked2;
    struct facts_notes one, all, part;
    uint64_t seq;
    time_us time;
};

static bool event_of(struct run *r, struct span line, struct rrweb *rr, struct asciicast *cast, struct buf *min, struct facts_in *in)
{
    struct json_limits limits = json_limits_event();
    struct asciicast_event ce;
    struct rrweb_event re;
    struct json_error why;
    struct err_info e;
    struct span word;

    r->time += (time_us) (atoi((const char *) line.p) & 0xffffff) * 1000;
    buf_reset(min);
    if (!span_cut(line, ' ', &word, &line) || !json_minify(line, &limits, min, &why))
        return false;
    *in = (struct facts_in){ .seq = r->seq, .time = r->time, .source = -1 };
    if (r->terminal && asciicast_event(cast, buf_span(min), &ce, &e) == ERR_OK) {
        in->type = ce.code;
        in->json = ce.json;
        return true;
    }
    if (!r->terminal && rrweb_event(rr, buf_span(min), &re, &e) == ERR_OK) {
        in->type = re.type;
        in->source = re.source;
        in->json = re.json;
        return true;
    }
    return false;
}

/* A segment is over. */
static void cut(struct run *r)
{
    sound(&r->part, r->seq, r->time);
    stored(&r->part, END_SEQ, TIME_MAX);
    MUST(facts_join(&r->all, &r->part));
    facts_notes_deinit(&r->part);
}

static void lines(struct run *r, uint8_t every, struct span in)
{
    struct buf min = BUF_INIT(1u << 20), label = BUF_INIT(1u << 20);
    struct facts_in ev;
    struct asciicast cast;
    struct rrweb rr;
    struct span line;

    rrweb_init(&rr, 1u << 20);
    asciicast_init(&cast, 2, 1u << 20);
    while (in.n > 0) {
        struct buf text = BUF_INIT(1u << 20);

        (void) span_cut(in, '\n', &line, &in);
        buf_add_span(&text, line); /* ends in a NUL, for atoi */
        (void) buf_cstr(&text);
        if (text.n > 0 && event_of(r, buf_span(&text), &rr, &cast, &min, &ev)) {
            MUST(facts_event(&r->f, r->clicked, &r->one, &ev) && facts_event(&r->g, r->clicked2, &r->part, &ev));
            if (!r->terminal && facts_mark(&ev, &label))
                MUST(utf8_valid(buf_span(&label)));
            r->seq++;
            if (r->seq % every == 0)
                cut(r);
        }
        buf_deinit(&text);
    }
    cut(r);
    rrweb_deinit(&rr);
    asciicast_deinit(&cast);
    buf_deinit(&min);
    buf_deinit(&label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = { .terminal = size > 0 && (data[0] & 1) };

    if (size < 1)
        return 0;
    r.f = r.g = facts_begin(r.terminal, 0);
    facts_notes_init(&r.one);
    facts_notes_init(&r.all);
    facts_notes_init(&r.part);
    if (!r.terminal) {
        r.clicked = facts_clickable_new();
        r.clicked2 = facts_clickable_new();
        MUST(r.clicked != NULL && r.clicked2 != NULL);
    }
    lines(&r, (uint8_t) (1 + data[0] / 2), span_sub(span_of(data, size), 1, size));
    sound(&r.one, r.seq, r.time);
    sound(&r.all, r.seq, r.time);
    stored(&r.one, END_SEQ, TIME_MAX);
    MUST(same(&r.one, &r.all));
    (void) facts_clickable_free(r.clicked);
    (void) facts_clickable_free(r.clicked2);
    facts_notes_deinit(&r.one);
    facts_notes_deinit(&r.all);
    return 0;
}
