#pragma once
/*
 * C2SP signed notes and tlog checkpoints (STANDARDS 3.3; c2sp.org/signed-note, c2sp.org/tlog-checkpoint).
 *
 * note = text ending in \n, \n, then lines "— name base64(keyid4 || signature)\n". We write one signature, Ed25519
 * (type 0x01), name = origin, no extension lines. Unknown signature lines are ignored when reading; a known key whose
 * signature fails spoils the note.
 * Pure; the private key stays with the vault, which signs the text that note_checkpoint_text makes.
 */
#include "format/id.h"
#include "format/merkle.h"

#define NOTE_MAX          65536 /* bytes of a note that is read */
#define NOTE_SIGS_MAX     16
#define NOTE_NAME_MAX     255
#define NOTE_TYPE_ED25519 0x01
#define NOTE_ED25519_PK   32
#define NOTE_ED25519_SIG  64
#define NOTE_VKEY_CAP     (NOTE_NAME_MAX + 1 + 8 + 1 + 44 + 1)

/* Who signs: a name, the key's id over (name, type, key), and the key. */
struct note_vkey {
    char name[NOTE_NAME_MAX + 1];
    uint8_t id[4];
    uint8_t type; /* NOTE_TYPE_ED25519 */
    uint8_t pk[NOTE_ED25519_PK];
};

/* Fills name, id, type, pk. ERR_INVAL: an empty or too long name, or one with white space, controls or '+'. */
NODISCARD enum err note_vkey_init(struct note_vkey *k, struct span name, const uint8_t pk[NOTE_ED25519_PK],
                                  struct err_info *reterr);
/* name+hex8+base64(0x01 || pk) */
void note_vkey_text(const struct note_vkey *k, struct buf *b);
/* ERR_INVAL: form, or an id that is not the key's. ERR_UNSUPPORTED: another signature type. */
NODISCARD enum err note_vkey_parse(struct span text, struct note_vkey *ret, struct err_info *reterr);

/* A log's origin: "rec.example.com/v1/audit/p_…". 'host' is public_url without its scheme, no slash at the end. */
void note_origin(struct buf *b, struct span host, struct span log);

/* What a checkpoint says; origin borrows. */
struct note_checkpoint {
    struct span origin;
    uint64_t size;
    struct merkle_hash root;
};

/* The text that is signed: origin, size, root, each with \n. */
void note_checkpoint_text(const struct note_checkpoint *c, struct buf *b);
/*
 * Reads a text (without signatures). Extension lines are taken and ignored, as the standard says; *ret_extensions (may
 * be NULL) tells. ERR_INVAL.
 */
NODISCARD enum err note_checkpoint_parse(struct span text, struct note_checkpoint *ret, bool *ret_extensions,
                                         struct err_info *reterr);

/* Appends text, blank line and one signature line. */
void note_write(struct buf *b, struct span text, const struct note_vkey *k, const uint8_t sig[NOTE_ED25519_SIG]);

/* Splits and checks the form without any signature: *ret_text borrows. ERR_INVAL: malformed; ERR_LIMIT: too long. */
NODISCARD enum err note_split(struct span note, struct span *ret_text, struct span *ret_sigs, struct err_info *reterr);

enum note_verdict {
    NOTE_GOOD,
    NOTE_MALFORMED,
    NOTE_UNKNOWN_KEY, /* no line is by this key */
    NOTE_FORGED,      /* a line names this key and its signature is not over this text */
};

const char *note_verdict_word(enum note_verdict v);

/* Is there a good signature by k? *ret_text (the signed text, borrowed from note) is written with NOTE_GOOD only. */
enum note_verdict note_open(struct span note, const struct note_vkey *k, struct span *ret_text);
