/*
 * Terminals: text across events, sequences and batches; typed passwords, with sudo's own cases as the oracle; the screen keeps its
 * layout cell by cell; what turns out late is told and can be applied.
 */
#include "test.h"

#include "codec/asciicast.h"
#include "codec/intake.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVENT_MAX (16u << 20)
#define EVENTS    4096

struct stored {
    size_t at, n;
};

struct bed {
    struct intake *in;
    struct asciicast cast;
    struct buf line, out;
    uint64_t seq, taken;
    struct stored ev[EVENTS];
    bool masked[EVENTS];
    bool many; /* only the newest one is kept */
};

static struct bed *bed_new(const char *text, int cols, int rows)
{
    struct bed *b = calloc(1, sizeof(*b));
    struct mask_rules *r = NULL;
    struct intake_out head;
    struct err_info e;
    char json[80];

    assert_non_null(b);
    assert_ok_err(mask_rules_load(span_str(text), &r, &e), &e);
    b->in = intake_new(IMPORTER_TERMINAL, r, EVENT_MAX);
    assert_non_null(b->in);
    (void) mask_rules_unref(r);
    asciicast_init(&b->cast, 2, EVENT_MAX);
    buf_init(&b->line, EVENT_MAX);
    buf_init(&b->out, 4 * EVENT_MAX);
    (void) snprintf(json, sizeof(json), "{\"version\":2,\"width\":%d,\"height\":%d}", cols, rows);
    assert_ok_err(intake_head(b->in, span_str(json), &head, &e), &e);
    return b;
}

static void bed_free(struct bed *b)
{
    (void) intake_free(b->in);
    asciicast_deinit(&b->cast);
    buf_deinit(&b->line);
    buf_deinit(&b->out);
    free(b);
}

static void take(struct bed *b)
{
    struct json_limits lim = json_limits_event();
    struct json_error je;
    struct intake_out out;

    while (intake_take(b->in, &out)) {
        assert_int_equal(out.ev.seq, b->taken);
        assert_true(json_check(out.ev.json, &lim, &je));
        if (b->many) {
            buf_reset(&b->out);
            buf_add_span(&b->out, out.ev.json);
            b->taken++;
            continue;
        }
        assert_true(b->taken < EVENTS);
        b->ev[b->taken] = (struct stored){ b->out.n, out.ev.json.n };
        b->masked[b->taken++] = out.masked;
        buf_add_span(&b->out, out.ev.json);
    }
}

static void add_json(struct bed *b, struct span json)
{
    struct asciicast_event ev;
    struct intake_item item;
    struct err_info e;

    assert_ok_err(asciicast_event(&b->cast, json, &ev, &e), &e);
    item = (struct intake_item){ .json = ev.json, .seq = b->seq++, .type = ev.code, .source = -1, .own_us = ev.own_us, .cols = ev.cols, .rows = ev.rows };
    assert_ok_err(intake_add(b->in, &item, &e), &e);
    take(b);
}

static void add(struct bed *b, char code, struct span data)
{
    buf_reset(&b->line);
    buf_addf(&b->line, "[%llu,\"%c\",", (unsigned long long) b->seq, code);
    jsonw_add_string(&b->line, data);
    buf_add_c(&b->line, ']');
    add_json(b, buf_span(&b->line));
}

static void flush(struct bed *b)
{
    struct err_info e;

    assert_ok_err(intake_flush(b->in, &e), &e);
    take(b);
    assert_int_equal(b->taken, b->seq);
}

static struct span event(const struct bed *b, size_t i)
{
    return span_sub(buf_span(&b->out), b->ev[i].at, b->ev[i].n);
}

/* Data of all events with that code, decoded, one after another. */
static void data(const struct bed *b, char code, struct buf *out)
{
    const char codes[2] = { code, '\0' };

    buf_reset(out);
    for (size_t i = 0; i < b->taken; i++) {
        struct json_iter it = json_iter(json_value(event(b, i)));
        struct json_value v, d;

        assert_true(json_next(&it, &v) && json_next(&it, &v) && json_next(&it, &d));
        if (json_raw_eq(v.raw, codes) && d.type == JSON_STRING)
            assert_true(json_string_decode(d.raw, out));
    }
}

/* ---- cases by hand: events between '|', code first ---- */

static const struct {
    const char *name, *in, *out;
} cases[] = {
    { "in one event", "omail bob.smith@example.com now\r\n", "omail ********************* now\r\n" },
    { "across events", "omail bob.sm|oith@exam|ople.com now\r\n", "omail ******|o********|o******* now\r\n" },
    { "one character each", "ob|oo|ob|o@|oe|ox|oa|om|op|ol|oe|o.|oc|oo|om|o \r\n",
      "o*|o*|o*|o*|o*|o*|o*|o*|o*|o*|o*|o*|o*|o*|o*|o \r\n" },
    { "colours inside", "obob\x1b[31m@exam\x1b[0mple.com\r\n", "o***\x1b[31m*****\x1b[0m*******\r\n" },
    { "a sequence cut between events", "obob\x1b[3|o1m@example.com\r\n", "o***\x1b[3|o1m************\r\n" },
    { "cursor forward for spaces", "o4111\x1b[C1111\x1b[1C1111\x1b[C1111\r\n", "o****\x1b[C****\x1b[1C****\x1b[C****\r\n" },
    { "written backwards by cursor moves", "o\x1b[1;10Hexample.com\x1b[1;5Hbob.@\b\bs@\r\n", NULL },
    { "backspace and again", "obob@exz\bample.com\r\n", "o*******\b*********\r\n" },
    { "with an input event between", "obob@exa|iq|omple.com \r\n", "o*******|iq|o******** \r\n" },
    { "autowrap", "oaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bob@example.com\r\n", "oaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ***************\r\n" },
    { "a piece taken out", "o$ 4111111111XX111111\x1b[8D\x1b[2P\r\n", "o$ **********XX******\x1b[8D\x1b[2P\r\n" },
    { "taken out in another event", "o$ 4111111111XX|o111111|o\x1b[8D|o\x1b[2P\r\n", "o$ **********XX|o******|o\x1b[8D|o\x1b[2P\r\n" },
    { "a piece put in", "o$ bobexample.com\x1b[11D\x1b[1@@\r\n", "o$ **************\x1b[11D\x1b[1@*\r\n" },
    { "put in before", "o$ A=1 curl 4111111111111111 x\x1b[22D\x1b[2@XY\r\n", "o$ A=1 curl **************** x\x1b[22D\x1b[2@XY\r\n" },
    { "put in by another event", "o$ bobexample.com\x1b[11D|o\x1b[1@@\r\n", "o$ **************\x1b[11D|o\x1b[1@*\r\n" },
    { "put in, insert mode", "o$ bobexample.com\x1b[11D|o\x1b[4h@\x1b[4l\r\n", "o$ **************\x1b[11D|o\x1b[4h*\x1b[4l\r\n" },
    { "tabs back and forth", "o\x1b[2I@example.com\r\x1b[2I\x1b[Zaa-b.bob\r\n", "o\x1b[2I************\r\x1b[2I\x1b[Z********\r\n" },
    { "title", "o\x1b]0;bob.smith@example.com\x07$ ", "o\x1b]0;*********************\x07$ " },
    { "title cut", "o\x1b]2;bob.smi|oth@example.com\x1b\\$ ", "o\x1b]2;*******|o**************\x1b\\$ " },
    { "link", "o\x1b]8;;mailto:bob.smith@example.com\x1b\\mail\x1b]8;;\x1b\\", "o\x1b]8;;mailto:*********************\x1b\\mail\x1b]8;;\x1b\\" },
    { "clipboard", "o\x1b]52;c;Ym9iLnNtaXRoQGV4YW1wbGUuY29t\x07", "o\x1b]52;c;****************************\x07" },
    { "combining marks", "o4111 1111 1111 1111\xcc\x81 x\r\n", NULL },
    { "typed, no password", "ils bob@example.com\r|ols\r\n", "ils ***************\r|ols\r\n" },
    { "typed in pieces", "ibob@|iexample|i.com\r", "i****|i*******|i****\r" },
    { "typed and taken back", "ibob@ex\x7fxample.com\r", NULL },
    { "prompt", "oPassword: |ihunter2\r|o\r\n$ |ils\r", "oPassword: |i*******\r|o\r\n$ |ils\r" },
    { "prompt of sudo, stars shown", "o[sudo] password for bob: |ih|o*|iu|o*|in\r|o\r\n", "o[sudo] password for bob: |i*|o*|i*|o*|i*\r|o\r\n" },
    { "prompt cut", "oEnter passph|orase for key '/home/b/.ssh/id': |ihunter2\n", "oEnter passph|orase for key '/home/b/.ssh/id': |i*******\n" },
    { "prompt in German", "oPasswort: |ihunter2\r", "oPasswort: |i*******\r" },
    { "prompt in colours", "o\x1b[1mPassword:\x1b[0m |ihunter2\r", "o\x1b[1mPassword:\x1b[0m |i*******\r" },
    { "echoed: no prompt", "oHint for password: |ifoo|ofoo|ibar\r", "oHint for password: |i***|ofoo|ibar\r" },
    { "no prompt", "o$ |ipasswd\r|opasswd\r\n", "o$ |ipasswd\r|opasswd\r\n" },
    { "not echoed, no prompt we know", "oSesam, bitte |ihunter2\r|o\r\nhello\r\n$ ", "oSesam, bitte |i*******\r|o\r\nhello\r\n$ " },
    { "not echoed, a character each", "o\xc2\xbb |ih|iu|in|it|ie|ir|i2|i\r|o\r\n|ook", "o\xc2\xbb |i*|i*|i*|i*|i*|i*|i*|i\r|o\r\n|ook" },
    { "echoed late", "o$ |imake all\r|omake|o all\r\n|odone", "o$ |imake all\r|omake|o all\r\n|odone" },
    { "echoed at once", "o$ |im|om|ia|oa|ik|ok|ie|oe|i\r|o\r\nno rule", "o$ |im|om|ia|oa|ik|ok|ie|oe|i\r|o\r\nno rule" },
    { "a key, and the other screen", "o\x1b[?1049h|ijjjjj\r|onext", "o\x1b[?1049h|ijjjjj\r|onext" },
    { "short answers", "oGo on? |iyes\r|o\r\nok", "oGo on? |iyes\r|o\r\nok" },
    { "private key",
      "o$ cat k\r\n-----BEGIN RSA PRIVATE KEY-----\r\nMIIEowIBAAKCAQEA1234567890abcdefghij\r\nabcdEFGH12345678\r\n-----END RSA PRIVATE KEY-----\r\n$ ls\r\n", NULL },
    { "nothing", "o\x1b[2J\x1b[1;1Hls -la\r\ntotal 12|o\x1b[?25h|i\x1b[A", "o\x1b[2J\x1b[1;1Hls -la\r\ntotal 12|o\x1b[?25h|i\x1b[A" },
};

static void run_case(struct bed *b, const char *in)
{
    struct span rest = span_str(in), one;

    while (rest.n > 0) {
        (void) span_cut(rest, '|', &one, &rest);
        add(b, (char) one.p[0], span_sub(one, 1, one.n));
        if (one.p + one.n == (const uint8_t *) in + strlen(in))
            break;
    }
    flush(b);
}

static void got(const struct bed *b, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < b->taken; i++) {
        struct json_iter it = json_iter(json_value(event(b, i)));
        struct json_value v, d;

        assert_true(json_next(&it, &v) && json_next(&it, &v) && json_next(&it, &d));
        if (i > 0)
            buf_add_c(out, '|');
        buf_add_span(out, v.raw);
        assert_true(json_string_decode(d.raw, out));
    }
}

static void test_cases(void **state)
{
    struct buf out = BUF_INIT(EVENT_MAX);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed *b = bed_new("patterns = { email, card, private-key }", 40, 10);

        run_case(b, cases[i].in);
        got(b, &out);
        if (cases[i].out == NULL && (memmem(out.p, out.n, "example.com", 11) != NULL || memmem(out.p, out.n, "4111", 4) != NULL ||
                                     memmem(out.p, out.n, "1234567890", 10) != NULL || memmem(out.p, out.n, "EFGH", 4) != NULL))
            fail_msg("%s: " SPAN_FMT, cases[i].name, SPAN_ARG(buf_span(&out)));
        if (cases[i].out != NULL && !span_eq_str(buf_span(&out), cases[i].out))
            fail_msg("%s:\n" SPAN_FMT "\nwanted\n%s", cases[i].name, SPAN_ARG(buf_span(&out)), cases[i].out);
        bed_free(b);
    }
    buf_deinit(&out);
}

/* Options of command lines, also over events and rows; manuals, variables and files stay. */
static void test_options(void **state)
{
    static const char *const t[][2] = {
        { "o$ db --password=hunter2 -u x --password=PASSWORD --token=$T --password-file=/run/x --token= y\r\n",
          "o$ db --password=******* -u x --password=PASSWORD --token=$T --password-file=/run/x --token= y\r\n" },
        { "o$ db --pass|oword=hun|oter2 -u\r\n", "o$ db --pass|oword=***|o**** -u\r\n" },
        { "o$ db --db-secret=abcd --password='x y z w' --password=abc\r\n", "o$ db --db-secret=**** --password='x y z w' --password=abc\r\n" },
    };
    struct buf out = BUF_INIT(EVENT_MAX);

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct bed *b = bed_new("", 40, 10);

        run_case(b, t[i][0]);
        got(b, &out);
        assert_span_str(buf_span(&out), t[i][1]);
        bed_free(b);
    }
    buf_deinit(&out);
}

/* ---- sudo's cases: what log_passwords=false keeps of ttyin ---- */

static void oracle(const char *name)
{
    struct buf timing = BUF_INIT(1u << 20), in = BUF_INIT(1u << 20), out = BUF_INIT(1u << 20), want = BUF_INIT(1u << 20);
    struct buf got_in = BUF_INIT(1u << 20);
    struct bed *b = bed_new("", 80, 24);
    struct buf *files[4] = { &timing, &in, &out, &want };
    const char *names[4] = { "timing", "ttyin", "ttyout", "ttyin.filtered" };
    struct span rest, line;
    size_t at_in = 0, at_out = 0;
    char path[200];

    for (int i = 0; i < 4; i++) {
        (void) snprintf(path, sizeof(path), "sudo_iolog/iolog_filter/%s/%s", name, names[i]);
        test_read_file(test_shared(path), files[i]);
    }
    rest = buf_span(&timing);
    while (rest.n > 0 && (span_cut(rest, '\n', &line, &rest) || line.n > 0)) {
        unsigned what;
        double delay;
        size_t n;
        char text[80];

        if (!span_to_str(line, text, sizeof(text)) || sscanf(text, "%u %lf %zu", &what, &delay, &n) != 3)
            break;
        if (what == 4) {
            add(b, 'o', span_sub(buf_span(&out), at_out, n));
            at_out += n;
        } else if (what == 3) {
            add(b, 'i', span_sub(buf_span(&in), at_in, n));
            at_in += n;
        }
    }
    assert_int_equal(at_in, in.n);
    flush(b);
    data(b, 'i', &got_in);
    assert_span_eq(buf_span(&got_in), buf_span(&want));
    bed_free(b);
    for (int i = 0; i < 4; i++)
        buf_deinit(files[i]);
    buf_deinit(&got_in);
}

static void test_sudo(void **state)
{
    (void) state;
    if (test_shared("sudo_iolog/iolog_filter/test1/timing") == NULL)
        skip();
    oracle("test1");
    oracle("test2");
}

static void test_typed_all(void **state)
{
    struct bed *b = bed_new("terminal { typed = all }", 80, 24);
    struct buf out = BUF_INIT(EVENT_MAX);

    (void) state;
    run_case(b, "o$ |ils -l\r|ols -l\r\n|iexit\r");
    got(b, &out);
    assert_span_str(buf_span(&out), "o$ |i*****\r|ols -l\r\n|i****\r");
    bed_free(b);
    b = bed_new("terminal { typed = none }", 80, 24);
    run_case(b, "oPassword: |ihunter2\r");
    got(b, &out);
    assert_span_str(buf_span(&out), "oPassword: |ihunter2\r");
    bed_free(b);
    buf_deinit(&out);
}

/* ---- everything else in an event ---- */

static void test_other(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        { "[1,\"m\",\"ask bob@example.com\"]", "[1,\"m\",\"ask ***************\"]" },
        { "[1,\"x\",\"bob@example.com\"]", "[1,\"x\",\"***************\"]" },
        { "[1,\"foo\",{\"a\":[\"bob@example.com\"]}]", "[1,\"foo\",{\"a\":[\"***************\"]}]" },
        { "[1,\"o\",\"bob@example.com \",\"bob@example.com\",2]", "[1,\"o\",\"*************** \",\"***************\",2]" },
        { "[1,\"r\",\"100x20\"]", "[1,\"r\",\"100x20\"]" },
        { "[1,\"o\",\"caf\\u00e9 bob\\u0040example.com \\ud83d\\ude00\\u001b[0m\"]", "[1,\"o\",\"caf\\u00e9 *************** \\ud83d\\ude00\\u001b[0m\"]" },
    };
    struct bed *b = bed_new("", 80, 24);

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        add_json(b, span_str(t[i].in));
    flush(b);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        assert_span_str(event(b, i), t[i].out);
    bed_free(b);
}

static void test_head(void **state)
{
    struct bed *b = bed_new("reveal = keep", 80, 24);
    struct intake_out out;
    struct err_info e;

    (void) state;
    assert_ok_err(intake_head(b->in, SPAN("{\"version\":2,\"width\":80,\"height\":24,\"title\":\"for bob@example.com\",\"env\":{\"SHELL\":\"/bin/sh\",\"password\":\"x1y2z3\"}}"),
                              &out, &e), &e);
    assert_true(out.masked);
    assert_span_str(out.ev.json, "{\"version\":2,\"width\":80,\"height\":24,\"title\":\"for ***************\",\"env\":{\"SHELL\":\"/bin/sh\",\"password\":\"******\"}}");
    assert_true(out.reveal.n == out.ev.json.n);
    bed_free(b);
}

/* ---- batches ---- */

static void test_late(void **state)
{
    struct bed *b = bed_new("", 80, 24);
    struct buf out = BUF_INIT(EVENT_MAX);
    const struct intake_late *late;
    struct err_info e;
    bool masked;
    size_t n;

    (void) state;
    intake_begin(b->in);
    add(b, 'o', SPAN("mail bob@exa"));
    flush(b);
    assert_span_str(event(b, 0), "[0,\"o\",\"mail bob@exa\"]");
    intake_commit(b->in);

    /* a batch that is refused leaves nothing */
    intake_begin(b->in);
    add(b, 'o', SPAN("mple.org "));
    flush(b);
    assert_span_str(event(b, 1), "[1,\"o\",\"******** \"]");
    b->seq = b->taken = 1;

    intake_begin(b->in);
    (void) intake_late(b->in, &n);
    assert_int_equal(n, 0);
    add(b, 'o', SPAN("mple.com "));
    flush(b);
    assert_span_str(event(b, 1), "[1,\"o\",\"******** \"]");
    late = intake_late(b->in, &n);
    assert_int_equal(n, 1);
    assert_int_equal(late[0].seq, 0);
    assert_int_equal(late[0].from, 5);
    assert_int_equal(late[0].to, 12);
    assert_ok_err(intake_mask_late(event(b, 0), 0, late, n, &out, &masked, &e), &e);
    assert_true(masked);
    assert_span_str(buf_span(&out), "[0,\"o\",\"mail *******\"]");
    assert_ok_err(intake_mask_late(event(b, 1), 1, late, n, &out, &masked, &e), &e);
    assert_false(masked);
    intake_commit(b->in);

    /* told once */
    intake_begin(b->in);
    add(b, 'o', SPAN("and"));
    flush(b);
    (void) intake_late(b->in, &n);
    assert_int_equal(n, 0);
    bed_free(b);
    buf_deinit(&out);
}

/* A late mark counts bytes of what is stored: what was masked in the same event before it may be shorter now. */
static void test_late_moved(void **state)
{
    struct bed *b = bed_new("own \"name\" { pattern = \"J\303\266rg\303\251\" }", 80, 24);
    struct buf out = BUF_INIT(EVENT_MAX);
    const struct intake_late *late;
    struct err_info e;
    bool masked;
    size_t n;

    (void) state;
    intake_begin(b->in);
    add(b, 'o', SPAN("J\303\266rg\303\251 <bob@exa"));
    flush(b);
    assert_span_str(event(b, 0), "[0,\"o\",\"***** <bob@exa\"]");
    intake_commit(b->in);
    intake_begin(b->in);
    add(b, 'o', SPAN("mple.com> "));
    flush(b);
    late = intake_late(b->in, &n);
    assert_int_equal(n, 1);
    assert_ok_err(intake_mask_late(event(b, 0), 0, late, n, &out, &masked, &e), &e);
    assert_true(masked);
    assert_span_str(buf_span(&out), "[0,\"o\",\"***** <*******\"]");
    bed_free(b);
    buf_deinit(&out);
}

/* What stands open at the end of a batch, and from where on anything may still be marked. */
static void test_unsure(void **state)
{
    static const struct {
        const char *in, *all, *masked; /* events, code first, between '|'; their text; with what is unsure masked */
        uint64_t reach;
    } t[] = {
        { "oall is over\r\n", "all is over\r\n", "all is over\r\n", UINT64_MAX },
        { "oone\r\n|omail bob@exa", "one\r\nmail bob@exa", "one\r\n**** *******", 1 },
        { "omail bo|ob@ex", "mail bob@ex", "**** ******", 0 },
        { "oone\r\n|ocard 4111 1111 ", "one\r\ncard 4111 1111 ", "one\r\n**** **** **** ", 1 },
        { "oa\x1b]2;title bob@ex", "a\x1b]2;title bob@ex", NULL, 0 },
        { "o$ done. |r90x24", NULL, NULL, 0 }, /* the cursor may go back */
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct bed *b = bed_new("", 80, 24);
        struct buf one = BUF_INIT(EVENT_MAX), text = BUF_INIT(EVENT_MAX);
        struct span rest = span_str(t[i].in), ev;
        struct intake_unsure open;
        struct err_info e;
        bool more = true;

        intake_begin(b->in);
        while (more) {
            more = span_cut(rest, '|', &ev, &rest);
            add(b, (char) ev.p[0], span_sub(ev, 1, ev.n));
        }
        flush(b);
        assert_true(intake_unsure(b->in, &open));
        if (open.reach != t[i].reach)
            fail_msg("%s: reach %llu", t[i].in, (unsigned long long) open.reach);
        assert_true(open.first >= open.reach);
        for (size_t k = 0; k < b->taken; k++) {
            struct json_iter it;
            struct json_value v;
            bool masked;

            assert_ok_err(intake_mask_late(event(b, k), k, open.marks, open.n, &one, &masked, &e), &e);
            it = json_iter(json_value(masked ? buf_span(&one) : event(b, k)));
            assert_true(json_next(&it, &v) && json_next(&it, &v) && json_next(&it, &v) && json_string_decode(v.raw, &text));
        }
        if (t[i].masked != NULL)
            assert_span_str(buf_span(&text), t[i].masked);
        bed_free(b);
        buf_deinit(&one);
        buf_deinit(&text);
    }
}

/* A batch each: which of them may be shown at once. */
static void test_live(void **state)
{
    static const struct {
        const char *rules, *in; /* the batch is the last event */
        uint64_t first;         /* UINT64_MAX: all may be shown */
    } t[] = {
        { "", "obob@web1:~/src (main) $ ", UINT64_MAX },
        { "", "o[root@db 2024]# ", UINT64_MAX },
        { "", "o> |om|oa|ok|oe|o |oa|ol|ol", UINT64_MAX },
        { "", "o........................", UINT64_MAX },
        { "", "oCompiling serde v1.0.2", UINT64_MAX },
        { "", "oContinue? [Y/n] ", UINT64_MAX },
        { "", "o 45% [====>     ] 12/26", UINT64_MAX },
        { "", "oPassword: ", UINT64_MAX },
        { "", "oone\r\n|omail bob@exa", 1 },
        { "", "omail jane.smi", 0 },
        { "", "omail bob", UINT64_MAX },
        { "", "omail bo|ob@ex", 0 },
        { "", "ocard 411", UINT64_MAX },
        { "", "ocard 4111 11", 0 },
        { "", "ossn 123-4", 0 },
        { "", "o+44 20 79", 0 },
        { "", "oDE89 3704", 0 },
        { "", "oeyJhbGciOi", 0 },
        { "", "oAKIAIOSFODNN7", 0 },
        { "", "oghp_16C7e42F", 0 },
        { "", "otoken: \"8f3a9", 0 },
        { "", "oDB_PASSWORD=h", 0 },
        { "", "oAuthorization: Bearer ab", 0 },
        { "", "omail bob@example.com", UINT64_MAX }, /* masked already, whatever follows */
        { "", "ocurl -H 'x: bearer a1b2", 0 },
        { "", "ohttps://bob:hunt", 0 },
        { "", "ohttps://example/a", UINT64_MAX },
        { "", "obob%40exam", 0 },
        { "", "obob\\u0040exam", 0 },
        { "", "o\x1b]2;title bob@ex", 0 },
        { "", "o-----BEGIN PRIVATE KEY-----\\nMIIEv", 0 },
        { "", "o\x1b[5;1Hmail bob@exa\x1b[7;1Hdone", 0 }, /* left by a move: it may be gone back to */
        { "", "ofoo bar\x1b[4Dcard 4111 1", 0 }, /* at the cursor */
        { "", "o 4111 1 bar\x1b[4D", 0 },
        { "", "o\x1b[5;1Hplain text\x1b[7;1Hdone", UINT64_MAX },
        { "", "i$ ls", 0 }, /* not echoed yet: it may be a password */
        { "", "i$ ls|o$ ls", UINT64_MAX },
        { "own \"n\" { pattern = \"EMP-[0-9]{6}\" }", "oemployee ", UINT64_MAX },
        { "own \"n\" { pattern = \"EMP-[0-9]{6}\" }", "oan EMP-12", 0 },
        { "own \"n\" { pattern = \"EMP-[0-9]{6}\" }", "oan EMP-123 is none, and this is long", UINT64_MAX },
        { "own \"n\" { pattern = \"emp-[0-9]{6}\" nocase = yes }", "oan EMP-12", 0 },
        { "own \"n\" { pattern = \"\\\\bMRN[ :]*[0-9]{7,10}\" }", "o$ make", UINT64_MAX },
        { "own \"n\" { pattern = \"\\\\bMRN[ :]*[0-9]{7,10}\" }", "oMRN  : 1", 0 },
        { "own \"n\" { pattern = \"ab*cdef\" }", "oa", 0 },
        { "own \"n\" { pattern = \"abcd|xyz[0-9]\" }", "oxyz", 0 },
        { "own \"n\" { pattern = \"ab\\\\(c|xyz[0-9]\" }", "oxyz", 0 },
        { "own \"n\" { pattern = \"[A-Z]{2}[0-9]{6}\" }", "oQX12", 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct bed *b = bed_new(t[i].rules, 80, 24);
        struct span rest = span_str(t[i].in), ev;
        struct intake_unsure open;
        bool more = true;

        while (more) {
            more = span_cut(rest, '|', &ev, &rest);
            intake_begin(b->in);
            add(b, (char) ev.p[0], span_sub(ev, 1, ev.n));
            flush(b);
            assert_true(intake_unsure(b->in, &open));
            intake_commit(b->in);
        }
        if (open.first != t[i].first)
            fail_msg("%s: %lld, not %lld", t[i].in, (long long) open.first, (long long) t[i].first);
        assert_true(open.reach <= open.first);
        bed_free(b);
    }
}

/* Who goes on with what another one began masks the rest of its line, and what is typed up to its end. */
static void test_lost(void **state)
{
    static const struct {
        const char *in, *out;
        bool unsure;
    } t[] = {
        { "o1111 1111 paid\r\nnext", "o**** **** ****\r\nnext", true },
        { "o1111 |o1111\x1b[1m pa\x1b[0mid\r\nnext", "o**** |o****\x1b[1m **\x1b[0m**\r\nnext", true },
        { "o1111 1111 paid\r\nnext", "o1111 1111 paid\r\nnext", false },
        { "ihunter2\rls\r|ols\r\n", "i*******\rls\r|ols\r\n", false },
        { "oMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\r\nC7VJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3S\r\n",
          "o**************************************************\r\n**********************************************\r\n", true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct bed *b = bed_new("", 80, 24);
        struct buf text = BUF_INIT(EVENT_MAX);
        struct span rest = span_str(t[i].in), ev;
        bool more = true;

        intake_lost(b->in, t[i].unsure);
        intake_begin(b->in);
        while (more) {
            more = span_cut(rest, '|', &ev, &rest);
            add(b, (char) ev.p[0], span_sub(ev, 1, ev.n));
        }
        flush(b);
        for (size_t k = 0; k < b->taken; k++) {
            struct json_iter it = json_iter(json_value(event(b, k)));
            struct json_value v;

            assert_true(json_next(&it, &v) && json_next(&it, &v));
            buf_addf(&text, "%s%c", k > 0 ? "|" : "", v.raw.p[0]);
            assert_true(json_next(&it, &v) && json_string_decode(v.raw, &text));
        }
        assert_span_str(buf_span(&text), t[i].out);
        bed_free(b);
        buf_deinit(&text);
    }
}

/* Every way to cut the output into batches and events: what is stored, with the late marks applied, is the same. */
static void test_cuts(void **state)
{
    static const char text[] = "\x1b]0;bob@example.com\x07$ mail \x1b[1mbob.smith\x1b[0m@example.com \xe6\x97\xa5\r\n4111 1111 1111 1111 end\r\n";
    struct buf whole = BUF_INIT(EVENT_MAX), out = BUF_INIT(EVENT_MAX), one = BUF_INIT(EVENT_MAX);
    const size_t len = sizeof(text) - 1;

    (void) state;
    for (unsigned seed = 0; seed < 400; seed++) {
        struct bed *b = bed_new("", 40, 10);
        struct intake_late late[200];
        size_t n_late = 0, at = 0;

        srandom(seed);
        intake_begin(b->in);
        while (at < len) {
            size_t n = seed == 0 ? len : 1 + (size_t) random() % 9;

            while (at + n < len && ((uint8_t) text[at + n] & 0xc0) == 0x80)
                n++;
            add(b, 'o', span_sub(span_of(text, len), at, n));
            at += n;
            if (seed % 2 == 1 && random() % 3 == 0) {
                size_t k;
                const struct intake_late *l;

                flush(b);
                l = intake_late(b->in, &k);
                assert_true(n_late + k < 200);
                if (k > 0)
                    memcpy(late + n_late, l, k * sizeof(*l));
                n_late += k;
                intake_commit(b->in);
                intake_begin(b->in);
            }
        }
        flush(b);
        {
            size_t k;
            const struct intake_late *l = intake_late(b->in, &k);

            if (k > 0)
                memcpy(late + n_late, l, k * sizeof(*l));
            n_late += k;
        }
        buf_reset(&out);
        for (size_t i = 0; i < b->taken; i++) {
            struct json_iter it;
            struct json_value v, d;
            struct err_info e;
            bool masked;

            assert_ok_err(intake_mask_late(event(b, i), i, late, n_late, &one, &masked, &e), &e);
            it = json_iter(json_value(masked ? buf_span(&one) : event(b, i)));
            assert_true(json_next(&it, &v) && json_next(&it, &v) && json_next(&it, &d));
            assert_true(json_string_decode(d.raw, &out));
        }
        if (seed == 0) {
            buf_add_span(&whole, buf_span(&out));
            assert_null(memmem(out.p, out.n, "example", 7));
            assert_null(memmem(out.p, out.n, "4111", 4));
        }
        assert_span_eq(buf_span(&out), buf_span(&whole));
        bed_free(b);
    }
    buf_deinit(&whole);
    buf_deinit(&out);
    buf_deinit(&one);
}

/* ---- the screen keeps its layout ---- */

static void play(struct screen *s, struct span json)
{
    struct buf text = BUF_INIT(EVENT_MAX);
    struct json_iter it = json_iter(json_value(json));
    struct json_value c, d;
    unsigned cols, rows;

    assert_true(json_next(&it, &c) && json_next(&it, &c) && json_next(&it, &d));
    if (d.type == JSON_STRING) {
        assert_true(json_string_decode(d.raw, &text));
        if (json_raw_eq(c.raw, "o"))
            screen_feed(s, buf_span(&text));
        else if (json_raw_eq(c.raw, "r") && sscanf(buf_cstr(&text), "%ux%u", &cols, &rows) == 2)
            screen_resize(s, (int) cols, (int) rows);
    }
    buf_deinit(&text);
}

static bool is_star(const struct screen_cell *c)
{
    return c->cp[0] == '*' || c->cp[0] == 0xff0a;
}

static void same_layout(const struct screen *a, const struct screen *b, const char *name, size_t at)
{
    int ax, ay, bx, by;

    screen_cursor(a, &ax, &ay, NULL);
    screen_cursor(b, &bx, &by, NULL);
    if (ax != bx || ay != by)
        fail_msg("%s: the cursor moved after event %zu: %d,%d to %d,%d", name, at, ax, ay, bx, by);
    for (int y = 0; y < screen_rows(a); y++)
        for (int x = 0; x < screen_cols(a); x++) {
            struct screen_cell p, q;

            screen_cell(a, x, y, &p);
            screen_cell(b, x, y, &q);
            if (is_star(&q) || (q.width == 0 && x > 0))
                continue;
            if (memcmp(p.cp, q.cp, sizeof(p.cp)) != 0 && !(p.width == 0))
                fail_msg("%s: cell %d,%d changed after event %zu: U+%04X to U+%04X", name, x, y, at, p.cp[0], q.cp[0]);
        }
}

struct layout {
    unsigned files, events, masked;
    unsigned open, live;
};

/* A file's events through the stage; with secrets put in by chance. */
static void compare(struct bed *b, struct span *original, size_t n, int cols, int rows, const char *name)
{
    CLEANUP(screen_freep) struct screen *before = screen_new(cols, rows), *after = screen_new(cols, rows);

    for (size_t i = 0; i < n; i++) {
        play(before, original[i]);
        play(after, event(b, i));
        if (i % 16 == 0 || i + 1 == n || b->masked[i])
            same_layout(before, after, name, i);
    }
}

static const char *const pieces[] = {
    "bob@example.com", " 4111 1111 1111 1111 ", "\r\n", "\x1b[31m", "\x1b[0m", "\xe6\x97\xa5\xe6\x9c\xac", "e\xcc\x81", "ab", " ", "\b", "\r", "\t",
    "\x1b[K", "\x1b[C", "\x1b[D", "\x1b[A", "\x1b[3;4H", "\x1b[2J", "\x1b[2@", "\x1b[2P", "\x1b[L", "\x1b[M", "\x1b[?1049h", "\x1b[?1049l", "\x1b[2;5r",
    "\x1b[r", "\x1bM", "\x1b[4b", "\xe6\x97\xa5@example.com", "123-45-6789", "\x1b[?7l", "\x1b[?7h", "\x1b]0;bob@example.com\x07", "\xf0\x9f\x98\x80",
    "bob@example.com\xe6\x97\xa5", "\x1b[S", "\x1b[T", "\x1b[X", "\x1b[1J", "\x1b[1K", "\n", "x@y.example",
};

static void test_layout_random(void **state)
{
    struct buf json = BUF_INIT(EVENT_MAX);

    (void) state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        int cols = 5 + (int) (seed % 37), rows = 3 + (int) (seed % 7);
        struct bed *b = bed_new("own \"wide\" { pattern = \"日本+\" }", cols, rows);
        struct stored at[64];
        struct span original[64];

        srandom(seed);
        buf_reset(&json);
        for (size_t i = 0; i < 64; i++) {
            struct buf text = BUF_INIT(EVENT_MAX);

            for (long k = random() % 6; k >= 0; k--)
                buf_add_str(&text, pieces[(size_t) random() % (sizeof(pieces) / sizeof(pieces[0]))]);
            at[i].at = json.n;
            buf_addf(&json, "[%zu,\"o\",", i);
            jsonw_add_string(&json, buf_span(&text));
            buf_add_c(&json, ']');
            at[i].n = json.n - at[i].at;
            buf_deinit(&text);
        }
        for (size_t i = 0; i < 64; i++) {
            original[i] = span_sub(buf_span(&json), at[i].at, at[i].n);
            add_json(b, original[i]);
        }
        flush(b);
        compare(b, original, 64, cols, rows, "random");
        bed_free(b);
    }
    buf_deinit(&json);
}

/* Each event is a batch: what of them would a follower wait for? Files in which lines are typed whole seconds before they are shown are no measure. */
static void follow(const struct span *events, size_t n, int cols, int rows, struct layout *l)
{
    struct bed *b = bed_new("", cols, rows);
    struct intake_unsure open;

    for (size_t i = 0; i < n; i++) {
        intake_begin(b->in);
        add_json(b, events[i]);
        flush(b);
        assert_true(intake_unsure(b->in, &open));
        intake_commit(b->in);
        if (memmem(events[i].p, events[i].n, ",\"i\",", 5) != NULL)
            break;
        l->open += open.n > 0;
        l->live += open.first != UINT64_MAX;
    }
    bed_free(b);
}

/* Real recordings: nothing but stars changes on the screen, at any event. */
static void real_file(const char *path, void *ctx)
{
    struct layout *l = ctx;
    struct buf file = BUF_INIT(8u << 20), json = BUF_INIT(8u << 20);
    struct json_limits lim = json_limits_event();
    struct json_error je;
    struct span rest, line, original[EVENTS];
    struct stored at[EVENTS];
    struct asciicast_event ev;
    struct asciicast head;
    struct bed *b;
    size_t n = 0;

    test_read_file(path, &file);
    rest = buf_span(&file);
    asciicast_init(&head, 2, EVENT_MAX);
    if (!span_cut(rest, '\n', &line, &rest) || !json_minify(line, &lim, &json, &je) ||
        asciicast_head(&head, buf_span(&json), NULL) != ERR_OK) {
        asciicast_deinit(&head);
        buf_deinit(&file);
        buf_deinit(&json);
        return;
    }
    b = bed_new("", (int) head.cols, (int) head.rows);
    buf_reset(&json);
    while (n < 400 && (span_cut(rest, '\n', &line, &rest) || line.n > 0)) {
        at[n].at = json.n;
        if (!json_minify(line, &lim, &json, &je)) {
            json.n = at[n].at;
            break;
        }
        at[n].n = json.n - at[n].at;
        if (asciicast_event(&head, span_sub(buf_span(&json), at[n].at, at[n].n), &ev, NULL) != ERR_OK) {
            json.n = at[n].at;
            break;
        }
        n++;
        if (line.p + line.n == file.p + file.n)
            break;
    }
    for (size_t i = 0; i < n; i++) {
        original[i] = span_sub(buf_span(&json), at[i].at, at[i].n);
        add_json(b, original[i]);
    }
    flush(b);
    compare(b, original, n, (int) head.cols, (int) head.rows, path);
    follow(original, n, (int) head.cols, (int) head.rows, l);
    l->files++;
    l->events += (unsigned) n;
    l->masked += (unsigned) intake_counts(b->in)->masked;
    bed_free(b);
    asciicast_deinit(&head);
    buf_deinit(&file);
    buf_deinit(&json);
}

static void test_layout_real(void **state)
{
    static const char *const dirs[] = { "asciicast/asciinema-edit", "asciicast/asciinema-player", "asciicast/asciinema-server", "asciicast/asciinema-server/2",
                                        "asciicast/asciinema.ext", "asciicast/asciinema_automation", "asciicast/k3d", "asciicast/termtosvg",
                                        "asciicast/r-asciicast", "asciicast/xakep666-player", "asciicast/mdbook-asciinema" };
    struct layout l = { 0 };

    (void) state;
    if (test_shared("asciicast/asciinema-player/input.cast") == NULL)
        skip();
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        if (test_shared(dirs[i]) != NULL)
            (void) test_each_file(test_shared(dirs[i]), ".cast", real_file, &l);
    print_message("%u files, %u events, %u masked\n", l.files, l.events, l.masked);
    print_message("a batch each: %u end in text that is not over, %u may not be shown yet\n", l.open, l.live);
    assert_true(l.files >= 5);
    assert_true(l.open > 1000 && l.live * 10 < l.open); /* ordinary text is shown at once */
}

/* ---- limits ---- */

/* Text that never closes is not held for ever, and the state stays small. */
static void test_hold(void **state)
{
    struct bed *b = bed_new("", 80, 24);
    struct buf big = BUF_INIT(EVENT_MAX);

    (void) state;
    for (unsigned i = 0; i < 2000; i++) {
        add(b, 'o', SPAN("a"));
        assert_true(b->seq - b->taken <= 512);
    }
    flush(b);
    for (unsigned i = 0; i < (1u << 20); i++)
        buf_add_c(&big, 'x');
    add(b, 'o', buf_span(&big));
    assert_int_equal(b->seq, b->taken);
    add(b, 'i', buf_span(&big));
    add(b, 'o', SPAN("\x1b]0;"));
    add(b, 'o', buf_span(&big));
    add(b, 'r', SPAN("65535x65535"));
    add(b, 'o', SPAN("\x1b[9999;9999Hbob@example.com \x1b[9999L\x1b[9999M\x1b[9999@\x1b[9999P\x1b[9999S\x1b[9999T\x1b[9999X"));
    flush(b);
    bed_free(b);
    buf_deinit(&big);
}

/* ---- what costs much for few bytes ---- */

struct slow {
    const char *name, *each; /* output, again and again */
    int cols, rows;
    const char *before; /* output, before it */
    const char *event;  /* or whole events, again and again */
    bool reads;         /* it costs little: nothing happens */
};

static const struct slow slow[] = {
    { "erase the display", "\x1b[2J", 96, 512, "", NULL },
    { "erase above", "\x1b[512H\x1b[1J", 96, 512, "", NULL },
    { "reset", "\x1b" "c", 96, 512, "", NULL },
    { "insert lines", "\x1b[9999L", 96, 512, "", NULL },
    { "delete lines", "\x1b[9999M", 96, 512, "", NULL },
    { "scroll up", "\x1b[9999S", 96, 512, "", NULL },
    { "scroll down", "\x1b[9999T", 96, 512, "", NULL },
    { "reverse line feeds", "\x1bM", 96, 512, "", NULL, true },
    { "alternate screen", "\x1b[?1049;1049h\x1b[?47l", 96, 512, "", NULL },
    { "insert cells", "\x1b[@", 1000, 40, "", NULL, true },
    { "erase a line", "\x1b[K", 1000, 40, "", NULL, true },
    { "repeat", "a\x1b[9999b", 1000, 40, "", NULL, true },
    { "resize", NULL, 96, 512, "", "[1,\"r\",\"96x512\"]|[1,\"r\",\"97x512\"]" },
    { "empty events", NULL, 96, 512, "", "[1,\"o\",\"\"]", true },
    { "one long line, looked at again", "x\b\x1b[B\x1b[A", 1000, 40, "long", NULL },
    { "one long line, an event each", NULL, 1000, 40, "long", "[1,\"o\",\"x\\b\"]|[1,\"o\",\"y\\b\"]" },
    { "a question, an event each", NULL, 300, 100, "question", "[1,\"o\",\"\"]" },
    { "typed and not shown", NULL, 96, 512, "typed", "[1,\"o\",\"\"]" },
    { "many pieces and a hit", "\r\x1b[Ka@b.co ", 96, 512, "pieces", NULL },
};

#define SLOW_SECONDS 3 /* for half a megabyte; inserted lines took six */

static void slow_before(struct bed *b, const char *what)
{
    struct buf text = BUF_INIT(EVENT_MAX);

    if (strcmp(what, "long") == 0)
        while (text.n < 31000)
            buf_add_str(&text, "a1 b2 c3 ");
    if (strcmp(what, "question") == 0)
        while (text.n < 299)
            buf_add_str(&text, "pas?pas:"); /* it ends as one, and has none of the words */
    if (strcmp(what, "pieces") == 0 || strcmp(what, "typed") == 0)
        for (unsigned i = 0; i < 8000; i++)
            buf_addf(&text, "\x1b[%u;%uHx", i / 90 + 1, i % 90 + 2);
    if (text.n > 0)
        add(b, 'o', buf_span(&text));
    if (strcmp(what, "typed") == 0)
        add(b, 'i', SPAN("s"));
    buf_deinit(&text);
}

static void slow_events(struct bed *b, const char *events, size_t bytes)
{
    struct span rest = span_str(events), one;

    for (size_t n = 0; n < bytes; n += one.n) {
        const uint8_t *end = memchr(rest.p, '|', rest.n);

        one = end == NULL ? rest : span_of(rest.p, (size_t) (end - rest.p));
        rest = end == NULL ? span_str(events) : span_sub(rest, one.n + 1, rest.n);
        add_json(b, one);
    }
}

static void slow_run(struct bed *b, const struct slow *s, size_t bytes)
{
    struct buf text = BUF_INIT(EVENT_MAX);

    while (s->each != NULL && text.n < 4096)
        buf_add_str(&text, s->each);
    for (size_t n = 0; text.n > 0 && n < bytes; n += text.n)
        add(b, 'o', buf_span(&text));
    if (text.n == 0)
        slow_events(b, s->event, bytes);
    flush(b);
    buf_deinit(&text);
}

static bool has(struct span s, struct span what)
{
    return memmem(s.p, s.n, what.p, what.n) != NULL;
}

/* Is what comes now still text? */
static bool reads(struct bed *b)
{
    add(b, 'o', SPAN("\x18\x1b[1;1H\x1b[31mhe\xc3\xa9llo\x1b[m\r\n"));
    flush(b);
    if (has(buf_span(&b->out), SPAN("\\u001b[31mhe\xc3\xa9llo\\u001b[m\\r\\n")))
        return true;
    assert_true(has(buf_span(&b->out), SPAN("\\u001b[31m******\\u001b[m\\r\\n")));
    return false;
}

/* However it is tried, a byte has its share of work, and past it nothing of the text stays readable. */
static void test_slow(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        struct bed *b = bed_new("", slow[i].cols, slow[i].rows);
        clock_t from = clock();
        double took;

        b->many = true;
        slow_before(b, slow[i].before);
        slow_run(b, &slow[i], 512u << 10);
        took = (double) (clock() - from) / CLOCKS_PER_SEC;
        if (took > SLOW_SECONDS)
            fail_msg("%s: %.1f s", slow[i].name, took);
        if (reads(b) != slow[i].reads)
            fail_msg("%s: %s", slow[i].name, slow[i].reads ? "unread" : "reads");
        bed_free(b);
    }
}

#define KEY_TYPED   "[12.345678,\"i\",\"x\"]|[12.345679,\"o\",\"x\"]"
#define KEYS_TYPED  KEY_TYPED "|" KEY_TYPED "|" KEY_TYPED "|" KEY_TYPED "|" KEY_TYPED "|" KEY_TYPED "|" KEY_TYPED "|" KEY_TYPED
#define LINE_TYPED  KEYS_TYPED "|" KEYS_TYPED "|" KEYS_TYPED "|" KEYS_TYPED "|" KEYS_TYPED "|" KEYS_TYPED "|" KEYS_TYPED "|" KEYS_TYPED

/* What people's programs do with large screens stays text, however long it goes on. */
static void test_ordinary(void **state)
{
    static const struct slow ordinary[] = {
        { "yes", "y\r\n", 720, 200, "", NULL },
        { "line feeds alone", "\n", 96, 512, "", NULL },
        { "top", "\x1b[H  1 root 20 0 0.0 init\x1b[K\r\n  2 root 20 0 0.0 kthreadd\x1b[K\r\n\x1b[J", 240, 60, "", NULL },
        { "clear and a screen", "\x1b[H\x1b[2J\x1b[3J 10:00:00 up 3 days, 2 users, load average: 0.01, 0.02, 0.03", 120, 50, "", NULL },
        { "an editor that scrolls", "\x1b[2;49r\x1b[2;1H\x1bM\x1b[1;50r\x1b[2;1Hint main(void)\x1b[K\x1b[50;1H\x1b[K12,1", 200, 50, "", NULL },
        { "a progress bar", "\r 45% [=========>         ] 12.3 MB/s eta 0:10", 80, 24, "", NULL },
        { "an emulator's size dragged", NULL, 200, 60, "", "[1,\"r\",\"201x60\"]|[1,\"o\",\"\\u001b[H\\u001b[2Jprompt$ \\u001b[K\"]|[1,\"r\",\"200x60\"]" },
        { "typing", NULL, 200, 60, "", LINE_TYPED "|[1.5,\"i\",\"\\r\"]|[1.5,\"o\",\"\\r\\n\"]" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
        struct bed *b = bed_new("", ordinary[i].cols, ordinary[i].rows);

        b->many = true;
        slow_run(b, &ordinary[i], 1u << 20);
        if (!reads(b))
            fail_msg("%s: unread", ordinary[i].name);
        bed_free(b);
    }
}

/* What was shown before and might have become a match goes too: its other half is looked at by nobody. */
static void test_slow_half(void **state)
{
    struct bed *b = bed_new("", 96, 512);
    struct buf text = BUF_INIT(EVENT_MAX);
    const struct intake_late *late;
    size_t n;

    (void) state;
    b->many = true;
    while (text.n < (512u << 10))
        buf_add_str(&text, "\x1b[1;40H\x1b[9999L");
    add(b, 'o', SPAN("over\r\nbob@exam"));
    flush(b); /* and out */
    add(b, 'o', SPAN("ple"));
    add(b, 'o', buf_span(&text));
    assert_false(reads(b));
    late = intake_late(b->in, &n);
    assert_int_equal(n, 1);
    assert_int_equal(late[0].seq, 0);
    assert_int_equal(late[0].from, 6);
    assert_int_equal(late[0].to, 14);
    assert_int_equal(late[0].rule, MASK_UNREAD);
    add(b, 'i', SPAN("ls\r"));
    flush(b);
    assert_true(has(buf_span(&b->out), SPAN("\"i\",\"**\\r\"")));
    add(b, 'o', SPAN("\x1b]0;bob\x07"));
    flush(b);
    assert_true(has(buf_span(&b->out), SPAN("\\u001b]*****\\u0007")));
    bed_free(b);
    buf_deinit(&text);
}

static int setup(void **state)
{
    struct err_info e;

    (void) state;
    return mask_init(&e) == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases), cmocka_unit_test(test_sudo),          cmocka_unit_test(test_typed_all),
        cmocka_unit_test(test_other), cmocka_unit_test(test_head),          cmocka_unit_test(test_late),
        cmocka_unit_test(test_late_moved),
        cmocka_unit_test(test_unsure), cmocka_unit_test(test_live),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_cuts),  cmocka_unit_test(test_layout_random), cmocka_unit_test(test_layout_real),
        cmocka_unit_test(test_hold),  cmocka_unit_test(test_slow),          cmocka_unit_test(test_ordinary),
        cmocka_unit_test(test_slow_half),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
