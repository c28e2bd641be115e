#pragma once
/*
 * Inside net/: what a connection has to send, pure. A queue of segments that knows which bytes are framing, which are content, and
 * where content may be dropped without breaking the stream (exchange_cut).
 */
#include <sys/uio.h>

#include "base/list.h"
#include "base/span.h"

#define OUT_CHUNK_MAX 16384 /* content of one HTTP chunk: bounds what a cut has to fill */

struct out {
    struct list segs;
    size_t n; /* bytes not sent */
};

void out_init(struct out *o);
void out_deinit(struct out *o); /* drops all, releases what was lent */

/* Framing: a cut leaves a head, and drops the end of a chunked body. The rest are content. False: no memory, nothing added. */
bool out_add_keep(struct out *o, struct span s);
bool out_add_end(struct out *o);
bool out_add_copy(struct out *o, struct span s);
bool out_add_chunks(struct out *o, struct span s); /* as HTTP chunks; s.n > 0 */
/* Not copied: release(arg) once it is sent or dropped (also when false is returned). */
bool out_add_ref(struct out *o, struct span s, void (*release)(void *arg), void *arg);

/* The first bytes, as at most max pieces. Returns how many. */
int out_peek(const struct out *o, struct iovec *iov, int max);
/* The first bytes in one piece: a borrowed span when the first segment has 'cap' bytes, else copied to 'to'. */
struct span out_gather(const struct out *o, uint8_t *to, size_t cap);
void out_sent(struct out *o, size_t n);

enum out_cut {
    OUT_CUT_OPEN,   /* at the border of a chunk: more may follow (and the end, if it was there, is gone) */
    OUT_CUT_ENDED,  /* the end of the chunked body is out, or partly so */
    OUT_CUT_BROKEN, /* content without chunks was cut: only closing the connection ends it */
};

/*
 * Drops content behind the first 'committed' bytes (which are encrypted already). A chunk that has begun stays, what is left of
 * its content becomes line feeds. 'ended': out_add_end was called.
 */
enum out_cut out_cut(struct out *o, size_t committed, bool ended);
