#pragma once
/*
 * Include before any other OpenSSL header: its <types.h> has a typedef named ERR_STATE, which is also one of our error
 * codes. Renamed while it is read; nothing here uses the type.
 */
#define ERR_STATE openssl_err_state
#include <openssl/err.h>
#include <openssl/types.h>
#undef ERR_STATE
