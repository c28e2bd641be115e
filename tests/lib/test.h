#pragma once
/*
 * What unit tests share: cmocka with our types, data files, and where real data lies.
 * Tests run from anywhere: paths come from the environment that meson sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

/* Fails with both values printed. */
#define assert_span_eq(a, b)  test_span_eq((a), (b), __FILE__, __LINE__)
#define assert_span_str(a, s) test_span_eq((a), span_str(s), __FILE__, __LINE__)
#define assert_ok(expr)       test_ok((expr), #expr, NULL, __FILE__, __LINE__)
/* With the error's text: assert_ok_err(f(…, &e), &e). */
#define assert_ok_err(expr, e)   test_ok((expr), #expr, (e), __FILE__, __LINE__)
#define assert_err(expr, want)   test_err((expr), (want), #expr, __FILE__, __LINE__)

void test_span_eq(struct span a, struct span b, const char *file, int line);
void test_ok(enum err code, const char *expr, const struct err_info *e, const char *file, int line);
void test_err(enum err code, enum err want, const char *expr, const char *file, int line);

/* "<shared>/data/<path>", or NULL (the test then calls skip()) when the real-data folder is not beside the checkout. */
const char *test_shared(const char *path);
/* "<source root>/<path>". */
const char *test_source(const char *path);

/* Reads a whole file (at most 256 MiB) into *b, which the caller deinits. Fails the test when it cannot. */
void test_read_file(const char *path, struct buf *b);

/* Calls fn for each regular file directly in dir whose name ends in 'suffix' ("" = all), in name order. Returns how many. */
size_t test_each_file(const char *dir, const char *suffix, void (*fn)(const char *path, void *ctx), void *ctx);
