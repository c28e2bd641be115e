#include "vault/store.h"

#include <fcntl.h>
#include <unistd.h>

#include "os/file.h"

#define MASTER_LEN 32

static enum err open_dir(const char *state_dir, int *ret_fd, struct err_info *reterr)
{
    CLEANUP(os_closep) int top = -1;

    TRY(os_dir_open(state_dir, false, &top, reterr));
    return os_dir_sub(top, "vault", ret_fd, reterr);
}

static enum err read_master(int dir, struct secret **ret, struct err_info *reterr)
{
    struct buf b = BUF_INIT(MASTER_LEN);
    enum err e = os_file_read(dir, "master.key", &b, reterr);

    if (e == ERR_OK && b.n != MASTER_LEN)
        e = ERR_RAISE(reterr, ERR_CORRUPT, "master.key has %zu bytes, not %d", b.n, MASTER_LEN);
    if (e == ERR_OK) {
        *ret = secret_of(buf_span(&b));
        if (*ret == NULL)
            e = ERR_RAISE(reterr, ERR_NOMEM, "no slot for the master key");
    }
    if (b.p != NULL)
        secret_wipe(b.p, b.cap);
    buf_deinit(&b);
    return e;
}

enum err vault_store_save(struct vault_store *s, struct err_info *reterr)
{
    struct buf b = BUF_INIT(KEYSTORE_FILE_MAX);
    enum err e = keystore_write(s->keys, s->master, &b, reterr);

    if (e == ERR_OK)
        e = os_file_replace(s->dir, "keystore", buf_span(&b), 0600, reterr);
    buf_deinit(&b);
    return e;
}

enum err vault_store_create(const char *state_dir, struct err_info *reterr)
{
    struct vault_store s = { .dir = -1 };
    CLEANUP(os_closep) int probe = -1;
    enum err e;

    TRY(open_dir(state_dir, &s.dir, reterr));
    if (os_file_open(s.dir, "keystore", O_RDONLY, &probe, NULL) == ERR_OK) {
        vault_store_close(&s);
        return ERR_RAISE(reterr, ERR_EXISTS, "there is a key store already");
    }
    s.master = secret_random(MASTER_LEN);
    s.keys = keystore_new();
    if (s.master == NULL || s.keys == NULL)
        e = ERR_RAISE(reterr, ERR_NOMEM, "no memory for a key store");
    else
        e = os_file_replace(s.dir, "master.key", secret_span(s.master), 0400, reterr);
    if (e == ERR_OK)
        e = vault_store_save(&s, reterr);
    vault_store_close(&s);
    return e;
}

enum err vault_store_open(const char *state_dir, struct vault_store *ret, struct err_info *reterr)
{
    struct vault_store s = { .dir = -1 };
    struct buf b = BUF_INIT(KEYSTORE_FILE_MAX);
    enum err e = open_dir(state_dir, &s.dir, reterr);

    if (e == ERR_OK)
        e = read_master(s.dir, &s.master, reterr);
    if (e == ERR_OK)
        e = os_file_read(s.dir, "keystore", &b, reterr);
    if (e == ERR_OK)
        e = keystore_open(buf_span(&b), s.master, &s.keys, reterr);
    buf_deinit(&b);
    if (e == ERR_OK)
        *ret = s;
    else
        vault_store_close(&s);
    return e;
}

void vault_store_close(struct vault_store *s)
{
    s->keys = keystore_free(s->keys);
    s->master = secret_free(s->master);
    os_closep(&s->dir);
}
