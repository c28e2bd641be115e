#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "crypto/openssl.h"
#include "h2.h"

#include <openssl/ssl.h>

#define READ_SIZE 65536
#define READS_MAX 8 /* of one connection before the others have their turn */

void http_load_init(struct http_load *l, const char *address, const char *ca, bool http2)
{
    const char *colon = strrchr(address, ':');
    char name[INET_ADDRSTRLEN];

    memset(l, 0, sizeof(*l));
    l->http2 = http2;
    bench_need(colon != NULL && span_to_str(span_of(address, (size_t) (colon - address)), name, sizeof(name)), "ADDRESS:PORT");
    l->to.sin_family = AF_INET;
    l->to.sin_port = htons((uint16_t) atoi(colon + 1));
    bench_need(inet_pton(AF_INET, name, &l->to.sin_addr) == 1, "ADDRESS:PORT");
    (void) snprintf(l->host, sizeof(l->host), "localhost:%s", colon + 1);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    bench_need(l->epoll >= 0, "epoll_create1");
    if (ca == NULL)
        return;
    l->tls = SSL_CTX_new(TLS_client_method());
    bench_need(l->tls != NULL && SSL_CTX_load_verify_locations(l->tls, ca, NULL) == 1 &&
                   SSL_CTX_set_min_proto_version(l->tls, TLS1_3_VERSION) == 1, ca);
    bench_need(!http2 || SSL_CTX_set_alpn_protos(l->tls, (const unsigned char *) "\002h2", 3) == 0, "ALPN");
    SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(l->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

void http_load_deinit(struct http_load *l)
{
    SSL_CTX_free(l->tls);
    (void) close(l->epoll);
}

/* ---- the socket ---- */

static void watch(struct http_conn *c, uint32_t events)
{
    struct epoll_event e = { .events = events | EPOLLRDHUP, .data.ptr = c };

    if (events == c->watching)
        return;
    bench_need(epoll_ctl(c->load->epoll, c->watching == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &e) == 0, "epoll_ctl");
    c->watching = events;
}

void http_close(struct http_conn *c)
{
    if (c->state == HTTP_CLOSED)
        return;
    c->h2 = h2_free(c->h2);
    SSL_free(c->ssl);
    (void) close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
    c->watching = 0;
    c->state = HTTP_CLOSED;
}

static void lost(struct http_conn *c)
{
    http_close(c);
    if (c->on->closed != NULL)
        c->on->closed(c);
}

static void bind_source(struct http_load *l, int fd)
{
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + l->n_opened++ % l->n_sources) };

    bench_need(setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)) == 0 &&
                   bind(fd, (struct sockaddr *) &from, sizeof(from)) == 0, "bind");
}

void http_open(struct http_load *l, struct http_conn *c, const struct http_on *on, void *ctx)
{
    *c = (struct http_conn){ .load = l, .on = on, .ctx = ctx, .state = HTTP_CONNECTING };
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bench_need(c->fd >= 0, "socket (are there enough open files? ulimit -n)");
    bench_need(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0, "TCP_NODELAY");
    if (l->rcvbuf > 0)
        bench_need(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &l->rcvbuf, sizeof(int)) == 0, "SO_RCVBUF");
    if (l->n_sources > 0)
        bind_source(l, c->fd);
    bench_need(connect(c->fd, (struct sockaddr *) &l->to, sizeof(l->to)) == 0 || errno == EINPROGRESS, "connect");
    if (l->tls != NULL) {
        c->ssl = SSL_new(l->tls);
        bench_need(c->ssl != NULL && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_set_tlsext_host_name(c->ssl, "localhost") == 1 &&
                       SSL_set1_host(c->ssl, "localhost") == 1, "SSL_new");
        SSL_set_connect_state(c->ssl);
    }
    watch(c, EPOLLOUT);
}

/* > 0 bytes, 0 for now nothing, -1 over. */
static ssize_t receive(struct http_conn *c, void *to, size_t n)
{
    ssize_t got;

    if (c->ssl != NULL) {
        got = SSL_read(c->ssl, to, (int) n);
        if (got > 0)
            return got;
        return SSL_get_error(c->ssl, (int) got) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    got = recv(c->fd, to, n, 0);
    return got > 0 ? got : got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t transmit(struct http_conn *c)
{
    ssize_t put;

    if (c->ssl != NULL) {
        put = SSL_write(c->ssl, c->out.p, (int) c->out.n);
        if (put > 0)
            return put;
        return SSL_get_error(c->ssl, (int) put) == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    put = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
    return put >= 0 ? put : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void push_out(struct http_conn *c)
{
    for (;;) {
        ssize_t put;

        if (c->out.n == 0 && c->h2 != NULL)
            c->out = h2_out(c->h2);
        if (c->out.n == 0)
            break;
        put = transmit(c);

        if (put < 0) {
            lost(c);
            return;
        }
        if (put == 0)
            break;
        c->out = span_sub(c->out, (size_t) put, c->out.n);
    }
    watch(c, c->out.n > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void http_send(struct http_conn *c, struct span request)
{
    bench_need(c->state == HTTP_IDLE, "one request at a time");
    c->state = HTTP_HEAD;
    c->line_n = 0;
    if (c->h2 != NULL)
        h2_request(c->h2, request);
    else
        c->out = request;
    push_out(c);
}

/* ---- the answer ---- */

static void answer_done(struct http_conn *c)
{
    c->state = HTTP_IDLE;
    if (c->on->done != NULL)
        c->on->done(c);
}

/* Adds up to the end of the line or head to c->line. True: it is there. */
static bool take_line(struct http_conn *c, struct span *in, const char *end)
{
    size_t n = strlen(end);

    while (in->n > 0) {
        bench_need(c->line_n + 1 < sizeof(c->line), "an answer whose head fits");
        c->line[c->line_n++] = (char) in->p[0];
        *in = span_sub(*in, 1, in->n);
        if (c->line_n >= n && memcmp(c->line + c->line_n - n, end, n) == 0) {
            c->line[c->line_n] = '\0';
            c->line_n = 0;
            return true;
        }
    }
    return false;
}

static void take_head(struct http_conn *c, struct span *in)
{
    const char *length;
    int status;

    if (!take_line(c, in, "\r\n\r\n"))
        return;
    bench_need(strncmp(c->line, "HTTP/1.1 ", 9) == 0, "HTTP/1.1");
    status = atoi(c->line + 9);
    c->chunked = strcasestr(c->line, "\r\ntransfer-encoding: chunked") != NULL;
    length = strcasestr(c->line, "\r\ncontent-length: ");
    c->left = length != NULL ? strtoull(length + 18, NULL, 10) : 0;
    c->chunk_step = 0;
    bench_need(c->chunked || length != NULL || status == 204 || status == 304, "a length");
    c->state = HTTP_BODY;
    if (c->on->head != NULL)
        c->on->head(c, status);
    if (c->state == HTTP_BODY && !c->chunked && c->left == 0)
        answer_done(c);
}

static void take_bytes(struct http_conn *c, struct span *in)
{
    size_t n = in->n < c->left ? in->n : (size_t) c->left;
    struct span part = span_sub(*in, 0, n);

    *in = span_sub(*in, n, in->n);
    c->left -= n;
    if (n > 0 && c->on->body != NULL)
        c->on->body(c, part);
}

static void take_chunked(struct http_conn *c, struct span *in)
{
    switch (c->chunk_step) {
    case 0:
        if (take_line(c, in, "\r\n")) {
            c->left = strtoull(c->line, NULL, 16);
            c->chunk_step = c->left > 0 ? 1 : 3;
        }
        return;
    case 1:
        take_bytes(c, in);
        if (c->state == HTTP_BODY && c->left == 0)
            c->chunk_step = 2;
        return;
    case 2:
        if (take_line(c, in, "\r\n"))
            c->chunk_step = 0;
        return;
    default:
        if (take_line(c, in, "\r\n"))
            answer_done(c);
        return;
    }
}

static void take(struct http_conn *c, struct span in)
{
    while (in.n > 0 && c->state >= HTTP_IDLE) {
        bench_need(c->state != HTTP_IDLE, "nothing that was not asked for");
        if (c->state == HTTP_HEAD) {
            take_head(c, &in);
        } else if (c->chunked) {
            take_chunked(c, &in);
        } else {
            take_bytes(c, &in);
            if (c->state == HTTP_BODY && c->left == 0)
                answer_done(c);
        }
    }
}

static void pull_in(struct http_conn *c)
{
    static uint8_t room[READ_SIZE];
    int fd = c->fd;

    for (int i = 0; i < READS_MAX || (c->ssl != NULL && SSL_pending(c->ssl) > 0); i++) {
        ssize_t got = receive(c, room, sizeof(room));

        if (got == 0)
            return;
        if (got < 0) {
            lost(c);
            return;
        }
        if (c->h2 == NULL)
            take(c, span_of(room, (size_t) got));
        else if (!h2_in(c->h2, span_of(room, (size_t) got)))
            lost(c);
        if (c->state == HTTP_CLOSED || c->fd != fd)
            return;
        if (c->h2 != NULL)
            push_out(c);
        if (c->state == HTTP_CLOSED)
            return;
        if (c->ssl == NULL && (size_t) got < sizeof(room))
            return;
    }
}

static void go_on_opening(struct http_conn *c)
{
    if (c->state == HTTP_CONNECTING) {
        int e = 0;
        socklen_t n = sizeof(e);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0 || e != 0) {
            lost(c);
            return;
        }
        c->state = HTTP_SHAKING;
    }
    if (c->ssl != NULL) {
        int r = SSL_do_handshake(c->ssl), why = SSL_get_error(c->ssl, r);

        if (r != 1) {
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
                watch(c, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
            else
                lost(c);
            return;
        }
    }
    c->state = HTTP_IDLE;
    c->h2 = c->load->http2 ? h2_new(c) : NULL;
    push_out(c);
    if (c->state == HTTP_IDLE)
        c->on->opened(c);
}

void http_poll(struct http_load *l, int wait_ms)
{
    struct epoll_event events[256];
    int n = epoll_wait(l->epoll, events, 256, wait_ms);

    for (int i = 0; i < n; i++) {
        struct http_conn *c = events[i].data.ptr;

        if (c->state == HTTP_CLOSED)
            continue;
        if (c->state < HTTP_IDLE) {
            go_on_opening(c);
            continue;
        }
        if ((events[i].events & EPOLLOUT) != 0)
            push_out(c);
        if (c->state != HTTP_CLOSED && (events[i].events & ~(uint32_t) EPOLLOUT) != 0)
            pull_in(c);
    }
}
