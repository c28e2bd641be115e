/* POST /v1/import: whole files of every kind come out again; a broken one, or one that stops, leaves nothing behind. */
#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/json.h"
#include "format/zframe.h"
#include "os/clock.h"

#define HEAD "{\"version\":2,\"width\":80,\"height\":24}\n"

static size_t count_files(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[600];

        if (e->d_name[0] == '.')
            continue;
        assert_true(snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int) sizeof(path));
        n += e->d_type == DT_DIR ? count_files(path) : 1;
    }
    if (d != NULL)
        (void) closedir(d);
    return n;
}

static bool last_forgotten(void)
{
    return w.n_recordings > 0 && w.recordings[w.n_recordings - 1].ended == -1;
}

static size_t files_before;

static bool files_gone(void)
{
    char dir[100];

    (void) snprintf(dir, sizeof(dir), "%s/blobs", w.dir);
    return count_files(dir) == files_before;
}

static void note_files(void)
{
    char dir[100];

    (void) snprintf(dir, sizeof(dir), "%s/blobs", w.dir);
    files_before = count_files(dir);
}

/* "[t,"o","…"]" lines, as many as make n bytes. */
static void add_lines(struct buf *b, size_t n)
{
    uint32_t x = 7;

    for (unsigned i = 0; b->n < n; i++) {
        buf_addf(b, "[%u.5,\"o\",\"", i);
        for (int k = 0; k < 400; k++) {
            x = x * 1664525 + 1013904223;
            buf_add_c(b, (char) ('a' + (x >> 24) % 26));
        }
        buf_add_str(b, "\"]\n");
    }
}

static void answer_of_a_good_one(void **state)
{
    struct client c;
    struct buf b = BUF_INIT(8 << 20);

    (void) state;
    buf_add_str(&b, HEAD);
    add_lines(&b, 900000);
    request(&c, "POST", "/v1/import?kind=terminal", "Authorization: Bearer kit_test\r\nKeyhole-Title: \"A title\"\r\nKeyhole-Tag: \"a=b\", \"c\"\r\n",
            buf_span(&b));
    assert_int_equal(c.status, 201);
    assert_string_equal(member(&c, "kind"), "terminal");
    assert_string_equal(member(&c, "format"), "asciicast-v2");
    assert_int_equal(strncmp(client_header(&c, "location"), "/v1/recordings/r_", 17), 0);
    assert_string_equal(w.recordings[w.n_recordings - 1].title, "A title");
    assert_int_equal(w.recordings[w.n_recordings - 1].n_tags, 2);
    assert_true(w.recordings[w.n_recordings - 1].n_pieces > 2);
    assert_int_equal(w.recordings[w.n_recordings - 1].ended, 1);
    client_close(&c);
    buf_deinit(&b);
}

/* What is stored shows nothing of what was recorded. */
static bool file_has(const char *dir, const char *text)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool found = false;

    while (d != NULL && !found && (e = readdir(d)) != NULL) {
        char path[600];

        if (e->d_name[0] == '.')
            continue;
        assert_true(snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int) sizeof(path));
        if (e->d_type == DT_DIR) {
            found = file_has(path, text);
        } else {
            struct buf b = BUF_INIT(64 << 20);

            test_read_file(path, &b);
            found = b.n > 0 && memmem(b.p, b.n, text, strlen(text)) != NULL;
            buf_deinit(&b);
        }
    }
    if (d != NULL)
        (void) closedir(d);
    return found;
}

static void no_plaintext_on_disk(void **state)
{
    (void) state;
    (void) import_bytes(SPAN("{\"version\":2,\"width\":80,\"height\":24,\"title\":\"canary-4711\"}\n[0.1,\"o\",\"canary-4711\"]\n"));
    assert_false(file_has(w.dir, "canary-4711"));
    assert_false(file_has(w.dir, "canary"));
}

static void broken_files(void **state)
{
    static const struct {
        const char *name, *body;
        int status;
        const char *code, *line;
    } cases[] = {
        { "nothing", "", 422, "import-broken", "" },
        { "no recording", "hello world, this is a text\n", 415, "unknown-format", "" },
        { "other JSON", "{\"a\":1}\n", 415, "unknown-format", "" },
        { "a cut line", HEAD "[0.1,\"o\",\"a\"]\n[0.2,\"o\",\"b", 422, "import-broken", "3" },
        { "no array", HEAD "[0.1,\"o\",\"a\"]\n{\"x\":1}\n", 422, "import-broken", "3" },
        { "not a number", HEAD "[\"x\",\"o\",\"a\"]\n", 422, "import-broken", "2" },
        { "bad UTF-8", HEAD "[0.1,\"o\",\"\xff\"]\n", 422, "import-broken", "2" },
        { "cut rrweb", "[{\"type\":4,\"data\":{},\"timestamp\":1},{\"type\":2,", 422, "import-broken", "" },
        { "gzip that is none", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage", 422, "import-broken", "" },
    };

    (void) state;
    note_files();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c;
        size_t n = i == 8 ? 17 : strlen(cases[i].body);

        request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", span_of(cases[i].body, n));
        if (c.status != cases[i].status || strcmp(member(&c, "code"), cases[i].code) != 0)
            fail_msg("%s: got %d %s", cases[i].name, c.status, buf_cstr(&c.body));
        if (cases[i].line[0] != '\0')
            assert_string_equal(member(&c, "line"), cases[i].line);
        if (cases[i].status == 422)
            assert_true(member(&c, "cause")[0] != '\0');
        else
            assert_non_null(strstr(member(&c, "formats"), "asciicast-v2"));
        client_close(&c);
        world_wait(last_forgotten, 1000);
        world_wait(files_gone, 1000);
    }
}

static void limits(void **state)
{
    struct client c;
    struct buf b = BUF_INIT(80 << 20), z = BUF_INIT(80 << 20);
    struct zframe_writer *zw;
    uint32_t x = 5;

    (void) state;
    note_files();
    /* an event of 17 MiB */
    buf_add_str(&b, HEAD "[0.1,\"o\",\"");
    for (size_t i = 0; i < 17u << 20; i++) { /* eight letters: too small to be a bomb */
        x = x * 1664525 + 1013904223;
        buf_add_c(&b, (char) ('a' + (x >> 24) % 8));
    }
    buf_add_str(&b, "\"]\n");
    zw = zframe_writer_new(3);
    assert_ok(zframe_write(zw, buf_span(&b), &z, NULL));
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\nContent-Encoding: zstd\r\n", buf_span(&z));
    if (strstr(member(&c, "limit"), "event-too-large") == NULL) fail_msg("%s", buf_cstr(&c.body));
    assert_code(&c, 413, "too-large");
    world_wait(last_forgotten, 1000);
    world_wait(files_gone, 1000);
    /* a bomb: 64 MiB are allowed here */
    buf_reset(&b);
    buf_reset(&z);
    for (int part = 0; part < 9; part++) {
        struct buf raw = BUF_INIT(16 << 20);

        if (part == 0)
            buf_add_str(&raw, HEAD);
        for (int i = 0; raw.n < 8u << 20; i++)
            buf_addf(&raw, "[%d,\"o\",\"%0*d\"]\n", i, 10000, 0);
        assert_ok(zframe_write(zw, buf_span(&raw), &z, NULL));
        buf_deinit(&raw);
    }
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", buf_span(&z));
    assert_true(c.status == 413 || c.status == 422);
    client_close(&c);
    world_wait(last_forgotten, 1000);
    world_wait(files_gone, 1000);
    /* announced larger than limits.import_wire: refused before the upload */
    client_open(&c, w.port);
    client_sendf(&c, "POST /v1/import HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer kit_test\r\nContent-Length: 99999999\r\n\r\n", w.port);
    client_answer(&c);
    assert_code(&c, 413, "too-large");
    world_wait(last_forgotten, 1000);
    zw = zframe_writer_free(zw);
    buf_deinit(&b);
    buf_deinit(&z);
}

/* Small on the wire, many segments: honest terminal output packs a hundredfold. */
static void many_segments_in_one_step(void **state)
{
    struct buf raw = BUF_INIT(64 << 20), z = BUF_INIT(64 << 20);
    struct zframe_writer *zw = zframe_writer_new(19);
    struct client c;
    uint32_t x = 1;

    (void) state;
    buf_add_str(&raw, HEAD);
    for (int i = 0; raw.n < 24u << 20; i++) {
        buf_addf(&raw, "[%d,\"o\",\"", i);
        for (int k = 0; k < 1000; k++) {
            x = x * 1664525 + 1013904223;
            if (k % 8 == 0 && i % 64 != 0)
                x = (uint32_t) (i / 64) * 2654435761u + (uint32_t) k;
            buf_add_c(&raw, (char) ('a' + (x >> 24) % 26));
        }
        buf_add_str(&raw, "\"]\n");
    }
    assert_ok(zframe_write(zw, buf_span(&raw), &z, NULL));
    assert_true(z.n < 1u << 20);
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\nContent-Encoding: zstd\r\n", buf_span(&z));
    if (c.status != 201)
        fail_msg("%d %s", c.status, buf_cstr(&c.body));
    assert_true(w.recordings[w.n_recordings - 1].n_pieces > 4);
    client_close(&c);
    zw = zframe_writer_free(zw);
    buf_deinit(&raw);
    buf_deinit(&z);
}

static void begin_upload(struct client *c, size_t announced, size_t sent)
{
    struct buf b = BUF_INIT(8 << 20);
    char head[300];

    client_open(c, w.port);
    (void) snprintf(head, sizeof(head), "POST /v1/import HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer kit_test\r\nContent-Length: %zu\r\n\r\n",
                    w.port, announced);
    client_send(c, head);
    buf_add_str(&b, HEAD);
    add_lines(&b, sent);
    client_send_n(c, b.p, sent);
    buf_deinit(&b);
}

static bool has_pieces(void)
{
    return w.n_recordings > 0 && w.recordings[w.n_recordings - 1].n_pieces > 0;
}

static void client_goes_away(void **state)
{
    struct client c;

    (void) state;
    note_files();
    begin_upload(&c, 4000000, 2000000);
    world_wait(has_pieces, 2000);
    assert_false(files_gone());
    client_close(&c);
    world_wait(last_forgotten, 2000);
    world_wait(files_gone, 1000);
}

static void body_too_slow_or_broken(void **state)
{
    struct client c;

    (void) state;
    note_files();
    client_open(&c, w.port);
    client_sendf(&c, "POST /v1/import HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer kit_test\r\nTransfer-Encoding: chunked\r\n\r\n25\r\n" HEAD "\r\nxyz\r\n", w.port);
    client_answer(&c);
    assert_code(&c, 400, "bad-request");
    world_wait(last_forgotten, 2000); /* the import heard of its end */
    /* a control call, too: no call is left behind (the leak checker sees it) */
    client_open(&c, w.port);
    client_sendf(&c, "POST /v1/login HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\nxyz\r\n", w.port);
    client_answer(&c);
    assert_code(&c, 400, "bad-request");
}

static void keeper_goes_away(void **state)
{
    struct client c;

    (void) state;
    note_files();
    begin_upload(&c, 4000000, 2000000);
    world_wait(has_pieces, 2000);
    world_keeper_dies();
    {
        struct buf rest = BUF_INIT(8 << 20);

        add_lines(&rest, 2000000);
        client_send_n(&c, rest.p, 2000000);
        buf_deinit(&rest);
    }
    client_answer(&c);
    assert_code(&c, 503, "keeper-unavailable");
    world_wait(files_gone, 2000);
    world_keeper_comes();
}

static void keeper_refuses(void **state)
{
    struct client c;

    (void) state;
    note_files();
    world_lock();
    w.ways.refuse_pieces = true;
    world_unlock();
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", SPAN(HEAD "[0.1,\"o\",\"a\"]\n"));
    assert_code(&c, 503, "keeper-unavailable");
    world_wait(last_forgotten, 1000);
    world_wait(files_gone, 1000);
    world_lock();
    w.ways.refuse_pieces = false;
    w.ways.refuse_end = true;
    world_unlock();
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", SPAN(HEAD "[0.1,\"o\",\"a\"]\n"));
    assert_code(&c, 503, "keeper-unavailable");
    world_wait(last_forgotten, 1000);
    world_wait(files_gone, 1000);
    world_lock();
    w.ways.refuse_end = false;
    w.ways.refuse_ingest = true;
    world_unlock();
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", SPAN(HEAD "[0.1,\"o\",\"a\"]\n"));
    assert_code(&c, 403, "forbidden");
}

/* The keeper may have committed END before it died: then the recording is there, and its files must be too. */
static void an_unknown_end_keeps_the_files(void **state)
{
    struct client c;

    (void) state;
    note_files();
    world_lock();
    w.ways.silent_end = true;
    world_unlock();
    begin_upload(&c, sizeof(HEAD) - 1 + 15, 0);
    client_send(&c, HEAD "[0.1,\"o\",\"ab\"]\n");
    world_wait(has_pieces, 2000);
    (void) usleep(30000);
    world_keeper_dies();
    client_answer(&c);
    assert_code(&c, 503, "keeper-unavailable");
    (void) usleep(100000);
    assert_false(files_gone());
    world_keeper_comes();
}

static void who_may_not(void **state)
{
    struct client c;

    (void) state;
    request(&c, "POST", "/v1/import", "", SPAN("x"));
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/import", "Authorization: Basic x\r\n", SPAN("x"));
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/import", "Cookie: keyhole=abc\r\n", SPAN("x"));
    assert_code(&c, 403, "csrf");
    request(&c, "POST", "/v1/import?kind=video", "Authorization: Bearer kit_test\r\n", SPAN("x"));
    assert_code(&c, 422, "invalid");
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\nContent-Encoding: br\r\n", SPAN("x"));
    assert_code(&c, 415, "unsupported-encoding");
}

/* Every file of real life that is here: event for event what was sent in. */
static size_t n_real;

static void one_real(const char *path, void *ctx)
{
    struct buf file = BUF_INIT(64 << 20);
    struct client c, e;
    const char *rid;

    (void) ctx;
    test_read_file(path, &file);
    if (file.n > 4u << 20 || w.n_recordings + 4 > WORLD_RECORDINGS) {
        buf_deinit(&file);
        return;
    }
    request(&c, "POST", "/v1/import", "Authorization: Bearer kit_test\r\n", buf_span(&file));
    if (c.status == 201) {
        char events[24];
        struct json_iter it;
        struct json_value v, mark;
        size_t n = 0;

        rid = member(&c, "id");
        (void) snprintf(events, sizeof(events), "%s", member(&c, "events"));
        get(&e, world_export_key(rid), "/v1/replay/%s/export", rid);
        assert_int_equal(e.status, 200);
        if (strcmp(member(&c, "kind"), "rrweb") == 0) {
            for (it = json_iter(json_value(buf_span(&e.body))); json_next(&it, &v);)
                n += !json_find(v, "keyhole", &mark);
        } else {
            for (size_t i = 0; i < e.body.n; i++)
                n += e.body.p[i] == '\n';
            n -= 3; /* the header, a mark at both ends */
        }
        assert_int_equal(n, atoi(events));
        client_close(&e);
        n_real++;
    } else {
        assert_true(c.status == 422 || c.status == 415);
    }
    client_close(&c);
    buf_deinit(&file);
}

static void real_files(void **state)
{
    static const char *const dirs[] = { "asciicast/asciinema-player", "asciicast/asciinema-edit", "asciicast/k3d", "rrweb/recorded",
                                        "rrweb/highlight" };

    (void) state;
    if (test_shared("asciicast") == NULL)
        skip();
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        if (test_shared(dirs[i]) != NULL)
            (void) test_each_file(test_shared(dirs[i]), "", one_real, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answer_of_a_good_one, world_reset),
        cmocka_unit_test_setup(no_plaintext_on_disk, world_reset),
        cmocka_unit_test_setup(broken_files, world_reset),
        cmocka_unit_test_setup(limits, world_reset),
        cmocka_unit_test_setup(many_segments_in_one_step, world_reset),
        cmocka_unit_test_setup(client_goes_away, world_reset),
        cmocka_unit_test_setup(body_too_slow_or_broken, world_reset),
        cmocka_unit_test_setup(keeper_goes_away, world_reset),
        cmocka_unit_test_setup(keeper_refuses, world_reset),
        cmocka_unit_test_setup(an_unknown_end_keeps_the_files, world_reset),
        cmocka_unit_test_setup(who_may_not, world_reset),
        cmocka_unit_test_setup(real_files, world_reset),
    };

    return cmocka_run_group_tests_name("gate import", tests, world_begin, world_end);
}
