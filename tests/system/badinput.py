#!/usr/bin/env python3
"""What people, programs and attackers send that is wrong: each gets a typed problem, nothing crashes, nothing is lost, and
who tried to see what they may not is in the log."""
import gzip
import hashlib
import hmac
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import time

from _server import (DATA, SLOW, Client, Failed, Server, Skip, Tests, b64u, cast, have_zstd, rrweb, same, true, unb64u, until,
                     zstd)

test = Tests()
s = Server().cast()
other = s.project("elsewhere")
rid, rid2 = s.add(cast(50), "Mine"), s.add(cast(50), "Mine too")
foreign = s.add(cast(50), "Not mine", client=s.ingest(other))
s.here = s.person("here", roles=[{"project": s.project("default"), "role": "viewer"}])
MIB = 1 << 20


def rows():
    db = sqlite3.connect(f"file:{s.dir}/meta/keyhole.db?mode=ro", uri=True)
    try:
        return [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("recording", "piece", "wrap")]
    finally:
        db.close()


def files():
    return sorted(str(p) for p in (s.dir / "blobs").rglob("*") if p.is_file())


def memory(role):
    text = pathlib.Path(f"/proc/{s.roles()[role]}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) // 1024


def refuse(data, status, code, what, **headers):
    """Refused with that problem, and nothing is left behind."""
    before = rows(), files()
    a = s.upload(data, "Broken", **headers)
    if a.status != status or (code and a.code != code):
        raise Failed(f"{what}: {a}, want {status} {code}")
    if a.status == 422 and a.code == "import-broken":
        true(a.json.get("cause") and ("line" in a.json or "offset" in a.json), f"{what}: no line, offset or cause: {a}")
    same((rows(), files()), before, f"{what}: left behind")
    return a.json


# ---- imports ----

@test("unknown formats: 415, with the formats that are known")
def _():
    for what, data in {"text": b"hello world\nthis is no recording\n", "noise": bytes(range(256)) * 40, "PNG": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
                       "an object": b'{"hello": "world"}', "numbers": b"[1, 2, 3]", "HTML": b"<html></html>", "a zip": b"PK\x03\x04" + b"\0" * 50,
                       "xz": b"\xfd7zXZ\0" + b"\0" * 50, "sudo's": b'{"timing": 1}', "version 9": b'{"version": 9, "width": 80, "height": 24}\n'}.items():
        p = refuse(data, 415, "unknown-format", what)
        true("asciicast-v2" in p["formats"] and "rrweb" in p["formats"], f"{what}: formats")
    a = s.upload(b"")
    true(a.status in (415, 422), f"an empty file: {a}")
    refuse(cast(5), 422, None, "a terminal said to be rrweb", query="?kind=rrweb")
    refuse(rrweb(5), 422, None, "rrweb said to be a terminal", query="?kind=terminal")


@test("truncated files: JSON, gzip, zstd, deflate, and bodies shorter than they said")
def _():
    good, page = cast(200), rrweb(50)
    refuse(good[:-10], 422, "import-broken", "asciicast cut in an event")
    same(refuse(good[:-10], 422, "import-broken", "line")["line"], 201, "line of the cut event")
    refuse(page[:-1], 422, "import-broken", "an array without its end")
    refuse(page[:len(page) // 2], 422, "import-broken", "half an array")
    refuse(b'{"events": [' + page[1:-1], 422, "import-broken", "a list without its end")
    packed = gzip.compress(good)
    refuse(packed[:-4], 422, "import-broken", "gzip cut in its checksum")
    refuse(packed[:len(packed) // 2], 422, "import-broken", "half a gzip")
    refuse(packed[:-8] + b"\0" * 8, 422, "import-broken", "gzip with a wrong checksum")
    if have_zstd():
        refuse(zstd(good)[:-5], 422, "import-broken", "zstd cut")
    before = rows(), files()
    head = f"POST /v1/import HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {s.recorder.token}\r\nContent-Length: {len(good)}\r\n\r\n"
    s.raw(head.encode() + good[:500], half_close=True)
    head = head.replace(f"Content-Length: {len(good)}", "Transfer-Encoding: chunked")
    s.raw(head.encode() + b"%x\r\n" % len(good) + good[:500], half_close=True)
    s.raw(head.encode() + b"%x\r\n%s\r\n" % (len(good), good), half_close=True)  # without the last chunk
    until(lambda: (rows(), files()) == before, 5, "a client that went away in an import left something behind")


@test("wrong encodings: what the header says is not what came; text that is no UTF-8")
def _():
    good = cast(20)
    refuse(good, 422, "import-broken", "plain as gzip", Content_Encoding="gzip")
    refuse(good, 422, "import-broken", "plain as zstd", Content_Encoding="zstd")
    for coding in ("br", "compress", "gzip, gzip", "x"):
        refuse(good, 415, "unsupported-encoding", coding, Content_Encoding=coding)
    refuse(gzip.compress(gzip.compress(good)), 415, None, "packed twice")
    refuse(good.decode().encode("utf-16"), 415, None, "UTF-16")
    head, *lines = good.split(b"\n")
    refuse(b"\n".join([head, b'[0.1,"o","caf\xe9"]'] + lines), 422, "import-broken", "latin-1")
    same(refuse(b"\n".join([head, b'[0.1,"o","caf\xe9"]'] + lines), 422, "import-broken", "latin-1")["line"], 2, "line")
    refuse(b"\n".join([head, b'[0.1,"o","\xed\xa0\x80"]'] + lines), 422, "import-broken", "a surrogate in UTF-8")
    refuse(b"\n".join([head, b'[0.1,"o","\xc0\x80"]'] + lines), 422, "import-broken", "overlong NUL")
    for what, line in {"a trailing comma": b'[0.1,"o","x",]', "NaN": b'[NaN,"o","x"]', "single quotes": b"[0.1,'o','x']", "a control byte": b'[0.1,"o","a\x01b"]', "no array": b'{"a":1}',
                       "a huge time": b'[1e400,"o","x"]', "two elements": b'[0.1,"o"]'}.items():
        same(refuse(b"\n".join([head, line] + lines), 422, "import-broken", what)["line"], 2, f"{what}: line")


@test("JSONTestSuite inside an event: what is no JSON is refused with line and cause, huge numbers and odd text never fail otherwise")
def _():
    suite = sorted((DATA / "json" / "test_parsing").glob("*.json"))
    if not suite:
        raise Skip("no JSONTestSuite beside the checkout")
    head = b'{"type":4,"data":{"href":"http://x/","width":1,"height":1},"timestamp":1}\n{"type":5,"data":{"tag":"t","payload":'
    seen = {"y": 0, "n": 0, "i": 0}
    for f in suite:
        a = s.upload(head + f.read_bytes() + b'},"timestamp":2}\n', f.name[:60])
        kind = f.name[0]
        seen[kind] += 1
        want = {"y": (201,), "n": (413, 422), "i": (201, 413, 415, 422)}[kind]
        true(a.status in want, f"{f.name}: {a}, want {want}")
        if a.status == 422:
            true(a.json.get("cause") and a.json.get("line", 0) >= 1, f"{f.name}: no line or cause: {a}")
    true(seen["n"] > 100 and seen["y"] > 50, f"only {seen} were read")


@test("a page that could act comes back without what could: the server's own pass, over the API")
def _():
    node = {"type": 0, "id": 1, "childNodes": [{"type": 2, "id": 2, "tagName": "img", "childNodes": [], "attributes": {"src": "http://sink.example/x", "onerror": "alert(1)", "alt": "kept"}},
                                               {"type": 2, "id": 3, "tagName": "script", "attributes": {"src": "http://sink.example/s"}, "childNodes": []}]}
    lines = [{"type": 4, "data": {"href": "http://x/", "width": 1, "height": 1}, "timestamp": 1}, {"type": 2, "data": {"node": node, "initialOffset": {"top": 0, "left": 0}}, "timestamp": 2},
             {"type": 3, "data": {"source": 8, "id": 2, "adds": [{"rule": "@import url(//sink.example/c)"}]}, "timestamp": 3}]
    k = s.keyed(s.upload("\n".join(json.dumps(l) for l in lines).encode() + b"\n", "Hostile page").want(201).json["id"])
    out = k.get(f"{k.path}/chunks/0").want(200).body.decode()
    for gone in ("onerror", "alert", "sink.example/s", "@import", '"script"', '"src"'):
        true(gone not in out, f"{gone} is still there: {out[:600]}")
    for kept in ('"alt":"kept"', '"rrweb-original-src":"http://sink.example/x"', '"tagName":"noscript"', '"id":3'):
        true(kept in out, f"{kept} is not there: {out[:600]}")


@test("compression bombs stop at the limit, with memory bounded")
def _():
    before, left = memory("gate"), (rows(), files())
    bomb = subprocess.run("head -c 400000000 /dev/zero | tr '\\0' ' ' | gzip -1c", shell=True, stdout=subprocess.PIPE, check=True).stdout
    bombs = {"gzip": gzip.compress(b"[" + b" " * (24 * MIB)), "gzip in parts": gzip.compress(b"[") + bomb}
    if have_zstd():
        bombs["zstd"] = subprocess.run("(printf '['; head -c 1000000000 /dev/zero | tr '\\0' ' ') | zstd -1cq", shell=True,
                                       stdout=subprocess.PIPE, check=True).stdout
    for what, data in bombs.items():
        a = s.upload(data, "Bomb")
        true(a.status in (413, 422), f"{what} of {len(data)} bytes: {a}")
        if a.status == 413:
            true(a.json["limit"]["name"], f"{what}: the limit has no name")
    same((rows(), files()), left, "left behind")
    true(memory("gate") - before < 150 * SLOW, f"the gate grew from {before} to {memory('gate')} MiB")


@test("JSON 1 000 levels deep: refused; 128 levels of an event: taken")
def _():
    def nested(n):  # the event's object and its data's are two levels
        return (b'[{"type":4,"data":{"href":"","width":1,"height":1},"timestamp":1},{"type":5,"timestamp":2,"data":' +
                b"[" * n + b"]" * n + b"}]")
    same(refuse(nested(1000), 413, None, "1 000 levels")["limit"]["name"], "depth", "limit")
    same(s.upload(nested(120)).status, 201, "120 levels")
    a = s.upload(b"[" * 100000)
    true(a.status in (413, 415, 422), f"100 000 brackets: {a}")
    a = s.upload(b'{"version":2,"width":80,"height":24,"env":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}\n")
    true(a.status in (413, 415, 422), f"a header 1 000 levels deep: {a}")


@test("an event of 17 MiB is refused, one just below 16 MiB is taken and comes back whole")
def _():
    head = b'{"version":2,"width":80,"height":24}\n'
    p = refuse(head + b'[0,"o","' + b"x" * (17 * MIB) + b'"]\n', 413, None, "17 MiB")
    same(p["limit"]["value"], 16 * MIB, "the limit")
    big = b'[0,"o","' + b"x" * (16 * MIB - 20) + b'"]'
    a = s.upload(head + big + b"\n").want(201)
    k = s.keyed(a.json["id"])
    true(k.get(f"{k.path}/chunks/0").want(200).body == big + b"\n", "an event of 16 MiB came back changed")
    stream = k.stream().wait_end(20)
    true(stream.final()[0] == "end" and stream.content() == [(0, big.decode())], f"the stream ended {stream.ended} {stream.final()}")
    p = refuse(b'[{"type":5,"timestamp":1,"data":"' + b"x" * (17 * MIB) + b'"}]', 413, None, "a 17 MiB page event")


@test("metadata in headers: every limit, every form")
def _():
    good = cast(2)
    for h in ({"Keyhole_Title": "no quotes"}, {"Keyhole_Title": '"open'}, {"Keyhole_Title": '"' + "x" * 201 + '"'}, {"Keyhole_Title": '%"%zz"'},
              {"Keyhole_Title": '%"%ff"'}, {"Keyhole_Link": '"nocolon"'}, {"Keyhole_Link": '":id"'}, {"Keyhole_Link": '"' + "t" * 33 + ':x"'},
              {"Keyhole_Tag": ", ".join(f'"t{i}"' for i in range(33))}, {"Keyhole_Subject": '"' + "s" * 201 + '"'}, {"Keyhole_Tag": '"' + "n" * 65 + '=1"'}):
        a = s.upload(good, "T", **h)
        a.want(422, "invalid")
        same(a.json["errors"][0]["at"], list(h)[0].replace("_", "-"), str(h))
    a = s.upload(good, Keyhole_Title='%"Gr%c3%bc%c3%9fe %e2%82%ac"', Keyhole_Tag='"release=2026.11.1", "checkout"', Keyhole_Link='"error:ERR-7F3A21"').want(201)
    r = s.viewer.get(f"/v1/recordings/{a.json['id']}").json
    same((r["title"], r["tags"], r["links"]), ("Grüße €", {"release": "2026.11.1", "checkout": ""}, [{"type": "error", "id": "ERR-7F3A21"}]), "metadata")
    same(s.upload(good, Keyhole_Title='%"' + "%c3%bc" * 200 + '"').status, 201, "200 characters of two bytes")
    same(s.upload(good, "x" * 200, Keyhole_Tag=", ".join(f'"t{i}"' for i in range(32))).status, 201, "at the limits")
    for query in ("?env=moon", "?kind=video", "?project=nowhere"):
        a = s.upload(good, query=query)
        true(a.status in (404, 422), f"{query}: {a}")


# ---- asking ----

GOOD = {"recordings": [rid], "actions": ["play"], "duration_s": 60,
        "purpose": {"code": "debugging", "reason": "Why does this order fail for them?"}}


@test("requests that can not be: zero seconds, a year, a reason of spaces, and the like")
def _():
    def mine():
        return [q["id"] for q in s.viewer.get("/v1/requests?box=mine").json["items"]]
    before = mine()

    def bad(change, at, code, status=422, problem="invalid", limit=None):
        body = json.loads(json.dumps(GOOD))
        for path, v in change.items():
            target, *rest = path.split("/")
            if rest:
                body[target][rest[0]] = v
            elif v is ...:
                del body[target]
            else:
                body[target] = v
        a = s.viewer.post("/v1/requests", body)
        if (a.status, a.code) != (status, problem):
            raise Failed(f"{change}: {a}, want {status} {problem}")
        if at:
            found = [e for e in a.json["errors"] if e["at"] == at]
            true(found and (code is None or found[0]["code"] == code), f"{change}: {a}, want {at} {code}")
            if limit is not None:
                same(found[0]["limit"], limit, f"{change}: limit")
    bad({"duration_s": 0}, "/duration_s", "too-small", limit=1)
    bad({"duration_s": 31536000}, "/duration_s", "too-large", limit=3600)
    bad({"duration_s": 3601}, "/duration_s", "too-large", limit=3600)
    bad({"duration_s": 31536001}, "/duration_s", "too-large")
    bad({"duration_s": -1}, "/duration_s", "too-small")
    for v in ("60", 1.5, None, [60], True):
        bad({"duration_s": v}, "/duration_s", None)
    bad({"duration_s": ...}, "/duration_s", "missing")
    for reason in ("", " " * 40, "\t\n " * 20, "\u00a0" * 40, "\u3000" * 40, "\u200b" * 40, "too short", " " * 30 + "short" + " " * 30):
        bad({"purpose/reason": reason}, "/purpose/reason", None)
    bad({"purpose/reason": "x" * 2001}, "/purpose/reason", "too-long", limit=2000)
    bad({"purpose": {"code": "debugging"}}, "/purpose/reason", None)
    bad({"recordings": []}, "/recordings", None)
    bad({"recordings": [rid, rid]}, None, None)
    bad({"recordings": [f"r_{i:016d}" for i in range(101)]}, "/recordings", None)
    bad({"recordings": ["nonsense"]}, None, None)
    bad({"actions": []}, "/actions", None)
    bad({"actions": ["watch"]}, None, None)
    bad({"actions": ["play", "play"]}, None, None)
    bad({"unknown": 1}, None, None)
    bad({"start": "tomorrow"}, "/start", None)
    bad({"start": "2020-01-01T00:00:00.000Z"}, "/start", None)
    bad({"start_by_s": 0}, "/start_by_s", None)
    # What the rule in force (team) gives nobody beforehand, and what is not there.
    bad({"viewers": ["approver", "second"]}, "/viewers", "too-long", limit=1)
    bad({"more": {"same": "session", "max": 2}}, "/more/same", "not-one-of")
    bad({"more": {"same": "weather", "max": 2}}, "/more/same", None)
    bad({"more_time": {"times": 1, "each_s": 60}}, "/more_time/times", "too-large", limit=0)
    bad({"more_time": {"times": 9, "each_s": 60}}, "/more_time/times", "too-large")
    bad({"parts": [{"rid": rid, "from_ms": 0, "to_ms": 5}]}, None, None, problem="parts-unsupported")
    bad({"extends": "g_AAAAAAAAAAAAAAAA"}, None, None, 404, "not-found")
    bad({"extends": "r_AAAAAAAAAAAAAAAA"}, "/extends", None)
    bad({"break_glass": {"incident": "x"}}, "/break_glass/reason", None)
    bad({"break_glass": {"incident": "x", "reason": "nobody can pay any more"}}, None, None, 403, "forbidden")
    bad({"purpose/code": "curiosity"}, "/purpose/code", "not-one-of")
    bad({"actions": ["unmask"]}, "/actions", "missing")
    bad({"actions": ["export", "unmask"]}, "/actions", "missing")
    same(mine(), before, "stored requests")


@test("the limits of a request are taken on their good side: 1 s, 3 600 s, a reason of exactly 20, wide characters double")
def _():
    for duration, reason in ((1, "x" * 20), (3600, "  " + "r" * 20 + "  "), (60, "理由" * 5)):
        q = s.viewer.post("/v1/requests", {**GOOD, "duration_s": duration, "purpose": {"code": "debugging", "reason": reason}}).want(201).json
        s.viewer.post(f"/v1/requests/{q['id']}/cancel").want(200)
    a = s.viewer.post("/v1/requests", {**GOOD, "purpose": {"code": "debugging", "reason": "r" * 19}})
    a.want(422, "invalid")


@test("a recording of another project is not there: not to see, not to ask for, not to play")
def _():
    for who in (s.here,):
        same({k: v for k, v in who.get(f"/v1/recordings/{foreign}").want(404, "not-found").json.items() if k != "trace_id"},
             {k: v for k, v in who.get("/v1/recordings/r_AAAAAAAAAAAAAAAA").want(404, "not-found").json.items() if k != "trace_id"}, "404")
        ids = [{**GOOD, "recordings": [x]} for x in (foreign, "r_AAAAAAAAAAAAAAAA")]
        a, b = (who.post("/v1/requests", body) for body in ids)
        same((a.status, a.code), (b.status, b.code), "asking for it")
        true(a.status in (404, 422), f"{a}")
        who.post("/v1/requests", {**GOOD, "recordings": [rid, foreign]}).want(a.status)
        true(foreign not in who.get("/v1/recordings").text, "it is in the list")
    a = s.viewer.post("/v1/requests", {**GOOD, "recordings": [rid, foreign]})
    true(a.status == 422 and a.code in ("split-request", "invalid"), f"two projects in one request: {a}")


@test("bodies: depth, members, strings, duplicates, encodings, sizes, media types")
def _():
    def send(data, **h):
        return s.viewer.call("POST", "/v1/requests/check", data, headers={"Content-Type": "application/json", **h})
    ok = json.dumps({"recordings": [rid]}).encode()
    send(ok).want(200)
    for what, data in {"duplicate": b'{"recordings":["%s"],"recordings":[]}' % rid.encode(), "trailing comma": ok[:-1] + b",}", "two values": ok + b"{}",
                       "BOM": b"\xef\xbb\xbf" + ok, "latin-1": b'{"recordings":["\xe9"]}', "NaN": b'{"recordings":[NaN]}', "comment": b"/**/" + ok,
                       "deep": b'{"more":' + b"[" * 33 + b"]" * 33 + b"}", "1 000 deep": b"[" * 1000 + b"]" * 1000, "100 000 open": b"[" * 100000,
                       "empty": b"", "spaces": b"   ", "lone surrogate": b'{"recordings":["\\ud800"]}', "NUL": ok + b"\0", "a word": b"nul",
                       "many members": b"{" + b",".join(b'"m%d":1' % i for i in range(10001)) + b"}",
                       "a long string": b'{"start":"' + b"x" * 65537 + b'"}', "cut": ok[:-3], "big number": b'{"duration_s":' + b"9" * 400 + b"}"}.items():
        a = send(data)
        true(a.status in (400, 413, 422), f"{what}: {a}")
        true(a.code in ("bad-json", "invalid", "too-large", "bad-request"), f"{what}: {a}")
    same(send(b'{"recordings":["%s"]}' % rid.encode() + b" " * (MIB - 40)).status, 200, "a body just below 1 MiB")
    send(ok + b" " * MIB).want(413, "too-large")
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"):
        a = send(ok, **{"Content-Type": media})
        same((a.status, a.code), (415, "unsupported-media-type"), media)
    a = send(gzip.compress(ok), **{"Content-Encoding": "gzip"})
    true(a.status in (400, 415), f"a packed body: {a}")
    same(send(ok, **{"Content-Type": "application/json; charset=utf-8"}).status, 200, "with a charset")
    for query in ("limit=0", "limit=201", "limit=x", "cursor=nonsense", "kind=video", "after=yesterday", "link=nocolon", "access=maybe"):
        a = s.viewer.get(f"/v1/recordings?{query}")
        true(a.status in (400, 422), f"?{query}: {a}")


# ---- keys ----

@test("a policy that cannot be read names the line and the cause, and changes nothing")
def _():
    before = s.admin.get("/v1/policies/current").json["hash"]
    good = 'purpose "debugging" { }\n'
    for text, line in ((good + "nonsense = 1\n", 2), (good + 'rule "a" {\n  effect = maybe\n}\n', 3), (good * 2, 2), (good + 'rule "a" {\n', 2)):
        a = s.admin.post("/v1/policies", {"text": text})
        same((a.status, a.code), (422, "policy-invalid"), text)
        true(a.json["cause"] and abs(a.json["line"] - line) <= 1, f"{text!r}: {a.json}")
    same(s.admin.get("/v1/policies/current").json["hash"], before, "the policy in force")


@test("a key with one flipped bit, for another recording, or made by somebody else opens nothing, and it is in the log")
def _():
    k = s.keyed(rid)
    head, body, sig = k.text.split(".")
    client = Client(s)

    def attempt(text, codes, what, path=f"/v1/replay/{rid}/manifest"):
        a = client.get(path, token=text)
        true(a.status in (401, 403) and a.code in codes, f"{what}: {a}")
        true(b"line 1" not in a.body, f"{what}: content")

    raw = bytearray(k.text.encode())
    for i in range(0, len(raw) * 8, 7):  # coprime with 8: every bit of the byte has its turn
        changed = bytearray(raw)
        changed[i // 8] ^= 1 << (i % 8)
        if not all(33 <= b < 127 for b in changed):
            continue
        attempt(changed.decode(), ("key-forged", "key-malformed", "key-binding"), f"bit {i}")
    for i in range(0, 64 * 8, 11):  # in the signature's own bits
        changed = bytearray(unb64u(sig))
        changed[i // 8] ^= 1 << (i % 8)
        attempt(f"{head}.{body}.{b64u(changed)}", ("key-forged",), f"signature bit {i}")
    claims = json.loads(unb64u(body))
    h = json.loads(unb64u(head))

    def forge(h, c, sig=None):
        part = b64u(json.dumps(h).encode()) + "." + b64u(json.dumps(c).encode())
        return part + "." + (b64u(sig(part.encode())) if callable(sig) else sig if sig is not None else b64u(b"\1" * 64))
    jwk = client.get("/.well-known/jwks.json").json["keys"][0]
    public = unb64u(jwk["x"]) + unb64u(jwk["y"])
    forged = ("key-forged", "key-malformed")
    for alg in ("none", "None", "nONE", "HS256", "ES384", "EdDSA", "RS256", "", None, 1):
        attempt(forge({**h, "alg": alg}, claims), forged, f"alg {alg}")
        attempt(forge({**h, "alg": alg}, claims, ""), forged, f"alg {alg} without a signature")
    for secret in (public, b"\4" + public, json.dumps(jwk).encode(), b""):
        attempt(forge({**h, "alg": "HS256"}, claims, lambda m: hmac.new(secret, m, hashlib.sha256).digest()), forged, "HS256 with the public key")
    for extra in ({"jwk": jwk}, {"jku": "http://127.0.0.1/"}, {"x5u": "http://127.0.0.1/"}, {"crit": ["exp"]}, {"b64": False}, {"zip": "DEF"}, {"cty": "JWT"}):
        attempt(forge({**h, **extra}, claims), forged, str(extra))
    attempt(forge({**h, "kid": "AAAAAAAAAAA"}, claims), forged, "unknown kid")
    attempt(forge({**h, "typ": "JWT"}, claims), forged, "typ JWT")
    attempt(forge(h, claims, b64u(b"\0" * 64)), forged, "r = s = 0")
    attempt(forge(h, {**claims, "exp": claims["exp"] + 3600, "wend": claims["wend"] + 3600}, sig), forged, "a longer life")
    attempt(forge(h, {**claims, "rid": rid2}, sig), forged, "another recording", f"/v1/replay/{rid2}/manifest")
    for text in (head + "." + body, head + "." + body + ".", "." + body + "." + sig, k.text + ".", k.text + ".x.y", k.text + "=", "x" * 1025, k.text + "A" * 2000, "a.b.c", ".."):
        attempt(text, ("key-malformed", "key-forged"), text[:30])
    attempt(k.text, ("recording-mismatch",), "for another recording", f"/v1/replay/{rid2}/manifest")
    attempt(k.text, ("recording-mismatch",), "for another project's", f"/v1/replay/{foreign}/chunks/0")
    a = client.get(f"/v1/replay/{rid}/manifest", headers={"Authorization": f"DPoP {k.text}"})
    same((a.status, a.code), (401, "key-binding"), "as DPoP")
    a = client.get(f"/v1/replay/{rid}/manifest", headers={"Authorization": f"Basic {k.text}"})
    same((a.status, a.code), (401, "key-missing"), "as Basic")
    a = client.get(f"/v1/replay/{rid}/manifest?access_token={k.text}")
    true(a.status in (400, 401), f"in the address: {a}")
    out = s.raw(f"GET {k.path}/manifest HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {k.text}\r\nAuthorization: Bearer {k.text}\r\nConnection: close\r\n\r\n".encode())
    true(out.startswith(b"HTTP/1.1 400") and b'"events"' not in out, f"two credentials: {out[:200]}")
    out = s.raw(f"GET {k.path}/manifest?access_token={k.text} HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {k.text}\r\nConnection: close\r\n\r\n".encode())
    true(out.startswith(b"HTTP/1.1 400"), f"a key in the address beside the header: {out[:200]}")
    k.manifest()  # the good one still opens
    want = {"key-forged", "key-malformed", "recording-mismatch", "key-binding"}

    def logged():
        out = [l for log in (s.project("default"), "system") for _, l in s.leaves(log, s.admin) if l["type"] == "replay.refused"]
        return want <= {l["outcome"] for l in out} and out
    refused = until(logged, 5, f"{want} in the log", step=0.3)
    true(any(l.get("jti") == k.id and l["outcome"] == "recording-mismatch" and l.get("actor") == claims["sub"] for l in refused),
         "who tried another recording with a good key is not named")
    true(all("n" in l and l["n"].get("count", 0) >= 1 for l in refused if l["outcome"] == "key-forged"), "refusals without a count")


@test("who tries to see what they may not is in the log, by name, also without a key")
def _():
    s.here.get(f"/v1/recordings/{foreign}").want(404)
    s.nobody = s.person("nobody", roles=[])
    q = s.viewer.ask(rid2)
    for path in (f"/v1/requests/{q['id']}/approve", f"/v1/requests/{q['id']}/deny"):
        s.viewer.post(path, {"digest": q["digest"]}).want(403, "not-eligible")
    s.viewer.post(f"/v1/requests/{q['id']}/cancel").want(200)
    s.nobody.post("/v1/requests", GOOD)
    s.viewer.get(f"/v1/audit/events?log={s.project('default')}").want(403)

    def voted():
        return [l for _, l in s.leaves(s.project("default"), s.admin)
                if l["type"].startswith("request.") and l.get("outcome") == "not-eligible" and l.get("actor") == s.viewer.id]
    until(voted, 4, "a refused vote in the log", step=0.3)


# ---- HTTP ----

def survives(what):
    a = Client(s).get("/livez", timeout=5)
    same((a.status, a.body), (200, b"ok\n"), f"after {what}")


def corpus():
    """(name, bytes) of every request of ../shared/data/http."""
    base = DATA / "http"
    for p in sorted((base / "gunicorn" / "invalid").glob("*.http")) + sorted((base / "gunicorn" / "valid").glob("*.http")):
        text = p.read_bytes()  # gunicorn's test files: real line ends are \r\n written out, line breaks are only for the eye
        yield f"gunicorn/{p.parent.name}/{p.name}", re.sub(rb"\\(r|n|t|0|\\)", lambda m: {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}[m[1]],
                                                           text.replace(b"\n", b""))
    for p in sorted((base / "llhttp" / "request").glob("*.md")):
        for i, block in enumerate(re.findall(r"```http\n(.*?)```", p.read_text(), re.S)):
            text = block[:-1].replace("\\\n", "").replace("\n", "\r\n")
            text = re.sub(r"\\([rntf]|x[0-9a-fA-F]{2})", lambda m: {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}.get(m[1]) or chr(int(m[1][1:], 16)), text)
            yield f"llhttp/{p.stem}/{i}", text.encode("latin-1", "replace")
    for p in sorted((base / "h2o-http1-corpus").iterdir()):
        yield f"h2o/{p.name}", p.read_bytes()


@test("every malformed request of the corpora: an error or a closed connection, never a crash, and the next one works")
def _():
    if not (DATA / "http").is_dir():
        raise Skip("no corpora beside the checkout")
    n, answers = 0, {}
    roles = s.roles()
    for name, data in corpus():
        out = s.raw(data, timeout=8, half_close=True)
        n += 1
        if out == b"(silence)":
            raise Failed(f"{name}: neither an answer nor an end")
        if out:
            m = re.match(rb"HTTP/1\.1 (\d\d\d) ", out)
            true(m, f"{name}: {out[:100]!r}")
            status = int(m[1])
            answers[status] = answers.get(status, 0) + 1
            true(100 <= status < 600 and b"\r\n\r\n" in out, f"{name}: {out[:200]!r}")
            # Refused by settings of gunicorn's own, not by HTTP: 011, 012, 040 (methods, underscores in names), limit_* (sizes).
            if name.startswith("gunicorn/invalid") and not re.search(r"/(011|012|040|limit_.*)\.http", name):
                true(status >= 400, f"{name}: {out[:200]!r}")
        if n % 100 == 0:
            survives(name)
    survives("all of them")
    same(s.roles(), roles, "roles")
    true(n > 1200, f"only {n} requests were read")


@test("malformed requests to a real route: each refused with 4xx or 5xx and the connection closed")
def _():
    host = f"Host: {s.host}\r\n"
    auth = f"Authorization: Bearer {s.viewer.token}\r\n"
    cases = {
        "bare LF": f"GET /v1/me HTTP/1.1\n{host}\r\n", "HTTP/0.9": "GET /v1/me\r\n", "no Host": "GET /v1/me HTTP/1.1\r\n\r\n", "two Hosts": f"GET /v1/me HTTP/1.1\r\n{host}{host}\r\n",
        "space before the colon": f"GET /v1/me HTTP/1.1\r\n{host}Authorization : Bearer x\r\n\r\n", "obs-fold": f"GET /v1/me HTTP/1.1\r\n{host}X-A: b\r\n c\r\n\r\n",
        "NUL in a header": f"GET /v1/me HTTP/1.1\r\n{host}X: a\0b\r\n\r\n", "HTTP/2.0": f"GET /v1/me HTTP/2.0\r\n{host}\r\n", "HTTP/1.2": f"GET /v1/me HTTP/1.2\r\n{host}\r\n",
        "two lengths": f"POST /v1/logout HTTP/1.1\r\n{host}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}", "length and chunked": f"POST /v1/logout HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "length +2": f"POST /v1/logout HTTP/1.1\r\n{host}Content-Length: +2\r\n\r\n{{}}", "length 2,2": f"POST /v1/logout HTTP/1.1\r\n{host}Content-Length: 2, 2\r\n\r\n{{}}",
        "length -1": f"POST /v1/logout HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n", "length 2^64": f"POST /v1/logout HTTP/1.1\r\n{host}Content-Length: 18446744073709551617\r\n\r\n",
        "coding gzip": f"POST /v1/logout HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n", "chunked twice": f"POST /v1/logout HTTP/1.1\r\n{host}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "bad chunk": f"POST /v1/logout HTTP/1.1\r\n{host}{auth}Transfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk without CRLF": f"POST /v1/login HTTP/1.1\r\n{host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}X0\r\n\r\n",
        "space in the target": f"GET /v1/ me HTTP/1.1\r\n{host}\r\n", "authority of another": f"GET http://evil.example/v1/me HTTP/1.1\r\n{host}\r\n", "no path": f"GET me HTTP/1.1\r\n{host}\r\n",
        "CONNECT": f"CONNECT localhost:1 HTTP/1.1\r\n{host}\r\n", "a preface of HTTP/2 that is none": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", "another Host": "GET /v1/me HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "two Authorizations": f"GET /v1/me HTTP/1.1\r\n{host}{auth}{auth}\r\n", "TLS": "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "an odd expectation": f"POST /v1/logout HTTP/1.1\r\n{host}Expect: tea\r\nContent-Length: 2\r\n\r\n{{}}",
        "bad percent": f"GET /v1/requests/%zz HTTP/1.1\r\n{host}{auth}\r\n", "NUL in the path": f"GET /v1/requests/%00 HTTP/1.1\r\n{host}{auth}\r\n", "dots": f"GET /v1/../v1/me HTTP/1.1\r\n{host}{auth}\r\n",
    }
    for what, text in cases.items():
        out = s.raw(text.encode("latin-1"), timeout=8, half_close=True)
        m = re.match(rb"HTTP/1\.1 ([45]\d\d) ", out)
        true(m or out == b"", f"{what}: {out[:150]!r}")
        true(b'"roles"' not in out, f"{what}: it was answered")
        if m:
            true(b"application/problem+json" in out, f"{what}: no problem: {out[:300]!r}")
    survives("these")


@test("sizes of a head: below the limit taken, above it 414 and 431 with the limit's name")
def _():
    host = f"Host: {s.host}\r\nConnection: close\r\n"

    def status(text):
        out = s.raw(text.encode(), timeout=8)
        m = re.match(rb"HTTP/1\.1 (\d\d\d) ", out)
        return (int(m[1]) if m else 0), out
    same(status(f"GET /livez?{'x' * 8000} HTTP/1.1\r\n{host}\r\n")[0], 200, "a line of 8 000 bytes")
    same(status(f"GET /livez?{'x' * 9000} HTTP/1.1\r\n{host}\r\n")[0], 414, "a line of 9 000 bytes")
    same(status(f"GET /livez HTTP/1.1\r\n{host}X: {'x' * 15000}\r\n\r\n")[0], 200, "15 000 bytes of headers")
    got, out = status(f"GET /livez HTTP/1.1\r\n{host}X: {'x' * 17000}\r\n\r\n")
    same(got, 431, "17 000 bytes of headers")
    true(b"headers-too-large" in out and b'"limit"' in out, f"{out[-400:]!r}")
    same(status(f"GET /livez HTTP/1.1\r\n{host}" + "".join(f"X-{i}: 1\r\n" for i in range(90)) + "\r\n")[0], 200, "90 headers")
    same(status(f"GET /livez HTTP/1.1\r\n{host}" + "".join(f"X-{i}: 1\r\n" for i in range(110)) + "\r\n")[0], 431, "110 headers")
    same(status(f"POST /v1/login HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: {2 * MIB}\r\n\r\n")[0], 413, "a body announced too large")
    out = s.raw(f"GET /livez HTTP/1.1\r\n{host}".encode() + b"X: " + os.urandom(3 * MIB).hex().encode(), timeout=8)
    true(out == b"" or out[9:12] == b"431", f"3 MiB of one header: {out[:100]!r}")
    survives("large heads")


@test("limits of time and number: slow heads, idle connections, slow bodies, too many connections of one source")
def _():
    t = Server(config="limits { header_time = 700ms\n idle_time = 600ms\n body_min_rate = 100KiB }\ngate { per_source = 20\n connections = 30 }")
    t.recorder = t.ingest()

    def life(data, every=None):
        """How long a connection lives, and what it was told."""
        sock, began, out = t.connect(timeout=10 * SLOW), time.monotonic(), b""
        sock.sendall(data)
        sock.settimeout(0.1)
        while time.monotonic() - began < 15 * SLOW:
            try:
                part = sock.recv(65536)
                if not part:
                    break
                out += part
            except TimeoutError:
                if every:
                    try:
                        sock.sendall(every)
                    except OSError:
                        break
            except OSError:
                break
        sock.close()
        return time.monotonic() - began, out
    took, out = life(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ", every=b"a")
    true(0.4 < took < 3 * SLOW and (out == b"" or out[9:12] == b"408"), f"a slow head lived {took:.1f} s: {out[:100]!r}")
    took, out = life(b"GET /livez HTTP/1.1\r\nHost: " + t.host.encode() + b"\r\n\r\n")
    true(out.startswith(b"HTTP/1.1 200") and 0.3 < took < 3 * SLOW, f"an idle connection lived {took:.1f} s: {out[:60]!r}")
    took, out = life(b"")
    true(took < 3 * SLOW, f"a silent connection lived {took:.1f} s")
    head = f"POST /v1/import HTTP/1.1\r\nHost: {t.host}\r\nAuthorization: Bearer {t.recorder.token}\r\nContent-Length: 1000000\r\n\r\n".encode()
    took, out = life(head + cast(3), every=b" ")
    true(took < 12 * SLOW and (out == b"" or out[9:12] == b"408"), f"a slow body lived {took:.1f} s: {out[:100]!r}")
    socks = []
    try:
        for _ in range(20):
            x = t.connect(timeout=5)
            x.sendall(b"GET /livez HTTP/1.1\r\nX")
            socks.append(x)
        out = t.raw(f"GET /livez HTTP/1.1\r\nHost: {t.host}\r\n\r\n".encode(), timeout=3)
        true(out == b"" or out[9:12] in (b"429", b"503"), f"the 21st connection of one address: {out[:100]!r}")
    finally:
        for x in socks:
            x.close()
    until(lambda: Client(t).get("/livez").status == 200, 5, "the server after too many connections")
    for trouble in t.finish():
        raise Failed(trouble)


@test("after all of this the server still does its work, and nothing is half there")
def _():
    k = s.keyed(rid2)
    same(len(k.get(f"{k.path}/events").want(200).text.splitlines()), 52, "lines")
    db = sqlite3.connect(f"file:{s.dir}/meta/keyhole.db?mode=ro", uri=True)
    same(db.execute("SELECT count(*) FROM recording WHERE state = 'importing'").fetchone()[0], 0, "half imports")
    same(db.execute("SELECT count(*) FROM piece").fetchone()[0], len(files()), "pieces and files")
    db.close()


test.run()
