#!/usr/bin/env python3
"""keyhole play on a pseudo terminal: pacing, seeking, pausing, renewal, ends, and hostile recordings."""
import json
import os
import pathlib
import re
import signal
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import Server, Terminal, eq, has, main  # noqa: E402

S = Server()

LEAVE = b"\x1b[?1049l"


def cast(events, cols=80, rows=24):
    lines = [json.dumps({"version": 2, "width": cols, "height": rows})]
    return "\n".join(lines + [json.dumps(e) for e in events]) + "\n"


def ticks(seconds, every=0.5):
    return cast([[round(i * every, 3), "o", f"\r\ntick-{i * every:g} "] for i in range(int(seconds / every) + 1)])


def open_recording(text, seconds=600, **options):
    rid = S.import_text(text, **options)
    return rid, S.grant(rid, seconds)


def clean(t):
    """The alternate screen is left, nothing foreign was written, and last of all are only the words that say why."""
    at = t.bytes.rfind(LEAVE)
    if at < 0 or b"\x1b" in t.bytes[at + len(LEAVE):] or not t.screen.cursor:
        raise AssertionError(f"the terminal is not as it was: {t.bytes[-300:]!r}")
    eq(t.screen.foreign, [], "what reached the terminal")


def plays_and_quits():
    rid, _ = open_recording(ticks(30))
    t = Terminal(S, "play", rid)
    t.expect(r"tick-0\.5$")
    t.expect(r"playing 0:0\d / 0:30  1x  access ends in ")
    t.expect("tick-2$")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)
    if t.ever("tick-4$"):
        raise AssertionError("it ran ahead of its time")


def seeks():
    rid, _ = open_recording(ticks(100))
    t = Terminal(S, "play", rid)
    t.expect("tick-0$")
    t.send("5")
    t.expect("tick-50$")
    t.forget()
    t.send("\x1b[C")
    t.expect("tick-55$")
    t.send("\x1b[1;5D")
    t.expect("0:00 / 1:40|playing 0:0", 5)
    t.forget()
    t.send("9")
    t.expect("tick-90$")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def speed():
    rid, _ = open_recording(ticks(100))
    t = Terminal(S, "play", rid, "--speed", "4")
    t.expect("4x")
    began = time.monotonic()
    t.expect("tick-12$", 10)
    took = time.monotonic() - began
    if not 1.5 < took < 9:  # 3 s, and what a busy machine takes
        raise AssertionError(f"12 s at speed 4 took {took:.1f} s")
    t.send(">")
    t.expect("8x")
    t.send("<<")
    t.expect("2x")
    t.send("q")
    eq(t.exit(), 0)


def last_lease():
    leaves = S.run("audit", "tail", "--log", "default", "-n", "1000", "--json", token=S.admin).out.splitlines()
    return len([x for x in leaves if '"replay.leased"' in x])


def pause_fetches_nothing():
    rid, _ = open_recording(ticks(300))
    t = Terminal(S, "play", rid)
    t.expect("tick-1$")
    t.send(" ")
    t.expect("paused")
    where = re.search(r"paused (\d:\d\d) ", t.screen.text()).group(1)
    leased = last_lease()
    t.read(3)
    eq(re.search(r"paused (\d:\d\d) ", t.screen.text()).group(1), where, "place while paused")
    eq(last_lease(), leased, "leases while paused")
    t.forget()
    t.send(" ")
    t.expect("playing")
    t.expect("tick-4$", 6)
    eq(re.findall(r"tick-([\d.]+)$", t.screen.text(), re.M), [f"{i * 0.5:g}" for i in range(9)], "after a pause")
    t.send("q")
    eq(t.exit(), 0)


def seek_while_paused():
    rid, _ = open_recording(ticks(100))
    t = Terminal(S, "play", rid)
    t.expect("tick-0$")
    t.send(" ")
    t.expect("paused")
    t.send("5")
    t.expect("paused 0:50")
    t.expect("tick-50$")
    t.read(2)
    if t.ever("tick-51$"):
        raise AssertionError("it plays although it is paused")
    t.send("q")
    eq(t.exit(), 0)


def end_stays_and_restarts():
    rid, _ = open_recording(ticks(2))
    t = Terminal(S, "play", rid)
    t.expect("tick-2$")
    t.expect("end 0:02 / 0:02")
    t.forget()
    t.send(" ")
    t.expect("playing 0:00")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def window_ends():
    rid, _ = open_recording(ticks(300), seconds=6)
    t = Terminal(S, "play", rid)
    t.expect("tick-1$")
    eq(t.exit(12), 4)
    clean(t)
    has(t.screen.text(), "the window has ended")
    if S.run("play", rid, who="eng", check=False).code not in (3, 4):
        raise AssertionError("it plays afterwards")


def window_ends_while_paused():
    rid, _ = open_recording(ticks(300), seconds=6)
    t = Terminal(S, "play", rid)
    t.expect("tick-0$")
    t.send(" ")
    t.expect("paused")
    eq(t.exit(12), 4)
    clean(t)


def revoked():
    rid, g = open_recording(ticks(300))
    t = Terminal(S, "play", rid)
    t.expect("tick-1$")
    S.run("revoke", g, "--comment", "enough", who="app")
    eq(t.exit(5), 3)
    clean(t)


def no_idle():
    rid, _ = open_recording(cast([[0.1, "o", "before"], [90, "o", " after-90"], [91, "o", "."]]))
    t = Terminal(S, "play", rid, "--no-idle")
    t.expect("before")
    t.expect("after-90", 10)
    t.send("q")
    eq(t.exit(), 0)


def signals_restore():
    rid, _ = open_recording(ticks(300))
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT):
        t = Terminal(S, "play", rid)
        t.expect("tick-0$")
        os.kill(t.pid, sig)
        mode = None
        end = time.monotonic() + 5
        while time.monotonic() < end and LEAVE not in t.bytes:
            t.read(0.1)
        try:
            mode = termios.tcgetattr(t.fd)
        except termios.error:
            pass
        eq(t.exit(), -sig, f"after {sig}")
        clean(t)
        if mode is not None and not mode[3] & termios.ECHO:
            raise AssertionError(f"{sig}: the terminal does not echo any more")


def stop_and_continue():
    rid, _ = open_recording(ticks(300))
    t = Terminal(S, "play", rid)
    t.expect("tick-0$")
    t.forget()
    t.send("\x1a")
    t.expect("paused")  # nobody stops the leader of a session: it goes on at once
    if LEAVE not in t.bytes:
        raise AssertionError("the terminal was not given back")
    os.kill(t.pid, signal.SIGCONT)
    t.expect("paused")
    t.send(" ")
    t.expect("tick-2$")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def resize():
    rid, _ = open_recording(cast([[0.1, "o", "\x1b[20;1Hbottom"], [300, "o", "."]]))
    t = Terminal(S, "play", rid, cols=80, rows=30)
    t.expect("bottom")
    t.forget()
    t.size(40, 10)
    t.expect("^bottom")
    t.read(1)
    eq(t.screen.text().split("\n")[8].strip(), "bottom", "the smaller terminal follows the cursor")
    t.send("q")
    eq(t.exit(), 0)


HOSTILE = [
    "\x1b]0;title-attack\x07", "\x1b]52;c;aGVsbG8=\x07", "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\x1bP+q544e\x1b\\", "\x1b_apc-attack\x1b\\", "\x1b^pm\x1b\\", "\x1bX sos\x1b\\", "\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[21t",
    "\x1b[?1000h", "\x1b[?1003h", "\x1b[?2004h", "\x1b[?1004h", "\x1b[5i", "\x1b#8", "\x1bc", "\x1b[!p", "\x1b[?3h", "\u009b31m",
    "\u009d0;c1-title\u009c", "\x1b]1337;File=inline=1:AAAA\x07", "\x1bPq#0;2;0;0;0\x1b\\", "\x1b[9999999999B", "\x0e lqk \x0f",
    "\x1b[?1049h\x1b[?47h", "\u202eevil\u202c", "\x05", "\x07\x07\x07", "\x1b%G", "\x1b[20h", "\x1b=\x1b>", "\x1b[?69h\x1b[5;10s",
]


def hostile_recording():
    """Whatever is in it, what we write is cells: SGR, cursor positions, erasing, our own modes."""
    events = [[0.1 + i * 0.02, "o", h + f"<{i}>"] for i, h in enumerate(HOSTILE)] + [[3, "o", "\r\nsurvived"]]
    rid, _ = open_recording(cast(events), title="hostile \x1b]0;title\x07 title")
    t = Terminal(S, "play", rid)
    t.expect("survived")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def no_answers():
    """Nothing that a recording asks for is typed into our input."""
    rid, _ = open_recording(cast([[0.1, "o", "\x1b[6n\x1b[c\x1b]10;?\x07asked"], [60, "o", "."]]))
    t = Terminal(S, "play", rid)
    t.expect("asked")
    t.read(0.5)
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def plain_terminal():
    rid, _ = open_recording(cast([[0.1, "o", "first\r\n"], [5, "o", "\x1b[31msecond\x1b[0m \x1b]0;t\x07漢字\r\n"], [9, "o", "third"]]))
    eq(S.run("play", rid, who="eng").out, "first\nsecond 漢字\nthird\n")
    eq(S.run("play", rid, "--to", "6s", who="eng").out, "first\nsecond 漢字\n")
    eq(S.run("play", rid, "--to", "0:01", who="eng").out, "first\n")
    eq(S.run("play", rid, "--json", who="eng").json()["lines"], ["first", "second 漢字", "third"])


def rrweb_events():
    base = 1700000000000
    node = {"type": 0, "id": 1, "childNodes": [{"type": 2, "id": 2, "tagName": "button", "attributes": {}, "childNodes": [
        {"type": 3, "id": 3, "textContent": "Pay now"}]}]}
    return [
        {"type": 4, "data": {"href": "https://shop.example/\x1b[31mcart", "width": 800, "height": 600}, "timestamp": base},
        {"type": 2, "data": {"node": node, "initialOffset": {"top": 0, "left": 0}}, "timestamp": base + 5},
        {"type": 3, "data": {"source": 2, "type": 2, "id": 2, "x": 1, "y": 1}, "timestamp": base + 1500},
        {"type": 6, "data": {"plugin": "rrweb/console@1", "payload": {"level": "error", "trace": [], "payload": ['"total is NaN"']}},
         "timestamp": base + 2500},
        {"type": 5, "data": {"tag": "later", "payload": "x"}, "timestamp": base + 60000},
    ]


def timeline():
    rid, _ = open_recording(json.dumps(rrweb_events()), name="a.json")
    want = ["   0:00.0  page   https://shop.example/\\x1b[31mcart (800x600)", '   0:01.5  click  button "Pay now"',
            "   0:02.5  error  total is NaN", "   1:00.0  mark   later: x"]
    eq(S.run("play", rid, who="eng").out.splitlines(), want)
    eq(S.run("play", rid, "--from", "2s", "--to", "10s", who="eng").out.splitlines(), want[2:3])
    t = Terminal(S, "play", rid, "--no-idle")
    t.expect("Pay now")
    t.expect("total is NaN")
    t.expect("later: x", 10)
    t.send("[")  # to the moment before
    t.expect("0:02")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def ask_and_wait():
    rid = S.import_text(ticks(20))
    t = Terminal(S, "play", rid, "--ask", "--purpose", "debugging", "--reason", "a test that asks and waits", "--for", "60s")
    t.expect("waiting until somebody decides")
    q = S.run("requests", "--inbox", "--json", who="app").json()["items"][0]["id"]
    S.run("approve", q, who="app")
    t.expect("tick-1$", 10)
    t.send("q")
    eq(t.exit(), 0)
    rid = S.import_text(ticks(20))
    t = Terminal(S, "play", rid, "--ask", "--purpose", "debugging", "--reason", "a test that asks and waits")
    t.expect("waiting until somebody decides")
    q = S.run("requests", "--inbox", "--json", who="app").json()["items"][0]["id"]
    S.run("deny", q, "--comment", "no", who="app")
    eq(t.exit(), 3)


def server_restarts():
    rid, _ = open_recording(ticks(300))
    t = Terminal(S, "play", rid)
    t.expect("tick-1$")
    S.stop()
    t.expect("reconnecting", 10)
    S.start()
    t.expect("playing", 20)
    t.expect("tick-4$", 20)
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def roles(name):
    """Our server's processes of that role."""
    out = []
    for p in pathlib.Path("/proc").iterdir():
        try:
            if p.name.isdigit() and f"\nPPid:\t{S.process.pid}\n" in (p / "status").read_text():
                if (p / "cmdline").read_bytes().split(b"\0")[1:3] == [b"role", name.encode()]:
                    out.append(int(p.name))
        except OSError:
            pass
    return out


def roles_are_killed():
    rid, _ = open_recording(ticks(300))
    t = Terminal(S, "play", rid)
    t.expect("tick-0$")
    for n, name in enumerate(("gate", "keeper", "vault")):
        t.expect(f"tick-{n * 3 + 1}$", 20)
        pids = roles(name)
        eq(len(pids), 1, name)
        os.kill(pids[0], signal.SIGKILL)
        t.expect(f"tick-{n * 3 + 3}$", 20)
    on = re.findall(r"^tick-([\d.]+)$", t.screen.text(), re.M)
    eq(on, [f"{i * 0.5:g}" for i in range(len(on))], "nothing lost, nothing twice")
    t.send("q")
    eq(t.exit(), 0)
    clean(t)


def usage():
    rid = "r_" + "x" * 16
    for args in (["play"], ["play", "nonsense"], ["play", rid, "--speed", "17"], ["play", rid, "--from", "x"],
                 ["play", rid, "--from", "9s", "--to", "1s"], ["play", rid, "--frm", "1s"]):
        eq(S.run(*args, who="eng", check=False).code, 2, " ".join(args))
    eq(S.run("play", rid, who="eng", check=False).code, 3)


try:
    main(plays_and_quits, seeks, speed, pause_fetches_nothing, seek_while_paused, end_stays_and_restarts, window_ends,
         window_ends_while_paused, revoked, no_idle, signals_restore, stop_and_continue, resize,
         hostile_recording, no_answers, plain_terminal, timeline, ask_and_wait, usage, roles_are_killed, server_restarts)
finally:
    S.close()
