/*
 * POST /v1/recordings/{rid}/events and …/end at the connection: token, limits, the body, and the answer that comes back.
 * A client that goes away in the middle of a body leaves nothing; once the body is whole the batch goes its way.
 */
#include "gate/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "gate/foreign.h"
#include "os/clock.h"

#define END_BODY_MAX (64u << 10)
#define NOT_VALID    "This is no ingest token, or it is not valid any more."

/* ---- state of the house ---- */

bool live_keeper_away(const struct lane *l)
{
    return l->keeper == NULL || clock_boot_ms() - atomic_load(&l->gate->heard) >= GATE_STALE_MS;
}

bool live_space_low(struct gate *g)
{
    int64_t now = clock_boot_ms(), last = atomic_load(&g->space_at);
    uint64_t left = 0, total = 0;

    if (now - last >= 1000 && atomic_compare_exchange_strong(&g->space_at, &last, now) &&
        store_space(g->store, &left, &total, NULL) == ERR_OK)
        atomic_store(&g->space_low, left < total / 10);
    return atomic_load(&g->space_low);
}

/* ---- jobs ---- */

struct live_job *live_job_free(struct live_job *j)
{
    if (j == NULL)
        return NULL;
    list_remove(&j->mine);
    live_bodies_give(&j->from->gate->live_bodies, &j->hold);
    if (j->foreign != NULL)
        (void) atomic_fetch_sub(&j->from->gate->foreign_bodies, j->foreign->unpacked);
    if (j->body.p != NULL)
        secret_wipe(j->body.p, j->body.n);
    buf_deinit(&j->body);
    free(j->answer.broken);
    foreign_part_free(j->foreign);
    free(j);
    return NULL;
}

/* ---- answers ---- */

void live_problem(struct call *c, const char *code, const char *detail)
{
    const struct problem p = { .code = span_str(code), .detail = detail, .retry_after_s = LIVE_SPACE_RETRY_S };
    char seconds[8];

    if (strcmp(code, "ingest-space") != 0) {
        call_problem(c, code, detail);
        return;
    }
    (void) snprintf(seconds, sizeof(seconds), "%d", LIVE_SPACE_RETRY_S);
    call_problem_full(c, &p, &(struct http_header){ SPAN("retry-after"), span_str(seconds) }, 1);
}

void live_write_refusal(struct call *c, const struct live_answer *a)
{
    struct buf members = BUF_INIT(2048);
    struct problem p = { .code = span_str(a->code), .detail = a->detail, .retry_after_s = a->retry_after_s };
    const struct http_header soon = { SPAN("retry-after"), SPAN("1") };
    struct jsonw w;

    if (!a->gap && a->broken == NULL && a->retry_after_s == 0) {
        live_problem(c, a->code, a->detail);
        return;
    }
    jsonw_init(&w, &members);
    jsonw_obj(&w);
    if (a->gap)
        jsonw_kint(&w, "next_batch", (int64_t) a->next_batch);
    if (a->broken != NULL)
        uploader_broken(&w, a->broken);
    jsonw_obj_end(&w);
    p.members = buf_span(&members);
    call_problem_full(c, &p, &soon, a->retry_after_s > 0 ? 1 : 0);
    buf_deinit(&members);
}

static void write_end(const struct live_job *j, struct jsonw *w)
{
    const struct live_answer *a = &j->answer;

    jsonw_kcstr(w, "id", j->rid);
    jsonw_kcstr(w, "kind", a->kind == IMPORTER_TERMINAL ? "terminal" : "rrweb");
    jsonw_kcstr(w, "project", j->pid);
    jsonw_kint(w, "events", (int64_t) a->events);
    jsonw_kint(w, "duration_ms", a->duration_us / 1000);
    jsonw_kint(w, "bytes", (int64_t) a->bytes);
}

static void write_batch(const struct live_job *j, struct jsonw *w)
{
    const struct live_answer *a = &j->answer;

    jsonw_kint(w, "batch", (int64_t) j->number);
    jsonw_kint(w, "next_batch", (int64_t) a->next_batch);
    if (a->events > 0)
        jsonw_kint(w, "durable_seq", (int64_t) a->events - 1);
    else
        jsonw_knull(w, "durable_seq");
}

/* On the loop of the connection; the job ends here. */
static void answered(void *arg)
{
    struct live_job *j = arg;
    struct call *c = j->call;
    struct buf b = BUF_INIT(1024);
    struct jsonw w;

    if (j->answer.code[0] != '\0') {
        live_write_refusal(c, &j->answer);
    } else if (j->foreign != NULL) {
        foreign_answered(j);
    } else {
        jsonw_init(&w, &b);
        jsonw_obj(&w);
        if (j->what == LIVE_END)
            write_end(j, &w);
        else
            write_batch(j, &w);
        jsonw_obj_end(&w);
        call_respond(c, 200, "application/json", NULL, 0, buf_span(&b));
    }
    buf_deinit(&b);
    (void) live_job_free(j);
    call_unref(c);
}

void live_answer(struct live_job *j)
{
    if (j->foreign != NULL && foreign_retry(j))
        return;
    list_remove(&j->node);
    if (j->at == j->from)
        answered(j);
    else
        (void) loop_post(j->from->loop, answered, j); /* a loop that ends: the job goes with its lane */
}

void live_answer_code(struct live_job *j, const char *code, const char *detail)
{
    (void) snprintf(j->answer.code, sizeof(j->answer.code), "%s", code);
    (void) snprintf(j->answer.detail, sizeof(j->answer.detail), "%s", detail);
    live_answer(j);
}

/* ---- the body ---- */

static void refuse(struct live_job *j, const char *code, const char *detail)
{
    j->refused = true;
    if (j->body.p != NULL)
        secret_wipe(j->body.p, j->body.n);
    buf_deinit(&j->body);
    live_bodies_give(&j->from->gate->live_bodies, &j->hold);
    live_problem(j->call, code, detail);
}

bool live_body_take(struct live_job *j, struct gate *g, struct span bytes, const char **ret_why)
{
    *ret_why = "";
    if (!live_bodies_take(&g->live_bodies, &j->hold, j->pid, j->tid, bytes.n)) {
        *ret_why = "Too much is being recorded at once.";
        return false;
    }
    buf_add_span(&j->body, bytes);
    return !j->body.failed;
}

static void on_body(struct call *c, struct span bytes)
{
    struct live_job *j = c->state;
    const char *why;

    if (j->refused)
        return;
    if (!live_body_take(j, c->lane->gate, bytes, &why))
        refuse(j, "overloaded", why);
}

/* {"batches": n}, or nothing. False: answered. */
static bool read_end(struct live_job *j)
{
    struct json_limits limits = json_limits_control(j->from->gate->hash_secret);
    struct buf tree = BUF_INIT(1u << 20);
    struct tree root, member;
    struct json_error e;
    struct span at;
    int64_t n;

    j->number = LIVE_NO_NUMBER;
    if (span_trim(buf_span(&j->body)).n == 0)
        return true;
    if (!json_parse(buf_span(&j->body), &limits, &tree, &e)) {
        buf_deinit(&tree);
        refuse(j, "bad-json", e.text);
        return false;
    }
    root = tree_root(buf_span(&tree));
    for (at = root.payload; root.tag == TREE_OBJ && !j->refused && tree_next(&at, &member);) {
        if (!span_eq_str(member.key, "batches")) {
            uploader_invalid(j->call, "/", "unknown", "Only batches is known here.");
            j->refused = true;
        } else if (!tree_int(member, &n) || n < 0) {
            uploader_invalid(j->call, "/batches", "type", "A whole number, not negative.");
            j->refused = true;
        } else {
            j->number = (uint64_t) n;
        }
    }
    if (root.tag != TREE_OBJ) {
        uploader_invalid(j->call, "/", "type", "An object.");
        j->refused = true;
    }
    buf_deinit(&tree);
    return !j->refused;
}

static void on_body_end(struct call *c)
{
    struct live_job *j = c->state;
    struct live_token now;

    if (j->refused || (j->what == LIVE_END && !read_end(j)))
        return;
    if (live_tokens_find(&c->lane->gate->tokens, TOKEN_INGEST, j->cred, &now) == LIVE_TOKEN_OVER) { /* while the body came */
        refuse(j, "login-needed", NOT_VALID);
        return;
    }
    c->state = NULL; /* from here on it is the owner's */
    (void) call_ref(c);
    list_append(&c->lane->live_jobs, &j->mine);
    live_route(c->lane, j);
}

static void on_free(struct call *c)
{
    c->state = live_job_free(c->state);
}

static const struct call_ops ops = { .on_body = on_body, .on_body_end = on_body_end, .on_free = on_free };

/* ---- the beginning ---- */

/* Whose token is it? False: answered. */
static bool check_token(struct call *c, struct live_token *ret)
{
    struct credential cred;
    bool sure = true;

    if (!uploader_credential(c, &cred, "Send an ingest token in Authorization."))
        return false;
    switch (uploader_is_ingest(&cred) ? live_tokens_find(&c->lane->gate->tokens, TOKEN_INGEST, cred.sha256, ret) : LIVE_TOKEN_OVER) {
    case LIVE_TOKEN_OK: return true;
    case LIVE_TOKEN_UNKNOWN: sure = !live_keeper_away(c->lane); break; /* it may be new */
    case LIVE_TOKEN_UNSURE: sure = false; break;
    case LIVE_TOKEN_OVER: break;
    }
    if (sure)
        call_problem(c, "login-needed", NOT_VALID);
    else
        call_problem(c, "keeper-unavailable", "");
    return false;
}

/* False: answered. */
static bool read_number(struct call *c, uint64_t *ret)
{
    const struct http_head *h = exchange_head(c->ex);
    struct span v;

    if (!http_head_get(h, "batch-seq", &v) && !uploader_query(c, "batch_seq", &v)) {
        uploader_invalid(c, "Batch-Seq", "missing", "The number of the batch, from 0.");
        return false;
    }
    if (http_head_count(h, "batch-seq") > 1 || !num_u64(v, LIVE_NUMBER_MAX, ret)) {
        uploader_invalid(c, "Batch-Seq", "pattern", "One whole number from 0.");
        return false;
    }
    return true;
}

const char *live_not_its(const struct live_place *at, const struct live_token *t, const char *secret)
{
    if (strcmp(at->pid, t->pid) != 0)
        return "not-found";
    if (!t->browser || (at->secret[0] != '\0' && secret_equal_span(span_str(at->secret), span_str(secret))))
        return NULL;
    return strcmp(at->tid, t->tid) == 0 ? "recording-secret" : "not-found";
}

/* False: answered. */
static bool check_place(struct call *c, const struct live_token *t, const char *secret)
{
    struct live_place at;

    if (!id_check(c->params[0], ID_RECORDING)) {
        call_problem(c, "not-found", "");
        return false;
    }
    if (live_table_find(&c->lane->gate->live_recs, c->params[0], &at)) {
        const char *no = at.pid[0] == '\0' ? NULL : live_not_its(&at, t, secret);

        if (no != NULL)
            call_problem(c, no, "");
        return no == NULL;
    }
    if (atomic_load(&c->lane->gate->stopping)) {
        call_problem(c, "starting", "The server is going down.");
        return false;
    }
    return true;
}

static struct live_job *job_new(struct call *c, enum live_what what, const struct live_token *t)
{
    struct live_job *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return NULL;
    list_init(&j->waiters);
    j->from = j->at = c->lane;
    j->call = c;
    j->what = what;
    (void) span_to_str(c->params[0], j->rid, sizeof(j->rid));
    memcpy(j->pid, t->pid, sizeof(j->pid));
    memcpy(j->tid, t->tid, sizeof(j->tid));
    j->page = t->browser;
    memcpy(j->cred, t->sha256, sizeof(j->cred));
    memcpy(j->prefix, c->prefix, sizeof(j->prefix));
    j->prefix_len = c->prefix_len;
    memcpy(j->trace, c->trace, sizeof(j->trace));
    buf_init(&j->body, what == LIVE_BATCH ? LIVE_BODY_MAX : END_BODY_MAX);
    return j;
}

void live_events(struct call *c)
{
    enum live_what what = c->route->id == ROUTE_recording_end ? LIVE_END : LIVE_BATCH;
    enum unpack_codec codec = UNPACK_IDENTITY;
    struct live_token token;
    struct live_job *j;
    struct span coding, given;
    char secret[LIVE_SECRET_CAP] = "";
    uint64_t number = 0;

    if (uploader_query(c, "secret", &given))
        (void) span_to_str(given, secret, sizeof(secret));
    if (!check_token(c, &token) || !check_place(c, &token, secret) || (what == LIVE_BATCH && !read_number(c, &number)))
        return;
    if ((http_head_get(exchange_head(c->ex), "content-encoding", &coding) || uploader_query(c, "encoding", &coding)) &&
        (!unpack_by_name(coding, &codec) || (what == LIVE_END && codec != UNPACK_IDENTITY))) {
        call_problem(c, "unsupported-encoding", "");
        return;
    }
    if (what == LIVE_BATCH && live_space_low(c->lane->gate)) {
        live_problem(c, "ingest-space", "");
        return;
    }
    j = job_new(c, what, &token);
    if (j == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    memcpy(j->secret, secret, sizeof(j->secret));
    j->number = number;
    j->codec = codec;
    c->state = j;
    c->ops = &ops;
    if (exchange_accept_body(c->ex, what == LIVE_BATCH ? LIVE_BODY_MAX : END_BODY_MAX) != ERR_OK) {
        const struct problem p = { .code = SPAN("too-large"), .detail = "A batch has at most 25 MiB on the wire.",
                                   .members = SPAN("{\"limit\":{\"name\":\"batch-size\",\"value\":26214400}}") };

        j->refused = true;
        call_problem_full(c, &p, NULL, 0);
    }
}
