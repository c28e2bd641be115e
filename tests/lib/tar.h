#pragma once
/* Tars of our own for tests: one member after another, without the blocks of the end. type: '0' a file, as in POSIX ustar. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "codec/tar_read.h"

static inline void tar_add_member(struct buf *tar, char type, const char *name, struct span body)
{
    uint8_t h[TAR_BLOCK] = { 0 };
    unsigned sum = 0;

    (void) snprintf((char *) h, 100, "%s", name);
    (void) snprintf((char *) h + 124, 12, "%011o", (unsigned) body.n);
    h[156] = (uint8_t) type;
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += h[i];
    (void) snprintf((char *) h + 148, 8, "%06o", sum);
    buf_add(tar, h, TAR_BLOCK);
    buf_add_span(tar, body);
    while (tar->n % TAR_BLOCK != 0)
        buf_u8(tar, 0);
}
