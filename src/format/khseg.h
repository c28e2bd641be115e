#pragma once
/*
 * KHSEG1: the encryption of a segment (STANDARDS 4.1, docs/formats/segment.md): Cobblestone-256 with our context.
 *
 *   file = salt[24] || commitment[32] || block_0 || … || block_last
 *
 * Blocks hold 16,384 bytes of plaintext each, the last one always fewer, so that truncation shows. The key is derived
 * from the recording key, a salt and a context that names the segment's place, so nothing can be moved; a commitment is
 * compared before any block is opened.
 *
 * Threads: a writer or reader belongs to one thread at a time. Both keep an AES context (about 1.5 KiB).
 */
#include "base/buf.h"
#include "crypto/secret.h"

#define KHSEG_SALT_LEN    24
#define KHSEG_HEAD_LEN    56
#define KHSEG_BLOCK       16384
#define KHSEG_TAG         16
#define KHSEG_CONTEXT_LEN 53
#define KHSEG_SIZE_MIN    72
#define KHSEG_SIZE_MAX    (1ull << 40) /* bytes of a file; far under the cipher's 2^38 blocks */

#define KHSEG_KIND 1 /* of a piece, in tables and messages */

/* The place of a segment. Spans borrow; both are ids. */
struct khseg_context {
    struct span project; /* p_… */
    struct span rid;     /* r_… */
    uint16_t kn;         /* number of the recording key */
    uint8_t track;       /* 0 main */
    uint32_t seg_no;     /* never used twice in a recording */
    uint8_t codec;       /* 1 = docs/formats/segment.md */
};

/* 53 bytes. ERR_INVAL: project or rid is no id of its kind. */
NODISCARD enum err khseg_context(const struct khseg_context *c, uint8_t out[KHSEG_CONTEXT_LEN],
                                 struct err_info *reterr);

/* Bytes of the file for n bytes of plaintext. */
uint64_t khseg_file_size(uint64_t n);

/* ---- writing ---- */

struct khseg_writer;

/*
 * Appends the head to *out, which is borrowed and gets every byte; the caller may drain it between calls. The salt is
 * fresh random bytes. rk (32 bytes) is read here only. ERR_INVAL, ERR_NOMEM, ERR_CRYPTO, ERR_LIMIT (out is full).
 */
NODISCARD enum err khseg_writer_new(const struct secret *rk, const struct khseg_context *c, struct buf *out,
                                    struct khseg_writer **ret, struct err_info *reterr);

/* For vectors only: a salt used twice under one RK and context repeats nonces. */
NODISCARD enum err khseg_writer_new_salted(const struct secret *rk, const struct khseg_context *c,
                                           const uint8_t salt[KHSEG_SALT_LEN], struct buf *out,
                                           struct khseg_writer **ret, struct err_info *reterr);

/* Wipes what is not written; *out then holds an unfinished file. Takes NULL, returns NULL. */
struct khseg_writer *khseg_writer_free(struct khseg_writer *w);
void khseg_writer_freep(struct khseg_writer **w);

/* After an error only free is allowed. */
NODISCARD enum err khseg_write(struct khseg_writer *w, struct span plain, struct err_info *reterr);

/* Bytes given to khseg_write so far. */
uint64_t khseg_written(const struct khseg_writer *w);

/* The last block. Afterwards only free is allowed. */
NODISCARD enum err khseg_finish(struct khseg_writer *w, struct err_info *reterr);

/* ---- reading ---- */

/* Where the bytes come from. read fills all n bytes or fails; it is called for ranges inside size only. */
struct khseg_source {
    uint64_t size;
    enum err (*read)(void *ctx, uint64_t at, void *to, size_t n, struct err_info *reterr);
    void *ctx; /* borrowed, for the reader's life */
};

/* A source over memory; *bytes is borrowed for the reader's life. */
struct khseg_source khseg_source_span(const struct span *bytes);

struct khseg_reader;

/*
 * Checks length and commitment, then opens the last block to learn the plaintext's length.
 * ERR_CORRUPT: length rule, wrong key or context, changed bytes. Others as the source's.
 */
NODISCARD enum err khseg_open(const struct khseg_source *source, const struct secret *rk, const struct khseg_context *c,
                              struct khseg_reader **ret, struct err_info *reterr);
struct khseg_reader *khseg_reader_free(struct khseg_reader *r);
void khseg_reader_freep(struct khseg_reader **r);

uint64_t khseg_plain_len(const struct khseg_reader *r);

/*
 * Plaintext [at, at + n) into 'to'; every byte is authenticated before it is there. Takes up to 160 KiB of heap for its
 * duration. ERR_INVAL: past the end. ERR_CORRUPT: a block is not authentic; 'to' is zeroed then, and on every error.
 */
NODISCARD enum err khseg_read(struct khseg_reader *r, uint64_t at, void *to, size_t n, struct err_info *reterr);
