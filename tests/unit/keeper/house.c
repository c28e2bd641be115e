#include "house.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/policy.h"
#include "codec/confuse.h"
#include "codec/json.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "format/act.h"
#include "keeper/state.h"
#include "os/clock.h"

/* ---- the world ---- */

static void clocks(void *ctx, struct clock_reading *ret, bool *ret_synced)
{
    struct house *h = ctx;

    ret->real = h->real;
    ret->boot = h->boot;
    memcpy(ret->boot_id, h->boot_id, sizeof(ret->boot_id));
    *ret_synced = h->synced;
}

static void randomness(void *ctx, void *p, size_t n)
{
    (void) ctx;
    random_fill(p, n);
}

static void deliver(void *ctx, struct list *outs)
{
    struct house *h = ctx;

    for (struct list *n; (n = list_pop(outs)) != NULL;)
        list_append(&h->seen, n);
}

static bool space(void *ctx, uint64_t *ret_free, uint64_t *ret_total)
{
    struct house *h = ctx;

    *ret_free = h->room;
    *ret_total = h->total;
    return true;
}

static void fatal(void *ctx, const struct err_info *why)
{
    struct house *h = ctx;

    print_message("fatal: %s\n", why->text);
    h->fatal++;
}

static void open_core(struct house *h)
{
    static const char *const envs[] = { "prod", "test" };
    const struct core_config cfg = {
        .public_url = "http://localhost:8080", .player_url = "http://localhost:8081", .dir = h->dir, .demo = true,
        .demo_password = HOUSE_PASSWORD, .envs = envs, .n_envs = 2, .key_life_s = 120, .bearer_life_s = 60,
        .lapse_ms = 4 * 3600 * 1000, .idle_session_ms = 15 * 60 * 1000, .session_ms = 12 * 3600 * 1000,
        .new_key_wait_ms = h->new_key_wait_ms, .token_votes = h->token_votes, .cli_session_ms = 12 * 3600 * 1000, .fresh_ms = 15 * 60 * 1000, .vanish_ms = HOUSE_VANISH_MS,
        .hooks = h->hooks, .n_hooks = h->n_hooks,
    };
    const struct core_env env = { .ctx = h, .clocks = clocks, .random = randomness, .deliver = deliver, .space = space,
                                  .fatal = fatal };
    struct err_info e = { 0 };

    assert_ok_err(core_open(&cfg, &env, &h->core, &e), &e);
    house_tick(h, CMD_START);
    house_tick(h, CMD_GATE_OPEN);
    house_tick(h, CMD_VAULT_OPEN);
    house_tick(h, CMD_SECOND);
}

const char *house_preset(const char *name)
{
    static char text[64 << 10];
    char path[256];
    struct buf b = BUF_INIT(sizeof(text) - 1);

    (void) snprintf(path, sizeof(path), "packaging/policies/%s.conf", name);
    test_read_file(test_source(path), &b);
    for (size_t i = 0, n = 0; i <= b.n && n + 20 < sizeof(text); i++) { /* as init --plain-loopback does */
        static const char bound[] = "{ dpop }", both[] = "{ dpop, bearer }";
        bool here = i + sizeof(bound) - 1 <= b.n && memcmp(b.p + i, bound, sizeof(bound) - 1) == 0;

        text[n] = i == b.n ? '\0' : (char) b.p[i];
        if (here) {
            memcpy(text + n, both, sizeof(both) - 1);
            n += sizeof(both) - 2;
            i += sizeof(bound) - 2;
        }
        n++;
    }
    buf_deinit(&b);
    return text;
}

void house_open(struct house *h, const char *policy_text, bool demo)
{
    struct confuse_source source = { .name = "policy", .text = span_str(policy_text), .max_bytes = 64 << 10 };
    struct buf tree = BUF_INIT(1 << 20);
    struct keeper_setup s = { .dir = h->dir, .public_url = "http://localhost:8080", .env = "prod",
                              .demo_password = demo ? HOUSE_PASSWORD : NULL, .epoch = 1,
                              .policy_source = span_str(policy_text) };
    CLEANUP(secret_freep) struct secret *key = NULL;
    struct err_info e = { 0 };

    *h = (struct house){ .synced = true, .room = 50, .total = 100, .vault_signs = true, .chan = 1, .prefix = { 4, 127, 0, 0 }, .addr = { 127, 0, 0, 1 } };
    list_init(&h->seen);
    arena_init(&h->mem, 64 << 20);
    (void) snprintf(h->dir, sizeof(h->dir), "%s/kh-keeper-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(h->dir));
    assert_ok_err(confuse_load(&source, policy_schema, &tree, &e), &e);
    s.policy_tree = buf_span(&tree);
    assert_ok_err(box_generate(&key, s.epoch_pk, &e), &e);
    assert_ok_err(keeper_setup_run(&s, h->admin, &e), &e);
    buf_deinit(&tree);
    h->real = clock_wall_ms() + 60000;
    h->boot = 1000000;
    open_core(h);
}

static void remove_tree(const char *path)
{
    char cmd[256];

    (void) snprintf(cmd, sizeof(cmd), "rm -rf '%s'", path);
    assert_int_equal(system(cmd), 0);
}

void house_close(struct house *h)
{
    h->core = core_close(h->core);
    house_forget(h);
    arena_deinit(&h->mem);
    remove_tree(h->dir);
}

void house_restart(struct house *h)
{
    h->core = core_close(h->core);
    h->chan++;
    open_core(h);
}

/* ---- running ---- */

static void run_one(struct house *h, struct cmd *c)
{
    if (core_is_read(c))
        core_read(h->core, 0, c);
    else
        core_run(h->core, &c, 1);
}

static void password_step(struct cmd_password *p)
{
    p->ok = true;
    if (p->nobody)
        p->ok = password_verify_nobody(p->password);
    else if (p->verify)
        p->ok = password_verify(p->stored, p->password);
    if (p->ok && p->hash)
        p->failed = password_hash(p->new_password, p->hashed, NULL) != ERR_OK;
    p->done = true;
}

/* What keeper.c does with the vault's answer. */
static void vault_step(struct house *h, struct out *o)
{
    struct buf json = BUF_INIT(64 << 10);
    struct ipc_answer a = { .status = 201 };
    struct list one;
    struct out *answer;

    if (h->vault_signs) {
        buf_add_str(&json, "{\"key\":\"fake.key\",");
        buf_add_span(&json, span_sub(buf_span(&o->cmd->answer.body), 1, SIZE_MAX));
        a.body = buf_span(&json);
    } else {
        a = (struct ipc_answer){ .status = 503, .code = SPAN("authority-stale") };
    }
    list_init(&one);
    answer = out_add(&one, OUT_ANSWER, IPC_T_ANSWER, &a);
    answer->chan = o->cmd->chan;
    answer->call = o->cmd->call;
    list_remove(&answer->node);
    list_append(&h->seen, &answer->node);
    buf_deinit(&json);
}

static void slow_steps(struct house *h)
{
    for (bool again = true; again;) {
        again = false;
        LIST_FOREACH(n, &h->seen)
        {
            struct out *o = LIST_ENTRY(n, struct out, node);

            if (o->to != OUT_STEP || o->cmd == NULL)
                continue;
            if (o->step == CMD_STEP_PASSWORD) {
                struct cmd *c = TAKE(o->cmd);

                password_step(&c->password);
                run_one(h, c);
            } else {
                vault_step(h, o);
                o->cmd = cmd_free(o->cmd);
            }
            again = true;
            break;
        }
    }
}

static struct out *find_answer(struct house *h, uint64_t call)
{
    LIST_FOREACH(n, &h->seen)
    {
        struct out *o = LIST_ENTRY(n, struct out, node);

        if (o->to == OUT_ANSWER && o->call == call)
            return o;
    }
    return NULL;
}

void house_send(struct house *h, enum ipc_type type, const void *msg, enum ipc_type answer, void *ret)
{
    uint64_t call = answer == IPC_T_NONE_ ? 0 : ++h->next_call;
    struct cmd *c = cmd_new(CMD_MESSAGE, h->chan, call, type, msg);
    struct out *o;

    assert_non_null(c);
    run_one(h, c);
    slow_steps(h);
    if (answer == IPC_T_NONE_)
        return;
    o = find_answer(h, call);
    assert_non_null(o);
    assert_int_equal(o->type, answer);
    assert_ok(ipc_decode(answer, arena_span(&h->mem, buf_span(&o->body)), &h->mem, ret, NULL));
}

void house_tick(struct house *h, enum cmd_kind kind)
{
    struct cmd *c = cmd_new(kind, h->chan, 0, IPC_T_NONE_, NULL);

    core_run(h->core, &c, 1);
}

void house_sleep(struct house *h, int64_t ms)
{
    h->real += ms;
    h->boot += ms;
}

/* ---- calls ---- */

static struct span tree_of(struct house *h, const char *json)
{
    static const uint8_t secret[16] = { 1 };
    const struct json_limits limits = json_limits_control(secret);
    struct buf out = BUF_INIT(4 << 20);
    struct json_error je;
    struct span copy;

    if (json == NULL)
        return SPAN_EMPTY;
    if (!json_parse(span_str(json), &limits, &out, &je))
        fail_msg("bad JSON at %llu: %s", (unsigned long long) je.offset, json);
    copy = arena_span(&h->mem, buf_span(&out));
    buf_deinit(&out);
    return copy;
}

static struct reply reply_of(struct house *h, const struct ipc_answer *a)
{
    struct reply r = { .status = a->status, .text = a->body, .retry_after_s = a->retry_after_s };

    (void) span_to_str(a->code, r.code, sizeof(r.code));
    (void) span_to_str(a->etag, r.etag, sizeof(r.etag));
    (void) span_to_str(a->set_token, r.token, sizeof(r.token));
    if (a->content_type.n == 0 && a->body.n > 0 && a->body.p[0] == '{') /* a tile may begin so, too */
        r.body = tree_root(tree_of(h, arena_str(&h->mem, a->body)));
    return r;
}

struct cmd *house_message(struct house *h, enum ipc_type type, const void *msg, uint64_t *ret_call)
{
    struct cmd *c;

    *ret_call = ++h->next_call;
    c = cmd_new(CMD_MESSAGE, h->chan, *ret_call, type, msg);
    assert_non_null(c);
    return c;
}

static struct cmd *prepare(struct house *h, const char *token, enum route_id route, const char *id1, const char *query,
                           const char *body, const char *idem_key, const char *if_match, uint64_t *ret_call)
{
    uint8_t cred[SHA256_LEN], sum[SHA256_LEN];
    struct ipc_control in = { .route = (uint16_t) route, .id1 = span_str(id1), .query = tree_of(h, query),
                              .body = tree_of(h, body), .prefix = SPAN_OF(h->prefix), .addr = SPAN_OF(h->addr), .idem_key = span_str(idem_key),
                              .if_match = span_str(if_match), .trace = SPAN("0123456789abcdef0123456789abcdef") };

    if (h->prove != NULL) {
        in.proof_jkt = span_str(h->prove->jkt);
        in.proof_pub = SPAN_OF(h->prove->pub);
    }
    in.act = span_str(h->act);
    if (token != NULL) {
        sha256(span_str(token), cred);
        in.cred_kind = CRED_BEARER;
        in.cred = SPAN_OF(cred);
    }
    sha256(span_str(body), sum);
    in.body_sha256 = SPAN_OF(sum);
    return house_message(h, IPC_T_CONTROL, &in, ret_call);
}

struct cmd *house_prepare(struct house *h, const char *token, enum route_id route, const char *id1, const char *body,
                          uint64_t *ret_call)
{
    return prepare(h, token, route, id1, NULL, body, NULL, NULL, ret_call);
}

void house_group(struct house *h, struct cmd **cmds, size_t n)
{
    core_run(h->core, cmds, n);
    slow_steps(h);
}

void house_answer_as(struct house *h, uint64_t call, enum ipc_type answer, void *ret)
{
    struct out *o = find_answer(h, call);

    assert_non_null(o);
    assert_int_equal(o->type, answer);
    assert_ok(ipc_decode(answer, arena_span(&h->mem, buf_span(&o->body)), &h->mem, ret, NULL));
}

struct reply house_answer(struct house *h, uint64_t call)
{
    struct ipc_answer a;

    house_answer_as(h, call, IPC_T_ANSWER, &a);
    return reply_of(h, &a);
}

struct reply house_call_with(struct house *h, const char *token, enum route_id route, const char *id1, const char *body,
                             const char *idem_key, const char *if_match)
{
    uint64_t call;

    run_one(h, prepare(h, token, route, id1, NULL, body, idem_key, if_match, &call));
    slow_steps(h);
    return house_answer(h, call);
}

struct reply house_call(struct house *h, const char *token, enum route_id route, const char *id1, const char *query,
                        const char *body)
{
    uint64_t call;

    run_one(h, prepare(h, token, route, id1, query, body, NULL, NULL, &call));
    slow_steps(h);
    return house_answer(h, call);
}

struct reply house_login_browser(struct house *h, const char *body)
{
    const struct ipc_control in = { .route = ROUTE_login, .browser = 1, .body = tree_of(h, body),
                                    .prefix = SPAN_OF(h->prefix) };
    struct ipc_answer a;

    house_send(h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
    return reply_of(h, &a);
}

struct reply house_hook(struct house *h, const char *name, const char *headers, const char *body)
{
    struct ipc_row_tag rows[16];
    struct ipc_control in = { .route = ROUTE_hook, .id1 = span_str(name), .raw = span_str(body), .body = tree_of(h, body),
                              .prefix = SPAN_OF(h->prefix), .trace = SPAN("0123456789abcdef0123456789abcdef") };
    struct span at = span_str(headers), line;
    struct ipc_answer a;
    bool more = at.n > 0;

    in.headers.rows = rows;
    while (more) {
        struct ipc_row_tag *r = &rows[in.headers.n++];

        assert_true(in.headers.n <= 16);
        more = span_cut(at, '\n', &line, &at);
        (void) span_cut(line, ':', &r->key, &r->value);
        r->value = span_trim(r->value);
    }
    house_send(h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
    return reply_of(h, &a);
}

const char *house_login(struct house *h, const char *user)
{
    char body[256];
    struct reply r;

    (void) snprintf(body, sizeof(body), "{\"user\":\"%s\",\"password\":\"%s\"}", user, HOUSE_PASSWORD);
    r = house_call(h, NULL, ROUTE_login, NULL, NULL, body);
    assert_reply(h, r, 200, "");
    return reply_str(h, &r, "token");
}

/* ---- client keys ---- */

void house_client_make(struct house_client *c)
{
    assert_ok(es256_generate(&c->priv, c->pub, NULL));
    assert_ok(es256_signer_new(c->priv, c->pub, &c->signer, NULL));
    key_jkt(c->pub, c->jkt);
}

void house_client_end(struct house_client *c)
{
    es256_signer_freep(&c->signer);
    secret_freep(&c->priv);
}

const char *house_login_with(struct house *h, const char *user, const struct house_client *client)
{
    const char *token;

    h->prove = client;
    token = house_login(h, user);
    h->prove = NULL;
    return token;
}

/* "/v1/requests/{q}/approve" with id1 in the place of its parameter. */
static const char *path_of(struct house *h, enum route_id route, const char *id1)
{
    const char *path = route_by_id(route)->path, *open = strchr(path, '{');
    char text[512];

    if (open == NULL)
        return path;
    (void) snprintf(text, sizeof(text), "%.*s%s%s", (int) (open - path), path, id1, strchr(open, '}') + 1);
    return arena_str(&h->mem, span_str(text));
}

const char *house_act_header(struct house *h, const struct house_client *client, enum route_id route, const char *id1,
                             const char *body)
{
    const char *operation = route_by_id(route)->name;
    struct tree tree = tree_root(tree_of(h, body));
    char htu[1024], header[ACT_HEADER_CAP];
    struct buf digest = BUF_INIT(256);
    struct act a = { .jkt = span_str(client->jkt), .act = span_str(operation), .iat = h->real / 1000,
                     .id = span_str(id1) };

    assert_ok(act_digest(act_kind(operation, tree), span_str(id1), tree, &digest, NULL));
    (void) snprintf(htu, sizeof(htu), "http://localhost:8080%s", path_of(h, route, id1));
    a.htu = span_str(htu);
    a.digest = buf_span(&digest);
    assert_ok(act_sign(&a, client->signer, header, NULL));
    buf_deinit(&digest);
    return arena_str(&h->mem, span_str(header));
}

struct reply house_act(struct house *h, const struct house_client *client, const char *token, enum route_id route,
                       const char *id1, const char *body)
{
    struct reply r;

    h->act = house_act_header(h, client, route, id1, body);
    r = house_call(h, token, route, id1, NULL, body);
    h->act = NULL;
    return r;
}

void house_begin(struct house *h, const char *token, struct ipc_ingest_open *open, struct ipc_ingest_opened *ret)
{
    uint8_t cred[SHA256_LEN];

    sha256(span_str(token), cred);
    open->cred = SPAN_OF(cred);
    house_send(h, IPC_T_INGEST_OPEN, open, IPC_T_INGEST_OPENED, ret);
}

const char *house_live(struct house *h, const char *token, const char *title, char query[100])
{
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .live = 1, .kind = SPAN("rrweb"), .title = span_str(title) };
    struct ipc_ingest_opened got;

    house_begin(h, token, &open, &got);
    assert_int_equal(got.status, 0);
    (void) snprintf(query, 100, "{\"secret\":\"" SPAN_FMT "\"}", SPAN_ARG(got.secret));
    return arena_str(&h->mem, got.rid);
}

const char *house_recording(struct house *h, const char *token, const char *title, const char *subject)
{
    uint8_t cred[SHA256_LEN], hash[32] = { 7 }, wrap[123] = { 1 };
    struct ipc_row_tag links[] = { { SPAN("error"), SPAN("ERR-7F3A21") } };
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .kind = SPAN("terminal"), .title = span_str(title),
                                    .subject = span_str(subject), .links = { links, 1 } };
    struct ipc_ingest_opened opened;
    struct ipc_row_wrap wrap_row = { .kn = 1, .epoch = 1, .wrap = SPAN_OF(wrap) };
    struct ipc_wrap_put wraps = { .wraps = { &wrap_row, 1 } };
    struct ipc_row_piece piece_row = { .seg_no = 1, .kn = 1, .kind = 1, .size = 1000, .sha256 = SPAN_OF(hash),
                                       .n_events = 12, .n_chunks = 2, .t_last_us = 5000000 };
    struct ipc_piece_put pieces = { .pieces = { &piece_row, 1 } };
    struct ipc_end end = { .ok = 1, .kind = SPAN("terminal"), .events = 12, .duration_us = 5000000, .bytes = 400,
                           .root = SPAN_OF(hash) };
    struct ipc_answer a;
    struct ipc_done d;

    sha256(span_str(token), cred);
    open.cred = SPAN_OF(cred);
    house_send(h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &opened);
    assert_int_equal(opened.status, 0);
    wraps.rid = pieces.rid = end.rid = opened.rid;
    house_send(h, IPC_T_WRAP_PUT, &wraps, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
    house_send(h, IPC_T_PIECE_PUT, &pieces, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
    house_send(h, IPC_T_END, &end, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 201);
    return arena_str(&h->mem, opened.rid);
}

/* ---- looking into replies ---- */

static bool walk(const struct reply *r, const char *path, struct tree *ret)
{
    struct span rest = span_str(path), word;
    struct tree at = r->body;

    for (bool more = path[0] != 0; more;) {
        char name[64];

        more = span_cut(rest, '.', &word, &rest);
        if (!span_to_str(word, name, sizeof(name)))
            return false;
        if (at.tag == TREE_ARR) {
            struct tree child;
            long want = atol(name), i = 0;
            bool found = false;

            for (struct span it = at.payload; !found && tree_next(&it, &child); i++)
                found = i == want;
            if (!found)
                return false;
            at = child;
        } else if (!tree_get(at, name, &at)) {
            return false;
        }
    }
    *ret = at;
    return true;
}

const char *reply_str(struct house *h, const struct reply *r, const char *path)
{
    struct tree t;

    return walk(r, path, &t) && t.tag == TREE_STR ? arena_str(&h->mem, t.payload) : "";
}

int64_t reply_int(const struct reply *r, const char *path)
{
    struct tree t;
    int64_t v = -1;

    if (walk(r, path, &t) && t.tag == TREE_ARR)
        return (int64_t) tree_count(t);
    return walk(r, path, &t) && tree_int(t, &v) ? v : -1;
}

bool reply_has(const struct reply *r, const char *path)
{
    struct tree t;

    return walk(r, path, &t) && t.tag != TREE_NULL;
}

bool reply_is_true(const struct reply *r, const char *path)
{
    struct tree t;
    bool v = false;

    return walk(r, path, &t) && tree_bool(t, &v) && v;
}

void house_expect(struct house *h, const struct reply *r, int status, const char *code, const char *file, int line)
{
    (void) h;
    if (r->status == status && strcmp(r->code, code) == 0)
        return;
    print_error("%s:%d: got %d '%s', wanted %d '%s': " SPAN_FMT "\n", file, line, r->status, r->code, status, code,
                SPAN_ARG(r->text));
    fail();
}

/* ---- the log, the pushes ---- */

int house_leaves_with(struct house *h, const char *type, const char *want)
{
    struct meta_log_list logs;
    int found = 0;

    assert_ok(meta_logs(h->core->seats[0].v, &h->mem, &logs, NULL));
    for (size_t i = 0; i < logs.n; i++) {
        struct span types[] = { span_str(type) };
        struct meta_audit_filter f = { .log = logs.rows[i].log, .types = types, .n_types = 1, .ascending = true,
                                       .limit = 1000 };
        struct meta_audit_item *items;
        int64_t more;
        size_t n;

        assert_ok(meta_audit_list(h->core->seats[0].v, &f, &h->mem, &items, &n, &more, NULL));
        for (size_t k = 0; k < n; k++)
            found += memmem(items[k].leaf.p, items[k].leaf.n, want, strlen(want)) != NULL;
    }
    return found;
}

int house_leaves(struct house *h, const char *type, const char *outcome)
{
    char want[80] = "";

    if (outcome != NULL)
        (void) snprintf(want, sizeof(want), "\"outcome\":\"%s\"", outcome);
    return house_leaves_with(h, type, want);
}

int house_pushed(struct house *h, enum ipc_type type)
{
    int n = 0;

    LIST_FOREACH(node, &h->seen)
        n += LIST_ENTRY(node, struct out, node)->type == type;
    return n;
}

void house_forget(struct house *h)
{
    outs_free(&h->seen);
}
