#pragma once
/*
 * One file out of a form (RFC 7578, RFC 2046 5.1), pushed in pieces: what `asciinema upload` sends. The first part of the
 * wanted name is the file; other parts are read over.
 *
 * Life: init -> feed* -> finish. Pure; a few KiB of state and the piece at hand. Threads: one at a time.
 * Strict: lines end in CRLF, a boundary of 1 to 70 characters, headers of a part of at most 8 KiB.
 */
#include "base/buf.h"

#define MULTIPART_BOUNDARY_MAX 70

enum multipart_state { MULTIPART_PREAMBLE, MULTIPART_HEADERS, MULTIPART_OTHER, MULTIPART_FILE, MULTIPART_OVER };

struct multipart {
    enum multipart_state state;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CRLF "--" boundary */
    size_t delimiter_len;
    const char *name;
    struct buf held; /* may be the beginning of a delimiter, or a part's headers */
    size_t at;       /* so much of 'held' is read; it goes at the end of a feed, all at once: a form may have a million parts */
    bool found;      /* the file's part was there */
};

/* The boundary of a Content-Type. ERR_UNSUPPORTED: not multipart/form-data. ERR_INVAL: no boundary, or one that may not be. */
NODISCARD enum err multipart_init(struct multipart *m, struct span content_type, const char *name, struct err_info *reterr);
void multipart_deinit(struct multipart *m);

typedef enum err multipart_sink(void *ctx, struct span bytes);

/* The file's bytes go to 'sink', whose error ends it and is passed up. ERR_CORRUPT: not of this form. */
NODISCARD enum err multipart_feed(struct multipart *m, struct span in, multipart_sink *sink, void *ctx, struct err_info *reterr);

/* The body is over. ERR_CORRUPT: it was cut. ERR_INVAL: there was no such part. */
NODISCARD enum err multipart_finish(const struct multipart *m, struct err_info *reterr);
