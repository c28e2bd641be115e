#pragma once
/*
 * Structured logs of the roles: one JSON object a line, or one human line on a terminal, to standard error.
 *
 * Never in a log: keys, tokens, passwords, content, reasons, titles, query strings. Field values are escaped
 * (controls, 0x7f, C1, bidirectional controls), so one call makes exactly one line.
 * Threads: any; one write(2) a line.
 */
#include "base/err.h"
#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_AUTO /* human when stderr is a terminal */, LOG_JSON, LOG_HUMAN };

struct log_field {
    const char *key;
    enum { LOG_F_END, LOG_F_SPAN, LOG_F_INT } kind;
    struct span s;
    int64_t i;
};

#define LOG_SPAN(key, value) { (key), LOG_F_SPAN, (value), 0 }
#define LOG_STR(key, value)  { (key), LOG_F_SPAN, span_str(value), 0 }
#define LOG_INT(key, value)  { (key), LOG_F_INT, SPAN_EMPTY, (int64_t) (value) }

void log_init(const char *role, enum log_format format, enum log_level max);

/*
 * 'event' is a fixed dotted name ("role.started"): what people search for.
 * log_event(LOG_INFO, "role.started", LOG_INT("pid", getpid()), LOG_STR("version", v));
 */
#define log_event(level, event, ...)                                                                                   \
    log_write((level), (event), (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ) { NULL, LOG_F_END, SPAN_EMPTY, 0 } })
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* log_event with the error's code, errno and text. */
void log_err(enum log_level level, const char *event, const struct err_info *err);
