#pragma once
/* The starting policies of packaging/policies, embedded by the build. */
#include "base/span.h"

struct span preset_solo(void);
struct span preset_team(void);
struct span preset_regulated(void);
struct span preset_demo(void); /* of `keyhole demo` alone */

/* By name; empty: there is none. */
struct span preset_find(const char *name);
