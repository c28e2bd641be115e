#!/usr/bin/env python3
"""Recordings that are followed while they are made: whoever joins, whenever, sees every event once and in order, each soon
after it was acknowledged, under leases that cover it; across seals, merges, fresh keys and a gate that died; and nothing
after access ended."""
import json
import sys
import threading
import time

from _server import (SLOW, Client, Failed, Key, Server, Stream, Tests, cast_events, covered, rrweb_events, same, true, unmarked, until,
                     verify_log)

from _http2 import H2

test = Tests()
SMALL = "gate { threads = 2 }\nstore { seal_bytes = 64KiB seal_after = 1s }\n"
s = Server(config=SMALL).cast()
BOTH = ["play", "live"]


CRLF = "\r\n"


class Live:
    """One recording being made."""

    def __init__(self, kind="terminal", server=None):
        self.server = server or s
        self.client, self.kind, self.at, self.sent, self.acked = self.server.recorder, kind, 0, [], {}
        self.id = self.client.post("/v1/recordings", {"kind": kind, "title": "live"}).want(201).json["id"]

    def add(self, events, number=None):
        """One batch; remembers when each event was acknowledged."""
        body = "".join(e + "\n" for e in events).encode()
        h = {"Batch-Seq": str(self.at if number is None else number), "Content-Type": "application/x-ndjson"}
        a = self.client.post(f"/v1/recordings/{self.id}/events", body, headers=h)
        if a.status != 200:
            return a
        now = time.monotonic()
        for i in range(len(events)):
            self.acked[len(self.sent) + i] = now
        self.sent += events
        self.at = a.json["next_batch"]
        return a

    def more(self, n, step=0.01, pad=20):
        """n events of a terminal, or so many of a page, going on from what there is."""
        at = len(self.sent)
        if self.kind == "terminal":
            new = [f'[{round((at + i) * step, 3):.3f},"o",{json.dumps(f"line {at + i} " + "x" * pad + CRLF)}]' for i in range(n)]  # lines that are over: a word that is not waits a second
        else:
            new = rrweb_events(at + n, step_ms=int(step * 1000), text="node {} " + "x" * pad)[at:]
        self.add(new).want(200)
        return self

    def end(self):
        return self.client.post(f"/v1/recordings/{self.id}/end").want(200).json

    def grant(self, actions=BOTH, **k):
        return self.server.open(self.id, actions, **k)

    def follow(self, key=None, query="", **headers):
        key = key or self.server.keyed(self.id, BOTH)
        return key.stream("?follow=1" + query, **headers)


def seqs(x):
    return [i for i, _ in x.content()]


def check_all(x, live, first=0):
    """Every event from 'first' on, once, in order, as it was sent."""
    got = x.content()
    same([i for i, _ in got], list(range(first, len(live.sent))), "sequences")
    same([d for _, d in got], live.sent[first:], "events")


def late(x, live):
    """Seconds from the acknowledgement to the arrival, of each event that came after `live`."""
    began = next((t for t, e, _, _ in x.items if e == "live"), None)
    return sorted(t - live.acked[int(i)] for t, e, i, _ in x.items
                  if e == "" and began is not None and t > began and int(i) in live.acked)


def check_leases(rid, server=None, seen=None):
    """What was settled, and what a client saw under a key ({jti: sequences}), was leased before."""
    server = server or s
    leaves = [l for _, l in server.leaves() if l.get("rid") == rid]
    ranges = {}
    for l in leaves:
        n = l.get("n", {})
        if l["type"] == "replay.leased" and "manifest" not in n:
            to = n["to_seq"] if "to_seq" in n else 1 << 60
            true("to_seq" in n or (n["live_s"] == 30 and n["max_bytes"] <= 4 << 20), f"a live lease {n}")
            ranges.setdefault(l["jti"], []).append((n["from_seq"], to))
        if l["type"] == "replay.settled":
            for i in range(16):
                tail = f"_{i}" if i else ""
                if "from_seq" + tail in n:
                    a, b = n["from_seq" + tail], n["to_seq" + tail]
                    true(any(f <= a for f, _ in ranges.get(l["jti"], [])) and covered((a, b), join(ranges[l["jti"]])),
                         f"settled {a}-{b} of {l['jti']}, leased {ranges.get(l['jti'])}")
    for jti, numbers in (seen or {}).items():
        true(covered(numbers, join(ranges.get(jti, []))), f"seen under {jti} and not leased: {ranges.get(jti)}")
    return leaves


def join(ranges):
    out = []
    for a, b in sorted(ranges):
        if out and a <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return out


# ---- joining ----

@test("a follower who is there before the first event sees `from`, `live`, each event soon after it is durable, and the end")
def _():
    for kind in ("terminal", "rrweb"):
        live = Live(kind)
        key = s.keyed(live.id, BOTH)
        x = live.follow(key).wait(lambda x: x.named("live"), 5, "live")
        same(x.named("from")[0]["seq"], 0, "from")
        same(x.named("live"), [{"last_seq": -1}], "live")
        for i in range(40):
            live.more(1 + i % 3)
            time.sleep(0.02)
        live.end()
        end = x.want_end("end", 1000)
        check_all(x, live)
        same((end["last_seq"], len(x.named("behind"))), (len(live.sent) - 1, 0), "the end")
        t = late(x, live)
        true(t[len(t) // 2] < 0.2 * SLOW and t[-1] < 2 * SLOW,  # bench/ measures it; this is on a busy machine, too
              f"{kind}: median {t[len(t) // 2]}, worst {t[-1]}")
        leaves = check_leases(live.id, seen={key.id: seqs(x)})
        true([l for l in leaves if l["type"] == "replay.leased" and l.get("n", {}).get("live_s") == 30], "no live lease")
        x.close()


@test("who joins a terminal late starts at its latest screen; with from_ms=0 at the beginning")
def _():
    live = Live()
    for _ in range(20):
        live.more(50, pad=400)  # 20 x 22 KB: several seals
    until(lambda: s.keyed(live.id).manifest()["sealed_to_seq"] > 500, 10, "seals", step=0.3)
    g = live.grant()
    x = live.follow(s.viewer.key(g, live.id)).wait(lambda x: x.named("live"), 5, "live")
    start = x.named("from")[0]
    true(start["seq"] > 0 and "screen" in start and start["screen"]["cols"] == 80, f"from {start}")
    same(start["last_seq"], len(live.sent) - 1, "last_seq")
    y = live.follow(s.viewer.key(g, live.id), "&from_ms=0").wait(lambda x: x.named("live"), 5, "live")
    live.more(3)
    live.end()
    x.want_end("end", 1000)
    y.want_end("end", 1000)
    check_all(x, live, start["seq"])
    check_all(y, live)
    check_leases(live.id)
    x.close()
    y.close()


@test("who joins a page late starts at its latest full snapshot, in a segment or not sealed yet")
def _():
    live = Live("rrweb")
    live.more(30)
    again = json.loads(live.sent[0]), json.loads(live.sent[1])
    base = json.loads(live.sent[0])["timestamp"]
    for e, ms in zip(again, (5000, 5001)):
        e["timestamp"] = base + ms
    live.add([json.dumps(e, separators=(",", ":")) for e in again]).want(200)
    for wait in (0, 2.5):  # in the tail, then sealed
        time.sleep(wait)
        x = live.follow().wait(lambda x: x.named("live"), 5, "live")
        same((x.named("from")[0]["seq"], x.named("from")[0]["at_ms"], seqs(x)), (30, 5000, [30, 31]), "the newest snapshot")
        x.close()
        x = live.follow(query="&from_ms=4999").wait(lambda x: x.named("live"), 5, "live")
        same((x.named("from")[0]["seq"], len(seqs(x))), (0, 32), "the one before")
        x.close()
    m = s.keyed(live.id).manifest()
    same((m["base_ms"], m["live"], m["duration_ms"], m["events"]), (base, True, 5001, 32), "manifest")
    live.end()
    x = live.follow()
    x.want_end("end", 1000)
    check_all(x, live)
    x.close()


@test("approval comes while it is recorded; play alone does not follow, and live alone sees nothing older than the newest picture")
def _():
    live = Live()
    live.more(10)
    q = s.viewer.ask(live.id, BOTH)
    live.more(10)
    g = s.approver.approve(q["id"])["grant"]
    live.more(10)
    x = live.follow(s.viewer.key(g, live.id)).wait(lambda x: x.named("live"), 5, "live")
    same(len(seqs(x)), 30, "events")
    x.close()
    play = s.keyed(live.id, ["play"])
    y = play.stream("?follow=1")
    y.wait(lambda y: y.status is not None and y.ended is not None, 5, "an answer")
    same((y.status, y.code), (403, "scope"), "following with play alone")
    s.wait_leaf(lambda l: l["type"] == "replay.refused" and l.get("rid") == live.id and l.get("outcome") == "scope", what="the refusal")
    only = s.keyed(live.id, ["live"])
    for query in ("", "?follow=1&from_ms=0"):
        y = only.stream(query)
        y.wait(lambda y: y.ended is not None, 5, "an answer")
        same((y.status, y.code), (403, "scope"), query)
    y = only.stream("?follow=1").wait(lambda y: y.named("live"), 5, "live")
    live.more(2)
    y.wait(lambda y: seqs(y)[-1:] == [31], 5, "the newest event")
    y.close()
    for bad in ("follow=2", "follow=1&from_ms=x", "follow=1&from_ms=5&to_ms=4"):
        y = live.follow(query="&" + bad) if not bad.startswith("follow") else s.keyed(live.id, BOTH).stream("?" + bad)
        y.wait(lambda y: y.ended is not None, 5, "an answer")
        same((y.status, y.code), (422, "invalid"), bad)
    live.end()


# ---- without follow ----

@test("events, stream, export and manifest of an unfinished recording: all that was durable when they were asked")
def _():
    live = Live()
    live.more(300, pad=400)  # some of it is sealed, some is not
    time.sleep(1.5)
    live.more(20)
    key = s.keyed(live.id)
    m = key.manifest()
    same((m["live"], m["events"], m["duration_ms"]), (True, 320, 3190), "manifest")
    true(0 < m["sealed_to_seq"] < 319 and m["chunks"][-1]["to_seq"] == m["sealed_to_seq"], f"sealed {m['sealed_to_seq']}")
    lines = key.get(f"{key.path}/events").want(200).text.split("\n")[:-1]
    same(lines[1:-1], live.sent, "events")
    same(json.loads(lines[0])["from"]["last_seq"], 319, "last_seq")
    lines = key.get(f"{key.path}/events?from_ms=3150").want(200).text.split("\n")[:-1]
    same(lines[-2], live.sent[-1], "the last event")
    chunks = b"".join(key.chunk(i).want(200).body for i in range(len(m["chunks"])))
    same(chunks.decode().split("\n")[:-1], live.sent[:m["sealed_to_seq"] + 1], "chunks")
    same(key.chunk(len(m["chunks"])).status, 404, "a chunk that is not sealed")
    x = key.stream("?from_ms=3100&speed=16").wait(lambda x: x.named("from"), 5, "from")
    live.more(5)
    x.want_end("end", 1000)
    same(seqs(x)[-1], 319, "a stream ends with what there was")
    x.close()
    e = s.keyed(live.id, ["export"])
    out = e.get(f"{e.path}/export").want(200).text
    same(unmarked(out)[1:], live.sent, "export")
    same(unmarked(e.get(f"{e.path}/export?from_seq=318").want(200).text), live.sent[318:], "export of the rest")
    live.end()
    check_leases(live.id)


# ---- while it goes on ----

@test("four followers on both loops, each from another place, through many seals, the end and its merge: every event once")
def _():
    live = Live()
    live.more(20)
    g = live.grant(duration_s=600)
    xs, keys = [], []
    stop = threading.Event()

    def record():
        while not stop.is_set() and len(live.sent) < 4000:
            live.more(25, pad=300)
            time.sleep(0.01)

    t = threading.Thread(target=record, daemon=True)
    t.start()
    for i in range(4):
        if i % 2 == 0:
            key = s.viewer.key(g, live.id)
        keys.append(key)
        xs.append(live.follow(key, "&from_ms=0" if i % 2 else ""))
        time.sleep(0.3)
    t.join(60)
    live.end()
    for x in xs:
        x.want_end("end", 1000, seconds=20)
        check_all(x, live, x.named("from")[0]["seq"])
    check_leases(live.id, seen={k.id: seqs(x) + seqs(y) for k, x, y in zip(keys[::2], xs[::2], xs[1::2])})
    m = s.keyed(live.id).manifest()
    same((m["live"], m["sealed_to_seq"], m["events"]), (False, len(live.sent) - 1, len(live.sent)), "afterwards")
    for x in xs:
        x.close()


@test("over HTTP/2: two follow and one seeks on one connection, beside one over HTTP/1.1; the revocation of one leaves the others")
def _():
    live, other = Live(), Live("rrweb")
    live.more(30)
    other.more(30)
    g, g2 = live.grant(duration_s=600), other.grant(duration_s=600)
    key, key2 = s.viewer.key(g, live.id), s.viewer.key(g2, other.id)
    c = H2(s)
    a = c.ask(f"{key.path}/stream?follow=1&from_ms=0", token=key.text)
    b = c.ask(f"{key2.path}/stream?follow=1&from_ms=0", token=key2.text)
    x = live.follow(key, "&from_ms=0").wait(lambda x: x.named("live"), 5, "live")
    c.wait(lambda: all(any(e == "live" for e, _, _ in y.events()) for y in (a, b)), 5, "live")
    for _ in range(30):
        live.more(3, pad=200)
        other.more(1)
    same(c.get(f"{key.path}/manifest", token=key.text).status, 200, "a manifest beside them")
    s.approver.post(f"/v1/grants/{g2}/revoke", {}).want(200)
    c.done(b, 5)
    true(b.events()[-1][0] == "revoked" and len(b.content()) <= 60, f"the end of one: {b.events()[-1]}")
    live.more(5)
    live.end()
    other.end()
    c.done(a, 5)
    x.want_end("end", 1000)
    check_all(x, live)
    same(a.content(), live.sent, "events over HTTP/2")
    same(a.events()[-1][0], "end", "the end of the other")
    c.close()
    x.close()
    check_leases(live.id, seen={key.id: seqs(x)})


@test("a slow follower is told how far behind he is, misses nothing, is not buffered, and catches up")
def _():
    live = Live()
    live.more(5)
    g = live.grant(duration_s=600)
    key = s.viewer.key(g, live.id)
    x = Stream(s, f"{key.path}/stream?follow=1&from_ms=0", key.text, rcvbuf=65536, paused=True)
    for _ in range(40):
        live.more(20, pad=10000)  # 8 MB in 4 s, and nobody reads
        time.sleep(0.1)
    x.go.set()
    x.wait(lambda x: len(seqs(x)) == len(live.sent) and len(x.named("live")) > 1, 20, "caught up")
    behind = x.named("behind")
    true(behind and behind[0]["behind_ms"] >= 3000 and behind[0]["live_seq"] == len(live.sent) - 1 and
         behind[0]["last_seq"] < behind[0]["live_seq"], f"behind {behind[:3]}")
    live.end()
    x.want_end("end", 1000)
    check_all(x, live)
    x.close()
    check_leases(live.id, seen={key.id: seqs(x)})


@test("across fresh keys: key.expiring, key.expired, and Last-Event-ID go on without loss or repeat")
def _():
    s = Server(config=SMALL + "key { bearer_life = 6s }").cast()
    live = Live(server=s)
    g = live.grant(duration_s=600)
    got, seen, last = [], {}, None
    stop = threading.Event()

    def record():
        while not stop.is_set():
            live.more(2)
            time.sleep(0.05)

    t = threading.Thread(target=record, daemon=True)
    t.start()
    for i in range(3):
        key = s.viewer.key(g, live.id)
        x = live.follow(key, "" if last is not None else "&from_ms=0", **({"Last_Event_ID": last} if last is not None else {}))
        x.wait_end(20)
        same(x.final()[0], "key.expired", "the end of a key")
        true(x.named("key.expiring"), "no warning")
        got += x.content()
        seen[key.id] = seqs(x)
        last = got[-1][0]
        x.close()
    stop.set()
    t.join(10)
    live.end()
    x = live.follow(s.viewer.key(g, live.id), Last_Event_ID=last)
    x.want_end("end", 1000)
    got += x.content()
    same([d for _, d in got], live.sent, "events over four keys")
    same([i for i, _ in got], list(range(len(live.sent))), "their numbers")
    check_leases(live.id, s, seen)
    verify_log(s, s.project())


# ---- endings ----

def nothing_more(x, live):
    n = len(x.content())
    live.more(3)
    time.sleep(0.3)
    same(len(x.content()), n, "events after the end")


@test("revoked, given back, window over, keeper dead: a follower is cut at once, and gets nothing more")
def _():
    for name, code, how in (("revoked", 4411, lambda g: s.approver.post(f"/v1/grants/{g}/revoke", {"comment": "enough now"}).want(200)),
                            ("window.ended", 4410, lambda g: s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)),
                            ("unavailable", 4503, lambda g: s.kill("keeper"))):
        live = Live()
        live.more(5)
        g = live.grant()
        x = live.follow(s.viewer.key(g, live.id)).wait(lambda x: x.named("live"), 5, "live")
        live.more(5)
        x.wait(lambda x: len(seqs(x)) == 10, 5, "ten events")
        began = time.monotonic()
        how(g)
        x.want_end(name, code, 5)
        true(time.monotonic() - began < 2.0 * SLOW, f"{name} took {time.monotonic() - began} s")
        if name == "unavailable":
            s.wait_ready()
        nothing_more(x, live)
        live.end()
        x.close()
    live = Live()
    live.more(5)
    g = live.grant(duration_s=3)
    x = live.follow(s.viewer.key(g, live.id)).wait(lambda x: x.named("live"), 5, "live")
    x.want_end("window.ended", 4410, 6)
    nothing_more(x, live)
    live.end()


@test("over the death of the gate: the recorder goes on under another key number, the follower with Last-Event-ID")
def _():
    for kind in ("terminal", "rrweb"):
        live = Live(kind)
        live.more(200, pad=500)
        time.sleep(1.5)
        live.more(30)  # not sealed when it dies
        g = live.grant(duration_s=600)
        x = live.follow(s.viewer.key(g, live.id), "&from_ms=0").wait(lambda x: len(seqs(x)) == 230, 5, "all of it")
        s.kill("gate")
        x.wait_end(10)
        got = x.content()
        x.close()
        s.wait_ready()
        y = until(lambda: resumed(live, g, got[-1][0]), 15, "a follower again", step=0.3)
        # A page is snapshot anew: what changes in nodes that this gate has not seen is masked until then.
        again = (rrweb_events(2, base=1700000000000 + 2300) + rrweb_events(240, 10, "node {} ")[232:] if kind == "rrweb" else
                 [f'[{2.3 + i / 100:.3f},"o",{json.dumps(f"after {i}" + CRLF)}]' for i in range(10)])
        until(lambda: live.add(again).status == 200, 15, "the recorder again", step=0.3)
        live.more(5)
        y.wait(lambda y: len(seqs(y)) == 15, 10, "what came after")
        live.end()
        y.want_end("end", 1000)
        got += y.content()
        same([i for i, _ in got], list(range(len(live.sent))), f"{kind}: numbers")
        same([d for _, d in got], live.sent, f"{kind}: events")
        y.close()
        z = live.follow(s.viewer.key(g, live.id), "&from_ms=0")
        z.want_end("end", 1000)
        check_all(z, live)
        z.close()
        key = s.viewer.key(g, live.id)
        m = key.manifest()
        parts = [key.chunk(i).want(200).body.decode() for i in range(len(m["chunks"]))]
        same("".join(parts).split("\n")[:-1], live.sent, f"{kind}: chunks")
        times = [t for c in m["chunks"] for t in (c["from_ms"], c["to_ms"])]
        same(times, sorted(times), f"{kind}: times of chunks")
        p = key.stream("?from_ms=1000000&speed=16")
        p.want_end("end", 1000)
        same(p.content()[-1][0], len(live.sent) - 1, f"{kind}: the last event of a stream")
        p.close()
        check_leases(live.id)


def resumed(live, g, last):
    a = s.viewer.post(f"/v1/grants/{g}/keys", {"recording": live.id})
    if a.status != 201:
        return None
    y = live.follow(Key(s, a.json, live.id), Last_Event_ID=last)
    y.wait(lambda y: y.status is not None and (y.status == 200 or y.ended is not None), 5, "an answer")
    return y if y.status == 200 else None


@test("the log verifies")
def _():
    verify_log(s, s.project())


test.run()
