/* Commands that run or check a server on this machine. */
#include "cli/cli.h"

#include "server/supervisor.h"

static int run_serve(struct cli *c)
{
    struct server_options o = { .config_path = args_value(&c->args, "config") };
    struct err_info e = { 0 };

    if (o.config_path == NULL)
        return usage(c, "which configuration? Say -c DIR/keyhole.conf");
    return supervisor_run(&o, &e) == ERR_OK ? EXIT_DONE : fail_err(&e);
}

const struct command cmd_serve = {
    .name = "serve",
    .heading = "Server",
    .summary = "Runs the server",
    .synopsis = "-c FILE",
    .text = "Reads FILE, starts the roles (gate, keeper, vault) as processes and keeps them running, in the foreground. SIGTERM and\n"
            "SIGINT end it cleanly; SIGHUP reads the configuration and the certificate again, and a file with an error changes nothing.",
    .example = "$ keyhole serve -c /var/lib/keyhole/keyhole.conf",
    .opts = (const struct opt[]){ { "config", 'c', "FILE", "the configuration that keyhole init wrote", false }, { 0 } },
    .run = run_serve,
};
