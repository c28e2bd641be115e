#include "base/times.h"

#include "base/num.h"

#include <stdio.h>

/* Days since 1970-01-01 of a civil date, and back (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    int64_t era, yoe, doy, doe;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t z, int64_t *ret_y, int *ret_m, int *ret_d)
{
    int64_t era, doe, yoe, doy, mp;

    z += 719468;
    era = (z >= 0 ? z : z - 146096) / 146097;
    doe = z - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *ret_d = (int) (doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (int) (mp < 10 ? mp + 3 : mp - 9);
    *ret_y = yoe + era * 400 + (*ret_m <= 2);
}

/* 'n' digits, with leading zeros. */
static char *put(char *to, int64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        to[i] = (char) ('0' + v % 10);
    return to + n;
}

/* In each record and each row of a list: printf was most of what it cost. */
void time_rfc3339(time_ms t, char out[TIME_RFC3339_LEN + 1])
{
    static const char marks[] = "--T::.";
    int64_t y, ms;
    int m, d;

    if (t < 0)
        t = 0;
    if (t > 253402300799999)
        t = 253402300799999;
    ms = t % 86400000;
    civil_from_days(t / 86400000, &y, &m, &d);
    {
        const int64_t part[] = { y, m, d, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000 };
        static const int width[] = { 4, 2, 2, 2, 2, 2, 3 };

        for (size_t i = 0; i < 7; i++) {
            out = put(out, part[i], width[i]);
            *out++ = i < 6 ? marks[i] : 'Z';
        }
    }
    *out = '\0';
}

static bool digits(struct span s, size_t from, size_t n, int64_t min, int64_t max, int64_t *ret)
{
    uint64_t v;

    if (from + n > s.n || !num_u64(span_sub(s, from, n), (uint64_t) max, &v) || (int64_t) v < min)
        return false;
    *ret = (int64_t) v;
    return true;
}

static bool parse_offset(struct span s, int64_t *ret_min)
{
    int64_t h, m;

    if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
        *ret_min = 0;
        return true;
    }
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || !digits(s, 1, 2, 0, 23, &h) ||
        !digits(s, 4, 2, 0, 59, &m))
        return false;
    *ret_min = (h * 60 + m) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

bool time_parse_rfc3339(struct span s, time_ms *ret)
{
    static const uint8_t month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t y, mo, d, h, mi, sec, ms = 0, off;
    size_t at = 19;

    if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' ||
        s.p[16] != ':')
        return false;
    if (!digits(s, 0, 4, 1970, 9999, &y) || !digits(s, 5, 2, 1, 12, &mo) || !digits(s, 8, 2, 1, 31, &d) ||
        !digits(s, 11, 2, 0, 23, &h) || !digits(s, 14, 2, 0, 59, &mi) || !digits(s, 17, 2, 0, 60, &sec))
        return false;
    if (d > month_days[mo - 1] || (mo == 2 && d == 29 && (y % 4 != 0 || (y % 100 == 0 && y % 400 != 0))))
        return false;
    if (s.p[at] == '.') {
        int64_t scale = 100;
        size_t first = ++at;

        for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, scale /= 10)
            ms += (s.p[at] - '0') * scale;
        if (at == first || at - first > 9)
            return false;
    }
    if (!parse_offset(span_sub(s, at, s.n), &off))
        return false;
    *ret = (days_from_civil(y, (int) mo, (int) d) * 86400 + h * 3600 + mi * 60 + sec - off * 60) * 1000 + ms;
    return true;
}
