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

static void same_tree(const struct merkle_frontier *a, const struct merkle_frontier *b)
{
    assert_int_equal(a->size, b->size);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) /* what stands where no bit is set says nothing */
        assert_true((a->size >> level & 1) == 0 || merkle_eq(&a->node[level], &b->node[level]));
}

/* What the vault is shown: the tree of 'old' leaves and the hashes after them give the root of all. */
static void since_holds(struct fixture *f, const struct merkle_hash *leaf, uint64_t size)
{
    static const uint64_t olds[] = { 0, 1, 255, 256, 300, 65535, 65536 };
    struct merkle_hash next[5], root;
    struct merkle_frontier old, ref;

    for (size_t i = 0; i < sizeof(olds) / sizeof(olds[0]) && olds[i] + 5 <= size; i++) {
        merkle_frontier_init(&ref);
        for (uint64_t k = 0; k < olds[i]; k++)
            assert_ok(merkle_append(&ref, &leaf[k], NULL, NULL, NULL));
        assert_ok_err(audit_since(f->a, SPAN(PROJECT), olds[i], 0, &old, next, &root, &f->e), &f->e);
        same_tree(&old, &ref);
        assert_ok_err(audit_since(f->a, SPAN(PROJECT), olds[i], 5, &old, next, &root, &f->e), &f->e);
        same_tree(&old, &ref);
        assert_memory_equal(next, &leaf[olds[i]], sizeof(next));
        for (uint64_t k = olds[i]; k < olds[i] + 5; k++)
            assert_ok(merkle_append(&ref, &leaf[k], NULL, NULL, NULL));
        assert_true(merkle_eq(&root, &(struct merkle_hash[]){ merkle_root(&ref) }[0]));
    }
    assert_err(audit_since(f->a, SPAN(PROJECT), size, 6, &old, next, &root, NULL), ERR_INVAL);
    assert_err(audit_since(f->a, SPAN("p_BBBBBBBBBBBBBBBB"), 0, 0, &old, next, &root, NULL), ERR_NOTFOUND);
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
    assert_int_equal(check(&f, PROJECT).n_signed, N + 1);
    since_holds(&f, leaf, N);
    forge(&f, "UPDATE audit_node SET hash=zeroblob(32) WHERE level=8 AND idx=255"); /* both end with the same record */
    forge(&f, "UPDATE audit_node SET hash=zeroblob(32) WHERE level=16");
    assert_int_equal(check(&f, PROJECT).verdict, AUDIT_LEAF_HASH);
    assert_int_equal(check(&f, PROJECT).at, 65535);
    forge(&f, "UPDATE checkpoint SET size=70000 WHERE size=66001");
    fixture_reopen(&f);
    assert_int_equal(audit_fault_of(f.a, SPAN(PROJECT)), AUDIT_SHORTER);
    forge(&f, "DELETE FROM checkpoint");
    fixture_reopen(&f);
    assert_null(audit_sealed(f.a, SPAN_EMPTY)); /* nothing signed to hold it against */
    forge(&f, "INSERT INTO checkpoint(log,size,root,note,at_ms) VALUES('" PROJECT "',300,zeroblob(32),'',0)");
    forge(&f, "DELETE FROM audit_node WHERE level=8 AND idx=0");
    fixture_reopen(&f);
    assert_int_equal(audit_fault_of(f.a, SPAN(PROJECT)), AUDIT_DAMAGED);
    forge(&f, "DELETE FROM checkpoint");
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
        "UPDATE checkpoint SET size=0 WHERE log='system'",
        "UPDATE audit SET hash=zeroblob(31) WHERE log='system' AND idx=3",
        "INSERT INTO setting(name,num,data) VALUES('audit.fault.system',0,'scrub')",
        "INSERT INTO setting(name,num,data) VALUES('audit.fault.system',0,'a word of another program')",
        "INSERT INTO setting(name,num,data) VALUES('audit.fault.system',0,'sound')",
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

/* A note by the log's key over whatever text. */
static void signed_text(struct fixture *f, const char *log, const char *text, struct buf *note)
{
    struct note_vkey k = vkey_of(f, log);
    uint8_t sig[64];

    ed25519_sign(f->sk, span_str(text), sig);
    buf_reset(note);
    note_write(note, span_str(text), &k, sig);
}

static void signed_root(struct fixture *f, const char *log, uint64_t size, const struct merkle_hash *root, struct buf *note)
{
    struct note_vkey k = vkey_of(f, log);
    const struct note_checkpoint c = { .origin = span_str(k.name), .size = size, .root = *root };
    struct buf text = BUF_INIT(4096);

    note_checkpoint_text(&c, &text);
    signed_text(f, log, buf_cstr(&text), note);
    buf_deinit(&text);
}

/* The root of the first 'size' records as the table has them. */
static struct merkle_hash root_of(struct fixture *f, const char *log, uint64_t size)
{
    struct merkle_frontier t;
    struct merkle_hash h;

    merkle_frontier_init(&t);
    for (uint64_t i = 0; i < size; i++) {
        assert_ok(meta_hashes_get(meta_view(f->m), span_str(log), i, 1, (uint8_t(*)[32]) h.b, NULL));
        assert_ok(merkle_append(&t, &h, NULL, NULL, NULL));
    }
    return merkle_root(&t);
}

static void make_system(struct fixture *f, int records)
{
    fixture_init(f);
    begin(f);
    create_log(f, "system", 5);
    for (int i = 1; i < records; i++)
        append_lease(f, "system", i);
    commit(f);
}

static void faults_have_words(void **state)
{
    static const char *const words[] = { "sound", "shorter", "changed", "refused", "scrub", "damaged" };
    enum audit_fault fault;

    (void) state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_string_equal(audit_fault_word((enum audit_fault) i), words[i]);
        assert_true(audit_fault_find(span_str(words[i]), &fault));
        assert_int_equal(fault, i);
    }
    assert_false(audit_fault_find(SPAN("sounds"), &fault));
}

static void checkpoints_of_less_than_all(void **state)
{
    struct buf note = BUF_INIT(NOTE_MAX);
    struct merkle_hash root;
    struct fixture f;
    struct audit_due d;
    size_t at = 0;

    (void) state;
    make_system(&f, 10);
    begin(&f);
    root = root_of(&f, "system", 6);
    signed_root(&f, "system", 6, &root, &note);
    assert_err(audit_checkpoint_store(f.a, SPAN(PROJECT), buf_span(&note), 9, NULL), ERR_NOTFOUND);
    assert_ok_err(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, &f.e), &f.e);
    assert_ok(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, &f.e)); /* covered already */
    root = root_of(&f, "system", 4);
    signed_root(&f, "system", 4, &root, &note);
    assert_ok(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, &f.e));
    root = root_of(&f, "system", 6);
    signed_root(&f, "system", 7, &root, &note);
    assert_err(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, NULL), ERR_INVAL);
    signed_text(&f, "system", "rec.example.com/v1/audit/system\nmany\nroots\n", &note);
    assert_err(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, NULL), ERR_INVAL);
    commit(&f);
    assert_true(audit_due(f.a, &at, &d));
    assert_int_equal(d.old_size, 6);
    assert_int_equal(d.size, 10);
    (void) sign_due(&f, 10);
    at = 0;
    assert_false(audit_due(f.a, &at, &d));
    at = 0;
    assert_true(audit_each(f.a, &at, &d)); /* grown or not */
    assert_int_equal(d.old_size, 10);
    assert_false(audit_each(f.a, &at, &d));
    begin(&f);
    create_log(&f, PROJECT, 5); /* not yet committed: nothing to sign */
    at = 1;
    assert_false(audit_each(f.a, &at, &d));
    rollback(&f);
    assert_int_equal(check(&f, "system").verdict, AUDIT_GOOD);
    root = root_of(&f, "system", 10);
    signed_root(&f, "system", 10, &root, &note);
    audit_seal(f.a, SPAN("system"), AUDIT_SCRUB, "record 3", 0);
    begin(&f);
    assert_err(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 11, NULL), ERR_STATE);
    rollback(&f);
    fixture_deinit(&f);
    buf_deinit(&note);
}

/* Before the vault has said its key, roots count and signatures do not. */
static void before_the_key_is_known(void **state)
{
    struct buf note = BUF_INIT(NOTE_MAX);
    struct merkle_hash root;
    struct fixture f;

    (void) state;
    make_system(&f, 3);
    root = root_of(&f, "system", 3);
    signed_root(&f, "system", 3, &root, &note);
    f.a = audit_close(f.a);
    assert_ok(audit_open(f.m, SPAN(HOST), &f.a, NULL));
    assert_err(audit_compare(f.a, SPAN("system"), buf_span(&note), NULL), ERR_INVAL); /* it proves nothing */
    begin(&f);
    root.b[0] ^= 1;
    buf_reset(&note);
    signed_root(&f, "system", 3, &root, &note);
    assert_err(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, NULL), ERR_INVAL);
    root.b[0] ^= 1;
    signed_root(&f, "system", 3, &root, &note);
    assert_ok_err(audit_checkpoint_store(f.a, SPAN("system"), buf_span(&note), 9, &f.e), &f.e);
    commit(&f);
    audit_set_key(f.a, f.pk);
    assert_ok(audit_compare(f.a, SPAN("system"), buf_span(&note), &f.e));
    assert_null(audit_sealed(f.a, SPAN_EMPTY));

    f.a = audit_close(f.a); /* a host that can be no key's name */
    assert_ok(audit_open(f.m, SPAN("rec+1.example.com"), &f.a, NULL));
    audit_set_key(f.a, f.pk);
    signed_text(&f, "system", "rec+1.example.com/v1/audit/system\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", &note);
    assert_err(audit_compare(f.a, SPAN("system"), buf_span(&note), NULL), ERR_INVAL);
    fixture_deinit(&f);
    buf_deinit(&note);
}

/* A table that breaks while the log is open. */
static void compared_with_a_table_that_broke(void **state)
{
    struct buf note = BUF_INIT(NOTE_MAX);
    struct merkle_hash root;
    struct fixture f;

    (void) state;
    make_system(&f, 10);
    root = root_of(&f, "system", 7);
    signed_root(&f, "system", 7, &root, &note);
    forge(&f, "DELETE FROM audit WHERE idx=2");
    assert_ok(audit_compare(f.a, SPAN("system"), buf_span(&note), &f.e));
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_DAMAGED);
    fixture_deinit(&f);

    make_system(&f, 300);
    root = root_of(&f, "system", 290);
    signed_root(&f, "system", 290, &root, &note);
    forge(&f, "DELETE FROM audit_node");
    assert_ok(audit_compare(f.a, SPAN("system"), buf_span(&note), &f.e));
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_DAMAGED);
    fixture_deinit(&f);
    buf_deinit(&note);
}

static void what_cannot_be_recorded(void **state)
{
    struct meta_person p = { .id = SPAN("h_AAAAAAAAAAAAAAAA"), .wrap = SPAN("w"), .pk = SPAN("short") };
    const uint8_t salt[32] = { 3 };
    struct leaf l = record(PROJECT, LEAF_PROJECT_CREATED, 9);
    struct meta_opening_list o;
    struct merkle_proof proof;
    struct fixture f;
    struct arena mem;

    (void) state;
    arena_init(&mem, 1u << 20);
    make_system(&f, 1);
    begin(&f);
    l = record("system", LEAF_LOGIN_OK, 9);
    l.actor = SPAN("Mr. Smith");
    assert_err(audit_append(f.a, &l, NULL), ERR_INVAL); /* a name in a place for ids */
    rollback(&f);
    begin(&f);
    assert_ok(meta_person_add(f.m, &p, NULL));
    l = record("system", LEAF_REQUEST_CREATED, 9);
    assert_true(leaf_add_fact(&l, "reason", SPAN("x"), p.id, salt)); /* no key to seal it to: only its digest */
    assert_ok(audit_append(f.a, &l, NULL));
    commit(&f);
    assert_ok(meta_openings(meta_view(f.m), SPAN("system"), 1, &mem, &o, NULL));
    assert_int_equal(o.n, 0);
    assert_err(audit_consistency(f.a, SPAN(PROJECT), 0, 0, &proof, NULL), ERR_NOTFOUND);
    assert_err(audit_inclusion(f.a, SPAN(PROJECT), 0, 1, &proof, NULL), ERR_NOTFOUND);
    audit_seal(f.a, SPAN(PROJECT), AUDIT_SCRUB, "no such log", 0);
    assert_int_equal(audit_fault_of(f.a, SPAN(PROJECT)), AUDIT_SOUND);
    audit_seal(f.a, SPAN("system"), AUDIT_SCRUB, "record 0", 0);
    begin(&f);
    l = record(PROJECT, LEAF_PROJECT_CREATED, 9);
    assert_err(audit_create_log(f.a, &l, NULL), ERR_STATE);
    rollback(&f);
    forge(&f, "UPDATE audit_log SET log='nonsense'");
    f.a = audit_close(f.a);
    assert_err(audit_open(f.m, SPAN(HOST), &f.a, NULL), ERR_CORRUPT);
    fixture_deinit(&f);
    arena_deinit(&mem);
}

/* What a log.continued says, and whether the log goes on at all, whatever the newest checkpoint has come to. */
static void a_log_with_a_damaged_checkpoint_goes_on(void **state)
{
    static const struct {
        const char *sql, *says;
    } cases[] = {
        { "UPDATE checkpoint SET root=zeroblob(5)", "\"n\":{\"size\":9,\"rows\":9,\"signed\":9}" }, /* the note has it */
        { "UPDATE checkpoint SET size=0", "\"n\":{\"size\":9,\"rows\":9,\"signed\":9}" },
        { "UPDATE checkpoint SET root=zeroblob(32), note=replace(CAST(note AS TEXT),'1','2')", "\"n\":{\"size\":0,\"rows\":9,\"signed\":0}" },
        { "UPDATE checkpoint SET root=zeroblob(32), note='no note'", "\"n\":{\"size\":0,\"rows\":9,\"signed\":0}" },
        { "UPDATE checkpoint SET root=zeroblob(32), note=CAST(note || replace(hex(zeroblob(1000)),'0','x') AS BLOB)",
          "\"n\":{\"size\":0,\"rows\":9,\"signed\":0}" },
        { "DELETE FROM checkpoint", "\"n\":{\"size\":0,\"rows\":9,\"signed\":0}" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct leaf first = { .t = 50, .actor = SPAN("system") };
        struct meta_audit_filter all = { .log = SPAN("system~2"), .from = -1, .limit = 10 };
        struct meta_audit_item *rows;
        struct fixture f;
        struct arena mem;
        struct span name;
        int64_t more;
        size_t n;

        make_system(&f, 9);
        (void) sign_due(&f, 9);
        forge(&f, cases[i].sql);
        fixture_reopen(&f);
        audit_seal(f.a, SPAN("system"), AUDIT_SCRUB, "record 3", 0);
        begin(&f);
        assert_ok_err(audit_continue(f.a, SPAN("system"), 0, &first, false, &name, &f.e), &f.e);
        assert_null(audit_sealed(f.a, SPAN_EMPTY)); /* and already so in its transaction */
        commit(&f);
        arena_init(&mem, 1u << 20);
        assert_ok(meta_audit_list(meta_view(f.m), &all, &mem, &rows, &n, &more, NULL));
        assert_int_equal(n, 1);
        if (memmem(rows[0].leaf.p, rows[0].leaf.n, cases[i].says, strlen(cases[i].says)) == NULL)
            fail_msg("%s: " SPAN_FMT, cases[i].sql, SPAN_ARG(rows[0].leaf));
        assert_int_equal(memmem(rows[0].leaf.p, rows[0].leaf.n, "\"digest\"", 8) != NULL, strstr(cases[i].says, "\"size\":9") != NULL);
        assert_int_equal(memmem(rows[0].leaf.p, rows[0].leaf.n, "\"note\"", 6) != NULL, strstr(cases[i].says, "\"size\":9") != NULL);
        arena_deinit(&mem);
        fixture_deinit(&f);
    }
}

/* The newest that is known may lie elsewhere; the vault may have signed more still. */
static void a_log_goes_on_from_what_is_known(void **state)
{
    static const char said[] = "\"n\":{\"size\":12,\"rows\":9,\"signed\":9,\"vault\":14,\"console\":1}";
    struct leaf first = { .t = 50, .actor = SPAN("system") };
    struct buf note = BUF_INIT(NOTE_MAX), longer = BUF_INIT(NOTE_MAX);
    struct merkle_hash root = { { 7 } };
    struct meta_audit_filter all = { .log = SPAN("system~3"), .from = -1, .limit = 10 };
    struct meta_audit_item *rows;
    struct fixture f;
    struct arena mem;
    struct span name;
    int64_t more;
    size_t n;

    (void) state;
    make_system(&f, 9);
    (void) sign_due(&f, 9);
    signed_root(&f, "system", 15, &root, &longer);
    for (int i = 0; i < 15; i++) /* other witnesses' lines: as many as a note may have, and more than a leaf holds */
        buf_add_str(&longer, "\xe2\x80\x94 a-witness-with-a-long-name.and-a-longer-domain.example/and/a/path "
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    assert_true(longer.n > LEAF_NOTE_MAX);
    assert_err(audit_compare(f.a, SPAN("system"), SPAN("no note"), NULL), ERR_INVAL);
    signed_root(&f, "system", 12, &root, &note);
    assert_ok_err(audit_compare(f.a, SPAN("system"), buf_span(&note), &f.e), &f.e);
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_SHORTER);
    audit_seal(f.a, SPAN("system"), AUDIT_REFUSED, "and then", 14);
    audit_seal(f.a, SPAN("system"), AUDIT_REFUSED, "and then", 13); /* the most that it said counts */
    begin(&f);
    assert_ok(audit_seal_store(f.a, &f.e));
    commit(&f);
    begin(&f);
    assert_ok(audit_seal_store(f.a, &f.e)); /* it is stored */
    assert_ok(audit_note_checkpoints(f.a, 40, &n, &f.e));
    assert_int_equal(n, 0);
    assert_err(audit_continue(f.a, SPAN(PROJECT), 0, &first, true, &name, NULL), ERR_STATE);
    assert_err(audit_continue(f.a, SPAN("system~2"), 0, &first, true, &name, NULL), ERR_STATE);
    assert_err(audit_continue(f.a, SPAN("system"), 100000, &first, true, &name, NULL), ERR_LIMIT);
    rollback(&f);
    begin(&f);
    assert_ok_err(audit_continue(f.a, SPAN("system"), 3, &first, true, &name, &f.e), &f.e);
    commit(&f);
    arena_init(&mem, 1u << 20);
    assert_ok(meta_audit_list(meta_view(f.m), &all, &mem, &rows, &n, &more, NULL));
    assert_non_null(memmem(rows[0].leaf.p, rows[0].leaf.n, said, strlen(said)));
    arena_deinit(&mem);
    assert_ok(audit_compare(f.a, SPAN("system"), buf_span(&note), &f.e)); /* the old name's: over, nothing is compared */
    assert_null(audit_sealed(f.a, SPAN_EMPTY));
    fixture_reopen(&f);
    forge(&f, "DELETE FROM audit_log WHERE log='system~3'");
    fixture_reopen(&f); /* the newest that is left is over */
    assert_ok(audit_compare(f.a, SPAN("system"), buf_span(&note), &f.e));
    audit_seal(f.a, SPAN("system"), AUDIT_SCRUB, "it is over", 0);
    assert_null(audit_sealed(f.a, SPAN_EMPTY));
    assert_int_equal(sign_due(&f, 70), 0);
    begin(&f);
    assert_ok(audit_note_checkpoints(f.a, 70, &n, &f.e));
    assert_int_equal(n, 0);
    rollback(&f);
    fixture_deinit(&f);

    make_system(&f, 9);
    assert_ok_err(audit_compare(f.a, SPAN("system"), buf_span(&longer), &f.e), &f.e);
    assert_int_equal(audit_fault_of(f.a, SPAN("system")), AUDIT_SHORTER);
    begin(&f);
    assert_ok_err(audit_continue(f.a, SPAN("system"), 3, &first, true, &name, &f.e), &f.e);
    rollback(&f);
    fixture_deinit(&f);
    buf_deinit(&note);
    buf_deinit(&longer);
}

/* Of several logs that one transaction made, none is left; of those before, all. */
static void several_logs_rolled_back(void **state)
{
    struct fixture f;
    uint64_t size;
    size_t at = 0, n;

    (void) state;
    make_system(&f, 2);
    begin(&f);
    create_log(&f, PROJECT, 5);
    create_log(&f, "p_AAAAAAAAAAAAAAAA", 5);
    rollback(&f);
    assert_err(audit_size(f.a, SPAN(PROJECT), &size, NULL), ERR_NOTFOUND);
    assert_err(audit_size(f.a, SPAN("p_AAAAAAAAAAAAAAAA"), &size, NULL), ERR_NOTFOUND);
    assert_ok(audit_size(f.a, SPAN("system"), &size, NULL));
    assert_int_equal(size, 2);
    begin(&f);
    create_log(&f, PROJECT, 5);
    commit(&f);
    audit_seal(f.a, SPAN(PROJECT), AUDIT_SCRUB, "record 0", 0);
    assert_string_equal(audit_next_sealed(f.a, &at), PROJECT); /* past the sound one */
    assert_null(audit_sealed(f.a, SPAN("system")));
    assert_non_null(audit_sealed(f.a, SPAN(PROJECT)));
    begin(&f);
    assert_ok(audit_note_checkpoints(f.a, 9, &n, NULL));
    assert_int_equal(n, 0);
    rollback(&f);
    fixture_deinit(&f);
}

/* What is stored and not yet committed does not become a leaf. */
static void notes_wait_for_the_commit(void **state)
{
    struct buf note = BUF_INIT(NOTE_MAX);
    struct merkle_hash root;
    struct fixture f;
    size_t n;

    (void) state;
    make_system(&f, 2);
    begin(&f);
    create_log(&f, PROJECT, 5);
    commit(&f);
    (void) sign_due(&f, 9);
    begin(&f);
    append_lease(&f, PROJECT, 1);
    commit(&f);
    root = root_of(&f, PROJECT, 2);
    signed_root(&f, PROJECT, 2, &root, &note);
    begin(&f);
    assert_ok_err(audit_checkpoint_store(f.a, SPAN(PROJECT), buf_span(&note), 11, &f.e), &f.e);
    assert_ok(audit_note_checkpoints(f.a, 11, &n, NULL));
    assert_int_equal(n, 0);
    commit(&f);
    begin(&f);
    assert_ok(audit_note_checkpoints(f.a, 12, &n, NULL));
    assert_int_equal(n, 1);
    commit(&f);
    fixture_deinit(&f);
    buf_deinit(&note);
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

/* What a list has to say, the plain way. */
static size_t passing(const struct meta_audit_filter *f, const struct leaf *all, size_t n_all, int64_t *out)
{
    size_t n = 0;

    for (size_t k = 0; k < n_all && n <= f->limit; k++) {
        size_t i = f->ascending ? k : n_all - 1 - k;
        const struct leaf *l = &all[i];
        struct span word = span_str(leaf_type_word(l->type));
        bool typed = f->n_types == 0;

        for (size_t t = 0; t < f->n_types; t++)
            typed |= f->types[t].p[f->types[t].n - 1] == '.' ? span_starts(word, (const char *) f->types[t].p) : span_eq(word, f->types[t]);
        if (typed && (f->from < 0 || (f->ascending ? (int64_t) i >= f->from : (int64_t) i <= f->from)) &&
            (f->actor.n == 0 || span_eq(f->actor, l->actor)) && (f->q.n == 0 || span_eq(f->q, l->q)) &&
            (f->gid.n == 0 || span_eq(f->gid, l->gid)) && (f->rid.n == 0 || span_eq(f->rid, l->rid)))
            out[n++] = (int64_t) i;
    }
    return n;
}

/* Lists go by what is noted of blocks of 256 records: they say the same as reading everything. */
static void lists_over_many_blocks(void **state)
{
    static const char *const ids[] = { "_AAAAAAAAAAAAAAAA", "_BBBBBBBBBBBBBBBB", "_CCCCCCCCCCCCCCCC", "_DDDDDDDDDDDDDDDD" };
    static const enum leaf_type kinds[] = { LEAF_REQUEST_CREATED, LEAF_LOGIN_OK, LEAF_REPLAY_SETTLED, LEAF_KEY_ISSUED };
    enum { N = 2000 };
    static struct leaf all[N];
    static int64_t want[N + 1];
    char names[4][4][24];
    struct fixture f;
    uint32_t seed = 7;

#define PICK(n) (seed = seed * 1664525u + 1013904223u, (seed >> 16) % (n))
    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, "system", 5);
    create_log(&f, PROJECT, 5);
    for (size_t k = 0; k < 16; k++)
        (void) snprintf(names[k / 4][k % 4], sizeof(names[0][0]), "%c%s", "uqgr"[k / 4], ids[k % 4]);
    all[0] = record(PROJECT, LEAF_PROJECT_CREATED, 5);
    for (size_t i = 1; i < N; i++) {
        size_t rare = i % 700 == 5 ? 3 : i / 512 % 3; /* each of them in some blocks only */
        struct leaf l = record(PROJECT, kinds[PICK(20) == 0 ? 3 : PICK(3)], 1000);

        l.actor = span_str(names[0][PICK(9) == 0 ? 3 : PICK(2)]);
        l.q = PICK(3) == 0 ? span_str(names[1][rare]) : SPAN_EMPTY;
        l.gid = PICK(2) == 0 ? span_str(names[2][rare]) : SPAN_EMPTY;
        l.rid = PICK(2) == 0 ? span_str(names[3][PICK(3)]) : SPAN_EMPTY;
        all[i] = l;
        assert_ok_err(audit_append(f.a, &l, &f.e), &f.e);
    }
    commit(&f);
    for (int turn = 0; turn < 600; turn++) {
        struct span types[2] = { PICK(2) == 0 ? SPAN("replay.") : SPAN("key.issued"), SPAN("request.created") };
        struct meta_audit_filter x = { .log = SPAN(PROJECT), .types = types, .n_types = PICK(3), .ascending = PICK(2) == 0,
                                       .from = PICK(3) == 0 ? -1 : (int64_t) PICK(N + 300), .limit = 1 + PICK(60) };
        struct span *const parts[] = { &x.actor, &x.q, &x.gid, &x.rid };
        struct meta_audit_item *rows;
        struct arena mem;
        size_t n, n_want;
        int64_t more;

        for (size_t k = 0; k < 4; k++)
            *parts[k] = PICK(3) == 0 ? span_str(names[k][PICK(4)]) : SPAN_EMPTY;
        arena_init(&mem, 16u << 20);
        assert_ok_err(meta_audit_list(meta_view(f.m), &x, &mem, &rows, &n, &more, &f.e), &f.e);
        n_want = passing(&x, all, N, want);
        assert_int_equal(n, n_want > x.limit ? x.limit : n_want);
        assert_int_equal(more, n_want > x.limit ? want[x.limit] : -1);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(rows[i].idx, want[i]);
        arena_deinit(&mem);
    }
#undef PICK
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
        cmocka_unit_test(lists_over_many_blocks),
        cmocka_unit_test(faults_have_words),
        cmocka_unit_test(checkpoints_of_less_than_all),
        cmocka_unit_test(before_the_key_is_known),
        cmocka_unit_test(compared_with_a_table_that_broke),
        cmocka_unit_test(what_cannot_be_recorded),
        cmocka_unit_test(a_log_with_a_damaged_checkpoint_goes_on),
        cmocka_unit_test(a_log_goes_on_from_what_is_known),
        cmocka_unit_test(several_logs_rolled_back),
        cmocka_unit_test(notes_wait_for_the_commit),
    };
    return cmocka_run_group_tests(tests, need_crypto, NULL);
}
