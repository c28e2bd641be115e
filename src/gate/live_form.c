#include "gate/live_form.h"

#include <string.h>

#include "base/utf8.h"
#include "codec/batch.h"

static const char *const known[] = { "kind", "title", "subject", "session", "env", "class", "tags", "links", "started_at", "head" };

static void bad(struct field_errors *errs, const char *at, enum field_code code)
{
    field_error_add(errs, code, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "%s", at);
}

static bool too_long(struct field_errors *errs, const char *at, struct span v, size_t max)
{
    const size_t n = utf8_count(v);

    if (n > max)
        field_error_add(errs, FIELD_TOO_LONG, (int64_t) max, (int64_t) n, NULL, "%s", at);
    return n > max;
}

static void text(struct field_errors *errs, struct tree form, const char *name, size_t max, struct span *ret)
{
    struct tree v;
    char at[20] = "/";

    (void) strncat(at, name, sizeof(at) - 2);
    if (!tree_get(form, name, &v) || v.tag == TREE_NULL)
        return;
    if (!tree_str(v, ret))
        bad(errs, at, FIELD_TYPE);
    else if (too_long(errs, at, *ret, max))
        *ret = SPAN_EMPTY;
}

static void take_kind(struct field_errors *errs, struct tree form, struct live_form *f)
{
    struct tree v;

    if (!tree_get(form, "kind", &v) || v.tag == TREE_NULL) {
        bad(errs, "/kind", FIELD_MISSING);
        return;
    }
    if (!tree_str(v, &f->open.kind)) {
        bad(errs, "/kind", FIELD_TYPE);
        return;
    }
    f->kind = span_eq_str(f->open.kind, "terminal") ? IMPORTER_TERMINAL
              : span_eq_str(f->open.kind, "rrweb")  ? IMPORTER_RRWEB
                                                    : IMPORTER_ANY;
    if (f->kind == IMPORTER_ANY)
        bad(errs, "/kind", FIELD_NOT_ONE_OF);
}

static void take_tags(struct field_errors *errs, struct tree form, struct live_form *f)
{
    struct tree tags, v;
    struct span at, value;

    if (!tree_get(form, "tags", &tags) || tags.tag == TREE_NULL)
        return;
    if (tags.tag != TREE_OBJ) {
        bad(errs, "/tags", FIELD_TYPE);
        return;
    }
    for (at = tags.payload; tree_next(&at, &v);) {
        if (f->open.tags.n == UPLOADER_TAGS_MAX) {
            field_error_add(errs, FIELD_TOO_LONG, UPLOADER_TAGS_MAX, (int64_t) tree_count(tags), NULL, "/tags");
            return;
        }
        if (!tree_str(v, &value) || v.key.n == 0)
            bad(errs, "/tags", v.key.n == 0 ? FIELD_TOO_SHORT : FIELD_TYPE);
        else if (!too_long(errs, "/tags", v.key, UPLOADER_WORD_MAX) && !too_long(errs, "/tags", value, UPLOADER_TAG_VALUE_MAX))
            f->tags[f->open.tags.n++] = (struct ipc_row_tag){ v.key, value };
    }
}

/* {"type": …, "id": …} and nothing else. */
static void take_link(struct field_errors *errs, struct tree link, struct live_form *f)
{
    struct span type = SPAN_EMPTY, id = SPAN_EMPTY;

    if (link.tag != TREE_OBJ || !tree_get_str(link, "type", &type) || !tree_get_str(link, "id", &id))
        bad(errs, "/links", FIELD_TYPE);
    else if (tree_count(link) != 2)
        bad(errs, "/links", FIELD_UNKNOWN);
    else if (type.n == 0 || id.n == 0)
        bad(errs, "/links", FIELD_TOO_SHORT);
    else if (!too_long(errs, "/links", type, UPLOADER_LINK_TYPE_MAX) && !too_long(errs, "/links", id, UPLOADER_TAG_VALUE_MAX))
        f->links[f->open.links.n++] = (struct ipc_row_tag){ type, id };
}

static void take_links(struct field_errors *errs, struct tree form, struct live_form *f)
{
    struct tree links, v;
    struct span at;

    if (!tree_get(form, "links", &links) || links.tag == TREE_NULL)
        return;
    if (links.tag != TREE_ARR) {
        bad(errs, "/links", FIELD_TYPE);
        return;
    }
    if (tree_count(links) > UPLOADER_LINKS_MAX) {
        field_error_add(errs, FIELD_TOO_LONG, UPLOADER_LINKS_MAX, (int64_t) tree_count(links), NULL, "/links");
        return;
    }
    for (at = links.payload; tree_next(&at, &v);)
        take_link(errs, v, f);
}

static void take_started(struct field_errors *errs, struct tree form, struct live_form *f)
{
    struct tree v;
    struct span s;

    if (!tree_get(form, "started_at", &v) || v.tag == TREE_NULL)
        return;
    if (!tree_str(v, &s))
        bad(errs, "/started_at", FIELD_TYPE);
    else if (!time_parse_rfc3339(s, &f->open.started_ms))
        bad(errs, "/started_at", FIELD_PATTERN);
}

/* The bytes as they came: a head is content, and kept as it is but for white space. */
static void take_head(struct field_errors *errs, struct span bytes, struct tree form, struct live_form *f)
{
    struct importer_error why = { .code = ERR_OK };
    struct json_value v;
    struct tree head;

    if (!tree_get(form, "head", &head) || head.tag == TREE_NULL)
        return;
    if (head.tag != TREE_OBJ || !json_find(json_value(bytes), "head", &v)) {
        bad(errs, "/head", FIELD_TYPE);
    } else if (v.raw.n > BATCH_HEAD_MAX) {
        field_error_add(errs, FIELD_TOO_LONG, BATCH_HEAD_MAX, (int64_t) v.raw.n, "In bytes.", "/head");
    } else if (f->kind != IMPORTER_ANY && batch_head_check(f->kind, v.raw, &why) != ERR_OK) {
        field_error_add(errs, FIELD_PATTERN, FIELD_NO_LIMIT, FIELD_NO_LIMIT, why.cause, "/head");
    } else {
        f->head = v.raw;
    }
}

static void look_for_others(struct field_errors *errs, struct tree form)
{
    struct span at = form.payload;
    struct tree v;

    while (tree_next(&at, &v)) {
        bool ours = false;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            ours = ours || span_eq_str(v.key, known[i]);
        if (!ours)
            field_error_add(errs, FIELD_UNKNOWN, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "A member that is not known.", "/");
    }
}

bool live_form_read(struct span bytes, struct tree form, struct live_form *ret, struct field_errors *errs)
{
    struct ipc_ingest_open *o = &ret->open;

    memset(ret, 0, sizeof(*ret));
    memset(errs, 0, sizeof(*errs));
    if (form.tag != TREE_OBJ) {
        bad(errs, "/", FIELD_TYPE);
        return false;
    }
    o->tags.rows = ret->tags;
    o->links.rows = ret->links;
    o->live = 1;
    look_for_others(errs, form);
    take_kind(errs, form, ret);
    text(errs, form, "title", UPLOADER_TITLE_MAX, &o->title);
    text(errs, form, "subject", UPLOADER_TITLE_MAX, &o->subject);
    text(errs, form, "session", UPLOADER_TITLE_MAX, &o->session);
    text(errs, form, "env", UPLOADER_WORD_MAX, &o->env);
    text(errs, form, "class", UPLOADER_WORD_MAX, &o->klass);
    take_tags(errs, form, ret);
    take_links(errs, form, ret);
    take_started(errs, form, ret);
    take_head(errs, bytes, form, ret);
    return errs->seen == 0;
}
