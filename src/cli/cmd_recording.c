/* What recordings there are: metadata that one may see without access. */
#include "cli/cli.h"

#define PATH_CAP 8192

static void access_text(struct buf *b, struct tree r)
{
    struct span access = get(r, "access");

    if (span_eq_str(access, "none"))
        buf_add_c(b, '-');
    else
        buf_add_span(b, access);
    if (span_eq_str(access, "open") && get(r, "window_ends").n > 0) {
        struct buf t = BUF_INIT(64);

        text_time(&t, get(r, "window_ends"));
        buf_add_str(b, " to ");
        buf_add_span(b, t.n >= 16 ? span_sub(buf_span(&t), 11, 5) : buf_span(&t));
        buf_deinit(&t);
    }
}

static void recording_row(struct cli *c, struct table *t, struct tree r)
{
    struct buf b = BUF_INIT(4096);
    bool live = false;

    (void) c;
    table_cell(t, get(r, "id"));
    table_cell(t, get(r, "kind"));
    text_time(&b, get(r, "started_at").n > 0 ? get(r, "started_at") : get(r, "created_at"));
    table_cell(t, b.n > 16 ? span_sub(buf_span(&b), 0, 16) : buf_span(&b));
    buf_reset(&b);
    if (tree_get_bool(r, "live", &live) && live)
        buf_add_str(&b, "live");
    else
        text_duration(&b, get_int(r, "duration_ms"), false);
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    access_text(&b, r);
    table_cell(t, buf_span(&b));
    table_cell(t, get(r, "title"));
    buf_deinit(&b);
}

static const struct table_column columns[] = { { .title = "ID" },        { .title = "KIND" },
                                               { .title = "STARTED" },   { "LENGTH", false, true },
                                               { .title = "ACCESS" },    { "TITLE", true, false } };
static const struct list_spec recordings = { columns, 6, recording_row, "No recordings that you may ask for." };

static int add_time(struct cli *c, struct buf *path, const char *option)
{
    char text[TIME_RFC3339_LEN + 1];
    const char *v = args_value(&c->args, option);
    int code;

    if (v == NULL)
        return EXIT_DONE;
    code = check_time(c, option, v, text);
    if (code == EXIT_DONE)
        path_add(path, option, text);
    return code;
}

static int run_ls(struct cli *c)
{
    static const char *const filters[] = { "kind", "project", "tag", "link", "subject", "access" };
    struct buf path = BUF_INIT(PATH_CAP), query = BUF_INIT(1024);
    int code;

    for (size_t i = 0; i < c->args.n_words; i++)
        buf_addf(&query, "%s%s", i > 0 ? " " : "", c->args.words[i]);
    buf_add_str(&path, "/v1/recordings");
    path_add(&path, "q", query.n > 0 ? buf_cstr(&query) : NULL);
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        path_add(&path, filters[i], args_value(&c->args, filters[i]));
    code = add_time(c, &path, "after");
    if (code == EXIT_DONE)
        code = add_time(c, &path, "before");
    if (code == EXIT_DONE)
        code = print_list(c, &path, &recordings);
    buf_deinit(&query);
    buf_deinit(&path);
    return code;
}

const struct command cmd_ls = {
    .name = "ls",
    .heading = "Recordings",
    .summary = "Recordings that you may ask for, newest first",
    .synopsis = "[WORD]... [--kind K] [--tag T] [--link TYPE:ID] [--access open] [--after 2d]",
    .text = "Words are looked for in titles, tags and links. What is shown is only what the uploader stated; nothing of it comes from\n"
            "inside a recording. ACCESS is yours: asked, scheduled, or open until when (UTC). LENGTH is `live` while it is being made:\n"
            "keyhole play RID --follow follows it.",
    .example = "$ keyhole ls checkout\nID                  KIND   STARTED           LENGTH  ACCESS  TITLE\n"
               "r_2Dz2Sr-SnSlnd8aT  rrweb  2026-11-02 09:15    0:47  -       Checkout fails for a discounted cart",
    .opts = (const struct opt[]){ { "kind", 0, "KIND", "rrweb or terminal", false },
                                  { "project", 'p', "P", "id or name", false },
                                  { "tag", 0, "NAME[=VALUE]", "carrying this tag", false },
                                  { "link", 0, "TYPE:ID", "carrying this link", false },
                                  { "subject", 0, "ID", "of exactly this person; the search is recorded", false },
                                  { "access", 0, "STATE", "none, asked, scheduled or open", false },
                                  { "after", 0, "TIME", "started since (a time, or 2h, 3d ago)", false },
                                  { "before", 0, "TIME", "started before", false },
                                  OPT_LIMIT,
                                  { 0 } },
    .words_max = 32,
    .run = run_ls,
};

/* The moment of the link that was asked for: -1 when it is not known. */
static int64_t moment_of(const struct cli *c, struct tree r)
{
    struct span type, id;
    struct tree links, l;
    int64_t at;

    (void) span_cut(span_str(c->args.words[0]), ':', &type, &id);
    if (!tree_get(r, "links", &links))
        return -1;
    for (struct span rest = links.payload; tree_next(&rest, &l);) {
        if (span_eq(get(l, "type"), type) && span_eq(get(l, "id"), id) && tree_get_int(l, "at_ms", &at))
            return at;
    }
    return -1;
}

static void found_row(struct cli *c, struct table *t, struct tree r)
{
    const int64_t at = moment_of(c, r);
    struct buf b = BUF_INIT(4096);

    table_cell(t, get(r, "id"));
    if (at >= 0)
        text_duration(&b, at, false);
    else
        buf_add_c(&b, '-');
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    text_time(&b, get(r, "started_at").n > 0 ? get(r, "started_at") : get(r, "created_at"));
    table_cell(t, b.n > 16 ? span_sub(buf_span(&b), 0, 16) : buf_span(&b));
    buf_reset(&b);
    access_text(&b, r);
    table_cell(t, buf_span(&b));
    table_cell(t, get(r, "title"));
    buf_reset(&b);
    buf_addf(&b, "%s/r/" SPAN_FMT, http_public_url(c->http), SPAN_ARG(get(r, "id")));
    if (at >= 0)
        buf_addf(&b, "?at=%lld.%02lld", (long long) (at / 1000), (long long) (at % 1000 / 10));
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static const struct table_column found_columns[] = { { .title = "ID" },     { "AT", false, true },   { .title = "STARTED" },
                                                     { .title = "ACCESS" }, { "TITLE", true, false }, { .title = "ADDRESS" } };
static const struct list_spec found = { found_columns, 6, found_row, "No recording that you may ask for carries it." };

static int run_find(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    if (strchr(c->args.words[0], ':') == NULL)
        return usage(c, "a link is TYPE:ID, as error:ERR-7F3A21");
    buf_add_str(&path, "/v1/recordings");
    path_add(&path, "link", c->args.words[0]);
    code = print_list(c, &path, &found);
    buf_deinit(&path);
    return code;
}

const struct command cmd_find = {
    .name = "find",
    .heading = "Recordings",
    .summary = "Recordings that carry a link: an error, a ticket, a trace",
    .synopsis = "TYPE:ID",
    .text = "AT is the moment in the recording that the link belongs to, where it is known: the ids that SDKs of others send with their\n"
            "events have theirs. ADDRESS opens the recording there, once you have access.",
    .example = "$ keyhole find error:ERR-7F3A21\nID                    AT  STARTED           ACCESS  TITLE  ADDRESS\n"
               "r_2Dz2Sr-SnSlnd8aT  1:23  2026-11-02 09:15  -              https://rec.example.com/r/r_2Dz2Sr-SnSlnd8aT?at=83.25",
    .opts = (const struct opt[]){ OPT_LIMIT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_find,
};

/* "  tag         a=b" */
static void field(const char *name, struct span value)
{
    struct buf b = BUF_INIT(65536);

    if (value.n > 0) {
        text_safe(&b, value);
        (void) printf("%-12s %s\n", name, buf_cstr(&b));
    }
    buf_deinit(&b);
}

static void fields_of_tags(struct tree tags)
{
    struct span at = tags.payload, value;
    struct tree t;

    while (tags.tag == TREE_OBJ && tree_next(&at, &t)) {
        struct buf b = BUF_INIT(4096);

        buf_add_span(&b, t.key);
        if (tree_str(t, &value) && value.n > 0) {
            buf_add_c(&b, '=');
            buf_add_span(&b, value);
        }
        field("tag", buf_span(&b));
        buf_deinit(&b);
    }
}

static void fields_of_links(struct tree links)
{
    struct span at = links.payload;
    struct tree l;

    while (links.tag == TREE_ARR && tree_next(&at, &l)) {
        struct buf b = BUF_INIT(4096);

        buf_add_span(&b, get(l, "type"));
        buf_add_c(&b, ':');
        buf_add_span(&b, get(l, "id"));
        field("link", buf_span(&b));
        buf_deinit(&b);
    }
}

static void show(struct tree r)
{
    struct buf b = BUF_INIT(4096);
    bool live = false, public = false;

    field("id", get(r, "id"));
    field("title", get(r, "title"));
    field("kind", get(r, "kind"));
    field("project", get(r, "project"));
    field("env", get(r, "env"));
    field("class", get(r, "class"));
    field("subject", get(r, "subject"));
    field("session", get(r, "session"));
    if (tree_get_bool(r, "public", &public) && public)
        field("stated by", SPAN("a web page: whoever has the page can say this, nobody checked it"));
    text_time(&b, get(r, "started_at"));
    field("started", buf_span(&b));
    buf_reset(&b);
    text_duration(&b, get_int(r, "duration_ms"), false);
    buf_addf(&b, ", %lld events, ", (long long) get_int(r, "events"));
    text_bytes(&b, get_int(r, "bytes"));
    if (tree_get_bool(r, "live", &live) && live)
        buf_add_str(&b, " so far; it is being made now");
    field("length", buf_span(&b));
    fields_of_tags(get_node(r, "tags"));
    fields_of_links(get_node(r, "links"));
    buf_reset(&b);
    access_text(&b, r);
    field("access", buf_span(&b));
    field("by", get(r, "access_grant").n > 0 ? get(r, "access_grant") : get(r, "access_request"));
    buf_deinit(&b);
}

static int run_show(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code = check_id(c, c->args.words[0], 'r', "a recording's id");

    path_id(&path, "/v1/recordings/", c->args.words[0], "");
    if (code == EXIT_DONE)
        code = cli_get(c, &path, &r);
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        show(r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_show = {
    .name = "show",
    .heading = "Recordings",
    .summary = "One recording's metadata and your access to it",
    .synopsis = "RID",
    .text = "",
    .example = "$ keyhole show r_2Dz2Sr-SnSlnd8aT",
    .words_min = 1,
    .words_max = 1,
    .run = run_show,
};
