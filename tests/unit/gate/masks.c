/* Masking rules of projects as the gate keeps them: versions, resets, damage. */
#include "test.h"

#include "gate/masks.h"

#define P SPAN("p_AAAAAAAAAAAAAAAA")

static struct masks m;

static int begin(void **state)
{
    static const uint8_t secret[16];

    (void) state;
    assert_ok(masks_init(&m, secret, NULL));
    return 0;
}

static int end(void **state)
{
    (void) state;
    masks_deinit(&m);
    return 0;
}

static enum err push(uint64_t version, const char *text)
{
    struct ipc_mask_rules in = { .pid = P, .version = version };
    struct buf bytes = BUF_INIT(MASK_BYTES_MAX);
    struct mask_rules *r;
    enum err e;

    if (text != NULL) {
        assert_ok(mask_rules_load(span_str(text), &r, NULL));
        mask_rules_encode(r, &bytes);
        (void) mask_rules_unref(r);
        in.rules = buf_span(&bytes);
    }
    e = masks_put(&m, &in, NULL);
    buf_deinit(&bytes);
    return e;
}

static bool keeps(void)
{
    struct mask_rules *r = masks_get(&m, P);
    bool keep;

    assert_non_null(r);
    keep = mask_rules_reveal(r) == MASK_KEEP;
    (void) mask_rules_unref(r);
    return keep;
}

static void versions(void **state)
{
    struct mask_rules *held;

    (void) state;
    assert_null(masks_get(&m, P));
    assert_ok(push(1, NULL));
    assert_false(keeps());
    held = masks_get(&m, P);
    assert_ok(push(2, "reveal = keep"));
    assert_true(keeps());
    assert_int_equal(mask_rules_reveal(held), MASK_DROP); /* whoever holds some goes on with them */
    (void) mask_rules_unref(held);
    assert_ok(push(1, NULL)); /* late, from another channel */
    assert_true(keeps());
    assert_ok(push(3, NULL));
    assert_false(keeps());
    assert_null(masks_get(&m, SPAN("p_BBBBBBBBBBBBBBBB")));
}

static void damage(void **state)
{
    const struct ipc_mask_rules bad = { .pid = P, .version = 5, .rules = SPAN("KHMASK2\nnonsense") };

    (void) state;
    assert_ok(push(4, "reveal = keep"));
    assert_err(masks_put(&m, &bad, NULL), ERR_CORRUPT);
    assert_null(masks_get(&m, P)); /* the old ones do not count any more: nothing is taken in */
    assert_ok(push(5, "reveal = keep"));
    assert_true(keeps());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions, begin, end),
        cmocka_unit_test_setup_teardown(damage, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
