#include <stdio.h>
#include <stdlib.h>

#include "codec/bundle_int.h"

/*
 * tar -> members, held -> (at the member that can be streamed, or at the tar's end) begin -> play.
 */

#define MORE_THAN_ONE "more than one recording in the tar; keyhole import takes it apart"

enum err bundle_in(enum err code, const char *member, struct err_info *reterr)
{
    char text[sizeof(reterr->text)];

    if (code == ERR_OK || reterr == NULL)
        return code;
    (void) snprintf(text, sizeof(text), "%s", reterr->text);
    (void) snprintf(reterr->text, sizeof(reterr->text), "%s: %.300s", member, text);
    return code;
}

static struct member *member_free(struct member *m)
{
    if (m == NULL)
        return NULL;
    buf_deinit(&m->name);
    packed_deinit(&m->source);
    free(m);
    return NULL;
}

static enum err member_new(struct bundle *b, struct span name, uint64_t size, struct err_info *reterr)
{
    struct member *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "member");
    buf_init(&m->name, TAR_NAME_MAX);
    buf_add_span(&m->name, name);
    packed_init(&m->source, &b->sum);
    m->size = size;
    b->members[b->n_members++] = m;
    b->current = m;
    return ERR_OK;
}

/* ---- which member is what */

/* Beginnings as parts_group wants them: unpacked, and the source as if nobody had looked. */
static enum err beginnings(struct bundle *b, struct parts_file *files, struct err_info *reterr)
{
    for (size_t i = 0; i < b->n_members; i++) {
        struct packed *s = &b->members[i]->source;
        struct err_info e;

        files[i] = (struct parts_file){ .name = buf_span(&b->members[i]->name) };
        if (!s->complete)
            continue; /* it begins just now */
        packed_rewind(s);
        if (packed_fill(s, &e) == ERR_OK) /* what cannot be unpacked is no part, or is found when it is played */
            files[i].first = span_sub(packed_ready(s), 0, PARTS_FIRST);
    }
    (void) reterr;
    return ERR_OK;
}

static const enum timing_stream stream_of[] = { [PART_STDIN] = TIMING_STDIN,
                                                [PART_STDOUT] = TIMING_STDOUT,
                                                [PART_STDERR] = TIMING_STDERR,
                                                [PART_TTYIN] = TIMING_TTYIN,
                                                [PART_TTYOUT] = TIMING_TTYOUT };

static void assign(struct bundle *b, struct member *m, enum parts_role role)
{
    m->role = role;
    switch (role) {
    case PART_OTHER: break;
    case PART_FACTS: /* log.json says more than log */
        if (b->facts == NULL || span_eq_str(buf_span(&m->name), "log.json"))
            b->facts = m;
        break;
    case PART_TIMING: b->timing = m; break;
    case PART_STDIN:
    case PART_STDOUT:
    case PART_STDERR:
    case PART_TTYIN:
    case PART_TTYOUT: b->stream[stream_of[role]] = m; break;
    }
}

/* Roles of the members so far. False: they are no recording (yet). */
static enum err group(struct bundle *b, bool *ret_one, struct err_info *reterr)
{
    struct parts_file files[BUNDLE_MEMBERS];
    int groups;

    TRY(beginnings(b, files, reterr));
    groups = parts_group(files, b->n_members);
    *ret_one = groups == 1;
    if (groups > 1)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, MORE_THAN_ONE);
    b->timing = b->facts = NULL;
    memset(b->stream, 0, sizeof(b->stream));
    for (size_t i = 0; groups == 1 && i < b->n_members; i++) {
        if (files[i].group == 1)
            b->kind = files[i].kind;
        if (b->timing == NULL && files[i].role == PART_TIMING)
            b->form = timing_sniff(files[i].first, files[i].first.n < PARTS_FIRST);
        assign(b, b->members[i], files[i].role);
    }
    *ret_one = *ret_one && b->timing != NULL && (b->kind != PARTS_SUDO || b->facts != NULL);
    for (size_t i = 0; i < b->n_members; i++)
        if (b->members[i]->source.complete)
            packed_rewind(&b->members[i]->source);
    return ERR_OK;
}

/* May the member that begins be played as it comes? Only when it alone is missing of what the timing speaks of. */
static enum err try_stream(struct bundle *b, struct err_info *reterr)
{
    static const char *const names[] = { "ttyout", "stdout", "stderr", "typescript" };
    bool known = false, one;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        known = known || span_eq_str(buf_span(&b->current->name), names[i]);
    if (!known)
        return ERR_OK;
    TRY(group(b, &one, reterr));
    if (!one || b->timing == NULL || b->timing == b->current || b->current->role == PART_OTHER)
        return ERR_OK;
    TRY(bundle_survey(b, reterr));
    for (size_t i = 0; i < TIMING_STREAMS; i++)
        if (b->want[i] > 0 && b->stream[i] == NULL)
            return ERR_OK;
    b->current->source.streamed = true;
    return bundle_begin(b, reterr);
}

/* ---- what the tar says */

static enum err on_file(void *ctx, struct span name, uint64_t size, struct err_info *reterr)
{
    struct bundle *b = ctx;

    b->current = NULL;
    if (name.n == 0 || name.p[0] == '.' || span_eq_str(name, "seq"))
        return ERR_OK;
    for (size_t i = 0; i < b->n_members; i++)
        if (span_eq(buf_span(&b->members[i]->name), name))
            return ERR_RAISE(reterr, ERR_UNSUPPORTED, MORE_THAN_ONE);
    if (b->state != COLLECTING)
        return ERR_OK; /* everything that the timing speaks of was there */
    if (b->n_members == BUNDLE_MEMBERS)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "more files in the tar than one recording has; keyhole import takes it apart");
    TRY(member_new(b, name, size, reterr));
    return try_stream(b, reterr);
}

static enum err too_much(struct bundle *b, struct err_info *reterr)
{
    b->r.limit = "held-files";
    b->r.limit_value = b->limits.hold;
    return ERR_RAISE(reterr, ERR_LIMIT, "the files that have to be held are too large together; the largest output has to stand last");
}

static enum err on_bytes(void *ctx, struct span bytes, struct err_info *reterr)
{
    struct bundle *b = ctx;
    struct packed *s = b->current != NULL ? &b->current->source : NULL;

    if (s == NULL)
        return ERR_OK;
    if (!s->streamed && (b->n_held += bytes.n) > b->limits.hold)
        return too_much(b, reterr);
    while (bytes.n > 0) { /* a streamed one is played as it comes, so it holds no more than a step */
        struct span part = span_sub(bytes, 0, SOURCE_READY);

        buf_add_span(&s->held, part);
        if (s->held.failed)
            return ERR_RAISE(reterr, ERR_NOMEM, "member");
        bytes = span_sub(bytes, part.n, bytes.n);
        if (s->streamed)
            TRY(bundle_pump(b, reterr));
    }
    return ERR_OK;
}

static enum err on_end(void *ctx, struct err_info *reterr)
{
    struct bundle *b = ctx;
    struct member *m = b->current;

    b->current = NULL;
    if (m == NULL)
        return ERR_OK;
    m->source.complete = true;
    return m->source.streamed ? bundle_pump(b, reterr) : ERR_OK;
}

/* ---- the reader */

/* Which limit it was, when it was one. */
static enum err named(struct bundle *b, enum err code)
{
    if (code != ERR_LIMIT || b->r.limit != NULL)
        return code;
    b->r.limit = b->tar.limit != NULL ? b->tar.limit : b->sum.hit;
    b->r.limit_value = b->tar.limit != NULL ? b->tar.limit_value : b->sum.hit_value;
    return code;
}

static enum err feed(struct reader *r, struct span in, struct err_info *reterr)
{
    struct bundle *b = (struct bundle *) r;
    enum err code = tar_read_feed(&b->tar, in, reterr);

    r->offset = b->tar.offset;
    return named(b, code);
}

static enum err no_recording(const struct bundle *b, struct err_info *reterr)
{
    for (size_t i = 0; i < b->n_members; i++) {
        struct parts_file f = { .name = buf_span(&b->members[i]->name) };

        if (span_eq_str(f.name, "timing"))
            return ERR_RAISE(reterr, ERR_UNSUPPORTED,
                             "a tar with a file 'timing' and not what belongs to it: sudo's log or log.json, or a typescript");
    }
    return ERR_RAISE(reterr, ERR_UNSUPPORTED,
                     "a tar that holds no recording of sudo, script or asciicast v0; keyhole import finds others in it");
}

static enum err end_tar(struct bundle *b, struct err_info *reterr)
{
    bool one;

    TRY(tar_read_finish(&b->tar, reterr));
    if (b->state == COLLECTING) {
        TRY(group(b, &one, reterr));
        if (!one)
            return no_recording(b, reterr);
        TRY(bundle_survey(b, reterr));
        TRY(bundle_begin(b, reterr));
    }
    TRY(bundle_pump(b, reterr));
    return b->state == DONE ? ERR_OK : ERR_RAISE(reterr, ERR_CORRUPT, "the tar ends inside a recording");
}

static enum err finish(struct reader *r, struct err_info *reterr)
{
    struct bundle *b = (struct bundle *) r;

    return named(b, end_tar(b, reterr));
}

static void release(struct reader *r)
{
    struct bundle *b = (struct bundle *) r;

    for (size_t i = 0; i < b->n_members; i++)
        b->members[i] = member_free(b->members[i]);
    tar_read_deinit(&b->tar);
    sudo_iolog_deinit(&b->sudo);
    buf_deinit(&b->meta);
    free(b);
}

struct reader *bundle_new(struct castout *out, const struct bundle_limits *limits)
{
    struct bundle *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->r = (struct reader){ .feed = feed, .finish = finish, .free = release };
    b->out = out;
    b->limits = *limits;
    b->sum.limits = &b->limits;
    tar_read_init(&b->tar);
    b->tar.on_file = on_file;
    b->tar.on_bytes = on_bytes;
    b->tar.on_end = on_end;
    b->tar.ctx = b;
    sudo_iolog_init(&b->sudo);
    buf_init(&b->meta, 65536);
    return &b->r;
}

const char *bundle_format(const struct reader *r)
{
    switch (((const struct bundle *) r)->kind) {
    case PARTS_NONE: return NULL;
    case PARTS_SUDO: return "sudo-iolog";
    case PARTS_SCRIPT: return "script";
    case PARTS_CAST_V0: return "asciicast-v0";
    }
    return NULL;
}
