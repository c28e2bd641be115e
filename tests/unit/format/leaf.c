/* The audit leaf: exact bytes, what may not stand in clear, digests of facts. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"
#include "format/leaf_form.h"

#define LOG "p_zNe2lKL4dQxW8s0b"

static struct leaf leased(void)
{
    struct leaf l = { .log = SPAN(LOG),
                      .i = 1234,
                      .t = 1793610900123,
                      .type = LEAF_REPLAY_LEASED,
                      .actor = SPAN("u_8zYGTnU-_hqeQ2Lx"),
                      .gid = SPAN("g_P_52yi_zKORYBdCS"),
                      .gen = 3,
                      .vid = SPAN("v_AAAAAAAAAAAAAAAA"),
                      .rid = SPAN("r_2Dz2Sr-SnSlnd8aT"),
                      .jti = SPAN("BXqH0cJLlQzHgCOqSMGAMA"),
                      .outcome = SPAN("ok") };

    assert_true(leaf_add_number(&l, "from_seq", 0));
    assert_true(leaf_add_number(&l, "to_seq", 812));
    assert_true(leaf_add_number(&l, "from_ms", 0));
    assert_true(leaf_add_number(&l, "to_ms", 30000));
    return l;
}

static void members_stand_in_their_order(void **state)
{
    struct buf b = BUF_INIT(8192);
    struct leaf l = leased();
    static const char hash[] = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    (void) state;
    assert_ok(leaf_write(&l, &b, NULL));
    assert_span_str(buf_span(&b),
                    "{\"v\":1,\"log\":\"p_zNe2lKL4dQxW8s0b\",\"i\":1234,\"t\":\"2026-11-02T09:15:00.123Z\","
                    "\"type\":\"replay.leased\",\"actor\":\"u_8zYGTnU-_hqeQ2Lx\",\"gid\":\"g_P_52yi_zKORYBdCS\",\"gen\":3,"
                    "\"vid\":\"v_AAAAAAAAAAAAAAAA\",\"rid\":\"r_2Dz2Sr-SnSlnd8aT\",\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\","
                    "\"outcome\":\"ok\",\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000}}");
    buf_reset(&b);
    l = (struct leaf){ .log = SPAN("system"), .i = 0, .t = 0, .type = LEAF_REQUEST_CREATED, .actor = SPAN("system") };
    l.q = SPAN("q_AAAAAAAAAAAAAAAA");
    l.obj = SPAN("n_AAAAAAAAAAAAAAAA");
    l.outcome = SPAN("no-approver");
    l.policy = l.digest = l.act = span_str(hash);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_span_str(buf_span(&b),
                    "{\"v\":1,\"log\":\"system\",\"i\":0,\"t\":\"1970-01-01T00:00:00.000Z\",\"type\":\"request.created\","
                    "\"actor\":\"system\",\"q\":\"q_AAAAAAAAAAAAAAAA\",\"obj\":\"n_AAAAAAAAAAAAAAAA\",\"outcome\":\"no-approver\","
                    "\"policy\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\","
                    "\"digest\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\","
                    "\"act\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\"}");
    buf_deinit(&b);
}

/* Expected values: Python's json, hashlib and base64. */
static void a_note_stands_in_one_type_only(void **state)
{
    static const char note[] = "h/v1/audit/system\n3\nDVkAEAIpHg6n6ORj6j4vDmkxCBVp6nG5oYTEfK3Kd+4=\n\n\xe2\x80\x94 h/v1/audit/system "
                               "MD1nEAvQu7fBt8xp1XPlHfqhZMGSSHhmGqBH5SYoyHTWM4/ybOJeV8MdK/SX2bIU+8k6ttlc9SE6p7FQeanQxAsGPAA=\n";
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(LEAF_MAX * 2);
    struct leaf l = { .log = SPAN("system~2"), .type = LEAF_LOG_CONTINUED, .actor = SPAN("system"),
                      .obj = SPAN("system"), .outcome = SPAN("shorter"), .note = span_str(note) };

    (void) state;
    (void) leaf_add_number(&l, "size", 3);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_span_str(buf_span(&b),
                    "{\"v\":1,\"log\":\"system~2\",\"i\":0,\"t\":\"1970-01-01T00:00:00.000Z\",\"type\":\"log.continued\","
                    "\"actor\":\"system\",\"obj\":\"system\",\"outcome\":\"shorter\",\"note\":\"h/v1/audit/system\\u000a3\\u000a"
                    "DVkAEAIpHg6n6ORj6j4vDmkxCBVp6nG5oYTEfK3Kd+4=\\u000a\\u000a\xe2\x80\x94 h/v1/audit/system "
                    "MD1nEAvQu7fBt8xp1XPlHfqhZMGSSHhmGqBH5SYoyHTWM4/ybOJeV8MdK/SX2bIU+8k6ttlc9SE6p7FQeanQxAsGPAA=\\u000a\","
                    "\"n\":{\"size\":3}}");
    l.type = LEAF_CHECKPOINT;
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l.type = LEAF_LOG_CONTINUED;
    l.note = SPAN("a name, or whatever");
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
}

static void facts_are_salted_digests(void **state)
{
    struct buf b = BUF_INIT(8192);
    struct leaf l = { .log = SPAN(LOG), .i = 1234, .type = LEAF_REQUEST_CREATED };
    uint8_t salt[32], ones[32];
    char digest[LEAF_DIGEST_LEN + 1];

    (void) state;
    memset(ones, 0xff, sizeof(ones));
    for (int i = 0; i < 32; i++)
        salt[i] = (uint8_t) i;
    assert_true(leaf_add_fact(&l, "reason", SPAN("Kunde sagt: \x1b[31m \"Wagen leer\" \u202e\xc2\x85 é"), SPAN_EMPTY,
                              salt));
    assert_true(leaf_add_fact(&l, "ticket", SPAN("INC-42"), SPAN_EMPTY, ones));
    assert_true(leaf_add_fact(&l, "comment", SPAN_EMPTY, SPAN_EMPTY, ones));
    assert_int_equal(l.n_facts, 2);
    assert_ok(leaf_disclose(&l, 0, &b, digest, NULL));
    assert_span_str(buf_span(&b),
                    "[\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"reason@p_zNe2lKL4dQxW8s0b/1234\","
                    "\"Kunde sagt: \\u001b[31m \\\"Wagen leer\\\" \\u202e\\u0085 é\"]");
    assert_string_equal(digest, "X8dgegQJWUU7l6GV8EC6YFd0T_5S6nP0uOlO-lO5KdU");
    buf_reset(&b);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_span_str(buf_span(&b), "{\"v\":1,\"log\":\"p_zNe2lKL4dQxW8s0b\",\"i\":1234,\"t\":\"1970-01-01T00:00:00.000Z\","
                                  "\"type\":\"request.created\",\"_sd\":[\"8rdwe1kWFDlVeQINjCDCSmFHFL6O4vBvJTs9Sn6Rh2M\","
                                  "\"X8dgegQJWUU7l6GV8EC6YFd0T_5S6nP0uOlO-lO5KdU\"]}");
    buf_deinit(&b);
}

/* Names, addresses and texts are refused wherever an id, a hash or a word belongs. */
static void texts_do_not_stand_in_clear(void **state)
{
    static const char *const bad[] = { "engineer", "jo@example.com", "10.0.0.1", "why not", "ok\n", "Ok", "\x1b[0m",
                                       "u_8zYGTnU-_hqeQ2L", "https://example.com/x", "é" };
    struct buf b = BUF_INIT(8192);

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct leaf base = leased();
        struct span *members[] = { &base.log, &base.actor, &base.q,   &base.gid,    &base.vid,    &base.rid,
                                   &base.jti, &base.obj,   &base.policy, &base.digest, &base.act,   &base.outcome };

        for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++) {
            struct span was = *members[k];

            *members[k] = span_str(bad[i]);
            /* a single lower-case word is a word: that is what outcome and obj may hold */
            if (i == 0 && (members[k] == &base.obj || members[k] == &base.outcome))
                assert_ok(leaf_write(&base, &b, NULL));
            else if (leaf_write(&base, &b, NULL) != ERR_INVAL)
                fail_msg("'%s' stands in member %zu", bad[i], k);
            *members[k] = was;
            buf_reset(&b);
        }
    }
    buf_deinit(&b);
}

static void limits_on_both_sides(void **state)
{
    static char names[LEAF_NUMBERS_MAX + 1][LEAF_WORD_MAX + 2];
    struct buf b = BUF_INIT(16384);
    struct leaf l = leased();
    uint8_t salt[32] = { 0 };

    (void) state;
    l.n_numbers = 0;
    l.q = SPAN("q_AAAAAAAAAAAAAAAA");
    l.policy = l.digest = l.act = SPAN("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    for (int i = 0; i <= LEAF_NUMBERS_MAX; i++)
        (void) snprintf(names[i], sizeof(names[i]), "n%0*d", LEAF_WORD_MAX - 1, i);
    for (int i = 0; i < LEAF_NUMBERS_MAX; i++)
        assert_true(leaf_add_number(&l, names[i], INT64_MIN));
    for (int i = 0; i < LEAF_FACTS_MAX; i++)
        assert_true(leaf_add_fact(&l, "f", SPAN("x"), SPAN_EMPTY, salt));
    buf_add_str(&b, "kept");
    for (int k = 0; k < 1000; k++) { /* one byte less at a time, until it fits */
        enum err e = leaf_write(&l, &b, NULL);

        if (e == ERR_OK) {
            assert_int_equal(b.n, LEAF_MAX + 4); /* the one before had LEAF_MAX + 1 */
            break;
        }
        assert_int_equal(e, ERR_LIMIT);
        assert_span_str(buf_span(&b), "kept");
        l.n[k % LEAF_NUMBERS_MAX].value /= 10;
    }
    assert_true(b.n > 4);
    assert_false(leaf_add_fact(&l, "f", SPAN("x"), SPAN_EMPTY, salt));
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l = leased();
    l.n[0].name = "a name";
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l = leased();
    assert_true(leaf_add_fact(&l, "f", SPAN("\xff"), SPAN_EMPTY, salt));
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    for (size_t i = l.n_numbers; i < LEAF_NUMBERS_MAX; i++)
        assert_true(leaf_add_number(&l, names[i], 1));
    assert_false(leaf_add_number(&l, "more", 1));
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    buf_deinit(&b);
}

static void every_type_has_one_word(void **state)
{
    (void) state;
    for (unsigned i = 0; i < LEAF_N_TYPES; i++) {
        enum leaf_type back;

        assert_true(leaf_type_find(span_str(leaf_type_word((enum leaf_type) i)), &back));
        assert_int_equal(back, i);
    }
    assert_string_equal(leaf_type_word(LEAF_N_TYPES), "unknown");
}

/* Two processes write these from the same message. */
static void shared_forms(void **state)
{
    struct ipc_sign_key k = { .jti = SPAN("BXqH0cJLlQzHgCOqSMGAMA"), .sub = SPAN("u_8zYGTnU-_hqeQ2Lx"), .scope = SPAN("play live"),
                              .gid = SPAN("g_P_52yi_zKORYBdCS"), .gen = 3, .rid = SPAN("r_2Dz2Sr-SnSlnd8aT"),
                              .iat_s = 1793000000, .exp_s = 1793000120, .wend_s = 1793003600, .log = SPAN(LOG),
                              .leaf_idx = 7, .leaf_t_ms = 1793610900123 };
    struct ipc_open o = { .jti = k.jti, .gid = k.gid, .gen = 3, .rid = k.rid, .pid = SPAN(LOG), .kn = 2, .track = 1,
                          .leaf_idx = 8, .leaf_t_ms = 1793610900123 };
    struct buf b = BUF_INIT(8192);
    struct leaf l;

    (void) state;
    leaf_form_key(&k, &l);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_span_str(buf_span(&b),
                    "{\"v\":1,\"log\":\"p_zNe2lKL4dQxW8s0b\",\"i\":7,\"t\":\"2026-11-02T09:15:00.123Z\",\"type\":\"key.issued\","
                    "\"actor\":\"u_8zYGTnU-_hqeQ2Lx\",\"gid\":\"g_P_52yi_zKORYBdCS\",\"gen\":3,"
                    "\"rid\":\"r_2Dz2Sr-SnSlnd8aT\",\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"outcome\":\"ok\","
                    "\"n\":{\"iat\":1793000000,\"exp\":1793000120,\"wend\":1793003600,\"play\":1,\"live\":1}}");
    k.scope = SPAN("export");
    k.cnf_jkt = SPAN("ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo");
    k.policy = SPAN("4cY3QfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo");
    k.renewed = k.moved = 1;
    k.q = SPAN("q_AAAAAAAAAAAAAAAA");
    k.vid = SPAN("v_AAAAAAAAAAAAAAAA");
    leaf_form_key(&k, &l);
    buf_reset(&b);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_non_null(strstr(buf_cstr(&b), "\"type\":\"key.renewed\""));
    assert_non_null(strstr(buf_cstr(&b), "\"wend\":1793003600,\"export\":1,\"bound\":1,\"ctx\":1}}"));
    assert_non_null(strstr(buf_cstr(&b), "\"actor\":\"u_8zYGTnU-_hqeQ2Lx\",\"q\":\"q_AAAAAAAAAAAAAAAA\",\"gid\""));
    assert_non_null(strstr(buf_cstr(&b), "\"gen\":3,\"vid\":\"v_AAAAAAAAAAAAAAAA\",\"rid\""));
    assert_non_null(strstr(buf_cstr(&b), "\"outcome\":\"ok\",\"policy\":\"4cY3QfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\","
                                         "\"digest\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\",\"n\""));
    leaf_form_released(&o, SPAN(LOG), k.sub, k.vid, &l);
    buf_reset(&b);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_non_null(strstr(buf_cstr(&b), "\"type\":\"vault.released\",\"actor\":\"u_8zYGTnU-_hqeQ2Lx\",\"gid\""));
    assert_non_null(strstr(buf_cstr(&b), "\"n\":{\"kn\":2,\"track\":1}}"));
    buf_deinit(&b);
}

/* Whatever a fact holds: one JSON text, no raw control, no bidirectional control. */
static void hostile_facts_stay_json(void **state)
{
    static const uint8_t secret[16] = { 0 };
    struct json_limits lim = json_limits_control(secret);
    struct buf b = BUF_INIT(65536), all = BUF_INIT(8192);
    struct leaf l = leased();
    uint8_t salt[32] = { 9 };

    (void) state;
    for (uint32_t cp = 1; cp < 0x2100; cp++) {
        uint8_t u[3];
        size_t n = 0;

        if (cp < 0x80)
            u[n++] = (uint8_t) cp;
        else if (cp < 0x800) {
            u[n++] = (uint8_t) (0xc0 | cp >> 6);
            u[n++] = (uint8_t) (0x80 | (cp & 63));
        } else {
            u[n++] = (uint8_t) (0xe0 | cp >> 12);
            u[n++] = (uint8_t) (0x80 | (cp >> 6 & 63));
            u[n++] = (uint8_t) (0x80 | (cp & 63));
        }
        buf_add(&all, u, n);
        if (all.n < 4000 && cp != 0x20ff)
            continue;
        l.n_facts = 0;
        assert_true(leaf_add_fact(&l, "title", buf_span(&all), SPAN_EMPTY, salt));
        buf_reset(&b);
        assert_ok(leaf_disclose(&l, 0, &b, NULL, NULL));
        assert_true(json_check(buf_span(&b), &lim, NULL));
        for (size_t i = 0; i < b.n; i++) {
            assert_true(b.p[i] >= 0x20 && b.p[i] != 0x7f);
            assert_false(b.p[i] == 0xc2 && b.p[i + 1] < 0xa0);                        /* C1 */
            assert_false(b.p[i] == 0xe2 && b.p[i + 1] == 0x80 && b.p[i + 2] == 0xae); /* U+202E */
        }
        buf_reset(&all);
    }
    buf_deinit(&b);
    buf_deinit(&all);
}

/* Each kind of thing that may stand in obj, outcome, note and names, and what is next to it. */
static void words_at_their_borders(void **state)
{
    static const char w41[] = "abcdefghijklmnopqrstuvwxyz-0123456789-abcd";
    static const struct {
        const char *obj;
        bool good;
    } objects[] = {
        { "system", true }, { "p_zNe2lKL4dQxW8s0b~2", true }, { "zAIXFns1pr8", true },  { "zAIXFns1pr-", true },
        { "zAIXFns1pr", false }, { "zAIXFns1pr8A", false },  { "zAIXFns1pr!", false }, { "a word", false },
        { "w", true },      { "W", false },                   { "\xc3\xa9", false },
    };
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(LEAF_MAX * 4);
    struct leaf l = leased();
    enum leaf_type type;

    (void) state;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        l.obj = span_str(objects[i].obj);
        if ((leaf_write(&l, &b, NULL) == ERR_OK) != objects[i].good)
            fail_msg("'%s'", objects[i].obj);
    }
    l.obj = SPAN_EMPTY;
    l.outcome = span_of(w41, LEAF_WORD_MAX);
    assert_ok(leaf_write(&l, &b, NULL));
    l.outcome = span_of(w41, LEAF_WORD_MAX + 1);
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l.outcome = span_of("a\0b", 3);
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l = leased();
    l.policy = SPAN("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF+");
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l = leased();
    l.n[0].name = "";
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l.n[0].name = "abcdefghijklmnopqrstuvwxyz_0123456789_abc";
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
    l.n[0].name = "abcdefghijklmnopqrstuvwxyz_0123456789_ab";
    assert_ok(leaf_write(&l, &b, NULL));
    assert_false(leaf_type_find(SPAN("unknown"), &type));
}

static void notes_that_are_no_checkpoints(void **state)
{
    static const char sig[] = "\n\n\xe2\x80\x94 h AAAAAAA=\n";
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(LEAF_MAX * 4);
    CLEANUP(buf_deinit) struct buf note = BUF_INIT(LEAF_MAX);
    struct leaf l = { .log = SPAN("system~2"), .type = LEAF_LOG_CONTINUED, .note = SPAN("a text\n\n\xe2\x80\x94 h AAAAAAA=\n") };

    (void) state;
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL); /* a signed note, but no checkpoint */
    buf_add_str(&note, "h\n3\nDVkAEAIpHg6n6ORj6j4vDmkxCBVp6nG5oYTEfK3Kd+4=\nextension ");
    while (note.n < LEAF_NOTE_MAX - sizeof(sig) + 1)
        buf_add_c(&note, 'x');
    buf_add_str(&note, sig);
    assert_int_equal(note.n, LEAF_NOTE_MAX);
    l.note = buf_span(&note);
    assert_ok(leaf_write(&l, &b, NULL));
    buf_reset(&note);
    buf_add_str(&note, "h\n3\nDVkAEAIpHg6n6ORj6j4vDmkxCBVp6nG5oYTEfK3Kd+4=\nextension ");
    while (note.n < LEAF_NOTE_MAX - sizeof(sig) + 2)
        buf_add_c(&note, 'x');
    buf_add_str(&note, sig);
    l.note = buf_span(&note);
    assert_err(leaf_write(&l, &b, NULL), ERR_INVAL);
}

static void facts_at_their_borders(void **state)
{
    uint8_t salt[LEAF_SALT_LEN] = { 0 };
    char *text = malloc(2 * LEAF_DISCLOSURE_MAX), digest[LEAF_DIGEST_LEN + 1];
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(LEAF_DISCLOSURE_MAX);
    CLEANUP(buf_deinit) struct buf small = BUF_INIT(60);
    struct leaf l = leased();

    (void) state;
    assert_non_null(text);
    memset(text, '\x01', 2 * LEAF_DISCLOSURE_MAX);
    assert_true(leaf_add_fact(&l, "title", span_of(text, LEAF_FACT_VALUE_MAX), SPAN_EMPTY, salt));
    assert_ok(leaf_disclose(&l, 0, &b, digest, NULL)); /* every byte takes six */
    buf_reset(&b);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_err(leaf_disclose(&l, 0, &small, digest, NULL), ERR_LIMIT);
    l.facts[0].value.n++;
    assert_err(leaf_disclose(&l, 0, &b, digest, NULL), ERR_INVAL);
    l.facts[0].value.n = 1;
    l.facts[0].field = "Title";
    assert_err(leaf_disclose(&l, 0, &b, digest, NULL), ERR_INVAL);
    assert_err(leaf_disclosure_digest(span_of(text, 2 * LEAF_DISCLOSURE_MAX), digest, NULL), ERR_LIMIT);
    free(text);
}

static void a_text_that_is_no_utf8_is_not_written(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(100);

    (void) state;
    leaf_json_str(&b, SPAN("ok \xff and more"));
    assert_true(b.failed);
    buf_reset(&b);
    leaf_json_str(&b, SPAN("cut \xe2\x82"));
    assert_true(b.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_their_order),  cmocka_unit_test(a_note_stands_in_one_type_only),
        cmocka_unit_test(facts_are_salted_digests),
        cmocka_unit_test(texts_do_not_stand_in_clear),   cmocka_unit_test(limits_on_both_sides),
        cmocka_unit_test(every_type_has_one_word),       cmocka_unit_test(hostile_facts_stay_json),
        cmocka_unit_test(shared_forms),
        cmocka_unit_test(words_at_their_borders),
        cmocka_unit_test(notes_that_are_no_checkpoints),
        cmocka_unit_test(facts_at_their_borders),
        cmocka_unit_test(a_text_that_is_no_utf8_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
