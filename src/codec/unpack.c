#include "codec/unpack.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define FEED_WINDOW 32768

struct unpack {
    enum unpack_codec codec;
    struct unpack_limits limits;
    uint64_t in, out;
    enum unpack_hit hit;
    bool mid;     /* inside a member or frame */
    bool ended;   /* at least one member or frame is complete */
    bool z_ready; /* z is initialised */
    bool failed;
    uint8_t head[4]; /* held until zlib and raw deflate (2 bytes), or a zstd frame's format, can be told */
    size_t n_head;
    z_stream z;
    ZSTD_DStream *zs;
    uint8_t window[FEED_WINDOW];
};

struct unpack_limits unpack_limits_import(void)
{
    return (struct unpack_limits){
        .out_max = 16ull << 30, .ratio_free = 8u << 20, .ratio_max = 1000, .zstd_window_log = 23
    };
}

struct unpack *unpack_new(enum unpack_codec codec, const struct unpack_limits *limits)
{
    struct unpack *u = malloc(sizeof(*u));

    if (u == NULL)
        return NULL;
    memset(u, 0, offsetof(struct unpack, window)); /* one is made for each small batch: the window need not be cleared */
    u->codec = codec;
    u->limits = *limits;
    if (codec == UNPACK_GZIP)
        u->z_ready = inflateInit2(&u->z, 16 + MAX_WBITS) == Z_OK;
    if (codec == UNPACK_ZSTD)
        u->zs = ZSTD_createDStream();
    if ((codec == UNPACK_GZIP && !u->z_ready) || (codec == UNPACK_ZSTD && u->zs == NULL))
        return unpack_free(u);
    if (u->zs != NULL)
        (void) ZSTD_DCtx_setParameter(u->zs, ZSTD_d_windowLogMax, (int) limits->zstd_window_log);
    return u;
}

struct unpack *unpack_free(struct unpack *u)
{
    if (u == NULL)
        return NULL;
    if (u->z_ready)
        (void) inflateEnd(&u->z);
    (void) ZSTD_freeDStream(u->zs);
    free(u);
    return NULL;
}

void unpack_freep(struct unpack **u)
{
    *u = unpack_free(*u);
}

uint64_t unpack_in(const struct unpack *u)
{
    return u->in;
}

uint64_t unpack_out(const struct unpack *u)
{
    return u->out;
}

enum unpack_hit unpack_hit(const struct unpack *u)
{
    return u->hit;
}

static enum err over_limit(struct unpack *u, enum unpack_hit hit, struct err_info *reterr)
{
    u->hit = hit;
    switch (hit) {
    case UNPACK_HIT_OUTPUT:
        return ERR_RAISE(reterr, ERR_LIMIT, "more than %llu bytes when unpacked",
                         (unsigned long long) u->limits.out_max);
    case UNPACK_HIT_RATIO:
        return ERR_RAISE(reterr, ERR_LIMIT, "unpacks to more than %u times its size", u->limits.ratio_max);
    case UNPACK_HIT_WINDOW:
        return ERR_RAISE(reterr, ERR_LIMIT, "zstd window larger than %llu bytes", 1ull << u->limits.zstd_window_log);
    case UNPACK_HIT_NONE: break;
    }
    return ERR_OK;
}

static enum err count(struct unpack *u, size_t taken, size_t made, struct err_info *reterr)
{
    u->in += taken;
    u->out += made;
    if (u->out > u->limits.out_max)
        return over_limit(u, UNPACK_HIT_OUTPUT, reterr);
    if (u->limits.ratio_max != 0 && u->out > u->limits.ratio_free && u->out / u->limits.ratio_max > u->in)
        return over_limit(u, UNPACK_HIT_RATIO, reterr);
    return ERR_OK;
}

static enum err step_identity(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                              struct err_info *reterr)
{
    size_t n = in->n < cap ? in->n : cap;

    if (n > 0)
        memcpy(out, in->p, n);
    *in = span_sub(*in, n, in->n);
    *ret_n = n;
    return count(u, n, n, reterr);
}

/* One call of inflate. A stream that has ended begins anew for gzip and is an error with more bytes for deflate. */
static enum err step_zlib(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                          struct err_info *reterr)
{
    size_t avail = in->n < (1u << 30) ? in->n : (1u << 30);
    size_t taken, made;
    int rc;

    if (u->ended && !u->mid && in->n > 0) {
        if (u->codec != UNPACK_GZIP || in->p[0] != 0x1f)
            return ERR_RAISE(reterr, ERR_CORRUPT, "bytes after the end of the compressed data");
        (void) inflateReset(&u->z);
    }
    if (in->n == 0 && !u->mid) {
        *ret_n = 0;
        return ERR_OK;
    }
    u->mid = true;
    u->z.next_in = (Bytef *) (uintptr_t) in->p;
    u->z.avail_in = (uInt) avail;
    u->z.next_out = out;
    u->z.avail_out = (uInt) (cap < (1u << 30) ? cap : (1u << 30));
    rc = inflate(&u->z, Z_NO_FLUSH);
    taken = avail - u->z.avail_in;
    made = (size_t) (u->z.next_out - out);
    *in = span_sub(*in, taken, in->n);
    *ret_n = made;
    if (rc == Z_MEM_ERROR)
        return ERR_RAISE(reterr, ERR_NOMEM, "inflate");
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return ERR_RAISE(reterr, ERR_CORRUPT, "damaged %s data", u->codec == UNPACK_GZIP ? "gzip" : "deflate");
    if (rc == Z_STREAM_END) {
        u->mid = false;
        u->ended = true;
    }
    return count(u, taken, made, reterr);
}

/* "deflate" is zlib by the standard and raw in practice: the first two bytes decide (PEERS 5.8 and RFC 1950 2.2). */
static enum err step_deflate(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                             struct err_info *reterr)
{
    *ret_n = 0;
    while (!u->z_ready && u->n_head < 2 && in->n > 0) {
        u->head[u->n_head++] = in->p[0];
        *in = span_sub(*in, 1, in->n);
    }
    if (!u->z_ready) {
        bool zlib;

        if (u->n_head < 2)
            return ERR_OK;
        zlib = (u->head[0] & 0x0f) == 8 && (u->head[0] >> 4) <= 7 && (u->head[0] * 256 + u->head[1]) % 31 == 0;
        if (inflateInit2(&u->z, zlib ? MAX_WBITS : -MAX_WBITS) != Z_OK)
            return ERR_RAISE(reterr, ERR_NOMEM, "inflate");
        u->z_ready = true;
    }
    if (u->n_head > 0) {
        struct span head = span_of(u->head, u->n_head);

        TRY(step_zlib(u, &head, out, cap, ret_n, reterr));
        if (head.n > 0 &&
            !u->mid) /* a whole raw stream in its first byte does not exist, but a reader never trusts that */
            return ERR_RAISE(reterr, ERR_CORRUPT, "bytes after the end of the compressed data");
        memmove(u->head, head.p, head.n);
        u->n_head = head.n;
        return ERR_OK;
    }
    return step_zlib(u, in, out, cap, ret_n, reterr);
}

static bool zstd_magic(const uint8_t *p)
{
    return memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0 || ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0);
}

static enum err zstd_piece(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                           struct err_info *reterr)
{
    ZSTD_inBuffer zin = { in->p, in->n, 0 };
    ZSTD_outBuffer zout = { out, cap, 0 };
    size_t rc = ZSTD_decompressStream(u->zs, &zout, &zin);

    if (ZSTD_isError(rc)) {
        ZSTD_ErrorCode code = ZSTD_getErrorCode(rc);

        if (code == ZSTD_error_frameParameter_windowTooLarge)
            return over_limit(u, UNPACK_HIT_WINDOW, reterr);
        if (code == ZSTD_error_memory_allocation)
            return ERR_RAISE(reterr, ERR_NOMEM, "zstd window");
        return ERR_RAISE(reterr, ERR_CORRUPT, "damaged zstd data");
    }
    u->mid = rc != 0;
    u->ended = u->ended || rc == 0;
    *in = span_sub(*in, zin.pos, in->n);
    *ret_n = zout.pos;
    return count(u, zin.pos, zout.pos, reterr);
}

/* A frame's magic is looked at here first: libzstd would also take the formats from before RFC 8878. */
static enum err step_zstd(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                          struct err_info *reterr)
{
    struct span head;

    *ret_n = 0;
    if (u->mid)
        return zstd_piece(u, in, out, cap, ret_n, reterr);
    while (u->n_head < sizeof(u->head) && in->n > 0) {
        u->head[u->n_head++] = in->p[0];
        *in = span_sub(*in, 1, in->n);
    }
    if (u->n_head < sizeof(u->head))
        return ERR_OK;
    if (!zstd_magic(u->head))
        return ERR_RAISE(reterr, ERR_CORRUPT,
                         u->ended ? "bytes after the end of the compressed data" : "damaged zstd data");
    head = SPAN_OF(u->head);
    u->n_head = 0;
    TRY(zstd_piece(u, &head, out, cap, ret_n, reterr));
    return head.n == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_CORRUPT, "damaged zstd data");
}

enum err unpack_step(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                     struct err_info *reterr)
{
    enum err code = ERR_INVAL;
    size_t n = 0;

    if (u->failed || cap == 0)
        return ERR_RAISE(reterr, ERR_STATE, "the unpacker has failed before");
    switch (u->codec) {
    case UNPACK_IDENTITY: code = step_identity(u, in, out, cap, &n, reterr); break;
    case UNPACK_GZIP: code = step_zlib(u, in, out, cap, &n, reterr); break;
    case UNPACK_DEFLATE: code = step_deflate(u, in, out, cap, &n, reterr); break;
    case UNPACK_ZSTD: code = step_zstd(u, in, out, cap, &n, reterr); break;
    }
    u->failed = code != ERR_OK;
    if (code == ERR_OK)
        *ret_n = n;
    return code;
}

enum err unpack_feed(struct unpack *u, struct span in, unpack_sink *sink, void *ctx, struct err_info *reterr)
{
    size_t n;

    do {
        TRY(unpack_step(u, &in, u->window, FEED_WINDOW, &n, reterr));
        if (n > 0)
            TRY(sink(ctx, span_of(u->window, n), reterr));
    } while (in.n > 0 || n == FEED_WINDOW);
    return ERR_OK;
}

enum err unpack_finish(struct unpack *u, struct err_info *reterr)
{
    if (u->codec == UNPACK_IDENTITY)
        return ERR_OK;
    if (u->mid || u->n_head > 0 || !u->ended)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the compressed data ends too early, after %llu bytes",
                         (unsigned long long) (u->in + u->n_head));
    return ERR_OK;
}

enum err unpack_sniff(struct span first, enum unpack_codec *ret, struct err_info *reterr)
{
    static const struct {
        struct span magic;
        const char *name;
    } others[] = {
        { { (const uint8_t *) "BZh", 3 }, "bzip2" },
        { { (const uint8_t *) "PK\003\004", 4 }, "zip" },
        { { (const uint8_t *) "PK\005\006", 4 }, "zip" },
        { { (const uint8_t *) "\xfd"
                              "7zXZ\0",
            6 },
          "xz" },
        { { (const uint8_t *) "7z\xbc\xaf\x27\x1c", 6 }, "7z" },
        { { (const uint8_t *) "\x04\x22\x4d\x18", 4 }, "lz4" },
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (span_eq(span_sub(first, 0, others[i].magic.n), others[i].magic))
            return ERR_RAISE(reterr, ERR_UNSUPPORTED, "%s is not taken; unpack it first, or use gzip or zstd",
                             others[i].name);
    *ret = UNPACK_IDENTITY;
    if (first.n >= 2 && first.p[0] == 0x1f && first.p[1] == 0x8b)
        *ret = UNPACK_GZIP;
    else if (first.n >= 4 && zstd_magic(first.p))
        *ret = UNPACK_ZSTD;
    else if (first.n >= 2 && first.p[0] == 0x78 && (0x7800 + first.p[1]) % 31 == 0)
        *ret = UNPACK_DEFLATE;
    return ERR_OK;
}

bool unpack_by_name(struct span name, enum unpack_codec *ret)
{
    static const struct {
        const char *name;
        enum unpack_codec codec;
    } names[] = { { "", UNPACK_IDENTITY },   { "identity", UNPACK_IDENTITY }, { "gzip", UNPACK_GZIP },
                  { "x-gzip", UNPACK_GZIP }, { "deflate", UNPACK_DEFLATE },   { "zstd", UNPACK_ZSTD } };

    name = span_trim(name);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_eq_nocase(name, names[i].name)) {
            *ret = names[i].codec;
            return true;
        }
    return false;
}
