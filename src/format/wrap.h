#pragma once
/*
 * Wraps: secrets sealed to the vault's epoch key (STANDARDS 4.2). Anybody can close one, only the vault opens it, and a
 * wrap that names another place than the one asked for is refused.
 *
 *   wrap = crypto_box_seal(P, pk_epoch)     P = u8 kind || lp(id) || lp(project) || u32le epoch || key[32]
 *
 * With ids of 18 bytes P has 75 bytes and the wrap 123. Threads: no state.
 */
#include "base/buf.h"
#include "crypto/box.h"

enum wrap_kind {
    WRAP_RK = 1,      /* recording key; id = r_… */
    WRAP_OPENING = 2, /* a person's opening key; id = the person's */
    WRAP_REVEAL = 5,  /* reveal key, of track 1; id = r_…; released only under `unmask` */
};

#define WRAP_ID_MAX 64 /* bytes of id and of project */
#define WRAP_RK_LEN 123
#define WRAP_MAX    (BOX_OVERHEAD + 1 + 1 + WRAP_ID_MAX + 1 + WRAP_ID_MAX + 4 + 32)

struct wrap_name {
    enum wrap_kind kind;
    struct span id;
    struct span project;
    uint32_t epoch;
};

/* Appends the wrap of a 32-byte secret to *out. ERR_INVAL: a name that breaks the rules. ERR_CRYPTO: a bad public key. */
NODISCARD enum err wrap_seal(const struct wrap_name *name, const struct secret *key,
                             const uint8_t epoch_pub[BOX_PUB_LEN], struct buf *out, struct err_info *reterr);

/*
 * *ret_key is a new slot that the caller owns.
 * ERR_CORRUPT: not sealed to this key, changed, or no P inside. ERR_DENIED: authentic, and kind, id, project or epoch
 * differ from 'want': somebody put a wrap in another place; the vault raises an alarm. ERR_NOMEM: no slot.
 */
NODISCARD enum err wrap_open(struct span wrap, const struct wrap_name *want, const struct secret *epoch_private,
                             const uint8_t epoch_pub[BOX_PUB_LEN], struct secret **ret_key, struct err_info *reterr);
