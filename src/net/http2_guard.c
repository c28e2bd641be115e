#include "net/http2_guard.h"

#define CREDIT_FIRST 64    /* clients widen their windows at the beginning */
#define CREDIT_MAX   65536

enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4 };

void http2_guard_init(struct http2_guard *g, unsigned limit)
{
    *g = (struct http2_guard){ .preface_left = 24, .limit = limit, .credit = CREDIT_FIRST };
}

void http2_guard_sent(struct http2_guard *g)
{
    g->credit = g->credit + 2 > CREDIT_MAX ? CREDIT_MAX : g->credit + 2; /* the stream's and the connection's */
}

bool http2_guard_count(struct http2_guard *g, time_ms now)
{
    const time_ms second = now / 1000;
    unsigned sum = 0;

    if (second - g->second >= HTTP2_ABUSE_SECONDS)
        memset(g->counts, 0, sizeof(g->counts));
    else
        for (time_ms s = g->second + 1; s <= second; s++)
            g->counts[s % HTTP2_ABUSE_SECONDS] = 0;
    if (second > g->second)
        g->second = second;
    if (g->counts[g->second % HTTP2_ABUSE_SECONDS] < UINT16_MAX)
        g->counts[g->second % HTTP2_ABUSE_SECONDS]++;
    for (size_t i = 0; i < HTTP2_ABUSE_SECONDS; i++)
        sum += g->counts[i];
    return sum <= g->limit;
}

static bool block_frame(struct http2_guard *g, uint8_t type, uint8_t flags, time_ms now)
{
    if (type == HTTP2_F_HEADERS) {
        g->n_continuations = 0;
        g->in_block = true;
        g->block_since = now;
        http2_guard_sent(g); /* a new stream explains updates of its own window */
    } else if (++g->n_continuations > HTTP2_CONTINUATIONS) {
        return false;
    }
    g->block_ends = (flags & FLAG_END_HEADERS) != 0;
    return true;
}

/* A frame header is complete. */
static bool judge(struct http2_guard *g, time_ms now)
{
    const uint8_t type = g->hd[3], flags = g->hd[4];
    bool first;

    switch (type) {
    case HTTP2_F_DATA: return g->left > 0 || (flags & FLAG_END_STREAM) != 0 || http2_guard_count(g, now);
    case HTTP2_F_HEADERS:
    case HTTP2_F_CONTINUATION: return block_frame(g, type, flags, now);
    case HTTP2_F_SETTINGS:
        first = (flags & FLAG_ACK) != 0 ? !g->had_ack : !g->had_settings;
        g->had_ack = g->had_ack || (flags & FLAG_ACK) != 0;
        g->had_settings = true;
        return first || http2_guard_count(g, now);
    case HTTP2_F_WINDOW_UPDATE:
        if (g->credit == 0)
            return http2_guard_count(g, now);
        g->credit--;
        return true;
    case HTTP2_F_GOAWAY:
        first = !g->had_goaway;
        g->had_goaway = true;
        return first || http2_guard_count(g, now);
    case HTTP2_F_RST_STREAM:
    case HTTP2_F_PRIORITY:
    case HTTP2_F_PUSH_PROMISE:
    case HTTP2_F_PING:
    default: return http2_guard_count(g, now);
    }
}

static void frame_ended(struct http2_guard *g)
{
    g->n_hd = 0;
    if (g->in_block && g->block_ends)
        g->in_block = g->block_ends = false;
}

bool http2_guard_scan(struct http2_guard *g, struct span in, time_ms now)
{
    size_t i = in.n < g->preface_left ? in.n : g->preface_left;

    g->preface_left -= i;
    while (i < in.n) {
        size_t n = in.n - i, want = sizeof(g->hd) - g->n_hd;

        if (want > 0) {
            n = n < want ? n : want;
            memcpy(g->hd + g->n_hd, in.p + i, n);
            g->n_hd += n;
            i += n;
            if (g->n_hd < sizeof(g->hd))
                break;
            g->left = (size_t) g->hd[0] << 16 | (size_t) g->hd[1] << 8 | g->hd[2];
            if (!judge(g, now))
                return false;
        } else {
            n = n < g->left ? n : g->left;
            g->left -= n;
            i += n;
        }
        if (g->left == 0)
            frame_ended(g);
    }
    return true;
}
