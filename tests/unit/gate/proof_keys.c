/* Client keys that were checked before: kept when something verified, the one used longest ago goes first. */
#include "test.h"

#include "gate/proof.h"

#define N 5

static uint8_t pubs[N][ES256_PUB_LEN];

static int setup(void **state)
{
    (void) state;
    for (size_t i = 0; i < N; i++) {
        struct secret *priv = NULL;

        assert_ok(es256_generate(&priv, pubs[i], NULL));
        secret_free(priv);
    }
    return 0;
}

static void test_oldest_goes(void **state)
{
    static const uint8_t secret[16] = { 1 };
    struct proof_keys *k = proof_keys_new(secret);
    const struct es256_verifier *first, *v;
    uint8_t junk[ES256_PUB_LEN] = { 1 };

    (void) state;
    assert_non_null(k);
    assert_null(proof_keys_find(k, junk)); /* no point of the curve */
    proof_keys_keep(k, 3);                 /* nothing to keep */
    assert_int_equal(proof_keys_count(k), 0);
    first = proof_keys_find(k, pubs[0]);
    assert_non_null(first);
    assert_memory_equal(es256_verifier_pub(first), pubs[0], ES256_PUB_LEN);
    assert_int_equal(proof_keys_count(k), 0); /* until something verified */
    proof_keys_keep(k, 3);
    proof_keys_keep(k, 3);
    assert_int_equal(proof_keys_count(k), 1);
    assert_ptr_equal(proof_keys_find(k, pubs[0]), first);
    for (size_t i = 1; i < 3; i++) {
        assert_non_null(proof_keys_find(k, pubs[i]));
        proof_keys_keep(k, 3);
    }
    assert_ptr_equal(proof_keys_find(k, pubs[0]), first); /* now 1 is the oldest */
    assert_non_null(proof_keys_find(k, pubs[3]));
    proof_keys_keep(k, 3);
    assert_int_equal(proof_keys_count(k), 3);
    assert_ptr_equal(proof_keys_find(k, pubs[0]), first);
    v = proof_keys_find(k, pubs[1]); /* made again, and not kept */
    assert_non_null(v);
    assert_int_equal(proof_keys_count(k), 3);
    assert_null(proof_keys_find(k, junk));
    assert_non_null(proof_keys_find(k, pubs[4]));
    proof_keys_keep(k, 1); /* fewer than there are */
    assert_int_equal(proof_keys_count(k), 1);
    k = proof_keys_free(k);
    assert_null(proof_keys_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_oldest_goes) };

    return cmocka_run_group_tests(tests, setup, NULL);
}
