/*
 * What an older sanitiser made, or none, is cleaned again before it is served (STANDARDS 5.3 rule 1): segments whose stamp is
 * below ours, and what recovery kept of a log, which has none. Nothing is known of the events before a chunk: of an older segment
 * everything is taken for everything until its first full snapshot. What recovery kept passed a sanitiser with all it needed to
 * know; it goes by its own events, so that clean ones stay as they are.
 */
#include "gate/reader_int.h"

#include <stdlib.h>

#include "codec/sanitize.h"
#include "crypto/secret.h"

bool piece_is_clean(const struct piece *p)
{
    return p->reader->terminal ||
           (p->kind == KHSEG_KIND && p->index != NULL && segment_info(p->index)->clean >= SANITIZE_VERSION);
}

static enum err clean_lines(struct sanitize *s, struct span events, struct buf *out, struct err_info *reterr)
{
    struct span line, now;

    while (span_cut(events, '\n', &line, &events)) {
        TRY(sanitize_event(s, line, &now, reterr));
        buf_add_span(out, now);
        buf_add_c(out, '\n');
    }
    return buf_check(out, reterr);
}

enum err clean_events(struct run *x, const struct piece *p, struct buf *io)
{
    struct sanitize *s = malloc(sizeof(*s));
    struct buf out = BUF_INIT(io->max);
    enum err e;

    if (s == NULL)
        return ERR_RAISE(x->reterr, ERR_NOMEM, "sanitiser");
    sanitize_init(s, SEGMENT_EVENT_MAX);
    if (p->kind == KHSEG_KIND)
        s->state = sanitize_state_unknown();
    e = clean_lines(s, buf_span(io), &out, x->reterr);
    sanitize_deinit(s);
    free(s);
    if (e == ERR_OK) {
        struct buf before = *io;

        *io = out;
        out = before;
    }
    if (out.p != NULL)
        secret_wipe(out.p, out.cap);
    buf_deinit(&out);
    return e;
}
