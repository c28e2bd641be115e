/* The digest object of a request and what is computed from it (docs/formats/request.md). */
#include "access/request.h"
#include "codec/base64.h"
#include "codec/jcs.h"
#include "crypto/hash.h"

static void add_start(const struct request *req, struct buf *tree)
{
    char text[TIME_RFC3339_LEN + 1];

    if (req->start == GRANT_START_TIME)
        time_rfc3339(req->start_at, text);
    tree_add_str(tree, SPAN("start"), span_str(req->start == GRANT_START_TIME ? text : grant_start_name(req->start)));
    tree_add_int(tree, SPAN("start_by_s"), req->start == GRANT_START_FIRST_USE ? req->start_by_s : 0);
}

/* Sorted by bytes; the requester has a place among them. */
static void add_viewers(const struct request *req, struct span requester, struct buf *tree)
{
    size_t mark = tree_begin(tree, SPAN("viewers"), TREE_ARR);
    bool put = false;

    for (size_t i = 0; i < req->n_viewers; i++) {
        if (!put && span_cmp(requester, req->viewers[i]) < 0) {
            tree_add_str(tree, SPAN_EMPTY, requester);
            put = true;
        }
        tree_add_str(tree, SPAN_EMPTY, req->viewers[i]);
    }
    if (!put)
        tree_add_str(tree, SPAN_EMPTY, requester);
    tree_end(tree, mark);
}

static void add_beforehand(const struct request *req, struct buf *tree)
{
    size_t mark = tree_begin(tree, SPAN("more"), TREE_OBJ);

    if (req->more_max > 0) {
        tree_add_str(tree, SPAN("same"), span_str(request_same_name(req->more_same)));
        tree_add_int(tree, SPAN("max"), req->more_max);
    }
    tree_end(tree, mark);
    mark = tree_begin(tree, SPAN("more_time"), TREE_OBJ);
    if (req->more_times > 0) {
        tree_add_int(tree, SPAN("times"), req->more_times);
        tree_add_int(tree, SPAN("each_s"), req->more_each_s);
    }
    tree_end(tree, mark);
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
    add_viewers(req, requester, tree);
    mark = tree_begin(tree, SPAN("parts"), TREE_ARR);
    tree_end(tree, mark);
}

void request_digest_tree(const struct request_facts *f, struct buf *tree)
{
    const struct request *req = f->request;
    struct buf salt = BUF_INIT(64);
    size_t root = tree_begin(tree, SPAN_EMPTY, TREE_OBJ);

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
    tree_add_str(tree, SPAN("extends"), req->extends);
    tree_add_str(tree, SPAN("policy"), f->policy);
    add_start(req, tree);
    add_lists(req, f->requester, tree);
    add_beforehand(req, tree);
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
