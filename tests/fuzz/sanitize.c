/*
 * sanitize: one recording, an event a line. What comes out is JSON; clean events are clean; what is unchanged is the very same bytes; a second
 * pass, with the state that the first one had, changes nothing.
 */
#include <stdlib.h>

#include "codec/json.h"
#include "codec/sanitize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static void one(struct sanitize *s, struct sanitize *twice, struct span json)
{
    struct json_limits limits = json_limits_event();
    struct json_error je;
    struct span out, again;

    if (sanitize_event(s, json, &out, NULL) != ERR_OK)
        return;
    if (out.p == json.p)
        MUST(out.n == json.n);
    MUST(json_check(out, &limits, &je));
    MUST(sanitize_event(twice, out, &again, NULL) == ERR_OK);
    MUST(again.p == out.p && again.n == out.n);
}

static void style(struct span text)
{
    struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);

    if (sanitize_css(text, &first))
        MUST(!sanitize_css(buf_span(&first), &second));
    buf_deinit(&first);
    buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size), line;
    struct json_limits limits = json_limits_event();
    struct buf min = BUF_INIT(1 << 20);
    struct sanitize s, twice;
    struct json_error je;
    bool more = size > 0;

    sanitize_init(&s, 4 << 20);
    sanitize_init(&twice, 4 << 20);
    while (more) {
        more = span_cut(rest, '\n', &line, &rest);
        buf_reset(&min);
        if (json_minify(line, &limits, &min, &je))
            one(&s, &twice, buf_span(&min));
    }
    style(span_of(data, size));
    sanitize_deinit(&s);
    sanitize_deinit(&twice);
    buf_deinit(&min);
    return 0;
}
