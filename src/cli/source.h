#pragma once
/*
 * Where `keyhole play` gets events from: the paced stream of one recording under the caller's open access, with keys fetched
 * and renewed, connections taken up again, and what ends it said once.
 *
 * Life:    source_init -> (source_play | source_stop | source_step)* -> source_deinit.
 * One stream at most is open. Before its key ends a fresh one is fetched and the stream opened anew with Last-Event-ID: the
 * receiver sees no event twice and misses none. When the window ends and other access of the caller's follows on it (more time, an
 * extension), playing goes on under that. source_stop closes it: nothing is fetched until source_play.
 * source_follow follows a recording that is still being made: what is there from the last place where playing can start comes at
 * once, then each event when it is durable. It ends with SOURCE_PLAYED when the recording does.
 * A connection that breaks, or a server that is away, is tried again for SOURCE_PATIENCE_MS.
 */
#include "cli/access.h"
#include "cli/sse.h"

#define SOURCE_PATIENCE_MS 60000

enum source_end {
    SOURCE_GOES_ON,
    SOURCE_PLAYED,    /* to the end, or to to_ms: the stream is closed */
    SOURCE_WINDOW,    /* the window is over */
    SOURCE_REVOKED,   /* taken away or given back */
    SOURCE_REFUSED,   /* for another reason; 'why' says which */
    SOURCE_FAILED,    /* the server is away, or does not understand us */
};

struct source_ops {
    /* A stream begins: From of the contract. fresh: from a new place, so what was drawn is void; else it goes on. */
    void (*on_from)(void *ctx, struct tree from, bool fresh);
    /* An event of the recording, each once, in order. */
    void (*on_event)(void *ctx, int64_t seq, struct span json);
    /* Where the listener is, and the time of the last event given: for opening anew. */
    void (*place)(void *ctx, int64_t *ret_place_ms, int64_t *ret_last_ms);
};

struct source {
    struct access access;
    const struct source_ops *ops;
    void *ctx;

    struct http_stream *stream;
    struct sse sse;
    bool begun;          /* its first event has come */
    bool fresh;          /* opened at from_ms, not behind last_seq */
    bool wanted;         /* playing: a stream shall be open */
    bool follow;         /* the stream follows what is being made; from_ms, to_ms and speed do not count */
    bool live;           /* follow: the server has nothing that we do not have */
    int64_t behind_ms;   /* follow: that much of the recording is there and has not come; 0: not known, or none */
    int64_t from_ms, to_ms; /* to_ms -1: to the end */
    double speed;
    int64_t given;       /* newest event given to the listener; -1: none since source_play */
    int64_t last_seq;    /* newest event of the stream; -1: it begins at from_ms */
    int64_t opened_at;   /* ms of the monotonic clock; 0: none since source_play */
    int64_t again_at;    /* when to try again, ms of the monotonic clock; 0: at once */
    int64_t trouble_since; /* 0: none */
    unsigned tries;
    bool ending;         /* window.ending has come */
    int64_t next_at;     /* when to look again whether other access follows on this */
    unsigned refused_keys; /* in a row */

    enum source_end end;
    int exit_code;
    char why[400];       /* safe text */
};

void source_init(struct source *s, const struct access *a, const struct source_ops *ops, void *ctx);
void source_deinit(struct source *s);

/* From another place (or the first). to_ms -1: to the end. */
void source_play(struct source *s, int64_t from_ms, int64_t to_ms, double speed);
/* Follows; from the newest place where playing can start when 'fresh', else behind the last event that was given. */
void source_follow(struct source *s, bool fresh);
/* Goes on behind the last event that was given. */
void source_resume(struct source *s, double speed);
/* Closes the stream. */
void source_stop(struct source *s);

/* Reads what has arrived, renews, reconnects. Call it after each http_wait and at least each 250 ms. */
enum source_end source_step(struct source *s);

/* Nothing is open and something should be. */
bool source_is_waiting(const struct source *s);
