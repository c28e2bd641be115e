#pragma once
/*
 * HTTP/1.1 requests, RFC 9112 strictly: a pure engine, bytes in, events out.
 *
 * Life:     http1_new -> http1_feed … until HTTP1_DONE -> http1_next -> … -> http1_free. After a refusal only http1_free.
 * Parsing:  llhttp 8.1 in strict mode, behind a guard of ours that sees each framing byte first, because even strict
 *           llhttp takes obs-fold and HTTP/0.9 (tests/unit/net/http1.c has the table).
 * Refused:  bare CR or LF, obs-fold, HTTP/0.9, white space before a colon, control bytes, Content-Length with
 *           Transfer-Encoding, a second Content-Length (even an equal one), a Content-Length that is not digits only, any
 *           transfer coding but exactly one 'chunked', a coding in HTTP/1.0, chunk sizes that are not hex or overflow,
 *           control bytes and more than HTTP1_CHUNK_LINE bytes in a chunk line, framing fields in trailers, a missing or second or malformed
 *           Host, targets that are not a path or an absolute http(s) URL whose authority is the Host, second instances of
 *           fields that must be single (Content-Type, Origin, …), expectations other than 100-continue.
 * Trailers: checked, bounded, dropped. Upgrade, also to h2c, is ignored, as RFC 9110 7.8 allows.
 * Memory:   the head, up to limits.header_bytes + limits.line_bytes; bodies are passed through, never kept.
 */
#include "net/http.h"

struct http1;

#define HTTP1_CHUNK_LINE  1024      /* bytes of a chunk's size and extensions */
#define HTTP1_TRAILERS    8192      /* bytes of all trailers */
#define HTTP1_CHUNK_MAX   (1LL << 40)

struct http1_limits {
    size_t line_bytes;   /* request line; 0: 8 KiB */
    size_t header_bytes; /* all header lines; 0: 16 KiB */
    size_t headers;      /* their number; 0: 100 */
};

/* Puts the usual values where there are zeros. */
void http1_limits_fill(struct http1_limits *l);

enum http1_verdict {
    HTTP1_MORE = 0, /* all consumed; wants more */
    HTTP1_DONE,     /* the request is complete; bytes after it are not consumed; call http1_next before more */
    HTTP1_PAUSED,   /* a callback asked to stop; *ret_used says how far; feed the rest later */
    /* Refusals: http1_refusal has the answer. The connection must close after it. */
    HTTP1_BAD_LINE,
    HTTP1_BAD_VERSION,
    HTTP1_BAD_METHOD,
    HTTP1_BAD_TARGET,
    HTTP1_BARE_LINE_END,
    HTTP1_OBS_FOLD,
    HTTP1_BAD_HEADER,
    HTTP1_BAD_HOST,
    HTTP1_BAD_LENGTH,
    HTTP1_LENGTH_AND_CODING,
    HTTP1_BAD_CODING,
    HTTP1_CODING_UNSUPPORTED,
    HTTP1_DUPLICATE,
    HTTP1_BAD_EXPECT,
    HTTP1_LINE_TOO_LONG,
    HTTP1_HEADERS_TOO_LARGE,
    HTTP1_TOO_MANY_HEADERS,
    HTTP1_BAD_CHUNK,
    HTTP1_BAD_TRAILER,
    HTTP1_TRUNCATED, /* from http1_eof only */
    HTTP1_NOMEM,
    HTTP1_N_
};

struct http1_ops {
    /* Headers are complete. 'head' is valid until http1_next or http1_free. False: pause here (before any body). */
    bool (*on_head)(void *ctx, const struct http_head *head);
    /* A part of the body, borrowed until the call returns. False: pause after it. */
    bool (*on_body)(void *ctx, struct span bytes);
};

/* NULL: no memory. 'ops' must outlive the engine. limits may be NULL. */
struct http1 *http1_new(const struct http1_limits *limits, const struct http1_ops *ops, void *ctx);
struct http1 *http1_free(struct http1 *e);

/* *ret_used: how much of 'in' was taken. Never call it inside its own callbacks. */
enum http1_verdict http1_feed(struct http1 *e, struct span in, size_t *ret_used);

/* Forgets the finished request and gets ready for the next on the same connection. */
void http1_next(struct http1 *e);

/* The peer will send nothing more: HTTP1_TRUNCATED inside a request, HTTP1_DONE after one, HTTP1_MORE between requests. */
enum http1_verdict http1_eof(const struct http1 *e);

/* Whether a byte of the current request has come. */
bool http1_begun(const struct http1 *e);

/* Status, code and text of a refusal. Not for MORE, DONE, PAUSED. */
const struct http_refusal *http1_refusal(enum http1_verdict v);
const char *http1_verdict_name(enum http1_verdict v);

/* ---- answers ---- */

enum http1_framing {
    HTTP1_F_LENGTH,  /* Content-Length: body_len */
    HTTP1_F_CHUNKED,
    HTTP1_F_CLOSE,   /* neither: the end of the connection is the end of the body (HTTP/1.0 clients) */
    HTTP1_F_NONE,    /* 204 and 304: no body, no length */
};

struct http1_answer {
    int status; /* 200 to 599 */
    const struct http_header *headers;
    size_t n_headers;
    enum http1_framing framing;
    uint64_t body_len;
    bool close; /* adds Connection: close */
    bool keep_alive; /* adds Connection: keep-alive (for HTTP/1.0 clients) */
    time_ms now; /* for Date */
};

/*
 * Appends status line, the caller's headers, Date, framing, and the empty line. Names must be tokens, values free of
 * control bytes, and Date, Connection, Content-Length, Transfer-Encoding, Upgrade, Trailer are not the caller's to set: else
 * ERR_INVAL, with nothing appended (so no answer can be split). ERR_LIMIT: b's ceiling.
 */
NODISCARD enum err http1_write_head(struct buf *b, const struct http1_answer *a, struct err_info *reterr);

/* "HTTP/1.1 100 Continue\r\n\r\n" */
void http1_write_continue(struct buf *b);
