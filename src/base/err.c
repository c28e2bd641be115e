#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const char *const err_names[ERR_N_] = {
    [ERR_OK] = "ok",
    [ERR_NOMEM] = "no-memory",
    [ERR_INVAL] = "invalid",
    [ERR_LIMIT] = "limit",
    [ERR_UNSUPPORTED] = "unsupported",
    [ERR_NOTFOUND] = "not-found",
    [ERR_EXISTS] = "exists",
    [ERR_DENIED] = "denied",
    [ERR_STATE] = "state",
    [ERR_CORRUPT] = "corrupt",
    [ERR_IO] = "io",
    [ERR_NOSPC] = "no-space",
    [ERR_CLOSED] = "closed",
    [ERR_AGAIN] = "again",
    [ERR_TIMEOUT] = "timeout",
    [ERR_CRYPTO] = "crypto",
};

const char *err_name(enum err code)
{
    if ((unsigned) code >= ERR_N_)
        return "unknown";
    return err_names[code];
}

/* Texts go to terminals and logs, so nothing below 0x20 and no DEL survives. UTF-8 passes. */
static void clean(char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char) *s < 0x20 || *s == 0x7f)
            *s = '?';
    }
}

void err_raise(struct err_info *reterr, enum err code, int sys, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (reterr == NULL)
        return;
    reterr->code = code;
    reterr->sys = sys;
    va_start(ap, fmt);
    n = vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap);
    va_end(ap);
    if (sys != 0 && n >= 0 && (size_t) n < sizeof(reterr->text) - 4) {
        char why[96];
        const char *s = strerror_r(sys, why, sizeof(why));

        (void) snprintf(reterr->text + n, sizeof(reterr->text) - (size_t) n, ": %s", s);
    }
    clean(reterr->text);
}
