#include "keeper/scrub.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/check.h"
#include "base/log.h"
#include "os/file.h"

#define STEP_ROWS 2000
#define FOUND_MAX 16 /* more of them wait for the next scrub: one is enough to stop everything */

struct found {
    char log[LOG_ID_CAP];
    char text[200];
};

struct scrub {
    pthread_mutex_t lock; /* of what follows */
    struct found found[FOUND_MAX];
    size_t n_found;
    bool ended;          /* a whole scrub has, since scrub_take looked */

    int64_t due;         /* boot clock; the scrub's thread */
};

struct scrub *scrub_new(void)
{
    struct scrub *s = calloc(1, sizeof(*s));

    if (s != NULL)
        (void) pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct scrub *scrub_free(struct scrub *s)
{
    if (s != NULL)
        (void) pthread_mutex_destroy(&s->lock);
    free(s);
    return NULL;
}

/* ---- looking ---- */

static void report(struct scrub *s, struct span log, const char *text)
{
    log_event(LOG_ERROR, "alarm.audit-scrub", LOG_SPAN("log", log), LOG_STR("text", text));
    (void) pthread_mutex_lock(&s->lock);
    if (s->n_found < FOUND_MAX) {
        struct found *f = &s->found[s->n_found++];

        (void) span_to_str(log, f->log, sizeof(f->log));
        (void) snprintf(f->text, sizeof(f->text), "%s", text);
    }
    (void) pthread_mutex_unlock(&s->lock);
}

static enum err scrub_table(struct scrub *s, struct meta_view *v, const struct meta_log *log, const struct note_vkey *key,
                            const _Atomic bool *stop, struct err_info *reterr)
{
    CLEANUP(audit_scrub_freep) struct audit_scrub *w = audit_scrub_new(log->log, key);
    struct audit_result r;
    bool more = true;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "scrub");
    while (more && !atomic_load(stop))
        TRY(audit_scrub_step(w, v, STEP_ROWS, &more, reterr));
    audit_scrub_end(w, &r);
    if (!more && r.verdict != AUDIT_GOOD && r.verdict != AUDIT_NO_CHECKPOINT)
        report(s, log->log, r.text);
    return ERR_OK;
}

static enum err scrub_log(struct scrub *s, struct tiles *t, const struct meta_log *log, struct span pk,
                          const _Atomic bool *stop, struct err_info *reterr)
{
    struct note_vkey key;
    char bad[200];
    size_t n_bad;

    if (!span_eq_str(log->state, "open"))
        return ERR_OK; /* a generation that is over was looked at when it ended */
    TRY(note_vkey_init(&key, log->origin, pk.p, reterr));
    TRY(scrub_table(s, tiles_view(t), log, &key, stop, reterr));
    TRY(tiles_compare(t, log->log, stop, bad, &n_bad, reterr));
    if (n_bad > 0) /* derived: made again, and somebody should know */
        log_event(LOG_ERROR, "alarm.audit-tile", LOG_STR("file", bad), LOG_INT("files", n_bad));
    return ERR_OK;
}

static enum err scrub_all(struct scrub *s, struct tiles *t, const _Atomic bool *stop, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_log_list logs;
    struct span pk;
    enum err e;

    arena_init(&mem, 256U << 20);
    e = meta_setting_get(tiles_view(t), TILES_LOG_KEY, &mem, NULL, &pk, reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && pk.n != NOTE_ED25519_PK))
        return ERR_OK;
    TRY(e);
    TRY(meta_logs(tiles_view(t), &mem, &logs, reterr));
    for (size_t i = 0; i < logs.n && !atomic_load(stop); i++) {
        struct err_info err = { 0 };

        e = scrub_log(s, t, &logs.rows[i], pk, stop, &err);
        if (e != ERR_OK) /* one log that cannot be read does not keep the others from being looked at */
            log_err(LOG_ERROR, "audit.scrub", &err);
        if (e == ERR_IO && reterr != NULL)
            *reterr = err;
        if (e == ERR_IO)
            return e;
    }
    (void) pthread_mutex_lock(&s->lock);
    s->ended = !atomic_load(stop);
    (void) pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

enum err scrub_run(struct scrub *s, struct tiles *t, int64_t boot, const _Atomic bool *stop, struct err_info *reterr)
{
    struct err_info err = { 0 };
    enum err e;

    if (s->due == 0)
        s->due = boot + SCRUB_AFTER_MS;
    if (boot < s->due)
        return ERR_OK;
    s->due = boot + SCRUB_EVERY_MS;
    os_background(true);
    e = scrub_all(s, t, stop, &err);
    os_background(false);
    if (e != ERR_OK)
        log_err(LOG_ERROR, "audit.scrub", &err);
    if (reterr != NULL)
        *reterr = err;
    return e == ERR_IO ? e : ERR_OK;
}

/* ---- in the writer ---- */

enum err scrub_take(struct job *c, struct err_info *reterr)
{
    struct scrub *s = c->core->scrub;
    bool ended;

    (void) pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_found; i++)
        audit_seal(c->core->audit, span_str(s->found[i].log), AUDIT_SCRUB, s->found[i].text, 0);
    s->n_found = 0;
    ended = s->ended;
    s->ended = false;
    (void) pthread_mutex_unlock(&s->lock);
    return ended ? meta_setting_put(c->m, SCRUB_SETTING, c->now.real, SPAN_EMPTY, reterr) : ERR_OK;
}
