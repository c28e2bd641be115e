#!/usr/bin/env python3
"""The server over HTTP/2: foreign clients, a whole gated replay on one connection, ends that cut one stream, slow readers, and
what attackers do to HTTP/2, with somebody else being served meanwhile."""
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import threading
import time

from _http2 import (ACK, BIG, CALM, CANCEL, CONT, DATA, END_HEADERS, END_STREAM, H2, HEADERS, PING, PREFACE, PRIORITY, RST,
                    SETTINGS, WINDOW, frame, hpack, setting)
from _server import SLOW, Client, Server, Skip, Tests, cast, cast_events, covered, leased, same, true, until

test = Tests()
plain = Server(config='key { bearer_life = 30s } limits { write_stall = 3s header_time = 3s }').cast()
tls = Server(tls=True).cast()
LINES, WIDE = cast_events(200, 0.1), cast_events(200, 0.05, pad=4000)
plain.first, plain.second_one = plain.add(cast(200), "First"), plain.add(cast(200), "Second")
plain.wide = plain.add(cast(200, 0.05, pad=4000), "Wide")
tls.first = tls.add(cast(200), "First")


def curl(*args):
    done = subprocess.run(["curl", "-sS", "-o", os.devnull, "-w", "%{http_version} %{http_code} %{size_download}", *args],
                          capture_output=True, text=True, timeout=60 * SLOW)
    same(done.returncode, 0, f"curl {args}: {done.stderr}")
    return done.stdout.split()


def stream_path(k, query="?speed=1"):
    return f"{k.path}/stream{query}"


# ---- foreign clients ----

@test("curl speaks HTTP/2 by ALPN and by prior knowledge, HTTP/1.1 where it asks for that, and gets the same")
def _():
    want = Client(plain).get("/v1/openapi.yaml").want(200)
    ca = ["--cacert", str(tls.cafile)]
    for server, args, version in ((tls, ["--http2", *ca], "2"), (tls, ca, "2"), (tls, ["--http1.1", *ca], "1.1"),
                                  (plain, ["--http2-prior-knowledge"], "2"), (plain, ["--http2"], "1.1"), (plain, [], "1.1")):
        got = curl(*args, f"{server.url}/v1/openapi.yaml")
        same(got[:2], [version, "200"], f"{args}")
        true(abs(int(got[2]) - len(want.body)) < 100, f"{args}: {got[2]} bytes instead of {len(want.body)}")
        same(curl(*args, "-I", f"{server.url}/v1/openapi.yaml"), [version, "200", "0"], f"HEAD {args}")
        same(curl(*args, f"{server.url}/v1/me")[:2], [version, "401"], f"a refusal {args}")
    same(curl("-k", "--http2", f"{tls.url}/v1/openapi.yaml")[:2], ["2", "200"], "without checking the certificate")


@test("uploads: an import by curl, with and without a length")
def _():
    data = plain.root / "upload.cast"
    data.write_bytes(cast(20000, 0.01, pad=100))
    auth = ["-H", f"authorization: Bearer {plain.recorder.token}", "-H", "content-type: application/octet-stream", "-H", "keyhole-title: \"By curl\""]
    same(curl("--http2-prior-knowledge", *auth, "--data-binary", f"@{data}", f"{plain.url}/v1/import")[:2], ["2", "201"], "with a length")
    same(curl("--http2-prior-knowledge", *auth, "-T", str(data), "-X", "POST", f"{plain.url}/v1/import")[:2], ["2", "201"], "by PUT's way")
    with open(data, "rb") as f:
        done = subprocess.run(["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "--http2-prior-knowledge", *auth, "-T", "-", "-X", "POST",
                               f"{plain.url}/v1/import"], stdin=f, capture_output=True, text=True, timeout=60 * SLOW)
    same((done.returncode, done.stdout), (0, "201"), f"without a length {done.stderr}")


@test("h2load: thousands of requests on a few connections, all answered")
def _():
    if not shutil.which("h2load"):
        raise Skip("h2load is not installed")
    for server in (plain, tls):
        done = subprocess.run(["h2load", "-n", "4000", "-c", "4", "-m", "50", f"{server.url}/v1/openapi.yaml"], capture_output=True, text=True,
                              timeout=120 * SLOW)
        true("4000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout and "4000 2xx" in done.stdout, done.stdout[-800:])


# ---- the main job on one connection ----

@test("a whole gated replay on one connection: refused before, then manifest, chunks and two streams at once")
def _():
    for server in (plain, tls):
        k = None
        c = H2(server)
        for route in ("manifest", "chunks/0", "events", "stream", "export"):
            s = c.get(f"/v1/replay/{server.first}/{route}")
            same(s.status, 401, f"{route} without a key")
            true(b"line " not in s.body, f"{route} served content")
        k = server.keyed(server.first)
        s = c.get(f"{k.path}/manifest", token=k.text)
        same(s.status, 200, f"manifest {s}")
        manifest = json.loads(s.body)
        streams = [c.ask(stream_path(k, "?speed=16"), token=k.text) for _ in range(2)]
        chunks = [c.ask(f"{k.path}/chunks/{i}", token=k.text) for i in range(len(manifest["chunks"]))]
        for s in chunks:
            c.done(s)
            same(s.status, 200, f"chunk {s}")
        same(b"".join(s.body for s in chunks).decode().splitlines(), LINES, "chunks")
        for s in streams:
            c.done(s, 40)
            same((s.status, s.rst), (200, None), f"stream {s}")
            same(s.content(), LINES, "events of a stream")
            same(s.events()[-1][0], "end", "the last event")
        true(c.goaway is None and c.closed is None, "the connection goes on")
        same(c.get("/v1/me", token=server.viewer.token).status, 200, "another route on it")
        ranges = leased(server.leaves(), k.id)
        true(covered(range(len(LINES)), ranges), f"leases do not cover what was served: {ranges}")
        c.close()


# ---- ends ----

@test("revoking one of two cuts its stream with the final event, at once; the other goes on, on the same connection")
def _():
    for server, other in ((plain, plain.second_one), (tls, tls.add(cast(200), "Second"))):
        a, b = server.keyed(server.first), server.keyed(other)
        c = H2(server)
        s, t = c.ask(stream_path(a), token=a.text), c.ask(stream_path(b), token=b.text)
        c.wait(lambda: len(s.content()) > 5 and len(t.content()) > 5, 20, "events on both")
        server.approver.post(f"/v1/grants/{a.claims['gid']}/revoke").want(200)
        done = time.monotonic()
        c.done(s, 3)
        true(s.last - done < 0.5 * SLOW, f"content {s.last - done:.2f} s after the end was confirmed")
        name, _, data = s.events()[-1]
        same((name, json.loads(data)["code"], s.rst), ("revoked", 4411, None), f"{s}")
        had = len(t.content())
        c.wait(lambda: len(t.content()) > had + 3, 10, "the other goes on")
        true(t.rst is None and not t.ended and c.goaway is None, f"the other {t}")
        for route in ("manifest", "chunks/0", "stream"):
            true(c.get(f"{a.path}/{route}", token=a.text).status in (401, 403), f"{route} after the end")
        same(c.get(f"{b.path}/manifest", token=b.text).status, 200, "the other's manifest")
        c.close()


@test("behind a closed window the end is a reset within a second, and what was queued never comes")
def _():
    k, other = plain.keyed(plain.wide), plain.keyed(plain.first)
    c = H2(plain, window=3000)
    s, t = c.ask(stream_path(k, "?speed=16"), token=k.text), c.ask(stream_path(other), token=other.text)
    c.wait(lambda: s.n == 3000 and t.n > 0, 20, "the first 3000 bytes")
    plain.approver.post(f"/v1/grants/{k.claims['gid']}/revoke").want(200)
    c.wait(lambda: s.rst is not None, 2, "the reset")
    same(s.rst, CANCEL, "code of the reset")
    c.window(s, BIG - 3000)
    c.window(t, BIG - 3000)
    had = len(t.content())
    c.wait(lambda: len(t.content()) > had + 3, 10, "the other goes on")
    same(s.n, 3000, "bytes after the reset")
    c.close()


@test("a client that reads nothing is cut off, content does not wait for it in the kernel")
def _():
    k = plain.keyed(plain.wide)
    c = H2(plain, rcvbuf=4096, reads=False)
    s = c.ask(stream_path(k, "?speed=16"), token=k.text)
    time.sleep(1.5)
    plain.approver.post(f"/v1/grants/{k.claims['gid']}/revoke").want(200)
    time.sleep(0.6 * SLOW)
    c.read()
    c.wait(lambda: c.closed is not None, 5, "the connection is reset")
    true(s.n < 300000, f"{s.n} bytes came after the end")


@test("live: recorded over HTTP/2 and followed on the same connection, beside a follower over HTTP/1.1; revoking cuts both")
def _():
    for server in (plain, tls):
        c, to = H2(server), server.recorder.token
        body = [("content-type", "application/json")]
        s = c.get("/v1/recordings", method="POST", token=to, headers=body, body=json.dumps({"kind": "terminal", "title": "Live"}).encode())
        same(s.status, 201, f"{s}")
        rid, lines, at, tries = json.loads(s.body)["id"], [], 0, []

        def add(n):
            nonlocal at
            new = [f'[{(len(lines) + i) / 100:.3f},"o","line {len(lines) + i}\\r\\n"]' for i in range(n)]
            batch = "".join(x + "\n" for x in new).encode()
            r = c.get(f"/v1/recordings/{rid}/events", method="POST", token=to, body=batch,
                      headers=[("content-type", "application/x-ndjson"), ("batch-seq", str(at))])
            same(r.status, 200, f"batch {at}: {r}")
            at, lines[len(lines):] = at + 1, new
            return r

        add(10)
        k = server.keyed(rid, ["play", "live"])
        old = k.stream("?follow=1").wait(lambda x: x.named("live"), 5, "live over HTTP/1.1")
        new = c.ask(f"{k.path}/stream?follow=1", token=k.text)
        c.wait(lambda: any(e == "live" for e, _, _ in new.events()), 5, "live over HTTP/2")
        for _ in range(20):
            add(5)
            tries.append(time.monotonic())
        c.wait(lambda: len(new.content()) == len(lines), 5, "all events over HTTP/2")
        true(new.last - tries[-1] < 0.5 * SLOW, f"the last event came {new.last - tries[-1]:.2f} s after it was acknowledged")
        old.wait_events(len(lines), 5)
        same((new.content(), [d for _, d in old.content()]), (lines, lines), "events")
        server.approver.post(f"/v1/grants/{k.claims['gid']}/revoke").want(200)
        c.done(new, 3)
        old.want_end("revoked", 4411, 3)
        same((new.events()[-1][0], new.rst), ("revoked", None), f"{new}")
        add(5)
        same(c.get(f"/v1/recordings/{rid}/end", method="POST", token=to).status, 200, "the end")
        again = server.keyed(rid)
        s = c.get(f"{again.path}/events", token=again.text)
        same(s.body.decode().split("\n")[1:-2], lines, "what was recorded")
        true(c.goaway is None, "goaway")
        c.close()


# ---- fairness ----

@test("a slow reader on a stream holds neither the other streams nor their first bytes")
def _():
    c = H2(plain, window=100)
    held = [c.ask("/v1/openapi.yaml") for _ in range(20)]
    c.wait(lambda: all(s.n == 100 for s in held), 10, "100 bytes each")
    times = []
    for _ in range(20):
        s, began = c.ask("/v1/openapi.yaml"), time.monotonic()
        c.window(s, 1 << 20)
        c.done(s)
        times.append(time.monotonic() - began)
    true(statistics.median(times) < 0.2 * SLOW, f"{times}")
    true(all(s.n == 100 and s.rst is None for s in held), "a held stream moved")
    c.wait(lambda: all(s.rst == CANCEL for s in held), 6, "write_stall resets those that take nothing")
    same(c.get("/v1/me").status, 401, "the connection lives")
    true(c.goaway is None, "goaway")
    c.close()


# ---- attackers; somebody else is served meanwhile ----

class Bystander:
    """Asks all the time on a connection of its own; says how long the slowest answer took."""

    def __init__(self, server):
        self.c, self.stop, self.times, self.wrong = H2(server), threading.Event(), [], []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                s = self.c.get("/v1/me")
                self.wrong += [s] if s.status != 401 else []
            except Exception as e:
                self.wrong.append(e)
                return
            self.times.append(time.monotonic() - began)
            time.sleep(0.005)

    def done(self, what):
        self.stop.set()
        self.thread.join(30)
        self.c.close()
        true(not self.wrong and len(self.times) > 2, f"{what}: somebody else was not served: {self.wrong[:1]} after {len(self.times)}")
        true(max(self.times) < 1.0 * SLOW, f"{what}: somebody else waited {max(self.times):.2f} s")


def memory():
    text = open(f"/proc/{plain.roles()['gate']}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) // 1024


def attack(what, frames, codes=(CALM,), seconds=1, **how):
    """frames(connection) -> bytes, sent over and over until the server hangs up, then on a new connection."""
    other, began = Bystander(plain), time.monotonic()
    while time.monotonic() < began + seconds:
        c = H2(plain, **how)
        end = time.monotonic() + 20 * SLOW
        while c.closed is None and time.monotonic() < end:
            c.send(frames(c))
        true(c.closed is not None, f"{what}: the server did not hang up")
        true(c.goaway in codes or c.closed == "ConnectionResetError", f"{what}: goaway {c.goaway}, {c.closed}")
        c.close()
    other.done(what)


@test("floods: resets, PING, SETTINGS, PRIORITY, unknown frames, empty DATA, window updates end in GOAWAY")
def _():
    before = memory()

    def resets(c):
        return b"".join(d + frame(RST, stream=s.id, payload=struct.pack(">I", CANCEL)) for d, s in (c.request("/v1/me") for _ in range(20)))

    def made_resets(c):
        return b"".join(d + frame(WINDOW, stream=s.id, payload=struct.pack(">I", 0x7fffffff)) for d, s in (c.request("/v1/me") for _ in range(20)))

    attack("Rapid Reset", resets)
    attack("MadeYouReset", made_resets, (CALM, 1))  # 1: more than 100 streams, for our resets are still on their way
    attack("PING", lambda c: frame(PING, payload=b"12345678") * 100)
    attack("SETTINGS", lambda c: frame(SETTINGS, payload=setting(4, 65535)) * 100)
    attack("PRIORITY", lambda c: frame(PRIORITY, stream=1, payload=b"\0\0\0\0\x10") * 100)
    attack("unknown frames", lambda c: frame(0x55, payload=b"?") * 100)
    attack("window updates", lambda c: frame(WINDOW, payload=b"\0\0\0\1") * 100, conn=0)

    def empty(c):
        data, s = c.request("/v1/import", method="POST", end=False) if c.next == 1 else (b"", None)
        return data + frame(DATA, stream=1) * 100

    attack("empty DATA", empty)
    attack("CONTINUATION", lambda c: frame(HEADERS, END_STREAM, c.next, b"\x82") + frame(CONT, 0, c.next, b"") * 100)
    true(memory() - before < 60 * SLOW, f"the gate grew by {memory() - before} MiB")


@test("header bombs: over the limit is 431, far over it ends the connection; nothing of it is kept")
def _():
    c = H2(plain)
    s = c.get("/v1/me", headers=[(f"x-{i:02}", "a" * 150) for i in range(90)])
    same(s.status, 431, "16 KiB of headers")
    s = c.get("/v1/me", headers=[(f"x-{i}", "y") for i in range(110)])
    same(s.status, 431, "110 headers")
    same(c.get("/v1/me").status, 401, "the connection lives")
    c.close()
    before = memory()

    def bomb(c):
        data, s = c.request("/v1/me", headers=[("x", "a" * 3900)])
        block = data[9:]
        at = block.index(b"\0\x01x")
        block = block[:at] + b"\x40" + block[at + 1:] + b"\xbe" * 8000
        return frame(HEADERS, END_STREAM | END_HEADERS, s.id, block)

    attack("HPACK bomb", bomb)
    true(memory() - before < 60 * SLOW, f"the gate grew by {memory() - before} MiB")


@test("connections that do nothing useful: half a preface, half a head, no SETTINGS, no acknowledgement; each ends by its deadline")
def _():
    other = Bystander(plain)
    half = H2(plain, preface=False)
    half.send(PREFACE[:15])
    silent = H2(plain, preface=False)
    silent.send(PREFACE)
    deaf = H2(plain, preface=False)
    deaf.send(PREFACE + frame(SETTINGS) + deaf.request("/v1/me")[0])
    head = H2(plain)
    head.send(frame(HEADERS, END_STREAM, 1, hpack([(":method", "GET")])))
    drip = H2(plain)
    drip.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x82" * 5)[:10])
    for name, c in (("half a preface", half), ("no SETTINGS", silent), ("no acknowledgement", deaf), ("half a head", head), ("a dripping frame", drip)):
        c.wait(lambda: c.closed is not None, 8, name)
    same(deaf.goaway, 4, "SETTINGS_TIMEOUT")
    same(head.goaway, CALM, "half a head")
    other.done("slow beginnings")


@test("what is no message is reset, what is no protocol closes, and a preface byte by byte is served")
def _():
    c = H2(plain)
    for extra in ([("connection", "close")], [("Upper", "x")], [("te", "gzip")], [("transfer-encoding", "chunked")], [(":path", "/again")]):
        same(c.get("/v1/me", headers=extra).rst, 1, f"{extra}")
    same(c.get("/v1/me", headers=[("host", "elsewhere.example")]).status, 400, "another host")
    same(c.get("/v1/me#x").status, 400, "a fragment")
    same(c.get("/v1/../v1/me").status, Client(plain).get("/v1/../v1/me").status, "dots as in HTTP/1.1")
    s = c.done(c.ask("/v1/login", method="POST", headers=[("content-type", "application/json"), ("content-length", "5")], body=b"{}"))
    same(s.rst, 1, "a body shorter than it said")
    s = c.done(c.ask("/v1/login", method="POST", headers=[("content-type", "application/json")], body=b'{"user":"x","password":"y"}'))
    same(s.status, 401, "a body without length")
    c.send(frame(DATA, stream=0, payload=b"x"))
    c.wait(lambda: c.closed is not None, 5, "DATA on stream 0")
    same(c.goaway, 1, "PROTOCOL_ERROR")
    c = H2(plain, preface=False)
    data, s = c.request("/v1/me")
    for byte in PREFACE + frame(SETTINGS, payload=setting(1, 0)) + frame(SETTINGS, ACK) + data:
        c.send(bytes([byte]))
    c.done(s)
    same(s.status, 401, "byte by byte")
    c.close()


@test("bodies that nobody wants: the answer comes, the rest is read away or stopped, the memory stays small")
def _():
    before = memory()
    c = H2(plain)
    for _ in range(60):
        s = c.ask("/v1/import", method="POST", headers=[("content-length", "9000000")], body=b"x" * 16000, end=False)
        c.done(s)
        same(s.status, 401, f"{s}")
    true(c.goaway is None, "goaway")
    held = [c.ask("/v1/import", method="POST", token=plain.recorder.token, body=b'{"version":2}', end=False) for _ in range(90)]
    c.wait(lambda: c.closed is None, 1, "still there")
    same(c.get("/v1/me").status, 401, "another request beside ninety bodies that do not come")
    true(memory() - before < 80 * SLOW, f"the gate grew by {memory() - before} MiB")
    for s in held:
        c.send(frame(RST, stream=s.id, payload=struct.pack(">I", CANCEL)))
    same(c.get("/v1/me").status, 401, "after ninety resets")
    c.close()


# ---- the server ends ----

@test("large bodies of people nobody knows: all together are bounded, small ones are taken all the same, and it is given back")
def _():
    before, cs, big = memory(), [], [("content-type", "application/json"), ("content-length", str(1 << 20))]
    for path, token in (("/v1/login", None), ("/v1/requests", "kst_" + "A" * 43), ("/v1/recordings", "kit_" + "A" * 43)):
        c = H2(plain)
        cs.append(c)
        for _ in range(100):
            c.ask(path, method="POST", token=token, headers=big, end=False)
        for _ in range(45):
            c.send(b"".join(frame(DATA, 0, n, b" " * 16384) for n in range(1, 201, 2)))
    until(lambda: sum(x.status == 503 for c in cs for x in c.streams.values()) >= 100, 10,
          f"few were refused: {[x.status for c in cs for x in c.streams.values()]}")
    true(memory() - before < 110 * SLOW, f"the gate grew from {before} to {memory()} MiB")
    plain.viewer.login()
    plain.viewer.get("/v1/me").want(200)
    large = {"user": "nobody", "password": "x" * 500_000}
    Client(plain).post("/v1/login", large).want(503, "overloaded")
    for c in cs:
        c.close()
    until(lambda: Client(plain).post("/v1/login", large).status != 503, 10, "large bodies are taken again")


@test("a server that ends says so on every stream and connection")
def _():
    k = plain.keyed(plain.first)
    c = H2(plain)
    s = c.ask(stream_path(k), token=k.text)
    c.wait(lambda: len(s.content()) > 2, 20, "events")
    plain.stop()
    c.wait(lambda: c.closed is not None, 10, "the connection ends")
    same((s.events()[-1][0], s.rst, c.goaway), ("shutdown", None, 0), f"{s}")


test.run()
