#!/usr/bin/env python3
"""The hostile recordings of tests/hostile/terminal.py, each played by keyhole play on a pseudo terminal: what is written is what we may write."""
import concurrent.futures
import os
import pathlib
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "hostile"))
from _keyhole import Screen, Server, Terminal, eq, has, main  # noqa: E402
from terminal import cast, recordings  # noqa: E402

S = Server()
PLAYED = {}


def stored():
    folder = S.top / "hostile"
    folder.mkdir()
    for r in recordings():
        (folder / f"{r['n']:03}.cast").write_text(cast(r))
    out = S.run("import", str(folder), "--project", "default", token=S.admin, timeout=120).out
    for name, rid in re.findall(r"/(\d+)\.cast: .* (r_[A-Za-z0-9_-]{16})$", out, re.M):
        PLAYED[int(name)] = rid
    eq(len(PLAYED), len(recordings()))
    if len(PLAYED) < 100:
        raise AssertionError("fewer than a hundred")
    rids = [PLAYED[n] for n in sorted(PLAYED)]
    for i in range(0, len(rids), 100):
        q = S.run("request", *rids[i:i + 100], "--purpose", "debugging", "--reason", "a test of the command line tool", "--for", "600s",
                  "--action", "play", who="eng").last()
        S.run("approve", q, who="app")


def play(r):
    """What is wrong with playing it, or None."""
    t = Terminal(S, "play", PLAYED[r["n"]], "--speed", "16")
    lives = t.read(30, rf"alive-{r['n']}\b")
    wrong = None if lives else "it does not come to its end:\n" + t.screen.text()
    os.write(t.fd, b"q")
    code = t.exit(20)
    if code != 0:
        wrong = wrong or f"exit {code}"
    if t.screen.foreign:
        wrong = wrong or f"reached the terminal: {t.screen.foreign[:5]!r}"
    if r["secret"] is not None and r["secret"].encode() in t.bytes:
        wrong = wrong or "what must reach nobody is in the bytes"
    control = re.search(rb"[\x00-\x07\x0b\x0c\x10-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]", t.bytes)
    if control:
        wrong = wrong or f"a control byte: {t.bytes[max(0, control.start() - 20):control.end()]!r}"
    return wrong


def control():
    """Written as they are, nearly all of them would reach the terminal: the screen that judges sees it."""
    caught = 0
    for r in recordings():
        screen = Screen(80, 24)
        screen.feed("".join(e[2] for e in r["events"][:-1] if e[1] == "o")[:20000])
        caught += bool(screen.foreign or screen.rest)
    if caught < 160:
        raise AssertionError(f"only {caught} of {len(recordings())}")


def on_a_terminal():
    bad = []
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for r, wrong in zip(recordings(), pool.map(play, recordings())):
            if wrong:
                bad.append(f"{r['n']} {r['name']}: {wrong}")
    print(f"{len(recordings())} hostile recordings played on a terminal, {len(bad)} wrong")
    eq(bad, [])


def as_text():
    """The last screen as text holds no control at all."""
    for r in recordings()[::7]:
        out = S.run("play", PLAYED[r["n"]], who="eng").out
        has(out, f"alive-{r['n']}")
        if re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", out):
            raise AssertionError(f"{r['name']}: {out!r}")


def raw():
    """As recorded only by --raw, only under `export`, and on a terminal only after a warning and a yes."""
    r = next(r for r in recordings() if r["name"] == "OSC 52 set, BEL")
    rid = PLAYED[r["n"]]
    no = S.run("play", rid, "--raw", who="eng", check=False)
    eq((no.code, no.out), (3, ""), "without export there is nothing")
    S.grant(rid, action="export")
    out = S.run("play", rid, "--raw", who="eng").out
    want = "".join(e[2] for e in r["events"] if e[1] == "o")
    has(out.replace("\r\n", "\n"), want.replace("\r\n", "\n"))
    t = Terminal(S, "play", rid, "--raw")
    t.expect("Show it raw")
    if r["secret"].encode() in t.bytes:
        raise AssertionError("before the answer")
    t.send("n\n")
    eq(t.exit(), 1)
    t = Terminal(S, "play", rid, "--raw", "--yes")
    eq(t.exit(20), 0)
    if r["secret"].encode() not in t.bytes or not t.bytes.rstrip().endswith(b"\x1b[0m"):
        raise AssertionError(f"not raw, or not put back: {t.bytes[-300:]!r}")


try:
    main(control, stored, on_a_terminal, as_text, raw)
finally:
    S.close()
