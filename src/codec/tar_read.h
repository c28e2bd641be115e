#pragma once
/*
 * tar_read: a tar, pushed in pieces (ustar, pax, GNU long names). Pure; nothing is written anywhere.
 *
 * Regular files are told by on_file, then their bytes by on_bytes, then on_end. Directories, links, devices and what
 * nobody knows are passed over. Checksums are checked; a tar may end without its two empty blocks.
 * Limits: TAR_NAME_MAX, TAR_MEMBERS_MAX, sizes below 2^53.
 */
#include "base/buf.h"

#define TAR_BLOCK       512
#define TAR_NAME_MAX    1024
#define TAR_MEMBERS_MAX 4096

struct tar_read {
    enum err (*on_file)(void *ctx, struct span name, uint64_t size, struct err_info *reterr);
    enum err (*on_bytes)(void *ctx, struct span bytes, struct err_info *reterr);
    enum err (*on_end)(void *ctx, struct err_info *reterr);
    void *ctx;

    uint64_t offset; /* bytes taken */
    const char *limit; /* with ERR_LIMIT: "tar-members", "tar-name", "tar-pax" */
    uint64_t limit_value;
    uint8_t block[TAR_BLOCK];
    size_t n_block;
    uint64_t left, pad; /* of the member being read */
    int kind;
    bool ended;
    uint32_t n_members;
    struct buf name, pax; /* of the next member, from an extension */
    uint64_t next_size;
    bool have_size;
};

/* The first 512 bytes of a tar? */
bool tar_sniff(struct span first);

void tar_read_init(struct tar_read *t);
void tar_read_deinit(struct tar_read *t);
NODISCARD enum err tar_read_feed(struct tar_read *t, struct span in, struct err_info *reterr);

/* ERR_CORRUPT: it ended inside a member. */
NODISCARD enum err tar_read_finish(struct tar_read *t, struct err_info *reterr);
