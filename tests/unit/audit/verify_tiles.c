/*
 * A log as tiles, checked: whole ones of every shape, then each thing that may be wrong with one. The tiles are written here by the rules of
 * docs/formats/audit.md; tests/system/verify.py holds the same code against two programs of others.
 */
#include "audit/verify_tiles.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/ed25519.h"
#include "format/tile.h"
#include "nomem.h"
#include "test.h"

#define LOG      "p_zNe2lKL4dQxW8s0b"
#define ORIGIN   "rec.example.com/v1/audit/" LOG
#define FILES    64
#define LEAF_CAP 200

struct file {
    char name[64];
    struct buf data;
};

struct log {
    struct file files[FILES];
    size_t n_files;
    struct buf *leaves;
    size_t n;
    const char *missing; /* a file that cannot be read */
};

static struct secret *signer;
static struct note_vkey key;

static int setup(void **state)
{
    uint8_t pub[32];

    (void) state;
    assert_ok(secret_init(64, 64, NULL));
    assert_ok(ed25519_generate(&signer, pub, NULL));
    assert_ok(note_vkey_init(&key, SPAN(ORIGIN), pub, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer = secret_free(signer);
    return 0;
}

static struct buf *file_of(struct log *l, const char *name)
{
    for (size_t i = 0; i < l->n_files; i++) {
        if (strcmp(l->files[i].name, name) == 0)
            return &l->files[i].data;
    }
    assert_true(l->n_files < FILES);
    (void) snprintf(l->files[l->n_files].name, sizeof(l->files[0].name), "%s", name);
    l->files[l->n_files].data = BUF_INIT(64u << 20);
    return &l->files[l->n_files++].data;
}

static struct buf *tile_of(struct log *l, const struct tile *t)
{
    char name[64] = "tile/";

    tile_path(t, name + 5);
    return file_of(l, name);
}

static void sign(struct log *l, const struct note_vkey *as, uint64_t size, const struct merkle_hash *root)
{
    const struct note_checkpoint c = { .origin = span_str(as->name), .size = size, .root = *root };
    struct buf text = BUF_INIT(4096), *out = file_of(l, "checkpoint");
    uint8_t sig[64];

    note_checkpoint_text(&c, &text);
    ed25519_sign(signer, buf_span(&text), sig);
    buf_reset(out);
    note_write(out, buf_span(&text), as, sig);
    buf_deinit(&text);
}

static void keep(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    struct buf *rows = ctx;

    (void) index;
    if (level % TILE_HEIGHT == 0)
        buf_add(&rows[level / TILE_HEIGHT], hash->b, sizeof(hash->b));
}

/* Tiles, bundles and checkpoint of its leaves as they are. */
static void publish(struct log *l)
{
    struct buf rows[TILE_LEVELS] = { BUF_INIT(1u << 20), BUF_INIT(1u << 20), BUF_INIT(1u << 20), BUF_INIT(1u << 20), BUF_INIT(1u << 20) };
    struct tile_walk w = tile_walk(0, l->n);
    struct merkle_frontier f;
    struct merkle_hash root;
    struct tile t;

    merkle_frontier_init(&f);
    for (size_t i = 0; i < l->n; i++) {
        struct merkle_hash h = merkle_leaf(buf_span(&l->leaves[i]));

        assert_ok(merkle_append(&f, &h, keep, rows, NULL));
    }
    while (tile_walk_next(&w, &t)) {
        struct buf *out = tile_of(l, &t);

        buf_reset(out);
        if (t.entries) {
            for (uint64_t i = tile_first(&t); i < tile_first(&t) + t.width; i++)
                assert_ok(tile_entry_add(out, buf_span(&l->leaves[i]), NULL));
        } else {
            buf_add(out, rows[t.level].p + (size_t) t.n * TILE_WIDTH * 32, (size_t) t.width * 32);
        }
    }
    root = merkle_root(&f);
    sign(l, &key, l->n, &root);
    for (size_t i = 0; i < TILE_LEVELS; i++)
        buf_deinit(&rows[i]);
}

static void set_leaf(struct log *l, size_t i, const char *text)
{
    buf_reset(&l->leaves[i]);
    buf_add_str(&l->leaves[i], text);
}

static void make(struct log *l, size_t n)
{
    char text[LEAF_CAP];

    *l = (struct log){ .n = n, .leaves = calloc(n > 0 ? n : 1, sizeof(struct buf)) };
    assert_non_null(l->leaves);
    for (size_t i = 0; i < n; i++) {
        l->leaves[i] = BUF_INIT(4096);
        (void) snprintf(text, sizeof(text), "{\"v\":1,\"log\":\"" LOG "\",\"i\":%zu,\"t\":\"2026-11-02T09:%02zu:%02zu.000Z\",\"type\":\"api.read\"}", i, i / 60 % 60, i % 60);
        set_leaf(l, i, text);
    }
    publish(l);
}

static void drop(struct log *l)
{
    for (size_t i = 0; i < l->n_files; i++)
        buf_deinit(&l->files[i].data);
    for (size_t i = 0; i < l->n; i++)
        buf_deinit(&l->leaves[i]);
    free(l->leaves);
}

static enum err read_file(void *ctx, const char *name, struct buf *ret, struct err_info *reterr)
{
    struct log *l = ctx;

    for (size_t i = 0; i < l->n_files; i++) {
        if (strcmp(l->files[i].name, name) == 0 && (l->missing == NULL || strcmp(l->missing, name) != 0)) {
            buf_add_span(ret, buf_span(&l->files[i].data));
            return ERR_OK;
        }
    }
    return ERR_RAISE(reterr, ERR_NOTFOUND, "%s is not there", name);
}

static struct audit_result check(struct log *l, struct span since)
{
    struct audit_result r;

    assert_ok(audit_verify_tiles(&key, since, read_file, l, &r, NULL));
    return r;
}

static void whole_logs(void **state)
{
    static const size_t sizes[] = { 1, 2, 255, 256, 257, 512, 700 };

    (void) state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct audit_result r;
        struct log l;

        make(&l, sizes[i]);
        r = check(&l, SPAN_EMPTY);
        assert_int_equal(r.verdict, AUDIT_GOOD);
        assert_int_equal(r.n_leaves, sizes[i]);
        assert_int_equal(r.n_signed, sizes[i]);
        drop(&l);
    }
}

/* Each byte of each file of a log of 300 records, and each file missing. */
static void everything_is_looked_at(void **state)
{
    struct log l;

    (void) state;
    make(&l, 300);
    for (size_t i = 0; i < l.n_files; i++) {
        struct buf *b = &l.files[i].data;

        for (size_t at = 0; at < b->n; at += b->n > 2000 ? 97 : 1) {
            b->p[at] ^= 1;
            if (check(&l, SPAN_EMPTY).verdict == AUDIT_GOOD)
                fail_msg("%s: byte %zu may be anything", l.files[i].name, at);
            b->p[at] ^= 1;
        }
        l.missing = l.files[i].name;
        assert_int_not_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_GOOD);
        l.missing = NULL;
    }
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_GOOD);
    drop(&l);
}

static void faults_have_names(void **state)
{
    static const char *const level0 = "tile/0/000", *const level1 = "tile/1/000.p/1", *const bundle = "tile/entries/001.p/44";
    struct audit_result r;
    struct log l;

    (void) state;
    make(&l, 300);
    l.missing = level1;
    r = check(&l, SPAN_EMPTY);
    assert_int_equal(r.verdict, AUDIT_TILE);
    assert_int_equal(r.at, 0);
    assert_int_equal(r.upto, 256);
    l.missing = bundle;
    r = check(&l, SPAN_EMPTY);
    assert_int_equal(r.verdict, AUDIT_TILE);
    assert_int_equal(r.at, 256);
    l.missing = NULL;

    buf_add_c(file_of(&l, level0), 'x'); /* longer than its name says */
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_TILE);
    file_of(&l, level0)->n -= 2; /* shorter */
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_TILE);
    publish(&l);

    for (size_t i = 0; i < TILE_WIDTH * 33; i++) /* longer than any tile */
        buf_add_c(file_of(&l, level0), 'x');
    r = check(&l, SPAN_EMPTY);
    assert_int_equal(r.verdict, AUDIT_TILE);
    assert_string_equal(r.text, "a tile is larger than any tile");
    publish(&l);

    file_of(&l, bundle)->n -= 1; /* a record is cut */
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_TILE);
    publish(&l);
    buf_add(file_of(&l, bundle), "\0\2{}", 4); /* one record more */
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_TILE);
    publish(&l);

    memset(file_of(&l, level1)->p, 0, 32);
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_TILE);
    publish(&l);
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_GOOD);
    drop(&l);
}

/* The leaves of a log that was signed as it is: what they say counts. */
static void records_that_say_something_else(void **state)
{
    struct audit_result r;
    struct log l;

    (void) state;
    make(&l, 5);
    set_leaf(&l, 3, "{\"v\":1,\"log\":\"" LOG "\",\"i\":4,\"t\":\"2026-11-02T09:00:03.000Z\",\"type\":\"api.read\"}");
    publish(&l);
    r = check(&l, SPAN_EMPTY);
    assert_int_equal(r.verdict, AUDIT_LEAF_GAP);
    assert_int_equal(r.at, 3);
    set_leaf(&l, 3, "{\"v\":1,\"log\":\"" LOG "\",\"i\":3,\"t\":\"2026-11-02T08:00:03.000Z\",\"type\":\"api.read\"}");
    publish(&l);
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_LEAF_TIME);
    set_leaf(&l, 3, "{\"v\":1,\"log\":\"system\",\"i\":3,\"t\":\"2026-11-02T09:00:03.000Z\",\"type\":\"api.read\"}");
    publish(&l);
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_LEAF_MALFORMED);
    drop(&l);
}

static void a_kept_checkpoint(void **state)
{
    struct buf kept = BUF_INIT(4096);
    struct merkle_hash none = merkle_empty();
    struct log l, longer;

    (void) state;
    make(&l, 300);
    make(&longer, 700);
    buf_add_span(&kept, buf_span(file_of(&l, "checkpoint")));
    assert_int_equal(check(&longer, buf_span(&kept)).verdict, AUDIT_GOOD);
    assert_int_equal(check(&l, buf_span(&kept)).verdict, AUDIT_GOOD);
    set_leaf(&longer, 17, "{\"v\":1,\"log\":\"" LOG "\",\"i\":17,\"t\":\"2026-11-02T09:00:17.000Z\",\"type\":\"key.issued\"}");
    publish(&longer);
    assert_int_equal(check(&longer, SPAN_EMPTY).verdict, AUDIT_GOOD); /* by itself it is whole */
    assert_int_equal(check(&longer, buf_span(&kept)).verdict, AUDIT_ROOT);

    buf_reset(&kept);
    buf_add_span(&kept, buf_span(file_of(&longer, "checkpoint")));
    assert_int_equal(check(&l, buf_span(&kept)).verdict, AUDIT_TRUNCATED);

    sign(&longer, &key, 300, &none); /* the same size, another root: both signed */
    assert_int_equal(check(&l, buf_span(file_of(&longer, "checkpoint"))).verdict, AUDIT_ROOT);
    buf_reset(&kept);
    buf_add_str(&kept, "nothing of the kind");
    assert_int_equal(check(&l, buf_span(&kept)).verdict, AUDIT_NOTE_MALFORMED);
    drop(&l);
    drop(&longer);
    buf_deinit(&kept);
}

static void checkpoints_that_are_none(void **state)
{
    struct note_vkey other;
    struct merkle_hash root = merkle_empty();
    struct audit_result r;
    struct log l;

    (void) state;
    make(&l, 3);
    l.missing = "checkpoint";
    r = check(&l, SPAN_EMPTY);
    assert_int_equal(r.verdict, AUDIT_NO_CHECKPOINT);
    l.missing = NULL;
    assert_ok(note_vkey_init(&other, SPAN("elsewhere"), key.pk, NULL));
    sign(&l, &other, 3, &root);
    assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_NOTE_UNKNOWN_KEY);
    assert_int_equal(audit_verify_tiles(&other, SPAN_EMPTY, read_file, &l, &r, NULL), ERR_OK); /* a name without a slash is the log's */
    assert_int_not_equal(r.verdict, AUDIT_GOOD);
    {
        static const char *const text = ORIGIN "\nmany\nroots\n";
        struct buf *out = file_of(&l, "checkpoint");
        uint8_t sig[64];

        ed25519_sign(signer, span_str(text), sig); /* by its key, and no checkpoint */
        buf_reset(out);
        note_write(out, span_str(text), &key, sig);
        assert_int_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_NOTE_MALFORMED);
    }
    sign(&l, &key, UINT64_C(1) << 40, &root); /* as large as no log can be: the first record that is not there ends it */
    assert_int_not_equal(check(&l, SPAN_EMPTY).verdict, AUDIT_GOOD);
    drop(&l);
}

static bool verify_works(void *ctx)
{
    struct audit_result r = { 0 };

    return audit_verify_tiles(&key, SPAN_EMPTY, read_file, ctx, &r, NULL) == ERR_OK && r.verdict == AUDIT_GOOD;
}

static void without_memory(void **state)
{
    static const size_t sizes[] = { 256, 700 }; /* of the first, a subtree's root is the last thing that is kept */

    (void) state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct log l;
        unsigned n = 0;

        make(&l, sizes[i]);
        while (nomem_try(n, verify_works, &l))
            n++;
        assert_true(n > 3);
        drop(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_logs),      cmocka_unit_test(everything_is_looked_at),
        cmocka_unit_test(faults_have_names), cmocka_unit_test(records_that_say_something_else),
        cmocka_unit_test(a_kept_checkpoint), cmocka_unit_test(checkpoints_that_are_none),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
