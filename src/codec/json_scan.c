/*
 * Two machines: this one walks the outer brackets and commas, json_lex reads the values between them. Where one stands
 * is 'where' and, inside a value, the lexer's state; so input may be cut anywhere.
 */
#include "codec/json_scan.h"

#include "codec/json_lex.h"

#include <stdlib.h>

enum where {
    W_START,     /* nothing significant seen */
    W_FIRST,     /* in the list: an element or ']' */
    W_ELEMENT,   /* after a comma: an element */
    W_AFTER,     /* after an element: ',' or ']' */
    W_OBJ_FIRST, /* in the outer object: a name or '}' */
    W_OBJ_NAME,  /* after a comma: a name */
    W_OBJ_COLON,
    W_OBJ_VALUE,
    W_OBJ_AFTER, /* ',' or '}' */
    W_LINES,     /* between values */
    W_GAP,       /* right after a value: white space must come */
    W_COMMENT,
    W_TAIL,      /* the document is complete: white space only */
    W_IN_ITEM,   /* the lexer is inside an element, */
    W_IN_NAME,   /* a name of the outer object, */
    W_IN_MEMBER, /* a value of the outer object */
};

#define PIECE    (16u << 10) /* of an element that is cut, so much more at a time */
#define HELD_TOKENS (256u << 10) /* of an element that is cut; one of so small parts goes to the lexer, which needs none */
#define KEEP_CAP (1u << 20) /* room that is kept from one element to the next */

struct json_scan {
    struct json_scan_opts o;
    struct json_lex lex;
    enum where where;
    enum json_shape shape;
    struct buf item;  /* the element, or the name, being read */
    struct json_tape tape;
    struct buf outer; /* see keep_outer */
    uint64_t items;
    uint64_t total_max;
    uint64_t outer_line, outer_offset;
    bool by_tape;   /* 'item' is an element's bytes so far, which 'tape' reads; the lexer stands at its beginning */
    bool slow;      /* the element that the lexer is in is none for 'tape' */
    bool undecided; /* SNIFF met '{': LIST or LINES */
    bool list_next; /* the name just read is the list's */
    bool list_seen;
};

struct json_scan *json_scan_new(const struct json_scan_opts *opts)
{
    struct json_scan *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->o = *opts;
    if (s->o.list_key == NULL)
        s->o.list_key = "events";
    s->total_max = opts->total_bytes != 0 ? opts->total_bytes : 16ULL << 30;
    s->shape = opts->shape;
    json_lex_init(&s->lex, &s->o.limits);
    buf_init(&s->item, (size_t) s->o.limits.bytes);
    buf_init(&s->outer, (size_t) s->o.limits.bytes);
    json_tape_init(&s->tape);
    return s;
}

struct json_scan *json_scan_free(struct json_scan *s)
{
    if (s != NULL) {
        buf_deinit(&s->item);
        buf_deinit(&s->outer);
        json_tape_deinit(&s->tape);
        free(s);
    }
    return NULL;
}

void json_scan_freep(struct json_scan **s)
{
    *s = json_scan_free(*s);
}

enum json_shape json_scan_shape(const struct json_scan *s)
{
    return s->shape;
}

uint64_t json_scan_items(const struct json_scan *s)
{
    return s->items;
}

static bool fail(struct json_scan *s, enum json_cause cause, const char *text, uint64_t limit)
{
    bool first = s->lex.err.cause == JSON_OK;

    (void) json_lex_fail(&s->lex, cause, 0, limit);
    if (first && text != NULL)
        s->lex.err.text = text;
    return false;
}

/* The lexer or a buffer stopped: a full buffer is the element's limit, unless memory ran out. */
static bool fail_out(struct json_scan *s, const struct buf *b, size_t wanted)
{
    struct json_error *e = &s->lex.err;

    if (e->cause != JSON_OK && e->cause != JSON_E_NOMEM)
        return false;
    if (e->cause == JSON_OK)
        (void) json_lex_fail(&s->lex, JSON_E_NOMEM, 0, 0);
    if (b->max - b->n < wanted) {
        e->cause = JSON_E_EVENT_BYTES;
        e->text = json_cause_text(JSON_E_EVENT_BYTES);
        e->limit = b->max;
    }
    return false;
}

static void take(struct json_scan *s, struct span *in, size_t n)
{
    *in = span_sub(*in, n, in->n);
    s->lex.offset += n;
}

/* The outer object's bytes are kept while it may be one element, and when the caller wants them. */
static bool keep_outer(const struct json_scan *s)
{
    return s->undecided || (s->shape == JSON_SHAPE_LIST && s->o.on_outer != NULL);
}

static bool outer_add(struct json_scan *s, struct span bytes)
{
    if (keep_outer(s))
        buf_add_span(&s->outer, bytes);
    return !s->outer.failed || fail_out(s, &s->outer, bytes.n);
}

static bool outer_c(struct json_scan *s, uint8_t c)
{
    return outer_add(s, span_of(&c, 1));
}

static bool emit(struct json_scan *s, struct span bytes, const struct json_token *tokens, uint64_t line, uint64_t offset)
{
    struct json_item item = { bytes, tokens, s->items, line, offset };

    if (!s->o.limits.allow_duplicates && !json_no_duplicates(bytes, &s->o.limits, s->lex.members, NULL)) {
        (void) fail(s, JSON_E_DUPLICATE, NULL, 0);
        s->lex.err.line = line;
        s->lex.err.offset = offset;
        s->lex.err.column = 1;
        return false;
    }
    s->items++;
    return s->o.on_item(s->o.ctx, &item) || fail(s, JSON_E_STOPPED, NULL, 0);
}

static void lex_begin(struct json_scan *s, enum where where)
{
    uint32_t depth = s->o.limits.depth < JSON_DEPTH_CAP ? s->o.limits.depth : JSON_DEPTH_CAP;

    json_lex_next_value(&s->lex);
    s->where = where;
    s->lex.depth_max = where == W_IN_ITEM || depth == 0 ? depth : depth - 1; /* the outer object is one level */
    if (where == W_IN_ITEM)
        s->lex.members = 0;
    s->slow = false;
    buf_reset(&s->item);
}

static void after_item(struct json_scan *s)
{
    s->where = s->shape == JSON_SHAPE_LINES ? W_GAP : W_AFTER;
}

static bool item_done(struct json_scan *s)
{
    if (!emit(s, buf_span(&s->item), NULL, s->lex.begin_line, s->lex.begin_offset))
        return false;
    if (s->item.cap > KEEP_CAP)
        buf_deinit(&s->item);
    after_item(s);
    return true;
}

static void run(struct json_scan *s, struct span in);

static struct json_limits limits_of_item(const struct json_scan *s)
{
    struct json_limits lim = s->o.limits;

    lim.depth = s->lex.depth_max;
    return lim;
}

/* 'tape' has it, it has no white space in it, so one line. */
static bool tape_done(struct json_scan *s, struct span item)
{
    uint64_t offset = s->lex.offset;
    bool ok;

    s->lex.offset += item.n;
    s->lex.members = s->tape.members;
    ok = emit(s, item, s->tape.v, s->lex.line, offset);
    if (s->tape.cap > KEEP_CAP / sizeof(struct json_token))
        json_tape_deinit(&s->tape);
    if (ok)
        after_item(s);
    return ok;
}

/* What 'tape' held of an element goes to the lexer, which reads it all and says what is wrong with it and where. */
static void to_lexer(struct json_scan *s)
{
    struct buf held = s->item;

    buf_init(&s->item, held.max);
    json_tape_rest(&s->tape);
    s->by_tape = false;
    s->slow = true;
    run(s, buf_span(&held));
    buf_deinit(&held);
}

/* More of an element that is cut. What was taken too much is given back. */
static void more_of_item(struct json_scan *s, struct span *in)
{
    struct json_limits lim = limits_of_item(s);
    size_t had = s->item.n, n = in->n < PIECE ? in->n : PIECE, used = 0;
    enum json_tape_step step = JSON_TAPE_NOT;

    if (n > s->item.max - had)
        n = s->item.max - had;
    buf_add(&s->item, in->p, n);
    if (n > 0 && !s->item.failed)
        step = json_tape_more(&s->tape, buf_span(&s->item), &lim, &used);
    else
        s->item.failed = false; /* the lexer gets what is there, and needs the same memory */
    n = s->item.n - had;
    if (step == JSON_TAPE_CUT && s->tape.n > HELD_TOKENS)
        step = JSON_TAPE_NOT;
    if (step == JSON_TAPE_WHOLE) {
        *in = span_sub(*in, used - had, in->n);
        s->by_tape = false;
        (void) tape_done(s, span_sub(buf_span(&s->item), 0, used));
        if (s->item.cap > KEEP_CAP)
            buf_deinit(&s->item);
        return;
    }
    *in = span_sub(*in, n, in->n);
    if (step == JSON_TAPE_NOT)
        to_lexer(s);
}

/* The element that begins at in->p[0], when it lies there whole and with nothing to leave out. False: it does not, or may be wrong. */
static bool whole_item(struct json_scan *s, struct span *in, bool *ret_ok)
{
    struct json_limits lim = limits_of_item(s);
    struct span item = *in;

    *ret_ok = true;
    switch (json_tape_begin(&s->tape, item, &lim, &item.n)) {
    case JSON_TAPE_WHOLE:
        *in = span_sub(*in, item.n, in->n);
        *ret_ok = tape_done(s, item);
        return true;
    case JSON_TAPE_CUT:
        buf_reset(&s->item);
        buf_add_span(&s->item, *in);
        s->by_tape = !s->item.failed;
        if (!s->by_tape)
            buf_reset(&s->item);
        else
            *in = span_sub(*in, in->n, 0);
        return s->by_tape;
    case JSON_TAPE_NOT: break;
    }
    return false;
}

static bool value_done(struct json_scan *s)
{
    struct span name;

    if (s->where == W_IN_ITEM)
        return item_done(s);
    if (s->where == W_IN_MEMBER) {
        s->where = W_OBJ_AFTER;
        return true;
    }
    name = buf_span(&s->item);
    s->list_next = json_raw_eq(span_sub(name, 1, name.n - 2), s->o.list_key);
    s->where = W_OBJ_COLON;
    return outer_add(s, name);
}

/* Gives the lexer what there is. */
static bool in_value(struct json_scan *s, struct span *in)
{
    struct buf *out = s->where == W_IN_MEMBER ? (keep_outer(s) ? &s->outer : NULL) : &s->item;
    size_t used = 0;
    enum json_step step;
    bool ok = true;

    if (s->by_tape) {
        more_of_item(s, in);
        return s->lex.err.cause == JSON_OK;
    }
    if (s->where == W_IN_ITEM && !s->slow && json_lex_idle(&s->lex) && whole_item(s, in, &ok))
        return ok;
    step = json_lex_feed(&s->lex, *in, &used, out);
    if (step == JSON_BAD)
        return out == NULL ? false : fail_out(s, out, 1);
    *in = span_sub(*in, used, in->n);
    return step == JSON_MORE || value_done(s);
}

static bool start_list(struct json_scan *s)
{
    if (s->list_seen)
        return fail(s, JSON_E_DUPLICATE, NULL, 0);
    s->list_seen = true;
    s->undecided = false;
    s->shape = JSON_SHAPE_LIST;
    s->where = W_FIRST;
    if (!keep_outer(s))
        buf_deinit(&s->outer);
    return outer_c(s, '[');
}

static bool end_object(struct json_scan *s)
{
    bool alone = s->undecided;

    if (!outer_c(s, '}'))
        return false;
    if (!alone) {
        s->where = W_TAIL;
        if (!s->list_seen)
            return fail(s, JSON_E_SHAPE, "the object has no list of events", 0);
        return s->o.on_outer == NULL || s->o.on_outer(s->o.ctx, buf_span(&s->outer)) ||
               fail(s, JSON_E_STOPPED, NULL, 0);
    }
    s->undecided = false;
    s->shape = JSON_SHAPE_LINES;
    s->where = W_GAP;
    if (!emit(s, buf_span(&s->outer), NULL, s->outer_line, s->outer_offset))
        return false;
    buf_deinit(&s->outer);
    return true;
}

static bool end_list(struct json_scan *s)
{
    s->where = s->shape == JSON_SHAPE_LIST ? W_OBJ_AFTER : W_TAIL;
    return s->shape != JSON_SHAPE_LIST || outer_c(s, ']');
}

static bool start_document(struct json_scan *s, uint8_t c)
{
    if (c == 0 || c >= 0xfe || c == 0xef)
        return fail(s, JSON_E_ENCODING, NULL, 0);
    switch (s->shape) {
    case JSON_SHAPE_LINES: s->where = W_LINES; return true;
    case JSON_SHAPE_ARRAY:
        if (c != '[')
            return fail(s, JSON_E_SHAPE, "an array was expected", 0);
        break;
    case JSON_SHAPE_LIST:
        if (c != '{')
            return fail(s, JSON_E_SHAPE, "an object was expected", 0);
        break;
    case JSON_SHAPE_SNIFF:
        if (c != '[' && c != '{')
            return fail(s, JSON_E_SHAPE, NULL, 0);
        if (c == '[')
            s->shape = JSON_SHAPE_ARRAY;
        else
            s->undecided = true;
        break;
    }
    s->outer_line = s->lex.line;
    s->outer_offset = s->lex.offset;
    s->where = c == '[' ? W_FIRST : W_OBJ_FIRST;
    return c == '[' || outer_c(s, '{');
}

/* One significant byte in the outer object. *ret_take: it is consumed here. */
static bool object_byte(struct json_scan *s, uint8_t c, bool *ret_take)
{
    if (c == 0 && s->lex.offset < 4) /* "{\0": UTF-16 */
        return fail(s, JSON_E_ENCODING, NULL, 0);
    if (c == '}' && (s->where == W_OBJ_FIRST || s->where == W_OBJ_AFTER))
        return end_object(s);
    if (s->where == W_OBJ_AFTER) {
        s->where = W_OBJ_NAME;
        return c == ',' ? outer_c(s, ',') : fail(s, JSON_E_COMMA, NULL, 0);
    }
    if (s->where == W_OBJ_COLON) {
        s->where = W_OBJ_VALUE;
        return c == ':' ? outer_c(s, ':') : fail(s, JSON_E_COLON, NULL, 0);
    }
    if (s->where == W_OBJ_VALUE) {
        if (c == '[' && s->list_next)
            return start_list(s);
        lex_begin(s, W_IN_MEMBER);
    } else {
        if (c != '"')
            return fail(s, JSON_E_NAME, NULL, 0);
        if (++s->lex.members > s->o.limits.members)
            return fail(s, JSON_E_MEMBERS, NULL, s->o.limits.members);
        lex_begin(s, W_IN_NAME);
    }
    *ret_take = false;
    return true;
}

/* One significant byte around elements. */
static bool list_byte(struct json_scan *s, uint8_t c, bool *ret_take)
{
    if (c == 0 && s->lex.offset < 4)
        return fail(s, JSON_E_ENCODING, NULL, 0);
    if (c == ']' && s->where != W_ELEMENT)
        return end_list(s);
    if (s->where == W_AFTER) {
        s->where = W_ELEMENT;
        return c == ',' || fail(s, JSON_E_COMMA, NULL, 0);
    }
    lex_begin(s, W_IN_ITEM);
    *ret_take = false;
    return true;
}

static bool lines_byte(struct json_scan *s, uint8_t c, bool *ret_take)
{
    if (s->where == W_GAP)
        return fail(s, JSON_E_TRAILING, "white space was expected between values", 0);
    if (c == '#' && s->o.hash_comments) {
        s->where = W_COMMENT;
        return true;
    }
    lex_begin(s, W_IN_ITEM);
    *ret_take = false;
    return true;
}

static void skip_comment(struct json_scan *s, struct span *in)
{
    const uint8_t *nl = memchr(in->p, '\n', in->n);

    take(s, in, nl == NULL ? in->n : (size_t) (nl - in->p)); /* the newline itself is white space */
    if (nl != NULL)
        s->where = W_LINES;
}

static bool outer_byte(struct json_scan *s, struct span *in)
{
    size_t space = json_lex_space(&s->lex, *in);
    bool consume = true, ok = false;

    *in = span_sub(*in, space, in->n);
    if (space > 0 && s->where == W_GAP)
        s->where = W_LINES;
    if (in->n == 0)
        return true;
    switch (s->where) {
    case W_START:
        ok = start_document(s, *in->p);
        consume = s->where != W_LINES;
        break;
    case W_FIRST:
    case W_ELEMENT:
    case W_AFTER: ok = list_byte(s, *in->p, &consume); break;
    case W_OBJ_FIRST:
    case W_OBJ_NAME:
    case W_OBJ_COLON:
    case W_OBJ_VALUE:
    case W_OBJ_AFTER: ok = object_byte(s, *in->p, &consume); break;
    case W_LINES:
    case W_GAP: ok = lines_byte(s, *in->p, &consume); break;
    case W_TAIL: ok = fail(s, JSON_E_TRAILING, NULL, 0); break;
    case W_COMMENT:
    case W_IN_ITEM:
    case W_IN_NAME:
    case W_IN_MEMBER: break; /* not outer */
    }
    if (ok && consume)
        take(s, in, 1);
    return ok;
}

static bool give(const struct json_scan *s, struct json_error *reterr)
{
    if (s->lex.err.cause != JSON_OK && reterr != NULL)
        *reterr = s->lex.err;
    return s->lex.err.cause == JSON_OK;
}

static void run(struct json_scan *s, struct span in)
{
    while (in.n > 0 && s->lex.err.cause == JSON_OK) {
        if (s->where >= W_IN_ITEM)
            (void) in_value(s, &in);
        else if (s->where == W_COMMENT)
            skip_comment(s, &in);
        else
            (void) outer_byte(s, &in);
    }
}

bool json_scan_feed(struct json_scan *s, struct span in, struct json_error *reterr)
{
    uint64_t had = s->lex.offset + (s->by_tape ? s->item.n : 0);
    bool over = in.n > s->total_max || had > s->total_max - in.n;

    if (over)
        in = span_sub(in, 0, (size_t) (s->total_max - had));
    run(s, in);
    if (over && s->by_tape)
        to_lexer(s);
    if (over && s->lex.err.cause == JSON_OK)
        (void) fail(s, JSON_E_BYTES, NULL, s->total_max);
    return give(s, reterr);
}

bool json_scan_finish(struct json_scan *s, struct json_error *reterr)
{
    if (s->by_tape && s->lex.err.cause == JSON_OK)
        to_lexer(s);
    if (!give(s, reterr))
        return false;
    switch (s->where) {
    case W_START: (void) fail(s, JSON_E_EMPTY, NULL, 0); break;
    case W_LINES:
    case W_GAP:
    case W_COMMENT:
        if (s->items == 0)
            (void) fail(s, JSON_E_EMPTY, NULL, 0);
        break;
    case W_TAIL: break;
    case W_IN_ITEM:
    case W_IN_NAME:
    case W_IN_MEMBER:
        if (json_lex_end(&s->lex) == JSON_BAD)
            break;
        if (s->shape == JSON_SHAPE_LINES)
            (void) item_done(s);
        else
            (void) fail(s, JSON_E_TRUNCATED, "the input ends inside a list", 0);
        break;
    case W_FIRST:
    case W_ELEMENT:
    case W_AFTER: (void) fail(s, JSON_E_TRUNCATED, "the input ends inside the list of events", 0); break;
    case W_OBJ_FIRST:
    case W_OBJ_NAME:
    case W_OBJ_COLON:
    case W_OBJ_VALUE:
    case W_OBJ_AFTER: (void) fail(s, JSON_E_TRUNCATED, "the input ends inside an object", 0); break;
    }
    return give(s, reterr);
}
