#include "format/id.h"

#include "base/num.h"

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

static bool all_digits(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (digit(s.p[i]) < 0)
            return false;
    }
    return true;
}

/* Writes ceil(8 * n / 6) characters and a NUL. */
static void spell(const uint8_t *p, size_t n, char *out)
{
    uint32_t acc = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | p[i];
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            *out++ = alphabet[acc >> bits & 63];
        }
    }
    if (bits > 0)
        *out++ = alphabet[acc << (6 - bits) & 63];
    *out = '\0';
}

void id_make(enum id_kind kind, const uint8_t rnd[ID_RANDOM_LEN], char out[ID_CAP])
{
    out[0] = (char) kind;
    out[1] = '_';
    spell(rnd, ID_RANDOM_LEN, out + 2);
}

void jti_make(const uint8_t rnd[JTI_RANDOM_LEN], char out[JTI_CAP])
{
    spell(rnd, JTI_RANDOM_LEN, out);
}

bool id_check(struct span s, enum id_kind kind)
{
    return s.n == ID_LEN && s.p[0] == (uint8_t) kind && s.p[1] == '_' && all_digits(span_sub(s, 2, s.n));
}

bool id_kind_of(struct span s, enum id_kind *ret_kind)
{
    static const char kinds[] = { ID_RECORDING, ID_PROJECT, ID_REQUEST, ID_GRANT,  ID_USER,
                                  ID_VIEWING,   ID_TOKEN,   ID_GROUP,   ID_PERSON, ID_ERASURE,
                                  ID_CHANGE };

    for (size_t i = 0; i < sizeof(kinds); i++) {
        if (!id_check(s, (enum id_kind) kinds[i]))
            continue;
        if (ret_kind != NULL)
            *ret_kind = (enum id_kind) kinds[i];
        return true;
    }
    return false;
}

bool jti_check(struct span s)
{
    return s.n == JTI_LEN && all_digits(s) && (digit(s.p[JTI_LEN - 1]) & 15) == 0;
}

bool log_id_check(struct span s)
{
    struct span base, gen;
    uint64_t n;

    if (span_cut(s, '~', &base, &gen) && (gen.n == 0 || gen.p[0] == '0' || !num_u64(gen, 99999, &n) || n < 2))
        return false;
    return span_eq_str(base, LOG_ID_SYSTEM) || id_check(base, ID_PROJECT);
}

uint32_t log_id_generation(struct span s, struct span *ret_base)
{
    struct span gen;
    uint64_t n = 1;

    if (span_cut(s, '~', ret_base, &gen))
        (void) num_u64(gen, 99999, &n); /* log_id_check has seen it */
    return (uint32_t) n;
}
