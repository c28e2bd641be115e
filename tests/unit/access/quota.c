#include "access/quota.h"

#include "test.h"

static const struct live_quota limits = {
    .key_streams = 2, .grant_streams = 4, .person_streams = 6, .key_bytes = 1000, .key_rate = 100, .key_requests = 5
};

static void test_streams(void **state)
{
    struct quota_key keys[4] = { 0 };
    struct quota_count grants[3] = { 0 }, person = { 0 };
    struct quota_answer a;

    (void) state;
    a = quota_stream_open(&limits, &keys[0], &grants[0], &person);
    assert_int_equal(a.verdict, QUOTA_OK);
    assert_int_equal(a.left, 1);
    assert_int_equal(quota_stream_open(&limits, &keys[0], &grants[0], &person).verdict, QUOTA_OK);
    a = quota_stream_open(&limits, &keys[0], &grants[0], &person);
    assert_int_equal(a.verdict, QUOTA_KEY_STREAMS);
    assert_int_equal(a.limit, 2);
    assert_int_equal(grants[0].streams, 2); /* a refusal counts nowhere */
    assert_int_equal(quota_stream_open(&limits, &keys[1], &grants[0], &person).verdict, QUOTA_OK);
    assert_int_equal(quota_stream_open(&limits, &keys[1], &grants[0], &person).verdict, QUOTA_OK);
    assert_int_equal(quota_stream_open(&limits, &keys[2], &grants[0], &person).verdict, QUOTA_GRANT_STREAMS);
    assert_int_equal(quota_stream_open(&limits, &keys[2], &grants[1], &person).verdict, QUOTA_OK);
    assert_int_equal(quota_stream_open(&limits, &keys[2], &grants[1], &person).verdict, QUOTA_OK);
    assert_int_equal(quota_stream_open(&limits, &keys[3], &grants[2], &person).verdict, QUOTA_PERSON_STREAMS);
    assert_int_equal(keys[3].streams + grants[2].streams, 0);
    quota_stream_close(&keys[0], &grants[0], &person);
    assert_int_equal(quota_stream_open(&limits, &keys[3], &grants[2], &person).verdict, QUOTA_OK);
    for (int i = 0; i < 9; i++) /* closing what is closed never wraps */
        quota_stream_close(&keys[3], &grants[2], &person);
    assert_int_equal(keys[3].streams + grants[2].streams + person.streams, 0);
}

static void test_volume(void **state)
{
    struct live_quota l = limits;
    struct quota_key key = { 0 };
    struct quota_answer a;

    (void) state;
    l.key_rate = 1 << 20;
    a = quota_take(&l, &key, 999, 0);
    assert_int_equal(a.verdict, QUOTA_OK);
    assert_int_equal(a.left, 1);
    a = quota_take(&l, &key, 2, 0);
    assert_int_equal(a.verdict, QUOTA_KEY_BYTES);
    assert_int_equal(a.left, 1);
    assert_int_equal(key.bytes, 999);
    assert_int_equal(quota_take(&l, &key, UINT64_MAX, 0).verdict, QUOTA_KEY_BYTES);
    assert_int_equal(quota_take(&l, &key, 1, 0).verdict, QUOTA_OK);
    assert_int_equal(quota_take(&l, &key, 1, 1000000).verdict, QUOTA_KEY_BYTES);
    key.bytes = 5000; /* put back from leases after the policy was tightened */
    a = quota_take(&l, &key, 1, 1000000);
    assert_int_equal(a.verdict, QUOTA_KEY_BYTES);
    assert_int_equal(a.left, 0);
}

static void test_requests(void **state)
{
    struct quota_key key = { 0 };
    struct quota_answer a;

    (void) state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(quota_request(&limits, &key, 1000).verdict, QUOTA_OK);
    a = quota_request(&limits, &key, 1000);
    assert_int_equal(a.verdict, QUOTA_KEY_REQUESTS);
    assert_int_equal(a.retry_after_ms, 200);
    assert_int_equal(quota_request(&limits, &key, 1199).verdict, QUOTA_KEY_REQUESTS);
    assert_int_equal(quota_request(&limits, &key, 1200).verdict, QUOTA_OK);
    assert_int_equal(quota_request(&limits, &key, 1200).verdict, QUOTA_KEY_REQUESTS);
    assert_int_equal(quota_request(&limits, &key, 0).verdict, QUOTA_KEY_REQUESTS); /* time does not run back */
    for (int i = 0; i < 5; i++)
        assert_int_equal(quota_request(&limits, &key, 1000000).verdict, QUOTA_OK);
    assert_int_equal(quota_request(&limits, &key, 1000000).verdict, QUOTA_KEY_REQUESTS);
}

/* Over any stretch of time at most one second's worth and one piece more than the rate. */
static void test_rate(void **state)
{
    struct live_quota l = limits;
    struct quota_key key = { 0 };
    struct quota_answer a;
    uint64_t sent = 0;

    (void) state;
    l.key_bytes = UINT64_MAX / 2;
    a = quota_take(&l, &key, 350, 0); /* one piece larger than the rate goes through … */
    assert_int_equal(a.verdict, QUOTA_OK);
    a = quota_take(&l, &key, 1, 0); /* … and is waited for */
    assert_int_equal(a.verdict, QUOTA_KEY_RATE);
    assert_int_equal(a.retry_after_ms, 2501);
    assert_int_equal(quota_take(&l, &key, 1, 2500).verdict, QUOTA_KEY_RATE);
    assert_int_equal(quota_take(&l, &key, 1, 2501).verdict, QUOTA_OK);

    key = (struct quota_key){ 0 };
    for (int64_t t = 0; t < 100000; t += 7) {
        uint64_t n = (uint64_t) (t * 2654435761U % 60);

        sent += quota_take(&l, &key, n, t).verdict == QUOTA_OK ? n : 0;
        assert_true(sent <= 100 + 60 + (uint64_t) t / 10 + 1);
    }
    assert_true(sent > 9900);

    struct quota_bucket b = { 0 };
    assert_true(quota_bucket_take(&b, UINT64_MAX, UINT64_MAX, 0, NULL));
    assert_false(quota_bucket_take(&b, 1, 1, 0, NULL) && quota_bucket_take(&b, 1, 1, 0, NULL));
    b = (struct quota_bucket){ 0 };
    for (int i = 0; i < 20; i++) /* the gate's questions about unknown grants */
        assert_true(quota_bucket_take(&b, 20, 1, 50, NULL));
    assert_false(quota_bucket_take(&b, 20, 1, 50, NULL));
    assert_true(quota_bucket_take(&b, 20, 1, 100, NULL));
}

static void test_parts(void **state)
{
    struct live_quota l = limits;
    struct quota_key key = { 0 };
    struct quota_answer a;

    (void) state;
    /* Volume without a rate: what is paced. */
    assert_int_equal(quota_volume(&l, &key, 600).verdict, QUOTA_OK);
    a = quota_volume(&l, &key, 401);
    assert_int_equal(a.verdict, QUOTA_KEY_BYTES);
    assert_int_equal(a.left, 400);
    assert_int_equal(quota_volume(&l, &key, 400).verdict, QUOTA_OK);
    /* Given back when nothing was leased; never below nothing. */
    quota_give(&key, 400);
    assert_int_equal(key.bytes, 600);
    quota_give(&key, 601);
    assert_int_equal(key.bytes, 0);
    /* Rate without volume: what is read again. */
    key.bytes = 1000;
    assert_int_equal(quota_rate(&l, &key, 100, 0).verdict, QUOTA_OK);
    a = quota_rate(&l, &key, 1, 0);
    assert_int_equal(a.verdict, QUOTA_KEY_RATE);
    assert_int_equal(a.limit, 100);
    assert_true(a.retry_after_ms >= 1);
    assert_int_equal(key.bytes, 1000);
    /* Refused for its rate, it takes no volume, and the other way round. */
    key = (struct quota_key){ 0 };
    assert_int_equal(quota_take(&l, &key, 200, 0).verdict, QUOTA_OK);
    assert_int_equal(quota_take(&l, &key, 200, 0).verdict, QUOTA_KEY_RATE);
    assert_int_equal(key.bytes, 200);
    assert_int_equal(quota_take(&l, &key, 801, 10000).verdict, QUOTA_KEY_BYTES);
    assert_int_equal(quota_take(&l, &key, 100, 10000).verdict, QUOTA_OK);
    l.key_requests = 0; /* none at all */
    assert_int_equal(quota_request(&l, &key, 1000000).verdict, QUOTA_KEY_REQUESTS);
}

static void test_problems(void **state)
{
    (void) state;
    assert_int_equal(quota_problem(QUOTA_OK), KEY_OK);
    assert_int_equal(quota_problem(QUOTA_PERSON_STREAMS), KEY_QUOTA);
    assert_int_equal(quota_problem(QUOTA_KEY_BYTES), KEY_QUOTA);
    assert_int_equal(quota_problem(QUOTA_KEY_RATE), KEY_RATE_LIMITED);
    static const char *const names[] = { "", "key_streams", "grant_streams", "person_streams", "key_bytes", "key_rate", "key_requests" };
    for (unsigned i = 0; i < 7; i++)
        assert_string_equal(quota_name((enum quota_verdict) i), names[i]);
    struct quota_bucket b = { 0 };
    assert_true(quota_bucket_take(&b, 0, 1, 0, NULL)); /* a rate of nothing is one of one */
    b = (struct quota_bucket){ .level = -(1LL << 60), .at = 0, .used = true };
    struct quota_bucket full = { 0 };
    assert_true(quota_bucket_take(&full, 1000, 1, 0, NULL));
    assert_true(quota_bucket_take(&full, 10, 10, 1, NULL)); /* a lower rate: what was saved up is cut to its second */
    assert_int_equal(full.level, 0);
    uint32_t wait;
    assert_false(quota_bucket_take(&b, 1, 1, 1, &wait));
    assert_int_equal(wait, UINT32_MAX);
}

static void test_no_such_verdict(void **state)
{
    (void) state;
    assert_int_equal(quota_problem((enum quota_verdict) 99), KEY_QUOTA);
    assert_string_equal(quota_name((enum quota_verdict) 99), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams), cmocka_unit_test(test_volume),   cmocka_unit_test(test_requests),
        cmocka_unit_test(test_rate),    cmocka_unit_test(test_problems),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_no_such_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
