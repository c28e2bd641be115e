#include "keeper/hooks.h"

#include <stdlib.h>

#include "base/log.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/hook.h"
#include "keeper/accounts.h"
#include "keeper/api/api.h"
#include "keeper/life.h"
#include "keeper/throttle.h"
#include "keeper/trail.h"
#include "meta/hooks.h"

#define HEADERS_MAX 32

/* ---- what is set up ---- */

struct one {
    struct span name, project, secrets;
    enum hook_format format;
};

struct hooks {
    struct arena mem;
    struct one *all;
    size_t n;
};

struct hooks *hooks_free(struct hooks *h)
{
    if (h == NULL)
        return NULL;
    for (size_t i = 0; i < h->n; i++)
        secret_wipe((uint8_t *) (uintptr_t) h->all[i].secrets.p, h->all[i].secrets.n);
    arena_deinit(&h->mem);
    free(h);
    return NULL;
}

struct hooks *hooks_new(const struct core_hook *all, size_t n)
{
    struct hooks *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return NULL;
    arena_init(&h->mem, 1U << 20);
    h->all = arena_alloc(&h->mem, (n + 1) * sizeof(*h->all));
    for (size_t i = 0; h->all != NULL && i < n; i++) {
        struct one *to = &h->all[h->n];

        if (!hook_format_parse(span_str(all[i].format), &to->format))
            continue;
        to->name = arena_span(&h->mem, span_str(all[i].name));
        to->project = arena_span(&h->mem, span_str(all[i].project));
        to->secrets = arena_span(&h->mem, span_str(all[i].secrets));
        if (to->name.p == NULL || to->project.p == NULL || to->secrets.p == NULL)
            return hooks_free(h);
        h->n++;
    }
    return h->all == NULL ? hooks_free(h) : h;
}

static const struct one *find(const struct hooks *h, struct span name)
{
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        if (span_eq(h->all[i].name, name))
            return &h->all[i];
    }
    return NULL;
}

/* ---- tickets ---- */

enum err hooks_ticket(struct job *c, struct span project, struct span ticket, enum policy_ticket *ret,
                      struct err_info *reterr)
{
    struct span key = hook_ticket_key(ticket, c->mem);
    struct meta_ticket row;
    enum err e;

    *ret = span_trim(ticket).n == 0 ? POLICY_TICKET_NONE : POLICY_TICKET_UNKNOWN;
    if (key.n == 0)
        return ERR_OK;
    e = meta_ticket_get(c->v, project, key, c->mem, &row, reterr);
    if (e == ERR_OK)
        *ret = span_eq_str(row.state, "closed") ? POLICY_TICKET_CLOSED : POLICY_TICKET_OPEN;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* *ret_news false: what is known is newer than the notice (deliveries overtake each other). */
static enum err note_ticket(struct job *c, const struct one *hook, struct span project, struct span ticket,
                            const struct hook_notice *n, bool *ret_news, struct err_info *reterr)
{
    struct meta_ticket row = {
        .project = project, .name = hook_ticket_key(ticket, c->mem), .hook = hook->name, .said_ms = n->at,
        .state = n->said == HOOK_SAID_CLOSED ? SPAN("closed") : SPAN("open"), .changed_ms = c->now.real,
    };
    struct meta_ticket before;
    enum err e;

    *ret_news = false;
    if (row.name.n == 0)
        return ERR_OK;
    e = meta_ticket_get(c->v, project, row.name, c->mem, &before, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (e == ERR_OK && n->at != 0 && before.said_ms > n->at)
        return ERR_OK;
    *ret_news = true;
    return meta_ticket_put(c->m, &row, reterr);
}

/* ---- a delivery ---- */

struct outcome {
    const char *ignored; /* or NULL */
    bool repeated;
    size_t cancelled, ending;
};

/* Every spelling of the ticket: a request may name it in any of them. */
static enum err act_on(struct job *c, const struct one *hook, struct span project, const struct hook_notice *n,
                       struct outcome *ret, struct err_info *reterr)
{
    bool any = false;

    for (size_t i = 0; i < n->n_tickets; i++) {
        struct life_closed closed;
        bool news;

        TRY(note_ticket(c, hook, project, n->tickets[i], n, &news, reterr));
        any |= news;
        if (!news || n->said != HOOK_SAID_CLOSED)
            continue;
        TRY(life_ticket_closed(c, project, n->tickets[i], &closed, reterr));
        ret->cancelled += (size_t) closed.n_cancelled;
        ret->ending += (size_t) closed.n_ending;
    }
    if (!any)
        ret->ignored = "older";
    return ERR_OK;
}

static enum err record(struct job *c, struct span project, const struct outcome *o, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_API_READ, trail_log(c, project));
    uint8_t hash[SHA256_LEN];

    sha256(c->in->raw, hash);
    l.obj = SPAN("hook");
    l.outcome = o->ignored != NULL ? SPAN("ignored") : o->repeated ? SPAN("repeated") : SPAN("ok");
    l.digest = job_b64(c, SPAN_OF(hash));
    (void) leaf_add_number(&l, "cancelled", (int64_t) o->cancelled);
    (void) leaf_add_number(&l, "ending", (int64_t) o->ending);
    return trail_write(c, &l, NULL, reterr);
}

static enum err taken(struct job *c, const struct outcome *o)
{
    c->recorded = true;
    jsonw_obj(job_json(c, 202));
    jsonw_kbool(&c->w, "received", true);
    if (o->ignored != NULL)
        jsonw_kcstr(&c->w, "ignored", o->ignored);
    if (o->repeated)
        jsonw_kbool(&c->w, "repeated", true);
    jsonw_kint(&c->w, "cancelled", (int64_t) o->cancelled);
    jsonw_kint(&c->w, "ending", (int64_t) o->ending);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err authentic(struct job *c, const struct one *hook, const struct hook_delivery *d,
                          const struct hook_once *once, struct err_info *reterr)
{
    struct outcome o = { 0 };
    struct meta_project project;
    struct hook_notice n;
    enum err e = accounts_project(c, hook->project, &project, reterr);

    if (e == ERR_NOTFOUND) {
        log_event(LOG_WARN, "hook.project", LOG_SPAN("hook", hook->name), LOG_SPAN("project", hook->project));
        return job_refuse(c, 401, "hook-refused", "The project of this hook is not there.");
    }
    TRY(e);
    for (size_t i = 0; i < once->n; i++) {
        bool first;

        TRY(meta_hook_once(c->m, hook->name, arena_span(c->mem, span_str(once->id[i])), c->now.real, &first, reterr));
        o.repeated |= !first;
    }
    if (!o.repeated) {
        hook_read(hook->format, d, c->args, c->mem, &n);
        o.ignored = n.ignored;
        if (n.said != HOOK_SAID_NOTHING)
            TRY(act_on(c, hook, project.id, &n, &o, reterr));
    }
    TRY(record(c, project.id, &o, reterr));
    return taken(c, &o);
}

/* Guesses are counted per source, apart from those of passwords. */
static struct span source_of(struct job *c)
{
    uint8_t *key = arena_alloc(c->mem, c->in->prefix.n + 1);

    if (key == NULL)
        return SPAN_EMPTY;
    key[0] = 'h';
    if (c->in->prefix.n > 0)
        memcpy(key + 1, c->in->prefix.p, c->in->prefix.n);
    return span_of(key, c->in->prefix.n + 1);
}

static enum err refuse(struct job *c, const struct one *hook, enum hook_verdict v, struct span source)
{
    throttle_failed(c->core->throttle, THROTTLE_SOURCE, source, c->now.boot);
    log_event(LOG_WARN, "hook.refused", LOG_SPAN("hook", hook == NULL ? SPAN("unknown") : hook->name),
              LOG_STR("why", hook == NULL ? "unknown" : hook_verdict_name(v)));
    return job_refuse(c, 401, "hook-refused", NULL);
}

/* A name that is not set up is refused in the same words and with the same work as a signature that is wrong. */
enum err api_hook(struct job *c, struct err_info *reterr)
{
    static const struct one nobody = { .secrets = { (const uint8_t *) "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 38 } };
    const struct one *hook = find(c->core->hooks, c->in->id1);
    struct span source = source_of(c);
    int64_t wait = throttle_wait_ms(c->core->throttle, THROTTLE_SOURCE, source, c->now.boot);
    struct hook_header headers[HEADERS_MAX];
    struct hook_delivery d = { .headers = headers, .raw = c->in->raw };
    struct hook_once once;
    enum hook_verdict v;

    if (wait > 0) {
        c->answer->retry_after_s = (uint32_t) ((wait + 999) / 1000);
        return job_refuse(c, 429, "rate-limited", "Too many notices with a wrong signature.");
    }
    for (uint32_t i = 0; i < c->in->headers.n && d.n_headers < HEADERS_MAX; i++)
        headers[d.n_headers++] = (struct hook_header){ c->in->headers.rows[i].key, c->in->headers.rows[i].value };
    v = hook_check(hook != NULL ? hook->format : nobody.format, hook != NULL ? hook->secrets : nobody.secrets, &d,
                   c->now.real, &once);
    if (v == HOOK_NOMEM)
        return ERR_RAISE(reterr, ERR_NOMEM, "notice");
    if (hook == NULL || v != HOOK_OK)
        return refuse(c, hook, v, source);
    return authentic(c, hook, &d, &once, reterr);
}
