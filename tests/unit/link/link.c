/* Calls between roles: paired with their answers, ended by a deadline or a death, broken messages refused. */
#include "test.h"

#include "link/link.h"
#include "loop/timer.h"

#include <sys/socket.h>
#include <unistd.h>

struct end {
    struct loop *loop;
    struct link *link;
    struct link_msg *kept;
    int n_messages, n_closed, n_answers;
    enum err answer_err;
    uint32_t answer_epoch;
    bool silent;     /* do not answer */
    bool free_on_close;
};

static void on_message(void *ctx, struct link_msg *m)
{
    struct end *e = ctx;

    e->n_messages++;
    if (m->call != 0 && !e->silent) {
        const struct ipc_ingest_open *in = m->body;
        struct ipc_ingest_opened out = { .status = 0, .rid = in->title, .epoch = 7 };

        assert_ok(link_answer(e->link, m->call, IPC_T_INGEST_OPENED, &out));
    }
    if (m->type == IPC_T_GONE)
        e->kept = link_msg_keep(m);
}

static void on_closed(void *ctx, const struct err_info *why)
{
    struct end *e = ctx;

    assert_non_null(why);
    e->n_closed++;
    if (e->free_on_close)
        e->link = link_free(e->link);
    loop_stop(e->loop);
}

static void on_answer(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct end *e = ctx;

    e->n_answers++;
    e->answer_err = err;
    if (err == ERR_OK) {
        assert_int_equal(type, IPC_T_INGEST_OPENED);
        e->answer_epoch = ((const struct ipc_ingest_opened *) body)->epoch;
    }
    loop_stop(e->loop);
}

static const struct link_ops ops = { .on_message = on_message, .on_closed = on_closed };

static void pair(struct end *a, struct end *b, int *raw)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    *a = *b = (struct end){ 0 };
    assert_ok(loop_new(&a->loop, NULL));
    b->loop = a->loop;
    assert_ok(link_new(a->loop, fds[0], false, &ops, a, &a->link, NULL));
    if (raw == NULL)
        assert_ok(link_new(b->loop, fds[1], false, &ops, b, &b->link, NULL));
    else
        raw[0] = fds[1];
}

static void done(struct end *a, struct end *b)
{
    struct loop *l = a->loop;

    a->link = link_free(a->link);
    b->link = link_free(b->link);
    (void) link_msg_free(b->kept);
    (void) loop_free(l);
}

static void a_call_gets_its_answer(void **state)
{
    struct end a, b;
    struct ipc_ingest_open msg = { .title = SPAN("a title") };

    (void) state;
    pair(&a, &b, NULL);
    assert_ok(link_call(a.link, IPC_T_INGEST_OPEN, &msg, 5000, on_answer, &a));
    assert_int_equal(a.n_answers, 0);
    loop_run(a.loop);
    assert_int_equal(a.n_answers, 1);
    assert_int_equal(a.answer_err, ERR_OK);
    assert_int_equal(a.answer_epoch, 7);
    assert_int_equal(link_pending(a.link), 0);
    done(&a, &b);
}

static void a_kept_message_outlives_its_callback(void **state)
{
    struct end a, b;
    struct ipc_gone msg = { .rid = SPAN("r_2Dz2Sr-SnSlnd8aT") };

    (void) state;
    pair(&a, &b, NULL);
    assert_ok(link_send(a.link, IPC_T_GONE, &msg));
    while (b.kept == NULL)
        loop_turn(a.loop);
    assert_span_str(((const struct ipc_gone *) b.kept->body)->rid, "r_2Dz2Sr-SnSlnd8aT");
    done(&a, &b);
}

static void a_silent_peer_ends_in_a_timeout(void **state)
{
    struct end a, b;
    struct ipc_ingest_open msg = { 0 };

    (void) state;
    pair(&a, &b, NULL);
    b.silent = true;
    assert_ok(link_call(a.link, IPC_T_INGEST_OPEN, &msg, 20, on_answer, &a));
    loop_run(a.loop);
    assert_int_equal(a.answer_err, ERR_TIMEOUT);
    done(&a, &b);
}

static void a_dead_peer_fails_what_is_pending(void **state)
{
    struct end a, b;
    struct ipc_ingest_open msg = { 0 };

    (void) state;
    pair(&a, &b, NULL);
    b.silent = true;
    assert_ok(link_call(a.link, IPC_T_INGEST_OPEN, &msg, 60000, on_answer, &a));
    assert_ok(link_call(a.link, IPC_T_INGEST_OPEN, &msg, 60000, on_answer, &a));
    b.link = link_free(b.link);
    a.free_on_close = true;
    while (a.n_closed == 0)
        loop_run(a.loop);
    assert_int_equal(a.n_answers, 2);
    assert_int_equal(a.answer_err, ERR_CLOSED);
    assert_null(a.link);
    done(&a, &b);
}

static void freeing_fails_what_is_pending(void **state)
{
    struct end a, b;
    struct ipc_ingest_open msg = { 0 };

    (void) state;
    pair(&a, &b, NULL);
    assert_ok(link_call(a.link, IPC_T_INGEST_OPEN, &msg, 60000, on_answer, &a));
    a.link = link_free(a.link);
    assert_int_equal(a.n_answers, 1);
    assert_int_equal(a.answer_err, ERR_CLOSED);
    done(&a, &b);
}

/* A frame whose body does not fit its type: the link closes, it does not guess. */
static void a_broken_message_closes(void **state)
{
    static const uint8_t frame[] = { 3, 0, 0, 0, IPC_T_GONE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3 };
    struct end a, b;
    int raw[1];

    (void) state;
    pair(&a, &b, raw);
    assert_int_equal(write(raw[0], frame, sizeof(frame)), sizeof(frame));
    loop_run(a.loop);
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(a.n_messages, 0);
    assert_err(link_send(a.link, IPC_T_GONE, &(struct ipc_gone){ 0 }), ERR_CLOSED);
    (void) close(raw[0]);
    done(&a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gets_its_answer),
        cmocka_unit_test(a_kept_message_outlives_its_callback),
        cmocka_unit_test(a_silent_peer_ends_in_a_timeout),
        cmocka_unit_test(a_dead_peer_fails_what_is_pending),
        cmocka_unit_test(freeing_fails_what_is_pending),
        cmocka_unit_test(a_broken_message_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
