#pragma once
/*
 * Tiles of a log's Merkle tree and bundles of its entries (STANDARDS 3.3; c2sp.org/tlog-tiles): which there are, what
 * they are called, how a bundle is written. Pure. Format: docs/formats/audit.md.
 *
 * A tile of level L, index N holds the hashes of nodes (8 L, 256 N) to (8 L, 256 N + width - 1); level 0: leaf hashes. A
 * bundle holds the leaves of the level-0 tile of the same index, each with its length before it, u16be.
 */
#include "base/buf.h"

#define TILE_WIDTH     256 /* hashes of a full tile */
#define TILE_HEIGHT    8   /* levels of the tree that a tile spans */
#define TILE_LEVELS    5   /* of MERKLE_LEVELS: 40 / 8 */
#define TILE_PATH_CAP  48
#define TILE_ENTRY_MAX 65535

struct tile {
    bool entries;   /* a bundle; level is 0 */
    unsigned level;
    uint64_t n;
    unsigned width; /* 1 to TILE_WIDTH; TILE_WIDTH: full */
};

/*
 * "<L>/<N>[.p/<W>]" or "entries/<N>[.p/<W>]", N in groups of three digits ("x001/x234/067"). Only the one canonical
 * form: no leading zeros but those that fill a group. False: not a path of a tile, or of one beyond 2^40 leaves.
 */
NODISCARD bool tile_parse(struct span path, struct tile *ret);
/* The path below "tile/". */
void tile_path(const struct tile *t, char out[TILE_PATH_CAP]);

/* How wide tile (level, n) is in a tree of 'size' leaves; 0: it is not there. A bundle: as level 0. */
unsigned tile_width(unsigned level, uint64_t n, uint64_t size);

/* Is it there in a tree of 'size' leaves? A partial one also where the tree has grown since: it is how the tile began. */
bool tile_is_in(const struct tile *t, uint64_t size);

/* Index of the first leaf below the tile, and of the first after it. */
uint64_t tile_first(const struct tile *t);
uint64_t tile_end(const struct tile *t);

/*
 * Visits what a log that grew from 'old' to 'size' leaves needs anew: tiles and bundles that became wider, upwards from
 * level 0, each level's in order. For (struct tile_walk w = tile_walk(old, size); tile_walk_next(&w, &t);).
 */
struct tile_walk {
    uint64_t old, size;
    unsigned level;
    bool entries; /* next come the bundles; they are first */
    uint64_t n;
};
struct tile_walk tile_walk(uint64_t old, uint64_t size);
bool tile_walk_next(struct tile_walk *w, struct tile *ret);

/* Appends an entry to a bundle. ERR_LIMIT: longer than TILE_ENTRY_MAX. */
NODISCARD enum err tile_entry_add(struct buf *bundle, struct span entry, struct err_info *reterr);
/* Takes the next entry off *rest (borrowed). False: nothing is left, or what is left is no entry (rest->n > 0). */
NODISCARD bool tile_entry_next(struct span *rest, struct span *ret);
