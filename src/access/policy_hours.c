#include "access/policy_hours.h"

#include "base/num.h"

#include <arpa/inet.h>

static const char *const day_names[7] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

static int day_of(struct span s)
{
    for (int i = 0; i < 7; i++) {
        if (span_eq_nocase(s, day_names[i]))
            return i;
    }
    return -1;
}

/* "Mon-Fri,Sun"; a range may go over the week's end. */
static bool days_parse(struct span s, uint8_t *ret)
{
    uint8_t days = 0;
    bool more = true;

    while (more) {
        struct span part, rest, from, to;
        int a, b;

        more = span_cut(s, ',', &part, &rest);
        if (!span_cut(part, '-', &from, &to))
            to = from;
        a = day_of(from);
        b = day_of(to);
        if (a < 0 || b < 0)
            return false;
        for (int i = a;; i = (i + 1) % 7) {
            days |= (uint8_t) (1U << i);
            if (i == b)
                break;
        }
        s = rest;
    }
    *ret = days;
    return true;
}

static bool minute_parse(struct span s, uint16_t *ret)
{
    uint64_t h, m;

    if (s.n != 5 || s.p[2] != ':' || !num_u64(span_sub(s, 0, 2), 24, &h) || !num_u64(span_sub(s, 3, 2), 59, &m) ||
        (h == 24 && m != 0))
        return false;
    *ret = (uint16_t) (h * 60 + m);
    return true;
}

enum err policy_hours_parse(struct span text, const struct zone_source *zones, struct arena *arena,
                            struct policy_hours *ret, struct err_info *reterr)
{
    struct policy_hours h = { .days = 0x7f };
    struct span word, rest, from, to;

    if (!span_cut(text, ' ', &word, &rest))
        return ERR_RAISE(reterr, ERR_INVAL, "hours: want \"[Mon-Fri ]07:00-20:00 Europe/Berlin\"");
    if (word.n > 0 && (word.p[0] < '0' || word.p[0] > '9')) {
        if (!days_parse(word, &h.days) || !span_cut(rest, ' ', &word, &rest))
            return ERR_RAISE(reterr, ERR_INVAL, "hours: days are Mon to Sun, as Mon-Fri or Sat,Sun, then a time");
    }
    if (!span_cut(word, '-', &from, &to) || !minute_parse(from, &h.from) || !minute_parse(to, &h.to))
        return ERR_RAISE(reterr, ERR_INVAL, "hours: times are HH:MM-HH:MM, 00:00 to 24:00");
    if (h.from == h.to || h.from == 1440)
        return ERR_RAISE(reterr, ERR_INVAL, "hours: from and to are the same, which is no time at all");
    if (!zone_name_valid(rest))
        return ERR_RAISE(reterr, ERR_INVAL, "hours: a time zone such as Europe/Berlin or UTC has to be named");
    TRY(zone_load(zones, rest, arena, &h.zone, reterr));
    h.zone_name = arena_span(arena, rest);
    if (h.zone_name.p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "policy is too large");
    *ret = h;
    return ERR_OK;
}

static void days_print(uint8_t days, struct buf *out)
{
    bool first = true;

    if (days == 0x7f)
        return;
    for (int i = 0; i < 7; i++) {
        int last = i;

        if ((days & 1U << i) == 0)
            continue;
        while (last < 6 && (days & 1U << (last + 1)) != 0)
            last++;
        buf_add_str(out, first ? "" : ",");
        buf_add_str(out, day_names[i]);
        if (last > i)
            buf_addf(out, "%c%s", last == i + 1 ? ',' : '-', day_names[last]);
        first = false;
        i = last;
    }
    buf_add_c(out, ' ');
}

void policy_hours_print(const struct policy_hours *h, struct buf *out)
{
    days_print(h->days, out);
    buf_addf(out, "%02d:%02d-%02d:%02d ", h->from / 60, h->from % 60, h->to / 60, h->to % 60);
    buf_add_span(out, h->zone_name);
}

bool policy_hours_has(const struct policy_hours *h, time_ms now)
{
    int64_t at = now / 1000 - (now % 1000 < 0), local = at + zone_offset(h->zone, at);
    int64_t day = local / 86400 - (local % 86400 < 0);
    int weekday = (int) (((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    int minute = (int) ((local - day * 86400) / 60);
    bool today = (h->days & 1U << weekday) != 0, yesterday = (h->days & 1U << (weekday + 6) % 7) != 0;

    if (h->from < h->to)
        return today && minute >= h->from && minute < h->to;
    return (today && minute >= h->from) || (yesterday && minute < h->to);
}

/* --- networks ----------------------------------------------------------------------------------------------------- */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool bit(const uint8_t *p, unsigned i)
{
    return (p[i / 8] & 0x80U >> i % 8) != 0;
}

enum err policy_net_parse(struct span text, struct arena *arena, struct policy_net *ret, struct err_info *reterr)
{
    struct policy_net net = { .bits = 128 };
    struct span addr, bits;
    char name[64];
    bool cut = span_cut(text, '/', &addr, &bits), v4;
    uint64_t n = 0;

    if (!span_to_str(addr, name, sizeof(name)))
        return ERR_RAISE(reterr, ERR_INVAL, "network: not an address");
    v4 = inet_pton(AF_INET, name, net.addr + 12) == 1;
    if (v4)
        memcpy(net.addr, mapped, sizeof(mapped));
    else if (inet_pton(AF_INET6, name, net.addr) != 1)
        return ERR_RAISE(reterr, ERR_INVAL, "network: not an address");
    if (cut && !num_u64(bits, v4 ? 32 : 128, &n))
        return ERR_RAISE(reterr, ERR_INVAL, "network: the part after '/' is 0 to %d", v4 ? 32 : 128);
    if (cut)
        net.bits = (uint8_t) (n + (v4 ? 96 : 0));
    for (unsigned i = net.bits; i < 128; i++) {
        if (bit(net.addr, i))
            return ERR_RAISE(reterr, ERR_INVAL, "network: bits beyond the prefix are set");
    }
    net.text = arena_span(arena, text);
    if (net.text.p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "policy is too large");
    *ret = net;
    return ERR_OK;
}

bool policy_net_has(const struct policy_net *net, const uint8_t *addr, size_t addr_len)
{
    uint8_t full[16];

    if (addr_len != 4 && addr_len != 16)
        return false;
    if (addr_len == 4)
        memcpy(full, mapped, sizeof(mapped));
    memcpy(full + 16 - addr_len, addr, addr_len);
    for (unsigned i = 0; i < net->bits; i++) {
        if (bit(full, i) != bit(net->addr, i))
            return false;
    }
    return true;
}
