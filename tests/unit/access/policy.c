#include "access/policy.h"

#include "access/policy_hours.h"
#include "crypto/hash.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define P1 "p_AAAAAAAAAAAAAAAA"

static bool read_zone(void *ctx, const char *name, struct buf *out)
{
    char path[256];

    (void) ctx;
    (void) snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
    if (access(path, R_OK) != 0)
        return false;
    test_read_file(path, out);
    return true;
}

static const struct zone_source zones = { read_zone, NULL };

static enum err load_span(struct span text, struct arena *arena, const struct policy **ret, struct err_info *reterr)
{
    struct confuse_source source = { .name = "policy", .text = text, .max_bytes = POLICY_TEXT_MAX };
    CLEANUP(buf_deinit) struct buf tree = BUF_INIT(1 << 20);

    TRY(confuse_load(&source, policy_schema, &tree, reterr));
    return policy_load(tree_root(buf_span(&tree)), &zones, arena, ret, reterr);
}

static const struct policy *load(const char *text, struct arena *arena)
{
    const struct policy *p = NULL;
    struct err_info e;

    arena_init(arena, POLICY_ARENA_MAX);
    assert_ok_err(load_span(span_str(text), arena, &p, &e), &e);
    return p;
}

/* Prints, loads the print, prints again: the same bytes. */
static void assert_print_is_stable(const struct policy *p)
{
    struct buf once = BUF_INIT(POLICY_PRINT_MAX), twice = BUF_INIT(POLICY_PRINT_MAX);
    const struct policy *again = NULL;
    uint8_t a[POLICY_HASH_LEN], b[POLICY_HASH_LEN], c[POLICY_HASH_LEN];
    struct arena arena;
    struct err_info e;

    arena_init(&arena, POLICY_ARENA_MAX);
    policy_print(p, &once);
    assert_ok_err(load_span(buf_span(&once), &arena, &again, &e), &e);
    policy_print(again, &twice);
    assert_span_eq(buf_span(&once), buf_span(&twice));
    assert_ok(policy_hash(p, a, NULL));
    assert_ok(policy_hash(again, b, NULL));
    sha256(buf_span(&once), c);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_equal(a, c, sizeof(a));
    arena_deinit(&arena);
    buf_deinit(&once);
    buf_deinit(&twice);
}

/* The code block number n (from 0) after "## Example" of docs/formats/policy.md, with its last newline. */
static void block(int n, struct buf *out)
{
    struct buf doc;
    const char *at, *end = NULL;

    test_read_file(test_source("docs/formats/policy.md"), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    for (int i = 0; i <= n; i++) {
        assert_non_null(at);
        at = strstr(at, "\n```\n");
        assert_non_null(at);
        end = strstr(at + 4, "\n```");
        assert_non_null(end);
        if (i < n)
            at = end + 4;
    }
    *out = BUF_INIT(65536);
    buf_add(out, at + 5, (size_t) (end - at - 4));
    buf_deinit(&doc);
}

static void the_documents_example(void **state)
{
    struct buf text, print, hash, ours = BUF_INIT(POLICY_PRINT_MAX), hex = BUF_INIT(256);
    const struct policy *p;
    struct arena arena;
    uint8_t h[POLICY_HASH_LEN];

    (void) state;
    block(0, &text);
    block(1, &print);
    block(2, &hash);
    p = load(buf_cstr(&text), &arena);
    policy_print(p, &ours);
    assert_span_eq(buf_span(&ours), buf_span(&print));
    assert_ok(policy_hash(p, h, NULL));
    for (size_t i = 0; i < sizeof(h); i++)
        buf_addf(&hex, "%02x", h[i]);
    buf_add_c(&hex, '\n');
    assert_span_eq(buf_span(&hex), buf_span(&hash));
    arena_deinit(&arena);
    buf_deinit(&text);
    buf_deinit(&print);
    buf_deinit(&hash);
    buf_deinit(&ours);
    buf_deinit(&hex);
}

/* Every option once, after the example of STANDARDS 2.6. */
static const char full[] =
    "purpose \"debugging\" { }\n"
    "purpose \"support\" { ticket = required  reason_min = 0 }\n"
    "rule \"engineers-watch\" {\n"
    "  who = { \"group:engineering\" }  project = { \"shop\" }  env = { \"prod\" }  class = { low, normal }\n"
    "  tag = { \"release=2.1\", \"team\" }  link = { \"error\", \"ticket:SUP-1\" }  kind = { terminal, rrweb }\n"
    "  actions = { live, play }  purposes = { \"support\", \"debugging\" }  hours = \"mon-fri 07:00-20:00 "
    "Europe/Berlin\"\n"
    "  network = { \"10.0.0.0/8\", \"2001:db8::/32\" }  auth_age = 8h\n"
    "  max = 60min  default = 30min  start = { approval, first-use, time }  start_by = 8h  viewers = 4  max_speed = "
    "2.5\n"
    "  more { same = { session, link }  max = 5 }\n"
    "  more_time { times = 1  each = 30min }\n"
    "  quota { key_streams = 2  grant_streams = 4  person_streams = 6  key_bytes = 1GiB  key_rate = 64MiB  "
    "key_requests = 200 }\n"
    "  binding = { dpop }  watermark = yes\n"
    "  ask { need = 1  deny = 1  from = { \"role:approver\" }  exclude = { \"group:interns\" } }\n"
    "}\n"
    "rule \"export-two\" { who = { \"role:viewer\" }  actions = { export }  purposes = { \"support\" }  max = 30min\n"
    "  ask { need = 2  group \"security\" { min = 1 }  group \"owners\" { min = 1 } } }\n"
    "rule \"own-shell\" { who = { \"role:viewer\" }  kind = { terminal }  subject = self  actions = { play }\n"
    "  purposes = { \"debugging\" }  max = 15min  effect = auto }\n"
    "rule \"no-night\" { effect = deny  actions = { export }  hours = \"22:00-06:00 Europe/Berlin\" }\n"
    "caps { recording = 8h  day = 12h }\n"
    "breakglass { max = 60min  incidents = 2  days = 30 }\n"
    "on_change = revoke\n"
    "test \"asks\" { as = { \"group:engineering\" }  wants = { play }  project = \"shop\"  env = \"prod\"  class = "
    "low\n"
    "  tag = { \"team=a\" }  link = { \"error:E1\" }  kind = rrweb  from = \"10.1.2.3\"  purpose = \"debugging\"  for "
    "= 30min\n"
    "  at = \"2026-11-03T10:00:00+01:00\"  expect = ask  rule = \"engineers-watch\" }\n"
    "test \"night\" { as = { \"role:viewer\" }  wants = { export }  project = \"shop\"  purpose = \"support\"\n"
    "  at = \"2026-11-03T23:00:00+01:00\"  expect = deny }\n"
    "test \"own\" { as = { \"role:viewer\" }  wants = { play }  kind = terminal  subject = self  purpose = "
    "\"debugging\"  expect = auto }\n"
    "test \"both\" { as = { \"role:viewer\" }  wants = { play, export }  kind = terminal  subject = self\n"
    "  purpose = \"support\"  at = \"2026-11-03T12:00:00Z\"  ticket = yes  expect = split }\n";

static const char full_print[] = "purpose \"debugging\" {\n"
                                 "  ticket = optional\n"
                                 "  reason_min = 20\n"
                                 "}\n"
                                 "purpose \"support\" {\n"
                                 "  ticket = required\n"
                                 "  reason_min = 0\n"
                                 "}\n"
                                 "rule \"engineers-watch\" {\n"
                                 "  who = { \"group:engineering\" }\n"
                                 "  project = { \"shop\" }\n"
                                 "  env = { \"prod\" }\n"
                                 "  class = { \"low\", \"normal\" }\n"
                                 "  kind = { \"rrweb\", \"terminal\" }\n"
                                 "  tag = { \"release=2.1\", \"team\" }\n"
                                 "  link = { \"error\", \"ticket:SUP-1\" }\n"
                                 "  actions = { play, live }\n"
                                 "  purposes = { \"debugging\", \"support\" }\n"
                                 "  hours = { \"Mon-Fri 07:00-20:00 Europe/Berlin\" }\n"
                                 "  network = { \"10.0.0.0/8\", \"2001:db8::/32\" }\n"
                                 "  auth_age = 8h\n"
                                 "  effect = ask\n"
                                 "  max = 1h\n"
                                 "  default = 30min\n"
                                 "  start = { approval, first-use, time }\n"
                                 "  start_by = 8h\n"
                                 "  viewers = 4\n"
                                 "  more { same = { session, link }  max = 5 }\n"
                                 "  more_time { times = 1  each = 30min }\n"
                                 "  max_speed = 2.50\n"
                                 "  quota { key_streams = 2  grant_streams = 4  person_streams = 6  key_bytes = 1GiB  "
                                 "key_rate = 64MiB  key_requests = 200 }\n"
                                 "  binding = { dpop }\n"
                                 "  watermark = yes\n"
                                 "  ask {\n"
                                 "    need = 1\n"
                                 "    deny = 1\n"
                                 "    from = { \"role:approver\" }\n"
                                 "    exclude = { \"group:interns\" }\n"
                                 "  }\n"
                                 "}\n"
                                 "rule \"export-two\" {\n"
                                 "  who = { \"role:viewer\" }\n"
                                 "  actions = { export }\n"
                                 "  purposes = { \"support\" }\n"
                                 "  effect = ask\n"
                                 "  max = 30min\n"
                                 "  default = 30min\n"
                                 "  start = { approval }\n"
                                 "  start_by = 8h\n"
                                 "  viewers = 1\n"
                                 "  max_speed = 16\n"
                                 "  quota { key_streams = 2  grant_streams = 4  person_streams = 6  key_bytes = 1GiB  "
                                 "key_rate = 64MiB  key_requests = 200 }\n"
                                 "  binding = { dpop }\n"
                                 "  watermark = no\n"
                                 "  ask {\n"
                                 "    need = 2\n"
                                 "    deny = 1\n"
                                 "    group \"security\" { min = 1 }\n"
                                 "    group \"owners\" { min = 1 }\n"
                                 "  }\n"
                                 "}\n"
                                 "rule \"own-shell\" {\n"
                                 "  who = { \"role:viewer\" }\n"
                                 "  kind = { \"terminal\" }\n"
                                 "  subject = self\n"
                                 "  actions = { play }\n"
                                 "  purposes = { \"debugging\" }\n"
                                 "  effect = auto\n"
                                 "  max = 15min\n"
                                 "  default = 15min\n"
                                 "  start = { approval }\n"
                                 "  start_by = 8h\n"
                                 "  viewers = 1\n"
                                 "  max_speed = 16\n"
                                 "  quota { key_streams = 2  grant_streams = 4  person_streams = 6  key_bytes = 1GiB  "
                                 "key_rate = 64MiB  key_requests = 200 }\n"
                                 "  binding = { dpop }\n"
                                 "  watermark = no\n"
                                 "}\n"
                                 "rule \"no-night\" {\n"
                                 "  actions = { export }\n"
                                 "  hours = { \"22:00-06:00 Europe/Berlin\" }\n"
                                 "  effect = deny\n"
                                 "}\n"
                                 "caps {\n"
                                 "  recording = 8h\n"
                                 "  day = 12h\n"
                                 "}\n"
                                 "breakglass {\n"
                                 "  max = 1h\n"
                                 "  incidents = 2\n"
                                 "  days = 30\n"
                                 "}\n"
                                 "on_change = revoke\n"
                                 "new_user = viewer\n"
                                 "test \"asks\" {\n"
                                 "  as = { \"group:engineering\" }\n"
                                 "  wants = { play }\n"
                                 "  project = \"shop\"\n"
                                 "  env = \"prod\"\n"
                                 "  class = \"low\"\n"
                                 "  kind = \"rrweb\"\n"
                                 "  tag = { \"team=a\" }\n"
                                 "  link = { \"error:E1\" }\n"
                                 "  purpose = \"debugging\"\n"
                                 "  for = 30min\n"
                                 "  at = \"2026-11-03T09:00:00.000Z\"\n"
                                 "  from = \"10.1.2.3\"\n"
                                 "  rule = \"engineers-watch\"\n"
                                 "  expect = ask\n"
                                 "}\n"
                                 "test \"night\" {\n"
                                 "  as = { \"role:viewer\" }\n"
                                 "  wants = { export }\n"
                                 "  project = \"shop\"\n"
                                 "  purpose = \"support\"\n"
                                 "  at = \"2026-11-03T22:00:00.000Z\"\n"
                                 "  expect = deny\n"
                                 "}\n"
                                 "test \"own\" {\n"
                                 "  as = { \"role:viewer\" }\n"
                                 "  wants = { play }\n"
                                 "  kind = \"terminal\"\n"
                                 "  subject = self\n"
                                 "  purpose = \"debugging\"\n"
                                 "  expect = auto\n"
                                 "}\n"
                                 "test \"both\" {\n"
                                 "  as = { \"role:viewer\" }\n"
                                 "  wants = { play, export }\n"
                                 "  kind = \"terminal\"\n"
                                 "  subject = self\n"
                                 "  purpose = \"support\"\n"
                                 "  ticket = yes\n"
                                 "  at = \"2026-11-03T12:00:00.000Z\"\n"
                                 "  expect = split\n"
                                 "}\n";

static void test_print(void **state)
{
    struct arena arena;
    const struct policy *p = load(full, &arena);
    struct buf out = BUF_INIT(POLICY_PRINT_MAX);

    (void) state;
    policy_print(p, &out);
    assert_span_str(buf_span(&out), full_print);
    buf_deinit(&out);
    assert_print_is_stable(p);
    arena_deinit(&arena);

    /* Order and spelling of what has no order do not change the policy; what has a meaning does. */
    static const char *const same[] = {
        "purpose \"a\" {} rule \"r\" { who = { \"group:b\", \"group:a\" } actions = { play, live } purposes = { a } "
        "max = 60min }",
        "# comment\nrule \"r\" { max = 1h actions = { live, play } purposes = { \"a\" } who = { \"group:a\", "
        "\"group:b\" } ask { } } purpose \"a\" { reason_min = 20 } on_change = revoke",
    };
    static const char *const other[] = {
        "purpose \"a\" {} rule \"r\" { who = { \"group:b\", \"group:a\" } actions = { play } purposes = { a } max = 1h "
        "}",
        "purpose \"a\" {} rule \"R\" { who = { \"group:b\", \"group:a\" } actions = { play, live } purposes = { a } }",
    };
    uint8_t a[POLICY_HASH_LEN], b[POLICY_HASH_LEN];
    assert_ok(policy_hash(load(same[0], &arena), a, NULL));
    arena_deinit(&arena);
    assert_ok(policy_hash(load(same[1], &arena), b, NULL));
    arena_deinit(&arena);
    assert_memory_equal(a, b, sizeof(a));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(policy_hash(load(other[i], &arena), b, NULL));
        arena_deinit(&arena);
        assert_memory_not_equal(a, b, sizeof(a));
    }
}

static void test_own_tests(void **state)
{
    struct policy_test_result r[POLICY_TESTS_MAX];
    struct arena arena;
    const struct policy *p = load(full, &arena);

    (void) state;
    if (policy_run_tests(p, r) != 0) {
        for (size_t i = 0; i < p->n_tests; i++)
            print_message(SPAN_FMT ": %s %s\n", SPAN_ARG(r[i].name), policy_verdict_name(r[i].got), r[i].ok ? "" : "!");
        fail();
    }
    arena_deinit(&arena);

    /* A wrong expectation, a wrong rule, too long a window: each fails. */
    p = load("purpose \"a\" {} rule \"r\" { actions = { play } purposes = { a } max = 10min }\n"
             "test \"t1\" { wants = { play } purpose = a expect = auto }\n"
             "test \"t2\" { wants = { play } purpose = a expect = ask rule = \"other\" }\n"
             "test \"t3\" { wants = { play } purpose = a expect = ask for = 601s }\n"
             "test \"t4\" { wants = { play } purpose = a expect = ask for = 600s rule = r }\n",
             &arena);
    assert_int_equal(policy_run_tests(p, r), 3);
    assert_true(r[3].ok && !r[0].ok && !r[1].ok && !r[2].ok);
    assert_string_equal(r[2].cause, "too-long");
    assert_null(r[3].cause);
    arena_deinit(&arena);

    /* Sign-ins of some age, tickets that hooks have spoken of. */
    p = load("purpose \"a\" {}\n"
             "rule \"fresh\" { actions = { play } purposes = { a } auth_age = 15min ticket = { open } }\n"
             "rule \"post-mortem\" { actions = { play } purposes = { a } ticket = { closed } ask { need = 2 } }\n"
             "rule \"any\" { actions = { export } purposes = { a } }\n"
             "test \"fresh\" { wants = { play } purpose = a ticket = open auth_age = 15min expect = ask rule = fresh }\n"
             "test \"stale\" { wants = { play } purpose = a ticket = open auth_age = 901s expect = deny }\n"
             "test \"unknown\" { wants = { play } purpose = a ticket = yes expect = deny }\n"
             "test \"none\" { wants = { play } purpose = a ticket = no expect = deny }\n"
             "test \"closed\" { wants = { play } purpose = a ticket = closed expect = ask rule = post-mortem }\n"
             "test \"over\" { wants = { export } purpose = a ticket = closed expect = deny }\n"
             "test \"goes\" { wants = { export } purpose = a ticket = open expect = ask }\n",
             &arena);
    assert_int_equal(policy_run_tests(p, r), 0);
    assert_string_equal(r[2].cause, "no-rule");
    assert_string_equal(r[5].cause, "ticket-closed");
    assert_print_is_stable(p);
    arena_deinit(&arena);
}

/* unmask is never meant by what does not name it; what denies without naming anything denies it, too. */
static void test_unmask_is_named(void **state)
{
    struct policy_test_result r[POLICY_TESTS_MAX];
    struct arena arena;
    const struct policy *p = load("purpose \"a\" {}\n"
             "rule \"no-prod\" { effect = deny env = { prod } }\n"
             "rule \"no-hidden\" { effect = deny class = { high } actions = { unmask } }\n"
             "rule \"watch\" { actions = { play, live, export } purposes = { a } }\n"
             "rule \"hidden\" { who = { \"group:g\" } actions = { play, unmask } purposes = { a } ask { need = 2 } }\n"
             "test \"t0\" { wants = { play, unmask } purpose = a expect = deny }\n"
             "test \"t1\" { wants = { live, unmask } purpose = a expect = deny }\n"
             "test \"t2\" { wants = { unmask } purpose = a expect = deny }\n"
             "test \"t3\" { wants = { export, unmask } purpose = a expect = split }\n"
             "test \"t4\" { as = { \"group:g\" } wants = { play, unmask } purpose = a expect = ask rule = hidden }\n"
             "test \"t5\" { as = { \"group:g\" } wants = { live, unmask } purpose = a expect = split }\n"
             "test \"t6\" { as = { \"group:g\" } wants = { play, unmask } env = prod purpose = a expect = deny rule = no-prod }\n"
             "test \"t7\" { as = { \"group:g\" } wants = { play, unmask } class = high purpose = a expect = deny rule = no-hidden }\n"
             "test \"t8\" { as = { \"group:g\" } wants = { play } class = high purpose = a expect = ask rule = watch }\n",
             &arena);

    (void) state;
    if (policy_run_tests(p, r) != 0) {
        for (size_t i = 0; i < p->n_tests; i++)
            print_message(SPAN_FMT ": %s %s\n", SPAN_ARG(r[i].name), policy_verdict_name(r[i].got), r[i].ok ? "" : "!");
        fail();
    }
    arena_deinit(&arena);
}

/* --- what is refused -----------------------------------------------------------------------------------------------
 */

#define RULE(members) "purpose \"a\" {} rule \"bad\" { actions = { play } purposes = { a } " members " }"

static const struct {
    const char *name, *text, *says;
} refused[] = {
    { "allows without actions", "purpose \"a\" {} rule \"bad\" { purposes = { a } }",
      "rule \"bad\": a rule that allows has to say actions" },
    { "allows at once without actions", "purpose \"a\" {} rule \"bad\" { purposes = { a } effect = auto max = 1min }",
      "rule \"bad\": a rule that allows has to say actions" },
    { "allows without purposes", "rule \"bad\" { actions = { play } }",
      "rule \"bad\": a rule that allows has to say purposes" },
    { "unknown purpose", "rule \"bad\" { actions = { play } purposes = { a } }", "no section purpose \"a\"" },
    { "who of no kind", RULE("who = { engineers }"), "rule \"bad\": who: \"engineers\"" },
    { "who of no role", RULE("who = { \"role:boss\" }"), "\"role:boss\"" },
    { "who twice", RULE("who = { \"user:x\", \"user:x\" }"), "twice" },
    { "a list of nothing", RULE("who = { }"), "" },
    { "default over max", RULE("max = 10min default = 11min"), "default is longer than max" },
    { "max of nothing", RULE("max = 0s"), "rule \"bad\": max" },
    { "max of eight days", RULE("max = 8d"), "rule \"bad\": max" },
    { "max of half a second", RULE("max = 1500ms"), "whole seconds" },
    { "start_by over 8 h", RULE("start_by = 481min"), "start_by" },
    { "nine viewers", RULE("viewers = 9"), "viewers" },
    { "no viewers", RULE("viewers = 0"), "viewers" },
    { "more without same", RULE("more { max = 5 }"), "more" },
    { "more than ten", RULE("more { same = { link } max = 11 }"), "max" },
    { "more_time without each", RULE("more_time { times = 1 }"), "more_time" },
    { "speed", RULE("max_speed = 17"), "max_speed" },
    { "speed zero", RULE("max_speed = 0.24"), "max_speed" },
    { "speed word", RULE("max_speed = fast"), "max_speed" },
    { "speed without a part", RULE("max_speed = \"1.\""), "max_speed" },
    { "speed with three digits", RULE("max_speed = \"1.234\""), "max_speed" },
    { "speed with a word behind", RULE("max_speed = \"1.x\""), "max_speed" },
    { "nine hours", RULE("hours = { \"01:00-02:00 UTC\", \"02:00-03:00 UTC\", \"03:00-04:00 UTC\", \"04:00-05:00 UTC\", \"05:00-06:00 UTC\", "
                         "\"06:00-07:00 UTC\", \"07:00-08:00 UTC\", \"08:00-09:00 UTC\", \"09:00-10:00 UTC\" }"), "at most 8" },
    { "quota of none", RULE("quota { key_streams = 0 }"), "key_streams" },
    { "need none", RULE("ask { need = 0 }"), "need" },
    { "need too many", RULE("ask { need = 17 }"), "need" },
    { "deny none", RULE("ask { deny = 0 }"), "deny" },
    { "ask with auto", RULE("effect = auto ask { need = 1 }"), "ask has no meaning" },
    { "terms with deny", "rule \"bad\" { effect = deny max = 1h }", "max has no meaning with effect = deny" },
    { "group min over need", RULE("ask { need = 1 group \"g\" { min = 2 } }"), "say need = 2" },
    { "group has to and may not", RULE("ask { need = 1 group \"g\" { min = 1 } exclude = { \"group:g\" } }"),
      "is excluded" },
    { "one named approver of two", RULE("ask { need = 2 from = { \"user:x\" } }"),
      "needs 2 approvals, and only 1 person" },
    { "the asker is the approver", RULE("who = { \"user:x\" } ask { need = 1 from = { \"user:x\" } }"),
      "only 0 people" },
    { "everyone excluded", RULE("ask { from = { \"role:approver\" } exclude = { \"role:approver\" } }"),
      "only 0 people" },
    { "an open ticket opens", RULE("ticket = open effect = auto"), "a hook's notice would open access" },
    { "ticket of no state", RULE("ticket = lost"), "ticket" },
    { "settled of nothing", RULE("ask { settled = 0s }"), "settled" },
    { "settled for 31 days", RULE("ask { settled = 31d }"), "settled" },
    { "a new user who is everything", "new_user = admin", "new_user" },
    { "a case with a lost ticket", "test \"t\" { wants = { play } expect = ask ticket = lost }", "ticket is yes, no" },
    { "asks others when alone", RULE("when = sole-person"), "when = sole-person asks others" },
    { "hours of nothing", RULE("hours = \"07:00-07:00 UTC\""), "no time at all" },
    { "hours without zone", RULE("hours = \"07:00-08:00\""), "hours" },
    { "hours in Atlantis", RULE("hours = \"07:00-08:00 Europe/Atlantis\""), "no such time zone" },
    { "hours up a path", RULE("hours = \"07:00-08:00 ../../etc/passwd\""), "time zone" },
    { "hours at 25", RULE("hours = \"07:00-25:00 UTC\""), "HH:MM" },
    { "hours at 24:01", RULE("hours = \"07:00-24:01 UTC\""), "HH:MM" },
    { "hours on Moonday", RULE("hours = \"Moo-Fri 07:00-08:00 UTC\""), "days" },
    { "network word", RULE("network = { office }"), "not an address" },
    { "network host bits", RULE("network = { \"10.0.0.1/8\" }"), "beyond the prefix" },
    { "network /33", RULE("network = { \"10.0.0.0/33\" }"), "0 to 32" },
    { "reason of nothing", "purpose \"a\" { reason_min = 0 }", "purpose \"a\": reason_min = 0 only with ticket" },
    { "reason of 3000", "purpose \"a\" { reason_min = 3000 }", "reason_min" },
    { "a quote in a name", "purpose \"a\\\"b\" { }", "quote" },
    { "a long name", "purpose \"0123456789012345678901234567890123456789012345678901234567890123X\" { }", "64" },
    { "the same rule twice", "rule \"x\" { effect = deny } rule \"x\" { effect = deny }", "same title" },
    { "unknown option", RULE("masking = full"), "masking" },
    { "unknown section", "rules \"x\" { }", "rules" },
    { "unknown effect", RULE("effect = maybe"), "effect" },
    { "caps of nothing", "caps { day = 0s }", "caps: day" },
    { "break-glass for a day", "breakglass { max = 1d }", "breakglass: max" },
    { "on_change", "on_change = ignore", "on_change" },
    { "test without wants", "test \"t\" { expect = ask }", "test \"t\": wants" },
    { "test without expect", "test \"t\" { wants = { play } }", "test \"t\": expect" },
    { "test at no time", "test \"t\" { wants = { play } expect = ask at = tomorrow }", "RFC 3339" },
    { "test from a network", "test \"t\" { wants = { play } expect = ask from = \"10.0.0.0/8\" }", "not a network" },
    { "environment", RULE("env = { \"${HOME}\" }"), "" },
    { "cut short", "rule \"x\" { effect = deny", "" },
};

static void test_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const struct policy *p = NULL;
        struct arena arena;
        struct err_info e = { 0 };
        enum err got;

        arena_init(&arena, POLICY_ARENA_MAX);
        got = load_span(span_str(refused[i].text), &arena, &p, &e);
        if (got != ERR_INVAL && got != ERR_LIMIT && got != ERR_NOTFOUND)
            fail_msg("%s: %s", refused[i].name, err_name(got));
        if (strstr(e.text, refused[i].says) == NULL)
            fail_msg("%s: says '%s'", refused[i].name, e.text);
        arena_deinit(&arena);
    }
}

static void test_possible_after_all(void **state)
{
    static const char *const good[] = {
        RULE("ask { need = 2 from = { \"user:x\", \"user:y\" } }"),
        RULE("who = { \"user:x\" } ask { need = 1 from = { \"user:x\", \"user:y\" } }"),
        RULE("who = { \"user:x\", \"user:y\" } ask { need = 1 from = { \"user:x\", \"user:y\" } }"),
        RULE("ask { need = 2 from = { \"user:x\" } group \"g\" { } }"),
        RULE("ask { need = 16 from = { \"group:tiny\" } }"), /* only today's people cannot: loads, says no-approver */
        "",
        "caps { day = 24h }",
    };

    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct arena arena;

        assert_print_is_stable(load(good[i], &arena));
        arena_deinit(&arena);
    }
}

/* --- decisions -----------------------------------------------------------------------------------------------------
 */

static struct role_held viewer[] = { { SPAN(P1), ROLE_VIEWER, 0 } };
static struct span mine[] = { SPAN("me") };
static struct who asker = {
    .id = SPAN("u_1"), .name = SPAN("anna"), .roles = viewer, .n_roles = 1, .subjects = mine, .n_subjects = 1
};
static struct policy_pair tags[] = { { SPAN("team"), SPAN("pay") } };
static struct policy_pair links[] = { { SPAN("error"), SPAN("E1") } };

static struct policy_item item(void)
{
    return (struct policy_item){ .project = SPAN(P1),
                                 .project_name = SPAN("shop"),
                                 .env = SPAN("prod"),
                                 .klass = SPAN("low"),
                                 .kind = SPAN("rrweb"),
                                 .tags = tags,
                                 .n_tags = 1,
                                 .links = links,
                                 .n_links = 1 };
}

static struct policy_answer ask(const struct policy *p, const struct policy_item *it, size_t n, action_mask actions,
                                const char *purpose)
{
    struct policy_facts f = { .now = 1793000000000, .who = &asker, .purpose = span_str(purpose) };

    return policy_check(p, &f, it, n, actions);
}

#define PLAY   ACTION_BIT(ACTION_PLAY)
#define LIVE   ACTION_BIT(ACTION_LIVE)
#define EXPORT ACTION_BIT(ACTION_EXPORT)

static void test_empty_policy_lets_nobody_in(void **state)
{
    struct policy_item it = item();
    struct arena arena;
    const struct policy *p = load("", &arena);

    (void) state;
    assert_int_equal(ask(p, &it, 1, PLAY, "a").verdict, POLICY_NO_RULE);
    assert_int_equal(ask(p, &it, 0, PLAY, "a").verdict, POLICY_NO_RULE);
    arena_deinit(&arena);
    /* Nor does a request for nothing under a policy that allows. */
    p = load(RULE("effect = auto"), &arena);
    assert_int_equal(ask(p, &it, 1, PLAY, "a").verdict, POLICY_AUTO);
    assert_int_equal(ask(p, &it, 1, 0, "a").verdict, POLICY_NO_RULE);
    assert_int_equal(ask(p, &it, 0, PLAY, "a").verdict, POLICY_NO_RULE);
    arena_deinit(&arena);
}

/* One condition at a time, on both sides. */
static void test_conditions(void **state)
{
    static const struct {
        const char *condition;
        bool matches;
    } conditions[] = {
        { "", true },
        { "who = { \"user:anna\" }", true },
        { "who = { \"user:ben\" }", false },
        { "who = { \"role:viewer\" }", true },
        { "who = { \"role:approver\" }", false },
        { "who = { \"group:x\", \"role:viewer\" }", true },
        { "project = { shop }", true },
        { "project = { \"" P1 "\" }", true },
        { "project = { bank }", false },
        { "env = { test, prod }", true },
        { "env = { test }", false },
        { "class = { low }", true },
        { "class = { high }", false },
        { "kind = { rrweb }", true },
        { "kind = { terminal }", false },
        { "tag = { team }", true },
        { "tag = { \"team=pay\" }", true },
        { "tag = { \"team=web\" }", false },
        { "tag = { color }", false },
        { "link = { error }", true },
        { "link = { \"error:E1\" }", true },
        { "link = { \"error:E2\" }", false },
        { "link = { trace }", false },
        { "subject = self", false },
        { "when = sole-person effect = auto", false },
        { "network = { \"0.0.0.0/0\" }", false },              /* the address is not known */
        { "auth_age = 1h", false },                            /* by a token */
        { "ticket = { none }", true },
        { "ticket = { none, open }", true },
        { "ticket = { open, closed, unknown }", false },
        { "hours = \"Mon 08:00-09:00 Europe/Berlin\"", true }, /* 2026-10-26 08:33, a Monday */
        { "hours = \"Mon 08:00-08:33 Europe/Berlin\"", false },
        { "hours = \"Tue-Sun 08:00-09:00 Europe/Berlin\"", false },
        { "hours = { \"Tue-Sun 08:00-09:00 Europe/Berlin\", \"07:33-07:34 UTC\" }", true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        char text[400];
        struct policy_item it = item();
        struct arena arena;
        const struct policy *p;

        (void) snprintf(text, sizeof(text), "purpose \"a\" {} rule \"r\" { actions = { play } purposes = { a } %s }",
                        conditions[i].condition);
        p = load(text, &arena);
        if ((ask(p, &it, 1, PLAY, "a").verdict != POLICY_NO_RULE) != conditions[i].matches)
            fail_msg("%s", conditions[i].condition);
        assert_print_is_stable(p);

        /* The print says it, too: what is approved is what decides. */
        struct buf print = BUF_INIT(POLICY_PRINT_MAX);
        struct arena other;

        policy_print(p, &print);
        if ((ask(load(buf_cstr(&print), &other), &it, 1, PLAY, "a").verdict != POLICY_NO_RULE) != conditions[i].matches)
            fail_msg("the print forgets %s", conditions[i].condition);
        arena_deinit(&other);
        buf_deinit(&print);
        arena_deinit(&arena);
    }
}

static void test_facts_of_the_asker(void **state)
{
    const uint8_t v4[4] = { 10, 1, 2, 3 }, mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3 };
    const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 1 }, other[4] = { 11, 1, 2, 3 };
    struct policy_item it = item();
    struct policy_facts f = { .now = 5000000, .who = &asker, .purpose = SPAN("a") };
    struct arena arena;
    const struct policy *p = load(RULE("network = { \"10.0.0.0/8\", \"2001:db8::/32\" }"), &arena);

    (void) state;
    f.addr = v4, f.addr_len = 4;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    f.addr = mapped, f.addr_len = 16;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    f.addr = v6;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    f.addr = other, f.addr_len = 4;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_NO_RULE);
    arena_deinit(&arena);

    /* A denying rule about an unknown address denies. */
    p = load(RULE("") " rule \"no\" { effect = deny network = { \"10.0.0.0/8\" } }", &arena);
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    f.addr_len = 0;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_DENIED);
    arena_deinit(&arena);

    p = load(RULE("auth_age = 1h"), &arena);
    f.auth_at = f.now - 3600000;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    f.auth_at--;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_NO_RULE);
    arena_deinit(&arena);

    /* With nobody calling, what is said of a client is met by what allows and is nothing to deny for. */
    f = (struct policy_facts){ .now = 5000000, .who = &asker, .purpose = SPAN("a"), .standing = true };
    p = load(RULE("auth_age = 1h network = { \"10.0.0.0/8\" }"), &arena);
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    arena_deinit(&arena);
    p = load(RULE("") " rule \"no\" { effect = deny network = { \"0.0.0.0/0\" } } rule \"nor\" { effect = deny auth_age = 1h }", &arena);
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_ASK);
    f.standing = false;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_DENIED);
    arena_deinit(&arena);

    p = load(RULE("subject = self effect = auto"), &arena);
    it.subject = SPAN("me");
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_AUTO);
    it.subject = SPAN("anna"); /* a name is no proof of being the recorded person */
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_NO_RULE);
    arena_deinit(&arena);

    p = load(RULE("when = sole-person effect = auto"), &arena);
    f.sole_person = true;
    assert_int_equal(policy_check(p, &f, &it, 1, PLAY).verdict, POLICY_AUTO);
    arena_deinit(&arena);
}

static void test_order_and_split(void **state)
{
    struct policy_item its[3] = { item(), item(), item() };
    struct policy_answer a;
    struct arena arena;
    const struct policy *p =
        load("purpose \"a\" {} purpose \"b\" {}\n"
             "rule \"first\" { kind = { rrweb } actions = { play } purposes = { a } max = 1min }\n"
             "rule \"second\" { actions = { play, live } purposes = { a } max = 2min ask { need = 2 } }\n"
             "rule \"never\" { effect = deny env = { secret } }\n",
             &arena);

    (void) state;
    a = ask(p, its, 3, PLAY, "a");
    assert_int_equal(a.verdict, POLICY_ASK);
    assert_span_str(a.rule->name, "first");
    a = ask(p, its, 1, LIVE, "a");
    assert_span_str(a.rule->name, "second");
    a = ask(p, its, 1, PLAY | LIVE, "a");
    assert_int_equal(a.verdict, POLICY_SPLIT);
    assert_null(a.rule);
    assert_int_equal(a.n_split, 2);
    assert_span_str(a.split[0], "first");
    assert_span_str(a.split[1], "second");
    its[2].kind = SPAN("terminal");
    assert_int_equal(ask(p, its, 3, PLAY, "a").verdict, POLICY_SPLIT);
    a = ask(p, its, 1, PLAY | EXPORT, "a");
    assert_int_equal(a.verdict, POLICY_SPLIT);
    assert_span_str(a.split[0], "first");
    assert_span_str(a.split[1], ""); /* nothing says yes to the export */
    assert_int_equal(ask(p, its, 1, PLAY, "b").verdict, POLICY_NO_RULE);

    /* A denial overrides, wherever it stands, for all of the request. */
    its[0].env = its[1].env = its[2].env = SPAN("secret");
    a = ask(p, its, 3, PLAY, "a");
    assert_int_equal(a.verdict, POLICY_DENIED);
    assert_span_str(a.rule->name, "never");
    assert_int_equal(a.n_split, 0);

    /* Several places are never one request. */
    its[0].env = its[1].env = SPAN("prod");
    a = ask(p, its, 3, PLAY, "a");
    assert_int_equal(a.verdict, POLICY_SPLIT);
    assert_true(a.split_place);
    its[2] = its[0];
    its[2].project = SPAN("p_BBBBBBBBBBBBBBBB");
    assert_true(ask(p, its, 3, PLAY, "a").split_place);
    arena_deinit(&arena);

    /* One denied among several allowed: the answer names which. */
    p = load(RULE("") " rule \"no\" { effect = deny class = { high } }", &arena);
    its[2] = its[1] = its[0] = item();
    its[1].klass = SPAN("high");
    a = ask(p, its, 3, PLAY, "a");
    assert_int_equal(a.verdict, POLICY_DENIED);
    assert_int_equal(a.item, 1);
    assert_int_equal(a.action, ACTION_PLAY);
    arena_deinit(&arena);
}

/* 100 recordings and 200 rules stay within the bound, or are refused as too much; never allowed by running out. */
static void test_steps_are_bounded(void **state)
{
    static struct policy_item its[100];
    struct buf text = BUF_INIT(1 << 18);
    struct arena arena;
    struct policy_answer a;

    (void) state;
    for (size_t i = 0; i < 100; i++)
        its[i] = item();
    for (int rules = 90; rules <= 110; rules += 20) {
        buf_reset(&text);
        buf_add_str(&text, "purpose \"a\" {}\n");
        for (int i = 0; i < rules - 1; i++)
            buf_addf(&text, "rule \"r%d\" { kind = { terminal } actions = { play } purposes = { a } }\n", i);
        buf_add_str(&text, "rule \"last\" { actions = { play } purposes = { a } effect = auto }\n");
        a = ask(load(buf_cstr(&text), &arena), its, 100, PLAY, "a");
        assert_int_equal(a.verdict, rules == 90 ? POLICY_AUTO : POLICY_TOO_MUCH);
        arena_deinit(&arena);
    }
    buf_deinit(&text);
}

static void test_hours(void **state)
{
    static const struct {
        const char *hours, *at;
        bool in;
    } moments[] = {
        { "07:00-20:00 Europe/Berlin", "2026-11-03T06:59:59.999+01:00", false },
        { "07:00-20:00 Europe/Berlin", "2026-11-03T07:00:00+01:00", true },
        { "07:00-20:00 Europe/Berlin", "2026-11-03T19:59:59.999+01:00", true },
        { "07:00-20:00 Europe/Berlin", "2026-11-03T20:00:00+01:00", false },
        { "07:00-20:00 Europe/Berlin", "2026-07-03T07:00:00+02:00", true }, /* summer */
        { "07:00-20:00 Europe/Berlin", "2026-07-03T06:59:59+02:00", false },
        { "00:00-24:00 UTC", "2026-07-03T23:59:59.999Z", true },
        { "Fri 22:00-06:00 UTC", "2026-11-06T22:00:00Z", true }, /* a Friday */
        { "Fri 22:00-06:00 UTC", "2026-11-07T05:59:59Z", true },
        { "Fri 22:00-06:00 UTC", "2026-11-07T06:00:00Z", false },
        { "Fri 22:00-06:00 UTC", "2026-11-06T05:00:00Z", false }, /* the night before */
        { "Fri 22:00-06:00 UTC", "2026-11-07T22:00:00Z", false },
        { "Sat-Mon 10:00-11:00 UTC", "2026-11-08T10:30:00Z", true },
        { "Sat-Mon 10:00-11:00 UTC", "2026-11-09T10:30:00Z", true },
        { "Sat-Mon 10:00-11:00 UTC", "2026-11-10T10:30:00Z", false },
        { "Tue,Thu 10:00-11:00 UTC", "2026-11-10T10:30:00Z", true },
        { "Tue,Thu 10:00-11:00 UTC", "2026-11-11T10:30:00Z", false },
        { "12:00-13:00 UTC", "1970-01-01T12:30:00Z", true },
        { "Thu 12:00-13:00 UTC", "1970-01-01T12:30:00Z", true },
        /* Berlin 2026: 02:00 to 03:00 is not there on 29 March, and there twice on 25 October (by hand from tzdata) */
        { "02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59.999Z", false },
        { "02:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false },
        { "01:30-02:30 Europe/Berlin", "2026-03-29T00:30:00Z", true },
        { "01:30-02:30 Europe/Berlin", "2026-03-29T00:59:59.999Z", true },
        { "01:30-02:30 Europe/Berlin", "2026-03-29T01:00:00Z", false },
        { "02:00-03:00 Europe/Berlin", "2026-10-24T23:59:59.999Z", false },
        { "02:00-03:00 Europe/Berlin", "2026-10-25T00:00:00Z", true },
        { "02:00-03:00 Europe/Berlin", "2026-10-25T00:59:59.999Z", true },
        { "02:00-03:00 Europe/Berlin", "2026-10-25T01:00:00Z", true },
        { "02:00-03:00 Europe/Berlin", "2026-10-25T01:59:59.999Z", true },
        { "02:00-03:00 Europe/Berlin", "2026-10-25T02:00:00Z", false },
        /* a night over each change: 7 and 9 hours long */
        { "Sat 22:00-06:00 Europe/Berlin", "2026-03-29T03:59:59.999Z", true },
        { "Sat 22:00-06:00 Europe/Berlin", "2026-03-29T04:00:00Z", false },
        { "Sat 22:00-06:00 Europe/Berlin", "2026-10-25T04:59:59.999Z", true },
        { "Sat 22:00-06:00 Europe/Berlin", "2026-10-25T05:00:00Z", false },
        /* New York changes three weeks before Berlin does */
        { "09:00-17:00 America/New_York", "2026-03-06T13:59:59.999Z", false },
        { "09:00-17:00 America/New_York", "2026-03-06T14:00:00Z", true },
        { "09:00-17:00 America/New_York", "2026-03-09T12:59:59.999Z", false },
        { "09:00-17:00 America/New_York", "2026-03-09T13:00:00Z", true },
        { "09:00-17:00 America/New_York", "2026-11-02T21:59:59.999Z", true },
        { "09:00-17:00 America/New_York", "2026-11-02T22:00:00Z", false },
        /* Lord Howe goes back by half an hour, at 15:00Z on 4 April 2026 */
        { "01:30-02:00 Australia/Lord_Howe", "2026-04-04T14:29:59.999Z", false },
        { "01:30-02:00 Australia/Lord_Howe", "2026-04-04T14:30:00Z", true },
        { "01:30-02:00 Australia/Lord_Howe", "2026-04-04T15:00:00Z", true },
        { "01:30-02:00 Australia/Lord_Howe", "2026-04-04T15:29:59.999Z", true },
        { "01:30-02:00 Australia/Lord_Howe", "2026-04-04T15:30:00Z", false },
        { "09:00-10:00 Asia/Kathmandu", "2026-04-04T03:14:59.999Z", false }, /* UTC+05:45 */
        { "09:00-10:00 Asia/Kathmandu", "2026-04-04T03:15:00Z", true },
        { "Fri 00:00-24:00 Pacific/Apia", "2011-12-30T09:59:59.999Z", false }, /* Thursday the 29th … */
        { "Fri 00:00-24:00 Pacific/Apia", "2011-12-30T10:00:00Z", false },     /* … then Saturday the 31st */
        { "Sat 00:00-24:00 Pacific/Apia", "2011-12-30T10:00:00Z", true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        struct policy_hours h;
        struct arena arena;
        struct err_info e;
        time_ms at;

        arena_init(&arena, 1 << 20);
        assert_ok_err(policy_hours_parse(span_str(moments[i].hours), &zones, &arena, &h, &e), &e);
        assert_true(time_parse_rfc3339(span_str(moments[i].at), &at));
        if (policy_hours_has(&h, at) != moments[i].in)
            fail_msg("%s at %s", moments[i].hours, moments[i].at);
        arena_deinit(&arena);
    }
}

/* --- terms ---------------------------------------------------------------------------------------------------------
 */

static void assert_error(const struct field_errors *errs, const char *at, enum field_code code, int64_t limit)
{
    for (size_t i = 0; i < errs->n; i++) {
        if (strcmp(errs->items[i].at, at) == 0 && errs->items[i].code == code && errs->items[i].limit == limit)
            return;
    }
    fail_msg("no error %s at %s with limit %lld (%zu errors)", field_code_name(code), at, (long long) limit, errs->n);
}

static void test_terms(void **state)
{
    struct arena arena;
    const struct policy *p = load("purpose \"a\" {} purpose \"t\" { ticket = required reason_min = 0 }\n"
                                  "rule \"r\" { actions = { play } purposes = { a, t } max = 60min default = 20min "
                                  "start = { first-use } start_by = 1h }",
                                  &arena);
    const struct policy_rule *r = &p->rules[0];
    struct request req = { .purpose = SPAN("a"),
                           .reason = SPAN("twenty characters ok"),
                           .duration_s = 3600,
                           .start = GRANT_START_FIRST_USE,
                           .start_by_s = 3600 };
    struct field_errors errs = { 0 };

    (void) state;
    policy_check_terms(p, r, &req, false, &errs);
    assert_int_equal(errs.n, 0);

    req.duration_s = 3601;
    policy_check_terms(p, r, &req, false, &errs);
    assert_error(&errs, "/duration_s", FIELD_TOO_LARGE, 3600);
    req.duration_s = 52LL * 7 * 86400; /* PEERS 20: the refusal names the maximum */
    errs = (struct field_errors){ 0 };
    policy_check_terms(p, r, &req, false, &errs);
    assert_error(&errs, "/duration_s", FIELD_TOO_LARGE, 3600);
    assert_int_equal(errs.items[0].seen, 31449600);

    errs = (struct field_errors){ 0 };
    req = (struct request){
        .purpose = SPAN("a"), .reason = SPAN("nineteen characters"), .duration_s = 60, .start = GRANT_START_APPROVAL
    };
    policy_check_terms(p, r, &req, false, &errs);
    assert_error(&errs, "/purpose/reason", FIELD_TOO_SHORT, 20);
    assert_error(&errs, "/start", FIELD_NOT_ONE_OF, FIELD_NO_LIMIT);
    assert_string_equal(errs.items[1].detail, "allowed: first-use");

    errs = (struct field_errors){ 0 };
    req = (struct request){ .purpose = SPAN("a"),
                            .reason = SPAN("                        "),
                            .duration_s = 60,
                            .start = GRANT_START_FIRST_USE,
                            .start_by_s = 3601 };
    policy_check_terms(p, r, &req, false, &errs);
    assert_error(&errs, "/purpose/reason", FIELD_TOO_SHORT, 20);
    assert_error(&errs, "/start_by_s", FIELD_TOO_LARGE, 3600);

    errs = (struct field_errors){ 0 };
    req = (struct request){
        .purpose = SPAN("t"), .duration_s = 60, .ticket = SPAN("   "), .start = GRANT_START_FIRST_USE
    };
    policy_check_terms(p, r, &req, false, &errs);
    assert_int_equal(errs.n, 1);
    assert_error(&errs, "/purpose/ticket", FIELD_MISSING, FIELD_NO_LIMIT);
    req.ticket = SPAN("SUP-1");
    errs = (struct field_errors){ 0 };
    policy_check_terms(p, r, &req, false, &errs);
    assert_int_equal(errs.n, 0);

    req.purpose = SPAN("fun");
    policy_check_terms(p, NULL, &req, false, &errs);
    assert_error(&errs, "/purpose/code", FIELD_NOT_ONE_OF, FIELD_NO_LIMIT);

    /* A check complains of what is wrong, not of what is missing. */
    errs = (struct field_errors){ 0 };
    req = (struct request){ .start = GRANT_START_FIRST_USE };
    policy_check_terms(p, r, &req, true, &errs);
    assert_int_equal(errs.n, 0);
    policy_fill(r, &req);
    assert_int_equal(req.duration_s, 1200);
    assert_int_equal(req.start_by_s, 3600);
    arena_deinit(&arena);
}

static void test_caps(void **state)
{
    int64_t left;
    struct arena arena;
    const struct policy *p = load("caps { recording = 1h day = 2h }", &arena);

    (void) state;
    assert_true(policy_caps(p, 0, 0, 3600000, &left));
    assert_false(policy_caps(p, 0, 0, 3600001, &left));
    assert_true(left == 3600000);
    assert_true(policy_caps(p, 0, 6000000, 1200000, &left));
    assert_false(policy_caps(p, 0, 6000001, 1200000, &left));
    assert_false(policy_caps(p, 9000000, 0, 1, &left));
    assert_true(left == 0);
    arena_deinit(&arena);
    p = load("", &arena);
    assert_true(policy_caps(p, 1LL << 50, 1LL << 50, 1LL << 50, &left));
    arena_deinit(&arena);
}

static void test_less(void **state)
{
    struct arena arena;
    const struct policy *p =
        load("purpose \"a\" {} purpose \"b\" {}\n"
             "rule \"own\" { who = { \"user:anna\" } actions = { play } purposes = { b } effect = auto }\n"
             "rule \"watch\" { class = { low } actions = { play } purposes = { a } }\n"
             "rule \"rest\" { actions = { play, export } purposes = { a } ask { need = 3 } }\n",
             &arena);
    struct policy_item its[3] = { item(), item(), item() };
    struct policy_facts f = { .now = 1, .who = &asker, .purpose = SPAN("a") };
    struct policy_less less[4];
    size_t n;

    (void) state;
    /* As it is: play by "watch", export by "rest" = split. Less: another purpose is no help for export. */
    n = policy_less(p, &f, its, 1, PLAY | EXPORT, less, 4);
    assert_int_equal(n, 2);
    assert_int_equal(less[0].actions, PLAY);
    assert_int_equal(less[0].need, 1);
    assert_int_equal(less[0].verdict, POLICY_ASK);
    assert_int_equal(less[1].actions, EXPORT);
    assert_int_equal(less[1].need, 3);

    /* Play for 'a' needs one; for 'b' it opens at once. */
    n = policy_less(p, &f, its, 1, PLAY, less, 4);
    assert_int_equal(n, 1);
    assert_span_str(less[0].purpose, "b");
    assert_int_equal(less[0].verdict, POLICY_AUTO);
    assert_int_equal(less[0].need, 0);

    /* Recordings that one rule decides. */
    its[1].klass = SPAN("high");
    n = policy_less(p, &f, its, 3, PLAY, less, 4);
    assert_int_equal(n, 2);
    assert_int_equal(less[0].need, 0);
    assert_int_equal(less[1].need, 1);
    assert_int_equal(less[1].n_items, 2);
    assert_int_equal(less[1].items[1], 2);

    f.purpose = SPAN("b");
    assert_int_equal(policy_less(p, &f, its, 1, PLAY, less, 4), 0);
    assert_int_equal(policy_less(p, &f, its, 3, PLAY, less, 0), 0);
    arena_deinit(&arena);
}

static void test_words(void **state)
{
    static const struct {
        const char *text, *says;
    } rules[] = {
        { RULE(""), "Needs 1 approval by people of role approver." },
        { RULE("ask { need = 2 from = { \"role:approver\", \"user:anna\", \"group:sec\" } }"),
          "Needs 2 approvals by people of group sec, of role approver or anna." },
        { RULE("ask { need = 2 group \"security\" { } group \"owners\" { min = 2 } }"),
          "Needs 2 approvals, at least 1 of group security and at least 2 of group owners." },
        { RULE("effect = auto"), "Opens at once; it is recorded who watched and why." },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct buf out = BUF_INIT(1000);
        struct arena arena;
        const struct policy *p = load(rules[i].text, &arena);

        policy_say_need(&p->rules[0], &out);
        assert_span_str(buf_span(&out), rules[i].says);
        buf_deinit(&out);
        arena_deinit(&arena);
    }
}

/* --- presets -------------------------------------------------------------------------------------------------------
 */

static void preset(const char *path, void *ctx)
{
    struct policy_test_result r[POLICY_TESTS_MAX];
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    const struct policy *p = NULL;
    struct arena arena;
    struct err_info e;

    (void) ctx;
    arena_init(&arena, POLICY_ARENA_MAX);
    test_read_file(path, &text);
    assert_ok_err(load_span(buf_span(&text), &arena, &p, &e), &e);
    assert_true(p->n_tests >= 5);
    if (policy_run_tests(p, r) != 0) {
        for (size_t i = 0; i < p->n_tests; i++) {
            if (!r[i].ok)
                print_message("%s: " SPAN_FMT ": %s\n", path, SPAN_ARG(r[i].name), policy_verdict_name(r[i].got));
        }
        fail();
    }
    assert_print_is_stable(p);
    arena_deinit(&arena);
    buf_deinit(&text);
}

static void test_presets(void **state)
{
    (void) state;
    assert_int_equal(test_each_file(test_source("packaging/policies"), ".conf", preset, NULL), 4);
}

/* --- who votes ----------------------------------------------------------------------------------------------------- */

static void test_may_vote(void **state)
{
    static const struct {
        const char *ask;
        bool approver, grouped, named, nobody;
    } cases[] = {
        { "", true, false, false, false },
        { "ask { group \"security\" { min = 1 } }", true, true, false, false },
        { "ask { from = { \"user:anna\", \"user:ben\" } }", true, false, true, false },
        { "ask { from = { \"role:viewer\" } }", true, false, false, true },
        { "effect = auto", true, false, false, false },
    };
    const struct role_held approver = { SPAN(P1), ROLE_APPROVER, 0 }, watching = { SPAN("*"), ROLE_VIEWER, 0 };
    const struct who_group security = { SPAN("security"), 0 };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct who a = { .id = SPAN("u_1"), .name = SPAN("ann"), .roles = &approver, .n_roles = 1 };
        const struct who g = { .id = SPAN("u_2"), .name = SPAN("gil"), .groups = &security, .n_groups = 1 };
        const struct who n = { .id = SPAN("u_3"), .name = SPAN("anna") };
        const struct who v = { .id = SPAN("u_4"), .name = SPAN("vic"), .roles = &watching, .n_roles = 1 };
        struct who off = a;
        char text[300];
        struct arena arena;
        const struct policy *p;

        off.disabled = true;
        (void) snprintf(text, sizeof(text), RULE("%s"), cases[i].ask);
        p = load(text, &arena);
        if (policy_may_vote(p, &a) != cases[i].approver || policy_may_vote(p, &g) != cases[i].grouped ||
            policy_may_vote(p, &n) != cases[i].named || policy_may_vote(p, &v) != cases[i].nobody)
            fail_msg("%s", cases[i].ask);
        assert_false(policy_may_vote(p, &off));
        assert_true(policy_may_vote(NULL, &a));
        assert_false(policy_may_vote(NULL, &g));
        arena_deinit(&arena);
    }
}

/* --- files that are refused ---------------------------------------------------------------------------------------- */

/* Each file says in its first line what has to be said of it, with the line: "# 3: 'who' is given twice". */
static void refused_file(const char *path, void *ctx)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct err_info e = { 0 };
    const struct policy *p = NULL;
    struct span first, rest;
    struct arena arena;
    char want[200];

    (void) ctx;
    arena_init(&arena, POLICY_ARENA_MAX);
    test_read_file(path, &text);
    assert_true(span_cut(buf_span(&text), '\n', &first, &rest));
    assert_true(span_to_str(span_sub(first, 2, first.n), want, sizeof(want)));
    if (load_span(buf_span(&text), &arena, &p, &e) == ERR_OK)
        fail_msg("%s was taken", path);
    if (strstr(e.text, want) == NULL)
        fail_msg("%s: says '%s', not '%s'", path, e.text, want);
    arena_deinit(&arena);
    buf_deinit(&text);
}

static void test_refused_files(void **state)
{
    (void) state;
    assert_true(test_each_file(test_source("tests/unit/access/refused"), ".conf", refused_file, NULL) >= 8);
}

/* --- the rest of the sides ----------------------------------------------------------------------------------------- */

static void test_other_sides(void **state)
{
    struct policy_item its[12];
    struct policy_less less[8];
    struct policy_facts f = { .now = 5000000, .who = &asker, .purpose = SPAN("a") };
    struct field_errors errs;
    struct request req;
    struct policy_answer a;
    struct buf text = BUF_INIT(1 << 16);
    struct arena arena;
    const struct policy *p;

    (void) state;
    /* A check may leave everything out but what is there has to be right. */
    p = load("purpose \"a\" { ticket = required }\n"
             "rule \"r\" { actions = { play } purposes = { a } max = 60min default = 20min start = { approval, first-use } start_by = 1h }\n"
             "rule \"no\" { effect = deny actions = { export } }",
             &arena);
    errs = (struct field_errors){ 0 };
    req = (struct request){ .start = GRANT_START_APPROVAL };
    policy_check_terms(p, NULL, &req, true, &errs);
    assert_int_equal(errs.n, 0);
    policy_check_terms(p, NULL, &req, false, &errs);
    assert_error(&errs, "/purpose/code", FIELD_NOT_ONE_OF, FIELD_NO_LIMIT);
    errs = (struct field_errors){ 0 };
    req.purpose = SPAN("a");
    policy_check_terms(p, NULL, &req, true, &errs);
    assert_int_equal(errs.n, 0);
    req.reason = SPAN("too short");
    policy_check_terms(p, NULL, &req, true, &errs);
    assert_error(&errs, "/purpose/reason", FIELD_TOO_SHORT, 20);
    errs = (struct field_errors){ 0 };
    req.reason = SPAN_EMPTY;
    policy_check_terms(p, &p->rules[1], &req, false, &errs); /* a rule that denies has no terms */
    assert_error(&errs, "/purpose/reason", FIELD_MISSING, 20);
    assert_error(&errs, "/purpose/ticket", FIELD_MISSING, FIELD_NO_LIMIT);
    assert_int_equal(errs.n, 2);
    errs = (struct field_errors){ 0 };
    req = (struct request){ .purpose = SPAN("a"), .reason = SPAN("twenty characters ok"), .ticket = SPAN("T"), .start = GRANT_START_TIME, .duration_s = 60 };
    policy_check_terms(p, &p->rules[0], &req, false, &errs);
    assert_error(&errs, "/start", FIELD_NOT_ONE_OF, FIELD_NO_LIMIT);
    req = (struct request){ .start = GRANT_START_FIRST_USE, .duration_s = 60, .start_by_s = 5 };
    policy_fill(&p->rules[0], &req);
    assert_int_equal(req.duration_s, 60);
    assert_int_equal(req.start_by_s, 5);
    req = (struct request){ .start = GRANT_START_FIRST_USE };
    policy_fill(&p->rules[0], &req);
    assert_int_equal(req.duration_s, 1200);
    assert_int_equal(req.start_by_s, 3600);
    arena_deinit(&arena);

    /* A sign-in from the future proves nothing; five seconds are the clocks'. */
    p = load(RULE("auth_age = 1h"), &arena);
    its[0] = item();
    f.auth_at = f.now + 5000;
    assert_int_equal(policy_check(p, &f, its, 1, PLAY).verdict, POLICY_ASK);
    f.auth_at++;
    assert_int_equal(policy_check(p, &f, its, 1, PLAY).verdict, POLICY_NO_RULE);
    arena_deinit(&arena);

    /* Twelve recordings that twelve rules decide: eight names are said. */
    buf_add_str(&text, "purpose \"a\" {} purpose \"b\" {}\n");
    for (int i = 0; i < 12; i++) {
        static char classes[12][4];

        (void) snprintf(classes[i], sizeof(classes[i]), "c%d", i);
        its[i] = item();
        its[i].klass = span_str(classes[i]);
        buf_addf(&text, "rule \"r%d\" { actions = { play } purposes = { a } class = { c%d } ask { need = %d } }\n", i, i, i % 3 + 1);
    }
    buf_add_str(&text, "rule \"other\" { actions = { play } purposes = { b } effect = auto }\n");
    p = load(buf_cstr(&text), &arena);
    f = (struct policy_facts){ .now = 5000000, .who = &asker, .purpose = SPAN("a") };
    a = policy_check(p, &f, its, 12, PLAY);
    assert_int_equal(a.verdict, POLICY_SPLIT);
    assert_int_equal(a.n_split, POLICY_SPLIT_MAX);
    /* What needs less, with room for one answer, for none, and when nothing can be less. */
    assert_int_equal(policy_less(p, &f, its, 12, PLAY, less, 1), 1);
    assert_int_equal(less[0].verdict, POLICY_AUTO); /* the other purpose */
    assert_int_equal(policy_less(p, &f, its, 12, PLAY, less, 0), 0);
    its[5].project = SPAN("p_BBBBBBBBBBBBBBBB"); /* of several places: those of the first go together */
    its[6].env = SPAN("elsewhere");
    assert_true(policy_less(p, &f, its, 12, PLAY, less, 8) >= 1);
    f.purpose = SPAN("b");
    assert_int_equal(policy_less(p, &f, its, 1, PLAY, less, 8), 0);
    arena_deinit(&arena);
    buf_deinit(&text);

    /* More rules than one, by cost: the list stays in order and within its room. */
    p = load("purpose \"a\" {} purpose \"b\" {} purpose \"c\" {} purpose \"d\" {}\n"
             "rule \"a\" { actions = { play, live, export } purposes = { a } ask { need = 4 } }\n"
             "rule \"b\" { actions = { play, live, export } purposes = { b } ask { need = 3 } }\n"
             "rule \"c\" { actions = { play, live, export } purposes = { c } ask { need = 2 } }\n"
             "rule \"d\" { actions = { play, live, export } purposes = { d } ask { need = 3 } }\n",
             &arena);
    its[0] = item();
    f.purpose = SPAN("a");
    assert_int_equal(policy_less(p, &f, its, 1, PLAY | LIVE | EXPORT, less, 2), 2);
    assert_int_equal(less[0].need, 2);
    assert_int_equal(less[1].need, 3);
    assert_span_str(less[1].purpose, "b");
    arena_deinit(&arena);

    /* Named voters, and who is named by nobody. */
    {
        const struct who_group g = { SPAN("g"), 0 };
        const struct who in = { .id = SPAN("u_1"), .groups = &g, .n_groups = 1 }, out = { .id = SPAN("u_2") };

        p = load(RULE("ask { group \"g\" { min = 1 } }"), &arena);
        assert_true(policy_names_voter(p, &in));
        assert_false(policy_names_voter(p, &out));
        assert_false(policy_names_voter(NULL, &in));
        arena_deinit(&arena);
    }
}

/* --- trees of any shape: what the gate sends is checked again, member by member ------------------------------------- */

struct shape {
    size_t n, target;
    int how;
};

#define SHAPES 18

/* Instead of one node: another type, an empty or overlong list, a word that nobody knows, an option too many. */
static void add_shape(struct buf *out, struct span key, int how)
{
    size_t mark;

    switch (how) {
    case 0: tree_add_int(out, key, -1); return;
    case 1: tree_add_int(out, key, INT64_MAX); return;
    case 2: tree_add_str(out, key, SPAN("nobody-knows-this")); return;
    case 3: tree_add_str(out, key, SPAN("")); return;
    case 4: tree_add_str(out, key, SPAN("a\"b")); return;
    case 5: tree_add_str(out, key, SPAN("\xff")); return;
    case 6: tree_add_bool(out, key, true); return;
    case 7: tree_add_null(out, key); return;
    case 8:
    case 9:
        mark = tree_begin(out, key, TREE_ARR);
        for (int i = 0; how == 9 && i < 300; i++)
            tree_add_str(out, SPAN_EMPTY, SPAN("x"));
        tree_end(out, mark);
        return;
    case 10:
        mark = tree_begin(out, key, TREE_OBJ);
        tree_add_str(out, SPAN("not-an-option"), SPAN("x"));
        tree_end(out, mark);
        return;
    case 12: tree_add_str(out, key, SPAN("a\x01")); return;
    case 13: tree_add_str(out, key, SPAN("a$b")); return;
    case 14: tree_add_str(out, key, SPAN("a\\b")); return;
    case 15: {
        char longer[POLICY_WORD_MAX + 1];

        memset(longer, 'x', sizeof(longer));
        tree_add_str(out, key, SPAN_OF(longer));
        return;
    }
    case 16: /* a section with a name and an option that is none */
    case 17: /* two of one name */
        mark = tree_begin(out, key, TREE_ARR);
        for (int i = 0; i < how - 15; i++) {
            size_t one = tree_begin(out, SPAN_EMPTY, TREE_OBJ);

            tree_add_str(out, SPAN("title"), SPAN("t"));
            if (how == 16)
                tree_add_str(out, SPAN("not-an-option"), SPAN("x"));
            tree_end(out, one);
        }
        tree_end(out, mark);
        return;
    default: /* 300 sections */
        mark = tree_begin(out, key, TREE_ARR);
        for (int i = 0; i < 300; i++) {
            size_t one = tree_begin(out, SPAN_EMPTY, TREE_OBJ);
            char title[16];

            (void) snprintf(title, sizeof(title), "t%d", i / 2);
            tree_add_str(out, SPAN("title"), span_str(title));
            tree_end(out, one);
        }
        tree_end(out, mark);
        return;
    }
}

static void copy_shaped(struct tree t, struct buf *out, struct shape *s)
{
    struct span at = t.payload;
    struct tree child;
    size_t mark;

    if (s->n++ == s->target) {
        add_shape(out, t.key, s->how);
    } else if (t.tag == TREE_OBJ || t.tag == TREE_ARR) {
        mark = tree_begin(out, t.key, t.tag);
        while (tree_next(&at, &child))
            copy_shaped(child, out, s);
        tree_end(out, mark);
    } else {
        buf_u8(out, (uint8_t) t.tag);
        buf_lp4(out, t.key);
        buf_lp4(out, t.payload);
    }
}

static const char rest_of_it[] = "rule \"more\" { actions = { play }  purposes = { \"debugging\" }  subject = self  when = sole-person  effect = auto  ticket = { none } }\n"
                                 "rule \"voters\" { actions = { play }  purposes = { \"debugging\" }  ask { settled = 1d  group \"g\" { min = 1 } } }\n"
                                 "new_user = none\n"
                                 "test \"all\" { as = { \"user:anna\" }  wants = { play }  when = sole-person  purpose = \"debugging\"  auth_age = 1h  ticket = \"yes\"  expect = deny }\n";

static void test_any_shape(void **state)
{
    struct confuse_source source = { .name = "policy", .max_bytes = POLICY_TEXT_MAX };
    struct buf text = BUF_INIT(1 << 16), tree = BUF_INIT(1 << 20), bent = BUF_INIT(1 << 20);
    struct shape all = { .target = SIZE_MAX };
    struct err_info e;
    size_t refusals = 0, taken = 0;

    (void) state;
    buf_add_str(&text, full);
    buf_add_str(&text, rest_of_it);
    source.text = buf_span(&text);
    assert_ok_err(confuse_load(&source, policy_schema, &tree, &e), &e);
    copy_shaped(tree_root(buf_span(&tree)), &bent, &all);
    for (size_t i = 0; i < all.n; i++) {
        for (int how = 0; how < SHAPES; how++) {
            struct shape s = { .target = i, .how = how };
            const struct policy *p = NULL;
            struct arena arena;
            enum err got;

            buf_reset(&bent);
            copy_shaped(tree_root(buf_span(&tree)), &bent, &s);
            assert_false(bent.failed);
            arena_init(&arena, POLICY_ARENA_MAX);
            e.text[0] = '\0';
            got = policy_load(tree_root(buf_span(&bent)), &zones, &arena, &p, &e);
            if (got == ERR_OK) {
                taken++;
                assert_non_null(p);
            } else {
                refusals++;
                assert_true(got == ERR_INVAL || got == ERR_LIMIT || got == ERR_NOTFOUND);
                assert_true(e.text[0] != '\0');
            }
            arena_deinit(&arena);
        }
    }
    assert_true(refusals > 1000 && taken > 10);
    buf_deinit(&text);
    buf_deinit(&tree);
    buf_deinit(&bent);
}

static void test_names(void **state)
{
    struct policy_hours h;
    struct policy_net net;
    struct arena arena;
    struct buf out = BUF_INIT(4096);
    const struct policy *p;

    (void) state;
    assert_string_equal(policy_verdict_name(POLICY_TOO_MUCH), "split");
    assert_string_equal(policy_verdict_name(POLICY_VERDICT_N_), "?");
    assert_string_equal(policy_expect_name(POLICY_EXPECT_SPLIT), "split");
    p = load("rule \"no\" { effect = deny } on_change = keep caps { recording = 1h } purpose \"a\" { }\n"
             "rule \"bytes\" { actions = { play } purposes = { a } quota { key_bytes = 1025B key_rate = 3KiB } hours = { \"sat,tue-wed,thu 01:00-02:00 UTC\", "
             "\"tue,wed 01:00-02:00 UTC\", \"sat 01:00-02:00 UTC\", \"sat 01:00-03:00 UTC\", \"sat 00:30-02:00 UTC\", \"sat 01:00-02:00 Europe/Berlin\" } }",
             &arena);
    assert_print_is_stable(p);
    policy_print(p, &out);
    assert_non_null(strstr(buf_cstr(&out), "key_bytes = 1025B  key_rate = 3KiB"));
    assert_non_null(strstr(buf_cstr(&out), "on_change = keep"));
    assert_non_null(strstr(buf_cstr(&out), "\"Tue-Thu,Sat 01:00-02:00 UTC\""));
    buf_reset(&out);
    policy_say_need(&p->rules[0], &out);
    assert_string_equal(buf_cstr(&out), "Nobody can approve this.");
    arena_deinit(&arena);
    buf_deinit(&out);

    arena_init(&arena, 1 << 16);
    static const char *const bad_hours[] = { "", " 01:00-02:00 UTC", "Mon,", "Xyz 01:00-02:00 UTC", "Mon ", "/1:00-02:00 UTC", "x", "Mon 1:00-02:00 UTC", "Mon 01.00-02:00 UTC", "Mon x1:00-02:00 UTC", "Mon 01:x0-02:00 UTC",
                                             "Mon 01:00 UTC", "Mon", "Mon 24:00-01:00 UTC", "Mon-Xyz 01:00-02:00 UTC", ":1:00-02:00 UTC", "01:00-02:00 " };
    for (size_t i = 0; i < sizeof(bad_hours) / sizeof(bad_hours[0]); i++)
        assert_err(policy_hours_parse(span_str(bad_hours[i]), &zones, &arena, &h, NULL), ERR_INVAL);
    static const char *const bad_nets[] = { "", "::/129", "::/x", "1.2.3.4/", "0123456789012345678901234567890123456789012345678901234567890123456789" };
    for (size_t i = 0; i < sizeof(bad_nets) / sizeof(bad_nets[0]); i++)
        assert_err(policy_net_parse(span_str(bad_nets[i]), &arena, &net, NULL), ERR_INVAL);
    assert_ok(policy_net_parse(SPAN("10.0.0.0/8"), &arena, &net, NULL));
    assert_false(policy_net_has(&net, (const uint8_t *) "\x0a\0\0\0\0", 5));
    arena_deinit(&arena);
    for (size_t max = 0; max < 64; max++) { /* no room for the text */
        arena_init(&arena, max);
        (void) policy_net_parse(SPAN("10.0.0.0/8"), &arena, &net, NULL);
        arena_deinit(&arena);
        arena_init(&arena, max);
        (void) policy_hours_parse(SPAN("01:00-02:00 UTC"), &zones, &arena, &h, NULL);
        arena_deinit(&arena);
    }
}

/* Allocation n fails, for every n: refused, nothing leaks (the sanitizer looks). */
static void test_small_arenas(void **state)
{
    size_t max = 0;
    enum err e = ERR_NOMEM;

    (void) state;
    for (; e != ERR_OK && max < POLICY_ARENA_MAX; max += 16) {
        const struct policy *p = NULL;
        struct arena arena;

        arena_init(&arena, max);
        e = load_span(span_str(full), &arena, &p, NULL);
        assert_true(e == ERR_OK || e == ERR_NOMEM || e == ERR_INVAL);
        assert_true((p != NULL) == (e == ERR_OK));
        arena_deinit(&arena);
    }
    assert_int_equal(e, ERR_OK);
}

/* --- rules and cases made by hand: values that no text can say ------------------------------------------------------ */

static void test_by_hand(void **state)
{
    static struct span nobody[] = { SPAN("role:nobody") };
    static struct span any[] = { SPAN("user:anna"), SPAN("group:g"), SPAN("role:viewer"), SPAN("role:nobody") };
    static const struct policy_purpose purposes[] = { { .code = SPAN("a") } };
    const struct policy_rule rules[] = {
        { .name = SPAN("r"), .actions = PLAY, .terms = { .max_ms = 60000, .ask = { .need = 1, .deny = 1, .from = nobody, .n_from = 1 } } },
    };
    const struct policy_test cases[] = {
        { .name = SPAN("asks"), .wants = PLAY, .expect = POLICY_EXPECT_ASK, .as = { any, 4 } },
        { .name = SPAN("none"), .wants = EXPORT, .expect = POLICY_EXPECT_DENY },
        { .name = SPAN("no such expectation"), .wants = PLAY, .expect = (enum policy_expect) 99 },
        { .name = SPAN("rule"), .wants = PLAY, .expect = POLICY_EXPECT_ASK, .rule = SPAN("r") },
        { .name = SPAN("another rule"), .wants = PLAY, .expect = POLICY_EXPECT_ASK, .rule = SPAN("q") },
        { .name = SPAN("no rule"), .wants = EXPORT, .expect = POLICY_EXPECT_DENY, .rule = SPAN("r") },
        { .name = SPAN("not that"), .wants = PLAY, .expect = POLICY_EXPECT_DENY },
    };
    const bool ok[] = { true, true, false, true, false, false, false };
    const struct policy p = { .purposes = purposes, .n_purposes = 1, .rules = rules, .n_rules = 1, .tests = cases, .n_tests = 7 };
    const struct role_held role = { SPAN("*"), ROLE_VIEWER, 0 };
    const struct who vic = { .id = SPAN("u_1"), .roles = &role, .n_roles = 1 };
    struct who off = vic;
    struct policy_test_result r[7];

    (void) state;
    assert_int_equal(policy_run_tests(&p, r), 4);
    for (size_t i = 0; i < 7; i++) {
        if (r[i].ok != ok[i])
            fail_msg(SPAN_FMT ": %d", SPAN_ARG(cases[i].name), r[i].ok);
    }
    assert_string_equal(r[1].cause, "no-rule");
    assert_string_equal(policy_expect_name((enum policy_expect) 99), "?");
    assert_string_equal(policy_expect_name(POLICY_EXPECT_SPLIT), "split");
    assert_string_equal(policy_verdict_name((enum policy_verdict) 99), "?");
    assert_false(policy_may_vote(&p, &vic)); /* a role that nobody knows is held by nobody */
    off.disabled = true;
    assert_false(policy_names_voter(&p, &off));
}

static void test_last_sides(void **state)
{
    static struct policy_item its[REQUEST_RECORDINGS_MAX + 1];
    struct policy_facts f = { .now = 5000000, .who = &asker, .purpose = SPAN("a") };
    struct buf text = BUF_INIT(1 << 18);
    struct policy_less less[8];
    struct request req;
    struct arena arena;
    const struct policy *p;

    (void) state;
    for (size_t i = 0; i <= REQUEST_RECORDINGS_MAX; i++)
        its[i] = item();
    /* Nothing is less than what opens at once, and more recordings than may be asked for are not looked at. */
    p = load(RULE(""), &arena);
    assert_int_equal(policy_less(p, &f, its, REQUEST_RECORDINGS_MAX + 1, PLAY, less, 8), 0);
    req = (struct request){ .start = GRANT_START_APPROVAL };
    policy_fill(&p->rules[0], &req);
    assert_int_equal(req.start_by_s, 0);
    arena_deinit(&arena);

    /* A better way found later takes the place of one that was in the list. */
    p = load("purpose \"a\" {} purpose \"b\" {} purpose \"c\" {}\n"
             "rule \"a\" { actions = { play } purposes = { a } ask { need = 4 } }\n"
             "rule \"b\" { actions = { play } purposes = { b } ask { need = 3 } }\n"
             "rule \"c\" { actions = { play } purposes = { c } ask { need = 2 } }\n",
             &arena);
    assert_int_equal(policy_less(p, &f, its, 1, PLAY, less, 1), 1);
    assert_span_str(less[0].purpose, "c");
    assert_int_equal(less[0].need, 2);
    arena_deinit(&arena);

    /* Recordings of several environments, none alike: one of them is less than all. */
    p = load("purpose \"a\" {}\nrule \"r\" { actions = { play } purposes = { a } }\n", &arena);
    its[1].env = SPAN("elsewhere");
    its[2].project = SPAN("p_BBBBBBBBBBBBBBBB");
    assert_int_equal(policy_less(p, &f, its, 3, PLAY, less, 8), 1);
    assert_true(less[0].n_items == 1 && less[0].items[0] == 0);
    its[1].env = its[0].env;
    its[2].project = its[0].project;
    arena_deinit(&arena);

    /* Too many steps for all at once, each by itself is not: the same recordings are no way to need less. */
    buf_add_str(&text, "purpose \"a\" {}\n");
    for (int i = 0; i < 120; i++)
        buf_addf(&text, "rule \"r%d\" { kind = { terminal } actions = { play } purposes = { a } }\n", i);
    buf_add_str(&text, "rule \"last\" { actions = { play } purposes = { a } }\n");
    p = load(buf_cstr(&text), &arena);
    assert_int_equal(ask(p, its, 100, PLAY, "a").verdict, POLICY_TOO_MUCH);
    assert_int_equal(policy_less(p, &f, its, 100, PLAY, less, 8), 0);
    arena_deinit(&arena);
    buf_deinit(&text);

    static const struct {
        const char *rule;
        enum err want;
    } rules[] = {
        { RULE("max_speed = \"0.24\""), ERR_INVAL },   { RULE("max_speed = \"0.25\""), ERR_OK },
        { RULE("max_speed = \"16\""), ERR_OK },        { RULE("max_speed = \"16.00\""), ERR_OK },
        { RULE("max_speed = \"16.01\""), ERR_INVAL },  { RULE("max_speed = \"17\""), ERR_INVAL },
        { RULE("max_speed = \"x\""), ERR_INVAL },      { RULE("max_speed = \"1.\""), ERR_INVAL },
        { RULE("max_speed = \"1.250\""), ERR_INVAL },  { RULE("max_speed = \"1.x\""), ERR_INVAL },
        { RULE("effect = auto ticket = { open }"), ERR_INVAL },
        { RULE("effect = auto ticket = { open, unknown }"), ERR_OK },
        { RULE("effect = auto ticket = { unknown }"), ERR_OK },
        /* The one asker among those who alone may vote; not among them; among them and excluded; one of two who ask. */
        { RULE("who = { \"user:anna\" } ask { from = { \"user:anna\" } }"), ERR_INVAL },
        { RULE("who = { \"user:anna\" } ask { from = { \"user:ben\" } }"), ERR_OK },
        { RULE("who = { \"user:anna\" } ask { from = { \"user:anna\", \"user:ben\" } exclude = { \"user:anna\" } }"), ERR_OK },
        { RULE("who = { \"user:anna\" } ask { need = 2 from = { \"user:anna\", \"user:ben\" } exclude = { \"user:anna\" } }"), ERR_INVAL },
        { RULE("who = { \"user:anna\", \"user:ben\" } ask { from = { \"user:anna\" } }"), ERR_OK },
        { RULE("who = { \"group:g\" } ask { from = { \"user:anna\" } }"), ERR_OK },
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct err_info e = { 0 };

        arena_init(&arena, POLICY_ARENA_MAX);
        if (load_span(span_str(rules[i].rule), &arena, &p, &e) != rules[i].want)
            fail_msg("%s: %s", rules[i].rule, e.text);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_example),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_may_vote),
        cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_any_shape),
        cmocka_unit_test(test_other_sides),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_own_tests),
        cmocka_unit_test(test_unmask_is_named),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_possible_after_all),
        cmocka_unit_test(test_empty_policy_lets_nobody_in),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_facts_of_the_asker),
        cmocka_unit_test(test_order_and_split),
        cmocka_unit_test(test_steps_are_bounded),
        cmocka_unit_test(test_hours),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_less),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_small_arenas),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_last_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
