"""Followers of live recordings: from durable (the recorder has its acknowledgement) to the follower's socket.

Ten recordings get two events a second each; every event says when it was sent, the recorder notes when it was acknowledged. A follower that hears
of an event before its recorder does counts as 0.
"""
import json
import pathlib
import tempfile
import time

from chunks import Rounds
from figures import case, quantile
from house import Costs, House, cue, generator, go
from streams import Run, no_refusals

RECORDINGS, HZ = 10, 2


def follow_round(build, house, n, seconds, top, got):
    ids, acks = top / "ids", top / "acks"
    p = generator(build, "bench-record", "--n", RECORDINGS, "--paced", HZ, "--ids", ids, "--acks", acks, house.address, house.ingest(), "-")
    cue(p)
    go(p)
    cue(p, "created")
    rids = ids.read_text(encoding="ascii").split()
    go(p)
    people = []
    for _ in range(-(-n // (RECORDINGS * 10))):
        token = house.viewer()
        people.append((token, house.grant(token, rids, actions=("play", "live"))))
    asked = [(t, g, rid) for t, g in people for rid in rids]
    keys = house.keys(asked, scope=["play", "live"])
    lines = [f"/v1/replay/{rid}/stream?follow=1 {key}" for (_, _, rid), key in zip(asked, keys) for _ in range(10)][:n]
    before = house.pss()
    run = Run(build, house.address, lines, top, max(1, n / 1500), seconds).open().begin()
    time.sleep(1)
    costs, began, began_ns = Costs(house.roles()), time.monotonic(), time.monotonic_ns()
    time.sleep(seconds - 2)
    used, took, after = costs.used(), time.monotonic() - began, house.pss()
    report = run.finish()
    _, marks = run.streams()
    run.close()
    go(p)
    cue(p, "sent")
    go(p)
    recorded = json.loads(p.stdout.readline())
    p.stdin.close()
    p.wait()
    no_refusals(report, n)
    acked = dict(tuple(map(int, line.split())) for line in acks.read_text(encoding="ascii").splitlines())
    live = [(arrived - acked[sent]) / 1e6 for sent, arrived in marks if sent in acked and sent > began_ns]
    if len(live) < n * HZ * (seconds - 3) * 0.3:
        raise SystemExit(f"bench: {len(live)} events reached {n} followers, too few; {report}")
    got.add("p50", max(0, quantile(live, 0.5)))
    got.add("p99", max(0, quantile(live, 0.99)))
    got.add("max", max(0, max(live)))
    got.add("all p99", quantile([(arrived - sent) / 1e6 for sent, arrived in marks if sent > began_ns], 0.99))
    got.add("ack p99", recorded["ack_p99_ms"])
    got.add("cpu", sum(used.values()) / took * 100 / (n / 1000))
    got.add("memory", (sum(after.values()) - sum(before.values())) / n / 1024)
    got.add("first", report["first_p99_ms"])


def run(build, o):
    n, seconds = (500 if o.quick else 5000), 8
    got = Rounds()
    for _ in range(o.few):  # a fresh server each: what an earlier round grew to would be there
        with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build) as house:
            follow_round(build, house, n, seconds, pathlib.Path(top), got)
    label = f"{n} followers of {RECORDINGS} recordings"
    yield case(f"{label}: durable to socket, p99", "ms", got["p99"], None, ("<=", 50))
    yield case(f"{label}: durable to socket, median", "ms", got["p50"])
    yield case(f"{label}: durable to socket, slowest", "ms", got["max"])
    yield case(f"{label}: sent by the recorder to socket, p99", "ms", got["all p99"])
    yield case(f"{label}: sent by the recorder to acknowledged, p99", "ms", got["ack p99"])
    yield case(f"{label}: CPU of 1 000, {HZ} events a second each, of a core", "%", got["cpu"])
    yield case(f"{label}: memory growth a follower, all roles", "KiB", got["memory"])
    yield case(f"{label}: first event after asking, p99", "ms", got["first"])
