#pragma once
/*
 * What importing and live recording share: whose call it is, the limits of what an uploader states, a recording key of its
 * own, and how what is wrong with the input is said. Threads: the call's lane.
 */
#include "codec/importer.h"
#include "crypto/secret.h"
#include "format/wrap.h"
#include "gate/handlers.h"

/* STANDARDS 5.1 'Metadata or content' */
#define UPLOADER_TAGS_MAX      32
#define UPLOADER_LINKS_MAX     32
#define UPLOADER_TITLE_MAX     200
#define UPLOADER_WORD_MAX      64 /* env, class, the name of a tag */
#define UPLOADER_TAG_VALUE_MAX 200
#define UPLOADER_LINK_TYPE_MAX 32

/*
 * False: answered, with that detail when nobody is named at all. On routes for ingest tokens a browser token may also stand in
 * the query, ?token=kib_…: it is public, and a page that is left can send no header (sendBeacon).
 */
bool uploader_credential(struct call *c, struct credential *ret, const char *nobody);

/* An ingest token by its form: nothing else records live. */
bool uploader_is_ingest(const struct credential *cred);
/*
 * A secret token stands in the address (?token=, ?sentry_key=, a path): whoever sees the address has it, so it is refused, good or not.
 * True: it is one, and answered.
 */
bool uploader_in_address(struct call *c, struct span token);
/* A public one, for pages (gate/cors.h). */
bool uploader_is_browser(struct span token);

/* A parameter of the query by its name, decoded in the call's memory. False: it is not there, or the query is no good. */
bool uploader_query(struct call *c, const char *name, struct span *ret);

/*
 * Keys of a recording, one for each track, each sealed so that only the vault opens it again: 0 the recording key; 1 the reveal
 * key of what masks take out (rk NULL: originals are dropped).
 */
#define UPLOADER_TRACKS 2
struct uploader_keys {
    struct {
        struct secret *rk;
        uint8_t wrap[WRAP_MAX];
        size_t wrap_len;
    } of[UPLOADER_TRACKS];
};

/* ERR_NOMEM: no slot. ERR_INVAL, ERR_CRYPTO: names or key of the epoch. On an error *ret is empty. */
NODISCARD enum err uploader_keys_make(struct span rid, struct span pid, uint32_t epoch, struct span epoch_pk, bool reveal,
                                      struct uploader_keys *ret, struct err_info *reterr);
/* Wipes the keys; the wraps stay. */
void uploader_keys_drop(struct uploader_keys *k);
/* Rows of WRAP_PUT, which borrow from 'k'; their number. */
uint32_t uploader_wrap_rows(const struct uploader_keys *k, uint16_t kn, uint32_t epoch,
                            struct ipc_row_wrap rows[UPLOADER_TRACKS]);

/* 422: a header, parameter or member (JSON Pointer), the rule's word (the contract's), what is wrong; never input. */
void uploader_invalid(struct call *c, const char *at, const char *code, const char *detail);

/* Members line, offset, cause, limit of a problem about input, into an open object. */
struct jsonw;
void uploader_broken(struct jsonw *w, const struct importer_error *b);
