#pragma once
/*
 * The serial stream of commands: one queue, one thread, groups (STANDARDS 2.3).
 *
 * An idle writer takes what is there at once; what arrives while a group commits makes up the next group, at most
 * WRITER_GROUP_MAX commands or WRITER_GROUP_BYTES of messages. What a group means is the runner's business (core.h);
 * the runner owns the commands it gets.
 * Threads: writer_push and writer_busy_ms from any thread; the runner runs in the writer's own.
 */
#include "base/times.h"
#include "keeper/cmd.h"

#define WRITER_GROUP_MAX   256
#define WRITER_GROUP_BYTES (1U << 20)
#define WRITER_QUEUE_MAX   65536 /* commands that wait; the channels' budgets keep it far below */

struct writer;

typedef void writer_run_fn(void *ctx, struct cmd **cmds, size_t n);

/* Also what the two reader threads are made of: group_max 1 takes one command at a time. */
NODISCARD enum err writer_new(size_t n_threads, size_t group_max, writer_run_fn *run, void *ctx, struct writer **ret,
                              struct err_info *reterr);

/* Takes the command. False: the queue is full or closed; the command stays the caller's. */
bool writer_push(struct writer *w, struct cmd *c);

/* How long the group under way has been running; 0 when idle. Heartbeats stop when this passes 3 s. */
int64_t writer_busy_ms(struct writer *w, int64_t now_mono_us);

/* Runs what is queued, then ends the threads. NULL is fine; returns NULL. */
struct writer *writer_free(struct writer *w);
