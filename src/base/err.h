#pragma once
/*
 * Errors as values: one code for what the caller can do about it, one caller-owned text for people.
 *
 * Functions that can fail return 'enum err' and take 'struct err_info *reterr' last (may be NULL). Outputs ('ret_…')
 * are written on success only. Log or return, never both: roles and commands log, everything below returns.
 */
#include <stdarg.h>
#include <stddef.h>

/* First in a declaration. A (void) cast says that a result is not wanted on purpose; gcc hears that only in this form. */
#ifdef __clang__
#define NODISCARD __attribute__((warn_unused_result))
#else
#define NODISCARD [[nodiscard]]
#endif
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define CLEANUP(fn)      __attribute__((cleanup(fn)))
#define UNUSED           __attribute__((unused))

enum err {
    ERR_OK = 0,
    ERR_NOMEM,       /* allocation failed, or a byte budget is spent */
    ERR_INVAL,       /* input breaks a rule; the text says which and where */
    ERR_LIMIT,       /* input is well-formed and larger than a stated limit */
    ERR_UNSUPPORTED, /* well-formed, and nothing we know how to handle */
    ERR_NOTFOUND,
    ERR_EXISTS,
    ERR_DENIED,      /* the caller may not */
    ERR_STATE,       /* not in this state; retrying the same call does not help */
    ERR_CORRUPT,     /* stored bytes fail authentication or break their format */
    ERR_IO,          /* the system said no; sys holds errno */
    ERR_NOSPC,       /* the disk is full or a reserve is touched */
    ERR_CLOSED,      /* the peer has gone */
    ERR_AGAIN,       /* would block, or busy: try later */
    ERR_TIMEOUT,
    ERR_CRYPTO,      /* a primitive failed where it never should */
    ERR_N_
};

struct err_info {
    enum err code;
    int sys;        /* errno, or 0 */
    char text[400]; /* one line, no secrets, no content; control bytes are replaced on writing */
};

/* A fixed lower-case word for a code, for logs: "corrupt". Never NULL. */
const char *err_name(enum err code);

/* Fills *reterr (if not NULL). ERR_RAISE is the code itself, so that a compiler sees which value goes up. */
void err_raise(struct err_info *reterr, enum err code, int sys, const char *fmt, ...) PRINTF_LIKE(4, 5);

#define ERR_RAISE(reterr, code, ...) ERR_RAISE_SYS(reterr, code, 0, __VA_ARGS__)
#define ERR_RAISE_SYS(reterr, code, sys, ...)                                                                          \
    __extension__({                                                                                                    \
        enum err raise_code_ = (code);                                                                                 \
        err_raise((reterr), raise_code_, (sys), __VA_ARGS__);                                                          \
        raise_code_;                                                                                                   \
    })

/* Passes an error up unchanged. */
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        enum err try_err_ = (expr);                                                                                    \
        if (try_err_ != ERR_OK)                                                                                        \
            return try_err_;                                                                                           \
    } while (0)

/* Hands an owned pointer on: the variable becomes NULL, so its CLEANUP does nothing. */
#define TAKE(ptr)                                                                                                      \
    __extension__({                                                                                                    \
        __typeof__(ptr) take_tmp_ = (ptr);                                                                             \
        (ptr) = NULL;                                                                                                  \
        take_tmp_;                                                                                                     \
    })
