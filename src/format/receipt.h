#pragma once
/*
 * The receipt of one record: a .tlog-proof (STANDARDS 3.3; c2sp.org/tlog-proof@v1). Its 'extra' line holds the exact bytes
 * of the leaf, so with the log's vkey (or a tlog-policy that has it) nothing else is needed to check it. Pure.
 */
#include "format/note.h"

#define RECEIPT_MAX (128u << 10) /* bytes of one that is read */

struct receipt {
    struct span leaf; /* decoded from 'extra'; empty: there is no such line */
    uint64_t index;
    struct merkle_proof path;
    struct span note; /* the checkpoint, verbatim */
};

/* Appends the text. */
NODISCARD enum err receipt_write(const struct receipt *r, struct buf *b, struct err_info *reterr);

/* ret->note borrows from text, ret->leaf from 'leaf' (room for it; appended). ERR_INVAL: not this form; ERR_LIMIT. */
NODISCARD enum err receipt_parse(struct span text, struct buf *leaf, struct receipt *ret, struct err_info *reterr);

enum receipt_verdict {
    RECEIPT_GOOD,
    RECEIPT_MALFORMED,   /* the checkpoint is none */
    RECEIPT_UNKNOWN_KEY, /* not signed by this key */
    RECEIPT_FORGED,      /* its signature is false */
    RECEIPT_ORIGIN,      /* the checkpoint of another log than the key's */
    RECEIPT_NOT_IN,      /* the path does not lead from this leaf at this index to the root */
};

const char *receipt_verdict_word(enum receipt_verdict v);

/* Is 'leaf' (the exact bytes) record r->index of the log that k signs for? *ret_size (may be NULL): of the checkpoint. */
enum receipt_verdict receipt_check(const struct receipt *r, struct span leaf, const struct note_vkey *k,
                                   uint64_t *ret_size);
