/* The spool file: what goes in comes out, nothing of it is readable, each changed byte is noticed, each cut ends it. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "cli/rec_spool.h"
#include "crypto/secret.h"
#include "os/file.h"

static char dir[64];
static int dirfd_;

static int begin(void **state)
{
    char *path = NULL;

    (void) state;
    (void) !secret_init(64, 8, NULL);
    (void) snprintf(dir, sizeof(dir), "/tmp/keyhole-spool-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_ok(rec_spool_dir(dir, &dirfd_, &path, NULL));
    free(path);
    return 0;
}

static enum err remove_name(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    (void) ctx;
    (void) type;
    return os_file_remove(dirfd_, name, reterr);
}

static int end(void **state)
{
    (void) state;
    assert_ok(os_dir_each(dirfd_, remove_name, NULL, NULL));
    (void) close(dirfd_);
    (void) rmdir(dir);
    return 0;
}

static struct span big(void)
{
    static uint8_t bytes[200000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) "CANARY-plaintext-"[i % 17];
    return SPAN_OF(bytes);
}

static struct rec_spool *filled(uint64_t at[3], char name[REC_SPOOL_NAME_CAP])
{
    struct rec_spool *s = NULL;

    assert_ok(rec_spool_new(dirfd_, &s, NULL));
    assert_ok(rec_spool_add(s, REC_SPOOL_HEAD, SPAN("{\"CANARY\":1}"), &at[0], NULL));
    assert_ok(rec_spool_add(s, REC_SPOOL_EVENTS, big(), &at[1], NULL));
    assert_ok(rec_spool_add(s, REC_SPOOL_EVENTS, SPAN("CANARY small"), &at[2], NULL));
    (void) snprintf(name, REC_SPOOL_NAME_CAP, "%s", rec_spool_name(s));
    return s;
}

/* How many records can be read; *ret: why it ended. */
static size_t count(struct rec_spool *s, enum err *ret)
{
    struct buf b = BUF_INIT(1u << 20);
    enum rec_spool_kind kind;
    uint64_t at = rec_spool_begin();
    size_t n = 0;

    while ((*ret = rec_spool_get(s, &at, &kind, &b, NULL)) == ERR_OK) {
        struct span want[] = { SPAN("{\"CANARY\":1}"), big(), SPAN("CANARY small") };

        if (n < 3)
            assert_span_eq(buf_span(&b), want[n]);
        n++;
        buf_reset(&b);
    }
    buf_deinit(&b);
    return n;
}

static void back_again(void **state)
{
    uint64_t at[3];
    char name[REC_SPOOL_NAME_CAP];
    struct rec_spool *s = filled(at, name);
    enum err why;
    struct buf file = BUF_INIT(1u << 20);
    struct stat st;

    (void) state;
    assert_true(rec_spool_is_name(name));
    assert_int_equal(count(s, &why), 3);
    assert_int_equal(why, ERR_NOTFOUND);
    assert_int_equal(fstatat(dirfd_, name, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(dirfd_, "spool.key", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    {
        struct rec_spool *other = NULL;

        assert_err(rec_spool_open(dirfd_, name, &other, NULL), ERR_AGAIN); /* its recorder is running */
    }
    s = rec_spool_close(s);
    assert_ok(os_file_read(dirfd_, name, &file, NULL));
    assert_null(memmem(file.p, file.n, "CANARY", 6));
    assert_ok(rec_spool_open(dirfd_, name, &s, NULL));
    assert_int_equal(count(s, &why), 3);
    (void) rec_spool_remove(s);
    assert_int_equal(fstatat(dirfd_, name, &st, 0), -1);
    buf_deinit(&file);
}

/* Same directory, so the same key: with one bit changed anywhere, no record is other than it was. */
static void every_byte(void **state)
{
    uint64_t at[3];
    char name[REC_SPOOL_NAME_CAP];
    struct rec_spool *s = rec_spool_close(filled(at, name));
    struct buf file = BUF_INIT(1u << 20);
    enum err why;

    (void) state;
    assert_ok(os_file_read(dirfd_, name, &file, NULL));
    for (size_t i = 0; i < file.n; i += i < 400 ? 1 : 97) {
        file.p[i] ^= 0x10;
        assert_ok(os_file_replace(dirfd_, name, buf_span(&file), 0600, NULL));
        file.p[i] ^= 0x10;
        if (rec_spool_open(dirfd_, name, &s, NULL) != ERR_OK) {
            assert_true(i < rec_spool_begin());
            continue;
        }
        if (i < rec_spool_begin() || count(s, &why) == 3)
            fail_msg("byte %zu can be changed unseen", i);
        s = rec_spool_close(s);
    }
    buf_deinit(&file);
}

static void every_cut(void **state)
{
    uint64_t at[3];
    char name[REC_SPOOL_NAME_CAP];
    struct rec_spool *s = rec_spool_close(filled(at, name));
    struct buf file = BUF_INIT(1u << 20);
    enum err why;

    (void) state;
    assert_ok(os_file_read(dirfd_, name, &file, NULL));
    for (size_t n = rec_spool_begin(); n < file.n; n += n < 300 ? 1 : 61) {
        size_t whole = n >= at[2] ? 2 : n >= at[1] ? 1 : 0;
        uint64_t place;

        assert_ok(os_file_replace(dirfd_, name, span_of(file.p, n), 0600, NULL));
        assert_ok(rec_spool_open(dirfd_, name, &s, NULL));
        assert_int_equal(count(s, &why), whole);
        assert_int_equal(why, ERR_NOTFOUND);
        assert_ok(rec_spool_add(s, REC_SPOOL_STATE, SPAN("{}"), &place, NULL)); /* over what is torn */
        s = rec_spool_close(s);
    }
    buf_deinit(&file);
}

static void forgets_and_rewinds(void **state)
{
    uint64_t at[3], place;
    char name[REC_SPOOL_NAME_CAP];
    struct rec_spool *s = filled(at, name);
    struct buf b = BUF_INIT(1u << 20);
    enum rec_spool_kind kind;
    enum err why;
    struct stat st;

    (void) state;
    rec_spool_forget(s, at[1]);
    place = at[1];
    assert_ok(rec_spool_get(s, &place, &kind, &b, NULL)); /* the next one that is there */
    if (b.n != 200000) /* a file system without holes keeps it */
        assert_span_str(buf_span(&b), "CANARY small");
    s = rec_spool_close(s);
    assert_ok(rec_spool_open(dirfd_, name, &s, NULL));
    rec_spool_rewind(s);
    assert_int_equal(count(s, &why), 1);
    assert_int_equal(fstatat(dirfd_, name, &st, 0), 0);
    assert_int_equal(st.st_size, at[1]);
    assert_ok(rec_spool_add(s, REC_SPOOL_EVENTS, big(), &place, NULL));
    assert_int_equal(place, at[1]);
    assert_int_equal(count(s, &why), 2);
    (void) rec_spool_remove(s);
    buf_deinit(&b);
}

static void put_example(void)
{
    uint8_t key[32], file[4096];
    struct buf doc = BUF_INIT(1u << 20), hex = BUF_INIT(16384);
    const uint8_t *at, *end;
    size_t n = 0;

    for (uint8_t i = 0; i < 32; i++)
        key[i] = i;
    assert_ok(os_file_replace(dirfd_, "spool.key", SPAN_OF(key), 0600, NULL));
    test_read_file(test_source("docs/formats/spool.md"), &doc);
    at = memmem(doc.p, doc.n, "```\n4b48", 8);
    assert_non_null(at);
    end = memmem(at + 4, doc.n - (size_t) (at + 4 - doc.p), "```", 3);
    assert_non_null(end);
    for (at += 4; at < end; at++) {
        if (*at != '\n')
            buf_u8(&hex, *at);
    }
    assert_true(hex_parse(buf_span(&hex), file, sizeof(file), &n));
    assert_ok(os_file_replace(dirfd_, "example.spool", span_of(file, n), 0600, NULL));
    buf_deinit(&doc);
    buf_deinit(&hex);
}

static void the_documents_example(void **state)
{
    static const struct {
        enum rec_spool_kind kind;
        struct span data;
    } want[] = {
        { REC_SPOOL_HEAD, SPAN("{\"url\":\"https://rec.example.com\"}") },
        { REC_SPOOL_EVENTS, SPAN("\5\0\0\0\0\0\0\0\2\0\0\0\x60\xe3\x16\0\0\0\0\0o\4\0\0\0hi\r\n"
                                 "\x80\x84\x1e\0\0\0\0\0x\1\0\0\0" "0") },
        { REC_SPOOL_STATE, SPAN("{\"confirmed\":6}") },
    };
    struct rec_spool *s = NULL;
    struct buf b = BUF_INIT(10000);
    uint64_t at = rec_spool_begin();
    enum rec_spool_kind kind;

    (void) state;
    put_example();
    assert_ok(rec_spool_open(dirfd_, "example.spool", &s, NULL));
    for (size_t i = 0; i < 3; i++) {
        assert_ok(rec_spool_get(s, &at, &kind, &b, NULL));
        assert_int_equal(kind, want[i].kind);
        assert_span_eq(buf_span(&b), want[i].data);
        buf_reset(&b);
    }
    assert_err(rec_spool_get(s, &at, &kind, &b, NULL), ERR_NOTFOUND);
    (void) rec_spool_close(s);
    buf_deinit(&b);
}

static void another_key(void **state)
{
    uint64_t at[3];
    char name[REC_SPOOL_NAME_CAP];
    struct rec_spool *s = rec_spool_close(filled(at, name));
    uint8_t other[32] = { 1 };

    (void) state;
    assert_ok(os_file_replace(dirfd_, "spool.key", SPAN_OF(other), 0600, NULL));
    assert_err(rec_spool_open(dirfd_, name, &s, NULL), ERR_CORRUPT);
    assert_ok(os_file_replace(dirfd_, "spool.key", span_of(other, 31), 0600, NULL));
    assert_err(rec_spool_open(dirfd_, name, &s, NULL), ERR_CORRUPT);
    assert_ok(os_file_remove(dirfd_, "spool.key", NULL));
    assert_err(rec_spool_open(dirfd_, name, &s, NULL), ERR_NOTFOUND);
}

static void others_may_not_look(void **state)
{
    int fd = -1;
    char *path = NULL;

    (void) state;
    assert_int_equal(chmod(dir, 0750), 0);
    assert_err(rec_spool_dir(dir, &fd, &path, NULL), ERR_DENIED);
    assert_int_equal(chmod(dir, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(back_again, begin, end),
        cmocka_unit_test_setup_teardown(every_byte, begin, end),
        cmocka_unit_test_setup_teardown(every_cut, begin, end),
        cmocka_unit_test_setup_teardown(forgets_and_rewinds, begin, end),
        cmocka_unit_test_setup_teardown(the_documents_example, begin, end),
        cmocka_unit_test_setup_teardown(another_key, begin, end),
        cmocka_unit_test_setup_teardown(others_may_not_look, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
