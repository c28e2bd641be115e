/*
 * Segments. The first byte chooses: the rest is an index (what is read must be written back to the same bytes), a whole
 * plaintext (encrypted here, then read in every way), or a file as it lies on a disk (never authentic).
 */
#include "format/segment_index.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static const struct khseg_context place = {
    .project = { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 },
    .rid = { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 },
    .seg_no = 7, .codec = 1,
};

static struct secret *rk(void)
{
    static struct secret *s;

    if (s == NULL)
        MUST((s = secret_new(32)) != NULL);
    return s;
}

static void index_of(struct span in)
{
    struct segment_index x = { .first_seq = 0 };
    struct buf out = BUF_INIT(2 * SEGMENT_INDEX_MAX);

    if (segment_index_read(in, 1 << 20, &x, NULL) == ERR_OK) {
        segment_index_write(&x, 1 << 20, &out);
        MUST(!out.failed && out.n == in.n + SEGMENT_FOOTER_LEN);
        MUST(span_eq(span_sub(buf_span(&out), 0, in.n), in));
    }
    segment_index_deinit(&x);
    buf_deinit(&out);
}

static void read_everything(struct segment_reader *r)
{
    const struct segment_info *i = segment_info(r);
    const struct segment_keyframe *k;
    struct buf out = BUF_INIT(1 << 20);
    uint32_t n = 0;

    for (uint32_t c = 0; c < i->n_chunks; c++) {
        const struct segment_chunk *chunk = segment_chunk_at(r, c);

        MUST(segment_find_seq(r, chunk->first_seq, &n) && n == c);
        MUST(segment_find_time(r, chunk->t_first, &n) && n >= c);
        buf_reset(&out);
        if (segment_read_chunk(r, c, &out, NULL) == ERR_OK)
            MUST(out.n == chunk->raw);
        buf_reset(&out);
        if (segment_read_stored(r, c, &out, NULL) == ERR_OK)
            MUST(out.n == chunk->stored);
    }
    for (uint32_t c = 0; (k = segment_keyframe_at(r, c)) != NULL; c++) {
        buf_reset(&out);
        MUST(k->chunk < i->n_chunks && segment_keyframe_before(r, k->time) >= k);
        if (segment_read_screen(r, k, &out, NULL) == ERR_OK)
            MUST(out.n == k->n);
    }
    buf_reset(&out);
    if (segment_read_head(r, &out, NULL) == ERR_OK)
        MUST(i->has_head);
    buf_deinit(&out);
}

static void plaintext(struct span in)
{
    struct khseg_writer *w = NULL;
    struct segment_reader *r = NULL;
    struct buf f = BUF_INIT(4 << 20);
    struct khseg_source src;
    struct span s;

    MUST(khseg_writer_new(rk(), &place, &f, &w, NULL) == ERR_OK);
    MUST(khseg_write(w, in, NULL) == ERR_OK && khseg_finish(w, NULL) == ERR_OK);
    khseg_writer_free(w);
    MUST(f.n == khseg_file_size(in.n));
    s = buf_span(&f);
    src = khseg_source_span(&s);
    if (segment_open(&src, rk(), &place, &r, NULL) == ERR_OK)
        read_everything(r);
    segment_reader_free(r);
    buf_deinit(&f);
}

static void file(struct span in)
{
    struct segment_reader *r = NULL;
    struct khseg_source src = khseg_source_span(&in);

    MUST(segment_open(&src, rk(), &place, &r, NULL) == ERR_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest;

    if (size < 1 || size > 1 << 18)
        return 0;
    rest = span_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0: index_of(rest); break;
    case 1: plaintext(rest); break;
    default: file(rest); break;
    }
    return 0;
}
