/*
 * HTTP/2 over real loopback sockets: exchanges, deadlines, back-pressure, cuts, drains. Frames are written by hand (wire.h);
 * the role has a context for each exchange and can be told from the test to do something with one.
 */
#include "server.h"

#include <netinet/tcp.h>
#include <poll.h>

#include "net/http2.h"
#include "wire.h"

/* ---- the role ---- */

#define HELD_MAX 300

struct job {
    struct exchange *ex;
    struct server *s;
    struct buf body;
    bool flooding, pausing;
};

static struct job *held[HELD_MAX]; /* loop thread only; by the number in the query */
static atomic_int n_told;
static atomic_size_t most_queued;

static void job_body(void *user, struct exchange *ex, struct span bytes)
{
    struct job *j = user;

    buf_add_span(&j->body, bytes);
    atomic_fetch_add(&j->s->n_body, (int) bytes.n);
    if (j->pausing)
        exchange_pause(ex);
}

static void job_body_end(void *user, struct exchange *ex)
{
    struct job *j = user;

    send_text(ex, 200, buf_span(&j->body));
}

static void job_flood(struct job *j)
{
    static uint8_t block[4096];

    memset(block, 'x', sizeof(block));
    while (exchange_write(j->ex, SPAN_OF(block)) == ERR_OK)
        ;
    if (exchange_queued(j->ex) > atomic_load(&most_queued))
        atomic_store(&most_queued, exchange_queued(j->ex));
}

static void job_drained(void *user, struct exchange *ex)
{
    struct job *j = user;

    (void) ex;
    atomic_fetch_add(&j->s->n_drained, 1);
    if (j->flooding)
        job_flood(j);
}

static void job_end(void *user, struct exchange *ex, enum exchange_end how)
{
    struct job *j = user;
    struct server *s = j->s;

    assert_ptr_equal(j->ex, ex);
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (held[i] == j)
            held[i] = NULL;
    }
    buf_deinit(&j->body);
    free(j);
    atomic_fetch_add(&s->ends[how], 1);
    atomic_fetch_add(&s->n_ends, 1);
}

static const struct exchange_ops job_ops = { job_body, job_body_end, job_drained, job_end };

static void job_request(void *ctx, struct exchange *ex, const struct http_head *head)
{
    struct server *s = ctx;
    struct job *j = calloc(1, sizeof(*j));
    char query[16];
    int n;

    assert_non_null(j);
    j->ex = ex;
    j->s = s;
    j->pausing = s->pausing;
    buf_init(&j->body, 4u << 20);
    atomic_fetch_add(&s->n_requests, 1);
    exchange_set(ex, &job_ops, j);
    assert_true(span_to_str(head->query, query, sizeof(query)));
    n = atoi(query);
    if (span_eq_str(head->path, "/echo")) {
        if (exchange_accept_body(ex, 1u << 20) != ERR_OK)
            send_text(ex, 413, SPAN("too large"));
    } else if (span_eq_str(head->path, "/ten")) {
        if (exchange_accept_body(ex, 10) != ERR_OK)
            send_text(ex, 413, SPAN("more than ten"));
    } else if (span_eq_str(head->path, "/hold")) {
        held[n] = j;
    } else if (span_eq_str(head->path, "/open")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, -1));
        assert_ok(exchange_write(ex, SPAN("first\n")));
        held[n] = j;
    } else if (span_eq_str(head->path, "/flood") || span_eq_str(head->path, "/fixed-flood")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, span_eq_str(head->path, "/flood") ? -1 : 1 << 30));
        held[n] = j;
        j->flooding = true;
        job_flood(j);
    } else if (span_eq_str(head->path, "/big")) {
        static uint8_t big[1u << 20];

        assert_ok(exchange_respond_ref(ex, 200, NULL, 0, SPAN_OF(big), released, s));
    } else {
        exchange_set(ex, NULL, NULL);
        buf_deinit(&j->body);
        free(j);
        atomic_fetch_sub(&s->n_requests, 1);
        on_request(ctx, ex, head);
    }
}

enum tell { CUT, CUT_SILENT, ABORT, RESUME, ACCEPT, ANSWER, FINISH, WRITE };

struct order {
    enum tell what;
    int first, last;
};

/* On the loop's thread. */
static void obey(void *arg)
{
    struct order *o = arg;

    for (int i = o->first; i <= o->last; i++) {
        struct job *j = held[i];

        if (j == NULL)
            continue;
        switch (o->what) {
        case CUT: exchange_cut(j->ex, SPAN("event: end\n\n")); break;
        case CUT_SILENT: exchange_cut(j->ex, SPAN_EMPTY); break;
        case ABORT: exchange_abort(j->ex); break;
        case RESUME: exchange_resume(j->ex); break;
        case ACCEPT: assert_ok(exchange_accept_body(j->ex, 1u << 20)); break;
        case ANSWER: send_text(j->ex, 200, SPAN("late")); break;
        case FINISH: exchange_end(j->ex); break;
        case WRITE: assert_ok(exchange_write(j->ex, SPAN("more\n"))); break;
        }
    }
    free(o);
    atomic_fetch_add(&n_told, 1);
}

static void tell(struct server *s, enum tell what, int first, int last)
{
    struct order *o = calloc(1, sizeof(*o));
    int before = atomic_load(&n_told);

    assert_non_null(o);
    *o = (struct order){ what, first, last };
    assert_ok(loop_post(s->loop, obey, o));
    wait_for(&n_told, before + 1);
}

/* ---- the client ---- */

struct client {
    int fd;
    struct reader r;
    struct buf out;
    bool closed, reset;
};

static void c_send(struct client *c)
{
    for (size_t at = 0; at < c->out.n;) {
        ssize_t n = send(c->fd, c->out.p + at, c->out.n - at, MSG_NOSIGNAL);

        if (n < 0)
            break; /* the server has closed: what came before is still read */
        at += (size_t) n;
    }
    buf_reset(&c->out);
}

static void c_open_silent(struct client *c, const struct server *s, int rcvbuf)
{
    memset(c, 0, sizeof(*c));
    c->fd = dial_rcvbuf(s, rcvbuf);
    buf_init(&c->out, 64u << 20);
    r_init(&c->r);
}

static void c_open(struct client *c, const struct server *s)
{
    c_open_silent(c, s, 0);
    w_begin(&c->out);
    w_frame(&c->out, W_SETTINGS, W_ACK, 0, SPAN_EMPTY);
}

static void c_close(struct client *c)
{
    r_deinit(&c->r);
    buf_deinit(&c->out);
    (void) close(c->fd);
}

/* Reads once, waiting at most ms. */
static void c_step(struct client *c, int ms)
{
    static uint8_t buf[65536];
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    ssize_t n;

    c_send(c);
    if (c->closed) {
        (void) usleep(1000);
        return;
    }
    if (poll(&p, 1, ms) <= 0)
        return;
    n = recv(c->fd, buf, sizeof(buf), 0);
    if (n <= 0) {
        c->closed = true;
        c->reset = n < 0;
    } else {
        r_feed(&c->r, span_of(buf, (size_t) n));
    }
}

/* Sends what waits and reads until the condition holds. */
#define C_WAIT(c, condition)                                                                                           \
    do {                                                                                                               \
        for (int64_t until_ = now_ms() + 5000; !(condition) && now_ms() < until_;)                                     \
            c_step((c), 20);                                                                                           \
        assert_true(condition);                                                                                        \
    } while (0)

/* Reads for that long. */
static void c_idle(struct client *c, int ms)
{
    for (int64_t until = now_ms() + ms; now_ms() < until;)
        c_step(c, 5);
}

static struct client one, two; /* large */

#define S(c, id) (&(c)->r.streams[(id) / 2])

static void serve_jobs(struct server *s)
{
    s->handler.on_request = job_request;
    memset(held, 0, sizeof(held));
    start(s);
}

/* ---- tests ---- */

static void the_preface_may_come_slowly(void **state)
{
    struct server s = { 0 };
    struct buf all = BUF_INIT(65536);

    (void) state;
    serve_jobs(&s);
    c_open_silent(&one, &s, 0);
    w_begin(&all);
    w_get(&all, 1, "/");
    for (size_t i = 0; i < all.n; i++) {
        buf_add(&one.out, all.p + i, 1);
        c_send(&one);
        if (i < 30)
            (void) usleep(1500);
    }
    C_WAIT(&one, S(&one, 1)->ended);
    assert_int_equal(S(&one, 1)->status, 200);
    assert_string_equal(S(&one, 1)->body, "hello");
    c_close(&one);
    stop(&s);
    buf_deinit(&all);
}

/* What only begins like the preface is HTTP/1.1, whatever the pieces. */
static void what_is_no_preface_is_http1(void **state)
{
    static const struct { const char *first, *rest, *answer; } cases[] = {
        { "P", "OST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 " },
        { "PRI", " / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 501 " },
        { "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\n", "HTTP/1.1 505 " },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "\r", "HTTP/1.1 505 " },
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 200 " },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server s = { 0 };
        char got[64] = { 0 };
        int fd;

        serve_jobs(&s);
        fd = dial(&s);
        assert_true(send(fd, cases[i].first, strlen(cases[i].first), MSG_NOSIGNAL) > 0);
        (void) usleep(20000);
        assert_true(send(fd, cases[i].rest, strlen(cases[i].rest), MSG_NOSIGNAL) > 0);
        assert_true(recv(fd, got, sizeof(got) - 1, 0) > 20);
        if (strncmp(got, cases[i].answer, strlen(cases[i].answer)) != 0)
            fail_msg("%zu: %s", i, got);
        (void) close(fd);
        stop(&s);
    }
}

static void many_requests_on_one_connection(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open(&two, &s);
    for (uint32_t i = 0; i < 500; i++) {
        w_get(&two.out, 2 * i + 1, i < 498 ? "/" : "/slot");
        if (i % 50 == 49)
            C_WAIT(&two, S(&two, 2 * i + 1)->ended);
    }
    assert_string_equal(S(&two, 997)->body, "new");
    assert_string_equal(S(&two, 999)->body, "kept");
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(S(&two, 2 * i + 1)->status, 200);
    c_close(&two);
    wait_for(&s.slot_freed, 1);
    stop(&s);
}

static void bodies_go_both_ways(void **state)
{
    static uint8_t part[16384];
    struct server s = { 0 };
    int before;

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_request(&one.out, 1, "POST", "/echo", "content-length: 3", false);
    w_frame(&one.out, W_DATA, W_END_STREAM, 1, SPAN("abc"));
    w_request(&one.out, 3, "POST", "/echo", "expect: 100-continue\ncontent-length: 2", false);
    C_WAIT(&one, S(&one, 1)->ended && S(&one, 3)->n_informational == 1);
    assert_string_equal(S(&one, 1)->body, "abc");
    w_frame(&one.out, W_DATA, W_END_STREAM, 3, SPAN("de"));
    w_request(&one.out, 5, "POST", "/echo", NULL, false); /* no length, trailers */
    w_frame(&one.out, W_DATA, 0, 5, SPAN("fg"));
    w_frame(&one.out, W_HEADERS, W_END_HEADERS | W_END_STREAM, 5, SPAN("\0\x01x\x01y"));
    w_request(&one.out, 7, "POST", "/echo", "content-length: 0", false); /* said to be empty, and so it is */
    w_frame(&one.out, W_DATA, W_END_STREAM, 7, SPAN_EMPTY);
    w_request(&one.out, 9, "HEAD", "/", NULL, true);
    w_request(&one.out, 11, "HEAD", "/stream", NULL, true);
    w_request(&one.out, 13, "GET", "/stream", NULL, true);
    w_request(&one.out, 15, "POST", "/echo", NULL, true); /* no body at all */
    C_WAIT(&one, S(&one, 3)->ended && S(&one, 5)->ended && S(&one, 7)->ended && S(&one, 9)->ended && S(&one, 11)->ended &&
                     S(&one, 13)->ended && S(&one, 15)->ended);
    assert_string_equal(S(&one, 3)->body, "de");
    assert_string_equal(S(&one, 5)->body, "fg");
    assert_string_equal(S(&one, 7)->body, "");
    assert_non_null(strstr(S(&one, 9)->head, "content-length: 5\n"));
    assert_string_equal(S(&one, 9)->body, "");
    assert_null(strstr(S(&one, 11)->head, "content-length"));
    assert_string_equal(S(&one, 11)->body, "");
    assert_string_equal(S(&one, 13)->body, "one\ntwo\n");
    w_request(&one.out, 17, "POST", "/echo", NULL, false); /* more than the window, which opens as it is read */
    C_WAIT(&one, S(&one, 17)->window + 65535 == HTTP2_WINDOW_WIDE);
    for (int i = 0; i < 40; i++) {
        w_frame(&one.out, W_DATA, i == 39 ? W_END_STREAM : 0u, 17, SPAN_OF(part));
        c_idle(&one, 3);
    }
    w_frame_u32(&one.out, W_WINDOW, 0, 17, 1u << 20);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 20);
    C_WAIT(&one, S(&one, 17)->ended);
    assert_int_equal(S(&one, 17)->n_body, 40 * sizeof(part));
    w_request(&one.out, 19, "HEAD", "/open?19", NULL, true); /* the role writes on, for it need not know */
    C_WAIT(&one, S(&one, 19)->ended);
    before = s.ends[EXCHANGE_SENT];
    tell(&s, WRITE, 19, 19);
    tell(&s, FINISH, 19, 19);
    wait_for(&s.ends[EXCHANGE_SENT], before + 1);
    assert_int_equal(S(&one, 19)->n_body, 0);
    assert_false(one.r.had_goaway);
    c_close(&one);
    stop(&s);
}

/* A body that nobody wants: a short rest is read away, a long one is stopped, and the answer arrives in any case. */
static void early_answers(void **state)
{
    static uint8_t part[16000];
    struct server s = { .handler = { .on_refused = on_refused } };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_request(&one.out, 1, "POST", "/", "content-length: 16000", false);
    w_request(&one.out, 3, "POST", "/", "content-length: 1000000", false);
    w_request(&one.out, 5, "POST", "/ten", "content-length: 11", false); /* said so */
    w_request(&one.out, 7, "POST", "/ten", NULL, false);                 /* did so */
    w_frame(&one.out, W_DATA, 0, 7, SPAN("elevenbytes"));
    w_request(&one.out, 9, "GET", "/a#b", NULL, false); /* refused by the net */
    w_request(&one.out, 13, "POST", "/", "expect: 100-continue\ncontent-length: 5", false); /* may never be sent */
    C_WAIT(&one, S(&one, 13)->was_reset);
    assert_int_equal(S(&one, 13)->n_informational, 0);
    C_WAIT(&one, S(&one, 1)->ended && S(&one, 3)->was_reset && S(&one, 5)->ended && S(&one, 7)->was_reset && S(&one, 9)->was_reset);
    assert_false(S(&one, 1)->was_reset);
    w_frame(&one.out, W_DATA, W_END_STREAM, 1, SPAN_OF(part));
    w_frame(&one.out, W_DATA, W_END_STREAM, 5, SPAN("elevenbytes"));
    assert_true(S(&one, 3)->ended && S(&one, 3)->rst == 0);
    assert_int_equal(S(&one, 5)->status, 413);
    assert_int_equal(S(&one, 7)->status, 413);
    assert_int_equal(S(&one, 7)->rst, 0);
    assert_int_equal(S(&one, 9)->status, 400);
    w_request(&one.out, 15, "POST", "/hold?15", "content-length: 65536", false); /* a byte more than the window at first */
    for (int i = 0; i < 4; i++)
        w_frame(&one.out, W_DATA, 0, 15, SPAN_OF(part));
    w_get(&one.out, 17, "/");
    C_WAIT(&one, S(&one, 17)->ended);
    tell(&s, ANSWER, 15, 15);
    C_WAIT(&one, S(&one, 15)->ended && S(&one, 15)->window >= 64000);
    w_frame(&one.out, W_DATA, W_END_STREAM, 15, span_of(part, 1536));
    w_get(&one.out, 19, "/");
    C_WAIT(&one, S(&one, 19)->ended);
    assert_int_equal(atomic_load(&s.ends[EXCHANGE_LARGE]), 1);
    assert_int_equal(one.r.n_frames[W_RST], 4);
    c_close(&one);
    stop(&s);
}

static void paused_bodies_wait(void **state)
{
    static uint8_t part[16000];
    struct server s = { .pausing = true, .cfg = { .body_window = 50, .body_min_rate = 1000000 } };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_request(&one.out, 1, "POST", "/hold?1", NULL, false);
    for (int i = 0; i < 4; i++)
        w_frame(&one.out, W_DATA, 0, 1, SPAN_OF(part));
    w_get(&one.out, 3, "/");
    C_WAIT(&one, S(&one, 3)->ended);
    c_idle(&one, 100);
    assert_int_equal(s.n_body, 0); /* nobody has asked for it */
    tell(&s, ACCEPT, 1, 1);
    wait_for(&s.n_body, 1);
    c_idle(&one, 200); /* paused: the client's clock does not run */
    assert_int_equal(s.n_body, 64000);
    w_frame(&one.out, W_DATA, W_END_STREAM, 1, SPAN_EMPTY);
    c_idle(&one, 100);
    assert_int_equal(S(&one, 1)->status, 0); /* nor is the end told */
    tell(&s, RESUME, 1, 1);
    C_WAIT(&one, S(&one, 1)->ended);
    assert_int_equal(S(&one, 1)->status, 200);
    assert_int_equal(S(&one, 1)->n_body, 64000);
    c_close(&one);
    stop(&s);
}

static void slow_bodies_end_their_stream(void **state)
{
    struct server s = { .cfg = { .body_window = 100, .body_min_rate = 1000 }, .handler = { .on_refused = on_refused } };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_get(&one.out, 1, "/open?1");
    w_request(&one.out, 3, "POST", "/echo", NULL, false);
    w_frame(&one.out, W_DATA, 0, 3, SPAN("trickle"));
    C_WAIT(&one, S(&one, 3)->was_reset);
    assert_int_equal(S(&one, 3)->status, 408);
    assert_true(S(&one, 3)->ended);
    assert_int_equal(atomic_load(&s.ends[EXCHANGE_SLOW]), 1);
    tell(&s, FINISH, 1, 1);
    C_WAIT(&one, S(&one, 1)->ended);
    w_request(&one.out, 5, "POST", "/", "content-length: 5", false); /* answered; the rest never comes */
    C_WAIT(&one, S(&one, 5)->was_reset);
    assert_int_equal(S(&one, 5)->status, 200);
    c_close(&one);
    stop(&s);
}

/* So much waits for the role that the connection's window may be closed: then it is not the client who is slow. */
static void who_is_not_let_is_not_slow(void **state)
{
    static uint8_t part[16000];
    struct server s = { .cfg = { .body_window = 100, .body_min_rate = 1000 }, .handler = { .on_refused = on_refused } };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    for (uint32_t i = 0; i < 17; i++) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/hold?%u", i);
        w_request(&one.out, 2 * i + 1, "POST", path, NULL, false);
        for (int k = 0; k < 4; k++)
            w_frame(&one.out, W_DATA, 0, 2 * i + 1, SPAN_OF(part));
        c_idle(&one, 3);
    }
    w_request(&one.out, 101, "POST", "/echo", NULL, false);
    c_idle(&one, 400);
    assert_int_equal(S(&one, 101)->status, 0);
    tell(&s, ANSWER, 0, 16);
    C_WAIT(&one, S(&one, 101)->was_reset);
    assert_int_equal(S(&one, 101)->status, 408);
    c_close(&one);
    stop(&s);
}

static void deadlines_of_streams(void **state)
{
    struct server s = { .cfg = { .answer_time = 60 }, .handler = { .on_refused = on_refused } };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_get(&one.out, 1, "/hold?1");
    w_request(&one.out, 3, "POST", "/hold?3", NULL, false);
    C_WAIT(&one, S(&one, 1)->ended && S(&one, 3)->ended);
    assert_int_equal(S(&one, 1)->status, 503);
    assert_int_equal(S(&one, 3)->status, 503);
    wait_for(&s.ends[EXCHANGE_LATE], 2);
    w_get(&one.out, 5, "/");
    C_WAIT(&one, S(&one, 5)->ended);
    c_close(&one);
    stop(&s);
}

static void deadlines_of_connections(void **state)
{
    struct server s = { .cfg = { .header_time = 80, .idle_time = 150, .linger_time = 200 } };
    clock_t spent;

    (void) state;
    serve_jobs(&s);
    c_open_silent(&one, &s, 0); /* half a preface */
    buf_add_str(&one.out, "PRI * HTTP");
    C_WAIT(&one, one.closed);
    c_close(&one);
    c_open_silent(&one, &s, 0); /* our SETTINGS are never acknowledged */
    w_begin(&one.out);
    w_get(&one.out, 1, "/open?1");
    C_WAIT(&one, one.closed);
    assert_int_equal(one.r.goaway, HTTP2_SETTINGS_TIMEOUT);
    c_close(&one);
    wait_for(&s.ends[EXCHANGE_BAD], 1);
    c_open(&one, &s); /* a header block without end, beside a stream that lives */
    w_get(&one.out, 1, "/open?1");
    C_WAIT(&one, S(&one, 1)->n_body > 0);
    w_frame(&one.out, W_HEADERS, W_END_STREAM, 3, SPAN("\x82"));
    C_WAIT(&one, one.closed);
    assert_int_equal(one.r.goaway, HTTP2_ENHANCE_YOUR_CALM);
    c_close(&one);
    wait_for(&s.ends[EXCHANGE_BAD], 2);
    c_open(&one, &s); /* idle */
    w_get(&one.out, 1, "/");
    w_frame(&one.out, W_PING, 0, 0, SPAN("12345678"));
    C_WAIT(&one, S(&one, 1)->ended && one.r.n_ping_ack == 1);
    C_WAIT(&one, one.closed);
    assert_true(one.r.had_goaway);
    assert_int_equal(one.r.goaway, HTTP2_NO_ERROR);
    c_close(&one);
    c_open(&one, &s); /* idle, but for the rest of a body that nobody wants: no time of ours is spent on it */
    w_request(&one.out, 1, "POST", "/", "content-length: 1000", false);
    C_WAIT(&one, S(&one, 1)->ended);
    spent = clock();
    C_WAIT(&one, one.closed);
    assert_true(one.r.had_goaway);
    assert_true(clock() - spent < CLOCKS_PER_SEC / 10);
    c_close(&one);
    c_open(&one, &s); /* a stream that is open for longer than idle_time */
    w_get(&one.out, 1, "/open?1");
    c_idle(&one, 400);
    assert_false(one.closed);
    tell(&s, WRITE, 1, 1);
    tell(&s, FINISH, 1, 1);
    C_WAIT(&one, S(&one, 1)->ended);
    assert_string_equal(S(&one, 1)->body, "first\nmore\n");
    c_close(&one);
    stop(&s);
}

static void a_stream_that_is_not_read_is_reset_alone(void **state)
{
    struct server s = { .cfg = { .write_stall = 150 } };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_setting(&one.out, 4, 0);
    w_get(&one.out, 1, "/flood?1"); /* its window stays closed */
    w_get(&one.out, 3, "/open?3");
    w_frame_u32(&one.out, W_WINDOW, 0, 3, 1000);
    C_WAIT(&one, S(&one, 3)->n_body > 0);
    C_WAIT(&one, S(&one, 1)->was_reset);
    assert_int_equal(S(&one, 1)->rst, HTTP2_CANCEL);
    wait_for(&s.ends[EXCHANGE_STALLED], 1);
    assert_true(atomic_load(&most_queued) <= (256u << 10) + 4096);
    c_idle(&one, 300); /* nothing waits for the other: it may be quiet */
    assert_false(S(&one, 3)->was_reset);
    tell(&s, WRITE, 3, 3);
    tell(&s, FINISH, 3, 3);
    C_WAIT(&one, S(&one, 3)->ended);
    assert_string_equal(S(&one, 3)->body, "first\nmore\n");
    c_close(&one);
    stop(&s);
}

static void a_connection_that_is_not_read_is_reset(void **state)
{
    struct server s = { .cfg = { .write_stall = 150 } };

    (void) state;
    serve_jobs(&s);
    c_open_silent(&one, &s, 4096);
    w_begin(&one.out);
    w_frame(&one.out, W_SETTINGS, W_ACK, 0, SPAN_EMPTY);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_setting(&one.out, 4, 1u << 30);
    w_get(&one.out, 1, "/flood?1");
    w_get(&one.out, 3, "/flood?3");
    c_send(&one);
    wait_for(&s.ends[EXCHANGE_STALLED], 2);
    c_close(&one);
    stop(&s);
}

/* One stream's window is closed, ten others get the line. */
static void one_slow_reader_does_not_hold_the_others(void **state)
{
    struct server s = { 0 };
    size_t least = SIZE_MAX, most = 0;

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_get(&one.out, 1, "/flood?1");
    C_WAIT(&one, S(&one, 1)->n_body == 65535);
    w_setting(&one.out, 4, 1u << 30);
    w_frame_u32(&one.out, W_WINDOW, 0, 1, 1); /* the setting opened it: closed again by what is sent */
    for (uint32_t i = 1; i <= 10; i++) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/flood?%u", i * 2 + 1);
        w_get(&one.out, i * 2 + 1, path);
    }
    C_WAIT(&one, S(&one, 3)->n_body > (4u << 20));
    for (uint32_t i = 1; i <= 10; i++) {
        least = S(&one, i * 2 + 1)->n_body < least ? S(&one, i * 2 + 1)->n_body : least;
        most = S(&one, i * 2 + 1)->n_body > most ? S(&one, i * 2 + 1)->n_body : most;
    }
    assert_true(least > most / 2);
    assert_true(s.n_drained > 10);
    c_close(&one);
    wait_for(&s.ends[EXCHANGE_GONE], 11);
    stop(&s);
}

static void a_cut_ends_one_stream_with_its_last_word(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_get(&one.out, 1, "/open?1");
    w_get(&one.out, 3, "/open?3");
    w_get(&one.out, 5, "/hold?5");
    C_WAIT(&one, S(&one, 1)->n_body > 0 && S(&one, 3)->n_body > 0);
    tell(&s, CUT, 1, 1);
    C_WAIT(&one, S(&one, 1)->ended);
    assert_string_equal(S(&one, 1)->body, "first\nevent: end\n\n");
    assert_false(S(&one, 1)->was_reset);
    wait_for(&s.ends[EXCHANGE_CUT], 1);
    tell(&s, CUT_SILENT, 3, 3); /* nothing to say: must not look whole */
    tell(&s, CUT, 5, 5);        /* nothing was answered */
    C_WAIT(&one, S(&one, 3)->was_reset && S(&one, 5)->was_reset);
    assert_int_equal(S(&one, 3)->rst, HTTP2_CANCEL);
    assert_int_equal(S(&one, 5)->rst, HTTP2_CANCEL);
    assert_false(S(&one, 3)->ended);
    assert_int_equal(S(&one, 5)->status, 0);
    wait_for(&s.ends[EXCHANGE_CUT], 3);
    c_idle(&one, 150);
    w_get(&one.out, 7, "/");
    C_WAIT(&one, S(&one, 7)->ended);
    c_close(&one);
    stop(&s);
}

/* Its window is closed: no last word can be sent, and what was queued never is. */
static void a_cut_behind_a_closed_window_is_a_reset(void **state)
{
    struct server s = { 0 };
    int64_t began;

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_get(&one.out, 1, "/flood?1");
    w_get(&one.out, 3, "/fixed-flood?3");
    w_get(&one.out, 5, "/open?5");
    C_WAIT(&one, S(&one, 1)->n_body == 65535 && S(&one, 3)->n_body == 65535 && S(&one, 5)->n_body > 0);
    began = now_ms();
    tell(&s, CUT, 1, 3);
    C_WAIT(&one, S(&one, 3)->was_reset); /* at once: a body of known length cannot end otherwise */
    C_WAIT(&one, S(&one, 1)->was_reset);
    assert_true(now_ms() - began >= 95);
    assert_int_equal(S(&one, 1)->rst, HTTP2_CANCEL);
    w_frame_u32(&one.out, W_WINDOW, 0, 1, 1u << 20);
    w_frame_u32(&one.out, W_WINDOW, 0, 3, 1u << 20);
    c_idle(&one, 100);
    assert_int_equal(S(&one, 1)->n_body, 65535);
    assert_int_equal(S(&one, 3)->n_body, 65535);
    assert_false(one.closed);
    wait_for(&s.ends[EXCHANGE_CUT], 2);
    tell(&s, FINISH, 5, 5);
    C_WAIT(&one, S(&one, 5)->ended);
    c_close(&one);
    stop(&s);
}

/* The client reads nothing: content that lies in the kernel must not come later, so the connection goes (STANDARDS 1.8 rule 6). */
static void a_cut_of_what_the_kernel_holds_resets_the_connection(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open_silent(&one, &s, 4096);
    w_begin(&one.out);
    w_frame(&one.out, W_SETTINGS, W_ACK, 0, SPAN_EMPTY);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_setting(&one.out, 4, 1u << 30);
    w_get(&one.out, 1, "/flood?1");
    w_get(&one.out, 3, "/open?3");
    c_send(&one);
    wait_for(&s.n_requests, 2);
    (void) usleep(100000);
    tell(&s, CUT, 1, 1);
    wait_for(&s.ends[EXCHANGE_CUT], 1);
    wait_for(&s.ends[EXCHANGE_ABORTED], 1);
    C_WAIT(&one, one.closed);
    assert_true(one.reset);
    c_close(&one);
    stop(&s);
}

/* The same while it reads slowly: what was framed and not handed over is blanked, the frames stay whole. */
static void a_cut_blanks_what_is_framed(void **state)
{
    struct server s = { .cfg = { .cut_time = 3000 } };
    size_t before;

    (void) state;
    serve_jobs(&s);
    c_open_silent(&one, &s, 4096);
    w_begin(&one.out);
    w_frame(&one.out, W_SETTINGS, W_ACK, 0, SPAN_EMPTY);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_setting(&one.out, 4, 1u << 30);
    w_get(&one.out, 1, "/flood?1");
    w_get(&one.out, 3, "/open?3");
    c_send(&one);
    wait_for(&s.n_requests, 2);
    (void) usleep(100000);
    before = one.r.n_data;
    tell(&s, CUT, 1, 1);
    C_WAIT(&one, S(&one, 1)->ended); /* what the kernel had comes, then the last word */
    assert_true(one.r.n_data > before);
    assert_true(S(&one, 1)->n_body < 200000); /* and not the queue: a socket's buffer, 16 KiB, the word */
    assert_true(S(&one, 1)->n_lf > 1000);     /* those 16 KiB */
    wait_for(&s.ends[EXCHANGE_CUT], 1);
    assert_false(one.closed);
    tell(&s, FINISH, 3, 3);
    C_WAIT(&one, S(&one, 3)->ended);
    c_close(&one);
    stop(&s);
}

static void aborts_and_resets_end_one_stream(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    w_frame_u32(&one.out, W_WINDOW, 0, 0, 1u << 30);
    w_get(&one.out, 1, "/open?1");
    w_get(&one.out, 3, "/open?3");
    w_get(&one.out, 5, "/big");
    w_get(&one.out, 7, "/short");
    w_get(&one.out, 9, "/hold?9");
    C_WAIT(&one, S(&one, 1)->n_body > 0 && S(&one, 3)->n_body > 0);
    tell(&s, ABORT, 1, 1);
    C_WAIT(&one, S(&one, 1)->was_reset && S(&one, 7)->was_reset);
    assert_int_equal(S(&one, 1)->rst, HTTP2_INTERNAL_ERROR);
    assert_int_equal(S(&one, 7)->rst, HTTP2_INTERNAL_ERROR); /* shorter than it said */
    wait_for(&s.ends[EXCHANGE_ABORTED], 2);
    w_frame_u32(&one.out, W_RST, 0, 3, 8);
    w_frame_u32(&one.out, W_RST, 0, 5, 8);
    w_frame_u32(&one.out, W_RST, 0, 9, 8);
    c_send(&one);
    wait_for(&s.ends[EXCHANGE_GONE], 3);
    wait_for(&s.n_released, 1);
    w_get(&one.out, 11, "/");
    C_WAIT(&one, S(&one, 11)->ended);
    c_close(&one);
    stop(&s);
}

static void a_client_that_vanishes_ends_all(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    for (uint32_t i = 0; i < 100; i++) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/%s?%u", i % 2 == 0 ? "open" : "hold", i);
        w_get(&one.out, 2 * i + 1, path);
    }
    c_send(&one);
    wait_for(&s.n_requests, 100);
    c_close(&one);
    wait_for(&s.ends[EXCHANGE_GONE], 100);
    c_open(&one, &s); /* and so does a server that stops */
    w_get(&one.out, 1, "/open?1");
    w_get(&one.out, 3, "/hold?3");
    C_WAIT(&one, S(&one, 1)->n_body > 0);
    stop(&s);
    assert_int_equal(s.ends[EXCHANGE_ABORTED], 2);
    c_close(&one);
}

static void closed_now(void *arg)
{
    atomic_fetch_add((atomic_int *) arg, 1);
}

static void close_listener(void *arg)
{
    static atomic_int *n;
    struct server *s = arg;

    n = &s->n_cuts; /* of no other use here */
    listener_close(s->ln, closed_now, n);
}

static void a_listener_that_closes_drains(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    c_open(&two, &s);
    w_get(&one.out, 1, "/open?1");
    w_get(&two.out, 1, "/");
    C_WAIT(&one, S(&one, 1)->n_body > 0);
    C_WAIT(&two, S(&two, 1)->ended);
    assert_ok(loop_post(s.loop, close_listener, &s));
    C_WAIT(&one, one.r.had_goaway);
    C_WAIT(&two, two.r.had_goaway && two.closed);
    assert_int_equal(one.r.goaway, HTTP2_NO_ERROR);
    assert_int_equal(one.r.last_id, 1);
    w_get(&one.out, 3, "/");
    c_idle(&one, 50);
    assert_int_equal(S(&one, 3)->status, 0);
    assert_false(one.closed);
    tell(&s, FINISH, 1, 1);
    C_WAIT(&one, S(&one, 1)->ended && one.closed);
    c_close(&one);
    c_close(&two);
    wait_for(&s.n_cuts, 1);
    stop(&s);
}

static void limits_of_connections(void **state)
{
    struct server s = { .cfg = { .http2_requests = 5 }, .handler = { .on_refused = on_refused } };
    struct net_limits *limits;

    (void) state;
    assert_ok(net_limits_new(100, 1, NULL, 0, &limits, NULL));
    s.limits = limits;
    serve_jobs(&s);
    c_open(&one, &s);
    w_get(&one.out, 1, "/open?1");
    C_WAIT(&one, S(&one, 1)->n_body > 0);
    c_open(&two, &s); /* the second of one address */
    w_get(&two.out, 1, "/");
    C_WAIT(&two, two.closed);
    assert_int_equal(S(&two, 1)->status, 429);
    assert_true(two.r.had_goaway);
    c_close(&two);
    for (uint32_t i = 1; i < 5; i++)
        w_get(&one.out, 2 * i + 1, "/"); /* the fifth is the last */
    C_WAIT(&one, S(&one, 9)->ended && one.r.had_goaway);
    w_get(&one.out, 11, "/");
    tell(&s, FINISH, 1, 1);
    C_WAIT(&one, one.closed);
    assert_true(S(&one, 1)->ended);
    assert_int_equal(S(&one, 11)->status, 0);
    c_close(&one);
    stop(&s);
}

static void floods_end_with_goaway_and_others_are_served(void **state)
{
    struct server s = { 0 };

    (void) state;
    serve_jobs(&s);
    c_open(&one, &s);
    c_open(&two, &s);
    w_get(&one.out, 1, "/open?1");
    for (uint32_t i = 1; i < 250; i++) { /* Rapid Reset */
        w_get(&one.out, 2 * i + 1, "/hold?250");
        w_frame_u32(&one.out, W_RST, 0, 2 * i + 1, 8);
        if (i == 100)
            C_WAIT(&one, S(&one, 1)->n_body > 0 && s.ends[EXCHANGE_GONE] == 100);
    }
    C_WAIT(&one, one.closed);
    assert_int_equal(one.r.goaway, HTTP2_ENHANCE_YOUR_CALM);
    wait_for(&s.ends[EXCHANGE_BAD], 1);
    assert_int_equal(s.n_requests, s.n_ends);
    w_get(&two.out, 1, "/");
    C_WAIT(&two, S(&two, 1)->ended);
    c_close(&one);
    c_open_silent(&one, &s, 4096); /* PING, and none of the answers is read */
    w_begin(&one.out);
    for (int i = 0; i < 100000; i++)
        w_frame(&one.out, W_PING, 0, 0, SPAN("12345678"));
    c_send(&one);
    C_WAIT(&one, one.closed);
    c_close(&one);
    w_get(&two.out, 3, "/");
    C_WAIT(&two, S(&two, 3)->ended);
    c_close(&two);
    stop(&s);
}

static void addresses_are_of_streams(void **state)
{
    static const uint8_t proxy[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x30\x39\x1f\x90";
    struct server s = { .cfg = { .proxy_v2 = true } };

    (void) state;
    assert_true(net_cidr_parse(SPAN("127.0.0.1"), &s.trusted[0]));
    s.cfg.proxy = (struct proxy_config){ .trusted = s.trusted, .n_trusted = 1, .header = PROXY_HEADER_FORWARDED };
    serve_jobs(&s);
    c_open_silent(&one, &s, 0);
    buf_add(&one.out, proxy, sizeof(proxy) - 1);
    w_begin(&one.out);
    w_get(&one.out, 1, "/peer");
    C_WAIT(&one, S(&one, 1)->ended);
    assert_string_equal(S(&one, 1)->body, "198.51.100.7 http");
    c_close(&one);
    stop(&s);
    memset(&s, 0, sizeof(s));
    assert_true(net_cidr_parse(SPAN("127.0.0.1"), &s.trusted[0]));
    s.cfg.proxy = (struct proxy_config){ .trusted = s.trusted, .n_trusted = 1, .header = PROXY_HEADER_FORWARDED };
    s.handler.on_refused = on_refused;
    serve_jobs(&s);
    c_open(&one, &s);
    w_request(&one.out, 1, "GET", "/peer", "forwarded: for=192.0.2.1;proto=https", true);
    w_request(&one.out, 3, "GET", "/peer", "forwarded: for=192.0.2.2", true);
    w_request(&one.out, 5, "GET", "/peer", "forwarded: for=\"", true);
    C_WAIT(&one, S(&one, 1)->ended && S(&one, 3)->ended && S(&one, 5)->ended);
    assert_string_equal(S(&one, 1)->body, "192.0.2.1 https");
    assert_string_equal(S(&one, 3)->body, "192.0.2.2 http");
    assert_int_equal(S(&one, 5)->status, 400);
    c_close(&one);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_preface_may_come_slowly),
        cmocka_unit_test(what_is_no_preface_is_http1),
        cmocka_unit_test(many_requests_on_one_connection),
        cmocka_unit_test(bodies_go_both_ways),
        cmocka_unit_test(early_answers),
        cmocka_unit_test(paused_bodies_wait),
        cmocka_unit_test(slow_bodies_end_their_stream),
        cmocka_unit_test(who_is_not_let_is_not_slow),
        cmocka_unit_test(deadlines_of_streams),
        cmocka_unit_test(deadlines_of_connections),
        cmocka_unit_test(a_stream_that_is_not_read_is_reset_alone),
        cmocka_unit_test(a_connection_that_is_not_read_is_reset),
        cmocka_unit_test(one_slow_reader_does_not_hold_the_others),
        cmocka_unit_test(a_cut_ends_one_stream_with_its_last_word),
        cmocka_unit_test(a_cut_behind_a_closed_window_is_a_reset),
        cmocka_unit_test(a_cut_of_what_the_kernel_holds_resets_the_connection),
        cmocka_unit_test(a_cut_blanks_what_is_framed),
        cmocka_unit_test(aborts_and_resets_end_one_stream),
        cmocka_unit_test(a_client_that_vanishes_ends_all),
        cmocka_unit_test(a_listener_that_closes_drains),
        cmocka_unit_test(limits_of_connections),
        cmocka_unit_test(floods_end_with_goaway_and_others_are_served),
        cmocka_unit_test(addresses_are_of_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
