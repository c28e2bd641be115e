#include "codec/plain.h"

#include "base/utf8.h"

void plain_text(struct buf *out, struct span text)
{
    struct rd r = rd_of(text);

    while (r.n > 0) {
        struct rd at = r;
        uint32_t cp = utf8_read(&at);

        if (at.failed) {
            cp = 0xfffd;
            (void) rd_u8(&r);
        } else {
            r = at;
        }
        if (cp == '\n')
            buf_add_str(out, "\\n");
        else if (utf8_is_control(cp))
            buf_addf(out, cp < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned) cp);
        else
            utf8_add(out, cp);
    }
}

void plain_clock(struct buf *out, int64_t ms, bool tenths)
{
    int64_t s = ms < 0 ? 0 : ms / 1000;

    if (s >= 3600)
        buf_addf(out, "%lld:%02d:%02d", (long long) (s / 3600), (int) (s / 60 % 60), (int) (s % 60));
    else
        buf_addf(out, "%d:%02d", (int) (s / 60), (int) (s % 60));
    if (tenths)
        buf_addf(out, ".%d", ms < 0 ? 0 : (int) (ms % 1000 / 100));
}
