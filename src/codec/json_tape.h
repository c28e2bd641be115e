#pragma once
/*
 * The tokens of one JSON value, found in one pass: where each value begins and ends, and how many tokens lie in it. Who walks over
 * an event several times (codec/rrweb, sanitize, mask_rrweb, facts) then steps over a node without looking at its bytes, and reads a
 * member without looking for its end.
 *
 * A value with its tokens is an ordinary struct json_value: json_iter, json_next and json_find use them when they are there.
 *
 * Life:    init -> (read | begin -> more*)* -> deinit. Tokens are valid until the next read; values that carry them as long.
 * Memory:  16 bytes a token, at most JSON_TAPE_MAX; a value with more has none, and is walked byte by byte.
 * Threads: one at a time.
 */
#include "codec/json.h"

#define JSON_TAPE_MAX (128u << 20) /* the most that an event of 16 MiB can have */

struct json_tape {
    struct json_token *v;
    uint32_t n, cap;
    uint32_t members; /* as json_limits.members counts them: values in the outermost one, without names */
    /* of a value that is not over: where to go on */
    uint32_t top, depth, at, scan;
    uint8_t state;
    bool escaped;
};

void json_tape_init(struct json_tape *t);
void json_tape_deinit(struct json_tape *t);

/* Gives back what one large value needed; tokens are over. */
void json_tape_rest(struct json_tape *t);

/*
 * The array or object at in.p[0], strictly as json_lex reads it, without white space between tokens: true, *ret_used: its length, and its
 * tokens are in *t. False: anything else, also what may be an error, goes past a limit or is cut off; ask the slow reader.
 * Limits that count: bytes, depth, members, string (in bytes as written), lone surrogates, NUL. Names are not compared.
 */
bool json_tape_read(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used);

/*
 * The same of a value that comes in pieces. CUT: it is not over, and nothing that was seen speaks against it (of a number that is cut not all is looked at); json_tape_more gets all its bytes again, which may
 * have moved, with more behind them, and reads only what is new. The limits stay the same.
 */
enum json_tape_step { JSON_TAPE_WHOLE, JSON_TAPE_CUT, JSON_TAPE_NOT };
enum json_tape_step json_tape_begin(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used);
enum json_tape_step json_tape_more(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used);

/* Bytes [from, to) of a text that became 'len' others. */
struct json_edit {
    uint32_t from, to, len;
};

/*
 * The tokens of an edited text from those of the one before, without reading it: 'edits' are in order and apart, each takes out values or members
 * with a comma, puts a scalar or an empty container in the place of a value, or changes a string inside. False: some edit does something else
 * (puts in, above all), or no memory; then the text has to be read.
 */
bool json_tape_edit(struct json_tape *t, const struct json_token *before, const struct json_edit *edits, size_t n, struct span text);

/* The array or object that 'bytes' is, with its tokens; NULL: any value, without. */
struct json_value json_tape_value(const struct json_token *tokens, struct span bytes);

/* 'bytes', valid and minified, with tokens when there is room for them, else as json_value gives it. */
struct json_value json_tape_of(struct json_tape *t, struct span bytes);
