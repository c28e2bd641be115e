#include "codec/ttyrec.h"

#include <stdlib.h>

#include "base/num.h"

#define MICROS       1000000u
#define SNIFF_FRAMES 64
#define RESIZE_MAX   20          /* "ESC [ 8 ; 65535 ; 65535 t" is 16 */
#define EPOCH_FROM   31536000    /* seconds; earlier ones are counters, not dates */

struct ttyrec {
    struct reader r;
    struct castout *out;
    size_t header; /* 12 or 13 */
    uint8_t head[13];
    size_t n_head;
    uint32_t left; /* of the frame's payload */
    uint8_t channel;
    bool any;
    time_us first, at;
    uint8_t lead[RESIZE_MAX]; /* the frame's beginning, until it is known whether a size stands there */
    size_t n_lead;
    bool leading;
};

/* ---- which header */

struct frame {
    uint32_t sec, usec, len;
};

static struct frame frame_of(const uint8_t *p)
{
    struct rd r = rd_of(span_of(p, 12));
    struct frame f;

    f.sec = rd_u32le(&r);
    f.usec = rd_u32le(&r);
    f.len = rd_u32le(&r);
    return f;
}

static bool plausible(const struct frame *f)
{
    return f->usec < MICROS && f->len <= TTYREC_FRAME_MAX;
}

/* How many headers in a row are plausible with this size; -1: one is not. */
static int walk(struct span in, size_t header, bool whole)
{
    size_t at = 0;
    uint32_t before = 0;
    bool some = false; /* zeros are no recording */
    int n = 0;

    while (n < SNIFF_FRAMES && at + header <= in.n) {
        struct frame f = frame_of(in.p + at);

        /* a day back is no clock that was put right */
        if (!plausible(&f) || (n > 0 && f.sec + 86400ull < before) || (header == 13 && in.p[at + 12] > 2))
            return n >= 2 ? n : -1; /* damage further on is the reader's to report */
        before = f.sec;
        some = some || f.len > 0;
        at += header + f.len;
        n++;
    }
    return n > 0 && some && (n > 1 || at >= in.n || whole) ? n : -1;
}

int ttyrec_sniff(struct span first, bool whole)
{
    int short_form = walk(first, 12, whole), long_form = walk(first, 13, whole);

    if (short_form <= 0 && long_form <= 0)
        return 0;
    return long_form > short_form ? 13 : 12;
}

/* ---- reading */

static enum err output(struct ttyrec *t, struct span s, struct err_info *reterr)
{
    if (t->channel > 1)
        return ERR_OK;
    return castout_bytes(t->out, t->channel == 0 ? CASTOUT_OUTPUT : CASTOUT_INPUT, t->at, s, reterr);
}

/* "ESC [ 8 ; rows ; cols t" at the frame's beginning? *ret_n is its length; it may still become one: true and *ret_n 0. */
static bool size_sequence(struct span s, size_t *ret_n, uint32_t *ret_cols, uint32_t *ret_rows)
{
    struct span lead = SPAN("\033[8;"), inner, rows, cols;
    uint64_t r, c;

    *ret_n = 0;
    if (s.n <= lead.n)
        return span_eq(s, span_sub(lead, 0, s.n));
    if (!span_eq(span_sub(s, 0, lead.n), lead))
        return false;
    for (size_t i = lead.n; i < s.n; i++) {
        if (s.p[i] == ';' || (s.p[i] >= '0' && s.p[i] <= '9'))
            continue;
        inner = span_sub(s, lead.n, i - lead.n);
        if (s.p[i] != 't' || !span_cut(inner, ';', &rows, &cols) || !num_u64(rows, 65535, &r) ||
            !num_u64(cols, 65535, &c) || r == 0 || c == 0)
            return false;
        *ret_n = i + 1;
        *ret_cols = (uint32_t) c;
        *ret_rows = (uint32_t) r;
        return true;
    }
    return s.n < RESIZE_MAX;
}

/* The head is due before the first event; its size may stand in the first frame. */
static enum err head(struct ttyrec *t, uint32_t cols, uint32_t rows, struct err_info *reterr)
{
    struct castout_head h = { .cols = cols, .rows = rows, .format = "ttyrec" };

    if (t->out->headed)
        return ERR_OK;
    if (t->any && t->first / MICROS >= EPOCH_FROM)
        h.started_at = t->first / 1000;
    return castout_head(t->out, &h, reterr);
}

/* The frame's beginning is known well enough: a size, or output as any other. */
static enum err lead_out(struct ttyrec *t, bool frame_over, struct err_info *reterr)
{
    struct span s = span_of(t->lead, t->n_lead);
    uint32_t cols = 0, rows = 0;
    size_t n;
    bool may = t->channel == 0 && size_sequence(s, &n, &cols, &rows);

    if (may && n == 0 && !frame_over)
        return ERR_OK; /* more is needed */
    t->leading = false;
    if (may && n > 0) {
        bool headed = t->out->headed;

        TRY(head(t, cols, rows, reterr));
        if (headed)
            TRY(castout_resize(t->out, t->at, cols, rows, reterr));
        s = span_sub(s, n, s.n);
    }
    TRY(head(t, 0, 0, reterr));
    return output(t, s, reterr);
}

static enum err payload(struct ttyrec *t, struct span s, struct err_info *reterr)
{
    while (t->leading && s.n > 0 && t->n_lead < RESIZE_MAX) {
        t->lead[t->n_lead++] = s.p[0];
        s = span_sub(s, 1, s.n);
        TRY(lead_out(t, false, reterr));
    }
    return s.n > 0 ? output(t, s, reterr) : ERR_OK;
}

static enum err begin_frame(struct ttyrec *t, struct err_info *reterr)
{
    struct frame f = frame_of(t->head);
    time_us at = (time_us) f.sec * MICROS + f.usec;

    if (f.usec >= MICROS)
        return ERR_RAISE(reterr, ERR_INVAL, "a frame's header has more than 999999 microseconds");
    if (f.len > TTYREC_FRAME_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a frame of more than 16 MiB");
    t->channel = t->header == 13 ? t->head[12] : 0;
    if (!t->any)
        t->first = at;
    t->any = true;
    if (at - t->first > t->at)
        t->at = at - t->first;
    t->left = f.len;
    t->n_head = 0;
    t->n_lead = 0;
    t->leading = f.len > 0;
    return ERR_OK;
}

static enum err feed(struct reader *r, struct span in, struct err_info *reterr)
{
    struct ttyrec *t = (struct ttyrec *) r;

    while (in.n > 0) {
        struct span s;

        if (t->left == 0) {
            t->head[t->n_head++] = in.p[0];
            in = span_sub(in, 1, in.n);
            r->offset++;
            if (t->n_head == t->header)
                TRY(begin_frame(t, reterr));
            continue;
        }
        s = span_sub(in, 0, t->left);
        in = span_sub(in, s.n, in.n);
        t->left -= (uint32_t) s.n;
        TRY(payload(t, s, reterr));
        if (t->left == 0 && t->leading)
            TRY(lead_out(t, true, reterr));
        if (t->left == 0)
            TRY(castout_record(t->out, reterr));
        r->offset += s.n;
    }
    return ERR_OK;
}

static enum err finish(struct reader *r, struct err_info *reterr)
{
    struct ttyrec *t = (struct ttyrec *) r;

    if (t->leading && t->n_lead > 0)
        TRY(lead_out(t, true, reterr));
    TRY(head(t, 0, 0, reterr));
    TRY(castout_end(t->out, reterr));
    if (t->left > 0 || t->n_head > 0)
        return castout_marker(t->out, t->at, SPAN("the recording is cut short"), reterr);
    return ERR_OK;
}

static void release(struct reader *r)
{
    free(r);
}

struct reader *ttyrec_new(struct castout *out, int header)
{
    struct ttyrec *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->r = (struct reader){ .feed = feed, .finish = finish, .free = release };
    t->out = out;
    t->header = header == 13 ? 13 : 12;
    return &t->r;
}
