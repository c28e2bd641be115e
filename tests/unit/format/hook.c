/* Signed notices: published vectors, each header missing, each byte flipped, times at their limits, what a notice says. */
#include "test.h"

#include "codec/json.h"
#include "format/hook.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX" /* 24 bytes, 0 to 23 */
#define OTHER     "GBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB"       /* 24 down to 1 */
#define BODY      "{\"ticket\":\"SHOP-7\",\"state\":\"closed\"}"
#define AT        1700000000LL
#define AT_TEXT   "1700000000"
/* computed with Python's hmac */
#define SIGNATURE "XZvDyvBPmmqPy7qwVDadF2aM09e/A4HsHTr3tm2g2mI="
#define BY_OTHER  "crcpMl4zy/M9nGiWveXUXs+VapsAX6awoH5+TtSrXdQ="
#define BY_PLAIN  "kOGURUGyy50C+9jK5XGqUmG+nEMHKm39oKRgyBueDlE=" /* key "a signing token of ours", id "d-1" */

struct sent {
    struct hook_header headers[8];
    struct hook_delivery d;
};

/* "name: value\n…" */
static const struct hook_delivery *sent(struct sent *s, const char *headers, const char *body)
{
    struct span at = span_str(headers), line;
    bool more = at.n > 0;

    *s = (struct sent){ .d = { .headers = s->headers, .raw = span_str(body) } };
    while (more) {
        struct hook_header *h = &s->headers[s->d.n_headers++];

        more = span_cut(at, '\n', &line, &at);
        assert_true(s->d.n_headers <= 8);
        (void) span_cut(line, ':', &h->name, &h->value);
    }
    return &s->d;
}

static enum hook_verdict check(enum hook_format f, const char *secrets, const char *headers, const char *body, time_ms now)
{
    struct hook_once once;
    struct sent s;

    return hook_check(f, span_str(secrets), sent(&s, headers, body), now, &once);
}

static void test_standard(void **state)
{
#define IDS "webhook-id: msg_1\nwebhook-timestamp: " AT_TEXT "\n"
    static const struct {
        const char *name, *secrets, *headers, *body;
        int64_t off_ms;
        enum hook_verdict want;
    } cases[] = {
        { "as it should be", SECRET, IDS "webhook-signature: v1," SIGNATURE, BODY, 0, HOOK_OK },
        { "secret without its prefix", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", IDS "webhook-signature: v1," SIGNATURE, BODY, 0, HOOK_OK },
        { "names in capitals", SECRET, "Webhook-Id: msg_1\nWEBHOOK-TIMESTAMP: " AT_TEXT "\nWebhook-Signature: v1," SIGNATURE, BODY, 0, HOOK_OK },
        { "two secrets, the old one", OTHER "\n\n  " SECRET "  \n", IDS "webhook-signature: v1," SIGNATURE, BODY, 0, HOOK_OK },
        { "two signatures, the second", SECRET, IDS "webhook-signature: v1," BY_OTHER " v1," SIGNATURE, BODY, 0, HOOK_OK },
        { "another version beside it", SECRET, IDS "webhook-signature: v1a," BY_OTHER " v2,x v1," SIGNATURE, BODY, 0, HOOK_OK },
        { "five minutes late", SECRET, IDS "webhook-signature: v1," SIGNATURE, BODY, 300000, HOOK_OK },
        { "and one ms more", SECRET, IDS "webhook-signature: v1," SIGNATURE, BODY, 300001, HOOK_OLD },
        { "five minutes early", SECRET, IDS "webhook-signature: v1," SIGNATURE, BODY, -300000, HOOK_OK },
        { "and one ms more", SECRET, IDS "webhook-signature: v1," SIGNATURE, BODY, -300001, HOOK_OLD },
        { "the right text as another version", SECRET, IDS "webhook-signature: v1a," SIGNATURE, BODY, 0, HOOK_FORGED },
        { "no version", SECRET, IDS "webhook-signature: " SIGNATURE, BODY, 0, HOOK_FORGED },
        { "by another secret", SECRET, IDS "webhook-signature: v1," BY_OTHER, BODY, 0, HOOK_FORGED },
        { "cut", SECRET, IDS "webhook-signature: v1,XZvDyvBPmmqPy7qwVDadF2aM09e/A4HsHTr3tm2g2g==", BODY, 0, HOOK_FORGED },
        { "another body", SECRET, IDS "webhook-signature: v1," SIGNATURE, BODY " ", 0, HOOK_FORGED },
        { "no body", SECRET, IDS "webhook-signature: v1," SIGNATURE, "", 0, HOOK_FORGED },
        { "another id", SECRET, "webhook-id: msg_2\nwebhook-timestamp: " AT_TEXT "\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_FORGED },
        { "another time", SECRET, "webhook-id: msg_1\nwebhook-timestamp: 1700000001\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_FORGED },
        { "forged and old: forged", SECRET, IDS "webhook-signature: v1," BY_OTHER, BODY, 300001, HOOK_FORGED },
        { "no id", SECRET, "webhook-timestamp: " AT_TEXT "\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "an empty id", SECRET, "webhook-id:\nwebhook-timestamp: " AT_TEXT "\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "two ids", SECRET, "webhook-id: msg_1\n" IDS "webhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "a blank in the id", SECRET, "webhook-id: msg 1\nwebhook-timestamp: " AT_TEXT "\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "no time", SECRET, "webhook-id: msg_1\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "a time with a sign", SECRET, "webhook-id: msg_1\nwebhook-timestamp: +" AT_TEXT "\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "a time of 12 digits", SECRET, "webhook-id: msg_1\nwebhook-timestamp: 100000000000\nwebhook-signature: v1," SIGNATURE, BODY, 0, HOOK_MISSING },
        { "no signature", SECRET, IDS, BODY, 0, HOOK_MISSING },
        { "no secret", "", IDS "webhook-signature: v1," SIGNATURE, BODY, 0, HOOK_FORGED },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum hook_verdict v = check(HOOK_STANDARD, cases[i].secrets, cases[i].headers, cases[i].body, AT * 1000 + cases[i].off_ms);

        if (v != cases[i].want)
            fail_msg("%s: %s, wanted %s", cases[i].name, hook_verdict_name(v), hook_verdict_name(cases[i].want));
    }
}

/* Every bit of the body counts, and every character of the signature. */
static void test_each_bit(void **state)
{
    char body[] = BODY, headers[] = IDS "webhook-signature: v1," SIGNATURE;
    size_t sig = sizeof(headers) - 1 - 44;

    (void) state;
    for (size_t i = 0; i < (sizeof(body) - 1) * 8; i++) {
        body[i / 8] = (char) (body[i / 8] ^ (1 << i % 8));
        if (strlen(body) == sizeof(body) - 1)
            assert_int_equal(check(HOOK_STANDARD, SECRET, headers, body, AT * 1000), HOOK_FORGED);
        body[i / 8] = (char) (body[i / 8] ^ (1 << i % 8));
    }
    assert_int_equal(check(HOOK_STANDARD, SECRET, headers, body, AT * 1000), HOOK_OK);
    for (size_t i = 0; i < 43; i++) {
        char was = headers[sig + i];

        headers[sig + i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(check(HOOK_STANDARD, SECRET, headers, body, AT * 1000), HOOK_FORGED);
        headers[sig + i] = was;
    }
}

/* The literals of the specification's own libraries: one of the signatures there is right for their payload. */
static void test_published(void **state)
{
    const char *path = test_shared("webhooks/standard-webhooks/test-literals.json");
    struct buf text = BUF_INIT(1 << 20);
    struct json_iter it;
    struct json_value one;
    char found[4][200] = { "" };
    size_t right = 0, wrong = 0;

    (void) state;
    if (path == NULL)
        skip();
    test_read_file(path, &text);
    for (int pass = 0; pass < 2; pass++) { /* names first, then each signature */
        it = json_iter(json_value(buf_span(&text)));
        while (json_next(&it, &one)) {
            struct json_iter members = json_iter(one);
            struct json_value m;

            while (json_next(&members, &m)) {
                struct span raw = m.raw;
                char headers[400];

                if (!span_eq_str(m.key, "value"))
                    continue;
                if (pass == 0 && span_starts(raw, "msg_"))
                    (void) span_to_str(raw, found[0], sizeof(found[0]));
                if (pass == 0 && span_starts(raw, "whsec_MfKQ"))
                    (void) span_to_str(raw, found[1], sizeof(found[1]));
                if (pass == 0 || !span_starts(raw, "v1,") || found[0][0] == '\0' || found[1][0] == '\0')
                    continue;
                (void) snprintf(headers, sizeof(headers),
                                "webhook-id: %s\nwebhook-timestamp: 1614265330\nwebhook-signature: %.*s", found[0], SPAN_ARG(raw));
                if (check(HOOK_STANDARD, found[1], headers, "{\"test\": 2432232314}", 1614265330000) == HOOK_OK)
                    right++;
                else
                    wrong++;
            }
        }
    }
    buf_deinit(&text);
    assert_true(right > 0 && wrong > 0);
}

static void test_github(void **state)
{
#define HELLO "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" /* GitHub's own example */
#define GITHUB(sig) "X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\nX-GitHub-Event: issues\nX-Hub-Signature-256: " sig
    static const struct {
        const char *name, *secrets, *headers, *body;
        enum hook_verdict want;
    } cases[] = {
        { "the published one", "It's a Secret to Everybody", GITHUB(HELLO), "Hello, World!", HOOK_OK },
        { "beside another secret", "another secret of ours\nIt's a Secret to Everybody\n", GITHUB(HELLO), "Hello, World!", HOOK_OK },
        { "another body", "It's a Secret to Everybody", GITHUB(HELLO), "Hello, World?", HOOK_FORGED },
        { "another secret", "It's a Secret to Everyone!", GITHUB(HELLO), "Hello, World!", HOOK_FORGED },
        { "the old SHA-1 header", "It's a Secret to Everybody", "X-GitHub-Delivery: 1\nX-Hub-Signature: " HELLO, "Hello, World!", HOOK_MISSING },
        { "cut", "It's a Secret to Everybody", GITHUB("sha256=757107ea0eb2509fc211221cce984b8a"), "Hello, World!", HOOK_MISSING },
        { "no prefix", "It's a Secret to Everybody", GITHUB("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), "Hello, World!", HOOK_MISSING },
        { "no delivery", "It's a Secret to Everybody", "X-Hub-Signature-256: " HELLO, "Hello, World!", HOOK_MISSING },
        { "two signatures", "It's a Secret to Everybody", GITHUB(HELLO) "\nX-Hub-Signature-256: " HELLO, "Hello, World!", HOOK_MISSING },
    };
    struct hook_once once;
    struct sent s;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum hook_verdict v = check(HOOK_GITHUB, cases[i].secrets, cases[i].headers, cases[i].body, 0);

        if (v != cases[i].want)
            fail_msg("%s: %s, wanted %s", cases[i].name, hook_verdict_name(v), hook_verdict_name(cases[i].want));
    }
    /* The id is not signed: the body is an id, too. */
    assert_int_equal(hook_check(HOOK_GITHUB, SPAN("It's a Secret to Everybody"), sent(&s, GITHUB(HELLO), "Hello, World!"), 0, &once), HOOK_OK);
    assert_int_equal(once.n, 2);
    assert_string_equal(once.id[0], "id:72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_string_equal(once.id[1], "body:3_1gIbsr1bCvZ2KQgJ7DpTGR3YHH9wpLKGiKNiGCmG8");
}

static void test_gitlab(void **state)
{
    static const struct {
        const char *name, *secrets, *headers;
        enum hook_verdict want;
    } cases[] = {
        { "signing token", SECRET, IDS "webhook-signature: v1," SIGNATURE, HOOK_OK },
        { "signing token of any text", "a signing token of ours", "webhook-id: d-1\nwebhook-timestamp: " AT_TEXT "\nwebhook-signature: v1," BY_PLAIN, HOOK_OK },
        { "the older token", "glwt-0123456789abcdef", "X-Gitlab-Token: glwt-0123456789abcdef", HOOK_OK },
        { "another token", "glwt-0123456789abcdef", "X-Gitlab-Token: glwt-0123456789abcdeg", HOOK_FORGED },
        { "a part of the token", "glwt-0123456789abcdef", "X-Gitlab-Token: glwt-0123456789abcde", HOOK_FORGED },
        { "a wrong signature with the right token", "glwt-0123456789abcdef", IDS "webhook-signature: v1," SIGNATURE "\nX-Gitlab-Token: glwt-0123456789abcdef", HOOK_FORGED },
        { "neither", "glwt-0123456789abcdef", "X-Gitlab-Event: Issue Hook", HOOK_MISSING },
    };
    struct hook_once once;
    struct sent s;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum hook_verdict v = check(HOOK_GITLAB, cases[i].secrets, cases[i].headers, BODY, AT * 1000);

        if (v != cases[i].want)
            fail_msg("%s: %s, wanted %s", cases[i].name, hook_verdict_name(v), hook_verdict_name(cases[i].want));
    }
    assert_int_equal(check(HOOK_GITLAB, SECRET, cases[0].headers, BODY, AT * 1000 + 300001), HOOK_OLD);
    assert_int_equal(hook_check(HOOK_GITLAB, SPAN("glwt-0123456789abcdef"),
                                sent(&s, "X-Gitlab-Token: glwt-0123456789abcdef\nIdempotency-Key: k-1", BODY), 0, &once), HOOK_OK);
    assert_string_equal(once.id[0], "id:k-1");
    assert_int_equal(once.n, 2);
    assert_int_equal(hook_check(HOOK_GITLAB, SPAN("glwt-0123456789abcdef"), sent(&s, "X-Gitlab-Token: glwt-0123456789abcdef", BODY), 0, &once), HOOK_OK);
    assert_int_equal(once.n, 1);
}

static void test_secrets(void **state)
{
    static const struct {
        enum hook_format format;
        const char *text, *says; /* NULL: good */
    } cases[] = {
        { HOOK_STANDARD, SECRET, NULL },
        { HOOK_STANDARD, SECRET "\n" OTHER "\n", NULL },
        { HOOK_STANDARD, "AAECAwQFBgcICQoLDA0ODw==", NULL }, /* 16 bytes */
        { HOOK_STANDARD, "AAECAwQFBgcICQoLDA0O", "at least 16" },
        { HOOK_STANDARD, "whsec_not base64 at all", "secret 1 is not base64" },
        { HOOK_STANDARD, SECRET "\n?", "secret 2 is not base64" },
        { HOOK_GITHUB, "0123456789abcdef", NULL },
        { HOOK_GITHUB, "0123456789abcde", "at least 16" },
        { HOOK_GITLAB, "0123456789abcdef", NULL },
        { HOOK_GITLAB, "whsec_0123456789abcde!", "not base64" },
        { HOOK_GITHUB, "", "no secret" },
        { HOOK_GITHUB, " \n\n", "no secret" },
        { HOOK_GITHUB, "0123456789abcdef\n0123456789abcdef\n0123456789abcdef\n0123456789abcdef\n0123456789abcdef", "more than 4" },
    };
    char longer[300];
    struct err_info e;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum err got = hook_secrets_check(cases[i].format, span_str(cases[i].text), &e);

        if ((got == ERR_OK) != (cases[i].says == NULL) || (cases[i].says != NULL && strstr(e.text, cases[i].says) == NULL))
            fail_msg("case %zu: %s", i, got == ERR_OK ? "taken" : e.text);
    }
    memset(longer, 'x', 257);
    longer[257] = '\0';
    assert_err(hook_secrets_check(HOOK_GITHUB, span_str(longer), &e), ERR_INVAL);
    assert_non_null(strstr(e.text, "longer than 256"));
    longer[256] = '\0';
    assert_ok(hook_secrets_check(HOOK_GITHUB, span_str(longer), &e));
}

/* ---- what it says ---- */

static struct hook_notice read_body(enum hook_format f, const char *event, const char *json, struct arena *arena)
{
    static const uint8_t secret[16];
    struct json_limits limits = json_limits_control(secret);
    struct buf tree = BUF_INIT(1 << 20);
    struct json_error e;
    struct hook_notice n;
    struct sent s;

    assert_true(json_parse(span_str(json), &limits, &tree, &e));
    hook_read(f, sent(&s, event, json), tree_root(buf_span(&tree)), arena, &n);
    buf_deinit(&tree); /* the notice keeps nothing of it */
    return n;
}

static void test_reads(void **state)
{
#define ISSUE(action) "{\"action\":\"" action "\",\"issue\":{\"number\":7,\"html_url\":\"https://github.com/shop/web/issues/7\",\"updated_at\":\"2026-11-03T10:00:00Z\"}," \
                      "\"repository\":{\"full_name\":\"Shop/web\"}}"
#define LAB(kind, action) "{\"object_kind\":\"" kind "\",\"object_attributes\":{\"iid\":7,\"action\":\"" action "\",\"url\":\"https://gitlab.example/shop/web/-/issues/7\"}," \
                          "\"project\":{\"path_with_namespace\":\"shop/web\"}}"
    static const struct {
        enum hook_format format;
        const char *headers, *body;
        enum hook_said said;
        const char *ignored;
        const char *tickets[3];
    } cases[] = {
        { HOOK_STANDARD, "", BODY, HOOK_SAID_CLOSED, NULL, { "SHOP-7" } },
        { HOOK_STANDARD, "", "{\"ticket\":\" SHOP-7 \",\"state\":\" Resolved \"}", HOOK_SAID_CLOSED, NULL, { "SHOP-7" } },
        { HOOK_STANDARD, "", "{\"ticket\":7,\"state\":\"reopened\"}", HOOK_SAID_OPEN, NULL, { "7" } },
        { HOOK_STANDARD, "", "{\"type\":\"ticket.closed\",\"timestamp\":\"2026-11-03T10:00:00Z\",\"data\":{\"ticket\":\"A\"}}", HOOK_SAID_CLOSED, NULL, { "A" } },
        { HOOK_STANDARD, "", "{\"type\":\"closed\",\"data\":{\"ticket\":\"A\"}}", HOOK_SAID_CLOSED, NULL, { "A" } },
        { HOOK_STANDARD, "", "{\"type\":\"ticket.closed\",\"data\":{\"ticket\":\"A\",\"state\":\"open\"}}", HOOK_SAID_OPEN, NULL, { "A" } },
        { HOOK_STANDARD, "", "{\"ticket\":\"A\",\"state\":\"pondered\"}", HOOK_SAID_NOTHING, "state", { NULL } },
        { HOOK_STANDARD, "", "{\"ticket\":\"A\"}", HOOK_SAID_NOTHING, "state", { NULL } },
        { HOOK_STANDARD, "", "{\"state\":\"closed\"}", HOOK_SAID_NOTHING, "no-ticket", { NULL } },
        { HOOK_STANDARD, "", "{\"ticket\":\" \",\"state\":\"closed\"}", HOOK_SAID_NOTHING, "no-ticket", { NULL } },
        { HOOK_STANDARD, "", "{\"ticket\":[\"A\"],\"state\":\"closed\"}", HOOK_SAID_NOTHING, "no-ticket", { NULL } },
        { HOOK_STANDARD, "", "[]", HOOK_SAID_NOTHING, "state", { NULL } },
        { HOOK_GITHUB, "x-github-event: issues", ISSUE("closed"), HOOK_SAID_CLOSED, NULL, { "Shop/web#7", "#7", "https://github.com/shop/web/issues/7" } },
        { HOOK_GITHUB, "x-github-event: issues", ISSUE("deleted"), HOOK_SAID_CLOSED, NULL, { "Shop/web#7" } },
        { HOOK_GITHUB, "x-github-event: issues", ISSUE("reopened"), HOOK_SAID_OPEN, NULL, { "Shop/web#7" } },
        { HOOK_GITHUB, "x-github-event: issues", ISSUE("labeled"), HOOK_SAID_NOTHING, "state", { NULL } },
        { HOOK_GITHUB, "x-github-event: push", ISSUE("closed"), HOOK_SAID_NOTHING, "event", { NULL } },
        { HOOK_GITHUB, "", ISSUE("closed"), HOOK_SAID_NOTHING, "event", { NULL } },
        { HOOK_GITHUB, "x-github-event: ping", "{\"zen\":\"…\"}", HOOK_SAID_NOTHING, "event", { NULL } },
        /* a comment's notice under another event's name */
        { HOOK_GITHUB, "x-github-event: issues", "{\"action\":\"deleted\",\"issue\":{\"number\":7},\"comment\":{}}", HOOK_SAID_NOTHING, "event", { NULL } },
        { HOOK_GITHUB, "x-github-event: issues", "{\"action\":\"closed\",\"issue\":{\"number\":7,\"pull_request\":{}}}", HOOK_SAID_NOTHING, "event", { NULL } },
        { HOOK_GITHUB, "x-github-event: issues", "{\"action\":\"closed\",\"issue\":{\"number\":0}}", HOOK_SAID_NOTHING, "no-ticket", { NULL } },
        { HOOK_GITHUB, "x-github-event: issues", "{\"action\":\"closed\",\"issue\":{\"number\":7}}", HOOK_SAID_CLOSED, NULL, { "#7" } },
        { HOOK_GITLAB, "", LAB("issue", "close"), HOOK_SAID_CLOSED, NULL, { "shop/web#7", "#7", "https://gitlab.example/shop/web/-/issues/7" } },
        { HOOK_GITLAB, "", LAB("work_item", "close"), HOOK_SAID_CLOSED, NULL, { "shop/web#7" } },
        { HOOK_GITLAB, "", LAB("issue", "reopen"), HOOK_SAID_OPEN, NULL, { "shop/web#7" } },
        { HOOK_GITLAB, "", LAB("issue", "update"), HOOK_SAID_NOTHING, "state", { NULL } },
        { HOOK_GITLAB, "", LAB("merge_request", "close"), HOOK_SAID_NOTHING, "event", { NULL } },
        { HOOK_GITLAB, "", "{\"object_kind\":\"issue\",\"object_attributes\":{\"action\":\"close\"}}", HOOK_SAID_NOTHING, "no-ticket", { NULL } },
        { HOOK_FORMAT_N_, "", BODY, HOOK_SAID_NOTHING, "event", { NULL } },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena;
        struct hook_notice n;

        arena_init(&arena, 1 << 16);
        n = read_body(cases[i].format, cases[i].headers, cases[i].body, &arena);
        if (n.said != cases[i].said || strcmp(n.ignored == NULL ? "" : n.ignored, cases[i].ignored == NULL ? "" : cases[i].ignored) != 0)
            fail_msg("case %zu: said %d, '%s'", i, n.said, n.ignored == NULL ? "" : n.ignored);
        assert_true((n.n_tickets > 0) == (n.said != HOOK_SAID_NOTHING));
        for (size_t k = 0; k < 3 && cases[i].tickets[k] != NULL; k++)
            assert_span_str(n.tickets[k], cases[i].tickets[k]);
        arena_deinit(&arena);
    }
    {
        struct arena arena;

        arena_init(&arena, 1 << 16);
        assert_int_equal(read_body(HOOK_GITHUB, "x-github-event: issues", ISSUE("closed"), &arena).at, 1793700000000);
        assert_int_equal(read_body(HOOK_STANDARD, "", BODY, &arena).at, 0);
        arena_deinit(&arena);
    }
}

static void test_ticket_key(void **state)
{
    char longer[HOOK_TICKET_MAX + 2];
    struct arena arena;

    (void) state;
    arena_init(&arena, 1 << 16);
    assert_span_str(hook_ticket_key(SPAN("  Shop/Web#7 "), &arena), "shop/web#7");
    assert_span_str(hook_ticket_key(SPAN("T\xc3\x84-7"), &arena), "t\xc3\x84-7"); /* ASCII only */
    assert_int_equal(hook_ticket_key(SPAN("  "), &arena).n, 0);
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(hook_ticket_key(span_of(longer, HOOK_TICKET_MAX), &arena).n, HOOK_TICKET_MAX);
    assert_int_equal(hook_ticket_key(span_of(longer, HOOK_TICKET_MAX + 1), &arena).n, 0);
    arena_deinit(&arena);
}

static void test_edges(void **state)
{
    static const struct {
        const char *name, *headers;
        enum hook_verdict want;
    } ids[] = {
        { "an id with a DEL", "webhook-id: a\x7f\nwebhook-timestamp: 1\nwebhook-signature: v1,x", HOOK_MISSING },
        { "a delivery that is no id", "X-GitHub-Delivery: \x01\nX-Hub-Signature-256: sha256=00", HOOK_MISSING },
        { "hex that is none", GITHUB("sha256=zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), HOOK_MISSING },
    };
    char longer[HOOK_ID_MAX + 20], headers[400];
    struct buf large = BUF_INIT(HOOK_BODY_MAX * 2);
    struct hook_once once;
    struct hook_notice n;
    struct arena arena;
    struct sent s;

    (void) state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        enum hook_verdict v = check(i == 0 ? HOOK_STANDARD : HOOK_GITHUB, "0123456789abcdef0123", ids[i].headers, "x", 0);

        if (v != ids[i].want)
            fail_msg("%s: %s", ids[i].name, hook_verdict_name(v));
    }
    /* An id of 128 characters and one more. */
    memset(longer, 'i', sizeof(longer));
    for (int more = 0; more < 2; more++) {
        (void) snprintf(headers, sizeof(headers), "webhook-id: %.*s\nwebhook-timestamp: " AT_TEXT "\nwebhook-signature: v1," SIGNATURE,
                        HOOK_ID_MAX + more, longer);
        assert_int_equal(check(HOOK_STANDARD, SECRET, headers, BODY, AT * 1000), more == 0 ? HOOK_FORGED : HOOK_MISSING);
    }
    /* A body beyond the limit does not fit with what is signed around it. */
    for (size_t i = 0; i < HOOK_BODY_MAX + 1024; i++)
        buf_add_c(&large, 'x');
    assert_int_equal(check(HOOK_STANDARD, SECRET, IDS "webhook-signature: v1," SIGNATURE, buf_cstr(&large), AT * 1000), HOOK_NOMEM);
    buf_deinit(&large);
    /* GitLab's ids: the event's when there is no other; one that is no id is none. */
    assert_int_equal(hook_check(HOOK_GITLAB, SPAN("glwt-0123456789abcdef"),
                                sent(&s, "X-Gitlab-Token: glwt-0123456789abcdef\nX-Gitlab-Event-UUID: e-1", BODY), 0, &once), HOOK_OK);
    assert_string_equal(once.id[0], "id:e-1");
    assert_int_equal(hook_check(HOOK_GITLAB, SPAN("glwt-0123456789abcdef"),
                                sent(&s, "X-Gitlab-Token: glwt-0123456789abcdef\nIdempotency-Key: a b", BODY), 0, &once), HOOK_OK);
    assert_int_equal(once.n, 1);
    /* A secret longer than the limit is no key of Standard Webhooks. */
    {
        char secret[HOOK_SECRET_MAX + 10];

        memset(secret, 'A', sizeof(secret));
        secret[sizeof(secret) - 1] = '\0';
        assert_int_equal(check(HOOK_STANDARD, secret, IDS "webhook-signature: v1," SIGNATURE, BODY, AT * 1000), HOOK_FORGED);
    }
    /* No room for what it says: less is said, never something else. */
    for (size_t max = 0; max < 400; max += 8) {
        arena_init(&arena, max);
        n = read_body(HOOK_GITHUB, "x-github-event: issues\nx-other: 1", ISSUE("closed"), &arena);
        assert_true(n.n_tickets <= 3);
        (void) hook_ticket_key(SPAN("SHOP-7"), &arena);
        arena_deinit(&arena);
    }
    /* Odd bodies of each format. */
    static const struct {
        enum hook_format format;
        const char *body, *ignored;
    } odd[] = {
        { HOOK_GITHUB, "{\"action\":\"closed\"}", "event" },
        { HOOK_GITHUB, "{\"action\":\"transferred\",\"issue\":{\"number\":7,\"updated_at\":\"yesterday\"}}", NULL },
        { HOOK_GITHUB, "{\"action\":\"opened\",\"issue\":{\"number\":7,\"updated_at\":5}}", NULL },
        { HOOK_GITHUB, "{\"action\":\"closed\",\"issue\":{\"number\":\"7\"}}", "no-ticket" },
        { HOOK_GITHUB, "{\"issue\":{\"number\":7}}", "state" },
        { HOOK_GITLAB, "{\"object_kind\":\"issue\"}", "event" },
        { HOOK_GITLAB, "{\"object_kind\":\"issue\",\"object_attributes\":{\"action\":\"close\",\"iid\":0}}", "no-ticket" },
        { HOOK_GITLAB, "{\"object_kind\":\"issue\",\"object_attributes\":{\"action\":\"close\",\"iid\":7}}", NULL },
        { HOOK_GITLAB, "{}", "event" },
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        arena_init(&arena, 1 << 16);
        n = read_body(odd[i].format, "x-github-event: issues", odd[i].body, &arena);
        if (strcmp(n.ignored == NULL ? "" : n.ignored, odd[i].ignored == NULL ? "" : odd[i].ignored) != 0)
            fail_msg("odd %zu: '%s'", i, n.ignored == NULL ? "" : n.ignored);
        arena_deinit(&arena);
    }
    /* A place of 300 characters makes no ticket's name; what is short still does. */
    {
        struct buf body = BUF_INIT(4096);

        buf_add_str(&body, "{\"action\":\"closed\",\"issue\":{\"number\":7},\"repository\":{\"full_name\":\"");
        for (int i = 0; i < 300; i++)
            buf_add_c(&body, 'p');
        buf_add_str(&body, "\"}}");
        arena_init(&arena, 1 << 16);
        n = read_body(HOOK_GITHUB, "x-github-event: issues", buf_cstr(&body), &arena);
        assert_int_equal(n.n_tickets, 1);
        assert_span_str(n.tickets[0], "#7");
        arena_deinit(&arena);
        buf_deinit(&body);
    }
}

static void test_words(void **state)
{
    enum hook_format f;

    (void) state;
    for (unsigned i = 0; i < HOOK_FORMAT_N_; i++) {
        assert_true(hook_format_parse(span_str(hook_format_name((enum hook_format) i)), &f));
        assert_int_equal(f, i);
    }
    assert_false(hook_format_parse(SPAN("bitbucket"), &f));
    assert_string_equal(hook_format_name(HOOK_FORMAT_N_), "?");
    for (unsigned i = 0; i < HOOK_VERDICT_N_; i++)
        assert_string_not_equal(hook_verdict_name((enum hook_verdict) i), "?");
    assert_string_equal(hook_verdict_name(HOOK_VERDICT_N_), "?");
    assert_int_equal(check(HOOK_FORMAT_N_, SECRET, "", "", 0), HOOK_FORGED);
}

static void more_limits(void **state)
{
    char headers[HOOK_ID_MAX + 200], id[HOOK_ID_MAX + 2];
    struct hook_notice n;
    struct sent s;
    struct arena arena;

    (void) state;
    memset(id, 'x', sizeof(id));
    for (size_t len = HOOK_ID_MAX; len <= HOOK_ID_MAX + 1; len++) { /* a signature that is wrong: only the form is asked for */
        (void) snprintf(headers, sizeof(headers), "webhook-id: %.*s\nwebhook-timestamp: " AT_TEXT "\nwebhook-signature: v1,x",
                        (int) len, id);
        assert_int_equal(check(HOOK_STANDARD, SECRET, headers, BODY, AT * 1000), len == HOOK_ID_MAX ? HOOK_FORGED : HOOK_MISSING);
    }
    assert_string_equal(hook_verdict_name((enum hook_verdict) 99), "?");
    assert_int_equal(check((enum hook_format) 99, SECRET, "", "", 0), HOOK_FORGED);
    arena_init(&arena, 100);
    hook_read((enum hook_format) 99, sent(&s, "", ""), (struct tree){ .tag = TREE_NULL }, &arena, &n);
    assert_string_equal(n.ignored, "event");
    hook_read(HOOK_FORMAT_N_, sent(&s, "", ""), (struct tree){ .tag = TREE_NULL }, &arena, &n);
    assert_string_equal(n.ignored, "event");
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard), cmocka_unit_test(test_each_bit),   cmocka_unit_test(test_published),
        cmocka_unit_test(test_github),   cmocka_unit_test(test_gitlab),     cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_reads),    cmocka_unit_test(test_ticket_key), cmocka_unit_test(test_words),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(more_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
