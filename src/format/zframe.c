#include "format/zframe.h"

#include <pthread.h>
#include <stdlib.h>

#include <zstd.h>

#include "crypto/secret.h"

struct zframe_writer {
    ZSTD_CCtx *ctx;
    ZSTD_CCtx *guess; /* NULL until somebody asks */
    int level;
};

/*
 * Level 14 that searches less: four fifths of what it gains over level 9 for two fifths of its time. These hold for ZSTD_compress2 alone,
 * ZSTD_compressCCtx has its level and nothing else.
 */
static bool for_short_ones(ZSTD_CCtx *ctx)
{
    static const struct {
        ZSTD_cParameter what;
        int value;
    } set[] = { { ZSTD_c_compressionLevel, 14 }, { ZSTD_c_searchLog, 2 }, { ZSTD_c_targetLength, 16 } };

    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        if (ZSTD_isError(ZSTD_CCtx_setParameter(ctx, set[i].what, set[i].value)) != 0)
            return false;
    }
    return true;
}

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
    return w->ctx == NULL || !for_short_ones(w->ctx) ? zframe_writer_free(w) : w;
}

struct zframe_writer *zframe_writer_free(struct zframe_writer *w)
{
    if (w == NULL)
        return NULL;
    (void) ZSTD_freeCCtx(w->ctx); /* always 0; takes NULL */
    (void) ZSTD_freeCCtx(w->guess);
    free(w);
    return NULL;
}

void zframe_writer_freep(struct zframe_writer **w)
{
    *w = zframe_writer_free(*w);
}

static enum err write_frame(struct zframe_writer *w, bool brief, struct span raw, struct buf *out, struct err_info *reterr)
{
    size_t bound = ZSTD_compressBound(raw.n), n;
    uint8_t *to = buf_reserve(out, bound);

    if (to == NULL)
        return buf_check(out, reterr);
    if (brief)
        n = ZSTD_compress2(w->ctx, to, bound, raw.p, raw.n);
    else /* windows of 8 MiB begin at level 19 and end there */
        n = ZSTD_compressCCtx(w->ctx, to, bound, raw.p, raw.n, w->level);
    if (ZSTD_isError(n) != 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "zstd: %s", ZSTD_getErrorName(n));
    out->n += n;
    return ERR_OK;
}

enum err zframe_write(struct zframe_writer *w, struct span raw, struct buf *out, struct err_info *reterr)
{
    return write_frame(w, false, raw, out, reterr);
}

enum err zframe_write_short(struct zframe_writer *w, struct span raw, struct buf *out, struct err_info *reterr)
{
    return write_frame(w, true, raw, out, reterr);
}

enum err zframe_guess(struct zframe_writer *w, struct span before, struct span raw, size_t *ret, struct err_info *reterr)
{
    struct buf out = BUF_INIT(ZSTD_compressBound(raw.n));
    uint8_t *to = buf_reserve(&out, ZSTD_compressBound(raw.n));
    size_t n = 0;

    if (w->guess == NULL)
        w->guess = ZSTD_createCCtx();
    if (to == NULL || w->guess == NULL || ZSTD_isError(ZSTD_CCtx_setParameter(w->guess, ZSTD_c_compressionLevel, 3)) != 0 ||
        ZSTD_isError(ZSTD_CCtx_refPrefix(w->guess, before.p, before.n)) != 0 ||
        ZSTD_isError(n = ZSTD_compress2(w->guess, to, out.cap, raw.p, raw.n)) != 0) {
        buf_deinit(&out);
        return ERR_RAISE(reterr, ERR_NOMEM, "zstd: no memory for a guess");
    }
    secret_wipe(to, n);
    buf_deinit(&out);
    *ret = n;
    return ERR_OK;
}

/* ---- one decompressor a thread ---- */

static pthread_key_t reader_key;
static pthread_once_t reader_once = PTHREAD_ONCE_INIT;
static bool reader_keyed;

static void reader_free(void *ctx)
{
    (void) ZSTD_freeDCtx(ctx); /* always 0 */
}

static void reader_make_key(void)
{
    reader_keyed = pthread_key_create(&reader_key, reader_free) == 0;
}

/* NULL: no memory. */
static ZSTD_DCtx *reader(void)
{
    ZSTD_DCtx *ctx;

    (void) pthread_once(&reader_once, reader_make_key); /* fails for bad arguments only */
    if (!reader_keyed)
        return NULL;
    ctx = pthread_getspecific(reader_key);
    if (ctx != NULL)
        return ctx;
    ctx = ZSTD_createDCtx();
    if (ctx != NULL && pthread_setspecific(reader_key, ctx) != 0) {
        reader_free(ctx);
        return NULL;
    }
    return ctx;
}

enum err zframe_read(struct span frame, size_t n_raw, struct buf *out, struct err_info *reterr)
{
    ZSTD_DCtx *ctx = reader();
    uint8_t *to;
    size_t n;

    if (ctx == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a decompressor");
    if (ZSTD_getFrameContentSize(frame.p, frame.n) != n_raw ||
        ZSTD_findFrameCompressedSize(frame.p, frame.n) != frame.n)
        return ERR_RAISE(reterr, ERR_CORRUPT, "not one zstd frame of %zu bytes", n_raw);
    to = buf_reserve(out, n_raw);
    if (to == NULL)
        return buf_check(out, reterr);
    n = ZSTD_decompressDCtx(ctx, to, n_raw, frame.p, frame.n);
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
