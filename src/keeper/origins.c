#include "keeper/origins.h"

#include <stdio.h>

static bool lower_host(struct span host)
{
    for (size_t i = 0; i < host.n; i++) {
        const char b = (char) host.p[i];
        const bool edge = i == 0 || i + 1 == host.n;

        if (!((b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || (!edge && (b == '-' || b == '.' || b == '_'))))
            return false;
        if (b == '.' && host.p[i - 1] == '.')
            return false;
    }
    return host.n > 0;
}

/* [2001:db8::1], as browsers write it. */
static bool literal(struct span host)
{
    for (size_t i = 1; i + 1 < host.n; i++) {
        if (strchr("0123456789abcdef:.", (char) host.p[i]) == NULL || host.p[i] == 0)
            return false;
    }
    return host.n > 3 && host.p[0] == '[' && host.p[host.n - 1] == ']';
}

static bool port_ok(struct span port, const char *by_default)
{
    unsigned n = 0;

    for (size_t i = 0; i < port.n && i < 6; i++) {
        if (port.p[i] < '0' || port.p[i] > '9')
            return false;
        n = n * 10 + (port.p[i] - '0');
    }
    return port.n > 0 && port.p[0] != '0' && n <= 65535 && !span_eq_str(port, by_default);
}

bool origin_valid(struct span s)
{
    const bool tls = span_starts(s, "https://");
    struct span host, port;

    if (s.n > ORIGIN_LEN_MAX || (!tls && !span_starts(s, "http://")))
        return false;
    host = span_sub(s, tls ? 8 : 7, s.n);
    if (span_starts(host, "[")) {
        size_t end = 0;

        while (end < host.n && host.p[end] != ']')
            end++;
        port = span_sub(host, end + 1, host.n);
        host = span_sub(host, 0, end + 1);
        if (port.n > 0 && port.p[0] != ':')
            return false;
        return literal(host) && (port.n == 0 || port_ok(span_sub(port, 1, port.n), tls ? "443" : "80"));
    }
    if (span_cut(host, ':', &host, &port) && !port_ok(port, tls ? "443" : "80"))
        return false;
    if (span_starts(host, "*.")) { /* below a name of two labels at least: not all of "com" */
        host = span_sub(host, 2, host.n);
        if (!span_cut(host, '.', &(struct span){ 0 }, &(struct span){ 0 }))
            return false;
    }
    return lower_host(host);
}

/* Said twice is said once. */
static bool is_in(struct span text, struct span origin)
{
    struct span one, rest = text;
    bool more = text.n > 0;

    while (more) {
        more = span_cut(rest, ' ', &one, &rest);
        if (span_eq(one, origin))
            return true;
    }
    return false;
}

enum err origins_read(struct job *c, struct span *ret_text, bool *ret_there, struct err_info *reterr)
{
    struct buf text = BUF_INIT(ORIGINS_MAX * (ORIGIN_LEN_MAX + 1));
    struct tree list, child;
    struct span one;
    char at[32];
    size_t n = 0;

    *ret_there = body_arr(&c->body, "", c->args, "origins", BODY_OPTIONAL, 0, ORIGINS_MAX, &list);
    if (!*ret_there)
        return ERR_OK;
    for (struct span it = list.payload; tree_next(&it, &child); n++) {
        (void) snprintf(at, sizeof(at), "%zu", n);
        if (!tree_str(child, &one))
            body_bad(&c->body, "/origins", at, FIELD_TYPE);
        else if (!origin_valid(one))
            body_bad(&c->body, "/origins", at, FIELD_PATTERN);
        else if (!is_in(buf_span(&text), one)) {
            buf_add_str(&text, text.n > 0 ? " " : "");
            buf_add_span(&text, one);
        }
    }
    *ret_text = arena_span(c->mem, buf_span(&text));
    if (text.failed || (text.n > 0 && ret_text->n == 0)) {
        buf_deinit(&text);
        return ERR_RAISE(reterr, ERR_NOMEM, "origins");
    }
    buf_deinit(&text);
    return ERR_OK;
}

void origins_view(struct job *c, struct span text)
{
    struct span one, rest = text;
    bool more = text.n > 0;

    jsonw_karr(&c->w, "origins");
    while (more) {
        more = span_cut(rest, ' ', &one, &rest);
        jsonw_str(&c->w, one);
    }
    jsonw_arr_end(&c->w);
}

enum err origins_push(struct job *c, struct span project, struct span text, struct err_info *reterr)
{
    struct ipc_row_origins row = { .pid = project, .origins = text };
    const struct ipc_ingest_tokens msg = { .origins = { &row, 1 } };

    return out_add(c->outs, OUT_GATE, IPC_T_INGEST_TOKENS, &msg) != NULL ? ERR_OK
                                                                         : ERR_RAISE(reterr, ERR_NOMEM, "origins");
}
