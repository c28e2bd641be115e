/*
 * The server's sanitiser by hand: rrweb events line by line on stdin, one recording until an empty line; the clean ones on
 * stdout. An event that is refused becomes {"refused":"why"}. With --mark TEXT each full snapshot is followed by what an export puts there, and so is what may cover it.
 * For tests/hostile and the player's tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/rrweb_mark.h"
#include "codec/sanitize.h"

static const char *mark;
static struct rrweb_overlay overlay;

static void show_mark(struct span event)
{
    struct buf out = BUF_INIT(1u << 20);

    if (mark != NULL && span_starts(event, "{\"type\":2,"))
        (void) rrweb_write_overlay(event, 0, span_str(mark), 7, &overlay, &out);
    else if (mark != NULL && overlay.own != 0 && rrweb_covers_overlay(event))
        rrweb_move_overlay(&overlay, 0, span_str(mark), &out);
    if (out.n > 0)
        printf(SPAN_FMT "\n", SPAN_ARG(buf_span(&out)));
    buf_deinit(&out);
}

static void one(struct sanitize *s, struct buf *min, struct span line)
{
    struct json_limits limits = json_limits_event();
    struct json_error je;
    struct err_info e;
    struct span out;

    buf_reset(min);
    if (!json_minify(line, &limits, min, &je))
        printf("{\"refused\":\"%s\"}\n", json_cause_name(je.cause));
    else if (sanitize_event(s, buf_span(min), &out, &e) != ERR_OK)
        printf("{\"refused\":\"%s\"}\n", e.text);
    else {
        printf(SPAN_FMT "\n", SPAN_ARG(out));
        show_mark(out);
    }
}

int main(int argc, char **argv)
{
    struct sanitize s;
    struct buf min = BUF_INIT(64u << 20);
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (argc == 3 && strcmp(argv[1], "--mark") == 0)
        mark = argv[2];
    sanitize_init(&s, 16u << 20);
    while ((n = getline(&line, &cap, stdin)) > 0) {
        if (n == 1) {
            s.state = (struct sanitize_state){ .style = { 0 } };
            puts("");
            continue;
        }
        one(&s, &min, span_of(line, (size_t) n));
    }
    free(line);
    buf_deinit(&min);
    sanitize_deinit(&s);
    return 0;
}
