/* What the table says of a name or an address. Comparisons are of ASCII letters in any case, as a browser does them. */
#include "codec/sanitize_int.h"
#include "codec/sanitize_table.h"


struct entry {
    const char *name;
    uint8_t len;
    uint8_t kind;
};

enum { NAME_MAX_LEN = 32 };

#define ENTRY_TAG(n, k)  { n, sizeof(n) - 1, SANITIZE_TAG_##k },
#define ENTRY_ATTR(n, k) { n, sizeof(n) - 1, SANITIZE_ATTR_##k },
#define ENTRY(n, k)      { n, sizeof(n) - 1, WORD_##k },

enum word { WORD_NONE, WORD_BAD, WORD_DATA, WORD_IMAGE, WORD_MEDIA, WORD_FONT, WORD_EMPTY, WORD_FETCH, WORD_RUN, WORD_DROP };

static const struct entry tags[] = { SANITIZE_TAGS(ENTRY_TAG) };
static const struct entry attributes[] = { SANITIZE_ATTRIBUTES(ENTRY_ATTR) };
static const struct entry schemes[] = { SANITIZE_SCHEMES(ENTRY) };
static const struct entry data_types[] = { SANITIZE_DATA(ENTRY) };
static const struct entry functions[] = { SANITIZE_CSS_FUNCTIONS(ENTRY) };
static const struct entry properties[] = { SANITIZE_CSS_PROPERTIES(ENTRY) };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Lengths and first letters of the two long tables beside one another: nearly all names of a page are in neither, and a compiler compares sixteen
 * at a time.
 */
#define SIEVE 48
struct sieve {
    uint8_t len[SIEVE], first[SIEVE];
};

#define LEN(n, k)   sizeof(n) - 1,
#define FIRST(n, k) (n)[0],

static const struct sieve tag_sieve = { { SANITIZE_TAGS(LEN) }, { SANITIZE_TAGS(FIRST) } };
static const struct sieve attribute_sieve = { { SANITIZE_ATTRIBUTES(LEN) }, { SANITIZE_ATTRIBUTES(FIRST) } };
_Static_assert(COUNT(tags) <= SIEVE && COUNT(attributes) <= SIEVE, "the sieves have room");

static bool passes(const struct sieve *s, uint8_t len, uint8_t first)
{
    uint8_t any = 0;

    for (int i = 0; i < SIEVE; i++)
        any |= (uint8_t) ((s->len[i] == len) & (s->first[i] == first));
    return any != 0;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c + 32) : c;
}

static bool same(const uint8_t *p, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower(p[i]) != (uint8_t) name[i])
            return false;
    return true;
}

static uint8_t look_up(const struct entry *table, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].len == name.n && same(name.p, table[i].name, name.n))
            return table[i].kind;
    return 0;
}

static struct span local_part(struct span name)
{
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == ':')
            return span_sub(name, i, name.n);
    return name;
}

enum sanitize_tag sanitize_tag(struct span name)
{
    name = local_part(name);
    if (name.n == 0 || name.n > NAME_MAX_LEN || !passes(&tag_sieve, (uint8_t) name.n, lower(name.p[0])))
        return SANITIZE_TAG_PLAIN;
    return (enum sanitize_tag) look_up(tags, COUNT(tags), name);
}

enum sanitize_attr sanitize_attr(struct span name)
{
    static const char moved[] = SANITIZE_MOVED;

    if (name.n > sizeof(moved) - 1 && same(name.p, moved, sizeof(moved) - 1))
        return SANITIZE_ATTR_TEXT; /* "rrweb-original-xlink:href" names no address any more */
    name = local_part(name);
    if (name.n > 2 && lower(name.p[0]) == 'o' && lower(name.p[1]) == 'n' && lower(name.p[2]) >= 'a' && lower(name.p[2]) <= 'z')
        return SANITIZE_ATTR_DROP;
    if (name.n == 0 || name.n > NAME_MAX_LEN || !passes(&attribute_sieve, (uint8_t) name.n, lower(name.p[0])))
        return SANITIZE_ATTR_TEXT;
    return (enum sanitize_attr) look_up(attributes, COUNT(attributes), name);
}

/* Blanks, control characters, and what cannot be seen (U+0080-A0, U+200B-F, U+2028-F, BOM): its length at i, or 0. */
static size_t blank(struct span s, size_t i)
{
    const uint8_t *p = s.p + i;
    size_t n = s.n - i;

    if (p[0] <= 0x20 || p[0] == 0x7f)
        return 1;
    if (n >= 2 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0xa0)
        return 2;
    if (n >= 3 && p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xaf)))
        return 3;
    if (n >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
        return 3;
    return 0;
}

/* The address's first bytes in lower case, without any blanks. */
static struct span bare_head(struct span s, uint8_t *room, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n < cap;) {
        size_t skip = blank(s, i);

        if (skip == 0)
            room[n++] = lower(s.p[i++]);
        i += skip;
    }
    return span_of(room, n);
}

/* The same as a browser reads it (URL standard): leading control characters and blanks go, tabs and line ends go everywhere. */
static struct span true_head(struct span s, uint8_t *room, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n < cap; i++) {
        uint8_t c = s.p[i];

        if ((n > 0 || c > 0x20) && c != '\t' && c != '\n' && c != '\r')
            room[n++] = lower(c);
    }
    return span_of(room, n);
}

static uint8_t prefix_of(const struct entry *table, size_t n, struct span s, size_t *ret_len)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].len <= s.n && memcmp(s.p, table[i].name, table[i].len) == 0) {
            *ret_len = table[i].len;
            return table[i].kind;
        }
    return 0;
}

/* What runs is looked for without any blanks, what is harmless as a browser would read it: both err on the safe side. */
enum sanitize_address sanitize_address(struct span decoded)
{
    uint8_t bare_room[32], room[64];
    struct span bare = bare_head(decoded, bare_room, sizeof(bare_room)), head = true_head(decoded, room, sizeof(room));
    size_t n = 0;

    if (prefix_of(schemes, COUNT(schemes), bare, &n) == WORD_BAD)
        return SANITIZE_ADDRESS_BAD;
    if (head.n == 0)
        return SANITIZE_ADDRESS_EMPTY;
    if (head.p[0] == '#')
        return SANITIZE_ADDRESS_PLACE;
    if (prefix_of(schemes, COUNT(schemes), head, &n) == WORD_DATA &&
        prefix_of(data_types, COUNT(data_types), span_sub(head, n, head.n), &n) != 0)
        return SANITIZE_ADDRESS_OWN;
    if (prefix_of(schemes, COUNT(schemes), bare, &n) == WORD_DATA)
        return SANITIZE_ADDRESS_BAD;
    return head.n >= 5 && memcmp(head.p, "blob:", 5) == 0 ? SANITIZE_ADDRESS_OWN : SANITIZE_ADDRESS_OTHER;
}

bool sanitize_css_fetches(struct span name)
{
    static const char set[] = "image-set";
    size_t n = sizeof(set) - 1;

    return look_up(functions, COUNT(functions), name) == WORD_FETCH ||
           (name.n > n && memcmp(name.p + name.n - n, set, n) == 0);
}

bool sanitize_css_runs(struct span name)
{
    return look_up(functions, COUNT(functions), name) == WORD_RUN;
}

bool sanitize_css_property(struct span name)
{
    return look_up(properties, COUNT(properties), name) == WORD_DROP;
}
