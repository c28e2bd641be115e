#include "cli/signed.h"

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
