#pragma once
/*
 * Below meta/: the words of recordings. One tokenizer (FTS5's own unicode61) cuts titles, tags, links and what is searched
 * for, so that both sides agree about letters, case and accents. Not for others than meta/.
 */
#include "meta/recordings.h"
#include "meta/sqlite/db.h"

#define WORDS_MAX      32 /* tokens of one search; what comes after them is not looked at */
#define WORD_LISTS_MAX 8  /* of them that are found by a list; the others are looked for in the texts of what those bring */

/* A token of a search. What was typed without a space between ("ERR-000123") is one phrase: its tokens follow each other. */
struct word {
    struct span text;  /* folded, as in the index */
    bool begins;       /* the first of its phrase */
    bool ends;         /* the last of its phrase: also the beginning of a longer word will do */
};

struct words {
    struct word *list;
    size_t n;
    bool exact; /* lists say it all: no phrase, no beginning that is longer than the lists of beginnings */
    struct span matches[WORD_LISTS_MAX]; /* what recording_word is asked for, a list each */
    size_t n_matches;
};

/* *ret_any false: there is no word in it, or it is not UTF-8. */
NODISCARD enum err words_parse(struct meta_view *v, struct span q, struct arena *a, struct words *ret, bool *ret_any,
                               struct err_info *reterr);

/* Does the text of the recording (by its seq) have them all? */
NODISCARD enum err words_are_in(struct meta_view *v, const struct words *w, int64_t seq, bool *ret,
                                struct err_info *reterr);

/* Brings the index in line with the row, its tags and links. Writes nothing when it is so already. */
NODISCARD enum err words_index(struct meta *m, const struct meta_recording *r, struct err_info *reterr);
NODISCARD enum err words_forget(struct meta *m, struct span rid, struct err_info *reterr);

/* Of db_close. */
void words_close(struct meta_view *v);
