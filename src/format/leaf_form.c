#include "format/leaf_form.h"

/* Is 'word' one of the space-separated words of 'scope'? */
static bool has_word(struct span scope, const char *word)
{
    struct span head;

    while (scope.n > 0) {
        (void) span_cut(scope, ' ', &head, &scope); /* without a space the head is all, and the tail is empty */
        if (span_eq_str(head, word))
            return true;
    }
    return false;
}

void leaf_form_key(const struct ipc_sign_key *k, struct leaf *ret)
{
    static const char *const flags[] = { "play", "live", "unmask", "export", "bg" };

    *ret = (struct leaf){ .log = k->log,
                          .i = k->leaf_idx,
                          .t = k->leaf_t_ms,
                          .type = k->renewed != 0 ? LEAF_KEY_RENEWED : LEAF_KEY_ISSUED,
                          .actor = k->sub,
                          .q = k->q,
                          .gid = k->gid,
                          .gen = k->gen,
                          .vid = k->vid,
                          .rid = k->rid,
                          .jti = k->jti,
                          .outcome = SPAN("ok"),
                          .policy = k->policy,
                          .digest = k->cnf_jkt };
    (void) leaf_add_number(ret, "iat", k->iat_s); /* at most ten: there is room */
    (void) leaf_add_number(ret, "exp", k->exp_s);
    (void) leaf_add_number(ret, "wend", k->wend_s);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (has_word(k->scope, flags[i]))
            (void) leaf_add_number(ret, flags[i], 1);
    }
    if (k->cnf_jkt.n > 0)
        (void) leaf_add_number(ret, "bound", 1);
    if (k->moved != 0)
        (void) leaf_add_number(ret, "ctx", 1);
}

void leaf_form_released(const struct ipc_open *o, struct span log, struct span sub, struct span vid, struct leaf *ret)
{
    *ret = (struct leaf){ .log = log,
                          .i = o->leaf_idx,
                          .t = o->leaf_t_ms,
                          .type = LEAF_VAULT_RELEASED,
                          .actor = sub,
                          .gid = o->gid,
                          .gen = o->gen,
                          .vid = vid,
                          .rid = o->rid,
                          .jti = o->jti,
                          .outcome = SPAN("ok") };
    (void) leaf_add_number(ret, "kn", o->kn); /* two: there is room */
    (void) leaf_add_number(ret, "track", o->track);
}
