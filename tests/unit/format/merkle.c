/* RFC 6962 trees: published vectors, every proof of small trees, damage. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "format/merkle.h"

/* The eight leaves that Certificate Transparency tests use, and the roots of the trees over the first 0 to 8. */
static const char *const leaves_hex[8] = { "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                           "606162636465666768696a6b6c6d6e6f" };
static const char *const roots_hex[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static struct merkle_hash from_hex(const char *s)
{
    struct merkle_hash h;
    size_t n;

    assert_true(hex_parse(span_str(s), h.b, sizeof(h.b), &n));
    assert_int_equal(n, 32);
    return h;
}

/* Every perfect subtree of a growing tree, kept apart from the frontier. */
struct nodes {
    struct merkle_hash h[16][2048];
    uint64_t seen;
};

static void keep(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    struct nodes *n = ctx;

    assert_true(level < 16 && index < 2048);
    n->h[level][index] = *hash;
    n->seen++;
}

static enum err read_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err_info *reterr)
{
    (void) reterr;
    *ret = ((struct nodes *) ctx)->h[level][index];
    return ERR_OK;
}

/* RFC 6962 2.1 word for word, sharing nothing with the code under test but the two hashes. */
static struct merkle_hash reference_root(const struct merkle_hash *leaf, uint64_t n)
{
    uint64_t k = 1;
    struct merkle_hash l, r;

    if (n == 0)
        return merkle_empty();
    if (n == 1)
        return leaf[0];
    while (k * 2 < n)
        k *= 2;
    l = reference_root(leaf, k);
    r = reference_root(leaf + k, n - k);
    return merkle_node(&l, &r);
}

static void roots_of_the_ct_vectors(void **state)
{
    struct merkle_frontier f;

    (void) state;
    merkle_frontier_init(&f);
    for (size_t i = 0; i <= 8; i++) {
        struct merkle_hash want = from_hex(roots_hex[i]), got = merkle_root(&f), leaf;
        uint8_t bytes[16];
        size_t n;

        assert_span_eq(SPAN_OF(got.b), SPAN_OF(want.b));
        if (i == 8)
            break;
        assert_true(hex_parse(span_str(leaves_hex[i]), bytes, sizeof(bytes), &n));
        leaf = merkle_leaf(span_of(bytes, n));
        assert_ok(merkle_append(&f, &leaf, NULL, NULL, NULL));
    }
}

static void every_proof_of_small_trees_verifies(void **state)
{
    enum { N = 130 };
    static struct nodes nodes;
    static struct merkle_hash leaf[N], roots[N + 1];
    struct merkle_frontier f;
    struct merkle_proof p;

    (void) state;
    merkle_frontier_init(&f);
    roots[0] = merkle_root(&f);
    for (size_t i = 0; i < N; i++) {
        leaf[i] = merkle_leaf(span_of(&i, sizeof(i)));
        assert_ok(merkle_append(&f, &leaf[i], keep, &nodes, NULL));
        roots[i + 1] = merkle_root(&f);
    }
    for (uint64_t size = 0; size <= N; size++) {
        struct merkle_hash ref = reference_root(leaf, size), at;

        assert_true(merkle_eq(&roots[size], &ref));
        assert_ok(merkle_root_at(size, read_node, &nodes, &at, NULL));
        assert_true(merkle_eq(&at, &ref));
        for (uint64_t i = 0; i < size; i++) {
            assert_ok(merkle_prove_inclusion(i, size, read_node, &nodes, &p, NULL));
            assert_true(merkle_verify_inclusion(i, size, &leaf[i], &roots[size], p.hash, p.n));
            assert_false(merkle_verify_inclusion(i, size, &leaf[(i + 1) % N], &roots[size], p.hash, p.n));
            if (p.n > 0) {
                p.hash[i % p.n].b[i % 32] ^= (uint8_t) (1u << i % 8);
                assert_false(merkle_verify_inclusion(i, size, &leaf[i], &roots[size], p.hash, p.n));
                assert_false(merkle_verify_inclusion(i, size, &leaf[i], &roots[size], p.hash, p.n - 1));
            }
        }
        for (uint64_t old = 1; old <= size; old++) {
            assert_ok(merkle_prove_consistency(old, size, read_node, &nodes, &p, NULL));
            assert_true(merkle_verify_consistency(old, size, &roots[old], &roots[size], p.hash, p.n));
            assert_false(merkle_verify_consistency(old, size, &roots[old - 1], &roots[size], p.hash, p.n));
            if (p.n > 0) {
                p.hash[old % p.n].b[size % 32] ^= (uint8_t) (1u << old % 8);
                assert_false(merkle_verify_consistency(old, size, &roots[old], &roots[size], p.hash, p.n));
                assert_false(merkle_verify_consistency(old, size, &roots[old], &roots[size], p.hash, p.n - 1));
            }
        }
    }
    assert_err(merkle_prove_inclusion(5, 5, read_node, &nodes, &p, NULL), ERR_INVAL);
    assert_err(merkle_prove_consistency(6, 5, read_node, &nodes, &p, NULL), ERR_INVAL);
}

static void a_frontier_survives_its_bytes(void **state)
{
    struct merkle_frontier f, g;
    struct buf b = BUF_INIT(4096);

    (void) state;
    merkle_frontier_init(&f);
    for (uint64_t i = 0; i < 300; i++) {
        struct merkle_hash leaf = merkle_leaf(span_of(&i, sizeof(i))), x, y;

        buf_reset(&b);
        merkle_frontier_encode(&f, &b);
        assert_true(merkle_frontier_decode(buf_span(&b), &g));
        x = merkle_root(&f);
        y = merkle_root(&g);
        assert_true(f.size == g.size && merkle_eq(&x, &y));
        assert_false(merkle_frontier_decode(span_sub(buf_span(&b), 0, b.n - 1), &g));
        buf_add_c(&b, 0);
        assert_false(merkle_frontier_decode(buf_span(&b), &g));
        assert_ok(merkle_append(&f, &leaf, NULL, NULL, NULL));
    }
    f.size = (UINT64_C(1) << MERKLE_LEVELS) - 1;
    assert_err(merkle_append(&f, &f.node[0], NULL, NULL, NULL), ERR_LIMIT);
    buf_deinit(&b);
}

/* ---- transparency-dev/merkle's test data ---- */

struct tally {
    bool consistency;
    size_t n, good;
};

static bool hash_member(struct json_value o, const char *name, struct merkle_hash *ret)
{
    struct json_value v;
    size_t n;

    assert_true(json_find(o, name, &v));
    *ret = (struct merkle_hash){ { 0 } };
    return v.type == JSON_STRING && base64_parse(v.raw, ret->b, sizeof(ret->b), &n); /* some roots say "don't care" */
}

static uint64_t u64_member(struct json_value o, const char *name)
{
    struct json_value v;

    assert_true(json_find(o, name, &v));
    return strtoull((const char *) v.raw.p, NULL, 10);
}

static void probe(const char *path, void *ctx)
{
    struct tally *t = ctx;
    struct json_value o, v;
    struct json_iter it;
    struct merkle_hash a, b, proof[256];
    struct buf file;
    bool form, good;
    size_t n_proof = 0;

    test_read_file(path, &file);
    o = json_value(buf_span(&file));
    form = hash_member(o, t->consistency ? "root1" : "leafHash", &a);
    form = hash_member(o, t->consistency ? "root2" : "root", &b) && form;
    assert_true(json_find(o, "proof", &v));
    for (it = json_iter(v); json_next(&it, &v);) {
        size_t n;

        assert_true(n_proof < 256);
        form = base64_parse(v.raw, proof[n_proof++].b, 32, &n) && n == 32 && form;
    }
    if (t->consistency)
        good = merkle_verify_consistency(u64_member(o, "size1"), u64_member(o, "size2"), &a, &b, proof, n_proof);
    else
        good = merkle_verify_inclusion(u64_member(o, "leafIdx"), u64_member(o, "treeSize"), &a, &b, proof, n_proof);
    assert_true(json_find(o, "wantErr", &v));
    if ((form && good) != (v.type == JSON_FALSE))
        fail_msg("%s: %s", path, good ? "verified" : "refused");
    t->n++;
    t->good += form && good;
    buf_deinit(&file);
}

static void published_probes(void **state)
{
    const char *root = test_shared("tlog_merkle/merkle");
    struct tally t = { 0 };

    (void) state;
    if (root == NULL)
        skip();
    for (int k = 0; k < 2; k++) {
        static const char *const dirs[] = { "0", "1", "2", "3", "4", "additional", "single-entry" };

        t.consistency = k == 1;
        for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
            char path[4096];

            (void) snprintf(path, sizeof(path), "%s/%s/%s", root, k == 1 ? "consistency" : "inclusion", dirs[i]);
            (void) test_each_file(path, ".json", probe, &t);
        }
    }
    print_message("%zu probes, %zu of them good\n", t.n, t.good);
    assert_true(t.n > 100 && t.good >= 8);
}

/* Reads n nodes, then fails. */
struct failing {
    struct nodes *nodes;
    unsigned left;
};

static enum err read_some(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err_info *reterr)
{
    struct failing *f = ctx;

    return f->left-- == 0 ? ERR_RAISE(reterr, ERR_IO, "no more") : read_node(f->nodes, level, index, ret, reterr);
}

static void a_node_that_cannot_be_read(void **state)
{
    enum { N = 23 };
    static struct nodes nodes;
    struct merkle_frontier f;
    struct merkle_proof p;
    struct merkle_hash h;

    (void) state;
    merkle_frontier_init(&f);
    for (size_t i = 0; i < N; i++) {
        h = merkle_leaf(span_of(&i, sizeof(i)));
        assert_ok(merkle_append(&f, &h, keep, &nodes, NULL));
    }
    for (uint64_t at = 0; at <= N; at++) {
        for (unsigned left = 0;; left++) {
            struct failing a = { &nodes, left }, b = { &nodes, left }, c = { &nodes, left };
            enum err root = merkle_root_at(at, read_some, &a, &h, NULL);
            enum err in = at == N ? ERR_OK : merkle_prove_inclusion(at, N, read_some, &b, &p, NULL);
            enum err part = merkle_prove_consistency(at, N, read_some, &c, &p, NULL);

            assert_true(root == ERR_OK || root == ERR_IO);
            assert_true(in == ERR_OK || in == ERR_IO);
            assert_true(part == ERR_OK || part == ERR_IO);
            if (root == ERR_OK && in == ERR_OK && part == ERR_OK)
                break;
            assert_true(left < 64);
        }
    }
    assert_ok(merkle_prove_consistency(0, N, read_node, &nodes, &p, NULL));
    assert_int_equal(p.n, 0);
}

static void sizes_beyond_the_tree(void **state)
{
    const uint64_t over = UINT64_C(1) << MERKLE_LEVELS;
    struct merkle_hash a = merkle_empty(), b = a;
    struct merkle_frontier f;
    struct merkle_proof p;
    struct buf bytes = BUF_INIT(4096);

    (void) state;
    buf_u64le(&bytes, over);
    assert_false(merkle_frontier_decode(buf_span(&bytes), &f));
    assert_err(merkle_prove_inclusion(0, over, read_node, NULL, &p, NULL), ERR_INVAL);
    assert_err(merkle_prove_consistency(0, over, read_node, NULL, &p, NULL), ERR_INVAL);
    b.b[0] ^= 1;
    assert_true(merkle_verify_consistency(0, 0, &a, &a, NULL, 0));
    assert_false(merkle_verify_consistency(0, 0, &b, &b, NULL, 0)); /* one root only has the empty tree */
    assert_false(merkle_verify_consistency(0, 0, &a, &b, NULL, 0));
    assert_false(merkle_verify_consistency(0, 0, &a, &a, &b, 1));
    assert_true(merkle_verify_consistency(3, 3, &b, &b, NULL, 0));
    assert_false(merkle_verify_consistency(0, 3, &a, &b, NULL, 0));
    assert_false(merkle_verify_consistency(4, 3, &a, &b, NULL, 0));
    assert_false(merkle_verify_consistency(3, 4, &a, &b, NULL, 0)); /* a proof of nothing */
    assert_false(merkle_verify_consistency(2, 4, &a, &a, NULL, 0));
    assert_false(merkle_verify_inclusion(0, 0, &a, &a, NULL, 0));
    assert_false(merkle_verify_inclusion(0, 1, &a, &a, &b, 1));
    buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_of_the_ct_vectors),
        cmocka_unit_test(every_proof_of_small_trees_verifies),
        cmocka_unit_test(a_frontier_survives_its_bytes),
        cmocka_unit_test(published_probes),
        cmocka_unit_test(a_node_that_cannot_be_read),
        cmocka_unit_test(sizes_beyond_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
