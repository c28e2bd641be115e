#include "keeper/statements.h"

static const char *const plain[] = { "title", "subject", "session", "env", "tags", "links" };

static bool has_no_blank(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ')
            return false;
    }
    return s.n > 0;
}

bool statements_word_ok(struct span word)
{
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (span_eq_str(word, plain[i]))
            return true;
    }
    if (word.n > STATEMENTS_WORD)
        return false;
    if (span_starts(word, "env:"))
        return has_no_blank(span_sub(word, 4, word.n));
    return span_starts(word, "class:") && has_no_blank(span_sub(word, 6, word.n));
}

/* Is it among them: "title", or "class:" with its value? */
static bool has(struct span words, const char *name, struct span value)
{
    struct span one, rest = words, n, v;
    bool more = words.n > 0;

    while (more) {
        more = span_cut(rest, ' ', &one, &rest);
        if (value.n == 0 ? span_eq_str(one, name) : span_cut(one, ':', &n, &v) && span_eq_str(n, name) && span_eq(v, value))
            return true;
    }
    return false;
}

bool statements_links(struct span words)
{
    return has(words, "links", SPAN_EMPTY);
}

const char *statements_refused(struct span words, const struct ipc_ingest_open *in)
{
    if (span_eq_str(in->kind, "terminal"))
        return "kind";
    if (in->title.n > 0 && !has(words, "title", SPAN_EMPTY))
        return "title";
    if (in->subject.n > 0 && !has(words, "subject", SPAN_EMPTY))
        return "subject";
    if (in->session.n > 0 && !has(words, "session", SPAN_EMPTY))
        return "session";
    if (in->env.n > 0 && !has(words, "env", SPAN_EMPTY) && !has(words, "env", in->env))
        return "env";
    if (in->klass.n > 0 && !has(words, "class", in->klass))
        return "class";
    if (in->tags.n > 0 && !has(words, "tags", SPAN_EMPTY))
        return "tags";
    return in->links.n > 0 && !statements_links(words) ? "links" : NULL;
}

void statements_trim(struct span words, struct ipc_ingest_open *io)
{
    if (!has(words, "subject", SPAN_EMPTY))
        io->subject = SPAN_EMPTY;
    if (!has(words, "session", SPAN_EMPTY))
        io->session = SPAN_EMPTY;
    if (!statements_links(words))
        io->links.n = 0;
}
