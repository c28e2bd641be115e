/* Channels: exact frames, split at every byte, budgets, back-pressure, descriptors, broken peers. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/channel.h"
#include "loop/timer.h"

struct side {
    struct loop *l;
    struct channel *c;
    int n_msgs, n_drained, n_closed, free_at, pause_at;
    uint16_t type, flags;
    uint64_t call;
    struct buf body;
    int fds[CHANNEL_FDS_MAX];
    size_t n_fds;
    enum err why;
};

static void on_message(void *ctx, const struct channel_msg *m)
{
    struct side *s = ctx;

    s->n_msgs++;
    s->type = m->type;
    s->flags = m->flags;
    s->call = m->call;
    buf_reset(&s->body);
    buf_add_span(&s->body, m->body);
    for (s->n_fds = 0; s->n_fds < m->n_fds; s->n_fds++)
        s->fds[s->n_fds] = m->fds[s->n_fds];
    if (s->n_msgs == s->pause_at)
        channel_pause(s->c);
    if (s->n_msgs == s->free_at)
        s->c = channel_free(s->c);
}

static void on_drained(void *ctx)
{
    ((struct side *) ctx)->n_drained++;
}

static void on_closed(void *ctx, const struct err_info *why)
{
    struct side *s = ctx;

    s->n_closed++;
    s->why = why->code;
}

static const struct channel_ops ops = { on_message, on_drained, on_closed };

static void side_open(struct side *s, struct loop *l, int fd, const struct channel_opts *o)
{
    *s = (struct side){ .l = l };
    buf_init(&s->body, 4u << 20);
    assert_ok(channel_new(l, fd, o, &ops, s, &s->c, NULL));
}

static void side_close(struct side *s)
{
    s->c = channel_free(s->c);
    buf_deinit(&s->body);
}

static struct loop *pair(int fds[2])
{
    struct loop *l;

    assert_ok(loop_new(&l, NULL));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return l;
}

static void turns(struct loop *l, int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(l);
}

static void frames_have_exact_bytes(void **state)
{
    static const uint8_t want[] = { 3, 0, 0, 0, 0x34, 0x12, 0xcd, 0x0b, 8, 7, 6, 5, 4, 3, 2, 1, 'a', 'b', 'c' };
    struct side s;
    uint8_t got[64];
    int fds[2];
    struct loop *l = pair(fds);

    (void) state;
    side_open(&s, l, fds[0], NULL);
    assert_ok(channel_send2(s.c, 0x1234, 0xfbcd, 0x0102030405060708, SPAN("a"), SPAN("bc"))); /* high flags are cut */
    assert_int_equal(channel_unsent(s.c), sizeof(want));
    turns(l, 2);
    assert_int_equal(channel_unsent(s.c), 0);
    assert_int_equal(read(fds[1], got, sizeof(got)), sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
    side_close(&s);
    (void) close(fds[1]);
    (void) loop_free(l);
}

static void frames_split_at_every_byte(void **state)
{
    static const uint8_t wire[] = { 2, 0, 0, 0, 5, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 'h', 'i',
                                    0, 0, 0, 0, 6, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
    (void) state;
    for (size_t cut = 1; cut < sizeof(wire); cut++) {
        struct side s;
        int fds[2];
        struct loop *l = pair(fds);

        side_open(&s, l, fds[0], NULL);
        assert_int_equal(write(fds[1], wire, cut), cut);
        turns(l, 2);
        assert_int_equal(s.n_msgs, cut >= 18);
        if (cut >= 18)
            assert_span_str(buf_span(&s.body), "hi");
        assert_int_equal(write(fds[1], wire + cut, sizeof(wire) - cut), sizeof(wire) - cut);
        turns(l, 2);
        assert_int_equal(s.n_msgs, 2);
        assert_true(s.type == 6 && s.flags == 2 && s.call == 1 && s.body.n == 0);
        side_close(&s);
        (void) close(fds[1]);
        (void) loop_free(l);
    }
}

static void large_bodies_pass_and_larger_ones_close(void **state)
{
    struct side a, b;
    int fds[2];
    struct loop *l = pair(fds);
    struct channel_opts o = { .body_max = 2u << 20 };
    uint8_t *big = malloc((2u << 20) + 1);

    (void) state;
    memset(big, 'x', (2u << 20) + 1);
    side_open(&a, l, fds[0], &o);
    o.body_max = 1u << 20;
    side_open(&b, l, fds[1], &o);
    assert_err(channel_send(a.c, 1, 0, 0, span_of(big, (2u << 20) + 1)), ERR_LIMIT);
    assert_ok(channel_send(a.c, 1, 0, 0, span_of(big, 1u << 20)));
    for (int i = 0; i < 200 && b.n_msgs == 0; i++)
        loop_turn(l);
    assert_int_equal(b.n_msgs, 1);
    assert_span_eq(buf_span(&b.body), span_of(big, 1u << 20));
    assert_ok(channel_send(a.c, 1, 0, 0, span_of(big, (1u << 20) + 1)));
    for (int i = 0; i < 200 && b.n_closed == 0; i++)
        loop_turn(l);
    assert_int_equal(b.n_closed, 1);
    assert_int_equal(b.why, ERR_LIMIT);
    assert_int_equal(b.n_msgs, 1);
    assert_err(channel_send(b.c, 1, 0, 0, SPAN("x")), ERR_CLOSED);
    side_close(&a);
    side_close(&b);
    free(big);
    (void) loop_free(l);
}

static void budgets_push_back_and_drain(void **state)
{
    struct side a, b;
    int fds[2], sent = 0;
    struct loop *l = pair(fds);
    const struct channel_opts o = { .budget = 1u << 20, .reserve = 100 };
    static uint8_t body[65536];

    (void) state;
    side_open(&a, l, fds[0], &o);
    side_open(&b, l, fds[1], &o);
    channel_pause(b.c);
    for (int i = 0; i < 100; i++) {
        if (channel_send(a.c, 1, 0, 0, SPAN_OF(body)) == ERR_OK)
            sent++;
        loop_turn(l);
    }
    assert_true(channel_full(a.c));
    assert_in_range(sent, 15, 40); /* the budget and what the kernel holds */
    assert_true(channel_unsent(a.c) <= o.budget);
    assert_err(channel_send(a.c, 1, 0, 0, SPAN_OF(body)), ERR_AGAIN);
    assert_err(channel_send_urgent(a.c, 1, 0, 0, SPAN_OF(body)), ERR_AGAIN); /* the reserve is bounded too */
    assert_int_equal(a.n_drained, 0);
    channel_resume(b.c);
    for (int i = 0; i < 1000 && b.n_msgs < sent; i++)
        loop_turn(l);
    assert_int_equal(b.n_msgs, sent);
    assert_int_equal(a.n_drained, 1);
    assert_false(channel_full(a.c));
    side_close(&a);
    side_close(&b);
    (void) loop_free(l);
}

static void urgent_messages_use_the_reserve(void **state)
{
    struct side a;
    int fds[2];
    struct loop *l = pair(fds);
    const struct channel_opts o = { .budget = 1000, .reserve = 100 };
    static uint8_t body[984];

    (void) state;
    side_open(&a, l, fds[0], &o);
    assert_ok(channel_send(a.c, 1, 0, 0, SPAN_OF(body))); /* exactly the budget */
    assert_err(channel_send(a.c, 1, 0, 0, SPAN_EMPTY), ERR_AGAIN);
    assert_ok(channel_send_urgent(a.c, 2, 0, 0, span_of(body, 84)));
    assert_err(channel_send_urgent(a.c, 2, 0, 0, SPAN_EMPTY), ERR_AGAIN);
    side_close(&a);
    (void) close(fds[1]);
    (void) loop_free(l);
}

static void pausing_keeps_what_came(void **state)
{
    struct side a, b;
    int fds[2];
    struct loop *l = pair(fds);

    (void) state;
    side_open(&a, l, fds[0], NULL);
    side_open(&b, l, fds[1], NULL);
    b.pause_at = 2;
    for (int i = 0; i < 5; i++)
        assert_ok(channel_send(a.c, (uint16_t) i, 0, 0, SPAN("m")));
    turns(l, 4);
    assert_int_equal(b.n_msgs, 2);
    channel_resume(b.c);
    turns(l, 4);
    assert_int_equal(b.n_msgs, 5);
    assert_int_equal(b.type, 4);
    side_close(&a);
    side_close(&b);
    (void) loop_free(l);
}

static void descriptors_travel_with_their_frame(void **state)
{
    struct side a, b;
    int fds[2], p[2];
    char c = 0;
    struct loop *l = pair(fds);
    const struct channel_opts o = { .take_fds = true };

    (void) state;
    side_open(&a, l, fds[0], NULL);
    side_open(&b, l, fds[1], &o);
    assert_int_equal(pipe(p), 0);
    assert_ok(channel_send(a.c, 1, 0, 0, SPAN("before")));
    assert_ok(channel_send_fds(a.c, 2, 3, 4, SPAN("with"), p, 2));
    assert_err(channel_send_fds(a.c, 2, 3, 4, SPAN("with"), p, 0), ERR_INVAL);
    turns(l, 4);
    assert_int_equal(b.n_msgs, 2);
    assert_int_equal(b.n_fds, 2);
    assert_int_equal(b.flags, 3);
    assert_span_str(buf_span(&b.body), "with");
    assert_true((fcntl(b.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    (void) close(p[0]);
    (void) close(p[1]);
    assert_int_equal(write(b.fds[1], "!", 1), 1);
    assert_int_equal(read(b.fds[0], &c, 1), 1);
    assert_int_equal(c, '!');
    (void) close(b.fds[0]);
    (void) close(b.fds[1]);
    assert_ok(channel_send(a.c, 5, 0, 0, SPAN("after")));
    turns(l, 4);
    assert_int_equal(b.n_fds, 0);
    assert_int_equal(b.type, 5);
    side_close(&a);
    side_close(&b);
    (void) loop_free(l);
}

static void a_frame_that_claims_descriptors_it_lacks_closes(void **state)
{
    static const uint8_t wire[] = { 0, 0, 0, 0, 5, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct side s;
    int fds[2];
    struct loop *l = pair(fds);

    (void) state;
    side_open(&s, l, fds[0], NULL);
    assert_int_equal(write(fds[1], wire, sizeof(wire)), sizeof(wire));
    turns(l, 3);
    assert_int_equal(s.n_msgs, 0);
    assert_int_equal(s.n_closed, 1);
    assert_int_equal(s.why, ERR_CORRUPT);
    side_close(&s);
    (void) close(fds[1]);
    (void) loop_free(l);
}

static void a_closed_peer_is_told_once(void **state)
{
    struct side s;
    int fds[2];
    struct loop *l = pair(fds);

    (void) state;
    side_open(&s, l, fds[0], NULL);
    (void) close(fds[1]);
    assert_ok(channel_send(s.c, 1, 0, 0, SPAN("into the void")));
    assert_int_equal(s.n_closed, 0);
    turns(l, 5);
    assert_int_equal(s.n_closed, 1);
    assert_int_equal(s.why, ERR_CLOSED);
    side_close(&s);
    (void) loop_free(l);
}

static void last_words_of_a_peer_are_heard(void **state)
{
    static const uint8_t wire[] = { 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'b', 'y', 'e' };
    struct side s;
    int fds[2];
    struct loop *l = pair(fds);

    (void) state;
    side_open(&s, l, fds[0], NULL);
    assert_int_equal(write(fds[1], wire, sizeof(wire)), sizeof(wire));
    (void) close(fds[1]);
    assert_ok(channel_send(s.c, 1, 0, 0, SPAN("too late"))); /* fails before anything was read */
    turns(l, 5);
    assert_int_equal(s.n_msgs, 1);
    assert_span_str(buf_span(&s.body), "bye");
    assert_int_equal(s.n_closed, 1);
    assert_err(channel_send(s.c, 1, 0, 0, SPAN("x")), ERR_CLOSED);
    side_close(&s);
    (void) loop_free(l);
}

static void a_channel_may_be_freed_in_its_callback(void **state)
{
    struct side a, b;
    int fds[2];
    struct loop *l = pair(fds);

    (void) state;
    side_open(&a, l, fds[0], NULL);
    side_open(&b, l, fds[1], NULL);
    b.free_at = 1;
    assert_ok(channel_send(a.c, 1, 0, 0, SPAN("x")));
    assert_ok(channel_send(a.c, 1, 0, 0, SPAN("y")));
    turns(l, 4);
    assert_int_equal(b.n_msgs, 1);
    assert_null(b.c);
    assert_int_equal(a.n_closed, 1);
    side_close(&a);
    side_close(&b);
    (void) loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_exact_bytes),
        cmocka_unit_test(frames_split_at_every_byte),
        cmocka_unit_test(large_bodies_pass_and_larger_ones_close),
        cmocka_unit_test(budgets_push_back_and_drain),
        cmocka_unit_test(urgent_messages_use_the_reserve),
        cmocka_unit_test(pausing_keeps_what_came),
        cmocka_unit_test(descriptors_travel_with_their_frame),
        cmocka_unit_test(a_frame_that_claims_descriptors_it_lacks_closes),
        cmocka_unit_test(a_closed_peer_is_told_once),
        cmocka_unit_test(last_words_of_a_peer_are_heard),
        cmocka_unit_test(a_channel_may_be_freed_in_its_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
