#include "keeper/rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "meta/rules.h"

#define ZONE_DIR "/usr/share/zoneinfo"

/* Names have been checked by access/zone. Zones may be links to other zones, so this is a plain open. */
static bool zone_read(void *ctx, const char *name, struct buf *out)
{
    char path[sizeof(ZONE_DIR) + ZONE_NAME_MAX + 2];
    size_t n;
    FILE *f;

    (void) ctx;
    (void) snprintf(path, sizeof(path), ZONE_DIR "/%s", name);
    f = fopen(path, "rbe");
    if (f == NULL)
        return false;
    for (;;) {
        uint8_t *to = buf_reserve(out, 4096);

        n = to == NULL ? 0 : fread(to, 1, 4096, f);
        out->n += n;
        if (n == 0)
            break;
    }
    (void) fclose(f);
    return !out->failed;
}

const struct zone_source rules_zones = { .read = zone_read, .ctx = NULL };

struct rules *rules_free(struct rules *r)
{
    while (r != NULL) {
        struct rules *older = r->older;

        arena_deinit(&r->mem);
        free(r);
        r = older;
    }
    return NULL;
}

void rules_trim(struct rules *r)
{
    if (r != NULL)
        r->older = rules_free(r->older);
}

static enum err compile(struct rules *r, const struct meta_policy *row, struct err_info *reterr)
{
    if (!span_to_str(row->hash, r->hash, sizeof(r->hash)) || !tree_check(row->tree))
        return ERR_RAISE(reterr, ERR_CORRUPT, "the stored policy is damaged");
    return policy_load(tree_root(row->tree), &rules_zones, &r->mem, &r->policy, reterr);
}

enum err rules_get(struct meta_view *v, struct rules **io_rules, struct err_info *reterr)
{
    struct arena mem;
    struct meta_policy row;
    struct rules *r = NULL;
    bool same = false;
    enum err e;

    if (*io_rules != NULL && (*io_rules)->hash[0] != '\0')
        TRY(meta_policy_is_current(v, span_str((*io_rules)->hash), &same, reterr));
    if (same)
        return ERR_OK;
    arena_init(&mem, 4U << 20);
    e = meta_policy_current(v, &mem, &row, reterr);
    if (e == ERR_OK && *io_rules != NULL && span_eq_str(row.hash, (*io_rules)->hash)) {
        arena_deinit(&mem);
        return ERR_OK;
    }
    if (e == ERR_OK || e == ERR_NOTFOUND) {
        r = calloc(1, sizeof(*r));
        if (r == NULL) {
            e = ERR_RAISE(reterr, ERR_NOMEM, "policy");
        } else {
            arena_init(&r->mem, POLICY_ARENA_MAX);
            e = e == ERR_NOTFOUND ? ERR_OK : compile(r, &row, reterr);
        }
    }
    arena_deinit(&mem);
    if (e != ERR_OK) {
        rules_free(r);
        return e;
    }
    r->older = *io_rules;
    *io_rules = r;
    return ERR_OK;
}
