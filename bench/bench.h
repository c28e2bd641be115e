#pragma once
/*
 * Cases measured side by side: in each round every case runs once, one after another, so that whatever disturbs the
 * machine disturbs all of them. What counts is CPU time of this process (user and system); the result of a case is the median of its
 * rounds. docs/benchmarks.md says how to read them.
 */
#include <stddef.h>

#include "base/buf.h"

struct bench_case {
    const char *name;      /* "key: first sight" */
    const char *unit;      /* of the work: "checks", "MB" (10^6 bytes) */
    const char *reference; /* the name of the case that it is held against, or NULL */
    double (*run)(void *ctx); /* one round; returns the work done */
    void *ctx;
    bool wall;             /* per second on the wall: it waits for a disk */
};

/* Rounds from BENCH_ROUNDS, 7 unless said; BENCH_CASE: only those whose name begins so. Prints one JSON object a line: name, unit, rate (per CPU second), rounds. */
int bench_run(const struct bench_case *cases, size_t n);

/* A figure that is not a rate, such as a ratio of sizes. */
void bench_fact(const char *name, const char *unit, double value);

/* Stops the program: a benchmark of something that failed is none. */
void bench_need(int good, const char *what);

/* CLOCK_MONOTONIC, the same in all processes of the machine. */
int64_t now_ns(void);

/* ---- for load generators ---- */

/* Says a word on standard output, and waits for a line on standard input (or its end). */
void bench_cue(const char *word);
void bench_heard(void); /* only waits */
/* A whole file. */
void bench_read(const char *path, struct buf *ret);
void bench_sort(double *values, size_t n);
/* Of sorted values: q = 0.99 is the value that 99 % do not exceed. 0 when there is none. */
double bench_quantile(const double *sorted, size_t n, double q);
