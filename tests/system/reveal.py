#!/usr/bin/env python3
"""What masks took out: it is nowhere without `unmask`, and with it everywhere it was; imported and live, before and after sealing, over the
death of the gate, over changes of the rules. Two people decide; leases and the vault's records say that it was shown."""
import json
import os
import pathlib
import random
import sqlite3
import struct
import subprocess
import threading
import time

from _server import (KEYHOLE, SLOW, Server, Tests, leaf_hash, merkle_root, same, true, unb64u, until, unzstd, verify_log)

test = Tests()
s = Server(config="gate { threads = 2 }\nstore { seal_bytes = 64KiB  seal_after = 1h }").cast()
HEAD = {"version": 2, "width": 80, "height": 24}
KEEP = "reveal = keep\n"
CANARIES = ["anna.canary@example.org", "4111 1111 1111 1111", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"]


def project(name, rules=None):
    pid = s.project(name)
    if rules is not None:
        s.admin.call("PUT", f"/v1/projects/{pid}/masks", {"text": rules}).want(200)
    return pid, s.ingest(pid)


def rules(pid, text):
    s.admin.call("PUT", f"/v1/projects/{pid}/masks", {"text": text}).want(200)


def line(t, text):
    return json.dumps([t, "o", text], separators=(",", ":"))


def none_of(text, where):
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    for c in CANARIES:
        true(c not in text, f"{where} shows {c!r}")


def unmasking(rid, actions=("play", "unmask"), scope=("play", "unmask"), viewer=None, duration_s=600):
    """Asked for, decided by two, and the key."""
    viewer = viewer or s.viewer
    for g in viewer.get(f"/v1/grants?state=live&box=mine&recording={rid}").want(200).json["items"]:
        viewer.post(f"/v1/grants/{g['id']}/relinquish").want(200)
    q = viewer.ask(rid, actions, duration_s)
    a = s.approver.approve(q["id"])
    true(a.get("grant") is None, "one vote opened hidden values")
    same(a["state"], "PENDING", "the state after one vote")
    g = s.second.approve(q["id"])["grant"]
    return viewer.key(g, rid, scope=list(scope))


def lines_of(text):
    out = text.split("\n")
    return [l for l in out if l]


def events(key, query=""):
    def some():
        a = key.get(f"{key.path}/events{query}")
        return None if a.status == 503 else a  # the vault may be behind for a moment
    got = lines_of(until(some, 10 * SLOW, "events").want(200).text)
    same(json.loads(got[-1])["end"]["code"], 1000, "the end of events")
    return got[1:-1]


def chunks(key):
    out = []
    for i, c in list(enumerate(key.manifest()["chunks"]))[:60]:  # a key has 200 requests a minute
        plain = key.chunk(i).want(200).text
        packed = key.chunk(i, "zstd").want(200)
        body = unzstd(packed.body).decode() if packed.headers.get("content-encoding") == "zstd" else packed.text
        same(body, plain, f"chunk {i} in two codings")
        out += lines_of(plain)
    return out


def streamed(key, query="?speed=16"):
    st = key.stream(query)
    st.want_end("end", 1000)
    got = [d for _, d in st.content()]
    st.close()
    return got


def everywhere_masked(rid, what):
    """Every way there is without unmask; the events as they are stored."""
    key = s.keyed(rid, ["play"])
    stored = events(key)
    for path in key.routes()[:4]:
        a = key.get(path, headers={"Accept-Encoding": "identity"})
        if a.status == 200:
            none_of(a.text, f"{what}: {path}")
    none_of("\n".join(chunks(key)), f"{what}: chunks in both codings")
    out = s.keyed(rid, ["export"])
    none_of(out.get(f"{out.path}/export").want(200).text, f"{what}: export")
    for path in (f"/v1/recordings/{rid}", "/v1/recordings", f"/v1/requests?state=all", "/v1/grants?state=all"):
        a = s.viewer.get(path)
        none_of(a.text, f"{what}: {path}")
    return stored


def db(query, *args):
    c = sqlite3.connect(f"file:{s.dir}/meta/keyhole.db?mode=ro", uri=True, timeout=10)
    try:
        return c.execute(query, args).fetchall()
    finally:
        c.close()


def tracks(rid):
    return sorted({r[0] for r in db("SELECT track FROM piece WHERE rid=?", rid)}), sorted({r[0] for r in db("SELECT track FROM wrap WHERE rid=?", rid)})


def root_of(rid):
    rows = db("SELECT seg_no, kn, kind, size, sha256 FROM piece WHERE rid=? ORDER BY track, first_seq, seg_no", rid)
    return merkle_root([leaf_hash(struct.pack("<IHBQ", *r[:4]) + bytes(r[4])) for r in rows])


def disk():
    """Every byte of the server's directory."""
    for base, _, names in os.walk(s.dir):
        for n in names:
            p = pathlib.Path(base) / n
            try:
                yield p, p.read_bytes()
            except OSError:
                continue


class Live:
    def __init__(self, client, kind="terminal", **form):
        self.client, self.at = client, 0
        self.id = client.post("/v1/recordings", {"kind": kind, **form}).want(201).json["id"]

    def add(self, lines):
        def sent():
            a = self.client.post(f"/v1/recordings/{self.id}/events", "".join(l + "\n" for l in lines).encode(),
                                 headers={"Batch-Seq": str(self.at), "Content-Type": "application/x-ndjson"})
            return a if a.status == 200 else None
        self.at = until(sent, 15 * SLOW, "a batch that is taken").json["next_batch"]

    def end(self):
        return until(lambda: (lambda a: a if a.status == 200 else None)(self.client.post(f"/v1/recordings/{self.id}/end", None)), 15 * SLOW, "an end")


keep, keeper_client = project("keeps", KEEP)
drop, drop_client = project("drops", "")

TEXTS = [f"mail {CANARIES[0]} now\r\n", "nothing here\r\n", f"card {CANARIES[1]} ok\r\n", f"token {CANARIES[2]}\r\n", "end\r\n"]
ORIGINAL = [line(round(i * 0.1, 1), t) for i, t in enumerate(TEXTS)]
FILE = (json.dumps({**HEAD, "title": f"of {CANARIES[0]}"}) + "\n" + "\n".join(ORIGINAL) + "\n").encode()


@test("imported: hidden everywhere without unmask, in the same width; with it everything is as it was, and only then")
def _():
    rid = s.add(FILE, client=keeper_client)
    same(tracks(rid), ([0, 1], [0, 1]), "tracks of pieces and wraps")
    stored = everywhere_masked(rid, "imported")
    same([len(json.loads(l)[2]) for l in stored], [len(t) for t in TEXTS], "widths")
    true("*" * len(CANARIES[0]) in stored[0], f"no stars in {stored[0]!r}")
    same(stored[1], ORIGINAL[1], "an event in which nothing is hidden")
    key = unmasking(rid)
    same(key.manifest()["unmasked"], True, "the manifest says so")
    true(CANARIES[0] in json.dumps(key.manifest()["head"]), "the head as it was")
    same([json.loads(l) for l in events(key)], [json.loads(l) for l in ORIGINAL], "events with unmask")
    same([json.loads(l) for l in chunks(key)], [json.loads(l) for l in ORIGINAL], "chunks with unmask")
    same([json.loads(l) for l in streamed(key)], [json.loads(l) for l in ORIGINAL], "stream with unmask")
    plain = s.viewer.key(key.claims["gid"], rid)
    same(plain.claims["scope"], "play", "the scope of a key when none is asked for")
    same(plain.manifest()["unmasked"], False, "the manifest of a plain key")
    same(events(plain), stored, "a plain key of the same access")
    for raw, l in verify_log(s, keep):
        if l.get("jti") == key.id and l["type"] == "replay.leased":
            same(l["n"].get("reveal"), 1, f"the lease {raw}")
        if l.get("jti") == plain.id and l["type"] == "replay.leased":
            true("reveal" not in l["n"], f"the lease {raw}")
    released = [l["n"]["track"] for _, l in s.leaves(keep) if l["type"] == "vault.released" and l.get("jti") == key.id]
    same(sorted(set(released)), [0, 1], "keys that the vault released")
    sealed = [l for _, l in s.leaves(keep) if l["type"] == "recording.imported" and l["rid"] == rid][0]
    same(unb64u(sealed["digest"]), root_of(rid), "the root covers both tracks")


@test("who may only play cannot get a key that unmasks; one vote is too few; export never has originals")
def _():
    rid = s.add(FILE, client=keeper_client)
    g = s.open(rid, ["play"])
    s.viewer.post(f"/v1/grants/{g}/keys", {"recording": rid, "scope": ["play", "unmask"]}).want(403, "scope")
    s.viewer.post(f"/v1/grants/{g}/relinquish").want(200)
    a = s.viewer.post("/v1/requests", {"recordings": [rid], "actions": ["play", "unmask", "export"], "duration_s": 60, "start": "approval",
                                       "purpose": {"code": "debugging", "reason": "A customer reports an error that we can not explain."}})
    a.want(422, "split-request")
    key = unmasking(rid)
    key.get(f"{key.path}/export").want(403, "scope")
    s.viewer.post(f"/v1/grants/{key.claims['gid']}/keys", {"recording": rid, "scope": ["unmask"]}).want(403, "scope")
    check = s.viewer.post("/v1/requests/check", {"recordings": [rid], "actions": ["play", "unmask"],
                                                 "purpose": {"code": "debugging", "reason": "A customer reports an error that we can not explain."},
                                                 "duration_s": 60}).want(200).json
    same((check["verdict"], check["terms"]["need"]), ("ask", 2), "what a check says")


@test("where originals are dropped there is no second track, and unmask shows what everybody sees")
def _():
    rid = s.add(FILE, client=drop_client)
    same(tracks(rid), ([0], [0]), "tracks of pieces and wraps")
    stored = everywhere_masked(rid, "dropped")
    key = unmasking(rid)
    same(key.manifest()["unmasked"], False, "the manifest")
    same(events(key), stored, "events with unmask")


@test("live: before it is sealed, after, after its end; followed as it comes")
def _():
    r = Live(keeper_client, head={**HEAD, "title": f"of {CANARIES[0]}"})
    r.add(ORIGINAL[:2])
    r.add(ORIGINAL[2:4])
    key = unmasking(r.id, ("play", "live", "unmask"), ("play", "live", "unmask"))
    same([json.loads(l) for l in events(key)], [json.loads(l) for l in ORIGINAL[:4]], "the tail with unmask")
    true(CANARIES[0] in json.dumps(key.manifest()["head"]), "the head in the tail")
    follow = key.stream("?follow=1&from_ms=0")
    follow.wait_events(4)
    plain = s.viewer.key(key.claims["gid"], r.id, scope=["play", "live"])
    other = plain.stream("?follow=1&from_ms=0")
    other.wait_events(4)
    r.add(ORIGINAL[4:] + [line(0.6, f"and {CANARIES[0]}\r\n")])
    last = [json.loads(ORIGINAL[4]), [0.6, "o", f"and {CANARIES[0]}\r\n"]]
    follow.wait_events(6)
    other.wait_events(6)
    same([json.loads(d) for _, d in follow.content()][4:], last, "followed with unmask")
    none_of("".join(d for _, d in other.content()), "followed without unmask")
    follow.close()
    other.close()
    want = [json.loads(l) for l in ORIGINAL] + [last[1]]
    pad = [line(1 + i / 100, f"{i} {CANARIES[i % 3]} " + os.urandom(300).hex() + "\r\n") for i in range(400)]
    for i in range(0, 400, 40):
        r.add(pad[i:i + 40])
    want += [json.loads(l) for l in pad]
    until(lambda: 1 in tracks(r.id)[0], 20 * SLOW, "a segment of track 1")
    same([json.loads(l) for l in events(unmasking(r.id))], want, "half sealed")
    r.end()
    everywhere_masked(r.id, "live, ended")
    key = unmasking(r.id)
    same([json.loads(l) for l in events(key)], want, "ended")
    same([json.loads(l) for l in chunks(key)], want, "chunks of one that has ended")
    sealed = [l for _, l in s.leaves(keep) if l["type"] == "recording.sealed" and l["rid"] == r.id][0]
    same(unb64u(sealed["digest"]), root_of(r.id), "the root covers both tracks")


@test("a page: text, inputs, addresses; the originals come back in the same shape")
def _():
    base = 1700000000000
    doc = {"type": 0, "childNodes": [{"type": 2, "tagName": "html", "attributes": {"title": f"of {CANARIES[0]}"}, "id": 2, "childNodes": [
        {"type": 3, "textContent": f"mail {CANARIES[0]}", "id": 3}]}], "id": 1}
    page = [{"type": 4, "data": {"href": f"https://shop.example/?m={CANARIES[0]}", "width": 800, "height": 600}, "timestamp": base},
            {"type": 2, "data": {"node": doc, "initialOffset": {"left": 0, "top": 0}}, "timestamp": base + 1},
            {"type": 3, "data": {"source": 5, "text": CANARIES[1], "isChecked": False, "id": 3}, "timestamp": base + 100},
            {"type": 5, "data": {"tag": "note", "payload": {"said": CANARIES[2]}}, "timestamp": base + 200}]
    rid = s.add(json.dumps(page).encode(), client=keeper_client)
    everywhere_masked(rid, "a page")
    same([json.loads(l) for l in events(unmasking(rid))], page, "a page with unmask")
    r = Live(keeper_client, kind="rrweb")
    r.add([json.dumps(e, separators=(",", ":")) for e in page])
    same([json.loads(l) for l in events(unmasking(r.id))], page, "a live page with unmask")
    r.end()
    everywhere_masked(r.id, "a live page")
    same([json.loads(l) for l in events(unmasking(r.id))], page, "a page that was live with unmask")


@test("kill -9 of the gate while it takes batches: every acknowledged event and its original come back, under keys of each process")
def _():
    r = Live(keeper_client)
    want, failed, chance = [], [], random.Random(5)
    over = threading.Event()

    def record():
        try:
            while not over.is_set() and len(want) < 3000:
                lines = [line(round(len(want) / 200 + i / 1000, 4), f"{len(want)}/{i} {CANARIES[i % 3]} .\r\n") for i in range(chance.randint(1, 7))]
                r.add(lines)
                want.extend(json.loads(l) for l in lines)
        except Exception as e:
            failed.append(e)

    t = threading.Thread(target=record, daemon=True)
    t.start()
    for _ in range(4):
        had = len(want)
        until(lambda: len(want) > had + 20 or failed, 20 * SLOW, "batches between two deaths")
        time.sleep(chance.random() / 20)
        s.kill("gate")
        s.wait_ready()
    had = len(want)
    until(lambda: len(want) > had or failed, 20 * SLOW, "a batch after the last death")
    over.set()
    t.join(20 * SLOW)
    same(failed, [], "the recorder")
    same([json.loads(l) for l in events(unmasking(r.id))], want, "with unmask, before the end")
    r.end()
    stored = [json.loads(l) for l in everywhere_masked(r.id, "after the gate died")]
    same([(e[0], len(e[2])) for e in stored], [(e[0], len(e[2])) for e in want], "as it is stored: times and widths")
    same([json.loads(l) for l in events(unmasking(r.id))], want, "with unmask, at the end")
    same(len(db("SELECT kn FROM wrap WHERE rid=? AND track=1", r.id)), 5, "reveal keys")
    true(db("SELECT 1 FROM piece WHERE rid=? AND track=1 AND kind=2", r.id), "a recovered piece of track 1")
    sealed = [l for _, l in s.leaves(keep) if l["type"] == "recording.sealed" and l["rid"] == r.id][0]
    same(unb64u(sealed["digest"]), root_of(r.id), "the root")


@test("rules that change while it is recorded count from the next batch on")
def _():
    pid, client = project("changes", KEEP)
    r = Live(client)
    r.add([line(0.1, f"one {CANARIES[0]}\r\n")])
    rules(pid, "reveal = drop\n")
    until(lambda: r.add([line(0.2, f"two {CANARIES[0]}\r\n")]) is None, 5, "a batch")
    rules(pid, 'reveal = keep\nown "word" { pattern = "hush-[0-9]+" }\n')
    time.sleep(0.2 * SLOW)
    r.add([line(0.3, "three hush-42\r\n")])
    r.end()
    got = [json.loads(l)[2] for l in events(unmasking(r.id))]
    same(got[0], f"one {CANARIES[0]}\r\n", "kept")
    true(CANARIES[0] not in got[1] and "*" in got[1], f"dropped: {got[1]!r}")
    same(got[2], "three hush-42\r\n", "kept again")
    same([json.loads(l)[2] for l in events(s.keyed(r.id))][2], "three *******\r\n", "masked by the new rule")
    pid, client = project("later", "")
    r = Live(client)
    r.add([line(0.1, f"one {CANARIES[0]}\r\n")])
    rules(pid, KEEP)
    time.sleep(0.2 * SLOW)
    r.add([line(0.2, f"two {CANARIES[0]}\r\n")])
    r.end()
    same(tracks(r.id)[1], [0], "a recording that began without a second key has none")
    none_of("".join(events(unmasking(r.id))), "begun without originals")


@test("the screen where playing begins has the originals with unmask, and without it the stars; finished, live, over the death of the gate")
def _():
    screen = [line(0.1, CARD)] + [line(t, f"\x1b[20;1H{t}\r") for t in range(1, 200)]

    def starts(rid, what):
        for shown in (False, True):
            key = unmasking(rid) if shown else s.keyed(rid, ["play"])
            until(lambda: key.get(f"{key.path}/manifest").status == 200, 10 * SLOW, f"{what}: it can be read")
            for at in (150000, 60000, 195000):
                first = json.loads(key.get(f"{key.path}/events?from_ms={at}").want(200).text.split("\n")[0])["from"]
                true(first["seq"] > 20, f"{what}: playing begins at {first}")
                same("4111 1111" in first["screen"]["init"], shown, f"{what}, at {at}: {first}")
            st = key.stream("?speed=16&from_ms=150000")
            st.wait_events(1)
            same("4111 1111" in json.dumps(st.named("from")), shown, f"{what}, streamed")
            st.close()

    whole = s.add(("\n".join([json.dumps(HEAD)] + screen) + "\n").encode(), client=keeper_client)
    starts(whole, "imported")
    r = Live(keeper_client)
    r.add(screen[:100])
    r.add(screen[100:])
    starts(r.id, "in the tail")
    die()
    starts(r.id, "recovered")
    r.add([line(201, "over\r\n")])
    r.end()
    starts(r.id, "ended")


@test("a secret that comes in two batches: its first half is masked when it is sealed, and comes back with unmask")
def _():
    r = Live(keeper_client)
    r.add([line(0.1, "card 4111 1111 ")])
    r.add([line(0.2, "1111 1111 paid\r\n")])
    r.end()
    text = "".join(json.loads(l)[2] for l in events(s.keyed(r.id)))
    same(text, "card ******************* paid\r\n" if "*" * 19 in text else text, "masked")
    true("4111" not in text and "1111" not in text, f"half a card is shown: {text!r}")
    same("".join(json.loads(l)[2] for l in events(unmasking(r.id))), "card 4111 1111 1111 1111 paid\r\n", "with unmask")


CARD = "card 4111 1111 1111 1111 paid\r\n"
HALVES = [line(0.1, CARD[:15]), line(0.2, CARD[15:])]


def die():
    s.kill("gate")
    s.wait_ready()
    rid = s.add(FILE, client=drop_client)
    key = s.keyed(rid, ["play"])
    until(lambda: key.get(f"{key.path}/events").status == 200, 10 * SLOW, "the new gate replays")


def halves_hidden(rid, what, lost=()):
    """Nobody without unmask gets four digits of it, by any way; width stays."""
    stored = everywhere_masked(rid, what)
    text = "".join(json.loads(l)[2] for l in stored)
    true("4111" not in text and "1111" not in text, f"{what}: half a card is shown: {text[-300:]!r}")
    for cut in lost:
        true(cut in text, f"{what}: {cut!r} is gone from {text[-300:]!r}")
    true(text.startswith("".join(json.loads(l)[2] for l in chunks(s.keyed(rid, ["play"])))), f"{what}: chunks")
    return text


@test("a secret over two batches is masked as soon as its second half is there: before the seal, over kill -9, after the end")
def _():
    r = Live(keeper_client)
    r.add(HALVES[:1])
    r.add(HALVES[1:])
    r.add([line(0.3, "next\r\n")])
    want = CARD + "next\r\n"
    text = halves_hidden(r.id, "in the tail", ["card ", " paid", "next"])
    same(len(text), len(want), "the width")
    same("".join(json.loads(l)[2] for l in events(unmasking(r.id))), want, "in the tail, with unmask")
    die()
    halves_hidden(r.id, "recovered", ["card ", " paid", "next"])
    same("".join(json.loads(l)[2] for l in events(unmasking(r.id))), want, "recovered, with unmask")
    r.add([line(0.4, "after\r\n")])
    halves_hidden(r.id, "gone on with", ["after"])
    r.end()
    halves_hidden(r.id, "ended", ["card ", " paid", "next", "after"])
    same("".join(json.loads(l)[2] for l in events(unmasking(r.id))), want + "after\r\n", "ended, with unmask")


@test("kill -9 between the halves: nobody knows what it was, so what was open goes, and the rest of the line")
def _():
    for client in (keeper_client, drop_client):
        r, whole = Live(client), Live(client)
        r.add([line(0.05, "first\r\n")])
        r.add(HALVES[:1])
        whole.add([line(0.05, "a line that is over\r\n")])
        die()
        if client is drop_client:
            die()  # the next one knows it from the piece alone
        halves_hidden(r.id, "half of it, recovered", ["first"])
        r.add(HALVES[1:])
        r.add([line(0.3, "then\r\n")])
        whole.add([line(0.1, "another one\r\n")])
        halves_hidden(r.id, "gone on with", ["first", "then"])
        r.end()
        whole.end()
        text = halves_hidden(r.id, "ended", ["first", "then"])
        same(len(text), len("first\r\n" + CARD + "then\r\n"), "the width")
        same("".join(json.loads(l)[2] for l in events(s.keyed(whole.id))), "a line that is over\r\nanother one\r\n", "a recording that ended with a line")


@test("rules that change from keep to drop between the halves keep no half of it")
def _():
    for first, second in ((KEEP, "reveal = drop\n"), ("reveal = drop\n", KEEP)):
        pid, client = project(f"half{len(first)}", KEEP)
        r = Live(client)
        rules(pid, first)
        time.sleep(0.2 * SLOW)
        r.add(HALVES[:1])
        rules(pid, second)
        time.sleep(0.2 * SLOW)
        r.add(HALVES[1:])
        r.add([line(0.3, "next\r\n")])
        for what in ("live", "ended"):
            halves_hidden(r.id, f"{what}, {first.strip()} then {second.strip()}", ["next"])
            text = "".join(events(unmasking(r.id)))
            true("4111" not in text, f"{what}, with unmask: {text}")
            if what == "live":
                r.end()


@test("a seal leaves text that may still become a match where it can be masked")
def _():
    r = Live(keeper_client)
    pad = lambda: "".join(random.choices("abcdefghijklmnopqrstuvwxyzABCDEF", k=20000)) + "\r\n"
    for i in range(5):
        r.add([line(1 + i / 10, pad())])
    r.add([line(2, pad() + CARD[:15])])
    until(lambda: db("SELECT 1 FROM piece WHERE rid=?", r.id), 20 * SLOW, "a segment")
    time.sleep(0.3)
    r.add([line(3, CARD[15:])])
    r.end()
    text = halves_hidden(r.id, "sealed between", ["card "])
    true("live.late-sealed" not in s.log(), "a mark came too late")
    true(CARD in "".join(json.loads(l)[2] for l in events(unmasking(r.id))), "with unmask")


@test("who follows does not see the first half while it may become a match, and sees an unfinished word")
def _():
    r = Live(keeper_client)
    r.add([line(0.05, "first\r\n")])
    st = s.keyed(r.id, ["play", "live"]).stream("?follow=1&from_ms=0")
    st.wait_events(1)
    r.add(HALVES[:1])
    time.sleep(0.3)
    same(len(st.content()), 1, "events while it is open")
    r.add(HALVES[1:])
    st.wait_events(3)
    text = "".join(json.loads(d)[2] for _, d in st.content())
    true("4111" not in text and "1111" not in text and "paid" in text, f"followed: {text!r}")
    r.add([line(0.3, "a word, unfinishe")])
    st.wait_events(4)
    same(json.loads(st.content()[3][1])[2], "a word, unfinishe", "shown in the end")
    st.close()


@test("erased with the recording: nothing of it stays when a beginning is taken back")
def _():
    before = len(db("SELECT 1 FROM wrap"))
    a = keeper_client.post("/v1/import?kind=terminal", b'{"version":2,"width":80,"height":24}\n[0.1,"o","' + CANARIES[0].encode() + b'"]\n{broken',
                           headers={"Content-Type": "application/octet-stream"})
    a.want(422)
    until(lambda: len(db("SELECT 1 FROM wrap")) == before, 5 * SLOW, "its wraps are gone")


@test("keyhole: request --action play,unmask, approve says what it is, play --unmask shows it and says so; play does not")
def _():
    rid = s.add(FILE, client=keeper_client)

    def run(who, *words, code=0, stdin=None):
        env = {**os.environ, "KEYHOLE_URL": s.url, "KEYHOLE_TOKEN": who.token, "KEYHOLE_CONFIG_DIR": str(s.root / f"cli-{who.name}")}
        a = subprocess.run([str(KEYHOLE), *words], env=env, capture_output=True, text=True, timeout=60 * SLOW, input=stdin)
        same(a.returncode, code, f"{' '.join(words)}: {a.stdout} {a.stderr}")
        return a.stdout, a.stderr

    _, err = run(s.viewer, "play", rid, "--unmask", code=3)
    true("--action play,unmask" in err, f"what to do: {err}")
    out, _ = run(s.viewer, "request", rid, "--action", "play,unmask", "--purpose", "debugging", "--reason", "We look for what they typed.", "--for", "10m")
    q = out.split()[2]
    for who in (s.approver, s.second):
        _, err = run(who, "approve", q, "--yes")
        true("unmask" in err and "hidden when they were recorded will be shown" in err, f"what an approver reads: {err}")
    out, err = run(s.viewer, "play", rid, "--unmask")
    true(all(c in out for c in CANARIES), f"play --unmask: {out}")
    true("hidden values are shown" in err, f"play --unmask says: {err}")
    out, err = run(s.viewer, "play", rid)
    none_of(out + err, "play")


@test("no byte of what was hidden is on the disk or in the server's log")
def _():
    for p, data in disk():
        for c in CANARIES:
            true(c.encode() not in data, f"{p} holds {c!r}")
    none_of(s.log(), "the server's log")


test.run()
