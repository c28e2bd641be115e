#pragma once
/*
 * The one strict JSON reader (RFC 8259).
 *
 * Everything goes through one state machine (json_lex.c): iterative, a fixed few hundred bytes of state, each limit
 * checked at the byte that breaks it and before anything is built. On top of it:
 *
 *   json_parse    a whole document into a base/tree.h value (control plane, key headers and payloads)
 *   json_check    is this one valid value?
 *   json_minify   the same, written without the white space outside strings; every other byte stays as it came
 *   json_scan.h   events out of inputs of any length, pushed in steps
 *   json_iter     members of bytes that are known to be valid, in place
 *
 * Strict: UTF-8 checked (RFC 3629), no byte order mark, no comments, no trailing commas, no lone surrogate escapes
 * (unless allowed), no duplicate names (unless allowed), numbers as in the grammar and at most JSON_NUMBER_MAX bytes.
 *
 * Threads: no shared state. Errors never echo input: a cause, a fixed text, and where.
 */
#include "base/tree.h"

#define JSON_DEPTH_CAP  1024 /* largest json_limits.depth; more is cut to this */
#define JSON_NUMBER_MAX 1024 /* bytes of one number's text */

struct json_limits {
    uint64_t bytes;           /* of the whole input, white space included */
    uint32_t depth;           /* arrays and objects open at once */
    uint32_t members;         /* members of objects and elements of arrays, all together */
    uint64_t string;          /* bytes of one string or name, decoded to UTF-8 */
    bool allow_duplicates;    /* json_parse refuses duplicate names always: trees have none */
    bool allow_lone_surrogates; /* "\ud800" alone: kept by json_minify, U+FFFD when decoded */
    bool refuse_nul;          /* "\u0000" */
    uint8_t secret[16];       /* random, per process: keys the hash set that finds duplicates */
};

/* Control plane (STANDARDS 5.1): 1 MiB, depth 32, 10 000 members, strings of 64 KiB, no NUL. */
struct json_limits json_limits_control(const uint8_t secret[16]);

/* One event of a recording (STANDARDS 5.1): 16 MiB, depth 128; duplicates and lone surrogates pass, as recorders send. */
struct json_limits json_limits_event(void);

enum json_cause {
    JSON_OK = 0,
    JSON_E_EMPTY,      /* nothing but white space */
    JSON_E_TRUNCATED,  /* ends inside a value; the text says in what */
    JSON_E_ENCODING,   /* byte order mark, UTF-16, UTF-32 */
    JSON_E_VALUE,      /* a value was expected here */
    JSON_E_NAME,       /* a member name in double quotes was expected here */
    JSON_E_COLON,
    JSON_E_COMMA,      /* a comma or the closing bracket was expected here */
    JSON_E_LITERAL,    /* not quite true, false, null */
    JSON_E_NUMBER,
    JSON_E_CONTROL,    /* raw control byte inside a string */
    JSON_E_ESCAPE,
    JSON_E_SURROGATE,
    JSON_E_NUL,
    JSON_E_UTF8,
    JSON_E_TRAILING,   /* bytes after the value */
    JSON_E_DUPLICATE,  /* where the second one starts */
    JSON_E_SHAPE,      /* json_scan: not the shape that was asked for */
    /* limits; json_error.limit is the number */
    JSON_E_DEPTH,
    JSON_E_MEMBERS,
    JSON_E_STRING_LEN,
    JSON_E_NUMBER_LEN,
    JSON_E_BYTES,
    JSON_E_EVENT_BYTES, /* json_scan: one element */
    JSON_E_NOMEM,       /* no memory, or the output buffer's ceiling */
    JSON_E_STOPPED,     /* json_scan: the callback said no */
};

struct json_error {
    enum json_cause cause;
    const char *text; /* fixed, never input: "a member name in double quotes was expected" */
    uint64_t offset;  /* bytes from the start of the input */
    uint64_t line;    /* from 1 */
    uint64_t column;  /* bytes from 1 */
    uint64_t limit;   /* of the limit causes, else 0 */
};

/* A fixed lower-case word: "truncated". */
const char *json_cause_name(enum json_cause cause);

/* ERR_LIMIT, ERR_NOMEM or ERR_INVAL with "line 3, column 7: …". */
enum err json_error_raise(const struct json_error *e, struct err_info *reterr);

/*
 * Appends the tree of one document to *tree. Integers that fit int64 become TREE_INT, all other numbers (also "-0")
 * TREE_NUM with their text. Depth is at most TREE_DEPTH_MAX whatever 'lim' says.
 * False: *reterr (may be NULL) says why, *tree is as before.
 */
NODISCARD bool json_parse(struct span in, const struct json_limits *lim, struct buf *tree, struct json_error *reterr);

/* As above, in the house's error type. */
NODISCARD enum err json_parse_err(struct span in, const struct json_limits *lim, struct buf *tree,
                                  struct err_info *reterr);

/* One valid value within the limits, white space around it allowed. */
NODISCARD bool json_check(struct span in, const struct json_limits *lim, struct json_error *reterr);

/* The same, appended to *out without white space. On false *out may hold a part. */
NODISCARD bool json_minify(struct span in, const struct json_limits *lim, struct buf *out, struct json_error *reterr);

/* ---- In place, over bytes that json_check, json_minify or json_scan passed. Undefined results, never a bad read, on others. */

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * Where a value begins and ends, found when it was read (codec/json_tape.h). In the order of the text: a container before what lies in
 * it, a member's name before its value.
 */
struct json_token {
    uint32_t from, to; /* its bytes, brackets and quotes included; counted from the first byte of the value that was read */
    uint32_t n;        /* tokens in it, itself included */
    uint8_t type;      /* enum json_type */
    bool escaped;      /* a string in which a character is written as an escape */
};
_Static_assert(JSON_OBJECT < 256, "a type is a byte");

struct json_value {
    enum json_type type;
    struct span key; /* raw, between the quotes; empty in arrays */
    struct span raw; /* the value's bytes; strings without their quotes */
    const struct json_token *token; /* where its parts end, when that is known; else NULL, and they are looked for */
};

/* The one value in 'in'. */
struct json_value json_value(struct span in);

struct json_iter {
    struct span at; /* what is to come; with tokens: from the value's first byte on */
    bool object;
    const struct json_token *token, *end; /* NULL: none */
};

struct json_iter json_iter_bytes(struct json_value container); /* without tokens */

/* Over an object's members or an array's elements; over anything else there is nothing. */
static inline struct json_iter json_iter(struct json_value c)
{
    if (c.token == NULL || (c.type != JSON_ARRAY && c.type != JSON_OBJECT))
        return json_iter_bytes(c);
    return (struct json_iter){ .at = { c.raw.p - c.token->from, 0 }, .object = c.type == JSON_OBJECT, .token = c.token + 1, .end = c.token + c.token->n };
}

bool json_next_bytes(struct json_iter *it, struct json_value *ret); /* without tokens */

/* A token's text; of a string what is between the quotes. */
static inline struct span json_token_text(const uint8_t *base, const struct json_token *k)
{
    size_t quote = k->type == JSON_STRING;

    return (struct span){ base + k->from + quote, k->to - k->from - 2 * quote };
}

static inline bool json_next(struct json_iter *it, struct json_value *ret)
{
    const struct json_token *k = it->token;

    if (k == NULL)
        return json_next_bytes(it, ret);
    if (k == it->end)
        return false;
    ret->key = it->object ? json_token_text(it->at.p, k++) : SPAN_EMPTY;
    ret->type = (enum json_type) k->type;
    ret->raw = json_token_text(it->at.p, k);
    ret->token = k;
    it->token = k + k->n;
    return true;
}

bool json_raw_eq_slow(struct span raw, const char *text);

/* Most comparisons end at the first byte. Where the bytes part, only an escape can still mean the same. */
static inline bool json_raw_eq_n(struct span raw, const char *text, size_t n)
{
    if (raw.n < n) /* an escape is longer than what it means */
        return false;
    for (size_t i = 0; i < n; i++)
        if (raw.p[i] != (uint8_t) text[i])
            return raw.p[i] == '\\' && json_raw_eq_slow(raw, text);
    return raw.n == n;
}

/* Does the raw name or string mean exactly this text, escapes decoded? */
static inline bool json_raw_eq(struct span raw, const char *text)
{
    return json_raw_eq_n(raw, text, strlen(text));
}

/* The member of that name; of duplicates the last, as browsers do. False when absent or no object. */
bool json_find(struct json_value obj, const char *key, struct json_value *ret);

/* Appends the decoded UTF-8 of a raw string. Lone surrogates become U+FFFD. False: the buffer's ceiling. */
NODISCARD bool json_string_decode(struct span raw, struct buf *out);

/* An integer in plain digits ("-12"; no fraction, no exponent, no "-0"). */
NODISCARD bool json_int(struct span raw, int64_t *ret);

/*
 * Exactly value * 10^decimals, rounded half away from zero: json_scaled("12.3456789", 6) is 12345679 µs.
 * Any JSON number form. False: no number, or outside int64.
 */
NODISCARD bool json_scaled(struct span raw, int decimals, int64_t *ret);
