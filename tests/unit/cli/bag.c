/* What is found in archives and files of several recordings: limits in total, and work that grows with the file, not with its square. */
#include "test.h"

#include "cli/bag.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define TAR 512

static char said[4096];

static void trouble(void *ctx, const char *path, const char *cause)
{
    size_t n = strlen(said);

    (void) ctx;
    (void) path;
    (void) snprintf(said + n, sizeof(said) - n, "%s\n", cause);
}

static void begin(struct bag *b)
{
    said[0] = '\0';
    bag_init(b, trouble, NULL);
}

static void written(const char *suffix, struct span bytes, char path[64])
{
    int fd;

    (void) snprintf(path, 64, "/tmp/kh-bag-XXXXXX%s", suffix);
    fd = mkstemps(path, (int) strlen(suffix));
    assert_true(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t) bytes.n);
    (void) close(fd);
}

static void member_of(struct buf *tar, const char *name, struct span body)
{
    uint8_t h[TAR] = { 0 };
    unsigned sum = 0;

    (void) snprintf((char *) h, 100, "%s", name);
    (void) snprintf((char *) h + 124, 12, "%011o", (unsigned) body.n);
    h[156] = '0';
    memcpy(h + 257, "ustar\0" "00", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < TAR; i++)
        sum += h[i];
    (void) snprintf((char *) h + 148, 8, "%06o", sum);
    buf_add(tar, h, TAR);
    buf_add_span(tar, body);
    while (tar->n % TAR != 0)
        buf_u8(tar, 0);
}

static void end_tar(struct buf *tar)
{
    uint8_t zeros[2 * TAR] = { 0 };

    buf_add(tar, zeros, sizeof(zeros));
}

static void zipped(struct span in, struct buf *out)
{
    z_stream z = { 0 };
    uint8_t *to = buf_reserve(out, in.n + 1024);

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = to;
    z.avail_out = (uInt) (in.n + 1024);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += in.n + 1024 - z.avail_out;
    (void) deflateEnd(&z);
}

/* A tar of n packed tars, each of a file of 100,000 bytes. */
static void nested(size_t n, struct buf *out)
{
    struct buf inner = BUF_INIT(1u << 20), packed = BUF_INIT(1u << 20), file = BUF_INIT(1u << 20);
    char name[32];

    memset(buf_reserve(&file, 100000), 'x', 100000);
    file.n = 100000;
    member_of(&inner, "a.cast", buf_span(&file));
    end_tar(&inner);
    zipped(buf_span(&inner), &packed);
    for (size_t i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "%zu.tgz", i);
        member_of(out, name, buf_span(&packed));
    }
    end_tar(out);
    buf_deinit(&inner);
    buf_deinit(&packed);
    buf_deinit(&file);
}

static void archives_in_one_count_together(void **state)
{
    (void) state;
    for (size_t n = 2; n <= 3; n++) {
        struct buf tar = BUF_INIT(1u << 20);
        char path[64];
        struct bag b;

        nested(n, &tar);
        written(".tar", buf_span(&tar), path);
        begin(&b);
        b.archive_max = 250000;
        bag_add(&b, path);
        if (n == 2) {
            assert_string_equal(said, "");
            assert_int_equal(b.n_files, 2);
        } else {
            assert_non_null(strstr(said, "when unpacked, with the archives in it"));
            assert_true(b.spool_size < 350000);
        }
        bag_deinit(&b);
        (void) unlink(path);
        buf_deinit(&tar);
    }
}

#define RECORDINGS 1500

static void message(struct buf *out, int rec, int number)
{
    buf_addf(out, "{\"ver\":\"2.3\",\"host\":\"h\",\"rec\":\"rec-%d\",\"user\":\"u\",\"term\":\"xterm\",\"session\":1,\"id\":%d,\"pos\":0,\"time\":1600000000,"
                  "\"timing\":\"=80x24>3\",\"in_txt\":\"\",\"in_bin\":[],\"out_txt\":\"%03d\",\"out_bin\":[]}\n", rec, number, rec % 1000);
}

/* What a job would send. */
static void read_job(struct bag *b, size_t i, struct buf *to)
{
    struct bag_reader r;
    uint8_t block[4096];
    int64_t n;

    buf_reset(to);
    bag_open(b, &b->jobs[i], &r);
    while ((n = bag_read(&r, block, sizeof(block))) > 0)
        buf_add(to, block, (size_t) n);
    assert_int_equal(n, 0);
    bag_close(&r);
}

/* Messages of many recordings, mixed: each gets its own, in order; the file is read twice, not once for each of them. */
static void many_recordings_in_one_file(void **state)
{
    struct buf file = BUF_INIT(16u << 20), want = BUF_INIT(1u << 20), is = BUF_INIT(1u << 20);
    bool *seen = calloc(RECORDINGS, 1);
    clock_t from = clock();
    char path[64];
    struct bag b;

    (void) state;
    for (int number = 1; number <= 3; number++)
        for (int rec = 0; rec < RECORDINGS; rec++)
            message(&file, rec, number);
    written(".tlog", buf_span(&file), path);
    begin(&b);
    bag_add(&b, path);
    bag_sort(&b);
    assert_string_equal(said, "");
    assert_int_equal(b.n_jobs, RECORDINGS);
    for (size_t i = 0; i < b.n_jobs; i++) {
        int rec = atoi(strrchr(b.jobs[i].path, '-') + 1);

        assert_true(rec >= 0 && rec < RECORDINGS && !seen[rec]);
        seen[rec] = true;
        buf_reset(&want);
        for (int number = 1; number <= 3; number++)
            message(&want, rec, number);
        read_job(&b, i, &is);
        assert_span_eq(buf_span(&is), buf_span(&want));
        assert_int_equal(b.jobs[i].size, want.n);
    }
    if ((clock() - from) / CLOCKS_PER_SEC >= 8)
        fail_msg("%ld s of work", (long) ((clock() - from) / CLOCKS_PER_SEC));
    bag_deinit(&b);
    (void) unlink(path);
    free(seen);
    buf_deinit(&file);
    buf_deinit(&want);
    buf_deinit(&is);
}

/* One recording stays the file that it is; what is broken is the server's to tell, wherever it breaks. */
static void one_recording_or_a_broken_file(void **state)
{
    static const char *const tails[] = { "", "{\"ver\":\"2.3\",\"rec\":\n" };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct buf file = BUF_INIT(1u << 20);
        char path[64];
        struct bag b;

        message(&file, 1, 1);
        message(&file, i == 0 ? 1 : 2, 2);
        buf_add_str(&file, tails[i]);
        written(".tlog", buf_span(&file), path);
        begin(&b);
        bag_add(&b, path);
        bag_sort(&b);
        assert_string_equal(said, "");
        assert_true(b.n_jobs == 1 && b.n_files == 1 && !b.files[0].boxed);
        bag_deinit(&b);
        (void) unlink(path);
        buf_deinit(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_in_one_count_together),
        cmocka_unit_test(many_recordings_in_one_file),
        cmocka_unit_test(one_recording_or_a_broken_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
