/* The examples of docs/formats/tree.md, ipc.md, key.md, act.md, hook.md, wrap.md and of tiles in audit.md mean what the pages say, and are what the
 * code writes. (Those of other pages are read by the tests of their code.) */
#include "test.h"

#include <ctype.h>
#include <string.h>

#include "base/hex.h"
#include "base/tree.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/act.h"
#include "format/hook.h"
#include "format/ipc.h"
#include "format/key.h"
#include "format/merkle.h"
#include "format/tile.h"
#include "format/wrap.h"

#define FRAME_HEADER 16 /* loop/channel.h; format/ does not know loop/ */

/* The code block number n (from 0) after the line "## Example", without the last newline. */
static void block(const char *page, int n, struct buf *out)
{
    struct buf doc;
    const char *at, *end = NULL;

    test_read_file(test_source(page), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    for (int i = 0; i <= n; i++) {
        assert_non_null(at);
        at = strstr(at, "\n```");
        assert_non_null(at);
        at = strchr(at + 4, '\n'); /* behind the word for its language */
        assert_non_null(at);
        end = strstr(at, "\n```");
        assert_non_null(end);
        if (i < n)
            at = end + 4;
    }
    *out = BUF_INIT(65536);
    buf_add(out, at + 1, (size_t) (end - at - 1));
    buf_deinit(&doc);
}

/* The same as bytes: hex, its white space dropped. */
static void example(const char *page, int n, struct buf *out)
{
    struct buf doc, text = BUF_INIT(8192);
    size_t got = 0;

    block(page, n, &doc);
    for (size_t i = 0; i < doc.n; i++) {
        if (!isspace(doc.p[i]))
            buf_add_c(&text, (char) doc.p[i]);
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

/* RFC 7515 A.3. */
static void rfc_key(uint8_t pub[ES256_PUB_LEN])
{
    assert_true(base64url_parse_exact(SPAN("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), pub, 32));
    assert_true(base64url_parse_exact(SPAN("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), pub + 32, 32));
}

static void a_key(void **state)
{
    static const char *const envs[] = { "prod" };
    const struct key_audience audience = { "https://rec.example.com", "https://rec.example.com/v1/replay", envs, 1 };
    struct buf doc, ours = BUF_INIT(4096);
    uint8_t pub[ES256_PUB_LEN];
    struct key_ring ring = { .n = 0 };
    struct secret *none = NULL;
    char kid[KEY_KID_LEN + 1];
    struct key_claims c;
    const char *cause = "";

    (void) state;
    block("docs/formats/key.md", 0, &doc);
    rfc_key(pub);
    assert_ok(key_ring_add(&ring, pub, &none, NULL));
    assert_int_equal(key_check(buf_span(&doc), &ring, &audience, INT64_C(1793000119999), &c, NULL, &cause), KEY_OK);
    assert_int_equal(key_check(buf_span(&doc), &ring, &audience, INT64_C(1793000120000), &c, NULL, &cause), KEY_EXPIRED);
    assert_string_equal(c.rid, "r_2Dz2Sr-SnSlnd8aT");
    assert_true(c.scope == KEY_SCOPE_PLAY && c.gen == 3 && c.wend == 1793003600);
    key_kid(pub, kid);
    assert_ok(key_write(&c, kid, &ours, NULL));
    assert_true(doc.n == 726 && span_starts(buf_span(&doc), buf_cstr(&ours)) && doc.p[ours.n] == '.');
    key_ring_deinit(&ring);
    buf_deinit(&doc);
    buf_deinit(&ours);
}

/* "Name: value" of the page's blocks. */
static struct span after(const struct buf *doc, const char *name)
{
    struct span rest = buf_span(doc), line;

    while (rest.n > 0) {
        (void) span_cut(rest, '\n', &line, &rest);
        if (span_starts(line, name))
            return span_trim(span_sub(line, strlen(name), line.n));
    }
    fail_msg("no %s in the example", name);
    return SPAN_EMPTY;
}

static void an_act(void **state)
{
    struct act a = { .act = SPAN("request_approve"), .digest = SPAN("tfdOjQFZ1DGnIDfV4B6bP5k8MfcVKv37l1G2bYkbM0U"),
                     .htu = SPAN("https://rec.example.com/v1/requests/q_P_52yi_zKORYBdCS/approve"), .iat = 1793000000,
                     .id = SPAN("q_P_52yi_zKORYBdCS") };
    struct buf payload, header, input = BUF_INIT(4096), plain = BUF_INIT(4096);
    struct es256_verifier *key = NULL;
    uint8_t pub[ES256_PUB_LEN];
    char hash[ACT_HASH_LEN + 1], jkt[KEY_JKT_LEN + 1];
    struct span head, body;
    struct act_header h;
    size_t n;

    (void) state;
    block("docs/formats/act.md", 0, &payload);
    block("docs/formats/act.md", 1, &header);
    rfc_key(pub);
    key_jkt(pub, jkt);
    a.jkt = span_str(jkt);
    assert_ok(es256_verifier_new(pub, &key, NULL));
    assert_ok(act_input(&a, &input, NULL));
    assert_true(span_cut(buf_span(&input), '.', &head, &body));
    assert_true(base64url_parse(body, buf_reserve(&plain, 4096), 4096, &n));
    plain.n = n;
    assert_span_eq(buf_span(&plain), buf_span(&payload));
    assert_true(act_header_parse(after(&header, "Keyhole-Act:"), &h));
    assert_int_equal(act_verify(&a, &h, key, 1793000000), ACT_OK);
    assert_ok(act_hash(&a, &h, NULL, hash, NULL));
    assert_span_str(after(&header, "act:"), hash);
    es256_verifier_free(key);
    buf_deinit(&payload);
    buf_deinit(&header);
    buf_deinit(&input);
    buf_deinit(&plain);
}

static void a_notice(void **state)
{
    struct hook_header headers[3];
    struct hook_once once;
    struct hook_delivery d = { .headers = headers, .n_headers = 3 };
    struct buf doc;
    struct span secret;

    (void) state;
    block("docs/formats/hook.md", 0, &doc);
    secret = after(&doc, "key");
    for (size_t i = 0; i + 6 < secret.n; i++) {
        if (memcmp(secret.p + i, "whsec_", 6) == 0)
            secret = span_sub(secret, i, secret.n);
    }
    headers[0] = (struct hook_header){ SPAN("webhook-id"), after(&doc, "id") };
    headers[1] = (struct hook_header){ SPAN("webhook-timestamp"), after(&doc, "timestamp") };
    headers[2] = (struct hook_header){ SPAN("webhook-signature"), after(&doc, "signature") };
    d.raw = after(&doc, "body");
    assert_int_equal(hook_check(HOOK_STANDARD, secret, &d, INT64_C(1700000000000), &once), HOOK_OK);
    assert_true(once.n >= 1 && strcmp(once.id[0], "id:msg_1") == 0);
    d.raw.n--;
    assert_int_equal(hook_check(HOOK_STANDARD, secret, &d, INT64_C(1700000000000), &once), HOOK_FORGED);
    buf_deinit(&doc);
}

static void a_wrap(void **state)
{
    static const struct wrap_name name = { WRAP_RK, { (const uint8_t *) "r_2Dz2Sr-SnSlnd8aT", 18 }, { (const uint8_t *) "p_zNe2lKL4dQxW8s0b", 18 }, 3 };
    CLEANUP(secret_freep) struct secret *epoch = NULL;
    CLEANUP(secret_freep) struct secret *key = NULL;
    uint8_t private[32], want[32], pub[BOX_PUB_LEN], p[128];
    struct buf plain, wrap;

    (void) state;
    for (uint8_t i = 0; i < 32; i++) {
        private[i] = i;
        want[i] = (uint8_t) (128 + i);
    }
    example("docs/formats/wrap.md", 0, &plain);
    example("docs/formats/wrap.md", 1, &wrap);
    epoch = secret_new(sizeof(private));
    assert_non_null(epoch);
    memcpy(secret_bytes(epoch), private, sizeof(private));
    assert_true(box_public(epoch, pub));
    assert_int_equal(wrap.n, WRAP_RK_LEN);
    assert_ok(wrap_open(buf_span(&wrap), &name, epoch, pub, &key, NULL));
    assert_span_eq(secret_span(key), SPAN_OF(want));
    assert_true(box_open(epoch, pub, buf_span(&wrap), p));
    assert_span_eq(span_of(p, wrap.n - BOX_OVERHEAD), buf_span(&plain));
    buf_deinit(&plain);
    buf_deinit(&wrap);
}

/* Three leaves as tile and as bundle. Blocks: hashes and root, leaves, key, note, the bundle's hash. */
static void a_tile_and_a_bundle(void **state)
{
    const struct tile tile = { false, 0, 0, 3 }, entries = { true, 0, 0, 3 };
    struct buf hashes, leaves, sum, bundle = BUF_INIT(65536);
    char path[TILE_PATH_CAP];
    struct span rest, leaf, at;
    struct merkle_hash mh;
    uint8_t h[32];

    (void) state;
    example("docs/formats/audit.md", 0, &hashes);
    block("docs/formats/audit.md", 1, &leaves);
    example("docs/formats/audit.md", 4, &sum);
    rest = buf_span(&leaves);
    for (size_t i = 0; i < 3; i++) {
        (void) span_cut(rest, '\n', &leaf, &rest);
        mh = merkle_leaf(leaf);
        assert_span_eq(SPAN_OF(mh.b), span_sub(buf_span(&hashes), 32 * i, 32));
        assert_ok(tile_entry_add(&bundle, leaf, NULL));
    }
    sha256(buf_span(&bundle), h);
    assert_span_eq(SPAN_OF(h), buf_span(&sum));
    at = buf_span(&bundle);
    rest = buf_span(&leaves);
    while (tile_entry_next(&at, &leaf)) {
        struct span line;

        (void) span_cut(rest, '\n', &line, &rest);
        assert_span_eq(leaf, line);
    }
    assert_int_equal(at.n, 0);
    tile_path(&tile, path);
    assert_string_equal(path, "0/000.p/3");
    tile_path(&entries, path);
    assert_string_equal(path, "entries/000.p/3");
    assert_true(tile_is_in(&tile, 3) && tile_is_in(&entries, 3));
    buf_deinit(&hashes);
    buf_deinit(&leaves);
    buf_deinit(&sum);
    buf_deinit(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree),
        cmocka_unit_test(a_message_without_rows),
        cmocka_unit_test(a_message_with_a_row),
        cmocka_unit_test(a_key),
        cmocka_unit_test(an_act),
        cmocka_unit_test(a_notice),
        cmocka_unit_test(a_wrap),
        cmocka_unit_test(a_tile_and_a_bundle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
