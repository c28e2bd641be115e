#pragma once
/* A self-signed certificate for a new server (RFC 5280): ECDSA P-256, subject alternative names, until a real one comes. */
#include "base/buf.h"
#include "base/times.h"

#define CERTIFICATE_NAMES_MAX 8

/*
 * Appends both PEM texts. 'names' are host names or IP addresses; 'days' from now. The key is not encrypted.
 * ERR_INVAL: a name that is neither. ERR_CRYPTO: OpenSSL refused. The caller wipes key_pem.
 */
NODISCARD enum err certificate_self_signed(const char *const *names, size_t n_names, int days, struct buf *cert_pem,
                                           struct buf *key_pem, struct err_info *reterr);
