/* The canonical text of a policy: everything that has a meaning, each thing in one place and one spelling. */
#include "access/policy.h"

#include "access/policy_hours.h"
#include "crypto/hash.h"

static void print_duration(int64_t ms, struct buf *out)
{
    int64_t s = ms / 1000;

    if (s % 86400 == 0)
        buf_addf(out, "%lldd", (long long) s / 86400);
    else if (s % 3600 == 0)
        buf_addf(out, "%lldh", (long long) s / 3600);
    else if (s % 60 == 0)
        buf_addf(out, "%lldmin", (long long) s / 60);
    else
        buf_addf(out, "%llds", (long long) s);
}

static void print_bytes(uint64_t n, struct buf *out)
{
    if (n % (1ULL << 30) == 0)
        buf_addf(out, "%lluGiB", (unsigned long long) n >> 30);
    else if (n % (1ULL << 20) == 0)
        buf_addf(out, "%lluMiB", (unsigned long long) n >> 20);
    else if (n % 1024 == 0)
        buf_addf(out, "%lluKiB", (unsigned long long) n >> 10);
    else
        buf_addf(out, "%lluB", (unsigned long long) n);
}

static void line(struct buf *out, const char *key)
{
    buf_addf(out, "  %s = ", key);
}

static void line_duration(struct buf *out, const char *key, int64_t ms)
{
    line(out, key);
    print_duration(ms, out);
    buf_add_c(out, '\n');
}

static void line_word(struct buf *out, const char *key, struct span word)
{
    if (word.n > 0)
        buf_addf(out, "  %s = \"" SPAN_FMT "\"\n", key, SPAN_ARG(word));
}

static void words(struct buf *out, const struct span *p, size_t n)
{
    buf_add_str(out, "{ ");
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s\"" SPAN_FMT "\"", i == 0 ? "" : ", ", SPAN_ARG(p[i]));
    buf_add_str(out, " }");
}

static void line_words(struct buf *out, const char *key, const struct policy_words *w)
{
    if (w->n == 0)
        return;
    line(out, key);
    words(out, w->p, w->n);
    buf_add_c(out, '\n');
}

/* names[i] for bit i. */
static void bits(struct buf *out, unsigned mask, const char *const *names)
{
    bool first = true;

    buf_add_str(out, "{ ");
    for (unsigned i = 0; names[i] != NULL; i++) {
        if ((mask & 1U << i) == 0)
            continue;
        buf_addf(out, "%s%s", first ? "" : ", ", names[i]);
        first = false;
    }
    buf_add_str(out, " }");
}

static void line_bits(struct buf *out, const char *key, unsigned mask, const char *const *names)
{
    if (mask == 0)
        return;
    line(out, key);
    bits(out, mask, names);
    buf_add_c(out, '\n');
}

static const char *const action_names[] = { "play", "live", "unmask", "export", NULL };
static const char *const start_names[] = { "approval", "first-use", "time", NULL };
static const char *const same_names[] = { "session", "subject", "link", NULL };
static const char *const ticket_names[] = { "none", "unknown", "open", "closed", NULL };
static const char *const binding_names[] = { "dpop", "bearer", NULL };

static void print_hours(const struct policy_rule *r, struct buf *out)
{
    if (r->n_hours == 0)
        return;
    buf_add_str(out, "  hours = { ");
    for (size_t i = 0; i < r->n_hours; i++) {
        buf_add_str(out, i == 0 ? "\"" : ", \"");
        policy_hours_print(&r->hours[i], out);
        buf_add_c(out, '"');
    }
    buf_add_str(out, " }\n");
}

static void print_networks(const struct policy_rule *r, struct buf *out)
{
    if (r->n_nets == 0)
        return;
    buf_add_str(out, "  network = { ");
    for (size_t i = 0; i < r->n_nets; i++)
        buf_addf(out, "%s\"" SPAN_FMT "\"", i == 0 ? "" : ", ", SPAN_ARG(r->nets[i].text));
    buf_add_str(out, " }\n");
}

static void print_conditions(const struct policy_rule *r, struct buf *out)
{
    line_words(out, "who", &r->who);
    line_words(out, "project", &r->project);
    line_words(out, "env", &r->env);
    line_words(out, "class", &r->klass);
    line_words(out, "kind", &r->kind);
    line_words(out, "tag", &r->tag);
    line_words(out, "link", &r->link);
    if (r->subject_self)
        buf_add_str(out, "  subject = self\n");
    line_bits(out, "actions", r->actions, action_names);
    line_words(out, "purposes", &r->purposes);
    print_hours(r, out);
    print_networks(r, out);
    if (r->sole_person)
        buf_add_str(out, "  when = sole-person\n");
    if (r->auth_age_ms > 0)
        line_duration(out, "auth_age", r->auth_age_ms);
    line_bits(out, "ticket", r->tickets, ticket_names);
}

static void print_ask(const struct vote_rule *v, struct buf *out)
{
    buf_addf(out, "  ask {\n    need = %u\n    deny = %u\n", v->need, v->deny);
    if (v->n_from > 0) {
        buf_add_str(out, "    from = ");
        words(out, v->from, v->n_from);
        buf_add_c(out, '\n');
    }
    for (size_t i = 0; i < v->n_groups; i++)
        buf_addf(out, "    group \"" SPAN_FMT "\" { min = %u }\n", SPAN_ARG(v->groups[i].name), v->groups[i].min);
    if (v->n_exclude > 0) {
        buf_add_str(out, "    exclude = ");
        words(out, v->exclude, v->n_exclude);
        buf_add_c(out, '\n');
    }
    if (v->settled_ms > 0) {
        buf_add_str(out, "    settled = ");
        print_duration(v->settled_ms, out);
        buf_add_c(out, '\n');
    }
    buf_add_str(out, "  }\n");
}

static void print_quota(const struct policy_terms *t, struct buf *out)
{
    buf_addf(out, "  quota { key_streams = %u  grant_streams = %u  person_streams = %u  key_bytes = ", t->key_streams,
             t->grant_streams, t->person_streams);
    print_bytes(t->key_bytes, out);
    buf_add_str(out, "  key_rate = ");
    print_bytes(t->key_rate, out);
    buf_addf(out, "  key_requests = %u }\n", t->key_requests);
}

/* Every term with its value, also where the text left it out: a later default must not change what was approved. */
static void print_terms(const struct policy_terms *t, struct buf *out)
{
    line_duration(out, "max", t->max_ms);
    line_duration(out, "default", t->default_ms);
    line_bits(out, "start", t->starts, start_names);
    line_duration(out, "start_by", t->start_by_ms);
    buf_addf(out, "  viewers = %u\n", t->viewers);
    if (t->more_max > 0) {
        buf_add_str(out, "  more { same = ");
        bits(out, t->more_same, same_names);
        buf_addf(out, "  max = %u }\n", t->more_max);
    }
    if (t->more_times > 0) {
        buf_addf(out, "  more_time { times = %u  each = ", t->more_times);
        print_duration(t->more_each_ms, out);
        buf_add_str(out, " }\n");
    }
    line(out, "max_speed");
    if (t->max_speed_x100 % 100 == 0)
        buf_addf(out, "%u\n", t->max_speed_x100 / 100);
    else
        buf_addf(out, "%u.%02u\n", t->max_speed_x100 / 100, t->max_speed_x100 % 100);
    print_quota(t, out);
    line_bits(out, "binding", t->binding, binding_names);
    buf_addf(out, "  watermark = %s\n", t->watermark ? "yes" : "no");
}

static void print_rule(const struct policy_rule *r, struct buf *out)
{
    static const char *const effects[] = { "ask", "auto", "deny" };

    buf_addf(out, "rule \"" SPAN_FMT "\" {\n", SPAN_ARG(r->name));
    print_conditions(r, out);
    buf_addf(out, "  effect = %s\n", effects[r->effect]);
    if (r->effect != POLICY_EFFECT_DENY)
        print_terms(&r->terms, out);
    if (r->effect == POLICY_EFFECT_ASK)
        print_ask(&r->terms.ask, out);
    buf_add_str(out, "}\n");
}

static void print_test(const struct policy_test *t, struct buf *out)
{
    static const char *const tickets[POLICY_TICKET_N_] = { "no", "yes", "open", "closed" };
    char at[TIME_RFC3339_LEN + 1];

    buf_addf(out, "test \"" SPAN_FMT "\" {\n", SPAN_ARG(t->name));
    line_words(out, "as", &t->as);
    line_bits(out, "wants", t->wants, action_names);
    line_word(out, "project", t->project);
    line_word(out, "env", t->env);
    line_word(out, "class", t->klass);
    line_word(out, "kind", t->kind);
    line_words(out, "tag", &t->tag);
    line_words(out, "link", &t->link);
    if (t->subject_self)
        buf_add_str(out, "  subject = self\n");
    line_word(out, "purpose", t->purpose);
    if (t->ticket != POLICY_TICKET_NONE)
        buf_addf(out, "  ticket = %s\n", tickets[t->ticket]);
    if (t->auth_age_ms > 0)
        line_duration(out, "auth_age", t->auth_age_ms);
    if (t->for_ms > 0)
        line_duration(out, "for", t->for_ms);
    time_rfc3339(t->at, at);
    if (t->at != 0)
        line_word(out, "at", span_str(at));
    line_word(out, "from", t->from.bits > 0 ? t->from.text : SPAN_EMPTY);
    if (t->sole_person)
        buf_add_str(out, "  when = sole-person\n");
    line_word(out, "rule", t->rule);
    buf_addf(out, "  expect = %s\n}\n", policy_expect_name(t->expect));
}

static void print_rest(const struct policy *p, struct buf *out)
{
    if (p->cap_recording_ms > 0 || p->cap_day_ms > 0) {
        buf_add_str(out, "caps {\n");
        if (p->cap_recording_ms > 0)
            line_duration(out, "recording", p->cap_recording_ms);
        if (p->cap_day_ms > 0)
            line_duration(out, "day", p->cap_day_ms);
        buf_add_str(out, "}\n");
    }
    buf_add_str(out, "breakglass {\n");
    line_duration(out, "max", p->bg_max_ms);
    buf_addf(out, "  incidents = %u\n  days = %u\n}\n", p->bg_incidents, p->bg_days);
    buf_addf(out, "on_change = %s\n", p->on_change == POLICY_CHANGE_KEEP ? "keep" : "revoke");
    buf_addf(out, "new_user = %s\n", p->new_user_none ? "none" : "viewer");
}

void policy_print(const struct policy *p, struct buf *out)
{
    for (size_t i = 0; i < p->n_purposes; i++)
        buf_addf(out, "purpose \"" SPAN_FMT "\" {\n  ticket = %s\n  reason_min = %u\n}\n",
                 SPAN_ARG(p->purposes[i].code), p->purposes[i].ticket ? "required" : "optional",
                 p->purposes[i].reason_min);
    for (size_t i = 0; i < p->n_rules; i++)
        print_rule(&p->rules[i], out);
    print_rest(p, out);
    for (size_t i = 0; i < p->n_tests; i++)
        print_test(&p->tests[i], out);
}

enum err policy_hash(const struct policy *p, uint8_t out[POLICY_HASH_LEN], struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(POLICY_PRINT_MAX);

    policy_print(p, &text);
    TRY(buf_check(&text, reterr));
    sha256(buf_span(&text), out);
    return ERR_OK;
}
