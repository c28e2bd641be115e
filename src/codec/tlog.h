#pragma once
/*
 * tlog: the JSON messages of tlog-rec (versions 1 to 2.3), one a line, or inside the text of `journalctl -o export`, where
 * they are the field MESSAGE of some entries and everything else is passed over.
 * Format: docs/formats/import.md; tlog's doc/schema.json. Memory: one message (TLOG_MESSAGE_MAX).
 * One recording: messages of a second 'rec' are ERR_UNSUPPORTED, or passed over when a wanted one was named.
 */
#include "codec/reader.h"

#define TLOG_MESSAGE_MAX (16u << 20)

enum tlog_shape { TLOG_NONE, TLOG_LINES, TLOG_JOURNAL };

/* Journal export begins with a field's name and '='. (JSON lines are told by sniff.c: "ver", "rec" and "timing".) */
bool tlog_sniff_journal(struct span first);

/* 'rec': the recording that is wanted, copied; empty: the only one. NULL: no memory. */
struct reader *tlog_new(struct castout *out, enum tlog_shape shape, struct span rec);

/*
 * For who takes a file of several recordings apart: each message, minified, with the 'rec' it is of (UTF-8). Nothing is played;
 * what is no message of tlog is passed over in a journal and an error in lines. Both spans end with the call.
 */
typedef enum err tlog_message(void *ctx, struct span rec, struct span json, struct err_info *reterr);
struct reader *tlog_split(enum tlog_shape shape, tlog_message *fn, void *ctx);
