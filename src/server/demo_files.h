#pragma once
/* The recordings of demo/recordings and the script of the live one, embedded by the build. */
#include "base/span.h"

struct span demo_checkout(void); /* rrweb events */
struct span demo_restart(void);  /* asciicast v2 */
struct span demo_status(void);   /* shell/status.sh */
