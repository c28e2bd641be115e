/* The answer's head (http1.h). Everything that could split an answer is refused here, whoever asks. */
#include "net/http1.h"

static void add_line(struct buf *b, const char *name, struct span value)
{
    buf_add_str(b, name);
    buf_add_span(b, SPAN(": "));
    buf_add_span(b, value);
    buf_add_span(b, SPAN("\r\n"));
}

enum err http1_write_head(struct buf *b, const struct http1_answer *a, struct err_info *reterr)
{
    size_t from = b->n;

    if (a->status < 200 || a->status > 599)
        return ERR_RAISE(reterr, ERR_INVAL, "status %d is not a final one", a->status);
    if (!http_answer_ok(a->headers, a->n_headers))
        return ERR_RAISE(reterr, ERR_INVAL, "a header of the answer is malformed, or not the caller's to set");
    buf_addf(b, "HTTP/1.1 %d %s\r\n", a->status, http_status_phrase(a->status));
    add_line(b, "Date", http_date_span(a->now));
    for (size_t i = 0; i < a->n_headers; i++) {
        buf_add_span(b, a->headers[i].name);
        add_line(b, "", a->headers[i].value);
    }
    switch (a->framing) {
    case HTTP1_F_LENGTH: buf_addf(b, "Content-Length: %llu\r\n", (unsigned long long) a->body_len); break;
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
