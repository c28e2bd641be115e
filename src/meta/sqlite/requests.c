#include "meta/requests.h"

#include "meta/sqlite/db.h"
#include "meta/sqlite/list.h"

/* ---- requests ---- */

/* INSERT … VALUES(owner, value) for each value. */
static enum err put_texts(struct meta *m, const char *sql, struct span owner, const struct span *values, size_t n,
                          struct err_info *reterr)
{
    for (size_t i = 0; i < n; i++)
        TRY(db_run(m, NULL, reterr, sql, "tt", owner, values[i]));
    return ERR_OK;
}

enum err meta_request_add(struct meta *m, struct meta_request *row, const struct meta_request_lists *lists,
                          struct err_info *reterr)
{
    if (lists->n_recordings > META_REQUEST_RECORDINGS_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "%zu recordings, at most %d", lists->n_recordings,
                         META_REQUEST_RECORDINGS_MAX);
    TRY(db_insert(m, &db_table_request, row, reterr));
    TRY(put_texts(m, "INSERT INTO request_recording(request,rid) VALUES(?,?)", row->id, lists->recordings,
                  lists->n_recordings, reterr));
    TRY(put_texts(m, "INSERT INTO request_action(request,action) VALUES(?,?)", row->id, lists->actions,
                  lists->n_actions, reterr));
    return put_texts(m, "INSERT INTO request_viewer(request,account) VALUES(?,?)", row->id, lists->viewers,
                     lists->n_viewers, reterr);
}

enum err meta_request_put(struct meta *m, const struct meta_request *r, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr,
               "UPDATE request SET state=?,cause=?,rule=?,terms=?,lapse_ms=?,decided_ms=?,version=? WHERE id=?",
               "tttbiiit", r->state, r->cause, r->rule, r->terms, r->lapse_ms, r->decided_ms, r->version, r->id));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such request");
}

enum err meta_request_get(struct meta_view *v, struct span id, struct arena *a, struct meta_request *ret,
                          struct err_info *reterr)
{
    return db_get(v, &db_table_request, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_request_lists(struct meta_view *v, struct span id, struct arena *a, struct meta_request_lists *ret,
                            struct err_info *reterr)
{
    struct span *recordings, *actions, *viewers;
    struct meta_request_lists l;

    TRY(db_texts(v, a, META_REQUEST_RECORDINGS_MAX, &recordings, &l.n_recordings, reterr,
                 "SELECT rid FROM request_recording WHERE request=? ORDER BY rid", "t", id));
    TRY(db_texts(v, a, META_PAGE_MAX, &actions, &l.n_actions, reterr,
                 "SELECT action FROM request_action WHERE request=? ORDER BY action", "t", id));
    TRY(db_texts(v, a, META_PAGE_MAX, &viewers, &l.n_viewers, reterr,
                 "SELECT account FROM request_viewer WHERE request=? ORDER BY account", "t", id));
    l.recordings = recordings;
    l.actions = actions;
    l.viewers = viewers;
    *ret = l;
    return ERR_OK;
}

/* What the three lists of this file differ in. */
struct kind {
    const struct db_table *t;
    const char *by_project; /* "WHERE t.project=?" */
    const char *by_person;
    const char *recording;  /* the piece that narrows to one recording */
    const char *gid;
};

/* Along (project | person) and state, newest first; 'mine' says which column. */
static enum err walk(struct list *l, struct meta_view *v, const struct kind *kind, const struct meta_access_filter *f,
                     const char *where, struct span owner, const struct span *state, struct err_info *reterr)
{
    CLEANUP(ask_deinit) struct ask k = { .n = 0 };

    ask_init(&k);
    ask_text(&k, where, owner);
    if (state != NULL)
        ask_text(&k, " AND t.state=?", *state);
    if (f->recording.n > 0)
        ask_text(&k, kind->recording, f->recording);
    if (f->gid.n > 0)
        ask_text(&k, kind->gid, f->gid);
    ask_int(&k, " AND t.seq<?", list_before(l));
    ask_int(&k, " AND t.seq>?", list_floor(l));
    ask_int(&k, " ORDER BY t.seq DESC LIMIT ?", list_limit(l));
    return list_ask(l, v, &k, reterr);
}

static enum err walk_owner(struct list *l, struct meta_view *v, const struct kind *kind,
                           const struct meta_access_filter *f, const char *where, struct span owner,
                           struct err_info *reterr)
{
    if (f->n_states == 0)
        return walk(l, v, kind, f, where, owner, NULL, reterr);
    for (size_t i = 0; i < f->n_states; i++)
        TRY(walk(l, v, kind, f, where, owner, &f->states[i], reterr));
    return ERR_OK;
}

static enum err list_all(struct meta_view *v, const struct kind *kind, const struct meta_access_filter *f,
                         const struct meta_page *page, struct arena *a, void *ret, struct meta_pos *ret_next,
                         struct err_info *reterr)
{
    struct list l;

    TRY(list_init(&l, kind->t, -1, page, a, reterr));
    for (size_t i = 0; i < f->n_projects; i++)
        TRY(walk_owner(&l, v, kind, f, kind->by_project, f->projects[i], reterr));
    if (f->person.n > 0)
        TRY(walk_owner(&l, v, kind, f, kind->by_person, f->person, reterr));
    list_finish(&l, ret, ret_next);
    return ERR_OK;
}

enum err meta_requests(struct meta_view *v, const struct meta_access_filter *f, const struct meta_page *page,
                       struct arena *a, struct meta_request_list *ret, struct meta_pos *ret_next,
                       struct err_info *reterr)
{
    static const struct kind kind = { &db_table_request, "WHERE t.project=?", "WHERE t.requester=?",
                                      " AND t.id IN (SELECT request FROM request_recording WHERE rid=?)",
                                      " AND t.id=(SELECT request FROM access_grant WHERE id=?)" };

    return list_all(v, &kind, f, page, a, ret, ret_next, reterr);
}

enum err meta_requests_lapsing(struct meta_view *v, struct span pending, time_ms until, size_t max, struct arena *a,
                               struct meta_request_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_request, a, max, ret, reterr,
                  "WHERE state=? AND lapse_ms<=? ORDER BY lapse_ms,seq LIMIT ?", "tii", pending, until, (int64_t) max);
}

enum err meta_requests_linked(struct meta_view *v, struct span gid, struct arena *a, struct meta_request_list *ret,
                              struct err_info *reterr)
{
    return db_all(v, &db_table_request, a, META_LIVE_MAX, ret, reterr, "WHERE extends=? AND extends<>'' ORDER BY seq",
                  "t", gid);
}

enum err meta_requests_of_ticket(struct meta_view *v, struct span project, struct span ticket, struct span state,
                                 struct arena *a, struct meta_request_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_request, a, META_LIVE_MAX, ret, reterr,
                  "WHERE project=? AND lower(trim(ticket))=lower(trim(?)) AND ticket<>'' AND state=? ORDER BY seq", "ttt", project, ticket,
                  state);
}

enum err meta_requests_broken(struct meta_view *v, struct span requester, time_ms since, struct arena *a,
                              struct meta_request_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_request, a, META_LIVE_MAX, ret, reterr,
                  "WHERE requester=? AND created_ms>=? AND break_glass=1 ORDER BY seq", "ti", requester, since);
}

enum err meta_vote_add(struct meta *m, struct meta_vote *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_vote, row, reterr);
}

enum err meta_votes(struct meta_view *v, struct span request, struct arena *a, struct meta_vote_list *ret,
                    struct err_info *reterr)
{
    return db_all(v, &db_table_vote, a, META_PAGE_MAX, ret, reterr, "WHERE request=? ORDER BY at_ms,voter", "t",
                  request);
}

/* ---- grants ---- */

enum err meta_grant_add(struct meta *m, struct meta_grant *row, const struct span *recordings, size_t n_recordings,
                        const struct span *actions, size_t n_actions, struct err_info *reterr)
{
    TRY(db_insert(m, &db_table_grant, row, reterr));
    TRY(put_texts(m, "INSERT INTO grant_recording(gid,rid) VALUES(?,?)", row->id, recordings, n_recordings, reterr));
    return put_texts(m, "INSERT INTO grant_action(gid,action) VALUES(?,?)", row->id, actions, n_actions, reterr);
}

enum err meta_grant_put(struct meta *m, const struct meta_grant *row, struct err_info *reterr)
{
    return db_update(m, &db_table_grant, row, reterr);
}

enum err meta_grant_get(struct meta_view *v, struct span id, struct arena *a, struct meta_grant *ret,
                        struct err_info *reterr)
{
    return db_get(v, &db_table_grant, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_grants_of_request(struct meta_view *v, struct span request, struct arena *a, struct meta_grant_list *ret,
                                struct err_info *reterr)
{
    return db_all(v, &db_table_grant, a, META_PAGE_MAX, ret, reterr, "WHERE request=? ORDER BY seq", "t", request);
}

enum err meta_grant_recordings(struct meta_view *v, struct span id, struct arena *a, struct span **ret, size_t *ret_n,
                               struct err_info *reterr)
{
    return db_texts(v, a, META_PAGE_MAX, ret, ret_n, reterr, "SELECT rid FROM grant_recording WHERE gid=? ORDER BY rid",
                    "t", id);
}

enum err meta_grant_actions(struct meta_view *v, struct span id, struct arena *a, struct span **ret, size_t *ret_n,
                            struct err_info *reterr)
{
    return db_texts(v, a, META_PAGE_MAX, ret, ret_n, reterr,
                    "SELECT action FROM grant_action WHERE gid=? ORDER BY action", "t", id);
}

enum err meta_grant_covers(struct meta_view *v, struct span id, struct span rid, struct err_info *reterr)
{
    int64_t one;

    return db_int(v, &one, reterr, "SELECT 1 FROM grant_recording WHERE gid=? AND rid=?", "tt", id, rid);
}

enum err meta_grant_widen(struct meta *m, struct span id, struct span rid, struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "INSERT INTO grant_recording(gid,rid) VALUES(?,?)", "tt", id, rid);
}

enum err meta_grant_narrow(struct meta *m, struct span id, struct span rid, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr, "DELETE FROM grant_recording WHERE gid=? AND rid=?", "tt", id, rid));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: not in that grant");
}

enum err meta_grants(struct meta_view *v, const struct meta_access_filter *f, const struct meta_page *page,
                     struct arena *a, struct meta_grant_list *ret, struct meta_pos *ret_next, struct err_info *reterr)
{
    static const struct kind kind = { &db_table_grant, "WHERE t.project=?", "WHERE t.holder=?",
                                      " AND t.id IN (SELECT gid FROM grant_recording WHERE rid=?)", " AND t.id=?" };

    return list_all(v, &kind, f, page, a, ret, ret_next, reterr);
}

enum err meta_grants_in_state(struct meta_view *v, struct span state, struct arena *a, struct meta_grant_list *ret,
                              struct err_info *reterr)
{
    return db_all(v, &db_table_grant, a, META_LIVE_MAX, ret, reterr, "WHERE state=? ORDER BY seq", "t", state);
}

enum err meta_grants_of_ticket(struct meta_view *v, struct span project, struct span ticket, struct span state,
                               struct arena *a, struct meta_grant_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_grant, a, META_LIVE_MAX, ret, reterr,
                  "WHERE state=?3 AND project=?1 AND request IN"
                  " (SELECT id FROM request WHERE project=?1 AND lower(trim(ticket))=lower(trim(?2)) AND ticket<>'') ORDER BY seq",
                  "ttt", project, ticket, state);
}

enum err meta_grants_to_review(struct meta_view *v, struct span review, time_ms until, size_t max, struct arena *a,
                               struct meta_grant_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_grant, a, max, ret, reterr,
                  "WHERE (review='due' OR review='overdue') AND review=? AND review_due_ms<=?"
                  " ORDER BY review_due_ms,seq LIMIT ?",
                  "tii", review, until, (int64_t) max);
}

/* ---- the brake ---- */

enum err meta_freeze_add(struct meta *m, struct meta_freeze *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_freeze, row, reterr);
}

enum err meta_freeze_get(struct meta_view *v, struct span project, struct arena *a, struct meta_freeze *ret,
                         struct err_info *reterr)
{
    return db_get(v, &db_table_freeze, a, ret, reterr, "WHERE project=?", "t", project);
}

enum err meta_freeze_remove(struct meta *m, struct span project, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr, "DELETE FROM freeze WHERE project=?", "t", project));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: not frozen");
}

enum err meta_freezes(struct meta_view *v, struct arena *a, struct meta_freeze_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_freeze, a, META_LIVE_MAX, ret, reterr, "ORDER BY project<>'*',at_ms,project", "");
}

enum err meta_frozen(struct meta_view *v, struct span project, bool *ret, struct err_info *reterr)
{
    int64_t n;

    TRY(db_int(v, &n, reterr, "SELECT count(*) FROM freeze WHERE project='*' OR project=?", "t", project));
    *ret = n > 0;
    return ERR_OK;
}

static enum err access_row(sqlite3_stmt *st, struct arena *a, struct meta_access *to, struct err_info *reterr)
{
    TRY(db_col_span(st, 0, a, &to->rid, reterr));
    TRY(db_col_span(st, 1, a, &to->state, reterr));
    TRY(db_col_span(st, 2, a, &to->gid, reterr));
    return db_col_span(st, 3, a, &to->request, reterr);
}

static enum err access_rows(struct meta_view *v, const char *sql, struct span person, struct span state,
                            struct arena *a, void **rows, size_t *cap, size_t *n, struct err_info *reterr)
{
    sqlite3_stmt *st;
    enum err e;
    bool row;

    TRY(db_query(v, &st, reterr, sql, "tt", person, state));
    for (;; ++*n) {
        struct meta_access *to;

        TRY(db_step(v, st, &row, reterr));
        if (!row)
            return ERR_OK;
        to = db_slot(a, rows, cap, *n, sizeof(*to));
        e = to == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena")
                       : access_row(st, a, to, reterr);
        if (e != ERR_OK) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return e;
        }
    }
}

enum err meta_access_any(struct meta_view *v, struct span rid, bool *ret, struct err_info *reterr)
{
    int64_t any;

    TRY(db_int(v, &any, reterr, "SELECT EXISTS(SELECT 1 FROM grant_recording WHERE rid=?1) OR EXISTS(SELECT 1 FROM request_recording WHERE rid=?1)", "t",
               rid));
    *ret = any != 0;
    return ERR_OK;
}

enum err meta_access_of(struct meta_view *v, struct span person, const struct span *states, size_t n_states,
                        struct arena *a, struct meta_access **ret, size_t *ret_n, struct err_info *reterr)
{
    void *rows = NULL;
    size_t cap = 0, n = 0;

    for (size_t i = 0; i < n_states; i++) {
        TRY(access_rows(v,
                        "SELECT x.rid,g.state,g.id,g.request FROM access_grant g JOIN grant_recording x ON x.gid=g.id"
                        " WHERE g.holder=? AND g.state=? ORDER BY g.seq DESC",
                        person, states[i], a, &rows, &cap, &n, reterr));
        TRY(access_rows(v,
                        "SELECT x.rid,q.state,'',q.id FROM request q JOIN request_recording x ON x.request=q.id"
                        " WHERE q.requester=? AND q.state=? AND NOT EXISTS"
                        " (SELECT 1 FROM access_grant g WHERE g.request=q.id) ORDER BY q.seq DESC",
                        person, states[i], a, &rows, &cap, &n, reterr));
    }
    *ret = rows;
    *ret_n = n;
    return ERR_OK;
}

enum err meta_window_sum(struct meta_view *v, struct span holder, struct span rid, time_ms since, int64_t *ret_s,
                         struct err_info *reterr)
{
    return db_int(v, ret_s, reterr,
                  "SELECT coalesce(sum(CASE WHEN ended_ms>0 AND ended_ms<window_end_ms THEN ended_ms ELSE window_end_ms"
                  " END-window_start_ms),0)/1000 FROM access_grant t WHERE holder=?1 AND window_start_ms>=?2"
                  " AND window_start_ms>0 AND (?3='' OR EXISTS"
                  " (SELECT 1 FROM grant_recording x WHERE x.gid=t.id AND x.rid=?3))",
                  "tit", holder, since, rid);
}

/* ---- viewings ---- */

enum err meta_viewing_add(struct meta *m, struct meta_viewing *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_viewing, row, reterr);
}

enum err meta_viewing_put(struct meta *m, const struct meta_viewing *row, struct err_info *reterr)
{
    return db_update(m, &db_table_viewing, row, reterr);
}

enum err meta_viewing_get(struct meta_view *v, struct span id, struct arena *a, struct meta_viewing *ret,
                          struct err_info *reterr)
{
    return db_get(v, &db_table_viewing, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_viewing_find(struct meta_view *v, struct span gid, struct span rid, struct span client_key,
                           struct arena *a, struct meta_viewing *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_viewing, a, ret, reterr,
                  "WHERE gid=? AND rid=? AND client_key=? ORDER BY seq DESC LIMIT 1", "ttt", gid, rid, client_key);
}

enum err meta_viewings(struct meta_view *v, const struct meta_access_filter *f, const struct meta_page *page,
                       struct arena *a, struct meta_viewing_list *ret, struct meta_pos *ret_next,
                       struct err_info *reterr)
{
    static const struct kind kind = { &db_table_viewing, "WHERE t.project=?", "WHERE t.holder=?", " AND t.rid=?",
                                      " AND t.gid=?" };

    return list_all(v, &kind, f, page, a, ret, ret_next, reterr);
}

enum err meta_viewings_of_grant(struct meta_view *v, struct span gid, struct arena *a, struct meta_viewing_list *ret,
                                struct err_info *reterr)
{
    return db_all(v, &db_table_viewing, a, META_LIVE_MAX, ret, reterr, "WHERE gid=? AND ended_ms=0 ORDER BY seq", "t",
                  gid);
}

/* ---- issued keys ---- */

enum err meta_key_add(struct meta *m, struct meta_key *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_key, row, reterr);
}

enum err meta_key_get(struct meta_view *v, struct span jti, struct arena *a, struct meta_key *ret,
                      struct err_info *reterr)
{
    return db_get(v, &db_table_key, a, ret, reterr, "WHERE jti=?", "t", jti);
}

enum err meta_key_revoke(struct meta *m, struct span jti, time_ms at, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr, "UPDATE issued_key SET revoked_ms=? WHERE jti=? AND revoked_ms=0", "it", at, jti));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such key to revoke");
}

enum err meta_keys_live(struct meta_view *v, struct span gid, struct span rid, struct span client_token, int64_t now_s,
                        struct arena *a, struct meta_key_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_key, a, META_LIVE_MAX, ret, reterr,
                  "WHERE gid=? AND exp_s>? AND revoked_ms=0 AND (?3='' OR rid=?3) AND (?4='' OR token=?4) ORDER BY seq",
                  "titt", gid, now_s, rid, client_token);
}

enum err meta_keys_live_of_client(struct meta_view *v, struct span gid, struct span rid, struct span client_key,
                                  int64_t now_s, struct arena *a, struct meta_key_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_key, a, META_LIVE_MAX, ret, reterr,
                  /* '+': by the client's keys that live, not by all that the grant ever had */
                  "WHERE +gid=? AND +rid=? AND revoked_ms=0"
                  " AND ((jkt=? AND jkt<>'' AND exp_s>?) OR (jkt='' AND token=? AND exp_s>?)) ORDER BY seq",
                  "tttiti", gid, rid, client_key, now_s, client_key, now_s);
}

enum err meta_keys_live_of_token(struct meta_view *v, struct span token, int64_t now_s, struct arena *a,
                                 struct meta_key_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_key, a, META_LIVE_MAX, ret, reterr,
                  "WHERE token=? AND exp_s>? AND revoked_ms=0 ORDER BY seq", "ti", token, now_s);
}

enum err meta_keys_denied(struct meta_view *v, int64_t now_s, struct arena *a, struct meta_key_list *ret,
                          struct err_info *reterr)
{
    return db_all(v, &db_table_key, a, META_LIVE_MAX, ret, reterr, "WHERE exp_s>? AND revoked_ms>0 ORDER BY seq", "i",
                  now_s);
}

enum err meta_keys(struct meta_view *v, struct span gid, const struct meta_page *page, struct arena *a,
                   struct meta_key_list *ret, struct meta_pos *ret_next, struct err_info *reterr)
{
    struct list l;

    TRY(list_init(&l, &db_table_key, -1, page, a, reterr));
    TRY(list_add(&l, v, reterr, "WHERE gid=? AND seq<? AND seq>? ORDER BY seq DESC LIMIT ?", "tiii", gid,
                 list_before(&l), list_floor(&l), list_limit(&l)));
    list_finish(&l, ret, ret_next);
    return ERR_OK;
}
