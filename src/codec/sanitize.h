#pragma once
/*
 * sanitize: takes out of one rrweb event what could act when the page is rebuilt (STANDARDS 5.3 rule 1). Pure.
 *
 * In: one event as codec/rrweb gives it (valid, minified JSON; packed events are unpacked by then). Out: the event, clean,
 * as minified JSON; or the very same bytes when there was nothing to take out, which costs one scan and no copy.
 * What is taken out is docs/formats/sanitize.md; the names are codec/sanitize_table.h, from which the player's own list
 * (web/player/table.ts) is generated. The player does the same again before it builds a node; a test compares the two.
 *
 * Looked into: full snapshots (2) and, of incremental ones (3), mutations (0), style sheet rules (8), canvas commands (9),
 * fonts (10), style declarations (13), adopted style sheets (15); assets (7). All other events, custom and plugin
 * payloads among them, are data that nothing executes: they pass as they are.
 *
 * Elements that could act keep their number and children (later events refer to them) and become an empty <noscript>.
 * Addresses that would be fetched move to an attribute that nothing fetches ("rrweb-original-src").
 *
 * Order: clean(clean(x)) == clean(x). Masking comes after; it never makes an address, a tag or CSS out of text.
 *
 * State: attributes and texts of later events name elements by number only. Which numbers are style elements, frames or
 * fetch what href names is kept in bitmaps of a fixed size, by number modulo their size: a collision makes the rule
 * stricter, never weaker. It begins anew with each full snapshot. A recording that goes on without its state (another
 * process) uses sanitize_state_unknown: everything is taken for everything until the next full snapshot.
 *
 * Work: linear in the event's bytes, no recursion deeper than JSON's 128. Memory: the output and two buffers.
 * Threads: one at a time.
 */
#include "base/buf.h"
#include "codec/json_tape.h"

#define SANITIZE_VERSION 1 /* of the list: stamped on segments (docs/formats/segment.md, `clean`); grows with each change */

#define SANITIZE_NODES_MAX (500u * 1000) /* of one event */
#define SANITIZE_DEPTH_MAX 128           /* elements inside one another; JSON's own limit comes first, at about 60 */
#define SANITIZE_TEXT_MAX  (4u << 20)    /* bytes of one text or attribute as JSON, own data: addresses not counted; longer is cut */
#define SANITIZE_CSS_MAX   (8u << 20)    /* bytes of one style text or rule as JSON; a longer one is emptied */

/* A value, copied freely; all zero is a recording that begins. */
struct sanitize_state {
    uint8_t style[256]; /* bit n: some element whose number is n modulo 2048 is <style>, or a text in one */
    uint8_t ref[256];   /* … has an href that may only name a place in its own page (SVG's use and the like) */
    uint8_t image[64];  /* … has an href that may only be own data (SVG's image); modulo 512 */
    uint8_t frame[32];  /* … is an iframe; modulo 256 */
};

struct sanitize {
    struct sanitize_state state; /* read it out to go on later, set it to go on from there */
    struct buf out;
    struct buf text; /* one string, decoded */
    struct buf css;  /* and as cleaned */
    struct buf edits; /* struct json_edit: what became of the last event's bytes */
    uint64_t changed; /* events that were not clean */
};

/* 'max': bytes of one event. */
void sanitize_init(struct sanitize *s, size_t max);
void sanitize_deinit(struct sanitize *s);

struct sanitize_state sanitize_state_unknown(void);

/*
 * *ret is 'json' itself (the same pointer and length) or borrows from s until the next call.
 * ERR_LIMIT: "dom-nodes" (more than SANITIZE_NODES_MAX), "dom-depth", or "event-too-large" (clean, it is over max).
 * ERR_INVAL: its type is no plain number. After an error the state is what it was before the event.
 */
NODISCARD enum err sanitize_event(struct sanitize *s, struct span json, struct span *ret, struct err_info *reterr);

/* The same of an event with its tokens (codec/json_tape.h), which spares most of the reading. */
NODISCARD enum err sanitize_value(struct sanitize *s, struct json_value event, struct span *ret, struct err_info *reterr);

/* Tokens of the event that came out last, from those that went in. False: they have to be read from it. */
bool sanitize_tokens(const struct sanitize *s, const struct json_token *before, struct span clean, struct json_tape *ret);

/* Style text alone, decoded UTF-8 in and out; true: *out (reset first) holds the clean one, false: 'css' is clean. */
bool sanitize_css(struct span css, struct buf *out);
