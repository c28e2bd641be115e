#include "cli/sse.h"

#include "base/num.h"

void sse_init(struct sse *s, size_t max)
{
    *s = (struct sse){ .in = BUF_INIT(max), .data = BUF_INIT(max), .name = BUF_INIT(1024), .id = BUF_INIT(1024),
                       .retry_ms = -1 };
}

void sse_deinit(struct sse *s)
{
    buf_deinit(&s->in);
    buf_deinit(&s->data);
    buf_deinit(&s->name);
    buf_deinit(&s->id);
}

static void next_event(struct sse *s)
{
    buf_reset(&s->data);
    buf_reset(&s->name);
    s->has_data = s->has_id = s->given = false;
}

void sse_restart(struct sse *s)
{
    buf_reset(&s->in);
    next_event(s);
    s->at = s->searched = 0;
    s->begun = s->cr = s->failed = false;
}

bool sse_feed(struct sse *s, struct span bytes)
{
    if (s->at > 0) {
        buf_drop(&s->in, s->at);
        s->at = 0;
    }
    buf_add_span(&s->in, bytes);
    s->failed = s->failed || s->in.failed || s->data.failed;
    return !s->failed;
}

/* The next line without its end. False: it has not ended yet. A CR ends it; an LF right behind belongs to that CR. */
static bool line(struct sse *s, struct span *ret)
{
    struct span rest = span_sub(buf_span(&s->in), s->at, s->in.n);

    if (s->cr && rest.n > 0) {
        s->cr = false;
        if (rest.p[0] == '\n') {
            s->at++;
            rest = span_sub(rest, 1, rest.n);
        }
    }
    for (size_t i = s->searched; i < rest.n; i++) {
        if (rest.p[i] != '\n' && rest.p[i] != '\r')
            continue;
        *ret = span_sub(rest, 0, i);
        s->cr = rest.p[i] == '\r';
        s->at += i + 1;
        s->searched = 0;
        return true;
    }
    s->searched = rest.n;
    return false;
}

static void field(struct sse *s, struct span name, struct span value)
{
    uint64_t ms;

    if (span_eq_str(name, "data")) {
        if (s->has_data)
            buf_add_c(&s->data, '\n');
        buf_add_span(&s->data, value);
        s->has_data = true;
    } else if (span_eq_str(name, "event")) {
        buf_reset(&s->name);
        buf_add_span(&s->name, value);
    } else if (span_eq_str(name, "id") && (value.n == 0 || memchr(value.p, 0, value.n) == NULL)) {
        buf_reset(&s->id);
        buf_add_span(&s->id, value);
        s->has_id = true;
    } else if (span_eq_str(name, "retry") && num_u64(value, 86400000, &ms)) {
        s->retry_ms = (int64_t) ms;
    }
}

static void take_line(struct sse *s, struct span l)
{
    struct span name = l, value = SPAN_EMPTY;

    if (!s->begun && l.n >= 3 && memcmp(l.p, "\xef\xbb\xbf", 3) == 0)
        name = l = span_sub(l, 3, l.n);
    s->begun = true;
    if (l.n > 0 && l.p[0] == ':') {
        s->comments++;
        return;
    }
    if (span_cut(l, ':', &name, &value) && value.n > 0 && value.p[0] == ' ')
        value = span_sub(value, 1, value.n);
    field(s, name, value);
}

bool sse_next(struct sse *s, struct sse_event *ret)
{
    struct span l;

    if (s->given)
        next_event(s);
    while (!s->failed && line(s, &l)) {
        if (l.n > 0) {
            take_line(s, l);
            s->failed = s->data.failed;
        } else if (s->has_data) {
            s->given = true;
            *ret = (struct sse_event){ buf_span(&s->name), buf_span(&s->data), buf_span(&s->id), s->has_id };
            return true;
        } else {
            next_event(s); /* no data: nothing to tell */
        }
    }
    return false;
}
