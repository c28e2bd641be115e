#pragma once
/*
 * batch: the body of one POST …/events, whatever its shape, to the frames that the log keeps. Pure: bytes in, bytes out.
 *
 * An event comes out as importer.h would store it from a file with the same events (docs/formats/events.md): the two share
 * asciicast.h and rrweb.h, and a test compares them. Shapes: a JSON array of events, {"events": […]}, one event a line;
 * of terminals also asciicast lines and v1's {"stdout": […]}. Around it the one coding that Content-Encoding names.
 *
 * The head: of a terminal an asciicast header (v1, v2, v3) as the first line of the first batch, or given when the
 * recording began, else {"version":2,"width":80,"height":24}; of rrweb what stands around the list in the first batch,
 * or given, else {}. Versions 1 and 3 make times intervals from there on, over all batches. A header later, or a second
 * one, is refused. Frames hold absolute times always.
 *
 * What is stored has passed codec/intake: sanitised and masked. The recording's owner holds the intake beside the state: batch_new begins
 * with what it was at the last commit, and the owner commits when he takes out.after. At the end of a batch nothing waits: what turns
 * out later to belong to a match is in intake_late.
 *
 * Life:    state from batch_state_new (kept by the recording's owner) -> per batch: new -> step* -> finish -> the owner
 *          takes out.after as its state once the batch is accepted -> free. A refused batch leaves no trace: nothing here
 *          changes the state it was given. A batch needs the state after the one before.
 * Threads: one at a time; a batch may move between threads. One zstd context a thread is kept and reused (freed when the
 *          thread ends).
 * Work:    a step does at most BATCH_STEP unpacked bytes, and what the event that ends in them costs (up to its own size).
 *          batch_heavy says when that may exceed 2 ms: then step and finish in a worker.
 * Memory:  the compressed frames so far, the event being read, a frame of 256 KiB, the decompressor.
 *
 * Errors: as importer.h: struct importer_error with line (of this batch), offset, cause, limit. ERR_INVAL, ERR_CORRUPT,
 * ERR_UNSUPPORTED: broken or not a recording of this kind (422). ERR_LIMIT: too large (413): "event-too-large",
 * "unpacked-size", "depth", "head-too-large", "members", "number", "zstd-window". ERR_NOMEM.
 */
#include "codec/importer.h"

struct intake;

#define BATCH_UNPACKED_MAX (100u << 20)
#define BATCH_EVENT_MAX    (16u << 20)
#define BATCH_FRAME_MAX    (256u << 10) /* NDJSON of a frame with more than one event, newlines counted */
#define BATCH_HEAD_MAX     (256u << 10)
#define BATCH_STEP         (64u << 10)

/* What one batch hands to the next: a value, copied freely. */
struct batch_state {
    enum importer_kind kind; /* IMPORTER_TERMINAL or IMPORTER_RRWEB */
    int version;             /* of the asciicast; 0: no header yet, times are absolute */
    bool head;               /* the head has been given out */
    uint64_t next_seq;
    uint64_t bytes;          /* of all events so far, newlines counted */
    time_us seek;            /* of the last event: max(own, previous) */
    time_us cast_at;         /* v1, v3: sum of the intervals */
    bool rrweb_begun;        /* a timestamp has been seen: */
    time_us rrweb_base;      /* it is time 0 */
    time_us rrweb_last;      /* own time of the last event */
};

/* A recording that begins. */
struct batch_state batch_state_new(enum importer_kind kind);

/* How the times of a recording count, for a process that goes on with it. */
struct batch_times {
    uint8_t kind;    /* enum batch_times_kind */
    time_us base_us; /* of rrweb: the timestamp that is time 0 */
};

/* The numbers are stored (docs/formats/ipc.md). */
enum batch_times_kind {
    BATCH_TIMES_ABSOLUTE = 0, /* seconds since the start; or not known yet */
    BATCH_TIMES_V1 = 1,       /* intervals, and output only */
    BATCH_TIMES_V2 = 2,       /* as 0 */
    BATCH_TIMES_V3 = 3,       /* intervals */
    BATCH_TIMES_RRWEB = 4,
};
struct batch_times batch_times(const struct batch_state *s);

/*
 * A recording that goes on in another process, which knows only this much of it: events so far, a lower bound of the last
 * one's time, their bytes, how times count. Its head was given out before its first event; while it has no events one may
 * come (again: the first one counts). Intervals are added up from last_us on. Of rrweb without a base the first timestamp to
 * come is taken to be at last_us.
 */
struct batch_state batch_state_resume(enum importer_kind kind, uint64_t next_seq, time_us last_us, uint64_t bytes,
                                      struct batch_times times);

struct batch_frame {
    bool head;          /* the recording's head (JSON), not events: the first frame, n_events 0 */
    bool late, unsure;  /* marks of either kind, not events */
    uint64_t first_seq; /* of a head: the next event's */
    uint32_t n_events;
    uint32_t raw;       /* bytes before compression */
    struct span zstd;   /* one zstd frame with content size, level 1 */
};

struct batch_out {
    const struct batch_frame *frames; /* none for a batch without events and head */
    size_t n_frames;
    /*
     * Track 1, where the rules keep originals, else none: for each event of the batch a line, the original or `0` when nothing was taken
     * out, in frames of their own cut (docs/formats/log.md); before them the head's original, if it lost something.
     */
    const struct batch_frame *reveal;
    size_t n_reveal;
    const struct batch_frame *marks; /* of track 0, after its frames: late marks and what is unsure (codec/intake.h), at most one each */
    size_t n_marks;
    uint64_t open_seq, reach_seq; /* of intake_open: first and reach */
    uint64_t n_events;
    uint64_t raw_bytes; /* of events, newlines counted */
    size_t zstd_bytes;  /* of all frames */
    uint64_t n_masked, n_sanitised; /* events of which something was taken out */
    struct batch_state after;
};

struct batch;

/*
 * head: JSON object that was given when the recording began, to come out with this batch, checked here; or empty. It is
 * copied. intake: the recording's own (borrowed until the free), of before->kind, or NULL: nothing is taken out (tests of formats only). Limits are the defaults above. *ret even when the head is refused: batch_error says why, as for a body.
 * NULL: no memory.
 */
struct batch *batch_new(const struct batch_state *before, enum unpack_codec codec, struct span head, struct intake *intake);
struct batch *batch_free(struct batch *b);
void batch_freep(struct batch **b);

/*
 * Takes bytes off *in: not always all of them. Call it while in->n > 0 || batch_more(b) (between calls other work may run,
 * and the thread may change; finish does what is left). After an error every call returns it.
 */
NODISCARD enum err batch_step(struct batch *b, struct span *in);

/* There is work without more input: unpacked bytes that wait, or what made the batch heavy. */
bool batch_more(const struct batch *b);

/* The next step or finish may take longer than 2 ms: a large event, a packed one, much unpacked: not on a loop. */
bool batch_heavy(const struct batch *b);

/* The body is over. *ret borrows from the batch until its free. */
NODISCARD enum err batch_finish(struct batch *b, struct batch_out *ret);

const struct importer_error *batch_error(const struct batch *b);

/* Is this a head for such a recording: a JSON object in any layout, of a terminal an asciicast header? For POST /v1/recordings. */
NODISCARD enum err batch_head_check(enum importer_kind kind, struct span json, struct importer_error *reterr);
