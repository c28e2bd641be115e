/*
 * transcript and timeline: what is read is plain text, a line a line, each with its time; times do not fall. The first three bytes: how
 * wide and high the screen is, how fast time goes; then pieces of output with 0xfe between them, or (odd third byte) rrweb events, one a line.
 */
#include "imported.h"

#include "base/utf8.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/timeline.h"
#include "codec/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plain(struct span text, bool clock)
{
    struct span rest = text;

    MUST(utf8_valid(text) && (text.n == 0 || text.p[text.n - 1] == '\n'));
    while (rest.n > 0) {
        struct span line;

        (void) span_cut(rest, '\n', &line, &rest);
        MUST(!clock || (line.n >= 11 && line.p[9] == ' ' && line.p[10] == ' '));
        for (struct rd r = rd_of(line); r.n > 0;)
            MUST(!utf8_is_control(utf8_read(&r)) && !r.failed);
    }
}

static void terminal(uint8_t cols, uint8_t rows, uint8_t pace, struct span in)
{
    struct transcript *t = transcript_new(1 + cols % 100, 1 + rows % 40);
    struct buf json = BUF_INIT(8u << 20), out = BUF_INIT(64u << 20);
    struct span piece;
    time_us at = 0;

    MUST(t != NULL);
    while (in.n > 0) {
        const char *code = "o";

        (void) span_cut(in, '\xfe', &piece, &in);
        at += (time_us) pace * 20000;
        if (piece.n > 1 && (piece.p[0] == 'r' || piece.p[0] == 'm') && piece.p[1] == ':') {
            code = piece.p[0] == 'r' ? "r" : "m";
            piece = span_sub(piece, 2, piece.n);
        }
        buf_reset(&json);
        buf_addf(&json, "[1,\"%s\",", code);
        jsonw_add_string(&json, piece);
        buf_add_c(&json, ']');
        transcript_event(t, buf_span(&json), at, &out);
    }
    transcript_end(t, &out);
    MUST(!out.failed);
    plain(buf_span(&out), true);
    (void) transcript_free(t);
    buf_deinit(&json);
    buf_deinit(&out);
}

static void page(struct span in)
{
    static const uint8_t secret[16] = { 3 };
    struct timeline *t = timeline_new(secret);
    struct json_limits limits = json_limits_event();
    struct buf out = BUF_INIT(64u << 20), min = BUF_INIT(1u << 20);
    struct json_error e;
    struct span line;
    int64_t at;

    MUST(t != NULL);
    while (in.n > 0) {
        (void) span_cut(in, '\n', &line, &in);
        buf_reset(&min);
        if (!json_minify(line, &limits, &min, &e))
            continue;
        (void) timeline_event(t, buf_span(&min), 1000, &at);
        if (line.n % 5 == 0)
            timeline_take(t, false, &out);
        MUST(timeline_count(t) <= TIMELINE_LINES_MAX);
    }
    timeline_take(t, true, &out);
    MUST(timeline_count(t) == 0 && !out.failed);
    plain(buf_span(&out), false);
    (void) timeline_free(t);
    buf_deinit(&out);
    buf_deinit(&min);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_sub(span_of(data, size), 3, size);

    if (size < 3)
        return 0;
    if (data[2] & 1)
        page(in);
    else
        terminal(data[0], data[1], data[2], in);
    return 0;
}
