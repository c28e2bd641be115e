#pragma once
/*
 * Masking rules: what has to be taken out of recorded text, and where it stands in one text.
 *
 * The engine under every masker. It knows text (UTF-8), patterns, and the names of fields, attributes and elements; it knows
 * neither rrweb nor terminals: codec/mask_rrweb and codec/mask_term walk those, codec/intake calls them. Rules come from a
 * project's text (docs/masking.md, grammar of codec/confuse.h):
 *
 *   patterns = { email, card, ssn, phone, iban, jwt, cloud-key, api-key, bearer, private-key, url-password }   # left out: all
 *   own "staff number" { pattern = "EMP-[0-9]{6}"  nocase = yes  words = yes }                         # at most 64
 *   reveal = drop            # or keep: originals go to the reveal track (wrap kind 5)
 *   rrweb {
 *     text = patterns        # or all: every text node, whatever it says
 *     inputs = fields        # or all: every value that was typed or chosen
 *     fields = { password, "card*number" }     # names of inputs, of JSON members, headers, form and query fields; added to
 *     default_fields = yes                     # … those that are always meant (password, cvc, authorization, cookie, …)
 *     attributes = { title, "data-user-*" }    # their values go whole; others pass the patterns
 *     mask = { ".rr-mask", "#balance", "td[data-private]" }   # all text in these elements
 *     block = { ".rr-block" }                  # everything in these elements: text, attributes, pictures
 *     keep = { "#terms" }                      # with text = all or inputs = all: only patterns here
 *   }
 *   terminal { typed = passwords }             # or all: everything that is typed; none: patterns alone
 *
 * Nothing set means: all patterns, reveal = drop, text = patterns, inputs = fields, default_fields = yes, mask and block as the
 * classes rr-mask, rr-block, ph-no-capture, sentry-mask, sentry-block, … (mask_rules.c has the table), typed = passwords.
 *
 * Life:    mask_rules_default / _build / _decode -> ref, unref. Immutable: any thread may scan with it.
 * Scanner: one per thread (memory of the engine, the list of hits); not tied to one set of rules.
 * Threads: everything but the scanner: any.
 * Limits:  below; each has its own words in the error, which names the line of the rules ("masks:7: …").
 */
#include "base/tree.h"

#define MASK_TEXT_MAX    65536 /* bytes of a rules text */
#define MASK_OWN_MAX     64    /* own patterns */
#define MASK_PATTERN_MAX 512   /* bytes of one */
#define MASK_NAMES_MAX   256   /* of fields, of attributes, of selectors of each kind */
#define MASK_NAME_MAX    200   /* bytes of one */
#define MASK_STATES_MAX  10000 /* of all own patterns together: what they come to with their repetitions written out */
#define MASK_BYTES_MAX   (1U << 20) /* of mask_rules_encode */
#define MASK_REACH       512   /* no match but a private key's, or an own pattern's of more, is longer than this */
#define MASK_HASH_N      32

/* Why something was taken out. Numbers below MASK_OWN are these; own patterns are MASK_OWN + their place in the text. */
enum mask_rule {
    MASK_EMAIL,
    MASK_CARD,        /* 12-19 digits, known prefix and length, Luhn */
    MASK_SSN,         /* area, group and serial as the SSA gives them */
    MASK_PHONE,       /* international; national ones as they are written or beside a word for it */
    MASK_IBAN,        /* country's length, mod 97 */
    MASK_JWT,
    MASK_CLOUD_KEY,   /* AKIA…, AIza…, … */
    MASK_API_KEY,     /* ghp_…, sk_live_…, xox…, and api_key = "…" */
    MASK_BEARER,      /* Authorization: Bearer …, Basic … */
    MASK_PRIVATE_KEY, /* -----BEGIN … PRIVATE KEY----- to its end */
    MASK_URL_PASSWORD, /* https://user:…@host */
    MASK_PATTERNS,    /* so many of them; the next ones are the walkers' */
    MASK_FIELD = MASK_PATTERNS, /* a field's or member's name */
    MASK_ATTRIBUTE,
    MASK_SELECTOR,    /* mask, block, text = all, inputs = all */
    MASK_TYPED,       /* typed where nothing is echoed */
    MASK_UNREAD,      /* a terminal that costs too much to look at: all its text */
    MASK_OWN,
};
#define MASK_RULES_MAX (MASK_OWN + MASK_OWN_MAX)

enum mask_reveal { MASK_DROP, MASK_KEEP };
enum mask_typed { MASK_TYPED_PASSWORDS, MASK_TYPED_ALL, MASK_TYPED_NONE };

struct mask_rules;

/* The rules of a project that has none of its own. Never NULL after mask_init. No ref is needed, unref does no harm. */
const struct mask_rules *mask_rules_default(void);

/* Compiles what is built in; once a process, before the first rules (again: nothing happens). ERR_NOMEM. Some 30 ms. */
NODISCARD enum err mask_init(struct err_info *reterr);

/* Appends the tree of a rules text to *tree. ERR_INVAL, ERR_LIMIT: "masks:LINE: …". Empty text: an empty object. */
NODISCARD enum err mask_rules_parse(struct span text, struct buf *tree, struct err_info *reterr);

/*
 * Do the rules 'now' take out less than 'was', or keep originals that were dropped? Trees as above; anything that is not at least as strict word for
 * word counts. After mask_init.
 */
bool mask_rules_looser(struct tree was, struct tree now);

/*
 * Compiles a tree (tree_check has passed it). 'text' is what it was made of: for line numbers, and its hash is the rules' name.
 * Costs up to some 200 ms with own patterns at their limits: never on a loop. ERR_INVAL, ERR_LIMIT: "masks:LINE: …".
 */
NODISCARD enum err mask_rules_build(struct tree tree, struct span text, struct mask_rules **ret, struct err_info *reterr);

/* What compiles: program and library. Encoded rules of another one are not for this one. */
const char *mask_engine(void);

/* Both in one: commands and tests. */
NODISCARD enum err mask_rules_load(struct span text, struct mask_rules **ret, struct err_info *reterr);

struct mask_rules *mask_rules_ref(const struct mask_rules *r);   /* NULL: NULL */
struct mask_rules *mask_rules_unref(const struct mask_rules *r); /* NULL */

/* For IPC (MASK_RULES), same program on both sides. decode: ERR_CORRUPT, ERR_NOMEM; nothing is compiled. */
void mask_rules_encode(const struct mask_rules *r, struct buf *out);
NODISCARD enum err mask_rules_decode(struct span bytes, struct mask_rules **ret, struct err_info *reterr);

/* SHA-256 of the rules text, given by whoever builds (codec has no hash): all zero until set. Of the default: of "". */
struct span mask_rules_hash(const struct mask_rules *r);
void mask_rules_set_hash(struct mask_rules *r, const uint8_t hash[MASK_HASH_N]);

/* ---- what the rules say ---- */

enum mask_reveal mask_rules_reveal(const struct mask_rules *r);
enum mask_typed mask_rules_typed(const struct mask_rules *r);
bool mask_rules_text_all(const struct mask_rules *r);
bool mask_rules_inputs_all(const struct mask_rules *r);

/* Is this built-in pattern on? */
bool mask_rules_pattern(const struct mask_rules *r, unsigned rule);
size_t mask_rules_n(const struct mask_rules *r); /* rule numbers are below this */
/* "email", "field", or an own pattern's name. Borrows from the rules. */
struct span mask_rules_name(const struct mask_rules *r, unsigned rule);

/*
 * Is this the name of a field whose value goes whole? Case, '-', '_', ' ' and '.' do not count, a '*' in the rules stands for anything.
 * For inputs ask for name, id and autocomplete; type=password is always one, which the walker knows.
 */
bool mask_rules_field(const struct mask_rules *r, struct span name);
/* Attribute of an rrweb element; case does not count. */
bool mask_rules_attribute(const struct mask_rules *r, struct span name);
/* Is there any such rule? */
bool mask_rules_attributes(const struct mask_rules *r);

/* An element as the walker sees it. 'attr' gives an attribute's decoded value; false: it has none. */
struct mask_element {
    struct span tag; /* case does not count */
    bool (*attr)(const void *ctx, struct span name, struct span *ret);
    const void *ctx;
};

/* KEEP only tells where text = all and inputs = all do not reach; patterns and fields count there. BLOCK before MASK before KEEP. */
enum mask_place { MASK_PLACE_NONE, MASK_PLACE_KEEP, MASK_PLACE_MASK, MASK_PLACE_BLOCK };
/* By the element itself: what lies inside takes its place from the walker's stack. */
enum mask_place mask_rules_place(const struct mask_rules *r, const struct mask_element *e);
/* Elements without an attribute for which this is true are in no place, unless mask_rules_place_tags. 'raw': its value as JSON has it. */
bool mask_rules_place_attr(const struct mask_rules *r, struct span name, struct span raw);
bool mask_rules_place_tags(const struct mask_rules *r); /* some selector is a tag alone */

/* ---- scanning ---- */

struct mask_hit {
    uint32_t from, to; /* bytes of the text, at character borders, from < to */
    uint16_t rule;
};

struct mask_hits {
    const struct mask_hit *hits; /* in order, not overlapping; the scanner's until the next call */
    size_t n;
};

struct mask_scanner;

NODISCARD enum err mask_scanner_new(struct mask_scanner **ret, struct err_info *reterr);
struct mask_scanner *mask_scanner_free(struct mask_scanner *s); /* NULL */

/*
 * What goes out of one decoded text. 'io_key' (may be NULL): in: the text goes on inside a private key; out: it ends inside one.
 * Text that is not UTF-8 is scanned as bytes. Text above 4 GiB, no memory: an error, and the caller must not let the text through.
 * No allocation but when a text has more hits than any before. ERR_NOMEM, ERR_LIMIT.
 */
NODISCARD enum err mask_scan(struct mask_scanner *s, const struct mask_rules *r, struct span text, bool *io_key,
                             struct mask_hits *ret, struct err_info *reterr);

/*
 * The quick way: 'raw' is JSON that json_check passed (a whole event). False: no string in it, decoded, has a hit of a pattern, so none has
 * to be decoded or walked for patterns. (Names, places and typed text are not looked at.)
 * True: it may have one, or something went wrong.
 */
bool mask_scan_raw(struct mask_scanner *s, const struct mask_rules *r, struct span raw);

/* Shortest text that can have a hit: shorter ones need no scan. */
size_t mask_rules_min(const struct mask_rules *r);

/*
 * Where a match that goes on in a later piece of the same text may have begun: text.n when none. For terminals: what is before may
 * be let go, what follows (at most MASK_REACH bytes) is to be scanned again with what comes. Inside a private key: text.n.
 */
size_t mask_scan_open(const struct mask_rules *r, struct span text);

/*
 * The narrow form of it: where a match begins of which the text has the first half, and that may go on in a later piece; text.n when none. For those who are
 * shown what is being written: what is before may be shown, what is masked already of course as well. Less than half of a match may be shown with it: up to
 * three digits of a number, of an e-mail address one plain word before its '@'. Own patterns: from what each match begins with, when the pattern says
 * so in plain letters; else any text may be. No memory: 0.
 */
size_t mask_scan_live(struct mask_scanner *s, const struct mask_rules *r, struct span text);

/*
 * Appends what stands in place of 'text': '*' for each cell (wide characters two, marks none). White space and control bytes
 * stay, so lines and layout do. Bytes that are no UTF-8: one '*' each.
 */
void mask_stars(struct span text, struct buf *out);

/* ---- for small texts: titles, tags, links, samples ---- */

/* Appends the text with its hits masked. counts (MASK_RULES_MAX of them, added to) and ret_any may be NULL. */
NODISCARD enum err mask_text(struct mask_scanner *s, const struct mask_rules *r, struct span text, struct buf *out,
                             uint64_t *counts, bool *ret_any, struct err_info *reterr);
