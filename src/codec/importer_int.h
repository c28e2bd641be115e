#pragma once
/* What the importer's parts and batch.c share; not for others. importer.c reads, importer_emit.c gives out,
 * importer_error.c refuses, importer_reader.c has the formats that a reader turns into events. */
#include "codec/asciicast.h"
#include "codec/bundle.h"
#include "codec/importer.h"
#include "codec/intake.h"
#include "codec/json_scan.h"
#include "codec/rrweb.h"
#include "codec/screen.h"
#include "codec/sniff.h"
#include "codec/tar_read.h"
#include "codec/tlog.h"
#include "codec/ttyrec.h"

struct importer {
    struct importer_params p;
    struct importer_error err;
    bool finished;

    struct unpack *unpack;
    uint8_t first[UNPACK_SNIFF_MIN]; /* of the input, until the layer is known */
    size_t n_first;

    struct sniff sniff;
    struct buf seen; /* what sniff has been given; freed when it has decided */
    enum sniff_format format;
    struct json_scan *scan;
    struct reader *reader; /* one of the two */
    struct castout *castout;
    uint64_t line, offset; /* of the item being handled */

    bool head_done;
    bool foreign;          /* another product's export: read whole, then like an array of events */
    struct buf whole;
    struct buf held;       /* u64 line, u64 offset, u64 length, bytes; for each item */
    struct buf early_head; /* what stands before the list, as on_outer would give it */

    struct asciicast cast;
    struct rrweb rrweb;
    struct intake *intake; /* NULL: no rules */

    uint64_t seq;
    time_us seek;

    /* rrweb: a Meta event waits for the next one, which decides whether it is a keyframe */
    bool meta_waits, meta_before;
    struct importer_event meta;
    struct buf meta_json, meta_reveal;

    struct screen *screen;
    struct buf text; /* decoded output, screen dump */
    time_us screen_at;
    uint64_t screen_bytes, out_bytes;

    struct importer_result res;
    struct importer_marker *markers;
};

/* Errors: the first one stays. Each returns its code. */
enum err importer_fail(struct importer *imp, enum err code, uint64_t line, uint64_t offset, const char *cause);
enum err importer_fail_limit(struct importer *imp, uint64_t line, uint64_t offset, const char *cause, const char *limit,
                             uint64_t value);
enum err importer_fail_item(struct importer *imp, enum err code, const struct err_info *e); /* the one being handled */
enum err importer_fail_callback(struct importer *imp, enum err code,
                                const struct err_info *e); /* not about the input */
enum err importer_fail_json(struct importer *imp, const struct json_error *e);
enum err importer_fail_unpack(struct importer *imp, enum err code, const struct err_info *e);

/* The same without an importer: what batch.c refuses with. */
enum err importer_error_set(struct importer_error *err, enum err code, uint64_t line, uint64_t offset,
                            const char *cause);
enum err importer_error_limit(struct importer_error *err, uint64_t line, uint64_t offset, const char *cause,
                              const char *limit, uint64_t value);
enum err importer_error_json(struct importer_error *err, const struct json_error *e, uint64_t event_max);
enum err importer_error_unpack(struct importer_error *err, enum err code, const struct err_info *e,
                               const struct unpack *u, const struct unpack_limits *limits);
/* An event that rrweb, asciicast or intake refused. */
enum err importer_error_item(struct importer_error *err, enum err code, uint64_t line, uint64_t offset, const struct err_info *e,
                             uint64_t event_max);

/* Appends the object without the member that is the list: the head of formats whose list stands in an object. */
void importer_without_list(struct span obj, const char *list, struct buf *out);

/* Exports of other products (codec/posthog.h, codec/sentry.h), at most FOREIGN_UNPACKED_MAX. */
enum err importer_foreign_feed(struct importer *imp, struct span in);
/* All of it is there: its events, as the array that the scanner is given next. */
enum err importer_foreign_events(struct importer *imp, struct buf *ret);

/* The header of a terminal recording: size, start, screen. */
enum err importer_cast_begin(struct importer *imp, struct span head);
enum err importer_emit_head(struct importer *imp, struct span json);

/* Formats of a reader: which one, its bytes, its end. */
enum err importer_reader_begin(struct importer *imp);
enum err importer_reader_feed(struct importer *imp, struct span in);
enum err importer_reader_finish(struct importer *imp);

/* One element of the input, with its tokens or NULL: events and keyframes go out. */
enum err importer_item(struct importer *imp, struct span json, const struct json_token *tokens);

/* The input is over. */
enum err importer_emit_end(struct importer *imp);
