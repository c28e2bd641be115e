/* The keys that sign provisioning keys: rolling them by command (STANDARDS 1.9). */
#include "keeper/api/api.h"

enum err api_keys_rotate(struct job *c, struct err_info *reterr)
{
    (void) reterr;
    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_CONFIG))
        return job_forbidden(c);
    return job_refuse(c, 503, "authority-stale", "The vault cannot roll its keys now.");
}
