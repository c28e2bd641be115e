#pragma once
/*
 * The configuration file (libConfuse syntax, STANDARDS 2.6): read by the supervisor at start and at SIGHUP. Strict: an
 * option given twice, an unknown one, a missing unit or a text that ends too early is an error with file and line.
 *
 * Life: config_load -> read -> config_free. All texts belong to the struct.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/times.h"

#define CONFIG_LIST_MAX  16
#define CONFIG_HOOKS_MAX 32

struct config_list {
    const char *items[CONFIG_LIST_MAX];
    size_t n;
};

/* hook "name" { … }: who may send signed notices (docs/policy.md). */
struct config_hook {
    const char *name, *project, *format;
    const char *secrets; /* one a line: what 'secret' said, or the file's text */
};

enum proxy_header { PROXY_FORWARDED, PROXY_X_FORWARDED_FOR };

struct config {
    struct arena memory;
    uint8_t sha256[32]; /* of the file's bytes, included files after it */

    const char *dir;            /* state directory, absolute */
    const char *public_url;     /* "https://host[:port]": issuer, Origin, links. No path, no trailing slash */
    const char *player_url;     /* the player documents' own origin */
    struct config_list listen;        /* "ADDR:PORT", "[ADDR6]:PORT" */
    struct config_list player_listen; /* may be empty when player_url has its own host name */
    struct config_list envs;          /* the first is the default of projects */
    bool plain_loopback; /* no TLS; loopback addresses only */
    bool behind_proxy;   /* no TLS here: a proxy in proxy.trusted ends it */
    bool demo;
    const char *demo_password; /* of the demo accounts; "" unless demo */

    struct {
        const char *certificate, *key; /* PEM files */
    } tls;
    struct {
        struct config_list trusted; /* CIDR networks */
        enum proxy_header header;
    } proxy;
    struct {
        unsigned threads;      /* 0: one a core */
        unsigned streams;      /* at once, all threads */
        unsigned connections;  /* at once, all threads */
        unsigned per_source;   /* connections of one address */
        uint64_t cache;        /* bytes of decoded chunks */
    } gate;
    struct {
        time_ms header_time, idle_time, write_stall;
        uint64_t body_min_rate; /* bytes a second */
        uint64_t header_bytes, body;
        uint64_t import_wire, import_unpacked;
    } limits;
    struct {
        time_ms life, bearer_life, rotate, edge_skew;
    } key;
    struct {
        time_ms idle, session, cli_session, fresh, new_key_wait;
        bool token_votes;
    } auth;
    struct {
        time_ms lapse;
    } request;
    struct {
        uint64_t seal_bytes;
        time_ms seal_after;
        unsigned zstd;
    } store;
    struct {
        time_ms vanish_after; /* a recording without a batch for so long is ended */
        unsigned max_open;    /* recordings that one ingest token may have open */
    } live;
    struct config_hook hooks[CONFIG_HOOKS_MAX];
    size_t n_hooks;
    bool require_sync;
    bool log_json; /* else human on a terminal, JSON elsewhere */
};

/* ERR_NOTFOUND, ERR_INVAL (text names file, line, option and what is allowed), ERR_LIMIT. */
NODISCARD enum err config_load(const char *path, struct config **ret, struct err_info *reterr);
struct config *config_free(struct config *c);

/* Loops of the gate: threads, or one a core. */
unsigned config_gate_loops(const struct config *c);
