#pragma once
/*
 * timing: the lines of timing files: sudo's, util-linux script's classic and advanced form (docs/formats/import.md). Pure,
 * one line at a time, without its newline.
 */
#include "base/times.h"
#include "base/buf.h"

#define TIMING_LINE_MAX 65536

enum timing_form { TIMING_NONE, TIMING_SUDO, TIMING_CLASSIC, TIMING_ADVANCED };

enum timing_what {
    TIMING_OUTPUT, /* n bytes of 'stream' */
    TIMING_INPUT,
    TIMING_RESIZE,
    TIMING_SIGNAL,
    TIMING_FACT, /* advanced: H NAME value */
};

enum timing_stream { TIMING_STDIN, TIMING_STDOUT, TIMING_STDERR, TIMING_TTYIN, TIMING_TTYOUT, TIMING_STREAMS };

struct timing {
    enum timing_what what;
    time_us delay;             /* since the record before */
    enum timing_stream stream; /* of script: TTYIN and TTYOUT */
    uint64_t n;                /* bytes */
    uint32_t cols, rows;
    struct span name, value;   /* of a signal ("TSTP") or a fact; borrows from the line */
};

/* Which form is the file that begins so? 'whole': there is no more. By its first line. */
enum timing_form timing_sniff(struct span first, bool whole);

/* ERR_INVAL: what is wrong with it. */
NODISCARD enum err timing_line(enum timing_form form, struct span line, struct timing *ret, struct err_info *reterr);
