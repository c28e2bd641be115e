#include "base/utf8.h"

uint32_t utf8_read(struct rd *r)
{
    uint8_t lead = rd_u8(r);
    uint32_t cp, min;
    int more;

    if (r->failed || lead < 0x80)
        return lead;
    if (lead >= 0xc2 && lead <= 0xdf) {
        more = 1, min = 0x80, cp = lead & 0x1f;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        more = 2, min = 0x800, cp = lead & 0x0f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        more = 3, min = 0x10000, cp = lead & 0x07;
    } else {
        r->failed = true;
        return 0;
    }
    while (more-- > 0) {
        uint8_t c = rd_u8(r);

        if (r->failed || (c & 0xc0) != 0x80) {
            r->failed = true;
            return 0;
        }
        cp = cp << 6 | (c & 0x3f);
    }
    if (cp < min || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        r->failed = true;
    return cp;
}

bool utf8_valid(struct span s)
{
    size_t i = 0;
    struct rd r;

    while (i < s.n && s.p[i] < 0x80) /* most text is ASCII */
        i++;
    r = rd_of(span_sub(s, i, s.n));
    while (r.n > 0 && !r.failed)
        (void) utf8_read(&r);
    return !r.failed;
}

void utf8_add(struct buf *b, uint32_t cp)
{
    if (cp < 0x80) {
        buf_u8(b, (uint8_t) cp);
    } else if (cp < 0x800) {
        buf_u8(b, (uint8_t) (0xc0 | cp >> 6));
        buf_u8(b, (uint8_t) (0x80 | (cp & 0x3f)));
    } else if (cp < 0x10000) {
        buf_u8(b, (uint8_t) (0xe0 | cp >> 12));
        buf_u8(b, (uint8_t) (0x80 | (cp >> 6 & 0x3f)));
        buf_u8(b, (uint8_t) (0x80 | (cp & 0x3f)));
    } else {
        buf_u8(b, (uint8_t) (0xf0 | cp >> 18));
        buf_u8(b, (uint8_t) (0x80 | (cp >> 12 & 0x3f)));
        buf_u8(b, (uint8_t) (0x80 | (cp >> 6 & 0x3f)));
        buf_u8(b, (uint8_t) (0x80 | (cp & 0x3f)));
    }
}

size_t utf8_count(struct span s)
{
    struct rd r = rd_of(s);
    size_t n = 0;

    while (r.n > 0) {
        (void) utf8_read(&r);
        if (r.failed)
            return 0;
        n++;
    }
    return n;
}

bool utf8_is_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x61c || cp == 0x200e || cp == 0x200f ||
           (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0x2028 || cp == 0x2029;
}

bool utf8_is_wide(uint32_t cp)
{
    return (cp >= 0x1100 && cp <= 0x115f) || (cp >= 0x2e80 && cp <= 0xa4cf) || (cp >= 0xac00 && cp <= 0xd7a3) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0xfe30 && cp <= 0xfe6f) || (cp >= 0xff00 && cp <= 0xff60) ||
           (cp >= 0xffe0 && cp <= 0xffe6) || (cp >= 0x1f300 && cp <= 0x1faff) || (cp >= 0x20000 && cp <= 0x3fffd);
}
