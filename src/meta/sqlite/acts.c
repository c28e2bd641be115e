#include "meta/acts.h"

#include "meta/sqlite/db.h"
#include "meta/sqlite/list.h"

/* ---- client keys ---- */

enum err meta_client_key_add(struct meta *m, struct meta_client_key *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_client_key, row, reterr);
}

enum err meta_client_key_get(struct meta_view *v, struct span account, struct span jkt, struct arena *a,
                             struct meta_client_key *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_client_key, a, ret, reterr, "WHERE account=? AND jkt=?", "tt", account, jkt);
}

enum err meta_client_keys(struct meta_view *v, struct span account, time_ms since, size_t max, struct arena *a,
                          struct meta_client_key_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_client_key, a, max, ret, reterr,
                  "WHERE account=? AND since_ms>=? ORDER BY since_ms DESC, jkt LIMIT ?", "tii", account, since,
                  (int64_t) max);
}

/* ---- signed acts ---- */

enum err meta_act_add(struct meta *m, struct meta_act *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_act, row, reterr);
}

enum err meta_act_get(struct meta_view *v, struct span hash, struct arena *a, struct meta_act *ret,
                      struct err_info *reterr)
{
    return db_get(v, &db_table_act, a, ret, reterr, "WHERE hash=?", "t", hash);
}

enum err meta_act_by_once(struct meta_view *v, struct span once, struct arena *a, struct meta_act *ret,
                          struct err_info *reterr)
{
    return db_get(v, &db_table_act, a, ret, reterr, "WHERE once=?", "b", once);
}

/* ---- guarded changes ---- */

enum err meta_change_add(struct meta *m, struct meta_change *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_change, row, reterr);
}

enum err meta_change_put(struct meta *m, const struct meta_change *row, struct err_info *reterr)
{
    return db_update(m, &db_table_change, row, reterr);
}

enum err meta_change_get(struct meta_view *v, struct span id, struct arena *a, struct meta_change *ret,
                         struct err_info *reterr)
{
    return db_get(v, &db_table_change, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_changes(struct meta_view *v, struct span state, const struct meta_page *page, struct arena *a,
                      struct meta_change_list *ret, struct meta_pos *ret_next, struct err_info *reterr)
{
    struct list l;

    TRY(list_init(&l, &db_table_change, -1, page, a, reterr));
    TRY(list_add(&l, v, reterr, "WHERE seq<? AND seq>? AND (?3='' OR state=?3) ORDER BY seq DESC LIMIT ?4", "iiti",
                 list_before(&l), list_floor(&l), state, list_limit(&l)));
    list_finish(&l, ret, ret_next);
    return ERR_OK;
}

enum err meta_changes_due(struct meta_view *v, time_ms now, size_t max, struct arena *a, struct meta_change_list *ret,
                          struct err_info *reterr)
{
    return db_all(v, &db_table_change, a, max, ret, reterr,
                  "WHERE state='waiting' AND effective_ms>0 AND effective_ms<=? ORDER BY seq LIMIT ?", "ii", now,
                  (int64_t) max);
}
