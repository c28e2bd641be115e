#include "gate/live_bodies.h"

#include <stdlib.h>

#include "format/id.h"

#define SHARES_MAX 65536

struct live_share {
    char id[ID_CAP];
    uint64_t bytes;
    unsigned n; /* bodies */
};

enum err live_bodies_init(struct live_bodies *t, const uint8_t secret[16], struct err_info *reterr)
{
    map_init(&t->shares, secret, SHARES_MAX);
    t->bytes = 0;
    return pthread_mutex_init(&t->lock, NULL) == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
}

void live_bodies_deinit(struct live_bodies *t)
{
    map_deinit(&t->shares); /* each body has given back what it held */
    (void) pthread_mutex_destroy(&t->lock);
}

/* NULL: no memory. */
static struct live_share *share_get(struct live_bodies *t, const char *id)
{
    struct live_share *s = map_get(&t->shares, span_str(id));

    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return NULL;
        if (!span_to_str(span_str(id), s->id, sizeof(s->id)) || !map_put(&t->shares, span_str(s->id), s, NULL)) {
            free(s);
            return NULL;
        }
    }
    s->n++;
    return s;
}

static void share_put(struct live_bodies *t, struct live_share *s, uint64_t bytes)
{
    if (s == NULL)
        return;
    s->bytes -= bytes;
    if (--s->n > 0)
        return;
    (void) map_del(&t->shares, span_str(s->id));
    free(s);
}

/* Without memory for its name only the limit of all counts. */
static bool count(struct live_share *s, uint64_t n, uint64_t max)
{
    if (s == NULL)
        return true;
    s->bytes += n;
    return s->bytes <= max;
}

bool live_bodies_take(struct live_bodies *t, struct live_hold *h, const char *pid, const char *tid, uint64_t n)
{
    bool fits;

    pthread_mutex_lock(&t->lock);
    if (h->bytes == 0 && h->token == NULL) {
        h->token = share_get(t, tid);
        h->project = tid[0] == '\0' ? NULL : share_get(t, pid);
    }
    h->bytes += n;
    t->bytes += n;
    fits = t->bytes <= LIVE_BODIES_MAX;
    fits = count(h->project, n, LIVE_BODIES_PROJECT) && fits;
    fits = count(h->token, n, LIVE_BODIES_TOKEN) && fits;
    pthread_mutex_unlock(&t->lock);
    return fits || h->bytes <= LIVE_BODY_SMALL;
}

void live_bodies_give(struct live_bodies *t, struct live_hold *h)
{
    pthread_mutex_lock(&t->lock);
    t->bytes -= h->bytes;
    share_put(t, h->project, h->bytes);
    share_put(t, h->token, h->bytes);
    pthread_mutex_unlock(&t->lock);
    *h = (struct live_hold){ .bytes = 0 };
}
