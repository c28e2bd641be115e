#pragma once
/* The ways in which a call is answered. dispatch.c picks one; each answers the call, now or later, exactly once. */
#include "gate/assets.h"
#include "gate/call.h"

/* dispatch.c: the two handlers of the net. */
void dispatch_app(void *ctx, struct exchange *ex, const struct http_head *head);
void dispatch_player(void *ctx, struct exchange *ex, const struct http_head *head);
void dispatch_refused(void *ctx, struct exchange *ex, const struct http_head *head, const struct http_refusal *why);

/* static.c: files of the web app, of the player documents and of a demo's shop, with the headers of STANDARDS 5.3. */
#define SHOP_NAME "shop" /* its host: shop.localhost (keyhole demo) */
void static_answer(struct call *c, enum asset_site site);
/* Public documents: key set, contract, problem pages, health. */
void documents_answer(struct call *c);

/* control.c: reads the body, sends it to the keeper, writes what comes back. */
void control_answer(struct call *c);

/* watch.c: GET /v1/events. */
void watch_answer(struct call *c);
void watch_notify(struct lane *l, const struct ipc_notify *m);
void watches_close(struct lane *l, const char *reason);

/* authz.c: what gateways ask: GET /v1/authz, POST /v1/introspect. */
void authz_answer(struct call *c);

/* import.c: POST /v1/import. */
void import_answer(struct call *c);
/* Of asciinema's routes: the name of the file in its form. NULL: the body is the file. */
const char *import_field(enum route_id route);
void imports_close(struct lane *l);

/* live*.c: recordings that are being made (live.h). */
void live_create(struct call *c); /* POST /v1/recordings */
void live_events(struct call *c); /* POST /v1/recordings/{rid}/events and …/end */
/* Opens the log, reads what an earlier gate left. Before anything listens; lane 0 and the workers are there. */
NODISCARD enum err live_begin(struct gate *g, struct err_info *reterr);
void live_keeper_came(struct lane *l);
void live_keeper_gone(struct lane *l);
/* The recording is erased. True: it is live here, and its files go when it has let go of them. */
bool live_gone(struct lane *l, struct span pid, struct span rid);
/* Loops and workers have stopped; the loops are still there. */
void live_end(struct gate *g);

/* replay*.c: everything under a provisioning key. */
void replay_answer(struct call *c);
/* A grant or key changed (empty gid: all), or authority is gone: ends what may not go on. */
void replay_recheck(struct lane *l, struct span gid);
void replay_shutdown(struct lane *l);

/* credential.c: who calls. */
struct credential {
    enum cred_kind kind;
    uint8_t sha256[32];
    struct span token; /* bearer text, borrowed from the head */
};

enum credential_verdict {
    CREDENTIAL_OK,      /* also when there is none: kind CRED_NONE */
    CREDENTIAL_TWO,     /* more than one: 400 invalid-request */
    CREDENTIAL_BAD,     /* an Authorization that is no Bearer: 401 login-needed */
    CREDENTIAL_CSRF,    /* a cookie on a change that did not come from the app: 403 csrf */
};

enum credential_verdict credential_of(struct call *c, struct credential *ret);
/* The origin of the app as this call reached it, when it is one of ours: public_url, or an account's in a demo. */
bool credential_origin_ok(const struct call *c, struct span origin);
const char *credential_cookie_name(const struct gate_settings *s);
