/* The slab of secrets: capacity, wiping, threads, and what happens where memory may not be locked. */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/openssl.h"
#include "crypto/random.h"
#include "crypto/secret.h"

#include <openssl/evp.h>

/* The sanitizer turns the fault into a report of its own. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define UNDER_ASAN true
#else
#define UNDER_ASAN false
#endif

static void sizes_are_32_and_64(void **state)
{
    struct secret *a = secret_new(32), *b = secret_new(64);

    (void) state;
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(secret_len(a), 32);
    assert_int_equal(secret_len(b), 64);
    assert_null(secret_new(31));
    assert_null(secret_new(0));
    assert_null(secret_new(33));
    assert_null(secret_of(SPAN("short")));
    assert_null(secret_free(a));
    assert_null(secret_free(b));
    assert_null(secret_free(NULL));
}

/* Each open TLS connection holds one: a gate that runs out of room refuses the next handshake. */
static void ephemeral_keys_of_all_connections(void **state)
{
    static EVP_PKEY *all[20000];

    (void) state;
    for (uint32_t i = 0; i < 20000; i++) {
        all[i] = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        if (all[i] == NULL)
            fail_msg("no room for key %u", i);
    }
    assert_true(CRYPTO_secure_used() >= 20000 * 32); /* that is where they are */
    for (uint32_t i = 0; i < 20000; i++)
        EVP_PKEY_free(all[i]);
}

static void twenty_thousand_at_once(void **state)
{
    static struct secret *all[20000];
    struct secret_state st;

    (void) state;
    for (uint32_t i = 0; i < 20000; i++) {
        all[i] = secret_new(32);
        assert_non_null(all[i]);
        memset(secret_bytes(all[i]), (int) i, 32);
    }
    secret_state(&st);
    assert_int_equal(st.used_32, 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        for (size_t k = 0; k < 32; k++)
            assert_int_equal(secret_span(all[i]).p[k], i & 0xff); /* no two overlap */
        secret_free(all[i]);
    }
    secret_state(&st);
    assert_int_equal(st.used_32, 0);
}

static void full_is_null_and_free_makes_room(void **state)
{
    static struct secret *all[SECRET_64_DEFAULT];
    struct secret *again;

    (void) state;
    for (size_t i = 0; i < SECRET_64_DEFAULT; i++)
        assert_non_null(all[i] = secret_new(64));
    assert_null(secret_new(64));
    secret_free(all[7]);
    again = secret_new(64);
    assert_ptr_equal(again, all[7]);
    for (size_t i = 0; i < SECRET_64_DEFAULT; i++)
        secret_free(all[i]);
}

static void freed_slots_are_wiped(void **state)
{
    struct secret *s = secret_random(32);
    const uint8_t *bytes = secret_bytes(s);
    static const uint8_t zero[32];

    (void) state;
    assert_memory_not_equal(bytes, zero, 32);
    secret_free(s);
    assert_memory_equal(bytes, zero, 32); /* the slab stays mapped */
}

static void equal_compares_all_of_it(void **state)
{
    uint8_t a[64], b[64];

    (void) state;
    random_fill(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    assert_true(secret_equal(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] ^= 0x80;
        assert_false(secret_equal(a, b, sizeof(a)));
        b[i] ^= 0x80;
    }
    assert_true(secret_equal(NULL, NULL, 0));
    assert_false(secret_equal_span(span_of(a, 32), span_of(a, 31)));
    assert_true(secret_equal_span(span_of(a, 32), span_of(b, 32)));
}

static void *churn(void *arg)
{
    (void) arg;
    for (int i = 0; i < 2000; i++) {
        struct secret *s = secret_random(32);
        uint8_t copy[32];

        if (s == NULL)
            return "no slot";
        memcpy(copy, secret_bytes(s), 32);
        if (!secret_equal(copy, secret_bytes(s), 32))
            return "shared slot";
        secret_free(s);
    }
    return NULL;
}

static void threads_share_the_slab(void **state)
{
    pthread_t t[4];
    void *said;

    (void) state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, churn, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(t[i], &said), 0);
        assert_null(said);
    }
}

/* Runs fn in a child, which says what it saw by its exit code. */
static int in_child(int (*fn)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        (void) signal(SIGSEGV, SIG_DFL); /* cmocka's handlers would go on with the next test */
        (void) signal(SIGABRT, SIG_DFL);
        (void) setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        _exit(fn());
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int without_memlock(void)
{
    struct rlimit none = { 0, 0 };
    struct secret_state st;

    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
        return 2;
    if (secret_init(100, 10, NULL) != ERR_OK || secret_new(32) == NULL)
        return 3;
    secret_state(&st);
    return st.locked ? 4 : 0;
}

static int with_memlock(void)
{
    struct secret_state st;

    if (secret_init(0, 1, NULL) != ERR_INVAL || secret_init(1, 2u << 20, NULL) != ERR_INVAL)
        return 2;
    if (secret_init(100, 10, NULL) != ERR_OK || secret_init(100, 10, NULL) != ERR_STATE)
        return 3;
    secret_state(&st);
    return st.cap_32 == 100 && st.cap_64 == 10 && st.not_dumped ? 0 : 4;
}

static int freed_twice(void)
{
    struct secret *s = secret_new(32);

    secret_free(s);
    secret_free(s);
    return 0;
}

static int written_past_the_end(void)
{
    volatile uint8_t *end;

    if (secret_init(128, 64, NULL) != ERR_OK) /* exactly two pages of 4 KiB */
        return 2;
    end = secret_bytes(secret_new(64)) + 8192;
    *end = 1;
    return 0;
}

/* First: a child with a slab of its own shows what a role would see. */
static void limits_show_in_the_state(void **state)
{
    (void) state;
    assert_int_equal(in_child(without_memlock), 0);
    assert_int_equal(in_child(with_memlock), 0);
    assert_int_equal(in_child(freed_twice), 1000 + 6);
    if (!UNDER_ASAN)
        assert_int_equal(in_child(written_past_the_end), 1000 + 11);
}

static void a_fork_inherits_zeros(void **state)
{
    struct secret *s = secret_random(32);
    static const uint8_t zero[32];
    pid_t pid;
    int status = 0;

    (void) state;
    pid = fork();
    if (pid == 0)
        _exit(memcmp(secret_bytes(s), zero, 32) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_memory_not_equal(secret_bytes(s), zero, 32);
    secret_free(s);
}

/* Words and what is left of one: each byte of each length counts. */
static void equal_bytes(void **state)
{
    uint8_t a[40], b[41];

    (void) state;
    for (size_t i = 0; i < sizeof(a); i++)
        a[i] = (uint8_t) (i * 37);
    for (size_t n = 0; n <= sizeof(a); n++) {
        memcpy(b + 1, a, n); /* not aligned */
        assert_true(secret_equal(a, b + 1, n));
        for (size_t i = 0; i < n; i++) {
            b[1 + i] ^= (uint8_t) (1u << (i % 8));
            assert_false(secret_equal(a, b + 1, n));
            b[1 + i] = a[i];
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes),
        cmocka_unit_test(limits_show_in_the_state),
        cmocka_unit_test(sizes_are_32_and_64),
        cmocka_unit_test(twenty_thousand_at_once),
        cmocka_unit_test(ephemeral_keys_of_all_connections),
        cmocka_unit_test(full_is_null_and_free_makes_room),
        cmocka_unit_test(freed_slots_are_wiped),
        cmocka_unit_test(equal_compares_all_of_it),
        cmocka_unit_test(threads_share_the_slab),
        cmocka_unit_test(a_fork_inherits_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
