#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/dpop.h"

#define STAMP_LEN 6 /* ts4, node2 */
#define MAC_LEN   10
#define RAW_LEN   (STAMP_LEN + MAC_LEN)

/* A client key has one spelling of its thumbprint, so its 43 characters stand for the 32 bytes. */
static void fill(const struct secret *k_n, uint16_t node, uint32_t ts, const char *jkt, uint8_t raw[RAW_LEN])
{
    uint8_t msg[STAMP_LEN + KEY_JKT_LEN], mac[SHA256_LEN];
    size_t n = strnlen(jkt, KEY_JKT_LEN);

    for (unsigned i = 0; i < 4; i++)
        msg[i] = (uint8_t) (ts >> 8 * i);
    msg[4] = (uint8_t) node;
    msg[5] = (uint8_t) (node >> 8);
    memcpy(msg + STAMP_LEN, jkt, n);
    hmac_sha256(secret_span(k_n), span_of(msg, STAMP_LEN + n), mac);
    memcpy(raw, msg, STAMP_LEN);
    memcpy(raw + STAMP_LEN, mac, MAC_LEN);
}

void dpop_nonce_make(const struct secret *k_n, uint16_t node, uint32_t now_s, const char *jkt,
                     char out[DPOP_NONCE_LEN + 1])
{
    uint8_t raw[RAW_LEN];

    fill(k_n, node, now_s, jkt, raw);
    (void) base64url_str(raw, sizeof(raw), out, DPOP_NONCE_LEN + 1); /* always fits */
}

bool dpop_nonce_check(const struct secret *k_n, uint16_t node, uint32_t now_s, const char *jkt, struct span nonce,
                      uint32_t *ret_age_s)
{
    uint8_t raw[RAW_LEN], want[RAW_LEN];
    uint32_t ts = 0;

    if (!base64url_parse_exact(nonce, raw, sizeof(raw)))
        return false;
    for (unsigned i = 0; i < 4; i++)
        ts |= (uint32_t) raw[i] << 8 * i;
    fill(k_n, node, ts, jkt, want); /* another node's differs in the stamp */
    if (!secret_equal(raw, want, sizeof(want)) || ts > now_s || now_s - ts > DPOP_NONCE_S)
        return false;
    *ret_age_s = now_s - ts;
    return true;
}
