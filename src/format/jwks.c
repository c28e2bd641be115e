#include "format/jwks.h"

#include "codec/base64.h"
#include "format/key.h"

void jwks_write(const uint8_t (*pubs)[ES256_PUB_LEN], size_t n, struct buf *out)
{
    buf_add_str(out, "{\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        char kid[KEY_KID_LEN + 1];

        key_kid(pubs[i], kid);
        buf_add_str(out, i > 0 ? ",{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" : "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
        base64url_add(out, span_of(pubs[i], 32));
        buf_add_str(out, "\",\"y\":\"");
        base64url_add(out, span_of(pubs[i] + 32, 32));
        buf_addf(out, "\",\"kid\":\"%s\",\"alg\":\"ES256\",\"use\":\"sig\"}", kid);
    }
    buf_add_str(out, "]}");
}
