/* What a voter sees and its digest: the example of docs/formats/request.md, and every member changed. */
#include "test.h"

#include <stdio.h>

#include "cli/digest.h"
#include "codec/json.h"

#define Q "q_0w3m1Vt9kq5yQpLx"

/* The fenced block of that name. */
static struct span block(struct span doc, const char *name)
{
    char head[64], *from, *to;

    (void) snprintf(head, sizeof(head), "```%s\n", name);
    from = memmem(doc.p, doc.n, head, strlen(head));
    assert_non_null(from);
    from += strlen(head);
    to = memmem(from, doc.n - (size_t) (from - (char *) doc.p), "\n```", 4);
    assert_non_null(to);
    return span_of(from, (size_t) (to - from));
}

static void parse(struct span json, struct buf *tree)
{
    struct json_limits lim = json_limits_control((const uint8_t *) "sixteen letters");
    struct json_error e = { 0 };

    buf_reset(tree);
    if (!json_parse(json, &lim, tree, &e))
        fail_msg("%s", e.text);
}

/* An answer of the API as the server would give it, with the digest object of the document. */
static const char answer_head[] =
    "{\"id\":\"" Q "\",\"requester\":{\"id\":\"u_8zYGTnU-_hqeQ2Lx\",\"name\":\"dana\"},\"project\":\"p_zNe2lKL4dQxW8s0b\","
    "\"env\":\"prod\",\"recordings\":[{\"id\":\"r_2Dz2Sr-SnSlnd8aT\",\"kind\":\"rrweb\",\"title\":\"A \\u001b[31mtitle\","
    "\"duration_ms\":47210},{\"id\":\"r_-9fKq2LmZt4XbVwA\",\"gone\":true}],\"actions\":[\"play\",\"live\"],"
    "\"purpose\":{\"code\":\"support\",\"reason\":\"Customer: \\\"checkout fails after the discount\\\" \\u2013 "
    "Gr\\u00f6\\u00dfe \\u20ac49\",\"ticket\":\"SUP-1482\"},\"duration_s\":1800,\"start\":\"first-use\",\"start_by_s\":28800,"
    "\"viewers\":[{\"id\":\"u_AAAAAAAAAAAAAAAA\",\"name\":\"chris\"}],"
    "\"policy\":\"mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E\",\"digest_object\":";

static void make_answer(struct span object, struct buf *tree)
{
    struct buf json = BUF_INIT(65536);

    buf_add_str(&json, answer_head);
    buf_add_span(&json, object);
    buf_add_c(&json, '}');
    parse(buf_span(&json), tree);
    buf_deinit(&json);
}

static void read_doc(struct buf *doc)
{
    buf_init(doc, 1u << 20);
    test_read_file(test_source("docs/formats/request.md"), doc);
}

static void example(void **state)
{
    struct buf doc, tree = BUF_INIT(65536), text = BUF_INIT(65536);
    char digest[SEEN_DIGEST_LEN + 1];
    struct err_info e = { 0 };
    struct seen seen;

    (void) state;
    read_doc(&doc);
    make_answer(block(buf_span(&doc), "json object"), &tree);
    assert_ok_err(seen_read(tree_root(buf_span(&tree)), SPAN(Q), &seen, &e), &e);
    assert_ok_err(seen_digest(&seen, digest, &e), &e);
    assert_span_eq(span_str(digest), span_trim(block(buf_span(&doc), "text digest")));
    seen_text(&seen, &text);
    assert_span_str(buf_span(&text),
                    "request      " Q "\n"
                    "who          dana (u_8zYGTnU-_hqeQ2Lx)\n"
                    "recording    r_-9fKq2LmZt4XbVwA (gone)\n"
                    "recording    r_2Dz2Sr-SnSlnd8aT rrweb 0:47\n"
                    "             A \\x1b[31mtitle\n"
                    "project      (p_zNe2lKL4dQxW8s0b), env prod\n"
                    "to           live, play\n"
                    "purpose      support\n"
                    "reason       Customer: \"checkout fails after the discount\" – Größe €49\n"
                    "ticket       SUP-1482\n"
                    "for          30m (1800 s)\n"
                    "begins       at first use, within 8h\n"
                    "policy       mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E\n");
    buf_deinit(&text);
    buf_deinit(&tree);
    buf_deinit(&doc);
}

/* Each place of the digest object changed alone: either it is noticed, or another digest comes out. */
static void changed(void **state)
{
    static const struct {
        const char *from, *to;
        bool refused;
    } t[] = {
        { Q, "q_0w3m1Vt9kq5yQpLy", true },
        { "AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODg", false },
        { "\"requester\": \"u_8zYGTnU-_hqeQ2Lx\"", "\"requester\": \"u_8zYGTnU-_hqeQ2Ly\"", true },
        { "p_zNe2lKL4dQxW8s0b", "p_zNe2lKL4dQxW8s0c", true },
        { "\"prod\"", "\"test\"", true },
        { "r_-9fKq2LmZt4XbVwA", "r_-9fKq2LmZt4XbVwB", true },
        { "\"play\"", "\"export\"", true },
        { "\"support\"", "\"debugging\"", true },
        { "checkout", "Checkout", true },
        { "SUP-1482", "SUP-1483", true },
        { "first-use", "approval", true },
        { "28800", "28801", true },
        { "1800", "18000", true },
        { "\"viewers\": [\n  \"u_8zYGTnU-_hqeQ2Lx\"", "\"viewers\": [\n  \"u_8zYGTnU-_hqeQ2Ly\"", false },
        { "\"more\": {}", "\"more\": {\"max\":5}", false },
        { "\"more_time\": {}", "\"more_time\": {\"times\":1}", false },
        { "\"parts\": []", "\"parts\": [1]", false },
        { "\"extends\": \"\"", "\"extends\": \"g_P_52yi_zKORYBdCS\"", false },
        { "mZ3cR1mB8J2y", "mZ3cR1mB8J2z", true },
        { "\"parts\": [],", "", true },                               /* a member less */
        { "\"parts\": [],", "\"parts\": [], \"scope\": \"all\",", true }, /* one that could not be shown */
        { "\"duration_s\": 1800", "\"duration_s\": \"1800\"", true },
    };
    struct buf doc, tree = BUF_INIT(65536);

    (void) state;
    read_doc(&doc);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct span o = block(buf_span(&doc), "json object");
        const char *at = memmem(o.p, o.n, t[i].from, strlen(t[i].from));
        struct buf object = BUF_INIT(65536);
        char digest[SEEN_DIGEST_LEN + 1];
        struct seen seen;
        enum err err;

        assert_non_null(at);
        buf_add(&object, o.p, (size_t) (at - (const char *) o.p));
        buf_add_str(&object, t[i].to);
        buf_add_span(&object, span_sub(o, (size_t) (at - (const char *) o.p) + strlen(t[i].from), o.n));
        make_answer(buf_span(&object), &tree);
        err = seen_read(tree_root(buf_span(&tree)), SPAN(Q), &seen, NULL);
        if (t[i].refused != (err == ERR_CORRUPT))
            fail_msg("%s -> %s: %s", t[i].from, t[i].to, err_name(err));
        if (!t[i].refused) {
            assert_ok(seen_digest(&seen, digest, NULL));
            assert_false(span_eq(span_str(digest), span_trim(block(buf_span(&doc), "text digest"))));
        }
        buf_deinit(&object);
    }
    buf_deinit(&tree);
    buf_deinit(&doc);
}

/* Swaps one part of the document's object for another. */
static void swap(struct buf *text, const char *from, const char *to)
{
    const char *at = memmem(text->p, text->n, from, strlen(from));
    struct buf out = BUF_INIT(65536);
    size_t before;

    assert_non_null(at);
    before = (size_t) (at - (const char *) text->p);
    buf_add(&out, text->p, before);
    buf_add_str(&out, to);
    buf_add_span(&out, span_sub(buf_span(text), before + strlen(from), text->n));
    buf_deinit(text);
    *text = out;
}

/* What is decided beforehand stands in words; what this version does not know as it is. */
static void beforehand(void **state)
{
    static const struct {
        const char *more, *more_time, *want;
    } t[] = {
        { "{\"max\":5,\"same\":\"session\"}", "{\"each_s\":1800,\"times\":2}",
          "more         up to 5 recordings of the same session\nmore_time    2 times 30m (1800 s)\n" },
        { "{\"max\":1,\"same\":\"link\",\"than\":\"these\"}", "{\"each_s\":1800,\"times\":\"many\"}",
          "more         {\"max\":1,\"same\":\"link\",\"than\":\"these\"}\nmore_time    {\"each_s\":1800,\"times\":\"many\"}\n" },
        { "{\"max\":5}", "{}", "more         {\"max\":5}\npolicy" },
    };
    struct buf doc, tree = BUF_INIT(65536);

    (void) state;
    read_doc(&doc);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf object = BUF_INIT(65536), text = BUF_INIT(65536);
        char member[200];
        struct seen seen;

        buf_add_span(&object, block(buf_span(&doc), "json object"));
        (void) snprintf(member, sizeof(member), "\"more\": %s", t[i].more);
        swap(&object, "\"more\": {}", member);
        (void) snprintf(member, sizeof(member), "\"more_time\": %s", t[i].more_time);
        swap(&object, "\"more_time\": {}", member);
        swap(&object, "\"u_8zYGTnU-_hqeQ2Lx\"\n", "\"u_8zYGTnU-_hqeQ2Lx\", \"u_AAAAAAAAAAAAAAAA\", \"u_BBBBBBBBBBBBBBBB\"\n");
        make_answer(buf_span(&object), &tree);
        assert_ok(seen_read(tree_root(buf_span(&tree)), SPAN(Q), &seen, NULL));
        seen_text(&seen, &text);
        if (strstr(buf_cstr(&text), t[i].want) == NULL)
            fail_msg("%s: %s", t[i].want, buf_cstr(&text));
        assert_non_null(strstr(buf_cstr(&text), "viewer       chris (u_AAAAAAAAAAAAAAAA)\n"
                                                "viewer       u_BBBBBBBBBBBBBBBB (u_BBBBBBBBBBBBBBBB)\nrecording"));
        buf_deinit(&text);
        buf_deinit(&object);
    }
    buf_deinit(&tree);
    buf_deinit(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example),
        cmocka_unit_test(changed),
        cmocka_unit_test(beforehand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
