/* Members of a request that reach beyond one person and one window: who else watches, what may be added later, which
 * grant it belongs to, and break-glass (STANDARDS 2.1, 2.5). */
#include "access/request_read.h"
#include "codec/jcs.h"

#include <stdlib.h>

bool request_is_empty(struct tree t)
{
    bool v = false;

    switch (t.tag) {
    case TREE_NULL: return true;
    case TREE_BOOL: (void) tree_bool(t, &v); return !v;
    case TREE_STR:
    case TREE_ARR:
    case TREE_OBJ: return t.payload.n == 0;
    case TREE_INT:
    case TREE_NUM: return false;
    }
    return false;
}

const char *request_same_name(enum request_same s)
{
    switch (s) {
    case REQUEST_SAME_NONE: return "";
    case REQUEST_SAME_SESSION: return "session";
    case REQUEST_SAME_SUBJECT: return "subject";
    case REQUEST_SAME_LINK: return "link";
    }
    return "";
}

bool request_same_parse(struct span s, enum request_same *ret)
{
    static const enum request_same all[] = { REQUEST_SAME_SESSION, REQUEST_SAME_SUBJECT, REQUEST_SAME_LINK };

    for (size_t i = 0; i < 3; i++) {
        if (span_eq_str(s, request_same_name(all[i]))) {
            *ret = all[i];
            return true;
        }
    }
    return false;
}

/* ---- viewers ---- */

static void read_viewers(struct request_reader *p)
{
    struct tree list, item;
    struct span *who, at;
    size_t n, n_others = 0;

    if (!tree_get(p->body, "viewers", &list) || request_is_empty(list))
        return;
    n = list.tag == TREE_ARR ? tree_count(list) : 0;
    if (list.tag != TREE_ARR || n > REQUEST_VIEWERS_MAX) {
        field_error_add(p->errs, list.tag == TREE_ARR ? FIELD_TOO_LONG : FIELD_TYPE,
                        list.tag == TREE_ARR ? REQUEST_VIEWERS_MAX : FIELD_NO_LIMIT,
                        list.tag == TREE_ARR ? (int64_t) n : FIELD_NO_LIMIT, "a list of at most 8 people", "/viewers");
        return;
    }
    who = arena_alloc(p->arena, n * sizeof(*who));
    if (who == NULL) {
        p->errs->seen++;
        return;
    }
    at = list.payload;
    for (size_t i = 0; tree_next(&at, &item); i++) {
        struct span s;

        if (!tree_str(item, &s) || s.n == 0)
            field_error_add(p->errs, item.tag == TREE_STR ? FIELD_TOO_SHORT : FIELD_TYPE, FIELD_NO_LIMIT,
                            FIELD_NO_LIMIT, "an id or a name", "/viewers/%zu", i);
        else if (!span_eq(s, p->requester))
            who[n_others++] = s;
    }
    /* The requester is one of the eight, named or not. */
    if (n_others > REQUEST_VIEWERS_MAX - 1)
        field_error_add(p->errs, FIELD_TOO_LONG, REQUEST_VIEWERS_MAX, (int64_t) n_others + 1,
                        "people who watch, the requester included", "/viewers");
    p->req->viewers = who;
    p->req->n_viewers = n_others;
}

static int by_bytes(const void *a, const void *b)
{
    return span_cmp(*(const struct span *) a, *(const struct span *) b);
}

void request_set_viewers(struct request *req, struct span requester, struct span *ids, struct field_errors *errs)
{
    if (req->n_viewers > 1)
        qsort(ids, req->n_viewers, sizeof(*ids), by_bytes);
    for (size_t i = 0; i < req->n_viewers; i++) {
        if (span_eq(ids[i], requester) || (i > 0 && span_eq(ids[i], ids[i - 1])))
            field_error_add(errs, FIELD_DUPLICATE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "somebody is named twice",
                            "/viewers");
    }
    req->viewers = ids;
}

/* ---- what is decided beforehand ---- */

/* An object that is there and not empty. */
static bool object(struct request_reader *p, const char *key, const char *at, const char *say, struct tree *ret)
{
    if (!tree_get(p->body, key, ret) || request_is_empty(*ret))
        return false;
    if (ret->tag != TREE_OBJ)
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, say, "%s", at);
    return ret->tag == TREE_OBJ;
}

static void read_more(struct request_reader *p)
{
    static const char *const known[] = { "same", "max", NULL };
    struct span word = SPAN_EMPTY;
    struct tree obj, t;
    int64_t max = 0;

    if (!object(p, "more", "/more", "an object with same and max", &obj))
        return;
    request_only(p, obj, known, "/more");
    if (!request_member(obj, "same", &t))
        request_missing(p, "/more/same");
    else if (!tree_str(t, &word) || !request_same_parse(word, &p->req->more_same))
        field_error_add(p->errs, t.tag == TREE_STR ? FIELD_NOT_ONE_OF : FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                        "session, subject or link", "/more/same");
    if (!request_member(obj, "max", &t))
        request_missing(p, "/more/max");
    else
        (void) request_number(p, obj, "max", 0, REQUEST_MORE_MAX, "/more/max", &max);
    p->req->more_max = (unsigned) max;
    if (max == 0)
        p->req->more_same = REQUEST_SAME_NONE;
}

static void read_more_time(struct request_reader *p)
{
    static const char *const known[] = { "times", "each_s", NULL };
    int64_t times = 0, each = 0;
    struct tree obj, t;

    if (!object(p, "more_time", "/more_time", "an object with times and each_s", &obj))
        return;
    request_only(p, obj, known, "/more_time");
    if (!request_member(obj, "times", &t))
        request_missing(p, "/more_time/times");
    else
        (void) request_number(p, obj, "times", 0, REQUEST_TIMES_MAX, "/more_time/times", &times);
    if (!request_member(obj, "each_s", &t))
        request_missing(p, "/more_time/each_s");
    else
        (void) request_number(p, obj, "each_s", 1, JCS_INT_MAX / 1000, "/more_time/each_s", &each);
    p->req->more_times = (unsigned) times;
    p->req->more_each_s = times == 0 ? 0 : each;
}

/* ---- what it belongs to ---- */

static void conflict(struct request_reader *p, bool is, const char *say, const char *at)
{
    if (is)
        field_error_add(p->errs, FIELD_CONFLICT, FIELD_NO_LIMIT, FIELD_NO_LIMIT, say, "%s", at);
}

static void read_extends(struct request_reader *p)
{
    struct tree t;

    if (!tree_get(p->body, "extends", &t) || request_is_empty(t))
        return;
    if (!tree_str(t, &p->req->extends) || !id_check(p->req->extends, ID_GRANT)) {
        field_error_add(p->errs, t.tag == TREE_STR ? FIELD_PATTERN : FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                        "an id that begins with g_", "/extends");
        return;
    }
    /* It goes on where the other ends: there is nothing to wait for, and nobody else to bring. */
    conflict(p, p->req->start != GRANT_START_APPROVAL, "a request that prolongs begins when it is approved", "/start");
    conflict(p, p->req->n_viewers > 0, "each prolongs their own", "/viewers");
}

static void read_break_glass(struct request_reader *p)
{
    static const char *const known[] = { "incident", "reason", NULL };
    struct request *req = p->req;
    struct tree obj;

    if (!object(p, "break_glass", "/break_glass", "an object with incident and reason", &obj))
        return;
    req->break_glass = true;
    request_only(p, obj, known, "/break_glass");
    request_text(p, obj, "incident", REQUEST_INCIDENT_MAX, "/break_glass/incident", &req->incident);
    request_text(p, obj, "reason", REQUEST_REASON_MAX, "/break_glass/reason", &req->urgent);
    req->incident = span_trim(req->incident);
    if (req->incident.n == 0)
        request_missing(p, "/break_glass/incident");
    if (request_reason_len(req->urgent) < REQUEST_URGENT_MIN && !p->check)
        field_error_add(p->errs, req->urgent.n == 0 ? FIELD_MISSING : FIELD_TOO_SHORT, REQUEST_URGENT_MIN,
                        (int64_t) request_reason_len(req->urgent), NULL, "/break_glass/reason");
    conflict(p, req->start != GRANT_START_APPROVAL, "break-glass begins at once", "/start");
    conflict(p, req->n_viewers > 0, "break-glass is for one person", "/viewers");
    conflict(p, req->more_max > 0, "break-glass is for what it names", "/more");
    conflict(p, req->more_times > 0, "break-glass is not prolonged", "/more_time");
    conflict(p, req->extends.n > 0, "break-glass prolongs nothing", "/extends");
}

void request_read_beyond(struct request_reader *p)
{
    read_viewers(p);
    read_more(p);
    read_more_time(p);
    read_extends(p);
    read_break_glass(p);
}
