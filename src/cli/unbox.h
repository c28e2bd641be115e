#pragma once
/*
 * unbox: archives and packed files, through libarchive (tar, zip, 7z, cpio; gzip, bzip2, xz, zstd, lz4 around them or around one
 * file). The only user of archive.h. Entries become files of the bag, in its spool; links and devices are passed over, and
 * names are only shown, never opened.
 */
#include "cli/bag.h"

enum unboxed {
    UNBOX_PLAIN, /* no archive, or one file in a packing that the server takes (gzip, zstd): as it is */
    UNBOX_TAKEN, /* its files are in the bag */
    UNBOX_BROKEN, /* told */
};

enum unboxed unbox(struct bag *b, int fd, int64_t size, const char *path, bool named);
