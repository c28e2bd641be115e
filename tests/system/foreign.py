#!/usr/bin/env python3
"""What other recorders' clients send (posthog-js, Sentry's SDKs, rrweb's browser client, asciinema), by hand and by the real
asciinema: every form of a body, repeats, segments out of order and at once, sessions that go on after an end or a restart,
mixed batches, bombs; and what comes out is what went in, event by event, with links that lead to the second."""
import base64
import concurrent.futures
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

from _server import (KEYHOLE, SLOW, Client, Server, Skip, Tests, rrweb_events, same, true, until)

test = Tests()
s = Server(config="gate { threads = 2 }\nlive { vanish_after = 5s }").cast()
s.page = Client(s, token=s.admin.post("/v1/tokens", {"kind": "ingest", "project": s.project(), "browser": True}).want(201).json["token"])
T0 = int(time.time() * 1000) - 60_000


def page(n=4, at=0, id=100):
    """Events of a page as a recorder sends them: Meta, a full snapshot, clicks."""
    node = {"type": 0, "id": 1, "childNodes": [{"type": 2, "id": 2, "tagName": "html", "attributes": {}, "childNodes": [
        {"type": 2, "id": 3, "tagName": "body", "attributes": {}, "childNodes": [{"type": 3, "id": 4, "textContent": f"page {id}"}]}]}]}
    out = [{"type": 4, "data": {"href": "https://shop.test/", "width": 800, "height": 600}, "timestamp": T0 + at},
           {"type": 2, "data": {"node": node, "initialOffset": {"top": 0, "left": 0}}, "timestamp": T0 + at + 1}]
    return out + [{"type": 3, "data": {"source": 2, "type": 2, "id": id + i, "x": i, "y": i}, "timestamp": T0 + at + 100 + i * 10} for i in range(n)]


def clicks(n, at, id=500):
    return [{"type": 3, "data": {"source": 2, "type": 2, "id": id + i, "x": i, "y": i}, "timestamp": T0 + at + i * 10} for i in range(n)]


def stored(rid, vanish=False):
    """All events of a recording, as a viewer gets them, when it has ended."""
    if vanish:
        until(lambda: not s.viewer.get(f"/v1/recordings/{rid}").want(200).json["live"], 20, "the recording's end", step=0.1)
    elif s.viewer.get(f"/v1/recordings/{rid}").want(200).json["live"]:
        s.recorder.post(f"/v1/recordings/{rid}/end").want(200)
    k = s.keyed(rid)
    lines = k.get(f"{k.path}/events?from_ms=0").want(200).body.decode().splitlines()
    return [json.loads(line) for line in lines[1:-1]]


def same_events(got, want, what):
    def plain(e):
        return (e["type"], e["timestamp"], json.dumps(e["data"], sort_keys=True))
    same([plain(e) for e in got], [plain(e) for e in want], what)


def find(link):
    return s.viewer.get("/v1/recordings?link=" + urllib.parse.quote(link)).want(200).json["items"]


def found(link, n=1):
    return until(lambda: (lambda items: items if len(items) == n else None)(find(link)), 10, f"{n} recordings with {link}", step=0.05)


# ---- PostHog ----

def capture(session, events, window="w1", token=None, **more):
    props = {"token": token or s.recorder.token, "distinct_id": "anon", "$session_id": session, "$window_id": window, "$snapshot_data": events,
             "$snapshot_bytes": 1, "$lib": "web", **more}
    return {"event": "$snapshot", "uuid": "u", "properties": props, "offset": 5}


def ph(body, headers=None, path="/s/?ip=0&_=1&ver=1.2.3", client=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Client(s).post(path, body, headers={"Content-Type": "text/plain", **(headers or {})})


@test("PostHog: one session in four forms is one recording")
def _():
    parts = [page(3)] + [clicks(2, 1000 * i, 200 + 10 * i) for i in range(1, 4)]
    ph(capture("ph-1", parts[0])).want(200)
    ph(gzip.compress(json.dumps([capture("ph-1", parts[1])]).encode())).want(200)
    form = "data=" + urllib.parse.quote(base64.b64encode(json.dumps(capture("ph-1", parts[2])).encode()).decode())
    a = ph(form.encode(), {"Content-Type": "application/x-www-form-urlencoded"}, "/s/?compression=base64").want(200)
    same(a.json, {"status": 1}, "the answer")
    ph({"api_key": s.recorder.token, "batch": [capture("ph-1", parts[3][:1]), capture("ph-1", parts[3][1])]}).want(200)
    r = found("session:ph-1")[0]
    same((r["kind"], r["live"], r["title"]), ("rrweb", True, None), "the recording")
    same([x for x in r["links"] if x["type"] == "session"], [{"type": "session", "id": "ph-1", "at_ms": 0}], "its link")
    same_events(stored(r["id"]), sum(parts, []), "events")


def latin1(value):
    return gzip.compress(json.dumps(value).encode()).decode("latin-1")


@test("PostHog: fields that are packed inside events come out plain")
def _():
    events = page(2)
    mutation = {"source": 0, "texts": [{"id": 4, "value": "changed"}], "attributes": [], "removes": [], "adds": []}
    style = {"source": 8, "id": 3, "adds": [{"rule": "a{}"}]}
    packed = [events[0], {**events[1], "data": latin1(events[1]["data"]), "cv": "2024-10"}, *events[2:],
              {"type": 3, "timestamp": T0 + 900, "cv": "2024-10", "data": {**mutation, **{k: latin1(mutation[k]) for k in ("texts", "attributes", "removes", "adds")}}},
              {"type": 3, "timestamp": T0 + 901, "cv": "2024-10", "data": {**style, "adds": latin1(style["adds"])}}]
    plain = events + [{"type": 3, "timestamp": T0 + 900, "data": mutation}, {"type": 3, "timestamp": T0 + 901, "data": style}]
    ph(capture("ph-cv", packed)).want(200)
    same_events(stored(found("session:ph-cv")[0]["id"]), plain, "events")


@test("PostHog: a body that comes again, ten times at once, is stored once")
def _():
    events = page(20)
    ph(capture("ph-again", events)).want(200)
    late = [capture("ph-again", clicks(5, 3000))]
    got = []
    threads = [threading.Thread(target=lambda: got.append(ph(late, path=f"/s/?retry_count={i}").status)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(got, [200] * 10, "answers")
    ph(capture("ph-again", events, offset=99)).want(200)
    same_events(stored(found("session:ph-again")[0]["id"]), events + clicks(5, 3000), "events")


@test("PostHog: each window of a session is a recording; both have the session")
def _():
    for window in ("w1", "w2"):
        ph(capture("ph-two", page(2, id=900), window)).want(200)
    a, b = found("session:ph-two", 2)
    true(a["id"] != b["id"], "two recordings")
    same([r["id"] for r in s.viewer.get("/v1/recordings?q=ph-two").want(200).json["items"]], [a["id"], b["id"]], "found by its word")


@test("PostHog: many first batches at once begin one recording")
def _():
    got = []
    bodies = [capture("ph-race", clicks(3, 100 * i, 10 * i)) for i in range(12)]
    threads = [threading.Thread(target=lambda b=b: got.append(ph(b).status)) for b in bodies]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(got, [200] * 12, "answers")
    same(len(stored(found("session:ph-race")[0]["id"])), 36, "events")


@test("PostHog: exceptions become links with their second")
def _():
    ph(capture("ph-err", page(2))).want(200)
    r = found("session:ph-err")[0]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((T0 + 12_000) / 1000)) + f".{(T0 + 12_000) % 1000:03d}Z"
    ph([{"event": "$exception", "uuid": "0197-err-1", "timestamp": stamp,
         "properties": {"token": s.recorder.token, "$session_id": "ph-err", "$window_id": "w1"}}], path="/e/?ip=0").want(200)
    ph([{"event": "$pageview", "properties": {"token": s.recorder.token}}], path="/i/v0/e/").want(200)
    r = found("error:0197-err-1")[0]
    same([x["at_ms"] for x in r["links"] if x["type"] == "error"], [12_000], "its moment")
    ph([{"event": "$exception", "uuid": "0197-err-2", "timestamp": stamp, "properties": {"token": s.recorder.token, "$session_id": "ph-early", "$window_id": "w1"}}], path="/e/").want(200)
    same(find("error:0197-err-2"), [], "an exception of no recording")
    ph(capture("ph-early", page(2) + clicks(2, 13_000))).want(200)
    same([x["at_ms"] for x in found("error:0197-err-2")[0]["links"] if x["type"] == "error"], [12_000], "told before the first events")


@test("PostHog: what it asks before it records")
def _():
    a = Client(s).get(f"/array/{s.page.token}/config").want(200).json
    same(a["sessionRecording"]["endpoint"], "/s/", "where to")
    same(a["hasFeatureFlags"], False, "flags")
    Client(s).get("/array/kib_nobody/config").want(401, "login-needed")
    Client(s).get(f"/array/{s.recorder.token}/config").want(401, "login-needed")  # a secret in an address
    Client(s).get("/array/x%20y/config").want(404)
    same(ph({"token": s.recorder.token, "distinct_id": "x"}, path="/flags/?v=2").want(200).json["featureFlags"], {}, "no flags")
    ph({"token": s.recorder.token}, path="/decide/?v=3").want(200)
    ph({"token": "kit_nobody"}, path="/flags/?v=2").want(401)


@test("PostHog: what is refused, and how")
def _():
    ok = capture("ph-x", page(1))
    ph([ok, capture("ph-y", page(1))]).want(422, "batch-mixed")
    ph([ok, capture("ph-x", page(1), "w9")]).want(422, "batch-mixed")
    ph([ok, capture("ph-x", page(1), token=s.ingest().token)]).want(422, "batch-mixed")
    ph(capture("ph-x", page(1), token="kit_no")).want(401, "login-needed")
    ph({"event": "$snapshot", "properties": {"token": s.recorder.token}}).want(422, "import-broken")
    ph({"api_key": s.recorder.token, "batch": []}).want(422, "import-broken")
    for nobody in (b"", b"[]", b"\x1f\x8b\x08\x00broken", b'{"event":"$snapshot","properties":{}}'):  # whose it is, nobody can tell
        ph(nobody).want(401, "login-needed")
    ph(capture("ph x", page(1))).want(422, "import-broken")
    ph(capture("ph-x", [{"type": "no"}])).want(422, "import-broken")
    ph(capture("ph-x", page(1)), {"Content-Encoding": "br"}).want(415)
    ph(json.dumps(capture("ph-x", [], **{"$snapshot_source": "mobile"})).encode()).want(422, "replay-video-unsupported")
    a = ph(gzip.compress(b" " * (101 << 20), 1)).want(413, "too-large")
    same(a.json["limit"], {"name": "unpacked-size", "value": 16 << 20}, "the limit")
    a = ph(gzip.compress(b" " * (101 << 20), 1), path=f"/s/?token={s.page.token}").want(413, "too-large")
    same(a.json["limit"], {"name": "unpacked-size", "value": 100 << 20}, "the limit")
    bomb = {"type": 3, "timestamp": T0, "cv": "2024-10", "data": {"source": 0, "adds": gzip.compress(b" " * (64 << 20) + b"[]").decode("latin-1")}}
    ph(capture("ph-x", [bomb])).want(413, "too-large")
    same(Client(s).get("/s/").status, 405, "GET")
    true(all(e not in s.log() for e in ("ph-x", "kit_no")), "nothing of it in the log")


# ---- Sentry ----

REPLAY = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{:02d}"


def envelope(replay, segment, events, pack=zlib.compress, header=None, errors=(), traces=(), at=5000, **more):
    payload = json.dumps({"segment_id": segment}).encode() + b"\n" + pack(json.dumps(events).encode())
    event = {"type": "replay_event", "replay_id": replay, "segment_id": segment, "replay_start_timestamp": T0 / 1000, "timestamp": (T0 + at) / 1000,
             "error_ids": list(errors), "trace_ids": list(traces), "urls": ["https://shop.test/"], "replay_type": "session", **more}
    lines = [json.dumps({"event_id": replay, "sent_at": "2026-11-22T10:00:00.000Z", **(header or {})}), '{"type":"replay_event"}', json.dumps(event),
             json.dumps({"type": "replay_recording", "length": len(payload)})]
    return "\n".join(lines).encode() + b"\n" + payload


def sentry(body, query=None, headers=None):
    q = "?" + urllib.parse.urlencode({"sentry_version": 7, "sentry_key": s.page.token, "sentry_client": "sentry.javascript.browser/9"}) if query is None else query
    return Client(s).post("/api/1/envelope/" + q, body, headers={"Content-Type": "text/plain;charset=UTF-8", **(headers or {})})


@test("Sentry: zlib, gzip and plain segments; ids lead to the second")
def _():
    replay, error, trace = REPLAY.format(1), "e" * 32, "f" * 32
    parts = [page(3), clicks(3, 5000), clicks(3, 10_000)]
    a = sentry(envelope(replay, 0, parts[0], user={"id": "customer-7"})).want(200)
    same(a.json, {"id": replay}, "the answer")
    sentry(envelope(replay, 1, parts[1], gzip.compress, errors=[error], traces=[trace], at=7500)).want(200)
    sentry(envelope(replay, 2, parts[2], lambda b: b) + b"\n").want(200)
    r = found(f"error:{error}")[0]
    same({x["type"]: (x["id"], x["at_ms"]) for x in r["links"]}, {"replay": (replay, 0), "error": (error, 7500), "trace": (trace, 7500)}, "links")
    same(found(f"replay:{replay}")[0]["id"], r["id"], "by its replay")
    same(found(f"trace:{trace}")[0]["id"], r["id"], "by its trace")
    same(s.auditor.get(f"/v1/recordings/{r['id']}").want(200).json["subject"], "customer-7", "whom it shows")
    same_events(stored(r["id"]), sum(parts, []), "events")


@test("find leads to the recording and the second")
def _():
    replay, error = REPLAY.format(9), "c" * 32
    sentry(envelope(replay, 0, page(3) + clicks(1, 90_000), errors=[error], at=83_250)).want(200)
    r = found(f"error:{error}")[0]
    env = {**os.environ, "KEYHOLE_URL": s.url, "KEYHOLE_TOKEN": s.viewer.token, "KEYHOLE_CONFIG_DIR": str(s.root / "cli")}
    done = subprocess.run([str(KEYHOLE), "find", f"error:{error}"], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30 * SLOW)
    same(done.returncode, 0, done.stderr)
    line = done.stdout.splitlines()[1].split()
    same((line[0], line[1], line[-1]), (r["id"], "1:23", f"{s.url}/r/{r['id']}?at=83.25"), "what it prints")


@test("Sentry: an error's own envelope has its own second; other envelopes are dropped")
def _():
    replay, error = REPLAY.format(2), "d" * 32
    sentry(envelope(replay, 0, page(3))).want(200)
    found(f"replay:{replay}")
    event = {"event_id": error, "timestamp": (T0 + 4321) / 1000, "exception": {"values": []}, "contexts": {"replay": {"replay_id": replay}}}
    sentry(json.dumps({"event_id": error}).encode() + b'\n{"type":"event"}\n' + json.dumps(event).encode()).want(200)
    r = found(f"error:{error}")[0]
    same([x["at_ms"] for x in r["links"] if x["type"] == "error"], [4321], "its moment")
    sentry(envelope(replay, 1, clicks(2, 6000), errors=[error], at=9000)).want(200)
    time.sleep(0.3)
    same([x["at_ms"] for x in found(f"error:{error}")[0]["links"] if x["type"] == "error"], [4321], "it stays")
    sentry(b'{"sent_at":"x"}\n{"type":"session"}\n{"sid":"1"}\n{"type":"client_report","length":3}\n{}\n\n').want(200)


@test("Sentry: segments that come before their turn wait for it; a missing one holds nobody up for long")
def _():
    replay = REPLAY.format(3)
    parts = [page(3)] + [clicks(4, 1000 * i, 20 * i) for i in range(1, 6)]
    threads = []
    for i in (3, 1, 2, 0, 5):
        threads.append(threading.Thread(target=lambda i=i: sentry(envelope(replay, i, parts[i])).want(200)))
        threads[-1].start()
        time.sleep(0.1)
    for t in threads:
        t.join()
    same_events(stored(found(f"replay:{replay}")[0]["id"]), sum(parts[:4], []) + parts[5], "events")


@test("Sentry: an error keeps its own second, whenever its session is first heard of")
def _():
    def error_of(replay, error, at):
        event = {"event_id": error, "timestamp": (T0 + at) / 1000, "exception": {"values": []}, "contexts": {"replay": {"replay_id": replay}}}
        return sentry(json.dumps({"event_id": error}).encode() + b'\n{"type":"event"}\n' + json.dumps(event).encode()).want(200)

    def moments(error):
        return [x["at_ms"] for x in found(f"error:{error}")[0]["links"] if x["type"] == "error"]
    replay, error = REPLAY.format(12), "8" * 32
    error_of(replay, error, 1234)
    sentry(envelope(replay, 0, page(3), errors=[error], at=5500)).want(200)
    same(moments(error), [1234], "heard before its recording began")
    # The first segment waits for the keeper, the error comes behind it: nobody knows the recording's time 0 yet.
    for i, kind in enumerate(("of the error", "of the segment")):
        replay, error = REPLAY.format(13 + i), "79"[i] * 32
        s.kill("keeper", signal.SIGSTOP)
        try:
            calls = [lambda: sentry(envelope(replay, 0, page(3), errors=[error] if i else [], at=5500)).want(200), lambda: error_of(replay, error, 2345)]
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                first = pool.submit(calls[0])
                time.sleep(0.4)
                second = pool.submit(calls[1])
                time.sleep(0.4)
                s.kill("keeper", signal.SIGCONT)
                first.result()
                second.result()
        finally:
            s.kill("keeper", signal.SIGCONT)
        until(lambda: moments(error) == [2345], 5, f"the second {kind}")


@test("Sentry: a segment that comes again is stored once")
def _():
    replay = REPLAY.format(4)
    for i in (0, 1, 1, 0, 2, 1):
        sentry(envelope(replay, i, page(2) if i == 0 else clicks(2, i * 1000))).want(200)
    same_events(stored(found(f"replay:{replay}")[0]["id"]), page(2) + clicks(2, 1000) + clicks(2, 2000), "events")


@test("Sentry: where the key may stand")
def _():
    body, token = envelope(REPLAY.format(5), 0, page(1)), s.recorder.token
    sentry(body, f"?sentry_key={s.page.token}").want(200)
    sentry(body, "", {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={token}, sentry_client=x/1"}).want(200)
    sentry(envelope(REPLAY.format(5), 0, page(1), header={"dsn": f"https://{token}@k.test/1"}), "").want(200)
    sentry(body, "").want(401, "login-needed")
    sentry(body, "?sentry_key=kib_no").want(401, "login-needed")
    for path in ("/api/1/envelope/?sentry_key=", "/s/?token=", "/v1/recordings?token="):  # a secret in an address, whatever else is said
        a = Client(s, token=token).post(path + token, body, headers={"Content-Type": "text/plain"}).want(401, "login-needed")
        true("address" in a.json["detail"], a.json)
    sentry(body, "?sentry_key=a&sentry_key=b").want(400)
    same(len(found(f"replay:{REPLAY.format(5)}", 2)), 2, "one recording by the public token, one by the secret one: neither gets into the other's")


@test("Sentry: bodies full of newlines, and what is refused")
def _():
    replay = REPLAY.format(6)
    events = page(1) + [{"type": 5, "data": {"tag": "breadcrumb", "payload": {"x": "\n" * 500}}, "timestamp": T0 + 2000}]
    raw = json.dumps(events, indent=0).encode()
    sentry(envelope(replay, 0, events, lambda b: zlib.compress(raw, 0))).want(200)
    same_events(stored(found(f"replay:{replay}")[0]["id"]), events, "events")
    two = envelope(REPLAY.format(7), 0, page(1)) + b"\n" + envelope(REPLAY.format(8), 0, page(1))
    sentry(two).want(422, "batch-mixed")
    sentry(b'{}\n{"type":"replay_video","length":4}\nabcd').want(422, "replay-video-unsupported")
    sentry(envelope(replay, 1, page(1))[:-3]).want(422, "import-broken")
    sentry(envelope(replay, 1, page(1), lambda b: zlib.compress(b)[:-4])).want(422, "import-broken")
    sentry(b"nothing").want(422, "import-broken")
    for nobody in (b"nothing", b"{}\n", gzip.compress(b'{"dsn":"https://kib_no@x.test/1"}\n' + b" " * (80 << 20), 1)):  # whose it is, nobody can tell
        sentry(nobody, "").want(401, "login-needed")
    a = sentry(envelope(replay, 1, [], lambda b: zlib.compress(b" " * (101 << 20), 1))).want(413, "too-large")
    same(a.json["limit"]["name"], "unpacked-size", "the limit")


def rss(role):
    pid = next(json.loads(line)["pid"] for line in reversed(s.log().splitlines()) if f'"role.started","name":"{role}"' in line)
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@test("errors of sessions without events: few are kept, and of one public client only at a rate")
def _():
    def early(session, n, token):
        event = {"event_id": "e" * 30 + "00", "timestamp": T0 / 1000, "replay_id": session, "error_ids": [f"{session}-{i}" for i in range(n)]}
        body = json.dumps({"dsn": f"https://{token}@x.test/1"}).encode() + b'\n{"type":"replay_event"}\n' + json.dumps(event).encode()
        c = clients.setdefault(threading.get_ident(), Client(s))
        c.post("/api/1/envelope/", body, headers={"Content-Type": "text/plain"}).want(200)

    clients = {}
    before = rss("gate")
    for i in range(2500):
        early(f"early-{i}", 60, s.recorder.token)
    grown = rss("gate") - before
    true(grown < (16 << 20) * SLOW, f"{grown >> 20} MiB for 2,500 sessions of which nothing is known but links")
    sentry_lines = lambda session: sentry(envelope(session, 0, page(2)), "", {"X-Sentry-Auth": f"Sentry sentry_key={s.recorder.token}"}).want(200)
    sentry_lines("early-2499")
    same(len([x for x in found("replay:early-2499")[0]["links"] if x["type"] == "error"]), 15, "links of the newest, as many as are kept beside its own id")
    for i in range(80):
        early(f"page-{i}", 1, s.page.token)
    for session, links in (("page-0", 1), ("page-79", 0)):
        sentry(envelope(session, 0, page(2))).want(200)
        time.sleep(0.2)
        same(len([x for x in found(f"replay:{session}")[0]["links"] if x["type"] == "error"]), links, f"links of {session}")


# ---- rrweb's browser client ----

def lines(events):
    return "\n".join(json.dumps(e) for e in events).encode()


def rrweb(sid, events):
    return s.recorder.post(f"/recordings/{sid}/events", lines(events), headers={"Content-Type": "application/x-ndjson"})


@test("rrweb's client: lines; what it sends again beside new events is stored once")
def _():
    meta = {"type": 5, "data": {"tag": "recording-meta", "payload": {"domain": "shop.test"}}, "timestamp": T0}
    events = [meta] + page(4)
    h = {"Content-Type": "application/x-ndjson"}

    def send(part, sid="V1StGXR8_Z5jdHi6B-myT", client=None):
        return (client or s.recorder).post(f"/recordings/{sid}/events", lines(part), headers=h)

    same(send(events[:3]).want(200).json, {"type": "upstream-result", "ok": True}, "the answer")
    send(events[:5]).want(200)
    send(events).want(200)
    send(events[2:]).want(200)
    same_events(stored(found("session:V1StGXR8_Z5jdHi6B-myT")[0]["id"]), events, "events")
    send(events, client=Client(s)).want(401)
    send(events, sid="a%2Fb").want(404)
    s.recorder.post("/recordings/x/events", b'{"type":', headers=h).want(422)
    s.recorder.post("/recordings/x/events", b"\n", headers=h).want(422)


# ---- sessions over ends and restarts ----

@test("a session that goes on after an idle end begins another recording")
def _():
    ph(capture("ph-idle", page(2))).want(200)
    first = found("session:ph-idle")[0]["id"]
    same(len(stored(first, vanish=True)), 4, "the first")
    ph(capture("ph-idle", page(3, 30_000))).want(200)
    both = found("session:ph-idle", 2)
    same(len(stored([r["id"] for r in both if r["id"] != first][0])), 5, "the second")


@test("a session goes on over the death of the gate; its recording is the same")
def _():
    s.expect_ends = True
    replay = REPLAY.format(11)
    ph(capture("ph-kill", page(2))).want(200)
    sentry(envelope(replay, 0, page(2))).want(200)
    rrweb("rr-kill", page(3)).want(200)
    first = found("session:ph-kill")[0]["id"]
    s.kill("gate")

    def again():
        try:
            return ph(capture("ph-kill", clicks(3, 4000))).status == 200
        except OSError:
            return False
    until(again, 20, "the next gate", step=0.1)
    same(found("session:ph-kill")[0]["id"], first, "the recording")
    # what was taken before the death comes again: its client may not have heard the answer
    ph(capture("ph-kill", page(2))).want(200)
    ph(capture("ph-kill", clicks(3, 4000))).want(200)
    sentry(envelope(replay, 0, page(2))).want(200)
    sentry(envelope(replay, 1, clicks(2, 5000))).want(200)
    rrweb("rr-kill", page(3) + clicks(2, 6000)).want(200)
    same_events(stored(first), page(2) + clicks(3, 4000), "events")
    same_events(stored(found(f"replay:{replay}")[0]["id"]), page(2) + clicks(2, 5000), "segments")
    same_events(stored(found("session:rr-kill")[0]["id"]), page(3) + clicks(2, 6000), "lines")


@test("a recording that was made so is what the audit says")
def _():
    r = found("session:ph-1")[0]
    types = s.leaf_types(rid=r["id"])
    same((types[0], types.count("recording.linked") >= 1, "recording.sealed" in types), ("recording.created", True, True), "its records")


# ---- asciinema ----

def asciinema(*args, home, token=None):
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "ASCIINEMA_API_URL": s.url, "ASCIINEMA_INSTALL_ID": token or s.recorder.token,
           "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "SHELL": "/bin/bash", "TERM": "xterm-256color"}
    return subprocess.run(["asciinema", *args], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * SLOW)


@test("the real asciinema records and uploads; it plays")
def _():
    if shutil.which("asciinema") is None or shutil.which("script") is None:
        raise Skip("asciinema is not here")
    home = s.root / "asciinema"
    home.mkdir()
    cast = home / "a.cast"
    done = asciinema("rec", "-q", "-c", "echo a line of asciinema; echo another one", "--cols", "90", "--rows", "20", str(cast), home=home)
    same(done.returncode, 0, f"asciinema rec: {done.stdout} {done.stderr}")
    done = asciinema("upload", str(cast), home=home)
    same(done.returncode, 0, f"asciinema upload: {done.stdout} {done.stderr}")
    said = done.stdout + done.stderr
    true(f"{s.url}/r" in said, f"the address: {said}")
    rid = said.strip().split("/")[-1].strip()
    text = "".join(e[2] for e in stored(rid) if e[1] == "o")
    true("a line of asciinema" in text and "another one" in text, text)
    done = asciinema("upload", str(cast), home=home, token="kit_nobody")
    true(done.returncode == 1 and "Invalid or revoked install ID" in done.stderr + done.stdout, done.stderr)
    bad = home / "bad.cast"
    bad.write_text("no cast\n")
    done = asciinema("upload", str(bad), home=home)
    true(done.returncode == 1, "a file that is no recording")


@test("asciinema's form: cut, without its file, of another kind")
def _():
    def form(body, boundary="b1", auth=None, type=None):
        token = base64.b64encode(f"user:{auth or s.recorder.token}".encode()).decode()
        return Client(s).post("/api/asciicasts", body, headers={"Content-Type": type or f"multipart/form-data; boundary={boundary}", "Authorization": f"Basic {token}"})

    file = b'{"version":2,"width":80,"height":24}\n[0.1,"o","x"]\n'
    part = b'--b1\r\ncontent-disposition: form-data; name="asciicast"; filename="a.cast"\r\ncontent-type: application/octet-stream\r\n\r\n' + file
    other = b'--b1\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    form(part + b"\r\n--b1--\r\n").want(201)
    form(b"preamble\r\n" + other + part + b"\r\n" + other + b"--b1--\r\nepilogue").want(201)
    form(part).want(422)
    form(other + b"--b1--\r\n").want(422)
    form(part + b"\r\n--b1--", type="application/json").want(415)
    form(part, boundary="").want(415)
    Client(s).post("/api/asciicasts", b"", headers={"Content-Type": "multipart/form-data; boundary=b1"}).want(401)
    # asciinema 3: another path, another name in the form; what it asks for beside that says so in words that it shows
    basic = {"Authorization": "Basic " + base64.b64encode(f"user:{s.recorder.token}".encode()).decode(), "Accept": "application/json"}
    there = Client(s).post("/api/v1/recordings", part.replace(b'"asciicast"', b'"file"') + b"\r\n--b1--\r\n", headers={**basic, "Content-Type": "multipart/form-data; boundary=b1"})
    there.want(201)
    true(there.json["url"].endswith(there.json["id"]) and there.json["message"], str(there.json))
    same([e[2] for e in stored(there.json["id"])], ["x"], "what it sent")
    Client(s).post("/api/v1/recordings", part + b"\r\n--b1--\r\n", headers={**basic, "Content-Type": "multipart/form-data; boundary=b1"}).want(422)
    Client(s).post("/api/v1/streams", b"{}", headers={**basic, "Content-Type": "application/json"}).want(404)
    Client(s).get("/api/v1/user/streams?prefix=&limit=10", headers=basic).want(404)
    s.recorder.post("/v1/import", file, headers={"Authorization": "Basic " + base64.b64encode(f"u:{s.recorder.token}".encode()).decode()}).want(401)


sys.exit(test.run())
