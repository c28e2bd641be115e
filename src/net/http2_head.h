#pragma once
/*
 * Inside net/: collects a request's header list from HTTP/2 and judges it by the same rules as HTTP/1.1, pure. That names are lower
 * case, pseudo headers complete and first, and connection headers absent was nghttp2's to check before.
 *
 * Life:     init -> add … -> finish -> deinit; what finish gives borrows until deinit.
 * Memory:   at most limits.header_bytes, as RFC 9113 6.5.2 counts (32 more for each header).
 */
#include "net/http1.h"

#define HTTP2_BOMB 4 /* times header_bytes: nobody means well with this */

struct http2_field {
    uint32_t name, n_name, value, n_value; /* in 'raw' */
};

struct http2_head {
    struct buf raw;
    struct http2_field *fields; /* pseudo headers are not in it */
    size_t n, cap, n_pseudo, n_cookies;
    struct http2_field method, scheme, authority, path;
    struct http_header *headers;
    size_t bytes; /* also of what was not kept */
    enum http1_verdict verdict;
};

void http2_head_init(struct http2_head *h, const struct http1_limits *limits);
void http2_head_deinit(struct http2_head *h);

/* False: over HTTP2_BOMB times the limit. What is over the limit alone is counted, not kept; finish says so. */
bool http2_head_add(struct http2_head *h, const struct http1_limits *limits, struct span name, struct span value);

/* 'end': no body follows. HTTP1_DONE, or the refusal (*ret then has what is known). */
enum http1_verdict http2_head_finish(struct http2_head *h, const struct http1_limits *limits, bool end,
                                     struct http_head *ret);
