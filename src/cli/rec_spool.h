#pragma once
/*
 * The spool of `keyhole rec`: what the server has not confirmed yet, on disk, encrypted. One file per recording, and one key
 * file per directory.
 *
 * Life:    rec_spool_new or _open -> (_add | _get | _forget | _rewind)* -> _remove (all is confirmed) or _close (it stays).
 * Threads: one at a time; the caller's lock.
 * Format:  docs/formats/spool.md. "KHSPOOL1" || salt[16] || nonce[24] || XChaCha20-Poly1305(spool key; nonce, aad "KHSPOOL1" || salt; K) (48 bytes),
 *          then records: 0xA5 || u32le n || u64le index || nonce[24] || XChaCha20-Poly1305(K; nonce, aad salt || u64le index;
 *          u8 kind || u8 packed || (packed: u32le size || zstd, else the bytes)) (n bytes). Zeros between records are passed
 *          over: confirmed records are punched out. Indices only grow. A torn last record ends the file.
 * Key:     K is fresh for each file and in the recorder's memory only. The spool key is 32 random bytes in DIR/spool.key (0600),
 *          so that what is left can be sent after the recorder has gone. That protects a spool file that gets away without it
 *          (a copy, a backup without the key file, blocks that are reused); it does not protect from root, from the same user,
 *          or from somebody who has the whole directory. Removing a file overwrites its wrapped key first.
 * Durable: written with each piece, so it survives the end of the recorder; not synced, so a power loss may take the last
 *          seconds (a sync would make the command wait for the disk).
 */
#include "base/buf.h"

#define REC_SPOOL_NAME_CAP 64

enum rec_spool_kind {
    REC_SPOOL_HEAD = 1, /* JSON: what to tell a server */
    REC_SPOOL_STATE,    /* JSON: how far it got; the newest counts */
    REC_SPOOL_EVENTS,   /* u64le first || u32le n || events as in rec_box */
};

struct rec_spool;

/* Opens DIR, or the user's own spool when NULL (made, 0700); *ret_path is heap. ERR_DENIED: others can look into it. */
NODISCARD enum err rec_spool_dir(const char *dir, int *ret_fd, char **ret_path, struct err_info *reterr);

NODISCARD enum err rec_spool_new(int dirfd, struct rec_spool **ret, struct err_info *reterr);
/* ERR_AGAIN: its recorder is running. ERR_CORRUPT: not a spool of this directory's key. */
NODISCARD enum err rec_spool_open(int dirfd, const char *name, struct rec_spool **ret, struct err_info *reterr);
struct rec_spool *rec_spool_close(struct rec_spool *s);
struct rec_spool *rec_spool_remove(struct rec_spool *s);
const char *rec_spool_name(const struct rec_spool *s);

/* *ret_at: its place, for _get and _forget. ERR_NOSPC, ERR_IO: nothing was added. */
NODISCARD enum err rec_spool_add(struct rec_spool *s, enum rec_spool_kind kind, struct span bytes, uint64_t *ret_at,
                                 struct err_info *reterr);
/* Appends the bytes of the record at or behind *at; *at moves behind it. ERR_NOTFOUND: there is none. */
NODISCARD enum err rec_spool_get(struct rec_spool *s, uint64_t *at, enum rec_spool_kind *ret_kind, struct buf *ret,
                                 struct err_info *reterr);
/* Where the first record may begin. */
uint64_t rec_spool_begin(void);
/* Gives the record's room back to the file system. */
void rec_spool_forget(struct rec_spool *s, uint64_t at);
/* Drops all records but the first. */
void rec_spool_rewind(struct rec_spool *s);
/* False: a name of another kind of file. */
bool rec_spool_is_name(const char *name);
