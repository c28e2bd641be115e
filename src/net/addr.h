#pragma once
/* Network addresses and networks, pure. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are IPv4 everywhere. */
#include "base/buf.h"

struct sockaddr;

struct net_addr {
    uint8_t family; /* 4 or 6; 0: none (a unix socket, an unknown client) */
    uint8_t b[16];  /* 4 or 16 bytes, network order; the rest zero */
    uint16_t port;  /* 0: unknown */
};

#define NET_ADDR_TEXT 56 /* "[…]:65535" and NUL */

struct net_addr net_addr_of(const struct sockaddr *sa);

/* "192.0.2.1", "2001:db8::1"; with_port also "192.0.2.1:80", "[2001:db8::1]:80", "[2001:db8::1]". */
bool net_addr_parse(struct span s, bool with_port, struct net_addr *ret);

/* Without the port; RFC 5952 for IPv6. "" for none. NUL-terminated. */
void net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT]);

/* The port does not count. */
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b);

bool net_addr_loopback(const struct net_addr *a);

#define NET_PREFIX_LEN 7

/* STANDARDS 1.7: 4 and 3 bytes, or 6 and 6 bytes. Returns the length (4 or 7; 1 for none: a zero byte). */
size_t net_addr_prefix(const struct net_addr *a, uint8_t out[NET_PREFIX_LEN]);

struct net_cidr {
    struct net_addr net;
    uint8_t bits;
};

/* "10.0.0.0/8", "2001:db8::/32", a bare address (all bits). Refused: host bits that are set. */
bool net_cidr_parse(struct span s, struct net_cidr *ret);
bool net_cidr_has(const struct net_cidr *c, const struct net_addr *a);
bool net_cidrs_have(const struct net_cidr *list, size_t n, const struct net_addr *a);
