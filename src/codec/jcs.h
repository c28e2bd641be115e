#pragma once
/*
 * JSON Canonicalization Scheme (RFC 8785) of trees without fractions: strings, integers up to 2^53 - 1 either way,
 * booleans, null, arrays, objects. Names are sorted by their UTF-16 code units; strings are escaped as little as
 * RFC 8785 3.2.2.2 says, unlike jsonw's. What it writes is hashed and signed, so there is one text for one value.
 */
#include "base/tree.h"

#define JCS_INT_MAX ((int64_t) 9007199254740991)

/*
 * Appends the canonical form of a checked tree. Needs memory in proportion to the members of the open objects.
 * ERR_INVAL: a number that is no integer, or an integer out of range. ERR_LIMIT: the buffer's ceiling. ERR_NOMEM.
 */
NODISCARD enum err jcs_add(struct buf *out, struct tree v, struct err_info *reterr);
