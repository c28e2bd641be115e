#include "cli/opt.h"

#include <stdlib.h>

#define MEANT_MAX 2 /* edits */

size_t opt_distance(const char *a, const char *b, size_t max)
{
    size_t row[64], n = strlen(a), m = strlen(b);

    if (n >= 64 || m >= 64 || (n > m ? n - m : m - n) > max)
        return max + 1;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m] > max ? max + 1 : row[m];
}

static const struct opt *find(const struct args *a, const char *name, size_t n, char letter)
{
    for (size_t t = 0; t < 2; t++) {
        for (const struct opt *o = a->tables[t]; o != NULL && o->name != NULL; o++) {
            if (letter != 0 ? o->letter == letter : strlen(o->name) == n && memcmp(o->name, name, n) == 0)
                return o;
        }
    }
    return NULL;
}

static enum err unknown(const struct args *a, const char *name, struct err_info *reterr)
{
    const struct opt *best = NULL;
    size_t least = MEANT_MAX + 1;

    for (size_t t = 0; t < 2; t++) {
        for (const struct opt *o = a->tables[t]; o != NULL && o->name != NULL; o++) {
            size_t d = opt_distance(name, o->name, MEANT_MAX);

            if (d < least) {
                least = d;
                best = o;
            }
        }
    }
    if (best != NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "there is no option --%s; did you mean --%s?", name, best->name);
    return ERR_RAISE(reterr, ERR_INVAL, "there is no option --%s", name);
}

static enum err take(struct args *a, const struct opt *o, const char *value, struct err_info *reterr)
{
    for (size_t i = 0; i < a->n_seen && !o->many; i++) {
        if (a->seen[i].opt == o)
            return ERR_RAISE(reterr, ERR_INVAL, "--%s is given twice", o->name);
    }
    if (a->n_seen == OPT_SEEN_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "more than %d options", OPT_SEEN_MAX);
    a->seen[a->n_seen].opt = o;
    a->seen[a->n_seen].value = value;
    a->n_seen++;
    return ERR_OK;
}

/* The value of an option that wants one: after '=' or right behind the letter, else the next word. */
static enum err with_value(struct args *a, const struct opt *o, const char *inlined, int argc, char **argv, int *i,
                           struct err_info *reterr)
{
    if (inlined == NULL) {
        if (*i + 1 >= argc)
            return ERR_RAISE(reterr, ERR_INVAL, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
        inlined = argv[++*i];
    }
    return take(a, o, inlined, reterr);
}

static enum err long_option(struct args *a, int argc, char **argv, int *i, struct err_info *reterr)
{
    char *name = argv[*i] + 2, *eq = strchr(name, '=');
    size_t n = eq != NULL ? (size_t) (eq - name) : strlen(name);
    const struct opt *o = find(a, name, n, 0);
    char cut[64];

    if (o == NULL) {
        (void) span_to_str(span_of(name, n < sizeof(cut) ? n : sizeof(cut) - 1), cut, sizeof(cut));
        return unknown(a, cut, reterr);
    }
    if (o->arg != NULL)
        return with_value(a, o, eq != NULL ? eq + 1 : NULL, argc, argv, i, reterr);
    if (eq != NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "--%s takes no value", o->name);
    return take(a, o, "", reterr);
}

static enum err letters(struct args *a, int argc, char **argv, int *i, struct err_info *reterr)
{
    for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
        const struct opt *o = find(a, NULL, 0, *p);

        if (o == NULL)
            return ERR_RAISE(reterr, ERR_INVAL, "there is no option -%c", *p);
        if (o->arg != NULL)
            return with_value(a, o, p[1] != '\0' ? p + 1 : NULL, argc, argv, i, reterr);
        TRY(take(a, o, "", reterr));
    }
    return ERR_OK;
}

enum err args_parse(const struct opt *own, const struct opt *common, int argc, char **argv, struct args *ret,
                    struct err_info *reterr)
{
    struct args a = { .tables = { own, common } };
    bool options = true;
    enum err err = ERR_OK;

    a.words = calloc((size_t) argc + 1, sizeof(*a.words));
    if (a.words == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    for (int i = 0; i < argc && err == ERR_OK; i++) {
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
            a.words[a.n_words++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options = false;
        else if (argv[i][1] == '-')
            err = long_option(&a, argc, argv, &i, reterr);
        else
            err = letters(&a, argc, argv, &i, reterr);
    }
    if (err != ERR_OK) {
        args_deinit(&a);
        return err;
    }
    *ret = a;
    return ERR_OK;
}

void args_deinit(struct args *a)
{
    free(a->words);
    a->words = NULL;
    a->n_words = 0;
}

const char *args_nth(const struct args *a, const char *name, size_t k)
{
    for (size_t i = 0; i < a->n_seen; i++) {
        if (strcmp(a->seen[i].opt->name, name) == 0 && k-- == 0)
            return a->seen[i].value;
    }
    return NULL;
}

const char *args_value(const struct args *a, const char *name)
{
    return args_nth(a, name, 0);
}

bool args_flag(const struct args *a, const char *name)
{
    return args_value(a, name) != NULL;
}
