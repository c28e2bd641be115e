#pragma once
/*
 * castout: what other recorders' readers tell, as asciicast v2 (docs/formats/import.md). They say "these bytes were
 * shown at that time"; out come one head and events, each one line of JSON.
 *
 * Life:    castout_init -> head -> (bytes, record, resize, marker, exit)* -> end -> castout_deinit.
 * Threads: one at a time; the sinks run inside the calls.
 * Bytes:   input and output each carry a character that was cut; what is no UTF-8 becomes U+FFFD. Pieces of at most
 *          CASTOUT_PIECE bytes, so no event is larger than the least limit of an event.
 * Times:   µs since the start; one that goes back counts as the one before it.
 */
#include "base/buf.h"
#include "base/times.h"

#define CASTOUT_PIECE 32768

/* Both may end the import with an error, which the call returns. 'line' is where in the input it came from; 0: nowhere. */
struct castout_sink {
    enum err (*on_head)(void *ctx, struct span json, struct err_info *reterr);
    enum err (*on_event)(void *ctx, struct span json, struct err_info *reterr);
    void *ctx;
};

/* Empty spans and zeros: not known. Borrowed for the call only. Texts need not be UTF-8. */
struct castout_head {
    uint32_t cols, rows;
    time_ms started_at;
    struct span command, title, term, shell;
    const char *format; /* "sudo-iolog" */
    struct span user, runas, runas_group, host, tty, cwd, recording;
};

enum castout_side { CASTOUT_OUTPUT, CASTOUT_INPUT };

struct castout {
    struct castout_sink sink;
    bool headed;
    time_us at;
    uint32_t cols, rows;
    struct buf line;
    struct {
        uint8_t bytes[4]; /* begin of a character */
        size_t n;
    } carry[2];
    /* the record being gathered */
    enum castout_side side;
    time_us piece_at;
    uint8_t piece[CASTOUT_PIECE];
    size_t n_piece;
};

void castout_init(struct castout *c, struct castout_sink sink);
void castout_deinit(struct castout *c);

NODISCARD enum err castout_head(struct castout *c, const struct castout_head *head, struct err_info *reterr);

/* Bytes of a record, in as many calls as they come in; castout_record says that it is over (the other calls do, too): then
 * there is an event, the same however the bytes were cut. */
NODISCARD enum err castout_bytes(struct castout *c, enum castout_side side, time_us at, struct span bytes,
                                 struct err_info *reterr);
NODISCARD enum err castout_record(struct castout *c, struct err_info *reterr);

/* Of a size that is the present one nothing comes. ERR_INVAL: not within 1 to 65535. */
NODISCARD enum err castout_resize(struct castout *c, time_us at, uint32_t cols, uint32_t rows, struct err_info *reterr);
NODISCARD enum err castout_marker(struct castout *c, time_us at, struct span label, struct err_info *reterr);
NODISCARD enum err castout_exit(struct castout *c, time_us at, int64_t status, struct err_info *reterr);

/* Nothing follows: characters that were cut come out as U+FFFD. */
NODISCARD enum err castout_end(struct castout *c, struct err_info *reterr);
