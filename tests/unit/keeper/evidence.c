/* The audit log's evidence on disk and on demand: tiles, bundles, proofs; what is lost is made again. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "format/receipt.h"
#include "format/tile.h"
#include "house.h"
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
    FILE *f;

    (void) state;
    assert_ok(tiles_compare(h.core->tiles, SPAN("system"), bad, NULL));
    assert_string_equal(bad, "");
    path_of("tile/entries/000", path);
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 100, SEEK_SET), 0);
    assert_int_equal(fputc('#', f), '#');
    assert_int_equal(fclose(f), 0);
    assert_ok(tiles_compare(h.core->tiles, SPAN("system"), bad, NULL));
    assert_string_equal(bad, "system/tile/entries/000");
    assert_int_equal(remove(path), 0);
    tiles_forget(h.core->tiles);
    atomic_store(&h.core->tiles_due, true);
    assert_ok(core_tiles(h.core, NULL));
    assert_ok(tiles_compare(h.core->tiles, SPAN("system"), bad, NULL));
    assert_string_equal(bad, "");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_are_the_tree), cmocka_unit_test(what_is_lost_is_made_again),
        cmocka_unit_test(compares_files),     cmocka_unit_test(only_what_is_covered),
        cmocka_unit_test(receipts),
    };

    if (secret_init(64, 64, NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, open_house, close_house);
}
