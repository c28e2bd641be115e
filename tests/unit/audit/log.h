#pragma once
/* What the tests of audit share: a database, a log, a vault's key. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/check.h"
#include "crypto/box.h"
#include "crypto/ed25519.h"
#include "meta/people.h"

#define PROJECT "p_zNe2lKL4dQxW8s0b"
#define HOST    "rec.example.com"

struct fixture {
    char dir[64], path[96];
    struct meta *m;
    struct audit *a;
    struct secret *sk;
    uint8_t pk[32];
    struct err_info e;
};

static inline void fixture_init(struct fixture *f)
{
    uint8_t seed[32] = { 42 };

    *f = (struct fixture){ .dir = "/tmp/keyhole-audit-XXXXXX" };
    assert_non_null(mkdtemp(f->dir));
    (void) snprintf(f->path, sizeof(f->path), "%s/keyhole.db", f->dir);
    assert_ok_err(ed25519_from_seed(seed, &f->sk, f->pk, &f->e), &f->e);
    assert_ok_err(meta_open(f->path, &f->m, &f->e), &f->e);
    assert_ok_err(audit_open(f->m, SPAN(HOST), &f->a, &f->e), &f->e);
    audit_set_key(f->a, f->pk);
}

static inline void fixture_reopen(struct fixture *f)
{
    f->a = audit_close(f->a);
    f->m = meta_close(f->m);
    assert_ok_err(meta_open(f->path, &f->m, &f->e), &f->e);
    assert_ok_err(audit_open(f->m, SPAN(HOST), &f->a, &f->e), &f->e);
    audit_set_key(f->a, f->pk);
}

static inline void fixture_deinit(struct fixture *f)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char path[128];

    f->a = audit_close(f->a);
    f->m = meta_close(f->m);
    f->sk = secret_free(f->sk);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void) snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
        (void) unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
}

static inline void begin(struct fixture *f)
{
    assert_ok_err(meta_begin(f->m, &f->e), &f->e);
}

static inline void commit(struct fixture *f)
{
    assert_ok_err(meta_commit(f->m, &f->e), &f->e);
    audit_committed(f->a);
}

static inline void rollback(struct fixture *f)
{
    assert_ok_err(meta_rollback(f->m, &f->e), &f->e);
    audit_rolled_back(f->a);
}

static inline struct leaf record(const char *log, enum leaf_type type, time_ms t)
{
    return (struct leaf){ .log = span_str(log), .t = t, .type = type, .actor = SPAN("u_8zYGTnU-_hqeQ2Lx"),
                          .outcome = SPAN("ok") };
}

static inline void create_log(struct fixture *f, const char *log, time_ms t)
{
    struct leaf l = record(log, LEAF_PROJECT_CREATED, t);

    assert_ok_err(audit_create_log(f->a, &l, &f->e), &f->e);
}

/* A lease of the n-th kind: what a log is mostly made of. */
static inline void append_lease(struct fixture *f, const char *log, int n)
{
    struct leaf l = record(log, LEAF_REPLAY_LEASED, 1000 + n);

    l.gid = SPAN("g_P_52yi_zKORYBdCS");
    l.gen = 3;
    l.rid = n % 2 == 0 ? SPAN("r_2Dz2Sr-SnSlnd8aT") : SPAN("r_AAAAAAAAAAAAAAAA");
    l.jti = SPAN("BXqH0cJLlQzHgCOqSMGAMA");
    assert_true(leaf_add_number(&l, "from_seq", n));
    assert_true(leaf_add_number(&l, "bytes", 100));
    assert_ok_err(audit_append(f->a, &l, &f->e), &f->e);
}

/* Signs what is due; returns how many. */
static inline size_t sign_due(struct fixture *f, time_ms now)
{
    struct audit_due d;
    size_t n = 0;

    begin(f);
    for (size_t at = 0; audit_due(f->a, &at, &d); n++) {
        struct note_checkpoint c = { d.origin, d.size, d.root };
        struct buf text = BUF_INIT(4096), note = BUF_INIT(4096);
        struct note_vkey k;
        uint8_t sig[64];

        note_checkpoint_text(&c, &text);
        ed25519_sign(f->sk, buf_span(&text), sig);
        assert_ok(note_vkey_init(&k, d.origin, f->pk, NULL));
        note_write(&note, buf_span(&text), &k, sig);
        assert_ok_err(audit_checkpoint_store(f->a, d.log, buf_span(&note), now, &f->e), &f->e);
        buf_deinit(&text);
        buf_deinit(&note);
    }
    commit(f);
    return n;
}

static inline struct note_vkey vkey_of(struct fixture *f, const char *log)
{
    struct buf origin = BUF_INIT(256);
    struct note_vkey k;

    note_origin(&origin, SPAN(HOST), span_str(log));
    assert_ok(note_vkey_init(&k, buf_span(&origin), f->pk, NULL));
    buf_deinit(&origin);
    return k;
}

static inline struct audit_result check(struct fixture *f, const char *log)
{
    struct note_vkey k = vkey_of(f, log);
    struct audit_result r;

    assert_ok_err(audit_check(meta_view(f->m), span_str(log), &k, &r, &f->e), &f->e);
    return r;
}

/* An attacker with the database file: no triggers, no rules. */
static inline void forge(struct fixture *f, const char *sql)
{
    static const char drop[] = "DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete;"
                               "DROP TRIGGER IF EXISTS audit_seen_no_update; DROP TRIGGER IF EXISTS audit_seen_no_delete;"
                               "DROP TRIGGER IF EXISTS checkpoint_no_update; DROP TRIGGER IF EXISTS checkpoint_no_delete;";
    sqlite3 *h;
    char *text = NULL;

    assert_int_equal(sqlite3_open(f->path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, drop, NULL, NULL, &text), SQLITE_OK);
    if (sqlite3_exec(h, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
}
