#include "cli/play_raw.h"

#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/access.h"
#include "codec/asciicast.h"
#include "codec/json_scan.h"
#include "os/file.h"

#define PATH_CAP 8192
#define TRIES    6

/* Out of every mode that a recording may have set: screen, cursor, colours, margins, mouse, focus, paste, keyboard. */
#define BACK_TO_SANE                                                                                                   \
    "\033\\\033[!p\033[?1049l\033[?47l\033[r\033[?9l\033[?1000l\033[?1002l\033[?1003l\033[?1004l\033[?1006l\033[?2004l\033[?1l" \
    "\033[<99u\033[>4;0m\033>\033(B\017\033[?7h\033[?25h\033[0m\r\n"

static struct termios before;
static volatile sig_atomic_t stop;

struct raw {
    struct cli *c;
    struct access access;
    double speed;
    bool paced, headed;
    uint64_t events;  /* taken so far; the server's numbers */
    int64_t began_ms; /* of the monotonic clock, less what was played */
    struct asciicast cast;
    struct json_scan *scan;
    struct buf text;
    struct err_info err;
};

static void on_signal(int number)
{
    (void) number;
    stop = 1;
}

static void wait_until(struct raw *r, time_us at)
{
    int64_t due = r->began_ms + (int64_t) ((double) (at / 1000) / r->speed), left;

    while (r->paced && !stop && (left = due - mono_ms()) > 0) {
        struct timespec t = { left / 1000, left % 1000 * 1000000 };

        (void) nanosleep(&t, NULL);
    }
}

static bool on_event(struct raw *r, struct span json)
{
    struct asciicast_event ev;

    if (asciicast_event(&r->cast, json, &ev, &r->err) != ERR_OK)
        return false;
    r->events++;
    if (ev.code != 'o')
        return true;
    wait_until(r, ev.own_us);
    buf_reset(&r->text);
    if (!json_string_decode(ev.data, &r->text))
        return false;
    return !stop && os_write_all(STDOUT_FILENO, buf_span(&r->text), &r->err) == ERR_OK;
}

static bool on_item(void *ctx, const struct json_item *it)
{
    struct raw *r = ctx;

    if (it->bytes.n > 0 && it->bytes.p[0] == '{') { /* the header comes again when it goes on */
        r->headed = true;
        return true;
    }
    return on_event(r, it->bytes);
}

static bool on_body(void *ctx, struct span piece)
{
    struct raw *r = ctx;
    struct json_error e;

    return json_scan_feed(r->scan, piece, &e);
}

/* One call, from the event that is next. True: to the end. */
static bool call(struct raw *r, struct http_reply *reply)
{
    struct json_scan_opts o = { .shape = JSON_SHAPE_LINES, .limits = json_limits_event(), .on_item = on_item, .ctx = r };
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_request q = { .method = "GET", .bearer = r->access.key, .prove = r->access.bound, .on_body = on_body, .body_ctx = r,
                              .never_retry = true, .timeout_ms = -1 };
    bool ok = false;

    path_id(&path, "/v1/replay/", r->access.rid, "/export");
    path_add(&path, "format", "asciicast-v2");
    if (r->events > 0)
        path_add_int(&path, "from_seq", (int64_t) r->events);
    q.path = buf_cstr(&path);
    r->scan = json_scan_new(&o);
    if (r->scan != NULL)
        ok = http_call(r->c->http, &q, reply);
    r->scan = json_scan_free(r->scan);
    buf_deinit(&path);
    return ok;
}

static int fetch(struct raw *r)
{
    for (int tries = 0; tries < TRIES && !stop; tries++) {
        struct http_reply reply = { 0 };
        uint64_t had = r->events;
        int code = EXIT_DONE;

        if (!access_key(&r->access)) {
            (void) fail("%s [%s]", r->access.why, r->access.code);
            return r->access.exit_code;
        }
        if (call(r, &reply) || stop) {
            http_reply_deinit(&reply);
            return EXIT_DONE;
        }
        if (r->err.code != ERR_OK)
            code = fail_err(&r->err);
        else if (reply.status >= 400 && !reply.retryable && reply.status != 401)
            code = cli_problem(r->c, &reply);
        http_reply_deinit(&reply);
        if (code != EXIT_DONE)
            return code;
        if (r->events > had)
            tries = -1;
    }
    return stop ? EXIT_DONE : fail("the recording does not come through");
}

static bool terminal_begin(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    struct sigaction a = { .sa_handler = on_signal };
    struct termios quiet;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void) sigaction(numbers[i], &a, NULL);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t) (ECHO | ICANON);
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

/* What the terminal has answered meanwhile must not be what the shell reads next. */
static void terminal_end(void)
{
    struct timespec moment = { 0, 100000000 };
    struct err_info e;

    (void) os_write_all(STDOUT_FILENO, SPAN(BACK_TO_SANE), &e);
    (void) tcdrain(STDOUT_FILENO);
    (void) nanosleep(&moment, NULL);
    (void) tcflush(STDIN_FILENO, TCIFLUSH);
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

int play_raw(struct cli *c, const char *rid, double speed)
{
    struct raw r = { .c = c, .speed = speed };
    bool screen = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
    int code;

    if (screen) {
        note("everything in the recording reaches your terminal as it is: it may set modes, the title and the clipboard, ask the terminal");
        note("questions whose answers look typed, and draw over what you see. Without --raw it is drawn cell by cell, and harmless.");
        if (!args_flag(&c->args, "yes") && !confirm(c, "Show it raw?"))
            return EXIT_FAILED;
    }
    code = access_find(c, rid, "export", false, &r.access);
    if (code != EXIT_DONE) {
        access_deinit(&r.access);
        return code;
    }
    asciicast_init(&r.cast, 2, 16u << 20);
    buf_init(&r.text, 16u << 20);
    r.paced = screen && terminal_begin();
    r.began_ms = mono_ms();
    code = fetch(&r);
    if (r.paced)
        terminal_end();
    buf_deinit(&r.text);
    asciicast_deinit(&r.cast);
    access_deinit(&r.access);
    return code;
}
