#!/usr/bin/env python3
"""keyhole rec and keyhole play --follow against a real server: followed as it happens, killed in the middle, complete afterwards."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import KEYHOLE, Server, Skip, Terminal, eq, free_ports, has, main  # noqa: E402

S = Server()
TOKEN = S.top / "ingest.token"
TOKEN.write_text(S.run("token", "add", "--ingest", "--project", "default", token=S.admin).last() + "\n")
LINES = "i=0; while [ $i -lt %d ]; do echo \"line-$i;\"; i=$((i+1)); sleep %s; done"


class Rec:
    """A shell on pipes that types into a recorded one: say() makes it write."""

    def __init__(self, *args, title="live test", server=S, command=("sh",)):
        env = server.env()
        env["XDG_STATE_HOME"] = str(server.top / "spools")
        env["PS1"] = ""
        self.process = subprocess.Popen([KEYHOLE, "rec", "--json", "--title", title, "--ingest-token-file", str(TOKEN), *args, "--", *command], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.title = title

    def say(self, text):
        self.process.stdin.write(f"echo '{text}'\n")
        self.process.stdin.flush()

    def rid(self, server=S):
        return wait_for(lambda: next((r["id"] for r in listed(server) if r["title"] == self.title), None))

    def end(self, seconds=60):
        self.process.stdin.write("exit 3\n")
        return self.wait(seconds)

    def wait(self, seconds=60):
        out, err = self.process.communicate(timeout=seconds)
        last = json.loads(out.splitlines()[-1])
        if self.process.returncode not in (0, 3):
            raise AssertionError(f"exit {self.process.returncode}: {err}")
        eq(last["state"], "complete", err)
        return last


def listed(server=S):
    return server.run("ls", "--json", token=server.admin).json()["items"]


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        v = what()
        if v:
            return v
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def exported(rid, server=S):
    q = server.run("request", rid, "--purpose", "debugging", "--reason", "a test of the command line tool", "--for", "600s", "--action", "export",
                   who="eng").last()
    server.run("approve", q, who="app")
    path = server.top / "out.cast"
    path.unlink(missing_ok=True)
    server.run("export", rid, "-o", str(path), who="eng")
    lines = [json.loads(x) for x in path.read_text().splitlines() if not x.startswith("[ ")]
    return lines[0], lines[1:]


def shown(events):
    return "".join(e[2] for e in events if e[1] == "o")


def recorded_and_complete():
    """Listed while it goes on, and exactly what was on the terminal afterwards."""
    r = Rec("--tag", "a=b", "--marker-key", "^]", "--size", "100x30", title="complete")
    rid = r.rid()
    item = next(x for x in listed() if x["id"] == rid)
    eq((item["live"], item["tags"], item["kind"]), (True, {"a": "b"}, "terminal"))
    has(S.run("ls", who="eng").out, "live")
    has(S.run("show", rid, who="eng").out, "it is being made now")
    r.say("one")
    r.say("zwei €")
    last = r.end()
    eq((last["id"], last["exit_status"], last["missing_events"]), (rid, 3, 0))
    item = next(x for x in listed() if x["id"] == rid)
    eq((item["live"], item["events"]), (False, last["events"]))
    head, events = exported(rid)
    eq((head["width"], head["height"], head["version"]), (100, 30, 2))
    eq(len(events), last["events"])
    eq(shown(events), "one\r\nzwei €\r\n")
    eq(events[-1][1:], ["x", "3"])


def followed():
    """Joined in the middle: the screen so far at once, then each line as it comes; back and live again; the end."""
    r = Rec(title="followed")
    rid = r.rid()
    r.say("before you came")
    S.grant(rid, action="play,live")
    t = Terminal(S, "play", rid, "--follow")
    t.expect("before you came")
    t.expect(r"^ LIVE \d:\d\d")
    for i in range(5):
        began = time.monotonic()
        r.say(f"now-{i}")
        t.expect(f"now-{i}$", 5)
        if time.monotonic() - began > 2:
            raise AssertionError(f"{time.monotonic() - began:.1f} s behind")
        time.sleep(0.3)
    t.send(" ")
    t.expect("paused")
    r.say("while paused")
    t.read(0.7)
    if "while paused" in t.screen.text():
        raise AssertionError("not paused")
    t.send(" ")
    t.expect("while paused")
    t.expect(r"^ LIVE ")
    t.forget()
    t.send("0")
    t.expect(r"playing 0:0\d / 0:\d\d  End: live")
    t.send("\x1b[F")
    t.expect(r"^ LIVE ")
    r.say("back again")
    t.expect("back again$")
    r.end()
    t.expect(r"^ end 0:")
    t.send("q")
    eq(t.exit(), 0)
    eq(t.screen.foreign, [])


def asked_and_approved():
    """--ask asks for following too, and goes on when somebody says yes."""
    r = Rec(title="asked")
    rid = r.rid()
    r.say("here")
    out = S.run("play", rid, "--follow", who="eng", check=False)
    eq(out.code, 3)
    has(out.err, "--action play,live")
    t = Terminal(S, "play", rid, "--follow", "--ask", "--purpose", "debugging", "--reason", "a test of the command line tool")
    q = wait_for(lambda: next((x["id"] for x in S.run("requests", "--json", who="app").json()["items"] if x["state"] == "PENDING"), None))
    S.run("approve", q, who="app")
    t.expect("here$")
    t.expect(r"^ LIVE ")
    g = S.run("grants", "--json", who="eng").json()["items"][0]["id"]
    S.run("revoke", g, "--comment", "enough", who="app")
    eq(t.exit(5), 3)
    has(t.screen.text(), "ended")
    r.say("nobody sees this")
    r.end()


def play_without_follow():
    """Access to play is none to follow; playing what goes on plays what is there and says how to follow."""
    r = Rec(title="played")
    rid = r.rid()
    r.say("so far")
    wait_for(lambda: next(x for x in listed() if x["id"] == rid)["live"])
    time.sleep(0.5)
    S.grant(rid, action="play")
    out = S.run("play", rid, who="eng")
    has(out.out, "so far")
    has(out.err, f"keyhole play {rid} --follow")
    eq(S.run("play", rid, "--follow", who="eng", check=False).code, 3)
    r.end()
    S.grant(rid, action="play,live")
    t = Terminal(S, "play", rid, "--follow")
    t.expect("so far$")
    t.expect("end 0:0")
    t.send("q")
    eq(t.exit(), 0)


def as_json():
    """For machines: each event once, in order, until the recording ends."""
    r = Rec(title="json", command=("sh", "-c", LINES % (100, "0.03")))
    rid = r.rid()
    S.grant(rid, action="play,live")
    p = subprocess.Popen([KEYHOLE, "play", rid, "--follow", "--json"], env=S.env("eng"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    r.wait()
    out, err = p.communicate(timeout=20)
    eq(p.returncode, 0, err)
    events = [json.loads(line) for line in out.splitlines()]
    first = events[0]["seq"]
    eq([e["seq"] for e in events], list(range(first, first + len(events))))
    lines = re.findall(r"line-(\d+);", "".join(e["event"][2] for e in events if e["event"][1] == "o"))
    eq(lines, [str(i) for i in range(int(lines[0]), 100)])


def input_without_echo():
    """A password at a prompt is nowhere in what the server has."""
    r = Rec("--input", title="secret", command=("bash", "-c", "read -s -p Secret: x; echo; echo got ${#x}; read y; exit 3"))
    r.rid()
    time.sleep(0.5)
    r.process.stdin.write("correct horse\n")
    r.process.stdin.flush()
    time.sleep(0.6)
    r.process.stdin.write("y\n")
    last = r.wait()
    _, events = exported(last["id"])
    has(shown(events), "got 13")
    if "horse" in json.dumps(events):
        raise AssertionError("the password is there")


def pid_of(role, server=S):
    """The process of a role of this server."""
    for p in pathlib.Path("/proc").iterdir():
        try:
            if p.name.isdigit() and (p / "cmdline").read_bytes().split(b"\0")[1:3] == [b"role", role.encode()] and \
                    int((p / "stat").read_text().rsplit(") ", 1)[1].split()[1]) == server.process.pid:
                return int(p.name)
        except (OSError, IndexError):
            pass
    return None


def server_killed():
    """kill -9 of the gate, then of the whole server, in the middle: each line once, in order, and a follower goes on."""
    r = Rec(title="killed", command=("sh", "-c", LINES % (400, "0.03")))
    rid = r.rid()
    S.grant(rid, action="play,live")
    t = Terminal(S, "play", rid, "--follow")
    t.expect(r"^ LIVE ")
    os.kill(wait_for(lambda: pid_of("gate")), signal.SIGKILL)
    time.sleep(2)
    t.expect(r"^ LIVE ", 20)
    roles = [pid_of(x) for x in ("gate", "keeper", "vault")]
    S.process.kill()
    S.process.wait()
    for pid in roles:  # they end by themselves; the next server waits for that
        wait_for(lambda p=pid: not os.path.exists(f"/proc/{p}"))
    time.sleep(1)
    S.start()
    last = r.wait()
    eq(last["id"], rid)
    t.expect(r"line-399;$|^ end", 30)
    t.send("q")
    t.exit()
    _, events = exported(rid)
    lines = re.findall(r"line-(\d+);|\*{5,};?", shown(events))  # stars: a line that was half there when the gate died (docs/masking.md)
    eq([x or str(i) for i, x in enumerate(lines)], [str(i) for i in range(400)])
    assert lines.count("") <= 2, lines
    eq(len(events), last["events"])


def spooled_then_sent():
    """The server stays away until the end, and --send-spool completes the recording; a second time there is nothing."""
    r = Rec(title="spooled", command=("sh", "-c", LINES % (100, "0.03")))
    rid = r.rid()
    time.sleep(0.5)
    S.stop()
    out, err = r.process.communicate(timeout=30)
    eq(json.loads(out.splitlines()[-1])["state"], "spooled", err)
    S.start()
    more = {"XDG_STATE_HOME": str(S.top / "spools")}
    has(S.run("rec", "--send-spool", "--ingest-token-file", str(TOKEN), env=more).out, f"sent {rid}")
    eq(S.run("rec", "--send-spool", "--ingest-token-file", str(TOKEN), env=more).out, "")
    _, events = exported(rid)
    eq(re.findall(r"line-(\d+);", shown(events)), [str(i) for i in range(100)])
    eq(events[-1][1:], ["x", "0"])
    eq(next(x for x in listed() if x["id"] == rid)["live"], False)


def recorder_killed():
    """kill -9 of the recorder: --send-spool ends the recording with what there was."""
    r = Rec(title="recorder killed", command=("sh", "-c", LINES % (1000, "0.02")))
    rid = r.rid()
    time.sleep(1)
    r.process.kill()
    r.process.communicate()
    S.run("rec", "--send-spool", "--ingest-token-file", str(TOKEN), env={"XDG_STATE_HOME": str(S.top / "spools")})
    eq(next(x for x in listed() if x["id"] == rid)["live"], False)
    lines = re.findall(r"line-(\d+);", shown(exported(rid)[1]))
    eq(lines, [str(i) for i in range(len(lines))])
    if len(lines) < 10:
        raise AssertionError(f"{len(lines)} lines")


def under_a_sign_in():
    """An administrator needs no token: one is made, and is revoked at the end."""
    r = S.run("rec", "--json", "--", "sh", "-c", "echo hi", token=S.admin)
    eq(json.loads(r.out.splitlines()[-1])["state"], "complete")
    tokens = [k for k in S.run("token", "list", "--kind", "ingest", "--json", token=S.admin).json()["items"] if k.get("name") == "keyhole rec"]
    if any(k["state"] not in ("revoked", "ended", "disabled") for k in tokens):
        raise AssertionError(tokens)
    eq(S.run("rec", "--", "true", who="eng", check=False).code, 3)


def call(method, path, body, **headers):
    r = urllib.request.Request(S.url + path, data=body, method=method,
                               headers={"Authorization": "Bearer " + TOKEN.read_text().strip(), "Content-Type": "application/json", **headers})
    with urllib.request.urlopen(r) as answer:
        return json.loads(answer.read())


def browser():
    """A browser's recording, followed from before its first event: times count from that one, lines come as they happen."""
    rid = call("POST", "/v1/recordings", json.dumps({"kind": "rrweb", "title": "page"}).encode())["id"]
    S.grant(rid, action="play,live")
    p = subprocess.Popen([KEYHOLE, "play", rid, "--follow"], env=S.env("eng"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    j = subprocess.Popen([KEYHOLE, "play", rid, "--follow", "--json"], env=S.env("eng"), stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    t0 = 1790000000000
    events = [{"type": 4, "data": {"href": "https://shop.example/cart", "width": 800, "height": 600}, "timestamp": t0},
              {"type": 2, "data": {"node": {"type": 0, "childNodes": [], "id": 1}, "initialOffset": {"left": 0, "top": 0}}, "timestamp": t0 + 10},
              {"type": 4, "data": {"href": "https://shop.example/paid", "width": 800, "height": 600}, "timestamp": t0 + 2500}]
    call("POST", f"/v1/recordings/{rid}/events", json.dumps(events[:2]).encode(), **{"Batch-Seq": "0"})
    has(p.stdout.readline(), "shop.example/cart")
    call("POST", f"/v1/recordings/{rid}/events", json.dumps(events[2:]).encode(), **{"Batch-Seq": "1"})
    line = p.stdout.readline()
    has(line, "shop.example/paid")
    has(line, "0:02")
    call("POST", f"/v1/recordings/{rid}/end", b"{}")
    eq((p.wait(20), j.wait(20)), (0, 0), p.stderr.read())
    got = [json.loads(x) for x in j.stdout]
    eq([(e["seq"], e["at_ms"]) for e in got], [(0, 0), (1, 10), (2, 2500)])
    eq([e["event"] for e in got], events)


def fresh_keys():
    """Longer than two keys live: each event once, in order, on a terminal and as JSON."""
    if not os.environ.get("KEYHOLE_LONG"):
        raise Skip("takes 140 s: KEYHOLE_LONG=1")
    r = Rec(title="long", command=("sh", "-c", LINES % (1300, "0.1")))
    rid = r.rid()
    S.grant(rid, action="play,live")
    p = subprocess.Popen([KEYHOLE, "play", rid, "--follow", "--json"], env=S.env("eng"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    t = Terminal(S, "play", rid, "--follow", cols=80, rows=60)
    t.expect("line-1290;", 200)
    r.wait()
    out, err = p.communicate(timeout=30)
    eq(p.returncode, 0, err)
    events = [json.loads(line) for line in out.splitlines()]
    eq([e["seq"] for e in events], list(range(events[0]["seq"], events[0]["seq"] + len(events))))
    seen, last = [], -1
    for state in t.seen:
        on = [int(x) for x in re.findall(r"^line-(\d+);$", state, re.M)]
        eq(on, list(range(on[0], on[0] + len(on))) if on else [], "each once, in order")
        seen += [x for x in on if x > last]
        last = max([last, *on])
    eq(seen, list(range(seen[0], seen[0] + len(seen))), "none left out")
    if any(re.search("reconnecting", s) for s in t.seen):
        raise AssertionError("a fresh key was seen")
    t.send("q")
    t.exit()


def demo():
    """The demo has one that is being made; it is complete when the demo ends, and the next run makes another one."""
    top = S.top / "demo"
    port = free_ports(1)[0]
    ids = []
    for _ in range(2):
        p = subprocess.Popen([KEYHOLE, "demo", "--dir", str(top), "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in p.stdout:
            if "Ctrl-C ends it" in line:
                break
        env = {**os.environ, "KEYHOLE_URL": f"http://localhost:{port}", "KEYHOLE_TOKEN": (top / "admin.token").read_text().strip(),
               "KEYHOLE_CONFIG_DIR": "/nonexistent"}
        get = lambda: json.loads(subprocess.run([KEYHOLE, "ls", "--json"], env=env, capture_output=True, text=True, check=True).stdout)["items"]
        live = wait_for(lambda: [x for x in get() if x["live"] and x["events"] > 1 or x["live"] and not x["events"]])
        eq(len(live), 1)
        eq([x["live"] for x in get() if x["id"] in ids], [False] * len(ids))
        ids.append(live[0]["id"])
        time.sleep(2)
        began = time.monotonic()
        p.terminate()
        eq(p.wait(20), 0)
        if time.monotonic() - began > 8:
            raise AssertionError(f"the demo took {time.monotonic() - began:.1f} s to end")
        eq(list((top / "spool").glob("*.spool")), [], "all was sent")
    eq(len(set(ids)), 2)


def either_way():
    """Over TLS, where HTTP/2 is agreed on, and over HTTP/1.1: recorded by one, followed by the other."""
    server = Server(tls=True)
    try:
        token = server.top / "ingest.token"
        token.write_text(server.run("token", "add", "--ingest", "--project", "default", token=server.admin).last())
        for recorder, viewer in (("2", "1.1"), ("1.1", "2")):
            env = {**server.env(), "XDG_STATE_HOME": str(server.top / "spools"), "KEYHOLE_HTTP": recorder, "PS1": ""}
            p = subprocess.Popen([KEYHOLE, "rec", "--json", "--title", recorder, "--ingest-token-file", str(token), "--", "sh"], env=env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            rid = wait_for(lambda: next((r["id"] for r in listed(server) if r["title"] == recorder), None))
            server.grant(rid, action="play,live")
            t = Terminal(server, "play", rid, "--follow", http=viewer)
            t.expect(r"^ LIVE ")
            p.stdin.write("echo over the way\n")
            p.stdin.flush()
            t.expect("over the way$", 5)
            p.stdin.write("exit\n")
            eq(json.loads(p.communicate(timeout=30)[0].splitlines()[-1])["state"], "complete")
            t.expect(r"^ end 0:")
            t.send("q")
            eq(t.exit(), 0)
    finally:
        server.close()


try:
    main(recorded_and_complete, followed, asked_and_approved, play_without_follow, as_json, input_without_echo, server_killed, spooled_then_sent,
         recorder_killed, under_a_sign_in, browser, fresh_keys, demo, either_way)
finally:
    S.close()
