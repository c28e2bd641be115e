/* Votes, the guards of an opening window, and what time alone does (STANDARDS 2.2 T2, T6, T10). */
#include "keeper/item.h"
#include "keeper/life.h"
#include "keeper/terms.h"

/* ---- votes ---- */

static enum err ballot_subjects(struct job *c, const struct life *l, struct vote_case *ret, struct err_info *reterr)
{
    struct span *subjects = arena_alloc(c->mem, (l->n_rids + 1) * sizeof(*subjects));
    size_t n = 0;

    if (subjects == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    for (size_t i = 0; i < l->n_rids; i++) {
        struct meta_recording r;
        enum err e = meta_recording_get(c->v, l->rids[i], c->mem, &r, reterr);

        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_OK && r.subject.n > 0)
            subjects[n++] = r.subject;
    }
    ret->subjects = subjects;
    ret->n_subjects = n;
    return ERR_OK;
}

enum err life_ballot(struct job *c, const struct life *l, struct life_ballot *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *requester;
    struct meta_vote_list rows;
    struct terms t;

    if (people == NULL)
        return ERR_NOMEM;
    TRY(terms_read(l->q.terms, c->mem, &t, reterr));
    TRY(meta_votes(c->v, l->q.id, c->mem, &rows, reterr));
    *ret = (struct life_ballot){ .rule = t.ask, .rows = rows.rows, .n_votes = rows.n };
    requester = people_by_id(people, l->q.requester);
    ret->c = (struct vote_case){ .requester = { l->q.requester, requester == NULL ? SPAN_EMPTY : who_person(requester) },
                                 .project = l->q.project, .digest = l->q.digest, .created_at = l->q.created_ms };
    TRY(ballot_subjects(c, l, &ret->c, reterr));
    ret->votes = arena_alloc(c->mem, (rows.n + 1) * sizeof(*ret->votes));
    if (ret->votes == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "votes");
    for (size_t i = 0; i < rows.n; i++)
        ret->votes[i] = (struct vote){ .person = rows.rows[i].person, .voter = people_by_id(people, rows.rows[i].voter),
                                       .approve = span_eq_str(rows.rows[i].verdict, "approve") };
    return ERR_OK;
}

/* ---- opening ---- */

/* Does today's policy still let this person have these recordings for this purpose? */
static enum err judge_again(struct job *c, const struct life *l, const struct who *requester, struct grant_guards *ret,
                            struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct rules *rules = job_rules(c, reterr);
    struct policy_item *items = arena_alloc(c->mem, (l->n_rids + 1) * sizeof(*items));
    struct policy_facts facts;
    struct policy_answer answer;
    size_t n = 0;

    if (people == NULL || rules == NULL || items == NULL)
        return ERR_NOMEM;
    ret->policy_allows = false;
    if (rules->policy == NULL)
        return ERR_OK;
    for (size_t i = 0; i < l->n_rids; i++) {
        struct meta_recording r;
        enum err e = meta_recording_get(c->v, l->rids[i], c->mem, &r, reterr);

        if (e == ERR_NOTFOUND)
            continue;
        TRY(e);
        TRY(item_of(c, &r, &items[n++], reterr));
    }
    item_facts(c, people, requester, l->q.project, l->q.purpose, &facts);
    answer = policy_check(rules->policy, &facts, items, n, l->actions);
    ret->policy_allows = answer.verdict == POLICY_ASK || answer.verdict == POLICY_AUTO;
    ret->policy_max_ms = ret->policy_allows ? answer.rule->terms.max_ms : 0;
    return ERR_OK;
}

enum err life_guards(struct job *c, const struct life *l, struct grant_guards *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *requester;
    struct life_ballot b;

    *ret = (struct grant_guards){ 0 };
    if (people == NULL)
        return ERR_NOMEM;
    requester = people_by_id(people, l->q.requester);
    if (requester == NULL)
        return ERR_OK;
    ret->requester_active =
        !requester->disabled &&
        role_may(role_in(requester->roles, requester->n_roles, l->q.project, 0), PERM_ASK);
    TRY(life_ballot(c, l, &b, reterr));
    ret->votes_stand = b.rule.need == 0 || vote_count(&b.rule, &b.c, b.votes, b.n_votes).approved;
    return judge_again(c, l, requester, ret, reterr);
}

enum err life_start(struct job *c, struct life *l, bool first_use, struct grant_step *ret, struct err_info *reterr)
{
    struct grant_guards guards;
    const struct life_by by = { .actor = first_use ? l->q.requester : SPAN_EMPTY };

    TRY(life_guards(c, l, &guards, reterr));
    if (atomic_load(&c->core->audit_space)) {
        *ret = (struct grant_step){ .verdict = GRANT_AUDIT, .next = l->st };
        return ERR_OK;
    }
    *ret = grant_activate(&l->st, &c->now, first_use, &guards);
    return ret->verdict == GRANT_OK ? life_apply(c, l, ret, &by, reterr) : ERR_OK;
}

enum err life_touch(struct job *c, struct life *l, struct err_info *reterr)
{
    struct grant_step s = grant_touch(&l->st, &c->now, GRANT_IDLE_MS);
    const struct life_by by = { 0 };

    if (c->m == NULL) { /* a reader shows what is true without writing it down */
        if (s.changed)
            l->st = s.next;
        return ERR_OK;
    }
    if (s.verdict == GRANT_START_FIRST)
        return life_start(c, l, false, &s, reterr);
    return s.changed ? life_apply(c, l, &s, &by, reterr) : ERR_OK;
}
