/* CRC-32C: the vectors of RFC 3720 B.4, both implementations against each other, any division into parts. */
#include "test.h"

#include "base/crc32c.h"

static void vectors(void **state)
{
    static const uint8_t read10[48] = { /* an iSCSI SCSI Read (10) command PDU */
        0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
        0x28, 0, 0, 0, 0, 0, 0, 0, 0x02,
    };
    uint8_t zeros[32], ones[32], up[32], down[32];

    (void) state;
    for (uint8_t i = 0; i < 32; i++) {
        zeros[i] = 0, ones[i] = 0xff, up[i] = i, down[i] = (uint8_t) (31 - i);
    }
    const struct {
        struct span in;
        uint32_t want;
    } cases[] = {
        { SPAN_OF(zeros), 0x8a9136aa }, { SPAN_OF(ones), 0x62a8ab43 },   { SPAN_OF(up), 0x46dd794e },
        { SPAN_OF(down), 0x113fdb5c },  { SPAN_OF(read10), 0xd9963a56 }, { SPAN("123456789"), 0xe3069283 },
        { SPAN_EMPTY, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(crc32c(0, cases[i].in), cases[i].want);
        assert_int_equal(crc32c_table(0, cases[i].in), cases[i].want);
    }
}

static void any_length_in_any_parts(void **state)
{
    uint8_t bytes[100];

    (void) state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) (i * 73 + 11);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        uint32_t whole = crc32c_table(0, span_of(bytes, n));

        for (size_t cut = 0; cut <= n; cut++) {
            uint32_t crc = crc32c(0, span_of(bytes, cut));

            assert_int_equal(crc32c(crc, span_of(bytes + cut, n - cut)), whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(any_length_in_any_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
