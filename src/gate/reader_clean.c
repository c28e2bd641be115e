/*
<<<<<<< HEAD
 * What an older sanitiser made, or none, is cleaned again before it is served (STANDARDS 5.3 rule 1): segments whose stamp is
 * below ours, and what recovery kept of a log, which has none. Nothing is known of the events before a chunk, so everything is
 * taken for everything until its first full snapshot.
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

enum err clean_events(struct run *x, struct buf *io)
{
    struct sanitize *s = malloc(sizeof(*s));
    struct buf out = BUF_INIT(io->max);
    enum err e;

    if (s == NULL)
        return ERR_RAISE(x->reterr, ERR_NOMEM, "sanitiser");
    sanitize_init(s, SEGMENT_EVENT_MAX);
    s->state = sanitize_state_unknown();
    e = clean_lines(s, buf_span(io), &out, x->reterr);
    sanitize_deinit(s);
    free(s);
    if (e == ERR_OK) {
        struct buf before = *io;

        *io = out;
        out = before;
=======
 * rrweb that was stored by an older sanitiser than ours, or before there was one: each event goes through ours before it is served.
 *
 * A segment says which one it passed. What numbers of elements mean is not known in the middle of a recording: old segments are
 * judged strictly. KHSPL1 has no stamp; it was taken in by a process of this or an older version, so it goes through with no
 * such strictness, which leaves clean events as they are. The tail was taken in by this process.
 */
#include "gate/reader_int.h"

#include "codec/sanitize.h"
#include "crypto/secret.h"

bool piece_dirty(const struct piece *p)
{
    if (p->reader->terminal)
        return false;
    return p->kind != KHSEG_KIND || segment_info(p->index)->clean < SANITIZE_VERSION;
}

/* What is refused today keeps its place and time. */
static void refused(struct span line, struct buf *out)
{
    struct json_value v;

    buf_add_str(out, "{\"type\":5,\"data\":{\"tag\":\"keyhole/refused\",\"payload\":{}}");
    if (json_find(json_value(line), "timestamp", &v) && v.type == JSON_NUMBER) {
        buf_add_str(out, ",\"timestamp\":");
        buf_add_span(out, v.raw);
    }
    buf_add_c(out, '}');
}

enum err clean_events(struct run *x, const struct piece *p, struct buf *io)
{
    struct buf out = BUF_INIT(io->max);
    struct span rest = buf_span(io), line, clean;
    struct sanitize s;
    enum err e;

    if (!piece_dirty(p))
        return ERR_OK;
    sanitize_init(&s, SEGMENT_EVENT_MAX);
    if (p->kind == KHSEG_KIND)
        s.state = sanitize_state_unknown();
    while (span_cut(rest, '\n', &line, &rest)) {
        if (sanitize_event(&s, line, &clean, NULL) == ERR_OK)
            buf_add_span(&out, clean);
        else
            refused(line, &out);
        buf_add_c(&out, '\n');
    }
    sanitize_deinit(&s);
    e = buf_check(&out, x->reterr);
    if (e == ERR_OK) {
        struct buf old = *io;

        *io = out;
        out = old;
        x->ret->meta.raw = (uint32_t) io->n;
>>>>>>> 1aceb1c (gate: rrweb of an older sanitiser goes through ours before it is served)
    }
    if (out.p != NULL)
        secret_wipe(out.p, out.cap);
    buf_deinit(&out);
    return e;
}
