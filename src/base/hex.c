#include "base/hex.h"

void hex_add(struct buf *b, struct span s)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < s.n; i++) {
        buf_add_c(b, digits[s.p[i] >> 4]);
        buf_add_c(b, digits[s.p[i] & 15]);
    }
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n)
{
    if (in.n % 2 != 0 || in.n / 2 > cap)
        return false;
    for (size_t i = 0; i < in.n; i += 2) {
        int hi = nibble(in.p[i]), lo = nibble(in.p[i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        dst[i / 2] = (uint8_t) (hi << 4 | lo);
    }
    *ret_n = in.n / 2;
    return true;
}
