#pragma once
/* Inside access/request*.c: reading members of the body, each mistake noted once. */
#include "access/request.h"

struct request_reader {
    struct tree body;
    bool check; /* REQUEST_TO_CHECK */
    struct span requester;
    time_ms now;
    struct arena *arena;
    struct request *req;
    struct field_errors *errs;
};

/* Notes it as missing, unless this is a check. */
void request_missing(struct request_reader *p, const char *at);

/* A member that is there and not null. */
bool request_member(struct tree obj, const char *key, struct tree *ret);

/* null, false, "", [] and {} are the same as left out. */
bool request_is_empty(struct tree t);

/* No other members than these (NULL at the end). */
void request_only(struct request_reader *p, struct tree obj, const char *const *known, const char *at);

/* An optional text of at most 'max' characters. */
void request_text(struct request_reader *p, struct tree obj, const char *key, size_t max, const char *at,
                  struct span *ret);

/* A whole number of min to max; *ret is not touched when it is left out. True when it was there and good. */
bool request_number(struct request_reader *p, struct tree obj, const char *key, int64_t min, int64_t max,
                    const char *at, int64_t *ret);

/* viewers, more, more_time, extends, break_glass. */
void request_read_beyond(struct request_reader *p);
