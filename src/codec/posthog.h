#pragma once
/*
 * PostHog (PEERS 5.6): what posthog-js sends, what its product exports, and the fields that it packs inside events.
 *
 * A body: one capture object, an array of them, or {"batch": […]}; plain, packed (by Content-Encoding or by its first bytes,
 * for the client says nothing), or as a form "data=<base64>" (sendBeacon). Captures other than $snapshot are passed over.
 * A session has one recording for each of its windows: two tabs have their own trees of nodes.
 */
#include "codec/foreign.h"

/* POST /s/. A token that has to be found (f->known) is looked for in the text before it is parsed. One session and one window: else FOREIGN_MIXED. ERR_INVAL: no snapshot in it, or one without its session. */
NODISCARD enum err posthog_read(struct foreign *f, struct span body, bool given, enum unpack_codec codec);

/*
 * POST /e/: the session of the first exception in it and links of type error for all of that session. 'now' stands for the
 * moment of sending, from which queued captures count back. Nothing found: the session is empty, and that is no error.
 */
NODISCARD enum err posthog_read_captures(struct foreign *f, struct span body, bool given, enum unpack_codec codec, time_ms now);

/*
 * An export, whatever its shape: captures as above, the answer of the API ({"result": {"snapshots": […]}}, snapshots by window
 * id, {"snapshots": […]} of blobs {"window_id", "data": […]}), the file that the player saves, lines of ["window", event] or of
 * blobs. Two windows: FOREIGN_MIXED.
 */
NODISCARD enum err posthog_read_export(struct foreign *f, struct span text);

/*
 * An event with "cv": type 2 has its data, mutations and style rules have some of their members as a string of gzip bytes, a
 * character each. Appends the event as rrweb has it, minified; adds to *unpacked what came out of the fields. An event without
 * "cv" comes out as it is. ERR_LIMIT: "event-too-large" (out's ceiling, also for what the fields hold, all together).
 * ERR_CORRUPT, ERR_INVAL.
 */
NODISCARD enum err posthog_plain_event(struct span event, struct buf *out, uint64_t *unpacked, struct err_info *reterr);
