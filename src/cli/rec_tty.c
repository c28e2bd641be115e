#include "cli/rec_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "format/id.h"
#include "os/file.h"

static struct termios before;
static volatile sig_atomic_t is_raw;

static const int our_signals[] = { SIGWINCH, SIGCHLD, SIGCONT, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP };
static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

/* ---- the user's ---- */

/* Async-signal-safe. Output that is still on its way is kept, keys typed ahead are, too. */
void rec_tty_restore(void)
{
    sigset_t set, old;

    if (is_raw == 0)
        return;
    is_raw = 0;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTTOU); /* a terminal is put back even from the background */
    (void) sigprocmask(SIG_BLOCK, &set, &old);
    (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    (void) sigprocmask(SIG_SETMASK, &old, NULL);
}

static void on_crash(int sig)
{
    rec_tty_restore();
    (void) signal(sig, SIG_DFL);
    (void) raise(sig);
}

static void set_raw(void)
{
    struct termios raw = before;

    cfmakeraw(&raw);
    is_raw = 1;
    (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

bool rec_tty_raw(void)
{
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
        (void) signal(crash_signals[i], on_crash);
    set_raw();
    return true;
}

void rec_tty_stop(void)
{
    bool raw = is_raw != 0;
    sigset_t set;

    rec_tty_restore();
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTSTP);
    (void) signal(SIGTSTP, SIG_DFL);
    (void) raise(SIGTSTP);
    (void) sigprocmask(SIG_UNBLOCK, &set, NULL); /* the shell has us now; below is after fg. Without a shell nothing stops */
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
    if (raw && tcgetpgrp(STDIN_FILENO) == getpgrp())
        set_raw();
}

void rec_tty_again(void)
{
    if (is_raw != 0 && tcgetpgrp(STDIN_FILENO) == getpgrp())
        set_raw();
}

bool rec_tty_size(int *ret_cols, int *ret_rows)
{
    struct winsize w;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
            *ret_cols = w.ws_col;
            *ret_rows = w.ws_row;
            return true;
        }
    }
    return false;
}

int rec_tty_signals(void)
{
    sigset_t set;

    (void) sigemptyset(&set);
    for (size_t i = 0; i < sizeof(our_signals) / sizeof(our_signals[0]); i++)
        (void) sigaddset(&set, our_signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int rec_tty_signal(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof(info)) == (ssize_t) sizeof(info) ? (int) info.ssi_signo : 0;
}

/* ---- the command's ---- */

/* As the user's own, so that keys mean the same there. */
static enum err set_mode(int slave, const struct rec_start *o, struct err_info *reterr)
{
    struct winsize w = { .ws_col = (unsigned short) o->cols, .ws_row = (unsigned short) o->rows };
    struct termios t;

    if ((tcgetattr(STDIN_FILENO, &t) != 0 && tcgetattr(slave, &t) != 0) || ioctl(slave, TIOCSWINSZ, &w) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "set up a terminal");
    if (!o->echo)
        t.c_lflag &= ~(tcflag_t) ECHO;
    return tcsetattr(slave, TCSANOW, &t) == 0 ? ERR_OK : ERR_RAISE_SYS(reterr, ERR_IO, errno, "set up a terminal");
}

static enum err open_pty(const struct rec_start *o, int *ret_master, int *ret_slave, struct err_info *reterr)
{
    CLEANUP(os_closep) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CLEANUP(os_closep) int slave = -1;
    char name[128];

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, name, sizeof(name)) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "get a terminal");
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "open a terminal");
    TRY(set_mode(slave, o, reterr));
    *ret_master = master;
    *ret_slave = slave;
    master = slave = -1;
    return ERR_OK;
}

static _Noreturn void child_exec(const struct rec_start *o)
{
    int e;

    (void) execvp(o->file, o->argv);
    e = errno;
    (void) dprintf(STDERR_FILENO, "keyhole: %s: %s\n", o->file, strerror(e));
    _exit(e == ENOENT ? 127 : 126);
}

static _Noreturn void child(const struct rec_start *o, int go, int theirs)
{
    char rid[ID_CAP] = "";
    sigset_t none;
    ssize_t n;

    if (o->pty)
        (void) setsid();
    do
        n = read(go, rid, sizeof(rid) - 1);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        _exit(127); /* never mind */
    if (o->pty && (ioctl(theirs, TIOCSCTTY, 0) != 0 || dup2(theirs, STDIN_FILENO) < 0))
        _exit(127);
    if (dup2(theirs, STDOUT_FILENO) < 0 || dup2(theirs, STDERR_FILENO) < 0)
        _exit(127);
    for (int sig = 1; sig < NSIG; sig++)
        (void) signal(sig, SIG_DFL); /* SIGKILL and SIGSTOP say no */
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    if (rid[0] == 'r')
        (void) setenv("KEYHOLE_RECORDING", rid, 1);
    child_exec(o);
}

enum err rec_child_start(const struct rec_start *o, struct rec_child *ret, struct err_info *reterr)
{
    CLEANUP(os_closep) int ours = -1;
    CLEANUP(os_closep) int theirs = -1;
    CLEANUP(os_closep) int go_read = -1;
    CLEANUP(os_closep) int go_write = -1;
    int p[2];
    pid_t pid;

    if (o->pty) {
        TRY(open_pty(o, &ours, &theirs, reterr));
    } else {
        if (pipe2(p, O_CLOEXEC) != 0)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "make a pipe");
        ours = p[0];
        theirs = p[1];
    }
    if (pipe2(p, O_CLOEXEC) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "make a pipe");
    go_read = p[0];
    go_write = p[1];
    pid = fork();
    if (pid < 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "make a process");
    if (pid == 0) {
        os_closep(&go_write);
        child(o, go_read, theirs);
    }
    (void) fcntl(ours, F_SETFL, fcntl(ours, F_GETFL) | O_NONBLOCK);
    *ret = (struct rec_child){ .pid = pid, .fd = ours, .go_fd = go_write, .pty = o->pty };
    ours = go_write = -1;
    return ERR_OK;
}

void rec_child_go(struct rec_child *c, const char *rid)
{
    (void) !write(c->go_fd, rid[0] != '\0' ? rid : "-", rid[0] != '\0' ? strlen(rid) : 1);
    os_closep(&c->go_fd);
}

void rec_child_forget(struct rec_child *c)
{
    os_closep(&c->go_fd);
    os_closep(&c->fd);
}

bool rec_child_echoes(const struct rec_child *c)
{
    struct termios t;

    return c->pty && tcgetattr(c->fd, &t) == 0 && (t.c_lflag & ECHO) != 0;
}

void rec_child_size(const struct rec_child *c, int cols, int rows)
{
    struct winsize w = { .ws_col = (unsigned short) cols, .ws_row = (unsigned short) rows };

    if (c->pty && c->fd >= 0)
        (void) ioctl(c->fd, TIOCSWINSZ, &w);
}
