/* The client of the gate's tests: one connection, answers taken apart by hand, every wait with a deadline. */
#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/json.h"
#include "os/clock.h"

void client_open(struct client *c, int port)
{
    client_open_with(c, port, 0);
}

void client_open_with(struct client *c, int port, int receive_buffer)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    int on = 1;

    memset(c, 0, sizeof(*c));
    buf_init(&c->raw, 64 << 20);
    buf_init(&c->head, 64 << 10);
    buf_init(&c->body, 256 << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
        (void) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(c->fd, (struct sockaddr *) &a, sizeof(a)), 0);
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        (void) close(c->fd);
    c->fd = -1;
    buf_deinit(&c->raw);
    buf_deinit(&c->head);
    buf_deinit(&c->body);
}

/* What goes out over a socket and comes back orders what test and peers do: said so that the thread sanitizer knows it too. */
static void see_peers(void)
{
    world_lock();
    world_unlock();
}

void client_send_n(struct client *c, const void *p, size_t n)
{
    const char *at = p;

    see_peers();
    while (n > 0) {
        ssize_t k = send(c->fd, at, n, MSG_NOSIGNAL);

        if (k <= 0)
            return; /* the server closed: its answer is read */
        at += k;
        n -= (size_t) k;
    }
}

void client_send(struct client *c, const char *text)
{
    client_send_n(c, text, strlen(text));
}

void client_sendf(struct client *c, const char *fmt, ...)
{
    char text[8000];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    client_send(c, text);
}

/* A line of the raw bytes, taken away. False: not there yet. */
static bool take_line(struct client *c, char *to, size_t cap)
{
    uint8_t *nl = c->raw.n == 0 ? NULL : memchr(c->raw.p, '\n', c->raw.n);
    size_t n;

    if (nl == NULL)
        return false;
    n = (size_t) (nl - c->raw.p);
    (void) snprintf(to, cap, "%.*s", (int) (n > 0 && nl[-1] == '\r' ? n - 1 : n), (const char *) c->raw.p);
    buf_drop(&c->raw, n + 1);
    return true;
}

static void take_head(struct client *c)
{
    uint8_t *end = c->raw.n == 0 ? NULL : memmem(c->raw.p, c->raw.n, "\r\n\r\n", 4);
    char line[4096];
    bool first = true;

    if (end == NULL)
        return;
    buf_reset(&c->head);
    buf_reset(&c->body);
    c->left = -2;
    while (take_line(c, line, sizeof(line)) && line[0] != '\0') {
        if (first) {
            c->status = atoi(line + 9);
        } else {
            for (char *p = line; *p != '\0' && *p != ':'; p++)
                *p = (char) (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
            buf_addf(&c->head, "%s\n", line);
        }
        first = false;
    }
    if (c->status == 100) {
        c->status = 0;
        take_head(c);
        return;
    }
    if (client_header(c, "content-length")[0] != '\0')
        c->left = atoll(client_header(c, "content-length"));
    else if (strcmp(client_header(c, "transfer-encoding"), "chunked") == 0)
        c->left = -1;
    if (c->status == 204 || c->status == 304)
        c->left = 0;
    c->whole = c->left == 0;
}

static void take_chunks(struct client *c)
{
    char line[64];

    for (;;) {
        if (c->chunk_left > 0) {
            size_t n = c->raw.n < c->chunk_left ? c->raw.n : c->chunk_left;

            buf_add(&c->body, c->raw.p, n);
            buf_drop(&c->raw, n);
            c->chunk_left -= n;
            if (c->chunk_left > 0)
                return;
            c->chunk_tail = true;
        }
        if (c->chunk_tail) {
            if (!take_line(c, line, sizeof(line)))
                return;
            c->chunk_tail = false;
        }
        if (!take_line(c, line, sizeof(line)))
            return;
        c->chunk_left = strtoul(line, NULL, 16);
        if (c->chunk_left == 0) {
            c->whole = true;
            return;
        }
    }
}

static void take_body(struct client *c)
{
    size_t n = c->raw.n;

    if (c->status == 0 || c->whole)
        return;
    if (c->left == -1) {
        take_chunks(c);
        return;
    }
    if (c->left >= 0 && (int64_t) n > c->left)
        n = (size_t) c->left;
    buf_add(&c->body, c->raw.p, n);
    buf_drop(&c->raw, n);
    if (c->left >= 0) {
        c->left -= (int64_t) n;
        c->whole = c->left == 0;
    }
}

/* One wait, at most ms. False: nothing came, or it is over. */
static bool client_read(struct client *c, int ms)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    uint8_t bytes[65536];
    ssize_t n;

    if (c->closed || poll(&p, 1, ms < 0 ? 0 : ms) <= 0)
        return false;
    n = recv(c->fd, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        c->closed = true;
        if (c->left == -2 && c->status != 0 && n == 0)
            c->whole = true;
        return true;
    }
    buf_add(&c->raw, bytes, (size_t) n);
    if (c->status == 0)
        take_head(c);
    take_body(c);
    return true;
}

bool client_head(struct client *c, int ms)
{
    int64_t until = clock_boot_ms() + patient(ms);

    while (c->status == 0 && !c->closed && clock_boot_ms() < until)
        (void) client_read(c, (int) (until - clock_boot_ms()));
    see_peers();
    return c->status != 0;
}

bool client_until_end(struct client *c, int ms)
{
    int64_t until = clock_boot_ms() + patient(ms);

    while (!c->whole && !c->closed && clock_boot_ms() < until)
        (void) client_read(c, (int) (until - clock_boot_ms()));
    see_peers();
    return c->whole || c->closed;
}

bool client_until(struct client *c, const char *text, int ms)
{
    int64_t until = clock_boot_ms() + patient(ms);

    for (;;) {
        see_peers();
        if (c->body.n > 0 && memmem(c->body.p, c->body.n, text, strlen(text)) != NULL)
            return true;
        if (c->whole || c->closed || clock_boot_ms() >= until)
            return false;
        (void) client_read(c, (int) (until - clock_boot_ms()));
    }
}

size_t client_for(struct client *c, int ms)
{
    int64_t until = clock_boot_ms() + ms;

    while (!c->whole && !c->closed && clock_boot_ms() < until)
        (void) client_read(c, (int) (until - clock_boot_ms()));
    see_peers();
    return c->body.n;
}

void client_answer(struct client *c)
{
    if (!client_until_end(c, 5000))
        fail_msg("no whole answer came: status %d, %zu bytes, closed %d", c->status, c->body.n, c->closed);
}

const char *client_header(struct client *c, const char *name)
{
    static char value[4][3000];
    static unsigned at;
    char *to = value[at++ % 4];
    size_t n = strlen(name);
    const char *line = buf_cstr(&c->head);

    to[0] = '\0';
    for (; line != NULL && *line != '\0'; line = strchr(line, '\n'), line = line == NULL ? NULL : line + 1) {
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            const char *from = line + n + 1 + strspn(line + n + 1, " ");

            (void) snprintf(to, 3000, "%.*s", (int) strcspn(from, "\n"), from);
        }
    }
    return to;
}

static PRINTF_LIKE(3, 0) void vbegin(struct client *c, const char *key, const char *fmt, va_list ap)
{
    char path[600], text[3000];

    (void) vsnprintf(path, sizeof(path), fmt, ap);
    client_open(c, w.port);
    (void) snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost:%d\r\n%s%s%s\r\n", path, w.port,
                    key == NULL ? "" : "Authorization: Bearer ", key == NULL ? "" : key, key == NULL ? "" : "\r\n");
    client_send(c, text);
}

void begin_get(struct client *c, const char *key, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vbegin(c, key, fmt, ap);
    va_end(ap);
}

void get(struct client *c, const char *key, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vbegin(c, key, fmt, ap);
    va_end(ap);
    client_answer(c);
}

void request(struct client *c, const char *method, const char *path, const char *headers, struct span body)
{
    struct buf b = BUF_INIT(64 << 20);

    client_open(c, w.port);
    buf_addf(&b, "%s %s HTTP/1.1\r\nHost: localhost:%d\r\n%s", method, path, w.port, headers);
    if (body.n > 0 || strcmp(method, "POST") == 0)
        buf_addf(&b, "Content-Length: %zu\r\n", body.n);
    buf_add_str(&b, "\r\n");
    buf_add_span(&b, body);
    client_send_n(c, b.p, b.n);
    buf_deinit(&b);
    if (strcmp(method, "HEAD") != 0)
        client_answer(c);
}

const char *member(struct client *c, const char *name)
{
    static char out[4][600];
    static unsigned at;
    char *to = out[at++ % 4];
    struct json_value v;

    to[0] = '\0';
    if (json_find(json_value(buf_span(&c->body)), name, &v))
        (void) snprintf(to, 600, "%.*s", SPAN_ARG(v.raw));
    return to;
}

const char *import_bytes(struct span file)
{
    static char ids[8][ID_CAP];
    static unsigned at;
    char *to = ids[at++ % 8];
    struct client c;

    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", file);
    if (c.status != 201)
        fail_msg("import: %d %s", c.status, buf_cstr(&c.body));
    (void) snprintf(to, ID_CAP, "%s", member(&c, "id"));
    client_close(&c);
    return to;
}

const char *import_file(const char *path)
{
    struct buf b = BUF_INIT(64 << 20);
    const char *rid;

    test_read_file(path, &b);
    rid = import_bytes(buf_span(&b));
    buf_deinit(&b);
    return rid;
}

void check_code(struct client *c, int status, const char *code, const char *file, int line)
{
    if (c->status != status || strcmp(member(c, "code"), code) != 0) {
        print_error("wanted %d %s, got %d %s\n", status, code, c->status, buf_cstr(&c->body));
        _fail(file, line);
    }
    if (strcmp(client_header(c, "content-type"), "application/problem+json") != 0 || client_header(c, "cache-control")[0] == '\0')
        _fail(file, line);
    client_close(c);
}
