/* The control plane: body -> tree -> keeper -> answer. What a person may do is the keeper's to say. */
#include "gate/handlers.h"

#include <stdio.h>
#include <stdlib.h>

#include "access/policy.h"
#include "codec/mask.h"
#include "codec/confuse.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/hook.h"
#include "gate/proof.h"

#define ANSWER_MS        30000
#define HOOK_HEADERS_MAX 24
#define ACT_MAX          200 /* <iat>.<86 characters>, and room */

struct control {
    struct credential cred;
    struct proof proof;       /* of a login or an issue; jkt empty: none came */
    struct buf body;
    struct buf query;
    struct buf tree;
    uint64_t charged;         /* of the body: gate_body_take */
    enum err policy_err;      /* of reading a policy text in a worker */
    struct err_info why;
};

static void control_free(struct call *c)
{
    struct control *k = c->state;

    if (k == NULL)
        return;
    if (k->body.p != NULL)
        secret_wipe(k->body.p, k->body.cap); /* passwords pass through here */
    if (k->tree.p != NULL)
        secret_wipe(k->tree.p, k->tree.cap);
    gate_body_give(c->lane->gate, &k->charged);
    buf_deinit(&k->body);
    buf_deinit(&k->query);
    buf_deinit(&k->tree);
    free(k);
    c->state = NULL;
}

/* ---- the answer ---- */

static void set_cookie(const struct call *c, struct span token, bool clear, char out[400])
{
    const struct gate_settings *s = gate_settings(c->lane->gate);

    (void) snprintf(out, 400, "%s=%.*s; Path=/;%s HttpOnly; SameSite=Strict%s", credential_cookie_name(s),
                    SPAN_ARG(token), s->https ? " Secure;" : "", clear ? "; Max-Age=0" : "");
}

static void write_problem(struct call *c, const struct ipc_answer *m, const struct http_header *headers, size_t n)
{
    char detail[1000];
    struct problem p = { .code = m->code, .members = m->body, .retry_after_s = (int) m->retry_after_s };
    struct http_header all[CALL_HEADERS_MAX];

    (void) span_to_str(span_sub(m->detail, 0, sizeof(detail) - 1), detail, sizeof(detail));
    p.detail = detail;
    memcpy(all, headers, n * sizeof(*headers));
    if (m->retry_after_s == 0 && (m->status == 429 || m->status == 503)) {
        p.retry_after_s = 2;
        all[n++] = (struct http_header){ SPAN("retry-after"), SPAN("2") };
    }
    if (m->status == 401)
        all[n++] = (struct http_header){ SPAN("www-authenticate"),
                                         span_eq_str(m->code, "key-binding") ? SPAN(PROOF_CHALLENGE)
                                                                             : SPAN("Bearer realm=\"keyhole\"") };
    call_problem_full(c, &p, all, n);
}

static void on_answer(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct call *c = ctx;
    const struct ipc_answer *m = body;
    struct http_header headers[7];
    char cookie[400], retry[16], mime[128];
    size_t n = 0;

    if (c->ex == NULL) {
        call_unref(c);
        return;
    }
    if (err != ERR_OK || type != IPC_T_ANSWER) {
        call_problem(c, "keeper-unavailable", "The answer did not come. Nothing tells whether the change was made: look.");
        call_unref(c);
        return;
    }
    if (m->etag.n > 0)
        headers[n++] = (struct http_header){ SPAN("etag"), m->etag };
    if (m->location.n > 0)
        headers[n++] = (struct http_header){ SPAN("location"), m->location };
    if (m->set_token.n > 0 || m->clear_token) {
        set_cookie(c, m->set_token, m->clear_token, cookie);
        headers[n++] = (struct http_header){ SPAN("set-cookie"), span_str(cookie) };
    }
    if (m->cache.n > 0)
        headers[n++] = (struct http_header){ SPAN("cache-control"), m->cache };
    if (m->retry_after_s > 0) {
        (void) snprintf(retry, sizeof(retry), "%u", m->retry_after_s);
        headers[n++] = (struct http_header){ SPAN("retry-after"), span_str(retry) };
    }
    if (m->code.n > 0) {
        write_problem(c, m, headers, n);
    } else {
        if (!span_to_str(m->content_type.n > 0 ? m->content_type : SPAN("application/json"), mime, sizeof(mime)))
            mime[0] = '\0';
        call_respond(c, m->status, m->status == 204 ? NULL : mime, headers, n, m->body);
    }
    call_unref(c);
}

/* ---- the question ---- */

/* What a signature is checked with: these headers as they came, each as often as it came, and no others. */
static uint32_t take_headers(const struct http_head *h, struct ipc_row_tag rows[HOOK_HEADERS_MAX])
{
    uint32_t n = 0;

    for (size_t i = 0; i < h->n_headers; i++) {
        for (const char *const *name = hook_header_names; *name != NULL && n < HOOK_HEADERS_MAX; name++) {
            if (span_eq_nocase(h->headers[i].name, *name))
                rows[n++] = (struct ipc_row_tag){ span_str(*name), h->headers[i].value };
        }
    }
    return n;
}

static void ask(struct call *c)
{
    struct control *k = c->state;
    const struct http_head *h = exchange_head(c->ex);
    const struct net_addr *client = &exchange_client(c->ex)->client;
    uint8_t digest[32];
    struct span origin;
    struct ipc_row_tag headers[HOOK_HEADERS_MAX];
    struct ipc_control m = {
        .route = (uint16_t) c->route->id,
        .id1 = c->params[0],
        .id2 = c->params[1],
        .query = buf_span(&k->query),
        .cred_kind = (uint8_t) k->cred.kind,
        .cred = k->cred.kind == CRED_NONE ? SPAN_EMPTY : SPAN_OF(k->cred.sha256),
        .body = buf_span(&k->tree),
        .body_sha256 = SPAN_OF(digest),
        .prefix = call_prefix(c),
        .addr = span_of(client->b, client->family == 4 ? 4 : client->family == 6 ? 16 : 0),
        .proof_jkt = span_str(k->proof.jkt),
        .proof_pub = k->proof.jkt[0] == '\0' ? SPAN_EMPTY : SPAN_OF(k->proof.pub),
        .trace = span_of(c->trace, CALL_TRACE_LEN),
    };

    if (c->route->auth == AUTH_HOOK) {
        m.raw = buf_span(&k->body);
        m.headers.rows = headers;
        m.headers.n = take_headers(h, headers);
    }
    sha256(buf_span(&k->body), digest);
    (void) http_head_get(h, "idempotency-key", &m.idem_key);
    (void) http_head_get(h, "if-match", &m.if_match);
    (void) http_head_get(h, "keyhole-act", &m.act);
    m.browser = http_head_get(h, "origin", &origin);
    m.client = m.browser ? SPAN("web") : SPAN("cli");
    if (m.idem_key.n > 128 || m.if_match.n > 128) {
        call_problem(c, "bad-request", "Idempotency-Key and If-Match have at most 128 characters.");
        return;
    }
    if (m.act.n > ACT_MAX || http_head_count(h, "keyhole-act") > 1) {
        call_problem(c, "bad-request", "There may be one Keyhole-Act, of at most 200 characters.");
        return;
    }
    if (c->lane->keeper == NULL || link_call(c->lane->keeper, IPC_T_CONTROL, &m, ANSWER_MS, on_answer, call_ref(c)) !=
                                       ERR_OK) {
        if (c->lane->keeper != NULL)
            call_unref(c);
        call_problem(c, "keeper-unavailable", "");
    }
}

static void bad_json(struct call *c, const struct json_error *e)
{
    char detail[300], members[200];
    struct problem p = { .code = SPAN("bad-json"), .detail = detail };

    (void) snprintf(detail, sizeof(detail), "Line %llu, column %llu: %s.", (unsigned long long) e->line,
                    (unsigned long long) e->column, e->text);
    (void) snprintf(members, sizeof(members), "{\"line\":%llu,\"offset\":%llu,\"cause\":\"%s\"}",
                    (unsigned long long) e->line, (unsigned long long) e->offset, json_cause_name(e->cause));
    p.members = span_str(members);
    call_problem_full(c, &p, NULL, 0);
}

/* ---- a policy's or masking rules' text: read here, in a worker; the keeper gets the tree beside the text ---- */

static bool has_mask_text(const struct route *r)
{
    return r->id == ROUTE_mask_put || r->id == ROUTE_masks_test;
}

/* Appends the text's tree as member "tree". */
static enum err add_policy(const struct route *route, struct span text, struct buf *out, struct err_info *reterr)
{
    const struct confuse_source source = { .name = "policy", .text = text, .max_bytes = 64 << 10 };
    struct buf tree = BUF_INIT(1u << 20);
    enum err e = has_mask_text(route) ? mask_rules_parse(text, &tree, reterr)
                                      : confuse_load(&source, policy_schema, &tree, reterr);

    if (e == ERR_OK) {
        struct tree root = tree_root(buf_span(&tree));

        buf_u8(out, (uint8_t) root.tag);
        buf_lp4(out, SPAN("tree"));
        buf_lp4(out, root.payload);
    }
    buf_deinit(&tree);
    return e;
}

static void read_policy(void *arg)
{
    struct call *c = arg;
    struct control *k = c->state;
    struct buf out = BUF_INIT(2u << 20);
    struct tree root = tree_root(buf_span(&k->tree));
    struct span at = root.payload, text = SPAN_EMPTY;
    struct tree child;
    size_t mark;

    if (!tree_get_str(root, "text", &text))
        return; /* the keeper says what is missing */
    mark = tree_begin(&out, SPAN_EMPTY, TREE_OBJ);
    while (tree_next(&at, &child)) {
        if (span_eq_str(child.key, "tree"))
            continue; /* only what was read here counts */
        buf_u8(&out, (uint8_t) child.tag);
        buf_lp4(&out, child.key);
        buf_lp4(&out, child.payload);
    }
    k->policy_err = add_policy(c->route, text, &out, &k->why);
    tree_end(&out, mark);
    if (k->policy_err == ERR_OK && !out.failed) {
        buf_deinit(&k->tree);
        k->tree = out;
    } else {
        buf_deinit(&out);
    }
}

/* The reader says "policy:LINE: cause", or "masks:LINE: cause". */
static void bad_policy(struct call *c, const struct err_info *why)
{
    struct problem p = { .code = has_mask_text(c->route) ? SPAN("masks-invalid") : SPAN("policy-invalid"), .detail = why->text };
    struct buf members = BUF_INIT(4096);
    unsigned line;
    int at = 0;
    struct jsonw w;

    if (sscanf(why->text, "%*[a-z]:%u: %n", &line, &at) == 1 && at > 0) {
        jsonw_init(&w, &members);
        jsonw_obj(&w);
        jsonw_kint(&w, "line", line);
        jsonw_kcstr(&w, "cause", why->text + at);
        jsonw_obj_end(&w);
        p.members = buf_span(&members);
    }
    call_problem_full(c, &p, NULL, 0);
    buf_deinit(&members);
}

static void policy_read_done(void *arg)
{
    struct call *c = arg;
    struct control *k = c->state;

    if (c->ex != NULL && k->policy_err != ERR_OK) {
        bad_policy(c, &k->why);
    } else if (c->ex != NULL) {
        ask(c);
    }
    call_unref(c);
}

static bool has_policy_text(const struct route *r)
{
    return r->id == ROUTE_policy_propose || r->id == ROUTE_policy_test || r->id == ROUTE_policy_dry_run;
}

static void on_body_end(struct call *c)
{
    struct control *k = c->state;
    const struct http_head *h = exchange_head(c->ex);
    struct json_limits limits = json_limits_control(c->lane->gate->hash_secret);
    struct json_error e;
    struct span type;

    if (c->answered)
        return;
    if (c->route->auth == AUTH_HOOK)
        limits.string = HOOK_BODY_MAX; /* texts of tickets are long */
    if (k->body.failed) {
        call_problem(c, "too-large", "The body is over the limit of the control plane (limits.body).");
        return;
    }
    if (k->body.n > 0 && (!http_head_get(h, "content-type", &type) || !http_is_json(type))) {
        call_problem(c, "unsupported-media-type", "");
        return;
    }
    if (k->body.n > 0 && !json_parse(buf_span(&k->body), &limits, &k->tree, &e)) {
        bad_json(c, &e);
        return;
    }
    if ((has_policy_text(c->route) || has_mask_text(c->route)) && k->tree.n > 0) {
        if (pool_work(c->lane->gate->pool, c->lane->loop, read_policy, policy_read_done, call_ref(c)) != ERR_OK) {
            call_unref(c);
            call_problem(c, "overloaded", "");
        }
        return;
    }
    ask(c);
}

static void on_body(struct call *c, struct span bytes)
{
    struct control *k = c->state;

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

static const struct call_ops control_ops = { .on_body = on_body, .on_body_end = on_body_end, .on_free = control_free };

/* False: answered already. */
static bool check_credential(struct call *c, struct credential *ret)
{
    const struct http_head *h = exchange_head(c->ex);
    struct span origin;

    if (c->route->auth == AUTH_HOOK) { /* the signature is its only credential */
        *ret = (struct credential){ .kind = CRED_NONE };
        return true;
    }
    switch (credential_of(c, ret)) {
    case CREDENTIAL_OK: break;
    case CREDENTIAL_TWO: call_problem(c, "invalid-request", ""); return false;
    case CREDENTIAL_BAD: call_problem(c, "login-needed", ""); return false;
    case CREDENTIAL_CSRF:
        call_problem(c, "csrf", "A change with the cookie needs the app's own Origin and Content-Type application/json.");
        return false;
    }
    /* Signing in makes a cookie: only our own pages may do that in a browser. */
    if (c->route->id == ROUTE_login && http_head_get(h, "origin", &origin) && !credential_origin_ok(c, origin)) {
        call_problem(c, "csrf", "Sign in from the app's own address.");
        return false;
    }
    if (c->route->auth == AUTH_PERSON && ret->kind == CRED_NONE) {
        call_problem(c, "login-needed", "");
        return false;
    }
    return true;
}

/* Elsewhere a DPoP header means nothing, and is not looked at. */
static bool takes_proof(const struct route *r)
{
    return r->id == ROUTE_login || r->id == ROUTE_client_key_register || r->id == ROUTE_keys_issue;
}

/*
 * The proof of a login or an issue (STANDARDS 1.8), when there is one: the keeper hears only of good ones, and of a login not
 * before its client has the nonce, so that this never counts as a failed one. False: answered already.
 */
static bool check_proof(struct call *c, struct proof *p)
{
    const struct http_head *h = exchange_head(c->ex);
    const struct proof_want want = proof_want_of(c, /* ath= */ NULL, /* jkt= */ NULL);
    const bool login = c->route->id == ROUTE_login;

    if (!takes_proof(c->route) || http_head_count(h, "dpop") == 0)
        return true;
    proof_check_from(c, &want, p);
    if (p->verdict == DPOP_OK) {
        if (login)
            proof_nonce(c->lane, p->jkt, p->nonce); /* a fresh one to begin with */
        memcpy(c->nonce, p->nonce, sizeof(c->nonce));
        return true;
    }
    if (p->verdict != DPOP_NONCE || !p->bare) { /* a client's first word, without a nonce, is worth no record */
        const struct refusal r = { .code = p->verdict == DPOP_FULL ? "rate-limited" : "key-binding", .route = c->route->name,
                             .prefix = call_prefix(c) };

        lane_refused(c->lane, &r);
    }
    proof_refuse(c, p, /* replay= */ false);
    return false;
}

void control_answer(struct call *c)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);
    struct control *k = calloc(1, sizeof(*k));
    uint64_t body_bytes = c->route->auth == AUTH_HOOK ? HOOK_BODY_MAX : s->body_bytes;
    struct err_info e;

    if (k == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    c->state = k;
    c->ops = &control_ops;
    buf_init(&k->body, body_bytes);
    buf_init(&k->query, 64 << 10);
    buf_init(&k->tree, 4 * body_bytes + (1 << 20));
    if (!check_credential(c, &k->cred) || !check_proof(c, &k->proof))
        return;
    if (exchange_head(c->ex)->query.n > 0 && call_query(c, &k->query, &e) != ERR_OK) {
        call_problem(c, "bad-request", e.text);
        return;
    }
    if (exchange_accept_body(c->ex, body_bytes) != ERR_OK)
        call_problem(c, "too-large", "The body is over the limit of the control plane (limits.body).");
}
