/*
 * Connections over real loopback sockets, plain and TLS: the server runs its loop in a thread, the test is the client.
 * The deadlines are short ones from the configuration.
 */
#include "server.h"

#include <netinet/tcp.h>
#include <poll.h>

#include "crypto/openssl.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "wire.h"

/* ---- a client ---- */

static void say(int fd, const char *text)
{
    size_t n = strlen(text);

    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

/* Reads to the end. Returns 0 at a clean end, else errno. */
static int read_all(int fd, struct buf *b)
{
    while (true) {
        uint8_t *to = buf_reserve(b, 65536);
        ssize_t n;

        assert_non_null(to);
        n = recv(fd, to, 65536, 0);
        if (n <= 0)
            return n == 0 ? 0 : errno;
        b->n += (size_t) n;
    }
}

/* One answer with Content-Length. Its body is left in b, its status returned. */
static int read_answer(int fd, struct buf *b)
{
    size_t head = 0, len = 0;
    int status = 0;

    buf_reset(b);
    while (head == 0 || b->n < head + len) {
        uint8_t *to = buf_reserve(b, 1);
        ssize_t n = recv(fd, to, 1, 0); /* byte by byte: what follows belongs to the next answer */
        const char *at;

        if (n <= 0)
            return -1;
        b->n++;
        if (head == 0 && b->n >= 4 && memcmp(b->p + b->n - 4, "\r\n\r\n", 4) == 0) {
            head = b->n;
            at = strstr(buf_cstr(b), "Content-Length: ");
            len = at == NULL ? 0 : strtoul(at + 16, NULL, 10);
            assert_int_equal(sscanf(buf_cstr(b), "HTTP/1.1 %d ", &status), 1);
        }
    }
    buf_drop(b, head);
    return status;
}

/* Sends, reads to the end of the connection, closes. */
static int talk(const struct server *s, const char *text, struct buf *b)
{
    int fd = dial(s), r;

    say(fd, text);
    buf_reset(b);
    r = read_all(fd, b);
    (void) close(fd);
    return r;
}

#define HOST "Host: a\r\n"

/* ---- tests ---- */

static void keep_alive_and_thousand_requests(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    for (int i = 0; i < 1000; i++) {
        say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(read_answer(fd, &b), 200);
        assert_span_str(buf_span(&b), "hello");
    }
    assert_int_equal(s.n_requests, 1000);
    say(fd, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "Connection: close\r\n"));
    (void) close(fd);
    wait_for(&s.ends[EXCHANGE_SENT], 1001);
    stop(&s);
    buf_deinit(&b);
}

/* The last one says so: a client that reads it asks on another connection. */
static void requests_of_a_connection_are_counted(void **state)
{
    struct server s = { .cfg = { .requests = 3 } };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    for (int i = 0; i < 2; i++) {
        say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(read_answer(fd, &b), 200);
    }
    say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0); /* to its end */
    assert_non_null(strstr(buf_cstr(&b), "Connection: close\r\n"));
    assert_non_null(strstr(buf_cstr(&b), "\r\n\r\nhello"));
    assert_int_equal(s.n_requests, 3);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    const char *one, *two, *three;
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nABCGET / HTTP/1.1\r\n" HOST "\r\n"
            "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nXYZ\r\n0\r\n\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0); /* all three are still answered */
    assert_int_equal(read_all(fd, &b), 0);
    one = strstr(buf_cstr(&b), "\r\n\r\nABC");
    two = strstr(buf_cstr(&b), "\r\n\r\nhello");
    three = strstr(buf_cstr(&b), "\r\n\r\nXYZ");
    assert_true(one != NULL && two != NULL && three != NULL && one < two && two < three);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void streams_are_chunked_and_head_has_no_body(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);

    (void) state;
    start(&s);
    (void) talk(&s, "GET /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &b);
    assert_non_null(strstr(buf_cstr(&b), "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
    (void) talk(&s, "GET /stream HTTP/1.0\r\n\r\n", &b);
    assert_non_null(strstr(buf_cstr(&b), "Connection: close\r\n\r\none\ntwo\n"));
    assert_null(strstr(buf_cstr(&b), "chunked"));
    (void) talk(&s, "HEAD / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &b);
    assert_non_null(strstr(buf_cstr(&b), "Content-Length: 5\r\n"));
    assert_null(strstr(buf_cstr(&b), "hello"));
    (void) talk(&s, "HEAD /stream HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &b);
    assert_null(strstr(buf_cstr(&b), "one"));
    assert_non_null(strstr(buf_cstr(&b), "\r\n\r\nhello"));
    (void) talk(&s, "GET /split HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &b);
    assert_null(strstr(buf_cstr(&b), "Set-Cookie"));
    assert_non_null(strstr(buf_cstr(&b), "500 Internal"));
    stop(&s);
    buf_deinit(&b);
}

static void an_answer_shorter_than_promised_is_reset(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);

    (void) state;
    start(&s);
    assert_int_equal(talk(&s, "GET /short HTTP/1.1\r\n" HOST "\r\n", &b), ECONNRESET);
    wait_for(&s.ends[EXCHANGE_ABORTED], 1);
    stop(&s);
    buf_deinit(&b);
}

static void lent_bodies_are_released_once(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    (void) talk(&s, "GET /ref HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &b);
    assert_true(b.n > 200000 && b.p[b.n - 1] == 'r');
    wait_for(&s.n_released, 1);
    (void) talk(&s, "HEAD /ref HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &b);
    wait_for(&s.n_released, 2);
    fd = dial_rcvbuf(&s, 4096); /* goes away before all is sent */
    say(fd, "GET /ref HTTP/1.1\r\n" HOST "\r\n");
    (void) usleep(20000);
    (void) close(fd);
    wait_for(&s.n_released, 3);
    stop(&s);
    assert_int_equal(s.n_released, 3);
    buf_deinit(&b);
}

static void connections_have_a_slot(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "GET /slot HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    assert_span_str(buf_span(&b), "new");
    say(fd, "GET /slot HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    assert_span_str(buf_span(&b), "kept");
    assert_int_equal(s.slot_freed, 0);
    (void) close(fd);
    wait_for(&s.slot_freed, 1);
    stop(&s);
    buf_deinit(&b);
}

static void bad_requests_get_their_answer(void **state)
{
    static const struct { const char *in; const char *want; } cases[] = {
        { "GET /\r\n\r\n", "400 Bad Request" },
        { "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400 Bad Request" },
        { "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request" },
        { "GET / HTTP/2.0\r\n\r\n", "505 HTTP Version" },
        { "BREW / HTTP/1.1\r\n" HOST "\r\n", "501 Not Implemented" },
        { "GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", "417 Expectation" },
        { "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request" },
        { "POST /ten HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 11\r\n\r\n12345678901", "413 Content Too Large" },
        { "POST /ten HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n", "413 Content Too Large" },
    };
    struct buf b = BUF_INIT(1u << 20);

    (void) state;
    for (int own = 0; own < 2; own++) { /* with the role's words, and with the built-in ones */
        struct server s = { .handler = { .on_refused = own ? on_refused : NULL } };

        start(&s);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            char in[400];

            (void) snprintf(in, sizeof(in), "%s", cases[i].in);
            assert_int_equal(talk(&s, in, &b), 0);
            if (strstr(buf_cstr(&b), cases[i].want) == NULL || strstr(buf_cstr(&b), "Connection: close\r\n") == NULL)
                fail_msg("%s\n-> %s", cases[i].in, buf_cstr(&b));
            if (!own && i != 7) /* that one is the role's own answer */
                assert_non_null(strstr(buf_cstr(&b), "application/problem+json"));
        }
        if (own) {
            assert_int_equal(s.n_refused, 8);
            wait_for(&s.ends[EXCHANGE_BAD], 1);
            wait_for(&s.ends[EXCHANGE_LARGE], 1);
        }
        stop(&s);
    }
    buf_deinit(&b);
}

static void slow_heads_get_408(void **state)
{
    struct server s = { .cfg = { .header_time = 150 } };
    struct buf b = BUF_INIT(1u << 20);
    int64_t from = now_ms();
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    for (int i = 0; i < 5; i++) { /* a trickle does not help */
        (void) send(fd, i == 0 ? "GET / HTTP/1.1\r\n" : "X: y\r\n", i == 0 ? 16 : 6, MSG_NOSIGNAL);
        (void) usleep(20000);
    }
    assert_int_equal(read_all(fd, &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "408 Request Timeout"));
    assert_in_range(now_ms() - from, 140, 2000);
    (void) close(fd);
    buf_reset(&b);
    fd = dial(&s); /* nothing at all: closed without a word */
    assert_int_equal(read_all(fd, &b), 0);
    assert_int_equal(b.n, 0);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void idle_connections_close(void **state)
{
    struct server s = { .cfg = { .idle_time = 100 } };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0);
    assert_int_equal(b.n, 0);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void slow_bodies_get_408(void **state)
{
    struct server s = { .cfg = { .body_window = 100, .body_min_rate = 1000 }, .handler = { .on_refused = on_refused } };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 3; i++) { /* 200 bytes in 30 ms: fast enough for one window, then nothing */
        char part[200];

        memset(part, 'b', sizeof(part));
        assert_int_equal(send(fd, part, sizeof(part), MSG_NOSIGNAL), sizeof(part));
        (void) usleep(30000);
    }
    assert_int_equal(read_all(fd, &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "408 Request Timeout"));
    wait_for(&s.ends[EXCHANGE_SLOW], 1);
    assert_int_equal(s.n_body, 600);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void a_late_role_gets_503(void **state)
{
    struct server s = { .cfg = { .answer_time = 80 } };
    struct buf b = BUF_INIT(1u << 20);
    const char *at;

    (void) state;
    start(&s);
    assert_int_equal(talk(&s, "GET /hold HTTP/1.1\r\n" HOST "\r\n", &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "503 Service Unavailable"));
    at = strstr(buf_cstr(&b), "Retry-After: ");
    assert_non_null(at);
    assert_true(atoi(at + 13) >= 5 && atoi(at + 13) <= 10); /* spread */
    wait_for(&s.ends[EXCHANGE_LATE], 1);
    stop(&s);
    buf_deinit(&b);
}

static void continue_is_said_only_when_the_body_is_wanted(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    char got[26] = { 0 };
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(recv(fd, got, 25, MSG_WAITALL), 25);
    assert_string_equal(got, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "body");
    assert_int_equal(read_answer(fd, &b), 200);
    assert_span_str(buf_span(&b), "body");
    say(fd, "POST /ten HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0); /* refused before the upload, and closed: the body may come or not */
    assert_non_null(strstr(buf_cstr(&b), "HTTP/1.1 413"));
    assert_null(strstr(buf_cstr(&b), "100 Continue"));
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void unwanted_small_bodies_are_read_away(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    assert_int_equal(read_answer(fd, &b), 200); /* before the body came */
    say(fd, "12345GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    say(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n"); /* over what we would read for nothing */
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "Connection: close"));
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void refusals_reach_clients_that_still_send(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    static char body[300000];
    int fd;

    (void) state;
    memset(body, 'u', sizeof(body));
    start(&s);
    fd = dial(&s);
    say(fd, "POST /ten HTTP/1.1\r\n" HOST "Content-Length: 600000\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(fd, body, sizeof(body), MSG_NOSIGNAL), sizeof(body));
        (void) usleep(20000);
    }
    assert_int_equal(read_all(fd, &b), 0); /* not a reset, which would take the answer with it */
    assert_non_null(strstr(buf_cstr(&b), "413 Content Too Large"));
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void large_bodies_pass_with_pauses(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(2u << 20), body = BUF_INIT(1u << 20);
    char head[100];
    int fd;

    (void) state;
    for (int i = 0; i < 100000; i++)
        buf_addf(&body, "%07d\n", i);
    start(&s);
    fd = dial(&s);
    (void) snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", body.n);
    say(fd, head);
    assert_int_equal(send(fd, body.p, body.n, MSG_NOSIGNAL), body.n);
    assert_int_equal(read_answer(fd, &b), 200);
    assert_span_eq(buf_span(&b), buf_span(&body));
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
    buf_deinit(&body);
}

static void resume_held(void *arg)
{
    struct server *s = arg;

    s->pausing = false;
    if (s->held != NULL)
        exchange_resume(s->held);
}

static void hold_echo(void *ctx, struct exchange *ex, const struct http_head *head)
{
    struct server *s = ctx;

    on_request(ctx, ex, head);
    s->held = ex;
}

static void pausing_pushes_back_on_the_client(void **state)
{
    struct server s = { .pausing = true };
    struct buf b = BUF_INIT(2u << 20);
    static uint8_t part[65536];
    size_t sent = 0;
    int fd;
    char head[100];

    (void) state;
    start(&s);
    s.handler.on_request = hold_echo;
    fd = dial(&s);
    (void) snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", 1 << 20);
    say(fd, head);
    memset(part, 'p', sizeof(part));
    wait_for(&s.n_requests, 1);
    (void) usleep(20000);
    while (sent < 1u << 20) {
        ssize_t n = send(fd, part, (1u << 20) - sent < sizeof(part) ? (1u << 20) - sent : sizeof(part),
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t) n;
        if (n < 0 || sent == 1u << 20)
            break;
    }
    (void) usleep(50000);
    assert_true(atomic_load(&s.n_body) <= 65536); /* one part, then the pause */
    assert_ok(loop_post(s.loop, resume_held, &s));
    while (sent < 1u << 20) {
        ssize_t n = send(fd, part, (1u << 20) - sent < sizeof(part) ? (1u << 20) - sent : sizeof(part), MSG_NOSIGNAL);

        assert_true(n > 0);
        sent += (size_t) n;
    }
    assert_int_equal(read_answer(fd, &b), 200);
    assert_int_equal(b.n, 1 << 20);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void a_client_that_leaves_is_noticed(void **state)
{
    struct server s = { 0 };
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s); /* in mid-body */
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    wait_for(&s.n_body, 3);
    (void) close(fd);
    wait_for(&s.ends[EXCHANGE_GONE], 1);
    fd = dial(&s); /* in an idle stream */
    say(fd, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.n_requests, 2);
    (void) usleep(20000);
    (void) close(fd);
    wait_for(&s.ends[EXCHANGE_GONE], 2);
    fd = dial(&s); /* by reset, while the role thinks */
    say(fd, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    wait_for(&s.n_requests, 3);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)), 0);
    (void) close(fd);
    wait_for(&s.ends[EXCHANGE_GONE], 3);
    stop(&s);
}

static void stalled_readers_are_cut(void **state)
{
    struct server s = { .cfg = { .write_stall = 200 } };
    struct buf b = BUF_INIT(64u << 20);
    int64_t from;
    int fd;

    (void) state;
    start(&s);
    fd = dial_rcvbuf(&s, 4096);
    from = now_ms();
    say(fd, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.ends[EXCHANGE_STALLED], 1);
    assert_in_range(now_ms() - from, 190, 2000);
    assert_int_equal(read_all(fd, &b), ECONNRESET);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void floods_are_bounded_and_drain(void **state)
{
    struct server s = { 0 };
    uint8_t got[65536];
    size_t total = 0;
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    while (total < 8u << 20) { /* far beyond what one budget holds: drained comes again and again */
        ssize_t n = recv(fd, got, sizeof(got), 0);

        assert_true(n > 0);
        total += (size_t) n;
    }
    assert_true(s.n_drained > 5);
    (void) close(fd);
    wait_for(&s.ends[EXCHANGE_GONE], 1);
    stop(&s);
}

static void cut_held(void *arg)
{
    struct server *s = arg;

    if (s->held != NULL) {
        struct exchange *ex = s->held;

        s->held = NULL;
        exchange_cut(ex, SPAN("{\"final\":true}\n"));
        assert_err(exchange_write(ex, SPAN("more")), ERR_CLOSED);
        exchange_cut(ex, SPAN("again"));
    }
    atomic_fetch_add(&s->n_cuts, 1);
}

/* Checks chunk by chunk; content is lines of x, line feeds where a cut filled, then the final line. Returns content bytes. */
static size_t parse_chunks(struct span in, bool *ret_ended, bool *ret_final)
{
    size_t content = 0;
    struct span line;

    *ret_ended = *ret_final = false;
    while (span_cut(in, '\n', &line, &in)) {
        size_t n = strtoul((const char *) line.p, NULL, 16);

        if (n == 0) {
            *ret_ended = in.n == 2;
            break;
        }
        if (in.n < n + 2)
            break; /* cut by reset */
        assert_false(*ret_final); /* nothing after the final event */
        assert_memory_equal(in.p + n, "\r\n", 2);
        if (span_eq(span_sub(in, 0, n), SPAN("{\"final\":true}\n"))) {
            *ret_final = true;
        } else {
            for (size_t i = 0; i < n; i++)
                assert_true(in.p[i] == 'x' || in.p[i] == '\n');
            content += n;
        }
        in = span_sub(in, n + 2, SIZE_MAX);
    }
    return content;
}

static void cut_streams_end_at_once_with_the_final_event(void **state)
{
    struct server s = { .cfg = { .cut_time = 2000 } };
    struct buf b = BUF_INIT(64u << 20);
    const char *body;
    bool ended, final;
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s); /* reads: gets a whole stream */
    say(fd, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.n_requests, 1);
    (void) usleep(10000);
    assert_ok(loop_post(s.loop, cut_held, &s));
    wait_for(&s.ends[EXCHANGE_CUT], 1);
    say(fd, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"); /* and the connection lives on */
    assert_int_equal(read_all(fd, &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "6\r\nfirst\n\r\nf\r\n{\"final\":true}\n\r\n0\r\n\r\nHTTP/1.1 200 OK"));
    (void) close(fd);

    fd = dial_rcvbuf(&s, 4096); /* the queue is full, the client reads slowly but within cut_time */
    say(fd, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.n_requests, 3);
    (void) usleep(30000);
    assert_ok(loop_post(s.loop, cut_held, &s));
    wait_for(&s.n_cuts, 2);
    (void) shutdown(fd, SHUT_WR); /* so that the server closes after the stream */
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0);
    body = strstr(buf_cstr(&b), "\r\n\r\n") + 4;
    (void) parse_chunks(span_of(body, (size_t) (buf_cstr(&b) + b.n - body)), &ended, &final);
    wait_for(&s.ends[EXCHANGE_CUT], 2);
    assert_true(ended && final);
    assert_true(b.n < 4u << 20); /* the queue was dropped, not delivered */
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void cut_streams_of_stalled_readers_are_reset(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(64u << 20);
    int64_t from;
    int fd;

    (void) state;
    start(&s);
    for (int fixed = 0; fixed < 2; fixed++) {
        fd = dial_rcvbuf(&s, 4096);
        say(fd, fixed ? "GET /fixed-flood HTTP/1.1\r\n" HOST "\r\n" : "GET /flood HTTP/1.1\r\n" HOST "\r\n");
        wait_for(&s.n_requests, fixed + 1);
        (void) usleep(50000);
        from = now_ms();
        assert_ok(loop_post(s.loop, cut_held, &s));
        wait_for(&s.ends[EXCHANGE_CUT], fixed + 1);
        assert_in_range(now_ms() - from, 90, 1000);
        buf_reset(&b);
        assert_int_equal(read_all(fd, &b), ECONNRESET);
        assert_true(b.n < 256u << 10); /* what was on its way, none of the queue */
        assert_null(strstr(buf_cstr(&b), "final"));
        (void) close(fd);
    }
    stop(&s);
    buf_deinit(&b);
}

static void sources_are_limited(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    int fds[3], fd;

    (void) state;
    assert_ok(net_limits_new(100, 3, NULL, 0, &s.limits, NULL));
    start(&s);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&s);
        say(fds[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(read_answer(fds[i], &b), 200);
    }
    assert_int_equal(talk(&s, "GET / HTTP/1.1\r\n" HOST "\r\n", &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "429 Too Many Requests"));
    assert_non_null(strstr(buf_cstr(&b), "Retry-After"));
    (void) close(fds[0]);
    for (int i = 0; i < 500 && net_limits_count(s.limits) > 2; i++)
        (void) usleep(2000);
    fd = dial(&s);
    say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    (void) close(fd);
    (void) close(fds[1]);
    (void) close(fds[2]);
    stop(&s);

    s = (struct server){ 0 };
    assert_ok(net_limits_new(1, 100, NULL, 0, &s.limits, NULL));
    start(&s);
    fd = dial(&s);
    say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    assert_int_equal(talk(&s, "GET / HTTP/1.1\r\n" HOST "\r\n", &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "503 Service Unavailable"));
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void trusted_proxies_are_believed(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    static const char fwd[] = "GET /peer HTTP/1.1\r\n" HOST "Forwarded: for=198.51.100.7;proto=https\r\nConnection: close\r\n\r\n";

    (void) state;
    start(&s);
    (void) talk(&s, fwd, &b);
    assert_non_null(strstr(buf_cstr(&b), "\r\n\r\n127.0.0.1 http"));
    stop(&s);
    s = (struct server){ 0 };
    assert_true(net_cidr_parse(SPAN("127.0.0.0/8"), &s.trusted[0]));
    s.cfg.proxy = (struct proxy_config){ s.trusted, 1, PROXY_HEADER_FORWARDED };
    start(&s);
    (void) talk(&s, fwd, &b);
    assert_non_null(strstr(buf_cstr(&b), "\r\n\r\n198.51.100.7 https"));
    (void) talk(&s, "GET /peer HTTP/1.1\r\n" HOST "Forwarded: for=;;=\r\n\r\n", &b);
    assert_non_null(strstr(buf_cstr(&b), "400 Bad Request"));
    stop(&s);
    buf_deinit(&b);
}

static void proxy_v2_headers_come_first(void **state)
{
    static const uint8_t hdr[] = { 13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10, 0x21, 0x11, 0, 12,
                                   203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb };
    struct server s = { .cfg = { .proxy_v2 = true, .header_time = 300 } };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    assert_true(net_cidr_parse(SPAN("127.0.0.0/8"), &s.trusted[0]));
    s.cfg.proxy = (struct proxy_config){ s.trusted, 1, PROXY_HEADER_NONE };
    start(&s);
    fd = dial(&s);
    for (size_t i = 0; i < sizeof(hdr); i++)
        assert_int_equal(send(fd, hdr + i, 1, MSG_NOSIGNAL), 1);
    say(fd, "GET /peer HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(fd, &b), 200);
    assert_span_str(buf_span(&b), "203.0.113.9 http");
    (void) close(fd);
    assert_int_equal(talk(&s, "GET /peer HTTP/1.1\r\n" HOST "\r\n", &b), ECONNRESET);
    stop(&s);
    s = (struct server){ .cfg = { .proxy_v2 = true } }; /* nobody is trusted */
    start(&s);
    fd = dial(&s);
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), ECONNRESET);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void closed(void *arg)
{
    atomic_fetch_add((atomic_int *) arg, 1);
}

static atomic_int n_closed;

static void close_listener(void *arg)
{
    listener_close(((struct server *) arg)->ln, closed, &n_closed);
}

static void end_held(void *arg)
{
    struct server *s = arg;

    if (s->held != NULL)
        exchange_end(s->held);
}

static void closing_lets_exchanges_finish(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    int idle, busy;

    (void) state;
    atomic_store(&n_closed, 0);
    start(&s);
    idle = dial(&s);
    say(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(read_answer(idle, &b), 200);
    busy = dial(&s);
    say(busy, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.n_requests, 2);
    assert_ok(loop_post(s.loop, close_listener, &s));
    buf_reset(&b);
    assert_int_equal(read_all(idle, &b), 0);
    assert_int_equal(b.n, 0);
    assert_int_equal(n_closed, 0);
    assert_ok(loop_post(s.loop, end_held, &s));
    assert_int_equal(read_all(busy, &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "first\n\r\n0\r\n\r\n"));
    (void) close(busy);
    (void) close(idle);
    wait_for(&n_closed, 1);
    stop(&s);
    buf_deinit(&b);
}

static void freeing_ends_what_is_open(void **state)
{
    struct server s = { 0 };
    int fd;

    (void) state;
    start(&s);
    fd = dial(&s);
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.n_requests, 1);
    stop(&s);
    assert_int_equal(s.ends[EXCHANGE_ABORTED], 1);
    assert_int_equal(s.n_ends, 1);
    (void) close(fd);
}

/* ---- TLS ---- */

static void make_certificate(struct buf *cert, struct buf *key)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    BIO *b = BIO_new(BIO_s_mem());
    char *p;
    long n;

    (void) X509_set_version(x, 2);
    (void) ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void) X509_gmtime_adj(X509_getm_notBefore(x), -60);
    (void) X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void) X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) "localhost", -1, -1, 0);
    (void) X509_set_issuer_name(x, name);
    (void) X509_set_pubkey(x, k);
    assert_true(X509_sign(x, k, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(b, x), 1);
    n = BIO_get_mem_data(b, &p);
    buf_add(cert, p, (size_t) n);
    (void) BIO_reset(b);
    assert_int_equal(PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL), 1);
    n = BIO_get_mem_data(b, &p);
    buf_add(key, p, (size_t) n);
    (void) BIO_free(b);
    X509_free(x);
    EVP_PKEY_free(k);
}

static void start_tls(struct server *s)
{
    struct buf cert = BUF_INIT(65536), key = BUF_INIT(65536);
    struct err_info e;

    make_certificate(&cert, &key);
    assert_ok_err(tls_ctx_new(buf_span(&cert), buf_span(&key), &s->tls, &e), &e);
    start(s);
    buf_deinit(&cert);
    buf_deinit(&key);
}

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

/* alpn: one protocol, or NULL. Returns whether the handshake succeeded. */
static bool tls_dial(const struct server *s, struct tls_client *c, const char *alpn, int version, int rcvbuf)
{
    unsigned char wire[64];

    c->fd = dial_rcvbuf(s, rcvbuf);
    c->ctx = SSL_CTX_new(TLS_client_method());
    (void) SSL_CTX_set_min_proto_version(c->ctx, version);
    (void) SSL_CTX_set_max_proto_version(c->ctx, version);
    c->ssl = SSL_new(c->ctx);
    if (alpn != NULL) {
        wire[0] = (unsigned char) strlen(alpn);
        memcpy(wire + 1, alpn, wire[0]);
        (void) SSL_set_alpn_protos(c->ssl, wire, wire[0] + 1u);
    }
    (void) SSL_set_fd(c->ssl, c->fd);
    return SSL_connect(c->ssl) == 1;
}

static void tls_hang_up(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    (void) close(c->fd);
}

static void tls_say(struct tls_client *c, const char *text)
{
    assert_int_equal(SSL_write(c->ssl, text, (int) strlen(text)), strlen(text));
}

/* To the end; true when it was a clean one. */
static bool tls_read_all(struct tls_client *c, struct buf *b)
{
    int n;

    buf_reset(b);
    while ((n = SSL_read(c->ssl, buf_reserve(b, 16384), 16384)) > 0)
        b->n += (size_t) n;
    return SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN;
}

static void tls_serves(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(4u << 20);
    struct tls_client c;

    (void) state;
    start_tls(&s);
    for (int i = 0; i < 2; i++) {
        assert_true(tls_dial(&s, &c, i == 0 ? "http/1.1" : NULL, i == 0 ? TLS1_3_VERSION : TLS1_2_VERSION, 0));
        tls_say(&c, "GET /peer HTTP/1.1\r\n" HOST "\r\nPOST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nABC"
                    "GET /ref HTTP/1.1\r\n" HOST "\r\nGET /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        assert_true(tls_read_all(&c, &b));
        assert_non_null(strstr(buf_cstr(&b), "\r\n\r\n127.0.0.1 https tls"));
        assert_non_null(strstr(buf_cstr(&b), "\r\n\r\nABC"));
        assert_non_null(strstr(buf_cstr(&b), "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
        assert_true(b.n > 200000);
        tls_hang_up(&c);
    }
    assert_false(tls_dial(&s, &c, NULL, TLS1_1_VERSION, 0));
    tls_hang_up(&c);
    assert_false(tls_dial(&s, &c, "h3", TLS1_3_VERSION, 0));
    tls_hang_up(&c);
    wait_for(&s.n_released, 2);
    stop(&s);
    buf_deinit(&b);
}

static void tls_takes_large_bodies(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(4u << 20), body = BUF_INIT(2u << 20);
    struct tls_client c;

    (void) state;
    start_tls(&s);
    assert_true(tls_dial(&s, &c, NULL, TLS1_3_VERSION, 0));
    buf_addf(&body, "POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 125000; i++)
        buf_addf(&body, "%07d\n", i);
    assert_int_equal(SSL_write(c.ssl, body.p, (int) body.n), body.n);
    assert_true(tls_read_all(&c, &b));
    assert_non_null(strstr(buf_cstr(&b), "0124999\n"));
    assert_true(b.n > 1000000);
    tls_hang_up(&c);
    stop(&s);
    buf_deinit(&b);
    buf_deinit(&body);
}

static void plain_http_on_the_tls_port_is_told(void **state)
{
    struct server s = { .cfg = { .header_time = 150 } };
    struct buf b = BUF_INIT(1u << 20);
    int fd;

    (void) state;
    start_tls(&s);
    assert_int_equal(talk(&s, "GET / HTTP/1.1\r\n" HOST "\r\n", &b), 0);
    assert_non_null(strstr(buf_cstr(&b), "400 Bad Request"));
    assert_true(b.n > 59 && strcmp(buf_cstr(&b) + b.n - 59, "This port speaks HTTPS only: use https:// in the address.\r\n") == 0);
    assert_non_null(strstr(buf_cstr(&b), "Content-Length: 59\r\n"));
    fd = dial(&s); /* a handshake that does not come */
    buf_reset(&b);
    assert_int_equal(read_all(fd, &b), 0);
    assert_int_equal(b.n, 0);
    (void) close(fd);
    stop(&s);
    buf_deinit(&b);
}

static void cutting_under_tls_keeps_the_records_whole(void **state)
{
    struct server s = { .cfg = { .cut_time = 1000 } };
    struct buf b = BUF_INIT(64u << 20);
    struct tls_client c;
    const char *body;
    bool ended, final;

    (void) state;
    start_tls(&s);
    assert_true(tls_dial(&s, &c, NULL, TLS1_3_VERSION, 4096));
    tls_say(&c, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&s.n_requests, 1);
    (void) usleep(50000);
    assert_ok(loop_post(s.loop, cut_held, &s));
    wait_for(&s.n_cuts, 1);
    (void) shutdown(c.fd, SHUT_WR); /* so that the server closes after the stream */
    (void) tls_read_all(&c, &b);
    body = strstr(buf_cstr(&b), "\r\n\r\n") + 4;
    (void) parse_chunks(span_of(body, (size_t) (buf_cstr(&b) + b.n - body)), &ended, &final);
    assert_true(final && ended); /* it read within cut_time: all of it, and nothing after the final event */
    wait_for(&s.ends[EXCHANGE_CUT], 1);
    tls_hang_up(&c);
    stop(&s);
    buf_deinit(&b);
}

/* Reads HTTP/2 frames until the condition holds. */
#define TLS_WAIT(c, r, condition)                                                                                      \
    do {                                                                                                               \
        uint8_t part_[16384];                                                                                          \
        while (!(condition)) {                                                                                         \
            int n_ = SSL_read((c)->ssl, part_, sizeof(part_));                                                         \
            assert_true(n_ > 0);                                                                                       \
            r_feed((r), span_of(part_, (size_t) n_));                                                                  \
        }                                                                                                              \
    } while (0)

static struct reader reader; /* large */

static void tls_push(struct tls_client *c, struct buf *b)
{
    assert_int_equal(SSL_write(c->ssl, b->p, (int) b->n), (int) b->n);
    buf_reset(b);
}

static void tls_speaks_http2_by_alpn(void **state)
{
    struct server s = { 0 };
    struct buf b = BUF_INIT(1u << 20);
    struct tls_client c;

    (void) state;
    start_tls(&s);
    assert_true(tls_dial(&s, &c, "h2", TLS1_3_VERSION, 0));
    r_init(&reader);
    w_begin(&b);
    w_get(&b, 1, "/peer");
    w_get(&b, 3, "/ref");
    w_frame_u32(&b, W_WINDOW, 0, 0, 1u << 20);
    w_frame_u32(&b, W_WINDOW, 0, 3, 1u << 20);
    tls_push(&c, &b);
    TLS_WAIT(&c, &reader, reader.streams[0].ended && reader.streams[1].ended);
    assert_string_equal(reader.streams[0].body, "127.0.0.1 https tls");
    assert_int_equal(reader.streams[1].n_body, 200000);
    r_deinit(&reader);
    tls_hang_up(&c);
    assert_true(tls_dial(&s, &c, NULL, TLS1_3_VERSION, 0)); /* without ALPN the preface is no HTTP/1.1 */
    tls_say(&c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    (void) tls_read_all(&c, &b);
    assert_true(strncmp(buf_cstr(&b), "HTTP/1.1 505 ", 13) == 0);
    tls_hang_up(&c);
    stop(&s);
    buf_deinit(&b);
}

/* A record may be encrypted already: what it holds cannot be blanked, and the frames behind it still have to be whole. */
static void tls_cut_over_http2(void **state)
{
    struct server s = { .cfg = { .cut_time = 3000 } };
    struct buf b = BUF_INIT(1u << 20);
    struct tls_client c;

    (void) state;
    start_tls(&s);
    assert_true(tls_dial(&s, &c, "h2", TLS1_3_VERSION, 4096));
    r_init(&reader);
    w_begin(&b);
    w_setting(&b, 4, 1u << 30);
    w_frame_u32(&b, W_WINDOW, 0, 0, 1u << 30);
    w_get(&b, 1, "/flood");
    tls_push(&c, &b);
    wait_for(&s.n_requests, 1);
    (void) usleep(50000);
    assert_ok(loop_post(s.loop, cut_held, &s));
    wait_for(&s.n_cuts, 1);
    TLS_WAIT(&c, &reader, reader.streams[0].ended);
    wait_for(&s.ends[EXCHANGE_CUT], 1);
    w_get(&b, 3, "/");
    tls_push(&c, &b);
    TLS_WAIT(&c, &reader, reader.streams[1].ended);
    r_deinit(&reader);
    tls_hang_up(&c);
    stop(&s);
    buf_deinit(&b);
}

static void reload_tls(void *arg)
{
    struct server *s = arg;

    listener_set_tls(s->ln, s->tls);
    atomic_fetch_add(&s->n_drained, 1);
}

static void certificates_are_checked_and_reloaded(void **state)
{
    struct server s = { 0 };
    struct buf cert = BUF_INIT(65536), key = BUF_INIT(65536), cert2 = BUF_INIT(65536), key2 = BUF_INIT(65536), b = BUF_INIT(65536);
    struct tls_client old, new;
    struct tls_ctx *first, *none;
    X509 *x;

    (void) state;
    make_certificate(&cert, &key);
    make_certificate(&cert2, &key2);
    assert_err(tls_ctx_new(SPAN("nonsense"), buf_span(&key), &none, NULL), ERR_INVAL);
    assert_err(tls_ctx_new(buf_span(&cert), SPAN("nonsense"), &none, NULL), ERR_INVAL);
    assert_err(tls_ctx_new(buf_span(&cert), buf_span(&key2), &none, NULL), ERR_INVAL);
    assert_ok(tls_ctx_new(buf_span(&cert), buf_span(&key), &s.tls, NULL));
    start(&s);
    assert_true(tls_dial(&s, &old, NULL, TLS1_3_VERSION, 0));
    first = s.tls;
    assert_ok(tls_ctx_new(buf_span(&cert2), buf_span(&key2), &s.tls, NULL));
    (void) tls_ctx_unref(first);
    assert_ok(loop_post(s.loop, reload_tls, &s));
    wait_for(&s.n_drained, 1);
    assert_true(tls_dial(&s, &new, NULL, TLS1_3_VERSION, 0));
    x = SSL_get1_peer_certificate(new.ssl);
    assert_true(EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(SSL_get0_peer_certificate(old.ssl))) != 1);
    X509_free(x);
    tls_say(&old, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"); /* the old connection goes on */
    assert_true(tls_read_all(&old, &b));
    assert_non_null(strstr(buf_cstr(&b), "hello"));
    tls_hang_up(&old);
    tls_hang_up(&new);
    stop(&s);
    buf_deinit(&cert);
    buf_deinit(&key);
    buf_deinit(&cert2);
    buf_deinit(&key2);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive_and_thousand_requests),
        cmocka_unit_test(requests_of_a_connection_are_counted),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(streams_are_chunked_and_head_has_no_body),
        cmocka_unit_test(an_answer_shorter_than_promised_is_reset),
        cmocka_unit_test(lent_bodies_are_released_once),
        cmocka_unit_test(connections_have_a_slot),
        cmocka_unit_test(bad_requests_get_their_answer),
        cmocka_unit_test(slow_heads_get_408),
        cmocka_unit_test(idle_connections_close),
        cmocka_unit_test(slow_bodies_get_408),
        cmocka_unit_test(a_late_role_gets_503),
        cmocka_unit_test(continue_is_said_only_when_the_body_is_wanted),
        cmocka_unit_test(unwanted_small_bodies_are_read_away),
        cmocka_unit_test(refusals_reach_clients_that_still_send),
        cmocka_unit_test(large_bodies_pass_with_pauses),
        cmocka_unit_test(pausing_pushes_back_on_the_client),
        cmocka_unit_test(a_client_that_leaves_is_noticed),
        cmocka_unit_test(stalled_readers_are_cut),
        cmocka_unit_test(floods_are_bounded_and_drain),
        cmocka_unit_test(cut_streams_end_at_once_with_the_final_event),
        cmocka_unit_test(cut_streams_of_stalled_readers_are_reset),
        cmocka_unit_test(sources_are_limited),
        cmocka_unit_test(trusted_proxies_are_believed),
        cmocka_unit_test(proxy_v2_headers_come_first),
        cmocka_unit_test(closing_lets_exchanges_finish),
        cmocka_unit_test(freeing_ends_what_is_open),
        cmocka_unit_test(tls_serves),
        cmocka_unit_test(tls_takes_large_bodies),
        cmocka_unit_test(plain_http_on_the_tls_port_is_told),
        cmocka_unit_test(cutting_under_tls_keeps_the_records_whole),
        cmocka_unit_test(tls_speaks_http2_by_alpn),
        cmocka_unit_test(tls_cut_over_http2),
        cmocka_unit_test(certificates_are_checked_and_reloaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
