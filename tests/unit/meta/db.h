#pragma once
/* What the tests of meta share: a database in a directory of its own, and short ways to make rows. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/id.h"
#include "meta/people.h"
#include "meta/recordings.h"

struct fixture {
    char dir[64], path[96];
    struct meta *m;
    struct arena a;
    struct err_info e;
    uint32_t n_ids;
};

static inline void fixture_init(struct fixture *f)
{
    *f = (struct fixture){ .dir = "/tmp/keyhole-meta-XXXXXX" };
    assert_non_null(mkdtemp(f->dir));
    (void) snprintf(f->path, sizeof(f->path), "%s/keyhole.db", f->dir);
    arena_init(&f->a, 256u << 20);
    assert_ok_err(meta_open(f->path, &f->m, &f->e), &f->e);
}

static inline void fixture_deinit(struct fixture *f)
{
    static const char *const ends[] = { "", "-wal", "-shm", ".copy" };
    char path[128];

    f->m = meta_close(f->m);
    arena_deinit(&f->a);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void) snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
        (void) unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
}

static inline void fixture_reopen(struct fixture *f)
{
    f->m = meta_close(f->m);
    assert_ok_err(meta_open(f->path, &f->m, &f->e), &f->e);
}

/* The n-th id of its kind: predictable. */
static inline struct span test_id(struct fixture *f, enum id_kind kind, uint32_t n)
{
    uint8_t rnd[ID_RANDOM_LEN] = { 0 };
    char id[ID_CAP];

    rnd[8] = (uint8_t) (n >> 24);
    rnd[9] = (uint8_t) (n >> 16);
    rnd[10] = (uint8_t) (n >> 8);
    rnd[11] = (uint8_t) n;
    id_make(kind, rnd, id);
    return arena_span(&f->a, span_of(id, ID_LEN));
}

static inline struct span test_text(struct fixture *f, const char *fmt, uint32_t n)
{
    char s[64];

    (void) snprintf(s, sizeof(s), "%s%u", fmt, n);
    return arena_span(&f->a, span_str(s));
}

static inline struct span add_project(struct fixture *f, uint32_t n)
{
    struct meta_project p = { .id = test_id(f, ID_PROJECT, n), .name = test_text(f, "project-", n),
                              .env = SPAN("prod"), .subject_key = SPAN("0123456789abcdef0123456789abcdef"),
                              .state = SPAN("active"), .log_generation = 1, .created_ms = 1000 + n };

    assert_ok_err(meta_project_add(f->m, &p, &f->e), &f->e);
    return p.id;
}

static inline struct span add_account(struct fixture *f, uint32_t n)
{
    struct meta_person h = { .id = test_id(f, ID_PERSON, n), .pk = SPAN("0123456789abcdef0123456789abcdef"),
                             .wrap = SPAN("sealed") };
    struct meta_account c = { .id = test_id(f, ID_USER, n), .name = test_text(f, "user-", n),
                              .state = SPAN("active"), .person = h.id, .created_ms = 1000 + n };

    assert_ok_err(meta_person_add(f->m, &h, &f->e), &f->e);
    assert_ok_err(meta_account_add(f->m, &c, &f->e), &f->e);
    return c.id;
}

static inline void give_role(struct fixture *f, struct span who, const char *role, struct span project)
{
    struct meta_role r = { .who = who, .role = span_str(role), .project = project, .since_ms = 5 };

    assert_ok_err(meta_role_give(f->m, &r, &f->e), &f->e);
}

static inline struct meta_recording recording(struct fixture *f, struct span project, uint32_t n)
{
    return (struct meta_recording){ .id = test_id(f, ID_RECORDING, n),
                                    .project = project,
                                    .kind = n % 2 == 0 ? SPAN("rrweb") : SPAN("terminal"),
                                    .state = SPAN("complete"),
                                    .title = test_text(f, "Checkout f\xc3\xa4llt aus ", n),
                                    .subject = test_text(f, "subject-", n % 5),
                                    .env = SPAN("prod"),
                                    .started_ms = 1000000 + (int64_t) (n * 7919 % 1000) * 1000,
                                    .created_ms = 2000000 + n };
}
