#pragma once
/*
 * Percent-encoding (RFC 3986) of path segments and query strings, strictly: a bad escape, %00, decoded bytes that are
 * not UTF-8, and raw bytes that may not stand in a URL (controls, space, non-ASCII) are refused, never passed on.
 * Texts never echo input.
 */
#include "base/tree.h"

#define URL_QUERY_MAX 64 /* parameters of one query string */

/* Appends one decoded path segment. ERR_INVAL, ERR_LIMIT (the buffer's ceiling); *out is then as before. */
NODISCARD enum err url_decode_segment(struct span in, struct buf *out, struct err_info *reterr);

/*
 * Appends the tree of a query string (what follows '?', without it): an object of strings. '+' is a space, as forms send
 * it. "a" and "a=" are both the empty string. ERR_INVAL: as above, an empty name, a name given twice.
 * ERR_LIMIT: more than URL_QUERY_MAX parameters, or the buffer's ceiling.
 */
NODISCARD enum err url_query_parse(struct span query, struct buf *tree, struct err_info *reterr);

/* Appends with everything escaped but letters, digits and "-._~". Good for segments, names and values. */
void url_encode(struct buf *out, struct span in);
