#include "gate/peer.h"

#include <stdlib.h>

#include "format/key.h"
#include "os/clock.h"

struct peer {
    size_t n; /* 0: none yet */
    uint8_t text[KEY_LEN_MAX];
    uint8_t digest[32];
    int64_t second;
    unsigned proofs;
};

static void peer_free(void *slot)
{
    secret_wipe(slot, sizeof(struct peer));
    free(slot);
}

/* NULL: no memory. */
static struct peer *peer_of(struct call *c)
{
    void **slot = exchange_conn_slot(c->ex);

    if (*slot == NULL) {
        *slot = calloc(1, sizeof(struct peer));
        if (*slot != NULL)
            exchange_conn_slot_free(c->ex, peer_free);
    }
    return *slot;
}

bool peer_knows(const struct call *c, struct span token, uint8_t digest[32])
{
    const struct peer *p = *exchange_conn_slot(c->ex);

    if (p == NULL || p->n == 0 || p->n != token.n || !secret_equal(p->text, token.p, token.n))
        return false;
    memcpy(digest, p->digest, sizeof(p->digest));
    return true;
}

void peer_keep(struct call *c, struct span token, const uint8_t digest[32])
{
    struct peer *p = peer_of(c);

    if (p == NULL || token.n > sizeof(p->text))
        return; /* it is hashed again, then */
    p->n = token.n;
    memcpy(p->text, token.p, token.n);
    memcpy(p->digest, digest, sizeof(p->digest));
}

bool peer_proof(struct call *c)
{
    struct peer *p;
    int64_t second = clock_boot_ms() / 1000;

    if (exchange_client(c->ex)->peer_trusted)
        return true;
    p = peer_of(c);
    if (p == NULL)
        return false;
    if (p->second != second) {
        p->second = second;
        p->proofs = 0;
    }
    return ++p->proofs <= PEER_PROOFS_MAX;
}
