#include "format/hook.h"

#include <stdio.h>

#include "base/hex.h"
#include "base/num.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static const char *const format_names[HOOK_FORMAT_N_] = { "standard", "github", "gitlab" };

const char *hook_format_name(enum hook_format f)
{
    return f < HOOK_FORMAT_N_ ? format_names[f] : "?";
}

bool hook_format_parse(struct span s, enum hook_format *ret)
{
    for (unsigned i = 0; i < HOOK_FORMAT_N_; i++) {
        if (span_eq_str(s, format_names[i])) {
            *ret = (enum hook_format) i;
            return true;
        }
    }
    return false;
}

const char *const hook_header_names[] = {
    "webhook-id",      "webhook-timestamp", "webhook-signature",   "x-hub-signature-256", "x-github-delivery", "x-github-event",
    "x-gitlab-token", "x-gitlab-event",    "x-gitlab-event-uuid", "idempotency-key",     NULL,
};

const char *hook_verdict_name(enum hook_verdict v)
{
    switch (v) {
    case HOOK_OK: return "ok";
    case HOOK_MISSING: return "missing";
    case HOOK_OLD: return "old";
    case HOOK_FORGED: return "forged";
    case HOOK_NOMEM: return "no-memory";
    case HOOK_VERDICT_N_: break;
    }
    return "?";
}

/* ---- secrets ---- */

/* The next line that is not blank. False: there is none. */
static bool next_secret(struct span *at, struct span *ret)
{
    while (at->n > 0) {
        struct span line, rest = SPAN_EMPTY;

        (void) span_cut(*at, '\n', &line, &rest);
        *at = rest;
        *ret = span_trim(line);
        if (ret->n > 0)
            return true;
    }
    return false;
}

/* The HMAC key of Standard Webhooks: base64, "whsec_" before it or not. */
static bool decode_secret(struct span line, uint8_t key[HOOK_SECRET_MAX], size_t *ret_n)
{
    if (span_starts(line, "whsec_"))
        line = span_sub(line, 6, line.n);
    return base64_parse(line, key, HOOK_SECRET_MAX, ret_n);
}

static enum err check_secret(enum hook_format f, struct span line, size_t i, struct err_info *reterr)
{
    uint8_t key[HOOK_SECRET_MAX];
    size_t n = line.n;
    bool good = line.n <= HOOK_SECRET_MAX;

    if (good && (f == HOOK_STANDARD || span_starts(line, "whsec_")))
        good = decode_secret(line, key, &n);
    secret_wipe(key, sizeof(key));
    if (!good)
        return ERR_RAISE(reterr, ERR_INVAL, "secret %zu is %s", i,
                         line.n > HOOK_SECRET_MAX ? "longer than 256 characters" : "not base64 (whsec_…)");
    if (n < HOOK_SECRET_MIN)
        return ERR_RAISE(reterr, ERR_INVAL, "secret %zu has %zu bytes: at least %d", i, n, HOOK_SECRET_MIN);
    return ERR_OK;
}

enum err hook_secrets_check(enum hook_format f, struct span secrets, struct err_info *reterr)
{
    struct span line;
    size_t n = 0;

    while (next_secret(&secrets, &line)) {
        if (++n > HOOK_SECRETS_MAX)
            return ERR_RAISE(reterr, ERR_INVAL, "more than %d secrets", HOOK_SECRETS_MAX);
        TRY(check_secret(f, line, n, reterr));
    }
    return n == 0 ? ERR_RAISE(reterr, ERR_INVAL, "there is no secret") : ERR_OK;
}

/* ---- headers ---- */

/* Exactly one of that name, not empty. Else *ret is empty, or one of several. */
static bool one_header(const struct hook_delivery *d, const char *name, struct span *ret)
{
    size_t n = 0;

    *ret = SPAN_EMPTY;
    for (size_t i = 0; i < d->n_headers; i++) {
        if (span_eq_nocase(d->headers[i].name, name)) {
            *ret = span_trim(d->headers[i].value);
            n++;
        }
    }
    return n == 1 && ret->n > 0;
}

/* An id, which is not empty, is printable ASCII without blanks: it is stored and compared as it came. */
static bool id_ok(struct span id)
{
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] <= ' ' || id.p[i] > '~')
            return false;
    }
    return id.n <= HOOK_ID_MAX;
}

static void add_id(struct hook_once *once, const char *kind, struct span id)
{
    (void) snprintf(once->id[once->n], sizeof(once->id[0]), "%s:%.*s", kind, SPAN_ARG(id));
    once->n++;
}

static void add_body(struct hook_once *once, struct span raw)
{
    uint8_t hash[SHA256_LEN];
    char text[64];

    sha256(raw, hash);
    if (base64url_str(hash, sizeof(hash), text, sizeof(text)))
        add_id(once, "body", span_str(text));
}

/* ---- Standard Webhooks ---- */

/* "v1,<base64> v1a,<base64> …": one v1 that is right is enough; other versions are not ours to judge. */
static bool has_signature(struct span list, const uint8_t want[SHA256_LEN])
{
    bool more = true, found = false;

    while (more) {
        struct span one, version, text;
        uint8_t got[SHA256_LEN];
        size_t n;

        more = span_cut(list, ' ', &one, &list);
        if (!span_cut(one, ',', &version, &text) || !span_eq_str(version, "v1") ||
            !base64_parse(text, got, sizeof(got), &n) || n != sizeof(got))
            continue;
        found |= secret_equal(got, want, sizeof(got));
    }
    return found;
}

struct signed_parts {
    struct span id, timestamp, signatures;
};

static bool signed_by(const struct signed_parts *p, struct span key, struct span message)
{
    uint8_t want[SHA256_LEN];

    hmac_sha256(key, message, want);
    return has_signature(p->signatures, want);
}

/* 'plain': the line itself may be the key, too (GitLab takes any text as its signing token). */
static bool signed_by_any(const struct signed_parts *p, struct span secrets, bool plain, struct span message)
{
    struct span line;
    bool found = false;

    while (next_secret(&secrets, &line)) {
        uint8_t key[HOOK_SECRET_MAX];
        size_t n;

        if (line.n <= HOOK_SECRET_MAX && decode_secret(line, key, &n))
            found |= signed_by(p, span_of(key, n), message);
        secret_wipe(key, sizeof(key));
        if (plain)
            found |= signed_by(p, line, message);
    }
    return found;
}

static enum hook_verdict check_standard(const struct hook_delivery *d, struct span secrets, bool plain, time_ms now,
                                        struct hook_once *ret)
{
    CLEANUP(buf_deinit) struct buf message = BUF_INIT(HOOK_BODY_MAX + 512);
    struct signed_parts p;
    uint64_t seconds;
    int64_t off;

    if (!one_header(d, "webhook-id", &p.id) || !one_header(d, "webhook-timestamp", &p.timestamp) ||
        !one_header(d, "webhook-signature", &p.signatures) || !id_ok(p.id) ||
        !num_u64(p.timestamp, 99999999999ULL, &seconds))
        return HOOK_MISSING;
    buf_add_span(&message, p.id);
    buf_add_c(&message, '.');
    buf_add_span(&message, p.timestamp);
    buf_add_c(&message, '.');
    buf_add_span(&message, d->raw);
    if (message.failed)
        return HOOK_NOMEM;
    if (!signed_by_any(&p, secrets, plain, buf_span(&message)))
        return HOOK_FORGED;
    /* Only what is authentic has a time to speak of. */
    off = now - (int64_t) seconds * 1000;
    if (off > HOOK_TOLERANCE_MS || off < -HOOK_TOLERANCE_MS)
        return HOOK_OLD;
    add_id(ret, "id", p.id);
    return HOOK_OK;
}

/* ---- GitHub ---- */

static enum hook_verdict check_github(const struct hook_delivery *d, struct span secrets, struct hook_once *ret)
{
    struct span signature, id, line;
    uint8_t got[SHA256_LEN], want[SHA256_LEN];
    bool found = false;
    size_t n;

    if (!one_header(d, "x-hub-signature-256", &signature) || !one_header(d, "x-github-delivery", &id) || !id_ok(id) ||
        !span_starts(signature, "sha256=") || !hex_parse(span_sub(signature, 7, signature.n), got, sizeof(got), &n) ||
        n != sizeof(got))
        return HOOK_MISSING;
    while (next_secret(&secrets, &line)) {
        hmac_sha256(line, d->raw, want);
        found |= secret_equal(got, want, sizeof(got));
    }
    if (!found)
        return HOOK_FORGED;
    add_id(ret, "id", id);
    add_body(ret, d->raw);
    return HOOK_OK;
}

/* ---- GitLab ---- */

static enum hook_verdict check_gitlab(const struct hook_delivery *d, struct span secrets, time_ms now,
                                      struct hook_once *ret)
{
    struct span token, id, line, any;
    bool found = false;

    /* A signature that is there has to be right, whatever stands beside it. */
    if (one_header(d, "webhook-signature", &any))
        return check_standard(d, secrets, true, now, ret);
    if (!one_header(d, "x-gitlab-token", &token))
        return HOOK_MISSING;
    while (next_secret(&secrets, &line))
        found |= secret_equal_span(token, line);
    if (!found)
        return HOOK_FORGED;
    if ((one_header(d, "idempotency-key", &id) || one_header(d, "x-gitlab-event-uuid", &id)) && id_ok(id))
        add_id(ret, "id", id);
    add_body(ret, d->raw);
    return HOOK_OK;
}

enum hook_verdict hook_check(enum hook_format f, struct span secrets, const struct hook_delivery *d, time_ms now,
                             struct hook_once *ret)
{
    ret->n = 0;
    switch (f) {
    case HOOK_STANDARD: return check_standard(d, secrets, false, now, ret);
    case HOOK_GITHUB: return check_github(d, secrets, ret);
    case HOOK_GITLAB: return check_gitlab(d, secrets, now, ret);
    case HOOK_FORMAT_N_: break;
    }
    return HOOK_FORGED;
}
