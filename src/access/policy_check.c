#include "access/policy.h"

#include "access/policy_hours.h"

#include <stdio.h>

static const char *const verdict_names[POLICY_VERDICT_N_] = {
    [POLICY_ASK] = "ask",      [POLICY_AUTO] = "auto",   [POLICY_DENIED] = "deny",
    [POLICY_NO_RULE] = "deny", [POLICY_SPLIT] = "split", [POLICY_TOO_MUCH] = "split",
};

const char *policy_verdict_name(enum policy_verdict v)
{
    return v < POLICY_VERDICT_N_ ? verdict_names[v] : "?";
}

const struct policy_purpose *policy_find_purpose(const struct policy *p, struct span code)
{
    for (size_t i = 0; i < p->n_purposes; i++) {
        if (span_eq(p->purposes[i].code, code))
            return &p->purposes[i];
    }
    return NULL;
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

static bool has(const struct policy_words *w, struct span s)
{
    for (size_t i = 0; i < w->n; i++) {
        if (span_eq(w->p[i], s))
            return true;
    }
    return w->n == 0;
}

static bool in_hours(const struct policy_rule *r, time_ms now)
{
    for (size_t i = 0; i < r->n_hours; i++) {
        if (policy_hours_has(&r->hours[i], now))
            return true;
    }
    return r->n_hours == 0;
}

/* An address that is not known is outside of what allows and inside of what denies. */
static bool in_networks(const struct policy_rule *r, const struct policy_facts *f)
{
    if (r->n_nets > 0 && f->standing)
        return r->effect != POLICY_EFFECT_DENY;
    if (r->n_nets > 0 && f->addr_len == 0)
        return r->effect == POLICY_EFFECT_DENY;
    for (size_t i = 0; i < r->n_nets; i++) {
        if (policy_net_has(&r->nets[i], f->addr, f->addr_len))
            return true;
    }
    return r->n_nets == 0;
}

static bool ticket_fits(const struct policy_rule *r, const struct policy_facts *f)
{
    return r->tickets == 0 || (r->tickets & 1U << f->ticket) != 0;
}

static bool auth_young(const struct policy_rule *r, const struct policy_facts *f)
{
    if (r->auth_age_ms > 0 && f->standing)
        return r->effect != POLICY_EFFECT_DENY;
    return r->auth_age_ms == 0 ||
           (f->auth_at > 0 && f->auth_at <= f->now + 5000 && f->now - f->auth_at <= r->auth_age_ms);
}

/* What does not depend on the recording, once for each rule. */
static bool matches_asker(const struct policy_rule *r, const struct policy_facts *f, struct span project)
{
    return (r->who.n == 0 || who_is_any(f->who, r->who.p, r->who.n, project, 0)) && has(&r->purposes, f->purpose) &&
           (!r->sole_person || f->sole_person) && ticket_fits(r, f) && auth_young(r, f) && in_networks(r, f) && in_hours(r, f->now);
}

/* "name" or "name<sep>value" against pairs. */
static bool has_pair(const struct policy_words *w, const struct policy_pair *pairs, size_t n, char sep)
{
    for (size_t i = 0; i < w->n; i++) {
        struct span key, value;
        bool both = span_cut(w->p[i], sep, &key, &value);

        for (size_t j = 0; j < n; j++) {
            if (span_eq(pairs[j].key, key) && (!both || span_eq(pairs[j].value, value)))
                return true;
        }
    }
    return w->n == 0;
}

/*
 * Playing with hidden values is another thing than playing: who may play may not unmask, and a rule that allows both allows
 * either alone. So where unmask is asked for too, a rule lets play and live through only if it has unmask as well. One that
 * denies speaks of each action.
 */
static bool matches_action(const struct policy_rule *r, enum action a, action_mask all)
{
    action_mask need = ACTION_BIT(a);

    if ((a == ACTION_PLAY || a == ACTION_LIVE) && r->effect != POLICY_EFFECT_DENY)
        need |= all & ACTION_BIT(ACTION_UNMASK);
    return r->actions == 0 || (r->actions & need) == need;
}

static bool matches_item(const struct policy_rule *r, const struct policy_facts *f, const struct policy_item *it,
                         enum action a, action_mask all)
{
    return matches_action(r, a, all) &&
           (has(&r->project, it->project) || has(&r->project, it->project_name)) && has(&r->env, it->env) &&
           has(&r->klass, it->klass) && has(&r->kind, it->kind) && has_pair(&r->tag, it->tags, it->n_tags, '=') &&
           has_pair(&r->link, it->links, it->n_links, ':') && (!r->subject_self || who_is_subject(f->who, it->subject));
}

/* --- deciding ----------------------------------------------------------------------------------------------------- */

struct decision {
    const struct policy_rule *rule; /* NULL: none matches */
    bool denied;
};

struct deciding {
    const struct policy *p;
    const struct policy_facts *f;
    bool asker[POLICY_RULES_MAX];
    unsigned steps;
};

static struct decision decide(struct deciding *d, const struct policy_item *it, enum action a, action_mask all)
{
    struct decision found = { NULL, false };

    for (size_t i = 0; i < d->p->n_rules; i++) {
        const struct policy_rule *r = &d->p->rules[i];

        /* Once something allows, only what denies can still matter. */
        if (!d->asker[i] || (found.rule != NULL && r->effect != POLICY_EFFECT_DENY))
            continue;
        d->steps++;
        if (!matches_item(r, d->f, it, a, all))
            continue;
        if (r->effect == POLICY_EFFECT_DENY)
            return (struct decision){ r, true };
        found.rule = r;
    }
    return found;
}

static void split_add(struct policy_answer *a, const struct policy_rule *r)
{
    struct span name = r == NULL ? SPAN_EMPTY : r->name;

    for (size_t i = 0; i < a->n_split; i++) {
        if (span_eq(a->split[i], name))
            return;
    }
    if (a->n_split < POLICY_SPLIT_MAX)
        a->split[a->n_split++] = name;
}

static bool one_place(const struct policy_item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (!span_eq(items[i].project, items[0].project) || !span_eq(items[i].env, items[0].env))
            return false;
    }
    return true;
}

/* Adds one decision to the answer about all. A denial stands whatever else is said. */
static void combine(struct policy_answer *a, struct decision d, size_t item, enum action action, bool first)
{
    enum policy_verdict v = d.denied                               ? POLICY_DENIED
                            : d.rule == NULL                       ? POLICY_NO_RULE
                            : d.rule->effect == POLICY_EFFECT_AUTO ? POLICY_AUTO
                                                                   : POLICY_ASK;

    if (first) {
        *a = (struct policy_answer){ .verdict = v, .rule = d.rule, .item = item, .action = action };
    } else if (a->verdict != POLICY_DENIED && v == POLICY_DENIED) {
        a->verdict = v;
        a->rule = d.rule;
        a->item = item;
        a->action = action;
    } else if (a->verdict != POLICY_DENIED && a->verdict != POLICY_SPLIT && d.rule != a->rule) {
        split_add(a, a->rule);
        a->verdict = POLICY_SPLIT;
    }
    split_add(a, d.rule);
}

struct policy_answer policy_check(const struct policy *p, const struct policy_facts *f, const struct policy_item *items,
                                  size_t n_items, action_mask actions)
{
    struct policy_answer a = { .verdict = POLICY_NO_RULE };
    struct deciding d = { .p = p, .f = f };
    bool first = true;

    if (n_items == 0)
        return a;
    if (!one_place(items, n_items)) {
        a.verdict = POLICY_SPLIT;
        a.split_place = true;
        return a;
    }
    for (size_t i = 0; i < p->n_rules; i++)
        d.asker[i] = matches_asker(&p->rules[i], f, items[0].project);
    d.steps = (unsigned) p->n_rules;
    for (size_t i = 0; i < n_items; i++) {
        for (unsigned act = 0; act < ACTION_N_; act++) {
            if ((actions & ACTION_BIT(act)) == 0)
                continue;
            combine(&a, decide(&d, &items[i], (enum action) act, actions), i, (enum action) act, first);
            first = false;
            if (d.steps > POLICY_STEPS_MAX)
                return (struct policy_answer){ .verdict = POLICY_TOO_MUCH };
        }
    }
    if (a.verdict != POLICY_SPLIT)
        a.n_split = 0;
    else
        a.rule = NULL;
    return a;
}

/* --- terms -------------------------------------------------------------------------------------------------------- */

static void check_purpose(const struct policy *p, const struct request *req, bool check, struct field_errors *errs)
{
    const struct policy_purpose *purpose = policy_find_purpose(p, req->purpose);
    size_t len = request_reason_len(req->reason);

    if (req->purpose.n == 0 && check)
        return;
    if (purpose == NULL) {
        field_error_add(errs, FIELD_NOT_ONE_OF, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "no purpose of the policy",
                        "/purpose/code");
        return;
    }
    if (len < purpose->reason_min && !(check && req->reason.n == 0))
        field_error_add(errs, req->reason.n == 0 ? FIELD_MISSING : FIELD_TOO_SHORT, purpose->reason_min, (int64_t) len,
                        "characters, without blanks around; wide ones count twice", "/purpose/reason");
    if (purpose->ticket && request_reason_len(req->ticket) == 0 && !check)
        field_error_add(errs, FIELD_MISSING, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "this purpose needs a ticket",
                        "/purpose/ticket");
}

static void starts_say(uint8_t starts, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < GRANT_START_N_; i++) {
        if ((starts & 1U << i) != 0)
            n += (size_t) snprintf(out + n, cap - n, "%s%s", n == 0 ? "allowed: " : ", ",
                                   grant_start_name((enum grant_start) i));
    }
}

/* What is decided beforehand: the rule says how much of it there may be. */
static void check_beforehand(const struct policy_terms *t, const struct request *req, struct field_errors *errs)
{
    if (req->n_viewers + 1 > t->viewers)
        field_error_add(errs, FIELD_TOO_LONG, t->viewers, (int64_t) req->n_viewers + 1,
                        "people who watch, the requester included", "/viewers");
    if (req->more_max > 0 && (t->more_same & req->more_same) == 0)
        field_error_add(errs, FIELD_NOT_ONE_OF, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                        "the policy does not let such recordings be added", "/more/same");
    else if (req->more_max > t->more_max)
        field_error_add(errs, FIELD_TOO_LARGE, t->more_max, req->more_max, NULL, "/more/max");
    if (req->more_times > t->more_times)
        field_error_add(errs, FIELD_TOO_LARGE, t->more_times, req->more_times, NULL, "/more_time/times");
    if (req->more_times > 0 && req->more_each_s > t->more_each_ms / 1000)
        field_error_add(errs, FIELD_TOO_LARGE, t->more_each_ms / 1000, req->more_each_s, NULL, "/more_time/each_s");
}

void policy_check_terms(const struct policy *p, const struct policy_rule *rule, const struct request *req, bool check,
                        struct field_errors *errs)
{
    const struct policy_terms *t;
    char allowed[64];

    check_purpose(p, req, check, errs);
    if (rule == NULL || rule->effect == POLICY_EFFECT_DENY)
        return;
    t = &rule->terms;
    if (req->duration_s > t->max_ms / 1000)
        field_error_add(errs, FIELD_TOO_LARGE, t->max_ms / 1000, req->duration_s, "the policy's longest window",
                        "/duration_s");
    if ((t->starts & 1U << req->start) == 0) {
        starts_say(t->starts, allowed, sizeof(allowed));
        field_error_add(errs, FIELD_NOT_ONE_OF, FIELD_NO_LIMIT, FIELD_NO_LIMIT, allowed, "/start");
    }
    if (req->start_by_s > t->start_by_ms / 1000)
        field_error_add(errs, FIELD_TOO_LARGE, t->start_by_ms / 1000, req->start_by_s, NULL, "/start_by_s");
    check_beforehand(t, req, errs);
}

bool policy_ticket_allows(const struct policy_rule *rule, enum policy_ticket ticket)
{
    return ticket != POLICY_TICKET_CLOSED || (rule->tickets & 1U << POLICY_TICKET_CLOSED) != 0;
}

void policy_fill(const struct policy_rule *rule, struct request *req)
{
    if (req->duration_s == 0)
        req->duration_s = rule->terms.default_ms / 1000;
    if (req->start == GRANT_START_FIRST_USE && req->start_by_s == 0)
        req->start_by_s = rule->terms.start_by_ms / 1000;
}

bool policy_caps(const struct policy *p, int64_t recording_ms, int64_t day_ms, int64_t asked_ms, int64_t *ret_left_ms)
{
    int64_t left = INT64_MAX;

    if (p->cap_recording_ms > 0)
        left = p->cap_recording_ms - recording_ms;
    if (p->cap_day_ms > 0 && p->cap_day_ms - day_ms < left)
        left = p->cap_day_ms - day_ms;
    *ret_left_ms = left > 0 ? left : 0;
    return asked_ms <= left;
}

/* --- needing less ------------------------------------------------------------------------------------------------- */

static unsigned cost_of(const struct policy_answer *a)
{
    switch (a->verdict) {
    case POLICY_AUTO: return 0;
    case POLICY_ASK: return a->rule->terms.ask.need;
    case POLICY_DENIED:
    case POLICY_NO_RULE:
    case POLICY_SPLIT:
    case POLICY_TOO_MUCH:
    case POLICY_VERDICT_N_: break;
    }
    return UINT32_MAX;
}

struct trying {
    const struct policy *p;
    const struct policy_facts *f;
    const struct policy_item *items;
    size_t n_items;
    unsigned cost; /* of the request as it is */
    struct policy_less *ret;
    size_t n, cap;
};

/* Keeps the list sorted by cost, then by the order of trying: earlier tries change less. */
static void keep(struct trying *t, const struct policy_less *less)
{
    size_t at = t->n;

    while (at > 0 && less->need < t->ret[at - 1].need)
        at--;
    if (at >= t->cap)
        return;
    if (t->n < t->cap)
        t->n++;
    memmove(&t->ret[at + 1], &t->ret[at], (t->n - 1 - at) * sizeof(*t->ret));
    t->ret[at] = *less;
}

static void try_change(struct trying *t, action_mask actions, struct span purpose)
{
    struct policy_facts f = *t->f;
    struct policy_answer a;
    struct policy_less less = { .actions = actions, .purpose = purpose, .n_items = t->n_items };
    unsigned cost;

    for (size_t i = 0; i < t->n; i++) {
        if (t->ret[i].actions == actions && span_eq(t->ret[i].purpose, purpose))
            return;
    }
    f.purpose = purpose;
    a = policy_check(t->p, &f, t->items, t->n_items, actions);
    cost = cost_of(&a);
    if (actions == 0 || cost >= t->cost)
        return;
    for (size_t i = 0; i < t->n_items; i++)
        less.items[i] = i;
    less.verdict = a.verdict;
    less.need = cost;
    less.rule = a.rule;
    keep(t, &less);
}

/* The recordings that go together with the first one that anything allows. */
static void try_recordings(struct trying *t, action_mask actions)
{
    const struct policy_rule *rule = NULL;
    struct policy_less less = { .actions = actions, .purpose = t->f->purpose };

    for (size_t i = 0; i < t->n_items; i++) {
        struct policy_answer a = policy_check(t->p, t->f, &t->items[i], 1, actions);
        unsigned cost = cost_of(&a);

        if (cost >= t->cost || (rule != NULL && a.rule != rule) ||
            (less.n_items > 0 && (!span_eq(t->items[i].project, t->items[less.items[0]].project) ||
                                  !span_eq(t->items[i].env, t->items[less.items[0]].env))))
            continue;
        rule = a.rule;
        less.rule = rule;
        less.verdict = a.verdict;
        less.need = cost;
        less.items[less.n_items++] = i;
    }
    if (less.n_items > 0 && less.n_items < t->n_items)
        keep(t, &less);
}

size_t policy_less(const struct policy *p, const struct policy_facts *f, const struct policy_item *items,
                   size_t n_items, action_mask actions, struct policy_less *ret, size_t cap)
{
    struct policy_answer now = policy_check(p, f, items, n_items, actions);
    struct trying t = { p, f, items, n_items, cost_of(&now), ret, 0, cap };

    if (t.cost == 0 || cap == 0 || n_items > REQUEST_RECORDINGS_MAX)
        return 0;
    for (unsigned a = 0; a < ACTION_N_; a++) {
        if ((actions & ACTION_BIT(a)) != 0)
            try_change(&t, actions & (action_mask) ~ACTION_BIT(a), f->purpose);
    }
    for (unsigned a = 0; a < ACTION_N_; a++) {
        if ((actions & ACTION_BIT(a)) != 0 && actions != ACTION_BIT(a))
            try_change(&t, ACTION_BIT(a), f->purpose);
    }
    for (size_t i = 0; i < p->n_purposes; i++) {
        if (!span_eq(p->purposes[i].code, f->purpose))
            try_change(&t, actions, p->purposes[i].code);
    }
    try_recordings(&t, actions);
    return t.n;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static void say_spec(struct span spec, struct buf *out)
{
    struct span kind, name;

    (void) span_cut(spec, ':', &kind, &name);
    if (span_eq_str(kind, "role"))
        buf_addf(out, "of role " SPAN_FMT, SPAN_ARG(name));
    else if (span_eq_str(kind, "group"))
        buf_addf(out, "of group " SPAN_FMT, SPAN_ARG(name));
    else
        buf_add_span(out, name);
}

void policy_say_need(const struct policy_rule *rule, struct buf *out)
{
    const struct vote_rule *v = &rule->terms.ask;

    if (rule->effect == POLICY_EFFECT_DENY) {
        buf_add_str(out, "Nobody can approve this.");
        return;
    }
    if (rule->effect == POLICY_EFFECT_AUTO) {
        buf_add_str(out, "Opens at once; it is recorded who watched and why.");
        return;
    }
    buf_addf(out, "Needs %u approval%s", v->need, v->need == 1 ? "" : "s");
    for (size_t i = 0; i < v->n_from; i++) {
        buf_add_str(out, i == 0 ? " by people " : i + 1 == v->n_from ? " or " : ", ");
        say_spec(v->from[i], out);
    }
    for (size_t i = 0; i < v->n_groups; i++)
        buf_addf(out, "%s at least %u of group " SPAN_FMT, i == 0 ? "," : " and", v->groups[i].min,
                 SPAN_ARG(v->groups[i].name));
    buf_add_c(out, '.');
}

/* --- who votes ---------------------------------------------------------------------------------------------------- */

/* Any role of that name, wherever it is held: a rule without 'project' is about every project. */
static bool holds(const struct who *who, struct span role_word)
{
    enum role role;

    for (size_t i = 0; role_parse(role_word, &role) && i < who->n_roles; i++) {
        if (who->roles[i].role == role)
            return true;
    }
    return false;
}

static bool votes_as(const struct vote_rule *v, const struct who *who, bool by_role)
{
    for (size_t i = 0; i < v->n_groups && !by_role; i++) {
        if (who_in_group(who, v->groups[i].name, 0))
            return true;
    }
    for (size_t i = 0; i < v->n_from; i++) {
        if (span_starts(v->from[i], "role:") ? by_role && holds(who, span_sub(v->from[i], 5, v->from[i].n))
                                             : !by_role && who_is(who, v->from[i], SPAN_EMPTY, 0))
            return true;
    }
    return false;
}

static bool votes_somewhere(const struct policy *p, const struct who *who, bool by_role)
{
    for (size_t i = 0; p != NULL && !who->disabled && i < p->n_rules; i++) {
        if (p->rules[i].effect == POLICY_EFFECT_ASK && votes_as(&p->rules[i].terms.ask, who, by_role))
            return true;
    }
    return false;
}

bool policy_names_voter(const struct policy *p, const struct who *who)
{
    return votes_somewhere(p, who, false);
}

bool policy_may_vote(const struct policy *p, const struct who *who)
{
    return !who->disabled && (role_may_anywhere(who->roles, who->n_roles, PERM_VOTE) ||
                              votes_somewhere(p, who, true) || votes_somewhere(p, who, false));
}
