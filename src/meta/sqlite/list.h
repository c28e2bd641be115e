#pragma once
/*
 * One page out of several sorted sources: each source is a query along one index; rows are merged newest first, a row
 * that comes twice is kept once. Not for others than meta/.
 *
 * list_init -> list_add* -> list_finish. Each query sorts by (key DESC,) seq DESC, starts below list_before (with a key:
 * below (list_before_key, list_before)), may stop above list_floor (nothing at or below it can still make the page), and
 * returns at most list_limit rows.
 */
#include "meta/page.h"
#include "meta/sqlite/db.h"

struct list {
    const struct db_table *t;
    struct arena *a;
    struct meta_pos after;
    size_t n, max;        /* max = limit + 1: the one more says that there is a next page */
    uint8_t *rows;        /* room for max */
    size_t key_offset;    /* of the int64_t that sorts before seq; SIZE_MAX: none */
    struct meta_pos stop; /* seq not 0: what is older than this was not looked at by some source */
};

/* key_col: number of the column that sorts before seq, or -1. ERR_INVAL: a limit outside 1 to META_PAGE_MAX. */
NODISCARD enum err list_init(struct list *l, const struct db_table *t, int key_col, const struct meta_page *page,
                             struct arena *a, struct err_info *reterr);

int64_t list_before(const struct list *l);     /* seq */
int64_t list_before_key(const struct list *l); /* INT64_MAX on the first page */
int64_t list_floor(const struct list *l);      /* seq; lists by seq only */
int64_t list_limit(const struct list *l);

/* Runs "SELECT <columns> FROM <table> t <tail>" and merges. */
NODISCARD enum err list_add(struct list *l, struct meta_view *v, struct err_info *reterr, const char *tail,
                            const char *fmt, ...);

/* A query that is put together: text and parameters side by side. */
#define ASK_MAX 64

struct ask {
    struct buf sql;
    struct {
        char kind; /* as in db.h */
        struct span s;
        int64_t i;
    } p[ASK_MAX];
    size_t n;
};

void ask_init(struct ask *k);
void ask_deinit(struct ask *k);
/* A piece without parameters; one with a text for its one '?'; one with a number. */
void ask_add(struct ask *k, const char *sql);
void ask_text(struct ask *k, const char *sql, struct span s);
void ask_int(struct ask *k, const char *sql, int64_t i);

/* The statement with its parameters bound; k->sql is all of it. */
NODISCARD enum err ask_run(struct meta_view *v, struct ask *k, sqlite3_stmt **ret, struct err_info *reterr);

/* Runs "SELECT <columns> FROM <table> t <k->sql>" and merges. */
NODISCARD enum err list_ask(struct list *l, struct meta_view *v, struct ask *k, struct err_info *reterr);

/* Puts a row (shallow) in its place; one that comes twice, or does not fit, is dropped. */
void list_put(struct list *l, const void *row);
/* A source ended early: what is older than 'at' was not looked at. The page ends there, and the next begins there. */
void list_stop(struct list *l, struct meta_pos at);
/* Nothing at 'p' or older can make the page any more. */
bool list_full(const struct list *l, struct meta_pos p);

/* ret_list is a struct meta_…_list. */
void list_finish(struct list *l, void *ret_list, struct meta_pos *ret_next);
