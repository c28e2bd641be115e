#include "cli/digest.h"

#include "cli/cli.h"
#include "codec/base64.h"
#include "codec/jcs.h"
#include "crypto/hash.h"

#define CANONICAL_MAX (1u << 20)
#define N_MEMBERS     (sizeof(members) / sizeof(members[0]))

static const struct {
    const char *name;
    enum tree_tag tag;
} members[] = {
    { "id", TREE_STR },         { "salt", TREE_STR },      { "requester", TREE_STR },  { "project", TREE_STR },
    { "env", TREE_STR },        { "recordings", TREE_ARR },{ "actions", TREE_ARR },    { "purpose", TREE_STR },
    { "reason", TREE_STR },     { "ticket", TREE_STR },    { "start", TREE_STR },      { "start_by_s", TREE_INT },
    { "duration_s", TREE_INT }, { "viewers", TREE_ARR },   { "more", TREE_OBJ },       { "more_time", TREE_OBJ },
    { "parts", TREE_ARR },      { "extends", TREE_STR },   { "policy", TREE_STR },
};

static enum err differs(const char *what, struct err_info *reterr)
{
    return ERR_RAISE(reterr, ERR_CORRUPT, "the server shows another %s than it asks to approve: not approved", what);
}

/* The same strings, in any order. */
static bool same_set(struct tree a, struct tree b, const char *b_member)
{
    struct span at = a.payload, want, got;
    struct tree x, y;

    if (a.tag != TREE_ARR || b.tag != TREE_ARR || tree_count(a) != tree_count(b))
        return false;
    while (tree_next(&at, &x)) {
        struct span in = b.payload;
        bool found = false;

        while (tree_next(&in, &y) && !found) {
            got = b_member != NULL ? get(y, b_member) : SPAN_EMPTY;
            if (b_member == NULL)
                (void) tree_str(y, &got);
            found = tree_str(x, &want) && span_eq(want, got);
        }
        if (!found)
            return false;
    }
    return true;
}

enum err seen_read(struct tree r, struct span q, struct seen *ret, struct err_info *reterr)
{
    struct tree o = get_node(r, "digest_object"), purpose = get_node(r, "purpose"), m;

    if (o.tag != TREE_OBJ || tree_count(o) != N_MEMBERS)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the server asks to approve something this version cannot show: not approved");
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if (!tree_get(o, members[i].name, &m) || m.tag != members[i].tag)
            return ERR_RAISE(reterr, ERR_CORRUPT, "the server does not show '%s' of what it asks to approve: not approved",
                             members[i].name);
    }
    if (!span_eq(get(o, "id"), q) || !span_eq(get(r, "id"), q))
        return differs("request", reterr);
    if (!span_eq(get(o, "requester"), get(get_node(r, "requester"), "id")))
        return differs("requester", reterr);
    if (!span_eq(get(o, "project"), get(r, "project")) || !span_eq(get(o, "env"), get(r, "env")))
        return differs("project", reterr);
    if (!same_set(get_node(o, "recordings"), get_node(r, "recordings"), "id"))
        return differs("list of recordings", reterr);
    if (!same_set(get_node(o, "actions"), get_node(r, "actions"), NULL))
        return differs("list of actions", reterr);
    if (!span_eq(get(o, "purpose"), get(purpose, "code")) || !span_eq(get(o, "reason"), get(purpose, "reason")) ||
        !span_eq(get(o, "ticket"), get(purpose, "ticket")))
        return differs("purpose", reterr);
    if (get_int(o, "duration_s") != get_int(r, "duration_s") || !span_eq(get(o, "start"), get(r, "start")) ||
        get_int(o, "start_by_s") != get_int(r, "start_by_s"))
        return differs("time", reterr);
    if (!span_eq(get(o, "policy"), get(r, "policy")))
        return differs("policy", reterr);
    ret->object = o;
    ret->request = r;
    return ERR_OK;
}

enum err seen_digest(const struct seen *s, char out[SEEN_DIGEST_LEN + 1], struct err_info *reterr)
{
    struct buf text = BUF_INIT(CANONICAL_MAX);
    uint8_t hash[SHA256_LEN];
    enum err err;

    buf_add_str(&text, "keyhole/request/v1\n");
    err = jcs_add(&text, s->object, reterr);
    if (err == ERR_OK) {
        sha256(buf_span(&text), hash);
        (void) base64url_str(hash, sizeof(hash), out, SEEN_DIGEST_LEN + 1);
    }
    buf_deinit(&text);
    return err;
}

/* ---- showing ---- */

static void label(struct buf *out, const char *name)
{
    buf_addf(out, "%-12s ", name);
}

static void text_field(struct buf *out, const char *name, struct span value)
{
    label(out, name);
    text_safe(out, value);
    buf_add_c(out, '\n');
}

static struct tree recording_of(struct tree list, struct span id)
{
    struct span at = list.payload;
    struct tree r;

    while (list.tag == TREE_ARR && tree_next(&at, &r)) {
        if (span_eq(get(r, "id"), id))
            return r;
    }
    return (struct tree){ 0 };
}

static void recordings(const struct seen *s, struct buf *out)
{
    struct tree list = get_node(s->object, "recordings"), t;
    struct span at = list.payload, id;

    while (tree_next(&at, &t)) {
        struct tree r;
        bool gone = false;

        if (!tree_str(t, &id))
            continue;
        r = recording_of(get_node(s->request, "recordings"), id);
        (void) tree_get_bool(r, "gone", &gone);
        label(out, "recording");
        text_safe(out, id);
        if (gone) {
            buf_add_str(out, " (gone)\n");
            continue;
        }
        buf_add_c(out, ' ');
        text_safe(out, get(r, "kind"));
        buf_add_c(out, ' ');
        text_duration(out, get_int(r, "duration_ms"), false);
        if (get(r, "subject").n > 0) {
            buf_add_str(out, ", of ");
            text_safe(out, get(r, "subject"));
        }
        if (get(r, "title").n > 0) {
            buf_add_str(out, "\n             ");
            text_safe(out, get(r, "title"));
        }
        buf_add_c(out, '\n');
    }
}

static void start(const struct seen *s, struct buf *out)
{
    struct span v = get(s->object, "start");

    label(out, "begins");
    if (span_eq_str(v, "approval")) {
        buf_add_str(out, "when approved\n");
    } else if (span_eq_str(v, "first-use")) {
        buf_add_str(out, "at first use, within ");
        text_span(out, get_int(s->object, "start_by_s") * 1000);
        buf_add_c(out, '\n');
    } else {
        text_safe(out, v);
        buf_add_c(out, '\n');
    }
}

/* The person of that id in a list of them. */
static struct span name_of(struct tree people, struct span id)
{
    struct tree p;

    for (struct span at = people.payload; people.tag == TREE_ARR && tree_next(&at, &p);) {
        if (span_eq(get(p, "id"), id))
            return person_name(p);
    }
    return id;
}

static void viewers(const struct seen *s, struct buf *out)
{
    struct tree list = get_node(s->object, "viewers"), t;
    struct span id;

    for (struct span at = list.payload; tree_next(&at, &t);) {
        if (!tree_str(t, &id) || span_eq(id, get(s->object, "requester")))
            continue;
        label(out, "viewer");
        text_safe(out, name_of(get_node(s->request, "viewers"), id));
        buf_add_str(out, " (");
        text_safe(out, id);
        buf_add_str(out, ")\n");
    }
}

/* What may be added later without another vote. Members that this version does not know are shown as they are. */
static void beforehand(const struct seen *s, struct buf *out)
{
    static const char *const names[] = { "more", "more_time", "parts" };
    struct jsonw w;

    for (size_t i = 0; i < 3; i++) {
        struct tree t = get_node(s->object, names[i]);
        size_t n = tree_count(t);

        if (n == 0)
            continue;
        label(out, names[i]);
        if (i == 0 && n == 2 && get(t, "same").n > 0 && get_int(t, "max") > 0) {
            buf_addf(out, "up to %lld recordings of the same ", (long long) get_int(t, "max"));
            text_safe(out, get(t, "same"));
        } else if (i == 1 && n == 2 && get_int(t, "times") > 0 && get_int(t, "each_s") > 0) {
            buf_addf(out, "%lld times ", (long long) get_int(t, "times"));
            text_span(out, get_int(t, "each_s") * 1000);
            buf_addf(out, " (%lld s)", (long long) get_int(t, "each_s"));
        } else {
            jsonw_init(&w, out);
            jsonw_tree(&w, t);
        }
        buf_add_c(out, '\n');
    }
}

/* The access that this belongs to, and (by the server's word) how. */
static void linked(const struct seen *s, struct buf *out)
{
    struct tree to = get_node(s->request, "extends");

    label(out, "belongs to");
    text_safe(out, get(s->object, "extends"));
    if (get(to, "kind").n > 0) {
        buf_add_str(out, " (");
        text_safe(out, get(to, "kind"));
        if (person_name(get_node(to, "holder")).n > 0) {
            buf_add_str(out, ", access of ");
            text_safe(out, person_name(get_node(to, "holder")));
        }
        buf_add_c(out, ')');
    }
    buf_add_c(out, '\n');
}

static bool unmasks(struct tree object)
{
    struct tree list = get_node(object, "actions"), t;
    struct span at = list.payload, word;

    while (list.tag == TREE_ARR && tree_next(&at, &t)) {
        if (tree_str(t, &word) && span_eq_str(word, "unmask"))
            return true;
    }
    return false;
}

void seen_text(const struct seen *s, struct buf *out)
{
    struct tree who = get_node(s->request, "requester");
    struct buf list = BUF_INIT(65536);

    text_field(out, "request", get(s->object, "id"));
    label(out, "who");
    text_safe(out, person_name(who));
    if (get(who, "full_name").n > 0) {
        buf_add_str(out, ", ");
        text_safe(out, get(who, "full_name"));
    }
    buf_add_str(out, " (");
    text_safe(out, get(s->object, "requester"));
    buf_add_str(out, ")\n");
    viewers(s, out);
    recordings(s, out);
    label(out, "project");
    if (get(s->request, "project_name").n > 0) {
        text_safe(out, get(s->request, "project_name"));
        buf_add_c(out, ' ');
    }
    buf_add_c(out, '(');
    text_safe(out, get(s->object, "project"));
    buf_add_str(out, "), env ");
    text_safe(out, get(s->object, "env"));
    buf_add_c(out, '\n');
    join(&list, get_node(s->object, "actions"), ", ");
    text_field(out, "to", buf_span(&list));
    if (unmasks(s->object))
        text_field(out, "note", SPAN("values that were hidden when they were recorded will be shown"));
    text_field(out, "purpose", get(s->object, "purpose"));
    text_field(out, "reason", get(s->object, "reason"));
    if (get(s->object, "ticket").n > 0)
        text_field(out, "ticket", get(s->object, "ticket"));
    label(out, "for");
    text_span(out, get_int(s->object, "duration_s") * 1000);
    buf_addf(out, " (%lld s)\n", (long long) get_int(s->object, "duration_s"));
    start(s, out);
    if (get(s->object, "extends").n > 0)
        linked(s, out);
    beforehand(s, out);
    text_field(out, "policy", get(s->object, "policy"));
    buf_deinit(&list);
}
