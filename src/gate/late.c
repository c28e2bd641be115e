#include "gate/late.h"

#include "crypto/secret.h"
#include "format/khlog.h"
#include "format/zframe.h"

#define MARKS_MAX (64u << 20)
#define LINES_MAX (16u << 20)

void late_init(struct late *l)
{
    buf_init(&l->marks, MARKS_MAX);
}

void late_deinit(struct late *l)
{
    buf_deinit(&l->marks);
}

enum err late_read(struct late *l, struct span frame, struct err_info *reterr)
{
    struct buf lines = BUF_INIT(LINES_MAX);
    enum err e;
    size_t n;

    e = zframe_size(frame, LINES_MAX, &n, reterr);
    if (e == ERR_OK)
        e = zframe_read(frame, n, &lines, reterr);
    if (e == ERR_OK)
        e = intake_late_read(buf_span(&lines), &l->marks, reterr);
    buf_deinit(&lines);
    return e;
}

static const struct intake_late *marks_of(const struct late *l, size_t *ret_n)
{
    *ret_n = l->marks.n / sizeof(struct intake_late);
    return (const struct intake_late *) (const void *) l->marks.p; /* malloc'd, all of one size */
}

void late_sort(struct late *l)
{
    intake_late_sort((struct intake_late *) (void *) l->marks.p, l->marks.n / sizeof(struct intake_late));
}

bool late_any(const struct late *l)
{
    return l->marks.n > 0;
}

enum err late_event(const struct late *l, enum late_which which, uint64_t seq, struct span json, struct buf *out, bool *ret_masked,
                    struct err_info *reterr)
{
    const struct intake_late *all, *own;
    struct buf some = BUF_INIT(MARKS_MAX);
    size_t n;
    enum err e;

    buf_reset(out);
    *ret_masked = false;
    all = marks_of(l, &n);
    own = intake_late_of(all, n, seq, &n);
    if (own == NULL)
        return ERR_OK;
    for (size_t i = 0; i < n; i++)
        if (which == LATE_ALL || !own[i].keep)
            buf_add(&some, &own[i], sizeof(own[i]));
    e = buf_check(&some, reterr);
    if (e == ERR_OK && some.n > 0)
        e = intake_mask_late(json, seq, (const struct intake_late *) (const void *) some.p, some.n / sizeof(*own), out, ret_masked, reterr);
    buf_deinit(&some);
    return e;
}

static bool concerns(const struct late *l, uint64_t first, uint64_t end)
{
    const struct intake_late *m;
    size_t n;

    m = marks_of(l, &n);
    for (size_t i = 0; i < n; i++)
        if (m[i].seq >= first && m[i].seq < end)
            return true;
    return false;
}

static enum err rewrite(const struct late *l, enum late_which which, uint64_t seq, struct span lines, struct buf *out, struct err_info *reterr)
{
    struct buf one = BUF_INIT(LINES_MAX + 64);
    struct span line;
    enum err e = ERR_OK;

    for (; e == ERR_OK && span_cut(lines, '\n', &line, &lines); seq++) {
        bool masked = false;

        if (!span_eq_str(line, "0"))
            e = late_event(l, which, seq, line, &one, &masked, reterr);
        buf_add_span(out, masked ? buf_span(&one) : line);
        buf_add_c(out, '\n');
    }
    if (one.p != NULL)
        secret_wipe(one.p, one.cap);
    buf_deinit(&one);
    return e == ERR_OK ? buf_check(out, reterr) : e;
}

enum err late_lines(const struct late *l, enum late_which which, uint64_t first, struct buf *io, struct err_info *reterr)
{
    struct buf out = BUF_INIT(io->max);
    enum err e;

    if (!concerns(l, first, UINT64_MAX))
        return ERR_OK;
    e = rewrite(l, which, first, buf_span(io), &out, reterr);
    if (e == ERR_OK) {
        struct buf before = *io;

        *io = out;
        out = before;
    }
    if (out.p != NULL)
        secret_wipe(out.p, out.cap);
    buf_deinit(&out);
    return e;
}
