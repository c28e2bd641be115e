#include "keeper/replay.h"

#include <stdlib.h>

#include "audit/lease.h"
#include "crypto/hash.h"
#include "format/leaf_form.h"
#include "keeper/keys.h"
#include "keeper/pieces.h"
#include "keeper/session.h"
#include "keeper/terms.h"
#include "keeper/trail.h"
#include "keeper/viewings.h"

#define VOLUME_KEPT_MS 60000

/* ---- bytes leased under one key: memory, rebuilt from nothing longer than a key lives ---- */

struct more_volume {
    char jti[JTI_CAP];
    uint64_t bytes;
    time_ms exp_ms;
};

static void leased_later(struct job *c, const struct meta_key *k, uint64_t bytes);

static void add_volume(struct core *core, void *arg)
{
    const struct more_volume *m = arg;
    struct volume *v = map_get(&core->volumes, span_str(m->jti));

    if (v == NULL) {
        v = calloc(1, sizeof(*v));
        if (v == NULL)
            return;
        memcpy(v->jti, m->jti, sizeof(v->jti));
        if (!map_put(&core->volumes, span_str(v->jti), v, NULL)) {
            free(v);
            return;
        }
    }
    v->bytes += m->bytes;
    v->exp_ms = m->exp_ms;
}

/* A key that was issued before this keeper started: what was leased under it stands in the log (STANDARDS 1.11). */
static uint64_t volume_from_log(struct job *c, const struct meta_key *k)
{
    uint64_t sum = 0;

    return lease_bytes(c->v, k->project, k->gid, k->jti, k->iat_s * 1000, &sum, NULL) == ERR_OK ? sum : 0;
}

static uint64_t volume_of(struct job *c, const struct meta_key *k)
{
    const struct volume *v = map_get(&c->core->volumes, k->jti);
    uint64_t sum;

    if (v != NULL)
        return v->bytes;
    sum = k->iat_s * 1000 < c->core->started_ms ? volume_from_log(c, k) : 0;
    if (sum > 0)
        leased_later(c, k, sum);
    return sum;
}

static void leased_later(struct job *c, const struct meta_key *k, uint64_t bytes)
{
    struct more_volume *m = arena_alloc(c->mem, sizeof(*m));

    if (m == NULL || !span_to_str(k->jti, m->jti, sizeof(m->jti)))
        return;
    m->bytes = bytes;
    m->exp_ms = k->exp_s * 1000;
    job_after(c, add_volume, m);
}

void replay_sweep(struct core *core, time_ms now)
{
    struct volume *over[256];
    size_t n = 0;

    MAP_FOREACH(struct volume, v, &core->volumes)
    {
        if (n < 256 && now >= v->exp_ms + VOLUME_KEPT_MS)
            over[n++] = v;
    }
    for (size_t i = 0; i < n; i++) {
        (void) map_del(&core->volumes, span_str(over[i]->jti));
        free(over[i]);
    }
}

/* ---- answers ---- */

static enum err answer(struct job *c, enum ipc_type type, const void *msg, struct err_info *reterr)
{
    struct out *o = out_add(c->outs, OUT_ANSWER, type, msg);

    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "answer");
    o->chan = c->cmd->chan;
    o->call = c->cmd->call;
    return ERR_OK;
}

/* ---- first sight of a key ---- */

static enum err write_lease(struct job *c, const struct ipc_lease *in, const struct meta_grant *g,
                            struct ipc_leased *ret, struct err_info *reterr);
static enum key_verdict audit_verdict(const struct job *c);

/* What belongs to the reveal track is named to whom it may be shown. */
static enum err facts_lists(struct job *c, struct span rid, bool reveal, struct ipc_key_facts *f, struct err_info *reterr)
{
    struct meta_wrap_list wraps;
    struct meta_piece_list pieces;

    TRY(meta_wraps(c->v, rid, c->mem, &wraps, reterr));
    TRY(meta_pieces(c->v, rid, c->mem, &pieces, reterr));
    f->wraps.rows = arena_alloc(c->mem, (wraps.n + 1) * sizeof(*f->wraps.rows));
    if (f->wraps.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "wraps of a recording");
    for (size_t i = 0; i < wraps.n; i++) {
        const struct meta_wrap *w = &wraps.rows[i];

        if (w->track > 0 && !reveal)
            continue;
        f->wraps.rows[f->wraps.n++] = (struct ipc_row_wrap){ (uint16_t) w->kn, (uint8_t) w->track, (uint32_t) w->epoch,
                                                             w->wrap };
    }
    return pieces_rows(c, &pieces, reveal, &f->pieces.rows, &f->pieces.n, &f->n_chunks, reterr);
}

/* Whose name goes into exports and over the picture, and whether it does. */
static enum err facts_marks(struct job *c, const struct terms *t, struct span sub, struct ipc_key_facts *f,
                            struct err_info *reterr)
{
    struct meta_account account;
    enum err e = meta_account_get(c->v, sub, c->mem, &account, reterr);

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    f->who = e == ERR_OK ? account.name : sub;
    f->watermark = t->watermark;
    return ERR_OK;
}

static enum err facts(struct job *c, const struct meta_key *k, const struct meta_grant *g, struct ipc_key_facts *f,
                      struct ipc_row_grant *row, struct err_info *reterr)
{
    struct meta_recording r;
    struct terms t;
    unsigned scope = 0;
    struct life l;
    enum err e;

    e = meta_recording_get(c->v, k->rid, c->mem, &r, reterr);
    if (e == ERR_NOTFOUND) {
        f->verdict = KEY_RECORDING_MISMATCH;
        return ERR_OK;
    }
    TRY(e);
    if (!span_eq(r.project, k->project) || !span_eq(r.env, k->env)) {
        f->verdict = KEY_BINDING;
        return ERR_OK;
    }
    TRY(life_head(c, g, &l, reterr));
    TRY(terms_read(l.q.terms, c->mem, &t, reterr));
    TRY(life_row_of(c, &l, &t, 0, row, reterr));
    f->grant.rows = row;
    f->grant.n = 1;
    f->vid = k->vid;
    f->kind = r.kind;
    f->events = (uint64_t) r.events;
    f->duration_us = r.duration_us;
    f->started_ms = r.started_ms;
    f->volume = volume_of(c, k);
    f->live = span_eq_str(r.state, "open");
    TRY(facts_marks(c, &t, k->sub, f, reterr));
    return facts_lists(c, k->rid, key_scope_parse(k->scope, &scope) && (scope & KEY_SCOPE_UNMASK) != 0, f, reterr);
}

/* The lowest key number: whoever reads begins with it. False: there is none to be released. */
static bool first_kn(const struct ipc_key_facts *f, uint16_t *ret)
{
    bool found = false;

    for (size_t i = 0; i < f->wraps.n; i++) {
        if (f->wraps.rows[i].track != 0 || (found && f->wraps.rows[i].kn >= *ret))
            continue;
        *ret = f->wraps.rows[i].kn;
        found = true;
    }
    return found;
}

/* What cannot be written down now is left to LEASE, whose answer says why. */
static enum err first_lease(struct job *c, const struct ipc_key_first *in, const struct meta_key *k, const struct meta_grant *g,
                            struct ipc_key_facts *f, struct err_info *reterr)
{
    unsigned scope = 0;
    struct ipc_leased leased = { 0 };
    struct ipc_lease lease = { .jti = in->jti, .gid = in->gid, .gen = in->gen, .vid = k->vid, .rid = in->rid, .pid = in->pid,
                               .sub = in->sub, .what = LEASE_MANIFEST, .proof = in->proof, .release = 1 };

    if (in->lease == 0 || audit_verdict(c) != KEY_OK || !key_scope_parse(k->scope, &scope) || !first_kn(f, &lease.release_kn))
        return ERR_OK;
    lease.reveal = (scope & KEY_SCOPE_UNMASK) != 0;
    TRY(viewing_leased(c, k->vid, reterr));
    TRY(write_lease(c, &lease, g, &leased, reterr));
    f->lease_idx = leased.idx;
    f->release_idx = leased.release_idx;
    f->release_t_ms = leased.release_t_ms;
    f->release_kn = lease.release_kn;
    return ERR_OK;
}

enum err replay_key_first(struct job *c, const struct ipc_key_first *in, struct err_info *reterr)
{
    const struct keys_claim claim = { .jti = in->jti, .gid = in->gid, .rid = in->rid, .pid = in->pid, .sub = in->sub,
                                      .env = in->env, .gen = in->gen, .jkt = in->jkt, .bound = true };
    struct ipc_key_facts f = { 0 };
    struct ipc_row_grant row;
    enum key_verdict verdict;
    struct meta_key k;
    struct meta_grant g;

    TRY(keys_judge(c, &claim, &verdict, &k, &g, reterr));
    f.verdict = (uint16_t) verdict;
    if (verdict == KEY_OK)
        TRY(facts(c, &k, &g, &f, &row, reterr));
    if (f.verdict == KEY_OK)
        TRY(first_lease(c, in, &k, &g, &f, reterr));
    return answer(c, IPC_T_KEY_FACTS, &f, reterr);
}

/* What the ledger says of the key is the claim: only what may have changed since is judged. Leaves no trace. */
enum err replay_key_again(struct job *c, const struct ipc_key_again *in, struct err_info *reterr)
{
    struct ipc_key_facts f = { .verdict = KEY_FORGED };
    struct keys_claim claim = { 0 };
    struct ipc_row_grant row;
    enum key_verdict verdict;
    struct meta_key k;
    struct meta_grant g;
    enum err e = jti_check(in->jti) ? meta_key_get(c->v, in->jti, c->mem, &k, reterr) : ERR_NOTFOUND;

    if (e == ERR_NOTFOUND || (e == ERR_OK && (!span_eq(k.gid, in->gid) || !span_eq(k.rid, in->rid))))
        return answer(c, IPC_T_KEY_FACTS, &f, reterr);
    TRY(e);
    claim = (struct keys_claim){ .jti = k.jti, .gid = k.gid, .rid = k.rid, .pid = k.project, .sub = k.sub, .env = k.env,
                                 .gen = (uint32_t) k.gen };
    TRY(keys_judge(c, &claim, &verdict, &k, &g, reterr));
    f.verdict = (uint16_t) verdict;
    if (verdict == KEY_OK)
        TRY(facts(c, &k, &g, &f, &row, reterr));
    return answer(c, IPC_T_KEY_FACTS, &f, reterr);
}

/* ---- leases ---- */

static enum err write_lease(struct job *c, const struct ipc_lease *in, const struct meta_grant *g,
                            struct ipc_leased *ret, struct err_info *reterr)
{
    const struct ipc_open open = { .jti = in->jti, .gid = in->gid, .gen = in->gen, .rid = in->rid, .pid = in->pid,
                                   .kn = in->release_kn, .track = in->release_track };
    struct leaf l;

    TRY(lease_leaf(in, c->now.real, &l, reterr));
    l.q = g->request;
    l.policy = g->policy;
    if (in->proof.n == SHA256_LEN)
        l.act = job_b64(c, in->proof); /* the proof of possession that asked */
    TRY(trail_write(c, &l, &ret->idx, reterr));
    ret->t_ms = l.t;
    if (in->release == 0)
        return ERR_OK;
    leaf_form_released(&open, in->pid, in->sub, in->vid, &l); /* the vault writes the same */
    l.t = c->now.real;
    TRY(trail_write(c, &l, &ret->release_idx, reterr));
    ret->release_t_ms = l.t;
    return ERR_OK;
}

/* What no gate of ours asks: it is refused, and nothing is written. */
static enum key_verdict judge_lease(const struct ipc_lease *in, const struct meta_key *k)
{
    unsigned scope = 0;

    if (!span_eq(k->vid, in->vid))
        return KEY_FORGED;
    if (!lease_is_valid(in))
        return KEY_AUDIT_UNAVAILABLE;
    if (!key_scope_parse(k->scope, &scope) || (in->what == LEASE_LIVE && (scope & KEY_SCOPE_LIVE) == 0))
        return KEY_SCOPE;
    return (in->reveal != 0 || in->release_track != 0) && (scope & KEY_SCOPE_UNMASK) == 0 ? KEY_SCOPE : KEY_OK;
}

/* Can what is about to happen be written down? */
static enum key_verdict audit_verdict(const struct job *c)
{
    if (atomic_load(&c->core->audit_space))
        return KEY_AUDIT_SPACE;
    if (atomic_load(&c->core->audit_sealed))
        return KEY_AUDIT_UNAVAILABLE;
    return atomic_load(&c->core->clock_bad) ? KEY_CLOCK_UNTRUSTED : KEY_OK;
}

enum err replay_lease(struct job *c, const struct ipc_lease *in, struct err_info *reterr)
{
    const struct keys_claim claim = { .jti = in->jti, .gid = in->gid, .rid = in->rid, .pid = in->pid, .sub = in->sub,
                                      .gen = in->gen };
    struct ipc_leased ret = { 0 };
    enum key_verdict verdict;
    struct meta_key k;
    struct meta_grant g;

    TRY(keys_judge(c, &claim, &verdict, &k, &g, reterr));
    if (verdict == KEY_OK)
        verdict = judge_lease(in, &k);
    if (verdict == KEY_OK)
        verdict = audit_verdict(c);
    if (verdict == KEY_OK) {
        TRY(viewing_leased(c, in->vid, reterr));
        TRY(write_lease(c, in, &g, &ret, reterr));
        leased_later(c, &k, in->bytes);
    }
    ret.verdict = (uint16_t) verdict;
    return answer(c, IPC_T_LEASED, &ret, reterr);
}

/* ---- delivered by a gateway ---- */

/* It must be one of this project's, now: what the gate thinks of a token may be a push old. */
static enum err judge_gateway(struct job *c, struct span tid, const struct meta_key *k, enum key_verdict *ret,
                              struct err_info *reterr)
{
    struct meta_token t;
    unsigned scope = 0;
    enum err e = id_check(tid, ID_TOKEN) ? meta_token_get(c->v, tid, c->mem, &t, reterr) : ERR_NOTFOUND;

    *ret = KEY_GRANT_ENDED;
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (!span_eq_str(t.kind, "gateway") || !session_alive(&t, c->now.real))
        return ERR_OK;
    *ret = !span_eq(t.project, k->project) ? KEY_RECORDING_MISMATCH
           : !key_scope_parse(k->scope, &scope) || (scope & KEY_SCOPE_PLAY) == 0 ? KEY_SCOPE : KEY_OK;
    return ERR_OK;
}

static enum err write_allowed(struct job *c, const struct ipc_gateway_allowed *in, const struct meta_key *k,
                              const struct meta_grant *g, struct ipc_leased *ret, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_GATEWAY_ALLOWED, trail_log(c, k->project));

    l.actor = k->sub;
    l.q = g->request;
    l.gid = k->gid;
    l.gen = (uint32_t) k->gen;
    l.vid = k->vid;
    l.rid = k->rid;
    l.jti = k->jti;
    l.obj = in->tid;
    l.policy = g->policy;
    if (in->proof.n == SHA256_LEN)
        l.act = job_b64(c, in->proof);
    (void) leaf_add_number(&l, "seconds", in->seconds); /* the first one: there is room */
    TRY(trail_write(c, &l, &ret->idx, reterr));
    ret->t_ms = l.t;
    return ERR_OK;
}

enum err replay_gateway_allowed(struct job *c, const struct ipc_gateway_allowed *in, struct err_info *reterr)
{
    const struct keys_claim claim = { .jti = in->jti, .gid = in->gid, .rid = in->rid, .pid = in->pid, .sub = in->sub,
                                      .gen = in->gen };
    struct ipc_leased ret = { 0 };
    enum key_verdict verdict;
    struct meta_key k;
    struct meta_grant g;

    TRY(keys_judge(c, &claim, &verdict, &k, &g, reterr));
    if (verdict == KEY_OK)
        TRY(judge_gateway(c, in->tid, &k, &verdict, reterr));
    if (verdict == KEY_OK)
        verdict = audit_verdict(c);
    if (verdict == KEY_OK) {
        TRY(viewing_leased(c, k.vid, reterr));
        TRY(write_allowed(c, in, &k, &g, &ret, reterr));
    }
    ret.verdict = (uint16_t) verdict;
    return answer(c, IPC_T_LEASED, &ret, reterr);
}

/* The whole range of an export that reached its end. */
static struct leaf export_leaf(struct job *c, const struct ipc_settle *in)
{
    struct leaf l = trail_leaf(c, LEAF_EXPORT_DONE, trail_log(c, in->pid));

    l.actor = in->sub;
    l.gid = in->gid;
    l.gen = in->gen;
    l.vid = in->vid;
    l.rid = in->rid;
    l.jti = in->jti;
    (void) leaf_add_number(&l, "lease", (int64_t) in->first_lease);
    (void) leaf_add_number(&l, "bytes", (int64_t) in->bytes);
    return l;
}

/* A settlement is a closing: it is taken also when nothing new may begin. */
enum err replay_settle(struct job *c, const struct ipc_settle *in, struct err_info *reterr)
{
    const struct ipc_done done = { 0 };
    struct meta_key k;
    struct leaf l;
    enum err e = jti_check(in->jti) ? meta_key_get(c->v, in->jti, c->mem, &k, reterr) : ERR_NOTFOUND;

    if (e == ERR_NOTFOUND || (e == ERR_OK && !span_eq(k.project, in->pid))) {
        const struct ipc_done unknown = { .status = 404, .code = SPAN("not-found") };

        return c->cmd->call == 0 ? ERR_OK : answer(c, IPC_T_DONE, &unknown, reterr);
    }
    TRY(e);
    TRY(lease_settle_leaf(in, c->now.real, &l, reterr));
    TRY(trail_write(c, &l, NULL, reterr));
    if (in->exported != 0) {
        l = export_leaf(c, in);
        TRY(trail_write(c, &l, NULL, reterr));
    }
    return c->cmd->call == 0 ? ERR_OK : answer(c, IPC_T_DONE, &done, reterr);
}

/* Ids come from keys that may be forged: only what has the form of an id goes into the leaf, and only a log that is. */
enum err replay_refused(struct job *c, const struct ipc_refused *in, struct err_info *reterr)
{
    struct span log = SPAN_EMPTY;
    struct meta_project p;
    struct leaf l;

    if (id_check(in->pid, ID_PROJECT)) {
        enum err e = meta_project_get(c->v, in->pid, c->mem, &p, reterr);

        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_OK)
            log = trail_log(c, p.id);
    }
    l = trail_leaf(c, LEAF_REPLAY_REFUSED, log);
    l.actor = id_check(in->sub, ID_USER) ? in->sub : SPAN_EMPTY;
    l.gid = id_check(in->gid, ID_GRANT) ? in->gid : SPAN_EMPTY;
    l.rid = id_check(in->rid, ID_RECORDING) ? in->rid : SPAN_EMPTY;
    l.jti = jti_check(in->jti) ? in->jti : SPAN_EMPTY;
    l.outcome = in->code;
    (void) leaf_add_number(&l, "count", in->count);
    return trail_write(c, &l, NULL, reterr);
}
