#include "codec/multipart.h"

#include <stdio.h>

#define HEADERS_MAX 8192
#define HELD_MAX    (4u << 20)

static bool is_boundary(struct span s)
{
    static const char more[] = "'()+_,-./:=? ";

    if (s.n == 0 || s.n > MULTIPART_BOUNDARY_MAX || s.p[s.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const uint8_t c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || memchr(more, c, sizeof(more) - 1) != NULL))
            return false;
    }
    return true;
}

/* The value of 'name' among ";name=value" parameters; a quoted one without its quotes. */
static bool parameter(struct span params, const char *name, struct span *ret)
{
    struct span rest = params, part, key, value;
    bool more = true;

    while (more) {
        more = span_cut(rest, ';', &part, &rest);
        if (!span_cut(span_trim(part), '=', &key, &value) || !span_eq_nocase(key, name))
            continue;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = span_sub(value, 1, value.n - 2);
        *ret = value;
        return true;
    }
    return false;
}

enum err multipart_init(struct multipart *m, struct span content_type, const char *name, struct err_info *reterr)
{
    struct span type, params, boundary;
    int n;

    *m = (struct multipart){ .name = name };
    buf_init(&m->held, HELD_MAX);
    if (!span_cut(content_type, ';', &type, &params))
        params = SPAN_EMPTY;
    if (!span_eq_nocase(span_trim(type), "multipart/form-data"))
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "multipart/form-data is taken here");
    if (!parameter(params, "boundary", &boundary) || !is_boundary(boundary))
        return ERR_RAISE(reterr, ERR_INVAL, "the form has no boundary");
    n = snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%.*s", SPAN_ARG(boundary));
    m->delimiter_len = (size_t) n;
    buf_add_str(&m->held, "\r\n"); /* the first delimiter may stand at the very beginning */
    return ERR_OK;
}

void multipart_deinit(struct multipart *m)
{
    buf_deinit(&m->held);
}

static enum err broken(struct err_info *reterr)
{
    return ERR_RAISE(reterr, ERR_CORRUPT, "the form is not as RFC 7578 has it");
}

static struct span unread(const struct multipart *m)
{
    return span_sub(buf_span(&m->held), m->at, m->held.n);
}

static const uint8_t *find(const struct multipart *m, const char *what, size_t n)
{
    const struct span s = unread(m);

    return s.n == 0 ? NULL : memmem(s.p, s.n, what, n);
}

/* Is this the part that is wanted? */
static bool is_wanted(const struct multipart *m, struct span headers)
{
    struct span rest = headers, line, key, value, name;
    bool more = true;

    while (more) {
        more = span_cut(rest, '\n', &line, &rest);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (!span_cut(line, ':', &key, &value) || !span_eq_nocase(key, "content-disposition"))
            continue;
        if (span_starts(span_trim(value), "form-data") && parameter(value, "name", &name))
            return span_eq_str(name, m->name);
    }
    return false;
}

/* Up to the delimiter, or what cannot belong to one. *ret_cut: a delimiter stood there and is gone. */
static enum err take_until(struct multipart *m, multipart_sink *sink, void *ctx, bool *ret_cut)
{
    const struct span s = unread(m);
    const uint8_t *at = find(m, m->delimiter, m->delimiter_len);
    size_t n = at != NULL ? (size_t) (at - s.p) : s.n >= m->delimiter_len ? s.n - m->delimiter_len + 1 : 0;
    enum err e = ERR_OK;

    *ret_cut = at != NULL;
    if (n > 0 && m->state == MULTIPART_FILE)
        e = sink(ctx, span_sub(s, 0, n));
    m->at += n + (at != NULL ? m->delimiter_len : 0);
    return e;
}

/* After a delimiter: "--" ends the form, a line break begins a part. *ret_more: something was decided. */
static enum err take_headers(struct multipart *m, bool *ret_more, struct err_info *reterr)
{
    const struct span s = unread(m);
    const uint8_t *end;
    size_t n;

    *ret_more = false;
    if (s.n < 2)
        return ERR_OK;
    if (memcmp(s.p, "--", 2) == 0) {
        m->state = MULTIPART_OVER;
        return ERR_OK;
    }
    if (memcmp(s.p, "\r\n", 2) != 0)
        return broken(reterr);
    end = find(m, "\r\n\r\n", 4);
    if (end == NULL)
        return s.n > HEADERS_MAX ? broken(reterr) : ERR_OK;
    n = (size_t) (end - s.p);
    m->state = !m->found && is_wanted(m, span_sub(s, 0, n)) ? MULTIPART_FILE : MULTIPART_OTHER;
    m->found |= m->state == MULTIPART_FILE;
    m->at += n + 4;
    *ret_more = true;
    return ERR_OK;
}

enum err multipart_feed(struct multipart *m, struct span in, multipart_sink *sink, void *ctx, struct err_info *reterr)
{
    bool more = true;

    if (m->state == MULTIPART_OVER)
        return ERR_OK; /* an epilogue */
    buf_add_span(&m->held, in);
    if (m->held.failed)
        return ERR_RAISE(reterr, ERR_NOMEM, "form");
    while (more && m->state != MULTIPART_OVER) {
        if (m->state == MULTIPART_HEADERS) {
            TRY(take_headers(m, &more, reterr));
        } else {
            TRY(take_until(m, sink, ctx, &more));
            if (more)
                m->state = MULTIPART_HEADERS;
        }
    }
    buf_drop(&m->held, m->at);
    m->at = 0;
    return ERR_OK;
}

enum err multipart_finish(const struct multipart *m, struct err_info *reterr)
{
    if (m->state != MULTIPART_OVER)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the form is cut");
    if (!m->found)
        return ERR_RAISE(reterr, ERR_INVAL, "the form has no such file");
    return ERR_OK;
}
