#pragma once
/*
 * Footer and index of a segment as bytes (docs/formats/segment.md). Pure: no cipher, no zstd. The reader validates
 * although only authentic bytes come here: a defect in one version of the builder must not become one of all readers.
 */
#include "format/segment.h"

#define SEGMENT_VERSION        1
#define SEGMENT_VERSION_PACKED 2 /* some screens share a section */
#define SEGMENT_FOOTER_LEN     24

struct segment_head {
    uint64_t offset;
    uint32_t stored, raw; /* 0: no head */
};

/* The notes section (format/notes.h). */
struct segment_notes_at {
    uint64_t offset;
    uint32_t stored, raw; /* 0: none */
};

/* What the index says. Arrays are owned (segment_index_deinit); marker labels borrow from the decoded bytes. */
struct segment_index {
    uint64_t first_seq;
    uint16_t clean; /* of the footer: read by segment_footer_clean */
    struct segment_head head;
    struct segment_notes_at notes;
    struct segment_chunk *chunks;
    struct segment_keyframe *keyframes;
    struct segment_marker *markers;
    uint32_t n_chunks, n_keyframes, n_markers;
};

void segment_index_deinit(struct segment_index *x); /* all zero is empty; safe twice */

/* Appends index and footer; the index will lie at 'offset'. first_seq, time and chunk of entries are not written where
 * the format derives them. */
void segment_index_write(const struct segment_index *x, uint64_t offset, struct buf *out);

/* The last 24 bytes of a plaintext of plain_len. ERR_CORRUPT, ERR_UNSUPPORTED (version). */
NODISCARD enum err segment_footer_read(struct span footer, uint64_t plain_len, uint64_t *ret_offset, uint32_t *ret_len,
                                       struct err_info *reterr);

/* The stamp in a footer that segment_footer_read passed. */
uint16_t segment_footer_clean(struct span footer);

/* Decodes and checks every rule. 'offset' is where the index lies: all sections end before it. */
NODISCARD enum err segment_index_read(struct span bytes, uint64_t offset, struct segment_index *ret,
                                      struct err_info *reterr);

/* ---- of an open reader, for copying (segment_read.c) ---- */

const struct segment_index *segment_reader_index(const struct segment_reader *r); /* borrowed until its free */

/* Appends plaintext [at, at + n): a section as it is stored. */
NODISCARD enum err segment_reader_section(struct segment_reader *r, uint64_t at, uint32_t n, struct buf *out,
                                          struct err_info *reterr);
