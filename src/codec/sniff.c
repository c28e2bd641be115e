#include "codec/sniff.h"

#include "base/num.h"
#include "codec/tar_read.h"
#include "codec/timing.h"
#include "codec/tlog.h"
#include "codec/ttyrec.h"

enum {
    W_START,
    W_MAGIC,  /* in "ALiS" */
    W_ARRAY,  /* after '[' */
    W_TEXT,   /* after '["' */
    W_NAME,   /* in the outer object, before a name */
    W_COLON,  /* in or after a name */
    W_VALUE,  /* before a value */
    W_SCALAR, /* in a number, literal or string */
    W_NESTED, /* in an array or object */
};

void sniff_init(struct sniff *s)
{
    *s = (struct sniff){ .format = SNIFF_MORE, .version = -1 };
}

static void refuse(struct sniff *s, const char *why)
{
    s->format = SNIFF_REFUSED;
    s->refusal = why;
}

static bool white(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void word_add(struct sniff *s, uint8_t c)
{
    if (s->n_word < sizeof(s->word) - 2)
        s->word[s->n_word++] = (char) c;
    else
        s->word[sizeof(s->word) - 3] = '\n'; /* too long to be any of ours */
}

static bool key_is(const struct sniff *s, const char *key)
{
    return strcmp(s->key, key) == 0;
}

/* The outer object is complete. */
static void object_ended(struct sniff *s)
{
    if (s->format != SNIFF_MORE)
        return;
    if (s->posthog && !s->type)
        s->format = SNIFF_POSTHOG;
    else if (s->in_array)
        s->format = SNIFF_RRWEB_ARRAY;
    else if (s->ver && s->rec && s->timing)
        s->format = SNIFF_TLOG;
    else if (s->type && (s->data || s->timestamp))
        s->format = SNIFF_RRWEB_LINES;
    else if (s->version == 2)
        s->format = SNIFF_CAST_V2;
    else if (s->version == 3)
        s->format = SNIFF_CAST_V3;
    else if (s->version == 1 && s->segments)
        refuse(s, "an index of segments of asciinema-player is no recording; import the segments' files");
    else if (s->version == 1)
        refuse(s, "asciicast v1 without a list 'stdout'");
    else if (s->version >= 0)
        refuse(s, "an asciicast version that is not 1, 2 or 3");
    else if (s->sentry)
        s->format = SNIFF_SENTRY;
    else
        refuse(s, "unknown format; " SNIFF_KNOWN);
}

/* A value of the outer object begins with c. */
static void value_begins(struct sniff *s, uint8_t c)
{
    if (c == '[' && key_is(s, "stdout")) {
        s->list_at = s->at;
        if (s->version > 1)
            refuse(s, "an asciicast version that is not 1, 2 or 3");
        else
            s->format = SNIFF_CAST_V1;
    } else if (c == '[' && key_is(s, "events")) {
        s->list_at = s->at;
        s->format = SNIFF_RRWEB_LIST;
    }
    s->ver = s->ver || (c == '"' && key_is(s, "ver"));
    s->rec = s->rec || (c == '"' && key_is(s, "rec"));
    s->timing = s->timing || (c == '"' && key_is(s, "timing"));
    s->data = s->data || key_is(s, "data");
    s->segments = s->segments || (c == '[' && key_is(s, "segments"));
    s->posthog = s->posthog || (c == '[' && (key_is(s, "batch") || key_is(s, "snapshots"))) || key_is(s, "result") ||
                 key_is(s, "session_recording") || strncmp(s->key, "snapshot_data_by_", 17) == 0 || (c == '{' && s->dated && key_is(s, "data"));
    s->sentry = s->sentry || key_is(s, "event_id") || key_is(s, "sent_at") || key_is(s, "dsn");
}

/* In an array it is enough: events of rrweb may be large. */
static void take_type(struct sniff *s, struct span w)
{
    int64_t v;

    s->type = num_i64(w, &v) && v >= 0;
    if (s->type && s->in_array)
        s->format = SNIFF_RRWEB_ARRAY;
}

/* A simple value is complete: its text is in word, strings with their first quote. */
static void scalar_ended(struct sniff *s)
{
    struct span w = span_of(s->word, s->n_word);
    int64_t v;

    if (key_is(s, "version") && num_i64(w, &v) && v >= 0)
        s->version = v;
    else if (key_is(s, "version"))
        s->dated = w.n > 0 && w.p[0] == '"';
    else if (key_is(s, "type"))
        take_type(s, w);
    else if (key_is(s, "window_id") || key_is(s, "windowId"))
        s->posthog = true;
    else if (key_is(s, "timestamp"))
        s->timestamp = w.n > 0 && w.p[0] != '"';
    else if (key_is(s, "event"))
        s->posthog = s->posthog || span_eq_str(w, "\"$snapshot");
}

static void structure(struct sniff *s, uint8_t c)
{
    if (c == '}') {
        object_ended(s);
    } else if (c == ',') {
        s->where = W_NAME;
    } else if (c == '"' && s->where == W_NAME) {
        s->in_string = true;
        s->n_word = 0;
        s->where = W_COLON;
    } else if (c == ':' && s->where == W_COLON) {
        memcpy(s->key, s->word, s->n_word);
        s->key[s->n_word] = '\0';
        s->n_word = 0;
        s->where = W_VALUE;
    } else if (s->where == W_VALUE) {
        value_begins(s, c);
        s->where = c == '[' || c == '{' ? W_NESTED : W_SCALAR;
        s->in_string = c == '"';
        s->depth = 1;
        word_add(s, c);
    } else {
        refuse(s, "no JSON and no known format; " SNIFF_KNOWN);
    }
}

static void byte(struct sniff *s, uint8_t c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        if (s->in_string && s->where != W_NESTED)
            word_add(s, c);
        return;
    }
    if (s->where == W_NESTED) {
        if (c == '"')
            s->in_string = true;
        else if (c == '[' || c == '{')
            s->depth++;
        else if ((c == ']' || c == '}') && --s->depth == 0)
            s->where = W_SCALAR;
        return;
    }
    if (s->where == W_SCALAR) {
        if (c == ',' || c == '}') {
            scalar_ended(s);
            structure(s, c);
        } else if (!white(c)) {
            word_add(s, c);
        }
        return;
    }
    if (!white(c))
        structure(s, c);
}

static void beginning(struct sniff *s, uint8_t c)
{
    if (s->where == W_MAGIC) {
        if (c != (uint8_t) "ALiS\001"[s->at])
            refuse(s, "unknown format; " SNIFF_KNOWN);
        else if (s->at == 4)
            refuse(s, "ALiS streams are not taken yet; " SNIFF_KNOWN);
    } else if (s->where == W_ARRAY) {
        s->in_array = true;
        if (c == '{')
            s->where = W_NAME;
        else if (c == '"')
            s->where = W_TEXT;
        else if (c == ']')
            s->format = SNIFF_RRWEB_ARRAY;
        else if (c == '[')
            s->format = SNIFF_SENTRY;
        else if (c == '-' || (c >= '0' && c <= '9'))
            refuse(s, "asciicast events without their header line");
        else
            refuse(s, "unknown format; " SNIFF_KNOWN);
    } else if (s->where == W_TEXT) { /* packed events begin with zlib's 'x', or are JSON; a window's id with a digit */
        s->format = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ? SNIFF_POSTHOG : SNIFF_RRWEB_ARRAY;
    } else if (c == '[') {
        s->where = W_ARRAY;
    } else if (c == '{') {
        s->where = W_NAME;
    } else if (c == '"') {
        s->format = SNIFF_RRWEB_LINES; /* packed events */
    } else if (c == 0xef || c == 0xff || c == 0xfe || c == 0) {
        refuse(s, "not UTF-8 without a byte order mark; " SNIFF_KNOWN);
    } else if (c == 'A' && s->at == 0) {
        s->where = W_MAGIC;
    } else {
        refuse(s, "unknown format; " SNIFF_KNOWN);
    }
}

enum sniff_format sniff_feed(struct sniff *s, struct span in)
{
    for (size_t i = 0; i < in.n && s->format == SNIFF_MORE; i++) {
        uint8_t c = in.p[i];

        if (s->where <= W_TEXT) {
            if (!white(c) || s->where == W_MAGIC || s->where == W_TEXT)
                beginning(s, c);
        } else {
            byte(s, c);
        }
        s->at++;
    }
    return s->format;
}

/* ---- what is no JSON */

/* Text of a terminal: printable, white space, escape sequences. */
static bool plain_text(struct span first)
{
    for (size_t i = 0; i < first.n && i < 512; i++)
        if (first.p[i] == 0)
            return false;
    return first.n > 0;
}

static const char *text_refusal(struct span first, bool whole)
{
    switch (timing_sniff(first, whole)) {
    case TIMING_SUDO: return "sudo's timing file alone; import the session's whole directory, as a tar or with keyhole import";
    case TIMING_CLASSIC:
    case TIMING_ADVANCED:
        return "a timing file of script alone; import it together with its typescript, as a tar or with keyhole import";
    case TIMING_NONE: break;
    }
    if (span_starts(first, "Script started on "))
        return "a typescript alone has no times; import it together with its timing file, as a tar or with keyhole import";
    if (plain_text(first))
        return "unknown format: plain text, or a terminal's output without its times; " SNIFF_KNOWN;
    return "unknown format; " SNIFF_KNOWN;
}

/* JSON, or what sniff_feed has words for. */
static bool for_json(struct span first)
{
    size_t at = 0;

    while (at < first.n && white(first.p[at]))
        at++;
    if (at == first.n)
        return true;
    return strchr("{[\"", first.p[at]) != NULL || first.p[at] == 0xef || first.p[at] >= 0xfe || span_starts(first, "ALiS");
}

enum sniff_format sniff_bytes(struct span first, bool whole, bool *ret_wait, const char **ret_refusal)
{
    struct span block = span_sub(first, 0, TAR_BLOCK);
    bool full = whole || first.n >= SNIFF_WINDOW;
    int header;

    *ret_wait = false;
    if (tar_sniff(block))
        return SNIFF_TAR;
    if (tlog_sniff_journal(block))
        return SNIFF_JOURNAL;
    first = span_sub(first, 0, SNIFF_WINDOW);
    header = first.n > 0 && first.p[0] != 0x1f ? ttyrec_sniff(first, whole) : 0;
    if (header != 0) {
        *ret_wait = !full;
        return header == 12 ? SNIFF_TTYREC_12 : SNIFF_TTYREC_13;
    }
    if (for_json(block)) {
        *ret_wait = !full && memchr(block.p, 0, block.n) != NULL; /* in JSON there is no NUL, in each header of a ttyrec there is */
        return SNIFF_MORE;
    }
    *ret_wait = !full;
    *ret_refusal = text_refusal(first, whole);
    return SNIFF_REFUSED;
}

enum sniff_format sniff_decide(struct sniff *s)
{
    if (s->format != SNIFF_MORE)
        return s->format;
    s->empty = s->where == W_START;
    if (s->empty)
        refuse(s, "there is nothing in it");
    else if (s->where == W_MAGIC)
        refuse(s, "unknown format; " SNIFF_KNOWN);
    else if (s->where == W_ARRAY || s->where == W_TEXT || (s->in_array && !s->posthog))
        s->format = SNIFF_RRWEB_ARRAY; /* cut: the reader says where */
    else if (s->posthog && !s->type)
        s->format = SNIFF_POSTHOG;
    else if (s->version == 1)
        s->format = SNIFF_CAST_V1;
    else if (s->ver && s->rec && s->timing)
        s->format = SNIFF_TLOG;
    else if (s->data || s->type)
        s->format = SNIFF_RRWEB_LINES;
    else
        object_ended(s);
    return s->format;
}
