#include "keeper/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "keeper/ingest_tokens.h"
#include "keeper/keys.h"
#include "keeper/notice.h"
#include "keeper/trail.h"
#include "keeper/viewings.h"

#define TOUCHES_MAX 1024

struct touches {
    pthread_mutex_t lock;
    char id[TOUCHES_MAX][ID_CAP];
    size_t n;
};

struct touches *touches_new(void)
{
    struct touches *t = calloc(1, sizeof(*t));

    if (t != NULL)
        (void) pthread_mutex_init(&t->lock, NULL);
    return t;
}

struct touches *touches_free(struct touches *t)
{
    if (t != NULL)
        (void) pthread_mutex_destroy(&t->lock);
    free(t);
    return NULL;
}

/* When there is no room the sign-in is written down at its next use. */
void touches_add(struct touches *t, struct span token_id)
{
    bool known = false;

    (void) pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n && !known; i++)
        known = span_eq_str(token_id, t->id[i]);
    if (!known && t->n < TOUCHES_MAX && span_to_str(token_id, t->id[t->n], ID_CAP))
        t->n++;
    (void) pthread_mutex_unlock(&t->lock);
}

enum err session_write_touches(struct job *c, struct err_info *reterr)
{
    struct touches *t = c->core->touches;
    char id[ID_CAP];

    for (;;) {
        struct meta_token row;
        enum err e;

        (void) pthread_mutex_lock(&t->lock);
        if (t->n == 0) {
            (void) pthread_mutex_unlock(&t->lock);
            return ERR_OK;
        }
        t->n--;
        memcpy(id, t->id[t->n], ID_CAP);
        (void) pthread_mutex_unlock(&t->lock);
        e = meta_token_get(c->v, span_str(id), c->mem, &row, reterr);
        if (e == ERR_NOTFOUND)
            continue;
        TRY(e);
        if (!span_eq_str(row.state, "active") || c->now.real - row.last_seen_ms < SESSION_TOUCH_MS)
            continue;
        TRY(meta_token_seen(c->m, row.id, c->now.real, reterr));
    }
}

bool session_alive(const struct meta_token *t, time_ms now)
{
    if (!span_eq_str(t->state, "active"))
        return false;
    if (t->expires_ms != 0 && now >= t->expires_ms)
        return false;
    return t->idle_ms == 0 || now - t->last_seen_ms < t->idle_ms;
}

static enum err note_use(struct job *c, struct err_info *reterr)
{
    if (c->now.real - c->token.last_seen_ms < SESSION_TOUCH_MS)
        return ERR_OK;
    if (c->m == NULL) {
        touches_add(c->core->touches, c->token.id);
        return ERR_OK;
    }
    c->token.last_seen_ms = c->now.real;
    return meta_token_seen(c->m, c->token.id, c->now.real, reterr);
}

enum err session_find(struct job *c, uint8_t cred_kind, struct span cred, bool upload, enum session_verdict *ret,
                      struct err_info *reterr)
{
    const struct people *people;
    struct meta_token t;
    enum err e;

    *ret = SESSION_NONE;
    c->me = NULL;
    if (cred_kind == CRED_NONE || cred.n != SHA256_LEN)
        return ERR_OK;
    e = meta_token_by_sha256(c->v, cred, c->mem, &t, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (!session_alive(&t, c->now.real))
        return ERR_OK;
    if (span_eq_str(t.kind, "ingest")) {
        if (!upload || cred_kind != CRED_BEARER)
            return ERR_OK;
        c->token = t;
        *ret = SESSION_OK;
        return note_use(c, reterr);
    }
    if (span_eq_str(t.kind, "gateway"))
        return ERR_OK; /* the gate knows them; they are nobody */
    /* A cookie is a browser's sign-in and nothing else. */
    if (cred_kind == CRED_COOKIE && !span_eq_str(t.kind, "session"))
        return ERR_OK;
    people = job_people(c, reterr);
    if (people == NULL)
        return ERR_NOMEM;
    c->me = people_by_id(people, t.account);
    if (c->me == NULL || c->me->disabled) {
        c->me = NULL;
        return ERR_OK;
    }
    c->token = t;
    *ret = SESSION_OK;
    return note_use(c, reterr);
}

void session_secret(struct job *c, const char *prefix, char text[SESSION_TOKEN_CAP], uint8_t sha[32])
{
    uint8_t rnd[32];
    char b64[44]; /* 43 characters */

    c->core->env.random(c->core->env.ctx, rnd, sizeof(rnd));
    (void) base64url_str(rnd, sizeof(rnd), b64, sizeof(b64)); /* the array is that long */
    (void) snprintf(text, SESSION_TOKEN_CAP, "%s%s", prefix, b64);
    sha256(span_str(text), sha);
    secret_wipe(rnd, sizeof(rnd));
    secret_wipe(b64, sizeof(b64));
}

void session_secret_public(struct job *c, const char *prefix, char text[SESSION_TOKEN_CAP], uint8_t sha[32])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const size_t letters = sizeof(alphabet) - 1;
    size_t n = strlen(prefix), from = 0;
    uint8_t rnd[64];

    (void) snprintf(text, SESSION_TOKEN_CAP, "%s", prefix);
    for (from = sizeof(rnd); n < SESSION_TOKEN_CAP - 1; from++) {
        if (from == sizeof(rnd)) {
            c->core->env.random(c->core->env.ctx, rnd, sizeof(rnd));
            from = 0;
        }
        if (rnd[from] < 256 / letters * letters) /* each letter as likely as another */
            text[n++] = alphabet[rnd[from] % letters];
    }
    text[n] = '\0';
    sha256(span_str(text), sha);
    secret_wipe(rnd, sizeof(rnd));
}

enum err session_end(struct job *c, struct meta_token *t, const char *cause, struct err_info *reterr)
{
    bool sign_in = span_eq_str(t->kind, "session") || span_eq_str(t->kind, "cli");
    struct leaf l = trail_leaf(c, sign_in ? LEAF_LOGIN_ENDED : LEAF_TOKEN_REVOKED,
                               t->project.n > 0 ? trail_log(c, t->project) : SPAN_EMPTY);

    if (!span_eq_str(t->state, "active") && !span_eq_str(t->state, "waiting"))
        return ERR_OK;
    t->state = SPAN("ended");
    t->ended_ms = c->now.real;
    TRY(meta_token_put(c->m, t, reterr));
    if (t->account.n > 0) {
        TRY(keys_deny_token(c, t->id, reterr));
        TRY(viewings_end_token(c, t, "signed-out", reterr));
    }
    TRY(ingest_tokens_push(c, t, false, reterr));
    notice_token_ended(c, t->id);
    l.obj = t->id;
    if (l.actor.n == 0 || span_eq_str(l.actor, "system"))
        l.actor = t->account.n > 0 ? t->account : l.actor;
    l.outcome = span_str(cause);
    if (!sign_in)
        trail_mark(c, &l);
    return trail_write(c, &l, NULL, reterr);
}

enum err session_sweep(struct job *c, struct err_info *reterr)
{
    static const char *const kinds[] = { "session", "cli" };

    for (size_t k = 0; k < 2; k++) {
        struct meta_token_list list;

        TRY(meta_tokens_of_kind(c->v, span_str(kinds[k]), c->mem, &list, reterr));
        for (size_t i = 0; i < list.n; i++) {
            struct meta_token *t = &list.rows[i];

            if (session_alive(t, c->now.real))
                continue;
            TRY(session_end(c, t, t->expires_ms != 0 && c->now.real >= t->expires_ms ? "expired" : "idle", reterr));
        }
    }
    return ERR_OK;
}
