#include "gate/masks.h"

#include <stdlib.h>

struct masks_row {
    char pid[ID_CAP];
    uint64_t version;
    struct mask_rules *rules; /* NULL: what came could not be read */
};

enum err masks_init(struct masks *m, const uint8_t secret[16], struct err_info *reterr)
{
    map_init(&m->by_pid, secret, MASKS_MAX);
    return pthread_rwlock_init(&m->lock, NULL) == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
}

void masks_deinit(struct masks *m)
{
    MAP_FOREACH(struct masks_row, row, &m->by_pid)
    {
        (void) mask_rules_unref(row->rules);
        free(row);
    }
    map_deinit(&m->by_pid);
    (void) pthread_rwlock_destroy(&m->lock);
}

/* Under the write lock. */
static struct masks_row *row_of(struct masks *m, struct span pid)
{
    struct masks_row *row = map_get(&m->by_pid, pid);

    if (row != NULL)
        return row;
    row = calloc(1, sizeof(*row));
    if (row == NULL || !span_to_str(pid, row->pid, sizeof(row->pid)) || !map_put(&m->by_pid, span_str(row->pid), row, NULL)) {
        free(row);
        return NULL;
    }
    return row;
}

static bool is_known(struct masks *m, const struct ipc_mask_rules *in)
{
    const struct masks_row *row;
    bool known;

    pthread_rwlock_rdlock(&m->lock);
    row = map_get(&m->by_pid, in->pid);
    known = row != NULL && row->rules != NULL && row->version >= in->version;
    pthread_rwlock_unlock(&m->lock);
    return known;
}

enum err masks_put(struct masks *m, const struct ipc_mask_rules *in, struct err_info *reterr)
{
    struct mask_rules *rules = NULL, *old = NULL;
    struct masks_row *row;
    enum err e;

    if (is_known(m, in))
        return ERR_OK; /* the same is said with every recording */
    if (in->rules.n > 0) {
        e = mask_rules_decode(in->rules, &rules, reterr);
    } else {
        rules = mask_rules_ref(mask_rules_default());
        e = rules == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "masking rules") : ERR_OK;
    }
    pthread_rwlock_wrlock(&m->lock);
    row = row_of(m, in->pid);
    if (row == NULL) {
        old = rules;
        e = e == ERR_OK ? ERR_RAISE(reterr, ERR_LIMIT, "masking rules of too many projects") : e;
    } else if (row->rules == NULL || row->version <= in->version) {
        old = row->rules;
        row->rules = rules;
        row->version = in->version;
    } else {
        old = rules; /* a newer one came on another channel meanwhile */
    }
    pthread_rwlock_unlock(&m->lock);
    (void) mask_rules_unref(old);
    return e;
}

struct mask_rules *masks_get(struct masks *m, struct span pid)
{
    const struct masks_row *row;
    struct mask_rules *rules;

    pthread_rwlock_rdlock(&m->lock);
    row = map_get(&m->by_pid, pid);
    rules = row == NULL ? NULL : mask_rules_ref(row->rules);
    pthread_rwlock_unlock(&m->lock);
    return rules;
}
