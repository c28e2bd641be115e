#pragma once
/*
 * Sentry's envelopes (PEERS 5.6): a header line, then items of a header line and a payload, which is as long as its header says
 * or ends with the line. Of the items these count:
 *
 *   replay_event      names the replay, its segment, its errors and traces
 *   replay_recording  a header line with the segment's number, cut at the FIRST newline, then rrweb events: zlib, gzip or plain
 *   event             an error, when it names its replay: a link with its own second
 *   replay_video      refused: pictures of a phone's screen
 *
 * All others are passed over: a project's whole traffic may come here. Segments come out in the order of their numbers.
 */
#include "codec/foreign.h"

/*
 * With f->known the first line's dsn has to have a token that it knows; before that no more is unpacked.
 * One envelope, or (of a file) several one after another. One replay: else FOREIGN_MIXED. The token is that of the header's
 * dsn, when it has one. An envelope without anything of a replay is fine: the session is empty then.
 */
NODISCARD enum err sentry_read(struct foreign *f, struct span body, bool given, enum unpack_codec codec);

/* The public key of a DSN ("https://KEY@host/1"). False: none in it. */
bool sentry_dsn_key(struct span dsn, char *to, size_t cap);
