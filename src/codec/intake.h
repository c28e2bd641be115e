#pragma once
/*
 * intake: the one stage between an event as a recorder sent it and the event as it is stored.
 *
 *     head or event (minified JSON) -> sanitise (rrweb: codec/sanitize) -> mask (codec/mask_rrweb, codec/mask_term)
 *         -> json:   as it is stored
 *         -> reveal: the sanitised original in the same shape, where something was taken out and the rules keep originals
 *
 * Called once for each head and event, in order, by importer_emit.c and batch.c.
 * codec/facts and screens see 'json', never the original.
 *
 * Terminals: a match may lie in several events, so an event waits until the text at its end is over: add, then take while
 * there is one; flush at the end of a batch or file, when nothing may wait. One comes out for each that went in, in order. What a
 * batch had to let go although it turns out later to belong to a match is told as late marks, for whoever still can change it.
 *
 * Life:    new -> head? -> (add, take*)* -> flush, take* -> free. One for each recording, also a live one: it remembers what
 *          later events need (nodes that are masked, the terminal's screen, a prompt for a password): at most INTAKE_STATE_MAX
 *          bytes, mostly below 16 KiB.
 * Batches: begin -> … flush, take* -> commit once they are durable. A begin without a commit before it forgets what came since the
 *          last commit (or new): a refused batch leaves no trace.
 * Threads: one at a time; it may move between threads.
 * Cost:    an event in which nothing is found is not written again; in rrweb it is not copied either.
 */
#include "codec/importer.h"
#include "codec/mask.h"

#define INTAKE_STATE_MAX (1u << 20) /* with what a refused batch goes back to */
#define INTAKE_LATE_MAX  65536 /* marks of one batch; one that has more is refused: nothing stays unmasked for that */

struct intake;

/* An event on its way, with what its reader knows of it; all but json comes out as it went in. */
struct intake_item {
    struct span json;
    const struct json_token *tokens; /* of json (codec/json_tape.h), until the add is over; NULL: not known */
    uint64_t seq;
    int type, source; /* as struct importer_event has them */
    time_us own_us;
    uint64_t line;
    uint32_t cols, rows; /* of a resize */
};

struct intake_out {
    struct intake_item ev; /* ev.json as it is stored: valid until the next take or add, or the caller's own bytes */
    struct span reveal;    /* empty: nothing was taken out, or originals are dropped. Valid as ev.json */
    bool masked;           /* something was taken out */
    bool sanitised;        /* something hostile was taken out before */
};

/*
 * kind: IMPORTER_TERMINAL or IMPORTER_RRWEB. rules are held (ref) until the free; NULL: mask_rules_default. event_max: bytes of one
 * event as it is stored. NULL: no memory.
 */
struct intake *intake_new(enum importer_kind kind, const struct mask_rules *rules, size_t event_max);
struct intake *intake_free(struct intake *in);
void intake_freep(struct intake **in);

/*
 * The recording began in another process: what is not known of nodes is masked until the next full snapshot where rules go by
 * nodes, and values of inputs always. Of a terminal: what is typed until its line ends; unsure (text may have been left open): what is shown up to the
 * end of the first line, too.
 */
void intake_lost(struct intake *in, bool unsure);

/* The recording's head: an asciicast header, or what stands around a list of rrweb events. Before its events. */
NODISCARD enum err intake_head(struct intake *in, struct span json, struct intake_out *ret, struct err_info *reterr);

/*
 * Take all there are before the next add. ERR_LIMIT: too large once it is sanitised, or to be scanned; the text is a limit's name
 * ("event-too-large", "dom-nodes", "dom-depth"). ERR_NOMEM. After an error nothing of what waits may be stored.
 */
NODISCARD enum err intake_add(struct intake *in, const struct intake_item *item, struct err_info *reterr);
NODISCARD enum err intake_flush(struct intake *in, struct err_info *reterr);
/* The next event that waits for nothing. */
bool intake_take(struct intake *in, struct intake_out *ret);

/* Do the rules keep originals? Only then 'reveal' is ever there. */
bool intake_keeps(const struct intake *in);

void intake_begin(struct intake *in);
void intake_commit(struct intake *in);

/* Bytes [from, to) of the decoded data of a terminal's event that was taken before: they belong to a match. */
struct intake_late {
    uint64_t seq;
    uint32_t from, to;
    uint16_t rule;
    bool keep; /* the original is kept for those who may see it: the rules of the moment said so */
};

/* Those since the last begin, in no order. Valid until the next call. */
const struct intake_late *intake_late(const struct intake *in, size_t *ret_n);

/*
 * After a flush: what stands open. marks, n: text of events that may be part of a match that later ones complete; whoever never hears of later ones
 * masks it. reach: the oldest event of which anything may still be marked late. first: the oldest that has the first half of a match that may still come
 * (mask_scan_live): nobody is shown it yet; it is no less than reach. Both UINT64_MAX: none. Valid until the next call. False: no memory.
 */
struct intake_unsure {
    const struct intake_late *marks;
    size_t n;
    uint64_t first, reach;
};
NODISCARD bool intake_unsure(struct intake *in, struct intake_unsure *ret);

/* Marks as they are stored (docs/formats/log.md): a line [seq,from,to,keep] each, without the rule. read appends struct intake_late. */
void intake_late_write(const struct intake_late *marks, size_t n, struct buf *out);
NODISCARD enum err intake_late_read(struct span lines, struct buf *out, struct err_info *reterr);
/* By event, then place. */
void intake_late_sort(struct intake_late *marks, size_t n);
/* Those of one event, of sorted ones. NULL: none. */
const struct intake_late *intake_late_of(const struct intake_late *marks, size_t n, uint64_t seq, size_t *ret_n);

/*
 * A stored event of a terminal with the marks of its seq (others are passed over) masked, into *out (reset first). *ret_masked false: there were none, *out is
 * empty. ERR_CORRUPT: it is not such an event.
 */
NODISCARD enum err intake_mask_late(struct span json, uint64_t seq, const struct intake_late *marks, size_t n, struct buf *out,
                                    bool *ret_masked, struct err_info *reterr);

struct intake_counts {
    uint64_t events, masked, sanitised;
    uint64_t hits[MASK_RULES_MAX]; /* by rule (enum mask_rule): pieces of text it took out, since new; undone batches included */
};

const struct intake_counts *intake_counts(const struct intake *in);
