#pragma once
/*
 * JSON writer: into a struct buf, commas by itself, no allocation of its own.
 *
 * Strings are escaped so that what is written is safe on a terminal and in a log: " \ and every code point that
 * utf8_is_control names (C0, DEL, C1, bidirectional controls, U+2028/9). Bytes that are not UTF-8 become U+FFFD.
 *
 * Misuse (a member without a name, a name in an array, an end without a begin, deeper than JSONW_DEPTH) and a buffer's
 * ceiling set out->failed: check once, at the end, with jsonw_done.
 */
#include "base/times.h"
#include "base/tree.h"

#define JSONW_DEPTH 64

struct jsonw {
    struct buf *out;
    uint64_t object;    /* bit n: level n is an object */
    uint8_t depth;
    bool comma;         /* something stands before on this level */
    bool named;         /* a name has been written, its value is due */
    bool root_done;
};

void jsonw_init(struct jsonw *w, struct buf *out);

void jsonw_obj(struct jsonw *w); /* { */
void jsonw_obj_end(struct jsonw *w);
void jsonw_arr(struct jsonw *w); /* [ */
void jsonw_arr_end(struct jsonw *w);

void jsonw_key(struct jsonw *w, const char *key);
void jsonw_key_span(struct jsonw *w, struct span key);
void jsonw_key_raw(struct jsonw *w, struct span escaped); /* as it stands between the quotes of valid JSON */

void jsonw_str(struct jsonw *w, struct span v);
void jsonw_int(struct jsonw *w, int64_t v);
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_time(struct jsonw *w, time_ms t); /* "2026-11-02T09:15:00.123Z" */
void jsonw_raw(struct jsonw *w, struct span json); /* one value, already JSON */
void jsonw_tree(struct jsonw *w, struct tree v);   /* checked; its own key is not written */

/* Name and value in one. */
void jsonw_kstr(struct jsonw *w, const char *key, struct span v);
void jsonw_kcstr(struct jsonw *w, const char *key, const char *v); /* NULL: null */
void jsonw_kint(struct jsonw *w, const char *key, int64_t v);
void jsonw_kbool(struct jsonw *w, const char *key, bool v);
void jsonw_knull(struct jsonw *w, const char *key);
void jsonw_ktime(struct jsonw *w, const char *key, time_ms t);
void jsonw_kraw(struct jsonw *w, const char *key, struct span json);
void jsonw_ktree(struct jsonw *w, const char *key, struct tree v);
void jsonw_kobj(struct jsonw *w, const char *key);
void jsonw_karr(struct jsonw *w, const char *key);

/* One whole value has been written and nothing failed. */
bool jsonw_done(const struct jsonw *w);

/* The escaping alone, quotes included. */
void jsonw_add_string(struct buf *out, struct span v);
