#pragma once
/*
 * Events out of long JSON inputs: pushed in steps of any size, one element in memory at a time.
 *
 * Life:    new -> feed* -> finish -> free. After the first false every call is false with the same error.
 * Threads: one at a time. No recursion; the work of a feed is linear in its bytes (plus the callback's).
 * Memory:  the element being read (at most limits.bytes) and its tokens, and what stands beside a list when it is asked for.
 * Cost:    an element that lies whole in one step, as minified JSON, is read in one pass and not copied (json_tape).
 *
 * Shapes:
 *   [e, e, …]                      JSON_SHAPE_ARRAY
 *   {"a": 1, "events": [e, …], …}  JSON_SHAPE_LIST: the elements of one named list; other members are validated
 *   e⏎e⏎… or e e …                 JSON_SHAPE_LINES: values with white space between them (NDJSON)
 *   JSON_SHAPE_SNIFF decides from the first byte: '[' is ARRAY; '{' is LIST when that object has the list, else LINES;
 *   a value of any other kind is refused (JSON_E_SHAPE).
 */
#include "codec/json_tape.h"

enum json_shape { JSON_SHAPE_SNIFF, JSON_SHAPE_ARRAY, JSON_SHAPE_LIST, JSON_SHAPE_LINES };

struct json_item {
    struct span bytes; /* minified; borrowed, valid during the call */
    const struct json_token *tokens; /* of it, as long; NULL: it came in pieces, or with white space */
    uint64_t index;    /* from 0 */
    uint64_t line;     /* where it starts in the input */
    uint64_t offset;
};

struct json_scan_opts {
    enum json_shape shape;
    const char *list_key;      /* of JSON_SHAPE_LIST and SNIFF; NULL: "events". Must outlive the scanner */
    struct json_limits limits; /* per element; limits.bytes counts its minified bytes (JSON_E_EVENT_BYTES) */
    uint64_t total_bytes;      /* of the whole input; 0: 16 GiB */
    bool hash_comments;        /* LINES: a line between values that starts with '#' is skipped (asciicast v3) */

    /* Each element. False stops the scan with JSON_E_STOPPED. */
    bool (*on_item)(void *ctx, const struct json_item *item);
    /*
     * May be NULL. LIST: the object around the list, with the list emptied ({"a":1,"events":[],…}), once, when it ends
     * (at most limits.bytes).
     */
    bool (*on_outer)(void *ctx, struct span bytes);
    void *ctx;
};

struct json_scan;

/* NULL: no memory. */
struct json_scan *json_scan_new(const struct json_scan_opts *opts);
struct json_scan *json_scan_free(struct json_scan *s);
void json_scan_freep(struct json_scan **s);

NODISCARD bool json_scan_feed(struct json_scan *s, struct span in, struct json_error *reterr);

/* The input is over: a value or list that is still open is JSON_E_TRUNCATED, nothing at all JSON_E_EMPTY. */
NODISCARD bool json_scan_finish(struct json_scan *s, struct json_error *reterr);

/* What SNIFF found so far; SNIFF until decided. */
enum json_shape json_scan_shape(const struct json_scan *s);
uint64_t json_scan_items(const struct json_scan *s);
