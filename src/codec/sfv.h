#pragma once
/*
 * Structured field values (RFC 9651), as far as our headers need them: strings, Display Strings, and lists of them.
 *
 *   Keyhole-Title, Keyhole-Subject   one item:  "checkout fails"   or   %"Gr%c3%bc%c3%9fe"
 *   Keyhole-Tag, Keyhole-Link        a list:    "error:9f2c" or error="9f2c"; tags: "plan=pro", "checkout" or plan="pro"
 *
 * A header that came in several lines is joined with ", " before it gets here (RFC 9110 5.3).
 * Parameters (;a=1) are checked and ignored. Strict: RFC 9651 section 4.2 to the letter, and U+0000 is refused.
 */
#include "base/tree.h"

/* Appends the decoded text of an item that is a String or a Display String. ERR_INVAL, ERR_LIMIT (the ceiling). */
NODISCARD enum err sfv_string(struct span header, struct buf *out, struct err_info *reterr);

/*
 * Appends a tree: an array of [name, value] pairs of strings, in order. LINKS: a string is cut at its first ':', which must
 * be there. TAGS: at its first '='; without one the value is empty. A name must stand before it. key="value" is taken as it
 * stands. At most 'max' pairs (ERR_LIMIT). Empty: no pairs.
 */
enum sfv_pair { SFV_LINKS, SFV_TAGS };
NODISCARD enum err sfv_pairs(struct span header, enum sfv_pair form, size_t max, struct buf *tree, struct err_info *reterr);

/* Appends UTF-8 text as a String where it is printable ASCII, else as a Display String. False: not UTF-8, or the ceiling. */
NODISCARD bool sfv_add_string(struct buf *out, struct span text);
