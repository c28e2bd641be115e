/* Nothing that is changed in a log goes unseen: every byte of 10 000 records, drop, swap, repeat, cut, fork. */
#include "log.h"

#include "nomem.h"

#define N_LEAVES 10000

struct copy {
    struct buf bytes;
    size_t at[N_LEAVES + 1];
    size_t n;
    struct merkle_hash hash[N_LEAVES];
    struct buf note;
};

static bool take(void *ctx, const struct meta_audit *row)
{
    struct copy *c = ctx;

    c->at[c->n] = c->bytes.n;
    buf_add_span(&c->bytes, row->leaf);
    memcpy(c->hash[c->n++].b, row->hash.p, 32);
    c->at[c->n] = c->bytes.n;
    return true;
}

static struct span leaf_at(const struct copy *c, size_t i)
{
    return span_of(c->bytes.p + c->at[i], c->at[i + 1] - c->at[i]);
}

static struct fixture f;
static struct copy log_copy;

static int make_log(void **state)
{
    struct arena mem;
    struct meta_checkpoint newest;

    (void) state;
    assert_ok(secret_init(64, 64, NULL));
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    for (int i = 1; i < N_LEAVES; i++)
        append_lease(&f, PROJECT, i);
    commit(&f);
    (void) sign_due(&f, 99);
    log_copy.bytes = BUF_INIT(64u << 20);
    log_copy.note = BUF_INIT(4096);
    assert_ok(meta_audit_leaves(meta_view(f.m), SPAN(PROJECT), 0, take, &log_copy, NULL));
    assert_int_equal(log_copy.n, N_LEAVES);
    arena_init(&mem, 65536);
    assert_ok(meta_checkpoint_newest(meta_view(f.m), SPAN(PROJECT), &mem, &newest, NULL));
    buf_add_span(&log_copy.note, newest.note);
    arena_deinit(&mem);
    return 0;
}

static int drop_log(void **state)
{
    (void) state;
    fixture_deinit(&f);
    buf_deinit(&log_copy.bytes);
    buf_deinit(&log_copy.note);
    return 0;
}

/* Feeds leaves 0 to n - 1 as 'order' says (NULL: as they are). */
static struct audit_result run(const size_t *order, size_t n, bool with_note)
{
    struct note_vkey k = vkey_of(&f, PROJECT);
    struct audit_verify *v = audit_verify_new(SPAN(PROJECT), &k);
    struct audit_result r;

    assert_non_null(v);
    if (with_note)
        audit_verify_checkpoint(v, buf_span(&log_copy.note));
    for (size_t i = 0; i < n; i++) {
        if (!audit_verify_leaf(v, leaf_at(&log_copy, order != NULL ? order[i] : i), SPAN_EMPTY))
            break;
    }
    audit_verify_finish(v, &r);
    v = audit_verify_free(v);
    return r;
}

static void an_untouched_log_is_good(void **state)
{
    struct audit_result r = run(NULL, N_LEAVES, true);

    (void) state;
    assert_int_equal(r.verdict, AUDIT_GOOD);
    assert_int_equal(r.n_signed, N_LEAVES);
    assert_int_equal(r.n_leaves, N_LEAVES);
    assert_int_equal(check(&f, PROJECT).verdict, AUDIT_GOOD);
    r = run(NULL, N_LEAVES, false);
    assert_int_equal(r.verdict, AUDIT_NO_CHECKPOINT);
}

/*
 * Each byte of each leaf. With the table's hash the verifier names the record; and without it the root is another one:
 * the record's inclusion in the signed tree cannot be shown any more.
 */
static void every_flipped_byte_is_found(void **state)
{
    struct note_vkey k = vkey_of(&f, PROJECT);
    struct merkle_proof p;
    struct merkle_hash root;
    struct note_checkpoint c;
    struct span text;
    size_t flips = 0, found = 0;

    (void) state;
    assert_int_equal(note_open(buf_span(&log_copy.note), &k, &text), NOTE_GOOD);
    assert_ok(note_checkpoint_parse(text, &c, NULL, NULL));
    root = c.root;
    for (size_t i = 0; i < N_LEAVES; i++) {
        struct span leaf = leaf_at(&log_copy, i);

        for (size_t b = 0; b < leaf.n; b++) {
            uint8_t *byte = log_copy.bytes.p + log_copy.at[i] + b, was = *byte;
            struct merkle_hash h;

            *byte = (uint8_t) (was ^ 1u << (i + b) % 8);
            h = merkle_leaf(leaf);
            flips++;
            found += !merkle_eq(&h, &log_copy.hash[i]);
            *byte = was;
            if (b != i % leaf.n) /* one a leaf, the long way */
                continue;
            *byte = (uint8_t) (was ^ 1u << (i + b) % 8);
            h = merkle_leaf(leaf);
            *byte = was;
            assert_ok(audit_inclusion(f.a, SPAN(PROJECT), i, N_LEAVES, &p, NULL));
            assert_true(merkle_verify_inclusion(i, N_LEAVES, &log_copy.hash[i], &root, p.hash, p.n));
            assert_false(merkle_verify_inclusion(i, N_LEAVES, &h, &root, p.hash, p.n));
        }
    }
    print_message("%zu bytes flipped, %zu found\n", flips, found);
    assert_true(flips > 1500000);
    assert_int_equal(found, flips);
}

static void the_verifier_names_the_record(void **state)
{
    struct note_vkey k = vkey_of(&f, PROJECT);

    (void) state;
    for (size_t i = 0; i < N_LEAVES; i += 997) {
        struct audit_verify *v = audit_verify_new(SPAN(PROJECT), &k);
        struct audit_result r;

        log_copy.bytes.p[log_copy.at[i] + 20] ^= 1;
        audit_verify_checkpoint(v, buf_span(&log_copy.note));
        for (size_t n = 0; n < N_LEAVES; n++) {
            if (!audit_verify_leaf(v, leaf_at(&log_copy, n), SPAN_OF(log_copy.hash[n].b)))
                break;
        }
        log_copy.bytes.p[log_copy.at[i] + 20] ^= 1;
        audit_verify_finish(v, &r);
        assert_int_equal(r.verdict, AUDIT_LEAF_HASH);
        assert_int_equal(r.at, i);
        v = audit_verify_free(v);
    }
}

static void dropped_swapped_repeated_cut(void **state)
{
    static size_t order[N_LEAVES + 1];
    struct audit_result r;

    (void) state;
    for (size_t at = 0; at < N_LEAVES; at += 1 + N_LEAVES / 9) {
        size_t n = 0;

        for (size_t i = 0; i < N_LEAVES; i++) {
            if (i != at)
                order[n++] = i;
        }
        r = run(order, n, true);
        assert_int_equal(r.verdict, AUDIT_LEAF_GAP);
        assert_int_equal(r.at, at);
        for (size_t i = 0; i < N_LEAVES; i++)
            order[i] = i;
        order[at] = (at + 5) % N_LEAVES;
        order[(at + 5) % N_LEAVES] = at;
        r = run(order, N_LEAVES, true);
        assert_int_equal(r.verdict, AUDIT_LEAF_GAP);
        n = 0;
        for (size_t i = 0; i < N_LEAVES; i++) {
            order[n++] = i;
            if (i == at)
                order[n++] = i;
        }
        r = run(order, n, true);
        assert_int_equal(r.verdict, AUDIT_LEAF_GAP);
        assert_int_equal(r.at, at + 1);
        r = run(NULL, at, true);
        assert_int_equal(r.verdict, AUDIT_TRUNCATED);
        assert_int_equal(r.at, at);
    }
}

/* Changed together with its hash row: the table agrees with itself, and only the signed root tells. */
static void a_consistent_lie_is_found_by_the_root(void **state)
{
    struct audit_result r;
    uint8_t *digit = NULL;

    (void) state;
    for (size_t i = 0; i + 1 < log_copy.at[5001] - log_copy.at[5000]; i++) {
        uint8_t *p = log_copy.bytes.p + log_copy.at[5000] + i;

        if (memcmp(p, "bytes\":1", 8) == 0)
            digit = p + 7;
    }
    assert_non_null(digit);
    *digit = '2';
    r = run(NULL, N_LEAVES, true);
    *digit = '1';
    assert_int_equal(r.verdict, AUDIT_ROOT);
    assert_int_equal(r.at, 0);
    assert_int_equal(r.upto, N_LEAVES);
}

static void false_notes(void **state)
{
    struct note_vkey k = vkey_of(&f, PROJECT), other = vkey_of(&f, "system");
    static const enum audit_verdict want[] = { AUDIT_NOTE_UNKNOWN_KEY, AUDIT_NOTE_MALFORMED, AUDIT_NOTE_FORGED };
    struct audit_result r;

    (void) state;
    for (int i = 0; i < 3; i++) {
        struct audit_verify *v = audit_verify_new(SPAN(PROJECT), i == 0 ? &other : &k);
        uint8_t *p = log_copy.note.p + (i == 1 ? log_copy.note.n - 1 : 30);

        *p ^= i == 0 ? 0 : 1;
        audit_verify_checkpoint(v, buf_span(&log_copy.note));
        *p ^= i == 0 ? 0 : 1;
        (void) audit_verify_leaf(v, leaf_at(&log_copy, 0), SPAN_EMPTY);
        audit_verify_finish(v, &r);
        assert_int_equal(r.verdict, want[i]);
        v = audit_verify_free(v);
    }
}

/* A note by the log's own key over whatever text. */
static void signed_text(const char *text, struct buf *note)
{
    struct note_vkey k = vkey_of(&f, PROJECT);
    uint8_t sig[64];

    ed25519_sign(f.sk, span_str(text), sig);
    buf_reset(note);
    note_write(note, span_str(text), &k, sig);
}

static void signed_size(uint64_t size, uint8_t root, struct buf *note)
{
    struct note_vkey k = vkey_of(&f, PROJECT);
    const struct note_checkpoint c = { .origin = span_str(k.name), .size = size, .root = { { root } } };
    struct buf text = BUF_INIT(4096);

    note_checkpoint_text(&c, &text);
    signed_text(buf_cstr(&text), note);
    buf_deinit(&text);
}

/* By the right key, and still no checkpoint of this log: the key signs nothing else, and when it did it is found. */
static void signed_notes_of_something_else(void **state)
{
    static const struct {
        const char *text;
        enum audit_verdict want;
    } cases[] = {
        { "rec.example.com/v1/audit/" PROJECT "\nmany\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", AUDIT_NOTE_MALFORMED },
        { "hello\n", AUDIT_NOTE_MALFORMED },
        { "rec.example.com/v1/audit/system\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", AUDIT_NOTE_ORIGIN },
        { "rec.example.com/v1/audit/" PROJECT "\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", AUDIT_TRUNCATED },
    };
    struct note_vkey k = vkey_of(&f, PROJECT);
    struct buf note = BUF_INIT(4096);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct audit_verify *v = audit_verify_new(SPAN(PROJECT), &k);
        struct audit_result r;

        signed_text(cases[i].text, &note);
        audit_verify_checkpoint(v, buf_span(&note));
        audit_verify_finish(v, &r);
        if (r.verdict != cases[i].want)
            fail_msg("%s: %s", cases[i].text, audit_verdict_word(r.verdict));
        v = audit_verify_free(v);
    }
    buf_deinit(&note);
}

static void several_checkpoints(void **state)
{
    struct note_vkey k = vkey_of(&f, PROJECT);
    struct audit_verify *v = audit_verify_new(SPAN(PROJECT), &k);
    struct buf note = BUF_INIT(4096);
    struct audit_result r;

    (void) state;
    signed_size(5, 1, &note);
    audit_verify_checkpoint(v, buf_span(&note));
    audit_verify_checkpoint(v, buf_span(&note)); /* the same again says nothing new */
    signed_size(4, 9, &note);
    audit_verify_checkpoint(v, buf_span(&note)); /* a smaller one: only its form is looked at */
    audit_verify_finish(v, &r);
    assert_int_equal(r.verdict, AUDIT_TRUNCATED);
    assert_int_equal(r.upto, 5);
    v = audit_verify_free(v);

    v = audit_verify_new(SPAN(PROJECT), &k);
    signed_size(5, 1, &note);
    audit_verify_checkpoint(v, buf_span(&note));
    signed_size(5, 2, &note);
    audit_verify_checkpoint(v, buf_span(&note));
    audit_verify_finish(v, &r);
    assert_int_equal(r.verdict, AUDIT_ROOT);
    v = audit_verify_free(v);

    v = audit_verify_new(SPAN(PROJECT), &k); /* 4096 are kept, and the last one kept is what the log has to reach */
    for (uint64_t i = 1; i <= 4097; i++) {
        signed_size(i, 1, &note);
        audit_verify_checkpoint(v, buf_span(&note));
    }
    audit_verify_finish(v, &r);
    assert_int_equal(r.verdict, AUDIT_TRUNCATED);
    assert_int_equal(r.upto, 4096);
    v = audit_verify_free(v);
    buf_deinit(&note);
}

static void words_and_names(void **state)
{
    static const char *const words[] = { "good",      "note-malformed", "note-unknown-key", "note-forged", "note-origin",
                                         "leaf-malformed", "leaf-gap",  "leaf-time",        "leaf-hash",   "truncated",
                                         "root",      "no-checkpoint",  "tile",             "unknown" };
    char name[LOG_ID_CAP + 1];
    struct note_vkey k = vkey_of(&f, PROJECT);
    struct audit_verify *v;

    (void) state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_string_equal(audit_verdict_word((enum audit_verdict) i), words[i]);
    memset(name, 'x', sizeof(name));
    assert_null(audit_verify_new(span_of(name, LOG_ID_CAP), &k)); /* no room for its end */
    v = audit_verify_new(span_of(name, LOG_ID_CAP - 1), &k);
    assert_non_null(v);
    v = audit_verify_free(v);
    nomem_after(0);
    v = audit_verify_new(SPAN(PROJECT), &k);
    (void) nomem_off();
    assert_null(v);
}

static void leaves_that_are_none(void **state)
{
    static const char *const bad[] = {
        "", "{}", "[]", "null", "{\"v\":1}", "{\"v\":2,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"system\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":\"0\",\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"yesterday\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"} ",
        "{\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0.0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":-1,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":1,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"type\":\"x\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\"}",
        "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":5}",
        " {\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"2026-01-01T00:00:00.000Z\",\"type\":\"x\"}",
    };
    struct note_vkey k = vkey_of(&f, PROJECT);

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct audit_verify *v = audit_verify_new(SPAN(PROJECT), &k);
        bool taken = audit_verify_leaf(v, span_str(bad[i]), SPAN_EMPTY);
        bool space = bad[i][0] != '\0' && bad[i][strlen(bad[i]) - 1] == ' ';

        if (taken != space) /* space behind is JSON; the root decides */
            fail_msg("'%s'", bad[i]);
        v = audit_verify_free(v);
    }
}

static void a_time_that_goes_back(void **state)
{
    static const char fmt[] = "{\"v\":1,\"log\":\"system\",\"i\":%d,\"t\":\"2026-01-01T00:00:00.%03dZ\",\"type\":\"x\"}";
    struct note_vkey k = vkey_of(&f, "system");
    struct audit_verify *v = audit_verify_new(SPAN("system"), &k);
    static const int ms[] = { 5, 5, 6, 5 };
    struct audit_result r;
    char leaf[200];

    (void) state;
    for (int i = 0; i < 4; i++) {
        (void) snprintf(leaf, sizeof(leaf), fmt, i, ms[i]);
        assert_int_equal(audit_verify_leaf(v, span_str(leaf), SPAN_EMPTY), i < 3);
    }
    audit_verify_finish(v, &r);
    assert_int_equal(r.verdict, AUDIT_LEAF_TIME);
    assert_int_equal(r.at, 3);
    v = audit_verify_free(v);
}

/* The same in a copied database, with whatever an attacker can reach there. */
static void every_change_of_a_table_is_found(void **state)
{
    static const char *const attacks[] = {
        "UPDATE audit SET leaf=CAST(replace(CAST(leaf AS TEXT),'3','4') AS BLOB) WHERE idx=4000",
        "UPDATE audit SET hash=zeroblob(32) WHERE idx=9999",
        "UPDATE audit SET time=time+1 WHERE idx=77",
        "UPDATE audit SET rid='r_BBBBBBBBBBBBBBBB' WHERE idx=77",
        "UPDATE audit SET actor=NULL WHERE idx=77",
        "UPDATE audit SET q='q_BBBBBBBBBBBBBBBB' WHERE idx=77",
        "UPDATE audit SET gid='g_BBBBBBBBBBBBBBBB' WHERE idx=77",
        "UPDATE audit SET hash=zeroblob(31) WHERE idx=77",
        "UPDATE audit SET type='login.ok' WHERE idx=77",
        "DELETE FROM audit WHERE idx=500",
        "UPDATE audit SET leaf=NULL WHERE idx=500",
        "DELETE FROM audit WHERE idx>=9000",
        "UPDATE audit_node SET hash=zeroblob(32) WHERE idx=3",
        "DELETE FROM audit_node WHERE idx=38",
        "DELETE FROM audit_seen WHERE block=38 AND word='replay.'",
        "DELETE FROM audit_seen",
        "UPDATE audit_node SET hash=zeroblob(31) WHERE idx=38",
        "UPDATE checkpoint SET note=replace(CAST(note AS TEXT),'1','2')",
        "UPDATE checkpoint SET note=''",
        "DELETE FROM checkpoint",
    };

    (void) state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        struct fixture g = f;
        struct audit_result r;
        struct note_vkey k = vkey_of(&f, PROJECT);
        char into[200];

        (void) snprintf(g.path, sizeof(g.path), "%s/copy.db", f.dir);
        (void) snprintf(into, sizeof(into), "VACUUM INTO '%s'", g.path);
        {
            sqlite3 *h;

            assert_int_equal(sqlite3_open(f.path, &h), SQLITE_OK);
            assert_int_equal(sqlite3_exec(h, into, NULL, NULL, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_close(h), SQLITE_OK);
        }
        forge(&g, attacks[i]);
        assert_ok_err(meta_open(g.path, &g.m, &g.e), &g.e);
        assert_ok_err(audit_check(meta_view(g.m), SPAN(PROJECT), &k, &r, &g.e), &g.e);
        if (r.verdict == AUDIT_GOOD)
            fail_msg("not found: %s", attacks[i]);
        g.m = meta_close(g.m);
        assert_int_equal(unlink(g.path), 0);
        (void) snprintf(into, sizeof(into), "%s/copy.db-wal", f.dir);
        (void) unlink(into);
        (void) snprintf(into, sizeof(into), "%s/copy.db-shm", f.dir);
        (void) unlink(into);
    }
}

/* A record that was changed with its hash: its columns are held against what it says, whatever that is. */
static void columns_against_the_leaf(void **state)
{
    static const struct {
        const char *actor;
        enum audit_verdict want;
    } cases[] = {
        { "\"u_8zYGTnU-_hqeQ2Lx\"", AUDIT_GOOD }, { "5", AUDIT_LEAF_MALFORMED },
        { "null", AUDIT_LEAF_MALFORMED },          { "\"u_AAAAAAAAAAAAAAAA\"", AUDIT_LEAF_MALFORMED },
    };
    struct fixture g;

    (void) state;
    fixture_init(&g);
    begin(&g);
    create_log(&g, "system", 5);
    commit(&g);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char leaf[300], sql[1000], hex[65];
        struct merkle_hash h;

        (void) snprintf(leaf, sizeof(leaf), "{\"v\":1,\"log\":\"system\",\"i\":0,\"t\":\"1970-01-01T00:00:00.005Z\",\"type\":\"project.created\",\"actor\":%s}",
                        cases[i].actor);
        h = merkle_leaf(span_str(leaf));
        for (size_t k = 0; k < sizeof(h.b); k++)
            (void) snprintf(hex + 2 * k, 3, "%02x", h.b[k]);
        (void) snprintf(sql, sizeof(sql), "DELETE FROM checkpoint; UPDATE audit SET hash=x'%s', leaf=CAST('%s' AS BLOB)", hex, leaf);
        forge(&g, sql);
        fixture_reopen(&g);
        (void) sign_due(&g, 9); /* and signed: nothing else is wrong with it */
        assert_int_equal(check(&g, "system").verdict, cases[i].want);
    }
    fixture_deinit(&g);
}

/* What stands in the document between ```info and ```. */
static struct span fenced(const struct buf *doc, const char *info)
{
    char fence[64];
    const char *from, *to;

    (void) snprintf(fence, sizeof(fence), "\n```%s\n", info);
    from = memmem(doc->p, doc->n, fence, strlen(fence));
    assert_non_null(from);
    from += strlen(fence);
    to = memmem(from, doc->n - (size_t) (from - (const char *) doc->p), "\n```", 4);
    assert_non_null(to);
    return span_of(from, (size_t) (to - from) + 1);
}

static void the_documents_example_verifies(void **state)
{
    struct buf doc;
    struct note_vkey k;
    struct audit_verify *v;
    struct audit_result r;
    struct span leaves, line, opening;
    char digest[LEAF_DIGEST_LEN + 1];
    int n = 0;

    (void) state;
    test_read_file(test_source("docs/formats/audit.md"), &doc);
    (void) span_cut(fenced(&doc, "vkey"), '\n', &line, &leaves);
    assert_ok(note_vkey_parse(line, &k, NULL));
    assert_memory_equal(k.pk, f.pk, 32);
    v = audit_verify_new(SPAN(PROJECT), &k);
    audit_verify_checkpoint(v, fenced(&doc, "note"));
    (void) span_cut(fenced(&doc, "disclosure"), '\n', &opening, &line);
    assert_ok(leaf_disclosure_digest(opening, digest, NULL));
    leaves = fenced(&doc, "leaves");
    for (; span_cut(leaves, '\n', &line, &leaves); n++) {
        assert_true(audit_verify_leaf(v, line, SPAN_EMPTY));
        assert_int_equal(memmem(line.p, line.n, digest, LEAF_DIGEST_LEN) != NULL, n == 1);
    }
    audit_verify_finish(v, &r);
    assert_int_equal(r.verdict, AUDIT_GOOD);
    assert_int_equal(r.n_signed, 3);
    v = audit_verify_free(v);
    buf_deinit(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_log_is_good),
        cmocka_unit_test(every_flipped_byte_is_found),
        cmocka_unit_test(the_verifier_names_the_record),
        cmocka_unit_test(dropped_swapped_repeated_cut),
        cmocka_unit_test(a_consistent_lie_is_found_by_the_root),
        cmocka_unit_test(false_notes),
        cmocka_unit_test(signed_notes_of_something_else),
        cmocka_unit_test(several_checkpoints),
        cmocka_unit_test(words_and_names),
        cmocka_unit_test(leaves_that_are_none),
        cmocka_unit_test(a_time_that_goes_back),
        cmocka_unit_test(every_change_of_a_table_is_found),
        cmocka_unit_test(columns_against_the_leaf),
        cmocka_unit_test(the_documents_example_verifies),
    };
    return cmocka_run_group_tests(tests, make_log, drop_log);
}
