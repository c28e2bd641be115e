#pragma once
/*
 * mask_term: what a project's rules take out of a terminal's events: of the text that a person reads on the screen, whatever sequences
 * stand between its characters and in however many events it came (codec/mask_grid), of the strings of OSC and their like, of what is typed,
 * and of markers. Same width: sequences, cursor and layout stay.
 *
 * Typed text (events 'i') is gathered to lines of its own. At a prompt for a password nothing that is typed stays up to the end of
 * its line, as with sudo's log_passwords=false; output that is no prompt ends that. Without a prompt that we know: a line of four characters or more of
 * which nothing was shown, and which is not shown after it either, was typed where nothing is echoed. MASK_TYPED_ALL: nothing typed stays.
 *
 * A recording that costs more than MASK_TERM_WORK and MASK_TERM_WORK_PER_BYTE was made to be slow: from then on no text of it is looked at and none stays
 * (MASK_UNREAD): sequences are, as they came.
 *
 * An event waits while text it wrote may still become a match: at most MASK_TERM_HOLD events and MASK_TERM_HELD bytes. What belongs to a
 * match and has been taken already is a late mark.
 *
 * Life:    init -> head? -> (add, take*)* -> flush, take* -> deinit. mask_term_copy for those who go back.
 * Threads: one at a time.
 */
#include "codec/intake.h"
#include "codec/mask_grid.h"
#include "codec/mask_json.h"

#define MASK_TERM_HOLD  512
#define MASK_TERM_HELD  (256u << 10)
#define MASK_TERM_TOUCH 64 /* events after which a line that nobody wrote to is not waited for */
#define MASK_TERM_WORK  (64ULL << 20) /* what looking at a recording may cost (mask_grid.h: nanoseconds, about), and so much more */
#define MASK_TERM_WORK_PER_BYTE 256   /* for each byte of its events: past that it was made to be slow */
#define MASK_TYPED_MAX  512 /* characters of a typed line */
#define MASK_UNSEEN_MAX 64  /* characters of one that may not have been echoed; longer ones are no passwords */
#define MASK_UNSEEN_MIN 4

struct mask_typed_char {
    uint64_t seq;
    uint32_t cp, off;
    uint8_t len;
    bool masked;
};

/* What goes on from batch to batch. */
struct mask_term_state {
    struct mask_grid grid;
    bool prompt;        /* what is typed now is a password */
    uint8_t typed_esc;  /* inside a key's sequence */
    bool lost;          /* the row with this id goes on with what nobody knows, */
    uint32_t lost_row;
    uint32_t lost_n;    /* for so many events */
    uint32_t n_typed;
    struct mask_typed_char typed[MASK_TYPED_MAX];
    bool typed_open;

    /* a typed line that nothing was seen of yet */
    uint32_t n_unseen;
    bool seen;        /* this line is echoed */
    bool unseen_over; /* it has ended: what is shown next decides */
    struct mask_typed_char unseen[MASK_UNSEEN_MAX];
    uint32_t n_shown; /* since then */
    uint32_t shown[MASK_UNSEEN_MAX];
};

struct mask_term {
    struct mask_json json;
    struct mask_term_state s;

    struct buf held;  /* struct held, in order */
    struct buf store; /* their bytes, and */
    struct buf out;   /* what is stored in place of those that changed */
    size_t n_taken;
    bool ready;       /* what is held may be taken */
    uint64_t oldest;  /* seq of the first that is held; when none is, of the one at hand */
    bool typed_dirty;

    struct buf marks; /* struct intake_late, of events that are held */
    struct buf late;  /* and of others */

    uint64_t given, work; /* bytes of events, and what they cost: see MASK_TERM_WORK */
    struct mask_grid_calls calls;
    struct buf line, chars; /* the text being looked at */
    struct buf data;
    struct err_info err;
};

void mask_term_init(struct mask_term *t, const struct mask_rules *rules, struct mask_scanner *scanner, uint64_t *counts, size_t max);
void mask_term_deinit(struct mask_term *t);

void mask_term_state_init(struct mask_term_state *s);
void mask_term_state_deinit(struct mask_term_state *s);
NODISCARD bool mask_term_state_copy(struct mask_term_state *to, const struct mask_term_state *from);

/* What went before is not known: see intake_lost. */
void mask_term_lost(struct mask_term *t, bool unsure);
/* Of what an event wrote: the rest of the line that was being written when it was lost (mask_term_open.c). */
NODISCARD bool mask_term_rest(struct mask_term *t); /* false: no memory */

/* Size from an asciicast header. */
void mask_term_size(struct mask_term *t, int cols, int rows);

NODISCARD enum err mask_term_add(struct mask_term *t, const struct intake_item *item, struct err_info *reterr);
NODISCARD enum err mask_term_flush(struct mask_term *t, struct err_info *reterr);
/* 'reveal' is the original where something was taken out, else empty. */
bool mask_term_take(struct mask_term *t, struct intake_out *ret);

/*
 * After a flush (mask_term_open.c). Appends struct intake_late: what of the text would have to be masked if nobody ever said how it goes on. False: no
 * memory, or past the ceiling of 'out'.
 */
NODISCARD bool mask_term_unsure(struct mask_term *t, struct buf *out);
/*
 * The narrow form, for those who are shown what is being written (mask_scan_live): the oldest event that has the first half of what may become a match.
 * UINT64_MAX: none. False: no memory.
 */
NODISCARD bool mask_term_live(struct mask_term *t, uint64_t *ret);
/* The oldest event of which something may still be marked late, 'unsure' being what the call above gave. UINT64_MAX: none. */
uint64_t mask_term_reach(struct mask_term *t, const struct buf *unsure);

/* What waits goes; the state is the caller's to set. */
void mask_term_forget(struct mask_term *t);

/* intake_mask_late. */
NODISCARD enum err mask_term_apply(struct span json, uint64_t seq, const struct intake_late *marks, size_t n, struct buf *out,
                                   bool *ret_masked, struct err_info *reterr);
