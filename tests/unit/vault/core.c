/* What the vault signs and releases, and what it refuses, at every border; with a key store on disk. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "format/note.h"
#include "format/wrap.h"
#include "vault/checkpoint.h"

#define GID "g_AAAAAAAAAAAAAAAA"
#define RID "r_AAAAAAAAAAAAAAAA"
#define PID "p_AAAAAAAAAAAAAAAA"
#define SUB "u_AAAAAAAAAAAAAAAA"
#define JTI "AAAAAAAAAAAAAAAAAAAAAA"
#define T0  1793000000LL /* seconds */
#define HOUR (3600 * 1000LL)

static char dir[64];
static struct vault_core core;
static const uint8_t secret[16] = "0123456789abcde";

static enum err open_at(time_ms now)
{
    const struct vault_core_config config = { dir, SPAN("https://rec.example.com"), SPAN("https://rec.example.com/v1/replay"),
                                              120, 60, HOUR };
    struct err_info e;

    return vault_core_open(&config, secret, now, &core, &e);
}

static int begin(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/keyhole-vault-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    assert_ok(vault_store_create(dir, NULL));
    assert_ok(open_at(T0 * 1000));
    return 0;
}

static int end(void **state)
{
    char command[100];

    (void) state;
    vault_core_close(&core);
    (void) snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct ipc_row_grant row(void)
{
    static const uint8_t policy[32];

    return (struct ipc_row_grant){ .gid = SPAN(GID), .pid = SPAN(PID), .sub = SPAN(SUB), .state = GRANT_ACTIVE, .gen = 3,
                                   .wend_ms = (T0 + 600) * 1000, .deadline_ms = 600000, .policy = span_of(policy, 32) };
}

static void push(struct ipc_row_grant r)
{
    struct ipc_grants m = { .seq = 1 };

    m.rows.rows = &r;
    m.rows.n = 1;
    vault_core_grants(&core, &m);
}

static struct ipc_sign_key key(void)
{
    return (struct ipc_sign_key){ .jti = SPAN(JTI), .sub = SPAN(SUB), .client_id = SPAN("api"), .scope = SPAN("play"),
                                  .pid = SPAN(PID), .env = SPAN("prod"), .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID),
                                  .iat_s = T0, .exp_s = T0 + 60, .wend_s = T0 + 600, .prefix = SPAN("\x04\x7f\0\0"),
                                  .log = SPAN(PID), .leaf_idx = 1 };
}

static enum vault_sign sign_at(const struct ipc_sign_key *m, time_ms wall, int64_t boot)
{
    struct buf b = BUF_INIT(2000);
    const char *kid = NULL;
    enum vault_sign v = vault_core_sign(&core, m, wall, boot, &b, &kid);

    assert_int_equal(v == VAULT_SIGNED, b.n > 0); /* a refusal leaves nothing */
    buf_deinit(&b);
    return v;
}

static void signs_what_the_table_says(void **state)
{
    struct ipc_sign_key m = key();
    struct ipc_row_signing_key rows[KEY_RING_CAP];
    struct ipc_keys keys;
    struct buf b = BUF_INIT(2000);
    struct key_ring ring = { 0 };
    struct secret *none = NULL;
    const char *env = "prod", *kid;
    const struct key_audience want = { "https://rec.example.com", "https://rec.example.com/v1/replay", &env, 1 };
    struct key_claims c;
    uint8_t pub[64];

    (void) state;
    push(row());
    assert_int_equal(vault_core_sign(&core, &m, T0 * 1000, 0, &b, &kid), VAULT_SIGNED);
    vault_core_keys(&core, true, rows, &keys);
    assert_int_equal(keys.signing.n, 1);
    assert_int_equal(rows[0].k_ctx.n, 32);
    memcpy(pub, rows[0].x.p, 32);
    memcpy(pub + 32, rows[0].y.p, 32);
    assert_ok(key_ring_add(&ring, pub, &none, NULL));
    assert_int_equal(key_check(buf_span(&b), &ring, &want, T0 * 1000, &c, NULL, NULL), KEY_OK);
    assert_string_equal(c.gid, GID);
    assert_int_equal(c.gen, 3);
    assert_string_equal(c.rid, RID);
    assert_int_equal(c.wend, T0 + 600);
    vault_core_keys(&core, false, rows, &keys);
    assert_int_equal(rows[0].k_ctx.n, 0); /* the keeper never gets it */
    key_ring_deinit(&ring);
    buf_deinit(&b);
}

static void refuses_the_rest(void **state)
{
    static const struct {
        const char *name;
        enum vault_sign want;
    } cases[] = {
        { "as it should be", VAULT_SIGNED },
        { "another generation", VAULT_NOT_LIVE },   { "another holder", VAULT_NOT_LIVE },
        { "another project", VAULT_NOT_LIVE },      { "another grant", VAULT_NOT_LIVE },
        { "a later window", VAULT_NOT_LIVE },       { "exp past the window", VAULT_BAD_TIMES },
        { "a bearer life of 61 s", VAULT_BAD_TIMES }, { "a bound life of 120 s", VAULT_SIGNED },
        { "a bound life of 121 s", VAULT_BAD_TIMES }, { "no life", VAULT_BAD_TIMES },
        { "iat ahead", VAULT_BAD_TIMES },           { "iat long ago", VAULT_BAD_TIMES },
        { "an unknown scope", VAULT_BAD_CLAIMS },   { "a bad client", VAULT_BAD_CLAIMS },
        { "a short jti", VAULT_BAD_CLAIMS },        { "an env to escape", VAULT_BAD_CLAIMS },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipc_sign_key m = key();
        enum vault_sign got;

        (void) end(state);
        (void) begin(state);
        push(row());
        switch (i) {
        case 1: m.gen = 2; break;
        case 2: m.sub = SPAN("u_BBBBBBBBBBBBBBBB"); break;
        case 3: m.pid = SPAN("p_BBBBBBBBBBBBBBBB"); break;
        case 4: m.gid = SPAN("g_BBBBBBBBBBBBBBBB"); break;
        case 5: m.wend_s = T0 + 601; break;
        case 6: m.wend_s = T0 + 59; break;
        case 7: m.exp_s = T0 + 61; break;
        case 8: m.exp_s = T0 + 120; m.cnf_jkt = SPAN("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"); break;
        case 9: m.exp_s = T0 + 121; m.cnf_jkt = SPAN("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"); break;
        case 10: m.exp_s = T0; break;
        case 11: m.iat_s = T0 + 6; m.exp_s = T0 + 30; break;
        case 12: m.iat_s = T0 - 11; m.exp_s = T0 + 30; break;
        case 13: m.scope = SPAN("play fly"); break;
        case 14: m.client_id = SPAN("watch"); break;
        case 15: m.jti = SPAN("AAAA"); break;
        case 16: m.env = SPAN("a\"b"); break;
        default: break;
        }
        got = sign_at(&m, T0 * 1000, 0);
        if (got != cases[i].want)
            fail_msg("%s: %s", cases[i].name, vault_sign_word(got));
    }
}

static void the_grant_decides_at_that_moment(void **state)
{
    struct ipc_sign_key m = key();
    struct ipc_row_grant r = row();

    (void) state;
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_NOT_LIVE); /* not told of it */
    push(r);
    assert_int_equal(sign_at(&m, T0 * 1000, 600000), VAULT_NOT_LIVE); /* boot clock at the end */
    m.iat_s = T0 + 600;
    m.exp_s = T0 + 600;
    assert_int_equal(sign_at(&m, (T0 + 600) * 1000, 0), VAULT_NOT_LIVE); /* wall clock at the end */
    m = key();
    r.state = GRANT_SUSPENDED;
    push(r);
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_NOT_LIVE);
    r.state = GRANT_ACTIVE;
    r.gen = m.gen = 4;
    push(r);
    assert_int_equal(sign_at(&m, T0 * 1000, 599999), VAULT_SIGNED);
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_FAILED); /* a jti is signed once */
    r.state = GRANT_REVOKED;
    r.gen = 5;
    push(r);
    r.state = GRANT_ACTIVE; /* an end absorbs */
    r.gen = m.gen = 6;
    push(r);
    m.jti = SPAN("BBBBBBBBBBBBBBBBBBBBBA");
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_NOT_LIVE);
}

static void time_is_monotone_and_signing_has_a_rate(void **state)
{
    struct ipc_sign_key m = key();
    struct ipc_row_grant r = row();
    char jti[JTI_CAP];
    unsigned signed_ = 0;

    (void) state;
    push(r);
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_SIGNED);
    m.jti = SPAN("BBBBBBBBBBBBBBBBBBBBBA");
    m.iat_s = T0 - 6; /* the clock went back */
    m.exp_s = T0 + 30;
    assert_int_equal(sign_at(&m, (T0 - 6) * 1000, 0), VAULT_BAD_TIMES);
    m = key();
    for (unsigned i = 0; i < VAULT_SIGN_RATE + 50; i++) {
        (void) snprintf(jti, sizeof(jti), "C%020uA", i);
        m.jti = span_str(jti);
        m.leaf_idx = i + 2;
        if (sign_at(&m, T0 * 1000 + 100, 0) == VAULT_SIGNED)
            signed_++;
    }
    assert_int_equal(signed_, VAULT_SIGN_RATE - 1); /* one was signed in that second before */
}

static void make_wrap_of(enum wrap_kind kind, struct buf *b, const char *rid, uint32_t epoch)
{
    struct ipc_row_signing_key rows[KEY_RING_CAP];
    struct ipc_keys keys;
    struct secret *rk = secret_random(32);
    const struct wrap_name name = { kind, span_str(rid), SPAN(PID), epoch };

    vault_core_keys(&core, false, rows, &keys);
    assert_ok(wrap_seal(&name, rk, keys.epoch_pk.p, b, NULL));
    rk = secret_free(rk);
}

static void make_wrap(struct buf *b, const char *rid, uint32_t epoch)
{
    make_wrap_of(WRAP_RK, b, rid, epoch);
}

static enum key_verdict open_rk(const struct ipc_open *m, time_ms wall, bool *alarm)
{
    struct secret *rk = NULL;
    bool a;
    enum key_verdict v = vault_core_open_rk(&core, m, wall, 0, &rk, &a);

    assert_int_equal(v == KEY_OK, rk != NULL);
    rk = secret_free(rk);
    if (alarm != NULL)
        *alarm = a;
    return v;
}

static void releases_only_what_it_signed(void **state)
{
    struct ipc_sign_key s = key();
    struct buf wrap = BUF_INIT(WRAP_MAX), moved = BUF_INIT(WRAP_MAX);
    struct ipc_open good = { .jti = SPAN(JTI), .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID), .epoch = 1 }, m;
    struct ipc_deny deny = { .seq = 1 };
    struct ipc_row_deny row_ = { SPAN(JTI), (T0 + 60) * 1000, 4411 };
    bool alarm;

    (void) state;
    push(row());
    make_wrap(&wrap, RID, 1);
    make_wrap(&moved, "r_BBBBBBBBBBBBBBBB", 1);
    good.wrap = buf_span(&wrap);
    assert_int_equal(open_rk(&good, T0 * 1000, NULL), KEY_REVOKED); /* not signed (by this vault, since its start) */
    assert_int_equal(sign_at(&s, T0 * 1000, 0), VAULT_SIGNED);
    assert_int_equal(open_rk(&good, T0 * 1000, &alarm), KEY_OK);
    assert_false(alarm);
    m = good, m.gid = SPAN("g_BBBBBBBBBBBBBBBB");
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_REVOKED);
    m = good, m.gen = 4;
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_REVOKED);
    m = good, m.rid = SPAN("r_BBBBBBBBBBBBBBBB");
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_RECORDING_MISMATCH);
    m = good, m.pid = SPAN("p_BBBBBBBBBBBBBBBB");
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_RECORDING_MISMATCH);
    m = good, m.track = 1;
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_SCOPE);
    m = good, m.wrap = buf_span(&moved); /* somebody moved a wrap */
    assert_int_not_equal(open_rk(&m, T0 * 1000, &alarm), KEY_OK);
    assert_true(alarm);
    wrap.p[60] ^= 1;
    assert_int_not_equal(open_rk(&good, T0 * 1000, &alarm), KEY_OK);
    assert_true(alarm);
    wrap.p[60] ^= 1;
    m = good, m.epoch = 2;
    assert_int_not_equal(open_rk(&m, T0 * 1000, NULL), KEY_OK);
    assert_int_equal(open_rk(&good, (T0 + 60) * 1000 - 1, NULL), KEY_OK);
    assert_int_equal(open_rk(&good, (T0 + 60) * 1000, NULL), KEY_EXPIRED);
    deny.rows.rows = &row_;
    deny.rows.n = 1;
    vault_core_deny(&core, &deny);
    assert_int_equal(open_rk(&good, T0 * 1000, NULL), KEY_REVOKED);
    assert_int_not_equal(sign_at(&s, T0 * 1000, 0), VAULT_SIGNED); /* nor is that jti signed anew */
    vault_core_close(&core);
    assert_ok(open_at(T0 * 1000)); /* a restart forgets what was signed */
    push(row());
    assert_int_equal(open_rk(&good, T0 * 1000, NULL), KEY_REVOKED);
    buf_deinit(&wrap);
    buf_deinit(&moved);
}

/* What masks took out opens for a key that says unmask, by the wrap of its own kind, and by nothing else. */
static void the_reveal_key_needs_unmask(void **state)
{
    struct ipc_sign_key plain = key(), unmasks = key();
    struct buf rk = BUF_INIT(WRAP_MAX), reveal = BUF_INIT(WRAP_MAX);
    struct ipc_open m = { .jti = SPAN(JTI), .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID), .epoch = 1, .track = 1, .leaf_idx = 100 };
    bool alarm;

    (void) state;
    push(row());
    make_wrap(&rk, RID, 1);
    make_wrap_of(WRAP_REVEAL, &reveal, RID, 1);
    plain.scope = SPAN("play live");
    assert_int_equal(sign_at(&plain, T0 * 1000, 0), VAULT_SIGNED);
    m.wrap = buf_span(&reveal);
    m.leaf_idx++;
    assert_int_equal(open_rk(&m, T0 * 1000, &alarm), KEY_SCOPE);
    assert_false(alarm);
    m.track = 0; /* as if it were the other one */
    m.leaf_idx++;
    assert_int_equal(open_rk(&m, T0 * 1000, &alarm), KEY_FORGED);
    assert_true(alarm);
    unmasks.jti = SPAN("CCCCCCCCCCCCCCCCCCCCCA");
    unmasks.scope = SPAN("play unmask");
    unmasks.leaf_idx++;
    assert_int_equal(sign_at(&unmasks, T0 * 1000, 0), VAULT_SIGNED);
    m.jti = unmasks.jti;
    m.track = 1;
    m.leaf_idx++;
    assert_int_equal(open_rk(&m, T0 * 1000, &alarm), KEY_OK);
    m.wrap = buf_span(&rk);
    m.leaf_idx++;
    assert_int_equal(open_rk(&m, T0 * 1000, &alarm), KEY_FORGED);
    assert_true(alarm);
    m.track = 2;
    m.leaf_idx++;
    assert_int_equal(open_rk(&m, T0 * 1000, &alarm), KEY_SCOPE);
    buf_deinit(&rk);
    buf_deinit(&reveal);
}

static void an_ended_grant_releases_nothing(void **state)
{
    struct ipc_sign_key s = key();
    struct buf wrap = BUF_INIT(WRAP_MAX);
    struct ipc_open m = { .jti = SPAN(JTI), .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID), .epoch = 1 };
    struct ipc_row_grant r = row();

    (void) state;
    push(r);
    make_wrap(&wrap, RID, 1);
    m.wrap = buf_span(&wrap);
    assert_int_equal(sign_at(&s, T0 * 1000, 0), VAULT_SIGNED);
    r.state = GRANT_SUSPENDED;
    push(r);
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_GRANT_SUSPENDED);
    r.state = GRANT_ACTIVE;
    r.gen = 4;
    push(r);
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_REVOKED); /* of an old generation */
    r.state = GRANT_REVOKED;
    r.gen = 5;
    push(r);
    assert_int_equal(open_rk(&m, T0 * 1000, NULL), KEY_GRANT_ENDED);
    buf_deinit(&wrap);
}

/* ---- checkpoints ---- */

static struct merkle_hash leaves[64];

static void make_leaves(void)
{
    for (uint8_t i = 0; i < 64; i++)
        leaves[i] = merkle_leaf(span_of(&i, 1));
}

static struct merkle_hash root_of(size_t n)
{
    struct merkle_frontier f;

    merkle_frontier_init(&f);
    for (size_t i = 0; i < n; i++)
        assert_ok(merkle_append(&f, &leaves[i], NULL, NULL, NULL));
    return merkle_root(&f);
}

/* RFC 6962 2.1.2, over all the leaves: written here, not taken from the code under test. */
static struct merkle_hash node(const struct merkle_hash *l, const struct merkle_hash *r)
{
    uint8_t in[65];
    struct merkle_hash h;

    in[0] = 1;
    memcpy(in + 1, l->b, 32);
    memcpy(in + 33, r->b, 32);
    sha256(SPAN_OF(in), h.b);
    return h;
}

static size_t half(size_t n)
{
    size_t k = 1;

    while (k * 2 < n)
        k *= 2;
    return k;
}

static struct merkle_hash tree(size_t from, size_t n)
{
    struct merkle_hash l, r;

    if (n == 1)
        return leaves[from];
    l = tree(from, half(n));
    r = tree(from + half(n), n - half(n));
    return node(&l, &r);
}

static enum checkpoint_verdict checkpoint(const char *log, const char *origin, size_t old, size_t size,
                                          struct merkle_hash root, bool spoil, struct buf *note)
{
    struct merkle_hash parts[8];
    struct ipc_row_hash part_rows[8], leaf_rows[64];
    struct ipc_sign_checkpoint m = { .log = span_str(log), .origin = span_str(origin), .size = size,
                                     .root = SPAN_OF(root.b), .old_size = old };
    struct checkpoint *p = NULL;
    enum checkpoint_verdict v;
    struct list staged;
    struct err_info e;

    m.frontier.rows = part_rows;
    m.leaves.rows = leaf_rows;
    for (size_t at = 0, part = 64; part > 0; part /= 2) { /* from the left, the largest first */
        if ((old & part) == 0)
            continue;
        parts[m.frontier.n] = tree(at, part);
        part_rows[m.frontier.n] = (struct ipc_row_hash){ SPAN_OF(parts[m.frontier.n].b) };
        m.frontier.n++;
        at += part;
    }
    if (spoil)
        parts[0].b[5] ^= 1;
    for (size_t i = old; i < size; i++)
        leaf_rows[m.leaves.n++].hash = SPAN_OF(leaves[i].b);
    buf_reset(note);
    list_init(&staged);
    v = checkpoint_stage(&core, &m, &p, &e);
    assert_int_equal(v == CHECKPOINT_GOOD, p != NULL);
    if (v != CHECKPOINT_GOOD)
        return v;
    list_append(&staged, &p->node);
    if (checkpoint_save(&core, &staged, 0, &e) != ERR_OK || checkpoint_note(&core, p, note, &e) != ERR_OK)
        v = CHECKPOINT_BAD;
    (void) checkpoint_free(p);
    return v;
}

#define ORIGIN "rec.example.com/v1/audit/" PID

static void a_log_only_grows(void **state)
{
    struct buf note = BUF_INIT(8192);
    struct merkle_hash other = root_of(7);
    struct note_checkpoint cp;
    struct note_vkey vkey;
    struct span text;
    struct ipc_row_signing_key rows[KEY_RING_CAP];
    struct ipc_keys keys;

    (void) state;
    make_leaves();
    assert_int_equal(checkpoint(PID, ORIGIN, 0, 5, root_of(5), false, &note), CHECKPOINT_GOOD);
    vault_core_keys(&core, false, rows, &keys);
    assert_ok(note_vkey_init(&vkey, SPAN(ORIGIN), keys.log_pk.p, NULL));
    assert_int_equal(note_open(buf_span(&note), &vkey, &text), NOTE_GOOD);
    assert_ok(note_checkpoint_parse(text, &cp, NULL, NULL));
    assert_int_equal(cp.size, 5);
    assert_int_equal(checkpoint(PID, ORIGIN, 5, 5, root_of(5), false, &note), CHECKPOINT_GOOD); /* again */
    assert_int_equal(checkpoint(PID, ORIGIN, 5, 5, other, false, &note), CHECKPOINT_SEALED); /* as large, another */
    assert_int_equal(note.n, 0);
    assert_int_equal(checkpoint(PID, ORIGIN, 5, 8, other, false, &note), CHECKPOINT_SEALED);
    assert_int_equal(checkpoint(PID, ORIGIN, 5, 8, root_of(8), true, &note), CHECKPOINT_SEALED); /* the old tree changed */
    assert_int_equal(checkpoint(PID, ORIGIN, 5, 4, root_of(4), false, &note), CHECKPOINT_BAD); /* shorter */
    assert_int_equal(checkpoint(PID, ORIGIN, 0, 8, root_of(8), false, &note), CHECKPOINT_OLD); /* knows less: told so */
    for (size_t n = 6; n <= 64; n += 7) {
        size_t before = n == 6 ? 5 : n - 7;

        assert_int_equal(checkpoint(PID, ORIGIN, before, n, root_of(n), false, &note), CHECKPOINT_GOOD);
    }
    buf_deinit(&note);
}

static void a_log_has_one_name(void **state)
{
    struct buf note = BUF_INIT(8192);

    (void) state;
    make_leaves();
    assert_int_equal(checkpoint(PID, ORIGIN, 0, 5, root_of(5), false, &note), CHECKPOINT_GOOD);
    /* another history under the name of the first */
    assert_int_equal(checkpoint("p_BBBBBBBBBBBBBBBB", ORIGIN, 0, 6, root_of(6), false, &note), CHECKPOINT_SEALED);
    assert_int_equal(checkpoint("system", ORIGIN, 0, 6, root_of(6), false, &note), CHECKPOINT_SEALED);
    assert_int_equal(checkpoint("system", "rec.example.com/v1/audit/system", 0, 6, root_of(6), false, &note), CHECKPOINT_GOOD);
    buf_deinit(&note);
}

static void last_signed_is_durable_first(void **state)
{
    struct buf note = BUF_INIT(8192);
    int good = core.store.dir;

    (void) state;
    make_leaves();
    assert_int_equal(checkpoint(PID, ORIGIN, 0, 5, root_of(5), false, &note), CHECKPOINT_GOOD);
    core.store.dir = -1; /* the disk is gone */
    for (int i = 0; i < 3; i++) { /* it does not sign later what it could not write before */
        assert_int_equal(checkpoint(PID, ORIGIN, 5, 9, root_of(9), false, &note), CHECKPOINT_BAD);
        assert_int_equal(note.n, 0);
    }
    assert_int_equal(checkpoint("system", "rec.example.com/v1/audit/system", 0, 3, root_of(3), false, &note), CHECKPOINT_BAD);
    assert_int_equal(checkpoint("system", "rec.example.com/v1/audit/system", 0, 3, root_of(3), false, &note), CHECKPOINT_BAD);
    core.store.dir = good;
    assert_int_equal(vault_core_last_signed(&core, SPAN(PID)), 5);
    assert_int_equal(vault_core_last_signed(&core, SPAN("system")), 0);
    assert_int_equal(checkpoint(PID, ORIGIN, 5, 9, root_of(9), false, &note), CHECKPOINT_GOOD);
    vault_core_close(&core);
    assert_ok(open_at(T0 * 1000));
    assert_int_equal(vault_core_last_signed(&core, SPAN(PID)), 9);
    assert_int_equal(checkpoint(PID, ORIGIN, 9, 9, root_of(8), false, &note), CHECKPOINT_SEALED);
    buf_deinit(&note);
}

/* ---- rotation ---- */

static void keys_turn_by_the_hour(void **state)
{
    time_ms t0 = T0 * 1000;
    char seen[8][KEY_KID_LEN + 1];
    size_t n_seen = 0;
    struct err_info e;

    (void) state;
    for (time_ms t = t0; t < t0 + 5 * HOUR; t += 60000) {
        const struct signing_key *now;
        bool changed, next = false, old = false;

        if (t == t0 + 2 * HOUR + 600000) { /* a restart in between breaks nothing */
            char before[KEY_KID_LEN + 1];

            memcpy(before, signing_current(&core.signing)->kid, sizeof(before));
            vault_core_close(&core);
            assert_ok(open_at(t));
            assert_string_equal(signing_current(&core.signing)->kid, before);
        }
        assert_ok(vault_core_turn(&core, t, 0, &changed, &e));
        now = signing_current(&core.signing);
        assert_non_null(now);
        assert_true(now->from <= t && t < now->until);
        for (size_t i = 0; i < core.signing.n; i++) {
            const struct signing_key *k = &core.signing.keys[i];

            next = next || k->state == SIGNING_NEXT;
            old = old || k->state == SIGNING_OLD;
            assert_int_equal(k->state == SIGNING_OLD, k->signer == NULL); /* erased at once */
        }
        /* published half an hour before it signs; the last one while its keys may live */
        assert_int_equal(next, now->until - t <= SIGNING_LEAD_MS);
        if (t > t0 + HOUR && t != t0 + 2 * HOUR + 600000)
            assert_true(old == (t - now->from < SIGNING_LINGER_MS) || t > t0 + 2 * HOUR);
        if (n_seen == 0 || strcmp(seen[n_seen - 1], now->kid) != 0)
            memcpy(seen[n_seen++], now->kid, sizeof(seen[0]));
        core.signing.n_events = 0;
    }
    assert_int_equal(n_seen, 5);
}

static void retired_keys_leave_the_disk(void **state)
{
    char kid[KEY_KID_LEN + 1];
    bool changed;
    struct err_info e;

    (void) state;
    memcpy(kid, signing_current(&core.signing)->kid, sizeof(kid));
    assert_ok(vault_core_turn(&core, T0 * 1000 + HOUR - 60000, 0, &changed, &e));
    assert_ok(vault_core_turn(&core, T0 * 1000 + HOUR, 0, &changed, &e));
    assert_true(changed);
    assert_string_not_equal(signing_current(&core.signing)->kid, kid);
    vault_core_close(&core);
    assert_ok(open_at(T0 * 1000 + HOUR));
    assert_null(keystore_find(core.store.keys, KEYSTORE_SIGNING, kid));
}

static bool has_kid(const char *kid, enum signing_state *ret)
{
    for (size_t i = 0; i < core.signing.n; i++) {
        if (strcmp(core.signing.keys[i].kid, kid) == 0) {
            *ret = core.signing.keys[i].state;
            return true;
        }
    }
    return false;
}

static size_t n_events(const char *type, const char *kid)
{
    size_t n = 0;

    for (size_t i = 0; i < core.signing.n_events; i++)
        n += strcmp(core.signing.events[i].type, type) == 0 && strcmp(core.signing.events[i].kid, kid) == 0;
    return n;
}

/* By command: the one that was published ahead takes over, the one before is still checked, also after a restart. */
static void a_roll_ahead_of_time(void **state)
{
    char first[KEY_KID_LEN + 1], next[KEY_KID_LEN + 1] = "";
    time_ms t = T0 * 1000 + HOUR - 60000;
    enum signing_state st;
    bool changed;

    (void) state;
    memcpy(first, signing_current(&core.signing)->kid, sizeof(first));
    assert_ok(vault_core_turn(&core, t, 0, &changed, NULL));
    assert_int_equal(core.signing.n, 2);
    memcpy(next, core.signing.keys[core.signing.keys[0].state == SIGNING_NEXT ? 0 : 1].kid, sizeof(next));
    core.signing.n_events = 0;
    assert_ok(vault_core_roll(&core, t, false, NULL));
    assert_string_equal(signing_current(&core.signing)->kid, next); /* gateways know it already */
    assert_true(signing_current(&core.signing)->until == t + HOUR);
    assert_int_equal(n_events("signing-key.activated", next), 1);
    assert_int_equal(n_events("signing-key.retired", first), 1);
    assert_true(has_kid(first, &st) && st == SIGNING_OLD);
    vault_core_close(&core);
    assert_ok(open_at(t + 1000));
    assert_string_equal(signing_current(&core.signing)->kid, next);
    assert_true(has_kid(first, &st) && st == SIGNING_OLD); /* what it signed is still checked */
    assert_non_null(keystore_find(core.store.keys, KEYSTORE_RETIRED, first));
    assert_null(keystore_find(core.store.keys, KEYSTORE_SIGNING, first));
    assert_ok(vault_core_turn(&core, t + SIGNING_LINGER_MS - 1, 0, &changed, NULL));
    assert_true(has_kid(first, &st));
    assert_ok(vault_core_turn(&core, t + SIGNING_LINGER_MS, 0, &changed, NULL));
    assert_true(changed);
    assert_false(has_kid(first, &st));
    vault_core_close(&core);
    assert_ok(open_at(t + SIGNING_LINGER_MS));
    assert_null(keystore_find(core.store.keys, KEYSTORE_RETIRED, first)); /* and nothing stays on the disk */
    assert_false(has_kid(first, &st));
}

static void a_roll_in_an_emergency(void **state)
{
    struct ipc_sign_key m = key();
    struct buf wrap = BUF_INIT(WRAP_MAX);
    struct ipc_open o = { .jti = SPAN(JTI), .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID), .epoch = 1 };
    char first[KEY_KID_LEN + 1];
    enum signing_state st;

    (void) state;
    push(row());
    make_wrap(&wrap, RID, 1);
    o.wrap = buf_span(&wrap);
    memcpy(first, signing_current(&core.signing)->kid, sizeof(first));
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_SIGNED);
    assert_ok(vault_core_roll(&core, T0 * 1000, false, NULL));
    assert_ok(vault_core_roll(&core, T0 * 1000 + 1, true, NULL));
    assert_false(has_kid(first, &st)); /* nobody checks by it any more */
    assert_int_equal(n_events("signing-key.retired", first), 1);
    for (size_t i = 0; i < core.signing.n; i++)
        assert_int_not_equal(core.signing.keys[i].state, SIGNING_OLD);
    assert_int_equal(open_rk(&o, T0 * 1000 + 1, NULL), KEY_EXPIRED); /* nor does anything open by what it signed */
    assert_null(keystore_find(core.store.keys, KEYSTORE_SIGNING, first));
    assert_null(keystore_find(core.store.keys, KEYSTORE_RETIRED, first));
    m.jti = SPAN("BBBBBBBBBBBBBBBBBBBBBA");
    m.leaf_idx = 9;
    assert_int_equal(sign_at(&m, T0 * 1000 + 2, 0), VAULT_SIGNED);
    vault_core_close(&core);
    assert_ok(open_at(T0 * 1000 + 3));
    assert_false(has_kid(first, &st));
    buf_deinit(&wrap);
}

/* The disk fails in the middle of it: closed, and the next turn makes a key. */
static void an_emergency_without_a_disk(void **state)
{
    int good = core.store.dir;
    char first[KEY_KID_LEN + 1];
    enum signing_state st;
    struct ipc_sign_key m = key();
    bool changed;

    (void) state;
    push(row());
    memcpy(first, signing_current(&core.signing)->kid, sizeof(first));
    core.store.dir = -1;
    assert_int_not_equal(vault_core_roll(&core, T0 * 1000, true, NULL), ERR_OK);
    assert_false(has_kid(first, &st));
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_FAILED);
    core.store.dir = good;
    assert_ok(vault_core_turn(&core, T0 * 1000, 0, &changed, NULL));
    assert_true(changed);
    assert_int_equal(sign_at(&m, T0 * 1000, 0), VAULT_SIGNED);
}

static void at_most_eight_are_published(void **state)
{
    size_t n = 0;

    (void) state;
    while (vault_core_roll(&core, T0 * 1000 + (time_ms) n, false, NULL) == ERR_OK)
        n++;
    assert_true(n >= 5 && n < KEY_RING_CAP);
    assert_true(core.signing.n <= KEY_RING_CAP);
    assert_non_null(signing_current(&core.signing));
    assert_int_equal(vault_core_roll(&core, T0 * 1000, false, NULL), ERR_LIMIT);
    assert_ok(vault_core_roll(&core, T0 * 1000, true, NULL)); /* that always goes */
}

/* A vault that was away when its key's time ended. */
static void a_key_that_ended_meanwhile(void **state)
{
    char first[KEY_KID_LEN + 1];
    enum signing_state st;

    (void) state;
    memcpy(first, signing_current(&core.signing)->kid, sizeof(first));
    vault_core_close(&core);
    assert_ok(open_at(T0 * 1000 + HOUR + 1000));
    assert_true(has_kid(first, &st) && st == SIGNING_OLD);
    assert_string_not_equal(signing_current(&core.signing)->kid, first);
    assert_null(keystore_find(core.store.keys, KEYSTORE_SIGNING, first));
    vault_core_close(&core);
    assert_ok(open_at(T0 * 1000 + 5 * HOUR));
    assert_false(has_kid(first, &st));
    assert_null(keystore_find(core.store.keys, KEYSTORE_RETIRED, first));
}

/* ---- the file ---- */

static void a_damaged_store_is_refused(void **state)
{
    char path[100], master[100];
    struct buf file = BUF_INIT(1 << 20);
    struct stat st;

    (void) state;
    vault_core_close(&core);
    (void) snprintf(path, sizeof(path), "%s/vault/keystore", dir);
    (void) snprintf(master, sizeof(master), "%s/vault/master.key", dir);
    assert_int_equal(stat(master, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    test_read_file(path, &file);
    for (size_t i = 0; i < file.n; i += 37) {
        int fd = open(path, O_WRONLY | O_TRUNC);

        file.p[i] ^= 0x10;
        assert_int_equal(write(fd, file.p, file.n), file.n);
        (void) close(fd);
        file.p[i] ^= 0x10;
        if (open_at(T0 * 1000) == ERR_OK)
            fail_msg("byte %zu was changed, and nobody saw", i);
    }
    {
        int fd = open(path, O_WRONLY | O_TRUNC);

        assert_int_equal(write(fd, file.p, file.n - 1), file.n - 1);
        (void) close(fd);
        assert_err(open_at(T0 * 1000), ERR_CORRUPT);
        fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, file.p, file.n), file.n);
        (void) close(fd);
    }
    assert_err(vault_store_create(dir, NULL), ERR_EXISTS);
    assert_ok(open_at(T0 * 1000));
    buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signs_what_the_table_says, begin, end),
        cmocka_unit_test_setup_teardown(refuses_the_rest, begin, end),
        cmocka_unit_test_setup_teardown(the_grant_decides_at_that_moment, begin, end),
        cmocka_unit_test_setup_teardown(time_is_monotone_and_signing_has_a_rate, begin, end),
        cmocka_unit_test_setup_teardown(releases_only_what_it_signed, begin, end),
        cmocka_unit_test_setup_teardown(the_reveal_key_needs_unmask, begin, end),
        cmocka_unit_test_setup_teardown(an_ended_grant_releases_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_log_only_grows, begin, end),
        cmocka_unit_test_setup_teardown(a_log_has_one_name, begin, end),
        cmocka_unit_test_setup_teardown(last_signed_is_durable_first, begin, end),
        cmocka_unit_test_setup_teardown(keys_turn_by_the_hour, begin, end),
        cmocka_unit_test_setup_teardown(retired_keys_leave_the_disk, begin, end),
        cmocka_unit_test_setup_teardown(a_roll_ahead_of_time, begin, end),
        cmocka_unit_test_setup_teardown(a_roll_in_an_emergency, begin, end),
        cmocka_unit_test_setup_teardown(an_emergency_without_a_disk, begin, end),
        cmocka_unit_test_setup_teardown(at_most_eight_are_published, begin, end),
        cmocka_unit_test_setup_teardown(a_key_that_ended_meanwhile, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_store_is_refused, begin, end),
    };

    return cmocka_run_group_tests_name("vault core", tests, NULL, NULL);
}
