/* What an authentic notice says of which ticket. */
#include "format/hook.h"

#include <stdio.h>

static bool is_one_of(struct span s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (span_eq_nocase(s, *words))
            return true;
    }
    return false;
}

/* Words of ticket systems. One that is in neither list says nothing: an unknown word never opens or closes. */
static enum hook_said said_by(struct span word)
{
    static const char *const closed[] = { "closed",   "close",    "resolved", "done",      "completed", "cancelled",
                                          "canceled", "rejected", "declined", "won't-fix", "wontfix",   "deleted",
                                          "merged",   NULL };
    static const char *const open[] = { "open", "opened", "reopened", "reopen", "new", "in-progress", "in_progress",
                                        "in progress", NULL };

    return is_one_of(word, closed) ? HOOK_SAID_CLOSED : is_one_of(word, open) ? HOOK_SAID_OPEN : HOOK_SAID_NOTHING;
}

static void ignore(struct hook_notice *n, const char *why)
{
    *n = (struct hook_notice){ .said = HOOK_SAID_NOTHING, .ignored = why };
}

static void add_ticket(struct hook_notice *n, struct span text, struct arena *arena)
{
    text = span_trim(text);
    if (text.n == 0 || text.n > HOOK_TICKET_MAX || n->n_tickets == HOOK_TICKETS_MAX)
        return;
    text = arena_span(arena, text);
    if (text.p != NULL)
        n->tickets[n->n_tickets++] = text;
}

static struct tree child_of(struct tree obj, const char *key)
{
    struct tree t;

    return tree_get(obj, key, &t) ? t : (struct tree){ .tag = TREE_NULL };
}

static void take_time(struct hook_notice *n, struct tree obj, const char *key)
{
    struct span text;
    time_ms at;

    if (tree_get_str(obj, key, &text) && time_parse_rfc3339(text, &at))
        n->at = at;
}

/* {"ticket": "SHOP-7", "state": "closed"}, by itself or as 'data' of an event whose type may end in the state. */
static void read_standard(struct tree body, struct arena *arena, struct hook_notice *n)
{
    struct tree data = child_of(body, "data");
    struct span ticket = SPAN_EMPTY, state = SPAN_EMPTY, type;
    char number[24];
    int64_t i;

    if (data.tag != TREE_OBJ)
        data = body;
    if (tree_get_int(data, "ticket", &i)) {
        (void) snprintf(number, sizeof(number), "%lld", (long long) i);
        ticket = span_str(number);
    } else {
        (void) tree_get_str(data, "ticket", &ticket);
    }
    if (!tree_get_str(data, "state", &state) && tree_get_str(body, "type", &type)) {
        while (span_cut(type, '.', &state, &type)) /* "ticket.closed": the last word */
            ;
    }
    n->said = said_by(span_trim(state));
    if (n->said == HOOK_SAID_NOTHING) {
        ignore(n, "state");
        return;
    }
    add_ticket(n, ticket, arena);
    take_time(n, body, "timestamp");
    if (n->n_tickets == 0)
        ignore(n, "no-ticket");
}

/* "owner/name#7", "#7" and the address of the issue. */
static void add_spellings(struct hook_notice *n, struct span place, int64_t number, struct span url, struct arena *arena)
{
    char text[HOOK_TICKET_MAX + 32];

    (void) snprintf(text, sizeof(text), "%.*s#%lld", (int) (place.n > HOOK_TICKET_MAX ? HOOK_TICKET_MAX : place.n),
                    (const char *) place.p, (long long) number);
    if (place.n > 0)
        add_ticket(n, span_str(text), arena);
    (void) snprintf(text, sizeof(text), "#%lld", (long long) number);
    add_ticket(n, span_str(text), arena);
    add_ticket(n, url, arena);
}

/* The event's name is a header and not signed, so the body has to look like that event as well. */
static void read_github(const struct hook_delivery *d, struct tree body, struct arena *arena, struct hook_notice *n)
{
    struct tree issue = child_of(body, "issue"), repository = child_of(body, "repository");
    struct span event = SPAN_EMPTY, action = SPAN_EMPTY, place = SPAN_EMPTY, url = SPAN_EMPTY;
    int64_t number;

    for (size_t i = 0; i < d->n_headers; i++) {
        if (span_eq_nocase(d->headers[i].name, "x-github-event"))
            event = span_trim(d->headers[i].value);
    }
    if (!span_eq_str(event, "issues") || issue.tag != TREE_OBJ || child_of(body, "comment").tag != TREE_NULL ||
        child_of(issue, "pull_request").tag != TREE_NULL) {
        ignore(n, "event");
        return;
    }
    (void) tree_get_str(body, "action", &action);
    n->said = span_eq_str(action, "closed") || span_eq_str(action, "deleted") || span_eq_str(action, "transferred")
                  ? HOOK_SAID_CLOSED
              : span_eq_str(action, "opened") || span_eq_str(action, "reopened") ? HOOK_SAID_OPEN
                                                                                 : HOOK_SAID_NOTHING;
    if (n->said == HOOK_SAID_NOTHING) {
        ignore(n, "state");
        return;
    }
    if (!tree_get_int(issue, "number", &number) || number <= 0) {
        ignore(n, "no-ticket");
        return;
    }
    (void) tree_get_str(repository, "full_name", &place);
    (void) tree_get_str(issue, "html_url", &url);
    add_spellings(n, place, number, url, arena);
    take_time(n, issue, "updated_at");
}

static void read_gitlab(struct tree body, struct arena *arena, struct hook_notice *n)
{
    struct tree issue = child_of(body, "object_attributes"), project = child_of(body, "project");
    struct span kind = SPAN_EMPTY, action = SPAN_EMPTY, place = SPAN_EMPTY, url = SPAN_EMPTY;
    int64_t number;

    (void) tree_get_str(body, "object_kind", &kind);
    if (!(span_eq_str(kind, "issue") || span_eq_str(kind, "work_item")) || issue.tag != TREE_OBJ) {
        ignore(n, "event");
        return;
    }
    (void) tree_get_str(issue, "action", &action);
    n->said = said_by(action);
    if (n->said == HOOK_SAID_NOTHING) {
        ignore(n, "state");
        return;
    }
    if (!tree_get_int(issue, "iid", &number) || number <= 0) {
        ignore(n, "no-ticket");
        return;
    }
    (void) tree_get_str(project, "path_with_namespace", &place);
    (void) tree_get_str(issue, "url", &url);
    add_spellings(n, place, number, url, arena);
    take_time(n, issue, "updated_at");
}

void hook_read(enum hook_format f, const struct hook_delivery *d, struct tree body, struct arena *arena,
               struct hook_notice *ret)
{
    *ret = (struct hook_notice){ 0 };
    switch (f) {
    case HOOK_STANDARD: read_standard(body, arena, ret); return;
    case HOOK_GITHUB: read_github(d, body, arena, ret); return;
    case HOOK_GITLAB: read_gitlab(body, arena, ret); return;
    case HOOK_FORMAT_N_: break;
    }
    ignore(ret, "event");
}

struct span hook_ticket_key(struct span ticket, struct arena *arena)
{
    struct span t = span_trim(ticket);
    char *s;

    if (t.n == 0 || t.n > HOOK_TICKET_MAX)
        return SPAN_EMPTY;
    s = arena_str(arena, t);
    for (size_t i = 0; s != NULL && i < t.n; i++) {
        if (s[i] >= 'A' && s[i] <= 'Z')
            s[i] = (char) (s[i] + ('a' - 'A'));
    }
    return s == NULL ? SPAN_EMPTY : span_of(s, t.n);
}
