#pragma once
/*
 * KHSPL1: what recovery saved of a recording from the log of a process that died (docs/formats/log.md): a header, one open
 * record, data records. A piece of kind KHSPL_KIND; each data record counts as a chunk.
 *
 * Threads: one at a time.
 */
#include "format/khlog.h"

#define KHSPL_KIND 2 /* of a piece, in tables and messages */

struct khspl_record { /* one data record */
    uint64_t at; /* in the file */
    uint32_t len;
    uint32_t number, n_events, flags;
    uint64_t batch_seq, first_seq;
};

struct khspl;

/*
 * Reads and checks the whole file (CRC and order of each record) and keeps the list of its records (40 bytes each); needs
 * no key. ERR_CORRUPT: anything wrong, also one torn byte at the end. Others as the source's.
 */
NODISCARD enum err khspl_open(const struct khseg_source *source, struct khspl **ret, struct err_info *reterr);
struct khspl *khspl_free(struct khspl *s); /* wipes its key */
void khspl_freep(struct khspl **s);

uint32_t khspl_file_no(const struct khspl *s);
const struct khlog_open *khspl_begin(const struct khspl *s); /* borrowed until free */
size_t khspl_n(const struct khspl *s);
const struct khspl_record *khspl_at(const struct khspl *s, size_t i); /* NULL: none */

/*
 * Takes the key: place and commitment are checked. rk is read here only. Needed before khspl_read.
 * ERR_CORRUPT: the file names another project, recording, kn or track, or the key is another one.
 */
NODISCARD enum err khspl_unlock(struct khspl *s, const struct secret *rk, struct span project, struct span rid,
                                uint16_t kn, uint8_t track, struct err_info *reterr);

/* Appends the zstd frame of record i to *out. ERR_CORRUPT, ERR_STATE: not unlocked, ERR_NOTFOUND, ERR_LIMIT. */
NODISCARD enum err khspl_read(struct khspl *s, size_t i, struct buf *out, struct err_info *reterr);
