/*
 * keyhole: one binary for the server's roles and for people.
 *
 * Happy path: find the command by its first one to three words, read its options, run it. `keyhole role` is how the
 * supervisor starts its processes; it never gets as far as options.
 */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/login.h"
#include "cli/rec_left.h"
#include "gate/gate.h"
#include "keeper/keeper.h"
#include "vault/vault.h"

#define CONTROL_FD 3

extern const struct command cmd_init, cmd_serve, cmd_demo, cmd_config_check, cmd_login, cmd_logout, cmd_whoami,
    cmd_ls, cmd_find, cmd_show, cmd_import, cmd_rec, cmd_export, cmd_play, cmd_request, cmd_requests, cmd_approve, cmd_deny,
    cmd_cancel, cmd_grants, cmd_give_back, cmd_revoke, cmd_viewings, cmd_viewing_stop, cmd_key, cmd_user_add,
    cmd_user_list, cmd_user_set, cmd_user_disable, cmd_group_add, cmd_group_list, cmd_group_set, cmd_project_add,
    cmd_project_set, cmd_recorder, cmd_project_list, cmd_token_add, cmd_token_list, cmd_token_revoke, cmd_mask_show, cmd_mask_set, cmd_mask_test, cmd_policy_show, cmd_policy_list,
    cmd_policy_apply, cmd_policy_approve, cmd_policy_stop, cmd_policy_test, cmd_policy_dry_run, cmd_audit_tail,
    cmd_audit_verify, cmd_audit_vkey, cmd_audit_logs, cmd_audit_proof, cmd_audit_unseal, cmd_report, cmd_break_glass,
    cmd_more_time, cmd_extend, cmd_join, cmd_widen, cmd_review, cmd_suspend, cmd_resume, cmd_freeze, cmd_freeze_lift,
    cmd_freeze_show, cmd_keys_rotate, cmd_clock_trust, cmd_changes_list, cmd_changes_approve, cmd_changes_stop, cmd_api;

const struct command *const commands[] = {
    &cmd_init,
    &cmd_serve,
    &cmd_demo,
    &cmd_config_check,
    &cmd_keys_rotate,
    &cmd_clock_trust,
    &cmd_login,
    &cmd_logout,
    &cmd_whoami,
    &cmd_ls,
    &cmd_find,
    &cmd_show,
    &cmd_import,
    &cmd_rec,
    &cmd_recorder,
    &cmd_export,
    &cmd_play,
    &cmd_request,
    &cmd_break_glass,
    &cmd_requests,
    &cmd_approve,
    &cmd_deny,
    &cmd_cancel,
    &cmd_grants,
    &cmd_more_time,
    &cmd_extend,
    &cmd_join,
    &cmd_widen,
    &cmd_give_back,
    &cmd_revoke,
    &cmd_suspend,
    &cmd_resume,
    &cmd_review,
    &cmd_freeze,
    &cmd_freeze_lift,
    &cmd_freeze_show,
    &cmd_viewings,
    &cmd_viewing_stop,
    &cmd_key,
    &cmd_user_add,
    &cmd_user_list,
    &cmd_user_set,
    &cmd_user_disable,
    &cmd_group_add,
    &cmd_group_list,
    &cmd_group_set,
    &cmd_project_add,
    &cmd_project_set,
    &cmd_project_list,
    &cmd_token_add,
    &cmd_token_list,
    &cmd_token_revoke,
    &cmd_changes_list,
    &cmd_changes_approve,
    &cmd_changes_stop,
    &cmd_mask_show,
    &cmd_mask_set,
    &cmd_mask_test,
    &cmd_policy_show,
    &cmd_policy_list,
    &cmd_policy_test,
    &cmd_policy_dry_run,
    &cmd_policy_apply,
    &cmd_policy_approve,
    &cmd_policy_stop,
    &cmd_audit_tail,
    &cmd_audit_logs,
    &cmd_audit_verify,
    &cmd_audit_vkey,
    &cmd_audit_proof,
    &cmd_audit_unseal,
    &cmd_report,
    &cmd_api,
    &cmd_help,
    &cmd_completion,
    &cmd_version,
    &cmd_man,
    NULL,
};

const struct opt common_options[] = {
    { "json", 0, NULL, "for machines: what the API answered, errors as problem documents", false },
    { "url", 0, "URL", "the server, instead of KEYHOLE_URL", false },
    { "help", 'h', NULL, "this text", false },
    { 0 },
};

static int role(const char *name)
{
    if (strcmp(name, "gate") == 0)
        return gate_main(CONTROL_FD);
    if (strcmp(name, "keeper") == 0)
        return keeper_main(CONTROL_FD);
    if (strcmp(name, "vault") == 0)
        return vault_main(CONTROL_FD);
    return usage(NULL, "there is no role '%s'", name);
}

/* How many words of argv a name is made of; 0: it is another name. */
static int matches(const char *name, int argc, char **argv)
{
    int n = 0;

    for (;;) {
        const char *end = strchr(name, ' ');
        size_t len = end != NULL ? (size_t) (end - name) : strlen(name);

        if (n >= argc || strlen(argv[n]) != len || memcmp(argv[n], name, len) != 0)
            return 0;
        n++;
        if (end == NULL)
            return n;
        name = end + 1;
    }
}

const struct command *command_find(int argc, char **argv, int *ret_words)
{
    const struct command *best = NULL;

    *ret_words = 0;
    for (size_t i = 0; commands[i] != NULL; i++) {
        int n = matches(commands[i]->name, argc, argv);

        if (n > *ret_words) {
            *ret_words = n;
            best = commands[i];
        }
    }
    return best;
}

static int no_command(char **argv)
{
    const char *near = NULL;
    size_t least = 3;

    if (help_family(stderr, argv[0]))
        return EXIT_USAGE;
    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t d = opt_distance(argv[0], commands[i]->name, 2);

        if (commands[i]->heading != NULL && d < least) {
            least = d;
            near = commands[i]->name;
        }
    }
    if (near != NULL)
        return usage(NULL, "there is no command '%s'; did you mean '%s'?", argv[0], near);
    return usage(NULL, "there is no command '%s'", argv[0]);
}

static int run(const struct command *cmd, int argc, char **argv)
{
    struct cli c = { .command = cmd, .terminal = isatty(STDOUT_FILENO) };
    struct err_info e = { 0 };
    int code;

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help_command(stdout, cmd);
            return EXIT_DONE;
        }
    }
    if (args_parse(cmd->opts, common_options, argc, argv, &c.args, &e) != ERR_OK)
        return usage(&c, "%s", e.text);
    c.json = args_flag(&c.args, "json");
    if (c.args.n_words < cmd->words_min)
        code = usage(&c, "something is missing");
    else if (c.args.n_words > cmd->words_max)
        code = usage(&c, "'%s' is too much", c.args.words[cmd->words_max]);
    else
        code = cmd->run(&c);
    (void) http_free(c.http);
    login_deinit(&c);
    args_deinit(&c.args);
    return code;
}

/* As somebody's login shell: `keyhole rec --login`. */
static int login_shell(int argc, char **argv)
{
    extern const struct command cmd_rec;

    return run(&cmd_rec, argc, argv);
}

int main(int argc, char **argv)
{
    const struct command *cmd;
    char **login;
    int words, code;

    if (argc == 3 && strcmp(argv[1], "role") == 0)
        return role(argv[2]);
    (void) setlocale(LC_CTYPE, "C.UTF-8");
    (void) signal(SIGPIPE, SIG_IGN);
    login = rec_left_login_argv(argc, argv, &words, &code);
    if (login != NULL)
        code = login_shell(words, login);
    if (login != NULL || code != EXIT_DONE) {
        (void) rec_left_free(login);
        return code;
    }
    if (argc < 2) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_all(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = "version";
    cmd = command_find(argc - 1, argv + 1, &words);
    if (cmd == NULL)
        return no_command(argv + 1);
    code = run(cmd, argc - 1 - words, argv + 1 + words);
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        return fail("standard output cannot be written");
    return code;
}
