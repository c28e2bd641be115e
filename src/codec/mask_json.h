#pragma once
/*
 * mask_json: the strings of one JSON text and what has to go out of each: patterns, also where a character is written as an escape of
 * JSON, of a form or of HTML inside the string; values beside a name that goes whole; compressed text. What it finds is collected in
 * 'edit'. codec/mask_rrweb knows which string is what; heads and payloads go through mask_json_value as they are.
 *
 * Life:    init -> (begin -> string, whole, value … -> 'edit')* -> deinit.
 * Threads: one at a time.
 * Failure: sticky in 'err' until the next begin: then the text must not be stored.
 * Left as it is: base64 of pictures, fonts and canvases (a hit in it would be chance).
 */
#include "codec/json.h"
#include "codec/mask_edit.h"

#define MASK_UNPACK_MAX (16u << 20) /* of one compressed string, and */
#define MASK_UNPACK_ALL (64u << 20) /* of all in one text; what goes beyond is masked whole */

struct mask_json {
    const struct mask_rules *rules;
    struct mask_scanner *scanner; /* borrowed */
    uint64_t *counts;             /* MASK_RULES_MAX of them */
    struct span json;
    bool patterns;                /* some string has a hit of a pattern */
    struct mask_edit edit;
    struct buf text, plain, found, inner;
    uint64_t unpacked;
    struct err_info err; /* code ERR_OK: none */
};

/* How a value is looked at. */
struct mask_how {
    bool payload;  /* whatever a page logged or sent: also names of members, whole numbers, lines of headers */
    bool whole;    /* everything goes, for: */
    uint16_t rule;
};

/* 'max': bytes of a text. */
void mask_json_init(struct mask_json *m, const struct mask_rules *rules, struct mask_scanner *scanner, uint64_t *counts, size_t max);
void mask_json_deinit(struct mask_json *m);

/* 'json': valid and minified; every raw string below lies in it. */
/* Between batches: what one large event needed is given back; thousands of recordings are open. */
#define MASK_JSON_KEPT (64u << 10)
static inline void mask_json_rest_buf(struct buf *b)
{
    if (b->cap > MASK_JSON_KEPT)
        buf_deinit(b);
}
void mask_json_rest(struct mask_json *m);

void mask_json_begin(struct mask_json *m, struct span json);

/* One string's content. headers: lines like "cookie: …" may be in it. Strings come in the order in which they lie in the text. */
void mask_json_string(struct mask_json *m, struct span raw, bool fields, bool headers);
void mask_json_whole(struct mask_json *m, struct span raw, uint16_t rule);

/* Everything in a value. */
void mask_json_value(struct mask_json *m, struct json_value v, struct mask_how how);

/* Decoded, into m->text when it has escapes. Valid until the next call. */
struct span mask_json_text(struct mask_json *m, struct span raw);

/* Any decoded text: its hits, in order; valid until the next call. Also where a character is written as an escape. 'err' is new. */
size_t mask_json_hits(struct mask_json *m, struct span text, bool *io_key, const struct mask_hit **ret);
