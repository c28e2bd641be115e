/* Accounts, teams, roles and what one may see; tokens; cursors. */
#include "db.h"

static bool has(const struct span *ids, size_t n, struct span id)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(ids[i], id))
            return true;
    }
    return false;
}

static void roles_come_by_account_team_and_star(void **state)
{
    struct fixture f;
    struct span p1, p2, direct, by_team, everywhere, nobody;
    struct meta_team team = { .name = SPAN("engineering"), .created_ms = 5 };
    struct meta_member member = { .since_ms = 777 };
    struct meta_role_list roles;
    struct meta_account_list who;
    struct meta_account account;
    struct span *ids;
    size_t n;
    static const char *const approver[] = { "approver", "auditor" };

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    p1 = add_project(&f, 1);
    p2 = add_project(&f, 2);
    direct = add_account(&f, 1);
    by_team = add_account(&f, 2);
    everywhere = add_account(&f, 3);
    nobody = add_account(&f, 4);
    team.id = test_id(&f, ID_GROUP, 1);
    assert_ok(meta_team_add(f.m, &team, NULL));
    member.team = team.id;
    member.account = by_team;
    assert_ok(meta_member_add(f.m, &member, NULL));
    assert_err(meta_member_add(f.m, &member, NULL), ERR_EXISTS);
    give_role(&f, direct, "viewer", p1);
    give_role(&f, direct, "approver", p2);
    give_role(&f, team.id, "approver", p1);
    give_role(&f, everywhere, "approver", SPAN("*"));
    assert_ok(meta_commit(f.m, NULL));

    assert_ok(meta_account_get(meta_view(f.m), by_team, &f.a, &account, NULL));
    assert_int_equal(account.groups_changed_ms, 777);
    assert_ok(meta_roles_of(meta_view(f.m), by_team, &f.a, &roles, NULL));
    assert_int_equal(roles.n, 1);
    assert_span_eq(roles.rows[0].who, team.id);
    assert_ok(meta_role_holders(meta_view(f.m), SPAN("approver"), p1, &f.a, &who, NULL));
    assert_int_equal(who.n, 2);
    assert_span_eq(who.rows[0].id, by_team);
    assert_span_eq(who.rows[1].id, everywhere);
    assert_ok(meta_role_holders(meta_view(f.m), SPAN("approver"), p2, &f.a, &who, NULL));
    assert_int_equal(who.n, 2);
    assert_ok(meta_projects_of(meta_view(f.m), direct, NULL, 0, &f.a, &ids, &n, NULL));
    assert_true(n == 2 && has(ids, n, p1) && has(ids, n, p2));
    assert_ok(meta_projects_of(meta_view(f.m), direct, approver, 2, &f.a, &ids, &n, NULL));
    assert_true(n == 1 && has(ids, n, p2));
    assert_ok(meta_projects_of(meta_view(f.m), everywhere, NULL, 0, &f.a, &ids, &n, NULL));
    assert_int_equal(n, 2);
    assert_ok(meta_projects_of(meta_view(f.m), nobody, NULL, 0, &f.a, &ids, &n, NULL));
    assert_int_equal(n, 0);

    assert_ok(meta_begin(f.m, NULL));
    assert_ok(meta_role_take(f.m, direct, SPAN("approver"), p2, NULL));
    assert_err(meta_role_take(f.m, direct, SPAN("approver"), p2, NULL), ERR_NOTFOUND);
    assert_ok(meta_account_get(meta_view(f.m), everywhere, &f.a, &account, NULL));
    account.state = SPAN("disabled");
    assert_ok(meta_account_put(f.m, &account, NULL));
    assert_ok(meta_role_holders(meta_view(f.m), SPAN("approver"), p2, &f.a, &who, NULL));
    assert_int_equal(who.n, 0);
    assert_ok(meta_member_remove(f.m, team.id, by_team, 999, NULL));
    assert_err(meta_member_remove(f.m, team.id, by_team, 999, NULL), ERR_NOTFOUND);
    assert_ok(meta_projects_of(meta_view(f.m), by_team, NULL, 0, &f.a, &ids, &n, NULL));
    assert_int_equal(n, 0);
    assert_ok(meta_team_remove(f.m, team.id, NULL));
    assert_err(meta_team_get(meta_view(f.m), team.id, &f.a, &team, NULL), ERR_NOTFOUND);
    assert_ok(meta_commit(f.m, NULL));
    fixture_deinit(&f);
}

static void subjects_lead_to_persons(void **state)
{
    struct fixture f;
    struct span p, u, s[2] = { SPAN("customer-7"), SPAN("jo@example.com") }, *got;
    struct meta_person person, stranger = { .id = SPAN("h_BBBBBBBBBBBBBBBB"), .pk = SPAN("k"), .wrap = SPAN("w") };
    struct meta_account_list who;
    size_t n;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    p = add_project(&f, 1);
    u = add_account(&f, 1);
    assert_ok(meta_person_add(f.m, &stranger, NULL));
    assert_ok(meta_account_subjects_put(f.m, u, s, 2, NULL));
    assert_ok(meta_account_subjects_put(f.m, u, s, 2, NULL));
    assert_ok(meta_subject_person_put(f.m, p, SPAN("customer-8"), stranger.id, NULL));
    assert_ok(meta_subject_person_put(f.m, p, SPAN("customer-8"), stranger.id, NULL));
    assert_ok(meta_commit(f.m, NULL));
    assert_ok(meta_account_subjects(meta_view(f.m), u, &f.a, &got, &n, NULL));
    assert_int_equal(n, 2);
    assert_span_str(got[0], "customer-7");
    assert_ok(meta_accounts_of_subject(meta_view(f.m), SPAN("customer-7"), &f.a, &who, NULL));
    assert_true(who.n == 1 && span_eq(who.rows[0].id, u));
    assert_ok(meta_subject_person_get(meta_view(f.m), p, SPAN("customer-7"), &f.a, &person, NULL));
    assert_span_eq(person.id, test_id(&f, ID_PERSON, 1));
    assert_ok(meta_subject_person_get(meta_view(f.m), p, SPAN("customer-8"), &f.a, &person, NULL));
    assert_span_eq(person.id, stranger.id);
    assert_err(meta_subject_person_get(meta_view(f.m), p, SPAN("customer-9"), &f.a, &person, NULL), ERR_NOTFOUND);
    fixture_deinit(&f);
}

static void account_pages_filter(void **state)
{
    struct fixture f;
    struct meta_page page = { .limit = 7 };
    struct meta_account_list l;
    struct meta_pos next;
    struct meta_account c;
    size_t n = 0;
    int64_t last = INT64_MAX;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    for (uint32_t i = 0; i < 30; i++)
        (void) add_account(&f, i);
    assert_ok(meta_account_get(meta_view(f.m), test_id(&f, ID_USER, 12), &f.a, &c, NULL));
    c.state = SPAN("disabled");
    c.fail_count = 5;
    assert_ok(meta_account_put(f.m, &c, NULL));
    c.fail_count = 6;
    assert_ok(meta_account_login_put(f.m, &c, NULL));
    assert_ok(meta_commit(f.m, NULL));
    do {
        assert_ok(meta_accounts(meta_view(f.m), SPAN_EMPTY, SPAN_EMPTY, &page, &f.a, &l, &next, NULL));
        for (size_t i = 0; i < l.n; i++) {
            assert_true(l.rows[i].seq < last);
            last = l.rows[i].seq;
        }
        n += l.n;
        page.after = next;
    } while (!meta_pos_end(next));
    assert_int_equal(n, 30);
    page.after = (struct meta_pos){ 0, 0 };
    page.limit = 100;
    assert_ok(meta_accounts(meta_view(f.m), SPAN("USER-1"), SPAN_EMPTY, &page, &f.a, &l, &next, NULL));
    assert_int_equal(l.n, 11); /* 1, 10 to 19 */
    assert_true(meta_pos_end(next));
    assert_ok(meta_accounts(meta_view(f.m), SPAN("user"), SPAN("disabled"), &page, &f.a, &l, &next, NULL));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.rows[0].fail_count, 6);
    page.limit = 0;
    assert_err(meta_accounts(meta_view(f.m), SPAN_EMPTY, SPAN_EMPTY, &page, &f.a, &l, &next, NULL), ERR_INVAL);
    page.limit = META_PAGE_MAX + 1;
    assert_err(meta_accounts(meta_view(f.m), SPAN_EMPTY, SPAN_EMPTY, &page, &f.a, &l, &next, NULL), ERR_INVAL);
    fixture_deinit(&f);
}

static void tokens_are_found_by_digest_and_end(void **state)
{
    struct fixture f;
    struct span u;
    struct meta_token t = { .kind = SPAN("session"), .state = SPAN("active"), .idle_ms = 900000 }, got;
    struct meta_token_filter filter = { .kind = SPAN("session") };
    struct meta_page page = { .limit = 10 };
    struct meta_token_list l;
    struct meta_pos next;
    uint8_t sha[32] = { 0 };
    int n;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    u = add_account(&f, 1);
    for (uint8_t i = 0; i < 5; i++) {
        sha[0] = i;
        t.id = test_id(&f, ID_TOKEN, i);
        t.seq = 0;
        t.account = u;
        t.sha256 = SPAN_OF(sha);
        assert_ok_err(meta_token_add(f.m, &t, &f.e), &f.e);
    }
    t.id = test_id(&f, ID_TOKEN, 99);
    t.seq = 0;
    assert_err(meta_token_add(f.m, &t, NULL), ERR_EXISTS); /* the same digest */
    sha[0] = 2;
    assert_ok(meta_token_seen(f.m, test_id(&f, ID_TOKEN, 2), 50, NULL));
    assert_ok(meta_token_seen(f.m, test_id(&f, ID_TOKEN, 2), 40, NULL));
    assert_ok(meta_token_by_sha256(meta_view(f.m), SPAN_OF(sha), &f.a, &got, NULL));
    assert_span_eq(got.id, test_id(&f, ID_TOKEN, 2));
    assert_int_equal(got.last_seen_ms, 50);
    assert_ok(meta_tokens_end(f.m, u, got.id, 60, &n, NULL));
    assert_int_equal(n, 4);
    filter.state = SPAN("active");
    assert_ok(meta_tokens(meta_view(f.m), &filter, &page, &f.a, &l, &next, NULL));
    assert_true(l.n == 1 && span_eq(l.rows[0].id, got.id));
    assert_ok(meta_tokens_of_kind(meta_view(f.m), SPAN("session"), &f.a, &l, NULL));
    assert_int_equal(l.n, 1);
    assert_ok(meta_tokens_of_kind(meta_view(f.m), SPAN("ingest"), &f.a, &l, NULL));
    assert_int_equal(l.n, 0);
    assert_ok(meta_commit(f.m, NULL));
    fixture_deinit(&f);
}

static void cursors_open_their_own_list_only(void **state)
{
    static const uint8_t key[32] = "a secret of this server", other[32] = "another";
    struct buf b = BUF_INIT(256);
    struct meta_pos p;

    (void) state;
    meta_cursor_write(key, SPAN("recordings|u_1|q=x"), (struct meta_pos){ -5, 1234567890123 }, &b);
    assert_int_equal(b.n, META_CURSOR_LEN);
    assert_true(meta_cursor_read(key, SPAN("recordings|u_1|q=x"), buf_span(&b), &p));
    assert_int_equal(p.key, -5);
    assert_int_equal(p.seq, 1234567890123);
    assert_false(meta_cursor_read(key, SPAN("recordings|u_2|q=x"), buf_span(&b), &p));
    assert_false(meta_cursor_read(other, SPAN("recordings|u_1|q=x"), buf_span(&b), &p));
    assert_false(meta_cursor_read(key, SPAN("recordings|u_1|q=x"), SPAN_EMPTY, &p));
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] = b.p[i] == 'A' ? 'B' : 'A';
        if (meta_cursor_read(key, SPAN("recordings|u_1|q=x"), buf_span(&b), &p))
            fail_msg("character %zu", i);
        buf_reset(&b);
        meta_cursor_write(key, SPAN("recordings|u_1|q=x"), (struct meta_pos){ -5, 1234567890123 }, &b);
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_come_by_account_team_and_star), cmocka_unit_test(subjects_lead_to_persons),
        cmocka_unit_test(account_pages_filter),                cmocka_unit_test(tokens_are_found_by_digest_and_end),
        cmocka_unit_test(cursors_open_their_own_list_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
