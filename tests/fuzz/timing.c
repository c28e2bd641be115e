/* timing: each line by itself in every form, and the form that the whole is taken for. */
#include "imported.h"

#include "codec/timing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void in_form(enum timing_form f, struct span line)
{
    struct err_info e = { .code = ERR_OK };
    struct timing t;
    enum err code = timing_line(f, line, &t, &e);

    MUST(code == ERR_OK || code == ERR_INVAL);
    if (code != ERR_OK) {
        MUST(e.text[0] != '\0');
        return;
    }
    MUST(t.delay >= 0 && t.delay <= (time_us) 1 << 53);
    switch (t.what) {
    case TIMING_OUTPUT:
    case TIMING_INPUT: MUST(t.n <= 1ull << 53 && t.stream < TIMING_STREAMS); break;
    case TIMING_RESIZE: MUST(t.cols >= 1 && t.cols <= 65535 && t.rows >= 1 && t.rows <= 65535); break;
    case TIMING_SIGNAL: MUST(t.name.n <= line.n); break;
    case TIMING_FACT: MUST(t.name.n + t.value.n <= line.n); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), line, rest = in;
    enum timing_form form = timing_sniff(in, true);

    MUST(form <= TIMING_ADVANCED);
    while (rest.n > 0) {
        (void) span_cut(rest, '\n', &line, &rest);
        for (enum timing_form f = TIMING_SUDO; f <= TIMING_ADVANCED; f++)
            in_form(f, line);
    }
    return 0;
}
