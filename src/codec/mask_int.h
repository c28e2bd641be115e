#pragma once
/*
 * Inside codec/mask*.c only.
 *
 * How a match is found: the library looks for triggers, short pieces that each match has (an '@', "eyJ", "PRIVATE KEY"), over the whole
 * text at once and cheaply; numbers have a sieve of their own (mask_blocks.c). At each trigger a finder in C looks left and right for where the match begins and
 * ends, and whether it really is one: check digits, country, borders, what stands before it. So there are few
 * patterns, all linear, and the rules for each kind are readable code. Own patterns are the library's alone.
 *
 * Raw JSON (mask_scan_raw) goes the same way with 'raw' set. There a string's text differs from its decoded form only by escapes:
 * finders take more than they would of plain text, never less. "\u" anywhere counts as a hit.
 */
#include <hs/hs.h>

#include "codec/mask.h"

#define MASK_LEAD_MAX 15
#define MASK_TAIL 48 /* bytes before a number in which a word for it counts */

struct mask_in {
    const uint8_t *p;
    size_t n;
    bool raw;
};

/* Adds a hit of the scan under way. False: no memory, and the scan fails. */
bool mask_add(struct mask_scanner *s, unsigned rule, size_t from, size_t to);

/* 'end' is where the trigger ended, 1 <= end <= in->n. Finders of one place may be called again: they hold what they have seen in s. */
typedef void mask_find_fn(struct mask_scanner *s, const struct mask_in *in, size_t end);

/* The same of what the text may go on with (mask_live.c): where a match begins that reaches to its end; in->n: none. */
typedef size_t mask_live_fn(const struct mask_rules *r, const struct mask_in *in, size_t end);

struct mask_trigger {
    const char *pattern;
    unsigned flags;
    mask_find_fn *find;
    mask_live_fn *live;
};

/* All that is built in; mask_keys.c's come after these. */
extern const struct mask_trigger mask_triggers[];
extern const size_t mask_n_triggers;

/* A literal at which a key begins, for mask_find_key. */
struct mask_prefix {
    const char *lit;
    uint8_t rule;     /* MASK_CLOUD_KEY, MASK_API_KEY */
    uint8_t set;      /* what follows: enum mask_set */
    uint16_t min, max; /* characters that follow; as many as there are */
};
enum mask_set { SET_UPPER_DIGIT, SET_WORD /* alnum _ - */, SET_ALNUM, SET_HEX, SET_TOKEN /* word . ~ + / = */ };

extern const struct mask_prefix mask_prefixes[];
extern const size_t mask_n_prefixes;
void mask_find_prefix(struct mask_scanner *s, const struct mask_in *in, size_t end, const struct mask_prefix *k);

/* Where the key begins whose literal ends at 'end'; end: it is part of a word. */
size_t mask_prefix_from(const struct mask_in *in, size_t end, const struct mask_prefix *k);

/* name = value, with the word of the trigger in the name (mask_keys.c). */
struct mask_assigned {
    size_t from, to;   /* of the value, with all that may belong to it */
    struct span value; /* what counts of it */
    uint8_t quote;     /* 0: none */
    bool env, option;  /* DB_PASSWORD=…, --password=… */
};
/* False: no value, or one that is no secret. */
bool mask_assignment(const struct mask_in *in, size_t end, struct mask_assigned *ret);

/* scheme://user:password@, 'at' being where the '@' is or may come: where the password begins, or 0. */
size_t mask_url_password(const struct mask_in *in, size_t at);

/* The trigger or the prefix of an id of mask_builtin_db, the other one NULL. False: neither. */
bool mask_id(unsigned id, const struct mask_trigger **ret_trigger, const struct mask_prefix **ret_prefix);

mask_live_fn mask_live_at, mask_live_at_escaped, mask_live_jwt, mask_live_bearer, mask_live_key_block, mask_live_assignment,
    mask_live_telegram, mask_live_azure;

mask_find_fn mask_find_at, mask_find_at_escaped, mask_find_jwt, mask_find_bearer, mask_find_key_block,
    mask_find_assignment, mask_find_telegram, mask_find_azure;

#define MASK_DIGITS_MIN 7 /* of the shortest number that is looked for: a telephone's, beside a word for it */

/* Numbers of all kinds, in the whole text. */
void mask_find_numbers(struct mask_scanner *s, const struct mask_in *in);
/* Characters of one of that country; 0: it has none. */
size_t mask_iban_len(uint8_t a, uint8_t b);
/* The run of digits and separators around the digit before 'end'. */
void mask_find_digits(struct mask_scanner *s, const struct mask_in *in, size_t end);
/* Two capitals and two digits begin at 'at'. */
void mask_find_iban(struct mask_scanner *s, const struct mask_in *in, size_t at);

/* ---- characters ---- */

static inline bool mask_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool mask_is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool mask_is_alpha(uint8_t c)
{
    return (uint8_t) ((c | 0x20) - 'a') < 26;
}

static inline bool mask_is_alnum(uint8_t c)
{
    return mask_is_digit(c) || mask_is_alpha(c);
}

static inline uint8_t mask_lower(uint8_t c)
{
    return mask_is_upper(c) ? (uint8_t) (c | 0x20) : c;
}

bool mask_in_set(enum mask_set set, uint8_t c);

/* The character before 'at' is the letter of an escape (\n, \t …), of JSON or of a program's text: a border. */
bool mask_after_escape(const struct mask_in *in, size_t at);

/* No letter, digit or '_' touches. Bytes above 0x7f are no letters here: Chinese text stands right beside numbers. */
bool mask_border_left(const struct mask_in *in, size_t at);
bool mask_border_right(const struct mask_in *in, size_t at);

/*
 * Words that say what a number is. Lower case, three letters or more, end with NULL. One that begins with ' ' has to stand alone ("tel", not
 * "hotel"); others may be part of a longer one ("phoneNumber").
 */
struct mask_words {
    const char *const *words;
    uint64_t starts[4]; /* of three letters: most places are passed over by this */
};
void mask_words_init(struct mask_words *w);
/* Does one stand in the MASK_TAIL bytes before 'at', on the same line? */
bool mask_word_before(const struct mask_in *in, size_t at, const struct mask_words *w);
void mask_digits_init(void); /* the words of mask_digits.c; once */

/* A space as it separates groups of digits: ' ', no-break space (plain and narrow); its bytes, or 0. And the same backwards. */
size_t mask_space(const struct mask_in *in, size_t at);

/* End of what belongs to the body of a private key that begins at 'at'. *ret_open: nothing speaks against more of it. */
size_t mask_key_body(const struct mask_in *in, size_t at, bool *ret_open, bool *ret_some);

/* ---- the engine ---- */

struct mask_own {
    char *name;
    uint32_t width_min, width_max; /* UINT32_MAX: no limit */
    char lead[MASK_LEAD_MAX + 1];  /* what each match begins with; "" when that is not plain to see */
    bool words, nocase;
    bool anchored; /* '^', '$' and their like: what it finds in a text says nothing of the text's parts */
};

/* What a name, attribute or field rule is compared by: see mask_names.c. */
struct mask_names {
    char **v;
    size_t n;
};

struct mask_selector {
    char *tag;           /* lower case; NULL: any */
    struct {
        char *name;      /* "class" and "id" for .x and #x */
        char *value;     /* NULL: it is there */
        bool token;      /* one of the words of the value */
    } *attr;
    size_t n_attr;
};

struct mask_places {
    struct mask_selector *v;
    size_t n;
};

/*
 * What attributes selectors ask for first: bits by length, first and last letter, so that most elements are passed over without a look at
 * any selector.
 */
#define MASK_SIEVE 16 /* × 64 bits */
struct mask_sieve {
    uint64_t names[MASK_SIEVE];  /* of attributes, but for those of the next line */
    uint64_t tokens[MASK_SIEVE]; /* words of class */
    bool names_any, tokens_any;
    bool tags;       /* a selector without attributes */
};
void mask_sieve_add(struct mask_sieve *s, const struct mask_selector *sel);
bool mask_sieve_attr(const struct mask_sieve *s, struct span name, struct span raw);

struct mask_rules {
    unsigned refs; /* atomic */
    uint64_t id;   /* of this object in this process: scanners remember for which they have memory */
    uint8_t hash[MASK_HASH_N];
    uint32_t patterns; /* bits: built-in rules that are on */
    enum mask_reveal reveal;
    enum mask_typed typed;
    bool text_all, inputs_all, default_fields;
    struct mask_names fields, attributes;
    struct mask_places place[3]; /* MASK_PLACE_KEEP - 1, MASK, BLOCK */
    struct mask_sieve sieve;     /* of all three */
    hs_database_t *own_db;       /* NULL: no own patterns */
    struct mask_own *own;
    size_t n_own;
    bool anchored; /* one of them is */
    size_t min;
};

/* mask_own.c */
struct mask_own_text {
    struct span name, pattern;
    bool nocase, words;
    unsigned line;
};
NODISCARD enum err mask_own_compile(struct mask_rules *r, const struct mask_own_text *own, size_t n, struct err_info *reterr);

/* mask_names.c: the same for field names in the rules and in recordings. */
bool mask_name_matches(const char *pattern, struct span name);
bool mask_name_is_default_field(struct span name);
NODISCARD enum err mask_selector_parse(struct span text, struct mask_selector *ret); /* ERR_INVAL, ERR_NOMEM; no text */
void mask_selector_free(struct mask_selector *s);
bool mask_selector_matches(const struct mask_selector *s, const struct mask_element *e);

struct mask_scanner {
    hs_scratch_t *scratch;
    uint64_t own_id; /* of the rules whose own patterns the scratch is large enough for */
    struct mask_hit *hits;
    size_t n, cap;
    bool failed;
    /* of the scan under way */
    const struct mask_rules *rules;
    const struct mask_in *in;
    size_t digits_to; /* digit runs up to here are done */
    size_t block_to, jwt_to, value_to;
    size_t jwt_head;  /* where the run of characters that was last looked at for a token's head ends */
    bool key;         /* the text ends inside a private key */
};

const hs_database_t *mask_builtin_db(void);

/* As hs_scan of a block, by the part of the library that finds everything: see mask.c. No other way to scan is taken. */
hs_error_t mask_hs_scan(const hs_database_t *db, struct span text, hs_scratch_t *scratch, match_event_handler on_match, void *ctx);

/* Gives back what a text with very many hits needed. */
void mask_scanner_rest(struct mask_scanner *s);
