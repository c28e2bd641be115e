#include "gate/live_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/live.h"

#define KEY_CAP (ID_CAP + 1 + LIVE_SOURCE_CAP)

struct live_opens {
    char key[KEY_CAP]; /* a token's id, or that and a source */
    unsigned n;
};

enum err live_table_init(struct live_table *t, const uint8_t secret[16], struct err_info *reterr)
{
    map_init(&t->recs, secret, LIVE_OPEN_MAX);
    map_init(&t->opens, secret, LIVE_OPEN_MAX);
    return pthread_mutex_init(&t->lock, NULL) == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
}

void live_table_deinit(struct live_table *t)
{
    MAP_FOREACH(struct live_opens, o, &t->opens)
        free(o);
    map_deinit(&t->opens);
    map_deinit(&t->recs);
    (void) pthread_mutex_destroy(&t->lock);
}

bool live_table_find(struct live_table *t, struct span rid, struct live_place *ret)
{
    const struct live_rec *rec;

    pthread_mutex_lock(&t->lock);
    rec = map_get(&t->recs, rid);
    if (rec != NULL)
        *ret = rec->place;
    pthread_mutex_unlock(&t->lock);
    return rec != NULL;
}

struct live_rec *live_table_own(struct live_table *t, struct span rid, const struct lane *lane)
{
    struct live_rec *rec;

    pthread_mutex_lock(&t->lock);
    rec = map_get(&t->recs, rid);
    if (rec != NULL && rec->place.lane != lane)
        rec = NULL;
    pthread_mutex_unlock(&t->lock);
    return rec;
}

void live_source_name(char to[LIVE_SOURCE_CAP], struct span prefix)
{
    to[0] = '\0';
    for (size_t i = 0; i < prefix.n && 2 * i + 3 <= LIVE_SOURCE_CAP; i++)
        (void) snprintf(to + 2 * i, 3, "%02x", prefix.p[i]);
}

/* ---- counts; all under the lock ---- */

static struct span key_of(const char *tid, const char *source, char to[KEY_CAP])
{
    const int n = snprintf(to, KEY_CAP, source[0] != '\0' ? "%s %s" : "%s", tid, source);

    return span_of(to, (size_t) n);
}

static unsigned n_open(const struct live_table *t, const char *tid, const char *source)
{
    char key[KEY_CAP];
    const struct live_opens *o = map_get(&t->opens, key_of(tid, source, key));

    return o == NULL ? 0 : o->n;
}

static bool has_room(const struct live_table *t, const char *tid, const char *source, unsigned max)
{
    if (t->recs.n >= LIVE_OPEN_MAX)
        return false;
    return max == 0 || (n_open(t, tid, "") < max && (source[0] == '\0' || n_open(t, tid, source) < (max + 3) / 4));
}

bool live_table_room(struct live_table *t, const char *tid, const char *source, unsigned max)
{
    bool room;

    pthread_mutex_lock(&t->lock);
    room = has_room(t, tid, source, max);
    pthread_mutex_unlock(&t->lock);
    return room;
}

static bool count_one(struct live_table *t, const char *tid, const char *source)
{
    char key[KEY_CAP];
    struct live_opens *o = map_get(&t->opens, key_of(tid, source, key));

    if (o == NULL) {
        o = calloc(1, sizeof(*o));
        if (o == NULL)
            return false;
        memcpy(o->key, key, sizeof(key));
        if (!map_put(&t->opens, span_str(o->key), o, NULL)) {
            free(o);
            return false;
        }
    }
    o->n++;
    return true;
}

static void uncount_one(struct live_table *t, const char *tid, const char *source)
{
    char key[KEY_CAP];
    struct live_opens *o = map_get(&t->opens, key_of(tid, source, key));

    if (o == NULL || --o->n > 0)
        return;
    (void) map_del(&t->opens, span_str(o->key));
    free(o);
}

static bool count(struct live_table *t, const char *tid, const char *source)
{
    if (tid[0] == '\0')
        return true;
    if (!count_one(t, tid, ""))
        return false;
    if (source[0] == '\0' || count_one(t, tid, source))
        return true;
    uncount_one(t, tid, "");
    return false;
}

static void uncount(struct live_table *t, const struct live_place *p)
{
    if (p->tid[0] == '\0')
        return;
    uncount_one(t, p->tid, "");
    if (p->source[0] != '\0')
        uncount_one(t, p->tid, p->source);
}

enum err live_table_add(struct live_table *t, struct live_rec *rec, unsigned max)
{
    const struct live_place *p = &rec->place;
    enum err e = ERR_OK;

    pthread_mutex_lock(&t->lock);
    if (map_get(&t->recs, span_str(p->rid)) != NULL)
        e = ERR_EXISTS;
    else if (!has_room(t, p->tid, p->source, max))
        e = ERR_LIMIT;
    else if (!count(t, p->tid, p->source))
        e = ERR_NOMEM;
    else if (!map_put(&t->recs, span_str(p->rid), rec, NULL)) {
        uncount(t, p);
        e = ERR_NOMEM;
    }
    pthread_mutex_unlock(&t->lock);
    return e;
}

void live_table_name(struct live_table *t, struct live_rec *rec, const struct live_place *from)
{
    struct live_place *p = &rec->place;

    pthread_mutex_lock(&t->lock);
    memcpy(p->pid, from->pid, sizeof(p->pid));
    memcpy(p->secret, from->secret, sizeof(p->secret));
    if (count(t, from->tid, from->source)) { /* no memory: it is not counted */
        memcpy(p->tid, from->tid, sizeof(p->tid));
        memcpy(p->source, from->source, sizeof(p->source));
    }
    pthread_mutex_unlock(&t->lock);
}

void live_table_remove(struct live_table *t, struct live_rec *rec)
{
    pthread_mutex_lock(&t->lock);
    if (map_get(&t->recs, span_str(rec->place.rid)) == rec) {
        (void) map_del(&t->recs, span_str(rec->place.rid));
        uncount(t, &rec->place);
    }
    pthread_mutex_unlock(&t->lock);
}
