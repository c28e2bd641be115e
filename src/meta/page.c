#include "meta/page.h"

#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

/* u64le key || u64le seq || HMAC-SHA-256(key, position || list)[:16] */
#define POS_LEN 16
#define MAC_LEN 16

static void mac(const uint8_t key[32], struct span pos, struct span list, uint8_t out[MAC_LEN])
{
    uint8_t h[32], sum[32];
    struct span parts[2] = { pos, list };

    sha256_parts(parts, 2, sum); /* the position has a fixed length, so the two cannot run into each other */
    hmac_sha256(span_of(key, 32), SPAN_OF(sum), h);
    memcpy(out, h, MAC_LEN);
}

void meta_cursor_write(const uint8_t key[32], struct span list, struct meta_pos pos, struct buf *b)
{
    struct buf raw = BUF_INIT(POS_LEN + MAC_LEN);
    uint8_t tag[MAC_LEN];

    buf_u64le(&raw, (uint64_t) pos.key);
    buf_u64le(&raw, (uint64_t) pos.seq);
    mac(key, buf_span(&raw), list, tag);
    buf_add(&raw, tag, sizeof(tag));
    if (raw.failed)
        b->failed = true;
    else
        base64url_add(b, buf_span(&raw));
    buf_deinit(&raw);
}

bool meta_cursor_read(const uint8_t key[32], struct span list, struct span cursor, struct meta_pos *ret)
{
    uint8_t raw[POS_LEN + MAC_LEN], tag[MAC_LEN];
    struct rd r;
    size_t n;

    if (!base64url_parse(cursor, raw, sizeof(raw), &n) || n != sizeof(raw))
        return false;
    mac(key, span_of(raw, POS_LEN), list, tag);
    if (!secret_equal(tag, raw + POS_LEN, MAC_LEN))
        return false;
    r = rd_of(span_of(raw, POS_LEN));
    ret->key = (int64_t) rd_u64le(&r);
    ret->seq = (int64_t) rd_u64le(&r);
    return true;
}
