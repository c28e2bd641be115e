/*
 * A closed loop of GETs over kept connections, and what came of it as one line of JSON.
 *
 *   bench-get [--ca PEM] [--http2] [--conns N] [--seconds S] [--stay] [--out FILE] ADDRESS:PORT JOBS
 *
 * JOBS: blocks separated by an empty line; a block is header lines, then lines "GET PATH", or "WARM PATH" for one that is not counted, or "POST PATH JSON"
 * (HTTP/1.1 only). "WITH HEADER" is of the next request alone. A connection that is free takes the next block and asks for its paths one after the
 * other: it is one viewer. With --seconds the blocks start again from the top until then. With --stay each connection keeps a block of its own, and
 * has gone through it once before anything is measured. "first" is the time until an answer began, which is when the server had something to say.
 * --out: "FIRST_MS MS" of each answer, a line each, in their order.
 */
#include "bench.h"
#include "http.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/buf.h"

#define LATENCIES_MAX 4000000

struct request {
    struct span bytes;
    bool counts;
};

struct job {
    struct request *requests;
    size_t n;
};

static struct {
    struct http_load load;
    struct job *jobs;
    size_t n_jobs, next_job, n_conns, busy;
    int64_t until; /* 0: each job once */
    bool stay, measuring;
    double *ms, *first_ms;
    size_t n_ms;
    uint64_t bytes, failed, opened;
    int first_failed;
} b;

struct viewer {
    struct http_conn conn;
    const struct job *job;
    size_t at;
    int64_t asked, began;
    bool good;
};

static void ask_next(struct viewer *v)
{
    if (b.stay && v->at == v->job->n) {
        if (!b.measuring || now_ns() >= b.until) {
            b.busy--;
            return;
        }
        v->at = 0;
    }
    if (v->job == NULL || v->at == v->job->n) {
        if (b.next_job == b.n_jobs && b.until != 0)
            b.next_job = 0;
        if (b.next_job == b.n_jobs || (b.until != 0 && now_ns() >= b.until)) {
            b.busy--;
            return;
        }
        v->job = &b.jobs[b.next_job++];
        v->at = 0;
    }
    v->asked = now_ns();
    http_send(&v->conn, v->job->requests[v->at++].bytes);
}

static bool all_open(void)
{
    return b.opened == b.n_conns;
}

static void on_opened(struct http_conn *c)
{
    (void) c;
    b.opened++;
}

static void on_head(struct http_conn *c, int status)
{
    struct viewer *v = c->ctx;

    v->began = now_ns();
    v->good = status == 200 || status == 201;
    if (!v->good) {
        b.failed++;
        b.first_failed = b.first_failed != 0 ? b.first_failed : status;
    }
}

static void on_body(struct http_conn *c, struct span bytes)
{
    struct viewer *v = c->ctx;

    if (v->good)
        b.bytes += bytes.n;
    else if (b.failed == 1)
        fprintf(stderr, "bench-get: %.*s\n", (int) bytes.n, (const char *) bytes.p);
}

static void on_done(struct http_conn *c)
{
    struct viewer *v = c->ctx;

    if (v->good && (b.measuring || !b.stay) && v->job->requests[v->at - 1].counts && b.n_ms < LATENCIES_MAX) {
        b.first_ms[b.n_ms] = (double) (v->began - v->asked) / 1e6;
        b.ms[b.n_ms++] = (double) (now_ns() - v->asked) / 1e6;
    }
    ask_next(v);
}

static void on_closed(struct http_conn *c)
{
    (void) c;
    bench_need(0, "a connection stayed open (has it had as many requests as the server lets it have?)");
}

static const struct http_on on = { on_opened, on_head, on_body, on_done, on_closed };

/* ---- the jobs ---- */

static void add_request(struct job *job, struct span request, struct span headers, struct span body, bool counts)
{
    struct buf r = BUF_INIT(1u << 20);

    buf_addf(&r, SPAN_FMT " HTTP/1.1\r\nHost: %s\r\n", SPAN_ARG(request), b.load.host);
    buf_add_span(&r, headers);
    if (body.n > 0)
        buf_addf(&r, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
    buf_add_str(&r, "\r\n");
    buf_add_span(&r, body);
    job->requests = reallocarray(job->requests, job->n + 1, sizeof(*job->requests));
    bench_need(job->requests != NULL && !r.failed, "memory");
    job->requests[job->n++] = (struct request){ buf_span(&r), counts }; /* kept until the program ends */
}

/* The block that is being read. */
struct block {
    struct buf headers;
    size_t all; /* of it, what belongs to all: the rest is of the next request alone */
};

static void read_line(struct job *job, struct block *k, struct span line)
{
    bool once = span_starts(line, "WITH ");
    struct span post, body = SPAN_EMPTY;

    if (span_starts(line, "GET ")) {
        add_request(job, line, buf_span(&k->headers), SPAN_EMPTY, true);
    } else if (span_starts(line, "WARM ")) {
        char get[2048];

        (void) snprintf(get, sizeof(get), "GET " SPAN_FMT, SPAN_ARG(span_sub(line, 5, line.n)));
        add_request(job, span_str(get), buf_span(&k->headers), SPAN_EMPTY, false);
    } else if (span_starts(line, "POST ")) {
        bench_need(span_cut(span_sub(line, 5, line.n), ' ', &post, &body), "POST PATH JSON");
        add_request(job, span_of(line.p, 5 + post.n), buf_span(&k->headers), body, true);
    } else {
        buf_add_span(&k->headers, once ? span_sub(line, 5, line.n) : line);
        buf_add_str(&k->headers, "\r\n");
        k->all = once ? k->all : k->headers.n;
        return;
    }
    k->headers.n = k->all; /* what was of this one alone goes */
}

static void read_jobs(const char *path)
{
    struct buf file = BUF_INIT(1u << 30);
    struct block block = { .headers = BUF_INIT(1u << 16) };
    struct job *job = NULL;
    struct span rest, line;

    bench_read(path, &file);
    rest = buf_span(&file);
    while (rest.n > 0) {
        if (!span_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = SPAN_EMPTY;
        }
        if (line.n == 0) {
            job = NULL;
            continue;
        }
        if (job == NULL) {
            b.jobs = reallocarray(b.jobs, b.n_jobs + 1, sizeof(*b.jobs));
            bench_need(b.jobs != NULL, "memory");
            job = &b.jobs[b.n_jobs++];
            *job = (struct job){ NULL, 0 };
            buf_reset(&block.headers);
            block.all = 0;
        }
        read_line(job, &block, line);
    }
    buf_deinit(&file);
    buf_deinit(&block.headers);
}

static void write_out(const char *path)
{
    FILE *f = fopen(path, "w");

    bench_need(f != NULL, path);
    for (size_t i = 0; i < b.n_ms; i++)
        fprintf(f, "%.4f %.4f\n", b.first_ms[i], b.ms[i]);
    bench_need(fclose(f) == 0, path);
}

static void report(double seconds, const char *out)
{
    struct rusage use;

    if (out != NULL)
        write_out(out);
    bench_need(getrusage(RUSAGE_SELF, &use) == 0, "getrusage");
    bench_sort(b.ms, b.n_ms);
    bench_sort(b.first_ms, b.n_ms);
    printf("{\"requests\":%zu,\"failed\":%llu,\"first_failed\":%d,\"bytes\":%llu,\"seconds\":%.4f,\"p50_ms\":%.4f,"
           "\"p99_ms\":%.4f,\"max_ms\":%.4f,\"first_p50_ms\":%.4f,\"first_p95_ms\":%.4f,\"first_p99_ms\":%.4f,\"cpu_s\":%.4f}\n", b.n_ms, (unsigned long long) b.failed, b.first_failed, (unsigned long long) b.bytes, seconds,
           bench_quantile(b.ms, b.n_ms, 0.5), bench_quantile(b.ms, b.n_ms, 0.99), bench_quantile(b.ms, b.n_ms, 1),
           bench_quantile(b.first_ms, b.n_ms, 0.5), bench_quantile(b.first_ms, b.n_ms, 0.95), bench_quantile(b.first_ms, b.n_ms, 0.99),
           (double) (use.ru_utime.tv_sec + use.ru_stime.tv_sec) + (double) (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

static void all_ask(struct viewer *viewers)
{
    b.busy = b.n_conns;
    for (size_t i = 0; i < b.n_conns; i++)
        ask_next(&viewers[i]);
    while (b.busy > 0)
        http_poll(&b.load, 1000);
}

struct asked {
    const char *address, *jobs, *ca, *out;
    double seconds;
    bool http2;
};

static struct asked read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "http2", no_argument, NULL, '2' },         { "ca", required_argument, NULL, 'c' },  { "conns", required_argument, NULL, 'n' },
        { "seconds", required_argument, NULL, 's' }, { "out", required_argument, NULL, 'o' }, { "stay", no_argument, NULL, 't' }, { 0 },
    };
    struct asked a = { 0 };
    int o;

    b.n_conns = 64;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case '2': a.http2 = true; break;
        case 'c': a.ca = optarg; break;
        case 'n': b.n_conns = (size_t) atoi(optarg); break;
        case 's': a.seconds = atof(optarg); break;
        case 'o': a.out = optarg; break;
        case 't': b.stay = true; break;
        default: exit(2);
        }
    }
    bench_need(argc - optind == 2 && b.n_conns > 0, "bench-get … ADDRESS:PORT JOBS");
    a.address = argv[optind];
    a.jobs = argv[optind + 1];
    return a;
}

static struct viewer *begin(const struct asked *a)
{
    struct viewer *viewers;

    http_load_init(&b.load, a->address, a->ca, a->http2);
    read_jobs(a->jobs);
    b.ms = calloc(LATENCIES_MAX, sizeof(*b.ms));
    b.first_ms = calloc(LATENCIES_MAX, sizeof(*b.first_ms));
    viewers = calloc(b.n_conns, sizeof(*viewers));
    bench_need(b.ms != NULL && b.first_ms != NULL && viewers != NULL && b.n_jobs > 0, "memory");
    for (size_t i = 0; i < b.n_conns; i++)
        http_open(&b.load, &viewers[i].conn, &on, &viewers[i]);
    while (!all_open())
        http_poll(&b.load, 1000);
    for (size_t i = 0; i < b.n_conns && b.stay; i++)
        viewers[i].job = &b.jobs[i % b.n_jobs];
    if (b.stay)
        all_ask(viewers);
    b.bytes = 0;
    return viewers;
}

int main(int argc, char **argv)
{
    const struct asked a = read_options(argc, argv);
    struct viewer *viewers = begin(&a);
    int64_t began;

    bench_cue("ready"); /* whoever started us looks at the server's clocks now */
    began = now_ns();
    b.measuring = true;
    b.until = a.seconds > 0 ? began + (int64_t) (a.seconds * 1e9) : 0;
    all_ask(viewers);
    report((double) (now_ns() - began) / 1e9, a.out);
    (void) fflush(stdout);
    bench_cue("ready"); /* and again before the connections end */
    return 0;
}
