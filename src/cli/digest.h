#pragma once
/*
 * What a voter is shown, and the digest of exactly that (STANDARDS 2.1, docs/formats/request.md).
 *
 * The command believes no digest that it has not computed itself from the values it prints: seen_read takes the values out of
 * the server's answer, checks that the two places where the answer has them agree, and seen_digest hashes those values. A
 * member that is unknown here could not be shown, so it is refused.
 */
#include "base/tree.h"

#define SEEN_DIGEST_LEN 43

struct seen {
    struct tree object;  /* the digest object */
    struct tree request; /* the answer it came in */
};

/* q: the id that was asked for. ERR_CORRUPT: the answer is not consistent; the text names the member. */
NODISCARD enum err seen_read(struct tree request, struct span q, struct seen *ret, struct err_info *reterr);

/* Recomputed over the members that are shown. ERR_CORRUPT as above. */
NODISCARD enum err seen_digest(const struct seen *s, char out[SEEN_DIGEST_LEN + 1], struct err_info *reterr);

/* Everything that the digest covers, as lines; texts made safe. */
void seen_text(const struct seen *s, struct buf *out);
