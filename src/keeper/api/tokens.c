/* Ingest and API tokens: list, make, end. The secret is in one answer and nowhere else. */
#include <stdio.h>

#include "crypto/secret.h"
#include "keeper/api/people.h"
#include "keeper/ingest_tokens.h"
#include "keeper/pages.h"
#include "keeper/session.h"
#include "keeper/statements.h"
#include "keeper/trail.h"
#include "keeper/view.h"

#define API_LIFE_S (12 * 3600)

static bool may_see(struct job *c, const struct meta_token *t)
{
    if (!span_eq_str(t->kind, "api") && !span_eq_str(t->kind, "ingest") && !span_eq_str(t->kind, "gateway"))
        return false;
    if (job_is_admin(c) || (t->account.n > 0 && span_eq(t->account, c->me->id)))
        return true;
    return t->project.n > 0 && job_may(c, t->project, PERM_MANAGE_INGEST_TOKENS);
}

enum err api_tokens_list(struct job *c, struct err_info *reterr)
{
    static const char *const kinds[] = { "ingest", "api", "gateway" };
    struct meta_token_filter f = { 0 };
    struct span project = SPAN_EMPTY;
    struct meta_token_list rows;
    struct meta_project p;
    struct meta_pos next;
    struct pages pg;
    enum err e = ERR_OK;

    PAGES_BEGIN(c, &pg, "kind", "project");
    (void) body_word(&c->body, "?", c->query, "kind", BODY_OPTIONAL, kinds, 3);
    (void) tree_get_str(c->query, "kind", &f.kind);
    if (tree_get_str(c->query, "project", &project) && project.n > 0) {
        e = accounts_project(c, project, &p, reterr);
        if (e == ERR_NOTFOUND)
            body_bad(&c->body, "?", "project", FIELD_NOT_FOUND);
        else if (e == ERR_OK)
            f.project = p.id;
    }
    if (e != ERR_OK && e != ERR_NOTFOUND) {
        pages_drop(&pg);
        return e;
    }
    if (c->body.errors.n > 0) {
        pages_drop(&pg);
        return job_invalid(c);
    }
    e = meta_tokens(c->v, &f, &pg.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&pg);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++) {
        if (may_see(c, &rows.rows[i]))
            e = view_token(c, &rows.rows[i], SPAN_EMPTY, reterr);
    }
    pages_end(c, &pg, next);
    jsonw_obj_end(&c->w);
    return e;
}

/* In the order of the words that name them. */
enum token_kind { KIND_INGEST, KIND_API, KIND_GATEWAY };

struct token_in {
    enum token_kind kind;
    struct span label, account, project, url;
    bool browser;
    struct span states; /* browser: keeper/statements.h */
    int64_t expires_s;
};

/* What a public token may state. */
static void read_states(struct job *c, struct token_in *in)
{
    struct buf text = BUF_INIT(STATEMENTS_MAX * (STATEMENTS_WORD + 1));
    struct tree list, child;
    struct span one;
    char at[32];
    size_t n = 0;

    in->states = in->browser ? SPAN(STATEMENTS_DEFAULT) : SPAN_EMPTY;
    if (!body_arr(&c->body, "", c->args, "states", BODY_OPTIONAL, 0, STATEMENTS_MAX, &list))
        return;
    if (!in->browser)
        body_bad(&c->body, "", "states", FIELD_CONFLICT);
    for (struct span it = list.payload; tree_next(&it, &child); n++) {
        (void) snprintf(at, sizeof(at), "%zu", n);
        if (!tree_str(child, &one))
            body_bad(&c->body, "/states", at, FIELD_TYPE);
        else if (!statements_word_ok(one))
            body_bad(&c->body, "/states", at, FIELD_PATTERN);
        else
            buf_addf(&text, "%s" SPAN_FMT, text.n > 0 ? " " : "", SPAN_ARG(one));
    }
    in->states = arena_span(c->mem, buf_span(&text));
    buf_deinit(&text);
}

static bool ends_with(struct span s, const char *tail)
{
    struct span t = span_str(tail);

    return s.n >= t.n && span_eq(span_sub(s, s.n - t.n, s.n), t);
}

/*
 * scheme://host[:port][/path] as proofs have it: host in lower case, no default port, no query, no fragment, nobody's password.
 */
static bool url_ok(struct span url)
{
    struct span host = span_sub(url, span_starts(url, "https://") ? 8 : span_starts(url, "http://") ? 7 : url.n, url.n);
    struct span name, path;

    (void) span_cut(host, '/', &name, &path);
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] >= 'A' && name.p[i] <= 'Z')
            return false;
    }
    for (size_t i = 0; i < url.n; i++) {
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || strchr("?#@\"\\", url.p[i]) != NULL)
            return false;
    }
    return name.n > 0 && !ends_with(name, span_starts(url, "https://") ? ":443" : ":80");
}

/* A gateway serves its own content of one project, at one address (STANDARDS 1.12). */
static void read_url(struct job *c, struct token_in *in)
{
    if (!body_str(&c->body, "", c->args, "url", BODY_REQUIRED, 8, 1000, &in->url))
        return;
    while (in->url.n > 0 && in->url.p[in->url.n - 1] == '/')
        in->url.n--;
    if (!url_ok(in->url))
        body_bad(&c->body, "", "url", FIELD_PATTERN);
}

static enum err read_ingest(struct job *c, struct token_in *in, bool *ret_ok, struct err_info *reterr)
{
    struct span project = SPAN_EMPTY;
    struct meta_project p;
    enum err e;

    *ret_ok = false;
    if (!body_str(&c->body, "", c->args, "project", BODY_REQUIRED, 1, 64, &project))
        return ERR_OK;
    e = accounts_project(c, project, &p, reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && job_roles(c, p.id) == 0)) {
        body_bad(&c->body, "", "project", FIELD_NOT_FOUND);
        return ERR_OK;
    }
    TRY(e);
    in->project = p.id;
    c->log = p.id;
    *ret_ok = in->kind == KIND_GATEWAY ? job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_TOKENS)
                                       : job_may(c, p.id, PERM_MANAGE_INGEST_TOKENS);
    return ERR_OK;
}

static enum err read_api(struct job *c, struct token_in *in, bool *ret_ok, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *w = c->me;
    struct span user;

    if (people == NULL)
        return ERR_NOMEM;
    if (body_str(&c->body, "", c->args, "user", BODY_OPTIONAL, 1, 64, &user))
        w = people_by_id_or_name(people, user);
    *ret_ok = w != NULL && (span_eq(w->id, c->me->id) || job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_TOKENS));
    if (w == NULL && job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_TOKENS))
        body_bad(&c->body, "", "user", FIELD_NOT_FOUND);
    else if (w != NULL)
        in->account = w->id;
    return ERR_OK;
}

static enum err created_record(struct job *c, const struct meta_token *t, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_TOKEN_CREATED, t->project.n > 0 ? trail_log(c, t->project) : SPAN_EMPTY);

    l.obj = t->id;
    l.outcome = t->kind;
    trail_mark(c, &l);
    if (t->expires_ms != 0)
        (void) leaf_add_number(&l, "expires_ms", t->expires_ms);
    trail_fact(c, &l, "label", t->label, SPAN_EMPTY);
    return trail_write(c, &l, NULL, reterr);
}

/* A token for somebody else is that person's credential: the guard may let it wait, unusable until then. */
static enum err hold(struct job *c, const struct token_in *in, struct meta_token *t, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *w = people == NULL || in->kind != KIND_API ? NULL : people_by_id(people, in->account);
    bool rests = false, held;

    if (w != NULL && !span_eq(w->id, c->me->id))
        TRY(guard_rests_on(c, w, &rests, reterr));
    TRY(guard_hold(c, rests ? GUARD_CREDENTIALS : 0U, in->account, t->id, &held, reterr));
    if (held)
        t->state = SPAN("waiting");
    return ERR_OK;
}

static enum err show(struct job *c, const struct meta_token *t, struct span secret, struct err_info *reterr)
{
    struct meta_change row;

    if (c->held.n == 0) {
        (void) job_json(c, 201);
        return view_token(c, t, secret, reterr);
    }
    TRY(meta_change_get(c->v, c->held, c->mem, &row, reterr));
    (void) job_json(c, 202);
    return guard_view(c, &row, secret, reterr);
}

static const char *const kind_words[] = { [KIND_INGEST] = "ingest", [KIND_API] = "api", [KIND_GATEWAY] = "gateway" };

/* A stolen API token must not outlive itself by one that it made. */
static time_ms expiry(const struct job *c, const struct token_in *in)
{
    time_ms wanted = in->expires_s == 0 ? 0 : c->now.real + in->expires_s * 1000, own = c->token.expires_ms;
    bool capped = in->kind == KIND_API && span_eq_str(c->token.kind, "api") && own > 0;

    return capped && (wanted == 0 || wanted > own) ? own : wanted;
}

static enum err make(struct job *c, const struct token_in *in, struct err_info *reterr)
{
    static const char *const prefixes[] = { [KIND_INGEST] = "kit_", [KIND_API] = "kst_", [KIND_GATEWAY] = "kgt_" };
    char secret[SESSION_TOKEN_CAP];
    uint8_t hash[32];
    struct meta_token t = {
        .id = job_new_id(c, ID_TOKEN), .kind = span_str(kind_words[in->kind]), .account = in->account,
        .project = in->project, .label = in->label, .url = in->url, .browser = in->browser, .states = in->states, .client = SPAN("api"), .prefix = c->in->prefix,
        .created_by = c->me->id, .created_ms = c->now.real,
        .expires_ms = expiry(c, in), .state = SPAN("active"),
    };
    enum err e;

    if (in->browser)
        session_secret_public(c, "kib_", secret, hash);
    else
        session_secret(c, prefixes[in->kind], secret, hash);
    t.sha256 = SPAN_OF(hash);
    e = hold(c, in, &t, reterr);
    if (e == ERR_OK)
        e = meta_token_add(c->m, &t, reterr);
    if (e == ERR_OK && c->held.n == 0)
        e = created_record(c, &t, reterr);
    if (e == ERR_OK)
        e = ingest_tokens_push(c, &t, true, reterr);
    if (e == ERR_OK)
        e = show(c, &t, span_str(secret), reterr);
    secret_wipe(secret, sizeof(secret));
    return e;
}

enum err api_token_create(struct job *c, struct err_info *reterr)
{
    struct token_in in = { .kind = KIND_API };
    bool ok = false;
    int kind;

    BODY_ONLY(&c->body, "", c->args, "kind", "name", "project", "user", "url", "browser", "states", "expires_in_s");
    kind = body_word(&c->body, "", c->args, "kind", BODY_REQUIRED, kind_words, 3);
    if (kind >= 0)
        in.kind = (enum token_kind) kind;
    in.expires_s = in.kind == KIND_API ? API_LIFE_S : 0;
    (void) body_str(&c->body, "", c->args, "name", BODY_OPTIONAL, 0, 200, &in.label);
    (void) body_int(&c->body, "", c->args, "expires_in_s", BODY_OPTIONAL, 60, 315360000, &in.expires_s);
    (void) body_bool(&c->body, "", c->args, "browser", &in.browser);
    if (in.browser && in.kind != KIND_INGEST)
        body_bad(&c->body, "", "browser", FIELD_CONFLICT);
    read_states(c, &in);
    if (in.kind == KIND_GATEWAY)
        read_url(c, &in);
    if (kind == KIND_API)
        TRY(read_api(c, &in, &ok, reterr));
    else if (kind >= 0)
        TRY(read_ingest(c, &in, &ok, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!ok)
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    return make(c, &in, reterr);
}

enum err api_token_revoke(struct job *c, struct err_info *reterr)
{
    struct meta_token t;
    enum err e = id_check(c->in->id1, ID_TOKEN) ? meta_token_get(c->v, c->in->id1, c->mem, &t, reterr) : ERR_NOTFOUND;

    if (e == ERR_NOTFOUND || (e == ERR_OK && !may_see(c, &t)))
        return job_not_found(c);
    TRY(e);
    TRY(session_end(c, &t, "revoked", reterr));
    c->answer->status = 204;
    return ERR_OK;
}
