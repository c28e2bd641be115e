/* Receipts: written, read, checked; every changed byte is found; wrong forms are refused. */
#include "test.h"

#include <stdio.h>

#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "format/receipt.h"

#define ORIGIN "rec.example.com/v1/audit/system"
#define N      7

struct log {
    struct note_vkey key;
    struct merkle_hash nodes[4][N];
    struct buf note;
};

static void keep(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    ((struct log *) ctx)->nodes[level][index] = *hash;
}

static enum err read_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err_info *reterr)
{
    (void) reterr;
    *ret = ((struct log *) ctx)->nodes[level][index];
    return ERR_OK;
}

static struct span leaf(unsigned i)
{
    static const char *const leaves[N] = { "zero", "one", "two", "three", "four", "five", "six" };

    return span_str(leaves[i]);
}

static void log_make(struct log *l)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(1000);
    struct note_checkpoint c = { .origin = SPAN(ORIGIN), .size = N };
    struct merkle_frontier f;
    struct secret *sk = NULL;
    uint8_t pk[ED25519_PUB_LEN], sig[ED25519_SIG_LEN];

    merkle_frontier_init(&f);
    for (unsigned i = 0; i < N; i++) {
        struct merkle_hash h = merkle_leaf(leaf(i));

        assert_ok(merkle_append(&f, &h, keep, l, NULL));
    }
    c.root = merkle_root(&f);
    assert_ok(ed25519_generate(&sk, pk, NULL));
    assert_ok(note_vkey_init(&l->key, SPAN(ORIGIN), pk, NULL));
    note_checkpoint_text(&c, &text);
    ed25519_sign(sk, buf_span(&text), sig);
    sk = secret_free(sk);
    buf_init(&l->note, 4096);
    note_write(&l->note, buf_span(&text), &l->key, sig);
}

static void make(struct log *l, unsigned i, bool with_leaf, struct buf *out)
{
    struct receipt r = { .leaf = with_leaf ? leaf(i) : SPAN_EMPTY, .index = i, .note = buf_span(&l->note) };

    assert_ok(merkle_prove_inclusion(i, N, read_node, l, &r.path, NULL));
    assert_ok(receipt_write(&r, out, NULL));
}

/* Verdict of a text; RECEIPT_MALFORMED also for what cannot be read. */
static enum receipt_verdict verdict(const struct log *l, struct span text, struct span own_leaf)
{
    CLEANUP(buf_deinit) struct buf mem = BUF_INIT(100000);
    struct receipt r;

    if (receipt_parse(text, &mem, &r, NULL) != ERR_OK)
        return RECEIPT_MALFORMED;
    return receipt_check(&r, r.leaf.n > 0 ? r.leaf : own_leaf, &l->key, NULL);
}

static void each_record(void **state)
{
    struct log l;

    (void) state;
    log_make(&l);
    for (unsigned i = 0; i < N; i++) {
        for (int with = 0; with < 2; with++) {
            CLEANUP(buf_deinit) struct buf text = BUF_INIT(RECEIPT_MAX);

            make(&l, i, with, &text);
            assert_int_equal(verdict(&l, buf_span(&text), leaf(i)), RECEIPT_GOOD);
            if (!with)
                assert_int_equal(verdict(&l, buf_span(&text), leaf((i + 1) % N)), RECEIPT_NOT_IN);
        }
    }
    buf_deinit(&l.note);
}

static void every_changed_byte(void **state)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(RECEIPT_MAX);
    struct log l;

    (void) state;
    log_make(&l);
    make(&l, 5, true, &text);
    for (size_t i = 0; i < text.n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            text.p[i] ^= (uint8_t) (1u << bit);
            if (verdict(&l, buf_span(&text), SPAN_EMPTY) == RECEIPT_GOOD)
                fail_msg("byte %zu, bit %u: still good", i, bit);
            text.p[i] ^= (uint8_t) (1u << bit);
        }
        assert_int_not_equal(verdict(&l, span_sub(buf_span(&text), 0, i), SPAN_EMPTY), RECEIPT_GOOD);
    }
    assert_int_equal(verdict(&l, buf_span(&text), SPAN_EMPTY), RECEIPT_GOOD);
    buf_deinit(&l.note);
}

static void other_keys_and_logs(void **state)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(RECEIPT_MAX);
    struct log l, other;

    (void) state;
    log_make(&l);
    log_make(&other);
    make(&l, 2, true, &text);
    assert_int_equal(verdict(&other, buf_span(&text), SPAN_EMPTY), RECEIPT_UNKNOWN_KEY);
    buf_deinit(&l.note);
    buf_deinit(&other.note);
}

/* The code block ```word of the format's page. */
static struct span block(const struct buf *page, const char *word)
{
    char fence[40];
    const char *at, *end;

    (void) snprintf(fence, sizeof(fence), "\n```%s\n", word);
    at = strstr((const char *) page->p, fence);
    assert_non_null(at);
    at += strlen(fence);
    end = strstr(at, "```");
    assert_non_null(end);
    return span_of(at, (size_t) (end - at));
}

/* The example of docs/formats/audit.md, which a script made that shares no code with ours. */
static void the_page(void **state)
{
    CLEANUP(buf_deinit) struct buf page = BUF_INIT(1 << 20);
    CLEANUP(buf_deinit) struct buf mem = BUF_INIT(RECEIPT_MAX);
    CLEANUP(buf_deinit) struct buf again = BUF_INIT(RECEIPT_MAX);
    struct note_vkey key;
    struct span line, rest;
    struct receipt r;
    uint64_t size;

    (void) state;
    test_read_file(test_source("docs/formats/audit.md"), &page);
    (void) buf_cstr(&page);
    (void) span_cut(block(&page, "vkey"), '\n', &line, &rest);
    assert_ok(note_vkey_parse(line, &key, NULL));
    assert_ok(receipt_parse(block(&page, "receipt"), &mem, &r, NULL));
    assert_int_equal(r.index, 1);
    assert_true(span_starts(r.leaf, "{\"v\":1,\"log\":\"p_zNe2lKL4dQxW8s0b\",\"i\":1,"));
    assert_int_equal(receipt_check(&r, r.leaf, &key, &size), RECEIPT_GOOD);
    assert_int_equal(size, 3);
    assert_ok(receipt_write(&r, &again, NULL));
    assert_span_eq(buf_span(&again), block(&page, "receipt"));
}

static void wrong_forms(void **state)
{
    static const char *const wrong[] = {
        "", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nx", "c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx", "c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nx",
        "c2sp.org/tlog-proof@v1\nextra AAAA\n", "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nx",
        "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nx",
    };
    CLEANUP(buf_deinit) struct buf mem = BUF_INIT(100000);
    CLEANUP(buf_deinit) struct buf deep = BUF_INIT(100000);
    struct receipt r;

    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (receipt_parse(span_str(wrong[i]), &mem, &r, NULL) != ERR_INVAL)
            fail_msg("case %zu is taken", i);
    }
    buf_add_str(&deep, "c2sp.org/tlog-proof@v1\nindex 0\n");
    for (size_t i = 0; i <= MERKLE_PROOF_MAX; i++)
        buf_add_str(&deep, "DVkAEAIpHg6n6ORj6j4vDmkxCBVp6nG5oYTEfK3Kd+4=\n");
    buf_add_str(&deep, "\nx");
    assert_err(receipt_parse(buf_span(&deep), &mem, &r, NULL), ERR_INVAL);
}

/* A text signed by the log's key, as receipt of leaf 0. */
static enum receipt_verdict signed_text(const char *text, const char *key_name)
{
    CLEANUP(buf_deinit) struct buf note = BUF_INIT(4096);
    CLEANUP(buf_deinit) struct buf all = BUF_INIT(RECEIPT_MAX);
    struct log l = { .note = BUF_INIT(1) };
    struct receipt r = { .leaf = leaf(0) };
    struct secret *sk = NULL;
    uint8_t pk[ED25519_PUB_LEN], sig[ED25519_SIG_LEN];

    assert_ok(ed25519_generate(&sk, pk, NULL));
    assert_ok(note_vkey_init(&l.key, span_str(key_name), pk, NULL));
    ed25519_sign(sk, span_str(text), sig);
    sk = secret_free(sk);
    note_write(&note, span_str(text), &l.key, sig);
    r.note = buf_span(&note);
    assert_ok(receipt_write(&r, &all, NULL));
    return verdict(&l, buf_span(&all), SPAN_EMPTY);
}

/* Signed by the right key, and yet no checkpoint of this log. */
static void signed_by_the_key_but_no_checkpoint(void **state)
{
#define ROOT "RmOvVpEqHp1u2QzGOQ+6jMdSuCcGVJVzC/8yNyuOJ2o="
    (void) state;
    assert_int_equal(signed_text("a text\n", ORIGIN), RECEIPT_MALFORMED);
    assert_int_equal(signed_text("other.example.com/v1/audit/system\n1\n" ROOT "\n", ORIGIN), RECEIPT_ORIGIN);
    assert_int_equal(signed_text(ORIGIN "\n1\n" ROOT "\n", ORIGIN), RECEIPT_NOT_IN);
    assert_int_equal(signed_text(ORIGIN "\n01\n" ROOT "\n", ORIGIN), RECEIPT_MALFORMED);
}

static void numbers_and_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t index; /* UINT64_MAX: refused */
    } cases[] = {
        { "index 10\n", 10 }, { "index 9223372036854775807\n", INT64_MAX }, { "index 9223372036854775808\n", UINT64_MAX },
        { "index 01\n", UINT64_MAX }, { "index \n", UINT64_MAX }, { "Index 1\n", UINT64_MAX }, { "", UINT64_MAX },
        { "extra AAAA\nindex 7\n", 7 }, { "extra AAAA", UINT64_MAX },
    };
    CLEANUP(buf_deinit) struct buf mem = BUF_INIT(RECEIPT_MAX);
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(RECEIPT_MAX + 1);
    CLEANUP(buf_deinit) struct buf small = BUF_INIT(3);
    struct receipt r;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&text);
        buf_addf(&text, "c2sp.org/tlog-proof@v1\n%s\nnote", cases[i].text);
        if ((receipt_parse(buf_span(&text), &mem, &r, NULL) == ERR_OK) != (cases[i].index != UINT64_MAX))
            fail_msg("'%s'", cases[i].text);
        if (cases[i].index != UINT64_MAX)
            assert_int_equal(r.index, cases[i].index);
    }
    buf_reset(&text);
    buf_add_str(&text, "c2sp.org/tlog-proof@v1\nextra AAAAAAAA\nindex 1\n\n");
    assert_err(receipt_parse(buf_span(&text), &small, &r, NULL), ERR_INVAL); /* no room for the leaf */
    while (text.n < RECEIPT_MAX)
        buf_add_c(&text, 'x');
    assert_ok(receipt_parse(buf_span(&text), &mem, &r, NULL));
    buf_add_c(&text, 'x');
    assert_err(receipt_parse(buf_span(&text), &mem, &r, NULL), ERR_LIMIT);
}

static void words_of_verdicts(void **state)
{
    static const char *const words[] = {
        [RECEIPT_GOOD] = "good", [RECEIPT_MALFORMED] = "malformed", [RECEIPT_UNKNOWN_KEY] = "unknown-key",
        [RECEIPT_FORGED] = "forged", [RECEIPT_ORIGIN] = "origin", [RECEIPT_NOT_IN] = "not-in",
    };

    (void) state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_string_equal(receipt_verdict_word((enum receipt_verdict) i), words[i]);
    assert_string_equal(receipt_verdict_word((enum receipt_verdict) 99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record),
        cmocka_unit_test(every_changed_byte),
        cmocka_unit_test(other_keys_and_logs),
        cmocka_unit_test(wrong_forms),
        cmocka_unit_test(the_page),
        cmocka_unit_test(signed_by_the_key_but_no_checkpoint),
        cmocka_unit_test(numbers_and_sizes),
        cmocka_unit_test(words_of_verdicts),
    };

    if (secret_init(16, 64, NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
