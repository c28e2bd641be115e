#pragma once
/*
 * Who the client is when a proxy that we trust stands in front. Pure.
 *
 * Only a peer inside 'trusted' is believed, and only the header that the configuration names is read; from anybody else all
 * such headers are ignored. Lists are walked from the right, hop by hop, while the hop is trusted: the right-most untrusted
 * address is the client, so what a client writes into the header itself is never reached.
 */
#include "net/addr.h"
#include "net/http.h"

enum proxy_header { PROXY_HEADER_NONE, PROXY_HEADER_FORWARDED /* RFC 7239 */, PROXY_HEADER_XFF /* X-Forwarded-For, -Proto */ };

struct proxy_config {
    const struct net_cidr *trusted; /* the owner's */
    size_t n_trusted;
    enum proxy_header header;
};

struct net_client {
    struct net_addr peer;   /* the socket's (or PROXY v2's, when the listener takes it) */
    struct net_addr client; /* the effective one */
    bool tls;               /* on our socket */
    bool https;             /* as the client sees it: our TLS, or the trusted proxy's word */
    bool via_proxy;         /* 'client' is a trusted proxy's word; false with a trusted peer: the proxy did not say */
    bool peer_trusted;
};

enum proxy_verdict { PROXY_OK, PROXY_MALFORMED /* a trusted peer sent a header that cannot be read: 400 */ };

/* In: peer and tls of *c are set. Out: the rest. */
enum proxy_verdict proxy_resolve(const struct proxy_config *cfg, const struct http_head *head, struct net_client *c);

/* PROXY protocol, version 2 (the haproxy specification 2.2). */
enum proxy_v2_verdict {
    PROXY_V2_MORE,   /* not all there yet */
    PROXY_V2_OK,     /* *ret_len bytes are the header; *ret_src is set for the PROXY command, family 0 for LOCAL */
    PROXY_V2_BAD,
};

#define PROXY_V2_MAX 1024 /* longest header that is taken, TLVs included */

/* *ret_tls: the proxy says that its client spoke TLS (PP2_TYPE_SSL). */
enum proxy_v2_verdict proxy_v2_parse(struct span in, size_t *ret_len, struct net_addr *ret_src, bool *ret_tls);
