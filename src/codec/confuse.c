/*
 * Each text goes through confuse_text first, then through libConfuse with a table made from the caller's. All values are
 * strings to libConfuse; a callback per value checks units and limits and notes what was set, so that a second time is
 * seen where it happens. A sentinel after the last line must come back: it would not if anything had swallowed the end.
 */
#include "codec/confuse.h"

#include "base/num.h"
#include "codec/confuse_text.h"

#include <confuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SENTINEL "keyhole-end-of-text"
#define FLAT_MAX 512
#define GIVEN    (1 << 29) /* our own bit in cfg_opt_t.flags */

struct file {
    char *name;
    cfg_t *cfg;
    struct buf includes; /* paths as written, each with its NUL */
};

struct load {
    const struct confuse_source *source;
    const struct confuse_opt *schema;
    const struct confuse_opt *flat[FLAT_MAX]; /* cfg_opt_t.def.number is an index here: callbacks have no other way back */
    size_t n_flat;
    struct file files[CONFUSE_FILES_MAX];
    size_t n_files;
    /* while parsing */
    const char *name;
    unsigned lines;
    struct err_info *reterr;
    bool failed;
};

/* libConfuse has one scanner and callbacks without context: one text at a time in the process. */
static pthread_mutex_t confuse_lock = PTHREAD_MUTEX_INITIALIZER;
static struct load *confuse_now;

/* ---- errors */

/* The first error of a parse stays. */
static void PRINTF_LIKE(2, 3) say(const cfg_t *cfg, const char *fmt, ...)
{
    struct load *l = confuse_now;
    unsigned line = cfg->line < 1 ? 1 : (unsigned) cfg->line;
    char what[300];
    va_list ap;

    if (l->failed)
        return;
    l->failed = true;
    va_start(ap, fmt);
    (void) vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    if (line > l->lines) /* the sentinel's line: a statement before it took it for its own */
        (void) ERR_RAISE(l->reterr, ERR_INVAL, "%s:%u: the text ends in the middle of a statement", l->name, l->lines);
    else
        (void) ERR_RAISE(l->reterr, ERR_INVAL, "%s:%u: %s", l->name, line, what);
}

static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);

    if (n >= sizeof(row) / sizeof(row[0]))
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j], best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[n];
}

/* Only what looks like a name is repeated in an error. */
static bool is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return n > 0 && n <= 40 && s[n] == '\0';
}

static void say_unknown(cfg_t *cfg, const char *name)
{
    const char *nearest = NULL;
    size_t best = 3;
    struct buf known = BUF_INIT(200);

    for (unsigned i = 0; cfg->opts[i].name != NULL; i++) {
        const char *other = cfg->opts[i].name;
        size_t d;

        if (strcmp(other, SENTINEL) == 0)
            continue;
        buf_addf(&known, "%s%s", known.n > 0 ? ", " : "", other);
        d = is_name(name) ? distance(name, other) : SIZE_MAX;
        if (d < best && d < strlen(other)) {
            best = d;
            nearest = other;
        }
    }
    if (nearest != NULL)
        say(cfg, "there is no option '%s' here; did you mean '%s'?", name, nearest);
    else
        say(cfg, "there is no option '%s' here; known: %s%s", is_name(name) ? name : "...", buf_cstr(&known),
            known.failed ? ", ..." : "");
    buf_deinit(&known);
}

/* libConfuse's own complaints, told apart by their formats; what may hold a value is not repeated. */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    if (strncmp(fmt, "no such option", 14) == 0) {
        say_unknown(cfg, va_arg(ap, const char *));
    } else if (strncmp(fmt, "found duplicate title", 21) == 0) {
        say(cfg, "two sections of this kind have the same title");
    } else if (strncmp(fmt, "missing ", 8) == 0) {
        const char *form = strstr(fmt, "equal sign") != NULL ? "an equal sign" : strstr(fmt, "title") != NULL ? "a title"
                                                                               : "an opening brace";
        const char *name = va_arg(ap, const char *);

        say(cfg, "%s was expected after '%s'", form, name); /* a name of the table */
    } else if (strncmp(fmt, "premature end", 13) == 0) {
        say(cfg, "the text ends in the middle of a statement");
    } else {
        say(cfg, "this does not belong here (name = value, name = { a, b }, section { ... })");
    }
}

/* ---- values */

static bool has_word(const char *const *words, const char *s)
{
    for (; *words != NULL; words++) {
        if (strcmp(*words, s) == 0)
            return true;
    }
    return false;
}

static bool parse_bool(const char *s, bool *ret)
{
    static const char *const yes[] = { "yes", "true", "on", NULL }, *const no[] = { "no", "false", "off", NULL };

    *ret = has_word(yes, s);
    return *ret || has_word(no, s);
}

static bool parse_number(const struct confuse_opt *o, const char *s, int64_t *ret)
{
    uint64_t bytes;

    if (o->type == CONFUSE_INT)
        return num_i64(span_str(s), ret);
    if (o->type == CONFUSE_DURATION)
        return num_duration_ms(span_str(s), ret);
    if (!num_bytes(span_str(s), &bytes) || bytes > INT64_MAX)
        return false;
    *ret = (int64_t) bytes;
    return true;
}

static void say_words(cfg_t *cfg, const struct confuse_opt *o)
{
    struct buf b = BUF_INIT(200);

    for (size_t i = 0; o->words[i] != NULL; i++)
        buf_addf(&b, "%s%s", i > 0 ? ", " : "", o->words[i]);
    say(cfg, "'%s' takes %s: %s", o->name, o->type == CONFUSE_ENUM ? "one of" : "words out of", buf_cstr(&b));
    buf_deinit(&b);
}

static bool number_ok(cfg_t *cfg, const struct confuse_opt *o, const char *s)
{
    int64_t v;

    if (!parse_number(o, s, &v)) {
        say(cfg, "'%s' takes %s", o->name,
            o->type == CONFUSE_INT        ? "a whole number"
            : o->type == CONFUSE_DURATION ? "a length of time with its unit: 250ms 30s 15min 8h 1d"
                                          : "a size with its unit: 512B 1KiB 16MiB 4GiB");
        return false;
    }
    if ((o->min != 0 || o->max != 0) && (v < o->min || v > o->max)) {
        say(cfg, "'%s' takes from %lld to %lld%s", o->name, (long long) o->min, (long long) o->max,
            o->type == CONFUSE_INT ? "" : o->type == CONFUSE_DURATION ? " ms" : " B");
        return false;
    }
    return true;
}

static bool value_ok(cfg_t *cfg, cfg_opt_t *opt, const struct confuse_opt *o, const char *s)
{
    bool b;

    switch (o->type) {
    case CONFUSE_STR:
    case CONFUSE_STRS: return true;
    case CONFUSE_ENUM:
    case CONFUSE_ENUMS:
        if (!has_word(o->words, s)) {
            say_words(cfg, o);
            return false;
        }
        for (unsigned i = 0; o->type == CONFUSE_ENUMS && i + 1 < opt->nvalues; i++) {
            if (strcmp(opt->values[i]->string, s) == 0) {
                say(cfg, "'%s' has the same word twice", o->name);
                return false;
            }
        }
        return true;
    case CONFUSE_BOOL:
        if (!parse_bool(s, &b))
            say(cfg, "'%s' takes yes or no", o->name);
        return parse_bool(s, &b);
    case CONFUSE_INT:
    case CONFUSE_DURATION:
    case CONFUSE_BYTES: return number_ok(cfg, o, s);
    case CONFUSE_SECTION: break;
    }
    return false;
}

/* "section|name" reaches into a section from outside; such an option is not one of this section's. */
static bool is_own(cfg_t *cfg, const cfg_opt_t *opt)
{
    for (unsigned i = 0; cfg->opts[i].name != NULL; i++) {
        if (&cfg->opts[i] == opt)
            return true;
    }
    say(cfg, "a name without | was expected");
    return false;
}

static bool given_once(cfg_t *cfg, cfg_opt_t *opt)
{
    if ((opt->flags & GIVEN) != 0) {
        say(cfg, "'%s' is given twice", opt->name);
        return false;
    }
    opt->flags |= GIVEN;
    return true;
}

/* Called for each value, of lists too; the value's slot is already counted. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    const struct confuse_opt *o = confuse_now->flat[opt->def.number];
    bool more = (opt->flags & CFGF_LIST) != 0 && opt->nvalues > 1;

    if (!is_own(cfg, opt) || (!more && !given_once(cfg, opt)) || !value_ok(cfg, opt, o, value))
        return -1;
    *(const char **) result = value;
    return 0;
}

static int on_sentinel(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    *(const char **) result = value;
    return is_own(cfg, opt) && given_once(cfg, opt) ? 0 : -1;
}

/* Called at a section's closing brace. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct confuse_opt *o = confuse_now->flat[opt->def.number];

    if (!is_own(cfg, opt))
        return -1;
    if ((o->flags & CONFUSE_MULTI) == 0)
        return given_once(cfg, opt) ? 0 : -1;
    opt->flags |= GIVEN;
    return 0;
}

/* ---- the table for libConfuse */

static void free_opts(cfg_opt_t *opts)
{
    for (cfg_opt_t *o = opts; o != NULL && o->name != NULL; o++)
        free_opts(o->subopts);
    free(opts);
}

/* libConfuse copies what it gets. NULL: no memory, or a table deeper or larger than we take. */
static cfg_opt_t *make_opts(struct load *l, const struct confuse_opt *schema, int depth)
{
    size_t n = 0;
    cfg_opt_t *opts;

    while (schema[n].name != NULL)
        n++;
    if (depth > CONFUSE_DEPTH_MAX || l->n_flat + n > FLAT_MAX)
        return NULL;
    opts = calloc(n + 2, sizeof(*opts)); /* the root gets the sentinel too */
    if (opts == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const struct confuse_opt *o = &schema[i];

        opts[i].name = o->name;
        opts[i].def.number = (long) l->n_flat;
        l->flat[l->n_flat++] = o;
        if (o->type != CONFUSE_SECTION) {
            bool list = o->type == CONFUSE_STRS || o->type == CONFUSE_ENUMS;

            opts[i].type = CFGT_STR;
            opts[i].flags = CFGF_NODEFAULT | (list ? CFGF_LIST : 0);
            opts[i].parsecb = on_value;
            continue;
        }
        opts[i].type = CFGT_SEC;
        /* a title is kept only in sections that libConfuse takes for multiple; on_section counts */
        opts[i].flags = (o->flags != 0 ? CFGF_MULTI : 0) |
                        ((o->flags & CONFUSE_TITLE) != 0 ? CFGF_TITLE | CFGF_NO_TITLE_DUPES : 0);
        opts[i].validcb = on_section;
        opts[i].subopts = make_opts(l, o->opts, depth + 1);
        if (opts[i].subopts == NULL) {
            free_opts(opts);
            return NULL;
        }
    }
    return opts;
}

static cfg_t *make_cfg(struct load *l)
{
    cfg_opt_t *opts;
    cfg_t *cfg = NULL;
    size_t n = 0;

    l->n_flat = 0;
    opts = make_opts(l, l->schema, 1);
    if (opts == NULL)
        return NULL;
    while (opts[n].name != NULL)
        n++;
    opts[n].name = SENTINEL;
    opts[n].type = CFGT_STR;
    opts[n].flags = CFGF_NODEFAULT;
    opts[n].parsecb = on_sentinel;
    cfg = cfg_init(opts, CFGF_NONE);
    if (cfg != NULL)
        (void) cfg_set_error_function(cfg, on_error);
    free_opts(opts);
    return cfg;
}

/* ---- texts */

static enum err parse_locked(struct load *l, struct file *f, const char *clean)
{
    cfg_opt_t *sentinel;
    int got;

    f->cfg = make_cfg(l);
    if (f->cfg == NULL)
        return ERR_RAISE(l->reterr, ERR_NOMEM, "%s: no memory to read it", f->name);
    got = cfg_parse_buf(f->cfg, clean);
    if (l->failed)
        return ERR_INVAL;
    sentinel = cfg_getopt(f->cfg, SENTINEL);
    if (got != CFG_SUCCESS || sentinel == NULL || (sentinel->flags & GIVEN) == 0)
        return ERR_RAISE(l->reterr, ERR_INVAL, "%s:%u: the text is not read to its end", f->name, l->lines);
    return ERR_OK;
}

static enum err parse(struct load *l, struct file *f, struct span text, struct buf *includes)
{
    struct buf clean = BUF_INIT(text.n * 4 + 4096);
    struct confuse_text t = { .name = f->name, .in = text, .out = &clean, .includes = includes, .reterr = l->reterr };
    enum err err = confuse_text_clean(&t);

    if (err == ERR_OK) {
        buf_add_str(&clean, "\n" SENTINEL " = here\n");
        err = buf_check(&clean, l->reterr);
    }
    if (err == ERR_OK) {
        (void) pthread_mutex_lock(&confuse_lock);
        l->name = f->name;
        l->lines = t.line;
        confuse_now = l;
        err = parse_locked(l, f, buf_cstr(&clean));
        confuse_now = NULL;
        (void) pthread_mutex_unlock(&confuse_lock);
    }
    buf_deinit(&clean);
    return err;
}

/* The new file's row; 'from' is the including file's name or NULL. */
static enum err add_file(struct load *l, const char *from, const char *path, struct file **ret, struct err_info *reterr)
{
    const char *slash = from == NULL || path[0] == '/' ? NULL : strrchr(from, '/');
    int dir = slash == NULL ? 0 : (int) (slash - from + 1);
    char *name;

    if (l->n_files == CONFUSE_FILES_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "%s: more than %d files", from, CONFUSE_FILES_MAX);
    if (asprintf(&name, "%.*s%s", dir, from == NULL ? "" : from, path) < 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a file name");
    for (size_t i = 0; i < l->n_files; i++) {
        if (strcmp(l->files[i].name, name) == 0) {
            free(name);
            return ERR_RAISE(reterr, ERR_INVAL, "%s: includes a file that has been read already", from);
        }
    }
    *ret = &l->files[l->n_files++];
    (*ret)->name = name;
    buf_init(&(*ret)->includes, 64 << 10);
    return ERR_OK;
}

static enum err load_text(struct load *l, struct file *f, struct span text)
{
    if (text.n > l->source->max_bytes)
        return ERR_RAISE(l->reterr, ERR_LIMIT, "%s: longer than %zu bytes", f->name, l->source->max_bytes);
    return parse(l, f, text, l->source->read == NULL ? NULL : &f->includes);
}

static enum err load_include(struct load *l, const struct file *from, const char *path)
{
    struct buf text = BUF_INIT(l->source->max_bytes);
    struct file *f;
    enum err err = add_file(l, from->name, path, &f, l->reterr);

    if (err == ERR_OK)
        err = l->source->read(l->source->ctx, f->name, &text, l->reterr);
    if (err == ERR_OK && text.failed)
        err = ERR_RAISE(l->reterr, ERR_LIMIT, "%s: longer than %zu bytes", f->name, l->source->max_bytes);
    if (err == ERR_OK)
        err = load_text(l, f, buf_span(&text));
    buf_deinit(&text);
    return err;
}

/* The first text, then file after file what each includes. */
static enum err load_files(struct load *l)
{
    struct file *f;

    TRY(add_file(l, NULL, l->source->name, &f, l->reterr));
    TRY(load_text(l, f, l->source->text));
    for (size_t i = 0; i < l->n_files; i++) {
        const struct buf *b = &l->files[i].includes;

        for (size_t at = 0; at < b->n; at += strlen((const char *) b->p + at) + 1)
            TRY(load_include(l, &l->files[i], (const char *) b->p + at));
    }
    return ERR_OK;
}

static void free_files(struct load *l)
{
    (void) pthread_mutex_lock(&confuse_lock); /* freeing a root resets the scanner */
    for (size_t i = 0; i < l->n_files; i++) {
        if (l->files[i].cfg != NULL)
            (void) cfg_free(l->files[i].cfg);
    }
    (void) pthread_mutex_unlock(&confuse_lock);
    for (size_t i = 0; i < l->n_files; i++) {
        free(l->files[i].name);
        buf_deinit(&l->files[i].includes);
    }
}

/* ---- the tree */

static void write_value(struct buf *b, struct span key, const struct confuse_opt *o, const char *s)
{
    int64_t n = 0;
    bool yes = false;

    switch (o->type) {
    case CONFUSE_STR:
    case CONFUSE_STRS:
    case CONFUSE_ENUM:
    case CONFUSE_ENUMS: tree_add_str(b, key, span_str(s)); break;
    case CONFUSE_BOOL: tree_add_bool(b, key, parse_bool(s, &yes) && yes); break;
    case CONFUSE_INT:
    case CONFUSE_DURATION:
    case CONFUSE_BYTES: tree_add_int(b, key, parse_number(o, s, &n) ? n : 0); break; /* on_value checked it */
    case CONFUSE_SECTION: break;
    }
}

static void write_all(struct buf *b, const struct confuse_opt *schema, cfg_t *cfg);

static void write_section(struct buf *b, struct span key, const struct confuse_opt *o, cfg_t *section)
{
    size_t mark = tree_begin(b, key, TREE_OBJ);

    if (section->title != NULL)
        tree_add_str(b, SPAN("title"), span_str(section->title));
    write_all(b, o->opts, section);
    tree_end(b, mark);
}

/* One option of one section; 'opt' has been given. */
static void write_opt(struct buf *b, const struct confuse_opt *o, cfg_opt_t *opt)
{
    struct span key = span_str(o->name);
    bool list = o->type == CONFUSE_STRS || o->type == CONFUSE_ENUMS;
    size_t mark;

    if (o->type == CONFUSE_SECTION) {
        write_section(b, key, o, opt->values[0]->section);
    } else if (!list) {
        write_value(b, key, o, opt->values[0]->string);
    } else {
        mark = tree_begin(b, key, TREE_ARR);
        for (unsigned k = 0; k < opt->nvalues; k++)
            write_value(b, SPAN_EMPTY, o, opt->values[k]->string);
        tree_end(b, mark);
    }
}

static void write_multi(struct buf *b, const struct confuse_opt *o, cfg_opt_t *opt)
{
    for (unsigned k = 0; k < opt->nvalues; k++)
        write_section(b, SPAN_EMPTY, o, opt->values[k]->section);
}

static void write_all(struct buf *b, const struct confuse_opt *schema, cfg_t *cfg)
{
    for (size_t i = 0; schema[i].name != NULL; i++) {
        cfg_opt_t *opt = &cfg->opts[i]; /* libConfuse keeps the order of its table */

        if ((opt->flags & GIVEN) == 0)
            continue;
        if ((schema[i].flags & CONFUSE_MULTI) != 0) {
            size_t mark = tree_begin(b, span_str(schema[i].name), TREE_ARR);

            write_multi(b, &schema[i], opt);
            tree_end(b, mark);
        } else {
            write_opt(b, &schema[i], opt);
        }
    }
}

static bool same_title(const cfg_opt_t *a, const cfg_opt_t *b)
{
    for (unsigned i = 0; i < a->nvalues; i++) {
        for (unsigned k = 0; k < b->nvalues; k++) {
            const char *x = a->values[i]->section->title, *y = b->values[k]->section->title;

            if (x != NULL && y != NULL && strcmp(x, y) == 0)
                return true;
        }
    }
    return false;
}

/* Across files the same rule holds as inside one: nothing twice. */
static enum err check_twice(const struct load *l, size_t option, const struct file *f)
{
    const struct confuse_opt *o = &l->schema[option];

    for (const struct file *g = l->files; g < f; g++) {
        const cfg_opt_t *a = &g->cfg->opts[option], *b = &f->cfg->opts[option];

        if ((a->flags & b->flags & GIVEN) == 0)
            continue;
        if ((o->flags & CONFUSE_MULTI) == 0 || same_title(a, b))
            return ERR_RAISE(l->reterr, ERR_INVAL, "%s: '%s' is given twice: it is also in %s", f->name, o->name,
                             g->name);
    }
    return ERR_OK;
}

/* An option of the root, from whichever file has it. */
static enum err write_root_opt(const struct load *l, size_t option, struct buf *b)
{
    const struct confuse_opt *o = &l->schema[option];
    bool multi = (o->flags & CONFUSE_MULTI) != 0, open = false;
    size_t mark = 0;

    for (size_t i = 0; i < l->n_files; i++) {
        cfg_opt_t *opt = &l->files[i].cfg->opts[option];

        if ((opt->flags & GIVEN) == 0)
            continue;
        TRY(check_twice(l, option, &l->files[i]));
        if (multi && !open)
            mark = tree_begin(b, span_str(o->name), TREE_ARR);
        open = true;
        if (multi)
            write_multi(b, o, opt);
        else
            write_opt(b, o, opt);
    }
    if (multi && open)
        tree_end(b, mark);
    return ERR_OK;
}

static enum err write_root(const struct load *l, struct buf *b)
{
    size_t mark = tree_begin(b, SPAN_EMPTY, TREE_OBJ);

    for (size_t i = 0; l->schema[i].name != NULL; i++)
        TRY(write_root_opt(l, i, b));
    tree_end(b, mark);
    return buf_check(b, l->reterr);
}

enum err confuse_load(const struct confuse_source *source, const struct confuse_opt *schema, struct buf *tree,
                      struct err_info *reterr)
{
    struct load *l = calloc(1, sizeof(*l));
    size_t before = tree->n;
    enum err err;

    if (l == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "%s: no memory to read it", source->name);
    l->source = source;
    l->schema = schema;
    l->reterr = reterr;
    err = load_files(l);
    if (err == ERR_OK)
        err = write_root(l, tree);
    if (err != ERR_OK)
        tree->n = before;
    free_files(l);
    free(l);
    return err;
}
