#pragma once
/*
 * A keeper without processes: its core on a fresh installation made by keeper_setup_run, with a clock, randomness, disk
 * space and a vault that the test holds in its hands. Bodies are JSON text, read by the same reader as the gate's.
 */
#include "base/tree.h"
#include "crypto/es256.h"
#include "keeper/core.h"
#include "keeper/setup.h"
#include "format/key.h"
#include "format/route.h"
#include "test.h"

#define HOUSE_PASSWORD "correct horse battery"
#define HOUSE_VANISH_MS (15 * 60 * 1000)

/* A client's P-256 key. */
struct house_client {
    struct secret *priv;
    struct es256_signer *signer;
    uint8_t pub[ES256_PUB_LEN];
    char jkt[KEY_JKT_LEN + 1];
};

struct house {
    char dir[128];
    char admin[KEEPER_TOKEN_CAP]; /* the API token of init */
    struct core *core;
    time_ms real;
    int64_t boot;
    uint8_t boot_id[CLOCK_BOOT_ID];
    bool synced;
    uint64_t room, total;
    bool vault_signs;
    int fatal;             /* env->fatal calls */
    uint64_t next_call;
    uint32_t chan;
    struct list seen;      /* every out since house_forget, in order */
    struct arena mem;      /* of replies; lives as long as the house */
    uint8_t prefix[4];
    uint8_t addr[4]; /* the client's whole address */
    const struct core_hook *hooks; /* set before house_restart */
    size_t n_hooks;
    const struct house_client *prove; /* calls carry a proof by it, as the gate says it when it has checked one */
    const char *act;                  /* … and this text of Keyhole-Act */
    time_ms new_key_wait_ms;          /* auth.new_key_wait, token_votes: of the next open or restart */
    bool token_votes;
};

struct reply {
    uint16_t status;
    char code[48];
    struct tree body; /* null when there is none */
    struct span text; /* the body as it came */
    char etag[24];
    char token[64];   /* set_token */
    uint32_t retry_after_s;
};

/* preset: "team", "solo"; or a policy text (begins with a space or a letter and has a '{'). */
void house_open(struct house *h, const char *policy_text, bool demo);
void house_close(struct house *h);
/* Ends the core and opens it again on the same database. */
void house_restart(struct house *h);
const char *house_preset(const char *name); /* text of packaging/policies/<name>.conf; static */

/* One call through the writer or a reader. ids may be NULL; body NULL: none; query as a JSON object of strings, or NULL. */
struct reply house_call(struct house *h, const char *token, enum route_id route, const char *id1, const char *query,
                        const char *body);
struct reply house_call_with(struct house *h, const char *token, enum route_id route, const char *id1, const char *body,
                             const char *idem_key, const char *if_match);

/* A group: prepare each call, run all in one transaction, then read each answer by its number. */
struct cmd *house_prepare(struct house *h, const char *token, enum route_id route, const char *id1, const char *body,
                          uint64_t *ret_call);
struct cmd *house_message(struct house *h, enum ipc_type type, const void *msg, uint64_t *ret_call);
void house_group(struct house *h, struct cmd **cmds, size_t n);
struct reply house_answer(struct house *h, uint64_t call);
void house_answer_as(struct house *h, uint64_t call, enum ipc_type answer, void *ret);

/* Any message; the answer's struct is decoded into ret (of type 'answer'), when one is expected. */
void house_send(struct house *h, enum ipc_type type, const void *msg, enum ipc_type answer, void *ret);
void house_tick(struct house *h, enum cmd_kind kind);
void house_sleep(struct house *h, int64_t ms); /* both clocks */

/* A notice: headers as "name: value\n…", the body as it is signed and as JSON. */
struct reply house_hook(struct house *h, const char *name, const char *headers, const char *body);

/* A sign-in of a demo account; token text in static storage of h->mem. */
const char *house_login(struct house *h, const char *user);

/* Keys, proofs, acts. */
void house_client_make(struct house_client *c);
void house_client_end(struct house_client *c);
const char *house_login_with(struct house *h, const char *user, const struct house_client *client);
/* The header that this call needs: signed now, over this body. */
const char *house_act_header(struct house *h, const struct house_client *client, enum route_id route, const char *id1,
                             const char *body);
/* A call with its act. */
struct reply house_act(struct house *h, const struct house_client *client, const char *token, enum route_id route,
                       const char *id1, const char *body);

/* The same from a browser: the answer sets a cookie (reply.token). */
struct reply house_login_browser(struct house *h, const char *body);

/* INGEST_OPEN as it is, by that token. */
void house_begin(struct house *h, const char *token, struct ipc_ingest_open *open, struct ipc_ingest_opened *ret);
/* A page that is being recorded; its secret as a query ({"secret": …}). */
const char *house_live(struct house *h, const char *token, const char *title, char query[100]);
/* A recording in the project, complete. Returns its id. */
const char *house_recording(struct house *h, const char *token, const char *title, const char *subject);

/* Member of a reply as text / number; "" and -1 when it is not there. Dots go down: "window.end", numbers index arrays. */
const char *reply_str(struct house *h, const struct reply *r, const char *path);
int64_t reply_int(const struct reply *r, const char *path);
bool reply_has(const struct reply *r, const char *path);
bool reply_is_true(const struct reply *r, const char *path);

#define assert_reply(h, r, want_status, want_code) house_expect((h), &(r), (want_status), (want_code), __FILE__, __LINE__)
void house_expect(struct house *h, const struct reply *r, int status, const char *code, const char *file, int line);

/* How many leaves of this type (and outcome, when not NULL) all logs hold. */
int house_leaves(struct house *h, const char *type, const char *outcome);

/* … and this piece of text, as it stands in the leaf. */
int house_leaves_with(struct house *h, const char *type, const char *text);

/* Pushes since house_forget: how many of this type went out. */
int house_pushed(struct house *h, enum ipc_type type);
void house_forget(struct house *h);
