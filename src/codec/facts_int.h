#pragma once
/* What facts.c (notes, terminals) and facts_page.c (rrweb) share; not for others. */
#include "codec/facts.h"
#include "codec/json.h"

static inline uint64_t facts_size(const struct facts *f)
{
    return (uint64_t) f->width | (uint64_t) f->height << 32;
}

/* Somebody did something: an idle span may end here. */
bool facts_somebody(struct facts *f, struct facts_notes *to, const struct facts_in *ev);

/* A size; the first one is where it begins, and no change. */
bool facts_resize(struct facts *f, struct facts_notes *to, const struct facts_in *ev, int64_t width, int64_t height);

bool facts_page_event(struct facts *f, struct facts_clickable *clickable, struct facts_notes *to,
                      const struct facts_in *ev);

/* ---- facts_clickable.c ---- */

/* Of a full snapshot's data (the page anew), or of nodes that a mutation adds. */
void facts_clickable_snapshot(struct facts_clickable *c, struct span json);
void facts_clickable_mutation(struct facts_clickable *c, struct span json);
/* 1: it is; 0: it is not; -1: not known. */
int facts_clickable_is(const struct facts_clickable *c, int64_t node);
