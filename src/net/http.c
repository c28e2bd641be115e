#include "net/http.h"

#include <stdio.h>
#include <time.h>

#include "base/num.h"

static const char *const methods[HTTP_M_N_] = {
    [HTTP_M_GET] = "GET",     [HTTP_M_HEAD] = "HEAD",     [HTTP_M_POST] = "POST",       [HTTP_M_PUT] = "PUT",
    [HTTP_M_PATCH] = "PATCH", [HTTP_M_DELETE] = "DELETE", [HTTP_M_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method m)
{
    return methods[m];
}

bool http_method_of(struct span name, enum http_method *ret)
{
    for (unsigned m = 0; m < HTTP_M_N_; m++) {
        if (span_eq_str(name, methods[m])) {
            *ret = (enum http_method) m;
            return true;
        }
    }
    return false;
}

bool http_head_get(const struct http_head *h, const char *name, struct span *ret)
{
    const struct span wanted = span_str(name);

    for (size_t i = 0; i < h->n_headers; i++) {
        if (span_eq(h->headers[i].name, wanted)) {
            *ret = h->headers[i].value;
            return true;
        }
    }
    *ret = SPAN_EMPTY;
    return false;
}

size_t http_head_count(const struct http_head *h, const char *name)
{
    const struct span wanted = span_str(name);
    size_t n = 0;

    for (size_t i = 0; i < h->n_headers; i++)
        n += span_eq(h->headers[i].name, wanted);
    return n;
}

/* RFC 9110 5.6.2 */
static bool is_tchar(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_tchar(s.p[i]))
            return false;
    }
    return s.n > 0;
}

bool http_is_value(struct span s)
{
    unsigned bad = 0;

    for (size_t i = 0; i < s.n; i++) /* without a branch: the compiler looks at many at once */
        bad |= ((unsigned) (s.p[i] < 0x20) & (unsigned) (s.p[i] != '\t')) | (unsigned) (s.p[i] == 0x7f);
    return bad == 0;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* RFC 3986 3.2.2 reg-name: unreserved, sub-delims, percent-encoded. */
static bool is_reg_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (c == '%') {
            if (i + 2 >= s.n || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
                return false;
            i += 2;
        } else if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c != 0 && strchr("-._~!$&'()*+,;=", c) != NULL))) {
            return false;
        }
    }
    return s.n > 0;
}

static bool is_port(struct span s)
{
    unsigned v = 0;

    if (s.n > 5)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    return v <= 65535;
}

bool http_is_authority(struct span s)
{
    struct span host, port;

    if (s.n > 0 && s.p[0] == '[') {
        if (!span_cut(span_sub(s, 1, SIZE_MAX), ']', &host, &port) || host.n < 2 || host.n > 45)
            return false;
        for (size_t i = 0; i < host.n; i++) {
            if (!is_hex(host.p[i]) && host.p[i] != ':' && host.p[i] != '.')
                return false;
        }
        return port.n == 0 || (port.p[0] == ':' && is_port(span_sub(port, 1, SIZE_MAX)));
    }
    if (!span_cut(s, ':', &host, &port))
        return s.n <= 255 && is_reg_name(s);
    return host.n <= 255 && is_reg_name(host) && is_port(port);
}

const char *http_status_phrase(int status)
{
    static const struct { int status; const char *phrase; } table[] = {
        { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" }, { 206, "Partial Content" },
        { 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
        { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
        { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
        { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
        { 412, "Precondition Failed" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" },
        { 421, "Misdirected Request" }, { 422, "Unprocessable Content" }, { 423, "Locked" }, { 425, "Too Early" },
        { 426, "Upgrade Required" }, { 428, "Precondition Required" }, { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" }, { 501, "Not Implemented" },
        { 502, "Bad Gateway" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status)
            return table[i].phrase;
    }
    return "";
}

void http_date(time_ms t, char out[HTTP_DATE_LEN + 1])
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t s = t < 0 ? 0 : (time_t) (t / 1000);
    struct tm tm;

    if (s > INT64_C(253402300799)) /* the last second of 9999 */
        s = INT64_C(253402300799);
    (void) gmtime_r(&s, &tm);
    (void) snprintf(out, HTTP_DATE_LEN + 1, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
                    (unsigned) tm.tm_mday % 32, months[tm.tm_mon % 12], (unsigned) (tm.tm_year + 1900) % 10000,
                    (unsigned) tm.tm_hour % 24, (unsigned) tm.tm_min % 60, (unsigned) tm.tm_sec % 61);
}

bool http_is_json(struct span content_type)
{
    struct span type, parameters;

    (void) span_cut(content_type, ';', &type, &parameters);
    return span_eq_nocase(span_trim(type), "application/json");
}

struct span http_date_span(time_ms t)
{
    static _Thread_local char text[HTTP_DATE_LEN + 1];
    static _Thread_local time_ms second = -1;

    if (t / 1000 != second) {
        second = t / 1000;
        http_date(t, text);
    }
    return span_of(text, HTTP_DATE_LEN);
}

/* ---- what every version demands alike ---- */

bool http_is_target(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 0x20 || s.p[i] > 0x7e || s.p[i] == '#')
            return false;
    }
    return s.n > 0;
}

void http_split_target(struct span s, struct span *ret_path, struct span *ret_query)
{
    if (!span_cut(s, '?', ret_path, ret_query))
        *ret_query = SPAN_EMPTY;
    if (ret_path->n == 0)
        *ret_path = SPAN("/");
}

bool http_is_length(struct span s, int64_t *ret)
{
    uint64_t len;

    if (s.n == 0 || s.n > 19 || !num_u64(s, INT64_MAX, &len))
        return false;
    *ret = (int64_t) len;
    return true;
}

void http_lower(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            ((uint8_t *) s.p)[i] = (uint8_t) (s.p[i] - 'A' + 'a');
    }
}

/* The list is in lower case. */
static bool is_one_of(struct span name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* the first letter decides most of them */
        if (name.n > 0 && (name.p[0] | 0x20) == list[i][0] && span_eq_nocase(name, list[i]))
            return true;
    }
    return false;
}

/* (Two credentials are refused by the role, with its own code and a record.) */
bool http_head_doubled(const struct http_head *h)
{
    /* authorization and dpop are the role's to count: it says what is wrong and leaves a record */
    static const char *const single[] = { "batch-seq",     "content-type", "expect", "idempotency-key",
                                          "last-event-id", "origin",       "range" };

    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (http_head_count(h, single[i]) > 1)
            return true;
    }
    return false;
}

bool http_is_trailer(struct span name)
{
    static const char *const never[] = {
        "authorization", "cache-control", "connection",    "content-encoding",  "content-length", "content-range",
        "content-type",  "cookie",        "dpop",          "expect",            "host",           "keep-alive",
        "max-forwards",  "origin",        "range",         "te",                "trailer",        "transfer-encoding",
        "upgrade",       "forwarded",     "x-forwarded-for", "x-forwarded-proto" };

    return !is_one_of(name, never, sizeof(never) / sizeof(never[0]));
}

bool http_answer_ok(const struct http_header *headers, size_t n)
{
    static const char *const ours[] = { "connection", "content-length", "date", "keep-alive", "trailer",
                                        "transfer-encoding", "upgrade" };

    for (size_t i = 0; i < n; i++) {
        const struct http_header *h = &headers[i];

        if (!http_is_token(h->name) || !http_is_value(h->value) || is_one_of(h->name, ours, sizeof(ours) / sizeof(ours[0])))
            return false;
        if (h->value.n > 0 && (h->value.p[0] == ' ' || h->value.p[0] == '\t'))
            return false;
    }
    return true;
}
