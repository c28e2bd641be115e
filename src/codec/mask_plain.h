#pragma once
/*
 * mask_plain: text inside text. A string of an event may hold JSON, a form, an address or HTML, in which a character is written as "\n",
 * "\u0040", "%40", "&#64;", and that to any depth. mask_plain_text is what it comes to, so that patterns see it; mask_plain_hits
 * leads their hits back.
 */
#include "codec/mask.h"

/* Is anything in it written so? */
bool mask_plain_needed(struct span text);

/* Appends the plain form; never longer than the text. False: a ceiling. */
NODISCARD bool mask_plain_text(struct span text, struct buf *out);

/* Hits of the plain form, in order, to those of the text, in place. */
void mask_plain_hits(struct span text, struct mask_hit *hits, size_t n);

/*
 * Values that stand beside a name that goes whole: of "a=b" in forms, queries and cookies, "a":"b" in JSON text, and with 'headers' "a: b" at
 * the start of a line. Appends struct mask_hit (MASK_FIELD), in order.
 */
void mask_plain_fields(const struct mask_rules *r, struct span text, bool headers, struct buf *hits);
