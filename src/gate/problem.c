#include "gate/problem.h"

#include <stdio.h>

#include "codec/json.h"
#include "codec/jsonw.h"

#define NO_STREAM 0

static const struct problem_kind kinds[] = {
    /* code, status, title, what to do, retryable, stream code */
    { "bad-request", 400, "The request is not well-formed", "Correct the request; the detail names the rule.", false, 4400 },
    { "bad-json", 400, "The body is not the JSON this server takes", "Correct the body at the line and column named.", false, 4400 },
    { "invalid-request", 400, "Two credentials were sent", "Send exactly one Authorization header and no credential elsewhere.", false, 4400 },
    { "login-needed", 401, "Sign in first", "Sign in with POST /v1/login or `keyhole login`.", false, NO_STREAM },
    { "login-failed", 401, "Name or password is wrong", "Check both and try again.", false, NO_STREAM },
    { "reauth-needed", 401, "Confirm that it is you", "Send your password to POST /v1/reauth, then repeat the call.", true, NO_STREAM },
    { "hook-refused", 401, "This notice was not taken", "Check the name, the secret and the clock of the sender.", false, NO_STREAM },
    { "key-missing", 401, "No key was sent", "Fetch a key for your open access and send it in Authorization.", false, 4401 },
    { "key-malformed", 401, "This is not a key of this server", "Fetch a fresh key.", false, 4401 },
    { "key-forged", 401, "This key was not signed here", "Fetch a fresh key.", false, 4401 },
    { "key-not-yet", 401, "This key is not valid yet", "Check your clock; try again in a few seconds.", true, 4401 },
    { "key-expired", 401, "This key is over", "Fetch a fresh key from the address in `renew`.", false, 4401 },
    { "key-revoked", 401, "This key was withdrawn", "If your access is still open, fetch a fresh key from `renew`.", false, 4401 },
    { "key-binding", 401, "This key belongs to another client, place or server", "Fetch a key from where you use it.", false, 4403 },
    { "act-invalid", 401, "The signature of this decision does not hold", "Sign it anew with this sign-in's client key; check your clock.", true, NO_STREAM },
    { "act-needed", 403, "This has to be signed", "Send Keyhole-Act, signed with this sign-in's client key.", false, NO_STREAM },
    { "proof-needed", 403, "This access needs a client key", "Send a DPoP proof by the client key of your sign-in.", false, NO_STREAM },
    { "forbidden", 403, "You may not do this", "Ask somebody who has the role that is named.", false, NO_STREAM },
    { "csrf", 403, "This call did not come from the app", "Use the app's own address, or a token in Authorization.", false, NO_STREAM },
    { "token-not-fresh", 403, "A token cannot do this", "Sign in with your password.", false, NO_STREAM },
    { "origin-refused", 403, "Pages of this origin may not record here", "Add the page's origin to the project (`origins`), or use that project's token.", false, NO_STREAM },
    { "recording-secret", 403, "This recording has a secret of its own", "Send the `secret` that its creation answered, as `secret=` in the query.", false, NO_STREAM },
    { "statement-refused", 403, "A public token may not say this of a recording", "Leave it out, or have a token made that may (`keyhole token add --browser --state`).", false, NO_STREAM },
    { "not-eligible", 403, "You may not vote on this request", "The cause says why; somebody else has to decide.", false, NO_STREAM },
    { "break-glass-limit", 403, "Emergency access is used up", "Ask for access in the ordinary way; an open review has to be finished first.", false, NO_STREAM },
    { "policy-denied", 403, "The policy does not allow this", "Ask for less, for another purpose, or have the policy changed.", false, NO_STREAM },
    { "grant-ended", 403, "Access has ended", "Ask again: POST /v1/requests or the page of the recording.", false, 4410 },
    { "grant-suspended", 403, "Access is suspended", "Wait until it is resumed.", false, 4423 },
    { "scope", 403, "This key is for something else", "Ask for access that covers it.", false, 4403 },
    { "recording-mismatch", 403, "This key is for another recording", "Fetch a key for this recording.", false, 4403 },
    { "quota", 403, "A limit of your access is reached", "Close another stream, or ask for new access.", false, 4409 },
    { "not-found", 404, "There is no such thing here", "Check the id; what you may not see is not here for you.", false, NO_STREAM },
    { "method-not-allowed", 405, "This address does not take that method", "The Allow header lists those it takes.", false, NO_STREAM },
    { "not-acceptable", 406, "No form of the answer that you accept", "Accept application/json or */*.", false, NO_STREAM },
    { "timeout", 408, "The request took too long to arrive", "Send it again.", true, NO_STREAM },
    { "grant-state-conflict", 409, "It is not in that state any more", "Load it again and decide anew.", false, NO_STREAM },
    { "no-approver", 409, "Nobody could approve this", "The groups named need members; who_can_change can add them.", false, NO_STREAM },
    { "batch-gap", 409, "A batch is missing", "Send the batch named by next_batch.", false, NO_STREAM },
    { "recording-ended", 409, "This recording has ended", "Begin a new one.", false, NO_STREAM },
    { "request-open", 409, "You have asked for this already", "See the request that is named.", false, NO_STREAM },
    { "digest-mismatch", 409, "This is not the request you saw", "Load it again and read it anew.", false, NO_STREAM },
    { "already-voted", 409, "You have voted", "One person has one vote.", false, NO_STREAM },
    { "already-exists", 409, "There is one of that name", "Choose another name.", false, NO_STREAM },
    { "idempotency-running", 409, "The same call is still running", "Wait for its answer.", true, NO_STREAM },
    { "erased", 410, "This recording was erased", "Nothing can bring it back.", false, 4410 },
    { "length-required", 411, "The length of the body is missing", "Send Content-Length or chunked coding.", false, NO_STREAM },
    { "stale", 412, "It has changed since you read it", "Load it again.", false, NO_STREAM },
    { "too-large", 413, "This is larger than the limit", "The limit and the setting are named.", false, NO_STREAM },
    { "uri-too-long", 414, "The address is too long", "Shorten it.", false, NO_STREAM },
    { "unknown-format", 415, "This is no recording that we know", "See `formats`.", false, NO_STREAM },
    { "unsupported-media-type", 415, "This content type is not taken here", "Send application/json.", false, NO_STREAM },
    { "unsupported-encoding", 415, "This content coding is not taken here", "Send identity, gzip, deflate or zstd.", false, NO_STREAM },
    { "expectation-failed", 417, "This expectation cannot be met", "Only 100-continue is known.", false, NO_STREAM },
    { "misdirected", 421, "This server does not answer for that host", "Use the public address.", false, NO_STREAM },
    { "invalid", 422, "Some members are wrong", "`errors` names each, its rule and its limit.", false, 4400 },
    { "split-request", 422, "One request cannot cover all of this", "Different rules decide about its parts; ask for them one by one.", false, NO_STREAM },
    { "batch-mixed", 422, "More than one session in one body", "Send each session, and each window of it, by itself.", false, NO_STREAM },
    { "import-broken", 422, "The recording is damaged", "`line` or `offset` and `cause` say where and what.", false, NO_STREAM },
    { "policy-invalid", 422, "The policy text has an error", "`line` and `cause` say where and what.", false, NO_STREAM },
    { "masks-invalid", 422, "The masking rules have an error", "`line` and `cause` say where and what.", false, NO_STREAM },
    { "policy-test-failed", 422, "The policy fails a test of its own", "`tests` shows which.", false, NO_STREAM },
    { "idempotency-mismatch", 422, "This Idempotency-Key was used for another call", "Use a new one.", false, NO_STREAM },
    { "unsupported", 422, "This server cannot do that yet", "Leave the member out.", false, NO_STREAM },
    { "restricted", 423, "This is locked", "An administrator can lift it.", false, 4423 },
    { "rate-limited", 429, "Too fast", "Wait as long as Retry-After says.", true, 4429 },
    { "too-many-open", 429, "Too many recordings are open", "End one, or have `live.max_open` raised.", true, NO_STREAM },
    { "login-throttled", 429, "Too many attempts to sign in", "Wait as long as Retry-After says.", true, NO_STREAM },
    { "headers-too-large", 431, "The headers are larger than the limit", "Send fewer or shorter headers.", false, NO_STREAM },
    { "internal", 500, "Something failed here", "Tell an administrator the trace_id.", true, 4503 },
    { "not-implemented", 501, "This server does not do that", "See the API contract.", false, NO_STREAM },
    { "authority-stale", 503, "Access cannot be confirmed right now", "Try again in a few seconds.", true, 4503 },
    { "keeper-unavailable", 503, "The part that decides is not there", "Try again in a few seconds.", true, 4503 },
    { "audit-unavailable", 503, "The audit log cannot be written", "Nothing is replayed until it can; an administrator sees why in the log.", true, 4503 },
    { "audit-space", 503, "The disk is nearly full", "Nothing is replayed until there is space for the audit log.", true, 4503 },
    { "ingest-space", 503, "The disk is nearly full", "Nothing is recorded until there is space.", true, NO_STREAM },
    { "clock-untrusted", 503, "The server's clock cannot be trusted", "An administrator has to look at it.", true, 4503 },
    { "overloaded", 503, "Too much at once", "Wait as long as Retry-After says.", true, 4503 },
    { "starting", 503, "The server is starting", "Try again in a few seconds.", true, 4503 },
    { "http-version", 505, "This HTTP version is not spoken here", "Use HTTP/1.1.", false, NO_STREAM },
};

const struct problem_kind *problem_all(size_t *ret_n)
{
    *ret_n = sizeof(kinds) / sizeof(kinds[0]);
    return kinds;
}

static bool ends_with(struct span s, const char *end)
{
    size_t n = strlen(end);

    return s.n > n && span_eq_str(span_sub(s, s.n - n, n), end);
}

const struct problem_kind *problem_find(struct span code)
{
    size_t n;
    const struct problem_kind *all = problem_all(&n);

    for (size_t i = 0; i < n; i++) {
        if (span_eq_str(code, all[i].code))
            return &all[i];
    }
    return ends_with(code, "-unsupported") ? problem_find(SPAN("unsupported")) : NULL;
}

/* The keeper's own members ("errors", "state", …) follow ours. They are valid JSON: the keeper wrote them. */
static void add_members(struct jsonw *w, struct span object)
{
    struct json_iter it = json_iter(json_value(object));
    struct json_value v;

    while (json_next(&it, &v)) {
        jsonw_key_raw(w, v.key);
        if (v.type == JSON_STRING)
            jsonw_raw(w, span_of(v.raw.p - 1, v.raw.n + 2));
        else
            jsonw_raw(w, v.raw);
    }
}

int problem_write(const struct problem *p, const char *public_url, const char *trace, struct buf *out)
{
    const struct problem_kind *k = problem_find(p->code);
    struct span code = p->code;
    char type[600];
    struct jsonw w;

    if (k == NULL) {
        k = problem_find(SPAN("internal"));
        code = SPAN("internal");
    }
    (void) snprintf(type, sizeof(type), "%s/problems/%.*s", public_url, SPAN_ARG(code));
    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "type", type);
    jsonw_kcstr(&w, "title", k->title);
    jsonw_kint(&w, "status", k->status);
    jsonw_kcstr(&w, "detail", p->detail != NULL && p->detail[0] != '\0' ? p->detail : k->title);
    jsonw_kstr(&w, "code", code);
    jsonw_kbool(&w, "retryable", k->retryable);
    jsonw_kcstr(&w, "trace_id", trace);
    if (p->replay && k->stream_code != 0)
        jsonw_kint(&w, "stream_code", k->stream_code);
    if (p->renew != NULL)
        jsonw_kcstr(&w, "renew", p->renew);
    if (p->retry_after_s > 0)
        jsonw_kint(&w, "retry_after_s", p->retry_after_s);
    if (p->members.n > 0)
        add_members(&w, p->members);
    jsonw_obj_end(&w);
    return k->status;
}

void problem_page(const struct problem_kind *k, struct buf *out)
{
    buf_addf(out,
             "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>%s</title>"
             "<h1>%s</h1><p><code>%s</code>, status %d. %s</p><p>%s</p></html>\n",
             k->code, k->title, k->code, k->status,
             k->retryable ? "The same call may work later." : "The same call will fail again.", k->what_to_do);
}
