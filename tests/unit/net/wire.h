/* HTTP/2 for tests: writes frames by hand (HPACK literals only), reads those of the server with nghttp2's inflater. */
#include <stdio.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

enum { W_DATA, W_HEADERS, W_PRIORITY, W_RST, W_SETTINGS, W_PUSH, W_PING, W_GOAWAY, W_WINDOW, W_CONT };
enum { W_END_STREAM = 1, W_ACK = 1, W_END_HEADERS = 4, W_PADDED = 8 };

static inline void w_u32(struct buf *b, uint32_t v)
{
    buf_u16be(b, (uint16_t) (v >> 16));
    buf_u16be(b, (uint16_t) v);
}

static inline void w_frame(struct buf *b, unsigned type, unsigned flags, uint32_t id, struct span payload)
{
    buf_u8(b, (uint8_t) (payload.n >> 16));
    buf_u16be(b, (uint16_t) payload.n);
    buf_u8(b, (uint8_t) type);
    buf_u8(b, (uint8_t) flags);
    w_u32(b, id);
    buf_add_span(b, payload);
}

static inline void w_frame_u32(struct buf *b, unsigned type, unsigned flags, uint32_t id, uint32_t v)
{
    const uint8_t p[4] = { (uint8_t) (v >> 24), (uint8_t) (v >> 16), (uint8_t) (v >> 8), (uint8_t) v };

    w_frame(b, type, flags, id, SPAN_OF(p));
}

/* RFC 7541 5.1 with a prefix of 7 bits, no Huffman. */
static inline void w_string(struct buf *b, struct span s)
{
    size_t n = s.n;

    if (n < 127) {
        buf_u8(b, (uint8_t) n);
    } else {
        buf_u8(b, 127);
        for (n -= 127; n >= 128; n /= 128)
            buf_u8(b, (uint8_t) (n % 128 + 128));
        buf_u8(b, (uint8_t) n);
    }
    buf_add_span(b, s);
}

/* Literal without indexing, new name. */
static inline void w_header(struct buf *b, const char *name, const char *value)
{
    buf_u8(b, 0);
    w_string(b, span_str(name));
    w_string(b, span_str(value));
}

/* The four pseudo headers. */
static inline void w_pseudo(struct buf *b, const char *method, const char *path)
{
    w_header(b, ":method", method);
    w_header(b, ":scheme", "http");
    w_header(b, ":authority", "a");
    w_header(b, ":path", path);
}

/* "name: value\n…" added to the pseudo headers; NULL: none. */
static inline void w_request(struct buf *b, uint32_t id, const char *method, const char *path, const char *more, bool end)
{
    struct buf block = BUF_INIT(1u << 20);
    struct span line, rest = span_str(more), name, value;

    w_pseudo(&block, method, path);
    while (rest.n > 0) {
        (void) span_cut(rest, '\n', &line, &rest);
        (void) span_cut(span_sub(line, 1, SIZE_MAX), ':', &name, &value); /* from 1: pseudo headers begin with a colon */
        name = span_of(line.p, name.n + 1);
        buf_u8(&block, 0);
        w_string(&block, name);
        w_string(&block, span_sub(value, 1, SIZE_MAX));
    }
    w_frame(b, W_HEADERS, W_END_HEADERS | (end ? W_END_STREAM : 0u), id, buf_span(&block));
    buf_deinit(&block);
}

static inline void w_get(struct buf *b, uint32_t id, const char *path)
{
    w_request(b, id, "GET", path, NULL, true);
}

/* Preface and empty SETTINGS. */
static inline void w_begin(struct buf *b)
{
    buf_add_str(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    w_frame(b, W_SETTINGS, 0, 0, SPAN_EMPTY);
}

static inline void w_setting(struct buf *b, uint16_t id, uint32_t value)
{
    struct buf p = BUF_INIT(16);

    buf_u16be(&p, id);
    w_u32(&p, value);
    w_frame(b, W_SETTINGS, 0, 0, buf_span(&p));
    buf_deinit(&p);
}

/* ---- reading ---- */

#define R_STREAMS 512

struct reader_stream {
    int status, n_informational;
    size_t n_body, n_data; /* bytes and frames */
    size_t n_lf;           /* line feeds in it */
    uint32_t window;       /* increments of ours */
    char head[1024];       /* "name: value\n" of the final head */
    char body[256];        /* its first bytes */
    uint32_t rst;
    bool ended, was_reset;
    size_t order;          /* when its newest DATA came */
};

struct reader {
    nghttp2_hd_inflater *inflater;
    struct buf in;
    struct reader_stream streams[R_STREAMS]; /* by id / 2 */
    size_t n_frames[16], n_settings_ack, n_ping_ack, n_data;
    uint32_t goaway, last_id; /* code */
    uint32_t window;          /* increments of the connection's */
    bool had_goaway;
};

static inline void r_init(struct reader *r)
{
    memset(r, 0, sizeof(*r));
    assert_int_equal(nghttp2_hd_inflate_new(&r->inflater), 0);
    buf_init(&r->in, 64u << 20);
}

static inline void r_deinit(struct reader *r)
{
    nghttp2_hd_inflate_del(r->inflater);
    buf_deinit(&r->in);
}

static inline struct reader_stream *r_stream(struct reader *r, uint32_t id)
{
    assert_true(id / 2 < R_STREAMS);
    return &r->streams[id / 2];
}

static inline void r_headers(struct reader *r, struct reader_stream *s, struct span block, bool final)
{
    struct buf text = BUF_INIT(sizeof(s->head));
    int flags = 0, status = 0;

    while (true) {
        nghttp2_nv nv;
        ssize_t n = nghttp2_hd_inflate_hd2(r->inflater, &nv, &flags, block.p, block.n, final);

        assert_true(n >= 0);
        block = span_sub(block, (size_t) n, SIZE_MAX);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            if (span_eq_str(span_of(nv.name, nv.namelen), ":status"))
                status = atoi((const char *) nv.value);
            buf_addf(&text, "%.*s: %.*s\n", (int) nv.namelen, nv.name, (int) nv.valuelen, nv.value);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            assert_int_equal(nghttp2_hd_inflate_end_headers(r->inflater), 0);
            break;
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && block.n == 0)
            break;
    }
    if (status >= 200) {
        assert_int_equal(s->status, 0); /* one final head */
        s->status = status;
        (void) snprintf(s->head, sizeof(s->head), "%s", buf_cstr(&text));
    } else {
        s->n_informational++;
    }
    buf_deinit(&text);
}

static inline uint32_t r_u32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static inline void r_frame(struct reader *r, unsigned type, unsigned flags, uint32_t id, struct span p)
{
    struct reader_stream *s = id % 2 == 1 ? r_stream(r, id) : NULL;

    r->n_frames[type < 15 ? type : 15]++;
    switch (type) {
    case W_DATA:
        assert_non_null(s);
        assert_false(s->ended);
        if (s->n_body < sizeof(s->body) - 1)
            memcpy(s->body + s->n_body, p.p, span_sub(p, 0, sizeof(s->body) - 1 - s->n_body).n);
        s->n_body += p.n;
        for (size_t i = 0; i < p.n; i++)
            s->n_lf += p.p[i] == '\n';
        s->n_data++;
        s->order = ++r->n_data;
        s->ended = (flags & W_END_STREAM) != 0;
        break;
    case W_HEADERS:
        assert_non_null(s);
        r_headers(r, s, p, (flags & W_END_HEADERS) != 0);
        s->ended = (flags & W_END_STREAM) != 0;
        break;
    case W_RST:
        assert_non_null(s);
        s->was_reset = true;
        s->rst = r_u32(p.p);
        break;
    case W_SETTINGS: r->n_settings_ack += flags & W_ACK; break;
    case W_PING: r->n_ping_ack += flags & W_ACK; break;
    case W_GOAWAY:
        r->had_goaway = true;
        r->last_id = r_u32(p.p);
        r->goaway = r_u32(p.p + 4);
        break;
    case W_WINDOW:
        *(s == NULL ? &r->window : &s->window) += r_u32(p.p);
        break;
    default: break;
    }
}

/* Takes what is whole. */
static inline void r_feed(struct reader *r, struct span in)
{
    buf_add_span(&r->in, in);
    assert_false(r->in.failed);
    while (r->in.n >= 9) {
        const uint8_t *p = r->in.p;
        size_t n = (size_t) p[0] << 16 | (size_t) p[1] << 8 | p[2];

        assert_true(n <= 16384);
        if (r->in.n < 9 + n)
            return;
        r_frame(r, p[3], p[4], r_u32(p + 5) & 0x7fffffff, span_of(p + 9, n));
        buf_drop(&r->in, 9 + n);
    }
}
