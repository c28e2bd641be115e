#pragma once
/*
 * The state machine under codec/json.h and codec/json_scan.h; not for others.
 *
 * One value at a time, fed in pieces of any size. Its state is this struct and nothing else. White space outside strings
 * is dropped, all other bytes go to 'out' as they came. Positions run on over any number of values.
 */
#include "codec/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum json_step { JSON_MORE, JSON_DONE, JSON_BAD };

struct json_lex {
    const struct json_limits *lim;
    const uint8_t *base; /* first byte of the piece being fed; offset is its position */
    uint64_t offset;
    uint64_t line;
    uint64_t line_at; /* offset of the line's first byte */
    uint64_t str_len;
    uint64_t begin_offset, begin_line; /* of the value's first byte */
    uint32_t depth, depth_max;
    uint32_t members;
    uint32_t num_len;
    uint32_t cp;      /* code unit being read from \uXXXX */
    uint32_t high;    /* high surrogate waiting for its pair, or 0 */
    uint8_t state;
    uint8_t more;     /* UTF-8 continuation bytes or hex digits to come */
    uint8_t lo, hi;   /* bounds of the next continuation byte */
    bool in_name;
    const char *literal; /* what is still to come */
    struct json_error err;
    uint8_t stack[JSON_DEPTH_CAP / 8]; /* bit set: object */
};

void json_lex_init(struct json_lex *l, const struct json_limits *lim);

/* Gets ready for the next value; positions go on. */
void json_lex_next_value(struct json_lex *l);

/* *ret_used: bytes taken; JSON_DONE leaves what follows the value. 'out' may be NULL. */
enum json_step json_lex_feed(struct json_lex *l, struct span in, size_t *ret_used, struct buf *out);

/* The input ends here: JSON_DONE or JSON_BAD. */
enum json_step json_lex_end(struct json_lex *l);

/* True between json_lex_next_value and the value's first byte. */
bool json_lex_idle(const struct json_lex *l);

/* Takes white space; returns how much. */
size_t json_lex_space(struct json_lex *l, struct span in);

/* Notes an error at the current position plus 'at'. Returns JSON_BAD. */
enum json_step json_lex_fail(struct json_lex *l, enum json_cause cause, uint64_t at, uint64_t limit);

/* Valid text with that many members: no object has a name twice. (json.c) */
bool json_no_duplicates(struct span in, const struct json_limits *lim, uint32_t members, struct json_error *reterr);

/* ---- Tokens of valid bytes (json_value.c). Linear; reads stay inside the span. */

struct span json_skip_space(struct span s);

/* Index of the closing quote of the string whose content starts at i; s.n when there is none. */
size_t json_string_end(struct span s, size_t i);

/* First byte that is not a plain ASCII byte of a string; 'end' when there is none. */
static inline const uint8_t *json_plain_run(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) p);
        /* signed: bytes from 0x80 are negative, so one compare finds controls and non-ASCII */
        __m128i odd = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                                _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
        int mask = _mm_movemask_epi8(odd);

        if (mask != 0)
            return p + __builtin_ctz((unsigned) mask);
        p += 16;
    }
#endif
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Index of the first quote or bracket of either kind from i on; s.n when there is none. */
size_t json_next_bracket(struct span s, size_t i);

/* Cuts the value that starts at *at (white space before it allowed). */
struct json_value json_take_value(struct span *at);

const char *json_cause_text(enum json_cause cause);
