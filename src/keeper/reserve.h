#pragma once
/*
 * Room that is kept for the audit log (STANDARDS 3.6): DIR/meta/reserve, preallocated. When the disk is full it is given up, so
 * that closings, refusals and the stop itself are still recorded; nothing else is, until there is room again and the file
 * is back.
 *
 * Who gives way first: a project over its quota, recording (10 % free), new windows (5 %), everything but closings (the
 * reserve is gone).
 * Threads: the writer's; reserve_is_gone by any.
 */
#include "keeper/job.h"

#define RESERVE_BYTES (16u << 20)

/* At start and each second: makes the file when it is missing and the disk has room for it ('room' bytes are free). */
void reserve_keep(struct core *core, uint64_t room);

/* The disk was full: gives the reserve up. False: it is gone already. */
bool reserve_give(struct core *core);

bool reserve_is_gone(const struct core *core);

/* Does this command close something, refuse, or keep the log itself in order? Only such ones may use the reserve. */
bool reserve_is_for(const struct cmd *cmd);

/* … and this route. */
bool reserve_lets_route(enum route_id id);
