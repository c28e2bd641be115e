#include "access/issue.h"

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static action_mask default_scope(action_mask granted)
{
    action_mask watch = granted & (action_mask) (ACTION_BIT(ACTION_PLAY) | ACTION_BIT(ACTION_LIVE));

    return watch != 0 ? watch : granted & ACTION_BIT(ACTION_EXPORT);
}

int64_t issue_expiring_lead_ms(int64_t iat_s, int64_t exp_s)
{
    return min64(30000, (exp_s - iat_s) * 1000 / 4);
}

enum key_verdict issue_key(const struct grant *g, const struct clock_reading *now, const struct issue_ask *ask,
                           const struct issue_settings *settings, struct issue *ret)
{
    action_mask scope = ask->scope != 0 ? ask->scope : default_scope(ask->granted);
    char text[KEY_SCOPE_TEXT_CAP];
    struct issue key;
    int64_t life;

    if (!ask->recording_in_grant)
        return KEY_RECORDING_MISMATCH;
    if ((scope & ~ask->granted) != 0 || !key_scope_text(scope, text))
        return KEY_SCOPE;
    if (ask->bearer && !ask->bearer_allowed)
        return KEY_BINDING;
    if (!grant_is_open(g, now))
        return KEY_GRANT_ENDED;
    life = min64(settings->key_life_s, KEY_LIFE_MAX_S);
    if (ask->bearer)
        life = min64(life, min64(settings->bearer_life_s, 60));
    key.iat = now->real / 1000;
    /* The clock that closes first says where the window ends. */
    key.wend = (now->real + grant_left_ms(g, now)) / 1000;
    key.exp = min64(key.iat + life, key.wend - settings->edge_skew_s);
    if (key.exp * 1000 <= now->real)
        return KEY_GRANT_ENDED;
    key.scope = ask->break_glass ? scope | (unsigned) KEY_SCOPE_BG : scope;
    key.gen = g->gen;
    key.expires_in = key.exp - key.iat;
    key.renew_after = 0;
    if (key.exp < key.wend - settings->edge_skew_s)
        key.renew_after = key.expires_in - (issue_expiring_lead_ms(key.iat, key.exp) + 999) / 1000;
    *ret = key;
    return KEY_OK;
}

size_t issue_retire(const struct issue_live *keys, size_t n, time_ms now, bool *retire)
{
    size_t n_live = 0, n_retired = 0;

    for (size_t i = 0; i < n; i++) {
        retire[i] = false;
        n_live += !keys[i].denied && keys[i].exp * 1000 > now;
    }
    while (n_live - n_retired >= ISSUE_KEYS_LIVE) {
        size_t oldest = n;

        for (size_t i = 0; i < n; i++) {
            if (!retire[i] && !keys[i].denied && keys[i].exp * 1000 > now &&
                (oldest == n || keys[i].seq < keys[oldest].seq))
                oldest = i;
        }
        retire[oldest] = true;
        n_retired++;
    }
    return n_retired;
}
