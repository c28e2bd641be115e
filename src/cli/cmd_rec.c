/*
 * keyhole rec: the command. Options -> token, spool, what the server is told -> rec_run -> what is left is sent, as long as
 * that goes on -> a line that says where it is.
 */
#include "cli/rec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/access.h"
#include "cli/rec_left.h"
#include "cli/rec_tty.h"
#include "codec/base64.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "os/clock.h"
#include "os/file.h"

#define LINGER_MS      5000 /* after the end, with a server that is away */
#define HANGS_MS       20000 /* the same, with one that has taken a call and says nothing */
#define SPOOL_MAX      (256u << 20)
#define COMMAND_MAX    4096 /* of the head's command */
#define TOKEN_FILE_MAX 2048

struct recording {
    struct rec rec;
    struct rec_spool *spool;
    char *spool_path;
    int spool_fd;
    uint64_t spool_max;
    struct buf token, create, command;
    char key[32];
    char **argv; /* of a shell */
    char *shell_name;
    bool quiet;
};

/* ---- what to run ---- */

static bool executable(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0;
}

/* So that a slip of the fingers does not make a recording. */
static bool command_exists(const char *file)
{
    const char *path = getenv("PATH");
    struct span rest = span_str(path != NULL ? path : "/bin:/usr/bin"), dir;
    char name[4096];

    if (strchr(file, '/') != NULL)
        return executable(file);
    while (rest.n > 0) {
        struct span tail = SPAN_EMPTY;

        (void) span_cut(rest, ':', &dir, &tail);
        if (snprintf(name, sizeof(name), SPAN_FMT "/%s", SPAN_ARG(dir), file) < (int) sizeof(name) && executable(name))
            return true;
        rest = tail;
    }
    return false;
}

static const char *shell_of(const struct cli *c)
{
    const char *shell = args_value(&c->args, "shell");

    if (shell == NULL)
        shell = getenv("SHELL");
    if (shell == NULL || shell[0] == '\0' || rec_left_is_us(shell)) /* a login shell that is us */
        shell = executable("/bin/bash") ? "/bin/bash" : "/bin/sh";
    return shell;
}

/* "-bash": how a shell hears that it is the first one of a login. */
static int login_argv(struct recording *r, const char *shell, const char *command)
{
    const char *slash = strrchr(shell, '/');

    r->argv = calloc(4, sizeof(*r->argv));
    if (r->argv == NULL || asprintf(&r->shell_name, "%s%s", command == NULL ? "-" : "", slash != NULL ? slash + 1 : shell) < 0) {
        r->shell_name = NULL;
        return fail("no memory");
    }
    r->argv[0] = r->shell_name;
    if (command != NULL) {
        r->argv[1] = (char *) (uintptr_t) "-c";
        r->argv[2] = (char *) (uintptr_t) command;
    }
    return EXIT_DONE;
}

static int what_to_run(struct recording *r, struct cli *c)
{
    const char *shell = shell_of(c), *command = getenv("SSH_ORIGINAL_COMMAND");
    bool login = args_flag(&c->args, "login");

    r->rec.pty = true;
    r->rec.file = c->args.n_words > 0 ? c->args.words[0] : shell;
    if (c->args.n_words > 0) {
        r->rec.argv = c->args.words;
        if (login && c->args.n_words == 3 && strcmp(c->args.words[1], "-c") == 0)
            r->rec.pty = isatty(STDIN_FILENO);
    } else if (login) {
        int code = login_argv(r, shell, command);

        if (code != EXIT_DONE)
            return code;
        r->rec.argv = r->argv;
        r->rec.pty = command == NULL || isatty(STDIN_FILENO);
        (void) setenv("SHELL", shell, 1);
    } else {
        static char *bare[2];

        bare[0] = (char *) (uintptr_t) shell;
        r->rec.argv = bare;
    }
    if (!command_exists(r->rec.file))
        return (void) fail("%s: no such command", r->rec.file), 127;
    for (size_t i = 0; r->rec.argv[i] != NULL; i++)
        buf_addf(&r->command, "%s%s", i > 0 ? " " : "", i == 0 ? r->rec.file : r->rec.argv[i]);
    return EXIT_DONE;
}

/* ---- options ---- */

/* "^X", "^]" or "none". */
static bool parse_key(const char *text, int *ret)
{
    char c;

    *ret = -1;
    if (strcmp(text, "none") == 0)
        return true;
    if (text[0] != '^' || text[1] == '\0' || text[2] != '\0')
        return false;
    c = text[1] >= 'a' && text[1] <= 'z' ? (char) (text[1] - 32) : text[1];
    *ret = c ^ 0x40;
    return c >= '@' && c <= '_';
}

static bool parse_size(const char *text, int *ret_cols, int *ret_rows)
{
    struct span cols, rows;
    uint64_t c, r;

    if (!span_cut(span_str(text), 'x', &cols, &rows) || !num_u64(cols, 720, &c) || !num_u64(rows, 200, &r) || c == 0 || r == 0)
        return false;
    *ret_cols = (int) c;
    *ret_rows = (int) r;
    return true;
}

/* "256M" */
static bool parse_bytes(const char *text, uint64_t *ret)
{
    struct span s = span_str(text);
    unsigned shift = 0;

    if (s.n > 1 && strchr("KMG", s.p[s.n - 1]) != NULL) {
        shift = s.p[s.n - 1] == 'K' ? 10 : s.p[s.n - 1] == 'M' ? 20 : 30;
        s.n--;
    }
    if (!num_u64(s, 1u << 20, ret))
        return false;
    *ret <<= shift;
    return *ret >= 1u << 20;
}

static int read_options(struct recording *r, struct cli *c)
{
    const char *marker = args_value(&c->args, "marker-key"), *size = args_value(&c->args, "size"),
               *max = args_value(&c->args, "spool-max"), *v;

    r->rec.marker = -1;
    r->rec.input = args_flag(&c->args, "input");
    r->quiet = args_flag(&c->args, "quiet");
    r->spool_max = SPOOL_MAX;
    if (marker != NULL && !parse_key(marker, &r->rec.marker))
        return usage(c, "--marker-key is a control key, as ^] or ^T, or none");
    if (size != NULL && !parse_size(size, &r->rec.cols, &r->rec.rows))
        return usage(c, "--size is COLSxROWS, at most 720x200");
    if (max != NULL && !parse_bytes(max, &r->spool_max))
        return usage(c, "--spool-max is from 1M on, as 64M or 1G");
    for (size_t i = 0; (v = args_nth(&c->args, "link", i)) != NULL; i++) {
        if (strchr(v, ':') == NULL || v[0] == ':')
            return usage(c, "a link is TYPE:ID, as error:ERR-7F3A21");
    }
    return EXIT_DONE;
}

/* ---- what the server is told ---- */

static void add_tags(const struct cli *c, struct jsonw *w)
{
    const char *v;

    jsonw_kobj(w, "tags");
    for (size_t i = 0; (v = args_nth(&c->args, "tag", i)) != NULL; i++) {
        struct span name, value = SPAN_EMPTY;

        (void) span_cut(span_str(v), '=', &name, &value);
        jsonw_key_span(w, name);
        jsonw_str(w, value);
    }
    jsonw_obj_end(w);
}

static void add_links(const struct cli *c, struct jsonw *w)
{
    const char *v;

    jsonw_karr(w, "links");
    for (size_t i = 0; (v = args_nth(&c->args, "link", i)) != NULL; i++) {
        struct span type, id = SPAN_EMPTY;

        (void) span_cut(span_str(v), ':', &type, &id);
        jsonw_obj(w);
        jsonw_kstr(w, "type", type);
        jsonw_kstr(w, "id", id);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
}

/* An asciicast v2 header: content, encrypted with the events. */
static void add_head(const struct recording *r, struct jsonw *w, time_ms now)
{
    static const char *const names[] = { "SHELL", "TERM" };
    int cols, rows;

    rec_size(&r->rec, &cols, &rows);
    jsonw_kobj(w, "head");
    jsonw_kint(w, "version", 2);
    jsonw_kint(w, "width", cols);
    jsonw_kint(w, "height", rows);
    jsonw_kint(w, "timestamp", now / 1000);
    jsonw_kstr(w, "command", span_sub(buf_span(&r->command), 0, COMMAND_MAX));
    if (args_value(&r->rec.c->args, "title") != NULL)
        jsonw_kcstr(w, "title", args_value(&r->rec.c->args, "title"));
    jsonw_kobj(w, "env");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (getenv(names[i]) != NULL)
            jsonw_kcstr(w, names[i], getenv(names[i]));
    }
    jsonw_obj_end(w);
    jsonw_obj_end(w);
}

static int make_create(struct recording *r)
{
    static const char *const members[] = { "title", "subject", "session", "env", "class" };
    const struct cli *c = r->rec.c;
    time_ms now = clock_wall_ms();
    struct jsonw w;

    r->rec.started_us = clock_mono_us();
    jsonw_init(&w, &r->create);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "kind", "terminal");
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (args_value(&c->args, members[i]) != NULL)
            jsonw_kcstr(&w, members[i], args_value(&c->args, members[i]));
    }
    if (args_value(&c->args, "tag") != NULL)
        add_tags(c, &w);
    if (args_value(&c->args, "link") != NULL)
        add_links(c, &w);
    jsonw_ktime(&w, "started_at", now);
    add_head(r, &w, now);
    jsonw_obj_end(&w);
    return jsonw_done(&w) ? EXIT_DONE : usage(c, "that is more than a recording can say about itself");
}

/* ---- the spool ---- */

/* Without one the recording goes on, in memory: that is said, and nothing else changes. */
static void open_spool(struct recording *r)
{
    const char *dir = args_value(&r->rec.c->args, "spool");
    struct err_info e = { 0 };
    struct buf head = BUF_INIT(1u << 20);
    struct jsonw w;
    uint64_t at;

    jsonw_init(&w, &head);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "url", http_url(r->rec.c->http));
    jsonw_kcstr(&w, "key", r->key);
    jsonw_kraw(&w, "create", buf_span(&r->create));
    jsonw_obj_end(&w);
    if (rec_spool_dir(dir, &r->spool_fd, &r->spool_path, &e) != ERR_OK || rec_spool_new(r->spool_fd, &r->spool, &e) != ERR_OK) {
        note("no spool: %s", e.text);
    } else if (rec_spool_add(r->spool, REC_SPOOL_HEAD, buf_span(&head), &at, &e) != ERR_OK) {
        note("no spool: %s", e.text);
        r->spool = rec_spool_remove(r->spool);
    }
    if (r->spool == NULL)
        note("  while the server is away at most %u MiB can be kept, and nothing after the end", REC_BOX_MEMORY_MAX >> 20);
    buf_deinit(&head);
}

/* ---- from here to there ---- */

static int prepare(struct recording *r)
{
    struct cli *c = r->rec.c;
    uint8_t rnd[16];
    struct rec_send_options o;
    int code = cli_connect(c);

    if (code == EXIT_DONE)
        code = rec_left_token(c, &r->token);
    if (code == EXIT_DONE)
        code = make_create(r);
    if (code != EXIT_DONE)
        return code;
    random_fill(rnd, sizeof(rnd));
    (void) base64url_str(rnd, sizeof(rnd), r->key, sizeof(r->key));
    open_spool(r);
    r->rec.box = rec_box_new(r->spool, r->spool_max);
    o = (struct rec_send_options){ .http = c->http, .token = r->token.n > 0 ? buf_cstr(&r->token) : NULL,
                                   .project = args_value(&c->args, "project"), .box = r->rec.box, .spool = r->spool,
                                   .create = buf_span(&r->create), .key = r->key };
    r->rec.send = r->rec.box != NULL ? rec_send_new(&o) : NULL;
    return r->rec.send != NULL ? EXIT_DONE : fail("no memory for a recording");
}

static void say_begin(const struct recording *r)
{
    const char *title = args_value(&r->rec.c->args, "title"),
               *how = r->rec.c->args.n_words == 0 ? "; exit or Ctrl-D ends it" : "";

    if (r->quiet || r->rec.c->json || !isatty(STDERR_FILENO))
        return;
    if (title != NULL)
        note("recording \"%s\"%s", title, how);
    else
        note("recording%s", how);
}

static bool interrupted(int signals)
{
    int sig;

    while ((sig = rec_tty_signal(signals)) != 0) {
        if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT)
            return true;
    }
    return false;
}

/* Until all is there; a server that is away has LINGER_MS. */
static struct rec_status wait_for_server(struct recording *r)
{
    int64_t began = mono_ms();
    int signals = rec_tty_signals();
    struct rec_status st;
    bool told = r->quiet || r->rec.c->json;

    rec_send_ending(r->rec.send);
    for (;;) {
        struct pollfd p[2] = { { rec_send_fd(r->rec.send), POLLIN, 0 }, { signals, POLLIN, 0 } };
        int64_t now = mono_ms(), since;

        st = *rec_send_lock(r->rec.send);
        rec_send_unlock(r->rec.send);
        since = st.moved_at > began ? st.moved_at : began;
        if (st.state == REC_DONE || st.state == REC_REFUSED || now - since >= (st.state == REC_GOING ? HANGS_MS : LINGER_MS))
            break;
        if (!told && now - began > 1000) {
            note("sending what is left; Ctrl-C leaves it in the spool");
            told = true;
        }
        (void) poll(p, 2, 200);
        rec_send_heard(r->rec.send);
        if (interrupted(signals))
            break;
    }
    os_closep(&signals);
    return st;
}

static void say_end(const struct recording *r, const struct rec_status *st)
{
    struct buf b = BUF_INIT(4096);
    uint64_t missing = rec_box_missing(r->rec.box);

    text_duration(&b, rec_box_last_us(r->rec.box) / 1000, false);
    if (st->state == REC_DONE) {
        note("recorded %s (%s, %llu events). Who needs to see it asks:", st->first_rid, buf_cstr(&b),
             (unsigned long long) rec_box_count(r->rec.box));
        note("  keyhole request %s --purpose CODE --reason TEXT --for 30m --wait", st->first_rid);
    } else if (r->spool != NULL) {
        note("%s is not complete on the server: %s", st->first_rid[0] != '\0' ? st->first_rid : "the recording",
             st->why[0] != '\0' ? st->why : "there was no time");
        note("  what is missing there is encrypted in %s/%s; send it later:", r->spool_path, rec_spool_name(r->spool));
        note("  keyhole rec --send-spool%s%s", args_value(&r->rec.c->args, "spool") != NULL ? " --spool " : "",
             args_value(&r->rec.c->args, "spool") != NULL ? args_value(&r->rec.c->args, "spool") : "");
    } else {
        note("%s is not complete, and what was not sent is lost: %s", st->first_rid[0] != '\0' ? st->first_rid : "the recording",
             st->why);
    }
    if (st->parts > 1)
        note("  the server ended it in between: it is in %u parts, linked as continues:%s and on", st->parts, st->first_rid);
    if (missing > 0)
        note("  %llu events are missing: there was no room for them while the server was away; markers in it say where",
             (unsigned long long) missing);
    if (st->lost > 0)
        note("  the server has lost %llu events or batches that it had confirmed", (unsigned long long) st->lost);
    buf_deinit(&b);
}

static void print_end(const struct recording *r, const struct rec_status *st)
{
    struct buf b = BUF_INIT(8192);
    struct jsonw w;

    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "id", st->first_rid[0] != '\0' ? st->first_rid : NULL);
    jsonw_kcstr(&w, "state", st->state == REC_DONE ? "complete" : r->spool != NULL ? "spooled" : "incomplete");
    jsonw_kint(&w, "events", (int64_t) rec_box_count(r->rec.box));
    jsonw_kint(&w, "duration_ms", rec_box_last_us(r->rec.box) / 1000);
    jsonw_kint(&w, "exit_status", r->rec.exit_status);
    jsonw_kint(&w, "parts", st->parts);
    jsonw_kcstr(&w, "last_id", st->rid[0] != '\0' ? st->rid : NULL);
    jsonw_kint(&w, "missing_events", (int64_t) rec_box_missing(r->rec.box));
    if (st->state != REC_DONE) {
        jsonw_kcstr(&w, "spool", r->spool != NULL ? rec_spool_name(r->spool) : NULL);
        jsonw_kcstr(&w, "why", st->why);
    }
    jsonw_obj_end(&w);
    (void) printf("%s\n", buf_cstr(&b));
    (void) fflush(stdout);
    buf_deinit(&b);
}

/* Returns the exit code. */
static int record(struct recording *r)
{
    struct err_info e = { 0 };
    struct rec_status st;
    int code;
    enum err err;

    say_begin(r);
    err = rec_run(&r->rec, &e);
    if (!r->rec.began) {
        st = *rec_send_lock(r->rec.send);
        rec_send_unlock(r->rec.send);
        code = err == ERR_DENIED ? fail("%s", st.why) : fail_err(&e);
        if (err == ERR_DENIED)
            code = st.exit_code;
        r->spool = rec_send_finish(r->rec.send, 1000) ? rec_spool_remove(r->spool) : NULL;
        return code;
    }
    st = wait_for_server(r);
    if (!rec_send_finish(r->rec.send, 1000))
        r->rec.send = NULL; /* it hangs in a call: the process ends around it */
    if (r->rec.c->json)
        print_end(r, &st);
    else if (!r->quiet || st.state != REC_DONE)
        say_end(r, &st);
    if (st.state == REC_DONE)
        r->spool = rec_spool_remove(r->spool);
    return r->rec.exit_status;
}

static void recording_deinit(struct recording *r)
{
    bool hangs = r->rec.began && r->rec.send == NULL;

    if (!hangs) {
        r->rec.send = rec_send_free(r->rec.send);
        r->rec.box = rec_box_free(r->rec.box);
        r->spool = rec_spool_close(r->spool);
        os_closep(&r->spool_fd);
    } else {
        (void) fflush(NULL);
        _exit(r->rec.exit_status);
    }
    if (r->token.n > 0)
        explicit_bzero(r->token.p, r->token.n);
    buf_deinit(&r->token);
    buf_deinit(&r->create);
    buf_deinit(&r->command);
    free(r->spool_path);
    free(r->shell_name);
    free(r->argv);
}

static int run_rec(struct cli *c)
{
    struct recording r = { .rec = { .c = c }, .spool_fd = -1, .token = BUF_INIT(TOKEN_FILE_MAX), .create = BUF_INIT(512u << 10),
                           .command = BUF_INIT(64u << 10) };
    int code;

    (void) !secret_init(64, 8, NULL); /* a slab for one spool, not for a server */
    if (args_flag(&c->args, "send-spool"))
        return rec_left_send(c);
    code = read_options(&r, c);
    if (code == EXIT_DONE)
        code = what_to_run(&r, c);
    if (code == EXIT_DONE)
        code = prepare(&r);
    if (code == EXIT_DONE)
        code = record(&r);
    recording_deinit(&r);
    return code;
}

const struct command cmd_rec = {
    .name = "rec",
    .heading = "Recordings",
    .summary = "Records a terminal as it happens, and sends it to the server at once",
    .synopsis = "[--title T] [--ingest-token-file F] [--tag NAME=VALUE]... [--link TYPE:ID]... [--] [COMMAND [ARG]...]",
    .text =
        "Runs COMMAND (your $SHELL unless said) on a terminal of its own and sends what it shows to the server while it happens, so\n"
        "that whoever is granted `live` follows it. Your terminal and the exit status are as without it. Only what you state\n"
        "(title, tags, ...) is visible without access; the command line, the terminal's type and all that is shown is content.\n"
        "The command finds the recording's id in KEYHOLE_RECORDING.\n\n"
        "Recorded are output, changes of size, markers (--marker-key) and the exit status, with times in microseconds. With --input\n"
        "also what is typed, but never while the terminal does not echo: keys are held back for a quarter of a second, and when\n"
        "echo is found off within that time they are dropped. What was typed ahead of a prompt by more than that, while the\n"
        "terminal still echoed it, stands on the screen and in the output. Shells that draw what is typed themselves (bash, zsh)\n"
        "turn echo off at their prompt: there the output shows it, and no input is recorded. Bytes that are not UTF-8 become\n"
        "U+FFFD.\n\n"
        "The token is one of `keyhole token add --ingest`: --ingest-token-file, else KEYHOLE_TOKEN when that is one (the command\n"
        "does not get it then). Without one, a project-admin's sign-in makes one for the project and revokes it at the end.\n\n"
        "The server may go away at any time, also before the start: the command never waits for it. What the server has not\n"
        "confirmed is in a spool on disk (--spool), and goes on from there as soon as the server is back; each confirmed event is\n"
        "there once, in order. The spool is encrypted with a key of its own for each recording, wrapped with the key in spool.key\n"
        "beside it. That protects a spool file that gets away alone: a copy, a backup, blocks that are used again. It does not\n"
        "protect from root, from you, or from somebody who has the whole directory. It is written with every piece and not synced: it\n"
        "survives kill -9, a power loss may cost the last seconds. Beyond --spool-max output is left out, a marker says how\n"
        "much, and the command goes on. A start that the server refuses (the token is not taken, say) runs nothing.\n"
        "`keyhole rec --send-spool` sends what earlier recordings left behind, and ends them. When the server has ended a\n"
        "recording meanwhile (15 min without a sign of it), the rest becomes a recording of its own with a link `continues`.\n\n"
        "As a login shell: --login, or under the name keyhole-rec (a link to keyhole, in /etc/shells), or with a - before its name,\n"
        "as login and sshd start it. Options are then also read from /etc/keyhole/rec.options, one a line, as --url https://HOST;\n"
        "lines with # are comments. It runs --shell, else $SHELL when that is another one, as login shell; -c COMMAND and, under sshd's\n"
        "ForceCommand, SSH_ORIGINAL_COMMAND run as that shell would run them. Such a command without a terminal (scp, sftp, rsync, git)\n"
        "gets pipes that change no byte, and what it prints is recorded. It runs as the user whom it records: it is a record,\n"
        "no jail.\n\n"
        "The last line says the recording's id and how to ask for it; with --json it is an object on standard output.\n"
        "Exit status: the command's (128 + n for signal n); 1, 2 or 3 when nothing was run; of --send-spool: 1 when something is left.",
    .example =
        "$ keyhole rec --title 'Upgrade of the ledger' --link ticket:OPS-311 --ingest-token-file ~/.keyhole-ingest -- ./upgrade.sh\n"
        "keyhole: recorded r_2Dz2Sr-SnSlnd8aT (4:05, 812 events). Who needs to see it asks:\n"
        "keyhole:   keyhole request r_2Dz2Sr-SnSlnd8aT --purpose CODE --reason TEXT --for 30m --wait\n"
        "$ keyhole rec --send-spool --ingest-token-file ~/.keyhole-ingest\n"
        "in sshd_config:\n"
        "Match Group oncall\n"
        "    ForceCommand /usr/bin/keyhole rec --login --quiet --ingest-token-file /etc/keyhole/rec.token --url https://rec.example.com",
    .opts = (const struct opt[]){ { "project", 'p', "P", "id or name, without an ingest token; may be left out while there is one", false },
                                  { "title", 't', "TEXT", "what everybody who may ask for it sees", false },
                                  { "subject", 0, "ID", "the recorded person", false },
                                  { "session", 0, "ID", "the visit or shift it belongs to", false },
                                  { "env", 0, "ENV", "one of the configured environments", false },
                                  { "class", 0, "CLASS", "how sensitive it is, for the policy", false },
                                  { "tag", 0, "NAME[=VALUE]", "a tag", true },
                                  { "link", 0, "TYPE:ID", "a link to an error, ticket, trace, order", true },
                                  { "ingest-token-file", 0, "FILE", "the token of keyhole token add --ingest", false },
                                  { "input", 0, NULL, "record what is typed, too, but not without echo", false },
                                  { "marker-key", 0, "KEY", "^], say: sets a marker and is not passed on; none unless said", false },
                                  { "size", 0, "COLSxROWS", "of the terminal, instead of yours (80x24 without one)", false },
                                  { "spool", 0, "DIR", "instead of ~/.local/state/keyhole/spool", false },
                                  { "spool-max", 0, "BYTES", "that may wait in it: 64M, 1G; 256M unless said", false },
                                  { "send-spool", 0, NULL, "send what earlier recordings left, and nothing else", false },
                                  { "login", 0, NULL, "as a login shell", false },
                                  { "shell", 0, "FILE", "the shell of a login", false },
                                  { "quiet", 'q', NULL, "say nothing unless something is wrong", false },
                                  { 0 } },
    .words_max = 100000,
    .run = run_rec,
};
