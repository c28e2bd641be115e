#pragma once
/*
 * sniff: which recording format do these (already unpacked) bytes hold? Decided from the beginning, as early as
 * possible (PEERS 5.8, as far as imports go). Pushed in pieces; never fails on form: what is no JSON is found by the
 * real reader.
 */
#include "base/buf.h"

enum sniff_format {
    SNIFF_MORE, /* not decided yet */
    SNIFF_CAST_V1,
    SNIFF_CAST_V2,
    SNIFF_CAST_V3, /* also version 3 in the shape of version 2 */
    SNIFF_RRWEB_ARRAY,
    SNIFF_RRWEB_LIST,  /* {"events": [...]} */
    SNIFF_RRWEB_LINES, /* one event a line */
    SNIFF_POSTHOG,     /* captures, or an export of PostHog's (codec/posthog.h) */
    SNIFF_SENTRY,      /* envelopes, or a list of segments (codec/sentry.h) */
    SNIFF_TTYREC_12, /* these four are read by a reader (codec/reader.h) */
    SNIFF_TTYREC_13,
    SNIFF_TLOG,    /* one message a line */
    SNIFF_JOURNAL, /* journalctl -o export, with tlog's messages in it */
    SNIFF_TAR,     /* the files of one recording */
    SNIFF_REFUSED, /* refusal says why */
};

#define SNIFF_WINDOW 65536 /* no decision later than here */

/* Names what we take; echoes nothing. */
#define SNIFF_KNOWN                                                                                                    \
    "known are asciicast v0 to v3, sudo I/O logs, script, tlog, ttyrec, exports of PostHog and Sentry, and rrweb "      \
    "events as an array, as {\"events\": [...]} or one a line, plain or packed with gzip, deflate or zstd"

struct sniff {
    enum sniff_format format;
    const char *refusal; /* fixed text, of SNIFF_REFUSED */
    uint64_t list_at;    /* of SNIFF_CAST_V1 and SNIFF_RRWEB_LIST: where the '[' is */
    uint64_t at;         /* bytes taken */
    /* the outer object, as far as read */
    uint8_t where;
    uint32_t depth;
    bool in_string, escaped;
    uint8_t n_word;
    char word[24]; /* the name or simple value being read, cut; "\n" in it marks a cut one */
    char key[24];
    int64_t version; /* -1: none */
    bool empty;      /* refused because there is nothing but white space */
    bool ver, rec, timing; /* tlog */
    bool in_array;   /* the outer object is the first of an array */
    bool type, data, timestamp, dated, posthog, sentry, segments;
};

void sniff_init(struct sniff *s);
enum sniff_format sniff_feed(struct sniff *s, struct span in);

/*
 * What is no JSON, by its first bytes (unpacked): SNIFF_TAR, SNIFF_TTYREC_*, SNIFF_JOURNAL, or SNIFF_REFUSED with words for
 * what is known and not taken alone. SNIFF_MORE: none of these, so sniff_feed decides. 'whole': there are no more bytes.
 * *ret_wait: the answer may be another one with more bytes, up to SNIFF_WINDOW; ask again.
 */
enum sniff_format sniff_bytes(struct span first, bool whole, bool *ret_wait, const char **ret_refusal);

/* The input ended, or nobody wants to hold more: never SNIFF_MORE. */
enum sniff_format sniff_decide(struct sniff *s);
