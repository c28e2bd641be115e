#pragma once
/*
 * A command: one message that the keeper has to act on, from decoding to its answer; and what acting sends out.
 *
 * Life:    cmd_new (loop thread) -> writer or reader runs it -> its answer is an 'out' -> cmd_free. A command that needs a
 *          slow step (password hashing, a signature of the vault) travels out with CMD_STEP_… and comes back.
 * Threads: owned by one thread at a time; handed over by queues.
 * A command may be run twice: when a group of commits breaks, all are rolled back and each runs again alone. So the
 * the decoded message never change while it runs; 'mem' only grows.
 */
#include "base/arena.h"
#include "base/list.h"
#include "crypto/password.h"
#include "link/link.h"

#define CMD_MEM_MAX (8U << 20)

enum cmd_kind {
    CMD_MESSAGE,      /* from a gate or the vault: 'type' says which */
    CMD_START,        /* once, first */
    CMD_STOP,         /* once, last */
    CMD_CONFIG,       /* SIGHUP: struct ipc_keeper_config */
    CMD_SECOND,       /* timers: lapses, starts, ends, clocks, space */
    CMD_MINUTE,       /* counted records, idempotency rows, checkpoints into 'system' */
    CMD_INTEGRATE,    /* new roots to be signed */
    CMD_GATE_OPEN,    /* 'chan' is new: resync it */
    CMD_GATE_CLOSED,
    CMD_VAULT_OPEN,
    CMD_VAULT_CLOSED,
    CMD_SIGNED_ROOT,  /* the vault's answer to SIGN_CHECKPOINT */
};

/* Slow steps outside the transaction. */
enum cmd_step {
    CMD_STEP_NONE,
    CMD_STEP_PASSWORD, /* verify 'stored' against 'password', then hash 'new_password' if there is one */
    CMD_STEP_VAULT,    /* SIGN_KEY at the vault */
    CMD_STEP_ROTATE,   /* ROTATE at the vault */
};

/* Password work: the loop hands it to a worker. Texts lie in the command's message, which is wiped with it. */
struct cmd_password {
    bool verify;
    bool nobody;           /* an unknown user: the same time, always false */
    char stored[PASSWORD_STORED_MAX];
    struct span password;
    bool hash;
    struct span new_password;
    /* results */
    bool done;
    bool ok;               /* verified (true when nothing was to be verified) */
    bool failed;           /* no memory: say so, decide nothing */
    char hashed[PASSWORD_STORED_MAX];
};

/* What a command answers. Texts are static or in the command's arena. */
struct answer {
    uint16_t status;
    const char *code;     /* problem code, or NULL */
    const char *detail;
    struct buf body;      /* JSON, or the problem's extra members as an object */
    const char *content_type;
    const char *cache;    /* Cache-Control; NULL: no-store */
    char etag[24];
    char location[64];
    char set_token[64];   /* wiped with the command */
    bool clear_token;
    uint32_t retry_after_s;
};

struct cmd {
    struct list node;
    enum cmd_kind kind;
    uint32_t chan;          /* which channel asked; 0: nobody */
    uint64_t call;          /* what to answer; 0: nothing */
    enum ipc_type type;
    const void *msg;        /* struct ipc_<type>; NULL for kinds without one */
    struct link_msg *owner; /* what msg lies in, or NULL: it lies in mem */
    void *owner_ctx;        /* whoever carries it through a slow step */
    size_t cost;            /* bytes, for the cap of a group */
    uint32_t index;         /* CMD_GATE_OPEN: which loop of the gate */
    struct arena mem;
    struct cmd_password password;
    struct answer answer;
    bool travels;           /* goes out with an OUT_STEP instead of ending here */
};

/* A command of a received message, which becomes the command's. NULL: no memory, and the message stays. */
struct cmd *cmd_of_link(uint32_t chan, struct link_msg *m);

/* A command with a copy of 'msg' (struct ipc_<type>; NULL: none). NULL: no memory. */
struct cmd *cmd_new(enum cmd_kind kind, uint32_t chan, uint64_t call, enum ipc_type type, const void *msg);
struct cmd *cmd_free(struct cmd *c);

/* Empties the answer for the next run. */
void cmd_reset_answer(struct cmd *c);

enum out_to {
    OUT_ANSWER,     /* to the command's caller */
    OUT_GATE,       /* push to the gate's channel 0: GONE, INGEST_TOKENS */
    OUT_GATE_VAULT, /* … and to the vault: GRANTS and DENY. These and INGEST_TOKENS get their number when they leave */
    OUT_SYNC,       /* the same to channel 'chan' alone, which is then in step: pushes reach it from here on */
    OUT_CHAN,       /* to channel 'chan' (NOTIFY) */
    OUT_VAULT_CALL, /* LOG_BEGIN; the answer says nothing new */
    OUT_STEP,       /* the command's slow step */
    OUT_SIGN_ROOT,  /* SIGN_CHECKPOINT; its answer comes back as CMD_SIGNED_ROOT */
};

/* Something to send once the transaction is durable. */
struct out {
    struct list node;
    enum out_to to;
    enum cmd_step step;
    uint32_t chan;
    uint64_t call;
    enum ipc_type type;
    struct buf body;
    struct cmd *cmd; /* OUT_STEP: owned by the out */
};

/* Encodes *msg (the struct of 'type') and appends it to 'outs'. NULL: no memory. */
struct out *out_add(struct list *outs, enum out_to to, enum ipc_type type, const void *msg);
struct out *out_free(struct out *o);
void outs_free(struct list *outs);
