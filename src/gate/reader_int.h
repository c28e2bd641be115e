#pragma once
/*
 * Inside the reader: reader.c (what is asked for), reader_piece.c (files), reader_tail.c (the log), reader_scan.c (times),
 * reader_screen.c (where playing can start, of terminals), reader_reveal.c (originals of what was masked), reader_late.c (marks that came later),
 * reader_clean.c (what an older sanitiser made).
 */
#include "codec/facts.h"
#include "codec/json.h"
#include "codec/rrweb.h"
#include "format/khspl.h"
#include "gate/late.h"
#include "gate/looks.h"
#include "gate/reader.h"
#include "store/reclog.h"

#define JOIN_BYTES   (128u << 10) /* records are handed on together up to so much, as a chunk would be */
#define JOIN_RECORDS 256
#define RECORD_RAW_MAX ((16u << 20) + 1) /* an event of 16 MiB with its newline */

/* Of KHSPL1: notes are made when it is walked. */
struct piece_notes {
    struct facts facts;
    struct facts_clickable *clickable; /* NULL: of a terminal, or no memory */
    struct facts_notes *notes;
};

/* What times and keyframes of events are, walked in order. */
struct scan {
    bool terminal;
    time_us base, time; /* time: of the event before */
    uint64_t until;     /* events from here on are not looked at */
    time_us from;       /* keyframes after this time do not count */
    bool meta;          /* the event before was a Meta: */
    uint64_t meta_seq;
    time_us meta_at;
    bool found;         /* a keyframe: the last one */
    uint64_t seq;
    time_us at;
    struct piece_notes *notes; /* NULL: not wanted */
};

/* Walks NDJSON whose first event is 'first'; returns the number of events. *ret_first: time of the first one. */
uint32_t scan_lines(struct scan *s, struct span bytes, uint64_t first, time_us *ret_first);
/* The first timestamp in NDJSON of rrweb. */
bool scan_base(struct span bytes, time_us *ret);

/* Of KHSPL1, for each record. */
struct record_times {
    time_us t_first, t_last;
    uint32_t raw;
    bool keyframe; /* one begins here (the last of this record): */
    uint64_t seq;
    time_us at;
};

struct piece {
    struct reader *reader;
    size_t at; /* of reader->pieces */
    uint32_t seg_no, first_chunk, n_chunks;
    uint16_t kn;
    uint8_t track, codec, kind;
    time_us t_first, t_last;
    uint64_t first_seq, n_events;
    struct store_file file;
    struct khseg_source source;
    struct segment_reader *index; /* KHSEG1; NULL: not opened yet */
    struct khspl *spl;            /* KHSPL1, the same */
    bool unlocked;                /* spl has its key */
    bool late_known;
    struct late late;             /* of its events; of a terminal's KHSPL1 */
    struct record_times *times;   /* KHSPL1; NULL: not walked yet */
    struct facts_notes *notes;    /* the same */
    time_us floor, end;           /* seek time before its first event, and of its last; set by pieces_timed */
    uint64_t used;                /* turn of its last use; 0: file is closed */
};

struct wrap_row {
    uint16_t kn;
    uint8_t track;
    uint32_t epoch;
    uint8_t n;
    uint8_t bytes[255];
};

struct reader {
    const struct store *store;
    struct reclog *log;
    char pid[ID_CAP], rid[ID_CAP];
    struct piece **pieces; /* each stays where it is: its source is borrowed */
    size_t n, n_timed;      /* n_timed: floor and end are known of these */
    bool unmask;
    struct piece **reveal;  /* of track 1, in the order of events; their files are open only during a run */
    size_t n_reveal;
    uint64_t turn;
    bool terminal, live;
    time_us started; /* of the keeper's row */
    time_us base;    /* rrweb: the first timestamp */
    bool has_base, based;  /* based: read from its events */
    struct wrap_row *wraps;
    size_t n_wraps;
    struct khlog_key *tail_key; /* of the log file read last */
    uint16_t tail_kn;
    struct khlog_key *reveal_key; /* the same of track 1 */
    uint16_t reveal_kn;
    struct late tail_late; /* of the tail, as it was when this run began to read it */
    struct look *look; /* NULL: no memory */
};

/* One call of reader_run. */
struct run {
    struct reader *r;
    const struct reader_keys *keys;
    const struct viewer_want *want;
    struct viewer_read *ret;
    struct err_info *reterr;
    bool at_hand; /* nothing may be waited for: ERR_AGAIN */
};

/* The key of that number and track; else ERR_AGAIN with ret->need. */
enum err run_key(struct run *x, uint16_t kn, uint8_t track, const struct secret **ret);
/* ERR_AGAIN: fresh pieces are needed. */
enum err run_stale(struct run *x, const char *why);

/* ---- reader_piece.c ---- */

enum err piece_open(struct run *x, struct piece *p);
/* Fills floor and end of the pieces before n, and floor of piece n if there is one. Opens KHSPL1 ones. */
enum err pieces_timed(struct run *x, size_t n);
/* Seek time of the last event of all pieces. */
enum err pieces_end(struct run *x, time_us *ret);
void pieces_close(struct reader *r);
void piece_close(struct piece *p);
/* Record i of a KHSPL1 piece, opened before; late marks are in it. */
enum err piece_record(struct run *x, struct piece *p, size_t i, struct buf *out);
/* As it is stored: its zstd frame. */
enum err piece_frame(struct run *x, struct piece *p, size_t i, struct buf *out);
void piece_free(struct piece *p);
/* Chunk n of the piece as NDJSON, with its times. */
enum err piece_chunk(struct run *x, struct piece *p, uint32_t n, struct buf *out, struct segment_chunk *ret);
/* What the manifest says of chunk n. False: there is none. After piece_open and pieces_timed. */
bool piece_chunk_at(const struct piece *p, uint32_t n, struct segment_chunk *ret);
/* The chunk (or chunks together) with this event. */
enum err piece_events(struct run *x, struct piece *p, uint64_t seq, struct buf *out, struct segment_chunk *ret);
enum err piece_head(struct run *x, struct piece *p, struct buf *out);
/* Decompresses one frame of a log. ERR_CORRUPT: larger than RECORD_RAW_MAX; ERR_LIMIT: than raw_max. */
enum err frame_open(struct span frame, size_t raw_max, struct buf *out, struct err_info *reterr);
/* The newest keyframe of this piece at or before 'from' and below 'until'; fills x->ret. ERR_NOTFOUND: none. */
enum err piece_keyframe(struct run *x, struct piece *p, time_us from, uint64_t until);

/* ---- reader_notes.c ---- */

struct jsonw;
/* The manifest's member `notes`, of all pieces. After piece_open and pieces_timed. */
enum err reader_notes(struct run *x, struct jsonw *w);
/* False: no memory. */
bool reader_note(struct piece_notes *n, bool terminal, struct span json, uint64_t seq, time_us time);
void piece_notes_free(struct piece *p);

/* ---- reader_tail.c: ERR_NOTFOUND: the recording is not written here, or has nothing of the kind ---- */

enum err tail_events(struct run *x, uint64_t seq, bool newest_only);
enum err tail_head(struct run *x, struct buf *out);
/* Walks all of it from the end of the pieces on. */
enum err tail_scan(struct run *x, struct scan *s);
/* The newest keyframe of a page's tail, going on where the last reader stopped. */
enum err tail_newest(struct run *x, struct scan *s);
/* Pieces that we do not know hold what this process has sealed. */
enum err tail_check(struct run *x);

/* ---- reader_reveal.c ---- */

/* Are originals of what this key number wrote kept, and to be shown here? */
bool reveals(const struct run *x, uint16_t kn);
bool reveals_any(const struct reader *r);
/* *io holds the NDJSON of events from 'first' on: originals go in. ERR_AGAIN: as run_key and run_stale. */
enum err reveal_events(struct run *x, uint16_t kn, uint64_t first, struct buf *io);
/* The recording's head as it was, if something was taken out of it. */
enum err reveal_head(struct run *x, struct buf *io);

/* ---- reader_late.c ---- */

/* *io holds record i of a KHSPL1 piece, of either track. */
enum err late_in_record(struct run *x, struct piece *p, size_t i, struct buf *io);
/* Before the tail is read: r->tail_late is of its events from 'from' on. ERR_LIMIT: there is something to read, and 'newest_only'. */
enum err late_of_tail(struct run *x, uint64_t from, bool newest_only);
/* *io holds events of the tail from 'first' on. */
enum err late_in_tail(struct run *x, uint16_t kn, uint8_t track, uint64_t first, struct buf *io);
/* ---- reader_screen.c ---- */

/* After x->ret has the newest keyframe of an index at or before the place: of a terminal, a screen nearer to it where that is far. */
enum err screen_locate(struct run *x);

/* ---- reader_clean.c ---- */

/* After piece_open: its events may leave as they are stored. */
bool piece_is_clean(const struct piece *p);
/* *io holds the NDJSON of events: what could act is taken out. */
enum err clean_events(struct run *x, const struct piece *p, struct buf *io);

/* NDJSON with event 'seq', masked as it is stored; x->want is of READ_EVENTS, x->ret->bytes the same as 'out'. */
enum err reader_block(struct run *x, uint64_t seq, struct buf *out, struct segment_chunk *ret);
/* The recording's head. ERR_NOTFOUND: it has none. */
enum err reader_head(struct run *x, struct buf *out);
/* Makes sure of r->base. */
enum err reader_base(struct run *x);
