/* Recordings as the API shows them: stated metadata only; what is read from events is content and never here. */
#include "keeper/item.h"
#include "keeper/view.h"

void view_link(struct job *c, const struct meta_pair *l)
{
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "type", l->name);
    jsonw_kstr(&c->w, "id", l->value);
    if (l->timed)
        jsonw_kint(&c->w, "at_ms", l->at_ms);
    if (l->public)
        jsonw_kbool(&c->w, "public", true);
    jsonw_obj_end(&c->w);
}

/* Both are shown, and the policy goes by them: read once. */
struct labels {
    struct meta_pair *tags, *links;
    size_t n_tags, n_links;
};

static enum err read_labels(struct job *c, struct span rid, struct labels *ret, struct err_info *reterr)
{
    TRY(meta_recording_tags(c->v, rid, c->mem, &ret->tags, &ret->n_tags, reterr));
    return meta_recording_links(c->v, rid, c->mem, &ret->links, &ret->n_links, reterr);
}

static void tags_and_links(struct job *c, const struct labels *x)
{
    jsonw_kobj(&c->w, "tags");
    for (size_t i = 0; i < x->n_tags; i++) {
        bool before = false; /* one name has one value in this view: the first */

        for (size_t k = 0; k < i; k++)
            before |= span_eq(x->tags[k].name, x->tags[i].name);
        if (before)
            continue;
        jsonw_key_span(&c->w, x->tags[i].name);
        jsonw_str(&c->w, x->tags[i].value);
    }
    jsonw_obj_end(&c->w);
    jsonw_karr(&c->w, "links");
    for (size_t i = 0; i < x->n_links; i++)
        view_link(c, &x->links[i]);
    jsonw_arr_end(&c->w);
}

/* ---- the caller's own access ---- */

static const char *access_word(struct span state)
{
    if (span_eq_str(state, "ACTIVE"))
        return "open";
    if (span_eq_str(state, "SCHEDULED"))
        return "scheduled";
    return span_eq_str(state, "PENDING") ? "asked" : "none";
}

static int access_rank(const char *word)
{
    static const char *const words[] = { "none", "asked", "scheduled", "open" };

    for (int i = 0; i < 4; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    return 0;
}

static enum err access_actions(struct job *c, struct span gid, struct err_info *reterr)
{
    struct meta_grant g;
    struct span *actions;
    size_t n;

    TRY(meta_grant_get(c->v, gid, c->mem, &g, reterr));
    TRY(meta_grant_actions(c->v, gid, c->mem, &actions, &n, reterr));
    view_words(c, "access_actions", actions, n);
    view_time(c, "window_ends", span_eq_str(g.state, "ACTIVE") ? g.window_end_ms : 0);
    return ERR_OK;
}

/* A window that is over but not yet written down as such shows as none. */
static bool still_open(struct job *c, const struct meta_access *a)
{
    struct meta_grant g;

    return !span_eq_str(a->state, "ACTIVE") ||
           (meta_grant_get(c->v, a->gid, c->mem, &g, NULL) == ERR_OK && c->now.real < g.window_end_ms);
}

/* What counts most; of what is over, the newest ('at': when it was asked or approved). */
static void rank(struct job *c, const struct meta_access *a, int64_t at_ms, struct meta_access *best, int64_t *best_ms,
                 const char **word)
{
    if (access_rank(*word) == 0 && (best->request.n == 0 || at_ms > *best_ms)) {
        *best = *a;
        *best_ms = at_ms;
    }
    if (access_rank(access_word(a->state)) > access_rank(*word) && still_open(c, a)) {
        *word = access_word(a->state);
        *best = *a;
    }
}

/* The best of what the caller has or waits for; *word "none" stays when there is nothing. */
static enum err find_access(struct job *c, struct span rid, struct meta_access *best, const char **word,
                            struct err_info *reterr)
{
    const struct meta_access_filter f = { .person = c->me->id, .recording = rid };
    const struct meta_page page = { .limit = 20 };
    struct meta_request_list rows;
    struct meta_grant_list grants;
    struct meta_pos next;
    int64_t best_ms = 0;

    /* Grants first: a viewer has one without having asked, and one may have been widened to this recording. */
    TRY(meta_grants(c->v, &f, &page, c->mem, &grants, &next, reterr));
    for (size_t i = 0; i < grants.n; i++) {
        const struct meta_grant *g = &grants.rows[i];
        const struct meta_access a = { .rid = rid, .state = g->state, .request = g->request, .gid = g->id };

        rank(c, &a, g->created_ms, best, &best_ms, word);
    }
    TRY(meta_requests(c->v, &f, &page, c->mem, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        const struct meta_request *q = &rows.rows[i];
        const struct meta_access a = { .rid = rid, .state = q->state, .request = q->id };
        struct meta_grant_list opened;

        TRY(meta_grants_of_request(c->v, q->id, c->mem, &opened, reterr));
        if (opened.n == 0)
            rank(c, &a, q->created_ms, best, &best_ms, word);
    }
    return ERR_OK;
}

static enum err write_access(struct job *c, struct span rid, struct err_info *reterr)
{
    struct meta_access best = { 0 };
    const char *word = "none";
    bool any;

    TRY(meta_access_any(c->v, rid, &any, reterr)); /* of most rows of a list there is none */
    if (any)
        TRY(find_access(c, rid, &best, &word, reterr));
    jsonw_kcstr(&c->w, "access", word);
    view_text(c, "access_request", best.request);
    if (strcmp(word, "open") == 0 || strcmp(word, "scheduled") == 0) {
        jsonw_kstr(&c->w, "access_grant", best.gid);
        return access_actions(c, best.gid, reterr);
    }
    jsonw_knull(&c->w, "access_grant");
    return ERR_OK;
}

/* Some purpose of the policy lets the caller ask to play it, now. */
static enum err can_ask(struct job *c, const struct meta_recording *r, const struct labels *x, bool *ret,
                        struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);
    const struct people *people = job_people(c, reterr);
    struct policy_item item;

    *ret = false;
    if (rules == NULL || people == NULL)
        return ERR_NOMEM;
    if (rules->policy == NULL || !job_may(c, r->project, PERM_ASK))
        return ERR_OK;
    TRY(item_with(c, r, x->tags, x->n_tags, x->links, x->n_links, &item, reterr));
    for (size_t i = 0; i < rules->policy->n_purposes && !*ret; i++) {
        struct policy_facts f;
        struct policy_answer a;

        item_facts(c, people, c->me, r->project, rules->policy->purposes[i].code, &f);
        a = policy_check(rules->policy, &f, &item, 1, ACTION_BIT(ACTION_PLAY));
        *ret = a.verdict == POLICY_ASK || a.verdict == POLICY_AUTO;
    }
    return ERR_OK;
}

enum err view_recording(struct job *c, const struct meta_recording *r, bool subject_clear, struct err_info *reterr)
{
    bool pseudonym, ask, hidden;
    struct span subject = view_subject(c, r, subject_clear, &pseudonym, reterr);
    struct labels labels;

    TRY(read_labels(c, r->id, &labels, reterr));
    TRY(can_ask(c, r, &labels, &ask, reterr));
    TRY(meta_wrap_any(c->v, r->id, 1, &hidden, reterr)); /* what masks took out was kept: it may be asked for */
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", r->id);
    jsonw_kstr(&c->w, "kind", r->kind);
    jsonw_kstr(&c->w, "project", r->project);
    view_text(c, "title", r->title);
    view_text(c, "subject", subject);
    jsonw_kbool(&c->w, "subject_is_pseudonym", pseudonym);
    view_text(c, "session", r->session);
    jsonw_kstr(&c->w, "env", r->env);
    view_text(c, "class", r->class);
    jsonw_kbool(&c->w, "public", r->public != 0);
    tags_and_links(c, &labels);
    view_time(c, "started_at", r->started_ms);
    jsonw_ktime(&c->w, "created_at", r->created_ms);
    jsonw_kint(&c->w, "duration_ms", r->duration_us / 1000);
    jsonw_kint(&c->w, "events", r->events);
    jsonw_kint(&c->w, "bytes", r->bytes);
    jsonw_kbool(&c->w, "live", span_eq_str(r->state, "open"));
    TRY(write_access(c, r->id, reterr));
    jsonw_kbool(&c->w, "can_ask", ask);
    jsonw_kbool(&c->w, "hidden_kept", hidden);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err view_request_recording(struct job *c, const char *key, struct span rid, struct err_info *reterr)
{
    struct meta_recording r;
    struct labels labels;
    enum err e = meta_recording_get(c->v, rid, c->mem, &r, reterr);

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (key != NULL)
        jsonw_key(&c->w, key);
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", rid);
    if (e == ERR_NOTFOUND || span_eq_str(r.state, "erased")) {
        jsonw_kbool(&c->w, "gone", true);
        jsonw_obj_end(&c->w);
        return ERR_OK;
    }
    TRY(read_labels(c, rid, &labels, reterr));
    jsonw_kstr(&c->w, "kind", r.kind);
    view_text(c, "title", r.title);
    view_text(c, "subject", view_subject(c, &r, job_may(c, r.project, PERM_SEE_SUBJECT), NULL, reterr));
    jsonw_kstr(&c->w, "env", r.env);
    view_text(c, "class", r.class);
    jsonw_kbool(&c->w, "public", r.public != 0);
    tags_and_links(c, &labels);
    view_time(c, "started_at", r.started_ms);
    jsonw_kint(&c->w, "duration_ms", r.duration_us / 1000);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}
