#include "cli/play_view.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "codec/asciicast.h"
#include "codec/json.h"
#include "crypto/random.h"

#define TEXT_MAX (24u << 20)

/* ---- sizes ---- */

static int size_of(struct tree head, const char *own, const char *other, int otherwise)
{
    struct tree term = get_node(head, "term");
    int64_t n;

    if ((tree_get_int(head, own, &n) || tree_get_int(head, other, &n) || tree_get_int(term, own, &n)) && n > 0 && n < 100000)
        return (int) n;
    return otherwise;
}

static void new_screen(struct play_view *v, int cols, int rows)
{
    v->screen = screen_free(v->screen);
    v->screen = screen_new(cols, rows);
    v->all = true;
}

static struct timeline *new_timeline(void)
{
    uint8_t secret[16];

    random_fill(secret, sizeof(secret));
    return timeline_new(secret);
}

struct play_view *play_view_new(bool terminal, struct tree manifest)
{
    struct play_view *v = calloc(1, sizeof(*v));
    struct tree head = get_node(manifest, "head");

    if (v == NULL)
        return NULL;
    v->terminal = terminal;
    v->base_ms = get_int(manifest, "base_ms");
    v->has_base = get_int(manifest, "events") > 0;
    v->cols = size_of(head, "cols", "width", ASCIICAST_COLS);
    v->rows = size_of(head, "rows", "height", ASCIICAST_ROWS);
    buf_init(&v->text, TEXT_MAX);
    if (terminal)
        new_screen(v, v->cols, v->rows);
    else
        v->timeline = new_timeline();
    return v->screen != NULL || v->timeline != NULL ? v : play_view_free(v);
}

struct play_view *play_view_free(struct play_view *v)
{
    if (v == NULL)
        return NULL;
    v->screen = screen_free(v->screen);
    v->frame = screen_frame_free(v->frame);
    v->timeline = timeline_free(v->timeline);
    buf_deinit(&v->text);
    free(v);
    return NULL;
}

void play_view_freep(struct play_view **v)
{
    *v = play_view_free(*v);
}

/* ---- playing ---- */

void play_view_from(struct play_view *v, struct tree from)
{
    struct tree screen = get_node(from, "screen");
    bool has = screen.tag == TREE_OBJ;

    v->n_drawn = 0;
    v->all = true;
    if (!v->terminal) {
        timeline_restart(v->timeline);
        return;
    }
    new_screen(v, has ? size_of(screen, "cols", "cols", v->cols) : v->cols,
               has ? size_of(screen, "rows", "rows", v->rows) : v->rows);
    if (has && v->screen != NULL)
        screen_feed(v->screen, get(screen, "init"));
}

/* The first three elements of [time, code, data]. */
static size_t elements(struct span json, struct json_value e[3])
{
    struct json_iter it = json_iter(json_value(json));
    size_t n = 0;

    while (n < 3 && json_next(&it, &e[n]))
        n++;
    return n;
}

void play_view_first(struct play_view *v, int64_t seq, struct span json)
{
    struct json_limits lim = json_limits_event();
    struct json_value stamp;
    int64_t ms;

    if (!v->terminal && seq == 0 && !v->has_base && json_check(json, &lim, NULL) &&
        json_find(json_value(json), "timestamp", &stamp) && stamp.type == JSON_NUMBER && json_scaled(stamp.raw, 0, &ms))
        v->base_ms = ms;
    v->has_base = true;
}

bool play_view_time(const struct play_view *v, struct span json, int64_t previous, int64_t *ret_ms)
{
    struct json_limits lim = json_limits_event();
    struct json_value e[3], stamp;
    int64_t ms = previous;

    if (!json_check(json, &lim, NULL))
        return false;
    if (v->terminal) {
        if (json_value(json).type != JSON_ARRAY || elements(json, e) < 2 || e[0].type != JSON_NUMBER ||
            !json_scaled(e[0].raw, 6, &ms))
            return false;
        ms /= 1000; /* cut, as the server does: rounded up, the last event would lie behind the end */
    } else if (json_find(json_value(json), "timestamp", &stamp) && stamp.type == JSON_NUMBER &&
               json_scaled(stamp.raw, 0, &ms)) {
        ms -= v->base_ms;
    }
    *ret_ms = ms > previous ? ms : previous;
    return true;
}

/* "120x40" */
static void resize(struct play_view *v, struct span size)
{
    struct span cols, rows;
    uint64_t c, r;

    if (span_cut(size, 'x', &cols, &rows) && num_u64(cols, 65535, &c) && num_u64(rows, 65535, &r))
        screen_resize(v->screen, (int) c, (int) r);
}

void play_view_event(struct play_view *v, struct span json)
{
    struct json_value e[3];
    int64_t at = 0;

    if (!v->terminal) {
        (void) timeline_event(v->timeline, json, v->base_ms, &at);
        return;
    }
    if (v->screen == NULL || elements(json, e) < 3 || e[1].type != JSON_STRING || e[2].type != JSON_STRING)
        return;
    buf_reset(&v->text);
    if (!json_string_decode(e[2].raw, &v->text))
        return;
    if (json_raw_eq(e[1].raw, "o"))
        screen_feed(v->screen, buf_span(&v->text));
    else if (json_raw_eq(e[1].raw, "r"))
        resize(v, buf_span(&v->text));
}

/* ---- drawing ---- */

void play_view_size(struct play_view *v, int cols, int rows)
{
    v->shown_cols = cols < 1 ? 1 : cols;
    v->shown_rows = rows < 2 ? 1 : rows - 1;
    v->frame = screen_frame_free(v->frame);
    v->frame = screen_frame_new(v->shown_cols, v->shown_rows);
    v->all = true;
}

/* The last lines that fit, oldest on top. */
static void draw_timeline(struct play_view *v, struct buf *out)
{
    size_t n = timeline_count(v->timeline), rows = (size_t) v->shown_rows, from = n > rows ? n - rows : 0;

    for (size_t r = 0; r < rows; r++) {
        struct buf text = BUF_INIT(65536);

        buf_addf(out, "\033[%zu;1H", r + 1);
        if (from + r < n) {
            timeline_text(timeline_line(v->timeline, from + r), &text);
            (void) text_fit(out, buf_span(&text), (size_t) v->shown_cols);
        }
        buf_add_str(out, "\033[K");
        buf_deinit(&text);
    }
}

void play_view_draw(struct play_view *v, struct buf *out)
{
    if (v->frame == NULL)
        return;
    if (v->terminal && v->screen != NULL) {
        if (v->all)
            screen_frame_forget(v->frame);
        screen_frame_follow(v->frame, v->screen);
        screen_render(v->screen, v->frame, out);
    } else if (!v->terminal) {
        buf_add_str(out, "\033[0m");
        draw_timeline(v, out);
    }
    v->all = false;
}

bool play_view_cursor(const struct play_view *v)
{
    return v->terminal && v->screen != NULL && screen_cursor_visible(v->screen);
}

/* ---- plain text ---- */

static void row_text(const struct screen *s, int row, struct buf *out)
{
    size_t end = out->n;

    for (int col = 0; col < screen_cols(s); col++) {
        struct screen_cell c;

        screen_cell(s, col, row, &c);
        if (c.width == 0)
            continue;
        for (size_t i = 0; i < SCREEN_CELL_CPS && c.cp[i] != 0; i++)
            utf8_add(out, c.cp[i]);
        if (c.cp[0] != 0 && c.cp[0] != ' ')
            end = out->n;
        else if (c.cp[0] == 0)
            buf_add_c(out, ' ');
    }
    out->n = end < out->n ? end : out->n;
}

void play_view_text(const struct play_view *v, struct buf *out)
{
    size_t end = out->n;

    if (!v->terminal) {
        for (size_t i = 0; i < timeline_count(v->timeline); i++) {
            timeline_text(timeline_line(v->timeline, i), out);
            buf_add_c(out, '\n');
        }
        return;
    }
    for (int row = 0; v->screen != NULL && row < screen_rows(v->screen); row++) {
        size_t before = out->n;

        row_text(v->screen, row, out);
        if (out->n > before)
            end = out->n + 1;
        buf_add_c(out, '\n');
    }
    out->n = end < out->n ? end : out->n;
}
