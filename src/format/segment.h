#pragma once
/*
 * Segments of codec 1 (docs/formats/segment.md): chunks, keyframe screens, head, index and footer, inside KHSEG1.
 *
 * The builder takes events and gives an encrypted file in memory; plaintext never goes anywhere else. The reader keeps
 * the checked index in memory and fetches chunks one by one.
 *
 * Times are seek times in µs since the recording's start, max(own, previous): the caller carries the maximum on from
 * segment to segment. Event numbers are the recording's; chunk numbers here count from 0 in each segment.
 *
 * Threads: builder and reader belong to one thread at a time.
 */
#include "base/times.h"
#include "codec/facts.h"
#include "format/khseg.h"

#define SEGMENT_CODEC          1
#define SEGMENT_CHUNK_MAX      (512u << 10)         /* NDJSON bytes of a chunk with more than one event; */
#define SEGMENT_CHUNK_USUAL    (256u << 10)         /* unless chunks repeat the ones before: this */
#define SEGMENT_EVENT_MAX      (16u << 20)          /* bytes of one event, without its newline */
#define SEGMENT_HEAD_MAX       (256u << 10)
#define SEGMENT_SCREEN_MAX     (4u << 20)           /* escape string of one screen: 720 x 200 cells, all different */
#define SEGMENT_PACK_MAX       (256u << 10)         /* screens that are packed together: what one of them costs to read */
#define SEGMENT_LABEL_MAX      200
#define SEGMENT_INDEX_MAX      (4u << 20)
#define SEGMENT_CHUNKS_MAX     16384
#define SEGMENT_KEYFRAMES_MAX  16384
#define SEGMENT_MARKERS_MAX    1024
#define SEGMENT_LISTED_MAX     16384                /* markers of a recording that are put into indexes, and keyframes or markers
                                                       that a manifest names; more are events like others */
#define SEGMENT_SIZE_MAX       (64u << 20)          /* of a whole file */
#define SEGMENT_TARGET_DEFAULT (1u << 20)
#define SEGMENT_TIME_MAX       (INT64_C(1) << 53)   /* µs: 285 years */

enum segment_keyframe_kind {
    SEGMENT_KEYFRAME_OWN = 1,    /* the event itself: rrweb Meta or FullSnapshot */
    SEGMENT_KEYFRAME_SCREEN = 2, /* a terminal screen of ours, as it is before that event; no event, never exported */
};

struct segment_chunk {
    uint64_t offset; /* in the plaintext */
    uint32_t stored; /* bytes of the zstd frame */
    uint32_t raw;    /* NDJSON bytes, each line with its newline */
    uint64_t first_seq;
    uint32_t n_events;
    time_us t_first, t_last;
};

struct segment_keyframe {
    uint64_t seq; /* the event from which playing goes on */
    time_us time; /* that event's */
    uint32_t chunk;
    enum segment_keyframe_kind kind;
    uint16_t cols, rows; /* screen only, else 0; as all below */
    uint64_t offset;     /* its section, which screens may share */
    uint32_t stored, raw;
    uint32_t at, n;      /* the screen in what the section holds */
};

struct segment_marker {
    time_us time;
    uint64_t seq; /* the event it came with */
    struct span label; /* UTF-8, content */
};

/* ---- building ---- */

struct segment_builder;

struct segment_options {
    int zstd_level;      /* 1 to 19; 0 = 3 */
    size_t target_bytes; /* 0 = 1 MiB; at most 32 MiB */
    uint16_t clean;      /* version of the sanitiser (codec/sanitize.h) that all its rrweb events passed; 0: none */
    uint64_t first_seq;  /* of the first event that comes */
    time_us first_time;  /* no event may be earlier; 0 for the first segment */
};

struct segment_summary {
    uint64_t size; /* of the encrypted file */
    uint8_t sha256[32];
    uint64_t first_seq, n_events;
    time_us t_first, t_last;
    uint32_t n_chunks, n_keyframes, n_markers;
    uint64_t raw_bytes; /* NDJSON of all chunks */
};

/* rk is read here only. ERR_INVAL: context or options. Memory: about 2 MiB, plus twice the largest event over 512 KiB, and the screens that wait to be packed. */
NODISCARD enum err segment_builder_new(const struct secret *rk, const struct khseg_context *c,
                                       const struct segment_options *o, struct segment_builder **ret,
                                       struct err_info *reterr);
struct segment_builder *segment_builder_free(struct segment_builder *b); /* wipes */
void segment_builder_freep(struct segment_builder **b);

/* Of a builder, after any error only free is allowed. */

/* The recording's head (JSON), before the first event, at most once. ERR_LIMIT: over 256 KiB. ERR_STATE. */
NODISCARD enum err segment_add_head(struct segment_builder *b, struct span json, struct err_info *reterr);

/*
 * One event: compact JSON without a newline. seq counts up by one; time never goes down, nor over its maximum
 * (ERR_INVAL each).
 * ERR_LIMIT: over 16 MiB, or the segment is full (segment_builder_full was true long before).
 */
NODISCARD enum err segment_add_event(struct segment_builder *b, uint64_t seq, time_us time, struct span json,
                                     struct err_info *reterr);

/* Before segment_add_event of that event: it is a place to start from. One that no event follows is dropped. */
NODISCARD enum err segment_add_keyframe(struct segment_builder *b, uint64_t seq, struct err_info *reterr);

/* Before segment_add_event of that event: the screen as it is then. init is what an empty terminal has to be sent. */
NODISCARD enum err segment_add_screen(struct segment_builder *b, uint64_t seq, uint16_t cols, uint16_t rows,
                                      struct span init, struct err_info *reterr);

/* Before segment_add_event of the event it came with. Longer labels are cut at a character's border. */
NODISCARD enum err segment_add_marker(struct segment_builder *b, uint64_t seq, struct span label,
                                      struct err_info *reterr);

/*
 * What is noted of its events, stored with the segment: the caller's facts_event writes there. Borrowed until free; what other
 * segments bring (segment_add_segment) is in it too.
 */
struct facts_notes *segment_builder_notes(struct segment_builder *b);

struct segment_reader;

/*
 * Everything of another segment (of any key) behind what there is: its chunks, screens and head go in as they are stored, byte
 * for byte; its notes are added to ours. It has to begin with the next event; a head, only when there is nothing yet. ERR_INVAL: it does not.
 * ERR_LIMIT: segment_fits said no. ERR_CORRUPT, ERR_IO: as reading it.
 */
NODISCARD enum err segment_add_segment(struct segment_builder *b, struct segment_reader *from, struct err_info *reterr);

/* All of it has room within the target (the first one always) and the tables. */
bool segment_fits(const struct segment_builder *b, const struct segment_reader *r);

/* Time to finish: the target size is reached, or a table is nearly full. */
bool segment_builder_full(const struct segment_builder *b);

/* Events so far. */
uint64_t segment_builder_events(const struct segment_builder *b);

/* Appends the encrypted file to *file. ERR_STATE: no event and no head. Afterwards only free is allowed. */
NODISCARD enum err segment_finish(struct segment_builder *b, struct buf *file, struct segment_summary *ret,
                                  struct err_info *reterr);

/* ---- reading ---- */

struct segment_info {
    uint64_t first_seq, n_events;
    time_us t_first, t_last;
    uint32_t n_chunks, n_keyframes, n_markers;
    uint16_t clean; /* as in segment_options; of a joined segment the least of its parts */
    bool has_head;
    uint32_t max_stored, max_raw; /* of its chunks: sizes for buffers */
};

/*
 * Reads and checks the index. Memory: the index as it is (at most 4 MiB) and 128 bytes a chunk or keyframe.
 * ERR_CORRUPT: not authentic, or an index that breaks a rule of the format; ERR_UNSUPPORTED: a later version.
 */
NODISCARD enum err segment_open(const struct khseg_source *source, const struct secret *rk,
                                const struct khseg_context *c, struct segment_reader **ret, struct err_info *reterr);
struct segment_reader *segment_reader_free(struct segment_reader *r);
void segment_reader_freep(struct segment_reader **r);

/* All borrowed until free. */
const struct segment_info *segment_info(const struct segment_reader *r);
const struct segment_chunk *segment_chunk_at(const struct segment_reader *r, uint32_t n);          /* NULL: none */
const struct segment_keyframe *segment_keyframe_at(const struct segment_reader *r, uint32_t n);    /* NULL: none */
const struct segment_marker *segment_marker_at(const struct segment_reader *r, uint32_t n);        /* NULL: none */

/* Number of the chunk that holds the event. False: not in this segment. */
bool segment_find_seq(const struct segment_reader *r, uint64_t seq, uint32_t *ret);

/* Number of the last chunk that begins at or before t; the first one when t lies before all. False: no chunks. */
bool segment_find_time(const struct segment_reader *r, time_us t, uint32_t *ret);

/* The last keyframe at or before t. NULL: none; look in the segment before. */
const struct segment_keyframe *segment_keyframe_before(const struct segment_reader *r, time_us t);

/* Appends chunk n as stored (one zstd frame with content size, window at most 8 MiB). ERR_NOTFOUND, ERR_CORRUPT. */
NODISCARD enum err segment_read_stored(struct segment_reader *r, uint32_t n, struct buf *out, struct err_info *reterr);

/* Appends chunk n as NDJSON, its size and number of lines checked. The caller wipes what it no longer needs. */
NODISCARD enum err segment_read_chunk(struct segment_reader *r, uint32_t n, struct buf *out, struct err_info *reterr);

/* Appends the head. ERR_NOTFOUND: this segment has none. */
NODISCARD enum err segment_read_head(struct segment_reader *r, struct buf *out, struct err_info *reterr);

/* Into *ret, which was initialised. ERR_NOTFOUND: this segment has no notes. */
NODISCARD enum err segment_read_notes(struct segment_reader *r, struct facts_notes *ret, struct err_info *reterr);

/* Appends the escape string of a screen keyframe of this reader. ERR_INVAL: it is no screen. */
NODISCARD enum err segment_read_screen(struct segment_reader *r, const struct segment_keyframe *k, struct buf *out,
                                       struct err_info *reterr);
