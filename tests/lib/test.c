#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void test_span_eq(struct span a, struct span b, const char *file, int line)
{
    if (span_eq(a, b))
        return;
    print_error("spans differ:\n  left  %zu bytes: ", a.n);
    for (size_t i = 0; i < a.n && i < 200; i++)
        print_error(a.p[i] >= 0x20 && a.p[i] < 0x7f ? "%c" : "\\x%02x", a.p[i]);
    print_error("\n  right %zu bytes: ", b.n);
    for (size_t i = 0; i < b.n && i < 200; i++)
        print_error(b.p[i] >= 0x20 && b.p[i] < 0x7f ? "%c" : "\\x%02x", b.p[i]);
    print_error("\n");
    _fail(file, line);
}

void test_ok(enum err code, const char *expr, const struct err_info *e, const char *file, int line)
{
    if (code == ERR_OK)
        return;
    print_error("%s: %s%s%s\n", expr, err_name(code), e != NULL ? ": " : "", e != NULL ? e->text : "");
    _fail(file, line);
}

void test_err(enum err code, enum err want, const char *expr, const char *file, int line)
{
    if (code == want)
        return;
    print_error("%s: got %s, want %s\n", expr, err_name(code), err_name(want));
    _fail(file, line);
}

static const char *under(const char *env, const char *fallback, const char *path, bool must_exist)
{
    static char out[4][4096];
    static int turn;
    const char *root = getenv(env);
    char *to = out[turn++ % 4];

    (void) snprintf(to, sizeof(out[0]), "%s/%s", root != NULL ? root : fallback, path);
    if (must_exist && access(to, R_OK) != 0)
        return NULL;
    return to;
}

const char *test_shared(const char *path)
{
    char data[4000];

    (void) snprintf(data, sizeof(data), "data/%s", path);
    return under("KEYHOLE_SHARED", "../shared", data, true);
}

const char *test_source(const char *path)
{
    return under("KEYHOLE_SRC", ".", path, false);
}

void test_read_file(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "rbe");
    size_t n = 1;

    buf_init(b, 256u << 20);
    if (f == NULL)
        fail_msg("cannot open %s", path);
    while (n > 0) {
        uint8_t *to = buf_reserve(b, 65536);

        assert_non_null(to);
        n = fread(to, 1, 65536, f);
        b->n += n;
    }
    (void) fclose(f);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

size_t test_each_file(const char *dir, const char *suffix, void (*fn)(const char *path, void *ctx), void *ctx)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char **names = NULL;
    size_t n = 0;

    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name), end = strlen(suffix);

        if (e->d_name[0] == '.' || len < end || strcmp(e->d_name + len - end, suffix) != 0)
            continue;
        names = realloc(names, (n + 1) * sizeof(*names));
        names[n++] = strdup(e->d_name);
    }
    (void) closedir(d);
    if (n > 0)
        qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < n; i++) {
        char path[4096];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            fn(path, ctx);
        free(names[i]);
    }
    free(names);
    return n;
}
