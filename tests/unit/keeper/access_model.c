/*
 * Random interleavings of people, timers, clocks, restarts and a full disk against the real keeper, with a clock and a disk
 * in the test's hands. What must hold is computed here, in the test's own words (STANDARDS 2.2, 2.3):
 *
 *   no access outside a window          a key, a first sight or a lease is granted only while an approved window is open
 *   no self-approval                    a vote by the requester never counts
 *   no lost or doubled decision         what was answered "done" is there, once; what was refused changed nothing
 *   never longer than was approved      boot time of the last access - activation <= duration, over any reconnects
 *   what is allowed works               inside a window, on good clocks and disk, a key is issued
 *
 * KEYHOLE_STEPS (default 4000, with KEYHOLE_LONG=1 1,000,000) and KEYHOLE_SEED choose the run.
 */
#include <stdio.h>
#include <stdlib.h>

#include "house.h"
#include "keeper/api/api.h"
#include "keeper/state.h"

#define PEOPLE     3
#define LAPSE_MS   (4 * 3600 * 1000)
#define START_MS   (4 * 60 * 1000)
#define RELOGIN_MS (10 * 60 * 1000) /* a vote wants a sign-in of at most 15 minutes, by either clock */
#define HOUSE_LIFE 20000 /* steps in one house: its database grows */
#define GROUP_MAX  4

enum { LEAD, APPROVER, ENGINEER }; /* all may ask; lead and approver may vote */

static const char policy_text[] =
    "purpose \"support\" { }\n"
    "rule \"two\" { who = { \"role:viewer\" } actions = { export } purposes = { \"support\" } max = 2min start = { approval, first-use }\n"
    "  start_by = 4min binding = { dpop, bearer } ask { need = 2 from = { \"role:approver\" } } }\n"
    "rule \"one\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } max = 3min start = { approval, first-use }\n"
    "  start_by = 4min binding = { dpop, bearer } ask { need = 1 from = { \"role:approver\" } } }\n";

enum phase { NOTHING, PENDING, SCHEDULED, ACTIVE, SUSPENDED, OVER };

/* One request and its grant, as the test believes them to be from the answers it got. */
struct belief {
    enum phase phase;
    int requester;
    int need, yes;           /* yes: bits of people */
    bool exports, first_use, braked, rebooted;
    int64_t duration_ms, asked_boot, asked_real, approved_boot, approved_real;
    int64_t end_boot, end_real; /* no access at or after */
    int64_t sure_boot;          /* access must work until then: after a reboot the deadline may be found anew, or not */
    char q[32], gid[32], digest[64];
    char jti[32], vid[32];   /* its newest key; empty: none, or one that must be dead */
    uint32_t gen;
};

struct world {
    struct house h;
    struct belief b[PEOPLE]; /* one at a time for each requester: they all ask for the same recording */
    char token[PEOPLE][64], rid[32], pid[32], sub[PEOPLE][32], admin[KEEPER_TOKEN_CAP];
    int64_t signed_in, signed_in_real, top_real;
    int lifter; /* who has asked first to lift the brake; -1: nobody */
    bool frozen, disk_full, doubt; /* doubt: the clock was set back, what must work is not asked for */
    uint64_t seed;
    int64_t n_ok, n_access, n_refused, n_activated;
};

static const char *const names[PEOPLE] = { "lead", "approver", "engineer" };

static uint64_t rnd(struct world *w, uint64_t n)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % n;
}

static int someone(struct world *w)
{
    return (int) rnd(w, PEOPLE);
}

/* ---- what the test knows ---- */

/* Time passes for a belief: ends by themselves. */
static void age(struct world *w, struct belief *b)
{
    if (b->phase == PENDING && w->h.boot - b->asked_boot >= LAPSE_MS && w->h.real - b->asked_real >= LAPSE_MS)
        b->phase = OVER;
    if (b->phase == SCHEDULED && w->h.boot - b->approved_boot >= START_MS && w->h.real - b->approved_real >= START_MS)
        b->phase = OVER;
    if (b->rebooted) { /* the deadline is found anew once the clock is trusted, whenever that is */
        int64_t end = w->h.boot + b->end_real - w->h.real;

        b->end_boot = end > b->end_boot ? end : b->end_boot;
        b->sure_boot = end < b->sure_boot ? end : b->sure_boot;
        b->rebooted = w->doubt;
    }
    if ((b->phase == ACTIVE || b->phase == SUSPENDED) && (w->h.boot >= b->end_boot || w->h.real >= b->end_real))
        b->phase = OVER;
}

static void activate(struct world *w, struct belief *b)
{
    b->phase = ACTIVE;
    b->end_boot = b->sure_boot = w->h.boot + b->duration_ms;
    b->end_real = w->h.real + b->duration_ms;
    w->n_activated++;
}

/* May content be opened under this belief at all? */
static bool open_now(const struct world *w, const struct belief *b)
{
    return b->phase == ACTIVE && !w->frozen && w->h.boot < b->end_boot && w->h.real < b->end_real;
}

static bool well(const struct world *w)
{
    return !w->disk_full && !w->doubt && !w->frozen;
}

/* ---- commands ---- */

enum op { ASK, APPROVE, DENY, CANCEL, REVOKE, RELINQUISH, SUSPEND, RESUME, KEY, FREEZE, LIFT, OPS };

struct step {
    enum op op;
    int who, whose;   /* who does it, with whose request or grant */
    bool wrong;       /* votes: another digest */
    bool exports, first_use;
    int64_t duration_s;
    uint64_t call;
};

static const char *body_of(const struct world *w, const struct step *s, const struct belief *b, char text[600])
{
    switch (s->op) {
    case ASK:
        (void) snprintf(text, 600,
                        "{\"recordings\":[\"%s\"],\"actions\":[\"%s\"],\"purpose\":{\"code\":\"support\",\"reason\":"
                        "\"Customer says that checkout fails after the discount\"},\"duration_s\":%lld,\"start\":\"%s\"}",
                        w->rid, s->exports ? "export" : "play", (long long) s->duration_s, s->first_use ? "first-use" : "approval");
        return text;
    case APPROVE:
    case DENY:
        (void) snprintf(text, 600, "{\"digest\":\"%s\",\"comment\":\"seen\"}",
                        s->wrong ? "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" : b->digest);
        return text;
    case KEY: (void) snprintf(text, 600, "{\"recording\":\"%s\"}", w->rid); return text;
    case SUSPEND:
    case RESUME:
    case REVOKE: (void) snprintf(text, 600, "{\"comment\":\"for a reason that is long enough\"}"); return text;
    case FREEZE:
    case LIFT: (void) snprintf(text, 600, "{\"reason\":\"for a reason that is long enough\"}"); return text;
    case CANCEL:
    case RELINQUISH:
    case OPS: break;
    }
    return NULL;
}

static enum route_id route_of(enum op op)
{
    switch (op) {
    case ASK: return ROUTE_request_create;
    case APPROVE: return ROUTE_request_approve;
    case DENY: return ROUTE_request_deny;
    case CANCEL: return ROUTE_request_cancel;
    case REVOKE: return ROUTE_grant_revoke;
    case RELINQUISH: return ROUTE_grant_relinquish;
    case SUSPEND: return ROUTE_grant_suspend;
    case RESUME: return ROUTE_grant_resume;
    case KEY: return ROUTE_keys_issue;
    case FREEZE: return ROUTE_freeze_set;
    case LIFT: return ROUTE_freeze_lift;
    case OPS: break;
    }
    return ROUTE_N_;
}

/* The time to decide or to begin is over by one of the clocks: the server goes by the wall clock, which may have been set back. */
static bool perhaps_over(const struct world *w, const struct belief *b)
{
    if (b->phase == PENDING)
        return w->h.boot - b->asked_boot >= LAPSE_MS || w->h.real - b->asked_real >= LAPSE_MS;
    return b->phase == SCHEDULED && (w->h.boot - b->approved_boot >= START_MS || w->h.real - b->approved_real >= START_MS);
}

/* What the answer has to be: it may be yes, it must be yes. */
struct allowed {
    bool may, must;
};

static struct allowed allowed_vote(const struct world *w, const struct step *s, const struct belief *b)
{
    bool may = b->phase == PENDING && s->who != b->requester && s->who != ENGINEER && !s->wrong && (b->yes & 1 << s->who) == 0 && (!w->disk_full || s->op == DENY);

    return (struct allowed){ may, may && well(w) && !perhaps_over(w, b) };
}

static struct allowed allowed(const struct world *w, const struct step *s, const struct belief *b)
{
    bool live = b->phase == ACTIVE || b->phase == SUSPENDED, sure = w->h.boot < b->sure_boot, approver = s->who != ENGINEER, own = s->who == b->requester;

    switch (s->op) {
    case ASK: /* the old one may be over before the model is sure of it: after a reboot, or by the wall clock alone */
        return (struct allowed){ b->phase == NOTHING || b->phase == OVER || (live && !sure) || perhaps_over(w, b), (b->phase == NOTHING || b->phase == OVER) && well(w) };
    case APPROVE:
    case DENY: return allowed_vote(w, s, b);
    case CANCEL: return (struct allowed){ own && (b->phase == PENDING || b->phase == SCHEDULED), own && b->phase == PENDING && well(w) && !perhaps_over(w, b) };
    case REVOKE: return (struct allowed){ approver && (live || b->phase == SCHEDULED), approver && live && sure && well(w) };
    case RELINQUISH: return (struct allowed){ own && (live || b->phase == SCHEDULED), own && b->phase == ACTIVE && sure && well(w) };
    case SUSPEND: return (struct allowed){ approver && b->phase == ACTIVE, approver && b->phase == ACTIVE && sure && well(w) };
    case RESUME: return (struct allowed){ approver && !own && b->phase == SUSPENDED && !w->frozen, approver && !own && b->phase == SUSPENDED && sure && well(w) };
    case KEY: /* a window of under a second has no whole second for a key */
        return (struct allowed){ own && !w->frozen && !w->disk_full && (open_now(w, b) || b->phase == SCHEDULED),
                                 own && well(w) && open_now(w, b) && b->sure_boot - w->h.boot > 2000 && b->end_real - w->h.real > 2000 };
    case FREEZE: return (struct allowed){ s->who != ENGINEER, false };
    case LIFT: return (struct allowed){ w->frozen && s->who != ENGINEER, w->frozen && s->who != ENGINEER && !w->disk_full && !w->doubt };
    case OPS: break;
    }
    return (struct allowed){ false, false };
}

/* It was answered with yes: that is so from now on. */
static void done(struct world *w, const struct step *s, struct belief *b, const struct reply *r)
{
    struct house *h = &w->h;

    switch (s->op) {
    case ASK:
        *b = (struct belief){ .phase = PENDING, .requester = s->who, .need = s->exports ? 2 : 1, .exports = s->exports,
                              .first_use = s->first_use, .duration_ms = s->duration_s * 1000, .asked_boot = h->boot, .asked_real = h->real };
        (void) snprintf(b->q, sizeof(b->q), "%s", reply_str(h, r, "id"));
        (void) snprintf(b->digest, sizeof(b->digest), "%s", reply_str(h, r, "digest"));
        (void) snprintf(w->sub[s->who], sizeof(w->sub[0]), "%s", reply_str(h, r, "requester.id"));
        assert_string_equal(reply_str(h, r, "state"), "PENDING");
        break;
    case APPROVE:
        b->yes |= 1 << s->who;
        if (__builtin_popcount((unsigned) b->yes) < b->need) {
            assert_string_equal(reply_str(h, r, "state"), "PENDING");
            break;
        }
        assert_true(reply_has(r, "grant"));
        (void) snprintf(b->gid, sizeof(b->gid), "%s", reply_str(h, r, "grant"));
        b->approved_boot = h->boot;
        b->approved_real = h->real;
        b->gen = 1;
        if (strcmp(reply_str(h, r, "state"), "ACTIVE") == 0) {
            assert_false(w->frozen || b->first_use);
            activate(w, b);
        } else if (strcmp(reply_str(h, r, "state"), "SCHEDULED") == 0) {
            assert_true(b->first_use || w->frozen || w->doubt);
            b->phase = SCHEDULED;
        } else {
            b->phase = OVER; /* the guards of the start said no: never more than was asked */
            assert_true(w->doubt || w->frozen);
        }
        break;
    case DENY:
    case CANCEL:
    case REVOKE:
    case RELINQUISH: b->phase = OVER; break;
    case SUSPEND:
        b->phase = SUSPENDED;
        b->jti[0] = 0; /* what was issued before is dead */
        break;
    case RESUME: b->phase = ACTIVE; break;
    case KEY:
        if (b->phase == SCHEDULED)
            activate(w, b);
        w->n_access++;
        (void) snprintf(b->jti, sizeof(b->jti), "%s", reply_str(h, r, "key_id"));
        (void) snprintf(b->vid, sizeof(b->vid), "%s", reply_str(h, r, "viewing"));
        assert_true(reply_int(r, "expires_in") > 0);
        assert_true(reply_int(r, "expires_in") * 1000 < b->end_real - h->real + 1000); /* it began in this whole second */
        break;
    case FREEZE:
        w->frozen = true;
        w->lifter = -1;
        for (int i = 0; i < PEOPLE; i++) {
            if (w->b[i].phase == ACTIVE) {
                w->b[i].phase = SUSPENDED;
                w->b[i].braked = true;
            }
            w->b[i].jti[0] = 0;
        }
        break;
    case LIFT:
        if (r->status == 202) { /* one of two */
            w->lifter = s->who;
            break;
        }
        assert_true(w->lifter >= 0 && w->lifter != s->who);
        w->frozen = false;
        for (int i = 0; i < PEOPLE; i++) { /* what the brake suspended goes on, but what is the lifters' own */
            if (w->b[i].phase == SUSPENDED && w->b[i].braked && i != w->lifter && i != s->who)
                w->b[i].phase = ACTIVE;
            w->b[i].braked = false;
        }
        w->lifter = -1;
        break;
    case OPS: break;
    }
}

static void judge(struct world *w, const struct step *s, struct reply *r)
{
    static const char *const ops[] = { "ask", "approve", "deny", "cancel", "revoke", "relinquish", "suspend", "resume", "key", "freeze", "lift" };
    struct belief *b = &w->b[s->whose];
    struct allowed a = allowed(w, s, b);
    bool yes = r->status >= 200 && r->status < 300;

    if (getenv("KEYHOLE_TRACE") != NULL)
        print_message("%lld %s by %s on %s's: %d %s\n", (long long) w->h.boot, ops[s->op], names[s->who], names[s->whose], r->status, r->code);
    if ((yes && !a.may) || (!yes && a.must)) {
        print_error("%s by %s on %s's (phase %d, yes %d/%d, gone %lld of %lld ms, frozen %d, full %d, doubt %d): %d '%s' " SPAN_FMT "\n", ops[s->op],
                    names[s->who], names[s->whose], b->phase, b->yes, b->need, (long long) (w->h.boot - (b->end_boot - b->duration_ms)),
                    (long long) b->duration_ms, w->frozen, w->disk_full, w->doubt, r->status, r->code, SPAN_ARG(r->text));
        if (b->gid[0] != 0) {
            struct reply g = house_call(&w->h, w->token[b->requester], ROUTE_grant_get, b->gid, NULL, NULL);

            print_error("the grant is now: " SPAN_FMT "\n", SPAN_ARG(g.text));
        }
        print_error("real %lld, end %lld; boot %lld, sure %lld, end %lld, rebooted %d\n", (long long) w->h.real, (long long) b->end_real,
                    (long long) w->h.boot, (long long) b->sure_boot, (long long) b->end_boot, b->rebooted);
        fail_msg("%s", yes ? "this was never to be" : "this had to work");
    }
    if (yes) {
        w->n_ok++;
        done(w, s, b, r);
    } else {
        w->n_refused++;
    }
}

/* What makes sense in a phase, so that long lives happen too. */
static enum op sensible(struct world *w, const struct belief *b)
{
    static const enum op active[] = { KEY, KEY, KEY, KEY, KEY, KEY, SUSPEND, REVOKE, RELINQUISH };

    switch (b->phase) {
    case NOTHING:
    case OVER: return ASK;
    case PENDING: return rnd(w, 12) == 0 ? DENY : APPROVE;
    case SCHEDULED: return KEY;
    case ACTIVE: return active[rnd(w, sizeof(active) / sizeof(active[0]))];
    case SUSPENDED: return RESUME;
    }
    return ASK;
}

static struct step choose(struct world *w)
{
    static const enum op often[] = { ASK, ASK, APPROVE, APPROVE, APPROVE, APPROVE, KEY, KEY, KEY, KEY, DENY, CANCEL, REVOKE, RELINQUISH, SUSPEND, SUSPEND, RESUME, RESUME, RESUME };
    struct step s = { .op = often[rnd(w, sizeof(often) / sizeof(often[0]))], .who = someone(w), .whose = someone(w) };

    if (rnd(w, 3) > 0)
        s.op = sensible(w, &w->b[s.whose]);
    if (rnd(w, 80) == 0)
        s.op = FREEZE;
    else if (s.op == FREEZE || (s.op == LIFT && !w->frozen))
        s.op = ASK;
    if (w->frozen && rnd(w, 2) == 0)
        s.op = LIFT;
    if (s.op == LIFT && w->doubt)
        s.op = KEY; /* on a clock in doubt a lifted brake lets nothing go on, and how much doubt there is the server knows better */
    if (s.op == ASK || ((s.op == KEY || s.op == CANCEL || s.op == RELINQUISH) && rnd(w, 6) > 0))
        s.who = s.whose;
    if (api_find(route_of(s.op)) == NULL)
        s.op = KEY;
    s.wrong = rnd(w, 12) == 0;
    s.exports = rnd(w, 2) == 0;
    if (w->b[s.whose].phase != NOTHING && w->b[s.whose].phase != OVER)
        s.exports = w->b[s.whose].exports; /* one may ask for another action meanwhile; that is another belief */
    s.first_use = rnd(w, 3) == 0;
    s.duration_s = 60 + (int64_t) rnd(w, s.exports ? 60 : 120);
    return s;
}

static const char *id_of(const struct step *s, const struct belief *b)
{
    switch (s->op) {
    case ASK:
    case FREEZE:
    case LIFT: return NULL;
    case APPROVE:
    case DENY:
    case CANCEL: return b->q;
    case REVOKE:
    case RELINQUISH:
    case SUSPEND:
    case RESUME:
    case KEY:
    case OPS: return b->gid;
    }
    return NULL;
}

/* One to four commands in one transaction, judged in their order. */
static void commands(struct world *w)
{
    struct step steps[GROUP_MAX];
    struct cmd *cmds[GROUP_MAX];
    size_t want = 1 + rnd(w, GROUP_MAX), n = 0;

    for (int i = 0; i < PEOPLE; i++)
        age(w, &w->b[i]);
    while (n < want) {
        struct step s = choose(w);
        const char *id = id_of(&s, &w->b[s.whose]);
        char text[600];

        want--;
        if (id != NULL && id[0] == 0)
            continue;
        want++;
        /* The ids of a group are those of before it: what it begins is only known after it. */
        cmds[n] = house_prepare(&w->h, w->token[s.who], route_of(s.op), id,
                                body_of(w, &s, &w->b[s.whose], text), &s.call);
        steps[n++] = s;
        if (s.op == ASK)
            break; /* later ids of this person would be of the request before */
    }
    if (n == 0)
        return;
    house_group(&w->h, cmds, n);
    for (size_t i = 0; i < n; i++) {
        struct reply r = house_answer(&w->h, steps[i].call);

        judge(w, &steps[i], &r);
    }
}

/* ---- what the gate asks ---- */

static void content(struct world *w, int i)
{
    struct belief *b = &w->b[i];
    struct ipc_lease in = { .jti = span_str(b->jti), .gid = span_str(b->gid), .gen = b->gen, .vid = span_str(b->vid), .rid = span_str(w->rid),
                            .pid = span_str(w->pid), .sub = span_str(w->sub[i]), .what = LEASE_EVENTS, .to_seq = 5, .to_ms = 100, .bytes = 10 };
    struct ipc_leased leased;

    age(w, b);
    if (b->gid[0] == 0 || b->vid[0] == 0)
        return;
    house_send(&w->h, IPC_T_LEASE, &in, IPC_T_LEASED, &leased);
    if (leased.verdict != KEY_OK)
        return;
    w->n_access++;
    if (!open_now(w, b) || w->disk_full || b->jti[0] == 0)
        fail_msg("a lease outside of a window: %s phase %d boot %lld end %lld real %lld end %lld", names[i], b->phase, (long long) w->h.boot,
                 (long long) b->end_boot, (long long) w->h.real, (long long) b->end_real);
}

/* What the server says of a request is what was decided, once each. */
static void look(struct world *w, int i)
{
    static const char *const states[] = { "", "PENDING", "SCHEDULED", "ACTIVE", "SUSPENDED", "" };
    struct belief *b = &w->b[i];
    struct reply r;
    int64_t votes = 0;

    age(w, b);
    if (b->q[0] == 0)
        return;
    r = house_call(&w->h, w->admin, ROUTE_request_get, b->q, NULL, NULL);
    assert_reply(&w->h, r, 200, "");
    for (int64_t k = 0, n = reply_int(&r, "votes"); k < n; k++) {
        char path[40];

        (void) snprintf(path, sizeof(path), "votes.%lld.vote", (long long) k);
        votes += strcmp(reply_str(&w->h, &r, path), "approve") == 0;
    }
    assert_int_equal(votes, __builtin_popcount((unsigned) b->yes));
    if (b->phase != OVER && b->phase != ACTIVE && b->phase != SUSPENDED && !perhaps_over(w, b))
        assert_string_equal(reply_str(&w->h, &r, "state"), states[b->phase]);
}

/* ---- the world around ---- */

static void sign_in(struct world *w)
{
    for (int i = 0; i < PEOPLE; i++)
        (void) snprintf(w->token[i], sizeof(w->token[i]), "%s", house_login(&w->h, names[i]));
    w->signed_in = w->h.boot;
    w->signed_in_real = w->h.real;
}

static void pass_time(struct world *w)
{
    static const int64_t steps[] = { 1, 10, 100, 1000, 1000, 3000, 10000, 30000, 59999, 60000, 60001 };
    int64_t ms = steps[rnd(w, sizeof(steps) / sizeof(steps[0]))];

    /* Often to the very edge of a window. */
    for (int i = 0; i < PEOPLE && rnd(w, 2) == 0; i++) {
        int64_t left = w->b[i].end_boot - w->h.boot;

        if (w->b[i].phase == ACTIVE && left > 1 && left < 200000)
            ms = left - 1 + (int64_t) rnd(w, 3);
    }
    house_sleep(&w->h, ms);
    if (w->h.real > w->top_real) {
        w->top_real = w->h.real;
        w->doubt = false;
    }
    house_tick(&w->h, CMD_SECOND);
}

/* The wall clock alone: set on (windows end early), or back (they end on time by the boot clock) and on again. */
static void step_clock(struct world *w)
{
    int64_t ms = 1 + (int64_t) rnd(w, 20000);

    if (rnd(w, 2) == 0) {
        w->h.real += ms;
    } else {
        w->h.real -= ms;
        w->doubt = true;
    }
    house_tick(&w->h, CMD_SECOND);
    if (w->h.real > w->top_real) {
        w->top_real = w->h.real;
        w->doubt = false;
    }
}

static void fill_disk(struct world *w)
{
    w->disk_full = !w->disk_full;
    assert_ok(meta_limit_pages(w->h.core->m, w->disk_full ? 1 : 0, NULL));
    w->h.room = w->disk_full ? 1 : 50;
    house_tick(&w->h, CMD_SECOND);
}

static void restart(struct world *w)
{
    if (rnd(w, 4) == 0) { /* of the machine: only the wall clock knows how long it took (STANDARDS 1.5) */
        w->h.boot_id[0]++;
        for (int i = 0; i < PEOPLE; i++) {
            w->b[i].rebooted = true;
            age(w, &w->b[i]);
        }
    }
    house_restart(&w->h);
}

static void freshen(struct world *w)
{
    arena_deinit(&w->h.mem);
    arena_init(&w->h.mem, 64 << 20);
    house_forget(&w->h);
    if ((w->h.boot - w->signed_in > RELOGIN_MS || w->h.real - w->signed_in_real > RELOGIN_MS) && !w->disk_full && !w->doubt)
        sign_in(w);
}

static void build(struct world *w)
{
    struct reply r;
    const char *lead;
    char body[80];

    house_open(&w->h, policy_text, true);
    w->top_real = w->h.real;
    w->frozen = w->disk_full = w->doubt = false;
    w->lifter = -1;
    memset(w->b, 0, sizeof(w->b));
    (void) snprintf(w->admin, sizeof(w->admin), "%s", w->h.admin);
    (void) snprintf(w->rid, sizeof(w->rid), "%s", house_recording(&w->h, w->h.admin, "Checkout fails", "user-17"));
    sign_in(w);
    r = house_call(&w->h, w->token[LEAD], ROUTE_recording_get, w->rid, NULL, NULL);
    (void) snprintf(w->pid, sizeof(w->pid), "%s", reply_str(&w->h, &r, "project"));
    /* The brake takes two administrators to lift. */
    r = house_call(&w->h, w->token[LEAD], ROUTE_me, NULL, NULL, NULL);
    lead = reply_str(&w->h, &r, "user.id");
    r = house_call(&w->h, w->token[APPROVER], ROUTE_me, NULL, NULL, NULL);
    (void) snprintf(body, sizeof(body), "{\"add\":[\"%s\",\"%s\"]}", lead, reply_str(&w->h, &r, "user.id"));
    r = house_call(&w->h, w->admin, ROUTE_group_patch, "admins", NULL, body);
    assert_reply(&w->h, r, 200, "");
}

static void one_step(struct world *w)
{
    uint64_t dice = rnd(w, 100);

    if (dice < 50)
        commands(w);
    else if (dice < 72)
        content(w, someone(w));
    else if (dice < 78)
        look(w, someone(w));
    else if (dice < 95)
        pass_time(w);
    else if (dice < 97)
        step_clock(w);
    else if (dice < 99)
        restart(w);
    else if (w->disk_full || rnd(w, 3) == 0)
        fill_disk(w);
    if (rnd(w, 5) == 0 && w->disk_full)
        fill_disk(w);
    freshen(w);
}

static void random_interleavings(void **state)
{
    const char *steps = getenv("KEYHOLE_STEPS"), *seed = getenv("KEYHOLE_SEED");
    long n = steps != NULL ? atol(steps) : getenv("KEYHOLE_LONG") != NULL ? 1000000 : 4000;
    static struct world w;

    (void) state;
    w.seed = seed != NULL ? strtoull(seed, NULL, 10) : 20261122;
    print_message("seed %llu, %ld steps\n", (unsigned long long) w.seed, n);
    for (long i = 0; i < n; i++) {
        if (i % HOUSE_LIFE == 0) {
            if (i > 0)
                house_close(&w.h);
            build(&w);
        }
        one_step(&w);
    }
    house_close(&w.h);
    assert_int_equal(w.h.fatal, 0);
    print_message("%lld done, %lld refused, %lld windows, %lld accesses\n", (long long) w.n_ok, (long long) w.n_refused, (long long) w.n_activated,
                  (long long) w.n_access);
    assert_true(w.n_activated > n / 1000 && w.n_access > n / 1000 && w.n_refused > n / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_interleavings) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
