#include "access/action.h"

static const char *const names[ACTION_N_] = { "play", "live", "unmask", "export" };

const char *action_name(enum action a)
{
    return a < ACTION_N_ ? names[a] : "?";
}

bool action_parse(struct span s, enum action *ret)
{
    for (unsigned i = 0; i < ACTION_N_; i++) {
        if (span_eq_str(s, names[i])) {
            *ret = (enum action) i;
            return true;
        }
    }
    return false;
}

void action_add_scope(struct buf *b, action_mask mask)
{
    bool first = true;

    for (unsigned i = 0; i < ACTION_N_; i++) {
        if ((mask & ACTION_BIT(i)) == 0)
            continue;
        if (!first)
            buf_add_c(b, ' ');
        buf_add_str(b, names[i]);
        first = false;
    }
}

bool action_parse_scope(struct span s, action_mask *ret)
{
    action_mask mask = 0;
    bool more = true;

    while (more) {
        struct span word, rest;
        enum action a;

        more = span_cut(s, ' ', &word, &rest);
        if (!action_parse(word, &a) || (mask & ACTION_BIT(a)) != 0)
            return false;
        mask |= ACTION_BIT(a);
        s = rest;
    }
    *ret = mask;
    return true;
}

size_t action_sorted(action_mask mask, enum action ret[ACTION_N_])
{
    static const enum action order[ACTION_N_] = { ACTION_EXPORT, ACTION_LIVE, ACTION_PLAY, ACTION_UNMASK };
    size_t n = 0;

    for (size_t i = 0; i < ACTION_N_; i++) {
        if ((mask & ACTION_BIT(order[i])) != 0)
            ret[n++] = order[i];
    }
    return n;
}
