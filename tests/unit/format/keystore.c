/* The key store: the document's example, every byte flipped, entries dropped and swapped, rules of each kind. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "crypto/aead.h"
#include "crypto/ed25519.h"
#include "crypto/es256.h"
#include "crypto/hash.h"
#include "format/keystore.h"

static struct secret *master;

static int setup(void **state)
{
    (void) state;
    master = secret_new(32);
    for (size_t i = 0; i < 32; i++)
        secret_bytes(master)[i] = (uint8_t) i;
    return 0;
}

static int teardown(void **state)
{
    struct secret_state st;

    (void) state;
    master = secret_free(master);
    secret_state(&st);
    return st.used_32 + st.used_64 == 0 ? 0 : -1; /* every path gave its slots back */
}

static void from_document(struct buf *out)
{
    struct buf doc, text = BUF_INIT(8192);
    const char *at, *end;
    size_t n = 0;

    test_read_file(test_source("docs/formats/keystore.md"), &doc);
    at = strstr(buf_cstr(&doc), "## Example");
    assert_non_null(at);
    at = strstr(at, "```\n");
    assert_non_null(at);
    end = strstr(at + 4, "```");
    assert_non_null(end);
    for (const char *p = at + 4; p < end; p++) {
        if (*p != '\n')
            buf_add_c(&text, *p);
    }
    *out = BUF_INIT(8192);
    assert_true(hex_parse(buf_span(&text), buf_reserve(out, 4096), 4096, &n));
    out->n = n;
    buf_deinit(&doc);
    buf_deinit(&text);
}

static void the_documents_example(void **state)
{
    static const uint8_t empty[32] = { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14 };
    struct keystore *k = NULL;
    const struct keystore_entry *e;
    struct err_info err;
    struct buf file;

    (void) state;
    from_document(&file);
    assert_ok_err(keystore_open(buf_span(&file), master, &k, &err), &err);
    assert_int_equal(keystore_count(k), 2);
    assert_int_equal(keystore_generation(k), 3);
    e = keystore_find(k, KEYSTORE_LAST_SIGNED, "system");
    assert_non_null(e);
    assert_true(e->number == 12 && e->pub_len == 32 && e->secret == NULL && e->state == KEYSTORE_CURRENT);
    assert_memory_equal(e->pub, empty, 8);
    e = keystore_find(k, KEYSTORE_SECRET, "ids");
    assert_non_null(e);
    assert_true(e->made == 1793000000000 && e->pub_len == 0);
    assert_int_equal(secret_span(e->secret).p[31], 63);
    assert_null(keystore_find(k, KEYSTORE_SECRET, "system"));
    assert_null(keystore_find(k, KEYSTORE_LOG, "ids"));
    keystore_free(k);
    buf_deinit(&file);
}

/* A store with one of each kind. */
static struct keystore *one_of_each(void)
{
    struct keystore *k = keystore_new();
    struct keystore_entry e[6] = {
        { .kind = KEYSTORE_EPOCH, .id = "1", .number = 1, .pub_len = 32, .secret = secret_random(32) },
        { .kind = KEYSTORE_SIGNING, .id = "zAIXFns1pr8", .state = KEYSTORE_NEXT, .from = 5, .until = 6 },
        { .kind = KEYSTORE_LOG, .id = "log" },
        { .kind = KEYSTORE_LAST_SIGNED, .id = "p_zNe2lKL4dQxW8s0b~2", .number = UINT64_MAX, .pub_len = 32 },
        { .kind = KEYSTORE_SECRET, .id = "k_ctx", .state = KEYSTORE_OLD, .made = -1, .secret = secret_random(32) },
        { .kind = KEYSTORE_RETIRED, .id = "zAIXFns1pr8", .state = KEYSTORE_OLD, .until = 6, .pub_len = 64 },
    };

    assert_ok(es256_generate(&e[1].secret, e[1].pub, NULL));
    e[1].pub_len = 64;
    assert_ok(ed25519_generate(&e[2].secret, e[2].pub, NULL));
    e[2].pub_len = 32;
    for (size_t i = 6; i > 0; i--) {
        assert_ok(keystore_put(k, &e[i - 1], NULL));
        assert_null(e[i - 1].secret);
    }
    return k;
}

static void there_and_back(void **state)
{
    struct keystore *k = one_of_each(), *back = NULL;
    struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);

    (void) state;
    assert_ok(keystore_write(k, master, &a, NULL));
    assert_ok(keystore_write(k, master, &b, NULL));
    assert_int_equal(keystore_generation(k), 2);
    assert_false(span_eq(buf_span(&a), buf_span(&b))); /* fresh nonces */
    assert_ok(keystore_open(buf_span(&b), master, &back, NULL));
    assert_int_equal(keystore_generation(back), 2);
    assert_int_equal(keystore_count(back), 6);
    for (size_t i = 0; i < 6; i++) {
        const struct keystore_entry *x = keystore_at(k, i), *y = keystore_at(back, i);

        assert_int_equal(x->kind, i + 1); /* in order, whatever the order of putting */
        assert_string_equal(x->id, y->id);
        assert_true(x->kind == y->kind && x->state == y->state && x->number == y->number && x->made == y->made &&
                    x->from == y->from && x->until == y->until);
        assert_span_eq(span_of(x->pub, x->pub_len), span_of(y->pub, y->pub_len));
        assert_int_equal(x->secret == NULL, y->secret == NULL);
        if (x->secret != NULL) {
            assert_span_eq(secret_span(x->secret), secret_span(y->secret));
            assert_null(memmem(b.p, b.n, secret_span(x->secret).p, 32)); /* nothing in clear */
        }
    }
    assert_null(keystore_at(k, 6));
    keystore_free(k);
    keystore_free(back);
    buf_deinit(&a);
    buf_deinit(&b);
}

static void replaced_and_removed(void **state)
{
    struct keystore *k = one_of_each(), *back = NULL;
    struct keystore_entry e = { .kind = KEYSTORE_LAST_SIGNED, .id = "p_zNe2lKL4dQxW8s0b~2", .number = 7, .pub_len = 32 };
    struct keystore_entry s = { .kind = KEYSTORE_SECRET, .id = "k_ctx", .secret = secret_random(32) };
    struct buf b = BUF_INIT(1 << 20);

    (void) state;
    assert_ok(keystore_put(k, &e, NULL));
    assert_ok(keystore_put(k, &s, NULL));
    assert_int_equal(keystore_count(k), 6);
    assert_int_equal(keystore_find(k, KEYSTORE_LAST_SIGNED, e.id)->number, 7);
    assert_true(keystore_remove(k, KEYSTORE_EPOCH, "1"));
    assert_false(keystore_remove(k, KEYSTORE_EPOCH, "1"));
    assert_ok(keystore_write(k, master, &b, NULL));
    assert_ok(keystore_open(buf_span(&b), master, &back, NULL));
    assert_int_equal(keystore_count(back), 5);
    assert_null(keystore_find(back, KEYSTORE_EPOCH, "1"));
    keystore_free(k);
    keystore_free(back);
    buf_deinit(&b);
}

static void empty_is_a_store(void **state)
{
    struct keystore *k = keystore_new(), *back = NULL;
    struct buf b = BUF_INIT(1 << 20);

    (void) state;
    assert_ok(keystore_write(k, master, &b, NULL));
    assert_ok(keystore_open(buf_span(&b), master, &back, NULL));
    assert_int_equal(keystore_count(back), 0);
    keystore_free(k);
    keystore_free(back);
    buf_deinit(&b);
}

static void every_flipped_byte_is_refused(void **state)
{
    struct keystore *k = one_of_each(), *back = NULL;
    struct buf b = BUF_INIT(1 << 20);

    (void) state;
    assert_ok(keystore_write(k, master, &b, NULL));
    for (size_t i = 0; i < b.n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            b.p[i] ^= (uint8_t) (1u << bit);
            /* the magic's number names a version */
            assert_err(keystore_open(buf_span(&b), master, &back, NULL), i == 6 || i == 7 ? ERR_UNSUPPORTED : ERR_CORRUPT);
            b.p[i] ^= (uint8_t) (1u << bit);
        }
        assert_err(keystore_open(span_of(b.p, i), master, &back, NULL), ERR_CORRUPT);
    }
    buf_u8(&b, 0);
    assert_err(keystore_open(buf_span(&b), master, &back, NULL), ERR_CORRUPT);
    b.n--;
    secret_bytes(master)[0] ^= 1;
    assert_err(keystore_open(buf_span(&b), master, &back, NULL), ERR_CORRUPT);
    secret_bytes(master)[0] ^= 1;
    assert_ok(keystore_open(buf_span(&b), master, &back, NULL));
    keystore_free(back);
    keystore_free(k);
    buf_deinit(&b);
}

/* Where each entry begins. Returns how many, the manifest included. */
static size_t split(struct span file, size_t *starts, size_t cap)
{
    size_t at = 8, n = 0;

    while (at < file.n && n < cap) {
        starts[n++] = at;
        at += 2 + file.p[at + 1] + 24;
        at += 2 + (size_t) (file.p[at] | file.p[at + 1] << 8);
    }
    assert_int_equal(at, file.n);
    starts[n] = at;
    return n;
}

static void entries_cannot_be_dropped_repeated_swapped_or_mixed(void **state)
{
    struct keystore *k = one_of_each(), *back = NULL;
    struct buf b = BUF_INIT(1 << 20), old = BUF_INIT(1 << 20), t = BUF_INIT(1 << 20);
    size_t starts[9], n, old_starts[9];

    (void) state;
    assert_ok(keystore_write(k, master, &old, NULL));
    assert_ok(keystore_write(k, master, &b, NULL));
    n = split(buf_span(&b), starts, 8);
    assert_int_equal(n, 7);
    assert_int_equal(split(buf_span(&old), old_starts, 8), 7);
    for (size_t drop = 0; drop < n; drop++) {
        buf_reset(&t);
        buf_add(&t, b.p, starts[drop]);
        buf_add(&t, b.p + starts[drop + 1], b.n - starts[drop + 1]);
        assert_err(keystore_open(buf_span(&t), master, &back, NULL), ERR_CORRUPT);
        buf_reset(&t); /* twice */
        buf_add(&t, b.p, starts[drop + 1]);
        buf_add(&t, b.p + starts[drop], b.n - starts[drop]);
        assert_err(keystore_open(buf_span(&t), master, &back, NULL), ERR_CORRUPT);
        buf_reset(&t); /* from the older file, same name */
        buf_add(&t, b.p, starts[drop]);
        buf_add(&t, old.p + old_starts[drop], old_starts[drop + 1] - old_starts[drop]);
        buf_add(&t, b.p + starts[drop + 1], b.n - starts[drop + 1]);
        assert_err(keystore_open(buf_span(&t), master, &back, NULL), ERR_CORRUPT);
    }
    for (size_t i = 0; i + 1 < n; i++) {
        buf_reset(&t);
        buf_add(&t, b.p, starts[i]);
        buf_add(&t, b.p + starts[i + 1], starts[i + 2] - starts[i + 1]);
        buf_add(&t, b.p + starts[i], starts[i + 1] - starts[i]);
        buf_add(&t, b.p + starts[i + 2], b.n - starts[i + 2]);
        assert_err(keystore_open(buf_span(&t), master, &back, NULL), ERR_CORRUPT);
    }
    keystore_free(k);
    buf_deinit(&b);
    buf_deinit(&old);
    buf_deinit(&t);
}

static void rules_of_each_kind(void **state)
{
    struct keystore_entry bad[] = {
        { .kind = (enum keystore_kind) 0, .id = "a" },
        { .kind = (enum keystore_kind) 6, .id = "a" },
        { .kind = KEYSTORE_SECRET, .id = "a" },                                             /* no secret */
        { .kind = KEYSTORE_SECRET, .id = "a", .pub_len = 32, .secret = secret_random(32) },
        { .kind = KEYSTORE_SECRET, .id = "a", .secret = secret_random(64) },
        { .kind = KEYSTORE_SECRET, .id = "", .secret = secret_random(32) },
        { .kind = KEYSTORE_SECRET, .id = "a b", .secret = secret_random(32) },
        { .kind = KEYSTORE_SECRET, .id = "a\n", .secret = secret_random(32) },
        { .kind = KEYSTORE_SECRET, .id = "a", .state = (enum keystore_state) 3, .secret = secret_random(32) },
        { .kind = KEYSTORE_LOG, .id = "a", .pub_len = 32, .secret = secret_random(32) },
        { .kind = KEYSTORE_SIGNING, .id = "a", .pub_len = 32, .secret = secret_random(32) },
        { .kind = KEYSTORE_EPOCH, .id = "a", .pub_len = 64, .secret = secret_random(32) },
        { .kind = KEYSTORE_LAST_SIGNED, .id = "a", .pub_len = 32, .secret = secret_random(32) },
        { .kind = KEYSTORE_LAST_SIGNED, .id = "a", .pub_len = 31 },
    };
    struct keystore *k = keystore_new();
    struct keystore_entry e = { .kind = KEYSTORE_LAST_SIGNED, .pub_len = 32 };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct secret *before = bad[i].secret;

        if (keystore_put(k, &bad[i], NULL) != ERR_INVAL)
            fail_msg("case %zu was taken", i);
        assert_ptr_equal(bad[i].secret, before); /* still the caller's */
        secret_free(before);
    }
    assert_int_equal(keystore_count(k), 0);
    memset(e.id, 'x', KEYSTORE_ID_MAX);
    assert_ok(keystore_put(k, &e, NULL));
    e.id[KEYSTORE_ID_MAX] = 'x';
    assert_err(keystore_put(k, &e, NULL), ERR_INVAL);
    keystore_free(k);
}

static void many_entries_and_a_small_buffer(void **state)
{
    struct keystore *k = keystore_new(), *back = NULL;
    struct buf b = BUF_INIT(KEYSTORE_FILE_MAX), small = BUF_INIT(200);
    struct keystore_entry e = { .kind = KEYSTORE_LAST_SIGNED, .pub_len = 32 };

    (void) state;
    for (unsigned i = 0; i < 3000; i++) {
        (void) snprintf(e.id, sizeof(e.id), "log-%u", i * 7919 % 3000);
        e.number = i;
        assert_ok(keystore_put(k, &e, NULL));
    }
    assert_int_equal(keystore_count(k), 3000);
    assert_err(keystore_write(k, master, &small, NULL), ERR_LIMIT);
    assert_int_equal(keystore_generation(k), 0);
    assert_ok(keystore_write(k, master, &b, NULL));
    assert_ok(keystore_open(buf_span(&b), master, &back, NULL));
    for (unsigned i = 0; i < 3000; i++) {
        (void) snprintf(e.id, sizeof(e.id), "log-%u", i * 7919 % 3000);
        assert_int_equal(keystore_find(back, KEYSTORE_LAST_SIGNED, e.id)->number, i);
    }
    keystore_free(k);
    keystore_free(back);
    buf_deinit(&b);
    buf_deinit(&small);
}

/* ---- files that only the master key can make ---- */

#define LABEL "keyhole/keystore/v1"

static void seal(uint8_t kind, struct span id, struct span value, struct buf *out)
{
    uint8_t nonce[AEAD_XNONCE_LEN] = { 7 }, aad[sizeof(LABEL) + 1 + 255], sealed[1024];

    memcpy(aad, LABEL, sizeof(LABEL));
    aad[sizeof(LABEL)] = kind;
    if (id.n > 0)
        memcpy(aad + sizeof(LABEL) + 1, id.p, id.n);
    aead_xchacha_seal(secret_span(master).p, nonce, span_of(aad, sizeof(LABEL) + 1 + id.n), value, sealed);
    buf_u8(out, kind);
    buf_lp(out, id);
    buf_add(out, nonce, sizeof(nonce));
    buf_u16le(out, (uint16_t) (value.n + AEAD_TAG_LEN));
    buf_add(out, sealed, value.n + AEAD_TAG_LEN);
}

/* more: bytes that do not belong to it, or that it lacks. */
static void seal_manifest(uint32_t n, struct buf *out, int more)
{
    struct buf m = BUF_INIT(64);
    uint8_t sum[SHA256_LEN];

    sha256(buf_span(out), sum);
    buf_u64le(&m, 5);
    buf_u32le(&m, n);
    buf_add(&m, sum, sizeof(sum));
    buf_u8(&m, 0);
    seal(0, SPAN_EMPTY, span_of(m.p, (size_t) ((int) m.n - 1 + more)), out);
    buf_deinit(&m);
}

/* One entry of these lengths, and a manifest that fits. */
static enum err open_made(uint8_t kind, struct span id, size_t pub, size_t secret, size_t less)
{
    static const uint8_t zeros[255];
    struct buf file = BUF_INIT(4096), v = BUF_INIT(600);
    struct keystore *k = NULL;
    enum err e;

    buf_add(&v, zeros, 1 + 4 * 8);
    buf_lp(&v, span_of(zeros, pub));
    buf_lp(&v, span_of(zeros, secret));
    buf_add(&file, "KHKEYS1", 8);
    seal(kind, id, span_of(v.p, v.n - less), &file);
    seal_manifest(1, &file, 0);
    e = keystore_open(buf_span(&file), master, &k, NULL);
    if (e == ERR_OK)
        assert_int_equal(keystore_generation(k), 5);
    keystore_free(k);
    buf_deinit(&file);
    buf_deinit(&v);
    return e;
}

static void authentic_entries_of_another_form(void **state)
{
    static const char id65[] = "12345678901234567890123456789012345678901234567890123456789012345";
    struct buf file = BUF_INIT(4096), small = BUF_INIT(0);
    struct keystore *k = NULL;

    (void) state;
    assert_ok(open_made(KEYSTORE_SECRET, SPAN("a"), 0, 32, 0));
    assert_ok(open_made(KEYSTORE_SECRET, span_of(id65, 64), 0, 32, 0));
    assert_err(open_made(KEYSTORE_SECRET, span_of(id65, 65), 0, 32, 0), ERR_CORRUPT);
    assert_err(open_made(KEYSTORE_SECRET, SPAN("a\x7f"), 0, 32, 0), ERR_CORRUPT);
    assert_err(open_made(KEYSTORE_SECRET, SPAN("a"), 0, 32, 1), ERR_CORRUPT);
    assert_err(open_made(KEYSTORE_SECRET, SPAN("a"), 65, 0, 0), ERR_CORRUPT);
    assert_err(open_made(KEYSTORE_SECRET, SPAN("a"), 0, 31, 0), ERR_CORRUPT);
    assert_err(open_made(KEYSTORE_SECRET, SPAN("a"), 0, 64, 0), ERR_CORRUPT); /* a rule of its kind */
    assert_err(open_made(99, SPAN("a"), 0, 32, 0), ERR_CORRUPT);
    assert_err(open_made(KEYSTORE_SECRET, SPAN("a"), 64, 65, 0), ERR_CORRUPT); /* more than an entry can have */
    buf_add(&file, "KHKEYS1", 8);
    seal_manifest(1, &file, 0);
    assert_err(keystore_open(buf_span(&file), master, &k, NULL), ERR_CORRUPT);
    file.n = 8;
    seal_manifest(0, &file, -1);
    assert_err(keystore_open(buf_span(&file), master, &k, NULL), ERR_CORRUPT);
    file.n = 8;
    seal_manifest(0, &file, 1);
    assert_err(keystore_open(buf_span(&file), master, &k, NULL), ERR_CORRUPT);
    file.n = 8;
    seal(0, SPAN("id"), SPAN("value"), &file);
    assert_err(keystore_open(buf_span(&file), master, &k, NULL), ERR_CORRUPT);
    file.n = 8;
    buf_add(&file, "\x05\x01" "a0123456789abcdef01234567\x0f\x00" "0123456789abcde", 44); /* shorter than a tag */
    assert_err(keystore_open(buf_span(&file), master, &k, NULL), ERR_CORRUPT);
    file.n = 8;
    seal_manifest(0, &file, 0);
    assert_ok(keystore_open(buf_span(&file), master, &k, NULL));
    assert_err(keystore_write(k, master, &small, NULL), ERR_LIMIT);
    small = BUF_INIT(file.n - 1); /* all but the manifest's last byte */
    assert_err(keystore_write(k, master, &small, NULL), ERR_LIMIT);
    assert_int_equal(keystore_generation(k), 5);
    keystore_free(k);
    buf_deinit(&small);
    buf_deinit(&file);
}

static void as_many_entries_as_there_may_be(void **state)
{
    struct keystore *k = keystore_new();
    struct keystore_entry e = { .kind = KEYSTORE_LAST_SIGNED, .pub_len = 32 };

    (void) state;
    for (unsigned i = 0; i <= KEYSTORE_ENTRIES_MAX; i++) {
        (void) snprintf(e.id, sizeof(e.id), "%06u", i);
        assert_err(keystore_put(k, &e, NULL), i < KEYSTORE_ENTRIES_MAX ? ERR_OK : ERR_LIMIT);
    }
    (void) snprintf(e.id, sizeof(e.id), "%06u", 7); /* one that is there is replaced all the same */
    assert_ok(keystore_put(k, &e, NULL));
    assert_int_equal(keystore_count(k), KEYSTORE_ENTRIES_MAX);
    keystore_free(k);
}

static void wrong_master_keys_and_sizes(void **state)
{
    CLEANUP(secret_freep) struct secret *long_key = secret_random(64);
    static struct secret *taken[SECRET_32_DEFAULT];
    struct keystore *k = one_of_each(), *back = NULL;
    struct buf b = BUF_INIT(1 << 20);
    uint8_t *large = calloc(1, KEYSTORE_FILE_MAX + 1);
    size_t n = 0;

    (void) state;
    assert_non_null(large);
    assert_err(keystore_write(k, long_key, &b, NULL), ERR_INVAL);
    assert_ok(keystore_write(k, master, &b, NULL));
    assert_err(keystore_open(buf_span(&b), long_key, &back, NULL), ERR_INVAL);
    memcpy(large, b.p, b.n);
    assert_err(keystore_open(span_of(large, KEYSTORE_FILE_MAX + 1), master, &back, NULL), ERR_LIMIT);
    assert_err(keystore_open(span_of(large, KEYSTORE_FILE_MAX), master, &back, NULL), ERR_CORRUPT);
    while (n < SECRET_32_DEFAULT && (taken[n] = secret_new(32)) != NULL)
        n++;
    assert_err(keystore_open(buf_span(&b), master, &back, NULL), ERR_NOMEM); /* no slot */
    while (n > 0)
        secret_free(taken[--n]);
    free(large);
    keystore_free(k);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_example),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(replaced_and_removed),
        cmocka_unit_test(empty_is_a_store),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(entries_cannot_be_dropped_repeated_swapped_or_mixed),
        cmocka_unit_test(rules_of_each_kind),
        cmocka_unit_test(many_entries_and_a_small_buffer),
        cmocka_unit_test(authentic_entries_of_another_form),
        cmocka_unit_test(as_many_entries_as_there_may_be),
        cmocka_unit_test(wrong_master_keys_and_sizes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
