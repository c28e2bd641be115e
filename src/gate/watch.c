/* GET /v1/events: one server-sent stream for pages and waiting commands. The keeper decides who hears what. */
#include "gate/handlers.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MS  5000
#define COMMENT_MS 15000
#define QUEUE_MAX  (64u << 10) /* a page that does not read its events is closed: it loads anew */

struct watch {
    struct list node;
    struct call *call;
    uint64_t sub;
    uint64_t id;
    bool begun;
    struct loop_timer comment;
};

static void watch_free(struct call *c)
{
    struct watch *w = c->state;

    if (w != NULL) {
        loop_timer_cancel(&w->comment);
        list_remove(&w->node);
        free(w);
    }
    c->state = NULL;
}

static void on_end(struct call *c, enum exchange_end how)
{
    struct watch *w = c->state;
    const struct ipc_watch_close m = { w->sub };

    (void) how;
    loop_timer_cancel(&w->comment);
    list_remove(&w->node);
    if (c->lane->keeper != NULL)
        (void) link_send(c->lane->keeper, IPC_T_WATCH_CLOSE, &m); /* a lost one costs the keeper a notice or two */
}

static const struct call_ops watch_ops = { .on_end = on_end, .on_free = watch_free };

static void bye(struct watch *w, int code, const char *reason, int retry_after_s)
{
    char text[200];
    int n = snprintf(text, sizeof(text), "event: bye\ndata: {\"code\":%d,\"reason\":\"%s\",\"retry_after_s\":%d}\n\n",
                     code, reason, retry_after_s);

    if (w->call->ex == NULL)
        return;
    if (w->begun)
        exchange_cut(w->call->ex, span_of(text, (size_t) n));
    else
        call_problem(w->call, "keeper-unavailable", "");
}

static void send_text(struct watch *w, struct span text)
{
    if (w->call->ex == NULL)
        return;
    if (exchange_queued(w->call->ex) > QUEUE_MAX || exchange_write(w->call->ex, text) == ERR_AGAIN)
        exchange_abort(w->call->ex);
}

static void on_comment(void *arg)
{
    struct watch *w = arg;

    loop_timer_arm(&w->comment, COMMENT_MS);
    send_text(w, SPAN(":\n\n"));
}

static void begin(struct watch *w)
{
    if (!call_begin(w->call, "text/event-stream", NULL, 0))
        return;
    w->begun = true;
    loop_timer_arm(&w->comment, COMMENT_MS);
    /* What was missed is not kept: whoever comes back loads anew. */
    send_text(w, SPAN("retry: 2000\n\nevent: hello\ndata: {}\n\n"));
    if (http_head_count(exchange_head(w->call->ex), "last-event-id") > 0)
        send_text(w, SPAN("event: reset\ndata: {}\n\n"));
}

static void on_answer(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct call *c = ctx;
    struct watch *w = c->state;
    const struct ipc_answer *m = body;
    char detail[400];

    if (c->ex == NULL) {
        call_unref(c);
        return;
    }
    if (err != ERR_OK || type != IPC_T_ANSWER) {
        call_problem(c, "keeper-unavailable", "");
    } else if (m->code.n > 0) {
        char code[40];

        (void) span_to_str(m->code, code, sizeof(code));
        (void) span_to_str(m->detail, detail, sizeof(detail));
        call_problem(c, code, detail);
    } else {
        begin(w);
    }
    call_unref(c);
}

void watch_answer(struct call *c)
{
    struct lane *l = c->lane;
    struct credential cred;
    struct watch *w;
    struct ipc_watch_open m;

    switch (credential_of(c, &cred)) {
    case CREDENTIAL_TWO: call_problem(c, "invalid-request", ""); return;
    case CREDENTIAL_BAD:
    case CREDENTIAL_CSRF: call_problem(c, "login-needed", ""); return;
    case CREDENTIAL_OK: break;
    }
    if (cred.kind == CRED_NONE) {
        call_problem(c, "login-needed", "");
        return;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL || l->keeper == NULL) {
        free(w);
        call_problem(c, "keeper-unavailable", "");
        return;
    }
    w->call = c;
    w->sub = ++l->last_watch;
    loop_timer_init(&w->comment, l->loop, on_comment, w);
    list_append(&l->watches, &w->node);
    c->state = w;
    c->ops = &watch_ops;
    m = (struct ipc_watch_open){ w->sub, (uint8_t) cred.kind, SPAN_OF(cred.sha256), span_of(c->trace, CALL_TRACE_LEN) };
    if (link_call(l->keeper, IPC_T_WATCH_OPEN, &m, ANSWER_MS, on_answer, call_ref(c)) != ERR_OK) {
        call_unref(c);
        call_problem(c, "keeper-unavailable", "");
    }
}

void watch_notify(struct lane *l, const struct ipc_notify *m)
{
    LIST_FOREACH(node, &l->watches)
    {
        struct watch *w = LIST_ENTRY(node, struct watch, node);
        struct buf b = BUF_INIT(m->json.n + 100);

        if (w->sub != m->sub || !w->begun)
            continue;
        if (m->json.n > 0) {
            buf_addf(&b, "id: %llu\ndata: ", (unsigned long long) ++w->id);
            buf_add_span(&b, m->json);
            buf_add_str(&b, "\n\n");
            send_text(w, buf_span(&b));
        }
        buf_deinit(&b);
        if (m->end)
            bye(w, 4401, "signed-out", 0);
        return;
    }
}

void watches_close(struct lane *l, const char *reason)
{
    LIST_FOREACH(node, &l->watches)
    {
        struct watch *w = LIST_ENTRY(node, struct watch, node);

        list_remove(&w->node);
        bye(w, strcmp(reason, "shutdown") == 0 ? 1012 : 4503, reason, (int) (w->sub % 4));
    }
}
