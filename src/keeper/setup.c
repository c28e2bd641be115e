#include "keeper/setup.h"

#include <fcntl.h>
#include <stdio.h>

#include "crypto/hash.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "keeper/accounts.h"
#include "keeper/demo_page.h"
#include "keeper/policies.h"
#include "keeper/session.h"
#include "keeper/trail.h"
#include "keeper/transact.h"
#include "meta/rules.h"
#include "os/clock.h"
#include "os/file.h"

/* ---- the world: real clocks, nobody to send to ---- */

static void setup_clocks(void *ctx, struct clock_reading *ret, bool *ret_synced)
{
    (void) ctx;
    *ret = (struct clock_reading){ .real = clock_wall_ms(), .boot = clock_boot_ms() };
    *ret_synced = true;
}

static void setup_random(void *ctx, void *p, size_t n)
{
    (void) ctx;
    random_fill(p, n);
}

static void setup_deliver(void *ctx, struct list *outs)
{
    (void) ctx;
    outs_free(outs);
}

static bool setup_space(void *ctx, uint64_t *ret_free, uint64_t *ret_total)
{
    (void) ctx;
    (void) ret_free;
    (void) ret_total;
    return false;
}

/* init makes a whole server or nothing: the caller sees the error and removes what there is. */
static void setup_fatal(void *ctx, const struct err_info *why)
{
    (void) ctx;
    (void) why;
}

/* ---- what is made ---- */

struct making {
    const struct keeper_setup *s;
    char *admin_token;
    struct span approvers, auditors, admins, project, admin;
    const char *demo_hash;
};

static enum err first_record(struct job *c, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_CONFIG_CHANGED, SPAN_EMPTY);

    l.outcome = SPAN("init");
    return audit_create_log(c->core->audit, &l, reterr);
}

static enum err make_groups(struct job *c, struct making *m, struct err_info *reterr)
{
    const struct span all = SPAN(ROLE_ANY_PROJECT);

    TRY(accounts_make_group(c, SPAN("approvers"), true, &m->approvers, reterr));
    TRY(accounts_give(c, m->approvers, SPAN("approver"), all, reterr));
    TRY(accounts_make_group(c, SPAN("auditors"), true, &m->auditors, reterr));
    TRY(accounts_give(c, m->auditors, SPAN("auditor"), all, reterr));
    TRY(accounts_give(c, m->auditors, SPAN("auditor"), SPAN(ROLE_SYSTEM), reterr));
    TRY(accounts_make_group(c, SPAN("admins"), true, &m->admins, reterr));
    return accounts_give(c, m->admins, SPAN("admin"), all, reterr);
}

static enum err make_admin_token(struct job *c, struct span admin, char out[KEEPER_TOKEN_CAP], struct err_info *reterr)
{
    char secret[SESSION_TOKEN_CAP];
    uint8_t hash[SHA256_LEN];
    struct meta_token t = { .id = job_new_id(c, ID_TOKEN), .kind = SPAN("api"), .account = admin,
                            .label = SPAN("made by init"), .client = SPAN("api"), .created_by = admin,
                            .created_ms = c->now.real, .state = SPAN("active") };
    struct leaf l = trail_leaf(c, LEAF_TOKEN_CREATED, SPAN_EMPTY);

    session_secret(c, "kst_", secret, hash);
    t.sha256 = SPAN_OF(hash);
    TRY(meta_token_add(c->m, &t, reterr));
    l.obj = t.id;
    l.outcome = t.kind;
    TRY(trail_write(c, &l, NULL, reterr));
    (void) snprintf(out, KEEPER_TOKEN_CAP, "%s", secret);
    secret_wipe(secret, sizeof(secret));
    return ERR_OK;
}

static enum err make_admin(struct job *c, struct making *m, struct err_info *reterr)
{
    const struct span all = SPAN(ROLE_ANY_PROJECT), groups[] = { m->admins, m->approvers, m->auditors };
    const struct accounts_role roles[] = { { SPAN("project-admin"), all }, { SPAN("viewer"), all } };
    const struct accounts_new admin = { .name = SPAN("admin"), .groups = groups, .n_groups = 3, .roles = roles,
                                        .n_roles = 2 };

    TRY(accounts_make(c, &admin, &m->admin, reterr));
    return make_admin_token(c, m->admin, m->admin_token, reterr);
}

static enum err make_demo(struct job *c, struct making *m, struct err_info *reterr)
{
    const struct span all = SPAN(ROLE_ANY_PROJECT);
    const struct accounts_role roles[] = { { SPAN("viewer"), all }, { SPAN("breakglass"), all } };
    const struct {
        struct span name, full_name, group;
        bool breakglass;
    } people[] = {
        { SPAN("engineer"), SPAN("Demo Engineer"), SPAN_EMPTY, true },
        { SPAN("second-engineer"), SPAN("Demo Second Engineer"), SPAN_EMPTY, false },
        { SPAN("approver"), SPAN("Demo Approver"), m->approvers, false },
        { SPAN("lead"), SPAN("Demo Lead"), m->approvers, false },
        { SPAN("auditor"), SPAN("Demo Auditor"), m->auditors, false },
    };

    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
        const struct accounts_new n = { .name = people[i].name, .full_name = people[i].full_name,
                                        .password = span_str(m->demo_hash), .groups = &people[i].group,
                                        .n_groups = people[i].group.n > 0, .roles = roles,
                                        .n_roles = people[i].breakglass ? 2 : 1 };
        struct span id;

        TRY(accounts_make(c, &n, &id, reterr));
    }
    return ERR_OK;
}

/* Compiled when they are first needed: the row names no engine. */
static enum err make_masks(struct job *c, const struct making *m, struct err_info *reterr)
{
    uint8_t hash[SHA256_LEN];
    struct meta_masks row = { .project = m->project, .text = m->s->masks_source, .tree = m->s->masks_tree, .changed_by = SPAN("system"),
                              .changed_ms = c->now.real, .version = 1 };

    sha256(row.text, hash);
    row.hash = job_b64(c, SPAN_OF(hash));
    return meta_masks_put(c->m, &row, reterr);
}

static enum err make_policy(struct job *c, const struct keeper_setup *s, struct err_info *reterr)
{
    struct policies_new n = { .source = s->policy_source, .tree = s->policy_tree };
    const struct policy *policy;
    struct meta_policy row;

    TRY(policies_compile(c, &n, &policy, reterr));
    return policies_propose(c, &n, &row, reterr);
}

static enum err make_all(struct job *c, void *arg, struct err_info *reterr)
{
    struct making *m = arg;
    const struct keeper_setup *s = m->s;
    struct meta_epoch epoch = { .n = s->epoch, .pk = SPAN_OF(s->epoch_pk), .begun_ms = c->now.real };

    TRY(meta_setting_put(c->m, POLICIES_INIT, c->now.real, SPAN_EMPTY, reterr));
    TRY(meta_epoch_add(c->m, &epoch, reterr));
    TRY(first_record(c, reterr));
    TRY(make_groups(c, m, reterr));
    TRY(accounts_make_project(c, m->demo_hash != NULL ? SPAN("shop") : SPAN("default"), span_str(s->env), &m->project,
                              reterr));
    TRY(make_admin(c, m, reterr));
    if (m->demo_hash != NULL) {
        TRY(make_demo(c, m, reterr));
        TRY(make_masks(c, m, reterr));
        TRY(demo_page_make(c, m->project, s->public_url, s->demo_password, m->admin, reterr));
    }
    return make_policy(c, s, reterr);
}

enum err keeper_setup_run(const struct keeper_setup *s, char admin_token[KEEPER_TOKEN_CAP], struct err_info *reterr)
{
    const struct core_config cfg = { .public_url = s->public_url, .player_url = s->public_url, .dir = s->dir,
                                     .demo_password = "", .envs = &s->env, .n_envs = 1 };
    const struct core_env env = { .clocks = setup_clocks, .random = setup_random, .deliver = setup_deliver,
                                  .space = setup_space, .fatal = setup_fatal };
    char hash[PASSWORD_STORED_MAX] = "";
    struct making m = { .s = s, .admin_token = admin_token };
    CLEANUP(os_closep) int dir = -1;
    CLEANUP(os_closep) int meta = -1;
    CLEANUP(os_closep) int there = -1;
    struct core *c = NULL;
    enum err e;

    TRY(os_dir_open(s->dir, false, &dir, reterr));
    TRY(os_dir_sub(dir, "meta", &meta, reterr));
    if (os_file_open(meta, "keyhole.db", O_RDONLY, &there, NULL) == ERR_OK)
        return ERR_RAISE(reterr, ERR_EXISTS, "there is a database already");
    if (s->demo_password != NULL) {
        TRY(password_hash(span_str(s->demo_password), hash, reterr));
        m.demo_hash = hash;
    }
    TRY(core_open(&cfg, &env, &c, reterr));
    transact_set_epoch(c, s->epoch, s->epoch_pk);
    e = transact(c, make_all, &m, reterr);
    core_close(c);
    return e;
}
