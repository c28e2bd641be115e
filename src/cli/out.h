#pragma once
/*
 * What people read: text made harmless for a terminal, columns, tables, lengths and times.
 *
 * Everything that came from a server goes through text_safe before it is printed: control characters and bidirectional
 * controls are shown as \x1b or \u202e, what is no UTF-8 as U+FFFD, so no answer can move the cursor, set a title, or make one
 * text look like another. JSON output goes through codec/jsonw, which escapes the same characters.
 */
#include <stdio.h>

#include "base/times.h"
#include "base/tree.h"

/* Appends; line feeds too are escaped. */
void text_safe(struct buf *out, struct span text);
/* The same, but line feeds and tabs stay: texts of several lines. */
void text_safe_lines(struct buf *out, struct span text);

/* Cells that safe text takes on a terminal. */
size_t text_width(struct span text);

/* Appends as much of safe text as fits 'cells', the last one an ellipsis when something is missing. Returns cells used. */
size_t text_fit(struct buf *out, struct span text, size_t cells);

/* Prints safe text to a stream. */
void print_safe(FILE *to, struct span text);

/* "4:05", "1:02:03"; negative is 0. With tenths "4:05.3". */
void text_duration(struct buf *out, int64_t ms, bool tenths);
/* "30s", "5m", "1h30m", "2d": for how long something still lasts. */
void text_span(struct buf *out, int64_t ms);
/* "2026-11-02 09:15:00" of an RFC 3339 UTC time; other text as it is, made safe. */
void text_time(struct buf *out, struct span rfc3339);
void text_bytes(struct buf *out, int64_t bytes);

/* Terminal columns: of the terminal on 'fd', else 0. */
unsigned term_columns(int fd);

/*
 * A table: add cells row by row, then print. On a terminal the columns that may shrink are cut so that each row is one
 * line; elsewhere nothing is cut. Life: table_init -> table_cell* -> table_print -> table_deinit.
 */
#define TABLE_COLUMNS_MAX 12

struct table_column {
    const char *title;
    bool shrinks; /* may be cut; the widest first */
    bool right;   /* aligned to the right */
};

struct table {
    const struct table_column *columns;
    size_t n_columns;
    struct buf text;   /* all cells, one after another */
    size_t *ends;      /* where each ends */
    size_t n_cells, cap;
    bool failed;
};

void table_init(struct table *t, const struct table_column *columns, size_t n_columns);
void table_deinit(struct table *t);
void table_cell(struct table *t, struct span text); /* made safe here */
void table_cell_str(struct table *t, const char *text);
/* 0 columns: no limit. False: no memory for all of it. */
bool table_print(struct table *t, FILE *to, unsigned columns);
