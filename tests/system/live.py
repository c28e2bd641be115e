#!/usr/bin/env python3
"""Recordings that are being made: batches in every shape and coding, in order and out of it, twice at once, cut, too large, of
the wrong people, while the keeper is away, over the death of the gate; and what comes out is what was acknowledged, event by
event."""
import ctypes
import gzip
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import sys
import threading
import time
import zlib

from _server import (DATA, SLOW, SRC, Client, Failed, Server, Skip, Tests, cast, cast_events, have_zstd, rrweb_events, same, true, until,
                     verify_log, zstd)

sys.path.insert(0, str(SRC / "tests" / "vectors"))
import recordings as reader  # noqa: E402

test = Tests()
s = Server(config="gate { threads = 2 }\nstore { seal_bytes = 64KiB }").cast()
other = s.ingest(s.project("elsewhere"))
MIB = 1 << 20
HEAD = {"version": 2, "width": 80, "height": 24}


class Live:
    """One recording being made."""

    def __init__(self, client=None, kind="terminal", server=None, **form):
        self.server = server or s
        self.client = client or self.server.recorder
        self.at, self.kind = 0, kind
        a = self.client.post("/v1/recordings", {"kind": kind, **form}).want(201).json
        same(a["next_batch"], 0, "the first batch")
        self.id, self.project = a["id"], a["project"]

    def send(self, body, number=None, client=None, coding=None, **k):
        """One batch; the answer as it came."""
        h = {"Batch-Seq": str(self.at if number is None else number), "Content-Type": "application/x-ndjson"}
        if coding:
            h["Content-Encoding"] = coding
        if isinstance(body, list):
            body = "".join(line + "\n" for line in body)
        body = body.encode() if isinstance(body, str) else body
        a = (client or self.client).post(f"/v1/recordings/{self.id}/events", body, headers=h, **k)
        if a.status == 200 and number is None:
            self.at = a.json["next_batch"]
        return a

    def add(self, body, **k):
        a = self.send(body, **k).want(200).json
        same((a["batch"], a["next_batch"]), (self.at - 1, self.at), "numbers of a batch")
        return a["durable_seq"]

    def end(self, body=None, client=None, **k):
        return (client or self.client).post(f"/v1/recordings/{self.id}/end", body, **k)

    def done(self):
        return self.end().want(200).json

    def events(self):
        """What a viewer is given of it, as stored."""
        x = self.server.keyed(self.id, ["play"])
        lines = x.get(f"{x.path}/events").want(200).text.split("\n")[:-1]
        end = json.loads(lines[-1])["end"]
        same(end["code"], 1000, f"the end of {self.id}")
        return lines[1:-1]

    def row(self):
        return self.server.viewer.get(f"/v1/recordings/{self.id}").want(200).json


def pieces(rid, server=None):
    db = sqlite3.connect(f"file:{(server or s).dir}/meta/keyhole.db?mode=ro", uri=True, timeout=10)
    try:
        return db.execute("SELECT seg_no, kn, kind, first_seq, n_events, first_chunk, n_chunks FROM piece WHERE rid = ? ORDER BY first_seq, seg_no",
                          (rid,)).fetchall()
    finally:
        db.close()


def gate_memory():
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{s.roles()['gate']}/status").read_text())[1]) // 1024


def in_parts(items, rng, most=40):
    out, at = [], 0
    while at < len(items):
        n = rng.randint(1, most)
        out.append(items[at:at + n])
        at += n
    return out


# ---- the way ----

@test("a terminal: listed at once, batches acknowledged, ended, and read back as it was sent")
def _():
    lines = cast_events(300)
    r = Live(title="A live one", tags={"a": "b"}, links=[{"type": "ticket", "id": "SUP-1"}], head={**HEAD, "title": "canary-head"},
             started_at="2026-11-22T01:30:00.000Z")
    row = r.row()
    same((row["live"], row["title"], row["tags"], row["started_at"]), (True, "A live one", {"a": "b"}, "2026-11-22T01:30:00.000Z"), "its row")
    seq = 0
    for part in in_parts(lines, random.Random(1)):
        seq += len(part)
        same(r.add(part), seq - 1, "durable_seq")
    a = r.done()
    same((a["id"], a["kind"], a["project"], a["events"], a["duration_ms"]), (r.id, "terminal", r.project, 300, 29900), "the answer of the end")
    same(a["bytes"], sum(len(x) + 1 for x in lines), "bytes")
    same(r.row()["live"], False, "live after the end")
    same(r.events(), lines, "events")
    same(r.done(), a, "the end again")
    true(any(l["type"] == "recording.sealed" and l["rid"] == r.id for _, l in s.leaves(r.project)), "no recording.sealed")


@test("rrweb: an array, {events}, and lines; the first timestamp is time 0")
def _():
    lines = rrweb_events(60)
    r = Live(kind="rrweb")
    same(r.add("[" + ",".join(lines[:10]) + "]"), 9, "array")
    same(r.add('{"events": [' + ", ".join(lines[10:30]) + "]}"), 29, "{events}")
    same(r.add(lines[30:]), 59, "lines")
    same(r.add("[]"), 59, "an empty array")
    a = r.done()
    same((a["kind"], a["events"], a["duration_ms"]), ("rrweb", 60, 5900), "the end")
    same(r.events(), lines, "events")
    k = s.keyed(r.id)
    same(k.manifest()["base_ms"], 1700000000000, "base_ms")


@test("asciicast lines with their header; version 3 makes the times of all batches intervals")
def _():
    r = Live()
    r.add(cast(10))
    r.add(cast_events(20)[10:])
    r.done()
    same(r.events(), cast_events(20), "v2")
    r = Live()
    r.add(['{"version":3,"term":{"cols":100,"rows":30}}', '[0.5, "o", "a"]', '# a comment', '[0.25, "o", "b"]'])
    r.add(['[1, "o", "c"]', '[0.125, "m", "here"]'])
    same(r.done()["duration_ms"], 1875, "duration")
    same(r.events(), ['[0.5,"o","a"]', '[0.75,"o","b"]', '[1.75,"o","c"]', '[1.875,"m","here"]'], "v3")
    m = s.keyed(r.id).manifest()
    same((m["head"]["cols"], m["head"]["rows"], [x["label"] for x in m["markers"]]), (100, 30, ["here"]), "size, markers")
    r = Live()
    r.add([cast_events(1)[0]])
    same(r.send(json.dumps(HEAD)).want(422).code, "import-broken", "a header later")
    r.add(cast_events(2)[1:])


@test("all content codings, chunked or with a length; what is broken in them is refused and leaves nothing")
def _():
    lines = cast_events(600, text="line {} of many that are all alike\r\n")
    r = Live()
    codings = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": lambda b: b}
    if have_zstd():
        codings["zstd"] = zstd
    parts = [lines[i:i + 100] for i in range(0, 600, 100)]
    for i, part in enumerate(parts):
        name, pack = list(codings.items())[i % len(codings)]
        body = pack("".join(x + "\n" for x in part).encode())
        if name != "identity":
            for broken in (body[:-3], body[:len(body) // 2], b"\0" + body, b""):
                same(r.send(broken, coding=name).want(422).code, "import-broken", f"broken {name}")
        same(r.send(body, coding="br").want(415).code, "unsupported-encoding", "br")
        r.add(iter([body]) if i % 2 else body, coding=name)
    r.done()
    same(r.events(), lines, "events")


@test("many recorders at once on both loops, each with batches of its own size")
def _():
    lines = cast_events(400, 0.01, pad=300)
    troubles, made = [], []

    def one(n):
        try:
            rng, client = random.Random(n), Client(s, token=s.recorder.token)
            r = Live(client)
            seq = 0
            for part in in_parts(lines, rng, 30):
                seq += len(part)
                # sometimes on a connection of its own, which is on either loop
                same(r.add(part, fresh=rng.random() < 0.5), seq - 1, "durable_seq")
            same(r.done()["events"], 400, "events")
            made.append(r)
        except Exception as e:
            troubles.append(f"{type(e).__name__} {e}")
    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    true(not troubles, troubles[:3])
    for r in made[:4]:
        same(r.events(), lines, "events")


@test("it is sealed as it grows, and small segments are joined at the end")
def _():
    lines = cast_events(2000, 0.01, pad=200, text="{} " + os.urandom(60).hex())
    rng = random.Random(5)
    r = Live()
    for part in [lines[i:i + 100] for i in range(0, 1900, 100)]:
        noisy = [json.dumps([json.loads(x)[0], "o", rng.randbytes(120).hex()]) for x in part]
        lines[r.at * 100:r.at * 100 + 100] = [x.replace(", ", ",") for x in noisy]
        r.add(noisy)
    until(lambda: len(pieces(r.id)) > 1, 5, "pieces while it is live")
    r.add(lines[1900:])
    for _ in range(3):
        r.add("")
    a = r.done()
    same(a["events"], 2000, "events")
    rows = pieces(r.id)
    same(sum(p[4] for p in rows), 2000, "events in pieces")
    at = chunk = 0
    for p in rows:
        same((p[3], p[5]), (at, chunk), "pieces follow each other")
        at, chunk = at + p[4], chunk + p[6]
    same(len(list((s.dir / "blobs").rglob(f"{r.id}/*"))), len(rows), "files and rows")
    same([json.loads(x) for x in r.events()], [json.loads(x) for x in lines], "events")


@test("a recording without anything, and one with a head only")
def _():
    r = Live()
    same((r.done()["events"], r.row()["events"]), (0, 0), "nothing")
    r = Live(head=HEAD)
    same(r.done()["events"], 0, "a head only")
    same(s.keyed(r.id).manifest()["head"]["cols"], 80, "its head")


# ---- what is wrong ----

@test("what a beginning may not say: every mistake is named")
def _():
    def begin(body, status=422, code="invalid", **h):
        return s.recorder.post("/v1/recordings", body, headers=h or None).want(status, code).json

    def errors(body):
        return {(e["at"], e["code"]) for e in begin(body)["errors"]}

    same(errors({}), {("/kind", "missing")}, "nothing")
    same(errors({"kind": "film"}), {("/kind", "not-one-of")}, "kind")
    same(errors({"kind": 1, "title": 2, "tags": [], "links": {}, "started_at": 5, "head": "x"}),
         {("/kind", "type"), ("/title", "type"), ("/tags", "type"), ("/links", "type"), ("/started_at", "type"), ("/head", "type")}, "types")
    same(errors({"kind": "terminal", "title": "x" * 201, "subject": "é" * 201, "session": "x" * 201, "class": "x" * 65}),
         {("/title", "too-long"), ("/subject", "too-long"), ("/session", "too-long"), ("/class", "too-long")}, "lengths")
    same(errors({"kind": "terminal", "colour": "red", "started_at": "yesterday"}), {("/", "unknown"), ("/started_at", "pattern")}, "others")
    same(errors({"kind": "terminal", "tags": {f"t{i}": "" for i in range(33)}}), {("/tags", "too-long")}, "33 tags")
    same(errors({"kind": "terminal", "links": [{"type": "a", "id": "b"}] * 33}), {("/links", "too-long")}, "33 links")
    same(errors({"kind": "terminal", "links": [{"type": "a"}]}), {("/links", "type")}, "half a link")
    same(errors({"kind": "terminal", "head": {"version": 7}}), {("/head", "pattern")}, "a head of no version")
    same(errors({"kind": "rrweb", "head": {"x": ["y" * 60000] * 5}}), {("/head", "too-long")}, "a large head")
    begin(b"{", 400, "bad-json", **{"Content-Type": "application/json"})
    begin(b'{"kind":"terminal","kind":"rrweb"}', 400, "bad-json", **{"Content-Type": "application/json"})
    begin(b"kind=terminal", 415, "unsupported-media-type", **{"Content-Type": "application/x-www-form-urlencoded"})
    begin({"kind": "terminal", "env": "nowhere"})
    a, b, c = (s.recorder.post("/v1/recordings", {"kind": k}, headers={"Idempotency-Key": "one"}) for k in ("rrweb", "rrweb", "terminal"))
    same((a.want(201).json, c.code), (b.want(201).json, "idempotency-mismatch"), "the same beginning twice")
    same(Live(title="x" * 200, subject="é" * 200, tags={f"t{i}": "v" for i in range(32)}).row()["title"], "x" * 200, "at the limits")


@test("broken batches: the line and the cause; nothing of them is kept, and the right one comes next")
def _():
    r = Live(head=HEAD)
    good = cast_events(30)
    for what, body, line in (
            ("no JSON", "hello\n", 1), ("a cut line", good[0] + "\n" + good[1][:-3], 2), ("an object", good[0] + '\n{"a":1}\n', 2),
            ("no number", '["x","o","a"]\n', 1), ("two elements", '[1,"o"]\n', 1), ("negative", '[-1,"o","a"]\n', 1),
            ("bad UTF-8", b'[0.1,"o","\xff"]\n', 1), ("deep", '[0.1,"o",' + "[" * 200 + "]" * 200 + "]\n", None),
            ("not an array's end", "[" + ",".join(good[:5]), None), ("an asciicast of another version", '{"version":9}\n', None)):
        a = r.send(body)
        true(a.status in (413, 422), f"{what}: {a}")
        if line:
            same(a.json["line"], line, f"{what}: line")
        true(a.json.get("cause") and "trace_id" in a.json, f"{what}: no cause: {a}")
    w = Live(kind="rrweb")
    for what, body in (("a number", "[5]"), ("no type", '[{"timestamp":5}]'), ("no object", '{"events":5}')):
        same(w.send(body).want(422).code, "import-broken", what)
    w.add(rrweb_events(3))
    r.add(good)
    r.done()
    same(r.events(), good, "events")


@test("Batch-Seq: missing, no number, twice, too large")
def _():
    r = Live()
    path, body = f"/v1/recordings/{r.id}/events", cast_events(1)[0].encode()
    for h, code in (({}, "missing"), ({"Batch-Seq": "x"}, "pattern"), ({"Batch-Seq": "-1"}, "pattern"), ({"Batch-Seq": ""}, "pattern"),
                    ({"Batch-Seq": "1.0"}, "pattern"), ({"Batch-Seq": "9" * 30}, "pattern"), ({"Batch-Seq": "0, 0"}, "pattern")):
        e = s.recorder.post(path, body, headers=h).want(422, "invalid").json["errors"]
        same((e[0]["at"], e[0]["code"]), ("Batch-Seq", code), f"{h}")
    r.add(cast_events(1))


@test("a batch twice, an old one, and a gap")
def _():
    r, lines = Live(), cast_events(40)
    r.add(lines[:10])
    r.add(lines[10:20])
    for n in (0, 1):
        for body in (lines[n * 10:n * 10 + 10], "not looked at", b"\xff" * 100):
            a = r.send(body, number=n).want(200).json
            same((a["batch"], a["next_batch"], a["durable_seq"]), (n, 2, 19), f"batch {n} again")
    for n in (3, 4, 1000, 2**53):
        same(r.send(lines[20:30], number=n).want(409, "batch-gap").json["next_batch"], 2, f"batch {n}")
    r.add(lines[20:])
    same(r.end({"batches": 4}).want(409, "batch-gap").json["next_batch"], 3, "an end that knows of more")
    r.add([])
    r.end({"batches": 4}).want(200)
    same(r.events(), lines, "events")


@test("the same batch twice at once on two connections: one is kept, both are answered alike")
def _():
    lines = cast_events(2000, 0.001, pad=2000)
    for turn in range(6):
        r, answers = Live(), []
        body = "".join(x + "\n" for x in lines[:[10, 2000][turn % 2]]).encode()
        clients = [Client(s, token=s.recorder.token) for _ in range(8)]
        gate = threading.Barrier(len(clients))

        def one(c):
            gate.wait()
            answers.append(r.send(body, number=0, client=c, fresh=True))
        threads = [threading.Thread(target=one, args=(c,)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same({(a.status, a.text) for a in answers}, {(200, answers[0].text)}, "answers")
        r.at = 1
        same(r.done()["events"], [10, 2000][turn % 2], "events")


@test("batches sent ahead on several connections arrive in order or are told what is missing")
def _():
    lines = cast_events(500, 0.01)
    r, left = Live(), list(range(50))
    lock = threading.Lock()

    def one():
        c = Client(s, token=s.recorder.token)
        while True:
            with lock:
                if not left:
                    return
                n = left.pop(0)
            for _ in range(2000):
                a = r.send(lines[n * 10:n * 10 + 10], number=n, client=c)
                if a.status == 200:
                    break
                a.want(409, "batch-gap")
                true(a.json["next_batch"] <= n, "next_batch")
                time.sleep(0.002)
    threads = [threading.Thread(target=one) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    r.done()
    same(r.events(), lines, "events")


@test("ends at once on several connections, among batches: every one hears the same, and that all that was acknowledged is in it")
def _():
    for turn in range(12):
        r, ends, acked = Live(), [], [0]
        r.add(cast_events(1))

        def batches():
            for n in range(1, 6):
                a = r.send([f'[{n},"o","more"]'], number=n, client=Client(s, token=s.recorder.token))
                true(a.status == 200 or a.code in ("recording-ended", "batch-gap"), f"{a}")
                if a.status == 200:
                    acked.append(a.json["durable_seq"])

        def end(after):
            time.sleep(after)
            ends.append(r.end(client=Client(s, token=s.recorder.token)))
        threads = [threading.Thread(target=f, args=x) for f, x in [(batches, ()), (batches, ())] + [(end, (turn % 4 * 0.003,))] * 3]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same({(a.status, a.text) for a in ends}, {(200, ends[0].text)}, "the ends")
        true(ends[0].json["events"] > max(acked), f"{ends[0]}, acknowledged up to {max(acked)}")


@test("a batch of 26 MiB, an event of 17 MiB, a bomb: refused, memory bounded, the recording goes on")
def _():
    r, rng = Live(), random.Random(3)
    before = gate_memory()
    start = f"POST /v1/recordings/{r.id}/events HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {s.recorder.token}\r\nBatch-Seq: 0\r\n"
    out = s.raw(f"{start}Content-Length: {26 * MIB}\r\n\r\n".encode())
    true(b" 413 " in out[:20] and b"too-large" in out and b"batch-size" in out, f"26 MiB with a length: {out[:300]}")
    out = s.raw(f"{start}Transfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n" % (25 * MIB + 1) + b" " * (25 * MIB + 1))
    true(b" 413 " in out[:20] and b"too-large" in out, f"26 MiB in chunks: {out[:300]}")
    noise = "".join(rng.choices("abcdefgh", k=17 * MIB // 8)) * 8
    a = r.send(gzip.compress(f'[0,"o","{noise}"]\n'.encode(), 1), coding="gzip").want(413, "too-large").json
    same(a["limit"]["name"], "event-too-large", "17 MiB")
    bombs = {"gzip": gzip.compress(b'[0,"o","x"]\n' * 200) + gzip.compress(b" " * (110 * MIB), 9)}
    if have_zstd():
        bombs["zstd"] = zstd((b'[0,"o","' + b"x" * 990 + b'"]\n') * (110 * MIB // 1000))
    for coding, bomb in bombs.items():
        a = r.send(bomb, coding=coding)
        true(a.status == 413 and a.json["limit"]["name"] == "unpacked-size", f"{coding} bomb of {len(bomb)} bytes: {a}")
    big = [f'[{i},"o","{noise[i:i + MIB]}"]' for i in range(20)]
    same(r.add(big), 19, "20 MiB are taken")
    same(r.add([f'[20,"o","{noise[:15 * MIB]}"]']), 20, "an event of 15 MiB")
    same(r.done()["events"], 21, "events")
    same([len(x) for x in r.events()], [len(x) for x in big] + [15 * MIB + 11], "events")
    true(gate_memory() - before < 400 * SLOW, f"the gate grew from {before} to {gate_memory()} MiB")


@test("millions of markers, of keyframes, of sizes: few segments, and a manifest that can be read")
def _():
    for kind, line, n in (("terminal", '[0,"m","x"]', 2_000_000), ("terminal", '[0,"r","80x24"]', 500_000),
                          ("rrweb", '{"type":2,"data":{},"timestamp":1700000000000}', 500_000)):
        r = Live(kind=kind)
        r.add(gzip.compress((line + "\n").encode() * n, 1), coding="gzip")
        same(r.done()["events"], n, "events")
        true(len(pieces(r.id)) < 200, f"{len(pieces(r.id))} pieces for {n} times {line}")
        m = s.keyed(r.id).manifest()
        true(0 < len(m["markers"]) + len(m["keyframes"]) <= 2 * 16384, f"{len(m['markers'])} markers, {len(m['keyframes'])} keyframes")


@test("half a batch and a cut connection: nothing of it is kept")
def _():
    r, lines = Live(), cast_events(100)
    body = "".join(x + "\n" for x in lines).encode()
    start = f"POST /v1/recordings/{r.id}/events HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {s.recorder.token}\r\nBatch-Seq: 0\r\n"
    s.raw(f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body[:700], half_close=True)
    s.raw(f"{start}Transfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n" % len(body) + body, half_close=True)
    s.raw(f"{start}Transfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n%s\r\n" % (len(body), body), half_close=True)
    a = r.send(lines[:10], number=1).want(409, "batch-gap")
    same(a.json["next_batch"], 0, "nothing was kept")
    r.add(lines)
    r.done()
    same(r.events(), lines, "events")


@test("times that go back: seek times do not, the events are as they came")
def _():
    r = Live()
    r.add(['[5,"o","a"]', '[3,"o","b"]'])
    r.add(['[1,"o","c"]', '[6,"o","d"]', '[2,"m","mark"]'])
    same(r.done()["duration_ms"], 6000, "duration")
    same(r.events(), ['[5,"o","a"]', '[3,"o","b"]', '[1,"o","c"]', '[6,"o","d"]', '[2,"m","mark"]'], "events")
    w = Live(kind="rrweb")
    lines = rrweb_events(6)
    back = [lines[0], lines[1], lines[5], lines[3]]
    w.add(back[:3])
    w.add(back[3:])
    same(w.done()["duration_ms"], 500, "duration")
    same(w.events(), back, "events")


@test("an ended recording gets more: 409; one that is not there, another project's, no token: told apart from nothing")
def _():
    r, lines = Live(), cast_events(10)
    r.add(lines)
    r.done()
    for n in (0, 1, 5):
        r.send(lines, number=n).want(409, "recording-ended")
    same(r.end({"batches": 7}).status in (200, 409), True, "an end with another number")
    q = Live()
    q.add(lines)
    for rid in (q.id, r.id, "r_" + "A" * 16):
        for path in (f"/v1/recordings/{rid}/events", f"/v1/recordings/{rid}/end"):
            a = other.post(path, b"", headers={"Batch-Seq": "1"}).want(404, "not-found")
            true(q.project not in a.text, "the project is named")
    for rid in ("r_" + "A" * 16, "r_x", "x", "r_" + "A" * 17):
        s.recorder.post(f"/v1/recordings/{rid}/events", b"", headers={"Batch-Seq": "0"}).want(404, "not-found")
        s.recorder.post(f"/v1/recordings/{rid}/end", b"").want(404, "not-found")
    for token in ("kit_" + "A" * 43, s.viewer.token, s.admin_token, "nonsense"):
        for path in ("/v1/recordings", f"/v1/recordings/{q.id}/events", f"/v1/recordings/{q.id}/end"):
            a = Client(s, token=token).post(path, {"kind": "terminal"}, headers={"Batch-Seq": "1"})
            true(a.status in (401, 403), f"{path} with {token[:6]}: {a}")
    same(Client(s).post(f"/v1/recordings/{q.id}/end").want(401).headers["www-authenticate"][:6], "Bearer", "challenge")
    q.add(lines)
    same(q.done()["events"], 20, "it went on")


@test("another token of the same project may go on with it; one that is revoked may not, at once")
def _():
    mine, second = s.ingest(), s.ingest()
    r, lines = Live(mine), cast_events(60)
    r.add(lines[:20])
    r.add(lines[20:40], client=second)
    token = s.admin.get("/v1/tokens?kind=ingest").want(200).json["items"]
    ids = [t["id"] for t in token]
    before = set(ids)
    mine_id = next(t["id"] for t in sorted(token, key=lambda t: t["created_at"])[-2:-1])
    s.admin.call("DELETE", f"/v1/tokens/{mine_id}").want(204)
    until(lambda: r.send(lines[40:50], number=99).status == 401, 1, "401 after the revocation")
    r.send(lines[40:50]).want(401, "login-needed")
    mine.post("/v1/recordings", {"kind": "terminal"}).want(401, "login-needed")
    mine.post(f"/v1/recordings/{r.id}/end").want(401, "login-needed")
    r.add(lines[40:], client=second)
    r.end(client=second).want(200)
    same(r.events(), lines, "events")
    true(before, "tokens")


# ---- bad luck ----

@test("the keeper stops, or dies: open recordings go on, what needs it is 503 with Retry-After, and nothing is lost")
def _():
    s.expect_ends = True
    lines = cast_events(900, 0.01, pad=900, text=os.urandom(40).hex() + " {}\r\n")
    for how in (signal.SIGSTOP, signal.SIGKILL):
        r, q = Live(), Live()
        r.add(lines[:100])
        pid = s.kill("keeper", how)
        try:
            if how == signal.SIGSTOP:
                time.sleep(3.3)
            began = time.monotonic()
            for i in range(100, 500, 50):
                r.add(lines[i:i + 50])
            true(time.monotonic() - began < 3 * SLOW, "batches wait for the keeper")
            if how == signal.SIGSTOP:
                for a in (s.recorder.post("/v1/recordings", {"kind": "terminal"}),
                          s.recorder.post(f"/v1/recordings/r_{'A' * 16}/events", b"", headers={"Batch-Seq": "0"}),
                          Client(s, token="kit_" + "B" * 43).post(f"/v1/recordings/{r.id}/events", b"", headers={"Batch-Seq": "9"})):
                    true(a.want(503, "keeper-unavailable").headers["retry-after"], "Retry-After")
        finally:
            if how == signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)
        until(lambda: s.roles().get("keeper") and s.ready(), 10, "a keeper")
        for i in range(500, 900, 100):
            r.add(lines[i:i + 100])
        same(until(lambda: r.end().status == 200 and r.done(), 10, "the end")["events"], 900, "events")
        same(r.events(), lines, "events")
        until(lambda: q.end().status == 200, 10, "the end of the quiet one")


@test("the gate dies: everything acknowledged is there once, in order; the recorder goes on; over and over")
def _():
    s.expect_ends = True
    rng = random.Random(11)
    lines = cast_events(3000, 0.01, text="line {} " + "." * 100 + "\r\n")  # text that is over: what is left open when the gate dies is masked
    r, parts = Live(head=HEAD), in_parts(lines, rng, 60)
    acked, kills, n = 0, 0, 0
    while n < len(parts):
        try:
            a = r.send(parts[n], number=n, timeout=5)
        except Exception as e:
            true(isinstance(e, OSError) or "http.client" in type(e).__module__, f"{type(e).__name__} {e}")
            time.sleep(0.02)
            continue
        if a.status == 200:
            acked = max(acked, a.json["durable_seq"] + 1)
            n = a.json["next_batch"]
        elif a.status == 409:
            n = a.json["next_batch"]
            true(sum(map(len, parts[:n])) >= acked, f"batch {n} is asked for again, {acked} events were acknowledged")
        else:
            true(a.status == 503 and "retry-after" in a.headers, f"{a}")
            time.sleep(0.02)
        if kills < 4 and n == (kills + 1) * len(parts) // 5:
            s.kill("gate")
            kills += 1
    same(kills, 4, "kills")
    until(lambda: r.end().status == 200, 10, "the end")
    same(r.events(), lines, "events")
    kinds = {p[2] for p in pieces(r.id)}
    true(2 in kinds, f"no recovered piece: {kinds}")
    true(len({p[1] for p in pieces(r.id)}) > 1, "one key for all")
    verify_log(s, s.project())


@test("real recordings in batches: what comes out is what went in, event by event")
def _():
    files = [p for folder in ("asciicast", "rrweb") for p in sorted((DATA / folder).rglob("*")) if p.is_file() and p.stat().st_size < 3 * MIB] \
        if DATA.is_dir() else []
    if not files:
        raise Skip("no recordings beside the checkout")
    rng, done = random.Random(7), {"rrweb": 0, "terminal": 0}
    for path in rng.sample(files, len(files)):
        if min(done.values()) >= 12 or sum(done.values()) >= 60:
            break
        a = s.upload(path.read_bytes(), "A file")
        if a.status != 201 or not a.json["events"] or done[a.json["kind"]] >= 30:
            continue
        kind, fmt = a.json["kind"], a.json["format"]
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        if fmt == "asciicast-v1":
            continue
        if kind == "terminal":
            head, events = reader.cast_lines(text, int(fmt[-1]))
            events = [stored for _, _, stored in events]
            sent = [line for line in text.split("\n") if line.strip() and not (fmt == "asciicast-v3" and line.startswith("#"))]
        else:
            _, events, _ = reader.rrweb(text)
            sent = events = [stored for _, _, stored in events]
        r = Live(kind=kind, title=path.name[:100])
        for part in in_parts(sent, rng, 200):
            if kind == "rrweb":
                r.add(rng.choice(["[{}]", '{{"events":[{}]}}']).format(",".join(part)), coding=None)
            else:
                r.add(gzip.compress("".join(x + "\n" for x in part).encode()), coding="gzip")
        e = r.done()
        same((e["events"], e["duration_ms"]), (len(events), a.json["duration_ms"]), f"{path.name}: events, duration")
        got = r.events()
        same(len(got), len(events), f"{path.name}: events")
        for i, (one, want) in enumerate(zip(got, events)):
            true(one == want or reader.alike(one, want), f"{path.name}: event {i}: got {one[:300]!r}, want {want[:300]!r}")
        done[kind] += 1
    true(min(done.values()) > 0, f"{done}")


@test("bodies that are sent by half: a token that holds its share keeps nobody else out, and gets it back when they go")
def _():
    size, many = 24 << 20, 6
    other, half = s.ingest(), []
    mine, its = Live(), Live(client=other)
    for n in range(many):
        c = socket.create_connection(("127.0.0.1", s.port))
        c.sendall(f"POST /v1/recordings/{mine.id}/events HTTP/1.1\r\nHost: localhost:{s.port}\r\nAuthorization: Bearer {s.recorder.token}\r\nBatch-Seq: {n}\r\n"
                  f"Content-Type: application/x-ndjson\r\nContent-Length: {size}\r\n\r\n".encode())
        half.append(c)
        if n < many - 1:
            c.sendall(b" " * (size - 1))
    line = json.dumps([0.1, "o", "x" * 200_000])
    big = (line + "\n").encode()
    # five of them hold all but 8 MiB of what a token may have
    half[-1].settimeout(15)
    half[-1].sendall(b" " * (9 << 20))
    true(b" 503 " in half[-1].recv(65536).split(b"\r\n")[0], "the sixth is refused in its midst")
    its.add([line])
    mine.add([json.dumps([0.1, "o", "small"])])
    for c in half:
        c.close()
    until(lambda: mine.send([line]).status == 200, 10, "a large one again")


@test("a recorder that vanishes: what it sent is sealed, and the recording is complete")
def _():
    v = Server(config="gate { threads = 2 }\nlive { vanish_after = 2s\n max_open = 3 }\nstore { seal_after = 1s }").cast()
    r = Live(server=v, client=v.recorder)
    r.add(cast_events(10))
    until(lambda: len(pieces(r.id, v)) == 1, 4, "a piece after seal_after")
    r.add(cast_events(20)[10:])
    until(lambda: not r.row()["live"], 8, "the end")
    same(r.events(), cast_events(20), "events")
    r.send(cast_events(1)).want(409, "recording-ended")
    same(r.done()["events"], 20, "an end that comes late")
    sealed = v.wait_leaf(lambda l: l["type"] == "recording.sealed" and l.get("rid") == r.id, what="recording.sealed")
    true("vanished" in json.dumps(sealed), f"{sealed}")
    many = [Live(server=v, client=v.recorder) for _ in range(3)]
    true(v.recorder.post("/v1/recordings", {"kind": "terminal"}).want(429, "too-many-open").headers["retry-after"], "Retry-After")
    many[0].done()
    Live(server=v, client=v.recorder).done()
    Live(server=v, client=v.ingest()).done()
    mine = v.ingest()
    q = Live(server=v, client=mine)
    q.add(cast_events(3))
    token = sorted(v.admin.get("/v1/tokens?kind=ingest").want(200).json["items"], key=lambda t: t["created_at"])[-1]["id"]
    v.admin.call("DELETE", f"/v1/tokens/{token}").want(204)
    until(lambda: q.send(cast_events(1), number=9).status == 401, 1, "401")
    until(lambda: not q.row()["live"], 8, "its recording ends like one that has vanished")
    same(q.events(), cast_events(3), "events")


@test("a server that is told to stop keeps what it acknowledged, and the recorder goes on with the next")
def _():
    r, lines = Live(), cast_events(50)
    r.add(lines[:20])
    same(s.stop(), 0, "the exit status")
    s.start()
    until(lambda: r.send(lines[20:40]).status == 200, 10, "the batch after the restart")
    r.add(lines[40:])
    r.done()
    same(r.events(), lines, "events")


def small_disk(path, size):
    """A file system of its own at path, seen by this thread and what it starts; gone with them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(0x00020000) != 0 or libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) != 0 or \
            libc.mount(b"none", str(path).encode(), b"tmpfs", 0, f"size={size},mode=0700".encode()) != 0:
        raise Skip("no file system can be mounted here")


@test("a full disk: 503 ingest-space and Retry-After, nothing acknowledged, and it goes on by itself")
def _():
    d = Server(config="gate { threads = 2 }\nstore { seal_bytes = 1MiB }", start=False)  # nothing is sealed meanwhile
    d.expect_errors = {"live.not-sealed", "reclog.full", "log.full"}
    (d.dir / "log").mkdir(mode=0o700, exist_ok=True)
    (d.dir / "blobs").mkdir(mode=0o700, exist_ok=True)
    small_disk(d.dir / "log", 3 * MIB)
    small_disk(d.dir / "blobs", 10 * MIB)
    d.start().cast()
    rng = random.Random(2)
    noise = [json.dumps([i / 10, "o", rng.randbytes(3000).hex()]).replace(", ", ",") for i in range(100)]
    r, q = Live(server=d, client=d.recorder), Live(server=d, client=d.recorder)
    r.add(noise[:50])
    # the log's own disk is full, the other is not: the append fails
    ballast = d.dir / "log" / "ballast"
    ballast.write_bytes(b"\0" * (3 * MIB - sum(p.stat().st_size for p in (d.dir / "log").glob("*.khl")) - 32768))
    for _ in range(3):
        a = r.send(noise[50:]).want(503, "ingest-space")
        true(int(a.headers["retry-after"]) > 0, "Retry-After")
    q.send(noise[:50]).want(503, "ingest-space")
    true(d.ready(), "it does not answer any more")
    ballast.unlink()
    until(lambda: r.send(noise[50:]).status == 200, 10, "it goes on")
    q.add(noise[:50])
    # less than a tenth of the store's disk is free: recording gives way before
    ballast = d.dir / "blobs" / "ballast"
    ballast.write_bytes(b"\0" * (9 * MIB + MIB // 4))
    until(lambda: r.send(cast_events(1)).status == 503, 3, "503")
    a = d.recorder.post("/v1/recordings", {"kind": "terminal"}).want(503, "ingest-space")
    true(int(a.headers["retry-after"]) > 0, "Retry-After")
    ballast.unlink()
    until(lambda: q.send(noise[50:]).status == 200, 5, "it goes on")
    until(lambda: r.end().status == 200 and q.end().status == 200, 15, "the ends")
    same(r.events()[:100], noise, "events")
    same(q.events(), noise, "events")


test.run()
