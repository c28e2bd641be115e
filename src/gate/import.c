/*
 * POST /v1/import: a whole file, streamed.
 *
 * Happy path: credential and metadata to the keeper (INGEST_OPEN, which makes the id and names the masking rules) -> a recording
 * key, where originals are kept also a reveal key, sealed to the vault (WRAP_PUT) -> body in steps of 64 KiB through a worker: unpack, recognise, normalise, chunks, segments, each
 * encrypted file written and synced -> PIECE_PUT -> at the end END -> 201.
 * Any failure: END(ok = 0), the files are removed, the problem says where and why. A client that goes away: the same. A gate
 * that dies: the keeper knows what was open and has it removed. When the answer to END does not come, nobody here knows
 * whether the recording is complete: its files stay, and the keeper, which does know, has them removed if it is not.
 * One step is in a worker at a time; while it runs the body is paused, so memory is bounded whatever the client sends.
 */
#include "gate/uploader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/utf8.h"
#include "codec/importer.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/multipart.h"
#include "codec/sanitize.h"
#include "codec/sfv.h"
#include "crypto/secret.h"
#include "format/segment.h"
#include "format/wrap.h"

#define CALL_MS       10000
#define STEP_BYTES    (256u << 10)
#define IMPORTS_MAX   32    /* at once, all loops: each has a compressor, a segment and a screen in memory */
#define PIECES_MAX    65536 /* of one step; one of 256 KiB that unpacks a thousandfold makes some hundreds */

enum state {
    OPENING,  /* asked the keeper; nothing of the body is taken */
    WRAPPING, /* the wrap is on its way */
    TAKING,   /* the body comes; timer: the net's body rate */
    PUTTING,  /* pieces are on their way to the keeper */
    ENDING,   /* END is on its way */
    FAILING,  /* END(ok = 0), then removal of files */
    OVER,
};

struct piece {
    struct ipc_row_piece row;
    uint8_t sha256[32];
};

/* A segment being made of one track: 0 the recording, 1 what masks took out of it. */
struct track {
    struct segment_builder *builder;
    uint32_t seg_no, n_chunks; /* seg_no: the builder's */
};

#define TRACKS UPLOADER_TRACKS

struct import {
    struct list node;
    struct call *call;
    enum state state;
    bool working;       /* a step is in a worker */
    bool counted;
    bool body_over, finished;
    struct buf in;      /* waiting for a worker */
    struct buf feeding; /* what the worker has */

    char rid[ID_CAP], pid[ID_CAP];
    struct importer_params params;
    struct importer *importer;
    const char *field; /* asciinema's: the file stands in a form, under this name; else NULL */
    struct multipart form;
    struct uploader_keys keys;
    struct track tracks[TRACKS];
    uint32_t next_seg;
    struct buf original; /* of the event or head that comes next: what was before masking */
    bool has_original;
    uint64_t next_seq, n_markers;
    bool noting;
    struct facts facts;
    struct facts_clickable *clickable; /* of a page */
    time_us last_time;
    uint64_t stored;   /* event bytes */
    struct piece *pieces; /* made by the worker, not yet told to the keeper */
    size_t n_pieces, cap_pieces;

    enum err err;      /* of the worker */
    struct err_info why;
    struct importer_result result;
    struct importer_error broken;
    char trouble[40];  /* problem code, once failing */
    char detail[500];
};

static void step(struct import *m);
static void fail(struct import *m, const char *code, const char *detail);

/* ---- answers ---- */

static void answer_problem(struct import *m)
{
    struct call *c = m->call;
    struct buf members = BUF_INIT(2048);
    const struct importer_error *b = &m->broken;
    struct problem p = { .code = span_str(m->trouble), .detail = m->detail };
    struct jsonw w;

    jsonw_init(&w, &members);
    jsonw_obj(&w);
    uploader_broken(&w, b);
    if (strcmp(m->trouble, "unknown-format") == 0) {
        jsonw_karr(&w, "formats");
        for (size_t i = 0; i < 9; i++) {
            static const char *const formats[] = { "asciicast-v0", "asciicast-v1", "asciicast-v2", "asciicast-v3", "rrweb",
                                                   "script", "sudo-iolog", "tlog", "ttyrec" };

            jsonw_str(&w, span_str(formats[i]));
        }
        jsonw_arr_end(&w);
    }
    jsonw_obj_end(&w);
    p.members = buf_span(&members);
    call_problem_full(c, &p, NULL, 0);
    buf_deinit(&members);
}

static void answer_created(struct import *m)
{
    struct buf b = BUF_INIT(2048);
    char location[64], page[600], message[700];
    const struct http_header at = { SPAN("location"), span_str(location) };
    struct jsonw w;

    (void) snprintf(location, sizeof(location), "/v1/recordings/%s", m->rid);
    (void) snprintf(page, sizeof(page), "%s/r/%s", gate_settings(m->call->lane->gate)->public_url, m->rid);
    (void) snprintf(message, sizeof(message), "Recorded. Ask for access and watch it at:\n\n    %s", page);
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "id", m->rid);
    jsonw_kcstr(&w, "kind", m->result.kind == IMPORTER_TERMINAL ? "terminal" : "rrweb");
    jsonw_kcstr(&w, "project", m->pid);
    jsonw_kcstr(&w, "format", m->result.kind == IMPORTER_TERMINAL ? m->result.format : "rrweb");
    jsonw_kint(&w, "events", (int64_t) m->result.n_events);
    jsonw_kint(&w, "duration_ms", m->result.duration_us / 1000);
    jsonw_kint(&w, "bytes", (int64_t) m->stored);
    if (m->field != NULL) { /* what asciinema shows */
        jsonw_kcstr(&w, "url", page);
        jsonw_kcstr(&w, "message", message);
    }
    jsonw_obj_end(&w);
    call_respond(m->call, 201, "application/json", &(struct http_header){ at.name, span_str(location) }, 1, buf_span(&b));
    buf_deinit(&b);
}

/* ---- the end, either way ---- */

static void over(struct import *m)
{
    m->state = OVER;
    if (m->counted)
        (void) atomic_fetch_sub(&m->call->lane->gate->n_imports, 1);
    m->counted = false;
    uploader_keys_drop(&m->keys);
    list_remove(&m->node);
    lane_quiet(m->call->lane);
}

static void remove_files(void *arg)
{
    struct import *m = arg;

    m->err = store_remove_recording(m->call->lane->gate->store, span_str(m->pid), span_str(m->rid), &m->why);
}

static void files_removed(void *arg)
{
    struct import *m = arg;
    struct call *c = m->call;

    if (m->err != ERR_OK && m->err != ERR_NOTFOUND)
        log_err(LOG_WARN, "import.not-removed", &m->why);
    over(m);
    if (c->ex != NULL)
        answer_problem(m);
    call_unref(c);
}

static void on_forgotten(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct import *m = ctx;
    struct gate *g = m->call->lane->gate;
    const struct ipc_answer *a = body;

    if (err != ERR_OK) /* the keeper forgets what this gate had open when it sees us again */
        log_event(LOG_WARN, "import.not-forgotten", LOG_STR("rid", m->rid));
    if (err == ERR_OK && (type != IPC_T_ANSWER || a->code.n > 0)) {
        log_event(LOG_ERROR, "import.kept", LOG_STR("rid", m->rid)); /* the keeper counts on the files */
        m->err = ERR_OK;
        files_removed(m);
    } else if (m->call->lane->closing) { /* workers may not come back any more */
        remove_files(m);
        files_removed(m);
    } else if (pool_work(g->pool, m->call->lane->loop, remove_files, files_removed, m) != ERR_OK) {
        m->err = ERR_OK;
        files_removed(m);
    }
}

static void fail(struct import *m, const char *code, const char *detail)
{
    const struct ipc_end end = { .rid = span_str(m->rid), .ok = 0, .trace = span_of(m->call->trace, CALL_TRACE_LEN) };
    struct link *keeper = m->call->lane->keeper;

    if (m->state == FAILING || m->state == OVER)
        return;
    (void) snprintf(m->trouble, sizeof(m->trouble), "%s", code);
    (void) snprintf(m->detail, sizeof(m->detail), "%s", detail);
    if (m->working)
        return; /* the worker's end comes back here: step_done sees 'trouble' */
    m->state = FAILING;
    (void) call_ref(m->call);
    if (m->rid[0] == '\0') {
        m->err = ERR_OK;
        files_removed(m);
    } else if (keeper == NULL || link_call(keeper, IPC_T_END, &end, CALL_MS, on_forgotten, m) != ERR_OK) {
        on_forgotten(m, ERR_CLOSED, IPC_T_NONE_, NULL);
    }
}

static void on_ended(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct import *m = ctx;
    struct call *c = m->call;
    const struct ipc_answer *a = body;

    if (err != ERR_OK || type != IPC_T_ANSWER) {
        over(m);
        call_problem(c, "keeper-unavailable", "The answer did not come. Nothing tells whether the recording is complete: look.");
    } else if (a->code.n > 0) {
        fail(m, "keeper-unavailable", "The recording could not be completed; nothing of it is kept.");
    } else {
        over(m);
        if (c->ex != NULL)
            answer_created(m);
    }
    call_unref(c);
}

/* The context of a question: it holds the call. */
static struct import *call_and(struct import *m)
{
    (void) call_ref(m->call);
    return m;
}

static void finish(struct import *m)
{
    const struct importer_result *r = &m->result;
    const struct ipc_end end = {
        .rid = span_str(m->rid),
        .ok = 1,
        .kind = r->kind == IMPORTER_TERMINAL ? SPAN("terminal") : SPAN("rrweb"),
        .events = r->n_events,
        .duration_us = r->duration_us,
        .bytes = m->stored,
        .started_ms = r->started_at,
        .trace = span_of(m->call->trace, CALL_TRACE_LEN),
    };
    struct link *keeper = m->call->lane->keeper;

    m->state = ENDING;
    uploader_keys_drop(&m->keys);
    if (keeper == NULL || link_call(keeper, IPC_T_END, &end, CALL_MS, on_ended, call_and(m)) != ERR_OK) {
        fail(m, "keeper-unavailable", "The recording could not be completed; nothing of it is kept."); /* it was not sent */
        if (keeper != NULL)
            call_unref(m->call);
    }
}

/* ---- in the worker ---- */

static enum err builder_open(struct import *m, unsigned track, struct err_info *reterr)
{
    const struct gate_settings *s = gate_settings(m->call->lane->gate);
    const struct khseg_context c = { span_str(m->pid), span_str(m->rid), 0, (uint8_t) track, m->next_seg, SEGMENT_CODEC };
    const struct segment_options o = { .zstd_level = s->zstd_level, .target_bytes = (size_t) s->seal_bytes,
                                       .first_seq = m->next_seq, .first_time = m->last_time,
                                       .clean = SANITIZE_VERSION };
    struct track *t = &m->tracks[track];

    if (t->builder != NULL)
        return ERR_OK;
    TRY(segment_builder_new(m->keys.of[track].rk, &c, &o, &t->builder, reterr));
    t->seg_no = m->next_seg++;
    return ERR_OK;
}

static enum err room_for_piece(struct import *m, struct err_info *reterr)
{
    size_t cap = m->cap_pieces == 0 ? 16 : m->cap_pieces * 2;
    struct piece *more;

    if (m->n_pieces < m->cap_pieces)
        return ERR_OK;
    more = cap > PIECES_MAX ? NULL : realloc(m->pieces, cap * sizeof(*more));
    if (more == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for %zu segments of one step", cap);
    m->pieces = more;
    m->cap_pieces = cap;
    return ERR_OK;
}

static enum err seal(struct import *m, unsigned track, struct err_info *reterr)
{
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    struct track *t = &m->tracks[track];
    const struct store_piece place = { span_str(m->pid), span_str(m->rid), t->seg_no };
    struct segment_summary sum;
    struct piece *p;
    enum err e;

    TRY(room_for_piece(m, reterr));
    p = &m->pieces[m->n_pieces];
    e = segment_finish(t->builder, &file, &sum, reterr);
    if (e == ERR_OK)
        e = store_put(m->call->lane->gate->store, &place, buf_span(&file), reterr);
    buf_deinit(&file);
    t->builder = segment_builder_free(t->builder);
    if (e != ERR_OK)
        return e;
    memcpy(p->sha256, sum.sha256, sizeof(p->sha256));
    p->row = (struct ipc_row_piece){
        .seg_no = t->seg_no, .track = (uint8_t) track, .kind = KHSEG_KIND, .codec = SEGMENT_CODEC, .size = sum.size,
        .first_seq = sum.first_seq, .n_events = sum.n_events, .first_chunk = t->n_chunks, .n_chunks = sum.n_chunks,
        .t_first_us = sum.t_first, .t_last_us = sum.t_last,
    };
    t->n_chunks += sum.n_chunks;
    m->n_pieces++;
    return ERR_OK;
}

/* What the next head or event was before masking: its line of track 1. */
static enum err on_reveal(void *ctx, int64_t seq, struct span original, struct err_info *reterr)
{
    struct import *m = ctx;

    (void) seq;
    if (m->keys.of[1].rk == NULL)
        return ERR_OK;
    buf_reset(&m->original);
    buf_add_span(&m->original, original);
    m->has_original = true;
    return buf_check(&m->original, reterr);
}

static enum err add_original(struct import *m, uint64_t seq, time_us time, struct err_info *reterr)
{
    struct track *t = &m->tracks[1];

    if (m->keys.of[1].rk == NULL)
        return ERR_OK;
    TRY(builder_open(m, 1, reterr));
    TRY(segment_add_event(t->builder, seq, time, m->has_original ? buf_span(&m->original) : SPAN("0"), reterr));
    m->has_original = false;
    return ERR_OK;
}

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct import *m = ctx;

    TRY(builder_open(m, 0, reterr));
    TRY(segment_add_head(m->tracks[0].builder, json, reterr));
    if (!m->has_original)
        return ERR_OK;
    m->has_original = false;
    TRY(builder_open(m, 1, reterr));
    return segment_add_head(m->tracks[1].builder, buf_span(&m->original), reterr);
}

static enum err on_screen(void *ctx, const struct importer_screen *s, struct err_info *reterr)
{
    struct import *m = ctx;

    TRY(builder_open(m, 0, reterr));
    if (s->init.n > SEGMENT_SCREEN_MAX)
        return ERR_OK; /* playing starts at an earlier keyframe */
    return segment_add_screen(m->tracks[0].builder, s->seq, (uint16_t) s->cols, (uint16_t) s->rows, s->init, reterr);
}

/* A marker's label is the third element of ["m"] events. */
static enum err add_marker(struct import *m, const struct importer_event *ev, struct err_info *reterr)
{
    struct json_iter it = json_iter(json_value(ev->json));
    struct json_value v;
    struct buf label = BUF_INIT(ev->json.n + 1);
    enum err e = ERR_OK;

    if (json_next(&it, &v) && json_next(&it, &v) && json_next(&it, &v) && v.type == JSON_STRING &&
        json_string_decode(v.raw, &label))
        e = segment_add_marker(m->tracks[0].builder, ev->seq, buf_span(&label), reterr);
    buf_deinit(&label);
    return e;
}

/* What a player will want to know of it; a page's own marks are markers. */
static enum err note(struct import *m, const struct importer_event *ev, struct err_info *reterr)
{
    const struct facts_in in = { ev->seq, ev->seek_us, ev->json, ev->type, ev->source };
    bool terminal = ev->json.p[0] == '[';
    struct buf label = BUF_INIT(SEGMENT_LABEL_MAX);
    enum err e = ERR_OK;

    if (!m->noting) {
        m->noting = true;
        m->facts = facts_begin(terminal, 0);
        m->clickable = terminal ? NULL : facts_clickable_new();
    }
    if (!terminal && m->n_markers < SEGMENT_LISTED_MAX && facts_mark(&in, &label)) {
        m->n_markers++;
        e = segment_add_marker(m->tracks[0].builder, ev->seq, buf_span(&label), reterr);
    }
    buf_deinit(&label);
    TRY(e);
    return facts_event(&m->facts, m->clickable, segment_builder_notes(m->tracks[0].builder), &in) ? ERR_OK
                                                                                        : ERR_RAISE(reterr, ERR_NOMEM, "notes");
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct import *m = ctx;

    TRY(builder_open(m, 0, reterr));
    if (ev->keyframe)
        TRY(segment_add_keyframe(m->tracks[0].builder, ev->seq, reterr));
    if (ev->type == 'm' && m->n_markers++ < SEGMENT_LISTED_MAX)
        TRY(add_marker(m, ev, reterr));
    TRY(note(m, ev, reterr));
    TRY(segment_add_event(m->tracks[0].builder, ev->seq, ev->seek_us, ev->json, reterr));
    TRY(add_original(m, ev->seq, ev->seek_us, reterr));
    m->next_seq = ev->seq + 1;
    m->last_time = ev->seek_us;
    m->stored += ev->json.n + 1;
    for (unsigned i = 0; i < TRACKS; i++) {
        if (m->tracks[i].builder != NULL && segment_builder_full(m->tracks[i].builder))
            TRY(seal(m, i, reterr));
    }
    return ERR_OK;
}

/* The last bytes are in: the format's own end, then what is left in the builder. */
static enum err finish_input(struct import *m)
{
    TRY(importer_finish(m->importer, &m->result));
    for (unsigned i = 0; i < TRACKS; i++) {
        if (m->tracks[i].builder != NULL)
            TRY(seal(m, i, &m->why));
    }
    return ERR_OK;
}

static enum err feed_part(void *ctx, struct span bytes)
{
    struct import *m = ctx;

    return importer_feed(m->importer, bytes);
}

/* Out of the form, when there is one. What is wrong with the form is said as what is wrong with a file. */
static enum err feed(struct import *m)
{
    struct err_info why = { 0 };
    enum err e;

    if (m->field == NULL)
        return importer_feed(m->importer, buf_span(&m->feeding));
    e = multipart_feed(&m->form, buf_span(&m->feeding), feed_part, m, &why);
    if (e == ERR_OK && m->finished)
        e = multipart_finish(&m->form, &why);
    if (e != ERR_OK && importer_error(m->importer)->code == ERR_OK) {
        m->broken.code = e;
        (void) snprintf(m->broken.cause, sizeof(m->broken.cause), "%s", why.text);
    }
    return e;
}

static void run_step(void *arg)
{
    struct import *m = arg;

    m->err = feed(m);
    if (m->err == ERR_OK && m->finished)
        m->err = finish_input(m);
}

/* ---- between worker and keeper ---- */

static const char *code_of(enum err e)
{
    switch ((int) e) {
    case ERR_UNSUPPORTED: return "unknown-format";
    case ERR_LIMIT: return "too-large";
    case ERR_INVAL:
    case ERR_CORRUPT: return "import-broken";
    case ERR_NOSPC: return "ingest-space";
    default: return "internal";
    }
}

static void fail_worker(struct import *m)
{
    const struct importer_error *b = m->broken.code != ERR_OK ? &m->broken : importer_error(m->importer);
    enum err e = m->err;

    if (b->code != ERR_OK && b != &m->broken) {
        m->broken = *b;
        e = b->code;
    }
    if (b->code != ERR_OK)
        fail(m, code_of(e), b->cause);
    else {
        log_err(LOG_ERROR, "import.failed", &m->why);
        fail(m, code_of(e), "The recording could not be stored.");
    }
}

static void on_pieces_put(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct import *m = ctx;
    const struct ipc_done *d = body;
    struct call *c = m->call;

    if (m->state == PUTTING && (err != ERR_OK || type != IPC_T_DONE || d->code.n > 0)) {
        fail(m, "keeper-unavailable", "The recording could not be completed; nothing of it is kept.");
    } else if (m->state == PUTTING) {
        m->state = TAKING;
        if (m->finished)
            finish(m);
        else
            step(m);
    }
    call_unref(c);
}

static void put_pieces(struct import *m)
{
    struct ipc_row_piece *rows = calloc(m->n_pieces, sizeof(*rows));
    struct ipc_piece_put put = { .rid = span_str(m->rid) };
    struct link *keeper = m->call->lane->keeper;

    if (rows == NULL) {
        fail(m, "overloaded", "");
        return;
    }
    for (size_t i = 0; i < m->n_pieces; i++) {
        rows[i] = m->pieces[i].row;
        rows[i].sha256 = SPAN_OF(m->pieces[i].sha256);
    }
    put.pieces.rows = rows;
    put.pieces.n = (uint32_t) m->n_pieces;
    m->n_pieces = 0;
    m->state = PUTTING;
    if (keeper == NULL ||
        link_call(keeper, IPC_T_PIECE_PUT, &put, CALL_MS, on_pieces_put, call_and(m)) != ERR_OK) {
        if (keeper == NULL)
            (void) call_ref(m->call);
        on_pieces_put(m, ERR_CLOSED, IPC_T_NONE_, NULL);
    }
    free(rows);
}

static void step_done(void *arg)
{
    struct import *m = arg;
    struct call *c = m->call;

    m->working = false;
    buf_reset(&m->feeding);
    if (m->trouble[0] != '\0') {
        char code[sizeof(m->trouble)], detail[sizeof(m->detail)];

        memcpy(code, m->trouble, sizeof(code));
        memcpy(detail, m->detail, sizeof(detail));
        fail(m, code, detail);
    } else if (m->err != ERR_OK) {
        fail_worker(m);
    } else if (m->n_pieces > 0) {
        put_pieces(m);
    } else if (m->finished) {
        finish(m);
    } else {
        step(m);
    }
    call_unref(c);
}

/* Gives what has come to a worker. */
static void step(struct import *m)
{
    struct buf swap = m->feeding;

    if (m->working || m->state != TAKING || (m->in.n == 0 && !m->body_over))
        return;
    m->feeding = m->in;
    m->in = swap;
    m->finished = m->body_over;
    m->working = true;
    if (m->call->ex != NULL)
        exchange_resume(m->call->ex);
    if (pool_work(m->call->lane->gate->pool, m->call->lane->loop, run_step, step_done, call_and(m)) != ERR_OK) {
        m->working = false;
        fail(m, "overloaded", "Too many recordings are being imported at once.");
        call_unref(m->call);
    }
}

static void on_body(struct call *c, struct span bytes)
{
    struct import *m = c->state;

    buf_add_span(&m->in, bytes);
    if (m->in.failed) {
        fail(m, "overloaded", "");
        return;
    }
    if (m->in.n >= STEP_BYTES)
        exchange_pause(c->ex);
    step(m);
}

static void on_body_end(struct call *c)
{
    struct import *m = c->state;

    m->body_over = true;
    step(m);
}

static void on_end(struct call *c, enum exchange_end how)
{
    struct import *m = c->state;

    (void) how;
    if (m->state == OVER || m->state == FAILING || m->state == ENDING)
        return; /* ENDING: the file was whole, so the recording stays */
    fail(m, "timeout", "The client went away before the file was complete.");
}

static void on_free(struct call *c)
{
    struct import *m = c->state;

    if (m == NULL)
        return;
    list_remove(&m->node);
    m->importer = importer_free(m->importer);
    if (m->field != NULL)
        multipart_deinit(&m->form);
    m->clickable = facts_clickable_free(m->clickable);
    for (unsigned i = 0; i < TRACKS; i++)
        m->tracks[i].builder = segment_builder_free(m->tracks[i].builder);
    uploader_keys_drop(&m->keys);
    if (m->original.p != NULL)
        secret_wipe(m->original.p, m->original.cap);
    buf_deinit(&m->original);
    if (m->counted)
        (void) atomic_fetch_sub(&c->lane->gate->n_imports, 1);
    free(m->pieces);
    if (m->in.p != NULL)
        secret_wipe(m->in.p, m->in.cap);
    if (m->feeding.p != NULL)
        secret_wipe(m->feeding.p, m->feeding.cap);
    buf_deinit(&m->in);
    buf_deinit(&m->feeding);
    free(m);
    c->state = NULL;
}

static const struct call_ops import_ops = {
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_end = on_end,
    .on_free = on_free,
};

/* ---- the beginning ---- */

static bool read_form(struct import *m, struct call *c)
{
    struct span type = SPAN_EMPTY;

    (void) http_head_get(exchange_head(c->ex), "content-type", &type);
    return multipart_init(&m->form, type, m->field, NULL) == ERR_OK;
}

static void on_wrapped(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct import *m = ctx;
    struct call *c = m->call;
    const struct ipc_done *d = body;
    const struct gate_settings *s = gate_settings(c->lane->gate);

    if (m->state != WRAPPING || c->ex == NULL) {
        fail(m, "timeout", "The client went away.");
    } else if (err != ERR_OK || type != IPC_T_DONE || d->code.n > 0) {
        fail(m, "keeper-unavailable", "");
    } else {
        m->state = TAKING;
        if (m->field != NULL && !read_form(m, c))
            fail(m, "unsupported-media-type", "asciinema's form is multipart/form-data with a boundary.");
        else if (exchange_accept_body(c->ex, s->import_wire_bytes) != ERR_OK)
            fail(m, "too-large", "The file is over the limit (limits.import).");
    }
    call_unref(c);
}

/* The importer and the keys, by the project's masking rules. NULL, or the code of a refusal. */
static const char *prepare(struct import *m, const struct ipc_ingest_opened *a)
{
    struct mask_rules *rules;
    bool keep;

    if (!span_to_str(a->rid, m->rid, sizeof(m->rid)) || !span_to_str(a->pid, m->pid, sizeof(m->pid)))
        return "internal";
    rules = masks_get(&m->call->lane->gate->masks, a->pid);
    if (rules == NULL)
        return "keeper-unavailable"; /* nothing is taken in unmasked */
    keep = mask_rules_reveal(rules) == MASK_KEEP;
    m->params.rules = rules;
    m->importer = importer_new(&m->params);
    m->params.rules = mask_rules_unref(rules); /* the importer has its own hold */
    if (m->importer == NULL)
        return "overloaded";
    return uploader_keys_make(a->rid, a->pid, a->epoch, a->epoch_pk, keep, &m->keys, &m->why) == ERR_OK ? NULL : "internal";
}

static void on_opened(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct import *m = ctx;
    struct call *c = m->call;
    const struct ipc_ingest_opened *a = body;
    struct ipc_row_wrap rows[UPLOADER_TRACKS];
    struct ipc_wrap_put put = { .rid = span_str(m->rid), .wraps = { rows, 0 } };
    char code[40], detail[400];
    const char *refusal;

    if (err != ERR_OK || type != IPC_T_INGEST_OPENED) {
        fail(m, "keeper-unavailable", "");
    } else if (a->code.n > 0) {
        (void) span_to_str(a->code, code, sizeof(code));
        (void) span_to_str(a->detail, detail, sizeof(detail));
        fail(m, code, detail);
    } else if ((refusal = prepare(m, a)) != NULL) {
        fail(m, refusal, "");
    } else {
        m->state = WRAPPING;
        put.rid = span_str(m->rid);
        put.wraps.n = uploader_wrap_rows(&m->keys, 0, a->epoch, rows);
        if (link_call(c->lane->keeper, IPC_T_WRAP_PUT, &put, CALL_MS, on_wrapped, call_and(m)) != ERR_OK)
            on_wrapped(m, ERR_CLOSED, IPC_T_NONE_, NULL);
    }
    call_unref(c);
}

/* A header that comes in several lines is one list (RFC 9110 5.3). */
static struct span joined_header(struct call *c, const char *name)
{
    const struct http_head *h = exchange_head(c->ex);
    struct buf b = BUF_INIT(16 << 10);
    struct span v;

    for (size_t i = 0; i < h->n_headers; i++) {
        if (!span_eq_str(h->headers[i].name, name))
            continue;
        if (b.n > 0)
            buf_add_str(&b, ", ");
        buf_add_span(&b, h->headers[i].value);
    }
    v = arena_span(&c->memory, buf_span(&b));
    buf_deinit(&b);
    return v;
}

static bool text_header(struct call *c, const char *name, size_t max, struct span *ret, struct err_info *reterr)
{
    struct span header;
    struct buf b = BUF_INIT(4096);
    bool good = true;

    *ret = SPAN_EMPTY;
    if (http_head_get(exchange_head(c->ex), name, &header)) {
        good = sfv_string(header, &b, reterr) == ERR_OK;
        if (good && utf8_count(buf_span(&b)) > max) {
            (void) ERR_RAISE(reterr, ERR_LIMIT, "At most %zu characters.", max);
            good = false;
        }
        if (good)
            *ret = arena_span(&c->memory, buf_span(&b));
    }
    buf_deinit(&b);
    return good;
}

static bool pair_header(struct call *c, const char *name, enum sfv_pair form, size_t max, size_t key_max,
                        size_t value_max, struct ipc_row_tag *rows, uint32_t *ret_n, struct err_info *reterr)
{
    struct buf tree = BUF_INIT(64 << 10);
    bool good = sfv_pairs(joined_header(c, name), form, max, &tree, reterr) == ERR_OK;
    struct span bytes = good ? arena_span(&c->memory, buf_span(&tree)) : SPAN_EMPTY;
    struct span at = tree_root(bytes).payload, inner;
    struct tree entry, key, value;

    buf_deinit(&tree);
    *ret_n = 0;
    while (good && tree_next(&at, &entry)) {
        inner = entry.payload;
        good = tree_next(&inner, &key) && tree_next(&inner, &value);
        if (good && (utf8_count(key.payload) > key_max || utf8_count(value.payload) > value_max)) {
            (void) ERR_RAISE(reterr, ERR_LIMIT, "At most %zu characters before the separator and %zu after it.", key_max,
                             value_max);
            good = false;
        }
        if (good)
            rows[(*ret_n)++] = (struct ipc_row_tag){ key.payload, value.payload };
    }
    return good;
}

static void query_str(struct span query, const char *name, struct span *ret)
{
    if (!tree_get_str(tree_root(query), name, ret))
        *ret = SPAN_EMPTY;
}

static bool read_headers(struct call *c, struct ipc_ingest_open *o, struct ipc_row_tag *tags, struct ipc_row_tag *links,
                         const char **ret_at, struct err_info *reterr)
{
    *ret_at = "Keyhole-Title";
    if (!text_header(c, "keyhole-title", UPLOADER_TITLE_MAX, &o->title, reterr))
        return false;
    *ret_at = "Keyhole-Subject";
    if (!text_header(c, "keyhole-subject", UPLOADER_TITLE_MAX, &o->subject, reterr))
        return false;
    *ret_at = "Keyhole-Tag";
    if (!pair_header(c, "keyhole-tag", SFV_TAGS, UPLOADER_TAGS_MAX, UPLOADER_WORD_MAX, UPLOADER_TAG_VALUE_MAX, tags,
                     &o->tags.n, reterr))
        return false;
    *ret_at = "Keyhole-Link";
    return pair_header(c, "keyhole-link", SFV_LINKS, UPLOADER_LINKS_MAX, UPLOADER_LINK_TYPE_MAX, UPLOADER_TAG_VALUE_MAX,
                       links, &o->links.n, reterr);
}

/* False: answered. */
static bool read_metadata(struct call *c, struct ipc_ingest_open *o, struct ipc_row_tag *tags, struct ipc_row_tag *links)
{
    struct err_info e = { 0 };
    const char *at = "kind";
    struct buf query = BUF_INIT(16 << 10);
    struct span q;

    if (exchange_head(c->ex)->query.n > 0 && call_query(c, &query, &e) != ERR_OK) {
        buf_deinit(&query);
        call_problem(c, "bad-request", e.text);
        return false;
    }
    q = arena_span(&c->memory, buf_span(&query));
    buf_deinit(&query);
    query_str(q, "kind", &o->kind);
    query_str(q, "project", &o->project);
    query_str(q, "env", &o->env);
    query_str(q, "class", &o->klass);
    query_str(q, "session", &o->session);
    if (o->kind.n > 0 && !span_eq_str(o->kind, "terminal") && !span_eq_str(o->kind, "rrweb"))
        (void) ERR_RAISE(&e, ERR_INVAL, "terminal or rrweb");
    o->tags.rows = tags;
    o->links.rows = links;
    if (e.code == ERR_OK && read_headers(c, o, tags, links, &at, &e))
        return true;
    uploader_invalid(c, at, e.code == ERR_LIMIT ? "too-long" : "pattern", e.text);
    return false;
}

/* False: a coding that nobody knows. */
static bool set_params(struct import *m, const struct ipc_ingest_open *o, struct call *c)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);
    struct importer_params p = importer_defaults();
    struct span coding;

    p.kind = o->kind.n == 0 ? IMPORTER_ANY : span_eq_str(o->kind, "terminal") ? IMPORTER_TERMINAL : IMPORTER_RRWEB;
    p.unpack.out_max = s->import_bytes;
    p.on_head = on_head;
    p.on_event = on_event;
    p.on_screen = on_screen;
    p.on_reveal = on_reveal;
    p.ctx = m;
    if (http_head_get(exchange_head(c->ex), "content-encoding", &coding)) {
        p.encoded = true;
        if (!unpack_by_name(coding, &p.codec))
            return false;
    }
    m->params = p;
    return true;
}

const char *import_field(enum route_id route)
{
    if (route == ROUTE_asciinema_upload)
        return "asciicast";
    return route == ROUTE_asciinema_recordings ? "file" : NULL;
}

void import_answer(struct call *c)
{
    struct lane *l = c->lane;
    struct ipc_row_tag tags[UPLOADER_TAGS_MAX], links[UPLOADER_LINKS_MAX];
    struct ipc_ingest_open o = { .prefix = call_prefix(c), .trace = span_of(c->trace, CALL_TRACE_LEN) };
    struct credential cred;
    struct import *m;

    if (!uploader_credential(c, &cred, "Send an ingest token in Authorization, or sign in as a project-admin."))
        return;
    if (uploader_is_browser(cred.token)) {
        call_problem(c, "forbidden", "A public token records what happens; files need an ingest token that is secret.");
        return;
    }
    if (!read_metadata(c, &o, tags, links))
        return;
    o.cred_kind = (uint8_t) cred.kind;
    o.cred = SPAN_OF(cred.sha256);
    m = calloc(1, sizeof(*m));
    if (m == NULL || l->keeper == NULL) {
        free(m);
        call_problem(c, m == NULL ? "overloaded" : "keeper-unavailable", "");
        return;
    }
    m->call = c;
    m->field = import_field(c->route->id);
    buf_init(&m->in, STEP_BYTES * 2 + (64 << 10));
    buf_init(&m->feeding, STEP_BYTES * 2 + (64 << 10));
    buf_init(&m->original, SEGMENT_EVENT_MAX);
    list_append(&l->imports, &m->node);
    c->state = m;
    c->ops = &import_ops;
    if (!set_params(m, &o, c)) {
        over(m);
        call_problem(c, "unsupported-encoding", "");
        return;
    }
    m->counted = true;
    if (atomic_fetch_add(&l->gate->n_imports, 1) >= IMPORTS_MAX) {
        over(m);
        call_problem(c, "overloaded", "Too many recordings are being imported at once.");
        return;
    }
    if (link_call(l->keeper, IPC_T_INGEST_OPEN, &o, CALL_MS, on_opened, call_and(m)) != ERR_OK)
        on_opened(m, ERR_CLOSED, IPC_T_NONE_, NULL);
}

void imports_close(struct lane *l)
{
    LIST_FOREACH(node, &l->imports)
    {
        struct import *m = LIST_ENTRY(node, struct import, node);

        if (m->state != ENDING) /* that one is whole, and its answer is on the way */
            fail(m, "starting", "The server is going down; send the file again.");
    }
}
