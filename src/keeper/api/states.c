#include "keeper/api/states.h"

static bool add_word(struct states *s, struct span word)
{
    if (s->filter.n_states == STATES_MAX)
        return false;
    s->words[s->filter.n_states++] = word;
    return true;
}

static struct span upper(struct job *c, struct span s)
{
    char *t = arena_str(c->mem, s);

    for (char *p = t; p != NULL && *p != 0; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char) (*p - 32);
    }
    return t == NULL ? SPAN_EMPTY : span_str(t);
}

static void read_words(struct job *c, struct states *s, const char *alias, const struct span *alias_words,
                       size_t n_alias)
{
    struct span rest, word;
    bool ok = true;

    if (!tree_get_str(c->query, "state", &rest) || rest.n == 0)
        return;
    for (bool more = true; more && ok;) {
        enum grant_state state;

        more = span_cut(rest, ',', &word, &rest);
        word = upper(c, span_trim(word));
        if (span_eq_nocase(word, alias)) {
            for (size_t i = 0; i < n_alias && ok; i++)
                ok = add_word(s, alias_words[i]);
        } else {
            ok = grant_state_parse(word, &state) && add_word(s, span_str(grant_state_name(state)));
        }
    }
    if (!ok)
        body_bad(&c->body, "?", "state", FIELD_NOT_ONE_OF);
    s->filter.states = s->words;
}

enum err states_read(struct job *c, struct states *s, const char *alias, const struct span *alias_words,
                     size_t n_alias, struct err_info *reterr)
{
    struct span box = SPAN_EMPTY, rid = SPAN_EMPTY;
    struct span *projects;

    *s = (struct states){ 0 };
    read_words(c, s, alias, alias_words, n_alias);
    (void) tree_get_str(c->query, "box", &box);
    if (tree_get_str(c->query, "recording", &rid) && rid.n > 0) {
        if (!id_check(rid, ID_RECORDING))
            body_bad(&c->body, "?", "recording", FIELD_PATTERN);
        s->filter.recording = rid;
    }
    if (!span_eq_str(box, "inbox"))
        s->filter.person = c->me->id;
    if (span_eq_str(box, "mine"))
        return ERR_OK;
    TRY(inbox_projects(c, &projects, &s->filter.n_projects, reterr));
    s->filter.projects = projects;
    return ERR_OK;
}
