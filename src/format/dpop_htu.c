/* htu against a request's path: RFC 3986 6.2.2 and 6.2.3, as RFC 9449 4.3 wants. */
#include "format/dpop.h"

#define ORIGIN_MAX 512

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unreserved(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/*
 * The next character of a path. An escape that means an unreserved character is that character; any other one is 0x100 and
 * its byte, so that "%2F" is not "/". -1: the end, -2: a bad escape.
 */
static int next(struct span *at)
{
    int c, hi, lo;

    if (at->n == 0)
        return -1;
    c = at->p[0];
    if (c != '%') {
        *at = span_sub(*at, 1, at->n);
        return c;
    }
    hi = at->n >= 3 ? hex_digit(at->p[1]) : -1;
    lo = at->n >= 3 ? hex_digit(at->p[2]) : -1;
    if (hi < 0 || lo < 0)
        return -2;
    *at = span_sub(*at, 3, at->n);
    c = hi << 4 | lo;
    return unreserved(c) ? c : 0x100 | c;
}

static bool same_path(struct span a, struct span b)
{
    int x, y;

    do {
        x = next(&a);
        y = next(&b);
        if (x != y || x == -2)
            return false;
    } while (x != -1);
    return true;
}

/* Scheme and host in lower case, a default port taken off. */
static bool take_origin(struct span text, char out[ORIGIN_MAX], size_t *ret_n)
{
    struct span o;

    if (text.n >= ORIGIN_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++)
        out[i] = (char) (text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
    o = span_of(out, text.n);
    if (span_starts(o, "https://") && memcmp(out + o.n - 4, ":443", 4) == 0) /* it has 8 bytes at least */
        o.n -= 4;
    else if (span_starts(o, "http://") && memcmp(out + o.n - 3, ":80", 3) == 0)
        o.n -= 3;
    *ret_n = o.n;
    return true;
}

bool dpop_htu_is(struct span htu, struct span path, dpop_origin_fn origin_ok, const void *ctx)
{
    char origin[ORIGIN_MAX];
    struct span rest, own;
    size_t at = 0, n;

    (void) span_cut(htu, '#', &htu, &rest);
    (void) span_cut(htu, '?', &htu, &rest);
    while (at + 2 < htu.n && memcmp(htu.p + at, "://", 3) != 0)
        at++;
    if (at + 2 >= htu.n)
        return false;
    for (at += 3; at < htu.n && htu.p[at] != '/'; at++)
        ;
    own = span_sub(htu, at, htu.n);
    if (!take_origin(span_sub(htu, 0, at), origin, &n) || !origin_ok(ctx, span_of(origin, n)))
        return false;
    return same_path(own.n == 0 ? SPAN("/") : own, path);
}
