#pragma once
/*
 * The notes section of a segment as bytes (docs/formats/segment.md): what codec/facts found in it. Pure. What is read is
 * checked although only authentic bytes come here, as the index is.
 */
#include "codec/facts.h"

#define NOTES_RAW_MAX (1u << 20)
#define NOTES_WIDTH_MAX 40 /* bins of FACTS_BIN_US << 40: more than any recording's time */

/* Is there anything to store? */
bool notes_any(const struct facts_notes *n);

/* Appends the section's plaintext. */
void notes_write(const struct facts_notes *n, struct buf *out);

/*
 * Into *ret, which was initialised and is empty. end_seq: no note is about an event from there on; time_max: nor later.
 * ERR_CORRUPT: a rule is broken; ERR_NOMEM. *ret is empty then.
 */
NODISCARD enum err notes_read(struct span bytes, uint64_t end_seq, time_us time_max, struct facts_notes *ret,
                              struct err_info *reterr);
