/*
 * Proofs for a job file of bench-get, made before anything is measured.
 *
 *   bench-proofs JOBS ORIGIN > JOBS
 *
 * A block whose first line is "PROOF PRIVATE PUBLIC NONCE KEY" (hex, hex; the server's nonce; the provisioning key) gets a header "DPoP" of its own for
 * each request, as RFC 9449 wants it; that line goes.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hex.h"
#include "crypto/es256.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "format/dpop.h"

struct client {
    struct es256_signer *signer;
    uint8_t pub[ES256_PUB_LEN];
    struct span nonce, key;
};

static void drop_client(struct client *c)
{
    c->signer = es256_signer_free(c->signer);
}

static void read_client(struct span line, struct client *c)
{
    struct span priv, pub;
    uint8_t d[32];
    size_t n_d, n_pub;
    struct secret *s;

    drop_client(c);
    bench_need(span_cut(line, ' ', &priv, &line) && span_cut(line, ' ', &pub, &line) && span_cut(line, ' ', &c->nonce, &c->key) &&
                   hex_parse(priv, d, sizeof(d), &n_d) && n_d == sizeof(d) && hex_parse(pub, c->pub, sizeof(c->pub), &n_pub) && n_pub == sizeof(c->pub),
               "PROOF PRIVATE PUBLIC NONCE KEY");
    s = secret_of(SPAN_OF(d));
    bench_need(s != NULL && es256_signer_new(s, c->pub, &c->signer, NULL) == ERR_OK, "a client key");
    (void) secret_free(s);
}

static void print_proof(const struct client *c, const char *method, const char *origin, struct span path)
{
    struct buf url = BUF_INIT(4096), proof = BUF_INIT(DPOP_LEN_MAX);
    struct dpop_make m = { .method = method, .key = c->key, .nonce = c->nonce, .iat = time(NULL) };

    buf_addf(&url, "%s" SPAN_FMT, origin, SPAN_ARG(path));
    buf_add(&url, "", 1);
    bench_need(!url.failed, "memory");
    random_fill(m.jti, sizeof(m.jti));
    m.url = (const char *) url.p;
    bench_need(dpop_write(&m, c->signer, c->pub, &proof, NULL) == ERR_OK, "dpop_write");
    printf("WITH DPoP: " SPAN_FMT "\n", SPAN_ARG(buf_span(&proof)));
    buf_deinit(&url);
    buf_deinit(&proof);
}

int main(int argc, char **argv)
{
    struct buf file = BUF_INIT(1u << 30);
    struct client client = { 0 };
    struct span rest, line, word, path;

    bench_need(argc == 3, "bench-proofs JOBS ORIGIN");
    bench_read(argv[1], &file);
    for (rest = buf_span(&file); span_cut(rest, '\n', &line, &rest);) {
        if (line.n == 0)
            drop_client(&client);
        if (span_starts(line, "PROOF ")) {
            read_client(span_sub(line, 6, line.n), &client);
            continue;
        }
        if (client.signer != NULL && span_cut(line, ' ', &word, &path) && (span_eq_str(word, "GET") || span_eq_str(word, "WARM")))
            print_proof(&client, "GET", argv[2], path);
        printf(SPAN_FMT "\n", SPAN_ARG(line));
    }
    drop_client(&client);
    buf_deinit(&file);
    return fflush(stdout) == 0 ? 0 : 1;
}
