/* The control plane's door: bodies, credentials, CSRF, cookies, hosts, files and their headers, page streams. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "format/route.h"
#include "gate/assets.h"
#include "os/clock.h"

#define JSON "Content-Type: application/json\r\n"

static struct world_control last(void)
{
    struct world_control c;

    world_lock();
    assert_true(w.n_controls > 0);
    c = w.controls[(w.n_controls - 1) % 64];
    world_unlock();
    return c;
}

static void a_call_as_the_keeper_gets_it(void **state)
{
    struct world_control k;
    struct client c;
    uint8_t digest[32];

    (void) state;
    request(&c, "POST", "/v1/requests/q_%41AAAAAAAAAAAAAAA/approve?a=1",
            "Authorization: Bearer kst_abc\r\n" JSON "Idempotency-Key: k1\r\nIf-Match: \"3\"\r\n"
            "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n", SPAN("{\"digest\":\"x\"}"));
    assert_int_equal(c.status, 200);
    assert_string_equal(member(&c, "ok"), "true");
    assert_string_equal(client_header(&c, "cache-control"), "no-store");
    assert_string_equal(client_header(&c, "x-content-type-options"), "nosniff");
    k = last();
    assert_int_equal(k.route, ROUTE_request_approve);
    assert_string_equal(k.id1, "q_AAAAAAAAAAAAAAAA");
    assert_string_equal(k.idem, "k1");
    assert_string_equal(k.if_match, "\"3\"");
    assert_string_equal(k.trace, "0123456789abcdef0123456789abcdef");
    assert_string_equal(k.client, "cli");
    assert_int_equal(k.cred_kind, CRED_BEARER);
    sha256(SPAN("kst_abc"), digest);
    assert_memory_equal(k.cred, digest, 32);
    assert_true(k.body_n > 0);
    client_close(&c);
    /* a trace that is none is replaced */
    request(&c, "GET", "/v1/me", "Authorization: Bearer kst_abc\r\ntraceparent: 00-0123456789ABCDEF0123456789abcdef-0123456789abcdef-01\r\n", SPAN_EMPTY);
    assert_int_equal(strlen(last().trace), 32);
    assert_string_not_equal(last().trace, "0123456789ABCDEF0123456789abcdef");
    client_close(&c);
}

static void bodies(void **state)
{
    static const struct {
        const char *name, *headers, *body;
        int status;
        const char *code, *line;
    } cases[] = {
        { "no type", "", "{}", 415, "unsupported-media-type", "" },
        { "another type", "Content-Type: text/plain\r\n", "{}", 415, "unsupported-media-type", "" },
        { "nearly the type", "Content-Type: application/jsonx\r\n", "{}", 415, "unsupported-media-type", "" },
        { "the type with a charset", "Content-Type: application/json; charset=utf-8\r\n", "{}", 200, "", "" },
        { "not JSON", JSON, "{\n\"a\": tru}", 400, "bad-json", "2" },
        { "a name twice", JSON, "{\"a\":1,\"a\":2}", 400, "bad-json", "1" },
        { "bytes after it", JSON, "{} {}", 400, "bad-json", "1" },
        { "bad UTF-8", JSON, "{\"a\":\"\xff\"}", 400, "bad-json", "1" },
        { "no body", "", "", 200, "", "" },
    };
    struct client c;
    struct buf deep = BUF_INIT(1 << 20);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char headers[300];

        (void) snprintf(headers, sizeof(headers), "Authorization: Bearer kst_abc\r\n%s", cases[i].headers);
        request(&c, "POST", "/v1/requests", headers, span_str(cases[i].body));
        if (c.status != cases[i].status || strcmp(member(&c, "code"), cases[i].code) != 0)
            fail_msg("%s: %d %s", cases[i].name, c.status, buf_cstr(&c.body));
        if (cases[i].line[0] != '\0')
            assert_string_equal(member(&c, "line"), cases[i].line);
        client_close(&c);
    }
    for (int i = 0; i < 1000; i++)
        buf_add_c(&deep, '[');
    for (int i = 0; i < 1000; i++)
        buf_add_c(&deep, ']');
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_abc\r\n" JSON, buf_span(&deep));
    assert_code(&c, 400, "bad-json");
    buf_reset(&deep);
    for (int i = 0; i < 70000; i++) /* 64 KiB are allowed here */
        buf_add_c(&deep, ' ');
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_abc\r\n" JSON, buf_span(&deep));
    assert_code(&c, 413, "too-large");
    client_open(&c, w.port); /* the same in chunks, which announce nothing */
    client_sendf(&c, "POST /v1/requests HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer kst_abc\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n11170\r\n", w.port);
    client_send_n(&c, deep.p, deep.n);
    client_send(&c, "\r\n0\r\n\r\n");
    client_answer(&c);
    assert_code(&c, 413, "too-large");
    buf_deinit(&deep);
}

static void words_of_the_head(void **state)
{
    char headers[400], key[200];
    struct client c;

    (void) state;
    for (int n = 128; n <= 129; n++) {
        memset(key, 'k', (size_t) n);
        key[n] = '\0';
        (void) snprintf(headers, sizeof(headers), "Authorization: Bearer kst_abc\r\n" JSON "Idempotency-Key: %s\r\n", key);
        request(&c, "POST", "/v1/requests", headers, SPAN("{}"));
        assert_int_equal(c.status, n == 128 ? 200 : 400);
        client_close(&c);
    }
    request(&c, "GET", "/v1/recordings?q=%zz", "Authorization: Bearer kst_abc\r\n", SPAN_EMPTY);
    assert_code(&c, 400, "bad-request");
    request(&c, "GET", "/v1/recordings?q=a&q=b", "Authorization: Bearer kst_abc\r\n", SPAN_EMPTY);
    assert_code(&c, 400, "bad-request");
    request(&c, "GET", "/v1/nothing", "Authorization: Bearer kst_abc\r\n", SPAN_EMPTY);
    assert_code(&c, 404, "not-found");
    request(&c, "DELETE", "/v1/requests", "Authorization: Bearer kst_abc\r\n", SPAN_EMPTY);
    assert_string_equal(client_header(&c, "allow"), "POST, GET");
    assert_code(&c, 405, "method-not-allowed");
}

static void who_calls(void **state)
{
    struct client c;

    (void) state;
    request(&c, "GET", "/v1/me", "", SPAN_EMPTY);
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "Bearer realm=\"keyhole\""));
    assert_code(&c, 401, "login-needed");
    request(&c, "GET", "/v1/me", "Authorization: Basic eDp5\r\n", SPAN_EMPTY);
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "Bearer"));
    assert_code(&c, 401, "login-needed");
    request(&c, "GET", "/v1/me", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", SPAN_EMPTY);
    assert_code(&c, 400, "invalid-request");
    request(&c, "GET", "/v1/me", "Cookie: keyhole=a; keyhole=b\r\n", SPAN_EMPTY);
    assert_code(&c, 400, "invalid-request");
    assert_int_equal(w.n_controls, 0); /* the keeper was asked nothing */
    request(&c, "GET", "/v1/me", "Cookie: other=1; keyhole=kst_x; more=2\r\n", SPAN_EMPTY);
    assert_int_equal(c.status, 200);
    client_close(&c);
    assert_int_equal(last().cred_kind, CRED_COOKIE);
    request(&c, "GET", "/v1/me", "Cookie: keyhole=kst_x\r\nAuthorization: Bearer kst_y\r\n", SPAN_EMPTY);
    assert_int_equal(last().cred_kind, CRED_BEARER);
    client_close(&c);
}

static void csrf(void **state)
{
    static const struct {
        const char *name, *origin, *rest; /* origin NULL: none, "": our own */
        bool body, passes;
    } cases[] = {
        { "from our page", "", JSON, true, true },
        { "with Sec-Fetch-Site", "", JSON "Sec-Fetch-Site: same-origin\r\n", true, true },
        { "no Origin", NULL, JSON, true, false },
        { "null Origin", "null", JSON, true, false },
        { "another origin", "https://evil.example.com", JSON, true, false },
        { "the player's origin", "http://localhost:25999", JSON, true, false },
        { "127.0.0.1", "http://127.0.0.1", JSON, true, false },
        { "https of it", "https://localhost", JSON, true, false },
        { "a longer name", "http://evil.localhost.example.com", JSON, true, false },
        { "same-site", "", JSON "Sec-Fetch-Site: same-site\r\n", true, false },
        { "cross-site", "", JSON "Sec-Fetch-Site: cross-site\r\n", true, false },
        { "a form", "", "Content-Type: application/x-www-form-urlencoded\r\n", true, false },
        { "text", "", "Content-Type: text/plain\r\n", true, false },
        { "no type", "", "", true, false },
        { "no body", "", "", false, true },
        { "no body, no Origin", NULL, "", false, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char headers[500], ours[60];
        struct client c;

        (void) snprintf(ours, sizeof(ours), "http://localhost:%d", w.port);
        (void) snprintf(headers, sizeof(headers), "Cookie: keyhole=kst_x\r\n%s%s%s%s", cases[i].origin == NULL ? "" : "Origin: ",
                        cases[i].origin == NULL ? "" : cases[i].origin[0] == '\0' ? ours : cases[i].origin,
                        cases[i].origin == NULL ? "" : "\r\n", cases[i].rest);
        request(&c, "POST", "/v1/requests", headers, cases[i].body ? SPAN("{}") : SPAN_EMPTY);
        if ((c.status == 200) != cases[i].passes || (!cases[i].passes && strcmp(member(&c, "code"), "csrf") != 0))
            fail_msg("%s: %d %s", cases[i].name, c.status, buf_cstr(&c.body));
        client_close(&c);
        /* a token in Authorization is no cookie: no page can make a browser send it */
        (void) snprintf(headers, sizeof(headers), "Authorization: Bearer kst_x\r\n" JSON "%s%s\r\n", cases[i].origin == NULL ? "X: " : "Origin: ",
                        cases[i].origin == NULL ? "y" : cases[i].origin[0] == '\0' ? ours : cases[i].origin);
        request(&c, "POST", "/v1/requests", headers, SPAN("{}"));
        assert_int_equal(c.status, 200);
        client_close(&c);
    }
}

/* engineer.localhost beside localhost, each with its own cookie; only in a demo. */
static void demo_accounts(void **state)
{
    static const struct {
        const char *host, *origin;
        int status;
    } cases[] = {
        { "engineer.localhost", "engineer.localhost", 200 },
        { "engineer.localhost", "approver.localhost", 403 }, /* one account's page, another's cookie */
        { "localhost", "engineer.localhost", 403 },
        { "a.b.localhost", "a.b.localhost", 421 },
        { "evil.example.com", "evil.example.com", 421 },
        { "127.0.0.1", "127.0.0.1", 421 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c;

        client_open(&c, w.port);
        client_sendf(&c, "POST /v1/requests HTTP/1.1\r\nHost: %s:%d\r\nOrigin: http://%s:%d\r\nCookie: keyhole=kst_x\r\n" JSON "Content-Length: 2\r\n\r\n{}",
                     cases[i].host, w.port, cases[i].origin, w.port);
        client_answer(&c);
        if (c.status != cases[i].status)
            fail_msg("%s from %s: %d", cases[i].host, cases[i].origin, c.status);
        client_close(&c);
    }
}

static void cookies(void **state)
{
    char headers[200];
    struct client c;

    (void) state;
    world_lock();
    w.ways.set_token = "kst_fresh";
    world_unlock();
    (void) snprintf(headers, sizeof(headers), JSON "Origin: http://localhost:%d\r\n", w.port);
    request(&c, "POST", "/v1/login", headers, SPAN("{\"user\":\"u\",\"password\":\"p\"}"));
    assert_string_equal(client_header(&c, "set-cookie"), "keyhole=kst_fresh; Path=/; HttpOnly; SameSite=Strict");
    assert_true(last().browser);
    client_close(&c);
    request(&c, "POST", "/v1/login", JSON "Origin: https://evil.example.com\r\n", SPAN("{\"user\":\"u\",\"password\":\"p\"}"));
    assert_code(&c, 403, "csrf");
    world_lock();
    w.ways.set_token = NULL;
    w.ways.clear_token = true;
    world_unlock();
    request(&c, "POST", "/v1/logout", "Authorization: Bearer kst_x\r\n", SPAN_EMPTY);
    assert_string_equal(client_header(&c, "set-cookie"), "keyhole=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    client_close(&c);
}

static bool config_taken(void)
{
    struct client c;
    int status;

    world_unlock();
    client_open(&c, w.port);
    client_send(&c, "GET /v1/openapi.yaml HTTP/1.1\r\nHost: rec.example.com\r\n\r\n");
    client_answer(&c);
    status = c.status;
    client_close(&c);
    world_lock();
    return status == 200;
}

static bool config_back(void)
{
    return !config_taken();
}

/* With a public address: a reload, and everything that hangs on it. */
static void behind_https(void **state)
{
    char back[60];
    struct client c;

    (void) state;
    world_config("https://rec.example.com");
    world_wait(config_taken, 2000);
    world_lock();
    w.ways.set_token = "kst_fresh";
    world_unlock();
    client_open(&c, w.port);
    client_send(&c, "POST /v1/login HTTP/1.1\r\nHost: rec.example.com\r\nOrigin: https://rec.example.com\r\n" JSON "Content-Length: 2\r\n\r\n{}");
    client_answer(&c);
    assert_string_equal(client_header(&c, "set-cookie"), "__Host-keyhole=kst_fresh; Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_string_equal(client_header(&c, "strict-transport-security"), "max-age=31536000");
    client_close(&c);
    client_open(&c, w.port);
    client_send(&c, "GET /v1/me HTTP/1.1\r\nHost: rec.example.com\r\nCookie: keyhole=kst_x\r\n\r\n"); /* the plain name counts for nothing */
    client_answer(&c);
    assert_code(&c, 401, "login-needed");
    client_open(&c, w.port);
    client_send(&c, "GET /v1/me HTTP/1.1\r\nHost: engineer.rec.example.com\r\nAuthorization: Bearer x\r\n\r\n");
    client_answer(&c);
    assert_code(&c, 421, "misdirected");
    (void) snprintf(back, sizeof(back), "http://localhost:%d", w.port);
    world_config(back);
    world_wait(config_back, 2000);
}

static void problems_of_the_keeper(void **state)
{
    struct client c;

    (void) state;
    world_lock();
    w.ways.answer_code = "no-approver";
    w.ways.answer_status = 409;
    w.ways.answer_detail = "Nobody could.";
    w.ways.answer_body = "{\"groups\":[\"approvers\"],\"who_can_change\":[]}";
    world_unlock();
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_x\r\n" JSON, SPAN("{}"));
    assert_string_equal(member(&c, "groups"), "[\"approvers\"]");
    assert_string_equal(member(&c, "detail"), "Nobody could.");
    assert_code(&c, 409, "no-approver");
    world_lock();
    w.ways.answer_code = "follow-unsupported";
    w.ways.answer_body = NULL;
    world_unlock();
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_x\r\n" JSON, SPAN("{}"));
    assert_code(&c, 422, "follow-unsupported");
    world_lock();
    w.ways.answer_code = "rate-limited";
    w.ways.answer_status = 429;
    world_unlock();
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_x\r\n" JSON, SPAN("{}"));
    assert_true(client_header(&c, "retry-after")[0] != '\0');
    assert_code(&c, 429, "rate-limited");
    world_lock();
    w.ways.answer_code = "no-such-code";
    world_unlock();
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_x\r\n" JSON, SPAN("{}"));
    assert_code(&c, 500, "internal");
    world_keeper_dies();
    (void) usleep(10000);
    request(&c, "POST", "/v1/requests", "Authorization: Bearer kst_x\r\n" JSON, SPAN("{}"));
    assert_code(&c, 503, "keeper-unavailable");
    world_keeper_comes();
}

static void keeper_dies_while_asked(void **state)
{
    struct client c;

    (void) state;
    world_lock();
    w.ways.hold_controls = true;
    world_unlock();
    begin_get(&c, "kst_x", "/v1/me");
    (void) usleep(30000);
    world_keeper_dies();
    client_answer(&c);
    assert_code(&c, 503, "keeper-unavailable");
    world_keeper_comes();
}

static bool heard_close(void)
{
    return w.n_watch_close > 0;
}

static void notify(void *arg)
{
    struct ipc_notify m = { w.watches[0].sub, SPAN("{\"type\":\"request\"}"), *(bool *) arg };

    (void) link_send(w.keeper[w.watches[0].lane], IPC_T_NOTIFY, &m);
}

static void page_streams(void **state)
{
    struct client c;
    bool no = false, yes = true;

    (void) state;
    begin_get(&c, "kst_x", "/v1/events");
    assert_true(client_until(&c, "retry: 2000\n\nevent: hello\ndata: {}\n\n", 1000));
    assert_string_equal(client_header(&c, "content-type"), "text/event-stream");
    world_do(notify, &no);
    assert_true(client_until(&c, "id: 1\ndata: {\"type\":\"request\"}\n\n", 1000));
    world_do(notify, &yes);
    assert_true(client_until_end(&c, 1000));
    assert_true(client_until(&c, "event: bye\ndata: {\"code\":4401,\"reason\":\"signed-out\"", 1));
    client_close(&c);
    world_wait(heard_close, 1000);
    /* a client that has gone */
    world_lock();
    w.n_watch_close = 0;
    world_unlock();
    begin_get(&c, "kst_x", "/v1/events");
    assert_true(client_until(&c, "hello", 1000));
    client_close(&c);
    world_wait(heard_close, 1000);
    /* a keeper that dies, and one that is replaced before anybody notices */
    begin_get(&c, "kst_x", "/v1/events");
    assert_true(client_until(&c, "hello", 1000));
    world_keeper_dies();
    assert_true(client_until_end(&c, 1000));
    assert_true(client_until(&c, "\"reason\":\"unavailable\"", 1));
    client_close(&c);
    world_keeper_comes();
    (void) usleep(10000);
    begin_get(&c, "kst_x", "/v1/events");
    assert_true(client_until(&c, "hello", 1000));
    world_keeper_comes();
    assert_true(client_until_end(&c, 1000));
    assert_true(client_until(&c, "\"reason\":\"unavailable\"", 1));
    client_close(&c);
    world_lock();
    w.ways.refuse_watch = true;
    world_unlock();
    (void) usleep(10000);
    get(&c, "kst_x", "/v1/events");
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "Bearer"));
    assert_code(&c, 401, "login-needed");
    get(&c, NULL, "/v1/events");
    assert_code(&c, 401, "login-needed");
}

/* STANDARDS 5.3, to the letter. */
static void headers_of_the_documents(void **state)
{
    char want[2000];
    struct client c;
    size_t n;

    (void) state;
    if (asset_all(ASSET_APP, &n), n == 0)
        skip(); /* built without the web app */
    get(&c, NULL, "/");
    assert_int_equal(c.status, 200);
    (void) snprintf(want, sizeof(want), "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob:; style-src 'self'; "
                    "frame-src http://localhost:%d http://shop.localhost:%d; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
                    w.player_port, w.port); /* the world is a demo's */
    assert_string_equal(client_header(&c, "content-security-policy"), want);
    assert_string_equal(client_header(&c, "x-content-type-options"), "nosniff");
    client_close(&c);
    for (int terminal = 0; terminal < 2; terminal++) {
        client_open(&c, w.player_port);
        client_sendf(&c, "GET /%s HTTP/1.1\r\nHost: localhost:%d\r\nCookie: keyhole=kst_x\r\n\r\n", terminal ? "terminal" : "dom", w.player_port);
        client_answer(&c);
        assert_int_equal(c.status, 200);
        (void) snprintf(want, sizeof(want), "default-src 'none'; script-src 'self'%s; style-src 'self' 'unsafe-inline'; img-src blob:%s; "
                        "font-src blob: data:; media-src blob: data:; connect-src 'none'; frame-src 'self'; worker-src 'none'; "
                        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors http://localhost:%d http://*.localhost:%d; "
                        "sandbox allow-scripts allow-same-origin", terminal ? " 'wasm-unsafe-eval'" : "", terminal ? "" : " data:", w.port, w.port);
        assert_string_equal(client_header(&c, "content-security-policy"), want);
        assert_string_equal(client_header(&c, "referrer-policy"), "no-referrer");
        assert_string_equal(client_header(&c, "x-content-type-options"), "nosniff");
        assert_string_equal(client_header(&c, "x-dns-prefetch-control"), "off");
        assert_string_equal(client_header(&c, "cross-origin-opener-policy"), "same-origin");
        assert_string_equal(client_header(&c, "cross-origin-embedder-policy"), "require-corp");
        assert_string_equal(client_header(&c, "cross-origin-resource-policy"), "cross-origin");
        assert_string_equal(client_header(&c, "origin-agent-cluster"), "?1");
        assert_string_equal(client_header(&c, "set-cookie"), "");
        assert_non_null(strstr(client_header(&c, "permissions-policy"), "camera=()"));
        client_close(&c);
    }
    /* a demo's shop: a page of its own under its own name, with nothing of the API but where its token is */
    client_open(&c, w.port);
    client_sendf(&c, "GET / HTTP/1.1\r\nHost: shop.localhost:%d\r\n\r\n", w.port);
    client_answer(&c);
    assert_int_equal(c.status, 200);
    assert_non_null(memmem(c.body.p, c.body.n, "Fernwood", 8));
    (void) snprintf(want, sizeof(want), "default-src 'none'; script-src 'self' http://localhost:%d; connect-src 'self' http://localhost:%d; img-src 'self' data:; "
                    "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors http://localhost:%d http://*.localhost:%d", w.port, w.port, w.port, w.port);
    assert_string_equal(client_header(&c, "content-security-policy"), want);
    client_close(&c);
    for (int i = 0; i < 3; i++) {
        static const char *const paths[] = { "/v1/me", "/v1/recordings", "/watch/r_0123456789abcdef" };

        client_open(&c, w.port);
        client_sendf(&c, "GET %s HTTP/1.1\r\nHost: shop.localhost:%d\r\nCookie: keyhole=kst_x\r\n\r\n", paths[i], w.port);
        client_answer(&c);
        assert_code(&c, 404, "not-found");
        client_close(&c);
    }
    /* no route of the API on the player's origin */
    client_open(&c, w.player_port);
    client_sendf(&c, "GET /v1/me HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer x\r\n\r\n", w.player_port);
    client_answer(&c);
    assert_code(&c, 404, "not-found");
    client_open(&c, w.port); /* people who type the number */
    client_sendf(&c, "GET /watch?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", w.port);
    client_answer(&c);
    assert_int_equal(c.status, 307);
    (void) snprintf(want, sizeof(want), "http://localhost:%d/watch?x=1", w.port);
    assert_string_equal(client_header(&c, "location"), want);
    client_close(&c);
}

static void public_documents(void **state)
{
    struct client c;

    (void) state;
    get(&c, NULL, "/.well-known/jwks.json");
    assert_int_equal(c.status, 200);
    assert_non_null(memmem(c.body.p, c.body.n, w.kid, strlen(w.kid)));
    assert_non_null(memmem(c.body.p, c.body.n, "\"P-256\"", 7));
    assert_null(memmem(c.body.p, c.body.n, "\"d\"", 3));
    assert_string_equal(client_header(&c, "cache-control"), "public, max-age=300");
    assert_true(client_header(&c, "etag")[0] == '"');
    client_close(&c);
    get(&c, NULL, "/problems/key-expired");
    assert_int_equal(c.status, 200);
    assert_int_equal(strncmp(client_header(&c, "content-type"), "text/html", 9), 0);
    client_close(&c);
    get(&c, NULL, "/livez");
    assert_int_equal(c.status, 200);
    client_close(&c);
    world_vault_dies();
    (void) usleep(10000);
    get(&c, NULL, "/readyz");
    assert_int_equal(c.status, 503);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_call_as_the_keeper_gets_it, world_reset),
        cmocka_unit_test_setup(bodies, world_reset),
        cmocka_unit_test_setup(words_of_the_head, world_reset),
        cmocka_unit_test_setup(who_calls, world_reset),
        cmocka_unit_test_setup(csrf, world_reset),
        cmocka_unit_test_setup(demo_accounts, world_reset),
        cmocka_unit_test_setup(cookies, world_reset),
        cmocka_unit_test_setup(behind_https, world_reset),
        cmocka_unit_test_setup(problems_of_the_keeper, world_reset),
        cmocka_unit_test_setup(keeper_dies_while_asked, world_reset),
        cmocka_unit_test_setup(page_streams, world_reset),
        cmocka_unit_test_setup(headers_of_the_documents, world_reset),
        cmocka_unit_test_setup(public_documents, world_reset),
    };

    return cmocka_run_group_tests_name("gate control", tests, world_begin, world_end);
}
