#include "codec/foreign.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/utf8.h"
#include "codec/importer_int.h"

#define CANDIDATES_MAX 64

void foreign_init(struct foreign *f, enum foreign_client client)
{
    *f = (struct foreign){ .client = client };
    buf_init(&f->events, FOREIGN_UNPACKED_MAX + 16);
}

void foreign_deinit(struct foreign *f)
{
    buf_deinit(&f->events);
    free(f->links);
    free(f->lines);
    f->links = NULL;
    f->lines = NULL;
}

enum err foreign_fail(struct foreign *f, enum err code, enum foreign_fault fault, const char *cause)
{
    if (f->error.code == ERR_OK)
        f->fault = fault;
    return importer_error_set(&f->error, code, 0, 0, cause);
}

static enum err too_large(struct foreign *f)
{
    return importer_error_limit(&f->error, 0, 0, "more than a batch may hold, unpacked", "unpacked-size",
                                FOREIGN_UNPACKED_MAX);
}

/* ---- unpacking ---- */

struct head {
    struct buf *to;
    bool full;
};

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    struct buf *to = ctx;

    buf_add_span(to, out);
    return to->failed ? ERR_RAISE(reterr, ERR_LIMIT, "unpacked-size") : ERR_OK;
}

static enum err append_head(void *ctx, struct span out, struct err_info *reterr)
{
    struct head *h = ctx;
    const size_t room = FOREIGN_HEAD_MAX - h->to->n;

    buf_add_span(h->to, span_sub(out, 0, room));
    h->full = out.n >= room;
    return h->full || h->to->failed ? ERR_RAISE(reterr, ERR_LIMIT, "enough") : ERR_OK;
}

enum err foreign_unpack_head(struct foreign *f, struct span body, bool given, enum unpack_codec codec, struct buf *out)
{
    const struct unpack_limits limits = { .out_max = FOREIGN_UNPACKED_MAX, .zstd_window_log = 23 };
    CLEANUP(unpack_freep) struct unpack *u = NULL;
    struct head head = { .to = out };
    struct err_info why = { 0 };
    enum err e;

    if (!given && unpack_sniff(span_sub(body, 0, UNPACK_SNIFF_MIN), &codec, &why) != ERR_OK)
        return foreign_fail(f, ERR_UNSUPPORTED, FOREIGN_BROKEN, "packed in a way that is not taken here");
    u = unpack_new(codec, &limits);
    if (u == NULL)
        return foreign_fail(f, ERR_NOMEM, FOREIGN_BROKEN, "unpacker");
    e = unpack_feed(u, body, append_head, &head, &why);
    return e == ERR_OK || head.full ? ERR_OK : importer_error_unpack(&f->error, e, &why, u, &limits);
}

enum err foreign_unpack(struct foreign *f, struct span body, bool given, enum unpack_codec codec, struct buf *out)
{
    const struct unpack_limits limits = { .out_max = f->known != NULL ? FOREIGN_UNNAMED_MAX : FOREIGN_UNPACKED_MAX,
                                          .zstd_window_log = 23 };
    CLEANUP(unpack_freep) struct unpack *u = NULL;
    struct err_info why = { 0 };
    enum err e;

    if (!given && unpack_sniff(span_sub(body, 0, UNPACK_SNIFF_MIN), &codec, &why) != ERR_OK)
        return foreign_fail(f, ERR_UNSUPPORTED, FOREIGN_BROKEN, "packed in a way that is not taken here");
    u = unpack_new(codec, &limits);
    if (u == NULL)
        return foreign_fail(f, ERR_NOMEM, FOREIGN_BROKEN, "unpacker");
    e = unpack_feed(u, body, append, out, &why);
    if (e == ERR_OK)
        e = unpack_finish(u, &why);
    return e == ERR_OK ? ERR_OK : importer_error_unpack(&f->error, e, &why, u, &limits);
}

enum err foreign_check(struct foreign *f, struct span json, uint64_t at)
{
    struct json_limits limits = json_limits_event();
    struct json_error e;

    limits.bytes = FOREIGN_UNPACKED_MAX;
    if (json_check(json, &limits, &e))
        return ERR_OK;
    e.offset += at;
    return importer_error_json(&f->error, &e, limits.bytes);
}

/* ---- names ---- */

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* The next quoted word that begins as our tokens do ("kit_", "kib_"), off *rest. */
static bool next_candidate(struct span *rest, struct span *ret)
{
    const uint8_t *at;

    while (rest->n > 0 && (at = memmem(rest->p, rest->n, "\"ki", 3)) != NULL) {
        size_t n = 1;

        *rest = span_of(at, rest->n - (size_t) (at - rest->p));
        while (n < rest->n && n <= FOREIGN_TEXT_MAX && is_word(rest->p[n]))
            n++;
        *ret = span_sub(*rest, 1, n - 1);
        *rest = span_sub(*rest, n, rest->n);
        if ((span_starts(*ret, "kit_") || span_starts(*ret, "kib_")) && rest->n > 0 && rest->p[0] == '"')
            return true;
    }
    return false;
}

/*
 * Only a look, so that what strangers send costs little: which token counts is what the reader finds. Words that only look like tokens are
 * passed over, up to a number that no page of ours has.
 */
enum err foreign_check_token(struct foreign *f, struct span text)
{
    struct span rest = text, word;

    if (f->known == NULL)
        return ERR_OK;
    for (unsigned i = 0; i < CANDIDATES_MAX && next_candidate(&rest, &word); i++) {
        if (f->known(f->known_ctx, word))
            return ERR_OK;
    }
    return foreign_fail(f, ERR_INVAL, FOREIGN_STRANGER, "it names no project's token");
}

bool foreign_name(struct json_value v, char *to, size_t cap)
{
    bool good = v.type == JSON_STRING && v.raw.n > 0;

    for (size_t i = 0; good && i < v.raw.n; i++)
        good = is_word(v.raw.p[i]);
    return good && span_to_str(v.raw, to, cap);
}

bool foreign_text(struct json_value v, char *to, size_t cap)
{
    struct buf text = BUF_INIT(FOREIGN_TEXT_MAX);
    bool good = v.type == JSON_STRING && v.raw.n > 0 && json_string_decode(v.raw, &text);
    struct rd in = rd_of(buf_span(&text));

    while (good && in.n > 0) {
        uint32_t cp = utf8_read(&in);

        good = !in.failed && !utf8_is_control(cp);
    }
    good = good && span_to_str(buf_span(&text), to, cap);
    buf_deinit(&text);
    return good;
}

time_ms foreign_seconds(struct json_value v)
{
    int64_t ms;

    if (v.type == JSON_NUMBER && json_scaled(v.raw, 3, &ms) && ms > 0)
        return ms;
    if (v.type == JSON_STRING && time_parse_rfc3339(v.raw, &ms) && ms > 0)
        return ms;
    return 0;
}

static bool is_id(struct span raw)
{
    bool good = raw.n > 0 && raw.n <= FOREIGN_TEXT_MAX;

    for (size_t i = 0; good && i < raw.n; i++)
        good = is_word(raw.p[i]) || raw.p[i] == '.' || raw.p[i] == ':' || raw.p[i] == '@';
    return good;
}

void foreign_add_link(struct foreign *f, const char *type, struct json_value id, time_ms at)
{
    struct foreign_link *l;

    if (id.type != JSON_STRING || !is_id(id.raw))
        return;
    if (f->links == NULL)
        f->links = calloc(FOREIGN_LINKS_MAX, sizeof(*f->links));
    for (size_t i = 0; f->links != NULL && i < f->n_links; i++) {
        if (!span_eq_str(span_str(f->links[i].type), type) || !span_eq_str(id.raw, f->links[i].id))
            continue;
        if (at > 0 && (f->links[i].at == 0 || at < f->links[i].at))
            f->links[i].at = at; /* a segment names the errors in it by its own end */
        return;
    }
    if (f->links == NULL || f->n_links == FOREIGN_LINKS_MAX)
        return;
    l = &f->links[f->n_links++];
    (void) span_to_str(span_str(type), l->type, sizeof(l->type));
    (void) span_to_str(id.raw, l->id, sizeof(l->id));
    l->at = at;
}

/* ---- events ---- */

static void note_time(struct foreign *f, struct json_value ev)
{
    struct json_value at;
    int64_t ms;

    if (f->first_at == 0 && json_find(ev, "timestamp", &at) && at.type == JSON_NUMBER && json_scaled(at.raw, 0, &ms) && ms > 0)
        f->first_at = ms;
}

enum err foreign_add_event(struct foreign *f, struct json_value ev)
{
    buf_add_c(&f->events, f->n_events == 0 ? '[' : ',');
    if (ev.type == JSON_STRING)
        buf_add_c(&f->events, '"');
    buf_add_span(&f->events, ev.raw);
    if (ev.type == JSON_STRING)
        buf_add_c(&f->events, '"');
    f->n_events++;
    note_time(f, ev);
    return f->events.failed ? too_large(f) : ERR_OK;
}

/* ---- lines ---- */

/* The next line that is not empty. */
static bool next_line(struct span *rest, struct span *ret)
{
    while (rest->n > 0) {
        struct span line, tail;

        (void) span_cut(*rest, '\n', &line, &tail);
        *rest = line.n == rest->n ? SPAN_EMPTY : tail;
        line = span_trim(line);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n > 0) {
            *ret = line;
            return true;
        }
    }
    return false;
}

enum err foreign_lines(struct foreign *f, struct span body, const uint8_t secret[16])
{
    struct span rest = body, line;
    size_t n = 0, i = 0;

    while (next_line(&rest, &line))
        n++;
    if (n > FOREIGN_LINES_MAX)
        return importer_error_limit(&f->error, FOREIGN_LINES_MAX + 1, 0, "more events than a batch of lines may have", "batch-events",
                                    FOREIGN_LINES_MAX);
    f->lines = calloc(n + 1, sizeof(*f->lines));
    if (f->lines == NULL)
        return foreign_fail(f, ERR_NOMEM, FOREIGN_BROKEN, "lines");
    for (rest = body; next_line(&rest, &line); i++) {
        TRY(foreign_check(f, line, (uint64_t) (line.p - body.p)));
        f->lines[i] = siphash24(secret, line);
        TRY(foreign_add_event(f, json_value(line)));
    }
    if (f->n_events == 0)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "there is no event in it");
    buf_add_c(&f->events, ']');
    return f->events.failed ? too_large(f) : ERR_OK;
}

enum err foreign_lines_pick(const struct foreign *f, struct span array, const bool *keep, struct buf *out)
{
    struct json_iter it = json_iter(json_value(array));
    struct json_value ev;
    bool any = false;

    for (size_t i = 0; i < f->n_events && json_next(&it, &ev); i++) {
        if (!keep[i])
            continue;
        buf_add_c(out, any ? ',' : '[');
        any = true;
        if (ev.type == JSON_STRING)
            buf_add_c(out, '"');
        buf_add_span(out, ev.raw);
        if (ev.type == JSON_STRING)
            buf_add_c(out, '"');
    }
    buf_add_str(out, any ? "]" : "[]");
    return out->failed ? ERR_NOMEM : ERR_OK;
}
