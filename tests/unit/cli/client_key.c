/* The client key's file: made once, 0600, refused when anybody else could have had it; what it signs verifies. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client_key.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "os/clock.h"

#define URL "https://rec.example.com"

static char dir[64];
static char path[400];

/* The one file in the directory. */
static void find_file(void)
{
    DIR *d = opendir(dir);

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.')
            (void) snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
    }
    (void) closedir(d);
}

static int setup(void **state)
{
    (void) state;
    (void) strcpy(dir, "/tmp/keyhole-test-XXXXXX");
    path[0] = '\0';
    if (mkdtemp(dir) == NULL || setenv("KEYHOLE_CONFIG_DIR", dir, 1) != 0)
        return 1;
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    (void) unlink(path);
    return rmdir(dir);
}

static void made_once(void **state)
{
    struct client_key *a = NULL, *b = NULL, *none = NULL;
    struct stat st;

    (void) state;
    assert_err(client_key_load(URL, &none, NULL), ERR_NOTFOUND);
    assert_ok(client_key_make(URL, &a, NULL));
    assert_int_equal(strlen(client_key_jkt(a)), CLIENT_KEY_JKT_LEN);
    assert_ok(client_key_make(URL, &b, NULL));
    assert_string_equal(client_key_jkt(a), client_key_jkt(b));
    b = client_key_free(b);
    assert_ok(client_key_load(URL, &b, NULL));
    assert_string_equal(client_key_jkt(a), client_key_jkt(b));
    find_file();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_err(client_key_load("https://other.example.com", &none, NULL), ERR_NOTFOUND);
    (void) client_key_free(a);
    (void) client_key_free(b);
}

/* Who might have read it might have a copy. */
static void not_of_others(void **state)
{
    static const mode_t modes[] = { 0640, 0604, 0660, 0602, 0601, 0700 | 010 };
    struct client_key *k = NULL;
    struct err_info e = { 0 };

    (void) state;
    assert_ok(client_key_make(URL, &k, NULL));
    k = client_key_free(k);
    find_file();
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_err(client_key_load(URL, &k, &e), ERR_DENIED);
        assert_non_null(strstr(e.text, "can be read by others"));
        assert_err(client_key_make(URL, &k, NULL), ERR_DENIED);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_ok(client_key_load(URL, &k, &e));
    k = client_key_free(k);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_err(client_key_load(URL, &k, &e), ERR_DENIED);
        assert_non_null(strstr(e.text, "somebody else"));
    }
    (void) unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_err(client_key_load(URL, &k, NULL), ERR_DENIED);
    (void) unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_err(client_key_load(URL, &k, NULL), ERR_DENIED); /* and does not wait for a writer */
    assert_null(k);
}

static void rewrite(const char *text, size_t n)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void damaged(void **state)
{
    struct client_key *k = NULL;
    struct buf text;

    (void) state;
    assert_ok(client_key_make(URL, &k, NULL));
    k = client_key_free(k);
    find_file();
    test_read_file(path, &text);
    for (size_t i = 0; i < text.n - 1; i++) { /* the line feed may be anything */
        uint8_t before = text.p[i];

        text.p[i] = before == 'Q' ? 'R' : 'Q'; /* in a coordinate: another point, or another scalar */
        rewrite((char *) text.p, text.n);
        assert_err(client_key_load(URL, &k, NULL), ERR_CORRUPT);
        assert_null(k);
        text.p[i] = before;
    }
    for (size_t n = 0; n + 2 < text.n; n++) {
        rewrite((char *) text.p, n);
        assert_err(client_key_load(URL, &k, NULL), ERR_CORRUPT);
    }
    rewrite((char *) text.p, text.n);
    assert_ok(client_key_load(URL, &k, NULL));
    (void) client_key_free(k);
    buf_deinit(&text);
}

/* The public key as the file has it. */
static void public_key(uint8_t pub[ES256_PUB_LEN])
{
    struct buf text;
    const char *x, *y;

    find_file();
    test_read_file(path, &text);
    x = strstr(buf_cstr(&text), "\"x\":\"") + 5;
    y = strstr(buf_cstr(&text), "\"y\":\"") + 5;
    assert_true(base64url_parse_exact(span_of(x, 43), pub, 32));
    assert_true(base64url_parse_exact(span_of(y, 43), pub + 32, 32));
    buf_deinit(&text);
}

static void acts_verify(void **state)
{
    struct client_key *k = NULL;
    struct es256_verifier *v = NULL;
    uint8_t pub[ES256_PUB_LEN];
    char header[ACT_HEADER_CAP];
    struct act_header h;
    struct act a = { .act = SPAN("request_approve"), .id = SPAN("q_0w3m1Vt9kq5yQpLx"),
                     .digest = SPAN("mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E"), .htu = SPAN(URL "/v1/x") };

    (void) state;
    assert_ok(client_key_make(URL, &k, NULL));
    public_key(pub);
    assert_ok(es256_verifier_new(pub, &v, NULL));
    assert_ok(client_key_act(k, "request_approve", a.id, a.digest, URL "/v1/x?y=z", header, NULL));
    assert_true(act_header_parse(span_str(header), &h));
    a.jkt = span_str(client_key_jkt(k));
    a.iat = h.iat;
    assert_int_equal(act_verify(&a, &h, v, clock_wall_ms() / 1000), ACT_OK);
    a.act = SPAN("request_deny");
    assert_int_equal(act_verify(&a, &h, v, clock_wall_ms() / 1000), ACT_FORGED);
    (void) es256_verifier_free(v);
    (void) client_key_free(k);
}

static void proofs_verify(void **state)
{
    struct buf proof = BUF_INIT(4096);
    uint8_t pub[ES256_PUB_LEN], sig[ES256_SIG_LEN], payload[1024], ath[SHA256_LEN];
    char want[64];
    struct client_key *k = NULL;
    struct es256_verifier *v = NULL;
    struct span head, rest, body, tail;
    size_t n;

    (void) state;
    assert_ok(client_key_make(URL, &k, NULL));
    public_key(pub);
    assert_ok(es256_verifier_new(pub, &v, NULL));
    assert_ok(client_key_proof(k, "GET", URL "/v1/x?from_ms=1", "a.b.c", "the-nonce", &proof, NULL));
    assert_true(span_cut(buf_span(&proof), '.', &head, &rest) && span_cut(rest, '.', &body, &tail));
    assert_true(base64url_parse_exact(tail, sig, sizeof(sig)));
    assert_true(es256_verify(v, span_of(proof.p, proof.n - tail.n - 1), span_of(sig, sizeof(sig))));
    assert_true(base64url_parse(body, payload, sizeof(payload) - 1, &n));
    payload[n] = '\0';
    sha256(SPAN("a.b.c"), ath);
    (void) base64url_str(ath, sizeof(ath), want, sizeof(want));
    assert_non_null(strstr((char *) payload, want));
    assert_non_null(strstr((char *) payload, "\"" URL "/v1/x\""));
    assert_non_null(strstr((char *) payload, "\"the-nonce\""));
    (void) es256_verifier_free(v);
    (void) client_key_free(k);
    buf_deinit(&proof);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(not_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(acts_verify, setup, teardown),
        cmocka_unit_test_setup_teardown(proofs_verify, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
