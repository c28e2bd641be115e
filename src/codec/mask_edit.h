#pragma once
/*
 * mask_edit: pieces of one JSON text that are replaced, collected in order, and the text made of them. What is not replaced stays byte
 * for byte, so the result is as valid as the input.
 *
 * Life:  init -> (reset -> string, number … -> apply)* -> deinit.
 * Limit: the ceiling given to init, of what is put in; past it 'failed'. Texts are below 4 GiB.
 */
#include "codec/mask.h"

enum mask_style {
    MASK_STYLE_SHOWN, /* mask_stars: white space and control bytes stay, one '*' a cell */
    MASK_STYLE_CELLS, /* of a terminal's screen: as SHOWN, but a wide character becomes a wide star (U+FF0A): one that wraps, or is repeated by a
                         sequence (REP), moves the cursor as before */
    MASK_STYLE_TYPED, /* one '*' a character, all but CR and LF */
};

struct mask_edit {
    struct buf pieces; /* struct piece, by 'from' */
    struct buf with;   /* what they are replaced with */
};

void mask_edit_init(struct mask_edit *e, size_t max);
void mask_edit_deinit(struct mask_edit *e);
void mask_edit_reset(struct mask_edit *e);

/*
 * hits: of the decoded text of the JSON string whose content is 'raw' (within json), in order, not overlapping, at character borders.
 * 'text' is it, decoded (json_string_decode).
 */
void mask_edit_string(struct mask_edit *e, struct span json, struct span raw, struct span text, const struct mask_hit *hits,
                      size_t n, enum mask_style style);

/* Bytes that stand in place of a hit, decoded. */
size_t mask_edit_len(struct span hit, enum mask_style style);

/* A number becomes a string of as many '*'. */
void mask_edit_number(struct mask_edit *e, struct span json, struct span raw);

bool mask_edit_any(const struct mask_edit *e);
bool mask_edit_failed(const struct mask_edit *e);

/* Appends the edited text. False: a ceiling. */
NODISCARD bool mask_edit_apply(const struct mask_edit *e, struct span json, struct buf *out);
