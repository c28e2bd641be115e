#include "loop/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "loop/internal.h"

#define THREADS_MAX 64

struct work {
    struct list node;
    struct loop_posted posted; /* made beforehand: handing back cannot fail for memory */
    struct loop *loop;
    loop_fn fn, done;
    void *arg;
};

struct pool {
    pthread_mutex_t lock; /* all below */
    pthread_cond_t more;
    struct list queue;
    size_t n_queue, queue_max;
    bool stop;
    size_t n_threads;
    pthread_t threads[THREADS_MAX];
};

static void work_done(void *arg)
{
    struct work *w = arg;
    loop_fn done = w->done;
    void *their = w->arg;

    free(w);
    done(their);
}

static struct work *take(struct pool *p)
{
    struct list *node = NULL;

    (void) pthread_mutex_lock(&p->lock);
    while (!p->stop && list_empty(&p->queue))
        (void) pthread_cond_wait(&p->more, &p->lock);
    if (!p->stop) {
        node = list_pop(&p->queue);
        p->n_queue--;
    }
    (void) pthread_mutex_unlock(&p->lock);
    return node == NULL ? NULL : LIST_ENTRY(node, struct work, node);
}

static void *worker(void *arg)
{
    struct pool *p = arg;
    struct work *w;

    while ((w = take(p)) != NULL) {
        w->fn(w->arg);
        w->posted = (struct loop_posted){ .fn = work_done, .dropped = free, .arg = w };
        if (loop_post_node(w->loop, &w->posted) != ERR_OK)
            free(w); /* the loop is going: nobody waits */
    }
    return NULL;
}

enum err pool_new(size_t n_threads, size_t queue_max, struct pool **ret, struct err_info *reterr)
{
    struct pool *p;
    sigset_t all, old;
    int r = 0;

    if (n_threads < 1 || n_threads > THREADS_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a pool has 1 to %d threads, not %zu", THREADS_MAX, n_threads);
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "worker pool");
    (void) pthread_mutex_init(&p->lock, NULL);
    (void) pthread_cond_init(&p->more, NULL);
    list_init(&p->queue);
    p->queue_max = queue_max;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loops' */
    while (p->n_threads < n_threads && r == 0) {
        r = pthread_create(&p->threads[p->n_threads], NULL, worker, p);
        p->n_threads += r == 0;
    }
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0) {
        (void) pool_free(p);
        return ERR_RAISE_SYS(reterr, ERR_IO, r, "starting worker threads");
    }
    *ret = p;
    return ERR_OK;
}

struct pool *pool_free(struct pool *p)
{
    struct list *node;

    if (p == NULL)
        return NULL;
    (void) pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void) pthread_cond_broadcast(&p->more);
    (void) pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n_threads; i++)
        (void) pthread_join(p->threads[i], NULL);
    while ((node = list_pop(&p->queue)) != NULL)
        free(LIST_ENTRY(node, struct work, node));
    (void) pthread_cond_destroy(&p->more);
    (void) pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

enum err pool_work(struct pool *p, struct loop *l, loop_fn fn, loop_fn done, void *arg)
{
    struct work *w = calloc(1, sizeof(*w));
    bool full;

    if (w == NULL)
        return ERR_NOMEM;
    *w = (struct work){ .loop = l, .fn = fn, .done = done, .arg = arg };
    (void) pthread_mutex_lock(&p->lock);
    full = p->n_queue >= p->queue_max;
    if (!full) {
        list_append(&p->queue, &w->node);
        p->n_queue++;
        (void) pthread_cond_signal(&p->more);
    }
    (void) pthread_mutex_unlock(&p->lock);
    if (full)
        free(w);
    return full ? ERR_AGAIN : ERR_OK;
}

size_t pool_waiting(struct pool *p)
{
    size_t n;

    (void) pthread_mutex_lock(&p->lock);
    n = p->n_queue;
    (void) pthread_mutex_unlock(&p->lock);
    return n;
}
