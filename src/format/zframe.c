#include "format/zframe.h"

#include <stdlib.h>

#include <zstd.h>

#define WINDOW_LOG 23

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

/* A frame whose size is known gets a window as large as itself; above 8 MiB that has to be said. */
static bool set_up(ZSTD_CCtx *ctx, int level, size_t n_raw)
{
    return ZSTD_isError(ZSTD_CCtx_reset(ctx, ZSTD_reset_session_and_parameters)) == 0 &&
           ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level)) == 0 &&
           ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, n_raw > 1u << WINDOW_LOG ? WINDOW_LOG : 0)) == 0;
}

enum err zframe_write(struct zframe_writer *w, struct span raw, struct buf *out, struct err_info *reterr)
{
    size_t bound = ZSTD_compressBound(raw.n), n;
    uint8_t *to = buf_reserve(out, bound);

    if (to == NULL)
        return buf_check(out, reterr);
    if (!set_up(w->ctx, w->level, raw.n))
        return ERR_RAISE(reterr, ERR_NOMEM, "zstd does not start");
    n = ZSTD_compress2(w->ctx, to, bound, raw.p, raw.n);
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
