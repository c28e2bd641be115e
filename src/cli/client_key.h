#pragma once
/*
 * The client key: a P-256 pair of this profile for one server, in client-key-….jwk (0600) beside the saved sign-in. Keys to
 * recordings are bound to it (RFC 9449), and decisions are signed with it, so neither works from anywhere else.
 *
 * Life:    made at `keyhole login`, kept over logouts: a server notices when an account comes with a new one.
 * Trust:   a file that others can read, that belongs to somebody else or that is no regular file is refused, never mended: who
 *          might have had the key before is not for a program to decide. One server's key is never used for another's address,
 *          so a server that relays what it gets has nothing to relay.
 * Private: the scalar lies in a locked slot and in OpenSSL's locked heap, and in no message.
 */
#include "base/buf.h"
#include "format/act.h"

#define CLIENT_KEY_JKT_LEN 43

struct client_key;

/* url: of the server, as http_url gives it. ERR_NOTFOUND: none was made; ERR_DENIED, ERR_CORRUPT: the text says what to do. */
NODISCARD enum err client_key_load(const char *url, struct client_key **ret, struct err_info *reterr);
/* As above, and makes one where there is none. */
NODISCARD enum err client_key_make(const char *url, struct client_key **ret, struct err_info *reterr);
struct client_key *client_key_free(struct client_key *k);

/* RFC 7638 thumbprint, base64url. Borrowed. */
const char *client_key_jkt(const struct client_key *k);

/*
 * Appends a DPoP proof for one call. url: of the call, whatever stands behind a '?' is left out. key: the provisioning key that
 * the call carries, or NULL; nonce: the server's last, or "".
 */
NODISCARD enum err client_key_proof(const struct client_key *k, const char *method, const char *url, const char *key,
                                    const char *nonce, struct buf *out, struct err_info *reterr);

/*
 * The value of Keyhole-Act for a call (format/act.h): operation is the route's name, id its first path parameter as it stands
 * in the path or empty, digest what is decided on.
 */
NODISCARD enum err client_key_act(const struct client_key *k, const char *operation, struct span id, struct span digest,
                                  const char *url, char header[ACT_HEADER_CAP], struct err_info *reterr);
