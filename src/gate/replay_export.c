/*
 * The files that GET export gives: asciicast v2 and v3, an rrweb array, a text. Each says who took it, when, under which access,
 * and which record of the project's log covers its first bytes: in words for eyes, and as JSON for programs (docs/api/openapi.yaml
 * has the table). Text is made in workers: a screen model, or the walk of a page, is no work for a loop.
 */
#include "gate/replay_events.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/asciicast.h"
#include "codec/asciicast_write.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/plain.h"
#include "codec/rrweb.h"
#include "codec/rrweb_mark.h"
#include "codec/timeline.h"
#include "codec/transcript.h"
#include "crypto/random.h"
#include "loop/pool.h"
#include "os/clock.h"

#define TEXT_OUT_MAX (64u << 20)
#define PAUSE_MS     1000 /* before a key ends a text stops where it can go on: what a worker makes of the next chunk may be too late */

struct export {
    struct buf head;    /* of the recording, until the answer begins */
    struct buf text, json; /* the mark */
    time_us previous;   /* v3: of the event before */
    time_us last;       /* of the last event */
    bool first_written; /* rrweb: commas */
    struct rrweb_overlay overlay; /* rrweb: where the mark is, */
    struct buf overlay_bytes; /* rrweb: due first, for the snapshot that was the last event of another answer */

    struct transcript *transcript;
    struct timeline *timeline;
    /* of the worker */
    struct lines lines;
    struct buf out;
    uint64_t first;
    int64_t last_seq;
};

static void wipe_free(struct buf *b)
{
    lines_wipe(b);
}

struct export *export_free(struct export *x)
{
    if (x == NULL)
        return NULL;
    wipe_free(&x->head);
    buf_deinit(&x->text);
    buf_deinit(&x->json);
    wipe_free(&x->overlay_bytes);
    wipe_free(&x->out);
    lines_free(&x->lines);
    transcript_free(x->transcript);
    timeline_free(x->timeline);
    free(x);
    return NULL;
}

static struct export *export_new(void)
{
    struct export *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return NULL;
    buf_init(&x->head, SEGMENT_HEAD_MAX);
    buf_init(&x->text, 4096);
    buf_init(&x->json, 4096);
    buf_init(&x->overlay_bytes, 16384);
    buf_init(&x->out, TEXT_OUT_MAX);
    return x;
}

/* ---- what is asked for ---- */

static const struct {
    const char *name;
    enum format format;
    int kind; /* 0: either, 1: a terminal's, 2: a page's */
} formats[] = {
    { "asciicast-v2", FORMAT_V2, 1 }, { "asciicast-v3", FORMAT_V3, 1 }, { "rrweb", FORMAT_RRWEB, 2 }, { "text", FORMAT_TEXT, 0 },
};

static bool choose_format(struct replay *r, struct events *e)
{
    bool terminal = viewer_facts(r->viewer)->terminal;
    struct span name;

    e->format = terminal ? FORMAT_V2 : FORMAT_RRWEB;
    if (!replay_query_str(r, "format", &name))
        return true;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        e->format = formats[i].format;
        if (span_eq_str(name, formats[i].name) && (formats[i].kind == 0 || (formats[i].kind == 1) == terminal))
            return true;
    }
    replay_bad_parameter(r, "format", terminal ? "asciicast-v2, asciicast-v3 or text" : "rrweb or text");
    return false;
}

/* The head is what the manifest shows, and its lease covers it. */
static void on_head(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct events *e = r->state;
    int code;

    if (!r->over && r->call->ex != NULL) {
        enum key_verdict v = replay_may(r, &code);

        if (v != KEY_OK || (read->err != ERR_OK && read->err != ERR_NOTFOUND)) {
            replay_refuse(r, v == KEY_OK ? KEY_AUTHORITY_STALE : v, "");
        } else {
            wipe_free(&e->export->head);
            e->export->head = read->bytes;
            read->bytes = BUF_INIT(0);
            e->resumed = e->from_seq > 0;
            lines_begin(&e->lines, (uint64_t) (e->resumed ? e->from_seq - 1 : 0), e->resumed ? -1 : 0);
            events_load(r); /* past the last one: nothing but the marks */
        }
    }
    lines_wipe(&read->bytes);
    call_unref(r->call);
}

void export_begin(struct replay *r)
{
    static const struct viewer_want want = { .kind = READ_HEAD };
    struct events *e = events_new(r);

    if (e == NULL || !choose_format(r, e) || !replay_query_int(r, "from_seq", INT64_MAX, &e->from_seq))
        return;
    e->export = export_new();
    if (e->export == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return;
    }
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, on_head, r);
}

/* ---- the mark ---- */

static void make_mark(struct replay *r, struct export *x)
{
    const struct key_claims *k = viewer_claims(r->viewer);
    const struct viewer_facts *f = viewer_facts(r->viewer);
    unsigned long long record = (unsigned long long) viewer_last_lease(r->viewer);
    char at[TIME_RFC3339_LEN + 1];
    time_ms now = clock_wall_ms();
    struct jsonw w;

    time_rfc3339(now, at);
    buf_add_str(&x->text, "Exported from Keyhole by ");
    plain_text(&x->text, span_str(f->who));
    buf_addf(&x->text, ", %.10s %.8s UTC, under %s (audit record %llu of %s)", at, at + 11, k->gid, record, k->pid);
    jsonw_init(&w, &x->json);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "exported_by", f->who);
    jsonw_kcstr(&w, "user", k->sub);
    jsonw_ktime(&w, "exported_at", now);
    jsonw_kcstr(&w, "recording", k->rid);
    jsonw_kcstr(&w, "grant", k->gid);
    jsonw_kcstr(&w, "key", k->jti);
    jsonw_kcstr(&w, "audit_log", k->pid);
    jsonw_kint(&w, "audit_index", (int64_t) record);
    jsonw_obj_end(&w);
}

/* Epoch ms of a moment of a page's recording. */
static time_ms page_time(const struct replay *r, time_us at)
{
    return (viewer_base(r->viewer) + at) / 1000;
}

static void add_line_mark(struct export *x, bool first, struct buf *out)
{
    buf_add_str(out, "# ");
    buf_add_span(out, buf_span(&x->text));
    buf_add_c(out, '\n');
    if (!first)
        return;
    buf_add_str(out, "# keyhole: ");
    buf_add_span(out, buf_span(&x->json));
    buf_add_str(out, "\n\n");
}

static void add_cast_mark(struct export *x, time_us at, bool first, struct buf *out)
{
    struct buf line = BUF_INIT(8192);

    buf_addf(&line, "%s\033[0;7m %s \033[0m\r\n", first ? "" : "\033[?1049l\r\n", buf_cstr(&x->text));
    asciicast_write_mark(at, buf_span(&line), out);
    buf_deinit(&line);
}

/* ---- the beginning ---- */

static enum err write_head(struct replay *r, struct buf *out)
{
    struct events *e = r->state;
    struct export *x = e->export;

    switch (e->format) {
    case FORMAT_V2:
    case FORMAT_V3:
        TRY(asciicast_write_head(buf_span(&x->head), e->format == FORMAT_V3 ? 3 : 2, buf_span(&x->json), out));
        add_cast_mark(x, 0, true, out);
        break;
    case FORMAT_RRWEB:
        buf_add_str(out, "[\n");
        rrweb_write_mark(page_time(r, 0), buf_span(&x->json), out);
        x->first_written = true;
        break;
    case FORMAT_TEXT: add_line_mark(x, true, out); break;
    case FORMAT_EVENTS: break;
    }
    return buf_check(out, NULL);
}

/* What makes text of events: of a terminal its screen, of a page its time line. start: in the middle, from that keyframe; else NULL. */
static bool text_new(struct replay *r, struct export *x, const struct viewer_read *start)
{
    struct json_value v, head;
    struct asciicast cast;
    uint8_t secret[16];
    int64_t version = 2;

    if (x->transcript != NULL || x->timeline != NULL)
        return true;
    if (!viewer_facts(r->viewer)->terminal) {
        random_fill(secret, sizeof(secret));
        x->timeline = timeline_new(secret);
        return x->timeline != NULL;
    }
    head = json_value(x->head.n > 0 ? buf_span(&x->head) : SPAN("{}"));
    if (json_find(head, "version", &v))
        (void) json_int(v.raw, &version);
    asciicast_init(&cast, (int) version, 0);
    if (asciicast_head(&cast, head.raw, NULL) != ERR_OK) {
        cast.cols = ASCIICAST_COLS;
        cast.rows = ASCIICAST_ROWS;
    }
    asciicast_deinit(&cast);
    x->transcript = transcript_new((int) cast.cols, (int) cast.rows);
    if (x->transcript != NULL && start != NULL && start->has_screen)
        transcript_resume(x->transcript, start->cols, start->rows, buf_span(&start->bytes), start->at);
    return x->transcript != NULL;
}

static const char *mime_of(enum format f)
{
    return f == FORMAT_RRWEB ? "application/json" : f == FORMAT_TEXT ? "text/plain; charset=utf-8" : "application/x-asciicast";
}

bool export_head(struct replay *r)
{
    struct events *e = r->state;
    struct export *x = e->export;
    struct buf first = BUF_INIT(SEGMENT_HEAD_MAX * 2 + 16384);
    struct http_header disposition = { SPAN("content-disposition"), SPAN_EMPTY };
    char name[100];
    bool good = false;

    (void) snprintf(name, sizeof(name), "attachment; filename=\"%s.%s\"", viewer_claims(r->viewer)->rid,
                    e->format == FORMAT_RRWEB ? "json" : e->format == FORMAT_TEXT ? "txt" : "cast");
    disposition.value = span_str(name);
    make_mark(r, x);
    if (e->format == FORMAT_TEXT && !text_new(r, x, NULL))
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
    else if (e->from_seq == 0 && write_head(r, &first) != ERR_OK)
        replay_refuse(r, KEY_AUTHORITY_STALE, "The recording's head cannot be written.");
    else
        good = events_begin_answer(r, mime_of(e->format), &disposition, 1, buf_span(&first)); /* sets 'over' when it fails */
    lines_wipe(&first);
    lines_wipe(&x->head);
    return good;
}

/* ---- events ---- */

static bool is_snapshot(struct span json)
{
    struct json_value v;
    int64_t type = -1;

    return json_find(json_value(json), "type", &v) && json_int(v.raw, &type) && type == RRWEB_FULL;
}

static time_ms timestamp(const struct replay *r, const struct line *l)
{
    struct json_value v;
    time_us at;

    if (!json_find(json_value(l->json), "timestamp", &v) || !json_scaled(v.raw, 3, &at))
        at = viewer_base(r->viewer) + l->time;
    return at / 1000;
}

static void add_overlay(struct replay *r, const struct line *l, struct buf *out)
{
    struct export *x = ((struct events *) r->state)->export;
    uint32_t seed;

    random_fill(&seed, sizeof(seed));
    (void) rrweb_write_overlay(l->json, timestamp(r, l), buf_span(&x->text), seed, &x->overlay, out);
}

static void add_page_event(struct replay *r, const struct line *l, struct buf *out)
{
    struct events *e = r->state;
    struct export *x = e->export;
    size_t before;

    if (x->overlay_bytes.n > 0) {
        buf_add_str(out, ",\n");
        buf_add_span(out, buf_span(&x->overlay_bytes));
        buf_reset(&x->overlay_bytes);
    }
    buf_add_str(out, x->first_written || e->from_seq > 0 ? ",\n" : "\n");
    buf_add_span(out, l->json);
    x->first_written = true;
    if (!is_snapshot(l->json) && (x->overlay.own == 0 || !rrweb_covers_overlay(l->json)))
        return;
    before = out->n;
    buf_add_str(out, ",\n");
    if (is_snapshot(l->json))
        add_overlay(r, l, out);
    else
        rrweb_move_overlay(&x->overlay, timestamp(r, l), buf_span(&x->text), out);
    if (out->n == before + 2)
        out->n = before; /* it has no body */
}

void export_event(struct replay *r, const struct line *l, struct buf *out)
{
    struct events *e = r->state;
    struct export *x = e->export;

    x->last = l->time;
    switch (e->format) {
    case FORMAT_V2:
        buf_add_span(out, l->json);
        buf_add_c(out, '\n');
        break;
    case FORMAT_V3: asciicast_v3_event(l->json, &x->previous, out); break;
    case FORMAT_RRWEB: add_page_event(r, l, out); break;
    case FORMAT_TEXT:
    case FORMAT_EVENTS: break;
    }
}

/* ---- going on ---- */

/* The keyframe before: from there on all is read silently. */
static void on_text_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct events *e = r->state;
    int code;

    if (!r->over && r->call->ex != NULL) {
        enum key_verdict v = replay_may(r, &code);

        if (v != KEY_OK || read->err != ERR_OK || !text_new(r, e->export, read)) {
            replay_refuse(r, v == KEY_OK ? KEY_AUTHORITY_STALE : v, "");
        } else {
            e->silent = true;
            lines_begin(&e->lines, read->seq, read->at);
            events_load(r);
        }
    }
    lines_wipe(&read->bytes);
    call_unref(r->call);
}

static void locate_text(struct replay *r)
{
    struct events *e = r->state;
    struct viewer_want want = { .kind = READ_LOCATE, .until = (uint64_t) e->from_seq };
    struct line before;

    want.from = lines_peek(&e->lines, &before) ? before.time : 0;
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, on_text_located, r);
}

void export_settle(struct replay *r)
{
    const struct events *e = r->state;
    struct export *x = e->export;

    if (x->transcript != NULL) {
        transcript_settle(x->transcript);
    } else {
        timeline_take(x->timeline, true, &x->out);
        wipe_free(&x->out);
        buf_init(&x->out, TEXT_OUT_MAX);
    }
}

bool export_pauses(const struct replay *r)
{
    const struct events *e = r->state;

    return e->last_seq >= e->from_seq && viewer_claims(r->viewer)->exp * 1000 - clock_wall_ms() < PAUSE_MS;
}

void export_pause(struct replay *r, struct buf *out)
{
    const struct events *e = r->state;
    struct export *x = e->export;

    if (x->transcript != NULL)
        transcript_pause(x->transcript, out);
    else
        timeline_take(x->timeline, true, out);
    buf_addf(out, "# goes on with from_seq=%llu\n", (unsigned long long) e->lines.seq);
}

/* v3 writes intervals, from the event before, which is the one loaded; a snapshot there may have lost its overlay. */
bool export_resume(struct replay *r)
{
    struct events *e = r->state;
    struct export *x = e->export;
    struct line before;

    if (e->format == FORMAT_TEXT) {
        locate_text(r);
        return false;
    }
    if (e->format == FORMAT_RRWEB && lines_peek(&e->lines, &before) && is_snapshot(before.json)) {
        make_mark(r, x);
        add_overlay(r, &before, &x->overlay_bytes);
        buf_reset(&x->text);
        buf_reset(&x->json); /* made again under this answer's own lease */
    }
    lines_seek(&e->lines, (uint64_t) e->from_seq);
    x->previous = x->last = e->lines.time;
    return true;
}

/* ---- text ---- */

static void run_text(void *arg)
{
    struct replay *r = arg;
    struct events *e = r->state;
    struct export *x = e->export;
    struct line l;
    int64_t at_ms = 0;

    while (lines_peek(&x->lines, &l) && (!e->silent || l.seq < (uint64_t) e->from_seq)) {
        if (x->transcript != NULL) {
            transcript_event(x->transcript, l.json, l.time, &x->out);
        } else {
            at_ms = l.time / 1000;
            (void) timeline_event(x->timeline, l.json, x->previous / 1000, &at_ms);
            timeline_take(x->timeline, false, &x->out);
        }
        lines_next(&x->lines, &l);
        x->last_seq = (int64_t) l.seq;
        x->last = l.time;
    }
}

static void text_done(void *arg)
{
    struct replay *r = arg;
    struct events *e = r->state;
    struct export *x = e->export;
    int code;

    e->working = false;
    if (!r->over && r->call->ex != NULL) {
        enum key_verdict v = replay_may(r, &code);

        if (v != KEY_OK) {
            replay_stop(r, v);
        } else {
            e->lines.seq = x->lines.seq;
            e->lines.time = x->lines.time;
        }
        if (v == KEY_OK && e->silent) {
            wipe_free(&x->out);
            buf_init(&x->out, TEXT_OUT_MAX);
            events_next(r);
        } else if (v == KEY_OK) {
            e->last_seq = x->last_seq;
            e->last_ms = x->last / 1000;
            events_send(r, &x->out, x->first);
            buf_init(&x->out, TEXT_OUT_MAX);
            events_pump(r);
        }
    }
    lines_free(&x->lines);
    call_unref(r->call);
}

void export_text(struct replay *r)
{
    struct events *e = r->state;
    struct export *x = e->export;

    x->lines = e->lines;
    (void) block_ref(x->lines.block);
    x->first = e->lines.seq;
    x->last_seq = e->last_seq;
    x->previous = viewer_base(r->viewer);
    e->working = true;
    (void) call_ref(r->call);
    if (pool_work(r->call->lane->gate->pool, r->call->lane->loop, run_text, text_done, r) == ERR_OK)
        return;
    e->working = false;
    lines_free(&x->lines);
    replay_stop(r, KEY_AUTHORITY_STALE); /* begun: the file stays incomplete */
    call_unref(r->call);
}

/* ---- the end ---- */

void export_tail(struct replay *r, struct buf *out)
{
    struct events *e = r->state;
    struct export *x = e->export;
    time_us duration = r->live ? 0 : viewer_facts(r->viewer)->duration_us;

    if (x->last == 0 && e->from_seq > 0) /* there was nothing left to send */
        x->last = duration;
    switch (e->format) {
    case FORMAT_V2: add_cast_mark(x, x->last, false, out); break;
    case FORMAT_V3: add_cast_mark(x, 0, false, out); break;
    case FORMAT_RRWEB:
        if (x->overlay_bytes.n > 0) {
            buf_add_str(out, ",\n");
            buf_add_span(out, buf_span(&x->overlay_bytes));
        }
        buf_add_str(out, ",\n");
        rrweb_write_mark(page_time(r, x->last), buf_span(&x->json), out);
        buf_add_str(out, "\n]\n");
        break;
    case FORMAT_TEXT:
        if (x->transcript != NULL)
            transcript_end(x->transcript, out);
        else
            timeline_take(x->timeline, true, out);
        buf_add_c(out, '\n');
        add_line_mark(x, false, out);
        break;
    case FORMAT_EVENTS: break;
    }
}
