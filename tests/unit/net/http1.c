/*
 * The HTTP/1.1 engine: tables of what is taken and what is refused, other people's corpora, and the same verdict and the same
 * events however the bytes are cut.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http1.h"

struct log {
    struct buf text; /* "GET /path?query host\nname: value\n…\nbody bytes" for each request */
    int n_heads, pause_every, n_body;
    struct http_head last;
};

static bool on_head(void *ctx, const struct http_head *h)
{
    struct log *l = ctx;

    l->n_heads++;
    l->last = *h;
    buf_addf(&l->text, "%s " SPAN_FMT "?" SPAN_FMT " host=" SPAN_FMT " 1.%d len=%lld%s%s%s\n", http_method_name(h->method),
             SPAN_ARG(h->path), SPAN_ARG(h->query), SPAN_ARG(h->authority), h->minor, (long long) h->content_length,
             h->chunked ? " chunked" : "", h->keep_alive ? "" : " close", h->expect_continue ? " expect" : "");
    for (size_t i = 0; i < h->n_headers; i++)
        buf_addf(&l->text, SPAN_FMT ": " SPAN_FMT "\n", SPAN_ARG(h->headers[i].name), SPAN_ARG(h->headers[i].value));
    return l->pause_every == 0;
}

static bool on_body(void *ctx, struct span bytes)
{
    struct log *l = ctx;

    buf_add_span(&l->text, bytes);
    return l->pause_every == 0 || ++l->n_body % l->pause_every != 0;
}

static const struct http1_ops ops = { on_head, on_body };

/* Feeds in pieces of 'step' bytes (0: all at once), request after request. Returns the last verdict; at the end http1_eof's. */
static enum http1_verdict run(struct span in, size_t step, const struct http1_limits *limits, struct log *l)
{
    struct http1 *e = http1_new(limits, &ops, l);
    enum http1_verdict v = HTTP1_MORE;
    size_t at = 0;

    buf_init(&l->text, 16u << 20);
    while (at < in.n && v <= HTTP1_PAUSED) {
        struct span piece = span_sub(in, at, step == 0 ? in.n : step);
        /* A copy of exactly that size, so that sanitizers see a read past it. */
        uint8_t *copy = malloc(piece.n);
        size_t used;

        memcpy(copy, piece.p, piece.n);
        v = http1_feed(e, span_of(copy, piece.n), &used);
        free(copy);
        assert_true(used <= piece.n);
        at += used;
        if (v == HTTP1_DONE) {
            buf_addf(&l->text, "\n[done]\n");
            http1_next(e);
            v = HTTP1_MORE;
        } else if (v <= HTTP1_PAUSED) {
            assert_true(used == piece.n || v == HTTP1_PAUSED);
        }
    }
    if (v <= HTTP1_PAUSED)
        v = http1_eof(e);
    else
        assert_true(http1_refusal(v)->status >= 400 && http1_refusal(v)->code != NULL && http1_refusal(v)->detail != NULL);
    (void) http1_free(e);
    return v;
}

/* All at once, byte by byte, in sevens, with pauses: one verdict, one transcript. */
static enum http1_verdict run_all_ways(struct span in, const struct http1_limits *limits, struct buf *ret_text, const char *what)
{
    struct log whole = { 0 };
    enum http1_verdict v = run(in, 0, limits, &whole);
    static const size_t steps[] = { 1, 7, 0 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct log cut = { .pause_every = steps[i] == 0 ? 1 : 0 };
        enum http1_verdict w = run(in, steps[i], limits, &cut);

        if (v != w || !span_eq(buf_span(&whole.text), buf_span(&cut.text))) {
            /* A refused chunked body may have given a different part of its bytes: only the transcript before it counts. */
            bool prefix = v == w && v > HTTP1_PAUSED &&
                          (span_starts(buf_span(&whole.text), buf_cstr(&cut.text)) ||
                           span_starts(buf_span(&cut.text), buf_cstr(&whole.text)));

            if (!prefix)
                fail_msg("%s: whole says %s, steps of %zu say %s:\n%s\n---\n%s", what, http1_verdict_name(v), steps[i],
                         http1_verdict_name(w), buf_cstr(&whole.text), buf_cstr(&cut.text));
        }
        buf_deinit(&cut.text);
    }
    if (ret_text != NULL)
        *ret_text = whole.text;
    else
        buf_deinit(&whole.text);
    return v;
}

struct refuse_case {
    const char *name;
    struct span in;
    enum http1_verdict want;
};

#define REQ(line, headers) SPAN(line "\r\n" headers "\r\n")
#define H "Host: a\r\n"
#define POST_(headers, body) SPAN("POST /p HTTP/1.1\r\n" H headers "\r\n" body)
#define CHUNKED(body) POST_("Transfer-Encoding: chunked\r\n", body)

static void malformed_requests_are_refused(void **state)
{
    static const struct refuse_case cases[] = {
        /* request line */
        { "HTTP/0.9", SPAN("GET /\r\n\r\n"), HTTP1_BAD_LINE },
        { "HTTP/0.9 with space", SPAN("GET / \r\n\r\n"), HTTP1_BAD_LINE },
        { "two spaces", REQ("GET  / HTTP/1.1", H), HTTP1_BAD_LINE },
        { "tab", REQ("GET\t/ HTTP/1.1", H), HTTP1_BAD_LINE },
        { "space after version", REQ("GET / HTTP/1.1 ", H), HTTP1_BAD_LINE },
        { "space in target", REQ("GET /a b HTTP/1.1", H), HTTP1_BAD_LINE },
        { "no version digits", REQ("GET / HTTP/", H), HTTP1_BAD_LINE },
        { "lower-case protocol", REQ("GET / http/1.1", H), HTTP1_BAD_LINE },
        { "long version", REQ("GET / HTTP/1.10", H), HTTP1_BAD_LINE },
        { "HTTP/2.0", REQ("GET / HTTP/2.0", H), HTTP1_BAD_VERSION },
        { "HTTP/1.2", REQ("GET / HTTP/1.2", H), HTTP1_BAD_VERSION },
        { "HTTP/0.9 named", REQ("GET / HTTP/0.9", H), HTTP1_BAD_VERSION },
        { "h2 preface", SPAN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP1_BAD_VERSION },
        { "lower-case method", REQ("get / HTTP/1.1", H), HTTP1_BAD_METHOD },
        { "TRACE", REQ("TRACE / HTTP/1.1", H), HTTP1_BAD_METHOD },
        { "CONNECT", REQ("CONNECT a:443 HTTP/1.1", H), HTTP1_BAD_METHOD },
        { "PROPFIND", REQ("PROPFIND / HTTP/1.1", H), HTTP1_BAD_METHOD },
        { "method with colon", REQ("GET: / HTTP/1.1", H), HTTP1_BAD_LINE },
        { "TLS on a plain port", SPAN("\x16\x03\x01\x02"), HTTP1_BAD_LINE },
        { "two empty lines first", SPAN("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), HTTP1_BAD_LINE },
        /* targets */
        { "fragment", REQ("GET /a#b HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "control byte", REQ("GET /a\x01 HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "delete", REQ("GET /a\x7f HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "not ASCII", REQ("GET /\xc3\xa4 HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "relative", REQ("GET a/b HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "asterisk", REQ("OPTIONS * HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "authority form", REQ("GET a:443 HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "other scheme", REQ("GET ftp://a/ HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "user in target", REQ("GET http://u@a/ HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "empty authority", REQ("GET http:///x HTTP/1.1", H), HTTP1_BAD_TARGET },
        { "other host in target", REQ("GET http://b/x HTTP/1.1", H), HTTP1_BAD_HOST },
        /* line ends and folding */
        { "bare LF in request line", SPAN("GET / HTTP/1.1\n" H "\r\n"), HTTP1_BARE_LINE_END },
        { "bare LF in header", SPAN("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), HTTP1_BARE_LINE_END },
        { "bare LF at the end", SPAN("GET / HTTP/1.1\r\n" H "\n"), HTTP1_BARE_LINE_END },
        { "bare CR in value", SPAN("GET / HTTP/1.1\r\nX: a\rb\r\n" H "\r\n"), HTTP1_BARE_LINE_END },
        { "CR CR LF", SPAN("GET / HTTP/1.1\r\nX: a\r\r\n" H "\r\n"), HTTP1_BARE_LINE_END },
        { "LF first", SPAN("\nGET / HTTP/1.1\r\n" H "\r\n"), HTTP1_BARE_LINE_END },
        { "obs-fold", REQ("GET / HTTP/1.1", H "X: a\r\n b\r\n"), HTTP1_OBS_FOLD },
        { "obs-fold by tab", REQ("GET / HTTP/1.1", H "X: a\r\n\tb\r\n"), HTTP1_OBS_FOLD },
        { "space before first header", REQ("GET / HTTP/1.1", " X: a\r\n" H), HTTP1_OBS_FOLD },
        { "empty folded line", REQ("GET / HTTP/1.1", H "X:\r\n \r\n"), HTTP1_OBS_FOLD },
        /* headers */
        { "space before colon", REQ("GET / HTTP/1.1", "Host : a\r\n"), HTTP1_BAD_HEADER },
        { "tab before colon", REQ("GET / HTTP/1.1", H "X\t: a\r\n"), HTTP1_BAD_HEADER },
        { "no colon", REQ("GET / HTTP/1.1", H "X\r\n"), HTTP1_BAD_HEADER },
        { "empty name", REQ("GET / HTTP/1.1", H ": x\r\n"), HTTP1_BAD_HEADER },
        { "name with bracket", REQ("GET / HTTP/1.1", H "X[]: x\r\n"), HTTP1_BAD_HEADER },
        { "name not ASCII", REQ("GET / HTTP/1.1", H "\xc3\xa4: x\r\n"), HTTP1_BAD_HEADER },
        { "NUL in name", REQ("GET / HTTP/1.1", H "a\0b: x\r\n"), HTTP1_BAD_HEADER },
        { "NUL in value", REQ("GET / HTTP/1.1", H "X: a\0b\r\n"), HTTP1_BAD_HEADER },
        { "bell in value", REQ("GET / HTTP/1.1", H "X: a\x07\r\n"), HTTP1_BAD_HEADER },
        { "delete in value", REQ("GET / HTTP/1.1", H "X: a\x7f\r\n"), HTTP1_BAD_HEADER },
        /* Host */
        { "no Host", REQ("GET / HTTP/1.1", "X: a\r\n"), HTTP1_BAD_HOST },
        { "two Hosts", REQ("GET / HTTP/1.1", H H), HTTP1_BAD_HOST },
        { "two Hosts in 1.0", REQ("GET / HTTP/1.0", H H), HTTP1_BAD_HOST },
        { "empty Host", REQ("GET / HTTP/1.1", "Host:\r\n"), HTTP1_BAD_HOST },
        { "Host with path", REQ("GET / HTTP/1.1", "Host: a/b\r\n"), HTTP1_BAD_HOST },
        { "Host with user", REQ("GET / HTTP/1.1", "Host: u@a\r\n"), HTTP1_BAD_HOST },
        { "Host list", REQ("GET / HTTP/1.1", "Host: a, b c\r\n"), HTTP1_BAD_HOST },
        { "Host port 65536", REQ("GET / HTTP/1.1", "Host: a:65536\r\n"), HTTP1_BAD_HOST },
        { "Host port not digits", REQ("GET / HTTP/1.1", "Host: a:8x\r\n"), HTTP1_BAD_HOST },
        { "Host open bracket", REQ("GET / HTTP/1.1", "Host: [::1\r\n"), HTTP1_BAD_HOST },
        /* framing: the ways to smuggle */
        { "CL and TE", POST_("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), HTTP1_LENGTH_AND_CODING },
        { "TE and CL", POST_("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), HTTP1_LENGTH_AND_CODING },
        { "two equal CL", POST_("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "two other CL", POST_("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), HTTP1_BAD_LENGTH },
        { "CL list", POST_("Content-Length: 3, 3\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "CL plus", POST_("Content-Length: +3\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "CL minus", POST_("Content-Length: -3\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "CL hex", POST_("Content-Length: 0x3\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "CL space inside", POST_("Content-Length: 3 3\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "CL empty", POST_("Content-Length:\r\n", ""), HTTP1_BAD_LENGTH },
        { "CL exponent", POST_("Content-Length: 1e3\r\n", ""), HTTP1_BAD_LENGTH },
        { "CL over 63 bits", POST_("Content-Length: 9223372036854775808\r\n", ""), HTTP1_BAD_LENGTH },
        { "CL over 64 bits", POST_("Content-Length: 18446744073709551619\r\n", "abc"), HTTP1_BAD_LENGTH },
        { "TE twice", POST_("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE chunked, chunked", POST_("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE identity", POST_("Transfer-Encoding: identity\r\n", ""), HTTP1_BAD_CODING },
        { "TE chunked, identity", POST_("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE xchunked", POST_("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE chunked;q", POST_("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE quoted", POST_("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE vertical tab", POST_("Transfer-Encoding: \x0b" "chunked\r\n", "0\r\n\r\n"), HTTP1_BAD_HEADER },
        { "TE in 1.0", SPAN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), HTTP1_BAD_CODING },
        { "TE gzip, chunked", POST_("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), HTTP1_CODING_UNSUPPORTED },
        { "two Content-Type", POST_("Content-Type: a\r\ncontent-type: b\r\n", ""), HTTP1_DUPLICATE },
        { "two Range", POST_("Range: a\r\nRange: b\r\n", ""), HTTP1_DUPLICATE },
        { "Expect other", POST_("Expect: 200-ok\r\nContent-Length: 1\r\n", "x"), HTTP1_BAD_EXPECT },
        { "Expect list", POST_("Expect: 100-continue, x\r\nContent-Length: 1\r\n", "x"), HTTP1_BAD_EXPECT },
        /* chunks */
        { "chunk size empty", CHUNKED("\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size not hex", CHUNKED("g\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size 0x", CHUNKED("0x3\r\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size plus", CHUNKED("+3\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size minus", CHUNKED("-3\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "space before size", CHUNKED(" 3\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "space after size", CHUNKED("3 \r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "space before ext", CHUNKED("3 ;a\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "ext without size", CHUNKED(";a\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size overflow", CHUNKED("10000000000000003\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size huge", CHUNKED("ffffffffffffffff\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "chunk size 2^40 + 1", CHUNKED("10000000001\r\nabc\r\n"), HTTP1_BAD_CHUNK },
        { "bare LF after size", CHUNKED("3\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "bare CR after size", CHUNKED("3\rabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "bare LF in ext", CHUNKED("3;a\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "control byte in ext", CHUNKED("3;a=\x01\r\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "NUL in ext", CHUNKED("3;a\0=1\r\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "high byte in ext", CHUNKED("3;a=\xff\r\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        /* legal (RFC 9112 7.1.1), but llhttp 8.1 does not read it; nobody sends it */
        { "an extension after one with a value", CHUNKED("3;a=b;c\r\nabc\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "bare LF after data", CHUNKED("3\r\nabc\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "no line end after data", CHUNKED("3\r\nabc0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "data too long", CHUNKED("3\r\nabcd\r\n0\r\n\r\n"), HTTP1_BAD_CHUNK },
        { "bare LF at last chunk", CHUNKED("0\n\r\n"), HTTP1_BAD_CHUNK },
        { "bare LF at the end", CHUNKED("0\r\n\n"), HTTP1_BAD_TRAILER },
        { "trailer folded", CHUNKED("0\r\nX: a\r\n b\r\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer space before colon", CHUNKED("0\r\nX : a\r\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer bare LF", CHUNKED("0\r\nX: a\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer Content-Length", CHUNKED("0\r\nContent-Length: 9\r\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer Transfer-Encoding", CHUNKED("0\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer Host", CHUNKED("0\r\nHost: b\r\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer Authorization", CHUNKED("0\r\nAuthorization: b\r\n\r\n"), HTTP1_BAD_TRAILER },
        { "trailer control byte", CHUNKED("0\r\nX: \x01\r\n\r\n"), HTTP1_BAD_TRAILER },
        /* ends */
        { "cut in the line", SPAN("GET / HT"), HTTP1_TRUNCATED },
        { "cut in the head", SPAN("GET / HTTP/1.1\r\nHost: a\r\n"), HTTP1_TRUNCATED },
        { "cut in the body", POST_("Content-Length: 4\r\n", "abc"), HTTP1_TRUNCATED },
        { "cut in a chunk", CHUNKED("3\r\nab"), HTTP1_TRUNCATED },
        { "cut after last chunk", CHUNKED("3\r\nabc\r\n0\r\n"), HTTP1_TRUNCATED },
    };
    int bad = 0;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum http1_verdict v = run_all_ways(cases[i].in, NULL, NULL, cases[i].name);

        if (v != cases[i].want) {
            print_error("%s: got %s, want %s\n", cases[i].name, http1_verdict_name(v), http1_verdict_name(cases[i].want));
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

struct take_case {
    const char *name;
    struct span in;
    const char *want;
};

static void good_requests_are_taken(void **state)
{
    static const struct take_case cases[] = {
        { "plain", REQ("GET /a/b?c=d?e HTTP/1.1", H "X-Y: 1 2\r\n"),
          "GET /a/b?c=d?e host=a 1.1 len=-1\nhost: a\nx-y: 1 2\n\n[done]\n" },
        { "an empty line first", SPAN("\r\nGET / HTTP/1.1\r\n" H "\r\n"), "GET /? host=a 1.1 len=-1\nhost: a\n\n[done]\n" },
        { "1.0", REQ("GET / HTTP/1.0", ""), "GET /? host= 1.0 len=-1 close\n\n[done]\n" },
        { "1.0 keep-alive", REQ("GET / HTTP/1.0", "Connection: keep-alive\r\n"),
          "GET /? host= 1.0 len=-1\nconnection: keep-alive\n\n[done]\n" },
        { "close", REQ("GET / HTTP/1.1", H "Connection: foo, close\r\n"),
          "GET /? host=a 1.1 len=-1 close\nhost: a\nconnection: foo, close\n\n[done]\n" },
        { "white space around a value", REQ("GET / HTTP/1.1", "Host:\t a \t\r\nX:\r\n"),
          "GET /? host=a 1.1 len=-1\nhost: a\nx: \n\n[done]\n" },
        { "absolute", REQ("GET http://A.b:80/x?y HTTP/1.1", "Host: a.B:80\r\n"),
          "GET /x?y host=a.b:80 1.1 len=-1\nhost: a.b:80\n\n[done]\n" },
        { "absolute without path", REQ("GET https://a HTTP/1.1", H), "GET /? host=a 1.1 len=-1\nhost: a\n\n[done]\n" },
        { "absolute with query only", REQ("GET https://a?q HTTP/1.1", H), "GET /?q host=a 1.1 len=-1\nhost: a\n\n[done]\n" },
        { "IPv6 host", REQ("GET / HTTP/1.1", "Host: [::1]:8443\r\n"),
          "GET /? host=[::1]:8443 1.1 len=-1\nhost: [::1]:8443\n\n[done]\n" },
        { "upgrade is ignored", REQ("GET / HTTP/1.1", H "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
          "GET /? host=a 1.1 len=-1\nhost: a\nconnection: Upgrade\nupgrade: h2c\n\n[done]\n" },
        { "upgrade with a body", POST_("Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n", "ab"),
          "POST /p? host=a 1.1 len=2\nhost: a\nconnection: Upgrade\nupgrade: x\ncontent-length: 2\nab\n[done]\n" },
        { "length", POST_("Content-Length: 003\r\n", "abc"),
          "POST /p? host=a 1.1 len=3\nhost: a\ncontent-length: 003\nabc\n[done]\n" },
        { "length 0", POST_("Content-Length: 0\r\n", ""), "POST /p? host=a 1.1 len=0\nhost: a\ncontent-length: 0\n\n[done]\n" },
        { "expect", POST_("Expect: 100-Continue\r\nContent-Length: 1\r\n", "x"),
          "POST /p? host=a 1.1 len=1 expect\nhost: a\nexpect: 100-Continue\ncontent-length: 1\nx\n[done]\n" },
        { "expect without a body", REQ("GET / HTTP/1.1", H "Expect: 100-continue\r\n"),
          "GET /? host=a 1.1 len=-1\nhost: a\nexpect: 100-continue\n\n[done]\n" },
        { "chunks", POST_("Transfer-Encoding: Chunked\r\n", "5\r\nhello\r\n06;a;c=b\r\n world\r\n000\r\n\r\n"),
          "POST /p? host=a 1.1 len=-1 chunked\nhost: a\ntransfer-encoding: Chunked\nhello world\n[done]\n" },
        { "chunk of CR LF", CHUNKED("4\r\n\r\n\r\n\r\n0\r\n\r\n"),
          "POST /p? host=a 1.1 len=-1 chunked\nhost: a\ntransfer-encoding: chunked\n\r\n\r\n\n[done]\n" },
        { "trailers are dropped", CHUNKED("1\r\nx\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n"),
          "POST /p? host=a 1.1 len=-1 chunked\nhost: a\ntransfer-encoding: chunked\nx\n[done]\n" },
        { "pipelined", SPAN("POST /1 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nxGET /2 HTTP/1.1\r\n" H "Connection: close\r\n\r\n"
                            "GET /3 HTTP/1.0\r\n\r\n"),
          "POST /1? host=a 1.1 len=1\nhost: a\ncontent-length: 1\nx\n[done]\n"
          "GET /2? host=a 1.1 len=-1 close\nhost: a\nconnection: close\n\n[done]\nGET /3? host= 1.0 len=-1 close\n\n[done]\n" },
        { "chunked, then another", SPAN("POST /1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
                                        "GET /2 HTTP/1.1\r\n" H "\r\n"),
          "POST /1? host=a 1.1 len=-1 chunked\nhost: a\ntransfer-encoding: chunked\nhi\n[done]\n"
          "GET /2? host=a 1.1 len=-1\nhost: a\n\n[done]\n" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text;
        enum http1_verdict v = run_all_ways(cases[i].in, NULL, &text, cases[i].name);

        if (v != HTTP1_MORE || !span_eq_str(buf_span(&text), cases[i].want))
            fail_msg("%s: %s\n%s\nwant\n%s", cases[i].name, http1_verdict_name(v), buf_cstr(&text), cases[i].want);
        buf_deinit(&text);
    }
}

/* Exactly at each limit it passes, one more byte or line does not. */
static void limits_hold_on_both_sides(void **state)
{
    const struct http1_limits lim = { .line_bytes = 20, .header_bytes = 40, .headers = 3 };
    static const struct refuse_case cases[] = {
        { "line at the limit", SPAN("GET /567 HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_MORE }, /* 19 */
        { "line exactly", SPAN("GET /5678 HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_MORE },     /* 20 */
        { "line over", SPAN("GET /56789 HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_LINE_TOO_LONG },
        { "line over, no end", SPAN("GET /567890123456789012345678"), HTTP1_LINE_TOO_LONG },
        { "headers exactly", SPAN("GET / HTTP/1.1\r\nHost: a\r\nX: 3456789012345678901234567\r\n\r\n"), HTTP1_MORE }, /* 9 + 31 - */
        { "headers over", SPAN("GET / HTTP/1.1\r\nHost: a\r\nX: 34567890123456789012345678901\r\n\r\n"), HTTP1_HEADERS_TOO_LARGE },
        { "three", SPAN("GET / HTTP/1.1\r\nHost: a\r\na: b\r\na: b\r\n\r\n"), HTTP1_MORE },
        { "four", SPAN("GET / HTTP/1.1\r\nHost: a\r\na: b\r\na: b\r\na: b\r\n\r\n"), HTTP1_TOO_MANY_HEADERS },
    };
    struct buf b = BUF_INIT(65536);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum http1_verdict v = run_all_ways(cases[i].in, &lim, NULL, cases[i].name);

        if (v != cases[i].want)
            fail_msg("%s: got %s", cases[i].name, http1_verdict_name(v));
    }
    for (int over = 0; over < 2; over++) { /* chunk line: size, extension, line end */
        buf_reset(&b);
        buf_add_str(&b, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
        for (int i = 0; i < HTTP1_CHUNK_LINE - 4 + over; i++)
            buf_add_c(&b, 'x');
        buf_add_str(&b, "\r\nx\r\n0\r\n\r\n");
        assert_int_equal(run_all_ways(buf_span(&b), NULL, NULL, "chunk line"), over ? HTTP1_BAD_CHUNK : HTTP1_MORE);
    }
    for (int over = 0; over < 2; over++) { /* all trailers with the last empty line */
        buf_reset(&b);
        buf_add_str(&b, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX:");
        for (int i = 0; i < HTTP1_TRAILERS - 6 + over; i++)
            buf_add_c(&b, 'x');
        buf_add_str(&b, "\r\n\r\n");
        assert_int_equal(run_all_ways(buf_span(&b), NULL, NULL, "trailers"), over ? HTTP1_BAD_TRAILER : HTTP1_MORE);
    }
    buf_deinit(&b);
}

/* ---- other people's corpora ---- */

/* gunicorn's files: line feeds are for reading only, \r \n \0 \t and \xNN are written out. */
static void unescape(struct buf *in, struct buf *out)
{
    for (size_t i = 0; i < in->n; i++) {
        char c = (char) in->p[i], next = i + 1 < in->n ? (char) in->p[i + 1] : '\0';

        if (c == '\n')
            continue;
        if (c == '\\' && strchr("rn0t", next) != NULL && next != '\0') {
            buf_add_c(out, next == 'r' ? '\r' : next == 'n' ? '\n' : next == 't' ? '\t' : '\0');
            i++;
        } else if (c == '\\' && next == 'x' && i + 3 < in->n) {
            char hex[3] = { (char) in->p[i + 2], (char) in->p[i + 3], '\0' };

            buf_add_c(out, (char) strtoul(hex, NULL, 16));
            i += 3;
        } else {
            buf_add_c(out, c);
        }
    }
}

/*
 * Valid for gunicorn, refused by us, on purpose. "cfg": its oracle turned a check off, or a PROXY header is in front, which is
 * net/proxy's. Everything else in valid/ must be taken.
 */
static const struct { const char *file; enum http1_verdict want; } stricter[] = {
    { "valid/005.http", HTTP1_BAD_TARGET },               /* a fragment */
    { "valid/007.http", HTTP1_BAD_HOST },                 /* no Host (RFC 9112 3.2), here and where it says so below */
    { "valid/009.http", HTTP1_BAD_TARGET },               /* a fragment; 'identity' */
    { "valid/010.http", HTTP1_BAD_HOST },
    { "valid/011.http", HTTP1_BAD_HOST },
    { "valid/014.http", HTTP1_BAD_HOST },
    { "valid/018.http", HTTP1_BAD_HOST },
    { "valid/019.http", HTTP1_BAD_HOST },                 /* the second request */
    { "valid/024.http", HTTP1_LINE_TOO_LONG },            /* cfg: larger limits */
    { "valid/025.http", HTTP1_BAD_CODING },               /* two codings */
    { "valid/027.http", HTTP1_BAD_TARGET },               /* not ASCII */
    { "valid/028.http", HTTP1_BAD_HEADER },               /* cfg: space before the colon */
    { "valid/029.http", HTTP1_BAD_CODING },               /* identity and chunked */
    { "valid/030.http", HTTP1_BAD_CODING },
    { "valid/031.http", HTTP1_BAD_METHOD },               /* a method nobody knows: 501 */
    { "valid/031compat.http", HTTP1_BAD_METHOD },
    { "valid/031compat2.http", HTTP1_BAD_METHOD },
    { "valid/100.http", HTTP1_BAD_HOST },
    { "valid/compat_obs_fold_huge.http", HTTP1_OBS_FOLD }, /* cfg */
    { "valid/pp_04.http", HTTP1_BAD_LINE },               /* cfg: PROXY v2 in front */
    { "valid/pp_05.http", HTTP1_BAD_LINE },
    { "valid/rfc9112_target_absolute_userinfo_01.http", HTTP1_BAD_TARGET },
    { "valid/rfc9112_target_authority_ipv6_01.http", HTTP1_BAD_METHOD }, /* CONNECT */
};

/* Invalid for gunicorn only under a setting of its own; we take them, and why. */
static const char *const laxer[] = {
    "invalid/011.http",                      /* cfg: two fields at most */
    "invalid/012.http",                      /* cfg: a field of 98 bytes at most */
    "invalid/040.http",                      /* cfg: names with '_' refused; they are other names for us */
};

static bool is_laxer(const char *file)
{
    for (size_t i = 0; i < sizeof(laxer) / sizeof(laxer[0]); i++) {
        if (strcmp(laxer[i], file) == 0)
            return true;
    }
    return false;
}

static enum http1_verdict expected(const char *file)
{
    for (size_t i = 0; i < sizeof(stricter) / sizeof(stricter[0]); i++) {
        if (strcmp(stricter[i].file, file) == 0)
            return stricter[i].want;
    }
    return HTTP1_MORE;
}

/* Its defaults, so that its cases for limits mean something. */
static const struct http1_limits gunicorn_limits = { .line_bytes = 4094, .header_bytes = 8190, .headers = 100 };

static int gunicorn_one(const char *file, bool valid)
{
    char path[300];
    struct buf raw, bytes = BUF_INIT(1u << 20);
    enum http1_verdict v;
    bool ok;

    (void) snprintf(path, sizeof(path), "http/gunicorn/%s", file);
    test_read_file(test_shared(path), &raw);
    unescape(&raw, &bytes);
    v = run_all_ways(buf_span(&bytes), &gunicorn_limits, NULL, file);
    if (valid)
        ok = v == expected(file);
    else
        ok = (v > HTTP1_PAUSED) != is_laxer(file);
    if (!ok)
        print_error("%s: %s\n", file, http1_verdict_name(v));
    buf_deinit(&raw);
    buf_deinit(&bytes);
    return !ok;
}

static void gunicorn_corpus(void **state)
{
    const char *tsv = test_shared("http/gunicorn/EXPECTED.visible.tsv");
    struct buf b;
    struct span rest, line;
    int n = 0, bad = 0;

    (void) state;
    if (tsv == NULL)
        skip();
    test_read_file(tsv, &b);
    rest = buf_span(&b);
    (void) span_cut(rest, '\n', &line, &rest); /* names of the columns */
    while (rest.n > 0) {
        struct span file, verdict, cfg;
        char name[200];

        (void) span_cut(rest, '\n', &line, &rest);
        (void) span_cut(line, '\t', &file, &verdict);
        (void) span_cut(verdict, '\t', &verdict, &cfg);
        assert_true(span_to_str(file, name, sizeof(name)));
        bad += gunicorn_one(name, span_eq_str(verdict, "OK"));
        n++;
    }
    buf_deinit(&b);
    assert_true(n > 80);
    assert_int_equal(bad, 0);
}

static void h2o_one(const char *path, void *ctx)
{
    struct buf b;

    test_read_file(path, &b);
    (void) run_all_ways(buf_span(&b), NULL, NULL, path); /* no oracle: no crash, one verdict */
    buf_deinit(&b);
    ++*(size_t *) ctx;
}

static void h2o_corpus_has_one_verdict_however_cut(void **state)
{
    const char *dir = test_shared("http/h2o-http1-corpus");
    size_t n = 0;

    (void) state;
    if (dir == NULL)
        skip();
    (void) test_each_file(dir, "", h2o_one, &n);
    assert_true(n > 1000);
}

/* llhttp's own test pages: each ```http block of a request, with CR LF line ends as its tests run them. */
static int llhttp_blocks(const char *path, size_t *n)
{
    struct buf b;
    char *at, *end;

    test_read_file(path, &b);
    at = (char *) (uintptr_t) buf_cstr(&b);
    while ((at = strstr(at, "```http\n")) != NULL) {
        struct buf req = BUF_INIT(1u << 20);

        at += 8;
        end = strstr(at, "\n```");
        assert_non_null(end);
        for (; at < end; at++) { /* as its runner does: a line goes on after a backslash; \r \n \t \f \xNN are written out */
            if (*at == '\\' && at[1] == '\n') {
                at++;
            } else if (*at == '\\' && strchr("rntf", at[1]) != NULL) {
                at++;
                buf_add_c(&req, *at == 'r' ? '\r' : *at == 'n' ? '\n' : *at == 't' ? '\t' : '\f');
            } else if (*at == '\n') {
                buf_add_str(&req, "\r\n");
            } else {
                buf_add_c(&req, *at);
            }
        }
        (void) run_all_ways(buf_span(&req), NULL, NULL, path);
        buf_deinit(&req);
        ++*n;
    }
    buf_deinit(&b);
    return 0;
}

static void llhttp_one(const char *path, void *ctx)
{
    (void) llhttp_blocks(path, ctx);
}

static void llhttp_pages_have_one_verdict_however_cut(void **state)
{
    const char *dir = test_shared("http/llhttp/request");
    size_t n = 0;

    (void) state;
    if (dir == NULL)
        skip();
    (void) test_each_file(dir, ".md", llhttp_one, &n);
    assert_true(n > 40);
}

/* ---- answers ---- */

static void answers_have_exact_bytes(void **state)
{
    const struct http_header h[] = { { SPAN("Content-Type"), SPAN("text/plain") }, { SPAN("X"), SPAN_EMPTY } };
    struct http1_answer a = { .status = 200, .headers = h, .n_headers = 2, .framing = HTTP1_F_LENGTH, .body_len = 5,
                              .now = INT64_C(784111777000) };
    struct buf b = BUF_INIT(4096);

    (void) state;
    assert_ok(http1_write_head(&b, &a, NULL));
    assert_string_equal(buf_cstr(&b), "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
                                      "X: \r\nContent-Length: 5\r\n\r\n");
    buf_reset(&b);
    a = (struct http1_answer){ .status = 404, .framing = HTTP1_F_CHUNKED, .close = true, .now = 0 };
    assert_ok(http1_write_head(&b, &a, NULL));
    assert_string_equal(buf_cstr(&b), "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                      "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    buf_reset(&b);
    a = (struct http1_answer){ .status = 204, .framing = HTTP1_F_NONE, .keep_alive = true, .now = 999 };
    assert_ok(http1_write_head(&b, &a, NULL));
    assert_string_equal(buf_cstr(&b), "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                      "Connection: keep-alive\r\n\r\n");
    buf_deinit(&b);
}

static void answers_cannot_be_split(void **state)
{
    static const struct { struct span name, value; } bad[] = {
        { SPAN("X"), SPAN("a\r\nSet-Cookie: b") }, { SPAN("X"), SPAN("a\nb") }, { SPAN("X"), SPAN("a\rb") },
        { SPAN("X"), SPAN("a\0b") },               { SPAN("X: y\r\nZ"), SPAN("a") }, { SPAN("X Y"), SPAN("a") },
        { SPAN(""), SPAN("a") },                   { SPAN("Content-Length"), SPAN("1") },
        { SPAN("transfer-encoding"), SPAN("chunked") }, { SPAN("Connection"), SPAN("close") }, { SPAN("DATE"), SPAN("x") },
        { SPAN("X"), SPAN(" lead") },
    };
    struct buf b = BUF_INIT(4096);

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct http_header h = { bad[i].name, bad[i].value };
        const struct http1_answer a = { .status = 200, .headers = &h, .n_headers = 1 };

        assert_err(http1_write_head(&b, &a, NULL), ERR_INVAL);
        assert_int_equal(b.n, 0);
    }
    assert_err(http1_write_head(&b, &(struct http1_answer){ .status = 100 }, NULL), ERR_INVAL);
    buf_deinit(&b);
    b = BUF_INIT(10);
    assert_err(http1_write_head(&b, &(struct http1_answer){ .status = 200 }, NULL), ERR_LIMIT);
    assert_int_equal(b.n, 0);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(good_requests_are_taken),
        cmocka_unit_test(limits_hold_on_both_sides),
        cmocka_unit_test(gunicorn_corpus),
        cmocka_unit_test(h2o_corpus_has_one_verdict_however_cut),
        cmocka_unit_test(llhttp_pages_have_one_verdict_however_cut),
        cmocka_unit_test(answers_have_exact_bytes),
        cmocka_unit_test(answers_cannot_be_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
