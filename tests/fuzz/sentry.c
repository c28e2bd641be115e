/* sentry: events of an envelope are one array, of one replay, in the order of their segments; lines of rrweb's client likewise. */
#include "codec/sentry.h"

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
    size_t n = 0;

    limits.bytes = FOREIGN_UNPACKED_MAX + 16;
    MUST(json_check(array, &limits, &e));
    for (struct json_iter it = json_iter(json_value(array)); json_next(&it, &v);)
        n++;
    return n;
}

static void lines(struct span in)
{
    static const uint8_t secret[16] = { 7 };
    struct foreign f;

    foreign_init(&f, FOREIGN_RRWEB);
    if (foreign_lines(&f, in, secret) == ERR_OK) {
        bool *keep = calloc(f.n_events, sizeof(*keep));
        struct buf out = BUF_INIT(1 << 20);
        size_t n = 0;

        MUST(keep != NULL && count(buf_span(&f.events)) == f.n_events);
        for (size_t i = 0; i < f.n_events; i++)
            n += keep[i] = f.lines[i] & 1;
        MUST(foreign_lines_pick(&f, buf_span(&f.events), keep, &out) == ERR_OK && count(buf_span(&out)) == n);
        free(keep);
        buf_deinit(&out);
    }
    foreign_deinit(&f);
}

/* data: what to do, then the body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data + 1, size - 1);
    struct foreign f;
    enum err e;

    if (size < 1)
        return 0;
    if ((data[0] & 7) == 7) {
        lines(in);
        return 0;
    }
    foreign_init(&f, FOREIGN_SENTRY);
    e = sentry_read(&f, in, (data[0] & 8) != 0, UNPACK_IDENTITY);
    MUST(e == f.error.code && (e == ERR_OK || f.error.cause[0] != '\0'));
    MUST(f.n_links <= FOREIGN_LINKS_MAX);
    if (e == ERR_OK && f.numbered)
        MUST(f.session[0] != '\0' && f.segment <= f.last_segment && count(buf_span(&f.events)) == f.n_events);
    foreign_deinit(&f);
    return 0;
}
