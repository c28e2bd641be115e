/* A keeper that lies: whatever it leaves out of the log, or changes in it, ends signing and release (STANDARDS 1.9). */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"
#include "format/leaf_form.h"
#include "format/wrap.h"
#include "vault/checkpoint.h"

#define GID    "g_AAAAAAAAAAAAAAAA"
#define RID    "r_AAAAAAAAAAAAAAAA"
#define PID    "p_AAAAAAAAAAAAAAAA"
#define SUB    "u_AAAAAAAAAAAAAAAA"
#define VID    "v_AAAAAAAAAAAAAAAA"
#define QID    "q_AAAAAAAAAAAAAAAA"
#define T0     1793000000LL /* seconds */
#define ORIGIN "rec.example.com/v1/audit/" PID

static char dir[64];
static struct vault_core core;
static struct merkle_hash leaves[64]; /* the log as this keeper has it */
static size_t n_leaves, n_signed;
static unsigned keys_made;
static struct ipc_sign_key last;
static char last_jti[JTI_CAP];

static void open_core(void)
{
    static const uint8_t secret[16] = "0123456789abcde";
    static const uint8_t policy[32];
    const struct vault_core_config config = { dir, SPAN("https://rec.example.com"), SPAN("https://rec.example.com/v1/replay"),
                                              120, 60, 3600 * 1000 };
    struct ipc_row_grant r = { .gid = SPAN(GID), .pid = SPAN(PID), .sub = SPAN(SUB), .state = GRANT_ACTIVE, .gen = 3,
                               .wend_ms = (T0 + 600) * 1000, .deadline_ms = 600000, .policy = span_of(policy, 32) };
    struct ipc_grants m = { .seq = 1 };

    assert_ok(vault_core_open(&config, secret, T0 * 1000, &core, NULL));
    m.rows.rows = &r;
    m.rows.n = 1;
    vault_core_grants(&core, &m);
}

static void append_other(void)
{
    leaves[n_leaves] = merkle_leaf(span_of(&n_leaves, sizeof(n_leaves)));
    n_leaves++;
}

static int begin(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/keyhole-inclusion-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    assert_ok(vault_store_create(dir, NULL));
    n_leaves = n_signed = 0;
    open_core();
    for (int i = 0; i < 5; i++)
        append_other();
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

static void append_leaf(const struct leaf *l)
{
    struct buf b = BUF_INIT(8192);

    assert_ok(leaf_write(l, &b, NULL));
    assert_true(n_leaves < 64);
    leaves[n_leaves++] = merkle_leaf(buf_span(&b));
    buf_deinit(&b);
}

/* As an honest keeper does it: the leaf is in the log, then the vault is asked. */
static enum vault_sign issue(int64_t boot)
{
    struct buf b = BUF_INIT(2000);
    struct leaf l;
    const char *kid;
    enum vault_sign v;

    (void) snprintf(last_jti, sizeof(last_jti), "C%020uA", keys_made++);
    last = (struct ipc_sign_key){ .jti = span_str(last_jti), .sub = SPAN(SUB), .client_id = SPAN("api"),
                                  .scope = SPAN("play"), .pid = SPAN(PID), .env = SPAN("prod"), .gid = SPAN(GID),
                                  .gen = 3, .rid = SPAN(RID), .iat_s = T0, .exp_s = T0 + 60, .wend_s = T0 + 600,
                                  .prefix = SPAN("\x04\x7f\0\0"), .q = SPAN(QID), .vid = SPAN(VID), .log = SPAN(PID),
                                  .leaf_idx = n_leaves, .leaf_t_ms = T0 * 1000 };
    leaf_form_key(&last, &l);
    append_leaf(&l);
    v = vault_core_sign(&core, &last, T0 * 1000, boot, &b, &kid);
    buf_deinit(&b);
    return v;
}

static enum key_verdict release_of(const struct ipc_sign_key *k, uint64_t idx, int64_t boot)
{
    static struct buf wrap;
    struct ipc_open m = { .jti = k->jti, .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID), .epoch = 1,
                          .leaf_idx = idx, .leaf_t_ms = T0 * 1000 };
    struct ipc_row_signing_key rows[KEY_RING_CAP];
    const struct wrap_name name = { WRAP_RK, SPAN(RID), SPAN(PID), 1 };
    struct secret *rk = secret_random(32), *got = NULL;
    struct ipc_keys keys;
    enum key_verdict v;
    bool alarm;

    buf_init(&wrap, WRAP_MAX);
    vault_core_keys(&core, false, rows, &keys);
    assert_ok(wrap_seal(&name, rk, keys.epoch_pk.p, &wrap, NULL));
    m.wrap = buf_span(&wrap);
    v = vault_core_open_rk(&core, &m, T0 * 1000, boot, &got, &alarm);
    assert_int_equal(v == KEY_OK, got != NULL);
    got = secret_free(got);
    rk = secret_free(rk);
    buf_deinit(&wrap);
    return v;
}

/* The leaf of a release of the last key; then the release. */
static enum key_verdict release(int64_t boot)
{
    const struct ipc_open o = { .jti = last.jti, .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID),
                                .leaf_idx = n_leaves, .leaf_t_ms = T0 * 1000 };
    struct leaf l;

    leaf_form_released(&o, SPAN(PID), SPAN(SUB), SPAN(VID), &l);
    append_leaf(&l);
    return release_of(&last, n_leaves - 1, boot);
}

/* ---- checkpoints of this log ---- */

static struct ipc_row_hash part_rows[8], leaf_rows[64];
static struct merkle_hash parts[8], shown_root;

static struct ipc_sign_checkpoint request(size_t old, size_t size)
{
    struct ipc_sign_checkpoint m = { .log = SPAN(PID), .origin = SPAN(ORIGIN), .size = size, .old_size = old };
    struct merkle_frontier f;

    merkle_frontier_init(&f);
    for (size_t i = 0; i < old; i++)
        assert_ok(merkle_append(&f, &leaves[i], NULL, NULL, NULL));
    m.frontier.rows = part_rows;
    for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
        if ((old >> level & 1) == 0)
            continue;
        parts[m.frontier.n] = f.node[level];
        part_rows[m.frontier.n] = (struct ipc_row_hash){ SPAN_OF(parts[m.frontier.n].b) };
        m.frontier.n++;
    }
    m.leaves.rows = leaf_rows;
    for (size_t i = old; i < size; i++) {
        assert_ok(merkle_append(&f, &leaves[i], NULL, NULL, NULL));
        leaf_rows[m.leaves.n++].hash = SPAN_OF(leaves[i].b);
    }
    shown_root = merkle_root(&f);
    m.root = SPAN_OF(shown_root.b);
    return m;
}

static enum checkpoint_verdict sign_it(const struct ipc_sign_checkpoint *m, int64_t boot)
{
    struct buf note = BUF_INIT(8192);
    struct checkpoint *p = NULL;
    struct list staged;
    enum checkpoint_verdict v = checkpoint_stage(&core, m, &p, NULL);

    list_init(&staged);
    if (v == CHECKPOINT_GOOD) {
        list_append(&staged, &p->node);
        assert_ok(checkpoint_save(&core, &staged, boot, NULL));
        assert_ok(checkpoint_note(&core, p, &note, NULL));
        n_signed = m->size;
    }
    (void) checkpoint_free(p);
    buf_deinit(&note);
    return v;
}

static enum checkpoint_verdict sign_all(int64_t boot)
{
    const struct ipc_sign_checkpoint m = request(n_signed, n_leaves);

    return sign_it(&m, boot);
}

/* ---- an honest keeper ---- */

static void an_honest_keeper_goes_on(void **state)
{
    (void) state;
    for (int64_t t = 0; t < 20000; t += 1000) {
        assert_int_equal(issue(t), VAULT_SIGNED);
        assert_int_equal(release(t), KEY_OK);
        if (t == 3000)
            assert_int_equal(release(t), KEY_OK); /* two of one key */
        assert_int_equal(sign_all(t), CHECKPOINT_GOOD);
        assert_int_equal(core.waiting.n, 0);
    }
    assert_int_equal(vault_core_alarm(&core, 30000), VAULT_ALARM_NONE);
}

/* The gate's question comes when the checkpoint with its leaf is signed already. */
static void a_release_after_its_checkpoint(void **state)
{
    const struct ipc_open o = { .jti = SPAN("C00000000000000000000A") };
    uint64_t idx;
    struct ipc_open mine;
    struct leaf l;

    (void) state;
    (void) o;
    assert_int_equal(issue(0), VAULT_SIGNED);
    mine = (struct ipc_open){ .jti = last.jti, .gid = SPAN(GID), .gen = 3, .rid = SPAN(RID), .pid = SPAN(PID),
                              .leaf_idx = n_leaves, .leaf_t_ms = T0 * 1000 };
    idx = n_leaves;
    leaf_form_released(&mine, SPAN(PID), SPAN(SUB), SPAN(VID), &l);
    append_leaf(&l);
    assert_int_equal(sign_all(100), CHECKPOINT_GOOD);
    assert_int_equal(release_of(&last, idx, 200), KEY_OK);
    assert_int_equal(core.waiting.n, 0);
    assert_int_equal(release_of(&last, idx - 2, 200), KEY_AUDIT_UNAVAILABLE); /* another leaf is there: a lie */
    assert_int_equal(vault_core_alarm(&core, 200), VAULT_ALARM_FALSE);
}

static void several_logs_one_write(void **state)
{
    const struct ipc_sign_checkpoint a = request(0, 3);
    struct ipc_sign_checkpoint b;
    struct checkpoint *p = NULL, *q = NULL;
    struct list staged;
    uint64_t before = keystore_generation(core.store.keys);
    int good = core.store.dir;

    (void) state;
    list_init(&staged);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(checkpoint_stage(&core, &a, &p, NULL), CHECKPOINT_GOOD);
        list_append(&staged, &p->node);
        b = request(3, 5); /* of the same log, in the same turn */
        assert_int_equal(checkpoint_stage(&core, &b, &q, NULL), CHECKPOINT_GOOD);
        list_append(&staged, &q->node);
        (void) request(0, 3);
        core.store.dir = round == 0 ? -1 : good; /* first the disk is gone: neither is signed */
        assert_int_equal(checkpoint_save(&core, &staged, 0, NULL) == ERR_OK, round == 1);
        assert_int_equal(vault_core_last_signed(&core, SPAN(PID)), round == 0 ? 0 : 5);
        p = checkpoint_free(p);
        q = checkpoint_free(q);
    }
    assert_int_equal(keystore_generation(core.store.keys), before + 2); /* one write each time */
}

/* ---- lies ---- */

static void assert_stopped(int64_t boot)
{
    assert_int_equal(issue(boot), VAULT_NOT_SHOWN);
    assert_int_equal(release_of(&last, n_leaves, boot), KEY_REVOKED); /* that key was not signed */
}

static void the_leaf_is_replaced(void **state)
{
    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    n_leaves--;
    append_other(); /* something harmless in its place */
    assert_int_equal(sign_all(1000), CHECKPOINT_HIDES);
    assert_int_equal(vault_core_last_signed(&core, SPAN(PID)), 0);
    assert_int_equal(vault_core_alarm(&core, 1000), VAULT_ALARM_FALSE);
    assert_stopped(1000);
    assert_int_equal(vault_core_alarm(&core, 1000000), VAULT_ALARM_FALSE); /* it does not pass */
}

static void the_leaf_is_left_out(void **state)
{
    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    n_leaves--; /* the log goes on without it, as long as nothing else takes the place */
    assert_int_equal(sign_all(1000), CHECKPOINT_GOOD);
    assert_int_equal(vault_core_alarm(&core, WAITING_LATE_MS - 1), VAULT_ALARM_NONE);
    assert_int_equal(vault_core_alarm(&core, WAITING_LATE_MS), VAULT_ALARM_LATE);
    assert_stopped(WAITING_LATE_MS);
}

static void no_checkpoint_comes(void **state)
{
    struct ipc_sign_key first;
    char jti[JTI_CAP];

    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    memcpy(jti, last_jti, sizeof(jti));
    first = last;
    first.jti = span_str(jti);
    assert_int_equal(release(1000), KEY_OK);
    assert_stopped(WAITING_LATE_MS);
    assert_int_equal(release_of(&first, n_leaves, WAITING_LATE_MS), KEY_AUDIT_UNAVAILABLE);
    assert_int_equal(sign_all(9000), CHECKPOINT_GOOD); /* it was only slow: the leaves are there */
    assert_int_equal(vault_core_alarm(&core, 9000), VAULT_ALARM_NONE);
    assert_int_equal(issue(9000), VAULT_SIGNED);
}

static void another_index_was_told(void **state)
{
    struct ipc_sign_key m;
    struct buf b = BUF_INIT(2000);
    const char *kid;

    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    m = last;
    m.jti = SPAN("DAAAAAAAAAAAAAAAAAAAAA");
    m.leaf_idx = 2; /* where something else stands */
    assert_int_equal(vault_core_sign(&core, &m, T0 * 1000, 0, &b, &kid), VAULT_SIGNED);
    assert_int_equal(sign_all(1000), CHECKPOINT_HIDES);
    assert_stopped(1000);
    buf_deinit(&b);
}

static void two_keys_one_leaf(void **state)
{
    struct ipc_sign_key m;
    struct buf b = BUF_INIT(2000);
    const char *kid;

    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    m = last;
    m.jti = SPAN("DAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(vault_core_sign(&core, &m, T0 * 1000, 0, &b, &kid), VAULT_NOT_SHOWN);
    assert_int_equal(b.n, 0);
    assert_int_equal(vault_core_alarm(&core, 0), VAULT_ALARM_FALSE);
    buf_deinit(&b);
}

static void the_leaf_says_something_else(void **state)
{
    static const char *const what[] = { "holder", "grant", "recording", "renewed", "longer", "scope", "bound", "viewing",
                                        "time", "request" };

    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        struct ipc_sign_key said;
        struct leaf l;

        (void) end(state);
        (void) begin(state);
        assert_int_equal(issue(0), VAULT_SIGNED);
        said = last;
        switch (i) {
        case 0: said.sub = SPAN("u_BBBBBBBBBBBBBBBB"); break;
        case 1: said.gid = SPAN("g_BBBBBBBBBBBBBBBB"); break;
        case 2: said.rid = SPAN("r_BBBBBBBBBBBBBBBB"); break;
        case 3: said.renewed = 1; break;
        case 4: said.exp_s--; break;
        case 5: said.scope = SPAN("live"); break;
        case 6: said.cnf_jkt = SPAN("ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo"); break;
        case 7: said.vid = SPAN("v_BBBBBBBBBBBBBBBB"); break;
        case 8: said.leaf_t_ms++; break;
        default: said.q = SPAN_EMPTY; break;
        }
        n_leaves--;
        leaf_form_key(&said, &l);
        append_leaf(&l);
        if (sign_all(1000) != CHECKPOINT_HIDES)
            fail_msg("%s: the leaf passed", what[i]);
    }
}

static void another_log_was_told(void **state)
{
    struct ipc_sign_key m;
    struct buf b = BUF_INIT(2000);
    const char *kid;
    static const char *const logs[] = { "system", "p_BBBBBBBBBBBBBBBB", "p_BBBBBBBBBBBBBBBB~2", "", "x", PID "~1", PID "~" };

    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    m = last;
    m.jti = SPAN("DAAAAAAAAAAAAAAAAAAAAA");
    m.leaf_idx = 50;
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        m.log = span_str(logs[i]);
        assert_int_equal(vault_core_sign(&core, &m, T0 * 1000, 0, &b, &kid), VAULT_NOT_SHOWN);
    }
    assert_int_equal(vault_core_alarm(&core, 0), VAULT_ALARM_NONE); /* refused, and nothing was signed */
    m.log = SPAN(PID "~2");
    assert_int_equal(vault_core_sign(&core, &m, T0 * 1000, 0, &b, &kid), VAULT_SIGNED);
    buf_deinit(&b);
}

static void a_forged_tree(void **state)
{
    struct ipc_sign_checkpoint m;

    (void) state;
    assert_int_equal(sign_all(0), CHECKPOINT_GOOD);
    for (int i = 0; i < 3; i++)
        append_other();
    m = request(5, 8);
    parts[0].b[0] ^= 1; /* the frontier is another */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    m = request(5, 8);
    leaves[6].b[0] ^= 1; /* the root is not of these leaves */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    leaves[6].b[0] ^= 1;
    leaves[1].b[0] ^= 1; /* a fork: everything fits together, but it is not what was signed */
    m = request(5, 8);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    leaves[1].b[0] ^= 1;
    m = request(4, 8); /* from before: it is told where to begin */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_OLD);
    m = request(6, 8); /* from after */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    m = request(2, 4); /* smaller */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    m = request(0, 5);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_OLD);
    m = request(5, 8);
    m.size = 9; /* fewer leaves than it says */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_BAD);
    m = request(5, 8);
    m.frontier.n--;
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_BAD);
    m = request(5, 8);
    leaf_rows[1].hash = span_sub(leaf_rows[1].hash, 0, 31);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_BAD);
    m = request(5, 8);
    m.root = span_sub(m.root, 0, 31);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_BAD);
    m = request(5, 8);
    m.old_size = UINT64_MAX; /* and nothing overflows */
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_BAD);
    m = request(5, 5);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_GOOD); /* the same again is harmless */
    assert_int_equal(sign_all(0), CHECKPOINT_GOOD);
}

static void a_later_generation_ends_the_earlier(void **state)
{
    struct ipc_sign_checkpoint m = request(0, 5), second;

    (void) state;
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_GOOD);
    second = request(0, 2);
    second.log = SPAN(PID "~2");
    second.origin = SPAN(ORIGIN "~2");
    assert_int_equal(sign_it(&second, 0), CHECKPOINT_GOOD);
    append_other();
    m = request(5, 6);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    m = request(5, 5);
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_SEALED);
    m = request(2, 6);
    m.log = second.log;
    m.origin = second.origin;
    assert_int_equal(sign_it(&m, 0), CHECKPOINT_GOOD);
}

/* "After a restart it knows neither these leaves nor those keys." */
static void after_a_restart(void **state)
{
    (void) state;
    assert_int_equal(issue(0), VAULT_SIGNED);
    n_leaves--;
    append_other();
    assert_int_equal(sign_all(1000), CHECKPOINT_HIDES);
    vault_core_close(&core);
    open_core();
    assert_int_equal(vault_core_alarm(&core, 1000), VAULT_ALARM_NONE);
    assert_int_equal(release_of(&last, 6, 1000), KEY_REVOKED); /* that key opens nothing any more */
    assert_int_equal(sign_all(1000), CHECKPOINT_GOOD);
    assert_int_equal(issue(1000), VAULT_SIGNED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_honest_keeper_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(a_release_after_its_checkpoint, begin, end),
        cmocka_unit_test_setup_teardown(several_logs_one_write, begin, end),
        cmocka_unit_test_setup_teardown(the_leaf_is_replaced, begin, end),
        cmocka_unit_test_setup_teardown(the_leaf_is_left_out, begin, end),
        cmocka_unit_test_setup_teardown(no_checkpoint_comes, begin, end),
        cmocka_unit_test_setup_teardown(another_index_was_told, begin, end),
        cmocka_unit_test_setup_teardown(two_keys_one_leaf, begin, end),
        cmocka_unit_test_setup_teardown(the_leaf_says_something_else, begin, end),
        cmocka_unit_test_setup_teardown(another_log_was_told, begin, end),
        cmocka_unit_test_setup_teardown(a_forged_tree, begin, end),
        cmocka_unit_test_setup_teardown(a_later_generation_ends_the_earlier, begin, end),
        cmocka_unit_test_setup_teardown(after_a_restart, begin, end),
    };

    if (secret_init(4096, 64, NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
