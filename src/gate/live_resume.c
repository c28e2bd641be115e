/*
 * A batch or an end of a recording that this gate does not write: another process did, and is gone, or it has ended. The
 * keeper is asked once, with the first token that came; what comes meanwhile waits. A refusal is for the tokens it was given
 * to: whoever came with another one is asked for anew.
 */
#include "gate/live.h"

#include <stdio.h>

#include "base/log.h"
#include "format/wrap.h"
#include "gate/foreign.h"

static void on_state(void *ctx, enum err err, enum ipc_type type, const void *body);

/* Nobody waits, or nothing can be done for those who do. */
static void give_up(struct live_rec *r, const char *code)
{
    live_rec_refuse_all(r, code, "");
    live_rec_over(r);
}

void live_resume_ask(struct live_rec *r)
{
    struct link *keeper = r->place.lane->keeper;
    const struct live_job *j;
    struct ipc_ingest_resume m = { .rid = span_str(r->place.rid) };

    if (list_empty(&r->queue)) {
        live_rec_over(r);
        return;
    }
    j = LIST_ENTRY(r->queue.next, struct live_job, node);
    m.cred = SPAN_OF(j->cred);
    m.prefix = span_of(j->prefix, j->prefix_len);
    m.trace = span_of(j->trace, CALL_TRACE_LEN);
    if (keeper == NULL || link_call(keeper, IPC_T_INGEST_RESUME, &m, LIVE_CALL_MS, on_state, r) != ERR_OK) {
        give_up(r, "keeper-unavailable");
        return;
    }
    r->asking++;
}

/* The answer of an end that was given before: what the keeper has of it. */
static void repeat_end(struct live_job *j, const struct ipc_ingest_state *s)
{
    j->answer.kind = span_eq_str(s->kind, "rrweb") ? IMPORTER_RRWEB : IMPORTER_TERMINAL;
    j->answer.events = s->next_seq;
    j->answer.duration_us = s->last_us;
    j->answer.bytes = s->bytes;
    live_answer(j);
}

/* For the jobs that came with the token that was asked for. */
static void refuse(struct live_rec *r, const struct ipc_ingest_state *s)
{
    uint8_t cred[32];
    char code[40], detail[200];

    memcpy(cred, LIST_ENTRY(r->queue.next, struct live_job, node)->cred, sizeof(cred));
    if (span_eq_str(s->code, "conflict")) /* there is a newer gate than this one */
        (void) snprintf(code, sizeof(code), "starting");
    else if (!span_to_str(s->code, code, sizeof(code)))
        (void) snprintf(code, sizeof(code), "internal");
    if (!span_to_str(s->detail, detail, sizeof(detail)))
        detail[0] = '\0';
    LIST_FOREACH(n, &r->queue)
    {
        struct live_job *j = LIST_ENTRY(n, struct live_job, node);

        if (memcmp(j->cred, cred, sizeof(cred)) != 0)
            continue;
        if (s->secret.n > 0 && j->page && !secret_equal_span(s->secret, span_str(j->secret)))
            live_answer_code(j, "recording-secret", "");
        else if (j->what == LIVE_END && strcmp(code, "recording-ended") == 0)
            repeat_end(j, s);
        else
            live_answer_code(j, code, detail);
    }
}

static enum err take_over(struct live_rec *r, const struct ipc_ingest_state *s, const char **ret_code, struct err_info *reterr)
{
    const char *code;
    bool keep = false;
    const struct live_job *first = list_empty(&r->queue) ? NULL : LIST_ENTRY(r->queue.next, struct live_job, node);
    struct live_place at = { .rid = "" };
    struct seal_params from = {
        .store = r->gate->store, .kind = span_eq_str(s->kind, "rrweb") ? IMPORTER_RRWEB : IMPORTER_TERMINAL, .resumed = true,
        .kn = s->next_kn, .next_seg = s->next_seg, .next_chunk = s->next_chunk, .next_seq = s->next_seq, .bytes = s->bytes,
        .last_us = s->last_us, .rid = span_str(r->place.rid), .times = { s->time_kind, s->time_base_us },
    };

    if (!span_to_str(s->pid, at.pid, sizeof(at.pid)) || !span_to_str(s->tid, at.tid, sizeof(at.tid)) ||
        !span_to_str(s->secret, at.secret, sizeof(at.secret)))
        return ERR_RAISE(reterr, ERR_INVAL, "ids that are none");
    if (first != NULL && (first->page || (first->foreign != NULL && first->foreign->browser)))
        live_source_name(at.source, span_of(first->prefix, first->prefix_len));
    live_table_name(&r->gate->live_recs, r, &at);
    from.project = span_str(r->place.pid);
    r->kn = s->next_kn;
    r->epoch = s->epoch;
    r->put_batch = s->next_batch;
    r->put_bytes = s->bytes;
    r->parse = batch_state_resume(from.kind, s->next_seq, s->last_us, s->bytes, from.times);
    r->told_times = s->time_kind;
    r->kind = from.kind;
    live_masks_resume(r, s->next_seg);
    code = live_masks_begin(r, /* lost= */ true, &keep);
    if (code != NULL) {
        *ret_code = code;
        return ERR_RAISE(reterr, ERR_AGAIN, "no masking rules");
    }
    TRY(uploader_keys_make(from.rid, from.project, s->epoch, s->epoch_pk, keep, &r->keys, reterr));
    return live_rec_open(r, s->next_batch, &from, reterr);
}

static void resume(struct live_rec *r, const struct ipc_ingest_state *s)
{
    struct err_info why = { 0 };
    struct list waiting, *n;
    const char *code = "overloaded";

    if (take_over(r, s, &code, &why) != ERR_OK) {
        log_err(LOG_ERROR, "live.not-resumed", &why);
        give_up(r, code);
        return;
    }
    log_event(LOG_INFO, "live.resumed", LOG_STR("rid", r->place.rid), LOG_INT("kn", r->kn));
    live_send_wrap(r);
    foreign_restore(r, s);
    list_init(&waiting);
    while ((n = list_pop(&r->queue)) != NULL)
        list_append(&waiting, n);
    r->n_queued = 0;
    r->last_batch = loop_now_ms(r->place.lane->loop);
    live_seal_consider(r);
    while ((n = list_pop(&waiting)) != NULL) /* in the order they came */
        live_rec_take(r, LIST_ENTRY(n, struct live_job, node));
}

static void on_state(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;
    const struct ipc_ingest_state *s = body;

    r->asking--;
    if (live_rec_settle(r))
        return;
    if (err != ERR_OK || type != IPC_T_INGEST_STATE) {
        give_up(r, "keeper-unavailable");
    } else if (s->code.n > 0) {
        refuse(r, s);
        r->n_queued = 0;
        LIST_FOREACH(n, &r->queue)
        {
            (void) n;
            r->n_queued++;
        }
        live_resume_ask(r);
    } else {
        resume(r, s);
    }
}
