#include "h2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "bench.h"

#define WINDOW      (16 << 20)
#define HEADERS_MAX 16

struct h2 {
    struct http_conn *c;
    nghttp2_session *session;
    bool receiving, gone;
};

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
                     uint8_t flags, void *ctx)
{
    struct h2 *h = ctx;

    (void) s, (void) frame, (void) flags;
    if (name_n == 7 && memcmp(name, ":status", 7) == 0 && value_n == 3 && !h->gone) {
        h->c->state = HTTP_BODY;
        if (h->c->on->head != NULL)
            h->c->on->head(h->c, (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0'));
    }
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *ctx)
{
    struct h2 *h = ctx;

    (void) s, (void) flags, (void) stream;
    if (!h->gone && h->c->on->body != NULL)
        h->c->on->body(h->c, span_of(p, n));
    return 0;
}

static int on_stream_close(nghttp2_session *s, int32_t stream, uint32_t code, void *ctx)
{
    struct h2 *h = ctx;

    (void) s, (void) stream;
    bench_need(code == NGHTTP2_NO_ERROR, "a stream that ends well");
    if (h->gone)
        return 0;
    h->c->state = HTTP_IDLE;
    if (h->c->on->done != NULL)
        h->c->on->done(h->c);
    return 0;
}

struct h2 *h2_new(struct http_conn *c)
{
    const nghttp2_settings_entry settings[] = { { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW }, { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 } };
    struct h2 *h = calloc(1, sizeof(*h));
    nghttp2_session_callbacks *on = NULL;

    bench_need(h != NULL && nghttp2_session_callbacks_new(&on) == 0, "memory");
    h->c = c;
    nghttp2_session_callbacks_set_on_header_callback(on, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(on, on_stream_close);
    bench_need(nghttp2_session_client_new(&h->session, on, h) == 0 && nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, 2) == 0 &&
                   nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, WINDOW) == 0, "nghttp2");
    nghttp2_session_callbacks_del(on);
    return h;
}

struct h2 *h2_free(struct h2 *h)
{
    if (h != NULL && h->receiving) {
        h->gone = true;
    } else if (h != NULL) {
        nghttp2_session_del(h->session);
        free(h);
    }
    return NULL;
}

static nghttp2_nv header(const char *name, size_t name_n, struct span value)
{
    union {
        const void *p;
        uint8_t *borrowed; /* nghttp2 copies, and asks for pointers that are not const */
    } n = { .p = name }, v = { .p = value.p };

    return (nghttp2_nv){ n.borrowed, v.borrowed, name_n, value.n, NGHTTP2_NV_FLAG_NONE };
}

void h2_request(struct h2 *h, struct span request)
{
    static char names[HEADERS_MAX][40];
    nghttp2_nv nv[HEADERS_MAX];
    struct span line, rest, method = SPAN_EMPTY, path = SPAN_EMPTY, name, value;
    size_t n = 3;

    bench_need(span_cut(request, '\n', &line, &rest) && span_cut(line, ' ', &method, &path) && span_cut(path, ' ', &path, &line), "a request");
    nv[0] = header(":method", 7, method);
    nv[1] = header(":path", 5, path);
    nv[2] = header(":scheme", 7, h->c->load->tls != NULL ? SPAN("https") : SPAN("http"));
    while (span_cut(rest, '\n', &line, &rest) && span_cut(line, ':', &name, &value)) {
        value = span_trim(span_sub(value, 0, value.n - 1)); /* its CR */
        bench_need(n < HEADERS_MAX && name.n < sizeof(names[0]), "few and short headers");
        for (size_t i = 0; i < name.n; i++)
            names[n][i] = (char) (name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
        nv[n] = span_eq_nocase(name, "host") ? header(":authority", 10, value) : header(names[n], name.n, value);
        n++;
    }
    /* pseudo headers first */
    for (size_t i = 3; i < n; i++) {
        if (nv[i].name[0] == ':') {
            nghttp2_nv host = nv[i];

            memmove(&nv[4], &nv[3], (i - 3) * sizeof(nv[0]));
            nv[3] = host;
        }
    }
    bench_need(nghttp2_submit_request(h->session, NULL, nv, n, NULL, NULL) > 0, "nghttp2_submit_request");
}

struct span h2_out(struct h2 *h)
{
    const uint8_t *p;
    ssize_t n;

    if (h->receiving)
        return SPAN_EMPTY; /* when it is over */
    n = nghttp2_session_mem_send(h->session, &p);
    bench_need(n >= 0, "nghttp2_session_mem_send");
    return n == 0 ? SPAN_EMPTY : span_of(p, (size_t) n);
}

bool h2_in(struct h2 *h, struct span bytes)
{
    ssize_t n;

    h->receiving = true;
    n = nghttp2_session_mem_recv(h->session, bytes.p, bytes.n);
    h->receiving = false;
    if (h->gone) {
        (void) h2_free(h);
        return true;
    }
    return n == (ssize_t) bytes.n;
}
