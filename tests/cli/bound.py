#!/usr/bin/env python3
"""The client key: bound keys, proofs with the server's nonce, signed acts, and what is refused without them."""
import base64
import http.server
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import KEYHOLE, PASSWORD, Server, Terminal, eq, has, main  # noqa: E402

S = Server()
WHY = ["--purpose", "support", "--reason", "Customer reports that checkout fails"]


def cast(n=40, every=0.25):
    lines = [json.dumps({"version": 2, "width": 80, "height": 24})]
    return "\n".join(lines + [json.dumps([round(i * every, 3), "o", f"line {i}\r\n"]) for i in range(n)]) + "\n"


def key_file(who="eng"):
    files = list((S.top / f"config-{who}").glob("client-key-*.jwk"))
    eq(len(files), 1, "client keys of " + who)
    return files[0]


def saved(who="eng"):
    return json.loads((S.top / f"config-{who}" / "login.json").read_text())


def made_at_login():
    f = key_file()
    eq(stat.S_IMODE(f.stat().st_mode), 0o600)
    jwk = json.loads(f.read_text())
    eq(sorted(jwk), ["crv", "d", "kty", "server", "x", "y"])
    eq(jwk["server"], S.url)
    me = S.run("whoami", "--json", who="eng").json()
    eq(me["auth"]["client_key"], saved()["client_key"], "what the server knows")
    has(S.run("whoami", who="eng").out, "bound to the client key " + saved()["client_key"])
    before = f.read_text()
    S.run("login", "--user", "eng", "--password-file", str(S.password_file), who="eng")
    eq(key_file().read_text(), before, "the same key at the next sign-in")
    if saved("app")["client_key"] == saved()["client_key"]:
        raise AssertionError("two profiles with one key")


def refused_when_others_could_have_it():
    f = key_file()
    for mode in (0o640, 0o604, 0o602):
        f.chmod(mode)
        for command in (["whoami"], ["login", "--user", "eng", "--password-file", str(S.password_file)]):
            r = S.run(*command, who="eng", check=False)
            eq(r.code, 1, f"{command[0]} at {mode:o}")
            has(r.err, f"can be read by others (mode {mode:03o})")
    f.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(f, 12345, 12345)
        r = S.run("whoami", who="eng", check=False)
        eq(r.code, 1, "somebody else's")
        has(r.err, "belongs to somebody else")
        os.chown(f, 0, 0)
    good = f.read_text()
    f.write_text(good.replace('"d":"', '"d":"A'))
    r = S.run("whoami", who="eng", check=False)
    eq(r.code, 1)
    has(r.err, "is damaged")
    f.write_text(good)
    f.rename(f.with_suffix(".away"))
    r = S.run("whoami", who="eng", check=False)
    eq(r.code, 1)
    has(r.err, "sign in with keyhole login")
    f.with_suffix(".away").rename(f)
    eq(S.run("whoami", who="eng").code, 0)


def another_name():
    """The address that was typed is not the server's own: the message says which is."""
    other = S.url.replace("localhost", "127.0.0.1")
    r = S.run("login", "--user", "eng", "--password-file", str(S.password_file), who="named", env={"KEYHOLE_URL": other}, check=False)
    eq(r.code, 1)
    has(r.err, f"the server calls itself {S.url}, and was reached as {other}")


def call(path, **headers):
    """A GET with these headers: (status, problem code, headers of the answer)."""
    try:
        with urllib.request.urlopen(urllib.request.Request(S.url + path, headers=headers), timeout=10) as r:
            return r.status, None, dict(r.headers)
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read() or b"{}").get("code"), dict(e.headers)


def bound_key(g, rid):
    return S.run("api", "POST", f"/v1/grants/{g}/keys", "--data", json.dumps({"recording": rid}), who="eng").json()


def keys_are_bound():
    rid = S.import_text(cast())
    g = S.grant(rid)
    key = bound_key(g, rid)
    eq(key["token_type"], "DPoP")
    claims = json.loads(base64.urlsafe_b64decode(key["key"].split(".")[1] + "=="))
    eq(claims["cnf"], {"jkt": saved()["client_key"]})
    path = f"/v1/replay/{rid}/manifest"
    eq(call(path, Authorization="Bearer " + key["key"])[:2], (401, "key-binding"), "a copied key")
    eq(call(path, Authorization="DPoP " + key["key"])[:2], (401, "key-binding"), "and without a proof")
    # The same sign-in with another client key: half of what is needed.
    thief = S.top / "config-thief"
    shutil.copytree(S.top / "config-app", thief)
    stolen = saved()
    (thief / "login.json").write_text(json.dumps(stolen))
    r = S.run("play", rid, who="thief", check=False)
    eq(r.code, 1)
    has(r.err, "another client key")
    stolen["client_key"] = saved("app")["client_key"]
    (thief / "login.json").write_text(json.dumps(stolen))
    r = S.run("play", rid, who="thief", check=False)
    eq(r.code, 3)
    has(r.err, "key-binding")
    has(S.run("play", rid, who="eng").out, "line 39")
    eq(S.run("api", "GET", path, who="eng").json()["events"], 40)
    listed = S.run("api", "GET", f"/v1/keys?grant={g}", who="eng").json()["items"]
    eq({k.get("client_key") for k in listed}, {saved()["client_key"]}, "keys of play and api")
    S.run("play", rid, "--bearer", who="eng")
    listed = S.run("api", "GET", f"/v1/keys?grant={g}", who="eng").json()["items"]
    eq({k.get("client_key") for k in listed}, {saved()["client_key"], None}, "with --bearer")
    out = S.top / "bound.cast"
    S.grant(rid, action="export")
    eq(S.run("export", rid, "-o", str(out), who="eng").out, "40 events\n")


def votes_are_signed():
    rid = S.import_text(cast())
    q = S.run("request", rid, *WHY, "--for", "60s", who="eng").last()
    S.run("approve", q, who="app")
    votes = S.run("api", "GET", f"/v1/requests/{q}", who="eng").json()["votes"]
    eq([v["signed"] for v in votes], [True])
    q = S.run("request", S.import_text(cast()), *WHY, "--for", "60s", who="eng").last()
    shown = S.run("api", "GET", f"/v1/requests/{q}", who="app").json()
    # What anybody could send who has the token but not the key:
    body = json.dumps({"digest": shown["digest"]}).encode()
    for act, want in ((None, (403, "act-needed")), (f"{int(time.time())}.{'A' * 86}", (401, "act-invalid")),
                      ("nonsense", (401, "act-invalid"))):
        headers = {"Authorization": "Bearer " + saved("app")["token"], "Content-Type": "application/json"}
        if act:
            headers["Keyhole-Act"] = act
        try:
            urllib.request.urlopen(urllib.request.Request(f"{S.url}/v1/requests/{q}/approve", body, headers), timeout=10)
            raise AssertionError("a vote without a signature")
        except urllib.error.HTTPError as e:
            eq((e.code, json.loads(e.read())["code"]), want, f"act {act}")
    # keyhole api signs as the commands do.
    eq(S.run("api", "POST", f"/v1/requests/{q}/approve", "--data", body.decode(), who="app").json()["state"], "ACTIVE")
    # A sign-in that is bound to nothing, where the policy allows that: taken, and it says so.
    r = S.run("login", "--bearer", "--user", "app", "--password-file", str(S.password_file), who="loose")
    eq(list((S.top / "config-loose").glob("client-key-*")), [])
    q = S.run("request", S.import_text(cast()), *WHY, "--for", "60s", who="eng").last()
    S.run("approve", q, who="loose")
    votes = S.run("api", "GET", f"/v1/requests/{q}", who="eng").json()["votes"]
    eq([v["signed"] for v in votes], [False])
    # Somebody's other sign-ins hear of a new client key.
    S.run("login", "--user", "app", "--password-file", str(S.password_file), who="second")
    has(S.run("whoami", who="app").out, saved("second")["client_key"])


class Stub:
    """A server of our own that answers from a list and keeps what came."""

    def __init__(self, answers):
        self.seen = seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                n = int(self.headers.get("Content-Length") or 0)
                seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(n)))
                status, headers, body = answers(len(seen), self.path)
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response(status)
                for k, v in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(k, v)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, *args, who):
        return S.run(*args, who=who, check=False, env={"KEYHOLE_URL": self.url, "KEYHOLE_HTTP": "1.1"})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def payload(proof):
    return json.loads(base64.urlsafe_b64decode(proof.split(".")[1] + "=="))


NONCE = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"'}
PROBLEM = {"type": "x", "title": "The key is bound.", "status": 401, "code": "key-binding", "retryable": False}


def one_nonce_more():
    """A call that wants a nonce is made once more, not for ever; the newest nonce of any answer is used."""
    def answers(n, path):
        return 401, {**NONCE, "DPoP-Nonce": f"nonce-{n}"}, PROBLEM

    stub = Stub(answers)
    r = stub.run("login", "--user", "x", "--password-file", str(S.password_file), who="stub1")
    stub.close()
    eq(r.code, 3)
    has(r.err, "[key-binding]")
    proofs = [payload(h["dpop"]) for _, _, h, _ in stub.seen]
    eq([p.get("nonce") for p in proofs], [None, "nonce-1"])
    eq([(p["htm"], p["htu"], "ath" in p) for p in proofs], [("POST", stub.url + "/v1/login", False)] * 2)
    if proofs[0]["jti"] == proofs[1]["jti"]:
        raise AssertionError("a jti twice")


def newest_nonce_and_public_url():
    token = "kst_" + "A" * 43
    jkt = []

    def answers(n, path):
        if path == "/v1/login":
            head = json.loads(base64.urlsafe_b64decode(stub.seen[-1][2]["dpop"].split(".")[0] + "=="))
            import hashlib
            text = json.dumps({k: head["jwk"][k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True)
            jkt.append(base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("="))
            return 200, {"DPoP-Nonce": "from-login"}, {"token": token, "client_key": jkt[0], "user": {"id": "u", "name": "x"},
                                                        "expires_at": "2030-01-01T00:00:00.000Z", "fresh_until": "2030-01-01T00:00:00.000Z"}
        if path == "/v1/me":
            return 200, {"DPoP-Nonce": "from-me"}, {"public_url": "https://rec.example.com", "auth": {"kind": "sign-in"}}
        if path.startswith("/v1/grants?"):
            return 200, {"DPoP-Nonce": "from-list"}, {"items": [{"id": "g_AAAAAAAAAAAAAAAA", "state": "ACTIVE", "left_ms": 60000, "actions": ["play"]}], "cursor": None}
        if path.endswith("/keys"):
            return 201, {"DPoP-Nonce": "from-keys"}, {"key": "aaa.bbb.ccc", "key_id": "j", "token_type": "DPoP", "expires_in": 60, "renew_after": 30}
        return 404, {}, {**PROBLEM, "code": "not-found", "status": 404}

    stub = Stub(answers)
    rid = "r_AAAAAAAAAAAAAAAA"
    eq(stub.run("login", "--user", "x", "--password-file", str(S.password_file), who="stub2").code, 0)
    stub.run("api", "GET", f"/v1/replay/{rid}/manifest?x=1", who="stub2")
    stub.close()
    by = {p.split("?")[0]: h for _, p, h, _ in stub.seen}
    issue, replay = by["/v1/grants/g_AAAAAAAAAAAAAAAA/keys"], by[f"/v1/replay/{rid}/manifest"]
    eq(payload(issue["dpop"]).get("nonce"), "from-list")
    eq(payload(replay["dpop"]).get("nonce"), "from-keys")
    eq(payload(replay["dpop"])["htu"], f"https://rec.example.com/v1/replay/{rid}/manifest", "the public address, no query")
    eq(replay["authorization"], "DPoP aaa.bbb.ccc")
    import hashlib
    eq(payload(replay["dpop"])["ath"], base64.urlsafe_b64encode(hashlib.sha256(b"aaa.bbb.ccc").digest()).decode().rstrip("="))
    eq("dpop" in by["/v1/me"], False, "no proof where none is asked for")


def says_what_is_left():
    left = {"name": "grant_streams", "limit": 4, "used": 4}
    def answers(n, path):
        if path == "/v1/whatever":
            return 403, {}, {**PROBLEM, "status": 403, "code": "quota", "title": "A limit of the access is reached.", "left": left}
        if n == 2:
            return 429, {"Retry-After": "1"}, {**PROBLEM, "status": 429, "code": "rate-limited", "retryable": True,
                                               "left": {"name": "key_requests", "limit": 200, "used": 201}}
        return 200, {}, {"items": [], "cursor": None}

    stub = Stub(answers)
    env = {"KEYHOLE_URL": stub.url, "KEYHOLE_TOKEN": "kst_" + "B" * 43}
    r = S.run("report", "person", "x", check=False, who="stub3", env={**env, "KEYHOLE_URL": stub.url})
    eq(r.code, 0)
    began = time.monotonic()
    r = S.run("requests", who="stub3", env=env, check=False)
    eq(r.code, 0)
    if time.monotonic() - began < 0.9:
        raise AssertionError("Retry-After was not waited for")
    stub.close()

    def quota(n, path):
        return 403, {}, {**PROBLEM, "status": 403, "code": "quota", "title": "A limit of the access is reached.", "left": left}

    stub = Stub(quota)
    r = S.run("requests", who="stub3", env={**env, "KEYHOLE_URL": stub.url}, check=False)
    stub.close()
    eq(r.code, 3)
    has(r.err, "used 4 of 4 at once under this access, 0 left")


def guided():
    """Whatever a server says on the way, an export goes on where it was, with the key and the pace it was told."""
    token = "kst_" + "C" * 43
    lines = [json.dumps({"version": 2, "width": 80, "height": 24})] + [json.dumps([i / 4, "o", f"line {i}"]) for i in range(9)]
    whole = "\n".join(lines) + "\n"
    keys, calls = [], []

    def refuse(status, code, headers=None, **more):
        return status, headers or {}, {**PROBLEM, "status": status, "code": code, "retryable": status == 429, **more}

    def answers(n, path):
        if path.startswith("/v1/grants?"):
            return 200, {}, {"items": [{"id": "g_AAAAAAAAAAAAAAAA", "state": "ACTIVE", "left_ms": 60000, "actions": ["export"]}], "cursor": None}
        if path.endswith("/keys"):
            keys.append(f"key.{len(keys)}.x")
            return 201, {}, {"key": keys[-1], "key_id": f"j{len(keys)}", "token_type": "Bearer", "expires_in": 60, "renew_after": 30}
        if path.startswith("/v1/recordings/"):
            return 200, {}, {"id": "r_AAAAAAAAAAAAAAAA", "kind": "terminal"}
        calls.append((stub.seen[-1][2]["authorization"], re.search(r"from_seq=(\d+)", path)))
        rest = lambda k: "\n".join(lines[:1] + lines[1 + k:]) + "\n" if k == 0 else "\n".join(lines[1 + k:]) + "\n"
        at = int(calls[-1][1].group(1)) if calls[-1][1] else 0
        n = len(calls)
        if n == 1:
            return refuse(401, "key-binding", renew="/x")
        if n == 2:
            cut = rest(at)[:90].encode()
            return 200, {"Content-Length": "5000", "Connection": "close"}, cut
        if n == 3:
            return refuse(401, "key-expired", renew="/x")
        if n == 4:
            return refuse(429, "rate-limited", {"Retry-After": "1"})
        if n == 5:
            return refuse(403, "quota", left={"name": "key_bytes", "limit": 10, "used": 10})
        return 200, {}, rest(at).encode()

    stub = Stub(answers)
    out = S.top / "guided.cast"
    r = S.run("export", "r_AAAAAAAAAAAAAAAA", "-o", str(out), who="stub4", check=False, env={"KEYHOLE_URL": stub.url, "KEYHOLE_TOKEN": token, "KEYHOLE_HTTP": "1.1"})
    stub.close()
    eq(r.code, 0, r.err)
    eq(out.read_text(), whole)
    eq(len({a for a, _ in calls}), len(calls), "a fresh key for each try")
    eq(calls[0][1], None)
    if not all(m and m.group(1) == calls[2][1].group(1) != "0" for _, m in calls[2:]):
        raise AssertionError([m and m.group(0) for _, m in calls])


def only_bound_where_the_policy_says_so():
    """binding = { dpop }: sign-ins and tokens that are bound to nothing are told what to do; a token takes a client key."""
    rid = S.import_text(cast())
    source = S.run("policy", "show", "--json", token=S.admin).json()["print"]
    strict = S.top / "strict"
    strict.write_text(re.sub(r"binding\s*=\s*\{[^}]*\}", "binding = { dpop }", source))
    S.run("policy", "apply", str(strict), token=S.admin)
    try:
        g = S.grant(rid)
        has(S.run("play", rid, who="eng").out, "line 39")
        r = S.run("key", g, rid, who="eng", check=False)
        eq(r.code, 3)
        has(r.err, "[proof-needed]")
        r = S.run("play", rid, "--bearer", who="eng", check=False)
        eq(r.code, 3, "--bearer")
        S.run("login", "--bearer", "--user", "eng", "--password-file", str(S.password_file), who="unbound")
        r = S.run("api", "GET", f"/v1/replay/{rid}/manifest", who="unbound", check=False)
        eq(r.code, 3)
        token = S.run("token", "add", "--name", "robot", who="eng").last()
        r = S.run("api", "GET", f"/v1/replay/{rid}/manifest", who="robot", token=token, check=False)
        eq(r.code, 0, r.err)
        has(r.err, "client key of this profile")
        eq(S.run("api", "GET", f"/v1/replay/{rid}/manifest", who="robot", token=token).err, "", "the second time")
        # An act of a token: the key is registered first, then it signs.
        mine = S.run("token", "add", "--name", "other robot", who="app").last()
        r = S.run("api", "POST", "/v1/tokens", "--data", '{"kind": "api"}', who="robot3", token=mine, check=False)
        if "act-needed" in r.err or r.code not in (0, 3):
            raise AssertionError(r.err)
        has(r.err, "client key of this profile")
        r = S.run("api", "GET", f"/v1/replay/{rid}/manifest", who="robot2", token=token, check=False)
        eq(r.code, 3)
        has(r.err, "another client key")
    finally:
        back = S.top / "back"
        back.write_text(source)
        S.run("policy", "apply", str(back), token=S.admin)


try:
    main(made_at_login, refused_when_others_could_have_it, another_name, keys_are_bound, votes_are_signed, one_nonce_more,
         newest_nonce_and_public_url, says_what_is_left, guided, only_bound_where_the_policy_says_so)
finally:
    S.close()
