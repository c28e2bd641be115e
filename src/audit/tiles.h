#pragma once
/*
 * Tiles and entry bundles of a log, made from its table (docs/formats/audit.md): what is served and what lies in
 * DIR/audit/<log>/ are the same bytes. Any thread with a view of its own.
 */
#include "format/tile.h"
#include "meta/auditlog.h"

#define AUDIT_TILE_MAX (1u << 21) /* bytes: a bundle of 256 leaves of 4 096 has half of it */

/*
 * Appends the bytes of a tile that lies in the log (tile_is_in). ERR_CORRUPT: a row is missing, or a leaf is not what its
 * hash says; ERR_NOTFOUND: a node is.
 */
NODISCARD enum err audit_tile_read(struct meta_view *v, struct span log, const struct tile *t, struct buf *b,
                                   struct err_info *reterr);
