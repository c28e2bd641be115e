#pragma once
/*
 * The handlers of the control plane: one function a route, registered in one table (api/table.c) by the route's id.
 *
 * A READ changes nothing and may run on a reader; a WRITE runs in the writer's transaction; LIVE reads what only the
 * writer remembers, so it runs there. A refused WRITE leaves a record of type 'refused' with the code as its outcome.
 */
#include "format/leaf.h"
#include "keeper/job.h"

typedef enum err api_fn(struct job *c, struct err_info *reterr);

enum api_kind { API_READ, API_WRITE, API_LIVE };

struct api_route {
    api_fn *fn; /* NULL: not the keeper's */
    enum api_kind kind;
    enum leaf_type refused;
    bool idempotent; /* takes Idempotency-Key */
};

const struct api_route *api_find(enum route_id id);

api_fn api_login, api_logout, api_reauth, api_client_key_register, api_demo, api_me;
api_fn api_users_list, api_user_create, api_user_patch;
api_fn api_groups_list, api_group_create, api_group_patch;
api_fn api_changes_list, api_change_approve, api_change_stop;
api_fn api_projects_list, api_project_create, api_project_patch;
api_fn api_mask_get, api_mask_put, api_masks_test;
api_fn api_tokens_list, api_token_create, api_token_revoke;
api_fn api_recordings_list, api_recording_get, api_recording_links_put, api_recording_links_add;
api_fn api_requests_check, api_request_create, api_requests_list, api_request_get;
api_fn api_request_approve, api_request_deny, api_request_cancel;
api_fn api_grants_list, api_grant_get, api_grant_revoke, api_grant_relinquish, api_grant_suspend, api_grant_resume;
api_fn api_grant_review, api_grant_more_time, api_grant_join, api_grant_widen;
api_fn api_freeze_get, api_freeze_set, api_freeze_lift;
api_fn api_keys_issue, api_keys_list, api_key_revoke, api_keys_rotate;
api_fn api_viewings_list, api_viewing_stop;
api_fn api_policies_list, api_policy_current, api_policy_propose, api_policy_approve;
api_fn api_policy_get, api_policy_stop, api_policy_test, api_policy_dry_run;
api_fn api_hook; /* keeper/hooks.c */
api_fn api_status;
api_fn api_audit_events, api_audit_logs, api_audit_checkpoint, api_audit_system_checkpoint, api_audit_vkey;
api_fn api_audit_unseal, api_clock_trust, api_report;
api_fn api_audit_tile, api_audit_system_tile, api_audit_proof;

/* An AuditLog of the contract, as one value. */
NODISCARD enum err api_audit_log_write(struct job *c, const struct meta_log *row, struct err_info *reterr);
