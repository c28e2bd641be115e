#include "net/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "crypto/openssl.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

struct tls {
    SSL *ssl;
    int fd;
    bool more; /* tls_more */
    bool dry;  /* what is buffered is part of a record: only the socket has the rest */
};

/* ---- a BIO over the socket that never raises SIGPIPE ---- */

static int sock_write(BIO *b, const char *p, int n)
{
    const struct tls *t = BIO_get_data(b);
    ssize_t r = send(t->fd, p, (size_t) n, MSG_NOSIGNAL | (t->more ? MSG_MORE : 0));

    BIO_clear_retry_flags(b);
    if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(b);
    return (int) r;
}

static int sock_read(BIO *b, char *p, int n)
{
    const struct tls *t = BIO_get_data(b);
    ssize_t r = recv(t->fd, p, (size_t) n, 0);

    BIO_clear_retry_flags(b);
    if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(b);
    return (int) r;
}

static long sock_ctrl(BIO *b, int cmd, long num, void *p)
{
    (void) b;
    (void) num;
    (void) p;
    return cmd == BIO_CTRL_FLUSH;
}

/* Made once by whichever thread comes first. */
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *sock_method;

static void make_method(void)
{
    sock_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals");
    if (sock_method == NULL)
        return;
    (void) BIO_meth_set_write(sock_method, sock_write);
    (void) BIO_meth_set_read(sock_method, sock_read);
    (void) BIO_meth_set_ctrl(sock_method, sock_ctrl);
}

/* ---- contexts ---- */

/* RFC 7301: the server picks; no common protocol is a fatal alert. A client without ALPN speaks HTTP/1.1. */
static int pick_alpn(SSL *s, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
                     void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";

    (void) s;
    (void) arg;
    if (SSL_select_next_proto((unsigned char **) (uintptr_t) out, outlen, ours, sizeof(ours) - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

/* An encrypted key must not make OpenSSL ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void) buf;
    (void) size;
    (void) rwflag;
    (void) arg;
    return -1;
}

static enum err load_chain(SSL_CTX *c, struct span pem, struct err_info *reterr)
{
    BIO *b = pem.n > INT32_MAX ? NULL : BIO_new_mem_buf(pem.p, (int) pem.n);
    X509 *x = b == NULL ? NULL : PEM_read_bio_X509(b, NULL, no_password, NULL);
    bool ok = x != NULL && SSL_CTX_use_certificate(c, x) == 1;

    X509_free(x);
    if (!ok) {
        (void) BIO_free(b);
        return ERR_RAISE(reterr, ERR_INVAL, "the TLS certificate is not PEM that can be read");
    }
    while (ok && (x = PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL) {
        ok = SSL_CTX_add0_chain_cert(c, x) == 1;
        if (!ok)
            X509_free(x);
    }
    (void) BIO_free(b);
    return ok ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "TLS certificate chain");
}

static enum err load_key(SSL_CTX *c, struct span pem, struct err_info *reterr)
{
    BIO *b = pem.n > INT32_MAX ? NULL : BIO_new_mem_buf(pem.p, (int) pem.n);
    EVP_PKEY *k = b == NULL ? NULL : PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    int used = k == NULL ? 0 : SSL_CTX_use_PrivateKey(c, k);

    (void) BIO_free(b);
    if (k == NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "the TLS private key is not unencrypted PEM that can be read");
    EVP_PKEY_free(k);
    if (used != 1 || SSL_CTX_check_private_key(c) != 1)
        return ERR_RAISE(reterr, ERR_INVAL, "the TLS private key does not belong to the certificate");
    return ERR_OK;
}

static bool configure(SSL_CTX *c)
{
    (void) SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                      SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                      SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void) SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void) SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(c, 1); /* one recv for a record's head and body */
    SSL_CTX_set_alpn_select_cb(c, pick_alpn, NULL);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(c, 0) == 1 &&
           SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") == 1;
}

enum err tls_ctx_new(struct span certificate_pem, struct span key_pem, struct tls_ctx **ret, struct err_info *reterr)
{
    SSL_CTX *c;
    enum err e = ERR_OK;

    if (CRYPTO_THREAD_run_once(&once, make_method) != 1 || sock_method == NULL)
        return ERR_RAISE(reterr, ERR_CRYPTO, "TLS cannot be set up");
    ERR_clear_error();
    c = SSL_CTX_new(TLS_server_method());
    if (c == NULL || !configure(c))
        e = ERR_RAISE(reterr, ERR_CRYPTO, "TLS cannot be set up");
    if (e == ERR_OK)
        e = load_chain(c, certificate_pem, reterr);
    if (e == ERR_OK)
        e = load_key(c, key_pem, reterr);
    ERR_clear_error();
    if (e != ERR_OK) {
        SSL_CTX_free(c);
        return e;
    }
    *ret = (struct tls_ctx *) (void *) c;
    return ERR_OK;
}

/* A tls_ctx is the SSL_CTX itself, with its own reference count, under our name. */
static SSL_CTX *of(struct tls_ctx *c)
{
    return (SSL_CTX *) (void *) c;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *c)
{
    if (c != NULL)
        (void) SSL_CTX_up_ref(of(c));
    return c;
}

struct tls_ctx *tls_ctx_unref(struct tls_ctx *c)
{
    SSL_CTX_free(of(c));
    return NULL;
}

/* ---- connections ---- */

enum err tls_new(struct tls_ctx *c, int fd, struct tls **ret, struct err_info *reterr)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO *b = BIO_new(sock_method);

    if (t != NULL)
        t->ssl = SSL_new(of(c));
    if (t == NULL || b == NULL || t->ssl == NULL) {
        (void) BIO_free(b);
        (void) tls_free(t);
        return ERR_RAISE(reterr, ERR_NOMEM, "TLS connection");
    }
    t->fd = fd;
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_accept_state(t->ssl);
    *ret = t;
    return ERR_OK;
}

struct tls *tls_free(struct tls *t)
{
    if (t != NULL) {
        SSL_free(t->ssl);
        free(t);
    }
    return NULL;
}

static enum tls_result result_of(struct tls *t, int r)
{
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_NONE: return TLS_OK;
    case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return TLS_EOF;
    case SSL_ERROR_SYSCALL: return TLS_EOF; /* reset, or closed without a word */
    default: return TLS_FAILED;
    }
}

/* SSL_get_error looks at the queue, so it has to be empty before each call; emptying it costs more than looking. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

enum tls_result tls_handshake(struct tls *t)
{
    forget_errors();
    return result_of(t, SSL_do_handshake(t->ssl));
}

enum tls_result tls_read(struct tls *t, void *p, size_t n, size_t *ret_n)
{
    int r;

    *ret_n = 0;
    forget_errors();
    r = SSL_read(t->ssl, p, n > TLS_RECORD_MAX ? TLS_RECORD_MAX : (int) n);
    t->dry = r <= 0;
    if (r > 0) {
        *ret_n = (size_t) r;
        return TLS_OK;
    }
    return result_of(t, r);
}

enum tls_result tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n)
{
    int r;

    *ret_n = 0;
    forget_errors();
    r = SSL_write(t->ssl, p, n > TLS_RECORD_MAX ? TLS_RECORD_MAX : (int) n);
    if (r > 0) {
        *ret_n = (size_t) r;
        return TLS_OK;
    }
    return result_of(t, r);
}

void tls_more(struct tls *t, bool more)
{
    t->more = more;
}

void tls_close(struct tls *t)
{
    t->more = false;
    ERR_clear_error();
    if (SSL_is_init_finished(t->ssl))
        (void) SSL_shutdown(t->ssl); /* best effort: the peer also sees the end of the connection */
    ERR_clear_error();
}

bool tls_is_http2(const struct tls *t)
{
    const unsigned char *p = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(t->ssl, &p, &n);
    return n == 2 && memcmp(p, "h2", 2) == 0;
}

bool tls_pending(const struct tls *t)
{
    return !t->dry && SSL_has_pending(t->ssl) == 1;
}
