#include "audit/verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"

#define CHECKPOINTS_MAX 4096
#define LEAF_BYTES_MAX  4096

struct point {
    uint64_t size;
    struct merkle_hash root;
};

struct audit_verify {
    char log[LOG_ID_CAP];
    struct note_vkey vkey;
    struct point points[CHECKPOINTS_MAX];
    size_t n_points, n_reached;
    struct merkle_frontier tree;
    time_ms last;
    bool no_memory;
    struct audit_result r;
};

const char *audit_verdict_word(enum audit_verdict v)
{
    switch (v) {
    case AUDIT_GOOD: return "good";
    case AUDIT_NOTE_MALFORMED: return "note-malformed";
    case AUDIT_NOTE_UNKNOWN_KEY: return "note-unknown-key";
    case AUDIT_NOTE_FORGED: return "note-forged";
    case AUDIT_NOTE_ORIGIN: return "note-origin";
    case AUDIT_LEAF_MALFORMED: return "leaf-malformed";
    case AUDIT_LEAF_GAP: return "leaf-gap";
    case AUDIT_LEAF_TIME: return "leaf-time";
    case AUDIT_LEAF_HASH: return "leaf-hash";
    case AUDIT_TRUNCATED: return "truncated";
    case AUDIT_ROOT: return "root";
    case AUDIT_NO_CHECKPOINT: return "no-checkpoint";
    case AUDIT_TILE: return "tile";
    }
    return "unknown";
}

struct audit_verify *audit_verify_new(struct span log, const struct note_vkey *vkey)
{
    struct audit_verify *v = calloc(1, sizeof(*v));

    if (v == NULL || !span_to_str(log, v->log, sizeof(v->log)))
        return audit_verify_free(v);
    v->vkey = *vkey;
    merkle_frontier_init(&v->tree);
    return v;
}

struct audit_verify *audit_verify_free(struct audit_verify *v)
{
    free(v);
    return NULL;
}

void audit_verify_freep(struct audit_verify **v)
{
    *v = audit_verify_free(*v);
}

/* Only the first fault is kept. Returns false, for leaves. */
static bool fault(struct audit_verify *v, enum audit_verdict verdict, uint64_t at, uint64_t upto, const char *text)
{
    if (v->r.verdict != AUDIT_GOOD)
        return false;
    v->r.verdict = verdict;
    v->r.at = at;
    v->r.upto = upto;
    (void) snprintf(v->r.text, sizeof(v->r.text), "%s", text);
    return false;
}

void audit_verify_checkpoint(struct audit_verify *v, struct span note)
{
    struct note_checkpoint c;
    struct span text;
    uint64_t at = v->n_points > 0 ? v->points[v->n_points - 1].size : 0;

    switch (note_open(note, &v->vkey, &text)) {
    case NOTE_GOOD: break;
    case NOTE_MALFORMED: fault(v, AUDIT_NOTE_MALFORMED, at, at + 1, "a checkpoint is not a signed note"); return;
    case NOTE_UNKNOWN_KEY: fault(v, AUDIT_NOTE_UNKNOWN_KEY, at, at + 1, "a checkpoint is not signed by this key"); return;
    case NOTE_FORGED: fault(v, AUDIT_NOTE_FORGED, at, at + 1, "a checkpoint's signature is false"); return;
    }
    if (note_checkpoint_parse(text, &c, NULL, NULL) != ERR_OK) {
        fault(v, AUDIT_NOTE_MALFORMED, at, at + 1, "a signed note is not a checkpoint");
        return;
    }
    if (!span_eq_str(c.origin, v->vkey.name)) {
        fault(v, AUDIT_NOTE_ORIGIN, at, at + 1, "a checkpoint is that of another log");
        return;
    }
    if (v->n_points > 0 && c.size == at && !merkle_eq(&c.root, &v->points[v->n_points - 1].root)) {
        fault(v, AUDIT_ROOT, 0, at, "two checkpoints of the same size have different roots: the log was forked");
        return;
    }
    if (c.size > at && v->n_points < CHECKPOINTS_MAX)
        v->points[v->n_points++] = (struct point){ c.size, c.root };
}

static bool member_is(struct json_value o, const char *name, enum json_type type, struct span *ret)
{
    struct json_value m;

    if (!json_find(o, name, &m) || m.type != type)
        return false;
    *ret = m.raw;
    return true;
}

/* What every leaf says about itself: "v", "log", "i", "t", "type". */
static bool read_leaf(struct audit_verify *v, struct span leaf, struct span *ret_log, int64_t *ret_i, time_ms *ret_t)
{
    static const struct json_limits limits = { .bytes = LEAF_BYTES_MAX, .depth = 4, .members = 200,
                                               .string = LEAF_BYTES_MAX, .refuse_nul = true };
    struct span version, i, t, type;
    struct json_error e = { 0 };
    struct json_value o;

    if (leaf.n == 0 || leaf.p[0] != '{')
        return false;
    if (!json_check(leaf, &limits, &e)) {
        v->no_memory = e.cause == JSON_E_NOMEM;
        return false;
    }
    o = json_value(leaf);
    return member_is(o, "v", JSON_NUMBER, &version) && span_eq_str(version, "1") &&
           member_is(o, "log", JSON_STRING, ret_log) && member_is(o, "i", JSON_NUMBER, &i) && json_int(i, ret_i) &&
           member_is(o, "t", JSON_STRING, &t) && time_parse_rfc3339(t, ret_t) &&
           member_is(o, "type", JSON_STRING, &type) && type.n > 0;
}

/* Past a checkpoint: is the root what was signed? */
static bool check_root(struct audit_verify *v)
{
    struct merkle_hash root;
    char text[200];
    uint64_t from;

    if (v->n_reached == v->n_points || v->points[v->n_reached].size != v->tree.size)
        return true;
    root = merkle_root(&v->tree);
    from = v->n_reached > 0 ? v->points[v->n_reached - 1].size : 0;
    if (!merkle_eq(&root, &v->points[v->n_reached].root)) {
        (void) snprintf(text, sizeof(text), "among records %llu to %llu at least one is not what was signed",
                        (unsigned long long) from, (unsigned long long) v->tree.size - 1);
        return fault(v, AUDIT_ROOT, from, v->tree.size, text);
    }
    v->n_reached++;
    v->r.n_signed = v->tree.size;
    v->r.root = root;
    return true;
}

bool audit_verify_leaf(struct audit_verify *v, struct span leaf, struct span hash)
{
    uint64_t at = v->tree.size;
    struct merkle_hash h = merkle_leaf(leaf);
    struct span log;
    int64_t i;
    time_ms t;
    char text[200];

    if (v->r.verdict != AUDIT_GOOD)
        return false;
    if (hash.p != NULL && !span_eq(hash, SPAN_OF(h.b))) {
        (void) snprintf(text, sizeof(text), "record %llu does not have the hash that was written with it",
                        (unsigned long long) at);
        return fault(v, AUDIT_LEAF_HASH, at, at + 1, text);
    }
    if (!read_leaf(v, leaf, &log, &i, &t) || !span_eq_str(log, v->log)) {
        if (v->no_memory)
            return false;
        (void) snprintf(text, sizeof(text), "record %llu is not a record of this log", (unsigned long long) at);
        return fault(v, AUDIT_LEAF_MALFORMED, at, at + 1, text);
    }
    if (i < 0 || (uint64_t) i != at) {
        (void) snprintf(text, sizeof(text), "where record %llu belongs stands record %lld", (unsigned long long) at,
                        (long long) i);
        return fault(v, AUDIT_LEAF_GAP, at, at + 1, text);
    }
    if (t < v->last) {
        (void) snprintf(text, sizeof(text), "record %llu is earlier than the one before it", (unsigned long long) at);
        return fault(v, AUDIT_LEAF_TIME, at, at + 1, text);
    }
    v->last = t;
    if (merkle_append(&v->tree, &h, NULL, NULL, NULL) != ERR_OK)
        return fault(v, AUDIT_LEAF_MALFORMED, at, at + 1, "more records than a log can have");
    return check_root(v);
}

bool audit_verify_no_memory(const struct audit_verify *v)
{
    return v->no_memory;
}

void audit_verify_finish(struct audit_verify *v, struct audit_result *ret)
{
    char text[200];

    v->r.n_leaves = v->tree.size;
    if (v->n_points == 0) {
        fault(v, AUDIT_NO_CHECKPOINT, 0, v->tree.size, "there is no signed checkpoint");
    } else if (v->n_reached < v->n_points) {
        (void) snprintf(text, sizeof(text), "the log ends after %llu records, %llu were signed",
                        (unsigned long long) v->tree.size, (unsigned long long) v->points[v->n_points - 1].size);
        fault(v, AUDIT_TRUNCATED, v->tree.size, v->points[v->n_points - 1].size, text);
    }
    if (v->r.verdict == AUDIT_GOOD)
        (void) snprintf(v->r.text, sizeof(v->r.text), "%llu records, %llu of them signed",
                        (unsigned long long) v->r.n_leaves, (unsigned long long) v->r.n_signed);
    *ret = v->r;
}
