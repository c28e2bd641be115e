#include "format/zframe.h"

#include <stdlib.h>

#include <zstd.h>

struct zframe_writer {
    ZSTD_CCtx *ctx;
    int level;
};

struct zframe_writer *zframe_writer_new(int level)
{
    struct zframe_writer *w;

    if (level < 1 || level > ZFRAME_LEVEL_MAX)
        return NULL;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->level = level;
    w->ctx = ZSTD_createCCtx();
    return w->ctx == NULL ? zframe_writer_free(w) : w;
}

struct zframe_writer *zframe_writer_free(struct zframe_writer *w)
{
    if (w == NULL)
        return NULL;
    (void) ZSTD_freeCCtx(w->ctx); /* always 0 */
    free(w);
    return NULL;
}

void zframe_writer_freep(struct zframe_writer **w)
{
    *w = zframe_writer_free(*w);
}

enum err zframe_write(struct zframe_writer *w, struct span raw, struct buf *out, struct err_info *reterr)
{
    size_t bound = ZSTD_compressBound(raw.n), n;
    uint8_t *to = buf_reserve(out, bound);

    if (to == NULL)
        return buf_check(out, reterr);
    n = ZSTD_compressCCtx(w->ctx, to, bound, raw.p, raw.n, w->level); /* windows of 8 MiB begin at level 19 and end there */
    if (ZSTD_isError(n) != 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "zstd: %s", ZSTD_getErrorName(n));
    out->n += n;
    return ERR_OK;
}

enum err zframe_read(struct span frame, size_t n_raw, struct buf *out, struct err_info *reterr)
{
    uint8_t *to;
    size_t n;

    if (ZSTD_getFrameContentSize(frame.p, frame.n) != n_raw ||
        ZSTD_findFrameCompressedSize(frame.p, frame.n) != frame.n)
        return ERR_RAISE(reterr, ERR_CORRUPT, "not one zstd frame of %zu bytes", n_raw);
    to = buf_reserve(out, n_raw);
    if (to == NULL)
        return buf_check(out, reterr);
    n = ZSTD_decompress(to, n_raw, frame.p, frame.n);
    if (ZSTD_isError(n) != 0 || n != n_raw)
        return ERR_RAISE(reterr, ERR_CORRUPT, "a zstd frame is damaged");
    out->n += n;
    return ERR_OK;
}

enum err zframe_size(struct span frame, size_t max, size_t *ret, struct err_info *reterr)
{
    unsigned long long n = ZSTD_getFrameContentSize(frame.p, frame.n);

    if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > max)
        return ERR_RAISE(reterr, ERR_CORRUPT, "a zstd frame without a size, or with one over %zu bytes", max);
    *ret = (size_t) n;
    return ERR_OK;
}
