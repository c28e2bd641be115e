#include "meta/hooks.h"

#include "meta/sqlite/db.h"

enum err meta_hook_once(struct meta *m, struct span hook, struct span delivery, time_ms now, bool *ret_new,
                        struct err_info *reterr)
{
    int n = 0;

    TRY(db_run(m, &n, reterr,
               "INSERT INTO hook_delivery(hook,delivery,at_ms) VALUES(?,?,?) ON CONFLICT(hook,delivery) DO NOTHING", "tti",
               hook, delivery, now));
    *ret_new = n == 1;
    return ERR_OK;
}

enum err meta_hook_purge(struct meta *m, time_ms before, int64_t max, int *ret_n, struct err_info *reterr)
{
    return db_run(m, ret_n, reterr,
                  "DELETE FROM hook_delivery WHERE (hook,delivery) IN (SELECT hook,delivery FROM hook_delivery"
                  " WHERE at_ms<? ORDER BY at_ms LIMIT ?)",
                  "ii", before, max);
}

enum err meta_ticket_get(struct meta_view *v, struct span project, struct span name, struct arena *a,
                         struct meta_ticket *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_ticket, a, ret, reterr, "WHERE project=? AND name=?", "tt", project, name);
}

enum err meta_ticket_put(struct meta *m, struct meta_ticket *row, struct err_info *reterr)
{
    TRY(db_run(m, NULL, reterr, "DELETE FROM ticket WHERE project=? AND name=?", "tt", row->project, row->name));
    return db_insert(m, &db_table_ticket, row, reterr);
}
