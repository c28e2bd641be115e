/*
 * Where numbers may stand. Digits are everywhere in recordings, and an automaton that follows each of them costs more than all other
 * patterns together, so here 64 bytes at a time become bit masks: which are digits, which may separate digits, which are capitals. Seven
 * in a row of the first two with a digit among them, or two capitals and two digits, are worth a look (mask_digits.c).
 */
#include "codec/mask_int.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64
#define STEP  56 /* what is looked for is at most 8 long: each lies in one block whole */

struct masks {
    uint64_t digit, sep, upper;
};

#ifdef __SSE2__
static uint64_t in_range(__m128i v, char low, int n)
{
    __m128i x = _mm_sub_epi8(v, _mm_set1_epi8(low));

    return (uint64_t) (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8((char) (n - 1))), x));
}

static struct masks classify(const uint8_t *p)
{
    struct masks m = { 0 };

    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) (p + i));

        m.digit |= in_range(v, '0', 10) << i;
        m.upper |= in_range(v, 'A', 26) << i;
        /* space, '(' ')', '-' '.' '/', and bytes above 0x7f (no-break spaces, dashes) */
        m.sep |= ((uint64_t) (unsigned) _mm_movemask_epi8(v) | in_range(v, ' ', 1) | in_range(v, '(', 2) | in_range(v, '-', 3)) << i;
    }
    return m;
}
#else
static struct masks classify(const uint8_t *p)
{
    struct masks m = { 0 };

    for (unsigned i = 0; i < BLOCK; i++) {
        uint8_t c = p[i];

        m.digit |= (uint64_t) mask_is_digit(c) << i;
        m.upper |= (uint64_t) mask_is_upper(c) << i;
        m.sep |= (uint64_t) (c >= 0x80 || c == ' ' || c == '(' || c == ')' || c == '-' || c == '.' || c == '/') << i;
    }
    return m;
}
#endif

static void look(struct mask_scanner *s, const struct mask_in *in, size_t at, const struct masks *m)
{
    uint64_t both = m->digit | m->sep, run = both & both >> 1, near = m->digit | m->digit >> 1;
    uint64_t iban = m->upper & m->upper >> 1 & m->digit >> 2 & m->digit >> 3;

    run &= run >> 2;
    run &= run >> 3; /* seven in a row begin here */
    near |= near >> 2;
    near |= near >> 3; /* … with a digit among them */
    for (run &= near; run != 0 && !s->failed;) {
        unsigned i = (unsigned) __builtin_ctzll(run), digit = i + (unsigned) __builtin_ctzll(m->digit >> i);
        size_t done;

        mask_find_digits(s, in, at + digit + 1);
        done = s->digits_to > at + digit ? s->digits_to - at : digit + 1;
        run = done >= BLOCK ? 0 : run & ~0ULL << done;
        if (run != 0 && (m->digit >> (unsigned) __builtin_ctzll(run)) == 0)
            run = 0;
    }
    for (; iban != 0 && !s->failed; iban &= iban - 1)
        mask_find_iban(s, in, at + (unsigned) __builtin_ctzll(iban));
}

void mask_find_numbers(struct mask_scanner *s, const struct mask_in *in)
{
    uint8_t last[BLOCK] = { 0 };
    struct masks m;
    size_t at = 0;

    for (; in->n - at >= BLOCK; at += STEP) {
        m = classify(in->p + at);
        look(s, in, at, &m);
        if (s->failed || (in->raw && s->n > 0))
            return;
    }
    memcpy(last, in->p + at, in->n - at);
    m = classify(last);
    look(s, in, at, &m);
}
