/*
 * keyhole-lying: the program with a keeper that lies to the vault. What it says is in the file named by KEYHOLE_LIE, read at
 * each call, so that a test begins and ends the lie while the server runs:
 *
 *   mute   no checkpoint is asked for              swap   other leaves, and a root that fits them
 *   fork   another tree, from its first leaf on    small  the log as it was before
 *   index  keys' records stand somewhere else than they do
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/merkle.h"
#include "link/link.h"

enum err __real_link_call_encoded(struct link *k, enum ipc_type type, struct span body, time_ms timeout_ms,
                                  link_answer_fn on_answer, void *ctx);
enum err __wrap_link_call_encoded(struct link *k, enum ipc_type type, struct span body, time_ms timeout_ms,
                                  link_answer_fn on_answer, void *ctx);

static const char *lie(void)
{
    static char word[16];
    const char *path = getenv("KEYHOLE_LIE");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, word, sizeof(word) - 1);

    if (fd >= 0)
        (void) close(fd);
    word[n > 0 ? n : 0] = '\0';
    return word;
}

static struct merkle_hash false_leaf, root, parts[MERKLE_LEVELS];

static void recompute(struct ipc_sign_checkpoint *m)
{
    struct merkle_frontier f;
    struct merkle_hash leaf;
    uint32_t at = 0;

    merkle_frontier_init(&f);
    f.size = m->old_size;
    for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
        if (m->old_size >> level & 1)
            memcpy(f.node[level].b, m->frontier.rows[at++].hash.p, MERKLE_HASH_LEN);
    }
    for (uint32_t i = 0; i < m->leaves.n; i++) {
        memcpy(leaf.b, m->leaves.rows[i].hash.p, MERKLE_HASH_LEN);
        if (merkle_append(&f, &leaf, NULL, NULL, NULL) != ERR_OK)
            abort();
    }
    root = merkle_root(&f);
    m->root = SPAN_OF(root.b);
}

static void tell_checkpoint(const char *word, struct ipc_sign_checkpoint *m)
{
    false_leaf = merkle_leaf(SPAN("nothing happened"));
    if (strcmp(word, "swap") == 0) {
        for (uint32_t i = 0; i < m->leaves.n; i++)
            m->leaves.rows[i].hash = SPAN_OF(false_leaf.b);
    } else if (strcmp(word, "fork") == 0) {
        for (uint32_t i = 0; i < m->frontier.n; i++) {
            parts[i] = false_leaf;
            m->frontier.rows[i].hash = SPAN_OF(parts[i].b);
        }
    } else if (strcmp(word, "small") == 0 && m->old_size > 1) {
        m->old_size = m->size = 1;
        m->frontier.n = 1;
        m->frontier.rows[0].hash = SPAN_OF(false_leaf.b);
        m->leaves.n = 0;
    }
    recompute(m);
}

enum err __wrap_link_call_encoded(struct link *k, enum ipc_type type, struct span body, time_ms timeout_ms,
                                  link_answer_fn on_answer, void *ctx)
{
    const char *word = lie();
    struct buf out = BUF_INIT(2U << 20);
    struct arena mem = { 0 };
    union {
        struct ipc_sign_checkpoint checkpoint;
        struct ipc_sign_key key;
    } m;
    enum err e;

    if (word[0] == '\0' || (type != IPC_T_SIGN_CHECKPOINT && type != IPC_T_SIGN_KEY))
        return __real_link_call_encoded(k, type, body, timeout_ms, on_answer, ctx);
    if (type == IPC_T_SIGN_CHECKPOINT && strcmp(word, "mute") == 0)
        return ERR_CLOSED;
    arena_init(&mem, 8U << 20);
    if (ipc_decode(type, body, &mem, &m, NULL) != ERR_OK)
        abort();
    if (type == IPC_T_SIGN_CHECKPOINT)
        tell_checkpoint(word, &m.checkpoint);
    else if (strcmp(word, "index") == 0)
        m.key.leaf_idx += 100000;
    ipc_encode(type, &m, &out);
    e = __real_link_call_encoded(k, type, buf_span(&out), timeout_ms, on_answer, ctx);
    buf_deinit(&out);
    arena_deinit(&mem);
    return e;
}
