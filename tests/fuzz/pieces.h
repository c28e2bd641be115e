#pragma once
/* Contents of several files in one input, and the tar that keyhole import would send of them. */
#include "imported.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How the second byte of an input is used. */
enum { PIECES_PACK = 0x03, PIECES_MASKED = 0x04, PIECES_SCREENS = 0x08, PIECES_FIRST = 0xf0 };

static inline bool pieces_next(struct span *rest, struct buf *out)
{
    buf_reset(out);
    if (rest->n == 0)
        return false;
    while (rest->n > 0) {
        uint8_t c = rest->p[0];

        *rest = span_sub(*rest, 1, rest->n);
        if (c == 0)
            break;
        if (c == 0xfe && rest->n > 0 && rest->p[0] == 0) {
            c = 0;
            *rest = span_sub(*rest, 1, rest->n);
        }
        buf_u8(out, c);
    }
    return true;
}

/* Members in the order of 'names' from some place on; every first, second or third one packed. */
static inline void pieces_tar(struct span in, uint8_t how, const char *const *names, size_t n, struct buf *tar)
{
    struct buf piece = BUF_INIT(1u << 20), packed = BUF_INIT(2u << 20);
    size_t first = (how & PIECES_FIRST) >> 4;

    for (size_t i = 0; i < n && pieces_next(&in, &piece); i++) {
        bool pack = (how & PIECES_PACK) > 0 && i % (how & PIECES_PACK) == 0;

        buf_reset(&packed);
        if (pack)
            imported_pack(buf_span(&piece), i % 2 == 0, &packed);
        imported_member(tar, names[(i + first) % n], pack ? buf_span(&packed) : buf_span(&piece));
    }
    buf_deinit(&piece);
    buf_deinit(&packed);
}

static inline int pieces_import(struct span in, const char *const *names, size_t n)
{
    struct imported_opts o = imported_opts();
    struct buf tar = BUF_INIT(8u << 20);

    if (in.n < 2)
        return 0;
    o.masked = in.p[1] & PIECES_MASKED;
    o.screens = in.p[1] & PIECES_SCREENS;
    pieces_tar(span_sub(in, 2, in.n), in.p[1], names, n, &tar);
    (void) imported_both(buf_span(&tar), 1 + in.p[in.n / 2] % 97, &o);
    buf_deinit(&tar);
    return 0;
}
