/* Wraps: form, every field changed, every byte flipped, another key. */
#include "test.h"

#include "format/wrap.h"

#define RID "r_2Dz2Sr-SnSlnd8aT"
#define PID "p_zNe2lKL4dQxW8s0b"

static const struct wrap_name name = {
    .kind = WRAP_RK, .id = { (const uint8_t *) RID, 18 }, .project = { (const uint8_t *) PID, 18 }, .epoch = 3,
};

static void there_and_back(void **state)
{
    static const struct wrap_name names[] = {
        { WRAP_RK, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 0 },
        { WRAP_RK, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, UINT32_MAX },
        { WRAP_REVEAL, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 3 },
        { WRAP_OPENING, { (const uint8_t *) "u_8zYGTnU-_hqeQ2Lx", 18 }, { NULL, 0 }, 9 },
        { WRAP_OPENING,
          { (const uint8_t *) "1234567890123456789012345678901234567890123456789012345678901234", 64 },
          { (const uint8_t *) PID, 18 }, 9 },
    };
    CLEANUP(secret_freep) struct secret *sk = NULL;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    uint8_t pk[32];

    (void) state;
    assert_ok(box_generate(&sk, pk, NULL));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CLEANUP(secret_freep) struct secret *back = NULL;
        struct buf b = BUF_INIT(WRAP_MAX);

        assert_ok(wrap_seal(&names[i], rk, pk, &b, NULL));
        if (i == 0)
            assert_int_equal(b.n, WRAP_RK_LEN);
        assert_ok(wrap_open(buf_span(&b), &names[i], sk, pk, &back, NULL));
        assert_span_eq(secret_span(back), secret_span(rk));
        buf_deinit(&b);
    }
}

/* P as the standard lays it out: opened by the box alone. */
static void exact_bytes_inside(void **state)
{
    CLEANUP(secret_freep) struct secret *sk = NULL;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    uint8_t pk[32], plain[75], want[75] = { 0x01, 18 };
    struct buf b = BUF_INIT(WRAP_MAX);

    (void) state;
    memcpy(want + 2, RID, 18);
    want[20] = 18;
    memcpy(want + 21, PID, 18);
    want[39] = 3;
    memcpy(want + 43, secret_bytes(rk), 32);
    assert_ok(box_generate(&sk, pk, NULL));
    assert_ok(wrap_seal(&name, rk, pk, &b, NULL));
    assert_true(box_open(sk, pk, buf_span(&b), plain));
    assert_span_eq(SPAN_OF(plain), SPAN_OF(want));
    buf_deinit(&b);
}

static void another_name_is_denied(void **state)
{
    static const struct wrap_name others[] = {
        { WRAP_OPENING, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 3 },
        { WRAP_REVEAL, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 3 },
        { WRAP_RK, { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aU", 18 }, { (const uint8_t *) PID, 18 }, 3 },
        { WRAP_RK, { (const uint8_t *) RID, 18 }, { (const uint8_t *) "p_zNe2lKL4dQxW8s0c", 18 }, 3 },
        { WRAP_RK, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 4 },
        { WRAP_RK, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 3u << 24 },
    };
    CLEANUP(secret_freep) struct secret *sk = NULL;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    struct secret *back = NULL;
    struct buf b = BUF_INIT(WRAP_MAX);
    uint8_t pk[32];

    (void) state;
    assert_ok(box_generate(&sk, pk, NULL));
    assert_ok(wrap_seal(&name, rk, pk, &b, NULL));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_err(wrap_open(buf_span(&b), &others[i], sk, pk, &back, NULL), ERR_DENIED);
        assert_null(back);
    }
    buf_deinit(&b);
}

static void damage_and_other_keys_are_refused(void **state)
{
    CLEANUP(secret_freep) struct secret *sk = NULL;
    CLEANUP(secret_freep) struct secret *other = NULL;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    struct secret *back = NULL;
    struct buf b = BUF_INIT(WRAP_MAX);
    uint8_t pk[32], other_pk[32], junk[80], box[160];

    (void) state;
    assert_ok(box_generate(&sk, pk, NULL));
    assert_ok(box_generate(&other, other_pk, NULL));
    assert_ok(wrap_seal(&name, rk, pk, &b, NULL));
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= 1;
        assert_err(wrap_open(buf_span(&b), &name, sk, pk, &back, NULL), ERR_CORRUPT);
        b.p[i] ^= 1;
        assert_err(wrap_open(span_of(b.p, i), &name, sk, pk, &back, NULL), ERR_CORRUPT);
    }
    assert_err(wrap_open(buf_span(&b), &name, other, other_pk, &back, NULL), ERR_CORRUPT);
    /* authentic boxes with something else inside: anybody can make those */
    memset(junk, 0xff, sizeof(junk));
    for (size_t n = 0; n <= sizeof(junk); n++) {
        assert_ok(box_seal(pk, span_of(junk, n), box, NULL));
        assert_err(wrap_open(span_of(box, n + BOX_OVERHEAD), &name, sk, pk, &back, NULL), ERR_CORRUPT);
    }
    buf_deinit(&b);
}

static void bad_names_are_not_sealed(void **state)
{
    static const struct wrap_name bad[] = {
        { WRAP_RK, { (const uint8_t *) "r_short", 7 }, { (const uint8_t *) PID, 18 }, 3 },
        { WRAP_RK, { (const uint8_t *) PID, 18 }, { (const uint8_t *) RID, 18 }, 3 },
        { WRAP_OPENING, { NULL, 0 }, { NULL, 0 }, 3 },
        { (enum wrap_kind) 3, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 3 },
    };
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    CLEANUP(secret_freep) struct secret *long_key = secret_random(64);
    struct buf b = BUF_INIT(WRAP_MAX), small = BUF_INIT(122);
    uint8_t pk[32] = { 9 };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_err(wrap_seal(&bad[i], rk, pk, &b, NULL), ERR_INVAL);
    assert_err(wrap_seal(&name, long_key, pk, &b, NULL), ERR_INVAL);
    assert_err(wrap_seal(&name, rk, pk, &small, NULL), ERR_LIMIT);
    assert_int_equal(b.n, 0);
    buf_deinit(&b);
    buf_deinit(&small);
}

static void bad_names_are_not_opened(void **state)
{
    static const char text[] = "12345678901234567890123456789012345678901234567890123456789012345"; /* 65 */
    static const struct wrap_name bad[] = {
        { WRAP_RK, { (const uint8_t *) "r_short", 7 }, { (const uint8_t *) PID, 18 }, 3 },
        { WRAP_RK, { (const uint8_t *) RID, 18 }, { (const uint8_t *) RID, 18 }, 3 },
        { WRAP_OPENING, { NULL, 0 }, { NULL, 0 }, 3 },
        { WRAP_OPENING, { (const uint8_t *) text, 65 }, { NULL, 0 }, 3 },
        { WRAP_OPENING, { (const uint8_t *) text, 1 }, { (const uint8_t *) text, 65 }, 3 },
        { (enum wrap_kind) 99, { (const uint8_t *) RID, 18 }, { (const uint8_t *) PID, 18 }, 3 },
    };
    static const struct wrap_name largest = { WRAP_OPENING, { (const uint8_t *) text, 64 }, { (const uint8_t *) text, 64 }, 3 };
    CLEANUP(secret_freep) struct secret *sk = NULL;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    struct secret *back = NULL;
    struct buf b = BUF_INIT(WRAP_MAX + 1);
    uint8_t pk[32], large[WRAP_MAX - BOX_OVERHEAD + 1] = { 0 }, box[WRAP_MAX + 1];

    (void) state;
    assert_ok(box_generate(&sk, pk, NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_err(wrap_seal(&bad[i], rk, pk, &b, NULL), ERR_INVAL);
        assert_err(wrap_open(SPAN("box"), &bad[i], sk, pk, &back, NULL), ERR_INVAL);
    }
    assert_ok(wrap_seal(&largest, rk, pk, &b, NULL));
    assert_int_equal(b.n, WRAP_MAX);
    buf_u8(&b, 0);
    assert_err(wrap_open(buf_span(&b), &largest, sk, pk, &back, NULL), ERR_CORRUPT);
    assert_ok(box_seal(pk, SPAN_OF(large), box, NULL)); /* authentic, and larger than any wrap */
    assert_err(wrap_open(SPAN_OF(box), &largest, sk, pk, &back, NULL), ERR_CORRUPT);
    b.n--;
    assert_ok(wrap_open(buf_span(&b), &largest, sk, pk, &back, NULL));
    back = secret_free(back);
    buf_deinit(&b);
}

/* A key that is no point to seal to; and an opened key for which there is no slot. */
static void no_point_and_no_slot(void **state)
{
    CLEANUP(secret_freep) struct secret *sk = NULL;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    static struct secret *taken[SECRET_32_DEFAULT];
    struct secret *back = NULL;
    struct buf b = BUF_INIT(WRAP_MAX);
    uint8_t pk[32], zero[32] = { 0 };
    size_t n = 0;

    (void) state;
    assert_ok(box_generate(&sk, pk, NULL));
    assert_err(wrap_seal(&name, rk, zero, &b, NULL), ERR_CRYPTO);
    assert_int_equal(b.n, 0);
    assert_ok(wrap_seal(&name, rk, pk, &b, NULL));
    while (n < SECRET_32_DEFAULT && (taken[n] = secret_new(32)) != NULL)
        n++;
    assert_err(wrap_open(buf_span(&b), &name, sk, pk, &back, NULL), ERR_NOMEM);
    assert_null(back);
    while (n > 0)
        secret_free(taken[--n]);
    assert_ok(wrap_open(buf_span(&b), &name, sk, pk, &back, NULL));
    secret_free(back);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(exact_bytes_inside),
        cmocka_unit_test(another_name_is_denied),
        cmocka_unit_test(damage_and_other_keys_are_refused),
        cmocka_unit_test(bad_names_are_not_sealed),
        cmocka_unit_test(bad_names_are_not_opened),
        cmocka_unit_test(no_point_and_no_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
