/* The audit log's evidence on disk and on demand: tiles, bundles, proofs; what is lost is made again. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "audit/check.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "format/receipt.h"
#include "format/tile.h"
#include "house.h"
#include "keeper/accounts.h"
#include "keeper/scrub.h"
#include "keeper/state.h"
#include "keeper/trail.h"
#include "keeper/transact.h"

static struct house h;
static struct secret *log_key;
static uint8_t log_pk[32];

static void tell_keys(void)
{
    uint8_t epoch_pk[32] = { 9 };
    struct ipc_row_signing_key row = { .kid = SPAN("AAAAAAAAAAA"), .x = SPAN("x"), .y = SPAN("y"), .state = 1 };
    const struct ipc_keys keys = { .signing = { &row, 1 }, .epoch = 1, .epoch_pk = SPAN_OF(epoch_pk),
                                   .log_pk = SPAN_OF(log_pk) };

    house_send(&h, IPC_T_KEYS, &keys, IPC_T_NONE_, NULL);
}

static int open_house(void **state)
{
    (void) state;
    house_open(&h, house_preset("team"), true);
    assert_ok(ed25519_generate(&log_key, log_pk, NULL));
    tell_keys();
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    log_key = secret_free(log_key);
    house_close(&h);
    return 0;
}

/* Records of no consequence, n in one transaction. */
static enum err add_records(struct job *c, void *arg, struct err_info *reterr)
{
    for (int i = 0; i < *(int *) arg; i++) {
        struct leaf l = trail_leaf(c, LEAF_API_READ, SPAN_EMPTY);

        l.obj = SPAN("me");
        (void) leaf_add_number(&l, "count", i);
        TRY(trail_write(c, &l, NULL, reterr));
    }
    return ERR_OK;
}

static void grow(int n)
{
    assert_ok(transact(h.core, add_records, &n, NULL));
}

/* One turn of integrator and vault, then the files. */
static void integrate(void)
{
    struct audit_due d;
    size_t at = 0;

    house_tick(&h, CMD_INTEGRATE);
    while (audit_due(h.core->audit, &at, &d)) {
        struct note_checkpoint cp = { .origin = d.origin, .size = d.size, .root = d.root };
        CLEANUP(buf_deinit) struct buf text = BUF_INIT(4096);
        CLEANUP(buf_deinit) struct buf note = BUF_INIT(8192);
        struct ipc_checkpoint answer = { .log = d.log, .size = d.size };
        struct note_vkey key;
        struct cmd *c;
        uint8_t sig[64];

        assert_ok(note_vkey_init(&key, d.origin, log_pk, NULL));
        note_checkpoint_text(&cp, &text);
        ed25519_sign(log_key, buf_span(&text), sig);
        note_write(&note, buf_span(&text), &key, sig);
        answer.note = buf_span(&note);
        c = cmd_new(CMD_SIGNED_ROOT, 0, 0, IPC_T_CHECKPOINT, &answer);
        core_run(h.core, &c, 1);
    }
    assert_ok(core_tiles(h.core, NULL));
}

static void path_of(const char *rest, char out[512])
{
    (void) snprintf(out, 512, "%s/audit/system/%s", h.dir, rest);
}

static bool there(const char *rest)
{
    char path[512];
    struct stat st;

    path_of(rest, path);
    return stat(path, &st) == 0;
}

/* Every file and every answer of the newest checkpoint's tree: from leaves to the signed root. */
static uint64_t check_all(void)
{
    CLEANUP(buf_deinit) struct buf file = BUF_INIT(NOTE_MAX);
    struct reply r = house_call(&h, h.admin, ROUTE_audit_system_checkpoint, "", NULL, NULL);
    struct merkle_hash nodes[3][2048];
    struct note_checkpoint cp;
    struct merkle_frontier tree;
    struct merkle_hash root;
    struct note_vkey key;
    struct tile_walk w;
    struct tile t;
    struct span text;
    char path[512];
    uint64_t n = 0;

    assert_reply(&h, r, 200, "");
    path_of("checkpoint", path);
    test_read_file(path, &file);
    assert_span_eq(buf_span(&file), r.text);
    assert_ok(note_vkey_init(&key, SPAN("localhost:8080/v1/audit/system"), log_pk, NULL));
    assert_int_equal(note_open(r.text, &key, &text), NOTE_GOOD);
    assert_ok(note_checkpoint_parse(text, &cp, NULL, NULL));
    merkle_frontier_init(&tree);
    w = tile_walk(0, cp.size);
    while (tile_walk_next(&w, &t)) {
        CLEANUP(buf_deinit) struct buf bytes = BUF_INIT(1 << 21);
        char name[TILE_PATH_CAP], rest[TILE_PATH_CAP + 8];
        struct span at, entry;

        tile_path(&t, name);
        (void) snprintf(rest, sizeof(rest), "tile/%s", name);
        path_of(rest, path);
        test_read_file(path, &bytes);
        r = house_call(&h, h.admin, ROUTE_audit_system_tile, name, NULL, NULL);
        assert_reply(&h, r, 200, "");
        assert_span_eq(r.text, buf_span(&bytes));
        at = buf_span(&bytes);
        for (unsigned i = 0; i < t.width && t.entries; i++) {
            assert_true(tile_entry_next(&at, &entry));
            nodes[0][n] = merkle_leaf(entry);
            assert_ok(merkle_append(&tree, &nodes[0][n++], NULL, NULL, NULL));
        }
        for (unsigned i = 0; i < t.width && !t.entries && t.level == 0; i++)
            assert_memory_equal(bytes.p + i * 32, nodes[0][t.n * 256 + i].b, 32);
    }
    root = merkle_root(&tree);
    assert_int_equal(n, cp.size);
    assert_memory_equal(root.b, cp.root.b, 32);
    return cp.size;
}

static void tiles_are_the_tree(void **state)
{
    uint64_t size;

    (void) state;
    integrate();
    size = check_all();
    assert_true(size > 0 && size < 200);
    grow(3);
    integrate();
    assert_int_equal(check_all(), size + 3);
    grow((int) (256 - size - 3));
    integrate();
    assert_int_equal(check_all(), 256);
    assert_true(there("tile/0/000") && there("tile/entries/000") && there("tile/1/000.p/1"));
    assert_false(there("tile/0/000.p") || there("tile/entries/000.p")); /* the full one is there */
    grow(520);
    integrate();
    assert_int_equal(check_all(), 776);
    assert_true(there("tile/0/003.p/8") && there("tile/1/000.p/3") && there("tile/1/000.p/1"));
}

static void remove_all(const char *path)
{
    char cmd[600];

    (void) snprintf(cmd, sizeof(cmd), "rm -r '%s'", path);
    assert_int_equal(system(cmd), 0);
}

static void read_rest(const char *rest, struct buf *b)
{
    char path[512];

    path_of(rest, path);
    test_read_file(path, b);
}

static void what_is_lost_is_made_again(void **state)
{
    static const char *const gone[] = { "tile/entries/001", "tile/0/003.p/8", "tile/1/000.p/3", "checkpoint" };
    struct buf before[4], after;
    char path[512];

    (void) state;
    for (size_t i = 0; i < 4; i++) {
        before[i] = BUF_INIT(1 << 21);
        read_rest(gone[i], &before[i]);
        path_of(gone[i], path);
        assert_int_equal(remove(path), 0);
    }
    tiles_forget(h.core->tiles); /* as a start does */
    atomic_store(&h.core->tiles_due, true);
    assert_ok(core_tiles(h.core, NULL));
    for (size_t i = 0; i < 4; i++) {
        after = BUF_INIT(1 << 21);
        read_rest(gone[i], &after);
        assert_span_eq(buf_span(&after), buf_span(&before[i]));
        buf_deinit(&after);
    }
    (void) snprintf(path, sizeof(path), "%s/audit", h.dir);
    remove_all(path);
    tiles_forget(h.core->tiles);
    atomic_store(&h.core->tiles_due, true);
    assert_ok(core_tiles(h.core, NULL));
    for (size_t i = 0; i < 4; i++) {
        after = BUF_INIT(1 << 21);
        read_rest(gone[i], &after);
        assert_span_eq(buf_span(&after), buf_span(&before[i]));
        buf_deinit(&after);
        buf_deinit(&before[i]);
    }
    assert_int_equal(check_all(), 776);
    assert_true(there("vkey"));
}

static void compares_files(void **state)
{
    char bad[200], path[512];
    size_t n;
    FILE *f;

    (void) state;
    assert_ok(tiles_compare(h.core->tiles, SPAN("system"), NULL, bad, &n, NULL));
    assert_string_equal(bad, "");
    path_of("tile/entries/000", path);
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 100, SEEK_SET), 0);
    assert_int_equal(fputc('#', f), '#');
    assert_int_equal(fclose(f), 0);
    path_of("tile/0/002", path);
    assert_int_equal(remove(path), 0);
    assert_ok(tiles_compare(h.core->tiles, SPAN("system"), NULL, bad, &n, NULL));
    assert_string_equal(bad, "system/tile/entries/000");
    assert_int_equal(n, 2);
    assert_ok(tiles_compare(h.core->tiles, SPAN("system"), NULL, bad, &n, NULL)); /* made again */
    assert_string_equal(bad, "");
    assert_int_equal(check_all(), 776);
}

static void only_what_is_covered(void **state)
{
    static const char *const none[] = { "0/003", "0/003.p/9", "1/001", "0/004.p/1", "2/000.p/1", "entries/004", "x",
                                        "0/00", "entries/000.p/256", "../checkpoint" };

    (void) state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct reply r = house_call(&h, h.admin, ROUTE_audit_system_tile, none[i], NULL, NULL);

        if (r.status != 404)
            fail_msg("tile %s: %d", none[i], r.status);
    }
}

static void receipts(void **state)
{
    static const int which[] = { 0, 1, 255, 256, 700, 775 };
    struct note_vkey key;
    struct reply r;

    (void) state;
    assert_ok(note_vkey_init(&key, SPAN("localhost:8080/v1/audit/system"), log_pk, NULL));
    for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
        CLEANUP(buf_deinit) struct buf mem = BUF_INIT(65536);
        struct receipt x;
        char query[40], index[24];

        (void) snprintf(query, sizeof(query), "{\"index\":\"%d\"}", which[i]);
        r = house_call(&h, h.admin, ROUTE_audit_proof, "system", query, NULL);
        assert_reply(&h, r, 200, "");
        assert_ok(receipt_parse(r.text, &mem, &x, NULL));
        assert_int_equal(x.index, which[i]);
        assert_int_equal(receipt_check(&x, x.leaf, &key, NULL), RECEIPT_GOOD);
        (void) snprintf(index, sizeof(index), "\"i\":%d,", which[i]);
        assert_non_null(strstr(buf_cstr(&mem), index));
    }
    grow(1);
    r = house_call(&h, h.admin, ROUTE_audit_proof, "system", "{\"index\":\"776\"}", NULL);
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, h.admin, ROUTE_audit_proof, "system", NULL, NULL);
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, h.admin, ROUTE_audit_proof, "system~2", "{\"index\":\"0\"}", NULL);
    assert_reply(&h, r, 404, "not-found");
}

/* ---- sealed, and going on ---- */

static enum err make_admins(struct job *c, void *arg, struct err_info *reterr)
{
    static const char *const names[] = { "approver", "lead" };
    const struct people *people = job_people(c, reterr);

    (void) arg;
    for (size_t i = 0; i < 2; i++)
        TRY(accounts_give(c, people_by_name(people, span_str(names[i]))->id, SPAN("admin"), SPAN("*"), reterr));
    return ERR_OK;
}

static int open_two(void **state)
{
    (void) open_house(state);
    assert_ok(transact(h.core, make_admins, NULL, NULL));
    integrate();
    return 0;
}

/* With $D the state directory. */
static void shell(const char *cmd)
{
    assert_int_equal(setenv("D", h.dir, 1), 0);
    assert_int_equal(system(cmd), 0);
}

/* The house is closed; its database is the one of before. */
static void reopen(void)
{
    house_restart(&h);
    tell_keys();
    house_tick(&h, CMD_SECOND);
}

static void expect_sealed(const char *fault)
{
    struct reply r = house_call(&h, h.admin, ROUTE_audit_logs, "", NULL, NULL);

    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "sealed");
    assert_string_equal(reply_str(&h, &r, "items.0.why"), fault);
    assert_false(core_health(h.core).audit_ok);
    r = house_call(&h, h.admin, ROUTE_project_create, "", NULL, "{\"name\":\"other\"}");
    assert_int_equal(r.status, 503);
}

static const char *const why = "{\"reason\":\"a database of yesterday was put back\"}";

/* Two administrators; the first one twice is still one. */
static struct reply unseal(const char *log)
{
    const char *one = house_login(&h, "approver"), *two = house_login(&h, "lead");
    struct reply r = house_call(&h, house_login(&h, "engineer"), ROUTE_audit_unseal, log, NULL, why);

    assert_int_equal(r.status, 403);
    r = house_call(&h, one, ROUTE_audit_unseal, log, NULL, "{\"reason\":\"short\"}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, one, ROUTE_audit_unseal, log, NULL, why);
    assert_reply(&h, r, 202, "");
    r = house_call(&h, one, ROUTE_audit_unseal, log, NULL, why);
    assert_reply(&h, r, 202, "");
    r = house_call(&h, two, ROUTE_audit_unseal, log, NULL, why);
    assert_reply(&h, r, 200, "");
    return r;
}

static enum audit_verdict verdict_of(const char *log, struct audit_result *ret)
{
    char origin[100];
    struct note_vkey key;

    (void) snprintf(origin, sizeof(origin), "localhost:8080/v1/audit/%s", log);
    assert_ok(note_vkey_init(&key, span_str(origin), log_pk, NULL));
    assert_ok(audit_check(h.core->seats[0].v, span_str(log), &key, ret, NULL));
    return ret->verdict;
}

static bool keep_first(void *ctx, const struct meta_audit *row)
{
    buf_add_span(ctx, row->leaf);
    buf_add_c(ctx, '\n');
    return row->idx < 1;
}

static void both_generations_hold(const char *log, uint64_t old_rows, const char *fault)
{
    CLEANUP(buf_deinit) struct buf leaves = BUF_INIT(65536);
    struct audit_result result;
    char next[LOG_ID_CAP], want[200];

    assert_int_equal(verdict_of(log, &result), AUDIT_GOOD);
    assert_int_equal(result.n_leaves, old_rows);
    (void) snprintf(next, sizeof(next), "%s~2", log);
    assert_int_equal(verdict_of(next, &result), AUDIT_GOOD);
    assert_int_equal(result.n_signed, result.n_leaves);
    assert_ok(meta_audit_leaves(h.core->seats[0].v, span_str(next), 0, keep_first, &leaves, NULL));
    (void) snprintf(want, sizeof(want), "\"type\":\"log.continued\",\"actor\":\"u_");
    assert_non_null(strstr(buf_cstr(&leaves), want));
    (void) snprintf(want, sizeof(want), "\"obj\":\"%s\",\"outcome\":\"%s\",\"digest\":\"", log, fault);
    assert_non_null(strstr(buf_cstr(&leaves), want));
    (void) snprintf(want, sizeof(want), "\"note\":\"localhost:8080/v1/audit/%s\\u000a", log);
    assert_non_null(strstr(buf_cstr(&leaves), want));
    assert_non_null(strstr(buf_cstr(&leaves), "\"type\":\"audit.unsealed\""));
}

static void an_older_database_is_sealed_and_goes_on(void **state)
{
    struct reply r;
    uint64_t rows;

    (void) state;
    assert_ok(audit_size(h.core->audit, SPAN("system"), &rows, NULL));
    h.core = core_close(h.core);
    shell("cp -r $D/meta $D/meta.old");
    reopen();
    grow(10);
    integrate();
    h.core = core_close(h.core);
    shell("rm -r $D/meta && mv $D/meta.old $D/meta");
    reopen();
    expect_sealed("shorter");
    r = unseal("all");
    assert_string_equal(reply_str(&h, &r, "items.0.log"), "system~2");
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "open");
    assert_true(core_health(h.core).audit_ok);
    integrate();
    both_generations_hold("system", rows, "shorter");
    assert_int_equal(house_leaves(&h, "service.started", NULL) > 0, true);
    r = house_call(&h, house_login(&h, "approver"), ROUTE_audit_unseal, "all", NULL, why);
    assert_reply(&h, r, 409, "state");
    reopen(); /* the older generation is no reason to seal anything */
    assert_true(core_health(h.core).audit_ok);
    integrate();
    both_generations_hold("system", rows, "shorter");
    r = house_call(&h, h.admin, ROUTE_audit_system_checkpoint, "", NULL, NULL);
    assert_reply(&h, r, 200, ""); /* of the old one, still */
    assert_true(span_starts(r.text, "localhost:8080/v1/audit/system\n"));
    r = house_call(&h, h.admin, ROUTE_audit_checkpoint, "system~2", NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_true(span_starts(r.text, "localhost:8080/v1/audit/system~2\n"));
}

static void what_the_vault_refuses_is_sealed_over_restarts(void **state)
{
    const struct ipc_checkpoint no = { .log = SPAN("system"), .status = 409, .code = SPAN("audit-sealed"), .size = 77 };
    struct cmd *c = cmd_new(CMD_SIGNED_ROOT, 0, 0, IPC_T_CHECKPOINT, &no);
    uint64_t rows;

    (void) state;
    core_run(h.core, &c, 1);
    house_tick(&h, CMD_SECOND);
    expect_sealed("refused");
    reopen();
    expect_sealed("refused");
    assert_ok(audit_size(h.core->audit, SPAN("system"), &rows, NULL));
    (void) unseal("system");
    integrate();
    both_generations_hold("system", rows, "refused");
}

static void a_changed_record_is_sealed(void **state)
{
    char sql[] = "python3 - <<'E'\nimport sqlite3, os\nd = sqlite3.connect(os.environ['D'] + '/meta/keyhole.db')\n"
                 "d.execute('DROP TRIGGER audit_no_update')\n"
                 "d.execute(\"UPDATE audit SET hash=zeroblob(32) WHERE log='system' AND idx=2\")\nd.commit()\nE";

    (void) state;
    h.core = core_close(h.core);
    shell(sql);
    reopen();
    expect_sealed("changed");
    (void) unseal("all");
    integrate();
    assert_true(core_health(h.core).audit_ok);
}

/* The hash column agrees with the tree, the leaf does not agree with its hash: only reading everything finds it. */
static void the_scrub_finds_what_the_start_does_not(void **state)
{
    static const _Atomic bool never;
    struct reply r = house_call(&h, h.admin, ROUTE_status, "", NULL, NULL);
    int64_t before;

    (void) state;
    assert_false(reply_has(&r, "audit.scrubbed_at"));
    assert_ok(core_scrub(h.core, &never, NULL)); /* not yet */
    house_sleep(&h, SCRUB_AFTER_MS);
    assert_ok(core_scrub(h.core, &never, NULL));
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_status, "", NULL, NULL);
    assert_true(reply_has(&r, "audit.scrubbed_at"));
    assert_true(core_health(h.core).audit_ok);
    h.core = core_close(h.core);
    shell("python3 - <<'E'\nimport sqlite3, os\nd = sqlite3.connect(os.environ['D'] + '/meta/keyhole.db')\n"
          "d.execute('DROP TRIGGER audit_no_update')\n"
          "d.execute(\"UPDATE audit SET leaf=CAST(replace(leaf, 'system', 'sysTem') AS BLOB) WHERE log='system' AND idx=2\")\n"
          "d.commit()\nE");
    reopen();
    assert_true(core_health(h.core).audit_ok);
    house_sleep(&h, SCRUB_AFTER_MS);
    before = h.boot;
    assert_ok(core_tiles(h.core, NULL));
    assert_ok(core_scrub(h.core, &never, NULL)); /* begins its own three seconds */
    house_sleep(&h, SCRUB_AFTER_MS);
    assert_ok(core_scrub(h.core, &never, NULL));
    house_tick(&h, CMD_SECOND);
    house_tick(&h, CMD_SECOND);
    assert_true(h.boot > before);
    expect_sealed("scrub");
    (void) unseal("all");
    assert_true(core_health(h.core).audit_ok);
}

static void the_clock_is_trusted_by_two(void **state)
{
    const char *one, *two;
    struct reply r;

    (void) state;
    h.real += 10LL * 365 * 86400 * 1000; /* a wrong jump, and records that are stamped so */
    house_tick(&h, CMD_MINUTE);
    grow(1);
    h.real -= 10LL * 365 * 86400 * 1000;
    house_tick(&h, CMD_SECOND);
    assert_false(core_health(h.core).clock_ok);
    house_restart(&h);
    assert_false(core_health(h.core).clock_ok);
    one = house_login(&h, "approver");
    two = house_login(&h, "lead");
    r = house_call(&h, one, ROUTE_clock_trust, "", NULL, why);
    assert_reply(&h, r, 202, "");
    assert_false(core_health(h.core).clock_ok);
    r = house_call(&h, h.admin, ROUTE_user_patch, "approver", NULL, "{\"disabled\":true}"); /* then it is not one of the two */
    assert_reply(&h, r, 200, "");
    r = house_call(&h, two, ROUTE_clock_trust, "", NULL, why);
    assert_reply(&h, r, 202, "");
    r = house_call(&h, h.admin, ROUTE_user_patch, "approver", NULL, "{\"disabled\":false}");
    assert_reply(&h, r, 200, "");
    two = house_login(&h, "approver");
    r = house_call(&h, two, ROUTE_clock_trust, "", NULL, why);
    assert_int_equal(r.status, 204);
    house_tick(&h, CMD_SECOND);
    assert_true(core_health(h.core).clock_ok);
    r = house_call(&h, two, ROUTE_clock_trust, "", NULL, why);
    assert_reply(&h, r, 409, "state");
    house_restart(&h); /* the records of the future are passed over from now on */
    assert_true(core_health(h.core).clock_ok);
    house_tick(&h, CMD_MINUTE);
    h.real += 120000;
    house_tick(&h, CMD_MINUTE);
    h.real -= 60000; /* … and a step back is one again, also over a restart */
    house_restart(&h);
    assert_false(core_health(h.core).clock_ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_are_the_tree), cmocka_unit_test(what_is_lost_is_made_again),
        cmocka_unit_test(compares_files),     cmocka_unit_test(only_what_is_covered),
        cmocka_unit_test(receipts),
    };
    const struct CMUnitTest sealing[] = {
        cmocka_unit_test_setup_teardown(an_older_database_is_sealed_and_goes_on, open_two, close_house),
        cmocka_unit_test_setup_teardown(what_the_vault_refuses_is_sealed_over_restarts, open_two, close_house),
        cmocka_unit_test_setup_teardown(a_changed_record_is_sealed, open_two, close_house),
        cmocka_unit_test_setup_teardown(the_scrub_finds_what_the_start_does_not, open_two, close_house),
        cmocka_unit_test_setup_teardown(the_clock_is_trusted_by_two, open_two, close_house),
    };

    if (secret_init(64, 64, NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, open_house, close_house) + cmocka_run_group_tests(sealing, NULL, NULL);
}
