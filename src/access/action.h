#pragma once
/* What a request asks to do with recordings. The bits are those of a key's scope (enum key_scope of format/key.h). */
#include "base/span.h"

enum action { ACTION_PLAY, ACTION_LIVE, ACTION_UNMASK, ACTION_EXPORT, ACTION_N_ };

/* One bit per action: 1 << ACTION_… */
typedef uint8_t action_mask;

#define ACTION_BIT(a) ((action_mask) (1U << (a)))
#define ACTION_ALL    ((action_mask) (ACTION_BIT(ACTION_N_) - 1))

const char *action_name(enum action a);
bool action_parse(struct span s, enum action *ret);

/* The actions in the order of their names' bytes, as digests list them. Returns how many. */
size_t action_sorted(action_mask mask, enum action ret[ACTION_N_]);
