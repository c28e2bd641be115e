#pragma once
/* Rules that hold for claims whoever wrote them (STANDARDS 1.3): used when a key is made and when one is read. */
#include "format/key.h"

/* NULL when every rule holds, else a fixed text that names the first claim that breaks one. */
const char *key_claims_fault(const struct key_claims *c);

enum key_claim_form { KEY_CLAIM_TEXT, KEY_CLAIM_TIME, KEY_CLAIM_GEN, KEY_CLAIM_SCOPE, KEY_CLAIM_CNF };

struct key_claim {
    const char *name;
    size_t name_len;
    enum key_claim_form form;
    size_t offset; /* in struct key_claims; TEXT and TIME only */
    size_t cap;    /* of a TEXT, with its NUL */
};

/* In the order in which they are written. Every one but cnf is required. */
#define KEY_CLAIMS 17
extern const struct key_claim key_claims[KEY_CLAIMS];
