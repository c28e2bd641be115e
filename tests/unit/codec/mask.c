#include "codec/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "test.h"

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the corpus (tests/vectors/mask_corpus.py): how much is found, and how much of what is found is right ---- */

#define LABELS_MAX 64

struct label {
    size_t from, to;
    unsigned rule;
};

struct score {
    unsigned labels, found, hits, right;
};

struct corpus {
    struct mask_scanner *scanner;
    const struct mask_rules *rules;
    struct score by[MASK_PATTERNS];
    unsigned texts, shown;
};

static unsigned rule_of(const struct mask_rules *r, struct span name)
{
    for (unsigned i = 0; i < MASK_PATTERNS; i++) {
        if (span_eq(mask_rules_name(r, i), name))
            return i;
    }
    fail_msg("no rule " SPAN_FMT, SPAN_ARG(name));
    return 0;
}

/* Takes the marks out of a record. */
static size_t unmark(const struct mask_rules *r, struct span in, struct buf *text, struct label labels[LABELS_MAX])
{
    size_t n = 0;

    buf_reset(text);
    for (size_t i = 0; i < in.n; i++) {
        const uint8_t *end;

        if (in.p[i] == 0x02) {
            end = memchr(in.p + i, 0x03, in.n - i);
            assert_non_null(end);
            assert_true(n < LABELS_MAX);
            labels[n].rule = rule_of(r, span_of(in.p + i + 1, (size_t) (end - in.p) - i - 1));
            labels[n].from = text->n;
            i = (size_t) (end - in.p);
        } else if (in.p[i] == 0x04) {
            labels[n++].to = text->n;
        } else {
            buf_u8(text, in.p[i]);
        }
    }
    return n;
}

static void show(struct corpus *c, const char *what, unsigned rule, struct span text, size_t from, size_t to)
{
    struct buf line = BUF_INIT(1024);

    if (c->shown++ < 60) {
        buf_addf(&line, "%s " SPAN_FMT ": '" SPAN_FMT "' in: " SPAN_FMT, what, SPAN_ARG(mask_rules_name(c->rules, rule)),
                 SPAN_ARG(span_sub(text, from, to - from > 60 ? 60 : to - from)), SPAN_ARG(span_sub(text, 0, 100)));
        for (size_t i = 0; i < line.n; i++)
            line.p[i] = line.p[i] < ' ' ? ' ' : line.p[i];
        printf("  %s\n", buf_cstr(&line));
    }
    buf_deinit(&line);
}

/* A label is found when no byte of it is left; a hit is right when it is of its rule and takes no more than two bytes besides. */
static void judge(struct corpus *c, struct span text, const struct label *labels, size_t n, const struct mask_hits *h)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = labels[i].from;

        for (size_t k = 0; k < h->n; k++) {
            if (h->hits[k].from <= at && h->hits[k].to > at)
                at = h->hits[k].to;
        }
        c->by[labels[i].rule].labels++;
        c->by[labels[i].rule].found += at >= labels[i].to;
        if (at < labels[i].to)
            show(c, "missed", labels[i].rule, text, labels[i].from, labels[i].to);
    }
    for (size_t k = 0; k < h->n; k++) {
        const struct mask_hit *hit = &h->hits[k];
        bool right = false;

        assert_true(hit->from < hit->to && hit->to <= text.n && hit->rule < MASK_PATTERNS);
        assert_true(k == 0 || hit->from >= h->hits[k - 1].to);
        for (size_t i = 0; i < n; i++)
            right |= labels[i].rule == hit->rule && hit->from + 2 >= labels[i].from && hit->to <= labels[i].to + 2 &&
                     hit->to > labels[i].from && hit->from < labels[i].to;
        c->by[hit->rule].hits++;
        c->by[hit->rule].right += right;
        if (!right)
            show(c, "wrong", hit->rule, text, hit->from, hit->to);
    }
}

/* What stands in JSON is not missed by the quick way: false there means no hit here. */
static void compare_raw(struct corpus *c, struct span text, bool any)
{
    struct buf json = BUF_INIT(1u << 20);

    buf_add_str(&json, "{\"a\":\"");
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];

        if (b == '"' || b == '\\')
            buf_addf(&json, "\\%c", b);
        else if (b == '\n' || b == '\r' || b == '\t')
            buf_addf(&json, "\\%c", b == '\n' ? 'n' : b == '\r' ? 'r' : 't');
        else
            buf_u8(&json, b);
    }
    buf_add_str(&json, "\"}");
    if (any && !mask_scan_raw(c->scanner, c->rules, buf_span(&json)))
        fail_msg("the quick way passes over: " SPAN_FMT, SPAN_ARG(buf_span(&json)));
    buf_deinit(&json);
}

static void read_corpus(struct buf *to)
{
    char command[600];
    FILE *f;
    size_t n;

    (void) snprintf(command, sizeof(command), "python3 '%s'", test_source("tests/vectors/mask_corpus.py"));
    f = popen(command, "r");
    assert_non_null(f);
    while ((n = fread(buf_reserve(to, 65536), 1, 65536, f)) > 0)
        to->n += n;
    assert_int_equal(pclose(f), 0);
}

static void print_score(const char *name, struct score s)
{
    printf("%-14s %6u labels  recall %.4f  %6u hits  precision %.4f\n", name, s.labels,
           s.labels == 0 ? 1.0 : (double) s.found / s.labels, s.hits, s.hits == 0 ? 1.0 : (double) s.right / s.hits);
}

static void precision_and_recall(void **state)
{
    struct corpus c = { .rules = mask_rules_default() };
    struct buf bytes = BUF_INIT(16u << 20), text = BUF_INIT(1u << 20);
    struct label labels[LABELS_MAX];
    struct span rest, one;
    struct score all = { 0 };
    struct mask_hits h;

    (void) state;
    assert_ok(mask_scanner_new(&c.scanner, NULL));
    read_corpus(&bytes);
    rest = buf_span(&bytes);
    while (span_cut(rest, 0x1e, &one, &rest)) {
        size_t n = unmark(c.rules, one, &text, labels);

        assert_ok(mask_scan(c.scanner, c.rules, buf_span(&text), NULL, &h, NULL));
        judge(&c, buf_span(&text), labels, n, &h);
        compare_raw(&c, buf_span(&text), h.n > 0);
        c.texts++;
    }
    for (unsigned i = 0; i < MASK_PATTERNS; i++) {
        char name[32];

        assert_true(span_to_str(mask_rules_name(c.rules, i), name, sizeof(name)));
        print_score(name, c.by[i]);
        all.labels += c.by[i].labels;
        all.found += c.by[i].found;
        all.hits += c.by[i].hits;
        all.right += c.by[i].right;
    }
    printf("%u texts\n", c.texts);
    print_score("all", all);
    assert_true(c.texts > 3000);
    for (unsigned i = 0; i < MASK_PATTERNS; i++) {
        assert_true(c.by[i].labels >= 50);
        assert_true(c.by[i].found >= c.by[i].labels * 0.99);
        assert_true(c.by[i].right >= c.by[i].hits * 0.95);
    }
    buf_deinit(&bytes);
    buf_deinit(&text);
    c.scanner = mask_scanner_free(c.scanner);
}

/* ---- rules ---- */

static struct mask_rules *rules_of(const char *text)
{
    struct mask_rules *r;
    struct err_info e = { 0 };

    assert_ok_err(mask_rules_load(span_str(text), &r, &e), &e);
    return r;
}

/* The text as it would be stored. */
static const char *masked(const char *rules, const char *text)
{
    static char out[4096];
    struct mask_rules *r = rules_of(rules);
    struct buf b = BUF_INIT(4096);
    struct mask_scanner *s;

    assert_ok(mask_scanner_new(&s, NULL));
    assert_ok(mask_text(s, r, span_str(text), &b, NULL, NULL, NULL));
    (void) snprintf(out, sizeof(out), "%s", buf_cstr(&b));
    buf_deinit(&b);
    s = mask_scanner_free(s);
    (void) mask_rules_unref(r);
    return out;
}

static void refusals(void **state)
{
    static const struct {
        const char *text, *says;
        enum err e;
    } cases[] = {
        { "patterns = { email, email }", "masks:1: ", ERR_INVAL },
        { "# one\n\nreveal = maybe", "masks:3: 'reveal' takes one of: drop, keep", ERR_INVAL },
        { "own \"a\" { pattern = \"x\" }\nown \"a\" { pattern = \"y\" }", "masks:2: ", ERR_INVAL },
        { "/* own\n\"a\" */\nown \"a\" { }", "masks:3: 'a' has no pattern", ERR_INVAL },
        { "own \"a\" { pattern = \"\" }", "masks:1: ", ERR_INVAL },
        { "\nown \"own\" { pattern = \"b\" }\nown \"a\" {\n pattern = \"a)\" }", "masks:3: pattern of 'a': a ')' without its '('", ERR_INVAL },
        { "own \"a\" { pattern = \"[a\" }", "a '[' without its ']'", ERR_INVAL },
        { "own \"a\" { pattern = \"[ä]\" }", "takes only ASCII", ERR_INVAL },
        { "own \"a\" { pattern = \"a\\\\\" }", "a backslash at the end", ERR_INVAL },
        { "own \"a\" { pattern = \"(a)\\\\1\" }", "references back", ERR_INVAL },
        { "own \"a\" { pattern = \"a*\" }", "it matches where nothing is", ERR_INVAL },
        { "own \"a\" { pattern = \"a{1001}\" }", "at most 1000 repetitions", ERR_INVAL },
        { "own \"a\" { pattern = \"a{0,99999999999999999999}\" }", "at most 1000 repetitions", ERR_INVAL },
        { "own \"a\" { pattern = \"(a{50}){50}\" }", "too large when its repetitions are written out", ERR_LIMIT },
        { "own \"a\" { pattern = \"((((((((((((((((((a))))))))))))))))))\" }", "nested too deeply", ERR_INVAL },
        { "own \"a\" { pattern = \"(?<=a)b\" }", "pattern of 'a': ", ERR_INVAL },
        { "own \"a\" { pattern = \"a++b\" }", "pattern of 'a': ", ERR_INVAL },
        { "rrweb { mask = { \"div p\" } }", "masks:1: mask: 'div p' is not", ERR_INVAL },
        { "rrweb {\n block = { \".a\" }\n keep = { \"[a\" } }", "masks:3: keep: '[a' is not", ERR_INVAL },
        { "rrweb { mask = { \"*\" } }", "is not tag", ERR_INVAL },
        { "rrweb { fields = { \"\" } }", "1 to 200 bytes", ERR_INVAL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err_info e = { 0 };
        struct mask_rules *r;
        enum err got = mask_rules_load(span_str(cases[i].text), &r, &e);

        if (got != cases[i].e || strstr(e.text, cases[i].says) == NULL)
            fail_msg("%s\n got %s: %s\nwant %s", cases[i].text, err_name(got), e.text, cases[i].says);
    }
}

/* n own patterns of so many states each. */
static enum err load_many(unsigned n, unsigned states, struct err_info *e)
{
    struct buf text = BUF_INIT(MASK_TEXT_MAX);
    struct mask_rules *r;
    enum err got;

    for (unsigned i = 0; i < n; i++)
        buf_addf(&text, "own \"n%u\" { pattern = \"x%u[a-f]{%u}\" }\n", i, i, states);
    got = mask_rules_load(buf_span(&text), &r, e);
    if (got == ERR_OK)
        (void) mask_rules_unref(r);
    buf_deinit(&text);
    return got;
}

static void own_limits(void **state)
{
    struct err_info e = { 0 };

    (void) state;
    assert_ok_err(load_many(MASK_OWN_MAX, 20, &e), &e);
    assert_err(load_many(MASK_OWN_MAX + 1, 20, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "masks:65: at most 64"));
    assert_ok_err(load_many(9, 1000, &e), &e);
    assert_err(load_many(40, 900, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "masks:12: pattern of 'n11': all own patterns together"));
}

/* Whatever stands around it and however long the text is: the library has code of its own for each kind of processor, and not all of it was right. */
static void own_everywhere(void **state)
{
    static const char around[] = "abeghiklmnopqruvwxyz{}\":,";
    static const struct {
        const char *rules, *match;
    } cases[] = {
        { "own \"word\" { pattern = \"s[a-z]{1,9}t\" }", " script " },
        { "own \"long\" { pattern = \"s[a-z]+t\" }", " script " },
        { "own \"number\" { pattern = \"[0-9]{3}-[0-9]{2}-[0-9]{4}\" }", " 123-45-6789 " },
    };
    struct mask_scanner *s;
    uint32_t seed = 1;

    (void) state;
    assert_int_equal(mask_scanner_new(&s, NULL), ERR_OK);
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        size_t n_match = strlen(cases[k].match);
        struct mask_rules *r;
        char text[200];

        assert_int_equal(mask_rules_load(span_str(cases[k].rules), &r, NULL), ERR_OK);
        for (size_t n = n_match; n < sizeof(text); n++) {
            struct mask_hits hits;
            size_t at;

            for (size_t i = 0; i <= n; i++) {
                seed = seed * 1664525u + 1013904223u;
                text[i < n ? i : 0] = around[(seed >> 8) % (sizeof(around) - 1)];
            }
            at = (seed >> 8) % (n - n_match + 1);
            memcpy(text + at, cases[k].match, n_match);
            assert_int_equal(mask_scan(s, r, span_of((const uint8_t *) text, n), NULL, &hits, NULL), ERR_OK);
            if (hits.n == 0)
                fail_msg("nothing found: %s in %.*s", cases[k].match, (int) n, text);
            assert_true(mask_scan_raw(s, r, span_of((const uint8_t *) text, n)));
        }
        (void) mask_rules_unref(r);
    }
    (void) mask_scanner_free(s);
}

/* What costs the library most within the limits: it stays bounded. */
static void own_costs(void **state)
{
    static const char *const heads[] = { "[a-z]", "(a|b|c)(?:[a-z]x?)", "x.", "(?:ab?c?)", "(?:a|bc|d?e)", "[^b]" };
    static const char *const counts[] = { "{290}", "{90}", "{290}y", "{90}z", "{60}", "{1,290}" };
    struct buf text = BUF_INIT(MASK_TEXT_MAX);

    (void) state;
    for (size_t k = 0; k < sizeof(heads) / sizeof(heads[0]); k++) {
        struct err_info e = { 0 };
        struct mask_rules *r = NULL;
        struct buf bytes = BUF_INIT(MASK_BYTES_MAX);
        int64_t began = now_ms();
        enum err got;

        buf_reset(&text);
        for (unsigned i = 0; i < MASK_OWN_MAX; i++)
            buf_addf(&text, "own \"n%u\" { pattern = \"%s%s%u\" }\n", i, heads[k], counts[k], i);
        got = mask_rules_load(buf_span(&text), &r, &e);
        if (got == ERR_OK)
            mask_rules_encode(r, &bytes);
        printf("64 x %s%s: %s, %lld ms, %zu bytes\n", heads[k], counts[k], got == ERR_OK ? "ok" : e.text, (long long) (now_ms() - began), bytes.n);
        assert_true(got == ERR_OK || got == ERR_LIMIT || got == ERR_INVAL);
        assert_true(now_ms() - began < 20000);
        (void) mask_rules_unref(r);
        buf_deinit(&bytes);
    }
    buf_deinit(&text);
}

static void own_patterns(void **state)
{
    static const char staff[] = "patterns = { card }\nown \"staff\" { pattern = \"emp-[0-9]{2,6}\" nocase = yes words = yes }\n"
                                "own \"näme\" { pattern = \"(Jürgen|李雷)\" }\nown \"dot\" { pattern = \"q.r\" }";
    struct mask_rules *r = rules_of(staff);

    (void) state;
    assert_int_equal(mask_rules_n(r), MASK_OWN + 3);
    assert_span_str(mask_rules_name(r, MASK_OWN + 1), "näme");
    assert_span_str(mask_rules_name(r, MASK_OWN + 3), "");
    assert_int_equal(mask_rules_min(r), 3);
    assert_false(mask_rules_pattern(r, MASK_EMAIL));
    (void) mask_rules_unref(r);
    assert_string_equal(masked(staff, "EMP-123456, xEMP-12 EMP-12y emp-12"), "**********, xEMP-12 EMP-12y ******");
    assert_string_equal(masked(staff, "Jürgen 李雷 J"), "****** **** J"); /* wide characters are two cells */
    assert_string_equal(masked(staff, "q\xc3\xa9r"), "q\xc3\xa9r");         /* a dot is one byte */
    assert_string_equal(masked("own \"half\" { pattern = \"q.\" }", "q\xc3\xa9r"), "**r"); /* never half a character */
    assert_string_equal(masked("own \"many\" { pattern = \"a+b?\" }", "xaaaab aab"), "x***** ***");
    assert_string_equal(masked("own \"line\" { pattern = \"^x.*$\" }", "xyz"), "***");
    assert_string_equal(masked("", "xyz jane@example.com"), "xyz ****************");
}

/* ---- bytes between processes ---- */

static const char everything[] =
    "patterns = { email, card }\nreveal = keep\nown \"staff\" { pattern = \"EMP-[0-9]{6}\" words = yes }\nown \"x\" { pattern = \"abc\" }\n"
    "rrweb { text = all inputs = all fields = { customer, \"*iban*\" } default_fields = no attributes = { title, \"data-*\" }\n"
    "mask = { \".a\", \"td#b[c=\\\"d e\\\"]\" } block = { video } keep = { \"[role=x]\" } }\nterminal { typed = none }";

static void over_the_wire(void **state)
{
    struct mask_rules *r = rules_of(everything), *back;
    struct buf a = BUF_INIT(MASK_BYTES_MAX), b = BUF_INIT(MASK_BYTES_MAX);
    uint8_t hash[MASK_HASH_N] = { 7 };

    (void) state;
    mask_rules_set_hash(r, hash);
    mask_rules_encode(r, &a);
    assert_ok(mask_rules_decode(buf_span(&a), &back, NULL));
    assert_int_equal(mask_rules_reveal(back), MASK_KEEP);
    assert_int_equal(mask_rules_typed(back), MASK_TYPED_NONE);
    assert_true(mask_rules_text_all(back) && mask_rules_inputs_all(back));
    assert_true(mask_rules_field(back, SPAN("My-IBAN-no")) && !mask_rules_field(back, SPAN("password")));
    assert_true(mask_rules_attribute(back, SPAN("DATA-user")) && !mask_rules_attribute(back, SPAN("dat")));
    assert_int_equal(mask_rules_n(back), MASK_OWN + 2);
    assert_int_equal(mask_rules_min(back), mask_rules_min(r));
    assert_int_equal(mask_rules_hash(back).p[0], 7);
    mask_rules_encode(back, &b);
    assert_int_equal(a.n, b.n);
    (void) mask_rules_unref(back);
    (void) mask_rules_unref(r);
    for (size_t cut = 0; cut < a.n; cut++)
        assert_err(mask_rules_decode(span_of(a.p, cut), &back, NULL), ERR_CORRUPT);
    for (size_t i = 0; i < a.n; i++) { /* some flips make other good rules; none does harm */
        a.p[i] ^= 0x41;
        if (mask_rules_decode(buf_span(&a), &back, NULL) == ERR_OK)
            (void) mask_rules_unref(back);
        a.p[i] ^= 0x41;
    }
    buf_deinit(&a);
    buf_deinit(&b);
}

/* ---- names and places ---- */

static void fields(void **state)
{
    static const struct {
        const char *name;
        bool is;
    } cases[] = {
        { "password", true }, { "Password", true }, { "user[password]", false }, { "new-password", true }, { "current_password", true },
        { "old.password", true }, { "passwordless", false }, { "cc-csc", true }, { "card number", true }, { "cardNumber", true },
        { "Authorization", true }, { "Set-Cookie", true }, { "x-api-key", true }, { "stripe_secret", true }, { "secretary", false },
        { "pin", true }, { "spinner", false }, { "", false }, { "email", false }, { "otp", true }, { "dbPassword", true }, { "description", false },
    };
    struct mask_rules *r = rules_of("rrweb { fields = { \"cust*no\", \"*x*y*\" } }");

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (mask_rules_field(mask_rules_default(), span_str(cases[i].name)) != cases[i].is)
            fail_msg("field '%s'", cases[i].name);
    }
    assert_true(mask_rules_field(r, SPAN("customer-no")) && mask_rules_field(r, SPAN("CustNo")) && mask_rules_field(r, SPAN("axbyc")));
    assert_false(mask_rules_field(r, SPAN("customer-nox")) || mask_rules_field(r, SPAN("yx")));
    (void) mask_rules_unref(r);
}

struct attrs {
    const char *class, *id, *data;
};

static bool attr_of(const void *ctx, struct span name, struct span *ret)
{
    const struct attrs *a = ctx;
    const char *v = span_eq_str(name, "class") ? a->class : span_eq_str(name, "id") ? a->id : span_eq_str(name, "data-x") ? a->data : NULL;

    *ret = span_str(v);
    return v != NULL;
}

static void places(void **state)
{
    static const char text[] = "rrweb { mask = { \"td.money\", \"#iban\", \"[data-x=secret]\" } block = { IFRAME, \".a.b\" } keep = { \"[data-x]\" } }";
    static const struct {
        const char *tag;
        struct attrs attrs;
        enum mask_place want;
    } cases[] = {
        { "p", { 0 }, MASK_PLACE_NONE },
        { "TD", { .class = "x money y" }, MASK_PLACE_MASK },
        { "p", { .class = "money" }, MASK_PLACE_NONE },
        { "td", { .class = "moneys" }, MASK_PLACE_NONE },
        { "p", { .id = "iban" }, MASK_PLACE_MASK },
        { "p", { .id = "iban2" }, MASK_PLACE_NONE },
        { "p", { .data = "secret" }, MASK_PLACE_MASK },
        { "p", { .data = "other" }, MASK_PLACE_KEEP },
        { "iframe", { 0 }, MASK_PLACE_BLOCK },
        { "i", { .class = "b a" }, MASK_PLACE_BLOCK },
        { "i", { .class = "a", .id = "iban" }, MASK_PLACE_MASK },
        { "div", { .class = "rr-block" }, MASK_PLACE_BLOCK }, /* marks of recorders always count */
        { "div", { .class = "\n ph-no-capture" }, MASK_PLACE_BLOCK },
        { "div", { .class = "sentry-mask" }, MASK_PLACE_MASK },
    };
    struct mask_rules *r = rules_of(text);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct mask_element e = { .tag = span_str(cases[i].tag), .attr = attr_of, .ctx = &cases[i].attrs };

        if (mask_rules_place(r, &e) != cases[i].want)
            fail_msg("case %zu: %d", i, (int) mask_rules_place(r, &e));
    }
    (void) mask_rules_unref(r);
}

/* ---- one text ---- */

static void texts(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "" },
        { "a@b.co", "******" },
        { "a@b.c", "a@b.c" },
        { "<jane@example.com>, x", "<****************>, x" },
        { "\"\\njane@example.com\"", "\"\\n****************\"" },
        { "Ünal@bücher.example", "*******************" },
        { "mail=jane%40example.com&x", "mail=******************&x" },
        { "jane@example.com.", "****************." },
        { "jane@example.com's", "****************'s" },
        { "jane@1.2.3 jane@example", "jane@1.2.3 jane@example" },
        { "https://bob:hunter2@host.example/p", "https://bob:*******@host.example/p" },
        { "4111 1111 1111 1111 12/27", "**** **** **** **** 12/27" },
        { "x4111111111111111", "x4111111111111111" },
        { "0.4111111111111111", "0.4111111111111111" },
        { "4111-1111-1111-1112", "4111-1111-1111-1112" },
        { "SSN 123456789", "SSN *********" },
        { "123-45-6789-1", "123-45-6789-1" },
        { "tel:+49 30 1234567", "tel:*** ** *******" },
        { "call(1234567)", "call(1234567)" },
        { "{\"phone\":\"5551234567\"}", "{\"phone\":\"**********\"}" },
        { "Authorization: Bearer abcDEF123456789", "Authorization: Bearer ***************" },
        { "DB_PASSWORD=hunter2 x", "DB_PASSWORD=******* x" },
        { "PASSWORD=$SECRET", "PASSWORD=$SECRET" },
        { "DE89 3704 0044 0532 0130 00.", "**** **** **** **** **** **." },
        { "DE89 3704 0044 0532 0130 01.", "DE89 3704 0044 0532 0130 01." },
        { "\xa7\xa7\xa7\xa7" "4 \xa7\xa7\xa7\xa7\xa7" "0", "\xa7\xa7\xa7\xa7" "4 \xa7\xa7\xa7\xa7\xa7" "0" }, /* a digit at the very end */
        { "a\xff@b.co", "a\xff@b.co" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *got = masked("", cases[i].in);

        if (i + 1 < sizeof(cases) / sizeof(cases[0]) && strcmp(got, cases[i].out) != 0)
            fail_msg("'%s'\n got '%s'\nwant '%s'", cases[i].in, got, cases[i].out);
    }
}

static void stars(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = { { "", "" }, { "aé日本", "******" }, { "e\xcc\x81x", "**" }, { "a b\tc\n", "* *\t*\n" }, { "\xff\xfe", "**" }, { "\xf0\x9f\x98\x80", "**" } };
    struct buf b = BUF_INIT(100);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&b);
        mask_stars(span_str(cases[i].in), &b);
        assert_string_equal(buf_cstr(&b), cases[i].out);
    }
    buf_deinit(&b);
}

/* A private key that comes in pieces, and one that never ends. */
static void keys_in_pieces(void **state)
{
    static const char block[] = "cat key\n-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx3Vq2yM1kzWq7PzZ0m5J8uYw1nKq\nQmFzZTY0VGV4dEhlcmVGb3JUZXN0aW5nT25seQ==\n-----END RSA PRIVATE KEY-----\n$ ls\n";
    struct mask_scanner *s;
    struct mask_hits h;

    (void) state;
    assert_ok(mask_scanner_new(&s, NULL));
    for (size_t cut = 40; cut < sizeof(block) - 1; cut++) { /* the first line is whole in the first piece */
        bool key = false;
        size_t shown = 0;
        struct span first = span_of(block, cut), second = span_of(block + cut, sizeof(block) - 1 - cut);

        assert_ok(mask_scan(s, mask_rules_default(), first, &key, &h, NULL));
        for (size_t i = 0, k = 0; i < first.n; i++) {
            while (k < h.n && h.hits[k].to <= i)
                k++;
            shown += (k == h.n || i < h.hits[k].from) && i >= 41 && i < 128;
        }
        if (shown > 15) /* of one line that was not long enough to tell */
            fail_msg("cut at %zu: %zu characters of the key are left before it", cut, shown);
        shown = 0;
        if (key || h.n == 0)
            assert_ok(mask_scan(s, mask_rules_default(), second, &key, &h, NULL));
        else
            continue; /* it was over */
        for (size_t i = 0, k = 0; i < second.n; i++) {
            while (k < h.n && h.hits[k].to <= i)
                k++;
            shown += (k == h.n || i < h.hits[k].from) && cut + i < 128;
            assert_true(cut + i < 160 || k == h.n); /* the prompt stays */
        }
        if (shown > 0)
            fail_msg("cut at %zu: %zu characters of the key are left", cut, shown);
        assert_false(key);
    }
    s = mask_scanner_free(s);
}

/* What belongs to a match is not let go before the match can be seen: any text, cut anywhere. */
static void open_ends(void **state)
{
    struct buf bytes = BUF_INIT(16u << 20), text = BUF_INIT(1u << 20);
    struct label labels[LABELS_MAX];
    struct mask_scanner *s;
    struct span rest, one;
    size_t tried = 0, late = 0, which = 0;

    (void) state;
    assert_ok(mask_scanner_new(&s, NULL));
    read_corpus(&bytes);
    rest = buf_span(&bytes);
    while (span_cut(rest, 0x1e, &one, &rest)) {
        size_t n = unmark(mask_rules_default(), one, &text, labels);

        if (++which % 3 != 0)
            continue;
        for (size_t i = 0; i < n; i++) {
            if (labels[i].rule == MASK_PRIVATE_KEY || labels[i].to - labels[i].from > MASK_REACH - 80)
                continue;
            for (size_t cut = labels[i].from + 1; cut < labels[i].to; cut++) {
                size_t open = mask_scan_open(mask_rules_default(), span_of(text.p, cut));

                assert_true(open <= cut && cut - open <= MASK_REACH);
                tried++;
                late += open > labels[i].from;
            }
        }
    }
    printf("%zu cuts, %zu matches were let go in part\n", tried, late);
    assert_true(tried > 10000);
    assert_int_equal(late, 0);
    assert_int_equal(mask_scan_open(mask_rules_default(), SPAN("done\n")), 5);
    buf_deinit(&bytes);
    buf_deinit(&text);
    s = mask_scanner_free(s);
}

/* Brackets, blanks and dashes tell nothing. */
static bool is_secret(uint8_t c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static size_t secret_len(struct span text, const struct label *l)
{
    size_t n = 0;

    for (size_t i = l->from; i < l->to; i++)
        n += is_secret(text.p[i]);
    return n;
}

/* How much of a label is in sight when its text was written up to 'cut': not masked, and not held back. */
static size_t in_sight(struct mask_scanner *s, struct span text, const struct label *l)
{
    struct mask_hits h;
    size_t live = mask_scan_live(s, mask_rules_default(), text), shown = 0, k = 0;

    assert_true(live <= text.n);
    assert_ok(mask_scan(s, mask_rules_default(), text, NULL, &h, NULL));
    for (size_t i = l->from; i < text.n && i < live; i++) {
        while (k < h.n && h.hits[k].to <= i)
            k++;
        shown += is_secret(text.p[i]) && (k == h.n || i < h.hits[k].from);
    }
    return shown;
}

/* An address of which nothing but one plain word, or what a path ends with, was written. */
static bool plain_word(struct span text, const struct label *l)
{
    struct span word = span_sub(text, l->from, text.n);

    return l->rule == MASK_EMAIL && memchr(word.p, '@', word.n) == NULL && memmem(word.p, word.n, "%40", 3) == NULL;
}

/* Of any text, cut anywhere, less than half of a secret is shown to somebody who follows before the rest is known. */
static void first_halves(void **state)
{
    struct buf bytes = BUF_INIT(16u << 20), text = BUF_INIT(1u << 20);
    unsigned tried[MASK_PATTERNS] = { 0 }, words[MASK_PATTERNS] = { 0 }, bad = 0;
    size_t most[MASK_PATTERNS] = { 0 };
    struct label labels[LABELS_MAX];
    struct mask_scanner *s;
    struct span rest, one;

    (void) state;
    assert_ok(mask_scanner_new(&s, NULL));
    read_corpus(&bytes);
    rest = buf_span(&bytes);
    while (span_cut(rest, 0x1e, &one, &rest)) {
        size_t n = unmark(mask_rules_default(), one, &text, labels);

        for (size_t i = 0; i < n; i++) {
            size_t all = secret_len(buf_span(&text), &labels[i]);

            for (size_t cut = labels[i].from + 1; cut < labels[i].to; cut++) {
                size_t shown = in_sight(s, span_of(text.p, cut), &labels[i]);

                tried[labels[i].rule]++;
                most[labels[i].rule] = shown > most[labels[i].rule] ? shown : most[labels[i].rule];
                if (2 * shown < all)
                    continue;
                words[labels[i].rule]++;
                if (plain_word(span_of(text.p, cut), &labels[i]))
                    continue;
                if (bad++ < 40)
                    printf("  " SPAN_FMT "|" SPAN_FMT ": %zu shown\n", SPAN_ARG(span_of(text.p + labels[i].from, cut - labels[i].from)), SPAN_ARG(span_of(text.p + cut, labels[i].to - cut)), shown);
            }
        }
    }
    for (unsigned r = 0; r < MASK_PATTERNS; r++) {
        printf("%-14.*s %u cuts, at most %zu characters are shown, at %u cuts half of it\n", (int) mask_rules_name(mask_rules_default(), r).n,
               (const char *) mask_rules_name(mask_rules_default(), r).p, tried[r], most[r], words[r]);
        assert_true(tried[r] > 100);
    }
    assert_int_equal(bad, 0);
    buf_deinit(&bytes);
    buf_deinit(&text);
    s = mask_scanner_free(s);
}

static void raw_way(void **state)
{
    struct mask_scanner *s;
    struct mask_rules *own = rules_of("own \"x\" { pattern = \"abc\" }");
    static const char *const anchored[] = { "^abc", "abc$", "(x|^)abc", "\\\\Aabc", "abc\\\\z" };
    char text[80];

    (void) state;
    assert_ok(mask_scanner_new(&s, NULL));
    /* Where a string begins and ends is nothing that the event as a whole can tell. */
    for (size_t i = 0; i < sizeof(anchored) / sizeof(anchored[0]); i++) {
        struct buf bytes = BUF_INIT(MASK_BYTES_MAX);
        struct mask_rules *r, *again;

        (void) snprintf(text, sizeof(text), "own \"x\" { pattern = \"%s\" }", anchored[i]);
        r = rules_of(text);
        mask_rules_encode(r, &bytes);
        assert_ok(mask_rules_decode(buf_span(&bytes), &again, NULL));
        if (!mask_scan_raw(s, r, SPAN("{\"t\":\"abc\"}")) || !mask_scan_raw(s, again, SPAN("{\"t\":\"abc\"}")))
            fail_msg("'%s' is not seen in an event", anchored[i]);
        (void) mask_rules_unref(again);
        (void) mask_rules_unref(r);
        buf_deinit(&bytes);
    }
    assert_false(mask_scan_raw(s, mask_rules_default(), SPAN("{\"timestamp\":1700000000000,\"x\":[1,2,3],\"t\":\"a\\nb \\\"c\\\"\"}")));
    assert_true(mask_scan_raw(s, mask_rules_default(), SPAN("{\"t\":\"jane\\u0040example.com\"}")));
    assert_true(mask_scan_raw(s, mask_rules_default(), SPAN("{\"t\":\"\\n4111111111111111\"}")));
    assert_true(mask_scan_raw(s, own, SPAN("{\"t\":\"abc\"}")));
    assert_true(mask_scan_raw(s, own, SPAN("{\"t\":\"\\\"\"}"))); /* it might match the escaped character */
    assert_false(mask_scan_raw(s, own, SPAN("{\"t\":\"ab\"}")));
    assert_false(mask_scan_raw(s, own, SPAN_EMPTY));
    /* Found by the fuzz target: escapes make the way to a word longer, and a tab is two characters. */
    assert_true(mask_scan_raw(s, mask_rules_default(), SPAN("[\"tel \\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\" 02103456789\"]")));
    assert_true(mask_scan_raw(s, mask_rules_default(), SPAN("[\"token=\\tAtoken%M1kzWq7Pzermin\"]")));
    (void) mask_rules_unref(own);
    s = mask_scanner_free(s);
}

/* Texts made to be slow: a few hundred bytes that each trigger, again and again. */
static void slow_texts(void **state)
{
    static const char *const pieces[] = {
        "@", "a@", "a@a.", "a:b@", "://a:b@", "1", "1 ", "1-", "123-45-", "4111 ", "eyJ", ".eyJ", "-eyJ", "token", "eyJhbGciOiJub25lIn0.", "token=", "secret:\"", "AccountKey=", "bearer ", "basic a",
        "-----BEGIN PRIVATE KEY-----", "PRIVATE KEY", "-----BEGIN A PRIVATE KEY-----\nMIIEowIBAAKCAQEAx3Vq\n", "ghp_", "ghp_a1", "1:AA", "+1", "DE89", "DE89 ", "tel 1", "\\n", "%40", "a%40b.", "DB_PASSWORD=", "SK", "\xe2\x80\xaf" "1", "\xc2\xa0",
    };
    struct buf text = BUF_INIT(4u << 20);
    struct mask_scanner *s;
    struct mask_hits h;

    (void) state;
    assert_ok(mask_scanner_new(&s, NULL));
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        int64_t began = now_ms();

        buf_reset(&text);
        while (text.n + 64 < 1u << 20)
            buf_add_str(&text, pieces[i]);
        assert_ok(mask_scan(s, mask_rules_default(), buf_span(&text), NULL, &h, NULL));
        if (now_ms() - began > 1500)
            fail_msg("1 MiB of '%s' takes %lld ms", pieces[i], (long long) (now_ms() - began));
    }
    buf_deinit(&text);
    s = mask_scanner_free(s);
}

/* ---- other people's recordings: what would be taken out, counted ---- */

struct survey {
    struct mask_scanner *s;
    uint64_t counts[MASK_RULES_MAX], bytes, files, raw;
};

static void survey_file(const char *path, void *ctx)
{
    struct survey *v = ctx;
    struct buf b = BUF_INIT(256u << 20);
    struct mask_hits h;
    bool key = false;

    test_read_file(path, &b);
    assert_ok(mask_scan(v->s, mask_rules_default(), buf_span(&b), &key, &h, NULL));
    for (size_t i = 0; i < h.n; i++)
        v->counts[h.hits[i].rule]++;
    v->raw += h.n > 0 && !mask_scan_raw(v->s, mask_rules_default(), buf_span(&b));
    v->bytes += b.n;
    v->files++;
    buf_deinit(&b);
}

static void real_input(void **state)
{
    static const char *const folders[] = { "rrweb/rrweb-events", "rrweb/posthog", "rrweb/recorded", "rrweb/highlight", "rrweb/sentry-rrweb", "asciicast/asciinema-server", "asciicast/asciinema-player",
                                           "asciicast/termtosvg", "asciicast/mdbook-asciinema", "script/asciinema-v0", "script/script-record", "json/test_parsing" };
    struct survey v = { 0 };

    (void) state;
    if (test_shared("rrweb") == NULL)
        skip();
    assert_ok(mask_scanner_new(&v.s, NULL));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        const char *dir = test_shared(folders[i]);

        if (dir != NULL)
            (void) test_each_file(dir, "", survey_file, &v);
    }
    printf("%llu files, %llu bytes:", (unsigned long long) v.files, (unsigned long long) v.bytes);
    for (unsigned i = 0; i < MASK_PATTERNS; i++) {
        if (v.counts[i] > 0)
            printf(" " SPAN_FMT " %llu", SPAN_ARG(mask_rules_name(mask_rules_default(), i)), (unsigned long long) v.counts[i]);
    }
    printf("\n");
    assert_true(v.files > 50);
    assert_int_equal(v.raw, 0);
    /* Somebody looked at each: the addresses are addresses, and nothing else there is what it would be taken for. */
    assert_int_equal(v.counts[MASK_CARD] + v.counts[MASK_SSN] + v.counts[MASK_PHONE] + v.counts[MASK_IBAN], 0);
    v.s = mask_scanner_free(v.s);
}

/* Each way to be looser, and that the other way is not. */
static void test_looser(void **state)
{
    static const struct {
        const char *was, *now;
        bool looser, back;
    } t[] = {
        { "", "", false, false },
        { "", "reveal = keep", true, false },
        { "reveal = drop", "", false, false },
        { "", "patterns = { email, card, ssn, phone, iban, jwt, cloud-key, api-key, bearer, private-key, url-password }", false, false },
        { "", "patterns = { email, card, ssn, phone, iban, jwt, cloud-key, api-key, bearer, private-key }", true, false },
        { "patterns = { email }", "patterns = { card }", true, true },
        { "patterns = { email }", "patterns = { card, email }", false, true },
        { "own \"a\" { pattern = \"x1\" }", "", true, false },
        { "own \"a\" { pattern = \"x1\" }", "own \"b\" { pattern = \"y\" } own \"a\" { pattern = \"x1\" }", false, true },
        { "own \"a\" { pattern = \"x1\" }", "own \"a\" { pattern = \"x2\" }", true, true },
        { "own \"a\" { pattern = \"x1\" }", "own \"a\" { pattern = \"x1\" words = yes }", true, true },
        { "own \"a\" { pattern = \"x1\" }", "own \"a\" { pattern = \"x1\" nocase = yes }", true, true },
        { "rrweb { text = all }", "", true, false },
        { "rrweb { inputs = all }", "rrweb { inputs = fields }", true, false },
        { "rrweb { fields = { \"a\" } }", "rrweb { fields = { \"a\", \"b\" } }", false, true },
        { "rrweb { attributes = { \"a\" } }", "rrweb { attributes = { \"a\", \"b\" } }", false, true },
        { "rrweb { mask = { \".a\" } }", "rrweb { mask = { \".a\", \".b\" } }", false, true },
        { "rrweb { block = { \".a\" } }", "", true, false },
        { "rrweb { keep = { \".a\" } }", "rrweb { keep = { \".a\", \".b\" } }", true, false },
        { "", "rrweb { default_fields = no }", true, false },
        { "", "terminal { typed = all }", false, true },
        { "", "terminal { typed = none }", true, false },
        { "terminal { typed = all }", "terminal { typed = none }", true, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
        struct err_info e = { 0 };

        assert_ok_err(mask_init(&e), &e);
        assert_ok_err(mask_rules_parse(span_str(t[i].was), &a, &e), &e);
        assert_ok_err(mask_rules_parse(span_str(t[i].now), &b, &e), &e);
        if (mask_rules_looser(tree_root(buf_span(&a)), tree_root(buf_span(&b))) != t[i].looser)
            fail_msg("%s -> %s", t[i].was, t[i].now);
        if (mask_rules_looser(tree_root(buf_span(&b)), tree_root(buf_span(&a))) != t[i].back)
            fail_msg("back: %s -> %s", t[i].now, t[i].was);
        buf_deinit(&a);
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looser),
        cmocka_unit_test(precision_and_recall),
        cmocka_unit_test(refusals),
        cmocka_unit_test(own_limits),
        cmocka_unit_test(own_everywhere),
        cmocka_unit_test(own_costs),
        cmocka_unit_test(own_patterns),
        cmocka_unit_test(over_the_wire),
        cmocka_unit_test(fields),
        cmocka_unit_test(places),
        cmocka_unit_test(texts),
        cmocka_unit_test(stars),
        cmocka_unit_test(keys_in_pieces),
        cmocka_unit_test(open_ends), cmocka_unit_test(first_halves),
        cmocka_unit_test(raw_way),
        cmocka_unit_test(slow_texts),
        cmocka_unit_test(real_input),
    };

    if (mask_init(NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
