#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/num.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static struct net_addr of_v6(const uint8_t b[16], uint16_t port)
{
    struct net_addr a = { .family = 6, .port = port };

    if (memcmp(b, mapped, sizeof(mapped)) == 0) {
        a.family = 4;
        memcpy(a.b, b + 12, 4);
    } else {
        memcpy(a.b, b, 16);
    }
    return a;
}

struct net_addr net_addr_of(const struct sockaddr *sa)
{
    struct net_addr a = { 0 };

    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        a.family = 4;
        a.port = ntohs(in.sin_port);
        memcpy(a.b, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        a = of_v6(in6.sin6_addr.s6_addr, ntohs(in6.sin6_port));
    }
    return a;
}

static bool parse_port(struct span s, uint16_t *ret)
{
    uint64_t v;

    if (s.n == 0 || s.n > 5 || !num_u64(s, 65535, &v))
        return false;
    *ret = (uint16_t) v;
    return true;
}

static bool parse_bare(struct span s, struct net_addr *ret)
{
    char text[INET6_ADDRSTRLEN + 1];
    uint8_t b[16];

    if (!span_to_str(s, text, sizeof(text)))
        return false;
    if (inet_pton(AF_INET, text, b) == 1) {
        *ret = (struct net_addr){ .family = 4 };
        memcpy(ret->b, b, 4);
        return true;
    }
    if (inet_pton(AF_INET6, text, b) != 1)
        return false;
    *ret = of_v6(b, 0);
    return true;
}

bool net_addr_parse(struct span s, bool with_port, struct net_addr *ret)
{
    struct net_addr a;
    struct span host, rest;
    uint16_t port = 0;

    if (parse_bare(s, ret))
        return true;
    if (!with_port || s.n == 0)
        return false;
    if (s.p[0] == '[') {
        if (!span_cut(span_sub(s, 1, SIZE_MAX), ']', &host, &rest) || !parse_bare(host, &a) ||
            memchr(host.p, ':', host.n) == NULL)
            return false;
        if (rest.n > 0 && (rest.p[0] != ':' || !parse_port(span_sub(rest, 1, SIZE_MAX), &port)))
            return false;
    } else if (!span_cut(s, ':', &host, &rest) || !parse_bare(host, &a) || !parse_port(rest, &port)) {
        return false;
    }
    a.port = port;
    *ret = a;
    return true;
}

void net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT])
{
    out[0] = '\0';
    if (a->family != 0)
        (void) inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, out, NET_ADDR_TEXT); /* always fits */
}

bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool net_addr_loopback(const struct net_addr *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    return (a->family == 4 && a->b[0] == 127) || (a->family == 6 && memcmp(a->b, one, 16) == 0);
}

size_t net_addr_prefix(const struct net_addr *a, uint8_t out[NET_PREFIX_LEN])
{
    size_t n = a->family == 4 ? 3 : a->family == 6 ? 6 : 0;

    out[0] = a->family;
    memcpy(out + 1, a->b, n);
    return n + 1;
}

static bool covers(const uint8_t *net, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(net, b, whole) != 0)
        return false;
    return rest == 0 || ((net[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool net_cidr_parse(struct span s, struct net_cidr *ret)
{
    struct span host, bits;
    struct net_cidr c = { 0 };
    uint8_t masked[17] = { 0 };
    uint64_t n;
    bool has = span_cut(s, '/', &host, &bits);

    if (!parse_bare(host, &c.net))
        return false;
    c.bits = c.net.family == 4 ? 32 : 128;
    if (has) {
        /* "::ffff:10.0.0.0/104" means 10.0.0.0/8: counted in the form it was written in */
        bool was_mapped = c.net.family == 4 && memchr(host.p, ':', host.n) != NULL;

        if (bits.n > 3 || !num_u64(bits, was_mapped ? 128 : c.bits, &n) || (was_mapped && n < 96))
            return false;
        c.bits = (uint8_t) (was_mapped ? n - 96 : n);
    }
    memcpy(masked, c.net.b, (c.bits + 7u) / 8);
    if (c.bits % 8 != 0)
        masked[c.bits / 8] &= (uint8_t) (0xff00u >> (c.bits % 8));
    if (memcmp(masked, c.net.b, 16) != 0)
        return false;
    *ret = c;
    return true;
}

bool net_cidr_has(const struct net_cidr *c, const struct net_addr *a)
{
    return a->family != 0 && c->net.family == a->family && covers(c->net.b, a->b, c->bits);
}

bool net_cidrs_have(const struct net_cidr *list, size_t n, const struct net_addr *a)
{
    for (size_t i = 0; i < n; i++) {
        if (net_cidr_has(&list[i], a))
            return true;
    }
    return false;
}
