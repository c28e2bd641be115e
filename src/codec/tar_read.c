#include "codec/tar_read.h"

/* POSIX.1-1988 and 2001 (pax), and GNU's long names. */

#define SIZE_MAX_53 (1ull << 53)
#define PAX_MAX     65536

enum { K_FILE, K_SKIP, K_LONG_NAME, K_PAX };

static uint64_t octal(struct span s)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.n && v < SIZE_MAX_53; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '7')
            v = v * 8 + (uint64_t) (s.p[i] - '0');
        else if (s.p[i] != ' ' || v > 0)
            break;
    }
    return v;
}

/* Octal text, or GNU's binary form for what is larger than 8 GiB. */
static uint64_t number(struct span s)
{
    uint64_t v = 0;

    if (s.p[0] != 0x80)
        return octal(s);
    for (size_t i = 1; i < s.n; i++) {
        if (v >= SIZE_MAX_53 / 256)
            return SIZE_MAX_53;
        v = v * 256 + s.p[i];
    }
    return v;
}

static bool checksum_good(const uint8_t *b)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : b[i];
    return octal(span_of(b + 148, 8)) == sum;
}

bool tar_sniff(struct span first)
{
    return first.n >= TAR_BLOCK && first.p[0] != 0 && checksum_good(first.p);
}

void tar_read_init(struct tar_read *t)
{
    *t = (struct tar_read){ .kind = K_SKIP };
    buf_init(&t->name, TAR_NAME_MAX);
    buf_init(&t->pax, PAX_MAX);
}

void tar_read_deinit(struct tar_read *t)
{
    buf_deinit(&t->name);
    buf_deinit(&t->pax);
}

/* ---- headers */

static struct span field(const uint8_t *b, size_t at, size_t n)
{
    const uint8_t *end = memchr(b + at, 0, n);

    return span_of(b + at, end != NULL ? (size_t) (end - (b + at)) : n);
}

static enum err over_limit(struct tar_read *t, const char *limit, uint64_t value, const char *what, struct err_info *reterr)
{
    t->limit = limit;
    t->limit_value = value;
    return ERR_RAISE(reterr, ERR_LIMIT, "%s than %llu", what, (unsigned long long) value);
}

static bool decimal(struct span s, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v < SIZE_MAX_53 ? v * 10 + (uint64_t) (s.p[i] - '0') : SIZE_MAX_53;
    }
    *ret = v;
    return s.n > 0;
}

/* Records "length key=value\n": path and size are ours. */
static enum err read_pax(struct tar_read *t, struct err_info *reterr)
{
    struct span s = buf_span(&t->pax);

    while (s.n > 0) {
        struct span len, rest, key, value;
        uint64_t n;

        if (!span_cut(s, ' ', &len, &rest) || !decimal(len, &n) || n <= len.n + 2 || n > s.n)
            return ERR_RAISE(reterr, ERR_CORRUPT, "a pax record of the tar that is broken");
        rest = span_sub(s, len.n + 1, (size_t) n - len.n - 2);
        s = span_sub(s, (size_t) n, s.n);
        if (!span_cut(rest, '=', &key, &value))
            return ERR_RAISE(reterr, ERR_CORRUPT, "a pax record of the tar that is broken");
        if (span_eq_str(key, "path")) {
            buf_reset(&t->name);
            buf_add_span(&t->name, value);
        } else if (span_eq_str(key, "size")) {
            if (!decimal(value, &t->next_size))
                return ERR_RAISE(reterr, ERR_CORRUPT, "a pax record of the tar that is broken");
            t->have_size = true;
        }
    }
    return ERR_OK;
}

static struct span last_part(struct span name)
{
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == '/')
            return span_sub(name, i, name.n);
    return name;
}

static enum err begin_file(struct tar_read *t, struct err_info *reterr)
{
    struct span name = t->name.n > 0 ? buf_span(&t->name) : field(t->block, 0, 100);

    t->kind = K_FILE;
    if (t->name.failed)
        return over_limit(t, "tar-name", TAR_NAME_MAX, "a name in the tar of more bytes", reterr);
    return t->on_file(t->ctx, last_part(name), t->left, reterr);
}

static enum err header(struct tar_read *t, struct err_info *reterr)
{
    const uint8_t *b = t->block;
    uint8_t type = b[156];

    if (b[0] == 0) { /* the end: two blocks of zeros, of which one is enough */
        t->ended = true;
        return ERR_OK;
    }
    if (!checksum_good(b))
        return ERR_RAISE(reterr, ERR_CORRUPT, "a header of the tar has a wrong checksum");
    if (++t->n_members > TAR_MEMBERS_MAX)
        return over_limit(t, "tar-members", TAR_MEMBERS_MAX, "more members in the tar", reterr);
    t->left = number(span_of(b + 124, 12));
    if (t->have_size && (type == '0' || type == 0 || type == '7'))
        t->left = t->next_size;
    if (t->left >= SIZE_MAX_53)
        return ERR_RAISE(reterr, ERR_CORRUPT, "a member of the tar with an impossible size");
    t->pad = (TAR_BLOCK - t->left % TAR_BLOCK) % TAR_BLOCK;
    t->kind = K_SKIP;
    if (type == 'L' || type == 'x') {
        t->kind = type == 'L' ? K_LONG_NAME : K_PAX;
        buf_reset(type == 'L' ? &t->name : &t->pax);
    } else if (type == '0' || type == 0 || type == '7') {
        TRY(begin_file(t, reterr));
    } else if (type >= '1' && type <= '6' && type != '5') {
        t->left = t->pad = 0; /* links and devices have no bytes, whatever is said */
    }
    return ERR_OK;
}

/* ---- bytes */

static enum err member_bytes(struct tar_read *t, struct span s, struct err_info *reterr)
{
    switch (t->kind) {
    case K_FILE: return t->on_bytes(t->ctx, s, reterr);
    case K_LONG_NAME: buf_add_span(&t->name, s); break;
    case K_PAX: buf_add_span(&t->pax, s); break;
    default: break;
    }
    return ERR_OK;
}

/* A member is complete. Names and sizes of extensions hold for the member that follows, and no longer. */
static enum err member_over(struct tar_read *t, struct err_info *reterr)
{
    int kind = t->kind;

    t->kind = K_SKIP;
    if (kind == K_LONG_NAME) {
        while (t->name.n > 0 && t->name.p[t->name.n - 1] == 0)
            t->name.n--;
        return ERR_OK;
    }
    if (kind == K_PAX) {
        if (t->pax.failed)
            return over_limit(t, "tar-pax", PAX_MAX, "a pax header in the tar of more bytes", reterr);
        return read_pax(t, reterr);
    }
    buf_reset(&t->name);
    t->have_size = false;
    return kind == K_FILE ? t->on_end(t->ctx, reterr) : ERR_OK;
}

static enum err block_byte(struct tar_read *t, struct span *in, struct err_info *reterr)
{
    struct span part = span_sub(*in, 0, TAR_BLOCK - t->n_block);

    memcpy(t->block + t->n_block, part.p, part.n);
    t->n_block += part.n;
    *in = span_sub(*in, part.n, in->n);
    if (t->n_block < TAR_BLOCK)
        return ERR_OK;
    t->n_block = 0;
    TRY(header(t, reterr));
    return t->left == 0 && !t->ended ? member_over(t, reterr) : ERR_OK;
}

enum err tar_read_feed(struct tar_read *t, struct span in, struct err_info *reterr)
{
    while (in.n > 0 && !t->ended) {
        size_t had = in.n;
        struct span part;

        if (t->left > 0) {
            part = span_sub(in, 0, t->left < in.n ? (size_t) t->left : in.n);
            in = span_sub(in, part.n, in.n);
            t->left -= part.n;
            TRY(member_bytes(t, part, reterr));
            if (t->left == 0)
                TRY(member_over(t, reterr));
        } else if (t->pad > 0) {
            part = span_sub(in, 0, (size_t) t->pad);
            in = span_sub(in, part.n, in.n);
            t->pad -= part.n;
        } else {
            TRY(block_byte(t, &in, reterr));
        }
        t->offset += had - in.n;
    }
    return ERR_OK; /* after the end tar pads to its own record size; nobody reads that */
}

enum err tar_read_finish(struct tar_read *t, struct err_info *reterr)
{
    if (t->left > 0 || t->n_block > 0)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the tar ends inside a member");
    return ERR_OK;
}
