/* Segment files: there and back, never replaced, no way out of the directory, leftovers found, faults survived. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/segment.h"
#include "store/store.h"

#define PID  SPAN("p_zNe2lKL4dQxW8s0b")
#define RID  SPAN("r_2Dz2Sr-SnSlnd8aT")
#define RID2 SPAN("r_2DzzSr-SnSlnd8aT")

static char dir[64];

static int setup(void **state)
{
    struct store *s = NULL;

    (void) snprintf(dir, sizeof(dir), "/tmp/keyhole-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_ok(store_open(dir, &s, NULL));
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    char cmd[128];

    store_free(*state);
    (void) snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    return system(cmd);
}

static const char *below(const char *path)
{
    static char out[256];

    (void) snprintf(out, sizeof(out), "%s/blobs/p_zNe2lKL4dQxW8s0b/%s", dir, path);
    return out;
}

static struct store_piece piece(uint32_t n)
{
    return (struct store_piece){ .project = PID, .rid = RID, .seg_no = n };
}

/* What was just written is in memory: read without waiting. Whatever else there is, a worker has to find out. */
static void at_hand(void **state)
{
    const struct store *s = *state;
    struct store_piece p = piece(3), none = piece(4), bad = { .project = SPAN("p_"), .rid = RID };
    struct store_file f = STORE_FILE_NONE;
    struct khseg_source src;
    uint8_t got[16];

    assert_ok(store_put(s, &p, SPAN("content"), NULL));
    assert_err(store_get_at_hand(s, &none, &f, NULL), ERR_AGAIN);
    assert_err(store_get_at_hand(s, &bad, &f, NULL), ERR_INVAL);
    assert_ok(store_get_at_hand(s, &p, &f, NULL));
    assert_true(f.at_hand);
    assert_int_equal(f.size, 7);
    src = store_source(&f);
    assert_ok(src.read(src.ctx, 3, got, 4, NULL));
    assert_memory_equal(got, "tent", 4);
    assert_err(src.read(src.ctx, 3, got, 5, NULL), ERR_AGAIN);
    f.at_hand = false;
    assert_err(src.read(src.ctx, 3, got, 5, NULL), ERR_CORRUPT); /* a worker says what it is */
    store_close(&f);
}

static void there_and_back(void **state)
{
    const struct store *s = *state;
    struct store_piece p = piece(0), last = piece(UINT32_MAX);
    struct store_file f = STORE_FILE_NONE;
    struct khseg_source src;
    struct stat st;
    uint8_t got[16];

    assert_err(store_get(s, &p, &f, NULL), ERR_NOTFOUND);
    assert_ok(store_put(s, &p, SPAN("content"), NULL));
    assert_ok(store_put(s, &last, SPAN(""), NULL));
    assert_int_equal(stat(below("2D/r_2Dz2Sr-SnSlnd8aT/0.khs"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(below("2D/r_2Dz2Sr-SnSlnd8aT"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(below("2D/r_2Dz2Sr-SnSlnd8aT/4294967295.khs"), &st), 0);
    assert_ok(store_get(s, &p, &f, NULL));
    assert_int_equal(f.size, 7);
    src = store_source(&f);
    assert_ok(src.read(src.ctx, 3, got, 4, NULL));
    assert_memory_equal(got, "tent", 4);
    assert_err(src.read(src.ctx, 3, got, 5, NULL), ERR_CORRUPT); /* shorter than its size said */
    store_close(&f);
    store_close(&f);
    assert_ok(store_remove(s, &p, NULL));
    assert_ok(store_remove(s, &p, NULL));
    assert_err(store_get(s, &p, &f, NULL), ERR_NOTFOUND);
}

static void a_number_is_never_used_twice(void **state)
{
    const struct store *s = *state;
    struct store_piece p = piece(3);
    struct store_file f = STORE_FILE_NONE;

    assert_ok(store_put(s, &p, SPAN("first"), NULL));
    assert_err(store_put(s, &p, SPAN("second!"), NULL), ERR_EXISTS);
    assert_ok(store_get(s, &p, &f, NULL));
    assert_int_equal(f.size, 5);
    store_close(&f);
    assert_int_not_equal(access(below("2D/r_2Dz2Sr-SnSlnd8aT/3.khs.tmp"), F_OK), 0);
}

static void ids_are_checked(void **state)
{
    static const char *const bad[] = { "", "r_", "r_2Dz2Sr-SnSlnd8a", "r_2Dz2Sr-SnSlnd8aTT", "p_2Dz2Sr-SnSlnd8aT",
                                       "r_../../../../etc", "r_..%2f..%2fetcaaa", "r_2Dz2Sr/SnSlnd8aT",
                                       "r_2Dz2Sr.SnSlnd8aT" };
    const struct store *s = *state;
    struct store_file f = STORE_FILE_NONE;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct store_piece p = { .project = PID, .rid = span_str(bad[i]), .seg_no = 0 };

        assert_err(store_put(s, &p, SPAN("x"), NULL), ERR_INVAL);
        assert_err(store_get(s, &p, &f, NULL), ERR_INVAL);
        assert_err(store_remove(s, &p, NULL), ERR_INVAL);
        assert_err(store_remove_recording(s, PID, span_str(bad[i]), NULL), ERR_INVAL);
        p = (struct store_piece){ .project = RID, .rid = RID, .seg_no = 0 };
        assert_err(store_put(s, &p, SPAN("x"), NULL), ERR_INVAL);
    }
}

static void links_and_odd_files_are_refused(void **state)
{
    const struct store *s = *state;
    struct store_piece p = piece(1), q = { .project = PID, .rid = RID2, .seg_no = 1 };
    struct store_file f = STORE_FILE_NONE;
    enum err e;

    assert_ok(store_put(s, &p, SPAN("x"), NULL));
    assert_int_equal(symlink("/etc/passwd", below("2D/r_2Dz2Sr-SnSlnd8aT/5.khs")), 0);
    p.seg_no = 5;
    e = store_get(s, &p, &f, NULL);
    assert_true(e != ERR_OK && e != ERR_NOTFOUND);
    assert_int_equal(mkfifo(below("2D/r_2Dz2Sr-SnSlnd8aT/6.khs"), 0600), 0);
    p.seg_no = 6;
    assert_err(store_get(s, &p, &f, NULL), ERR_CORRUPT);
    assert_int_equal(mkdir(below("2D/r_2Dz2Sr-SnSlnd8aT/7.khs"), 0700), 0);
    p.seg_no = 7;
    assert_err(store_get(s, &p, &f, NULL), ERR_CORRUPT);
    assert_int_equal(symlink("/tmp", below("2D/r_2DzzSr-SnSlnd8aT")), 0); /* a recording's directory that leads away */
    assert_int_not_equal(store_put(s, &q, SPAN("x"), NULL), ERR_OK);
    assert_int_not_equal(access("/tmp/1.khs", F_OK), 0);
    assert_int_equal(f.fd, -1);
}

struct seen {
    unsigned n;
    uint64_t bytes, numbers;
    unsigned stop_after;
};

static bool see(void *ctx, const struct store_piece *p, uint64_t size)
{
    struct seen *s = ctx;

    assert_int_equal(p->project.n, 18);
    assert_int_equal(p->rid.n, 18);
    s->n++;
    s->bytes += size;
    s->numbers += p->seg_no;
    return s->n != s->stop_after;
}

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    assert_true(fd >= 0);
    (void) close(fd);
}

static void leftovers_are_found(void **state)
{
    const struct store *s = *state;
    struct seen seen = { 0 };
    size_t n = 99;

    assert_ok(store_each(s, see, &seen, NULL));
    assert_int_equal(seen.n, 0);
    assert_err(store_each_of(s, PID, RID, see, &seen, NULL), ERR_NOTFOUND);
    for (uint32_t i = 0; i < 10; i++) {
        struct store_piece p = { .project = PID, .rid = i % 2 == 0 ? RID : RID2, .seg_no = i };

        assert_ok(store_put(s, &p, SPAN("12345"), NULL));
    }
    touch(below("2D/r_2Dz2Sr-SnSlnd8aT/11.khs.tmp"));
    touch(below("2D/r_2DzzSr-SnSlnd8aT/12.khs.tmp"));
    touch(below("2D/r_2DzzSr-SnSlnd8aT/013.khs"));
    touch(below("2D/r_2DzzSr-SnSlnd8aT/.khs"));
    touch(below("2D/r_2DzzSr-SnSlnd8aT/1.khsx"));
    touch(below("2D/r_2DzzSr-SnSlnd8aT/4294967296.khs"));
    touch(below("README"));
    assert_ok(store_each(s, see, &seen, NULL));
    assert_true(seen.n == 10 && seen.bytes == 50 && seen.numbers == 45);
    seen = (struct seen){ .stop_after = 3 };
    assert_ok(store_each(s, see, &seen, NULL));
    assert_int_equal(seen.n, 3);
    seen = (struct seen){ 0 };
    assert_ok(store_each_of(s, PID, RID, see, &seen, NULL));
    assert_true(seen.n == 5 && seen.numbers == 20);
    assert_ok(store_clean(s, &n, NULL));
    assert_int_equal(n, 2);
    assert_ok(store_clean(s, &n, NULL));
    assert_int_equal(n, 0);
    assert_ok(store_remove_recording(s, PID, RID2, NULL));
    assert_ok(store_remove_recording(s, PID, RID2, NULL));
    assert_int_not_equal(access(below("2D/r_2DzzSr-SnSlnd8aT"), F_OK), 0);
    seen = (struct seen){ 0 };
    assert_ok(store_each(s, see, &seen, NULL));
    assert_true(seen.n == 5 && seen.numbers == 20);
}

/* A file that may not grow: the put fails, and nothing of it stays. */
static void a_failed_write_leaves_nothing(void **state)
{
    const struct store *s = *state;
    struct rlimit was, small = { 4096, 4096 };
    struct store_piece p = piece(9);
    struct store_file f = STORE_FILE_NONE;
    static uint8_t big[8192];
    struct seen seen = { 0 };
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_err(store_put(s, &p, SPAN_OF(big), NULL), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    (void) signal(SIGXFSZ, old);
    assert_err(store_get(s, &p, &f, NULL), ERR_NOTFOUND);
    assert_int_not_equal(access(below("2D/r_2Dz2Sr-SnSlnd8aT/9.khs.tmp"), F_OK), 0);
    assert_ok(store_each(s, see, &seen, NULL));
    assert_int_equal(seen.n, 0);
    assert_ok(store_put(s, &p, SPAN_OF(big), NULL));
}

static void space_is_told(void **state)
{
    uint64_t free_bytes = 0, total = 0;

    assert_ok(store_space(*state, &free_bytes, &total, NULL));
    assert_true(total > 0 && free_bytes <= total);
}

/* A segment through the disk, read by two readers of one file. */
static void a_segment_through_the_store(void **state)
{
    const struct store *s = *state;
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);
    struct khseg_context c = { .project = PID, .rid = RID, .seg_no = 2, .codec = 1 };
    struct segment_options o = { .zstd_level = 3 };
    struct segment_builder *b = NULL;
    struct segment_reader *r[2] = { NULL, NULL };
    struct segment_summary sum;
    struct store_piece p = piece(2);
    struct store_file f = STORE_FILE_NONE;
    struct khseg_source src;
    struct buf file = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);

    assert_ok(segment_builder_new(rk, &c, &o, &b, NULL));
    for (uint64_t i = 0; i < 20000; i++)
        assert_ok(segment_add_event(b, i, (time_us) i, SPAN("[1,\"o\",\"a marked line of content\"]"), NULL));
    assert_ok(segment_finish(b, &file, &sum, NULL));
    segment_builder_free(b);
    assert_ok(store_put(s, &p, buf_span(&file), NULL));
    assert_ok(store_get(s, &p, &f, NULL));
    src = store_source(&f);
    for (int i = 0; i < 2; i++)
        assert_ok(segment_open(&src, rk, &c, &r[i], NULL));
    for (uint32_t n = 0; n < sum.n_chunks; n++) {
        assert_ok(segment_read_chunk(r[n % 2], n, &out, NULL));
    }
    assert_int_equal(out.n, sum.raw_bytes);
    assert_null(memmem(file.p, file.n, "marked line", 11)); /* nothing in clear */
    segment_reader_free(r[0]);
    segment_reader_free(r[1]);
    store_close(&f);
    buf_deinit(&file);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(at_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_is_never_used_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(links_and_odd_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(leftovers_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(space_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_through_the_store, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
