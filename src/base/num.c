#include "base/num.h"

bool num_u64(struct span s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 20)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t d = (uint64_t) s.p[i] - '0';

        if (d > 9 || v > (UINT64_MAX - d) / 10)
            return false;
        v = v * 10 + d;
    }
    if (v > max)
        return false;
    *ret = v;
    return true;
}

bool num_i64(struct span s, int64_t *ret)
{
    bool neg = s.n > 0 && s.p[0] == '-';
    uint64_t v;

    if (!num_u64(neg ? span_sub(s, 1, s.n) : s, (uint64_t) INT64_MAX + (neg ? 1 : 0), &v))
        return false;
    *ret = neg ? (int64_t) (0 - v) : (int64_t) v;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static bool with_unit(struct span s, const struct unit *units, size_t n_units, uint64_t max, uint64_t *ret)
{
    size_t digits = 0;
    uint64_t v;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    if (!num_u64(span_sub(s, 0, digits), max, &v))
        return false;
    for (size_t i = 0; i < n_units; i++) {
        if (span_eq_str(span_sub(s, digits, s.n), units[i].name)) {
            if (v > max / units[i].factor)
                return false;
            *ret = v * units[i].factor;
            return true;
        }
    }
    return false;
}

bool num_duration_ms(struct span s, int64_t *ret_ms)
{
    static const struct unit units[] = {
        { "ms", 1 },       { "s", 1000 },      { "m", 60000 },
        { "min", 60000 },  { "h", 3600000 },   { "d", 86400000 },
    };
    uint64_t v;

    if (!with_unit(s, units, sizeof(units) / sizeof(units[0]), 3650ULL * 86400000, &v))
        return false;
    *ret_ms = (int64_t) v;
    return true;
}

bool num_bytes(struct span s, uint64_t *ret)
{
    static const struct unit units[] = { { "B", 1 }, { "KiB", 1024 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 } };

    return with_unit(s, units, sizeof(units) / sizeof(units[0]), UINT64_MAX, ret);
}
