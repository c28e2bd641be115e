#!/usr/bin/env python3
"""What viewers of one recording share in the server's memory, attacked: nobody gets a byte out of it without a key of his own that the vault has
released, without a lease of his own, after his access is over, or with originals that are another's; and no more is read than the log says."""
import json
import os
import signal
import time

from _server import SLOW, Server, Tests, covered, leased, same, true, until, unzstd

test = Tests()
s = Server(config="gate { threads = 1 }\n").cast()  # one loop: everybody at one shelf
LOG = s.project()
PEOPLE = [s.person(f"watcher{i}") for i in range(4)]
CARD = "4111 1111 1111 1111"


def recording(n=1500, pad=600, client=None):
    """Events that do not shrink: some chunks of the largest size."""
    lines = [json.dumps({"version": 2, "width": 80, "height": 24})]
    lines += [json.dumps([i * 0.05, "o", f"line {i} {os.urandom(pad // 2).hex()}\r\n"]) for i in range(n)]
    lines.append(json.dumps([n * 0.05, "o", f"paid with {CARD} today\r\n"]))
    return s.upload(("\n".join(lines) + "\n").encode(), client=client).want(201).json["id"]


def body_of(a):
    return unzstd(a.body).decode() if a.headers.get("content-encoding") == "zstd" else a.text


def read_all(key, encoding="zstd"):
    return [body_of(key.chunk(i, encoding).want(200)) for i in range(len(key.manifest()["chunks"]))]


def seqs_of(key, n):
    c = key.manifest()["chunks"][n]
    return c["from_seq"], c["to_seq"]


def unmasking(rid, viewer):
    q = viewer.ask(rid, ("play", "unmask"), 600)
    s.approver.approve(q["id"])
    return viewer.key(s.second.approve(q["id"])["grant"], rid, scope=["play", "unmask"])


@test("who sees originals leaves none on the shelf, and takes none from it; whoever comes first, in either coding")
def _():
    pid = s.project("kept")
    s.admin.call("PUT", f"/v1/projects/{pid}/masks", {"text": "reveal = keep\n"}).want(200)
    client = s.ingest(pid)
    for first in ("unmask", "masked"):
        rid = recording(300, client=client)
        masked = s.keyed(rid, viewer=PEOPLE[0])
        clear = unmasking(rid, PEOPLE[1])
        for turn in range(2):
            for who in (("unmask", "masked") if first == "unmask" else ("masked", "unmask")):
                for coding in ("zstd", "identity"):
                    text = "".join(read_all(clear if who == "unmask" else masked, coding)) + \
                        (clear if who == "unmask" else masked).get(f"/v1/replay/{rid}/events").want(200).text
                    same(text.count(CARD), 2 if who == "unmask" else 0, f"{who} in turn {turn}, {first} first, {coding}")


@test("a second viewer gets nothing out of the first one's shelf while the vault does not release, and everything after")
def _():
    rid = recording()
    a, b = s.keyed(rid, viewer=PEOPLE[0]), s.keyed(rid, viewer=PEOPLE[1])
    want = read_all(a)
    s.kill("vault", signal.SIGSTOP)
    try:
        for path in [f"chunks/{i}" for i in range(3)] + ["manifest", "events"]:
            got = b.get(f"{b.path}/{path}", timeout=20 * SLOW)
            true(got.status == 503, f"{path} without the vault: {got}")
    finally:
        s.kill("vault", signal.SIGCONT)
    until(lambda: b.get(f"{b.path}/chunks/0").status == 200, 20 * SLOW, "the vault is back")
    same(read_all(b), want, "what both see")


@test("an ending counts for what is shared, too: the other one goes on, and the one whose access is over gets nothing, not even what he had")
def _():
    rid = recording()
    a, b = s.keyed(rid, viewer=PEOPLE[0]), s.keyed(rid, viewer=PEOPLE[1])
    read_all(a), read_all(b)
    s.approver.post(f"/v1/grants/{b.claims['gid']}/revoke").want(200)
    until(lambda: b.get(f"{b.path}/manifest").status in (401, 403), 5 * SLOW, "the ending is here")
    for path in [f"chunks/{i}" for i in range(3)] + ["manifest", "events", "stream"]:
        got = b.get(f"{b.path}/{path}")
        true(got.status in (401, 403) and b"line" not in got.body, f"{path} after the end: {got}")
    true(len(read_all(a)) > 2, "the other one")
    again = s.keyed(rid, viewer=PEOPLE[1])
    same(again.chunk(0).want(200).body, a.chunk(0).want(200).body, "with new access")


@test("without the keeper no chunk leaves that no lease names; what a lease ahead names, for three seconds at most")
def _():
    rid = recording(4000, 1500)
    a, b = s.keyed(rid, viewer=PEOPLE[0]), s.keyed(rid, viewer=PEOPLE[1])
    n = len(a.manifest()["chunks"])
    read_all(a)  # all of it is on the shelf
    served = []
    for i in range(4):
        b.chunk(i).want(200)
        served.append(i)
    known = {i: seqs_of(b, i) for i in range(n)}
    s.kill("keeper", signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        refused = None
        for i in range(4, n):
            if b.chunk(i).status != 200:
                refused = i
                break
            served.append(i)
        true(refused is not None, f"{n} chunks were served without a keeper")
        time.sleep(max(0, stopped + 3.5 * SLOW - time.monotonic()))
        for key in (a, b):
            for i in served[:3]:
                same(key.chunk(i).status, 503, f"chunk {i}, leased, with a keeper that is silent for three seconds")
    finally:
        s.kill("keeper", signal.SIGCONT)
    until(lambda: b.chunk(0).status == 200, 20 * SLOW, "the keeper is back")
    ranges = leased(s.leaves(LOG), b.id)
    for i in served:
        true(covered(range(known[i][0], known[i][1] + 1), ranges), f"chunk {i} {known[i]} was served under {ranges}")


@test("kill -9 of the gate in the midst of leases ahead: the log names at least what came, and not the whole recording")
def _():
    rid = recording(4000, 1500)
    key = s.keyed(rid, viewer=PEOPLE[2])
    chunks = key.manifest()["chunks"]
    for i in range(3):
        key.chunk(i).want(200)
    s.kill("gate")
    s.wait_ready()
    ranges = leased(s.leaves(LOG), key.id)
    true(covered(range(chunks[0]["from_seq"], chunks[2]["to_seq"] + 1), ranges), f"three chunks came under {ranges}")
    seen = sum(c["bytes"] for c in chunks if any(f <= c["from_seq"] and c["to_seq"] <= t for f, t in ranges))
    true(seen <= sum(c["bytes"] for c in chunks[:3]) + (4 << 20), f"{seen} bytes are named for three chunks")


test.run()
