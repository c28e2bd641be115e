#!/usr/bin/env python3
"""Processes die, stop and are told to stop, in the middle of streams and imports: nothing is served that was not leased, the
server is back by itself, the story goes on under the same grant, and nothing half done stays behind."""
import os
import signal
import sqlite3
import subprocess
import threading
import time

from _server import (KEYHOLE, SLOW, Client, Key, Server, Tests, cast, cast_events, covered, leased, same, true, until,
                     verify_log)

test = Tests()
s = Server().cast()
s.expect_ends = True
EVENTS = cast_events(3000, 0.05, pad=200)
rid = s.add(cast(3000, 0.05, pad=200), "Long")
got = {}  # jti -> sequences that a client was sent


def saw(key, stream):
    got.setdefault(key.id, set()).update(n for n, _ in stream.content())
    for n, text in stream.content():
        same(text, EVENTS[n], f"event {n}")


def rows():
    db = sqlite3.connect(f"file:{s.dir}/meta/keyhole.db?mode=ro", uri=True, timeout=10)
    try:
        return [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("recording", "piece", "wrap")]
    finally:
        db.close()


def files():
    return sorted(str(p) for p in (s.dir / "blobs").rglob("*") if p.is_file())


def works_again(g, since, seconds=2.0):
    """Until a fresh key of the same grant plays; how long that took since the blow."""
    def attempt():
        try:
            a = s.viewer.post(f"/v1/grants/{g}/keys", {"recording": rid}, timeout=2)
            if a.status != 201:
                return None
            k = Key(s, a.json, rid)
            return k if k.get(f"{k.path}/manifest", timeout=2).status == 200 else None
        except OSError:
            return None
        except Exception as e:  # http.client's
            if "http.client" in type(e).__module__:
                return None
            raise
    k = until(attempt, seconds + 3, "the server plays again", step=0.03)
    took = time.monotonic() - since
    true(took < seconds * SLOW, f"it took {took:.2f} s")
    return k


def blow(role, ends):
    """Kills a role in mid-stream; the key, the stream, and how it ended."""
    g = s.open(rid, duration_s=3600)
    k = s.viewer.key(g, rid)
    stream = k.stream("?speed=4")
    stream.wait_events(30)
    began = time.monotonic()
    pid = s.kill(role)
    stream.wait_end(5)
    saw(k, stream)
    ends(stream, time.monotonic() - began)
    last = max(got[k.id])
    fresh = works_again(g, began)
    until(lambda: s.roles().get(role) not in (None, pid), 3, f"a new {role}")
    same(len(s.roles()), 3, "roles")
    again = fresh.stream("?speed=16", Last_Event_ID=str(last))
    again.wait_events(50)
    same(again.content()[0][0], last + 1, "the first event after the interruption")
    again.close()
    saw(fresh, again)
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


@test("kill -9 of the gate in mid-stream: back within 2 s, same grant, fresh key")
def _():
    def ends(stream, took):
        true(stream.ended != "clean", f"a dead gate ended the stream cleanly: {stream.final()}")
        true(took < 1 * SLOW, f"the connection lived {took:.2f} s after its process")
    blow("gate", ends)


@test("kill -9 of the keeper in mid-stream: the stream is told, and the same")
def _():
    def ends(stream, took):
        name, end = stream.final()
        same((name, end and end["code"]), ("unavailable", 4503), f"the end ({stream.ended})")
        true(0 <= end["retry_after_s"] <= 5, "retry_after_s")
        true(took < 1 * SLOW, f"the stream went on for {took:.2f} s without a keeper")
    blow("keeper", ends)


@test("kill -9 of the vault in mid-stream: the stream is told, and the same")
def _():
    def ends(stream, took):
        name, end = stream.final()
        same((name, end and end["code"]), ("unavailable", 4503), f"the end ({stream.ended})")
        true(took < 1 * SLOW, f"the stream went on for {took:.2f} s without a vault")
    blow("vault", ends)


@test("all three at once, and then again")
def _():
    for _ in range(2):
        g = s.open(rid, duration_s=3600)
        k = s.viewer.key(g, rid)
        stream = k.stream()
        stream.wait_events(10)
        began = time.monotonic()
        for role in ("gate", "vault", "keeper"):
            s.kill(role)
        stream.wait_end(5)
        saw(k, stream)
        works_again(g, began, 4.0)
        s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


def slow_upload(data, done):
    """Sends an import piece by piece until it fails or 'done' says stop; returns what came back."""
    sock, sent = s.connect(timeout=20 * SLOW), 0
    head = (f"POST /v1/import HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {s.recorder.token}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode()
    out = b""
    try:
        sock.sendall(head)
        while sent < len(data) and not done.is_set():
            sock.sendall(data[sent:sent + 65536])
            sent += 65536
            time.sleep(0.01)
        if sent < len(data):
            sock.settimeout(3 * SLOW)
        else:
            sock.settimeout(15 * SLOW)
        out = sock.recv(65536)
    except OSError:
        pass  # the connection ended: that is an answer too
    finally:
        sock.close()
    return out


@test("kill -9 of each role during an import: no answer of success, no row, no file; the next import works")
def _():
    data = cast(200000, 0.01, text="{} " + "abcdefgh" * 4 + "\r\n")  # many segments
    before = rows(), files()
    for role in ("gate", "keeper", "vault"):
        done, out = threading.Event(), []
        t = threading.Thread(target=lambda: out.append(slow_upload(data, done)))
        t.start()
        until(lambda: rows()[0] > before[0][0], 5, "an import under way")
        time.sleep(0.4)
        s.kill(role)
        if role == "vault":  # recording goes on without one: the key was sealed at the start
            t.join()
            true(out[0].startswith(b"HTTP/1.1 201") or out[0] == b"" or out[0][9:10] == b"5", f"{out[0][:200]}")
            if out[0].startswith(b"HTTP/1.1 201"):
                until(lambda: s.ready(), 5, "ready")
                before = rows(), files()
                continue
        else:
            time.sleep(0.3)
            done.set()
            t.join()
            true(not out[0].startswith(b"HTTP/1.1 2"), f"the {role} died and the import succeeded: {out[0][:200]}")
        until(s.ready, 5, "ready")
        until(lambda: (rows(), files()) == before, 8, f"the half import is gone after the {role}'s death: {rows()} {before[0]}")
    a = s.upload(cast(100)).want(201)
    same(a.json["events"], 100, "events")


@test("what was imported and acknowledged is there after every crash, whole")
def _():
    k = s.keyed(rid)
    lines = k.get(f"{k.path}/events").want(200).text.splitlines()
    same(lines[1:-1], EVENTS, "events")


@test("kill -9 of the whole server: it starts again, the window ends when it would have, nothing else is different")
def _():
    g = s.open(rid, duration_s=25)
    window = s.viewer.get(f"/v1/grants/{g}").json["window"]
    k = s.viewer.key(g, rid)
    stream = k.stream()
    stream.wait_events(5)
    roles = s.die()
    stream.wait_end(5)
    true(stream.final()[0] in (None, "shutdown", "unavailable"), f"a killed server ended the stream with {stream.final()}")
    saw(k, stream)
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in roles.values()), 3, "the roles die with their supervisor")
    time.sleep(1)
    s.start()
    now = s.viewer.get(f"/v1/grants/{g}").want(200).json
    same((now["state"], now["window"]), ("ACTIVE", window), "the window after the restart")
    k2 = s.viewer.key(g, rid)
    stream = k2.stream()
    stream.wait_events(5)
    saw(k2, stream)
    stream.close()
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


@test("a window that passes while the server is down is over when it comes back")
def _():
    g = s.open(rid, duration_s=2)
    s.die()
    time.sleep(2.2)
    s.start()
    same(s.viewer.get(f"/v1/grants/{g}").want(200).json["state"], "EXPIRED", "the grant")
    s.viewer.post(f"/v1/grants/{g}/keys", {"recording": rid}).want(403, "grant-ended")


@test("a silent keeper: streams are cut within seconds, nothing is answered, and all recovers")
def _():
    g = s.open(rid, duration_s=3600)
    k = s.viewer.key(g, rid)
    stream = k.stream()
    stream.wait_events(5)
    pid, began = s.roles()["keeper"], time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        stream.wait_end(5)
        took = time.monotonic() - began
        name, end = stream.final()
        same((name, end and end["code"]), ("unavailable", 4503), f"the end ({stream.ended})")
        true(2 < took < 4 + SLOW, f"cut after {took:.2f} s")
        saw(k, stream)
        a = k.get(f"{k.path}/manifest", timeout=3)
        same((a.status, a.code), (503, "authority-stale"), "replay without a heartbeat")
        true("retry-after" in a.headers, "no Retry-After")
        time.sleep(max(0, 5 - (time.monotonic() - began)))
    finally:
        os.kill(pid, signal.SIGCONT)
    works_again(g, time.monotonic(), 3.0)
    same(s.roles()["keeper"], pid, "the keeper is still the same")
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


@test("a silent vault: the same, and nothing is signed")
def _():
    g = s.open(rid, duration_s=3600)
    k = s.viewer.key(g, rid)
    stream = k.stream()
    stream.wait_events(5)
    pid, began = s.roles()["vault"], time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        a = s.viewer.post(f"/v1/grants/{g}/keys", {"recording": rid}, timeout=12)
        same(a.status, 503, f"a key without a vault: {a}")
        stream.wait_end(6)
        took = time.monotonic() - began
        same(stream.final()[0], "unavailable", f"the end ({stream.ended})")
        true(2 < took < 5 + SLOW, f"cut after {took:.2f} s")
        saw(k, stream)
        same(k.get(f"{k.path}/manifest", timeout=12).code, "authority-stale", "replay without a vault")
    finally:
        os.kill(pid, signal.SIGCONT)
    works_again(g, time.monotonic(), 4.0)
    same(s.roles()["vault"], pid, "the vault is still the same")
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


@test("two servers on one directory: the second says why and goes")
def _():
    began = time.monotonic()
    second = subprocess.run([str(KEYHOLE), "serve", "-c", str(s.conf)], capture_output=True, text=True, timeout=20 * SLOW,
                            stdin=subprocess.DEVNULL)
    true(second.returncode not in (0, -9), f"it ended with {second.returncode}")
    true(4 < time.monotonic() - began < 9 * SLOW, "it waits up to 5 s for a predecessor")
    true("lock" in second.stderr or "another" in second.stderr or "running" in second.stderr, second.stderr[-500:])
    same(Client(s).get("/readyz").status, 200, "the first one")


@test("SIGHUP: a good configuration takes effect, a broken one changes nothing")
def _():
    text, pid = s.conf.read_text(), s.roles()
    s.conf.write_text(text + "key { bearer_life = 20s }\n")
    s.signal(signal.SIGHUP)
    until(lambda: '"config.loaded"' in s.log(), 3, "config.loaded")
    g = s.open(rid, duration_s=3600)

    def life():
        c = s.viewer.key(g, rid).claims
        return c["exp"] - c["iat"]
    until(lambda: life() == 20, 3, "keys of 20 s", step=0.3)
    s.conf.write_text(text + "key { bearer_life = 90s }\nnonsense = 1\n")
    s.signal(signal.SIGHUP)
    until(lambda: '"config.refused"' in s.log(), 3, "config.refused")
    same(life(), 20, "after a broken file")
    s.conf.write_text(text)
    same(s.roles(), pid, "roles")
    s.wait_leaf(lambda l: l["type"] == "config.changed", log="system", client=s.admin, what="config.changed")


@test("signals to the roles themselves change nothing")
def _():
    before = s.roles()
    for pid in before.values():
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, sig)
    time.sleep(0.3)
    same(s.roles(), before, "roles")
    same(Client(s).get("/readyz").status, 200, "ready")


@test("SIGTERM: streams are told, the log says so, exit 0, no process stays")
def _():
    k = s.keyed(rid, duration_s=3600)
    stream = k.stream()
    stream.wait_events(5)
    roles = s.roles()
    began = time.monotonic()
    s.signal(signal.SIGTERM)
    end = stream.want_end("shutdown", 1012, 5)
    true(0 <= end["retry_after_s"] <= 5, "retry_after_s")
    same(stream.ended, "clean", "the stream")
    saw(k, stream)
    same(s.proc.wait(10 * SLOW), 0, "exit status")
    true(time.monotonic() - began < 5 * SLOW, "it took too long")
    true(not any(os.path.exists(f"/proc/{p}") for p in roles.values()), "roles are still there")
    s.start()
    types = [l["type"] for _, l in s.leaves("system", s.admin)]
    true("service.stopped" in types, "service.stopped is not in the log")
    true(types.count("service.started") >= 3, "service.started")


@test("nothing was served without a lease, at any of these points; the logs verify")
def _():
    leaves = verify_log(s, s.project())
    true(len(got) >= 10, f"only {len(got)} keys were used")
    for jti, seqs in got.items():
        ranges = leased(leaves, jti)
        true(covered(seqs, ranges), f"{jti}: {len(seqs)} events up to {max(seqs)} were served, leased is {ranges}")
    verify_log(s, "system", s.admin)


test.run()
