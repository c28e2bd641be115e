#pragma once
/*
 * TLS, server side, over a non-blocking socket: the only user of libssl.
 *
 * TLS 1.2 and 1.3; ECDHE with AES-GCM or ChaCha20; no renegotiation, no compression, no tickets or session cache (each
 * connection has its own secrets), no early data. ALPN: h2, then http/1.1; a client that offers only
 * others is refused, one without ALPN speaks HTTP/1.1.
 * Reload:   make a new tls_ctx, give it to the listener; connections keep theirs (reference counted).
 * Threads:  a tls_ctx may be shared by threads; a tls belongs to one.
 */
#include "base/err.h"
#include "base/span.h"

struct tls_ctx;
struct tls;

/*
 * PEM: a certificate chain, leaf first, and its private key (not encrypted).
 * ERR_INVAL: not readable, or they do not belong together; the text says which.
 */
NODISCARD enum err tls_ctx_new(struct span certificate_pem, struct span key_pem, struct tls_ctx **ret,
                               struct err_info *reterr);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c);
struct tls_ctx *tls_ctx_unref(struct tls_ctx *c);

/* fd: a connected non-blocking socket, stays the caller's. */
NODISCARD enum err tls_new(struct tls_ctx *c, int fd, struct tls **ret, struct err_info *reterr);
struct tls *tls_free(struct tls *t);

enum tls_result {
    TLS_OK,         /* *ret_n bytes (handshake: done) */
    TLS_WANT_READ,  /* again when the socket is readable */
    TLS_WANT_WRITE, /* again when it is writable */
    TLS_EOF,        /* the peer closed, properly or not */
    TLS_FAILED,     /* protocol error; the connection is of no more use */
};

enum tls_result tls_handshake(struct tls *t);
bool tls_is_http2(const struct tls *t); /* after the handshake: ALPN chose h2 */
enum tls_result tls_read(struct tls *t, void *p, size_t n, size_t *ret_n);

/*
 * At most one record (16 KiB) a call. After WANT_WRITE the record is already encrypted: the next call must begin with the same
 * bytes and at least as many.
 */
enum tls_result tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n);

/* The next tls_write is followed at once by another: the kernel need not send what is not a whole packet yet. */
void tls_more(struct tls *t, bool more);

/* Sends close_notify, if that is possible now. */
void tls_close(struct tls *t);

/* Bytes that were received and not read yet: the socket will not become readable for them. */
bool tls_pending(const struct tls *t);

#define TLS_RECORD_MAX 16384
