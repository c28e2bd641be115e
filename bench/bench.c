#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 99

static double seconds(bool wall)
{
    struct timespec t;

    bench_need(clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t) == 0, "clock_gettime");
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int64_t now_ns(void)
{
    struct timespec t;

    bench_need(clock_gettime(CLOCK_MONOTONIC, &t) == 0, "clock_gettime");
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y ? 1 : 0;
}

void bench_sort(double *values, size_t n)
{
    if (n > 0)
        qsort(values, n, sizeof(*values), by_value);
}

double bench_quantile(const double *sorted, size_t n, double q)
{
    size_t at = (size_t) (q * (double) n);

    return n == 0 ? 0 : sorted[at < n ? at : n - 1];
}

static void print_case(const struct bench_case *c, const double *rates, int n)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, rates, (size_t) n * sizeof(*rates));
    bench_sort(sorted, (size_t) n);
    printf("{\"name\":\"%s\",\"unit\":\"%s/s\",\"rate\":%.6g,", c->name, c->unit, sorted[n / 2]);
    if (c->reference != NULL)
        printf("\"reference\":\"%s\",", c->reference);
    printf("\"rounds\":[");
    for (int i = 0; i < n; i++)
        printf("%s%.6g", i > 0 ? "," : "", rates[i]);
    printf("]}\n");
}

static bool wanted(const struct bench_case *c)
{
    const char *only = getenv("BENCH_CASE");

    return only == NULL || strncmp(only, c->name, strlen(only)) == 0;
}

int bench_run(const struct bench_case *cases, size_t n)
{
    const char *said = getenv("BENCH_ROUNDS");
    int rounds = said != NULL ? atoi(said) : 7;
    double *rates;

    bench_need(rounds >= 1 && rounds <= ROUNDS_MAX, "BENCH_ROUNDS is 1 to 99");
    rates = calloc(n * ROUNDS_MAX, sizeof(*rates));
    bench_need(rates != NULL, "memory");
    for (size_t i = 0; i < n; i++) {
        if (wanted(&cases[i]))
            (void) cases[i].run(cases[i].ctx); /* caches, first allocations */
    }
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i++) {
            double began, work;

            if (!wanted(&cases[i]))
                continue;
            began = seconds(cases[i].wall);
            work = cases[i].run(cases[i].ctx);
            rates[i * ROUNDS_MAX + (size_t) r] = work / (seconds(cases[i].wall) - began);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (wanted(&cases[i]))
            print_case(&cases[i], rates + i * ROUNDS_MAX, rounds);
    }
    free(rates);
    return 0;
}

void bench_fact(const char *name, const char *unit, double value)
{
    printf("{\"name\":\"%s\",\"unit\":\"%s\",\"rate\":%.6g}\n", name, unit, value);
}

void bench_need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

void bench_heard(void)
{
    int c;

    do
        c = getchar();
    while (c != EOF && c != '\n');
}

void bench_cue(const char *word)
{
    printf("%s\n", word);
    (void) fflush(stdout);
    bench_heard();
}

void bench_read(const char *path, struct buf *ret)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    bench_need(f != NULL, path);
    while (buf_reserve(ret, 1u << 16) != NULL && (n = fread(ret->p + ret->n, 1, 1u << 16, f)) > 0)
        ret->n += n;
    bench_need(!ret->failed && !ferror(f) && fclose(f) == 0, path);
}
