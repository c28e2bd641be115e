#include "codec/batch.h"

#include <pthread.h>
#include <stdlib.h>

#include <zstd.h>

#include "codec/importer_int.h"
#include "codec/intake.h"

/*
 * body -> unpack -> shape (a few bytes decide; of an object up to SNIFF_WINDOW) -> json_scan -> one item -> asciicast or
 * rrweb -> NDJSON of the open frame -> zstd.
 *
 * A packed event (a JSON string in rrweb) may unpack a thousandfold: it is put aside, with what follows it in that step, and
 * the next step does it, which the caller may run elsewhere.
 */

#define WINDOW     (32u << 10)
#define LEVEL      1
#define HEAVY_OUT  (512u << 10) /* unpacked in all */
#define HEAVY_ITEM (64u << 10)  /* bytes since the last event ended */
#define ASIDE_MAX  (BATCH_EVENT_MAX + 2 * BATCH_STEP)

/* Frames of one kind. */
struct track {
    struct buf raw; /* NDJSON of the open frame */
    uint32_t raw_events;
    uint64_t first_seq; /* of the open frame */
    struct buf zstd;    /* all frames; that of the head comes last and is listed first */
    struct buf frames;  /* struct batch_frame each, zstd.p not yet set */
};

struct batch {
    struct batch_state now; /* goes on as events come */
    bool first;             /* the state had no head: this batch may bring one */
    bool finished;
    struct importer_error err;

    struct unpack *unpack;
    struct unpack_limits limits;
    bool more; /* the last step filled the window */

    struct sniff sniff;
    struct buf seen; /* until the shape is known */
    const char *list_key;
    struct json_scan *scan;
    uint64_t line, offset; /* of the item being handled */
    uint64_t item_at;      /* unpacked bytes when the last item ended */
    struct buf aside;      /* u64 line, u64 offset, u32 length, bytes; for each item */
    struct importer_error later; /* of what came behind them */

    struct asciicast cast;
    struct rrweb rrweb;

    struct intake *intake; /* or NULL */
    bool keep;             /* originals */
    uint64_t in_seq;       /* of the next event that goes into it */
    uint64_t n_masked, n_sanitised;

    struct buf head;       /* as it will be stored; empty: none came */
    struct buf head_was;   /* before something was taken out; empty: nothing was */
    struct track main, reveal, marks;
    uint64_t n_events, raw_bytes;
};

/* ---- one compressor a thread ---- */

static pthread_key_t compressor_key;
static pthread_once_t compressor_once = PTHREAD_ONCE_INIT;
static bool compressor_keyed;

static void compressor_free(void *ctx)
{
    (void) ZSTD_freeCCtx(ctx); /* always 0 */
}

static void compressor_make_key(void)
{
    compressor_keyed = pthread_key_create(&compressor_key, compressor_free) == 0;
}

/* NULL: no memory. */
static ZSTD_CCtx *compressor(void)
{
    ZSTD_CCtx *ctx;

    (void) pthread_once(&compressor_once, compressor_make_key); /* fails for bad arguments only */
    if (!compressor_keyed)
        return NULL;
    ctx = pthread_getspecific(compressor_key);
    if (ctx != NULL)
        return ctx;
    ctx = ZSTD_createCCtx();
    if (ctx != NULL && pthread_setspecific(compressor_key, ctx) != 0) {
        compressor_free(ctx);
        return NULL;
    }
    return ctx;
}

/* ---- state ---- */

struct batch_state batch_state_new(enum importer_kind kind)
{
    return (struct batch_state){ .kind = kind };
}

struct batch_times batch_times(const struct batch_state *s)
{
    if (s->kind == IMPORTER_RRWEB)
        return (struct batch_times){ s->rrweb_begun ? BATCH_TIMES_RRWEB : BATCH_TIMES_ABSOLUTE, s->rrweb_base };
    return (struct batch_times){ .kind = (uint8_t) s->version };
}

struct batch_state batch_state_resume(enum importer_kind kind, uint64_t next_seq, time_us last_us, uint64_t bytes,
                                      struct batch_times times)
{
    struct batch_state s = { .kind = kind, .head = next_seq > 0, .next_seq = next_seq, .bytes = bytes, .seek = last_us,
                             .cast_at = last_us, .rrweb_last = last_us };

    if (kind == IMPORTER_RRWEB && times.kind == BATCH_TIMES_RRWEB) {
        s.rrweb_begun = true;
        s.rrweb_base = times.base_us;
    } else if (kind == IMPORTER_TERMINAL && times.kind <= BATCH_TIMES_V3) {
        s.version = times.kind;
    }
    return s;
}

/* ---- refusals ---- */

static enum err refuse(struct batch *b, enum err code, const char *cause)
{
    return importer_error_set(&b->err, code, b->line, b->offset, cause);
}

static enum err refuse_item(struct batch *b, enum err code, const struct err_info *e)
{
    return importer_error_item(&b->err, code, b->line, b->offset, e, BATCH_EVENT_MAX);
}

static enum err no_memory(struct batch *b)
{
    return importer_error_set(&b->err, ERR_NOMEM, 0, b->offset, "no memory for a batch of this size");
}

/* ---- heads ---- */

/* A minified object. *ret_version: of an asciicast. */
static enum err check_head(enum importer_kind kind, struct span json, int *ret_version, struct err_info *reterr)
{
    struct json_value head = json_value(json), v;
    struct asciicast cast;
    int64_t version;
    enum err e;

    if (head.type != JSON_OBJECT)
        return ERR_RAISE(reterr, ERR_INVAL, "the head is no object");
    *ret_version = 0;
    if (kind == IMPORTER_RRWEB)
        return ERR_OK;
    if (!json_find(head, "version", &v) || v.type != JSON_NUMBER || !json_int(v.raw, &version) || version < 1 ||
        version > 3)
        return ERR_RAISE(reterr, ERR_INVAL, "a terminal's head needs a version of asciicast from 1 to 3");
    asciicast_init(&cast, (int) version, 1);
    e = asciicast_head(&cast, json, reterr);
    asciicast_deinit(&cast);
    *ret_version = (int) version;
    return e;
}

static enum err head_too_large(struct importer_error *err)
{
    return importer_error_limit(err, 0, 0, "the head is too large", "head-too-large", BATCH_HEAD_MAX);
}

/* Any layout in, minified out. */
static enum err read_head(enum importer_kind kind, struct span json, struct buf *out, int *ret_version,
                          struct importer_error *err)
{
    struct json_limits limits = json_limits_event();
    struct json_error je;
    struct err_info e;
    enum err code;

    if (!json_minify(json, &limits, out, &je))
        return out->failed || je.cause == JSON_E_BYTES ? head_too_large(err)
                                                       : importer_error_json(err, &je, BATCH_HEAD_MAX);
    if (out->n > BATCH_HEAD_MAX)
        return head_too_large(err);
    code = check_head(kind, buf_span(out), ret_version, &e);
    return code == ERR_OK ? ERR_OK : importer_error_set(err, code, 0, 0, e.text);
}

enum err batch_head_check(enum importer_kind kind, struct span json, struct importer_error *reterr)
{
    struct buf out = BUF_INIT(BATCH_HEAD_MAX + 1);
    int version;
    enum err e;

    *reterr = (struct importer_error){ .code = ERR_OK };
    e = read_head(kind, json, &out, &version, reterr);
    buf_deinit(&out);
    return e;
}

/* From here on times are as that version has them. */
static void use_version(struct batch *b, int version)
{
    b->now.version = version;
    b->cast.version = version == 0 ? 2 : version;
}

/* b->head as it is stored. */
static enum err mask_head(struct batch *b)
{
    struct intake_out out;
    struct err_info e;
    enum err code;

    if (b->intake == NULL)
        return ERR_OK;
    code = intake_head(b->intake, buf_span(&b->head), &out, &e);
    if (code != ERR_OK)
        return refuse_item(b, code, &e);
    if (!out.masked)
        return ERR_OK;
    buf_add_span(&b->head_was, out.reveal);
    buf_reset(&b->head);
    buf_add_span(&b->head, out.ev.json);
    return b->head.failed || b->head_was.failed ? head_too_large(&b->err) : ERR_OK;
}

/* A minified object that came in the body where a head may stand. */
static enum err take_head(struct batch *b, struct span json)
{
    struct err_info e;
    int version;
    enum err code;

    if (json.n > BATCH_HEAD_MAX)
        return head_too_large(&b->err);
    code = check_head(b->now.kind, json, &version, &e);
    if (code != ERR_OK)
        return refuse_item(b, code, &e);
    buf_add_span(&b->head, json);
    if (b->head.failed)
        return no_memory(b);
    if (b->in_seq > b->now.next_seq - b->n_events && version != b->now.version) /* around a list, which was read before */
        return refuse(b, ERR_INVAL, "the header's version is not that of its list of events");
    use_version(b, version);
    return mask_head(b);
}

/* ---- frames ---- */

static enum err add_frame(struct batch *b, struct track *t, struct span raw, struct batch_frame f)
{
    ZSTD_CCtx *ctx = compressor();
    size_t bound = ZSTD_compressBound(raw.n), n;
    uint8_t *to = buf_reserve(&t->zstd, bound);

    if (ctx == NULL || to == NULL)
        return no_memory(b);
    n = ZSTD_compressCCtx(ctx, to, bound, raw.p, raw.n, LEVEL);
    if (ZSTD_isError(n) != 0)
        return no_memory(b);
    f.raw = (uint32_t) raw.n;
    f.zstd = span_of(NULL, n);
    t->zstd.n += n;
    buf_add(&t->frames, &f, sizeof(f));
    return t->frames.failed ? no_memory(b) : ERR_OK;
}

static enum err cut_frame(struct batch *b, struct track *t)
{
    struct batch_frame f = { .first_seq = t->first_seq, .n_events = t->raw_events };

    if (t->raw_events == 0)
        return ERR_OK;
    TRY(add_frame(b, t, buf_span(&t->raw), f));
    t->raw_events = 0;
    if (t->raw.cap > 2 * BATCH_FRAME_MAX) /* one large event does not keep its memory */
        buf_deinit(&t->raw);
    buf_reset(&t->raw);
    return ERR_OK;
}

static enum err add_line(struct batch *b, struct track *t, struct span line, uint64_t seq)
{
    if (t->raw_events > 0 && t->raw.n + line.n + 1 > BATCH_FRAME_MAX)
        TRY(cut_frame(b, t));
    if (t->raw_events == 0)
        t->first_seq = seq;
    buf_add_span(&t->raw, line);
    buf_add_c(&t->raw, '\n');
    if (t->raw.failed)
        return no_memory(b);
    t->raw_events++;
    return t->raw.n >= BATCH_FRAME_MAX ? cut_frame(b, t) : ERR_OK;
}

static enum err add_event(struct batch *b, const struct intake_out *ev)
{
    struct span json = ev->ev.json;
    uint64_t seq = b->now.next_seq++;

    b->now.bytes += json.n + 1;
    b->n_events++;
    b->raw_bytes += json.n + 1;
    b->n_masked += ev->masked;
    b->n_sanitised += ev->sanitised;
    if (ev->ev.own_us > b->now.seek)
        b->now.seek = ev->ev.own_us;
    TRY(add_line(b, &b->main, json, seq));
    return b->keep ? add_line(b, &b->reveal, ev->reveal.n > 0 ? ev->reveal : SPAN("0"), seq) : ERR_OK;
}

/* What waits for nothing. */
static enum err add_ready(struct batch *b)
{
    struct intake_out out;

    while (intake_take(b->intake, &out))
        TRY(add_event(b, &out));
    return ERR_OK;
}

static enum err take_in(struct batch *b, struct intake_item item)
{
    struct intake_out plain;
    struct err_info e;
    enum err code;

    item.seq = b->in_seq++;
    item.line = b->line;
    if (b->intake == NULL) {
        plain = (struct intake_out){ .ev = item };
        return add_event(b, &plain);
    }
    code = intake_add(b->intake, &item, &e);
    return code != ERR_OK ? refuse_item(b, code, &e) : add_ready(b);
}

/* The batch is over: nothing waits. */
static enum err flush(struct batch *b)
{
    struct err_info e;
    enum err code;

    if (b->intake == NULL)
        return ERR_OK;
    code = intake_flush(b->intake, &e);
    return code != ERR_OK ? refuse_item(b, code, &e) : add_ready(b);
}

/* ---- items ---- */

static enum err cast_item(struct batch *b, struct span json)
{
    struct asciicast_event ev;
    struct err_info e;
    enum err code;

    if (json.n > 0 && json.p[0] == '{') {
        if (!b->first || b->head.n > 0 || b->in_seq > b->now.next_seq - b->n_events)
            return refuse(b, ERR_INVAL, "a header comes once, before all events");
        return take_head(b, json);
    }
    code = asciicast_event(&b->cast, json, &ev, &e);
    if (code != ERR_OK)
        return refuse_item(b, code, &e);
    b->now.cast_at = b->cast.at;
    return take_in(b, (struct intake_item){ .json = ev.json, .type = ev.code, .source = -1, .own_us = ev.own_us, .cols = ev.cols,
                                            .rows = ev.rows });
}

static enum err rrweb_item(struct batch *b, struct span json, const struct json_token *tokens)
{
    struct rrweb_event ev;
    struct err_info e;
    enum err code = rrweb_value(&b->rrweb, json_tape_value(tokens, json), &ev, &e);

    if (code != ERR_OK)
        return refuse_item(b, code, &e);
    if (b->rrweb.packed_out > BATCH_UNPACKED_MAX)
        return importer_error_limit(&b->err, b->line, b->offset, "packed events unpack to too much", "unpacked-size",
                                    BATCH_UNPACKED_MAX);
    b->now.rrweb_begun = b->rrweb.begun;
    b->now.rrweb_base = b->rrweb.base;
    b->now.rrweb_last = b->rrweb.last;
    return take_in(b, (struct intake_item){ .json = ev.json, .tokens = ev.tokens, .type = ev.type, .source = ev.source, .own_us = ev.own_us });
}

static enum err item(struct batch *b, struct span json, const struct json_token *tokens)
{
    return b->now.kind == IMPORTER_TERMINAL ? cast_item(b, json) : rrweb_item(b, json, tokens);
}

static bool on_item(void *ctx, const struct json_item *it)
{
    struct batch *b = ctx;

    b->item_at = unpack_out(b->unpack);
    if (b->aside.n > 0 || (b->now.kind == IMPORTER_RRWEB && it->bytes.p[0] == '"')) {
        buf_u64le(&b->aside, it->line);
        buf_u64le(&b->aside, it->offset);
        buf_lp4(&b->aside, it->bytes);
        return !b->aside.failed || no_memory(b) == ERR_OK;
    }
    b->line = it->line;
    b->offset = it->offset;
    return item(b, it->bytes, it->tokens) == ERR_OK;
}

/* What was put aside in the step before. */
static enum err do_aside(struct batch *b)
{
    struct rd r = rd_of(buf_span(&b->aside));

    while (r.n > 0) {
        b->line = rd_u64le(&r);
        b->offset = rd_u64le(&r);
        TRY(item(b, rd_lp4(&r), NULL));
    }
    if (b->aside.cap > BATCH_FRAME_MAX)
        buf_deinit(&b->aside);
    buf_reset(&b->aside);
    b->err = b->later;
    return b->err.code;
}

/* The object around the list: the head, when none was there before. */
static bool on_outer(void *ctx, struct span outer)
{
    struct batch *b = ctx;
    struct buf head = BUF_INIT(BATCH_EVENT_MAX);
    enum err e = ERR_OK;

    b->line = 1;
    b->offset = 0;
    importer_without_list(outer, b->list_key, &head);
    if (head.failed)
        e = no_memory(b);
    else if (b->now.kind == IMPORTER_RRWEB || strcmp(b->list_key, "stdout") == 0)
        e = take_head(b, buf_span(&head)); /* around a terminal's {"events": […]} stands nothing of ours */
    buf_deinit(&head);
    return e == ERR_OK;
}

/* ---- the shape ---- */

struct shape {
    enum json_shape shape;
    const char *list;
    bool comments;
};

static bool white(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The n-th byte that is no white space; 0: there is none yet. */
static uint8_t nth(struct span s, int n)
{
    for (size_t i = 0; i < s.n; i++)
        if (!white(s.p[i]) && --n == 0)
            return s.p[i];
    return 0;
}

static enum err terminal_object(struct batch *b, struct shape *ret)
{
    switch (b->sniff.format) {
    case SNIFF_RRWEB_LIST: *ret = (struct shape){ JSON_SHAPE_LIST, "events", false }; return ERR_OK;
    case SNIFF_CAST_V1: *ret = (struct shape){ JSON_SHAPE_LIST, "stdout", false }; return ERR_OK;
    case SNIFF_CAST_V2: *ret = (struct shape){ JSON_SHAPE_LINES, NULL, false }; return ERR_OK;
    case SNIFF_CAST_V3: *ret = (struct shape){ JSON_SHAPE_LINES, NULL, true }; return ERR_OK;
    case SNIFF_RRWEB_ARRAY:
    case SNIFF_RRWEB_LINES:
        return importer_error_set(&b->err, ERR_INVAL, 1, 0, "these are rrweb events; the recording is a terminal's");
    case SNIFF_POSTHOG:
    case SNIFF_SENTRY:
    case SNIFF_TTYREC_12:
    case SNIFF_TTYREC_13:
    case SNIFF_TLOG:
    case SNIFF_JOURNAL:
    case SNIFF_TAR: return importer_error_set(&b->err, ERR_INVAL, 1, 0, "a whole file of another recorder; it is for import");
    case SNIFF_MORE:
    case SNIFF_REFUSED: break;
    }
    return importer_error_set(&b->err, ERR_INVAL, 1, 0, b->sniff.refusal);
}

/* ERR_AGAIN: more bytes are needed. 'end': there are none. */
static enum err find_shape(struct batch *b, bool end, struct shape *ret)
{
    struct span seen = buf_span(&b->seen), fresh = span_sub(seen, (size_t) b->sniff.at, SNIFF_WINDOW);
    uint8_t c = nth(seen, 1), d = nth(seen, 2);

    if (c == 0 && seen.n < SNIFF_WINDOW && !end)
        return ERR_AGAIN;
    if (b->now.kind == IMPORTER_RRWEB) {
        *ret = (struct shape){ c == '"' ? JSON_SHAPE_LINES : JSON_SHAPE_SNIFF, "events", false };
        return ERR_OK;
    }
    if (c == '[' && d == 0 && seen.n < SNIFF_WINDOW && !end)
        return ERR_AGAIN;
    if (c != '{') {
        bool array = c == '[' && (d == '[' || d == ']' || d == '{');

        *ret = (struct shape){ array ? JSON_SHAPE_ARRAY : JSON_SHAPE_LINES, NULL, b->now.version == 3 };
        return ERR_OK;
    }
    if (sniff_feed(&b->sniff, fresh) == SNIFF_MORE && seen.n < SNIFF_WINDOW && !end)
        return ERR_AGAIN;
    (void) sniff_decide(&b->sniff);
    return terminal_object(b, ret);
}

static enum err scan(struct batch *b, struct span in)
{
    struct json_error e;

    if (json_scan_feed(b->scan, in, &e))
        return ERR_OK;
    if (b->aside.n == 0 || b->err.code != ERR_OK)
        return importer_error_json(&b->err, &e, BATCH_EVENT_MAX);
    (void) importer_error_json(&b->later, &e, BATCH_EVENT_MAX); /* what is broken first is told */
    return ERR_OK;
}

static enum err begin_scan(struct batch *b, const struct shape *s)
{
    struct json_scan_opts o = { .shape = s->shape,
                                .list_key = s->list,
                                .limits = json_limits_event(),
                                .total_bytes = BATCH_UNPACKED_MAX,
                                .hash_comments = s->comments,
                                .on_item = on_item,
                                .ctx = b };
    enum err e;

    o.limits.bytes = BATCH_EVENT_MAX;
    b->list_key = s->list;
    if (b->first && b->head.n == 0 && s->list != NULL)
        o.on_outer = on_outer;
    if (s->shape == JSON_SHAPE_LIST && strcmp(s->list, "stdout") == 0) {
        if (o.on_outer == NULL)
            return importer_error_set(&b->err, ERR_INVAL, 1, 0, "a header comes once, before all events");
        use_version(b, 1);
    }
    b->scan = json_scan_new(&o);
    if (b->scan == NULL)
        return no_memory(b);
    e = scan(b, buf_span(&b->seen));
    buf_deinit(&b->seen);
    return e;
}

static enum err plain(struct batch *b, struct span in)
{
    struct shape s;
    enum err e;

    if (b->scan != NULL)
        return scan(b, in);
    buf_add_span(&b->seen, in);
    if (b->seen.failed)
        return no_memory(b);
    e = find_shape(b, /* end= */ false, &s);
    if (e == ERR_AGAIN)
        return ERR_OK;
    return e == ERR_OK ? begin_scan(b, &s) : e;
}

/* ---- life ---- */

/* The head that was given when the recording began. */
static void given_head(struct batch *b, struct span head)
{
    int version = 0;

    if (!b->first)
        (void) refuse(b, ERR_STATE, "the recording has its head already");
    else if (read_head(b->now.kind, head, &b->head, &version, &b->err) == ERR_OK && mask_head(b) == ERR_OK)
        use_version(b, version);
}

static void track_init(struct track *t)
{
    buf_init(&t->raw, BATCH_EVENT_MAX + 1);
    buf_init(&t->zstd, (size_t) BATCH_UNPACKED_MAX * 2);
    buf_init(&t->frames, (1u << 20) * sizeof(struct batch_frame));
}

static void track_deinit(struct track *t)
{
    buf_deinit(&t->raw);
    buf_deinit(&t->zstd);
    buf_deinit(&t->frames);
}

struct batch *batch_new(const struct batch_state *before, enum unpack_codec codec, struct span head, struct intake *intake)
{
    struct batch *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->now = *before;
    b->first = !before->head;
    b->limits = (struct unpack_limits){ .out_max = BATCH_UNPACKED_MAX, .zstd_window_log = 23 };
    sniff_init(&b->sniff);
    buf_init(&b->seen, SNIFF_WINDOW + WINDOW);
    buf_init(&b->aside, ASIDE_MAX);
    buf_init(&b->head, BATCH_HEAD_MAX + 1);
    buf_init(&b->head_was, BATCH_HEAD_MAX + 1);
    track_init(&b->main);
    track_init(&b->reveal);
    track_init(&b->marks);
    b->intake = intake;
    b->in_seq = before->next_seq;
    if (intake != NULL) {
        b->keep = intake_keeps(intake);
        intake_begin(intake);
    }
    asciicast_init(&b->cast, before->version == 0 ? 2 : before->version, BATCH_EVENT_MAX);
    b->cast.at = before->cast_at;
    rrweb_init(&b->rrweb, BATCH_EVENT_MAX);
    b->rrweb.begun = before->rrweb_begun;
    b->rrweb.base = before->rrweb_base;
    b->rrweb.last = before->rrweb_last;
    b->unpack = unpack_new(codec, &b->limits);
    if (b->unpack == NULL)
        return batch_free(b);
    if (head.n > 0)
        given_head(b, head);
    return b;
}

struct batch *batch_free(struct batch *b)
{
    if (b == NULL)
        return NULL;
    if (b->intake != NULL)
        intake_begin(b->intake); /* what was not committed is undone now, and large memory goes back */
    (void) unpack_free(b->unpack);
    (void) json_scan_free(b->scan);
    buf_deinit(&b->seen);
    buf_deinit(&b->aside);
    buf_deinit(&b->head);
    buf_deinit(&b->head_was);
    track_deinit(&b->main);
    track_deinit(&b->reveal);
    track_deinit(&b->marks);
    asciicast_deinit(&b->cast);
    rrweb_deinit(&b->rrweb);
    free(b);
    return NULL;
}

void batch_freep(struct batch **b)
{
    *b = batch_free(*b);
}

const struct importer_error *batch_error(const struct batch *b)
{
    return &b->err;
}

bool batch_more(const struct batch *b)
{
    return b->err.code == ERR_OK && (b->more || b->aside.n > 0);
}

bool batch_heavy(const struct batch *b)
{
    uint64_t out = unpack_out(b->unpack);

    return b->aside.n > 0 || out > HEAVY_OUT || out - b->item_at > HEAVY_ITEM;
}

/* One window: at most that many unpacked bytes. */
static enum err one_window(struct batch *b, struct span *in, uint8_t *window)
{
    struct err_info e;
    size_t n;
    enum err code = unpack_step(b->unpack, in, window, WINDOW, &n, &e);

    if (code != ERR_OK)
        return importer_error_unpack(&b->err, code, &e, b->unpack, &b->limits);
    b->more = n == WINDOW;
    return n > 0 ? plain(b, span_of(window, n)) : ERR_OK;
}

enum err batch_step(struct batch *b, struct span *in)
{
    uint64_t until = unpack_out(b->unpack) + BATCH_STEP;
    struct span part = span_sub(*in, 0, BATCH_STEP);
    size_t given = part.n;
    uint8_t window[WINDOW];
    enum err e = b->err.code;

    if (e == ERR_OK && b->finished)
        return ERR_STATE;
    if (e == ERR_OK && b->aside.n > 0)
        return do_aside(b);
    while (e == ERR_OK && b->aside.n == 0 && (part.n > 0 || b->more) && unpack_out(b->unpack) < until)
        e = one_window(b, &part, window);
    *in = span_sub(*in, given - part.n, in->n);
    return e;
}

/* ---- the end ---- */

static enum err end_body(struct batch *b)
{
    struct span none = SPAN_EMPTY;
    struct json_error je;
    struct err_info e;
    struct shape s;
    enum err code = b->err.code;

    while (code == ERR_OK && batch_more(b))
        code = batch_step(b, &none);
    TRY(code);
    code = unpack_finish(b->unpack, &e);
    if (code != ERR_OK)
        return importer_error_unpack(&b->err, code, &e, b->unpack, &b->limits);
    if (b->scan == NULL && nth(buf_span(&b->seen), 1) == 0)
        return ERR_OK; /* white space at most: a batch without events */
    if (b->scan == NULL) {
        TRY(find_shape(b, /* end= */ true, &s));
        TRY(begin_scan(b, &s));
        TRY(do_aside(b));
    }
    if (!json_scan_finish(b->scan, &je) && je.cause != JSON_E_EMPTY)
        return importer_error_json(&b->err, &je, BATCH_EVENT_MAX);
    return do_aside(b);
}

static enum err end_head(struct batch *b)
{
    struct batch_frame f = { .head = true, .first_seq = b->now.next_seq - b->n_events };

    if (!b->first || (b->head.n == 0 && b->n_events == 0))
        return ERR_OK;
    if (b->head.n == 0)
        buf_add_span(&b->head, b->now.kind == IMPORTER_RRWEB ? SPAN("{}")
                                                             : SPAN("{\"version\":2,\"width\":80,\"height\":24}"));
    if (b->head.failed)
        return no_memory(b);
    b->now.head = true;
    TRY(add_frame(b, &b->main, buf_span(&b->head), f));
    return b->keep && b->head_was.n > 0 ? add_frame(b, &b->reveal, buf_span(&b->head_was), f) : ERR_OK;
}

/* Spans into its zstd, which does not move any more; the head's frame, compressed last, to the front. Returns how many. */
static size_t place_frames(struct track *t)
{
    struct batch_frame *f = (struct batch_frame *) (void *) t->frames.p; /* malloc'd: aligned for anything */
    size_t n = t->frames.n / sizeof(*f), at = 0;

    for (size_t i = 0; i < n; i++) {
        f[i].zstd.p = t->zstd.p + at;
        at += f[i].zstd.n;
    }
    if (n > 1 && f[n - 1].head) {
        struct batch_frame head = f[n - 1];

        memmove(f + 1, f, (n - 1) * sizeof(*f));
        f[0] = head;
    }
    return n;
}

static enum err add_marks(struct batch *b, const struct intake_late *m, size_t n, struct batch_frame f)
{
    f.first_seq = b->now.next_seq;
    if (n == 0)
        return ERR_OK;
    buf_reset(&b->marks.raw);
    intake_late_write(m, n, &b->marks.raw);
    return b->marks.raw.failed ? no_memory(b) : add_frame(b, &b->marks, buf_span(&b->marks.raw), f);
}

/* What turned out late, and what may. */
static enum err end_marks(struct batch *b, struct intake_unsure *ret)
{
    const struct intake_late *late;
    size_t n;

    *ret = (struct intake_unsure){ .first = UINT64_MAX, .reach = UINT64_MAX };
    if (b->intake == NULL)
        return ERR_OK;
    late = intake_late(b->intake, &n);
    TRY(add_marks(b, late, n, (struct batch_frame){ .late = true }));
    if (!intake_unsure(b->intake, ret))
        return no_memory(b);
    return add_marks(b, ret->marks, ret->n, (struct batch_frame){ .unsure = true });
}

enum err batch_finish(struct batch *b, struct batch_out *ret)
{
    struct intake_unsure open;

    if (b->err.code != ERR_OK)
        return b->err.code;
    if (b->finished)
        return ERR_STATE;
    TRY(end_body(b));
    TRY(flush(b));
    TRY(cut_frame(b, &b->main));
    TRY(cut_frame(b, &b->reveal));
    TRY(end_head(b));
    TRY(end_marks(b, &open));
    b->finished = true;
    *ret = (struct batch_out){ .n_frames = place_frames(&b->main), .n_reveal = place_frames(&b->reveal), .n_events = b->n_events,
                               .raw_bytes = b->raw_bytes, .zstd_bytes = b->main.zstd.n + b->reveal.zstd.n,
                               .n_masked = b->n_masked, .n_sanitised = b->n_sanitised, .after = b->now };
    ret->n_marks = place_frames(&b->marks);
    ret->marks = (const struct batch_frame *) (const void *) b->marks.frames.p;
    ret->open_seq = open.first;
    ret->reach_seq = open.reach;
    ret->frames = (const struct batch_frame *) (const void *) b->main.frames.p;
    ret->reveal = (const struct batch_frame *) (const void *) b->reveal.frames.p;
    return ERR_OK;
}
