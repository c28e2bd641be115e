#include "gate/live_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "gate/live.h"

struct live_opens {
    char tid[ID_CAP];
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

/* Under the lock. */
static bool has_room(const struct live_table *t, const char *tid, unsigned max)
{
    const struct live_opens *o = map_get(&t->opens, span_str(tid));

    return t->recs.n < LIVE_OPEN_MAX && (max == 0 || o == NULL || o->n < max);
}

bool live_table_room(struct live_table *t, const char *tid, unsigned max)
{
    bool room;

    pthread_mutex_lock(&t->lock);
    room = has_room(t, tid, max);
    pthread_mutex_unlock(&t->lock);
    return room;
}

/* Under the lock. */
static bool count(struct live_table *t, const char *tid)
{
    struct live_opens *o = map_get(&t->opens, span_str(tid));

    if (tid[0] == '\0')
        return true;
    if (o == NULL) {
        o = calloc(1, sizeof(*o));
        if (o == NULL)
            return false;
        (void) snprintf(o->tid, sizeof(o->tid), "%s", tid);
        if (!map_put(&t->opens, span_str(o->tid), o, NULL)) {
            free(o);
            return false;
        }
    }
    o->n++;
    return true;
}

static void uncount(struct live_table *t, const char *tid)
{
    struct live_opens *o = map_get(&t->opens, span_str(tid));

    if (o == NULL || --o->n > 0)
        return;
    (void) map_del(&t->opens, span_str(o->tid));
    free(o);
}

enum err live_table_add(struct live_table *t, struct live_rec *rec, unsigned max)
{
    const struct live_place *p = &rec->place;
    enum err e = ERR_OK;

    pthread_mutex_lock(&t->lock);
    if (map_get(&t->recs, span_str(p->rid)) != NULL)
        e = ERR_EXISTS;
    else if (!has_room(t, p->tid, max))
        e = ERR_LIMIT;
    else if (!count(t, p->tid))
        e = ERR_NOMEM;
    else if (!map_put(&t->recs, span_str(p->rid), rec, NULL)) {
        uncount(t, p->tid);
        e = ERR_NOMEM;
    }
    pthread_mutex_unlock(&t->lock);
    return e;
}

void live_table_name(struct live_table *t, struct live_rec *rec, const char *pid, const char *tid)
{
    struct live_place *p = &rec->place;

    pthread_mutex_lock(&t->lock);
    (void) snprintf(p->pid, sizeof(p->pid), "%s", pid);
    if (count(t, tid)) /* no memory: it is not counted */
        (void) snprintf(p->tid, sizeof(p->tid), "%s", tid);
    pthread_mutex_unlock(&t->lock);
}

void live_table_remove(struct live_table *t, struct live_rec *rec)
{
    pthread_mutex_lock(&t->lock);
    if (map_get(&t->recs, span_str(rec->place.rid)) == rec) {
        (void) map_del(&t->recs, span_str(rec->place.rid));
        uncount(t, rec->place.tid);
    }
    pthread_mutex_unlock(&t->lock);
}
