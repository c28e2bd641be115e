/*
 * Recorders: N recordings made at once, each on a connection of its own, one batch on its way at a time.
 *
 *   bench-record [--ca PEM] [--n N] [--batch EVENTS] [--sources N] ADDRESS:PORT TOKEN EVENTS
 *   bench-record [--ca PEM] [--n N] --pages BYTES [--sources N] ADDRESS:PORT TOKEN EVENTS
 *   bench-record [--ca PEM] [--n N] --paced HZ --ids FILE --acks FILE ADDRESS:PORT TOKEN -
 *
 * EVENTS: asciicast lines without the header; every recorder sends all of them, --batch at a time, as fast as they are acknowledged. Pages: EVENTS are
 * rrweb's, one a line, sent in batches of at most so many bytes. Paced: batches
 * of one event, HZ a second, whose text has "@NS@", the moment of sending; --acks has "SENT ACKED" (ns) of each. Talk with whoever started us:
 *   ready    all connections are open; waits for a line, then opens the recordings
 *   created  all are open (--ids: their ids, a line each); waits for a line, then sends
 *   sent     every batch is acknowledged (paced: a line came in); waits for a line, then ends the recordings
 *   {…}      the report; then waits for a line before the connections close
 */
#include "bench.h"
#include "http.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_KEEP 400
#define EVENT_BYTES 200

struct recorder {
    struct http_conn conn;
    struct buf out;
    char rid[24], answer[ANSWER_KEEP];
    uint32_t answer_n;
    int status;
    size_t batch;        /* the next to send */
    int64_t sent, due;   /* of the batch on its way; of the next (paced) */
    bool busy;
};

struct ack {
    int64_t sent, acked;
};

static struct {
    struct http_load load;
    struct recorder *recorders;
    size_t n, opened, waiting;
    const char *token;
    struct span *batches;
    size_t n_batches, n_events;
    struct ack *acks;
    size_t n_acks, cap_acks;
    double hz;
    bool pages;
    int64_t began;
    uint64_t bytes;
} b;

static enum { CREATING, SENDING, ENDING } phase;

/* ---- requests ---- */

static void post(struct recorder *r, const char *path, const char *more, struct span body)
{
    buf_reset(&r->out);
    buf_addf(&r->out, "POST /v1/recordings%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%sContent-Length: %zu\r\n\r\n", path,
             b.load.host, b.token, more, body.n);
    buf_add_span(&r->out, body);
    bench_need(!r->out.failed, "memory");
    r->answer_n = 0;
    r->busy = true;
    http_send(&r->conn, buf_span(&r->out));
}

static void create(struct recorder *r)
{
    post(r, "", "Content-Type: application/json\r\n",
         b.pages ? SPAN("{\"kind\":\"rrweb\",\"title\":\"bench\"}")
                 : SPAN("{\"kind\":\"terminal\",\"title\":\"bench\",\"head\":{\"version\":2,\"width\":80,\"height\":24}}"));
}

static void send_batch(struct recorder *r)
{
    char path[64], more[100], text[EVENT_BYTES + 100];
    struct span body;

    (void) snprintf(path, sizeof(path), "/%s/events", r->rid);
    (void) snprintf(more, sizeof(more), "Content-Type: application/x-%s\r\nBatch-Seq: %zu\r\n", b.pages ? "ndjson" : "asciicast", r->batch);
    r->sent = now_ns();
    if (b.hz > 0) {
        int n = snprintf(text, sizeof(text), "[%.6f, \"o\", \"@%lld@", (double) (r->sent - b.began) / 1e9, (long long) r->sent);

        memset(text + n, 'x', EVENT_BYTES);
        memcpy(text + n + EVENT_BYTES - 40, "\"]\n", 4);
        body = span_str(text);
    } else {
        body = b.batches[r->batch];
    }
    r->batch++;
    b.bytes += body.n;
    post(r, path, more, body);
}

static void end(struct recorder *r)
{
    char path[64];

    (void) snprintf(path, sizeof(path), "/%s/end", r->rid);
    post(r, path, "", SPAN_EMPTY);
}

/* ---- answers ---- */

static void add_ack(int64_t sent)
{
    if (b.n_acks == b.cap_acks) {
        b.cap_acks = b.cap_acks * 2 + 4096;
        b.acks = reallocarray(b.acks, b.cap_acks, sizeof(*b.acks));
        bench_need(b.acks != NULL, "memory");
    }
    b.acks[b.n_acks++] = (struct ack){ sent, now_ns() };
}

static void on_head(struct http_conn *c, int status)
{
    struct recorder *r = c->ctx;

    r->status = status;
}

static void on_body(struct http_conn *c, struct span bytes)
{
    struct recorder *r = c->ctx;

    for (size_t i = 0; i < bytes.n && r->answer_n + 1 < ANSWER_KEEP; i++)
        r->answer[r->answer_n++] = (char) bytes.p[i];
    r->answer[r->answer_n] = '\0';
}

static void on_done(struct http_conn *c)
{
    struct recorder *r = c->ctx;
    const char *id;

    r->busy = false;
    if (r->status != 200 && r->status != 201) {
        fprintf(stderr, "bench-record: %d %s\n", r->status, r->answer);
        bench_need(0, "a call");
    }
    switch (phase) {
    case CREATING:
        id = strstr(r->answer, "\"id\":\"");
        bench_need(id != NULL && strcspn(id + 6, "\"") < sizeof(r->rid), "an id");
        (void) snprintf(r->rid, sizeof(r->rid), "%.*s", (int) strcspn(id + 6, "\""), id + 6);
        b.waiting--;
        return;
    case SENDING:
        add_ack(r->sent);
        if (b.hz > 0)
            return;
        if (r->batch < b.n_batches)
            send_batch(r);
        else
            b.waiting--;
        return;
    case ENDING:
        b.waiting--;
        return;
    }
}

static void on_opened(struct http_conn *c)
{
    (void) c;
    b.opened++;
}

static void on_closed(struct http_conn *c)
{
    (void) c;
    bench_need(0, "a connection stayed open");
}

static const struct http_on on = { on_opened, on_head, on_body, on_done, on_closed };

/* ---- the run ---- */

static void add_batch(struct span batch)
{
    b.batches = reallocarray(b.batches, b.n_batches + 1, sizeof(*b.batches));
    bench_need(b.batches != NULL, "memory");
    b.batches[b.n_batches++] = batch;
}

/* Batches of whole lines: at most so many of them, and at most so many bytes unless one line has more. */
static void read_events(const char *path, size_t most_events, size_t most_bytes)
{
    struct buf file = BUF_INIT(1u << 30); /* kept: batches borrow from it */
    struct span rest, line;
    size_t from = 0, in_batch = 0;

    bench_read(path, &file);
    if (file.n > 0 && file.p[file.n - 1] != '\n')
        buf_add_str(&file, "\n");
    for (rest = buf_span(&file); span_cut(rest, '\n', &line, &rest);) {
        size_t begins = (size_t) (line.p - file.p);

        if (in_batch == most_events || (in_batch > 0 && begins + line.n + 1 - from > most_bytes)) {
            add_batch(span_of(file.p + from, begins - from));
            from = begins;
            in_batch = 0;
        }
        in_batch++;
        b.n_events++;
    }
    if (in_batch > 0)
        add_batch(span_of(file.p + from, file.n - from));
}

static double all_do(void (*what)(struct recorder *r))
{
    int64_t began = now_ns();

    b.waiting = b.n;
    for (size_t i = 0; i < b.n; i++)
        what(&b.recorders[i]);
    while (b.waiting > 0)
        http_poll(&b.load, 1000);
    return (double) (now_ns() - began) / 1e9;
}

static double send_paced(void)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    int64_t step = (int64_t) (1e9 / b.hz);

    b.began = now_ns();
    for (size_t i = 0; i < b.n; i++)
        b.recorders[i].due = b.began + step * (int64_t) i / (int64_t) b.n;
    while (poll(&in, 1, 0) == 0) {
        int64_t now = now_ns();

        for (size_t i = 0; i < b.n; i++) {
            struct recorder *r = &b.recorders[i];

            if (r->due <= now && !r->busy) {
                send_batch(r);
                r->due += step;
            }
        }
        http_poll(&b.load, 1);
    }
    for (size_t i = 0; i < b.n; i++) {
        while (b.recorders[i].busy)
            http_poll(&b.load, 1000);
    }
    return (double) (now_ns() - b.began) / 1e9;
}

static void write_ids(const char *path)
{
    FILE *f = fopen(path, "w");

    bench_need(f != NULL, path);
    for (size_t i = 0; i < b.n; i++)
        fprintf(f, "%s\n", b.recorders[i].rid);
    bench_need(fclose(f) == 0, path);
}

static void write_acks(const char *path)
{
    FILE *f = fopen(path, "w");

    bench_need(f != NULL, path);
    for (size_t i = 0; i < b.n_acks; i++)
        fprintf(f, "%lld %lld\n", (long long) b.acks[i].sent, (long long) b.acks[i].acked);
    bench_need(fclose(f) == 0, path);
}

static void report(double create_s, double send_s, double end_s)
{
    double *ms = calloc(b.n_acks + 1, sizeof(*ms));
    size_t events = b.hz > 0 ? b.n_acks : b.n_events * b.n;

    bench_need(ms != NULL, "memory");
    for (size_t i = 0; i < b.n_acks; i++)
        ms[i] = (double) (b.acks[i].acked - b.acks[i].sent) / 1e6;
    bench_sort(ms, b.n_acks);
    printf("{\"recorders\":%zu,\"events\":%zu,\"batches\":%zu,\"bytes\":%llu,\"create_s\":%.4f,\"send_s\":%.4f,\"end_s\":%.4f,\"ack_p50_ms\":%.3f,"
           "\"ack_p99_ms\":%.3f,\"ack_max_ms\":%.3f}\n", b.n, events, b.n_acks, (unsigned long long) b.bytes, create_s, send_s, end_s,
           bench_quantile(ms, b.n_acks, 0.5), bench_quantile(ms, b.n_acks, 0.99), bench_quantile(ms, b.n_acks, 1));
    (void) fflush(stdout);
    free(ms);
}

static void open_all(void)
{
    for (size_t i = 0; i < b.n; i++) {
        buf_init(&b.recorders[i].out, 1u << 26);
        http_open(&b.load, &b.recorders[i].conn, &on, &b.recorders[i]);
        while (i - b.opened > 256)
            http_poll(&b.load, 1000);
    }
    while (b.opened < b.n)
        http_poll(&b.load, 1000);
}

struct asked {
    const char *address, *events, *ca, *ids, *acks;
    size_t per_batch, most_bytes;
    unsigned sources;
};

static struct asked read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "ca", required_argument, NULL, 'c' },    { "n", required_argument, NULL, 'n' },   { "batch", required_argument, NULL, 'b' },
        { "paced", required_argument, NULL, 'p' }, { "ids", required_argument, NULL, 'i' }, { "acks", required_argument, NULL, 'a' },
        { "sources", required_argument, NULL, 's' }, { "pages", required_argument, NULL, 'g' }, { 0 },
    };
    struct asked a = { .per_batch = 50, .most_bytes = SIZE_MAX };
    int o;

    b.n = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'c': a.ca = optarg; break;
        case 'n': b.n = (size_t) atoi(optarg); break;
        case 'b': a.per_batch = (size_t) atoi(optarg); break;
        case 'p': b.hz = atof(optarg); break;
        case 'i': a.ids = optarg; break;
        case 'a': a.acks = optarg; break;
        case 'g':
            b.pages = true;
            a.per_batch = SIZE_MAX;
            a.most_bytes = (size_t) atoll(optarg);
            break;
        case 's': a.sources = (unsigned) atoi(optarg); break;
        default: exit(2);
        }
    }
    bench_need(argc - optind == 3 && b.n > 0 && a.per_batch > 0, "bench-record … ADDRESS:PORT TOKEN EVENTS");
    a.address = argv[optind];
    b.token = argv[optind + 1];
    a.events = argv[optind + 2];
    return a;
}

static void begin(const struct asked *a)
{
    http_load_init(&b.load, a->address, a->ca, false);
    b.load.n_sources = a->sources;
    if (b.hz <= 0)
        read_events(a->events, a->per_batch, a->most_bytes);
    b.recorders = calloc(b.n, sizeof(*b.recorders));
    bench_need(b.recorders != NULL, "memory");
    open_all();
    bench_cue("ready");
}

int main(int argc, char **argv)
{
    const struct asked a = read_options(argc, argv);
    double create_s, send_s, end_s;

    begin(&a);
    create_s = all_do(create);
    if (a.ids != NULL)
        write_ids(a.ids);
    bench_cue("created");
    phase = SENDING;
    send_s = b.hz > 0 ? send_paced() : all_do(send_batch);
    if (a.acks != NULL)
        write_acks(a.acks);
    if (b.hz > 0)
        bench_heard(); /* the line that stopped us */
    bench_cue("sent");
    phase = ENDING;
    end_s = all_do(end);
    report(create_s, send_s, end_s);
    bench_heard();
    return 0;
}
