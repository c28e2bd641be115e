#pragma once
/* What the sanitiser's parts share; not for others. sanitize.c looks into events, sanitize_node.c into nodes and their
 * attributes, sanitize_css.c into style text, sanitize_name.c knows the table. */
#include "codec/sanitize.h"

enum sanitize_tag {
    SANITIZE_TAG_PLAIN,
    SANITIZE_TAG_DROP,
    SANITIZE_TAG_META,
    SANITIZE_TAG_FRAME,
    SANITIZE_TAG_STYLE,
    SANITIZE_TAG_LINK,
    SANITIZE_TAG_IMAGE,
    SANITIZE_TAG_REF,
    SANITIZE_TAG_ANIMATE,
};

enum sanitize_attr {
    SANITIZE_ATTR_TEXT,
    SANITIZE_ATTR_DROP,
    SANITIZE_ATTR_SRC,
    SANITIZE_ATTR_IMAGE,
    SANITIZE_ATTR_HREF,
    SANITIZE_ATTR_ADDRESS,
    SANITIZE_ATTR_CSS,
    SANITIZE_ATTR_VALUE,
    SANITIZE_ATTR_TARGET,
};

/* Of an address: what it is. */
enum sanitize_address {
    SANITIZE_ADDRESS_EMPTY,
    SANITIZE_ADDRESS_PLACE, /* "#name" */
    SANITIZE_ADDRESS_OWN,   /* data: that came with the recording, or blob: */
    SANITIZE_ADDRESS_BAD,   /* would run, or is data: of another kind */
    SANITIZE_ADDRESS_OTHER, /* anywhere else */
};

/* Names as decoded; any case. */
enum sanitize_tag sanitize_tag(struct span name);
enum sanitize_attr sanitize_attr(struct span name);
enum sanitize_address sanitize_address(struct span decoded);

/* What CSS does with a function of that name (lower case): true: it fetches what its strings name. */
bool sanitize_css_fetches(struct span name);
bool sanitize_css_runs(struct span name);
bool sanitize_css_property(struct span name); /* its declarations go */

/*
 * As sanitize_css. seal: of a text that others may follow in the same element: what it leaves open is closed, so that no
 * token reaches over its end.
 */
bool sanitize_css_text(struct span css, bool seal, struct buf *out);

/* ---- the walk over one event: what is not edited is not copied until something is ---- */

struct sanitize_walk {
    struct sanitize *s;
    struct span in;
    size_t at;     /* the next byte to look at */
    const struct json_token *token; /* of the value or name there; NULL: not known */
    size_t copied; /* bytes of 'in' that are in the output already */
    bool edited;
    bool orphans;  /* something was judged by its element's number */
    bool learned;  /* a number got a new meaning, while adding */
    uint32_t nodes;
    enum err err;  /* the first one */
    const char *limit;
};

/* Byte at 'at'; 0 at the end. */
static inline uint8_t sanitize_peek(const struct sanitize_walk *w)
{
    return w->at < w->in.n ? w->in.p[w->at] : 0;
}

/* Positions in the input: bytes [from, to) become 'with'. Edits come in ascending order. */
void sanitize_replace(struct sanitize_walk *w, size_t from, size_t to, struct span with);

/* n bytes were written behind what the last edit put in its place. */
void sanitize_wrote(struct sanitize_walk *w, size_t n);

/* A string at 'at' (its opening quote): raw content; 'at' goes behind the closing quote. */
struct span sanitize_string(struct sanitize_walk *w);

/* Goes behind the value at 'at'. */
void sanitize_skip(struct sanitize_walk *w);

/* The value at 'at'. */
struct json_value sanitize_value_here(const struct sanitize_walk *w);

/* Raw string content decoded: 'raw' itself when it has no escapes, else in 'to'. */
struct span sanitize_decoded(struct sanitize_walk *w, struct span raw, struct buf *to);

void sanitize_fail(struct sanitize_walk *w, enum err code, const char *limit);

/* Members of the object at 'at', elements of the array at 'at'. */
struct sanitize_list {
    size_t begin;     /* of the current one: its name or value */
    struct span name; /* raw; of members */
    bool kept;        /* one before is in the output */
    bool first;
};

/* Behind the bracket. False: it is no such container; it is then skipped. */
bool sanitize_enter(struct sanitize_walk *w, char bracket, struct sanitize_list *l);
/* The next one: 'at' is at its value. False: the container is over, 'at' is behind it. Then each must be kept or dropped. */
bool sanitize_member(struct sanitize_walk *w, struct sanitize_list *l);
bool sanitize_element(struct sanitize_walk *w, struct sanitize_list *l);
void sanitize_keep(struct sanitize_list *l);
/* 'at' is behind its value. */
void sanitize_drop(struct sanitize_walk *w, struct sanitize_list *l);

/* ---- numbers of elements ---- */

#define SANITIZE_ID_MAX INT64_C(9007199254740991)

/* A plain integer that JavaScript tells from all others. */
bool sanitize_id(struct span raw, int64_t *ret);
void sanitize_learn(struct sanitize_walk *w, enum sanitize_tag tag, int64_t id);
bool sanitize_knows_style(const struct sanitize *s, int64_t id);
/* Text of a style: its number is one, too. */
void sanitize_learn_text(struct sanitize_walk *w, int64_t id);

/* What is allowed of an element that is known by its number only. */
struct sanitize_kind {
    bool frame, ref, image, animate;
    bool mutation; /* null takes an attribute away */
};
struct sanitize_kind sanitize_kind_of_tag(enum sanitize_tag tag);
struct sanitize_kind sanitize_kind_of_id(const struct sanitize *s, int64_t id);

/* ---- sanitize_node.c ---- */

/* The node at 'at'. False: it is none, and has to go ('at' is behind it). in_style: its texts are CSS. */
bool sanitize_node(struct sanitize_walk *w, bool in_style, unsigned depth);

/* The attributes at 'at'. */
void sanitize_attributes(struct sanitize_walk *w, struct sanitize_kind kind);

/* The text at 'at'; css: it is CSS that others may follow (seal). Not a string: it becomes "". */
void sanitize_text(struct sanitize_walk *w, bool css, bool seal);

/* An object of declarations at 'at': {"property": "value" | ["value", "priority"] | false}. */
void sanitize_declarations(struct sanitize_walk *w);
