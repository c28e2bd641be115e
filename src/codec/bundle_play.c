#include <stdio.h>

#include "codec/bundle_int.h"

/*
 * Timing lines in order; each takes its bytes from its stream. When a stream that is still coming has none left, pump
 * returns and goes on at the same place with the next bytes.
 */

#define LEAD_MAX   4096 /* a header line is shorter; a typescript that begins otherwise need not have lines at all */
#define FOOT_MAX   1024
#define TIME_LIMIT (((time_us) 1) << 53)

static const char *const stream_names[] = { "stdin", "stdout", "stderr", "ttyin", "ttyout" };

/* ---- the first look at the timing */

static void logs_of(struct bundle *b, const struct timing *t, struct span *in, struct span *out)
{
    if (span_eq_str(t->name, "INPUT_LOG"))
        *in = t->value;
    if (span_eq_str(t->name, "OUTPUT_LOG"))
        *out = t->value;
    if (in->n > 0 && span_eq(*in, *out))
        b->one_log = true;
}

enum err bundle_survey(struct bundle *b, struct err_info *reterr)
{
    struct packed *s = &b->timing->source;
    struct buf names = BUF_INIT(2 * TIMING_LINE_MAX);
    struct span line, in = SPAN_EMPTY, out = SPAN_EMPTY;
    enum err code = ERR_OK;
    struct timing t;
    uint64_t bytes = 0;
    bool there;

    memset(b->want, 0, sizeof(b->want));
    b->one_log = false;
    buf_reset(&b->meta);
    if (b->kind != PARTS_SUDO)
        b->head = (struct castout_head){ .format = b->kind == PARTS_SCRIPT ? "script" : "asciicast-v0" };
    packed_rewind(s);
    if (buf_reserve(&names, 2 * TIMING_LINE_MAX) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "timing");
    b->r.line = 0;
    for (;;) {
        b->r.line++;
        code = packed_line(s, &line, &there, reterr);
        if (code != ERR_OK || !there)
            break;
        bytes += line.n + 1;
        if (bytes > b->limits.timing) {
            b->r.limit = "timing-size";
            b->r.limit_value = b->limits.timing;
            code = ERR_RAISE(reterr, ERR_LIMIT, "larger than %llu bytes", (unsigned long long) b->limits.timing);
            break;
        }
        if (span_trim(line).n == 0)
            continue;
        code = timing_line(b->form, line, &t, reterr);
        if (code != ERR_OK)
            break;
        if (t.what == TIMING_FACT) {
            bundle_fact(b, &t);
            if (names.n + t.value.n <= names.cap) {
                size_t from = names.n;

                buf_add_span(&names, t.value);
                t.value = span_sub(buf_span(&names), from, t.value.n);
                logs_of(b, &t, &in, &out);
            }
        } else if (t.what == TIMING_OUTPUT || t.what == TIMING_INPUT) {
            b->want[t.stream] += t.n;
        }
    }
    buf_deinit(&names);
    if (code == ERR_OK)
        b->r.line = 0;
    packed_rewind(s);
    return bundle_in(code, "timing", reterr);
}

/* ---- beginning */

static enum err sudo_facts(struct bundle *b, struct err_info *reterr)
{
    struct packed *s = &b->facts->source;
    bool json = span_eq_str(buf_span(&b->facts->name), "log.json");
    uint64_t line = 0;
    enum err code;

    TRY(packed_fill(s, reterr));
    if (!s->ended)
        return ERR_RAISE(reterr, ERR_INVAL, "log: larger than 64 KiB");
    code = json ? sudo_iolog_json(&b->sudo, packed_ready(s), &line, reterr)
                : sudo_iolog_text(&b->sudo, packed_ready(s), &line, reterr);
    if (code != ERR_OK)
        b->r.line = line;
    b->head = b->sudo.head;
    b->has_exit = b->sudo.has_exit;
    b->exit_status = b->sudo.exit_status;
    return bundle_in(code, json ? "log.json" : "log", reterr);
}

enum err bundle_begin(struct bundle *b, struct err_info *reterr)
{
    if (b->kind == PARTS_SUDO)
        TRY(sudo_facts(b, reterr));
    else if (b->facts != NULL)
        TRY(bundle_meta(b, reterr));
    if (b->one_log && b->stream[TIMING_TTYIN] == NULL)
        b->stream[TIMING_TTYIN] = b->stream[TIMING_TTYOUT];
    else
        b->one_log = false;
    for (int i = 0; i < TIMING_STREAMS; i++) {
        bool shown = i == TIMING_STDOUT || i == TIMING_STDERR || i == TIMING_TTYOUT;

        if (shown && b->want[i] > 0 && b->stream[i] == NULL)
            return ERR_RAISE(reterr, ERR_INVAL, "timing: speaks of output in '%s', which is not in the tar", stream_names[i]);
    }
    b->state = LEADING;
    b->line = 0;
    return ERR_OK;
}

/* ---- header and footer of script's files */

/* How many bytes lie there beyond what the timing speaks of; -1: nobody knows, or fewer. */
static int64_t surplus(const struct bundle *b, int which)
{
    const struct member *m = b->stream[which];
    uint64_t want = b->want[which] + (b->one_log ? b->want[which == TIMING_TTYIN ? TIMING_TTYOUT : TIMING_TTYIN] : 0);
    enum unpack_codec codec;

    if (m->source.streamed && m->source.unpack == NULL)
        return -1;
    if (!m->source.streamed && (unpack_sniff(buf_span(&m->source.held), &codec, NULL) != ERR_OK || codec != UNPACK_IDENTITY))
        return -1;
    if (m->source.streamed && unpack_in(m->source.unpack) != unpack_out(m->source.unpack))
        return -1;
    return m->size >= want ? (int64_t) (m->size - want) : -1;
}

static bool is_lead(const struct bundle *b, int which, struct span line)
{
    bool first = span_starts(line, "Script started on "), second = span_starts(line, "Command: ");
    int64_t more = surplus(b, which);

    if (!first && !(second && b->led[which].lines == 1))
        return false;
    if (second && !first)
        return more >= 0 && b->led[which].skipped + line.n + 1 <= (uint64_t) more;
    return more < 0 || b->led[which].skipped < (uint64_t) more; /* with no byte too many it is content that says so */
}

/* Takes header lines off a typescript or input log. *ret_wait: more bytes are needed to know. */
static enum err lead(struct bundle *b, int which, bool *ret_wait, struct err_info *reterr)
{
    struct packed *s = &b->stream[which]->source;
    struct span line, rest;

    *ret_wait = false;
    while (!b->led[which].done) {
        TRY(packed_fill(s, reterr));
        if (!span_cut(span_sub(packed_ready(s), 0, LEAD_MAX), '\n', &line, &rest)) {
            *ret_wait = !s->ended && packed_ready(s).n < LEAD_MAX;
            b->led[which].done = !*ret_wait;
            return ERR_OK;
        }
        if (b->led[which].lines == 2 || !is_lead(b, which, line)) {
            b->led[which].done = true;
            return ERR_OK;
        }
        b->led[which].lines++;
        b->led[which].skipped += line.n + 1;
        if (which == TIMING_TTYOUT && span_starts(line, "Script"))
            bundle_lead(b, line);
        packed_take(s, line.n + 1);
    }
    return ERR_OK;
}

static enum err leads(struct bundle *b, bool *ret_wait, struct err_info *reterr)
{
    *ret_wait = false;
    if (b->kind == PARTS_SCRIPT && b->stream[TIMING_TTYOUT] != NULL)
        TRY(lead(b, TIMING_TTYOUT, ret_wait, reterr));
    if (b->kind == PARTS_SCRIPT && !*ret_wait && !b->one_log && b->stream[TIMING_TTYIN] != NULL)
        TRY(lead(b, TIMING_TTYIN, ret_wait, reterr));
    return ERR_OK;
}

/* ---- bytes */

/* A pipe's output on a terminal: a lone line feed also returns, as sudoreplay shows it. */
static enum err piped(struct bundle *b, struct packed *s, struct span bytes, struct err_info *reterr)
{
    size_t from = 0;

    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' && s->before != '\r') {
            TRY(castout_bytes(b->out, b->side, b->at, span_sub(bytes, from, i - from), reterr));
            TRY(castout_bytes(b->out, b->side, b->at, SPAN("\r"), reterr));
            from = i;
        }
        s->before = bytes.p[i];
    }
    return castout_bytes(b->out, b->side, b->at, span_sub(bytes, from, bytes.n), reterr);
}

static enum err give(struct bundle *b, size_t n, struct err_info *reterr)
{
    struct packed *s = &b->from->source;
    struct span part = span_sub(packed_ready(s), 0, n);

    if (b->which == TIMING_STDOUT || b->which == TIMING_STDERR)
        TRY(piped(b, s, part, reterr));
    else
        TRY(castout_bytes(b->out, b->side, b->at, part, reterr));
    packed_take(s, part.n);
    return ERR_OK;
}

/* The bytes of the present record, as far as they are there. */
static enum err record_bytes(struct bundle *b, bool *ret_wait, struct err_info *reterr)
{
    struct packed *s = &b->from->source;

    *ret_wait = false;
    while (b->left > 0) {
        size_t n;

        if (packed_ready(s).n == 0)
            TRY(bundle_in(packed_fill(s, reterr), stream_names[b->which], reterr));
        n = packed_ready(s).n;
        if (n == 0) {
            *ret_wait = !s->ended;
            if (s->ended) {
                b->cut = true;
                b->left = 0;
            }
            break;
        }
        n = b->left < n ? (size_t) b->left : n;
        TRY(give(b, n, reterr));
        b->left -= n;
    }
    if (b->left > 0)
        return ERR_OK;
    b->from = NULL;
    return castout_record(b->out, reterr);
}

/* ---- records */

static enum err signalled(struct bundle *b, struct span name, struct err_info *reterr)
{
    char label[64];
    const char *what = "signal";

    for (size_t i = 0; i < name.n; i++)
        if (!((name.p[i] >= 'A' && name.p[i] <= 'Z') || (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '+' || name.p[i] == '-'))
            return ERR_RAISE(reterr, ERR_INVAL, "a signal whose name is no word in capitals");
    if (span_starts(name, "SIG")) /* sudo leaves it out; who writes it means the same */
        name = span_sub(name, 3, name.n);
    if (span_eq_str(name, "TSTP") || span_eq_str(name, "STOP") || span_eq_str(name, "TTIN") || span_eq_str(name, "TTOU"))
        what = "suspended";
    else if (span_eq_str(name, "CONT"))
        what = "resumed";
    (void) snprintf(label, sizeof(label), "%s (SIG" SPAN_FMT ")", what, SPAN_ARG(name));
    return castout_marker(b->out, b->at, span_str(label), reterr);
}

static enum err record(struct bundle *b, const struct timing *t, struct err_info *reterr)
{
    b->at += t->delay;
    if (b->at > TIME_LIMIT)
        return ERR_RAISE(reterr, ERR_INVAL, "delays that add up to more than we can count");
    switch (t->what) {
    case TIMING_OUTPUT:
    case TIMING_INPUT:
        b->from = b->stream[t->stream]; /* NULL: typed bytes that nobody kept */
        b->which = t->stream;
        b->side = t->what == TIMING_OUTPUT ? CASTOUT_OUTPUT : CASTOUT_INPUT;
        b->left = b->from != NULL ? t->n : 0;
        return ERR_OK;
    case TIMING_RESIZE: return castout_resize(b->out, b->at, t->cols, t->rows, reterr);
    case TIMING_SIGNAL: return signalled(b, t->name, reterr);
    case TIMING_FACT: break;
    }
    return ERR_OK;
}

static enum err next_record(struct bundle *b, bool *ret_over, struct err_info *reterr)
{
    struct span line;
    struct timing t;
    bool there;
    enum err code;

    *ret_over = false;
    TRY(packed_line(&b->timing->source, &line, &there, reterr));
    if (!there) {
        *ret_over = true;
        return ERR_OK;
    }
    b->line++;
    if (span_trim(line).n == 0)
        return ERR_OK;
    code = timing_line(b->form, line, &t, reterr);
    if (code == ERR_OK)
        code = record(b, &t, reterr);
    if (code != ERR_OK && b->r.line == 0)
        b->r.line = b->line;
    return bundle_in(code, "timing", reterr);
}

/* ---- what the timing does not speak of */

/* True when s is what script writes at the end of its files. */
static bool is_foot(struct bundle *b, struct span s)
{
    if (s.n > 0 && s.p[0] == '\r')
        s = span_sub(s, 1, s.n);
    if (s.n > 0 && s.p[0] == '\n')
        s = span_sub(s, 1, s.n);
    if (s.n > FOOT_MAX || !span_starts(s, "Script done on "))
        return false;
    bundle_foot(b, s);
    return true;
}

static enum err rest_of(struct bundle *b, int which, bool *ret_wait, struct err_info *reterr)
{
    struct packed *s;

    b->from = b->stream[which];
    b->which = (enum timing_stream) which;
    b->side = which == TIMING_STDIN || which == TIMING_TTYIN ? CASTOUT_INPUT : CASTOUT_OUTPUT;
    s = &b->from->source;
    *ret_wait = false;
    for (;;) {
        TRY(bundle_in(packed_fill(s, reterr), stream_names[which], reterr));
        if (!s->ended && packed_ready(s).n < SOURCE_READY) {
            *ret_wait = true;
            return ERR_OK;
        }
        if (s->ended && b->kind == PARTS_SCRIPT && is_foot(b, packed_ready(s)))
            packed_take(s, packed_ready(s).n);
        if (s->ended && packed_ready(s).n == 0)
            return castout_record(b->out, reterr);
        TRY(give(b, packed_ready(s).n, reterr));
    }
}

static enum err rests(struct bundle *b, bool *ret_wait, struct err_info *reterr)
{
    *ret_wait = false;
    for (int i = 0; i < TIMING_STREAMS && !*ret_wait; i++)
        if (b->stream[i] != NULL && !(b->one_log && i == TIMING_TTYIN))
            TRY(rest_of(b, i, ret_wait, reterr));
    return ERR_OK;
}

static enum err over(struct bundle *b, struct err_info *reterr)
{
    TRY(castout_end(b->out, reterr));
    for (size_t i = 0; i < b->n_members; i++)
        b->cut = b->cut || (b->members[i]->role != PART_OTHER && b->members[i]->source.cut);
    if (b->cut)
        TRY(castout_marker(b->out, b->at, SPAN("the recording is cut short"), reterr));
    if (b->has_exit)
        TRY(castout_exit(b->out, b->at, b->exit_status, reterr));
    b->state = DONE;
    return ERR_OK;
}

/* ---- all of it */

static enum err play(struct bundle *b, bool *ret_wait, struct err_info *reterr)
{
    bool ended;

    *ret_wait = false;
    if (b->from != NULL)
        return record_bytes(b, ret_wait, reterr);
    TRY(next_record(b, &ended, reterr));
    if (ended)
        b->state = REST;
    return ERR_OK;
}

enum err bundle_pump(struct bundle *b, struct err_info *reterr)
{
    bool wait = false;

    while (!wait && b->state != DONE) {
        switch (b->state) {
        case COLLECTING: return ERR_OK;
        case LEADING:
            TRY(leads(b, &wait, reterr));
            if (wait)
                break;
            TRY(castout_head(b->out, &b->head, reterr));
            b->state = PLAYING;
            break;
        case PLAYING: TRY(play(b, &wait, reterr)); break;
        case REST:
            TRY(rests(b, &wait, reterr));
            if (!wait)
                TRY(over(b, reterr));
            break;
        case DONE: break;
        }
    }
    return ERR_OK;
}
