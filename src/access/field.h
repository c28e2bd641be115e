#pragma once
/*
 * What is wrong with the members of a body, one entry each: the 'errors' of a 422 problem (docs/api/openapi.yaml,
 * Problem). Fixed size; what does not fit is counted. Entries never repeat what was sent.
 */
#include "base/err.h"
#include "base/span.h"

#define FIELD_ERRORS_MAX 16

enum field_code {
    FIELD_MISSING,
    FIELD_UNKNOWN,
    FIELD_TYPE,
    FIELD_TOO_SHORT,
    FIELD_TOO_LONG,
    FIELD_TOO_SMALL,
    FIELD_TOO_LARGE,
    FIELD_PATTERN,
    FIELD_NOT_ONE_OF,
    FIELD_NOT_FOUND,
    FIELD_DUPLICATE,
    FIELD_IN_THE_PAST,
    FIELD_CONFLICT,
    FIELD_CODE_N_
};

#define FIELD_NO_LIMIT INT64_MIN

struct field_error {
    char at[96]; /* JSON Pointer: "/purpose/reason" */
    enum field_code code;
    int64_t limit;    /* the bound, or FIELD_NO_LIMIT */
    int64_t seen;     /* the value's size where it is a number or a length, or FIELD_NO_LIMIT */
    char detail[160]; /* one sentence, or "" */
};

struct field_errors {
    struct field_error items[FIELD_ERRORS_MAX];
    size_t n;    /* entries filled */
    size_t seen; /* all, also those that did not fit */
};

/* "too-short" */
const char *field_code_name(enum field_code c);

/* 'at' is formatted; 'detail' may be NULL. */
void field_error_add(struct field_errors *errs, enum field_code code, int64_t limit, int64_t seen, const char *detail,
                     const char *at, ...) PRINTF_LIKE(6, 7);
