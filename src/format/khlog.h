#pragma once
/*
 * KHLOG1, the node's log of live data, and KHSPL1, what recovery makes of it (STANDARDS 4.3, docs/formats/log.md).
 * Pure: bytes in, bytes out. store/reclog writes the files.
 *
 *   file   = header[16] || record …          record = u32 len || u32 crc32c || u32 type || u32 local || body
 *
 * A record's frame is encrypted under a key of its recording and file; everything else is in clear, so that recovery
 * needs no key. Each frame is one zstd frame (content size at most 16 MiB + 1) of NDJSON, the head's JSON, or empty for a
 * batch without events.
 *
 * Layers: format/khspl.h reads pieces, store/reclog.h writes and recovers logs.
 * Threads: a khlog_key belongs to one thread at a time; everything else keeps no state.
 */
#include "format/khseg.h"

#define KHLOG_HEADER_LEN     16
#define KHLOG_SALT_LEN       24
#define KHLOG_COMMITMENT_LEN 32
#define KHLOG_PREFIX_LEN     16 /* of every record */
#define KHLOG_DATA_LEN       44 /* bytes of a data record before its ciphertext */
#define KHLOG_DATA_MIN       60
#define KHLOG_TAG            16
#define KHLOG_CLOSE_LEN      20
#define KHLOG_OPEN_MIN       115
#define KHLOG_OPEN_MAX       370 /* by the length of the wrap, 0 to 255 */
#define KHLOG_FRAME_MAX      ((16u << 20) + (128u << 10)) /* a zstd frame of one event of 16 MiB that does not shrink */
#define KHLOG_RECORD_MAX     (KHLOG_DATA_LEN + KHLOG_FRAME_MAX + KHLOG_TAG)
#define KHLOG_FILE_MAX       (UINT32_C(1) << 31) /* bytes of a file that is read; written ones keep to 64 MiB */
#define KHLOG_CODEC          2                   /* of data records: one zstd frame each */

enum khlog_file { KHLOG_FILE_LOG, KHLOG_FILE_SPL };

enum khlog_type { KHLOG_OPEN = 1, KHLOG_DATA = 2, KHLOG_CLOSE = 3 };

enum khlog_flag {
    KHLOG_HEAD = 1, /* the recording's head (JSON), not events */
    KHLOG_LAST = 2, /* of its batch */
    KHLOG_LATE = 4, /* marks, not events (codec/intake.h): what of earlier events belongs to a match that this batch completed */
    KHLOG_UNSURE = 8, /* marks: what of this batch and before it may become part of a match; counts while no later batch is there */
};

/* Where a recording's data in one file belongs. Spans borrow. */
struct khlog_place {
    struct span project; /* p_… */
    struct span rid;     /* r_… */
    uint16_t kn;
    uint8_t track;
    uint8_t codec; /* KHLOG_CODEC */
    uint32_t file_no;
};

struct khlog_open {
    uint16_t kn;
    uint8_t track, codec;
    uint8_t salt[KHLOG_SALT_LEN];
    uint8_t commitment[KHLOG_COMMITMENT_LEN];
    struct span project, rid, wrap; /* borrow from the record */
};

struct khlog_data {
    uint32_t number; /* from 0 for each local, never twice under one key */
    uint32_t n_events;
    uint64_t batch_seq;
    uint64_t first_seq;
    uint32_t flags; /* enum khlog_flag */
    struct span ct; /* ciphertext || tag; borrows from the record */
};

/* One record as it stands in a file; the fields of its type are set. */
struct khlog_record {
    enum khlog_type type;
    uint32_t local; /* number of the recording in this file, from 0 */
    struct span bytes;
    union {
        struct khlog_open open;
        struct khlog_data data;
        uint32_t close; /* data records of 'local' below this number are in pieces */
    };
};

/* ---- writing ---- */

void khlog_header(enum khlog_file kind, uint32_t file_no, uint8_t out[KHLOG_HEADER_LEN]);

/* ERR_INVAL: ids, a wrap over 255 bytes. ERR_LIMIT: out is full. */
NODISCARD enum err khlog_write_open(const struct khlog_open *o, uint32_t local, struct buf *out,
                                    struct err_info *reterr);
void khlog_write_close(uint32_t local, uint32_t number, uint8_t out[KHLOG_CLOSE_LEN]);

/* Bytes of the data record of a frame of n bytes. */
size_t khlog_data_size(size_t n);

/* ---- keys ---- */

/* Key, base nonce and place of one recording in one file. Holds a key schedule (about 1 KiB): free it with the RK. */
struct khlog_key;

/* As a writer: also gives the commitment for the open record. salt: 24 random bytes, fresh for each open record. */
NODISCARD enum err khlog_key_new(const struct secret *rk, const struct khlog_place *p,
                                 const uint8_t salt[KHLOG_SALT_LEN], uint8_t ret_commitment[KHLOG_COMMITMENT_LEN],
                                 struct khlog_key **ret, struct err_info *reterr);

/* As a reader of what 'o' begins. ERR_CORRUPT: the commitment differs: another RK, or changed bytes. */
NODISCARD enum err khlog_key_open(const struct secret *rk, const struct khlog_open *o, uint32_t file_no,
                                  struct khlog_key **ret, struct err_info *reterr);

/* It is the key of what 'o' begins (same salt and commitment). */
bool khlog_key_fits(const struct khlog_key *k, const struct khlog_open *o);

struct khlog_key *khlog_key_free(struct khlog_key *k); /* wipes */
void khlog_key_freep(struct khlog_key **k);

/*
 * Writes the whole data record, khlog_data_size(frame.n) bytes, to out. d->ct is not read. A number may be given once
 * only, whatever becomes of the record. ERR_LIMIT: frame over KHLOG_FRAME_MAX. ERR_CRYPTO.
 */
NODISCARD enum err khlog_seal(struct khlog_key *k, uint32_t local, const struct khlog_data *d, struct span frame,
                              uint8_t *out, struct err_info *reterr);

/*
 * Appends the frame of the data record 'r' to *out (bytes that are not authentic never stay there).
 * ERR_CORRUPT: not authentic under this key. ERR_LIMIT: out is full.
 */
NODISCARD enum err khlog_unseal(struct khlog_key *k, const struct khlog_record *r, struct buf *out,
                                struct err_info *reterr);

/* ---- reading ---- */

/* False: not a header of that kind, or its CRC is wrong. */
NODISCARD bool khlog_header_read(struct span header, enum khlog_file kind, uint32_t *ret_file_no);

/* Length of the record that begins with these 16 bytes. False: none can (zeros, a length that no type has, …). */
NODISCARD bool khlog_peek(struct span prefix, uint32_t *ret_len);

/* Decodes exactly one record. False: CRC, length or a field is wrong. */
NODISCARD bool khlog_record_read(struct span bytes, struct khlog_record *ret);

/*
 * A walk over the records of a file, header included. Life: init -> next* -> deinit. Memory: the largest record, and
 * 256 KiB.
 */
struct khlog_scan {
    struct khseg_source source;
    uint64_t at;     /* of what comes next, in the file */
    size_t in;       /* the same in 'window' */
    struct buf window;
};

enum khlog_step {
    KHLOG_STEP_RECORD,
    KHLOG_STEP_END,  /* the file ends behind a record */
    KHLOG_STEP_TORN, /* what follows scan->at is no record: the tail is torn, or bytes were changed */
};

void khlog_scan_init(struct khlog_scan *s, const struct khseg_source *source); /* *source is copied, its ctx borrowed */
void khlog_scan_deinit(struct khlog_scan *s); /* safe twice */

/* First of all: the header. *ret_step: RECORD (go on), or TORN: not a header of that kind. Errors as the source's. */
NODISCARD enum err khlog_scan_header(struct khlog_scan *s, enum khlog_file kind, uint32_t *ret_file_no,
                                     enum khlog_step *ret_step, struct err_info *reterr);

/*
 * *ret and *ret_at (where it begins) are set for RECORD; spans live until the next call. After END or TORN only deinit is
 * allowed. Each record is checked by itself; order is the caller's. Errors as the source's; ERR_NOMEM.
 */
NODISCARD enum err khlog_scan_next(struct khlog_scan *s, struct khlog_record *ret, uint64_t *ret_at,
                                   enum khlog_step *ret_step, struct err_info *reterr);
