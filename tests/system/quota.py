#!/usr/bin/env python3
"""Limits of use on both sides: streams at once per key, access and person, volume, byte rate, request rate. What is refused says
which limit and how much of it is used; volumes come back after a restart; a second's worth may come at once."""
import random
import time

from _server import Server, Tests, cast, same, true, until

POLICY = """
purpose "streams" { }
purpose "volume"  { }
purpose "rate"    { }
purpose "requests" { }
rule "streams"  { who = { "role:viewer" }  actions = { play }  purposes = { "streams" }   binding = { bearer }
                  quota { key_streams = 2  grant_streams = 3  person_streams = 4 } }
rule "volume"   { who = { "role:viewer" }  actions = { play }  purposes = { "volume" }    binding = { bearer }
                  quota { key_bytes = 600KiB } }
rule "rate"     { who = { "role:viewer" }  actions = { play, export }  purposes = { "rate" }  binding = { bearer }
                  quota { key_rate = 300KiB } }
rule "requests" { who = { "role:viewer" }  actions = { play }  purposes = { "requests" }  binding = { bearer }
                  quota { key_requests = 5 } }
"""

test = Tests()
s = Server(config="gate { threads = 2 }").cast()
s.admin.post("/v1/policies", {"text": POLICY}).want(201)
small, other, third = (s.add(cast(600, step=0.1), f"small {i}") for i in range(3))
big = s.add("\n".join(['{"version":2,"width":80,"height":24}', *(f'[{n / 10:.1f},"o","{random.randbytes(250).hex()}"]' for n in range(2000))]).encode() + b"\n",
            "big")  # 1 MB: chunks of 256 KiB


def keyed(viewer, rid, purpose, actions=("play",)):
    for g in viewer.get(f"/v1/grants?state=live&box=mine&recording={rid}").want(200).json["items"]:
        viewer.post(f"/v1/grants/{g['id']}/relinquish").want(200)
    q = viewer.ask(rid, actions, 1800, purpose={"code": purpose, "reason": "To see how much of it can be seen."})
    return s.approver.approve(q["id"])["grant"]


def left(a, status, code, name, limit, used):
    same((a.status, a.code), (status, code), repr(a))
    same(a.json.get("left"), {"name": name, "limit": limit, "used": used}, "left")
    same("retry-after" in a.headers, status == 429, "Retry-After")


def playing(key):
    st = key.stream()
    st.wait_events(1)
    return st


def refused_stream(key):
    return key.get(f"{key.path}/stream", fresh=True)


@test("streams of one key: two, and a third as soon as one has ended")
def _():
    gid = keyed(s.viewer, small, "streams")
    k = s.viewer.key(gid, small)
    one, two = playing(k), playing(k)
    left(refused_stream(k), 403, "quota", "key_streams", 2, 2)
    left(refused_stream(k), 403, "quota", "key_streams", 2, 2)  # a refusal counts nowhere
    one.close()
    three = until(lambda: playing(k) if refused_is_over(k) else None, 5, "the place is free again")
    left(refused_stream(k), 403, "quota", "key_streams", 2, 2)
    two.close()
    three.close()
    s.viewer.post(f"/v1/grants/{gid}/relinquish").want(200)


def refused_is_over(key):
    """Is there room? A stream that is let in is closed again."""
    st = key.stream()
    try:
        st.wait(lambda x: x.status is not None, 5, "a status")
        return st.status == 200
    finally:
        st.close()
        time.sleep(0.1)


@test("streams of one access: three over its keys; of one person: four over all; another person has their own")
def _():
    gid, gid2 = keyed(s.viewer, small, "streams"), keyed(s.viewer, other, "streams")
    keys = [s.viewer.key(gid, small), s.viewer.key(gid, small)]
    open_ = [playing(keys[0]), playing(keys[0]), playing(keys[1])]
    left(refused_stream(keys[1]), 403, "quota", "grant_streams", 3, 3)
    k2 = s.viewer.key(gid2, other)
    open_.append(playing(k2))
    left(refused_stream(k2), 403, "quota", "person_streams", 4, 4)
    second = s.person("second-viewer")
    k3 = second.key(keyed(second, small, "streams"), small)
    open_.append(playing(k3))
    for st in open_:
        st.close()


@test("volume of one key: to the last chunk that fits; read again it costs nothing; the next key begins anew")
def _():
    gid = keyed(s.viewer, big, "volume")
    k = s.viewer.key(gid, big)
    chunks = k.manifest()["chunks"]
    true(len(chunks) >= 4, f"{len(chunks)} chunks")
    limit, used, n = 600 << 10, 0, 0
    while True:
        a = k.chunk(n)
        if a.status != 200:
            break
        used += len(a.body)
        n += 1
    true(n >= 2 and used <= limit, f"{n} chunks, {used} bytes")
    left(a, 403, "quota", "key_bytes", limit, used)
    same(a.json["stream_code"], 4409, "stream code")
    same(k.chunk(0).status, 200, "what is leased already")
    left(k.chunk(n), 403, "quota", "key_bytes", limit, used)
    left(k.get(f"{k.path}/chunks/{n + 1}", fresh=True), 403, "quota", "key_bytes", limit, used)
    same(s.viewer.key(gid, big).chunk(n).status, 200, "another key")
    s.kept = (k, n, used, limit)


@test("… and a gate that was killed knows it again from the leases")
def _():
    k, n, used, limit = s.kept
    s.kill("gate")
    s.expect_ends = True
    s.wait_ready()
    a = until(lambda: (lambda x: x if x.status == 403 else None)(k.get(f"{k.path}/chunks/{n}", fresh=True)), 10, "the gate is back")
    left(a, 403, "quota", "key_bytes", limit, used)


@test("a stream whose volume is used up ends with 4409 and what was reached, after exactly what was leased")
def _():
    k = s.viewer.key(keyed(s.viewer, big, "volume"), big)
    st = k.stream("?speed=16")
    data = st.want_end("superseded", 4409, 60)
    same((data["left"]["name"], data["left"]["limit"]), ("key_bytes", 600 << 10), "left")
    true(data["left"]["used"] <= 600 << 10, str(data))


@test("requests a second: five at once, the sixth waits as long as Retry-After says")
def _():
    k = s.viewer.key(keyed(s.viewer, small, "requests"), small)
    began = time.monotonic()
    good = 0
    while (a := k.get(f"{k.path}/chunks/0", fresh=good % 2 == 1)).status == 200 and good < 200:  # however slow the machine is
        good += 1
    true(5 <= good <= 5 + 5 * (time.monotonic() - began) + 1, f"{good} in {time.monotonic() - began:.2f} s")
    left(a, 429, "rate-limited", "key_requests", 5, 5)
    time.sleep(1.1)
    same([k.chunk(0).status for _ in range(5)], [200] * 5, "a second later")


@test("bytes a second: a second's worth and one piece at once, then 429; what is paced by us goes on at the rate")
def _():
    gid = keyed(s.viewer, big, "rate", ("play", "export"))
    k = s.viewer.key(gid, big)
    began, n, sent = time.monotonic(), 0, 0
    while (a := k.chunk(n % 4)).status == 200 and n < 100:  # read again it counts for the rate all the same
        n, sent = n + 1, sent + len(a.body)
    true(n >= 2 and sent <= (300 << 10) * (time.monotonic() - began + 1) + (256 << 10), f"{sent} bytes in {time.monotonic() - began:.2f} s")
    left(a, 429, "rate-limited", "key_rate", 300 << 10, 300 << 10)
    time.sleep(int(a.headers["retry-after"]))
    same(k.chunk(2).status, 200, "after Retry-After")
    k = s.viewer.key(gid, big)
    began = time.monotonic()
    a = k.get(f"{k.path}/events", timeout=60)
    took = time.monotonic() - began
    same(a.status, 200, "events")
    true(b'"code":1000' in a.body.splitlines()[-1], f"it was cut: {a.body[-200:]!r}")
    true(took > (len(a.body) - (600 << 10)) / (300 << 10) * 0.8, f"{len(a.body)} bytes in {took:.2f} s")


@test("a refusal for a limit is in the log")
def _():
    s.wait_leaf(lambda l: l["type"] == "replay.refused" and l.get("outcome") == "quota", 70)


test.run()
