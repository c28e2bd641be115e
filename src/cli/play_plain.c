/*
 * Playing where there is no terminal: all events at once, then the last screen as plain text, or the timeline's lines.
 *
 * A body without its last line ("end") was cut: it goes on at the last event's time with a fresh key, and what has been seen
 * is passed over by its sequence.
 */
#include "cli/play.h"

#include <stdlib.h>
#include <time.h>

#include "codec/json.h"
#include "crypto/random.h"

#define LINE_MAX_ (24u << 20)
#define TRIES     6

struct plain {
    struct play *play;
    struct buf line;
    int64_t next;   /* sequence of the next line */
    int64_t seen;   /* newest that is in the view; -1: none */
    int64_t last_ms;
    bool begun, ended;
    int64_t end_code;
};

/* {"from": …} or {"end": …}: an object with that one member. */
static bool frame_line(struct span line, const char *name, struct buf *bytes, struct tree *ret)
{
    struct json_limits lim = { .bytes = LINE_MAX_, .depth = TREE_DEPTH_MAX, .members = 100000, .string = LINE_MAX_ };

    if (line.n < 2 || line.p[0] != '{' || !json_raw_eq(span_sub(line, 2, strlen(name)), name))
        return false;
    random_fill(lim.secret, sizeof(lim.secret));
    buf_reset(bytes);
    return json_parse(line, &lim, bytes, NULL) && tree_count(tree_root(buf_span(bytes))) == 1 &&
           tree_get(tree_root(buf_span(bytes)), name, ret);
}

static void take_line(struct plain *p, struct span line)
{
    struct buf bytes = BUF_INIT(2 * LINE_MAX_);
    struct tree t;
    int64_t at;

    if (line.n == 0) {
        buf_deinit(&bytes);
        return;
    }
    if (p->next < 0 && frame_line(line, "from", &bytes, &t)) {
        p->next = get_int(t, "seq");
        if (!p->begun)
            play_view_from(p->play->view, t);
        p->begun = true;
    } else if (frame_line(line, "end", &bytes, &t)) {
        p->ended = true;
        p->end_code = get_int(t, "code");
    } else if (play_view_time(p->play->view, line, p->last_ms, &at)) {
        int64_t seq = p->next++;

        if (seq > p->seen) {
            p->seen = seq;
            p->last_ms = at;
            play_view_event(p->play->view, line);
        }
    }
    buf_deinit(&bytes);
}

static bool on_body(void *ctx, struct span piece)
{
    struct plain *p = ctx;
    struct span head, tail;

    while (span_cut(piece, '\n', &head, &tail)) {
        buf_add_span(&p->line, head);
        take_line(p, buf_span(&p->line));
        buf_reset(&p->line);
        piece = tail;
    }
    buf_add_span(&p->line, piece);
    return !p->line.failed;
}

static bool fetch(struct plain *p, struct access *a, struct http_reply *r)
{
    struct buf path = BUF_INIT(4096);
    struct http_request q = { .method = "GET", .bearer = a->key, .prove = a->bound, .on_body = on_body, .body_ctx = p, .never_retry = true,
                              .timeout_ms = -1 };
    bool ok;

    p->next = -1;
    p->ended = false;
    buf_reset(&p->line);
    path_id(&path, "/v1/replay/", p->play->rid, "/events");
    path_add_int(&path, "from_ms", p->seen >= 0 ? p->last_ms : p->play->from_ms);
    if (p->play->to_ms >= 0)
        path_add_int(&path, "to_ms", p->play->to_ms);
    q.path = buf_cstr(&path);
    ok = http_call(p->play->c->http, &q, r);
    buf_deinit(&path);
    return ok;
}

static void rest(int tries)
{
    struct timespec t = { 0, 200000000L << (tries < 2 ? tries : 2) };

    (void) nanosleep(&t, NULL);
}

/* What a fetch that did not get through means. -1: try again. */
static int judge(struct plain *p, const struct http_reply *r)
{
    if ((p->ended && p->end_code == 4410) || strcmp(r->code, "grant-ended") == 0)
        return -1; /* asking for a key says it, or finds access that follows on */
    if (p->ended && (p->end_code == 4411 || p->end_code == 4403 || p->end_code == 4423)) {
        note("the access was ended");
        return EXIT_REFUSED;
    }
    if (p->ended || r->status == 0 || r->cut || r->retryable || (r->status >= 200 && r->status < 300) ||
        (r->status == 401 && strncmp(r->code, "key-", 4) == 0))
        return -1;
    return cli_problem(p->play->c, r);
}

static int fetch_all(struct plain *p, struct access *a)
{
    for (int tries = 0; tries < TRIES;) {
        struct http_reply r = { 0 };
        int64_t before = p->seen;
        int code;

        if ((a->key[0] == '\0' || tries > 0 || access_key_due(a)) && !access_key(a)) {
            if (a->exit_code != EXIT_FAILED) {
                note("%s", a->why);
                return a->exit_code;
            }
            rest(tries++);
            continue;
        }
        (void) fetch(p, a, &r);
        code = p->ended && p->end_code == 1000 ? EXIT_DONE : judge(p, &r);
        http_reply_deinit(&r);
        if (code >= 0)
            return code;
        tries = p->seen > before ? 1 : tries + 1;
        rest(tries);
    }
    return fail("the recording does not come through");
}

/* ---- printing ---- */

static void add_lines(struct jsonw *w, struct span text)
{
    jsonw_karr(w, "lines");
    while (text.n > 0) {
        struct span head, tail = SPAN_EMPTY;

        (void) span_cut(text, '\n', &head, &tail);
        jsonw_str(w, head);
        text = tail;
    }
    jsonw_arr_end(w);
}

static void print_terminal(struct play *play)
{
    struct buf text = BUF_INIT(16u << 20), json = BUF_INIT(64u << 20);
    struct jsonw w;

    play_view_text(play->view, &text);
    if (play->c->json) {
        jsonw_init(&w, &json);
        jsonw_obj(&w);
        jsonw_kint(&w, "cols", play->view->screen != NULL ? screen_cols(play->view->screen) : 0);
        jsonw_kint(&w, "rows", play->view->screen != NULL ? screen_rows(play->view->screen) : 0);
        add_lines(&w, buf_span(&text));
        jsonw_obj_end(&w);
        (void) printf("%s\n", buf_cstr(&json));
    } else {
        (void) fwrite(text.p, 1, text.n, stdout);
    }
    buf_deinit(&text);
    buf_deinit(&json);
}

static void print_timeline(struct play *play)
{
    const struct timeline *t = play->view->timeline;

    for (size_t i = 0; i < timeline_count(t); i++) {
        const struct timeline_line *l = timeline_line(t, i);
        struct buf out = BUF_INIT(65536);
        struct jsonw w;

        if (l->at_ms < play->from_ms)
            continue;
        if (play->c->json) {
            jsonw_init(&w, &out);
            jsonw_obj(&w);
            jsonw_kint(&w, "at_ms", l->at_ms);
            jsonw_kcstr(&w, "kind", l->kind);
            jsonw_kcstr(&w, "text", l->text);
            jsonw_obj_end(&w);
        } else {
            timeline_text(l, &out);
        }
        (void) printf("%s\n", buf_cstr(&out));
        buf_deinit(&out);
    }
}

int play_plain(struct play *play, struct access *access)
{
    struct plain p = { .play = play, .line = BUF_INIT(LINE_MAX_), .seen = -1 };
    int code = fetch_all(&p, access);

    if (code == EXIT_DONE && play->view->terminal)
        print_terminal(play);
    else if (code == EXIT_DONE)
        print_timeline(play);
    buf_deinit(&p.line);
    return code;
}

/* ---- as it happens ---- */

struct following {
    struct play *play;
    struct source source;
    int64_t last_ms;
    size_t printed; /* lines of the timeline */
};

static void follow_from(void *ctx, struct tree from, bool fresh)
{
    struct following *f = ctx;

    if (fresh) {
        play_view_from(f->play->view, from);
        f->printed = 0;
    }
}

/* {"seq": 3, "at_ms": 1500, "event": […]}, written anew, so that whatever is in it is safe on a terminal. */
static void print_event(int64_t seq, int64_t at_ms, struct span json)
{
    struct json_limits lim = json_limits_event();
    struct buf tree = BUF_INIT(4 * LINE_MAX_), out = BUF_INIT(4 * LINE_MAX_);
    struct jsonw w;

    random_fill(lim.secret, sizeof(lim.secret));
    jsonw_init(&w, &out);
    jsonw_obj(&w);
    jsonw_kint(&w, "seq", seq);
    jsonw_kint(&w, "at_ms", at_ms);
    if (json_parse(json, &lim, &tree, NULL))
        jsonw_ktree(&w, "event", tree_root(buf_span(&tree)));
    jsonw_obj_end(&w);
    (void) printf("%s\n", buf_cstr(&out));
    buf_deinit(&tree);
    buf_deinit(&out);
}

static void follow_event(void *ctx, int64_t seq, struct span json)
{
    struct following *f = ctx;
    struct timeline *t = f->play->view->timeline;

    play_view_first(f->play->view, seq, json);
    if (!play_view_time(f->play->view, json, f->last_ms, &f->last_ms))
        return;
    if (f->play->c->json) {
        print_event(seq, f->last_ms, json);
    } else {
        play_view_event(f->play->view, json);
        for (; f->printed < timeline_count(t); f->printed++) {
            struct buf out = BUF_INIT(65536);

            timeline_text(timeline_line(t, f->printed), &out);
            (void) printf("%s\n", buf_cstr(&out));
            buf_deinit(&out);
        }
    }
    (void) fflush(stdout);
}

static void follow_place(void *ctx, int64_t *ret_place, int64_t *ret_last)
{
    const struct following *f = ctx;

    *ret_place = *ret_last = f->last_ms;
}

int play_follow(struct play *play, const struct access *access)
{
    static const struct source_ops ops = { follow_from, follow_event, follow_place };
    struct following f = { .play = play };
    enum source_end end = SOURCE_GOES_ON;
    int code = EXIT_DONE;

    if (play->view->terminal && !play->c->json)
        return usage(play->c, "a terminal's recording is followed on a terminal, or with --json");
    source_init(&f.source, access, &ops, &f);
    source_follow(&f.source, true);
    while (end == SOURCE_GOES_ON && ferror(stdout) == 0) {
        (void) http_wait(play->c->http, NULL, 0, 250);
        end = source_step(&f.source);
    }
    if (end != SOURCE_PLAYED && end != SOURCE_GOES_ON) {
        note("%s", f.source.why);
        code = f.source.exit_code;
    }
    source_deinit(&f.source);
    return code;
}

/* ---- one event's time ---- */

static int64_t chunk_of(struct tree manifest, int64_t seq, int64_t *ret_first)
{
    struct tree list = get_node(manifest, "chunks"), c;
    struct span at = list.payload;

    for (int64_t n = 0; list.tag == TREE_ARR && tree_next(&at, &c); n++) {
        *ret_first = get_int(c, "from_seq");
        if (seq >= *ret_first && seq <= get_int(c, "to_seq"))
            return n;
    }
    return -1;
}

bool play_event_time(struct play *play, struct access *access, const struct play_view *v, int64_t seq, int64_t *ret_ms)
{
    struct buf path = BUF_INIT(4096);
    struct http_request q = { .method = "GET", .bearer = access->key, .prove = access->bound };
    struct http_reply r = { 0 };
    int64_t first = 0, n = chunk_of(play->manifest, seq, &first), last = 0;
    struct span rest, line = SPAN_EMPTY;
    bool found = false;

    path_id(&path, "/v1/replay/", play->rid, "/chunks/");
    buf_addf(&path, "%lld", (long long) n);
    q.path = buf_cstr(&path);
    if (n >= 0 && http_call(play->c->http, &q, &r)) {
        rest = buf_span(&r.body);
        for (int64_t i = first; i <= seq && rest.n > 0; i++) {
            struct span tail = SPAN_EMPTY;

            (void) span_cut(rest, '\n', &line, &tail);
            rest = tail;
            found = play_view_time(v, line, last, &last) && i == seq;
        }
    }
    if (found)
        *ret_ms = last;
    http_reply_deinit(&r);
    buf_deinit(&path);
    return found;
}
