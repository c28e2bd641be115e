/* Every message: the table matches the struct, what goes in comes out, damage is refused. */
#include "test.h"

#include "format/ipc.h"

#include <stdlib.h>

static void tables_match_structs(void **state)
{
    (void) state;
    for (int t = IPC_T_NONE_ + 1; t < IPC_T_N_; t++) {
        if (ipc_table_size((enum ipc_type) t) != ipc_struct_size((enum ipc_type) t))
            fail_msg("%s: table says %zu, struct has %zu", ipc_name((enum ipc_type) t),
                     ipc_table_size((enum ipc_type) t), ipc_struct_size((enum ipc_type) t));
    }
}

static void a_full_message_round_trips(void **state)
{
    struct ipc_row_wrap wraps[2] = { { 0, 0, 7, SPAN("aaaa") }, { 1, 0, 8, SPAN("bb") } };
    struct ipc_row_grant grant = { .gid = SPAN("g_P_52yi_zKORYBdCS"), .gen = 3, .wend_ms = -5, .key_bytes = 1ull << 40 };
    struct ipc_key_facts in = { .verdict = 9, .vid = SPAN("v_x"), .volume = 77, .n_chunks = 5 }, out;
    struct buf b = BUF_INIT(4096);
    struct arena a;

    (void) state;
    in.wraps.rows = wraps;
    in.wraps.n = 2;
    in.grant.rows = &grant;
    in.grant.n = 1;
    ipc_encode(IPC_T_KEY_FACTS, &in, &b);
    arena_init(&a, 65536);
    assert_ok(ipc_decode(IPC_T_KEY_FACTS, buf_span(&b), &a, &out, NULL));
    assert_int_equal(out.verdict, 9);
    assert_int_equal(out.volume, 77);
    assert_int_equal(out.wraps.n, 2);
    assert_int_equal(out.wraps.rows[1].epoch, 8);
    assert_span_str(out.wraps.rows[1].wrap, "bb");
    assert_span_str(out.grant.rows[0].gid, "g_P_52yi_zKORYBdCS");
    assert_true(out.grant.rows[0].wend_ms == -5 && out.grant.rows[0].key_bytes == 1ull << 40);
    assert_int_equal(out.pieces.n, 0);
    for (size_t cut = 0; cut < b.n; cut++)
        assert_err(ipc_decode(IPC_T_KEY_FACTS, span_of(b.p, cut), &a, &out, NULL), ERR_CORRUPT);
    buf_add_c(&b, 'x');
    assert_err(ipc_decode(IPC_T_KEY_FACTS, buf_span(&b), &a, &out, NULL), ERR_CORRUPT);
    arena_deinit(&a);
    buf_deinit(&b);
}

/* Random bytes never crash, and whatever is accepted encodes back to the same bytes. */
static void noise_is_refused_or_exact(void **state)
{
    uint8_t noise[96];
    int accepted = 0;

    (void) state;
    srand(1);
    for (int round = 0; round < 200000; round++) {
        size_t n = (size_t) rand() % sizeof(noise);
        enum ipc_type t = (enum ipc_type) (1 + rand() % (IPC_T_N_ - 1));
        _Alignas(16) char msg[2048];
        struct arena a;

        for (size_t i = 0; i < n; i++)
            noise[i] = rand() % 3 ? 0 : (uint8_t) (rand() % 9);
        arena_init(&a, 65536);
        assert_true(ipc_struct_size(t) <= sizeof(msg));
        if (ipc_decode(t, span_of(noise, n), &a, msg, NULL) == ERR_OK) {
            struct buf b = BUF_INIT(4096);

            ipc_encode(t, msg, &b);
            assert_span_eq(buf_span(&b), span_of(noise, n));
            buf_deinit(&b);
            accepted++;
        }
        arena_deinit(&a);
    }
    assert_true(accepted > 100);
}

static void a_lying_count_costs_nothing(void **state)
{
    struct buf b = BUF_INIT(64);
    struct ipc_grants out;
    struct arena a;

    (void) state;
    arena_init(&a, 1 << 20);
    buf_u64le(&b, 1);
    buf_u8(&b, 1);
    buf_u32le(&b, 0xffffffff);
    assert_err(ipc_decode(IPC_T_GRANTS, buf_span(&b), &a, &out, NULL), ERR_CORRUPT);
    assert_int_equal(a.used, 0);
    arena_deinit(&a);
    buf_deinit(&b);
}

static void types_that_are_none(void **state)
{
    static const int none[] = { IPC_T_NONE_, IPC_T_N_, -1, 1 << 20 };

    (void) state;
    assert_string_equal(ipc_name(IPC_T_KEY_FACTS), "key_facts");
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        enum ipc_type t = (enum ipc_type) none[i];
        struct buf b = BUF_INIT(64);
        struct arena a;
        char msg[8];

        arena_init(&a, 100);
        assert_string_equal(ipc_name(t), "?");
        assert_int_equal(ipc_struct_size(t), 0);
        ipc_encode(t, msg, &b);
        assert_true(b.failed && b.n == 0);
        assert_err(ipc_decode(t, SPAN("x"), &a, msg, NULL), ERR_CORRUPT);
        arena_deinit(&a);
        buf_deinit(&b);
    }
}

/* As many rows as there may be, one more, and no memory for them. */
static void rows_at_their_limit(void **state)
{
    struct buf b = BUF_INIT(64u << 20);
    struct ipc_key_facts in = { .verdict = 1 }, out;
    struct arena a;

    (void) state;
    in.wraps.rows = calloc(IPC_ROWS_MAX + 1, sizeof(*in.wraps.rows));
    assert_non_null(in.wraps.rows);
    for (uint32_t more = 0; more < 2; more++) {
        in.wraps.n = IPC_ROWS_MAX + more;
        buf_reset(&b);
        ipc_encode(IPC_T_KEY_FACTS, &in, &b);
        assert_false(b.failed);
        arena_init(&a, 64u << 20);
        assert_err(ipc_decode(IPC_T_KEY_FACTS, buf_span(&b), &a, &out, NULL), more == 0 ? ERR_OK : ERR_CORRUPT);
        arena_deinit(&a);
    }
    in.wraps.n = 100;
    buf_reset(&b);
    ipc_encode(IPC_T_KEY_FACTS, &in, &b);
    arena_init(&a, 100);
    assert_err(ipc_decode(IPC_T_KEY_FACTS, buf_span(&b), &a, &out, NULL), ERR_CORRUPT);
    arena_deinit(&a);
    free(in.wraps.rows);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_match_structs),
        cmocka_unit_test(a_full_message_round_trips),
        cmocka_unit_test(noise_is_refused_or_exact),
        cmocka_unit_test(a_lying_count_costs_nothing),
        cmocka_unit_test(types_that_are_none),
        cmocka_unit_test(rows_at_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
