#include "codec/screen_filter.h"

#include "base/utf8.h"
#include "codec/screen_width.h"

#include <stdio.h>

/*
 * The states follow the usual VT500 parser. Sequences are collected in seq[] (bounded; a longer one is skipped to its
 * end) and acted on at their final byte. Strings (DCS, SOS, PM, APC, OSC other than titles) are skipped without being
 * kept.
 */
enum {
    ST_GROUND,
    ST_ESC,       /* after ESC */
    ST_ESC_INTER, /* after ESC and intermediates */
    ST_CSI,
    ST_CSI_SKIP,
    ST_OSC,     /* ends at BEL or ST */
    ST_STRING,  /* ends at ST */
    ST_OSC_ESC, /* ESC inside: '\' ends it, all else starts a new sequence */
    ST_STRING_ESC,
};

#define ARGS_MAX 32
#define MISSING  (-1)

struct args {
    int v[ARGS_MAX];
    bool sub[ARGS_MAX]; /* joined to the next by ':' */
    int n;
};

const uint16_t screen_wide_marks[SCREEN_N_WIDE_MARKS] = {
    0x302a, 0x302b, 0x302c, 0x302d, 0x302e, 0x302f, 0x3099, 0x309a
};

void screen_filter_init(struct screen_filter *f)
{
    memset(f, 0, sizeof(*f));
}

bool screen_filter_idle(const struct screen_filter *f)
{
    return f->state == ST_GROUND && f->utf8_need == 0;
}

/*
 * libvterm 0.1.4 keeps a pending wrap through what erases, scrolls or saves, where terminals drop it. One step back and
 * forth drops it for the model (which therefore has at least three columns).
 */
static void drop_wrap(struct screen_filter *f, struct buf *out)
{
    if (f->for_model && f->last_printed)
        buf_add_str(out, "\033[D\033[C");
    f->last_printed = false;
}

/* Something that may move the cursor or change cells. What does neither is added to 'out' directly. */
static void put(struct screen_filter *f, struct buf *out, const char *s)
{
    drop_wrap(f, out);
    buf_add_str(out, s);
}

static void put_cp(struct screen_filter *f, struct buf *out, uint32_t cp)
{
    utf8_add(out, cp);
    if (screen_is_mark(cp))
        return;
    f->last_cp = cp;
    f->last_printed = true;
}

/* ---- CSI */

static bool parse_args(const char *s, struct args *a)
{
    memset(a, 0, sizeof(*a));
    if (*s == '\0')
        return true;
    a->v[0] = MISSING;
    a->n = 1;
    for (; *s != '\0'; s++) {
        int *v = &a->v[a->n - 1];

        if (*s >= '0' && *s <= '9') {
            *v = (*v == MISSING ? 0 : *v) * 10 + (*s - '0');
            if (*v > SCREEN_ARG_MAX)
                *v = SCREEN_ARG_MAX;
        } else if (*s == ';' || *s == ':') {
            a->sub[a->n - 1] = *s == ':';
            if (a->n == ARGS_MAX)
                return false;
            a->v[a->n++] = MISSING;
        } else {
            return false;
        }
    }
    return true;
}

static int arg(const struct args *a, int i, int otherwise)
{
    return i >= a->n || a->v[i] == MISSING ? otherwise : a->v[i];
}

/* 38 and 48: the colour's values in either notation. Returns the index after them; *ok false: drop it. */
static int sgr_colour(const struct args *a, int i, struct buf *out, bool *first)
{
    int end = i + 1, v[6], n = 0;
    bool colons = a->sub[i];

    if (colons) {
        while (end < a->n && a->sub[end - 1])
            end++;
    } else {
        int kind = arg(a, i + 1, 0);

        end = i + (kind == 5 ? 3 : kind == 2 ? 5 : 2);
    }
    for (int k = i + 1; k < end && n < 6; k++)
        v[n++] = arg(a, k, 0);
    if (colons && n >= 5) /* 38:2:<colour space>:r:g:b */
        memmove(&v[1], &v[2], 3 * sizeof(v[0]));
    for (int k = 1; k < 4; k++)
        if (k < n && v[k] > 255)
            v[k] = 255;
    if (n >= 2 && v[0] == 5)
        buf_addf(out, "%s%d;5;%d", *first ? "" : ";", a->v[i], v[1]);
    else if (n >= 4 && v[0] == 2)
        buf_addf(out, "%s%d;2;%d;%d;%d", *first ? "" : ";", a->v[i], v[1], v[2], v[3]);
    else
        return end;
    *first = false;
    return end;
}

static bool sgr_plain(int v)
{
    return v == 0 || v == 1 || (v >= 3 && v <= 5) || v == 7 || v == 9 || (v >= 21 && v <= 25) || v == 27 || v == 29 ||
           (v >= 30 && v <= 37) || (v >= 39 && v <= 47) || v == 49 || (v >= 90 && v <= 97) || (v >= 100 && v <= 107);
}

/* Written anew, at most six attributes each (libvterm reads 16 numbers), so that nothing unknown is taken for another.
 */
static void sgr(const struct args *a, struct buf *out)
{
    if (a->n == 0) {
        buf_add_str(out, "\033[m");
        return;
    }
    for (int i = 0; i < a->n;) {
        bool first = true;
        size_t mark = out->n;

        buf_add_str(out, "\033[");
        for (int k = 0; k < 3 && i < a->n; k++) {
            int v = arg(a, i, 0);

            if (v == 38 || v == 48) {
                i = sgr_colour(a, i, out, &first);
            } else if (v == 58) { /* underline colour: its numbers are no attributes */
                struct buf scrap = BUF_INIT(64);
                bool any = true;

                i = sgr_colour(a, i, &scrap, &any);
                buf_deinit(&scrap);
            } else if (v == 4 && a->sub[i]) {
                int style = arg(a, i + 1, 1);

                if (style <= 3)
                    buf_addf(out, "%s4:%d", first ? "" : ";", style);
                first = first && style > 3;
                for (i++; i < a->n && a->sub[i - 1]; i++)
                    ;
            } else {
                if (sgr_plain(v == 6 ? 5 : v) && !a->sub[i]) {
                    buf_addf(out, "%s%d", first ? "" : ";", v == 6 ? 5 : v);
                    first = false;
                }
                for (i++; i < a->n && a->sub[i - 1]; i++)
                    ;
            }
        }
        if (first)
            out->n = mark; /* nothing known in it; an empty SGR would mean reset */
        else
            buf_add_c(out, 'm');
    }
}

/* One private mode. True: the alternate screen changed, and *switch_at is where in out. */
static bool private_mode(struct screen_filter *f, int mode, bool on, struct buf *out, size_t *switch_at)
{
    struct screen_modes *m = &f->modes;
    char seq[16];

    switch (mode) {
    case 6: m->origin = on; break;
    case 7: m->no_wrap = !on; break;
    case 25: m->cursor_hidden = !on; break;
    case 47: mode = 1047; break;
    case 1047:
    case 1048:
    case 1049: break;
    default: return false;
    }
    if (mode != 7 && mode != 25)
        drop_wrap(f, out);
    *switch_at = out->n;
    (void) snprintf(seq, sizeof(seq), "\033[?%d%c", mode, on ? 'h' : 'l');
    buf_add_str(out, seq);
    if ((mode != 1047 && mode != 1049) || m->alt == on)
        return false;
    m->alt = on;
    return true;
}

static void reset(struct screen_filter *f, bool hard, struct buf *out)
{
    bool alt = f->modes.alt;

    if (hard && alt)
        put(f, out, "\033[?1047l");
    put(f, out, hard ? "\033c" : "\033[!p");
    f->modes = (struct screen_modes){ .alt = !hard && alt };
}

/* As xterm: cut to the screen where its size is known, and a region of less than two lines is the whole screen. */
static void scroll_region(struct screen_filter *f, const struct args *a, struct buf *out)
{
    int top = arg(a, 0, 1), bottom = arg(a, 1, 0);

    if (top < 1)
        top = 1;
    if (f->rows != 0 && (bottom == 0 || bottom > f->rows))
        bottom = f->rows;
    drop_wrap(f, out);
    f->modes.top = f->modes.bottom = 0;
    if ((bottom != 0 && bottom <= top) || (top == 1 && bottom == f->rows)) {
        buf_add_str(out, "\033[r");
        return;
    }
    f->modes.top = (uint16_t) top;
    f->modes.bottom = (uint16_t) bottom;
    buf_addf(out, bottom != 0 ? "\033[%d;%dr" : "\033[%dr", top, bottom);
}

static int repeats(int n)
{
    return n < 1 ? 1 : n > SCREEN_REPEAT_MAX ? SCREEN_REPEAT_MAX : n;
}

static void csi_plain(struct screen_filter *f, char final, const struct args *a, struct buf *out)
{
    if (final == 'm') {
        sgr(a, out);
    } else if (final == 'h' || final == 'l') {
        for (int i = 0; i < a->n; i++)
            if (a->v[i] == 4) {
                f->modes.insert = final == 'h';
                buf_addf(out, "\033[4%c", final);
            }
    } else if (final == 'b') { /* libvterm stops at the end of the line */
        for (int n = repeats(arg(a, 0, 1)); n > 0 && f->last_cp != 0; n--)
            utf8_add(out, f->last_cp);
        f->last_printed = f->last_printed || f->last_cp != 0;
    } else if (final == 'r') {
        scroll_region(f, a, out);
    } else if (strchr("@ABCDEFGHIJKLMPSTXZ`adefgsu", final) != NULL && a->n <= 2) {
        if ((final == 's' || final == 'u') && a->n > 0)
            return; /* left and right margins are not passed */
        drop_wrap(f, out);
        buf_add_str(out, "\033[");
        for (int i = 0; i < a->n; i++) {
            if (i > 0)
                buf_add_c(out, ';');
            if (a->v[i] != MISSING)
                buf_addf(out, "%d", a->v[i]);
        }
        buf_add_c(out, final);
    }
}

static bool switches(int mode)
{
    return mode == 47 || mode == 1047 || mode == 1049;
}

static bool csi(struct screen_filter *f, char final, struct buf *out, size_t *switch_at)
{
    const char *params = f->seq;
    struct args a;

    f->seq[f->n_seq] = '\0';
    if (final == 'p' && strcmp(f->seq, "!") == 0) {
        reset(f, false, out);
        return false;
    }
    if (*params == '?')
        params++;
    if (!parse_args(params, &a)) /* also any other leader or intermediate */
        return false;
    if (params == f->seq) {
        csi_plain(f, final, &a, out);
    } else if (final == 'h' || final == 'l') {
        /* The switch comes last, and one of them: the caller acts on it after the sequence. */
        for (int i = 0; i < a.n; i++)
            if (!switches(a.v[i]))
                (void) private_mode(f, a.v[i], final == 'h', out, switch_at);
        for (int i = 0; i < a.n; i++)
            if (switches(a.v[i]))
                return private_mode(f, a.v[i], final == 'h', out, switch_at);
    } else if (final == 'J' || final == 'K') { /* selective: without protected cells the same as plain */
        csi_plain(f, final, &a, out);
    }
    return false;
}

/* ---- ESC */

static void esc(struct screen_filter *f, char final, struct buf *out)
{
    f->seq[f->n_seq] = '\0';
    if (f->n_seq == 0) {
        if (final == 'c') {
            reset(f, true, out);
        } else if (strchr("78DEMH", final) != NULL) {
            char s[3] = { '\033', final, '\0' };

            put(f, out, s);
        }
    } else if (f->n_seq == 1 && (f->seq[0] == '(' || f->seq[0] == ')')) {
        char set = final == '0' || final == 'A' ? final : 'B';
        char s[4] = { '\033', f->seq[0], set, '\0' };

        if (!f->for_model)
            buf_add_str(out, s);
        f->modes.charset[f->seq[0] == ')'] = set == 'B' ? '\0' : set;
    } else if (f->n_seq == 1 && f->seq[0] == '#' && final == '8') {
        put(f, out, "\033#8");
    }
}

/* ---- titles */

static void title_done(struct screen_filter *f)
{
    struct rd r = { (const uint8_t *) f->osc, f->n_osc, false };
    struct buf t = BUF_INIT(sizeof(f->title));
    size_t n = 0;

    while (r.n > 0 && n < SCREEN_TITLE_MAX) {
        struct rd before = r;
        uint32_t cp = utf8_read(&r);

        if (r.failed) {
            r = (struct rd){ before.p + 1, before.n - 1, false };
            continue;
        }
        if (utf8_is_control(cp))
            continue;
        utf8_add(&t, cp);
        n++;
    }
    if (!t.failed && t.n < sizeof(f->title)) {
        if (t.n > 0)
            memcpy(f->title, t.p, t.n);
        f->title[t.n] = '\0';
        f->n_title = t.n;
        f->title_changes++;
    }
    buf_deinit(&t);
}

static void osc_byte(struct screen_filter *f, uint8_t c)
{
    if (f->osc_first) { /* the number before the first ';' */
        if (c != ';' && f->n_seq < 4) {
            f->seq[f->n_seq++] = (char) c;
            return;
        }
        f->osc_first = false;
        f->osc_title = c == ';' && f->n_seq == 1 && (f->seq[0] == '0' || f->seq[0] == '2');
        return;
    }
    if (f->osc_title && f->n_osc < sizeof(f->osc))
        f->osc[f->n_osc++] = (char) c;
}

static void string_begin(struct screen_filter *f)
{
    f->state = ST_STRING;
    f->utf8[0] = 0;
}

static void osc_begin(struct screen_filter *f)
{
    f->state = ST_OSC;
    f->utf8[0] = 0;
    f->osc_first = true;
    f->osc_title = false;
    f->n_osc = 0;
    f->n_seq = 0;
}

/* ---- characters */

static void code_point(struct screen_filter *f, uint32_t cp, struct buf *out)
{
    if (cp >= 0x80 && cp < 0xa0) { /* C1: what it introduces goes with it */
        f->n_seq = 0;
        if (cp == 0x9b)
            f->state = ST_CSI_SKIP;
        else if (cp == 0x90 || cp == 0x98 || cp == 0x9e || cp == 0x9f)
            string_begin(f);
        else if (cp == 0x9d) {
            osc_begin(f);
            f->osc_first = false; /* no title this way */
        }
        return;
    }
    if (f->for_model && cp >= 0x302a) {
        if (cp >= SCREEN_MARK_STAND_IN && cp < SCREEN_MARK_STAND_IN + SCREEN_N_WIDE_MARKS)
            return;
        for (uint32_t i = 0; i < SCREEN_N_WIDE_MARKS && cp <= 0x309a; i++)
            if (cp == screen_wide_marks[i]) {
                cp = SCREEN_MARK_STAND_IN + i;
                break;
            }
    }
    put_cp(f, out, utf8_is_control(cp) ? SCREEN_BIDI_SYMBOL : cp);
}

static void control(struct screen_filter *f, uint8_t c, struct buf *out)
{
    char s[2] = { (char) c, '\0' };

    if (c < 0x08 || c > 0x0f)
        return; /* BEL, ENQ, NUL, XON and the like */
    if (c == 0x0e || c == 0x0f) {
        f->modes.shift_out = c == 0x0e;
        if (!f->for_model)
            buf_add_str(out, s);
    } else if (c == '\r' || c == '\b') {
        buf_add_str(out, s);
        f->last_printed = false;
    } else {
        put(f, out, s);
    }
}

/* The first byte of a multi-byte character: how many follow; 0: none can start here. */
static uint8_t utf8_follow(uint8_t c)
{
    if (c >= 0xc2 && c <= 0xdf)
        return 1;
    if (c >= 0xe0 && c <= 0xef)
        return 2;
    return c >= 0xf0 && c <= 0xf4 ? 3 : 0;
}

/* Continuation byte: false when c cannot continue what is held. */
static bool utf8_continues(const struct screen_filter *f, uint8_t c)
{
    uint8_t lo = 0x80, hi = 0xbf;

    if (f->utf8_n == 1) {
        switch (f->utf8[0]) {
        case 0xe0: lo = 0xa0; break;
        case 0xed: hi = 0x9f; break;
        case 0xf0: lo = 0x90; break;
        case 0xf4: hi = 0x8f; break;
        default: break;
        }
    }
    return c >= lo && c <= hi;
}

/* False: c was not taken and starts something new. */
static bool utf8_more(struct screen_filter *f, uint8_t c, struct buf *out)
{
    struct rd r;

    if (!utf8_continues(f, c)) {
        f->utf8_need = 0;
        put_cp(f, out, 0xfffd);
        return false;
    }
    f->utf8[f->utf8_n++] = c;
    if (--f->utf8_need > 0)
        return true;
    r = (struct rd){ f->utf8, f->utf8_n, false };
    code_point(f, utf8_read(&r), out);
    return true;
}

/*
 * libvterm 0.1.4 does not combine marks with characters of a charset that was chosen (and every `tput sgr0` chooses
 * one), so for the model charsets end here.
 */
static uint32_t of_charset(const struct screen_modes *m, uint8_t c)
{
    static const uint16_t line_drawing[] = { 0x0020, 0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0,
                                             0x00b1, 0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c,
                                             0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524, 0x2534,
                                             0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7 };
    char set = m->charset[m->shift_out];

    if (set == '0' && c >= 0x5f)
        return line_drawing[c - 0x5f];
    return set == 'A' && c == '#' ? 0xa3 : c;
}

static void ground(struct screen_filter *f, uint8_t c, struct buf *out)
{
    if (c == 0x1b) {
        f->state = ST_ESC;
        f->n_seq = 0;
    } else if (c < 0x20) {
        control(f, c, out);
    } else if (c < 0x7f) {
        if (f->for_model)
            f->last_cp = of_charset(&f->modes, c);
        else
            f->last_cp = c;
        if (f->last_cp < 0x80)
            buf_add_c(out, (char) c);
        else
            utf8_add(out, f->last_cp);
        f->last_printed = true;
    } else if (c >= 0x80) {
        f->utf8_need = utf8_follow(c);
        f->utf8[0] = c;
        f->utf8_n = 1;
        if (f->utf8_need == 0)
            put_cp(f, out, 0xfffd);
    }
}

static void escape(struct screen_filter *f, uint8_t c, struct buf *out)
{
    uint8_t was = f->state;

    f->state = ST_GROUND;
    if (c >= 0x20 && c <= 0x2f) {
        f->state = ST_ESC_INTER;
        if (f->n_seq < sizeof(f->seq) - 1)
            f->seq[f->n_seq++] = (char) c;
    } else if (was == ST_ESC && c == '[') {
        f->state = ST_CSI;
        f->n_seq = 0;
    } else if (was == ST_ESC && c == ']') {
        osc_begin(f);
    } else if (was == ST_ESC && (c == 'P' || c == 'X' || c == '^' || c == '_')) {
        string_begin(f);
    } else if (c >= 0x30 && c <= 0x7e) {
        esc(f, (char) c, out);
    }
}

/* U+009C, which is C2 9C and nothing else in UTF-8. The byte before is kept in utf8[0], unused inside strings. */
static bool string_terminator(struct screen_filter *f, uint8_t c)
{
    bool st = c == 0x9c && f->utf8[0] == 0xc2;

    f->utf8[0] = c;
    return st;
}

/* One byte. True: the alternate screen was switched. */
static bool byte(struct screen_filter *f, uint8_t c, struct buf *out, size_t *switch_at)
{
    if (f->utf8_need > 0 && utf8_more(f, c, out))
        return false;
    if (f->state == ST_GROUND) {
        ground(f, c, out);
        return false;
    }
    if (c == 0x18 || c == 0x1a) { /* CAN, SUB end whatever it is */
        f->state = ST_GROUND;
        return false;
    }
    if (c == 0x1b) {
        f->state = f->state == ST_OSC ? ST_OSC_ESC : f->state == ST_STRING ? ST_STRING_ESC : ST_ESC;
        if (f->state == ST_ESC)
            f->n_seq = 0;
        return false;
    }
    switch (f->state) {
    case ST_OSC_ESC:
    case ST_STRING_ESC:
        if (c == '\\') {
            if (f->state == ST_OSC_ESC && f->osc_title)
                title_done(f);
            f->state = ST_GROUND;
            return false;
        }
        f->n_seq = 0;
        f->state = ST_ESC;
        return byte(f, c, out, switch_at);
    case ST_OSC:
        if (c == 0x07) {
            if (f->osc_title)
                title_done(f);
            f->state = ST_GROUND;
        } else if (string_terminator(f, c)) {
            if (f->osc_title)
                title_done(f);
            f->state = ST_GROUND;
        } else {
            osc_byte(f, c);
        }
        return false;
    case ST_STRING:
        if (string_terminator(f, c))
            f->state = ST_GROUND;
        return false;
    default: break;
    }
    if (c < 0x20) {
        control(f, c, out); /* controls act at once, also inside a sequence */
        return false;
    }
    if (c >= 0x80) { /* no sequence has such bytes: give it up, the character counts */
        f->state = ST_GROUND;
        ground(f, c, out);
        return false;
    }
    if (f->state == ST_ESC || f->state == ST_ESC_INTER) {
        escape(f, c, out);
    } else if (c >= 0x40 && c <= 0x7e) {
        bool skip = f->state == ST_CSI_SKIP;

        f->state = ST_GROUND;
        return !skip && csi(f, (char) c, out, switch_at);
    } else if (f->state == ST_CSI && c != 0x7f) {
        if (f->n_seq == sizeof(f->seq) - 1)
            f->state = ST_CSI_SKIP;
        else
            f->seq[f->n_seq++] = (char) c;
    }
    return false;
}

bool screen_filter_feed(struct screen_filter *f, struct span *in, struct buf *out, size_t *ret_switch_at)
{
    while (in->n > 0) {
        uint8_t c = in->p[0];

        *in = span_of(in->p + 1, in->n - 1);
        if (byte(f, c, out, ret_switch_at))
            return true;
    }
    return false;
}

void screen_filter_all(struct screen_filter *f, struct span in, struct buf *out)
{
    size_t at;

    while (screen_filter_feed(f, &in, out, &at))
        ;
}
