/* Exports of other products: they nest events in ways that no stream tells, so they are read whole (and limited). */
#include "codec/importer_int.h"
#include "codec/posthog.h"
#include "codec/sentry.h"

enum err importer_foreign_feed(struct importer *imp, struct span in)
{
    if (imp->whole.max == 0)
        buf_init(&imp->whole, FOREIGN_UNPACKED_MAX);
    buf_add_span(&imp->whole, in);
    if (imp->whole.failed)
        return importer_fail_limit(imp, 0, FOREIGN_UNPACKED_MAX, "an export of another product is too large", "unpacked-size",
                                   FOREIGN_UNPACKED_MAX);
    return ERR_OK;
}

enum err importer_foreign_events(struct importer *imp, struct buf *ret)
{
    const struct span text = buf_span(&imp->whole);
    const bool envelopes = imp->format == SNIFF_SENTRY && !span_starts(span_trim(text), "[");
    struct foreign f;
    enum err e;

    foreign_init(&f, envelopes ? FOREIGN_SENTRY : FOREIGN_POSTHOG);
    e = envelopes ? sentry_read(&f, text, true, UNPACK_IDENTITY) : posthog_read_export(&f, text);
    if (e == ERR_OK && f.n_events == 0)
        e = foreign_fail(&f, ERR_UNSUPPORTED, FOREIGN_BROKEN, "there is no replay in it");
    if (e == ERR_OK) {
        *ret = f.events;
        f.events = BUF_INIT(0);
    } else if (imp->err.code == ERR_OK) {
        imp->err = f.error;
    }
    foreign_deinit(&f);
    buf_deinit(&imp->whole);
    return e;
}
