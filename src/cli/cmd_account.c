/* Signing in and out. */
#include "cli/login.h"

#include <stdlib.h>
#include <unistd.h>

#define PASSWORD_MAX 1024

static const char *current(struct cli *c)
{
    return c->login.user != NULL ? c->login.user : getenv("USER");
}

/* The name: --user, or asked for on a terminal. */
static int user_name(struct cli *c, char *to, size_t cap)
{
    const char *given = args_value(&c->args, "user"), *proposal = current(c);
    size_t n;

    if (given != NULL)
        return snprintf(to, cap, "%s", given) < (int) cap ? EXIT_DONE : usage(c, "that name is too long");
    if (!isatty(STDIN_FILENO))
        return usage(c, "who? Say --user NAME");
    (void) fprintf(stderr, "User%s%s%s: ", proposal != NULL ? " [" : "", proposal != NULL ? proposal : "",
                   proposal != NULL ? "]" : "");
    if (fgets(to, (int) cap, stdin) == NULL)
        return usage(c, "no name was given");
    n = strcspn(to, "\r\n");
    to[n] = '\0';
    if (n == 0 && proposal != NULL)
        (void) snprintf(to, cap, "%s", proposal);
    return EXIT_DONE;
}

static void replace(char **to, const char *with)
{
    if (*to != NULL)
        explicit_bzero(*to, strlen(*to));
    free(*to);
    *to = with != NULL ? strdup(with) : NULL;
}

/* What the server calls itself, when that is not the address it is reached by: acts name it. */
static void learn_public_url(struct cli *c)
{
    const char *given = args_value(&c->args, "public-url");
    struct buf path = BUF_INIT(64);
    struct http_reply r = { 0 };
    char *url = given != NULL ? strdup(given) : NULL;

    buf_add_str(&path, "/v1/me");
    if (given == NULL && cli_try(c, "GET", &path, NULL, &r) == EXIT_DONE)
        url = get_dup(r.root, "public_url");
    replace(&c->login.public_url, url != NULL && strcmp(url, http_url(c->http)) != 0 ? url : NULL);
    free(url);
    http_reply_deinit(&r);
    buf_deinit(&path);
}

static int keep(struct cli *c, const char *user, struct tree answer)
{
    const struct client_key *k = http_client_key(c->http);
    struct err_info e = { 0 };
    const char *ca = getenv("KEYHOLE_CA");
    char *token = get_dup(answer, "token"), *absolute = NULL;

    if (token == NULL)
        return fail("the server gave no token");
    if (ca != NULL && ca[0] != '\0' && (absolute = realpath(ca, NULL)) != NULL)
        replace(&c->login.ca, absolute);
    else if (c->login.url == NULL || strcmp(c->login.url, http_url(c->http)) != 0)
        replace(&c->login.ca, NULL);
    free(absolute);
    replace(&c->login.url, http_url(c->http));
    replace(&c->login.user, user);
    replace(&c->login.token, token);
    replace(&c->login.jkt, k != NULL && span_eq_str(get(answer, "client_key"), client_key_jkt(k)) ? client_key_jkt(k) : NULL);
    http_set_token(c->http, token);
    learn_public_url(c);
    explicit_bzero(token, strlen(token));
    free(token);
    return login_save(c, &e) == ERR_OK ? EXIT_DONE : fail_err(&e);
}

static void tell(struct cli *c, const char *user, struct tree answer)
{
    struct buf b = BUF_INIT(4096);
    struct span until = get(answer, "expires_at");

    if (c->json) {
        struct jsonw w;

        jsonw_init(&w, &b);
        jsonw_obj(&w);
        jsonw_ktree(&w, "user", get_node(answer, "user"));
        jsonw_kstr(&w, "expires_at", until);
        jsonw_kstr(&w, "fresh_until", get(answer, "fresh_until"));
        jsonw_obj_end(&w);
        (void) printf("%s\n", buf_cstr(&b));
    } else {
        buf_addf(&b, "signed in to %s as ", http_url(c->http));
        text_safe(&b, span_str(user));
        buf_add_str(&b, " until ");
        text_time(&b, until);
        (void) printf("%s UTC\n", buf_cstr(&b));
    }
    buf_deinit(&b);
}

static int sign_in(struct cli *c, const char *user, struct span password)
{
    struct buf path = BUF_INIT(64);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    body_begin(&b);
    jsonw_kcstr(&b.w, "user", user);
    jsonw_kstr(&b.w, "password", password);
    jsonw_kbool(&b.w, "token", true);
    jsonw_kcstr(&b.w, "client", "cli");
    buf_add_str(&path, "/v1/login");
    code = cli_send(c, "POST", &path, body_end(&b), &r);
    body_deinit(&b);
    if (code == EXIT_DONE)
        code = keep(c, user, r.root);
    if (code == EXIT_DONE)
        tell(c, user, r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

/* The key that the sign-in shall be bound to: this profile's for this server. */
static int offer_client_key(struct cli *c)
{
    struct client_key *k = NULL;
    struct err_info e = { 0 };

    http_set_client_key(c->http, NULL);
    http_set_public_url(c->http, args_value(&c->args, "public-url"));
    if (c->unbound)
        return EXIT_DONE;
    if (client_key_make(http_url(c->http), &k, &e) != ERR_OK)
        return fail_err(&e);
    http_set_client_key(c->http, k);
    return EXIT_DONE;
}

static int run_login(struct cli *c)
{
    struct buf password = BUF_INIT(PASSWORD_MAX + 2);
    char user[128] = "";
    int code = cli_connect(c);

    if (code == EXIT_DONE) {
        http_set_token(c->http, NULL);
        code = offer_client_key(c);
    }
    if (code == EXIT_DONE)
        code = user_name(c, user, sizeof(user));
    if (code == EXIT_DONE)
        code = read_password(c, "Password: ", &password);
    if (code == EXIT_DONE)
        code = sign_in(c, user, buf_span(&password));
    if (password.n > 0)
        explicit_bzero(password.p, password.n);
    buf_deinit(&password);
    return code;
}

const struct command cmd_login = {
    .name = "login",
    .heading = "Signing in",
    .summary = "Signs in and keeps the sign-in",
    .synopsis = "[--user NAME] [--password-file FILE] [--bearer]",
    .text = "Asks for the password without showing it, and keeps what the server answers (not the password) in the user's configuration\n"
            "directory, readable by the user alone. The server is KEYHOLE_URL or --url; when KEYHOLE_CA names its certificate, that is\n"
            "kept too. A sign-in lasts at most 12 hours; votes want one that is fresh and ask for the password again.\n\n"
            "The first sign-in to a server makes a client key beside it (client-key-....jwk, mode 600, never sent). The sign-in is bound to\n"
            "it: recordings play and votes count only with proofs and signatures of that key, so what somebody copies from the wire or\n"
            "from a log opens nothing. A key that others can read, or that is somebody else's, is refused. --bearer signs in without one;\n"
            "what such a sign-in may do is up to the policy.",
    .example = "$ keyhole login --url https://rec.example.com --user dana\nPassword:\nsigned in to https://rec.example.com as dana "
               "until 2026-11-02 21:15:00 UTC",
    .opts = (const struct opt[]){ { "user", 'u', "NAME", "the account", false }, OPT_PASSWORD_FILE,
                                  { "bearer", 0, NULL, "bind the sign-in to no client key", false },
                                  { "public-url", 0, "URL", "what the server calls itself, when a proxy on the way has another name", false },
                                  { 0 } },
    .keyless = true,
    .run = run_login,
};

static int run_logout(struct cli *c)
{
    struct buf path = BUF_INIT(64);
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    int code;

    if (login_load(c, &e) != ERR_OK)
        return fail_err(&e);
    if (c->login.token == NULL && getenv("KEYHOLE_TOKEN") == NULL) {
        note("nobody is signed in");
        return EXIT_DONE;
    }
    buf_add_str(&path, "/v1/logout");
    code = cli_try(c, "POST", &path, NULL, &r);
    if (code == EXIT_FAILED && r.status == 401)
        code = EXIT_DONE; /* over already */
    else if (code == EXIT_FAILED)
        code = cli_problem(c, &r);
    if (login_remove(&e) != ERR_OK)
        code = fail_err(&e);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_logout = {
    .name = "logout",
    .heading = "Signing in",
    .summary = "Ends the sign-in and forgets it",
    .synopsis = "",
    .text = "Access that was opened for this sign-in stops at once. What was kept is removed even when the server cannot be reached.",
    .example = "$ keyhole logout",
    .keyless = true,
    .run = run_logout,
};

static void add_roles(struct buf *b, struct tree roles)
{
    struct span at = roles.payload;
    struct tree r;

    while (roles.tag == TREE_ARR && tree_next(&at, &r)) {
        buf_add_str(b, "\n  ");
        text_safe(b, get(r, "role"));
        buf_add_str(b, span_eq_str(get(r, "project"), "*") ? " of every project" : " of ");
        if (!span_eq_str(get(r, "project"), "*"))
            text_safe(b, get(r, "project"));
        if (get(r, "group").n > 0) {
            buf_add_str(b, ", by group ");
            text_safe(b, get(r, "group"));
        }
    }
}

/* The key that this sign-in is bound to, and those that came new: somebody else's would show here. */
static void add_client_keys(struct buf *b, struct tree me)
{
    struct tree auth = get_node(me, "auth"), list = get_node(me, "new_client_keys"), k;
    struct span at = list.payload;

    if (get(auth, "client_key").n > 0) {
        buf_add_str(b, "\n  bound to the client key ");
        text_safe(b, get(auth, "client_key"));
    }
    if (get(auth, "acts_from").n > 0) {
        buf_add_str(b, ", which signs decisions from ");
        text_time(b, get(auth, "acts_from"));
        buf_add_str(b, " UTC on");
    }
    while (list.tag == TREE_ARR && tree_next(&at, &k)) {
        buf_add_str(b, "\n  new client key of another sign-in, ");
        text_safe(b, get(k, "client"));
        buf_add_str(b, ", ");
        text_time(b, get(k, "registered_at"));
        buf_add_str(b, " UTC: ");
        text_safe(b, get(k, "client_key"));
    }
}

static int run_whoami(struct cli *c)
{
    struct buf path = BUF_INIT(64), b = BUF_INIT(65536);
    struct http_reply r = { 0 };
    int code;

    buf_add_str(&path, "/v1/me");
    code = cli_get(c, &path, &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        struct tree user = get_node(r.root, "user"), auth = get_node(r.root, "auth");

        text_safe(&b, person_name(user));
        buf_addf(&b, " at %s, ", http_url(c->http));
        text_safe(&b, get(auth, "kind"));
        buf_add_str(&b, " until ");
        text_time(&b, get(auth, "expires_at"));
        buf_add_str(&b, " UTC");
        add_client_keys(&b, r.root);
        add_roles(&b, get_node(r.root, "roles"));
        if (get_int(r.root, "inbox") > 0)
            buf_addf(&b, "\n%lld waiting for your vote: keyhole requests --inbox", (long long) get_int(r.root, "inbox"));
        (void) printf("%s\n", buf_cstr(&b));
    }
    http_reply_deinit(&r);
    buf_deinit(&b);
    buf_deinit(&path);
    return code;
}

const struct command cmd_whoami = {
    .name = "whoami",
    .heading = "Signing in",
    .summary = "Who is signed in, where, and with which roles",
    .synopsis = "",
    .text = "Also which client key the sign-in is bound to, and the client keys that came with other sign-ins of yours in the last days: one\n"
            "that you do not know means that somebody else signed in as you.",
    .example = "$ keyhole whoami\ndana at https://rec.example.com, sign-in until 2026-11-02 21:15:00 UTC\n"
               "  bound to the client key ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\n  viewer of every project",
    .run = run_whoami,
};
