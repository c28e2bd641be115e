/*
 * Many server-sent streams at once, each on a connection of its own: when did what arrive?
 *
 *   bench-streams [--ca PEM] [--http2] [--ramp S] [--run S] [--sources N] [--out FILE] ADDRESS:PORT STREAMS
 *
 * STREAMS: a line "PATH KEY" each (KEY "-": none); how many there are is read at the beginning, what they are when the streams are asked for: a key lives
 * a minute, and connections may take as long. Talk with whoever started us, one word or one JSON object a line:
 *   ready   all connections are open and have had one answer each; waits for a line, then asks for the streams, evenly over --ramp
 *   begun   every stream has had content (or ended)
 *   over    --run seconds after that, or all streams have ended, or a line came in; no more is read
 *   {…}     the report; then waits for a line before the connections close
 *
 * An event of a terminal recording, "[SECONDS,…", is due that long after the stream's first event 'from' arrived (less from's at_ms); one that
 * arrives after that is late. Text "@NS@" in an event is the moment its recorder sent it (CLOCK_MONOTONIC). --out: a line of numbers for each
 * stream (asked, from, first, last content, final in ns; final code; events; late) and then "@ NS ARRIVED" for each such mark.
 */
#include "bench.h"
#include "http.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPENING_MAX 256 /* connections being opened at once */
#define LINE_KEEP   256

struct stream {
    struct http_conn conn;
    struct span request;
    enum { OPENING, WARMING, READY, ASKED, RUNNING, OVER } state;
    int status, code;
    char line[LINE_KEEP];
    uint32_t line_n;
    bool named; /* the event being read has a name */
    char name[24];
    double from_s;
    int64_t asked, from, first, last, final;
    uint32_t events, late;
};

struct mark {
    int64_t sent, arrived;
};

static struct {
    struct http_load load;
    struct stream *streams;
    size_t n, opened, begun, over;
    double *margins; /* ms: due less arrival */
    size_t n_margins, cap_margins;
    struct mark *marks;
    size_t n_marks, cap_marks;
    uint64_t bytes, refused;
    bool counting;
} b;

/* ---- what arrives ---- */

static void add_margin(double ms)
{
    if (b.n_margins == b.cap_margins) {
        b.cap_margins = b.cap_margins * 2 + 4096;
        b.margins = reallocarray(b.margins, b.cap_margins, sizeof(*b.margins));
        bench_need(b.margins != NULL, "memory");
    }
    b.margins[b.n_margins++] = ms;
}

static void add_mark(int64_t sent, int64_t arrived)
{
    if (b.n_marks == b.cap_marks) {
        b.cap_marks = b.cap_marks * 2 + 4096;
        b.marks = reallocarray(b.marks, b.cap_marks, sizeof(*b.marks));
        bench_need(b.marks != NULL, "memory");
    }
    b.marks[b.n_marks++] = (struct mark){ sent, arrived };
}

static void on_content(struct stream *s, const char *data, int64_t now)
{
    const char *at = strchr(data, '@');

    s->events++;
    s->last = now;
    if (s->state == ASKED) {
        s->state = RUNNING;
        s->first = now;
        b.begun++;
    }
    if (at != NULL)
        add_mark(strtoll(at + 1, NULL, 10), now);
    if (data[0] == '[' && s->from != 0 && b.counting) {
        double margin = (strtod(data + 1, NULL) - s->from_s) * 1e3 - (double) (now - s->from) / 1e6;

        add_margin(margin);
        if (margin < 0)
            s->late++;
    }
}

static void on_named(struct stream *s, const char *data, int64_t now)
{
    const char *at;

    if (strcmp(s->name, "from") == 0) {
        s->from = now;
        at = strstr(data, "\"at_ms\":");
        s->from_s = at != NULL ? strtod(at + 8, NULL) / 1e3 : 0;
        return;
    }
    at = strstr(data, "\"code\":");
    if (at != NULL) {
        s->final = now;
        s->code = atoi(at + 7);
    }
}

static void on_line(struct stream *s, int64_t now)
{
    s->line[s->line_n] = '\0';
    if (s->line_n == 0) {
        s->named = false;
    } else if (strncmp(s->line, "event: ", 7) == 0) {
        s->named = true;
        (void) snprintf(s->name, sizeof(s->name), "%s", s->line + 7);
    } else if (strncmp(s->line, "data: ", 6) == 0) {
        if (s->named)
            on_named(s, s->line + 6, now);
        else
            on_content(s, s->line + 6, now);
    }
}

static void on_body(struct http_conn *c, struct span bytes)
{
    struct stream *s = c->ctx;
    int64_t now;

    if (s->state < ASKED)
        return;
    if (s->status != 200) {
        if (b.refused == 1)
            fprintf(stderr, "bench-streams: %d %.*s\n", s->status, (int) bytes.n, (const char *) bytes.p);
        return;
    }
    now = now_ns();
    b.bytes += bytes.n;
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n') {
            on_line(s, now);
            s->line_n = 0;
        } else if (s->line_n + 1 < LINE_KEEP) {
            s->line[s->line_n++] = (char) bytes.p[i];
        }
    }
}

static void on_head(struct http_conn *c, int status)
{
    struct stream *s = c->ctx;

    s->status = status;
    if (s->state == ASKED && status != 200)
        b.refused++;
}

static void stream_over(struct stream *s)
{
    if (s->state == OVER)
        return;
    if (s->state == ASKED)
        b.begun++;
    s->state = OVER;
    b.over++;
}

static void on_done(struct http_conn *c)
{
    struct stream *s = c->ctx;

    if (s->state == WARMING) {
        s->state = READY;
        b.opened++;
    } else {
        stream_over(s);
    }
}

static void on_closed(struct http_conn *c)
{
    struct stream *s = c->ctx;

    bench_need(s->state >= ASKED, "an open connection");
    stream_over(s);
}

static void on_opened(struct http_conn *c)
{
    static char warm[200];
    struct stream *s = c->ctx;

    s->state = WARMING;
    (void) snprintf(warm, sizeof(warm), "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", b.load.host);
    http_send(c, span_str(warm));
}

static const struct http_on on = { on_opened, on_head, on_body, on_done, on_closed };

/* ---- the run ---- */

static void count_streams(const char *path)
{
    struct buf file = BUF_INIT(1u << 30);
    struct span rest, line;

    bench_read(path, &file);
    for (rest = buf_span(&file); span_cut(rest, '\n', &line, &rest);)
        b.n++;
    b.streams = calloc(b.n, sizeof(*b.streams));
    bench_need(b.streams != NULL && b.n > 0, "memory");
    buf_deinit(&file);
}

static void read_streams(const char *path)
{
    struct buf file = BUF_INIT(1u << 30);
    struct span rest, line, address, key;
    size_t i = 0;

    bench_read(path, &file);
    for (rest = buf_span(&file); i < b.n && span_cut(rest, '\n', &line, &rest); i++) {
        struct buf r = BUF_INIT(8192);

        bench_need(span_cut(line, ' ', &address, &key), "PATH KEY");
        buf_addf(&r, "GET " SPAN_FMT " HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", SPAN_ARG(address), b.load.host);
        if (!span_eq_str(key, "-"))
            buf_addf(&r, "Authorization: Bearer " SPAN_FMT "\r\n", SPAN_ARG(key));
        buf_add_str(&r, "\r\n");
        bench_need(!r.failed, "memory");
        b.streams[i].request = buf_span(&r); /* kept until the program ends */
    }
    bench_need(i == b.n, "as many streams as before");
    buf_deinit(&file);
}

static void open_all(void)
{
    size_t asked = 0;

    while (b.opened < b.n) {
        while (asked < b.n && asked - b.opened < OPENING_MAX) {
            http_open(&b.load, &b.streams[asked].conn, &on, &b.streams[asked]);
            asked++;
        }
        http_poll(&b.load, 1000);
    }
}

static bool told(void)
{
    char c;

    return read(STDIN_FILENO, &c, 1) > 0;
}

static void say(const char *word)
{
    printf("%s\n", word);
    (void) fflush(stdout);
}

static void ask_all(double ramp_s)
{
    int64_t began = now_ns();

    for (size_t i = 0; i < b.n; i++) {
        int64_t at = began + (int64_t) (ramp_s * 1e9 * (double) i / (double) b.n);

        while (now_ns() < at)
            http_poll(&b.load, 1);
        b.streams[i].state = ASKED;
        b.streams[i].asked = now_ns();
        http_send(&b.streams[i].conn, b.streams[i].request);
        if (i % 16 == 0)
            http_poll(&b.load, 0);
    }
}

static void run(double ramp_s, double run_s)
{
    int64_t until;

    ask_all(ramp_s);
    while (b.begun < b.n && !told())
        http_poll(&b.load, 5);
    b.counting = true;
    say("begun");
    until = now_ns() + (int64_t) (run_s * 1e9);
    while (now_ns() < until && b.over < b.n && !told())
        http_poll(&b.load, 5);
    say("over");
}

/* ---- the report ---- */

static void write_out(const char *path)
{
    FILE *f = fopen(path, "w");

    bench_need(f != NULL, path);
    for (size_t i = 0; i < b.n; i++) {
        const struct stream *s = &b.streams[i];

        fprintf(f, "%lld %lld %lld %lld %lld %d %u %u\n", (long long) s->asked, (long long) s->from, (long long) s->first, (long long) s->last,
                (long long) s->final, s->code, s->events, s->late);
    }
    for (size_t i = 0; i < b.n_marks; i++)
        fprintf(f, "@ %lld %lld\n", (long long) b.marks[i].sent, (long long) b.marks[i].arrived);
    bench_need(fclose(f) == 0, path);
}

static void report(void)
{
    double *first = calloc(b.n, sizeof(*first));
    uint64_t events = 0, late = 0;
    size_t n_first = 0;

    bench_need(first != NULL, "memory");
    for (size_t i = 0; i < b.n; i++) {
        const struct stream *s = &b.streams[i];

        events += s->events;
        late += s->late;
        if (s->first != 0)
            first[n_first++] = (double) (s->first - s->asked) / 1e6;
    }
    bench_sort(first, n_first);
    bench_sort(b.margins, b.n_margins);
    printf("{\"streams\":%zu,\"refused\":%llu,\"over\":%zu,\"events\":%llu,\"bytes\":%llu,\"counted\":%zu,\"late\":%llu,\"first_p50_ms\":%.3f,"
           "\"first_p99_ms\":%.3f,\"first_max_ms\":%.3f,\"margin_min_ms\":%.3f,\"margin_p01_ms\":%.3f,\"margin_p50_ms\":%.3f}\n",
           n_first, (unsigned long long) b.refused, b.over, (unsigned long long) events, (unsigned long long) b.bytes, b.n_margins,
           (unsigned long long) late, bench_quantile(first, n_first, 0.5), bench_quantile(first, n_first, 0.99), bench_quantile(first, n_first, 1),
           bench_quantile(b.margins, b.n_margins, 0), bench_quantile(b.margins, b.n_margins, 0.01), bench_quantile(b.margins, b.n_margins, 0.5));
    free(first);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "http2", no_argument, NULL, '2' }, { "ca", required_argument, NULL, 'c' },   { "ramp", required_argument, NULL, 'm' }, { "run", required_argument, NULL, 'r' },
        { "sources", required_argument, NULL, 's' }, { "out", required_argument, NULL, 'o' },  { 0 },
    };
    const char *ca = NULL, *out = NULL;
    double ramp_s = 1, run_s = 10;
    bool http2 = false;
    unsigned sources = 0;
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case '2': http2 = true; break;
        case 'c': ca = optarg; break;
        case 'm': ramp_s = atof(optarg); break;
        case 'r': run_s = atof(optarg); break;
        case 's': sources = (unsigned) atoi(optarg); break;
        case 'o': out = optarg; break;
        default: return 2;
        }
    }
    bench_need(argc - optind == 2, "bench-streams [--ca PEM] [--http2] [--ramp S] [--run S] [--sources N] [--out FILE] ADDRESS:PORT STREAMS");
    http_load_init(&b.load, argv[optind], ca, http2);
    b.load.n_sources = sources;
    count_streams(argv[optind + 1]);
    open_all();
    bench_cue("ready");
    read_streams(argv[optind + 1]);
    bench_need(fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    run(ramp_s, run_s);
    if (out != NULL)
        write_out(out);
    report();
    (void) fflush(stdout);
    bench_need(fcntl(STDIN_FILENO, F_SETFL, 0) == 0, "fcntl");
    bench_heard();
    return 0;
}
