/* How a gate starts, or says why not, in a process of its own. */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "gate/gate.h"
#include "link/link.h"
#include "loop/timer.h"

struct boot {
    struct loop *loop;
    struct link *link;
    pid_t pid;
    bool seen, ok, closed;
    char text[200];
    char dir[64];
    struct loop_timer late;
};

static void on_message(void *ctx, struct link_msg *m)
{
    struct boot *b = ctx;
    const struct ipc_ready *r = m->body;

    if (m->type != IPC_T_READY)
        return;
    b->seen = true;
    b->ok = r->ok;
    (void) span_to_str(r->text, b->text, sizeof(b->text));
    loop_stop(b->loop);
}

static void on_closed(void *ctx, const struct err_info *why)
{
    struct boot *b = ctx;

    (void) why;
    b->closed = true;
    loop_stop(b->loop);
}

static void on_late(void *arg)
{
    loop_stop(((struct boot *) arg)->loop);
}

static const struct link_ops ops = { .on_message = on_message, .on_closed = on_closed };

/* A new process: it must be made before this one has threads or secrets. */
static void boot(struct boot *b)
{
    int fds[2];

    memset(b, 0, sizeof(*b));
    (void) snprintf(b->dir, sizeof(b->dir), "/tmp/keyhole-start-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    b->pid = fork();
    if (b->pid == 0) {
        (void) close(fds[0]);
        _exit(gate_main(fds[1]));
    }
    (void) close(fds[1]);
    assert_ok(loop_new(&b->loop, NULL));
    assert_ok(link_new(b->loop, fds[0], false, &ops, b, &b->link, NULL));
}

static void send_config(struct boot *b, bool tls, const char *trusted)
{
    struct ipc_row_text env = { SPAN("prod") }, net = { span_str(trusted == NULL ? "" : trusted) };
    struct ipc_gate_config m = {
        .public_url = SPAN("https://rec.example.com"), .player_url = SPAN("https://player.example.com"),
        .dir = span_str(b->dir), .tls = tls, .threads = 2, .streams = 10, .connections = 10, .per_source = 10,
        .header_bytes = 16384, .body_bytes = 1 << 20, .import_wire_bytes = 1 << 20, .import_bytes = 1 << 20, .zstd_level = 3,
        .seal_bytes = 1 << 20, .log_format = 1,
    };

    m.envs.rows = &env;
    m.envs.n = 1;
    m.trusted.rows = &net;
    m.trusted.n = trusted == NULL ? 0 : 1;
    assert_ok(link_send(b->link, IPC_T_GATE_CONFIG, &m));
}

static void wait_for_word(struct boot *b)
{
    loop_timer_init(&b->late, b->loop, on_late, b);
    loop_timer_arm(&b->late, 5000);
    loop_run(b->loop);
    loop_timer_cancel(&b->late);
    assert_true(b->seen);
}

static int end(struct boot *b)
{
    const struct ipc_shutdown m = { 500 };
    char command[100];
    int status = -1;

    assert_ok(link_send(b->link, IPC_T_SHUTDOWN, &m));
    loop_turn(b->loop);
    assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
    b->link = link_free(b->link);
    b->loop = loop_free(b->loop);
    (void) snprintf(command, sizeof(command), "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void without_a_certificate_nothing_is_said_in_clear(void **state)
{
    struct boot b;

    (void) state;
    boot(&b);
    send_config(&b, true, NULL);
    wait_for_word(&b);
    assert_false(b.ok);
    assert_non_null(strstr(b.text, "certificate"));
    assert_int_equal(end(&b), 1);
}

static void a_bad_certificate_names_itself(void **state)
{
    const struct ipc_tls bad = { SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), SPAN("x") };
    struct boot b;

    (void) state;
    boot(&b);
    assert_ok(link_send(b.link, IPC_T_TLS, &bad));
    send_config(&b, true, NULL);
    wait_for_word(&b);
    assert_false(b.ok);
    assert_non_null(strstr(b.text, "certificate"));
    assert_int_equal(end(&b), 1);
}

static void bad_settings_name_themselves(void **state)
{
    struct boot b;

    (void) state;
    boot(&b);
    send_config(&b, false, "10.0.0.0/99");
    wait_for_word(&b);
    assert_false(b.ok);
    assert_non_null(strstr(b.text, "proxy.trusted"));
    assert_int_equal(end(&b), 1);
}

static void a_good_one_starts_and_ends(void **state)
{
    static const char *const names[] = { "localhost" };
    struct buf cert = BUF_INIT(64 << 10), key = BUF_INIT(64 << 10);
    struct boot b;

    (void) state;
    boot(&b);
    assert_ok(certificate_self_signed(names, 1, 1, &cert, &key, NULL));
    {
        const struct ipc_tls good = { buf_span(&cert), buf_span(&key) };

        assert_ok(link_send(b.link, IPC_T_TLS, &good));
        send_config(&b, true, NULL);
        wait_for_word(&b);
        assert_true(b.ok);
        assert_ok(link_send(b.link, IPC_T_TLS, &good)); /* SIGHUP */
        send_config(&b, true, NULL);
    }
    assert_int_equal(end(&b), 0);
    buf_deinit(&cert);
    buf_deinit(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_certificate_nothing_is_said_in_clear),
        cmocka_unit_test(a_bad_certificate_names_itself),
        cmocka_unit_test(bad_settings_name_themselves),
        cmocka_unit_test(a_good_one_starts_and_ends),
    };

    return cmocka_run_group_tests_name("gate start", tests, NULL, NULL);
}
