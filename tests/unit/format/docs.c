/* The hex examples of docs/formats/tree.md and ipc.md mean what the pages say, and are what the code writes. */
#include "test.h"

#include <ctype.h>
#include <string.h>

#include "base/hex.h"
#include "base/tree.h"
#include "format/ipc.h"

#define FRAME_HEADER 16 /* loop/channel.h; format/ does not know loop/ */

/* The code block number n (from 0) after the line "## Example", its white space dropped, as bytes. */
static void example(const char *page, int n, struct buf *out)
{
    struct buf doc, text = BUF_INIT(8192);
    const char *at, *end = NULL;
    size_t got = 0;

    test_read_file(test_source(page), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    for (int i = 0; i <= n; i++) {
        assert_non_null(at);
        at = strstr(at, "```\n");
        assert_non_null(at);
        end = strstr(at + 4, "```");
        assert_non_null(end);
        if (i < n)
            at = end + 3;
    }
    for (const char *p = at + 4; p < end; p++) {
        if (!isspace((unsigned char) *p))
            buf_add_c(&text, *p);
    }
    *out = BUF_INIT(4096);
    assert_true(hex_parse(buf_span(&text), buf_reserve(out, 4096), 4096, &got));
    out->n = got;
    buf_deinit(&doc);
    buf_deinit(&text);
}

static void the_tree(void **state)
{
    struct buf doc, ours = BUF_INIT(4096);
    struct tree root, list, child;
    struct span at, text;
    size_t obj, arr;
    int64_t number;

    (void) state;
    example("docs/formats/tree.md", 0, &doc);
    assert_int_equal(doc.n, 89);
    assert_true(tree_check(buf_span(&doc)));
    root = tree_root(buf_span(&doc));
    assert_int_equal(tree_count(root), 3);
    assert_true(tree_get_str(root, "user", &text));
    assert_span_str(text, "ada");
    assert_true(tree_get_int(root, "for", &number));
    assert_int_equal(number, 30);
    assert_true(tree_get(root, "list", &list));
    at = list.payload;
    assert_true(tree_next(&at, &child) && child.tag == TREE_BOOL);
    assert_true(tree_next(&at, &child) && child.tag == TREE_NULL);
    assert_true(tree_next(&at, &child) && child.tag == TREE_NUM);
    assert_span_str(child.payload, "1.5");
    assert_false(tree_next(&at, &child));

    obj = tree_begin(&ours, SPAN_EMPTY, TREE_OBJ);
    tree_add_str(&ours, SPAN("user"), SPAN("ada"));
    tree_add_int(&ours, SPAN("for"), 30);
    arr = tree_begin(&ours, SPAN("list"), TREE_ARR);
    tree_add_bool(&ours, SPAN_EMPTY, true);
    tree_add_null(&ours, SPAN_EMPTY);
    tree_add_num(&ours, SPAN_EMPTY, SPAN("1.5"));
    tree_end(&ours, arr);
    tree_end(&ours, obj);
    assert_span_eq(buf_span(&ours), buf_span(&doc));
    buf_deinit(&ours);
    buf_deinit(&doc);
}

/* Checks the frame's header and gives its body. */
static struct span body_of(const struct buf *frame, enum ipc_type type)
{
    struct rd r = rd_of(buf_span(frame));

    assert_int_equal(rd_u32le(&r), frame->n - FRAME_HEADER);
    assert_int_equal(rd_u16le(&r), type);
    assert_int_equal(rd_u16le(&r), 0);
    assert_int_equal(rd_u64le(&r), 0);
    return span_of(r.p, r.n);
}

static void a_message_without_rows(void **state)
{
    struct ipc_watch_close m;
    struct buf doc, ours = BUF_INIT(64);
    struct arena a;

    (void) state;
    arena_init(&a, 4096);
    example("docs/formats/ipc.md", 0, &doc);
    assert_ok(ipc_decode(IPC_T_WATCH_CLOSE, body_of(&doc, IPC_T_WATCH_CLOSE), &a, &m, NULL));
    assert_int_equal(m.sub, 7);
    ipc_encode(IPC_T_WATCH_CLOSE, &m, &ours);
    assert_span_eq(buf_span(&ours), body_of(&doc, IPC_T_WATCH_CLOSE));
    arena_deinit(&a);
    buf_deinit(&ours);
    buf_deinit(&doc);
}

static void a_message_with_a_row(void **state)
{
    struct buf doc, ours = BUF_INIT(256);
    struct ipc_deny m;
    struct arena a;

    (void) state;
    arena_init(&a, 4096);
    example("docs/formats/ipc.md", 1, &doc);
    assert_ok(ipc_decode(IPC_T_DENY, body_of(&doc, IPC_T_DENY), &a, &m, NULL));
    assert_int_equal(m.seq, 5);
    assert_int_equal(m.rows.n, 1);
    assert_span_str(m.rows.rows[0].jti, "BXqH0cJLlQzHgCOqSMGAMA");
    assert_true(m.rows.rows[0].exp_ms == INT64_C(1793000060000));
    assert_int_equal(m.rows.rows[0].end_code, 4411);
    ipc_encode(IPC_T_DENY, &m, &ours);
    assert_span_eq(buf_span(&ours), body_of(&doc, IPC_T_DENY));
    arena_deinit(&a);
    buf_deinit(&ours);
    buf_deinit(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree),
        cmocka_unit_test(a_message_without_rows),
        cmocka_unit_test(a_message_with_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
