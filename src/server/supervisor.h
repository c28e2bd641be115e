#pragma once
/*
 * The supervisor: opens what needs rights (lock, sockets, TLS files), starts the roles and keeps them running.
 *
 * A role is this binary run again as `keyhole role NAME` with the control channel on descriptor 3. It gets its
 * configuration, listeners, certificate and its ends of the socket pairs to the other roles, and answers READY. One that
 * dies is started again at once (then after 0.1 s, doubled up to 5 s while it keeps dying young), and every role it talks
 * to gets a new pair. Roles stay in this process group and die with the supervisor.
 *
 * SIGTERM, SIGINT: gate first (streams end with `shutdown`), then keeper (service.stopped), then vault; what has not
 * ended after 10 s is killed. SIGHUP: configuration and certificate are read again; a file with an error changes nothing.
 */
#include "base/err.h"

struct server_options {
    const char *config_path;
    /* Called once when everything serves; may be NULL. */
    void (*on_ready)(void *ctx);
    /* Called when it is told to stop, while everything still serves; may take a second. May be NULL. */
    void (*on_stop)(void *ctx);
    void *ctx;
};

/* Runs until it is told to stop. ERR_EXISTS: another server has the directory or the port. */
NODISCARD enum err supervisor_run(const struct server_options *options, struct err_info *reterr);
