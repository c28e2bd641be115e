#!/usr/bin/env python3
"""kill -9 of gate, keeper and vault at random, seeded moments while recorders record and followers follow; the whole server killed and its
log's end torn. After each blow: every acknowledged event is there once and in order, recorders go on by themselves, nothing was served
that no lease covers, the logs verify.

KEYHOLE_SEED repeats a run's choices; KEYHOLE_POINTS sets how many blows; KEYHOLE_LONG=1 does nine times as many, and 1000 recorders longer.
The server is tests/keyhole-watched, which writes every nonce under every key to a ledger: no pair may come twice (tests/lib/ledger.py).
"""
import asyncio
import contextlib
import http.client
import json
import os
import random
import signal
import struct
import subprocess
import threading
import time

import _server
from _server import (KEYHOLE, SLOW, Client, Failed, Key, Server, Tests, covered, same, true, until, verify_log)

LONG = bool(os.environ.get("KEYHOLE_LONG"))
SEED = int(os.environ.get("KEYHOLE_SEED", "20261122"))
POINTS = int(os.environ.get("KEYHOLE_POINTS", "1050" if LONG else "120"))

_server.PORTS = range(27000, 27100)
test = Tests()


# ---- recorders: one asyncio loop in a thread of its own, a kept connection each ----

class Wire:
    """One HTTP/1.1 connection. Any trouble with it is an OSError."""

    def __init__(self, server, token):
        self.server, self.token, self.r, self.w = server, token, None, None

    async def call(self, method, path, body, headers=""):
        try:
            return await asyncio.wait_for(self._call(method, path, body, headers), 15 * SLOW)
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, EOFError, ValueError, IndexError) as e:
            raise OSError(repr(e)) from None

    async def _call(self, method, path, body, headers):
        if self.w is None:
            self.r, self.w = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            self.w.write((f"{method} {path} HTTP/1.1\r\nHost: {self.server.host}\r\nAuthorization: Bearer {self.token}\r\n"
                          f"{headers}Content-Length: {len(body)}\r\n\r\n").encode() + body)
            status = int((await self.r.readline()).split()[1])
            n, close = 0, False
            while True:
                line = (await self.r.readline()).strip().lower()
                if not line:
                    break
                n = int(line.split(b":")[1]) if line.startswith(b"content-length:") else n
                close = close or line == b"connection: close"
            data = await self.r.readexactly(n)
        except BaseException:
            self.drop()
            raise
        if close:
            self.drop()
        return status, data

    def drop(self):
        if self.w is not None:
            self.w.close()
        self.r = self.w = None


def terminal_event(name, i):
    return f'[{i / 50:.2f},"o","{name}:{i}\\r\\n"]'


def rrweb_event(name, i):
    kind = 4 if i % 97 == 0 else 2 if i % 97 == 1 else 3
    return f'{{"type":{kind},"data":{{"source":0,"of":"{name}:{i}"}},"timestamp":{1700000000000 + i * 20}}}'


class Recorder:
    """Records one recording after another: batches of a few events; what fails for want of a server is sent again, as it was."""

    def __init__(self, crowd, number, rng):
        self.crowd, self.number, self.rng = crowd, number, rng
        self.kind = "rrweb" if number % 5 == 4 else "terminal"
        self.event = rrweb_event if self.kind == "rrweb" else terminal_event
        self.rid, self.name, self.sent, self.acked, self.n, self.ended, self.count = None, "", 0, 0, 0, False, 0

    def lines(self, n):
        return [self.event(self.name, i) for i in range(n)]

    async def insist(self, method, path, body, headers="", ok=(200, 201)):
        """Until it is answered; refusals that are not about a missing server are faults."""
        while not self.crowd.over:
            try:
                status, data = await self.wire.call(method, path, body, headers)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            if status in ok:
                return status, json.loads(data)
            if status != 503:
                raise Failed(f"{method} {path} ({headers.strip()}): {status} {data[:400]!r}; acknowledged {self.acked}, sent {self.sent}")
            self.crowd.refused += 1
            await asyncio.sleep(0.03)
        raise asyncio.CancelledError

    async def begin(self):
        self.count += 1
        name = f"{self.number}-{self.count}"
        head = b',"head":{"version":2,"width":80,"height":24}' if self.kind == "terminal" and self.rng.random() < 0.5 else b""
        _, a = await self.insist("POST", "/v1/recordings", b'{"kind":"%s","title":"%s"%s}' % (self.kind.encode(), name.encode(), head),
                                 f"Content-Type: application/json\r\nIdempotency-Key: {self.crowd.tag}-{name}\r\n")
        self.rid = None  # for those who look on: while it is None nothing here belongs together
        self.name, self.sent, self.acked, self.n, self.ended = name, 0, 0, 0, False
        self.rid = a["id"]

    async def batch(self):
        m = self.rng.choice((0, 1, 1, 2, 3, 5, 8, 40))
        body = "".join(self.event(self.name, i) + "\n" for i in range(self.sent, self.sent + m)).encode()
        rid, n = self.rid, self.n
        self.sent += m
        _, a = await self.insist("POST", f"/v1/recordings/{rid}/events", body, f"Content-Type: application/x-ndjson\r\nBatch-Seq: {n}\r\n")
        same((a["batch"], a["next_batch"]), (n, n + 1), f"{self.name}: numbers")
        same(-1 if a["durable_seq"] is None else a["durable_seq"], self.sent - 1, f"{self.name}: durable_seq of batch {n}")
        self.acked, self.n = self.sent, n + 1
        self.crowd.batches += 1

    async def end(self):
        _, a = await self.insist("POST", f"/v1/recordings/{self.rid}/end", b'{"batches":%d}' % self.n, "Content-Type: application/json\r\n")
        same((a["events"], a["kind"]), (self.acked, self.kind), f"{self.name}: the answer of its end")
        # Times go on as they were over a gate's death; only of a piece that nobody could read is the length not known.
        true(a["duration_ms"] <= max(0, self.acked - 1) * 20, f"{self.name}: {a['duration_ms']} ms of {self.acked} events, each 20 ms")
        self.crowd.short += self.acked > 0 and a["duration_ms"] < (self.acked - 1) * 20
        self.crowd.complete.append((self.rid, self.kind, self.event, self.name, self.acked))
        self.ended = True

    async def run(self):
        self.wire = Wire(self.crowd.server, self.crowd.token)
        try:
            while not self.crowd.over:
                await self.begin()
                for _ in range(self.rng.randint(*self.crowd.batches_each)):
                    await asyncio.sleep(self.rng.random() * self.crowd.pause)
                    await self.batch()
                    while self.crowd.held and not self.crowd.over:
                        self.crowd.idle.add(self.number)
                        await asyncio.sleep(0.01)
                    self.crowd.idle.discard(self.number)
                    if self.crowd.over:
                        return
                await self.end()
        finally:
            self.wire.drop()


class Crowd:
    def __init__(self, server, n, seed, pause=0.03, batches_each=(40, 400)):
        self.server, self.pause, self.batches_each = server, pause, batches_each
        self.token, self.tag = server.recorder.token, f"{seed:x}"
        self.over = self.held = False
        self.idle, self.batches, self.refused, self.short, self.complete, self.faults = set(), 0, 0, 0, [], []
        self.recorders = [Recorder(self, i, random.Random(seed * 1000 + i)) for i in range(n)]
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.thread.start()

    async def _run(self):
        async def one(r):
            try:
                await r.run()
            except asyncio.CancelledError:
                pass
            except BaseException as e:
                self.faults.append(f"recorder {r.number} ({r.rid}): {type(e).__name__} {e}")
        await asyncio.gather(*(one(r) for r in self.recorders))

    def check(self):
        true(not self.faults, "; ".join(self.faults[:3]))

    @contextlib.contextmanager
    def hold(self):
        """Nobody sends anything within: what was sent is answered."""
        self.held = True
        try:
            until(lambda: self.faults or len(self.idle) == len(self.recorders), 40, "recorders are answered")
            self.check()
            yield
        finally:
            self.held = False

    def more(self, n, seconds=20):
        """Until n more batches were acknowledged."""
        goal = self.batches + n
        until(lambda: self.faults or self.batches >= goal, seconds, f"{n} more batches")
        self.check()

    def stop(self):
        self.over = True
        self.thread.join(30 * SLOW)
        true(not self.thread.is_alive(), "recorders do not end")
        self.check()


# ---- somebody who looks: keys are renewed when roles died ----

class Looker:
    def __init__(self, server, actions):
        self.s, self.actions, self.grants, self.keys = server, list(actions), {}, {}
        self.got = {}  # key id -> [recording, {seq: bytes}]

    def patiently(self, fn, what, seconds=20):
        def attempt():
            try:
                a = fn()
                return a if a.status < 300 else None if a.status in (401, 403, 429, 503) else self.fault(a)
            except (OSError, http.client.HTTPException):
                return None
        return until(attempt, seconds, what, step=0.05)

    def fault(self, a):
        raise Failed(f"{a.what}: {a}")

    def grant(self, rids):
        rids = [r for r in rids if r not in self.grants]
        for i in range(0, len(rids), 100):
            part = rids[i:i + 100]
            body = {"recordings": part, "actions": self.actions, "duration_s": 3600, "start": "approval",
                    "purpose": {"code": "debugging", "reason": "Looking for what a dying server might have lost."}}
            q = self.patiently(lambda: self.s.viewer.post("/v1/requests", body, timeout=5), "a request").json["id"]

            def approve():
                q2 = self.s.approver.get(f"/v1/requests/{q}", timeout=5)
                if q2.status != 200 or q2.json.get("grant"):
                    return q2
                return self.s.approver.post(f"/v1/requests/{q}/approve", {"digest": q2.json["digest"]}, timeout=5)
            g = until(lambda: self.patiently(approve, "an approval").json.get("grant"), 20, "a grant")
            for r in part:
                self.grants[r] = g

    def key(self, rid, fresh=False):
        """At most as old as half its life; None while there is no server to make one."""
        k = self.keys.get(rid)
        if k is None or fresh or time.monotonic() - k.at > 25:
            try:
                a = self.s.viewer.post(f"/v1/grants/{self.grants[rid]}/keys", {"recording": rid}, timeout=5)
            except (OSError, http.client.HTTPException):
                return None
            if a.status != 201:
                true(a.status in (401, 403, 429, 503), f"a key: {a}")
                return None
            k = self.keys[rid] = Key(self.s, a.json, rid)
            k.at = time.monotonic()
        return k

    def saw(self, key, pairs, how):
        seen = self.got.setdefault(key.id, [key.recording, {}, []])
        n = len(seen[1])
        for seq, text in pairs:
            seen[1][seq] = len(text) + 1
        seen[2].append(f"{how}: {n} to {len(seen[1])}")

    def events(self, rid, seconds=20):
        """Every event there is, by the events API."""
        why = []

        def attempt():
            k = self.key(rid, fresh=bool(why))
            if k is None:
                return None
            try:
                a = k.get(f"{k.path}/events", timeout=20)
            except (OSError, http.client.HTTPException) as e:
                why.append(repr(e))
                return None
            if a.status != 200:
                why.append(repr(a))
                true(a.status in (401, 403, 429, 503), f"{rid}: {a}")
                return None
            lines = a.text.split("\n")
            events = lines[1:-2]  # of an answer that was cut the rest of a chunk is filled with line feeds
            self.saw(k, enumerate(events[:events.index("")] if "" in events else events), lines[-2])
            if not lines[-2].startswith('{"end"') or json.loads(lines[-2])["end"]["code"] != 1000:
                why.append(lines[-2])
                return None
            true(lines[0].startswith('{"from"'), f"the first line: {lines[0]}")
            return lines[1:-2], True
        return until(attempt, seconds, f"events of {rid}: {why[-2:]}", step=0.05)[0]


def expect(rec_event, name, lines, at_least, at_most, what):
    true(at_least <= len(lines) <= at_most, f"{what}: {len(lines)} events; {at_least} were acknowledged, {at_most} were sent")
    for i, x in enumerate(lines):
        if x != rec_event(name, i):
            raise Failed(f"{what}: event {i} is {x!r:.200}, was {rec_event(name, i)!r:.200}")


def check_crowd(look, crowd):
    """Of each recording under way: all that was acknowledged when we began to look."""
    for r in crowd.recorders:
        rid, name, acked = r.rid, r.name, r.acked
        if rid is None or r.rid != rid or r.ended or acked == 0:
            continue
        look.grant([rid])
        lines = look.events(rid)
        if r.rid == rid:
            expect(r.event, name, lines, acked, r.sent, name)
    crowd.check()


def check_complete(look, crowd):
    done, crowd.complete = crowd.complete, []
    look.grant([rid for rid, *_ in done])
    for rid, kind, event, name, n in done:
        expect(event, name, look.events(rid), n, n, f"{name}, complete")
    return len(done)


def served_is_leased(look, leaves):
    """Every event that a key was given lies in a lease of it: by number, or within the bytes of a live one."""
    fixed, live = {}, {}
    for _, l in leaves:
        if l["type"] == "replay.leased":
            n = l.get("n", {})
            if "to_seq" in n:
                fixed.setdefault(l["jti"], []).append((n["from_seq"], n["to_seq"]))
            elif "live_s" in n:
                live.setdefault(l["jti"], []).append((n["from_seq"], n["max_bytes"]))
    for jti, (rid, seen, hows) in look.got.items():
        rest = {s: b for s, b in seen.items() if not covered([s], fixed.get(jti, []))}
        if not rest:
            continue
        leases = live.get(jti, [])
        true(leases and min(rest) >= min(a for a, _ in leases), f"{jti} of {rid}: {len(rest)} events without a lease, from {min(rest)} on; "
             f"leased {fixed.get(jti)}, live {leases}; {hows}; {[l for _, l in leaves if l.get('jti') == jti][-6:]}")
        most = sum(b for _, b in leases)
        true(sum(rest.values()) <= most, f"{jti}: {sum(rest.values())} bytes under live leases of {most}")
    return len(look.got)


# ---- blows ----

def blow(s, rng, roles=("gate",) * 5 + ("keeper",) * 3 + ("vault",) * 2):
    """One role, now and then two or all at once, at a random moment."""
    who = {rng.choice(roles) for _ in range(1 if rng.random() < 0.8 else rng.randint(2, 4))}
    time.sleep(rng.random() ** 2 * 0.6)
    there = s.roles()
    s.expect_ends = True
    for role in who:
        if role in there:
            os.kill(there[role], signal.SIGKILL)
    return "+".join(sorted(who))


def make(n_connections=4000, **more):
    config = (f"gate {{ threads = 2\n connections = {n_connections}\n per_source = {n_connections} }}\n"
              "store { seal_bytes = 64KiB\n seal_after = 2s }\n")
    return Server(config=config, **more).cast()


def stop_and_verify(s):
    """Stops the server; its logs verify with nothing but their files and the public keys that were kept."""
    keys = {log: (s.admin if log == "system" else s.auditor).get(f"/v1/audit/{log}/vkey").want(200).text for log in ("system", s.project())}
    same(s.stop(30), 0, "the end of the server")
    for log, vkey in keys.items():
        path = s.root / f"{log}.vkey"
        path.write_text(vkey)
        done = subprocess.run([str(KEYHOLE), "audit", "verify", str(s.dir), "--log", log, "--vkey", str(path)], capture_output=True, text=True,
                              timeout=120 * SLOW, stdin=subprocess.DEVNULL)
        same(done.returncode, 0, f"audit verify of {log}: {done.stdout[-500:]} {done.stderr[-500:]}")


s = None
look = None
leaf_count = 0


@test(f"{POINTS} blows (seed {SEED}) while 10 recorders record: nothing acknowledged is lost, doubled or out of order")
def _():
    global s, look
    s = make()
    rng = random.Random(SEED)
    look = Looker(s, ["play", "live"])
    crowd = Crowd(s, 10, SEED)
    done = 0
    kinds = {}
    crowd.more(30)
    follower = None
    for point in range(POINTS):
        who = blow(s, rng)
        kinds[who] = kinds.get(who, 0) + 1
        try:
            crowd.more(15)
            check_crowd(look, crowd)
            if point % 10 == 9:
                done += check_complete(look, crowd)
            if follower is not None and (follower.ended is not None or point % 12 == 11):
                done_following(look, follower, crowd)
                follower = None
            if follower is None and point % 3 == 0:
                follower = follow(look, rng.choice(crowd.recorders))
            crowd.check()
        except Failed as e:
            raise Failed(f"blow {point} ({who}): {e}\n{s.log()[-2500:]}") from None
    with crowd.hold():
        check_crowd(look, crowd)
    crowd.stop()
    done += check_complete(look, crowd)
    true(crowd.short * 10 <= done + 10, f"{crowd.short} of {done} recordings are shorter than their events say")
    print(f"          {crowd.batches} batches acknowledged, {done} recordings completed, {crowd.short} short, {crowd.refused} times told to wait; {kinds}", flush=True)


def follow(look, r):
    """A stream that follows, or None when there is nothing to follow just now."""
    rid, name = r.rid, r.name
    if rid is None or r.rid != rid or r.ended:
        return None
    look.grant([rid])
    k = look.key(rid)
    if k is None:
        return None
    try:
        f = k.stream("?follow=1&speed=16")
    except OSError:
        return None
    f.key, f.of, f.event = k, name, r.event
    return f


def done_following(look, f, crowd):
    f.close()
    got = f.content()
    look.saw(f.key, got, "follower")
    for i, (seq, text) in enumerate(got):
        same(seq, got[0][0] + i, f"{f.of}: numbers of a follower's events")
        same(text, f.event(f.of, seq), f"{f.of}: a follower's event {seq}")


@test("nothing was served without a lease, and the logs verify")
def _():
    true(look is not None and look.got, "there was nobody who looked")
    leaves = verify_log(s, s.project())
    print(f"          {served_is_leased(look, leaves)} keys", flush=True)
    verify_log(s, "system", s.admin)
    types = [l["type"] for _, l in leaves]
    true("recording.recovered" in types and "recording.sealed" in types, "no recording was recovered, or sealed")
    same(len({l["rid"] for _, l in leaves if l["type"] == "recording.sealed"}), types.count("recording.sealed"), "a recording ended twice")
    stop_and_verify(s)


# ---- the whole machine, and a torn log ----

def log_records(path):
    """[(offset, length, type, rid, batch number)] of a log file, by its document."""
    data, out, names = path.read_bytes(), [], {}
    at = 16
    while at + 16 <= len(data):
        n, _, kind, local = struct.unpack_from("<IIII", data, at)
        if n < 16 or at + n > len(data) or kind not in (1, 2, 3):
            break
        rid, batch = names.get(local), None
        if kind == 1:
            p = at + 16 + 4 + 24 + 32
            p += 1 + data[p]
            names[local] = rid = data[p + 1:p + 1 + data[p]].decode()
        elif kind == 2:
            batch = struct.unpack_from("<Q", data, at + 24)[0]
        out.append((at, n, kind, rid, batch))
        at += n
    return out, len(data)


def tear(s, rng, crowd):
    """Damages the newest log file behind the last record that was acknowledged; how."""
    files = sorted((s.dir / "log").glob("*.khl"), key=lambda p: int(p.stem))
    if not files:
        return "no log"
    path = files[-1]
    records, size = log_records(path)
    acked = {r.rid: r.n for r in crowd.recorders}  # log batch 0 is the opening: HTTP's n is the log's n + 1
    safe = 16
    for at, n, kind, rid, batch in records:
        if kind != 2 or rid not in acked or batch <= acked[rid]:
            safe = at + n
    how = rng.choice(("cut", "flip", "zeros", "noise", "half"))
    with open(path, "r+b") as f:
        if how == "cut":
            f.truncate(rng.randint(safe, size))
        elif how == "flip" and size > safe:
            for _ in range(rng.randint(1, 8)):
                at = rng.randrange(safe, size)
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ (1 << rng.randrange(8))]))
        else:
            f.seek(rng.randint(safe, size))
            f.truncate()
            if how == "half" and records:
                at, n, *_ = rng.choice(records)
                piece = path.read_bytes()[at:at + n]
                f.write(piece[:rng.randrange(len(piece))] if piece else b"")
            else:
                f.write(bytes(rng.randrange(5000)) if how == "zeros" else rng.randbytes(rng.randrange(5000)))
    return how


@test("kill -9 of the whole server, and its log's end torn: what was acknowledged is there, no hand is needed")
def _():
    rng = random.Random(SEED + 1)
    t = make()
    t.expect_ends = True
    t_look = Looker(t, ["play"])
    crowd = Crowd(t, 10, SEED + 1, batches_each=(100, 300))
    hows = {}
    for point in range(60 if LONG else 12):
        crowd.more(60)
        time.sleep(rng.random() * 0.3)
        t.die()
        time.sleep(0.1)  # answers on their way are read
        how = tear(t, rng, crowd)
        hows[how] = hows.get(how, 0) + 1
        t.start()
        try:
            crowd.more(20)
            check_crowd(t_look, crowd)
            check_complete(t_look, crowd)
        except Failed as e:
            raise Failed(f"point {point} ({how}): {e}\n{t.log()[-2500:]}") from None
    crowd.stop()
    check_complete(t_look, crowd)
    served_is_leased(t_look, verify_log(t, t.project()))
    stop_and_verify(t)
    print(f"          {crowd.batches} batches; {hows}", flush=True)


@test("1000 recorders at once, and blows: the same")
def _():
    rng = random.Random(SEED + 2)
    t = make()
    t.expect_ends = True
    t_look = Looker(t, ["play"])
    crowd = Crowd(t, 1000, SEED + 2, pause=4.0, batches_each=(8, 20))
    until(lambda: crowd.faults or all(r.rid for r in crowd.recorders), 60, "1000 recordings begin")
    crowd.more(1000, 60)
    for point in range(20 if LONG else 3):
        who = blow(t, rng, ("gate", "gate", "keeper", "vault") if point else ("gate",))
        try:
            crowd.more(1500, 60)
        except Failed as e:
            raise Failed(f"blow {point} ({who}): {e}\n{t.log()[-2500:]}") from None
        some = random.Random(point).sample(crowd.complete, min(40, len(crowd.complete)))
        t_look.grant([rid for rid, *_ in some])
        for rid, _, event, name, n in some:
            expect(event, name, t_look.events(rid), n, n, f"{name}, complete")
    with crowd.hold():
        under_way = [r for r in crowd.recorders if not r.ended and r.acked]
        for r in random.Random(SEED).sample(under_way, min(len(under_way), 1000 if LONG else 200)):
            t_look.grant([r.rid])
            expect(r.event, r.name, t_look.events(r.rid), r.acked, r.sent, r.name)
    crowd.stop()
    n = check_complete(t_look, crowd)
    served_is_leased(t_look, verify_log(t, t.project()))
    stop_and_verify(t)
    print(f"          {crowd.batches} batches, {n} recordings completed", flush=True)


test.run()
