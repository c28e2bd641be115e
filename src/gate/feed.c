#include "gate/feed.h"

#include <stdlib.h>

#include "os/clock.h"
#include "store/reclog.h"

#define POLL_MS     250  /* is it written by this process (again)? */
#define ASK_MS      2000 /* has it ended? */
#define WAKE_N      128  /* in one turn */
#define MARKS       64
#define MARK_MS     100
#define BLOCKS_MAX  64

/* Events before 'next' were durable at 'at'. */
struct mark {
    uint64_t next;
    time_ms at;
};

struct feed {
    struct lane *lane;
    char rid[ID_CAP];
    unsigned refs; /* members, work under way */
    struct list members;
    struct list wake; /* members that are told in the next turns */
    bool posted;

    struct reclog_follower *log; /* NULL: not written here */
    uint64_t next, marked;
    bool over, asking;
    time_ms asked;
    struct loop_timer poll;

    struct mark marks[MARKS];
    size_t first_mark, n_marks;

    struct list blocks; /* newest last */
    size_t n_blocks, bytes;
    bool has_kn;
    uint16_t kn;      /* of the newest */
    struct feed_member *loader; /* opens the block with this event: */
    uint64_t loading;
};

static void watch_log(struct feed *f);

/* ---- blocks ---- */

static void drop_block(struct feed *f, struct block *b)
{
    list_remove(&b->node);
    f->n_blocks--;
    f->bytes -= b->bytes.n;
    f->lane->feed_bytes -= b->bytes.n;
    (void) block_unref(b);
}

static void trim(struct feed *f)
{
    struct gate *g = f->lane->gate;
    uint64_t part = gate_settings(g)->cache_bytes / (g->n_lanes == 0 ? 1 : g->n_lanes);
    time_ms now = clock_boot_ms();

    while (!list_empty(&f->blocks)) {
        struct block *oldest = LIST_ENTRY(f->blocks.next, struct block, node);

        if (f->bytes <= FEED_BYTES && f->n_blocks <= BLOCKS_MAX && f->lane->feed_bytes <= part &&
            now - oldest->made < FEED_KEPT_MS)
            return;
        drop_block(f, oldest);
    }
}

static void drop_all(struct feed *f)
{
    while (!list_empty(&f->blocks))
        drop_block(f, LIST_ENTRY(f->blocks.next, struct block, node));
}

struct block *feed_take(struct feed_member *m, uint64_t seq)
{
    if (m->feed == NULL)
        return NULL;
    m->marked = m->feed->marked;
    LIST_FOREACH(node, &m->feed->blocks)
    {
        struct block *b = LIST_ENTRY(node, struct block, node);

        if (seq >= b->meta.first_seq && seq - b->meta.first_seq < b->n_lines)
            return viewer_has_key(m->viewer, b->kn) && !viewer_unmasks(m->viewer) ? block_ref(b) : NULL;
    }
    return NULL;
}

void feed_put(struct feed_member *m, struct block *b)
{
    struct feed *f = m->feed;

    if (f == NULL || list_linked(&b->node) || viewer_unmasks(m->viewer))
        return; /* with originals in it, it is for this viewer alone */
    if (m->marked != f->marked)
        return; /* opened before a mark that may speak of it */
    list_append(&f->blocks, &block_ref(b)->node);
    f->n_blocks++;
    f->bytes += b->bytes.n;
    f->lane->feed_bytes += b->bytes.n;
    f->has_kn = true;
    f->kn = b->kn;
    trim(f);
}

bool feed_claim(struct feed_member *m, uint64_t seq)
{
    struct feed *f = m->feed;

    /* whoever lacks the key of it has to open it for himself */
    if (f == NULL || (f->has_kn && !viewer_has_key(m->viewer, f->kn)) || viewer_unmasks(m->viewer))
        return true;
    if (f->loader != NULL)
        return f->loading != seq;
    f->loader = m;
    f->loading = seq;
    return true;
}

/* ---- telling followers ---- */

static void unref(struct feed *f)
{
    if (--f->refs > 0)
        return;
    f->log = reclog_unfollow(f->log);
    loop_timer_cancel(&f->poll);
    drop_all(f);
    (void) map_del(&f->lane->feeds, span_str(f->rid));
    free(f);
}

static void wake_some(void *arg);

static void post_wake(struct feed *f)
{
    if (f->posted || list_empty(&f->wake))
        return;
    f->refs++;
    f->posted = true;
    if (loop_post(f->lane->loop, wake_some, f) != ERR_OK) {
        f->posted = false; /* no memory: the next news, or their own timers */
        unref(f);
    }
}

static void wake_some(void *arg)
{
    struct feed *f = arg;
    struct list *node;

    f->posted = false;
    for (int i = 0; i < WAKE_N && (node = list_pop(&f->wake)) != NULL; i++) {
        struct feed_member *m = LIST_ENTRY(node, struct feed_member, wake);

        m->fn(m->ctx); /* it, and others, may leave */
    }
    post_wake(f);
    unref(f);
}

static void wake_all(struct feed *f)
{
    LIST_FOREACH(node, &f->members)
    {
        struct feed_member *m = LIST_ENTRY(node, struct feed_member, node);

        if (!list_linked(&m->wake))
            list_append(&f->wake, &m->wake);
    }
    if (f->posted)
        return;
    f->refs++; /* the first ones at once */
    f->posted = true;
    wake_some(f);
}

/* Those who waited for it look again; whoever finds nothing loads it himself. */
static void release_claim(struct feed *f, const struct feed_member *m)
{
    if (f->loader != m)
        return;
    f->loader = NULL;
    LIST_FOREACH(node, &f->members)
    {
        struct feed_member *other = LIST_ENTRY(node, struct feed_member, node);

        if (other != m && !list_linked(&other->wake))
            list_append(&f->wake, &other->wake);
    }
    post_wake(f);
}

void feed_loaded(struct feed_member *m, struct block *b)
{
    if (b != NULL)
        feed_put(m, b);
    if (m->feed != NULL)
        release_claim(m->feed, m);
}

/* ---- what there is ---- */

static void know(struct feed *f, uint64_t next)
{
    time_ms now = clock_boot_ms();
    struct mark *last = &f->marks[(f->first_mark + f->n_marks + MARKS - 1) % MARKS];

    if (next <= f->next)
        return;
    f->next = next;
    if (f->n_marks > 0 && now - last->at < MARK_MS) { /* as one: 'at' is when the first of them came */
        last->next = next;
        return;
    }
    if (f->n_marks == MARKS)
        f->first_mark = (f->first_mark + 1) % MARKS;
    else
        f->n_marks++;
    f->marks[(f->first_mark + f->n_marks - 1) % MARKS] = (struct mark){ next, now };
}

static void marks(struct feed *f, uint64_t marked)
{
    if (marked == f->marked)
        return;
    f->marked = marked;
    drop_all(f);
}

uint64_t feed_next(const struct feed_member *m)
{
    return m->feed == NULL ? 0 : m->feed->next;
}

uint64_t feed_marked(const struct feed_member *m)
{
    return m->feed == NULL ? 0 : m->feed->marked;
}

bool feed_over(const struct feed_member *m)
{
    return m->feed != NULL && m->feed->over;
}

int64_t feed_age(const struct feed_member *m, uint64_t seq)
{
    const struct feed *f = m->feed;

    for (size_t i = 0; f != NULL && i < f->n_marks; i++) {
        const struct mark *k = &f->marks[(f->first_mark + i) % MARKS];

        if (k->next > seq)
            return clock_boot_ms() - k->at;
    }
    return 0;
}

static void on_news(void *ctx, const struct reclog_news *news)
{
    struct feed *f = ctx;

    f->refs++;
    marks(f, news->marked);
    know(f, news->next_seq);
    if (news->ended) {
        f->log = reclog_unfollow(f->log);
        f->asked = 0;
        watch_log(f);
    }
    wake_all(f);
    unref(f);
}

struct question {
    struct feed *feed;
    struct viewer *viewer;
};

static void on_asked(void *ctx, struct viewer_read *r)
{
    struct question *a = ctx;
    struct feed *f = a->feed;
    const struct viewer_facts *k = viewer_facts(a->viewer);

    f->asking = false;
    if (r->err == ERR_OK && !f->over) {
        know(f, k->live ? r->sealed : k->events);
        f->over = !k->live;
        if (f->over)
            loop_timer_cancel(&f->poll);
        wake_all(f);
    }
    buf_deinit(&r->bytes);
    viewer_unref(a->viewer);
    free(a);
    unref(f);
}

/* Any follower's key does: what is asked is asked of the same recording. */
static void ask_keeper(struct feed *f)
{
    static const struct viewer_want pieces = { .kind = READ_PIECES };
    struct question *a;

    if (f->asking || list_empty(&f->members))
        return;
    a = calloc(1, sizeof(*a));
    if (a == NULL)
        return;
    f->asking = true;
    f->asked = clock_boot_ms();
    f->refs++;
    a->feed = f;
    a->viewer = viewer_ref(LIST_ENTRY(f->members.next, struct feed_member, node)->viewer);
    viewer_read(a->viewer, &pieces, on_asked, a);
}

/* Written here: the log tells. Not: looks again soon, and asks the keeper whether it has ended. */
static void watch_log(struct feed *f)
{
    struct reclog *log = f->lane->gate->reclog;
    struct reclog_news now = { .next_seq = 0 };
    struct err_info e;

    if (f->over || f->log != NULL)
        return;
    if (log != NULL &&
        reclog_follow(log, span_str(f->rid), f->lane->loop, on_news, f, &f->log, &now, &e) == ERR_OK) {
        marks(f, now.marked);
        know(f, now.next_seq);
        return;
    }
    if (f->asked == 0 || clock_boot_ms() - f->asked >= ASK_MS)
        ask_keeper(f);
    loop_timer_arm(&f->poll, POLL_MS);
}

static void on_poll(void *arg)
{
    struct feed *f = arg;
    uint64_t before = f->next;

    f->refs++;
    watch_log(f);
    if (f->log != NULL || f->next != before)
        wake_all(f);
    unref(f);
}

/* ---- life ---- */

static struct feed *feed_new(struct lane *l, const char *rid, uint64_t events, bool live)
{
    struct feed *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->lane = l;
    memcpy(f->rid, rid, strlen(rid) + 1);
    list_init(&f->members);
    list_init(&f->wake);
    list_init(&f->blocks);
    loop_timer_init(&f->poll, l->loop, on_poll, f);
    if (!map_put(&l->feeds, span_str(f->rid), f, NULL)) {
        free(f);
        return NULL;
    }
    f->over = !live;
    f->asked = clock_boot_ms(); /* viewer_extent did, just now */
    know(f, events);
    return f;
}

enum err feed_join(struct lane *l, struct feed_member *m, uint64_t events, bool live, struct err_info *reterr)
{
    const char *rid = viewer_claims(m->viewer)->rid;
    struct feed *f = map_get(&l->feeds, span_str(rid));
    bool fresh = f == NULL;

    if (fresh)
        f = feed_new(l, rid, events, live);
    if (f == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "a feed");
    f->refs++;
    m->feed = f;
    list_append(&f->members, &m->node);
    know(f, events);
    f->over |= !live;
    if (fresh)
        watch_log(f);
    m->marked = f->marked;
    return ERR_OK;
}

void feed_leave(struct feed_member *m)
{
    struct feed *f = m->feed;

    if (f == NULL)
        return;
    m->feed = NULL;
    list_remove(&m->node);
    list_remove(&m->wake);
    release_claim(f, m);
    if (list_empty(&f->members)) /* work under way may hold it a moment longer: content does not stay for that */
        drop_all(f);
    unref(f);
}

void feeds_tick(struct lane *l)
{
    MAP_FOREACH(struct feed, f, &l->feeds)
        trim(f);
}
