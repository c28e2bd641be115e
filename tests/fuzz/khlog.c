/*
 * The log: bytes as a log file and as a piece. Every record that is found must be written back to the same bytes, lie
 * where it was found, and a scan must never read past its end. Bytes whose CRCs the fuzzer cannot guess get them mended
 * first (the first byte chooses).
 */
#include "format/khspl.h"

#include <stdlib.h>

#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

/* Right headers and CRCs as far as lengths lead. */
static void mend(uint8_t *p, size_t n, enum khlog_file kind)
{
    uint32_t len, crc;

    if (n < KHLOG_HEADER_LEN)
        return;
    khlog_header(kind, 7, p);
    for (size_t at = KHLOG_HEADER_LEN; n - at >= KHLOG_PREFIX_LEN; at += len) {
        if (!khlog_peek(span_of(p + at, KHLOG_PREFIX_LEN), &len) || len > n - at)
            return;
        memset(p + at + 4, 0, 4);
        crc = crc32c(0, span_of(p + at, len));
        memcpy(p + at + 4, &crc, 4);
    }
}

static void back_again(const struct khlog_record *r)
{
    struct buf out = BUF_INIT(KHLOG_OPEN_MAX);
    uint8_t close[KHLOG_CLOSE_LEN];

    switch (r->type) {
    case KHLOG_OPEN:
        MUST(khlog_write_open(&r->open, r->local, &out, NULL) == ERR_OK);
        MUST(span_eq(buf_span(&out), r->bytes));
        break;
    case KHLOG_DATA:
        MUST(r->data.ct.n + KHLOG_DATA_LEN == r->bytes.n && r->data.ct.n >= KHLOG_TAG);
        break;
    case KHLOG_CLOSE:
        khlog_write_close(r->local, r->close, close);
        MUST(span_eq(SPAN_OF(close), r->bytes));
        break;
    }
    buf_deinit(&out);
}

static void as_log(struct span in)
{
    struct khseg_source src = khseg_source_span(&in);
    struct khlog_scan scan;
    struct khlog_record r;
    enum khlog_step step;
    uint64_t at, end = KHLOG_HEADER_LEN;
    uint32_t file_no;

    khlog_scan_init(&scan, &src);
    MUST(khlog_scan_header(&scan, KHLOG_FILE_LOG, &file_no, &step, NULL) == ERR_OK);
    while (step == KHLOG_STEP_RECORD) {
        MUST(khlog_scan_next(&scan, &r, &at, &step, NULL) == ERR_OK);
        if (step != KHLOG_STEP_RECORD)
            break;
        MUST(at == end && r.bytes.n <= in.n - at && memcmp(r.bytes.p, in.p + at, r.bytes.n) == 0);
        end += r.bytes.n;
        back_again(&r);
    }
    MUST(step != KHLOG_STEP_END || end == in.n || in.n == 0);
    khlog_scan_deinit(&scan);
}

static void as_piece(struct span in)
{
    struct khseg_source src = khseg_source_span(&in);
    struct secret *rk = secret_new(32);
    struct khspl *s = NULL;
    struct buf out = BUF_INIT(1 << 20);

    MUST(rk != NULL);
    if (khspl_open(&src, &s, NULL) == ERR_OK) {
        const struct khlog_open *o = khspl_begin(s);
        uint64_t bytes = KHLOG_HEADER_LEN + KHLOG_OPEN_MIN + o->wrap.n;

        for (size_t i = 0; i < khspl_n(s); i++)
            bytes += khspl_at(s, i)->len;
        MUST(bytes == in.n && khspl_n(s) > 0);
        MUST(khspl_unlock(s, rk, o->project, o->rid, o->kn, o->track, NULL) == ERR_CORRUPT); /* no commitment can be guessed */
        MUST(khspl_read(s, 0, &out, NULL) == ERR_STATE);
    }
    khspl_free(s);
    secret_free(rk);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    bool piece;

    if (size < 1 || size > 1 << 18)
        return 0;
    copy = malloc(size);
    MUST(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    piece = (data[0] & 1) != 0;
    if ((data[0] & 2) == 0)
        mend(copy, size - 1, piece ? KHLOG_FILE_SPL : KHLOG_FILE_LOG);
    if (piece)
        as_piece(span_of(copy, size - 1));
    else
        as_log(span_of(copy, size - 1));
    free(copy);
    return 0;
}
