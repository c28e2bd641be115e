#include "server/role_config.h"

#include <stdio.h>

static void texts(const struct config_list *list, struct ipc_row_text *rows)
{
    for (size_t i = 0; i < list->n; i++)
        rows[i].text = span_str(list->items[i]);
}

static enum err send_gate(const struct config *c, struct link *to)
{
    struct ipc_row_text envs[CONFIG_LIST_MAX], trusted[CONFIG_LIST_MAX], origin = { span_str(c->public_url) };
    struct ipc_gate_config m = {
        .public_url = span_str(c->public_url),
        .player_url = span_str(c->player_url),
        .dir = span_str(c->dir),
        .demo = c->demo,
        .plain = c->plain_loopback,
        .tls = !c->plain_loopback && !c->behind_proxy,
        .proxy_header = (uint8_t) c->proxy.header,
        .threads = config_gate_loops(c),
        .streams = c->gate.streams,
        .cache_bytes = c->gate.cache,
        .connections = c->gate.connections,
        .per_source = c->gate.per_source,
        .header_time_ms = c->limits.header_time,
        .idle_time_ms = c->limits.idle_time,
        .write_stall_ms = c->limits.write_stall,
        .body_min_rate = (uint32_t) c->limits.body_min_rate,
        .header_bytes = (uint32_t) c->limits.header_bytes,
        .body_bytes = c->limits.body,
        .import_wire_bytes = c->limits.import_wire,
        .import_bytes = c->limits.import_unpacked,
        .zstd_level = c->store.zstd,
        .seal_bytes = c->store.seal_bytes,
        .seal_after_ms = c->store.seal_after,
        .vanish_ms = c->live.vanish_after,
        .max_open = c->live.max_open,
        .log_format = c->log_json,
    };

    texts(&c->envs, envs);
    texts(&c->proxy.trusted, trusted);
    m.envs.rows = envs;
    m.envs.n = (uint32_t) c->envs.n;
    m.trusted.rows = trusted;
    m.trusted.n = (uint32_t) c->proxy.trusted.n;
    m.origins.rows = &origin;
    m.origins.n = 1;
    return link_send(to, IPC_T_GATE_CONFIG, &m);
}

static enum err send_keeper(const struct config *c, struct link *to)
{
    struct ipc_row_text envs[CONFIG_LIST_MAX];
    struct ipc_row_hook hooks[CONFIG_HOOKS_MAX];
    struct ipc_keeper_config m = {
        .public_url = span_str(c->public_url),
        .player_url = span_str(c->player_url),
        .dir = span_str(c->dir),
        .demo = c->demo,
        .plain = c->plain_loopback,
        .key_life_s = c->key.life / 1000,
        .bearer_life_s = c->key.bearer_life / 1000,
        .edge_skew_s = c->key.edge_skew / 1000,
        .lapse_ms = c->request.lapse,
        .idle_session_ms = c->auth.idle,
        .session_ms = c->auth.session,
        .cli_session_ms = c->auth.cli_session,
        .fresh_ms = c->auth.fresh,
        .require_sync = c->require_sync,
        .token_votes = c->auth.token_votes,
        .config_sha256 = SPAN_OF(c->sha256),
        .new_key_wait_ms = c->auth.new_key_wait,
        .demo_password = span_str(c->demo_password),
        .vanish_ms = c->live.vanish_after,
        .log_format = c->log_json,
    };

    texts(&c->envs, envs);
    m.envs.rows = envs;
    m.envs.n = (uint32_t) c->envs.n;
    for (size_t i = 0; i < c->n_hooks; i++)
        hooks[i] = (struct ipc_row_hook){ span_str(c->hooks[i].name), span_str(c->hooks[i].project),
                                          span_str(c->hooks[i].format), span_str(c->hooks[i].secrets) };
    m.hooks.rows = hooks;
    m.hooks.n = (uint32_t) c->n_hooks;
    return link_send(to, IPC_T_KEEPER_CONFIG, &m);
}

static enum err send_vault(const struct config *c, struct link *to)
{
    char audience[600];
    int n = snprintf(audience, sizeof(audience), "%s/v1/replay", c->public_url);
    struct ipc_vault_config m = {
        .issuer = span_str(c->public_url),
        .audience = span_of(audience, (size_t) n),
        .dir = span_str(c->dir),
        .rotate_ms = c->key.rotate,
        .key_life_s = c->key.life / 1000,
        .bearer_life_s = c->key.bearer_life / 1000,
        .log_format = c->log_json,
    };

    if (n < 0 || (size_t) n >= sizeof(audience))
        return ERR_LIMIT;
    return link_send(to, IPC_T_VAULT_CONFIG, &m);
}

enum err role_config_send(const struct config *c, enum role_id role, struct link *to)
{
    switch (role) {
    case ROLE_GATE: return send_gate(c, to);
    case ROLE_KEEPER: return send_keeper(c, to);
    case ROLE_VAULT: return send_vault(c, to);
    case ROLE_SUPERVISOR: break;
    }
    return ERR_INVAL;
}
