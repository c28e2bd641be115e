#pragma once
/*
 * keeper: requests, grants, policy, people, metadata, audit. The only writer of the database (DESIGN 3).
 *
 * Threads: the loop (channels to the gate's loops, the vault and the supervisor; timers; heartbeat), one writer (core.h),
 * two readers, one that moves the WAL, two for password hashing.
 * Heartbeats leave the loop each second, only while the group under way is younger than 3 s.
 */

/* The role's main: control_fd is the channel to the supervisor. Returns the exit status. */
int keeper_main(int control_fd);
