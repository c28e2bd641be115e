#pragma once
/*
 * parts: which files beside each other are one recording, and which of them is what. The server asks it about members of a
 * tar, the CLI about directories and archives. Pure: names and first bytes in, roles out.
 */
#include "base/buf.h"
#include "codec/timing.h"

enum parts_kind { PARTS_NONE, PARTS_SUDO, PARTS_SCRIPT, PARTS_CAST_V0 };

enum parts_role {
    PART_OTHER,    /* not of it, or a recording of its own */
    PART_FACTS,    /* log, log.json, meta.json */
    PART_TIMING,
    PART_STDIN,    /* the streams, in the order of enum timing_stream */
    PART_STDOUT,
    PART_STDERR,
    PART_TTYIN,    /* script: the input log */
    PART_TTYOUT,   /* script: the typescript; asciicast v0: stdout */
};

#define PARTS_FIRST 4096 /* bytes of a file's beginning that are enough */

struct parts_file {
    struct span name;  /* without directories */
    struct span first; /* unpacked */
    enum parts_role role; /* out */
    int group;            /* out: files of one recording have the same, from 1; 0: none */
    enum parts_kind kind; /* out: of the group */
};

/* The files of one directory. Returns how many groups there are. */
int parts_group(struct parts_file *files, size_t n);
