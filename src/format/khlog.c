#include "format/khlog.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "format/id.h"

#define LABEL       "keyhole/log/v1" /* its NUL is part of info */
#define CONTEXT_LEN KHSEG_CONTEXT_LEN
#define FLAGS       ((uint32_t) (KHLOG_HEAD | KHLOG_LAST | KHLOG_LATE | KHLOG_UNSURE))
#define NO_EVENTS   ((uint32_t) (KHLOG_HEAD | KHLOG_LATE | KHLOG_UNSURE))
#define CRC_AT      4

static const char *magic(enum khlog_file kind)
{
    return kind == KHLOG_FILE_LOG ? "KHLOG1\0" : "KHSPL1\0"; /* with the literal's own NUL: 8 bytes */
}

static void put_u32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t) (v >> 8 * i);
}

static void put_u64(uint8_t *at, uint64_t v)
{
    put_u32(at, (uint32_t) v);
    put_u32(at + 4, (uint32_t) (v >> 32));
}

/* ---- writing ---- */

void khlog_header(enum khlog_file kind, uint32_t file_no, uint8_t out[KHLOG_HEADER_LEN])
{
    memcpy(out, magic(kind), 8);
    put_u32(out + 8, file_no);
    put_u32(out + 12, crc32c(0, span_of(out, 12)));
}

/* The CRC of a record whose own field is taken as 0. */
static uint32_t record_crc(struct span record)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0, span_of(record.p, CRC_AT));

    crc = crc32c(crc, SPAN_OF(zero));
    return crc32c(crc, span_of(record.p + CRC_AT + 4, record.n - CRC_AT - 4));
}

/* The prefix with crc 0. */
static void begin_record(uint8_t *out, size_t len, enum khlog_type type, uint32_t local)
{
    put_u32(out, (uint32_t) len);
    put_u32(out + 4, 0);
    put_u32(out + 8, (uint32_t) type);
    put_u32(out + 12, local);
}

static void finish_record(uint8_t *out, size_t len)
{
    put_u32(out + CRC_AT, record_crc(span_of(out, len)));
}

enum err khlog_write_open(const struct khlog_open *o, uint32_t local, struct buf *out, struct err_info *reterr)
{
    uint8_t record[KHLOG_OPEN_MAX], *at = record + KHLOG_PREFIX_LEN;
    const struct span names[] = { o->project, o->rid, o->wrap };
    size_t len;

    if (!id_check(o->project, ID_PROJECT) || !id_check(o->rid, ID_RECORDING))
        return ERR_RAISE(reterr, ERR_INVAL, "log: not the ids of a project and a recording");
    if (o->wrap.n > 255)
        return ERR_RAISE(reterr, ERR_INVAL, "log: a wrap of %zu bytes", o->wrap.n);
    *at++ = (uint8_t) o->kn;
    *at++ = (uint8_t) (o->kn >> 8);
    *at++ = o->track;
    *at++ = o->codec;
    memcpy(at, o->salt, KHLOG_SALT_LEN);
    at += KHLOG_SALT_LEN;
    memcpy(at, o->commitment, KHLOG_COMMITMENT_LEN);
    at += KHLOG_COMMITMENT_LEN;
    for (int i = 0; i < 3; i++) {
        *at++ = (uint8_t) names[i].n;
        if (names[i].n > 0)
            memcpy(at, names[i].p, names[i].n);
        at += names[i].n;
    }
    len = (size_t) (at - record);
    begin_record(record, len, KHLOG_OPEN, local);
    finish_record(record, len);
    buf_add(out, record, len);
    return buf_check(out, reterr);
}

void khlog_write_close(uint32_t local, uint32_t number, uint8_t out[KHLOG_CLOSE_LEN])
{
    begin_record(out, KHLOG_CLOSE_LEN, KHLOG_CLOSE, local);
    put_u32(out + KHLOG_PREFIX_LEN, number);
    finish_record(out, KHLOG_CLOSE_LEN);
}

size_t khlog_data_size(size_t n)
{
    return KHLOG_DATA_LEN + n + KHLOG_TAG;
}

/* ---- keys ---- */

struct khlog_key {
    struct aead_gcm *gcm;
    uint8_t base_nonce[AEAD_GCM_NONCE_LEN];
    uint8_t salt[KHLOG_SALT_LEN];
    uint8_t commitment[KHLOG_COMMITMENT_LEN];
};

/* KHSEG1's context with another magic and the file's number. */
static enum err context_of(const struct khlog_place *p, uint8_t out[CONTEXT_LEN], struct err_info *reterr)
{
    const struct khseg_context c = {
        .project = p->project, .rid = p->rid, .kn = p->kn, .track = p->track, .seg_no = p->file_no, .codec = p->codec,
    };

    TRY(khseg_context(&c, out, reterr));
    memcpy(out, magic(KHLOG_FILE_LOG), 7);
    return ERR_OK;
}

static enum err derive(const struct secret *rk, const struct khlog_place *p, struct khlog_key *k,
                       uint8_t ret_key[AEAD_KEY_LEN], struct err_info *reterr)
{
    uint8_t info[sizeof(LABEL) + KHLOG_SALT_LEN + CONTEXT_LEN];
    uint8_t out[AEAD_KEY_LEN + AEAD_GCM_NONCE_LEN + KHLOG_COMMITMENT_LEN];
    enum err e;

    memcpy(info, LABEL, sizeof(LABEL));
    memcpy(info + sizeof(LABEL), k->salt, KHLOG_SALT_LEN);
    TRY(context_of(p, info + sizeof(LABEL) + KHLOG_SALT_LEN, reterr));
    e = hkdf_expand_sha512(secret_span(rk), SPAN_OF(info), out, sizeof(out), reterr);
    if (e == ERR_OK) {
        memcpy(ret_key, out, AEAD_KEY_LEN);
        memcpy(k->base_nonce, out + AEAD_KEY_LEN, AEAD_GCM_NONCE_LEN);
        memcpy(k->commitment, out + AEAD_KEY_LEN + AEAD_GCM_NONCE_LEN, KHLOG_COMMITMENT_LEN);
    }
    secret_wipe(out, sizeof(out));
    return e;
}

/* want: what the commitment has to be, or NULL. */
static enum err make_key(const struct secret *rk, const struct khlog_place *p, const uint8_t *salt, const uint8_t *want,
                         struct khlog_key **ret, struct err_info *reterr)
{
    CLEANUP(khlog_key_freep) struct khlog_key *k = calloc(1, sizeof(*k));
    uint8_t key[AEAD_KEY_LEN];
    enum err e;

    if (k == NULL || (k->gcm = aead_gcm_new()) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "key of a recording in the log");
    memcpy(k->salt, salt, KHLOG_SALT_LEN);
    TRY(derive(rk, p, k, key, reterr));
    if (want != NULL && !secret_equal(k->commitment, want, KHLOG_COMMITMENT_LEN))
        e = ERR_RAISE(reterr, ERR_CORRUPT, "log: not of this key and place, or its open record was changed");
    else
        e = aead_gcm_key(k->gcm, key, reterr);
    secret_wipe(key, sizeof(key));
    TRY(e);
    *ret = TAKE(k);
    return ERR_OK;
}

enum err khlog_key_new(const struct secret *rk, const struct khlog_place *p, const uint8_t salt[KHLOG_SALT_LEN],
                       uint8_t ret_commitment[KHLOG_COMMITMENT_LEN], struct khlog_key **ret, struct err_info *reterr)
{
    TRY(make_key(rk, p, salt, NULL, ret, reterr));
    memcpy(ret_commitment, (*ret)->commitment, KHLOG_COMMITMENT_LEN);
    return ERR_OK;
}

enum err khlog_key_open(const struct secret *rk, const struct khlog_open *o, uint32_t file_no, struct khlog_key **ret,
                        struct err_info *reterr)
{
    const struct khlog_place p = {
        .project = o->project, .rid = o->rid, .kn = o->kn, .track = o->track, .codec = o->codec, .file_no = file_no,
    };

    return make_key(rk, &p, o->salt, o->commitment, ret, reterr);
}

bool khlog_key_fits(const struct khlog_key *k, const struct khlog_open *o)
{
    return memcmp(k->salt, o->salt, sizeof(k->salt)) == 0 &&
           memcmp(k->commitment, o->commitment, sizeof(k->commitment)) == 0;
}

struct khlog_key *khlog_key_free(struct khlog_key *k)
{
    if (k == NULL)
        return NULL;
    aead_gcm_free(k->gcm);
    secret_wipe(k, sizeof(*k));
    free(k);
    return NULL;
}

void khlog_key_freep(struct khlog_key **k)
{
    *k = khlog_key_free(*k);
}

/* base_nonce XOR BE96(number) */
static void nonce_of(const struct khlog_key *k, uint32_t number, uint8_t out[AEAD_GCM_NONCE_LEN])
{
    memcpy(out, k->base_nonce, AEAD_GCM_NONCE_LEN);
    for (int i = 0; i < 4; i++)
        out[11 - i] ^= (uint8_t) (number >> 8 * i);
}

enum err khlog_seal(struct khlog_key *k, uint32_t local, const struct khlog_data *d, struct span frame, uint8_t *out,
                    struct err_info *reterr)
{
    uint8_t nonce[AEAD_GCM_NONCE_LEN];
    size_t len = khlog_data_size(frame.n);

    if (frame.n > KHLOG_FRAME_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "log: a frame of %zu bytes", frame.n);
    begin_record(out, len, KHLOG_DATA, local);
    put_u32(out + 16, d->number);
    put_u32(out + 20, d->n_events);
    put_u64(out + 24, d->batch_seq);
    put_u64(out + 32, d->first_seq);
    put_u32(out + 40, d->flags);
    nonce_of(k, d->number, nonce);
    TRY(aead_gcm_seal(k->gcm, nonce, span_of(out, KHLOG_DATA_LEN), frame, out + KHLOG_DATA_LEN, reterr));
    finish_record(out, len);
    return ERR_OK;
}

enum err khlog_unseal(struct khlog_key *k, const struct khlog_record *r, struct buf *out, struct err_info *reterr)
{
    uint8_t aad[KHLOG_DATA_LEN], nonce[AEAD_GCM_NONCE_LEN], *to;

    if (r->type != KHLOG_DATA || r->data.ct.n < KHLOG_TAG)
        return ERR_RAISE(reterr, ERR_INVAL, "log: no data record");
    to = buf_reserve(out, r->data.ct.n); /* never 0 */
    if (to == NULL)
        return buf_check(out, reterr);
    memcpy(aad, r->bytes.p, sizeof(aad));
    put_u32(aad + CRC_AT, 0);
    nonce_of(k, r->data.number, nonce);
    if (!aead_gcm_open(k->gcm, nonce, SPAN_OF(aad), r->data.ct, to))
        return ERR_RAISE(reterr, ERR_CORRUPT, "log: record %u is not authentic", r->data.number);
    out->n += r->data.ct.n - KHLOG_TAG;
    return ERR_OK;
}

/* ---- reading ---- */

bool khlog_header_read(struct span header, enum khlog_file kind, uint32_t *ret_file_no)
{
    struct rd r = rd_of(span_sub(header, 8, header.n));
    uint32_t file_no = rd_u32le(&r), crc = rd_u32le(&r);

    if (!rd_done(&r) || memcmp(header.p, magic(kind), 8) != 0 || crc != crc32c(0, span_sub(header, 0, 12)))
        return false;
    *ret_file_no = file_no;
    return true;
}

bool khlog_peek(struct span prefix, uint32_t *ret_len)
{
    struct rd r = rd_of(prefix);
    uint32_t len = rd_u32le(&r), type;
    bool ok = false;

    (void) rd_u32le(&r); /* crc */
    type = rd_u32le(&r);
    (void) rd_u32le(&r); /* local */
    if (!rd_done(&r))
        return false;
    if (type == KHLOG_OPEN)
        ok = len >= KHLOG_OPEN_MIN && len <= KHLOG_OPEN_MAX;
    else if (type == KHLOG_DATA)
        ok = len >= KHLOG_DATA_MIN && len <= KHLOG_RECORD_MAX;
    else if (type == KHLOG_CLOSE)
        ok = len == KHLOG_CLOSE_LEN;
    *ret_len = len;
    return ok;
}

static bool read_open(struct rd *r, struct khlog_open *o)
{
    struct span salt, commitment;

    o->kn = rd_u16le(r);
    o->track = rd_u8(r);
    o->codec = rd_u8(r);
    salt = rd_bytes(r, sizeof(o->salt));
    commitment = rd_bytes(r, sizeof(o->commitment));
    o->project = rd_lp(r);
    o->rid = rd_lp(r);
    o->wrap = rd_lp(r);
    if (!rd_done(r))
        return false;
    memcpy(o->salt, salt.p, sizeof(o->salt));
    memcpy(o->commitment, commitment.p, sizeof(o->commitment));
    return o->codec == KHLOG_CODEC && id_check(o->project, ID_PROJECT) && id_check(o->rid, ID_RECORDING);
}

static bool read_data(struct rd *r, struct khlog_data *d)
{
    d->number = rd_u32le(r);
    d->n_events = rd_u32le(r);
    d->batch_seq = rd_u64le(r);
    d->first_seq = rd_u64le(r);
    d->flags = rd_u32le(r);
    d->ct = rd_bytes(r, r->n);
    /* Whole, and with a tag: khlog_peek wants KHLOG_DATA_MIN bytes. */
    return (d->flags & ~FLAGS) == 0 && ((d->flags & NO_EVENTS) == 0 || d->n_events == 0) &&
           d->first_seq <= UINT64_MAX - d->n_events;
}

bool khlog_record_read(struct span bytes, struct khlog_record *ret)
{
    struct rd r = rd_of(bytes);
    uint32_t len, crc, type;

    if (!khlog_peek(span_sub(bytes, 0, KHLOG_PREFIX_LEN), &len) || len != bytes.n)
        return false;
    (void) rd_u32le(&r);
    crc = rd_u32le(&r);
    type = rd_u32le(&r);
    *ret = (struct khlog_record){ .type = (enum khlog_type) type, .local = rd_u32le(&r), .bytes = bytes };
    if (crc != record_crc(bytes))
        return false;
    switch (ret->type) {
    case KHLOG_OPEN:
        return read_open(&r, &ret->open);
    case KHLOG_DATA:
        return read_data(&r, &ret->data);
    case KHLOG_CLOSE:
        ret->close = rd_u32le(&r);
        return rd_done(&r);
    }
    return false; /* khlog_peek knows the three */
}

/* ---- a whole file ---- */

#define READ_STEP (256u << 10)

void khlog_scan_init(struct khlog_scan *s, const struct khseg_source *source)
{
    *s = (struct khlog_scan){ .source = *source, .window = BUF_INIT(KHLOG_RECORD_MAX + READ_STEP) };
}

void khlog_scan_deinit(struct khlog_scan *s)
{
    buf_deinit(&s->window);
}

/* At least n bytes from s->at on are in the window. *ret_more false: the file ends before. */
static enum err fill(struct khlog_scan *s, size_t n, bool *ret_more, struct err_info *reterr)
{
    *ret_more = s->source.size - s->at >= n;
    while (*ret_more && s->window.n - s->in < n) {
        uint64_t end = s->at + (s->window.n - s->in), rest = s->source.size - end;
        size_t step = rest < READ_STEP ? (size_t) rest : READ_STEP;
        uint8_t *to;

        buf_drop(&s->window, s->in);
        s->in = 0;
        to = buf_reserve(&s->window, step);
        if (to == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "window over a log file");
        TRY(s->source.read(s->source.ctx, end, to, step, reterr));
        s->window.n += step;
    }
    return ERR_OK;
}

static struct span take(struct khlog_scan *s, size_t n)
{
    struct span bytes = span_of(s->window.p + s->in, n);

    s->in += n;
    s->at += n;
    return bytes;
}

enum err khlog_scan_header(struct khlog_scan *s, enum khlog_file kind, uint32_t *ret_file_no,
                           enum khlog_step *ret_step, struct err_info *reterr)
{
    bool more;

    *ret_step = KHLOG_STEP_TORN;
    TRY(fill(s, KHLOG_HEADER_LEN, &more, reterr));
    if (!more || !khlog_header_read(span_of(s->window.p, KHLOG_HEADER_LEN), kind, ret_file_no))
        return ERR_OK;
    (void) take(s, KHLOG_HEADER_LEN);
    *ret_step = KHLOG_STEP_RECORD;
    return ERR_OK;
}

enum err khlog_scan_next(struct khlog_scan *s, struct khlog_record *ret, uint64_t *ret_at, enum khlog_step *ret_step,
                         struct err_info *reterr)
{
    uint32_t len = 0;
    bool more;

    *ret_step = s->at == s->source.size ? KHLOG_STEP_END : KHLOG_STEP_TORN;
    TRY(fill(s, KHLOG_PREFIX_LEN, &more, reterr));
    if (!more || !khlog_peek(span_of(s->window.p + s->in, KHLOG_PREFIX_LEN), &len))
        return ERR_OK;
    TRY(fill(s, len, &more, reterr));
    if (!more || !khlog_record_read(span_of(s->window.p + s->in, len), ret))
        return ERR_OK;
    *ret_at = s->at;
    (void) take(s, len);
    *ret_step = KHLOG_STEP_RECORD;
    return ERR_OK;
}
