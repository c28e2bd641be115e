#!/usr/bin/env python3
"""Reads a recording on its own and compares it with what the importer made of it.

usage: recordings.py FILE OUT

OUT has one JSON value a line: {"head": ..., "format": ..., "duration_us": ..., "started_at": ...} and then, for each event,
{"seq": n, "seek": us, "own": us, "key": bool, "type": n or code, "event": <as stored>}. Prints the first difference, if any.
It shares no code and no method with the importer: whole files, Python's own JSON, regular expressions, decimals.
"""
import bz2, gzip, json, re, sys, zlib
from decimal import Decimal, ROUND_HALF_UP


def minified(text):
    return re.sub(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', lambda m: m.group(1) or "", text)


def us(number, scale):
    return int((Decimal(number) * scale).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def loads(text):
    return json.loads(text, parse_float=Decimal)


def seconds(t):
    whole, frac = divmod(t, 1000000)
    return str(whole) + (("." + "%06d" % frac).rstrip("0") if frac else "")


def first_end(text, start):
    """End of the first element of a minified array that begins at start."""
    return re.compile(r"[^,\]]*").match(text, start).end()


def cast_lines(text, version):
    head, events, at = None, [], 0
    for line in text.split("\n"):
        if not line.strip() or (head is not None and version == 3 and line.startswith("#")):
            continue
        if head is None:
            head = line
            continue
        flat = minified(line)
        value = loads(line)
        own = us(value[0], 1000000)
        if version == 3:
            at += own
            own = at
            flat = "[" + seconds(at) + flat[first_end(flat, 1):]
        events.append((own, value[1], flat))
    return minified(head), events


def cast_v1(text):
    whole = loads(text)
    head = {k: v for k, v in whole.items() if k != "stdout"}
    events, at = [], 0
    for entry in whole["stdout"]:
        at += us(entry[0], 1000000)
        events.append((at, "o", [Decimal(seconds(at)), "o"] + entry[1:]))
    return head, events


def rrweb_elements(text):
    """Raw texts of the elements."""
    decoder = json.JSONDecoder()
    flat = minified(text) if text.lstrip()[0] in "[{" and not re.match(r'\s*\{[^\n]*\}\s*\n\s*[{"]', text) else None
    if flat is not None and flat.startswith("["):
        at = 1
    elif flat is not None and re.search(r'"events":\[', flat) and "events" in loads(text):
        at = flat.index('"events":[') + 10
    elif flat is not None and '"snapshots":[' in flat:  # PostHog's answers
        at = flat.index('"snapshots":[') + 13
    else:
        return [minified(line) for line in text.split("\n") if line.strip()], {}
    out = []
    while flat[at] != "]":
        if flat[at] == ",":
            at += 1
        _, end = decoder.raw_decode(flat, at)
        out.append(flat[at:end])
        at = end
    head = {} if flat.startswith("[") or '"snapshots":[' in flat[:at] else {k: v for k, v in loads(text).items() if k != "events"}
    return out, head


def rrweb(text):
    raw, head = rrweb_elements(text)
    events, base, last = [], None, 0
    for r in raw:
        value = loads(r)
        if isinstance(value, str):
            r = minified(value if value.startswith("{") else zlib.decompress(value.encode("latin-1")).decode())
            value = loads(r)
        stamp = value.get("timestamp")
        if stamp is not None:
            stamp = us(stamp, 1000)
            base = stamp if base is None else base
            last = stamp - base
        events.append((last, value["type"], r))
    return head, events, (base or 0) // 1000


def rrweb_keys(types):
    keys = []
    for i, t in enumerate(types):
        nxt = types[i + 1] if i + 1 < len(types) else None
        prev = types[i - 1] if i > 0 else None
        keys.append((t == 4 and nxt == 2) or (t == 2 and prev != 4))
    return keys


def differ(what, want, got):
    sys.exit("%s: want %.300r, got %.300r" % (what, want, got))


def main():
    data = open(sys.argv[1], "rb").read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    text = data.decode()
    lines = open(sys.argv[2], encoding="utf-8", newline="\n").read().split("\n")[:-1]
    top, got = loads(lines[0]), lines[1:]
    started, exact_head = None, None
    if top["format"] == "asciicast-v1":
        head, events = cast_v1(text)
        started = int(Decimal(head.get("timestamp") or 0) * 1000)
    elif top["format"].startswith("asciicast"):
        exact_head, events = cast_lines(text, int(top["format"][-1]))
        head = loads(exact_head)
        started = int(Decimal(head.get("timestamp") or 0) * 1000)
    else:
        head, events, started = rrweb(text)
    if top["head"] != head:
        differ("head", head, top["head"])
    if exact_head is not None and '"head":' + exact_head not in lines[0]:
        differ("head text", exact_head, lines[0])
    if len(got) != len(events):
        differ("number of events", len(events), len(got))
    keys = rrweb_keys([e[1] for e in events]) if top["format"].startswith(("rrweb", "posthog", "sentry")) else [False] * len(events)
    seek = 0
    for n, (own, kind, stored) in enumerate(events):
        value = loads(got[n])
        seek = max(seek, own)
        if (value["seq"], value["seek"], value["own"], value["key"]) != (n, seek, own, keys[n]):
            differ("event %d: seq, seek, own, key" % n, (n, seek, own, keys[n]), [value[k] for k in ("seq", "seek", "own", "key")])
        if top["format"].startswith("asciicast") and kind not in ("o", "i", "m", "r", "x"):
            kind = 0
        if value["type"] != kind:
            differ("event %d: type" % n, kind, value["type"])
        if isinstance(stored, str):
            if not got[n].endswith('"event":' + stored + "}"):
                differ("event %d: text" % n, stored, got[n])
        elif value["event"] != stored:
            differ("event %d" % n, stored, value["event"])
    if top["duration_us"] != seek or top["started_at"] != started:
        differ("duration, start", (seek, started), (top["duration_us"], top["started_at"]))
    print(len(events), "events")


if __name__ == "__main__":
    main()


def alike(got, want):
    """Is this event, as it is stored, that of the file? Text may be masked (stars of the same width) and what is hostile in a page taken out;
    kind, time and order stay."""
    if isinstance(got, str):
        got = loads(got)
    if isinstance(want, str):
        want = loads(want)
    if got == want:
        return True
    if isinstance(want, list):  # a terminal's
        return isinstance(got, list) and len(got) == len(want) and got[:2] == want[:2] and isinstance(got[2], str) and \
            len(got[2]) == len(want[2]) and all(g == w or g == "*" for g, w in zip(got[2], want[2]))
    a, b = got.get("data"), want.get("data")
    return (got.get("type"), got.get("timestamp"), sorted(got)) == (want.get("type"), want.get("timestamp"), sorted(want)) and \
        isinstance(a, dict) == isinstance(b, dict) and (not isinstance(a, dict) or (a.get("source") == b.get("source") and set(a) <= set(b)))
