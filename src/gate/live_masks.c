/*
 * Masking of a live recording: the rules of its project, the stage that applies them (codec/intake), the reveal track's frames
 * of each batch, and what turned out too late to belong to a match.
 *
 * Rules are looked up at each batch: a change counts from the next one on. A recording that began without a reveal key keeps no
 * originals, whatever the rules say later; one that has a key writes `0` for all events while the rules drop them.
 */
#include "gate/live.h"

#include <stdlib.h>

#include "format/zframe.h"

#define BLANKS_MAX (BATCH_FRAME_MAX / 2) /* lines of `0` in one frame */
#define LATE_MAX   16384                 /* marks that wait for their seal: more are forgotten, the oldest first */

static bool keeps(const struct live_rec *r)
{
    return r->keys.of[1].rk != NULL;
}

/* ---- rules ---- */

static bool renew(struct live_rec *r, struct mask_rules *rules, bool lost)
{
    struct intake *fresh = intake_new(r->kind, rules, BATCH_EVENT_MAX);

    if (fresh == NULL) {
        (void) mask_rules_unref(rules);
        return false;
    }
    if (lost)
        intake_lost(fresh);
    (void) mask_rules_unref(r->rules);
    (void) intake_free(r->intake);
    r->rules = rules;
    r->intake = fresh;
    return true;
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
            out[i] = (struct reclog_frame){ f->zstd, f->first_seq, f->n_events, f->head, 1 };
            continue;
        }
        out[i] = (struct reclog_frame){ buf_span(left >= BLANKS_MAX ? &r->blank_full : &r->blank_rest), seq,
                                        (uint32_t) (left >= BLANKS_MAX ? BLANKS_MAX : left), false, 1 };
        seq += out[i].n_events;
    }
    return ERR_OK;
}

/* ---- late marks ---- */

static void forget_late(struct live_rec *r, size_t n)
{
    memmove(r->late, r->late + n, (r->n_late - n) * sizeof(*r->late));
    r->n_late -= n;
}

void live_masks_durable(struct live_rec *r)
{
    size_t n;
    const struct intake_late *late = intake_late(r->intake, &n);
    struct intake_late *more;

    n = n > INTAKE_LATE_MAX ? INTAKE_LATE_MAX : n;
    if (n > 0 && r->n_late + n > LATE_MAX)
        forget_late(r, r->n_late + n - LATE_MAX);
    more = n == 0 ? NULL : realloc(r->late, (r->n_late + n) * sizeof(*more));
    if (more != NULL) {
        r->late = more;
        memcpy(r->late + r->n_late, late, n * sizeof(*more));
        r->n_late += n;
    }
    intake_commit(r->intake);
}

bool live_masks_seal(struct live_rec *r)
{
    struct seal_job *s = &r->sealed;

    free(r->sealing_late);
    r->sealing_late = NULL;
    s->late = NULL;
    s->n_late = 0;
    if (r->n_late == 0)
        return true;
    r->sealing_late = malloc(r->n_late * sizeof(*r->late));
    if (r->sealing_late == NULL)
        return false;
    memcpy(r->sealing_late, r->late, r->n_late * sizeof(*r->late));
    s->late = r->sealing_late;
    s->n_late = r->n_late;
    return true;
}

void live_masks_sealed(struct live_rec *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n_late; i++) {
        if (r->late[i].seq >= r->sealed_seq)
            r->late[kept++] = r->late[i];
    }
    r->n_late = kept;
}

void live_masks_end(struct live_rec *r)
{
    r->intake = intake_free(r->intake);
    r->rules = mask_rules_unref(r->rules);
    buf_deinit(&r->blank_full);
    buf_deinit(&r->blank_rest);
    free(r->late);
    free(r->sealing_late);
    r->late = r->sealing_late = NULL;
    r->n_late = 0;
}
