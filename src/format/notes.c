#include "format/notes.h"

#include "base/utf8.h"

#define NOTE_LEN 26 /* the shortest */

bool notes_any(const struct facts_notes *n)
{
    return n->n_bins > 0 || n->n > 0 || n->active >= 0;
}

/* ---- writing ---- */

static void write_counts(const struct facts_counts *c, struct buf *out)
{
    buf_u32le(out, c->clicks);
    buf_u32le(out, c->inputs);
    buf_u32le(out, c->errors);
    for (int i = 1; i < FACT_KINDS; i++)
        buf_u32le(out, c->of[i]);
    for (int i = 0; i < FACTS_LEVELS; i++)
        buf_u32le(out, c->console[i]);
    for (int i = 0; i < 6; i++)
        buf_u32le(out, c->requests[i]);
}

static uint8_t width_of(time_us bin)
{
    uint8_t n = 0;

    while (bin > FACTS_BIN_US) {
        bin /= 2;
        n++;
    }
    return n;
}

void notes_write(const struct facts_notes *n, struct buf *out)
{
    buf_u64le(out, (uint64_t) n->active);
    write_counts(&n->counts, out);
    buf_u64le(out, (uint64_t) n->bins_from);
    buf_u8(out, width_of(n->bin));
    buf_u16le(out, (uint16_t) n->n_bins);
    for (uint32_t i = 0; i < n->n_bins; i++)
        buf_u32le(out, n->bins[i]);
    buf_u32le(out, n->n);
    for (uint32_t i = 0; i < n->n; i++) {
        buf_u8(out, (uint8_t) n->list[i].kind);
        buf_u64le(out, n->list[i].seq);
        buf_u64le(out, (uint64_t) n->list[i].time);
        buf_u64le(out, n->list[i].value);
        buf_lp(out, facts_text(n, &n->list[i]));
    }
}

/* ---- reading ---- */

static void read_counts(struct rd *r, struct facts_counts *c)
{
    c->clicks = rd_u32le(r);
    c->inputs = rd_u32le(r);
    c->errors = rd_u32le(r);
    for (int i = 1; i < FACT_KINDS; i++)
        c->of[i] = rd_u32le(r);
    for (int i = 0; i < FACTS_LEVELS; i++)
        c->console[i] = rd_u32le(r);
    for (int i = 0; i < 6; i++)
        c->requests[i] = rd_u32le(r);
}

static enum err read_bins(struct rd *r, time_us time_max, struct facts_notes *n, struct err_info *reterr)
{
    uint64_t from = rd_u64le(r);
    uint8_t width = rd_u8(r);
    uint32_t count = rd_u16le(r);

    if (r->failed || count > FACTS_BINS || width > NOTES_WIDTH_MAX || from > (uint64_t) time_max ||
        (count == 0 && (from != 0 || width != 0)) || from % (FACTS_BIN_US * (UINT64_C(1) << width)) != 0)
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment notes: activity");
    n->bins_from = (time_us) from;
    n->bin = count == 0 ? 0 : FACTS_BIN_US * (INT64_C(1) << width);
    n->n_bins = count;
    for (uint32_t i = 0; i < count; i++)
        n->bins[i] = rd_u32le(r);
    return ERR_OK;
}

static enum err read_note(struct rd *r, uint64_t end_seq, time_us time_max, struct facts_notes *n,
                          uint32_t listed[FACT_KINDS], struct err_info *reterr)
{
    uint8_t kind = rd_u8(r);
    struct fact f = { .seq = rd_u64le(r) };
    uint64_t t = rd_u64le(r), value = rd_u64le(r);
    struct span text = rd_lp(r);

    if (r->failed || kind == 0 || kind >= FACT_KINDS || f.seq >= end_seq || t > (uint64_t) time_max ||
        text.n > FACTS_TEXT_MAX || !utf8_valid(text) || listed[kind]++ == facts_listed_max((enum fact_kind) kind) ||
        (kind == FACT_IDLE && (value > (uint64_t) time_max || text.n > 0)))
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment notes: note %u", n->n);
    f.kind = (enum fact_kind) kind;
    f.time = (time_us) t;
    f.value = value;
    n->counts.of[kind] = 0; /* facts_add counts, and lists it therefore; the counts are set at the end */
    if (!facts_add(n, &f, text))
        return ERR_RAISE(reterr, ERR_NOMEM, "segment notes");
    return ERR_OK;
}

static enum err read_all(struct rd *r, uint64_t end_seq, time_us time_max, struct facts_notes *n, struct err_info *reterr)
{
    uint64_t active = rd_u64le(r);
    uint32_t listed[FACT_KINDS] = { 0 }, count;
    struct facts_counts counts;

    if (active != UINT64_MAX && active > (uint64_t) time_max)
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment notes: their last time");
    n->active = (time_us) active;
    counts = (struct facts_counts){ .clicks = 0 };
    read_counts(r, &counts);
    TRY(read_bins(r, time_max, n, reterr));
    count = rd_u32le(r);
    if (r->failed || count > r->n / NOTE_LEN)
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment notes: their number");
    for (uint32_t i = 0; i < count; i++)
        TRY(read_note(r, end_seq, time_max, n, listed, reterr));
    for (int i = 1; i < FACT_KINDS; i++) {
        if (counts.of[i] < listed[i])
            return ERR_RAISE(reterr, ERR_CORRUPT, "segment notes: fewer than are listed");
    }
    n->counts = counts;
    return rd_done(r) ? ERR_OK : ERR_RAISE(reterr, ERR_CORRUPT, "segment notes: bytes are missing or left over");
}

enum err notes_read(struct span bytes, uint64_t end_seq, time_us time_max, struct facts_notes *ret, struct err_info *reterr)
{
    struct rd r = rd_of(bytes);
    enum err e = read_all(&r, end_seq, time_max, ret, reterr);

    if (e != ERR_OK)
        facts_notes_deinit(ret);
    return e;
}
