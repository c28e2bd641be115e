#include "codec/transcript.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "codec/json.h"
#include "codec/plain.h"
#include "codec/screen.h"

#define TEXT_MAX (16u << 20)

/* Three bytes can clear a screen of 144,000 cells, which is read before. In cells moved or erased (screen_work). */
#define WORK_FREE     UINT64_C(1000000000)
#define WORK_PER_BYTE 4000
#define WORK_OF_READ  16 /* a cell that is read */

struct transcript {
    struct screen *screen;
    uint64_t said[SCREEN_ROWS_MAX]; /* by row: digest of the text that came out last; 0: none */
    bool alternate;
    time_us time;  /* of the last output: what stands there was complete then */
    bool dirty;    /* something was written since all was looked at */
    bool over;     /* it costs too much: nothing more is shown */
    uint64_t work, bytes; /* of reading the screen; of output */
    struct buf text, row;
    struct buf *out;
};

struct transcript *transcript_new(int cols, int rows)
{
    struct transcript *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    buf_init(&t->text, TEXT_MAX);
    buf_init(&t->row, 64u << 10);
    t->screen = screen_new(cols, rows);
    return t->screen != NULL ? t : transcript_free(t);
}

struct transcript *transcript_free(struct transcript *t)
{
    if (t == NULL)
        return NULL;
    screen_free(t->screen);
    if (t->text.p != NULL)
        explicit_bzero(t->text.p, t->text.cap);
    buf_deinit(&t->text);
    if (t->row.p != NULL)
        explicit_bzero(t->row.p, t->row.cap);
    buf_deinit(&t->row);
    free(t);
    return NULL;
}

/* The row's text without trailing blanks, in t->row. */
static void read_row(struct transcript *t, int row)
{
    size_t end = 0;

    t->work += WORK_OF_READ * (uint64_t) screen_cols(t->screen);
    buf_reset(&t->row);
    for (int col = 0; col < screen_cols(t->screen); col++) {
        struct screen_cell c;

        screen_cell(t->screen, col, row, &c);
        if (c.width == 0)
            continue;
        if (c.cp[0] == 0) {
            buf_add_c(&t->row, ' ');
            continue;
        }
        for (int i = 0; i < SCREEN_CELL_CPS && c.cp[i] != 0; i++)
            utf8_add(&t->row, c.cp[i]);
        if (c.cp[0] != ' ')
            end = t->row.n;
    }
    t->row.n = end;
}

static uint64_t digest(struct span s)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 1099511628211u;
    return s.n == 0 ? 0 : h | 1;
}

static void say(struct transcript *t, int row, uint64_t *said)
{
    struct buf at = BUF_INIT(64);
    uint64_t h;

    read_row(t, row);
    h = digest(buf_span(&t->row));
    if (h != 0 && h != *said) {
        plain_clock(&at, t->time / 1000, true);
        buf_addf(t->out, "%9s  ", buf_cstr(&at));
        plain_text(t->out, buf_span(&t->row));
        buf_add_c(t->out, '\n');
    }
    *said = h;
    buf_deinit(&at);
}

/* A line goes at the top: the ones below move up. */
static void on_scroll(void *ctx, int row)
{
    struct transcript *t = ctx;

    say(t, row, &t->said[0]);
    memmove(t->said, t->said + 1, sizeof(t->said) - sizeof(t->said[0]));
    t->said[SCREEN_ROWS_MAX - 1] = 0;
}

/* All lines that are new; all: the one with the cursor, too. */
static void look(struct transcript *t, bool all)
{
    int col, cursor;

    if (!t->dirty)
        return;
    screen_cursor(t->screen, &col, &cursor, NULL);
    for (int row = 0; row < screen_rows(t->screen) && row < SCREEN_ROWS_MAX; row++) {
        if (row != cursor || all || t->alternate)
            say(t, row, &t->said[row]);
    }
    t->dirty = false;
}

/* What a resize moves about was said before. */
static void resized(struct transcript *t)
{
    int col, cursor;

    screen_cursor(t->screen, &col, &cursor, NULL);
    memset(t->said, 0, sizeof(t->said));
    for (int row = 0; row < screen_rows(t->screen) && row < SCREEN_ROWS_MAX; row++) {
        read_row(t, row);
        t->said[row] = row == cursor ? 0 : digest(buf_span(&t->row));
    }
}

/* Length up to the next sequence that may clear the screen or change it for the other one; the whole when there is none. */
static size_t before_change(struct span s)
{
    for (size_t i = 1; i + 1 < s.n; i++) {
        const uint8_t *p = s.p + i;

        if (*p != 0x1b)
            continue;
        if (p[1] == 'c' || (p[1] == '[' && i + 2 < s.n && (p[2] == 'J' || p[2] == '?')) ||
            (p[1] == '[' && i + 3 < s.n && p[2] >= '0' && p[2] <= '3' && p[3] == 'J'))
            return i;
    }
    return s.n;
}

static bool changes(struct span s)
{
    return s.n > 1 && s.p[0] == 0x1b && (s.p[1] == 'c' || s.p[1] == '[');
}

/* True: what a hostile recording could cost is spent, and that is said once. */
static bool spent(struct transcript *t)
{
    struct buf at = BUF_INIT(64);

    if (t->over || t->work + screen_work(t->screen) <= WORK_FREE + t->bytes * WORK_PER_BYTE)
        return t->over;
    t->over = true;
    plain_clock(&at, t->time / 1000, true);
    buf_addf(t->out, "%9s  -- what the screen shows from here on is left out: it changes too much --\n", buf_cstr(&at));
    buf_deinit(&at);
    return true;
}

static void output(struct transcript *t, struct span text)
{
    while (text.n > 0 && !spent(t)) {
        struct span part = span_sub(text, 0, before_change(text));

        t->bytes += part.n;
        if (changes(part))
            look(t, true);
        screen_feed(t->screen, part);
        t->dirty = true;
        if (screen_alternate(t->screen) != t->alternate) {
            t->alternate = !t->alternate;
            resized(t); /* what shows again was said */
        }
        text = span_sub(text, part.n, text.n);
    }
}

static void resize(struct transcript *t, struct span raw)
{
    struct span cols, rows;
    int64_t c, r;

    if (!span_cut(raw, 'x', &cols, &rows) || !json_int(cols, &c) || !json_int(rows, &r) || c <= 0 || r <= 0 || c > 65535 || r > 65535)
        return;
    t->bytes += raw.n;
    if (spent(t))
        return;
    look(t, false);
    screen_resize(t->screen, (int) c, (int) r);
    resized(t);
}

void transcript_event(struct transcript *t, struct span json, time_us time, struct buf *out)
{
    struct json_iter it = json_iter(json_value(json));
    struct json_value at, code, data;

    t->out = out;
    screen_on_scroll(t->screen, on_scroll, t);
    if (time - t->time > TRANSCRIPT_STILL_US)
        look(t, false);
    if (!json_next(&it, &at) || !json_next(&it, &code) || !json_next(&it, &data) || code.type != JSON_STRING ||
        data.type != JSON_STRING)
        return;
    buf_reset(&t->text);
    if (json_raw_eq(code.raw, "r")) {
        resize(t, data.raw);
    } else if (json_raw_eq(code.raw, "o")) {
        t->time = time > t->time ? time : t->time;
        if (json_string_decode(data.raw, &t->text))
            output(t, buf_span(&t->text));
    } else if (json_raw_eq(code.raw, "m") && json_string_decode(data.raw, &t->text)) {
        struct buf clock = BUF_INIT(64);

        plain_clock(&clock, time / 1000, true);
        buf_addf(out, "%9s  -- ", buf_cstr(&clock));
        plain_text(out, buf_span(&t->text));
        buf_add_str(out, " --\n");
        buf_deinit(&clock);
    }
}

void transcript_resume(struct transcript *t, int cols, int rows, struct span init, time_us time)
{
    t->time = time;
    screen_resize(t->screen, cols, rows);
    screen_feed(t->screen, init);
    transcript_settle(t);
}

void transcript_settle(struct transcript *t)
{
    t->alternate = screen_alternate(t->screen);
    t->dirty = false;
    resized(t);
}

void transcript_pause(struct transcript *t, struct buf *out)
{
    t->out = out;
    look(t, false);
}

void transcript_end(struct transcript *t, struct buf *out)
{
    t->out = out;
    t->dirty = true;
    look(t, true);
}
