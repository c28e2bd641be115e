#pragma once
/*
 * Reports over who watched what (STANDARDS 3.7, F26), from the audit logs alone; metadata adds titles, names and reasons
 * where there still are any.
 */
#include "audit/watched.h"
#include "keeper/job.h"

#define REPORT_ROWS_MAX 4000 /* an answer has at most 4 MiB */
#define REPORT_MEM_MAX  (128U << 20)

enum report_kind {
    REPORT_RECORDING, /* who watched this recording */
    REPORT_PERSON,    /* what this person watched */
    REPORT_SUBJECT,   /* what was watched of this recorded person: no names or ids of staff */
};

struct report_ask {
    enum report_kind kind;
    struct span recording; /* the recording's id */
    const struct who *person; /* every account of this human */
    struct span subject;
    time_ms from_ms, to_ms; /* 0: open */
};

struct report_row {
    struct span log;
    const struct watched *w;
};

struct report_log {
    struct span log;
    int64_t size;
};

/* Zero, then report_make, then report_free in any case. */
struct report {
    struct arena mem; /* of all that it holds */
    struct report_row *rows; /* oldest first within a log */
    size_t n_rows;
    struct report_log *logs; /* what it was made of */
    size_t n_logs;
    bool more; /* there is more than a report holds */
};

/* 'projects': where the caller is auditor; only their logs are read. */
NODISCARD enum err report_make(struct job *c, const struct report_ask *a, const struct span *projects, size_t n_projects,
                               struct report *ret, struct err_info *reterr);

void report_free(struct report *r);

/* The answer's body. */
NODISCARD enum err report_json(struct job *c, const struct report_ask *a, const struct report *r, struct err_info *reterr);
NODISCARD enum err report_csv(struct job *c, const struct report_ask *a, const struct report *r, struct err_info *reterr);
