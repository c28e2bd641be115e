#pragma once
/*
 * Pages of lists: keyset paging, newest first. A position is the sort key of the last row seen; the opaque cursor that
 * clients carry is a position with a MAC over what was listed, so that it opens the same list only (STANDARDS 5.1).
 */
#include "base/buf.h"

#define META_PAGE_MAX   1000 /* rows */
#define META_CURSOR_LEN 43   /* characters of a cursor */

struct meta_pos {
    int64_t key; /* of lists that are not ordered by seq alone */
    int64_t seq; /* 0: from the start */
};

struct meta_page {
    struct meta_pos after; /* {0, 0}: the first page */
    uint32_t limit;        /* 1 to META_PAGE_MAX */
};

/* Where the next page starts; seq 0: there is none. */
static inline bool meta_pos_end(struct meta_pos p)
{
    return p.seq == 0;
}

/* 'list' names what is listed: route, person, every filter; any bytes. key: a secret of this server. */
void meta_cursor_write(const uint8_t key[32], struct span list, struct meta_pos pos, struct buf *b);
/* False: not a cursor of this list. */
NODISCARD bool meta_cursor_read(const uint8_t key[32], struct span list, struct span cursor, struct meta_pos *ret);
