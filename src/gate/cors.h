#pragma once
/*
 * CORS on ingest routes: pages of a project's origins may record into it (STANDARDS 5.1 'CSRF'), no other page may, and no
 * other route ever answers a page of elsewhere.
 *
 * Before the token is known (preflights, refusals of a token that does not hold) an origin that any project lists will do:
 * such an answer says nothing of a project. From then on it is the token's project's origins alone.
 * No answer ever allows credentials: cookies of ours authenticate nothing for pages of elsewhere.
 *
 * A browser token ("kib_…") is public. It records only for pages of its project's origins: whoever sends another Origin
 * hears 403 origin-refused. Calls without Origin come from no page, and are not held up by this.
 *
 * Threads: the call's lane.
 */
#include "gate/call.h"
#include "gate/live_tokens.h"

/* OPTIONS with Access-Control-Request-Method for an ingest route. False: it is none, and not answered. */
bool cors_preflight(struct call *c, const struct http_head *head);

/*
 * A route was found (c->route). Ingest routes: Vary, and the headers for the page that asks; the token is looked for in
 * Authorization and in ?token=. False: answered.
 */
bool cors_begin(struct call *c);

/* The script for pages that record (static.c): pages that may record may check it, too (integrity). */
void cors_script(struct call *c);

/* For handlers that find the token elsewhere: its project's origins decide from here on. False: answered. */
bool cors_token(struct call *c, const struct live_token *t);

/* The headers of an answer. At most CORS_HEADERS; returns how many. */
#define CORS_HEADERS 3
size_t cors_headers(const struct call *c, struct http_header *to);

/*
 * One recording more by this token from this client: browser tokens are public, so they have a rate per source and one
 * per token (gate/new_rate.h). False: answered with 429.
 */
bool cors_may_begin(struct call *c, const struct live_token *t);
