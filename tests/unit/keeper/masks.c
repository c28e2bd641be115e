/* Masking rules of a project: set, shown, recorded, sent to the gate; what uploaders state passes them; errors name the line. */
#include <stdio.h>

#include "codec/jsonw.h"
#include "codec/mask.h"
#include "crypto/hash.h"
#include "house.h"
#include "keeper/cmd.h"

static struct house h;

static int begin(void **state)
{
    struct reply r;

    (void) state;
    house_open(&h, house_preset("team"), true);
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL, "{\"name\":\"store\"}"); /* the demo's own has rules */
    assert_reply(&h, r, 201, "");
    return 0;
}

static int end(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

/* As the gate sends it: the tree beside the text. */
static struct reply put(const char *token, enum route_id route, const char *id, const char *text, const char *sample)
{
    struct buf tree = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct err_info e = { 0 };
    struct jsonw w;
    struct reply r;

    jsonw_init(&w, &json);
    jsonw_obj(&w);
    if (text != NULL) {
        assert_ok_err(mask_rules_parse(span_str(text), &tree, &e), &e);
        jsonw_kcstr(&w, "text", text);
        jsonw_ktree(&w, "tree", tree_root(buf_span(&tree)));
    }
    if (sample != NULL)
        jsonw_kcstr(&w, "sample", sample);
    jsonw_obj_end(&w);
    r = house_call(&h, token, route, id, NULL, buf_cstr(&json));
    buf_deinit(&tree);
    buf_deinit(&json);
    return r;
}

static struct reply get(void)
{
    return house_call(&h, h.admin, ROUTE_mask_get, "store", NULL, NULL);
}

static void setting(void **state)
{
    struct reply r = get();
    char first[64];

    (void) state;
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "reveal"), "drop");
    assert_int_equal(reply_int(&r, "patterns"), MASK_PATTERNS);
    assert_int_equal(reply_int(&r, "version"), 0);
    (void) snprintf(first, sizeof(first), "%s", reply_str(&h, &r, "hash"));

    house_forget(&h);
    r = put(h.admin, ROUTE_mask_put, "store", "reveal = keep\npatterns = { email }\nown \"staff\" { pattern = \"EMP-[0-9]{6}\" }", NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "reveal"), "keep");
    assert_string_equal(reply_str(&h, &r, "patterns.0"), "email");
    assert_string_equal(reply_str(&h, &r, "own.0"), "staff");
    assert_int_equal(reply_int(&r, "version"), 1);
    assert_string_not_equal(reply_str(&h, &r, "hash"), first);
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 1);
    assert_int_equal(house_leaves_with(&h, "project.changed", "\"n\":{\"masks\":1"), 1);
    assert_int_equal(house_leaves_with(&h, "project.changed", reply_str(&h, &r, "hash")), 1);

    r = put(h.admin, ROUTE_mask_put, "store", "", NULL); /* back to the default */
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "hash"), first);
    assert_int_equal(reply_int(&r, "patterns"), MASK_PATTERNS);
    assert_int_equal(reply_int(&r, "version"), 2);
    house_restart(&h);
    r = get();
    assert_int_equal(reply_int(&r, "version"), 2);
}

static void refusals(void **state)
{
    struct reply r = put(h.admin, ROUTE_mask_put, "store", "\n\nown \"x\" { pattern = \"(a\" }", NULL);

    (void) state;
    assert_reply(&h, r, 422, "masks-invalid");
    assert_int_equal(reply_int(&r, "line"), 3);
    assert_non_null(strstr(reply_str(&h, &r, "cause"), "pattern of 'x'"));
    assert_int_equal(house_leaves(&h, "project.changed", "masks-invalid"), 1);
    r = get();
    assert_int_equal(reply_int(&r, "version"), 0);
    r = put(house_login(&h, "engineer"), ROUTE_mask_put, "store", "", NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = put(h.admin, ROUTE_mask_put, "nowhere", "", NULL);
    assert_reply(&h, r, 404, "not-found");
}

static void trying(void **state)
{
    struct reply r = put(h.admin, ROUTE_masks_test, NULL, NULL, "Über jane@example.com und 4111 1111 1111 1111");

    (void) state;
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "masked"), "Über **************** und **** **** **** ****");
    assert_string_equal(reply_str(&h, &r, "hits.0.rule"), "email");
    assert_int_equal(reply_int(&r, "hits.0.from"), 5); /* characters */
    assert_int_equal(reply_int(&r, "hits.0.to"), 21);
    assert_int_equal(reply_int(&r, "counts"), 2);
    r = put(h.admin, ROUTE_masks_test, NULL, "patterns = { card }", "jane@example.com");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "masked"), "jane@example.com");
    r = put(house_login(&h, "engineer"), ROUTE_masks_test, NULL, NULL, "x");
    assert_reply(&h, r, 403, "forbidden");
}

/* What takes out less, or keeps more, waits for the second administrator; what is stricter does not. */
static void looser_rules_wait(void **state)
{
    const char *second, *id;
    struct reply r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL,
                                "{\"name\":\"second\",\"password\":\"" HOUSE_PASSWORD "\",\"groups\":[\"admins\"]}");

    (void) state;
    assert_reply(&h, r, 201, "");
    r = put(h.admin, ROUTE_mask_put, "store", "own \"staff\" { pattern = \"EMP-[0-9]{6}\" }\nrrweb { fields = { \"salary\" } }", NULL);
    assert_reply(&h, r, 200, "");
    house_forget(&h);
    r = put(h.admin, ROUTE_mask_put, "store", "reveal = keep\nown \"staff\" { pattern = \"EMP-[0-9]{6}\" }\nrrweb { fields = { \"salary\" } }", NULL);
    assert_reply(&h, r, 202, "");
    id = reply_str(&h, &r, "id");
    assert_string_equal(reply_str(&h, &r, "touches.0"), "masking");
    assert_true(reply_has(&r, "body.text"));
    assert_false(reply_has(&r, "body.tree"));
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 0);
    r = get();
    assert_string_equal(reply_str(&h, &r, "reveal"), "drop");
    r = put(h.admin, ROUTE_mask_put, "store", "reveal = keep\nown \"x\" { pattern = \"(a\" }", NULL); /* what cannot be used does not wait */
    assert_reply(&h, r, 422, "masks-invalid");
    second = house_login(&h, "second");
    r = house_call(&h, second, ROUTE_change_approve, id, NULL, "{}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "done");
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 1);
    r = get();
    assert_string_equal(reply_str(&h, &r, "reveal"), "keep");
}

/* Begins a recording; the rules go out before the answer. */
static void uploading(void **state)
{
    uint8_t cred[32];
    struct ipc_row_tag tags[] = { { SPAN("who"), SPAN("jane@example.com") }, { SPAN("who"), SPAN("john@example.com") }, { SPAN("card"), SPAN("none") } };
    struct ipc_row_tag links[] = { { SPAN("order"), SPAN("4111111111111111") }, { SPAN("error"), SPAN("0af7651916cd43dd8448eb211c80319c") } };
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .cred = SPAN_OF(cred), .project = SPAN("store"), .title = SPAN("for jane@example.com"),
                                    .tags = { tags, 3 }, .links = { links, 2 } };
    struct ipc_ingest_opened opened;
    struct ipc_end done = { .ok = 1, .kind = SPAN("rrweb"), .events = 1 };
    struct ipc_answer a;
    struct reply r;
    int at_rules = 0, at_answer = 0, at = 0;

    (void) state;
    sha256(span_str(h.admin), cred);
    house_forget(&h);
    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &opened);
    assert_int_equal(opened.status, 0);
    LIST_FOREACH(n, &h.seen)
    {
        const struct out *o = LIST_ENTRY(n, struct out, node);

        at++;
        if (o->type == IPC_T_MASK_RULES && o->to == OUT_CHAN && o->chan == h.chan)
            at_rules = at;
        if (o->type == IPC_T_INGEST_OPENED)
            at_answer = at;
    }
    assert_true(at_rules > 0 && at_answer > at_rules);
    done.rid = opened.rid;
    house_send(&h, IPC_T_END, &done, IPC_T_ANSWER, &a);
    r = house_call(&h, h.admin, ROUTE_recording_get, arena_str(&h.mem, opened.rid), NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "title"), "for ****************");
    assert_null(memmem(r.text.p, r.text.n, "jane", 4));
    assert_null(memmem(r.text.p, r.text.n, "4111", 4));
    assert_non_null(memmem(r.text.p, r.text.n, "0af7651916cd43dd8448eb211c80319c", 32));
    assert_int_equal(reply_int(&r, "links"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(setting, begin, end),
        cmocka_unit_test_setup_teardown(refusals, begin, end),
        cmocka_unit_test_setup_teardown(trying, begin, end),
        cmocka_unit_test_setup_teardown(uploading, begin, end),
        cmocka_unit_test_setup_teardown(looser_rules_wait, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
