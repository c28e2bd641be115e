#!/usr/bin/env python3
"""What feeds a player: keyframes that make any seek cheap, notes in the manifest, exports that say who took them.

Seeks are counted: which events were leased, how many chunks that is, how far before the wanted moment the answer began."""
import json
import random
import re
import shutil
import subprocess
import tempfile

from _server import Server, Tests, cast, cast_events, leased, rrweb_events, same, true, unmarked, until

BASE = 1700000000000
test = Tests()
s = Server(config="store { seal_bytes = 256KiB }").cast()
rng = random.Random(7)


def chunks_of(manifest, first, last):
    return [n for n, c in enumerate(manifest["chunks"]) if c["from_seq"] <= last and c["to_seq"] >= first]


def long_terminal(minutes=90):
    """Bursts of output and quiet minutes: (text, output bytes before each event)."""
    lines, at, sizes, total = [], 0.0, [], 0
    while at < minutes * 60:
        pad = "".join(rng.choice("abcdefghij klmnop") for _ in range(rng.choice((20, 200, 3000))))
        data = f"{at:.1f} {pad}\r\n"
        lines.append(f'[{at:.3f},"o",{json.dumps(data)}]')
        sizes.append(total)
        total += len(data)
        at = round(at + rng.choice((0.05, 0.3, 1.5) if rng.random() < 0.995 else (45.0,)), 3)
    return lines, sizes


def seek(key, path, ms):
    """One answer to a seek: (`from`, events)."""
    lines = key.get(f"{key.path}/{path}").want(200).text.splitlines()
    head, end = json.loads(lines[0])["from"], json.loads(lines[-1])["end"]
    same(end["code"], 1000, f"end of a seek to {ms}")
    return head, lines[1:-1]


@test("any seek in a long terminal's recording reads one screen and a few chunks")
def _():
    lines, sizes = long_terminal()
    rid = s.add(("\n".join(['{"version":2,"width":100,"height":30}'] + lines) + "\n").encode(), "long")
    k = s.keyed(rid)
    m = k.manifest()
    true(len(m["chunks"]) > 12, f"{len(m['chunks'])} chunks")
    # a screen at least each 30 s or 256 KiB of output, wherever there is an event to set it before
    times = [json.loads(x)[0] for x in lines]
    frames = [f["seq"] for f in m["keyframes"]]
    true(all(f["screen"] for f in m["keyframes"]) and frames[0] == 0, "screens from the beginning on")
    for a, b in zip(frames, frames[1:] + [len(lines)]):
        # the next one stands before the first event that is 30 s or 256 KiB later
        true(times[b - 1] - times[a] < 30 and sizes[b - 1] - sizes[a] < 256 * 1024 + 4096 or b == a + 1, f"from screen {a} to {b}")
    before = len(leased(s.leaves(), k.claims["jti"]))
    for _ in range(25):
        ms = rng.randrange(m["duration_ms"] - 2000)
        head, events = seek(k, f"events?from_ms={ms}&to_ms={ms + 1000}", ms)
        at = [json.loads(e)[0] * 1000 for e in events]
        true("screen" in head and head["at_ms"] <= ms, f"seek to {ms}: {head}")
        first = max((f for f in m["keyframes"] if f["at_ms"] <= ms), key=lambda f: f["seq"])
        same(head["seq"], first["seq"], f"seek to {ms}: the newest screen before it")
        true(all(t <= ms + 1000.5 for t in at), "nothing past to_ms")
        true(sum(len(e) for e in events) <= 600_000, "bytes of a seek")
    ranges = leased(s.leaves(), k.claims["jti"])[before:]
    for a, b in ranges:
        true(len(chunks_of(m, a, b)) <= 2, f"a lease covers what a second of play lies in: {a}-{b}")
    true(len(ranges) <= 25 * 3, f"{len(ranges)} leases of 25 seeks: each read a keyframe and at most three chunks")
    # the paced stream, as the command line plays, begins there, too
    ms = m["duration_ms"] // 2
    x = k.stream(f"?from_ms={ms}&speed=16").wait(lambda y: len(y.items) > 2, 10, "a stream from the middle")
    begin = x.named("from")[0]
    x.close()
    same(begin["seq"], max(f["seq"] for f in m["keyframes"] if f["at_ms"] <= ms), "where the stream begins")


@test("any seek in a long page's recording begins at the full snapshot before it")
def _():
    events = []
    for minute in range(40):
        snapshot, full, *rest = [json.loads(e) for e in rrweb_events(240, 250, text="minute %d node {}" % minute + "x" * 300, base=BASE + minute * 60000)]
        events += [snapshot, full, *rest]
    rid = s.add(json.dumps(events).encode(), "long page")
    k = s.keyed(rid)
    m = k.manifest()
    same([f["at_ms"] for f in m["keyframes"]], [n * 60000 for n in range(40)], "keyframes as recorded")
    for _ in range(15):
        ms = rng.randrange(m["duration_ms"] - 1000)
        head, got = seek(k, f"events?from_ms={ms}&to_ms={ms + 500}", ms)
        same(head["at_ms"], ms // 60000 * 60000, f"seek to {ms}")
        same([json.loads(e)["type"] for e in got[:2]], [4, 2], "Meta and FullSnapshot first")
        true(len(chunks_of(m, head["seq"], head["seq"] + len(got) - 1)) <= 3, "chunks")


@test("a live terminal gets screens as it is sealed, and its manifest notes what is sealed")
def _():
    a = s.recorder.post("/v1/recordings", {"kind": "terminal", "title": "live", "head": {"version": 2, "width": 80, "height": 24}}).want(201).json
    at, number, rows = 0.0, 0, []
    for batch in range(12):
        part = []
        for _ in range(300):
            at = round(at + 0.4, 3)
            part.append(f'[{at},"o",{json.dumps("".join(rng.choice("abcdefghijkl ") for _ in range(250)) + chr(13) + chr(10))}]')
        if batch == 3:
            part.append(f'[{at},"m","deploy"]')
            part.append(f'[{at},"r","120x40"]')
            at += 60
        rows += part
        s.recorder.call("POST", f"/v1/recordings/{a['id']}/events", ("\n".join(part) + "\n").encode(),
                        headers={"Batch-Seq": str(number), "Content-Type": "application/x-ndjson"}).want(200)
        number += 1
    k = s.keyed(a["id"], ["play", "live"])
    m = until(lambda: (lambda x: x if x["sealed_to_seq"] > 1500 else None)(k.manifest()), 20, "most of it is sealed", step=0.5)
    same(m["live"], True, "live")
    frames = [f["at_ms"] for f in m["keyframes"]]
    gaps = [b - a for a, b in zip(frames, frames[1:])]
    true(all(g <= 30_000 + 400 or g >= 60_000 for g in gaps) and len(frames) > m["notes"]["to_ms"] / 31_000 - 3, f"gaps {gaps}")
    n = m["notes"]
    same((len(m["markers"]), [(r["width"], r["height"]) for r in n["resizes"]], len(n["idle"])), (1, [(120, 40)], 1), "marker, size, pause")
    true(abs((n["idle"][0][1] - n["idle"][0][0]) - 60_400) < 500, f"idle {n['idle']}")
    same(sum(n["activity"]["bins"]), m["sealed_to_seq"] + 1 - 1, "every sealed event but the marker counts once")
    true(n["to_ms"] <= m["duration_ms"], "noted up to")
    s.recorder.call("POST", f"/v1/recordings/{a['id']}/end", {}).want(200)
    m = until(lambda: (lambda x: x if not x["live"] and x["sealed_to_seq"] == len(rows) - 1 else None)(k.manifest()), 20, "the end", step=0.5)
    same((sum(m["notes"]["activity"]["bins"]), len(m["notes"]["idle"]), len(m["markers"])), (len(rows) - 1, 1, 1), "after joining: the same")


def screens(key, moments):
    """Of each moment: where a seek to it begins, and how much comes between."""
    out = []
    for ms in moments:
        head, events = seek(key, f"events?from_ms={ms}&to_ms={ms}", ms)
        out.append((head, sum(len(e) for e in events)))
    return out


@test("a seek into what is not sealed, what a dead gate left, and what another gate wrote begins at a screen as near as in an import")
def _():
    t = Server(config="gate { threads = 2 }\nstore { seal_bytes = 192KiB }").cast()
    lines, _ = long_terminal(40)
    head = {"version": 2, "width": 100, "height": 30}
    copy = t.keyed(t.add(("\n".join([json.dumps(head)] + lines) + "\n").encode(), "the same, imported"))
    rid = t.recorder.post("/v1/recordings", {"kind": "terminal", "title": "live", "head": head}).want(201).json["id"]
    sent, number, life = 0, 0, len(lines) // 8

    def more(n):
        nonlocal sent, number
        while n > 0:
            part = lines[sent:sent + min(n, 400)]
            a = until(lambda: (lambda x: x if x.status == 200 else None)(t.recorder.call(
                "POST", f"/v1/recordings/{rid}/events", ("\n".join(part) + "\n").encode(),
                headers={"Batch-Seq": str(number), "Content-Type": "application/x-ndjson"})), 20, "a batch is taken", step=0.1)
            number = a.json["next_batch"]
            sent += len(part)
            n -= len(part)

    def compare(what, first, last):
        moments = sorted(rng.randrange(int(json.loads(lines[first])[0] * 1000), int(json.loads(lines[last - 1])[0] * 1000)) for _ in range(12))
        rng.shuffle(moments)
        key = t.keyed(rid, ["play", "live"])
        for ms, (want, size), (got, n) in zip(moments, screens(copy, moments), screens(key, moments)):
            same((got["seq"], got["at_ms"]), (want["seq"], want["at_ms"]), f"{what}: a seek to {ms}")
            true(got["seq"] == 0 or got["screen"] == want["screen"], f"{what}: another screen at {ms}")
            true(n <= 600_000, f"{what}: {n} bytes from the screen to {ms}")

    more(life * 2)
    while t.keyed(rid).manifest()["sealed_to_seq"] == sent - 1:
        more(25)  # some of it is not sealed
    compare("live", 0, sent)
    t.kill("gate")
    more(life)
    compare("after the gate", life, sent)
    more(len(lines) - sent)
    compare("written by another", life * 2, sent)
    # who follows begins at the newest screen, not at the last one of an index
    x = t.keyed(rid, ["live"]).stream("?follow=1").wait(lambda y: y.named("from"), 20, "a follower's beginning")
    begin = x.named("from")[0]
    x.close()
    newest = screens(copy, [int(json.loads(lines[sent - 1])[0] * 1000)])[0][0]
    same((begin["seq"], begin["screen"]), (newest["seq"], newest["screen"]), "where a follower begins")
    t.recorder.call("POST", f"/v1/recordings/{rid}/end", {}).want(200)
    compare("ended", 0, sent)
    t.finish()


def shop(hours=0.05):
    """Many pages, errors, failed requests and angry clicks: (events, how many of each)."""
    out, n, t = [], 0, BASE
    doc = json.loads(rrweb_events(2)[1])["data"]
    while t < BASE + hours * 3600_000:
        n += 1
        out += [{"type": 4, "data": {"href": f"http://shop.example/{n}?q={'x' * 150}", "width": 800, "height": 600}, "timestamp": t},
                {"type": 2, "data": doc, "timestamp": t + 1}]
        out += [{"type": 3, "data": {"source": 2, "type": 2, "id": 5, "x": 9, "y": 9}, "timestamp": t + 100 + i} for i in range(3)]
        out.append({"type": 6, "data": {"plugin": "rrweb/console@1", "payload": {"level": "error", "payload": [json.dumps(f"boom {n} " + "y" * 300)]}}, "timestamp": t + 300})
        out.append({"type": 6, "data": {"plugin": "rrweb/network@1", "payload": {"requests": [{"method": "GET", "url": f"/api/{n}", "status": 500}]}}, "timestamp": t + 400})
        t += 14_000
    return out, n


@test("the manifest of eight hours full of trouble stays small, counts everything, and says that lists are cut")
def _():
    events, n = shop(8)
    rid = s.add(json.dumps(events).encode(), "eight hours")
    a = s.keyed(rid).get(f"/v1/replay/{rid}/manifest").want(200)
    m = a.json
    notes = m["notes"]
    c = notes["counts"]
    same((c["pages"], c["errors"], c["requests"]["5xx"], c["rage_clicks"], c["idle"]), (n, n, n, n, n - 1), "counts")
    sizes = len(notes["pages"]), len(notes["errors"]), len(notes["clicks"])  # 512 of a kind a segment, 1,000 a recording
    true(all(low <= x <= high for x, low, high in zip(sizes, (512, 1000, 500), (1000, 1000, 1000))) and notes["cut"], f"lists {sizes}, {notes['cut']}")
    true(len(notes["activity"]["bins"]) <= 480 and len(notes["idle"]) == n - 1, "bins and idle spans")
    true(len(json.dumps(notes)) < 1_000_000, f"{len(json.dumps(notes))} bytes")
    for name in ("pages", "errors", "clicks"):
        at = [x["at_ms"] for x in notes[name]]
        same(at, sorted(at), f"{name} in the order of time")


@test("notes are content: nothing of them without a key, and no list or search has them")
def _():
    events, _ = shop()
    rid = s.add(json.dumps(events).encode(), "plain title")
    s.viewer.get(f"/v1/replay/{rid}/manifest", token=None).want(401, "key-missing")
    seen = s.viewer.get(f"/v1/recordings/{rid}").want(200).text + s.viewer.get("/v1/recordings").want(200).text
    true("shop.example" not in seen and "boom" not in seen and "notes" not in seen, "nothing of the notes is metadata")


WATERMARKED = """
purpose "debugging" { }
purpose "marked" { }
rule "plain"  { who = { "role:viewer" }  actions = { play, live, export }  purposes = { "debugging" }  binding = { bearer } }
rule "marked" { who = { "role:viewer" }  actions = { play }  purposes = { "marked" }  binding = { bearer }  watermark = yes }
"""


@test("the watermark says who looks, when the rule asks for it, and else there is none")
def _():
    t = Server().cast()
    t.admin.post("/v1/policies", {"text": WATERMARKED}).want(201)
    for purpose, want in (("debugging", r"None"), ("marked", r"viewer \d{4}-\d\d-\d\d \d\d:\d\d UTC")):
        rid = t.add(cast(10), purpose)
        q = t.viewer.ask([rid], ["play"], 600, purpose={"code": purpose, "reason": "To see what is over the picture."})
        g = q.get("grant") or t.approver.approve(q["id"])["grant"]
        mark = t.viewer.key(g, rid).manifest()["watermark"]
        true(re.fullmatch(want, str(mark)), f"{purpose}: {mark}")
    t.finish()


def check_mark(key, mark, text):
    """Both marks name the person, the access and a lease of this key that is in the project's log."""
    same((mark["exported_by"], mark["user"], mark["grant"], mark["key"]), ("viewer", key.claims["sub"], key.claims["gid"], key.id), "the mark")
    leaf = s.leaves(mark["audit_log"])[mark["audit_index"]][1]
    same((leaf["type"], leaf["jti"]), ("replay.leased", key.id), "the record that it names")
    true("from_seq" in leaf["n"] and leaf["n"]["from_seq"] == 0, "it covers the first events")
    true(f"by viewer, {mark['exported_at'][:10]}" in text and f"audit record {mark['audit_index']} of {mark['audit_log']}" in text and mark["grant"] in text,
         f"for eyes: {text[:200]}")


def export(key, query=""):
    a = key.get(f"{key.path}/export{query}").want(200)
    return a.text, a.headers["content-type"]


@test("asciicast v2 and v3: marked at both ends, imported again with the same events, and read by asciinema")
def _():
    source = cast_events(300, 0.05, "\x1b[3{}m line\r\n") + ['[20,"m","mark"]', '[21,"r","100x30"]', '[22,"i","x"]']
    rid = s.add(("\n".join(['{"version":2,"width":80,"height":24,"title":"T","env":{"A":null}}'] + source) + "\n").encode(), "cast")
    k = s.keyed(rid, ["export"])
    for version in (2, 3):
        text, kind = export(k, f"?format=asciicast-v{version}")
        same(kind, "application/x-asciicast", "type")
        head, *lines = text.splitlines()
        head = json.loads(head)
        same((head["version"], head["title"]), (version, "T"), "header")
        first, last = json.loads(lines[0]), json.loads(lines[-1])
        same((first[0], first[1], last[1]), (0, "o", "o"), "marks are output")
        check_mark(k, head["keyhole"], first[2])
        true(first[2].rstrip("\r\n") in last[2], "the same mark at the end")
        same(len(unmarked(text)), 1 + len(source), "events")
        again = s.add(text.encode(), f"again {version}")
        got = s.keyed(again).get(f"/v1/replay/{again}/events").want(200).text.splitlines()[2:-2]
        same([[round(json.loads(e)[0], 6), *json.loads(e)[1:]] for e in got], [[round(json.loads(e)[0], 6), *json.loads(e)[1:]] for e in source], "imported again")
        if version == 2 and shutil.which("asciinema"):
            with tempfile.NamedTemporaryFile(suffix=".cast") as f:
                f.write(text.encode())
                f.flush()
                out = subprocess.run(["script", "-qefc", f"asciinema cat {f.name}", "/dev/null"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, env={"HOME": tempfile.gettempdir(), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
                same(out.returncode, 0, out.stdout.decode() + out.stderr.decode())
                true("Exported from Keyhole by viewer" in out.stdout.decode() and " line\r\n" in out.stdout.decode(), "asciinema shows mark and output")
    # in two parts: the second has neither header nor first mark
    rest, _ = export(k, "?from_seq=200")
    same(unmarked(rest), source[200:], "from event 200 on")
    true(rest.splitlines()[-1].startswith("[ "), "and the last mark")


@test("rrweb: an array for the stock player, marked in the picture and in two events, imported again with the same events")
def _():
    events, _ = shop()
    rid = s.add(json.dumps(events).encode(), "page")
    k = s.keyed(rid, ["export"])
    text, kind = export(k)
    same(kind, "application/json", "type")
    out = json.loads(text)
    first, last = out[0], out[-1]
    same((first["type"], first["data"]["tag"], first["timestamp"], last["data"]["payload"]), (5, "keyhole.export", BASE, first["data"]["payload"]), "the events at both ends")
    overlays = [e for e in out if "keyhole" in e and e["type"] == 3]
    same(len(overlays), sum(e["type"] == 2 for e in events), "an overlay for each full snapshot")
    add = overlays[0]["data"]["adds"]
    own = add[0]["node"]["id"]
    same((add[0]["parentId"], add[0]["node"]["tagName"], add[3]["parentId"]), (3, "dialog", own), "it is put beside the body")
    true(all(1_000_000_000 <= e["data"]["adds"][0]["node"]["id"] < 2_000_000_000 for e in overlays), "numbers of our own")
    check_mark(k, first["data"]["payload"], add[3]["node"]["textContent"])
    same(unmarked(text), events, "the events between")
    again = s.add(text.encode(), "again")
    got = [json.loads(e) for e in s.keyed(again).get(f"/v1/replay/{again}/events").want(200).text.splitlines()[1:-1]]
    same([e for e in got if "keyhole" not in e], events, "imported again")
    # cut behind a full snapshot: the rest brings its overlay
    n = next(i for i, e in enumerate(events) if e["type"] == 2) + 1
    rest, _ = export(k, f"?from_seq={n}")
    rest = json.loads("[" + rest.lstrip(",\n"))
    same(("keyhole" in rest[0], rest[0]["type"], [e for e in rest if "keyhole" not in e]), (True, 3, events[n:]), "the rest")


@test("a text of both kinds: what was on the screen, what happened on the page; marked at both ends")
def _():
    term = s.add(("\n".join(['{"version":2,"width":40,"height":5}', '[0.5,"o","$ "]', '[1,"o","ls\\r\\n"]', '[1.2,"o","\\u001b[31ma.txt\\u001b[0m\\r\\n$ "]',
                             '[4,"m","mark"]', '[9,"o","exit\\r\\n"]']) + "\n").encode(), "text")
    k = s.keyed(term, ["export"])
    text, kind = export(k, "?format=text")
    same(kind, "text/plain; charset=utf-8", "type")
    lines = text.splitlines()
    check_mark(k, json.loads(lines[1].removeprefix("# keyhole: ")), lines[0])
    same(lines[0], lines[-1], "the last line")
    same(lines[3:-2], ["   0:01.2  $ ls", "   0:01.2  a.txt", "   0:04.0  -- mark --", "   0:09.0  $ exit"], "the text")
    lines = export(k, "?format=text&from_seq=3")[0].splitlines()
    same(lines[:-2], ["   0:04.0  -- mark --", "   0:09.0  $ exit"], "what comes from event 3 on; the prompt stood there, and was not told")
    true(lines[-1].startswith("# Exported "), "its mark")
    same(export(k, "?format=text&from_seq=5")[0].splitlines()[:-2], [], "all was told")
    k.get(f"{k.path}/export?format=rrweb").want(422, "invalid")
    events, n = shop()
    page = s.keyed(s.add(json.dumps(events).encode(), "page text"), ["export"])
    lines = export(page, "?format=text")[0].splitlines()
    same([sum(f"  {kind:6} " in x for x in lines) for kind in ("page", "click", "error", "net")], [n, 3 * n, n, n], "a line for each")
    page.get(f"{page.path}/export?format=asciicast-v2").want(422, "invalid")
    # each of them is in the log: leased event by event, and done
    for key, last in ((k, 4), (page, len(events) - 1)):
        until(lambda: "export.done" in s.leaf_types(gid=key.claims["gid"]), 5, "export.done", step=0.2)
        true(max(b for _, b in leased(s.leaves(), key.id)) == last, "every event was leased")


@test("an export without the action is refused, and a text is made of nothing else than what was leased")
def _():
    rid = s.add(cast(5), "no export")
    k = s.keyed(rid)
    for f in ("asciicast-v2", "asciicast-v3", "text"):
        k.get(f"{k.path}/export?format={f}").want(403, "scope")
    x = s.keyed(s.add(b'{"version":2,"width":80,"height":24}\n', "empty"), ["export"])
    text, _ = export(x)
    same(len(unmarked(text)), 1, "an empty recording is its header")
    true(len(text.splitlines()) == 3, "and the marks")


test.run()
