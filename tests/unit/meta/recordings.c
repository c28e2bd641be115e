/* Recordings: every filter against a plain model, pages, words, what an aborted import leaves. */
#include "db.h"

#include "meta/sqlite/db.h"

#define N_RECORDINGS 400

struct model {
    struct fixture f;
    struct span projects[3];
    struct meta_recording rec[N_RECORDINGS];
    struct meta_pair tags[N_RECORDINGS][2], links[N_RECORDINGS];
};

static void fill(struct model *m)
{
    struct fixture *f = &m->f;

    fixture_init(f);
    assert_ok(meta_begin(f->m, NULL));
    for (uint32_t i = 0; i < 3; i++)
        m->projects[i] = add_project(f, i);
    for (uint32_t i = 0; i < N_RECORDINGS; i++) {
        struct meta_recording *r = &m->rec[i];

        *r = recording(f, m->projects[i % 7 == 0 ? 2 : i % 2], i);
        if (i % 11 == 0)
            r->state = SPAN("open");
        if (i % 13 == 0)
            r->state = SPAN("importing");
        r->session = test_text(f, "visit-", i % 9);
        m->tags[i][0] = (struct meta_pair){ SPAN("browser"), i % 3 == 0 ? SPAN("firefox") : SPAN("chromium") };
        m->tags[i][1] = (struct meta_pair){ SPAN("plan"), test_text(f, "p", i % 4) };
        m->links[i] = (struct meta_pair){ SPAN("error"), test_text(f, "ERR-", i % 50) };
        r->started_ms += i % 3; /* the true start comes with the end of an import */
        assert_ok_err(meta_recording_add(f->m, r, m->tags[i], i % 5 == 0 ? 1 : 2, &m->links[i], 1, &f->e), &f->e);
        r->started_ms -= i % 3;
        assert_ok_err(meta_recording_put(f->m, r, &f->e), &f->e);
    }
    assert_ok(meta_commit(f->m, NULL));
}

/* What the filter means, said in another way. */
static bool wanted(const struct model *m, const struct meta_recording_filter *f, uint32_t i)
{
    const struct meta_recording *r = &m->rec[i];
    bool in = false, tag = f->tag.name.n == 0;

    for (size_t p = 0; p < f->n_projects; p++)
        in |= span_eq(f->projects[p], r->project);
    for (size_t t = 0; t < (i % 5 == 0 ? 1 : 2); t++)
        tag |= span_eq(f->tag.name, m->tags[i][t].name) &&
               (f->tag.value.n == 0 || span_eq(f->tag.value, m->tags[i][t].value));
    if (f->only != NULL) {
        bool only = false;

        for (size_t k = 0; k < f->n_only; k++)
            only |= span_eq(f->only[k], r->id);
        in &= only;
    }
    for (size_t k = 0; k < f->n_except; k++)
        in &= !span_eq(f->except[k], r->id);
    return in && tag && !span_eq_str(r->state, "importing") && (f->kind.n == 0 || span_eq(f->kind, r->kind)) &&
           (f->subject.n == 0 || span_eq(f->subject, r->subject)) &&
           (f->session.n == 0 || span_eq(f->session, r->session)) &&
           (f->link.name.n == 0 || (span_eq(f->link.name, m->links[i].name) && span_eq(f->link.value, m->links[i].value))) &&
           (f->q.n == 0 || span_eq(f->q, m->links[i].value)) && (f->after_ms == 0 || r->started_ms >= f->after_ms) &&
           (f->before_ms == 0 || r->started_ms < f->before_ms);
}

static void check_filter(struct model *m, const struct meta_recording_filter *f, uint32_t limit, const char *what)
{
    struct meta_page page = { .limit = limit };
    struct meta_pos next;
    struct meta_recording_list l;
    bool seen[N_RECORDINGS] = { false }, by_start = f->after_ms != 0 || f->before_ms != 0;
    struct meta_pos last = { INT64_MAX, INT64_MAX };
    size_t n = 0, want = 0;

    do {
        struct arena a;

        arena_init(&a, 64u << 20);
        assert_ok_err(meta_recordings(meta_view(m->f.m), f, &page, &a, &l, &next, &m->f.e), &m->f.e);
        if (l.n > limit || (l.n < limit && !meta_pos_end(next) && f->work == 0))
            fail_msg("%s: a page of %zu rows", what, l.n);
        for (size_t i = 0; i < l.n; i++) {
            struct meta_pos at = { by_start ? l.rows[i].started_ms : 0, l.rows[i].seq };
            uint32_t k = 0;

            while (k < N_RECORDINGS && !span_eq(m->rec[k].id, l.rows[i].id))
                k++;
            assert_true(k < N_RECORDINGS);
            if (seen[k] || !wanted(m, f, k))
                fail_msg("%s: recording %u does not belong here", what, k);
            if (n > 0 && !(at.key < last.key || (at.key == last.key && at.seq < last.seq)))
                fail_msg("%s: order", what);
            assert_span_eq(l.rows[i].title, m->rec[k].title);
            last = at;
            seen[k] = true;
            n++;
        }
        page.after = next;
        arena_deinit(&a);
    } while (!meta_pos_end(next));
    for (uint32_t k = 0; k < N_RECORDINGS; k++)
        want += wanted(m, f, k);
    if (n != want)
        fail_msg("%s: %zu recordings, not %zu", what, n, want);
}

static void every_filter_agrees_with_the_model(void **state)
{
    static struct model m;
    struct span some[60];
    static const uint32_t limits[] = { 1, 7, 50, 1000 };

    (void) state;
    fill(&m);
    for (uint32_t i = 0; i < 60; i++)
        some[i] = m.rec[i * 5].id;
    for (unsigned bits = 0; bits < 1u << 9; bits++) {
        struct meta_recording_filter f = { .projects = m.projects, .n_projects = 1 + bits % 3 };
        char what[64];

        if (bits & 1)
            f.kind = SPAN("terminal");
        if (bits & 2)
            f.tag = (struct meta_pair){ SPAN("browser"), SPAN("firefox") };
        if (bits & 4)
            f.link = (struct meta_pair){ SPAN("error"), SPAN("ERR-7") };
        if (bits & 8)
            f.subject = SPAN("subject-2");
        if (bits & 16)
            f.q = SPAN("ERR-27");
        if (bits & 32)
            f.after_ms = 1300000;
        if (bits & 64)
            f.before_ms = 1800000;
        if (bits & 128) {
            f.only = some;
            f.n_only = 60;
        }
        if (bits & 256) {
            f.except = some;
            f.n_except = 30;
        }
        (void) snprintf(what, sizeof(what), "filter %x", bits);
        check_filter(&m, &f, limits[bits % 4], what);
        f.work = 1 + bits % 40; /* pages that end early: all together they say the same */
        check_filter(&m, &f, limits[bits % 4], what);
    }
    {
        struct meta_recording_filter f = { .projects = m.projects, .n_projects = 3 };

        f.tag = (struct meta_pair){ SPAN("plan"), SPAN_EMPTY };
        check_filter(&m, &f, 20, "any value of a tag");
        f.work = 3;
        check_filter(&m, &f, 20, "any value of a tag, slowly");
        f.work = 0;
        f.session = SPAN("visit-4");
        check_filter(&m, &f, 20, "session");
        f.n_projects = 0;
        check_filter(&m, &f, 20, "no project at all");
    }
    fixture_deinit(&m.f);
}

static size_t count(struct model *m, struct span q)
{
    struct meta_recording_filter f = { .projects = m->projects, .n_projects = 3, .q = q };
    struct meta_page page = { .limit = 1000 };
    struct meta_recording_list l;
    struct meta_pos next;

    assert_ok_err(meta_recordings(meta_view(m->f.m), &f, &page, &m->f.a, &l, &next, &m->f.e), &m->f.e);
    return l.n;
}

/* Words, not a query language: whatever is typed is looked for. */
static void words_of_titles(void **state)
{
    static struct model m;
    static const char *const hostile[] = { "\"", "*", "title:checkout", "a AND", "NEAR(", "(", "-", "'; DROP TABLE x",
                                           "\" OR \"", "project:p", "^", "{", "checkout\" OR title:\"a", "\xff\xfe" };
    size_t all;

    (void) state;
    fill(&m);
    all = count(&m, SPAN("checkout"));
    assert_true(all > 300);
    assert_int_equal(count(&m, SPAN("CHECK")), all);             /* the beginning of a word, any case */
    assert_int_equal(count(&m, SPAN("aus  checkout fallt")), all); /* any order, no accents needed */
    assert_int_equal(count(&m, SPAN("checkout 399")), 1);
    assert_int_equal(count(&m, SPAN("heckout")), 0);
    assert_int_equal(count(&m, SPAN("checkout - aus")), all);    /* a sign by itself is no word */
    assert_int_equal(count(&m, SPAN("   ")), 0);
    assert_int_equal(count(&m, SPAN("firefox 3 checkout err-3")), count(&m, SPAN("err-3 3 firefox")));
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        assert_true(count(&m, span_str(hostile[i])) == 0);
    fixture_deinit(&m.f);
}

static void imports_come_into_view_at_their_end(void **state)
{
    static struct model m;
    struct fixture *f = &m.f;
    struct meta_recording r;
    struct meta_piece piece = { .seg_no = 1, .sha256 = SPAN("x"), .n_events = 3 };
    struct meta_wrap wrap = { .epoch = 1, .wrap = SPAN("sealed") };
    struct meta_epoch epoch = { .n = 1, .pk = SPAN("pk"), .begun_ms = 3 };
    struct meta_pair link = { SPAN("ticket"), SPAN("INC-42") }, *pairs;
    struct meta_piece_list pieces;
    struct meta_wrap_list wraps;
    struct meta_recording_list l;
    int64_t words;
    size_t n;

    (void) state;
    fixture_init(f);
    assert_ok(meta_begin(f->m, NULL));
    assert_ok(meta_epoch_add(f->m, &epoch, NULL));
    assert_err(meta_epoch_add(f->m, &epoch, NULL), ERR_EXISTS);
    m.projects[0] = m.projects[1] = m.projects[2] = add_project(f, 1);
    for (uint32_t i = 1; i <= 2; i++) {
        r = recording(f, m.projects[0], i);
        r.state = SPAN("importing");
        r.title = SPAN("A checkout that fails");
        assert_ok(meta_recording_add(f->m, &r, NULL, 0, &link, 1, NULL));
        piece.rid = wrap.rid = r.id;
        piece.v = 0;
        assert_ok_err(meta_piece_add(f->m, &piece, &f->e), &f->e);
        assert_err(meta_piece_add(f->m, &piece, NULL), ERR_EXISTS);
        assert_ok(meta_wrap_add(f->m, &wrap, NULL));
        assert_err(meta_wrap_add(f->m, &wrap, NULL), ERR_EXISTS);
    }
    assert_int_equal(count(&m, SPAN("checkout")), 0);
    assert_ok(meta_recordings_in_state(meta_view(f->m), SPAN("importing"), 10, &f->a, &l, NULL));
    assert_int_equal(l.n, 2);
    assert_ok(meta_recording_forget(f->m, l.rows[1].id, NULL));
    assert_err(meta_recording_forget(f->m, l.rows[1].id, NULL), ERR_NOTFOUND);
    r = l.rows[0];
    r.state = SPAN("complete");
    r.events = 3;
    assert_ok(meta_recording_put(f->m, &r, NULL));
    assert_int_equal(count(&m, SPAN("checkout inc-42")), 1);
    link.value = SPAN("INC-43");
    assert_ok(meta_recording_links_put(f->m, r.id, &link, 1, NULL));
    assert_int_equal(count(&m, SPAN("inc-42")), 0);
    assert_int_equal(count(&m, SPAN("inc-43")), 1);
    assert_ok(meta_recording_links(meta_view(f->m), r.id, &f->a, &pairs, &n, NULL));
    assert_true(n == 1 && span_eq_str(pairs[0].value, "INC-43"));
    assert_ok(meta_pieces(meta_view(f->m), r.id, &f->a, &pieces, NULL));
    assert_true(pieces.n == 1 && pieces.rows[0].n_events == 3);
    assert_ok(meta_wraps(meta_view(f->m), r.id, &f->a, &wraps, NULL));
    assert_int_equal(wraps.n, 1);
    assert_ok(meta_epoch_newest(meta_view(f->m), &f->a, &epoch, NULL));
    assert_int_equal(epoch.n, 1);
    assert_ok(db_int(meta_view(f->m), &words, NULL, "SELECT count(*) FROM recording_word", ""));
    assert_int_equal(words, 1); /* nothing left of the one that was forgotten */
    assert_ok(meta_commit(f->m, NULL));
    fixture_deinit(f);
}

static void add_piece(struct fixture *f, struct span rid, int64_t seg, int64_t track, int64_t seq, int64_t n, int64_t chunk,
                      int64_t n_chunks, int64_t last_us)
{
    struct meta_piece p = { .rid = rid, .seg_no = seg, .track = track, .kind = 1, .codec = 1, .size = 100,
                            .sha256 = SPAN("hash"), .first_seq = seq, .n_events = n, .first_chunk = chunk,
                            .n_chunks = n_chunks, .t_last_us = last_us };

    assert_ok_err(meta_piece_add(f->m, &p, &f->e), &f->e);
}

static void what_is_being_made_grows(void **state)
{
    struct fixture f;
    struct span p, open, done;
    struct meta_recording r, got;
    struct meta_recording_list rows;
    struct meta_piece_end end;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    p = add_project(&f, 1);
    r = recording(&f, p, 1);
    r.state = SPAN("open");
    r.touched_ms = 100;
    open = r.id;
    assert_ok(meta_recording_add(f.m, &r, NULL, 0, NULL, 0, NULL));
    r = recording(&f, p, 2);
    done = r.id;
    assert_ok(meta_recording_add(f.m, &r, NULL, 0, NULL, 0, NULL));

    assert_ok(meta_piece_end(meta_view(f.m), open, 0, &end, NULL));
    assert_int_equal(end.n + end.next_seg + end.next_seq + end.next_chunk + end.last_us, 0);
    add_piece(&f, open, 0, 0, 0, 10, 0, 2, 5000);
    add_piece(&f, open, 1, 0, 10, 5, 2, 1, 4000); /* times may go back between pieces */
    add_piece(&f, open, 4, 1, 0, 99, 0, 9, 9000);
    assert_ok(meta_piece_end(meta_view(f.m), open, 0, &end, NULL));
    assert_int_equal(end.n, 3);
    assert_int_equal(end.next_seg, 5);
    assert_int_equal(end.next_seq, 15);
    assert_int_equal(end.next_chunk, 3);
    assert_int_equal(end.last_us, 5000);
    assert_ok(meta_piece_remove(f.m, open, 1, NULL));
    assert_err(meta_piece_remove(f.m, open, 1, NULL), ERR_NOTFOUND);

    assert_ok(meta_recordings_untouched(meta_view(f.m), 99, 10, &f.a, &rows, NULL));
    assert_int_equal(rows.n, 0);
    assert_ok(meta_recordings_untouched(meta_view(f.m), 100, 10, &f.a, &rows, NULL));
    assert_int_equal(rows.n, 1);
    assert_ok(meta_recording_touch(f.m, open, 200, NULL));
    assert_ok(meta_recording_touch(f.m, done, 200, NULL));
    assert_ok(meta_recordings_untouched(meta_view(f.m), 199, 10, &f.a, &rows, NULL));
    assert_int_equal(rows.n, 0);
    assert_ok(meta_recording_get(meta_view(f.m), done, &f.a, &got, NULL));
    assert_int_equal(got.touched_ms, 0);

    r = (struct meta_recording){ .id = open, .events = 15, .duration_us = 5000, .bytes = 77, .next_batch = 3,
                                 .touched_ms = 300 };
    assert_ok(meta_recording_grow(f.m, &r, NULL));
    assert_ok(meta_recording_get(meta_view(f.m), open, &f.a, &got, NULL));
    assert_int_equal(got.events, 15);
    assert_int_equal(got.bytes, 77);
    assert_int_equal(got.next_batch, 3);
    assert_int_equal(got.touched_ms, 300);
    assert_true(span_eq_str(got.state, "open"));
    r.id = SPAN("r_nothing");
    assert_err(meta_recording_grow(f.m, &r, NULL), ERR_NOTFOUND);
    assert_ok(meta_commit(f.m, NULL));
    fixture_deinit(&f);
}

static void too_many_tags(void **state)
{
    struct fixture f;
    struct meta_pair tags[META_TAGS_MAX + 1];
    struct meta_recording r;

    (void) state;
    fixture_init(&f);
    for (uint32_t i = 0; i <= META_TAGS_MAX; i++)
        tags[i] = (struct meta_pair){ test_text(&f, "t", i), SPAN("x") };
    assert_ok(meta_begin(f.m, NULL));
    r = recording(&f, add_project(&f, 1), 1);
    assert_ok(meta_recording_add(f.m, &r, tags, META_TAGS_MAX, NULL, 0, NULL));
    r = recording(&f, r.project, 2);
    assert_err(meta_recording_add(f.m, &r, tags, META_TAGS_MAX + 1, NULL, 0, NULL), ERR_LIMIT);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_agrees_with_the_model),
        cmocka_unit_test(words_of_titles),
        cmocka_unit_test(imports_come_into_view_at_their_end),
        cmocka_unit_test(what_is_being_made_grows),
        cmocka_unit_test(too_many_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
