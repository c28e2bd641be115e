#include "access/id.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool id_bits(struct span s, enum id_kind kind, uint8_t ret[ID_RANDOM])
{
    uint8_t bits[ID_RANDOM];

    if (s.n != ID_LEN || s.p[0] != (uint8_t) kind || s.p[1] != '_')
        return false;
    for (size_t i = 0; i < 4; i++) {
        uint32_t word = 0;

        for (size_t j = 0; j < 4; j++) {
            int six = sextet(s.p[2 + i * 4 + j]);

            if (six < 0)
                return false;
            word = word << 6 | (uint32_t) six;
        }
        bits[i * 3] = (uint8_t) (word >> 16);
        bits[i * 3 + 1] = (uint8_t) (word >> 8);
        bits[i * 3 + 2] = (uint8_t) word;
    }
    memcpy(ret, bits, sizeof(bits));
    return true;
}

bool id_valid(struct span s, enum id_kind kind)
{
    uint8_t bits[ID_RANDOM];

    return id_bits(s, kind, bits);
}

struct id id_make(enum id_kind kind, const uint8_t random[ID_RANDOM])
{
    struct id id = { { (char) kind, '_' } };

    for (size_t i = 0; i < 4; i++) {
        uint32_t word = (uint32_t) random[i * 3] << 16 | (uint32_t) random[i * 3 + 1] << 8 | random[i * 3 + 2];

        for (size_t j = 0; j < 4; j++)
            id.s[2 + i * 4 + j] = alphabet[word >> (18 - 6 * j) & 63];
    }
    return id;
}
