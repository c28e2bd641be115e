#pragma once
/*
 * Pages of lists: limit and cursor of a query, and the answer's {"items": […], "cursor": …}. A cursor is MACed over the
 * route, the caller and every filter, so it opens the same list only.
 */
#include "keeper/job.h"

#define PAGES_LIMIT     50
#define PAGES_LIMIT_MAX 200

struct pages {
    struct meta_page page;
    struct buf name; /* what the cursor is bound to */
};

/*
 * 'known': the query's names besides limit and cursor; another name is a mistake. Mistakes are noted in c->body.errors;
 * the caller checks them once and answers job_invalid. Must be ended by pages_end or pages_drop.
 */
void pages_begin(struct job *c, struct pages *p, int64_t limit, int64_t limit_max, const char *const *known,
                 size_t n_known);
#define PAGES_BEGIN(c, p, ...)                                                                                         \
    pages_begin((c), (p), PAGES_LIMIT, PAGES_LIMIT_MAX, (const char *const[]){ __VA_ARGS__ },                          \
                sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* {"items": [ … the caller writes each item … */
struct jsonw *pages_items(struct job *c);
/* … ], "cursor": …; the caller may add members and closes the object. */
void pages_end(struct job *c, struct pages *p, struct meta_pos next);
void pages_drop(struct pages *p);
