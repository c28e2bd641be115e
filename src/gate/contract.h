#pragma once
/* docs/api/openapi.yaml, embedded by the build (tools/embed-text.py). */
#include "base/span.h"

struct span contract_text(void);
