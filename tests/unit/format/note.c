/* Signed notes and checkpoints: the standards' own examples, other people's logs, damage. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/base64.h"
#include "crypto/ed25519.h"
#include "format/note.h"

static const char spec_key[] = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char spec_note[] =
    "This is an example message.\n\n\xe2\x80\x94 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

static struct note_vkey key_of(const char *text)
{
    struct note_vkey k;
    struct err_info e;

    assert_ok_err(note_vkey_parse(span_str(text), &k, &e), &e);
    return k;
}

static void the_standards_example(void **state)
{
    struct note_vkey k = key_of(spec_key);
    struct buf b = BUF_INIT(4096);
    struct span text;

    (void) state;
    assert_int_equal(note_open(span_str(spec_note), &k, &text), NOTE_GOOD);
    assert_span_str(text, "This is an example message.\n");
    note_vkey_text(&k, &b);
    assert_span_str(buf_span(&b), spec_key);
    buf_deinit(&b);
}

static void bad_keys(void **state)
{
    static const struct {
        const char *text;
        enum err want;
    } cases[] = {
        { "", ERR_INVAL },
        { "PeterNeumann", ERR_INVAL },
        { "PeterNeumann+c74f20a3", ERR_INVAL },
        { "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", ERR_INVAL },
        { "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_UNSUPPORTED },
        { "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_INVAL },
        { "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_INVAL },
        { "PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_INVAL },
        { "bananas.sigstore.dev+12344556", ERR_INVAL },
        { "rekor.sigstore.dev+NOT_A_NUMBER+", ERR_INVAL },
        { "rekor.sigstore.dev+12345678+AwEB", ERR_UNSUPPORTED },
    };
    struct note_vkey k;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_err(note_vkey_parse(span_str(cases[i].text), &k, NULL), cases[i].want);
    assert_ok(note_vkey_parse(SPAN("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), &k, NULL));
}

static void what_we_write_reads_back(void **state)
{
    uint8_t seed[32] = { 7 }, pk[32], sig[64];
    CLEANUP(secret_freep) struct secret *sk = NULL;
    struct note_checkpoint c = { SPAN("rec.example.com/v1/audit/system"), 20852163, { { 1, 2, 3 } } }, d;
    struct buf text = BUF_INIT(4096), note = BUF_INIT(4096);
    struct note_vkey k, other;
    struct span got;
    bool ext;

    (void) state;
    assert_ok(ed25519_from_seed(seed, &sk, pk, NULL));
    assert_ok(note_vkey_init(&k, c.origin, pk, NULL));
    note_checkpoint_text(&c, &text);
    assert_span_str(buf_span(&text), "rec.example.com/v1/audit/system\n20852163\n"
                                     "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    ed25519_sign(sk, buf_span(&text), sig);
    note_write(&note, buf_span(&text), &k, sig);
    assert_int_equal(note_open(buf_span(&note), &k, &got), NOTE_GOOD);
    assert_span_eq(got, buf_span(&text));
    assert_ok(note_checkpoint_parse(got, &d, &ext, NULL));
    assert_false(ext);
    assert_int_equal(d.size, c.size);
    assert_true(merkle_eq(&c.root, &d.root));
    assert_ok(note_vkey_init(&other, SPAN("rec.example.com/v1/audit/other"), pk, NULL));
    assert_int_equal(note_open(buf_span(&note), &other, &got), NOTE_UNKNOWN_KEY);

    for (size_t i = 0; i < note.n * 8; i++) { /* no flipped bit goes unseen */
        note.p[i / 8] ^= (uint8_t) (1u << i % 8);
        if (note_open(buf_span(&note), &k, &got) == NOTE_GOOD)
            fail_msg("bit %zu of byte %zu", i % 8, i / 8);
        note.p[i / 8] ^= (uint8_t) (1u << i % 8);
    }
    for (size_t n = 0; n < note.n; n++)
        assert_int_not_equal(note_open(span_of(note.p, n), &k, &got), NOTE_GOOD);
    buf_deinit(&text);
    buf_deinit(&note);
}

static void unknown_lines_are_ignored_malformed_ones_not(void **state)
{
    struct note_vkey k = key_of(spec_key);
    struct buf b = BUF_INIT(65536);
    struct span text;

    (void) state;
    buf_add_str(&b, spec_note);
    buf_add_str(&b, "\xe2\x80\x94 witness.example AAAAAAECAwQ=\n");
    assert_int_equal(note_open(buf_span(&b), &k, &text), NOTE_GOOD);
    buf_add_str(&b, "Unexpected line.\n");
    assert_int_equal(note_open(buf_span(&b), &k, &text), NOTE_MALFORMED);
    buf_reset(&b);
    buf_add_str(&b, spec_note);
    for (int i = 0; i < 15; i++)
        buf_add_str(&b, "\xe2\x80\x94 witness.example AAAAAAECAwQ=\n");
    assert_int_equal(note_open(buf_span(&b), &k, &text), NOTE_GOOD); /* 16 signatures */
    buf_add_str(&b, "\xe2\x80\x94 witness.example AAAAAAECAwQ=\n");
    assert_int_equal(note_open(buf_span(&b), &k, &text), NOTE_MALFORMED);
    buf_reset(&b);
    buf_add_str(&b, "\x01 text\n");
    buf_add_span(&b, span_sub(span_str(spec_note), 28, 4000));
    assert_int_equal(note_open(buf_span(&b), &k, &text), NOTE_MALFORMED);
    assert_int_equal(note_open(SPAN("text without signatures\n"), &k, &text), NOTE_MALFORMED);
    assert_int_equal(note_open(SPAN_EMPTY, &k, &text), NOTE_MALFORMED);
    buf_deinit(&b);
}

static void checkpoint_forms(void **state)
{
    static const struct {
        const char *text;
        enum err want;
    } cases[] = {
        { "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", ERR_OK },
        { "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextension\n", ERR_OK },
        { "a\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", ERR_INVAL },
        { "a\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", ERR_INVAL },
        { "a\n0xab\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", ERR_INVAL },
        { "a\n\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", ERR_INVAL },
        { "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n", ERR_INVAL },
        { "a\n1\nZG9uJ3QgY2FyZSAx\n", ERR_INVAL },
        { "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", ERR_INVAL },
        { "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n", ERR_INVAL },
        { "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ERR_INVAL },
    };
    struct note_checkpoint c;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_err(note_checkpoint_parse(span_str(cases[i].text), &c, NULL, NULL), cases[i].want);
}

/* A log that transparency-dev/tessera wrote: its roots are ours. */
static void a_foreign_log_has_our_roots(void **state)
{
    static const char *const words[] = { "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten",
                                         "ileven", "twelf", "threeten", "fourten", "fivten" };
    struct merkle_frontier f;
    size_t good = 0;

    (void) state;
    if (test_shared("tlog_merkle/serverless-log/log/checkpoint.1") == NULL)
        skip();
    merkle_frontier_init(&f);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct merkle_hash leaf = merkle_leaf(span_str(words[i])), root;
        char path[128];
        struct note_checkpoint c;
        struct span text;
        struct buf note;
        struct note_vkey k = key_of("astra+cad5a3d2+AZJqeuyE/GnknsCNh1eCtDtwdAwKBddOlS8M2eI1Jt4b");

        assert_ok(merkle_append(&f, &leaf, NULL, NULL, NULL));
        root = merkle_root(&f);
        (void) snprintf(path, sizeof(path), "tlog_merkle/serverless-log/log/checkpoint.%zu", i + 1);
        test_read_file(test_shared(path), &note);
        assert_int_equal(note_open(buf_span(&note), &k, &text), NOTE_GOOD);
        assert_ok(note_checkpoint_parse(text, &c, NULL, NULL));
        assert_int_equal(c.size, i + 1);
        assert_span_eq(SPAN_OF(c.root.b), SPAN_OF(root.b));
        good++;
        buf_deinit(&note);
    }
    assert_int_equal(good, 15);
}

static int need_crypto(void **state)
{
    struct err_info e;

    (void) state;
    assert_ok_err(secret_init(16, 16, &e), &e);
    return 0;
}

static void names_of_keys(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        { "a", true },          { "h/v1/audit/system", true }, { "\xc3\xa9", true },       { "a\xe1\x99\xbf" "b", true },
        { "\xe2\x80\x8b", true }, { "\xe2\x80\xa7", true },    { "a!b", true },            { "", false },
        { "a b", false },       { "a\tb", false },             { "a\rb", false },          { "a\nb", false },
        { "a+b", false },       { "a\x01", false },            { "a\x08", false },         { "a\x0e", false },
        { "a\x7f", false },     { "a\xc2\x85", false },        { "a\xc2\xa0", false },     { "a\xe1\x9a\x80", false },
        { "a\xe2\x80\x80", false }, { "a\xe2\x80\x8a", false }, { "a\xe2\x80\xa8", false }, { "a\xe2\x80\xa9", false },
        { "a\xe2\x80\xaf", false }, { "a\xe2\x81\x9f", false }, { "a\xe3\x80\x80", false }, { "a\xff", false },
    };
    uint8_t pk[NOTE_ED25519_PK] = { 1 };
    char name[NOTE_NAME_MAX + 1];
    struct note_vkey k;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if ((note_vkey_init(&k, span_str(cases[i].name), pk, NULL) == ERR_OK) != cases[i].good)
            fail_msg("'%s'", cases[i].name);
    }
    memset(name, 'x', sizeof(name));
    assert_ok(note_vkey_init(&k, span_of(name, NOTE_NAME_MAX), pk, NULL));
    assert_err(note_vkey_init(&k, span_of(name, NOTE_NAME_MAX + 1), pk, NULL), ERR_INVAL);
}

static void more_bad_keys(void **state)
{
    static const char *const cases[] = { "a+1234567g+AQ==", "a+12345678+", "a+12345678+AQ==", "a+12345678+!" };
    struct note_vkey k;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_err(note_vkey_parse(span_str(cases[i]), &k, NULL), ERR_INVAL);
}

static void checkpoints_that_end_early(void **state)
{
    static const char *const cases[] = { "", "a", "a\n", "a\n1", "a\n1\n",
                                         "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextension" };
    struct note_checkpoint c;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_err(note_checkpoint_parse(span_str(cases[i]), &c, NULL, NULL), ERR_INVAL);
}

static void signature_lines(void **state)
{
    static const struct {
        const char *sigs;
        enum note_verdict want;
    } cases[] = {
        { "\xe2\x80\x94 h AAAAAAA=\n", NOTE_UNKNOWN_KEY },        /* id and one byte */
        { "\xe2\x80\x94 h AAAAAA==\n", NOTE_MALFORMED },          /* an id and nothing else */
        { "\xe2\x80\x94 h\n", NOTE_MALFORMED },                   /* a name and nothing else */
        { "\xe2\x80\x94 h \n", NOTE_MALFORMED },
        { "\xe2\x80\x94 h+ AAAAAAA=\n", NOTE_MALFORMED },         /* no name */
        { "\xe2\x80\x94  AAAAAAA=\n", NOTE_MALFORMED },
        { "\xe2\x80\x94 h AAAAAA!=\n", NOTE_MALFORMED },
        { "- h AAAAAAA=\n", NOTE_MALFORMED },
        { "\xe2\x80\x94 h AAAAAAA=", NOTE_MALFORMED },            /* no newline at the end */
        { "\xe2\x80\x94 example.com/foo Uw2QOgA=\n", NOTE_FORGED }, /* the key's name and id, and one byte */
        { "\xe2\x80\x94 example.com/foo Uw2QOwA=\n", NOTE_UNKNOWN_KEY },
    };
    struct note_vkey k = key_of(spec_key);
    struct span text;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT(4096);

        buf_addf(&b, "text\n\n%s", cases[i].sigs);
        if (note_open(buf_span(&b), &k, &text) != cases[i].want)
            fail_msg("case %zu: %s", i, note_verdict_word(note_open(buf_span(&b), &k, &text)));
        buf_deinit(&b);
    }
}

/* The largest note that is read, and one byte more. */
static void sizes_of_notes(void **state)
{
    static const char sig[] = "\n\xe2\x80\x94 h AAAAAAA=\n";
    struct note_vkey k = key_of(spec_key);
    struct buf b = BUF_INIT(NOTE_MAX + 1);
    struct span text, sigs;

    (void) state;
    while (b.n < NOTE_MAX - sizeof(sig))
        buf_add_c(&b, 'x');
    buf_add_c(&b, '\n');
    buf_add_str(&b, sig);
    assert_int_equal(b.n, NOTE_MAX);
    assert_ok(note_split(buf_span(&b), &text, &sigs, NULL));
    assert_int_equal(note_open(buf_span(&b), &k, &text), NOTE_UNKNOWN_KEY);
    buf_add_c(&b, '\n');
    assert_err(note_split(buf_span(&b), &text, &sigs, NULL), ERR_LIMIT);
    buf_deinit(&b);
}

static void words_and_origins(void **state)
{
    struct buf b = BUF_INIT(100);

    (void) state;
    assert_string_equal(note_verdict_word(NOTE_GOOD), "good");
    assert_string_equal(note_verdict_word(NOTE_MALFORMED), "malformed");
    assert_string_equal(note_verdict_word(NOTE_UNKNOWN_KEY), "unknown-key");
    assert_string_equal(note_verdict_word(NOTE_FORGED), "forged");
    assert_string_equal(note_verdict_word((enum note_verdict) 99), "unknown");
    note_origin(&b, SPAN("rec.example.com"), SPAN("system~2"));
    assert_span_str(buf_span(&b), "rec.example.com/v1/audit/system~2");
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_example),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(what_we_write_reads_back),
        cmocka_unit_test(unknown_lines_are_ignored_malformed_ones_not),
        cmocka_unit_test(checkpoint_forms),
        cmocka_unit_test(a_foreign_log_has_our_roots),
        cmocka_unit_test(names_of_keys),
        cmocka_unit_test(more_bad_keys),
        cmocka_unit_test(checkpoints_that_end_early),
        cmocka_unit_test(signature_lines),
        cmocka_unit_test(sizes_of_notes),
        cmocka_unit_test(words_and_origins),
    };
    return cmocka_run_group_tests(tests, need_crypto, NULL);
}
