/*
 * Track 1 of what is sealed: for each event its line (the original, or `0`) into a segment under the reveal key, with the
 * event's number and time. Lines come from the log's records of track 1, which hold the same events as those of track 0.
 */
#include "gate/seal_int.h"

#include "codec/sanitize.h"
#include "format/zframe.h"

#define NOTHING SPAN("0") /* nothing was taken out of this event */

void seal_reveal_begin(struct seal *s)
{
    s->reveal = (struct seal_reveal){ .frame = BUF_INIT(KHLOG_FRAME_MAX), .raw = BUF_INIT(SEGMENT_EVENT_MAX + 1), .late = BUF_INIT(SEGMENT_EVENT_MAX) };
}

void seal_reveal_done(struct seal *s)
{
    struct seal_reveal *v = &s->reveal;

    v->builder = segment_builder_free(v->builder);
    v->key = khlog_key_free(v->key);
    if (v->raw.p != NULL)
        secret_wipe(v->raw.p, v->raw.cap);
    buf_deinit(&v->raw);
    buf_deinit(&v->frame);
    if (v->late.p != NULL)
        secret_wipe(v->late.p, v->late.cap);
    buf_deinit(&v->late);
    *v = (struct seal_reveal){ .rest = SPAN_EMPTY };
}

static enum err read_record(struct seal *s, size_t i, struct err_info *reterr)
{
    struct seal_reveal *v = &s->reveal;
    size_t n;

    buf_reset(&v->frame);
    buf_reset(&v->raw);
    TRY(reclog_tail_read(s->job->reveal_tail, i, s->job->reveal, &v->key, &v->frame, reterr));
    TRY(zframe_size(buf_span(&v->frame), v->raw.max, &n, reterr));
    return zframe_read(buf_span(&v->frame), n, &v->raw, reterr);
}

static enum err builder_open(struct seal *s, struct err_info *reterr)
{
    struct seal_reveal *v = &s->reveal;
    const struct segment_options o = { .zstd_level = s->job->zstd_level, .target_bytes = seal_target(s->job),
                                       .first_seq = s->at.next_seq, .first_time = s->at.seek,
                                       .clean = SANITIZE_VERSION };

    return v->builder != NULL ? ERR_OK : seal_builder(s, 1, &o, &v->builder, &v->seg_no, reterr);
}

static enum err cut_segment(struct seal *s, struct err_info *reterr)
{
    struct seal_reveal *v = &s->reveal;
    uint32_t at = s->job->n_pieces;

    TRY(seal_put(s, TAKE(v->builder), (struct seal_which){ 1, v->seg_no, s->at.reveal_chunk }, reterr));
    s->at.reveal_chunk += s->job->pieces[at].row.n_chunks;
    return ERR_OK;
}

/* The record with the lines from event 'seq' on. */
static enum err load(struct seal *s, uint64_t seq, struct err_info *reterr)
{
    const struct reclog_tail *t = s->job->reveal_tail;
    struct seal_reveal *v = &s->reveal;

    while (v->next < t->n && t->records[v->next].first_seq + t->records[v->next].n_events <= seq)
        v->next++;
    if (v->next == t->n || t->records[v->next].first_seq > seq)
        return ERR_RAISE(reterr, ERR_CORRUPT, "log: event %llu has no line in track 1", (unsigned long long) seq);
    TRY(read_record(s, v->next, reterr));
    v->seq = t->records[v->next++].first_seq;
    v->rest = buf_span(&v->raw);
    return ERR_OK;
}

static enum err next_line(struct seal *s, struct span *ret, struct err_info *reterr)
{
    struct seal_reveal *v = &s->reveal;

    do {
        if (v->rest.n == 0)
            TRY(load(s, s->at.next_seq, reterr));
        if (!span_cut(v->rest, '\n', ret, &v->rest) || ret->n == 0)
            return ERR_RAISE(reterr, ERR_CORRUPT, "log: a record of track 1 that is no lines");
    } while (v->seq++ < s->at.next_seq);
    return ERR_OK;
}

enum err seal_reveal_event(struct seal *s, time_us seek, struct err_info *reterr)
{
    struct seal_reveal *v = &s->reveal;
    bool masked = false;
    struct span line;

    if (s->job->reveal == NULL)
        return ERR_OK;
    TRY(next_line(s, &line, reterr));
    if (span_eq(line, NOTHING)) { /* it was whole until now, perhaps */
        line = s->late_before.n > 0 ? buf_span(&s->late_before) : line;
    } else if (late_any(&s->marks)) { /* marks of rules that keep nothing count in an original, too */
        TRY(late_event(&s->marks, LATE_DROPPED, s->at.next_seq, line, &v->late, &masked, reterr));
        line = masked ? buf_span(&v->late) : line;
    }
    TRY(builder_open(s, reterr));
    TRY(segment_add_event(v->builder, s->at.next_seq, seek, line, reterr));
    return segment_builder_full(v->builder) ? cut_segment(s, reterr) : ERR_OK;
}

enum err seal_reveal_head(struct seal *s, struct err_info *reterr)
{
    const struct reclog_tail *t = s->job->reveal_tail;

    if (s->job->reveal == NULL)
        return ERR_OK;
    for (size_t i = 0; i < t->n && t->records[i].n_events == 0; i++) {
        if ((t->records[i].flags & KHLOG_HEAD) == 0)
            continue;
        TRY(read_record(s, i, reterr));
        TRY(builder_open(s, reterr));
        return segment_add_head(s->reveal.builder, buf_span(&s->reveal.raw), reterr);
    }
    return ERR_OK;
}

enum err seal_reveal_end(struct seal *s, struct err_info *reterr)
{
    return s->reveal.builder == NULL ? ERR_OK : cut_segment(s, reterr);
}
