#!/usr/bin/env python3
"""Seeds for the fuzz targets of importers and readers: corpus.py OUT [REAL]

Writes OUT/TARGET/NAME for each target whose seeds are not in seeds/TARGET. All of it is made here, from small facts in the formats'
own words; REAL is a folder of real recordings, whose small files (up to 48 KiB) are put beside them.
"""
import base64
import gzip
import io
import json
import os
import struct
import sys
import tarfile
import zlib

PACK, MASKED, SCREENS = 1, 4, 8
made = {}


def seed(target, name, data):
    if isinstance(data, str):
        data = data.encode()
    made.setdefault(target, {})[name] = data


def pieces(target, name, files, first=0, how=0, kind=0):
    """Contents in the order of the target's names from 'first' on: see pieces.h."""
    parts = [f.encode() if isinstance(f, str) else f for f in files]
    body = b"\0".join(p.replace(b"\0", b"\xfe\0") for p in parts)
    seed(target, name, bytes([kind, first << 4 | how]) + body)


# ---- what others' recorders write

SUDO_LOG = "1645153850:m:root::/dev/ttypb:30:100\n/w\n/bin/id -u\n"
SUDO_OLD = "1645153850:m:root:wheel:/dev/ttypb\n/w\n/bin/id\n"
SUDO_JSON = json.dumps({"timestamp": {"seconds": 1603746837, "nanoseconds": 5}, "columns": 80, "lines": 24, "command": "/bin/id",
                        "runargv": ["id", "-u"], "runuser": "root", "submituser": "m", "submithost": "h", "submitcwd": "/w",
                        "ttyname": "/dev/pts/1", "exit_value": 1})
SUDO_TIMING = "4 0.5 9\n3 1.25 3\n5 0.1 24 80\n7 2.0 TSTP\n7 10.0 CONT\n4 0.1 2\n"
SUDO_PIPES = "1 0.5 4\n2 0.25 3\n0 0.1 2\n1 0.000000001 3\n"
SUDO_COMMA = "4 0,5 2\n6 0.1 1\n"

SCRIPT_OUT = ("Script started on 2026-02-03 12:55:07+00:00 [COLUMNS=\"90\" LINES=\"20\" TERM=\"xterm\"]\nhello\r\n"
              "\nScript done on 2026-02-03 13:00:00+00:00 [COMMAND_EXIT_CODE=\"7\"]\n")
SCRIPT_TWO = "Script started on 2026-02-03\nCommand: ls\nab\n"
ADVANCED = ("H 0.0 START_TIME 2026-02-03 08:32:23+00:00\nH 0.0 TERM xterm\nH 0.0 COLUMNS 80\nH 0.0 LINES 24\nH 0.0 SHELL /bin/sh\n"
            "H 0.0 OUTPUT_LOG typescript\nO 0.5 2\nI 0.1 1\nS 0.5 SIGWINCH ROWS=24 COLS=90\nS 1.0 SIGTERM\nH 0.0 DURATION 2.1\nH 0.0 EXIT_CODE 0\n")
ONE_LOG = "H 0.0 OUTPUT_LOG io\nH 0.0 INPUT_LOG io\nO 0.5 2\nI 0.5 1\nO 4000.5 1\n"
V0_META = json.dumps({"version": 0, "term": {"columns": 96, "lines": 26, "type": "x"}, "title": "t", "command": "sh", "duration": 2})


def tlog(rec, number, timing, pos=0, out="", typed="", out_bin=(), in_bin=(), ver="2.3"):
    return json.dumps({"ver": ver, "host": "h", "rec": rec, "user": "u", "term": "xterm", "session": 1, "id": number, "pos": pos,
                       "time": 1600000000.25, "timing": timing, "in_txt": typed, "in_bin": list(in_bin), "out_txt": out,
                       "out_bin": list(out_bin)}, ensure_ascii=False) + "\n"


def entry(message, binary=False, cursor="s=1"):
    body = f"__CURSOR={cursor}\n__REALTIME_TIMESTAMP=1543433161255153\n".encode()
    raw = message.rstrip("\n").encode()
    if binary:
        body += b"MESSAGE\n" + struct.pack("<Q", len(raw)) + raw + b"\n"
    else:
        body += b"MESSAGE=" + raw + b"\n"
    return body + b"\n"


def frame(sec, usec, text, channel=None):
    head = struct.pack("<III", sec, usec, len(text))
    return head + (b"" if channel is None else bytes([channel])) + text


def tar(files, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for name, content in files:
            info = tarfile.TarInfo(name)
            content = content.encode() if isinstance(content, str) else content
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return out.getvalue().rstrip(b"\0") + b"\0" * 1024


def tars():
    sudo = [("d/log", SUDO_LOG), ("d/timing", SUDO_TIMING), ("d/ttyin", "abc"), ("d/ttyout", "Password:ok")]
    packed = [(n, zlib.compress(c.encode()) if n != "d/log" else c) for n, c in sudo]
    zipped = [(n, gzip.compress(c.encode(), mtime=0) if n != "d/log" else c) for n, c in sudo]
    long = [("e" * 60 + "/" + "f" * 90 + "/timing", "0.5 2\n"), ("typescript", "ab")]
    for name, files in (("sudo", sudo), ("packed", packed), ("zipped", zipped), ("long", long),
                        ("late", [sudo[3], sudo[2], sudo[1], sudo[0]]), ("twice", sudo + [("d2/timing", SUDO_TIMING)]),
                        ("script", [("timing", ADVANCED), ("typescript", "ab\n"), ("input", "q")]),
                        ("v0", [("meta.json", V0_META), ("stdout.time", "1.5 2\n"), ("stdout", "hi")]), ("none", [("x", "y")])):
        seed("tar", name, b"\0" + tar(files))
    seed("tar", "pax", b"\1" + tar(long, tarfile.PAX_FORMAT))
    seed("tar", "gnu", b"\0" + tar(long, tarfile.GNU_FORMAT))
    seed("tar", "gz", b"\0" + gzip.compress(tar(sudo), mtime=0))
    huge = bytearray(tar([("ttyout", "x")]))
    huge[124:136] = b"\x80" + (1 << 40).to_bytes(11, "big")
    huge[148:156] = b" " * 8
    huge[148:156] = b"%06o\0 " % sum(huge[:512])
    seed("tar", "huge", b"\0" + bytes(huge))


def terminals():
    pieces("sudo", "plain", [SUDO_LOG, SUDO_TIMING, "Password:ok", "abc"])
    pieces("sudo", "masked", [SUDO_LOG, SUDO_TIMING, "Password:ok", "abc"], how=MASKED)
    pieces("sudo", "json", [SUDO_JSON, "", "", SUDO_LOG, SUDO_TIMING, "Password:ok", "abc"], first=5)
    pieces("sudo", "old", [SUDO_OLD, SUDO_COMMA, "abc"], how=SCREENS)
    pieces("sudo", "order", [SUDO_TIMING, "Password:ok", "abc", "", "", "", "", SUDO_LOG], first=1, how=PACK)
    pieces("sudo", "pipes", [SUDO_LOG, SUDO_PIPES, "", "", "a\nb\rc\n", "", "err", "in"], how=2)
    pieces("sudo", "cut", [SUDO_LOG, SUDO_TIMING, "Pass"])
    pieces("script", "classic", ["0.5 5\n1.5 2\n", SCRIPT_OUT])
    pieces("script", "two", ["0.5 3\n", SCRIPT_TWO])
    pieces("script", "advanced", [ADVANCED, "ab\n", "q"], how=SCREENS)
    pieces("script", "one-log", [ONE_LOG, "abqc"])
    pieces("script", "packed", [ADVANCED, "ab\n", "q"], how=PACK | MASKED)
    pieces("script", "out-first", [SCRIPT_OUT, "", "", "0.5 5\n1.5 2\n"], first=1)
    pieces("script", "v0", [V0_META, "1.5 2\n6.5e-05 1\n", "hi!"], kind=1)
    pieces("script", "v0-cut", [V0_META, "1.5 2\n1 100\n", "hi!"], kind=1)
    seed("timing", "all", SUDO_TIMING + SUDO_PIPES + SUDO_COMMA + ADVANCED + ONE_LOG + "0.5 5\n6.5e-05 1\n")
    seed("timing", "classic", "0.5 5\n1.5 2\n4000.25 1\n")
    seed("timing", "advanced", ADVANCED)

    one = tlog("a", 1, "=100x30>2+5<1[0/1]0/1", out="é日", typed="q", in_bin=[255], out_bin=[240])
    two = tlog("a", 3, ">1+1000>1", pos=900, out="xy")
    other = tlog("b", 1, ">1", out="z")
    old = tlog("a", 1, "=80x24>3", out="abc", ver="1")
    seed("tlog", "lines", b"\0" + (one + two).encode())
    seed("tlog", "masked", b"\2" + (one + two).encode())
    seed("tlog", "two", b"\0" + (one + other + two).encode())
    seed("tlog", "old", b"\0" + old.encode())
    seed("tlog", "journal", b"\1" + entry(one) + entry("plain", cursor="s=2") + entry(two, binary=True, cursor="s=3"))
    seed("tlog", "journal-two", b"\1" + entry(one) + entry(other, binary=True))
    seed("tlog", "journal-blob", b"\1" + b"__CURSOR=s=1\nBLOB\n" + struct.pack("<Q", 3) + b"a\nb\nMESSAGE=" + one.encode() + b"\n")

    short = frame(1588594816, 5, b"\x1b[8;40;132tone") + frame(1588594816, 6, b"two") + frame(1588594817, 0, "é\x1b[2J".encode())
    seed("ttyrec", "short", b"\0" + short)
    seed("ttyrec", "screens", b"\2" + short)
    seed("ttyrec", "masked", b"\1" + short)
    seed("ttyrec", "back", b"\0" + frame(200000, 5, b"one") + frame(199990, 6, b"two"))
    seed("ttyrec", "bracket", b"\0" + frame(0x5eb0805b, 5, b"x" * 3000) + frame(0x5eb0805b, 6, b"ok"))  # looked like JSON when it came slowly
    seed("ttyrec", "cut", b"\0" + (short + frame(1588594818, 0, b"never whole"))[:-4])
    seed("ttyrec", "long", b"\0" + frame(1588594816, 5, b"one", 0) + frame(1588594816, 6, b"in", 1) + frame(1588594817, 0, b"x", 0))


V1 = json.dumps({"version": 1, "width": 80, "height": 24, "duration": 1.5, "command": "sh", "title": "t", "env": {"TERM": None},
                 "stdout": [[0.5, "a"], [1e-6, "é\u001b[31m"]]})
V2_HEAD = json.dumps({"version": 2, "width": 80, "height": 24, "timestamp": 1700000000, "idle_time_limit": 2.5, "env": {"SHELL": "sh"},
                      "theme": {"fg": "#000000", "bg": "#ffffff", "palette": "#000000:#111111"}})
V2 = V2_HEAD + "\n" + "\n".join(('[0.5,"o","hello\\r\\n"]', '[0.75, "i", "q"]', '[1,"r","100x40"]', '[1.5,"m","here"]', '[2,"o","\\u001b[2Jx"]',
                                 '[2.25,"x","0"]', '[3,"zz",{"a":1}]', '[4,"o","card 4111 1111 1111 1111",5]')) + "\n"
V3 = (json.dumps({"version": 3, "term": {"cols": 80, "rows": 24, "type": "xterm"}, "title": "t", "tags": ["a"]}) + "\n# comment\n\n"
      + "\n".join(('[0.5,"o","hello"]', '[0.000001,"o","x"]', '[30.5,"m",""]', '[1,"x","1"]')) + "\n")


def casts():
    for name, text in (("v1", V1), ("v1-lines", json.dumps(json.loads(V1), indent=1)), ("v2", V2), ("v3", V3),
                       ("v3-as-v2", '{"version":3,"width":80,"height":24}\n[1,"o","x"]\n'), ("odd", V2_HEAD + '\n[1,"r","-1x0"]\n'),
                       ("empty", V2_HEAD + "\n"), ("no-newline", V2.rstrip("\n")), ("back", V2_HEAD + '\n[5,"o","a"]\n[1,"o","b"]\n')):
        seed("asciicast", name, b"\0" + text.encode())
        seed("importer", name, text)
    seed("asciicast", "masked", b"\1" + V2.encode())
    seed("asciicast", "screens", b"\2" + V2.encode())
    seed("asciicast", "gz", b"\0" + gzip.compress(V2.encode(), mtime=0))
    seed("importer", "gz", gzip.compress(V2.encode(), mtime=0))
    seed("importer", "zlib", zlib.compress(V3.encode()))


NODE = {"type": 0, "id": 1, "childNodes": [
    {"type": 1, "name": "html", "publicId": "", "systemId": "", "id": 2},
    {"type": 2, "tagName": "html", "attributes": {"lang": "en"}, "id": 3, "childNodes": [
        {"type": 2, "tagName": "a", "attributes": {"href": "https://x.example/?q=1", "onclick": "x()"}, "id": 4,
         "childNodes": [{"type": 3, "textContent": "mail me at someone@example.org", "id": 5}]},
        {"type": 2, "tagName": "button", "attributes": {"_cssText": "a{b:c}", "rr_width": "5px"}, "id": 6, "childNodes": []},
        {"type": 2, "tagName": "input", "attributes": {"type": "password", "value": "x"}, "id": 7, "childNodes": []}]}]}
EVENTS = [
    {"type": 4, "data": {"href": "https://x.example/", "width": 800, "height": 600}, "timestamp": 1700000000000},
    {"type": 2, "data": {"node": NODE, "initialOffset": {"top": 0, "left": 0}}, "timestamp": 1700000000010},
    {"type": 3, "data": {"source": 0, "texts": [{"id": 5, "value": "v"}], "attributes": [{"id": 4, "attributes": {"href": "y"}}],
                         "removes": [{"parentId": 3, "id": 6}], "adds": [{"parentId": 3, "nextId": None, "node": {"type": 3, "textContent": "n", "id": 8}}]},
     "timestamp": 1700000000500},
    {"type": 3, "data": {"source": 2, "type": 2, "id": 4, "x": 5, "y": 6}, "timestamp": 1700000001000},
    {"type": 3, "data": {"source": 2, "type": 2, "id": 4, "x": 5, "y": 6}, "timestamp": 1700000001300},
    {"type": 3, "data": {"source": 2, "type": 2, "id": 4, "x": 5, "y": 6}, "timestamp": 1700000001600},
    {"type": 3, "data": {"source": 5, "id": 7, "text": "abc", "isChecked": False}, "timestamp": 1700000006000},
    {"type": 3, "data": {"source": 4, "width": 900, "height": 700}, "timestamp": 1700000006100},
    {"type": 6, "data": {"plugin": "rrweb/console@1", "payload": {"level": "error", "payload": ["\"bad\""], "trace": []}}, "timestamp": 1700000006200},
    {"type": 6, "data": {"plugin": "rrweb/network@1", "payload": {"requests": [{"name": "https://x.example/a", "method": "GET", "status": 500, "responseStatus": 500}]}},
     "timestamp": 1700000006300},
    {"type": 5, "data": {"tag": "checkout", "payload": {"a": 1}}, "timestamp": 1700000006400},
    {"type": 5, "data": {"tag": "breadcrumb", "payload": {"category": "navigation", "data": {"to": "/b"}}}, "timestamp": 1700000006500},
    {"type": 5, "data": {"tag": "performanceSpan", "payload": {"op": "resource.fetch", "description": "https://x.example/", "data": {"method": "GET", "statusCode": 404}}},
     "timestamp": 1700000006600},
    {"type": 4, "data": {"href": "https://x.example/two", "width": 800, "height": 600}, "timestamp": 1700000060000},
    {"type": 0, "data": {}}, {"type": 1, "data": {}, "timestamp": 1700000000001}, {"type": 9, "data": None, "timestamp": 1700000000002},
]


def compact(v):
    return json.dumps(v, separators=(",", ":"))


def latin(data):
    return "".join(map(chr, data))


def packed(event):
    return latin(zlib.compress(compact(dict(event, v="v1")).encode()))


def cv(event):
    """What posthog-js does to a full snapshot and a mutation."""
    event = dict(event, cv="2024-10")
    if event["type"] == 2:
        event["data"] = latin(gzip.compress(compact(event["data"]).encode(), mtime=0))
    else:
        event["data"] = {k: latin(gzip.compress(compact(v).encode(), mtime=0)) if isinstance(v, list) else v for k, v in event["data"].items()}
    return event


def capture(events, window="w"):
    return {"event": "$snapshot", "timestamp": "2026-01-01T00:00:00Z", "properties": {
        "token": "phc_x", "distinct_id": "d", "$session_id": "018f", "$window_id": window, "$snapshot_data": events, "$snapshot_source": "web"}}


def envelope(number, events, how):
    body = compact(events).encode()
    body = zlib.compress(body) if how == "zlib" else gzip.compress(body, mtime=0) if how == "gzip" else body
    payload = compact({"segment_id": number}).encode() + b"\n" + body
    head = {"event_id": "0" * 32, "sent_at": "2026-01-01T00:00:00Z", "dsn": "https://abc@x.example/1"}
    replay = {"type": "replay_event", "replay_id": "1" * 32, "segment_id": number, "error_ids": ["2" * 32], "trace_ids": ["3" * 32],
              "urls": ["https://x.example/"], "timestamp": 1700000000, "replay_start_timestamp": 1700000000, "replay_type": "session"}
    return (compact(head) + "\n" + compact({"type": "replay_event"}) + "\n" + compact(replay) + "\n"
            + compact({"type": "replay_recording", "length": len(payload)}) + "\n").encode() + payload + b"\n"


def pages():
    forms = {"array": compact(EVENTS), "list": compact({"events": EVENTS, "extra": 1}), "list-late": compact({"a": [], "events": EVENTS[:3]}),
             "lines": "\n".join(map(compact, EVENTS)) + "\n", "packed": compact([packed(e) for e in EVENTS[:4]]), "plain-text": compact([compact(EVENTS[0])] + EVENTS[1:3]),
             "cv": compact([EVENTS[0], cv(EVENTS[1]), cv(EVENTS[2])]), "posthog": compact([capture(EVENTS[:5])]), "posthog-two": compact([capture(EVENTS[:2]), capture(EVENTS[2:4], "v")]),
             "posthog-answer": compact({"snapshots": {"w": EVENTS[:4]}}), "indented": json.dumps(EVENTS[:4], indent=2)}
    for name, text in forms.items():
        seed("rrweb", name, b"\0" + text.encode())
        seed("rrweb", name + "-masked", b"\1" + text.encode())
        seed("importer", "page-" + name, text)
    seed("rrweb", "sentry", b"\0" + envelope(0, EVENTS[:3], "zlib"))
    seed("rrweb", "sentry-two", b"\0" + envelope(1, EVENTS[3:5], "plain") + envelope(0, EVENTS[:3], "gzip"))
    seed("rrweb", "gz", b"\0" + gzip.compress(forms["array"].encode(), mtime=0))
    for i, e in enumerate(EVENTS):
        seed("rrweb", f"one-{i}", b"\4" + compact(e).encode())
    for name, e in (("packed", packed(EVENTS[1])), ("cv", cv(EVENTS[1])), ("cv-mutation", cv(EVENTS[2]))):
        seed("rrweb", f"one-{name}", b"\4" + compact(e).encode())
    late = list(map(envelope, (0, 2, 1), (EVENTS[:3], EVENTS[5:6], EVENTS[3:5]), ("zlib", "gzip", "plain")))
    seed("sentry", "late", b"\1" + b"".join(late))
    seed("posthog", "export", b"\2" + forms["posthog"].encode())
    seed("posthog", "beacon", b"\0data=" + base64.b64encode(forms["posthog"].encode()).replace(b"+", b"%2B"))
    seed("posthog", "cv", b"\3" + compact(cv(EVENTS[1])).encode())


def notes_bytes(notes, active=5000000, first=0, bins=(1, 2)):
    of = [sum(1 for n in notes if n[0] == k) for k in range(1, 8)]
    out = struct.pack("<Q3I7I5I6I", active, 1, 2, 3, *of, *range(5), *range(6))
    out += struct.pack("<QBH", first, 0, len(bins)) + b"".join(struct.pack("<I", b) for b in bins) + struct.pack("<I", len(notes))
    for kind, seq, time, value, text in notes:
        out += struct.pack("<BQQQB", kind, seq, time, value, len(text)) + text.encode()
    return out


def derived():
    pace = [f"{1 if i % 3 else 4000} {compact(e)}" for i, e in enumerate(EVENTS)]
    seed("facts", "page", b"\0" + "\n".join(pace).encode())
    seed("facts", "page-cut", b"\2" + "\n".join(pace * 2).encode())
    terminal = ["0 " + '[0,"o","x"]', "9000 " + '[9,"i","q"]', "1 " + '[9,"r","100x40"]', "1 " + '[9,"m","mark"]', "60000 " + '[70,"o","y"]']
    seed("facts", "terminal", b"\1" + "\n".join(terminal).encode())
    seed("facts", "terminal-cut", b"\3" + "\n".join(terminal * 3).encode())
    a = notes_bytes([(1, 0, 0, 800 | 600 << 32, "https://x.example/"), (7, 3, 5, 9000000, ""), (3, 4, 900, 500, "GET /")])
    b = notes_bytes([(2, 5, 6000000, 0, "bad"), (4, 6, 6000001, 3, ""), (6, 7, 6000002, 5 | 6 << 32, "")], active=6000002, first=125000 * 48)
    seed("notes", "one", struct.pack(">H", len(a)) + a)
    seed("notes", "two", struct.pack(">H", len(a)) + a + b)
    seed("notes", "empty", b"\0\0" + notes_bytes([], active=2**64 - 1, bins=()))
    shell = ["$ ls\r\n", "a b\r\n", "\x1b[2J\x1b[H", "r:60x10", "\x1b[?1049hvi\x1b[10;10Hx", "\x1b[?1049l", "m:here", "日本\r\n", "\x1b[31mred\x1b[0m\r\n" * 3]
    for name, pace in (("slow", 120), ("fast", 2)):
        seed("transcript", name, bytes([79, 23, pace]) + b"\xfe".join(s.encode() for s in shell))
    seed("transcript", "page", bytes([0, 0, 1]) + "\n".join(map(compact, EVENTS)).encode())


def plain_ones():
    """Formats that several targets read and that have no seeds of their own."""
    for name, text in (("all", '{"a":[1,-2.5e3,true,false,null,"\\u00e9\\ud83d\\ude00\\n"],"b":{"c":{}}}'), ("deep", "[" * 60 + "]" * 60), ("text", '"x"'),
                       ("lines", '{"a":1}\n[2]\n"3"\n'), ("twice", '{"a":1,"a":2}'), ("number", "123456789012345678901234567890")):
        seed("json", name, text)
        seed("json", name + "-blank", " " + text)  # the first byte is an option, too
    for codec, data in ((0, b"plain"), (1, gzip.compress(b"abc" * 99, mtime=0)), (1, gzip.compress(b"a", mtime=0) * 2), (2, zlib.compress(b"abc" * 99)),
                        (2, zlib.compress(b"abc" * 99)[2:-4]), (3, bytes.fromhex("28b52ffd2003190000616263"))):
        seed("unpack", f"{codec}-{len(data)}", bytes([codec + 4 * 12]) + data)
    for i, s in enumerate(("\x1b[31mred\x1b[0m", "\x1b[?1049h\x1b[2J\x1b[5;5Hx", "\x1b]0;t\x07é日\u0301", "\x1b[3;6r\x1bM\x1bD\x1b[L\x1b[P", "\x1bP+q\x1b\\\x9b1m")):
        seed("screen", str(i), bytes([30, 10]) + s.encode("latin-1", "ignore") + b"\xfe\x10\x08again")
    seed("confuse", "rules", 'reveal = keep\nown "x" { pattern = "a[0-9]{3}" }\nrrweb { text = all  fields = { a, "b*" } }\n# end\n')
    boundary = "multipart/form-data; boundary=xyz\n"
    seed("multipart", "file", boundary + '--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nq\r\n--xyz\r\nContent-Disposition: form-data; '
         'name="asciicast"; filename="x.cast"\r\nContent-Type: application/octet-stream\r\n\r\n' + V2 + "\r\n--xyz--\r\n")
    seed("multipart", "none", boundary + "--xyz--\r\n")


# ---- real ones, beside

REAL = (("ttyrec", ("ttyrec", "copyleft/ttyrec"), b"\0"), ("tlog", ("copyleft/tlog",), b"\0"), ("timing", ("script", "sudo_iolog"), b""),
        ("asciicast", ("asciicast", "copyleft/asciicast"), b"\0"), ("importer", ("asciicast", "rrweb"), b""), ("rrweb", ("rrweb",), b"\0"),
        ("json", ("json",), b""))


def real(folder):
    for target, parts, prefix in REAL:
        for part in parts:
            for where, _, names in os.walk(os.path.join(folder, part)):
                for name in sorted(names):
                    path = os.path.join(where, name)
                    if os.path.getsize(path) <= 48 << 10:
                        with open(path, "rb") as f:
                            seed(target, "real-" + os.path.relpath(path, folder).replace("/", "-"), prefix + f.read())


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n", 1)[0])
    for part in (tars, terminals, casts, pages, derived, plain_ones):
        part()
    if len(sys.argv) == 3 and os.path.isdir(sys.argv[2]):
        real(sys.argv[2])
    for target, seeds in made.items():
        os.makedirs(os.path.join(sys.argv[1], target), exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(sys.argv[1], target, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
