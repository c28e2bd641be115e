#pragma once
/*
 * Sign-in throttling in bounded memory: per account (5 failures in a row, then 1 s, 2 s, 4 s … to 15 min) and per
 * source prefix (30 failures a minute, then to the end of that minute, doubling).
 *
 * Fixed table of THROTTLE_SLOTS, indexed by SipHash under a random secret, so that nobody chooses whom they push out;
 * within a set the entry that was quiet longest gives way. Counts are lost with the process.
 * Threads: the writer only.
 */
#include "base/span.h"
#include "base/times.h"

#define THROTTLE_SLOTS           8192
#define THROTTLE_WAYS            8
#define THROTTLE_ACCOUNT_FREE    5
#define THROTTLE_SOURCE_FREE     30
#define THROTTLE_WAIT_MAX_MS     (15 * 60 * 1000)

enum throttle_kind { THROTTLE_ACCOUNT, THROTTLE_SOURCE };

struct throttle;

struct throttle *throttle_new(const uint8_t secret[16]);
struct throttle *throttle_free(struct throttle *t);

/* Milliseconds until this one may try again; 0: now. 'now' is boot time. */
int64_t throttle_wait_ms(struct throttle *t, enum throttle_kind kind, struct span who, int64_t now);

void throttle_failed(struct throttle *t, enum throttle_kind kind, struct span who, int64_t now);

/* A success forgets the account's failures in a row; a source keeps its count. */
void throttle_succeeded(struct throttle *t, struct span account);
