#pragma once
/*
 * Ids: a prefix letter, '_', and 96 random bits in base64url (STANDARDS, notation): "^[rpqguv]_[A-Za-z0-9_-]{16}$".
 * An id carries no authority and is random, so it says nothing about what it names.
 */
#include "base/span.h"

#define ID_LEN    18
#define ID_RANDOM 12

enum id_kind {
    ID_RECORDING = 'r',
    ID_PROJECT = 'p',
    ID_REQUEST = 'q',
    ID_GRANT = 'g',
    ID_USER = 'u',
    ID_VIEWING = 'v',
};

struct id {
    char s[ID_LEN + 1];
};

/* True for exactly the form above with that prefix. */
bool id_valid(struct span s, enum id_kind kind);

/* The text of 12 random bytes that the caller drew. */
struct id id_make(enum id_kind kind, const uint8_t random[ID_RANDOM]);

/* The 96 bits of a valid id: what fixed-size tables keep. False: not an id of that kind. */
bool id_bits(struct span s, enum id_kind kind, uint8_t ret[ID_RANDOM]);
