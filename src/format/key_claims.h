#pragma once
/* Rules that hold for claims whoever wrote them (STANDARDS 1.3): used when a key is made and when one is read. */
#include "format/key.h"

/* NULL when every rule holds, else a fixed text that names the first claim that breaks one. */
const char *key_claims_fault(const struct key_claims *c);

struct key_text_claim {
    const char *name;
    size_t offset; /* in struct key_claims */
    size_t cap;    /* with the NUL */
};

/* The claims that are texts, but scope and cnf. */
#define KEY_TEXT_CLAIMS 9
extern const struct key_text_claim key_text_claims[KEY_TEXT_CLAIMS];

