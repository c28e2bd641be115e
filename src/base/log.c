#include "base/log.h"

#include "base/buf.h"
#include "base/times.h"
#include "base/utf8.h"

#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static struct {
    const char *role;
    enum log_format format;
    enum log_level max;
} log_state = { "keyhole", LOG_HUMAN, LOG_INFO };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_init(const char *role, enum log_format format, enum log_level max)
{
    if (format == LOG_AUTO)
        format = isatty(STDERR_FILENO) == 1 ? LOG_HUMAN : LOG_JSON;
    log_state.role = role;
    log_state.format = format;
    log_state.max = max;
}

/* JSON string escapes; what is not UTF-8 becomes U+FFFD, so that a line is always valid JSON. */
static void add_escaped(struct buf *b, struct span s)
{
    struct rd r = rd_of(s);

    while (r.n > 0) {
        struct rd one = r;
        uint32_t cp = utf8_read(&one);

        if (one.failed) {
            buf_add_str(b, "\\ufffd");
            (void) rd_u8(&r);
            continue;
        }
        r = one;
        if (cp == '"' || cp == '\\') {
            buf_add_c(b, '\\');
            buf_add_c(b, (char) cp);
        } else if (utf8_is_control(cp)) {
            buf_addf(b, "\\u%04x", (unsigned) cp);
        } else {
            utf8_add(b, cp);
        }
    }
}

static time_ms now_ms(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    return (time_ms) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void write_json(struct buf *b, enum log_level level, const char *event, const char *time,
                       const struct log_field *f)
{
    buf_addf(b, "{\"t\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"event\":\"%s\"", time, level_names[level],
             log_state.role, event);
    for (; f->kind != LOG_F_END; f++) {
        buf_addf(b, ",\"%s\":", f->key);
        if (f->kind == LOG_F_INT) {
            buf_addf(b, "%lld", (long long) f->i);
        } else {
            buf_add_c(b, '"');
            add_escaped(b, span_sub(f->s, 0, 1000));
            buf_add_c(b, '"');
        }
    }
    buf_add_str(b, "}\n");
}

static void write_human(struct buf *b, enum log_level level, const char *event, const char *time,
                        const struct log_field *f)
{
    buf_addf(b, "%.12s %-5s %-10s %s", time + 11, level_names[level], log_state.role, event);
    for (; f->kind != LOG_F_END; f++) {
        buf_addf(b, " %s=", f->key);
        if (f->kind == LOG_F_INT)
            buf_addf(b, "%lld", (long long) f->i);
        else
            add_escaped(b, span_sub(f->s, 0, 1000));
    }
    buf_add_c(b, '\n');
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buf b = BUF_INIT(LINE_MAX_BYTES * 4);
    char time[TIME_RFC3339_LEN + 1];

    if (level > log_state.max)
        return;
    time_rfc3339(now_ms(), time);
    if (log_state.format == LOG_HUMAN)
        write_human(&b, level, event, time, fields);
    else
        write_json(&b, level, event, time, fields);
    if (!b.failed)
        (void) !write(STDERR_FILENO, b.p, b.n); /* nobody to tell when the log itself is gone */
    buf_deinit(&b);
}

void log_err(enum log_level level, const char *event, const struct err_info *err)
{
    log_event(level, event, LOG_STR("error", err_name(err->code)), LOG_INT("errno", err->sys),
              LOG_STR("text", err->text));
}
