#include "codec/sudo_iolog.h"

#include "base/num.h"
#include "base/tree.h"
#include "codec/json.h"

#define TEXT_MAX    (256u << 10)
#define SECONDS_MAX 253402300800ll /* year 10000 */

void sudo_iolog_init(struct sudo_iolog *s)
{
    *s = (struct sudo_iolog){ .head = { .format = "sudo-iolog" } };
    buf_init(&s->text, TEXT_MAX);
}

void sudo_iolog_deinit(struct sudo_iolog *s)
{
    buf_deinit(&s->text);
}

/* ---- log: three lines */

static enum err first_line(struct castout_head *h, struct span line, struct err_info *reterr)
{
    struct span parts[7] = { { 0 } }, rest = line;
    size_t n = 0;
    uint64_t v;

    while (n < 7) {
        bool more = span_cut(rest, ':', &parts[n], &rest);

        n++;
        if (!more)
            break;
    }
    if (n < 5)
        return ERR_RAISE(reterr, ERR_INVAL, "sudo's log begins with time:user:runas:group:tty, and this does not");
    if (!num_u64(parts[0], (uint64_t) SECONDS_MAX, &v))
        return ERR_RAISE(reterr, ERR_INVAL, "the time in sudo's log is no whole number of seconds");
    h->started_at = (time_ms) v * 1000;
    h->user = parts[1];
    h->runas = parts[2];
    h->runas_group = parts[3];
    h->tty = parts[4];
    if (n < 7) /* before sudo 1.8.5 */
        return ERR_OK;
    if (!num_u64(parts[5], 65535, &v))
        return ERR_RAISE(reterr, ERR_INVAL, "the number of lines in sudo's log is no number up to 65535");
    h->rows = (uint32_t) v;
    if (!num_u64(parts[6], 65535, &v))
        return ERR_RAISE(reterr, ERR_INVAL, "the number of columns in sudo's log is no number up to 65535");
    h->cols = (uint32_t) v;
    return ERR_OK;
}

static struct span a_line(struct span *s)
{
    struct span line;

    (void) span_cut(*s, '\n', &line, s);
    return line;
}

enum err sudo_iolog_text(struct sudo_iolog *s, struct span log, uint64_t *ret_line, struct err_info *reterr)
{
    struct span at;

    *ret_line = 1;
    buf_reset(&s->text);
    buf_add_span(&s->text, log);
    if (s->text.failed)
        return ERR_RAISE(reterr, ERR_INVAL, "sudo's log is larger than 256 KiB");
    at = buf_span(&s->text);
    TRY(first_line(&s->head, a_line(&at), reterr));
    *ret_line = 2;
    if (at.n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "sudo's log has no line with the working directory");
    s->head.cwd = a_line(&at);
    *ret_line = 3;
    s->head.command = a_line(&at);
    if (s->head.command.n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "sudo's log has no line with the command");
    return ERR_OK;
}

/* ---- log.json */

/* Texts are decoded into s->text, which has room for all of them from the start: what stands there stays in place. */
static struct span text_of(struct sudo_iolog *s, struct json_value obj, const char *key)
{
    struct json_value v;
    size_t from = s->text.n;

    if (!json_find(obj, key, &v) || v.type != JSON_STRING || !json_string_decode(v.raw, &s->text))
        return SPAN_EMPTY;
    return span_sub(buf_span(&s->text), from, s->text.n);
}

static void number_of(struct json_value obj, const char *key, uint32_t *ret)
{
    struct json_value v;
    int64_t n;

    if (json_find(obj, key, &v) && v.type == JSON_NUMBER && json_int(v.raw, &n) && n > 0 && n <= 65535)
        *ret = (uint32_t) n;
}

/* What sudo would write in the old form: the command's path, then the arguments after the first. */
static struct span command_of(struct sudo_iolog *s, struct json_value obj)
{
    struct json_value argv, v;
    struct json_iter it;
    size_t from = s->text.n;
    bool first = true;

    (void) text_of(s, obj, "command");
    if (json_find(obj, "runargv", &argv) && argv.type == JSON_ARRAY) {
        it = json_iter(argv);
        while (json_next(&it, &v)) {
            if (!first && v.type == JSON_STRING) {
                buf_add_c(&s->text, ' ');
                (void) json_string_decode(v.raw, &s->text);
            }
            first = false;
        }
    }
    return span_sub(buf_span(&s->text), from, s->text.n);
}

static void started(struct sudo_iolog *s, struct json_value obj)
{
    struct json_value at, v;
    int64_t sec, nsec = 0;

    if (!json_find(obj, "timestamp", &at) || !json_find(at, "seconds", &v) || !json_int(v.raw, &sec) || sec <= 0 ||
        sec >= SECONDS_MAX)
        return;
    if (json_find(at, "nanoseconds", &v) && (!json_int(v.raw, &nsec) || nsec < 0 || nsec > 999999999))
        nsec = 0;
    s->head.started_at = sec * 1000 + nsec / 1000000;
}

enum err sudo_iolog_json(struct sudo_iolog *s, struct span log, uint64_t *ret_line, struct err_info *reterr)
{
    struct json_limits limits = json_limits_event();
    struct buf small = BUF_INIT(TEXT_MAX);
    struct json_value obj, v;
    struct json_error je;

    *ret_line = 1;
    buf_reset(&s->text);
    limits.bytes = TEXT_MAX;
    if (!json_minify(log, &limits, &small, &je)) {
        *ret_line = je.line;
        buf_deinit(&small);
        return ERR_RAISE(reterr, ERR_INVAL, "%s", je.text);
    }
    obj = json_value(buf_span(&small));
    if (obj.type != JSON_OBJECT || buf_reserve(&s->text, small.n + 64) == NULL) {
        buf_deinit(&small);
        return ERR_RAISE(reterr, ERR_INVAL, "sudo's log.json is no object");
    }
    started(s, obj);
    number_of(obj, "columns", &s->head.cols);
    number_of(obj, "lines", &s->head.rows);
    s->head.user = text_of(s, obj, "submituser");
    s->head.host = text_of(s, obj, "submithost");
    s->head.cwd = text_of(s, obj, "submitcwd");
    if (s->head.cwd.n == 0)
        s->head.cwd = text_of(s, obj, "runcwd");
    s->head.runas = text_of(s, obj, "runuser");
    s->head.runas_group = text_of(s, obj, "rungroup");
    s->head.tty = text_of(s, obj, "ttyname");
    s->head.command = command_of(s, obj);
    s->has_exit = json_find(obj, "exit_value", &v) && v.type == JSON_NUMBER && json_int(v.raw, &s->exit_status);
    buf_deinit(&small);
    return s->text.failed ? ERR_RAISE(reterr, ERR_INVAL, "sudo's log.json is too large") : ERR_OK;
}
