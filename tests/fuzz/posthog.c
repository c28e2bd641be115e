/* posthog: what is read of a body is an array of JSON values, within the limits, and says so of itself; packed fields come out as JSON. */
#include "codec/posthog.h"

#include <stdlib.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static size_t count(struct span array)
{
    struct json_limits limits = json_limits_event();
    struct json_value v;
    struct json_error e;
    struct json_iter it;
    size_t n = 0;

    limits.bytes = FOREIGN_UNPACKED_MAX + 16;
    MUST(json_check(array, &limits, &e));
    MUST(json_value(array).type == JSON_ARRAY);
    for (it = json_iter(json_value(array)); json_next(&it, &v);)
        n++;
    return n;
}

static void word(const char *s)
{
    for (; *s != '\0'; s++)
        MUST((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '-' || *s == '_');
}

static void check(const struct foreign *f, enum err e, bool needs_events)
{
    MUST(e == f->error.code);
    MUST(e == ERR_OK || f->error.cause[0] != '\0');
    word(f->token);
    word(f->session);
    word(f->window);
    MUST(f->n_links <= FOREIGN_LINKS_MAX);
    if (e == ERR_OK && needs_events)
        MUST(f->n_events > 0 && count(buf_span(&f->events)) == f->n_events);
}

static void plain(struct span event)
{
    struct json_limits limits = json_limits_event();
    struct buf min = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    struct err_info why = { 0 };
    struct json_error e;
    uint64_t unpacked = 0;

    if (json_minify(event, &limits, &min, &e) && json_value(buf_span(&min)).type == JSON_OBJECT &&
        posthog_plain_event(buf_span(&min), &out, &unpacked, &why) == ERR_OK) {
        MUST(unpacked <= out.max);
        MUST(json_check(buf_span(&out), &limits, &e));
    }
    buf_deinit(&min);
    buf_deinit(&out);
}

/* data: what to do, then the body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data + 1, size - 1);
    struct foreign f;
    enum err e;

    if (size < 1)
        return 0;
    foreign_init(&f, FOREIGN_POSTHOG);
    switch (data[0] & 3) {
    case 0:
        e = posthog_read(&f, in, false, UNPACK_IDENTITY);
        check(&f, e, true);
        MUST(e != ERR_OK || (f.session[0] != '\0' && f.window[0] != '\0'));
        break;
    case 1: check(&f, posthog_read_captures(&f, in, false, UNPACK_IDENTITY, 1700000000000), false); break;
    case 2: check(&f, posthog_read_export(&f, in), true); break;
    default: plain(in); break;
    }
    foreign_deinit(&f);
    return 0;
}
