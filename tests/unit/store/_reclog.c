#include "_reclog.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "os/clock.h"

static void on_fatal(void *ctx, const struct err_info *why)
{
    struct world *w = ctx;

    (void) why;
    __atomic_add_fetch(&w->fatal, 1, __ATOMIC_SEQ_CST);
}

static void init_in(struct world *w, const char *top)
{
    *w = (struct world){ .dir = "" };
    (void) snprintf(w->dir, sizeof(w->dir), "%s/keyhole-reclog-XXXXXX", top);
    assert_non_null(mkdtemp(w->dir));
    assert_ok(loop_new(&w->loop, NULL));
    w->o = (struct reclog_options){ .dir = w->dir, .fatal = on_fatal, .fatal_ctx = w };
}

void world_init(struct world *w)
{
    init_in(w, "/tmp");
}

void world_init_fast(struct world *w)
{
    init_in(w, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

void world_open(struct world *w)
{
    struct err_info e = { .text = "" };

    assert_ok_err(reclog_open(&w->o, &w->log, &e), &e);
}

void world_close(struct world *w)
{
    w->log = reclog_free(w->log);
    for (int i = 0; i < 100; i++)
        loop_turn(w->loop);
}

void world_deinit(struct world *w)
{
    char cmd[128];

    world_close(w);
    loop_free(w->loop);
    (void) snprintf(cmd, sizeof(cmd), "rm -rf %s", w->dir);
    assert_int_equal(system(cmd), 0);
}

void world_until(struct world *w, const int *flag, int n)
{
    time_ms end = clock_boot_ms() + 20000;

    while (*flag < n) {
        loop_turn(w->loop);
        if (clock_boot_ms() > end)
            fail_msg("waited in vain: %d of %d", *flag, n);
        if (*flag < n)
            (void) usleep(50);
    }
}

size_t world_files(const struct world *w, uint64_t *ret_bytes)
{
    char path[512];
    struct dirent *e;
    struct stat st;
    size_t n = 0;
    DIR *d;

    (void) snprintf(path, sizeof(path), "%s/log", w->dir);
    d = opendir(path);
    assert_non_null(d);
    *ret_bytes = 0;
    while ((e = readdir(d)) != NULL) {
        if (strstr(e->d_name, ".khl") == NULL)
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, 0) != 0)
            continue; /* it went meanwhile */
        n++;
        *ret_bytes += (uint64_t) st.st_size;
    }
    (void) closedir(d);
    return n;
}

void pen_init(struct pen *p, struct world *w, unsigned number)
{
    *p = (struct pen){ .w = w };
    (void) snprintf(p->rid, sizeof(p->rid), "r_%016u", number);
    p->rk = secret_random(32);
    assert_non_null(p->rk);
}

static void on_press(void *ctx)
{
    struct pen *p = ctx;

    p->n_pressed++;
}

void pen_begin(struct pen *p)
{
    static const uint8_t wrap[123] = { 7 };
    const struct reclog_begin b = {
        .project = PROJECT, .rid = span_str(p->rid), .kn = p->kn, .wrap = SPAN_OF(wrap), .rk = p->rk,
        .next_seq = p->next_seq, .next_batch = p->next_batch, .loop = p->w->loop, .press = on_press, .ctx = p,
    };
    struct err_info e = { .text = "" };

    assert_ok_err(reclog_begin(p->w->log, &b, &p->rec, &e), &e);
}

void pen_deinit(struct pen *p)
{
    p->rec = reclog_end(p->rec);
    p->rk = secret_free(p->rk);
}

void pen_frame(const struct pen *p, uint64_t seq, uint32_t n, size_t pad, struct buf *out)
{
    *out = BUF_INIT(64u << 20);
    for (uint32_t i = 0; i < n; i++) {
        buf_addf(out, "%s:%llu", p->rid, (unsigned long long) (seq + i));
        if (pad > 0) {
            uint8_t *to = buf_reserve(out, pad);

            assert_non_null(to);
            memset(to, '.', pad);
            out->n += pad;
        }
        buf_add_c(out, '\n');
    }
}

void pen_check_frame(const struct pen *p, uint64_t seq, uint32_t n, struct span frame)
{
    for (uint32_t i = 0; i < n; i++) {
        struct span line, want_rid, number;
        uint64_t got = 0;

        assert_true(span_cut(frame, '\n', &line, &frame));
        while (line.n > 0 && line.p[line.n - 1] == '.')
            line.n--;
        assert_true(span_cut(line, ':', &want_rid, &number));
        assert_span_str(want_rid, p->rid);
        assert_true(num_u64(number, UINT64_MAX, &got));
        assert_true(got == seq + i);
    }
    assert_int_equal(frame.n, 0);
}

struct batch {
    struct pen *pen;
    uint64_t next_seq, batch;
    size_t n;
    struct buf frames[];
};

static void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        buf_deinit(&b->frames[i]);
    free(b);
}

static void on_done(void *ctx, enum err e)
{
    struct batch *b = ctx;
    struct pen *p = b->pen;

    p->n_done++;
    p->last = e;
    if (e == ERR_OK) {
        assert_true(b->batch >= p->acked_batch && b->next_seq >= p->acked_seq);
        p->acked_seq = b->next_seq;
        p->acked_batch = b->batch + 1;
        p->n_ok++;
    } else {
        p->n_failed++;
        if (b->batch < p->next_batch) { /* it has to come again */
            p->next_seq = p->acked_seq;
            p->next_batch = p->acked_batch;
        }
    }
    batch_free(b);
}

static enum err append(struct pen *p, struct batch *b, struct reclog_frame *frames, size_t n, uint64_t n_events)
{
    struct err_info info = { .text = "" };
    enum err e;

    b->pen = p;
    b->batch = p->next_batch;
    b->next_seq = p->next_seq + n_events;
    e = reclog_append(p->rec, b->batch, frames, n, on_done, b, &info);
    if (e != ERR_OK) {
        batch_free(b);
        return e;
    }
    p->next_seq += n_events;
    p->next_batch++;
    return ERR_OK;
}

enum err pen_append(struct pen *p, size_t n_frames, uint32_t n, size_t pad)
{
    struct batch *b = calloc(1, sizeof(*b) + n_frames * sizeof(b->frames[0]));
    struct reclog_frame *frames = calloc(n_frames + 1, sizeof(*frames));
    uint64_t seq = p->next_seq;
    enum err e;

    assert_true(b != NULL && frames != NULL);
    b->n = n_frames;
    for (size_t i = 0; i < n_frames; i++, seq += n) {
        pen_frame(p, seq, n, pad, &b->frames[i]);
        frames[i] = (struct reclog_frame){ .zstd = buf_span(&b->frames[i]), .first_seq = seq, .n_events = n };
    }
    e = append(p, b, frames, n_frames, (uint64_t) n * n_frames);
    free(frames);
    return e;
}

enum err pen_append_head(struct pen *p, struct span head, uint32_t n)
{
    struct batch *b = calloc(1, sizeof(*b) + 2 * sizeof(b->frames[0]));
    struct reclog_frame frames[2];

    assert_non_null(b);
    b->n = 2;
    b->frames[0] = BUF_INIT(1024);
    buf_add_span(&b->frames[0], head);
    pen_frame(p, p->next_seq, n, 0, &b->frames[1]);
    frames[0] = (struct reclog_frame){ .zstd = buf_span(&b->frames[0]), .first_seq = p->next_seq, .is_head = true };
    frames[1] = (struct reclog_frame){ .zstd = buf_span(&b->frames[1]), .first_seq = p->next_seq, .n_events = n };
    return append(p, b, frames, 2, n);
}

void pen_wait(struct pen *p)
{
    time_ms end = clock_boot_ms() + 20000;

    while (p->acked_batch < p->next_batch) {
        loop_turn(p->w->loop);
        if (clock_boot_ms() > end)
            fail_msg("%s: waited in vain", p->rid);
        if (p->acked_batch < p->next_batch)
            (void) usleep(50);
    }
}

void pen_append_ok(struct pen *p, size_t n_frames, uint32_t n, size_t pad)
{
    assert_ok(pen_append(p, n_frames, n, pad));
    pen_wait(p);
    assert_int_equal(p->last, ERR_OK);
}
