#include "access/vote.h"

static const struct {
    const char *code, *cause;
    int status;
} verdicts[VOTE_N_] = {
    [VOTE_OK] = { "ok", "", 200 },
    [VOTE_DIGEST] = { "digest-mismatch", "digest", 409 },
    [VOTE_OWN] = { "not-eligible", "requester", 403 },
    [VOTE_VIEWER] = { "not-eligible", "viewer", 403 },
    [VOTE_SUBJECT] = { "not-eligible", "subject", 403 },
    [VOTE_DISABLED] = { "not-eligible", "disabled", 403 },
    [VOTE_NOT_ELIGIBLE] = { "not-eligible", "no-role", 403 },
    [VOTE_EXCLUDED] = { "not-eligible", "excluded", 403 },
    [VOTE_TOO_NEW] = { "not-eligible", "too-new", 403 },
    [VOTE_TWICE] = { "already-voted", "voted", 409 },
    [VOTE_REAUTH] = { "reauth-needed", "reauth", 401 },
    [VOTE_TOKEN] = { "token-not-fresh", "token", 403 },
};

const char *vote_code(enum vote_verdict v)
{
    return v < VOTE_N_ ? verdicts[v].code : "?";
}

const char *vote_cause(enum vote_verdict v)
{
    return v < VOTE_N_ ? verdicts[v].cause : "?";
}

int vote_status(enum vote_verdict v)
{
    return v < VOTE_N_ ? verdicts[v].status : 500;
}

static bool is_party(const struct who *who, const struct vote_party *p)
{
    return span_eq(who->id, p->id) || span_eq(who_person(who), p->person.n > 0 ? p->person : p->id);
}

static bool named(const struct vote_rule *rule, const struct who *who, struct span project, time_ms before)
{
    if (who_is_any(who, rule->from, rule->n_from, project, before))
        return true;
    for (size_t i = 0; i < rule->n_groups; i++) {
        if (who_in_group(who, rule->groups[i].name, before))
            return true;
    }
    return false;
}

enum vote_verdict vote_eligible(const struct vote_rule *rule, const struct vote_case *c, const struct who *who)
{
    if (is_party(who, &c->requester))
        return VOTE_OWN;
    for (size_t i = 0; i < c->n_viewers; i++) {
        if (is_party(who, &c->viewers[i]))
            return VOTE_VIEWER;
    }
    for (size_t i = 0; i < c->n_subjects; i++) {
        if (who_may_be_subject(who, c->subjects[i]))
            return VOTE_SUBJECT;
    }
    if (who->disabled)
        return VOTE_DISABLED;
    if (!named(rule, who, c->project, 0))
        return VOTE_NOT_ELIGIBLE;
    if (who_is_any(who, rule->exclude, rule->n_exclude, c->project, 0))
        return VOTE_EXCLUDED;
    if (who->since >= c->created_at || !named(rule, who, c->project, c->created_at))
        return VOTE_TOO_NEW;
    if (rule->settled_ms > 0 && (who->changed > c->created_at - rule->settled_ms || who->since > c->created_at - rule->settled_ms))
        return VOTE_TOO_NEW;
    return VOTE_OK;
}

static bool has_voted(const struct vote *votes, size_t n, const struct who *who)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(votes[i].person, who_person(who)) ||
            (votes[i].voter != NULL && who_same_person(votes[i].voter, who)))
            return true;
    }
    return false;
}

/* A sign-in from the future (the clock went back) proves nothing about now. */
static bool fresh(const struct vote_auth *auth, time_ms now)
{
    return auth->at <= now + 5000 && now - auth->at <= VOTE_FRESH_MS;
}

enum vote_verdict vote_check(const struct vote_rule *rule, const struct vote_case *c, const struct who *who,
                             const struct vote_auth *auth, struct span digest, const struct vote *votes, size_t n_votes,
                             time_ms now)
{
    enum vote_verdict v = vote_eligible(rule, c, who);

    if (v != VOTE_OK)
        return v;
    if (has_voted(votes, n_votes, who))
        return VOTE_TWICE;
    if (!span_eq(digest, c->digest))
        return VOTE_DIGEST;
    if (auth->token && !auth->tokens_may)
        return VOTE_TOKEN;
    if (!auth->token && !fresh(auth, now))
        return VOTE_REAUTH;
    return VOTE_OK;
}

/* One human may have voted with one account and later be found to own another: the first vote is the one that counts.
 */
static bool counted_before(const struct vote *votes, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (votes[j].voter != NULL &&
            (span_eq(votes[j].person, votes[i].person) || who_same_person(votes[j].voter, votes[i].voter)))
            return true;
    }
    return false;
}

struct vote_tally vote_count(const struct vote_rule *rule, const struct vote_case *c, const struct vote *votes,
                             size_t n_votes)
{
    struct vote_tally t = { 0 };

    for (size_t i = 0; i < n_votes; i++) {
        const struct who *who = votes[i].voter;

        if (who == NULL || counted_before(votes, i) || vote_eligible(rule, c, who) != VOTE_OK)
            continue;
        if (!votes[i].approve) {
            t.denials++;
            continue;
        }
        t.approvals++;
        for (size_t g = 0; g < rule->n_groups && g < VOTE_GROUPS_MAX; g++)
            t.groups[g] += who_in_group(who, rule->groups[g].name, c->created_at);
    }
    t.denied = rule->deny > 0 && t.denials >= rule->deny;
    t.approved = rule->need > 0 && t.approvals >= rule->need && rule->n_groups <= VOTE_GROUPS_MAX;
    for (size_t g = 0; g < rule->n_groups && t.approved; g++)
        t.approved = t.groups[g] >= rule->groups[g].min;
    return t;
}

struct vote_plan vote_plan(const struct vote_rule *rule, const struct vote_case *c, const struct who *people,
                           size_t n_people)
{
    struct vote_plan p = { .need = rule->need, .lacking = -1 };

    for (size_t i = 0; i < n_people; i++) {
        bool again = false;

        if (vote_eligible(rule, c, &people[i]) != VOTE_OK)
            continue;
        for (size_t j = 0; j < i && !again; j++)
            again = who_same_person(&people[j], &people[i]) && vote_eligible(rule, c, &people[j]) == VOTE_OK;
        /* Two accounts of one human are one voter, and in a group when either account is. */
        p.eligible += !again;
        for (size_t g = 0; g < rule->n_groups && g < VOTE_GROUPS_MAX; g++) {
            bool in = who_in_group(&people[i], rule->groups[g].name, c->created_at);

            for (size_t j = 0; j < i && in; j++) {
                if (who_same_person(&people[j], &people[i]) && vote_eligible(rule, c, &people[j]) == VOTE_OK &&
                    who_in_group(&people[j], rule->groups[g].name, c->created_at))
                    in = false;
            }
            p.groups[g] += in;
        }
    }
    p.possible = p.eligible >= rule->need;
    for (size_t g = 0; g < rule->n_groups && g < VOTE_GROUPS_MAX; g++) {
        if (p.groups[g] < rule->groups[g].min && p.lacking < 0) {
            p.possible = false;
            p.lacking = (int) g;
        }
    }
    return p;
}
