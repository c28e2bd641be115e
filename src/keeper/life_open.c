/* Votes, the guards of an opening window, and what time alone does (STANDARDS 2.2 T2, T6, T10). */
#include "keeper/hooks.h"
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

/* Who watches beside never votes, under none of their accounts. */
static enum err ballot_viewers(struct job *c, const struct people *people, const struct life *l, struct vote_case *ret,
                               struct err_info *reterr)
{
    struct vote_party *viewers = arena_alloc(c->mem, (l->n_viewers + 1) * sizeof(*viewers));

    if (viewers == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    for (size_t i = 0; i < l->n_viewers; i++) {
        const struct who *w = people_by_id(people, l->viewers[i]);

        viewers[i] = (struct vote_party){ l->viewers[i], w == NULL ? SPAN_EMPTY : who_person(w) };
    }
    ret->viewers = viewers;
    ret->n_viewers = l->n_viewers;
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
    TRY(ballot_viewers(c, people, l, &ret->c, reterr));
    ret->votes = arena_alloc(c->mem, (rows.n + 1) * sizeof(*ret->votes));
    if (ret->votes == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "votes");
    for (size_t i = 0; i < rows.n; i++)
        ret->votes[i] = (struct vote){ .person = rows.rows[i].person, .voter = people_by_id(people, rows.rows[i].voter),
                                       .approve = span_eq_str(rows.rows[i].verdict, "approve") };
    return ERR_OK;
}

/* ---- opening ---- */

enum err life_caps_left(struct job *c, struct span account, const struct span *rids, size_t n_rids, int64_t *ret,
                        struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct rules *rules = job_rules(c, reterr);
    const struct who *human = people == NULL ? NULL : people_by_id(people, account);
    int64_t day_s = 0, most_s = 0;

    *ret = INT64_MAX;
    if (people == NULL || rules == NULL)
        return ERR_NOMEM;
    if (human == NULL || rules->policy == NULL || (rules->policy->cap_day_ms == 0 && rules->policy->cap_recording_ms == 0))
        return ERR_OK;
    for (size_t i = 0; i < n_rids + 1; i++) {
        int64_t sum_s = 0;

        for (size_t k = 0; k < people->n; k++) { /* all accounts of one human */
            int64_t s = 0;

            if (!who_same_person(&people->all[k], human))
                continue;
            TRY(meta_window_sum(c->v, people->all[k].id, i == 0 ? SPAN_EMPTY : rids[i - 1],
                                i == 0 ? c->now.real - 24LL * 3600 * 1000 : 1, &s, reterr));
            sum_s += s;
        }
        if (i == 0)
            day_s = sum_s;
        else if (sum_s > most_s)
            most_s = sum_s;
    }
    (void) policy_caps(rules->policy, most_s * 1000, day_s * 1000, 0, ret);
    return ERR_OK;
}

/* Requests that each were within the caps may be more than that together: what opens is cut to what is left. */
static enum err cut_by_caps(struct job *c, const struct life *l, const struct who *holder, struct grant_guards *ret,
                            struct err_info *reterr)
{
    int64_t left;

    if (l->st.window_start != 0) /* its window is open, and counts in full */
        return ERR_OK;
    TRY(life_caps_left(c, holder->id, l->rids, l->n_rids, &left, reterr));
    if (left < ret->policy_max_ms)
        ret->policy_max_ms = left;
    return ERR_OK;
}

/* Does today's policy still let this person have these recordings for this purpose? */
static enum err judge_again(struct job *c, const struct life *l, const struct who *holder, struct grant_guards *ret,
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
    item_facts(c, people, holder, l->q.project, l->q.purpose, &facts);
    TRY(hooks_ticket(c, l->q.project, l->q.ticket, &facts.ticket, reterr));
    if (facts.ticket == POLICY_TICKET_CLOSED && l->st.window_start != 0)
        facts.ticket = POLICY_TICKET_OPEN; /* it was when access opened, and the end is counted down */
    answer = policy_check(rules->policy, &facts, items, n, l->actions);
    /* Break-glass skips approval; a rule that says no to everybody it does not skip. */
    if (l->q.break_glass != 0) {
        ret->policy_allows = answer.verdict != POLICY_DENIED;
        ret->policy_max_ms = ret->policy_allows ? rules->policy->bg_max_ms : 0;
        return ERR_OK;
    }
    ret->policy_allows = (answer.verdict == POLICY_ASK || answer.verdict == POLICY_AUTO) &&
                         policy_ticket_allows(answer.rule, facts.ticket);
    ret->policy_max_ms = ret->policy_allows ? answer.rule->terms.max_ms : 0;
    return cut_by_caps(c, l, holder, ret, reterr);
}

/* Break-glass is for its role; everything else for who may ask. */
static bool may_hold(const struct life *l, const struct who *holder)
{
    role_mask roles = role_in(holder->roles, holder->n_roles, l->q.project, 0);

    return !holder->disabled && (role_may(roles, PERM_ASK) || (l->q.break_glass != 0 && role_may(roles, PERM_BREAKGLASS)));
}

enum err life_guards(struct job *c, const struct life *l, struct grant_guards *ret, struct err_info *reterr)
{
    return life_guards_of(c, l, life_holder(l), ret, reterr);
}

enum err life_guards_of(struct job *c, const struct life *l, struct span account, struct grant_guards *ret,
                        struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *holder;
    struct life_ballot b;

    *ret = (struct grant_guards){ 0 };
    if (people == NULL)
        return ERR_NOMEM;
    holder = people_by_id(people, account);
    if (holder == NULL)
        return ERR_OK;
    ret->requester_active = may_hold(l, holder);
    TRY(meta_frozen(c->v, l->q.project, &ret->frozen, reterr));
    TRY(life_link_guards(c, l, ret, reterr));
    TRY(life_ballot(c, l, &b, reterr));
    ret->votes_stand = b.rule.need == 0 || vote_count(&b.rule, &b.c, b.votes, b.n_votes).approved;
    return judge_again(c, l, holder, ret, reterr);
}

enum err life_start(struct job *c, struct life *l, bool first_use, struct grant_step *ret, struct err_info *reterr)
{
    struct grant_guards guards;
    const struct life_by by = { .actor = first_use ? life_holder(l) : SPAN_EMPTY };

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
