#!/usr/bin/env python3
"""kill -9 of gate, keeper, vault and of the whole server at random, seeded moments while people play and fetch: whatever reached a
client was leased before, and the report made from the log names it.

KEYHOLE_SEED repeats a run's choices; KEYHOLE_POINTS sets how many blows; KEYHOLE_LONG=1 does ten times as many.
"""
import contextlib
import http.client
import os
import random
import threading
import time

import _server
from _server import Client, Failed, Server, Stream, Tests, cast, cast_events, covered, leased, same, true, until, verify_log

LONG = bool(os.environ.get("KEYHOLE_LONG"))
SEED = int(os.environ.get("KEYHOLE_SEED", "20261122"))
POINTS = int(os.environ.get("KEYHOLE_POINTS", "240" if LONG else "24"))
AWAY = (OSError, http.client.HTTPException, Failed, KeyError, ValueError)

_server.PORTS = range(28500, 28560)
test = Tests()
s = Server().cast()
s.expect_ends = True
EVENTS = cast_events(3000, 0.05, pad=200)
rid = s.add(cast(3000, 0.05, pad=200), "Long")
random.seed(SEED)
stop = threading.Event()
got, grants, counted = {}, {}, {"stream": 0, "chunk": 0}  # jti -> sequences that a client was sent; jti -> grant
wrong = []  # events that came otherwise than they were recorded
lock = threading.Lock()


def saw(key, seqs, how):
    with lock:
        got.setdefault(key.id, set()).update(seqs)
        grants[key.id] = key.claims["gid"]
        counted[how] += len(seqs)


def play(key, rng):
    """Streams from somewhere, faster than life, for a while."""
    t = Stream(s, f"{key.path}/stream?speed=16&from_ms={rng.randrange(0, 140000)}", key.text)
    end = time.monotonic() + rng.uniform(0.2, 2.5)
    while t.ended is None and time.monotonic() < end and not stop.is_set():
        time.sleep(0.05)
    t.close()
    wrong.extend(n for n, text in t.content() if text != EVENTS[n])
    saw(key, [n for n, _ in t.content()], "stream")


def fetch(key, rng):
    """A few chunks, forwards or backwards."""
    chunks = key.manifest()["chunks"]
    numbers = list(range(len(chunks)))
    if rng.random() < 0.5:
        numbers.reverse()
    for n in numbers[:rng.randrange(1, 6)]:
        if stop.is_set():
            return
        a = key.chunk(n)
        if a.status == 200:
            first, last = chunks[n]["from_seq"], chunks[n]["to_seq"]
            if a.text.split("\n")[:last - first + 1] != EVENTS[first:last + 1]:
                wrong.append(first)
            saw(key, range(first, last + 1), "chunk")


def viewer(who, grant, seed):
    rng = random.Random(seed)
    while not stop.is_set():
        with contextlib.suppress(*AWAY):
            key = who.key(grant, rid)
            for _ in range(rng.randrange(1, 4)):
                rng.choice((play, fetch))(key, rng)
        time.sleep(rng.uniform(0.02, 0.2))


def blow(rng):
    what = rng.choices(("gate", "keeper", "vault", "all"), (5, 4, 1, 1))[0]
    if what == "all":
        s.die()
        s.start()
        return what
    with contextlib.suppress(KeyError, ProcessLookupError):
        s.kill(what)
    until(s.ready, 20, f"the server after {what} died")
    return what


@test("people play and fetch while processes die")
def _():
    who = [s.viewer, s.person("viewer-2"), s.person("viewer-3")]
    given = [s.open(rid, viewer=x, duration_s=3600) for x in who]
    threads = [threading.Thread(target=viewer, args=(x, g, SEED + i), daemon=True) for i, (x, g) in enumerate(zip(who, given))]
    rng = random.Random(SEED)
    for t in threads:
        t.start()
    blows = {}
    for _ in range(POINTS):
        time.sleep(rng.uniform(0.1, 1.2))
        what = blow(rng)
        blows[what] = blows.get(what, 0) + 1
    time.sleep(2)
    stop.set()
    for t in threads:
        t.join(30)
    print(f"          {blows}, {len(got)} keys, {counted}", flush=True)
    same(wrong, [], "events that are not what was recorded")
    true(len(got) > 3 and all(counted.values()), "too little was played to prove anything")


@test("whatever a client was sent, a lease of that key covers; the log verifies")
def _():
    leaves = verify_log(s, s.project())
    for jti, seqs in got.items():
        lease = leased(leaves, jti)
        true(covered(seqs, lease), f"key {jti}: served {sorted(x for x in seqs if not covered([x], lease))[:5]} … without a lease")


@test("settlements stay within leases, and the report names all that was sent")
def _():
    leaves = verify_log(s, s.project())
    for _, l in leaves:
        if l["type"] == "replay.settled" and "from_0" in l["n"]:
            lease = leased(leaves, l["jti"])
            for i in range(16):
                if f"from_{i}" in l["n"]:
                    true(covered((l["n"][f"from_{i}"], l["n"][f"to_{i}"]), lease), f"settled and not leased: {l}")
    rows = s.auditor.get(f"/v1/reports/recording?recording={rid}").want(200).json["items"]
    for gid in set(grants.values()):
        told = [r for x in rows if x["grant"] == gid for r in x["ranges"]]
        seqs = set().union(*(got[j] for j in got if grants[j] == gid))
        missing = sorted(x for x in seqs if not covered([x], told))
        true(not missing, f"grant {gid}: the report says nothing of {missing[:5]} … ({len(missing)})")


@test("nobody was locked out: a fresh key still plays")
def _():
    key = s.keyed(rid)
    key.manifest()
    same(key.chunk(0).status, 200, "a chunk")
    Client(s, token=key.text).get(f"{key.path}/chunks/0").want(200)


test.run()
