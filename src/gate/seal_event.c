/*
 * Events of the log into segments: what importer_emit.c does for a file, with a recording that comes in parts. Frames hold what
 * codec/batch made: valid JSON, absolute times.
 */
#include "gate/seal_int.h"

#include "codec/json.h"
#include "codec/sanitize.h"

#include <stdlib.h>

void seal_events_begin(struct seal *s)
{
    seal_reveal_begin(s);
    if (s->kind == IMPORTER_TERMINAL) {
        asciicast_init(&s->cast, 2, SEGMENT_EVENT_MAX);
    } else {
        rrweb_init(&s->rrweb, SEGMENT_EVENT_MAX);
        s->rrweb.begun = s->at.rrweb_begun;
        s->rrweb.base = s->at.rrweb_base;
        s->rrweb.last = s->at.rrweb_last;
    }
    if (s->at.screens && s->screen == NULL && s->cols > 0) {
        s->screen = screen_new(s->cols, s->rows);
        if (s->screen != NULL)
            screen_feed(s->screen, buf_span(&s->dump));
        else
            s->at.screens = false;
    }
}

void seal_events_done(struct seal *s)
{
    if (s->kind == IMPORTER_TERMINAL)
        asciicast_deinit(&s->cast);
    else
        rrweb_deinit(&s->rrweb);
    s->builder = segment_builder_free(s->builder);
    seal_reveal_done(s);
    if (s->late.p != NULL)
        secret_wipe(s->late.p, s->late.cap);
    if (s->late_before.p != NULL)
        secret_wipe(s->late_before.p, s->late_before.cap);
    buf_deinit(&s->late);
    buf_deinit(&s->late_before);
    late_deinit(&s->marks);
    s->meta_waits = false;
    buf_deinit(&s->meta);
    buf_deinit(&s->text);
}

static enum err builder_open(struct seal *s, struct err_info *reterr)
{
    const struct segment_options o = { .zstd_level = s->job->zstd_level, .target_bytes = seal_target(s->job),
                                       .first_seq = s->at.next_seq, .first_time = s->at.seek,
                                       .clean = SANITIZE_VERSION }; /* what this process took in passed its sanitiser */

    return s->builder != NULL ? ERR_OK : seal_builder(s, 0, &o, &s->builder, &s->seg_no, reterr);
}

static enum err cut_segment(struct seal *s, struct err_info *reterr)
{
    uint32_t at = s->job->n_pieces;

    if (s->builder == NULL)
        return ERR_OK;
    TRY(seal_put(s, TAKE(s->builder), (struct seal_which){ 0, s->seg_no, s->at.next_chunk }, reterr));
    s->at.next_chunk += s->job->pieces[at].row.n_chunks;
    return ERR_OK;
}

/* What a player will want to know of it; a page's own marks are markers. */
static enum err note(struct seal *s, const struct facts_in *ev, struct err_info *reterr)
{
    struct buf label = BUF_INIT(SEGMENT_LABEL_MAX);
    enum err e = ERR_OK;

    if (s->kind == IMPORTER_RRWEB && s->at.n_markers < SEGMENT_LISTED_MAX && facts_mark(ev, &label)) {
        s->at.n_markers++;
        e = segment_add_marker(s->builder, ev->seq, buf_span(&label), reterr);
    }
    buf_deinit(&label);
    TRY(e);
    return facts_event(&s->at.facts, s->clickable, segment_builder_notes(s->builder), ev) ? ERR_OK
                                                                                         : ERR_RAISE(reterr, ERR_NOMEM, "notes");
}

/* One event, whatever its kind; type and source as facts.h wants them. */
static enum err add(struct seal *s, time_us seek, struct span json, int type, int source, struct err_info *reterr)
{
    TRY(note(s, &(struct facts_in){ s->at.next_seq, seek, json, type, source }, reterr));
    TRY(seal_reveal_event(s, seek, reterr));
    TRY(segment_add_event(s->builder, s->at.next_seq, seek, json, reterr));
    s->at.next_seq++;
    s->at.seek = seek;
    s->at.bytes += json.n + 1;
    return segment_builder_full(s->builder) ? cut_segment(s, reterr) : ERR_OK;
}

/* ---- terminals ---- */

static enum err decode(struct seal *s, struct span raw, struct err_info *reterr)
{
    buf_reset(&s->text);
    if (!json_string_decode(raw, &s->text))
        return buf_check(&s->text, reterr);
    return ERR_OK;
}

/* As the importer: before the first event, and after enough time or output; not inside a sequence or character. */
static enum err screen_before(struct seal *s, time_us seek, struct err_info *reterr)
{
    const struct importer_params p = importer_defaults();

    if (s->screen == NULL || !s->at.screens)
        return ERR_OK;
    if (s->at.work + screen_work(s->screen) > p.screen_work + s->at.out_bytes * p.screen_work_per_byte) {
        s->screen = screen_free(s->screen);
        s->at.screens = false;
        return ERR_OK;
    }
    if (s->at.next_seq > 0 && seek - s->at.screen_at < p.screen_every_us &&
        s->at.screen_bytes < p.screen_every_bytes)
        return ERR_OK;
    if (!screen_idle(s->screen))
        return ERR_OK;
    buf_reset(&s->text);
    screen_dump_init(s->screen, &s->text);
    TRY(buf_check(&s->text, reterr));
    s->at.screen_at = seek;
    s->at.screen_bytes = 0;
    if (s->text.n > SEGMENT_SCREEN_MAX)
        return ERR_OK; /* playing starts at an earlier keyframe */
    return segment_add_screen(s->builder, s->at.next_seq, (uint16_t) screen_cols(s->screen),
                              (uint16_t) screen_rows(s->screen), buf_span(&s->text), reterr);
}

static enum err screen_after(struct seal *s, const struct asciicast_event *ev, struct err_info *reterr)
{
    if (s->screen == NULL)
        return ERR_OK;
    if (ev->code == 'r')
        screen_resize(s->screen, (int) ev->cols, (int) ev->rows);
    if (ev->code != 'o')
        return ERR_OK;
    TRY(decode(s, ev->data, reterr));
    screen_feed(s->screen, buf_span(&s->text));
    s->at.screen_bytes += s->text.n;
    s->at.out_bytes += s->text.n;
    return ERR_OK;
}

/* What belongs to a match that ended in a later batch: there it is masked already, here it is now. Its original is what the marks leave that do not keep one. */
static enum err mask_late(struct seal *s, struct span *io, struct err_info *reterr)
{
    bool dropped = false, masked = false;

    buf_reset(&s->late_before);
    if (!late_any(&s->marks))
        return ERR_OK;
    TRY(late_event(&s->marks, LATE_DROPPED, s->at.next_seq, *io, &s->late_before, &dropped, reterr));
    TRY(late_event(&s->marks, LATE_ALL, s->at.next_seq, *io, &s->late, &masked, reterr));
    if (!masked)
        return ERR_OK;
    if (!dropped)
        buf_add_span(&s->late_before, *io);
    if (span_eq(buf_span(&s->late_before), buf_span(&s->late)))
        buf_reset(&s->late_before); /* nothing of it is kept */
    *io = buf_span(&s->late);
    return buf_check(&s->late_before, reterr);
}

static enum err cast_line(struct seal *s, struct span json, struct err_info *reterr)
{
    struct asciicast_event ev;
    time_us seek;

    TRY(mask_late(s, &json, reterr));
    TRY(asciicast_event(&s->cast, json, &ev, reterr));
    seek = ev.own_us > s->at.seek ? ev.own_us : s->at.seek;
    TRY(builder_open(s, reterr));
    TRY(screen_before(s, seek, reterr));
    if (ev.code == 'm' && ev.data.p != NULL && s->at.n_markers < SEGMENT_LISTED_MAX) { /* each 1,024 make a segment */
        s->at.n_markers++;
        TRY(decode(s, ev.data, reterr));
        TRY(segment_add_marker(s->builder, s->at.next_seq, buf_span(&s->text), reterr));
    }
    TRY(add(s, seek, json, ev.code, -1, reterr));
    return screen_after(s, &ev, reterr);
}

/* ---- rrweb ---- */

/* The Meta event that waits, as a keyframe or not. */
static enum err meta_out(struct seal *s, bool keyframe, struct err_info *reterr)
{
    if (!s->meta_waits)
        return ERR_OK;
    s->meta_waits = false;
    TRY(builder_open(s, reterr));
    if (keyframe)
        TRY(segment_add_keyframe(s->builder, s->at.next_seq, reterr));
    return add(s, s->meta_seek, buf_span(&s->meta), RRWEB_META, -1, reterr);
}

static enum err rrweb_line(struct seal *s, struct span json, struct err_info *reterr)
{
    struct rrweb_event ev;
    bool keyframe;
    time_us seek;

    TRY(rrweb_event(&s->rrweb, json, &ev, reterr));
    TRY(meta_out(s, ev.type == RRWEB_FULL, reterr));
    seek = ev.own_us > s->at.seek ? ev.own_us : s->at.seek;
    keyframe = ev.type == RRWEB_FULL && (!s->at.meta_before || s->at.meta_lost);
    s->at.meta_before = ev.type == RRWEB_META;
    s->at.meta_lost = false;
    if (ev.type == RRWEB_META) {
        buf_reset(&s->meta);
        buf_add_span(&s->meta, json);
        s->meta_seek = seek;
        s->meta_waits = true;
        return buf_check(&s->meta, reterr);
    }
    TRY(builder_open(s, reterr));
    if (keyframe)
        TRY(segment_add_keyframe(s->builder, s->at.next_seq, reterr));
    return add(s, seek, json, ev.type, ev.source, reterr);
}

/* ---- either ---- */

/* Size of the terminal, for its screen. */
static enum err cast_head(struct seal *s, struct span json, struct err_info *reterr)
{
    struct json_value v;
    struct asciicast head;
    int64_t version = 2;
    enum err e;

    if (json_find(json_value(json), "version", &v))
        (void) json_int(v.raw, &version);
    asciicast_init(&head, (int) version, SEGMENT_HEAD_MAX);
    e = asciicast_head(&head, json, reterr);
    asciicast_deinit(&head);
    if (e != ERR_OK || !s->at.screens)
        return e;
    s->screen = screen_new((int) head.cols, (int) head.rows);
    return s->screen != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "terminal screen");
}

enum err seal_head(struct seal *s, struct span json, struct err_info *reterr)
{
    if (s->kind == IMPORTER_TERMINAL)
        TRY(cast_head(s, json, reterr));
    TRY(builder_open(s, reterr));
    TRY(segment_add_head(s->builder, json, reterr));
    s->at.head = true;
    return seal_reveal_head(s, reterr);
}

enum err seal_frame(struct seal *s, struct span ndjson, struct err_info *reterr)
{
    struct span line, rest = ndjson;

    if (ndjson.n == 0 || ndjson.p[ndjson.n - 1] != '\n')
        return ERR_RAISE(reterr, ERR_CORRUPT, "log: a record does not end with a line's end");
    while (span_cut(rest, '\n', &line, &rest)) {
        if (line.n == 0)
            return ERR_RAISE(reterr, ERR_CORRUPT, "log: an empty line");
        TRY(s->kind == IMPORTER_TERMINAL ? cast_line(s, line, reterr) : rrweb_line(s, line, reterr));
    }
    return ERR_OK;
}

enum err seal_events_end(struct seal *s, struct err_info *reterr)
{
    s->at.meta_lost = s->at.meta_lost || s->meta_waits;
    TRY(meta_out(s, /* keyframe= */ false, reterr));
    if (s->kind == IMPORTER_RRWEB) {
        s->at.rrweb_begun = s->rrweb.begun;
        s->at.rrweb_base = s->rrweb.base;
        s->at.rrweb_last = s->rrweb.last;
    }
    TRY(cut_segment(s, reterr));
    return seal_reveal_end(s, reterr);
}
