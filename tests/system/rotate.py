#!/usr/bin/env python3
"""Signing keys roll (STANDARDS 1.9): on command nobody who watches notices; in an emergency what the old key signed counts no
more within a second, and clients renew. Each birth, activation and retirement is in the log with its full thumbprint."""
import hashlib
import json
import signal
import time

from _server import SLOW, Client, Server, Tests, b64u, cast, same, true, unb64u, until, verify_log

test = Tests()
s = Server().cast()
rid = s.add(cast(3000, step=0.05))  # 150 s
grant = s.open(rid)
anybody = Client(s)


def jwks():
    return anybody.get("/.well-known/jwks.json").want(200)


def kids():
    return [k["kid"] for k in jwks().json["keys"]]


def header(key):
    return json.loads(unb64u(key.text.split(".")[0]))


def rotate(**body):
    return s.admin.post("/v1/signing-keys/rotate", {"reason": "a test", **body})


def thumbprint(jwk):
    text = json.dumps({m: jwk[m] for m in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True)
    return b64u(hashlib.sha256(text.encode()).digest())


def key_leaves():
    return [l for _, l in s.leaves("system", client=s.admin_auditor()) if l["type"].startswith("signing-key.")]


def admin_auditor():
    return s.auditor


s.admin_auditor = admin_auditor


@test("somebody who watches notices nothing: the stream goes on, the old key is still taken, a new one comes from the new signer")
def _():
    k = s.viewer.key(grant, rid)
    old, before, etag = header(k)["kid"], kids(), jwks().headers["etag"]
    stream = k.stream("?speed=1")
    stream.wait_events(10)
    a = rotate().want(200).json
    same((a["emergency"], a["kid"], a["grants"]), (False, old, 0), "answer")
    n = len(stream.content())
    stream.wait_events(n + 20)
    k.chunk(0).want(200)
    new = s.viewer.key(grant, rid)
    true(header(new)["kid"] != old, "the old key still signs")
    new.chunk(0).want(200)
    now = kids()
    true(old in now and header(new)["kid"] in now and len(now) <= 8, f"{before} -> {now}")
    a = jwks()
    true(a.headers["etag"] != etag, "ETag")
    same(a.headers["cache-control"], "public, max-age=300", "Cache-Control")
    same(anybody.get("/.well-known/jwks.json", headers={"If-None-Match": a.headers["etag"]}).status, 304, "the same again")
    stream.close()


@test("a restarted vault still publishes what it published")
def _():
    before = kids()
    s.expect_ends = True
    s.kill("vault", signal.SIGKILL)
    s.wait_ready()
    same(sorted(kids()), sorted(before), "key set")
    s.viewer.key(grant, rid).chunk(0).want(200)


@test("an emergency: within a second what the old key signed is worth nothing, clients renew and go on")
def _():
    k = s.viewer.key(grant, rid)
    stream = k.stream("?speed=1")
    stream.wait_events(5)
    before = kids()
    gen = k.claims["gen"]
    began = time.monotonic()
    a = rotate(emergency=True).want(200).json
    true(a["emergency"] and a["grants"] >= 1, f"{a}")
    until(lambda: k.get(f"{k.path}/manifest").status == 401, 1, "the old key is refused")
    stream.wait_end(3)
    took = time.monotonic() - began
    true(took < 1.5 * SLOW, f"{took:.2f} s until the stream had ended")
    name, end = stream.final()
    true((name, end["code"]) in (("key.expired", 4401), ("revoked", 4411)), f"{name} {end}")
    true(not set(before) & set(kids()), "an old key is still published")
    new = s.viewer.key(grant, rid)
    same(new.claims["gen"], gen + 1, "generation")
    new.chunk(0).want(200)
    print(f"                 {took * 1000:.0f} ms")


@test("each birth, activation and retirement is in the log once, with the full thumbprint")
def _():
    s.kill("keeper", signal.SIGKILL)
    s.wait_ready()
    time.sleep(1.5)
    seen = {}
    for leaf in key_leaves():
        if leaf["outcome"] == "ok":
            seen.setdefault(leaf["obj"], []).append((leaf["type"].split(".")[1], leaf["digest"]))
    for k in jwks().json["keys"]:
        words = [w for w, _ in seen[k["kid"]]]
        true(words[0] == "created" and len(words) == len(set(words)), f"{k['kid']}: {words}")
        same({d for _, d in seen[k["kid"]]}, {thumbprint(k)}, "thumbprint")
        true(thumbprint(k).startswith(k["kid"][:10]), "kid")
    retired = [kid for kid, w in seen.items() if [x for x, _ in w] == ["created", "activated", "retired"]]
    true(len(retired) >= 2, f"{seen}")
    ordered = [l for l in key_leaves() if l["outcome"] in ("ordered", "emergency")]
    same([(l["outcome"], l["actor"][:2], "_sd" in l) for l in ordered], [("ordered", "u_", True), ("emergency", "u_", True)],
         "who ordered it")
    every = {json.loads(unb64u(k.split(".")[0]))["kid"] for k in s.secrets if k.startswith("eyJ")}
    true(every <= set(seen), f"a key that signed is not in the log: {every - set(seen)}")
    verify_log(s, "system")


@test("only administrators, only with a reason, and not without end")
def _():
    s.approver.post("/v1/signing-keys/rotate", {"reason": "x"}).want(403)
    s.viewer.post("/v1/signing-keys/rotate", {"reason": "x"}).want(403)
    s.admin.post("/v1/signing-keys/rotate", {}).want(422)
    s.admin.post("/v1/signing-keys/rotate", {"reason": "x", "soon": True}).want(422)
    codes = [rotate().status for _ in range(9)]
    true(codes[0] == 200 and codes[-1] == 429 and set(codes) == {200, 429}, f"{codes}")
    true(len(kids()) <= 8, "published")
    s.viewer.key(grant, rid).chunk(0).want(200)
    rotate(emergency=True).want(200)
    until(lambda: len(kids()) <= 2, 2, "an emergency makes room")
    s.viewer.key(grant, rid).chunk(0).want(200)


test.run()
