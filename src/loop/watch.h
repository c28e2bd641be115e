#pragma once
/*
 * Watchers: readiness of a descriptor, signals, the end of a child. Loop thread only.
 * Each may be freed at any time, also in its own callback; no callback comes after the free.
 */
#include <sys/types.h>

#include "loop/loop.h"

enum {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_HUP = 4, /* the peer closed its writing side */
    LOOP_ERR = 8, /* reported only, with READ and WRITE: the next read or write tells what it is */
};

struct loop_fd;

/*
 * Level-triggered. The descriptor stays the caller's, becomes non-blocking, and must stay open until loop_fd_free.
 * Starts with no events. After LOOP_ERR the watcher has no events until loop_fd_set.
 */
NODISCARD enum err loop_fd_new(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg,
                               struct loop_fd **ret, struct err_info *reterr);
void loop_fd_set(struct loop_fd *w, int events); /* 0: none */
struct loop_fd *loop_fd_free(struct loop_fd *w);

struct loop_signal;

/* Calls fn(arg, signum) in the loop for each (coalesced) signal. */
NODISCARD enum err loop_signal_new(struct loop *l, int signum, void (*fn)(void *arg, int signum), void *arg,
                                   struct loop_signal **ret, struct err_info *reterr);
struct loop_signal *loop_signal_free(struct loop_signal *w);

struct loop_child;

/*
 * Calls fn(arg, pid, status) once when the child 'pid' has ended; 'status' is waitpid's. It is reaped then. Uses a pidfd,
 * so no SIGCHLD handling is needed, and a child that ended before the call is reported too. The watcher stays to be freed.
 */
NODISCARD enum err loop_child_new(struct loop *l, pid_t pid, void (*fn)(void *arg, pid_t pid, int status), void *arg,
                                  struct loop_child **ret, struct err_info *reterr);
struct loop_child *loop_child_free(struct loop_child *w);
