/*
 * The least that a request with a proof costs: an epoll program with one thread that, for each request, checks one ES256 signature (OpenSSL's own
 * EVP_DigestVerify, always the same message of a proof's length) and writes the same answer over TLS 1.3 from memory. No key, no grant, no lease,
 * no replayed proof is looked for. The reference of rows/proofs.py.
 *
 *   bench-bare-tls PORT CERTIFICATE PRIVATE-KEY BYTES
 */
#include "bench.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/openssl.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#define CONNS_MAX     1024
#define MESSAGE_BYTES 560 /* header and claims of a proof, as they are signed */

struct peer {
    SSL *ssl;
    uint32_t matched; /* of "\r\n\r\n" */
    size_t sent;      /* of the answer on its way; 0 and not 'answering': none */
    bool answering;
};

static struct {
    int epoll, listener;
    SSL_CTX *tls;
    EVP_PKEY *key;
    EVP_MD_CTX *verify;
    uint8_t message[MESSAGE_BYTES], signature[80];
    size_t signature_n;
    struct buf answer;
    struct peer peers[CONNS_MAX]; /* by descriptor */
} b;

static void make_signature(void)
{
    EVP_MD_CTX *sign = EVP_MD_CTX_new();

    memset(b.message, 'e', sizeof(b.message));
    b.key = EVP_EC_gen("P-256");
    b.verify = EVP_MD_CTX_new();
    b.signature_n = sizeof(b.signature);
    bench_need(b.key != NULL && b.verify != NULL && sign != NULL && EVP_DigestSignInit(sign, NULL, EVP_sha256(), NULL, b.key) == 1 &&
                   EVP_DigestSign(sign, b.signature, &b.signature_n, b.message, sizeof(b.message)) == 1, "a signature");
    EVP_MD_CTX_free(sign);
}

static void check_signature(void)
{
    bench_need(EVP_DigestVerifyInit(b.verify, NULL, EVP_sha256(), NULL, b.key) == 1 &&
                   EVP_DigestVerify(b.verify, b.signature, b.signature_n, b.message, sizeof(b.message)) == 1, "EVP_DigestVerify");
}

static void make_answer(size_t bytes)
{
    uint32_t x = 1;

    b.answer = BUF_INIT(bytes + 200);
    buf_addf(&b.answer, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n", bytes);
    for (size_t i = 0; i < bytes; i++) {
        x = x * 1664525 + 1013904223;
        buf_add(&b.answer, &(uint8_t){ (uint8_t) (x >> 24) }, 1);
    }
    bench_need(!b.answer.failed, "memory");
}

static void drop(int fd)
{
    SSL_free(b.peers[fd].ssl);
    b.peers[fd] = (struct peer){ .ssl = NULL };
    (void) close(fd);
}

static void watch(int fd, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.fd = fd };

    bench_need(epoll_ctl(b.epoll, EPOLL_CTL_MOD, fd, &e) == 0, "epoll_ctl");
}

static void go_on_answering(int fd)
{
    struct peer *p = &b.peers[fd];

    while (p->sent < b.answer.n) {
        int n = SSL_write(p->ssl, b.answer.p + p->sent, (int) (b.answer.n - p->sent));

        if (n <= 0) {
            if (SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_WRITE)
                watch(fd, EPOLLOUT);
            else
                drop(fd);
            return;
        }
        p->sent += (size_t) n;
    }
    p->answering = false;
    watch(fd, EPOLLIN);
}

static void hear(int fd)
{
    static const char end[] = "\r\n\r\n";
    struct peer *p = &b.peers[fd];
    char room[8192];
    int got = SSL_read(p->ssl, room, sizeof(room));

    if (got <= 0) {
        if (SSL_get_error(p->ssl, got) != SSL_ERROR_WANT_READ)
            drop(fd);
        return;
    }
    for (int i = 0; i < got; i++) {
        p->matched = room[i] == end[p->matched] ? p->matched + 1 : room[i] == '\r' ? 1 : 0;
        if (p->matched < 4)
            continue;
        p->matched = 0;
        bench_need(i + 1 == got, "one request at a time");
        check_signature();
        p->answering = true;
        p->sent = 0;
        go_on_answering(fd);
        return;
    }
}

static void welcome(void)
{
    int fd;

    while ((fd = accept4(b.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
        SSL *ssl = SSL_new(b.tls);

        bench_need(fd < CONNS_MAX && ssl != NULL && SSL_set_fd(ssl, fd) == 1 &&
                       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0 &&
                       epoll_ctl(b.epoll, EPOLL_CTL_ADD, fd, &e) == 0, "a connection");
        SSL_set_accept_state(ssl);
        b.peers[fd] = (struct peer){ .ssl = ssl };
    }
}

static void listen_on(uint16_t port, const char *certificate, const char *key)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
    struct epoll_event e = { .events = EPOLLIN };

    b.tls = SSL_CTX_new(TLS_server_method());
    bench_need(b.tls != NULL && SSL_CTX_set_min_proto_version(b.tls, TLS1_3_VERSION) == 1 &&
                   SSL_CTX_use_certificate_chain_file(b.tls, certificate) == 1 && SSL_CTX_use_PrivateKey_file(b.tls, key, SSL_FILETYPE_PEM) == 1, certificate);
    SSL_CTX_set_mode(b.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.listener = e.data.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bench_need(setsockopt(b.listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
                   bind(b.listener, (struct sockaddr *) &at, sizeof(at)) == 0 && listen(b.listener, 1024) == 0 &&
                   epoll_ctl(b.epoll, EPOLL_CTL_ADD, b.listener, &e) == 0, "listen");
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];

    bench_need(argc == 5, "bench-bare-tls PORT CERTIFICATE PRIVATE-KEY BYTES");
    make_signature();
    make_answer((size_t) atoll(argv[4]));
    listen_on((uint16_t) atoi(argv[1]), argv[2], argv[3]);
    printf("ready\n");
    (void) fflush(stdout);
    for (;;) {
        int n = epoll_wait(b.epoll, events, 256, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == b.listener)
                welcome();
            else if (b.peers[fd].answering)
                go_on_answering(fd);
            else
                hear(fd);
        }
    }
}
