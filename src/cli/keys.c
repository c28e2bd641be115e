#include "cli/keys.h"

#define STEP_MS  5000
#define SHIFT_MS 30000
#define CTRL_MS  60000

static struct key simple(enum key_kind kind)
{
    return (struct key){ kind, 0, 0 };
}

static struct key ground(struct keys *k, uint8_t b)
{
    if (b >= '0' && b <= '9')
        return (struct key){ KEYS_TENTH, 0, b - '0' };
    switch (b) {
    case 0x1b: k->state = KEYS_ESC; return simple(KEYS_NONE);
    case 'q':
    case 'Q':
    case 0x03:
    case 0x04: return simple(KEYS_QUIT);
    case ' ':
    case 'p': return simple(KEYS_PAUSE);
    case '[': return simple(KEYS_BEFORE);
    case ']': return simple(KEYS_NEXT);
    case '<':
    case ',':
    case '-': return simple(KEYS_SLOWER);
    case '>':
    case '.':
    case '+':
    case '=': return simple(KEYS_FASTER);
    case '?':
    case 'h': return simple(KEYS_HELP);
    default: return simple(KEYS_NONE);
    }
}

/* Arrows carry 1 + shift 1, alt 2, ctrl 4 as their second argument. */
static struct key arrow(const struct keys *k, bool ahead)
{
    int modifiers = k->n_args >= 2 && k->args[1] > 0 ? k->args[1] - 1 : 0;
    int64_t by = (modifiers & 4) != 0 ? CTRL_MS : (modifiers & 1) != 0 ? SHIFT_MS : STEP_MS;

    return (struct key){ ahead ? KEYS_AHEAD : KEYS_BACK, by, 0 };
}

static struct key final(struct keys *k, uint8_t b)
{
    k->state = KEYS_GROUND;
    switch (b) {
    case 'C': return arrow(k, true);
    case 'D': return arrow(k, false);
    case 'A': return (struct key){ KEYS_AHEAD, CTRL_MS, 0 };
    case 'B': return (struct key){ KEYS_BACK, CTRL_MS, 0 };
    case 'H': return simple(KEYS_START);
    case 'F': return simple(KEYS_END);
    case '~':
        if (k->args[0] == 1 || k->args[0] == 7)
            return simple(KEYS_START);
        if (k->args[0] == 4 || k->args[0] == 8)
            return simple(KEYS_END);
        return simple(KEYS_NONE);
    default: return simple(KEYS_NONE);
    }
}

static struct key csi(struct keys *k, uint8_t b)
{
    if (b >= '0' && b <= '9') {
        int *arg = &k->args[k->n_args > 0 ? k->n_args - 1 : 0];

        if (k->n_args == 0)
            k->n_args = 1;
        *arg = *arg < 1000 ? *arg * 10 + (b - '0') : *arg;
    } else if (b == ';') {
        k->n_args = k->n_args == 0 ? 2 : k->n_args < 4 ? k->n_args + 1 : 4;
    } else if (b >= 0x40 && b <= 0x7e) {
        return final(k, b);
    } else if (b < 0x20) {
        k->state = KEYS_GROUND; /* broken off: the byte counts for itself */
        return ground(k, b);
    }
    return simple(KEYS_NONE);
}

struct key keys_feed(struct keys *k, uint8_t b)
{
    switch (k->state) {
    case KEYS_GROUND: return ground(k, b);
    case KEYS_ESC:
        *k = (struct keys){ .state = b == '[' ? KEYS_CSI : b == 'O' ? KEYS_SS3 : KEYS_GROUND };
        return k->state == KEYS_GROUND ? ground(k, b) : simple(KEYS_NONE);
    case KEYS_CSI: return csi(k, b);
    case KEYS_SS3: return final(k, b);
    }
    return simple(KEYS_NONE);
}
