#include "cli/rec_text.h"

#include "base/utf8.h"

#define REPLACEMENT 0xfffd

static void begin(struct rec_text *t, uint8_t b, uint8_t need)
{
    t->held[0] = b;
    t->n = 1;
    t->need = need;
    t->low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    t->high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
}

/* A byte where a character begins. */
static void first(struct rec_text *t, uint8_t b, struct buf *out)
{
    if (b < 0x80)
        buf_add_c(out, (char) b);
    else if (b >= 0xc2 && b <= 0xdf)
        begin(t, b, 1);
    else if (b >= 0xe0 && b <= 0xef)
        begin(t, b, 2);
    else if (b >= 0xf0 && b <= 0xf4)
        begin(t, b, 3);
    else
        utf8_add(out, REPLACEMENT);
}

void rec_text_add(struct rec_text *t, struct span bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.n; i++) {
        uint8_t b = bytes.p[i];

        if (t->need > 0 && (b < t->low || b > t->high))
            rec_text_end(t, out);
        if (t->need == 0) {
            first(t, b, out);
            continue;
        }
        t->held[t->n++] = b;
        t->low = 0x80;
        t->high = 0xbf;
        if (--t->need == 0)
            buf_add(out, t->held, t->n);
    }
}

void rec_text_end(struct rec_text *t, struct buf *out)
{
    if (t->need > 0)
        utf8_add(out, REPLACEMENT);
    t->need = t->n = 0;
}
