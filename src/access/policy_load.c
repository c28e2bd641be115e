/* From the tree of a text to struct policy: every member typed, named in its error, checked for what cannot be. */
#include "access/policy.h"

#include "access/policy_hours.h"
#include "base/num.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

struct load {
    struct arena *arena;
    const struct zone_source *zones;
    struct err_info *reterr;
    char where[POLICY_NAME_MAX + 16]; /* 'rule "x"' */
};

#define REFUSE(l, ...)   refuse((l), ERR_INVAL, __VA_ARGS__)
#define TOO_MUCH(l, ...) refuse((l), ERR_LIMIT, __VA_ARGS__)

static enum err refuse(struct load *l, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

static enum err refuse(struct load *l, enum err code, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return ERR_RAISE(l->reterr, code, "%s%s%s", l->where, l->where[0] == '\0' ? "" : ": ", text);
}

static enum err nomem(struct load *l)
{
    return ERR_RAISE(l->reterr, ERR_NOMEM, "policy is too large");
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Printable, and nothing that would need an escape in the text: so that a print is read back as it was. */
static bool word_ok(struct span s)
{
    struct rd r = rd_of(s);

    if (s.n == 0 || s.n > POLICY_WORD_MAX)
        return false;
    while (r.n > 0) {
        uint32_t cp = utf8_read(&r);

        if (r.failed || utf8_is_control(cp) || cp == '"' || cp == '\\' || cp == '$')
            return false;
    }
    return true;
}

static bool name_ok(struct span s)
{
    return s.n <= POLICY_NAME_MAX && word_ok(s);
}

static enum err get_word(struct load *l, struct tree obj, const char *key, struct span *ret)
{
    struct tree t;
    struct span s;

    if (!tree_get(obj, key, &t))
        return ERR_OK;
    if (!tree_str(t, &s))
        return REFUSE(l, "%s is one word", key);
    if (!word_ok(s))
        return REFUSE(l, "%s has 1 to %d printable characters, none of them a quote, a backslash or a dollar sign", key,
                      POLICY_WORD_MAX);
    *ret = arena_span(l->arena, s);
    return ret->p == NULL ? nomem(l) : ERR_OK;
}

static int by_text(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

/* A list, or one word; sorted, because its order means nothing. Twice the same is refused. */
static enum err get_words(struct load *l, struct tree obj, const char *key, struct policy_words *ret)
{
    struct tree t, item;
    struct span *p, at;
    size_t n;

    if (!tree_get(obj, key, &t))
        return ERR_OK;
    n = t.tag == TREE_ARR ? tree_count(t) : 1;
    if (n == 0)
        return REFUSE(l, "%s is empty: that matches nothing; leave it out to match all", key);
    if (n > POLICY_LIST_MAX)
        return TOO_MUCH(l, "%s has %zu words, at most %d", key, n, POLICY_LIST_MAX);
    p = arena_alloc(l->arena, n * sizeof(*p));
    if (p == NULL)
        return nomem(l);
    at = t.payload;
    for (size_t i = 0; i < n; i++) {
        struct span s;

        if (t.tag == TREE_ARR)
            (void) tree_next(&at, &item);
        else
            item = t;
        if (!tree_str(item, &s) || !word_ok(s))
            return REFUSE(l,
                          "%s: a word has 1 to %d printable characters, none of them a quote, a backslash or a "
                          "dollar sign",
                          key, POLICY_WORD_MAX);
        p[i] = arena_span(l->arena, s);
        if (p[i].p == NULL)
            return nomem(l);
    }
    qsort(p, n, sizeof(*p), by_text);
    for (size_t i = 1; i < n; i++) {
        if (span_eq(p[i - 1], p[i]))
            return REFUSE(l, "%s names \"" SPAN_FMT "\" twice", key, SPAN_ARG(p[i]));
    }
    *ret = (struct policy_words){ p, n };
    return ERR_OK;
}

static enum err get_int(struct load *l, struct tree obj, const char *key, int64_t min, int64_t max, const char *unit,
                        int64_t *ret)
{
    struct tree t;
    int64_t v;

    if (!tree_get(obj, key, &t))
        return ERR_OK;
    if (!tree_int(t, &v) || v < min || v > max)
        return REFUSE(l, "%s is a whole number from %lld to %lld%s", key, (long long) min, (long long) max, unit);
    *ret = v;
    return ERR_OK;
}

/* Whole seconds, in ms. */
static enum err get_duration(struct load *l, struct tree obj, const char *key, int64_t max, int64_t *ret)
{
    int64_t v = *ret;

    TRY(get_int(l, obj, key, 1000, max, " ms", &v));
    if (v % 1000 != 0)
        return REFUSE(l, "%s is in whole seconds", key);
    *ret = v;
    return ERR_OK;
}

static enum err get_count(struct load *l, struct tree obj, const char *key, int64_t min, int64_t max, unsigned *ret)
{
    int64_t v = *ret;

    TRY(get_int(l, obj, key, min, max, "", &v));
    *ret = (unsigned) v;
    return ERR_OK;
}

static enum err get_bytes(struct load *l, struct tree obj, const char *key, uint64_t *ret)
{
    int64_t v = (int64_t) *ret;

    TRY(get_int(l, obj, key, 1024, 1LL << 50, " bytes", &v));
    *ret = (uint64_t) v;
    return ERR_OK;
}

static enum err get_yes(struct load *l, struct tree obj, const char *key, bool *ret)
{
    struct tree t;

    return !tree_get(obj, key, &t) || tree_bool(t, ret) ? ERR_OK : REFUSE(l, "%s is yes or no", key);
}

struct choice {
    const char *word;
    unsigned bit;
};

/* A list of known words as bits. */
static enum err get_bits(struct load *l, struct tree obj, const char *key, const struct choice *choices, unsigned *ret)
{
    struct policy_words words = { 0 };
    unsigned bits = 0;

    TRY(get_words(l, obj, key, &words));
    for (size_t i = 0; i < words.n; i++) {
        const struct choice *c = choices;

        while (c->word != NULL && !span_eq_str(words.p[i], c->word))
            c++;
        if (c->word == NULL)
            return REFUSE(l, "%s: \"" SPAN_FMT "\" is not one of its words", key, SPAN_ARG(words.p[i]));
        bits |= c->bit;
    }
    if (words.n > 0)
        *ret = bits;
    return ERR_OK;
}

static enum err check_known(struct load *l, struct tree obj, const char *const *known)
{
    struct span at = obj.payload;
    struct tree child;

    if (obj.tag != TREE_OBJ)
        return REFUSE(l, "want a section in braces");
    while (tree_next(&at, &child)) {
        const char *const *k = known;

        while (*k != NULL && !span_eq_str(child.key, *k))
            k++;
        if (*k == NULL && !span_eq_str(child.key, "title"))
            return REFUSE(l, "unknown option \"" SPAN_FMT "\"", SPAN_ARG(span_sub(child.key, 0, 64)));
    }
    return ERR_OK;
}

/* --- titled sections ---------------------------------------------------------------------------------------------- */

static enum err get_sections(struct load *l, struct tree root, const char *key, size_t max, struct tree *ret, size_t *n)
{
    *n = 0;
    if (!tree_get(root, key, ret))
        return ERR_OK;
    if (ret->tag != TREE_ARR)
        return REFUSE(l, "%s: want sections with a name", key);
    *n = tree_count(*ret);
    return *n > max ? TOO_MUCH(l, "%zu sections %s, at most %zu", *n, key, max) : ERR_OK;
}

/* The name of a titled section; names of one kind differ. */
static enum err get_title(struct load *l, const char *kind, struct tree list, struct tree one, struct span *ret)
{
    struct span at = list.payload, title, other;
    struct tree before;

    if (!tree_get_str(one, "title", &title) || !name_ok(title))
        return REFUSE(l, "%s: a name has 1 to %d printable bytes, no quote, backslash or dollar sign", kind,
                      POLICY_NAME_MAX);
    while (tree_next(&at, &before) && before.payload.p != one.payload.p) {
        if (tree_get_str(before, "title", &other) && span_eq(other, title))
            return REFUSE(l, "%s \"" SPAN_FMT "\" is there twice", kind, SPAN_ARG(title));
    }
    *ret = arena_span(l->arena, title);
    return ret->p == NULL ? nomem(l) : ERR_OK;
}

/* Takes the next titled section; from here on errors name it. */
static enum err enter(struct load *l, const char *kind, struct tree list, struct span *at, struct tree *ret,
                      struct span *ret_name)
{
    (void) tree_next(at, ret);
    l->where[0] = '\0';
    TRY(get_title(l, kind, list, *ret, ret_name));
    (void) snprintf(l->where, sizeof(l->where), "%s \"" SPAN_FMT "\"", kind, SPAN_ARG(*ret_name));
    return ERR_OK;
}

static enum err load_purposes(struct load *l, struct tree root, struct policy *p)
{
    static const char *const known[] = { "ticket", "reason_min", NULL };
    struct tree list, one;
    struct policy_purpose *all;
    struct span at;
    size_t n;

    TRY(get_sections(l, root, "purpose", POLICY_PURPOSES_MAX, &list, &n));
    all = arena_alloc(l->arena, n * sizeof(*all) + 1);
    if (all == NULL)
        return nomem(l);
    at = list.payload;
    for (size_t i = 0; i < n; i++) {
        struct span ticket = SPAN_EMPTY;

        all[i].reason_min = POLICY_REASON_MIN;
        TRY(enter(l, "purpose", list, &at, &one, &all[i].code));
        TRY(check_known(l, one, known));
        TRY(get_count(l, one, "reason_min", 0, REQUEST_REASON_MAX, &all[i].reason_min));
        TRY(get_word(l, one, "ticket", &ticket));
        all[i].ticket = span_eq_str(ticket, "required");
        if (ticket.n > 0 && !all[i].ticket && !span_eq_str(ticket, "optional"))
            return REFUSE(l, "ticket is required or optional");
        if (all[i].reason_min == 0 && !all[i].ticket)
            return REFUSE(l, "reason_min = 0 only with ticket = required: every access says why");
    }
    l->where[0] = '\0';
    p->purposes = all;
    p->n_purposes = n;
    return ERR_OK;
}

/* --- terms -------------------------------------------------------------------------------------------------------- */

static const struct choice start_words[] = {
    { "approval", 1U << GRANT_START_APPROVAL },
    { "first-use", 1U << GRANT_START_FIRST_USE },
    { "time", 1U << GRANT_START_TIME },
    { NULL, 0 },
};
static const struct choice same_words[] = {
    { "session", POLICY_SAME_SESSION }, { "subject", POLICY_SAME_SUBJECT }, { "link", POLICY_SAME_LINK }, { NULL, 0 }
};
static const struct choice binding_words[] = { { "dpop", POLICY_BINDING_DPOP },
                                               { "bearer", POLICY_BINDING_BEARER },
                                               { NULL, 0 } };
static const struct choice ticket_words[] = {
    { "none", 1U << POLICY_TICKET_NONE },
    { "unknown", 1U << POLICY_TICKET_UNKNOWN },
    { "open", 1U << POLICY_TICKET_OPEN },
    { "closed", 1U << POLICY_TICKET_CLOSED },
    { NULL, 0 },
};
static const struct choice action_words[] = {
    { "play", ACTION_BIT(ACTION_PLAY) },
    { "live", ACTION_BIT(ACTION_LIVE) },
    { "unmask", ACTION_BIT(ACTION_UNMASK) },
    { "export", ACTION_BIT(ACTION_EXPORT) },
    { NULL, 0 },
};

static enum err load_more(struct load *l, struct tree rule, struct policy_terms *t)
{
    static const char *const more_known[] = { "same", "max", NULL }, *const time_known[] = { "times", "each", NULL };
    struct tree more;
    unsigned same = 0;

    if (tree_get(rule, "more", &more)) {
        TRY(check_known(l, more, more_known));
        TRY(get_bits(l, more, "same", same_words, &same));
        TRY(get_count(l, more, "max", 0, 10, &t->more_max));
        if ((same == 0) != (t->more_max == 0))
            return REFUSE(l, "more says both same and max (1 to 10), or is left out");
        t->more_same = (uint8_t) same;
    }
    if (tree_get(rule, "more_time", &more)) {
        TRY(check_known(l, more, time_known));
        TRY(get_count(l, more, "times", 0, 10, &t->more_times));
        TRY(get_duration(l, more, "each", POLICY_MAX_MS, &t->more_each_ms));
        if ((t->more_times == 0) != (t->more_each_ms == 0))
            return REFUSE(l, "more_time says both times (1 to 10) and each, or is left out");
    }
    return ERR_OK;
}

static enum err load_quota(struct load *l, struct tree rule, struct policy_terms *t)
{
    static const char *const known[] = { "key_streams", "grant_streams", "person_streams",
                                         "key_bytes",   "key_rate",      "key_requests",
                                         NULL };
    struct tree quota;

    if (!tree_get(rule, "quota", &quota))
        return ERR_OK;
    TRY(check_known(l, quota, known));
    TRY(get_count(l, quota, "key_streams", 1, 60000, &t->key_streams));
    TRY(get_count(l, quota, "grant_streams", 1, 60000, &t->grant_streams));
    TRY(get_count(l, quota, "person_streams", 1, 60000, &t->person_streams));
    TRY(get_count(l, quota, "key_requests", 1, 10000000, &t->key_requests));
    TRY(get_bytes(l, quota, "key_bytes", &t->key_bytes));
    TRY(get_bytes(l, quota, "key_rate", &t->key_rate));
    return ERR_OK;
}

/* "16", "0.5", "2.25" in hundredths. */
static enum err load_speed(struct load *l, struct tree rule, struct policy_terms *t)
{
    struct span s = SPAN_EMPTY, whole, part;
    uint64_t w, f = 0;

    TRY(get_word(l, rule, "max_speed", &s));
    if (s.n == 0)
        return ERR_OK;
    if (span_cut(s, '.', &whole, &part) && (part.n < 1 || part.n > 2 || !num_u64(part, 99, &f)))
        return REFUSE(l, "max_speed is 0.25 to 16");
    if (part.n == 1)
        f *= 10;
    if (!num_u64(whole, 16, &w) || w * 100 + f < 25 || w * 100 + f > 1600)
        return REFUSE(l, "max_speed is 0.25 to 16");
    t->max_speed_x100 = (unsigned) (w * 100 + f);
    return ERR_OK;
}

static enum err check_specs(struct load *l, const char *key, const struct policy_words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (!who_spec_valid(w->p[i]))
            return REFUSE(l, "%s: \"" SPAN_FMT "\" is not user:NAME, group:NAME or role:ROLE", key, SPAN_ARG(w->p[i]));
    }
    return ERR_OK;
}

static enum err load_ask_groups(struct load *l, struct tree ask, struct vote_rule *v)
{
    static const char *const known[] = { "min", NULL };
    struct vote_group *groups;
    struct tree list, one;
    struct span at;
    size_t n;

    if (!tree_get(ask, "group", &list))
        return ERR_OK;
    n = tree_count(list);
    if (list.tag != TREE_ARR || n > VOTE_GROUPS_MAX)
        return TOO_MUCH(l, "ask: at most %d sections group \"name\"", VOTE_GROUPS_MAX);
    groups = arena_alloc(l->arena, n * sizeof(*groups) + 1);
    if (groups == NULL)
        return nomem(l);
    at = list.payload;
    for (size_t i = 0; i < n; i++) {
        (void) tree_next(&at, &one);
        TRY(check_known(l, one, known));
        groups[i].min = 1;
        TRY(get_title(l, "ask: group", list, one, &groups[i].name));
        TRY(get_count(l, one, "min", 1, VOTE_NEED_MAX, &groups[i].min));
        if (groups[i].min > v->need)
            return REFUSE(l, "ask: group \"" SPAN_FMT "\" has min = %u, more than need = %u: say need = %u",
                          SPAN_ARG(groups[i].name), groups[i].min, v->need, groups[i].min);
    }
    v->groups = groups;
    v->n_groups = n;
    return ERR_OK;
}

static bool has_word(const struct policy_words *w, struct span s)
{
    for (size_t i = 0; i < w->n; i++) {
        if (span_eq(w->p[i], s))
            return true;
    }
    return false;
}

/* Votes that no set of people could give, whoever joins which group. */
static enum err check_possible(struct load *l, const struct policy_rule *r, const struct policy_words *from,
                               const struct policy_words *exclude)
{
    const struct vote_rule *v = &r->terms.ask;
    size_t users = 0;
    bool open = v->n_groups > 0, only_asker;

    for (size_t i = 0; i < v->n_groups; i++) {
        char spec[POLICY_NAME_MAX + 8];

        (void) snprintf(spec, sizeof(spec), "group:" SPAN_FMT, SPAN_ARG(v->groups[i].name));
        if (has_word(exclude, span_str(spec)))
            return REFUSE(l, "ask: group \"" SPAN_FMT "\" has to vote and is excluded", SPAN_ARG(v->groups[i].name));
    }
    for (size_t i = 0; i < from->n; i++) {
        if (has_word(exclude, from->p[i]))
            continue;
        if (span_starts(from->p[i], "user:"))
            users++;
        else
            open = true;
    }
    if (open)
        return ERR_OK;
    /* Only named people may vote. When the one asker is among them, that vote is not theirs to give. */
    only_asker = r->who.n == 1 && span_starts(r->who.p[0], "user:") && has_word(from, r->who.p[0]) &&
                 !has_word(exclude, r->who.p[0]);
    users -= only_asker ? 1 : 0;
    if (users < v->need)
        return REFUSE(l, "ask: needs %u approvals, and only %zu %s could ever give one", v->need, users,
                      users == 1 ? "person" : "people");
    return ERR_OK;
}

static enum err load_ask(struct load *l, struct tree rule, struct policy_rule *r)
{
    static const char *const known[] = { "need", "deny", "from", "group", "exclude", "settled", NULL };
    static const struct span default_from[] = { { (const uint8_t *) "role:approver", 13 } };
    struct policy_words from = { 0 }, exclude = { 0 };
    struct vote_rule *v = &r->terms.ask;
    struct tree ask;

    v->need = 1;
    v->deny = 1;
    if (tree_get(rule, "ask", &ask)) {
        if (r->effect != POLICY_EFFECT_ASK)
            return REFUSE(l, "ask has no meaning with effect = auto or deny");
        TRY(check_known(l, ask, known));
        TRY(get_count(l, ask, "need", 1, VOTE_NEED_MAX, &v->need));
        TRY(get_count(l, ask, "deny", 1, VOTE_NEED_MAX, &v->deny));
        TRY(get_words(l, ask, "from", &from));
        TRY(get_words(l, ask, "exclude", &exclude));
        TRY(check_specs(l, "ask: from", &from));
        TRY(check_specs(l, "ask: exclude", &exclude));
        TRY(get_duration(l, ask, "settled", VOTE_SETTLED_MAX_MS, &v->settled_ms));
        TRY(load_ask_groups(l, ask, v));
    }
    if (from.n == 0 && v->n_groups == 0)
        from = (struct policy_words){ default_from, 1 };
    v->from = from.p;
    v->n_from = from.n;
    v->exclude = exclude.p;
    v->n_exclude = exclude.n;
    if (r->effect != POLICY_EFFECT_ASK) {
        *v = (struct vote_rule){ 0 };
        return ERR_OK;
    }
    return check_possible(l, r, &from, &exclude);
}

static enum err load_terms(struct load *l, struct tree rule, struct policy_rule *r)
{
    struct policy_terms *t = &r->terms;
    unsigned starts = 1U << GRANT_START_APPROVAL, binding = POLICY_BINDING_DPOP;

    *t = (struct policy_terms){ .max_ms = 3600000,
                                .start_by_ms = GRANT_START_BY_MAX_MS,
                                .viewers = 1,
                                .max_speed_x100 = 1600,
                                .key_streams = 2,
                                .grant_streams = 4,
                                .person_streams = 6,
                                .key_requests = 200,
                                .key_bytes = 1ULL << 30,
                                .key_rate = 64ULL << 20 };
    TRY(get_duration(l, rule, "max", POLICY_MAX_MS, &t->max_ms));
    t->default_ms = t->max_ms < 1800000 ? t->max_ms : 1800000;
    TRY(get_duration(l, rule, "default", POLICY_MAX_MS, &t->default_ms));
    if (t->default_ms > t->max_ms)
        return REFUSE(l, "default is longer than max");
    TRY(get_bits(l, rule, "start", start_words, &starts));
    TRY(get_duration(l, rule, "start_by", GRANT_START_BY_MAX_MS, &t->start_by_ms));
    TRY(get_count(l, rule, "viewers", 1, 8, &t->viewers));
    TRY(load_more(l, rule, t));
    TRY(load_quota(l, rule, t));
    TRY(get_bits(l, rule, "binding", binding_words, &binding));
    TRY(get_yes(l, rule, "watermark", &t->watermark));
    TRY(load_speed(l, rule, t));
    t->starts = (uint8_t) starts;
    t->binding = (uint8_t) binding;
    return load_ask(l, rule, r);
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

/* By meaning, not by how they were written: a print has one order. */
static int by_hours(const void *a, const void *b)
{
    const struct policy_hours *x = a, *y = b;
    int c = x->days != y->days ? x->days - y->days : x->from != y->from ? x->from - y->from : x->to - y->to;

    return c != 0 ? c : by_text(&x->zone_name, &y->zone_name);
}

static enum err load_hours(struct load *l, struct tree rule, struct policy_rule *r)
{
    struct policy_words words = { 0 };

    TRY(get_words(l, rule, "hours", &words));
    if (words.n > POLICY_HOURS_MAX)
        return TOO_MUCH(l, "hours: at most %d", POLICY_HOURS_MAX);
    for (size_t i = 0; i < words.n; i++) {
        struct err_info why;
        enum err e = policy_hours_parse(words.p[i], l->zones, l->arena, &r->hours[i], &why);

        if (e == ERR_NOTFOUND)
            return refuse(l, e, "hours: this system has no such time zone (package tzdata)");
        if (e != ERR_OK)
            return refuse(l, e, "%s", why.text);
    }
    r->n_hours = words.n;
    qsort(r->hours, r->n_hours, sizeof(r->hours[0]), by_hours);
    return ERR_OK;
}

static enum err load_network(struct load *l, struct tree rule, struct policy_rule *r)
{
    struct policy_words words = { 0 };
    struct policy_net *nets;

    TRY(get_words(l, rule, "network", &words));
    nets = arena_alloc(l->arena, words.n * sizeof(*nets) + 1);
    if (nets == NULL)
        return nomem(l);
    for (size_t i = 0; i < words.n; i++) {
        struct err_info why;
        enum err e = policy_net_parse(words.p[i], l->arena, &nets[i], &why);

        if (e != ERR_OK)
            return refuse(l, e, "%s", why.text);
    }
    r->nets = nets;
    r->n_nets = words.n;
    return ERR_OK;
}

static enum err load_fixed_words(struct load *l, struct tree rule, struct policy_rule *r)
{
    struct span subject = SPAN_EMPTY, when = SPAN_EMPTY, effect = SPAN_EMPTY;

    TRY(get_word(l, rule, "subject", &subject));
    TRY(get_word(l, rule, "when", &when));
    TRY(get_word(l, rule, "effect", &effect));
    r->subject_self = span_eq_str(subject, "self");
    r->sole_person = span_eq_str(when, "sole-person");
    if (subject.n > 0 && !r->subject_self)
        return REFUSE(l, "subject is self");
    if (when.n > 0 && !r->sole_person)
        return REFUSE(l, "when is sole-person");
    if (span_eq_str(effect, "deny"))
        r->effect = POLICY_EFFECT_DENY;
    else if (span_eq_str(effect, "auto"))
        r->effect = POLICY_EFFECT_AUTO;
    else if (effect.n > 0 && !span_eq_str(effect, "ask"))
        return REFUSE(l, "effect is ask, auto or deny");
    if (r->sole_person && r->effect == POLICY_EFFECT_ASK)
        return REFUSE(l, "when = sole-person asks others, and there are none then: use effect = auto or deny");
    return ERR_OK;
}

static enum err check_words(struct load *l, const struct policy *p, const struct policy_rule *r)
{
    TRY(check_specs(l, "who", &r->who));
    for (size_t i = 0; i < r->kind.n; i++) {
        if (!span_eq_str(r->kind.p[i], "rrweb") && !span_eq_str(r->kind.p[i], "terminal"))
            return REFUSE(l, "kind is rrweb or terminal");
    }
    for (size_t i = 0; i < r->purposes.n; i++) {
        if (policy_find_purpose(p, r->purposes.p[i]) == NULL)
            return REFUSE(l, "purposes: there is no section purpose \"" SPAN_FMT "\"", SPAN_ARG(r->purposes.p[i]));
    }
    if (r->effect == POLICY_EFFECT_AUTO && (r->tickets & 1U << POLICY_TICKET_OPEN) != 0 &&
        (r->tickets & 1U << POLICY_TICKET_UNKNOWN) == 0)
        return REFUSE(l, "ticket = open with effect = auto: a hook's notice would open access; say ask");
    if (r->effect != POLICY_EFFECT_DENY && r->actions == 0)
        return REFUSE(l, "a rule that allows has to say actions");
    if (r->effect != POLICY_EFFECT_DENY && r->purposes.n == 0)
        return REFUSE(l, "a rule that allows has to say purposes");
    return ERR_OK;
}

/* A rule that denies has no terms; saying some is a mistake that would mislead. */
static enum err check_denies(struct load *l, struct tree rule)
{
    static const char *const conditions[] = { "who",  "project",  "env",     "class",    "kind",   "tag",
                                              "link", "subject",  "actions", "purposes", "hours",  "network",
                                              "when", "auth_age", "ticket",  "effect",   NULL };
    struct span at = rule.payload;
    struct tree child;

    while (tree_next(&at, &child)) {
        const char *const *k = conditions;

        while (*k != NULL && !span_eq_str(child.key, *k))
            k++;
        if (*k == NULL && !span_eq_str(child.key, "title"))
            return REFUSE(l, SPAN_FMT " has no meaning with effect = deny", SPAN_ARG(child.key));
    }
    return ERR_OK;
}

static enum err load_rule(struct load *l, const struct policy *p, struct tree rule, struct policy_rule *r)
{
    static const char *const known[] = {
        "who",       "project", "env",      "class",     "kind",      "tag",     "link",
        "subject",   "actions", "purposes", "hours",     "network",   "when",    "auth_age",
        "effect",    "max",     "default",  "start",     "start_by",  "viewers", "more",
        "more_time", "quota",   "binding",  "watermark", "max_speed", "ask",     "ticket",
        NULL,
    };
    unsigned actions = 0, tickets = 0;

    TRY(check_known(l, rule, known));
    TRY(get_words(l, rule, "who", &r->who));
    TRY(get_words(l, rule, "project", &r->project));
    TRY(get_words(l, rule, "env", &r->env));
    TRY(get_words(l, rule, "class", &r->klass));
    TRY(get_words(l, rule, "kind", &r->kind));
    TRY(get_words(l, rule, "tag", &r->tag));
    TRY(get_words(l, rule, "link", &r->link));
    TRY(get_words(l, rule, "purposes", &r->purposes));
    TRY(get_bits(l, rule, "actions", action_words, &actions));
    r->actions = (action_mask) actions;
    TRY(get_bits(l, rule, "ticket", ticket_words, &tickets));
    r->tickets = (uint8_t) tickets;
    TRY(load_fixed_words(l, rule, r));
    TRY(get_duration(l, rule, "auth_age", 12LL * 3600 * 1000, &r->auth_age_ms));
    TRY(load_hours(l, rule, r));
    TRY(load_network(l, rule, r));
    TRY(check_words(l, p, r));
    return r->effect == POLICY_EFFECT_DENY ? check_denies(l, rule) : load_terms(l, rule, r);
}

static enum err load_rules(struct load *l, struct tree root, struct policy *p)
{
    struct tree list, one;
    struct policy_rule *all;
    struct span at;
    size_t n;

    TRY(get_sections(l, root, "rule", POLICY_RULES_MAX, &list, &n));
    all = arena_alloc(l->arena, n * sizeof(*all) + 1);
    if (all == NULL)
        return nomem(l);
    at = list.payload;
    for (size_t i = 0; i < n; i++) {
        TRY(enter(l, "rule", list, &at, &one, &all[i].name));
        TRY(load_rule(l, p, one, &all[i]));
    }
    l->where[0] = '\0';
    p->rules = all;
    p->n_rules = n;
    return ERR_OK;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static enum err load_test_words(struct load *l, struct tree one, struct policy_test *t)
{
    struct span subject = SPAN_EMPTY, when = SPAN_EMPTY, expect = SPAN_EMPTY, from = SPAN_EMPTY, at = SPAN_EMPTY;
    struct err_info why;

    TRY(get_word(l, one, "subject", &subject));
    TRY(get_word(l, one, "when", &when));
    TRY(get_word(l, one, "expect", &expect));
    TRY(get_word(l, one, "from", &from));
    TRY(get_word(l, one, "at", &at));
    t->subject_self = span_eq_str(subject, "self");
    t->sole_person = span_eq_str(when, "sole-person");
    if ((subject.n > 0 && !t->subject_self) || (when.n > 0 && !t->sole_person))
        return REFUSE(l, "subject is self, when is sole-person");
    if (from.n > 0 && policy_net_parse(from, l->arena, &t->from, &why) != ERR_OK)
        return REFUSE(l, "from is an address");
    if (from.n > 0 && t->from.bits != 128)
        return REFUSE(l, "from is an address, not a network");
    if (at.n > 0 && !time_parse_rfc3339(at, &t->at))
        return REFUSE(l, "at is a time as of RFC 3339");
    if (span_eq_str(expect, "deny"))
        t->expect = POLICY_EXPECT_DENY;
    else if (span_eq_str(expect, "ask"))
        t->expect = POLICY_EXPECT_ASK;
    else if (span_eq_str(expect, "auto"))
        t->expect = POLICY_EXPECT_AUTO;
    else if (span_eq_str(expect, "split"))
        t->expect = POLICY_EXPECT_SPLIT;
    else
        return REFUSE(l, "expect is deny, ask, auto or split");
    return ERR_OK;
}

/* "yes" is a ticket that no hook has spoken of. */
static enum err load_test_ticket(struct load *l, struct tree one, struct policy_test *t)
{
    static const char *const states[POLICY_TICKET_N_] = { "no", "yes", "open", "closed" };
    struct span word = SPAN_EMPTY;

    TRY(get_word(l, one, "ticket", &word));
    for (unsigned i = 0; i < POLICY_TICKET_N_; i++) {
        if (span_eq_str(word, states[i])) {
            t->ticket = (enum policy_ticket) i;
            return ERR_OK;
        }
    }
    return word.n == 0 ? ERR_OK : REFUSE(l, "ticket is yes, no, open or closed");
}

static enum err load_test(struct load *l, struct tree one, struct policy_test *t)
{
    static const char *const known[] = { "as",  "wants", "project", "env",     "class",  "kind",
                                         "tag", "link",  "subject", "purpose", "ticket", "for",
                                         "at",  "from",  "when",    "rule",    "expect", "auth_age", NULL };
    unsigned wants = 0;

    TRY(check_known(l, one, known));
    TRY(get_words(l, one, "as", &t->as));
    TRY(check_specs(l, "as", &t->as));
    TRY(get_bits(l, one, "wants", action_words, &wants));
    if (wants == 0)
        return REFUSE(l, "wants says which actions");
    t->wants = (action_mask) wants;
    TRY(get_word(l, one, "project", &t->project));
    TRY(get_word(l, one, "env", &t->env));
    TRY(get_word(l, one, "class", &t->klass));
    TRY(get_word(l, one, "kind", &t->kind));
    TRY(get_word(l, one, "purpose", &t->purpose));
    TRY(get_word(l, one, "rule", &t->rule));
    TRY(get_words(l, one, "tag", &t->tag));
    TRY(get_words(l, one, "link", &t->link));
    TRY(load_test_ticket(l, one, t));
    TRY(get_duration(l, one, "for", POLICY_MAX_MS * 100, &t->for_ms));
    TRY(get_duration(l, one, "auth_age", 12LL * 3600 * 1000, &t->auth_age_ms));
    return load_test_words(l, one, t);
}

static enum err load_tests(struct load *l, struct tree root, struct policy *p)
{
    struct tree list, one;
    struct policy_test *all;
    struct span at;
    size_t n;

    TRY(get_sections(l, root, "test", POLICY_TESTS_MAX, &list, &n));
    all = arena_alloc(l->arena, n * sizeof(*all) + 1);
    if (all == NULL)
        return nomem(l);
    at = list.payload;
    for (size_t i = 0; i < n; i++) {
        TRY(enter(l, "test", list, &at, &one, &all[i].name));
        TRY(load_test(l, one, &all[i]));
    }
    l->where[0] = '\0';
    p->tests = all;
    p->n_tests = n;
    return ERR_OK;
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

static enum err load_rest(struct load *l, struct tree root, struct policy *p)
{
    static const char *const caps_known[] = { "recording", "day", NULL };
    static const char *const bg_known[] = { "max", "incidents", "days", NULL };
    struct span change = SPAN_EMPTY, new_user = SPAN_EMPTY;
    struct tree section;

    p->bg_max_ms = 3600000;
    p->bg_incidents = 2;
    p->bg_days = 30;
    if (tree_get(root, "caps", &section)) {
        (void) snprintf(l->where, sizeof(l->where), "caps");
        TRY(check_known(l, section, caps_known));
        TRY(get_duration(l, section, "recording", POLICY_MAX_MS, &p->cap_recording_ms));
        TRY(get_duration(l, section, "day", 24LL * 3600 * 1000, &p->cap_day_ms));
    }
    if (tree_get(root, "breakglass", &section)) {
        (void) snprintf(l->where, sizeof(l->where), "breakglass");
        TRY(check_known(l, section, bg_known));
        TRY(get_duration(l, section, "max", 3600000, &p->bg_max_ms));
        TRY(get_count(l, section, "incidents", 1, 2, &p->bg_incidents));
        TRY(get_count(l, section, "days", 30, 365, &p->bg_days));
    }
    l->where[0] = '\0';
    TRY(get_word(l, root, "on_change", &change));
    p->on_change = span_eq_str(change, "keep") ? POLICY_CHANGE_KEEP : POLICY_CHANGE_REVOKE;
    if (change.n > 0 && p->on_change == POLICY_CHANGE_REVOKE && !span_eq_str(change, "revoke"))
        return REFUSE(l, "on_change is revoke or keep");
    TRY(get_word(l, root, "new_user", &new_user));
    p->new_user_none = span_eq_str(new_user, "none");
    if (new_user.n > 0 && !p->new_user_none && !span_eq_str(new_user, "viewer"))
        return REFUSE(l, "new_user is viewer or none");
    return ERR_OK;
}

enum err policy_load(struct tree tree, const struct zone_source *zones, struct arena *arena, const struct policy **ret,
                     struct err_info *reterr)
{
    static const char *const known[] = { "purpose", "rule", "caps", "breakglass", "on_change", "new_user", "test", NULL };
    struct load l = { .arena = arena, .zones = zones, .reterr = reterr };
    struct policy *p = arena_alloc(arena, sizeof(*p));

    if (p == NULL)
        return nomem(&l);
    /* An empty text is a policy, too: the one that lets nobody in. */
    if (tree.tag != TREE_NULL)
        TRY(check_known(&l, tree, known));
    TRY(load_purposes(&l, tree, p));
    TRY(load_rules(&l, tree, p));
    TRY(load_rest(&l, tree, p));
    TRY(load_tests(&l, tree, p));
    *ret = p;
    return ERR_OK;
}
