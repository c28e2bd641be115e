#pragma once
/* What a request asks to do with recordings, and the scope of keys made from it. */
#include "base/buf.h"

enum action { ACTION_PLAY, ACTION_LIVE, ACTION_UNMASK, ACTION_EXPORT, ACTION_N_ };

/* One bit per action: 1 << ACTION_… */
typedef uint8_t action_mask;

#define ACTION_BIT(a) ((action_mask) (1U << (a)))
#define ACTION_ALL    ((action_mask) (ACTION_BIT(ACTION_N_) - 1))

const char *action_name(enum action a);
bool action_parse(struct span s, enum action *ret);

/* "play live": the scope claim. */
void action_add_scope(struct buf *b, action_mask mask);

/* The same words, each once, in any order, separated by one space; false for anything else and for no word. */
bool action_parse_scope(struct span s, action_mask *ret);

/* The actions in the order of their names' bytes, as digests list them. Returns how many. */
size_t action_sorted(action_mask mask, enum action ret[ACTION_N_]);
