/* POST /v1/requests. */
#include "keeper/api/ask.h"

enum err api_request_create(struct job *c, struct err_info *reterr)
{
    struct ask a = { 0 };
    bool ok;

    TRY(ask_load(c, REQUEST_TO_CREATE, &a, &ok, reterr));
    return ok ? ask_file(c, &a, reterr) : ERR_OK;
}
