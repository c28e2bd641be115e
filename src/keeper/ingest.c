#include "keeper/ingest.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "codec/base64.h"
#include "keeper/append_secret.h"
#include "keeper/foreign.h"
#include "keeper/masks.h"
#include "keeper/notice.h"
#include "keeper/ongoing.h"
#include "keeper/persons.h"
#include "keeper/pieces.h"
#include "keeper/session.h"
#include "keeper/statements.h"
#include "keeper/trail.h"

#define TITLE_MAX     200
#define SUBJECT_MAX   200
#define TAG_NAME_MAX  64
#define TAG_VALUE_MAX 200
#define LINK_TYPE_MAX 32
#define LINK_ID_MAX   200

enum err ingest_reply(struct job *c, enum ipc_type type, const void *msg, struct err_info *reterr)
{
    struct out *o = out_add(c->outs, OUT_ANSWER, type, msg);

    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "answer");
    o->chan = c->cmd->chan;
    o->call = c->cmd->call;
    return ERR_OK;
}

static enum err refuse(struct job *c, uint16_t status, const char *code, const char *detail, struct err_info *reterr)
{
    const struct ipc_ingest_opened a = { .status = status, .code = span_str(code), .detail = span_str(detail) };

    return ingest_reply(c, IPC_T_INGEST_OPENED, &a, reterr);
}

enum err ingest_done(struct job *c, uint16_t status, const char *code, const char *detail, struct err_info *reterr)
{
    const struct ipc_done d = { .status = status, .code = span_str(code), .detail = span_str(detail) };

    return ingest_reply(c, IPC_T_DONE, &d, reterr);
}

/* ---- memory of what is under way ---- */

static struct importing *find(struct core *core, struct span rid)
{
    LIST_FOREACH(n, &core->importing)
    {
        struct importing *i = LIST_ENTRY(n, struct importing, node);

        if (span_eq_str(rid, i->rid))
            return i;
    }
    return NULL;
}

static void remember(struct core *core, void *arg)
{
    const struct importing *from = arg;
    struct importing *i = find(core, span_str(from->rid));

    if (i == NULL) {
        i = calloc(1, sizeof(*i));
        if (i == NULL) /* the row is forgotten at the next start */
            return;
        *i = *from;
        i->node = (struct list){ 0 };
        list_append(&core->importing, &i->node);
    }
    i->forget = from->forget;
}

static void forget(struct core *core, void *arg)
{
    struct importing *i = find(core, span_str(arg));

    if (i == NULL)
        return;
    list_remove(&i->node);
    free(i);
}

static void remember_later(struct job *c, const struct meta_recording *r, uint32_t chan, bool is_gone)
{
    struct importing *i = arena_alloc(c->mem, sizeof(*i));

    if (i == NULL || !span_to_str(r->id, i->rid, sizeof(i->rid)) ||
        !span_to_str(r->project, i->pid, sizeof(i->pid)))
        return;
    i->chan = chan;
    i->forget = is_gone;
    job_after(c, remember, i);
}

/* ---- INGEST_OPEN ---- */

/* Which project: the token's own; else as said, by id or name; else the only one there is. */
static enum err find_project(struct job *c, const struct ipc_ingest_open *in, struct meta_project *ret, bool *ret_found,
                             struct err_info *reterr)
{
    struct meta_project_list all;
    enum err e;

    *ret_found = false;
    if (c->me == NULL) {
        TRY(meta_project_get(c->v, c->token.project, c->mem, ret, reterr));
        *ret_found = in->project.n == 0 || span_eq(in->project, ret->id) || span_eq(in->project, ret->name);
        return ERR_OK;
    }
    if (in->project.n == 0) {
        TRY(meta_projects(c->v, c->mem, &all, reterr));
        *ret_found = all.n == 1;
        if (all.n == 1)
            *ret = all.rows[0];
        return ERR_OK;
    }
    e = id_check(in->project, ID_PROJECT) ? meta_project_get(c->v, in->project, c->mem, ret, reterr)
                                          : meta_project_by_name(c->v, in->project, c->mem, ret, reterr);
    *ret_found = e == ERR_OK;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static bool text_ok(struct span s, size_t max)
{
    return s.n == 0 || (utf8_valid(s) && utf8_count(s) <= max);
}

static bool pairs_ok(const struct ipc_row_tag *rows, uint32_t n, size_t key_max, size_t value_max)
{
    if (n > META_TAGS_MAX)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].key.n == 0 || !text_ok(rows[i].key, key_max) || !text_ok(rows[i].value, value_max))
            return false;
    }
    return true;
}

static const char *bad_member(const struct job *c, const struct ipc_ingest_open *in)
{
    bool env_known = in->env.n == 0;

    for (size_t i = 0; i < c->core->cfg.n_envs; i++)
        env_known |= span_eq_str(in->env, c->core->cfg.envs[i]);
    if (!env_known)
        return "The environment is not one of the configured ones.";
    if (in->kind.n > 0 && !span_eq_str(in->kind, "rrweb") && !span_eq_str(in->kind, "terminal"))
        return "The kind is rrweb or terminal.";
    if (in->live != 0 && in->kind.n == 0)
        return "A recording that is being made says its kind.";
    if (!text_ok(in->title, TITLE_MAX) || !text_ok(in->subject, SUBJECT_MAX) || !text_ok(in->session, SUBJECT_MAX) ||
        !text_ok(in->klass, TAG_NAME_MAX))
        return "Title, subject and session have at most 200 characters, the class 64.";
    if (!pairs_ok(in->tags.rows, in->tags.n, TAG_NAME_MAX, TAG_VALUE_MAX))
        return "At most 32 tags of a name of 64 and a value of 200 characters.";
    if (!pairs_ok(in->links.rows, in->links.n, LINK_TYPE_MAX, LINK_ID_MAX))
        return "At most 32 links of a type of 32 and an id of 200 characters.";
    if (!text_ok(in->foreign, FOREIGN_NAME_MAX))
        return "A session's name has at most 300 characters.";
    return NULL;
}

/* The same pair twice is one. */
static struct meta_pair *pairs(struct job *c, const struct ipc_row_tag *rows, uint32_t n, size_t *ret_n)
{
    struct meta_pair *p = arena_alloc(c->mem, (n + 1) * sizeof(*p));

    *ret_n = 0;
    for (uint32_t i = 0; p != NULL && i < n; i++) {
        bool twice = false;

        for (size_t k = 0; k < *ret_n; k++)
            twice |= span_eq(p[k].name, rows[i].key) && span_eq(p[k].value, rows[i].value);
        if (!twice)
            p[(*ret_n)++] = (struct meta_pair){ rows[i].key, rows[i].value };
    }
    return p;
}

static enum err make(struct job *c, const struct ipc_ingest_open *in, const struct meta_project *p,
                     struct err_info *reterr)
{
    struct ipc_ingest_opened ok = { .epoch = c->core->epoch, .epoch_pk = SPAN_OF(c->core->epoch_pk) };
    size_t n_tags, n_links;
    struct meta_pair *tags = pairs(c, in->tags.rows, in->tags.n, &n_tags);
    struct meta_pair *links = pairs(c, in->links.rows, in->links.n, &n_links);
    struct meta_recording r = {
        .id = job_new_id(c, ID_RECORDING), .project = p->id, .kind = in->kind, .state = in->live != 0 ? SPAN("open") : SPAN("importing"),
        .title = in->title, .subject = in->subject, .session = in->session,
        .env = in->env.n > 0 ? in->env : p->env, .class = in->klass, .created_ms = c->now.real,
        .importer = c->me != NULL ? c->me->id : c->token.id,
        .public = c->me == NULL && c->token.browser != 0,
    };

    if (in->live != 0) { /* lists say when it began: as stated, else what the server saw */
        r.started_ms = in->started_ms > 0 ? in->started_ms : c->now.real;
        r.touched_ms = c->now.real;
    }

    if (tags == NULL || links == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "import");
    for (size_t i = 0; i < n_links; i++)
        links[i].public = r.public != 0;
    TRY(masks_words(c, p->id, &r.title, tags, &n_tags, links, &n_links, reterr));
    TRY(meta_recording_add(c->m, &r, tags, n_tags, links, n_links, reterr));
    if (in->live != 0) {
        TRY(ongoing_begun(c, &r, reterr));
        TRY(ongoing_keep_key(c, in, r.id, reterr));
        TRY(foreign_begun(c, p->id, in->foreign, r.id, reterr));
    } else {
        remember_later(c, &r, c->cmd->chan, false);
    }
    ok.rid = r.id;
    ok.pid = p->id;
    ok.tid = c->me == NULL ? c->token.id : SPAN_EMPTY;
    if (in->live != 0)
        TRY(append_secret(c, p->id, r.id, &ok.secret, reterr));
    TRY(masks_say(c, p->id, reterr));
    return ingest_reply(c, IPC_T_INGEST_OPENED, &ok, reterr);
}

/* A beginning that is said twice under one Idempotency-Key, or a session that has its recording. *ret_done: answered. */
static enum err begin_again(struct job *c, const struct ipc_ingest_open *in, const struct meta_project *p, bool *ret_done,
                            struct err_info *reterr)
{
    struct ipc_ingest_opened ok = { .pid = p->id, .tid = c->token.id, .again = 1 };
    bool mismatch;

    *ret_done = false;
    if (in->live == 0)
        return ERR_OK;
    TRY(ongoing_made_before(c, in, &ok.rid, &mismatch, reterr));
    if (!mismatch && ok.rid.n == 0)
        TRY(foreign_find(c, p->id, in->foreign, &ok.rid, reterr));
    *ret_done = mismatch || ok.rid.n > 0;
    if (mismatch)
        return refuse(c, 422, "idempotency-mismatch", "This Idempotency-Key was used with another body.", reterr);
    if (!*ret_done)
        return ERR_OK;
    TRY(append_secret(c, p->id, ok.rid, &ok.secret, reterr));
    TRY(masks_say(c, p->id, reterr));
    return ingest_reply(c, IPC_T_INGEST_OPENED, &ok, reterr);
}

/* What a public token says. *ret_done: refused. */
static enum err check_statements(struct job *c, struct ipc_ingest_open *io, bool *ret_done, struct err_info *reterr)
{
    const char *no = NULL;
    char why[80];

    *ret_done = false;
    if (c->me != NULL || c->token.browser == 0)
        return ERR_OK;
    if (io->foreign.n > 0)
        statements_trim(c->token.states, io);
    else
        no = statements_refused(c->token.states, io);
    if (no == NULL)
        return ERR_OK;
    *ret_done = true;
    (void) snprintf(why, sizeof(why), "It may not state this: %s.", no);
    return refuse(c, 403, "statement-refused", why, reterr);
}

/* Words by which recordings are told apart and policies go: none of them is masked, so none may hold what has to be. *ret_done: refused. */
static enum err check_names(struct job *c, const struct meta_project *p, struct ipc_ingest_open *io, bool *ret_done,
                            struct err_info *reterr)
{
    struct span *const words[] = { &io->subject, &io->session, &io->klass };
    static const char *const names[] = { "subject", "session", "class" };
    char why[200];

    *ret_done = false;
    for (size_t i = 0; i < 3 && !*ret_done; i++) {
        struct span rule = SPAN_EMPTY;

        TRY(masks_name(c, p->id, *words[i], /* person= */ i == 0, &rule, reterr));
        if (rule.n > 0 && io->foreign.n > 0)
            *words[i] = SPAN_EMPTY; /* its client cannot be told */
        else if (rule.n > 0)
            *ret_done = true;
        if (*ret_done) {
            (void) snprintf(why, sizeof(why), "The masking rule " SPAN_FMT " takes the %s for a secret.", SPAN_ARG(rule), names[i]);
            return refuse(c, 422, "invalid", why, reterr);
        }
    }
    return ERR_OK;
}

static enum err check_words(struct job *c, const struct meta_project *p, struct ipc_ingest_open *io, bool *ret_done,
                            struct err_info *reterr)
{
    TRY(check_statements(c, io, ret_done, reterr));
    return *ret_done ? ERR_OK : check_names(c, p, io, ret_done, reterr);
}

enum err ingest_open(struct job *c, const struct ipc_ingest_open *asked, struct err_info *reterr)
{
    struct ipc_ingest_open form = *asked, *const in = &form;
    enum session_verdict verdict;
    struct meta_project p;
    const char *bad;
    bool found, again;

    TRY(session_find(c, in->cred_kind, in->cred, true, &verdict, reterr));
    if (verdict != SESSION_OK)
        return refuse(c, 401, "login-needed", NULL, reterr);
    TRY(find_project(c, in, &p, &found, reterr));
    /* A project that one may not see is one that is not there. */
    if (found && c->me != NULL && job_roles(c, p.id) == 0)
        found = false;
    if (!found)
        return in->project.n == 0 ? refuse(c, 422, "invalid", "Say which project.", reterr)
                                  : refuse(c, 404, "not-found", NULL, reterr);
    if (c->me != NULL && (in->live != 0 || !job_may(c, p.id, PERM_IMPORT)))
        return refuse(c, 403, "forbidden", NULL, reterr);
    bad = bad_member(c, in);
    if (bad != NULL)
        return refuse(c, 422, "invalid", bad, reterr);
    TRY(check_words(c, &p, in, &again, reterr));
    if (again)
        return ERR_OK;
    TRY(begin_again(c, in, &p, &again, reterr));
    if (again)
        return ERR_OK;
    if (atomic_load(&c->core->audit_space) || atomic_load(&c->core->ingest_space))
        return refuse(c, 503, "ingest-space", "The server has no room.", reterr);
    if (c->core->epoch == 0)
        return refuse(c, 503, "starting", "The vault is not there yet.", reterr);
    return make(c, in, &p, reterr);
}

/* ---- WRAP_PUT, PIECE_PUT ---- */

/* A row in state importing that this channel opened. */
static enum err get_importing(struct job *c, struct span rid, struct meta_recording *ret, bool *ret_ok,
                              struct err_info *reterr)
{
    const struct importing *i = find(c->core, rid);
    enum err e;

    *ret_ok = false;
    if (i == NULL || i->chan != c->cmd->chan || i->forget)
        return ERR_OK;
    e = meta_recording_get(c->v, rid, c->mem, ret, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    *ret_ok = span_eq_str(ret->state, "importing");
    return ERR_OK;
}

enum err ingest_wrap(struct job *c, const struct ipc_wrap_put *in, struct err_info *reterr)
{
    struct meta_recording r;
    bool ok;

    TRY(get_importing(c, in->rid, &r, &ok, reterr));
    if (!ok)
        return ongoing_wrap(c, in, reterr);
    for (uint32_t i = 0; i < in->wraps.n; i++) {
        const struct ipc_row_wrap *w = &in->wraps.rows[i];
        struct meta_wrap row = { .rid = r.id, .kn = w->kn, .track = w->track, .epoch = w->epoch, .wrap = w->wrap };

        TRY(meta_wrap_add(c->m, &row, reterr));
    }
    return ingest_done(c, 0, "", NULL, reterr);
}

enum err ingest_piece(struct job *c, const struct ipc_piece_put *in, struct err_info *reterr)
{
    struct meta_recording r;
    bool ok;

    TRY(get_importing(c, in->rid, &r, &ok, reterr));
    if (!ok)
        return ongoing_piece(c, in, reterr);
    for (uint32_t i = 0; i < in->pieces.n; i++) {
        const struct ipc_row_piece *p = &in->pieces.rows[i];
        struct meta_piece row = {
            .rid = r.id, .seg_no = p->seg_no, .kn = p->kn, .track = p->track, .kind = p->kind, .codec = p->codec,
            .size = (int64_t) p->size, .sha256 = p->sha256, .first_seq = (int64_t) p->first_seq,
            .n_events = (int64_t) p->n_events, .first_chunk = p->first_chunk, .n_chunks = p->n_chunks,
            .t_first_us = p->t_first_us, .t_last_us = p->t_last_us,
        };

        TRY(meta_piece_add(c->m, &row, reterr));
    }
    return ingest_done(c, 0, "", NULL, reterr);
}

/* ---- END ---- */

static enum err write_imported(struct job *c, const struct meta_recording *r, size_t n_pieces, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_RECORDING_IMPORTED, trail_log(c, r->project));
    struct span person = SPAN_EMPTY;

    l.actor = r->importer;
    l.rid = r->id;
    l.digest = job_b64(c, r->root);
    (void) leaf_add_number(&l, "events", r->events);
    (void) leaf_add_number(&l, "duration_ms", r->duration_us / 1000);
    (void) leaf_add_number(&l, "bytes", r->bytes);
    (void) leaf_add_number(&l, "pieces", (int64_t) n_pieces);
    if (r->subject.n > 0) {
        TRY(persons_of_subject(c, r->project, r->subject, &person, reterr));
        trail_fact(c, &l, "subject", r->subject, person);
        trail_fact(c, &l, "title", r->title, person);
    }
    return trail_write(c, &l, NULL, reterr);
}

static enum err answer_imported(struct job *c, const struct meta_recording *r, struct err_info *reterr)
{
    struct jsonw *w = job_json(c, 201);
    struct ipc_answer a = { .status = 201 };

    jsonw_obj(w);
    jsonw_kstr(w, "id", r->id);
    jsonw_kstr(w, "kind", r->kind);
    jsonw_kstr(w, "project", r->project);
    jsonw_kint(w, "events", r->events);
    jsonw_kint(w, "duration_ms", r->duration_us / 1000);
    jsonw_kint(w, "bytes", r->bytes);
    jsonw_obj_end(w);
    job_location(c, "/v1/recordings", r->id);
    a.body = buf_span(&c->answer->body);
    a.location = span_str(c->answer->location);
    return ingest_reply(c, IPC_T_ANSWER, &a, reterr);
}

static enum err finish(struct job *c, const struct ipc_end *in, struct meta_recording *r, struct err_info *reterr)
{
    const struct notice n = { .type = NOTICE_RECORDING, .id = r->id, .state = "created", .project = r->project };
    struct meta_piece_list pieces;
    struct merkle_hash root;
    char *id = arena_str(c->mem, r->id);

    TRY(meta_pieces(c->v, r->id, c->mem, &pieces, reterr));
    TRY(pieces_root(&pieces, &root, reterr));
    r->kind = in->kind.n > 0 ? in->kind : r->kind;
    r->events = (int64_t) in->events;
    r->duration_us = in->duration_us;
    r->bytes = (int64_t) in->bytes;
    r->started_ms = in->started_ms;
    r->root = arena_span(c->mem, SPAN_OF(root.b));
    r->state = SPAN("complete");
    TRY(meta_recording_put(c->m, r, reterr));
    TRY(write_imported(c, r, pieces.n, reterr));
    if (id != NULL)
        job_after(c, forget, id);
    notice_send(c, &n);
    return answer_imported(c, r, reterr);
}

enum err ingest_end(struct job *c, const struct ipc_end *in, struct err_info *reterr)
{
    const struct ipc_answer gone = { .status = 404, .code = SPAN("not-found") };
    const struct ipc_answer forgotten = { .status = 200 };
    struct meta_recording r;
    char *id;
    bool ok;

    if (in->live != 0)
        return ongoing_end(c, in, reterr);
    TRY(get_importing(c, in->rid, &r, &ok, reterr));
    if (!ok)
        return ingest_reply(c, IPC_T_ANSWER, &gone, reterr);
    if (in->ok != 0)
        return finish(c, in, &r, reterr);
    id = arena_str(c->mem, r.id);
    TRY(meta_recording_forget(c->m, r.id, reterr));
    if (id != NULL)
        job_after(c, forget, id);
    return ingest_reply(c, IPC_T_ANSWER, &forgotten, reterr);
}

/* ---- gates that go away ---- */

enum err ingest_forget(struct job *c, uint32_t chan, struct err_info *reterr)
{
    struct meta_recording_list rows;

    TRY(meta_recordings_in_state(c->v, SPAN("importing"), META_PAGE_MAX, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        const struct importing *known = find(c->core, rows.rows[i].id);

        if (chan != 0 && (known == NULL || known->chan != chan))
            continue;
        TRY(meta_recording_forget(c->m, rows.rows[i].id, reterr));
        remember_later(c, &rows.rows[i], 0, true);
    }
    return ERR_OK;
}

enum err ingest_tell_gone(struct job *c, struct err_info *reterr)
{
    LIST_FOREACH(n, &c->core->importing)
    {
        const struct importing *i = LIST_ENTRY(n, struct importing, node);
        const struct ipc_gone gone = { .rid = span_str(i->rid), .pid = span_str(i->pid) };
        char *id;

        if (!i->forget)
            continue;
        if (out_add(c->outs, OUT_GATE, IPC_T_GONE, &gone) == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "GONE");
        id = arena_str(c->mem, span_str(i->rid));
        if (id != NULL)
            job_after(c, forget, id);
    }
    return ERR_OK;
}
