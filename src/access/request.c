#include "access/request.h"

#include "access/request_read.h"
#include "base/utf8.h"
#include "codec/jcs.h"

#include <stdlib.h>

static const char *const codes[REQUEST_VERDICT_N_] = {
    [REQUEST_OK] = "ok",
    [REQUEST_INVALID] = "invalid",
    [REQUEST_PARTS_UNSUPPORTED] = "parts-unsupported",
};

const char *request_code(enum request_verdict v)
{
    return v < REQUEST_VERDICT_N_ ? codes[v] : "?";
}

/* --- the reason --------------------------------------------------------------------------------------------------- */

/* White space, and what shows nothing: neither says why somebody wants to look. */
static bool is_blank(uint32_t cp)
{
    return cp == ' ' || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200f) || cp == 0x202f || cp == 0x205f ||
           (cp >= 0x2060 && cp <= 0x2064) || cp == 0x3000 || cp == 0xfeff || cp == 0xad || cp == 0x115f ||
           cp == 0x1160 || cp == 0x3164 || cp == 0xffa0 || cp == 0x2800 || (cp >= 0xfe00 && cp <= 0xfe0f) ||
           (cp >= 0xe0000 && cp <= 0xe0fff) || utf8_is_control(cp);
}

size_t request_reason_len(struct span reason)
{
    struct rd r = rd_of(reason);
    bool gap = false;
    size_t n = 0;

    while (r.n > 0) {
        uint32_t cp = utf8_read(&r);

        if (r.failed)
            return 0;
        if (is_blank(cp)) {
            gap = n > 0;
            continue;
        }
        n += (gap ? 1 : 0) + (utf8_is_wide(cp) ? 2 : 1);
        gap = false;
    }
    return n;
}

/* --- members ------------------------------------------------------------------------------------------------------ */

void request_missing(struct request_reader *p, const char *at)
{
    if (!p->check)
        field_error_add(p->errs, FIELD_MISSING, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "%s", at);
}

bool request_member(struct tree obj, const char *key, struct tree *ret)
{
    return tree_get(obj, key, ret) && ret->tag != TREE_NULL;
}

void request_only(struct request_reader *p, struct tree obj, const char *const *known, const char *at)
{
    struct span it = obj.payload;
    struct tree child;

    while (tree_next(&it, &child)) {
        bool found = false;

        for (size_t i = 0; known[i] != NULL && !found; i++)
            found = span_eq_str(child.key, known[i]);
        if (!found)
            field_error_add(p->errs, FIELD_UNKNOWN, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                            "a member that no request has; its name is not repeated here", "%s", at);
    }
}

static int by_bytes(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = n == 0 ? 0 : memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static void parse_recordings(struct request_reader *p)
{
    struct tree list, item;
    struct span *ids, at;
    size_t n;

    if (!request_member(p->body, "recordings", &list)) {
        field_error_add(p->errs, FIELD_MISSING, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/recordings");
        return;
    }
    if (list.tag != TREE_ARR) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a list of ids", "/recordings");
        return;
    }
    n = tree_count(list);
    if (n == 0 || n > REQUEST_RECORDINGS_MAX) {
        field_error_add(p->errs, n == 0 ? FIELD_TOO_SHORT : FIELD_TOO_LONG, n == 0 ? 1 : REQUEST_RECORDINGS_MAX,
                        (int64_t) n, NULL, "/recordings");
        return;
    }
    ids = arena_alloc(p->arena, n * sizeof(*ids));
    if (ids == NULL) {
        p->errs->seen++;
        return;
    }
    at = list.payload;
    for (size_t i = 0; tree_next(&at, &item); i++) {
        if (!tree_str(item, &ids[i]) || !id_check(ids[i], ID_RECORDING))
            field_error_add(p->errs, item.tag == TREE_STR ? FIELD_PATTERN : FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                            "an id that begins with r_", "/recordings/%zu", i);
        for (size_t j = 0; j < i; j++) {
            if (span_eq(ids[i], ids[j]) && ids[i].n > 0) {
                field_error_add(p->errs, FIELD_DUPLICATE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/recordings/%zu", i);
                break;
            }
        }
    }
    qsort(ids, n, sizeof(*ids), by_bytes);
    p->req->recordings = ids;
    p->req->n_recordings = n;
}

static void parse_actions(struct request_reader *p)
{
    struct tree list, item;
    struct span at, word;
    size_t n;

    if (!request_member(p->body, "actions", &list)) {
        request_missing(p, "/actions");
        p->req->actions = ACTION_BIT(ACTION_PLAY);
        return;
    }
    if (list.tag != TREE_ARR) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a list of words", "/actions");
        return;
    }
    n = tree_count(list);
    if (n == 0 || n > ACTION_N_) {
        field_error_add(p->errs, n == 0 ? FIELD_TOO_SHORT : FIELD_TOO_LONG, n == 0 ? 1 : ACTION_N_, (int64_t) n, NULL,
                        "/actions");
        return;
    }
    at = list.payload;
    for (size_t i = 0; tree_next(&at, &item); i++) {
        enum action a;

        if (!tree_str(item, &word) || !action_parse(word, &a))
            field_error_add(p->errs, item.tag == TREE_STR ? FIELD_NOT_ONE_OF : FIELD_TYPE, FIELD_NO_LIMIT,
                            FIELD_NO_LIMIT, "play, live, unmask or export", "/actions/%zu", i);
        else if ((p->req->actions & ACTION_BIT(a)) != 0)
            field_error_add(p->errs, FIELD_DUPLICATE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/actions/%zu", i);
        else
            p->req->actions |= ACTION_BIT(a);
    }
}

void request_text(struct request_reader *p, struct tree obj, const char *key, size_t max, const char *at, struct span *ret)
{
    struct tree t;

    if (!request_member(obj, key, &t))
        return;
    if (!tree_str(t, ret))
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a text", "%s", at);
    else if (utf8_count(*ret) > max)
        field_error_add(p->errs, FIELD_TOO_LONG, (int64_t) max, (int64_t) utf8_count(*ret), NULL, "%s", at);
    else if (ret->n > 0 && memchr(ret->p, 0, ret->n) != NULL)
        field_error_add(p->errs, FIELD_PATTERN, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "U+0000 is not text", "%s", at);
}

/* Hidden values are seen while playing, by a decision of people. */
static void check_unmask(struct request_reader *p)
{
    const action_mask watch = ACTION_BIT(ACTION_PLAY) | ACTION_BIT(ACTION_LIVE);

    if ((p->req->actions & ACTION_BIT(ACTION_UNMASK)) == 0)
        return;
    if ((p->req->actions & watch) == 0)
        field_error_add(p->errs, FIELD_MISSING, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "unmask goes with play or live", "/actions");
    else if (p->req->break_glass)
        field_error_add(p->errs, FIELD_NOT_ONE_OF, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "break-glass shows no hidden values", "/actions");
}

static void parse_purpose(struct request_reader *p)
{
    static const char *const known[] = { "code", "reason", "ticket", NULL };
    struct tree obj;

    if (!request_member(p->body, "purpose", &obj)) {
        request_missing(p, "/purpose");
        return;
    }
    if (obj.tag != TREE_OBJ) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "an object with code and reason",
                        "/purpose");
        return;
    }
    request_only(p, obj, known, "/purpose");
    request_text(p, obj, "code", REQUEST_PURPOSE_MAX, "/purpose/code", &p->req->purpose);
    request_text(p, obj, "reason", REQUEST_REASON_MAX, "/purpose/reason", &p->req->reason);
    request_text(p, obj, "ticket", REQUEST_TICKET_MAX, "/purpose/ticket", &p->req->ticket);
    if (p->req->purpose.n == 0)
        request_missing(p, "/purpose/code");
}

bool request_number(struct request_reader *p, struct tree obj, const char *key, int64_t min, int64_t max, const char *at,
                    int64_t *ret)
{
    struct tree t;
    int64_t v;

    if (!request_member(obj, key, &t))
        return false;
    if (!tree_int(t, &v)) {
        field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a whole number", "%s", at);
        return false;
    }
    if (v < min || v > max) {
        field_error_add(p->errs, v < min ? FIELD_TOO_SMALL : FIELD_TOO_LARGE, v < min ? min : max, v, NULL, "%s", at);
        return false;
    }
    *ret = v;
    return true;
}

static void parse_start(struct request_reader *p)
{
    struct request *req = p->req;
    struct tree t;
    struct span s;

    req->start = GRANT_START_APPROVAL;
    if (request_member(p->body, "start", &t)) {
        if (!tree_str(t, &s)) {
            field_error_add(p->errs, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "a text", "/start");
        } else if (span_eq_str(s, "first-use")) {
            req->start = GRANT_START_FIRST_USE;
        } else if (!span_eq_str(s, "approval")) {
            req->start = GRANT_START_TIME;
            if (!time_parse_rfc3339(s, &req->start_at))
                field_error_add(p->errs, FIELD_PATTERN, FIELD_NO_LIMIT, FIELD_NO_LIMIT,
                                "approval, first-use or a time as of RFC 3339", "/start");
            else if (req->start_at < p->now - REQUEST_START_PAST_MS)
                field_error_add(p->errs, FIELD_IN_THE_PAST, FIELD_NO_LIMIT, FIELD_NO_LIMIT, NULL, "/start");
            else if (req->start_at > p->now + REQUEST_START_AHEAD_MS)
                field_error_add(p->errs, FIELD_TOO_LARGE, REQUEST_START_AHEAD_MS / 1000,
                                (req->start_at - p->now) / 1000, "at most 30 days ahead", "/start");
        }
    }
    if (request_number(p, p->body, "start_by_s", 1, REQUEST_START_BY_MAX_S, "/start_by_s", &req->start_by_s) &&
        req->start != GRANT_START_FIRST_USE)
        field_error_add(p->errs, FIELD_CONFLICT, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "only with start first-use",
                        "/start_by_s");
}

enum request_verdict request_parse(struct tree body, enum request_purpose purpose, struct span requester, time_ms now,
                                   struct arena *arena, struct request *ret, struct field_errors *ret_errors)
{
    static const char *const known[] = { "recordings", "actions",     "purpose", "duration_s", "start",
                                         "start_by_s", "viewers",     "more",    "more_time",  "parts",
                                         "extends",    "break_glass", NULL };
    struct request req = { 0 };
    struct request_reader p = { body, purpose == REQUEST_TO_CHECK, requester, now, arena, &req, ret_errors };
    struct tree parts;

    *ret_errors = (struct field_errors){ 0 };
    if (body.tag != TREE_OBJ) {
        field_error_add(ret_errors, FIELD_TYPE, FIELD_NO_LIMIT, FIELD_NO_LIMIT, "an object", "%s", "");
        return REQUEST_INVALID;
    }
    request_only(&p, body, known, "");
    parse_recordings(&p);
    parse_actions(&p);
    parse_purpose(&p);
    /* No cap here: the longest window is the policy's, and the refusal names that. */
    if (!request_number(&p, body, "duration_s", 1, JCS_INT_MAX / 1000, "/duration_s", &req.duration_s) &&
        !request_member(body, "duration_s", &(struct tree){ 0 }))
        request_missing(&p, "/duration_s");
    parse_start(&p);
    request_read_beyond(&p);
    check_unmask(&p);
    if (ret_errors->seen > 0)
        return REQUEST_INVALID;
    if (tree_get(body, "parts", &parts) && !request_is_empty(parts))
        return REQUEST_PARTS_UNSUPPORTED;
    *ret = req;
    return REQUEST_OK;
}
