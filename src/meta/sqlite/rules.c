#include "meta/rules.h"

#include "meta/sqlite/db.h"
#include "meta/sqlite/list.h"

enum err meta_policy_add(struct meta *m, struct meta_policy *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_policy, row, reterr);
}

enum err meta_policy_put(struct meta *m, const struct meta_policy *row, struct err_info *reterr)
{
    return db_update(m, &db_table_policy, row, reterr);
}

enum err meta_policy_get(struct meta_view *v, struct span hash, struct arena *a, struct meta_policy *ret,
                         struct err_info *reterr)
{
    return db_get(v, &db_table_policy, a, ret, reterr, "WHERE hash=?", "t", hash);
}

enum err meta_policy_current(struct meta_view *v, struct arena *a, struct meta_policy *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_policy, a, ret, reterr, "WHERE state='enacted' ORDER BY enacted_ms DESC,seq DESC LIMIT 1",
                  "");
}

enum err meta_policy_is_current(struct meta_view *v, struct span hash, bool *ret, struct err_info *reterr)
{
    int64_t is;

    TRY(db_int(v, &is, reterr, "SELECT count(*)=1 AND min(hash)=? FROM policy WHERE state='enacted'", "t", hash));
    *ret = is != 0;
    return ERR_OK;
}

enum err meta_policy_enact(struct meta *m, struct span hash, struct span by, time_ms now, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, NULL, reterr, "UPDATE policy SET state='past' WHERE state='enacted' AND hash<>?", "t", hash));
    TRY(db_run(m, &n, reterr, "UPDATE policy SET state='enacted',approved_by=?,enacted_ms=? WHERE hash=?", "tit", by,
               now, hash));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such policy");
}

enum err meta_policies(struct meta_view *v, struct span state, const struct meta_page *page, struct arena *a,
                       struct meta_policy_list *ret, struct meta_pos *ret_next, struct err_info *reterr)
{
    struct list l;

    TRY(list_init(&l, &db_table_policy, -1, page, a, reterr));
    TRY(list_add(&l, v, reterr, "WHERE seq<? AND seq>? AND (?3='' OR state=?3) ORDER BY seq DESC LIMIT ?4", "iiti",
                 list_before(&l), list_floor(&l), state, list_limit(&l)));
    list_finish(&l, ret, ret_next);
    return ERR_OK;
}

enum err meta_masks_get(struct meta_view *v, struct span project, struct arena *a, struct meta_masks *ret,
                        struct err_info *reterr)
{
    return db_get(v, &db_table_masks, a, ret, reterr, "WHERE project=?", "t", project);
}

enum err meta_masks_put(struct meta *m, struct meta_masks *row, struct err_info *reterr)
{
    TRY(db_run(m, NULL, reterr, "DELETE FROM masks WHERE project=?", "t", row->project));
    return db_insert(m, &db_table_masks, row, reterr);
}

enum err meta_config_seen(struct meta *m, struct span hash, time_ms now, bool *ret_changed, struct err_info *reterr)
{
    int64_t same = 0;
    struct meta_config row = { .hash = hash, .at_ms = now };
    enum err e = db_int(&m->view, &same, reterr, "SELECT hash=? FROM config_seen ORDER BY seq DESC LIMIT 1", "t", hash);

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (same == 0)
        TRY(db_insert(m, &db_table_config, &row, reterr));
    *ret_changed = same == 0;
    return ERR_OK;
}

enum err meta_idempotency_get(struct meta_view *v, struct span actor, struct span route, struct span key, time_ms now,
                              struct arena *a, struct meta_idempotency *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_idempotency, a, ret, reterr,
                  "WHERE actor=? AND route=? AND idem_key=? AND created_ms>?", "ttti", actor, route, key,
                  now - META_IDEMPOTENCY_MS);
}

enum err meta_idempotency_put(struct meta *m, struct meta_idempotency *row, struct err_info *reterr)
{
    TRY(db_run(m, NULL, reterr, "DELETE FROM idempotency WHERE actor=? AND route=? AND idem_key=?", "ttt", row->actor,
               row->route, row->idem_key));
    return db_insert(m, &db_table_idempotency, row, reterr);
}

enum err meta_idempotency_purge(struct meta *m, time_ms now, int64_t max, int *ret_n, struct err_info *reterr)
{
    return db_run(m, ret_n, reterr,
                  "DELETE FROM idempotency WHERE (actor,route,idem_key) IN (SELECT actor,route,idem_key FROM idempotency"
                  " WHERE created_ms<=? ORDER BY created_ms LIMIT ?)",
                  "ii", now - META_IDEMPOTENCY_MS, max);
}
