/* The configuration: every refusal, with its place; what the defaults are; addresses to listen on. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/config.h"
#include "server/listen.h"

#define BASE                                                                                                           \
    "public_url = \"https://rec.example.com\"\nplayer_url = \"https://player.example.com\"\ndir = \"/var/lib/keyhole\"\n" \
    "listen = { \"0.0.0.0:443\" }\n"
#define TLS "tls { certificate = \"/c.pem\" key = \"/k.pem\" }\n"

static char path[64];

static enum err load(const char *text, struct config **ret, struct err_info *e)
{
    int fd;

    (void) snprintf(path, sizeof(path), "/tmp/keyhole-conf-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void) close(fd);
    {
        enum err r = config_load(path, ret, e);

        (void) unlink(path);
        return r;
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *name, *text, *says;
    } cases[] = {
        { "nothing", "", "dir" },
        { "an unknown option", BASE TLS "colour = \"red\"\n", "colour" },
        { "an option twice", BASE TLS "dir = \"/other\"\n", "dir" },
        { "cut short", BASE TLS "gate { threads = 2", "" },
        { "a relative directory", "public_url = \"https://a\"\nplayer_url = \"https://b\"\ndir = \"x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "dir" },
        { "a path in public_url", "public_url = \"https://a/x\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "a slash at its end", "public_url = \"https://a/\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "a user in it", "public_url = \"https://u@a\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "capitals in it", "public_url = \"https://Rec.example.com\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "two words in it", "public_url = \"https://a; script-src *\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "a policy in player_url", "public_url = \"https://a\"\nplayer_url = \"https://b;x\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "player_url" },
        { "only a port", "public_url = \"https://:8443\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "another scheme", "public_url = \"ftp://a\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "public_url" },
        { "one origin for both", "public_url = \"https://a\"\nplayer_url = \"https://a\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "player_url" },
        { "http without plain_loopback", "public_url = \"http://a\"\nplayer_url = \"http://b\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\n" TLS, "https" },
        { "no listener", "public_url = \"https://a\"\nplayer_url = \"https://b\"\ndir = \"/x\"\n" TLS, "listen" },
        { "a name to listen on", "public_url = \"https://a\"\nplayer_url = \"https://b\"\ndir = \"/x\"\nlisten = { \"localhost:1\" }\n" TLS, "listen" },
        { "a hook without a project", BASE TLS "hook \"a\" { format = github secret = \"0123456789abcdef\" }\n", "hook \"a\": project" },
        { "a hook without a format", BASE TLS "hook \"a\" { project = shop secret = \"0123456789abcdef\" }\n", "hook \"a\": format" },
        { "a hook of no format", BASE TLS "hook \"a\" { project = shop format = jira secret = \"0123456789abcdef\" }\n", "format" },
        { "a hook without a secret", BASE TLS "hook \"a\" { project = shop format = github }\n", "either secret or secret_file" },
        { "a hook with two secrets", BASE TLS "hook \"a\" { project = shop format = github secret = \"0123456789abcdef\" secret_file = \"/x\" }\n", "either secret or secret_file" },
        { "a hook with a short secret", BASE TLS "hook \"a\" { project = shop format = github secret = \"0123456789abcde\" }\n", "at least 16" },
        { "a hook whose secret is no base64", BASE TLS "hook \"a\" { project = shop format = standard secret = \"whsec_????\" }\n", "not base64" },
        { "a hook whose file is not there", BASE TLS "hook \"a\" { project = shop format = github secret_file = \"/nowhere/at/all\" }\n", "/nowhere" },
        { "a hook whose file has no place", BASE TLS "hook \"a\" { project = shop format = github secret_file = \"secret\" }\n", "absolute path" },
        { "a hook with a name in capitals", BASE TLS "hook \"A\" { project = shop format = github secret = \"0123456789abcdef\" }\n", "hook: a name" },
        { "two hooks of one name", BASE TLS "hook \"a\" { project = shop }\nhook \"a\" { project = shop }\n", "same title" },
        { "no certificate", BASE, "tls" },
        { "no key of it", BASE "tls { certificate = \"/c.pem\" }\n", "tls" },
        { "plain and public", "public_url = \"http://localhost:1\"\nplayer_url = \"http://localhost:2\"\ndir = \"/x\"\nlisten = { \"0.0.0.0:1\" }\nplain_loopback = yes\n", "loopback" },
        { "plain and https", "public_url = \"https://localhost:1\"\nplayer_url = \"http://localhost:2\"\ndir = \"/x\"\nlisten = { \"127.0.0.1:1\" }\nplain_loopback = yes\n", "plain_loopback" },
        { "plain and behind a proxy", "public_url = \"http://localhost:1\"\nplayer_url = \"http://localhost:2\"\ndir = \"/x\"\nlisten = { \"127.0.0.1:1\" }\nplain_loopback = yes\nbehind_proxy = yes\nproxy { trusted = { \"10.0.0.0/8\" } }\n", "exclude" },
        { "a proxy that nobody trusts", BASE "behind_proxy = yes\n", "proxy.trusted" },
        { "no network", BASE "behind_proxy = yes\nproxy { trusted = { \"proxy.example.com\" } }\n", "proxy.trusted" },
        { "host bits in a network", BASE "behind_proxy = yes\nproxy { trusted = { \"10.0.0.1/8\" } }\n", "proxy.trusted" },
        { "another header", BASE "behind_proxy = yes\nproxy { trusted = { \"10.0.0.0/8\" } header = via }\n", "header" },
        { "a demo in public", BASE TLS "demo { password = \"x\" }\n", "demo" },
        { "no environment", BASE TLS "env = { }\n", "empty list" },
        { "an environment to escape", BASE TLS "env = { \"a\\\"b\" }\n", "env" },
        { "65 threads", BASE TLS "gate { threads = 65 }\n", "threads" },
        { "no stream", BASE TLS "gate { streams = 0 }\n", "streams" },
        { "a key of 301 s", BASE TLS "key { life = 301s }\n", "life" },
        { "a bearer key of 61 s", BASE TLS "key { bearer_life = 61s }\n", "bearer_life" },
        { "a rotation of 9 min", BASE TLS "key { rotate = 9min }\n", "rotate" },
        { "a time without a unit", BASE TLS "key { rotate = 3600 }\n", "rotate" },
        { "a size without a unit", BASE TLS "limits { body = 4096 }\n", "body" },
        { "a body over its cap", BASE TLS "limits { body = 2MiB }\n", "body" },
        { "a seal of 1 KiB", BASE TLS "store { seal_bytes = 1KiB }\n", "seal_bytes" },
        { "zstd 20", BASE TLS "store { zstd = 20 }\n", "zstd" },
        { "a word that is no yes", BASE TLS "auth { token_votes = maybe }\n", "token_votes" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *c = NULL;
        struct err_info e = { 0 };

        if (load(cases[i].text, &c, &e) == ERR_OK)
            fail_msg("%s: taken", cases[i].name);
        if (strstr(e.text, cases[i].says) == NULL)
            fail_msg("%s: it says '%s'", cases[i].name, e.text);
        assert_null(c);
    }
    {
        struct config *c = NULL;

        assert_err(config_load("/nonexistent/keyhole.conf", &c, NULL), ERR_NOTFOUND);
    }
}

static void defaults_and_values(void **state)
{
    struct config *c = NULL;
    struct err_info e = { 0 };

    (void) state;
    assert_ok_err(load(BASE TLS, &c, &e), &e);
    assert_int_equal(c->key.life, 120000);
    assert_int_equal(c->key.bearer_life, 60000);
    assert_int_equal(c->key.rotate, 3600000);
    assert_int_equal(c->limits.body, 1 << 20);
    assert_int_equal(c->limits.import_wire, 4LL << 30);
    assert_int_equal(c->limits.import_unpacked, 16LL << 30);
    assert_int_equal(c->store.seal_bytes, 1 << 20);
    assert_int_equal(c->gate.streams, 15000);
    assert_string_equal(c->envs.items[0], "prod");
    assert_false(c->demo || c->plain_loopback || c->behind_proxy || c->auth.token_votes);
    assert_true(config_gate_loops(c) >= 1);
    c = config_free(c);
    assert_ok_err(load(BASE "behind_proxy = yes\nproxy { trusted = { \"10.0.0.0/8\", \"::1\" } header = x-forwarded-for }\n"
                       "env = { \"staging\", \"prod\" }\ngate { threads = 3 }\nkey { bearer_life = 20s }\nlog = json\n", &c, &e), &e);
    assert_true(c->behind_proxy && c->log_json);
    assert_int_equal(c->proxy.trusted.n, 2);
    assert_int_equal(c->proxy.header, PROXY_X_FORWARDED_FOR);
    assert_string_equal(c->envs.items[0], "staging");
    assert_int_equal(config_gate_loops(c), 3);
    assert_int_equal(c->key.bearer_life, 20000);
    c = config_free(c);
    assert_ok_err(load("public_url = \"http://localhost:8080\"\nplayer_url = \"http://localhost:8081\"\ndir = \"/x\"\nlisten = { \"127.0.0.1:8080\", \"[::1]:8080\" }\n"
                       "plain_loopback = yes\ndemo { password = \"p\" }\n", &c, &e), &e);
    assert_true(c->demo);
    assert_string_equal(c->demo_password, "p");
    c = config_free(c);
}

/* The digest goes into the audit log: any changed byte changes it. */
static void digest(void **state)
{
    struct config *a = NULL, *b = NULL;

    (void) state;
    assert_ok(load(BASE TLS, &a, NULL));
    assert_ok(load(BASE TLS "# more\n", &b, NULL));
    assert_memory_not_equal(a->sha256, b->sha256, 32);
    a = config_free(a);
    b = config_free(b);
}

static void addresses(void **state)
{
    static const struct {
        const char *text;
        bool good, loopback;
        unsigned port;
    } cases[] = {
        { "127.0.0.1:8443", true, true, 8443 }, { "127.9.9.9:1", true, true, 1 },      { "0.0.0.0:65535", true, false, 65535 },
        { "[::1]:443", true, true, 443 },       { "[::]:443", true, false, 443 },      { "10.0.0.1:0", true, false, 0 },
        { "", false, false, 0 },                { ":443", false, false, 0 },           { "443", false, false, 0 },
        { "127.0.0.1", false, false, 0 },       { "127.0.0.1:", false, false, 0 },     { "127.0.0.1:65536", false, false, 0 },
        { "127.0.0.1:-1", false, false, 0 },    { "127.0.0.1: 1", false, false, 0 },   { "localhost:1", false, false, 0 },
        { "::1:443", false, false, 0 },         { "[::1:443", false, false, 0 },       { "[]:443", false, false, 0 },
        { "[127.0.0.1]:1", false, false, 0 },   { "127.0.0.1:1:1", false, false, 0 },  { "127.1:80", false, false, 0 },
        { "[::1]443", false, false, 0 },        { "0x7f.0.0.1:80", false, false, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct listen_addr at;
        bool good = listen_parse(cases[i].text, &at);

        if (good != cases[i].good || (good && (at.loopback != cases[i].loopback || at.port != cases[i].port)))
            fail_msg("'%s': %d, port %u", cases[i].text, good, at.port);
    }
}

static void a_port_has_one_listener(void **state)
{
    struct listen_addr at;
    char text[40];
    unsigned port = listen_free_port(25080);
    int a = -1, b = -1;

    (void) state;
    assert_true(port >= 25080);
    (void) snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    assert_true(listen_parse(text, &at));
    assert_ok(listen_open(&at, 0, &a, NULL));
    assert_err(listen_open(&at, 0, &b, NULL), ERR_EXISTS);
    assert_int_not_equal(listen_free_port(port), port);
    (void) close(a);
    assert_ok(listen_open(&at, 0, &b, NULL));
    (void) close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(defaults_and_values),
        cmocka_unit_test(digest),
        cmocka_unit_test(addresses),
        cmocka_unit_test(a_port_has_one_listener),
    };

    return cmocka_run_group_tests_name("server config", tests, NULL, NULL);
}
