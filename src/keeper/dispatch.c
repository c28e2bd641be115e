#include "keeper/dispatch.h"

#include <stdio.h>

#include "format/key.h"
#include "keeper/acts.h"
#include "keeper/api/api.h"
#include "keeper/idem.h"
#include "keeper/foreign.h"
#include "keeper/ingest.h"
#include "keeper/integrator.h"
#include "keeper/life.h"
#include "keeper/notice.h"
#include "keeper/ongoing.h"
#include "keeper/records.h"
#include "keeper/recovered.h"
#include "keeper/replay.h"
#include "keeper/reserve.h"
#include "keeper/session.h"
#include "keeper/ticks.h"
#include "keeper/trail.h"
#include "keeper/viewings.h"

bool dispatch_is_read(const struct cmd *c)
{
    const struct ipc_control *in = c->msg;
    const struct api_route *api;

    if (c->kind != CMD_MESSAGE || c->type != IPC_T_CONTROL || in == NULL)
        return false;
    api = api_find((enum route_id) in->route);
    return api != NULL && api->kind == API_READ;
}

/* ---- answers ---- */

static enum err send_answer(struct cmd *cmd, const struct answer *a, struct list *outs)
{
    const struct ipc_answer msg = {
        .status = a->status, .code = span_str(a->code), .detail = span_str(a->detail), .body = buf_span(&a->body),
        .content_type = span_str(a->content_type), .cache = span_str(a->cache), .etag = span_str(a->etag), .location = span_str(a->location),
        .set_token = span_str(a->set_token), .clear_token = a->clear_token, .retry_after_s = a->retry_after_s,
    };
    struct out *o = out_add(outs, OUT_ANSWER, IPC_T_ANSWER, &msg);

    if (o == NULL)
        return ERR_NOMEM;
    o->chan = cmd->chan;
    o->call = cmd->call;
    return ERR_OK;
}

/* Each call has its own kind of answer; the gate reads all of them as "no". */
void dispatch_fail(struct cmd *cmd, const char *code, struct list *outs)
{
    uint16_t status = strcmp(code, "internal") == 0 ? 500 : 503;
    const struct ipc_done done = { .status = status, .code = span_str(code) };
    const struct ipc_ingest_opened opened = { .status = status, .code = span_str(code) };
    const struct ipc_ingest_state state = { .status = status, .code = span_str(code) };
    const struct ipc_key_facts facts = { .verdict = status == 500 ? KEY_AUDIT_UNAVAILABLE : KEY_AUDIT_SPACE };
    const struct ipc_leased leased = { .verdict = facts.verdict };
    const struct answer answer = { .status = status, .code = code, .retry_after_s = status == 503 ? 1 : 0 };
    enum ipc_type type = IPC_T_NONE_;
    const void *msg = NULL;
    struct out *o;

    cmd->travels = false;
    if (cmd->kind != CMD_MESSAGE || cmd->call == 0)
        return;
    switch ((int) cmd->type) {
    case IPC_T_INGEST_OPEN: type = IPC_T_INGEST_OPENED; msg = &opened; break;
    case IPC_T_INGEST_RESUME: type = IPC_T_INGEST_STATE; msg = &state; break;
    case IPC_T_WRAP_PUT:
    case IPC_T_PIECE_PUT:
    case IPC_T_LINKS_ADD:
    case IPC_T_FOREIGN_BATCH:
    case IPC_T_RECOVER_ASK:
    case IPC_T_RECOVERED:
    case IPC_T_SETTLE: type = IPC_T_DONE; msg = &done; break;
    case IPC_T_KEY_FIRST:
    case IPC_T_KEY_AGAIN: type = IPC_T_KEY_FACTS; msg = &facts; break;
    case IPC_T_GATEWAY_ALLOWED:
    case IPC_T_LEASE: type = IPC_T_LEASED; msg = &leased; break;
    default: (void) send_answer(cmd, &answer, outs); return; /* without memory the gate's own deadline answers */
    }
    o = out_add(outs, OUT_ANSWER, type, msg);
    if (o == NULL)
        return;
    o->chan = cmd->chan;
    o->call = cmd->call;
}

/* ---- the control plane ---- */

static bool read_trees(struct job *c)
{
    if ((c->in->body.n > 0 && !tree_check(c->in->body)) || (c->in->query.n > 0 && !tree_check(c->in->query))) {
        (void) job_refuse(c, 400, "bad-json", NULL);
        return false;
    }
    c->args = tree_root(c->in->body);
    c->query = tree_root(c->in->query);
    return true;
}

static enum err sign_in(struct job *c, bool *ret_ok, struct err_info *reterr)
{
    enum session_verdict verdict = SESSION_NONE;

    TRY(session_find(c, c->in->cred_kind, c->in->cred, c->route->auth == AUTH_UPLOAD, &verdict, reterr));
    *ret_ok = verdict == SESSION_OK || c->route->auth == AUTH_NONE || c->route->auth == AUTH_HOOK;
    if (!*ret_ok)
        (void) job_refuse(c, 401, "login-needed", NULL);
    return ERR_OK;
}

/* Sign-in, then an answer given before under the same Idempotency-Key, then the signed act, then the handler. */
static enum err run_route(struct job *c, const struct api_route *api, struct err_info *reterr)
{
    bool ok, replayed = false;

    if (!read_trees(c))
        return ERR_OK;
    if (api->kind == API_WRITE && reserve_is_gone(c->core) && !reserve_lets_route(c->route->id))
        return job_refuse(c, 503, "audit-space", "The audit log has no room: only what ends something is done.");
    TRY(sign_in(c, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (api->idempotent && c->in->idem_key.n > 0)
        TRY(idem_find(c, &replayed, reterr));
    if (replayed || c->answer->code != NULL)
        return ERR_OK;
    TRY(acts_check(c, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(api->fn(c, reterr));
    if (c->step != CMD_STEP_PASSWORD) /* after which it runs again */
        TRY(acts_keep(c, reterr));
    if (api->idempotent && c->in->idem_key.n > 0 && c->step == CMD_STEP_NONE && c->answer->code == NULL)
        TRY(idem_keep(c, reterr));
    return ERR_OK;
}

/* The command leaves with what the slow step needs; for steps of the vault its records are written already. */
static enum err travel(struct job *c, struct err_info *reterr)
{
    struct out *o = NULL;

    switch (c->step) {
    case CMD_STEP_VAULT: o = out_add(c->outs, OUT_STEP, IPC_T_SIGN_KEY, c->sign); break;
    case CMD_STEP_ROTATE: o = out_add(c->outs, OUT_STEP, IPC_T_ROTATE, &c->rotate); break;
    case CMD_STEP_PASSWORD:
    case CMD_STEP_NONE: o = out_add(c->outs, OUT_STEP, IPC_T_NONE_, NULL); break;
    }
    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "slow step");
    o->step = c->step;
    o->cmd = c->cmd;
    c->cmd->travels = true;
    return ERR_OK;
}

static enum err control(struct job *c, struct err_info *reterr)
{
    const struct api_route *api = api_find((enum route_id) c->in->route);

    c->route = route_by_id((enum route_id) c->in->route);
    if (api == NULL || c->route == NULL) {
        (void) job_not_found(c);
        return send_answer(c->cmd, c->answer, c->outs);
    }
    TRY(run_route(c, api, reterr));
    if (c->step != CMD_STEP_NONE)
        return travel(c, reterr);
    if (c->answer->code == NULL && c->answer->body.failed)
        return ERR_RAISE(reterr, ERR_LIMIT, "an answer of %s is too long", c->route->name);
    TRY(records_of_call(c, api, reterr));
    if (send_answer(c->cmd, c->answer, c->outs) != ERR_OK)
        return ERR_RAISE(reterr, ERR_NOMEM, "answer");
    return ERR_OK;
}

/* ---- the vault ---- */

static enum err take_keys(struct job *c, const struct ipc_keys *in, struct err_info *reterr)
{
    struct core *core = c->core;
    struct meta_epoch newest, row = { .n = in->epoch, .pk = in->epoch_pk, .begun_ms = c->now.real };
    enum err e;

    for (uint32_t i = 0; i < in->signing.n; i++) {
        if (in->signing.rows[i].state == 1)
            (void) span_to_str(in->signing.rows[i].kid, core->kid, sizeof(core->kid)); /* "" for a kid that is none */
    }
    if (in->log_pk.n == sizeof(core->log_pk)) {
        memcpy(core->log_pk, in->log_pk.p, sizeof(core->log_pk));
        core->have_log_pk = true;
        audit_set_key(core->audit, core->log_pk);
        TRY(integrator_remember_key(c, reterr));
    }
    if (in->epoch_pk.n != sizeof(core->epoch_pk) || in->epoch == 0)
        return ERR_OK;
    core->epoch = in->epoch;
    memcpy(core->epoch_pk, in->epoch_pk.p, sizeof(core->epoch_pk));
    e = meta_epoch_newest(c->v, c->mem, &newest, reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && newest.n < (int64_t) in->epoch))
        return meta_epoch_add(c->m, &row, reterr);
    return e;
}

/* The vault tells the history of its keys to each keeper anew, so that none is lost; each is written once. */
static enum err is_news(struct job *c, enum leaf_type type, struct span kid, bool *ret, struct err_info *reterr)
{
    char name[32];
    int64_t told = 0, bit;
    enum err e;

    *ret = true;
    if (type != LEAF_SIGNING_KEY_CREATED && type != LEAF_SIGNING_KEY_ACTIVATED && type != LEAF_SIGNING_KEY_RETIRED)
        return ERR_OK;
    bit = type == LEAF_SIGNING_KEY_CREATED ? 1 : type == LEAF_SIGNING_KEY_ACTIVATED ? 2 : 4;
    (void) snprintf(name, sizeof(name), "kid.%.*s", SPAN_ARG(span_sub(kid, 0, KEY_KID_LEN)));
    e = meta_setting_get(c->v, name, NULL, &told, NULL, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    *ret = (told & bit) == 0;
    return *ret ? meta_setting_put(c->m, name, told | bit, SPAN_EMPTY, reterr) : ERR_OK;
}

static enum err take_key_event(struct job *c, const struct ipc_key_event *in, struct err_info *reterr)
{
    enum leaf_type type;
    struct leaf l;
    bool news;

    if (!leaf_type_find(in->type, &type))
        return ERR_OK;
    TRY(is_news(c, type, in->kid, &news, reterr));
    if (!news)
        return ERR_OK;
    l = trail_leaf(c, type, SPAN_EMPTY);
    l.obj = in->kid;
    l.digest = in->thumbprint.n == 32 ? job_b64(c, in->thumbprint) : in->thumbprint;
    (void) leaf_add_number(&l, "at_ms", in->at_ms);
    return trail_write(c, &l, NULL, reterr);
}

/* ---- all messages ---- */

static enum err message(struct job *c, struct err_info *reterr)
{
    const void *m = c->cmd->msg;

    switch ((int) c->cmd->type) {
    case IPC_T_CONTROL: c->in = m; return control(c, reterr);
    case IPC_T_WATCH_OPEN: return notice_watch_open(c, m, reterr);
    case IPC_T_WATCH_CLOSE: return notice_watch_close(c, m, reterr);
    case IPC_T_INGEST_OPEN: return ingest_open(c, m, reterr);
    case IPC_T_WRAP_PUT: return ingest_wrap(c, m, reterr);
    case IPC_T_PIECE_PUT: return ingest_piece(c, m, reterr);
    case IPC_T_LINKS_ADD: return foreign_links(c, m, reterr);
    case IPC_T_FOREIGN_BATCH: return foreign_batch(c, m, reterr);
    case IPC_T_END: return ingest_end(c, m, reterr);
    case IPC_T_INGEST_RESUME: return ongoing_resume(c, m, reterr);
    case IPC_T_RECOVER_ASK: return recovered_ask(c, m, reterr);
    case IPC_T_RECOVERED: return recovered_put(c, m, reterr);
    case IPC_T_KEY_FIRST: return replay_key_first(c, m, reterr);
    case IPC_T_KEY_AGAIN: return replay_key_again(c, m, reterr);
    case IPC_T_LEASE: return replay_lease(c, m, reterr);
    case IPC_T_GATEWAY_ALLOWED: return replay_gateway_allowed(c, m, reterr);
    case IPC_T_SETTLE: return replay_settle(c, m, reterr);
    case IPC_T_REFUSED: return replay_refused(c, m, reterr);
    case IPC_T_STREAM_OPEN: viewing_stream_opened(c, m); return ERR_OK;
    case IPC_T_STREAM_CLOSE: viewing_stream_closed(c, m); return ERR_OK;
    case IPC_T_KEYS: return take_keys(c, m, reterr);
    case IPC_T_KEY_EVENT: return take_key_event(c, m, reterr);
    default: return ERR_RAISE(reterr, ERR_UNSUPPORTED, "message %s is not for the keeper", ipc_name(c->cmd->type));
    }
}

enum err dispatch_run(struct core *core, struct seat *seat, struct cmd *cmd, const struct clock_reading *now,
                      struct list *outs, struct after **ret_after, struct err_info *reterr)
{
    struct job c = {
        .core = core, .seat = seat, .m = seat->reader == NULL ? core->m : NULL, .v = seat->v, .cmd = cmd,
        .mem = &cmd->mem, .outs = outs, .now = *now, .answer = &cmd->answer,
    };
    enum err e;

    cmd->travels = false;
    cmd_reset_answer(cmd);
    jsonw_init(&c.w, &cmd->answer.body);
    e = cmd->kind == CMD_MESSAGE ? message(&c, reterr) : ticks_run(&c, reterr);
    *ret_after = c.after;
    return e;
}
