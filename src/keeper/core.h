#pragma once
/*
 * The keeper without processes: commands in, messages out. Owns the database and everything the keeper remembers.
 *
 * Life:     core_open -> core_run / core_read … -> core_close.
 * Threads:  core_run by one thread (the writer); core_read by the reader threads, one seat each; core_is_read and
 *           core_health by any. Everything else belongs to the writer.
 * World:    clock, randomness, space and delivery are injected (struct core_env), so that the whole workflow runs in a test.
 * Failure:  core_run answers every command. A sync or commit that fails calls env->fatal, which must not return
 *           (STANDARDS 3.4: never retried); a full disk rolls back and becomes the state audit-space.
 */
#include "access/clock.h"
#include "keeper/cmd.h"

#define CORE_READERS 2

struct core;

/* hook "name" { … } of the configuration; secrets: one a line. */
struct core_hook {
    const char *name, *project, *format, *secrets;
};

/* Copied by core_open; texts included. */
struct core_config {
    const char *public_url;  /* no slash at the end */
    const char *player_url;
    const char *dir;         /* the state directory */
    bool demo;
    const char *demo_password;
    const char *const *envs; /* the first is the default */
    size_t n_envs;
    int64_t key_life_s, bearer_life_s, edge_skew_s;
    int64_t lapse_ms, idle_session_ms, session_ms, cli_session_ms, fresh_ms;
    int64_t new_key_wait_ms; /* a client key that is new to its account signs no act before */
    int64_t vanish_ms; /* a recording that nobody has for so long is ended; 0: never */
    bool require_sync, token_votes;
    uint8_t config_sha256[32];
    const struct core_hook *hooks; /* only read by core_open */
    size_t n_hooks;
};

struct core_env {
    void *ctx;
    /* 'trusted' and 'boot_id' of the reading: boot_id is the environment's, trusted the core's own. */
    void (*clocks)(void *ctx, struct clock_reading *ret, bool *ret_synced);
    void (*random)(void *ctx, void *p, size_t n);
    /* Takes all of the list, in order. Called by the writer and the readers, after COMMIT. */
    void (*deliver)(void *ctx, struct list *outs);
    /* Free and total bytes where the database lies. */
    bool (*space)(void *ctx, uint64_t *ret_free, uint64_t *ret_total);
    void (*fatal)(void *ctx, const struct err_info *why);
};

NODISCARD enum err core_open(const struct core_config *config, const struct core_env *env, struct core **ret,
                             struct err_info *reterr);
struct core *core_close(struct core *c);

/* One group (STANDARDS 2.3). Takes the commands. */
void core_run(struct core *c, struct cmd **cmds, size_t n);

/* True: a command that changes nothing; it may go to core_read. */
bool core_is_read(const struct cmd *c);
void core_read(struct core *c, unsigned seat, struct cmd *cmd);

/* What the heartbeat says. Any thread. */
struct core_health {
    bool audit_ok, clock_ok, vault_ok;
};
struct core_health core_health(struct core *c);

/* Moves database pages out of the WAL (PASSIVE); on a thread of its own. */
NODISCARD enum err core_checkpoint(struct core *c, struct err_info *reterr);

/*
 * Writes what new checkpoints cover to DIR/audit (keeper/tiles.h), if there are any; on a thread of its own. ERR_IO: a
 * sync failed, end the process. Other faults are logged, and tried again with the next checkpoint.
 */
NODISCARD enum err core_tiles(struct core *c, struct err_info *reterr);

/* The scrub, when it is time (keeper/scrub.h); on the same thread. Ends early once *stop is true. */
NODISCARD enum err core_scrub(struct core *c, const _Atomic bool *stop, struct err_info *reterr);
