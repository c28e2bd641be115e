#pragma once
/*
 * One run of `keyhole COMMAND`: its options, the server it talks to, how it reports.
 *
 * Standard output carries results, standard error everything else. With --json results are what the API answered, and an
 * error is the problem document, on standard error. Tokens, keys and passwords appear in no message.
 */
#include "cli/http.h"
#include "cli/opt.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3, /* not allowed, denied, revoked */
    EXIT_EXPIRED = 4, /* the window or the approval is over */
    EXIT_IN_VAIN = 5, /* waited, and nothing came */
};

struct cli;

struct command {
    const char *name;     /* "audit tail" */
    const char *heading;  /* group in `keyhole help`; NULL: internal, not listed */
    const char *summary;  /* a line */
    const char *synopsis; /* what follows the name, options that matter spelled out */
    const char *text;     /* what it does, what it prints */
    const char *example;  /* lines as one would type them, with what comes back */
    const struct opt *opts;
    unsigned words_min, words_max;
    bool keyless; /* works without the client key of the saved sign-in */
    int (*run)(struct cli *c);
};

struct cli {
    const struct command *command;
    struct args args;
    bool json;
    bool terminal; /* standard output is one */
    bool unbound;  /* --bearer: keys that are bound to nothing, where the policy allows them */
    struct http *http; /* made by the first call */
    struct {
        char *url, *token, *user, *ca;
        char *jkt;        /* of the client key that it is bound to; NULL: bound to none */
        char *public_url; /* what the server calls itself */
    } login; /* what `keyhole login` kept; all NULL when nothing */
};

/* In the order in which help shows them; NULL ends it. Each is defined beside its code, in cmd_*.c and play.c. */
extern const struct command *const commands[];
extern const struct opt common_options[];

/* "audit", "tail", …: the command that argv begins with, and how many words its name has. NULL: none. */
const struct command *command_find(int argc, char **argv, int *ret_words);

/* ---- reports, all to standard error; each returns its exit code ---- */

int fail(const char *fmt, ...) PRINTF_LIKE(1, 2);                          /* EXIT_FAILED */
int fail_err(const struct err_info *e);                                    /* EXIT_FAILED */
int usage(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);    /* EXIT_USAGE, with how to get help */
void note(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* ---- calls ---- */

/*
 * The client for the server that KEYHOLE_URL, --url or the saved login names, with the credential for it. A token that was
 * saved for another server is never sent. The saved sign-in comes with the client key that it is bound to. 0, or the exit code of what has been reported.
 */
int cli_connect(struct cli *c);

/* A path with its query: path_add(&p, "state", v) escapes, and does nothing for NULL. */
void path_add(struct buf *path, const char *name, const char *value);
void path_add_int(struct buf *path, const char *name, int64_t value);
/* "/v1/grants/" + id + "/revoke", the id escaped. tail may be "". */
void path_id(struct buf *path, const char *head, const char *id, const char *tail);

/*
 * One call that is answered with JSON (or nothing). 0: 2xx, reply->root is the body. Otherwise the exit code; what was
 * wrong has been reported. Changes of state carry an Idempotency-Key. The caller deinits the reply.
 */
int cli_get(struct cli *c, struct buf *path, struct http_reply *ret);
int cli_send(struct cli *c, const char *method, struct buf *path, struct buf *body, struct http_reply *ret);

/* The same without any report of a problem: *ret_problem says whether ret->problem is one. For callers that go on. */
int cli_try(struct cli *c, const char *method, struct buf *path, struct buf *body, struct http_reply *ret);

/* Reports a problem answer, or that there was none. Returns its exit code. */
int cli_problem(struct cli *c, const struct http_reply *r);

/* "2 of 2 at once with one key, 0 left", of a problem that says which limit was reached. False: it does not. */
bool problem_left(struct tree problem, struct buf *out);

/* A vote or change that wants a fresh sign-in: on `reauth-needed` asks for the password and calls again. */
int cli_send_fresh(struct cli *c, const char *method, struct buf *path, struct buf *body, struct http_reply *ret);

/* ---- input ---- */

/* --password-file F ("-": standard input), else asked for without echo on the terminal. Wiped by the caller. */
int read_password(struct cli *c, const char *prompt, struct buf *ret);

/* A yes to a question on the terminal; true at once without one, or with --yes. */
bool confirm(struct cli *c, const char *question);

/* "r_…": 0, or a usage error that says what was expected. */
int check_id(const struct cli *c, const char *word, char kind, const char *what);

/* "30m" to ms. 0, or a usage error. */
int check_duration(const struct cli *c, const char *name, const char *text, int64_t *ret_ms);
/* RFC 3339, or "2h": so long ago. Writes RFC 3339. */
int check_time(const struct cli *c, const char *name, const char *text, char ret[TIME_RFC3339_LEN + 1]);
/* A whole number. */
int check_number(const struct cli *c, const char *name, const char *text, uint64_t max, uint64_t *ret);

/* ---- output ---- */

/* A checked tree as JSON, one line. */
void print_json(struct tree t);

/* Member as a span; empty when absent or null. */
struct span get(struct tree obj, const char *key);
int64_t get_int(struct tree obj, const char *key);
struct tree get_node(struct tree obj, const char *key);
/* NULL-terminated copy on the heap; NULL when absent. */
char *get_dup(struct tree obj, const char *key);
/* A person's name, else id. */
struct span person_name(struct tree person);
/* Elements of an array of strings, joined. */
void join(struct buf *out, struct tree array, const char *with);

/*
 * A list: fetches pages until 'limit' items are there, then prints them as a table, or as {"items": […], "cursor": …}.
 * row adds the cells of one item.
 */
struct list_spec {
    const struct table_column *columns;
    size_t n_columns;
    void (*row)(struct cli *c, struct table *t, struct tree item);
    const char *empty; /* told when there is nothing */
};
int print_list(struct cli *c, struct buf *path, const struct list_spec *spec);

#define OPT_LIMIT { "limit", 0, "N", "at most N items (50)", false }
#define OPT_COMMENT { "comment", 0, "TEXT", "goes into the audit log and to the people concerned", false }
#define OPT_PASSWORD_FILE { "password-file", 0, "FILE", "the password is the first line of FILE (-: standard input)", false }
#define OPT_BEARER { "bearer", 0, NULL, "with a key that is bound to nothing, where the policy allows it", false }
#define OPT_YES { "yes", 'y', NULL, "do not ask", false }

/* JSON bodies: begin, members with jsonw_k…, end. */
struct body {
    struct buf buf;
    struct jsonw w;
};
void body_begin(struct body *b);
/* A member from an option; nothing when it was not given. */
void body_option(struct body *b, const struct cli *c, const char *option, const char *member);
struct buf *body_end(struct body *b);
void body_deinit(struct body *b);
