/*
 * screen: the first two bytes are the size, a byte 0xfe is followed by a new size, all else is output. Nothing is
 * answered, the filter's output does not depend on cuts, a dump brings another screen to the same cells, and so does
 * drawing.
 */
#include "base/utf8.h"
#include "codec/screen.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static int cols_of(uint8_t c)
{
    return c % 40;
}

static int rows_of(uint8_t c)
{
    return c % 20;
}

static void same(const struct screen *a, const struct screen *b)
{
    for (int row = 0; row < screen_rows(a); row++)
        for (int col = 0; col < screen_cols(a); col++) {
            struct screen_cell ca, cb;

            screen_cell(a, col, row, &ca);
            screen_cell(b, col, row, &cb);
            MUST(memcmp(ca.cp, cb.cp, sizeof(ca.cp)) == 0 && ca.width == cb.width);
            MUST(memcmp(&ca.style, &cb.style, sizeof(ca.style)) == 0);
            for (int i = 0; i < SCREEN_CELL_CPS && ca.cp[i] != 0; i++)
                MUST(!utf8_is_control(ca.cp[i]));
        }
}

static void redraw(const struct screen *s, struct screen_frame *frame, struct screen *terminal)
{
    struct buf out = BUF_INIT(16u << 20);
    struct screen *other = screen_new(screen_cols(s), screen_rows(s));

    screen_dump_init(s, &out);
    MUST(!out.failed && utf8_valid(buf_span(&out)));
    screen_feed(other, buf_span(&out));
    same(s, other);
    buf_reset(&out);
    if (screen_cols(terminal) == screen_cols(s) && screen_rows(terminal) == screen_rows(s)) {
        screen_render(s, frame, &out);
        screen_feed(terminal, buf_span(&out));
        same(s, terminal);
    }
    buf_deinit(&out);
    (void) screen_free(other);
}

static void cuts_agree(struct span in)
{
    struct screen_filter a, b;
    struct buf whole = BUF_INIT(64u << 20), cut = BUF_INIT(64u << 20);

    screen_filter_init(&a);
    screen_filter_init(&b);
    screen_filter_all(&a, in, &whole);
    for (size_t i = 0; i < in.n; i++)
        screen_filter_all(&b, span_sub(in, i, 1), &cut);
    MUST(span_eq(buf_span(&whole), buf_span(&cut)));
    MUST(utf8_valid(buf_span(&whole)) && utf8_valid(span_str(a.title)));
    buf_deinit(&whole);
    buf_deinit(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct screen *s, *terminal;
    struct screen_frame *frame;
    size_t from = 2;

    if (size < 2 || size > 4096)
        return 0;
    cuts_agree(span_of(data, size));
    s = screen_new(cols_of(data[0]), rows_of(data[1]));
    terminal = screen_new(cols_of(data[0]), rows_of(data[1]));
    frame = screen_frame_new(screen_cols(s), screen_rows(s));
    MUST(s != NULL && terminal != NULL && frame != NULL);
    for (size_t i = 2; i <= size; i++) {
        if (i < size && data[i] != 0xfe)
            continue;
        screen_feed(s, span_of(data + from, i - from));
        redraw(s, frame, terminal);
        if (i + 2 < size)
            screen_resize(s, cols_of(data[i + 1]), rows_of(data[i + 2]));
        i += 2;
        from = i + 1;
        if (from > size)
            break;
    }
    redraw(s, frame, terminal);
    MUST(screen_answers(s) == 0);
    (void) screen_free(s);
    (void) screen_free(terminal);
    (void) screen_frame_free(frame);
    return 0;
}
