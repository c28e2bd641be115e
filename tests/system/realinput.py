#!/usr/bin/env python3
"""Every real recording beside the checkout goes in by import, out by request, approval and key, and is compared event by
event with what tests/vectors/recordings.py reads from the file on its own. Broken ones are refused with the line and the
cause, and leave nothing behind."""
import gzip
import json
import sqlite3
import sys

from _server import DATA, SRC, Failed, Server, Tests, have_zstd, same, skip_all, true, unmarked, unzstd, zstd

sys.path.insert(0, str(SRC / "tests" / "vectors"))
import recordings as reader  # noqa: E402

FOLDERS = ["asciicast", "copyleft/asciicast", "rrweb"]

# path (or folder) -> status, line (0: not about a line), a word of the cause. All else imports.
REFUSED = {
    "asciicast/asciinema-scene/short.cast.zip": (415, 0, "zip"),
    "asciicast/asciinema-server/1/invalid-time-1.json": (422, 8, "negative"),
    "asciicast/asciinema-server/1/invalid-time-2.json": (422, 8, "no number"),
    "asciicast/asciinema-server/2/broken.cast": (422, 3, "expected"),
    "asciicast/asciinema-server/2/invalid-time-2.cast": (422, 3, "no number"),
    "asciicast/asciinema-server/3/broken.cast": (422, 3, "expected"),
    "asciicast/asciinema-server/3/invalid-resize.cast": (422, 3, "COLSxROWS"),
    "asciicast/asciinema-server/3/invalid-time-1.cast": (422, 3, "negative"),
    "asciicast/asciinema-server/3/invalid-time-2.cast": (422, 3, "no number"),
    "asciicast/asciinema-server/5/asciicast.json": (415, 0, "not 1, 2 or 3"),
    "asciicast/asciinema_automation/": (415, 0, "unknown format"),  # terminal text that is called .cast
    "asciicast/r-asciicast/bad.json": (422, 5, "no number"),
    "asciicast/xakep666-player/test.expected-output.bin": (415, 0, "unknown format"),
    "copyleft/asciicast/asciinema-history/a7f7e6fb-demo.cast.bz2": (415, 0, "bzip2"),
    "copyleft/asciicast/asciinema-history/a7f7e6fb-demo.json.bz2": (415, 0, "bzip2"),
    "copyleft/asciicast/termrec/rec.in/splitutf.nh": (415, 0, "unknown format"),
    "copyleft/asciicast/termrec/rec.out/": (415, 0, "unknown format"),
    "rrweb/highlight/capacitor.json": (415, 0, "unknown format"),
    "rrweb/highlight/dom-with-scripts.json": (415, 0, "unknown format"),
    "rrweb/packer/packer.test.ts.snap": (415, 0, "unknown format"),
    "rrweb/posthog/recording_events.json": (415, 2, "other than rrweb"),
    "rrweb/posthog/recording_meta.json": (415, 0, "PostHog"),
    "rrweb/recorded/rrweb-player-events.js": (415, 0, "unknown format"),
}

# An export of PostHog, which our reader here does not know: tests/unit/codec/foreign.c has it.
FOREIGN = {"rrweb/posthog/hogflix_session_recording.json"}

FILES = [p for folder in FOLDERS for p in sorted((DATA / folder).rglob("*"))
         if p.is_file() and p.relative_to(DATA).as_posix() not in FOREIGN] if DATA.is_dir() else []
if not FILES:  # then the demo's own
    FILES = [p for p in sorted((SRC / "demo" / "recordings").rglob("*")) if p.is_file() and p.suffix in (".cast", ".json", ".gz")]
if not FILES:
    skip_all("no recordings beside the checkout")

test = Tests()
s = Server(config="store { seal_bytes = 64KiB }").cast()  # small segments: a real file has several
imported = {}  # path -> (id, what the reader says)


def name(path):
    return path.relative_to(DATA).as_posix() if path.is_relative_to(DATA) else path.name


def refusal(path):
    return next((r for k, r in REFUSED.items() if name(path) == k or (k.endswith("/") and name(path).startswith(k))), None)


def blobs():
    return sorted(p.relative_to(s.dir).as_posix() for p in (s.dir / "blobs").rglob("*") if p.is_file())


def rows():
    db = sqlite3.connect(f"file:{s.dir}/meta/keyhole.db?mode=ro", uri=True)
    try:
        return [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("recording", "piece", "wrap")]
    finally:
        db.close()


def read(path, fmt):
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    text = data.decode()
    if fmt == "asciicast-v1":
        head, events = reader.cast_v1(text)
        return head, [(own, stored) for own, _, stored in events], 0
    if fmt.startswith("asciicast"):
        head, events = reader.cast_lines(text, int(fmt[-1]))
        return reader.loads(head), [(own, stored) for own, _, stored in events], 0
    head, events, started = reader.rrweb(text)
    return head, [(own, stored) for own, _, stored in events], started


def alike(got, stored, what):
    true(got == stored or reader.alike(got, stored), f"{what}: got {got[:300]!r}, want {str(stored)[:300]!r}")


@test("every good file is taken, every broken one refused with line and cause, and nothing of those is left")
def _():
    before = rows()
    troubles = []
    for path in FILES:
        wanted, a = refusal(path), s.upload(path.read_bytes(), "A file")
        if wanted is None:
            if a.status != 201:
                troubles.append(f"{name(path)}: {a}")
                continue
            head, events, base = read(path, a.json["format"])
            imported[path] = a.json["id"], (head, events, base, a.json["format"])
            if a.json["events"] != len(events):
                troubles.append(f"{name(path)}: {a.json['events']} events, the reader found {len(events)}")
            continue
        status, line, cause = wanted
        if a.status != status or a.code != ("unknown-format" if status == 415 else "import-broken"):
            troubles.append(f"{name(path)}: {a}, want {status}")
        elif a.json.get("line", 0) != line or cause not in a.json.get("cause", ""):
            troubles.append(f"{name(path)}: line {a.json.get('line')} cause {a.json.get('cause')}, want {line} {cause}")
        elif status == 415 and "asciicast-v2" not in a.json["formats"]:
            troubles.append(f"{name(path)}: no formats are named")
    true(not troubles, "\n    ".join(troubles))
    after = rows()
    same(after[0] - before[0], len(imported), "rows of recordings")
    same(after[2] - before[2], len(imported), "wrapped keys")
    ids = {rid for rid, _ in imported.values()}
    for b in blobs():
        true(any(rid in b for rid in ids), f"{b} belongs to no recording")
    same(len(blobs()), after[1], "files and rows of pieces")
    items, cursor = [], ""
    while cursor is not None:
        page = s.viewer.get(f"/v1/recordings?limit=200{cursor}").want(200).json
        items += page["items"]
        cursor = f"&cursor={page['cursor']}" if page["cursor"] else None
    same({i["id"] for i in items}, ids, "the list")


def compare(path, rid, k, x):
    head, events, base, fmt = imported[path][1]
    what, m = name(path), k.manifest()
    seek, seeks = 0, []
    for own, _ in events:
        seek = max(seek, own)
        seeks.append(seek)
    same((m["events"], m["duration_ms"]), (len(events), seek // 1000), f"{what}: events, duration")
    shown = reader.loads(json.dumps(m["head"]))
    for member, value in head.items():
        true(shown.get(member) == value or "*" in str(shown.get(member)), f"{what}: head member {member}: {shown.get(member)!r}, want {value!r}")
    if fmt == "rrweb":
        same(m["base_ms"], base, f"{what}: base_ms")
    else:
        true(m["head"]["cols"] > 0 and m["head"]["rows"] > 0, f"{what}: no size of the screen")
    # chunks: all events, in order, as stored; and the index tells the truth about them
    at = 0
    for n, c in enumerate(m["chunks"]):
        coding = "zstd" if n % 2 and have_zstd() else "identity"
        a = k.chunk(n, coding).want(200)
        body = unzstd(a.body) if a.headers.get("content-encoding") == "zstd" else a.body
        lines = body.decode().split("\n")[:-1]
        same((c["from_seq"], c["to_seq"]), (at, at + len(lines) - 1), f"{what}: chunk {n}")
        same((c["from_ms"], c["to_ms"]), (seeks[at] // 1000, seeks[at + len(lines) - 1] // 1000), f"{what}: times of chunk {n}")
        same(c["bytes"], len(body), f"{what}: bytes of chunk {n}")
        for line in lines:
            alike(line, events[at][1], f"{what}: chunk {n}, event {at}")
            at += 1
    same(at, len(events), f"{what}: events in chunks")
    # events
    lines = k.get(f"{k.path}/events").want(200).text.split("\n")[:-1]
    start, end = json.loads(lines[0])["from"], json.loads(lines[-1])["end"]
    same((start["seq"], end["code"], end["last_seq"]), (0, 1000, len(events) - 1), f"{what}: from, end")
    same(len(lines) - 2, len(events), f"{what}: number of lines")
    for i, line in enumerate(lines[1:-1]):
        alike(line, events[i][1], f"{what}: event {i}")
    kept = lines[1:-1]
    # export: the same values in a file of the kind
    text = x.get(f"{x.path}/export").want(200).text
    if fmt == "rrweb":
        out = [e for e in reader.loads(text) if "keyhole" not in e]
    else:
        first, *rest = [reader.loads(line) for line in text.splitlines() if not line.startswith("[ ")]
        same(first["version"], 2, f"{what}: version of the export")
        out = rest
    same(len(out), len(events), f"{what}: exported events")
    for i, (got, (own, _), stored) in enumerate(zip(out, events, kept)):
        want = reader.loads(stored)
        if fmt != "rrweb":
            same((reader.us(got[0], 1000000), got[1:]), (own, want[1:]), f"{what}: exported event {i}")
        else:
            same(got, want, f"{what}: exported event {i}")


@test("what comes out through request, approval and key is what went in, event by event")
def _():
    paths = list(imported)
    troubles, done = [], 0
    for i in range(0, len(paths), 100):
        part = paths[i:i + 100]
        g = s.open([imported[p][0] for p in part], ["play", "export"])
        for path in part:
            rid = imported[path][0]
            try:
                compare(path, rid, s.viewer.key(g, rid), s.viewer.key(g, rid, scope=["export"]))
                done += 1
            except Failed as e:
                troubles.append(f"{name(path)}: {e}")
    true(not troubles, f"{len(troubles)} of {len(paths)}:\n    " + "\n    ".join(troubles[:10]))
    true(done > 0, "nothing was compared")


@test("what an export gives back can be imported again, with the same events")
def _():
    casts = [p for p in imported if imported[p][1][3] != "rrweb"][:5]
    pages = [p for p in imported if imported[p][1][3] == "rrweb"][:5]
    for path in casts + pages:
        rid, (_, events, _, fmt) = imported[path]
        k = s.keyed(rid, ["export"], duration_s=30)
        text = k.get(f"{k.path}/export").want(200).text
        data = "\n".join(unmarked(text)) if fmt != "rrweb" else json.dumps(unmarked(text))
        same(text.count("exported_by"), 2 if fmt == "rrweb" else 1, f"{name(path)}: marks")
        again = s.upload(data.encode()).want(201).json
        same((again["events"], again["kind"]), (len(events), "rrweb" if fmt == "rrweb" else "terminal"), name(path))


@test("every compression that is known, by header and by sight")
def _():
    path = next(p for p in imported if p.read_bytes()[:2] != b"\x1f\x8b" and imported[p][1][1])
    data, n = path.read_bytes(), len(imported[path][1][1])
    import zlib
    codings = {"gzip": gzip.compress(data), "deflate": zlib.compress(data)}
    if have_zstd():
        codings["zstd"] = zstd(data)
    for coding, packed in codings.items():
        same(s.upload(packed, Content_Encoding=coding).want(201).json["events"], n, f"Content-Encoding: {coding}")
        same(s.upload(packed).want(201).json["events"], n, f"{coding} by sight")
    same(s.upload(data, Content_Encoding="identity").want(201).json["events"], n, "identity")


test.run()
