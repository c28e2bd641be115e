/*
 * keyhole play: a recording on the terminal.
 *
 * Happy path: find (or ask for) access -> manifest -> stream -> each event when it is due into the view -> draw. The stream
 * is the server's pace, at most a second ahead; a clock of our own decides what is shown, so that a pause is exact. Pausing
 * closes the stream. When standard output or input is no terminal nothing is paced: all is fetched at once and printed
 * (play_plain.c).
 *
 * A recording that is still being made can be followed: then nothing is paced, each event is shown when it comes, and the place
 * is that of the newest one. Pausing and seeking leave that and play what is there; its end, or the End key, leads back.
 *
 * However it ends (the end, q, the window, a revocation, a signal) the terminal is put back first, then it says why.
 */
#include "cli/play.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/keys.h"
#include "cli/tty.h"
#include "codec/json.h"

#define FRAME_MS      33
#define STATUS_MS     200
#define SETTLE_MS     120  /* after a jump: draw when nothing more has come for so long */
#define IDLE_MS       2000 /* --no-idle: of nothing happening */
#define LOOK_MS       5000 /* is the access still there, while nothing is fetched */
#define QUEUE_MAX     (256u << 20)
#define SPEED_MIN     0.25
#define NEAR_MS       500  /* a moment so near is the one where one is */

/* An event that has come and is not due yet. */
struct item {
    int64_t at_ms;
    size_t n;
};

struct player {
    struct play *play;
    struct source source;
    struct play_view *view;
    double speed;

    struct item *items;
    size_t first, n, cap;
    struct buf bytes; /* of the items, one after another */

    bool paused, running, over, help;
    bool live;        /* shown as it comes */
    int64_t place;    /* ms of the recording at 'since' */
    int64_t since;    /* ms of the monotonic clock */
    int64_t last_ms;  /* time of the newest event that came */
    int64_t arrived;  /* when it came */
    int64_t settle;   /* nothing is drawn before */
    int64_t looked;   /* at the access */
    int64_t drawn;
    int64_t idle_asked; /* --no-idle: sequence whose time has been asked for */
    bool dirty, quit;
    int signal;
    char said[256];   /* the status line as it stands */
    struct keys keys;
};

/* ---- the clock ---- */

static int64_t limit_of(const struct player *p)
{
    return p->play->to_ms >= 0 && p->play->to_ms < p->play->duration_ms ? p->play->to_ms : p->play->duration_ms;
}

static int64_t place_now(const struct player *p)
{
    int64_t at = p->place;

    if (p->live)
        return p->running ? at + mono_ms() - p->since : at;
    if (p->running && !p->paused)
        at += (int64_t) ((double) (mono_ms() - p->since) * p->speed);
    return at < limit_of(p) ? at : limit_of(p);
}

static void clock_set(struct player *p, int64_t place, bool running)
{
    p->place = place;
    p->since = mono_ms();
    p->running = running;
}

/* ---- what comes ---- */

static void drop_items(struct player *p)
{
    p->first = p->n = 0;
    buf_reset(&p->bytes);
}

static void on_from(void *ctx, struct tree from, bool fresh)
{
    struct player *p = ctx;

    if (fresh) {
        drop_items(p);
        play_view_from(p->view, from);
        p->settle = mono_ms() + SETTLE_MS;
    }
    p->arrived = mono_ms();
    p->dirty = true;
}

static void on_event(void *ctx, int64_t seq, struct span json)
{
    struct player *p = ctx;
    struct item it = { 0, json.n };

    play_view_first(p->view, seq, json);
    if (!play_view_time(p->view, json, p->last_ms, &it.at_ms))
        return;
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 1024 : p->cap * 2;
        struct item *more = reallocarray(p->items, cap, sizeof(*more));

        if (more == NULL)
            return;
        p->items = more;
        p->cap = cap;
    }
    p->arrived = mono_ms();
    p->last_ms = it.at_ms;
    if (p->play->open && it.at_ms > p->play->duration_ms)
        p->play->duration_ms = it.at_ms;
    if (p->live)
        clock_set(p, it.at_ms, true);
    buf_add_span(&p->bytes, json);
    if (!p->bytes.failed)
        p->items[p->n++] = it;
}

static void place(void *ctx, int64_t *ret_place, int64_t *ret_last)
{
    const struct player *p = ctx;

    *ret_place = place_now(p);
    *ret_last = p->last_ms;
}

static const struct source_ops source_ops = { on_from, on_event, place };

/* Events that are due go into the view. */
static void advance(struct player *p)
{
    int64_t now = p->live ? INT64_MAX : place_now(p);
    size_t at = 0;

    while (p->first < p->n && p->items[p->first].at_ms <= now) {
        play_view_event(p->view, span_of(p->bytes.p + at, p->items[p->first].n));
        at += p->items[p->first++].n;
        p->dirty = true;
    }
    buf_drop(&p->bytes, at);
    if (p->first == p->n)
        drop_items(p);
    else if (p->first > 4096) {
        memmove(p->items, p->items + p->first, (p->n - p->first) * sizeof(*p->items));
        p->n -= p->first;
        p->first = 0;
    }
}

/* ---- going somewhere ---- */

/* As it happens; fresh: from the newest place where playing can start, else behind what has been shown. */
static void go_live(struct player *p, bool fresh)
{
    if (fresh) {
        drop_items(p);
        p->last_ms = 0;
    }
    clock_set(p, fresh ? p->play->duration_ms : p->last_ms, false);
    p->live = true;
    p->paused = p->over = false;
    source_follow(&p->source, fresh);
    p->dirty = true;
}

static void go_to(struct player *p, int64_t to)
{
    if (p->play->follow && p->play->open && to >= p->play->duration_ms) {
        if (!p->live)
            go_live(p, true);
        return;
    }
    p->live = false;
    to = to < 0 ? 0 : to > limit_of(p) ? limit_of(p) : to;
    drop_items(p);
    clock_set(p, to, false);
    p->last_ms = 0;
    p->over = false;
    p->idle_asked = -1;
    /* Paused: only what shows that place. */
    source_play(&p->source, to, p->paused ? to : p->play->to_ms, p->speed);
    p->dirty = true;
}

static void set_paused(struct player *p, bool paused)
{
    if (p->paused == paused || p->over)
        return;
    if (paused) {
        clock_set(p, p->live ? p->last_ms : place_now(p), false);
        p->live = false;
        p->paused = true;
        source_stop(&p->source);
        p->looked = mono_ms();
    } else {
        p->paused = false;
        p->source.to_ms = p->play->to_ms;
        source_resume(&p->source, p->speed);
    }
    p->dirty = true;
}

static void set_speed(struct player *p, double speed)
{
    double most = p->play->max_speed > 0 ? p->play->max_speed : 16;

    speed = speed < SPEED_MIN ? SPEED_MIN : speed > most ? most : speed;
    if (p->live || (speed >= p->speed && speed <= p->speed))
        return;
    clock_set(p, place_now(p), p->running);
    p->speed = speed;
    if (!p->paused && !p->over) {
        clock_set(p, p->place, false);
        source_resume(&p->source, speed);
    }
    p->dirty = true;
}

/* Takes a list's moment when it is nearer than what was found: the last one before 'at', or the first one from there on. */
static void look_in(struct tree list, int64_t at, bool before, int64_t *ret)
{
    struct tree one;

    for (struct span walk = list.payload; list.tag == TREE_ARR && tree_next(&walk, &one);) {
        int64_t t = get_int(one, "at_ms");

        if (before ? t < at && t > *ret : t >= at && t < *ret)
            *ret = t;
    }
}

/* Markers, and what the manifest notes: pages, errors, angry and unanswered clicks. None: the start, or where one is. */
static int64_t moment_near(const struct player *p, int64_t at, bool before)
{
    static const char *const lists[] = { "pages", "errors", "clicks" };
    struct tree notes = get_node(p->play->manifest, "notes");
    int64_t found = before ? 0 : INT64_MAX;

    look_in(get_node(p->play->manifest, "markers"), at, before, &found);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        look_in(get_node(notes, lists[i]), at, before, &found);
    return found == INT64_MAX ? place_now(p) : found;
}

static void on_key(struct player *p, struct key k)
{
    if (k.kind != KEYS_NONE && k.kind != KEYS_HELP && p->help) {
        p->help = false;
        p->view->all = p->dirty = true;
    }
    switch (k.kind) {
    case KEYS_NONE: break;
    case KEYS_QUIT: p->quit = true; break;
    case KEYS_PAUSE:
        if (p->over)
            go_to(p, 0);
        else
            set_paused(p, !p->paused);
        break;
    case KEYS_BACK: go_to(p, place_now(p) - k.by_ms); break;
    case KEYS_AHEAD: go_to(p, place_now(p) + k.by_ms); break;
    case KEYS_BEFORE: go_to(p, moment_near(p, place_now(p) - NEAR_MS, true)); break;
    case KEYS_NEXT: go_to(p, moment_near(p, place_now(p) + 1, false)); break;
    case KEYS_SLOWER: set_speed(p, p->speed / 2); break;
    case KEYS_FASTER: set_speed(p, p->speed * 2); break;
    case KEYS_TENTH: go_to(p, p->play->duration_ms / 10 * k.tenth); break;
    case KEYS_START: go_to(p, 0); break;
    case KEYS_END: go_to(p, limit_of(p)); break;
    case KEYS_HELP:
        p->help = !p->help;
        p->view->all = p->dirty = true;
        break;
    }
}

/* ---- drawing ---- */

static const char *const help_lines[] = {
    "space            pause, go on",
    "left, right      5 s back, ahead",
    "with shift       30 s; with ctrl, and up and down: a minute",
    "0 to 9           to the start, 10 %, 20 % ...",
    "Home, End        the start, the end; End: live, when it is being made",
    "[ ]              the moment before, the next one: markers, pages, errors",
    "< >              half, double speed",
    "q                quit",
    "?                this, and away with it",
};

static void draw_help(struct player *p, struct buf *out)
{
    size_t n = sizeof(help_lines) / sizeof(help_lines[0]);

    buf_add_str(out, "\033[0m\033[2J");
    for (size_t i = 0; i < n && (int) i < p->view->shown_rows; i++) {
        buf_addf(out, "\033[%zu;1H  ", i + 1);
        (void) text_fit(out, span_str(help_lines[i]), p->view->shown_cols > 4 ? (size_t) p->view->shown_cols - 2 : 1);
    }
    p->said[0] = '\0';
}

static void status_word(const struct player *p, struct buf *out)
{
    const char *word = p->over                              ? p->play->open ? "end of what is there" : "end"
                       : p->paused                          ? "paused"
                       : source_is_waiting(&p->source) && p->source.tries > 0 ? "reconnecting"
                       : !p->live                           ? "playing"
                       : p->source.live                     ? "LIVE"
                                                            : "behind";

    buf_addf(out, " %s ", word);
    if (p->play->unmask && p->play->unmasked)
        buf_add_str(out, "hidden values shown ");
    if (p->live && !p->source.live && p->source.behind_ms > 0) {
        text_span(out, p->source.behind_ms);
        buf_add_c(out, ' ');
    }
}

static void status_text(const struct player *p, struct buf *out)
{
    int64_t left = p->source.access.window_end;

    status_word(p, out);
    text_duration(out, place_now(p), false);
    if (!p->live) {
        buf_add_str(out, " / ");
        text_duration(out, p->play->duration_ms, false);
        if (p->play->open)
            buf_add_str(out, p->play->follow ? "  End: live" : "  being made");
        buf_addf(out, "  %gx", p->speed);
    }
    if (left != INT64_MAX) {
        buf_add_str(out, "  access ends in ");
        text_span(out, left - mono_ms());
    }
    if (p->view->terminal && p->view->screen != NULL &&
        (screen_cols(p->view->screen) > p->view->shown_cols || screen_rows(p->view->screen) > p->view->shown_rows + 1))
        buf_addf(out, "  showing %dx%d of %dx%d", p->view->shown_cols, p->view->shown_rows, screen_cols(p->view->screen),
                 screen_rows(p->view->screen));
    buf_add_str(out, "  ? help");
    if (p->play->title[0] != '\0')
        buf_addf(out, "  %s", p->play->title);
}

static void draw_status(struct player *p, struct buf *out)
{
    struct buf text = BUF_INIT(8192), fitted = BUF_INIT(8192);
    size_t used;

    status_text(p, &text);
    used = text_fit(&fitted, buf_span(&text), (size_t) p->view->shown_cols);
    if (strcmp(p->said, buf_cstr(&fitted)) != 0) {
        (void) snprintf(p->said, sizeof(p->said), "%s", buf_cstr(&fitted));
        buf_addf(out, "\033[%d;1H\033[0;7m%s%*s\033[0m", p->view->shown_rows + 1, buf_cstr(&fitted),
                 p->view->shown_cols - (int) used, "");
        p->dirty = true; /* the cursor goes back to its place */
    }
    buf_deinit(&text);
    buf_deinit(&fitted);
}

static void draw(struct player *p)
{
    struct buf out = BUF_INIT(16u << 20);
    int64_t now = mono_ms();

    if (now - p->drawn < FRAME_MS || now < p->settle) {
        buf_deinit(&out);
        return;
    }
    if (p->view->all)
        p->said[0] = '\0'; /* what clears the screen clears it too */
    if (p->help) {
        if (p->view->all)
            draw_help(p, &out);
        p->view->all = false;
        draw_status(p, &out);
    } else {
        if (p->view->all)
            play_view_draw(p->view, &out);
        draw_status(p, &out);
        if (p->dirty || out.n > 0) {
            play_view_draw(p->view, &out);
            buf_add_str(&out, play_view_cursor(p->view) ? "\033[?25h" : "\033[?25l");
        }
    }
    p->dirty = false;
    if (out.n > 0) {
        p->drawn = now;
        tty_write(buf_span(&out));
    }
    buf_deinit(&out);
}

static void new_size(struct player *p)
{
    int cols, rows;

    tty_size(&cols, &rows);
    play_view_size(p->view, cols, rows);
    p->said[0] = '\0';
    p->dirty = true;
}

/* ---- what happens meanwhile ---- */

static void on_signal(struct player *p)
{
    int sig = tty_signal();

    if (sig == SIGWINCH || sig == SIGCONT) {
        new_size(p);
    } else if (sig != 0) {
        p->signal = sig;
        p->quit = true;
    }
}

static void on_input(struct player *p)
{
    uint8_t bytes[64];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        p->quit = true;
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == 0x1a) { /* Ctrl-Z: nothing is fetched while we sleep */
            set_paused(p, true);
            tty_suspend();
            new_size(p);
        } else {
            on_key(p, keys_feed(&p->keys, bytes[i]));
        }
    }
}

/* While no stream is open nobody tells that the access has ended: ask now and then. True: it has. */
static bool access_gone(struct player *p)
{
    bool open = true;

    if ((!p->paused && !p->over) || mono_ms() - p->looked < LOOK_MS)
        return false;
    p->looked = mono_ms();
    if (!access_look(&p->source.access, &open) || open)
        return false;
    p->source.end = strcmp(p->source.access.code, "EXPIRED") == 0 ? SOURCE_WINDOW : SOURCE_REVOKED;
    p->source.exit_code = p->source.end == SOURCE_WINDOW ? EXIT_EXPIRED : EXIT_REFUSED;
    (void) snprintf(p->source.why, sizeof(p->source.why), "%s",
                    p->source.end == SOURCE_WINDOW ? "the window has ended" : "the access was ended");
    return true;
}

/* --no-idle: in a span in which, as the manifest says, nobody does anything? Then where it ends; else -1. */
static int64_t idle_until(const struct player *p, int64_t at)
{
    struct tree list = get_node(get_node(p->play->manifest, "notes"), "idle"), one, bound;

    for (struct span walk = list.payload; list.tag == TREE_ARR && tree_next(&walk, &one);) {
        int64_t from = -1, to = -1;
        struct span in = one.payload;

        if (one.tag == TREE_ARR && tree_next(&in, &bound) && tree_int(bound, &from) && tree_next(&in, &bound) &&
            tree_int(bound, &to) && at >= from && at <= to - IDLE_MS)
            return to - IDLE_MS / 4;
    }
    return -1;
}

/* --no-idle: nothing has come for a while; where does it go on? */
static void skip_idle(struct player *p)
{
    int64_t at, next = p->source.given + 1;

    if (p->play->no_idle && !p->live && !p->paused && !p->over && p->running && (at = idle_until(p, place_now(p))) >= 0) {
        go_to(p, at);
        return;
    }
    if (!p->play->no_idle || p->live || p->paused || p->over || !p->running || p->first < p->n || p->idle_asked == next ||
        mono_ms() - p->arrived < (int64_t) (IDLE_MS / p->speed) || source_is_waiting(&p->source))
        return;
    p->idle_asked = next;
    if (play_event_time(p->play, &p->source.access, p->view, next, &at) && at - place_now(p) > IDLE_MS / 2) {
        go_to(p, at - IDLE_MS / 4);
        p->idle_asked = next;
    }
}

/* The stream has said its last, and what it brought has been shown. */
static void check_end(struct player *p)
{
    if (p->source.end != SOURCE_PLAYED || p->first < p->n || p->over)
        return;
    if (p->live) { /* the recording has ended */
        p->live = p->play->open = false;
        p->play->duration_ms = p->last_ms;
    } else if (p->play->open && p->play->follow && !p->paused) {
        go_live(p, p->source.given < 0);
        return;
    }
    if (p->paused) {
        p->source.end = SOURCE_GOES_ON;
        source_stop(&p->source);
        return;
    }
    if (place_now(p) < limit_of(p) && p->running)
        return;
    clock_set(p, limit_of(p), false);
    p->over = true;
    p->looked = mono_ms();
    p->dirty = true;
}

static int wait_ms(const struct player *p)
{
    int64_t wait = STATUS_MS;

    if (p->running && !p->paused && p->first < p->n) {
        int64_t due = (int64_t) ((double) (p->items[p->first].at_ms - place_now(p)) / p->speed) + 1;

        wait = due < 1 ? 1 : due < wait ? due : wait;
    }
    if (p->dirty && wait > FRAME_MS)
        wait = FRAME_MS;
    return (int) wait;
}

static void run_clock(struct player *p)
{
    bool waiting = source_is_waiting(&p->source);

    if (p->paused || p->over)
        return;
    if (waiting && p->running)
        clock_set(p, place_now(p), false);
    else if (!waiting && !p->running && (!p->live || p->source.live))
        clock_set(p, p->place, true);
}

static bool step(struct player *p)
{
    int fds[2] = { STDIN_FILENO, tty_signal_fd() };
    unsigned ready = http_wait(p->play->c->http, fds, 2, wait_ms(p));
    enum source_end end;

    if ((ready & 2) != 0)
        on_signal(p);
    if ((ready & 1) != 0)
        on_input(p);
    end = source_step(&p->source);
    run_clock(p);
    if ((end != SOURCE_GOES_ON && end != SOURCE_PLAYED) || access_gone(p))
        return false;
    advance(p);
    check_end(p);
    skip_idle(p);
    draw(p);
    return !p->quit;
}

/* ---- from here to there ---- */

static int say_end(struct player *p)
{
    if (p->signal != 0) {
        sigset_t set;

        (void) signal(p->signal, SIG_DFL);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, p->signal);
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
        (void) raise(p->signal); /* who started us sees what ended us */
    }
    if (p->source.end == SOURCE_GOES_ON || p->source.end == SOURCE_PLAYED)
        return EXIT_DONE;
    note("%s", p->source.why);
    if (p->source.end == SOURCE_WINDOW)
        note("ask again: keyhole request %s", p->play->rid);
    return p->source.exit_code;
}

int play_on_terminal(struct play *play, const struct access *access)
{
    struct player p = { .play = play, .speed = play->speed, .idle_asked = -1, .view = play->view };
    int code;

    buf_init(&p.bytes, QUEUE_MAX);
    source_init(&p.source, access, &source_ops, &p);
    if (!tty_open())
        return fail("this terminal cannot be used");
    new_size(&p);
    if (play->follow && play->from_ms == 0)
        go_live(&p, true);
    else
        go_to(&p, play->from_ms);
    while (step(&p))
        ;
    tty_close();
    code = say_end(&p);
    source_deinit(&p.source);
    buf_deinit(&p.bytes);
    free(p.items);
    return code;
}
