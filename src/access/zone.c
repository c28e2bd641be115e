#include "access/zone.h"

/* A day rule of POSIX TZ: Mm.w.d, Jn or n, and the second of that day in local time (may be negative or beyond it). */
struct zone_day {
    char kind; /* 'M', 'J', 'n' */
    int month, week, day;
    int32_t second;
};

struct zone_rule {
    bool used, has_dst;
    int32_t std, dst; /* seconds east */
    struct zone_day start, end;
};

struct zone {
    size_t n;
    const int64_t *times;   /* sorted */
    const int32_t *offsets; /* from times[i] on */
    int32_t first;          /* before times[0] */
    struct zone_rule after; /* from the last transition on */
};

static const struct zone utc = { 0 };

/* --- days --------------------------------------------------------------------------------------------------------- */

static int64_t days_of(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t year_of(int64_t at)
{
    int64_t day = floor_div(at, 86400), y = 1970 + floor_div(day, 366);

    while (days_of(y, 1, 1) > day)
        y--;
    while (days_of(y + 1, 1, 1) <= day)
        y++;
    return y;
}

static bool leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* The local second, counted as if local time were UTC, at which the rule fires in year y. */
static int64_t fires(const struct zone_day *d, int64_t y)
{
    int64_t first, day;

    switch (d->kind) {
    case 'J': day = days_of(y, 1, 1) + d->day - 1 + (leap(y) && d->day >= 60); break;
    case 'n': day = days_of(y, 1, 1) + d->day; break;
    default:
        first = days_of(y, d->month, 1);
        day = first + (d->day - (first + 4) % 7 + 7) % 7 + 7 * (d->week - 1);
        while (day >= (d->month == 12 ? days_of(y + 1, 1, 1) : days_of(y, d->month + 1, 1)))
            day -= 7;
        break;
    }
    return day * 86400 + d->second;
}

static int32_t rule_offset(const struct zone_rule *r, int64_t at)
{
    int64_t y, start, end;
    bool dst;

    if (!r->has_dst)
        return r->std;
    y = year_of(at + r->std);
    start = fires(&r->start, y) - r->std;
    end = fires(&r->end, y) - r->dst;
    dst = start < end ? at >= start && at < end : at >= start || at < end;
    return dst ? r->dst : r->std;
}

int32_t zone_offset(const struct zone *z, int64_t at)
{
    size_t lo = 0, hi = z->n;

    if (z->n > 0 && at < z->times[0])
        return z->first;
    if (z->after.used && (z->n == 0 || at >= z->times[z->n - 1]))
        return rule_offset(&z->after, at);
    while (lo < hi) { /* the last transition at or before 'at' */
        size_t mid = lo + (hi - lo) / 2;

        if (z->times[mid] <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == 0 ? z->first : z->offsets[lo - 1];
}

/* --- the footer: std offset [dst [offset] , start [/time] , end [/time]] ------------------------------------------ */

static bool take(struct rd *r, char c)
{
    if (r->n == 0 || r->p[0] != (uint8_t) c)
        return false;
    r->p++;
    r->n--;
    return true;
}

static bool number(struct rd *r, int max, int *ret)
{
    int v = 0;
    size_t n = 0;

    for (; r->n > 0 && r->p[0] >= '0' && r->p[0] <= '9' && n < 4; n++)
        v = v * 10 + rd_u8(r) - '0';
    if (n == 0 || v > max)
        r->failed = true;
    *ret = v;
    return !r->failed;
}

static void zone_word(struct rd *r)
{
    size_t n = 0;

    if (take(r, '<')) {
        while (r->n > 0 && r->p[0] != '>')
            (void) rd_u8(r);
        if (!take(r, '>'))
            r->failed = true;
        return;
    }
    for (; r->n > 0 && ((r->p[0] | 0x20) >= 'a' && (r->p[0] | 0x20) <= 'z'); n++)
        (void) rd_u8(r);
    if (n < 3)
        r->failed = true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int32_t clock_time(struct rd *r)
{
    int h = 0, m = 0, s = 0;
    bool neg = take(r, '-');

    if (!neg)
        (void) take(r, '+');
    (void) number(r, 167, &h);
    if (take(r, ':')) {
        (void) number(r, 59, &m);
        if (take(r, ':'))
            (void) number(r, 59, &s);
    }
    return (neg ? -1 : 1) * (h * 3600 + m * 60 + s);
}

static struct zone_day day_rule(struct rd *r)
{
    struct zone_day d = { .kind = 'n', .second = 7200 };

    if (!take(r, ','))
        r->failed = true;
    if (take(r, 'M')) {
        d.kind = 'M';
        (void) number(r, 12, &d.month);
        (void) (take(r, '.') || (r->failed = true));
        (void) number(r, 5, &d.week);
        (void) (take(r, '.') || (r->failed = true));
        (void) number(r, 6, &d.day);
        if (d.month < 1 || d.week < 1)
            r->failed = true;
    } else {
        if (take(r, 'J'))
            d.kind = 'J';
        (void) number(r, d.kind == 'J' ? 365 : 366, &d.day);
        if (d.kind == 'J' && d.day < 1)
            r->failed = true;
    }
    if (take(r, '/'))
        d.second = clock_time(r);
    if (r->failed)
        d.month = 1, d.week = 1;
    return d;
}

static bool footer_parse(struct span text, struct zone_rule *ret)
{
    struct zone_rule rule = { .used = true };
    struct rd r = rd_of(text);

    zone_word(&r);
    rule.std = -clock_time(&r);
    if (r.n > 0 && !r.failed) {
        rule.has_dst = true;
        zone_word(&r);
        rule.dst = rule.std + 3600;
        if (r.n > 0 && r.p[0] != ',')
            rule.dst = -clock_time(&r);
        rule.start = day_rule(&r);
        rule.end = day_rule(&r);
    }
    if (!rd_done(&r))
        return false;
    *ret = rule;
    return true;
}

/* --- TZif --------------------------------------------------------------------------------------------------------- */

static uint32_t be32(struct rd *r)
{
    uint32_t hi = rd_u16be(r);

    return hi << 16 | rd_u16be(r);
}

static int64_t be64(struct rd *r)
{
    uint64_t hi = be32(r);

    return (int64_t) (hi << 32 | be32(r));
}

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool header(struct rd *r, struct counts *c)
{
    struct span magic = rd_bytes(r, 4);
    uint8_t version = rd_u8(r);

    (void) rd_bytes(r, 15);
    c->isut = be32(r);
    c->isstd = be32(r);
    c->leap = be32(r);
    c->time = be32(r);
    c->type = be32(r);
    c->chars = be32(r);
    return !r->failed && span_eq_str(magic, "TZif") && version >= '2' && c->time < 10000 && c->type > 0 &&
           c->type <= 256 && c->chars < 10000 && c->leap < 10000 && c->isut <= 256 && c->isstd <= 256;
}

/* Bytes of the data block behind a header whose times have 'size' bytes. */
static size_t block_len(const struct counts *c, size_t size)
{
    return (size_t) c->time * (size + 1) + (size_t) c->type * 6 + c->chars + (size_t) c->leap * (size + 4) + c->isstd +
           c->isut;
}

/* The block is all there: zone_parse has looked. */
static bool transitions(struct rd *r, const struct counts *c, int64_t *times, int32_t *offsets, struct zone *z)
{
    struct span kinds, types;

    for (uint32_t i = 0; i < c->time; i++)
        times[i] = be64(r);
    kinds = rd_bytes(r, c->time);
    types = rd_bytes(r, (size_t) c->type * 6);
    for (uint32_t i = 0; i <= c->time; i++) {
        uint8_t kind = i == 0 ? 0 : kinds.p[i - 1];
        struct rd type;
        int32_t offset;

        if (kind >= c->type || (i > 1 && times[i - 1] <= times[i - 2]))
            return false;
        type = rd_of(span_sub(types, (size_t) kind * 6, 4));
        offset = (int32_t) be32(&type);
        if (offset < -26 * 3600 || offset > 26 * 3600)
            return false;
        if (i == 0)
            z->first = offset;
        else
            offsets[i - 1] = offset;
    }
    z->n = c->time;
    z->times = times;
    z->offsets = offsets;
    return true;
}

enum err zone_parse(struct span tzif, struct arena *arena, const struct zone **ret, struct err_info *reterr)
{
    struct rd r = rd_of(tzif);
    struct zone *z = arena_alloc(arena, sizeof(*z));
    struct counts c;
    struct span footer, rest;
    int64_t *times;
    int32_t *offsets;
    size_t after;

    if (z == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "time zone");
    if (!header(&r, &c))
        return ERR_RAISE(reterr, ERR_CORRUPT, "not a time zone file of version 2 or later");
    (void) rd_bytes(&r, block_len(&c, 4)); /* the 32-bit block, for old readers */
    if (r.failed || !header(&r, &c))
        return ERR_RAISE(reterr, ERR_CORRUPT, "time zone file: second header");
    after = block_len(&c, 8);
    if (r.n < after)
        return ERR_RAISE(reterr, ERR_CORRUPT, "time zone file is cut");
    rest = span_sub(span_of(r.p, r.n), after, r.n);
    times = arena_alloc(arena, c.time * sizeof(*times) + 1);
    offsets = arena_alloc(arena, c.time * sizeof(*offsets) + 1);
    if (times == NULL || offsets == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "time zone");
    if (!transitions(&r, &c, times, offsets, z))
        return ERR_RAISE(reterr, ERR_CORRUPT, "time zone file: transitions");
    if (rest.n < 2 || rest.p[0] != '\n' || rest.p[rest.n - 1] != '\n')
        return ERR_RAISE(reterr, ERR_CORRUPT, "time zone file: footer");
    footer = span_sub(rest, 1, rest.n - 2);
    if (footer.n > 0 && !footer_parse(footer, &z->after))
        return ERR_RAISE(reterr, ERR_CORRUPT, "time zone file: footer");
    *ret = z;
    return ERR_OK;
}

bool zone_name_valid(struct span name)
{
    bool part = false;

    if (name.n == 0 || name.n > ZONE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];

        if (c == '/') {
            if (!part)
                return false;
            part = false;
        } else if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '+' ||
                   c == '-') {
            part = true;
        } else {
            return false;
        }
    }
    return part;
}

static bool read_file(const struct zone_source *source, struct span name, struct buf *bytes)
{
    char text[ZONE_NAME_MAX + 1];

    (void) span_to_str(name, text, sizeof(text)); /* a valid name fits */
    return source->read(source->ctx, text, bytes);
}

enum err zone_load(const struct zone_source *source, struct span name, struct arena *arena, const struct zone **ret,
                   struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf bytes = BUF_INIT(ZONE_BYTES_MAX);

    if (span_eq_str(name, "UTC")) {
        *ret = &utc;
        return ERR_OK;
    }
    if (!zone_name_valid(name) || source == NULL || !read_file(source, name, &bytes))
        return ERR_RAISE(reterr, ERR_NOTFOUND, "no such time zone on this system");
    TRY(buf_check(&bytes, reterr));
    return zone_parse(buf_span(&bytes), arena, ret, reterr);
}
