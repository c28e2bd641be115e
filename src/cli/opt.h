#pragma once
/*
 * Options of a command, from a table: --name, --name=value, --name value, -x, -x value, -xvalue, and -- before words that begin
 * with a dash. A lone "-" is a word. Names are never shortened: a script written today means the same tomorrow.
 *
 * Life: everything borrows from argv and the tables.
 */
#include "base/err.h"
#include "base/span.h"

struct opt {
    const char *name; /* without the dashes; NULL ends a table */
    char letter;      /* 0: none */
    const char *arg;  /* what its value is called in the help ("FILE"); NULL: a flag */
    const char *help; /* one line */
    bool many;        /* may be given more than once */
};

#define OPT_SEEN_MAX 512

struct args {
    const struct opt *tables[2]; /* the command's own, then those of every command */
    struct {
        const struct opt *opt;
        const char *value;
    } seen[OPT_SEEN_MAX];
    size_t n_seen;
    char **words; /* what is no option, in order; NULL-terminated, allocated by args_parse */
    size_t n_words;
};

/* argv without the command's name. ERR_INVAL: the text says what is wrong and, where one is near, what was meant. */
NODISCARD enum err args_parse(const struct opt *own, const struct opt *common, int argc, char **argv, struct args *ret,
                              struct err_info *reterr);
void args_deinit(struct args *a);

bool args_flag(const struct args *a, const char *name);
const char *args_value(const struct args *a, const char *name); /* NULL: not given */

/* The k-th value of an option that may be given often; NULL past the last. */
const char *args_nth(const struct args *a, const char *name, size_t k);

/* Edits between two words, at most 'max' + 1: for "did you mean". */
size_t opt_distance(const char *a, const char *b, size_t max);
