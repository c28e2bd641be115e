/*
 * Audit leaves of any content. The input is cut at zero bytes into the texts of a leaf and its facts. Whatever they are, a leaf that is
 * written is one line of JSON with its members once and in order (STANDARDS 3.2, threat A24); a fact's disclosure is one line of JSON that gives the value back.
 */
#include "codec/json.h"
#include "format/leaf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

static struct span next(struct span *rest)
{
    struct span text = SPAN_EMPTY;

    (void) span_cut(*rest, 0, &text, rest);
    return text;
}

static struct json_limits limits(size_t bytes)
{
    return (struct json_limits){ .bytes = bytes, .depth = 4, .members = 200, .string = bytes, .refuse_nul = true };
}

/* One line: a reader that takes a record for each line sees exactly one. No controls, DEL, C1 or bidirectional controls either. */
static void one_line(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        MUST(text.p[i] >= 0x20 && text.p[i] != 0x7f);
        MUST(text.p[i] != 0xc2 || i + 1 >= text.n || text.p[i + 1] >= 0xa0);
        MUST(text.p[i] != 0xe2 || i + 2 >= text.n || text.p[i + 1] != 0x80 || text.p[i + 2] < 0xaa || text.p[i + 2] > 0xae);
    }
}

static void check_fact(const struct leaf *l, size_t k, struct span value)
{
    struct json_limits lim = limits(LEAF_DISCLOSURE_MAX);
    struct buf text = BUF_INIT(LEAF_DISCLOSURE_MAX + 1), tree = BUF_INIT(4u << 20);
    struct tree third;
    struct span at, got;

    if (leaf_disclose(l, k, &text, NULL, NULL) == ERR_OK) {
        one_line(buf_span(&text));
        lim.refuse_nul = false;
        MUST(json_parse(buf_span(&text), &lim, &tree, NULL));
        at = tree_root(buf_span(&tree)).payload;
        MUST(tree_next(&at, &third) && tree_next(&at, &third) && tree_next(&at, &third) && tree_str(third, &got));
        MUST(span_eq(got, value));
    }
    buf_deinit(&text);
    buf_deinit(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size), who, value;
    struct leaf l = { .log = SPAN("p_zNe2lKL4dQxW8s0b"), .t = 1793000000000, .type = LEAF_REQUEST_CREATED };
    const uint8_t salt[LEAF_SALT_LEN] = { 1 };
    struct json_limits lim = limits(LEAF_MAX);
    struct buf out = BUF_INIT(65536);

    if (size > 0)
        l.type = (enum leaf_type)(data[0] % LEAF_N_TYPES);
    l.actor = next(&rest);
    l.q = next(&rest);
    l.gid = next(&rest);
    l.rid = next(&rest);
    l.obj = next(&rest);
    l.outcome = next(&rest);
    l.digest = next(&rest);
    l.note = next(&rest);
    who = next(&rest);
    value = next(&rest);
    (void) leaf_add_number(&l, "size", (int64_t) size);
    if (!leaf_add_fact(&l, "reason", value, who, salt))
        return 0;
    if (leaf_write(&l, &out, NULL) == ERR_OK) {
        one_line(buf_span(&out));
        MUST(json_check(buf_span(&out), &lim, NULL));
    } else {
        MUST(out.n == 0);
    }
    if (l.n_facts > 0)
        check_fact(&l, 0, value);
    buf_deinit(&out);
    return 0;
}
