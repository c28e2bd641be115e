#pragma once
/*
 * HTTP/2 for the load generators' client (http.h), by nghttp2: one stream at a time on a connection. Takes the request in the text of HTTP/1.1
 * and gives the same events.
 */
#include "http.h"

struct h2 *h2_new(struct http_conn *c);
struct h2 *h2_free(struct h2 *h); /* inside an event: when it is over */
/* A GET without a body. */
void h2_request(struct h2 *h, struct span request);
/* The next bytes to send, valid until the next call; empty: none. */
struct span h2_out(struct h2 *h);
/* False: the connection is broken. After it the connection may be closed and h gone: look at c->state. */
bool h2_in(struct h2 *h, struct span bytes);
