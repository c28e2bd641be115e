#!/usr/bin/env python3
"""The whole story through the command line alone: from init to an audit log that verifies, and what is refused on the way."""
import json
import os
import pathlib
import re
import sqlite3
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import KEYHOLE, PASSWORD, Server, eq, has, main  # noqa: E402

S = Server()
WHY = ["--purpose", "support", "--reason", "Customer reports that checkout fails"]


def cast(n=40, every=0.25):
    lines = [json.dumps({"version": 2, "width": 80, "height": 24, "env": {"SHELL": "/bin/sh"}})]
    return "\n".join(lines + [json.dumps([round(i * every, 3), "o", f"line {i} — é漢\r\n"]) for i in range(n)]) + "\n"


def rrweb(n=30):
    base = 1700000000000
    node = {"type": 0, "id": 1, "childNodes": []}
    events = [{"type": 4, "data": {"href": "https://shop.example/", "width": 800, "height": 600}, "timestamp": base},
              {"type": 2, "data": {"node": node, "initialOffset": {"top": 0, "left": 0}}, "timestamp": base}]
    return events + [{"type": 5, "data": {"tag": "s", "payload": {"n": i, "t": 'br]ack"et'}}, "timestamp": base + i * 100}
                     for i in range(n)]


def said_by_init():
    has(S.init_output, "export KEYHOLE_URL=")
    has(S.init_output, "keyhole serve -c")
    has(S.init_output, S.admin)
    eq(stat.S_IMODE((S.dir / "admin.token").stat().st_mode), 0o600)
    eq(subprocess.run([KEYHOLE, "init", str(S.dir)], capture_output=True).returncode, 1, "over a server that is there")
    eq(S.run("config", "check", "-c", str(S.dir / "keyhole.conf")).code, 0)
    bad = S.top / "bad.conf"
    bad.write_text("nonsense = 1\n")
    r = S.run("config", "check", str(bad), check=False)
    eq(r.code, 1)
    has(r.err, "bad.conf")


def sign_in():
    has(S.run("whoami", who="eng").out, "eng at " + S.url)
    eq(S.run("whoami", "--json", who="eng").json()["user"]["name"], "eng")
    files = sorted((S.top / "config-eng").iterdir(), reverse=True)
    eq([p.name[:11] for p in files], ["login.json", "client-key-"])
    for f in files:
        eq(stat.S_IMODE(f.stat().st_mode), 0o600)
    eq(stat.S_IMODE(files[0].parent.stat().st_mode), 0o700)
    if PASSWORD in files[0].read_text():
        raise AssertionError("the password is kept")
    wrong = S.top / "wrong"
    wrong.write_text("not-the-password\n")
    r = S.run("login", "--user", "eng", "--password-file", str(wrong), who="other", check=False)
    eq(r.code, 3)
    has(r.err, "[login-failed]")
    r = S.run("login", "--user", "eng", "--password-file", "-", who="other", stdin=PASSWORD + "\n")
    has(r.out, "signed in to " + S.url)
    eq(S.run("logout", who="other").code, 0)
    r = S.run("whoami", who="other", check=False)
    eq(r.code, 3)
    has(r.err, "keyhole login")
    files[0].chmod(0o644)
    eq(S.run("whoami", who="eng", check=False).code, 1, "a sign-in that others can read")
    files[0].chmod(0o600)


def token_stays_home():
    """What was saved for one server is not sent to another."""
    import http.server
    seen = []

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            self.send_response(302 if self.path == "/v1/me" else 404)
            self.send_header("Location", S.url + "/v1/me")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *a):
            pass

    other = http.server.HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    r = S.run("whoami", "--url", f"http://127.0.0.1:{other.server_port}", who="eng", check=False)
    other.shutdown()
    eq(r.code, 1, "no redirect is followed")
    eq(seen, [None], "credentials another server got")


def people():
    for args, want in [(("user", "add", "dana", "--group", "approvers", "--no-password"), "u_"), (("project", "add", "shop2"), "p_"),
                       (("token", "add", "--project", "default", "--ingest"), "kit_"), (("token", "add",), "kst_")]:
        last = S.run(*args, token=S.admin).last()
        if not last.startswith(want):
            raise AssertionError(f"{args}: {last}")
    eq(S.run("group", "add", "security", "--role", "approver", "--member", "dana", token=S.admin).last(), "security")
    has(S.run("group", "list", token=S.admin).out, "security")
    has(S.run("user", "list", "dan", token=S.admin).out, "security")
    eq(S.run("user", "add", "dana", "--no-password", token=S.admin, check=False).code, 3, "a name that is taken")
    r = S.run("user", "add", "Not A Name", "--no-password", token=S.admin, check=False)
    eq(r.code, 1)
    has(r.err, "[invalid]")
    eq(S.run("user", "add", "x", "--no-password", who="eng", check=False).code, 3, "not an administrator")
    S.run("user", "disable", "dana", token=S.admin)
    has(S.run("user", "list", "dana", token=S.admin).out, "disabled")
    S.run("user", "set", "dana", "--enable", "--full-name", "Dana", token=S.admin)
    eq(S.run("user", "list", "dana", "--json", token=S.admin).json()["items"][0]["full_name"], "Dana")
    token = S.run("token", "list", "--kind", "api", "--json", token=S.admin).json()["items"][0]["id"]
    S.run("token", "revoke", token, token=S.admin)
    eq(S.run("token", "revoke", "t_x", token=S.admin, check=False).code, 2)


def recordings():
    a = S.import_text(cast(), name="a.cast", title="Größe \"quoted\"", link="error:ERR-1", tag="release=1.2")
    b = S.import_text(json.dumps(rrweb()), name="b.json", subject="cust-1")
    broken = S.top / "broken.cast"
    broken.write_text('{"version": 2, "width": 80, "height": 24}\n[0.1, "o", "x"]\n[oops\n')
    other = S.top / "text.cast"
    other.write_text("just text\n")
    r = S.run("import", str(S.top / "a.cast"), str(broken), str(other), str(S.top / "none"), str(S.top / "b.json"), "--title-from-name",
              "--project", "default", token=S.admin, check=False)
    eq(r.code, 1, "two of them are broken, one is missing")
    eq(len(re.findall(r"r_[A-Za-z0-9_-]{16}$", r.out, re.M)), 2, "the others went in")
    has(r.err, "broken.cast: line 3: ")
    has(r.err, "[import-broken]")
    has(r.err, "[unknown-format]")
    has(r.err, "none: No such file")
    S.run("import", "-", "--project", "default", "--title", "from standard input", token=S.admin, stdin=cast(5))
    ingest = S.top / "ingest"
    ingest.write_text(S.run("token", "add", "--project", "default", "--ingest", token=S.admin).last() + "\n")
    S.run("import", str(S.top / "a.cast"), "--token-file", str(ingest), who="nobody")
    eq(S.run("ls", token=ingest.read_text().strip(), check=False).code, 3, "who can add cannot look")

    table = S.run("ls", who="eng").out
    has(table, a)
    has(table, 'Größe "quoted"')
    has(table, "b.json")
    eq(S.run("ls", "--json", "--kind", "rrweb", "Größe", who="eng").json()["items"], [])
    eq([i["id"] for i in S.run("ls", "Größe", "--json", who="eng").json()["items"]], [a])
    eq([i["id"] for i in S.run("find", "error:ERR-1", "--json", who="eng").json()["items"]], [a])
    eq([i["id"] for i in S.run("ls", "--tag", "release=1.2", "--json", who="eng").json()["items"]], [a])
    eq(S.run("ls", "--after", "10d", "--kind", "rrweb", "--json", who="eng").json()["items"], [])
    has(S.run("ls", "--before", "10d", "--kind", "rrweb", "--json", who="eng").out, b)
    eq(len(S.run("ls", "--limit", "2", "--json", who="eng").json()["items"]), 2)
    has(S.run("ls", "--limit", "2", who="eng").err, "there is more")
    has(S.run("show", a, who="eng").out, "link         error:ERR-1")
    eq(S.run("show", "r_" + "A" * 16, who="eng", check=False).code, 1)
    if "cust-1" in S.run("show", b, who="eng").out:
        raise AssertionError("a viewer sees the subject")
    return a, b


def locked():
    rid = S.import_text(cast())
    for args in (["play", rid], ["export", rid, "-o", str(S.top / "x")], ["api", "GET", f"/v1/replay/{rid}/manifest"]):
        eq(S.run(*args, who="eng", check=False).code, 3, " ".join(args))
    if (S.top / "x").exists():
        raise AssertionError("something was written")


def asking():
    rid = S.import_text(cast())
    r = S.run("request", rid, "--purpose", "support", "--reason", "   ", "--for", "5m", who="eng", check=False)
    eq(r.code, 1)
    has(r.err, "/purpose/reason: too-short (20)")
    r = S.run("request", rid, *WHY, "--for", "365d", who="eng", check=False)
    eq(r.code, 1)
    has(r.err, "too-large")
    r = S.run("request", rid, *WHY, "--more", "session:5", who="eng", check=False)
    eq(r.code, 1)
    has(r.err, "/more")
    r = S.run("request", rid, *WHY, "--more-time", "1x30m", who="eng", check=False)
    eq(r.code, 1)
    has(r.err, "/more_time")
    r = S.run("request", rid, *WHY, "--for", "5m", "--json", who="eng")
    q = r.json()["id"]
    eq(r.json()["state"], "PENDING")
    r = S.run("request", rid, *WHY, "--for", "5m", who="eng", check=False)
    eq(r.code, 3)
    has(r.err, "[request-open]")
    has(S.run("requests", "--mine", who="eng").out, q)
    has(S.run("requests", "--inbox", who="app").out, q)
    eq(S.run("requests", "--inbox", who="eng").out, "")
    r = S.run("approve", q, who="eng", check=False)
    eq(r.code, 3, "the requester")
    has(r.err, "requester")
    r = S.run("approve", q, token=S.admin, check=False)
    eq(r.code, 3, "an API token never votes")
    r = S.run("approve", q, "--comment", "for SUP-1 only", who="app")
    has(r.err, "reason       Customer reports that checkout fails")
    has(r.err, "for          5m (300 s)")
    g = r.last()
    if not g.startswith("g_"):
        raise AssertionError(r.out)
    eq(S.run("approve", q, who="app", check=False).code, 3, "twice")
    eq(S.run("cancel", q, who="eng", check=False).code, 3, "too late")
    has(S.run("show", rid, who="eng").out, "access       open to ")
    eq(S.run("give-back", g, who="app", check=False).code, 3, "not theirs")
    eq(S.run("revoke", g, who="eng", check=False).code, 3, "no approver")
    eq(S.run("give-back", g, who="eng").out, f"access RELINQUISHED {g}\n")
    eq(S.run("revoke", g, who="app", check=False).code, 3, "it has ended")
    has(S.run("grants", "--mine", who="eng").out, "RELINQUISHED")
    eq(S.run("cancel", "q_x", who="eng", check=False).code, 2)


def waiting():
    rid = S.import_text(cast())
    for how, code in (("approve", 0), ("deny", 3), ("cancel", 3), (None, 5)):
        out = []
        extra = ["--timeout", "2s"] if how is None else ["--timeout", "30s"]
        began = time.monotonic()
        t = threading.Thread(target=lambda: out.append(S.run("request", rid, *WHY, "--for", "30s", "--wait", *extra, who="eng", check=False)))
        t.start()
        end = time.monotonic() + 10
        q = None
        while q is None and time.monotonic() < end:
            pending = S.run("requests", "--state", "open", "--mine", "--json", who="eng").json()["items"]
            q = pending[0]["id"] if pending else None
        time.sleep(0.5)
        if how is not None:
            S.run(how, q, *(["--comment", "because of this"] if how != "cancel" else []), who="eng" if how == "cancel" else "app")
        t.join(40)
        eq(out[0].code, code, str(how))
        if how is not None and time.monotonic() - began > 8:
            raise AssertionError(f"{how}: it did not notice for {time.monotonic() - began:.0f} s")
        if how == "approve":
            S.run("give-back", out[0].last(), who="eng")
        if how == "deny":
            has(out[0].err, "because of this")
        if how is None:
            S.run("cancel", q, who="eng")


def first_use():
    rid = S.import_text(cast())
    r = S.run("request", rid, *WHY, "--for", "20s", "--start", "first-use", "--start-by", "1h", who="eng")
    g = S.run("approve", r.last(), who="app").last()
    has(S.run("grants", "--mine", who="eng").out, "SCHEDULED")
    has(S.run("play", rid, who="eng").out, "line 39")
    has(S.run("grants", "--mine", "--state", "active", who="eng").out, g)


def keys():
    rid = S.import_text(cast())
    g = S.grant(rid)
    key = S.run("key", g, rid, who="eng").out.strip()
    eq(key.count("."), 2)
    full = S.run("key", g, rid, "--json", who="eng").json()
    eq(full["token_type"], "Bearer")
    eq(S.run("key", g, rid, who="app", check=False).code in (1, 3), True, "somebody else's")
    eq(S.run("api", "GET", f"/v1/replay/{rid}/manifest", who="eng").json()["events"], 40)
    lines = S.run("api", "GET", f"/v1/replay/{rid}/chunks/0", who="eng").out.splitlines()
    eq(json.loads(lines[3]), [0.75, "o", "line 3 — é漢\r\n"])
    r = S.run("api", "GET", f"/v1/replay/{rid}/chunks/99", who="eng", check=False)
    eq(r.code, 1)
    eq(json.loads(r.err)["code"], "not-found")
    r = S.run("api", "POST", "/v1/requests/check", "--data", json.dumps({"recordings": [rid]}), who="eng")
    has(r.out, '"verdict"')
    eq(S.run("api", "GET", "/v1/nothing", who="eng", check=False).code, 1)


def exporting():
    text, events = cast(3000, 0.01), rrweb(3000)
    a, b = S.import_text(text), S.import_text(json.dumps(events), name="b.json")
    S.grant(a, action="play")
    out = S.top / "out.cast"
    eq(S.run("export", a, "-o", str(out), who="eng", check=False).code, 3, "access to play is not enough")
    S.grant(a, action="export")
    S.grant(b, action="export")
    eq(S.run("export", a, "-o", str(out), who="eng").out, "3000 events\n")
    want = [json.loads(x) for x in text.splitlines()]
    got = [json.loads(x) for x in out.read_text().splitlines() if not x.startswith("[ ")]
    eq((got[0].pop("keyhole")["exported_by"], got), ("eng", want), "the cast")
    eq(stat.S_IMODE(out.stat().st_mode), 0o600)
    eq(S.run("export", a, "-o", str(out), who="eng", check=False).code, 1, "it is there already")
    S.run("export", a, "-o", str(out), "--format", "asciicast-v3", "--force", who="eng")
    eq(json.loads(out.read_text().splitlines()[0])["version"], 3)
    S.run("export", b, "-o", str(S.top / "out.json"), who="eng")
    eq([e for e in json.loads((S.top / "out.json").read_text()) if "keyhole" not in e], events, "the rrweb file")
    r = S.run("export", a, "-o", str(S.top / "out.txt"), "--format", "text", who="eng").out
    eq(r, f"{len((S.top / 'out.txt').read_bytes())} bytes\n")
    lines = (S.top / "out.txt").read_text().splitlines()
    eq((lines[0].startswith("# Exported from Keyhole by eng"), lines[-1]), (True, lines[0]), "marks of the text")
    r = S.run("export", b, "-o", str(S.top / "out2"), "--format", "asciicast-v2", who="eng", check=False)
    eq(r.code, 1)
    eq([p.name for p in S.top.iterdir() if ".part" in p.name or p.name == "out2"], [], "what is left behind")


def watching():
    rid = S.import_text(cast())
    g = S.grant(rid)
    S.run("play", rid, who="eng")
    v = S.run("viewings", "--grant", g, "--json", who="app").json()["items"]
    eq(len(v), 1)
    has(S.run("viewings", "--recording", rid, who="app").out, "eng")
    if v[0]["state"] == "live":
        S.run("viewing", "stop", v[0]["id"], "--comment", "enough", who="app")
        eq(S.run("play", rid, who="eng", check=False).code in (3, 4), True, "after it was stopped")
    S.run("revoke", g, who="app", check=False)


def policy():
    text = S.run("policy", "show", who="eng").out
    has(text, 'purpose "support"')
    bad = S.top / "bad-policy"
    bad.write_text('purpose "a" {\n  nonsense = 1\n}\n')
    r = S.run("policy", "apply", str(bad), token=S.admin, check=False)
    eq(r.code, 1)
    has(r.err, "[policy-invalid]")
    has(r.err, "nonsense")
    source = S.run("policy", "show", "--json", token=S.admin).json()["source"]
    bad.write_text(source + '\ntest "wrong" { as = { "role:viewer" }  wants = { play }  purpose = "support"  expect = deny }\n')
    r = S.run("policy", "apply", str(bad), token=S.admin, check=False)
    eq(r.code, 1)
    has(r.err, "wrong")
    good = S.top / "policy"
    good.write_text(source + "\n# another comment\npurpose \"training\" { }\n")
    h = S.run("policy", "apply", str(good), "--comment", "a purpose more", token=S.admin).last()
    eq(len(h), 43)
    has(S.run("policy", "list", token=S.admin).out, h)
    eq(S.run("policy", "apply", str(good), who="eng", check=False).code, 3)
    eq(S.run("policy", "approve", "x", token=S.admin, check=False).code, 2)


def settled():
    """A checkpoint over everything so far."""
    time.sleep(2.5)


def audit_reading():
    settled()
    out = S.run("audit", "tail", "--log", "default", "-n", "1000", token=S.admin).out
    for word in ("request.created", "request.voted", "grant.activated", "key.issued", "replay.leased", "grant.relinquished",
                 "recording.imported", "(eng)", "(app)"):
        has(out, word)
    times = [line[:19] for line in out.splitlines()]
    eq(times, sorted(times), "oldest first")
    raw = S.run("audit", "tail", "--log", "default", "-n", "3", "--json", token=S.admin).out.splitlines()
    eq(len(raw), 3)
    eq(json.loads(raw[0])["i"] + 2, json.loads(raw[2])["i"])
    eq(S.run("audit", "tail", who="eng", check=False).code, 3, "no auditor")
    has(S.run("audit", "tail", "--log", "default", "--type", "request.*", "-n", "2", token=S.admin).out, "request.")
    p = subprocess.Popen([KEYHOLE, "audit", "tail", "--log", "default", "-n", "0", "--follow"], stdout=subprocess.PIPE, text=True,
                         env=S.env(token=S.admin))
    limit = threading.Timer(15, p.terminate)
    limit.start()
    try:
        time.sleep(1)
        rid = S.import_text(cast(3))
        found = any(rid in line for line in iter(p.stdout.readline, ""))
    finally:
        limit.cancel()
        p.terminate()
        p.wait(5)
        p.stdout.close()
    eq(found, True, "the import is told to who follows")


def audit_checking():
    settled()
    r = S.run("audit", "verify", token=S.admin)
    has(r.out, "system: good")
    has(r.out, "the key that the server itself gave")
    eq(r.out.count(": good"), 3, "system, default and shop2")
    keys = S.top / "vkeys"
    keys.write_text(S.run("audit", "vkey", token=S.admin).out + S.run("audit", "vkey", "--log", "default", token=S.admin).out)
    r = S.run("audit", "verify", "--log", "default", "--vkey", str(keys), token=S.admin)
    has(r.out, "the key you gave")
    eq(S.run("audit", "verify", S.url, "--log", "system", "--json", "--vkey", str(keys), token=S.admin).json()["verdict"], "good")
    eq(S.run("audit", "verify", who="eng", check=False).code, 3, "no auditor")
    name, hexid, pk = keys.read_text().splitlines()[0].split("+", 2)
    false = S.top / "false-vkey"
    false.write_text(f"{name}+00000000+{pk}\n")
    eq(S.run("audit", "verify", "--log", "system", "--vkey", str(false), token=S.admin, check=False).code, 1)
    return keys


def audit_offline():
    settled()
    keys = S.top / "vkeys"
    S.stop()
    eq(S.run("audit", "verify", str(S.dir), check=False).code, 2, "without a key")
    r = S.run("audit", "verify", str(S.dir), "--vkey", str(keys))
    eq(r.out.count(": good"), 6, "the records and the tiles of three logs")
    eq(r.out.count(", its tiles: good"), 3, "said so")
    has(S.run("audit", "verify", str(S.dir), "--vkey", str(keys), "--log", "system").out, "system: good")
    # Somebody who owns the machine changes a record, past the triggers.
    db = sqlite3.connect(S.dir / "meta" / "keyhole.db")
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    (leaf,) = db.execute("SELECT leaf FROM audit WHERE log = 'system' AND idx = 4").fetchone()
    leaf = leaf.encode() if isinstance(leaf, str) else leaf
    changed = leaf.replace(b'"v":1', b'"v":1 ', 1)
    db.execute("UPDATE audit SET leaf = ? WHERE log = 'system' AND idx = 4", (changed,))
    db.commit()
    db.close()
    r = S.run("audit", "verify", str(S.dir), "--vkey", str(keys), check=False)
    eq(r.code, 1)
    has(r.out, "system: BAD")
    has(r.out, "at record 4")
    eq(r.out.count(": good"), 5, "the others, and all tiles")
    r = S.run("audit", "verify", "/nonexistent", "--vkey", str(keys), check=False)
    eq(r.code, 1)


def nothing_secret_in_the_log():
    text = (S.top / "log").read_text()
    for secret in (S.admin, PASSWORD, "kst_", "kit_", "eyJ"):
        if secret in text:
            raise AssertionError(f"{secret[:6]}… is in the server's log")


try:
    main(said_by_init, sign_in, token_stays_home, people, recordings, locked, asking, waiting, first_use, keys, exporting, watching,
         policy, audit_reading, audit_checking, audit_offline, nothing_secret_in_the_log)
finally:
    S.close()
