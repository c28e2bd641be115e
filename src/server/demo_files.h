#pragma once
/* The recordings of demo/recordings, embedded by the build. */
#include "base/span.h"

struct span demo_checkout(void); /* rrweb events */
struct span demo_restart(void);  /* asciicast v2 */
