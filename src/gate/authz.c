/* What other servers ask: may this client have your own content of a recording, is this key live (STANDARDS 1.12)? */
#include "gate/handlers.h"

void authz_answer(struct call *c)
{
    const struct http_header challenge = { SPAN("www-authenticate"), SPAN("Keyhole-Gateway realm=\"keyhole\"") };

    if (c->route->id == ROUTE_introspect)
        call_problem(c, "login-needed", "A gateway token belongs in Keyhole-Gateway.");
    else
        call_respond(c, 401, NULL, &challenge, 1, SPAN_EMPTY);
}
