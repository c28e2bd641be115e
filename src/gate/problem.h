#pragma once
/* RFC 9457 problems: one table of codes (docs/api/openapi.yaml, schema Problem), and the document. Pure. */
#include "base/buf.h"

struct problem_kind {
    const char *code;
    int status;
    const char *title;     /* the same for every occurrence */
    const char *what_to_do; /* for the page /problems/{code} */
    bool retryable;
    int stream_code;       /* on replay routes: STANDARDS 5.2; 0 none */
};

/* NULL: no such code. <name>-unsupported finds the family's row. */
const struct problem_kind *problem_find(struct span code);

/* All rows, for the documents and tests. */
const struct problem_kind *problem_all(size_t *ret_n);

struct problem {
    struct span code;
    const char *detail;   /* one sentence; "" takes the title. Never input */
    struct span members;  /* a JSON object whose members are added, or empty */
    const char *renew;    /* path for a fresh key, or NULL */
    bool replay;          /* adds stream_code */
    int retry_after_s;    /* 0: none */
};

/* Appends the document. Returns its status (500 `internal` for a code that is not in the table). */
int problem_write(const struct problem *p, const char *public_url, const char *trace, struct buf *out);

/* Appends the page of /problems/{code} (HTML, no scripts). */
void problem_page(const struct problem_kind *k, struct buf *out);
