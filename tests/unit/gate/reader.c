/* The reader alone, over pieces made by hand: chunks leave as stored only when they may; originals only for who unmasks. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/sanitize.h"
#include "format/zframe.h"
#include "gate/reader_int.h"

#define PID "p_zNe2lKL4dQxW8s0b"
#define RID "r_2Dz2Sr-SnSlnd8aT"

static char dir[64];
static struct store *store;
static struct secret *rk, *reveal;

static int begin(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/keyhole-reader-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_ok(store_open(dir, &store, NULL));
    rk = secret_random(32);
    reveal = secret_random(32);
    return 0;
}

static int end(void **state)
{
    char cmd[128];

    (void) state;
    store = store_free(store);
    rk = secret_free(rk);
    reveal = secret_free(reveal);
    (void) snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    return system(cmd);
}

/* A segment with these events, from event 0 on. */
static struct ipc_row_piece put(uint32_t seg_no, uint8_t track, uint16_t clean, const char *const *events, uint32_t n)
{
    const struct khseg_context c = { SPAN(PID), SPAN(RID), 0, track, seg_no, SEGMENT_CODEC };
    const struct segment_options o = { .clean = clean };
    const struct store_piece place = { SPAN(PID), SPAN(RID), seg_no };
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    struct segment_builder *b = NULL;
    struct segment_summary sum;

    assert_ok(segment_builder_new(track == 0 ? rk : reveal, &c, &o, &b, NULL));
    for (uint32_t i = 0; i < n; i++)
        assert_ok(segment_add_event(b, i, i * 1000, span_str(events[i]), NULL));
    assert_ok(segment_finish(b, &file, &sum, NULL));
    b = segment_builder_free(b);
    assert_ok(store_put(store, &place, buf_span(&file), NULL));
    buf_deinit(&file);
    return (struct ipc_row_piece){ .seg_no = seg_no, .track = track, .kind = KHSEG_KIND, .codec = SEGMENT_CODEC, .size = sum.size,
                                   .n_events = n, .n_chunks = sum.n_chunks, .t_last_us = sum.t_last };
}

static struct viewer_read run(const struct ipc_row_piece *rows, uint32_t n, const char *kind, bool unmask, bool with_reveal, enum read_kind what)
{
    struct ipc_row_wrap wraps[] = { { 0, 0, 1, SPAN("wrap") }, { 0, 1, 1, SPAN("wrap") } };
    struct ipc_key_facts f = { .kind = span_str(kind), .n_chunks = rows[0].n_chunks };
    const struct reader_key keys[] = { { 0, 0, rk }, { 0, 1, reveal } };
    const struct reader_keys have = { keys, with_reveal ? 2 : 1 };
    const struct viewer_want want = { .kind = what, .until = UINT64_MAX };
    struct viewer_read r = { .err = ERR_OK };
    struct reader *reader;

    f.pieces.rows = (struct ipc_row_piece *) (uintptr_t) rows;
    f.pieces.n = n;
    f.wraps.rows = wraps;
    f.wraps.n = n > 1 ? 2 : 1;
    reader = reader_new(store, NULL, NULL, PID, RID, unmask, &f);
    assert_non_null(reader);
    buf_init(&r.bytes, SEGMENT_EVENT_MAX);
    reader_run(reader, &have, &want, &r);
    (void) reader_free(reader);
    return r;
}

static const char *const page[] = {
    "{\"type\":4,\"data\":{\"href\":\"http://shop.example/\",\"width\":1,\"height\":1},\"timestamp\":1700000000000}",
    "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[{\"type\":2,\"tagName\":\"script\",\"attributes\":{\"src\":\"http://evil.example/x.js\"},"
    "\"childNodes\":[],\"id\":2}],\"id\":1},\"initialOffset\":{\"left\":0,\"top\":0}},\"timestamp\":1700000000001}",
};

/* One that our sanitiser made leaves as stored; an older one's is cleaned again, and says that it is not as stored. */
static void an_older_stamp_is_cleaned_again(void **state)
{
    struct ipc_row_piece row;
    struct viewer_read r;

    (void) state;
    row = put(0, 0, SANITIZE_VERSION, page, 2);
    r = run(&row, 1, "rrweb", false, false, READ_STORED);
    assert_ok(r.err);
    assert_true(r.stored);
    buf_deinit(&r.bytes);
    row = put(1, 0, SANITIZE_VERSION - 1, page, 2);
    for (int i = 0; i < 3; i++) {
        static const enum read_kind kinds[] = { READ_STORED, READ_CHUNK, READ_EVENTS };

        r = run(&row, 1, "rrweb", false, false, kinds[i]);
        assert_ok(r.err);
        assert_false(r.stored);
        assert_null(strstr(buf_cstr(&r.bytes), "evil.example"));
        assert_non_null(strstr(buf_cstr(&r.bytes), "http://shop.example/"));
        assert_int_equal(r.meta.raw, r.bytes.n);
        buf_deinit(&r.bytes);
    }
}

/* Originals go in only for who unmasks and has the key; a screenful of stars for everybody else. */
static void originals_go_in(void **state)
{
    static const char *const masked[] = { "[0.0,\"o\",\"***\"]", "[0.1,\"o\",\"plain\"]", "[0.2,\"o\",\"**\"]" };
    static const char *const kept[] = { "[0.0,\"o\",\"abc\"]", "0", "[0.2,\"o\",\"de\"]" };
    const struct ipc_row_piece rows[] = { put(0, 0, 1, masked, 3), put(1, 1, 1, kept, 3) };
    struct viewer_read r;

    (void) state;
    r = run(rows, 2, "terminal", true, true, READ_STORED);
    assert_ok(r.err);
    assert_false(r.stored);
    assert_string_equal(buf_cstr(&r.bytes), "[0.0,\"o\",\"abc\"]\n[0.1,\"o\",\"plain\"]\n[0.2,\"o\",\"de\"]\n");
    buf_deinit(&r.bytes);
    r = run(rows, 2, "terminal", true, true, READ_EVENTS);
    assert_ok(r.err);
    assert_string_equal(buf_cstr(&r.bytes), "[0.0,\"o\",\"abc\"]\n[0.1,\"o\",\"plain\"]\n[0.2,\"o\",\"de\"]\n");
    buf_deinit(&r.bytes);
    r = run(rows, 2, "terminal", true, false, READ_CHUNK); /* the vault has not released it yet: asked for, nothing given */
    assert_err(r.err, ERR_AGAIN);
    assert_true(r.need == READ_NEED_KEY && r.need_kn == 0 && r.need_track == 1);
    buf_deinit(&r.bytes);
    r = run(rows, 2, "terminal", false, true, READ_CHUNK);
    assert_ok(r.err);
    assert_string_equal(buf_cstr(&r.bytes), "[0.0,\"o\",\"***\"]\n[0.1,\"o\",\"plain\"]\n[0.2,\"o\",\"**\"]\n");
    buf_deinit(&r.bytes);
    r = run(rows, 2, "terminal", false, true, READ_STORED);
    assert_ok(r.err);
    assert_true(r.stored);
    buf_deinit(&r.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_older_stamp_is_cleaned_again, begin, end),
        cmocka_unit_test_setup_teardown(originals_go_in, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
