/* The answer's head (http1.h). Everything that could split an answer is refused here, whoever asks. */
#include "net/http1.h"

static void add_line(struct buf *b, struct span name, struct span value)
{
    uint8_t *to = buf_reserve(b, name.n + value.n + 4);

    if (to == NULL)
        return;
    memcpy(to, name.p, name.n);
    memcpy(to + name.n, ": ", 2);
    memcpy(to + name.n + 2, value.p, value.n);
    memcpy(to + name.n + 2 + value.n, "\r\n", 2);
    b->n += name.n + value.n + 4;
}

static void add_number(struct buf *b, uint64_t v)
{
    uint8_t digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (uint8_t) ('0' + v % 10);
    while ((v /= 10) > 0);
    buf_add(b, digits + n, sizeof(digits) - n);
}

static void add_status(struct buf *b, int status)
{
    buf_add_span(b, SPAN("HTTP/1.1 "));
    add_number(b, (uint64_t) status);
    buf_add_c(b, ' ');
    buf_add_str(b, http_status_phrase(status));
    buf_add_span(b, SPAN("\r\n"));
}

enum err http1_write_head(struct buf *b, const struct http1_answer *a, struct err_info *reterr)
{
    size_t from = b->n;

    if (a->status < 200 || a->status > 599)
        return ERR_RAISE(reterr, ERR_INVAL, "status %d is not a final one", a->status);
    if (!http_answer_ok(a->headers, a->n_headers))
        return ERR_RAISE(reterr, ERR_INVAL, "a header of the answer is malformed, or not the caller's to set");
    add_status(b, a->status);
    add_line(b, SPAN("Date"), http_date_span(a->now));
    for (size_t i = 0; i < a->n_headers; i++)
        add_line(b, a->headers[i].name, a->headers[i].value);
    switch (a->framing) {
    case HTTP1_F_LENGTH:
        buf_add_span(b, SPAN("Content-Length: "));
        add_number(b, a->body_len);
        buf_add_span(b, SPAN("\r\n"));
        break;
    case HTTP1_F_CHUNKED: buf_add_span(b, SPAN("Transfer-Encoding: chunked\r\n")); break;
    case HTTP1_F_CLOSE:
    case HTTP1_F_NONE: break;
    }
    if (a->close || a->framing == HTTP1_F_CLOSE)
        buf_add_span(b, SPAN("Connection: close\r\n"));
    else if (a->keep_alive)
        buf_add_span(b, SPAN("Connection: keep-alive\r\n"));
    buf_add_span(b, SPAN("\r\n"));
    if (b->failed) {
        b->n = from;
        return ERR_RAISE(reterr, ERR_LIMIT, "the answer's head is over %zu bytes", b->max);
    }
    return ERR_OK;
}

void http1_write_continue(struct buf *b)
{
    buf_add_span(b, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
}
