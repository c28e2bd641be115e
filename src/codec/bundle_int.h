#pragma once
/* What the parts of bundle share; not for others. bundle.c collects members, bundle_play.c plays them by their timing,
 * bundle_packed.c unpacks one member. */
#include "codec/bundle.h"
#include "codec/parts.h"
#include "codec/sudo_iolog.h"
#include "codec/tar_read.h"
#include "codec/timing.h"
#include "codec/unpack.h"

#define SOURCE_READY 65536

/* What the compressed members of one bundle come to, together. */
struct packed_sum {
    const struct bundle_limits *limits;
    uint64_t out;
    const char *hit; /* with ERR_LIMIT: which limit, */
    uint64_t hit_value;
};

/* One member: bytes as they came, and from the front of them unpacked ones. */
struct packed {
    struct buf held;
    size_t taken;   /* of held, by the unpacker */
    bool complete;  /* no more comes to held */
    bool streamed;  /* what was taken is dropped */
    struct packed_sum *sum;
    struct unpack *unpack;
    uint64_t counted; /* in the sum; what is read again is not counted again */
    bool compressed;
    struct buf ready;
    size_t ready_at;
    bool ended;     /* nothing more will be ready */
    bool cut;       /* the compressed form ended too early */
    uint8_t before; /* the byte before, for line ends of pipes */
};

void packed_init(struct packed *s, struct packed_sum *sum);
void packed_deinit(struct packed *s);
void packed_rewind(struct packed *s); /* of one that is held: reads from its beginning again */

/* More unpacked bytes, as far as what has come allows; at most SOURCE_READY of them. */
NODISCARD enum err packed_fill(struct packed *s, struct err_info *reterr);
struct span packed_ready(const struct packed *s);
void packed_take(struct packed *s, size_t n);

/* One line without its newline, valid until the next call. False: not there yet, or (s->ended) the end. */
NODISCARD enum err packed_line(struct packed *s, struct span *ret, bool *ret_there, struct err_info *reterr);

#define BUNDLE_MEMBERS 16

struct member {
    struct buf name;
    uint64_t size; /* as the tar says */
    struct packed source;
    enum parts_role role;
};

enum bundle_state { COLLECTING, LEADING, PLAYING, REST, DONE };

struct bundle {
    struct reader r;
    struct castout *out;
    struct bundle_limits limits;
    struct packed_sum sum;
    size_t n_held;
    struct tar_read tar;
    struct member *members[BUNDLE_MEMBERS];
    size_t n_members;
    struct member *current; /* the tar's; NULL: passed over */

    enum bundle_state state;
    enum parts_kind kind;
    enum timing_form form;
    struct member *timing, *facts, *stream[TIMING_STREAMS];
    bool one_log; /* script --log-io: input lies in the output's file */
    uint64_t want[TIMING_STREAMS]; /* bytes, by the timing */
    struct sudo_iolog sudo;
    struct buf meta;   /* facts of script and asciicast v0, that the head borrows */
    struct castout_head head;
    int64_t exit_status;
    bool has_exit, cut, headed;

    /* playing */
    uint64_t line;
    time_us at;
    struct member *from;
    enum castout_side side;
    enum timing_stream which;
    uint64_t left;
    struct {
        bool done;
        int lines;        /* header lines taken */
        uint64_t skipped; /* bytes of them */
    } led[TIMING_STREAMS];
};

/* Facts and timing, which are held, are read; 'next' may be the member that begins. */
NODISCARD enum err bundle_begin(struct bundle *b, struct err_info *reterr);

/* Plays as far as what has come allows. */
NODISCARD enum err bundle_pump(struct bundle *b, struct err_info *reterr);

/* Sums up the timing: what each stream has to have. Also script's facts. */
NODISCARD enum err bundle_survey(struct bundle *b, struct err_info *reterr);

/* "timing: …": the member's name before the text of an error. Returns 'code'. */
enum err bundle_in(enum err code, const char *member, struct err_info *reterr);

/* Facts of script and asciicast v0 (bundle_facts.c). */
void bundle_fact(struct bundle *b, const struct timing *t);
void bundle_lead(struct bundle *b, struct span line);
void bundle_foot(struct bundle *b, struct span line);
NODISCARD enum err bundle_meta(struct bundle *b, struct err_info *reterr);
