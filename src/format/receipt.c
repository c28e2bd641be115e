#include "format/receipt.h"

#include <stdio.h>

#include "base/num.h"
#include "codec/base64.h"

#define MAGIC "c2sp.org/tlog-proof@v1"

static void add_line(struct buf *b, const char *word, struct span bytes)
{
    buf_add_str(b, word);
    base64_add(b, bytes);
    buf_add_c(b, '\n');
}

enum err receipt_write(const struct receipt *r, struct buf *b, struct err_info *reterr)
{
    char index[40];

    buf_add_str(b, MAGIC "\n");
    if (r->leaf.n > 0)
        add_line(b, "extra ", r->leaf);
    (void) snprintf(index, sizeof(index), "index %llu\n", (unsigned long long) r->index);
    buf_add_str(b, index);
    for (size_t i = 0; i < r->path.n; i++)
        add_line(b, "", SPAN_OF(r->path.hash[i].b));
    buf_add_c(b, '\n');
    buf_add_span(b, r->note);
    return buf_check(b, reterr);
}

/* ---- reading ---- */

static bool take_word(struct span *line, const char *word)
{
    size_t n = strlen(word);

    if (!span_starts(*line, word))
        return false;
    *line = span_sub(*line, n, SIZE_MAX);
    return true;
}

static bool parse_hash(struct span line, struct merkle_hash *ret)
{
    size_t n;

    return base64_parse(line, ret->b, MERKLE_HASH_LEN, &n) && n == MERKLE_HASH_LEN;
}

/* Appends what the line is base64 of. */
static bool parse_extra(struct span line, struct buf *to)
{
    uint8_t *room = buf_reserve(to, line.n);
    size_t n;

    if (room == NULL || !base64_parse(line, room, line.n, &n))
        return false;
    to->n += n;
    return true;
}

enum err receipt_parse(struct span text, struct buf *leaf, struct receipt *ret, struct err_info *reterr)
{
    struct receipt r = { .index = 0 };
    size_t before = leaf->n;
    struct span line, rest;

    if (text.n > RECEIPT_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "a receipt has at most %u bytes", RECEIPT_MAX);
    if (!span_cut(text, '\n', &line, &rest) || !span_eq_str(line, MAGIC) || !span_cut(rest, '\n', &line, &rest))
        return ERR_RAISE(reterr, ERR_INVAL, "not a tlog-proof: its first line is not '%s'", MAGIC);
    if (take_word(&line, "extra ")) {
        if (!parse_extra(line, leaf))
            return ERR_RAISE(reterr, ERR_INVAL, "receipt: 'extra' is not base64");
        r.leaf = span_sub(buf_span(leaf), before, SIZE_MAX);
        if (!span_cut(rest, '\n', &line, &rest))
            line = SPAN_EMPTY;
    }
    if (!take_word(&line, "index ") || !num_u64(line, INT64_MAX, &r.index) || (line.n > 1 && line.p[0] == '0'))
        return ERR_RAISE(reterr, ERR_INVAL, "receipt: no index");
    for (;;) {
        if (!span_cut(rest, '\n', &line, &rest))
            return ERR_RAISE(reterr, ERR_INVAL, "receipt: it ends before its checkpoint");
        if (line.n == 0)
            break;
        if (r.path.n == MERKLE_PROOF_MAX || !parse_hash(line, &r.path.hash[r.path.n]))
            return ERR_RAISE(reterr, ERR_INVAL, "receipt: a line of the path is no hash");
        r.path.n++;
    }
    r.note = rest;
    *ret = r;
    return ERR_OK;
}

const char *receipt_verdict_word(enum receipt_verdict v)
{
    switch (v) {
    case RECEIPT_GOOD: return "good";
    case RECEIPT_MALFORMED: return "malformed";
    case RECEIPT_UNKNOWN_KEY: return "unknown-key";
    case RECEIPT_FORGED: return "forged";
    case RECEIPT_ORIGIN: return "origin";
    case RECEIPT_NOT_IN: return "not-in";
    }
    return "unknown";
}

enum receipt_verdict receipt_check(const struct receipt *r, struct span leaf, const struct note_vkey *k,
                                   uint64_t *ret_size)
{
    struct merkle_hash h = merkle_leaf(leaf);
    struct note_checkpoint c;
    struct span text;

    switch (note_open(r->note, k, &text)) {
    case NOTE_GOOD: break;
    case NOTE_MALFORMED: return RECEIPT_MALFORMED;
    case NOTE_UNKNOWN_KEY: return RECEIPT_UNKNOWN_KEY;
    case NOTE_FORGED: return RECEIPT_FORGED;
    }
    if (note_checkpoint_parse(text, &c, NULL, NULL) != ERR_OK)
        return RECEIPT_MALFORMED;
    if (!span_eq_str(c.origin, k->name))
        return RECEIPT_ORIGIN;
    if (!merkle_verify_inclusion(r->index, c.size, &h, &c.root, r->path.hash, r->path.n))
        return RECEIPT_NOT_IN;
    if (ret_size != NULL)
        *ret_size = c.size;
    return RECEIPT_GOOD;
}
