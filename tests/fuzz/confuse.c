/* Configuration text: whatever it is, the result is a checked tree or an error with its line; and the next text reads. */
#include "codec/confuse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = { "low", "normal", NULL };
static const struct confuse_opt inner[] = {
    { "min", CONFUSE_INT, .min = 1, .max = 9 }, { "each", CONFUSE_DURATION }, { 0 }
};
static const struct confuse_opt rule[] = {
    { "who", CONFUSE_STRS },
    { "class", CONFUSE_ENUMS, .words = words },
    { "effect", CONFUSE_ENUM, .words = words },
    { "group", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = inner },
    { "one", CONFUSE_SECTION, .opts = inner },
    { 0 },
};
static const struct confuse_opt root[] = {
    { "rule", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = rule },
    { "many", CONFUSE_SECTION, CONFUSE_MULTI, .opts = inner },
    { "titled", CONFUSE_SECTION, CONFUSE_TITLE, .opts = inner },
    { "tls", CONFUSE_SECTION, .opts = rule },
    { "dir", CONFUSE_STR },
    { "env", CONFUSE_STRS },
    { "cache", CONFUSE_BYTES },
    { "debug", CONFUSE_BOOL },
    { 0 },
};

/* The text of any file is what follows the first NUL of the input: includes of everything by everything. */
static enum err read_rest(void *ctx, const char *path, struct buf *text, struct err_info *reterr)
{
    (void) path;
    (void) reterr;
    buf_add_span(text, *(struct span *) ctx);
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span first, rest;
    struct confuse_source src = { .name = "dir/fuzz", .max_bytes = 4096, .read = read_rest, .ctx = &rest };
    struct confuse_source good = { .name = "good", .text = SPAN("debug = yes"), .max_bytes = 4096 };
    struct buf tree = BUF_INIT(1 << 20);
    struct err_info e;

    (void) span_cut(span_of(data, size), '\0', &first, &rest);
    src.text = first;
    if (confuse_load(&src, root, &tree, &e) == ERR_OK) {
        if (!tree_check(buf_span(&tree)))
            abort();
    } else if (tree.n != 0 || e.text[0] == '\0') {
        abort();
    }
    buf_reset(&tree);
    if (confuse_load(&good, root, &tree, &e) != ERR_OK || tree_count(tree_root(buf_span(&tree))) != 1)
        abort();
    buf_deinit(&tree);
    return 0;
}
