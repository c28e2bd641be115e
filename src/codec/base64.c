#include "codec/base64.h"

static const char std[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Returns the characters written: (s.n + 2) / 3 * 4, without padding base64url_len(s.n). */
static size_t encode(struct span s, uint8_t *to, const char *alphabet, bool pad)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i < 3 ? s.n - i : 3;
        uint32_t v = (uint32_t) s.p[i] << 16 | (left > 1 ? (uint32_t) s.p[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t) s.p[i + 2] : 0);

        for (size_t k = 0; k < 4; k++) {
            if (k <= left)
                to[n++] = (uint8_t) alphabet[v >> (18 - 6 * k) & 63];
            else if (pad)
                to[n++] = '=';
        }
    }
    return n;
}

static void add(struct buf *b, struct span s, const char *alphabet, bool pad)
{
    uint8_t *to = buf_reserve(b, pad ? (s.n + 2) / 3 * 4 : base64url_len(s.n));

    if (to != NULL)
        b->n += encode(s, to, alphabet, pad);
}

void base64_add(struct buf *b, struct span s)
{
    add(b, s, std, true);
}

void base64url_add(struct buf *b, struct span s)
{
    add(b, s, url, false);
}

static int digit(uint8_t c, bool is_url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (is_url ? '-' : '+'))
        return 62;
    return c == (is_url ? '_' : '/') ? 63 : -1;
}

static bool parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n, bool is_url)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;

    if (in.n % 4 == 1)
        return false;
    for (size_t i = 0; i < in.n; i++) {
        int v = digit(in.p[i], is_url);

        if (v < 0)
            return false;
        acc = (acc << 6 | (uint32_t) v) & 0xffff;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (n >= cap)
            return false;
        dst[n++] = (uint8_t) (acc >> bits);
    }
    if ((acc & ((1u << bits) - 1)) != 0)
        return false;
    *ret_n = n;
    return true;
}

bool base64_parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n)
{
    if (in.n % 4 != 0)
        return false;
    for (unsigned pad = 0; pad < 2 && in.n > 0 && in.p[in.n - 1] == '='; pad++)
        in.n--;
    return parse(in, dst, cap, ret_n, false);
}

bool base64url_parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n)
{
    return parse(in, dst, cap, ret_n, true);
}

bool base64url_parse_exact(struct span in, uint8_t *dst, size_t n)
{
    size_t got;

    return in.n == base64url_len(n) && base64url_parse(in, dst, n, &got) && got == n;
}

bool base64url_str(const void *p, size_t n, char *out, size_t cap)
{
    if (cap == 0)
        return false;
    out[0] = '\0';
    if (base64url_len(n) >= cap)
        return false;
    out[encode(span_of(p, n), (uint8_t *) out, url, false)] = '\0';
    return true;
}
