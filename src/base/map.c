#include "base/map.h"

#include <endian.h>
#include <stdlib.h>

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t siphash24(const uint8_t secret[16], struct span in)
{
    uint64_t k0 = load64(secret), k1 = load64(secret + 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU, k0 ^ 0x6c7967656e657261U,
                      k1 ^ 0x7465646279746573U };
    uint64_t m;
    size_t i = 0;

    for (; i + 8 <= in.n; i += 8) {
        m = load64(in.p + i);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    m = (uint64_t) in.n << 56;
    for (size_t j = 0; i + j < in.n; j++)
        m |= (uint64_t) in.p[i + j] << (8 * j);
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int r = 0; r < 4; r++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, const uint8_t secret[16], size_t max)
{
    *m = (struct map){ .max = max };
    memcpy(m->secret, secret, sizeof(m->secret));
}

void map_deinit(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->n = m->cap = 0;
}

static struct map_slot *probe(const struct map *m, struct span key, uint64_t hash)
{
    size_t i = (size_t) hash & (m->cap - 1);

    while (m->slots[i].value != NULL && !(m->slots[i].hash == hash && span_eq(m->slots[i].key, key)))
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

void *map_get(const struct map *m, struct span key)
{
    if (m->n == 0)
        return NULL;
    return probe(m, key, siphash24(m->secret, key))->value;
}

static bool grow(struct map *m)
{
    size_t cap = m->cap == 0 ? 16 : m->cap * 2;
    struct map bigger = *m;

    bigger.slots = calloc(cap, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return false;
    bigger.cap = cap;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value != NULL)
            *probe(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    }
    free(m->slots);
    *m = bigger;
    return true;
}

bool map_put(struct map *m, struct span key, void *value, void **ret_old)
{
    uint64_t hash = siphash24(m->secret, key);
    struct map_slot *s;

    if (m->cap == 0 || (m->n + 1) * 4 > m->cap * 3) {
        if (!grow(m))
            return false;
    }
    s = probe(m, key, hash);
    if (s->value == NULL && m->n >= m->max)
        return false;
    if (ret_old != NULL)
        *ret_old = s->value;
    if (s->value == NULL)
        m->n++;
    *s = (struct map_slot){ key, value, hash };
    return true;
}

void *map_del(struct map *m, struct span key)
{
    struct map_slot *s;
    void *value;
    size_t hole, i;

    if (m->n == 0)
        return NULL;
    s = probe(m, key, siphash24(m->secret, key));
    value = s->value;
    if (value == NULL)
        return NULL;
    /* Backward-shift deletion: no tombstones, so probes stay short. */
    hole = (size_t) (s - m->slots);
    for (i = (hole + 1) & (m->cap - 1); m->slots[i].value != NULL; i = (i + 1) & (m->cap - 1)) {
        size_t home = (size_t) m->slots[i].hash & (m->cap - 1);

        if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){ SPAN_EMPTY, NULL, 0 };
    m->n--;
    return value;
}
