#!/usr/bin/env python3
"""The steal matrix: what a stolen key, proof or sign-in opens elsewhere. Everything is refused with its code and recorded, no byte
of content leaves, and the rightful client goes on. Proofs are made in plain Python (tests/lib/proof.py), not by our code.

KEYHOLE_LONG=1 waits, too, until a nonce is too old."""
import http.client
import json
import os
import threading
import time

from _bound import BoundPerson, proof, remember
from _http2 import H2
from _server import SLOW, Answer, Client, Server, Stream, Tests, same, take_port, true, until

LONG = bool(os.environ.get("KEYHOLE_LONG"))
CANARY = "canary-7be1"

test = Tests()
s = Server(preset="team").cast()
me = BoundPerson.of(s.viewer)
thief = s.person("thief")
state = {}


def content(n=40):
    return (json.dumps({"version": 2, "width": 80, "height": 24}) + "\n" +
            "".join(f'[{i * 0.05:.2f},"o","{CANARY} {i}\\r\\n"]\n' for i in range(n))).encode()


def bare(path, headers, method="GET", port=None, body=None):
    """A call on a connection of its own, with exactly these headers (a list may have a name twice)."""
    conn = Client(s, port=port).connect(10 * SLOW)
    conn.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    conn.putheader("Host", s.host)
    for k, v in headers if isinstance(headers, list) else headers.items():
        conn.putheader(k, v)
    if body is not None:
        conn.putheader("Content-Length", str(len(body)))
    conn.endheaders(body)
    r = conn.getresponse()
    data = r.read()
    conn.close()

    a = Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, data)
    a.all_headers, a.what = r.getheaders(), f"{method} {path}"
    return a


def challenges(a):
    return [v for k, v in a.all_headers if k.lower() == "www-authenticate"]


def refused(a, status, code, challenge=None, what=""):
    same((a.status, a.code), (status, code), what or a.what)
    true(CANARY.encode() not in a.body, f"{what}: content")
    if challenge:
        true(any(v.startswith("DPoP ") and f'error="{challenge}"' in v for v in challenges(a)), f"{what}: challenge {challenges(a)}")
    return a


def recorded(code, jti):
    s.wait_leaf(lambda l: l["type"] == "replay.refused" and l.get("jti") == jti and l["outcome"] == code, what=f"{code} of {jti}")


def rightful(key, what):
    a = key.get(f"{key.path}/chunks/0", headers={"Accept-Encoding": "identity"})
    true(a.status == 200 and CANARY.encode() in a.body, f"the rightful client after {what}: {a.status} {a.text[:300]}")


def fresh_key():
    return me.key(state["grant"], state["rid"])


@test("a sign-in with a proof: the nonce first, then the client key is the sign-in's; the key it gets is bound to it")
def _():
    state["rid"] = s.add(content())
    state["other"] = s.add(content())
    state["grant"] = s.open([state["rid"], state["other"]], viewer=s.viewer)
    same(me.get("/v1/me").want(200).json["auth"]["client_key"], me.client_key.jkt, "the sign-in's client key")
    key = fresh_key()
    same(key.answer["token_type"], "DPoP", "token_type")
    same(key.claims["cnf"], {"jkt": me.client_key.jkt}, "cnf")
    true(60 < key.answer["expires_in"] <= 120, f"lives {key.answer['expires_in']} s")
    state["key"] = key


@test("it opens every route, each with a proof of its own; a stream with one; the leases name the proofs")
def _():
    key = state["key"]
    for path in (f"{key.path}/manifest", f"{key.path}/chunks/0", f"{key.path}/events", f"{key.path}/events?from_seq=3"):
        a = key.get(path, headers={"Accept-Encoding": "identity"}).want(200)
        same(a.headers.get("cache-control"), "no-store, no-transform", "Cache-Control")
    key = fresh_key()  # nothing leased yet: what one proof leased covers what the next one asks
    path = f"{key.path}/stream?speed=16"
    h = key.head("GET", path)
    st = Stream(s, path, None, h)
    st.wait_events(40).want_end("end", 1000)
    st.close()
    used = key.proof_hash(h["DPoP"])
    s.wait_leaf(lambda l: l["type"] == "replay.leased" and l.get("jti") == key.id and l.get("act") == used,
                what=f"a lease with act {used}: {[(l['type'], l.get('act')) for _, l in s.leaves() if l.get('jti') == key.id]}")


def captured(key, **k):
    """A request that the rightful client made, as somebody on the way saw it: its headers."""
    path = f"{key.path}/chunks/0"
    h = key.head("GET", path, **k)
    return path, h


@test("the key alone, as a bearer's, under both schemes, in the address: nothing")
def _():
    key = fresh_key()
    path = f"{key.path}/chunks/0"
    refused(bare(path, {"Authorization": f"DPoP {key.text}"}), 401, "key-binding", "invalid_dpop_proof", "alone")
    recorded("key-binding", key.id)
    key = fresh_key()
    a = refused(bare(path, {"Authorization": f"Bearer {key.text}", "DPoP": key.prove("GET", path)}), 401, "key-binding", "invalid_token", "Bearer")
    true(not any(v.startswith("Bearer") for v in challenges(a)), "a bound key is not offered Bearer")
    recorded("key-binding", key.id)
    h = key.head("GET", path)
    refused(bare(path, list(h.items()) + [("Authorization", f"Bearer {key.text}")]), 400, "invalid-request", what="both")
    refused(bare(f"{path}?access_token={key.text}", {"DPoP": key.prove("GET", path)}), 400, "invalid-request", what="query")
    refused(bare(f"{path}?access_token={key.text}", key.head("GET", path)), 400, "invalid-request", what="query and header")
    refused(bare(path, {"Cookie": f"keyhole={key.text}", "DPoP": key.prove("GET", path)}), 401, "key-missing", what="cookie")
    rightful(key, "that")


@test("key and captured proof: again, on another connection, another path, another method, another query's path")
def _():
    key = fresh_key()
    path, h = captured(key)
    true(bare(path, h).status == 200, "the rightful client first")
    refused(bare(path, h), 401, "key-binding", "invalid_dpop_proof", "again, on another connection")
    recorded("key-binding", key.id)
    for name, p, method in (("another path", f"{key.path}/manifest", "GET"), ("another chunk", f"{key.path}/chunks/1", "GET"),
                            ("a stream", f"{key.path}/stream", "GET"), ("another method", path, "HEAD"), ("with a slash", f"{path}/", "GET")):
        _, h = captured(key)  # not used by its maker
        a = bare(p, h, method)
        true(a.status in (401, 404) and CANARY.encode() not in a.body, f"{name}: {a.status}")
        if name != "with a slash":
            same(a.status, 401, name)
        rightful(key, name)
    _, h = captured(key)
    other = me.key(state["grant"], state["other"])
    refused(bare(f"{other.path}/chunks/0", h), 403, "recording-mismatch", what="another recording")
    refused(bare(path, {"Authorization": f"DPoP {other.text}", "DPoP": other.prove("GET", path)}), 403, "recording-mismatch", what="the other's key")
    recorded("recording-mismatch", other.id)
    rightful(key, "the other recording")


@test("a proof by another client key, under my name, for another key, without ath: nothing")
def _():
    key = fresh_key()
    path = f"{key.path}/chunks/0"
    his = proof.ClientKey()
    his.nonce = me.client_key.nonce
    url = s.url + path

    def attempt(text, challenge, what):
        return refused(bare(path, {"Authorization": f"DPoP {key.text}", "DPoP": text}), 401, "key-binding", challenge, what)

    attempt(his.proof("GET", url, key.text), "invalid_dpop_proof", "his own")
    attempt(his.proof("GET", url, key.text, header={"jwk": me.client_key.jwk}), "invalid_dpop_proof", "my jwk, his signature")
    mine = me.client_key.proof("GET", url, key.text)
    attempt(f"{mine.rsplit('.', 1)[0]}.{his.proof('GET', url, key.text).rsplit('.', 1)[1]}", "invalid_dpop_proof", "a signature moved")
    attempt(me.client_key.proof("GET", url, fresh_key().text), "invalid_dpop_proof", "ath of another key")
    attempt(me.client_key.proof("GET", url), "invalid_dpop_proof", "no ath, as at a login")
    attempt(me.client_key.proof("GET", url, key.text, header={"jwk": dict(me.client_key.jwk, d=proof.b64u(me.client_key.d.to_bytes(32, "big")))}),
            "invalid_dpop_proof", "a private key in jwk")
    attempt(me.client_key.proof("GET", url, key.text, header={"alg": "none"}), "invalid_dpop_proof", "alg none")
    attempt(me.client_key.proof("GET", url, key.text, header={"alg": "HS256"}), "invalid_dpop_proof", "alg HS256")
    attempt(me.client_key.proof("GET", url, key.text, header={"typ": "JWT"}), "invalid_dpop_proof", "typ JWT")
    attempt("A" * 1537, "invalid_dpop_proof", "1,537 bytes")
    attempt("x", "invalid_dpop_proof", "garbage")
    recorded("key-binding", key.id)
    rightful(key, "other clients' proofs")


@test("the nonce: none, a changed one, one made for another client key, one of another server's life")
def _():
    key = fresh_key()
    path = f"{key.path}/chunks/0"
    his = BoundPerson.of(thief).client_key
    true(his.nonce and his.nonce != me.client_key.nonce, "each client key has its own nonce")
    changed = me.client_key.nonce[:12] + ("A" if me.client_key.nonce[12] != "A" else "B") + me.client_key.nonce[13:]
    for nonce, what in ((None, "none"), (his.nonce, "another's"), ("A" * 22, "invented"), (changed, "changed"), ("", "empty")):
        a = bare(path, key.head("GET", path, nonce=nonce))
        refused(a, 401, "key-binding", "use_dpop_nonce" if nonce != "" else "invalid_dpop_proof", what)
        if nonce != "":
            same(len(a.headers["dpop-nonce"]), 22, "DPoP-Nonce")
    recorded("key-binding", key.id)
    rightful(key, "bad nonces")


@test("htu: another scheme, host, port, name of this machine, path; Host and X-Forwarded-Host change nothing; query and case do not count")
def _():
    key = fresh_key()
    path = f"{key.path}/chunks/0"
    for url in (f"https://{s.host}{path}", f"http://127.0.0.1:{s.port}{path}", f"http://localhost{path}", f"http://localhost:{s.port + 1}{path}",
                f"http://evil.example{path}", f"{s.url}//{path[1:]}", f"{s.url}{path}/", path, "", f"{s.url}{path}/../0",
                f"http://u@{s.host}{path}", f"{s.url}{path[:-1]}%2f0"):
        a = bare(path, key.head("GET", path, htu=url) if url else key.head("GET", path, htu=None))
        refused(a, 401, "key-binding", "invalid_dpop_proof", url)
        if url.startswith("http"):
            same(a.json["public_url"], s.url, "what is expected is said")
    for url in (f"{s.url}{path}?a=b", f"{s.url}{path}#x", f"HTTP://LOCALHOST:{s.port}{path}", f"{s.url}{path[:-1]}%30"):
        same(bare(path, key.head("GET", path, htu=url)).status, 200, url)
    same(bare(f"{path}?x=1", key.head("GET", path)).status, 200, "a query of the request")
    evil = key.head("GET", path, htu=f"http://evil.example{path}")
    refused(bare(path, {**evil, "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}), 401, "key-binding", "invalid_dpop_proof", "X-Forwarded-Host")
    raw = s.raw((f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n" + "".join(f"{k}: {v}\r\n" for k, v in evil.items()) + "Connection: close\r\n\r\n").encode())
    true(raw.startswith(b"HTTP/1.1 421"), f"Host evil.example: {raw[:80]}")
    recorded("key-binding", key.id)
    rightful(key, "other addresses")


@test("two DPoP headers, equal or not; two proofs in one; an empty one")
def _():
    key = fresh_key()
    path = f"{key.path}/chunks/0"
    auth = ("Authorization", f"DPoP {key.text}")
    one, two = key.prove("GET", path), key.prove("GET", path)
    for headers in ([auth, ("DPoP", one), ("DPoP", one)], [auth, ("DPoP", one), ("dpop", two)], [auth, ("DPoP", f"{one}, {two}")], [auth, ("DPoP", "")]):
        refused(bare(path, headers), 401, "key-binding", "invalid_dpop_proof", f"{len(headers) - 1} headers")
    recorded("key-binding", key.id)
    rightful(key, "two headers")


@test("a stolen sign-in: no bound key without the client key, and proofs of login and issue work once and nowhere else")
def _():
    his = proof.ClientKey()
    path = f"/v1/grants/{state['grant']}/keys"
    body = json.dumps({"recording": state["rid"]}).encode()

    def issue(text, token=me.token):
        h = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return bare(path, {**h, "DPoP": text}, "POST", body=body)

    a = issue(his.proof("POST", s.url + path))
    refused(a, 401, "key-binding", "use_dpop_nonce", "his proof, first word")
    true(remember(his, a), "nonce")
    a = issue(his.proof("POST", s.url + path))
    refused(a, 401, "key-binding", "invalid_dpop_proof", "the keeper compares client keys")
    mine = me.client_key.proof("POST", s.url + path)
    same(issue(mine).status, 201, "mine")
    refused(issue(mine), 401, "key-binding", "invalid_dpop_proof", "mine again")
    refused(issue(me.client_key.proof("POST", s.url + "/v1/login")), 401, "key-binding", "invalid_dpop_proof", "a login's proof")
    refused(issue(me.client_key.proof("POST", s.url + path, key=state["key"].text)), 401, "key-binding", "invalid_dpop_proof", "with an ath")
    login = {"user": me.name, "password": me.password}
    text = me.client_key.proof("POST", s.url + "/v1/login")
    h = {"Content-Type": "application/json", "DPoP": text}
    a = bare("/v1/login", h, "POST", body=json.dumps(login).encode()).want(200)
    true("dpop-nonce" in a.headers, "every login brings a nonce")
    refused(bare("/v1/login", h, "POST", body=json.dumps(login).encode()), 401, "key-binding", "invalid_dpop_proof", "a login's proof again")


@test("a login's nonce round trip is no failed login, however often")
def _():
    someone = s.person("often")
    for _ in range(12):
        k = proof.ClientKey()
        a = bare("/v1/login", {"Content-Type": "application/json", "DPoP": k.proof("POST", s.url + "/v1/login")}, "POST",
                 body=json.dumps({"user": someone.name, "password": "wrong"}).encode())
        refused(a, 401, "key-binding", "use_dpop_nonce", "first word")
    BoundPerson.of(someone)
    failed = [l for _, l in s.leaves("system", s.admin) if l["type"] == "login.failed" and l.get("outcome") != "ok"]
    same([l for l in failed if l.get("actor") == someone.id], [], "failed logins")


@test("an API token gets its client key by a proof, once; another client key is refused then")
def _():
    a = s.viewer.post("/v1/tokens", {"kind": "api", "name": "script"}).want(201)
    token, mine = a.json["token"], proof.ClientKey()
    script = BoundPerson(s, s.viewer.name, "", mine)
    script.token = token
    same(script.proven("POST", "/v1/client-key").want(200).json["client_key"], mine.jkt, "client key")
    key = script.key(state["grant"], state["rid"])
    rightful(key, "a script")
    other = BoundPerson(s, s.viewer.name, "", proof.ClientKey())
    other.token = token
    same(other.proven("POST", "/v1/client-key").status, 409, "a second client key")
    a = other.proven("POST", f"/v1/grants/{state['grant']}/keys", {"recording": state["rid"]})
    refused(a, 401, "key-binding", "invalid_dpop_proof", "a stolen token with another client key")


@test("forty requests at once with one proof: exactly one goes through, whichever loop they come to")
def _():
    key = fresh_key()
    path, h = captured(key)
    answers = []

    def go():
        answers.append(bare(path, h).status)

    threads = [threading.Thread(target=go) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same((answers.count(200), answers.count(401)), (1, 39), f"{answers}")


@test("a new gate: no proof made before counts, the client is told a nonce and goes on; a proof that was used stays useless")
def _():
    key = fresh_key()
    path, used = captured(key)
    true(bare(path, used).status == 200, "the rightful client")
    _, kept = captured(key)  # made, seen by somebody, not used
    s.kill("gate")

    def there():
        try:
            return bare("/readyz", {}).status == 200
        except (OSError, http.client.HTTPException):
            return False

    time.sleep(0.3)
    until(there, 10, "a new gate")
    for h, what in ((used, "used before"), (kept, "kept")):
        refused(until(lambda: (lambda a: a if a.status != 503 else None)(bare(path, h)), 10, "authority"), 401, "key-binding", "use_dpop_nonce", what)
    rightful(key, "a new gate")
    refused(bare(path, kept), 401, "key-binding", "use_dpop_nonce", "kept, once more")


@test("the policy wants bound keys: a sign-in without a client key gets none, and with one it does")
def _():
    text = """purpose "debugging" { }
rule "bound" { who = { "role:viewer" } actions = { play } purposes = { "debugging" } max = 10min binding = { dpop } ask { need = 1 from = { "role:approver" } } }
"""
    approver = BoundPerson.of(s.approver)  # where no bearer keys are, votes are signed
    s.admin.post("/v1/policies", {"text": text, "comment": "bound keys only"}).want(201)
    grant = s.open(state["rid"], viewer=s.viewer, approver=approver)
    a = s.viewer.post(f"/v1/grants/{grant}/keys", {"recording": state["rid"]})
    same((a.status, a.code), (403, "proof-needed"), "a sign-in without client key")
    a = me.post(f"/v1/grants/{grant}/keys", {"recording": state["rid"]})
    same((a.status, a.code), (403, "proof-needed"), "without a proof")
    a = me.proven("POST", f"/v1/grants/{grant}/keys", {"recording": state["rid"], "token_type": "Bearer"})
    same((a.status, a.code), (403, "proof-needed"), "asked for a bearer key")
    state["grant"] = grant
    state["key"] = fresh_key()
    rightful(state["key"], "the policy")


@test("over TLS and HTTP/2 the same: each request of a connection its own proof, htu by https; a used one is used on every connection")
def _():
    t = Server(tls=True, preset="team")
    t.allow_bearer()
    t.cast()
    rid = t.add(content())
    viewer = BoundPerson.of(t.viewer)
    key = viewer.key(BoundPerson.of(t.approver).approve(viewer.ask(rid)["id"])["grant"], rid)
    path = f"{key.path}/chunks/0"
    same(key.get(path, headers={"Accept-Encoding": "identity"}).status, 200, "HTTP/1.1")
    c = H2(t)
    heads = [key.head("GET", path) for _ in range(3)]
    for h in heads:
        x = c.get(path, headers=[(k.lower(), v) for k, v in h.items()])
        true(x.status == 200, f"HTTP/2: {x}")
    for h in heads[:1] + [key.head("GET", path, htu=f"http://{t.host}{path}")]:
        x = c.get(path, headers=[(k.lower(), v) for k, v in h.items()])
        true(x.status == 401 and b"key-binding" in x.body, f"{x}")
    x = c.get(path, headers=[("authorization", f"DPoP {key.text}"), ("dpop", key.prove("GET", path)), ("dpop", key.prove("GET", path))])
    true(x.status == 401 and b"key-binding" in x.body, f"two headers: {x}")
    same(key.get(path, headers=heads[2]).status, 401, "used on HTTP/2, tried on HTTP/1.1")
    c.close()
    t.stop()


@test("the client's network changes: the key says where to renew, only to him who can prove; the record of the new key says ctx")
def _():
    front = take_port()
    p = Server("--behind-proxy", "--url", f"https://localhost:{front}", "--trusted-proxy", "127.0.0.1/32", front=front, start=False, preset="team")
    p.front = None  # nobody stands there: we speak the proxy's words ourselves
    p.start()
    p.allow_bearer()
    p.cast()
    rid = p.add(content())
    viewer, approver = BoundPerson.of(p.viewer), BoundPerson.of(p.approver)
    grant = approver.approve(viewer.ask(rid)["id"])["grant"]
    viewer.headers = {"Forwarded": "for=10.1.2.3;proto=https"}
    key = viewer.key(grant, rid)
    key.headers = viewer.headers
    same(key.get(f"{key.path}/manifest").status, 200, "where it was issued")
    key.headers = {"Forwarded": "for=10.1.2.99;proto=https"}
    same(key.get(f"{key.path}/manifest").status, 200, "the same /24")
    key.headers = viewer.headers = {"Forwarded": "for=10.9.9.9;proto=https"}
    a = key.get(f"{key.path}/manifest")
    same((a.status, a.code, a.json.get("renew")), (401, "key-binding", f"/v1/grants/{grant}/keys"), "another network")
    true('error="invalid_token"' in challenges(a)[0], f"{challenges(a)}")
    a = Client(p).get(f"{key.path}/manifest", headers={"Authorization": f"DPoP {key.text}", **key.headers})
    same((a.status, a.code, a.json.get("renew")), (401, "key-binding", None), "another network, no proof")
    fresh = viewer.key(grant, rid)
    fresh.headers = viewer.headers
    same(fresh.get(f"{key.path}/manifest").status, 200, "the renewed key")
    p.wait_leaf(lambda l: l["type"] == "key.renewed" and l.get("jti") == fresh.id and l.get("n", {}).get("ctx") == 1, what="key.renewed with ctx")
    p.stop()


if LONG:
    @test("a proof that is captured and not used: after 121 s its nonce is too old; from 60 s on an answer brings another")
    def _():
        key = fresh_key()
        path, h = captured(key)
        began, nonce = time.monotonic(), key.client_key.nonce
        time.sleep(62)
        a = key.get(f"{key.path}/manifest").want(200)
        true(a.headers.get("dpop-nonce") not in (None, nonce), "another nonce from 60 s on")
        time.sleep(max(0, 122 - (time.monotonic() - began)))
        key = fresh_key()
        text = key.prove("GET", path, nonce=nonce)
        refused(bare(path, {"Authorization": f"DPoP {key.text}", "DPoP": text}), 401, "key-binding", "use_dpop_nonce", "121 s later")
        a = bare(path, h)
        true(a.status == 401 and a.code in ("key-binding", "key-expired"), f"{a}")


@test("no key, proof or nonce is in the server's log")
def _():
    log = s.log()
    true(state["key"].text not in log and me.client_key.nonce not in log and "dpop+jwt" not in log, "secrets in the log")
    for secret in s.secrets:
        true(secret not in log, "a secret in the log")


test.run()
