#pragma once
/*
 * Inside net/: what an HTTP/2 client costs us without asking for anything, pure. The guard reads the frame headers of everything
 * that comes in, before nghttp2 does, and counts: resets, PING, SETTINGS, PRIORITY, unknown frames, DATA that says nothing, window
 * updates that none of our DATA explains, and (told by http2.c) resets that we had to send and frames that broke a rule.
 * More than 'limit' of them within ten seconds, or more than HTTP2_CONTINUATIONS in one header block, are too many (STANDARDS A15).
 *
 * Threads:  its connection's loop.
 * Source:   RFC 9113 4.1 (frame header), 10.5; CVE-2023-44487 (Rapid Reset), CVE-2025-8671 (MadeYouReset), VU#421644 (CONTINUATION).
 */
#include "base/span.h"
#include "base/times.h"

#define HTTP2_CONTINUATIONS 8
#define HTTP2_ABUSE_SECONDS 10

enum http2_frame {
    HTTP2_F_DATA,
    HTTP2_F_HEADERS,
    HTTP2_F_PRIORITY,
    HTTP2_F_RST_STREAM,
    HTTP2_F_SETTINGS,
    HTTP2_F_PUSH_PROMISE,
    HTTP2_F_PING,
    HTTP2_F_GOAWAY,
    HTTP2_F_WINDOW_UPDATE,
    HTTP2_F_CONTINUATION,
};

struct http2_guard {
    uint8_t hd[9];
    size_t n_hd;         /* of the next frame header, 0 to 9 */
    size_t preface_left; /* of the client's 24 bytes */
    size_t left;         /* of the current frame's payload */
    bool in_block;       /* a header block has begun and not ended */
    bool block_ends;     /* with the current frame */
    time_ms block_since;
    unsigned n_continuations;
    bool had_settings, had_ack, had_goaway;
    unsigned credit;     /* window updates that are explained */
    unsigned limit;
    uint16_t counts[HTTP2_ABUSE_SECONDS];
    time_ms second;      /* of the newest count */
};

void http2_guard_init(struct http2_guard *g, unsigned limit);

/* Looks at bytes that came in. False: too much. */
bool http2_guard_scan(struct http2_guard *g, struct span in, time_ms now);

/* One abuse more. False: too many. */
bool http2_guard_count(struct http2_guard *g, time_ms now);

/* One DATA frame of ours has left: the client may open two windows. */
void http2_guard_sent(struct http2_guard *g);
