/* Is everything well, and what keeps people from working. */
#include "keeper/api/ask.h"
#include "keeper/guard.h"
#include "keeper/policies.h"
#include "keeper/scrub.h"
#include "keeper/view.h"

#define LACKS_MAX 100

static void write_role(struct job *c, const char *role, bool up)
{
    jsonw_obj(&c->w);
    jsonw_kcstr(&c->w, "role", role);
    jsonw_kcstr(&c->w, "state", up ? "up" : "down");
    jsonw_obj_end(&c->w);
}

static void missing(struct job *c, const char *code, const char *detail, const struct meta_project *project,
                    const struct people *people)
{
    jsonw_obj(&c->w);
    jsonw_kcstr(&c->w, "code", code);
    jsonw_kcstr(&c->w, "detail", detail);
    if (project != NULL)
        jsonw_kstr(&c->w, "project", project->name);
    ask_write_admins(c, people);
    jsonw_obj_end(&c->w);
}

/* A rule that asks for votes which today's people cannot give, whoever asks. */
static void write_lack(struct job *c, const struct policies_lack *lack)
{
    struct buf text = BUF_INIT(512);

    if (job_roles(c, lack->project->id) != 0) {
        buf_add_str(&text, "Nobody could approve under the rule \"");
        buf_add_span(&text, lack->rule->name);
        buf_add_str(&text, "\": ");
        policy_say_need(lack->rule, &text);
        missing(c, "no-approver", buf_cstr(&text), lack->project, c->seat->people);
    }
    buf_deinit(&text);
}

/* Proposals that wait, for whoever could stop or approve them. */
static enum err write_waiting(struct job *c, struct err_info *reterr)
{
    const struct meta_page page = { .limit = 20 };
    struct meta_policy_list rows;
    struct meta_pos next;
    bool may;

    TRY(guard_may_stop(c, &may, reterr));
    if (!may)
        return ERR_OK;
    TRY(meta_policies(c->v, SPAN("proposed"), &page, c->mem, &rows, &next, reterr));
    jsonw_karr(&c->w, "waiting");
    for (size_t i = 0; i < rows.n; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "hash", rows.rows[i].hash);
        view_person(c, "proposed_by", rows.rows[i].proposed_by);
        jsonw_ktime(&c->w, "proposed_at", rows.rows[i].proposed_ms);
        view_time(c, "effective_at", rows.rows[i].effective_ms);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

static size_t count_admins(const struct people *people)
{
    size_t n = 0;

    for (size_t i = 0; i < people->n; i++)
        n += !people->all[i].disabled && (role_in(people->all[i].roles, people->all[i].n_roles, SPAN(ROLE_SYSTEM), 0) &
                                          ROLE_BIT(ROLE_ADMIN)) != 0;
    return n;
}

static enum err write_missing(struct job *c, const struct rules *rules, const struct people *people,
                              struct err_info *reterr)
{
    jsonw_karr(&c->w, "missing");
    if (rules->policy == NULL)
        missing(c, "no-policy", "No policy is in force, so nobody can ask for anything.", NULL, people);
    TRY(policies_lacking(c, rules->policy, LACKS_MAX, write_lack, reterr));
    if (job_is_admin(c) && count_admins(people) == 1)
        missing(c, "sole-admin", "There is one administrator: nobody can approve a change of the policy.", NULL, people);
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

static enum err write_audit(struct job *c, struct err_info *reterr)
{
    const char *state = atomic_load(&c->core->audit_sealed) ? "sealed" : atomic_load(&c->core->audit_space) ? "space" : "ok";
    struct meta_log_list logs;
    time_ms scrubbed = 0;
    enum err e = meta_setting_get(c->v, SCRUB_SETTING, NULL, &scrubbed, NULL, reterr);

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    jsonw_kobj(&c->w, "audit");
    jsonw_kcstr(&c->w, "state", state);
    if (scrubbed != 0)
        jsonw_ktime(&c->w, "scrubbed_at", scrubbed);
    TRY(meta_logs(c->v, c->mem, &logs, reterr));
    jsonw_karr(&c->w, "logs");
    for (size_t i = 0; i < logs.n; i++) {
        struct span log = logs.rows[i].log, base;
        int64_t size;

        (void) log_id_generation(log, &base);
        if (!span_eq_str(base, LOG_ID_SYSTEM) && job_roles(c, base) == 0)
            continue;
        TRY(meta_audit_count(c->v, log, &size, reterr));
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "log", log);
        jsonw_kint(&c->w, "size", size);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err write_policy(struct job *c, struct err_info *reterr)
{
    struct meta_policy p;
    enum err e = meta_policy_current(c->v, c->mem, &p, reterr);

    if (e != ERR_OK)
        return e == ERR_NOTFOUND ? ERR_OK : e;
    jsonw_kobj(&c->w, "policy");
    jsonw_kstr(&c->w, "hash", p.hash);
    jsonw_ktime(&c->w, "since", p.enacted_ms);
    TRY(write_waiting(c, reterr));
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err api_status(struct job *c, struct err_info *reterr)
{
    struct core_health h = core_health(c->core);
    const struct rules *rules = job_rules(c, reterr);
    const struct people *people = job_people(c, reterr);
    bool closed = !h.audit_ok || !h.clock_ok || !h.vault_ok;
    struct jsonw *w = job_json(c, 200);

    if (rules == NULL || people == NULL)
        return ERR_NOMEM;
    jsonw_obj(w);
    jsonw_kcstr(w, "version", KEYHOLE_VERSION);
    jsonw_ktime(w, "started_at", c->core->started_ms);
    jsonw_ktime(w, "now", c->now.real);
    jsonw_kcstr(w, "state", closed ? "closed" : "ok");
    jsonw_kbool(w, "demo", c->core->cfg.demo);
    jsonw_karr(w, "roles");
    write_role(c, "gate", true); /* it carried this question */
    write_role(c, "keeper", true);
    write_role(c, "vault", h.vault_ok);
    jsonw_arr_end(w);
    jsonw_kcstr(w, "clock", h.clock_ok ? "trusted" : "untrusted");
    TRY(write_audit(c, reterr));
    TRY(write_policy(c, reterr));
    TRY(write_missing(c, rules, people, reterr));
    jsonw_obj_end(w);
    return ERR_OK;
}
