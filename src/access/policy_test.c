/* Test cases inside a policy: no account is needed, the case says what the asker is. */
#include "access/policy.h"

#define TEST_SUBJECT "subject-of-the-test"
#define UNSAID       (7LL * 24 * 3600 * 1000) /* 1970-01-08T00:00Z: later than any sign-in that a case may name */

struct asker {
    struct who who;
    struct who_group groups[POLICY_LIST_MAX];
    struct role_held roles[POLICY_LIST_MAX];
    struct span subject;
};

static void make_asker(const struct policy_test *t, struct asker *a)
{
    *a = (struct asker){ .subject = SPAN(TEST_SUBJECT) };
    a->who = (struct who){ .id = SPAN("u_test"),
                           .name = SPAN("test"),
                           .groups = a->groups,
                           .roles = a->roles,
                           .subjects = &a->subject,
                           .n_subjects = 1 };
    for (size_t i = 0; i < t->as.n; i++) {
        struct span kind, name;
        enum role role;

        (void) span_cut(t->as.p[i], ':', &kind, &name);
        if (span_eq_str(kind, "user"))
            a->who.name = name;
        else if (span_eq_str(kind, "group"))
            a->groups[a->who.n_groups++] = (struct who_group){ name, 0 };
        else if (role_parse(name, &role))
            a->roles[a->who.n_roles++] = (struct role_held){ SPAN(ROLE_ANY_PROJECT), role, 0 };
    }
}

static size_t make_pairs(const struct policy_words *w, char sep, struct policy_pair *ret)
{
    for (size_t i = 0; i < w->n; i++)
        (void) span_cut(w->p[i], sep, &ret[i].key, &ret[i].value);
    return w->n;
}

const char *policy_expect_name(enum policy_expect e)
{
    switch (e) {
    case POLICY_EXPECT_ASK: return "ask";
    case POLICY_EXPECT_AUTO: return "auto";
    case POLICY_EXPECT_DENY: return "deny";
    case POLICY_EXPECT_SPLIT: return "split";
    }
    return "?";
}

static bool as_expected(const struct policy_test *t, const struct policy_answer *a)
{
    switch (t->expect) {
    case POLICY_EXPECT_ASK: return a->verdict == POLICY_ASK;
    case POLICY_EXPECT_AUTO: return a->verdict == POLICY_AUTO;
    case POLICY_EXPECT_DENY: return a->verdict == POLICY_DENIED || a->verdict == POLICY_NO_RULE;
    case POLICY_EXPECT_SPLIT: return a->verdict == POLICY_SPLIT;
    }
    return false;
}

/* A window longer than the rule's, and a ticket that is closed, are refusals, too. Says why in a word. */
static const char *check_terms(const struct policy_test *t, struct policy_answer *a)
{
    const char *cause;

    if (a->verdict == POLICY_DENIED)
        return "denied";
    if (a->verdict == POLICY_NO_RULE)
        return "no-rule";
    if (a->verdict != POLICY_ASK && a->verdict != POLICY_AUTO)
        return NULL;
    cause = t->for_ms > a->rule->terms.max_ms                ? "too-long"
            : !policy_ticket_allows(a->rule, t->ticket) ? "ticket-closed"
                                                             : NULL;
    if (cause != NULL)
        a->verdict = POLICY_DENIED;
    return cause;
}

static struct policy_answer run(const struct policy *p, const struct policy_test *t, const char **ret_cause)
{
    struct policy_pair tags[POLICY_LIST_MAX], links[POLICY_LIST_MAX];
    struct asker a;
    time_ms now = t->at != 0 ? t->at : UNSAID;
    struct policy_facts f = { .now = now,
                              .who = &a.who,
                              .purpose = t->purpose,
                              .sole_person = t->sole_person,
                              .addr = t->from.addr,
                              .addr_len = t->from.bits > 0 ? 16 : 0,
                              .auth_at = now - t->auth_age_ms,
                              .ticket = t->ticket };
    struct policy_item item = { .project = t->project.n > 0 ? t->project : SPAN("p"),
                                .project_name = t->project,
                                .env = t->env,
                                .klass = t->klass,
                                .kind = t->kind,
                                .tags = tags,
                                .links = links };
    struct policy_answer answer;

    make_asker(t, &a);
    item.n_tags = make_pairs(&t->tag, '=', tags);
    item.n_links = make_pairs(&t->link, ':', links);
    if (t->subject_self)
        item.subject = a.subject;
    answer = policy_check(p, &f, &item, 1, t->wants);
    *ret_cause = check_terms(t, &answer);
    return answer;
}

size_t policy_run_tests(const struct policy *p, struct policy_test_result *ret)
{
    size_t failed = 0;

    for (size_t i = 0; i < p->n_tests; i++) {
        const struct policy_test *t = &p->tests[i];
        const char *cause;
        struct policy_answer a = run(p, t, &cause);

        ret[i] = (struct policy_test_result){ t->name, a.verdict, a.rule, cause, as_expected(t, &a) };
        if (t->rule.n > 0 && (a.rule == NULL || !span_eq(a.rule->name, t->rule)))
            ret[i].ok = false;
        failed += !ret[i].ok;
    }
    return failed;
}
