/* People, groups, projects, tokens: for administrators. */
#include "cli/cli.h"

#include <unistd.h>

#define PASSWORD_MAX 1024
#define PATH_CAP     8192

/* ---- parts of bodies ---- */

static void string_list(struct body *b, const struct cli *c, const char *option, const char *member)
{
    const char *v;

    if (args_value(&c->args, option) == NULL)
        return;
    jsonw_karr(&b->w, member);
    for (size_t i = 0; (v = args_nth(&c->args, option, i)) != NULL; i++) {
        if (v[0] != '\0') /* --group "" empties the list */
            jsonw_str(&b->w, span_str(v));
    }
    jsonw_arr_end(&b->w);
}

/* --role ROLE or PROJECT:ROLE */
static void role_list(struct body *b, const struct cli *c)
{
    const char *v;

    if (args_value(&c->args, "role") == NULL)
        return;
    jsonw_karr(&b->w, "roles");
    for (size_t i = 0; (v = args_nth(&c->args, "role", i)) != NULL; i++) {
        struct span project, role;

        if (v[0] == '\0')
            continue;
        jsonw_obj(&b->w);
        if (span_cut(span_str(v), ':', &project, &role))
            jsonw_kstr(&b->w, "project", project);
        else
            role = span_str(v);
        jsonw_kstr(&b->w, "role", role);
        jsonw_obj_end(&b->w);
    }
    jsonw_arr_end(&b->w);
}

static int add_password(struct body *b, struct cli *c, const char *prompt)
{
    struct buf password = BUF_INIT(PASSWORD_MAX + 2);
    int code = read_password(c, prompt, &password);

    if (code == EXIT_DONE)
        jsonw_kstr(&b->w, "password", buf_span(&password));
    if (password.n > 0)
        explicit_bzero(password.p, password.n);
    buf_deinit(&password);
    return code;
}

/* 202: the change is guarded, nothing has happened yet. Its id is the last word. */
static void print_guarded(struct tree ch)
{
    struct buf b = BUF_INIT(1024);

    (void) printf("change waiting " SPAN_FMT "\n", SPAN_ARG(get(ch, "id")));
    if (get(ch, "effective_at").n > 0) {
        text_time(&b, get(ch, "effective_at"));
        note("this touches who may decide: it works from %s UTC on, unless somebody who may vote stops it", buf_cstr(&b));
    } else {
        note("this touches who may decide: another administrator approves it with keyhole changes approve " SPAN_FMT,
             SPAN_ARG(get(ch, "id")));
    }
    buf_deinit(&b);
}

/* Sends, prints the answer as JSON or "WHAT NAME ID". */
static int change(struct cli *c, const char *method, struct buf *path, struct body *b, const char *what,
                  const char *id_member)
{
    struct http_reply r = { 0 };
    int code = cli_send_fresh(c, method, path, body_end(b), &r);

    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE && r.status == 202) {
        print_guarded(r.root);
    } else if (code == EXIT_DONE) {
        struct buf line = BUF_INIT(4096);

        buf_addf(&line, "%s ", what);
        text_safe(&line, get(r.root, "name"));
        if (strcmp(id_member, "name") != 0) {
            buf_add_c(&line, ' ');
            text_safe(&line, get(r.root, id_member));
        }
        (void) printf("%s\n", buf_cstr(&line));
        buf_deinit(&line);
    }
    http_reply_deinit(&r);
    return code;
}

#define OPT_GROUP   { "group", 'g', "NAME", "a group the person is in", true }
#define OPT_ORIGIN  { "origin", 0, "ORIGIN", "pages of this origin may record into it", true }
#define OPT_ROLE    { "role", 0, "[PROJECT:]ROLE", "viewer, approver, auditor, project-admin, breakglass or admin; every project unless named", true }
#define OPT_SUBJECT { "subject", 0, "ID", "a subject id of recordings that are of this person", true }
#define OPT_PERSON  { "person", 0, "ID", "the human behind the account, when they have another one", false }
#define OPT_NAME    { "full-name", 0, "TEXT", "how the person is shown", false }

/* ---- users ---- */

static int run_user_add(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code = EXIT_DONE;

    body_begin(&b);
    jsonw_kcstr(&b.w, "name", c->args.words[0]);
    body_option(&b, c, "full-name", "full_name");
    body_option(&b, c, "person", "person");
    string_list(&b, c, "group", "groups");
    string_list(&b, c, "subject", "subjects");
    role_list(&b, c);
    if (args_value(&c->args, "password-file") != NULL)
        code = add_password(&b, c, "");
    else if (!args_flag(&c->args, "no-password") && isatty(STDIN_FILENO))
        code = add_password(&b, c, "Their first password: ");
    buf_add_str(&path, "/v1/users");
    if (code == EXIT_DONE)
        code = change(c, "POST", &path, &b, "user", "id");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_user_add = {
    .name = "user add",
    .heading = "People and projects",
    .summary = "Makes an account",
    .synopsis = "NAME [--group G]... [--password-file FILE]",
    .text = "A new account is viewer of every project besides what its groups give, unless --role says otherwise. Without a password\n"
            "the account cannot sign in with one; tokens for it work. Prints the new id as the last word.",
    .example = "$ keyhole user add dana --group approvers --password-file pw\nuser dana u_8zYGTnU-_hqeQ2Lx",
    .opts = (const struct opt[]){ OPT_GROUP, OPT_ROLE, OPT_NAME, OPT_SUBJECT, OPT_PERSON, OPT_PASSWORD_FILE,
                                  { "no-password", 0, NULL, "do not ask for one", false }, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_user_add,
};

static int run_user_disable(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code;

    body_begin(&b);
    jsonw_kbool(&b.w, "disabled", true);
    path_id(&path, "/v1/users/", c->args.words[0], "");
    code = change(c, "PATCH", &path, &b, "disabled", "id");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_user_disable = {
    .name = "user disable",
    .heading = "People and projects",
    .summary = "Locks an account at once",
    .synopsis = "NAME",
    .text = "Ends the person's sign-ins and viewings, cancels their open requests and revokes their access. keyhole user set NAME\n"
            "--enable undoes the lock, not the rest.",
    .example = "$ keyhole user disable dana\ndisabled dana u_8zYGTnU-_hqeQ2Lx",
    .words_min = 1,
    .words_max = 1,
    .run = run_user_disable,
};

static int run_user_set(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code = EXIT_DONE;

    if (c->args.n_seen == 0)
        return usage(c, "nothing to change");
    body_begin(&b);
    body_option(&b, c, "full-name", "full_name");
    body_option(&b, c, "person", "person");
    string_list(&b, c, "group", "groups");
    string_list(&b, c, "subject", "subjects");
    role_list(&b, c);
    if (args_flag(&c->args, "enable"))
        jsonw_kbool(&b.w, "disabled", false);
    if (args_flag(&c->args, "password") || args_value(&c->args, "password-file") != NULL)
        code = add_password(&b, c, "Their new password: ");
    path_id(&path, "/v1/users/", c->args.words[0], "");
    if (code == EXIT_DONE)
        code = change(c, "PATCH", &path, &b, "user", "id");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_user_set = {
    .name = "user set",
    .heading = "People and projects",
    .summary = "Changes an account",
    .synopsis = "NAME [--group G]... [--role ROLE]... [--password] [--enable]",
    .text = "What is not named stays as it is. Groups, roles and subjects are replaced by those given; --group \"\" leaves none.",
    .example = "$ keyhole user set dana --group approvers --group auditors\nuser dana u_8zYGTnU-_hqeQ2Lx",
    .opts = (const struct opt[]){ OPT_GROUP, OPT_ROLE, OPT_NAME, OPT_SUBJECT, OPT_PERSON,
                                  { "password", 0, NULL, "ask for a new password", false }, OPT_PASSWORD_FILE,
                                  { "enable", 0, NULL, "unlock a disabled account", false }, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_user_set,
};

static void add_role_cell(struct table *t, struct tree roles)
{
    struct buf b = BUF_INIT(65536);
    struct span at = roles.payload;
    struct tree r;

    while (roles.tag == TREE_ARR && tree_next(&at, &r)) {
        if (b.n > 0)
            buf_add_str(&b, ", ");
        if (!span_eq_str(get(r, "project"), "*")) {
            buf_add_span(&b, get(r, "project"));
            buf_add_c(&b, ':');
        }
        buf_add_span(&b, get(r, "role"));
    }
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static void user_row(struct cli *c, struct table *t, struct tree u)
{
    struct buf b = BUF_INIT(65536);

    (void) c;
    table_cell(t, get(u, "id"));
    table_cell(t, get(u, "name"));
    table_cell(t, get(u, "state"));
    join(&b, get_node(u, "groups"), ", ");
    table_cell(t, buf_span(&b));
    add_role_cell(t, get_node(u, "roles"));
    buf_reset(&b);
    text_time(&b, get(u, "last_login_at"));
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static int run_user_list(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { "NAME", true, false }, { .title = "STATE" },
                                                   { "GROUPS", true, false }, { "ROLES", true, false },
                                                   { .title = "LAST SIGN-IN" } };
    static const struct list_spec spec = { columns, 6, user_row, "No such people." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/users");
    path_add(&path, "q", c->args.words[0]);
    path_add(&path, "state", args_value(&c->args, "state"));
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_user_list = {
    .name = "user list",
    .heading = "People and projects",
    .summary = "Accounts, their groups and roles",
    .synopsis = "[PART-OF-NAME] [--state active|disabled]",
    .text = "",
    .example = "$ keyhole user list dan",
    .opts = (const struct opt[]){ { "state", 0, "STATE", "active or disabled", false }, OPT_LIMIT, { 0 } },
    .words_max = 1,
    .run = run_user_list,
};

/* ---- groups and projects ---- */

static int run_group_add(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code;

    body_begin(&b);
    jsonw_kcstr(&b.w, "name", c->args.words[0]);
    role_list(&b, c);
    string_list(&b, c, "member", "members");
    buf_add_str(&path, "/v1/groups");
    code = change(c, "POST", &path, &b, "group", "name");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_group_add = {
    .name = "group add",
    .heading = "People and projects",
    .summary = "Makes a group of people that carries roles",
    .synopsis = "NAME [--role ROLE]... [--member USER]...",
    .text = "Prints the group's name as the last word.",
    .example = "$ keyhole group add security --role approver --member dana\ngroup security",
    .opts = (const struct opt[]){ OPT_ROLE, { "member", 'm', "USER", "somebody who is in it", true }, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_group_add,
};

static int run_group_set(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code;

    if (c->args.n_seen == 0)
        return usage(c, "nothing to change");
    body_begin(&b);
    role_list(&b, c);
    string_list(&b, c, "add", "add");
    string_list(&b, c, "remove", "remove");
    path_id(&path, "/v1/groups/", c->args.words[0], "");
    code = change(c, "PATCH", &path, &b, "group", "name");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_group_set = {
    .name = "group set",
    .heading = "People and projects",
    .summary = "Changes a group's roles or who is in it",
    .synopsis = "NAME [--add USER]... [--remove USER]... [--role ROLE]...",
    .text = "Roles are replaced by those given.",
    .example = "$ keyhole group set approvers --add dana\ngroup approvers",
    .opts = (const struct opt[]){ { "add", 0, "USER", "put somebody in", true },
                                  { "remove", 0, "USER", "take somebody out", true }, OPT_ROLE, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_group_set,
};

static void group_row(struct cli *c, struct table *t, struct tree g)
{
    struct buf b = BUF_INIT(65536);
    struct tree members = get_node(g, "members"), m;
    struct span at = members.payload;

    (void) c;
    table_cell(t, get(g, "name"));
    add_role_cell(t, get_node(g, "roles"));
    while (members.tag == TREE_ARR && tree_next(&at, &m)) {
        buf_add_str(&b, b.n > 0 ? ", " : "");
        buf_add_span(&b, person_name(m));
    }
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static int run_group_list(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "NAME" }, { "ROLES", true, false },
                                                   { "MEMBERS", true, false } };
    static const struct list_spec spec = { columns, 3, group_row, "There are no groups." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/groups");
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_group_list = {
    .name = "group list",
    .heading = "People and projects",
    .summary = "Groups, their roles and members",
    .synopsis = "",
    .text = "",
    .example = "$ keyhole group list",
    .opts = (const struct opt[]){ OPT_LIMIT, { 0 } },
    .run = run_group_list,
};

static int run_project_add(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code;

    body_begin(&b);
    jsonw_kcstr(&b.w, "name", c->args.words[0]);
    body_option(&b, c, "env", "env");
    string_list(&b, c, "origin", "origins");
    buf_add_str(&path, "/v1/projects");
    code = change(c, "POST", &path, &b, "project", "id");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_project_add = {
    .name = "project add",
    .heading = "People and projects",
    .summary = "Makes a project: a name space of recordings with its own members and audit log",
    .synopsis = "NAME [--env ENV] [--origin ORIGIN]...",
    .text = "Prints the new id as the last word.",
    .example = "$ keyhole project add shop\nproject shop p_zNe2lKL4dQxW8s0b",
    .opts = (const struct opt[]){ { "env", 0, "ENV", "the environment of its recordings; the first configured one unless said", false },
                                  OPT_ORIGIN, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_project_add,
};

static int run_project_set(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct body b;
    int code;

    if (c->args.n_seen == 0)
        return usage(c, "nothing to change");
    body_begin(&b);
    body_option(&b, c, "name", "name");
    body_option(&b, c, "env", "env");
    string_list(&b, c, "origin", "origins");
    path_id(&path, "/v1/projects/", c->args.words[0], "");
    code = change(c, "PATCH", &path, &b, "project", "id");
    body_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_project_set = {
    .name = "project set",
    .heading = "People and projects",
    .summary = "Changes a project; says whose pages may record into it",
    .synopsis = "PROJECT [--origin ORIGIN]... [--env ENV] [--name NAME]",
    .text = "What is not named stays as it is. Origins are replaced by those given; --origin \"\" leaves none. An origin is\n"
            "https://HOST[:PORT] as a browser has it; https://*.HOST stands for every name below HOST.",
    .example = "$ keyhole project set shop --origin https://shop.example.org\nproject shop p_zNe2lKL4dQxW8s0b",
    .opts = (const struct opt[]){ OPT_ORIGIN, { "env", 0, "ENV", "the environment of its recordings from now on", false },
                                  { "name", 0, "NAME", "its new name", false }, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_project_set,
};

static void project_row(struct cli *c, struct table *t, struct tree p)
{
    struct buf b = BUF_INIT(65536);
    struct tree members = get_node(p, "members"), m;
    struct span at = members.payload;

    (void) c;
    table_cell(t, get(p, "id"));
    table_cell(t, get(p, "name"));
    table_cell(t, get(p, "env"));
    while (members.tag == TREE_ARR && tree_next(&at, &m)) {
        struct span user = person_name(get_node(m, "user"));

        buf_add_str(&b, b.n > 0 ? ", " : "");
        buf_add_span(&b, user.n > 0 ? user : get(m, "group"));
        buf_add_str(&b, " ");
        buf_add_span(&b, get(m, "role"));
    }
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static int run_project_list(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { "NAME", true, false }, { .title = "ENV" },
                                                   { "MEMBERS", true, false } };
    static const struct list_spec spec = { columns, 4, project_row, "You are in no project." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/projects");
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_project_list = {
    .name = "project list",
    .heading = "People and projects",
    .summary = "Projects in which you hold a role",
    .synopsis = "",
    .text = "",
    .example = "$ keyhole project list",
    .opts = (const struct opt[]){ OPT_LIMIT, { 0 } },
    .run = run_project_list,
};

/* ---- tokens ---- */

static int token_body(struct cli *c, struct body *b)
{
    const char *expires = args_value(&c->args, "expires");
    bool ingest = args_flag(&c->args, "ingest"), gateway = args_flag(&c->args, "gateway"),
         browser = args_flag(&c->args, "browser"),
         project = args_value(&c->args, "project") != NULL, at = args_value(&c->args, "at") != NULL;
    int64_t ms;
    int code = EXIT_DONE;

    if (ingest && gateway)
        return usage(c, "--ingest or --gateway, not both");
    if (browser && !ingest)
        return usage(c, "a token for pages is an ingest token: --ingest --browser");
    if (args_value(&c->args, "state") != NULL && !browser)
        return usage(c, "what a token may state is said of public ones: --ingest --browser --state WORD");
    if ((ingest || gateway) && args_value(&c->args, "user") != NULL)
        return usage(c, "such a token belongs to a project, not to a person");
    if (project && !ingest && !gateway)
        return usage(c, "a project's token is an ingest token or a gateway's: say --ingest or --gateway too");
    if (gateway != at || (gateway && !project))
        return usage(c, "a gateway's token names its project and address: --gateway --project P --at https://HOST");
    jsonw_kcstr(&b->w, "kind", ingest ? "ingest" : gateway ? "gateway" : "api");
    if (browser)
        jsonw_kbool(&b->w, "browser", true);
    string_list(b, c, "state", "states");
    body_option(b, c, "at", "url");
    body_option(b, c, "project", "project");
    body_option(b, c, "user", "user");
    body_option(b, c, "name", "name");
    if (expires != NULL && (code = check_duration(c, "expires", expires, &ms)) == EXIT_DONE)
        jsonw_kint(&b->w, "expires_in_s", ms / 1000);
    return code;
}

static int run_token_add(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    body_begin(&b);
    code = token_body(c, &b);
    buf_add_str(&path, "/v1/tokens");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE && r.status == 202) {
        print_guarded(r.root);
    } else if (code == EXIT_DONE) {
        (void) printf(SPAN_FMT " " SPAN_FMT "\n", SPAN_ARG(get(r.root, "id")), SPAN_ARG(get(r.root, "token")));
        if (c->terminal)
            note("this is the only time the token is shown");
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_token_add = {
    .name = "token add",
    .heading = "People and projects",
    .summary = "Makes a token; its secret is printed once",
    .synopsis = "--project P --ingest [--browser [--state WORD]...] | --project P --gateway --at URL | [--user NAME]",
    .text = "With --ingest: for a recorder, adds recordings to project P and can read nothing; with --browser it is public, for pages\n"
            "of the project's origins (keyhole project set), and states of its recordings what --state names: title, subject,\n"
            "session, env, tags, links (all of these unless said), env:NAME, class:NAME. With --gateway: for a proxy at URL that asks\n"
            "whether keys to recordings of project P are good (docs/gateways). Else an API token that acts as its user: it asks and plays,\n"
            "it never votes. Prints the token's id and, as the last word, the token. It is nowhere else.",
    .example = "$ keyhole token add --project shop --ingest\nt_4aKf0sLQv2n8RtYw kit_...\n$ KEYHOLE_TOKEN=$(keyhole token add | awk '{print $NF}')",
    .opts = (const struct opt[]){ { "project", 'p', "P", "id or name of the project", false },
                                  { "ingest", 0, NULL, "a write-only token for recorders", false },
                                  { "browser", 0, NULL, "with --ingest: public, for pages (keyhole recorder)", false },
                                  { "state", 0, "WORD", "with --browser: what it may state (title, class:shop)", true },
                                  { "gateway", 0, NULL, "a token for a proxy that checks keys", false },
                                  { "at", 0, "URL", "with --gateway: the proxy's address as its clients see it", false },
                                  { "user", 'u', "NAME", "whom it acts as; you unless said", false },
                                  { "name", 0, "TEXT", "what it is for", false },
                                  { "expires", 0, "TIME", "how long it works (30m, 8h, 1d); 12h for API tokens unless said", false },
                                  { 0 } },
    .run = run_token_add,
};

static void token_row(struct cli *c, struct table *t, struct tree k)
{
    struct buf b = BUF_INIT(1024);
    struct span user = person_name(get_node(k, "user"));

    (void) c;
    table_cell(t, get(k, "id"));
    table_cell(t, get(k, "kind"));
    table_cell(t, user.n > 0 ? user : get(k, "project"));
    table_cell(t, get(k, "state"));
    table_cell(t, get(k, "name"));
    text_time(&b, get(k, "expires_at"));
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    text_time(&b, get(k, "last_used_at"));
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static int run_token_list(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { .title = "KIND" }, { "OF", true, false },
                                                   { .title = "STATE" }, { "NAME", true, false },
                                                   { .title = "EXPIRES" }, { .title = "LAST USED" } };
    static const struct list_spec spec = { columns, 7, token_row, "There are no tokens." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/tokens");
    path_add(&path, "kind", args_value(&c->args, "kind"));
    path_add(&path, "project", args_value(&c->args, "project"));
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_token_list = {
    .name = "token list",
    .heading = "People and projects",
    .summary = "Tokens that exist; never their secrets",
    .synopsis = "[--kind ingest|api|gateway] [--project P]",
    .text = "",
    .example = "$ keyhole token list --kind ingest",
    .opts = (const struct opt[]){ { "kind", 0, "KIND", "ingest, api or gateway", false },
                                  { "project", 'p', "P", "id or name", false }, OPT_LIMIT, { 0 } },
    .run = run_token_list,
};

static int run_token_revoke(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code = check_id(c, c->args.words[0], 't', "a token's id");

    path_id(&path, "/v1/tokens/", c->args.words[0], "");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "DELETE", &path, NULL, &r);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_token_revoke = {
    .name = "token revoke",
    .heading = "People and projects",
    .summary = "Ends a token at once",
    .synopsis = "TOKEN-ID",
    .text = "",
    .example = "$ keyhole token revoke t_4aKf0sLQv2n8RtYw",
    .words_min = 1,
    .words_max = 1,
    .run = run_token_revoke,
};
