#pragma once
/* HTTP's words, free of any version: methods, heads, headers, dates, and what a refusal below the routes is called. */
#include "base/buf.h"
#include "base/times.h"

enum http_method { HTTP_M_GET, HTTP_M_HEAD, HTTP_M_POST, HTTP_M_PUT, HTTP_M_PATCH, HTTP_M_DELETE, HTTP_M_OPTIONS, HTTP_M_N_ };

const char *http_method_name(enum http_method m);
bool http_method_of(struct span name, enum http_method *ret); /* case counts */

struct http_header {
    struct span name;  /* received: lower case, a token */
    struct span value; /* white space trimmed; no control bytes but tab */
};

/*
 * A received request's head. All spans borrow from the connection and hold until the exchange ends.
 * The path is raw (percent-encoded), begins with '/', has no control byte, no byte over 0x7e, no '#'.
 */
struct http_head {
    enum http_method method;
    struct span target;    /* as it came */
    struct span path;      /* up to '?' */
    struct span query;     /* after '?'; empty when there is none */
    struct span authority; /* Host, or the absolute target's; empty only in HTTP/1.0. Syntax is checked, the name is not */
    const struct http_header *headers;
    size_t n_headers;
    uint8_t major, minor;
    int64_t content_length; /* -1: none given */
    bool chunked;           /* a body of unknown length follows */
    bool keep_alive;
    bool expect_continue;
};

/* The body's length is 0. */
static inline bool http_head_no_body(const struct http_head *h)
{
    return !h->chunked && h->content_length <= 0;
}

/* First header of that (lower-case) name. False (and empty) when absent. */
bool http_head_get(const struct http_head *h, const char *name, struct span *ret);
size_t http_head_count(const struct http_head *h, const char *name);

/* RFC 9110 token / field value (visible ASCII, obs-text, space and tab inside). */
bool http_is_token(struct span s);
bool http_is_value(struct span s);

/* host[:port] as in RFC 3986: registered name, IPv4, or [IPv6]; no user information. */
bool http_is_authority(struct span s);

/* What every version demands of a request alike. */
bool http_is_target(struct span s); /* visible ASCII without '#', not empty */
void http_split_target(struct span s, struct span *ret_path, struct span *ret_query);
bool http_is_length(struct span s, int64_t *ret); /* Content-Length: digits only, fits */
void http_lower(struct span s); /* in place: the caller owns the bytes */
/* Headers of which two would let a proxy and us each believe another one, and there are two. */
bool http_head_doubled(const struct http_head *h);
/* A name that may stand in trailers: it changes nothing when somebody merges it into the headers (RFC 9110 6.5.1). */
bool http_is_trailer(struct span name);

/*
 * What every version demands of an answer's headers: tokens, values without control bytes, and none of Date, Connection,
 * Content-Length, Transfer-Encoding, Upgrade, Trailer, which are not the role's to set. So no answer can be split.
 */
bool http_answer_ok(const struct http_header *headers, size_t n);

/* A Content-Type of application/json, with or without parameters. */
bool http_is_json(struct span content_type);

/* "OK" … ; "" for a status that has no phrase here. */
const char *http_status_phrase(int status);

#define HTTP_DATE_LEN 29 /* Sun, 06 Nov 1994 08:49:37 GMT */
void http_date(time_ms t, char out[HTTP_DATE_LEN + 1]);
/* The same, formatted once a second and thread: a head costs no calendar arithmetic. Borrowed until the next call. */
struct span http_date_span(time_ms t);

/* What the net refuses by itself, in the words of the API contract; the role makes the problem document. */
struct http_refusal {
    int status;
    const char *code;   /* "bad-request", "timeout", "headers-too-large" … static */
    const char *detail; /* static; names the rule, the limit or the setting, never the input */
    const char *limit;  /* the setting that was passed, static, or NULL */
    int retry_after_s;  /* 0: no Retry-After */
};
