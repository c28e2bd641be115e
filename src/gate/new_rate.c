#include "gate/new_rate.h"

#include <stdlib.h>
#include <string.h>

#include "base/span.h"

#define KEY_MAX 96

/* What is left is counted in thousandths of one recording. */
struct rate_row {
    uint8_t key[KEY_MAX];
    size_t key_len;
    int64_t left, at;
    int64_t burst, per_s; /* both in thousandths */
};

enum err new_rate_init(struct new_rate *r, const uint8_t secret[16], struct err_info *reterr)
{
    map_init(&r->rows, secret, NEW_RATE_ROWS);
    r->swept = 0;
    return pthread_mutex_init(&r->lock, NULL) == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
}

void new_rate_deinit(struct new_rate *r)
{
    MAP_FOREACH(struct rate_row, row, &r->rows)
        free(row);
    map_deinit(&r->rows);
    (void) pthread_mutex_destroy(&r->lock);
}

static void refill(struct rate_row *row, int64_t boot)
{
    const int64_t past = boot > row->at ? boot - row->at : 0;
    const int64_t more = past > 1000 * row->burst ? row->burst : past * row->per_s / 1000;

    if (more == 0)
        return; /* the rest of the time counts on */
    row->left = row->left + more > row->burst ? row->burst : row->left + more;
    row->at = boot;
}

/* Rows that are full again say nothing. At most once a second: a flood of sources must not cost a walk for each. */
static void sweep(struct new_rate *r, int64_t boot)
{
    struct rate_row *row;
    size_t at = 0;

    if (r->swept != 0 && boot - r->swept < 1000)
        return;
    r->swept = boot;
    while (at < r->rows.cap) {
        row = r->rows.slots[at].value;
        if (row != NULL)
            refill(row, boot);
        if (row == NULL || row->left < row->burst) {
            at++;
            continue;
        }
        (void) map_del(&r->rows, span_of(row->key, row->key_len)); /* another may take its slot: look there again */
        free(row);
    }
}

static struct rate_row *row_of(struct new_rate *r, char kind, struct span a, struct span b, int64_t boot)
{
    const bool token = kind == 't' || kind == 'T';
    struct rate_row *row;
    uint8_t key[KEY_MAX];
    size_t n = 0;

    key[n++] = (uint8_t) kind;
    if (a.n + b.n + 2 > sizeof(key))
        return NULL;
    memcpy(key + n, a.p, a.n);
    n += a.n;
    key[n++] = ' ';
    if (b.n > 0)
        memcpy(key + n, b.p, b.n);
    n += b.n;
    row = map_get(&r->rows, span_of(key, n));
    if (row != NULL)
        return row;
    if (r->rows.n >= NEW_RATE_ROWS - 2)
        sweep(r, boot);
    if (r->rows.n >= NEW_RATE_ROWS - 2 && kind != 'o')
        return row_of(r, 'o', SPAN("others"), SPAN_EMPTY, boot);
    row = calloc(1, sizeof(*row));
    if (row == NULL)
        return NULL;
    memcpy(row->key, key, n);
    row->key_len = n;
    row->at = boot;
    row->burst = row->left = 1000 * (token ? NEW_RATE_TOKEN_BURST : NEW_RATE_SOURCE_BURST);
    row->per_s = token ? 1000 * NEW_RATE_TOKEN_PER_S : 1000 * 1000 / NEW_RATE_SOURCE_MS;
    if (map_put(&r->rows, span_of(row->key, n), row, NULL))
        return row;
    free(row);
    return NULL;
}

static int64_t wait_of(const struct rate_row *row)
{
    return row->left >= 1000 ? 0 : (1000 - row->left) * 1000 / row->per_s + 1;
}

int64_t new_rate_take(struct new_rate *r, enum new_rate_of of, struct span tid, struct span source, int64_t boot)
{
    const char token = of == NEW_RATE_EARLY ? 'T' : 't', one = of == NEW_RATE_EARLY ? 'S' : 's';
    struct rate_row *by_token, *by_source;
    int64_t wait = 1000, a, b;

    pthread_mutex_lock(&r->lock);
    by_token = row_of(r, token, tid, SPAN_EMPTY, boot);
    by_source = by_token == NULL ? NULL : row_of(r, one, tid, source, boot);
    /* A sweep for the second may have taken the first away: it was full then, and is made anew. */
    by_token = by_source == NULL ? NULL : row_of(r, token, tid, SPAN_EMPTY, boot);
    if (by_token != NULL && by_source != NULL) {
        refill(by_token, boot);
        refill(by_source, boot);
        a = wait_of(by_token);
        b = wait_of(by_source);
        wait = a > b ? a : b;
        if (wait == 0) {
            by_token->left -= 1000;
            by_source->left -= 1000;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return wait;
}
