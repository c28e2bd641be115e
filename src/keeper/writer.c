#include "keeper/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "os/clock.h"

#define THREADS_MAX 8

struct writer {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list queue;
    size_t n_queued;
    bool closing;
    writer_run_fn *run;
    void *ctx;
    size_t group_max;
    _Atomic int64_t since_us; /* start of the group under way; 0: idle */
    pthread_t threads[THREADS_MAX];
    size_t n_threads;
};

/* The next group; 0: the writer is closing and nothing is left. */
static size_t take_group(struct writer *w, struct cmd **group)
{
    size_t n = 0, bytes = 0;

    (void) pthread_mutex_lock(&w->lock);
    while (list_empty(&w->queue) && !w->closing)
        (void) pthread_cond_wait(&w->more, &w->lock);
    while (n < w->group_max && !list_empty(&w->queue)) {
        struct cmd *c = LIST_ENTRY(w->queue.next, struct cmd, node);

        if (n > 0 && bytes + c->cost > WRITER_GROUP_BYTES)
            break;
        list_remove(&c->node);
        bytes += c->cost;
        group[n++] = c;
    }
    w->n_queued -= n;
    (void) pthread_mutex_unlock(&w->lock);
    return n;
}

static void *writer_thread(void *arg)
{
    struct writer *w = arg;
    struct cmd *group[WRITER_GROUP_MAX];
    size_t n;

    while ((n = take_group(w, group)) > 0) {
        atomic_store(&w->since_us, clock_mono_us());
        w->run(w->ctx, group, n);
        atomic_store(&w->since_us, 0);
    }
    return NULL;
}

enum err writer_new(size_t n_threads, size_t group_max, writer_run_fn *run, void *ctx, struct writer **ret,
                    struct err_info *reterr)
{
    struct writer *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "writer");
    (void) pthread_mutex_init(&w->lock, NULL);
    (void) pthread_cond_init(&w->more, NULL);
    list_init(&w->queue);
    w->run = run;
    w->ctx = ctx;
    w->group_max = group_max < WRITER_GROUP_MAX ? group_max : WRITER_GROUP_MAX;
    for (size_t i = 0; i < n_threads && i < THREADS_MAX; i++) {
        int r = pthread_create(&w->threads[i], NULL, writer_thread, w);

        if (r != 0) {
            writer_free(w);
            return ERR_RAISE_SYS(reterr, ERR_NOMEM, r, "thread of the keeper");
        }
        w->n_threads++;
    }
    *ret = w;
    return ERR_OK;
}

bool writer_push(struct writer *w, struct cmd *c)
{
    bool taken = false;

    (void) pthread_mutex_lock(&w->lock);
    if (!w->closing && w->n_queued < WRITER_QUEUE_MAX) {
        list_append(&w->queue, &c->node);
        w->n_queued++;
        taken = true;
        (void) pthread_cond_signal(&w->more);
    }
    (void) pthread_mutex_unlock(&w->lock);
    return taken;
}

int64_t writer_busy_ms(struct writer *w, int64_t now_mono_us)
{
    int64_t since = atomic_load(&w->since_us);

    return since == 0 ? 0 : (now_mono_us - since) / 1000;
}

struct writer *writer_free(struct writer *w)
{
    if (w == NULL)
        return NULL;
    (void) pthread_mutex_lock(&w->lock);
    w->closing = true;
    (void) pthread_cond_broadcast(&w->more);
    (void) pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n_threads; i++)
        (void) pthread_join(w->threads[i], NULL);
    for (struct list *n; (n = list_pop(&w->queue)) != NULL;)
        cmd_free(LIST_ENTRY(n, struct cmd, node));
    (void) pthread_cond_destroy(&w->more);
    (void) pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}
