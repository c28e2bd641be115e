#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "os/file.h"

#define BACKLOG 4096

bool listen_parse(const char *text, struct listen_addr *ret)
{
    char host[64];
    struct span all = span_str(text), h = SPAN_EMPTY;
    const char *colon = strrchr(text, ':');
    bool v6 = text[0] == '[';
    uint64_t port;

    memset(ret, 0, sizeof(*ret));
    if (colon == NULL || !num_u64(span_str(colon + 1), 65535, &port))
        return false;
    h = span_sub(all, 0, (size_t) (colon - text));
    if (v6 && (h.n < 3 || h.p[h.n - 1] != ']'))
        return false;
    if (!span_to_str(v6 ? span_sub(h, 1, h.n - 2) : h, host, sizeof(host)))
        return false;
    ret->port = (unsigned) port;
    if (v6) {
        struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };

        if (inet_pton(AF_INET6, host, &a.sin6_addr) != 1)
            return false;
        ret->loopback = IN6_IS_ADDR_LOOPBACK(&a.sin6_addr);
        memcpy(ret->sockaddr, &a, sizeof(a));
        ret->sockaddr_len = sizeof(a);
    } else {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };

        if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
            return false;
        ret->loopback = (ntohl(a.sin_addr.s_addr) >> 24) == 127;
        memcpy(ret->sockaddr, &a, sizeof(a));
        ret->sockaddr_len = sizeof(a);
    }
    return true;
}

static enum err open_once(const struct listen_addr *at, int *ret_fd, struct err_info *reterr)
{
    const struct sockaddr *sa = (const struct sockaddr *) (const void *) at->sockaddr;
    CLEANUP(os_closep) int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (fd < 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "make a socket");
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* without it only a restart is slower */
    if (sa->sa_family == AF_INET6)
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)); /* an IPv4 listener has its own line */
    if (bind(fd, sa, at->sockaddr_len) != 0 || listen(fd, BACKLOG) != 0) {
        enum err e = errno == EADDRINUSE ? ERR_EXISTS : errno == EACCES ? ERR_DENIED : ERR_IO;

        return ERR_RAISE_SYS(reterr, e, errno, "listen on port %u", at->port);
    }
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}

enum err listen_open(const struct listen_addr *at, int wait_ms, int *ret_fd, struct err_info *reterr)
{
    const struct timespec step = { 0, 50 * 1000000 };

    for (;;) {
        enum err e = open_once(at, ret_fd, reterr);

        if (e != ERR_EXISTS || wait_ms <= 0)
            return e;
        (void) nanosleep(&step, NULL);
        wait_ms -= 50;
    }
}

unsigned listen_free_port(unsigned from)
{
    for (unsigned port = from; port < from + 100 && port < 65536; port++) {
        struct listen_addr at = { .port = port };
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
        int fd = -1;

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        memcpy(at.sockaddr, &a, sizeof(a));
        at.sockaddr_len = sizeof(a);
        if (open_once(&at, &fd, NULL) == ERR_OK) {
            (void) close(fd);
            return port;
        }
    }
    return 0;
}
