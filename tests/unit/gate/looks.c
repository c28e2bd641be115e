/*
 * Looks: what one reader of a recording found is there for the next one, once; and only for who has its key. Their list of screens: order,
 * limits, what is forgotten.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "gate/looks.h"
#include "gate/reader.h"
#include "gate/seal.h"
#include "os/clock.h"

#define PID    "p_zNe2lKL4dQxW8s0b"
#define RID    "r_2Dz2Sr-SnSlnd8aT"
#define EVENTS 3000
#define MANY   200

static const uint8_t secret[16] = { 7 };

/* ---- the list ---- */

static void add(struct look *k, uint64_t seq, size_t n)
{
    struct look_screen s = { .seq = seq, .at = (time_us) seq * 10, .cols = 80, .rows = 24 };
    uint8_t *p = calloc(1, n);

    assert_non_null(p);
    p[0] = (uint8_t) seq;
    s.init = span_of(p, n);
    look_lock(k);
    look_add(k, &s);
    look_unlock(k);
    free(p);
}

/* -1: none. */
static int64_t find(struct look *k, time_us from, uint64_t until, uint64_t after)
{
    struct look_screen s;
    bool there;

    look_lock(k);
    there = look_find(k, from, until, after, &s);
    if (there)
        assert_int_equal(s.init.p[0], (uint8_t) s.seq);
    look_unlock(k);
    return there ? (int64_t) s.seq : -1;
}

static void test_list(void **state)
{
    struct looks *t = looks_new(secret);
    struct look *k = look_get(t, RID), *same = look_get(t, RID), *other = look_get(t, "r_3Dz2Sr-SnSlnd8aT"), *alone = look_get(NULL, RID);

    (void) state;
    assert_ptr_equal(k, same);
    assert_ptr_not_equal(k, other);
    assert_ptr_not_equal(k, alone);
    add(k, 30, 9);
    add(k, 10, 9);
    add(k, 20, 9);
    add(k, 20, 9); /* again */
    assert_int_equal(find(same, 1000, 1000, 0), 30);
    assert_int_equal(find(k, 299, 1000, 0), 20);  /* before its time */
    assert_int_equal(find(k, 300, 1000, 0), 30);
    assert_int_equal(find(k, 1000, 30, 0), 20);   /* before that event */
    assert_int_equal(find(k, 1000, 1000, 30), -1); /* not behind that one */
    assert_int_equal(find(k, 99, 1000, 0), -1);
    assert_int_equal(find(other, 1000, 1000, 0), -1);
    assert_int_equal(find(alone, 1000, 1000, 0), -1);
    look_forget(k, 20);
    assert_int_equal(find(k, 1000, 1000, 0), 20);
    look_forget(k, 0);
    assert_int_equal(find(k, 1000, 1000, 0), -1);
    /* what was made of a log counts as long as nothing was marked or sealed since */
    add(k, 5, 9);
    look_lock(k);
    look_tail(k, 20, 0);
    look_unlock(k);
    for (uint64_t i = 10; i <= 40; i += 10)
        add(k, i, 9);
    look_lock(k);
    look_tail(k, 20, 0);
    look_unlock(k);
    assert_int_equal(find(k, 1000, 1000, 0), 40);
    look_lock(k);
    look_tail(k, 20, 7);
    look_unlock(k);
    assert_int_equal(find(k, 1000, 1000, 0), 20);
    add(k, 30, 9);
    look_lock(k);
    look_tail(k, 50, 7);
    look_unlock(k);
    assert_int_equal(find(k, 1000, 1000, 0), 20);
    look_forget(k, 0);
    /* more than there is room for: spread over all of it, the newest among them */
    for (uint64_t i = 1; i <= 5000; i++)
        add(k, i, 9);
    assert_int_equal(find(k, INT64_MAX, UINT64_MAX, 0), 5000);
    for (uint64_t i = 200; i < 5000; i += 200)
        assert_true(find(k, (time_us) i * 10, UINT64_MAX, 0) > (int64_t) i - 100);
    /* large ones count by their bytes */
    look_forget(k, 0);
    for (uint64_t i = 1; i <= 40; i++)
        add(k, i, 1u << 20);
    assert_int_equal(find(k, INT64_MAX, UINT64_MAX, 0), 40);
    add(k, 41, LOOK_BYTES + 1);
    assert_int_equal(find(k, INT64_MAX, UINT64_MAX, 0), 40);
    (void) look_put(k);
    assert_int_equal(find(same, INT64_MAX, UINT64_MAX, 0), 40);
    (void) look_put(same);
    same = look_get(t, RID); /* the last one took all with it */
    assert_int_equal(find(same, INT64_MAX, UINT64_MAX, 0), -1);
    (void) look_put(same);
    (void) look_put(other);
    (void) look_put(alone);
    (void) looks_free(t);
}

static void test_all_together(void **state)
{
    struct looks *t = looks_new(secret);
    struct look *k[64];
    size_t kept = 0;
    char rid[32];

    (void) state;
    for (size_t i = 0; i < 64; i++) {
        (void) snprintf(rid, sizeof(rid), "r_%016zu", i);
        k[i] = look_get(t, rid);
        add(k[i], 1, 2u << 20);
    }
    for (size_t i = 0; i < 64; i++)
        kept += find(k[i], INT64_MAX, UINT64_MAX, 0) == 1;
    assert_int_equal(kept, LOOKS_BYTES / (2u << 20));
    (void) look_put(k[0]);
    add(k[63], 1, 2u << 20);
    assert_int_equal(find(k[63], INT64_MAX, UINT64_MAX, 0), 1); /* there is room again */
    for (size_t i = 1; i < 64; i++)
        (void) look_put(k[i]);
    (void) looks_free(t);
}

/* ---- readers of a log ---- */

struct house {
    char dir[64];
    struct loop *loop;
    struct reclog *log;
    struct reclog_rec *rec;
    struct store *store;
    struct secret *rk;
    struct looks *looks;
    struct batch_state state;
    uint64_t next_batch;
    bool done;
    const char *kind;
};

static void house_init(struct house *h, enum importer_kind kind)
{
    struct reclog_options o = { .dir = h->dir };
    struct reclog_begin b = { .project = SPAN(PID), .rid = SPAN(RID), .wrap = SPAN("wrap") };
    struct err_info e;

    *h = (struct house){ .dir = "/tmp/keyhole-looks-XXXXXX", .state = batch_state_new(kind), .looks = looks_new(secret),
                         .kind = kind == IMPORTER_TERMINAL ? "terminal" : "rrweb" };
    assert_non_null(mkdtemp(h->dir));
    assert_ok(loop_new(&h->loop, NULL));
    assert_ok_err(store_open(h->dir, &h->store, &e), &e);
    assert_ok_err(reclog_open(&o, &h->log, &e), &e);
    h->rk = secret_new(32);
    memset(secret_bytes(h->rk), 0x42, 32);
    b.rk = h->rk;
    b.loop = h->loop;
    assert_ok_err(reclog_begin(h->log, &b, &h->rec, &e), &e);
}

static void house_deinit(struct house *h)
{
    char cmd[256];

    h->rec = reclog_end(h->rec);
    h->log = reclog_free(h->log);
    for (int i = 0; i < 20; i++)
        loop_turn(h->loop);
    h->loop = loop_free(h->loop);
    h->store = store_free(h->store);
    h->rk = secret_free(h->rk);
    h->looks = looks_free(h->looks);
    (void) snprintf(cmd, sizeof(cmd), "rm -rf %s", h->dir);
    assert_int_equal(system(cmd), 0);
}

static void on_done(void *ctx, enum err e)
{
    assert_int_equal(e, ERR_OK);
    ((struct house *) ctx)->done = true;
}

static void send_batch(struct house *h, struct span body)
{
    CLEANUP(batch_freep) struct batch *b = batch_new(&h->state, UNPACK_IDENTITY, SPAN_EMPTY, NULL);
    time_ms end = clock_boot_ms() + 20000;
    struct reclog_frame frames[64];
    struct batch_out out;
    struct err_info e;

    while (body.n > 0 || batch_more(b))
        assert_int_equal(batch_step(b, &body), ERR_OK);
    assert_int_equal(batch_finish(b, &out), ERR_OK);
    for (size_t i = 0; i < out.n_frames; i++)
        frames[i] = (struct reclog_frame){ out.frames[i].zstd, out.frames[i].first_seq, out.frames[i].n_events, out.frames[i].head };
    h->done = false;
    assert_ok_err(reclog_append(h->rec, h->next_batch++, frames, out.n_frames, on_done, h, &e), &e);
    while (!h->done && clock_boot_ms() < end)
        loop_turn(h->loop);
    assert_true(h->done);
    h->state = out.after;
}

/* n events from 'first' on: lines of 200 characters, or mutations with a full snapshot each thousand. */
static void record(struct house *h, unsigned first, unsigned n)
{
    struct buf b = BUF_INIT(64u << 20);

    for (unsigned i = first; i < first + n; i++) {
        if (strcmp(h->kind, "terminal") == 0)
            buf_addf(&b, "[%u.%03u,\"o\",\"%0200u\\r\\n\"]\n", i / 100, i % 100, i);
        else if (i % 1000 == 0)
            buf_addf(&b, "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[],\"id\":1},\"initialOffset\":{\"left\":0,\"top\":0}},\"timestamp\":%u}\n", 1000 + i);
        else
            buf_addf(&b, "{\"type\":3,\"data\":{\"source\":3,\"id\":1,\"x\":0,\"y\":%u},\"timestamp\":%u}\n", i, 1000 + i);
    }
    send_batch(h, buf_span(&b));
    buf_deinit(&b);
}

struct place {
    enum err err;
    enum read_need need;
    uint64_t seq;
    bool screen;
};

/* A viewer who comes and looks for the newest place. */
static struct reader *join(struct house *h, uint16_t kn, struct place *ret)
{
    const struct ipc_row_wrap wrap = { .kn = 0, .epoch = 1, .wrap = SPAN("wrap") };
    struct ipc_key_facts f = { .kind = span_str(h->kind), .live = 1, .started_ms = 1 };
    const struct viewer_want want = { .kind = READ_LOCATE, .from = INT64_MAX, .until = UINT64_MAX };
    const struct reader_key key = { kn, 0, h->rk };
    const struct reader_keys keys = { &key, 1 };
    struct viewer_read read = { .err = ERR_OK };
    struct reader *r;

    f.wraps.rows = (struct ipc_row_wrap *) (uintptr_t) &wrap;
    f.wraps.n = 1;
    r = reader_new(h->store, h->log, h->looks, PID, RID, false, &f);
    assert_non_null(r);
    buf_init(&read.bytes, 32u << 20);
    reader_run(r, &keys, &want, &read);
    *ret = (struct place){ read.err, read.need, read.seq, read.has_screen };
    buf_deinit(&read.bytes);
    return r;
}

static void test_followers(void **state)
{
    static const enum importer_kind kinds[] = { IMPORTER_TERMINAL, IMPORTER_RRWEB };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct reader *readers[MANY], *stranger;
        struct place first, p;
        struct house h;
        struct look *k;
        uint64_t before;

        house_init(&h, kinds[i]);
        record(&h, 0, EVENTS);
        k = look_get(h.looks, RID);
        readers[0] = join(&h, 0, &first);
        assert_int_equal(first.err, ERR_OK);
        assert_int_equal(first.screen, kinds[i] == IMPORTER_TERMINAL);
        assert_true(first.seq >= 1000); /* and not the beginning */
        assert_in_range(look_read(k), EVENTS, 2 * EVENTS);
        before = look_read(k);
        for (unsigned n = 1; n < MANY; n++) {
            readers[n] = join(&h, 0, &p);
            assert_int_equal(p.err, first.err);
            assert_int_equal(p.seq, first.seq);
            assert_int_equal(p.screen, first.screen);
        }
        assert_true(look_read(k) - before < EVENTS); /* all of them together, on a busy machine */
        /* without the key nobody gets what others found */
        stranger = join(&h, 1, &p);
        assert_int_equal(p.err, ERR_AGAIN);
        assert_int_equal(p.need, READ_NEED_KEY);
        (void) reader_free(stranger);
        /* what came since is looked at, and nothing else */
        record(&h, EVENTS, 1500);
        look_forget(k, UINT64_MAX); /* as if a second had passed */
        before = look_read(k);
        stranger = join(&h, 0, &p);
        assert_true(p.seq > first.seq);
        assert_true(look_read(k) - before <= 1500 + EVENTS - first.seq);
        (void) reader_free(stranger);
        for (unsigned n = 0; n < MANY; n++)
            (void) reader_free(readers[n]);
        (void) look_put(k);
        house_deinit(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_all_together),
        cmocka_unit_test(test_followers),
    };

    if (secret_init(64, 64, NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
