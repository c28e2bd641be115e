/* The log as tiles, and receipts: offline, with a public key that was kept. */
#include "cli/verify.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/verify_tiles.h"
#include "format/id.h"
#include "format/receipt.h"
#include "os/file.h"

#define PATH_CAP 4352

struct place {
    const char *dir;
};

static enum err read_resource(void *ctx, const char *name, struct buf *ret, struct err_info *reterr)
{
    const struct place *p = ctx;
    char path[PATH_CAP];

    if (snprintf(path, sizeof(path), "%s/%s", p->dir, name) >= (int) sizeof(path))
        return ERR_RAISE(reterr, ERR_LIMIT, "the name of this directory is too long");
    return os_path_read(path, ret, reterr);
}

bool verify_is_tiles(const char *dir)
{
    char path[PATH_CAP];

    return snprintf(path, sizeof(path), "%s/checkpoint", dir) < (int) sizeof(path) && access(path, R_OK) == 0;
}

/* The first line of a note. */
static struct span origin_of(struct span note)
{
    struct span line, rest;

    (void) span_cut(note, '\n', &line, &rest);
    return line;
}

static struct span log_of(struct span origin)
{
    for (size_t i = origin.n; i > 0; i--) {
        if (origin.p[i - 1] == '/')
            return span_of(origin.p + i, origin.n - i);
    }
    return origin;
}

static int verify_one(struct verify *v, const char *dir, const char *only, size_t *found)
{
    struct place place = { dir };
    struct buf note = BUF_INIT(NOTE_MAX);
    struct audit_result r;
    struct err_info e = { 0 };
    struct note_vkey key;
    int code = EXIT_DONE;

    if (read_resource(&place, "checkpoint", &note, &e) != ERR_OK ||
        verify_key(buf_span(&v->keys), origin_of(buf_span(&note)), &key, &e) != ERR_OK) {
        r = (struct audit_result){ .verdict = AUDIT_NOTE_UNKNOWN_KEY };
        (void) snprintf(r.text, sizeof(r.text), "%.190s", e.text);
        (void) snprintf(key.name, sizeof(key.name), "?");
    } else if (audit_verify_tiles(&key, buf_span(&v->since), read_resource, &place, &r, &e) != ERR_OK) {
        code = fail_err(&e);
    }
    if (code == EXIT_DONE && (only == NULL || span_eq_str(log_of(origin_of(buf_span(&note))), only))) {
        verify_report(v, log_of(origin_of(buf_span(&note))), &key, &r);
        ++*found;
    }
    buf_deinit(&note);
    return code;
}

int verify_tiles(struct verify *v, const char *dir, const char *only, size_t *ret_found)
{
    struct dirent **names = NULL;
    int code = EXIT_DONE, n;

    *ret_found = 0;
    if (verify_is_tiles(dir))
        return verify_one(v, dir, only, ret_found);
    n = scandir(dir, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[PATH_CAP];

        if (code == EXIT_DONE && names[i]->d_name[0] != '.' &&
            snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name) < (int) sizeof(path) && verify_is_tiles(path))
            code = verify_one(v, path, only, ret_found);
        free(names[i]);
    }
    free(names);
    return code;
}

/* The record goes to standard output as it was hashed: controls in it are escaped already, but only then if it is good. */
int verify_receipt(struct verify *v, const char *file)
{
    struct buf text = BUF_INIT(RECEIPT_MAX), leaf = BUF_INIT(65536), out = BUF_INIT(1u << 20);
    enum receipt_verdict verdict = RECEIPT_MALFORMED;
    struct err_info e = { 0 };
    struct receipt r = { 0 };
    struct note_vkey key;
    const char *why = NULL;
    uint64_t size = 0;
    int code = EXIT_DONE;

    if (os_path_read(file, &text, &e) != ERR_OK)
        code = fail_err(&e);
    else if (receipt_parse(buf_span(&text), &leaf, &r, &e) != ERR_OK || r.leaf.n == 0 ||
             verify_key(buf_span(&v->keys), origin_of(r.note), &key, &e) != ERR_OK)
        why = e.code != ERR_OK ? e.text : "the receipt does not carry its record";
    else if ((verdict = receipt_check(&r, r.leaf, &key, &size)) != RECEIPT_GOOD)
        why = receipt_verdict_word(verdict);
    if (code == EXIT_DONE && why == NULL) {
        text_safe(&out, r.leaf);
        (void) printf("%s: good, record %llu of the %llu that were signed\n%s\n", key.name, (unsigned long long) r.index,
                      (unsigned long long) size, buf_cstr(&out));
        v->n_good++;
    } else if (code == EXIT_DONE) {
        (void) printf("receipt: BAD: %s\n", why);
        v->n_bad++;
    }
    buf_deinit(&text);
    buf_deinit(&leaf);
    buf_deinit(&out);
    return code;
}
