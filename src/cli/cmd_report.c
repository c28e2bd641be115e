/* Reports made from the audit log, and receipts of single records. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "format/id.h"
#include "os/file.h"

#define PATH_CAP   8192
#define COVERED_MS 2100 /* a checkpoint covers what is new within two seconds */

/* ---- reports ---- */

static void report_row(struct table *t, struct tree row)
{
    struct buf b = BUF_INIT(8192);
    bool settled = true, exported = false;

    (void) tree_get_bool(row, "settled", &settled);
    (void) tree_get_bool(row, "exported", &exported);
    table_cell(t, get(row, "recording"));
    table_cell(t, get(row, "recording_title"));
    table_cell(t, person_name(get_node(row, "person")));
    text_time(&b, get(row, "from"));
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    text_time(&b, get(row, "to"));
    table_cell(t, span_sub(buf_span(&b), 11, 19));
    buf_reset(&b);
    buf_addf(&b, "%lld%s", (long long) get_int(row, "events"), settled ? "" : " at most");
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    join(&b, get_node(row, "actions"), ",");
    if (exported && b.n == 0)
        buf_add_str(&b, "export");
    table_cell(t, buf_span(&b));
    table_cell(t, get(row, "purpose"));
    table_cell(t, get(row, "reason"));
    buf_reset(&b);
    text_safe(&b, get(row, "log"));
    buf_addf(&b, ":%lld", (long long) get_int(row, "first_index"));
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static void print_report(struct tree r)
{
    static const struct table_column columns[] = { { .title = "RECORDING" }, { "TITLE", true, false }, { "WHO", true, false },
                                                   { .title = "FROM" }, { .title = "TO" }, { "EVENTS", false, true },
                                                   { .title = "DID" }, { .title = "PURPOSE" }, { "WHY", true, false },
                                                   { "RECORD", true, false } };
    struct tree items = get_node(r, "items"), row;
    struct table t;
    bool more = false;

    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (struct span at = items.payload; items.tag == TREE_ARR && tree_next(&at, &row);)
        report_row(&t, row);
    if (tree_count(items) == 0)
        (void) fprintf(stderr, "Nobody has watched anything of that.\n");
    else
        (void) table_print(&t, stdout, term_columns(STDOUT_FILENO));
    table_deinit(&t);
    if (tree_get_bool(r, "more", &more) && more)
        note("there is more than one report holds: take a shorter time with --from and --to");
}

static void print_lines(struct cli *c, struct span text)
{
    struct buf b = BUF_INIT(256u << 20);

    if (c->terminal)
        text_safe_lines(&b, text);
    else
        buf_add_span(&b, text);
    (void) fwrite(b.p, 1, b.n, stdout);
    buf_deinit(&b);
}

static int report_path(struct cli *c, struct buf *path)
{
    const char *kind = c->args.words[0], *of = c->args.words[1], *from = args_value(&c->args, "from"),
               *to = args_value(&c->args, "to");
    char text[TIME_RFC3339_LEN + 1];
    int code = EXIT_DONE;

    if (strcmp(kind, "recording") != 0 && strcmp(kind, "person") != 0 && strcmp(kind, "subject") != 0)
        return usage(c, "a report is about a recording, a person or a subject");
    if (strcmp(kind, "recording") == 0)
        code = check_id(c, of, 'r', "a recording's id");
    path_id(path, "/v1/reports/", kind, "");
    path_add(path, kind, of);
    if (code == EXIT_DONE && from != NULL && (code = check_time(c, "from", from, text)) == EXIT_DONE)
        path_add(path, "from", text);
    if (code == EXIT_DONE && to != NULL && (code = check_time(c, "to", to, text)) == EXIT_DONE)
        path_add(path, "to", text);
    if (args_flag(&c->args, "csv"))
        path_add(path, "format", "csv");
    return code;
}

static int run_report(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code;

    if (c->json && args_flag(&c->args, "csv"))
        return usage(c, "--json or --csv, not both");
    code = report_path(c, &path);
    if (code == EXIT_DONE)
        code = cli_get(c, &path, &r);
    if (code == EXIT_DONE && args_flag(&c->args, "csv"))
        print_lines(c, buf_span(&r.body));
    else if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        print_report(r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_report = {
    .name = "report",
    .heading = "Audit",
    .summary = "Who watched a recording, what a person watched, everything about a recorded person",
    .synopsis = "recording RID | person NAME | subject ID [--from TIME] [--to TIME] [--csv]",
    .text = "Made from the audit log alone: each line is what one viewing was sent, or must be taken to have been sent (\"at most\"), and names\n"
            "its first record, so that it can be checked. A report about a subject is what that person may be told: it names nobody of the\n"
            "staff. For auditors; projects where you are none are left out. The report is itself a record.",
    .example = "$ keyhole report recording r_2Dz2Sr-SnSlnd8aT --from 30d\n$ keyhole report person dana --csv > dana.csv\n"
               "$ keyhole report subject customer-4711 --json",
    .opts = (const struct opt[]){ { "from", 0, "TIME", "since then: 2026-11-02T09:15:00Z, or so long ago: 30d", false },
                                  { "to", 0, "TIME", "until then", false },
                                  { "csv", 0, NULL, "as a CSV file with a header line", false }, { 0 } },
    .words_min = 2,
    .words_max = 2,
    .run = run_report,
};

/* ---- logs ---- */

static int run_audit_logs(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "LOG" }, { "PROJECT", true, false }, { .title = "STATE" },
                                                   { "RECORDS", false, true }, { "ORIGIN", true, false }, { "WHY", true, false } };
    struct buf path = BUF_INIT(PATH_CAP), b = BUF_INIT(64);
    struct http_reply r = { 0 };
    struct tree items, log;
    struct table t;
    int code;

    buf_add_str(&path, "/v1/audit");
    code = cli_get(c, &path, &r);
    items = get_node(r.root, "items");
    table_init(&t, columns, 6);
    for (struct span at = items.payload; items.tag == TREE_ARR && tree_next(&at, &log);) {
        table_cell(&t, get(log, "log"));
        table_cell(&t, get(log, "project"));
        table_cell(&t, get(log, "state"));
        buf_reset(&b);
        buf_addf(&b, "%lld", (long long) get_int(log, "size"));
        table_cell(&t, buf_span(&b));
        table_cell(&t, get(log, "origin"));
        table_cell(&t, get(log, "why"));
    }
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        (void) table_print(&t, stdout, term_columns(STDOUT_FILENO));
    table_deinit(&t);
    http_reply_deinit(&r);
    buf_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_audit_logs = {
    .name = "audit logs",
    .heading = "Audit",
    .summary = "The audit logs that you may read, their size and whether they are sound",
    .synopsis = "",
    .text = "open: records are added. sealed: it does not hold together, nothing is added (keyhole audit unseal). continued: a later\n"
            "generation goes on.",
    .example = "$ keyhole audit logs",
    .run = run_audit_logs,
};

/* ---- receipts ---- */

static int write_receipt(struct cli *c, struct span text)
{
    const char *file = args_value(&c->args, "output");
    struct err_info e = { 0 };
    FILE *f;
    bool ok;

    if (file == NULL) {
        print_lines(c, text);
        return EXIT_DONE;
    }
    f = fopen(file, args_flag(&c->args, "force") ? "we" : "wxe");
    if (f == NULL)
        return errno == EEXIST ? fail("%s is there already; --force replaces it", file) : fail("%s: %s", file, strerror(errno));
    ok = fwrite(text.p, 1, text.n, f) == text.n;
    ok = fclose(f) == 0 && ok;
    if (!ok)
        (void) ERR_RAISE_SYS(&e, ERR_IO, errno, "%s: %s", file, strerror(errno));
    return ok ? EXIT_DONE : fail_err(&e);
}

/* Again after a moment, when no checkpoint covers it yet. */
static int fetch_receipt(struct cli *c, struct buf *path, struct http_reply *r)
{
    struct timespec t = { COVERED_MS / 1000, COVERED_MS % 1000 * 1000000L };

    if (cli_try(c, "GET", path, NULL, r) == EXIT_DONE)
        return EXIT_DONE;
    if (r->status == 404) {
        http_reply_deinit(r);
        (void) nanosleep(&t, NULL);
    } else {
        http_reply_deinit(r);
    }
    return cli_get(c, path, r);
}

static int run_audit_proof(struct cli *c)
{
    const char *log = args_value(&c->args, "log");
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    uint64_t index;
    int code;

    if (!num_u64(span_str(c->args.words[0]), INT64_MAX, &index))
        return usage(c, "a record's number is expected here, as keyhole audit tail shows it");
    path_id(&path, "/v1/audit/", log != NULL ? log : "system", "/proof");
    path_add_int(&path, "index", (int64_t) index);
    code = cli_connect(c);
    if (code == EXIT_DONE)
        code = fetch_receipt(c, &path, &r);
    if (code == EXIT_DONE)
        code = write_receipt(c, buf_span(&r.body));
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_audit_proof = {
    .name = "audit proof",
    .heading = "Audit",
    .summary = "A receipt: one record, with the proof that the signed log holds it",
    .synopsis = "N [--log L] [-o FILE]",
    .text = "A .tlog-proof file (c2sp.org/tlog-proof): record number N of the log, the hashes that lead from it to the root, and the signed\n"
            "checkpoint. Whoever has the log's public key (keyhole audit vkey) can check it without this server, now or in years.",
    .example = "$ keyhole audit proof 1234 --log shop -o record.tlog-proof",
    .opts = (const struct opt[]){ { "log", 0, "L", "a project's name or id; system unless said", false },
                                  { "output", 'o', "FILE", "where to; standard output unless said", false },
                                  { "force", 'f', NULL, "replace FILE", false }, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_audit_proof,
};
