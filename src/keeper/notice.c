#include "keeper/notice.h"

#include <stdlib.h>

#include "keeper/life.h"
#include "keeper/session.h"

static const char *const words[] = {
    [NOTICE_REQUEST] = "request", [NOTICE_GRANT] = "grant", [NOTICE_VIEWING] = "viewing",
    [NOTICE_RECORDING] = "recording", [NOTICE_POLICY] = "policy",
    [NOTICE_CLIENT_KEY] = "client-key", [NOTICE_CHANGE] = "change",
};

static bool concerns(const struct notice *n, const struct who *w, const struct policy *policy)
{
    role_mask roles = role_in(w->roles, w->n_roles, n->project, 0);

    switch (n->type) {
    case NOTICE_REQUEST:
    case NOTICE_GRANT:
    case NOTICE_VIEWING:
        return span_eq(w->id, n->owner) || (roles & (ROLE_BIT(ROLE_APPROVER) | ROLE_BIT(ROLE_PROJECT_ADMIN) |
                                                      ROLE_BIT(ROLE_AUDITOR) | ROLE_BIT(ROLE_ADMIN))) != 0;
    case NOTICE_RECORDING:
        return role_may(roles, PERM_LIST);
    case NOTICE_POLICY:
        return true;
    case NOTICE_CLIENT_KEY:
        return span_eq(w->id, n->owner);
    case NOTICE_CHANGE: /* who may approve or stop it */
        return policy_may_vote(policy, w) || (role_in(w->roles, w->n_roles, SPAN(ROLE_SYSTEM), 0) & ROLE_BIT(ROLE_ADMIN)) != 0;
    }
    return false;
}

static void write_change(const struct notice *n, struct buf *out)
{
    bool upper = n->type == NOTICE_REQUEST || n->type == NOTICE_GRANT;
    char state[32] = "";
    struct jsonw w;

    for (size_t i = 0; n->state[i] != 0 && i + 1 < sizeof(state); i++)
        state[i] = (char) (upper && n->state[i] >= 'a' && n->state[i] <= 'z' ? n->state[i] - 32 : n->state[i]);
    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "type", words[n->type]);
    jsonw_kstr(&w, "id", n->id);
    jsonw_kcstr(&w, "state", state);
    if (n->request.n > 0)
        jsonw_kstr(&w, "request", n->request);
    if (n->grant.n > 0)
        jsonw_kstr(&w, "grant", n->grant);
    if (n->break_glass)
        jsonw_kbool(&w, "break_glass", true);
    if (n->n_recordings > 0) {
        jsonw_karr(&w, "recordings");
        for (size_t i = 0; i < n->n_recordings; i++)
            jsonw_str(&w, n->recordings[i]);
        jsonw_arr_end(&w);
    }
    jsonw_obj_end(&w);
}

static void send_one(struct job *c, const struct watcher *w, struct span json, bool end)
{
    const struct ipc_notify msg = { .sub = w->sub, .json = json, .end = end };
    struct out *o = out_add(c->outs, OUT_CHAN, IPC_T_NOTIFY, &msg);

    if (o != NULL) /* a notice that is lost costs a page a reload */
        o->chan = w->chan;
}

void notice_send(struct job *c, const struct notice *n)
{
    const struct people *people;
    const struct rules *rules;
    struct buf json = BUF_INIT(64U << 10);

    if (list_empty(&c->core->watchers))
        return;
    people = job_people(c, NULL);
    rules = job_rules(c, NULL);
    if (people == NULL || rules == NULL)
        return;
    write_change(n, &json);
    LIST_FOREACH(node, &c->core->watchers)
    {
        const struct watcher *w = LIST_ENTRY(node, struct watcher, node);
        const struct who *who = people_by_id(people, span_str(w->account));

        if (!json.failed && who != NULL && !who->disabled && concerns(n, who, rules->policy))
            send_one(c, w, buf_span(&json), false);
    }
    buf_deinit(&json);
}

/* ---- who listens ---- */

static struct watcher *find(struct core *core, uint32_t chan, uint64_t sub)
{
    LIST_FOREACH(node, &core->watchers)
    {
        struct watcher *w = LIST_ENTRY(node, struct watcher, node);

        if (w->chan == chan && w->sub == sub)
            return w;
    }
    return NULL;
}

static void drop(struct watcher *w)
{
    list_remove(&w->node);
    free(w);
}

static void add_watcher(struct core *core, void *arg)
{
    const struct watcher *from = arg;
    struct watcher *w = find(core, from->chan, from->sub);

    if (w != NULL)
        drop(w);
    w = malloc(sizeof(*w));
    if (w == NULL)
        return;
    *w = *from;
    w->node = (struct list){ 0 };
    list_append(&core->watchers, &w->node);
}

enum err notice_watch_open(struct job *c, const struct ipc_watch_open *in, struct err_info *reterr)
{
    enum session_verdict verdict;
    struct watcher *w = arena_alloc(c->mem, sizeof(*w));
    struct ipc_answer a = { .status = 200 };
    struct out *o;

    TRY(session_find(c, in->cred_kind, in->cred, false, &verdict, reterr));
    if (verdict != SESSION_OK) {
        a = (struct ipc_answer){ .status = 401, .code = SPAN("login-needed") };
    } else if (w == NULL || !span_to_str(c->me->id, w->account, sizeof(w->account)) ||
               !span_to_str(c->token.id, w->token, sizeof(w->token))) {
        a = (struct ipc_answer){ .status = 500, .code = SPAN("internal") };
    } else {
        w->chan = c->cmd->chan;
        w->sub = in->sub;
        job_after(c, add_watcher, w);
    }
    o = out_add(c->outs, OUT_ANSWER, IPC_T_ANSWER, &a);
    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "answer");
    o->chan = c->cmd->chan;
    o->call = c->cmd->call;
    return ERR_OK;
}

enum err notice_watch_close(struct job *c, const struct ipc_watch_close *in, struct err_info *reterr)
{
    struct watcher *w = find(c->core, c->cmd->chan, in->sub);

    (void) reterr;
    if (w != NULL)
        drop(w);
    return ERR_OK;
}

void notice_token_ended(struct job *c, struct span token_id)
{
    LIST_FOREACH(node, &c->core->watchers)
    {
        struct watcher *w = LIST_ENTRY(node, struct watcher, node);

        if (span_eq_str(token_id, w->token))
            send_one(c, w, SPAN_EMPTY, true); /* the gate answers with WATCH_CLOSE */
    }
}

void notice_chan_closed(struct core *core, uint32_t chan)
{
    LIST_FOREACH(node, &core->watchers)
    {
        struct watcher *w = LIST_ENTRY(node, struct watcher, node);

        if (w->chan == chan)
            drop(w);
    }
}
