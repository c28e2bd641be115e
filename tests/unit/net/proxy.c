/* Addresses, networks, Forwarded, X-Forwarded-For, PROXY v2. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "net/proxy.h"

static void addresses_are_read_and_written(void **state)
{
    static const struct { const char *in; bool port; const char *out; int p; } cases[] = {
        { "192.0.2.1", false, "192.0.2.1", 0 },
        { "192.0.2.1:80", true, "192.0.2.1", 80 },
        { "192.0.2.1:80", false, NULL, 0 },
        { "192.0.2.1:", true, NULL, 0 },
        { "192.0.2.1:65536", true, NULL, 0 },
        { "192.0.2.256", false, NULL, 0 },
        { "192.0.2.01", false, NULL, 0 },
        { "0x7f.1", false, NULL, 0 },
        { "127.1", false, NULL, 0 },
        { "2001:DB8::1", false, "2001:db8::1", 0 },
        { "[2001:db8::1]:443", true, "2001:db8::1", 443 },
        { "[2001:db8::1]", true, "2001:db8::1", 0 },
        { "[2001:db8::1]", false, NULL, 0 },
        { "[2001:db8::1]x", true, NULL, 0 },
        { "[192.0.2.1]", true, NULL, 0 },
        { "[2001:db8::1", true, NULL, 0 },
        { "fe80::1%eth0", false, NULL, 0 },
        { "::ffff:192.0.2.1", false, "192.0.2.1", 0 },
        { "[::ffff:192.0.2.1]:1", true, "192.0.2.1", 1 },
        { "", true, NULL, 0 },
        { "unknown", true, NULL, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_addr a;
        char text[NET_ADDR_TEXT];
        bool ok = net_addr_parse(span_str(cases[i].in), cases[i].port, &a);

        if (ok != (cases[i].out != NULL))
            fail_msg("%s: %d", cases[i].in, ok);
        if (!ok)
            continue;
        net_addr_text(&a, text);
        assert_string_equal(text, cases[i].out);
        assert_int_equal(a.port, cases[i].p);
    }
}

static void sockets_addresses_are_normalised(void **state)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(99) };
    struct net_addr a, b;
    uint8_t prefix[NET_PREFIX_LEN];

    (void) state;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:203.0.113.5", &in6.sin6_addr), 1);
    a = net_addr_of((struct sockaddr *) &in6);
    assert_int_equal(a.family, 4);
    assert_int_equal(a.port, 99);
    assert_true(net_addr_parse(SPAN("203.0.113.5"), false, &b) && net_addr_eq(&a, &b));
    assert_int_equal(net_addr_prefix(&a, prefix), 4);
    assert_memory_equal(prefix, "\x04\xcb\x00\x71", 4);
    assert_true(net_addr_parse(SPAN("2001:db8:1:2::9"), false, &b));
    assert_int_equal(net_addr_prefix(&b, prefix), 7);
    assert_memory_equal(prefix, "\x06\x20\x01\x0d\xb8\x00\x01", 7);
    assert_true(net_addr_parse(SPAN("127.9.9.9"), false, &b) && net_addr_loopback(&b));
    assert_true(net_addr_parse(SPAN("::1"), false, &b) && net_addr_loopback(&b));
    assert_true(net_addr_parse(SPAN("::2"), false, &b) && !net_addr_loopback(&b));
}

static void networks_hold_their_addresses(void **state)
{
    static const struct { const char *net, *addr; int has; /* -1: the network is refused */ } cases[] = {
        { "10.0.0.0/8", "10.255.255.255", 1 },    { "10.0.0.0/8", "11.0.0.0", 0 },
        { "192.0.2.128/25", "192.0.2.127", 0 },   { "192.0.2.128/25", "192.0.2.128", 1 },
        { "192.0.2.4/31", "192.0.2.5", 1 },       { "192.0.2.4/31", "192.0.2.6", 0 },
        { "192.0.2.4", "192.0.2.4", 1 },          { "192.0.2.4", "192.0.2.5", 0 },
        { "0.0.0.0/0", "8.8.8.8", 1 },            { "0.0.0.0/0", "::1", 0 },
        { "::/0", "8.8.8.8", 0 },                 { "2001:db8::/33", "2001:db8:7fff::1", 1 },
        { "2001:db8::/33", "2001:db8:8000::1", 0 }, { "::ffff:10.0.0.0/104", "10.1.1.1", 1 },
        { "10.0.0.1/8", "10.0.0.1", -1 },         { "10.0.0.0/33", "10.0.0.1", -1 },
        { "10.0.0.0/", "10.0.0.1", -1 },          { "10.0.0.0/-1", "10.0.0.1", -1 },
        { "10.0.0/8", "10.0.0.1", -1 },           { "::/129", "::1", -1 },
        { "::ffff:10.0.0.0/90", "10.0.0.1", -1 }, { "2001:db8::1/64", "::", -1 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_cidr c;
        struct net_addr a;
        int has = -1;

        assert_true(net_addr_parse(span_str(cases[i].addr), false, &a));
        if (net_cidr_parse(span_str(cases[i].net), &c))
            has = net_cidr_has(&c, &a);
        if (has != cases[i].has)
            fail_msg("%s in %s: %d", cases[i].addr, cases[i].net, has);
    }
}

struct resolve_case {
    enum proxy_header header;
    const char *peer, *h1, *h2; /* h2: a second header of the same name, or X-Forwarded-Proto */
    const char *want;           /* "address http|https", or NULL: malformed */
};

#define F PROXY_HEADER_FORWARDED
#define X PROXY_HEADER_XFF
#define N PROXY_HEADER_NONE

static void the_right_most_untrusted_hop_is_the_client(void **state)
{
    static const struct resolve_case cases[] = {
        /* from nobody we trust: ignored, whatever it is */
        { F, "203.0.113.1", "for=1.2.3.4;proto=https", NULL, "203.0.113.1 http" },
        { X, "203.0.113.1", "1.2.3.4", "https", "203.0.113.1 http" },
        { F, "203.0.113.1", "for=\"", NULL, "203.0.113.1 http" },
        { N, "10.0.0.1", "for=1.2.3.4", NULL, "10.0.0.1 http" },
        /* Forwarded */
        { F, "10.0.0.1", NULL, NULL, "10.0.0.1 http" },
        { F, "10.0.0.1", "", NULL, "10.0.0.1 http" },
        { F, "10.0.0.1", "for=198.51.100.7", NULL, "198.51.100.7 http" },
        { F, "10.0.0.1", "For=\"[2001:db8::7]:4711\";Proto=HTTPS", NULL, "2001:db8::7 https" },
        { F, "10.0.0.1", "proto=https;for=198.51.100.7:80;by=203.0.113.43", NULL, NULL }, /* a port needs quotes */
        { F, "10.0.0.1", "proto=https;for=\"198.51.100.7:80\";by=203.0.113.43", NULL, "198.51.100.7 https" },
        { F, "10.0.0.1", "for=6.6.6.6, for=198.51.100.7", NULL, "198.51.100.7 http" },              /* spoofed in front */
        { F, "10.0.0.1", "for=198.51.100.7;proto=https, for=10.0.0.2;proto=http", NULL, "198.51.100.7 https" },
        { F, "10.0.0.1", "for=198.51.100.7,,for=10.0.0.2", NULL, "198.51.100.7 http" },
        { F, "10.0.0.1", "for=6.6.6.6", "for=198.51.100.7", "198.51.100.7 http" },                  /* two headers: one list */
        { F, "10.0.0.1", "for=10.0.0.3, for=10.0.0.2", NULL, "10.0.0.3 http" },                     /* all ours */
        { F, "10.0.0.1", "for=198.51.100.7, for=unknown", NULL, "10.0.0.1 http" },
        { F, "10.0.0.1", "for=198.51.100.7, for=_hidden", NULL, "10.0.0.1 http" },
        { F, "10.0.0.1", "for=198.51.100.7, for=unknown, for=10.0.0.2", NULL, "10.0.0.2 http" },
        { F, "10.0.0.1", "for=\"192.0.2.43:_port\"", NULL, "192.0.2.43 http" },
        { F, "10.0.0.1", "for=\"\\192.0.2.43\"", NULL, "192.0.2.43 http" },
        { F, "10.0.0.1", "for=", NULL, NULL },
        { F, "10.0.0.1", "for", NULL, NULL },
        { F, "10.0.0.1", "for=1.2.3", NULL, NULL },
        { F, "10.0.0.1", "for=\"1.2.3.4", NULL, NULL },
        { F, "10.0.0.1", "for=1.2.3.4;for=5.6.7.8", NULL, NULL },
        { F, "10.0.0.1", "for=1.2.3.4 proto=https", NULL, NULL },
        { F, "10.0.0.1", "for=1.2.3.4;proto=ftp", NULL, NULL },
        { F, "10.0.0.1", "for=2001:db8::7", NULL, NULL }, /* IPv6 needs quotes and brackets */
        { F, "10.0.0.1", "1.2.3.4", NULL, NULL },
        /* X-Forwarded-For */
        { X, "10.0.0.1", "198.51.100.7", "https", "198.51.100.7 https" },
        { X, "10.0.0.1", "6.6.6.6, 198.51.100.7", NULL, "198.51.100.7 http" },
        { X, "10.0.0.1", "6.6.6.6, 198.51.100.7, 10.9.9.9", "https", "198.51.100.7 https" },
        { X, "10.0.0.1", "198.51.100.7, 10.9.9.9", "https, http", "198.51.100.7 https" },
        { X, "10.0.0.1", "198.51.100.7", "http, https", "198.51.100.7 https" },
        { X, "10.0.0.1", "2001:db8::7", NULL, "2001:db8::7 http" },
        { X, "10.0.0.1", "unknown", NULL, "10.0.0.1 http" },
        { X, "10.0.0.1", "6.6.6.6, evil", NULL, NULL },
        { X, "10.0.0.1", "198.51.100.7", "gopher", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct resolve_case *t = &cases[i];
        struct net_cidr trusted;
        struct proxy_config cfg = { &trusted, 1, t->header };
        struct http_header h[2];
        struct http_head head = { .headers = h };
        struct net_client c = { 0 };
        char got[100] = "", addr[NET_ADDR_TEXT];

        assert_true(net_cidr_parse(SPAN("10.0.0.0/8"), &trusted));
        assert_true(net_addr_parse(span_str(t->peer), false, &c.peer));
        if (t->h1 != NULL)
            h[head.n_headers++] = (struct http_header){ t->header == X ? SPAN("x-forwarded-for") : SPAN("forwarded"), span_str(t->h1) };
        if (t->h2 != NULL)
            h[head.n_headers++] = (struct http_header){ t->header == X ? SPAN("x-forwarded-proto") : SPAN("forwarded"), span_str(t->h2) };
        if (proxy_resolve(&cfg, &head, &c) == PROXY_OK) {
            net_addr_text(&c.client, addr);
            (void) strcat(strcat(got, addr), c.https ? " https" : " http");
        }
        if (strcmp(got, t->want == NULL ? "" : t->want) != 0)
            fail_msg("%s / %s from %s: '%s', want '%s'", t->h1 == NULL ? "-" : t->h1, t->h2 == NULL ? "-" : t->h2, t->peer,
                     got, t->want == NULL ? "malformed" : t->want);
        assert_int_equal(c.via_proxy, t->want != NULL && !net_addr_eq(&c.client, &c.peer));
    }
}

#define MAGIC "\r\n\r\n\0\r\nQUIT\n"

static void proxy_v2_headers_are_read(void **state)
{
    static const struct { const char *name; struct span in; enum proxy_v2_verdict want; const char *src; int len; bool tls; } cases[] = {
        /* gunicorn's corpus has these two as text */
        { "IPv4", SPAN(MAGIC "\x21\x11\x00\x0c\xc0\xa8\x01\x0a\xc0\xa8\x01\x01\x30\x39\x01\xbb"), PROXY_V2_OK, "192.168.1.10", 28, false },
        { "IPv6", SPAN(MAGIC "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xd4\x31\x00\x50"),
          PROXY_V2_OK, "2001:db8::1", 52, false },
        { "mapped", SPAN(MAGIC "\x21\x21\x00\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\xd4\x31\x00\x50"),
          PROXY_V2_OK, "1.2.3.4", 52, false },
        { "LOCAL", SPAN(MAGIC "\x20\x00\x00\x00"), PROXY_V2_OK, "", 16, false },
        { "TLV says TLS", SPAN(MAGIC "\x21\x11\x00\x14\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02\x20\x00\x05\x01\0\0\0\0"),
          PROXY_V2_OK, "1.2.3.4", 36, true },
        { "TLV too long", SPAN(MAGIC "\x21\x11\x00\x0f\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02\x20\x00\x05"), PROXY_V2_BAD, "", 0, false },
        { "short addresses", SPAN(MAGIC "\x21\x11\x00\x0b\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00"), PROXY_V2_BAD, "", 0, false },
        { "version 1", SPAN(MAGIC "\x11\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02"), PROXY_V2_BAD, "", 0, false },
        { "command 2", SPAN(MAGIC "\x22\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02"), PROXY_V2_BAD, "", 0, false },
        { "UDP", SPAN(MAGIC "\x21\x12\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02"), PROXY_V2_BAD, "", 0, false },
        { "too long", SPAN(MAGIC "\x21\x11\x04\x00"), PROXY_V2_BAD, "", 0, false },
        { "text of version 1", SPAN("PROXY TCP4 192.168.0.1 192.168.0.11 65000 100000\r\n"), PROXY_V2_BAD, "", 0, false },
        { "HTTP", SPAN("GET / HTTP/1.1\r\n"), PROXY_V2_BAD, "", 0, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_addr src;
        size_t len = 0;
        bool tls = false;
        char text[NET_ADDR_TEXT];
        enum proxy_v2_verdict v = proxy_v2_parse(cases[i].in, &len, &src, &tls);

        if (v != cases[i].want)
            fail_msg("%s: %d", cases[i].name, v);
        if (v != PROXY_V2_OK)
            continue;
        net_addr_text(&src, text);
        assert_string_equal(text, cases[i].src);
        assert_int_equal(len, cases[i].len);
        assert_int_equal(tls, cases[i].tls);
        for (size_t n = 0; n < len; n++) /* every part of it wants more */
            assert_int_equal(proxy_v2_parse(span_sub(cases[i].in, 0, n), &len, &src, &tls), PROXY_V2_MORE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(sockets_addresses_are_normalised),
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(the_right_most_untrusted_hop_is_the_client),
        cmocka_unit_test(proxy_v2_headers_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
