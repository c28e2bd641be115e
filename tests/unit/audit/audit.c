/* The log's writer: indices, restarts, rollbacks, sealed facts, checkpoints, proofs. */
#include "log.h"

#include <sys/wait.h>


static void indices_have_no_gaps_over_rollbacks_and_restarts(void **state)
{
    struct fixture f;
    struct leaf l;
    uint64_t size;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 5);
    create_log(&f, PROJECT, 5);
    commit(&f);
    for (int round = 0; round < 4; round++) {
        begin(&f);
        for (int i = 0; i < 10; i++)
            append_lease(&f, PROJECT, i);
        if (round % 2 == 0) {
            assert_ok(meta_rollback(f.m, NULL));
            audit_rolled_back(f.a);
        } else {
            commit(&f);
        }
        if (round == 1)
            fixture_reopen(&f);
    }
    assert_ok(audit_size(f.a, SPAN(PROJECT), &size, NULL));
    assert_int_equal(size, 21);
    assert_err(audit_size(f.a, SPAN("p_BBBBBBBBBBBBBBBB"), &size, NULL), ERR_NOTFOUND);
    l = record("p_BBBBBBBBBBBBBBBB", LEAF_LOGIN_OK, 1);
    begin(&f);
    assert_err(audit_append(f.a, &l, NULL), ERR_NOTFOUND);
    l = record(PROJECT, LEAF_LOGIN_OK, 1);
    assert_ok(audit_append(f.a, &l, NULL));
    assert_int_equal(l.i, 21);
    assert_int_equal(l.t, 1009); /* never earlier than the one before */
    commit(&f);
    assert_int_equal(audit_high_water(f.a), 1009);
    (void) sign_due(&f, 2000);
    assert_int_equal(check(&f, PROJECT).verdict, AUDIT_GOOD);
    assert_int_equal(check(&f, PROJECT).n_signed, 22);
    fixture_deinit(&f);
}

static void a_log_that_was_rolled_back_never_was(void **state)
{
    struct fixture f;
    struct leaf l;
    uint64_t size;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    append_lease(&f, PROJECT, 1);
    assert_ok(meta_rollback(f.m, NULL));
    audit_rolled_back(f.a);
    assert_err(audit_size(f.a, SPAN(PROJECT), &size, NULL), ERR_NOTFOUND);
    begin(&f);
    create_log(&f, PROJECT, 6);
    l = record(PROJECT, LEAF_PROJECT_CREATED, 7);
    assert_err(audit_create_log(f.a, &l, NULL), ERR_EXISTS);
    l.log = SPAN("nonsense");
    assert_err(audit_create_log(f.a, &l, NULL), ERR_INVAL);
    commit(&f);
    assert_ok(audit_size(f.a, SPAN(PROJECT), &size, NULL));
    assert_int_equal(size, 1);
    fixture_deinit(&f);
}

/* A fact is in the log as a digest only; its opening goes to its person and to nobody else. */
static void facts_are_sealed_to_their_person(void **state)
{
    struct fixture f;
    struct secret *sk, *other;
    uint8_t pk[32], other_pk[32], salt[32] = { 3 }, plain[512];
    struct meta_person p = { .id = SPAN("h_AAAAAAAAAAAAAAAA"), .wrap = SPAN("w") }, gone;
    struct leaf l = record("system", LEAF_REQUEST_CREATED, 9);
    struct meta_opening_list o;
    struct meta_audit_item *rows;
    struct meta_audit_filter all = { .log = SPAN("system"), .from = -1, .limit = 10 };
    struct arena mem;
    size_t n;
    int64_t more;
    char digest[LEAF_DIGEST_LEN + 1];

    (void) state;
    fixture_init(&f);
    arena_init(&mem, 1u << 20);
    assert_ok(box_generate(&sk, pk, NULL));
    assert_ok(box_generate(&other, other_pk, NULL));
    p.pk = SPAN_OF(pk);
    gone = p;
    gone.id = SPAN("h_BBBBBBBBBBBBBBBB");
    gone.erased_ms = 5;
    begin(&f);
    assert_ok(meta_person_add(f.m, &p, NULL));
    assert_ok(meta_person_add(f.m, &gone, NULL));
    create_log(&f, "system", 8);
    assert_true(leaf_add_fact(&l, "reason", SPAN("a customer cannot pay"), p.id, salt));
    assert_true(leaf_add_fact(&l, "title", SPAN("checkout"), SPAN("h_BBBBBBBBBBBBBBBB"), salt));
    assert_true(leaf_add_fact(&l, "address", SPAN("192.0.2.7"), SPAN_EMPTY, salt));
    assert_ok_err(audit_append(f.a, &l, &f.e), &f.e);
    commit(&f);
    assert_ok(meta_openings(meta_view(f.m), SPAN("system"), (int64_t) l.i, &mem, &o, NULL));
    assert_int_equal(o.n, 1); /* of the others there is only the digest */
    assert_span_str(o.rows[0].field, "reason");
    assert_false(box_open(other, other_pk, o.rows[0].sealed, plain));
    assert_true(box_open(sk, pk, o.rows[0].sealed, plain));
    assert_ok(leaf_disclosure_digest(span_of(plain, o.rows[0].sealed.n - BOX_OVERHEAD), digest, NULL));
    assert_ok(meta_audit_list(meta_view(f.m), &all, &mem, &rows, &n, &more, NULL));
    assert_int_equal(n, 2);
    assert_non_null(memmem(rows[0].leaf.p, rows[0].leaf.n, digest, LEAF_DIGEST_LEN));
    assert_null(memmem(rows[0].leaf.p, rows[0].leaf.n, "customer", 8));
    assert_null(memmem(rows[0].leaf.p, rows[0].leaf.n, "192.0", 5));
    l = record("system", LEAF_REQUEST_CREATED, 9);
    assert_true(leaf_add_fact(&l, "reason", SPAN("x"), SPAN("h_CCCCCCCCCCCCCCCC"), salt));
    begin(&f);
    assert_err(audit_append(f.a, &l, NULL), ERR_NOTFOUND);
    assert_ok(meta_rollback(f.m, NULL));
    audit_rolled_back(f.a);
    sk = secret_free(sk);
    other = secret_free(other);
    arena_deinit(&mem);
    fixture_deinit(&f);
}

static void checkpoints_cover_what_is_committed(void **state)
{
    struct fixture f;
    struct audit_due d;
    struct span forged = SPAN_EMPTY;
    size_t at = 0, n;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 5);
    create_log(&f, PROJECT, 5);
    assert_false(audit_due(f.a, &at, &d)); /* nothing is committed yet */
    commit(&f);
    at = 0;
    assert_true(audit_due(f.a, &at, &d));
    assert_span_str(d.log, "system");
    assert_span_str(d.origin, "rec.example.com/v1/audit/system");
    assert_true(audit_due(f.a, &at, &d));
    assert_span_str(d.origin, "rec.example.com/v1/audit/" PROJECT);
    assert_int_equal(d.size, 1);
    assert_int_equal(d.old_size, 0);
    assert_false(audit_due(f.a, &at, &d));
    assert_int_equal(sign_due(&f, 10), 2);
    assert_int_equal(sign_due(&f, 11), 0);
    begin(&f);
    assert_ok(audit_note_checkpoints(f.a, 12, &n, NULL));
    assert_int_equal(n, 1); /* of the project; system does not note itself */
    commit(&f);
    begin(&f);
    assert_ok(audit_note_checkpoints(f.a, 13, &n, NULL));
    assert_int_equal(n, 0);
    assert_err(audit_checkpoint_store(f.a, SPAN(PROJECT), forged, 1, NULL), ERR_INVAL);
    commit(&f);
    assert_int_equal(sign_due(&f, 14), 1); /* the leaf in system */
    fixture_reopen(&f);
    begin(&f);
    assert_ok(audit_note_checkpoints(f.a, 15, &n, NULL));
    assert_int_equal(n, 0);
    append_lease(&f, PROJECT, 1);
    commit(&f);
    at = 0;
    assert_true(audit_due(f.a, &at, &d));
    assert_span_str(d.log, PROJECT);
    assert_int_equal(d.old_size, 1);
    assert_int_equal(d.size, 2);
    assert_int_equal(check(&f, "system").verdict, AUDIT_GOOD);
    assert_int_equal(check(&f, PROJECT).n_signed, 1);
    assert_int_equal(check(&f, PROJECT).n_leaves, 2);
    fixture_deinit(&f);
}

static void false_checkpoints_are_not_stored(void **state)
{
    struct fixture f;
    struct audit_due d;
    size_t at = 0;
    uint8_t seed[32] = { 1 }, pk[32], sig[64];
    struct secret *wrong;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 5);
    create_log(&f, PROJECT, 5);
    commit(&f);
    assert_ok(ed25519_from_seed(seed, &wrong, pk, NULL));
    assert_true(audit_due(f.a, &at, &d));
    begin(&f);
    for (int i = 0; i < 5; i++) {
        struct note_checkpoint c = { d.origin, d.size, d.root };
        struct buf text = BUF_INIT(4096), note = BUF_INIT(4096);
        struct note_vkey k;

        if (i == 1)
            c.root.b[3] ^= 1;
        if (i == 2)
            c.size++;
        if (i == 3)
            c.origin = SPAN("rec.example.com/v1/audit/" PROJECT);
        note_checkpoint_text(&c, &text);
        ed25519_sign(i == 0 ? wrong : f.sk, buf_span(&text), sig);
        if (i == 4)
            sig[9] ^= 4;
        assert_ok(note_vkey_init(&k, c.origin, i == 0 ? pk : f.pk, NULL));
        note_write(&note, buf_span(&text), &k, sig);
        assert_err(audit_checkpoint_store(f.a, d.log, buf_span(&note), 7, NULL), ERR_INVAL);
        buf_deinit(&text);
        buf_deinit(&note);
    }
    assert_ok(meta_rollback(f.m, NULL));
    audit_rolled_back(f.a);
    wrong = secret_free(wrong);
    assert_int_equal(sign_due(&f, 9), 2);
    fixture_deinit(&f);
}

/* Proofs that the vault and outsiders ask for, in a log with stored subtrees of two levels. */
static void proofs_hold_in_a_long_log(void **state)
{
    enum { N = 66000 }; /* more than AUDIT_REBUILD_MAX: opened by its subtrees */
    static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 512, 4096, 65535, 65536, 65537, N };
    struct fixture f;
    struct merkle_frontier ref;
    static struct merkle_hash leaf[N + 1];
    struct merkle_hash roots[12];
    struct merkle_proof p;
    size_t k = 0;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    for (int i = 1; i < N; i++) {
        append_lease(&f, PROJECT, i);
        if (i % 10000 == 0) {
            commit(&f);
            begin(&f);
        }
    }
    commit(&f);
    (void) sign_due(&f, 99);
    fixture_reopen(&f);
    assert_null(audit_sealed(f.a, SPAN_EMPTY));
    merkle_frontier_init(&ref);
    for (uint64_t i = 0; i < N; i++) {
        assert_ok(meta_hashes_get(meta_view(f.m), SPAN(PROJECT), i, 1, (uint8_t(*)[32]) leaf[i].b, NULL));
        assert_ok(merkle_append(&ref, &leaf[i], NULL, NULL, NULL));
        if (ref.size == sizes[k])
            roots[k++] = merkle_root(&ref);
    }
    for (size_t i = 0; i < 12; i++) {
        for (size_t j = i; j < 12; j++) {
            assert_ok_err(audit_consistency(f.a, SPAN(PROJECT), sizes[i], sizes[j], &p, &f.e), &f.e);
            assert_true(merkle_verify_consistency(sizes[i], sizes[j], &roots[i], &roots[j], p.hash, p.n));
        }
        for (uint64_t at = 0; at < sizes[i]; at += 1 + sizes[i] / 7) {
            assert_ok_err(audit_inclusion(f.a, SPAN(PROJECT), at, sizes[i], &p, &f.e), &f.e);
            assert_true(merkle_verify_inclusion(at, sizes[i], &leaf[at], &roots[i], p.hash, p.n));
        }
    }
    assert_err(audit_consistency(f.a, SPAN(PROJECT), 1, N + 1, &p, NULL), ERR_INVAL);
    begin(&f);
    append_lease(&f, PROJECT, 7); /* and it grows on */
    commit(&f);
    (void) sign_due(&f, 100);
    assert_int_equal(check(&f, PROJECT).verdict, AUDIT_GOOD);
    assert_int_equal(check(&f, PROJECT).n_signed, N + 1);
    forge(&f, "DELETE FROM audit WHERE idx=65999");
    fixture_reopen(&f);
    assert_non_null(audit_sealed(f.a, SPAN(PROJECT)));
    fixture_deinit(&f);
}

static void a_log_that_was_changed_is_sealed(void **state)
{
    static const char *const attacks[] = {
        "UPDATE audit SET hash=zeroblob(32) WHERE log='system' AND idx=3",
        "DELETE FROM audit WHERE log='system' AND idx=3",
        "DELETE FROM audit WHERE log='system' AND idx>=8",
        "UPDATE checkpoint SET root=zeroblob(32) WHERE log='system'",
        "UPDATE checkpoint SET root=zeroblob(5) WHERE log='system'",
        "UPDATE audit SET idx=99 WHERE log='system' AND idx=5",
    };

    (void) state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        struct fixture f;
        struct leaf l = record("system", LEAF_LOGIN_OK, 1);
        struct audit_due d;
        size_t at = 0;

        fixture_init(&f);
        begin(&f);
        create_log(&f, "system", 5);
        create_log(&f, PROJECT, 5);
        for (int k = 0; k < 10; k++)
            append_lease(&f, "system", k);
        commit(&f);
        (void) sign_due(&f, 9);
        forge(&f, attacks[i]);
        fixture_reopen(&f);
        if (audit_sealed(f.a, SPAN("system")) == NULL)
            fail_msg("not noticed: %s", attacks[i]);
        assert_null(audit_sealed(f.a, SPAN(PROJECT)));
        begin(&f);
        assert_err(audit_append(f.a, &l, NULL), ERR_STATE);
        l.log = SPAN(PROJECT); /* sound, but nothing is recorded anywhere while one is not */
        assert_err(audit_append(f.a, &l, NULL), ERR_STATE);
        rollback(&f);
        while (audit_due(f.a, &at, &d))
            assert_span_str(d.log, PROJECT);
        fixture_deinit(&f);
    }
}

/* A rolled-back continuation never was; a committed one holds over restarts, and the old name means the new log. */
static void a_sealed_log_goes_on(void **state)
{
    struct fixture f;
    struct leaf first = { .t = 50, .actor = SPAN("system") }, l = record("system", LEAF_LOGIN_OK, 60);
    struct span name;
    uint64_t size;
    size_t at = 0;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 5);
    commit(&f);
    (void) sign_due(&f, 9);
    begin(&f);
    assert_err(audit_continue(f.a, SPAN("system"), 2, &first, false, &name, NULL), ERR_STATE);
    rollback(&f);
    audit_seal(f.a, SPAN("system~9"), AUDIT_SCRUB, "no such log", 0);
    assert_null(audit_sealed(f.a, SPAN_EMPTY));
    audit_seal(f.a, SPAN("system"), AUDIT_SCRUB, "record 0", 0);
    audit_seal(f.a, SPAN("system"), AUDIT_REFUSED, "and then", 3);
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_SCRUB); /* the first reason stays */
    begin(&f);
    assert_ok(audit_continue(f.a, SPAN("system"), 4, &first, false, &name, NULL));
    assert_span_str(name, "system~4");
    rollback(&f);
    assert_string_equal(audit_next_sealed(f.a, &at), "system");
    assert_null(audit_next_sealed(f.a, &at));
    begin(&f);
    assert_ok(audit_seal_store(f.a, &f.e));
    rollback(&f);
    begin(&f);
    assert_ok(audit_seal_store(f.a, &f.e)); /* what was rolled back is written again */
    commit(&f);
    fixture_reopen(&f);
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_SCRUB);
    begin(&f);
    assert_ok(audit_continue(f.a, SPAN("system"), 0, &first, true, &name, NULL));
    assert_ok(audit_append(f.a, &l, NULL));
    assert_span_str(l.log, "system~2");
    assert_int_equal(l.i, 1);
    commit(&f);
    for (int i = 0; i < 2; i++) {
        assert_null(audit_sealed(f.a, SPAN_EMPTY));
        assert_ok(audit_size(f.a, SPAN("system"), &size, NULL));
        assert_int_equal(size, 2);
        fixture_reopen(&f);
    }
    assert_int_equal(sign_due(&f, 70), 1);
    fixture_deinit(&f);
}

/* A checkpoint from elsewhere: proves what it is signed for, and nothing when it is not. */
static void a_checkpoint_from_elsewhere(void **state)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_checkpoint c;
    struct fixture f;

    (void) state;
    arena_init(&mem, 65536);
    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 5);
    append_lease(&f, "system", 1);
    commit(&f);
    (void) sign_due(&f, 9);
    assert_ok(meta_checkpoint_newest(meta_view(f.m), SPAN("system"), &mem, &c, NULL));
    assert_ok(audit_compare(f.a, SPAN("system"), c.note, &f.e));
    assert_ok(audit_compare(f.a, SPAN("p_AAAAAAAAAAAAAAAA"), c.note, &f.e)); /* not here: nothing to compare */
    assert_err(audit_compare(f.a, SPAN("system"), SPAN("no note"), NULL), ERR_INVAL);
    assert_null(audit_sealed(f.a, SPAN_EMPTY));
    forge(&f, "DELETE FROM checkpoint");
    forge(&f, "DELETE FROM audit WHERE idx=1");
    fixture_reopen(&f);
    assert_null(audit_sealed(f.a, SPAN_EMPTY)); /* by itself the table is sound */
    assert_ok(audit_compare(f.a, SPAN("system"), c.note, &f.e));
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_SHORTER);
    fixture_deinit(&f);

    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 6); /* another history */
    append_lease(&f, "system", 2);
    commit(&f);
    assert_ok(audit_compare(f.a, SPAN("system"), c.note, &f.e));
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_CHANGED);
    fixture_deinit(&f);
}

/* A process that dies anywhere between append and answer: what was committed is there, and the log goes on. */
static void a_killed_writer_leaves_a_whole_log(void **state)
{
    struct fixture f;
    uint64_t size = 0, last = 0;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    commit(&f);
    f.a = audit_close(f.a);
    f.m = meta_close(f.m);
    for (int round = 0; round < 6; round++) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
            fixture_reopen(&f);
            begin(&f);
            for (int i = 0; i < 300; i++)
                append_lease(&f, PROJECT, i);
            if (round % 3 == 0)
                _exit(0); /* before COMMIT */
            commit(&f);
            begin(&f);
            append_lease(&f, PROJECT, 1);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        fixture_reopen(&f);
        assert_ok(audit_size(f.a, SPAN(PROJECT), &size, NULL));
        assert_int_equal(size, round == 0 ? 1 : round % 3 == 0 ? last : last + 300);
        last = size;
        (void) sign_due(&f, 1);
        assert_int_equal(check(&f, PROJECT).verdict, AUDIT_GOOD);
        f.a = audit_close(f.a);
        f.m = meta_close(f.m);
    }
    fixture_reopen(&f);
    fixture_deinit(&f);
}

static size_t tail(struct fixture *f, struct meta_audit_filter filter, int64_t *first, int64_t *more)
{
    struct meta_audit_item *rows;
    struct arena mem;
    size_t n;

    arena_init(&mem, 16u << 20);
    assert_ok_err(meta_audit_list(meta_view(f->m), &filter, &mem, &rows, &n, more, &f->e), &f->e);
    *first = n > 0 ? rows[0].idx : -1;
    for (size_t i = 1; i < n; i++)
        assert_true(filter.ascending ? rows[i].idx > rows[i - 1].idx : rows[i].idx < rows[i - 1].idx);
    arena_deinit(&mem);
    return n;
}

static void the_tail_filters(void **state)
{
    struct fixture f;
    struct span types[2] = { SPAN("replay."), SPAN("project.created") };
    struct meta_audit_filter a = { .log = SPAN(PROJECT), .from = -1, .limit = 10 };
    int64_t first, more;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    create_log(&f, "system", 5);
    for (int i = 0; i < 100; i++) {
        struct leaf l = record(PROJECT, i % 10 == 0 ? LEAF_REQUEST_CREATED : LEAF_LOGIN_OK, 1000 + i);

        l.q = i % 10 == 0 ? SPAN("q_AAAAAAAAAAAAAAAA") : SPAN_EMPTY;
        l.actor = i % 2 == 0 ? SPAN("u_AAAAAAAAAAAAAAAA") : SPAN_EMPTY;
        assert_ok(audit_append(f.a, &l, NULL));
        append_lease(&f, PROJECT, i);
    }
    commit(&f);
    assert_int_equal(tail(&f, a, &first, &more), 10);
    assert_true(first == 200 && more == 190);
    a.from = more;
    assert_int_equal(tail(&f, a, &first, &more), 10);
    assert_true(first == 190 && more == 180);
    a.ascending = true;
    a.from = 195;
    assert_int_equal(tail(&f, a, &first, &more), 6);
    assert_true(first == 195 && more == -1);
    a.from = -1;
    a.limit = 1000;
    assert_int_equal(tail(&f, a, &first, &more), 201);
    a.types = types;
    a.n_types = 1;
    assert_int_equal(tail(&f, a, &first, &more), 100);
    a.n_types = 2;
    assert_int_equal(tail(&f, a, &first, &more), 101);
    types[0] = SPAN("replay"); /* no family and no type */
    assert_int_equal(tail(&f, a, &first, &more), 1);
    a.n_types = 0;
    a.q = SPAN("q_AAAAAAAAAAAAAAAA");
    assert_int_equal(tail(&f, a, &first, &more), 10);
    a.q = SPAN_EMPTY;
    a.actor = SPAN("u_AAAAAAAAAAAAAAAA");
    assert_int_equal(tail(&f, a, &first, &more), 50);
    a.actor = SPAN_EMPTY;
    a.rid = SPAN("r_2Dz2Sr-SnSlnd8aT");
    assert_int_equal(tail(&f, a, &first, &more), 50);
    a.gid = SPAN("g_P_52yi_zKORYBdCS");
    a.after_ms = 1040;
    a.before_ms = 1060;
    assert_int_equal(tail(&f, a, &first, &more), 10);
    a = (struct meta_audit_filter){ .log = SPAN("system"), .from = -1, .limit = 10 };
    assert_int_equal(tail(&f, a, &first, &more), 1);
    a.limit = META_PAGE_MAX + 1;
    {
        struct meta_audit_item *rows;
        size_t n;

        assert_err(meta_audit_list(meta_view(f.m), &a, NULL, &rows, &n, &more, NULL), ERR_INVAL);
    }
    fixture_deinit(&f);
}

static int need_crypto(void **state)
{
    (void) state;
    assert_ok(secret_init(64, 64, NULL));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_have_no_gaps_over_rollbacks_and_restarts),
        cmocka_unit_test(a_log_that_was_rolled_back_never_was),
        cmocka_unit_test(facts_are_sealed_to_their_person),
        cmocka_unit_test(checkpoints_cover_what_is_committed),
        cmocka_unit_test(false_checkpoints_are_not_stored),
        cmocka_unit_test(proofs_hold_in_a_long_log),
        cmocka_unit_test(a_log_that_was_changed_is_sealed),
        cmocka_unit_test(a_sealed_log_goes_on),
        cmocka_unit_test(a_checkpoint_from_elsewhere),
        cmocka_unit_test(a_killed_writer_leaves_a_whole_log),
        cmocka_unit_test(the_tail_filters),
    };
    return cmocka_run_group_tests(tests, need_crypto, NULL);
}
