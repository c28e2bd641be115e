/*
 * sanitize: one recording, an event a line. What comes out is JSON; clean events are clean; what is unchanged is the very same bytes; a second
 * pass, with the state that the first one had, changes nothing; with tokens the same comes out as without, and the tokens that are made of them for
 * what came out are those that reading it gives.
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

static void same_tokens(const struct json_tape *a, const struct json_tape *b)
{
    MUST(a->n == b->n);
    for (uint32_t i = 0; i < a->n; i++)
        MUST(a->v[i].from == b->v[i].from && a->v[i].to == b->v[i].to && a->v[i].n == b->v[i].n && a->v[i].type == b->v[i].type &&
             a->v[i].escaped == b->v[i].escaped);
}

static void by_tokens(struct sanitize *s, struct span json, enum err expected, struct span plain)
{
    struct json_tape before, after, read;
    struct json_value event;
    struct span out;

    json_tape_init(&before);
    json_tape_init(&after);
    json_tape_init(&read);
    event = json_tape_of(&before, json);
    if (event.type == JSON_OBJECT) {
        MUST(sanitize_value(s, event, &out, NULL) == expected);
        MUST(expected != ERR_OK || span_eq(out, plain));
    }
    if (event.token != NULL && event.type == JSON_OBJECT && expected == ERR_OK && out.p != json.p && sanitize_tokens(s, event.token, out, &after)) {
        MUST(json_tape_of(&read, out).token != NULL);
        after.n = after.v[0].n;
        same_tokens(&after, &read);
    }
    json_tape_deinit(&before);
    json_tape_deinit(&after);
    json_tape_deinit(&read);
}

static void one(struct sanitize *s, struct sanitize *tokens, struct sanitize *twice, struct span json)
{
    struct json_limits limits = json_limits_event();
    struct json_error je;
    struct span out, again;
    enum err e = sanitize_event(s, json, &out, NULL);

    by_tokens(tokens, json, e, out);
    if (e != ERR_OK)
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
    struct sanitize s, tokens, twice;
    struct json_error je;
    bool more = size > 0;

    sanitize_init(&s, 4 << 20);
    sanitize_init(&tokens, 4 << 20);
    sanitize_init(&twice, 4 << 20);
    while (more) {
        more = span_cut(rest, '\n', &line, &rest);
        buf_reset(&min);
        if (json_minify(line, &limits, &min, &je))
            one(&s, &tokens, &twice, buf_span(&min));
    }
    style(span_of(data, size));
    sanitize_deinit(&s);
    sanitize_deinit(&tokens);
    sanitize_deinit(&twice);
    buf_deinit(&min);
    return 0;
}
