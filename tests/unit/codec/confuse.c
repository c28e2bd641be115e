/* The configuration and policy reader: both examples of the standard, and one text for each thing it must refuse. */
#include "test.h"

#include "codec/confuse.h"
#include "codec/jsonw.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- tables for the two full examples */

static const char *const header_words[] = { "forwarded", "proxy", "none", NULL };
static const char *const class_words[] = { "low", "normal", "high", NULL };
static const char *const action_words[] = { "play", "live", "unmask", "export", NULL };
static const char *const effect_words[] = { "deny", "ask", "auto", NULL };
static const char *const start_words[] = { "approval", "first-use", NULL };
static const char *const kind_words[] = { "rrweb", "terminal", NULL };
static const char *const ticket_words[] = { "none", "optional", "required", NULL };
static const char *const same_words[] = { "session", "subject", "link", NULL };
static const char *const binding_words[] = { "dpop", "bearer", NULL };
static const char *const change_words[] = { "revoke", "keep", NULL };

static const struct confuse_opt tls[] = { { "certificate", CONFUSE_STR }, { "key", CONFUSE_STR }, { 0 } };
static const struct confuse_opt proxy[] = {
    { "trusted", CONFUSE_STRS }, { "header", CONFUSE_ENUM, .words = header_words }, { 0 }
};
static const struct confuse_opt gate[] = {
    { "threads", CONFUSE_INT, .min = 0, .max = 256 }, { "streams", CONFUSE_INT }, { "cache", CONFUSE_BYTES }, { 0 }
};
static const struct confuse_opt limits_[] = {
    { "header_time", CONFUSE_DURATION, .min = 1000, .max = 60000 },
    { "body_min_rate", CONFUSE_BYTES },
    { "write_stall", CONFUSE_DURATION },
    { 0 },
};
static const struct confuse_opt key[] = {
    { "life", CONFUSE_DURATION }, { "bearer_life", CONFUSE_DURATION }, { "rotate", CONFUSE_DURATION }, { 0 }
};
static const struct confuse_opt store[] = {
    { "seal_bytes", CONFUSE_BYTES }, { "seal_after", CONFUSE_DURATION }, { "zstd", CONFUSE_INT }, { 0 }
};
static const struct confuse_opt mail[] = { { "to", CONFUSE_STR }, { 0 } };
static const struct confuse_opt config[] = {
    { "public_url", CONFUSE_STR },
    { "player_url", CONFUSE_STR },
    { "env", CONFUSE_STRS },
    { "dir", CONFUSE_STR },
    { "listen", CONFUSE_STRS },
    { "player_listen", CONFUSE_STRS },
    { "tls", CONFUSE_SECTION, .opts = tls },
    { "proxy", CONFUSE_SECTION, .opts = proxy },
    { "gate", CONFUSE_SECTION, .opts = gate },
    { "limits", CONFUSE_SECTION, .opts = limits_ },
    { "key", CONFUSE_SECTION, .opts = key },
    { "store", CONFUSE_SECTION, .opts = store },
    { "mail", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = mail },
    { "debug", CONFUSE_BOOL },
    { 0 },
};

static const struct confuse_opt purpose[] = {
    { "ticket", CONFUSE_ENUM, .words = ticket_words }, { "reason_min", CONFUSE_INT }, { 0 }
};
static const struct confuse_opt more[] = {
    { "same", CONFUSE_ENUMS, .words = same_words }, { "max", CONFUSE_INT }, { 0 }
};
static const struct confuse_opt more_time[] = { { "times", CONFUSE_INT }, { "each", CONFUSE_DURATION }, { 0 } };
static const struct confuse_opt quota[] = {
    { "key_streams", CONFUSE_INT }, { "grant_streams", CONFUSE_INT }, { "person_streams", CONFUSE_INT },
    { "key_bytes", CONFUSE_BYTES }, { "key_rate", CONFUSE_BYTES },    { "key_requests", CONFUSE_INT },
    { 0 },
};
static const struct confuse_opt group[] = { { "min", CONFUSE_INT }, { 0 } };
static const struct confuse_opt ask[] = {
    { "need", CONFUSE_INT },
    { "deny", CONFUSE_INT },
    { "from", CONFUSE_STRS },
    { "group", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = group },
    { 0 },
};
static const struct confuse_opt rule[] = {
    { "who", CONFUSE_STRS },
    { "project", CONFUSE_STRS },
    { "env", CONFUSE_STRS },
    { "class", CONFUSE_ENUMS, .words = class_words },
    { "kind", CONFUSE_ENUMS, .words = kind_words },
    { "subject", CONFUSE_STR },
    { "actions", CONFUSE_ENUMS, .words = action_words },
    { "purposes", CONFUSE_STRS },
    { "hours", CONFUSE_STR },
    { "max", CONFUSE_DURATION },
    { "default", CONFUSE_DURATION },
    { "start", CONFUSE_ENUMS, .words = start_words },
    { "start_by", CONFUSE_DURATION },
    { "viewers", CONFUSE_INT },
    { "max_speed", CONFUSE_INT },
    { "more", CONFUSE_SECTION, .opts = more },
    { "more_time", CONFUSE_SECTION, .opts = more_time },
    { "quota", CONFUSE_SECTION, .opts = quota },
    { "binding", CONFUSE_ENUMS, .words = binding_words },
    { "watermark", CONFUSE_BOOL },
    { "effect", CONFUSE_ENUM, .words = effect_words },
    { "ask", CONFUSE_SECTION, .opts = ask },
    { 0 },
};
static const struct confuse_opt caps[] = { { "recording", CONFUSE_DURATION }, { "day", CONFUSE_DURATION }, { 0 } };
static const struct confuse_opt breakglass[] = {
    { "max", CONFUSE_DURATION }, { "incidents", CONFUSE_INT }, { "days", CONFUSE_INT }, { 0 }
};
static const struct confuse_opt test_case[] = {
    { "as", CONFUSE_STRS },
    { "wants", CONFUSE_ENUMS, .words = action_words },
    { "project", CONFUSE_STR },
    { "purpose", CONFUSE_STR },
    { "for", CONFUSE_DURATION },
    { "at", CONFUSE_STR },
    { "expect", CONFUSE_ENUM, .words = effect_words },
    { 0 },
};
static const struct confuse_opt policy[] = {
    { "purpose", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = purpose },
    { "rule", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = rule },
    { "caps", CONFUSE_SECTION, .opts = caps },
    { "breakglass", CONFUSE_SECTION, .opts = breakglass },
    { "on_change", CONFUSE_ENUM, .words = change_words },
    { "test", CONFUSE_SECTION, CONFUSE_TITLE | CONFUSE_MULTI, .opts = test_case },
    { 0 },
};

/* ---- files that include may read */

static const struct {
    const char *path, *text;
} files[] = {
    { "/etc/keyhole/site.conf", "debug = yes\nmail \"b\" { to = \"b@x\" }\n" },
    { "/etc/keyhole/more/a.conf", "include(\"b.conf\") # relative to itself\n" },
    { "/etc/keyhole/more/b.conf", "dir = \"/srv\"" },
    { "/etc/keyhole/self.conf", "include(\"self.conf\")" },
    { "/etc/keyhole/open.conf", "tls { key = \"k\"" },
    { "/etc/keyhole/comment.conf", "dir = \"x\" /* and" },
    { "/etc/keyhole/again.conf", "\n\ndir = \"y\"" },
    { "/etc/keyhole/mail.conf", "mail \"a\" { to = \"again\" }" },
};

static enum err read_file(void *ctx, const char *path, struct buf *text, struct err_info *reterr)
{
    unsigned *n = ctx;

    (*n)++;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strcmp(files[i].path, path) == 0) {
            buf_add_str(text, files[i].text);
            return ERR_OK;
        }
    }
    return ERR_RAISE(reterr, ERR_NOTFOUND, "cannot open '%s'", path);
}

static unsigned n_read;

static enum err load(const struct confuse_opt *schema, const char *text, bool includes, struct buf *json,
                     struct err_info *e)
{
    struct confuse_source src = {
        .name = "/etc/keyhole/keyhole.conf",
        .text = span_str(text),
        .max_bytes = 64 << 10,
        .read = includes ? read_file : NULL,
        .ctx = &n_read,
    };
    struct buf tree = BUF_INIT(1 << 20);
    enum err err = confuse_load(&src, schema, &tree, e);
    struct jsonw w;

    if (err == ERR_OK) {
        assert_true(tree_check(buf_span(&tree)));
        jsonw_init(&w, json);
        jsonw_tree(&w, tree_root(buf_span(&tree)));
        assert_true(jsonw_done(&w));
    } else {
        assert_int_equal(tree.n, 0);
    }
    buf_deinit(&tree);
    return err;
}

static void loads(const struct confuse_opt *schema, const char *text, const char *want)
{
    struct buf json = BUF_INIT(1 << 20);
    struct err_info e = { 0 };

    assert_ok_err(load(schema, text, true, &json, &e), &e);
    assert_span_str(buf_span(&json), want);
    buf_deinit(&json);
}

static void the_configuration_example(void **state)
{
    (void) state;
    loads(config,
          "public_url = \"https://rec.example.com\"          # iss, htu, Origin, links\n"
          "player_url = \"https://play.rec-example.net\"     env = { \"prod\" }           # the first is the default\n"
          "dir = \"/var/lib/keyhole\"   listen = { \"0.0.0.0:443\" }   player_listen = { \"0.0.0.0:8444\" }   # may\n"
          "tls    { certificate = \"/etc/keyhole/tls.pem\"   key = \"/etc/keyhole/tls.key\" }\n"
          "proxy  { trusted = { \"10.0.0.0/8\" }  header = forwarded }              # none unless said\n"
          "gate   { threads = 0  streams = 15000  cache = 256MiB }                # threads 0: one a core\n"
          "limits { header_time = 10s  body_min_rate = 1KiB  write_stall = 30s }\n"
          "key    { life = 120s  bearer_life = 60s  rotate = 60min }\n"
          "store  { seal_bytes = 1MiB  seal_after = 10min  zstd = 3 }\n"
          "include(\"/etc/keyhole/site.conf\")\n",
          "{\"public_url\":\"https://rec.example.com\",\"player_url\":\"https://play.rec-example.net\",\"env\":[\"prod\"],"
          "\"dir\":\"/var/lib/keyhole\",\"listen\":[\"0.0.0.0:443\"],\"player_listen\":[\"0.0.0.0:8444\"],"
          "\"tls\":{\"certificate\":\"/etc/keyhole/tls.pem\",\"key\":\"/etc/keyhole/tls.key\"},"
          "\"proxy\":{\"trusted\":[\"10.0.0.0/8\"],\"header\":\"forwarded\"},"
          "\"gate\":{\"threads\":0,\"streams\":15000,\"cache\":268435456},"
          "\"limits\":{\"header_time\":10000,\"body_min_rate\":1024,\"write_stall\":30000},"
          "\"key\":{\"life\":120000,\"bearer_life\":60000,\"rotate\":3600000},"
          "\"store\":{\"seal_bytes\":1048576,\"seal_after\":600000,\"zstd\":3},"
          "\"mail\":[{\"title\":\"b\",\"to\":\"b@x\"}],\"debug\":true}");
}

static const char policy_text[] =
    "purpose \"debugging\" { }                                    # reason_min = 20 unless said\n"
    "purpose \"support\"   { ticket = required  reason_min = 0 }\n"
    "rule \"engineers-watch\" {\n"
    "  who = { \"group:engineering\" }   project = { \"shop\" }   env = { \"prod\" }   class = { low, normal }\n"
    "  actions = { play, live }        purposes = { \"debugging\", \"support\" }"
    "     hours = \"Mon-Fri 07:00-20:00 Europe/Berlin\"\n"
    "  max = 60min   default = 30min   start = { approval, first-use }   start_by = 8h   viewers = 4   max_speed = 16\n"
    "  more      { same = { session, link }  max = 5 }\n"
    "  more_time { times = 1  each = 30min }\n"
    "  quota     { key_streams = 2  grant_streams = 4  person_streams = 6  key_bytes = 1GiB  key_rate = 64MiB"
    "  key_requests = 200 }\n"
    "  binding = { dpop }              watermark = yes\n"
    "  ask       { need = 1  deny = 1  from = { \"role:approver\" } }\n"
    "}\n"
    "rule \"export-two\" { who = { \"role:viewer\" }  actions = { export }  purposes = { \"support\" }  max = 30min\n"
    "                    ask { need = 2  group \"security\" { min = 1 }  group \"owners\" { min = 1 } } }\n"
    "rule \"own-shell\"  { who = { \"role:viewer\" }  kind = { terminal }  subject = self  actions = { play }"
    "  purposes = { \"debugging\" }  max = 15min  effect = auto }\n"
    "rule \"no-night\"   { effect = deny  actions = { export }  hours = \"22:00-06:00 Europe/Berlin\" }\n"
    "caps       { recording = 8h  day = 12h }                   # sums of windows, per person\n"
    "breakglass { max = 60min  incidents = 2  days = 30 }\n"
    "on_change = revoke\n"
    "test \"asks\"   { as = { \"group:engineering\" }  wants = { play }  project = \"shop\"  purpose = \"debugging\""
    "  for = 30min  at = \"2026-11-03T10:00:00+01:00\"  expect = ask }\n"
    "test \"night\"  { as = { \"role:viewer\" }  wants = { export }  project = \"shop\"  purpose = \"support\""
    "  at = \"2026-11-03T23:00:00+01:00\"  expect = deny }\n";

static const char policy_json[] =
    "{\"purpose\":[{\"title\":\"debugging\"},{\"title\":\"support\",\"ticket\":\"required\",\"reason_min\":0}],"
    "\"rule\":[{\"title\":\"engineers-watch\",\"who\":[\"group:engineering\"],\"project\":[\"shop\"],\"env\":[\"prod\"],"
    "\"class\":[\"low\",\"normal\"],\"actions\":[\"play\",\"live\"],\"purposes\":[\"debugging\",\"support\"],"
    "\"hours\":\"Mon-Fri 07:00-20:00 Europe/Berlin\",\"max\":3600000,\"default\":1800000,"
    "\"start\":[\"approval\",\"first-use\"],\"start_by\":28800000,\"viewers\":4,\"max_speed\":16,"
    "\"more\":{\"same\":[\"session\",\"link\"],\"max\":5},\"more_time\":{\"times\":1,\"each\":1800000},"
    "\"quota\":{\"key_streams\":2,\"grant_streams\":4,\"person_streams\":6,\"key_bytes\":1073741824,"
    "\"key_rate\":67108864,\"key_requests\":200},\"binding\":[\"dpop\"],\"watermark\":true,"
    "\"ask\":{\"need\":1,\"deny\":1,\"from\":[\"role:approver\"]}},"
    "{\"title\":\"export-two\",\"who\":[\"role:viewer\"],\"actions\":[\"export\"],\"purposes\":[\"support\"],"
    "\"max\":1800000,\"ask\":{\"need\":2,\"group\":[{\"title\":\"security\",\"min\":1},{\"title\":\"owners\",\"min\":1}]}},"
    "{\"title\":\"own-shell\",\"who\":[\"role:viewer\"],\"kind\":[\"terminal\"],\"subject\":\"self\",\"actions\":[\"play\"],"
    "\"purposes\":[\"debugging\"],\"max\":900000,\"effect\":\"auto\"},"
    "{\"title\":\"no-night\",\"actions\":[\"export\"],\"hours\":\"22:00-06:00 Europe/Berlin\",\"effect\":\"deny\"}],"
    "\"caps\":{\"recording\":28800000,\"day\":43200000},\"breakglass\":{\"max\":3600000,\"incidents\":2,\"days\":30},"
    "\"on_change\":\"revoke\",\"test\":[{\"title\":\"asks\",\"as\":[\"group:engineering\"],\"wants\":[\"play\"],"
    "\"project\":\"shop\",\"purpose\":\"debugging\",\"for\":1800000,\"at\":\"2026-11-03T10:00:00+01:00\",\"expect\":\"ask\"},"
    "{\"title\":\"night\",\"as\":[\"role:viewer\"],\"wants\":[\"export\"],\"project\":\"shop\",\"purpose\":\"support\","
    "\"at\":\"2026-11-03T23:00:00+01:00\",\"expect\":\"deny\"}]}";

static void the_policy_example(void **state)
{
    (void) state;
    loads(policy, policy_text, policy_json);
}

static void small_texts(void **state)
{
    static const struct {
        const char *text, *json;
    } t[] = {
        { "", "{}" },
        { "\n# only a comment", "{}" },
        { "# what ${HOME} would do in a comment\n", "{}" },
        { "/* a\n b */ // c\r\n", "{}" },
        { "debug=off", "{\"debug\":false}" },
        { "env = prod", "{\"env\":[\"prod\"]}" },
        { "env = { a, # first\n b, /* second */ \"c d\" }", "{\"env\":[\"a\",\"b\",\"c d\"]}" },
        { "env = { a, }", "{\"env\":[\"a\"]}" },
        { "tls { }", "{\"tls\":{}}" },
        { "dir = \"\"", "{\"dir\":\"\"}" },
        { "dir = 'it is $5 \\'so\\' \"x\" # no comment {'", "{\"dir\":\"it is $5 'so' \\\"x\\\" # no comment {\"}" },
        { "dir = \"a\\\"b\\\\n\\n\\tc\"", "{\"dir\":\"a\\\"b\\\\n\\n\\tc\"}" },
        { "dir = \"\\\\x41 \xc3\xa4\"", "{\"dir\":\"\\\\x41 \xc3\xa4\"}" },
        { "dir = \"$\" env = \"{HOME}\"", "{\"env\":[\"{HOME}\"],\"dir\":\"$\"}" },
        { "mail \"z\" { to = \"1\" } mail \"a\" { } mail \"t u\" { to = \"2\" }",
          "{\"mail\":[{\"title\":\"z\",\"to\":\"1\"},{\"title\":\"a\"},{\"title\":\"t u\",\"to\":\"2\"}]}" },
        { "include(\"more/a.conf\")", "{\"dir\":\"/srv\"}" },
        { "include ( 'site.conf' ) mail \"a\" { }",
          "{\"mail\":[{\"title\":\"a\"},{\"title\":\"b\",\"to\":\"b@x\"}],\"debug\":true}" },
        { "env = { include }", "{\"env\":[\"include\"]}" },
        { "gate { threads = 256 }", "{\"gate\":{\"threads\":256}}" },
        { "limits { header_time = 1s }", "{\"limits\":{\"header_time\":1000}}" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        loads(config, t[i].text, t[i].json);
}

static const struct {
    const char *text, *error; /* after "/etc/keyhole/keyhole.conf:" unless it starts with '/' */
} refused[] = {
    /* twice */
    { "dir = \"a\"\ndir = \"a\"", "2: 'dir' is given twice" },
    { "env = { a }\nenv = { b }", "2: 'env' is given twice" },
    { "env = { a, b }\n\nenv = b", "3: 'env' is given twice" },
    { "tls { key = \"a\" }\ntls { certificate = \"b\" }", "2: 'tls' is given twice" },
    { "tls { key = \"a\" }\ntls { key = \"b\" }", "2: 'key' is given twice" },
    { "tls { }\n tls { }", "2: 'tls' is given twice" },
    { "mail \"a\" { }\nmail \"a\" { to = \"x\" }", "2: two sections of this kind have the same title" },
    { "mail \"a\" { to = \"x\"\n to = \"y\" }", "2: 'to' is given twice" },
    { "env += { a }", "1: lists are written whole, with =" },
    { "dir = \"x\"\ninclude(\"again.conf\")", "/etc/keyhole/again.conf: 'dir' is given twice: it is also in "
                                              "/etc/keyhole/keyhole.conf" },
    { "mail \"a\" { }\ninclude(\"mail.conf\")", "/etc/keyhole/mail.conf: 'mail' is given twice: it is also in "
                                                "/etc/keyhole/keyhole.conf" },
    { "include(\"self.conf\")", "/etc/keyhole/self.conf: includes a file that has been read already" },
    /* ends too early */
    { "debug = yes\ntls {\n key = \"a\"\n", "2: the brace that opens here is never closed" },
    { "\nenv = { a, b", "2: the brace that opens here is never closed" },
    { "debug = yes\n/* here\nand on", "2: the comment that begins here has no end" },
    { "dir = \"a\ndebug = yes\n", "1: the string has no closing quote on its line" },
    { "dir = 'a", "1: the string has no closing quote on its line" },
    { "dir = \"a\\", "1: an unknown escape in a string (there are \\\" \\' \\\\ \\n \\t)" },
    { "debug =\n", "2: the text ends in the middle of a statement" },
    { "debug", "1: the text ends in the middle of a statement" },
    { "mail", "1: the text ends in the middle of a statement" },
    { "mail \"a\"", "1: the text ends in the middle of a statement" },
    { "tls { } }", "1: a closing brace without its opening one" },
    { "include(\"open.conf\")", "/etc/keyhole/open.conf:1: the brace that opens here is never closed" },
    { "include(\"comment.conf\")\ntls { }", "/etc/keyhole/comment.conf:1: the comment that begins here has no end" },
    /* the environment */
    { "\ndir = \"${HOME}\"", "2: ${...} is not replaced here: write the value itself" },
    { "dir = ${HOME}", "1: ${...} is not replaced here: write the value itself" },
    { "dir = '${HOME}'", "1: ${...} is not replaced here: write the value itself" },
    { "env = { a, b${HOME:-x} }", "1: ${...} is not replaced here: write the value itself" },
    { "dir = \"\\$\\{HOME}\"", "1: an unknown escape in a string (there are \\\" \\' \\\\ \\n \\t)" },
    /* unknown */
    { "gate { treads = 4 }", "1: there is no option 'treads' here; did you mean 'threads'?" },
    { "tls { crt = \"x\" }", "1: there is no option 'crt' here; known: certificate, key" },
    { "public-url = \"x\"", "1: there is no option 'public-url' here; did you mean 'public_url'?" },
    { "tls {\n certificate = \"x\"\n dir = \"y\" }", "3: there is no option 'dir' here; known: certificate, key" },
    { "tls { \"<b>\" = 1 }", "1: there is no option '...' here; known: certificate, key" },
    { "\"tls|key\" = \"x\"", "1: a name without | was expected" },
    { "keyhole-end-of-text = here", "1: the text ends in the middle of a statement" },
    { "include(\"missing.conf\")", "/cannot open '/etc/keyhole/missing.conf'" },
    /* shapes */
    { "env = { }", "1: an empty list: leave the option out" },
    { "env = {\n}", "2: an empty list: leave the option out" },
    { "env = { a b }", "1: this does not belong here (name = value, name = { a, b }, section { ... })" },
    { "env = { , }", "1: this does not belong here (name = value, name = { a, b }, section { ... })" },
    { "dir = { a }", "1: this does not belong here (name = value, name = { a, b }, section { ... })" },
    { "debug yes", "1: an equal sign was expected after 'debug'" },
    { "tls = { key = \"x\" }", "1: an opening brace was expected after 'tls'" },
    { "tls \"title\" { }", "1: an opening brace was expected after 'tls'" },
    { "mail { }", "1: a title was expected after 'mail'" },
    { "{ }", "1: this does not belong here (name = value, name = { a, b }, section { ... })" },
    { "public_url = https://rec.example.com", "1: this needs quotes: without them // and /* begin a comment" },
    { "dir = a*b", "1: a character that needs quotes around its word" },
    { "debug = yes;", "1: there are no semicolons in this syntax" },
    { "dir = \xc3\xa4", "1: a character outside ASCII needs quotes around its word" },
    { "\xef\xbb\xbf" "debug = yes", "1: a character outside ASCII needs quotes around its word" },
    { "\ndir = \"\xff\"", "2: bytes that are not UTF-8" },
    { "dir = \"a\x01\"", "1: a control character in a string" },
    { "dir = a\rdebug = yes", "1: a control character" },
    { "dir = \"\\x41\"", "1: an unknown escape in a string (there are \\\" \\' \\\\ \\n \\t)" },
    { "dir = \"\\101\"", "1: an unknown escape in a string (there are \\\" \\' \\\\ \\n \\t)" },
    { "dir(\"x\")", "1: a character that needs quotes around its word" },
    { "include()", "1: include takes one file name in quotes: include(\"file\")" },
    { "include(\"\")", "1: include takes one file name in quotes: include(\"file\")" },
    { "include(\"a\", \"b\")", "1: include takes one file name in quotes: include(\"file\")" },
    { "tls { include(\"site.conf\") }", "1: include stands outside sections" },
    /* values */
    { "gate { threads = four }", "1: 'threads' takes a whole number" },
    { "gate { threads = 0x10 }", "1: 'threads' takes a whole number" },
    { "gate { threads = 1.5 }", "1: 'threads' takes a whole number" },
    { "gate { threads = 257 }", "1: 'threads' takes from 0 to 256" },
    { "gate { threads = -1 }", "1: 'threads' takes from 0 to 256" },
    { "\nkey { life = 120 }", "2: 'life' takes a length of time with its unit: 250ms 30s 15min 8h 1d" },
    { "limits { header_time = 999ms }", "1: 'header_time' takes from 1000 to 60000 ms" },
    { "gate { cache = 256M }", "1: 'cache' takes a size with its unit: 512B 1KiB 16MiB 4GiB" },
    { "proxy { header = x }", "1: 'header' takes one of: forwarded, proxy, none" },
    { "debug = maybe", "1: 'debug' takes yes or no" },
};

static void what_libconfuse_is_too_kind_about(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct buf json = BUF_INIT(1 << 16);
        struct err_info e = { 0 };
        char want[500];

        (void) setenv("HOME", "/leaked", 1);
        if (load(config, refused[i].text, true, &json, &e) == ERR_OK)
            fail_msg("'%s' was taken", refused[i].text);
        if (refused[i].error[0] != '/')
            (void) snprintf(want, sizeof(want), "/etc/keyhole/keyhole.conf:%s", refused[i].error);
        else
            (void) snprintf(want, sizeof(want), "%s", refused[i].error + (refused[i].error[1] == 'c'));
        if (strcmp(e.text, want) != 0)
            fail_msg("'%s':\n got  %s\n want %s", refused[i].text, e.text, want);
        /* and no state of it is left for the next text */
        loads(config, "debug = yes", "{\"debug\":true}");
        buf_deinit(&json);
    }
}

static void words_of_a_list_are_checked(void **state)
{
    struct buf json = BUF_INIT(1 << 16);
    struct err_info e;

    (void) state;
    assert_err(load(policy, "rule \"a\" { actions = { play,\n watch } }", false, &json, &e), ERR_INVAL);
    assert_string_equal(e.text, "/etc/keyhole/keyhole.conf:2: 'actions' takes words out of: play, live, unmask, export");
    assert_err(load(policy, "rule \"a\" { actions = { play, live, play } }", false, &json, &e), ERR_INVAL);
    assert_string_equal(e.text, "/etc/keyhole/keyhole.conf:1: 'actions' has the same word twice");
    assert_err(load(policy, "include(\"site.conf\")", false, &json, &e), ERR_INVAL);
    assert_string_equal(e.text, "/etc/keyhole/keyhole.conf:1: include is not possible in this text");
    buf_deinit(&json);
}

static void limits(void **state)
{
    static char big[(64 << 10) + 2];
    struct buf json = BUF_INIT(1 << 16), tree = BUF_INIT(20);
    struct confuse_source src = { .name = "policy", .text = SPAN("env = { aaaaaaaaaaaaaaaaaaaaaa }"), .max_bytes = 100 };
    struct err_info e;

    (void) state;
    memset(big, ' ', 64 << 10);
    assert_ok(load(config, big, true, &json, &e));
    big[64 << 10] = ' ';
    assert_err(load(config, big, true, &json, &e), ERR_LIMIT);
    assert_err(confuse_load(&src, config, &tree, &e), ERR_LIMIT);
    assert_int_equal(tree.n, 0);
    src.text = span_of("debug = yes\n\0dir = x", 20);
    assert_err(confuse_load(&src, config, &tree, &e), ERR_INVAL);
    assert_string_equal(e.text, "policy:2: a control character");
    buf_deinit(&json);
    buf_deinit(&tree);
}

/* Every cut of a good text is either refused or, between statements, a good text itself; and the next one still reads. */
static void every_cut_of_the_policy(void **state)
{
    struct buf json = BUF_INIT(1 << 16);
    size_t taken = 0;

    (void) state;
    for (size_t n = 0; n < sizeof(policy_text) - 1; n++) {
        char *text = strndup(policy_text, n);
        struct err_info e;

        buf_reset(&json);
        if (load(policy, text, false, &json, &e) == ERR_OK)
            taken++;
        else
            assert_non_null(strstr(e.text, "keyhole.conf:"));
        free(text);
    }
    /* Only after a whole statement of the root, or inside the white space and the comments that follow one. */
    assert_true(taken > 10 && taken < 300);
    loads(policy, policy_text, policy_json);
    buf_deinit(&json);
}

static void *many(void *arg)
{
    (void) arg;
    for (int i = 0; i < 50; i++) {
        struct buf json = BUF_INIT(1 << 16);
        struct err_info e;

        loads(policy, policy_text, policy_json);
        assert_err(load(config, "tls { key = \"x\"", false, &json, &e), ERR_INVAL);
        assert_err(load(config, "gate { threads = x }", false, &json, &e), ERR_INVAL);
        buf_deinit(&json);
    }
    return NULL;
}

static void threads_do_not_meet(void **state)
{
    pthread_t t[4];

    (void) state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, many, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration_example),
        cmocka_unit_test(the_policy_example),
        cmocka_unit_test(small_texts),
        cmocka_unit_test(what_libconfuse_is_too_kind_about),
        cmocka_unit_test(words_of_a_list_are_checked),
        cmocka_unit_test(limits),
        cmocka_unit_test(every_cut_of_the_policy),
        cmocka_unit_test(threads_do_not_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
