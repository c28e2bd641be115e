/* keyhole recorder: what to put into a page so that it records. */
#include "cli/cli.h"

#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"

#define TOKEN_LEN 47

/* The server's own script: its hash says what pages will run. */
static int fetch(struct cli *c, uint8_t sum[SHA256_LEN])
{
    const struct http_request q = { .method = "GET", .path = "/recorder.js" };
    struct http_reply r = { 0 };
    int code = cli_connect(c);

    if (code == EXIT_DONE && !http_call(c->http, &q, &r))
        code = r.status == 404 ? fail("this server was built without the recorder") : cli_problem(c, &r);
    else if (code == EXIT_DONE)
        sha256(buf_span(&r.body), sum);
    http_reply_deinit(&r);
    return code;
}

static bool is_public(const char *token)
{
    return strncmp(token, "kib_", 4) == 0 && strlen(token) == TOKEN_LEN &&
           strspn(token + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == TOKEN_LEN - 4;
}

static void print_tag(struct cli *c, const char *src, const char *integrity, const char *token)
{
    struct buf b = BUF_INIT(4096);
    struct jsonw w;

    if (!c->json) {
        (void) printf("<script src=\"%s\" integrity=\"%s\" crossorigin=\"anonymous\" data-token=\"%s\"></script>\n", src, integrity,
                      token);
        return;
    }
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "src", src);
    jsonw_kcstr(&w, "integrity", integrity);
    jsonw_kcstr(&w, "token", token);
    jsonw_obj_end(&w);
    (void) printf(SPAN_FMT "\n", SPAN_ARG(buf_span(&b)));
    buf_deinit(&b);
}

static int run_recorder(struct cli *c)
{
    const char *token = args_value(&c->args, "token");
    char src[1200], integrity[64] = "sha256-";
    struct buf b64 = BUF_INIT(64);
    uint8_t sum[SHA256_LEN];
    int code;

    if (token != NULL && !is_public(token))
        return usage(c, "a page needs a public token: keyhole token add --project P --ingest --browser");
    code = fetch(c, sum);
    if (code != EXIT_DONE)
        return code;
    base64_add(&b64, SPAN_OF(sum));
    (void) snprintf(integrity, sizeof(integrity), "sha256-" SPAN_FMT, SPAN_ARG(buf_span(&b64)));
    (void) snprintf(src, sizeof(src), "%s/assets/keyhole-recorder-%02x%02x%02x%02x.js", http_public_url(c->http), sum[0], sum[1], sum[2],
                    sum[3]);
    print_tag(c, src, integrity, token != NULL ? token : "kib_YOUR_PUBLIC_TOKEN");
    buf_deinit(&b64);
    return EXIT_DONE;
}

const struct command cmd_recorder = {
    .name = "recorder",
    .heading = "Recordings",
    .summary = "Prints the <script> element that makes a page record itself",
    .synopsis = "[--token kib_...]",
    .text = "The address names one version of the recorder, which never changes, and its hash. /recorder.js without both is always the\n"
            "version of the server. The page's origin has to be one of the project's: keyhole project set P --origin https://...\n"
            "What can be said in the element (consent, sampling, masking): docs/capture.md.",
    .example = "$ keyhole recorder --token kib_...\n<script src=\"https://rec.example.org/assets/keyhole-recorder-1a2b3c4d.js\" ...></script>",
    .opts = (const struct opt[]){ { "token", 't', "TOKEN", "the public token that stands in the page", false }, { 0 } },
    .keyless = true,
    .run = run_recorder,
};
