#pragma once
/*
 * The static files of the web app and of the two player documents, embedded in the binary (web/, tools/embed.py).
 *
 * Life:    constant data, there for the whole run. Threads: any.
 * Limits:  none at run time; what is in the table was decided when the program was built.
 * Headers: the gate adds them (STANDARDS 5.3 rule 3 and 6); an asset says only what it is.
 */
#include "base/span.h"

#include <stdbool.h>

enum asset_site {
    ASSET_APP,    /* the app's listener: "/" and every page of the app, "/assets/…" */
    ASSET_PLAYER, /* the player's own origin: "/dom", "/terminal", "/assets/…"; nothing else */
    ASSET_SHOP,   /* the page of a demo that records itself (demo/shop): "/", "/shop.css" …; nothing else */
    ASSET_SITE_N_
};

struct asset {
    const char *path;    /* as in the request, without a query: "/assets/app-1a2b3c4d.js" */
    const char *mime;    /* Content-Type */
    const char *etag;    /* with its quotes: a prefix of the SHA-256 of the bytes */
    struct span bytes;   /* identity */
    struct span gz;      /* gzip; empty where it would not be smaller */
    bool immutable;      /* its name contains its hash: may be cached for a year; else "no-cache" */
    bool page;           /* a document: gets the CSP of its site */
};

/*
 * The file for a path. On the app's site a path that is none of a file, nor below /v1/ or /.well-known/, nor has a dot in its
 * last segment, is a page of the app and gives its one document (the app itself says "not found" where that is so).
 * NULL: there is none.
 */
const struct asset *asset_find(enum asset_site site, struct span path);

/* For walks (tests): all of a site, sorted by path. */
const struct asset *asset_all(enum asset_site site, size_t *ret_n);
