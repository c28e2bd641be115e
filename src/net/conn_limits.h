#pragma once
/* Inside net/: the counts behind struct net_limits (listener.h). Any thread. */
#include "net/listener.h"

enum limit_verdict {
    LIMIT_OK,
    LIMIT_TOTAL,  /* over: answer 503 and close; counted */
    LIMIT_SOURCE, /* over: answer 429 and close; counted */
    LIMIT_DROP,   /* far over: close at once; not counted */
};

/* Counts one connection of that address; unless LIMIT_DROP, net_limits_leave must follow with the same address. */
enum limit_verdict net_limits_enter(struct net_limits *l, const struct net_addr *a);
void net_limits_leave(struct net_limits *l, const struct net_addr *a);
