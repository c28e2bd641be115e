#include "access/action.h"

#include "format/key.h"

_Static_assert(ACTION_BIT(ACTION_PLAY) == (action_mask) KEY_SCOPE_PLAY, "scope bits");
_Static_assert(ACTION_BIT(ACTION_LIVE) == (action_mask) KEY_SCOPE_LIVE, "scope bits");
_Static_assert(ACTION_BIT(ACTION_UNMASK) == (action_mask) KEY_SCOPE_UNMASK, "scope bits");
_Static_assert(ACTION_BIT(ACTION_EXPORT) == (action_mask) KEY_SCOPE_EXPORT, "scope bits");

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
