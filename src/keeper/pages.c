#include "keeper/pages.h"

static void check_names(struct job *c, const char *const *known, size_t n_known)
{
    struct tree child;

    for (struct span at = c->query.payload; c->query.tag == TREE_OBJ && tree_next(&at, &child);) {
        bool ok = span_eq_str(child.key, "limit") || span_eq_str(child.key, "cursor");

        for (size_t i = 0; i < n_known && !ok; i++)
            ok = span_eq_str(child.key, known[i]);
        if (!ok)
            body_bad(&c->body, "?", "", FIELD_UNKNOWN);
    }
}

static void add_part(struct buf *b, struct span s)
{
    buf_lp4(b, s);
}

void pages_begin(struct job *c, struct pages *p, int64_t limit, int64_t limit_max, const char *const *known,
                 size_t n_known)
{
    struct span cursor;

    *p = (struct pages){ .name = BUF_INIT(64U << 10) };
    check_names(c, known, n_known);
    (void) body_query_int(&c->body, c->query, "limit", 1, limit_max, &limit);
    p->page.limit = (uint32_t) limit;
    add_part(&p->name, span_str(c->route->name));
    add_part(&p->name, c->me != NULL ? c->me->id : SPAN_EMPTY);
    for (size_t i = 0; i < n_known; i++) {
        struct span v = SPAN_EMPTY;

        (void) tree_get_str(c->query, known[i], &v);
        add_part(&p->name, v);
    }
    if (tree_get_str(c->query, "cursor", &cursor) && cursor.n > 0 &&
        !meta_cursor_read(c->core->cursor_key, buf_span(&p->name), cursor, &p->page.after))
        body_bad(&c->body, "?", "cursor", FIELD_PATTERN);
}

struct jsonw *pages_items(struct job *c)
{
    struct jsonw *w = job_json(c, 200);

    jsonw_obj(w);
    jsonw_karr(w, "items");
    return w;
}

void pages_end(struct job *c, struct pages *p, struct meta_pos next)
{
    struct buf text = BUF_INIT(256);

    jsonw_arr_end(&c->w);
    if (meta_pos_end(next)) {
        jsonw_knull(&c->w, "cursor");
    } else {
        meta_cursor_write(c->core->cursor_key, buf_span(&p->name), next, &text);
        jsonw_kstr(&c->w, "cursor", buf_span(&text));
    }
    buf_deinit(&text);
    pages_drop(p);
}

void pages_drop(struct pages *p)
{
    buf_deinit(&p->name);
}
