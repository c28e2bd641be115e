#include "format/ipc.h"

enum kind { KIND_U8, KIND_U16, KIND_U32, KIND_U64, KIND_I64, KIND_SPAN, KIND_LIST };

struct layout;

struct field {
    const char *name;
    enum kind kind;
    const struct layout *row; /* of a LIST */
};

struct layout {
    const char *name;
    size_t size;
    const struct field *fields;
    size_t n_fields;
};

/* What every LIST member looks like in memory, whatever its row. */
struct any_list {
    void *rows;
    uint32_t n;
};

#define FIELD(kind_, name_)     { #name_, KIND_##kind_, NULL },
#define LIST_FIELD(row_, name_) { #name_, KIND_LIST, &layout_row_##row_ },
#define IPC_X(NAME, name_)                                                                                             \
    static const struct field fields_row_##name_[] = { IPC_ROW_##NAME(FIELD, LIST_FIELD) };                            \
    static const struct layout layout_row_##name_ = { #name_, sizeof(struct ipc_row_##name_), fields_row_##name_,      \
                                                      sizeof(fields_row_##name_) / sizeof(struct field) };
IPC_ROWS(IPC_X)
#undef IPC_X
#define IPC_X(NAME, name_) static const struct field fields_##name_[] = { IPC_##NAME(FIELD, LIST_FIELD) };
IPC_MESSAGES(IPC_X)
#undef IPC_X

static const struct layout layouts[IPC_T_N_] = {
#define IPC_X(NAME, name_)                                                                                             \
    [IPC_T_##NAME] = { #name_, sizeof(struct ipc_##name_), fields_##name_,                                             \
                       sizeof(fields_##name_) / sizeof(struct field) },
    IPC_MESSAGES(IPC_X)
#undef IPC_X
};

static const struct {
    size_t size, align;
} memory_of[] = {
    [KIND_U8] = { sizeof(uint8_t), _Alignof(uint8_t) },
    [KIND_U16] = { sizeof(uint16_t), _Alignof(uint16_t) },
    [KIND_U32] = { sizeof(uint32_t), _Alignof(uint32_t) },
    [KIND_U64] = { sizeof(uint64_t), _Alignof(uint64_t) },
    [KIND_I64] = { sizeof(int64_t), _Alignof(int64_t) },
    [KIND_SPAN] = { sizeof(struct span), _Alignof(struct span) },
    [KIND_LIST] = { sizeof(struct any_list), _Alignof(struct any_list) },
};

const char *ipc_name(enum ipc_type type)
{
    if (type <= IPC_T_NONE_ || type >= IPC_T_N_)
        return "?";
    return layouts[type].name;
}

size_t ipc_struct_size(enum ipc_type type)
{
    if (type <= IPC_T_NONE_ || type >= IPC_T_N_)
        return 0;
    return layouts[type].size;
}

/* The members lie as C lays them out: each at the next multiple of its alignment. A test holds this against sizeof. */
static size_t place(const struct field *f, size_t *at)
{
    size_t align = memory_of[f->kind].align;
    size_t offset = (*at + align - 1) & ~(align - 1);

    *at = offset + memory_of[f->kind].size;
    return offset;
}

static void encode(const struct layout *l, const void *msg, struct buf *out)
{
    size_t at = 0;

    for (size_t i = 0; i < l->n_fields; i++) {
        const struct field *f = &l->fields[i];
        const void *p = (const char *) msg + place(f, &at);

        switch (f->kind) {
        case KIND_U8: buf_u8(out, *(const uint8_t *) p); break;
        case KIND_U16: buf_u16le(out, *(const uint16_t *) p); break;
        case KIND_U32: buf_u32le(out, *(const uint32_t *) p); break;
        case KIND_U64:
        case KIND_I64: buf_u64le(out, *(const uint64_t *) p); break;
        case KIND_SPAN: buf_lp4(out, *(const struct span *) p); break;
        case KIND_LIST: {
            const struct any_list *list = p;

            buf_u32le(out, list->n);
            for (uint32_t r = 0; r < list->n; r++)
                encode(f->row, (const char *) list->rows + r * f->row->size, out);
            break;
        }
        }
    }
}

void ipc_encode(enum ipc_type type, const void *msg, struct buf *out)
{
    if (type <= IPC_T_NONE_ || type >= IPC_T_N_) {
        out->failed = true;
        return;
    }
    encode(&layouts[type], msg, out);
}

static bool decode(const struct layout *l, struct rd *r, struct arena *rows, void *msg);

static bool decode_list(const struct layout *row, struct rd *r, struct arena *rows, struct any_list *ret)
{
    uint32_t n = rd_u32le(r);

    /* A row takes at least a byte, so a count beyond what is left is a lie and costs no memory. */
    if (r->failed || n > r->n || n > IPC_ROWS_MAX)
        return false;
    ret->n = n;
    ret->rows = n == 0 ? NULL : arena_alloc(rows, n * row->size);
    if (n > 0 && ret->rows == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!decode(row, r, rows, (char *) ret->rows + i * row->size))
            return false;
    }
    return true;
}

static bool decode(const struct layout *l, struct rd *r, struct arena *rows, void *msg)
{
    size_t at = 0;

    for (size_t i = 0; i < l->n_fields; i++) {
        const struct field *f = &l->fields[i];
        void *p = (char *) msg + place(f, &at);

        switch (f->kind) {
        case KIND_U8: *(uint8_t *) p = rd_u8(r); break;
        case KIND_U16: *(uint16_t *) p = rd_u16le(r); break;
        case KIND_U32: *(uint32_t *) p = rd_u32le(r); break;
        case KIND_U64:
        case KIND_I64: *(uint64_t *) p = rd_u64le(r); break;
        case KIND_SPAN: *(struct span *) p = rd_lp4(r); break;
        case KIND_LIST:
            if (!decode_list(f->row, r, rows, p))
                return false;
            break;
        }
    }
    return !r->failed;
}

enum err ipc_decode(enum ipc_type type, struct span body, struct arena *rows, void *ret_msg, struct err_info *reterr)
{
    struct rd r = rd_of(body);

    if (type <= IPC_T_NONE_ || type >= IPC_T_N_)
        return ERR_RAISE(reterr, ERR_CORRUPT, "unknown message type %d", (int) type);
    memset(ret_msg, 0, layouts[type].size);
    if (!decode(&layouts[type], &r, rows, ret_msg) || !rd_done(&r))
        return ERR_RAISE(reterr, ERR_CORRUPT, "message '%s' does not match its layout", layouts[type].name);
    return ERR_OK;
}

size_t ipc_table_size(enum ipc_type type)
{
    const struct layout *l = &layouts[type];
    size_t at = 0, align = 1;

    for (size_t i = 0; i < l->n_fields; i++) {
        (void) place(&l->fields[i], &at);
        if (memory_of[l->fields[i].kind].align > align)
            align = memory_of[l->fields[i].kind].align;
    }
    return (at + align - 1) & ~(align - 1);
}
