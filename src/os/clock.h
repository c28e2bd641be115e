#pragma once
/*
 * The two clocks of every window (STANDARDS 1.5): the wall clock, which can be stepped, and the boot clock, which
 * counts suspended time too and cannot. Everything above takes times as arguments; only drivers call these.
 */
#include "base/times.h"

time_ms clock_wall_ms(void); /* CLOCK_REALTIME */
time_ms clock_boot_ms(void); /* CLOCK_BOOTTIME */
time_us clock_mono_us(void); /* CLOCK_MONOTONIC, for intervals inside one process */

#define CLOCK_BOOT_ID_LEN 36

/* /proc/sys/kernel/random/boot_id: changes at each boot. "" when it cannot be read. NUL-terminated. */
void clock_boot_id(char out[CLOCK_BOOT_ID_LEN + 1]);

/* False when the kernel says that the wall clock is not synchronised (STA_UNSYNC) or its error is over a second. */
bool clock_is_synced(void);
