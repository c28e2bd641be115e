#pragma once
/* What each role is told of the configuration: only what it needs. */
#include "link/link.h"
#include "server/config.h"

/* Sends the role its *_CONFIG message. */
NODISCARD enum err role_config_send(const struct config *c, enum role_id role, struct link *to);
