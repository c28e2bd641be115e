/*
 * What format/ does when memory runs out at any allocation, or a cipher, a signer or zstd fails at any call: an error, nothing
 * lost, nothing leaked, and no lie.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zstd.h>

#include "crypto/aead.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "format/key.h"
#include "format/keystore.h"
#include "format/khlog.h"
#include "format/khspl.h"
#include "format/leaf.h"
#include "format/segment.h"
#include "format/zframe.h"
#include "nomem.h"

/* ---- what fails beside memory (meson.build wraps each) ---- */

struct aead_gcm *__real_aead_gcm_new(void);
struct aead_gcm *__wrap_aead_gcm_new(void);
enum err __real_aead_gcm_key(struct aead_gcm *g, const uint8_t *key, struct err_info *reterr);
enum err __wrap_aead_gcm_key(struct aead_gcm *g, const uint8_t *key, struct err_info *reterr);
enum err __real_aead_gcm_seal(struct aead_gcm *g, const uint8_t *nonce, struct span aad, struct span in, uint8_t *out,
                              struct err_info *reterr);
enum err __wrap_aead_gcm_seal(struct aead_gcm *g, const uint8_t *nonce, struct span aad, struct span in, uint8_t *out,
                              struct err_info *reterr);
enum err __real_hkdf_expand_sha512(struct span prk, struct span info, uint8_t *out, size_t n, struct err_info *reterr);
enum err __wrap_hkdf_expand_sha512(struct span prk, struct span info, uint8_t *out, size_t n, struct err_info *reterr);
enum err __real_es256_sign(const struct es256_signer *s, struct span msg, uint8_t *sig, struct err_info *reterr);
enum err __wrap_es256_sign(const struct es256_signer *s, struct span msg, uint8_t *sig, struct err_info *reterr);
ZSTD_CCtx *__real_ZSTD_createCCtx(void);
ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
ZSTD_DCtx *__real_ZSTD_createDCtx(void);
ZSTD_DCtx *__wrap_ZSTD_createDCtx(void);
size_t __real_ZSTD_compressCCtx(ZSTD_CCtx *ctx, void *to, size_t cap, const void *from, size_t n, int level);
size_t __wrap_ZSTD_compressCCtx(ZSTD_CCtx *ctx, void *to, size_t cap, const void *from, size_t n, int level);

#define REFUSE_OR(call) (nomem_fails() ? ERR_RAISE(reterr, ERR_CRYPTO, "made to fail") : (call))

struct aead_gcm *__wrap_aead_gcm_new(void)
{
    return nomem_fails() ? NULL : __real_aead_gcm_new();
}

enum err __wrap_aead_gcm_key(struct aead_gcm *g, const uint8_t *key, struct err_info *reterr)
{
    return REFUSE_OR(__real_aead_gcm_key(g, key, reterr));
}

enum err __wrap_aead_gcm_seal(struct aead_gcm *g, const uint8_t *nonce, struct span aad, struct span in, uint8_t *out,
                              struct err_info *reterr)
{
    return REFUSE_OR(__real_aead_gcm_seal(g, nonce, aad, in, out, reterr));
}

enum err __wrap_hkdf_expand_sha512(struct span prk, struct span info, uint8_t *out, size_t n, struct err_info *reterr)
{
    return REFUSE_OR(__real_hkdf_expand_sha512(prk, info, out, n, reterr));
}

enum err __wrap_es256_sign(const struct es256_signer *s, struct span msg, uint8_t *sig, struct err_info *reterr)
{
    return REFUSE_OR(__real_es256_sign(s, msg, sig, reterr));
}

ZSTD_CCtx *__wrap_ZSTD_createCCtx(void)
{
    return nomem_fails() ? NULL : __real_ZSTD_createCCtx();
}

ZSTD_DCtx *__wrap_ZSTD_createDCtx(void)
{
    return nomem_fails() ? NULL : __real_ZSTD_createDCtx();
}

size_t __wrap_ZSTD_compressCCtx(ZSTD_CCtx *ctx, void *to, size_t cap, const void *from, size_t n, int level)
{
    return __real_ZSTD_compressCCtx(ctx, to, nomem_fails() ? 0 : cap, from, n, level); /* no room: zstd's own error */
}

#ifdef THREAD_KEYS_FAIL
int __real_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

static bool no_thread_keys;

int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *))
{
    return no_thread_keys ? EAGAIN : __real_pthread_key_create(key, end);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return nomem_fails() ? ENOMEM : __real_pthread_setspecific(key, value);
}
#endif

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

static const struct fact page = { .kind = FACT_PAGE, .seq = 4000, .time = 4000000 };
static const struct fact idle = { .kind = FACT_IDLE, .seq = 4000, .time = 1000, .value = 3999000 };

/* Head, events over several chunks, a keyframe, a screen, a marker, notes: everything that a segment may hold. */
static enum err build_from(uint64_t first, struct buf *file)
{
    CLEANUP(segment_builder_freep) struct segment_builder *b = NULL;
    struct segment_options o = { .first_seq = first, .zstd_level = 1 };
    struct segment_summary s;
    static char large[600000];
    char event[200];

    memset(large, 'x', sizeof(large));

    TRY(segment_builder_new(rk, &place, &o, &b, NULL));
    if (first == 0)
        TRY(segment_add_head(b, SPAN("{\"version\":2}"), NULL));
    for (uint64_t i = first; i < 6000; i++) {
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
    if (!facts_add(segment_builder_notes(b), &page, SPAN("https://shop.example/")) ||
        !facts_add(segment_builder_notes(b), &idle, SPAN_EMPTY))
        return ERR_NOMEM;
    for (uint64_t i = 6000; i < 6002; i++) /* larger than a chunk, and so large that its memory is not kept */
        TRY(segment_add_event(b, i, 6000000, span_of(large, i == 6000 ? 300000 : sizeof(large)), NULL));
    return segment_finish(b, file, &s, NULL);
}

static enum err build(struct buf *file)
{
    return build_from(0, file);
}

static bool build_works(void *ctx)
{
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    enum err e = build(&file);

    (void) ctx;
    buf_deinit(&file);
    return e == ERR_OK;
}

/* Both notes, or none of them. */
static bool read_notes(struct segment_reader *r)
{
    struct facts_notes n;
    bool ok;

    facts_notes_init(&n);
    ok = segment_read_notes(r, &n, NULL) == ERR_OK;
    assert_int_equal(n.n, ok ? 2 : 0);
    facts_notes_deinit(&n);
    return ok;
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
    ok = ok && segment_read_head(r, &out, NULL) == ERR_OK && span_eq_str(buf_span(&out), "{\"version\":2}") && read_notes(r);
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
              segment_add_segment(b, r, NULL) == ERR_OK && segment_finish(b, &file, &s, NULL) == ERR_OK && s.n_events == 6002;

    buf_deinit(&file);
    return ok;
}

/* Behind an event that waits in a chunk of its own. */
static bool append_works(void *ctx)
{
    CLEANUP(segment_builder_freep) struct segment_builder *b = NULL;
    CLEANUP(segment_reader_freep) struct segment_reader *r = NULL;
    struct khseg_source source = khseg_source_span(ctx);
    struct segment_options o = { .zstd_level = 1 };

    return segment_open(&source, rk, &place, &r, NULL) == ERR_OK && segment_builder_new(rk, &place, &o, &b, NULL) == ERR_OK &&
           segment_add_event(b, 0, 0, SPAN("[]"), NULL) == ERR_OK && segment_add_segment(b, r, NULL) == ERR_OK;
}

static void every(const char *name, nomem_work *work, void *ctx)
{
    unsigned n = 0, one = 0;
    bool ok;

    while (nomem_try(n, work, ctx))
        n++;
    for (; nomem_try_one(one, work, ctx, &ok); one++) { /* nothing here is optional: who goes on after it has lost something */
        if (ok)
            fail_msg("%s: step %u failed and nobody noticed", name, one);
    }
    print_message("%s: %u steps\n", name, n);
    assert_true(n > 0 && one == n);
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
    buf_reset(&file);
    assert_ok(build_from(1, &file));
    bytes = buf_span(&file);
    every("append", append_works, &bytes);
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
    bool ok = khspl_open(&source, &s, NULL) == ERR_OK && khspl_unlock(s, rk, place.project, place.rid, 0, 0, NULL) == ERR_OK;

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

/* ---- keys, records and the key store ---- */

static struct es256_signer *signer;
static uint8_t pub[ES256_PUB_LEN];

static bool key_works(void *ctx)
{
    static const struct key_claims c = {
        .iss = "https://rec.example.com", .aud = "https://rec.example.com/v1/replay", .sub = "u_8zYGTnU-_hqeQ2Lx",
        .client_id = "cli", .jti = "BXqH0cJLlQzHgCOqSMGAMA", .iat = 1793000000, .nbf = 1793000000, .exp = 1793000060,
        .scope = KEY_SCOPE_PLAY, .pid = "p_zNe2lKL4dQxW8s0b", .env = "prod", .gid = "g_P_52yi_zKORYBdCS", .gen = 3,
        .rid = "r_2Dz2Sr-SnSlnd8aT", .wend = 1793003600, .ctx = "24hjfBS6sxztL5EjzTrzXQ",
    };
    const char *envs[] = { "prod" };
    const struct key_audience want = { c.iss, c.aud, envs, 1 };
    struct key_ring ring = { .n = 0 };
    struct secret *none = NULL;
    struct buf b = BUF_INIT(4096);
    struct key_claims back;
    char kid[KEY_KID_LEN + 1];
    bool ok;

    (void) ctx;
    key_kid(pub, kid);
    ok = key_ring_add(&ring, pub, &none, NULL) == ERR_OK && key_sign(&c, kid, signer, &b, NULL) == ERR_OK &&
         key_check(buf_span(&b), &ring, &want, 1793000010000, &back, NULL, NULL) == KEY_OK && strcmp(back.jti, c.jti) == 0;
    key_ring_deinit(&ring);
    buf_deinit(&b);
    return ok;
}

static bool leaf_works(void *ctx)
{
    struct leaf l = { .log = SPAN("system"), .type = LEAF_REQUEST_CREATED, .actor = SPAN("system") };
    uint8_t salt[LEAF_SALT_LEN] = { 1 };
    struct buf b = BUF_INIT(8192);
    bool ok = leaf_add_fact(&l, "reason", SPAN("a reason"), SPAN_EMPTY, salt) &&
              leaf_add_fact(&l, "ticket", SPAN("SHOP-7"), SPAN_EMPTY, salt) && leaf_write(&l, &b, NULL) == ERR_OK;

    (void) ctx;
    if (!ok)
        assert_int_equal(b.n, 0); /* nothing of it stays */
    buf_deinit(&b);
    return ok;
}

static bool keystore_works(void *ctx)
{
    CLEANUP(keystore_freep) struct keystore *k = keystore_new();
    CLEANUP(keystore_freep) struct keystore *back = NULL;
    struct keystore_entry e = { .kind = KEYSTORE_LAST_SIGNED, .pub_len = 32 };
    struct buf b = BUF_INIT(1 << 20);
    bool ok = k != NULL;

    (void) ctx;
    for (unsigned i = 0; ok && i < 40; i++) {
        (void) snprintf(e.id, sizeof(e.id), "log-%u", i);
        ok = keystore_put(k, &e, NULL) == ERR_OK;
    }
    ok = ok && keystore_write(k, rk, &b, NULL) == ERR_OK && keystore_open(buf_span(&b), rk, &back, NULL) == ERR_OK &&
         keystore_count(back) == 40;
    buf_deinit(&b);
    return ok;
}

static void keys_and_records(void **state)
{
    struct secret *priv = NULL;

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &signer, NULL));
    every("key", key_works, NULL);
    every("leaf", leaf_works, NULL);
    every("key store", keystore_works, NULL);
    es256_signer_free(signer);
    secret_free(priv);
}

/* ---- frames ---- */

static bool frame_comes_back(void)
{
    struct zframe_writer *w = zframe_writer_new(1);
    struct buf f = BUF_INIT(1000), out = BUF_INIT(100);
    bool ok = w != NULL && zframe_write(w, SPAN("keyhole"), &f, NULL) == ERR_OK &&
              zframe_read(buf_span(&f), 7, &out, NULL) == ERR_OK && span_eq_str(buf_span(&out), "keyhole");

    zframe_writer_free(w);
    buf_deinit(&f);
    buf_deinit(&out);
    return ok;
}

static void *in_thread(void *ctx)
{
    return frame_comes_back() ? ctx : NULL;
}

/* In a thread that has no decompressor yet. */
static bool frame_works(void *ctx)
{
    pthread_t t;
    void *ret = NULL;

    (void) ctx;
    assert_int_equal(pthread_create(&t, NULL, in_thread, &ret), 0);
    assert_int_equal(pthread_join(t, &ret), 0);
    return ret != NULL;
}

/* The key of the threads' decompressors is made once in a process: one that cannot is a process of its own. */
static void frames_without_a_thread_key(void **state)
{
#ifdef THREAD_KEYS_FAIL
    int status = -1;
    pid_t pid;

    (void) state;
    (void) fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool first, again;

        no_thread_keys = true;
        first = frame_comes_back();
        no_thread_keys = false;
        again = frame_comes_back(); /* it is not tried again */
        exit(first || again ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(frame_comes_back());
#else
    (void) state;
    skip();
#endif
}

static void frames(void **state)
{
    (void) state;
    every("frame", frame_works, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_without_a_thread_key), /* before any other frame is read */
        cmocka_unit_test(frames),
        cmocka_unit_test_setup_teardown(keys_and_records, setup, teardown),
        cmocka_unit_test_setup_teardown(segments, setup, teardown),
        cmocka_unit_test_setup_teardown(logs, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
