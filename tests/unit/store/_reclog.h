#pragma once
/* What the tests of the recording log share: a directory, a loop, recordings with known events, a disk that can break. */
#include "test.h"

#include "format/khspl.h"
#include "store/reclog.h"

#define PROJECT SPAN("p_zNe2lKL4dQxW8s0b")

struct world {
    char dir[64];
    struct loop *loop;
    struct reclog *log;
    struct reclog_options o;
    int fatal; /* calls of options.fatal */
};

void world_init(struct world *w); /* makes the directory and the loop; options with dir and fatal */
void world_init_fast(struct world *w); /* in memory if it can be: for many restarts */
void world_open(struct world *w);
void world_close(struct world *w); /* the log; the loop turns until nothing comes */
void world_deinit(struct world *w); /* and removes the directory */

/* Turns the loop until *flag is at least n; fails after 20 s. */
void world_until(struct world *w, const int *flag, int n);

/* Number of .khl files in DIR/log, and bytes. */
size_t world_files(const struct world *w, uint64_t *ret_bytes);

/* A recording. Event seq is the text "<rid>:<seq>"; frames are events joined by newlines (nobody here needs zstd). */
struct pen {
    struct world *w;
    char rid[19];
    struct secret *rk;
    uint16_t kn;
    struct reclog_rec *rec;
    uint64_t next_seq, next_batch; /* after what was appended */
    uint64_t acked_seq, acked_batch;
    int n_done, n_ok, n_failed, n_pressed;
    enum err last;
};

void pen_init(struct pen *p, struct world *w, unsigned number); /* fresh RK, from seq 0 and batch 0 */
void pen_begin(struct pen *p);
void pen_deinit(struct pen *p); /* ends it when it is not */

/* A batch of n_frames frames with n events each, 'pad' bytes more in each event. The frames live until it is answered. */
enum err pen_append(struct pen *p, size_t n_frames, uint32_t n, size_t pad);
enum err pen_append_head(struct pen *p, struct span head, uint32_t n); /* and one frame of n events */
void pen_wait(struct pen *p); /* until everything appended was answered */
void pen_append_ok(struct pen *p, size_t n_frames, uint32_t n, size_t pad); /* and waited for */

/* The frame that holds events [seq, seq + n). */
void pen_frame(const struct pen *p, uint64_t seq, uint32_t n, size_t pad, struct buf *out);

/* Checks a frame against what pen_frame would write. */
void pen_check_frame(const struct pen *p, uint64_t seq, uint32_t n, struct span frame);
