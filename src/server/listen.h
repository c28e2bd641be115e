#pragma once
/* Listening sockets, opened by the supervisor and passed on. */
#include "base/err.h"
#include "base/span.h"

/* "127.0.0.1:8443" or "[::1]:8443"; IPv4 and IPv6 addresses only, no names, port 0 to 65535. */
struct listen_addr {
    _Alignas(8) uint8_t sockaddr[128]; /* struct sockaddr_in or _in6 */
    unsigned sockaddr_len;
    unsigned port;
    bool loopback;
};

/* False when the text is not such an address. */
bool listen_parse(const char *text, struct listen_addr *ret);

/* Waits up to wait_ms while a dying predecessor holds the port. ERR_EXISTS: somebody else listens there. ERR_DENIED. */
NODISCARD enum err listen_open(const struct listen_addr *at, int wait_ms, int *ret_fd, struct err_info *reterr);

/* A loopback port that is free now, near 'from'. 0: none among the next 100. */
unsigned listen_free_port(unsigned from);
