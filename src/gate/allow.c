#include "gate/allow.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"

#define ASK_MS 3000

struct allowance {
    char name[1 + JTI_CAP + ID_CAP]; /* what is asked for, jti, gateway */
    struct allowances *all;
    int64_t asked, until;            /* boot clock; until 0: no answer yet */
    bool asking;
    struct list waiting;             /* of struct asker */
};

struct asker {
    struct list node;
    allow_fn *fn;
    void *ctx;
};

struct allowances {
    struct map by_name; /* of struct allowance, owned */
};

struct allowances *allow_free(struct allowances *a)
{
    if (a == NULL)
        return NULL;
    MAP_FOREACH(struct allowance, one, &a->by_name)
        free(one);
    map_deinit(&a->by_name);
    free(a);
    return NULL;
}

/* What covers nothing any more; some at a time. */
static void sweep(struct allowances *a, int64_t now)
{
    struct allowance *over[256];
    size_t n = 0;

    MAP_FOREACH(struct allowance, one, &a->by_name)
    {
        if (n < 256 && !one->asking && one->until <= now)
            over[n++] = one;
    }
    for (size_t i = 0; i < n; i++) {
        (void) map_del(&a->by_name, span_str(over[i]->name));
        free(over[i]);
    }
}

static struct allowance *find(struct lane *l, char what, const char *jti, const char *tid, int64_t now)
{
    char name[sizeof(((struct allowance *) NULL)->name)];
    struct allowance *one;

    if (l->allowances == NULL) {
        l->allowances = calloc(1, sizeof(*l->allowances));
        if (l->allowances == NULL)
            return NULL;
        map_init(&l->allowances->by_name, l->gate->hash_secret, ALLOW_MAX);
    }
    (void) snprintf(name, sizeof(name), "%c%s%s", what, jti, tid);
    one = map_get(&l->allowances->by_name, span_str(name));
    if (one != NULL)
        return one;
    if (l->allowances->by_name.n % 256 == 255)
        sweep(l->allowances, now);
    one = calloc(1, sizeof(*one));
    if (one == NULL)
        return NULL;
    memcpy(one->name, name, sizeof(name));
    one->all = l->allowances;
    list_init(&one->waiting);
    if (map_put(&l->allowances->by_name, span_str(one->name), one, NULL))
        return one;
    free(one);
    return NULL;
}

static void answer_all(struct allowance *one, enum key_verdict v)
{
    struct list mine;

    one->asking = false;
    one->until = v == KEY_OK ? one->asked + ALLOW_MS : 0;
    list_init(&mine);
    for (struct list *n; (n = list_pop(&one->waiting)) != NULL;)
        list_append(&mine, n);
    for (struct list *n; (n = list_pop(&mine)) != NULL;) {
        struct asker *a = LIST_ENTRY(n, struct asker, node);

        a->fn(a->ctx, v);
        free(a);
    }
}

static void on_answer(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    enum key_verdict v = KEY_KEEPER_UNAVAILABLE;
    uint16_t number = KEY_N_;

    if (err == ERR_OK && type == IPC_T_LEASED)
        number = ((const struct ipc_leased *) body)->verdict;
    else if (err == ERR_OK && type == IPC_T_KEY_FACTS)
        number = ((const struct ipc_key_facts *) body)->verdict;
    if (key_verdict_valid(number))
        v = (enum key_verdict) number;
    answer_all(ctx, v);
}

/* Waits with others; true: the question is this one's to ask. */
static bool join(struct allowance *one, allow_fn *fn, void *ctx, int64_t now)
{
    struct asker *a;

    if (one == NULL) {
        fn(ctx, KEY_AUTHORITY_STALE);
        return false;
    }
    if (!one->asking && one->until > now) {
        fn(ctx, KEY_OK);
        return false;
    }
    a = calloc(1, sizeof(*a));
    if (a == NULL) {
        fn(ctx, KEY_AUTHORITY_STALE);
        return false;
    }
    a->fn = fn;
    a->ctx = ctx;
    list_append(&one->waiting, &a->node);
    if (one->asking)
        return false;
    one->asking = true;
    one->asked = now;
    return true;
}

static void ask(struct lane *l, struct allowance *one, enum ipc_type type, const void *m)
{
    if (l->keeper == NULL || link_call(l->keeper, type, m, ASK_MS, on_answer, one) != ERR_OK)
        answer_all(one, KEY_KEEPER_UNAVAILABLE);
}

void allow_content(struct lane *l, const struct key_claims *k, const char *tid, struct span proof, allow_fn *fn, void *ctx)
{
    const int64_t now = clock_boot_ms();
    const struct ipc_gateway_allowed m = {
        .jti = span_str(k->jti), .gid = span_str(k->gid), .gen = k->gen, .rid = span_str(k->rid),
        .pid = span_str(k->pid), .sub = span_str(k->sub), .tid = span_str(tid), .proof = proof,
        .seconds = ALLOW_MS / 1000,
    };
    struct allowance *one = find(l, 'c', k->jti, tid, now);

    if (join(one, fn, ctx, now))
        ask(l, one, IPC_T_GATEWAY_ALLOWED, &m);
}

void allow_known(struct lane *l, const struct key_claims *k, allow_fn *fn, void *ctx)
{
    const int64_t now = clock_boot_ms();
    const struct ipc_key_first m = {
        .jti = span_str(k->jti), .gid = span_str(k->gid), .gen = k->gen, .rid = span_str(k->rid),
        .pid = span_str(k->pid), .sub = span_str(k->sub), .env = span_str(k->env), .jkt = span_str(k->cnf_jkt),
    };
    struct allowance *one = find(l, 'k', k->jti, "", now);

    if (join(one, fn, ctx, now))
        ask(l, one, IPC_T_KEY_FIRST, &m);
}
