#pragma once
/*
 * The page of `keyhole demo` that records itself: a small shop under an address of its own (`http://shop.localhost:8080/`), which the gate serves
 * and anybody may open. Its public token is made from the demo's password, so that it is nowhere but in the database (as a
 * hash) and where it is computed. Who knows the token does not know the password.
 */
#include "keeper/session.h"

#define DEMO_PAGE_HOST "shop"

/* "http://localhost:8080" and "shop" give "http://shop.localhost:8080" (without a slash at its end). */
void demo_address(const char *public_url, const char *name, char *out, size_t cap);
/* `kib_` and 43 letters and digits; sha: its SHA-256, as tokens are stored. */
void demo_page_token(const char *password, char text[SESSION_TOKEN_CAP], uint8_t sha[32]);
/* At init: the token, and the page's origin among the project's. */
NODISCARD enum err demo_page_make(struct job *c, struct span project, const char *public_url, const char *password, struct span admin,
                                  struct err_info *reterr);
