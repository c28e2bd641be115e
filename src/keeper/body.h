#pragma once
/*
 * Reading a request body: typed members of a tree, with every mistake collected, so that one answer names them all
 * (422 invalid, openapi 'errors').
 *
 * Each reader returns true when the member is there and good; a wrong one is noted and reads as absent. A member that no
 * reader asked for is 'unknown': body_only lists the known ones of an object. Spans borrow from the tree.
 * Threads: one call, one thread.
 */
#include "access/field.h"
#include "base/times.h"
#include "base/tree.h"

struct body {
    struct field_errors errors;
};

/* Notes a mistake. 'name' is put behind 'in' ("/purpose" and "reason" give "/purpose/reason"); "?" and "limit" give "limit". */
void body_bad(struct body *b, const char *in, const char *name, enum field_code code);
void body_bad_limit(struct body *b, const char *in, const char *name, enum field_code code, int64_t limit);

/* Every member of obj must be one of the n names. A node that is no object is noted as 'type'. */
void body_only(struct body *b, const char *in, struct tree obj, const char *const *names, size_t n);
#define BODY_ONLY(b, in, obj, ...)                                                                                     \
    body_only((b), (in), (obj), (const char *const[]){ __VA_ARGS__ },                                                  \
              sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

enum body_need { BODY_OPTIONAL, BODY_REQUIRED };

/* A string of min..max characters (code points). null counts as absent. */
bool body_str(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, size_t min,
              size_t max, struct span *ret);
bool body_int(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, int64_t min,
              int64_t max, int64_t *ret);
bool body_bool(struct body *b, const char *in, struct tree obj, const char *name, bool *ret);
/* Array with min..max items; read them with tree_next. */
bool body_arr(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, size_t min,
              size_t max, struct tree *ret);
bool body_obj(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, struct tree *ret);

/* Index of the word among n, or -1: absent, or (noted) another one. */
int body_word(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need,
              const char *const *words, size_t n);

/* "^[a-z0-9][a-z0-9._-]{0,63}$": accounts, groups, projects. */
bool body_name_valid(struct span s);
bool body_name(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, struct span *ret);

/* ---- the query: an object of strings ---- */

bool body_query_time(struct body *b, struct tree query, const char *name, time_ms *ret);
bool body_query_int(struct body *b, struct tree query, const char *name, int64_t min, int64_t max, int64_t *ret);
