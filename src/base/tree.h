#pragma once
/*
 * tree: a flat, tagged, length-checked value. The one shape in which structured input travels: the JSON reader and the
 * configuration reader make it, it crosses process borders as bytes, and whoever needs a value reads it in place.
 *
 * Layout (docs/formats/tree.md): node = u8 tag || lp4(key) || lp4(payload), preorder. The key is empty outside objects.
 *   null: empty   bool: u8 0|1   int: u64le two's complement   num: the number's text (fraction, exponent, too large)
 *   str: UTF-8    arr, obj: nodes one after another (an object's keys are unique)
 *
 * Bytes from another process go through tree_check once; afterwards the accessors cannot fail on form.
 * All spans borrow from the tree's bytes.
 */
#include "base/buf.h"

enum tree_tag { TREE_NULL, TREE_BOOL, TREE_INT, TREE_NUM, TREE_STR, TREE_ARR, TREE_OBJ };

#define TREE_DEPTH_MAX 32

struct tree {
    enum tree_tag tag;
    struct span key;
    struct span payload;
};

/* One whole node, nothing left over, depth at most TREE_DEPTH_MAX, keys unique and only in objects, UTF-8 valid. */
NODISCARD bool tree_check(struct span bytes);

/* The root of checked bytes. Empty bytes give a null node. */
struct tree tree_root(struct span bytes);

/* Visits the children of an array or object in order: for (struct span at = node.payload; tree_next(&at, &child);). */
bool tree_next(struct span *at, struct tree *ret_child);
size_t tree_count(struct tree node);

/* Member of an object. False (and *ret a null node) when absent or node is no object. */
bool tree_get(struct tree obj, const char *key, struct tree *ret);

/* Typed reads; false when the tag differs. */
bool tree_str(struct tree node, struct span *ret);
bool tree_int(struct tree node, int64_t *ret);
bool tree_bool(struct tree node, bool *ret);

/* Member reads; false when absent or of another type. */
bool tree_get_str(struct tree obj, const char *key, struct span *ret);
bool tree_get_int(struct tree obj, const char *key, int64_t *ret);
bool tree_get_bool(struct tree obj, const char *key, bool *ret);

/* Writing. 'key' is empty outside objects. arr and obj return a mark for tree_end. */
void tree_add_null(struct buf *b, struct span key);
void tree_add_bool(struct buf *b, struct span key, bool v);
void tree_add_int(struct buf *b, struct span key, int64_t v);
void tree_add_num(struct buf *b, struct span key, struct span text);
void tree_add_str(struct buf *b, struct span key, struct span v);
size_t tree_begin(struct buf *b, struct span key, enum tree_tag arr_or_obj);
void tree_end(struct buf *b, size_t mark);
