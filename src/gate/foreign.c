/*
 * Other recorders' clients at the connection: the token (in the address, a header, or the body), the body, a worker that reads
 * it, and the answer in the client's own words.
 */
#include "gate/foreign.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/posthog.h"
#include "codec/sentry.h"
#include "crypto/hash.h"
#include "gate/cors.h"
#include "os/clock.h"

#define NOT_VALID "This is no ingest token, or it is not valid any more."

void foreign_part_free(struct foreign_part *p)
{
    if (p == NULL)
        return;
    foreign_deinit(&p->in);
    free(p);
}

/* ---- answers ---- */

static void write_answer(const struct foreign_part *p, struct jsonw *w)
{
    jsonw_obj(w);
    switch (p->route) {
    case FOREIGN_SNAPSHOTS:
    case FOREIGN_CAPTURES: jsonw_kint(w, "status", 1); break;
    case FOREIGN_FLAGS:
        jsonw_kobj(w, "flags");
        jsonw_obj_end(w);
        jsonw_kobj(w, "featureFlags");
        jsonw_obj_end(w);
        jsonw_kobj(w, "featureFlagPayloads");
        jsonw_obj_end(w);
        jsonw_kbool(w, "errorsWhileComputingFlags", false);
        break;
    case FOREIGN_ENVELOPE:
        if (p->in.session[0] != '\0')
            jsonw_kcstr(w, "id", p->in.session);
        break;
    case FOREIGN_LINES:
        jsonw_kcstr(w, "type", "upstream-result");
        jsonw_kbool(w, "ok", true);
        break;
    }
    jsonw_obj_end(w);
}

static void respond(struct call *c, const struct foreign_part *p)
{
    struct buf b = BUF_INIT(1024);
    struct jsonw w;

    jsonw_init(&w, &b);
    write_answer(p, &w);
    call_respond(c, 200, "application/json", NULL, 0, buf_span(&b));
    buf_deinit(&b);
}

void foreign_answered(struct live_job *j)
{
    respond(j->call, j->foreign);
}

/* What is wrong with what came. */
static void answer_broken(struct call *c, const struct foreign *in)
{
    struct live_answer a = { .events = 0 };
    struct importer_error error = in->error;

    if (in->fault == FOREIGN_MIXED)
        (void) span_to_str(SPAN("batch-mixed"), a.code, sizeof(a.code));
    else if (in->fault == FOREIGN_VIDEO)
        (void) span_to_str(SPAN("replay-video-unsupported"), a.code, sizeof(a.code));
    else
        (void) span_to_str(error.code == ERR_LIMIT ? SPAN("too-large") : error.code == ERR_NOMEM ? SPAN("overloaded")
                                                                                                 : SPAN("import-broken"),
                           a.code, sizeof(a.code));
    (void) span_to_str(span_str(error.cause), a.detail, sizeof(a.detail));
    a.broken = &error;
    live_write_refusal(c, &a);
}

/* ---- jobs ---- */

/* Everything is answered: the job ends here. */
static void done_with(struct live_job *j)
{
    struct call *c = j->call;

    (void) live_job_free(j);
    call_unref(c);
}

static void drop_body(struct live_job *j)
{
    if (j->body.p != NULL)
        secret_wipe(j->body.p, j->body.n);
    buf_deinit(&j->body);
    live_bodies_give(&j->from->gate->live_bodies, &j->hold);
}

static void refuse(struct live_job *j, const char *code, const char *detail)
{
    j->refused = true;
    drop_body(j);
    live_problem(j->call, code, detail);
}

/* The token's project, id and digest into the job. False: answered. */
static bool take_token(struct live_job *j, struct span token)
{
    struct lane *l = j->from;
    struct live_token t;
    bool sure = true;

    sha256(token, j->cred);
    switch (live_tokens_find(&l->gate->tokens, TOKEN_INGEST, j->cred, &t)) {
    case LIVE_TOKEN_OK:
        memcpy(j->pid, t.pid, sizeof(j->pid));
        memcpy(j->tid, t.tid, sizeof(j->tid));
        j->foreign->browser = t.browser;
        if (cors_token(j->call, &t))
            return true;
        j->refused = true;
        drop_body(j);
        return false;
    case LIVE_TOKEN_UNKNOWN: sure = !live_keeper_away(l); break; /* it may be new */
    case LIVE_TOKEN_UNSURE: sure = false; break;
    case LIVE_TOKEN_OVER: break;
    }
    refuse(j, sure ? "login-needed" : "keeper-unavailable", sure ? NOT_VALID : "");
    return false;
}

/* ---- reading ---- */

/* In a worker. */
static bool is_known(void *ctx, struct span word)
{
    struct live_job *j = ctx;
    struct live_token t;
    uint8_t sum[SHA256_LEN];

    sha256(word, sum);
    switch (live_tokens_find(&j->from->gate->tokens, TOKEN_INGEST, sum, &t)) {
    case LIVE_TOKEN_OK: return true;
    case LIVE_TOKEN_UNSURE: j->foreign->unsure = true; return false;
    case LIVE_TOKEN_UNKNOWN:
    case LIVE_TOKEN_OVER: break;
    }
    return false;
}

/* The same events have the same hash in any process; the recording's own key comes later (foreign_seen.c). */
static const uint8_t no_key[16];

static enum err read_in(struct live_job *j)
{
    struct foreign_part *p = j->foreign;
    const struct span body = buf_span(&j->body);
    struct buf plain;
    enum err e = ERR_OK;

    if (p->token[0] == '\0') {
        p->in.known = is_known;
        p->in.known_ctx = j;
    }
    switch (p->route) {
    case FOREIGN_SNAPSHOTS: return posthog_read(&p->in, body, p->given, j->codec);
    case FOREIGN_CAPTURES:
    case FOREIGN_FLAGS: return posthog_read_captures(&p->in, body, p->given, j->codec, clock_wall_ms());
    case FOREIGN_ENVELOPE: return sentry_read(&p->in, body, p->given, j->codec);
    case FOREIGN_LINES: break;
    }
    buf_init(&plain, FOREIGN_UNPACKED_MAX);
    e = foreign_unpack(&p->in, body, p->given, j->codec, &plain);
    if (e == ERR_OK)
        e = foreign_lines(&p->in, buf_span(&plain), no_key);
    buf_deinit(&plain);
    if (e != ERR_OK)
        return e;
    (void) span_to_str(span_str(p->session), p->in.session, sizeof(p->in.session));
    foreign_add_link(&p->in, "session", (struct json_value){ .type = JSON_STRING, .raw = span_str(p->session) }, p->in.first_at);
    return ERR_OK;
}

static void read_run(void *arg)
{
    struct live_job *j = arg;
    struct foreign_part *p = j->foreign;

    p->read = read_in(j);
    if (p->read == ERR_OK && p->in.n_events > 0)
        p->hash = siphash24(no_key, buf_span(&p->in.events));
}

static const char *client_word(enum foreign_client client)
{
    switch (client) {
    case FOREIGN_POSTHOG: return "posthog";
    case FOREIGN_SENTRY: return "sentry";
    case FOREIGN_RRWEB: return "rrweb";
    }
    return "";
}

/*
 * From now on its body is the events. False: answered; a body that was small when it came may be a thousand times that now, and
 * waits for the keeper, for segments before it, in a queue.
 */
static bool take_events(struct live_job *j)
{
    struct foreign_part *p = j->foreign;

    drop_body(j);
    j->body = p->in.events;
    p->in.events = BUF_INIT(0);
    j->codec = UNPACK_IDENTITY;
    (void) live_bodies_take(&j->from->gate->live_bodies, &j->hold, j->pid, j->tid, j->body.n); /* FOREIGN_BODIES_MAX is its limit */
    p->unpacked = j->body.n;
    if (atomic_fetch_add(&j->from->gate->foreign_bodies, p->unpacked) + p->unpacked > FOREIGN_BODIES_MAX &&
        p->unpacked > LIVE_BODY_SMALL) {
        refuse(j, "overloaded", "Too much is being recorded at once.");
        return false;
    }
    (void) snprintf(p->key, sizeof(p->key), "%s %s\n%s\n%s\n%s", j->pid, p->browser ? j->tid : "", client_word(p->in.client), p->in.session,
                    p->in.window);
    return true;
}

static void read_done(void *arg)
{
    struct live_job *j = arg;
    struct foreign_part *p = j->foreign;
    const char *token = p->token[0] != '\0' ? p->token : p->in.token;

    if (p->read == ERR_LIMIT && token[0] == '\0') {
        answer_broken(j->call, &p->in); /* its size alone */
        done_with(j);
    } else if (p->read != ERR_OK && p->in.fault == FOREIGN_STRANGER) {
        const bool away = p->unsure || live_keeper_away(j->from); /* it may be new */

        refuse(j, away ? "keeper-unavailable" : "login-needed", away ? "" : NOT_VALID);
        done_with(j);
    } else if (token[0] == '\0') {
        refuse(j, "login-needed", p->read == ERR_OK ? "The project's token is nowhere in this." : "No project's token can be read in this.");
        done_with(j);
    } else if (!take_token(j, span_str(token))) {
        done_with(j);
    } else if (p->read != ERR_OK) {
        answer_broken(j->call, &p->in);
        done_with(j);
    } else if (p->in.session[0] == '\0' || (p->in.n_events == 0 && p->in.n_links == 0)) {
        respond(j->call, p); /* nothing of a recording is in it */
        done_with(j);
    } else if (take_events(j)) {
        foreign_route(j);
    } else {
        done_with(j);
    }
}

/* ---- the body ---- */

static void on_body(struct call *c, struct span bytes)
{
    struct live_job *j = c->state;
    const char *why;

    if (j->refused)
        return;
    if (!live_body_take(j, c->lane->gate, bytes, &why))
        refuse(j, "overloaded", why);
}

/* Whole: whoever sent it may go now (a page that closes does). */
static void on_body_end(struct call *c)
{
    struct live_job *j = c->state;

    if (j->refused)
        return;
    if (pool_work(c->lane->gate->pool, c->lane->loop, read_run, read_done, j) != ERR_OK) {
        refuse(j, "overloaded", "");
        return;
    }
    c->state = NULL; /* from here on it goes its own way */
    (void) call_ref(c);
    list_append(&c->lane->live_jobs, &j->mine);
}

static void on_free(struct call *c)
{
    c->state = live_job_free(c->state);
}

static const struct call_ops ops = { .on_body = on_body, .on_body_end = on_body_end, .on_free = on_free };

/* ---- the beginning ---- */

static bool is_word(struct span s, char *to, size_t cap)
{
    return foreign_name((struct json_value){ .type = JSON_STRING, .raw = s }, to, cap);
}

/* "Sentry sentry_version=7, sentry_key=abc, …" */
static bool sentry_header(struct span v, char *to, size_t cap)
{
    struct span rest = v, part, name, value;
    bool more = true;

    if (!span_starts(v, "Sentry "))
        return false;
    rest = span_sub(v, 7, v.n);
    while (more) {
        more = span_cut(rest, ',', &part, &rest);
        if (span_cut(span_trim(part), '=', &name, &value) && span_eq_str(name, "sentry_key"))
            return is_word(value, to, cap);
    }
    return false;
}

/* What the address and the headers say of the token. False: answered. */
static bool find_token(struct call *c, struct foreign_part *p)
{
    const struct http_head *h = exchange_head(c->ex);
    struct buf tree = BUF_INIT(16 << 10);
    struct credential cred;
    struct err_info why;
    struct span v;

    if (p->route == FOREIGN_LINES) {
        if (!uploader_credential(c, &cred, "Send an ingest token in Authorization."))
            return false;
        if (cred.kind == CRED_BEARER && is_word(cred.token, p->token, sizeof(p->token)))
            return true;
        call_problem(c, "login-needed", NOT_VALID);
        return false;
    }
    if (p->route != FOREIGN_ENVELOPE) { /* posthog-js beside its own service has that one's token in the body */
        if (!uploader_query(c, "token", &v))
            return true;
        if (uploader_in_address(c, v))
            return false;
        if (uploader_is_browser(v))
            (void) is_word(v, p->token, sizeof(p->token));
        return true;
    }
    if (call_query(c, &tree, &why) != ERR_OK) {
        buf_deinit(&tree);
        call_problem(c, "bad-request", "The query is not well-formed.");
        return false;
    }
    if (tree_get_str(tree_root(buf_span(&tree)), "sentry_key", &v)) {
        if (uploader_in_address(c, v)) {
            buf_deinit(&tree);
            return false;
        }
        (void) is_word(v, p->token, sizeof(p->token));
    } else if (http_head_count(h, "x-sentry-auth") == 1 && http_head_get(h, "x-sentry-auth", &v))
        (void) sentry_header(v, p->token, sizeof(p->token));
    buf_deinit(&tree);
    return true;
}

static bool route_of(const struct call *c, enum foreign_route *ret, enum foreign_client *ret_client)
{
    *ret_client = FOREIGN_POSTHOG;
    switch ((int) c->route->id) {
    case ROUTE_posthog_snapshots: *ret = FOREIGN_SNAPSHOTS; return true;
    case ROUTE_posthog_events:
    case ROUTE_posthog_events_v0: *ret = FOREIGN_CAPTURES; return true;
    case ROUTE_posthog_flags:
    case ROUTE_posthog_decide: *ret = FOREIGN_FLAGS; return true;
    case ROUTE_sentry_envelope:
        *ret = FOREIGN_ENVELOPE;
        *ret_client = FOREIGN_SENTRY;
        return true;
    case ROUTE_rrweb_events:
        *ret = FOREIGN_LINES;
        *ret_client = FOREIGN_RRWEB;
        return true;
    default: return false;
    }
}

static struct live_job *job_new(struct call *c, enum foreign_route route, enum foreign_client client)
{
    struct live_job *j = calloc(1, sizeof(*j));
    struct foreign_part *p = calloc(1, sizeof(*p));

    if (j == NULL || p == NULL) {
        free(j);
        free(p);
        return NULL;
    }
    list_init(&j->waiters);
    j->from = j->at = c->lane;
    j->call = c;
    j->what = LIVE_BATCH;
    j->number = LIVE_NO_NUMBER;
    j->foreign = p;
    p->route = route;
    foreign_init(&p->in, client);
    memcpy(j->prefix, c->prefix, sizeof(j->prefix));
    j->prefix_len = c->prefix_len;
    memcpy(j->trace, c->trace, sizeof(j->trace));
    buf_init(&j->body, LIVE_BODY_MAX);
    return j;
}

/* What can be said before the body came. False: answered. */
static bool check(struct call *c, struct live_job *j)
{
    struct foreign_part *p = j->foreign;
    struct span coding;

    if (!find_token(c, p))
        return false;
    if (p->token[0] != '\0' && !take_token(j, span_str(p->token)))
        return false;
    if (p->route == FOREIGN_LINES && !is_word(c->params[0], p->session, sizeof(p->session))) {
        call_problem(c, "not-found", "");
        return false;
    }
    p->given = http_head_get(exchange_head(c->ex), "content-encoding", &coding);
    if (p->given && !unpack_by_name(coding, &j->codec)) {
        call_problem(c, "unsupported-encoding", "");
        return false;
    }
    if (atomic_load(&c->lane->gate->stopping)) {
        call_problem(c, "starting", "The server is going down.");
        return false;
    }
    if (live_space_low(c->lane->gate)) {
        live_problem(c, "ingest-space", "");
        return false;
    }
    return true;
}

void foreign_answer(struct call *c)
{
    enum foreign_client client;
    enum foreign_route route;
    struct live_job *j;
    bool unnamed;

    if (!route_of(c, &route, &client)) {
        call_problem(c, "not-found", "");
        return;
    }
    j = job_new(c, route, client);
    if (j == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    if (!check(c, j)) {
        (void) live_job_free(j);
        return;
    }
    c->state = j;
    c->ops = &ops;
    unnamed = j->foreign->token[0] == '\0' && client == FOREIGN_POSTHOG;
    if (exchange_accept_body(c->ex, unnamed ? FOREIGN_UNNAMED_MAX : LIVE_BODY_MAX) != ERR_OK) {
        const struct problem p = {
            .code = SPAN("too-large"),
            .detail = unnamed ? "A body that does not say in its address whose it is (token=) has at most 16 MiB." : "A batch has at most 25 MiB on the wire.",
            .members = unnamed ? SPAN("{\"limit\":{\"name\":\"batch-size\",\"value\":16777216}}")
                               : SPAN("{\"limit\":{\"name\":\"batch-size\",\"value\":26214400}}"),
        };

        j->refused = true;
        call_problem_full(c, &p, NULL, 0);
    }
}

/* ---- what posthog-js asks first ---- */

/*
 * A recorder starts only when it is told to: sessionRecording. Everything that is not about recording is off. What the page
 * itself says in posthog.init (masking, console, network) stays as it says.
 */
static const char config[] =
    "{\"token\":\"%s\",\"supportedCompression\":[\"gzip\",\"gzip-js\"],\"hasFeatureFlags\":false,\"isAuthenticated\":false,"
    "\"autocapture_opt_out\":true,\"autocaptureExceptions\":false,\"captureDeadClicks\":false,\"capturePerformance\":false,"
    "\"heatmaps\":false,\"surveys\":false,\"siteApps\":[],\"defaultIdentifiedOnly\":true,\"toolbarParams\":{},"
    "\"analytics\":{\"endpoint\":\"/i/v0/e/\"},\"elementsChainAsString\":true,\"editorParams\":{},"
    "\"sessionRecording\":{\"endpoint\":\"/s/\",\"recorderVersion\":\"v2\",\"consoleLogRecordingEnabled\":true,"
    "\"sampleRate\":null,\"linkedFlag\":null,\"minimumDurationMilliseconds\":null,\"networkPayloadCapture\":null,"
    "\"masking\":null,\"urlTriggers\":[],\"urlBlocklist\":[],\"eventTriggers\":[],\"triggerMatchType\":null,"
    "\"scriptConfig\":null}}";

void foreign_config(struct call *c)
{
    struct live_job *j = job_new(c, FOREIGN_FLAGS, FOREIGN_POSTHOG);
    char token[FOREIGN_TEXT_MAX + 1];
    struct buf b = BUF_INIT(4096);

    if (j == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    if (!is_word(c->params[0], token, sizeof(token))) {
        call_problem(c, "not-found", "");
    } else if (!uploader_in_address(c, c->params[0]) && take_token(j, span_str(token))) {
        buf_addf(&b, config, token);
        call_respond(c, 200, "application/json", NULL, 0, buf_span(&b));
    }
    buf_deinit(&b);
    (void) live_job_free(j);
}
