#pragma once
/*
 * `keyhole init DIR`: a new server: state directory, configuration, keys, certificate, first administrator.
 *
 * Nothing is left half: it works in DIR.new and renames at the end. An existing DIR that is not empty is refused.
 */
#include "base/buf.h"

struct init_options {
    const char *dir;           /* made; absolute or relative */
    const char *listen;        /* "ADDR:PORT"; NULL: 127.0.0.1:8443 */
    const char *player_listen; /* NULL: a free port beside the other */
    const char *url;           /* public address; NULL: from listen */
    const char *player_url;    /* NULL: same host, the player's port */
    bool plain_loopback, behind_proxy;
    const char *const *trusted;
    size_t n_trusted;
    const char *preset;        /* "solo", "team"; NULL: team */
    const char *env;           /* NULL: prod */
    bool demo;                 /* the accounts of keeper/setup.h with one password */
    const char *log;           /* "json" or NULL */
};

struct init_result {
    char dir[4096];        /* absolute */
    char config[4200];     /* DIR/keyhole.conf */
    char url[256], player_url[256];
    char admin_token[128]; /* also in DIR/admin.token; the caller wipes it */
};

/* The names of the presets, for help texts: NULL-terminated. */
extern const char *const init_presets[];

/* ERR_EXISTS, ERR_INVAL (the text names the option), ERR_IO. */
NODISCARD enum err init_run(const struct init_options *o, struct init_result *ret, struct err_info *reterr);

/* Removes a directory that init made, with everything in it; links are not followed. */
void init_remove(const char *dir);
