#pragma once
/*
 * The configuration and policy syntax (STANDARDS 2.6): libConfuse behind a strict door.
 *
 * The caller describes what may be set (a table), gives the text, and gets a base/tree.h object. What libConfuse alone is
 * too kind about is refused, with the line: an option or section given twice, a text that ends inside a section, list,
 * string or comment, ${…}, unknown options, names without meaning such as "a|b", characters it would silently drop,
 * unquoted https:// (a comment to it), += and empty lists, NUL and other control bytes, text that is not UTF-8.
 *
 *   # comment   // comment   (and C's own form)
 *   name = word          name = "text"       name = { a, b }      name = a        (a list of one)
 *   section { … }        section "title" { … }                    include("file")
 *
 * A bare word has letters, digits and _-.:/@%<>[]!&? ; everything else goes in quotes. Escapes in quotes: \" \' \\ \n \t.
 *
 * Tree: an object with what the text sets, in the order of the table. Sections are objects; a section that may come
 * several times is an array of objects in the order of the text, each with its title as "title" first.
 *   STR, ENUM: str   STRS, ENUMS: array of str   INT, BYTES: int   DURATION: int, ms   BOOL: bool
 *
 * Threads: any; libConfuse's global state is behind one mutex. Texts of errors: "FILE:LINE: what".
 */
#include "base/tree.h"

enum confuse_type {
    CONFUSE_STR,
    CONFUSE_STRS,
    CONFUSE_ENUM,  /* one of 'words' */
    CONFUSE_ENUMS, /* a list of them, each at most once */
    CONFUSE_INT,
    CONFUSE_DURATION, /* 250ms 30s 15min 8h 1d; the tree has ms */
    CONFUSE_BYTES,    /* 512B 1KiB 16MiB 4GiB */
    CONFUSE_BOOL,     /* yes no true false on off */
    CONFUSE_SECTION,
};

enum confuse_flags {
    CONFUSE_TITLE = 1, /* section "title" { … } */
    CONFUSE_MULTI = 2, /* may come several times; titles differ */
};

/* Tables end with a row whose name is NULL. They and their strings must outlive the call. */
struct confuse_opt {
    const char *name;
    enum confuse_type type;
    unsigned flags;                 /* sections */
    const char *const *words;       /* ENUM, ENUMS: ends with NULL */
    const struct confuse_opt *opts; /* sections */
    int64_t min, max;               /* INT, DURATION (ms), BYTES; both 0: any that fits int64, durations and sizes >= 0 */
};

#define CONFUSE_FILES_MAX 16 /* the first one and what it includes */
#define CONFUSE_DEPTH_MAX 8  /* sections in sections, in tables and texts */

struct confuse_source {
    const char *name;  /* of the text, in errors; "include" is relative to its directory */
    struct span text;
    size_t max_bytes;  /* of each text: ERR_LIMIT */
    /*
     * NULL: include is refused. Else reads a file into *text (whose ceiling is max_bytes); 'path' is absolute or made from
     * the including file's directory. Its error is passed on.
     */
    enum err (*read)(void *ctx, const char *path, struct buf *text, struct err_info *reterr);
    void *ctx;
};

/* Appends the tree to *tree. On any error *tree is as before. ERR_INVAL, ERR_LIMIT, ERR_NOMEM, or what 'read' says. */
NODISCARD enum err confuse_load(const struct confuse_source *source, const struct confuse_opt *schema, struct buf *tree,
                                struct err_info *reterr);
