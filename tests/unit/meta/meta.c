/* The database as such: opening, transactions, crash, full disk, damage, columns, settings, readers. */
#include "db.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypto/hash.h"
#include "meta/auditlog.h"
#include "meta/migrations/migrations.h"
#include "meta/rules.h"
#include "meta/sqlite/db.h"

static void columns_are_the_field_lists(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f);
#define DB_CHECK(row, NAME, table, n_key)                                                                              \
    {                                                                                                                  \
        struct buf sql = BUF_INIT(8192);                                                                               \
        sqlite3_stmt *st;                                                                                              \
        int64_t n, pk;                                                                                                 \
        buf_add_str(&sql, "SELECT ");                                                                                  \
        db_columns(&db_table_##row, "", &sql);                                                                         \
        buf_addf(&sql, " FROM %s", table);                                                                             \
        assert_ok_err(db_prepare(meta_view(f.m), buf_cstr(&sql), &st, &f.e), &f.e);                                    \
        assert_ok(db_int(meta_view(f.m), &n, NULL, "SELECT count(*) FROM pragma_table_info(?)", "t",                   \
                         span_str(table)));                                                                            \
        assert_int_equal(n, db_table_##row.n_cols);                                                                    \
        assert_ok(db_int(meta_view(f.m), &pk, NULL, "SELECT max(pk) FROM pragma_table_info(?)", "t",                   \
                         span_str(table)));                                                                            \
        assert_int_equal(pk, n_key);                                                                                   \
        buf_deinit(&sql);                                                                                              \
    }
    META_ROWS(DB_CHECK)
    fixture_deinit(&f);
}

static void opening_again_changes_nothing(void **state)
{
    struct fixture f;
    struct stat st;
    int64_t seq;
    struct meta_project p;

    (void) state;
    fixture_init(&f);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(meta_begin(f.m, NULL));
    (void) add_project(&f, 1);
    assert_ok(meta_commit(f.m, NULL));
    assert_ok(meta_project_get(meta_view(f.m), test_id(&f, ID_PROJECT, 1), &f.a, &p, NULL));
    seq = p.seq;
    fixture_reopen(&f);
    assert_true(meta_next_seq(f.m) > seq);
    assert_ok(meta_project_by_name(meta_view(f.m), SPAN("project-1"), &f.a, &p, NULL));
    assert_int_equal(p.seq, seq);
    assert_int_equal(p.v, META_V);
    fixture_deinit(&f);
}

/* 600 records of two tables are in one now, and lists find them by what was noted of their blocks. */
static void records_went_along(struct fixture *f)
{
    static const struct {
        const char *type, *actor;
        bool ascending;
        size_t n;
        int64_t first;
    } cases[] = {
        { "", "", true, 600, 0 },         { "replay.", "", true, 400, 1 },
        { "login.ok", "", false, 200, 597 }, { "", "u_AAAAAAAAAAAAAAAA", false, 6, 507 },
        { "replay.leased", "u_AAAAAAAAAAAAAAAA", true, 4, 7 }, { "", "u_BBBBBBBBBBBBBBBB", true, 0, 0 },
    };
    int64_t blocks, more;
    bool whole;

    assert_ok(db_int(meta_view(f->m), &blocks, NULL, "SELECT count(*) FROM audit_seen", ""));
    assert_int_equal(blocks, 2 * (4 + 1)); /* two types and their families, one actor; the third block is not whole */
    for (int64_t b = 0; b < 2; b++) {
        assert_ok(meta_audit_seen_whole(meta_view(f->m), SPAN("system"), b, &whole, NULL));
        assert_true(whole);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span type = span_str(cases[i].type);
        struct meta_audit_filter want = { .log = SPAN("system"), .types = &type, .n_types = type.n > 0, .actor = span_str(cases[i].actor),
                                          .from = -1, .ascending = cases[i].ascending, .limit = META_PAGE_MAX };
        struct meta_audit_item *rows;
        size_t n;

        assert_ok_err(meta_audit_list(meta_view(f->m), &want, &f->a, &rows, &n, &more, &f->e), &f->e);
        assert_int_equal(n, cases[i].n);
        assert_int_equal(more, -1);
        if (n > 0)
            assert_int_equal(rows[0].idx, cases[i].first);
        for (size_t k = 0; k < n; k++) {
            char leaf[32];

            (void) snprintf(leaf, sizeof(leaf), "leaf %lld", (long long) rows[k].idx);
            assert_span_eq(rows[k].leaf, rows[k].idx == 5 ? SPAN_EMPTY : span_str(leaf));
        }
    }
}

/* A database as the release before made it, with rows in the tables that the newest migration changes. */
static void the_release_before_is_upgraded(void **state)
{
    static const char sql[] =
        "PRAGMA application_id=1262836040;"
        "CREATE TABLE migration(n BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL);";
    static const char rows[] =
        "INSERT INTO project VALUES('p_AAAAAAAAAAAAAAAA',1,'shop','prod',x'00','active',1,5,1,1);"
        "INSERT INTO recording VALUES('r_AAAAAAAAAAAAAAAA',2,'p_AAAAAAAAAAAAAAAA','terminal','complete','t','','','prod',"
        "'',7,8,9,10,11,'t_AAAAAAAAAAAAAAAA',x'01',1);"
        "INSERT INTO token VALUES('t_AAAAAAAAAAAAAAAA',3,'ingest',x'02','','p_AAAAAAAAAAAAAAAA','','','api',x'','',0,'',1,50,"
        "0,0,0,'active',0,1);"
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 599)"
        " INSERT INTO audit SELECT 'system', i, CASE i % 3 WHEN 0 THEN 'login.ok' ELSE 'replay.leased' END, 1000 + i, zeroblob(32),"
        " CASE WHEN i % 100 = 7 THEN 'u_AAAAAAAAAAAAAAAA' END, NULL, NULL, NULL FROM n;"
        "INSERT INTO audit_leaf SELECT 'system', idx, CAST('leaf ' || idx AS BLOB) FROM audit WHERE idx <> 5;";
    struct fixture f;
    struct meta_recording r;
    struct meta_recording_list open;
    struct meta_token_list over;
    sqlite3_stmt *st;
    uint8_t sum[32];
    sqlite3 *h;

    (void) state;
    fixture_init(&f);
    f.m = meta_close(f.m);
    assert_int_equal(unlink(f.path), 0);
    assert_int_equal(sqlite3_open(f.path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < 1; i++) { /* nothing later was ever released */
        sha256(span_str(migrations[i].sql), sum);
        assert_int_equal(sqlite3_exec(h, migrations[i].sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(h, "INSERT INTO migration VALUES(?,'x',?)", -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_bind_int(st, 1, migrations[i].number), SQLITE_OK);
        assert_int_equal(sqlite3_bind_blob(st, 2, sum, sizeof(sum), SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_DONE);
        assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    }
    assert_int_equal(sqlite3_exec(h, rows, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);

    assert_ok_err(meta_open(f.path, &f.m, &f.e), &f.e);
    assert_ok_err(meta_recording_get(meta_view(f.m), SPAN("r_AAAAAAAAAAAAAAAA"), &f.a, &r, &f.e), &f.e);
    assert_int_equal(r.started_ms, 7);
    assert_int_equal(r.bytes, 11);
    assert_int_equal(r.next_batch, 0);
    assert_int_equal(r.touched_ms, 0);
    assert_ok(meta_recordings_untouched(meta_view(f.m), INT64_MAX, 10, &f.a, &open, NULL));
    assert_int_equal(open.n, 0);
    assert_ok(meta_tokens_over(meta_view(f.m), SPAN("ingest"), 49, 10, &f.a, &over, NULL));
    assert_int_equal(over.n, 0);
    assert_ok(meta_tokens_over(meta_view(f.m), SPAN("ingest"), 50, 10, &f.a, &over, NULL));
    assert_int_equal(over.n, 1);
    records_went_along(&f);
    fixture_reopen(&f); /* and it is not done twice */
    fixture_deinit(&f);
}

static void foreign_and_future_files_are_refused(void **state)
{
    struct fixture f;
    struct meta *m = NULL;
    sqlite3 *h;

    (void) state;
    fixture_init(&f);
    f.m = meta_close(f.m);
    assert_int_equal(sqlite3_open(f.path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, "UPDATE migration SET sha256=x'00' WHERE n=1", NULL, NULL, NULL), SQLITE_OK);
    assert_err(meta_open(f.path, &m, NULL), ERR_CORRUPT);
    assert_int_equal(sqlite3_exec(h, "INSERT INTO migration VALUES(999,'later',x'00')", NULL, NULL, NULL), SQLITE_OK);
    assert_err(meta_open(f.path, &m, NULL), ERR_UNSUPPORTED);
    assert_int_equal(sqlite3_exec(h, "PRAGMA application_id=7", NULL, NULL, NULL), SQLITE_OK);
    assert_err(meta_open(f.path, &m, NULL), ERR_CORRUPT);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
    assert_int_equal(truncate(f.path, 0), 0);
    assert_ok_err(meta_open(f.path, &f.m, &f.e), &f.e); /* an empty file is a new database */
    f.m = meta_close(f.m);
    {
        int fd = open(f.path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        assert_int_equal(write(fd, "this is a letter, not a database; it goes on for a while, for more than "
                                   "a hundred bytes of text",
                               95),
                         95);
        assert_int_equal(close(fd), 0);
    }
    assert_err(meta_open(f.path, &m, NULL), ERR_CORRUPT);
    assert_null(m);
    fixture_deinit(&f);
}

static void changes_need_a_transaction(void **state)
{
    struct fixture f;
    struct meta_project p = { .id = SPAN("p_AAAAAAAAAAAAAAAA"), .name = SPAN("x") };

    (void) state;
    fixture_init(&f);
    assert_err(meta_project_add(f.m, &p, NULL), ERR_STATE);
    assert_err(meta_setting_put(f.m, "x", 1, SPAN_EMPTY, NULL), ERR_STATE);
    assert_err(meta_commit(f.m, NULL), ERR_STATE);
    assert_ok(meta_rollback(f.m, NULL));
    assert_ok(meta_begin(f.m, NULL));
    assert_err(meta_begin(f.m, NULL), ERR_STATE);
    (void) add_project(&f, 1);
    assert_ok(meta_rollback(f.m, NULL));
    assert_err(meta_project_get(meta_view(f.m), test_id(&f, ID_PROJECT, 1), &f.a, &p, NULL), ERR_NOTFOUND);
    assert_false(meta_is_broken(f.m));
    fixture_deinit(&f);
}

/* One command of a group breaks a constraint: the group is rolled back and run again without it. */
static void a_broken_constraint_spoils_only_itself(void **state)
{
    struct fixture f;
    struct meta_project p;

    (void) state;
    fixture_init(&f);
    for (int pass = 0; pass < 2; pass++) {
        assert_ok(meta_begin(f.m, NULL));
        for (uint32_t i = 0; i < 20; i++) {
            struct meta_project bad = { .id = test_id(&f, ID_PROJECT, 900 + i), .name = SPAN("project-3"),
                                        .env = SPAN("prod"), .subject_key = SPAN("k"), .state = SPAN("active") };

            (void) add_project(&f, i);
            if (i == 10 && pass == 0) {
                assert_err(meta_project_add(f.m, &bad, NULL), ERR_EXISTS);
                assert_true(meta_in_transaction(f.m));
                break;
            }
        }
        assert_ok(pass == 0 ? meta_rollback(f.m, NULL) : meta_commit(f.m, NULL));
    }
    for (uint32_t i = 0; i < 20; i++)
        assert_ok(meta_project_get(meta_view(f.m), test_id(&f, ID_PROJECT, i), &f.a, &p, NULL));
    assert_err(meta_project_get(meta_view(f.m), test_id(&f, ID_PROJECT, 910), &f.a, &p, NULL), ERR_NOTFOUND);
    fixture_deinit(&f);
}

static void a_process_that_dies_loses_nothing_committed(void **state)
{
    struct fixture f;
    struct meta_project p;

    (void) state;
    fixture_init(&f);
    f.m = meta_close(f.m);
    for (uint32_t round = 0; round < 5; round++) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
            if (meta_open(f.path, &f.m, NULL) != ERR_OK || meta_begin(f.m, NULL) != ERR_OK)
                _exit(1);
            (void) add_project(&f, 2 * round);
            if (meta_commit(f.m, NULL) != ERR_OK || meta_begin(f.m, NULL) != ERR_OK)
                _exit(1);
            (void) add_project(&f, 2 * round + 1);
            _exit(0); /* in the middle of a transaction, WAL not checkpointed, nothing closed */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_ok_err(meta_open(f.path, &f.m, &f.e), &f.e);
        for (uint32_t i = 0; i <= 2 * round + 1; i++) {
            enum err e = meta_project_get(meta_view(f.m), test_id(&f, ID_PROJECT, i), &f.a, &p, NULL);

            assert_int_equal(e, i % 2 == 0 ? ERR_OK : ERR_NOTFOUND);
        }
        f.m = meta_close(f.m);
    }
    fixture_deinit(&f);
}

static void a_full_disk_is_told_and_survived(void **state)
{
    struct fixture f;
    struct meta_project p;
    static char big[20000];
    uint64_t bytes;
    enum err e = ERR_OK;
    uint32_t n = 0;

    (void) state;
    fixture_init(&f);
    memset(big, 'x', sizeof(big));
    assert_ok(meta_begin(f.m, NULL));
    (void) add_project(&f, 1);
    assert_ok(meta_commit(f.m, NULL));
    assert_ok(meta_size(f.m, &bytes, NULL));
    assert_ok(meta_limit_pages(f.m, (uint32_t) (bytes / 4096) + 20, NULL));
    assert_ok(meta_begin(f.m, NULL));
    for (n = 0; n < 50 && e == ERR_OK; n++) {
        char name[16];

        (void) snprintf(name, sizeof(name), "s%u", n);
        e = meta_setting_put(f.m, name, 0, SPAN_OF(big), NULL);
    }
    assert_int_equal(e, ERR_NOSPC);
    assert_ok(meta_rollback(f.m, NULL));
    assert_false(meta_is_broken(f.m));
    assert_ok(meta_project_get(meta_view(f.m), test_id(&f, ID_PROJECT, 1), &f.a, &p, NULL));
    assert_err(meta_setting_get(meta_view(f.m), "s0", &f.a, NULL, NULL, NULL), ERR_NOTFOUND);
    assert_ok(meta_limit_pages(f.m, 0, NULL));
    assert_ok(meta_begin(f.m, NULL));
    assert_ok(meta_setting_put(f.m, "s0", 7, SPAN_OF(big), NULL));
    assert_ok(meta_commit(f.m, NULL));
    fixture_deinit(&f);
}

static void damage_under_the_writer_is_fatal(void **state)
{
    struct fixture f;
    struct meta_wal *w;
    uint32_t left = 9;
    uint8_t junk[4096];
    enum err e = ERR_OK;
    int fd;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    for (uint32_t i = 0; i < 500; i++)
        (void) add_project(&f, i);
    assert_ok(meta_commit(f.m, NULL));
    assert_ok_err(meta_wal_open(f.path, &w, &f.e), &f.e);
    assert_ok_err(meta_wal_checkpoint(w, &left, &f.e), &f.e);
    assert_int_equal(left, 0);
    w = meta_wal_close(w);
    fixture_reopen(&f);
    memset(junk, 0x5a, sizeof(junk));
    fd = open(f.path, O_WRONLY | O_CLOEXEC);
    for (int page = 1; page < 400; page++) {
        if (pwrite(fd, junk, sizeof(junk), page * 4096L) != (ssize_t) sizeof(junk))
            break;
    }
    assert_int_equal(close(fd), 0);
    assert_ok(meta_begin(f.m, NULL));
    for (uint32_t i = 1000; i < 1100 && e == ERR_OK; i++) {
        struct meta_project p = { .id = test_id(&f, ID_PROJECT, i), .name = test_text(&f, "n", i),
                                  .subject_key = SPAN("k") };

        e = meta_project_add(f.m, &p, NULL);
    }
    assert_int_equal(e, ERR_CORRUPT);
    assert_true(meta_is_broken(f.m));
    assert_err(meta_commit(f.m, NULL), ERR_CORRUPT);
    (void) meta_rollback(f.m, NULL);
    assert_err(meta_begin(f.m, NULL), ERR_CORRUPT);
    fixture_deinit(&f);
}

static void the_log_is_append_only(void **state)
{
    static const char *const attempts[] = {
        "UPDATE audit SET type='x'",
        "DELETE FROM audit",
        "UPDATE audit_seen SET block=7",
        "DELETE FROM audit_seen",
        "UPDATE audit_opening SET sealed=x'00'",
        "UPDATE checkpoint SET note=x'00'",
        "DELETE FROM checkpoint",
        "DELETE FROM issued_key",
    };
    struct fixture f;
    struct meta_audit r = { .log = SPAN("system"), .type = SPAN("service.started"),
                            .hash = SPAN("0123456789abcdef0123456789abcdef"), .leaf = SPAN("{}") };
    struct meta_opening o = { .log = SPAN("system"), .field = SPAN("name"), .sealed = SPAN("s") };
    struct meta_checkpoint c = { .log = SPAN("system"), .size = 1, .root = SPAN("r"), .note = SPAN("n") };
    int64_t n;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    assert_ok_err(meta_audit_append(f.m, &r, &f.e), &f.e);
    assert_ok(meta_opening_add(f.m, &o, NULL));
    assert_ok(meta_checkpoint_add(f.m, &c, NULL));
    assert_err(meta_audit_append(f.m, &r, NULL), ERR_EXISTS);
    assert_ok(db_run(f.m, NULL, NULL, "INSERT INTO audit_seen(log,word,block) VALUES('system','service.',0)", ""));
    assert_ok(meta_commit(f.m, NULL));
    for (size_t i = 0; i + 1 < sizeof(attempts) / sizeof(attempts[0]); i++) {
        assert_ok(meta_begin(f.m, NULL));
        assert_err(db_run(f.m, NULL, NULL, attempts[i], ""), ERR_EXISTS);
        assert_ok(meta_rollback(f.m, NULL));
    }
    assert_ok(meta_audit_count(meta_view(f.m), SPAN("system"), &n, NULL));
    assert_int_equal(n, 1);
    assert_ok(meta_audit_count(meta_view(f.m), SPAN("p_AAAAAAAAAAAAAAAA"), &n, NULL));
    assert_int_equal(n, 0);
    fixture_deinit(&f);
}

static void settings_and_the_clocks_mark(void **state)
{
    struct fixture f;
    int64_t num;
    struct span data;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    assert_ok(meta_setting_raise(f.m, META_CLOCK_MARK, 100, NULL));
    assert_ok(meta_setting_raise(f.m, META_CLOCK_MARK, 90, NULL));
    assert_ok(meta_setting_put(f.m, "issuer", 3, SPAN("https://rec.example.com"), NULL));
    assert_ok(meta_setting_put(f.m, "issuer", 4, SPAN("a\0b"), NULL));
    assert_ok(meta_commit(f.m, NULL));
    assert_ok(meta_setting_get(meta_view(f.m), META_CLOCK_MARK, &f.a, &num, &data, NULL));
    assert_int_equal(num, 100);
    assert_int_equal(data.n, 0);
    assert_ok(meta_setting_get(meta_view(f.m), "issuer", &f.a, &num, &data, NULL));
    assert_int_equal(num, 4);
    assert_span_eq(data, SPAN("a\0b"));
    assert_err(meta_setting_get(meta_view(f.m), "none", &f.a, &num, &data, NULL), ERR_NOTFOUND);
    fixture_deinit(&f);
}

static void a_reader_sees_what_is_committed(void **state)
{
    struct fixture f;
    struct meta_reader *r;
    struct meta_project p;

    (void) state;
    fixture_init(&f);
    assert_ok_err(meta_reader_open(f.path, &r, &f.e), &f.e);
    assert_ok(meta_begin(f.m, NULL));
    (void) add_project(&f, 1);
    assert_ok(meta_project_by_name(meta_view(f.m), SPAN("project-1"), &f.a, &p, NULL));
    assert_err(meta_project_by_name(meta_reader_view(r), SPAN("project-1"), &f.a, &p, NULL), ERR_NOTFOUND);
    assert_ok(meta_commit(f.m, NULL));
    assert_ok(meta_project_by_name(meta_reader_view(r), SPAN("project-1"), &f.a, &p, NULL));
    assert_ok(meta_reader_begin(r, NULL));
    assert_ok(meta_project_by_name(meta_reader_view(r), SPAN("project-1"), &f.a, &p, NULL));
    assert_ok(meta_begin(f.m, NULL));
    (void) add_project(&f, 2);
    assert_ok(meta_commit(f.m, NULL)); /* a reader in the middle of something stops nobody */
    assert_err(meta_project_by_name(meta_reader_view(r), SPAN("project-2"), &f.a, &p, NULL), ERR_NOTFOUND);
    assert_ok(meta_reader_end(r, NULL));
    assert_ok(meta_project_by_name(meta_reader_view(r), SPAN("project-2"), &f.a, &p, NULL));
    assert_err(db_exec(meta_reader_view(r), "DELETE FROM project", NULL), ERR_STATE);
    r = meta_reader_close(r);
    fixture_deinit(&f);
}

static void an_arena_that_is_too_small_is_an_error(void **state)
{
    struct fixture f;
    struct arena tiny;
    struct meta_project p;
    struct meta_project_list all;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    (void) add_project(&f, 1);
    assert_ok(meta_commit(f.m, NULL));
    arena_init(&tiny, 40);
    assert_err(meta_project_by_name(meta_view(f.m), SPAN("project-1"), &tiny, &p, NULL), ERR_NOMEM);
    assert_err(meta_projects(meta_view(f.m), &tiny, &all, NULL), ERR_NOMEM);
    arena_deinit(&tiny);
    assert_ok(meta_project_by_name(meta_view(f.m), SPAN("project-1"), &f.a, &p, NULL));
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_the_field_lists),
        cmocka_unit_test(opening_again_changes_nothing),
        cmocka_unit_test(the_release_before_is_upgraded),
        cmocka_unit_test(foreign_and_future_files_are_refused),
        cmocka_unit_test(changes_need_a_transaction),
        cmocka_unit_test(a_broken_constraint_spoils_only_itself),
        cmocka_unit_test(a_process_that_dies_loses_nothing_committed),
        cmocka_unit_test(a_full_disk_is_told_and_survived),
        cmocka_unit_test(damage_under_the_writer_is_fatal),
        cmocka_unit_test(the_log_is_append_only),
        cmocka_unit_test(settings_and_the_clocks_mark),
        cmocka_unit_test(a_reader_sees_what_is_committed),
        cmocka_unit_test(an_arena_that_is_too_small_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
