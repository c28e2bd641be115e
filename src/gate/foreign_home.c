/*
 * Which recording has a session? One loop is home to each (by the hash of its name): there the keeper is asked once, and what
 * comes meanwhile waits; and there a recording that begins is owned.
 *
 * A session that this loop does not know yet (it is new, or the gate is) costs one question; the keeper's answer is the open
 * recording of it, or a new one. Forgetting a session is always safe.
 */
#include "gate/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "codec/json.h"
#include "os/clock.h"

#define START_BEFORE_MS (7 * 24 * 3600 * 1000LL) /* a client's clock within these is believed for the start */
#define START_AFTER_MS  (10 * 60 * 1000LL)
#define EARLY_MS        (2 * 60 * 1000)
#define EARLY_MAX       1000 /* sessions of one loop of which only links are known */
#define EARLY_LINKS     16   /* of one of them */
#define OPEN_MAX        (LIVE_OPEN_MAX / 2) /* of one token: visitors, not recorders */

enum session_state {
    EARLY,  /* links came before any event: they wait for a recording, or are forgotten */
    ASKING, /* the keeper */
    KNOWN,  /* rid is its recording */
};

struct session {
    char key[FOREIGN_KEY_CAP];
    enum session_state state;
    char rid[ID_CAP];
    struct foreign_link *early; /* EARLY_LINKS at most; NULL: none */
    size_t n_early;
    struct list waiting; /* of struct live_job */
    struct lane *lane;
    time_ms heard;
    uint8_t cred[32];
};

static void session_forget(struct session *s)
{
    s->lane->foreign_early -= s->state == EARLY;
    (void) map_del(&s->lane->foreign, span_str(s->key));
    free(s->early);
    free(s);
}

static void forget_oldest(struct lane *l, bool early)
{
    struct session *oldest = NULL;

    MAP_FOREACH(struct session, s, &l->foreign)
    {
        if (s->state != ASKING && (!early || s->state == EARLY) && (oldest == NULL || s->heard < oldest->heard))
            oldest = s;
    }
    if (oldest != NULL)
        session_forget(oldest);
}

/* Twice as long as a recording may be silent: whoever comes then costs a question. */
void foreign_tick(struct lane *l)
{
    const time_ms now = loop_now_ms(l->loop), idle = 2 * gate_settings(l->gate)->vanish_ms;
    struct session *old[32];
    size_t n = 0;

    if (now - l->foreign_swept < FOREIGN_SWEEP_MS)
        return;
    l->foreign_swept = now;
    MAP_FOREACH(struct session, s, &l->foreign)
    {
        if (s->state != ASKING && now - s->heard > (s->state == EARLY ? EARLY_MS : idle) && n < sizeof(old) / sizeof(old[0]))
            old[n++] = s;
    }
    for (size_t i = 0; i < n; i++)
        session_forget(old[i]);
}

static struct session *session_new(struct lane *l, const struct live_job *j)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    memcpy(s->key, j->foreign->key, sizeof(s->key));
    memcpy(s->cred, j->cred, sizeof(s->cred));
    list_init(&s->waiting);
    s->lane = l;
    s->heard = loop_now_ms(l->loop);
    if (l->foreign.n >= FOREIGN_CACHE_MAX)
        forget_oldest(l, false);
    if (!map_put(&l->foreign, span_str(s->key), s, NULL)) {
        free(s);
        return NULL;
    }
    l->foreign_early++; /* EARLY, for a start */
    return s;
}

void foreign_end(struct lane *l)
{
    MAP_FOREACH(struct session, s, &l->foreign)
    {
        free(s->early);
        free(s); /* the jobs go with their lanes */
    }
    map_deinit(&l->foreign);
}

/* ---- the keeper's answer ---- */

static void refuse_waiting(struct session *s, const char *code, const char *detail)
{
    struct list *n;

    while ((n = list_pop(&s->waiting)) != NULL)
        live_answer_code(LIST_ENTRY(n, struct live_job, node), code, detail);
    session_forget(s);
}

static void go_on(struct session *s)
{
    struct lane *l = s->lane;
    struct list jobs, *n;

    list_init(&jobs);
    while ((n = list_pop(&s->waiting)) != NULL) {
        struct live_job *j = LIST_ENTRY(n, struct live_job, node);

        (void) span_to_str(span_str(s->rid), j->rid, sizeof(j->rid));
        list_append(&jobs, &j->node);
    }
    while ((n = list_pop(&jobs)) != NULL) /* 's' may be forgotten by what this does */
        live_route(l, LIST_ENTRY(n, struct live_job, node));
}

/* A recording that begins: this loop owns it. */
static const char *begin(struct session *s, const struct ipc_ingest_opened *a)
{
    const struct live_job *first = LIST_ENTRY(s->waiting.next, struct live_job, node);
    struct lane *l = s->lane;
    struct live_rec *r = live_rec_new(l, a->rid);
    const char *code = "overloaded";
    struct err_info why = { 0 };
    enum err e;

    if (r == NULL)
        return code;
    if (!span_to_str(a->pid, r->place.pid, sizeof(r->place.pid)) || !span_to_str(a->tid, r->place.tid, sizeof(r->place.tid)) ||
        !span_to_str(a->secret, r->place.secret, sizeof(r->place.secret))) {
        live_rec_over(r);
        return "internal";
    }
    if (first->foreign->browser)
        live_source_name(r->place.source, span_of(first->prefix, first->prefix_len));
    live_tokens_learn(&l->gate->tokens, s->cred, a->tid, a->pid);
    e = live_table_add(&l->gate->live_recs, r, OPEN_MAX);
    if (e == ERR_OK)
        e = live_create_begin(r, a, IMPORTER_RRWEB, &code, &why);
    if (e != ERR_OK || l->closing) {
        if (e != ERR_OK && e != ERR_LIMIT)
            log_err(LOG_ERROR, "live.not-begun", &why);
        live_create_forget(r);
        return e == ERR_LIMIT ? "too-many-open" : code;
    }
    live_send_wrap(r);
    live_seal_consider(r);
    return NULL;
}

static void on_opened(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct session *s = ctx;
    const struct ipc_ingest_opened *a = body;
    const char *code = NULL;
    char word[40], detail[240];

    if (err != ERR_OK || type != IPC_T_INGEST_OPENED) {
        refuse_waiting(s, "keeper-unavailable", "");
        return;
    }
    if (a->code.n > 0) {
        if (!span_to_str(a->code, word, sizeof(word)) || !span_to_str(a->detail, detail, sizeof(detail)))
            refuse_waiting(s, "internal", "");
        else
            refuse_waiting(s, word, detail);
        return;
    }
    if (!a->again)
        code = begin(s, a);
    if (code != NULL || !span_to_str(a->rid, s->rid, sizeof(s->rid))) {
        refuse_waiting(s, code != NULL ? code : "internal", "");
        return;
    }
    s->state = KNOWN;
    go_on(s);
}

/* ---- the question ---- */

static void ask(struct session *s, const struct live_job *j)
{
    const struct foreign *in = &j->foreign->in;
    const time_ms now = clock_wall_ms();
    struct lane *l = s->lane;
    struct ipc_ingest_open m = {
        .cred_kind = CRED_BEARER, .cred = SPAN_OF(j->cred), .kind = SPAN("rrweb"), .session = span_str(in->session),
        .subject = span_str(in->subject), .live = 1, .prefix = span_of(j->prefix, j->prefix_len),
        .trace = span_of(j->trace, CALL_TRACE_LEN),
    };
    struct span pid;

    (void) span_cut(span_str(s->key), '\n', &pid, &m.foreign); /* the project is the token's */
    l->foreign_early -= s->state == EARLY;
    s->state = ASKING;
    if (in->first_at > now - START_BEFORE_MS && in->first_at < now + START_AFTER_MS)
        m.started_ms = in->first_at;
    if (live_keeper_away(l) || link_call(l->keeper, IPC_T_INGEST_OPEN, &m, LIVE_CALL_MS, on_opened, s) != ERR_OK)
        refuse_waiting(s, "keeper-unavailable", "");
}

/* Public tokens begin recordings at a rate. A session that this loop has forgotten costs one, too. False: answered. */
static bool may_begin(struct live_job *j)
{
    const int64_t wait = new_rate_take(&j->from->gate->new_rate, NEW_RATE_RECORDING, span_str(j->tid), span_of(j->prefix, j->prefix_len),
                                       clock_boot_ms());

    if (wait == 0)
        return true;
    j->answer.retry_after_s = (int) ((wait + 999) / 1000);
    live_answer_code(j, "rate-limited", "Too many recordings were begun with this token.");
    return false;
}

/* Room for one more session of which nothing but links is known: anybody can name any number of them. */
static bool may_wait(struct lane *l, const struct live_job *j)
{
    if (j->foreign->browser &&
        new_rate_take(&l->gate->new_rate, NEW_RATE_EARLY, span_str(j->tid), span_of(j->prefix, j->prefix_len), clock_boot_ms()) != 0)
        return false;
    if (l->foreign_early >= EARLY_MAX)
        forget_oldest(l, true);
    return true;
}

/* An error is often told before the first events of its session are. Where there is no room, the links are lost: its client goes on. */
static void keep_early(struct lane *l, struct session *s, const struct live_job *j)
{
    const struct foreign *in = &j->foreign->in;
    struct foreign_link *more;
    size_t n;

    if (s == NULL && may_wait(l, j))
        s = session_new(l, j);
    n = s == NULL ? 0 : EARLY_LINKS - s->n_early < in->n_links ? EARLY_LINKS - s->n_early : in->n_links;
    if (n == 0)
        return;
    more = realloc(s->early, (s->n_early + n) * sizeof(*more));
    if (more == NULL)
        return;
    memcpy(more + s->n_early, in->links, n * sizeof(*more));
    s->early = more;
    s->n_early += n;
}

static void take_early(struct session *s, struct live_job *j)
{
    for (size_t i = 0; i < s->n_early; i++) {
        const struct foreign_link *l = &s->early[i];

        foreign_add_link(&j->foreign->in, l->type, (struct json_value){ .type = JSON_STRING, .raw = span_str(l->id) }, l->at);
    }
    free(s->early);
    s->early = NULL;
    s->n_early = 0;
}

/* At home. */
static void arrived(void *arg)
{
    struct live_job *j = arg;
    struct lane *l = j->at;
    struct session *s = map_get(&l->foreign, span_str(j->foreign->key));

    if (l->closing) {
        live_answer_code(j, "starting", "The server is going down.");
        return;
    }
    if (s != NULL)
        s->heard = loop_now_ms(l->loop);
    if (j->foreign->in.n_events == 0 && (s == NULL || s->state == EARLY)) {
        keep_early(l, s, j);
        live_answer(j);
        return;
    }
    if (s != NULL && s->state != EARLY) {
        list_append(&s->waiting, &j->node);
        if (s->state == KNOWN)
            go_on(s);
        return;
    }
    if (j->foreign->browser && !may_begin(j))
        return;
    if (s == NULL)
        s = session_new(l, j);
    if (s == NULL) {
        live_answer_code(j, "overloaded", "");
        return;
    }
    take_early(s, j);
    list_append(&s->waiting, &j->node);
    ask(s, j);
}

void foreign_route(struct live_job *j)
{
    struct gate *g = j->from->gate;
    struct lane *home = g->lanes[siphash24(g->hash_secret, span_str(j->foreign->key)) % g->n_lanes];
    struct lane *here = j->at;

    if (home == here) {
        arrived(j);
        return;
    }
    j->at = home;
    if (loop_post(home->loop, arrived, j) == ERR_OK)
        return;
    j->at = here;
    live_answer_code(j, "overloaded", "");
}

/* ---- a recording that has ended ---- */

static void anew(void *arg)
{
    struct live_job *j = arg;
    struct session *s = map_get(&j->at->foreign, span_str(j->foreign->key));

    if (s != NULL && s->state == KNOWN && strcmp(s->rid, j->rid) == 0)
        session_forget(s); /* nobody waits in one that is known */
    arrived(j);
}

bool foreign_retry(struct live_job *j)
{
    struct gate *g = j->from->gate;
    struct lane *home = g->lanes[siphash24(g->hash_secret, span_str(j->foreign->key)) % g->n_lanes], *here = j->at;

    if (strcmp(j->answer.code, "recording-ended") != 0)
        return false;
    if (j->foreign->again) { /* the end is not through yet: it is for later */
        (void) snprintf(j->answer.code, sizeof(j->answer.code), "overloaded");
        return false;
    }
    j->foreign->again = true;
    list_remove(&j->node);
    memset(&j->answer, 0, sizeof(j->answer));
    j->at = home;
    if (loop_post(home->loop, anew, j) == ERR_OK)
        return true;
    j->at = here;
    (void) snprintf(j->answer.code, sizeof(j->answer.code), "overloaded");
    return false;
}
