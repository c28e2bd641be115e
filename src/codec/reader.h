#pragma once
/*
 * reader: one recording in a format that is not JSON events, pushed in pieces, told to a castout. What importer.c knows
 * of ttyrec, tlog and bundle.
 *
 * Life:   NAME_new(&castout) -> reader_feed* -> reader_finish -> reader_free. After an error only reader_free.
 * Errors: ERR_INVAL, ERR_CORRUPT: broken, at 'line' and 'offset'. ERR_UNSUPPORTED: none of ours, or more than one
 *         recording. ERR_LIMIT: 'limit' names it. Texts are fixed, never input. An error of the castout's sinks goes up.
 */
#include "codec/castout.h"

struct reader {
    enum err (*feed)(struct reader *r, struct span in, struct err_info *reterr);
    enum err (*finish)(struct reader *r, struct err_info *reterr);
    void (*free)(struct reader *r);
    uint64_t line, offset; /* of what is being read; line 0: a binary format, or a tar's frame */
    const char *limit;     /* with ERR_LIMIT */
    uint64_t limit_value;
};

static inline struct reader *reader_free(struct reader *r)
{
    if (r != NULL)
        r->free(r);
    return NULL;
}
