#pragma once
/*
 * The gate: the only role that meets the network. TLS, HTTP, the one JSON reader, key checks, imports, replay. It holds no
 * database and no secret that outlives a restart but the TLS key; what it may serve it learns from keeper and vault.
 */

/* The role's process: control channel on 'control_fd'. Returns the exit status. */
int gate_main(int control_fd);
