#pragma once
/*
 * importer: an uploaded recording, whatever its format, to head, events and keyframes of ours. Pure: bytes in, calls
 * out.
 *
 * Life:    new -> feed* -> finish -> free. After the first error each call returns that error.
 * Threads: one at a time (a worker that is given 64 KiB steps). Callbacks run inside feed and finish.
 * Order:   on_head once, before everything; then per event on_screen (when one is due) and on_event, seq from 0.
 * Memory:  one event (event_max) and its unpacked form, a 32 KiB window, the decompressor, one terminal screen; for
 * formats whose list stands inside an object (asciicast v1, {"events": []}) also hold_max, because members after the
 *          list belong to the head. A larger list is streamed, and members after it are then refused.
 * Layers:  at most one of gzip, deflate, zstd: as Content-Encoding said, else by magic.
 *
 * Errors: struct importer_error. ERR_UNSUPPORTED: not a format we take (415). ERR_INVAL, ERR_CORRUPT: broken, with line
 * and cause (422). ERR_LIMIT: well-formed and too large; 'limit' names it (413). Causes are fixed texts and never hold
 * input.
 */
#include "base/times.h"
#include "codec/unpack.h"

struct mask_rules;

#define IMPORTER_MARKERS_MAX      1000
#define IMPORTER_MARKER_LABEL_MAX 200 /* bytes; cut at a character */

enum importer_kind { IMPORTER_ANY, IMPORTER_TERMINAL, IMPORTER_RRWEB };

struct importer_error {
    enum err code;
    uint64_t line;   /* of the unpacked input, from 1; 0: not about a line */
    uint64_t offset; /* bytes into the unpacked input */
    char cause[400];
    const char *limit; /* "event-too-large", "depth", "unpacked-size", "ratio", … with ERR_LIMIT, else NULL */
    uint64_t limit_value;
};

struct importer_event {
    uint64_t seq;
    time_us seek_us;  /* max(own, previous), not negative */
    time_us own_us;   /* as it came; of rrweb it may be negative */
    struct span json; /* one JSON value without white space, as it is stored; valid during the call */
    bool keyframe;    /* rrweb: playing can start here */
    int type;         /* rrweb: its type; terminal: the code 'o' 'i' 'm' 'r' 'x', or 0 */
    int source;       /* rrweb: of an incremental snapshot; else -1 */
    uint64_t line;
};

/* The screen just before event seq: a keyframe of ours. 'init' is output for an emulator that was just reset. */
struct importer_screen {
    uint64_t seq;
    time_us at_us; /* seek time of event seq */
    struct span init;
    int cols, rows;
};

struct importer_params {
    enum importer_kind kind; /* what the uploader says it is; another one is refused */
    bool encoded;            /* Content-Encoding was given: codec is it */
    enum unpack_codec codec;
    struct unpack_limits unpack;
    size_t event_max; /* bytes of one event as stored */
    size_t hold_max;
    time_us screen_every_us;
    uint64_t screen_every_bytes; /* of output */
    /* Cells that the screen may move: this, and this many more per byte of output. Then no more screens are made. */
    uint64_t screen_work, screen_work_per_byte;
    /*
     * What is taken out of head and events (codec/intake.h); held until the free. NULL: nothing is, nor are rrweb events sanitised:
     * for tests of formats only.
     */
    const struct mask_rules *rules;

    /* Each may end the import with an error, which importer_feed or importer_finish returns. */
    enum err (*on_head)(void *ctx, struct span json, struct err_info *reterr);
    /* The original of what on_head (seq -1) or on_event gets next, where something was taken out and the rules keep it. May be NULL. */
    enum err (*on_reveal)(void *ctx, int64_t seq, struct span original, struct err_info *reterr);
    enum err (*on_event)(void *ctx, const struct importer_event *ev, struct err_info *reterr);
    enum err (*on_screen)(void *ctx, const struct importer_screen *screen, struct err_info *reterr); /* may be NULL */
    void *ctx;
};

struct importer_marker {
    time_us at_us;
    char label[IMPORTER_MARKER_LABEL_MAX + 1]; /* UTF-8 as recorded: content */
};

struct importer_result {
    enum importer_kind kind;
    const char *format; /* "asciicast-v2", "rrweb-array", … */
    uint64_t n_events, n_screens, n_keyframes;
    time_us duration_us; /* seek time of the last event */
    time_ms started_at;  /* 0: not known */
    uint32_t cols, rows; /* of the header; 0 for rrweb */
    uint64_t bytes_in, bytes_unpacked;
    bool screens_stopped; /* screen_work was used up */
    bool markers_cut;     /* there were more than IMPORTER_MARKERS_MAX */
    uint64_t n_masked;    /* events of which something was taken out */
    uint64_t n_sanitised;
    const uint64_t *masked_by; /* how much by which rule (MASK_RULES_MAX of codec/mask.h); NULL without rules; the importer's */
    size_t n_markers;
    const struct importer_marker *markers; /* owned by the importer */
};

/* STANDARDS 5.1: 16 GiB unpacked, ratio 1000 beyond 8 MiB, events of 16 MiB; screens each 30 s or 256 KiB of output. */
struct importer_params importer_defaults(void);

struct importer;

/* NULL: no memory. */
struct importer *importer_new(const struct importer_params *params);
struct importer *importer_free(struct importer *imp);
void importer_freep(struct importer **imp);

NODISCARD enum err importer_feed(struct importer *imp, struct span in);

/* The input is over. *ret borrows from the importer. */
NODISCARD enum err importer_finish(struct importer *imp, struct importer_result *ret);

/* Of the first failure; code ERR_OK before. */
const struct importer_error *importer_error(const struct importer *imp);
