#include "codec/tlog.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "codec/json.h"

#define POS_MAX_MS 9000000000000ll /* 285 years */

/* Where in the input the next byte belongs. */
enum where {
    LINE,       /* a line of JSON, or of a journal's entry */
    FIELD_SIZE, /* journal, binary field: eight bytes */
    FIELD_DATA, /* that many bytes, then a newline */
};

struct tlog {
    struct reader r;
    struct castout *out; /* NULL: split */
    tlog_message *split;
    void *ctx;
    enum tlog_shape shape;
    enum where where;
    struct buf line; /* the line, or a binary field's value */
    bool message;    /* the binary field is MESSAGE */
    uint8_t size[8];
    size_t n_size;
    uint64_t left;
    time_us realtime; /* of the entry; 0: none */

    struct buf rec;  /* the wanted recording, or the first message's; raw JSON string */
    bool rec_given;
    uint64_t n_messages;
    int64_t id;
    time_us at;
    struct buf text, bin[2];
};

/* One message, checked: what of it is used. Borrows from the line. */
struct message {
    struct span rec, timing, host, user, term;
    struct span text[2]; /* raw JSON strings: output, input */
    struct json_value bin[2];
    int64_t id, pos_ms;
    time_ms time;
};

bool tlog_sniff_journal(struct span first)
{
    size_t n = 0;

    while (n < first.n && n < 64 &&
           (first.p[n] == '_' || (first.p[n] >= 'A' && first.p[n] <= 'Z') || (n > 0 && first.p[n] >= '0' && first.p[n] <= '9')))
        n++;
    return n >= 2 && n < first.n && first.p[n] == '=' && first.p[0] == '_' && first.p[1] == '_';
}

/* ---- one message */

static struct span string_of(struct json_value obj, const char *key)
{
    struct json_value v;

    return json_find(obj, key, &v) && v.type == JSON_STRING ? v.raw : SPAN_EMPTY;
}

static bool has_string(struct json_value obj, const char *key)
{
    struct json_value v;

    return json_find(obj, key, &v) && v.type == JSON_STRING;
}

static bool whole(struct json_value obj, const char *key, int64_t max, int64_t *ret)
{
    struct json_value v;

    return json_find(obj, key, &v) && v.type == JSON_NUMBER && json_int(v.raw, ret) && *ret >= 0 && *ret <= max;
}

static struct json_value list_of(struct json_value obj, const char *key)
{
    struct json_value v = { .type = JSON_ARRAY };

    if (!json_find(obj, key, &v) || v.type != JSON_ARRAY)
        v = (struct json_value){ .type = JSON_NULL };
    return v;
}

static enum err read_message(struct json_value obj, struct message *m, struct err_info *reterr)
{
    struct span ver = string_of(obj, "ver");
    struct json_value v;
    int64_t t;

    if (ver.n == 0 || (ver.p[0] != '1' && ver.p[0] != '2') || (ver.n > 1 && ver.p[1] != '.'))
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "a tlog message of a version that is not 1 or 2");
    *m = (struct message){ .rec = string_of(obj, "rec"), .timing = string_of(obj, "timing"),
                           .host = string_of(obj, "host"), .user = string_of(obj, "user"),
                           .term = string_of(obj, "term") };
    m->text[CASTOUT_OUTPUT] = string_of(obj, "out_txt");
    m->text[CASTOUT_INPUT] = string_of(obj, "in_txt");
    m->bin[CASTOUT_OUTPUT] = list_of(obj, "out_bin");
    m->bin[CASTOUT_INPUT] = list_of(obj, "in_bin");
    if (!has_string(obj, "timing"))
        return ERR_RAISE(reterr, ERR_INVAL, "a tlog message without 'timing'");
    if (!whole(obj, "id", INT64_MAX, &m->id))
        return ERR_RAISE(reterr, ERR_INVAL, "a tlog message whose 'id' is no whole number");
    if (!whole(obj, "pos", POS_MAX_MS, &m->pos_ms))
        return ERR_RAISE(reterr, ERR_INVAL, "a tlog message whose 'pos' is no whole number of milliseconds");
    if (json_find(obj, "time", &v) && v.type == JSON_NUMBER && json_scaled(v.raw, 3, &t) && t > 0 && t < 253402300800000)
        m->time = t;
    return ERR_OK;
}

/* ---- timing: what happens in a message */

struct op {
    char what; /* '+' '<' '>' '[' ']' '=' */
    uint64_t a, b;
};

static bool digits(struct span *s, uint64_t *ret)
{
    size_t n = 0;

    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    if (!num_u64(span_sub(*s, 0, n), 1ull << 53, ret))
        return false;
    *s = span_sub(*s, n, s->n);
    return true;
}

static bool next_op(struct span *s, struct op *op)
{
    char between;

    *op = (struct op){ .what = (char) s->p[0] };
    *s = span_sub(*s, 1, s->n);
    switch (op->what) {
    case '+':
    case '<':
    case '>': return digits(s, &op->a);
    case '[':
    case ']':
    case '=': break;
    default: return false;
    }
    between = op->what == '=' ? 'x' : '/';
    if (!digits(s, &op->a) || s->n == 0 || s->p[0] != (uint8_t) between)
        return false;
    *s = span_sub(*s, 1, s->n);
    return digits(s, &op->b);
}

/* Takes n characters of UTF-8 that is known to be valid. */
static bool take_chars(struct span *s, uint64_t n, struct span *ret)
{
    size_t at = 0;

    for (; n > 0; n--) {
        if (at >= s->n)
            return false;
        at++;
        while (at < s->n && (s->p[at] & 0xc0) == 0x80)
            at++;
    }
    *ret = span_sub(*s, 0, at);
    *s = span_sub(*s, at, s->n);
    return true;
}

static bool take_bytes(struct json_iter *list, uint64_t n, struct buf *out)
{
    struct json_value v;
    int64_t byte;

    buf_reset(out);
    for (; n > 0; n--) {
        if (!json_next(list, &v) || v.type != JSON_NUMBER || !json_int(v.raw, &byte) || byte < 0 || byte > 255)
            return false;
        buf_u8(out, (uint8_t) byte);
    }
    return !out->failed;
}

static enum err bytes_out(struct tlog *t, enum castout_side side, struct span s, struct err_info *reterr)
{
    TRY(castout_bytes(t->out, side, t->at, s, reterr));
    return castout_record(t->out, reterr);
}

struct sides {
    struct span text[2];
    struct json_iter bin[2];
};

static enum err run_op(struct tlog *t, const struct op *op, struct sides *in, struct err_info *reterr)
{
    enum castout_side side = op->what == '<' || op->what == '[' ? CASTOUT_INPUT : CASTOUT_OUTPUT;
    struct span chars;

    switch (op->what) {
    case '+':
        if (op->a > (uint64_t) POS_MAX_MS || t->at + (time_us) op->a * 1000 > POS_MAX_MS * 1000)
            return ERR_RAISE(reterr, ERR_INVAL, "delays in 'timing' that add up to more than we can count");
        t->at += (time_us) op->a * 1000;
        return ERR_OK;
    case '=':
        if (op->a > 65535 || op->b > 65535)
            return ERR_RAISE(reterr, ERR_INVAL, "a size in 'timing' that is not within 1 to 65535");
        return castout_resize(t->out, t->at, (uint32_t) op->a, (uint32_t) op->b, reterr);
    default: break;
    }
    if (!take_chars(&in->text[side], op->a, &chars))
        return ERR_RAISE(reterr, ERR_INVAL, "'timing' speaks of more characters than the message has");
    if (op->what == '<' || op->what == '>')
        return bytes_out(t, side, chars, reterr);
    if (!take_bytes(&in->bin[side], op->b, &t->bin[side])) /* they stand for the characters */
        return ERR_RAISE(reterr, ERR_INVAL, "'timing' speaks of more bytes than the message has");
    return bytes_out(t, side, buf_span(&t->bin[side]), reterr);
}

static enum err play(struct tlog *t, const struct message *m, struct err_info *reterr)
{
    struct span timing = m->timing;
    struct sides in = { .bin = { json_iter(m->bin[0]), json_iter(m->bin[1]) } };
    size_t cut;
    struct op op;

    buf_reset(&t->text);
    if (!json_string_decode(m->text[CASTOUT_OUTPUT], &t->text))
        return ERR_RAISE(reterr, ERR_NOMEM, "message");
    cut = t->text.n;
    if (!json_string_decode(m->text[CASTOUT_INPUT], &t->text))
        return ERR_RAISE(reterr, ERR_NOMEM, "message");
    in.text[CASTOUT_OUTPUT] = span_sub(buf_span(&t->text), 0, cut);
    in.text[CASTOUT_INPUT] = span_sub(buf_span(&t->text), cut, t->text.n);
    while (timing.n > 0) {
        if (!next_op(&timing, &op))
            return ERR_RAISE(reterr, ERR_INVAL, "a 'timing' that is no list of +n <n >n [n/n ]n/n =nxn");
        TRY(run_op(t, &op, &in, reterr));
    }
    TRY(bytes_out(t, CASTOUT_OUTPUT, in.text[CASTOUT_OUTPUT], reterr)); /* what the timing does not speak of */
    return bytes_out(t, CASTOUT_INPUT, in.text[CASTOUT_INPUT], reterr);
}

/* ---- the recording */

static void decoded(struct buf *all, struct span raw, struct span *ret)
{
    size_t from = all->n;

    *ret = json_string_decode(raw, all) ? span_of(all->p, all->n) : SPAN_EMPTY;
    *ret = span_sub(*ret, from, ret->n);
}

static enum err head(struct tlog *t, const struct message *m, struct err_info *reterr)
{
    struct castout_head h = { .format = "tlog" };
    struct span timing = m->timing;
    struct buf all = BUF_INIT(1u << 20);
    time_us within = 0;
    struct op op;
    enum err code;

    (void) buf_reserve(&all, m->rec.n + m->host.n + m->user.n + m->term.n + 16); /* so that what is there stays in place */
    decoded(&all, m->rec, &h.recording);
    decoded(&all, m->host, &h.host);
    decoded(&all, m->user, &h.user);
    decoded(&all, m->term, &h.term);
    for (bool first = true; timing.n > 0 && next_op(&timing, &op); first = false) {
        if (op.what == '=' && first && op.a <= 65535 && op.b <= 65535) {
            h.cols = (uint32_t) op.a;
            h.rows = (uint32_t) op.b;
        }
        if (op.what == '+' && op.a < 1000000000)
            within += (time_us) op.a * 1000;
    }
    if (m->time > 0)
        h.started_at = m->time - m->pos_ms;
    else if (t->realtime > 0) /* of the entry, which is written when the message is complete */
        h.started_at = (t->realtime - within) / 1000 - m->pos_ms;
    code = castout_head(t->out, &h, reterr);
    buf_deinit(&all);
    return code;
}

static enum err gap(struct tlog *t, int64_t from, int64_t to, struct err_info *reterr)
{
    char label[96];

    if (from == to)
        (void) snprintf(label, sizeof(label), "message %lld is missing", (long long) from);
    else
        (void) snprintf(label, sizeof(label), "messages %lld to %lld are missing", (long long) from, (long long) to);
    return castout_marker(t->out, t->at, span_str(label), reterr);
}

/* Ours? The first message says which recording it is, unless one is wanted. */
static enum err choose(struct tlog *t, struct span rec, bool *ret_ours, struct err_info *reterr)
{
    struct buf name = BUF_INIT(65536);
    bool same;

    *ret_ours = true;
    if (t->n_messages == 0 && !t->rec_given) {
        if (!json_string_decode(rec, &t->rec))
            return ERR_RAISE(reterr, ERR_INVAL, "a 'rec' of more than 64 KiB");
        return ERR_OK;
    }
    same = json_string_decode(rec, &name) && span_eq(buf_span(&name), buf_span(&t->rec));
    buf_deinit(&name);
    *ret_ours = same;
    if (!same && !t->rec_given)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED,
                         "messages of more than one tlog recording; keyhole import takes such a file apart");
    return ERR_OK;
}

static enum err split(struct tlog *t, struct json_value obj, struct err_info *reterr)
{
    struct buf rec = BUF_INIT(65536);
    enum err code = ERR_OK;

    if (!json_string_decode(string_of(obj, "rec"), &rec))
        code = ERR_RAISE(reterr, ERR_INVAL, "a 'rec' of more than 64 KiB");
    if (code == ERR_OK)
        code = t->split(t->ctx, buf_span(&rec), obj.raw, reterr);
    t->n_messages++;
    buf_deinit(&rec);
    return code;
}

static enum err message(struct tlog *t, struct json_value obj, struct err_info *reterr)
{
    struct message m;
    bool ours;

    if (t->split != NULL)
        return split(t, obj, reterr);
    TRY(read_message(obj, &m, reterr));
    TRY(choose(t, m.rec, &ours, reterr));
    if (!ours)
        return ERR_OK;
    if (t->n_messages == 0)
        TRY(head(t, &m, reterr));
    else if (m.id <= t->id)
        return ERR_RAISE(reterr, ERR_INVAL, "a tlog message whose 'id' does not follow the one before");
    if (m.pos_ms * 1000 > t->at)
        t->at = m.pos_ms * 1000;
    if (m.id > t->id + 1)
        TRY(gap(t, t->id + 1, m.id - 1, reterr));
    t->id = m.id;
    t->n_messages++;
    return play(t, &m, reterr);
}

/* ---- lines and fields */

static enum err json_text(struct tlog *t, struct span s, bool must, struct err_info *reterr)
{
    struct json_limits limits = json_limits_event();
    struct buf small = BUF_INIT(TLOG_MESSAGE_MAX);
    struct json_error je;
    struct json_value v;
    enum err code = ERR_OK;

    if (!json_minify(s, &limits, &small, &je)) {
        code = must ? ERR_RAISE(reterr, ERR_INVAL, "%s", je.text) : ERR_OK;
    } else {
        v = json_value(buf_span(&small));
        if (v.type == JSON_OBJECT && has_string(v, "ver") && has_string(v, "rec"))
            code = message(t, v, reterr);
        else if (must)
            code = ERR_RAISE(reterr, ERR_INVAL, "a line that is no tlog message");
    }
    buf_deinit(&small);
    return code;
}

/* MESSAGE of a journal's entry: tlog's, or anybody's. */
static enum err field_message(struct tlog *t, struct span value, struct err_info *reterr)
{
    if (value.n == 0 || value.p[0] != '{')
        return ERR_OK;
    return json_text(t, value, span_starts(value, "{\"ver\":"), reterr);
}

static enum err journal_line(struct tlog *t, struct span line, struct err_info *reterr)
{
    struct span name, value;
    uint64_t v;

    if (line.n == 0) { /* the entry is over */
        t->realtime = 0;
        return ERR_OK;
    }
    if (!span_cut(line, '=', &name, &value)) {
        t->where = FIELD_SIZE;
        t->n_size = 0;
        t->message = span_eq_str(line, "MESSAGE");
        return ERR_OK;
    }
    if (span_eq_str(name, "__REALTIME_TIMESTAMP") && num_u64(value, 1ull << 53, &v))
        t->realtime = (time_us) v;
    return span_eq_str(name, "MESSAGE") ? field_message(t, value, reterr) : ERR_OK;
}

static enum err line(struct tlog *t, struct err_info *reterr)
{
    struct span s = buf_span(&t->line);
    enum err code = ERR_OK;

    if (t->shape == TLOG_JOURNAL)
        code = journal_line(t, s, reterr);
    else if (span_trim(s).n > 0 && !span_eq_str(s, "\r"))
        code = json_text(t, s, true, reterr);
    if (code == ERR_OK)
        t->r.line++;
    buf_reset(&t->line);
    return code;
}

static enum err too_long(struct tlog *t, struct err_info *reterr)
{
    t->r.limit = "event-too-large";
    t->r.limit_value = TLOG_MESSAGE_MAX;
    return ERR_RAISE(reterr, ERR_LIMIT, "a line of more than 16 MiB");
}

static enum err feed_line(struct tlog *t, struct span *in, struct err_info *reterr)
{
    struct span part, rest;
    bool over = span_cut(*in, '\n', &part, &rest);

    if (!over)
        part = *in;
    t->r.offset += part.n + over;
    buf_add_span(&t->line, part);
    *in = over ? rest : SPAN_EMPTY;
    if (t->line.failed)
        return too_long(t, reterr);
    return over ? line(t, reterr) : ERR_OK;
}

static enum err field_size(struct tlog *t, struct span *in, struct err_info *reterr)
{
    struct rd r = rd_of(SPAN_OF(t->size));

    t->size[t->n_size++] = in->p[0];
    *in = span_sub(*in, 1, in->n);
    t->r.offset++;
    if (t->n_size < sizeof(t->size))
        return ERR_OK;
    t->left = rd_u64le(&r);
    if (t->left >= 1ull << 53)
        return ERR_RAISE(reterr, ERR_INVAL, "a field of the journal with an impossible size");
    t->left++; /* and the newline */
    t->where = FIELD_DATA;
    return ERR_OK;
}

static enum err field_data(struct tlog *t, struct span *in, struct err_info *reterr)
{
    struct span part = span_sub(*in, 0, t->left < in->n ? (size_t) t->left : in->n), value;
    enum err code = ERR_OK;

    if (t->message)
        buf_add_span(&t->line, part);
    if (t->line.failed)
        return too_long(t, reterr);
    for (size_t i = 0; i < part.n; i++)
        t->r.line += part.p[i] == '\n';
    *in = span_sub(*in, part.n, in->n);
    t->left -= part.n;
    t->r.offset += part.n;
    if (t->left > 0)
        return ERR_OK;
    value = buf_span(&t->line);
    if (t->message)
        code = field_message(t, span_sub(value, 0, value.n - 1), reterr);
    buf_reset(&t->line);
    t->where = LINE;
    return code;
}

static enum err feed(struct reader *r, struct span in, struct err_info *reterr)
{
    struct tlog *t = (struct tlog *) r;

    while (in.n > 0) {
        switch (t->where) {
        case LINE: TRY(feed_line(t, &in, reterr)); break;
        case FIELD_SIZE: TRY(field_size(t, &in, reterr)); break;
        case FIELD_DATA: TRY(field_data(t, &in, reterr)); break;
        }
    }
    return ERR_OK;
}

static enum err finish(struct reader *r, struct err_info *reterr)
{
    struct tlog *t = (struct tlog *) r;

    if (t->where != LINE)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the journal's text ends inside a field");
    if (t->line.n > 0)
        TRY(line(t, reterr));
    if (t->n_messages == 0)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "a journal without a message of tlog");
    return t->split == NULL ? castout_end(t->out, reterr) : ERR_OK;
}

static void release(struct reader *r)
{
    struct tlog *t = (struct tlog *) r;

    buf_deinit(&t->line);
    buf_deinit(&t->rec);
    buf_deinit(&t->text);
    buf_deinit(&t->bin[0]);
    buf_deinit(&t->bin[1]);
    free(t);
}

struct reader *tlog_new(struct castout *out, enum tlog_shape shape, struct span rec)
{
    struct tlog *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->r = (struct reader){ .feed = feed, .finish = finish, .free = release, .line = 1 };
    t->out = out;
    t->shape = shape;
    buf_init(&t->line, TLOG_MESSAGE_MAX);
    buf_init(&t->rec, 65536);
    buf_init(&t->text, 2 * TLOG_MESSAGE_MAX);
    buf_init(&t->bin[0], TLOG_MESSAGE_MAX);
    buf_init(&t->bin[1], TLOG_MESSAGE_MAX);
    t->rec_given = rec.n > 0;
    buf_add_span(&t->rec, rec);
    return &t->r;
}

struct reader *tlog_split(enum tlog_shape shape, tlog_message *fn, void *ctx)
{
    struct reader *r = tlog_new(NULL, shape, SPAN_EMPTY);

    if (r == NULL)
        return NULL;
    ((struct tlog *) r)->split = fn;
    ((struct tlog *) r)->ctx = ctx;
    return r;
}
