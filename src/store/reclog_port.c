#include <stdlib.h>

#include "store/reclog_int.h"

/*
 * What goes to loops: answers to batches, presses, news for followers. The writer puts things into a port's lists and posts
 * one function for all of them; on the loop it calls one after another, at most CALLS a turn, then posts itself again.
 * Every list is guarded by the log's lock, which is let go of for each call: callbacks may end recordings and unfollow.
 */
#define CALLS 128

static void drain(void *arg);

struct reclog_port *reclog_port_of(struct reclog *l, struct loop *loop)
{
    struct reclog_port *p;

    LIST_FOREACH (node, &l->ports) {
        p = LIST_ENTRY(node, struct reclog_port, node);
        if (p->loop == loop) {
            p->refs++;
            return p;
        }
    }
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->log = l;
    p->loop = loop;
    p->refs = 1;
    list_init(&p->finished);
    list_init(&p->pressing);
    list_init(&p->news);
    list_append(&l->ports, &p->node);
    l->refs++;
    return p;
}

void reclog_port_unref(struct reclog_port *p)
{
    if (--p->refs > 0)
        return;
    list_remove(&p->node);
    p->log->refs--; /* reclog_leave looks */
    free(p);
}

void reclog_port_kick(struct reclog_port *p)
{
    if (p->posted)
        return;
    p->post = (struct loop_posted){ .fn = drain, .arg = p };
    if (loop_post_node(p->loop, &p->post) != ERR_OK)
        return; /* the loop is going: nobody is there to be told */
    p->posted = true;
    p->refs++;
}

void reclog_news(struct reclog_rec *r)
{
    LIST_FOREACH (node, &r->hubs) {
        struct reclog_hub *h = LIST_ENTRY(node, struct reclog_hub, node);

        h->dirty = true;
        if (!list_linked(&h->news))
            list_append(&h->port->news, &h->news);
        reclog_port_kick(h->port);
    }
}

uint64_t reclog_shown(const struct reclog_rec *r)
{
    const uint64_t upto = r->hold > r->sealed_seq ? r->hold : r->sealed_seq;

    return r->ended || upto > r->next_seq ? r->next_seq : upto;
}

/* ---- on the loop ---- */

static void answer(struct reclog *l, struct reclog_job *j)
{
    struct reclog_rec *r = j->rec;
    reclog_done done = j->done;
    void *ctx = j->ctx;
    enum err e = j->result;

    list_remove(&j->mine);
    if (e != ERR_OK && j->after < r->q_next_batch) { /* it comes again */
        r->q_next_seq = j->first_seq;
        r->q_next_batch = j->after;
    }
    free(j);
    (void) pthread_mutex_unlock(&l->lock);
    if (done != NULL)
        done(ctx, e);
    reclog_enter(l);
}

static void press(struct reclog *l, struct reclog_rec *r)
{
    void (*fn)(void *ctx) = r->press;
    void *ctx = r->ctx;

    (void) pthread_mutex_unlock(&l->lock);
    if (fn != NULL)
        fn(ctx);
    reclog_enter(l);
}

/* One follower hears of it. */
static void tell(struct reclog *l, struct reclog_hub *h)
{
    struct reclog_follower *f;
    struct reclog_news news;
    struct list *node;

    if (list_empty(&h->todo)) {
        if (!h->dirty) {
            list_remove(&h->news);
            return;
        }
        h->dirty = false;
        while ((node = list_pop(&h->followers)) != NULL)
            list_append(&h->todo, node);
    }
    f = LIST_ENTRY(list_pop(&h->todo), struct reclog_follower, node); /* a hub without followers is gone */
    list_append(&h->followers, &f->node);
    news = (struct reclog_news){ .next_seq = reclog_shown(h->rec), .next_batch = h->rec->next_batch,
                                 .sealed_seq = h->rec->sealed_seq, .marked = h->rec->marked, .ended = h->rec->ended };
    (void) pthread_mutex_unlock(&l->lock);
    f->fn(f->ctx, &news);
    reclog_enter(l);
}

/* False: nothing is left to call. */
static bool call_one(struct reclog_port *p)
{
    struct list *node;

    if ((node = list_pop(&p->finished)) != NULL)
        answer(p->log, LIST_ENTRY(node, struct reclog_job, node));
    else if ((node = list_pop(&p->pressing)) != NULL)
        press(p->log, LIST_ENTRY(node, struct reclog_rec, pressing));
    else if (!list_empty(&p->news))
        tell(p->log, LIST_ENTRY(p->news.next, struct reclog_hub, news));
    else
        return false;
    return true;
}

static void drain(void *arg)
{
    struct reclog_port *p = arg;
    struct reclog *l = p->log;
    bool more = true;

    reclog_enter(l);
    p->posted = false;
    for (int i = 0; i < CALLS && more; i++)
        more = call_one(p);
    if (more)
        reclog_port_kick(p);
    reclog_port_unref(p); /* the posting's */
    reclog_leave(l);
}

/* ---- following ---- */

static struct reclog_hub *hub_of(struct reclog_rec *r, struct loop *loop)
{
    struct reclog_hub *h;

    LIST_FOREACH (node, &r->hubs) {
        h = LIST_ENTRY(node, struct reclog_hub, node);
        if (h->port->loop == loop)
            return h;
    }
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    h->port = reclog_port_of(r->log, loop);
    if (h->port == NULL) {
        free(h);
        return NULL;
    }
    h->rec = r;
    r->refs++;
    list_init(&h->followers);
    list_init(&h->todo);
    list_append(&r->hubs, &h->node);
    return h;
}

static void hub_free(struct reclog_hub *h)
{
    struct reclog_rec *r = h->rec;

    list_remove(&h->news);
    list_remove(&h->node);
    reclog_port_unref(h->port);
    free(h);
    reclog_rec_unref(r);
}

static enum err follow(struct reclog *l, struct span rid, struct loop *loop, struct reclog_follower *f,
                       struct reclog_news *ret_now, struct err_info *reterr)
{
    struct reclog_rec *r = map_get(&l->recs, rid);

    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "log: the recording is not being written here");
    f->hub = hub_of(r, loop);
    if (f->hub == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "log: follower");
    list_append(&f->hub->followers, &f->node);
    *ret_now = (struct reclog_news){ .next_seq = reclog_shown(r), .next_batch = r->next_batch,
                                     .sealed_seq = r->sealed_seq, .marked = r->marked };
    return ERR_OK;
}

enum err reclog_follow(struct reclog *l, struct span rid, struct loop *loop, reclog_follow_fn fn, void *ctx,
                       struct reclog_follower **ret, struct reclog_news *ret_now, struct err_info *reterr)
{
    struct reclog_follower *f = calloc(1, sizeof(*f));
    enum err e;

    if (f == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "log: follower");
    f->fn = fn;
    f->ctx = ctx;
    reclog_enter(l);
    e = follow(l, rid, loop, f, ret_now, reterr);
    reclog_leave(l);
    if (e != ERR_OK) {
        free(f);
        return e;
    }
    *ret = f;
    return ERR_OK;
}

struct reclog_follower *reclog_unfollow(struct reclog_follower *f)
{
    struct reclog_hub *h;
    struct reclog *l;

    if (f == NULL)
        return NULL;
    h = f->hub;
    l = h->rec->log;
    reclog_enter(l);
    list_remove(&f->node);
    if (list_empty(&h->followers) && list_empty(&h->todo))
        hub_free(h);
    free(f);
    reclog_leave(l);
    return NULL;
}
