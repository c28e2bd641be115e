#include "net/exchange.h"

#include "net/exchange_impl.h"

void exchange_set(struct exchange *ex, const struct exchange_ops *ops, void *user)
{
    ex->ops = ops;
    ex->user = user;
}

void *exchange_user(const struct exchange *ex)
{
    return ex->user;
}

const struct http_head *exchange_head(const struct exchange *ex)
{
    return ex->head;
}

const struct net_client *exchange_client(const struct exchange *ex)
{
    return ex->client;
}

struct loop *exchange_loop(const struct exchange *ex)
{
    return ex->loop;
}

void **exchange_conn_slot(struct exchange *ex)
{
    return ex->slot;
}

void exchange_conn_slot_free(struct exchange *ex, void (*fn)(void *slot))
{
    *ex->slot_free = fn;
}

enum err exchange_accept_body(struct exchange *ex, uint64_t max_bytes)
{
    return ex->t->accept_body(ex, max_bytes);
}

void exchange_pause(struct exchange *ex)
{
    ex->t->pause(ex);
}

void exchange_resume(struct exchange *ex)
{
    ex->t->resume(ex);
}

enum err exchange_respond(struct exchange *ex, int status, const struct http_header *headers, size_t n, struct span body)
{
    enum err e = ex->t->begin(ex, status, headers, n, (int64_t) body.n);

    if (e == ERR_OK && body.n > 0)
        e = ex->t->write(ex, body);
    if (e == ERR_OK)
        ex->t->end(ex);
    return e;
}

enum err exchange_respond_ref(struct exchange *ex, int status, const struct http_header *headers, size_t n,
                              struct span body, void (*release)(void *arg), void *arg)
{
    enum err e = ex->t->begin(ex, status, headers, n, (int64_t) body.n);

    if (e != ERR_OK) {
        release(arg);
        return e;
    }
    e = ex->t->write_ref(ex, body, release, arg);
    if (e == ERR_OK)
        ex->t->end(ex);
    return e;
}

enum err exchange_begin(struct exchange *ex, int status, const struct http_header *headers, size_t n, int64_t length)
{
    return ex->t->begin(ex, status, headers, n, length);
}

enum err exchange_write(struct exchange *ex, struct span bytes)
{
    return ex->t->write(ex, bytes);
}

size_t exchange_queued(const struct exchange *ex)
{
    return ex->t->queued(ex);
}

void exchange_end(struct exchange *ex)
{
    ex->t->end(ex);
}

void exchange_abort(struct exchange *ex)
{
    ex->t->abort(ex);
}

void exchange_cut(struct exchange *ex, struct span final)
{
    ex->t->cut(ex, span_sub(final, 0, EXCHANGE_FINAL_MAX));
}
