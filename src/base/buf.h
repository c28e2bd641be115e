#pragma once
/*
 * buf: owned, growing bytes with a ceiling.
 *
 * Appending past the ceiling, or when memory is short, sets 'failed' and leaves the contents as they were; later
 * appends do nothing. So writers append freely and check once. An all-zero buf is not valid: buf_init gives the ceiling.
 */
#include "base/err.h"
#include "base/span.h"

struct buf {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max;
    bool failed;
};

#define BUF_INIT(max_bytes) ((struct buf){ NULL, 0, 0, (max_bytes), false })

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b); /* frees; safe twice */

/* Forgets the contents and 'failed', keeps the memory. */
void buf_reset(struct buf *b);

/* Room for n more bytes at b->p + b->n; the caller fills them and adds to b->n. NULL: failed is set. */
uint8_t *buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_span(struct buf *b, struct span s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_c(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16le(struct buf *b, uint16_t v);
void buf_u32le(struct buf *b, uint32_t v);
void buf_u64le(struct buf *b, uint64_t v);
void buf_u16be(struct buf *b, uint16_t v);
void buf_lp(struct buf *b, struct span s);  /* one length byte; longer than 255 sets failed */
void buf_lp4(struct buf *b, struct span s); /* u32le length */

/* Drops the first n bytes (n <= b->n). */
void buf_drop(struct buf *b, size_t n);

/* NUL-terminates without counting the NUL. "" when failed. */
const char *buf_cstr(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
    return span_of(b->p, b->n);
}

/* ERR_LIMIT when the ceiling was hit (or ERR_NOMEM; the two are not told apart), else ERR_OK. */
NODISCARD enum err buf_check(const struct buf *b, struct err_info *reterr);
