#pragma once
/*
 * Pieces and wraps of a recording that is being made: what may be added or replaced, the tree over them, and their rows in
 * messages (STANDARDS 4.1-4.4).
 *
 * Promise: events and chunks are numbered densely from 0, whatever a gate sends; a seg_no is never used twice.
 */
#include "format/merkle.h"
#include "keeper/job.h"

enum pieces_verdict {
    PIECES_OK,       /* they may be stored */
    PIECES_KNOWN,    /* exactly these are stored: the answer was lost */
    PIECES_CONFLICT, /* events, numbers or keys that are there in another form */
    PIECES_INVALID,  /* a gap, a wrong number, a piece that cannot be */
};

/* What a gate wants to store. 'gone' are pieces that 'rows' replace. */
struct pieces_ask {
    const struct ipc_row_piece *rows;
    uint32_t n;
    const struct ipc_row_number *gone;
    uint32_t n_gone;
    uint8_t kind; /* 1: KHSEG1, sealed by a gate; 2: KHSPL1, recovered from its log */
};

/*
 * Each track for itself. Appended pieces begin where the recording ends, those of track 1 there or later (a process that kept no
 * originals may have been before); one that replaces covers exactly a run of pieces of the same key number. New seg_no are
 * larger than any there is, of any track. *ret_end: where track 0 ends before.
 */
NODISCARD enum err pieces_check(struct job *c, struct span rid, const struct pieces_ask *ask, enum pieces_verdict *ret,
                                struct meta_piece_end *ret_end, struct err_info *reterr);
NODISCARD enum err pieces_store(struct job *c, struct span rid, const struct pieces_ask *ask, struct err_info *reterr);

/* Adds those that are not there. PIECES_CONFLICT: another wrap under this number; then nothing was written. */
NODISCARD enum err pieces_wraps(struct job *c, struct span rid, const struct ipc_row_wrap *rows, uint32_t n,
                                enum pieces_verdict *ret, struct err_info *reterr);

/* RFC 6962 over u32le seg_no || u16le kn || u8 kind || u64le size || SHA-256(file), in the order of the events, track by track. */
NODISCARD enum err pieces_root(const struct meta_piece_list *pieces, struct merkle_hash *ret, struct err_info *reterr);

/* Rows of messages, in c->mem; without 'reveal' those of track 0. *ret_chunks (may be NULL): how many chunks track 0 has. */
NODISCARD enum err pieces_rows(struct job *c, const struct meta_piece_list *pieces, bool reveal, struct ipc_row_piece **ret,
                               uint32_t *ret_n, uint32_t *ret_chunks, struct err_info *reterr);
