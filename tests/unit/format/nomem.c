/* Segments and logs when memory runs out at any allocation: an error, nothing lost, nothing leaked, and no lie. */
#include "test.h"

#include <stdio.h>

#include "format/khlog.h"
#include "format/khspl.h"
#include "format/segment.h"
#include "nomem.h"

static struct secret *rk;

static const struct khseg_context place = {
    .project = { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 },
    .rid = { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 },
    .kn = 0, .track = 0, .seg_no = 7, .codec = 1,
};

static int setup(void **state)
{
    (void) state;
    rk = secret_random(32);
    return rk == NULL;
}

static int teardown(void **state)
{
    (void) state;
    rk = secret_free(rk);
    return 0;
}

/* Head, events over several chunks, a keyframe, a screen, a marker: everything that a segment may hold. */
static enum err build(struct buf *file)
{
    CLEANUP(segment_builder_freep) struct segment_builder *b = NULL;
    struct segment_options o = { .zstd_level = 1 };
    struct segment_summary s;
    char event[200];

    TRY(segment_builder_new(rk, &place, &o, &b, NULL));
    TRY(segment_add_head(b, SPAN("{\"version\":2}"), NULL));
    for (uint64_t i = 0; i < 6000; i++) {
        int n = snprintf(event, sizeof(event), "[%llu,\"o\",\"line %llu of a session that goes on and on until there are chunks\"]", (unsigned long long) i,
                         (unsigned long long) (i * 7919));

        if (i == 2000)
            TRY(segment_add_keyframe(b, i, NULL));
        if (i == 3000)
            TRY(segment_add_screen(b, i, 80, 24, SPAN("\x1b[2Jsomething"), NULL));
        if (i == 4000)
            TRY(segment_add_marker(b, i, SPAN("a place to come back to"), NULL));
        TRY(segment_add_event(b, i, (time_us) i * 1000, span_of(event, (size_t) n), NULL));
    }
    return segment_finish(b, file, &s, NULL);
}

static bool build_works(void *ctx)
{
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    enum err e = build(&file);

    (void) ctx;
    buf_deinit(&file);
    return e == ERR_OK;
}

static bool read_works(void *ctx)
{
    CLEANUP(segment_reader_freep) struct segment_reader *r = NULL;
    struct khseg_source source = khseg_source_span(ctx);
    struct buf out = BUF_INIT(SEGMENT_SIZE_MAX);
    bool ok = segment_open(&source, rk, &place, &r, NULL) == ERR_OK;

    for (uint32_t i = 0; ok && i < segment_info(r)->n_chunks; i++) {
        buf_reset(&out);
        ok = segment_read_chunk(r, i, &out, NULL) == ERR_OK && out.n == segment_chunk_at(r, i)->raw;
    }
    buf_reset(&out);
    ok = ok && segment_read_head(r, &out, NULL) == ERR_OK && span_eq_str(buf_span(&out), "{\"version\":2}");
    buf_deinit(&out);
    return ok;
}

static bool join_works(void *ctx)
{
    CLEANUP(segment_builder_freep) struct segment_builder *b = NULL;
    CLEANUP(segment_reader_freep) struct segment_reader *r = NULL;
    struct khseg_source source = khseg_source_span(ctx);
    struct segment_options o = { .zstd_level = 1 };
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    struct segment_summary s;
    bool ok = segment_open(&source, rk, &place, &r, NULL) == ERR_OK && segment_builder_new(rk, &place, &o, &b, NULL) == ERR_OK &&
              segment_add_segment(b, r, NULL) == ERR_OK && segment_finish(b, &file, &s, NULL) == ERR_OK && s.n_events == 6000;

    buf_deinit(&file);
    return ok;
}

static void every(const char *name, nomem_work *work, void *ctx)
{
    unsigned n = 0;

    while (nomem_try(n, work, ctx))
        n++;
    print_message("%s: %u allocations\n", name, n);
    assert_true(n > 0);
}

static void segments(void **state)
{
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    struct span bytes;

    (void) state;
    every("build", build_works, NULL);
    assert_ok(build(&file));
    bytes = buf_span(&file);
    every("read", read_works, &bytes);
    every("join", join_works, &bytes);
    buf_deinit(&file);
}

/* ---- the log ---- */

static enum err write_log(struct buf *out)
{
    CLEANUP(khlog_key_freep) struct khlog_key *key = NULL;
    const struct khlog_place p = { .project = place.project, .rid = place.rid, .codec = KHLOG_CODEC, .file_no = 3 };
    struct khlog_open open = { .codec = KHLOG_CODEC, .project = place.project, .rid = place.rid, .wrap = SPAN("wrap") };
    uint8_t header[KHLOG_HEADER_LEN], record[400];
    struct span frame = SPAN("not a zstd frame, but nobody asks here");

    khlog_header(KHLOG_FILE_SPL, 3, header);
    buf_add(out, header, sizeof(header));
    TRY(khlog_key_new(rk, &p, open.salt, open.commitment, &key, NULL));
    TRY(khlog_write_open(&open, 0, out, NULL));
    for (uint32_t i = 0; i < 40; i++) {
        struct khlog_data d = { .number = i, .n_events = 1, .batch_seq = i, .first_seq = i, .flags = KHLOG_LAST };

        TRY(khlog_seal(key, 0, &d, frame, record, NULL));
        buf_add(out, record, khlog_data_size(frame.n));
    }
    return out->failed ? ERR_NOMEM : ERR_OK;
}

static bool write_log_works(void *ctx)
{
    struct buf out = BUF_INIT(1u << 20);
    enum err e = write_log(&out);

    (void) ctx;
    buf_deinit(&out);
    return e == ERR_OK;
}

static bool read_log_works(void *ctx)
{
    CLEANUP(khspl_freep) struct khspl *s = NULL;
    struct khseg_source source = khseg_source_span(ctx);
    struct buf out = BUF_INIT(1u << 20);
    bool ok = khspl_open(&source, &s, NULL) == ERR_OK && khspl_unlock(s, rk, place.project, place.rid, 0, NULL) == ERR_OK;

    for (size_t i = 0; ok && i < khspl_n(s); i++)
        ok = khspl_read(s, i, &out, NULL) == ERR_OK;
    ok = ok && khspl_n(s) == 40;
    buf_deinit(&out);
    return ok;
}

static void logs(void **state)
{
    struct buf file = BUF_INIT(1u << 20);
    struct span bytes;

    (void) state;
    every("write", write_log_works, NULL);
    assert_ok(write_log(&file));
    bytes = buf_span(&file);
    every("read", read_log_works, &bytes);
    buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(segments, setup, teardown),
        cmocka_unit_test_setup_teardown(logs, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
