#include "access/request.h"

#include "base/utf8.h"
#include "codec/base64.h"
#include "codec/jcs.h"
#include "crypto/hash.h"

#include <stdlib.h>

static const char *const codes[REQUEST_VERDICT_N_] = {
    [REQUEST_OK] = "ok",
    [REQUEST_INVALID] = "invalid",
    [REQUEST_VIEWERS_UNSUPPORTED] = "viewers-unsupported",
    [REQUEST_MORE_UNSUPPORTED] = "more-unsupported",
    [REQUEST_MORE_TIME_UNSUPPORTED] = "more-time-unsupported",
    [REQUEST_PARTS_UNSUPPORTED] = "parts-unsupported",
    [REQUEST_EXTENDS_UNSUPPORTED] = "extends-unsupported",
    [REQUEST_BREAK_GLASS_UNSUPPORTED] = "break-glass-unsupported",
    [REQUEST_UNMASK_UNSUPPORTED] = "unmask-unsupported",
};

const char *request_code(enum request_verdict v)
{
    return v < REQUEST_VERDICT_N_ ? codes[v] : "?";
}

/* --- the reason --------------------------------------------------------------------------------------------------- */

/* White space, and what shows nothing: neither says why somebody wants to look. */
static bool is_blank(uint32_t cp)
{
    return cp == ' ' || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200f) || cp == 0x202f || cp == 0x205f ||
           (cp >= 0x2060 && cp <= 0x2064) || cp == 0x3000 || cp == 0xfeff || cp == 0xad || cp == 0x115f ||
           cp == 0x1160 || cp == 0x3164 || cp == 0xffa0 || cp == 0x2800 || (cp >= 0xfe00 && cp <= 0xfe0f) ||
           (cp >= 0xe0000 && cp <= 0xe0fff) || utf8_is_control(cp);
}

size_t request_reason_len(struct span reason)
{
    struct rd r = rd_of(reason);
    bool gap = false;
    size_t n = 0;

    while (r.n > 0) {
        uint32_t cp = utf8_read(&r);

        if (r.failed)
            return 0;
        if (is_blank(cp)) {
            gap = n > 0;
            continue;
        }
        n += (gap ? 1 : 0) + (utf8_is_wide(cp) ? 2 : 1);
        gap = false;
    }
    return n;
}

/* --- members ------------------------------------------------------------------------------------------------------ */

struct parse {
    struct tree body;
    bool check; /* REQUEST_TO_CHECK */
    struct span requester;
    time_ms now;
    struct arena *arena;
    struct request *req;
    struct field_errors *errs;
};

static void missing(struct parse *p, const char *at)
{
    if (!p->check)
        field_error_add(p->errs, FIELD_MISSING, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "%s", at);
}

/* A member that is there and not null. */
static bool member(struct tree obj, const char *key, struct tree *ret)
{
    return tree_get(obj, key, ret) && ret->tag != TREE_NULL;
}

static void check_known(struct parse *p, struct tree obj, const char *const *known, const char *at)
{
    struct span it = obj.payload;
    struct tree child;

    while (tree_next(&it, &child)) {
        bool found = false;

        for (size_t i = 0; known[i] != NULL && !found; i++)
            found = span_eq_str(child.key, known[i]);
        if (!found)
            field_error_add(p->errs, FIELD_UNKNOWN, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                            "a member that no request has; its name is not repeated here", "%s", at);
    }
}

static int by_bytes(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = n == 0 ? 0 : memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static void parse_recordings(struct parse *p)
{
    struct tree list, item;
    struct span *ids, at;
    size_t n;

    if (!member(p->body, "recordings", &list)) {
        field_error_add(p->errs, FIELD_MISSING, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/recordings");
        return;
    }
    if (list.tag != TREE_ARR) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a list of ids", "/recordings");
        return;
    }
    n = tree_count(list);
    if (n == 0 || n > REQUEST_RECORDINGS_MAX) {
        field_error_add(p->errs, n == 0 ? FIELD_TOO_SHORT : FIELD_TOO_LONG, n == 0 ? 1 : REQUEST_RECORDINGS_MAX,
                        (int64_t) n, NULL, "/recordings");
        return;
    }
    ids = arena_alloc(p->arena, n * sizeof(*ids));
    if (ids == NULL) {
        p->errs->seen++;
        return;
    }
    at = list.payload;
    for (size_t i = 0; tree_next(&at, &item); i++) {
        if (!tree_str(item, &ids[i]) || !id_check(ids[i], ID_RECORDING))
            field_error_add(p->errs, item.tag == TREE_STR ? FIELD_PATTERN : FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                            "an id that begins with r_", "/recordings/%zu", i);
        for (size_t j = 0; j < i; j++) {
            if (span_eq(ids[i], ids[j]) && ids[i].n > 0) {
                field_error_add(p->errs, FIELD_DUPLICATE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/recordings/%zu", i);
                break;
            }
        }
    }
    qsort(ids, n, sizeof(*ids), by_bytes);
    p->req->recordings = ids;
    p->req->n_recordings = n;
}

static void parse_actions(struct parse *p)
{
    struct tree list, item;
    struct span at, word;
    size_t n;

    if (!member(p->body, "actions", &list)) {
        missing(p, "/actions");
        p->req->actions = ACTION_BIT(ACTION_PLAY);
        return;
    }
    if (list.tag != TREE_ARR) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a list of words", "/actions");
        return;
    }
    n = tree_count(list);
    if (n == 0 || n > ACTION_N_) {
        field_error_add(p->errs, n == 0 ? FIELD_TOO_SHORT : FIELD_TOO_LONG, n == 0 ? 1 : ACTION_N_, (int64_t) n, NULL,
                        "/actions");
        return;
    }
    at = list.payload;
    for (size_t i = 0; tree_next(&at, &item); i++) {
        enum action a;

        if (!tree_str(item, &word) || !action_parse(word, &a))
            field_error_add(p->errs, item.tag == TREE_STR ? FIELD_NOT_ONE_OF : FIELD_TYPE, FIELD_NO_LIMIT,
                            FIELD_NO_LIMIT, "play, live, unmask or export", "/actions/%zu", i);
        else if ((p->req->actions & ACTION_BIT(a)) != 0)
            field_error_add(p->errs, FIELD_DUPLICATE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/actions/%zu", i);
        else
            p->req->actions |= ACTION_BIT(a);
    }
}

/* An optional text; its length is counted in characters. */
static void parse_text(struct parse *p, struct tree obj, const char *key, size_t max, const char *at, struct span *ret)
{
    struct tree t;

    if (!member(obj, key, &t))
        return;
    if (!tree_str(t, ret))
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a text", "%s", at);
    else if (utf8_count(*ret) > max)
        field_error_add(p->errs, FIELD_TOO_LONG, (int64_t) max, (int64_t) utf8_count(*ret), NULL, "%s", at);
    else if (memchr(ret->p == NULL ? (const uint8_t *) "" : ret->p, 0, ret->n) != NULL)
        field_error_add(p->errs, FIELD_PATTERN, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "U+0000 is not text", "%s", at);
}

static void parse_purpose(struct parse *p)
{
    static const char *const known[] = { "code", "reason", "ticket", NULL };
    struct tree obj;

    if (!member(p->body, "purpose", &obj)) {
        missing(p, "/purpose");
        return;
    }
    if (obj.tag != TREE_OBJ) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "an object with code and reason",
                        "/purpose");
        return;
    }
    check_known(p, obj, known, "/purpose");
    parse_text(p, obj, "code", REQUEST_PURPOSE_MAX, "/purpose/code", &p->req->purpose);
    parse_text(p, obj, "reason", REQUEST_REASON_MAX, "/purpose/reason", &p->req->reason);
    parse_text(p, obj, "ticket", REQUEST_TICKET_MAX, "/purpose/ticket", &p->req->ticket);
    if (p->req->purpose.n == 0)
        missing(p, "/purpose/code");
}

/* A whole number of at least 1; 0 is written when it is left out. True when it was there and good. */
static bool parse_seconds(struct parse *p, const char *key, int64_t max, const char *at, int64_t *ret)
{
    struct tree t;
    int64_t v;

    if (!member(p->body, key, &t))
        return false;
    if (!tree_int(t, &v)) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a whole number of seconds", "%s", at);
        return false;
    }
    if (v < 1 || v > max) {
        field_error_add(p->errs, v < 1 ? FIELD_TOO_SMALL : FIELD_TOO_LARGE, v < 1 ? 1 : max, v, NULL, "%s", at);
        return false;
    }
    *ret = v;
    return true;
}

static void parse_start(struct parse *p)
{
    struct request *req = p->req;
    struct tree t;
    struct span s;

    req->start = GRANT_START_APPROVAL;
    if (member(p->body, "start", &t)) {
        if (!tree_str(t, &s)) {
            field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a text", "/start");
        } else if (span_eq_str(s, "first-use")) {
            req->start = GRANT_START_FIRST_USE;
        } else if (!span_eq_str(s, "approval")) {
            req->start = GRANT_START_TIME;
            if (!time_parse_rfc3339(s, &req->start_at))
                field_error_add(p->errs, FIELD_PATTERN, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                                "approval, first-use or a time as of RFC 3339", "/start");
            else if (req->start_at < p->now - REQUEST_START_PAST_MS)
                field_error_add(p->errs, FIELD_IN_THE_PAST, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/start");
            else if (req->start_at > p->now + REQUEST_START_AHEAD_MS)
                field_error_add(p->errs, FIELD_TOO_LARGE, REQUEST_START_AHEAD_MS / 1000,
                                (req->start_at - p->now) / 1000, "at most 30 days ahead", "/start");
        }
    }
    if (parse_seconds(p, "start_by_s", REQUEST_START_BY_MAX_S, "/start_by_s", &req->start_by_s) &&
        req->start != GRANT_START_FIRST_USE)
        field_error_add(p->errs, FIELD_CONFLICT, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "only with start first-use",
                        "/start_by_s");
}

/* --- what is not built yet ---------------------------------------------------------------------------------------- */

static bool empty(struct tree t)
{
    bool v;

    switch (t.tag) {
    case TREE_NULL: return true;
    case TREE_BOOL: return tree_bool(t, &v) && !v;
    case TREE_STR:
    case TREE_ARR:
    case TREE_OBJ: return t.payload.n == 0;
    case TREE_INT:
    case TREE_NUM: return false;
    }
    return false;
}

/* The requester alone is who watches anyway. */
static bool only_requester(const struct parse *p, struct tree viewers)
{
    struct span at = viewers.payload, id;
    struct tree one;

    return viewers.tag == TREE_ARR && tree_count(viewers) == 1 && tree_next(&at, &one) && tree_str(one, &id) &&
           span_eq(id, p->requester);
}

static enum request_verdict unsupported(const struct parse *p)
{
    static const struct {
        const char *key;
        enum request_verdict v;
    } later[] = {
        { "viewers", REQUEST_VIEWERS_UNSUPPORTED },     { "more", REQUEST_MORE_UNSUPPORTED },
        { "more_time", REQUEST_MORE_TIME_UNSUPPORTED }, { "parts", REQUEST_PARTS_UNSUPPORTED },
        { "extends", REQUEST_EXTENDS_UNSUPPORTED },     { "break_glass", REQUEST_BREAK_GLASS_UNSUPPORTED },
    };
    struct tree t;

    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        if (tree_get(p->body, later[i].key, &t) && !empty(t) &&
            !(later[i].v == REQUEST_VIEWERS_UNSUPPORTED && only_requester(p, t)))
            return later[i].v;
    }
    return (p->req->actions & ACTION_BIT(ACTION_UNMASK)) != 0 ? REQUEST_UNMASK_UNSUPPORTED : REQUEST_OK;
}

enum request_verdict request_parse(struct tree body, enum request_purpose purpose, struct span requester, time_ms now,
                                   struct arena *arena, struct request *ret, struct field_errors *ret_errors)
{
    static const char *const known[] = { "recordings", "actions",     "purpose", "duration_s", "start",
                                         "start_by_s", "viewers",     "more",    "more_time",  "parts",
                                         "extends",    "break_glass", NULL };
    struct request req = { 0 };
    struct parse p = { body, purpose == REQUEST_TO_CHECK, requester, now, arena, &req, ret_errors };
    enum request_verdict v;

    *ret_errors = (struct field_errors){ 0 };
    if (body.tag != TREE_OBJ) {
        field_error_add(ret_errors, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "an object", "%s", "");
        return REQUEST_INVALID;
    }
    check_known(&p, body, known, "");
    parse_recordings(&p);
    parse_actions(&p);
    parse_purpose(&p);
    /* No cap here: the longest window is the policy's, and the refusal names that. */
    if (!parse_seconds(&p, "duration_s", JCS_INT_MAX / 1000, "/duration_s", &req.duration_s) &&
        !member(body, "duration_s", &(struct tree){ 0 }))
        missing(&p, "/duration_s");
    parse_start(&p);
    if (ret_errors->seen > 0)
        return REQUEST_INVALID;
    v = unsupported(&p);
    if (v == REQUEST_OK)
        *ret = req;
    return v;
}

/* --- the digest --------------------------------------------------------------------------------------------------- */

static void add_start(const struct request *req, struct buf *tree)
{
    char text[TIME_RFC3339_LEN + 1];

    if (req->start == GRANT_START_TIME)
        time_rfc3339(req->start_at, text);
    tree_add_str(tree, SPAN("start"), span_str(req->start == GRANT_START_TIME ? text : grant_start_name(req->start)));
    tree_add_int(tree, SPAN("start_by_s"), req->start == GRANT_START_FIRST_USE ? req->start_by_s : 0);
}

static void add_lists(const struct request *req, struct span requester, struct buf *tree)
{
    enum action actions[ACTION_N_];
    size_t n = action_sorted(req->actions, actions), mark;

    mark = tree_begin(tree, SPAN("recordings"), TREE_ARR);
    for (size_t i = 0; i < req->n_recordings; i++)
        tree_add_str(tree, SPAN_EMPTY, req->recordings[i]);
    tree_end(tree, mark);
    mark = tree_begin(tree, SPAN("actions"), TREE_ARR);
    for (size_t i = 0; i < n; i++)
        tree_add_str(tree, SPAN_EMPTY, span_str(action_name(actions[i])));
    tree_end(tree, mark);
    mark = tree_begin(tree, SPAN("viewers"), TREE_ARR);
    tree_add_str(tree, SPAN_EMPTY, requester);
    tree_end(tree, mark);
    mark = tree_begin(tree, SPAN("parts"), TREE_ARR);
    tree_end(tree, mark);
}

void request_digest_tree(const struct request_facts *f, struct buf *tree)
{
    const struct request *req = f->request;
    struct buf salt = BUF_INIT(64);
    size_t root = tree_begin(tree, SPAN_EMPTY, TREE_OBJ), mark;

    base64url_add(&salt, span_of(f->salt, REQUEST_SALT_LEN));
    tree_add_str(tree, SPAN("id"), f->id);
    tree_add_str(tree, SPAN("salt"), buf_span(&salt));
    tree_add_str(tree, SPAN("requester"), f->requester);
    tree_add_str(tree, SPAN("project"), f->project);
    tree_add_str(tree, SPAN("env"), f->env);
    tree_add_str(tree, SPAN("purpose"), req->purpose);
    tree_add_str(tree, SPAN("reason"), req->reason);
    tree_add_str(tree, SPAN("ticket"), req->ticket);
    tree_add_int(tree, SPAN("duration_s"), req->duration_s);
    tree_add_str(tree, SPAN("extends"), SPAN_EMPTY);
    tree_add_str(tree, SPAN("policy"), f->policy);
    add_start(req, tree);
    add_lists(req, f->requester, tree);
    mark = tree_begin(tree, SPAN("more"), TREE_OBJ);
    tree_end(tree, mark);
    mark = tree_begin(tree, SPAN("more_time"), TREE_OBJ);
    tree_end(tree, mark);
    tree_end(tree, root);
    if (salt.failed)
        tree->failed = true;
    buf_deinit(&salt);
}

#define DIGEST_BYTES_MAX (64 * 1024)

NODISCARD enum err request_digest_json(const struct request_facts *f, struct buf *out, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf tree = BUF_INIT(DIGEST_BYTES_MAX);

    request_digest_tree(f, &tree);
    TRY(buf_check(&tree, reterr));
    return jcs_add(out, tree_root(buf_span(&tree)), reterr);
}

void request_digest_of_json(struct span json, char out[REQUEST_DIGEST_LEN + 1])
{
    static const char domain[] = "keyhole/request/v1\n";
    struct span parts[2] = { SPAN(domain), json };
    uint8_t hash[SHA256_LEN];
    struct buf text = BUF_INIT(64);

    sha256_parts(parts, 2, hash);
    base64url_add(&text, span_of(hash, sizeof(hash)));
    out[0] = '\0';
    (void) span_to_str(buf_span(&text), out, REQUEST_DIGEST_LEN + 1); /* 43 characters; "" when memory is short */
    buf_deinit(&text);
}

enum err request_digest(const struct request_facts *f, char out[REQUEST_DIGEST_LEN + 1], struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf json = BUF_INIT(DIGEST_BYTES_MAX);

    TRY(request_digest_json(f, &json, reterr));
    request_digest_of_json(buf_span(&json), out);
    return out[0] == '\0' ? ERR_RAISE(reterr, ERR_NOMEM, "request digest") : ERR_OK;
}
