#include <stdio.h>

#include "base/num.h"
#include "codec/bundle_int.h"
#include "codec/json.h"

/* Facts of script and of asciicast v0. Texts are copied into b->meta, which does not move: it has all its room from the start. */

#define META_MAX 65536

static struct span keep(struct bundle *b, struct span s)
{
    size_t from = b->meta.n;

    if (b->meta.cap == 0 && buf_reserve(&b->meta, META_MAX) == NULL)
        return SPAN_EMPTY;
    if (s.n > META_MAX - from)
        return SPAN_EMPTY;
    buf_add_span(&b->meta, s);
    return span_sub(buf_span(&b->meta), from, s.n);
}

static uint32_t dimension(struct span s)
{
    uint64_t v;

    return num_u64(s, 65535, &v) ? (uint32_t) v : 0;
}

/* "2026-02-03 12:55:07+00:00 …": with a zone, or it is no time that we could know. */
static time_ms date(struct span s)
{
    char text[26];
    time_ms t;

    if (s.n < 25)
        return 0;
    memcpy(text, s.p, 25);
    text[10] = 'T';
    return time_parse_rfc3339(span_of(text, 25), &t) ? t : 0;
}

void bundle_fact(struct bundle *b, const struct timing *t)
{
    uint64_t v;

    if (span_eq_str(t->name, "START_TIME"))
        b->head.started_at = date(t->value);
    else if (span_eq_str(t->name, "COLUMNS"))
        b->head.cols = dimension(t->value);
    else if (span_eq_str(t->name, "LINES"))
        b->head.rows = dimension(t->value);
    else if (span_eq_str(t->name, "TERM"))
        b->head.term = keep(b, t->value);
    else if (span_eq_str(t->name, "SHELL"))
        b->head.shell = keep(b, t->value);
    else if (span_eq_str(t->name, "COMMAND"))
        b->head.command = keep(b, t->value);
    else if (span_eq_str(t->name, "TTY"))
        b->head.tty = keep(b, t->value);
    else if (span_eq_str(t->name, "EXIT_CODE") && num_u64(t->value, 1u << 30, &v)) {
        b->has_exit = true;
        b->exit_status = (int64_t) v;
    }
}

/* NAME="value" within the typescript's first line. */
static struct span quoted(struct span line, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i + n < line.n; i++) {
        struct span rest, value;

        if (memcmp(line.p + i, name, n) != 0 || (i > 0 && line.p[i - 1] != ' ' && line.p[i - 1] != '['))
            continue;
        if (span_cut(span_sub(line, i + n, line.n), '"', &value, &rest))
            return value;
    }
    return SPAN_EMPTY;
}

void bundle_lead(struct bundle *b, struct span line)
{
    static const char began[] = "Script started on ";
    struct span v;

    if (b->head.started_at == 0)
        b->head.started_at = date(span_sub(line, sizeof(began) - 1, line.n));
    if (b->head.cols == 0 || b->head.rows == 0) {
        b->head.cols = dimension(quoted(line, "COLUMNS=\""));
        b->head.rows = dimension(quoted(line, "LINES=\""));
    }
    if (b->head.term.n == 0 && (v = quoted(line, "TERM=\"")).n > 0)
        b->head.term = keep(b, v);
    if (b->head.command.n == 0 && (v = quoted(line, "COMMAND=\"")).n > 0)
        b->head.command = keep(b, v);
    if (b->head.tty.n == 0 && (v = quoted(line, "TTY=\"")).n > 0)
        b->head.tty = keep(b, v);
}

/* "Script done on … [COMMAND_EXIT_CODE="0"]" */
void bundle_foot(struct bundle *b, struct span line)
{
    uint64_t v;

    if (!b->has_exit && num_u64(quoted(line, "COMMAND_EXIT_CODE=\""), 1u << 30, &v)) {
        b->has_exit = true;
        b->exit_status = (int64_t) v;
    }
}

/* ---- meta.json */

static struct span text_of(struct bundle *b, struct json_value obj, const char *key)
{
    struct buf text = BUF_INIT(META_MAX);
    struct json_value v;
    struct span s = SPAN_EMPTY;

    if (json_find(obj, key, &v) && v.type == JSON_STRING && json_string_decode(v.raw, &text))
        s = keep(b, buf_span(&text));
    buf_deinit(&text);
    return s;
}

static uint32_t number_of(struct json_value obj, const char *key)
{
    struct json_value v;

    return json_find(obj, key, &v) && v.type == JSON_NUMBER ? dimension(v.raw) : 0;
}

/* "Thu, 25 Jul 2013 20:08:57 +0000" (RFC 2822, as asciinema 0.9 wrote it). */
static time_ms mail_date(struct span s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[48], month[4] = "", iso[80];
    int day, year, h, m, sec, zone, at;
    time_ms t;

    if (!span_to_str(s, text, sizeof(text)) ||
        sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d %5d", &day, month, &year, &h, &m, &sec, &zone) != 7)
        return 0;
    for (at = 0; at < 12; at++)
        if (memcmp(months + 3 * at, month, 3) == 0)
            break;
    (void) snprintf(iso, sizeof(iso), "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", year, at + 1, day, h, m, sec,
                    zone < 0 ? '-' : '+', (zone < 0 ? -zone : zone) / 100, (zone < 0 ? -zone : zone) % 100);
    return time_parse_rfc3339(span_str(iso), &t) ? t : 0;
}

static enum err read_meta(struct bundle *b, struct span text, struct err_info *reterr)
{
    struct json_limits limits = json_limits_event();
    struct buf small = BUF_INIT(META_MAX);
    struct json_value obj, term;
    struct json_error je;

    if (!json_minify(text, &limits, &small, &je)) {
        b->r.line = je.line;
        buf_deinit(&small);
        return ERR_RAISE(reterr, ERR_INVAL, "meta.json: %s", je.text);
    }
    obj = json_value(buf_span(&small));
    if (json_find(obj, "term", &term)) {
        b->head.cols = number_of(term, "columns");
        b->head.rows = number_of(term, "lines");
        b->head.term = text_of(b, term, "type");
    }
    b->head.command = text_of(b, obj, "command");
    b->head.title = text_of(b, obj, "title");
    b->head.shell = text_of(b, obj, "shell");
    b->head.user = text_of(b, obj, "username");
    b->head.started_at = mail_date(text_of(b, obj, "recorded_at"));
    buf_deinit(&small);
    return ERR_OK;
}

/* It is small: a window of a source holds it. */
enum err bundle_meta(struct bundle *b, struct err_info *reterr)
{
    struct packed *s = &b->facts->source;

    TRY(packed_fill(s, reterr));
    if (!s->ended && packed_ready(s).n >= SOURCE_READY)
        return ERR_RAISE(reterr, ERR_INVAL, "meta.json: larger than 64 KiB");
    return read_meta(b, packed_ready(s), reterr);
}
