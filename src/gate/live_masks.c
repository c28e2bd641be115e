/*
 * Masking of a live recording: the rules of its project, the stage that applies them (codec/intake), the reveal track's frames
 * of each batch, and what turned out too late to belong to a match.
 *
 * Rules are looked up at each batch: a change counts from the next one on. A recording that began without a reveal key keeps no
 * originals, whatever the rules say later; one that has a key writes `0` for all events while the rules drop them.
 */
#include "gate/live.h"

#include "base/log.h"
#include "format/khspl.h"
#include "format/zframe.h"
#include "gate/recover.h"

#define BLANKS_MAX (BATCH_FRAME_MAX / 2) /* lines of `0` in one frame */

static bool keeps(const struct live_rec *r)
{
    return r->keys.of[1].rk != NULL;
}

/* ---- rules ---- */

/* What the masker that goes leaves open. An original is kept only if both rules say so. */
static bool carry_over(struct live_rec *r, bool keep, bool *ret_unsure)
{
    struct intake_unsure open;
    struct intake_late m;

    *ret_unsure = r->unsure;
    if (r->intake == NULL)
        return true;
    intake_begin(r->intake); /* a batch that was refused leaves nothing */
    if (!intake_unsure(r->intake, &open))
        return false;
    for (size_t i = 0; i < open.n; i++) {
        m = open.marks[i];
        m.keep = m.keep && keep;
        buf_add(&r->carry, &m, sizeof(m));
    }
    *ret_unsure = open.n > 0;
    return !r->carry.failed;
}

static bool renew(struct live_rec *r, struct mask_rules *rules, bool lost)
{
    struct intake *fresh = intake_new(r->kind, rules, BATCH_EVENT_MAX);
    bool unsure;

    if (fresh == NULL || !carry_over(r, mask_rules_reveal(rules) == MASK_KEEP, &unsure)) {
        (void) intake_free(fresh);
        (void) mask_rules_unref(rules);
        return false;
    }
    if (lost)
        intake_lost(fresh, unsure);
    (void) mask_rules_unref(r->rules);
    (void) intake_free(r->intake);
    r->rules = rules;
    r->intake = fresh;
    return true;
}

#define LOOK_BYTES (1u << 20) /* of a piece that is read on a loop */

/* The last batch of a piece of a log: did it leave text open? What is too large to be looked at here, or cannot be read, is taken to. */
static bool log_piece_open(const struct store_file *file)
{
    CLEANUP(khspl_freep) struct khspl *s = NULL;
    const struct khseg_source source = store_source(file);
    size_t n;

    if (file->size > LOOK_BYTES || khspl_open(&source, &s, NULL) != ERR_OK)
        return true;
    n = khspl_n(s);
    for (size_t i = n; i-- > 0 && khspl_at(s, i)->batch_seq == khspl_at(s, n - 1)->batch_seq;)
        if ((khspl_at(s, i)->flags & KHLOG_UNSURE) != 0)
            return true;
    return n == 0;
}

/*
 * Of a gate before the one before us there is only what was recovered, of track 0 or 1, which comes after it. Segments end where text is over, but for those that
 * had to be made: then it was silent for long.
 */
static bool ends_open(const struct live_rec *r, uint32_t next_seg)
{
    for (uint32_t seg = next_seg; seg-- > 0 && next_seg - seg <= 2;) {
        const struct store_piece name = { span_str(r->place.pid), span_str(r->place.rid), seg };
        struct store_file file = STORE_FILE_NONE;
        uint8_t magic[6] = { 0 };
        enum err e = store_get(r->gate->store, &name, &file, NULL);
        bool log, open;

        if (e == ERR_OK)
            e = store_source(&file).read(store_source(&file).ctx, 0, magic, sizeof(magic), NULL);
        log = e == ERR_OK && memcmp(magic, "KHSPL1", sizeof(magic)) == 0;
        open = e != ERR_OK || (log && log_piece_open(&file));
        store_close(&file);
        if (open || !log)
            return open;
    }
    return false;
}

void live_masks_resume(struct live_rec *r, uint32_t next_seg)
{
    switch (recover_end(r->gate, span_str(r->place.rid))) {
    case RECOVER_OPEN: r->unsure = true; break;
    case RECOVER_OVER: r->unsure = false; break;
    case RECOVER_NOTHING: r->unsure = r->kind == IMPORTER_TERMINAL && next_seg > 0 && ends_open(r, next_seg); break;
    }
}

const char *live_masks_begin(struct live_rec *r, bool lost, bool *ret_keep)
{
    struct mask_rules *rules = masks_get(&r->gate->masks, span_str(r->place.pid));

    if (rules == NULL)
        return "keeper-unavailable";
    *ret_keep = mask_rules_reveal(rules) == MASK_KEEP;
    return renew(r, rules, lost) ? NULL : "overloaded";
}

const char *live_masks_now(struct live_rec *r)
{
    struct mask_rules *rules = masks_get(&r->gate->masks, span_str(r->place.pid));

    if (rules == NULL)
        return "keeper-unavailable";
    if (rules == r->rules) {
        (void) mask_rules_unref(rules);
        return NULL;
    }
    return renew(r, rules, /* lost= */ true) ? NULL : "overloaded";
}

/* ---- frames of track 1 ---- */

static enum err blank_frame(struct zframe_writer *w, size_t n, struct buf *out, struct err_info *reterr)
{
    struct buf lines = BUF_INIT(BATCH_FRAME_MAX);
    enum err e;

    for (size_t i = 0; i < n; i++)
        buf_add_str(&lines, "0\n");
    e = buf_check(&lines, reterr);
    if (e == ERR_OK)
        e = zframe_write(w, buf_span(&lines), out, reterr);
    buf_deinit(&lines);
    return e;
}

/* Frames that say of each event that nothing was taken out. All but the last one are alike. */
static enum err make_blanks(struct live_rec *r, struct err_info *reterr)
{
    CLEANUP(zframe_writer_freep) struct zframe_writer *w = zframe_writer_new(1);
    uint64_t n = r->out.n_events;

    buf_deinit(&r->blank_full);
    buf_deinit(&r->blank_rest);
    buf_init(&r->blank_full, BATCH_FRAME_MAX);
    buf_init(&r->blank_rest, BATCH_FRAME_MAX);
    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "zstd");
    if (n >= BLANKS_MAX)
        TRY(blank_frame(w, BLANKS_MAX, &r->blank_full, reterr));
    return n % BLANKS_MAX > 0 ? blank_frame(w, n % BLANKS_MAX, &r->blank_rest, reterr) : ERR_OK;
}

size_t live_masks_n_frames(const struct live_rec *r)
{
    if (!keeps(r))
        return 0;
    return r->out.n_reveal > 0 ? r->out.n_reveal : (size_t) ((r->out.n_events + BLANKS_MAX - 1) / BLANKS_MAX);
}

enum err live_masks_frames(struct live_rec *r, struct reclog_frame *out, struct err_info *reterr)
{
    size_t n = live_masks_n_frames(r);
    uint64_t seq = r->parse.next_seq;

    if (r->out.n_reveal == 0 && n > 0)
        TRY(make_blanks(r, reterr));
    for (size_t i = 0; i < n; i++) {
        uint64_t left = r->parse.next_seq + r->out.n_events - seq;
        const struct batch_frame *f = r->out.n_reveal > 0 ? &r->out.reveal[i] : NULL;

        if (f != NULL) {
            out[i] = (struct reclog_frame){ f->zstd, f->first_seq, f->n_events, f->head, 1, 0 };
            continue;
        }
        out[i] = (struct reclog_frame){ buf_span(left >= BLANKS_MAX ? &r->blank_full : &r->blank_rest), seq,
                                        (uint32_t) (left >= BLANKS_MAX ? BLANKS_MAX : left), false, 1, 0 };
        seq += out[i].n_events;
    }
    return ERR_OK;
}

/* ---- marks ---- */

size_t live_masks_n_marks(const struct live_rec *r)
{
    return r->out.n_marks + (r->carry.n > 0);
}

/* What stood open when the rules changed: nobody knows how it would have gone on, so it goes. */
static enum err carry_frame(struct live_rec *r, struct err_info *reterr)
{
    CLEANUP(zframe_writer_freep) struct zframe_writer *w = zframe_writer_new(1);
    struct buf lines = BUF_INIT(16u << 20);
    enum err e;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "zstd");
    intake_late_write((const struct intake_late *) (const void *) r->carry.p, r->carry.n / sizeof(struct intake_late), &lines);
    buf_reset(&r->carry_frame);
    e = buf_check(&lines, reterr);
    if (e == ERR_OK)
        e = zframe_write(w, buf_span(&lines), &r->carry_frame, reterr);
    buf_deinit(&lines);
    return e;
}

enum err live_masks_marks(struct live_rec *r, struct reclog_frame *out, struct err_info *reterr)
{
    const uint64_t next = r->parse.next_seq + r->out.n_events;
    size_t k = 0;

    if (r->carry.n > 0) {
        TRY(carry_frame(r, reterr));
        out[k++] = (struct reclog_frame){ .zstd = buf_span(&r->carry_frame), .first_seq = next, .marks = KHLOG_LATE };
    }
    for (size_t i = 0; i < r->out.n_marks; i++) {
        const struct batch_frame *f = &r->out.marks[i];

        out[k++] = (struct reclog_frame){ .zstd = f->zstd, .first_seq = f->first_seq, .marks = f->late ? KHLOG_LATE : KHLOG_UNSURE };
    }
    return ERR_OK;
}

/* Seals leave out what may still be marked, but not for ever: what went into a segment before stays as it is, and it is said. */
static void count_lost(const struct live_rec *r, const struct intake_late *late, size_t n)
{
    size_t lost = 0;

    for (size_t i = 0; i < n; i++)
        lost += late[i].seq < r->sealing_seq;
    if (lost > 0)
        log_event(LOG_WARN, "live.late-sealed", LOG_STR("rid", r->place.rid), LOG_INT("marks", (int64_t) lost));
}

/* The first event of the batch with this one; of an older one than we know, of the oldest. */
static uint64_t batch_of(const struct live_rec *r, uint64_t seq)
{
    const size_t known = r->n_recent < LIVE_RECENT ? r->n_recent : LIVE_RECENT;
    uint64_t first = seq;

    if (seq == UINT64_MAX)
        return UINT64_MAX;
    for (size_t i = 1; i <= known; i++) {
        first = r->recent[(r->n_recent - i) % LIVE_RECENT];
        if (first <= seq)
            break;
    }
    return first;
}

/*
 * The batch is noted before it is durable, so that nobody hears of it too early; one that fails comes again and is noted twice, which moves nothing.
 * Text that stays open for long is shown in the end: somebody who stops in the middle of a word must not stop the picture.
 */
void live_masks_hold(struct live_rec *r)
{
    const time_ms at = loop_now_ms(r->place.lane->loop);
    uint64_t hold;

    r->recent[r->n_recent++ % LIVE_RECENT] = r->parse.next_seq;
    hold = batch_of(r, r->out.open_seq);
    if (hold != r->held_seq) {
        r->held_seq = hold;
        r->held_since = at;
    }
    if (at - r->held_since >= LIVE_HELD_MS)
        hold = UINT64_MAX;
    reclog_hold(r->log, hold);
    loop_timer_cancel(&r->show);
    if (hold != UINT64_MAX)
        loop_timer_arm(&r->show, LIVE_HOLD_MS);
}

void live_masks_show(void *rec)
{
    struct live_rec *r = rec;

    reclog_show(r->log);
}

void live_masks_durable(struct live_rec *r)
{
    const struct intake_late *late;
    size_t n;

    late = intake_late(r->intake, &n);
    count_lost(r, late, n);
    count_lost(r, (const struct intake_late *) (const void *) r->carry.p, r->carry.n / sizeof(*late));
    buf_reset(&r->carry);
    r->hold_seq = batch_of(r, r->out.reach_seq);
    intake_commit(r->intake);
}

void live_masks_end(struct live_rec *r)
{
    r->intake = intake_free(r->intake);
    r->rules = mask_rules_unref(r->rules);
    buf_deinit(&r->blank_full);
    buf_deinit(&r->blank_rest);
    buf_deinit(&r->carry);
    buf_deinit(&r->carry_frame);
}
