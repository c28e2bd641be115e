/*
 * Many recordings straight into a server's database, with titles, tags, links, subjects, one piece and one wrap each, as imports leave them but
 * without their files and their audit records: for lists and starts of a server that has many. The server must not run.
 *
 *   bench-fill DATABASE PROJECT N
 *
 * Of every 1 000: subjects 100, releases 50, errors 200 (link error:ERR-000123), half rrweb. Starts are a minute apart. The first MADE go through
 * meta_recording_add, the others are copied from those by SQL, table after table in the order of its key, and indexes are made at the end. Nothing is
 * synced: whoever kills this has a broken database.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "format/id.h"
#include "meta/recordings.h"
#include "meta/sqlite/db.h" /* its pragmas and indexes are nobody else's business */

#define MADE        1000 /* so many are put in as the server does; the others are copies with other words */
#define INDEXES_MAX 64

static const char *const verbs[] = { "Checkout", "Login", "Search", "Refund", "Upload", "Invoice", "Delivery", "Return" };
static const char *const ends[] = { "fails", "is slow", "shows an error", "freezes", "works", "is refused", "loses a field" };

static struct span text(struct arena *a, const char *form, unsigned n)
{
    char s[80];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void) snprintf(s, sizeof(s), form, n);
#pragma GCC diagnostic pop
    return arena_span(a, span_str(s));
}

static struct span make_id(struct arena *a, uint32_t n)
{
    uint8_t rnd[ID_RANDOM_LEN] = { 0xbe };
    char id[ID_CAP];
    uint64_t mixed = (n + 1) * 0x9e3779b97f4a7c15ULL; /* as spread as random ones are */

    memcpy(rnd + 1, &mixed, 7);
    rnd[8] = (uint8_t) (n >> 24);
    rnd[9] = (uint8_t) (n >> 16);
    rnd[10] = (uint8_t) (n >> 8);
    rnd[11] = (uint8_t) n;
    id_make(ID_RECORDING, rnd, id);
    return arena_span(a, span_of(id, ID_LEN));
}

static void title_of(uint32_t n, char title[100])
{
    (void) snprintf(title, 100, "%s %s for order %u", verbs[n % 8], ends[n % 7], n);
}

static void add_one(struct meta *m, struct arena *a, struct span project, uint32_t n, int64_t epoch)
{
    static const uint8_t hash[32];
    char title[100];
    struct meta_recording r = {
        .id = make_id(a, n), .project = project, .kind = n % 2 == 0 ? SPAN("rrweb") : SPAN("terminal"), .state = SPAN("complete"),
        .subject = text(a, "customer-%u", n / 10), .session = text(a, "visit-%u", n / 3), .env = SPAN("prod"),
        .started_ms = 1700000000000 + (int64_t) n * 60000, .created_ms = 1700000000000 + (int64_t) n * 60000, .duration_us = 90000000,
        .events = 800, .bytes = 400000, .importer = SPAN("t_AAAAAAAAAAAAAAAA"), .root = SPAN_OF(hash), .v = 1,
    };
    const struct meta_pair tags[] = {
        { SPAN("release"), text(a, "2026.%u", n % 50) }, { SPAN("browser"), n % 3 == 0 ? SPAN("firefox") : SPAN("chromium") },
    };
    const struct meta_pair links[] = { { SPAN("error"), text(a, "ERR-%06u", n / 5) } };
    struct meta_piece piece = { .rid = r.id, .kn = 1, .kind = 1, .codec = 1, .size = 60000, .sha256 = SPAN_OF(hash), .n_events = 800,
                                      .n_chunks = 2, .t_last_us = 90000000, .v = 1 };
    struct meta_wrap wrap = { .rid = r.id, .kn = 1, .epoch = epoch, .wrap = SPAN("0123456789abcdef0123456789abcdef0123456789abcdef") };

    title_of(n, title);
    r.title = span_str(title);
    bench_need(meta_recording_add(m, &r, tags, 2, links, 1, NULL) == ERR_OK, "a recording");
    bench_need(meta_piece_add(m, &piece, NULL) == ERR_OK && meta_wrap_add(m, &wrap, NULL) == ERR_OK, "its piece");
}

/* ---- copies ---- */

/* bench_id(n), bench_title(n) */
static void sql_id(sqlite3_context *c, int argc, sqlite3_value **argv)
{
    struct arena a;
    struct span id;

    (void) argc;
    arena_init(&a, 4096);
    id = make_id(&a, (uint32_t) sqlite3_value_int64(argv[0]));
    sqlite3_result_text(c, (const char *) id.p, (int) id.n, SQLITE_TRANSIENT);
    arena_deinit(&a);
}

static void sql_title(sqlite3_context *c, int argc, sqlite3_value **argv)
{
    char title[100];

    (void) argc;
    title_of((uint32_t) sqlite3_value_int64(argv[0]), title);
    sqlite3_result_text(c, title, -1, SQLITE_TRANSIENT);
}

/* What differs from one recording to the next, as SQL of n, its number; all other columns are those of the one that is copied. */
static const struct {
    const char *table, *column, *as;
} differs[] = {
    { "recording", "id", "bench_id(n)" },
    { "recording", "seq", "?1+n" },
    { "recording", "title", "bench_title(n)" },
    { "recording", "subject", "'customer-'||(n/10)" },
    { "recording", "session", "'visit-'||(n/3)" },
    { "recording", "started_ms", "1700000000000+n*60000" },
    { "recording", "created_ms", "1700000000000+n*60000" },
    { "recording_tag", "rid", "r.id" },
    { "recording_tag", "seq", "r.seq" },
    { "recording_tag", "started_ms", "r.started_ms" },
    { "recording_link", "rid", "r.id" },
    { "recording_link", "seq", "r.seq" },
    { "recording_link", "id", "printf('ERR-%06d',(r.seq-?1)/5)" },
    { "piece", "rid", "r.id" },
    { "wrap", "rid", "r.id" },
};

static void copy(struct meta_view *v, struct arena *a, const char *table, int64_t seq0, uint32_t n)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(DB_TEXT_MAX), list = BUF_INIT(DB_TEXT_MAX);
    bool itself = strcmp(table, "recording") == 0, row;
    struct span *cols;
    sqlite3_stmt *st;
    size_t n_cols;

    bench_need(db_texts(v, a, 100, &cols, &n_cols, NULL, "SELECT name FROM pragma_table_info(?)", "t", span_str(table)) == ERR_OK, table);
    buf_addf(&sql, itself ? "WITH RECURSIVE s(n) AS (SELECT %d UNION ALL SELECT n+1 FROM s WHERE n+1<?2) " : "/*%d*/", MADE);
    buf_addf(&sql, "INSERT INTO %s(", table);
    for (size_t i = 0; i < n_cols; i++) {
        const char *as = NULL;

        for (size_t k = 0; k < sizeof(differs) / sizeof(differs[0]); k++) {
            if (strcmp(differs[k].table, table) == 0 && span_eq_str(cols[i], differs[k].column))
                as = differs[k].as;
        }
        buf_addf(&sql, "%s" SPAN_FMT, i > 0 ? "," : "", SPAN_ARG(cols[i]));
        if (as != NULL)
            buf_addf(&list, "%s%s", i > 0 ? "," : "", as);
        else
            buf_addf(&list, "%st." SPAN_FMT, i > 0 ? "," : "", SPAN_ARG(cols[i]));
    }
    buf_addf(&sql, ") SELECT " SPAN_FMT, SPAN_ARG(buf_span(&list)));
    if (itself)
        buf_addf(&sql, " FROM s CROSS JOIN recording t ON t.seq=?1+n%%%d WHERE ?2>0", MADE);
    else /* in the order of the key, so that its index grows at its end only */
        buf_addf(&sql, " FROM recording r CROSS JOIN recording o ON o.seq=?1+(r.seq-?1)%%%d CROSS JOIN %s t ON t.rid=o.id"
                       " WHERE r.seq>=?1+%d AND r.seq<?1+?2 ORDER BY r.id", MADE, table, MADE);
    bench_need(!sql.failed && db_query(v, &st, NULL, buf_cstr(&sql), "ii", seq0, (int64_t) n) == ERR_OK && db_step(v, st, &row, NULL) == ERR_OK, table);
}

static void copy_words(struct meta_view *v, int64_t seq0, uint32_t n)
{
    sqlite3_stmt *st;
    bool row;

    bench_need(db_query(v, &st, NULL, "INSERT INTO recording_word(rowid,words) SELECT seq,title||(SELECT group_concat(' '||name||' '||value,'') FROM"
               " (SELECT name,value FROM recording_tag WHERE rid=r.id ORDER BY name,value))||' error '||printf('ERR-%06d',(seq-?1)/5)"
               " FROM recording r WHERE seq>=?1+?3 AND seq<?1+?2 ORDER BY seq", "iii", seq0, (int64_t) n, (int64_t) MADE) == ERR_OK &&
               db_step(v, st, &row, NULL) == ERR_OK, "words");
}

/* No journal, no syncs, and room for the index by id (some 40 bytes a recording): ids are random, so each row changes another page of it. */
static void hurry(struct meta_view *v, uint32_t n)
{
    char cache[64];

    (void) snprintf(cache, sizeof(cache), "PRAGMA cache_size=-%u", 65536 + (n / 1000) * 40);
    bench_need(sqlite3_db_config(v->h, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL) == SQLITE_OK &&
               sqlite3_create_function(v->h, "bench_id", 1, SQLITE_UTF8, NULL, sql_id, NULL, NULL) == SQLITE_OK &&
               sqlite3_create_function(v->h, "bench_title", 1, SQLITE_UTF8, NULL, sql_title, NULL, NULL) == SQLITE_OK &&
               db_exec(v, "PRAGMA journal_mode=DELETE; PRAGMA journal_mode=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF;"
                          "PRAGMA foreign_keys=OFF; PRAGMA temp_store=FILE", NULL) == ERR_OK && db_exec(v, cache, NULL) == ERR_OK &&
               db_exec(v, "INSERT INTO recording_word(recording_word, rank) VALUES('hashsize', 16777216)", NULL) == ERR_OK, "pragmas");
}

/* Drops the indexes of these tables; *ret: the texts that make them again. */
static size_t drop_indexes(struct meta_view *v, struct arena *a, struct span *sql)
{
    struct span *names, *texts;
    size_t n, n_texts;

    bench_need(db_texts(v, a, INDEXES_MAX, &names, &n, NULL,
                        "SELECT name FROM sqlite_master WHERE type='index' AND sql IS NOT NULL AND tbl_name IN"
                        " ('recording','recording_tag','recording_link') ORDER BY name", "") == ERR_OK &&
               db_texts(v, a, INDEXES_MAX, &texts, &n_texts, NULL,
                        "SELECT sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL AND tbl_name IN"
                        " ('recording','recording_tag','recording_link') ORDER BY name", "") == ERR_OK && n == n_texts, "the indexes");
    for (size_t i = 0; i < n; i++) {
        char drop[100];

        (void) snprintf(drop, sizeof(drop), "DROP INDEX %.*s", SPAN_ARG(names[i]));
        bench_need(db_exec(v, drop, NULL) == ERR_OK, drop);
        sql[i] = texts[i];
    }
    return n;
}

int main(int argc, char **argv)
{
    struct meta *m;
    struct arena a, keep;
    struct meta_epoch epoch;
    struct span indexes[INDEXES_MAX];
    int64_t seq0;
    uint32_t n;
    size_t n_indexes;

    bench_need(argc == 4, "bench-fill DATABASE PROJECT N");
    n = (uint32_t) strtoul(argv[3], NULL, 10);
    arena_init(&a, 16u << 20);
    arena_init(&keep, 1u << 20);
    bench_need(meta_open(argv[1], &m, NULL) == ERR_OK, argv[1]);
    bench_need(meta_epoch_newest(meta_view(m), &a, &epoch, NULL) == ERR_OK, "an epoch");
    hurry(meta_view(m), n);
    n_indexes = drop_indexes(meta_view(m), &keep, indexes);
    bench_need(meta_begin(m, NULL) == ERR_OK, "meta_begin");
    for (uint32_t i = 0; i < n && i < MADE; i++)
        add_one(m, &a, span_str(argv[2]), i, epoch.n);
    bench_need(db_int(meta_view(m), &seq0, NULL, "SELECT max(seq)-?+1 FROM recording", "i", (int64_t) (n < MADE ? n : MADE)) == ERR_OK, "seq");
    if (n > MADE) {
        static const char *const tables[] = { "recording", "recording_tag", "recording_link", "piece", "wrap" };

        for (size_t i = 0; i < 5; i++)
            copy(meta_view(m), &keep, tables[i], seq0, n);
        copy_words(meta_view(m), seq0, n);
    }
    bench_need(meta_commit(m, NULL) == ERR_OK, "meta_commit");
    for (size_t i = 0; i < n_indexes; i++)
        bench_need(db_exec(meta_view(m), arena_str(&keep, indexes[i]), NULL) == ERR_OK, "an index");
    bench_need(db_exec(meta_view(m), "INSERT INTO recording_word(recording_word, rank) VALUES('hashsize', 1048576); PRAGMA journal_mode=WAL", NULL) ==
               ERR_OK, "the end");
    m = meta_close(m);
    arena_deinit(&a);
    arena_deinit(&keep);
    return 0;
}
