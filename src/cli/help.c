#include "cli/help.h"

#include <errno.h>
#include <stdlib.h>

#define NAME_WIDTH 26

static const char about[] =
    "Recorded sessions that nobody can watch by default: who needs to see one asks with a purpose, others approve, a window\n"
    "opens, and inside it the recording plays. Everything is in an audit log that an outsider can check.\n";

static const char environment[] =
    "KEYHOLE_URL          the server, https://HOST or https://HOST:PORT (else what keyhole login kept)\n"
    "KEYHOLE_TOKEN        an API token or a sign-in token (else what keyhole login kept for that server)\n"
    "KEYHOLE_CA           a PEM file with the certificate to trust (else the system's)\n"
    "KEYHOLE_CONFIG_DIR   where the sign-in is kept (else ~/.config/keyhole)\n"
    "KEYHOLE_HTTP         1.1: not HTTP/2; 2: HTTP/2 also without TLS (else what the server offers)\n";

static const char exits[] =
    "0  done\n"
    "1  failed\n"
    "2  the command line is wrong\n"
    "3  refused: not allowed, denied, revoked\n"
    "4  expired: the window or the approval is over\n"
    "5  waited in vain\n";

void help_all(FILE *to)
{
    const char *heading = "";

    (void) fprintf(to, "usage: keyhole COMMAND [options]\n\n%s", about);
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *c = commands[i];

        if (c->heading == NULL)
            continue;
        if (strcmp(heading, c->heading) != 0)
            (void) fprintf(to, "\n%s\n", c->heading);
        heading = c->heading;
        (void) fprintf(to, "  %-*s %s\n", NAME_WIDTH - 3, c->name, c->summary);
    }
    (void) fprintf(to, "\nkeyhole COMMAND --help teaches one of them, with an example.\n\nEnvironment\n%s\nExit status\n%s", environment,
                   exits);
}

static void option_left(const struct opt *o, struct buf *out)
{
    if (o->letter != 0)
        buf_addf(out, "-%c, ", o->letter);
    buf_addf(out, "--%s", o->name);
    if (o->arg != NULL)
        buf_addf(out, " %s", o->arg);
}

static void print_options(FILE *to, const struct opt *table)
{
    for (const struct opt *o = table; o != NULL && o->name != NULL; o++) {
        struct buf left = BUF_INIT(200);

        option_left(o, &left);
        (void) fprintf(to, "  %-*s %s%s\n", NAME_WIDTH - 3, buf_cstr(&left), o->help, o->many ? "; may be repeated" : "");
        buf_deinit(&left);
    }
}

/* Each line indented by two. */
static void indented(FILE *to, const char *text)
{
    bool begin = true;

    for (; *text != '\0'; text++) {
        if (begin && *text != '\n')
            (void) fputs("  ", to);
        (void) fputc(*text, to);
        begin = *text == '\n';
    }
    if (!begin)
        (void) fputc('\n', to);
}

void help_command(FILE *to, const struct command *cmd)
{
    (void) fprintf(to, "usage: keyhole %s%s%s\n\n%s.\n", cmd->name, cmd->synopsis[0] != '\0' ? " " : "", cmd->synopsis,
                   cmd->summary);
    if (cmd->text[0] != '\0')
        (void) fprintf(to, "\n%s\n", cmd->text);
    (void) fputs("\nOptions\n", to);
    print_options(to, cmd->opts);
    print_options(to, common_options);
    (void) fputs("\nExample\n", to);
    indented(to, cmd->example);
}

bool help_family(FILE *to, const char *word)
{
    size_t n = strlen(word);
    bool any = false;

    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *c = commands[i];

        if (c->heading == NULL || strncmp(c->name, word, n) != 0 || c->name[n] != ' ')
            continue;
        any = true;
        (void) fprintf(to, "  keyhole %-*s %s\n", NAME_WIDTH - 3, c->name, c->summary);
    }
    return any;
}

static int run_help(struct cli *c)
{
    int n;
    const struct command *cmd;

    if (c->args.n_words == 0) {
        help_all(stdout);
        return EXIT_DONE;
    }
    cmd = command_find((int) c->args.n_words, c->args.words, &n);
    if (cmd != NULL && (size_t) n == c->args.n_words) {
        help_command(stdout, cmd);
        return EXIT_DONE;
    }
    if (c->args.n_words == 1 && help_family(stdout, c->args.words[0]))
        return EXIT_DONE;
    return usage(c, "there is no command '%s'", c->args.words[0]);
}

const struct command cmd_help = {
    .name = "help",
    .heading = "More",
    .summary = "What there is, or how one command works",
    .synopsis = "[COMMAND]",
    .text = "",
    .example = "keyhole help request",
    .words_max = 3,
    .run = run_help,
};

static int run_version(struct cli *c)
{
    if (c->json)
        (void) printf("{\"version\":\"%s\"}\n", KEYHOLE_VERSION);
    else
        (void) printf("keyhole %s\n", KEYHOLE_VERSION);
    return EXIT_DONE;
}

const struct command cmd_version = {
    .name = "version",
    .heading = "More",
    .summary = "Which version this is",
    .synopsis = "",
    .text = "",
    .example = "$ keyhole version\nkeyhole " KEYHOLE_VERSION,
    .run = run_version,
};

/* ---- completion ---- */

/* The words that may stand at place 0, or after a family's first word. */
static void words_after(const char *family, struct buf *out)
{
    size_t n = strlen(family);

    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *name = commands[i]->name, *rest = name, *end;

        if (commands[i]->heading == NULL)
            continue;
        if (n > 0) {
            if (strncmp(name, family, n) != 0 || name[n] != ' ')
                continue;
            rest = name + n + 1;
        }
        end = strchr(rest, ' ');
        if (end == NULL)
            buf_addf(out, "%s ", rest);
        else if (i == 0 || strncmp(commands[i - 1]->name, name, (size_t) (end - name) + 1) != 0)
            buf_addf(out, "%.*s ", (int) (end - rest), rest);
    }
}

static void case_lines(struct buf *out)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *c = commands[i];

        if (c->heading == NULL)
            continue;
        buf_addf(out, "    '%s') words='", c->name);
        for (const struct opt *o = c->opts; o != NULL && o->name != NULL; o++)
            buf_addf(out, "--%s ", o->name);
        for (const struct opt *o = common_options; o->name != NULL; o++)
            buf_addf(out, "--%s ", o->name);
        buf_add_str(out, "' ;;\n");
    }
}

static void family_lines(struct buf *out)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *name = commands[i]->name, *space = strchr(name, ' ');
        char family[40];

        if (commands[i]->heading == NULL || space == NULL ||
            (i > 0 && strncmp(commands[i - 1]->name, name, (size_t) (space - name) + 1) == 0) ||
            !span_to_str(span_of(name, (size_t) (space - name)), family, sizeof(family)))
            continue;
        buf_addf(out, "    '%s') words='", family);
        words_after(family, out);
        buf_add_str(out, "' ;;\n");
    }
}

static void completion(bool zsh, FILE *to)
{
    struct buf out = BUF_INIT(1u << 20);

    if (zsh)
        buf_add_str(&out, "#compdef keyhole\nautoload -U +X bashcompinit && bashcompinit\n");
    buf_add_str(&out, "_keyhole() {\n"
                      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" one=\"${COMP_WORDS[1]}\" two=\"${COMP_WORDS[2]}\" words=''\n"
                      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words='");
    words_after("", &out);
    buf_add_str(&out, "'\n  else\n    case \"$one\" in\n");
    family_lines(&out);
    buf_add_str(&out, "    esac\n    [ \"$COMP_CWORD\" -gt 2 ] && words=''\n    case \"$one $two\" in\n");
    case_lines(&out);
    buf_add_str(&out, "    esac\n    [ -z \"$words\" ] && case \"$one\" in\n");
    case_lines(&out);
    buf_add_str(&out, "    esac\n  fi\n"
                      "  case \"$cur\" in -*) ;; *) [ \"${words#--}\" = \"$words\" ] || words='' ;; esac\n"
                      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
                      "complete -o default -F _keyhole keyhole\n");
    (void) fwrite(out.p, 1, out.n, to);
    buf_deinit(&out);
}

static int run_completion(struct cli *c)
{
    const char *shell = c->args.words[0];

    if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
        return usage(c, "completion is there for bash and zsh");
    completion(strcmp(shell, "zsh") == 0, stdout);
    return EXIT_DONE;
}

const struct command cmd_completion = {
    .name = "completion",
    .heading = "More",
    .summary = "A script that completes commands and options in a shell",
    .synopsis = "bash|zsh",
    .text = "Prints the script.",
    .example = "source <(keyhole completion bash)",
    .words_min = 1,
    .words_max = 1,
    .run = run_completion,
};

/* ---- man pages ---- */

/* roff: a backslash, a dash that is one to type, and a line that would begin a request. */
static void roff(struct buf *out, const char *text)
{
    bool begin = true;

    for (; *text != '\0'; text++) {
        if (begin && (*text == '.' || *text == '\''))
            buf_add_str(out, "\\&");
        if (*text == '\\')
            buf_add_str(out, "\\e");
        else if (*text == '-')
            buf_add_str(out, "\\-");
        else
            buf_add_c(out, *text);
        begin = *text == '\n';
    }
}

static void roff_paragraphs(struct buf *out, const char *text)
{
    for (const char *end; (end = strstr(text, "\n\n")) != NULL; text = end + 2) {
        char *part = strndup(text, (size_t) (end - text));

        if (part != NULL)
            roff(out, part);
        free(part);
        buf_add_str(out, "\n.PP\n");
    }
    roff(out, text);
    buf_add_c(out, '\n');
}

static void roff_literal(struct buf *out, const char *text)
{
    buf_add_str(out, ".PP\n.nf\n.RS 4\n");
    roff(out, text);
    if (text[0] != '\0' && text[strlen(text) - 1] != '\n')
        buf_add_c(out, '\n');
    buf_add_str(out, ".RE\n.fi\n");
}

static void roff_head(struct buf *out, const char *name)
{
    buf_add_str(out, ".\\\" Made by tools/mkman from the table of commands: change the table, not this page.\n.TH \"");
    for (const char *p = name; *p != '\0'; p++)
        buf_add_c(out, *p >= 'a' && *p <= 'z' ? (char) (*p - 'a' + 'A') : *p);
    buf_addf(out, "\" 1 \"\" \"keyhole %s\" \"Keyhole\"\n.SH NAME\n", KEYHOLE_VERSION);
}

static void roff_options(struct buf *out, const struct opt *table)
{
    for (const struct opt *o = table; o != NULL && o->name != NULL; o++) {
        struct buf left = BUF_INIT(200);

        option_left(o, &left);
        buf_add_str(out, ".TP\n\\fB");
        roff(out, buf_cstr(&left));
        buf_add_str(out, "\\fR\n");
        roff(out, o->help);
        buf_addf(out, "%s\n", o->many ? "; may be repeated" : "");
        buf_deinit(&left);
    }
}

static void man_name(const struct command *c, char *to, size_t cap)
{
    (void) snprintf(to, cap, "keyhole-%s", c->name);
    for (char *p = to; *p != '\0'; p++)
        *p = *p == ' ' ? '-' : *p;
}

static void roff_tail(struct buf *out)
{
    buf_add_str(out, ".SH ENVIRONMENT\n");
    roff_literal(out, environment);
    buf_add_str(out, ".SH EXIT STATUS\n");
    roff_literal(out, exits);
}

static void man_command(struct buf *out, const struct command *c)
{
    char name[64];

    man_name(c, name, sizeof(name));
    roff_head(out, name);
    roff(out, name);
    buf_add_str(out, " \\- ");
    roff(out, c->summary);
    buf_addf(out, "\n.SH SYNOPSIS\n\\fBkeyhole %s\\fR ", c->name);
    roff(out, c->synopsis);
    buf_add_str(out, "\n.SH DESCRIPTION\n");
    roff(out, c->summary);
    buf_add_str(out, ".\n");
    if (c->text[0] != '\0') {
        buf_add_str(out, ".PP\n");
        roff_paragraphs(out, c->text);
    }
    buf_add_str(out, ".SH OPTIONS\n");
    roff_options(out, c->opts);
    roff_options(out, common_options);
    buf_add_str(out, ".SH EXAMPLE\n");
    roff_literal(out, c->example);
    roff_tail(out);
    buf_add_str(out, ".SH SEE ALSO\n.BR keyhole (1)\n");
}

static void man_main(struct buf *out)
{
    const char *heading = "";

    roff_head(out, "keyhole");
    buf_add_str(out, "keyhole \\- session replay behind access that exists only just in time\n.SH SYNOPSIS\n"
                     "\\fBkeyhole\\fR \\fICOMMAND\\fR [options]\n.SH DESCRIPTION\n");
    roff(out, about);
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *c = commands[i];
        char name[64];

        if (c->heading == NULL)
            continue;
        if (strcmp(heading, c->heading) != 0)
            buf_addf(out, ".SH %s\n", c->heading);
        heading = c->heading;
        man_name(c, name, sizeof(name));
        buf_add_str(out, ".TP\n.BR ");
        roff(out, name);
        buf_add_str(out, " (1)\n");
        roff(out, c->summary);
        buf_add_c(out, '\n');
    }
    roff_tail(out);
}

static enum err write_page(const char *dir, const char *name, struct buf *text, struct err_info *reterr)
{
    char path[4096];
    FILE *f;

    (void) snprintf(path, sizeof(path), "%s/%s.1", dir, name);
    f = fopen(path, "we");
    if (f == NULL || fwrite(text->p, 1, text->n, f) != text->n || fclose(f) != 0 || text->failed)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "cannot write %s: %s", path, strerror(errno));
    return ERR_OK;
}

enum err help_man(const char *dir, struct err_info *reterr)
{
    struct buf b = BUF_INIT(1u << 20);
    enum err err;

    man_main(&b);
    err = write_page(dir, "keyhole", &b, reterr);
    for (size_t i = 0; commands[i] != NULL && err == ERR_OK; i++) {
        char name[64];

        if (commands[i]->heading == NULL)
            continue;
        man_name(commands[i], name, sizeof(name));
        buf_reset(&b);
        man_command(&b, commands[i]);
        err = write_page(dir, name, &b, reterr);
    }
    buf_deinit(&b);
    return err;
}

static int run_man(struct cli *c)
{
    struct err_info e = { 0 };

    return help_man(c->args.words[0], &e) == ERR_OK ? EXIT_DONE : fail_err(&e);
}

const struct command cmd_man = {
    .name = "man-pages",
    .summary = "Writes the man pages",
    .synopsis = "DIR",
    .text = "",
    .example = "keyhole man-pages docs/man",
    .words_min = 1,
    .words_max = 1,
    .run = run_man,
};
