#pragma once
/* The 'hours' and 'network' conditions of a rule: their text and whether a moment or an address is inside. */
#include "access/policy.h"

/* "[days ]HH:MM-HH:MM Zone"; days "Mon-Fri" or "Sat,Sun" or both kinds. 24:00 may end a day. Text goes to the arena. */
NODISCARD enum err policy_hours_parse(struct span text, const struct zone_source *zones, struct arena *arena,
                                      struct policy_hours *ret, struct err_info *reterr);

/* The canonical text: days in order, ranges joined, nothing for all seven. */
void policy_hours_print(const struct policy_hours *h, struct buf *out);

bool policy_hours_has(const struct policy_hours *h, time_ms now);

/* "10.0.0.0/8", "2001:db8::/32", or one address. Host bits must be zero. */
NODISCARD enum err policy_net_parse(struct span text, struct arena *arena, struct policy_net *ret,
                                    struct err_info *reterr);

/* addr has 4 or 16 bytes; other lengths are in no network. */
bool policy_net_has(const struct policy_net *net, const uint8_t *addr, size_t addr_len);
