#include "cli/login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"
#include "crypto/random.h"
#include "os/file.h"

#define FILE_NAME "login.json"
#define FILE_MAX  16384

/* Where it lies. ERR_NOTFOUND: no home directory is known. */
static enum err directory(char *to, size_t cap, struct err_info *reterr)
{
    const char *own = getenv("KEYHOLE_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n;

    if (own != NULL && own[0] != '\0')
        n = snprintf(to, cap, "%s", own);
    else if (xdg != NULL && xdg[0] == '/')
        n = snprintf(to, cap, "%s/keyhole", xdg);
    else if (home != NULL && home[0] == '/')
        n = snprintf(to, cap, "%s/.config/keyhole", home);
    else
        return ERR_RAISE(reterr, ERR_NOTFOUND, "no place for the sign-in: set KEYHOLE_CONFIG_DIR or HOME");
    return n < (int) cap ? ERR_OK : ERR_RAISE(reterr, ERR_LIMIT, "the configuration directory's name is too long");
}

/* mkdir -p with 0700 for what is new. */
enum err login_directory(bool create, char *path, size_t cap, int *ret_fd, struct err_info *reterr)
{
    TRY(directory(path, cap, reterr));
    for (char *p = create ? strchr(path + 1, '/') : NULL; p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "cannot make %s: %s", path, strerror(errno));
        *p = '/';
    }
    return os_dir_open(path, create, ret_fd, reterr);
}

static enum err parse(struct cli *c, struct span text, struct err_info *reterr)
{
    struct json_limits lim = json_limits_control((const uint8_t *) "the user's own..");
    struct buf tree = BUF_INIT(4 * FILE_MAX);
    struct tree root;

    if (!json_parse(text, &lim, &tree, NULL)) {
        buf_deinit(&tree);
        return ERR_RAISE(reterr, ERR_CORRUPT, "the saved sign-in is damaged: run keyhole login again");
    }
    root = tree_root(buf_span(&tree));
    c->login.url = get_dup(root, "url");
    c->login.token = get_dup(root, "token");
    c->login.user = get_dup(root, "user");
    c->login.ca = get_dup(root, "ca");
    c->login.jkt = get_dup(root, "client_key");
    c->login.public_url = get_dup(root, "public_url");
    explicit_bzero(tree.p, tree.n);
    buf_deinit(&tree);
    return ERR_OK;
}

static enum err check_mode(int dir, const char *path, struct err_info *reterr)
{
    struct stat st;

    if (fstatat(dir, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 077) != 0)
        return ERR_RAISE(reterr, ERR_DENIED,
                         "the saved sign-in can be read by others (mode %03o): chmod 600 %s/" FILE_NAME,
                         (unsigned) (st.st_mode & 0777), path);
    return ERR_OK;
}

enum err login_load(struct cli *c, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    struct buf text = BUF_INIT(FILE_MAX);
    char path[4096];
    enum err err;

    if (c->login.url != NULL || login_directory(false, path, sizeof(path), &dir, NULL) != ERR_OK)
        return ERR_OK;
    TRY(check_mode(dir, path, reterr));
    err = os_file_read(dir, FILE_NAME, &text, reterr);
    if (err == ERR_OK)
        err = parse(c, buf_span(&text), reterr);
    if (text.n > 0)
        explicit_bzero(text.p, text.n);
    buf_deinit(&text);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

enum err login_save(const struct cli *c, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    char path[4096];
    struct body b;
    struct buf *text;
    enum err err;

    TRY(login_directory(true, path, sizeof(path), &dir, reterr));
    body_begin(&b);
    jsonw_kcstr(&b.w, "url", c->login.url);
    jsonw_kcstr(&b.w, "user", c->login.user);
    jsonw_kcstr(&b.w, "ca", c->login.ca);
    jsonw_kcstr(&b.w, "client_key", c->login.jkt);
    jsonw_kcstr(&b.w, "public_url", c->login.public_url);
    jsonw_kcstr(&b.w, "token", c->login.token);
    text = body_end(&b);
    buf_add_c(text, '\n');
    err = os_file_replace(dir, FILE_NAME, buf_span(text), 0600, reterr);
    body_deinit(&b);
    return err;
}

enum err login_remove(struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    char path[4096];

    if (login_directory(false, path, sizeof(path), &dir, NULL) != ERR_OK)
        return ERR_OK;
    return os_file_remove(dir, FILE_NAME, reterr);
}

void login_deinit(struct cli *c)
{
    char **all[] = { &c->login.url, &c->login.token, &c->login.user, &c->login.ca, &c->login.jkt, &c->login.public_url };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (*all[i] != NULL)
            explicit_bzero(*all[i], strlen(*all[i]));
        free(*all[i]);
        *all[i] = NULL;
    }
}
