#include "loop/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/internal.h"

_Static_assert((int) LOOP_READ == (int) UV_READABLE && (int) LOOP_WRITE == (int) UV_WRITABLE &&
                   (int) LOOP_HUP == (int) UV_DISCONNECT,
               "our bits are libuv's");

struct loop_fd {
    uv_poll_t uv;
    int events;
    void (*fn)(void *arg, int events);
    void *arg;
};

static void free_handle(uv_handle_t *h)
{
    free(h->data);
}

enum err loop_fd_new(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg, struct loop_fd **ret,
                     struct err_info *reterr)
{
    struct loop_fd *w = calloc(1, sizeof(*w));
    int r;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "descriptor watcher");
    r = uv_poll_init(&l->uv, &w->uv, fd);
    if (r != 0) {
        free(w);
        return ERR_RAISE_SYS(reterr, ERR_IO, -r, "watching descriptor %d: %s", fd, uv_strerror(r));
    }
    w->uv.data = w;
    w->fn = fn;
    w->arg = arg;
    *ret = w;
    return ERR_OK;
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct loop_fd *w = p->data;

    if (status < 0) {
        w->events = 0; /* libuv has stopped it */
        events = LOOP_READ | LOOP_WRITE | LOOP_ERR;
    }
    w->fn(w->arg, events);
}

void loop_fd_set(struct loop_fd *w, int events)
{
    if (events == w->events)
        return;
    w->events = events;
    if (events == 0)
        (void) uv_poll_stop(&w->uv);
    else
        (void) uv_poll_start(&w->uv, events, on_poll);
}

struct loop_fd *loop_fd_free(struct loop_fd *w)
{
    if (w != NULL)
        uv_close((uv_handle_t *) &w->uv, free_handle);
    return NULL;
}

struct loop_signal {
    uv_signal_t uv;
    void (*fn)(void *arg, int signum);
    void *arg;
};

static void on_signal(uv_signal_t *s, int signum)
{
    struct loop_signal *w = s->data;

    w->fn(w->arg, signum);
}

enum err loop_signal_new(struct loop *l, int signum, void (*fn)(void *arg, int signum), void *arg,
                         struct loop_signal **ret, struct err_info *reterr)
{
    struct loop_signal *w = calloc(1, sizeof(*w));
    int r;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "signal watcher");
    w->fn = fn;
    w->arg = arg;
    w->uv.data = w;
    r = uv_signal_init(&l->uv, &w->uv);
    if (r != 0) {
        free(w);
        return ERR_RAISE_SYS(reterr, ERR_IO, -r, "signal watcher: %s", uv_strerror(r));
    }
    r = uv_signal_start(&w->uv, on_signal, signum);
    if (r != 0) {
        (void) loop_signal_free(w);
        return ERR_RAISE_SYS(reterr, ERR_IO, -r, "watching signal %d: %s", signum, uv_strerror(r));
    }
    *ret = w;
    return ERR_OK;
}

struct loop_signal *loop_signal_free(struct loop_signal *w)
{
    if (w != NULL)
        uv_close((uv_handle_t *) &w->uv, free_handle);
    return NULL;
}

struct loop_child {
    struct loop_fd *watch;
    int pidfd;
    pid_t pid;
    void (*fn)(void *arg, pid_t pid, int status);
    void *arg;
};

static void on_child(void *arg, int events)
{
    struct loop_child *w = arg;
    int status = 0;

    (void) events;
    if (waitpid(w->pid, &status, WNOHANG) == 0)
        return;
    loop_fd_set(w->watch, 0);
    w->fn(w->arg, w->pid, status);
}

enum err loop_child_new(struct loop *l, pid_t pid, void (*fn)(void *arg, pid_t pid, int status), void *arg,
                        struct loop_child **ret, struct err_info *reterr)
{
    struct loop_child *w = calloc(1, sizeof(*w));
    enum err e;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "child watcher");
    *w = (struct loop_child){ .pid = pid, .fn = fn, .arg = arg };
    w->pidfd = (int) syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
    if (w->pidfd < 0) {
        int sys = errno;

        free(w);
        return ERR_RAISE_SYS(reterr, ERR_IO, sys, "watching process %d", (int) pid);
    }
    e = loop_fd_new(l, w->pidfd, on_child, w, &w->watch, reterr);
    if (e != ERR_OK) {
        (void) close(w->pidfd);
        free(w);
        return e;
    }
    loop_fd_set(w->watch, LOOP_READ);
    *ret = w;
    return ERR_OK;
}

struct loop_child *loop_child_free(struct loop_child *w)
{
    if (w == NULL)
        return NULL;
    (void) loop_fd_free(w->watch);
    (void) close(w->pidfd);
    free(w);
    return NULL;
}
