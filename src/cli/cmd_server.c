/* Commands that make, run or check a server on this machine. */
#include "cli/cli.h"

#include <stdlib.h>

#include "base/num.h"
#include "server/config.h"
#include "server/demo.h"
#include "server/init.h"
#include "server/supervisor.h"

#define NETWORKS_MAX 16

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

/* ---- init ---- */

static int read_options(struct cli *c, struct init_options *o, const char **networks)
{
    *o = (struct init_options){
        .dir = c->args.words[0],
        .listen = args_value(&c->args, "listen"),
        .player_listen = args_value(&c->args, "player-listen"),
        .url = args_value(&c->args, "url"), /* here: the address that this server will have */
        .player_url = args_value(&c->args, "player-url"),
        .plain_loopback = args_flag(&c->args, "plain-loopback"),
        .behind_proxy = args_flag(&c->args, "behind-proxy"),
        .preset = args_value(&c->args, "preset"),
        .env = args_value(&c->args, "env"),
    };
    while ((networks[o->n_trusted] = args_nth(&c->args, "trusted-proxy", o->n_trusted)) != NULL) {
        if (++o->n_trusted == NETWORKS_MAX)
            return usage(c, "more than %d networks", NETWORKS_MAX - 1);
    }
    o->trusted = networks;
    if (o->behind_proxy && (o->url == NULL || o->n_trusted == 0))
        return usage(c, "--behind-proxy needs --url https://HOST and --trusted-proxy NET");
    if (!o->behind_proxy && o->n_trusted > 0)
        return usage(c, "--trusted-proxy is for --behind-proxy");
    if (o->behind_proxy && o->plain_loopback)
        return usage(c, "--behind-proxy or --plain-loopback, not both");
    return EXIT_DONE;
}

static void print_init(struct cli *c, const struct init_options *o, const struct init_result *r)
{
    if (c->json) {
        struct body b;

        body_begin(&b);
        jsonw_kcstr(&b.w, "dir", r->dir);
        jsonw_kcstr(&b.w, "config", r->config);
        jsonw_kcstr(&b.w, "url", r->url);
        jsonw_kcstr(&b.w, "player_url", r->player_url);
        jsonw_kcstr(&b.w, "admin_token", r->admin_token);
        (void) printf("%s\n", buf_cstr(body_end(&b)));
        body_deinit(&b);
        return;
    }
    if (o->plain_loopback)
        (void) printf("Without TLS, for this machine only: a demo, not for real recordings.\n\n");
    (void) printf("Made %s for %s\nThe administrator's first API token, also in %s/admin.token:\n\n  %s\n\nNext:\n\n"
                  "  keyhole serve -c %s &\n",
                  r->dir, r->url, r->dir, r->admin_token, r->config);
    if (o->plain_loopback || o->behind_proxy)
        (void) printf("  export KEYHOLE_URL=%s KEYHOLE_TOKEN=$(cat %s/admin.token)\n", r->url, r->dir);
    else
        (void) printf("  export KEYHOLE_URL=%s KEYHOLE_CA=%s/tls.pem KEYHOLE_TOKEN=$(cat %s/admin.token)\n", r->url, r->dir,
                      r->dir);
    (void) printf("  keyhole user add YOUR-NAME --group approvers\n");
}

static int run_init(struct cli *c)
{
    const char *networks[NETWORKS_MAX + 1];
    struct init_options o;
    struct init_result r = { .dir = "" };
    struct err_info e = { 0 };
    int code = read_options(c, &o, networks);

    if (code != EXIT_DONE)
        return code;
    if (init_run(&o, &r, &e) == ERR_OK)
        print_init(c, &o, &r);
    else
        code = e.code == ERR_INVAL ? usage(c, "%s", e.text) : fail_err(&e);
    explicit_bzero(r.admin_token, sizeof(r.admin_token));
    return code;
}

const struct command cmd_init = {
    .name = "init",
    .heading = "Server",
    .summary = "Makes a server: state directory, configuration, keys, certificate, first administrator",
    .synopsis = "DIR [--listen ADDR:PORT] [--preset solo|team] [--plain-loopback | --behind-proxy --url URL --trusted-proxy NET]",
    .text = "Prints an administrator's first API token (also in DIR/admin.token, readable by you alone) and the next three commands. The\n"
            "certificate is self-signed: replace DIR/tls.pem and DIR/tls.key, or trust it with KEYHOLE_CA=DIR/tls.pem. Nothing is left half\n"
            "made; a directory that is not empty is refused. Here --url is the address that people will use.",
    .example = "$ keyhole init /var/lib/keyhole --listen 0.0.0.0:443 --url https://rec.example.com",
    .opts = (const struct opt[]){ { "listen", 0, "ADDR:PORT", "where it listens; 127.0.0.1:8443 unless said", false },
                                  { "player-listen", 0, "ADDR:PORT", "where the player's own origin listens; a free port beside the other unless said", false },
                                  { "player-url", 0, "URL", "the player's address, best on another host name", false },
                                  { "plain-loopback", 0, NULL, "without TLS, loopback addresses only: a demo", false },
                                  { "behind-proxy", 0, NULL, "a proxy ends TLS", false },
                                  { "trusted-proxy", 0, "NET", "the proxy's network, as 10.0.0.0/8", true },
                                  { "preset", 0, "NAME", "the policy to start with: solo or team; team unless said", false },
                                  { "env", 0, "ENV", "the first environment; prod unless said", false },
                                  { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_init,
};

/* ---- demo ---- */

static int run_demo(struct cli *c)
{
    const char *port = args_value(&c->args, "port");
    struct demo_options o = { .dir = args_value(&c->args, "dir") };
    struct err_info e = { 0 };
    uint64_t n = 0;
    int code = port == NULL ? EXIT_DONE : check_number(c, "port", port, 65535, &n);

    if (code != EXIT_DONE)
        return code;
    o.port = (unsigned) n;
    return demo_run(&o, &e) == ERR_OK ? EXIT_DONE : fail_err(&e);
}

const struct command cmd_demo = {
    .name = "demo",
    .heading = "Server",
    .summary = "A server on this machine with five accounts, two recordings and a live one, to play the story",
    .synopsis = "[--dir DIR] [--port N]",
    .text = "Loopback only, without TLS. Prints the addresses of the accounts engineer, second-engineer, approver, lead and auditor,\n"
            "so that one person can be all of them in one browser. Its rules have one of each kind.\n"
            "Ctrl-C ends it and removes everything, unless --dir says where to keep it.",
    .example = "$ keyhole demo\nKeyhole demo: http://localhost:8080/",
    .opts = (const struct opt[]){ { "dir", 0, "DIR", "keep it there, and use it again next time", false },
                                  { "port", 0, "N", "the port; the first free one from 8080 unless said", false },
                                  { 0 } },
    .run = run_demo,
};

/* ---- config check ---- */

static int run_config_check(struct cli *c)
{
    const char *path = args_value(&c->args, "config") != NULL ? args_value(&c->args, "config") : c->args.words[0];
    struct config *config = NULL;
    struct err_info e = { 0 };

    if (path == NULL)
        return usage(c, "which configuration? Say -c DIR/keyhole.conf");
    if (config_load(path, &config, &e) != ERR_OK)
        return fail_err(&e);
    if (c->json)
        (void) printf("{\"ok\":true}\n");
    else
        (void) printf("%s is good: %s, state in %s\n", path, config->public_url, config->dir);
    (void) config_free(config);
    return EXIT_DONE;
}

const struct command cmd_config_check = {
    .name = "config check",
    .heading = "Server",
    .summary = "Reads a configuration as the server would, and names what is wrong",
    .synopsis = "-c FILE",
    .text = "Run it before SIGHUP or a restart.",
    .example = "$ keyhole config check -c /var/lib/keyhole/keyhole.conf",
    .opts = (const struct opt[]){ { "config", 'c', "FILE", "the configuration", false }, { 0 } },
    .words_max = 1,
    .run = run_config_check,
};
