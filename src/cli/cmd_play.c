/* keyhole play: the command. Finds access or asks for it, reads the manifest, and hands over. */
#include "cli/play.h"
#include "cli/play_raw.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "codec/json.h"

#define PATH_CAP 8192

/* "1m20s", "80s", "1:20", "0:01:20.5" to ms. */
static bool parse_place(const char *text, int64_t *ret_ms)
{
    int64_t total = 0, part;
    struct span rest = span_str(text), head, tail = SPAN_EMPTY;
    uint64_t seconds, thousandths = 0;

    if (strchr(text, ':') != NULL) {
        while (span_cut(rest, ':', &head, &tail)) {
            uint64_t n;

            if (!num_u64(head, 100000, &n))
                return false;
            total = (total + (int64_t) n) * 60;
            rest = tail;
        }
        tail = SPAN_EMPTY;
        (void) span_cut(rest, '.', &rest, &tail);
        if (!num_u64(rest, 59, &seconds) || (tail.n > 0 && !num_u64(span_sub(tail, 0, 3), 999, &thousandths)))
            return false;
        for (size_t n = tail.n; n > 0 && n < 3; n++)
            thousandths *= 10;
        part = (int64_t) (seconds * 1000 + thousandths);
        *ret_ms = total * 1000 + part;
        return true;
    }
    while (rest.n > 0) { /* number and unit, one after another */
        size_t n = 0;

        while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9')
            n++;
        while (n < rest.n && !(rest.p[n] >= '0' && rest.p[n] <= '9'))
            n++;
        if (!num_duration_ms(span_sub(rest, 0, n), &part))
            return false;
        total += part;
        rest = span_sub(rest, n, rest.n);
    }
    *ret_ms = total;
    return text[0] != '\0';
}

static int place_option(struct cli *c, const char *name, int64_t *ret_ms)
{
    const char *v = args_value(&c->args, name);

    if (v == NULL || parse_place(v, ret_ms))
        return EXIT_DONE;
    return usage(c, "--%s is a place in the recording: 80s, 1m20s or 1:20", name);
}

static int read_options(struct play *p)
{
    const char *speed = args_value(&p->c->args, "speed");
    int64_t hundredths = 100;
    int code = check_id(p->c, p->rid, 'r', "a recording's id");

    if (code == EXIT_DONE)
        code = place_option(p->c, "from", &p->from_ms);
    if (code == EXIT_DONE)
        code = place_option(p->c, "to", &p->to_ms);
    if (code == EXIT_DONE && p->to_ms >= 0 && p->to_ms < p->from_ms)
        code = usage(p->c, "--to is before --from");
    if (code == EXIT_DONE && speed != NULL &&
        (!json_scaled(span_str(speed), 2, &hundredths) || hundredths < 25 || hundredths > 1600))
        code = usage(p->c, "--speed is from 0.25 to 16");
    p->speed = (double) hundredths / 100;
    p->unmask = args_flag(&p->c->args, "unmask");
    p->no_idle = args_flag(&p->c->args, "no-idle");
    p->follow = args_flag(&p->c->args, "follow") || args_flag(&p->c->args, "live");
    if (code == EXIT_DONE && p->follow && (p->to_ms >= 0 || speed != NULL))
        code = usage(p->c, "what is followed comes as it happens: without --to and --speed");
    return code;
}

static int ask(struct play *p)
{
    char *rids[] = { p->rid };
    struct http_reply r = { 0 }, after = { 0 };
    char q[ID_CAP];
    const char *actions = p->unmask ? (p->follow ? "play,live,unmask" : "play,unmask") : p->follow ? "play,live" : "play";
    int code = access_request(p->c, rids, 1, actions, &r);

    if (code == EXIT_DONE && span_to_str(get(r.root, "id"), q, sizeof(q))) {
        if (span_eq_str(get(r.root, "state"), "PENDING"))
            note("asked (%s), waiting until somebody decides", q);
        code = access_wait(p->c, q, 0, &after);
        if (code == EXIT_REFUSED)
            note("it was denied");
        else if (code == EXIT_IN_VAIN)
            note("nobody decided in time");
    }
    http_reply_deinit(&r);
    http_reply_deinit(&after);
    return code;
}

static int find_access(struct play *p, struct access *a)
{
    bool asking = args_flag(&p->c->args, "ask");
    const char *action = p->unmask ? "unmask" : p->follow ? "live" : "play";
    int code = access_find(p->c, p->rid, action, asking, a);

    if (code == EXIT_REFUSED && asking) {
        code = ask(p);
        if (code == EXIT_DONE)
            code = access_find(p->c, p->rid, action, false, a);
    }
    if (code != EXIT_DONE)
        return code;
    if (!access_key(a)) {
        note("%s [%s]", a->why, a->code);
        return a->exit_code;
    }
    return EXIT_DONE;
}

static int read_manifest(struct play *p, const struct access *a)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_request q = { .method = "GET", .bearer = a->key, .prove = a->bound };
    struct http_reply r = { 0 };
    struct tree speed;
    int64_t hundredths;
    int code = EXIT_DONE;

    path_id(&path, "/v1/replay/", p->rid, "/manifest");
    q.path = buf_cstr(&path);
    if (!http_call(p->c->http, &q, &r))
        code = cli_problem(p->c, &r);
    buf_init(&p->manifest_bytes, 256u << 20);
    buf_add_span(&p->manifest_bytes, buf_span(&r.tree_bytes));
    p->manifest = tree_root(buf_span(&p->manifest_bytes));
    p->duration_ms = get_int(p->manifest, "duration_ms");
    (void) tree_get_bool(p->manifest, "live", &p->open);
    (void) tree_get_bool(p->manifest, "unmasked", &p->unmasked);
    speed = get_node(p->manifest, "max_speed");
    if (tree_int(speed, &hundredths))
        p->max_speed = (double) hundredths;
    else if (speed.tag == TREE_NUM && json_scaled(speed.payload, 2, &hundredths))
        p->max_speed = (double) hundredths / 100;
    if (p->max_speed > 0 && p->speed > p->max_speed)
        p->speed = p->max_speed;
    if (code == EXIT_DONE) {
        p->view = play_view_new(span_eq_str(get(p->manifest, "kind"), "terminal"), p->manifest);
        code = p->view != NULL ? EXIT_DONE : fail("no memory");
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

/* What is shown, when it is not what was asked for, or more than everybody sees. Following what has ended is playing it; playing what goes on is playing what is there. */
static void say_live(struct play *p)
{
    if (p->unmask && p->unmasked)
        note("hidden values are shown; the record says that you saw them");
    else if (p->unmask)
        note("what was hidden in this recording was not kept: it stays hidden");
    if (p->follow && !p->open) {
        note("it has ended: this plays it from its start");
        p->follow = false;
    } else if (!p->follow && p->open) {
        note("it is still being made: this plays what is there now, keyhole play %s --follow follows it", p->rid);
    }
}

static void read_title(struct play *p)
{
    struct buf path = BUF_INIT(PATH_CAP), title = BUF_INIT(8192);
    struct http_reply r = { 0 };

    path_id(&path, "/v1/recordings/", p->rid, "");
    if (cli_try(p->c, "GET", &path, NULL, &r) == EXIT_DONE) {
        struct buf safe = BUF_INIT(8192);

        text_safe(&safe, get(r.root, "title"));
        (void) text_fit(&title, buf_span(&safe), 60);
        (void) span_to_str(buf_span(&title), p->title, sizeof(p->title));
        buf_deinit(&safe);
    }
    http_reply_deinit(&r);
    buf_deinit(&title);
    buf_deinit(&path);
}

static int run_play(struct cli *c)
{
    struct play p = { .c = c, .to_ms = -1, .speed = 1, .manifest_bytes = BUF_INIT(0) };
    struct access a = { .c = c };
    int code;

    (void) snprintf(p.rid, sizeof(p.rid), "%.*s", (int) sizeof(p.rid) - 1, c->args.words[0]);
    code = strlen(c->args.words[0]) >= sizeof(p.rid) ? check_id(c, c->args.words[0], 'r', "a recording's id") : read_options(&p);
    if (code == EXIT_DONE && args_flag(&c->args, "raw"))
        return p.follow || p.from_ms > 0 || p.to_ms >= 0 ? usage(c, "--raw plays all of it, as it was")
                                                           : play_raw(c, p.rid, p.speed);
    if (code == EXIT_DONE)
        code = find_access(&p, &a);
    if (code == EXIT_DONE)
        code = read_manifest(&p, &a);
    if (code == EXIT_DONE)
        say_live(&p);
    if (code == EXIT_DONE && (c->json || !c->terminal || !isatty(STDIN_FILENO))) {
        code = p.follow ? play_follow(&p, &a) : play_plain(&p, &a);
    } else if (code == EXIT_DONE) {
        read_title(&p);
        code = play_on_terminal(&p, &a);
    }
    p.view = play_view_free(p.view);
    access_deinit(&a);
    buf_deinit(&p.manifest_bytes);
    return code;
}

const struct command cmd_play = {
    .name = "play",
    .heading = "Recordings",
    .summary = "Plays a recording in the terminal, under your open access",
    .synopsis = "RID [--follow] [--unmask] [--ask --purpose CODE --reason TEXT] [--speed N] [--from 1m20s] [--no-idle]",
    .text = "space pauses (nothing is fetched then), left and right go 5 s back and ahead, with shift 30 s, with ctrl a minute, 0 to 9 to a\n"
            "tenth of the length, [ and ] change the speed, ? shows this, q quits. The last line says where you are and how long your\n"
            "access lasts; when it ends, playing ends, and the terminal is as it was before. A browser's recording plays as a timeline:\n"
            "pages, clicks, inputs, errors. What a terminal's recording contains is drawn cell by cell: none of its escape sequences\n"
            "reaches your terminal.\n\n"
            "--follow (or --live) shows a recording that is still being made as it happens: you join at the newest place, and the last line\n"
            "says LIVE, or by how much you are behind. space pauses, left goes back and plays from there; End, or playing on to where it\n"
            "has got to, returns to what happens now. Your access has to say so: keyhole request RID --action play,live.\n\n"
            "--unmask shows values that were hidden when they were recorded, where the project keeps them, if your access says so:\n"
            "keyhole request RID --action play,unmask.\n\n"
            "--raw gives a terminal's bytes as they were recorded, escape sequences and all, to your terminal or into a pipe. They may do\n"
            "to your terminal whatever they say, so it warns and asks (--yes: it does not). It is an export: your access has to say\n"
            "so, keyhole request RID --action export.\n\n"
            "With --ask access is asked for when you have none, and waited for. When standard input or output is no terminal, nothing is\n"
            "paced: printed are the last screen as plain text, or the timeline's lines; with --follow the timeline's lines as they come, with\n"
            "--json each event as {\"seq\", \"at_ms\", \"event\"}. Exit status 4: the window ended; 3: no access, or it\n"
            "was taken away.",
    .example = "$ keyhole play r_2Dz2Sr-SnSlnd8aT --ask --purpose support --reason 'Customer reports that checkout fails'\n"
               "$ keyhole play r_2Dz2Sr-SnSlnd8aT --follow\n"
               "$ keyhole play r_2Dz2Sr-SnSlnd8aT --to 1:20 | less",
    .opts = (const struct opt[]){ { "ask", 0, NULL, "ask for access when you have none, and wait for it", false },
                                  { "follow", 'f', NULL, "as it happens, of a recording that is being made", false },
                                  { "live", 0, NULL, "the same", false },
                                  { "unmask", 0, NULL, "with the values that were hidden when they were recorded", false },
                                  { "speed", 's', "N", "0.25 to 16, as far as the policy allows", false },
                                  { "from", 0, "PLACE", "begin there: 80s, 1m20s or 1:20", false },
                                  { "to", 0, "PLACE", "end there", false },
                                  { "raw", 0, NULL, "the bytes as they were recorded; needs access that lets you export", false },
                                  OPT_YES,
                                  { "no-idle", 0, NULL, "pass over times when nothing happens", false },
                                  OPT_BEARER,
                                  OPTS_REQUEST,
                                  { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_play,
};
