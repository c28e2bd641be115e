#pragma once
/*
 * The route table: every way into the server, with the authority it needs (default: none of it is open). Pure.
 *
 * Who answers: GATE itself, the KEEPER through a CONTROL message, or REPLAY (the gate under a provisioning key).
 * Credential: NONE (anyone), PERSON (sign-in cookie or bearer token), UPLOAD (ingest token, or a person), INGEST (ingest
 * token; the gate knows them by the keeper's push),
 * KEY (provisioning key), GATEWAY (gateway token in Keyhole-Gateway), HOOK (a signature over the raw body, which the keeper
 * checks). What a person may do is checked by the keeper, not here.
 * Trace: what the call leaves in the audit log besides the records of what it does. NOTHING is only for the routes that
 * STANDARDS 3.2 names; a test compares.
 *
 * A parameter named {path} stands last and takes all that is left, slashes included.
 *
 * docs/api/openapi.yaml has one operationId for each id here (camelCase there is not used: the words are equal).
 */
#include "base/span.h"

enum route_answerer { BY_GATE, BY_KEEPER, BY_REPLAY };
enum route_auth { AUTH_NONE, AUTH_PERSON, AUTH_UPLOAD, AUTH_INGEST, AUTH_KEY, AUTH_HOOK, AUTH_GATEWAY };
enum route_trace { TRACE_NOTHING, TRACE_READ /* api.read, counted */, TRACE_OWN /* its own record types */ };

/* id, method, path, answerer, auth, trace */
#define ROUTES(R)                                                                                                      \
    R(livez, GET, "/livez", BY_GATE, AUTH_NONE, TRACE_NOTHING)                                                         \
    R(readyz, GET, "/readyz", BY_GATE, AUTH_NONE, TRACE_NOTHING)                                                       \
    R(openapi, GET, "/v1/openapi.yaml", BY_GATE, AUTH_NONE, TRACE_NOTHING)                                             \
    R(problem, GET, "/problems/{slug}", BY_GATE, AUTH_NONE, TRACE_NOTHING)                                             \
    R(jwks, GET, "/.well-known/jwks.json", BY_GATE, AUTH_NONE, TRACE_NOTHING)                                          \
    R(login, POST, "/v1/login", BY_KEEPER, AUTH_NONE, TRACE_OWN)                                                       \
    R(logout, POST, "/v1/logout", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                                   \
    R(reauth, POST, "/v1/reauth", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                                   \
    R(client_key_register, POST, "/v1/client-key", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                  \
    R(demo, GET, "/v1/demo", BY_KEEPER, AUTH_NONE, TRACE_READ)                                                         \
    R(me, GET, "/v1/me", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                                           \
    R(users_list, GET, "/v1/users", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                                \
    R(user_create, POST, "/v1/users", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                               \
    R(user_patch, PATCH, "/v1/users/{user}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                        \
    R(groups_list, GET, "/v1/groups", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                              \
    R(group_create, POST, "/v1/groups", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                             \
    R(group_patch, PATCH, "/v1/groups/{group}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                     \
    R(projects_list, GET, "/v1/projects", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                          \
    R(project_create, POST, "/v1/projects", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                         \
    R(project_patch, PATCH, "/v1/projects/{project}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                               \
    R(mask_get, GET, "/v1/projects/{project}/masks", BY_KEEPER, AUTH_PERSON, TRACE_READ)                               \
    R(mask_put, PUT, "/v1/projects/{project}/masks", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                \
    R(masks_test, POST, "/v1/masks/test", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                          \
    R(tokens_list, GET, "/v1/tokens", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                              \
    R(token_create, POST, "/v1/tokens", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                             \
    R(token_revoke, DELETE, "/v1/tokens/{token}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                   \
    R(changes_list, GET, "/v1/changes", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                            \
    R(change_approve, POST, "/v1/changes/{change}/approve", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                         \
    R(change_stop, POST, "/v1/changes/{change}/stop", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                               \
    R(import, POST, "/v1/import", BY_GATE, AUTH_UPLOAD, TRACE_OWN)                                                     \
    R(recordings_list, GET, "/v1/recordings", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                      \
    R(recording_create, POST, "/v1/recordings", BY_GATE, AUTH_INGEST, TRACE_OWN)                                       \
    R(recording_events, POST, "/v1/recordings/{rid}/events", BY_GATE, AUTH_INGEST, TRACE_OWN)                          \
    R(recording_end, POST, "/v1/recordings/{rid}/end", BY_GATE, AUTH_INGEST, TRACE_OWN)                                \
    R(posthog_snapshots, POST, "/s/", BY_GATE, AUTH_INGEST, TRACE_OWN)                                                 \
    R(posthog_events, POST, "/e/", BY_GATE, AUTH_INGEST, TRACE_OWN)                                                    \
    R(posthog_events_v0, POST, "/i/v0/e/", BY_GATE, AUTH_INGEST, TRACE_OWN)                                            \
    R(posthog_flags, POST, "/flags/", BY_GATE, AUTH_INGEST, TRACE_OWN)                                                 \
    R(posthog_decide, POST, "/decide/", BY_GATE, AUTH_INGEST, TRACE_OWN)                                               \
    R(posthog_config, GET, "/array/{token}/config", BY_GATE, AUTH_INGEST, TRACE_OWN)                                   \
    R(sentry_envelope, POST, "/api/{n}/envelope/", BY_GATE, AUTH_INGEST, TRACE_OWN)                                    \
    R(rrweb_events, POST, "/recordings/{session}/events", BY_GATE, AUTH_INGEST, TRACE_OWN)                             \
    R(asciinema_upload, POST, "/api/asciicasts", BY_GATE, AUTH_UPLOAD, TRACE_OWN)                                      \
    R(asciinema_recordings, POST, "/api/v1/recordings", BY_GATE, AUTH_UPLOAD, TRACE_OWN)                               \
    R(recording_get, GET, "/v1/recordings/{rid}", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                  \
    R(recording_links_put, PUT, "/v1/recordings/{rid}/links", BY_KEEPER, AUTH_UPLOAD, TRACE_OWN)                       \
    R(recording_links_add, POST, "/v1/recordings/{rid}/links", BY_KEEPER, AUTH_UPLOAD, TRACE_OWN)                      \
    R(requests_check, POST, "/v1/requests/check", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                  \
    R(request_create, POST, "/v1/requests", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                         \
    R(requests_list, GET, "/v1/requests", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                          \
    R(request_get, GET, "/v1/requests/{q}", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                        \
    R(request_approve, POST, "/v1/requests/{q}/approve", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                            \
    R(request_deny, POST, "/v1/requests/{q}/deny", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                  \
    R(request_cancel, POST, "/v1/requests/{q}/cancel", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                              \
    R(grants_list, GET, "/v1/grants", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                              \
    R(grant_get, GET, "/v1/grants/{g}", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                            \
    R(grant_revoke, POST, "/v1/grants/{g}/revoke", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                  \
    R(grant_relinquish, POST, "/v1/grants/{g}/relinquish", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                          \
    R(grant_suspend, POST, "/v1/grants/{g}/suspend", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                \
    R(grant_resume, POST, "/v1/grants/{g}/resume", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                  \
    R(grant_more_time, POST, "/v1/grants/{g}/more-time", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                            \
    R(grant_join, POST, "/v1/grants/{g}/join", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                      \
    R(grant_widen, POST, "/v1/grants/{g}/widen", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                    \
    R(grant_review, POST, "/v1/grants/{g}/review", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                  \
    R(keys_issue, POST, "/v1/grants/{g}/keys", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                      \
    R(keys_list, GET, "/v1/keys", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                                  \
    R(key_revoke, POST, "/v1/keys/{jti}/revoke", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                    \
    R(keys_rotate, POST, "/v1/signing-keys/rotate", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                 \
    R(authz, GET, "/v1/authz", BY_GATE, AUTH_GATEWAY, TRACE_OWN)                                                       \
    R(introspect, POST, "/v1/introspect", BY_GATE, AUTH_GATEWAY, TRACE_OWN)                                            \
    R(viewings_list, GET, "/v1/viewings", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                          \
    R(viewing_stop, POST, "/v1/viewings/{v}/stop", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                  \
    R(replay_manifest, GET, "/v1/replay/{rid}/manifest", BY_REPLAY, AUTH_KEY, TRACE_OWN)                               \
    R(replay_chunk, GET, "/v1/replay/{rid}/chunks/{n}", BY_REPLAY, AUTH_KEY, TRACE_OWN)                                \
    R(replay_events, GET, "/v1/replay/{rid}/events", BY_REPLAY, AUTH_KEY, TRACE_OWN)                                   \
    R(replay_stream, GET, "/v1/replay/{rid}/stream", BY_REPLAY, AUTH_KEY, TRACE_OWN)                                   \
    R(replay_export, GET, "/v1/replay/{rid}/export", BY_REPLAY, AUTH_KEY, TRACE_OWN)                                   \
    R(freeze_get, GET, "/v1/freeze", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                               \
    R(freeze_set, POST, "/v1/freeze", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                               \
    R(freeze_lift, POST, "/v1/freeze/lift", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                         \
    R(policies_list, GET, "/v1/policies", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                          \
    R(policy_current, GET, "/v1/policies/current", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                 \
    R(policy_get, GET, "/v1/policies/{hash}", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                      \
    R(policy_propose, POST, "/v1/policies", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                         \
    R(policy_approve, POST, "/v1/policies/{hash}/approve", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                          \
    R(policy_stop, POST, "/v1/policies/{hash}/stop", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                \
    R(policy_test, POST, "/v1/policies/test", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                      \
    R(policy_dry_run, POST, "/v1/policies/dry-run", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                \
    R(hook, POST, "/v1/hooks/{name}", BY_KEEPER, AUTH_HOOK, TRACE_OWN)                                                 \
    R(status, GET, "/v1/status", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                                   \
    R(events, GET, "/v1/events", BY_GATE, AUTH_PERSON, TRACE_READ)                                                     \
    R(audit_events, GET, "/v1/audit/events", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                        \
    R(audit_logs, GET, "/v1/audit", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                                \
    R(audit_system_checkpoint, GET, "/v1/audit/checkpoint", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                         \
    R(audit_system_tile, GET, "/v1/audit/tile/{path}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                              \
    R(audit_checkpoint, GET, "/v1/audit/{log}/checkpoint", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                          \
    R(audit_tile, GET, "/v1/audit/{log}/tile/{path}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                               \
    R(audit_proof, GET, "/v1/audit/{log}/proof", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                    \
    R(audit_unseal, POST, "/v1/audit/{log}/unseal", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                 \
    R(audit_vkey, GET, "/v1/audit/{log}/vkey", BY_KEEPER, AUTH_PERSON, TRACE_READ)                                     \
    R(report, GET, "/v1/reports/{kind}", BY_KEEPER, AUTH_PERSON, TRACE_OWN)                                            \
    R(clock_trust, POST, "/v1/clock/trust", BY_KEEPER, AUTH_PERSON, TRACE_OWN)

enum route_id {
#define R(id, method, path, by, auth, trace) ROUTE_##id,
    ROUTES(R)
#undef R
    ROUTE_N_
};

struct route {
    enum route_id id;
    const char *name; /* the id's word: the operationId of the contract, and what logs say */
    const char *method;
    const char *path;
    enum route_answerer by;
    enum route_auth auth;
    enum route_trace trace;
};

enum route_verdict { ROUTE_FOUND, ROUTE_NO_PATH /* 404 */, ROUTE_NO_METHOD /* 405 */ };

#define ROUTE_PARAMS_MAX 2
#define ROUTE_TAIL "{path}"

struct route_match {
    const struct route *route;
    struct span params[ROUTE_PARAMS_MAX]; /* borrowed from path, still percent-encoded; never empty */
    char allow[64];                       /* for 405: "GET, POST" */
};

/* HEAD matches GET. A path with a trailing slash, an empty segment or more than 200 bytes matches nothing. */
enum route_verdict route_find(struct span method, struct span path, struct route_match *ret);

const struct route *route_by_id(enum route_id id); /* NULL when out of range */
