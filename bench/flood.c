/*
 * Clients without manners: many connections, each asks again at once whatever it was told, and comes back at once when it was closed.
 *
 *   bench-flood [--conns N] [--seconds S] [--sources N] ADDRESS:PORT JOBS
 *
 * JOBS: lines "yes|no PATH KEY"; "no": it must not be served. Connections take them in turn. Reports how it was answered, how many that must not were
 * served, and the Retry-After seconds of the refusals.
 */
#include "bench.h"
#include "http.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define LATER_MAX 64 /* seconds; more count as so many */
#define TEXT_MAX  2048

struct job {
    struct span request;
    bool served; /* it may be */
};

struct client {
    struct http_conn conn;
    const struct job *job;
    int status;
    bool open, ready;
    uint32_t n;
    char text[TEXT_MAX]; /* of a refusal */
};

static struct {
    struct http_load load;
    struct job *jobs;
    size_t n_jobs, n_conns, next;
    uint64_t ok, later, denied, other, closed, served_wrongly, by_later[LATER_MAX + 1];
} b;

static void ask(struct client *c)
{
    c->job = &b.jobs[b.next++ % b.n_jobs];
    c->n = 0;
    http_send(&c->conn, c->job->request);
}

static void on_opened(struct http_conn *conn)
{
    ask(conn->ctx);
}

static void on_head(struct http_conn *conn, int status)
{
    struct client *c = conn->ctx;

    c->status = status;
}

static void on_body(struct http_conn *conn, struct span bytes)
{
    struct client *c = conn->ctx;
    size_t room = TEXT_MAX - 1 - c->n, n = bytes.n < room ? bytes.n : room;

    memcpy(c->text + c->n, bytes.p, n);
    c->n += (uint32_t) n;
}

static void note_later(struct client *c)
{
    static const char name[] = "\"retry_after_s\":";
    const char *at;
    long s;

    c->text[c->n] = '\0';
    at = strstr(c->text, name);
    s = at == NULL ? 0 : strtol(at + sizeof(name) - 1, NULL, 10);
    b.by_later[s < 0 ? 0 : s > LATER_MAX ? LATER_MAX : s]++;
}

static void on_done(struct http_conn *conn)
{
    struct client *c = conn->ctx;

    switch (c->status) {
    case 200:
        b.ok += c->job->served;
        b.served_wrongly += !c->job->served;
        break;
    case 429:
    case 503:
        b.later++;
        note_later(c);
        break;
    case 401:
    case 403: b.denied++; break;
    default: b.other++; break;
    }
    c->ready = true; /* asked again by the loop, not from in here */
}

static void on_closed(struct http_conn *conn)
{
    struct client *c = conn->ctx;

    b.closed++;
    c->open = c->ready = false;
}

static const struct http_on on = { on_opened, on_head, on_body, on_done, on_closed };

static void read_jobs(const char *path)
{
    struct buf file = BUF_INIT(1u << 28);
    struct span rest, line, word, target, key;

    bench_read(path, &file);
    for (rest = buf_span(&file); span_cut(rest, '\n', &line, &rest);) {
        struct buf r = BUF_INIT(8192);

        bench_need(span_cut(line, ' ', &word, &line) && span_cut(line, ' ', &target, &key), "yes|no PATH KEY");
        buf_addf(&r, "GET " SPAN_FMT " HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer " SPAN_FMT "\r\nAccept-Encoding: zstd\r\n\r\n", SPAN_ARG(target),
                 b.load.host, SPAN_ARG(key));
        b.jobs = reallocarray(b.jobs, b.n_jobs + 1, sizeof(*b.jobs));
        bench_need(b.jobs != NULL && !r.failed, "memory");
        b.jobs[b.n_jobs++] = (struct job){ buf_span(&r), span_eq_str(word, "yes") }; /* kept until the program ends */
    }
    buf_deinit(&file);
}

static void report(void)
{
    uint64_t kinds = 0;

    printf("{\"ok\":%llu,\"later\":%llu,\"denied\":%llu,\"other\":%llu,\"closed\":%llu,\"served_wrongly\":%llu,\"retry_after\":{", (unsigned long long) b.ok,
           (unsigned long long) b.later, (unsigned long long) b.denied, (unsigned long long) b.other, (unsigned long long) b.closed,
           (unsigned long long) b.served_wrongly);
    for (int s = 0; s <= LATER_MAX; s++) {
        if (b.by_later[s] > 0)
            printf("%s\"%d\":%llu", kinds++ == 0 ? "" : ",", s, (unsigned long long) b.by_later[s]);
    }
    printf("}}\n");
    (void) fflush(stdout);
}

static void flood(struct client *clients, double seconds)
{
    int64_t until = now_ns() + (int64_t) (seconds * 1e9);

    while (now_ns() < until) {
        size_t opening = 0;

        for (size_t i = 0; i < b.n_conns; i++) {
            struct client *c = &clients[i];

            if (!c->open && opening < 64) { /* at most so many a round: those of the others are handled between */
                opening++;
                c->open = true;
                http_open(&b.load, &c->conn, &on, c);
            } else if (c->ready) {
                c->ready = false;
                ask(c);
            }
        }
        http_poll(&b.load, 1);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "conns", required_argument, NULL, 'n' }, { "seconds", required_argument, NULL, 's' }, { "sources", required_argument, NULL, 'o' }, { 0 },
    };
    struct client *clients;
    double seconds = 5;
    unsigned sources = 0;
    int o;

    b.n_conns = 1000;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'n': b.n_conns = (size_t) atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'o': sources = (unsigned) atoi(optarg); break;
        default: return 2;
        }
    }
    bench_need(argc - optind == 2 && b.n_conns > 0, "bench-flood … ADDRESS:PORT JOBS");
    http_load_init(&b.load, argv[optind], NULL, false);
    b.load.n_sources = sources;
    read_jobs(argv[optind + 1]);
    clients = calloc(b.n_conns, sizeof(*clients));
    bench_need(clients != NULL && b.n_jobs > 0, "memory");
    bench_cue("ready");
    flood(clients, seconds);
    report();
    bench_cue("ready");
    return 0;
}
