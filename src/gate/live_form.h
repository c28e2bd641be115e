#pragma once
/* The body of POST /v1/recordings (docs/api/openapi.yaml) to the question for the keeper, every mistake named. Pure. */
#include "access/field.h"
#include "codec/json.h"
#include "gate/uploader.h"

struct live_form {
    struct ipc_ingest_open open; /* what was stated; spans borrow from the tree */
    struct ipc_row_tag tags[UPLOADER_TAGS_MAX], links[UPLOADER_LINKS_MAX];
    enum importer_kind kind;
    struct span head; /* as it came; borrows from the text; empty: none */
};

/* 'tree' is what json_parse made of 'text'. False: *errs says what is wrong. */
bool live_form_read(struct span text, struct tree tree, struct live_form *ret, struct field_errors *errs);
