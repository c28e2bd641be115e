/*
 * notes: bytes of a segment's notes section. What is read is written back as it was; two joined keep the limits, and can be stored. The
 * first byte says where the second section begins.
 */
#include "imported.h"

#include "format/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define END_SEQ  1000
#define TIME_MAX ((time_us) 1 << 50)

static bool read_one(struct span in, struct facts_notes *n)
{
    struct buf out = BUF_INIT(16u << 20);
    struct err_info e = { .code = ERR_OK };
    enum err code;

    facts_notes_init(n);
    code = notes_read(in, END_SEQ, TIME_MAX, n, &e);
    MUST(code == ERR_OK || code == ERR_CORRUPT);
    MUST(code == ERR_OK || (e.text[0] != '\0' && n->n == 0 && n->n_bins == 0));
    if (code == ERR_OK) {
        notes_write(n, &out);
        MUST(span_eq(buf_span(&out), in));
    }
    buf_deinit(&out);
    return code == ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_sub(span_of(data, size), 2, size);
    struct buf bytes = BUF_INIT(16u << 20);
    struct facts_notes a, b, back;
    struct err_info e;
    size_t at;

    if (size < 2)
        return 0;
    at = (size_t) (data[0] << 8 | data[1]) % (in.n + 1);
    if (read_one(span_sub(in, 0, at), &a) && read_one(span_sub(in, at, in.n), &b)) {
        MUST(facts_join(&a, &b));
        notes_write(&a, &bytes);
        facts_notes_init(&back);
        MUST(bytes.n <= NOTES_RAW_MAX && notes_read(buf_span(&bytes), END_SEQ, TIME_MAX, &back, &e) == ERR_OK);
        facts_notes_deinit(&back);
        facts_notes_deinit(&b);
    }
    facts_notes_deinit(&a);
    buf_deinit(&bytes);
    return 0;
}
