/*
 * The terminal's thread of `keyhole rec`: keys from the user to the command, what it writes back to the user, and a copy into
 * the box. It waits for nothing but those two ends.
 *
 * Happy path: child made, waits -> the server has a recording (or REC_START_MS are over) -> raw mode -> child goes -> bytes ->
 * SIGCHLD -> what is still in its terminal -> exit status -> the user's terminal as it was.
 * In flight when something fails: the user's terminal gone (SIGHUP, or reading it ends): the command's is closed too, as
 * happened without us, and HANGUP_MS later the recording ends even if the command lives on. Standard output gone: the recording
 * goes on. The server gone: rec_send.h.
 */
#include "cli/rec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/access.h"
#include "cli/rec_echo.h"
#include "cli/rec_text.h"
#include "cli/rec_tty.h"
#include "os/clock.h"
#include "os/file.h"

#define READ_MAX    (64u << 10)
#define GATHER_MS   50
#define PENDING_MAX (64u << 10) /* on its way to one end; beyond it the other one waits */
#define HANGUP_MS   5000
#define IDLE_MS     60000
#define AGAIN_MS    20

struct run {
    struct rec *rec;
    struct rec_child child;
    struct rec_text text;
    struct rec_echo echo;
    struct buf to_user, to_child, words;
    int signals, out_fd;
    bool raw, in_open, out_open, out_own, child_over, drained;
    int cols, rows;
    int64_t cut_at;     /* when a piece was cut last */
    int64_t hung_up;    /* 0: not */
    int64_t look_again; /* until then nothing is read of the command's terminal, which nobody had open */
    bool end_of_input;  /* standard input has ended, the command has to be told */
};

static int64_t now_us(const struct run *r)
{
    return clock_mono_us() - r->rec->started_us;
}

/* ---- into the box ---- */

static void record(struct run *r, char code, struct span text)
{
    (void) rec_send_lock(r->rec->send);
    rec_box_add(r->rec->box, now_us(r), code, text);
    rec_send_unlock(r->rec->send);
}

/* What is there becomes a piece: at once after a quiet while, else each GATHER_MS. */
static void cut(struct run *r, bool now)
{
    int64_t ms = mono_ms();
    bool open;

    (void) rec_send_lock(r->rec->send);
    open = rec_box_is_open(r->rec->box);
    if (open && (now || ms - r->cut_at >= GATHER_MS))
        rec_box_cut(r->rec->box);
    else
        open = false;
    rec_send_unlock(r->rec->send);
    if (open) {
        r->cut_at = ms;
        rec_send_wake(r->rec->send);
    }
}

/* Lines that no terminal has turned into CR LF: a player has one. */
static void add_crlf(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n')
            buf_add_c(out, '\r');
        buf_add_c(out, (char) bytes.p[i]);
    }
}

static void record_output(struct run *r, struct span bytes)
{
    struct buf lines = BUF_INIT(4 * READ_MAX);

    buf_reset(&r->words);
    if (r->child.pty) {
        rec_text_add(&r->text, bytes, &r->words);
    } else {
        add_crlf(&lines, bytes);
        rec_text_add(&r->text, buf_span(&lines), &r->words);
    }
    if (r->words.n > 0)
        record(r, 'o', buf_span(&r->words));
    buf_deinit(&lines);
}

static void look_at_echo(struct run *r)
{
    struct buf keys = BUF_INIT(REC_ECHO_MAX), text = BUF_INIT(4 * REC_ECHO_MAX);
    struct rec_text whole = { .need = 0 };

    if (rec_echo_look(&r->echo, mono_ms(), rec_child_echoes(&r->child), &keys)) {
        rec_text_add(&whole, buf_span(&keys), &text);
        rec_text_end(&whole, &text);
        record(r, 'i', buf_span(&text));
        explicit_bzero(keys.p, keys.cap);
        explicit_bzero(text.p, text.cap);
    }
    buf_deinit(&keys);
    buf_deinit(&text);
}

/* ---- the user's end ---- */

/* A description of our own, so that making it non-blocking changes nothing for the shell that shares ours. */
static void open_output(struct run *r)
{
    struct stat st;

    if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        r->out_fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    r->out_own = r->out_fd >= 0;
    if (r->out_fd < 0)
        r->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    r->out_open = r->out_fd >= 0;
}

static void flush_out(struct run *r)
{
    ssize_t n;

    if (r->to_user.n == 0)
        return;
    /* A descriptor that is not ours may block: in steps that it has room for when it says so. */
    n = r->out_own ? (ssize_t) r->to_user.n : r->to_user.n < 4096 ? (ssize_t) r->to_user.n : 4096;
    if (r->out_open)
        n = write(r->out_fd, r->to_user.p, (size_t) n);
    else
        n = (ssize_t) r->to_user.n;
    if (n > 0)
        buf_drop(&r->to_user, (size_t) n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        r->out_open = false; /* nobody looks any more; the recording goes on */
}

static void flush_child(struct run *r)
{
    ssize_t n;

    if (r->child.fd < 0 || !r->child.pty) {
        buf_reset(&r->to_child);
        return;
    }
    if (r->to_child.n == 0)
        return;
    n = write(r->child.fd, r->to_child.p, r->to_child.n);
    if (n > 0) {
        explicit_bzero(r->to_child.p, (size_t) n);
        buf_drop(&r->to_child, (size_t) n);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        buf_reset(&r->to_child);
    }
}

static void hang_up(struct run *r)
{
    if (r->hung_up != 0)
        return;
    r->hung_up = mono_ms();
    r->in_open = false;
    os_closep(&r->child.fd); /* the kernel tells the command, as it would have told it without us */
    if (!r->child.pty && !r->child_over)
        (void) kill(r->child.pid, SIGHUP);
    r->drained = true;
}

/* Keys, without the marker's. */
static void take_keys(struct run *r, struct span keys)
{
    size_t from = 0;

    for (size_t i = 0; r->rec->marker >= 0 && i < keys.n; i++) {
        if (keys.p[i] != (uint8_t) r->rec->marker)
            continue;
        buf_add_span(&r->to_child, span_sub(keys, from, i - from));
        record(r, 'm', SPAN_EMPTY);
        from = i + 1;
    }
    keys = span_sub(keys, from, keys.n);
    buf_add_span(&r->to_child, keys);
    if (r->rec->input && keys.n > 0)
        rec_echo_typed(&r->echo, mono_ms(), keys, rec_child_echoes(&r->child));
}

static void read_user(struct run *r)
{
    uint8_t bytes[4096];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        take_keys(r, span_of(bytes, (size_t) n));
        explicit_bzero(bytes, (size_t) n);
    } else if (r->raw) {
        hang_up(r); /* a raw terminal ends only when it is gone */
    } else {
        r->in_open = false;
        r->end_of_input = true;
    }
}

/* Who reads a terminal learns the end of a file by its VEOF key. */
static void tell_end_of_input(struct run *r)
{
    struct termios t;

    if (!r->end_of_input || r->to_child.n > 0 || r->child.fd < 0)
        return;
    r->end_of_input = false;
    if (tcgetattr(r->child.fd, &t) == 0)
        buf_add(&r->to_child, &t.c_cc[VEOF], 1);
}

/* ---- the command's end ---- */

static void read_child(struct run *r)
{
    static uint8_t bytes[READ_MAX];
    ssize_t n = read(r->child.fd, bytes, sizeof(bytes));

    if (n > 0) {
        struct span s = span_of(bytes, (size_t) n);

        if (r->out_open)
            buf_add_span(&r->to_user, s);
        flush_out(r);
        record_output(r, s);
        if (r->rec->input)
            look_at_echo(r);
    } else if (n < 0 && errno == EIO && r->child.pty && !r->child_over) {
        /* Nobody has its terminal open: many close it just before they exit. Closing our end now would hang them up. */
        r->look_again = mono_ms() + AGAIN_MS;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        r->drained = true;
        os_closep(&r->child.fd);
    } else if (r->child_over && r->child.pty) {
        r->drained = true;
    }
}

static void child_ended(struct run *r, int status)
{
    r->child_over = true;
    r->rec->exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void look_at_child(struct run *r)
{
    int status;
    pid_t pid;

    while (!r->child_over && (pid = waitpid(r->child.pid, &status, WNOHANG | WUNTRACED)) == r->child.pid) {
        if (!WIFSTOPPED(status)) {
            child_ended(r, status);
        } else if (WSTOPSIG(status) != SIGTTIN && WSTOPSIG(status) != SIGTTOU) {
            rec_tty_stop(); /* as if it were the user's own job; both go on with fg */
            (void) kill(-r->child.pid, SIGCONT);
        }
    }
}

static void new_size(struct run *r)
{
    char text[32];
    int cols, rows;

    if (r->rec->cols > 0 || !rec_tty_size(&cols, &rows) || (cols == r->cols && rows == r->rows))
        return;
    r->cols = cols;
    r->rows = rows;
    (void) snprintf(text, sizeof(text), "%dx%d", cols, rows);
    record(r, 'r', span_str(text)); /* before what is drawn for it */
    rec_child_size(&r->child, cols, rows);
}

static void on_signals(struct run *r)
{
    int sig;

    while ((sig = rec_tty_signal(r->signals)) != 0) {
        if (sig == SIGWINCH) {
            new_size(r);
        } else if (sig == SIGCHLD) {
            look_at_child(r);
        } else if (sig == SIGCONT) {
            rec_tty_again();
            new_size(r);
        } else if (sig == SIGTSTP) {
            rec_tty_stop();
            new_size(r);
        } else if (sig == SIGHUP) {
            hang_up(r);
        } else if (!r->child_over) {
            (void) kill(r->child.pid, sig); /* whoever ends us wants to end it */
        }
    }
}

/* ---- the loop ---- */

static int wait_ms(struct run *r)
{
    int64_t now = mono_ms(), wait = IDLE_MS, due;
    bool open;

    (void) rec_send_lock(r->rec->send);
    open = rec_box_is_open(r->rec->box);
    rec_send_unlock(r->rec->send);
    if (open && r->cut_at + GATHER_MS - now < wait)
        wait = r->cut_at + GATHER_MS - now;
    due = rec_echo_wait(&r->echo, now);
    if (due >= 0 && due < wait)
        wait = due;
    if (r->hung_up != 0 && r->hung_up + HANGUP_MS - now < wait)
        wait = r->hung_up + HANGUP_MS - now;
    if (r->look_again > now && r->look_again - now < wait)
        wait = r->look_again - now;
    if (r->child_over && !r->drained && r->to_user.n == 0)
        wait = 0;
    return wait < 0 ? 0 : (int) wait;
}

static void step(struct run *r)
{
    struct pollfd p[5] = {
        { r->in_open && r->to_child.n < PENDING_MAX ? STDIN_FILENO : -1, POLLIN, 0 },
        { r->child.fd >= 0 && r->to_user.n < PENDING_MAX && mono_ms() >= r->look_again ? r->child.fd : -1, POLLIN, 0 },
        { r->to_user.n > 0 ? r->out_fd : -1, POLLOUT, 0 },
        { r->to_child.n > 0 ? r->child.fd : -1, POLLOUT, 0 },
        { r->signals, POLLIN, 0 },
    };

    if (poll(p, 5, wait_ms(r)) < 0 && errno != EINTR)
        return;
    if (p[4].revents != 0)
        on_signals(r);
    if (p[2].revents != 0)
        flush_out(r);
    if (p[0].revents != 0)
        read_user(r);
    tell_end_of_input(r);
    if (r->to_child.n > 0)
        flush_child(r);
    if (r->child.fd >= 0 && (p[1].revents != 0 || (r->child_over && r->to_user.n == 0)))
        read_child(r);
    look_at_echo(r);
    cut(r, false);
}

static bool goes_on(const struct run *r)
{
    if (r->hung_up != 0)
        return !r->child_over && mono_ms() - r->hung_up < HANGUP_MS;
    return !r->child_over || !r->drained || (r->to_user.n > 0 && r->out_open);
}

/* Nobody has to wait for a server that is away; one that says no is asked first. */
static bool may_begin(struct rec *rec)
{
    int64_t until = mono_ms() + REC_START_MS;
    enum rec_state state = REC_BEGINNING;

    while (state == REC_BEGINNING && mono_ms() < until) {
        struct pollfd p = { rec_send_fd(rec->send), POLLIN, 0 };
        struct rec_status *st;

        (void) poll(&p, 1, (int) (until - mono_ms()));
        rec_send_heard(rec->send);
        st = rec_send_lock(rec->send);
        state = st->state == REC_GOING && st->rid[0] == '\0' ? REC_BEGINNING : st->state;
        rec_send_unlock(rec->send);
    }
    return state != REC_REFUSED;
}

static void begin(struct run *r)
{
    struct rec_status *st = rec_send_lock(r->rec->send);
    char rid[ID_CAP];

    memcpy(rid, st->rid, sizeof(rid));
    rec_send_unlock(r->rec->send);
    r->raw = r->child.pty && rec_tty_raw();
    r->in_open = r->child.pty && (r->raw || !isatty(STDIN_FILENO));
    open_output(r);
    r->rec->began = true;
    new_size(r); /* it may have changed while we waited */
    rec_child_go(&r->child, rid);
}

static void finish(struct run *r)
{
    char text[16];

    rec_tty_restore();
    if (!r->child_over)
        r->rec->exit_status = 128 + SIGHUP;
    buf_reset(&r->words);
    rec_text_end(&r->text, &r->words);
    if (r->words.n > 0)
        record(r, 'o', buf_span(&r->words));
    (void) rec_send_lock(r->rec->send);
    rec_box_say_gap(r->rec->box, now_us(r));
    rec_send_unlock(r->rec->send);
    (void) snprintf(text, sizeof(text), "%d", r->rec->exit_status);
    if (r->child_over)
        record(r, 'x', span_str(text));
    cut(r, true);
    r->rec->keys_dropped = r->echo.dropped;
}

void rec_size(const struct rec *r, int *ret_cols, int *ret_rows)
{
    *ret_cols = 80;
    *ret_rows = 24;
    if (r->cols > 0) {
        *ret_cols = r->cols;
        *ret_rows = r->rows;
    } else {
        (void) rec_tty_size(ret_cols, ret_rows);
    }
}

static enum err start(struct run *r, struct err_info *reterr)
{
    struct rec_start o = { .file = r->rec->file, .argv = r->rec->argv, .cols = r->cols, .rows = r->rows, .pty = r->rec->pty,
                           .echo = isatty(STDIN_FILENO) };

    r->signals = rec_tty_signals();
    if (r->signals < 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "take signals");
    TRY(rec_child_start(&o, &r->child, reterr));
    return rec_send_start(r->rec->send, reterr);
}

enum err rec_run(struct rec *rec, struct err_info *reterr)
{
    struct run r = { .rec = rec, .child = { .pid = -1, .fd = -1, .go_fd = -1 }, .to_user = BUF_INIT(4 * PENDING_MAX),
                     .to_child = BUF_INIT(4 * PENDING_MAX), .words = BUF_INIT(8 * READ_MAX), .signals = -1, .out_fd = -1 };
    enum err e;

    rec_size(rec, &r.cols, &r.rows);
    rec_echo_init(&r.echo);
    e = start(&r, reterr);
    if (e == ERR_OK && !may_begin(rec))
        e = ERR_RAISE(reterr, ERR_DENIED, "the server refused");
    if (e == ERR_OK) {
        begin(&r);
        while (goes_on(&r))
            step(&r);
        finish(&r);
    }
    rec_child_forget(&r.child);
    if (e != ERR_OK && r.child.pid > 0)
        (void) waitpid(r.child.pid, NULL, 0);
    os_closep(&r.signals);
    os_closep(&r.out_fd);
    rec_echo_deinit(&r.echo);
    buf_deinit(&r.to_user);
    buf_deinit(&r.to_child);
    buf_deinit(&r.words);
    return e;
}
