#pragma once
/* What the targets of importers share: a file goes through codec/importer whole and in pieces, and everything that must hold does. */
#include "codec/importer.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            (void) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                          \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct imported {
    struct buf text; /* head and events, a line each, with own time and keyframe */
    uint64_t next;
    time_us seek;
    bool head;
    uint64_t unpacked; /* bytes */
    struct importer_error err;
    struct importer_result result; /* markers are gone */
};

/* What comes out of one file, the same each time. Small limits, so that they are met. rules: 0 none, else some that keep originals. */
struct imported_opts {
    enum importer_kind kind;
    size_t event_max, hold_max;
    bool masked, screens;
};
struct imported_opts imported_opts(void);

void imported_run(struct span in, size_t step, const struct imported_opts *o, struct imported *ret);
void imported_deinit(struct imported *i);

/* The same bytes whole and cut: the same events and the same error. Returns what came of the whole. */
enum err imported_both(struct span in, size_t step, const struct imported_opts *o);

/* A file as a member of a tar; after the last one nothing is needed. */
void imported_member(struct buf *tar, const char *name, struct span body);

/* gzip or zlib around it. */
void imported_pack(struct span in, bool gzip, struct buf *out);
