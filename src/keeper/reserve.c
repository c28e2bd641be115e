#include "keeper/reserve.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "os/file.h"

#define NAME "reserve"

static enum err open_meta(const struct core *core, int *ret_fd, struct err_info *reterr)
{
    char path[600];

    (void) snprintf(path, sizeof(path), "%s/meta", core->cfg.dir);
    return os_dir_open(path, false, ret_fd, reterr);
}

static bool is_whole(int dir)
{
    CLEANUP(os_closep) int fd = -1;
    uint64_t n;

    return os_file_open(dir, NAME, O_RDONLY, &fd, NULL) == ERR_OK && os_file_size(fd, &n, NULL) == ERR_OK &&
           n == RESERVE_BYTES;
}

void reserve_keep(struct core *core, uint64_t room)
{
    CLEANUP(os_closep) int dir = -1;
    struct err_info err = { 0 };
    enum err e;

    if (atomic_load(&core->reserve) == RESERVE_THERE || room < 2 * (uint64_t) RESERVE_BYTES)
        return;
    e = open_meta(core, &dir, &err);
    if (e == ERR_OK && !is_whole(dir))
        e = os_file_allocate(dir, NAME, RESERVE_BYTES, &err);
    if (e != ERR_OK) { /* tried again each second; the state stays what it is */
        if (atomic_load(&core->reserve) == RESERVE_UNKNOWN)
            log_err(LOG_WARN, "audit.reserve", &err);
        return;
    }
    if (atomic_exchange(&core->reserve, RESERVE_THERE) == RESERVE_GONE)
        log_event(LOG_INFO, "audit.reserve", LOG_STR("text", "there again"));
}

bool reserve_give(struct core *core)
{
    CLEANUP(os_closep) int dir = -1;
    struct err_info err = { 0 };

    if (atomic_load(&core->reserve) != RESERVE_THERE)
        return false;
    if (open_meta(core, &dir, &err) != ERR_OK || os_file_remove(dir, NAME, &err) != ERR_OK) {
        log_err(LOG_ERROR, "audit.reserve", &err);
        return false;
    }
    atomic_store(&core->reserve, RESERVE_GONE);
    log_event(LOG_ERROR, "alarm.audit-reserve", LOG_STR("text", "the disk is full: only closings are recorded"));
    return true;
}

bool reserve_is_gone(const struct core *core)
{
    return atomic_load(&core->reserve) == RESERVE_GONE;
}

bool reserve_lets_route(enum route_id id)
{
    static const enum route_id closing[] = {
        ROUTE_login,        ROUTE_logout,          ROUTE_reauth,           ROUTE_request_deny, ROUTE_request_cancel,
        ROUTE_grant_revoke, ROUTE_grant_relinquish, ROUTE_grant_suspend,   ROUTE_key_revoke,   ROUTE_viewing_stop,
        ROUTE_token_revoke, ROUTE_freeze_set,      ROUTE_change_stop,      ROUTE_policy_stop,
    };

    for (size_t i = 0; i < sizeof(closing) / sizeof(closing[0]); i++) {
        if (closing[i] == id)
            return true;
    }
    return false;
}

bool reserve_is_for(const struct cmd *cmd)
{
    const struct ipc_control *in = cmd->msg;

    if (cmd->kind != CMD_MESSAGE)
        return true; /* our own: ends of windows, signatures, the stop */
    switch ((int) cmd->type) {
    case IPC_T_CONTROL: return reserve_lets_route((enum route_id) in->route);
    case IPC_T_SETTLE:
    case IPC_T_REFUSED:
    case IPC_T_STREAM_CLOSE:
    case IPC_T_END: return true;
    default: return false;
    }
}
