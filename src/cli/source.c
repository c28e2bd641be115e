/*
 * Happy path: key -> open -> `from` -> events -> `key.expiring` -> fresh key, open behind the last event -> … -> `end`.
 * In flight when something fails: at most one stream; it is closed first, then the reason decides: another key (4401), a while
 * (1012, 4429, 4503, a broken connection), or the end (4403, 4409, 4410, 4411, 4412, 4423).
 */
#include "cli/source.h"

#include <stdlib.h>

#include "codec/json.h"
#include "crypto/random.h"

#define EVENT_MAX     (24u << 20)
#define BACKOFF_MS    500
#define BACKOFF_MAX   8000
#define IDLE_RESUME_MS 1000  /* of play; further behind the last event: from the place instead */
#define GRACE_MS       1500
#define NEXT_MS        5000 /* between looks for access that follows on */
#define REFUSED_MAX    3    /* fresh keys that are refused, one after another */

void source_init(struct source *s, const struct access *a, const struct source_ops *ops, void *ctx)
{
    *s = (struct source){ .access = *a, .ops = ops, .ctx = ctx, .given = -1, .last_seq = -1, .to_ms = -1, .speed = 1 };
    sse_init(&s->sse, EVENT_MAX);
}

static void close_stream(struct source *s)
{
    s->stream = http_stream_close(s->stream);
    s->begun = false;
    sse_restart(&s->sse);
}

void source_deinit(struct source *s)
{
    close_stream(s);
    sse_deinit(&s->sse);
    access_deinit(&s->access);
}

void source_play(struct source *s, int64_t from_ms, int64_t to_ms, double speed)
{
    close_stream(s);
    s->follow = s->live = false;
    s->from_ms = from_ms < 0 ? 0 : from_ms;
    s->to_ms = to_ms;
    s->speed = speed;
    s->given = s->last_seq = -1;
    s->opened_at = 0;
    s->fresh = true;
    s->wanted = true;
    s->again_at = 0;
    if (s->end == SOURCE_PLAYED)
        s->end = SOURCE_GOES_ON;
}

void source_follow(struct source *s, bool fresh)
{
    if (fresh)
        source_play(s, 0, -1, 1);
    else
        source_resume(s, 1);
    s->follow = true;
    s->live = false;
    s->behind_ms = 0;
}

/*
 * Where the next stream begins. With Last-Event-ID the server's clock starts again at that event's time. After a long pause in
 * the recording that would be far behind the listener (and, with a key a minute, never get across a longer one), so then
 * the stream begins at the listener's place, and what was given already is passed over.
 */
static void aim(struct source *s)
{
    int64_t place, last;

    if (s->follow) {
        s->fresh = s->given < 0;
        s->last_seq = s->given;
        return;
    }
    if (s->opened_at == 0)
        return; /* the first of its kind: from_ms says it */
    s->ops->place(s->ctx, &place, &last);
    s->from_ms = place;
    s->fresh = s->given < 0;
    s->last_seq = s->given >= 0 && place - last <= (int64_t) (IDLE_RESUME_MS * s->speed) ? s->given : -1;
}

void source_resume(struct source *s, double speed)
{
    close_stream(s);
    s->speed = speed;
    s->wanted = true;
    s->again_at = 0;
    if (s->end == SOURCE_PLAYED)
        s->end = SOURCE_GOES_ON;
}

void source_stop(struct source *s)
{
    close_stream(s);
    s->wanted = s->follow = s->live = false;
    s->trouble_since = 0;
    s->tries = 0;
}

bool source_is_waiting(const struct source *s)
{
    return s->wanted && !s->begun;
}

/* ---- how it ends ---- */

static void finish(struct source *s, enum source_end end, int exit_code, const char *why)
{
    close_stream(s);
    s->wanted = false;
    s->end = end;
    s->tries = 0;
    s->trouble_since = 0;
    s->exit_code = exit_code;
    (void) snprintf(s->why, sizeof(s->why), "%s", why);
}

static void later(struct source *s, int64_t after_ms, const char *why)
{
    int64_t now = mono_ms(), wait = BACKOFF_MS << (s->tries < 4 ? s->tries : 4);

    close_stream(s);
    s->tries++;
    s->trouble_since = s->trouble_since == 0 ? now : s->trouble_since;
    s->again_at = now + (after_ms > 0 ? after_ms : wait > BACKOFF_MAX ? BACKOFF_MAX : wait);
    if (now - s->trouble_since > SOURCE_PATIENCE_MS)
        finish(s, SOURCE_FAILED, EXIT_FAILED, why);
}

static void drop_key(struct source *s)
{
    explicit_bzero(s->access.key, sizeof(s->access.key));
}

static const struct {
    int code;
    enum source_end end; /* SOURCE_GOES_ON: try again */
    int exit_code;
    const char *why;
} codes[] = {
    { 1000, SOURCE_PLAYED, EXIT_DONE, "" },
    { 1012, SOURCE_GOES_ON, EXIT_FAILED, "the server is shutting down" },
    { 4401, SOURCE_GOES_ON, EXIT_EXPIRED, "the sign-in for this recording could not be renewed" },
    { 4403, SOURCE_REFUSED, EXIT_REFUSED, "this is not permitted" },
    { 4411, SOURCE_REVOKED, EXIT_REFUSED, "the access was ended" },
    { 4412, SOURCE_REFUSED, EXIT_REFUSED, "sign in again: keyhole login" },
    { 4423, SOURCE_REFUSED, EXIT_REFUSED, "the access is suspended" },
    { 4429, SOURCE_GOES_ON, EXIT_FAILED, "too many requests" },
    { 4503, SOURCE_GOES_ON, EXIT_FAILED, "the server cannot replay at the moment" },
};

/* At once, unless the last one did not even live a second. */
static void another_key(struct source *s, const char *why)
{
    drop_key(s);
    if (mono_ms() - s->opened_at < 1000)
        later(s, 0, why);
    else
        close_stream(s);
}

/* The window is over: under the access that follows on it, if there is one. */
static void window_over(struct source *s)
{
    if (!access_next(&s->access)) {
        finish(s, SOURCE_WINDOW, EXIT_EXPIRED, "the window has ended");
        return;
    }
    s->ending = false;
    drop_key(s);
    close_stream(s);
}

static void ended(struct source *s, int64_t code, int64_t retry_after_s)
{
    if (code == 4410) {
        window_over(s);
        return;
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code != code)
            continue;
        if (codes[i].end != SOURCE_GOES_ON) {
            finish(s, codes[i].end, codes[i].exit_code, codes[i].why);
        } else if (code == 4401) {
            another_key(s, codes[i].why);
        } else {
            later(s, retry_after_s * 1000, codes[i].why);
        }
        return;
    }
    finish(s, SOURCE_FAILED, EXIT_FAILED, "the server ended the stream for a reason this version does not know");
}

/* A limit is reached, of which 'left' says how much it is. What one key may carry a fresh key carries, too. */
static void used_up(struct source *s, struct tree answer)
{
    struct buf why = BUF_INIT(sizeof(s->why)), left = BUF_INIT(200);

    buf_add_str(&why, "too much is playing at once");
    if (problem_left(answer, &left))
        buf_addf(&why, ": %s", buf_cstr(&left));
    if (span_eq_str(get(get_node(answer, "left"), "name"), "key_bytes"))
        another_key(s, buf_cstr(&why));
    else
        finish(s, SOURCE_REFUSED, EXIT_REFUSED, buf_cstr(&why));
    buf_deinit(&left);
    buf_deinit(&why);
}

/* Refusals that no fresh key mends. */
static void refused_for_good(struct source *s, const struct http_reply *r)
{
    bool refused = r->status == 401 || r->status == 403;
    char why[200];

    (void) snprintf(why, sizeof(why), "the server refused [%s]", r->code);
    finish(s, refused ? SOURCE_REFUSED : SOURCE_FAILED, refused ? EXIT_REFUSED : EXIT_FAILED,
           strcmp(r->code, "grant-suspended") == 0 ? "the access is suspended" : why);
}

/* A refusal instead of a stream. */
static void refused(struct source *s, const struct http_reply *r)
{
    char why[400];

    if (r->status == 0 || r->status >= 500 || r->status == 429 || r->retryable) {
        (void) snprintf(why, sizeof(why), "%s",
                        r->status == 0     ? r->error.text
                        : r->status == 429 ? "the server finds this too fast"
                                           : "the server cannot replay at the moment");
        later(s, r->retry_after_ms, why);
    } else if (r->status == 401 && strncmp(r->code, "key-", 4) == 0 && ++s->refused_keys < REFUSED_MAX) {
        another_key(s, "no key is taken"); /* after a restart, a roll of the signing keys, from another network a fresh one works */
    } else if (strcmp(r->code, "quota") == 0) {
        used_up(s, r->root);
    } else if (strcmp(r->code, "grant-ended") == 0) {
        window_over(s);
    } else {
        refused_for_good(s, r);
    }
}

/* ---- keys ---- */

/* True: there is one that lives. Otherwise what follows has been decided. */
static bool have_key(struct source *s)
{
    if (!access_key_due(&s->access) && mono_ms() < s->access.expires_at)
        return true;
    if (access_key(&s->access))
        return true;
    if (mono_ms() < s->access.expires_at && s->access.key[0] != '\0' && s->access.exit_code == EXIT_FAILED) {
        s->access.renew_at = mono_ms() + 2000; /* the old one still works: try again in a while */
        return true;
    }
    drop_key(s);
    if (s->access.exit_code == EXIT_FAILED)
        later(s, s->access.retry_after_ms, s->access.why);
    else if (s->access.exit_code == EXIT_EXPIRED)
        finish(s, SOURCE_WINDOW, EXIT_EXPIRED, "the window has ended");
    else if (strcmp(s->access.code, "grant-state-conflict") == 0 || strcmp(s->access.code, "grant-suspended") == 0)
        finish(s, SOURCE_REVOKED, EXIT_REFUSED, s->access.why);
    else
        finish(s, SOURCE_REFUSED, s->access.exit_code, s->access.why);
    return false;
}

/* ---- the stream ---- */

static void open_stream(struct source *s)
{
    char last[64], speed[32];
    const char *headers[] = { last, NULL };
    struct buf path = BUF_INIT(4096);
    struct http_request q = { .method = "GET", .bearer = s->access.key, .prove = s->access.bound, .timeout_ms = -1, .never_retry = true };

    aim(s);
    s->opened_at = mono_ms();
    (void) snprintf(last, sizeof(last), "Last-Event-ID: %lld", (long long) s->last_seq);
    (void) snprintf(speed, sizeof(speed), "%g", s->speed);
    path_id(&path, "/v1/replay/", s->access.rid, "/stream");
    if (s->last_seq >= 0)
        q.headers = headers;
    else if (!s->follow)
        path_add_int(&path, "from_ms", s->from_ms);
    if (s->follow)
        path_add(&path, "follow", "1");
    if (s->to_ms >= 0 && !s->follow)
        path_add_int(&path, "to_ms", s->to_ms);
    if ((s->speed < 1 || s->speed > 1) && !s->follow)
        path_add(&path, "speed", speed);
    q.path = buf_cstr(&path);
    s->stream = http_stream_open(s->access.c->http, &q);
    if (s->stream == NULL)
        later(s, 0, "no memory");
    buf_deinit(&path);
}

static void named_event(struct source *s, const struct sse_event *e)
{
    struct json_limits lim = { .bytes = EVENT_MAX, .depth = TREE_DEPTH_MAX, .members = 100000, .string = EVENT_MAX };
    struct buf bytes = BUF_INIT(2 * EVENT_MAX);
    struct tree root;
    bool good;

    random_fill(lim.secret, sizeof(lim.secret));
    good = json_parse(e->data, &lim, &bytes, NULL);
    root = good ? tree_root(buf_span(&bytes)) : (struct tree){ 0 };
    if (span_eq_str(e->name, "from")) {
        s->begun = true;
        s->tries = 0;
        s->refused_keys = 0;
        s->trouble_since = 0;
        s->live = s->live && !s->fresh; /* a fresh key in between changes nothing */
        s->ops->on_from(s->ctx, root, s->fresh);
    } else if (span_eq_str(e->name, "live")) {
        s->live = true;
        s->behind_ms = 0;
    } else if (span_eq_str(e->name, "behind")) {
        s->live = false;
        s->behind_ms = get_int(root, "behind_ms");
    } else if (span_eq_str(e->name, "key.expiring")) {
        s->access.renew_at = mono_ms();
        s->access.last = false;
    } else if (span_eq_str(e->name, "window.ending")) {
        s->ending = true;
        s->next_at = 0;
        s->access.last = true;
    } else if (good && get_int(root, "code") == 4409) {
        used_up(s, root);
    } else if (good && get_int(root, "code") != 0) {
        ended(s, get_int(root, "code"), get_int(root, "retry_after_s"));
    }
    buf_deinit(&bytes);
}

static void take_event(struct source *s, const struct sse_event *e)
{
    char text[24];
    int64_t seq = s->last_seq + 1;

    if (e->has_id && span_to_str(e->id, text, sizeof(text)))
        seq = strtoll(text, NULL, 10);
    if (seq <= s->last_seq)
        return;
    s->last_seq = seq;
    if (seq <= s->given)
        return;
    s->given = seq;
    s->ops->on_event(s->ctx, seq, e->data);
}

static void read_stream(struct source *s)
{
    struct buf *bytes = http_stream_bytes(s->stream);
    struct sse_event e;

    if (!sse_feed(&s->sse, buf_span(bytes))) {
        finish(s, SOURCE_FAILED, EXIT_FAILED, "an event is larger than this version takes");
        return;
    }
    buf_reset(bytes);
    while (s->stream != NULL && sse_next(&s->sse, &e)) {
        if (e.name.n > 0)
            named_event(s, &e);
        else
            take_event(s, &e);
    }
    if (s->stream == NULL || !http_stream_over(s->stream))
        return;
    if (http_stream_status(s->stream) == 200)
        later(s, 0, "the connection broke"); /* a body without its final event was cut */
    else
        refused(s, http_stream_reply(s->stream));
}

/* A stream does not change its key: the next one begins behind the last event. */
static void renew(struct source *s)
{
    char before[JTI_CAP];

    memcpy(before, s->access.key_id, sizeof(before));
    if (!have_key(s) || strcmp(before, s->access.key_id) == 0)
        return;
    close_stream(s);
    open_stream(s);
}

enum source_end source_step(struct source *s)
{
    if (s->end != SOURCE_GOES_ON && s->end != SOURCE_PLAYED)
        return s->end;
    if (s->stream != NULL)
        read_stream(s);
    if (s->ending && s->stream != NULL && mono_ms() >= s->next_at) { /* before it has ended, nothing stands still */
        s->next_at = mono_ms() + NEXT_MS;
        s->ending = !access_next(&s->access);
    }
    /* The server says it first, as long as there is a stream. */
    if (s->end == SOURCE_GOES_ON && mono_ms() >= s->access.window_end + (s->stream != NULL ? GRACE_MS : 0))
        window_over(s);
    if (!s->wanted || s->end != SOURCE_GOES_ON)
        return s->end;
    if (s->stream != NULL && access_key_due(&s->access))
        renew(s);
    else if (s->stream == NULL && mono_ms() >= s->again_at && have_key(s))
        open_stream(s);
    return s->end;
}
