#include "access/field.h"

#include <stdio.h>

static const char *const names[FIELD_CODE_N_] = {
    [FIELD_MISSING] = "missing",     [FIELD_UNKNOWN] = "unknown",     [FIELD_TYPE] = "type",
    [FIELD_TOO_SHORT] = "too-short", [FIELD_TOO_LONG] = "too-long",   [FIELD_TOO_SMALL] = "too-small",
    [FIELD_TOO_LARGE] = "too-large", [FIELD_PATTERN] = "pattern",     [FIELD_NOT_ONE_OF] = "not-one-of",
    [FIELD_NOT_FOUND] = "not-found", [FIELD_DUPLICATE] = "duplicate", [FIELD_IN_THE_PAST] = "in-the-past",
    [FIELD_CONFLICT] = "conflict",
};

const char *field_code_name(enum field_code c)
{
    return c < FIELD_CODE_N_ ? names[c] : "?";
}

void field_error_add(struct field_errors *errs, enum field_code code, int64_t limit, int64_t seen, const char *detail,
                     const char *at, ...)
{
    struct field_error *e;
    va_list ap;

    errs->seen++;
    if (errs->n == FIELD_ERRORS_MAX)
        return;
    e = &errs->items[errs->n++];
    *e = (struct field_error){ .code = code, .limit = limit, .seen = seen };
    va_start(ap, at);
    (void) vsnprintf(e->at, sizeof(e->at), at, ap);
    va_end(ap);
    (void) snprintf(e->detail, sizeof(e->detail), "%s", detail == NULL ? "" : detail);
}
