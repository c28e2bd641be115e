#include "keeper/demo_page.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "keeper/statements.h"
#include "keeper/trail.h"

void demo_address(const char *public_url, const char *name, char *out, size_t cap)
{
    const char *host = strstr(public_url, "://");
    const char *rest;

    if (host == NULL) {
        (void) snprintf(out, cap, "%s", public_url);
        return;
    }
    host += 3;
    rest = strchr(host, ':');
    (void) snprintf(out, cap, "%.*s%s.localhost%s", (int) (host - public_url), public_url, name, rest == NULL ? "" : rest);
}

void demo_page_token(const char *password, char text[SESSION_TOKEN_CAP], uint8_t sha[32])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const size_t letters = sizeof(alphabet) - 1;
    uint8_t block[SHA256_LEN];
    char seed[160];
    size_t n = 4, from = sizeof(block);

    memcpy(text, "kib_", 4);
    for (int turn = 0; n < SESSION_TOKEN_CAP - 1; from++) {
        if (from == sizeof(block)) {
            (void) snprintf(seed, sizeof(seed), "keyhole demo page %d %s", turn++, password);
            sha256(span_str(seed), block);
            from = 0;
        }
        if (block[from] < 256 / letters * letters)
            text[n++] = alphabet[block[from] % letters];
    }
    text[n] = '\0';
    sha256(span_str(text), sha);
    secret_wipe(seed, sizeof(seed));
}

static enum err add_origin(struct job *c, struct span project, const char *public_url, struct err_info *reterr)
{
    char origin[600];
    struct meta_project row;

    demo_address(public_url, DEMO_PAGE_HOST, origin, sizeof(origin));
    TRY(meta_project_get(c->v, project, c->mem, &row, reterr));
    row.origins = arena_span(c->mem, span_str(origin));
    return meta_project_put(c->m, &row, reterr);
}

enum err demo_page_make(struct job *c, struct span project, const char *public_url, const char *password, struct span admin,
                        struct err_info *reterr)
{
    char text[SESSION_TOKEN_CAP];
    uint8_t sha[SHA256_LEN];
    struct meta_token t = { .id = job_new_id(c, ID_TOKEN), .kind = SPAN("ingest"), .project = project, .browser = true, .states = SPAN(STATEMENTS_DEFAULT),
                            .label = SPAN("the shop of this demo"), .client = SPAN("api"), .created_by = admin,
                            .created_ms = c->now.real, .state = SPAN("active") };
    struct leaf l = trail_leaf(c, LEAF_TOKEN_CREATED, project);

    demo_page_token(password, text, sha);
    t.sha256 = SPAN_OF(sha);
    TRY(meta_token_add(c->m, &t, reterr));
    l.obj = t.id;
    l.outcome = t.kind;
    TRY(trail_write(c, &l, NULL, reterr));
    return add_origin(c, project, public_url, reterr);
}
