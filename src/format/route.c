#include "format/route.h"

#include <stdio.h>

#define PATH_MAX_BYTES 200

static const struct route routes[ROUTE_N_] = {
#define R(id, method, path, by, auth, trace) [ROUTE_##id] = { ROUTE_##id, #id, #method, path, by, auth, trace },
    ROUTES(R)
#undef R
};

const struct route *route_by_id(enum route_id id)
{
    return (unsigned) id < ROUTE_N_ ? &routes[id] : NULL;
}

/* What is left of a path, slashes and all; an empty segment is as wrong here as anywhere. */
static bool is_tail(struct span rest)
{
    struct span segment;
    bool more = true;

    while (more) {
        more = span_cut(rest, '/', &segment, &rest);
        if (segment.n == 0)
            return false;
    }
    return true;
}

static bool match_path(const char *pattern, struct span path, struct span params[ROUTE_PARAMS_MAX])
{
    struct span want;
    size_t n_params = 0;
    bool more_want = true, more_path = true;

    /* Most patterns part from the path within a few bytes. */
    for (size_t i = 0; pattern[i] != '\0' && pattern[i] != '{'; i++) {
        if (i >= path.n || path.p[i] != (uint8_t) pattern[i])
            return false;
    }
    want = span_str(pattern);
    while (more_want && more_path) {
        struct span w, p;

        more_want = span_cut(want, '/', &w, &want);
        if (span_eq_str(w, ROUTE_TAIL)) {
            params[n_params++] = path;
            return is_tail(path);
        }
        more_path = span_cut(path, '/', &p, &path);
        if (w.n > 0 && w.p[0] == '{') {
            if (p.n == 0)
                return false;
            params[n_params++] = p;
        } else if (!span_eq(w, p)) {
            return false;
        }
    }
    return !more_want && !more_path;
}

/* Fixed words come before parameters at the same place ("/v1/policies/current"), so the best match has fewest. */
static size_t count_params(const char *pattern)
{
    size_t n = 0;

    for (; *pattern != '\0'; pattern++)
        n += *pattern == '{';
    return n;
}

static bool method_is(const struct route *r, struct span method)
{
    return span_eq_str(method, r->method) || (span_eq_str(method, "HEAD") && strcmp(r->method, "GET") == 0);
}

static void add_allow(char allow[64], const char *method)
{
    size_t n = strlen(allow);

    (void) snprintf(allow + n, 64 - n, "%s%s", n == 0 ? "" : ", ", method);
}

enum route_verdict route_find(struct span method, struct span path, struct route_match *ret)
{
    size_t best = SIZE_MAX;
    bool path_known = false;

    *ret = (struct route_match){ 0 };
    if (path.n > PATH_MAX_BYTES)
        return ROUTE_NO_PATH;
    for (size_t i = 0; i < ROUTE_N_; i++) {
        struct span params[ROUTE_PARAMS_MAX] = { SPAN_EMPTY, SPAN_EMPTY };
        size_t n;

        if (!match_path(routes[i].path, path, params))
            continue;
        n = count_params(routes[i].path);
        path_known = true;
        if (!method_is(&routes[i], method)) {
            add_allow(ret->allow, routes[i].method);
        } else if (n < best) {
            best = n;
            ret->route = &routes[i];
            memcpy(ret->params, params, sizeof(params));
        }
    }
    if (ret->route != NULL)
        return ROUTE_FOUND;
    return path_known ? ROUTE_NO_METHOD : ROUTE_NO_PATH;
}
