/*
 * Where numbers may stand. Digits are everywhere in recordings, and an automaton that follows each of them costs more than all other
 * patterns together, so here 64 bytes at a time become bit masks: which are digits, which may separate digits, which are capitals. Seven
 * in a row of the first two with a digit among them, or two capitals and two digits, are worth a look (mask_digits.c).
 */
#include "codec/mask_int.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

#define BLOCK 64
#define STEP  56 /* what is looked for is at most 8 long: each lies in one block whole */

struct masks {
    uint64_t digit, sep, upper;
};

#ifdef __SSE2__
/* Classes by the two halves of a byte: bit 0 digits, 1 and 2 capitals, 3 what separates. What has the same bit in both tables is of that class. */
__attribute__((target("avx2"))) static struct masks classify_avx2(const uint8_t *p)
{
    const __m256i low = _mm256_broadcastsi128_si256(_mm_setr_epi8(13, 7, 7, 7, 7, 7, 7, 7, 15, 15, 6, 2, 2, 10, 10, 10));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 8, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    struct masks m = { 0 };

    for (unsigned i = 0; i < BLOCK; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *) (const void *) (p + i));
        __m256i half = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
        __m256i is = _mm256_and_si256(_mm256_shuffle_epi8(low, v), _mm256_shuffle_epi8(high, half));

        m.digit |= (uint64_t) (unsigned) _mm256_movemask_epi8(_mm256_slli_epi16(is, 7)) << i;
        m.upper |= (uint64_t) (unsigned) _mm256_movemask_epi8(_mm256_or_si256(_mm256_slli_epi16(is, 6), _mm256_slli_epi16(is, 5))) << i;
        m.sep |= (uint64_t) (unsigned) _mm256_movemask_epi8(_mm256_or_si256(_mm256_slli_epi16(is, 4), v)) << i;
    }
    return m;
}

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

/*
 * Bits of the run of digits and separators that begins at bit i, 0 when there may be more of it than the block shows, or enough digits. 'first': nothing
 * stands before the block.
 */
static uint64_t too_few(const struct masks *m, unsigned i, bool first)
{
    uint64_t rest = ~((m->digit | m->sep) >> i), run;

    if (rest == 0 || (i == 0 && !first) || (unsigned) __builtin_ctzll(rest) + i >= BLOCK)
        return 0;
    run = ((rest & -rest) - 1) << i;
    return __builtin_popcountll(m->digit & run) < MASK_DIGITS_MIN ? run : 0;
}

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
        uint64_t few = too_few(m, i, at == 0);
        size_t done;

        if (few != 0) {
            run &= ~few;
            continue;
        }
        mask_find_digits(s, in, at + digit + 1);
        done = s->digits_to > at + digit ? s->digits_to - at : digit + 1;
        run = done >= BLOCK ? 0 : run & ~0ULL << done;
        if (run != 0 && (m->digit >> (unsigned) __builtin_ctzll(run)) == 0)
            run = 0;
    }
    for (; iban != 0 && !s->failed; iban &= iban - 1)
        mask_find_iban(s, in, at + (unsigned) __builtin_ctzll(iban));
}

#ifdef __SSE2__
__attribute__((target("avx2,popcnt"))) static size_t blocks_avx2(struct mask_scanner *s, const struct mask_in *in)
{
    size_t at = 0;

    for (; in->n - at >= BLOCK && !s->failed && !(in->raw && s->n > 0); at += STEP) {
        struct masks m = classify_avx2(in->p + at);

        look(s, in, at, &m);
    }
    return at;
}
#endif

/* All blocks that are whole; where the rest begins. */
static size_t blocks(struct mask_scanner *s, const struct mask_in *in)
{
    size_t at = 0;

#ifdef __SSE2__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
        return blocks_avx2(s, in);
#endif
    for (; in->n - at >= BLOCK && !s->failed && !(in->raw && s->n > 0); at += STEP) {
        struct masks m = classify(in->p + at);

        look(s, in, at, &m);
    }
    return at;
}

void mask_find_numbers(struct mask_scanner *s, const struct mask_in *in)
{
    size_t at = in->n >= BLOCK ? blocks(s, in) : 0;
    uint8_t last[BLOCK] = { 0 };
    struct masks m;

    if (s->failed || (in->raw && s->n > 0))
        return;
    memcpy(last, in->p + at, in->n - at);
    m = classify(last);
    look(s, in, at, &m);
}
