#pragma once
/*
 * The names that the sanitiser knows (STANDARDS 5.3 rule 1, docs/formats/sanitize.md): one table for the server and for
 * the player, whose web/player/table.ts is generated from this file by web/scripts/clean-table.mjs. One name a line, as
 * X("name", KIND); lower case. A change of what is taken out is a new SANITIZE_VERSION.
 */

/* Elements, by local name (what stands after a colon), whatever their namespace. Others are plain. */
#define SANITIZE_TAGS(X)                                                                                               \
    /* becomes an empty <noscript> with the same number and children */                                                \
    X("script", DROP)                                                                                                  \
    X("base", DROP)                                                                                                    \
    X("object", DROP)                                                                                                  \
    X("embed", DROP)                                                                                                   \
    X("applet", DROP)                                                                                                  \
    X("portal", DROP)                                                                                                  \
    X("fencedframe", DROP)                                                                                             \
    X("webview", DROP)                                                                                                 \
    X("math", DROP)                                                                                                    \
    X("annotation-xml", DROP)                                                                                          \
    /* no elements, but names that every object of JavaScript has: rrweb's table of names answers with a function */   \
    X("constructor", DROP)                                                                                             \
    X("hasownproperty", DROP)                                                                                          \
    X("isprototypeof", DROP)                                                                                           \
    X("propertyisenumerable", DROP)                                                                                    \
    X("tolocalestring", DROP)                                                                                          \
    X("tostring", DROP)                                                                                                \
    X("valueof", DROP)                                                                                                 \
    /* the same when it has http-equiv */                                                                              \
    X("meta", META)                                                                                                    \
    /* src is never kept: what was in it is recorded as nodes */                                                       \
    X("iframe", FRAME)                                                                                                 \
    X("frame", FRAME)                                                                                                  \
    /* its texts are CSS */                                                                                            \
    X("style", STYLE)                                                                                                  \
    /* href is never kept; a rewritten style sheet is in _cssText */                                                   \
    X("link", LINK)                                                                                                    \
    /* href: own data only */                                                                                          \
    X("image", IMAGE)                                                                                                  \
    /* href: a place in the same page only */                                                                          \
    X("use", REF)                                                                                                      \
    X("foreignobject", REF)                                                                                            \
    X("feimage", REF)                                                                                                  \
    X("pattern", REF)                                                                                                  \
    X("lineargradient", REF)                                                                                           \
    X("radialgradient", REF)                                                                                           \
    X("meshgradient", REF)                                                                                             \
    X("filter", REF)                                                                                                   \
    X("mpath", REF)                                                                                                    \
    X("textpath", REF)                                                                                                 \
    X("tref", REF)                                                                                                     \
    X("cursor", REF)                                                                                                   \
    X("glyphref", REF)                                                                                                 \
    X("altglyph", REF)                                                                                                 \
    X("font-face-uri", REF)                                                                                            \
    X("color-profile", REF)                                                                                            \
    /* href is never kept, and no attribute that names an address is animated */                                       \
    X("animate", ANIMATE)                                                                                              \
    X("animatecolor", ANIMATE)                                                                                         \
    X("animatemotion", ANIMATE)                                                                                        \
    X("animatetransform", ANIMATE)                                                                                     \
    X("set", ANIMATE)                                                                                                  \
    X("discard", ANIMATE)

/* Attributes, by local name; those that begin with "on" and one more letter are dropped always. Others are text. */
#define SANITIZE_ATTRIBUTES(X)                                                                                         \
    X("srcdoc", DROP)                                                                                                  \
    X("srcset", DROP)                                                                                                  \
    X("imagesrcset", DROP)                                                                                             \
    X("ping", DROP)                                                                                                    \
    X("action", DROP)                                                                                                  \
    X("formaction", DROP)                                                                                              \
    X("http-equiv", DROP)                                                                                              \
    X("attributionsrc", DROP)                                                                                          \
    X("manifest", DROP)                                                                                                \
    X("dynsrc", DROP)                                                                                                  \
    X("lowsrc", DROP)                                                                                                  \
    X("autofocus", DROP)                                                                                               \
    X("accesskey", DROP)                                                                                               \
    X("__proto__", DROP)                                                                                               \
    /* fetched: own data stays, another address moves to "rrweb-original-…" */                                         \
    X("src", SRC)                                                                                                      \
    X("poster", SRC)                                                                                                   \
    X("background", SRC)                                                                                               \
    /* fetched by rrweb's rebuild: own data or nothing */                                                              \
    X("rr_dataurl", IMAGE)                                                                                             \
    /* as the element says */                                                                                          \
    X("href", HREF)                                                                                                    \
    /* not fetched; no address that runs */                                                                            \
    X("cite", ADDRESS)                                                                                                 \
    /* CSS, or values that may have url() */                                                                           \
    X("style", CSS)                                                                                                    \
    X("_csstext", CSS)                                                                                                 \
    X("fill", CSS)                                                                                                     \
    X("stroke", CSS)                                                                                                   \
    X("filter", CSS)                                                                                                   \
    X("mask", CSS)                                                                                                     \
    X("clip-path", CSS)                                                                                                \
    X("cursor", CSS)                                                                                                   \
    X("marker", CSS)                                                                                                   \
    X("marker-start", CSS)                                                                                             \
    X("marker-mid", CSS)                                                                                               \
    X("marker-end", CSS)                                                                                               \
    /* of animations: the same, and no address that runs */                                                            \
    X("from", VALUE)                                                                                                   \
    X("to", VALUE)                                                                                                     \
    X("by", VALUE)                                                                                                     \
    X("values", VALUE)                                                                                                 \
    /* dropped when it names an attribute of this table other than CSS, or a handler */                                \
    X("attributename", TARGET)

/* Addresses that run, or could: the scheme of an address, blanks and control characters taken out. */
#define SANITIZE_SCHEMES(X)                                                                                            \
    X("javascript:", BAD)                                                                                              \
    X("vbscript:", BAD)                                                                                                \
    X("livescript:", BAD)                                                                                              \
    X("mocha:", BAD)                                                                                                   \
    X("data:", DATA)

/* What may stand behind "data:"; of application only what a font may be called. */
#define SANITIZE_DATA(X)                                                                                               \
    X("image/", IMAGE)                                                                                                 \
    X("audio/", MEDIA)                                                                                                 \
    X("video/", MEDIA)                                                                                                 \
    X("font/", FONT)                                                                                                   \
    X("application/font", FONT)                                                                                        \
    X("application/x-font", FONT)                                                                                      \
    X("application/vnd.ms-fontobject", FONT)                                                                           \
    X("application/octet-stream", FONT)                                                                                \
    X(",", EMPTY)

/* CSS functions: image-set also with a vendor's prefix. */
#define SANITIZE_CSS_FUNCTIONS(X)                                                                                      \
    X("image-set", FETCH)                                                                                              \
    X("src", FETCH)                                                                                                    \
    X("expression", RUN)

/* CSS properties whose declarations go. */
#define SANITIZE_CSS_PROPERTIES(X)                                                                                     \
    X("-moz-binding", DROP)                                                                                            \
    X("behavior", DROP)

#define SANITIZE_MOVED       "rrweb-original-" /* before the name of an attribute whose address would be fetched */
#define SANITIZE_CSS_NOTHING "url(data:,)"     /* stands where something would have been fetched */
