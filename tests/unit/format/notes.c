/* The notes section of a segment: its bytes by hand, each rule of docs/formats/segment.md on both sides, no memory. */
#include "test.h"

#include "format/notes.h"
#include "nomem.h"

#define END_SEQ  42
#define TIME_MAX (INT64_C(1) << 53)
#define OVER     ((uint64_t) TIME_MAX + 1)
#define BIN      ((uint64_t) FACTS_BIN_US)

/* ---- sections by hand ---- */

static const uint64_t nobody = UINT64_MAX; /* -1 */

/* Up to the activity. of_idle: how many idle spans the counts say. All other counts differ from each other. */
static void put_front(struct buf *b, uint64_t active, uint32_t of_idle)
{
    buf_reset(b);
    buf_u64le(b, active);
    for (uint32_t i = 1; i <= 3; i++) /* clicks, inputs, errors */
        buf_u32le(b, i);
    for (uint32_t i = 1; i < FACT_IDLE; i++)
        buf_u32le(b, 1000 + i);
    buf_u32le(b, of_idle);
    for (uint32_t i = 0; i < FACTS_LEVELS; i++)
        buf_u32le(b, 20 + i);
    for (uint32_t i = 0; i < 6; i++)
        buf_u32le(b, 30 + i);
}

static void put_activity(struct buf *b, uint64_t from, uint8_t w, uint16_t n)
{
    buf_u64le(b, from);
    buf_u8(b, w);
    buf_u16le(b, n);
    for (uint32_t i = 0; i < n; i++)
        buf_u32le(b, 7 + i);
}

static void put_note(struct buf *b, uint8_t kind, uint64_t seq, uint64_t time, uint64_t value, struct span text)
{
    buf_u8(b, kind);
    buf_u64le(b, seq);
    buf_u64le(b, time);
    buf_u64le(b, value);
    buf_lp(b, text);
}

/* Places in 'sample'. */
enum { ACTIVE = 0, OF_RESIZE = 40, OF_IDLE = 44, FROM = 92, WIDTH = 100, N_BINS = 101, N_NOTES = 111, KIND = 115, SEQ = 116, TIME = 124,
       VALUE = 132, LEN = 140, TEXT = 141, IDLE_KIND = 145, IDLE_VALUE = 162, SAMPLE_LEN = 171 };

/* Two bins of 0.25 s, a change of size, an idle span. */
static void sample(struct buf *b)
{
    put_front(b, 250000, 1);
    put_activity(b, 250000, 1, 2);
    buf_u32le(b, 2);
    put_note(b, FACT_RESIZE, 39, 125000, 100 | 30ull << 32, SPAN("wide"));
    put_note(b, FACT_IDLE, 41, 250000, 6000000, SPAN_EMPTY);
    assert_int_equal(b->n, SAMPLE_LEN);
}

/* The reader's verdict. What it refuses leaves nothing behind; what it takes is written as the same bytes again. */
static enum err verdict(struct span bytes)
{
    struct buf again = BUF_INIT(NOTES_RAW_MAX);
    struct facts_notes n;
    enum err e;

    facts_notes_init(&n);
    e = notes_read(bytes, END_SEQ, TIME_MAX, &n, NULL);
    if (e == ERR_OK) {
        notes_write(&n, &again);
        assert_span_eq(buf_span(&again), bytes);
    } else {
        assert_true(n.n == 0 && n.list == NULL && n.text.p == NULL && n.n_bins == 0 && n.active == -1 && n.counts.clicks == 0);
    }
    facts_notes_deinit(&n);
    buf_deinit(&again);
    return e;
}

static void assert_verdict(const struct buf *b, enum err want, const char *name, uint64_t value)
{
    enum err got = verdict(buf_span(b));

    if (got != want)
        fail_msg("%s %llu: %s, want %s", name, (unsigned long long) value, err_name(got), err_name(want));
}

/* ---- what is in them ---- */

static void what_is_read(void **state)
{
    struct buf b = BUF_INIT(4096);
    struct facts_notes n;

    (void) state;
    sample(&b);
    facts_notes_init(&n);
    assert_ok(notes_read(buf_span(&b), END_SEQ, TIME_MAX, &n, NULL));
    assert_true(n.active == 250000 && n.bins_from == 250000 && n.bin == 250000 && n.n_bins == 2 && n.bins[0] == 7 && n.bins[1] == 8);
    assert_true(n.counts.clicks == 1 && n.counts.inputs == 2 && n.counts.errors == 3 && n.counts.of[0] == 0);
    for (uint32_t i = 1; i < FACT_IDLE; i++)
        assert_int_equal(n.counts.of[i], 1000 + i);
    assert_int_equal(n.counts.of[FACT_IDLE], 1);
    for (uint32_t i = 0; i < FACTS_LEVELS; i++)
        assert_int_equal(n.counts.console[i], 20 + i);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(n.counts.requests[i], 30 + i);
    assert_int_equal(n.n, 2);
    assert_true(n.list[0].kind == FACT_RESIZE && n.list[0].seq == 39 && n.list[0].time == 125000 && n.list[0].value == (100 | 30ull << 32));
    assert_span_str(facts_text(&n, &n.list[0]), "wide");
    assert_true(n.list[1].kind == FACT_IDLE && n.list[1].seq == 41 && n.list[1].time == 250000 && n.list[1].value == 6000000);
    assert_int_equal(n.list[1].n, 0);
    facts_notes_deinit(&n);
    buf_deinit(&b);
}

/* Activity alone, a note alone, somebody alone: each is worth a section. */
static void what_is_worth_storing(void **state)
{
    struct facts_notes n;

    (void) state;
    facts_notes_init(&n);
    assert_false(notes_any(&n));
    n.active = 0;
    assert_true(notes_any(&n));
    n.active = -1;
    assert_true(facts_add(&n, &(struct fact){ .kind = FACT_DEAD }, SPAN_EMPTY));
    assert_true(notes_any(&n));
    facts_notes_deinit(&n);
    assert_false(notes_any(&n));
    facts_bin(&n, 0, 1);
    assert_true(notes_any(&n));
    facts_notes_deinit(&n);
}

/* ---- rules ---- */

static void one_value_changed(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        unsigned width;
        uint64_t value;
        enum err want;
    } cases[] = {
        { "active: never", ACTIVE, 8, UINT64_MAX, ERR_OK },
        { "active", ACTIVE, 8, 0, ERR_OK },
        { "active", ACTIVE, 8, TIME_MAX, ERR_OK },
        { "active", ACTIVE, 8, OVER, ERR_CORRUPT },
        { "active: -2", ACTIVE, 8, UINT64_MAX - 1, ERR_CORRUPT },
        { "counts: resizes unlisted", OF_RESIZE, 4, UINT32_MAX, ERR_OK },
        { "counts: resizes as listed", OF_RESIZE, 4, 1, ERR_OK },
        { "counts: fewer resizes than listed", OF_RESIZE, 4, 0, ERR_CORRUPT },
        { "counts: fewer idle spans than listed", OF_IDLE, 4, 0, ERR_CORRUPT },
        { "bins from", FROM, 8, 0, ERR_OK },
        { "bins from half a bin", FROM, 8, BIN, ERR_CORRUPT },
        { "bins from", FROM, 8, 2 * BIN + 1, ERR_CORRUPT },
        { "bins from the last", FROM, 8, TIME_MAX / (2 * BIN) * (2 * BIN), ERR_OK },
        { "bins from past it", FROM, 8, (TIME_MAX / (2 * BIN) + 1) * (2 * BIN), ERR_CORRUPT },
        { "bins' width", WIDTH, 1, 0, ERR_OK },
        { "bins' width: no multiple", WIDTH, 1, 2, ERR_CORRUPT },
        { "bins: one more than are there", N_BINS, 2, 3, ERR_CORRUPT },
        { "bins: one less", N_BINS, 2, 1, ERR_CORRUPT },
        { "notes: one less, bytes left over", N_NOTES, 4, 1, ERR_CORRUPT },
        { "notes: none, bytes left over", N_NOTES, 4, 0, ERR_CORRUPT },
        { "notes: one more", N_NOTES, 4, 3, ERR_CORRUPT },
        { "notes: huge", N_NOTES, 4, UINT32_MAX, ERR_CORRUPT },
        { "kind", KIND, 1, 0, ERR_CORRUPT },
        { "kind", KIND, 1, FACT_PAGE, ERR_OK },
        { "kind", KIND, 1, FACT_KINDS, ERR_CORRUPT },
        { "kind", KIND, 1, 255, ERR_CORRUPT },
        { "kind: more idle spans than are counted", KIND, 1, FACT_IDLE, ERR_CORRUPT },
        { "event", SEQ, 8, 0, ERR_OK },
        { "event", SEQ, 8, END_SEQ - 1, ERR_OK },
        { "event", SEQ, 8, END_SEQ, ERR_CORRUPT },
        { "event", SEQ, 8, UINT64_MAX, ERR_CORRUPT },
        { "time", TIME, 8, 0, ERR_OK },
        { "time", TIME, 8, TIME_MAX, ERR_OK },
        { "time", TIME, 8, OVER, ERR_CORRUPT },
        { "time", TIME, 8, UINT64_MAX, ERR_CORRUPT },
        { "size", VALUE, 8, UINT64_MAX, ERR_OK },
        { "text longer: the next note is no longer one", LEN, 1, 5, ERR_CORRUPT },
        { "text past the end", LEN, 1, 200, ERR_CORRUPT },
        { "text not UTF-8", TEXT, 1, 0xff, ERR_CORRUPT },
        { "text cut inside a character", TEXT + 3, 1, 0xc3, ERR_CORRUPT },
        { "idle for", IDLE_VALUE, 8, 0, ERR_OK },
        { "idle for", IDLE_VALUE, 8, TIME_MAX, ERR_OK },
        { "idle for", IDLE_VALUE, 8, OVER, ERR_CORRUPT },
        { "no idle span", IDLE_KIND, 1, FACT_DEAD, ERR_OK },
    };
    struct buf b = BUF_INIT(4096);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sample(&b);
        for (unsigned k = 0; k < cases[i].width; k++)
            b.p[cases[i].at + k] = (uint8_t) (cases[i].value >> 8 * k);
        assert_verdict(&b, cases[i].want, cases[i].name, cases[i].value);
    }
    buf_deinit(&b);
}

static void activity(void **state)
{
    static const struct {
        uint64_t from;
        uint8_t w;
        uint16_t n;
        enum err want;
    } cases[] = {
        { 0, 0, 0, ERR_OK },
        { BIN, 0, 0, ERR_CORRUPT }, /* no bins begin nowhere, */
        { 0, 1, 0, ERR_CORRUPT },   /* and have no width */
        { 0, 0, 1, ERR_OK },
        { 0, 0, FACTS_BINS, ERR_OK },
        { 0, 0, FACTS_BINS + 1, ERR_CORRUPT },
        { 0, 0, UINT16_MAX, ERR_CORRUPT },
        { 0, 2, 1, ERR_OK },
        { BIN << 10, 10, 1, ERR_OK },
        { BIN << 9, 10, 1, ERR_CORRUPT },
        { 0, NOTES_WIDTH_MAX, 1, ERR_OK },
        { 0, NOTES_WIDTH_MAX + 1, 1, ERR_CORRUPT },
        { 0, 255, 1, ERR_CORRUPT },
    };
    struct buf b = BUF_INIT(NOTES_RAW_MAX);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_front(&b, nobody, 0);
        put_activity(&b, cases[i].from, cases[i].w, cases[i].n);
        buf_u32le(&b, 0);
        assert_verdict(&b, cases[i].want, "activity, case", i);
    }
    buf_deinit(&b);
}

/* As many as there may be of each kind, and one more: the counts do not excuse it. */
static void how_many_of_a_kind(void **state)
{
    struct buf b = BUF_INIT(NOTES_RAW_MAX);

    (void) state;
    for (uint8_t kind = 1; kind < FACT_KINDS; kind++) {
        for (uint32_t more = 0; more < 2; more++) {
            uint32_t n = facts_listed_max((enum fact_kind) kind) + more;

            put_front(&b, nobody, UINT32_MAX);
            put_activity(&b, 0, 0, 0);
            buf_u32le(&b, n);
            for (uint32_t i = 0; i < n; i++)
                put_note(&b, kind, 0, i, i, SPAN_EMPTY);
            assert_verdict(&b, more == 0 ? ERR_OK : ERR_CORRUPT, "kind", kind);
        }
    }
    buf_deinit(&b);
}

static void how_long_a_text(void **state)
{
    static uint8_t text[255];
    static const struct {
        size_t n;
        enum err want;
    } cases[] = { { 0, ERR_OK }, { FACTS_TEXT_MAX, ERR_OK }, { FACTS_TEXT_MAX + 1, ERR_CORRUPT }, { 255, ERR_CORRUPT } };
    struct buf b = BUF_INIT(4096);

    (void) state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_front(&b, nobody, 0);
        put_activity(&b, 0, 0, 0);
        buf_u32le(&b, 1);
        put_note(&b, FACT_ERROR, 0, 0, 0, span_of(text, cases[i].n));
        assert_verdict(&b, cases[i].want, "text of", cases[i].n);
    }
    buf_deinit(&b);
}

/* A stretch in which nothing happened has no words: with some, there would be room for more of them than for all texts. */
static void no_text_of_an_idle_span(void **state)
{
    static uint8_t text[FACTS_TEXT_MAX];
    struct buf b = BUF_INIT(4u << 20);

    (void) state;
    for (uint32_t n = 1; n <= FACTS_IDLE_MAX; n += FACTS_IDLE_MAX - 1) {
        put_front(&b, nobody, n);
        put_activity(&b, 0, 0, 0);
        buf_u32le(&b, n);
        for (uint32_t i = 0; i < n; i++)
            put_note(&b, FACT_IDLE, 0, i, i, SPAN_OF(text));
        assert_verdict(&b, ERR_CORRUPT, "idle spans with a text:", n);
    }
    buf_deinit(&b);
}

static void cut_and_left_over(void **state)
{
    struct buf b = BUF_INIT(4096);

    (void) state;
    sample(&b);
    assert_ok(verdict(buf_span(&b)));
    for (size_t n = 0; n < b.n; n++) {
        if (verdict(span_sub(buf_span(&b), 0, n)) != ERR_CORRUPT)
            fail_msg("%zu bytes of %zu", n, b.n);
    }
    buf_u8(&b, 0);
    assert_err(verdict(buf_span(&b)), ERR_CORRUPT);
    buf_deinit(&b);
}

/* ---- no memory ---- */

static bool read_works(void *ctx)
{
    struct facts_notes n;
    enum err e;

    facts_notes_init(&n);
    e = notes_read(*(struct span *) ctx, END_SEQ, TIME_MAX, &n, NULL);
    assert_true(e == ERR_OK ? n.n == 200 : e == ERR_NOMEM && n.n == 0 && n.list == NULL && n.active == -1);
    facts_notes_deinit(&n);
    return e == ERR_OK;
}

static void without_memory(void **state)
{
    struct buf b = BUF_INIT(NOTES_RAW_MAX);
    struct span bytes;
    unsigned n = 0;

    (void) state;
    put_front(&b, 0, 0);
    put_activity(&b, 0, 0, 1);
    buf_u32le(&b, 200);
    for (uint32_t i = 0; i < 200; i++) /* list and texts grow several times */
        put_note(&b, FACT_PAGE, i % END_SEQ, i, 0, SPAN("https://shop.example/cart?step=2&from=home"));
    bytes = buf_span(&b);
    while (nomem_try(n, read_works, &bytes))
        n++;
    assert_true(n > 4);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_is_worth_storing),
        cmocka_unit_test(one_value_changed),
        cmocka_unit_test(activity),
        cmocka_unit_test(how_many_of_a_kind),
        cmocka_unit_test(how_long_a_text),
        cmocka_unit_test(no_text_of_an_idle_span),
        cmocka_unit_test(cut_and_left_over),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
