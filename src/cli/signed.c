#include "cli/signed.h"

#include <stdlib.h>

#include "codec/json.h"
#include "crypto/random.h"
#include "format/route.h"

#define BODY_MAX (1u << 20)

/* False: no JSON, so no act either: the server says what is wrong with it. */
static bool parse(struct span body, struct buf *bytes, struct tree *ret)
{
    struct json_limits lim;
    uint8_t secret[16];

    *ret = (struct tree){ 0 };
    if (body.n == 0)
        return true;
    random_fill(secret, sizeof(secret));
    lim = json_limits_control(secret);
    if (!json_parse(body, &lim, bytes, NULL))
        return false;
    *ret = tree_root(buf_span(bytes));
    return true;
}

static enum err sign(const struct http *h, const struct route_match *m, const char *path, struct tree body,
                     struct signature *s, bool *ret_act, struct err_info *reterr)
{
    struct buf digest = BUF_INIT(64), url = BUF_INIT(8192);
    enum act_kind kind = act_kind(m->route->name, body);
    char value[ACT_HEADER_CAP];
    enum err err = ERR_OK;

    *ret_act = kind != ACT_NONE;
    if (kind == ACT_NONE)
        return ERR_OK;
    buf_addf(&url, "%s%s", http_public_url(h), path);
    err = act_digest(kind, m->params[0], body, &digest, reterr);
    if (err == ERR_OK)
        err = client_key_act(http_client_key(h), m->route->name, m->params[0], buf_span(&digest), buf_cstr(&url), value, reterr);
    if (err == ERR_OK)
        (void) snprintf(s->act, sizeof(s->act), "Keyhole-Act: %s", value);
    buf_deinit(&digest);
    buf_deinit(&url);
    return err;
}

int sign_call(struct cli *c, struct http_request *q, struct signature *s)
{
    struct span path = span_of(q->path, strcspn(q->path, "?"));
    struct buf bytes = BUF_INIT(8 * BODY_MAX);
    struct err_info e = { 0 };
    struct route_match m;
    struct tree body;
    bool act = false;
    enum err err = ERR_OK;

    if (c->http == NULL || http_client_key(c->http) == NULL ||
        route_find(span_str(q->method), path, &m) != ROUTE_FOUND)
        return EXIT_DONE;
    q->prove = (m.route->id == ROUTE_login || m.route->id == ROUTE_keys_issue) && !c->unbound;
    if (m.route->by == BY_KEEPER && parse(q->body, &bytes, &body))
        err = sign(c->http, &m, q->path, body, s, &act, &e);
    if (bytes.n > 0)
        explicit_bzero(bytes.p, bytes.n); /* may hold a password */
    buf_deinit(&bytes);
    if (err != ERR_OK)
        return fail_err(&e);
    if (act) {
        s->headers[0] = s->act;
        s->headers[1] = NULL;
        q->headers = s->headers;
    }
    return EXIT_DONE;
}

/* ---- tokens ---- */

static int register_key(struct cli *c)
{
    struct http_request q = { .method = "POST", .path = "/v1/client-key", .prove = true };
    struct http_reply r = { 0 };
    int code = http_call(c->http, &q, &r) ? EXIT_DONE : cli_problem(c, &r);

    http_reply_deinit(&r);
    return code;
}

bool sign_adopt(struct cli *c, const char *code, int *ret_exit)
{
    struct http_request q = { .method = "GET", .path = "/v1/me" };
    struct client_key *k = NULL;
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    struct span bound;
    char *url;

    *ret_exit = EXIT_DONE;
    if ((strcmp(code, "proof-needed") != 0 && strcmp(code, "act-needed") != 0) || c->unbound ||
        http_client_key(c->http) != NULL || !http_call(c->http, &q, &r) ||
        !span_eq_str(get(get_node(r.root, "auth"), "kind"), "api-token")) {
        http_reply_deinit(&r);
        return false;
    }
    url = get_dup(r.root, "public_url");
    http_set_public_url(c->http, url);
    free(url);
    bound = get(get_node(r.root, "auth"), "client_key");
    if (client_key_make(http_url(c->http), &k, &e) != ERR_OK) {
        *ret_exit = fail_err(&e);
    } else if (bound.n > 0 && !span_eq_str(bound, client_key_jkt(k))) {
        (void) fail("this token is bound to another client key (" SPAN_FMT "): use it where it was used first", SPAN_ARG(bound));
        *ret_exit = EXIT_REFUSED;
        k = client_key_free(k);
    } else {
        http_set_client_key(c->http, k);
        /* Asking for a key with a proof registers it; an act needs that done before. */
        *ret_exit = bound.n > 0 || strcmp(code, "proof-needed") == 0 ? EXIT_DONE : register_key(c);
    }
    if (*ret_exit == EXIT_DONE && bound.n == 0 && !c->json)
        note("from now on this token works with the client key of this profile only");
    http_reply_deinit(&r);
    return *ret_exit == EXIT_DONE;
}
