#include "codec/parts.h"

#include "base/num.h"

/* ---- names */

static const struct {
    const char *name;
    enum parts_role role;
} sudo_names[] = { { "log", PART_FACTS },      { "log.json", PART_FACTS }, { "timing", PART_TIMING },
                   { "stdin", PART_STDIN },    { "stdout", PART_STDOUT },  { "stderr", PART_STDERR },
                   { "ttyin", PART_TTYIN },    { "ttyout", PART_TTYOUT } };

static bool name_is(const struct parts_file *f, const char *name)
{
    return span_eq_str(f->name, name);
}

static enum timing_form form_of(const struct parts_file *f)
{
    return timing_sniff(f->first, f->first.n < PARTS_FIRST);
}

static void take(struct parts_file *f, enum parts_kind kind, enum parts_role role, int group)
{
    f->kind = kind;
    f->role = role;
    f->group = group;
}

static struct span last_part(struct span path)
{
    for (size_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/')
            return span_sub(path, i, path.n);
    return path;
}

/* The name without its last suffix. */
static struct span stem(struct span name)
{
    for (size_t i = name.n; i > 1; i--)
        if (name.p[i - 1] == '.')
            return span_sub(name, 0, i - 1);
    return name;
}

/* ---- sudo */

static int group_sudo(struct parts_file *files, size_t n, int groups)
{
    bool timing = false, facts = false;

    for (size_t i = 0; i < n; i++) {
        timing = timing || (name_is(&files[i], "timing") && form_of(&files[i]) == TIMING_SUDO);
        facts = facts || name_is(&files[i], "log") || name_is(&files[i], "log.json");
    }
    if (!timing || !facts)
        return groups;
    groups++;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof(sudo_names) / sizeof(sudo_names[0]); k++)
            if (name_is(&files[i], sudo_names[k].name))
                take(&files[i], PARTS_SUDO, sudo_names[k].role, groups);
    return groups;
}

/* ---- script, and asciicast v0, which is script with a meta.json */

static bool looks_json(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n')
            return s.p[i] == '{' || s.p[i] == '[';
    return false;
}

/* A line "H 0.0 NAME value" among the first ones of an advanced timing file. */
static struct span fact(struct span first, const char *name)
{
    struct span line, rest = first;
    struct timing t;

    while (span_cut(rest, '\n', &line, &rest))
        if (timing_line(TIMING_ADVANCED, line, &t, NULL) == ERR_OK && t.what == TIMING_FACT &&
            span_eq_str(t.name, name))
            return last_part(t.value);
    return SPAN_EMPTY;
}

static bool may_be_stream(const struct parts_file *f)
{
    return f->group == 0 && form_of(f) == TIMING_NONE && !looks_json(f->first);
}

/* Is it called like the stream that belongs to this timing file? "demo.timing" and "demo.log", "timing" and "typescript". */
static bool called_like(struct span name, struct span timing, const char *const *words, const char *const *suffixes)
{
    struct span base = stem(timing);

    for (size_t i = 0; words[i] != NULL; i++)
        if (span_eq_str(name, words[i]) && (span_eq_str(base, "timing") || span_eq_str(base, "time") ||
                                            span_eq_str(base, words[0]) || span_eq_str(base, "timingfile")))
            return true;
    for (size_t i = 0; suffixes[i] != NULL; i++) {
        struct span want = span_str(suffixes[i]);

        if (name.n == base.n + want.n && span_eq(span_sub(name, 0, base.n), base) &&
            span_eq(span_sub(name, base.n, want.n), want))
            return true;
    }
    return false;
}

static struct parts_file *find_named(struct parts_file *files, size_t n, struct span name)
{
    for (size_t i = 0; name.n > 0 && i < n; i++)
        if (span_eq(files[i].name, name) && may_be_stream(&files[i]))
            return &files[i];
    return NULL;
}

static struct parts_file *find_like(struct parts_file *files, size_t n, struct span timing, const char *const *words,
                                    const char *const *suffixes)
{
    for (size_t i = 0; i < n; i++)
        if (may_be_stream(&files[i]) && called_like(files[i].name, timing, words, suffixes))
            return &files[i];
    return NULL;
}

/* The only file that can be it, beside the only timing file. */
static struct parts_file *find_only(struct parts_file *files, size_t n, const struct parts_file *input)
{
    struct parts_file *found = NULL;
    int timings = 0;

    for (size_t i = 0; i < n; i++) {
        timings += form_of(&files[i]) != TIMING_NONE;
        if (!may_be_stream(&files[i]) || &files[i] == input)
            continue;
        if (found != NULL)
            return NULL;
        found = &files[i];
    }
    return timings == 1 ? found : NULL;
}

static int group_script(struct parts_file *files, size_t n, struct parts_file *timing, int groups)
{
    static const char *const output_words[] = { "typescript", "script", NULL };
    static const char *const output_suffixes[] = { "", ".log", ".typescript", ".script", ".out", ".output", ".txt", NULL };
    static const char *const input_words[] = { "input", "typein", NULL };
    static const char *const input_suffixes[] = { ".input", ".in", NULL };
    struct span in_name = fact(timing->first, "INPUT_LOG"), out_name = fact(timing->first, "OUTPUT_LOG");
    struct parts_file *in = find_named(files, n, in_name), *out = find_named(files, n, out_name), *meta = NULL;

    if (in == NULL)
        in = find_like(files, n, timing->name, input_words, input_suffixes);
    if (in_name.n > 0 && span_eq(in_name, out_name))
        in = NULL; /* --log-io: one file for both */
    if (out == NULL)
        out = find_like(files, n, timing->name, output_words, output_suffixes);
    if (out == NULL || out == in)
        out = find_only(files, n, in);
    if (out == NULL)
        return groups;
    for (size_t i = 0; i < n; i++)
        if (name_is(&files[i], "meta.json") && files[i].group == 0 && &files[i] != timing && &files[i] != out && &files[i] != in)
            meta = &files[i];
    groups++;
    take(timing, meta != NULL ? PARTS_CAST_V0 : PARTS_SCRIPT, PART_TIMING, groups);
    take(out, timing->kind, PART_TTYOUT, groups);
    if (in != NULL)
        take(in, timing->kind, PART_TTYIN, groups);
    if (meta != NULL)
        take(meta, timing->kind, PART_FACTS, groups);
    return groups;
}

int parts_group(struct parts_file *files, size_t n)
{
    int groups = 0;

    for (size_t i = 0; i < n; i++)
        take(&files[i], PARTS_NONE, PART_OTHER, 0);
    groups = group_sudo(files, n, groups);
    for (size_t i = 0; i < n; i++) {
        enum timing_form form = files[i].group == 0 ? form_of(&files[i]) : TIMING_NONE;

        if (form == TIMING_CLASSIC || form == TIMING_ADVANCED)
            groups = group_script(files, n, &files[i], groups);
    }
    return groups;
}
