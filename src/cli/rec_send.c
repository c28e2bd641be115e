#include "cli/rec_send.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/access.h"
#include "codec/json.h"
#include "crypto/random.h"
#include "format/zframe.h"
#include "os/file.h"

#define CALL_MS      15000
#define END_MS       60000
#define BACKOFF_MS   250
#define BACKOFF_MAX  5000
#define REFUSED_MS   30000
#define PATH_CAP     1024
#define CREATE_MAX   (1u << 20)
#define TOKEN_CAP    256
#define PARTS_MAX    1000

static const char token_hint[] = "; give --ingest-token-file FILE (an administrator makes one: keyhole token add --ingest --project P)";

struct rec_send {
    struct http *http;
    struct rec_box *box;
    struct rec_spool *spool;
    char token[TOKEN_CAP], token_id[ID_CAP]; /* token_id: of one that we made */
    char *project;
    struct buf create_bytes; /* tree */
    char key[64];
    struct zframe_writer *zip;

    /* The sender's own. */
    uint64_t batch;      /* number of the next */
    uint64_t seq0;       /* our number of the recording's event 0 */
    int64_t base_us;     /* our time of its start */
    char size[REC_SIZE_CAP]; /* of the terminal behind what is confirmed; "": as created */
    bool relearn;        /* the server lost something: its next answer says where it is */
    bool ended;          /* nothing is left to tell */
    int64_t again_at, trouble_since;
    unsigned tries;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    struct rec_status status; /* under the lock, like the box and the spool */
    bool ending, stop, over;  /* the same */
    int wake_fd, told_fd;
};

/* ---- both threads ---- */

static void signal_fd(int fd)
{
    uint64_t one = 1;

    (void) !write(fd, &one, sizeof(one));
}

static void clear_fd(int fd)
{
    uint64_t n;

    (void) !read(fd, &n, sizeof(n));
}

struct rec_status *rec_send_lock(struct rec_send *s)
{
    (void) pthread_mutex_lock(&s->lock);
    return &s->status;
}

void rec_send_unlock(struct rec_send *s)
{
    (void) pthread_mutex_unlock(&s->lock);
}

void rec_send_wake(struct rec_send *s)
{
    signal_fd(s->wake_fd);
}

int rec_send_fd(const struct rec_send *s)
{
    return s->told_fd;
}

void rec_send_heard(struct rec_send *s)
{
    clear_fd(s->told_fd);
}

void rec_send_ending(struct rec_send *s)
{
    (void) rec_send_lock(s);
    s->ending = true;
    rec_send_unlock(s);
    rec_send_wake(s);
}

/* ---- what is kept for later ---- */

/* Under the lock. Without a spool, or with a full disk, there is nothing to keep. */
static void keep_state(struct rec_send *s)
{
    struct buf b = BUF_INIT(4096);
    struct jsonw w;
    uint64_t at;

    if (s->spool == NULL || s->status.rid[0] == '\0') {
        buf_deinit(&b);
        return;
    }
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "rid", s->status.rid);
    jsonw_kcstr(&w, "first_rid", s->status.first_rid);
    jsonw_kint(&w, "parts", s->status.parts);
    jsonw_kint(&w, "seq0", (int64_t) s->seq0);
    jsonw_kint(&w, "base_us", s->base_us);
    jsonw_kint(&w, "confirmed", (int64_t) rec_box_confirmed(s->box));
    jsonw_kcstr(&w, "size", s->size);
    jsonw_obj_end(&w);
    (void) !rec_spool_add(s->spool, REC_SPOOL_STATE, buf_span(&b), &at, NULL);
    buf_deinit(&b);
}

static bool parse(struct span json, struct buf *bytes, struct tree *ret)
{
    struct json_limits lim = { .bytes = CREATE_MAX, .depth = TREE_DEPTH_MAX, .members = 10000, .string = CREATE_MAX };

    random_fill(lim.secret, sizeof(lim.secret));
    if (!json_parse(json, &lim, bytes, NULL))
        return false;
    *ret = tree_root(buf_span(bytes));
    return true;
}

static void take_state(struct rec_send *s, struct span json)
{
    struct buf bytes = BUF_INIT(1u << 16);
    struct tree t;

    if (json.n > 0 && parse(json, &bytes, &t)) {
        (void) span_to_str(get(t, "rid"), s->status.rid, sizeof(s->status.rid));
        (void) span_to_str(get(t, "first_rid"), s->status.first_rid, sizeof(s->status.first_rid));
        (void) span_to_str(get(t, "size"), s->size, sizeof(s->size));
        s->status.parts = (unsigned) get_int(t, "parts");
        s->seq0 = (uint64_t) get_int(t, "seq0");
        s->base_us = get_int(t, "base_us");
    }
    buf_deinit(&bytes);
}

/* ---- life ---- */

struct rec_send *rec_send_new(const struct rec_send_options *o)
{
    struct rec_send *s = calloc(1, sizeof(*s));
    struct tree create;

    if (s == NULL)
        return NULL;
    (void) pthread_mutex_init(&s->lock, NULL);
    s->http = o->http;
    s->box = o->box;
    s->spool = o->spool;
    s->ending = o->ending;
    s->project = o->project != NULL ? strdup(o->project) : NULL;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->zip = zframe_writer_new(3);
    (void) snprintf(s->token, sizeof(s->token), "%s", o->token != NULL ? o->token : "");
    (void) snprintf(s->key, sizeof(s->key), "%s", o->key);
    buf_init(&s->create_bytes, 4 * CREATE_MAX);
    if (s->zip == NULL || s->wake_fd < 0 || s->told_fd < 0 || !parse(o->create, &s->create_bytes, &create))
        return rec_send_free(s);
    s->status.moved_at = mono_ms();
    take_state(s, o->state);
    return s;
}

struct rec_send *rec_send_free(struct rec_send *s)
{
    if (s == NULL)
        return NULL;
    explicit_bzero(s->token, sizeof(s->token));
    s->zip = zframe_writer_free(s->zip);
    os_closep(&s->wake_fd);
    os_closep(&s->told_fd);
    buf_deinit(&s->create_bytes);
    (void) pthread_mutex_destroy(&s->lock);
    free(s->project);
    free(s);
    return NULL;
}

/* ---- calls ---- */

static bool stopping(struct rec_send *s)
{
    bool stop;

    (void) rec_send_lock(s);
    stop = s->stop;
    rec_send_unlock(s);
    return stop;
}

/* Like http_call, but it ends when we are told to stop, and nothing is repeated here. False: not 2xx, or stopped. */
static bool call(struct rec_send *s, struct http_request *q, struct http_reply *ret)
{
    struct json_limits lim = { .bytes = CREATE_MAX, .depth = TREE_DEPTH_MAX, .members = 10000, .string = CREATE_MAX };
    struct http_stream *t = http_stream_open(s->http, q);
    long status;
    bool cut;

    *ret = (struct http_reply){ 0 };
    if (t == NULL) {
        (void) ERR_RAISE(&ret->error, ERR_NOMEM, "no memory for a call");
        return false;
    }
    while (!http_stream_over(t) && !stopping(s))
        (void) http_wait(s->http, NULL, 0, 100);
    status = http_stream_status(t);
    cut = !http_stream_over(t) || http_stream_reply(t)->cut;
    ret->status = cut && http_stream_reply(t)->status == 0 ? 0 : status;
    ret->cut = cut;
    ret->error = http_stream_reply(t)->error;
    ret->retryable = http_stream_reply(t)->retryable;
    ret->retry_after_ms = http_stream_reply(t)->retry_after_ms;
    memcpy(ret->code, http_stream_reply(t)->code, sizeof(ret->code));
    buf_init(&ret->body, HTTP_BODY_MAX);
    buf_init(&ret->tree_bytes, 4 * CREATE_MAX);
    buf_add_span(&ret->body, status >= 200 && status < 300 ? buf_span(http_stream_bytes(t)) : buf_span(&http_stream_reply(t)->body));
    random_fill(lim.secret, sizeof(lim.secret));
    if (ret->body.n > 0 && json_parse(buf_span(&ret->body), &lim, &ret->tree_bytes, NULL))
        ret->root = tree_root(buf_span(&ret->tree_bytes));
    (void) http_stream_close(t);
    return !cut && status >= 200 && status < 300;
}

static void tell(struct rec_send *s, enum rec_state state, int exit_code, struct span why)
{
    struct rec_status *st = rec_send_lock(s);
    struct buf b = BUF_INIT(4 * sizeof(st->why));

    st->state = state;
    st->exit_code = exit_code;
    text_safe(&b, span_sub(why, 0, sizeof(st->why) / 4 - 1));
    if (!span_to_str(buf_span(&b), st->why, sizeof(st->why)))
        st->why[0] = '\0';
    buf_deinit(&b);
    rec_send_unlock(s);
    signal_fd(s->told_fd);
}

/* Something worked. */
static void went_well(struct rec_send *s)
{
    s->tries = 0;
    s->trouble_since = 0;
    s->again_at = 0;
    tell(s, REC_GOING, EXIT_DONE, SPAN_EMPTY);
    (void) rec_send_lock(s);
    s->status.moved_at = mono_ms();
    rec_send_unlock(s);
}

static void try_later(struct rec_send *s, int64_t after_ms, struct span why)
{
    int64_t now = mono_ms(), wait = BACKOFF_MS << (s->tries < 5 ? s->tries : 5);

    if (after_ms <= 0)
        after_ms = wait < BACKOFF_MAX ? wait : BACKOFF_MAX;
    s->tries++;
    s->trouble_since = s->trouble_since == 0 ? now : s->trouble_since;
    s->again_at = now + (after_ms < REFUSED_MS ? after_ms : REFUSED_MS);
    tell(s, REC_AWAY, EXIT_FAILED, why);
}

static void refused(struct rec_send *s, const struct http_reply *r, const char *hint)
{
    struct buf b = BUF_INIT(4096);
    struct tree errors = get_node(r->root, "errors"), e;
    struct span at = errors.payload;

    buf_add_span(&b, get(r->root, "title"));
    if (get(r->root, "detail").n > 0 && !span_eq(get(r->root, "detail"), get(r->root, "title"))) {
        buf_add_str(&b, ": ");
        buf_add_span(&b, get(r->root, "detail"));
    }
    if (b.n == 0)
        buf_addf(&b, "the server answered %ld", r->status);
    while (errors.tag == TREE_ARR && tree_next(&at, &e))
        buf_addf(&b, "; " SPAN_FMT ": " SPAN_FMT, SPAN_ARG(get(e, "at")), SPAN_ARG(get(e, "code")));
    if (r->code[0] != '\0')
        buf_addf(&b, " [%s]", r->code);
    buf_add_str(&b, hint);
    s->again_at = mono_ms() + REFUSED_MS;
    tell(s, REC_REFUSED, r->status == 422 || r->status == 400 ? EXIT_USAGE : r->status == 404 ? EXIT_FAILED : EXIT_REFUSED, buf_span(&b));
    buf_deinit(&b);
}

/* An answer that is none: later, or no. */
static void failed(struct rec_send *s, const struct http_reply *r, const char *hint)
{
    if (r->status == 0 || r->cut)
        try_later(s, 0, span_str(r->error.text[0] != '\0' ? r->error.text : "the connection broke"));
    else if (r->status == 408 || r->status == 429 || r->status >= 500 || (r->retryable && r->status != 409))
        try_later(s, r->retry_after_ms, get(r->root, "title").n > 0 ? get(r->root, "title") : SPAN("the server cannot take it now"));
    else
        refused(s, r, hint);
}

/* ---- a token, a recording ---- */

/* The only project there is. False: what follows has been decided. */
static bool find_project(struct rec_send *s)
{
    struct http_request q = { .method = "GET", .path = "/v1/projects?limit=2", .timeout_ms = CALL_MS };
    struct http_reply r;

    if (s->project != NULL)
        return true;
    if (!call(s, &q, &r)) {
        failed(s, &r, token_hint);
    } else if (tree_count(get_node(r.root, "items")) != 1) {
        s->again_at = mono_ms() + REFUSED_MS;
        tell(s, REC_REFUSED, EXIT_USAGE, SPAN("there is more than one project, or none: say --project P, or give --ingest-token-file FILE"));
    } else {
        struct span at = get_node(r.root, "items").payload;
        struct tree p;

        if (tree_next(&at, &p))
            s->project = get_dup(p, "id");
    }
    http_reply_deinit(&r);
    return s->project != NULL;
}

/* The sign-in's right to make one is the project-admin's. The end revokes it; should that fail, it ends by itself. */
static void make_token(struct rec_send *s)
{
    struct http_request q = { .method = "POST", .path = "/v1/tokens", .has_body = true, .timeout_ms = CALL_MS };
    struct http_reply r;
    struct body b;

    if (!find_project(s))
        return;
    body_begin(&b);
    jsonw_kcstr(&b.w, "kind", "ingest");
    jsonw_kcstr(&b.w, "project", s->project);
    jsonw_kcstr(&b.w, "name", "keyhole rec");
    jsonw_kint(&b.w, "expires_in_s", 30 * 86400);
    q.body = buf_span(body_end(&b));
    if (!call(s, &q, &r)) {
        failed(s, &r, token_hint);
    } else if (span_to_str(get(r.root, "token"), s->token, sizeof(s->token)) &&
               span_to_str(get(r.root, "id"), s->token_id, sizeof(s->token_id))) {
        went_well(s);
    } else {
        refused(s, &r, "");
    }
    body_deinit(&b);
    http_reply_deinit(&r);
}

static void revoke_token(struct rec_send *s)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_request q = { .method = "DELETE", .timeout_ms = CALL_MS };
    struct http_reply r = { 0 };

    if (s->token_id[0] != '\0') {
        path_id(&path, "/v1/tokens/", s->token_id, "");
        q.path = buf_cstr(&path);
        (void) call(s, &q, &r); /* it ends by itself */
        http_reply_deinit(&r);
    }
    s->token_id[0] = '\0';
    buf_deinit(&path);
}

/* The header of a part that goes on in the middle: the terminal's size as it is there. */
static void part_head(struct rec_send *s, struct jsonw *w, struct tree head)
{
    struct span at = head.payload, cols = SPAN_EMPTY, rows = SPAN_EMPTY;
    struct tree m;

    (void) span_cut(span_str(s->size), 'x', &cols, &rows);
    jsonw_kobj(w, "head");
    while (head.tag == TREE_OBJ && tree_next(&at, &m)) {
        jsonw_key_span(w, m.key);
        if (s->size[0] != '\0' && span_eq_str(m.key, "width"))
            jsonw_raw(w, cols);
        else if (s->size[0] != '\0' && span_eq_str(m.key, "height"))
            jsonw_raw(w, rows);
        else
            jsonw_tree(w, m);
    }
    jsonw_obj_end(w);
}

static void part_links(struct rec_send *s, struct jsonw *w, struct tree links)
{
    struct span at = links.payload;
    struct tree l;

    jsonw_karr(w, "links");
    for (size_t n = 0; links.tag == TREE_ARR && n < 31 && tree_next(&at, &l); n++)
        jsonw_tree(w, l);
    if (s->status.rid[0] != '\0') {
        jsonw_obj(w);
        jsonw_kcstr(w, "type", "continues");
        jsonw_kcstr(w, "id", s->status.rid);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
}

static void create_body(struct rec_send *s, struct body *b, bool later)
{
    struct tree create = tree_root(buf_span(&s->create_bytes)), m;
    struct span at = create.payload;
    time_ms started;
    bool links = false;

    body_begin(b);
    while (tree_next(&at, &m)) {
        struct span text;

        if (later && span_eq_str(m.key, "head")) {
            part_head(s, &b->w, m);
        } else if (later && span_eq_str(m.key, "links")) {
            part_links(s, &b->w, m);
            links = true;
        } else if (later && span_eq_str(m.key, "started_at") && tree_str(m, &text) && time_parse_rfc3339(text, &started)) {
            jsonw_ktime(&b->w, "started_at", started + s->base_us / 1000);
        } else {
            jsonw_key_span(&b->w, m.key);
            jsonw_tree(&b->w, m);
        }
    }
    if (later && !links)
        part_links(s, &b->w, (struct tree){ 0 });
}

/* The first one, or the next when the server has ended the one before. */
static void create(struct rec_send *s, bool later)
{
    char key[120];
    const char *headers[] = { key, NULL };
    struct http_request q = { .method = "POST", .path = "/v1/recordings", .has_body = true, .bearer = s->token, .headers = headers,
                              .timeout_ms = CALL_MS };
    struct http_reply r;
    struct body b;
    bool good;

    if (later) {
        (void) rec_send_lock(s);
        s->seq0 = rec_box_confirmed(s->box);
        (void) rec_box_time(s->box, s->seq0, &s->base_us);
        rec_send_unlock(s);
    }
    (void) snprintf(key, sizeof(key), "Idempotency-Key: %s-%u", s->key, s->status.parts);
    create_body(s, &b, later);
    q.body = buf_span(body_end(&b));
    good = call(s, &q, &r) && id_check(get(r.root, "id"), ID_RECORDING); /* it goes into the command's environment */
    if (good) {
        (void) rec_send_lock(s);
        (void) span_to_str(get(r.root, "id"), s->status.rid, sizeof(s->status.rid));
        if (s->status.parts++ == 0)
            memcpy(s->status.first_rid, s->status.rid, sizeof(s->status.rid));
        s->batch = (uint64_t) get_int(r.root, "next_batch");
        keep_state(s);
        rec_send_unlock(s);
        went_well(s);
    } else {
        failed(s, &r, "");
    }
    body_deinit(&b);
    http_reply_deinit(&r);
}

/* ---- batches ---- */

static int64_t durable_of(struct tree root)
{
    int64_t n;

    return tree_get_int(root, "durable_seq", &n) ? n : -1; /* null: none yet */
}

static void confirmed(struct rec_send *s, struct tree root, uint64_t sent_to, const char *size)
{
    int64_t durable = durable_of(root);
    uint64_t next = s->seq0 + (uint64_t) (durable + 1);

    (void) rec_send_lock(s);
    if (s->relearn || next < rec_box_confirmed(s->box)) {
        /* It had confirmed more: that is gone there. What we sent now is behind what it still has. */
        uint64_t was = rec_box_confirmed(s->box);

        if (s->relearn) {
            s->seq0 = sent_to - (uint64_t) (durable + 1);
            next = sent_to;
        } else {
            s->status.lost += was - next;
            s->seq0 += was - next;
            next = was;
        }
    }
    s->relearn = false;
    s->batch = (uint64_t) get_int(root, "next_batch");
    rec_box_confirm(s->box, next);
    if (next == sent_to && size[0] != '\0')
        (void) snprintf(s->size, sizeof(s->size), "%s", size);
    if (rec_box_waiting(s->box) == 0 || rec_box_confirmed(s->box) == rec_box_ready(s->box))
        keep_state(s);
    rec_send_unlock(s);
    went_well(s);
}

static void gap(struct rec_send *s, struct tree root)
{
    int64_t next = 0;

    if (!tree_get_int(root, "next_batch", &next) || next < 0 || (uint64_t) next >= s->batch) {
        try_later(s, REFUSED_MS, SPAN("the server says that a batch is missing, but not which"));
        return;
    }
    (void) rec_send_lock(s);
    s->status.lost += s->batch - (uint64_t) next; /* at least an event each */
    rec_send_unlock(s);
    s->batch = (uint64_t) next;
    s->relearn = true;
    s->again_at = 0;
}

static void send_batch(struct rec_send *s, struct span lines, uint64_t to, const char *size)
{
    char number[64];
    const char *headers[] = { number, "Content-Encoding: zstd", NULL };
    struct buf path = BUF_INIT(PATH_CAP), packed = BUF_INIT(32u << 20);
    struct http_request q = { .method = "POST", .has_body = true, .bearer = s->token, .content_type = "application/x-ndjson",
                              .headers = headers, .timeout_ms = CALL_MS };
    struct http_reply r = { 0 };

    (void) snprintf(number, sizeof(number), "Batch-Seq: %llu", (unsigned long long) s->batch);
    path_id(&path, "/v1/recordings/", s->status.rid, "/events");
    q.path = buf_cstr(&path);
    if (zframe_write(s->zip, lines, &packed, NULL) != ERR_OK) {
        try_later(s, 0, SPAN("no memory to compress"));
    } else {
        q.body = buf_span(&packed);
        if (call(s, &q, &r))
            confirmed(s, r.root, to, size);
        else if (r.status == 409 && strcmp(r.code, "batch-gap") == 0)
            gap(s, r.root);
        else if (r.status == 409 && strcmp(r.code, "recording-ended") == 0 && s->status.parts < PARTS_MAX)
            create(s, true);
        else
            failed(s, &r, "");
    }
    http_reply_deinit(&r);
    buf_deinit(&packed);
    buf_deinit(&path);
}

/* True: there was something to send. */
static bool next_batch(struct rec_send *s)
{
    struct buf lines = BUF_INIT(16u << 20);
    char size[REC_SIZE_CAP] = "";
    struct err_info e = { 0 };
    enum err err = ERR_OK;
    uint64_t from, to;
    bool any;

    (void) rec_send_lock(s);
    from = to = rec_box_confirmed(s->box);
    any = from < rec_box_ready(s->box);
    if (any)
        err = rec_box_lines(s->box, from, s->base_us,
                            rec_box_waiting(s->box) > REC_BATCH_BEHIND ? REC_BATCH_BEHIND : REC_BATCH_MAX, &lines, &to, size, &e);
    rec_send_unlock(s);
    if (any && (err != ERR_OK || to == from))
        try_later(s, REFUSED_MS, span_str(err != ERR_OK ? e.text : "the spool is damaged"));
    else if (any)
        send_batch(s, buf_span(&lines), to, size);
    if (lines.cap > 0)
        explicit_bzero(lines.p, lines.cap);
    buf_deinit(&lines);
    return any;
}

/* ---- the end ---- */

static void done(struct rec_send *s, struct tree root)
{
    (void) rec_send_lock(s);
    s->status.events = (uint64_t) get_int(root, "events");
    s->status.duration_ms = get_int(root, "duration_ms");
    s->ended = true;
    rec_send_unlock(s);
    revoke_token(s);
    tell(s, REC_DONE, EXIT_DONE, SPAN_EMPTY);
}

static void end(struct rec_send *s)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_request q = { .method = "POST", .has_body = true, .body = SPAN("{}"), .bearer = s->token, .timeout_ms = END_MS };
    struct http_reply r;

    path_id(&path, "/v1/recordings/", s->status.rid, "/end");
    q.path = buf_cstr(&path);
    if (call(s, &q, &r) || (r.status == 409 && strcmp(r.code, "recording-ended") == 0))
        done(s, r.root);
    else
        failed(s, &r, "");
    http_reply_deinit(&r);
    buf_deinit(&path);
}

/* ---- running ---- */

/* One thing that is due. False: nothing is, now. */
static bool step(struct rec_send *s)
{
    bool ending;

    if (s->ended || mono_ms() < s->again_at)
        return false;
    if (s->token[0] == '\0') {
        make_token(s);
        return true;
    }
    if (s->status.rid[0] == '\0') {
        create(s, false);
        return true;
    }
    if (next_batch(s))
        return true;
    (void) rec_send_lock(s);
    ending = s->ending && !rec_box_is_open(s->box) && rec_box_confirmed(s->box) == rec_box_count(s->box);
    rec_send_unlock(s);
    if (ending)
        end(s);
    return ending;
}

static void wait_for_more(struct rec_send *s)
{
    struct pollfd p = { s->wake_fd, POLLIN, 0 };
    int64_t left = s->again_at - mono_ms();

    if (s->again_at == 0 || left > 60000)
        left = 60000;
    if (left > 0 && poll(&p, 1, (int) left) > 0)
        clear_fd(s->wake_fd);
}

static void *run(void *arg)
{
    struct rec_send *s = arg;

    while (!stopping(s) && !s->ended) {
        if (!step(s))
            wait_for_more(s);
    }
    (void) rec_send_lock(s);
    s->over = true;
    rec_send_unlock(s);
    signal_fd(s->told_fd);
    return NULL;
}

enum err rec_send_start(struct rec_send *s, struct err_info *reterr)
{
    sigset_t all, before;
    int e;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&s->thread, NULL, run, s);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->started = e == 0;
    return e == 0 ? ERR_OK : ERR_RAISE_SYS(reterr, ERR_NOMEM, e, "start a thread");
}

void rec_send_run(struct rec_send *s, int64_t patience_ms)
{
    while (!s->ended && s->status.state != REC_REFUSED &&
           (s->trouble_since == 0 || mono_ms() - s->trouble_since < patience_ms)) {
        if (!step(s))
            wait_for_more(s);
    }
}

bool rec_send_finish(struct rec_send *s, int64_t most_ms)
{
    int64_t until = mono_ms() + most_ms;
    bool over = !s->started;

    (void) rec_send_lock(s);
    s->stop = true;
    rec_send_unlock(s);
    rec_send_wake(s);
    while (!over && mono_ms() < until) {
        struct pollfd p = { s->told_fd, POLLIN, 0 };

        (void) poll(&p, 1, 50);
        rec_send_heard(s);
        (void) rec_send_lock(s);
        over = s->over;
        rec_send_unlock(s);
    }
    if (over && s->started)
        (void) pthread_join(s->thread, NULL);
    s->started = s->started && !over;
    return over;
}
