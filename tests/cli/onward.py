#!/usr/bin/env python3
"""Playing goes on: over renewals, a gate that dies, signing keys that roll, and windows that are followed by others."""
import json
import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import Server, Terminal, eq, has, main  # noqa: E402

S = Server(config="key { life = 30s  bearer_life = 20s }\n")
WHY = ["--purpose", "debugging", "--reason", "a test of the command line tool"]


def ticks(seconds, every=0.5):
    lines = [json.dumps({"version": 2, "width": 80, "height": 200})]
    return "\n".join(lines + [json.dumps([round(i * every, 3), "o", f"\r\ntick-{i * every:g} "])
                              for i in range(int(seconds / every) + 1)]) + "\n"


def watch(terminals, seconds, at=()):
    """Reads them all for that time; calls the functions of 'at' (second, function) on the way."""
    began, todo = time.monotonic(), sorted(at, key=lambda x: x[0])
    while time.monotonic() - began < seconds:
        while todo and time.monotonic() - began >= todo[0][0]:
            todo.pop(0)[1]()
        for t in terminals:
            t.read(0.05)


def told(t):
    """What it showed, in the order in which it came; every state has each line once and in order."""
    lines = []
    for state in t.seen:
        on = [float(x) for x in re.findall(r"^tick-([\d.]+)$", state, re.M)]
        eq(on, sorted(set(on)), "each once, in order")
        lines += [x for x in on if not lines or x > lines[-1]]
    return lines


def gate_dies():
    for p in pathlib.Path("/proc").iterdir():
        try:
            words = (p / "cmdline").read_bytes().split(b"\0")
            parent = int(re.search(r"^PPid:\s+(\d+)", (p / "status").read_text(), re.M).group(1))
        except (OSError, AttributeError):
            continue
        if parent == S.process.pid and words[1:3] == [b"role", b"gate"]:
            os.kill(int(p.name), signal.SIGKILL)


def rotate(*more):
    S.run("keys", "rotate", "--reason", "a test of what rolls", *more, token=S.admin)


def over_keys_and_rolls():
    rid = S.import_text(ticks(300).replace('"height": 200', '"height": 190'))
    g = S.grant(rid)
    pause = S.import_text("\n".join(json.dumps(x) for x in ({"version": 2, "width": 80, "height": 24}, [0.1, "o", "before"],
                                                            [46, "o", " after-46"])) + "\n")
    S.grant(pause)
    bound, loose = Terminal(S, "play", rid, rows=220), Terminal(S, "play", rid, "--bearer", rows=220)
    still = Terminal(S, "play", pause)
    bound.expect("tick-0$")
    loose.expect("tick-0$")
    still.expect("before")
    watch([bound, loose, still], 52, [(4, rotate), (9, gate_dies), (32, lambda: rotate("--emergency"))])
    for t in (bound, loose):
        lines = told(t)
        eq(lines, [i * 0.5 for i in range(len(lines))], "nothing is lost")
        if len(lines) < 86:
            raise AssertionError(f"{len(lines)} events in 52 s")
        t.send("q")
        eq(t.exit(), 0)
    still.expect("after-46$", 5) # a pause in the recording that is longer than a key lives
    still.send("q")
    eq(still.exit(), 0)
    keys = S.run("api", "GET", f"/v1/keys?limit=200&grant={g}", who="eng").json()["items"]
    if len({k["key_id"] for k in keys}) < 6:
        raise AssertionError(f"{len(keys)} keys: none was renewed")


try:
    main(over_keys_and_rolls)
finally:
    S.close()
