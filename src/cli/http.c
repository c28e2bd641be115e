#include "cli/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/num.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/random.h"
#include "format/dpop.h"

#define CALL_TIMEOUT_MS    60000
#define CONNECT_TIMEOUT_MS 10000
#define RETRIES            3
#define RETRY_WAIT_MAX_MS  5000
#define RATE_WAIT_MAX_MS   60000
#define TOKEN_MAX          2048
#define NONCE_CAP          160

struct http {
    CURLM *multi;
    char url[600];
    char *public_url; /* NULL: as url */
    char *ca;
    char *token;
    struct client_key *key;
    char nonce[NONCE_CAP]; /* of the newest answer that had one */
};

struct http_stream {
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist proof; /* the first of the headers when there is one; made anew when the call is made again */
    char *method, *path, *bound; /* what is proven; bound: the key that goes with it, or NULL */
    bool nonce_wanted, again;
    bool (*on_body)(void *ctx, struct span piece);
    void *body_ctx;
    int64_t (*read)(void *ctx, void *to, size_t n);
    void *read_ctx;
    void (*progress)(void *ctx, int64_t sent, int64_t total);
    int64_t length;
    bool reader_failed, stopped, over;
    struct buf request_body;
    struct buf bytes; /* of a 2xx body that nobody took yet */
    char why[CURL_ERROR_SIZE];
    struct http_reply reply;
};

static void wipe_free(char *s)
{
    if (s != NULL) {
        explicit_bzero(s, strlen(s));
        free(s);
    }
}

/* ---- the client ---- */

static bool is_loopback(struct span host)
{
    bool number = span_starts(host, "127.");

    for (size_t i = 0; i < host.n; i++)
        number = number && ((host.p[i] >= '0' && host.p[i] <= '9') || host.p[i] == '.');
    return number || span_eq_str(host, "localhost") || span_eq_str(host, "[::1]") ||
           (host.n > 10 && span_eq_str(span_sub(host, host.n - 10, 10), ".localhost"));
}

static enum err check_url(const char *url, struct http *h, struct err_info *reterr)
{
    struct span s = span_str(url), rest, host, port;
    bool plain = span_starts(s, "http://");

    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    if (!plain && !span_starts(s, "https://"))
        return ERR_RAISE(reterr, ERR_INVAL, "the server's address begins with https:// (or http:// on this machine)");
    rest = span_sub(s, plain ? 7 : 8, s.n);
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] <= ' ' || rest.p[i] >= 0x7f || strchr("/?#@\\\"", rest.p[i]) != NULL)
            return ERR_RAISE(reterr, ERR_INVAL, "the server's address is https://HOST or https://HOST:PORT, nothing more");
    }
    host = rest;
    if (rest.n > 0 && rest.p[0] != '[')
        (void) span_cut(rest, ':', &host, &port);
    else if (span_cut(rest, ']', &host, &port))
        host.n++;
    if (host.n == 0 || s.n >= sizeof(h->url))
        return ERR_RAISE(reterr, ERR_INVAL, "the server's address is https://HOST or https://HOST:PORT");
    if (plain && !is_loopback(host))
        return ERR_RAISE(reterr, ERR_INVAL, "without TLS (http://) only a server on this machine is talked to");
    (void) span_to_str(s, h->url, sizeof(h->url));
    return ERR_OK;
}

/*
 * libcurl keeps a pair of sockets for itself, which it does not close when a command is run (keyhole rec). What was open before
 * is the user's: a command may be meant to have it.
 */
static CURLM *new_multi(void)
{
    bool there[64];
    CURLM *m;

    for (int fd = 0; fd < 64; fd++)
        there[fd] = fcntl(fd, F_GETFD) >= 0;
    m = curl_multi_init();
    for (int fd = 0; fd < 64; fd++) {
        if (!there[fd] && fcntl(fd, F_GETFD) >= 0)
            (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return m;
}

enum err http_new(const struct http_options *o, struct http **ret, struct err_info *reterr)
{
    static bool ready; /* libcurl's own global state, made once */
    struct http *h = calloc(1, sizeof(*h));
    enum err err;

    if (h == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    err = check_url(o->url, h, reterr);
    if (err == ERR_OK && !ready && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        err = ERR_RAISE(reterr, ERR_NOMEM, "libcurl does not start");
    ready = true;
    if (err == ERR_OK && (h->multi = new_multi()) == NULL)
        err = ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    if (err == ERR_OK && o->ca != NULL && (h->ca = strdup(o->ca)) == NULL)
        err = ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    if (err != ERR_OK) {
        (void) http_free(h);
        return err;
    }
    http_set_token(h, o->token);
    *ret = h;
    return ERR_OK;
}

struct http *http_free(struct http *h)
{
    if (h == NULL)
        return NULL;
    if (h->multi != NULL)
        (void) curl_multi_cleanup(h->multi);
    wipe_free(h->token);
    (void) client_key_free(h->key);
    free(h->public_url);
    free(h->ca);
    free(h);
    return NULL;
}

const char *http_url(const struct http *h)
{
    return h->url;
}

void http_set_token(struct http *h, const char *token)
{
    char *copy = token != NULL ? strdup(token) : NULL;

    wipe_free(h->token);
    h->token = copy;
}

void http_set_client_key(struct http *h, struct client_key *k)
{
    (void) client_key_free(h->key);
    h->key = k;
}

const struct client_key *http_client_key(const struct http *h)
{
    return h->key;
}

void http_set_public_url(struct http *h, const char *url)
{
    char *copy = url != NULL ? strdup(url) : NULL;

    free(h->public_url);
    h->public_url = copy;
}

const char *http_public_url(const struct http *h)
{
    return h->public_url != NULL ? h->public_url : h->url;
}

/* ---- one transfer ---- */

static bool good(const struct http_stream *s)
{
    return s->reply.status >= 200 && s->reply.status < 300;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
    struct http_stream *s = arg;
    struct span piece = span_of(p, size * n);
    struct buf *to = good(s) ? &s->bytes : &s->reply.body;

    if (good(s) && s->on_body != NULL) {
        s->stopped = !s->on_body(s->body_ctx, piece);
        return s->stopped ? 0 : piece.n;
    }
    buf_add_span(to, piece);
    return to->failed ? 0 : piece.n;
}

static void header_value(struct span line, const char *name, char *to, size_t cap)
{
    struct span key, value;

    if (!span_cut(line, ':', &key, &value) || !span_eq_nocase(key, name))
        return;
    while (value.n > 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
        value.n--;
    (void) span_to_str(span_trim(value), to, cap);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct http_stream *s = arg;
    struct span line = span_of(p, size * n);
    char text[24] = "", challenge[1024] = "";
    uint64_t seconds;
    long status = 0;

    if (curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        s->reply.status = status;
    header_value(line, "etag", s->reply.etag, sizeof(s->reply.etag));
    header_value(line, "dpop-nonce", s->http->nonce, sizeof(s->http->nonce));
    header_value(line, "www-authenticate", challenge, sizeof(challenge));
    s->nonce_wanted = s->nonce_wanted || strstr(challenge, "use_dpop_nonce") != NULL;
    header_value(line, "retry-after", text, sizeof(text));
    if (num_u64(span_str(text), 86400, &seconds))
        s->reply.retry_after_ms = (int64_t) seconds * 1000;
    return line.n;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct http_stream *s = arg;
    int64_t got = s->read(s->read_ctx, p, size * n);

    if (got >= 0)
        return (size_t) got;
    s->reader_failed = true;
    return CURL_READFUNC_ABORT;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    struct http_stream *s = arg;

    (void) dltotal;
    (void) dlnow;
    (void) ultotal;
    if (s->progress != NULL)
        s->progress(s->read_ctx, (int64_t) ulnow, s->length);
    return 0;
}

static bool add_header(struct http_stream *s, const char *line)
{
    struct curl_slist *more = curl_slist_append(s->headers, line);

    if (more == NULL)
        return false;
    s->headers = more;
    return true;
}

/* The proof of this try, before the other headers. */
static bool set_headers(struct http_stream *s)
{
    struct buf line = BUF_INIT(DPOP_LEN_MAX + 16), url = BUF_INIT(8192);
    bool ok = true;

    free(s->proof.data);
    s->proof = (struct curl_slist){ NULL, s->headers };
    if (s->method != NULL) {
        buf_addf(&url, "%s%s", http_public_url(s->http), s->path);
        buf_add_str(&line, "DPoP: ");
        ok = client_key_proof(s->http->key, s->method, buf_cstr(&url), s->bound, s->http->nonce, &line, NULL) == ERR_OK;
        s->proof.data = ok ? strdup(buf_cstr(&line)) : NULL;
        ok = s->proof.data != NULL;
    }
    buf_deinit(&line);
    buf_deinit(&url);
    return ok && curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->proof.data != NULL ? &s->proof : s->headers) == CURLE_OK;
}

/* What has to be known to prove this call, now or again. */
static bool keep_proven(struct http_stream *s, const struct http_request *q)
{
    if (!q->prove || s->http->key == NULL)
        return true;
    s->method = strdup(q->method);
    s->path = strdup(q->path);
    s->bound = q->bearer != NULL ? strdup(q->bearer) : NULL;
    return s->method != NULL && s->path != NULL && (s->bound != NULL || q->bearer == NULL);
}

static bool add_headers(struct http_stream *s, const struct http_request *q, const char *idempotency)
{
    const char *bearer = q->bearer != NULL ? q->bearer : s->http->token;
    char line[TOKEN_MAX + 64];
    bool ok = add_header(s, "Accept: application/json, application/problem+json, */*;q=0.5");

    if (bearer != NULL && strlen(bearer) <= TOKEN_MAX) {
        (void) snprintf(line, sizeof(line), "Authorization: %s %s", s->bound != NULL ? "DPoP" : "Bearer", bearer);
        ok = add_header(s, line) && ok;
        explicit_bzero(line, sizeof(line));
    }
    if (q->has_body || q->read != NULL) {
        (void) snprintf(line, sizeof(line), "Content-Type: %s",
                        q->content_type != NULL ? q->content_type : "application/json");
        ok = add_header(s, line) && ok;
    }
    if (idempotency[0] != '\0') {
        (void) snprintf(line, sizeof(line), "Idempotency-Key: %s", idempotency);
        ok = add_header(s, line) && ok;
    }
    for (const char *const *h = q->headers; h != NULL && *h != NULL; h++)
        ok = add_header(s, *h) && ok;
    return ok;
}

static bool set_method(struct http_stream *s, const struct http_request *q)
{
    CURLcode e = CURLE_OK;

    if (q->read != NULL) {
        e |= curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
        e |= curl_easy_setopt(s->easy, CURLOPT_READFUNCTION, on_read);
        e |= curl_easy_setopt(s->easy, CURLOPT_READDATA, s);
        e |= curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) q->length);
        if (q->length < 0 && !add_header(s, "Transfer-Encoding: chunked"))
            return false;
        if (!add_header(s, "Expect: 100-continue")) /* a refusal comes before the bytes go */
            return false;
        e |= curl_easy_setopt(s->easy, CURLOPT_NOPROGRESS, 0L);
        e |= curl_easy_setopt(s->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
        e |= curl_easy_setopt(s->easy, CURLOPT_XFERINFODATA, s);
    } else if (strcmp(q->method, "GET") != 0) {
        buf_add_span(&s->request_body, q->body);
        e |= curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
        e |= curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) s->request_body.n);
        e |= curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->request_body.n > 0 ? (char *) s->request_body.p : "");
        if (!q->has_body && !add_header(s, "Content-Type:")) /* libcurl's own default is a form */
            return false;
        if (!add_header(s, "Expect:"))
            return false;
    }
    if (strcmp(q->method, "POST") != 0)
        e |= curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, q->method);
    return e == CURLE_OK && !s->request_body.failed;
}

/* Whatever the server offers by ALPN; KEYHOLE_HTTP says 1.1, or 2 without asking, also without TLS. */
static long http_version(const char *url)
{
    const char *v = getenv("KEYHOLE_HTTP");

    if (v != NULL && strcmp(v, "1.1") == 0)
        return CURL_HTTP_VERSION_1_1;
    if (v != NULL && strcmp(v, "2") == 0 && strncmp(url, "http:", 5) == 0)
        return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    return CURL_HTTP_VERSION_2TLS;
}

static bool set_options(struct http_stream *s, const struct http_request *q, const char *idempotency)
{
    char url[8192];
    CURLcode e = CURLE_OK;

    if (snprintf(url, sizeof(url), "%s%s", s->http->url, q->path) >= (int) sizeof(url))
        return false;
    e |= curl_easy_setopt(s->easy, CURLOPT_URL, url);
    e |= curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    e |= curl_easy_setopt(s->easy, CURLOPT_FOLLOWLOCATION, 0L);
    e |= curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    e |= curl_easy_setopt(s->easy, CURLOPT_PATH_AS_IS, 1L);
    e |= curl_easy_setopt(s->easy, CURLOPT_USERAGENT, "keyhole/" KEYHOLE_VERSION);
    e |= curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, http_version(url));
    e |= curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_TIMEOUT_MS);
    e |= curl_easy_setopt(s->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    e |= curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_write);
    e |= curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    e |= curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, on_header);
    e |= curl_easy_setopt(s->easy, CURLOPT_HEADERDATA, s);
    e |= curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->why);
    e |= curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    if (s->http->ca != NULL)
        e |= curl_easy_setopt(s->easy, CURLOPT_CAINFO, s->http->ca);
    if (q->timeout_ms >= 0)
        e |= curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, (long) (q->timeout_ms > 0 ? q->timeout_ms : CALL_TIMEOUT_MS));
    return e == CURLE_OK && keep_proven(s, q) && set_method(s, q) && add_headers(s, q, idempotency) && set_headers(s);
}

static struct http_stream *transfer_new(struct http *h, const struct http_request *q, const char *idempotency)
{
    struct http_stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->http = h;
    s->on_body = q->on_body;
    s->body_ctx = q->body_ctx;
    s->read = q->read;
    s->read_ctx = q->read_ctx;
    s->progress = q->progress;
    s->length = q->length;
    buf_init(&s->bytes, HTTP_BODY_MAX);
    buf_init(&s->request_body, HTTP_BODY_MAX);
    buf_init(&s->reply.body, HTTP_BODY_MAX);
    buf_init(&s->reply.tree_bytes, 4 * HTTP_BODY_MAX);
    s->easy = curl_easy_init();
    if (s->easy == NULL || !set_options(s, q, idempotency) || curl_multi_add_handle(h->multi, s->easy) != CURLM_OK)
        return http_stream_close(s);
    return s;
}

struct http_stream *http_stream_open(struct http *h, const struct http_request *q)
{
    return transfer_new(h, q, "");
}

struct http_stream *http_stream_close(struct http_stream *s)
{
    if (s == NULL)
        return NULL;
    if (s->easy != NULL) {
        (void) curl_multi_remove_handle(s->http->multi, s->easy); /* one that was never added is fine */
        curl_easy_cleanup(s->easy);
    }
    curl_slist_free_all(s->headers);
    free(s->proof.data);
    free(s->method);
    free(s->path);
    wipe_free(s->bound);
    if (s->request_body.n > 0)
        explicit_bzero(s->request_body.p, s->request_body.n); /* may hold a password */
    buf_deinit(&s->request_body);
    buf_deinit(&s->bytes);
    http_reply_deinit(&s->reply);
    free(s);
    return NULL;
}

/* ---- answers ---- */

void http_reply_deinit(struct http_reply *r)
{
    if (r->body.n > 0)
        explicit_bzero(r->body.p, r->body.n); /* may hold a token or a key */
    if (r->tree_bytes.n > 0)
        explicit_bzero(r->tree_bytes.p, r->tree_bytes.n);
    buf_deinit(&r->body);
    buf_deinit(&r->tree_bytes);
    r->root = (struct tree){ 0 };
}

static void parse_body(struct http_reply *r)
{
    struct json_limits lim = { .bytes = HTTP_BODY_MAX, .depth = TREE_DEPTH_MAX, .members = 4000000, .string = 16u << 20,
                               .allow_lone_surrogates = true };
    struct span code;

    if (r->body.n == 0 || (r->body.p[0] != '{' && r->body.p[0] != '['))
        return;
    random_fill(lim.secret, sizeof(lim.secret));
    if (!json_parse(buf_span(&r->body), &lim, &r->tree_bytes, NULL))
        return;
    r->root = tree_root(buf_span(&r->tree_bytes));
    if (r->status >= 400 && tree_get_str(r->root, "code", &code)) {
        (void) span_to_str(code, r->code, sizeof(r->code));
        (void) tree_get_bool(r->root, "retryable", &r->retryable);
    }
}

static void describe(struct http_stream *s, CURLcode code)
{
    struct err_info *e = &s->reply.error;

    if (s->reader_failed)
        (void) ERR_RAISE(e, ERR_IO, "the file cannot be read");
    else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        (void) ERR_RAISE(e, ERR_DENIED, "the certificate of %s is not trusted (%s); KEYHOLE_CA names a file with the one to trust",
                         s->http->url, s->why[0] != '\0' ? s->why : curl_easy_strerror(code));
    else if (code == CURLE_OPERATION_TIMEDOUT)
        (void) ERR_RAISE(e, ERR_TIMEOUT, "%s does not answer in time", s->http->url);
    else if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        (void) ERR_RAISE(e, ERR_NOTFOUND, "cannot reach %s (%s)", s->http->url,
                         s->why[0] != '\0' ? s->why : curl_easy_strerror(code));
    else
        (void) ERR_RAISE(e, ERR_CLOSED, "the connection to %s broke (%s)", s->http->url,
                         s->why[0] != '\0' ? s->why : curl_easy_strerror(code));
}

/* The server wants a proof with another nonce, which it has sent along: once more, with that. True: it is under way. */
static bool made_again(struct http_stream *s)
{
    struct http_reply *r = &s->reply;

    if (r->status != 401 || !s->nonce_wanted || s->again || s->method == NULL || s->http->nonce[0] == '\0' || s->read != NULL)
        return false;
    s->again = true;
    s->nonce_wanted = false;
    (void) curl_multi_remove_handle(s->http->multi, s->easy);
    if (!set_headers(s))
        return false;
    buf_reset(&r->body);
    buf_reset(&s->bytes);
    *r = (struct http_reply){ .body = r->body, .tree_bytes = r->tree_bytes };
    s->why[0] = '\0';
    return curl_multi_add_handle(s->http->multi, s->easy) == CURLM_OK;
}

static void finished(struct http_stream *s, CURLcode code)
{
    long status = 0;

    if (code == CURLE_OK && made_again(s))
        return;
    s->over = true;
    if (curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        s->reply.status = status;
    if (code != CURLE_OK) {
        s->reply.cut = true;
        describe(s, code);
        if (!good(s) && s->reply.body.n == 0)
            s->reply.status = 0;
    }
    if (!good(s) && s->reply.status != 0)
        parse_body(&s->reply);
}

static void collect(struct http *h)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        struct http_stream *s = NULL;

        if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **) &s) == CURLE_OK &&
            s != NULL)
            finished(s, m->data.result);
    }
}

unsigned http_wait(struct http *h, const int *fds, unsigned n_fds, int timeout_ms)
{
    struct curl_waitfd w[8];
    unsigned ready = 0;
    int running = 0, n = 0;

    for (unsigned i = 0; i < n_fds; i++)
        w[i] = (struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
    (void) curl_multi_perform(h->multi, &running);
    collect(h);
    (void) curl_multi_poll(h->multi, w, n_fds, timeout_ms, &n);
    (void) curl_multi_perform(h->multi, &running);
    collect(h);
    for (unsigned i = 0; i < n_fds; i++)
        ready |= w[i].revents != 0 ? 1u << i : 0;
    return ready;
}

long http_stream_status(const struct http_stream *s)
{
    return s->reply.status >= 200 ? s->reply.status : 0;
}

bool http_stream_over(const struct http_stream *s)
{
    return s->over;
}

const struct http_reply *http_stream_reply(const struct http_stream *s)
{
    return &s->reply;
}

struct buf *http_stream_bytes(struct http_stream *s)
{
    return &s->bytes;
}

/* ---- calls ---- */

static bool may_repeat(const struct http_request *q, const struct http_reply *r)
{
    if (q->never_retry || q->read != NULL)
        return false;
    if (r->status == 0)
        return r->error.code == ERR_CLOSED && (q->idempotent || strcmp(q->method, "GET") == 0);
    return r->retryable && r->status >= 400;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* A transfer from its start to its end; the reply is moved out of it. */
static void once(struct http *h, const struct http_request *q, const char *idempotency, struct http_reply *ret)
{
    struct http_stream *s = transfer_new(h, q, idempotency);

    if (s == NULL) {
        (void) ERR_RAISE(&ret->error, ERR_NOMEM, "the call cannot be made: its address is too long, or no memory");
        return;
    }
    while (!s->over)
        (void) http_wait(h, NULL, 0, 1000);
    if (good(s)) {
        struct buf empty = s->reply.body;

        s->reply.body = s->bytes;
        s->bytes = empty;
        parse_body(&s->reply);
    }
    if (s->stopped)
        s->reply.cut = true;
    *ret = s->reply;
    s->reply = (struct http_reply){ 0 };
    (void) http_stream_close(s);
}

bool http_call(struct http *h, const struct http_request *q, struct http_reply *ret)
{
    char key[32] = "";
    uint8_t rnd[16];
    int64_t most;

    *ret = (struct http_reply){ 0 };
    if (q->idempotent) {
        random_fill(rnd, sizeof(rnd));
        (void) base64url_str(rnd, sizeof(rnd), key, sizeof(key));
    }
    for (int i = 0;; i++) {
        once(h, q, key, ret);
        if (i == RETRIES || !may_repeat(q, ret))
            return ret->status >= 200 && ret->status < 300 && !ret->cut;
        most = strcmp(ret->code, "rate-limited") == 0 ? RATE_WAIT_MAX_MS : RETRY_WAIT_MAX_MS;
        pause_ms(ret->retry_after_ms <= 0 ? 300 << i : ret->retry_after_ms > most ? most : ret->retry_after_ms);
        http_reply_deinit(ret);
        *ret = (struct http_reply){ 0 };
    }
}
