/*
 * A recording on its way in and out, on one core and in memory: JSON scanning, import (scan, normalise, chunks, index, zstd, encryption),
 * segment writing and reading. Beside zstd on the same NDJSON and AES-256-GCM on the same blocks.
 *
 *   bench-recording FILE        an rrweb file; its events are repeated to some 32 MB of NDJSON
 *   bench-recording FILE OUT    writes that NDJSON and stops: for measuring through a server
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "codec/facts.h"
#include "codec/importer.h"
#include "codec/intake.h"
#include "codec/json_scan.h"
#include "codec/mask.h"
#include "crypto/openssl.h"
#include "crypto/random.h"
#include "format/segment.h"

#include <openssl/evp.h>

#define TARGET     (32u << 20)
#define MB(n)      ((double) (n) / 1e6)
#define CHUNK      SEGMENT_CHUNK_USUAL
#define EVENTS_MAX 4000000
#define SEALED_LEVEL 9 /* config.c */

struct event {
    size_t at, n;
    time_us time;
};

static struct {
    struct buf ndjson;        /* the corpus, one event a line */
    struct event *events;
    size_t n_events;
    struct buf packed, room;  /* of the references */
    size_t *frame_n, n_frames;
    struct secret *rk;
    struct buf files;         /* the segments one after another */
    size_t *file_n, n_files;
    uint64_t sink;
    const struct mask_rules *rules; /* of the import under way; NULL: nothing is taken out */
} b;

static const struct khseg_context place = {
    .project = { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 }, .rid = { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 }, .codec = 1,
};

/* ---- the corpus: what the importer makes of the file, again and again ---- */

static enum err keep_head(void *ctx, struct span json, struct err_info *reterr)
{
    (void) ctx, (void) json, (void) reterr;
    return ERR_OK;
}

static enum err keep_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    (void) ctx, (void) reterr;
    bench_need(b.n_events < EVENTS_MAX, "room for events");
    b.events[b.n_events++] = (struct event){ b.ndjson.n, ev->json.n, ev->seek_us };
    buf_add_span(&b.ndjson, ev->json);
    buf_add_c(&b.ndjson, '\n');
    return ERR_OK;
}

static void import(struct span in, enum err (*on_event)(void *, const struct importer_event *, struct err_info *), void *ctx,
                   enum importer_kind *ret_kind)
{
    struct importer_params p = importer_defaults();
    struct importer_result r;
    struct importer *imp;

    p.on_head = keep_head;
    p.on_event = on_event;
    p.rules = b.rules;
    p.ctx = ctx;
    imp = importer_new(&p);
    for (size_t at = 0; at < in.n; at += 65536) {
        if (importer_feed(imp, span_sub(in, at, 65536)) != ERR_OK)
            bench_need(0, importer_error(imp)->cause);
    }
    bench_need(importer_finish(imp, &r) == ERR_OK, "importer_finish");
    if (ret_kind != NULL)
        *ret_kind = r.kind;
    (void) importer_free(imp);
}

/*
 * A recording repeated as it is would fit into the window of any compressor. So each copy has an alphabet of its own: letters in
 * string values and digits of longer numbers are exchanged by a permutation; names, punctuation and lengths stay. Another
 * session of the same site looks much like that.
 */
static uint8_t alphabet[256];

static void permute(unsigned first, unsigned n, uint32_t *seed)
{
    for (unsigned i = n - 1; i > 0; i--) {
        unsigned k;
        uint8_t keep = alphabet[first + i];

        *seed = *seed * 1664525u + 1013904223u;
        k = (*seed >> 8) % (i + 1);
        alphabet[first + i] = alphabet[first + k];
        alphabet[first + k] = keep;
    }
}

static void make_alphabet(uint32_t copy)
{
    uint32_t seed = copy * 2654435761u;

    for (unsigned i = 0; i < 256; i++)
        alphabet[i] = (uint8_t) i;
    permute('a', 26, &seed);
    permute('A', 26, &seed);
    permute('1', 9, &seed);
}

/* From, n bytes of one JSON value, to 'to'. */
static void rewrite(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t i = 0, end; i < n; i = end) {
        bool text = from[i] == '"', number = from[i] >= '0' && from[i] <= '9';

        end = i + 1;
        if (text) {
            while (from[end] != '"')
                end += from[end] == '\\' ? 2 : 1;
            end++;
        } else if (number) {
            while (end < n && from[end] >= '0' && from[end] <= '9')
                end++;
        }
        if ((text && (end == n || from[end] != ':')) || (number && end - i > 3)) {
            for (size_t k = i; k < end; k++) {
                to[k] = alphabet[from[k]];
                if (from[k] == '\\') { /* escapes stay: \n, \u00e9 */
                    size_t stay = from[k + 1] == 'u' ? 6 : 2;

                    memcpy(to + k, from + k, stay);
                    k += stay - 1;
                }
            }
        } else {
            memcpy(to + i, from + i, end - i);
        }
    }
}

static void make_corpus(const char *path)
{
    struct buf file = BUF_INIT(256u << 20);
    uint8_t part[65536];
    FILE *f = fopen(path, "rb");
    size_t n, once, events_once;
    enum importer_kind kind;
    time_us length;

    bench_need(f != NULL, path);
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        buf_add(&file, part, n);
    (void) fclose(f);
    b.ndjson = BUF_INIT(TARGET * 4u);
    b.events = calloc(EVENTS_MAX, sizeof(*b.events));
    bench_need(b.events != NULL, "memory");
    import(buf_span(&file), keep_event, NULL, &kind);
    bench_need(kind == IMPORTER_RRWEB, "an rrweb file");
    once = b.ndjson.n;
    events_once = b.n_events;
    length = b.events[events_once - 1].time + 1;
    for (unsigned copy = 1; b.ndjson.n + once <= TARGET; copy++) {
        make_alphabet(copy);
        for (size_t i = 0; i < events_once; i++) {
            struct event e = b.events[i];

            b.events[b.n_events++] = (struct event){ b.ndjson.n, e.n, e.time + (time_us) copy * length };
            (void) buf_reserve(&b.ndjson, e.n + 1);
            rewrite(b.ndjson.p + e.at, e.n, b.ndjson.p + b.ndjson.n);
            b.ndjson.n += e.n;
            buf_add_c(&b.ndjson, '\n');
        }
    }
    bench_need(!b.ndjson.failed, "the corpus");
    buf_deinit(&file);
}

/* ---- references ---- */

static double zstd_whole(void *ctx)
{
    static ZSTD_CCtx *c;

    (void) ctx;
    c = c != NULL ? c : ZSTD_createCCtx();
    b.packed.n = ZSTD_compressCCtx(c, b.packed.p, b.packed.cap, b.ndjson.p, b.ndjson.n, 3);
    bench_need(!ZSTD_isError(b.packed.n), "zstd");
    return MB(b.ndjson.n);
}

static double zstd_chunks(int level)
{
    static ZSTD_CCtx *c;
    size_t at = 0, out = 0, n;

    c = c != NULL ? c : ZSTD_createCCtx();
    for (b.n_frames = 0; at < b.ndjson.n; at += n) {
        n = b.ndjson.n - at < CHUNK ? b.ndjson.n - at : CHUNK;
        b.frame_n[b.n_frames] = ZSTD_compressCCtx(c, b.room.p + out, b.room.cap - out, b.ndjson.p + at, n, level);
        bench_need(!ZSTD_isError(b.frame_n[b.n_frames]), "zstd");
        out += b.frame_n[b.n_frames++];
    }
    return MB(b.ndjson.n);
}

static double zstd_chunks_1(void *ctx)
{
    (void) ctx;
    return zstd_chunks(1);
}

static double zstd_chunks_3(void *ctx)
{
    (void) ctx;
    return zstd_chunks(3);
}

static double unzstd_chunks(void *ctx)
{
    static ZSTD_DCtx *d;
    static uint8_t out[CHUNK];
    size_t at = 0;

    (void) ctx;
    d = d != NULL ? d : ZSTD_createDCtx();
    for (size_t i = 0; i < b.n_frames; at += b.frame_n[i++])
        bench_need(!ZSTD_isError(ZSTD_decompressDCtx(d, out, sizeof(out), b.room.p + at, b.frame_n[i])), "unzstd");
    return MB(b.ndjson.n);
}

static double aes_blocks(void *ctx)
{
    static uint8_t out[KHSEG_BLOCK], key[32], iv[12], tag[16];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n, last;

    (void) ctx;
    for (size_t at = 0; at + KHSEG_BLOCK <= b.ndjson.n; at += KHSEG_BLOCK) {
        memcpy(iv, &at, sizeof(at));
        bench_need(EVP_EncryptInit_ex(c, at == 0 ? EVP_aes_256_gcm() : NULL, NULL, key, iv) == 1 &&
                       EVP_EncryptUpdate(c, out, &n, b.ndjson.p + at, KHSEG_BLOCK) == 1 &&
                       EVP_EncryptFinal_ex(c, out, &last) == 1 && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1, "AES-GCM");
    }
    EVP_CIPHER_CTX_free(c);
    return MB(b.ndjson.n / KHSEG_BLOCK * KHSEG_BLOCK);
}

/* ---- ours ---- */

static bool count_item(void *ctx, const struct json_item *item)
{
    (void) ctx;
    b.sink += item->bytes.n;
    return true;
}

static double scan(void *ctx)
{
    struct json_scan_opts o = { .shape = JSON_SHAPE_LINES, .limits = json_limits_event(), .on_item = count_item };
    struct json_scan *s = json_scan_new(&o);

    (void) ctx;
    for (size_t at = 0; at < b.ndjson.n; at += 65536)
        bench_need(json_scan_feed(s, span_sub(buf_span(&b.ndjson), at, 65536), NULL), "json_scan_feed");
    bench_need(json_scan_finish(s, NULL) && json_scan_items(s) == b.n_events, "json_scan_finish");
    (void) json_scan_free(s);
    return MB(b.ndjson.n);
}

/* What masking costs an event that holds nothing to be masked, and a text of which everything is looked at. */
static struct mask_scanner *scanner_once(void)
{
    static struct mask_scanner *s;

    bench_need(s != NULL || mask_scanner_new(&s, NULL) == ERR_OK, "mask_scanner_new");
    return s;
}

static double mask_events(void *ctx)
{
    struct mask_scanner *s = scanner_once();

    (void) ctx;
    for (size_t i = 0; i < b.n_events; i++)
        b.sink += mask_scan_raw(s, mask_rules_default(), span_of(b.ndjson.p + b.events[i].at, b.events[i].n));
    return MB(b.ndjson.n);
}

static double mask_texts(void *ctx)
{
    struct mask_scanner *s = scanner_once();
    struct mask_hits hits;

    (void) ctx;
    for (size_t at = 0; at < b.ndjson.n; at += 65536) {
        bench_need(mask_scan(s, mask_rules_default(), span_sub(buf_span(&b.ndjson), at, 65536), NULL, &hits, NULL) == ERR_OK, "mask_scan");
        b.sink += hits.n;
    }
    return MB(b.ndjson.n);
}

struct writing {
    bool noted; /* with keyframes and notes, as the server stores it: */
    struct facts facts;
    struct facts_clickable *clickable;
    struct segment_builder *builder;
    time_us last;
    uint32_t seg_no;
    int level;
};

static void seal(struct writing *w)
{
    struct segment_summary sum;
    size_t before = b.files.n;

    bench_need(segment_finish(w->builder, &b.files, &sum, NULL) == ERR_OK, "segment_finish");
    w->builder = segment_builder_free(w->builder);
    b.file_n[b.n_files++] = b.files.n - before;
    w->seg_no++;
}

static void open_builder(struct writing *w, uint64_t seq)
{
    struct khseg_context c = place;
    struct segment_options o = { .zstd_level = w->level, .first_seq = seq, .first_time = w->last };

    c.seg_no = w->seg_no;
    if (w->builder == NULL)
        bench_need(segment_builder_new(b.rk, &c, &o, &w->builder, NULL) == ERR_OK, "segment_builder_new");
}

static void write_event(struct writing *w, uint64_t seq, time_us time, struct span json)
{
    open_builder(w, seq);
    bench_need(segment_add_event(w->builder, seq, time, json, NULL) == ERR_OK, "segment_add_event");
    w->last = time;
    if (segment_builder_full(w->builder))
        seal(w);
}

static void begin_files(void)
{
    buf_reset(&b.files);
    b.n_files = 0;
}

static double write_level(int level)
{
    struct writing w = { .level = level };

    begin_files();
    for (size_t i = 0; i < b.n_events; i++)
        write_event(&w, i, b.events[i].time, span_of(b.ndjson.p + b.events[i].at, b.events[i].n));
    if (w.builder != NULL)
        seal(&w);
    return MB(b.ndjson.n);
}

static double write_segments(void *ctx)
{
    (void) ctx;
    return write_level(3);
}

/* As the server seals: store.zstd's default. */
static double write_sealed(void *ctx)
{
    (void) ctx;
    return write_level(SEALED_LEVEL);
}

static void note(struct writing *w, const struct importer_event *ev)
{
    const struct facts_in in = { ev->seq, ev->seek_us, ev->json, ev->type, ev->source };

    open_builder(w, ev->seq);
    bench_need(!ev->keyframe || segment_add_keyframe(w->builder, ev->seq, NULL) == ERR_OK, "segment_add_keyframe");
    bench_need(facts_event(&w->facts, w->clickable, segment_builder_notes(w->builder), &in), "facts_event");
}

static enum err import_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct writing *w = ctx;

    (void) reterr;
    if (w->noted)
        note(w, ev);
    write_event(ctx, ev->seq, ev->seek_us, ev->json);
    return ERR_OK;
}

static double import_with(struct writing w)
{
    begin_files();
    import(buf_span(&b.ndjson), import_event, &w, NULL);
    if (w.builder != NULL)
        seal(&w);
    return MB(b.ndjson.n);
}

static double import_level(int level)
{
    return import_with((struct writing){ .level = level });
}

/* All that the server stores of it. */
static void import_whole(void)
{
    struct writing w = { .level = SEALED_LEVEL, .noted = true, .facts = facts_begin(/* terminal= */ false, 0), .clickable = facts_clickable_new() };

    (void) import_with(w);
    (void) facts_clickable_free(w.clickable);
}

static double import_1(void *ctx)
{
    (void) ctx;
    return import_level(1);
}

static double import_3(void *ctx)
{
    (void) ctx;
    return import_level(3);
}

/* As the server does it: sanitised, masked by the default rules. */
static double import_masked(void *ctx)
{
    double mb;

    (void) ctx;
    b.rules = mask_rules_default();
    mb = import_level(1);
    b.rules = NULL;
    return mb;
}

static enum err count_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    (void) ctx, (void) reterr;
    b.sink += ev->json.n;
    return ERR_OK;
}

static double intake(void *ctx)
{
    (void) ctx;
    b.rules = mask_rules_default();
    import(buf_span(&b.ndjson), count_event, NULL, NULL);
    b.rules = NULL;
    return MB(b.ndjson.n);
}

static double read_segments(void *ctx)
{
    struct buf out = BUF_INIT(SEGMENT_EVENT_MAX * 2);
    size_t at = 0, raw = 0;

    (void) ctx;
    for (size_t i = 0; i < b.n_files; at += b.file_n[i++]) {
        struct span file = span_of(b.files.p + at, b.file_n[i]);
        struct khseg_source source = khseg_source_span(&file);
        struct khseg_context c = place;
        struct segment_reader *r;

        c.seg_no = (uint32_t) i;
        bench_need(segment_open(&source, b.rk, &c, &r, NULL) == ERR_OK, "segment_open");
        for (uint32_t k = 0; k < segment_info(r)->n_chunks; k++) {
            buf_reset(&out);
            bench_need(segment_read_chunk(r, k, &out, NULL) == ERR_OK, "segment_read_chunk");
            raw += out.n;
        }
        (void) segment_reader_free(r);
    }
    bench_need(raw == b.ndjson.n, "every byte came back");
    buf_deinit(&out);
    return MB(raw);
}

static void make_room(void)
{
    size_t most = b.ndjson.n + (4u << 20);

    b.packed = BUF_INIT(most);
    b.room = BUF_INIT(most);
    b.files = BUF_INIT(most);
    b.frame_n = calloc(most / 1024, sizeof(size_t));
    b.file_n = calloc(most / 1024, sizeof(size_t));
    bench_need(buf_reserve(&b.packed, most) != NULL && buf_reserve(&b.room, most) != NULL && b.frame_n != NULL && b.file_n != NULL, "memory");
    b.rk = secret_random(32);
    bench_need(b.rk != NULL, "a key");
}

static int write_corpus(const char *path)
{
    FILE *f = fopen(path, "wb");

    bench_need(f != NULL && fwrite(b.ndjson.p, 1, b.ndjson.n, f) == b.ndjson.n && fclose(f) == 0, path);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        { "zstd -3, all of it", "MB", NULL, zstd_whole, NULL },
        { "zstd -1, chunks of 256 KiB", "MB", NULL, zstd_chunks_1, NULL },
        { "zstd -3, chunks of 256 KiB", "MB", NULL, zstd_chunks_3, NULL },
        { "unzstd, chunks of 256 KiB", "MB", NULL, unzstd_chunks, NULL },
        { "AES-256-GCM, blocks of 16 KiB (OpenSSL)", "MB", NULL, aes_blocks, NULL },
        { "JSON: scan and check events", "MB", "zstd -1, chunks of 256 KiB", scan, NULL },
        { "masking: events passed over", "MB", "zstd -1, chunks of 256 KiB", mask_events, NULL },
        { "masking: texts of 64 KiB looked through", "MB", "zstd -1, chunks of 256 KiB", mask_texts, NULL },
        { "JSON, sanitised and masked", "MB", "zstd -1, chunks of 256 KiB", intake, NULL },
        { "import to segments, masked, level 1", "MB", "zstd -1, chunks of 256 KiB", import_masked, NULL },
        { "import to segments, level 1", "MB", "zstd -1, chunks of 256 KiB", import_1, NULL },
        { "import to segments, level 3", "MB", "zstd -3, chunks of 256 KiB", import_3, NULL },
        { "segments: write, level 3", "MB", "zstd -3, chunks of 256 KiB", write_segments, NULL },
        { "segments: write, as sealed (level 9)", "MB", "zstd -3, chunks of 256 KiB", write_sealed, NULL },
        { "segments: read", "MB", "unzstd, chunks of 256 KiB", read_segments, NULL },
    };
    size_t chunked = 0;
    int e;

    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: bench-recording FILE [OUT]\n");
        return 2;
    }
    bench_need(mask_init(NULL) == ERR_OK, "mask_init");
    make_corpus(argv[1]);
    if (argc == 3)
        return write_corpus(argv[2]);
    make_room();
    e = bench_run(cases, sizeof(cases) / sizeof(cases[0]));
    (void) zstd_whole(NULL);
    (void) zstd_chunks_3(NULL);
    for (size_t i = 0; i < b.n_frames; i++)
        chunked += b.frame_n[i];
    import_whole();
    bench_fact("corpus", "MB of NDJSON", MB(b.ndjson.n));
    bench_fact("size: zstd -3 in chunks of 256 KiB / zstd -3 of all of it", "ratio", (double) chunked / (double) b.packed.n);
    bench_fact("stored size: segments / zstd -3 of all of it", "ratio", (double) b.files.n / (double) b.packed.n);
    return e;
}
