/*
 * The log when a call to the database, or an allocation, fails: each such call in turn. Every failure goes up as it is, what
 * was rolled back never was, and the next try succeeds.
 */
#include "log.h"

#include "audit/lease.h"
#include "audit/tiles.h"
#include "audit/tree.h"
#include "nomem.h"

#define P2 "p_BBBBBBBBBBBBBBBB"
#define P3 "p_CCCCCCCCCCCCCCCC"
#define P4 "p_DDDDDDDDDDDDDDDD"
#define P5 "p_FFFFFFFFFFFFFFFF"

static int countdown = -1; /* so many calls succeed, then one fails; -1: none does */
static enum err code = ERR_IO;
static bool long_log;   /* tables claim more rows than AUDIT_REBUILD_MAX, and have a hash for everything */
static bool two_levels; /* each record ends a subtree of two stored levels, as the 65,536th does */

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

#define WRAP(name, params, args)                                                                                       \
    enum err __real_##name params;                                                                                     \
    enum err __wrap_##name params;                                                                                     \
    enum err __wrap_##name params                                                                                      \
    {                                                                                                                  \
        return fails() ? ERR_RAISE(reterr, code, #name) : __real_##name args;                                          \
    }

WRAP(meta_setting_put, (struct meta *m, const char *name, int64_t num, struct span data, struct err_info *reterr),
     (m, name, num, data, reterr))
WRAP(meta_setting_get,
     (struct meta_view *v, const char *name, struct arena *a, int64_t *num, struct span *data, struct err_info *reterr),
     (v, name, a, num, data, reterr))
WRAP(meta_audit_hashes,
     (struct meta_view *v, struct span log, int64_t from, meta_audit_fn *fn, void *ctx, struct err_info *reterr),
     (v, log, from, fn, ctx, reterr))
WRAP(meta_audit_leaves,
     (struct meta_view *v, struct span log, int64_t from, meta_audit_fn *fn, void *ctx, struct err_info *reterr),
     (v, log, from, fn, ctx, reterr))
WRAP(merkle_root_at, (uint64_t size, merkle_read_fn *read, void *ctx, struct merkle_hash *ret, struct err_info *reterr),
     (size, read, ctx, ret, reterr))
WRAP(meta_checkpoint_newest,
     (struct meta_view *v, struct span log, struct arena *a, struct meta_checkpoint *ret, struct err_info *reterr),
     (v, log, a, ret, reterr))
WRAP(meta_logs, (struct meta_view *v, struct arena *a, struct meta_log_list *ret, struct err_info *reterr), (v, a, ret, reterr))
WRAP(meta_person_get, (struct meta_view *v, struct span id, struct arena *a, struct meta_person *ret, struct err_info *reterr),
     (v, id, a, ret, reterr))
WRAP(leaf_disclose, (const struct leaf *l, size_t k, struct buf *b, char digest[LEAF_DIGEST_LEN + 1], struct err_info *reterr),
     (l, k, b, digest, reterr))
WRAP(box_seal, (const uint8_t pub[BOX_PUB_LEN], struct span msg, uint8_t *out, struct err_info *reterr), (pub, msg, out, reterr))
WRAP(meta_opening_add, (struct meta *m, struct meta_opening *row, struct err_info *reterr), (m, row, reterr))
WRAP(meta_node_add,
     (struct meta *m, struct span log, unsigned level, uint64_t idx, struct span hash, struct err_info *reterr),
     (m, log, level, idx, hash, reterr))
WRAP(leaf_write, (const struct leaf *l, struct buf *b, struct err_info *reterr), (l, b, reterr))
WRAP(meta_audit_append, (struct meta *m, const struct meta_audit *row, struct err_info *reterr), (m, row, reterr))
WRAP(meta_log_add, (struct meta *m, struct meta_log *row, struct err_info *reterr), (m, row, reterr))
WRAP(meta_log_put, (struct meta *m, const struct meta_log *row, struct err_info *reterr), (m, row, reterr))
WRAP(meta_log_get, (struct meta_view *v, struct span log, struct arena *a, struct meta_log *ret, struct err_info *reterr),
     (v, log, a, ret, reterr))
WRAP(note_vkey_init, (struct note_vkey *k, struct span name, const uint8_t pk[NOTE_ED25519_PK], struct err_info *reterr),
     (k, name, pk, reterr))
WRAP(meta_checkpoint_add, (struct meta *m, struct meta_checkpoint *row, struct err_info *reterr), (m, row, reterr))
WRAP(meta_audit_list,
     (struct meta_view *v, const struct meta_audit_filter *f, struct arena *a, struct meta_audit_item **ret, size_t *n,
      int64_t *more, struct err_info *reterr),
     (v, f, a, ret, n, more, reterr))

enum err __real_meta_audit_count(struct meta_view *v, struct span log, int64_t *ret_n, struct err_info *reterr);
enum err __wrap_meta_audit_count(struct meta_view *v, struct span log, int64_t *ret_n, struct err_info *reterr);
enum err __real_meta_node_get(struct meta_view *v, struct span log, unsigned level, uint64_t idx, uint8_t ret[META_HASH_LEN],
                              struct err_info *reterr);
enum err __wrap_meta_node_get(struct meta_view *v, struct span log, unsigned level, uint64_t idx, uint8_t ret[META_HASH_LEN],
                              struct err_info *reterr);
enum err __real_meta_hashes_get(struct meta_view *v, struct span log, uint64_t from, size_t n, uint8_t (*ret)[META_HASH_LEN],
                                struct err_info *reterr);
enum err __wrap_meta_hashes_get(struct meta_view *v, struct span log, uint64_t from, size_t n, uint8_t (*ret)[META_HASH_LEN],
                                struct err_info *reterr);
enum err __real_merkle_append(struct merkle_frontier *f, const struct merkle_hash *leaf, merkle_node_fn *fn, void *ctx,
                              struct err_info *reterr);
enum err __wrap_merkle_append(struct merkle_frontier *f, const struct merkle_hash *leaf, merkle_node_fn *fn, void *ctx,
                              struct err_info *reterr);

enum err __wrap_meta_audit_count(struct meta_view *v, struct span log, int64_t *ret_n, struct err_info *reterr)
{
    enum err e = fails() ? ERR_RAISE(reterr, code, "meta_audit_count") : __real_meta_audit_count(v, log, ret_n, reterr);

    if (e == ERR_OK && long_log)
        *ret_n = AUDIT_REBUILD_MAX + 1;
    return e;
}

enum err __wrap_meta_node_get(struct meta_view *v, struct span log, unsigned level, uint64_t idx, uint8_t ret[META_HASH_LEN],
                              struct err_info *reterr)
{
    if (fails())
        return ERR_RAISE(reterr, code, "meta_node_get");
    if (!long_log)
        return __real_meta_node_get(v, log, level, idx, ret, reterr);
    memset(ret, 7, META_HASH_LEN);
    return ERR_OK;
}

enum err __wrap_meta_hashes_get(struct meta_view *v, struct span log, uint64_t from, size_t n, uint8_t (*ret)[META_HASH_LEN],
                                struct err_info *reterr)
{
    if (fails())
        return ERR_RAISE(reterr, code, "meta_hashes_get");
    if (!long_log)
        return __real_meta_hashes_get(v, log, from, n, ret, reterr);
    memset(ret, 7, n * META_HASH_LEN);
    return ERR_OK;
}

enum err __wrap_merkle_append(struct merkle_frontier *f, const struct merkle_hash *leaf, merkle_node_fn *fn, void *ctx,
                              struct err_info *reterr)
{
    if (fails())
        return ERR_RAISE(reterr, code, "merkle_append");
    if (two_levels && fn != NULL) {
        fn(ctx, TREE_STEP, f->size, leaf);
        fn(ctx, 2 * TREE_STEP, f->size, leaf);
    }
    return __real_merkle_append(f, leaf, fn, ctx, reterr);
}

/* ---- a database with everything in it ---- */

static struct fixture f;

static void signed_note(const char *log, uint64_t size, const struct merkle_hash *root, struct buf *note)
{
    struct note_vkey k = vkey_of(&f, log);
    struct buf text = BUF_INIT(4096);
    struct note_checkpoint c = { span_str(k.name), size, *root };
    uint8_t sig[64];

    buf_reset(note);
    note_checkpoint_text(&c, &text);
    ed25519_sign(f.sk, buf_span(&text), sig);
    note_write(note, buf_span(&text), &k, sig);
    buf_deinit(&text);
}

static struct merkle_hash root_of(const char *log, uint64_t size)
{
    struct tree_reader t = { meta_view(f.m), span_str(log) };
    struct merkle_hash root;

    assert_ok(merkle_root_at(size, tree_read, &t, &root, NULL));
    return root;
}

static struct note_vkey key_p5;
static struct buf note_all = BUF_INIT(4096), note_part = BUF_INIT(4096), note_more = BUF_INIT(4096), note_p5 = BUF_INIT(4096);

/* system has 255 records and no checkpoint yet; P2 one, signed and not yet noted; P3 goes on as P3~2; P4 was never signed;
 * P5 has five, signed. */
static int make(void **state)
{
    static uint8_t pk[32];
    struct secret *sk;
    struct meta_person p = { .id = SPAN("h_AAAAAAAAAAAAAAAA"), .wrap = SPAN("w"), .pk = SPAN_OF(pk) };
    struct leaf first = { .t = 50, .actor = SPAN("system") };
    struct merkle_hash root;
    struct span name;

    (void) state;
    assert_ok(secret_init(64, 64, NULL));
    assert_ok(box_generate(&sk, pk, NULL));
    sk = secret_free(sk);
    fixture_init(&f);
    key_p5 = vkey_of(&f, P5);
    begin(&f);
    assert_ok(meta_person_add(f.m, &p, NULL));
    create_log(&f, P2, 5);
    create_log(&f, P3, 5);
    create_log(&f, P5, 5);
    for (int i = 1; i < 5; i++)
        append_lease(&f, P5, i);
    commit(&f);
    (void) sign_due(&f, 6);
    audit_seal(f.a, SPAN(P3), AUDIT_SCRUB, "record 0", 3);
    begin(&f);
    assert_ok(audit_seal_store(f.a, NULL));
    assert_ok(audit_continue(f.a, SPAN(P3), 2, &first, false, &name, NULL));
    commit(&f);
    begin(&f);
    create_log(&f, "system", 5);
    create_log(&f, P4, 5);
    for (int i = 1; i < 255; i++)
        append_lease(&f, "system", i);
    commit(&f);
    root = root_of("system", 255);
    signed_note("system", 255, &root, &note_all);
    root = root_of("system", 200);
    signed_note("system", 200, &root, &note_part);
    signed_note("system", 1000, &root, &note_more);
    root = root_of(P5, 3);
    signed_note(P5, 3, &root, &note_p5);
    return 0;
}

static int drop(void **state)
{
    (void) state;
    buf_deinit(&note_all);
    buf_deinit(&note_part);
    buf_deinit(&note_more);
    buf_deinit(&note_p5);
    fixture_deinit(&f);
    return 0;
}

typedef enum err scenario(struct err_info *reterr);

/* Each starts from what is committed, with logs freshly read, and is rolled back. */
static void before(void)
{
    f.a = audit_close(f.a);
    assert_ok_err(audit_open(f.m, SPAN(HOST), &f.a, &f.e), &f.e);
    audit_set_key(f.a, f.pk);
    begin(&f);
}

static void each(const char *name, scenario *run)
{
    static const enum err codes[] = { ERR_IO, ERR_CORRUPT, ERR_NOTFOUND };
    struct err_info e;
    unsigned n = 0, asked;

    for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
        bool failed = true;

        for (n = 0; failed; n++) {
            enum err got;
            bool was_long = long_log;

            long_log = false;
            before();
            long_log = was_long;
            code = codes[c];
            countdown = (int) n;
            e = (struct err_info){ 0 };
            got = run(&e);
            failed = countdown < 0;
            countdown = -1;
            rollback(&f);
            if (failed && code == ERR_IO && got != ERR_IO)
                fail_msg("%s: call %u failed and nobody said so: %s %s", name, n, err_name(got), e.text);
            if (!failed)
                assert_ok_err(got, &e);
        }
    }
    print_message("%s: %u calls", name, n - 1);
    for (n = 0;; n++) {
        enum err got;

        before();
        nomem_after(n);
        got = run(&e);
        asked = nomem_off();
        rollback(&f);
        if (asked <= n) {
            assert_ok_err(got, &e);
            break;
        }
    }
    print_message(", %u allocations\n", n);
}

/* ---- what is done ---- */

static enum err write_all(struct err_info *reterr)
{
    uint8_t salt[32] = { 3 };
    struct leaf l = record("system", LEAF_REQUEST_CREATED, 9), first = record("p_EEEEEEEEEEEEEEEE", LEAF_PROJECT_CREATED, 9);
    size_t n;

    TRY(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note_part), 9, reterr));
    TRY(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note_part), 9, reterr)); /* no newer than what is there */
    TRY(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note_all), 9, reterr));
    assert_true(leaf_add_fact(&l, "reason", SPAN("why"), SPAN("h_AAAAAAAAAAAAAAAA"), salt));
    TRY(audit_append(f.a, &l, reterr)); /* the 256th: a subtree is stored */
    TRY(audit_create_log(f.a, &first, reterr));
    return audit_note_checkpoints(f.a, 10, &n, reterr);
}

static void writing(void **state)
{
    uint64_t size;

    (void) state;
    each("write", write_all);
    assert_ok(audit_size(f.a, SPAN("system"), &size, NULL));
    assert_int_equal(size, 255);
    two_levels = true;
    each("write, two levels at once", write_all);
    two_levels = false;
}

static enum err continue_known(struct err_info *reterr)
{
    struct leaf first = { .t = 50, .actor = SPAN("system") };
    struct span name;

    TRY(audit_compare(f.a, SPAN("system"), buf_span(&note_part), reterr));
    TRY(audit_compare(f.a, SPAN("system"), buf_span(&note_more), reterr)); /* signed, and more than there is */
    TRY(audit_seal_store(f.a, reterr));
    audit_seal(f.a, SPAN("system"), AUDIT_REFUSED, "and then", 7);
    return audit_continue(f.a, SPAN("system"), 0, &first, true, &name, reterr);
}

static enum err continue_signed(struct err_info *reterr)
{
    struct leaf first = { .t = 50, .actor = SPAN("system") };
    struct span name;

    audit_seal(f.a, SPAN(P2), AUDIT_SCRUB, "record 0", 0);
    return audit_continue(f.a, SPAN(P2), 0, &first, false, &name, reterr);
}

static enum err continue_unsigned(struct err_info *reterr)
{
    struct leaf first = { .t = 50, .actor = SPAN("system") };
    struct span name;

    audit_seal(f.a, SPAN(P4), AUDIT_SCRUB, "record 0", 0);
    return audit_continue(f.a, SPAN(P4), 0, &first, false, &name, reterr);
}

static void continuing(void **state)
{
    (void) state;
    each("continue, known elsewhere", continue_known);
    each("continue, signed", continue_signed);
    each("continue, never signed", continue_unsigned);
}

static enum err open_it(struct err_info *reterr)
{
    CLEANUP(audit_closep) struct audit *a = NULL;

    return audit_open(f.m, SPAN(HOST), &a, reterr);
}

static void opening(void **state)
{
    (void) state;
    each("open", open_it);
    long_log = true;
    each("open, long", open_it);
    long_log = false;
}

static enum err read_all(struct err_info *reterr)
{
    static const struct tile tiles[] = {
        { .entries = true, .n = 0, .width = 5 }, { .entries = true, .n = 0, .width = 2 }, { .n = 0, .width = 5 },
    };
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(1 << 20);
    struct merkle_frontier old;
    struct merkle_hash leaves[5], root;
    struct merkle_proof proof;
    struct audit_result r;
    uint64_t bytes;

    TRY(audit_check(meta_view(f.m), SPAN(P5), &key_p5, &r, reterr));
    if (r.verdict != AUDIT_GOOD)
        return ERR_IO; /* a verdict says so, too */
    for (size_t i = 0; i < 3; i++)
        TRY(audit_tile_read(meta_view(f.m), SPAN(P5), &tiles[i], &b, reterr));
    TRY(audit_since(f.a, SPAN(P5), 0, 5, &old, leaves, &root, reterr));
    TRY(audit_since(f.a, SPAN(P5), 5, 0, &old, leaves, &root, reterr));
    TRY(audit_since(f.a, SPAN(P5), 3, 2, &old, leaves, &root, reterr));
    TRY(audit_consistency(f.a, SPAN(P5), 3, 5, &proof, reterr));
    TRY(audit_inclusion(f.a, SPAN(P5), 2, 5, &proof, reterr));
    TRY(audit_compare(f.a, SPAN(P5), buf_span(&note_p5), reterr));
    return lease_bytes(meta_view(f.m), SPAN(P5), SPAN("g_P_52yi_zKORYBdCS"), SPAN("BXqH0cJLlQzHgCOqSMGAMA"), 0, &bytes, reterr);
}

static enum err read_above(struct err_info *reterr)
{
    static const struct tile above = { .level = 1, .n = 0, .width = 2 };
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(1 << 20);

    return audit_tile_read(meta_view(f.m), SPAN(P5), &above, &b, reterr);
}

/* Subtrees that are not the records' are a verdict; that one cannot be read is none. */
static enum err read_subtrees(struct err_info *reterr)
{
    struct audit_result r;

    TRY(audit_check(meta_view(f.m), SPAN(P5), &key_p5, &r, reterr));
    return r.verdict == AUDIT_LEAF_HASH ? ERR_OK : ERR_IO;
}

static void reading(void **state)
{
    (void) state;
    each("read", read_all);
    two_levels = true;
    each("subtrees that are missing", read_subtrees);
    long_log = true;
    each("subtrees that are others", read_subtrees);
    two_levels = false;
    each("a tile above", read_above);
    long_log = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing),
        cmocka_unit_test(continuing),
        cmocka_unit_test(opening),
        cmocka_unit_test(reading),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
