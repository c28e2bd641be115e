/* Files below a directory: atomic replacement, no way out of it, one lock at a time. */
#include "test.h"

#include "os/clock.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int temp_dir(char path[64])
{
    int fd = -1;

    (void) snprintf(path, 64, "/tmp/keyhole-os-XXXXXX");
    assert_non_null(mkdtemp(path));
    assert_ok(os_dir_open(path, false, &fd, NULL));
    return fd;
}

static void replaces_whole(void **state)
{
    char path[64];
    int dir = temp_dir(path);
    struct buf b = BUF_INIT(100);
    struct stat st;

    (void) state;
    assert_ok(os_file_replace(dir, "a", SPAN("one"), 0600, NULL));
    assert_ok(os_file_replace(dir, "a", SPAN("second"), 0400, NULL));
    assert_ok(os_file_read(dir, "a", &b, NULL));
    assert_span_str(buf_span(&b), "second");
    assert_int_equal(fstatat(dir, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(faccessat(dir, "a.tmp", F_OK, 0), -1);
    buf_deinit(&b);
    buf_init(&b, 5);
    assert_err(os_file_read(dir, "a", &b, NULL), ERR_LIMIT);
    buf_deinit(&b);
    buf_init(&b, 6);
    assert_ok(os_file_read(dir, "a", &b, NULL));
    buf_deinit(&b);
    assert_err(os_file_read(dir, "b", &b, NULL), ERR_NOTFOUND);
    assert_ok(os_file_remove(dir, "a", NULL));
    assert_ok(os_file_remove(dir, "a", NULL));
    (void) close(dir);
    (void) rmdir(path);
}

struct seen {
    unsigned files, dirs, links;
};

static enum err see(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    struct seen *s = ctx;

    if (strcmp(name, "stop") == 0)
        return ERR_RAISE(reterr, ERR_DENIED, "stop");
    s->files += type == S_IFREG;
    s->dirs += type == S_IFDIR;
    s->links += type == S_IFLNK;
    return ERR_OK;
}

static void makes_new_files_and_directories(void **state)
{
    char path[64];
    int dir = temp_dir(path);
    CLEANUP(os_closep) int sub = -1;
    CLEANUP(os_closep) int fd = -1;
    struct seen seen = { 0 };
    struct buf b = BUF_INIT(100);
    uint64_t n = 0;

    (void) state;
    assert_ok(os_dir_sub(dir, "sub", &sub, NULL));
    os_closep(&sub);
    assert_ok(os_dir_sub(dir, "sub", &sub, NULL));
    assert_ok(os_file_create(sub, "a", SPAN("one"), 0600, NULL));
    assert_err(os_file_create(sub, "a", SPAN("two"), 0600, NULL), ERR_EXISTS);
    assert_ok(os_file_read(sub, "a", &b, NULL));
    assert_span_str(buf_span(&b), "one");
    assert_ok(os_file_open(sub, "a", O_RDONLY, &fd, NULL));
    assert_ok(os_file_size(fd, &n, NULL));
    assert_int_equal(n, 3);
    assert_err(os_file_size(sub, &n, NULL), ERR_CORRUPT);
    assert_int_equal(symlinkat("a", sub, "link"), 0);
    assert_int_equal(mkdirat(sub, "d", 0700), 0);
    for (int i = 0; i < 2; i++) { /* each call begins anew */
        seen = (struct seen){ 0 };
        assert_ok(os_dir_each(sub, see, &seen, NULL));
        assert_true(seen.files == 1 && seen.dirs == 1 && seen.links == 1);
    }
    assert_ok(os_file_create(sub, "stop", SPAN(""), 0600, NULL));
    assert_err(os_dir_each(sub, see, &seen, NULL), ERR_DENIED);
    assert_err(os_dir_remove(dir, "sub", NULL), ERR_EXISTS);
    assert_ok(os_file_remove(sub, "a", NULL));
    assert_ok(os_file_remove(sub, "link", NULL));
    assert_ok(os_file_remove(sub, "stop", NULL));
    assert_ok(os_dir_remove(sub, "d", NULL));
    assert_ok(os_dir_remove(dir, "sub", NULL));
    assert_ok(os_dir_remove(dir, "sub", NULL));
    buf_deinit(&b);
    (void) close(dir);
    (void) rmdir(path);
}

static void stays_beneath(void **state)
{
    char path[64];
    int dir = temp_dir(path), fd = -1;

    (void) state;
    assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
    assert_int_not_equal(os_file_open(dir, "link", O_RDONLY, &fd, NULL), ERR_OK);
    assert_int_not_equal(os_file_open(dir, "../..", O_RDONLY, &fd, NULL), ERR_OK);
    assert_int_not_equal(os_file_open(dir, "/etc/passwd", O_RDONLY, &fd, NULL), ERR_OK);
    assert_int_equal(fd, -1);
    (void) unlinkat(dir, "link", 0);
    (void) close(dir);
    (void) rmdir(path);
}

static void locks_once(void **state)
{
    char path[64];
    int dir = temp_dir(path), one = -1, two = -1;
    struct err_info e;

    (void) state;
    assert_ok(os_lock(dir, "lock", 0, &one, NULL));
    assert_err(os_lock(dir, "lock", 40, &two, &e), ERR_EXISTS);
    os_closep(&one);
    assert_ok(os_lock(dir, "lock", 0, &two, NULL));
    os_closep(&two);
    (void) unlinkat(dir, "lock", 0);
    (void) close(dir);
    (void) rmdir(path);
}

static void clocks_run(void **state)
{
    char id[CLOCK_BOOT_ID_LEN + 1];

    (void) state;
    assert_true(clock_wall_ms() > 1700000000000);
    assert_true(clock_boot_ms() > 0);
    assert_true(clock_mono_us() <= clock_mono_us());
    clock_boot_id(id);
    assert_int_equal(strlen(id), CLOCK_BOOT_ID_LEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_whole),
        cmocka_unit_test(makes_new_files_and_directories),
        cmocka_unit_test(stays_beneath),
        cmocka_unit_test(locks_once),
        cmocka_unit_test(clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
