/*
 * Bad disks: write or sync number k fails, or the disk is full there, for every k. The writer stops and never tries
 * again (a failed fsync may have dropped the page); what was acknowledged is there after the restart.
 */
#include "db.h"

#include <sqlite3.h>

/* A VFS in front of the real one: counts writes and syncs, fails the one it is told to. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    sqlite3_io_methods methods;
    long calls, fail_at; /* fail_at 0: never */
    int rc;
    bool for_ever; /* from there on, or that one call */
    long failed;
} shim;

static bool fails(void)
{
    shim.calls++;
    if (shim.fail_at == 0 || shim.calls < shim.fail_at || (!shim.for_ever && shim.calls > shim.fail_at))
        return false;
    shim.failed++;
    return true;
}

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

#define REAL(f)               (((struct file *) (f))->real)

static int f_close(sqlite3_file *f)
{
    return REAL(f)->pMethods->xClose(REAL(f));
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return fails() ? shim.rc : REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return REAL(f)->pMethods->xTruncate(REAL(f), n);
}

static int f_sync(sqlite3_file *f, int flags)
{
    if (fails())
        return shim.rc == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
    return REAL(f)->pMethods->xSync(REAL(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return REAL(f)->pMethods->xFileSize(REAL(f), n);
}

static int f_lock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xLock(REAL(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int f_reserved(sqlite3_file *f, int *ret)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}

static int f_device(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return REAL(f)->pMethods->xShmLock(REAL(f), at, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int f_shm_unmap(sqlite3_file *f, int del)
{
    return REAL(f)->pMethods->xShmUnmap(REAL(f), del);
}

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    struct file *to = (struct file *) f;
    int rc;

    (void) v;
    to->real = (sqlite3_file *) (void *) (to + 1);
    rc = shim.real->xOpen(shim.real, name, to->real, flags, ret_flags);
    f->pMethods = to->real->pMethods != NULL ? &shim.methods : NULL;
    return rc;
}

static int shim_install(void **state)
{
    (void) state;
    shim.real = sqlite3_vfs_find(NULL);
    assert_non_null(shim.real);
    shim.vfs = *shim.real;
    shim.vfs.zName = "shim";
    shim.vfs.pNext = NULL;
    shim.vfs.szOsFile = shim.real->szOsFile + (int) sizeof(struct file);
    shim.vfs.xOpen = v_open;
    shim.methods = (sqlite3_io_methods){ 2,          f_close,   f_read,     f_write,    f_truncate,    f_sync,
                                         f_size,     f_lock,    f_unlock,   f_reserved, f_control,     f_sector,
                                         f_device,   f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap };
    return sqlite3_vfs_register(&shim.vfs, 1);
}

static int shim_remove(void **state)
{
    (void) state;
    return sqlite3_vfs_unregister(&shim.vfs);
}

/* Groups of projects until one fails. Returns how many groups were acknowledged; *ret_e is how it ended. */
static uint32_t work(struct fixture *f, enum err *ret_e)
{
    enum err e = ERR_OK;
    uint32_t group = 0;

    for (; group < 5 && e == ERR_OK; group++) {
        e = meta_begin(f->m, NULL);
        for (uint32_t i = 0; i < 8 && e == ERR_OK; i++) {
            struct meta_project p = { .id = test_id(f, ID_PROJECT, group * 8 + i),
                                      .name = test_text(f, "project-", group * 8 + i), .subject_key = SPAN("k"),
                                      .state = SPAN("active") };

            e = meta_project_add(f->m, &p, NULL);
        }
        if (e == ERR_OK)
            e = meta_commit(f->m, NULL);
        if (e != ERR_OK)
            break;
    }
    *ret_e = e;
    return group;
}

static void what_is_there(struct fixture *f, uint32_t acknowledged, long k)
{
    struct meta_project_list all;

    assert_ok_err(meta_projects(meta_view(f->m), &f->a, &all, &f->e), &f->e);
    if (all.n % 8 != 0 || all.n < acknowledged * 8)
        fail_msg("call %ld failed: %zu projects there, %u acknowledged", k, all.n, acknowledged * 8);
}

static void one_run(int rc, bool for_ever, bool *ret_done, size_t *stops)
{
    struct fixture f;
    uint32_t acknowledged;
    enum err e;

    shim.fail_at = 0;
    fixture_init(&f);
    shim.calls = shim.failed = 0;
    shim.rc = rc;
    shim.for_ever = for_ever;
    shim.fail_at = *ret_done ? 0 : (long) *stops + 1;
    acknowledged = work(&f, &e);
    *ret_done = shim.failed == 0;
    if (shim.failed > 0 && e == ERR_OK)
        fail_msg("call %ld failed and nobody was told", shim.fail_at);
    if (e != ERR_OK && rc == SQLITE_FULL) {
        assert_int_equal(e, ERR_NOSPC);
        assert_int_equal(meta_rollback(f.m, NULL), ERR_OK);
        assert_false(meta_is_broken(f.m));
        shim.fail_at = 0;
        what_is_there(&f, acknowledged, (long) *stops); /* without a restart, too */
        assert_ok(meta_begin(f.m, NULL));
        assert_ok(meta_setting_put(f.m, "there is room again", 1, SPAN_EMPTY, NULL));
        assert_ok(meta_commit(f.m, NULL));
    } else if (e != ERR_OK) {
        assert_int_equal(e, ERR_IO);
        assert_true(meta_is_broken(f.m));
        (void) meta_rollback(f.m, NULL);
        assert_err(meta_begin(f.m, NULL), ERR_IO); /* never again in this process */
    }
    shim.fail_at = 0;
    fixture_reopen(&f);
    what_is_there(&f, acknowledged, (long) *stops);
    fixture_deinit(&f);
    *stops += 1;
}

static void each_call_fails(int rc, bool for_ever)
{
    bool done = false;
    size_t n = 0;

    while (!done)
        one_run(rc, for_ever, &done, &n);
    print_message("%zu writes and syncs failed in turn\n", n - 1);
    assert_true(n > 30);
}

static void io_errors_stop_the_writer(void **state)
{
    (void) state;
    each_call_fails(SQLITE_IOERR_WRITE, true);
}

static void one_io_error_is_enough(void **state)
{
    (void) state;
    each_call_fails(SQLITE_IOERR_WRITE, false);
}

static void a_full_disk_rolls_back(void **state)
{
    (void) state;
    each_call_fails(SQLITE_FULL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(io_errors_stop_the_writer),
        cmocka_unit_test(one_io_error_is_enough),
        cmocka_unit_test(a_full_disk_rolls_back),
    };
    return cmocka_run_group_tests(tests, shim_install, shim_remove);
}
