#pragma once
/*
 * One call of a handler: who asks, what, with which view of the database, and where the answer goes.
 *
 * A handler checks all its guards first and only then writes, state and audit records in the one open transaction. A
 * refusal is an answer (job_refuse), not an error; an error means that the group has to be rolled back.
 * Memory: c->mem, which lives as long as the command.
 */
#include "codec/jsonw.h"
#include "format/route.h"
#include "keeper/body.h"
#include "keeper/state.h"

/* The signed act of a call (keeper/acts.h); all empty when it is none. */
struct job_act {
    bool is_unsigned;       /* an act that was taken without a signature */
    struct span hash;       /* b64u SHA-256 of the JWS */
    struct span jws, once;
};

struct job {
    struct core *core;
    struct seat *seat;
    struct meta *m;          /* the writer's transaction; NULL on a reader */
    struct meta_view *v;
    struct cmd *cmd;
    struct arena *mem;
    struct list *outs;
    struct after *after;

    struct clock_reading now;
    const struct ipc_control *in; /* CONTROL only */
    const struct route *route;
    struct tree args, query;
    struct body body;

    const struct who *me;    /* NULL: nobody is signed in */
    struct meta_token token; /* how, when me is set */

    struct job_act act;
    const struct meta_change *change; /* a guarded change that is being done; NULL: none */
    struct span held;        /* id of the guarded change that this call became; empty: none */
    bool sole_admin;         /* a guarded change that works at once because there is nobody else (keeper/guard.h) */

    struct answer *answer;
    struct jsonw w;          /* writes answer->body */
    enum cmd_step step;      /* a slow step is needed first: nothing was written, the handler runs again afterwards */
    bool recorded;           /* a refusal that has its own record */
    struct ipc_sign_key *sign; /* CMD_STEP_VAULT: what the vault is asked for once this is durable */
    struct ipc_rotate rotate;  /* CMD_STEP_ROTATE */
    struct span log;         /* whose log a refusal belongs to; empty: system */
    struct span refused_id;  /* the object of a refusal, a valid id; or empty */
};

/* An answer with a problem code; extra members may be written before with job_extra. Always ERR_OK. */
NODISCARD enum err job_refuse(struct job *c, uint16_t status, const char *code, const char *detail);
NODISCARD enum err job_not_found(struct job *c);
NODISCARD enum err job_forbidden(struct job *c);
/* 422 invalid with what c->body.errors holds. */
NODISCARD enum err job_invalid(struct job *c);

/* Members of a problem: jsonw_obj has been written; job_refuse closes it. */
struct jsonw *job_extra(struct job *c);

/* A JSON answer: returns the writer at the start of its value. */
struct jsonw *job_json(struct job *c, uint16_t status);
void job_etag(struct job *c, int64_t version);
void job_location(struct job *c, const char *prefix, struct span id);

/* ERR_OK to go on; a stale If-Match has been answered with 412 when *ret_stale is true. */
bool job_if_match_ok(struct job *c, int64_t version);

/* The roles that count in a project (id) or "system". */
role_mask job_roles(const struct job *c, struct span project);
bool job_may(const struct job *c, struct span project, enum permission p);
bool job_is_admin(const struct job *c);

/* Not by an API token. False: 403 token-not-fresh has been answered. */
bool job_in_person(struct job *c);

/* A vote or a change of people needs this. False: 401 reauth-needed (or 403 token-not-fresh) has been answered. */
bool job_fresh(struct job *c, bool token_may);

/* "web", "cli" or "api". */
const char *job_client(const struct job *c);

/* fn(core, arg) once the transaction is durable. arg must live in c->mem. */
void job_after(struct job *c, void (*fn)(struct core *core, void *arg), void *arg);

/* Ids and randomness. */
void job_id(struct job *c, enum id_kind kind, char out[ID_CAP]);
struct span job_new_id(struct job *c, enum id_kind kind);
struct span job_span(struct job *c, const char *text); /* copied into c->mem */
struct span job_b64(struct job *c, struct span bytes);

/* Loaded when needed; NULL: *reterr says why. */
const struct people *job_people(struct job *c, struct err_info *reterr);
const struct rules *job_rules(struct job *c, struct err_info *reterr);

/* 503 has been answered when false: audit space, clock, vault. */
bool job_open_for_access(struct job *c, bool needs_clock);
