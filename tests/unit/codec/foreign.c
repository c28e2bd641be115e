/* What other recorders' clients send: bodies in every form that the clients know, and each way in which one can be wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "codec/base64.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "codec/posthog.h"
#include "codec/sentry.h"
#include "test.h"

#define EV1 "{\"type\":4,\"data\":{\"href\":\"https://a.test/\",\"width\":10,\"height\":20},\"timestamp\":1700000000100}"
#define EV2 "{\"type\":3,\"data\":{\"source\":2,\"type\":2,\"id\":7},\"timestamp\":1700000000200}"
#define EV3 "{\"type\":5,\"data\":{\"tag\":\"x\",\"payload\":{}},\"timestamp\":1700000000300}"

static struct span packed(struct span in, int window, struct buf *out)
{
    z_stream z = { 0 };
    uint8_t *room = buf_reserve(out, in.n + in.n / 1000 + 64);

    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = room;
    z.avail_out = (uInt) (in.n + in.n / 1000 + 64);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    (void) deflateEnd(&z);
    return buf_span(out);
}

static struct span gzipped(struct span in, struct buf *out)
{
    return packed(in, 15 + 16, out);
}

/* Bytes as a string of characters up to U+00FF, in JSON. */
static void latin1(struct buf *to, struct span bytes)
{
    buf_add_c(to, '"');
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] >= 0x80) {
            buf_u8(to, (uint8_t) (0xc0 | bytes.p[i] >> 6));
            buf_u8(to, (uint8_t) (0x80 | (bytes.p[i] & 0x3f)));
        } else if (bytes.p[i] < 0x20 || bytes.p[i] == '"' || bytes.p[i] == '\\') {
            buf_addf(to, "\\u%04x", bytes.p[i]);
        } else {
            buf_add_c(to, (char) bytes.p[i]);
        }
    }
    buf_add_c(to, '"');
}

static void assert_events(const struct foreign *f, const char *want)
{
    assert_string_equal(buf_cstr((struct buf *) (uintptr_t) &f->events), want);
}

/* ---- PostHog ---- */

#define PROPS(session, window, data)                                                                                   \
    "{\"token\":\"kit_abc\",\"distinct_id\":\"u\",\"$session_id\":\"" session "\",\"$window_id\":\"" window                \
    "\",\"$snapshot_data\":" data ",\"$snapshot_bytes\":1}"
#define CAPTURE(session, window, data) "{\"event\":\"$snapshot\",\"uuid\":\"1\",\"properties\":" PROPS(session, window, data) "}"

static enum err posthog(struct foreign *f, struct span body)
{
    foreign_init(f, FOREIGN_POSTHOG);
    return posthog_read(f, body, false, UNPACK_IDENTITY);
}

static void test_posthog_forms(void **state)
{
    static const char one[] = CAPTURE("s-1", "w1", "[" EV1 "," EV2 "]");
    struct buf gz = BUF_INIT(1 << 20), form = BUF_INIT(1 << 20), b64 = BUF_INIT(1 << 20), list = BUF_INIT(1 << 20);
    struct span bodies[6];
    size_t n = 0;

    (void) state;
    bodies[n++] = span_str(one);
    bodies[n++] = gzipped(span_str(one), &gz);
    base64_add(&b64, span_str(one));
    buf_add_str(&form, "data=");
    for (size_t i = 0; i < b64.n; i++) {
        if (b64.p[i] == '+' || b64.p[i] == '/' || b64.p[i] == '=')
            buf_addf(&form, "%%%02X", b64.p[i]);
        else
            buf_add_c(&form, (char) b64.p[i]);
    }
    buf_add_str(&form, "&ip=1");
    bodies[n++] = buf_span(&form);
    bodies[n++] = SPAN("[" CAPTURE("s-1", "w1", EV1) "," CAPTURE("s-1", "w1", "[" EV2 "]") "]");
    bodies[n++] = SPAN("{\"api_key\":\"kit_abc\",\"batch\":[" CAPTURE("s-1", "w1", "[" EV1 "," EV2 "]") ",{\"event\":\"$pageview\"}]}");
    buf_add_str(&list, "data=");
    buf_add_span(&list, buf_span(&b64)); /* not escaped, as old clients have it */
    bodies[n++] = buf_span(&list);
    for (size_t i = 0; i < n; i++) {
        struct foreign f;

        assert_ok(posthog(&f, bodies[i]));
        assert_events(&f, "[" EV1 "," EV2 "]");
        assert_string_equal(f.session, "s-1");
        assert_string_equal(f.window, "w1");
        assert_string_equal(f.token, "kit_abc");
        assert_int_equal(f.first_at, 1700000000100);
        assert_int_equal(f.n_links, 1);
        assert_string_equal(f.links[0].type, "session");
        assert_string_equal(f.links[0].id, "s-1");
        foreign_deinit(&f);
    }
    buf_deinit(&gz);
    buf_deinit(&form);
    buf_deinit(&b64);
    buf_deinit(&list);
}

static void test_posthog_refused(void **state)
{
    static const struct {
        const char *body;
        enum err code;
        enum foreign_fault fault;
    } cases[] = {
        { "[" CAPTURE("s-1", "w1", EV1) "," CAPTURE("s-2", "w1", EV2) "]", ERR_INVAL, FOREIGN_MIXED },
        { "[" CAPTURE("s-1", "w1", EV1) "," CAPTURE("s-1", "w2", EV2) "]", ERR_INVAL, FOREIGN_MIXED },
        { "{\"api_key\":\"other\",\"batch\":[" CAPTURE("s-1", "w1", EV1) "]}", ERR_INVAL, FOREIGN_MIXED },
        { CAPTURE("s 1", "w1", EV1), ERR_INVAL, FOREIGN_BROKEN },
        { CAPTURE("", "w1", EV1), ERR_INVAL, FOREIGN_BROKEN },
        { CAPTURE("s-1", "", EV1), ERR_INVAL, FOREIGN_BROKEN },
        { CAPTURE("s-1", "w1", "7"), ERR_INVAL, FOREIGN_BROKEN },
        { CAPTURE("s-1", "w1", "[]"), ERR_INVAL, FOREIGN_BROKEN },
        { "{\"event\":\"$snapshot\"}", ERR_INVAL, FOREIGN_BROKEN },
        { "{\"event\":\"$pageview\",\"properties\":{\"token\":\"kit_abc\"}}", ERR_INVAL, FOREIGN_BROKEN },
        { "[]", ERR_INVAL, FOREIGN_BROKEN },
        { "7", ERR_INVAL, FOREIGN_BROKEN },
        { "", ERR_INVAL, FOREIGN_BROKEN },
        { "data=!!!!", ERR_INVAL, FOREIGN_BROKEN },
        { "{\"event\":\"$snapshot\",", ERR_INVAL, FOREIGN_BROKEN },
        { "{\"event\":\"$snapshot\",\"properties\":{\"$session_id\":\"s\",\"$window_id\":\"w\",\"$snapshot_source\":\"mobile\","
          "\"$snapshot_data\":[]}}", ERR_UNSUPPORTED, FOREIGN_VIDEO },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct foreign f;

        if (posthog(&f, span_str(cases[i].body)) != cases[i].code || f.fault != cases[i].fault)
            fail_msg("case %zu: %d %d %s", i, f.error.code, f.fault, f.error.cause);
        assert_true(f.error.cause[0] != '\0');
        foreign_deinit(&f);
    }
}

static void test_posthog_bomb(void **state)
{
    struct buf big = BUF_INIT(FOREIGN_UNPACKED_MAX + 64), gz = BUF_INIT(200 << 20);
    struct foreign f;

    (void) state;
    assert_non_null(buf_reserve(&big, FOREIGN_UNPACKED_MAX + 1));
    memset(big.p, ' ', FOREIGN_UNPACKED_MAX + 1);
    big.n = FOREIGN_UNPACKED_MAX + 1;
    assert_int_equal(posthog(&f, gzipped(buf_span(&big), &gz)), ERR_LIMIT);
    assert_string_equal(f.error.limit, "unpacked-size");
    foreign_deinit(&f);
    gz.n -= 9; /* a cut one */
    assert_int_not_equal(posthog(&f, span_sub(buf_span(&gz), 0, 40)), ERR_OK);
    foreign_deinit(&f);
    buf_deinit(&big);
    buf_deinit(&gz);
}

static void test_posthog_captures(void **state)
{
    static const char body[] =
        "[{\"event\":\"$pageview\",\"properties\":{\"token\":\"kit_abc\",\"$session_id\":\"s-9\"}},"
        "{\"event\":\"$exception\",\"uuid\":\"0197-e1\",\"timestamp\":\"2026-11-22T10:00:00.250Z\","
        "\"properties\":{\"token\":\"kit_abc\",\"$session_id\":\"s-1\",\"$window_id\":\"w1\"}},"
        "{\"event\":\"$exception\",\"uuid\":\"0197-e2\",\"offset\":1500,"
        "\"properties\":{\"token\":\"kit_abc\",\"$session_id\":\"s-1\",\"$window_id\":\"w1\"}}]";
    struct foreign f;

    (void) state;
    foreign_init(&f, FOREIGN_POSTHOG);
    assert_ok(posthog_read_captures(&f, span_str(body), false, UNPACK_IDENTITY, 1700000002000));
    assert_string_equal(f.session, "s-1");
    assert_int_equal(f.n_links, 2);
    assert_string_equal(f.links[0].id, "0197-e1");
    assert_int_equal(f.links[0].at, 1795341600250);
    assert_int_equal(f.links[1].at, 1700000000500);
    assert_int_equal(f.n_events, 0);
    foreign_deinit(&f);
    foreign_init(&f, FOREIGN_POSTHOG);
    assert_ok(posthog_read_captures(&f, SPAN("[{\"event\":\"$pageview\",\"properties\":{\"token\":\"kit_abc\"}}]"), false,
                                    UNPACK_IDENTITY, 1));
    assert_string_equal(f.token, "kit_abc");
    assert_string_equal(f.session, "");
    foreign_deinit(&f);
}

/* ---- packed fields ---- */

static void cv_event(struct buf *ev, const char *head, const char *field, const char *tail)
{
    struct buf gz = BUF_INIT(1 << 24);

    buf_add_str(ev, head);
    latin1(ev, gzipped(span_str(field), &gz));
    buf_add_str(ev, tail);
    buf_deinit(&gz);
}

static void test_plain_fields(void **state)
{
    struct buf ev = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    struct err_info why = { 0 };
    uint64_t n = 0;

    (void) state;
    cv_event(&ev, "{\"type\":2,\"data\":", "{ \"node\": {\"id\":1} }", ",\"timestamp\":5,\"cv\":\"2024-10\"}");
    assert_ok(posthog_plain_event(buf_span(&ev), &out, &n, &why));
    assert_string_equal(buf_cstr(&out), "{\"type\":2,\"data\":{\"node\":{\"id\":1}},\"timestamp\":5}");
    assert_int_equal(n, 20);

    buf_reset(&ev);
    buf_reset(&out);
    cv_event(&ev, "{\"cv\":\"2024-10\",\"type\":3,\"data\":{\"source\":0,\"texts\":", "[]", ",\"attributes\":");
    {
        struct buf gz = BUF_INIT(8192);

        latin1(&ev, gzipped(SPAN("[{\"id\":2}]"), &gz));
        buf_deinit(&gz);
    }
    buf_add_str(&ev, ",\"adds\":[1],\"kept\":\"s\"},\"timestamp\":5}");
    assert_ok(posthog_plain_event(buf_span(&ev), &out, &n, &why));
    assert_string_equal(buf_cstr(&out), "{\"type\":3,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[{\"id\":2}],\"adds\":[1],"
                                        "\"kept\":\"s\"},\"timestamp\":5}");
    buf_deinit(&ev);
    buf_deinit(&out);
}

static void test_plain_fields_refused(void **state)
{
    struct buf ev = BUF_INIT(64 << 20), out = BUF_INIT(4096), white = BUF_INIT(64 << 20);
    struct err_info why = { 0 };
    uint64_t n = 0;

    (void) state;
    assert_int_equal(posthog_plain_event(SPAN("{\"cv\":\"1\",\"type\":2,\"data\":\"\\u0100\"}"), &out, &n, &why), ERR_INVAL);
    buf_reset(&out);
    assert_int_equal(posthog_plain_event(SPAN("{\"cv\":\"1\",\"type\":2,\"data\":\"abc\"}"), &out, &n, &why), ERR_CORRUPT);
    buf_reset(&out);
    cv_event(&ev, "{\"cv\":\"1\",\"type\":2,\"data\":", "{\"node\":", "}");
    assert_int_equal(posthog_plain_event(buf_span(&ev), &out, &n, &why), ERR_INVAL);
    /* Two fields that are short once their white space is gone, and together are more than an event may be. */
    for (size_t i = 0; i < 3000; i++)
        buf_add_c(&white, ' ');
    buf_add_str(&white, "[]");
    buf_reset(&ev);
    buf_reset(&out);
    cv_event(&ev, "{\"cv\":\"1\",\"type\":3,\"data\":{\"adds\":", buf_cstr(&white), ",\"texts\":");
    {
        struct buf gz = BUF_INIT(1 << 20);

        latin1(&ev, gzipped(buf_span(&white), &gz));
        buf_deinit(&gz);
    }
    buf_add_str(&ev, "}}");
    assert_int_equal(posthog_plain_event(buf_span(&ev), &out, &n, &why), ERR_LIMIT);
    buf_deinit(&ev);
    buf_deinit(&out);
    buf_deinit(&white);
}

/* ---- Sentry ---- */

#define REPLAY  "0123456789abcdef0123456789abcdef"
#define ERRID   "ffffffffffffffffffffffffffffffff"
#define TRACEID "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

static void envelope(struct buf *to, const char *replay, unsigned segment, struct span payload)
{
    char head[64];
    int n = snprintf(head, sizeof(head), "{\"segment_id\":%u}\n", segment);

    buf_addf(to, "{\"event_id\":\"%s\",\"sent_at\":\"2026-11-22T10:00:00Z\",\"dsn\":\"https://kit_abc@k.test/1\"}\n", replay);
    buf_addf(to,
             "{\"type\":\"replay_event\"}\n{\"type\":\"replay_event\",\"replay_id\":\"%s\",\"segment_id\":%u,"
             "\"replay_start_timestamp\":1700000000.1,\"timestamp\":1700000005.25,\"error_ids\":[\"" ERRID "\"],"
             "\"trace_ids\":[\"" TRACEID "\"],\"user\":{\"id\":\"u-7\"}}\n",
             replay, segment);
    buf_addf(to, "{\"type\":\"replay_recording\",\"length\":%zu}\n%s", (size_t) n + payload.n, head);
    buf_add_span(to, payload);
}

static enum err sentry(struct foreign *f, struct span body)
{
    foreign_init(f, FOREIGN_SENTRY);
    return sentry_read(f, body, false, UNPACK_IDENTITY);
}

static void test_sentry_payloads(void **state)
{
    static const char events[] = "[" EV1 "," EV2 "]";
    struct buf z = BUF_INIT(4096), gz = BUF_INIT(8192);
    struct span payloads[3];

    (void) state;
    payloads[0] = packed(span_str(events), 15, &z);
    payloads[1] = gzipped(span_str(events), &gz);
    payloads[2] = span_str(events);
    for (size_t i = 0; i < 3; i++) {
        struct buf body = BUF_INIT(8192);
        struct foreign f;

        envelope(&body, REPLAY, 4, payloads[i]);
        if (i == 2)
            buf_add_c(&body, '\n');
        assert_ok(sentry(&f, buf_span(&body)));
        assert_events(&f, events);
        assert_string_equal(f.session, REPLAY);
        assert_string_equal(f.token, "kit_abc");
        assert_string_equal(f.subject, "u-7");
        assert_true(f.numbered);
        assert_int_equal(f.segment, 4);
        assert_int_equal(f.n_links, 3);
        assert_string_equal(f.links[0].type, "replay");
        assert_int_equal(f.links[0].at, 1700000000100);
        assert_string_equal(f.links[1].type, "error");
        assert_string_equal(f.links[1].id, ERRID);
        assert_int_equal(f.links[1].at, 1700000005250);
        assert_string_equal(f.links[2].type, "trace");
        foreign_deinit(&f);
        buf_deinit(&body);
    }
    buf_deinit(&z);
    buf_deinit(&gz);
}

/* Newlines everywhere: what is packed may have any byte, and blank lines between items are none. */
static void test_sentry_newlines(void **state)
{
    struct buf events = BUF_INIT(65536), z = BUF_INIT(65536), body = BUF_INIT(65536);
    struct foreign f;

    (void) state;
    buf_add_str(&events, "[{\"type\":5,\"timestamp\":1,\"data\":\"");
    for (int i = 0; i < 2000; i++)
        buf_add_str(&events, "\\n");
    buf_add_str(&events, "\"}]");
    {
        z_stream s = { 0 }; /* stored, so that the payload is full of newlines of its own */
        uint8_t *room = buf_reserve(&z, 32768);

        for (size_t i = 0; i < 2000; i++)
            buf_add_c(&events, '\n');
        assert_int_equal(deflateInit2(&s, 0, Z_DEFLATED, 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        s.next_in = events.p;
        s.avail_in = (uInt) events.n;
        s.next_out = room;
        s.avail_out = 32768;
        assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
        z.n = s.total_out;
        (void) deflateEnd(&s);
    }
    envelope(&body, REPLAY, 0, buf_span(&z));
    buf_add_str(&body, "\n\n{\"type\":\"session\",\"length\":3}\n\n\n\n\n");
    assert_ok(sentry(&f, buf_span(&body)));
    assert_int_equal(f.n_events, 1);
    foreign_deinit(&f);
    buf_deinit(&events);
    buf_deinit(&z);
    buf_deinit(&body);
}

static void test_sentry_order(void **state)
{
    struct buf body = BUF_INIT(65536);
    struct foreign f;

    (void) state;
    envelope(&body, REPLAY, 10, SPAN("[" EV3 "]"));
    buf_add_c(&body, '\n');
    envelope(&body, REPLAY, 2, SPAN("[" EV2 "]"));
    buf_add_c(&body, '\n');
    envelope(&body, REPLAY, 0, SPAN("[" EV1 "]"));
    buf_add_c(&body, '\n');
    envelope(&body, REPLAY, 2, SPAN("[" EV2 "]"));
    assert_ok(sentry(&f, buf_span(&body)));
    assert_events(&f, "[" EV1 "," EV2 "," EV3 "]");
    assert_int_equal(f.segment, 0);
    assert_int_equal(f.last_segment, 10);
    foreign_deinit(&f);
    buf_deinit(&body);
}

/* A replay's segment names the errors in it by its own end; the error itself knows better, whichever is heard first. */
static void test_links_have_their_earliest_time(void **state)
{
    static const time_ms times[][3] = { { 5250, 1500, 1500 }, { 1500, 5250, 1500 }, { 0, 1500, 1500 }, { 1500, 0, 1500 }, { 0, 0, 0 } };

    (void) state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        const struct json_value id = { .type = JSON_STRING, .raw = SPAN(ERRID) };
        struct foreign f;

        foreign_init(&f, FOREIGN_SENTRY);
        foreign_add_link(&f, "error", id, times[i][0]);
        foreign_add_link(&f, "error", id, times[i][1]);
        foreign_add_link(&f, "trace", id, 9);
        assert_int_equal(f.n_links, 2);
        assert_int_equal(f.links[0].at, times[i][2]);
        foreign_deinit(&f);
    }
}

static void test_sentry_others(void **state)
{
    struct foreign f;

    (void) state;
    assert_ok(sentry(&f, SPAN("{\"sent_at\":\"x\"}\n{\"type\":\"session\"}\n{\"sid\":\"1\"}\n{\"type\":\"client_report\"}\n{}")));
    assert_string_equal(f.session, "");
    assert_int_equal(f.n_events, 0);
    foreign_deinit(&f);
    assert_ok(sentry(&f, SPAN("{\"event_id\":\"" ERRID "\"}\n{\"type\":\"event\"}\n{\"event_id\":\"" ERRID
                              "\",\"timestamp\":1700000001.5,\"contexts\":{\"trace\":{\"trace_id\":\"" TRACEID
                              "\"},\"replay\":{\"replay_id\":\"" REPLAY "\"}}}\n")));
    assert_string_equal(f.session, REPLAY);
    assert_int_equal(f.n_links, 2);
    assert_int_equal(f.links[0].at, 1700000001500);
    assert_false(f.numbered);
    foreign_deinit(&f);
    assert_ok(sentry(&f, SPAN("{\"trace\":{\"replay_id\":\"" REPLAY "\"}}\n{\"type\":\"event\"}\n{\"event_id\":\"" ERRID "\"}")));
    assert_string_equal(f.session, REPLAY);
    foreign_deinit(&f);
}

static void test_sentry_refused(void **state)
{
    static const struct {
        const char *body;
        enum err code;
        enum foreign_fault fault;
    } cases[] = {
        { "{}\n{\"type\":\"replay_event\"}\n{\"replay_id\":\"a\"}\n{\"type\":\"replay_event\"}\n{\"replay_id\":\"b\"}", ERR_INVAL, FOREIGN_MIXED },
        { "{\"dsn\":\"https://a@h/1\"}\n{\"dsn\":\"https://b@h/1\"}\n", ERR_INVAL, FOREIGN_MIXED },
        { "{}\n{\"type\":\"replay_video\",\"length\":4}\nabcd", ERR_UNSUPPORTED, FOREIGN_VIDEO },
        { "{}\n{\"type\":\"replay_event\"}\n{}", ERR_INVAL, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"replay_recording\",\"length\":3}\n{}\n", ERR_INVAL, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"replay_recording\",\"length\":99}\n{}\n", ERR_CORRUPT, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"replay_recording\",\"length\":-1}\n{}\n", ERR_CORRUPT, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"session\",\"length\":1}\n{}\n", ERR_CORRUPT, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"replay_recording\",\"length\":20}\n{\"segment_id\":0}\n[1]\n", ERR_INVAL, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"replay_recording\",\"length\":19}\n{\"segment_id\":0}\n{}\n", ERR_INVAL, FOREIGN_BROKEN },
        { "{}\n{\"type\":\"replay_recording\",\"length\":20}\n{\"segment_id\":-1}\n[]\n", ERR_INVAL, FOREIGN_BROKEN },
        { "nothing\n", ERR_INVAL, FOREIGN_BROKEN },
        { "7\n", ERR_INVAL, FOREIGN_BROKEN },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct foreign f;

        if (sentry(&f, span_str(cases[i].body)) != cases[i].code || f.fault != cases[i].fault)
            fail_msg("case %zu: %d %d %s", i, f.error.code, f.fault, f.error.cause);
        foreign_deinit(&f);
    }
}

/* A bomb inside the item, and many of them that are one together. */
static void test_sentry_bomb(void **state)
{
    struct buf big = BUF_INIT(64 << 20), z = BUF_INIT(80 << 20), body = BUF_INIT(16 << 20);
    struct foreign f;

    (void) state;
    assert_non_null(buf_reserve(&big, 60u << 20));
    memset(big.p, ' ', 60u << 20);
    memcpy(big.p, "[]", 2);
    big.n = 60u << 20;
    (void) packed(buf_span(&big), 15, &z);
    envelope(&body, REPLAY, 0, buf_span(&z));
    assert_ok(sentry(&f, buf_span(&body)));
    foreign_deinit(&f);
    buf_add_c(&body, '\n');
    envelope(&body, REPLAY, 1, buf_span(&z));
    assert_int_equal(sentry(&f, buf_span(&body)), ERR_LIMIT);
    assert_string_equal(f.error.limit, "unpacked-size");
    foreign_deinit(&f);
    buf_deinit(&big);
    buf_deinit(&z);
    buf_deinit(&body);
}

static void test_dsn(void **state)
{
    static const struct {
        const char *dsn, *key;
    } cases[] = {
        { "https://kit_abc@k.test/1", "kit_abc" }, { "http://a:b@h:1/2", "a" }, { "https://h/1", NULL },
        { "https://a!@h/1", NULL },                { "", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[64];

        assert_int_equal(sentry_dsn_key(span_str(cases[i].dsn), key, sizeof(key)), cases[i].key != NULL);
        if (cases[i].key != NULL)
            assert_string_equal(key, cases[i].key);
    }
}

/* ---- lines ---- */

static void test_lines(void **state)
{
    static const uint8_t secret[16] = { 1 };
    static const bool keep[] = { false, true, true };
    struct buf out = BUF_INIT(4096);
    struct foreign f;

    (void) state;
    foreign_init(&f, FOREIGN_RRWEB);
    assert_ok(foreign_lines(&f, SPAN(EV1 "\n" EV2 "\r\n\n" EV2), secret));
    assert_events(&f, "[" EV1 "," EV2 "," EV2 "]");
    assert_int_equal(f.n_events, 3);
    assert_true(f.lines[1] == f.lines[2] && f.lines[0] != f.lines[1]);
    assert_ok(foreign_lines_pick(&f, buf_span(&f.events), keep, &out));
    assert_string_equal(buf_cstr(&out), "[" EV2 "," EV2 "]");
    foreign_deinit(&f);
    foreign_init(&f, FOREIGN_RRWEB);
    assert_int_equal(foreign_lines(&f, SPAN("\n\n"), secret), ERR_INVAL);
    foreign_deinit(&f);
    foreign_init(&f, FOREIGN_RRWEB);
    assert_int_equal(foreign_lines(&f, SPAN(EV1 "\n{\"type\":"), secret), ERR_INVAL);
    foreign_deinit(&f);
    buf_deinit(&out);
}

/* Two bytes are a line, and a hundred kilobytes can unpack to fifty million. */
static void test_too_many_lines(void **state)
{
    static const uint8_t secret[16] = { 1 };
    struct buf body = BUF_INIT(1 << 20);
    struct foreign f;

    (void) state;
    for (int i = 0; i < FOREIGN_LINES_MAX; i++)
        buf_add_str(&body, "1\n");
    foreign_init(&f, FOREIGN_RRWEB);
    assert_ok(foreign_lines(&f, buf_span(&body), secret)); /* that they are no events is found behind */
    foreign_deinit(&f);
    buf_add_str(&body, "1\n");
    foreign_init(&f, FOREIGN_RRWEB);
    assert_int_equal(foreign_lines(&f, buf_span(&body), secret), ERR_LIMIT);
    assert_string_equal(f.error.limit, "batch-events");
    foreign_deinit(&f);
    buf_deinit(&body);
}

/* ---- exports ---- */

static void test_exports(void **state)
{
    static const char *const texts[] = {
        "{\"result\":{\"snapshots\":[" EV1 "," EV2 "],\"person\":{}}}",
        "{\"snapshots\":[" EV1 "," EV2 "]}",
        "{\"version\":\"2023-04-28\",\"data\":{\"id\":\"x\",\"snapshots\":[" EV1 "," EV2 "]}}",
        "{\"result\":{\"snapshot_data_by_window_id\":{\"w1\":[" EV1 "," EV2 "]}}}",
        "{\"snapshot_data_by_window_id\":{\"w1\":[" EV1 "," EV2 "]}}",
        "[\"w1\"," EV1 "]\n[\"w1\"," EV2 "]\n",
        "{\"window_id\":\"w1\",\"data\":[" EV1 "]}\n{\"window_id\":\"w1\",\"data\":[" EV2 "]}",
        CAPTURE("s-1", "w1", "[" EV1 "," EV2 "]"),
        CAPTURE("s-1", "w1", EV1) "\n" CAPTURE("s-1", "w1", EV2),
    };
    struct foreign f;

    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        foreign_init(&f, FOREIGN_POSTHOG);
        if (posthog_read_export(&f, span_str(texts[i])) != ERR_OK)
            fail_msg("case %zu: %s", i, f.error.cause);
        assert_events(&f, "[" EV1 "," EV2 "]");
        foreign_deinit(&f);
    }
    foreign_init(&f, FOREIGN_POSTHOG);
    assert_int_equal(posthog_read_export(&f, SPAN("{\"snapshot_data_by_window_id\":{\"w1\":[" EV1 "],\"w2\":[" EV2 "]}}")), ERR_INVAL);
    assert_int_equal(f.fault, FOREIGN_MIXED);
    foreign_deinit(&f);
}

static void test_held_exports(void **state)
{
    static const struct {
        const char *path;
        enum err code;
        size_t n;
    } files[] = {
        { "rrweb/posthog/hogflix_session_recording.json", ERR_OK, 0 },
        { "rrweb/posthog/recording_events.json", ERR_UNSUPPORTED, 0 },
        { "rrweb/posthog/recording_meta.json", ERR_UNSUPPORTED, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path = test_shared(files[i].path);
        struct buf text = BUF_INIT(16 << 20);
        struct foreign f;

        if (path == NULL)
            skip();
        test_read_file(path, &text);
        foreign_init(&f, FOREIGN_POSTHOG);
        if (posthog_read_export(&f, buf_span(&text)) != files[i].code)
            fail_msg("%s: %d %s", files[i].path, f.error.code, f.error.cause);
        if (files[i].code == ERR_OK)
            assert_true(f.n_events > 20);
        foreign_deinit(&f);
        buf_deinit(&text);
    }
}

struct asked {
    const char *good;
    unsigned n;
};

static bool known(void *ctx, struct span word)
{
    struct asked *a = ctx;

    a->n++;
    return span_eq_str(word, a->good);
}

/* Whose a body is, is looked for before it is parsed, and before more of it is unpacked than is needed for that. */
static void test_strangers(void **state)
{
    static const char mine[] = CAPTURE("s-1", "w1", "[" EV1 "," EV2 "]"), broken[] = "[{\"token\":\"kit_abc\"";
    struct asked a = { .good = "kit_abc" };
    struct buf big = BUF_INIT(40u << 20), gz = BUF_INIT(80u << 20), body = BUF_INIT(1 << 16), many = BUF_INIT(1 << 16);
    struct foreign f;

    (void) state;
    for (int i = 0; i < 2; i++) { /* known, and not */
        const bool good = i == 0;

        a.good = good ? "kit_abc" : "kit_xyz";
        foreign_init(&f, FOREIGN_POSTHOG);
        f.known = known;
        f.known_ctx = &a;
        assert_int_equal(posthog_read(&f, span_str(mine), false, UNPACK_IDENTITY), good ? ERR_OK : ERR_INVAL);
        assert_int_equal(f.fault, good ? FOREIGN_BROKEN : FOREIGN_STRANGER);
        foreign_deinit(&f);
        foreign_init(&f, FOREIGN_POSTHOG);
        f.known = known;
        f.known_ctx = &a;
        assert_int_not_equal(posthog_read_captures(&f, span_str(broken), false, UNPACK_IDENTITY, 1), ERR_OK);
        assert_int_equal(f.fault, good ? FOREIGN_BROKEN : FOREIGN_STRANGER); /* not even that it is broken */
        foreign_deinit(&f);
        body.n = 0;
        envelope(&body, REPLAY, 4, SPAN("no zlib, no JSON"));
        foreign_init(&f, FOREIGN_SENTRY);
        f.known = known;
        f.known_ctx = &a;
        assert_int_not_equal(sentry_read(&f, buf_span(&body), false, UNPACK_IDENTITY), ERR_OK);
        assert_int_equal(f.fault, good ? FOREIGN_BROKEN : FOREIGN_STRANGER);
        foreign_deinit(&f);
    }
    /* Words that are none of a project's: not looked up without end. */
    for (int i = 0; i < 1000; i++)
        buf_addf(&many, "\"kib_%d\",\"kim\",", i);
    a = (struct asked){ .good = "kit_abc" };
    foreign_init(&f, FOREIGN_POSTHOG);
    f.known = known;
    f.known_ctx = &a;
    assert_int_equal(foreign_check_token(&f, buf_span(&many)), ERR_INVAL);
    assert_in_range(a.n, 10, 64);
    foreign_deinit(&f);
    /* 33 MiB of blanks behind a name: more than a stranger's body may unpack to, less than one that says whose it is. */
    buf_add_str(&big, mine);
    memset(buf_reserve(&big, 33u << 20), ' ', 33u << 20);
    big.n += 33u << 20;
    (void) gzipped(buf_span(&big), &gz);
    foreign_init(&f, FOREIGN_POSTHOG);
    f.known = known;
    f.known_ctx = &a;
    assert_int_equal(posthog_read(&f, buf_span(&gz), false, UNPACK_IDENTITY), ERR_LIMIT);
    assert_int_equal(f.error.limit_value, FOREIGN_UNNAMED_MAX);
    foreign_deinit(&f);
    assert_ok(posthog(&f, buf_span(&gz)));
    foreign_deinit(&f);
    /* An envelope says it in its first line, or is nobody's: what follows stays packed. */
    big.n = 0;
    memset(buf_reserve(&big, 33u << 20), '\n', 33u << 20);
    big.n += 33u << 20;
    gz.n = 0;
    (void) gzipped(buf_span(&big), &gz);
    foreign_init(&f, FOREIGN_SENTRY);
    f.known = known;
    f.known_ctx = &a;
    assert_int_not_equal(sentry_read(&f, buf_span(&gz), false, UNPACK_IDENTITY), ERR_OK);
    assert_int_equal(f.error.code == ERR_LIMIT, false);
    foreign_deinit(&f);
    buf_deinit(&big);
    buf_deinit(&gz);
    buf_deinit(&body);
    buf_deinit(&many);
}

/* Every cut of a good body is refused or is one with less in it, and none is read past its end (sanitizers watch). */
static void test_cuts(void **state)
{
    static const char capture[] = "[" CAPTURE("s-1", "w1", "[" EV1 "," EV2 "]") "]";
    struct buf body = BUF_INIT(65536), z = BUF_INIT(4096);

    (void) state;
    envelope(&body, REPLAY, 0, packed(SPAN("[" EV1 "," EV2 "]"), 15, &z));
    for (size_t i = 0; i < sizeof(capture) - 1; i++) {
        struct foreign f;

        assert_int_not_equal(posthog(&f, span_of(capture, i)), ERR_OK);
        foreign_deinit(&f);
    }
    for (size_t i = 0; i < body.n; i++) {
        char *copy = malloc(i + 1); /* exactly as long as it may be read */
        struct foreign f;

        memcpy(copy, body.p, i);
        if (sentry(&f, span_of(copy, i)) == ERR_OK)
            assert_int_equal(f.n_events, 0);
        foreign_deinit(&f);
        free(copy);
    }
    buf_deinit(&body);
    buf_deinit(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posthog_forms),   cmocka_unit_test(test_posthog_refused), cmocka_unit_test(test_posthog_bomb),
        cmocka_unit_test(test_posthog_captures), cmocka_unit_test(test_plain_fields),   cmocka_unit_test(test_plain_fields_refused),
        cmocka_unit_test(test_sentry_payloads), cmocka_unit_test(test_sentry_newlines), cmocka_unit_test(test_sentry_order),
        cmocka_unit_test(test_links_have_their_earliest_time), cmocka_unit_test(test_sentry_others),   cmocka_unit_test(test_sentry_refused),  cmocka_unit_test(test_sentry_bomb),
        cmocka_unit_test(test_dsn),             cmocka_unit_test(test_too_many_lines),
        cmocka_unit_test(test_lines),           cmocka_unit_test(test_exports),
        cmocka_unit_test(test_held_exports),    cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_strangers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
