#pragma once
/*
 * Refusals on their way to the audit: the first of a kind goes at once, what repeats within a second goes as a count, so
 * that a flood of bad keys costs the keeper a few hundred messages a second and no more. The keeper counts by the minute
 * (STANDARDS 3.2 'Floods'). Threads: its lane's.
 */
#include "gate/lane.h"

#define REFUSALS_KINDS_MAX 256

struct refusals;

struct refusals *refusals_new(const uint8_t secret[16]); /* NULL: no memory */
struct refusals *refusals_free(struct refusals *r);

/* to: the keeper's link; NULL: away, everything is counted and kept. */
void refusals_add(struct refusals *r, const struct refusal *what, struct link *to);
/* Each second. */
void refusals_flush(struct refusals *r, struct link *to);
