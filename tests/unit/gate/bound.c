/*
 * Bound keys at the door (STANDARDS 1.4 steps 1, 2 and 12, 1.6, 1.7): the steal matrix against a real gate, what the keeper
 * hears, what the records say. tests/system/bound.py asks the same of a whole server.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/dpop.h"
#include "os/clock.h"

static const char *rid;

/* Two clients: the rightful one and the other. */
static struct {
    struct es256_signer *signer;
    uint8_t pub[ES256_PUB_LEN];
    char jkt[KEY_JKT_LEN + 1], nonce[DPOP_NONCE_LEN + 1];
} me, thief;

static void make_client(struct es256_signer **signer, uint8_t pub[ES256_PUB_LEN], char *jkt)
{
    struct secret *priv = NULL;

    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, signer, NULL));
    secret_free(priv);
    key_jkt(pub, jkt);
}

static int begin(void **state)
{
    static char id[ID_CAP];
    static const char cast[] = "{\"version\":2,\"width\":80,\"height\":24}\n[0.5,\"o\",\"hello\"]\n[9.5,\"o\",\"bye\"]\n";
    int r = world_begin(state);

    if (r != 0)
        return r;
    (void) snprintf(id, sizeof(id), "%s", import_bytes(span_str(cast)));
    rid = id;
    make_client(&me.signer, me.pub, me.jkt);
    make_client(&thief.signer, thief.pub, thief.jkt);
    return 0;
}

static int end(void **state)
{
    es256_signer_free(me.signer);
    es256_signer_free(thief.signer);
    return world_end(state);
}

/* ---- proofs ---- */

struct proof_of {
    const struct es256_signer *signer;
    const uint8_t *pub;
    const char *method, *origin, *path, *key, *nonce; /* origin NULL: this server's */
};

static const char *prove_with(const struct proof_of *p)
{
    static char out[8][DPOP_LEN_MAX + 1];
    static unsigned n;
    char *to = out[n++ % 8], url[700];
    struct dpop_make m = { .method = p->method, .url = url, .key = span_str(p->key), .nonce = span_str(p->nonce),
                           .iat = clock_wall_ms() / 1000 };
    struct buf b = BUF_INIT(DPOP_LEN_MAX);

    if (p->origin != NULL)
        (void) snprintf(url, sizeof(url), "%s%s", p->origin, p->path);
    else
        (void) snprintf(url, sizeof(url), "http://localhost:%d%s", w.port, p->path);
    random_fill(m.jti, sizeof(m.jti));
    assert_ok(dpop_write(&m, p->signer, p->pub, &b, NULL));
    memcpy(to, b.p, b.n);
    to[b.n] = '\0';
    buf_deinit(&b);
    return to;
}

static const char *prove(const char *method, const char *path, const char *key)
{
    return prove_with(&(struct proof_of){ me.signer, me.pub, method, NULL, path, key, me.nonce });
}

static const char *path_of(const char *what)
{
    static char out[4][200];
    static unsigned n;
    char *to = out[n++ % 4];

    (void) snprintf(to, 200, "/v1/replay/%s/%s", rid, what);
    return to;
}

static void ask(struct client *c, const char *method, const char *path, const char *scheme, const char *key,
                const char *proof)
{
    char headers[6000];
    int n = 0;

    if (key != NULL)
        n = snprintf(headers, sizeof(headers), "Authorization: %s %s\r\n", scheme, key);
    if (proof != NULL)
        n += snprintf(headers + n, sizeof(headers) - (size_t) n, "DPoP: %s\r\n", proof);
    headers[n] = '\0';
    request(c, method, path, headers, SPAN_EMPTY);
}

static const char *bound_key(const char *jkt, char jti[JTI_CAP])
{
    struct key_claims k = world_claims(rid);

    (void) snprintf(k.cnf_jkt, sizeof(k.cnf_jkt), "%s", jkt);
    k.exp = k.iat + 120;
    if (jti != NULL)
        memcpy(jti, k.jti, JTI_CAP);
    return world_sign(&k);
}

/* As assert_code, and the answer can still be read. */
static void is_refused(struct client *c, int status, const char *code)
{
    if (c->status != status || strcmp(member(c, "code"), code) != 0)
        fail_msg("wanted %d %s, got %d %s", status, code, c->status, buf_cstr(&c->body));
}

/* The first word of a client: refused with a nonce for the next. */
static void fetch_nonce(const char *key)
{
    struct client c;

    me.nonce[0] = '\0';
    ask(&c, "GET", path_of("chunks/0"), "DPoP", key, prove("GET", path_of("chunks/0"), key));
    is_refused(&c, 401, "key-binding");
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "DPoP "));
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "error=\"use_dpop_nonce\""));
    assert_int_equal(strlen(client_header(&c, "dpop-nonce")), DPOP_NONCE_LEN);
    (void) snprintf(me.nonce, sizeof(me.nonce), "%s", client_header(&c, "dpop-nonce"));
    client_close(&c);
}

/* route NULL: any */
static uint32_t refused_of(const char *code, const char *route)
{
    uint32_t n = 0;

    for (size_t i = 0; i < w.n_refusals; i++) {
        if (strcmp(w.refusals[i].code, code) == 0 && (route == NULL || strcmp(w.refusals[i].route, route) == 0))
            n += w.refusals[i].count;
    }
    return n;
}

static uint32_t refused(const char *code)
{
    return refused_of(code, NULL);
}

static bool logins_were_refused(void)
{
    return refused_of("key-binding", "login") >= 5;
}

static uint32_t wanted_refusals;

static bool were_refused(void)
{
    return refused("key-binding") >= wanted_refusals;
}

/* ---- the way it goes ---- */

static void rightful(void **state)
{
    static const char *const whats[] = { "manifest", "chunks/0", "events", "stream?speed=16" };
    char jti[JTI_CAP];
    const char *key = bound_key(me.jkt, jti), *proof = NULL;
    struct client c;
    uint8_t sha[SHA256_LEN];
    size_t found = 0;

    (void) state;
    fetch_nonce(key);
    for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
        proof = prove("GET", path_of(whats[i]), key);
        ask(&c, "GET", path_of(whats[i]), i == 1 ? "dpop" : "DPoP", key, proof);
        if (c.status != 200)
            fail_msg("%s: %d %s", whats[i], c.status, buf_cstr(&c.body));
        assert_string_equal(client_header(&c, "dpop-nonce"), ""); /* the one used is young */
        client_close(&c);
        if (i == 1) { /* the lease says which proof asked */
            sha256(span_str(proof), sha);
            world_lock();
            for (size_t k = 0; k < w.n_leases; k++)
                found += strcmp(w.leases[k].jti, jti) == 0 && memcmp(w.leases[k].proof, sha, sizeof(sha)) == 0;
            world_unlock();
            assert_true(found > 0);
        }
    }
    assert_true(w.n_key_first >= 1 && w.n_key_first <= WORLD_LANES);
    assert_string_equal(w.last_jkt, me.jkt);
    proof = prove("HEAD", path_of("chunks/0"), key);
    client_open(&c, w.port);
    client_sendf(&c, "HEAD %s HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: DPoP %s\r\nDPoP: %s\r\nConnection: close\r\n\r\n",
                 path_of("chunks/0"), w.port, key, proof);
    assert_true(client_head(&c, 5000));
    assert_int_equal(c.status, 200);
    client_close(&c);
}

/* ---- the steal matrix ---- */

enum theft { KEY_ALONE, AS_BEARER, BOTH_SCHEMES, REPLAYED, OTHER_PATH, OTHER_METHOD, OTHER_KEY, OWN_PROOF, OWN_PROOF_MY_JKT, NO_ATH,
             NO_NONCE, NONCE_OF_THIEF, NONCE_BROKEN, OTHER_ORIGIN, HTU_HTTPS, HTU_HOST, TWO_PROOFS, TWO_PROOFS_GOOD, PROOF_GARBAGE,
             PROOF_EMPTY, PROOF_LONG, QUERY, THEFTS };

static const struct {
    const char *name;
    int status;
    const char *code, *challenge;
    bool nonce; /* the answer brings one */
} thefts[THEFTS] = {
    [KEY_ALONE] = { "the key alone", 401, "key-binding", "invalid_dpop_proof", false },
    [AS_BEARER] = { "the key as a bearer's", 401, "key-binding", "invalid_token", false },
    [BOTH_SCHEMES] = { "the key under both schemes", 400, "invalid-request", NULL, false },
    [REPLAYED] = { "a proof that was used", 401, "key-binding", "invalid_dpop_proof", false },
    [OTHER_PATH] = { "a captured proof for another path", 401, "key-binding", "invalid_dpop_proof", false },
    [OTHER_METHOD] = { "a captured proof for another method", 401, "key-binding", "invalid_dpop_proof", false },
    [OTHER_KEY] = { "a captured proof with another key's ath", 401, "key-binding", "invalid_dpop_proof", false },
    [OWN_PROOF] = { "the thief's own proof", 401, "key-binding", "invalid_dpop_proof", false },
    [OWN_PROOF_MY_JKT] = { "the thief's signature under my jwk", 401, "key-binding", "invalid_dpop_proof", false },
    [NO_ATH] = { "a login's proof", 401, "key-binding", "invalid_dpop_proof", false },
    [NO_NONCE] = { "a proof without nonce", 401, "key-binding", "use_dpop_nonce", true },
    [NONCE_OF_THIEF] = { "a nonce made for another client key", 401, "key-binding", "use_dpop_nonce", true },
    [NONCE_BROKEN] = { "a nonce that was changed", 401, "key-binding", "use_dpop_nonce", true },
    [OTHER_ORIGIN] = { "a proof made for another server", 401, "key-binding", "invalid_dpop_proof", false },
    [HTU_HTTPS] = { "a proof for another scheme", 401, "key-binding", "invalid_dpop_proof", false },
    [HTU_HOST] = { "a proof for our address, not our name", 401, "key-binding", "invalid_dpop_proof", false },
    [TWO_PROOFS] = { "two proofs", 401, "key-binding", "invalid_dpop_proof", false },
    [TWO_PROOFS_GOOD] = { "the same good proof twice", 401, "key-binding", "invalid_dpop_proof", false },
    [PROOF_GARBAGE] = { "garbage for a proof", 401, "key-binding", "invalid_dpop_proof", false },
    [PROOF_EMPTY] = { "an empty proof", 401, "key-binding", "invalid_dpop_proof", false },
    [PROOF_LONG] = { "a proof of 1,537 bytes", 401, "key-binding", "invalid_dpop_proof", false },
    [QUERY] = { "the key in the address", 400, "invalid-request", NULL, false },
};

static void steal(enum theft t, const char *key, const char *used, struct client *c)
{
    static char long_proof[DPOP_LEN_MAX + 2], two[4000], swapped[DPOP_LEN_MAX + 1], changed[DPOP_NONCE_LEN + 1];
    const char *path = path_of("chunks/0"), *proof = NULL, *scheme = "DPoP";
    struct proof_of p = { me.signer, me.pub, "GET", NULL, path, key, me.nonce };

    switch (t) {
    case KEY_ALONE: break;
    case AS_BEARER: scheme = "Bearer"; proof = prove_with(&p); break;
    case BOTH_SCHEMES:
        (void) snprintf(two, sizeof(two), "Authorization: Bearer %s\r\nAuthorization: DPoP %s\r\nDPoP: %s\r\n", key, key,
                        prove_with(&p));
        request(c, "GET", path, two, SPAN_EMPTY);
        return;
    case REPLAYED: proof = used; break;
    case OTHER_PATH: p.path = path_of("manifest"); proof = prove_with(&p); break;
    case OTHER_METHOD: p.method = "POST"; proof = prove_with(&p); break;
    case OTHER_KEY: p.key = bound_key(me.jkt, NULL); proof = prove_with(&p); break;
    case OWN_PROOF: p.signer = thief.signer; p.pub = thief.pub; proof = prove_with(&p); break;
    case OWN_PROOF_MY_JKT: {
        const char *mine, *his;

        mine = prove_with(&p);
        p.signer = thief.signer;
        his = prove_with(&p);
        (void) snprintf(swapped, sizeof(swapped), "%.*s%s", (int) (strrchr(mine, '.') - mine), mine, strrchr(his, '.'));
        proof = swapped;
        break;
    }
    case NO_ATH: p.key = ""; proof = prove_with(&p); break;
    case NO_NONCE: p.nonce = ""; proof = prove_with(&p); break;
    case NONCE_OF_THIEF: p.nonce = thief.nonce; proof = prove_with(&p); break;
    case NONCE_BROKEN:
        strcpy(changed, me.nonce);
        changed[12] = changed[12] == 'A' ? 'B' : 'A';
        p.nonce = changed;
        proof = prove_with(&p);
        break;
    case OTHER_ORIGIN: p.origin = "https://elsewhere.example.com"; proof = prove_with(&p); break;
    case HTU_HTTPS: p.origin = "https://localhost"; proof = prove_with(&p); break;
    case HTU_HOST: p.origin = "http://127.0.0.1"; proof = prove_with(&p); break;
    case TWO_PROOFS: {
        const char *first = prove_with(&p);

        (void) snprintf(two, sizeof(two), "Authorization: DPoP %s\r\nDPoP: %s\r\nDPoP: %s\r\n", key, first, prove_with(&p));
        request(c, "GET", path, two, SPAN_EMPTY);
        return;
    }
    case TWO_PROOFS_GOOD:
        proof = prove_with(&p);
        (void) snprintf(two, sizeof(two), "Authorization: DPoP %s\r\nDPoP: %s\r\nDPoP: %s\r\n", key, proof, proof);
        request(c, "GET", path, two, SPAN_EMPTY);
        return;
    case PROOF_GARBAGE: proof = "not.a.proof"; break;
    case PROOF_EMPTY: proof = ""; break;
    case PROOF_LONG:
        memset(long_proof, 'A', sizeof(long_proof) - 1);
        proof = long_proof;
        break;
    case QUERY:
        (void) snprintf(two, sizeof(two), "%s?access_token=%s", path, key);
        ask(c, "GET", two, scheme, key, prove_with(&p));
        return;
    case THEFTS: break;
    }
    ask(c, "GET", path, scheme, key, proof);
}

static void matrix(void **state)
{
    char jti[JTI_CAP];
    const char *key, *used;
    struct client c;

    for (size_t i = 0; i < THEFTS; i++) {
        bool binding = strcmp(thefts[i].code, "key-binding") == 0;

        (void) world_reset(state);
        key = bound_key(me.jkt, jti);
        if (me.nonce[0] == '\0')
            fetch_nonce(key);
        used = prove("GET", path_of("chunks/0"), key);
        ask(&c, "GET", path_of("chunks/0"), "DPoP", key, used);
        assert_int_equal(c.status, 200);
        client_close(&c);
        world_lock();
        wanted_refusals = refused("key-binding") + 1;
        world_unlock();
        steal((enum theft) i, key, used, &c);
        if (c.status != thefts[i].status || strcmp(member(&c, "code"), thefts[i].code) != 0)
            fail_msg("%s: got %d %s", thefts[i].name, c.status, buf_cstr(&c.body));
        if (thefts[i].challenge != NULL && strstr(client_header(&c, "www-authenticate"), thefts[i].challenge) == NULL)
            fail_msg("%s: challenge is %s", thefts[i].name, client_header(&c, "www-authenticate"));
        if (thefts[i].nonce != (client_header(&c, "dpop-nonce")[0] != '\0'))
            fail_msg("%s: nonce is %s", thefts[i].name, client_header(&c, "dpop-nonce"));
        assert_string_equal(member(&c, "renew"), ""); /* a fresh key would not help */
        assert_true(!binding || strcmp(member(&c, "stream_code"), "4403") == 0);
        assert_null(memmem(c.body.p, c.body.n, "hello", 5));
        client_close(&c);
        if (binding) {
            world_wait(were_refused, 2500);
            world_lock();
            assert_string_equal(w.refusals[w.n_refusals - 1].jti, jti);
            world_unlock();
        }
        /* the rightful client goes on */
        ask(&c, "GET", path_of("chunks/0"), "DPoP", key, prove("GET", path_of("chunks/0"), key));
        if (c.status != 200)
            fail_msg("after %s: %d %s", thefts[i].name, c.status, buf_cstr(&c.body));
        client_close(&c);
    }
}

/* The same proof cannot be used up by one who sends another with its jti. */
static void jti_is_the_clients(void **state)
{
    const char *key = bound_key(me.jkt, NULL), *his = bound_key(thief.jkt, NULL), *proof;
    struct client c;
    char nonce[DPOP_NONCE_LEN + 1];

    (void) state;
    fetch_nonce(key);
    proof = prove_with(&(struct proof_of){ thief.signer, thief.pub, "GET", NULL, path_of("chunks/0"), his, "" });
    ask(&c, "GET", path_of("chunks/0"), "DPoP", his, proof);
    is_refused(&c, 401, "key-binding");
    (void) snprintf(nonce, sizeof(nonce), "%s", client_header(&c, "dpop-nonce"));
    client_close(&c);
    proof = prove_with(&(struct proof_of){ thief.signer, thief.pub, "GET", NULL, path_of("chunks/0"), his, nonce });
    ask(&c, "GET", path_of("chunks/0"), "DPoP", his, proof); /* each client has its own nonce and goes its own way */
    assert_int_equal(c.status, 200);
    client_close(&c);
    (void) snprintf(thief.nonce, sizeof(thief.nonce), "%s", nonce);
}

/* At another place a bound key costs one renewal; the proof is asked for first, so only the rightful client hears that. */
static void moved(void **state)
{
    struct key_claims k = world_claims(rid);
    const char *key;
    struct client c;

    (void) state;
    memcpy(k.cnf_jkt, me.jkt, sizeof(k.cnf_jkt));
    memset(k.ctx, 'A', KEY_CTX_LEN);
    key = world_sign(&k);
    ask(&c, "GET", path_of("chunks/0"), "DPoP", key, NULL);
    is_refused(&c, 401, "key-binding");
    assert_string_equal(member(&c, "renew"), "");
    client_close(&c);
    fetch_nonce(key);
    ask(&c, "GET", path_of("chunks/0"), "DPoP", key, prove("GET", path_of("chunks/0"), key));
    is_refused(&c, 401, "key-binding");
    assert_non_null(strstr(member(&c, "renew"), "/v1/grants/"));
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "invalid_token"));
    client_close(&c);
    world_lock();
    w.grant.state = GRANT_SUSPENDED;
    w.grant.end_code = 4423;
    world_unlock();
    world_push_grant();
}

/* ---- login and issue ---- */

static void post(struct client *c, const char *path, const char *proofs, const char *more)
{
    char headers[6000];

    (void) snprintf(headers, sizeof(headers), "Content-Type: application/json\r\n%s%s", proofs, more);
    request(c, "POST", path, headers, SPAN("{\"user\":\"u\",\"password\":\"p\"}"));
}

static const char *line(const char *proof)
{
    static char out[4][DPOP_LEN_MAX + 20];
    static unsigned n;
    char *to = out[n++ % 4];

    (void) snprintf(to, sizeof(out[0]), "DPoP: %s\r\n", proof);
    return to;
}

static void login(void **state)
{
    static const char keys[] = "/v1/grants/" GRANT "/keys";
    struct client c;
    const char *used;

    (void) state;
    /* without a proof: as ever */
    post(&c, "/v1/login", "", "");
    assert_int_equal(c.status, 200);
    assert_string_equal(client_header(&c, "dpop-nonce"), "");
    assert_string_equal(w.controls[0].jkt, "");
    client_close(&c);
    /* the nonce round trip happens before the keeper hears of it */
    me.nonce[0] = '\0';
    post(&c, "/v1/login", line(prove("POST", "/v1/login", "")), "");
    is_refused(&c, 401, "key-binding");
    assert_non_null(strstr(client_header(&c, "www-authenticate"), "use_dpop_nonce"));
    (void) snprintf(me.nonce, sizeof(me.nonce), "%s", client_header(&c, "dpop-nonce"));
    assert_int_equal(strlen(me.nonce), DPOP_NONCE_LEN);
    client_close(&c);
    assert_int_equal(w.n_controls, 1);
    used = prove("POST", "/v1/login", "");
    post(&c, "/v1/login", line(used), "Keyhole-Act: 1793000000.AAAA\r\n");
    assert_int_equal(c.status, 200);
    assert_int_equal(strlen(client_header(&c, "dpop-nonce")), DPOP_NONCE_LEN); /* every login brings one */
    client_close(&c);
    assert_int_equal(w.n_controls, 2);
    assert_string_equal(w.controls[1].jkt, me.jkt);
    assert_memory_equal(w.controls[1].pub, me.pub, sizeof(me.pub));
    assert_int_equal(w.controls[1].addr_n, 4);
    assert_memory_equal(w.controls[1].addr, "\x7f\0\0\1", 4);
    assert_string_equal(w.controls[1].act, "1793000000.AAAA");
    /* used, for another address, with an ath, two, broken: none of them gets to the keeper */
    post(&c, "/v1/login", line(used), "");
    is_refused(&c, 401, "key-binding");
    client_close(&c);
    post(&c, "/v1/login", line(prove("POST", keys, "")), "");
    is_refused(&c, 401, "key-binding");
    assert_non_null(strstr(member(&c, "detail"), "public_url"));
    assert_non_null(strstr(member(&c, "public_url"), "http://localhost:"));
    client_close(&c);
    post(&c, "/v1/login", line(prove("POST", "/v1/login", "some key")), "");
    is_refused(&c, 401, "key-binding");
    client_close(&c);
    post(&c, "/v1/login", line(prove("POST", "/v1/login", "")), line(prove("POST", "/v1/login", "")));
    is_refused(&c, 401, "key-binding");
    client_close(&c);
    post(&c, "/v1/login", line("AAAA.AAAA.AAAA"), "");
    is_refused(&c, 401, "key-binding");
    client_close(&c);
    assert_int_equal(w.n_controls, 2);
    world_wait(logins_were_refused, 2500); /* each is recorded; the first word without nonce is not */
    assert_int_equal(refused_of("key-binding", "login"), 5);
    /* issue: the same, with a credential */
    post(&c, keys, line(prove("POST", keys, "")), "Authorization: Bearer abc\r\n");
    assert_int_equal(c.status, 200);
    client_close(&c);
    assert_int_equal(w.n_controls, 3);
    assert_string_equal(w.controls[2].jkt, me.jkt);
    post(&c, keys, line("AAAA.AAAA.AAAA"), "Authorization: Bearer abc\r\n");
    is_refused(&c, 401, "key-binding");
    client_close(&c);
    /* on other routes of the control plane a proof is nobody's business */
    request(&c, "GET", "/v1/me", "Authorization: Bearer abc\r\nDPoP: garbage\r\n", SPAN_EMPTY);
    assert_int_equal(c.status, 200);
    client_close(&c);
    assert_string_equal(w.controls[3].jkt, "");
    assert_int_equal(w.n_controls, 4);
}

/* 400 proofs a second on a connection; the next second goes on, other connections do too. */
static void proofs_are_limited(void **state)
{
    const char *key = bound_key(me.jkt, NULL), *path = path_of("chunks/0");
    struct client c;
    unsigned limited = 0;
    char text[3000];
    int64_t began;

    (void) state;
    client_open(&c, w.port);
    (void) snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: DPoP %s\r\nDPoP: AAAA.AAAA.AAAA\r\n\r\n", path,
                    w.port, key);
    began = clock_boot_ms();
    for (int sent = 0; sent < 4000 && limited == 0; sent++) {
        c.status = 0; /* the next one */
        c.whole = false;
        client_send(&c, text);
        client_answer(&c);
        if (c.status == 429) {
            assert_true(++limited > 0 && sent >= 400);
            assert_string_equal(member(&c, "code"), "rate-limited");
            assert_in_range(atoi(client_header(&c, "retry-after")), 1, 4); /* spread */
        }
    }
    assert_true(limited > 0 || clock_boot_ms() - began > 8000); /* a machine that cannot send them that fast needs no limit */
    client_close(&c);
    ask(&c, "GET", path, "DPoP", key, "AAAA.AAAA.AAAA");
    is_refused(&c, 401, "key-binding");
    client_close(&c);
}

static void acts_are_bounded(void **state)
{
    char headers[700], act[202];
    struct client c;

    (void) state;
    memset(act, 'a', sizeof(act));
    for (int n = 200; n <= 201; n++) {
        (void) snprintf(headers, sizeof(headers), "Authorization: Bearer abc\r\nKeyhole-Act: %.*s\r\n", n, act);
        request(&c, "GET", "/v1/me", headers, SPAN_EMPTY);
        assert_int_equal(c.status, n == 200 ? 200 : 400);
        client_close(&c);
    }
    request(&c, "GET", "/v1/me", "Authorization: Bearer abc\r\nKeyhole-Act: a\r\nKeyhole-Act: a\r\n", SPAN_EMPTY);
    is_refused(&c, 400, "bad-request");
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rightful, world_reset),         cmocka_unit_test_setup(jti_is_the_clients, world_reset),
        cmocka_unit_test_setup(matrix, world_reset),           cmocka_unit_test_setup(moved, world_reset),
        cmocka_unit_test_setup(proofs_are_limited, world_reset),
        cmocka_unit_test_setup(login, world_reset),            cmocka_unit_test_setup(acts_are_bounded, world_reset),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
