#pragma once
/*
 * Ids of objects: one letter, '_', 96 random bits in base64url (STANDARDS notation); and the jti of a provisioning key
 * (128 random bits, 22 characters, no prefix).
 *
 * Nothing here draws random bytes: the caller gives them (os/random.h), so that ids are reproducible in tests.
 * Ids name, they never prove anything.
 */
#include "base/span.h"

#define ID_LEN         18
#define ID_CAP         (ID_LEN + 1)
#define ID_RANDOM_LEN  12
#define JTI_LEN        22
#define JTI_CAP        (JTI_LEN + 1)
#define JTI_RANDOM_LEN 16

/* A log is 'system' or a project's id, with '~N' from its second generation on (STANDARDS 3.3). */
#define LOG_ID_CAP    32
#define LOG_ID_SYSTEM "system"

enum id_kind {
    ID_RECORDING = 'r',
    ID_PROJECT = 'p',
    ID_REQUEST = 'q',
    ID_GRANT = 'g',
    ID_USER = 'u',
    ID_VIEWING = 'v',
    /* Not part of the protocol's six: objects that only people who administer a server meet. */
    ID_TOKEN = 't',   /* an ingest, API or gateway token, and a sign-in */
    ID_GROUP = 'n',   /* a named set of users */
    ID_PERSON = 'h',  /* a human: accounts of one human share it, a recorded subject has one */
    ID_ERASURE = 'e',
    ID_CHANGE = 'c',  /* a guarded change of people (STANDARDS 2.6) */
};

/* Writes the id and a NUL. */
void id_make(enum id_kind kind, const uint8_t rnd[ID_RANDOM_LEN], char out[ID_CAP]);
void jti_make(const uint8_t rnd[JTI_RANDOM_LEN], char out[JTI_CAP]);

/* Exact form: this prefix, ID_LEN bytes, base64url. */
bool id_check(struct span s, enum id_kind kind);

/* Any of the kinds above; *ret_kind may be NULL. */
bool id_kind_of(struct span s, enum id_kind *ret_kind);

/* 22 base64url characters whose unused last bits are zero, so that two spellings never name one key. */
bool jti_check(struct span s);

bool log_id_check(struct span s);

/* 'p_…~3' is generation 3, without '~' it is 1. *ret_base borrows from s. s has passed log_id_check. */
uint32_t log_id_generation(struct span s, struct span *ret_base);
