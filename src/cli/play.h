#pragma once
/* keyhole play: what its parts share (cmd_play.c finds and prepares, play.c is the terminal, play_plain.c prints). */
#include "cli/access.h"
#include "cli/source.h"
#include "cli/play_view.h"

struct play {
    struct cli *c;
    char rid[ID_CAP];
    char title[256]; /* safe */
    bool no_idle;
    bool follow; /* as it is being made */
    bool open;   /* it is being made still */
    bool unmask, unmasked; /* hidden values are asked for; are shown */
    double speed, max_speed;
    int64_t from_ms, to_ms; /* to_ms -1: to the end */
    int64_t duration_ms;
    struct buf manifest_bytes;
    struct tree manifest;
    struct play_view *view;
};

/* Both return the exit code; what went wrong has been said. */
int play_on_terminal(struct play *play, const struct access *access);
int play_plain(struct play *play, struct access *access);
/* Without a terminal, as it happens: events as JSON lines, or the timeline's lines. */
int play_follow(struct play *play, const struct access *access);

/* The time of event 'seq', read out of its chunk. False: there is none, or it cannot be had now. */
bool play_event_time(struct play *play, struct access *access, const struct play_view *v, int64_t seq, int64_t *ret_ms);
