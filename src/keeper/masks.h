#pragma once
/*
 * Masking rules of projects (codec/mask.h): kept with their text, compiled here, sent to the gate.
 *
 * A text is compiled when it is set, within the limits of codec/mask.h, and the result is kept: nothing is compiled while recordings come
 * in, but once after another program or library has taken over.
 */
#include "codec/mask.h"
#include "keeper/job.h"
#include "meta/rules.h"

/* The project's row; one with an empty text and version 0 when there is none. Its rules fit this program. */
NODISCARD enum err masks_row(struct job *c, struct span pid, struct meta_masks *ret, struct err_info *reterr);

/* Puts a text and its tree in force: row, record, push. *ret is the row. ERR_INVAL, ERR_LIMIT: *ret_why says "masks:LINE: …", nothing was written. */
NODISCARD enum err masks_set(struct job *c, const struct meta_project *p, struct span text, struct span tree, struct meta_masks *ret,
                             struct err_info *ret_why, struct err_info *reterr);

/* A reference of the caller's. */
NODISCARD enum err masks_rules(const struct meta_masks *row, struct mask_rules **ret, struct err_info *reterr);

/* Before an answer that lets a recording of the project begin or go on: the rules, to the same channel. */
NODISCARD enum err masks_say(struct job *c, struct span pid, struct err_info *reterr);

/*
 * What an uploader states passes the rules as well (STANDARDS 5.1): title (may be NULL), tags' values and names, links' ids. What holds a hit is
 * replaced by a masked copy in c->mem; what is the same afterwards is there once.
 */
NODISCARD enum err masks_words(struct job *c, struct span pid, struct span *title, struct meta_pair *tags, size_t *io_n_tags,
                               struct meta_pair *links, size_t *io_n_links, struct err_info *reterr);

/*
 * A word that names something (subject, session, class) is not masked: stars would make two of them one. Does a rule take it for a secret?
 * *ret is that rule's name, or empty. person: it names a person, so e-mail addresses and phone numbers are what it is for.
 */
NODISCARD enum err masks_name(struct job *c, struct span pid, struct span word, bool person, struct span *ret_rule,
                              struct err_info *reterr);
