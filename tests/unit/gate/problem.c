/* The table of problems against the contract, and the document of one. */
#include "test.h"

#include "codec/json.h"
#include "format/key.h"
#include "gate/contract.h"
#include "gate/problem.h"

/* Every `code` between backquotes in the contract's table, with the status of its row. */
static size_t read_contract(char codes[200][48], int status[200])
{
    struct span all = contract_text(), line;
    bool in = false;
    size_t n = 0;

    while (span_cut(all, '\n', &line, &all)) {
        line = span_trim(line);
        if (span_starts(line, "| status | codes |")) {
            in = true;
        } else if (in && span_starts(line, "| ---")) {
            continue;
        } else if (in && span_starts(line, "|")) {
            int numbers[4], n_numbers = 0;
            struct span left, right, part;
            bool more = true;

            (void) span_cut(span_sub(line, 1, line.n), '|', &left, &right);
            for (left = span_trim(left); more;) {
                more = span_cut(left, ' ', &part, &left);
                numbers[n_numbers++] = (part.p[0] - '0') * 100 + (part.p[1] - '0') * 10 + (part.p[2] - '0');
            }
            while (span_cut(right, '`', &part, &right) && span_cut(right, '`', &part, &right)) {
                assert_true(n < 200 && part.n < 48);
                memcpy(codes[n], part.p, part.n);
                codes[n][part.n] = '\0';
                /* several statuses share a row: ours has to be one of them */
                status[n] = numbers[0];
                for (int i = 0; i < n_numbers; i++) {
                    const struct problem_kind *k = problem_find(part);

                    if (k != NULL && k->status == numbers[i])
                        status[n] = numbers[i];
                }
                n++;
            }
        } else if (in) {
            break;
        }
    }
    return n;
}

static void the_table_is_the_contract(void **state)
{
    static char codes[200][48];
    static int status[200];
    size_t n = read_contract(codes, status), n_kinds;
    const struct problem_kind *all = problem_all(&n_kinds);

    (void) state;
    assert_true(n > 50);
    for (size_t i = 0; i < n; i++) {
        const struct problem_kind *k = problem_find(codes[i][0] == '<' ? SPAN("x-unsupported") : span_str(codes[i]));

        if (k == NULL || k->status != status[i])
            fail_msg("%s: the contract says %d, the table %d", codes[i], status[i], k == NULL ? 0 : k->status);
    }
    for (size_t i = 0; i < n_kinds; i++) {
        bool found = strcmp(all[i].code, "unsupported") == 0;

        for (size_t k = 0; k < n; k++)
            found = found || strcmp(all[i].code, codes[k]) == 0;
        if (!found)
            fail_msg("%s is not in the contract", all[i].code);
        assert_true(all[i].title[0] != '\0' && all[i].what_to_do[0] != '\0');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(all[i].code, all[k].code);
    }
}

/* Whatever keeper, vault or gate say of a key has its row, and a stream's end code. */
static void every_verdict_has_a_row(void **state)
{
    (void) state;
    for (unsigned v = KEY_OK + 1; v < KEY_N_; v++) {
        const struct problem_kind *k = problem_find(span_str(key_verdict_code((enum key_verdict) v)));

        if (k == NULL)
            fail_msg("%s", key_verdict_code((enum key_verdict) v));
        assert_int_equal(k->status, key_verdict_status((enum key_verdict) v));
        assert_true(k->stream_code >= 4400);
    }
}

static void the_document(void **state)
{
    struct buf b = BUF_INIT(4096);
    struct problem p = { .code = SPAN("key-expired"), .detail = "A \"detail\".", .renew = "/v1/grants/g/keys", .replay = true,
                         .members = SPAN("{\"a\":[1,2],\"b\\\"c\":\"d\\\\e\"}") };
    struct json_value v;
    struct buf text = BUF_INIT(100);

    (void) state;
    assert_int_equal(problem_write(&p, "https://rec.example.com", "0123", &b), 401);
    assert_true(json_find(json_value(buf_span(&b)), "type", &v));
    assert_span_str(v.raw, "https://rec.example.com/problems/key-expired");
    assert_true(json_find(json_value(buf_span(&b)), "a", &v));
    assert_span_str(v.raw, "[1,2]");
    assert_true(json_find(json_value(buf_span(&b)), "detail", &v));
    assert_true(json_string_decode(v.raw, &text));
    assert_span_str(buf_span(&text), "A \"detail\".");
    assert_true(json_find(json_value(buf_span(&b)), "stream_code", &v));
    assert_span_str(v.raw, "4401");
    buf_reset(&b);
    p = (struct problem){ .code = SPAN("nobody-knows"), .detail = "" };
    assert_int_equal(problem_write(&p, "https://rec.example.com", "0123", &b), 500);
    assert_non_null(memmem(b.p, b.n, "\"code\":\"internal\"", 17));
    buf_deinit(&b);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_contract),
        cmocka_unit_test(every_verdict_has_a_row),
        cmocka_unit_test(the_document),
    };

    return cmocka_run_group_tests_name("gate problems", tests, NULL, NULL);
}
