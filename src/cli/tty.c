#include "cli/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, no wrapping by accident, cursor as we say. The way back also resets colours and character sets. */
static const char enter[] = "\033[?1049h\033[0m\033[2J\033[H\033[?25l";
static const char leave[] = "\033[0m\033(B\017\033[?7h\033[?25h\033[?1049l";

static struct termios before;
static volatile sig_atomic_t is_open;
static int signal_fd = -1;

static const int quiet_signals[] = { SIGWINCH, SIGCONT, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP };
static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

/* Async-signal-safe: write and tcsetattr are. */
static void restore(void)
{
    if (is_open == 0)
        return;
    is_open = 0;
    (void) !write(STDOUT_FILENO, leave, sizeof(leave) - 1);
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

static void on_crash(int sig)
{
    restore();
    (void) signal(sig, SIG_DFL);
    (void) raise(sig);
}

static void set_raw(void)
{
    struct termios raw = before;

    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* what others print, for a moment, still makes lines */
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    is_open = 1;
    (void) !write(STDOUT_FILENO, enter, sizeof(enter) - 1);
}

static bool open_signals(void)
{
    sigset_t set;

    (void) sigemptyset(&set);
    for (size_t i = 0; i < sizeof(quiet_signals) / sizeof(quiet_signals[0]); i++)
        (void) sigaddset(&set, quiet_signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
        (void) signal(crash_signals[i], on_crash);
    return signal_fd >= 0;
}

bool tty_open(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0 || !open_signals())
        return false;
    set_raw();
    return true;
}

void tty_close(void)
{
    restore();
    if (signal_fd >= 0)
        (void) close(signal_fd);
    signal_fd = -1;
}

int tty_signal_fd(void)
{
    return signal_fd;
}

void tty_suspend(void)
{
    sigset_t set;

    restore();
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTSTP);
    (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void) raise(SIGTSTP); /* the shell has us now; below is after fg */
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
    set_raw();
}

int tty_signal(void)
{
    struct signalfd_siginfo info;
    ssize_t n;

    do
        n = read(signal_fd, &info, sizeof(info));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t) sizeof(info))
        return 0;
    if (info.ssi_signo == SIGTSTP) {
        tty_suspend();
        return SIGCONT;
    }
    return (int) info.ssi_signo;
}

void tty_size(int *ret_cols, int *ret_rows)
{
    struct winsize w;

    *ret_cols = 80;
    *ret_rows = 24;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
        *ret_cols = w.ws_col;
        *ret_rows = w.ws_row;
    }
}

void tty_write(struct span s)
{
    while (s.n > 0) {
        ssize_t n = write(STDOUT_FILENO, s.p, s.n);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

            (void) poll(&p, 1, 1000);
        } else if (n < 0 && errno != EINTR) {
            return; /* the terminal has gone: SIGHUP says so */
        } else if (n > 0) {
            s = span_sub(s, (size_t) n, s.n);
        }
    }
}
