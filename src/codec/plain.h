#pragma once
/* Text from recordings for people to read: nothing in it acts on a terminal or hides what stands there. */
#include "base/buf.h"
#include "base/times.h"

/*
 * Appends text: control characters (base/utf8: C0, DEL, C1, bidirectional controls) as \xNN or \uNNNN, a newline as \n, what is
 * not UTF-8 as U+FFFD.
 */
void plain_text(struct buf *out, struct span text);

/* "1:02:03", "2:03"; with tenths "2:03.4". Negative: 0. */
void plain_clock(struct buf *out, int64_t ms, bool tenths);
