/*
 * asciicast: v1 to v3 imported whole and cut, masked or not; what is stored, written as v2 and as v3 (an export) and imported again, has
 * the same events at the same times.
 */
#include "imported.h"

#include "codec/asciicast_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lines "OWN KEYFRAME EVENT" of imported_run as a file of that version. */
static void written(const struct imported *i, int version, struct buf *out)
{
    struct span rest = buf_span(&i->text), line, word;
    time_us previous = 0;

    (void) span_cut(rest, '\n', &line, &rest);
    MUST(asciicast_write_head(line, version, SPAN_EMPTY, out) == ERR_OK);
    while (rest.n > 0) {
        (void) span_cut(rest, '\n', &line, &rest);
        MUST(span_cut(line, ' ', &word, &line) && span_cut(line, ' ', &word, &line));
        if (version == 3) {
            asciicast_v3_event(line, &previous, out);
        } else {
            buf_add_span(out, line);
            buf_add_c(out, '\n');
        }
    }
}

static bool times_fall(struct span text)
{
    struct span line;
    long long before = 0, at;

    (void) span_cut(text, '\n', &line, &text);
    while (text.n > 0) {
        (void) span_cut(text, '\n', &line, &text);
        at = atoll((const char *) line.p);
        if (at < before)
            return true;
        before = at;
    }
    return false;
}

static struct span events_of(struct span text)
{
    struct span head;

    (void) span_cut(text, '\n', &head, &text);
    return text;
}

static void again(const struct imported *first, int version, struct imported_opts o)
{
    struct buf file = BUF_INIT(64u << 20);
    struct imported second;

    written(first, version, &file);
    MUST(!file.failed);
    o.event_max += 64; /* a time may be written longer */
    imported_run(buf_span(&file), file.n + 1, &o, &second);
    MUST(second.err.code == ERR_OK || first->next == 0);
    if (second.err.code == ERR_OK && !times_fall(buf_span(&first->text)))
        MUST(second.next == first->next && second.seek == first->seek);
    if (second.err.code == ERR_OK && version == 2)
        MUST(span_eq(events_of(buf_span(&first->text)), events_of(buf_span(&second.text))));
    imported_deinit(&second);
    buf_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imported_opts o = imported_opts();
    struct span in = span_sub(span_of(data, size), 1, size);
    struct imported first;

    if (size < 1)
        return 0;
    o.kind = IMPORTER_TERMINAL;
    o.event_max = 65536;
    o.hold_max = 2000;
    o.screens = data[0] & 2;
    o.masked = data[0] & 1;
    (void) imported_both(in, 1 + data[size / 2] % 9, &o);
    if (data[0] & 3)
        return 0;
    imported_run(in, in.n + 1, &o, &first);
    if (first.err.code == ERR_OK) {
        again(&first, 2, o);
        again(&first, 3, o);
    }
    imported_deinit(&first);
    return 0;
}
