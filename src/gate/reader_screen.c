/*
 * Screens of a terminal where no index has one near: the log's tail, what recovery saved of a log, what another process wrote after it (whoever
 * only writes does not know what the screen held: the reader, who has the keys, does), a recording whose screens cost too much when it came.
 *
 * From the newest keyframe that is known, of an index or made before, events go through the screen up to the place that is looked for; on
 * the way a screen is kept as often as the importer does.
 *
 * Where originals are shown the screens of an index are no good: they are masked. From the beginning on events go through a screen with what masks took out, up
 * to WALK_BYTES; what is found is this reader's alone. Behind that the masked screens count.
 */
#include "gate/reader_int.h"

#include "codec/asciicast.h"
#include "codec/importer.h"
#include "codec/screen.h"
#include "crypto/secret.h"
#include "os/clock.h"

#define NEAR_BYTES (768u << 10) /* of events in chunks from a keyframe of an index to its place: no screen is made */
#define WALK_BYTES (24u << 20)  /* in one run: the next one goes on where it stopped */
#define WALK_WORK  300000000    /* cells, the same: a second or two */

struct walk {
    struct run *x;
    struct screen *screen;
    uint64_t seq; /* that comes next */
    time_us time;
    time_us made_at;
    uint64_t made_bytes, bytes, events;
    uint16_t kn;
    bool over;
    bool found; /* 'best' is set, its text in 'init' */
    struct look_screen best;
    struct buf init, text;
    struct asciicast cast;
};

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

/* ---- is it far? ---- */

/* Its screens were made when it was written: they stand close enough. */
static bool has_screens(const struct piece *p)
{
    return p->kind == KHSEG_KIND && segment_keyframe_at(p->index, 0) != NULL;
}

/* ERR_AGAIN: a piece's key is needed. *ret: about so many bytes lie between that no screen was made for, when it is more than NEAR_BYTES. */
static enum err distance(struct run *x, uint64_t *ret)
{
    struct reader *r = x->r;
    struct segment_chunk c;

    *ret = 0;
    for (size_t i = r->n; i-- > 0 && *ret <= NEAR_BYTES;) {
        struct piece *p = r->pieces[i];

        if (p->first_seq + p->n_events <= x->ret->seq)
            break;
        if (p->n_events == 0 || p->first_seq >= x->want->until || (p->kind == KHSEG_KIND && p->t_first > x->want->from))
            continue;
        TRY(pieces_timed(x, i + 1));
        TRY(piece_open(x, p));
        for (uint32_t n = 0; n < p->n_chunks && piece_chunk_at(p, n, &c); n++)
            if (c.first_seq + c.n_events > x->ret->seq && c.first_seq < x->want->until && c.t_first <= x->want->from)
                *ret += has_screens(p) ? c.raw : NEAR_BYTES + 1;
    }
    return ERR_OK;
}

/* Event bytes from the beginning to the place, as far as it takes to see that they are more than WALK_BYTES. Of a tail nothing is counted: it is small. */
static enum err bytes_before(struct run *x, uint64_t *ret)
{
    struct reader *r = x->r;
    struct segment_chunk c;

    *ret = 0;
    TRY(pieces_timed(x, r->n));
    for (size_t i = 0; i < r->n && *ret <= WALK_BYTES; i++) {
        struct piece *p = r->pieces[i];

        if (p->n_events == 0 || p->first_seq >= x->want->until)
            continue;
        TRY(piece_open(x, p));
        for (uint32_t n = 0; n < p->n_chunks && piece_chunk_at(p, n, &c) && c.t_first <= x->want->from; n++)
            *ret += c.raw;
    }
    return ERR_OK;
}

/* Originals are shown: the masked screen of an index gives way to one of our own, if that is not too far. */
static enum err begin_unmasked(struct run *x, bool *ret)
{
    uint64_t n;

    *ret = false;
    if (!x->r->unmask || !reveals_any(x->r))
        return ERR_OK;
    TRY(bytes_before(x, &n));
    if (n > WALK_BYTES)
        return ERR_OK;
    x->ret->seq = 0;
    x->ret->at = 0;
    x->ret->has_screen = false;
    if (x->ret->bytes.p != NULL)
        secret_wipe(x->ret->bytes.p, x->ret->bytes.n);
    buf_reset(&x->ret->bytes);
    *ret = true;
    return ERR_OK;
}

static bool in_tail(const struct run *x)
{
    const struct reader *r = x->r;
    time_us end = r->n == 0 ? 0 : r->pieces[r->n - 1]->end;

    return r->live && r->log != NULL && x->want->until > reader_sealed(r) && x->want->from >= end;
}

/* ---- the walk ---- */

static void make(struct walk *w)
{
    if (!screen_idle(w->screen))
        return;
    w->made_at = w->time;
    w->made_bytes = 0;
    buf_reset(&w->text);
    screen_dump_init(w->screen, &w->text);
    if (w->text.failed || w->text.n > SEGMENT_SCREEN_MAX)
        return; /* playing starts earlier */
    buf_reset(&w->init);
    buf_add_span(&w->init, buf_span(&w->text));
    if (w->init.failed)
        return;
    w->found = true;
    w->best = (struct look_screen){ .seq = w->seq, .at = w->time, .cols = (uint16_t) screen_cols(w->screen),
                                    .rows = (uint16_t) screen_rows(w->screen), .kn = w->kn };
    w->best.init = buf_span(&w->init);
    look_add(w->x->r->look, &w->best);
}

static enum err event(struct walk *w, struct span json)
{
    const struct importer_params p = importer_defaults();
    struct asciicast_event ev;
    time_us own, before = w->time;

    if (reader_event_time(true, 0, json, &own) && own > w->time)
        w->time = own > SEGMENT_TIME_MAX ? SEGMENT_TIME_MAX : own;
    w->over = w->time > w->x->want->from || w->seq >= w->x->want->until;
    if (w->over) {
        w->time = before;
        return ERR_OK;
    }
    if (w->time - w->made_at >= p.screen_every_us || w->made_bytes >= p.screen_every_bytes)
        make(w);
    TRY(asciicast_event(&w->cast, json, &ev, w->x->reterr));
    if (ev.code == 'r')
        screen_resize(w->screen, (int) ev.cols, (int) ev.rows);
    if (ev.code == 'o') {
        buf_reset(&w->text);
        if (!json_string_decode(ev.data, &w->text))
            return buf_check(&w->text, w->x->reterr);
        screen_feed(w->screen, buf_span(&w->text));
        w->made_bytes += w->text.n;
    }
    w->seq++;
    w->events++;
    return ERR_OK;
}

static enum err events(struct walk *w, struct span rest, uint64_t first)
{
    struct span line;

    for (; !w->over && span_cut(rest, '\n', &line, &rest); first++)
        if (first >= w->seq)
            TRY(event(w, line));
    return ERR_OK;
}

/* One block: a chunk, or some records. */
static enum err step(struct walk *w)
{
    const struct viewer_want want = { .kind = READ_EVENTS, .seq = w->seq, .until = w->x->want->until, .has_floor = true, .floor = w->time };
    struct viewer_read read = { .err = ERR_OK, .fresh = w->x->ret->fresh };
    struct run y = *w->x;
    uint64_t before = w->seq;
    enum err e;

    y.want = &want;
    y.ret = &read;
    buf_init(&read.bytes, SEGMENT_EVENT_MAX + SEGMENT_INDEX_MAX);
    e = reader_block(&y, w->seq, &read.bytes, &read.meta);
    if (e == ERR_OK)
        e = reveal_events(&y, read.kn, read.meta.first_seq, &read.bytes);
    w->x->ret->need = read.need;
    w->x->ret->need_kn = read.need_kn;
    w->x->ret->need_track = read.need_track;
    if (e == ERR_OK) {
        w->kn = read.kn;
        w->bytes += read.bytes.n;
        e = events(w, buf_span(&read.bytes), read.meta.first_seq);
    }
    w->over = w->over || w->seq == before || w->seq >= want.until;
    wipe(&read.bytes);
    return e == ERR_NOTFOUND ? ERR_OK : e; /* the end of what there is */
}

static enum err head_size(struct run *x, struct walk *w)
{
    struct buf head = BUF_INIT(SEGMENT_HEAD_MAX);
    struct asciicast cast;
    int cols = 80, rows = 24;
    struct err_info ignored;
    enum err e = reader_head(x, &head);

    if (e == ERR_OK) {
        asciicast_init(&cast, 2, SEGMENT_HEAD_MAX);
        if (asciicast_head(&cast, buf_span(&head), &ignored) == ERR_OK) {
            cols = (int) cast.cols;
            rows = (int) cast.rows;
        }
        asciicast_deinit(&cast);
    }
    wipe(&head);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    w->screen = screen_new(cols, rows);
    return ERR_OK;
}

/* Screens made of the log count as long as what is in it is what it was. */
static enum err hear_marks(struct run *x)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    const struct reader *r = x->r;
    enum err e = ERR_NOTFOUND;

    if (r->log != NULL && r->live)
        e = reclog_tail_late(r->log, span_str(r->rid), reader_sealed(r), &t, x->reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    look_tail(r->look, reader_sealed(r), e == ERR_OK && t->n > 0 ? t->records[t->n - 1].batch_seq : 0);
    return ERR_OK;
}

/* Where it begins: behind the index's keyframe that x->ret has, or a screen that was made. */
static enum err begin(struct walk *w)
{
    struct run *x = w->x;
    struct look_screen made;
    const struct secret *key;

    TRY(hear_marks(x));
    if (look_find(x->r->look, x->want->from, x->want->until, x->ret->seq, &made)) {
        TRY(run_key(x, made.kn, 0, &key));
        buf_add_span(&w->init, made.init);
        w->best = made;
        w->best.init = buf_span(&w->init);
        w->found = !w->init.failed;
    }
    if (w->found) {
        w->seq = w->best.seq;
        w->time = w->best.at;
        w->kn = w->best.kn;
        w->screen = screen_new(w->best.cols, w->best.rows);
    } else {
        w->seq = x->ret->seq;
        w->time = x->ret->at;
        w->kn = x->ret->kn;
        if (x->ret->has_screen)
            w->screen = screen_new(x->ret->cols, x->ret->rows);
        else
            TRY(head_size(x, w));
    }
    w->made_at = w->time;
    if (w->screen == NULL)
        return ERR_RAISE(x->reterr, ERR_NOMEM, "a screen");
    if (w->found || x->ret->has_screen)
        screen_feed(w->screen, w->found ? w->best.init : buf_span(&x->ret->bytes));
    return ERR_OK;
}

static enum err walk(struct walk *w)
{
    bool newest = w->x->want->from == INT64_MAX;

    TRY(begin(w));
    if (newest && w->found && look_fresh(w->x->r->look, clock_boot_ms()))
        return ERR_OK; /* somebody has just looked */
    while (!w->over) {
        TRY(step(w));
        if (!w->over && (w->bytes > WALK_BYTES || screen_work(w->screen) > WALK_WORK)) {
            make(w); /* far enough for once */
            w->over = true;
        }
    }
    if (newest)
        look_now(w->x->r->look, clock_boot_ms());
    return ERR_OK;
}

static void give(struct walk *w)
{
    struct viewer_read *ret = w->x->ret;

    ret->seq = w->best.seq;
    ret->at = w->best.at;
    ret->cols = w->best.cols;
    ret->rows = w->best.rows;
    ret->kn = w->best.kn;
    ret->has_screen = true;
    buf_reset(&ret->bytes);
    buf_add_span(&ret->bytes, buf_span(&w->init));
}

enum err screen_locate(struct run *x)
{
    struct walk w = { .x = x };
    uint64_t far = 0;
    bool unmasked = false;
    enum err e;

    if (x->r->look != NULL)
        TRY(begin_unmasked(x, &unmasked));
    TRY(distance(x, &far));
    if (x->r->look == NULL || (!unmasked && far <= NEAR_BYTES && !in_tail(x)))
        return ERR_OK;
    buf_init(&w.init, SEGMENT_SCREEN_MAX);
    buf_init(&w.text, SEGMENT_EVENT_MAX);
    asciicast_init(&w.cast, 2, SEGMENT_EVENT_MAX);
    look_lock(x->r->look);
    e = walk(&w);
    if (w.found && e != ERR_AGAIN)
        give(&w);
    look_add_read(x->r->look, w.events);
    look_unlock(x->r->look);
    (void) screen_free(w.screen);
    asciicast_deinit(&w.cast);
    wipe(&w.init);
    wipe(&w.text);
    if (e == ERR_AGAIN)
        return e;
    x->ret->need = READ_NEED_NOTHING; /* damaged on the way: playing starts earlier, and says so when it comes there */
    return x->ret->bytes.failed ? buf_check(&x->ret->bytes, x->reterr) : ERR_OK;
}
