#include "net/proxy.h"

#define HOPS_MAX 32

struct hop {
    struct net_addr addr; /* family 0: "unknown" or an obfuscated name */
    bool https, has_proto;
};

/* RFC 7239 4: value = token / quoted-string. Quoted pairs are undone into 'to'. */
static bool take_value(struct span *in, char *to, size_t cap, struct span *ret)
{
    size_t n = 0, i = 0;

    if (in->n > 0 && in->p[0] == '"') {
        for (i = 1; i < in->n && in->p[i] != '"'; i++) {
            if (in->p[i] == '\\' && ++i == in->n)
                return false;
            if (n == cap)
                return false;
            to[n++] = (char) in->p[i];
        }
        if (i == in->n)
            return false;
        *ret = span_of(to, n);
        i++;
    } else {
        while (i < in->n && in->p[i] != ';' && in->p[i] != ',' && in->p[i] != ' ' && in->p[i] != '\t')
            i++;
        *ret = span_sub(*in, 0, i);
        if (!http_is_token(*ret))
            return false;
    }
    *in = span_sub(*in, i, SIZE_MAX);
    return true;
}

/* node = nodename [":" node-port]; a name that tells nothing leaves family 0. */
static bool read_node(struct span v, struct net_addr *ret)
{
    struct span head, port;

    (void) span_cut(v, ':', &head, &port);
    if (span_eq_nocase(head, "unknown") || (head.n > 1 && head.p[0] == '_' && http_is_token(head))) {
        *ret = (struct net_addr){ 0 };
        return true;
    }
    if (net_addr_parse(v, true, ret))
        return true;
    /* an address with an obfuscated port, "192.0.2.43:_x" */
    if (v.n > 0 && v.p[0] == '[' && span_cut(v, ']', &head, &port) && port.n > 2 && port.p[0] == ':' && port.p[1] == '_')
        return net_addr_parse(span_of(v.p, head.n + 1), true, ret);
    return port.n > 1 && port.p[0] == '_' && net_addr_parse(head, false, ret);
}

static bool read_pair(struct span *in, struct hop *hop, unsigned *seen)
{
    struct span name, value;
    char text[256];
    size_t i = 0;
    unsigned bit;

    while (i < in->n && in->p[i] != '=' && in->p[i] != ';' && in->p[i] != ',')
        i++;
    name = span_sub(*in, 0, i);
    if (i == in->n || in->p[i] != '=' || !http_is_token(name))
        return false;
    *in = span_sub(*in, i + 1, SIZE_MAX);
    if (!take_value(in, text, sizeof(text), &value))
        return false;
    bit = span_eq_nocase(name, "for") ? 1 : span_eq_nocase(name, "proto") ? 2 : 0;
    if ((*seen & bit) != 0) /* each parameter once */
        return false;
    *seen |= bit;
    if (bit == 1)
        return read_node(value, &hop->addr);
    if (bit == 2) {
        hop->has_proto = true;
        hop->https = span_eq_nocase(value, "https");
        return hop->https || span_eq_nocase(value, "http");
    }
    return true;
}

static struct span skip_space(struct span in)
{
    while (in.n > 0 && (in.p[0] == ' ' || in.p[0] == '\t'))
        in = span_sub(in, 1, SIZE_MAX);
    return in;
}

/* One header's elements, appended to hops. */
static bool read_forwarded(struct span in, struct hop *hops, size_t *n)
{
    while (true) {
        struct hop hop = { 0 };
        unsigned seen = 0;
        bool empty = true;

        in = skip_space(in);
        while (in.n > 0 && in.p[0] != ',') {
            if (in.p[0] != ';') {
                if (!read_pair(&in, &hop, &seen))
                    return false;
                empty = false;
                if (in.n > 0 && in.p[0] != ';' && skip_space(in).n > 0 && skip_space(in).p[0] != ',')
                    return false;
            } else {
                in = span_sub(in, 1, SIZE_MAX);
            }
            if (in.n > 0 && in.p[0] != ';')
                in = skip_space(in);
        }
        if (!empty) {
            if (*n == HOPS_MAX)
                return false;
            hops[(*n)++] = hop;
        }
        if (in.n == 0)
            return true;
        in = span_sub(in, 1, SIZE_MAX);
    }
}

static bool read_xff(struct span in, struct hop *hops, size_t *n)
{
    bool more = true;

    while (more) {
        struct span item, rest;

        more = span_cut(in, ',', &item, &rest);
        in = rest;
        item = span_trim(item);
        if (item.n == 0)
            continue;
        if (*n == HOPS_MAX)
            return false;
        hops[*n] = (struct hop){ 0 };
        if (!span_eq_nocase(item, "unknown") && !net_addr_parse(item, true, &hops[*n].addr))
            return false;
        (*n)++;
    }
    return true;
}

/* The last X-Forwarded-Proto value belongs to the proxy next to us; with as many values as hops, each to its hop. */
static bool read_xfp(const struct http_head *head, struct hop *hops, size_t n)
{
    struct span all, item;
    bool https[HOPS_MAX];
    size_t k = 0;
    bool more = true;

    if (http_head_count(head, "x-forwarded-proto") > 1)
        return false;
    if (!http_head_get(head, "x-forwarded-proto", &all))
        return true;
    while (more) {
        struct span rest;

        more = span_cut(all, ',', &item, &rest);
        all = rest;
        item = span_trim(item);
        if (k == HOPS_MAX || !(span_eq_nocase(item, "https") || span_eq_nocase(item, "http")))
            return false;
        https[k++] = item.n == 5;
    }
    for (size_t i = 0; i < n; i++) {
        hops[i].has_proto = true;
        hops[i].https = https[k == n ? i : k - 1];
    }
    return true;
}

static bool read_hops(const struct proxy_config *cfg, const struct http_head *head, struct hop *hops, size_t *n)
{
    const char *name = cfg->header == PROXY_HEADER_FORWARDED ? "forwarded" : "x-forwarded-for";

    for (size_t i = 0; i < head->n_headers; i++) {
        if (!span_eq_str(head->headers[i].name, name))
            continue;
        if (cfg->header == PROXY_HEADER_FORWARDED ? !read_forwarded(head->headers[i].value, hops, n)
                                                  : !read_xff(head->headers[i].value, hops, n))
            return false;
    }
    return cfg->header != PROXY_HEADER_XFF || read_xfp(head, hops, *n);
}

enum proxy_verdict proxy_resolve(const struct proxy_config *cfg, const struct http_head *head, struct net_client *c)
{
    struct hop hops[HOPS_MAX];
    size_t n = 0;

    c->client = c->peer;
    c->https = c->tls;
    c->via_proxy = false;
    c->peer_trusted = net_cidrs_have(cfg->trusted, cfg->n_trusted, &c->peer);
    if (!c->peer_trusted || cfg->header == PROXY_HEADER_NONE)
        return PROXY_OK;
    if (!read_hops(cfg, head, hops, &n))
        return PROXY_MALFORMED;
    while (n > 0) {
        const struct hop *hop = &hops[--n];

        if (hop->has_proto)
            c->https = hop->https;
        if (hop->addr.family == 0) /* a hop that hides its client: the last one known stands for it */
            break;
        c->client = hop->addr;
        c->via_proxy = true;
        if (!net_cidrs_have(cfg->trusted, cfg->n_trusted, &hop->addr))
            break;
    }
    return PROXY_OK;
}

static const uint8_t v2_magic[12] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

/* TLVs after the addresses: type, u16be length, value. */
static bool read_tlvs(struct span in, bool *ret_tls)
{
    struct rd r = rd_of(in);

    while (r.n > 0 && !r.failed) {
        uint8_t type = rd_u8(&r);
        struct span v = rd_bytes(&r, rd_u16be(&r));

        if (type == 0x20 && v.n > 0) /* PP2_TYPE_SSL; bit 0: the client connected over TLS */
            *ret_tls = (v.p[0] & 1) != 0;
    }
    return !r.failed;
}

enum proxy_v2_verdict proxy_v2_parse(struct span in, size_t *ret_len, struct net_addr *ret_src, bool *ret_tls)
{
    struct rd r = rd_of(in);
    struct span magic = span_sub(in, 0, sizeof(v2_magic)), body, src;
    uint8_t ver_cmd, family;
    size_t len, alen;

    if (memcmp(magic.p == NULL ? v2_magic : magic.p, v2_magic, magic.n) != 0)
        return PROXY_V2_BAD;
    (void) rd_bytes(&r, sizeof(v2_magic));
    ver_cmd = rd_u8(&r);
    family = rd_u8(&r);
    len = rd_u16be(&r);
    if (r.failed)
        return PROXY_V2_MORE;
    if ((ver_cmd & 0xf0) != 0x20 || (ver_cmd & 0x0f) > 1 || len + 16 > PROXY_V2_MAX)
        return PROXY_V2_BAD;
    body = rd_bytes(&r, len);
    if (r.failed)
        return PROXY_V2_MORE;
    *ret_src = (struct net_addr){ 0 };
    *ret_tls = false;
    *ret_len = 16 + len;
    if ((ver_cmd & 0x0f) == 0) /* LOCAL: the proxy's own check, addresses are to be ignored */
        return PROXY_V2_OK;
    alen = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
    if (alen == 0) /* PROXY for anything but TCP over IP has no client for us */
        return PROXY_V2_BAD;
    if (len < 2 * alen + 4)
        return PROXY_V2_BAD;
    r = rd_of(body);
    src = rd_bytes(&r, alen);
    (void) rd_bytes(&r, alen);
    *ret_src = (struct net_addr){ .family = alen == 4 ? 4 : 6, .port = rd_u16be(&r) };
    memcpy(ret_src->b, src.p, alen);
    if (alen == 16) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

        if (memcmp(src.p, mapped, 12) == 0) {
            *ret_src = (struct net_addr){ .family = 4, .port = ret_src->port };
            memcpy(ret_src->b, src.p + 12, 4);
        }
    }
    (void) rd_u16be(&r);
    return read_tlvs(span_of(r.p, r.n), ret_tls) ? PROXY_V2_OK : PROXY_V2_BAD;
}
