#include "codec/mask.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precision_and_recall),
    };

    if (mask_init(NULL) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
