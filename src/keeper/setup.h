#pragma once
/*
 * For `keyhole init`, while no server runs: the database of a new installation, with every fact in its audit log.
 *
 * Makes the issuer, the administrator account `admin` (no password; its first API token), the built-in groups, a project,
 * the starting policy. With demo_password also the accounts engineer (viewer, breakglass), second-engineer (viewer), approver
 * and lead (group approvers) and auditor (group auditors), and a project `shop` in place of `default`, with masking rules of
 * its own and the public token and origin of a page that records itself (keeper/demo_page.h).
 */
#include "base/err.h"
#include "base/span.h"

#define KEEPER_TOKEN_CAP 128

struct keeper_setup {
    const char *dir;           /* state directory; dir/meta is made */
    const char *public_url;
    const char *env;           /* default environment of the project */
    const char *demo_password; /* NULL: no demo accounts */
    uint32_t epoch;            /* of the vault: people's opening keys are sealed to it */
    uint8_t epoch_pk[32];
    struct span policy_source; /* the preset's text … */
    struct span policy_tree;   /* … and its tree, of access/policy.h's schema */
    struct span masks_source, masks_tree; /* the same of the demo's masking rules (codec/mask.h) */
};

/* admin_token: NUL-terminated; the caller shows it once and wipes it. ERR_EXISTS: there is a database. */
NODISCARD enum err keeper_setup_run(const struct keeper_setup *s, char admin_token[KEEPER_TOKEN_CAP],
                                    struct err_info *reterr);
