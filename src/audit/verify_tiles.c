#include "audit/verify_tiles.h"

#include <stdio.h>

#include "format/tile.h"

#define NAME_CAP   (TILE_PATH_CAP + 8)
#define ROW_MAX    (1u << 30)
#define BUNDLE_MAX ((uint64_t) TILE_WIDTH * (2 + TILE_ENTRY_MAX))

struct tiles {
    audit_read_fn *read;
    void *ctx;
    struct audit_verify *verify;
    struct merkle_frontier tree;
    struct buf row[TILE_LEVELS]; /* what tiles of level 1 and above have to hold: node hashes of levels 8, 16, … */
    struct buf bundle, hashes;
    struct audit_result *ret;
};

static void tile_fault(struct tiles *t, const struct tile *tile, const char *text)
{
    t->ret->verdict = AUDIT_TILE;
    t->ret->at = tile_first(tile);
    t->ret->upto = tile_end(tile);
    (void) snprintf(t->ret->text, sizeof(t->ret->text), "%.190s", text);
}

/* False: it is not there, and that is the fault. */
static bool read_tile(struct tiles *t, const struct tile *tile, struct buf *to)
{
    char name[NAME_CAP] = "tile/";
    struct err_info e = { 0 };

    tile_path(tile, name + strlen(name));
    buf_reset(to);
    if (t->read(t->ctx, name, to, &e) == ERR_OK && !to->failed)
        return true;
    tile_fault(t, tile, to->failed ? "a tile is larger than any tile" : e.text);
    return false;
}

static void keep_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    struct tiles *t = ctx;

    (void) index;
    if (level > 0 && level % TILE_HEIGHT == 0)
        buf_add(&t->row[level / TILE_HEIGHT], hash->b, sizeof(hash->b));
}

/* The records of one bundle, each with the hash that level 0 has for it. False: a fault was found. */
static bool check_bundle(struct tiles *t, const struct tile *bundle)
{
    struct tile level0 = { .n = bundle->n, .width = bundle->width };
    struct span rest, entry;

    if (!read_tile(t, bundle, &t->bundle) || !read_tile(t, &level0, &t->hashes))
        return false;
    if (t->hashes.n != (size_t) bundle->width * MERKLE_HASH_LEN) {
        tile_fault(t, &level0, "a tile has not the size that its name says");
        return false;
    }
    rest = buf_span(&t->bundle);
    for (unsigned i = 0; i < bundle->width; i++) {
        struct merkle_hash h;

        if (!tile_entry_next(&rest, &entry)) {
            tile_fault(t, bundle, "a bundle has fewer records than its name says");
            return false;
        }
        if (!audit_verify_leaf(t->verify, entry, span_of(t->hashes.p + (size_t) i * MERKLE_HASH_LEN, MERKLE_HASH_LEN)))
            return false;
        h = merkle_leaf(entry);
        (void) merkle_append(&t->tree, &h, keep_node, t, NULL); /* there is room: audit_verify_leaf's tree is as large */
    }
    if (rest.n > 0) {
        tile_fault(t, bundle, "a bundle has more records than its name says");
        return false;
    }
    return true;
}

static bool check_tile(struct tiles *t, const struct tile *tile)
{
    size_t at = (size_t) tile->n * TILE_WIDTH * MERKLE_HASH_LEN, n = (size_t) tile->width * MERKLE_HASH_LEN;
    const struct buf *row = &t->row[tile->level];

    if (row->failed || !read_tile(t, tile, &t->hashes))
        return false;
    if (!span_eq(buf_span(&t->hashes), span_of(row->p + at, n))) {
        tile_fault(t, tile, "a tile does not hold the hashes of its records");
        return false;
    }
    return true;
}

/* Bundles come first in a walk, with level 0; then the tiles above. */
static void check_all(struct tiles *t, uint64_t size)
{
    struct tile_walk w = tile_walk(0, size);
    struct tile tile;
    bool going = true;

    while (going && tile_walk_next(&w, &tile)) {
        if (tile.entries)
            going = check_bundle(t, &tile);
        else if (tile.level > 0)
            going = check_tile(t, &tile);
    }
}

static uint64_t signed_size(struct span note, const struct note_vkey *key)
{
    struct note_checkpoint c = { 0 };
    struct span text;

    if (note_open(note, key, &text) != NOTE_GOOD || note_checkpoint_parse(text, &c, NULL, NULL) != ERR_OK)
        return 0;
    return c.size;
}

/* "rec.example.com/v1/audit/p_…": the log is what stands behind the last slash. */
static struct span log_of(const struct note_vkey *key)
{
    const char *slash = strrchr(key->name, '/');

    return span_str(slash != NULL ? slash + 1 : key->name);
}

enum err audit_verify_tiles(const struct note_vkey *key, struct span since, audit_read_fn *read, void *ctx,
                            struct audit_result *ret, struct err_info *reterr)
{
    CLEANUP(audit_verify_freep) struct audit_verify *verify = audit_verify_new(log_of(key), key);
    struct tiles t = { .read = read, .ctx = ctx, .verify = verify, .bundle = BUF_INIT(BUNDLE_MAX + 1),
                       .hashes = BUF_INIT(TILE_WIDTH * MERKLE_HASH_LEN + 1), .ret = ret };
    struct buf note = BUF_INIT(NOTE_MAX + 1);
    struct audit_result of_records;
    struct err_info e = { 0 };
    bool failed = verify == NULL;

    *ret = (struct audit_result){ 0 };
    merkle_frontier_init(&t.tree);
    for (size_t i = 0; i < TILE_LEVELS; i++)
        t.row[i] = BUF_INIT(ROW_MAX);
    if (!failed && read(ctx, "checkpoint", &note, &e) == ERR_OK) {
        if (since.n > 0)
            audit_verify_checkpoint(verify, since);
        audit_verify_checkpoint(verify, buf_span(&note));
        check_all(&t, signed_size(buf_span(&note), key));
    }
    failed = failed || audit_verify_no_memory(verify);
    if (!failed)
        audit_verify_finish(verify, &of_records);
    if (!failed && ret->verdict == AUDIT_GOOD)
        *ret = of_records;
    for (size_t i = 0; i < TILE_LEVELS; i++) {
        failed = failed || t.row[i].failed;
        buf_deinit(&t.row[i]);
    }
    buf_deinit(&note);
    buf_deinit(&t.bundle);
    buf_deinit(&t.hashes);
    return failed ? ERR_RAISE(reterr, ERR_NOMEM, "no memory for a log of this size") : ERR_OK;
}
