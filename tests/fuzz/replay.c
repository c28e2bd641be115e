/*
 * The fuzz targets without a fuzzer: their seeds, and some thousand damaged forms of each that are the same every time. So what a target
 * once found stays found (its input is a seed), and no target stops compiling unseen.
 *
 * replay FOLDER...: seeds lie in FOLDER/TARGET/.
 */
#include "base/buf.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SEED_MAX  65536
#define EACH      150 /* damaged forms of a seed */
#define TARGET_MS 700 /* then only the seeds themselves */

#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
#include "targets.h"
#undef X

static const struct {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} targets[] = {
#define X(name) { #name, fuzz_##name },
#include "targets.h"
#undef X
};

static struct {
    const char *target;
    char seed[512];
    int form; /* 0: the seed itself */
} now;

static void died(int sig)
{
    char text[700];
    int n = snprintf(text, sizeof(text), "\nreplay: signal %d in target %s, seed %s, form %d\n", sig, now.target, now.seed, now.form);

    (void) !write(STDERR_FILENO, text, n > 0 ? (size_t) n : 0);
    _exit(1);
}

static uint64_t rnd(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Bytes changed, cut out, doubled, or the end lost. */
static size_t damage(uint8_t *p, size_t n, size_t cap, uint64_t *s)
{
    for (uint64_t times = 1 + rnd(s) % 4; times > 0 && n > 0; times--) {
        size_t at = rnd(s) % n, len = 1 + rnd(s) % 16;

        len = len < n - at ? len : n - at;
        switch (rnd(s) % 5) {
        case 0: p[at] ^= (uint8_t) (1u << rnd(s) % 8); break;
        case 1: p[at] = (uint8_t) rnd(s); break;
        case 2: n = at; break;
        case 3:
            memmove(p + at, p + at + len, n - at - len);
            n -= len;
            break;
        default:
            if (n + len <= cap) {
                memmove(p + at + len, p + at, n - at);
                n += len;
            }
            break;
        }
    }
    return n;
}

static int64_t cpu_ms(void)
{
    return (int64_t) clock() / (CLOCKS_PER_SEC / 1000);
}

/* From memory of exactly that size, so that a look past the end is seen by a checker. */
static void give(int (*run)(const uint8_t *, size_t), const uint8_t *p, size_t n)
{
    uint8_t *own = malloc(n > 0 ? n : 1);

    if (own == NULL)
        abort();
    if (n > 0)
        memcpy(own, p, n);
    (void) run(own, n);
    free(own);
}

static unsigned long one_seed(int (*run)(const uint8_t *, size_t), const char *path, int64_t until, bool *ret_read)
{
    static uint8_t seed[SEED_MAX], form[SEED_MAX + 64];
    FILE *f = fopen(path, "rb");
    uint64_t s = 88172645463325252u;
    unsigned long runs = 0;
    size_t n;

    *ret_read = f != NULL;
    if (f == NULL)
        return 0;
    n = fread(seed, 1, sizeof(seed), f);
    (void) fclose(f);
    (void) snprintf(now.seed, sizeof(now.seed), "%s", path);
    for (now.form = 0; now.form <= EACH && (now.form == 0 || cpu_ms() < until); now.form++, runs++) {
        memcpy(form, seed, n);
        give(run, form, now.form == 0 ? n : damage(form, n, sizeof(form), &s));
    }
    return runs;
}

static unsigned long one_folder(size_t t, const char *folder, int64_t until)
{
    struct dirent **names;
    unsigned long runs = 0;
    char path[512];
    bool there;
    int n;

    (void) snprintf(path, sizeof(path), "%s/%s", folder, targets[t].name);
    n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        (void) snprintf(path, sizeof(path), "%s/%s/%s", folder, targets[t].name, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            runs += one_seed(targets[t].run, path, until, &there);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return runs;
}

int main(int argc, char **argv)
{
    bool all = true;

    (void) signal(SIGABRT, died);
    (void) signal(SIGSEGV, died);
    for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
        int64_t until = cpu_ms() + TARGET_MS;
        unsigned long runs = 0;

        now.target = targets[t].name;
        for (int i = 1; i < argc; i++)
            runs += one_folder(t, argv[i], until);
        (void) printf("%-12s %lu\n", targets[t].name, runs);
        (void) fflush(stdout);
        all = all && runs > 0;
    }
    if (!all)
        (void) fprintf(stderr, "replay: a target has no seeds\n");
    return all ? 0 : 1;
}
