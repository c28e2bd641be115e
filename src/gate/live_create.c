/*
 * POST /v1/recordings: the body is read here, the keeper makes the recording, this loop becomes its owner: a key of its own,
 * sealed for the vault, and the head as the first record of the log. 201 when that is durable.
 * A client that has gone before the keeper answered: the recording is forgotten again, nobody knows its name.
 */
#include "gate/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "codec/jsonw.h"
#include "crypto/hash.h"
#include "format/wrap.h"
#include "gate/cors.h"
#include "gate/live_form.h"

#define IDEM_MAX 128

struct create {
    struct credential cred;
    bool public;
    struct buf body, tree;
    uint64_t charged; /* of the body: gate_body_take */
    struct live_form form;
};

/* ---- the answer ---- */

/* secret: for a public token; empty: another one needs none. */
static void created(struct call *c, const char *rid, const char *pid, const char *secret)
{
    struct buf b = BUF_INIT(512);
    char location[64];
    struct http_header at = { SPAN("location"), SPAN_EMPTY };
    struct jsonw w;

    (void) snprintf(location, sizeof(location), "/v1/recordings/%s", rid);
    at.value = span_str(location);
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "id", rid);
    jsonw_kcstr(&w, "project", pid);
    jsonw_kint(&w, "next_batch", 0);
    if (secret[0] != '\0')
        jsonw_kcstr(&w, "secret", secret);
    jsonw_obj_end(&w);
    call_respond(c, 201, "application/json", &at, 1, buf_span(&b));
    buf_deinit(&b);
}

void live_created(struct call *c, const struct live_rec *r)
{
    created(c, r->place.rid, r->place.pid, r->place.source[0] != '\0' ? r->place.secret : "");
}

/* ---- a beginning that is taken back ---- */

static void on_forgotten(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;

    (void) type;
    (void) body;
    if (err != ERR_OK) /* the keeper ends what nobody writes */
        log_event(LOG_WARN, "live.not-forgotten", LOG_STR("rid", r->place.rid));
    r->asking--;
    (void) live_rec_settle(r);
}

void live_create_forget(struct live_rec *r)
{
    const struct ipc_end end = { .rid = span_str(r->place.rid), .ok = 0, .live = 1,
                                 .trace = SPAN("00000000000000000000000000000000") };
    struct link *keeper = r->place.lane->keeper;

    r->state = LIVE_OVER;
    if (keeper != NULL && link_call(keeper, IPC_T_END, &end, LIVE_CALL_MS, on_forgotten, r) == ERR_OK)
        r->asking++;
    live_rec_refuse_all(r, "not-found", "");
    live_rec_over(r);
}

/* ---- what the keeper made ---- */

enum err live_create_begin(struct live_rec *r, const struct ipc_ingest_opened *a, enum importer_kind kind,
                           const char **ret_code, struct err_info *reterr)
{
    const struct seal_params from = { .store = r->gate->store, .project = span_str(r->place.pid), .rid = span_str(r->place.rid),
                                      .kind = kind };

    const char *code;
    bool keep = false;

    r->epoch = a->epoch;
    r->kind = kind;
    r->parse = batch_state_new(kind);
    code = live_masks_begin(r, /* lost= */ false, &keep);
    if (code != NULL) {
        *ret_code = code;
        return ERR_RAISE(reterr, ERR_AGAIN, "no masking rules");
    }
    TRY(uploader_keys_make(from.rid, from.project, a->epoch, a->epoch_pk, keep, &r->keys, reterr));
    return live_rec_open(r, 0, &from, reterr);
}

static void refuse_keepers(struct call *c, const struct ipc_ingest_opened *a)
{
    char code[40], detail[400];

    if (!span_to_str(a->code, code, sizeof(code)) || !span_to_str(a->detail, detail, sizeof(detail)))
        (void) snprintf(code, sizeof(code), "internal");
    live_problem(c, code, detail);
}

static void opened(struct call *c, const struct ipc_ingest_opened *a)
{
    struct create *k = c->state;
    struct lane *l = c->lane;
    struct live_rec *r = live_rec_new(l, a->rid);
    const char *code = "overloaded";
    struct err_info why = { 0 };
    enum err e = r == NULL ? ERR_NOMEM : ERR_OK;

    if (r == NULL || !span_to_str(a->pid, r->place.pid, sizeof(r->place.pid)) ||
        !span_to_str(a->tid, r->place.tid, sizeof(r->place.tid)) ||
        !span_to_str(a->secret, r->place.secret, sizeof(r->place.secret))) {
        call_problem(c, "overloaded", "");
        if (r != NULL)
            live_rec_over(r);
        return;
    }
    if (k->public)
        live_source_name(r->place.source, call_prefix(c));
    live_tokens_learn(&l->gate->tokens, k->cred.sha256, a->tid, a->pid);
    e = live_table_add(&l->gate->live_recs, r, gate_settings(l->gate)->max_open);
    if (e == ERR_OK)
        e = live_create_begin(r, a, k->form.kind, &code, &why);
    if (e != ERR_OK || c->ex == NULL || l->closing) {
        if (e != ERR_OK && e != ERR_LIMIT)
            log_err(LOG_ERROR, "live.not-begun", &why);
        call_problem(c, e == ERR_LIMIT ? "too-many-open" : code, "");
        live_create_forget(r);
        return;
    }
    live_send_wrap(r);
    live_seal_consider(r);
    if (k->form.head.n == 0) {
        live_created(c, r);
        return;
    }
    r->creator = call_ref(c);
    live_rec_head(r, k->form.head);
}

/* The same Idempotency-Key made it: whoever asks again did not hear the answer. */
static void begun_before(struct call *c, const struct ipc_ingest_opened *a)
{
    const struct create *k = c->state;
    char rid[ID_CAP], pid[ID_CAP], secret[LIVE_SECRET_CAP];

    if (span_to_str(a->rid, rid, sizeof(rid)) && span_to_str(a->pid, pid, sizeof(pid)) &&
        span_to_str(k->public ? a->secret : SPAN_EMPTY, secret, sizeof(secret)))
        created(c, rid, pid, secret);
    else
        call_problem(c, "internal", "");
}

static void on_opened(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct call *c = ctx;
    const struct ipc_ingest_opened *a = body;

    if (err != ERR_OK || type != IPC_T_INGEST_OPENED)
        call_problem(c, "keeper-unavailable", "");
    else if (a->code.n > 0)
        refuse_keepers(c, a);
    else if (a->again)
        begun_before(c, a);
    else
        opened(c, a);
    call_unref(c);
}

/* ---- the question ---- */

static void answer_mistakes(struct call *c, const struct field_errors *errs)
{
    struct buf members = BUF_INIT(16 << 10);
    struct problem p = { .code = SPAN("invalid") };
    struct jsonw w;

    jsonw_init(&w, &members);
    jsonw_obj(&w);
    jsonw_karr(&w, "errors");
    for (size_t i = 0; i < errs->n; i++) {
        const struct field_error *e = &errs->items[i];

        jsonw_obj(&w);
        jsonw_kcstr(&w, "at", e->at);
        jsonw_kcstr(&w, "code", field_code_name(e->code));
        if (e->limit != FIELD_NO_LIMIT)
            jsonw_kint(&w, "limit", e->limit);
        if (e->detail[0] != '\0')
            jsonw_kcstr(&w, "detail", e->detail);
        jsonw_obj_end(&w);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    p.members = buf_span(&members);
    call_problem_full(c, &p, NULL, 0);
    buf_deinit(&members);
}

/* False: answered. */
static bool read_form(struct call *c)
{
    struct create *k = c->state;
    struct json_limits limits = json_limits_control(c->lane->gate->hash_secret);
    struct field_errors errs;
    struct json_error e;

    if (!json_parse(buf_span(&k->body), &limits, &k->tree, &e)) {
        char detail[300];

        (void) snprintf(detail, sizeof(detail), "Line %llu, column %llu: %s.", (unsigned long long) e.line,
                        (unsigned long long) e.column, e.text);
        call_problem(c, "bad-json", detail);
        return false;
    }
    if (live_form_read(buf_span(&k->body), tree_root(buf_span(&k->tree)), &k->form, &errs))
        return true;
    answer_mistakes(c, &errs);
    return false;
}

static void on_body_end(struct call *c)
{
    struct create *k = c->state;
    struct lane *l = c->lane;
    uint8_t digest[SHA256_LEN];

    if (c->answered || !read_form(c))
        return;
    k->form.open.cred_kind = (uint8_t) k->cred.kind;
    k->form.open.cred = SPAN_OF(k->cred.sha256);
    k->form.open.prefix = call_prefix(c);
    k->form.open.trace = span_of(c->trace, CALL_TRACE_LEN);
    (void) http_head_get(exchange_head(c->ex), "idempotency-key", &k->form.open.idem_key);
    sha256(buf_span(&k->body), digest);
    k->form.open.body_sha256 = SPAN_OF(digest);
    if (k->form.open.idem_key.n > IDEM_MAX) {
        call_problem(c, "bad-request", "Idempotency-Key has at most 128 characters.");
        return;
    }
    if (live_keeper_away(l) ||
        link_call(l->keeper, IPC_T_INGEST_OPEN, &k->form.open, LIVE_CALL_MS, on_opened, c) != ERR_OK)
        call_problem(c, "keeper-unavailable", "");
    else
        (void) call_ref(c);
}

static void on_body(struct call *c, struct span bytes)
{
    struct create *k = c->state;

    if (c->answered)
        return;
    if (gate_body_take(c->lane->gate, &k->charged, bytes.n)) {
        buf_add_span(&k->body, bytes);
        return;
    }
    call_problem(c, "overloaded", "Too many large bodies are on their way.");
    secret_wipe(k->body.p, k->body.cap);
    buf_deinit(&k->body);
    gate_body_give(c->lane->gate, &k->charged);
}

static void on_free(struct call *c)
{
    struct create *k = c->state;

    if (k == NULL)
        return;
    if (k->body.p != NULL)
        secret_wipe(k->body.p, k->body.cap);
    if (k->tree.p != NULL)
        secret_wipe(k->tree.p, k->tree.cap);
    gate_body_give(c->lane->gate, &k->charged);
    buf_deinit(&k->body);
    buf_deinit(&k->tree);
    free(k);
    c->state = NULL;
}

static const struct call_ops ops = { .on_body = on_body, .on_body_end = on_body_end, .on_free = on_free };

/* What a page may send without being asked first (no preflight). */
static bool is_text(struct span type)
{
    struct span name, rest;

    (void) span_cut(type, ';', &name, &rest);
    return span_eq_nocase(span_trim(name), "text/plain");
}

/*
 * Whom the gate can refuse by itself. False: answered. A public token has to be known here: only then is it known which
 * pages may use it.
 */
static bool check(struct call *c, struct credential *cred)
{
    struct gate *g = c->lane->gate;
    const unsigned max = gate_settings(g)->max_open;
    char source[LIVE_SOURCE_CAP] = "";
    enum live_token_verdict known;
    struct live_token t;
    struct span type;
    bool public;

    if (!uploader_credential(c, cred, "Send an ingest token in Authorization."))
        return false;
    public = uploader_is_browser(cred->token);
    if (public)
        live_source_name(source, call_prefix(c));
    known = live_tokens_find(&g->tokens, TOKEN_INGEST, cred->sha256, &t);
    if (!uploader_is_ingest(cred) || known == LIVE_TOKEN_OVER || (public && known == LIVE_TOKEN_UNKNOWN))
        call_problem(c, "login-needed", "This is no ingest token, or it is not valid any more.");
    else if (live_keeper_away(c->lane) || (public && known == LIVE_TOKEN_UNSURE))
        call_problem(c, "keeper-unavailable", "");
    else if (!http_head_get(exchange_head(c->ex), "content-type", &type) || !(http_is_json(type) || (public && is_text(type))))
        call_problem(c, "unsupported-media-type", "");
    else if (live_space_low(g))
        live_problem(c, "ingest-space", "");
    else if (known == LIVE_TOKEN_OK && !live_table_room(&g->live_recs, t.tid, source, max))
        call_problem(c, "too-many-open", "");
    else
        return known != LIVE_TOKEN_OK || cors_may_begin(c, &t);
    return false;
}

void live_create(struct call *c)
{
    const uint64_t max = gate_settings(c->lane->gate)->body_bytes;
    struct credential cred;
    struct create *k;

    if (!check(c, &cred))
        return;
    k = calloc(1, sizeof(*k));
    if (k == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    k->cred = cred;
    k->public = uploader_is_browser(cred.token);
    buf_init(&k->body, max);
    buf_init(&k->tree, 4 * max + (1 << 20));
    c->state = k;
    c->ops = &ops;
    if (exchange_accept_body(c->ex, max) != ERR_OK)
        call_problem(c, "too-large", "The body is over the limit of the control plane (limits.body).");
}
