/*
 * Leases into the audit log by group commit, as the keeper's writer does it (leaf, hashes, tree, one transaction for a group), beside SQLite
 * alone: one row of the same bytes each, same pragmas, same groups. On the wall: what is waited for is the disk.
 *
 *   bench-audit DIR      makes two databases there
 */
#include "bench.h"

#include <sqlite3.h>
#include <stdio.h>

#include "audit/audit.h"
#include "audit/lease.h"

#define PROJECT   "p_zNe2lKL4dQxW8s0b"
#define LEAF_SIZE 420 /* of such a leaf */
#define SECONDS   0.4 /* of a round */

static struct {
    struct meta *m;
    struct meta_wal *wal;
    struct audit *audit;
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint64_t n;
} b;

static void append(void)
{
    const struct ipc_lease x = {
        .jti = SPAN("BXqH0cJLlQzHgCOqSMGAMA"), .gid = SPAN("g_P_52yi_zKORYBdCS"), .gen = 3, .vid = SPAN("v_2Dz2Sr-SnSlnd8aT"),
        .rid = SPAN("r_2Dz2Sr-SnSlnd8aT"), .pid = SPAN(PROJECT), .sub = SPAN("u_8zYGTnU-_hqeQ2Lx"), .what = LEASE_STREAM,
        .from_seq = b.n * 30, .to_seq = b.n * 30 + 29, .from_ms = b.n * 30000, .to_ms = b.n * 30000 + 29000, .bytes = 6450,
    };
    struct leaf l;

    bench_need(lease_leaf(&x, 1793000000000 + (time_ms) b.n++, &l, NULL) == ERR_OK, "lease_leaf");
    bench_need(audit_append(b.audit, &l, NULL) == ERR_OK, "audit_append");
}

static double leases(void *ctx)
{
    int group = *(const int *) ctx;
    int64_t until = now_ns() + (int64_t) (SECONDS * 1e9);
    double n = 0;
    uint32_t left;

    while (now_ns() < until) {
        bench_need(meta_begin(b.m, NULL) == ERR_OK, "meta_begin");
        for (int i = 0; i < group; i++)
            append();
        bench_need(meta_commit(b.m, NULL) == ERR_OK, "meta_commit");
        audit_committed(b.audit);
        n += group;
    }
    bench_need(meta_wal_checkpoint(b.wal, &left, NULL) == ERR_OK, "meta_wal_checkpoint");
    return n;
}

static void sql(const char *text)
{
    bench_need(sqlite3_exec(b.db, text, NULL, NULL, NULL) == SQLITE_OK, text);
}

static double bare_rows(void *ctx)
{
    int group = *(const int *) ctx;
    int64_t until = now_ns() + (int64_t) (SECONDS * 1e9);
    static char leaf[LEAF_SIZE];
    double n = 0;

    memset(leaf, 'x', sizeof(leaf));
    while (now_ns() < until) {
        sql("BEGIN IMMEDIATE");
        for (int i = 0; i < group; i++) {
            bench_need(sqlite3_bind_int64(b.insert, 1, (sqlite3_int64) ++b.n) == SQLITE_OK &&
                           sqlite3_bind_blob(b.insert, 2, leaf, sizeof(leaf), SQLITE_STATIC) == SQLITE_OK &&
                           sqlite3_step(b.insert) == SQLITE_DONE && sqlite3_reset(b.insert) == SQLITE_OK, "insert");
        }
        sql("COMMIT");
        n += group;
    }
    sql("PRAGMA wal_checkpoint(PASSIVE)");
    return n;
}

static void open_both(const char *dir)
{
    char path[4096];
    struct leaf first = { .log = SPAN(PROJECT), .t = 5, .type = LEAF_PROJECT_CREATED, .actor = SPAN("u_8zYGTnU-_hqeQ2Lx"), .outcome = SPAN("ok") };

    (void) snprintf(path, sizeof(path), "%s/ours.db", dir);
    bench_need(meta_open(path, &b.m, NULL) == ERR_OK && meta_wal_open(path, &b.wal, NULL) == ERR_OK &&
                   audit_open(b.m, SPAN("rec.example.com"), &b.audit, NULL) == ERR_OK, "audit_open");
    bench_need(meta_begin(b.m, NULL) == ERR_OK && audit_create_log(b.audit, &first, NULL) == ERR_OK && meta_commit(b.m, NULL) == ERR_OK,
               "audit_create_log");
    audit_committed(b.audit);
    (void) snprintf(path, sizeof(path), "%s/bare.db", dir);
    bench_need(sqlite3_open(path, &b.db) == SQLITE_OK, path);
    sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
        "CREATE TABLE leaf (idx BIGINT NOT NULL PRIMARY KEY, leaf BLOB NOT NULL) WITHOUT ROWID;");
    bench_need(sqlite3_prepare_v2(b.db, "INSERT INTO leaf VALUES (?, ?)", -1, &b.insert, NULL) == SQLITE_OK, "prepare");
}

int main(int argc, char **argv)
{
    static int one = 1, some = 16, most = 256;
    static const struct bench_case cases[] = {
        { "SQLite alone: rows a second, commits of 1", "rows", NULL, bare_rows, &one, true },
        { "audit: leases a second, commits of 1", "leases", "SQLite alone: rows a second, commits of 1", leases, &one, true },
        { "SQLite alone: rows a second, commits of 16", "rows", NULL, bare_rows, &some, true },
        { "audit: leases a second, commits of 16", "leases", "SQLite alone: rows a second, commits of 16", leases, &some, true },
        { "SQLite alone: rows a second, commits of 256", "rows", NULL, bare_rows, &most, true },
        { "audit: leases a second, commits of 256", "leases", "SQLite alone: rows a second, commits of 256", leases, &most, true },
    };
    int e;

    bench_need(argc == 2, "bench-audit DIR");
    open_both(argv[1]);
    e = bench_run(cases, sizeof(cases) / sizeof(cases[0]));
    (void) sqlite3_finalize(b.insert);
    (void) sqlite3_close(b.db);
    b.audit = audit_close(b.audit);
    b.wal = meta_wal_close(b.wal);
    b.m = meta_close(b.m);
    return e;
}
