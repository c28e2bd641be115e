#include "server/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "os/file.h"
#include "server/config.h"
#include "server/demo_files.h"
#include "server/init.h"
#include "server/listen.h"
#include "server/supervisor.h"

#define FIRST_PORT 8080

struct demo {
    char dir[4096], config[4200], token[128];
    bool temporary, fresh;
    char url[256], host[200]; /* host: "localhost:8080" */
    pthread_t filler;
    bool filling;
    _Atomic(pid_t) recorder; /* of the live recording; 0: none */
};

static const char *const accounts[][2] = {
    { "engineer", "wants to see what happened, and has to ask" },
    { "second-engineer", "may ask to watch along" },
    { "approver", "decides about it" },
    { "lead", "may decide, too" },
    { "auditor", "reads who watched what, when and why" },
};

struct recording {
    const char *kind, *title, *subject, *error, *ticket, *tag;
    struct span (*bytes)(void);
};

static const struct recording recordings[] = {
    { "rrweb", "Checkout fails for a discounted cart", "customer-4711", "error:ERR-7F3A21", "ticket:SUP-1482", "shop",
      demo_checkout },
    { "terminal", "Restart of the wrong unit", "oncall-2", "error:ERR-51C0DE", "ticket:OPS-311", "on-call",
      demo_restart },
};

/* ---- filling it ---- */

/* The recording's bytes as a file in memory: nothing plain touches a disk. */
static int memory_file(struct span bytes)
{
    int fd = memfd_create("recording", MFD_CLOEXEC);

    if (fd >= 0 && (os_write_all(fd, bytes, NULL) != ERR_OK || lseek(fd, 0, SEEK_SET) != 0))
        os_closep(&fd);
    return fd;
}

/* As a person would: `keyhole import` with the administrator's token. */
static pid_t start_import(const struct demo *d, const struct recording *r, int input)
{
    const char *const argv[] = { "keyhole", "import",   "--kind", r->kind,   "--title", r->title, "--subject",
                                 r->subject, "--link", r->error, "--link", r->ticket,  "--tag",  r->tag,
                                 "-",        NULL };
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void) setenv("KEYHOLE_URL", d->url, 1);
    (void) setenv("KEYHOLE_TOKEN", d->token, 1);
    if (dup2(input, STDIN_FILENO) < 0)
        _exit(127);
    input = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void) dup2(input, STDOUT_FILENO);
    (void) execv("/proc/self/exe", (char *const *) (uintptr_t) argv);
    _exit(127);
}

static bool import_one(const struct demo *d, const struct recording *r)
{
    CLEANUP(os_closep) int input = memory_file(r->bytes());
    pid_t pid = input < 0 ? -1 : start_import(d, r, input);
    int status = -1;

    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- live now ---- */

#define STOP_STEP_MS 20
#define STOP_FIRST   60 /* steps until it is asked a second time: then it leaves at once */
#define STOP_LAST    100

/* As a person would: `keyhole rec`. A process group of its own: Ctrl-C is for the server, which ends it first. */
static pid_t start_recorder(const struct demo *d, bool left)
{
    struct span text = demo_status();
    char *script = span_dup(text), spool[4200], pid[24];
    const char *const live[] = { "keyhole", "rec",     "--quiet", "--title", "The server of this demo, live", "--tag",
                                 "server",  "--size",  "80x20",   "--spool", spool, "--", "sh", "-c", script, "status.sh",
                                 pid,       d->dir,    NULL };
    const char *const send[] = { "keyhole", "rec", "--send-spool", "--spool", spool, NULL };
    pid_t child;
    int null;

    (void) snprintf(spool, sizeof(spool), "%s/spool", d->dir);
    (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
    child = script == NULL ? -1 : fork();
    if (child != 0) {
        free(script);
        return child;
    }
    (void) setpgid(0, 0);
    (void) setenv("KEYHOLE_URL", d->url, 1);
    (void) setenv("KEYHOLE_TOKEN", d->token, 1);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void) dup2(null, STDIN_FILENO);
    (void) dup2(null, STDOUT_FILENO);
    if (left)
        (void) dup2(null, STDERR_FILENO);
    (void) execv("/proc/self/exe", (char *const *) (uintptr_t) (left ? send : live));
    _exit(127);
}

static void record_live(struct demo *d)
{
    pid_t left = d->fresh ? -1 : start_recorder(d, true); /* what the last run could not send */

    while (left > 0 && waitpid(left, NULL, 0) < 0 && errno == EINTR)
        continue;
    d->recorder = start_recorder(d, false);
    if (d->recorder < 0)
        d->recorder = 0;
}

/* The recording is complete before the server goes. */
static void on_stop(void *ctx)
{
    struct demo *d = ctx;
    const struct timespec step = { 0, STOP_STEP_MS * 1000000 };
    pid_t pid = d->recorder;

    if (pid == 0)
        return;
    (void) kill(pid, SIGTERM);
    for (int i = 0; i < STOP_LAST && waitpid(pid, NULL, WNOHANG) == 0; i++) {
        if (i == STOP_FIRST)
            (void) kill(pid, SIGTERM);
        (void) nanosleep(&step, NULL);
    }
    d->recorder = 0;
}

static void print_addresses(const struct demo *d)
{
    (void) printf("\nKeyhole demo: %s/\n\n"
                  "Two recordings are there, a third one is being made right now (a terminal that shows what this server is\n"
                  "doing), and nobody can open them. Each account has an address of its own, so that you can be all of them\n"
                  "in one browser:\n\n",
                  d->url);
    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
        (void) printf("  http://%s.%s/  %s\n", accounts[i][0], d->host, accounts[i][1]);
    (void) printf("\n  http://shop.%s/  a small shop that records itself: be the one who is recorded\n", d->host);
    (void) printf("\nOpen %s/ and press \"Watch it happen\", or begin as the engineer.\n"
                  "This is a demo: loopback only, without TLS. Ctrl-C ends it%s.\n\n",
                  d->url, d->temporary ? " and removes everything" : "");
    (void) fflush(stdout);
}

/* In a thread of its own: the supervisor's loop goes on meanwhile. */
static void *fill(void *arg)
{
    struct demo *d = arg;
    bool good = true;

    for (size_t i = 0; d->fresh && i < sizeof(recordings) / sizeof(recordings[0]); i++)
        good = import_one(d, &recordings[i]) && good;
    if (!good)
        (void) fprintf(stderr, "keyhole: not every demo recording could be imported; the log above says why\n");
    record_live(d);
    print_addresses(d);
    return NULL;
}

static void on_ready(void *ctx)
{
    struct demo *d = ctx;

    d->filling = pthread_create(&d->filler, NULL, fill, d) == 0;
    if (!d->filling)
        print_addresses(d);
}

/* ---- its directory ---- */

static enum err make(struct demo *d, unsigned port, struct err_info *reterr)
{
    char listen[40];
    struct init_result *r = calloc(1, sizeof(*r));
    struct init_options o = { .dir = d->dir, .listen = listen, .plain_loopback = true, .preset = "demo", .demo = true };
    enum err e;

    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a demo");
    (void) snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
    e = init_run(&o, r, reterr);
    if (e == ERR_OK) {
        memcpy(d->dir, r->dir, sizeof(d->dir));
        memcpy(d->token, r->admin_token, sizeof(d->token));
        d->fresh = true;
    }
    secret_wipe(r, sizeof(*r));
    free(r);
    return e;
}

/* Of a directory that is used again. */
static void read_token(struct demo *d)
{
    struct buf b = BUF_INIT(sizeof(d->token));
    char path[4200];

    (void) snprintf(path, sizeof(path), "%s/admin.token", d->dir);
    if (os_path_read(path, &b, NULL) == ERR_OK)
        (void) span_to_str(span_trim(buf_span(&b)), d->token, sizeof(d->token));
    if (b.n > 0)
        secret_wipe(b.p, b.n);
    buf_deinit(&b);
    d->token[strcspn(d->token, "\r\n")] = '\0';
}

static enum err find_url(struct demo *d, struct err_info *reterr)
{
    struct config *c = NULL;

    (void) snprintf(d->config, sizeof(d->config), "%s/keyhole.conf", d->dir);
    TRY(config_load(d->config, &c, reterr));
    (void) snprintf(d->url, sizeof(d->url), "%s", c->public_url);
    (void) snprintf(d->host, sizeof(d->host), "%s", c->public_url + strlen("http://"));
    (void) config_free(c);
    return ERR_OK;
}

static enum err prepare(struct demo *d, const struct demo_options *o, struct err_info *reterr)
{
    unsigned port = o->port != 0 ? o->port : listen_free_port(FIRST_PORT);
    char path[4200];

    if (port == 0)
        return ERR_RAISE(reterr, ERR_EXISTS, "no port from %d on is free: name one with --port", FIRST_PORT);
    if (o->dir != NULL) {
        (void) snprintf(d->dir, sizeof(d->dir), "%s", o->dir);
        (void) snprintf(path, sizeof(path), "%s/keyhole.conf", d->dir);
        if (access(path, R_OK) != 0)
            TRY(make(d, port, reterr));
        else
            read_token(d);
    } else {
        (void) snprintf(d->dir, sizeof(d->dir), "/tmp/keyhole-demo-XXXXXX");
        if (mkdtemp(d->dir) == NULL)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "make a temporary directory");
        d->temporary = true;
        TRY(make(d, port, reterr));
    }
    return find_url(d, reterr);
}

enum err demo_run(const struct demo_options *o, struct err_info *reterr)
{
    struct demo *d = calloc(1, sizeof(*d));
    struct server_options server = { .on_ready = on_ready, .on_stop = on_stop, .ctx = d };
    enum err e;

    if (d == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a demo");
    e = prepare(d, o, reterr);
    if (e == ERR_OK) {
        server.config_path = d->config;
        e = supervisor_run(&server, reterr);
    }
    if (d->filling)
        (void) pthread_join(d->filler, NULL);
    if (d->temporary)
        init_remove(d->dir);
    secret_wipe(d, sizeof(*d));
    free(d);
    return e;
}
