#pragma once
/*
 * What other recorders' clients send, and what their products export, to rrweb events of ours and the names that go with
 * them (PEERS 5.6). Pure: bytes in, a JSON array of events out, which codec/batch or the importer reads like any other.
 *
 *   codec/posthog.h   POST /s/ and /e/ of posthog-js, exports of PostHog
 *   codec/sentry.h    envelopes of Sentry's SDKs, files of envelopes, lists of segments
 *   foreign_lines     @rrweb/browser-client: one event a line, which it may send again in another batch
 *
 * Life:    foreign_init -> one reader -> the owner takes what it needs -> foreign_deinit.
 * Threads: one at a time; no clock, no I/O.
 * Limits:  FOREIGN_UNPACKED_MAX for all that comes out of a body, FOREIGN_LINKS_MAX links of one; strings as below, a longer
 *          one is no name. Events themselves are checked by whoever reads the array.
 * Errors:  ERR_INVAL, ERR_CORRUPT: broken (422), ERR_LIMIT: too large (413), ERR_UNSUPPORTED: not what we take (422), with
 *          'fault' and struct importer_error; causes are fixed texts and hold no input.
 */
#include "codec/importer.h"

#define FOREIGN_UNPACKED_MAX (100u << 20)
#define FOREIGN_UNNAMED_MAX  (16u << 20) /* of a body that names its token somewhere inside: nobody knows yet whose it is */
#define FOREIGN_HEAD_MAX     (64u << 10) /* within which an envelope's header has to end, then */
#define FOREIGN_LINES_MAX    200000 /* events of a body of lines: each has a hash here */
#define FOREIGN_LINKS_MAX    64
#define FOREIGN_NAME_MAX     100 /* of a session's or window's id */
#define FOREIGN_TEXT_MAX     200

enum foreign_client { FOREIGN_POSTHOG, FOREIGN_SENTRY, FOREIGN_RRWEB };

enum foreign_fault {
    FOREIGN_BROKEN, /* as the error says */
    FOREIGN_MIXED,  /* more than one session, window or token in one body */
    FOREIGN_VIDEO,  /* a recording of a phone's screen, as pictures */
    FOREIGN_STRANGER, /* it names no token that is known */
};

struct foreign_link {
    char type[16];
    char id[FOREIGN_TEXT_MAX + 1];
    time_ms at; /* since 1970; 0: not known */
};

/* Is this word the token of a project? Asked for words that look like one of ours. */
typedef bool foreign_known(void *ctx, struct span word);

struct foreign {
    enum foreign_client client;
    foreign_known *known; /* NULL: whose it is has been said. Else little is unpacked, and nothing parsed, until one is found in it */
    void *known_ctx;
    char token[FOREIGN_TEXT_MAX + 1];   /* of the project, as the body names it; "": it does not */
    char session[FOREIGN_NAME_MAX + 1]; /* "": nothing in it belongs to a recording */
    char window[FOREIGN_NAME_MAX + 1];  /* a session of several windows is a recording each */
    char subject[FOREIGN_TEXT_MAX + 1]; /* the recorded person, when the client says that it knows */
    struct buf events;                  /* a JSON array */
    size_t n_events;
    time_ms first_at;                   /* of the first event that has a time; 0: none */
    bool numbered;                      /* the client counts its batches: */
    uint32_t segment;                   /* the first of this body, */
    uint32_t last_segment;
    struct foreign_link *links;
    size_t n_links;
    uint64_t *lines;                    /* of foreign_lines: a hash of each event, in order */
    enum foreign_fault fault;
    struct importer_error error;
};

void foreign_init(struct foreign *f, enum foreign_client client);
void foreign_deinit(struct foreign *f);

/* The one layer around a body: as Content-Encoding says (given), else by its first bytes. Appends to *out. */
NODISCARD enum err foreign_unpack(struct foreign *f, struct span body, bool given, enum unpack_codec codec, struct buf *out);

/* Its first FOREIGN_HEAD_MAX bytes. */
NODISCARD enum err foreign_unpack_head(struct foreign *f, struct span body, bool given, enum unpack_codec codec, struct buf *out);

/* ERR_INVAL, FOREIGN_STRANGER: f->known is set, and no quoted word of the text is a token that it knows. */
NODISCARD enum err foreign_check_token(struct foreign *f, struct span text);

/* One event a line; what is no event is found by the reader behind. 'secret' keys the hashes. */
NODISCARD enum err foreign_lines(struct foreign *f, struct span body, const uint8_t secret[16]);

/* The array without the events for which keep[i] is false. */
NODISCARD enum err foreign_lines_pick(const struct foreign *f, struct span body, const bool *keep, struct buf *out);

/* ---- for the readers ---- */

NODISCARD enum err foreign_fail(struct foreign *f, enum err code, enum foreign_fault fault, const char *cause);
/* One valid JSON value within the limits of events; 'at' is where it stands in what was unpacked. */
NODISCARD enum err foreign_check(struct foreign *f, struct span json, uint64_t at);

struct json_value;
/* One event, as it is. */
NODISCARD enum err foreign_add_event(struct foreign *f, struct json_value ev);
/* An id in letters, digits and "-_.:@" of at most FOREIGN_TEXT_MAX; anything else is passed over; what is there already keeps its earliest time. */
void foreign_add_link(struct foreign *f, const char *type, struct json_value id, time_ms at);
/* Into a name of ours. False: no string, too long, or other characters than letters, digits, "-" and "_". */
bool foreign_name(struct json_value v, char *to, size_t cap);
/* Text of at most FOREIGN_TEXT_MAX bytes without control characters. */
bool foreign_text(struct json_value v, char *to, size_t cap);
/* Seconds as a number, or RFC 3339. 0: neither. */
time_ms foreign_seconds(struct json_value v);
