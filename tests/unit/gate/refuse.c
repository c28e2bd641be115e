/* STANDARDS 1.4: every way in which a key is refused, its answer, what it leaves in the audit; and what is not refused. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/base64.h"
#include "os/clock.h"

static const char *rid, *other;

static int begin(void **state)
{
    static char ids[2][ID_CAP];
    static const char cast[] = "{\"version\":2,\"width\":80,\"height\":24}\n[0.5,\"o\",\"hello\"]\n[9.5,\"o\",\"bye\"]\n";
    int r = world_begin(state);

    if (r != 0)
        return r;
    for (int i = 0; i < 2; i++)
        (void) snprintf(ids[i], ID_CAP, "%s", import_bytes(span_str(cast)));
    rid = ids[0];
    other = ids[1];
    return 0;
}

/* A request with exactly these header lines. */
static void ask(struct client *c, const char *path, const char *headers)
{
    char text[6000];

    client_open(c, w.port);
    (void) snprintf(text, sizeof(text), "GET /v1/replay/%s/%s HTTP/1.1\r\nHost: localhost:%d\r\n%s\r\n", rid, path, w.port, headers);
    client_send(c, text);
    client_answer(c);
}

static char counted[40];
static uint32_t counted_n;

static bool was_counted(void)
{
    uint32_t n = 0;

    for (size_t i = 0; i < w.n_refusals; i++)
        n += strcmp(w.refusals[i].code, counted) == 0 ? w.refusals[i].count : 0;
    return n >= counted_n;
}

/* The audit has heard of n refusals of that code. */
static void audited(const char *code, uint32_t n)
{
    (void) snprintf(counted, sizeof(counted), "%s", code);
    counted_n = n;
    world_wait(was_counted, 2500);
}

enum tweak { PLAIN, NO_KEY, TWO_KEYS, DPOP, BASIC, NO_SPACE, QUERY, QUERY_ONLY, GARBAGE, FOUR_PARTS, PADDED, TOO_LONG, BIT_HEADER,
             BIT_PAYLOAD, BIT_SIGNATURE, FOREIGN_KEY, NONE_ALG, NOT_YET, EXPIRED, BAD_ISS, BAD_AUD, BAD_ENV, CNF, OTHER_PLACE,
             OTHER_RID, EXPORT_SCOPE, OLD_GEN, DENIED, REVOKED, SUSPENDED, WINDOW, DEADLINE, UNKNOWN_GRANT, KEEPER_FORGED,
             KEEPER_BUSY, LEASE_REFUSED, VAULT_REFUSED, NO_VOLUME, NO_RATE };

static struct key_claims tweaked(enum tweak t)
{
    struct key_claims k = world_claims(rid);

    switch ((int) t) {
    case NOT_YET: k.iat = k.nbf = k.iat + 20; k.exp = k.iat + 30; break;
    case EXPIRED: k.iat -= 60; k.nbf -= 60; k.exp = k.iat + 59; break;
    case BAD_ISS: strcpy(k.iss, "https://elsewhere.example.com"); break;
    case BAD_AUD: strcpy(k.aud, "https://elsewhere.example.com/v1/replay"); break;
    case BAD_ENV: strcpy(k.env, "staging"); break;
    case CNF: memset(k.cnf_jkt, 'A', KEY_JKT_LEN); break;
    case OTHER_PLACE: memset(k.ctx, 'A', KEY_CTX_LEN); break;
    case OTHER_RID: strcpy(k.rid, other); break;
    case EXPORT_SCOPE: k.scope = KEY_SCOPE_EXPORT; break;
    case UNKNOWN_GRANT: strcpy(k.gid, "g_ZZZZZZZZZZZZZZZZ"); break;
    default: break;
    }
    return k;
}

/* Changes what the keeper and the vault say, or the grant. */
static void prepare(enum tweak t, const struct key_claims *k)
{
    world_lock();
    switch ((int) t) {
    case WINDOW: w.grant.wend_ms = clock_wall_ms() - 1; break;
    case DEADLINE: w.grant.deadline_ms = clock_boot_ms() - 1; break;
    case UNKNOWN_GRANT: w.ways.key_first_grant = false; break;
    case KEEPER_FORGED: w.ways.key_first = KEY_FORGED; break;
    case KEEPER_BUSY: w.ways.key_first = KEY_CLOCK_UNTRUSTED; break;
    case LEASE_REFUSED: w.ways.lease = KEY_AUDIT_SPACE; break;
    case VAULT_REFUSED: w.ways.open = KEY_REVOKED; break;
    case NO_VOLUME: w.ways.volume = 1 << 30; break;
    case NO_RATE: w.grant.key_requests = 0; break;
    default: break;
    }
    world_unlock();
    switch ((int) t) {
    case OLD_GEN: w.grant.gen++; world_push_grant(); break;
    case WINDOW:
    case DEADLINE:
    case NO_RATE: world_push_grant(); break;
    case REVOKED: world_end_grant(GRANT_REVOKED, 4411); break;
    case SUSPENDED: w.grant.state = GRANT_SUSPENDED; w.grant.end_code = 4423; world_push_grant(); break;
    case DENIED: world_deny(k->jti); break;
    default: break;
    }
    (void) usleep(20000); /* pushes have no answer */
}

static void flip(char *key, int part)
{
    char *at = key;

    for (int i = 0; i < part; i++)
        at = strchr(at, '.') + 1;
    at[5] = at[5] == 'A' ? 'B' : 'A';
}

static void make_headers(enum tweak t, const struct key_claims *k, char out[6000])
{
    char key[3000];

    (void) snprintf(key, sizeof(key), "%s", world_sign(k));
    switch ((int) t) {
    case NO_KEY:
    case QUERY_ONLY: out[0] = '\0'; return;
    case TWO_KEYS: (void) snprintf(out, 6000, "Authorization: Bearer %s\r\nAuthorization: Bearer %s\r\n", key, key); return;
    case DPOP: (void) snprintf(out, 6000, "Authorization: DPoP %s\r\n", key); return;
    case BASIC: (void) snprintf(out, 6000, "Authorization: Basic dTpw\r\n"); return;
    case NO_SPACE: (void) snprintf(out, 6000, "Authorization: Bearer\r\n"); return;
    case GARBAGE: strcpy(key, "not-a-key"); break;
    case FOUR_PARTS: strcat(key, ".AAAA"); break;
    case PADDED: strcat(key, "="); break;
    case TOO_LONG: memset(key, 'A', 2000); key[2000] = '\0'; break;
    case BIT_HEADER: flip(key, 0); break;
    case BIT_PAYLOAD: flip(key, 1); break;
    case BIT_SIGNATURE: flip(key, 2); break;
    case NONE_ALG: {
        static const char head[] = "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}";
        char json[100], b64[200];
        const char *rest = strchr(key, '.');
        char all[3000];

        (void) snprintf(json, sizeof(json), head, w.kid);
        (void) base64url_str((const uint8_t *) json, strlen(json), b64, sizeof(b64));
        (void) snprintf(all, sizeof(all), "%s%s", b64, rest);
        strcpy(key, all);
        break;
    }
    case FOREIGN_KEY: {
        struct secret *private_key = NULL;
        struct es256_signer *s = NULL;
        uint8_t pub[64];
        struct buf b = BUF_INIT(2000);

        assert_ok(es256_generate(&private_key, pub, NULL));
        assert_ok(es256_signer_new(private_key, pub, &s, NULL));
        assert_ok(key_sign(k, w.kid, s, &b, NULL)); /* our kid, somebody else's signature */
        (void) snprintf(key, sizeof(key), "%s", buf_cstr(&b));
        buf_deinit(&b);
        s = es256_signer_free(s);
        private_key = secret_free(private_key);
        break;
    }
    default: break;
    }
    (void) snprintf(out, 6000, "Authorization: Bearer %s\r\n", key);
}

static const struct {
    const char *name;
    enum tweak t;
    int status;
    const char *code;
    const char *challenge; /* in WWW-Authenticate; NULL: none */
    bool renew, named;     /* named: the audit record has the key's id */
    int stream_code;
    const char *left; /* what the problem says of a limit; NULL: nothing */
} cases[] = {
    { "no key", NO_KEY, 401, "key-missing", "realm=\"keyhole\"", false, false, 4401 },
    { "two Authorization headers", TWO_KEYS, 400, "invalid-request", NULL, false, false, 4400 },
    { "DPoP scheme with a bearer key", DPOP, 401, "key-binding", "key-binding", false, true, 4403 },
    { "another scheme", BASIC, 401, "key-missing", "realm=\"keyhole\"", false, false, 4401 },
    { "a scheme alone", NO_SPACE, 401, "key-malformed", "key-malformed", false, false, 4401 },
    { "key in the address too", QUERY, 400, "invalid-request", NULL, false, false, 4400 },
    { "key in the address only", QUERY_ONLY, 400, "invalid-request", NULL, false, false, 4400 },
    { "garbage", GARBAGE, 401, "key-malformed", "key-malformed", false, false, 4401 },
    { "four parts", FOUR_PARTS, 401, "key-malformed", "key-malformed", false, false, 4401 },
    { "padding", PADDED, 401, "key-malformed", "key-malformed", false, false, 4401 },
    { "too long", TOO_LONG, 401, "key-malformed", "key-malformed", false, false, 4401 },
    { "a bit of the header", BIT_HEADER, 401, "key-malformed", "key-malformed", false, false, 4401 },
    { "a bit of the payload", BIT_PAYLOAD, 401, "key-forged", "key-forged", false, false, 4401 },
    { "a bit of the signature", BIT_SIGNATURE, 401, "key-forged", "key-forged", false, false, 4401 },
    { "somebody else's signature", FOREIGN_KEY, 401, "key-forged", "key-forged", false, false, 4401 },
    { "alg none", NONE_ALG, 401, "key-forged", "key-forged", false, false, 4401 },
    { "not yet", NOT_YET, 401, "key-not-yet", "key-not-yet", false, true, 4401 },
    { "expired", EXPIRED, 401, "key-expired", "key-expired", true, true, 4401 },
    { "issuer", BAD_ISS, 401, "key-binding", "key-binding", false, true, 4403 },
    { "audience", BAD_AUD, 401, "key-binding", "key-binding", false, true, 4403 },
    { "environment", BAD_ENV, 401, "key-binding", "key-binding", false, true, 4403 },
    { "a bound key as bearer", CNF, 401, "key-binding", "key-binding", false, true, 4403 },
    { "another address", OTHER_PLACE, 401, "key-binding", "key-binding", false, true, 4403 },
    { "another recording", OTHER_RID, 403, "recording-mismatch", NULL, false, true, 4403 },
    { "export key for chunks", EXPORT_SCOPE, 403, "scope", "insufficient_scope", false, true, 4403 },
    { "old generation", OLD_GEN, 401, "key-revoked", "key-revoked", true, true, 4401 },
    { "denied", DENIED, 401, "key-revoked", "key-revoked", true, true, 4401 },
    { "grant revoked", REVOKED, 403, "grant-ended", NULL, false, true, 4410 },
    { "grant suspended", SUSPENDED, 403, "grant-suspended", NULL, false, true, 4423 },
    { "window over by the wall clock", WINDOW, 403, "grant-ended", NULL, false, true, 4410 },
    { "window over by the boot clock", DEADLINE, 403, "grant-ended", NULL, false, true, 4410 },
    { "unknown grant", UNKNOWN_GRANT, 403, "grant-ended", NULL, false, true, 4410 },
    { "the ledger does not know it", KEEPER_FORGED, 401, "key-forged", "key-forged", false, true, 4401 },
    { "clock of the keeper", KEEPER_BUSY, 503, "clock-untrusted", NULL, false, true, 4503 },
    { "lease refused", LEASE_REFUSED, 503, "audit-space", NULL, false, true, 4503 },
    { "vault says no", VAULT_REFUSED, 401, "key-revoked", "key-revoked", true, true, 4401 },
    { "volume used up", NO_VOLUME, 403, "quota", NULL, false, true, 4409,
      "\"left\":{\"name\":\"key_bytes\",\"limit\":1073741824,\"used\":1073741824}" },
    { "too many requests", NO_RATE, 429, "rate-limited", NULL, false, true, 4429,
      "\"left\":{\"name\":\"key_requests\",\"limit\":0,\"used\":0}" },
};

static void one_case(size_t i)
{
    struct key_claims k = tweaked(cases[i].t);
    char headers[6000], path[3000], want[20];
    struct client c;
    const char *challenge;
    size_t before;

    prepare(cases[i].t, &k);
    make_headers(cases[i].t, &k, headers);
    if (cases[i].t == QUERY || cases[i].t == QUERY_ONLY)
        (void) snprintf(path, sizeof(path), "chunks/0?access_token=%s", world_sign(&k));
    else
        (void) snprintf(path, sizeof(path), "chunks/0");
    world_lock();
    before = w.n_refusals;
    world_unlock();
    (void) before;
    ask(&c, path, headers);
    if (c.status != cases[i].status || strcmp(member(&c, "code"), cases[i].code) != 0)
        fail_msg("%s: wanted %d %s, got %d %s", cases[i].name, cases[i].status, cases[i].code, c.status, buf_cstr(&c.body));
    challenge = client_header(&c, "www-authenticate");
    if (cases[i].challenge == NULL ? challenge[0] != '\0' : strstr(challenge, cases[i].challenge) == NULL)
        fail_msg("%s: WWW-Authenticate is '%s'", cases[i].name, challenge);
    if (cases[i].t == NO_KEY && strstr(challenge, "error") != NULL)
        fail_msg("RFC 6750 3.1: no error without a credential");
    if (cases[i].renew != (member(&c, "renew")[0] != '\0'))
        fail_msg("%s: renew is '%s'", cases[i].name, member(&c, "renew"));
    (void) snprintf(want, sizeof(want), "%d", cases[i].stream_code);
    if (strcmp(member(&c, "stream_code"), want) != 0)
        fail_msg("%s: stream_code is '%s'", cases[i].name, member(&c, "stream_code"));
    if ((cases[i].status == 503 || cases[i].status == 429) != (client_header(&c, "retry-after")[0] != '\0'))
        fail_msg("%s: Retry-After is '%s'", cases[i].name, client_header(&c, "retry-after"));
    if (cases[i].left != NULL && memmem(c.body.p, c.body.n, cases[i].left, strlen(cases[i].left)) == NULL)
        fail_msg("%s: %s does not say %s", cases[i].name, buf_cstr(&c.body), cases[i].left);
    if (cases[i].left == NULL && memmem(c.body.p, c.body.n, "\"left\"", 6) != NULL)
        fail_msg("%s: a limit is named: %s", cases[i].name, buf_cstr(&c.body));
    assert_null(memmem(c.body.p, c.body.n, "hello", 5));
    assert_string_equal(client_header(&c, "cache-control"), "no-store");
    client_close(&c);
    audited(cases[i].code, 1);
    world_lock();
    if (cases[i].named && strcmp(w.refusals[w.n_refusals - 1].jti, k.jti) != 0)
        fail_msg("%s: the record names key '%s'", cases[i].name, w.refusals[w.n_refusals - 1].jti);
    if (!cases[i].named && w.refusals[w.n_refusals - 1].jti[0] != '\0')
        fail_msg("%s: the record names a key that is not authentic", cases[i].name);
    world_unlock();
    assert_true(w.n_open == 0 || cases[i].t == VAULT_REFUSED);
}

static void table(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) world_reset(state);
        one_case(i);
    }
}

static void passes_afterwards(void **state)
{
    struct key_claims k = world_claims(rid);
    struct client c;

    (void) state;
    /* what passes is asked again: the same key works when the trouble is over */
    world_lock();
    w.ways.key_first = KEY_CLOCK_UNTRUSTED;
    world_unlock();
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_code(&c, 503, "clock-untrusted");
    world_lock();
    w.ways.key_first = KEY_OK;
    w.ways.lease = KEY_AUDIT_UNAVAILABLE;
    world_unlock();
    for (int i = 0; i < 3; i++) {
        get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
        assert_code(&c, 503, "audit-unavailable");
    }
    world_lock();
    w.ways.lease = KEY_OK;
    world_unlock();
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_int_equal(c.status, 200);
    client_close(&c);
}

/* A client may be faster than the push: the keeper is asked once, its row counts; a refusal is not asked again. */
static void unknown_grant_is_asked_once(void **state)
{
    struct key_claims k = world_claims(rid);
    struct client c;
    unsigned asked;

    (void) state;
    strcpy(k.gid, "g_YYYYYYYYYYYYYYYY");
    world_lock();
    w.grant.gid = SPAN("g_YYYYYYYYYYYYYYYY");
    world_unlock();
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_int_equal(c.status, 200);
    client_close(&c);
    assert_int_equal(w.n_key_first, 1);
    (void) world_reset(state);
    k = world_claims(rid);
    strcpy(k.gid, "g_XXXXXXXXXXXXXXXX");
    world_lock();
    w.ways.key_first = KEY_GRANT_ENDED;
    w.ways.key_first_grant = false;
    world_unlock();
    client_open(&c, w.port); /* one connection: one loop. Signatures differ each time: a key is its jti */
    for (int i = 0; i < 3; i++) {
        char text[2000];

        (void) snprintf(text, sizeof(text), "GET /v1/replay/%s/chunks/0 HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\n\r\n",
                        rid, w.port, world_sign(&k));
        c.status = 0;
        c.whole = false;
        client_send(&c, text);
        client_answer(&c);
        assert_int_equal(c.status, 403);
        asked = w.n_key_first;
    }
    assert_int_equal(asked, 1);
    client_close(&c);
    /* a newer generation than the table's is asked too */
    (void) world_reset(state);
    k = world_claims(rid);
    k.gen++;
    world_lock();
    w.grant.gen++;
    world_unlock();
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_int_equal(c.status, 200);
    client_close(&c);
}

/* At most 20 questions a second and loop about grants that are not known. */
static void questions_are_limited(void **state)
{
    unsigned stale = 0;

    (void) state;
    world_lock();
    w.ways.key_first_grant = false;
    world_unlock();
    for (int i = 0; i < 70; i++) {
        struct key_claims k = world_claims(rid);
        struct client c;

        strcpy(k.gid, "g_WWWWWWWWWWWWWWWW");
        get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
        if (c.status == 503 && strcmp(member(&c, "code"), "authority-stale") == 0)
            stale++;
        client_close(&c);
    }
    assert_true(w.n_key_first <= 20 * WORLD_LANES * 2); /* the loop may run over a second's border */
    assert_true(stale > 0);
    (void) usleep(1100000); /* for the next test */
}

/* A key's volume is one, whatever loop its connections land on. */
static void volume_is_shared(void **state)
{
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    unsigned served = 0;

    (void) state;
    world_lock();
    w.grant.key_bytes = 20; /* the recording has 40 bytes of events */
    world_unlock();
    world_push_grant();
    (void) usleep(10000);
    for (int i = 0; i < 8; i++) {
        struct client c;

        get(&c, key, "/v1/replay/%s/chunks/0", rid);
        served += c.status == 200;
        if (c.status != 200)
            assert_string_equal(member(&c, "code"), "quota");
        client_close(&c);
    }
    assert_int_equal(served, 0);
    world_lock();
    w.grant.key_bytes = 60;
    world_unlock();
    world_push_grant();
    (void) usleep(10000);
    for (int i = 0; i < 8; i++) { /* the first loop leases 40; the second may not have 40 more */
        struct client c;

        get(&c, key, "/v1/replay/%s/chunks/0", rid);
        client_close(&c);
    }
    world_lock();
    for (size_t i = 0; i < w.n_leases; i++)
        served += w.leases[i].what == LEASE_CHUNK;
    world_unlock();
    assert_int_equal(served, 1);
}

static void no_authority(void **state)
{
    struct key_claims k = world_claims(rid);
    struct client c;

    (void) state;
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid); /* in use, everything cached */
    assert_int_equal(c.status, 200);
    client_close(&c);
    world_keeper_dies();
    (void) usleep(20000);
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_code(&c, 503, "authority-stale");
    get(&c, NULL, "/v1/replay/%s/chunks/0", rid); /* step 3 comes before step 11 */
    assert_code(&c, 401, "key-missing");
    world_keeper_comes();
    (void) usleep(20000);
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_int_equal(c.status, 200);
    client_close(&c);
    world_lock();
    w.ways.audit_bad = true;
    world_unlock();
    (void) usleep(300000); /* a heartbeat says so */
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_code(&c, 503, "audit-unavailable");
    world_lock();
    w.ways.audit_bad = false;
    world_unlock();
    (void) usleep(300000);
    world_vault_dies();
    (void) usleep(20000);
    k = world_claims(rid);
    get(&c, world_sign(&k), "/v1/replay/%s/chunks/0", rid);
    assert_code(&c, 503, "authority-stale");
}

/* What repeats within a second is one message with a count. */
static void a_flood_is_counted(void **state)
{
    struct client c;

    (void) state;
    for (int i = 0; i < 300; i++) {
        get(&c, "garbage", "/v1/replay/%s/chunks/0", rid);
        client_close(&c);
    }
    audited("key-malformed", 300);
    world_lock();
    assert_true(w.n_refusals < 20);
    world_unlock();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(table, world_reset),
        cmocka_unit_test_setup(passes_afterwards, world_reset),
        cmocka_unit_test_setup(unknown_grant_is_asked_once, world_reset),
        cmocka_unit_test_setup(questions_are_limited, world_reset),
        cmocka_unit_test_setup(volume_is_shared, world_reset),
        cmocka_unit_test_setup(no_authority, world_reset),
        cmocka_unit_test_setup(a_flood_is_counted, world_reset),
    };

    return cmocka_run_group_tests_name("gate refusals", tests, begin, world_end);
}
