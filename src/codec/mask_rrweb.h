#pragma once
/*
 * mask_rrweb: what a project's rules take out of one rrweb event (PEERS 5.5), wherever text can sit: text nodes, attributes, the texts, attributes
 * and adds of mutations, values of inputs, Meta, console, network and custom payloads, style text and rules, canvas commands,
 * assets, members that nobody knows. Nothing is trusted to be harmless because of where it stands but the names of members,
 * elements and attributes.
 *
 * Patterns look at every string. Fields (inputs by type, name, id, autocomplete; members, headers, form and query values by
 * name), attributes by name and places (selectors) take whole strings. What later events of a node need is remembered by its number:
 * 'mask_rrweb_node'. A field that was a password's once stays one until the page is loaded anew, whatever its type becomes.
 *
 * State:   numbers of nodes that differ from others, as ranges (idmap.h); anew with each full snapshot. When there are too many, or the
 *          recording went on without its state, every value typed is taken out, and text where rules go by places, until the
 *          next full snapshot.
 * Cost:    an event without a hit is not copied. A class that is given to an element later counts for what is put in from then on.
 * Threads: one at a time.
 */
#include "codec/idmap.h"
#include "codec/mask_json.h"

struct mask_rrweb {
    struct mask_json json;
    struct idmap nodes; /* bits: enum mask_rrweb_node */
    bool lost;          /* no full snapshot yet, or the state is */
    bool places;        /* the rules go by nodes: of a page whose snapshot is known set by the first one that differs */
    bool changed;       /* the pass under way put something into 'nodes' */
    struct buf value;   /* one attribute of an element being looked at, decoded */
    struct buf out;
};

enum mask_rrweb_node {
    MASK_NODE_TEXT = 1,   /* its text, and all in it */
    MASK_NODE_BLOCK = 2,  /* and its attributes and pictures */
    MASK_NODE_VALUE = 4,  /* an input whose value goes */
    MASK_NODE_KEEP = 8,   /* text = all and inputs = all do not reach it */
    MASK_NODE_CSS = 16,   /* style text: patterns alone */
    MASK_NODE_STICKY = 32, /* was a password */
};

void mask_rrweb_init(struct mask_rrweb *w, const struct mask_rules *rules, struct mask_scanner *scanner, uint64_t *counts, size_t max);
void mask_rrweb_deinit(struct mask_rrweb *w);

/*
 * 'event': an object, valid and minified, with its tokens or without. *ret is its text, or what is stored in its place (borrows from w until the next call). ERR_NOMEM,
 * ERR_LIMIT: nothing may be stored.
 */
NODISCARD enum err mask_rrweb_event(struct mask_rrweb *w, struct json_value event, int type, int source, struct span *ret,
                                    struct err_info *reterr);
