#pragma once
/*
 * The door before libConfuse (codec/confuse.h); not for others. Reads a text by the lexical rules and writes a clean one:
 * same tokens, same lines, no comments, strings in one spelling, no include. What libConfuse's scanner would misread,
 * drop or carry over into the next text never reaches it.
 */
#include "base/buf.h"

struct confuse_text {
    const char *name;
    struct span in;
    size_t at;
    unsigned line;
    unsigned open[16]; /* lines of the braces that are open */
    size_t depth;
    char before, last; /* the last two tokens: punctuation as it is, 'w' a word or string, 0 none */
    struct buf *out;
    struct buf *includes; /* paths as written, each with its NUL; NULL: refused */
    struct err_info *reterr;
};

/* ERR_INVAL with "NAME:LINE: …", ERR_LIMIT (the ceiling of out). Afterwards t->line is the number of lines. */
NODISCARD enum err confuse_text_clean(struct confuse_text *t);
