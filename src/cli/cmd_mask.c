/* Masking rules of a project: showing, setting, and trying them on a file here, without sending it anywhere. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/importer.h"
#include "codec/mask.h"
#include "os/file.h"

#define PATH_CAP  8192
#define STEP      65536
#define PLAIN_MAX (256u << 20) /* of a file that is no recording */

static void print_text(struct span text)
{
    struct buf b = BUF_INIT(1u << 20);

    text_safe_lines(&b, text);
    (void) fwrite(b.p, 1, b.n, stdout);
    if (b.n > 0 && b.p[b.n - 1] != '\n')
        (void) fputc('\n', stdout);
    buf_deinit(&b);
}

static void print_words(const char *title, struct tree list)
{
    struct buf b = BUF_INIT(8192);
    struct tree item;
    struct span word;

    for (struct span at = list.payload; list.tag == TREE_ARR && tree_next(&at, &item);) {
        if (!tree_str(item, &word))
            continue;
        buf_add_str(&b, b.n == 0 ? "" : ", ");
        text_safe(&b, word);
    }
    if (b.n > 0)
        note("%s: %s", title, buf_cstr(&b));
    buf_deinit(&b);
}

static int run_show(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    bool standard = false;
    int code;

    path_id(&path, "/v1/projects/", c->args.words[0], "/masks");
    code = cli_get(c, &path, &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        (void) tree_get_bool(r.root, "default", &standard);
        print_text(get(r.root, "text"));
        if (standard)
            note("the default rules: nothing was set");
        print_words("patterns", get_node(r.root, "patterns"));
        print_words("own patterns", get_node(r.root, "own"));
        note("originals are %s", span_eq_str(get(r.root, "reveal"), "keep") ? "kept, to be shown with unmask" : "dropped");
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_mask_show = {
    .name = "mask show",
    .heading = "Masking",
    .summary = "What is taken out of a project's recordings",
    .synopsis = "PROJECT",
    .text = "Prints the rules as they were set. For project administrators and auditors.",
    .example = "$ keyhole mask show shop\nreveal = keep",
    .words_min = 1,
    .words_max = 1,
    .run = run_show,
};

static int run_set(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP), text = BUF_INIT(MASK_TEXT_MAX);
    bool standard = args_flag(&c->args, "default");
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    struct body b;
    int code;

    if (standard == (c->args.words[1] != NULL))
        return usage(c, "a file, or --default");
    if (!standard && os_path_read(c->args.words[1], &text, &e) != ERR_OK) {
        buf_deinit(&text);
        return fail_err(&e);
    }
    body_begin(&b);
    jsonw_kstr(&b.w, "text", buf_span(&text));
    path_id(&path, "/v1/projects/", c->args.words[0], "/masks");
    code = cli_send_fresh(c, "PUT", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE && r.status == 202) {
        (void) printf("change waiting " SPAN_FMT "\n", SPAN_ARG(get(r.root, "id")));
        note("these rules take out less, or keep what was dropped: another administrator approves them with keyhole changes approve " SPAN_FMT "%s",
             SPAN_ARG(get(r.root, "id")), get(r.root, "effective_at").n > 0 ? ", or they work in a day" : "");
    } else if (code == EXIT_DONE) {
        (void) printf("masks ");
        print_safe(stdout, span_str(c->args.words[0]));
        (void) printf(" " SPAN_FMT "\n", SPAN_ARG(get(r.root, "hash")));
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&text);
    buf_deinit(&path);
    return code;
}

const struct command cmd_mask_set = {
    .name = "mask set",
    .heading = "Masking",
    .summary = "Sets a project's masking rules",
    .synopsis = "PROJECT FILE | PROJECT --default",
    .text = "For project administrators. The rules count for what comes in from now on; what is stored stays as it is. A mistake is\n"
            "refused with its line. Prints the hash of the text as the last word.",
    .example = "$ keyhole mask set shop masks.conf\nmasks shop mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E",
    .opts = (const struct opt[]){ { "default", 0, NULL, "back to the default rules", false }, OPT_PASSWORD_FILE, { 0 } },
    .words_min = 1,
    .words_max = 2,
    .run = run_set,
};

/* ---- trying ---- */

struct trial {
    struct cli *c;
    struct mask_rules *rules;
    const char *file;
    const char *format; /* NULL: plain text */
    uint64_t counts[MASK_RULES_MAX];
    uint64_t events, masked;
    bool show, begun; /* begun: it is a recording */
};

static int rules_of_file(struct trial *t, const char *file)
{
    struct buf text = BUF_INIT(MASK_TEXT_MAX);
    struct err_info e = { 0 };
    enum err err = os_path_read(file, &text, &e);

    if (err == ERR_OK)
        err = mask_rules_load(buf_span(&text), &t->rules, &e);
    buf_deinit(&text);
    return err == ERR_OK ? EXIT_DONE : fail_err(&e);
}

static int rules_of_project(struct trial *t, const char *project)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    int code;

    path_id(&path, "/v1/projects/", project, "/masks");
    code = cli_get(t->c, &path, &r);
    if (code == EXIT_DONE && mask_rules_load(get(r.root, "text"), &t->rules, &e) != ERR_OK)
        code = fail_err(&e);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static enum err on_json(void *ctx, struct span json, struct err_info *reterr)
{
    struct trial *t = ctx;

    (void) reterr;
    t->begun = true;
    if (t->show) {
        (void) fwrite(json.p, 1, json.n, stdout);
        (void) fputc('\n', stdout);
    }
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    return on_json(ctx, ev->json, reterr);
}

static enum err feed_file(struct importer *imp, int fd, struct err_info *reterr)
{
    uint8_t piece[STEP];
    ssize_t n;

    for (;;) {
        do
            n = read(fd, piece, sizeof(piece));
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "read the file");
        if (n == 0)
            return ERR_OK;
        TRY(importer_feed(imp, span_of(piece, (size_t) n)));
    }
}

/* As it would be stored. ERR_UNSUPPORTED, ERR_CORRUPT before anything came: it is no recording, nor packed as one. */
static enum err try_recording(struct trial *t, int fd, struct err_info *reterr)
{
    struct importer_params p = importer_defaults();
    struct importer_result res;
    struct importer *imp;
    enum err e;

    p.rules = t->rules;
    p.on_head = on_json;
    p.on_event = on_event;
    p.ctx = t;
    p.screen_work = p.screen_work_per_byte = 0;
    imp = importer_new(&p);
    if (imp == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "an importer");
    e = feed_file(imp, fd, reterr);
    if (e == ERR_OK)
        e = importer_finish(imp, &res);
    if (e == ERR_OK) {
        t->format = res.format;
        t->events = res.n_events;
        t->masked = res.n_masked;
        for (unsigned i = 0; res.masked_by != NULL && i < MASK_RULES_MAX; i++)
            t->counts[i] = res.masked_by[i];
    } else if (importer_error(imp)->code != ERR_OK) {
        const struct importer_error *why = importer_error(imp);

        e = why->line > 0 ? ERR_RAISE(reterr, e, "%s: line %llu: %s", t->file, (unsigned long long) why->line, why->cause)
                          : ERR_RAISE(reterr, e, "%s: %s", t->file, why->cause);
    }
    (void) importer_free(imp);
    return e;
}

static enum err try_plain(struct trial *t, struct err_info *reterr)
{
    struct buf text = BUF_INIT(PLAIN_MAX), out = BUF_INIT((size_t) PLAIN_MAX * 2);
    struct mask_scanner *s = NULL;
    bool any = false;
    enum err e = os_path_read(t->file, &text, reterr);

    if (e == ERR_OK)
        e = mask_scanner_new(&s, reterr);
    if (e == ERR_OK)
        e = mask_text(s, t->rules, buf_span(&text), &out, t->counts, &any, reterr);
    if (e == ERR_OK && t->show)
        (void) fwrite(out.p, 1, out.n, stdout);
    s = mask_scanner_free(s);
    buf_deinit(&text);
    buf_deinit(&out);
    return e;
}

static void print_counts(const struct trial *t)
{
    static const struct table_column columns[] = { { "RULE", true, false }, { .title = "FOUND", .right = true } };
    struct buf b = BUF_INIT(64);
    struct table table;
    size_t rows = 0;

    table_init(&table, columns, 2);
    for (unsigned i = 0; i < mask_rules_n(t->rules); i++) {
        if (t->counts[i] == 0)
            continue;
        buf_reset(&b);
        buf_addf(&b, "%llu", (unsigned long long) t->counts[i]);
        table_cell(&table, mask_rules_name(t->rules, i));
        table_cell(&table, buf_span(&b));
        rows++;
    }
    if (rows > 0)
        (void) table_print(&table, t->show ? stderr : stdout, term_columns(STDOUT_FILENO));
    if (t->format != NULL)
        note("%s: %llu of %llu events would be masked", t->format, (unsigned long long) t->masked, (unsigned long long) t->events);
    else
        note("plain text%s", rows == 0 ? ": nothing would be taken out" : "");
    table_deinit(&table);
    buf_deinit(&b);
}

static void print_trial(const struct trial *t)
{
    struct buf b = BUF_INIT(1u << 20);
    struct jsonw w;

    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "format", t->format == NULL ? "text" : t->format);
    jsonw_kint(&w, "events", (int64_t) t->events);
    jsonw_kint(&w, "masked", (int64_t) t->masked);
    jsonw_karr(&w, "counts");
    for (unsigned i = 0; i < mask_rules_n(t->rules); i++) {
        if (t->counts[i] == 0)
            continue;
        jsonw_obj(&w);
        jsonw_kstr(&w, "rule", mask_rules_name(t->rules, i));
        jsonw_kint(&w, "n", (int64_t) t->counts[i]);
        jsonw_obj_end(&w);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    (void) printf("%s\n", buf_cstr(&b));
    buf_deinit(&b);
}

static int try_file(struct trial *t)
{
    struct err_info e = { 0 };
    int fd = open(t->file, O_RDONLY | O_CLOEXEC);
    enum err err;

    if (fd < 0)
        return fail("%s: %s", t->file, strerror(errno));
    err = try_recording(t, fd, &e);
    (void) close(fd);
    if (!t->begun && (err == ERR_UNSUPPORTED || err == ERR_CORRUPT)) {
        e = (struct err_info){ 0 };
        err = try_plain(t, &e);
    }
    if (err != ERR_OK)
        return fail_err(&e);
    if (t->c->json)
        print_trial(t);
    else
        print_counts(t);
    return EXIT_DONE;
}

static int run_test(struct cli *c)
{
    const char *file = args_value(&c->args, "rules"), *project = args_value(&c->args, "project");
    struct trial t = { .c = c, .file = c->args.words[0], .show = args_flag(&c->args, "show") && !c->json };
    struct err_info e = { 0 };
    int code = EXIT_DONE;

    if (file != NULL && project != NULL)
        return usage(c, "--rules or --project, not both");
    if (mask_init(&e) != ERR_OK)
        return fail_err(&e);
    if (file != NULL)
        code = rules_of_file(&t, file);
    else if (project != NULL)
        code = rules_of_project(&t, project);
    else
        t.rules = mask_rules_ref(mask_rules_default());
    if (code == EXIT_DONE)
        code = t.rules == NULL ? fail("no memory") : try_file(&t);
    (void) mask_rules_unref(t.rules);
    return code;
}

const struct command cmd_mask_test = {
    .name = "mask test",
    .heading = "Masking",
    .summary = "What would be taken out of a recording or a text",
    .synopsis = "FILE [--rules FILE | --project PROJECT] [--show]",
    .text = "Reads the file as an import would, masks it here and counts by rule; it is sent nowhere. A file that is no recording is\n"
            "taken as plain text. By the rules in a file, by those of a project, else by the default rules, which needs no server.",
    .example = "$ keyhole mask test session.json\nRULE   FOUND\nemail      3\nrrweb-array: 2 of 41 events would be masked",
    .opts = (const struct opt[]){ { "rules", 0, "FILE", "masking rules as for keyhole mask set", false },
                                  { "project", 0, "PROJECT", "the rules of this project", false },
                                  { "show", 0, NULL, "the masked recording or text on standard output", false }, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_test,
};
