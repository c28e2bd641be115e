#pragma once
/*
 * What a terminal wrote, as the valid UTF-8 that a recording holds. Pure.
 *
 * A character that is split over two reads is kept until its rest comes. Bytes that cannot become a character are one
 * U+FFFD for each maximal ill-formed part (Unicode 15, 3.9; what asciinema and browsers do). So a recording of a program that
 * writes another encoding, or binary bytes, is readable but not byte-exact.
 */
#include "base/buf.h"

struct rec_text {
    uint8_t held[4];
    uint8_t n, need;    /* bytes held, bytes still to come */
    uint8_t low, high;  /* bounds of the next one */
};

void rec_text_add(struct rec_text *t, struct span bytes, struct buf *out);
/* Nothing more comes: what is held becomes U+FFFD. */
void rec_text_end(struct rec_text *t, struct buf *out);
