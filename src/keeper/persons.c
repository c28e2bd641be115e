#include "keeper/persons.h"

#include "crypto/box.h"
#include "format/wrap.h"

enum err persons_make(struct job *c, struct span *ret_id, struct err_info *reterr)
{
    CLEANUP(secret_freep) struct secret *key = NULL;
    struct span id = job_new_id(c, ID_PERSON);
    const struct wrap_name name = { .kind = WRAP_OPENING, .id = id, .epoch = c->core->epoch };
    struct buf wrap = BUF_INIT(WRAP_MAX);
    uint8_t pub[BOX_PUB_LEN];
    struct meta_person row;
    enum err e;

    if (c->core->epoch == 0)
        return ERR_RAISE(reterr, ERR_STATE, "the vault's epoch key is not known yet");
    TRY(box_generate(&key, pub, reterr));
    e = wrap_seal(&name, key, c->core->epoch_pk, &wrap, reterr);
    row = (struct meta_person){ .id = id, .pk = SPAN_OF(pub), .epoch = c->core->epoch, .wrap = buf_span(&wrap),
                                .created_ms = c->now.real };
    if (e == ERR_OK)
        e = meta_person_add(c->m, &row, reterr);
    buf_deinit(&wrap);
    if (e == ERR_OK)
        *ret_id = id;
    return e;
}

enum err persons_of_subject(struct job *c, struct span project, struct span subject, struct span *ret_id,
                            struct err_info *reterr)
{
    struct meta_person p;
    enum err e = meta_subject_person_get(c->v, project, subject, c->mem, &p, reterr);

    if (e == ERR_OK) {
        *ret_id = p.id;
        return ERR_OK;
    }
    if (e != ERR_NOTFOUND)
        return e;
    TRY(persons_make(c, ret_id, reterr));
    return meta_subject_person_put(c->m, project, subject, *ret_id, reterr);
}
