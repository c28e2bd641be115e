#include "keeper/client_keys.h"

#include "crypto/es256.h"
#include "format/key.h"
#include "keeper/notice.h"
#include "keeper/trail.h"
#include "keeper/view.h"

bool client_keys_proven(const struct job *c)
{
    return c->in != NULL && c->in->proof_jkt.n == KEY_JKT_LEN && c->in->proof_pub.n == ES256_PUB_LEN;
}

time_ms client_keys_acts_from(const struct core *core, const struct meta_token *t)
{
    return core->cfg.new_key_wait_ms == 0 ? 0 : t->jkt_since_ms + core->cfg.new_key_wait_ms;
}

static enum err record(struct job *c, const struct meta_token *t, bool fresh, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_CLIENT_KEY_REGISTERED, SPAN_EMPTY);

    l.actor = t->account;
    l.obj = t->id;
    l.digest = t->jkt; /* the thumbprint is a SHA-256 */
    (void) leaf_add_number(&l, "new", fresh);
    return trail_write(c, &l, NULL, reterr);
}

enum err client_keys_register(struct job *c, struct meta_token *t, struct err_info *reterr)
{
    struct meta_client_key row;
    enum err e = meta_client_key_get(c->v, t->account, c->in->proof_jkt, c->mem, &row, reterr);
    bool fresh = e == ERR_NOTFOUND;

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (fresh) {
        row = (struct meta_client_key){ .account = t->account, .jkt = c->in->proof_jkt, .pub = c->in->proof_pub,
                                        .client = t->client, .token = t->id, .since_ms = c->now.real };
        TRY(meta_client_key_add(c->m, &row, reterr));
    }
    t->jkt = row.jkt;
    t->jkt_since_ms = row.since_ms;
    TRY(record(c, t, fresh, reterr));
    if (fresh) {
        const struct notice n = { .type = NOTICE_CLIENT_KEY, .id = t->id, .state = "registered", .owner = t->account };

        notice_send(c, &n);
    }
    return ERR_OK;
}

enum err client_keys_view_new(struct job *c, struct err_info *reterr)
{
    struct meta_client_key_list rows;

    TRY(meta_client_keys(c->v, c->me->id, c->now.real - CLIENT_KEYS_NEW_MS, CLIENT_KEYS_NEW_MAX, c->mem, &rows, reterr));
    jsonw_karr(&c->w, "new_client_keys");
    for (size_t i = 0; i < rows.n; i++) {
        if (span_eq(rows.rows[i].jkt, c->token.jkt))
            continue;
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "client_key", rows.rows[i].jkt);
        jsonw_kstr(&c->w, "client", rows.rows[i].client);
        jsonw_ktime(&c->w, "registered_at", rows.rows[i].since_ms);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    return ERR_OK;
}
