#pragma once
/*
 * What a public token may state of the recordings that it begins (STANDARDS 5.1; docs/capture.md). Pages are in anybody's hands: such a
 * token names its words, and what it says is marked (meta_recording.public). Policies go by classes, so a token names each class that it
 * may state; a terminal is no page.
 *
 *   words: title subject session env tags links, env:NAME, class:NAME; blanks between them
 *
 * Pure.
 */
#include "format/ipc.h"

#define STATEMENTS_DEFAULT "title subject session env tags links"
#define STATEMENTS_MAX     32
#define STATEMENTS_WORD    70

/* One of the words above? */
bool statements_word_ok(struct span word);

/* The first thing that it says and may not ("class"), or NULL. */
const char *statements_refused(struct span words, const struct ipc_ingest_open *in);

/* Links may be stated. */
bool statements_links(struct span words);

/* Takes out what may not be said: of other recorders' clients, which cannot be told. */
void statements_trim(struct span words, struct ipc_ingest_open *io);
