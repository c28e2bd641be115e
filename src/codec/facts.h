#pragma once
/*
 * facts: what a player needs to know of a recording without reading it: pages, errors, failed requests, rage and dead clicks,
 * resizes, idle spans, how much happens when, and counts. Pure: events in, notes out.
 *
 * Input:   each event as it is stored, masked and sanitised, in order, with its seek time. What is noted is content.
 * Life:    struct facts is a value that goes on through the whole recording (copied freely between jobs); struct facts_notes
 *          is one segment's: facts_notes_init -> facts_event* -> stored with the segment -> facts_notes_deinit (wipes).
 * Threads: one at a time.
 * Limits:  FACTS_LISTED_MAX notes of a kind and segment (FACTS_IDLE_MAX idle spans; more are counted), texts of FACTS_TEXT_MAX bytes, FACTS_BINS bins
 *          of activity whose width doubles when they do not reach. Work: an event of a kind that says nothing is not read;
 *          a full snapshot is read once from front to back.
 *
 * The words:
 *   page      an rrweb Meta event with another address than the one before (a checkout repeats it); a navigation that an
 *             SDK reports (Sentry's spans and breadcrumbs, PostHog's $pageview)
 *   error     a console line of level error or assert, a custom event or breadcrumb of level error or fatal
 *   request   of the network plugin, or a Sentry resource span; noted when its status is 0 or at least 400
 *   rage      FACTS_RAGE clicks or more, each within a second of the one before, within 30 px or on the same element
 *   dead      a click on a link, button or field (or inside one) to which the page did nothing for FACTS_DEAD_US: no change,
 *             scroll, input, request or page. What is clickable is known from the last full snapshot on
 *   idle      nobody did anything for longer than FACTS_IDLE_*: changes that a page makes by itself do not count; of a terminal,
 *             neither output nor input
 */
#include "base/buf.h"
#include "base/times.h"

#define FACTS_TEXT_MAX      200 /* bytes; cut at a character */
#define FACTS_LISTED_MAX    512  /* of one kind, in one segment, */
#define FACTS_IDLE_MAX      4096 /* and of idle spans, which have no text */
#define FACTS_BINS          1024
#define FACTS_BIN_US        125000 /* the narrowest; wider ones are this times a power of two */
#define FACTS_RAGE          3
#define FACTS_DEAD_US       3000000
#define FACTS_IDLE_PAGE_US  10000000
#define FACTS_IDLE_TERM_US  5000000
#define FACTS_CLICKS_KEPT   8
#define FACTS_CLICKABLE_MAX 8192 /* elements that are remembered as clickable */

/* The numbers are stored (docs/formats/segment.md). */
enum fact_kind {
    FACT_PAGE = 1,    /* text: address; value: width | height << 32, in pixels */
    FACT_ERROR = 2,   /* text: the message */
    FACT_REQUEST = 3, /* text: method and address; value: status, 0: none came */
    FACT_RAGE = 4,    /* at its first click; value: clicks */
    FACT_DEAD = 5,
    FACT_RESIZE = 6,  /* value: width | height << 32, of a terminal columns and rows */
    FACT_IDLE = 7,    /* from 'time' on; value: its length in µs; seq: of the event that ended it */
};
#define FACT_KINDS 8 /* kinds are below this */

/* The order is stored. */
enum facts_level { FACTS_LOG, FACTS_INFO, FACTS_WARN, FACTS_ERROR, FACTS_DEBUG, FACTS_LEVELS };

static inline uint32_t facts_listed_max(enum fact_kind kind)
{
    return kind == FACT_IDLE ? FACTS_IDLE_MAX : FACTS_LISTED_MAX;
}

struct facts_counts {
    uint32_t clicks, inputs, errors;
    uint32_t of[FACT_KINDS];     /* by kind, listed or not; [0] is unused */
    uint32_t console[FACTS_LEVELS];
    uint32_t requests[6];        /* by the status' first digit; [0]: none came */
};

struct fact {
    enum fact_kind kind;
    uint64_t seq;  /* the event it came with, or was about: may lie before the segment's first */
    time_us time;  /* seek time */
    uint64_t value;
    uint32_t at, n; /* of its text, in notes->text */
};

struct facts_notes {
    struct facts_counts counts;
    time_us active;         /* the last time somebody did something, so far; -1: never */
    time_us bins_from, bin; /* start of the first bin, a multiple of the width; width: FACTS_BIN_US << n; 0: no bins */
    uint32_t n_bins;
    uint32_t bins[FACTS_BINS]; /* events that change or show something */
    struct fact *list;      /* in the order in which they were found */
    uint32_t n, cap;
    struct buf text;
};

void facts_notes_init(struct facts_notes *n);
void facts_notes_deinit(struct facts_notes *n); /* wipes; safe twice */
static inline struct span facts_text(const struct facts_notes *n, const struct fact *f)
{
    return span_of(n->text.p == NULL ? NULL : n->text.p + f->at, f->n);
}

/* Elements of the page that can be clicked: one for each recording of kind rrweb. */
struct facts_clickable;
struct facts_clickable *facts_clickable_new(void); /* NULL: no memory */
struct facts_clickable *facts_clickable_free(struct facts_clickable *c);

struct facts_click {
    uint64_t seq;
    time_us time;
};

struct facts {
    bool terminal;
    time_us active;
    uint64_t page;          /* digest of the address; 0: none yet */
    uint32_t width, height;
    struct facts_click waiting[FACTS_CLICKS_KEPT]; /* for the page to do something */
    uint32_t n_waiting;
    struct facts_click run; /* the first click of a run: */
    time_us run_last;
    uint32_t run_n;
    int64_t run_x, run_y, run_node;
};

/* from: where the recording goes on in another process, of which nothing else is known; 0: it begins. */
struct facts facts_begin(bool terminal, time_us from);

struct facts_in {
    uint64_t seq;
    time_us time;     /* seek time */
    struct span json; /* valid JSON without white space */
    int type;         /* as importer.h: rrweb's type, a terminal's code */
    int source;       /* rrweb: of an incremental snapshot; else -1 */
};

/*
 * Notes what the event says. clickable: of this recording; NULL: dead clicks are not looked for. False: no memory; what was noted
 * stays right, this event's may be missing.
 */
bool facts_event(struct facts *f, struct facts_clickable *clickable, struct facts_notes *to, const struct facts_in *ev);

/*
 * A custom event that somebody set as a mark on the time line (rrweb): appends its label. False: it is none; SDKs' own
 * events (breadcrumbs, spans, options, everything with a $) are not.
 */
bool facts_mark(const struct facts_in *ev, struct buf *label);

/* One count of activity at this time. */
void facts_bin(struct facts_notes *n, time_us at, uint32_t count);

/* Adds one note with its count, or the count alone when there are many of its kind. False: no memory. */
bool facts_add(struct facts_notes *n, const struct fact *f, struct span text);

/* What another segment, which follows, noted: lists, counts, activity. False: no memory. */
bool facts_join(struct facts_notes *to, const struct facts_notes *next);
