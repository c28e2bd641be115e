#include "gate/assets.h"

#include <string.h>

/* Written by tools/embed.py, sorted by path. */
extern const struct asset asset_app_table[], asset_player_table[], asset_shop_table[];
extern const size_t asset_app_table_n, asset_player_table_n, asset_shop_table_n;

const struct asset *asset_all(enum asset_site site, size_t *ret_n)
{
    switch (site) {
    case ASSET_APP:
        *ret_n = asset_app_table_n;
        return asset_app_table;
    case ASSET_PLAYER:
        *ret_n = asset_player_table_n;
        return asset_player_table;
    case ASSET_SHOP:
        *ret_n = asset_shop_table_n;
        return asset_shop_table;
    case ASSET_SITE_N_:
        break;
    }
    *ret_n = 0;
    return NULL;
}

static int path_cmp(struct span a, const char *b)
{
    size_t n = strlen(b);
    int c = memcmp(a.p, b, a.n < n ? a.n : n);

    return c != 0 ? c : (a.n > n) - (a.n < n);
}

static const struct asset *find_exact(enum asset_site site, struct span path)
{
    size_t n, low = 0;
    const struct asset *all = asset_all(site, &n);

    while (low < n) {
        size_t mid = low + (n - low) / 2;
        int c = path_cmp(path, all[mid].path);

        if (c == 0)
            return &all[mid];
        if (c > 0)
            low = mid + 1;
        else
            n = mid;
    }
    return NULL;
}

static bool starts_with(struct span s, const char *with)
{
    size_t n = strlen(with);

    return s.n >= n && memcmp(s.p, with, n) == 0;
}

static bool is_page_of_app(struct span path)
{
    if (path.n == 0 || path.p[0] != '/' || starts_with(path, "/v1/") || starts_with(path, "/.well-known/") ||
        starts_with(path, "/assets/"))
        return false;
    for (size_t i = path.n; i > 0 && path.p[i - 1] != '/'; i--)
        if (path.p[i - 1] == '.')
            return false;
    return true;
}

const struct asset *asset_find(enum asset_site site, struct span path)
{
    const struct asset *a;

    if (path.n == 0)
        return NULL;
    a = find_exact(site, path);
    if (a == NULL && site == ASSET_APP && is_page_of_app(path))
        a = find_exact(site, span_str("/"));
    return a;
}
