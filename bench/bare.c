/*
 * The least that sends the same bytes: an epoll program with one thread that answers any request with a paced stream, one event a
 * second, 1 s ahead. No key, no lease, no encryption at rest, nothing read. The reference of bench-streams.
 *
 *   bench-bare PORT SECONDS EVENT_BYTES
 */
#include "bench.h"
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNS_MAX 20000

struct peer {
    bool asked, queued;
    uint32_t matched, next; /* of "\r\n\r\n"; of the events */
    int64_t due;
};

static struct {
    int epoll, listener;
    struct peer peers[CONNS_MAX]; /* by descriptor */
    int queue[CONNS_MAX];         /* a ring: everybody waits the same second, so the first in is the first due */
    size_t at, n;
    char **frames;
    size_t *frame_n;
    uint32_t n_frames;
} b;

static void make_frames(uint32_t seconds, int bytes)
{
    char *text = malloc((size_t) bytes + 1);

    b.n_frames = seconds;
    b.frames = calloc(seconds, sizeof(*b.frames));
    b.frame_n = calloc(seconds, sizeof(*b.frame_n));
    bench_need(text != NULL && b.frames != NULL && b.frame_n != NULL, "memory");
    memset(text, 'x', (size_t) bytes);
    text[bytes] = '\0';
    for (uint32_t i = 0; i < seconds; i++) {
        struct buf event = BUF_INIT(1u << 20), chunk = BUF_INIT(1u << 20);

        buf_addf(&event, "id: %u\ndata: [%u.000000,\"o\",\"%s\"]\n\n", i, i, text);
        buf_addf(&chunk, "%zx\r\n", event.n);
        buf_add_span(&chunk, buf_span(&event));
        buf_add_str(&chunk, "\r\n");
        bench_need(!chunk.failed, "memory");
        b.frame_n[i] = chunk.n;
        b.frames[i] = (char *) chunk.p;
        buf_deinit(&event);
    }
    free(text);
}

static void drop(int fd)
{
    b.peers[fd].asked = false;
    (void) close(fd);
}

static void wait_a_second(int fd, int64_t due)
{
    b.peers[fd].due = due;
    b.peers[fd].queued = true;
    b.queue[(b.at + b.n++) % CONNS_MAX] = fd;
}

static void send_frame(int fd)
{
    struct peer *p = &b.peers[fd];

    p->queued = false;
    if (!p->asked)
        return;
    if (p->next == b.n_frames || send(fd, b.frames[p->next], b.frame_n[p->next], MSG_NOSIGNAL) < 0) {
        drop(fd);
        return;
    }
    p->next++;
    wait_a_second(fd, p->due + 1000000000);
}

static void answer(int fd)
{
    static const char live[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "2c\r\nretry: 2000\n\nevent: from\ndata: {\"at_ms\":0}\n\n\r\n";
    struct peer *p = &b.peers[fd];

    if (!p->asked) { /* the first request is the one that says the connection works */
        p->asked = true;
        bench_need(send(fd, live, sizeof(live) - 1, MSG_NOSIGNAL) > 0, "send");
        return;
    }
    bench_need(send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) > 0, "send");
    p->next = 0;
    p->due = now_ns() - 1000000000;
    send_frame(fd);
    for (size_t i = 0; i < 1 && p->queued; i++) { /* and the one of the next second */
        b.n--;
        send_frame(fd);
    }
}

static void hear(int fd)
{
    static const char end[] = "\r\n\r\n";
    char room[8192];
    ssize_t got = recv(fd, room, sizeof(room), 0);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        struct peer *p = &b.peers[fd];

        p->matched = room[i] == end[p->matched] ? p->matched + 1 : room[i] == '\r' ? 1 : 0;
        if (p->matched == 4) {
            p->matched = 0;
            answer(fd);
        }
    }
}

static void welcome(void)
{
    int fd;

    while ((fd = accept4(b.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

        bench_need(fd < CONNS_MAX && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0 &&
                       epoll_ctl(b.epoll, EPOLL_CTL_ADD, fd, &e) == 0, "a connection");
        if (!b.peers[fd].queued)
            b.peers[fd] = (struct peer){ .asked = false };
    }
}

static int next_wait_ms(void)
{
    int64_t left = b.n > 0 ? b.peers[b.queue[b.at]].due - now_ns() : 1000000000;

    return left <= 0 ? 0 : (int) (left / 1000000) + 1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event e = { .events = EPOLLIN }, events[256];

    bench_need(argc == 4, "bench-bare PORT SECONDS EVENT_BYTES");
    make_frames((uint32_t) atoi(argv[2]), atoi(argv[3]));
    at.sin_port = htons((uint16_t) atoi(argv[1]));
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    e.data.fd = b.listener;
    bench_need(setsockopt(b.listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
                   bind(b.listener, (struct sockaddr *) &at, sizeof(at)) == 0 && listen(b.listener, 4096) == 0 &&
                   epoll_ctl(b.epoll, EPOLL_CTL_ADD, b.listener, &e) == 0, "listen");
    printf("ready\n");
    (void) fflush(stdout);
    for (;;) {
        int n = epoll_wait(b.epoll, events, 256, next_wait_ms());

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == b.listener)
                welcome();
            else
                hear(events[i].data.fd);
        }
        while (b.n > 0 && b.peers[b.queue[b.at]].due <= now_ns()) {
            int fd = b.queue[b.at];

            b.at = (b.at + 1) % CONNS_MAX;
            b.n--;
            send_frame(fd);
        }
    }
}
