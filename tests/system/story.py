#!/usr/bin/env python3
"""The main job, through the API: nobody can watch; somebody asks, somebody else approves, it plays, the window closes by
itself, and the log tells the story to anybody who checks it."""
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time

from _server import (KEYHOLE, SLOW, Client, Server, Tests, b64u, cast, cast_events, covered, have_zstd, leased,
                     request_digest, rrweb, rrweb_events, same, true, unb64u, unmarked, until, unzstd, verify_log)

test = Tests()
s = Server(config="key { bearer_life = 8s }").cast()
state = {}

TERMINAL = cast_events(300, 0.1)
PAGES = rrweb_events(200, 50)
state["term"] = s.add(cast(300, 0.1), "A shell session", Keyhole_Subject='"cust-17"', Keyhole_Link='"ticket:SUP-1482"')
state["dom"] = s.add(rrweb(200, 50), "A checkout", Keyhole_Tag='"release=2026.11.1"')
state["other"] = s.add(cast(10), "Another")
recorded = s.person("recorded", "approvers", subjects=["cust-17"])
both = s.person("both", "approvers")
nobody = s.person("nobody", roles=[])


def problem(answer, status, code):
    answer.want(status, code)
    for member in ("type", "title", "status", "detail", "code", "retryable", "trace_id"):
        true(member in answer.json, f"the problem has no {member}")
    return answer.json


def refuses_everything(token, rid, code=None, status=None, client=None):
    """No replay route serves a byte of content."""
    for route in ("manifest", "chunks/0", "events", "stream", "export"):
        a = (client or Client(s)).get(f"/v1/replay/{rid}/{route}", token=token)
        true(a.status in (401, 403), f"{route} answered {a}")
        true(b"line " not in a.body and b"node " not in a.body, f"{route} served content")
        if code:
            same(a.code, code, route)
        if a.status == 401:
            true("www-authenticate" in a.headers, f"{route}: no challenge")
        true("stream_code" in a.json, f"{route}: no stream_code")


@test("a list shows what one may ask for, locked, and nothing of its content")
def _():
    items = s.viewer.get("/v1/recordings").want(200).json["items"]
    same({i["id"] for i in items}, {state["term"], state["dom"], state["other"]}, "recordings")
    for i in items:
        same((i["access"], i["access_grant"], i["can_ask"], i["live"]), ("none", None, True, False), i["title"])
    term = next(i for i in items if i["id"] == state["term"])
    same((term["kind"], term["events"], term["duration_ms"], term["title"]), ("terminal", 300, 29900, "A shell session"), "metadata")
    same(term["links"], [{"type": "ticket", "id": "SUP-1482"}], "links")
    true(term["subject"] != "cust-17" and term["subject_is_pseudonym"], "a viewer sees the recorded person")
    same(s.approver.get(f"/v1/recordings/{state['term']}").want(200).json["subject"], "cust-17", "subject as an approver sees it")
    found = s.viewer.get("/v1/recordings?link=ticket:SUP-1482").want(200).json["items"]
    same([i["id"] for i in found], [state["term"]], "found by link")


@test("before approval every replay route refuses, whatever is sent as a key")
def _():
    rid = state["term"]
    refuses_everything(None, rid, "key-missing")
    refuses_everything("not-a-key", rid, "key-malformed")
    refuses_everything(s.viewer.token, rid)
    refuses_everything(s.recorder.token, rid)
    refuses_everything(s.admin_token, rid)
    claims = {"iss": s.url, "aud": f"{s.url}/v1/replay", "sub": s.viewer.id, "rid": rid, "scope": "play", "exp": int(time.time()) + 60}
    for alg in ("none", "None", "HS256"):
        head = {"alg": alg, "typ": "at+jwt", "kid": s.admin.get("/.well-known/jwks.json").json["keys"][0]["kid"]}
        refuses_everything(".".join((b64u(json.dumps(head).encode()), b64u(json.dumps(claims).encode()), b64u(b"x" * 64))), rid)


@test("asking says what it takes, and gives nothing yet")
def _():
    check = s.viewer.post("/v1/requests/check", {"recordings": [state["term"]]}).want(200).json
    same(check["verdict"], "ask", "verdict")
    true(s.approver.name in [p["name"] for p in check["purposes"][0]["approvers"]], "the approver is not among the approvers")
    true(s.viewer.name not in [p["name"] for p in check["purposes"][0]["approvers"]], "the requester is among the approvers")
    q = s.viewer.ask(state["term"], duration_s=4)
    same((q["state"], q["grant"], q["need"]), ("PENDING", None, 1), "request")
    same(request_digest(q), q["digest"], "digest of the request")
    same(s.viewer.get(f"/v1/recordings/{state['term']}").json["access"], "asked", "access")
    problem(s.viewer.post("/v1/requests", {"recordings": [state["term"]], "actions": ["play"], "duration_s": 4,
            "purpose": {"code": "debugging", "reason": "The very same thing is asked for again."}}), 409, "request-open")
    true(q["id"] in [i["id"] for i in s.approver.get("/v1/requests?box=inbox").json["items"]], "not in the approver's inbox")
    same(s.viewer.get("/v1/requests?box=inbox").json["items"], [], "the requester's inbox")
    state["q"] = q


@test("who may not decide can not: the requester, a stranger, the recorded person, an API token, another digest")
def _():
    q = state["q"]
    vote = {"digest": q["digest"]}
    path = f"/v1/requests/{q['id']}/approve"
    problem(s.viewer.post(path, vote), 403, "not-eligible")
    late = s.person("late", "approvers")
    q2 = s.viewer.ask(state["dom"], duration_s=60)
    q3 = both.ask(state["other"])
    same(problem(both.post(f"/v1/requests/{q3['id']}/approve", {"digest": q3["digest"]}), 403, "not-eligible")["cause"], "requester", "cause")
    same(problem(late.post(path, vote), 403, "not-eligible")["cause"], "too-new", "cause")
    same(problem(recorded.post(path, vote), 403, "not-eligible")["cause"], "subject", "cause")
    for who, what in ((s.auditor, "an auditor"), (nobody, "nobody")):
        a = who.post(path, vote)
        true(a.status in (403, 404), f"{what} voted: {a}")
    problem(s.admin.post(path, vote), 403, "token-not-fresh")
    problem(s.approver.post(path, {"digest": b64u(b"x" * 32)}), 409, "digest-mismatch")
    problem(s.approver.post(path, {"digest": s.viewer.get(f"/v1/requests/{q2['id']}").json["digest"]}), 409, "digest-mismatch")
    problem(s.approver.post(path, {}), 422, "invalid")
    same(s.viewer.get(f"/v1/requests/{q['id']}").json["state"], "PENDING", "state")
    denied = s.approver.post(f"/v1/requests/{q2['id']}/deny", {"digest": q2["digest"], "comment": "Not for this."}).want(200).json
    same(denied["state"], "DENIED", "denied")
    problem(s.approver.post(f"/v1/requests/{q2['id']}/approve", {"digest": q2["digest"]}), 409, "grant-state-conflict")
    same(both.post(f"/v1/requests/{q3['id']}/cancel").want(200).json["state"], "CANCELLED", "cancelled")
    refuses_everything(None, state["term"], "key-missing")


@test("an approval opens the window at once; a second vote is too late")
def _():
    q = s.approver.approve(state["q"]["id"])
    state["opened"] = time.time()
    same((q["state"], [v["vote"] for v in q["votes"]]), ("ACTIVE", ["approve"]), "request")
    state["g"] = q["grant"]
    for again in (s.approver, s.second):
        a = again.post(f"/v1/requests/{q['id']}/approve", {"digest": q["digest"]})
        true(a.status == 409 and a.code in ("grant-state-conflict", "already-voted"), f"voted again: {a}")
    g = s.viewer.get(f"/v1/grants/{state['g']}").want(200).json
    same((g["state"], g["holder"]["name"], g["duration_s"]), ("ACTIVE", "viewer", 4), "grant")
    same(s.viewer.get(f"/v1/recordings/{state['term']}").json["access"], "open", "access")


@test("only the holder gets a key, only for what was asked, and it says no more than it must")
def _():
    body = {"recording": state["term"]}
    for other in (s.approver, s.auditor, s.admin):
        a = other.post(f"/v1/grants/{state['g']}/keys", body)
        true(a.status in (403, 404), f"a key for somebody else: {a}")
    problem(s.viewer.post(f"/v1/grants/{state['g']}/keys", {"recording": state["dom"]}), 403, "recording-mismatch")
    problem(s.viewer.post(f"/v1/grants/{state['g']}/keys", {"recording": state["term"], "scope": ["export"]}), 403, "scope")
    k = state["key"] = s.viewer.key(state["g"], state["term"])
    head = json.loads(unb64u(k.text.split(".")[0]))
    kid = [x["kid"] for x in Client(s).get("/.well-known/jwks.json").want(200).json["keys"]]
    same(set(head), {"alg", "typ", "kid"}, "header")
    same((head["alg"], head["typ"], head["kid"] in kid), ("ES256", "at+jwt", True), "header")
    c = k.claims
    same((c["iss"], c["aud"], c["sub"], c["rid"], c["gid"], c["scope"]),
         (s.url, f"{s.url}/v1/replay", s.viewer.id, state["term"], state["g"], "play"), "claims")
    true(c["exp"] <= c["wend"] and c["exp"] - c["iat"] <= 60, "the key outlives its window")
    true(len(k.text) <= 1024 and k.answer["token_type"] == "Bearer", "form of the key")
    for word in ("viewer", "customer", "127.0.0.1"):
        true(word not in json.dumps(c), f"the key says {word}")


@test("manifest, chunks and events of a terminal equal what was sent in")
def _():
    k = state["key"]
    m = k.manifest()
    same((m["kind"], m["events"], m["duration_ms"], m["sealed_to_seq"]), ("terminal", 300, 29900, 299), "manifest")
    same((m["head"]["width"], m["head"]["cols"], m["head"]["rows"]), (80, 80, 24), "head")
    got = [line for n in range(len(m["chunks"])) for line in k.chunk(n).want(200).text.splitlines()]
    same(got, TERMINAL, "events of the chunks")
    a = k.get(f"{k.path}/events").want(200)
    same(a.headers["cache-control"], "no-store, no-transform", "Cache-Control")
    same(a.headers["x-accel-buffering"], "no", "X-Accel-Buffering")
    lines = a.text.splitlines()
    same(json.loads(lines[0])["from"]["seq"], 0, "from")
    same(lines[1:-1], TERMINAL, "events")
    same((json.loads(lines[-1])["end"]["code"], json.loads(lines[-1])["end"]["last_seq"]), (1000, 299), "end")
    problem(k.get(f"{k.path}/chunks/{len(m['chunks'])}"), 404, "not-found")
    problem(k.get(f"{k.path}/export"), 403, "scope")
    refuses_everything(k.text, state["other"], "recording-mismatch")


@test("a window of a few seconds ends by itself: the stream is told, and every route refuses")
def _():
    k = state["key"]
    stream = k.stream()
    stream.wait(lambda x: x.named("window.ending"), 5, "window.ending")
    end = stream.want_end("window.ended", 4410, 8)
    took = time.time() - state["opened"]
    true(2.9 < took < 4.5 + SLOW, f"the window of 4 s ended after {took:.2f} s")  # keys end at whole seconds
    until(lambda: s.viewer.get(f"/v1/grants/{state['g']}").json["state"] == "EXPIRED", 3, "EXPIRED")
    same(end["reason"], "window-ended", "reason")
    for seq, text in stream.content():
        same(text, TERMINAL[seq], f"event {seq}")
    true(stream.content(), "nothing was streamed")
    same([q for q, _ in stream.content()], list(range(len(stream.content()))), "sequences")
    true(len(stream.content()) < 60, "the stream ran ahead")
    for route in k.routes():
        a = k.get(route)
        true(a.status in (401, 403) and a.code in ("grant-ended", "key-expired"), f"after the end {route}: {a}")
    a = s.viewer.post(f"/v1/grants/{state['g']}/keys", {"recording": state["term"]})
    problem(a, 403, "grant-ended")
    same(s.viewer.get(f"/v1/grants/{state['g']}").json["state"], "EXPIRED", "grant")
    problem(s.approver.post(f"/v1/grants/{state['g']}/revoke"), 409, "grant-state-conflict")


@test("the log of the project tells this story in order and verifies without our code")
def _():
    leaves = verify_log(s, s.project())
    g, q = state["g"], state["q"]["id"]
    mine = [l for _, l in leaves if l.get("gid") == g or l.get("q") == q]
    types = [l["type"] for l in mine]
    order = ["request.created", "request.voted", "grant.activated", "key.issued", "viewing.begun", "replay.leased", "grant.expired"]
    at = -1
    for t in order:
        true(t in types[at + 1:], f"{t} is missing after {types[at] if at >= 0 else 'the start'}: {types}")
        at = types.index(t, at + 1)
    for t in ("vault.released", "replay.settled"):
        true(t in types, f"{t} is missing: {types}")
    first = [l["type"] for _, l in leaves]
    same(first[0], "project.created", "first leaf of the project")
    same(first.count("recording.imported"), 3, "imports")
    true("replay.refused" in first, "refusals are not in the log")
    for l in mine:
        if l["type"] in ("request.created", "request.voted") and "digest" in l:
            same(l["digest"], state["q"]["digest"], f"digest in {l['type']}")
    voter = {l["type"]: l["actor"] for l in mine if l["outcome"] in ("ok", "approve")}
    true({"not-eligible", "digest-mismatch", "token-not-fresh"} <= {l["outcome"] for l in mine if l["type"] == "request.voted"},
         f"refused votes: {[l['outcome'] for l in mine if l['type'] == 'request.voted']}")
    same((voter["request.created"], voter["request.voted"], voter["key.issued"]), (s.viewer.id, s.approver.id, s.viewer.id), "actors")
    text = "\n".join(raw for raw, _ in leaves)
    for word in ("customer reports", "A shell session", "cust-17", "viewer\"", "SUP-1482", "line 1", "127.0.0"):
        true(word not in text, f"the log says {word!r} in clear")
    jti = state["key"].id
    true(covered(range(300), leased(leaves, jti)), "what was played is not leased")
    verify_log(s, "system", s.admin)


@test("a page recording plays too: chunks, as stored as well, from a keyframe, and a stream at speed")
def _():
    k = s.keyed(state["dom"])
    m = k.manifest()
    same((m["kind"], m["events"], m["base_ms"], m["head"]), ("rrweb", 200, 1700000000000, {}), "manifest")
    same(k.chunk(0).want(200).text.splitlines(), PAGES[:m["chunks"][0]["to_seq"] + 1], "chunk 0")
    if have_zstd():
        a = k.chunk(0, "zstd").want(200)
        same(a.headers["content-encoding"], "zstd", "Content-Encoding")
        same(unzstd(a.body).decode().splitlines(), PAGES[:m["chunks"][0]["to_seq"] + 1], "chunk 0 as stored")
    true(m["keyframes"] and m["keyframes"][0]["at_ms"] <= 1, "keyframes")
    lines = k.get(f"{k.path}/events?from_ms=5000&to_ms=6000").want(200).text.splitlines()
    start = json.loads(lines[0])["from"]
    same(lines[1:-1], PAGES[start["seq"]:start["seq"] + len(lines) - 2], "events of a span")
    last = json.loads(lines[-1])["end"]["last_seq"]
    same(json.loads(PAGES[last])["timestamp"], 1700000006000, "last event of the span")
    began = time.monotonic()
    stream = k.stream("?speed=16").wait_end(10)
    same((stream.ended, stream.final()[0]), ("clean", "end"), "end")
    same([t for _, t in stream.content()], PAGES, "streamed events")
    true(0.4 < time.monotonic() - began < 3 * SLOW, f"10 s at speed 16 took {time.monotonic() - began:.2f} s")
    same(stream.headers["content-type"].split(";")[0], "text/event-stream", "Content-Type")
    for speed in ("0.2", "17", "fast", "-1", ""):
        a = k.get(f"{k.path}/stream?speed={speed}")
        true(a.status == 422, f"speed={speed}: {a}")
    for wrong in ("from_ms=-1", "from_ms=x", "to_ms=1.5"):
        problem(k.get(f"{k.path}/events?{wrong}"), 422, "invalid")


@test("a stream is paced: at most a second ahead, from a seek point, at half speed too")
def _():
    k = s.keyed(state["term"])
    stream = k.stream("?from_ms=10000")
    stream.wait_events(12, 5)
    began = stream.items[0][0]
    time.sleep(1.5)
    for when, name, i, data in list(stream.items):
        if name == "":
            due = (json.loads(data)[0] - 10) - 1
            true(when - began >= due - 0.15, f"event {i} came {due - (when - began):.2f} s too early")
            true(when - began <= max(due, 0) + 0.5, f"event {i} came {when - began - due:.2f} s late")
    stream.close()
    half = k.stream("?speed=0.5&from_ms=20000")
    half.wait_events(3, 5)
    time.sleep(1)
    ahead = json.loads(half.content()[-1][1])[0] - 20
    true(0.3 <= ahead <= 1.3, f"half speed: {ahead} s of play after 1 s")
    half.close()


@test("renewal in mid-stream: key.expiring, a fresh key, Last-Event-ID, nothing lost or repeated; without it key.expired")
def _():
    g = s.open(state["term"], duration_s=600)
    got, n, keys = [], 0, []
    k = s.viewer.key(g, state["term"])
    true(k.claims["exp"] - k.claims["iat"] <= 8, "the key lives longer than configured")
    stream = k.stream()
    while n < 2:
        keys.append(k)
        stream.wait(lambda x: x.named("key.expiring"), 10, "key.expiring")
        same(stream.named("key.expiring")[0]["renew"], f"/v1/grants/{g}/keys", "renew")
        k = s.viewer.key(g, state["term"])
        last = stream.content()[-1][0] if stream.content() else got[-1][0]
        fresh = k.stream(Last_Event_ID=str(last))
        fresh.wait_events(1, 5)
        stream.close()
        got += [c for c in stream.content() if c[0] <= last]
        stream, n = fresh, n + 1
    stream.wait_events(3)
    end = stream.want_end("key.expired", 4401, 15)
    got += stream.content()
    same([t for _, t in got], TERMINAL[:len(got)], "events over three keys")
    same((end["last_seq"], end["renew"]), (got[-1][0], f"/v1/grants/{g}/keys"), "the end")
    problem(k.get(f"{k.path}/manifest"), 401, "key-expired")
    true(k.get(f"{k.path}/manifest").json["renew"], "no renew")
    leaves = s.leaves()
    types = [l["type"] for _, l in leaves if l.get("gid") == g]
    same((types.count("key.issued"), types.count("key.renewed"), types.count("viewing.begun")), (1, 2, 1), "issued, renewed, viewings")
    for key in keys:
        true(leased(leaves, key.id), "a key without a lease")
    state["renew_g"] = g


@test("at most two keys are alive; the third retires the oldest; a key can be denied alone")
def _():
    g = state["renew_g"]
    a, b, c = (s.viewer.key(g, state["term"]) for _ in range(3))
    # A denial is a push to the gate: milliseconds, and 3 s at most.
    until(lambda: a.get(f"{a.path}/manifest").code == "key-revoked", 3, "the oldest key")
    for k in (b, c):
        k.manifest()
    s.viewer.post(f"/v1/keys/{b.id}/revoke").want(204)
    s.viewer.post(f"/v1/keys/{b.id}/revoke").want(204)
    until(lambda: b.get(f"{b.path}/manifest").code == "key-revoked", 3, "the key that was revoked")
    c.manifest()
    listed = {k["key_id"]: k["state"] for k in s.viewer.get(f"/v1/keys?grant={g}").want(200).json["items"]}
    same((listed[a.id], listed[b.id], listed[c.id]), ("revoked", "revoked", "live"), "states of the keys")
    stream = c.stream()
    stream.wait_events(3)
    vid = c.answer["viewing"]
    same([v["id"] for v in s.approver.get("/v1/viewings?state=live").json["items"] if v["id"] == vid], [vid], "live viewings")
    s.approver.post(f"/v1/viewings/{vid}/stop", {"comment": "enough"}).want(200)
    stream.want_end("revoked", 4411, 3)
    c.get(f"{c.path}/manifest").want(401)
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


def cut(rid, end_it, name, code, state_after, refusal="grant-ended", viewer=None):
    k = s.keyed(rid, viewer=viewer)
    stream = k.stream()
    stream.wait_events(5)
    began = time.monotonic()
    end_it(k.claims["gid"])
    done = time.monotonic()
    stream.want_end(name, code, 3)
    last = max(when for when, e, _, _ in stream.items if e == "")
    true(last - done < 0.3 * SLOW, f"content {last - done:.2f} s after the end was confirmed")
    true(stream.items[-1][0] - began < 1.5 * SLOW, "the stream ended late")
    same(s.admin.get(f"/v1/grants/{k.claims['gid']}").want(200).json["state"], state_after, "grant")
    for route in k.routes():
        a = k.get(route)
        true(a.status in (401, 403), f"after the end {route}: {a}")
        if refusal and "export" not in route:
            same(a.code, refusal, route)
    return k


@test("revoke in mid-stream: the stream stops, nothing is served after")
def _():
    cut(state["term"], lambda g: s.approver.post(f"/v1/grants/{g}/revoke", {"comment": "Seen enough."}).want(200),
        "revoked", 4411, "REVOKED")
    cut(state["dom"], lambda g: s.second.post(f"/v1/grants/{g}/revoke").want(200), "revoked", 4411, "REVOKED")


@test("give back in mid-stream: the same, by the holder")
def _():
    k = cut(state["term"], lambda g: s.viewer.post(f"/v1/grants/{g}/relinquish").want(200), "window.ended", 4410, "RELINQUISHED")
    problem(s.viewer.post(f"/v1/grants/{k.claims['gid']}/relinquish"), 409, "grant-state-conflict")
    k2 = s.keyed(state["term"])
    a = s.approver.post(f"/v1/grants/{k2.claims['gid']}/relinquish")
    true(a.status in (403, 404), f"somebody else gave it back: {a}")
    s.viewer.post(f"/v1/grants/{k2.claims['gid']}/relinquish").want(200)


@test("signing out ends the keys of that sign-in")
def _():
    p = s.person("leaver")
    k = s.keyed(state["term"], viewer=p)
    stream = k.stream()
    stream.wait_events(2)
    p.post("/v1/logout").want(204)
    stream.wait_end(3)
    same(stream.final()[1]["code"], 4411, "end of the stream")
    p.get("/v1/me").want(401, "login-needed")
    k.get(f"{k.path}/manifest").want(401, "key-revoked")


@test("a disabled person loses everything within seconds: stream, keys, sign-in, requests, grants")
def _():
    p = s.person("goer")
    q = p.ask(state["dom"])
    g = {}

    def disable(grant):
        g["id"] = grant
        s.admin.patch("/v1/users/goer", {"disabled": True}).want(200)

    cut(state["term"], disable, "revoked", 4411, "REVOKED", refusal=None, viewer=p)
    p.get("/v1/me").want(401)
    Client(s).post("/v1/login", {"user": p.name, "password": p.password}).want(401, "login-failed")
    same(s.approver.get(f"/v1/requests/{q['id']}").want(200).json["state"], "CANCELLED", "their open request")
    same(s.approver.get(f"/v1/grants/{g['id']}").want(200).json["ended"]["cause"], "person-disabled", "cause")


@test("export is its own action and gives back a file with every event")
def _():
    k = s.keyed(state["term"], ["export"])
    same(k.answer["scope"], ["export"], "scope")
    lines = unmarked(k.get(f"{k.path}/export").want(200).text)
    same(json.loads(lines[0])["version"], 2, "version")
    same([json.loads(l) for l in lines[1:]], [json.loads(e) for e in TERMINAL], "exported events")
    rest = unmarked(k.get(f"{k.path}/export?from_seq=200").want(200).text)
    same([json.loads(l) for l in rest], [json.loads(e) for e in TERMINAL[200:]], "export from 200")
    v3 = [json.loads(l) for l in unmarked(k.get(f"{k.path}/export?format=asciicast-v3").want(200).text)]
    same(v3[0]["version"], 3, "version 3")
    at = 0
    for e, want in zip(v3[1:], TERMINAL, strict=True):
        at += e[0]
        want = json.loads(want)
        true(abs(at - want[0]) < 1e-6 and e[1:] == want[1:], f"v3: {e} at {at}, want {want}")
    problem(k.get(f"{k.path}/export?format=rrweb"), 422, "invalid")
    problem(k.get(f"{k.path}/stream"), 403, "scope")
    d = s.keyed(state["dom"], ["export"])
    same(unmarked(d.get(f"{d.path}/export").want(200).text), [json.loads(e) for e in PAGES], "exported pages")
    until(lambda: "export.done" in s.leaf_types(gid=k.claims["gid"]), 5, "export.done", step=0.2)


@test("a window that opens at first use opens with the first key, and lapses or is cancelled without one")
def _():
    g = s.open(state["term"], duration_s=30, start="first-use")
    grant = s.viewer.get(f"/v1/grants/{g}").json
    same((grant["state"], grant["window"]), ("SCHEDULED", None), "before the first use")
    k = s.viewer.key(g, state["term"])
    grant = s.viewer.get(f"/v1/grants/{g}").json
    same(grant["state"], "ACTIVE", "after the first use")
    k.manifest()
    g2 = s.open(state["other"], start="first-use")
    s.viewer.post(f"/v1/grants/{g2}/relinquish").want(200)
    same(s.viewer.get(f"/v1/grants/{g2}").json["state"], "CANCELLED", "given back before use")
    s.viewer.post(f"/v1/grants/{g2}/keys", {"recording": state["other"]}).want(403, "grant-ended")
    q = s.viewer.ask(state["other"], start="first-use", start_by_s=1)
    g3 = s.approver.approve(q["id"])["grant"]
    until(lambda: s.viewer.get(f"/v1/grants/{g3}").json["state"] == "LAPSED", 4, "LAPSED")
    s.viewer.post(f"/v1/grants/{g3}/keys", {"recording": state["other"]}).want(403, "grant-ended")
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


@test("the same call with the same Idempotency-Key has one effect; a stale If-Match is refused")
def _():
    h = {"Idempotency-Key": "ask-1"}
    body = {"recordings": [state["other"]], "actions": ["play"], "duration_s": 60,
            "purpose": {"code": "support", "reason": "The order of this customer got lost."}}
    a, b = (s.viewer.post("/v1/requests", body, headers=h).want(201).json for _ in range(2))
    same(a["id"], b["id"], "request of the repeated call")
    problem(s.viewer.post("/v1/requests", {**body, "duration_s": 61}, headers=h), 422, "idempotency-mismatch")
    problem(s.viewer.post(f"/v1/requests/{a['id']}/cancel", headers={"If-Match": '"999"'}), 412, "stale")
    etag = s.viewer.get(f"/v1/requests/{a['id']}").headers["etag"]
    s.viewer.post(f"/v1/requests/{a['id']}/cancel", headers={"If-Match": etag}).want(200)


@test("two last approvals at once: one activation; approve against revoke: whoever is first")
def _():
    for _ in range(4):
        q = s.viewer.ask(state["other"])
        out = []
        ts = [threading.Thread(target=lambda p=p: out.append(p.post(f"/v1/requests/{q['id']}/approve", {"digest": q["digest"]})))
              for p in (s.approver, s.second)]
        for t in ts:
            t.start()
        out.append(s.viewer.post(f"/v1/requests/{q['id']}/cancel"))
        for t in ts:
            t.join()
        true(sum(a.status == 200 for a in out) >= 1 and all(a.status in (200, 409) for a in out), f"{out}")
        now = s.viewer.get(f"/v1/requests/{q['id']}").json
        true(now["state"] in ("ACTIVE", "CANCELLED"), now["state"])
        same(sum(a.status == 200 for a in out), 1, "winners")
        if now["state"] == "ACTIVE":
            s.viewer.post(f"/v1/grants/{now['grant']}/relinquish").want(200)


@test("two votes are needed: one human is one vote, whatever the number of accounts")
def _():
    text = """purpose "debugging" { }
rule "two" { who = { "role:viewer" } actions = { play } purposes = { "debugging" } max = 10min binding = { dpop, bearer }
             ask { need = 2 from = { "role:approver" } } }
"""
    twin = s.person("twin", "approvers", person=s.admin.get("/v1/users?q=approver").json["items"][0]["person"])
    p = s.admin.post("/v1/policies", {"text": text, "comment": "two votes"}).want(201).json
    same((p["state"], p.get("sole_admin")), ("current", True), "the policy of the only administrator on the first day")
    q = s.viewer.ask(state["other"], duration_s=60)
    same(q["need"], 2, "votes")
    problem(s.viewer.post("/v1/requests", {"recordings": [state["term"]], "actions": ["export"], "duration_s": 60,
            "purpose": {"code": "debugging", "reason": "Nobody may export any more now."}}), 403, "policy-denied")
    same(s.approver.approve(q["id"])["state"], "PENDING", "after one vote")
    problem(s.approver.post(f"/v1/requests/{q['id']}/approve", {"digest": q["digest"]}), 409, "already-voted")
    a = twin.post(f"/v1/requests/{q['id']}/approve", {"digest": q["digest"]})
    true(a.status in (403, 409) and a.code in ("already-voted", "not-eligible"), f"the same human voted twice: {a}")
    same(s.viewer.get(f"/v1/requests/{q['id']}").json["state"], "PENDING", "after the same human again")
    same(s.second.approve(q["id"])["state"], "ACTIVE", "after two humans")


@test("the whole log verifies at the end, and every change of the cast is in the system's")
def _():
    verify_log(s, s.project())
    types = [l["type"] for _, l in verify_log(s, "system", s.admin)]
    for t in ("service.started", "user.created", "token.created", "login.ok", "login.ended", "user.disabled", "policy.proposed",
              "signing-key.created", "login.failed", "group.joined"):
        true(t in types, f"{t} is not in the system log: {sorted(set(types))}")
    for log in (s.project(), "system"):
        s.wait_leaf(lambda l: l["type"] == "audit.read", log=log, client=s.admin, what=f"audit.read in {log}")


def keyhole(*args, token=None, status=0):
    env = {**os.environ, "KEYHOLE_URL": s.url, "KEYHOLE_TOKEN": token or "", "KEYHOLE_CONFIG_DIR": str(s.root / "config")}
    done = subprocess.run([str(KEYHOLE), *args], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * SLOW)
    same(done.returncode, status, f"keyhole {' '.join(args)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


@test("keyhole audit verify says the same, over the API and offline; one changed byte and it says so")
def _():
    keyhole("audit", "verify", token=s.admin_token)
    vkeys = s.root / "vkeys"
    vkeys.write_text("".join(keyhole("audit", "vkey", "--log", log, token=s.admin_token) for log in ("system", s.project())))
    offline = ("--vkey", str(vkeys))
    same(s.stop(), 0, "exit")
    keyhole("audit", "verify", str(s.dir), *offline)
    copy = s.root / "copy"
    shutil.copytree(s.dir, copy)
    db = sqlite3.connect(copy / "meta" / "keyhole.db")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    table = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
             if {"log", "idx", "leaf"} <= {row[1] for row in db.execute(f"PRAGMA table_info({n})")}][0]
    log, idx, leaf = db.execute(f"SELECT log, idx, leaf FROM {table} WHERE log LIKE 'p_%' AND idx = 5").fetchone()
    changed = bytes(leaf).replace(b'"t":"2', b'"t":"3') if isinstance(leaf, (bytes, bytearray)) else leaf.replace('"t":"2', '"t":"3')
    true(changed != leaf, "nothing was changed")
    db.execute(f"UPDATE {table} SET leaf = ? WHERE log = ? AND idx = ?", (changed, log, idx))
    db.commit()
    db.close()
    out = keyhole("audit", "verify", str(copy), *offline, status=1)
    true(log in out, f"the log is not named: {out}")
    s.start()


test.run()
