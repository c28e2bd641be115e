#include "server/role_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "os/clock.h"
#include "os/file.h"

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS   5000
#define YOUNG_MS       1000

static const char *const role_names[] = { "supervisor", "gate", "keeper", "vault" };

static void start_again(void *arg);

void role_proc_init(struct role_proc *r, enum role_id id, struct loop *l, const struct role_ops *ops, void *ctx)
{
    *r = (struct role_proc){ .id = id, .name = role_names[id], .loop = l, .ops = ops, .ctx = ctx };
    loop_timer_init(&r->again, l, start_again, r);
}

static void on_control_message(void *ctx, struct link_msg *m)
{
    struct role_proc *r = ctx;
    const struct ipc_ready *ready = m->body;

    if (m->type != IPC_T_READY)
        return;
    if (!ready->ok) {
        (void) span_to_str(span_sub(ready->text, 0, sizeof(r->why) - 1), r->why, sizeof(r->why));
        log_event(LOG_ERROR, "role.failed", LOG_STR("name", r->name), LOG_STR("text", r->why));
        role_proc_kill(r); /* it is of no use; its end says what follows */
        return;
    }
    r->ready = r->ever_ready = true;
    log_event(LOG_INFO, "role.ready", LOG_STR("name", r->name), LOG_INT("pid", r->pid));
    r->ops->on_ready(r->ctx, r);
}

static void on_control_closed(void *ctx, const struct err_info *why)
{
    (void) ctx; /* the end of the process follows, and says more */
    (void) why;
}

static const struct link_ops control_ops = { .on_message = on_control_message, .on_closed = on_control_closed };

static void on_child_end(void *arg, pid_t pid, int status)
{
    struct role_proc *r = arg;
    bool young = clock_boot_ms() - r->started_at < YOUNG_MS;

    r->control = link_free(r->control);
    r->child = loop_child_free(r->child);
    r->pid = 0;
    r->ready = false;
    log_event(r->stopping ? LOG_INFO : LOG_WARN, "role.ended", LOG_STR("name", r->name), LOG_INT("pid", pid),
              LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
              LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
    if (!r->stopping && (r->ever_ready || !young)) {
        r->delay = !young ? 0 : r->delay == 0 ? DELAY_FIRST_MS : r->delay * 2;
        if (r->delay > DELAY_MAX_MS)
            r->delay = DELAY_MAX_MS;
        loop_timer_arm(&r->again, r->delay);
    }
    r->ops->on_gone(r->ctx, r);
}

/* Between fork and exec: only calls that are safe there. */
static void child_exec(const char *name, int control, pid_t parent)
{
    char *const argv[] = { (char *) (uintptr_t) "keyhole", (char *) (uintptr_t) "role", (char *) (uintptr_t) name, NULL };
    sigset_t none;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* the supervisor died in between */
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) signal(SIGPIPE, SIG_DFL);
    /* Ctrl-C, timeout(1) and service managers signal the whole group: the supervisor ends the roles, in order. */
    (void) signal(SIGINT, SIG_IGN);
    (void) signal(SIGTERM, SIG_IGN);
    (void) signal(SIGHUP, SIG_IGN);
    if (control == 3) {
        (void) fcntl(3, F_SETFD, 0);
    } else if (dup2(control, 3) < 0) {
        _exit(127);
    }
    (void) close_range(4, ~0U, 0);
    (void) execv("/proc/self/exe", argv);
    _exit(127);
}

enum err role_proc_start(struct role_proc *r, struct err_info *reterr)
{
    CLEANUP(os_closep) int theirs = -1;
    int pair[2];
    pid_t parent = getpid(), pid;
    enum err e;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "make a control channel");
    theirs = pair[1];
    e = link_new(r->loop, pair[0], false, &control_ops, r, &r->control, reterr);
    if (e != ERR_OK) {
        (void) close(pair[0]);
        return e;
    }
    pid = fork();
    if (pid == 0)
        child_exec(r->name, theirs, parent);
    if (pid < 0) {
        r->control = link_free(r->control);
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "start the %s", r->name);
    }
    r->pid = pid;
    r->started_at = clock_boot_ms();
    r->why[0] = '\0';
    e = loop_child_new(r->loop, pid, on_child_end, r, &r->child, reterr);
    if (e != ERR_OK) {
        (void) kill(pid, SIGKILL);
        return e;
    }
    log_event(LOG_INFO, "role.started", LOG_STR("name", r->name), LOG_INT("pid", pid));
    r->ops->on_started(r->ctx, r);
    return ERR_OK;
}

static void start_again(void *arg)
{
    struct role_proc *r = arg;
    struct err_info e;

    if (r->stopping || r->pid != 0)
        return;
    if (role_proc_start(r, &e) != ERR_OK) {
        log_err(LOG_ERROR, "role.start-failed", &e);
        loop_timer_arm(&r->again, DELAY_MAX_MS);
    }
}

void role_proc_stop(struct role_proc *r, uint32_t grace_ms)
{
    const struct ipc_shutdown m = { grace_ms };

    r->stopping = true;
    loop_timer_cancel(&r->again);
    if (r->pid != 0 && link_send_urgent(r->control, IPC_T_SHUTDOWN, &m) != ERR_OK)
        role_proc_kill(r);
}

void role_proc_kill(struct role_proc *r)
{
    if (r->pid != 0)
        (void) kill(r->pid, SIGKILL);
}

void role_proc_deinit(struct role_proc *r)
{
    loop_timer_cancel(&r->again);
    role_proc_kill(r);
    r->control = link_free(r->control);
    r->child = loop_child_free(r->child);
}
