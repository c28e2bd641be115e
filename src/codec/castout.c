#include "codec/castout.h"

#include "codec/asciicast.h"
#include "codec/jsonw.h"

void castout_init(struct castout *c, struct castout_sink sink)
{
    *c = (struct castout){ .sink = sink };
    buf_init(&c->line, 8 * CASTOUT_PIECE + 256); /* "\u001b" is six bytes of one */
}

void castout_deinit(struct castout *c)
{
    buf_deinit(&c->line);
}

static void text_member(struct jsonw *w, const char *key, struct span v)
{
    if (v.n > 0)
        jsonw_kstr(w, key, span_sub(v, 0, CASTOUT_PIECE / 8));
}

static void source_member(struct jsonw *w, const struct castout_head *h)
{
    jsonw_kobj(w, "source");
    jsonw_kcstr(w, "format", h->format);
    text_member(w, "user", h->user);
    text_member(w, "runas", h->runas);
    text_member(w, "runas_group", h->runas_group);
    text_member(w, "host", h->host);
    text_member(w, "tty", h->tty);
    text_member(w, "cwd", h->cwd);
    text_member(w, "recording", h->recording);
    jsonw_obj_end(w);
}

enum err castout_head(struct castout *c, const struct castout_head *h, struct err_info *reterr)
{
    struct buf b = BUF_INIT(1u << 20);
    struct jsonw w;
    enum err code;

    c->headed = true;
    c->cols = h->cols > 0 && h->cols <= 65535 ? h->cols : ASCIICAST_COLS;
    c->rows = h->rows > 0 && h->rows <= 65535 ? h->rows : ASCIICAST_ROWS;
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kint(&w, "version", 2);
    jsonw_kint(&w, "width", c->cols);
    jsonw_kint(&w, "height", c->rows);
    if (h->started_at > 0)
        jsonw_kint(&w, "timestamp", h->started_at / 1000);
    text_member(&w, "command", h->command);
    text_member(&w, "title", h->title);
    if (h->term.n > 0 || h->shell.n > 0) {
        jsonw_kobj(&w, "env");
        text_member(&w, "TERM", h->term);
        text_member(&w, "SHELL", h->shell);
        jsonw_obj_end(&w);
    }
    source_member(&w, h);
    jsonw_obj_end(&w);
    code = jsonw_done(&w) ? c->sink.on_head(c->sink.ctx, buf_span(&b), reterr) : ERR_RAISE(reterr, ERR_NOMEM, "header");
    buf_deinit(&b);
    return code;
}

/* ---- events */

static void begin(struct castout *c, time_us at, const char *code)
{
    if (at > c->at)
        c->at = at;
    buf_reset(&c->line);
    buf_add_c(&c->line, '[');
    asciicast_add_seconds(&c->line, c->at);
    buf_addf(&c->line, ",\"%s\",", code);
}

static enum err end(struct castout *c, struct err_info *reterr)
{
    buf_add_c(&c->line, ']');
    if (c->line.failed)
        return ERR_RAISE(reterr, ERR_NOMEM, "event");
    return c->sink.on_event(c->sink.ctx, buf_span(&c->line), reterr);
}

/* How many bytes at the end are the begin of a character that may still become one: 0 to 3. */
static size_t cut_character(struct span s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        uint8_t c = s.p[s.n - back];
        size_t wants = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;

        if ((c & 0xc0) == 0x80)
            continue;
        return wants > back ? back : 0;
    }
    return 0;
}

static enum err text_event(struct castout *c, enum castout_side side, struct span s, struct err_info *reterr)
{
    if (s.n == 0)
        return ERR_OK;
    begin(c, c->piece_at, side == CASTOUT_OUTPUT ? "o" : "i");
    jsonw_add_string(&c->line, s);
    return end(c, reterr);
}

enum err castout_record(struct castout *c, struct err_info *reterr)
{
    enum castout_side side = c->side;
    struct span s = span_of(c->piece, c->n_piece);
    size_t cut = cut_character(s);

    if (s.n == 0)
        return ERR_OK; /* nothing was gathered; what is carried stays */
    c->n_piece = 0;
    c->carry[side].n = cut;
    if (cut > 0)
        memcpy(c->carry[side].bytes, s.p + s.n - cut, cut);
    return text_event(c, side, span_sub(s, 0, s.n - cut), reterr);
}

enum err castout_bytes(struct castout *c, enum castout_side side, time_us at, struct span bytes,
                       struct err_info *reterr)
{
    while (bytes.n > 0) {
        struct span part;

        if (c->n_piece > 0 && (side != c->side || at != c->piece_at))
            TRY(castout_record(c, reterr));
        if (c->n_piece == 0) {
            c->side = side;
            c->piece_at = at;
            c->n_piece = c->carry[side].n;
            memcpy(c->piece, c->carry[side].bytes, c->n_piece);
            c->carry[side].n = 0;
        }
        part = span_sub(bytes, 0, CASTOUT_PIECE - c->n_piece);
        memcpy(c->piece + c->n_piece, part.p, part.n);
        c->n_piece += part.n;
        bytes = span_sub(bytes, part.n, bytes.n);
        if (c->n_piece == CASTOUT_PIECE)
            TRY(castout_record(c, reterr));
    }
    return ERR_OK;
}

enum err castout_resize(struct castout *c, time_us at, uint32_t cols, uint32_t rows, struct err_info *reterr)
{
    TRY(castout_record(c, reterr));
    if (cols == 0 || rows == 0 || cols > 65535 || rows > 65535)
        return ERR_RAISE(reterr, ERR_INVAL, "a size of the terminal that is not within 1 to 65535");
    if (cols == c->cols && rows == c->rows)
        return ERR_OK;
    c->cols = cols;
    c->rows = rows;
    begin(c, at, "r");
    buf_addf(&c->line, "\"%ux%u\"", cols, rows);
    return end(c, reterr);
}

enum err castout_marker(struct castout *c, time_us at, struct span label, struct err_info *reterr)
{
    TRY(castout_record(c, reterr));
    begin(c, at, "m");
    jsonw_add_string(&c->line, label);
    return end(c, reterr);
}

enum err castout_exit(struct castout *c, time_us at, int64_t status, struct err_info *reterr)
{
    TRY(castout_record(c, reterr));
    begin(c, at, "x");
    buf_addf(&c->line, "\"%lld\"", (long long) status);
    return end(c, reterr);
}

enum err castout_end(struct castout *c, struct err_info *reterr)
{
    TRY(castout_record(c, reterr));
    for (enum castout_side side = CASTOUT_OUTPUT; side <= CASTOUT_INPUT; side++) {
        size_t n = c->carry[side].n;

        c->carry[side].n = 0;
        c->piece_at = c->at;
        TRY(text_event(c, side, span_of(c->carry[side].bytes, n), reterr));
    }
    return ERR_OK;
}
