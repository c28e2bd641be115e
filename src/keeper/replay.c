#include "keeper/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "keeper/keys.h"
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
    const struct span type = SPAN("replay.leased");
    const struct meta_audit_filter f = { .log = k->project, .types = &type, .n_types = 1, .gid = k->gid, .from = -1,
                                         .after_ms = k->iat_s * 1000, .limit = META_PAGE_MAX };
    struct meta_audit_item *items;
    char want[64];
    uint64_t sum = 0;
    int64_t more;
    size_t n;

    (void) snprintf(want, sizeof(want), "\"jti\":\"" SPAN_FMT "\"", SPAN_ARG(k->jti));
    if (meta_audit_list(c->v, &f, c->mem, &items, &n, &more, NULL) != ERR_OK)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char *leaf = arena_str(c->mem, items[i].leaf);
        const char *bytes = leaf == NULL || strstr(leaf, want) == NULL ? NULL : strstr(leaf, "\"bytes\":");

        if (bytes != NULL) /* our own words, written by leaf_write */
            sum += strtoull(bytes + 8, NULL, 10);
    }
    return sum;
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

static enum err facts_lists(struct job *c, struct span rid, struct ipc_key_facts *f, struct err_info *reterr)
{
    struct meta_wrap_list wraps;
    struct meta_piece_list pieces;

    TRY(meta_wraps(c->v, rid, c->mem, &wraps, reterr));
    TRY(meta_pieces(c->v, rid, c->mem, &pieces, reterr));
    f->wraps.rows = arena_alloc(c->mem, (wraps.n + 1) * sizeof(*f->wraps.rows));
    f->pieces.rows = arena_alloc(c->mem, (pieces.n + 1) * sizeof(*f->pieces.rows));
    if (f->wraps.rows == NULL || f->pieces.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "pieces of a recording");
    for (size_t i = 0; i < wraps.n; i++) {
        const struct meta_wrap *w = &wraps.rows[i];

        f->wraps.rows[f->wraps.n++] = (struct ipc_row_wrap){ (uint16_t) w->kn, (uint8_t) w->track, (uint32_t) w->epoch,
                                                             w->wrap };
    }
    for (size_t i = 0; i < pieces.n; i++) {
        const struct meta_piece *p = &pieces.rows[i];

        f->pieces.rows[f->pieces.n++] = (struct ipc_row_piece){
            .seg_no = (uint32_t) p->seg_no, .kn = (uint16_t) p->kn, .track = (uint8_t) p->track,
            .kind = (uint8_t) p->kind, .codec = (uint8_t) p->codec, .size = (uint64_t) p->size, .sha256 = p->sha256,
            .first_seq = (uint64_t) p->first_seq, .n_events = (uint64_t) p->n_events,
            .first_chunk = (uint32_t) p->first_chunk, .n_chunks = (uint32_t) p->n_chunks, .t_first_us = p->t_first_us,
            .t_last_us = p->t_last_us,
        };
        f->n_chunks += (uint32_t) p->n_chunks;
    }
    return ERR_OK;
}

static enum err facts(struct job *c, const struct meta_key *k, struct ipc_key_facts *f, struct ipc_row_grant *row,
                      struct err_info *reterr)
{
    struct meta_recording r;
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
    TRY(life_of_grant(c, k->gid, &l, reterr));
    TRY(life_row(c, &l, 0, row, reterr));
    f->grant.rows = row;
    f->grant.n = 1;
    f->vid = k->vid;
    f->kind = r.kind;
    f->events = (uint64_t) r.events;
    f->duration_us = r.duration_us;
    f->started_ms = r.started_ms;
    f->volume = volume_of(c, k);
    return facts_lists(c, k->rid, f, reterr);
}

enum err replay_key_first(struct job *c, const struct ipc_key_first *in, struct err_info *reterr)
{
    const struct keys_claim claim = { .jti = in->jti, .gid = in->gid, .rid = in->rid, .pid = in->pid, .sub = in->sub,
                                      .env = in->env, .gen = in->gen };
    struct ipc_key_facts f = { 0 };
    struct ipc_row_grant row;
    enum key_verdict verdict;
    struct meta_key k;
    struct meta_grant g;

    TRY(keys_judge(c, &claim, &verdict, &k, &g, reterr));
    f.verdict = (uint16_t) verdict;
    if (verdict == KEY_OK)
        TRY(facts(c, &k, &f, &row, reterr));
    return answer(c, IPC_T_KEY_FACTS, &f, reterr);
}

/* ---- leases ---- */

static const char *const lease_words[] = { "stream", "chunk", "events", "export", "manifest" };

static enum err write_lease(struct job *c, const struct ipc_lease *in, const struct meta_grant *g,
                            struct ipc_leased *ret, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_REPLAY_LEASED, trail_log(c, in->pid));

    l.actor = in->sub;
    l.q = g->request;
    l.gid = in->gid;
    l.gen = in->gen;
    l.vid = in->vid;
    l.rid = in->rid;
    l.jti = in->jti;
    l.policy = g->policy;
    if (in->what == LEASE_MANIFEST) {
        (void) leaf_add_number(&l, "manifest", 1);
    } else {
        (void) leaf_add_number(&l, "from_seq", (int64_t) in->from_seq);
        (void) leaf_add_number(&l, "to_seq", (int64_t) in->to_seq);
        (void) leaf_add_number(&l, "from_ms", (int64_t) in->from_ms);
        (void) leaf_add_number(&l, "to_ms", (int64_t) in->to_ms);
    }
    (void) leaf_add_number(&l, "bytes", (int64_t) in->bytes);
    l.outcome = span_str(lease_words[in->what]);
    TRY(trail_write(c, &l, &ret->idx, reterr));
    ret->t_ms = l.t;
    if (in->release == 0)
        return ERR_OK;
    l = trail_leaf(c, LEAF_VAULT_RELEASED, trail_log(c, in->pid));
    l.actor = in->sub;
    l.gid = in->gid;
    l.gen = in->gen;
    l.vid = in->vid;
    l.rid = in->rid;
    l.jti = in->jti;
    (void) leaf_add_number(&l, "kn", in->release_kn);
    (void) leaf_add_number(&l, "track", in->release_track);
    TRY(trail_write(c, &l, &ret->release_idx, reterr));
    ret->release_t_ms = l.t;
    return ERR_OK;
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
    if (verdict == KEY_OK && !span_eq(k.vid, in->vid))
        verdict = KEY_FORGED;
    if (verdict == KEY_OK && in->what > LEASE_MANIFEST)
        verdict = KEY_AUDIT_UNAVAILABLE;
    if (verdict == KEY_OK && atomic_load(&c->core->audit_space))
        verdict = KEY_AUDIT_SPACE;
    if (verdict == KEY_OK && atomic_load(&c->core->audit_sealed))
        verdict = KEY_AUDIT_UNAVAILABLE;
    if (verdict == KEY_OK && atomic_load(&c->core->clock_bad))
        verdict = KEY_CLOCK_UNTRUSTED;
    if (verdict == KEY_OK) {
        TRY(viewing_leased(c, in->vid, reterr));
        TRY(write_lease(c, in, &g, &ret, reterr));
        leased_later(c, &k, in->bytes);
    }
    ret.verdict = (uint16_t) verdict;
    return answer(c, IPC_T_LEASED, &ret, reterr);
}

/* At most 16 ranges are named; 'more' says that there were others (STANDARDS 3.7). */
static void add_ranges(struct leaf *l, const struct ipc_settle *in)
{
    static const char *const names[16][2] = {
        { "from_seq", "to_seq" },       { "from_seq_1", "to_seq_1" },   { "from_seq_2", "to_seq_2" },
        { "from_seq_3", "to_seq_3" },   { "from_seq_4", "to_seq_4" },   { "from_seq_5", "to_seq_5" },
        { "from_seq_6", "to_seq_6" },   { "from_seq_7", "to_seq_7" },   { "from_seq_8", "to_seq_8" },
        { "from_seq_9", "to_seq_9" },   { "from_seq_10", "to_seq_10" }, { "from_seq_11", "to_seq_11" },
        { "from_seq_12", "to_seq_12" }, { "from_seq_13", "to_seq_13" }, { "from_seq_14", "to_seq_14" },
        { "from_seq_15", "to_seq_15" },
    };

    for (uint32_t i = 0; i < in->ranges.n && i < 16; i++) {
        (void) leaf_add_number(l, names[i][0], (int64_t) in->ranges.rows[i].from_seq);
        (void) leaf_add_number(l, names[i][1], (int64_t) in->ranges.rows[i].to_seq);
    }
    if (in->more != 0 || in->ranges.n > 16)
        (void) leaf_add_number(l, "more", 1);
}

static struct leaf settle_leaf(struct job *c, const struct ipc_settle *in, enum leaf_type type)
{
    struct leaf l = trail_leaf(c, type, trail_log(c, in->pid));

    l.actor = in->sub;
    l.gid = in->gid;
    l.gen = in->gen;
    l.vid = in->vid;
    l.rid = in->rid;
    l.jti = in->jti;
    (void) leaf_add_number(&l, "first_lease", (int64_t) in->first_lease);
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
    l = settle_leaf(c, in, LEAF_REPLAY_SETTLED);
    add_ranges(&l, in);
    TRY(trail_write(c, &l, NULL, reterr));
    if (in->exported != 0) {
        l = settle_leaf(c, in, LEAF_EXPORT_DONE);
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
