#pragma once
/*
 * Recordings (metadata only), their tags, links, pieces, key wraps; epochs.
 * Rules for everything (errors, arenas, threads): meta/meta.h.
 */
#include "meta/meta.h"
#include "meta/page.h"
#include "meta/rows.h"

#define META_TAGS_MAX   32
#define META_PIECES_MAX 100000 /* of one recording */

struct meta_pair { /* a tag (name, value) or a link (type, id) */
    struct span name, value;
    bool timed;    /* of a link: at_ms is known */
    time_ms at_ms; /* since the recording's start */
    bool public;   /* of a link: stated with a public token, and by nobody else */
};
#define META_LINKS_MAX 160 /* of one recording, those that its events brought counted */

/* In state 'importing' it is in no list and in no search. ERR_LIMIT: more than META_TAGS_MAX of either. */
NODISCARD enum err meta_recording_add(struct meta *m, struct meta_recording *row, const struct meta_pair *tags,
                                      size_t n_tags, const struct meta_pair *links, size_t n_links,
                                      struct err_info *reterr);
/* Writes the row; the words of its title, tags and links become searchable once it is 'open' or 'complete'. */
NODISCARD enum err meta_recording_put(struct meta *m, const struct meta_recording *row, struct err_info *reterr);
/* Only what grows while it is being made: events, duration_us, bytes, next_batch, touched_ms, time_kind, time_base_us. */
NODISCARD enum err meta_recording_grow(struct meta *m, const struct meta_recording *row, struct err_info *reterr);
/* touched_ms only, and only in state 'open'. Any other recording, or none: nothing happens. */
NODISCARD enum err meta_recording_touch(struct meta *m, struct span rid, time_ms now, struct err_info *reterr);
/* In state 'open', not touched after 'until': oldest first, at most 'max'. */
NODISCARD enum err meta_recordings_untouched(struct meta_view *v, time_ms until, size_t max, struct arena *a,
                                             struct meta_recording_list *ret, struct err_info *reterr);
/* Any state. */
NODISCARD enum err meta_recording_get(struct meta_view *v, struct span rid, struct arena *a,
                                      struct meta_recording *ret, struct err_info *reterr);
/* Replaces the links. */
NODISCARD enum err meta_recording_links_put(struct meta *m, struct span rid, const struct meta_pair *links, size_t n,
                                            struct err_info *reterr);
/* Adds those that are not there yet, while there are fewer than META_LINKS_MAX; one without a time gets it. */
NODISCARD enum err meta_recording_links_add(struct meta *m, struct span rid, const struct meta_pair *links, size_t n,
                                            struct err_info *reterr);
NODISCARD enum err meta_recording_tags(struct meta_view *v, struct span rid, struct arena *a, struct meta_pair **ret,
                                       size_t *ret_n, struct err_info *reterr);
NODISCARD enum err meta_recording_links(struct meta_view *v, struct span rid, struct arena *a, struct meta_pair **ret,
                                        size_t *ret_n, struct err_info *reterr);
/*
 * Which recording has the session of another recorder's client, by the name that it gave. ERR_NOTFOUND. One name has one
 * recording: the newest that was put.
 */
NODISCARD enum err meta_foreign_get(struct meta_view *v, struct span project, struct span name, struct arena *a,
                                    struct span *ret_rid, struct err_info *reterr);
/*
 * Batches of such a client, by their number in the log: META_BATCHES_MAX of the newest are kept, the newest first in lists. drop: all of
 * number 'from' and above.
 */
#define META_BATCHES_MAX 256
struct meta_foreign_batch {
    int64_t number, last_segment;
    struct span hashes;
};
NODISCARD enum err meta_foreign_batch_put(struct meta *m, struct span rid, const struct meta_foreign_batch *b, struct err_info *reterr);
NODISCARD enum err meta_foreign_batch_drop(struct meta *m, struct span rid, int64_t from, struct err_info *reterr);
NODISCARD enum err meta_foreign_batches(struct meta_view *v, struct span rid, struct arena *a, struct meta_foreign_batch **ret, size_t *ret_n,
                                        struct err_info *reterr);
NODISCARD enum err meta_foreign_put(struct meta *m, struct span project, struct span name, struct span rid, time_ms now,
                                    struct err_info *reterr);
/* Everything of it: row, tags, links, pieces, wraps, words. For an import that failed. */
NODISCARD enum err meta_recording_forget(struct meta *m, struct span rid, struct err_info *reterr);
/* All in this state, oldest first; at most 'max'. */
NODISCARD enum err meta_recordings_in_state(struct meta_view *v, struct span state, size_t max, struct arena *a,
                                            struct meta_recording_list *ret, struct err_info *reterr);

/* Empty or zero members do not filter. */
struct meta_recording_filter {
    const struct span *projects; /* only these: those that the person may see. n_projects 0 gives an empty list */
    size_t n_projects;
    struct span q;               /* words (or their beginnings) of title, tags, links; all of them. ERR-12: next to each other */
    struct span kind;
    struct meta_pair tag;        /* value empty: any value */
    struct meta_pair link;
    struct span subject, session;
    time_ms after_ms, before_ms; /* started at or after, started before; either one orders by the start */
    const struct span *only;     /* not NULL: these ids (n_only of them) and no others */
    size_t n_only;
    const struct span *except;
    size_t n_except;
    int64_t work;                /* steps that one page may take; 0: what takes some 10 ms */
};

/*
 * Newest first: by seq, or by (started_ms, seq) when after_ms or before_ms is given. What it costs does not grow with the number
 * of recordings, nor with how many a word or a tag is in (meta/sqlite/search.c says how). Filters that meet in few places, far
 * apart, may need more steps than one page has: then the page is shorter than asked, even empty, and *ret_next goes on. Only
 * an ended position (meta_pos_end) says that there are no more.
 */
NODISCARD enum err meta_recordings(struct meta_view *v, const struct meta_recording_filter *f,
                                   const struct meta_page *page, struct arena *a, struct meta_recording_list *ret,
                                   struct meta_pos *ret_next, struct err_info *reterr);

/* ---- pieces, wraps, epochs ---- */
NODISCARD enum err meta_piece_add(struct meta *m, struct meta_piece *row, struct err_info *reterr);
/* In order of track, then first_seq. */
NODISCARD enum err meta_pieces(struct meta_view *v, struct span rid, struct arena *a, struct meta_piece_list *ret,
                               struct err_info *reterr);
NODISCARD enum err meta_piece_get(struct meta_view *v, struct span rid, int64_t seg_no, struct arena *a,
                                  struct meta_piece *ret, struct err_info *reterr);
/* ERR_NOTFOUND. For a merge: seg_no is never used again. */
NODISCARD enum err meta_piece_remove(struct meta *m, struct span rid, int64_t seg_no, struct err_info *reterr);

/* Where the pieces of a recording end. */
struct meta_piece_end {
    int64_t n;          /* pieces of all tracks */
    int64_t next_seg;   /* over all tracks */
    int64_t next_seq, next_chunk, last_us; /* of this track */
};
NODISCARD enum err meta_piece_end(struct meta_view *v, struct span rid, int64_t track, struct meta_piece_end *ret,
                                  struct err_info *reterr);
/* ERR_EXISTS: one wrap per (rid, kn, track). */
NODISCARD enum err meta_wrap_add(struct meta *m, struct meta_wrap *row, struct err_info *reterr);
/* Is there a key of that track? */
NODISCARD enum err meta_wrap_any(struct meta_view *v, struct span rid, int64_t track, bool *ret, struct err_info *reterr);
NODISCARD enum err meta_wraps(struct meta_view *v, struct span rid, struct arena *a, struct meta_wrap_list *ret,
                              struct err_info *reterr);
/* ERR_EXISTS: known. */
NODISCARD enum err meta_epoch_add(struct meta *m, struct meta_epoch *row, struct err_info *reterr);
NODISCARD enum err meta_epoch_newest(struct meta_view *v, struct arena *a, struct meta_epoch *ret,
                                     struct err_info *reterr);
