#include "format/note.h"

#include <string.h>

#include "base/hex.h"
#include "base/num.h"
#include "base/utf8.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/ed25519.h"

#define DASH "\xe2\x80\x94 " /* em dash, space */

static bool is_space(uint32_t cp)
{
    return cp == ' ' || (cp >= 9 && cp <= 13) || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f ||
           cp == 0x3000;
}

static bool name_ok(struct span name)
{
    struct rd r = rd_of(name);

    if (name.n == 0 || name.n > NOTE_NAME_MAX)
        return false;
    while (r.n > 0) {
        uint32_t cp = utf8_read(&r);

        if (r.failed || is_space(cp) || cp == '+' || cp < 0x20 || cp == 0x7f)
            return false;
    }
    return true;
}

static void key_id(struct span name, uint8_t type, struct span pk, uint8_t out[4])
{
    const uint8_t between[2] = { '\n', type };
    struct span parts[3] = { name, SPAN_OF(between), pk };
    uint8_t h[32];

    sha256_parts(parts, 3, h);
    memcpy(out, h, 4);
}

enum err note_vkey_init(struct note_vkey *k, struct span name, const uint8_t pk[NOTE_ED25519_PK],
                        struct err_info *reterr)
{
    if (!name_ok(name))
        return ERR_RAISE(reterr, ERR_INVAL, "note key name: 1 to %d bytes without white space or '+'", NOTE_NAME_MAX);
    *k = (struct note_vkey){ .type = NOTE_TYPE_ED25519 };
    (void) span_to_str(name, k->name, sizeof(k->name)); /* name_ok: fits, no NUL */
    memcpy(k->pk, pk, NOTE_ED25519_PK);
    key_id(name, k->type, span_of(pk, NOTE_ED25519_PK), k->id);
    return ERR_OK;
}

void note_vkey_text(const struct note_vkey *k, struct buf *b)
{
    uint8_t key[1 + NOTE_ED25519_PK];

    key[0] = k->type;
    memcpy(key + 1, k->pk, NOTE_ED25519_PK);
    buf_add_str(b, k->name);
    buf_add_c(b, '+');
    hex_add(b, SPAN_OF(k->id));
    buf_add_c(b, '+');
    base64_add(b, SPAN_OF(key));
}

enum err note_vkey_parse(struct span text, struct note_vkey *ret, struct err_info *reterr)
{
    uint8_t id[4], key[256];
    size_t n_id, n_key;
    struct span name, rest, hex, b64;
    struct note_vkey k;

    if (!span_cut(text, '+', &name, &rest) || !span_cut(rest, '+', &hex, &b64))
        return ERR_RAISE(reterr, ERR_INVAL, "note key: not name+id+key");
    if (hex.n != 8 || !hex_parse(hex, id, sizeof(id), &n_id))
        return ERR_RAISE(reterr, ERR_INVAL, "note key: the id is not 8 hexadecimal digits");
    if (!base64_parse(b64, key, sizeof(key), &n_key) || n_key == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "note key: the key is not base64");
    if (key[0] != NOTE_TYPE_ED25519)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "note key: signature type 0x%02x", key[0]);
    if (n_key != 1 + NOTE_ED25519_PK)
        return ERR_RAISE(reterr, ERR_INVAL, "note key: an Ed25519 key has %d bytes", NOTE_ED25519_PK);
    TRY(note_vkey_init(&k, name, key + 1, reterr));
    if (memcmp(k.id, id, sizeof(id)) != 0)
        return ERR_RAISE(reterr, ERR_INVAL, "note key: the id is not that of this name and key");
    *ret = k;
    return ERR_OK;
}

void note_origin(struct buf *b, struct span host, struct span log)
{
    buf_add_span(b, host);
    buf_add_str(b, "/v1/audit/");
    buf_add_span(b, log);
}

void note_checkpoint_text(const struct note_checkpoint *c, struct buf *b)
{
    buf_add_span(b, c->origin);
    buf_addf(b, "\n%llu\n", (unsigned long long) c->size);
    base64_add(b, SPAN_OF(c->root.b));
    buf_add_c(b, '\n');
}

enum err note_checkpoint_parse(struct span text, struct note_checkpoint *ret, bool *ret_extensions,
                               struct err_info *reterr)
{
    struct note_checkpoint c;
    struct span size, root, rest = text, line;
    bool extensions = false;
    size_t n;

    if (!span_cut(rest, '\n', &c.origin, &rest) || !span_cut(rest, '\n', &size, &rest) ||
        !span_cut(rest, '\n', &root, &rest) || c.origin.n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint: fewer than three lines");
    if (!num_u64(size, INT64_MAX, &c.size) || (size.n > 1 && size.p[0] == '0'))
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint: line 2 is not a tree size");
    if (!base64_parse(root, c.root.b, sizeof(c.root.b), &n) || n != sizeof(c.root.b))
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint: line 3 is not the base64 of 32 bytes");
    while (rest.n > 0) {
        if (!span_cut(rest, '\n', &line, &rest) || line.n == 0)
            return ERR_RAISE(reterr, ERR_INVAL, "checkpoint: an empty or unfinished extension line");
        extensions = true;
    }
    *ret = c;
    if (ret_extensions != NULL)
        *ret_extensions = extensions;
    return ERR_OK;
}

void note_write(struct buf *b, struct span text, const struct note_vkey *k, const uint8_t sig[NOTE_ED25519_SIG])
{
    uint8_t line[4 + NOTE_ED25519_SIG];

    memcpy(line, k->id, 4);
    memcpy(line + 4, sig, NOTE_ED25519_SIG);
    buf_add_span(b, text);
    buf_add_c(b, '\n');
    buf_add_str(b, DASH);
    buf_add_str(b, k->name);
    buf_add_c(b, ' ');
    base64_add(b, SPAN_OF(line));
    buf_add_c(b, '\n');
}

/* Reads one signature line off *sigs. */
static bool next_sig(struct span *sigs, struct span *ret_name, struct span *ret_b64)
{
    struct span line;

    if (!span_cut(*sigs, '\n', &line, sigs) || !span_starts(line, DASH))
        return false;
    line = span_sub(line, sizeof(DASH) - 1, line.n);
    return span_cut(line, ' ', ret_name, ret_b64) && name_ok(*ret_name) && ret_b64->n > 0;
}

static bool sigs_ok(struct span sigs)
{
    uint8_t sig[8192];
    size_t n_lines = 0, n;
    struct span name, b64;

    while (sigs.n > 0) {
        if (++n_lines > NOTE_SIGS_MAX || !next_sig(&sigs, &name, &b64) || !base64_parse(b64, sig, sizeof(sig), &n) ||
            n < 5)
            return false;
    }
    return n_lines > 0;
}

enum err note_split(struct span note, struct span *ret_text, struct span *ret_sigs, struct err_info *reterr)
{
    size_t at;

    if (note.n > NOTE_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "note: %zu bytes, at most %d", note.n, NOTE_MAX);
    if (!utf8_valid(note))
        return ERR_RAISE(reterr, ERR_INVAL, "note: not UTF-8");
    for (size_t i = 0; i < note.n; i++) {
        if (note.p[i] < 0x20 && note.p[i] != '\n')
            return ERR_RAISE(reterr, ERR_INVAL, "note: control byte at %zu", i);
    }
    for (at = note.n; at > 1; at--) { /* the last empty line parts text and signatures */
        if (note.p[at - 1] == '\n' && note.p[at - 2] == '\n')
            break;
    }
    if (at <= 1 || note.p[note.n - 1] != '\n')
        return ERR_RAISE(reterr, ERR_INVAL, "note: no blank line before signatures, or no newline at the end");
    if (!sigs_ok(span_sub(note, at, note.n)))
        return ERR_RAISE(reterr, ERR_INVAL, "note: malformed signature line, or more than %d", NOTE_SIGS_MAX);
    *ret_text = span_sub(note, 0, at - 1);
    *ret_sigs = span_sub(note, at, note.n);
    return ERR_OK;
}

const char *note_verdict_word(enum note_verdict v)
{
    switch (v) {
    case NOTE_GOOD: return "good";
    case NOTE_MALFORMED: return "malformed";
    case NOTE_UNKNOWN_KEY: return "unknown-key";
    case NOTE_FORGED: return "forged";
    }
    return "unknown";
}

enum note_verdict note_open(struct span note, const struct note_vkey *k, struct span *ret_text)
{
    struct span text, sigs, name, b64;
    bool good = false;

    if (note_split(note, &text, &sigs, NULL) != ERR_OK)
        return NOTE_MALFORMED;
    while (next_sig(&sigs, &name, &b64)) {
        uint8_t sig[8192];
        size_t n;

        if (!span_eq_str(name, k->name) || !base64_parse(b64, sig, sizeof(sig), &n) || memcmp(sig, k->id, 4) != 0)
            continue;
        if (n != 4 + NOTE_ED25519_SIG || !ed25519_verify(k->pk, text, span_of(sig + 4, NOTE_ED25519_SIG)))
            return NOTE_FORGED;
        good = true;
    }
    if (!good)
        return NOTE_UNKNOWN_KEY;
    *ret_text = text;
    return NOTE_GOOD;
}
