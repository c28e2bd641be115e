/* Requests, votes, grants, viewings, the ledger; policies, configurations, stored answers. */
#include "db.h"

#include "meta/requests.h"
#include "meta/rules.h"

struct world {
    struct fixture f;
    struct span projects[3], users[3];
};

static void world_init(struct world *w)
{
    fixture_init(&w->f);
    assert_ok(meta_begin(w->f.m, NULL));
    for (uint32_t i = 0; i < 3; i++) {
        w->projects[i] = add_project(&w->f, i);
        w->users[i] = add_account(&w->f, i);
    }
    assert_ok(meta_commit(w->f.m, NULL));
}

static struct meta_request request(struct world *w, uint32_t n)
{
    return (struct meta_request){ .id = test_id(&w->f, ID_REQUEST, n), .project = w->projects[n % 3],
                                  .requester = w->users[n / 3 % 3], .env = SPAN("prod"), .purpose = SPAN("debugging"),
                                  .reason = SPAN("a customer cannot pay"), .start = SPAN("approval"), .duration_s = 1800,
                                  .policy = SPAN("hash"), .salt = SPAN("0123456789abcdef"), .digest = SPAN("digest"),
                                  .state = n % 4 == 0 ? SPAN("pending") : n % 4 == 1 ? SPAN("active") : SPAN("denied"),
                                  .created_ms = 1000 + n, .lapse_ms = 5000 + n, .version = 1 };
}

static void a_request_keeps_its_lists(void **state)
{
    struct world w;
    struct span rids[3] = { SPAN("r_CCCCCCCCCCCCCCCC"), SPAN("r_AAAAAAAAAAAAAAAA"), SPAN("r_BBBBBBBBBBBBBBBB") };
    struct span actions[2] = { SPAN("play"), SPAN("live") }, many[101], pending = SPAN("pending");
    struct meta_request_lists l = { .recordings = rids, .n_recordings = 3, .actions = actions, .n_actions = 2 }, got;
    struct meta_request r, back;
    struct meta_request_list due;

    (void) state;
    world_init(&w);
    l.viewers = &w.users[1];
    l.n_viewers = 1;
    r = request(&w, 0);
    assert_ok(meta_begin(w.f.m, NULL));
    assert_ok_err(meta_request_add(w.f.m, &r, &l, &w.f.e), &w.f.e);
    assert_ok(meta_request_lists(meta_view(w.f.m), r.id, &w.f.a, &got, NULL));
    assert_int_equal(got.n_recordings, 3);
    assert_span_str(got.recordings[0], "r_AAAAAAAAAAAAAAAA"); /* sorted, as the digest wants them */
    assert_span_str(got.recordings[2], "r_CCCCCCCCCCCCCCCC");
    assert_span_str(got.actions[0], "live");
    assert_int_equal(got.n_viewers, 1);
    assert_ok(meta_requests_lapsing(meta_view(w.f.m), pending, 4999, 10, &w.f.a, &due, NULL));
    assert_int_equal(due.n, 0);
    assert_ok(meta_requests_lapsing(meta_view(w.f.m), pending, 5000, 10, &w.f.a, &due, NULL));
    assert_int_equal(due.n, 1);
    r.state = SPAN("lapsed");
    r.version = 2;
    r.reason = SPAN("another reason"); /* immutable: not written */
    assert_ok(meta_request_put(w.f.m, &r, NULL));
    assert_ok(meta_request_get(meta_view(w.f.m), r.id, &w.f.a, &back, NULL));
    assert_span_str(back.state, "lapsed");
    assert_span_str(back.reason, "a customer cannot pay");
    assert_int_equal(back.version, 2);
    for (uint32_t i = 0; i < 101; i++)
        many[i] = test_id(&w.f, ID_RECORDING, i);
    l.recordings = many;
    l.n_recordings = 101;
    r = request(&w, 1);
    assert_err(meta_request_add(w.f.m, &r, &l, NULL), ERR_LIMIT);
    l.n_recordings = 100;
    assert_ok(meta_request_add(w.f.m, &r, &l, NULL));
    r = request(&w, 99);
    assert_err(meta_request_put(w.f.m, &r, NULL), ERR_NOTFOUND);
    fixture_deinit(&w.f);
}

static void one_vote_a_person(void **state)
{
    struct world w;
    struct meta_request_lists none = { 0 };
    struct meta_request r;
    struct meta_vote v = { .verdict = SPAN("approve"), .digest = SPAN("d"), .at_ms = 5, .is_unsigned = 1 };
    struct meta_vote_list l;

    (void) state;
    world_init(&w);
    r = request(&w, 0);
    assert_ok(meta_begin(w.f.m, NULL));
    assert_ok(meta_request_add(w.f.m, &r, &none, NULL));
    v.request = r.id;
    v.voter = w.users[1];
    v.person = test_id(&w.f, ID_PERSON, 1);
    assert_ok(meta_vote_add(w.f.m, &v, NULL));
    assert_err(meta_vote_add(w.f.m, &v, NULL), ERR_EXISTS);
    v.voter = w.users[2];
    assert_err(meta_vote_add(w.f.m, &v, NULL), ERR_EXISTS); /* another account of the same human */
    v.person = test_id(&w.f, ID_PERSON, 2);
    v.at_ms = 4;
    assert_ok(meta_vote_add(w.f.m, &v, NULL));
    assert_ok(meta_votes(meta_view(w.f.m), r.id, &w.f.a, &l, NULL));
    assert_int_equal(l.n, 2);
    assert_span_eq(l.rows[0].voter, w.users[2]);
    fixture_deinit(&w.f);
}

#define N_REQUESTS 120

static bool in_states(const struct meta_access_filter *f, struct span state)
{
    for (size_t i = 0; i < f->n_states; i++) {
        if (span_eq(f->states[i], state))
            return true;
    }
    return f->n_states == 0;
}

/* Lists of one's own and of one's projects, against a plain model; rows that are both come once. */
static void lists_agree_with_the_model(void **state)
{
    struct world w;
    struct meta_request all[N_REQUESTS];
    struct span rid = SPAN("r_AAAAAAAAAAAAAAAA"), states[2] = { SPAN("pending"), SPAN("active") };

    (void) state;
    world_init(&w);
    assert_ok(meta_begin(w.f.m, NULL));
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        struct meta_request_lists l = { .recordings = &rid, .n_recordings = i % 5 == 0 };

        all[i] = request(&w, i);
        assert_ok(meta_request_add(w.f.m, &all[i], &l, NULL));
    }
    assert_ok(meta_commit(w.f.m, NULL));
    for (unsigned bits = 0; bits < 48; bits++) {
        struct meta_access_filter f = { .projects = w.projects, .n_projects = bits % 3, .states = states,
                                        .n_states = bits / 3 % 3 > 1 ? 2 : bits / 3 % 3 };
        struct meta_page page = { .limit = 1 + bits };
        struct meta_pos next;
        size_t want = 0, n = 0;
        int64_t last = INT64_MAX;

        if (bits & 1)
            f.person = w.users[2];
        if (bits & 16)
            f.recording = rid;
        for (uint32_t i = 0; i < N_REQUESTS; i++) {
            bool mine = f.person.n > 0 && span_eq(all[i].requester, f.person);

            for (size_t p = 0; p < f.n_projects; p++)
                mine |= span_eq(all[i].project, w.projects[p]);
            want += mine && in_states(&f, all[i].state) && (f.recording.n == 0 || i % 5 == 0);
        }
        do {
            struct meta_request_list l;

            assert_ok_err(meta_requests(meta_view(w.f.m), &f, &page, &w.f.a, &l, &next, &w.f.e), &w.f.e);
            for (size_t i = 0; i < l.n; i++) {
                assert_true(l.rows[i].seq < last);
                last = l.rows[i].seq;
            }
            n += l.n;
            page.after = next;
        } while (!meta_pos_end(next));
        if (n != want)
            fail_msg("filter %u: %zu, not %zu", bits, n, want);
    }
    fixture_deinit(&w.f);
}

static struct meta_grant grant(struct world *w, struct span request_id, uint32_t n)
{
    return (struct meta_grant){ .id = test_id(&w->f, ID_GRANT, n), .request = request_id, .holder = w->users[0],
                                .project = w->projects[0], .env = SPAN("prod"), .state = SPAN("active"), .gen = 1,
                                .version = 1, .duration_s = 60, .window_start_ms = 100000 * (int64_t) n,
                                .window_end_ms = 100000 * (int64_t) n + 60000, .boot_id = SPAN("0123456789abcdef"),
                                .review = SPAN("none") };
}

static void grants_cover_recordings(void **state)
{
    struct world w;
    struct span rids[2] = { SPAN("r_AAAAAAAAAAAAAAAA"), SPAN("r_BBBBBBBBBBBBBBBB") }, play = SPAN("play"), *got,
                states[2] = { SPAN("active"), SPAN("pending") };
    struct meta_request_lists lists = { .recordings = rids, .n_recordings = 2, .actions = &play, .n_actions = 1 };
    struct meta_request r, asked;
    struct meta_grant g, back;
    struct meta_grant_list l;
    struct meta_access *access;
    int64_t sum;
    size_t n;

    (void) state;
    world_init(&w);
    assert_ok(meta_begin(w.f.m, NULL));
    r = request(&w, 0);
    r.state = SPAN("active");
    asked = request(&w, 9);
    asked.requester = w.users[0];
    asked.state = SPAN("pending");
    assert_ok(meta_request_add(w.f.m, &r, &lists, NULL));
    assert_ok(meta_request_add(w.f.m, &asked, &lists, NULL));
    g = grant(&w, r.id, 1);
    assert_ok_err(meta_grant_add(w.f.m, &g, rids, 2, &play, 1, &w.f.e), &w.f.e);
    assert_ok(meta_grant_covers(meta_view(w.f.m), g.id, rids[1], NULL));
    assert_ok(meta_grant_narrow(w.f.m, g.id, rids[1], NULL));
    assert_err(meta_grant_narrow(w.f.m, g.id, rids[1], NULL), ERR_NOTFOUND);
    assert_err(meta_grant_covers(meta_view(w.f.m), g.id, rids[1], NULL), ERR_NOTFOUND);
    assert_ok(meta_grant_widen(w.f.m, g.id, rids[1], NULL));
    assert_ok(meta_grant_recordings(meta_view(w.f.m), g.id, &w.f.a, &got, &n, NULL));
    assert_int_equal(n, 2);
    assert_ok(meta_grant_actions(meta_view(w.f.m), g.id, &w.f.a, &got, &n, NULL));
    assert_true(n == 1 && span_eq(got[0], play));
    assert_ok(meta_grants_of_request(meta_view(w.f.m), r.id, &w.f.a, &l, NULL));
    assert_int_equal(l.n, 1);
    assert_ok(meta_access_of(meta_view(w.f.m), w.users[0], states, 2, &w.f.a, &access, &n, NULL));
    assert_int_equal(n, 4); /* two under the grant, two asked for; the approved request only as its grant */
    assert_span_str(access[0].state, "active");
    assert_span_eq(access[0].gid, g.id);
    assert_span_str(access[3].state, "pending");
    assert_ok(meta_window_sum(meta_view(w.f.m), w.users[0], SPAN_EMPTY, 0, &sum, NULL));
    assert_int_equal(sum, 60);
    g.state = SPAN("relinquished");
    g.gen = 2;
    g.ended_ms = g.window_start_ms + 10000;
    assert_ok(meta_grant_put(w.f.m, &g, NULL));
    assert_ok(meta_window_sum(meta_view(w.f.m), w.users[0], rids[0], 0, &sum, NULL));
    assert_int_equal(sum, 10);
    assert_ok(meta_window_sum(meta_view(w.f.m), w.users[0], SPAN("r_CCCCCCCCCCCCCCCC"), 0, &sum, NULL));
    assert_int_equal(sum, 0);
    assert_ok(meta_grants_in_state(meta_view(w.f.m), SPAN("active"), &w.f.a, &l, NULL));
    assert_int_equal(l.n, 0);
    assert_ok(meta_grant_get(meta_view(w.f.m), g.id, &w.f.a, &back, NULL));
    assert_int_equal(back.gen, 2);
    assert_int_equal(back.seq, g.seq);
    fixture_deinit(&w.f);
}

static void the_ledger_is_insert_only(void **state)
{
    struct world w;
    struct meta_request_lists none = { 0 };
    struct meta_request r;
    struct meta_grant g;
    struct meta_key k = { .gen = 1, .rid = SPAN("r_AAAAAAAAAAAAAAAA"), .token = SPAN("t_AAAAAAAAAAAAAAAA") };
    struct meta_viewing v = { .rid = SPAN("r_AAAAAAAAAAAAAAAA"), .client_key = SPAN("t_1"), .state = SPAN("live") }, vback;
    struct meta_viewing_list views;
    struct meta_access_filter filter = { 0 };
    struct meta_page page = { .limit = 3 };
    struct meta_key_list l;
    struct meta_pos next;

    (void) state;
    world_init(&w);
    assert_ok(meta_begin(w.f.m, NULL));
    r = request(&w, 0);
    assert_ok(meta_request_add(w.f.m, &r, &none, NULL));
    g = grant(&w, r.id, 1);
    assert_ok(meta_grant_add(w.f.m, &g, NULL, 0, NULL, 0, NULL));
    for (uint32_t i = 0; i < 5; i++) {
        k.jti = test_text(&w.f, "jti-", i);
        k.seq = 0;
        k.gid = g.id;
        k.exp_s = 100 + i;
        assert_ok_err(meta_key_add(w.f.m, &k, &w.f.e), &w.f.e);
    }
    k.seq = 0;
    assert_err(meta_key_add(w.f.m, &k, NULL), ERR_EXISTS);
    assert_ok(meta_key_revoke(w.f.m, SPAN("jti-3"), 77, NULL));
    assert_err(meta_key_revoke(w.f.m, SPAN("jti-3"), 99, NULL), ERR_NOTFOUND);
    assert_ok(meta_key_get(meta_view(w.f.m), SPAN("jti-3"), &w.f.a, &k, NULL));
    assert_int_equal(k.revoked_ms, 77);
    assert_ok(meta_keys_live(meta_view(w.f.m), g.id, SPAN_EMPTY, SPAN_EMPTY, 101, &w.f.a, &l, NULL));
    assert_int_equal(l.n, 2); /* 2 and 4: 0 and 1 have expired, 3 is revoked */
    assert_ok(meta_keys_live(meta_view(w.f.m), g.id, k.rid, SPAN("t_BBBBBBBBBBBBBBBB"), 0, &w.f.a, &l, NULL));
    assert_int_equal(l.n, 0);
    assert_ok(meta_keys_denied(meta_view(w.f.m), 102, &w.f.a, &l, NULL));
    assert_int_equal(l.n, 1);
    assert_ok(meta_keys_denied(meta_view(w.f.m), 103, &w.f.a, &l, NULL));
    assert_int_equal(l.n, 0);
    assert_ok(meta_keys(meta_view(w.f.m), g.id, &page, &w.f.a, &l, &next, NULL));
    assert_true(l.n == 3 && !meta_pos_end(next) && span_eq_str(l.rows[0].jti, "jti-4"));
    page.after = next;
    assert_ok(meta_keys(meta_view(w.f.m), g.id, &page, &w.f.a, &l, &next, NULL));
    assert_true(l.n == 2 && meta_pos_end(next));
    v.gid = g.id;
    v.holder = w.users[0];
    v.project = w.projects[0];
    for (uint32_t i = 0; i < 2; i++) {
        v.id = test_id(&w.f, ID_VIEWING, i);
        v.seq = 0;
        assert_ok_err(meta_viewing_add(w.f.m, &v, &w.f.e), &w.f.e);
    }
    assert_ok(meta_viewing_find(meta_view(w.f.m), g.id, v.rid, SPAN("t_1"), &w.f.a, &vback, NULL));
    assert_span_eq(vback.id, v.id);
    vback.ended_ms = 9;
    vback.state = SPAN("ended");
    assert_ok(meta_viewing_put(w.f.m, &vback, NULL));
    assert_ok(meta_viewings_of_grant(meta_view(w.f.m), g.id, &w.f.a, &views, NULL));
    assert_int_equal(views.n, 1);
    filter.person = w.users[0];
    filter.gid = g.id;
    page = (struct meta_page){ .limit = 10 };
    assert_ok(meta_viewings(meta_view(w.f.m), &filter, &page, &w.f.a, &views, &next, NULL));
    assert_int_equal(views.n, 2);
    filter.gid = SPAN("g_ZZZZZZZZZZZZZZZZ");
    assert_ok(meta_viewings(meta_view(w.f.m), &filter, &page, &w.f.a, &views, &next, NULL));
    assert_int_equal(views.n, 0);
    fixture_deinit(&w.f);
}

static void policies_follow_each_other(void **state)
{
    struct fixture f;
    struct meta_policy p = { .text = SPAN("rule"), .state = SPAN("proposed") }, now;
    struct meta_page page = { .limit = 10 };
    struct meta_policy_list l;
    struct meta_pos next;
    bool changed;

    (void) state;
    fixture_init(&f);
    assert_err(meta_policy_current(meta_view(f.m), &f.a, &now, NULL), ERR_NOTFOUND);
    assert_ok(meta_begin(f.m, NULL));
    for (int i = 0; i < 2; i++) {
        p.hash = i == 0 ? SPAN("one") : SPAN("two");
        p.seq = 0;
        assert_ok(meta_policy_add(f.m, &p, NULL));
        assert_ok(meta_policy_enact(f.m, p.hash, SPAN("u_1"), 10 + i, NULL));
        assert_ok(meta_policy_current(meta_view(f.m), &f.a, &now, NULL));
        assert_span_eq(now.hash, p.hash);
    }
    assert_ok(meta_policy_enact(f.m, SPAN("one"), SPAN("u_1"), 12, NULL)); /* back again */
    assert_ok(meta_policy_current(meta_view(f.m), &f.a, &now, NULL));
    assert_span_str(now.hash, "one");
    assert_err(meta_policy_enact(f.m, SPAN("three"), SPAN("u_1"), 12, NULL), ERR_NOTFOUND);
    assert_ok(meta_policies(meta_view(f.m), SPAN_EMPTY, &page, &f.a, &l, &next, NULL));
    assert_int_equal(l.n, 2);
    assert_ok(meta_config_seen(f.m, SPAN("c1"), 1, &changed, NULL));
    assert_true(changed);
    assert_ok(meta_config_seen(f.m, SPAN("c1"), 2, &changed, NULL));
    assert_false(changed);
    assert_ok(meta_config_seen(f.m, SPAN("c2"), 3, &changed, NULL));
    assert_true(changed);
    assert_ok(meta_config_seen(f.m, SPAN("c1"), 4, &changed, NULL));
    assert_true(changed);
    fixture_deinit(&f);
}

static void answers_are_kept_for_a_day(void **state)
{
    struct fixture f;
    struct meta_idempotency row = { .actor = SPAN("u_1"), .route = SPAN("request_create"), .idem_key = SPAN("k"),
                                    .body_sha256 = SPAN("sha"), .status = 201, .answer = SPAN("{\"id\":1}"),
                                    .created_ms = 1000 }, got;
    int n;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    assert_ok(meta_idempotency_put(f.m, &row, NULL));
    assert_ok(meta_idempotency_get(meta_view(f.m), row.actor, row.route, row.idem_key, 1000 + META_IDEMPOTENCY_MS - 1,
                                   &f.a, &got, NULL));
    assert_span_eq(got.answer, row.answer);
    assert_err(meta_idempotency_get(meta_view(f.m), row.actor, row.route, row.idem_key, 1000 + META_IDEMPOTENCY_MS,
                                    &f.a, &got, NULL), ERR_NOTFOUND);
    assert_err(meta_idempotency_get(meta_view(f.m), SPAN("u_2"), row.route, row.idem_key, 1000, &f.a, &got, NULL),
               ERR_NOTFOUND);
    row.v = 0;
    row.status = 409;
    assert_ok(meta_idempotency_put(f.m, &row, NULL));
    assert_ok(meta_idempotency_purge(f.m, 1000 + META_IDEMPOTENCY_MS - 1, 10, &n, NULL));
    assert_int_equal(n, 0);
    assert_ok(meta_idempotency_purge(f.m, 1000 + META_IDEMPOTENCY_MS, 10, &n, NULL));
    assert_int_equal(n, 1);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_keeps_its_lists),  cmocka_unit_test(one_vote_a_person),
        cmocka_unit_test(lists_agree_with_the_model), cmocka_unit_test(grants_cover_recordings),
        cmocka_unit_test(the_ledger_is_insert_only),  cmocka_unit_test(policies_follow_each_other),
        cmocka_unit_test(answers_are_kept_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
