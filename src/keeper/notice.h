#pragma once
/*
 * Notices of /v1/events: ids and states of what changed, to those who could open it (docs/api/openapi.yaml, Change).
 * Gathered in the call, sent after the commit.
 */
#include "keeper/job.h"

enum notice_type { NOTICE_REQUEST, NOTICE_GRANT, NOTICE_VIEWING, NOTICE_RECORDING, NOTICE_POLICY,
                   NOTICE_CLIENT_KEY, NOTICE_CHANGE };

struct notice {
    enum notice_type type;
    struct span id;
    const char *state;
    struct span project;  /* whose roles may see it */
    struct span owner;    /* the account whose own it is; or empty */
    struct span request;  /* of a grant */
    struct span grant;    /* of a viewing */
    const struct span *recordings;
    size_t n_recordings;
    bool break_glass;     /* a request or grant of it: pages show it as an alarm */
};

void notice_send(struct job *c, const struct notice *n);

/* WATCH_OPEN, WATCH_CLOSE. */
NODISCARD enum err notice_watch_open(struct job *c, const struct ipc_watch_open *in, struct err_info *reterr);
NODISCARD enum err notice_watch_close(struct job *c, const struct ipc_watch_close *in, struct err_info *reterr);

/* Streams of a sign-in that has ended are told so; those of a channel that is gone are forgotten. */
void notice_token_ended(struct job *c, struct span token_id);
void notice_chan_closed(struct core *core, uint32_t chan);
