#include "cli/access.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/sse.h"
#include "os/clock.h"

#define PATH_CAP      8192
#define POLL_MS       2000   /* without events */
#define LOOK_AGAIN_MS 30000  /* with them: an event may have been missed */
#define EVENT_MAX     65536
#define DEFAULT_FOR_S 1800
#define FOLLOWS_ON_MS 500   /* less than this is the same end, measured twice */

int64_t mono_ms(void)
{
    return clock_mono_us() / 1000;
}

/* ---- finding ---- */

static bool has_action(struct tree grant, const char *action)
{
    struct tree list = get_node(grant, "actions"), t;
    struct span at = list.payload, s;

    while (list.tag == TREE_ARR && tree_next(&at, &t)) {
        if (tree_str(t, &s) && span_eq_str(s, action))
            return true;
    }
    return false;
}

/* The open one that ends last, else one that opens at first use. */
static bool choose(struct tree items, const char *action, struct access *ret)
{
    struct span at = items.payload;
    struct tree g;
    int64_t best = -1;

    while (items.tag == TREE_ARR && tree_next(&at, &g)) {
        bool open = span_eq_str(get(g, "state"), "ACTIVE");
        int64_t left = 0;

        if (span_eq_str(get(g, "state"), "SUSPENDED") || !has_action(g, action))
            continue;
        if (open && !tree_get_int(g, "left_ms", &left))
            left = 1;
        if (left <= best || !span_to_str(get(g, "id"), ret->grant, sizeof(ret->grant)))
            continue;
        best = left;
        ret->may_play = has_action(g, "play");
        ret->may_follow = has_action(g, "live");
        ret->window_end = open ? mono_ms() + left : INT64_MAX;
    }
    return best >= 0;
}

static void live_path(struct buf *path, const char *rid)
{
    buf_add_str(path, "/v1/grants");
    path_add(path, "state", "live");
    path_add(path, "box", "mine");
    path_add(path, "recording", rid);
}

int access_find(struct cli *c, const char *rid, const char *action, bool quietly, struct access *ret)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code;

    *ret = (struct access){ .c = c, .window_end = INT64_MAX };
    (void) span_to_str(span_str(rid), ret->rid, sizeof(ret->rid));
    ret->scope = strcmp(action, "export") == 0 ? "export" : NULL;
    ret->action = action;
    live_path(&path, rid);
    code = cli_get(c, &path, &r);
    if (code == EXIT_DONE && !choose(get_node(r.root, "items"), action, ret)) {
        code = EXIT_REFUSED;
        if (!quietly) {
            bool export = strcmp(action, "export") == 0, live = strcmp(action, "live") == 0, unmask = access_unmasks(ret);

            note("you have no open access to %s%s; ask for it:", rid,
                 export ? " that lets you export it" : live ? " that lets you follow it" : unmask ? " that shows hidden values" : "");
            note("  keyhole request %s --purpose CODE --reason TEXT --for 30m%s --wait", rid,
                 export ? " --action export" : live ? " --action play,live" : unmask ? " --action play,unmask" : "");
        }
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

void access_deinit(struct access *a)
{
    explicit_bzero(a->key, sizeof(a->key));
}

/* ---- keys ---- */

static void keep_why(struct access *a, const struct http_reply *r)
{
    struct buf b = BUF_INIT(sizeof(a->why) - 1);
    struct span detail = get(r->root, "detail");

    (void) snprintf(a->code, sizeof(a->code), "%s", r->code);
    a->retry_after_ms = r->retry_after_ms;
    a->exit_code = strcmp(r->code, "grant-ended") == 0           ? EXIT_EXPIRED
                   : r->status == 0 || r->status >= 500          ? EXIT_FAILED
                                                                 : EXIT_REFUSED;
    if (r->status == 0)
        text_safe(&b, span_str(r->error.text));
    else
        text_safe(&b, span_sub(detail.n > 0 ? detail : get(r->root, "title"), 0, 90)); /* may be four times as long */
    (void) span_to_str(buf_span(&b), a->why, sizeof(a->why));
    buf_deinit(&b);
}

static bool keep_key(struct access *a, struct tree r)
{
    int64_t now = mono_ms(), expires = get_int(r, "expires_in") * 1000, renew = get_int(r, "renew_after") * 1000;

    if (!span_to_str(get(r, "key"), a->key, sizeof(a->key)) || expires <= 0)
        return false;
    a->bound = !span_eq_str(get(r, "token_type"), "Bearer");
    (void) span_to_str(get(r, "key_id"), a->key_id, sizeof(a->key_id));
    a->expires_at = now + expires;
    a->last = renew <= 0;
    a->renew_at = now + renew;
    if (a->window_end == INT64_MAX && a->last)
        a->window_end = a->expires_at;
    return true;
}

bool access_look(struct access *a, bool *ret_open)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int64_t left;
    bool ok;

    path_id(&path, "/v1/grants/", a->grant, "");
    ok = cli_try(a->c, "GET", &path, NULL, &r) == EXIT_DONE;
    if (ok) {
        *ret_open = span_eq_str(get(r.root, "state"), "ACTIVE") || span_eq_str(get(r.root, "state"), "SCHEDULED");
        (void) span_to_str(get(r.root, "state"), a->code, sizeof(a->code));
        if (span_eq_str(get(r.root, "state"), "ACTIVE") && tree_get_int(r.root, "left_ms", &left))
            a->window_end = mono_ms() + left;
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return ok;
}

bool access_next(struct access *a)
{
    struct access other = { .window_end = INT64_MAX };
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    bool found;

    if (a->action == NULL)
        return false;
    live_path(&path, a->rid);
    found = cli_try(a->c, "GET", &path, NULL, &r) == EXIT_DONE && choose(get_node(r.root, "items"), a->action, &other) &&
            other.window_end != INT64_MAX && strcmp(other.grant, a->grant) != 0 &&
            (a->window_end == INT64_MAX || other.window_end > a->window_end + FOLLOWS_ON_MS);
    if (found) {
        memcpy(a->grant, other.grant, sizeof(a->grant));
        a->may_play = other.may_play;
        a->may_follow = other.may_follow;
        a->window_end = other.window_end;
        a->last = false;
        a->renew_at = 0;
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return found;
}

bool access_unmasks(const struct access *a)
{
    return a->action != NULL && strcmp(a->action, "unmask") == 0;
}

static void add_scope(const struct access *a, struct jsonw *w)
{
    jsonw_karr(w, "scope");
    if (a->scope != NULL)
        jsonw_str(w, span_str(a->scope));
    if (access_unmasks(a)) { /* beside every way of watching there is */
        if (a->may_play)
            jsonw_str(w, SPAN("play"));
        if (a->may_follow)
            jsonw_str(w, SPAN("live"));
        jsonw_str(w, SPAN("unmask"));
    }
    jsonw_arr_end(w);
}

static bool issue(struct access *a)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    bool ok, open;
    int code;

    body_begin(&b);
    jsonw_kcstr(&b.w, "recording", a->rid);
    if (a->scope != NULL || access_unmasks(a))
        add_scope(a, &b.w);
    path_id(&path, "/v1/grants/", a->grant, "/keys");
    code = cli_try(a->c, "POST", &path, body_end(&b), &r);
    ok = code == EXIT_DONE;
    if (!ok) {
        keep_why(a, &r);
        if (r.status == 0 && r.error.code == ERR_OK) { /* it was reported: the client key */
            a->exit_code = code;
            (void) snprintf(a->why, sizeof(a->why), "no key without the client key");
            (void) snprintf(a->code, sizeof(a->code), "client-key");
        }
    } else if (!(ok = keep_key(a, r.root)))
        a->exit_code = EXIT_FAILED;
    if (ok && a->window_end == INT64_MAX)
        (void) access_look(a, &open); /* the first key has opened the window */
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return ok;
}

bool access_key(struct access *a)
{
    return issue(a) || (a->exit_code == EXIT_EXPIRED && access_next(a) && issue(a));
}

bool access_key_due(const struct access *a)
{
    return a->key[0] == '\0' || (!a->last && mono_ms() >= a->renew_at);
}

/* ---- asking ---- */

static void comma_list(struct jsonw *w, const char *member, const char *text)
{
    struct span rest = span_str(text), head;

    jsonw_karr(w, member);
    while (rest.n > 0) {
        struct span tail = SPAN_EMPTY;

        (void) span_cut(rest, ',', &head, &tail);
        if (span_trim(head).n > 0)
            jsonw_str(w, span_trim(head));
        rest = tail;
    }
    jsonw_arr_end(w);
}

/* --more session:5 */
static int add_more(struct cli *c, struct jsonw *w)
{
    const char *v = args_value(&c->args, "more");
    struct span same, max;
    uint64_t n;
    int code;

    if (v == NULL)
        return EXIT_DONE;
    if (!span_cut(span_str(v), ':', &same, &max))
        return usage(c, "--more is session:N, subject:N or link:N");
    code = check_number(c, "more", (const char *) max.p, 10, &n);
    if (code != EXIT_DONE)
        return code;
    jsonw_kobj(w, "more");
    jsonw_kstr(w, "same", same);
    jsonw_kint(w, "max", (int64_t) n);
    jsonw_obj_end(w);
    return EXIT_DONE;
}

/* --more-time 1x30m */
static int add_more_time(struct cli *c, struct jsonw *w)
{
    const char *v = args_value(&c->args, "more-time");
    char *x = NULL;
    long times;
    int64_t each;
    int code;

    if (v == NULL)
        return EXIT_DONE;
    times = strtol(v, &x, 10);
    if (times < 1 || times > 10 || *x != 'x')
        return usage(c, "--more-time is TIMESxLENGTH, as 1x30m");
    code = check_duration(c, "more-time", x + 1, &each);
    if (code != EXIT_DONE)
        return code;
    jsonw_kobj(w, "more_time");
    jsonw_kint(w, "times", times);
    jsonw_kint(w, "each_s", each / 1000);
    jsonw_obj_end(w);
    return EXIT_DONE;
}

static void add_recordings(struct jsonw *w, char *const *rids, size_t n)
{
    jsonw_karr(w, "recordings");
    for (size_t i = 0; i < n; i++)
        jsonw_str(w, span_str(rids[i]));
    jsonw_arr_end(w);
}

/* The policy's default for this purpose, when --for is not given. */
static int64_t default_for(struct cli *c, char *const *rids, size_t n, const char *actions)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int64_t s = 0;

    body_begin(&b);
    add_recordings(&b.w, rids, n);
    comma_list(&b.w, "actions", actions);
    jsonw_kobj(&b.w, "purpose");
    body_option(&b, c, "purpose", "code");
    jsonw_obj_end(&b.w);
    buf_add_str(&path, "/v1/requests/check");
    if (cli_try(c, "POST", &path, body_end(&b), &r) == EXIT_DONE)
        s = get_int(get_node(r.root, "terms"), "default_s");
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return s > 0 ? s : DEFAULT_FOR_S;
}

static int add_options(struct cli *c, struct body *b)
{
    const char *start_by = args_value(&c->args, "start-by"), *v;
    int64_t ms;
    int code;

    jsonw_kobj(&b->w, "purpose");
    body_option(b, c, "purpose", "code");
    body_option(b, c, "reason", "reason");
    body_option(b, c, "ticket", "ticket");
    jsonw_obj_end(&b->w);
    body_option(b, c, "start", "start");
    body_option(b, c, "extend", "extends");
    if (start_by != NULL) {
        code = check_duration(c, "start-by", start_by, &ms);
        if (code != EXIT_DONE)
            return code;
        jsonw_kint(&b->w, "start_by_s", ms / 1000);
    }
    if (args_value(&c->args, "viewer") != NULL) {
        jsonw_karr(&b->w, "viewers");
        for (size_t i = 0; (v = args_nth(&c->args, "viewer", i)) != NULL; i++)
            jsonw_str(&b->w, span_str(v));
        jsonw_arr_end(&b->w);
    }
    if (args_value(&c->args, "incident") != NULL) {
        jsonw_kobj(&b->w, "break_glass");
        body_option(b, c, "incident", "incident");
        body_option(b, c, "reason", "reason");
        jsonw_obj_end(&b->w);
    }
    code = add_more(c, &b->w);
    return code == EXIT_DONE ? add_more_time(c, &b->w) : code;
}

/* In an incident nobody looks for a word: the policy's first one. */
static void default_purpose(struct cli *c, char *to, size_t cap)
{
    static struct opt purpose = { "purpose", 0, "CODE", "", false };
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct tree list, first;
    struct span at;

    buf_add_str(&path, "/v1/policies/current");
    if (cli_try(c, "GET", &path, NULL, &r) == EXIT_DONE) {
        list = get_node(r.root, "purposes");
        at = list.payload;
        if (list.tag == TREE_ARR && tree_next(&at, &first) && span_to_str(get(first, "code"), to, cap)) {
            c->args.seen[c->args.n_seen].opt = &purpose;
            c->args.seen[c->args.n_seen++].value = to;
        }
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
}

/* A line typed on the terminal for an option that is missing. */
static int ask_option(struct cli *c, const char *option, const char *prompt, char *line, size_t cap)
{
    static struct opt asked[2] = { { "purpose", 0, "CODE", "", false }, { "reason", 0, "TEXT", "", false } };
    size_t k = strcmp(option, "reason") == 0 ? 1 : 0;

    if (args_value(&c->args, option) != NULL)
        return EXIT_DONE;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || c->json)
        return usage(c, "--%s is missing", option);
    (void) fprintf(stderr, "%s: ", prompt);
    if (fgets(line, (int) cap, stdin) == NULL)
        return usage(c, "--%s is missing", option);
    line[strcspn(line, "\r\n")] = '\0';
    c->args.seen[c->args.n_seen].opt = &asked[k];
    c->args.seen[c->args.n_seen++].value = line;
    return EXIT_DONE;
}

int access_request(struct cli *c, char *const *rids, size_t n, const char *actions, struct http_reply *ret)
{
    const char *length = args_value(&c->args, "for");
    struct buf path = BUF_INIT(PATH_CAP);
    char purpose[128], reason[4096];
    struct body b;
    int64_t ms = 0;
    int code = EXIT_DONE;

    *ret = (struct http_reply){ 0 };
    if (actions == NULL)
        actions = args_value(&c->args, "action") != NULL ? args_value(&c->args, "action") : "play";
    for (size_t i = 0; i < n && code == EXIT_DONE; i++)
        code = check_id(c, rids[i], 'r', "a recording's id");
    if (code == EXIT_DONE && length != NULL)
        code = check_duration(c, "for", length, &ms);
    if (code == EXIT_DONE && length != NULL && (ms == 0 || ms % 1000 != 0))
        code = usage(c, "--for is in whole seconds, from 1s");
    if (code == EXIT_DONE && args_value(&c->args, "incident") != NULL && args_value(&c->args, "purpose") == NULL)
        default_purpose(c, purpose, sizeof(purpose));
    if (code == EXIT_DONE)
        code = ask_option(c, "purpose", "Purpose (debugging, support, ...)", purpose, sizeof(purpose));
    if (code == EXIT_DONE)
        code = ask_option(c, "reason", "Reason, for those who decide", reason, sizeof(reason));
    body_begin(&b);
    if (code == EXIT_DONE) {
        add_recordings(&b.w, rids, n);
        comma_list(&b.w, "actions", actions);
        jsonw_kint(&b.w, "duration_s", length != NULL ? ms / 1000 : default_for(c, rids, n, actions));
        code = add_options(c, &b);
    }
    buf_add_str(&path, "/v1/requests");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), ret);
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

/* ---- waiting ---- */

struct watch {
    struct cli *c;
    struct http_stream *stream;
    struct sse sse;
    int64_t open_again; /* ms of the monotonic clock */
};

static void watch_open(struct watch *w)
{
    struct http_request q = { .method = "GET", .path = "/v1/events", .timeout_ms = -1 };

    if (w->stream != NULL || mono_ms() < w->open_again)
        return;
    w->stream = http_stream_open(w->c->http, &q);
    w->open_again = mono_ms() + POLL_MS;
    sse_restart(&w->sse);
}

/* True: something about this request changed, or may have. */
static bool watch_read(struct watch *w, const char *q)
{
    struct buf *bytes = http_stream_bytes(w->stream);
    struct sse_event e;
    bool news = false;

    if (!sse_feed(&w->sse, buf_span(bytes)))
        news = true;
    buf_reset(bytes);
    while (sse_next(&w->sse, &e))
        news = news || e.name.n > 0 || memmem(e.data.p, e.data.n, q, strlen(q)) != NULL;
    if (http_stream_over(w->stream) || w->sse.failed) {
        w->stream = http_stream_close(w->stream);
        news = true;
    }
    return news;
}

/* Until something may have changed, the time to look again, or the deadline. */
static void watch_wait(struct watch *w, const char *q, int64_t deadline)
{
    int64_t until = mono_ms() + LOOK_AGAIN_MS;
    bool news = false;

    while (!news && mono_ms() < until && mono_ms() < deadline) {
        int64_t left;

        watch_open(w);
        if (w->stream == NULL || http_stream_status(w->stream) != 200)
            until = until < mono_ms() + POLL_MS ? until : mono_ms() + POLL_MS; /* asking again is all there is */
        left = (until < deadline ? until : deadline) - mono_ms();
        (void) http_wait(w->c->http, NULL, 0, left < 0 ? 0 : left > 1000 ? 1000 : (int) left);
        news = w->stream != NULL && watch_read(w, q);
    }
}

static int decided(struct span state)
{
    static const struct {
        const char *state;
        int code;
    } t[] = {
        { "ACTIVE", EXIT_DONE },      { "SCHEDULED", EXIT_DONE },  { "DENIED", EXIT_REFUSED }, { "CANCELLED", EXIT_REFUSED },
        { "REVOKED", EXIT_REFUSED },  { "EXPIRED", EXIT_EXPIRED }, { "LAPSED", EXIT_IN_VAIN }, { "RELINQUISHED", EXIT_EXPIRED },
        { "SUSPENDED", EXIT_REFUSED },
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        if (span_eq_str(state, t[i].state))
            return t[i].code;
    }
    return -1; /* PENDING */
}

/* A server that is away for a moment ends no waiting. */
static int look(struct cli *c, const char *q, struct http_reply *ret)
{
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    path_id(&path, "/v1/requests/", q, "");
    code = cli_try(c, "GET", &path, NULL, ret);
    buf_deinit(&path);
    if (code == EXIT_DONE)
        return decided(get(ret->root, "state"));
    if (ret->status == 0 || ret->retryable)
        return -1;
    return cli_problem(c, ret);
}

int access_wait(struct cli *c, const char *q, int64_t timeout_ms, struct http_reply *ret)
{
    int64_t deadline = timeout_ms > 0 ? mono_ms() + timeout_ms : INT64_MAX;
    struct watch w = { .c = c };
    int code = -1;

    *ret = (struct http_reply){ 0 };
    sse_init(&w.sse, EVENT_MAX);
    while (code < 0) {
        http_reply_deinit(ret);
        code = look(c, q, ret);
        if (code < 0 && mono_ms() >= deadline) {
            note("nobody has decided yet; the request stays open");
            code = EXIT_IN_VAIN;
        }
        if (code < 0)
            watch_wait(&w, q, deadline);
    }
    w.stream = http_stream_close(w.stream);
    sse_deinit(&w.sse);
    return code;
}
