#!/usr/bin/env python3
"""keyhole rec on real pseudo terminals, against a stand-in for the ingest routes that can be away, cut, gap and restart."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.dirname(__file__))
from _ingest import Ingest, text  # noqa: E402
from _keyhole import KEYHOLE, Skip, eq, has, main  # noqa: E402

TOP = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-rec-"))
SPOOL = TOP / "state" / "keyhole" / "spool"


def env(server, **more):
    e = {k: v for k, v in os.environ.items() if not k.startswith("KEYHOLE_") and k != "SSH_ORIGINAL_COMMAND"}
    e.update(KEYHOLE_URL=server.url, KEYHOLE_TOKEN=server.TOKEN, KEYHOLE_CONFIG_DIR="/nonexistent", XDG_STATE_HOME=str(TOP / "state"),
             TERM="xterm", LANG="C.UTF-8", PS1="$ ", SHELL="/bin/bash", HOME=str(TOP))
    e.update(more)
    return e


def run(server, *args, stdin=None, timeout=30, **more):
    return subprocess.run([KEYHOLE, "rec", *args], env=env(server, **more), capture_output=True, text=True, errors="replace", timeout=timeout,
                          input=stdin, stdin=subprocess.DEVNULL if stdin is None else None)


class Tty:
    """keyhole rec on a terminal of its own, as somebody sees it."""

    def __init__(self, server, *args, cols=80, rows=24, argv0="keyhole", rec=True, **more):
        e = env(server, **more)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.closerange(3, 64)
            os.execve(KEYHOLE, [argv0, "rec", *args] if rec else [argv0, *args], e)
        self.out = ""
        self.status = None

    def read(self, seconds, until=None, seen=None):
        end = time.monotonic() + seconds
        start = len(self.out) if seen is None else seen
        while until is None or not re.search(until, self.out[start:]):
            left = end - time.monotonic()
            if left <= 0:
                return until is None
            if select.select([self.master], [], [], min(left, 0.05))[0]:
                try:
                    self.out += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    return until is None
        return True

    def expect(self, pattern, seconds=15, seen=None):
        if not self.read(seconds, pattern, seen):
            raise AssertionError(f"{pattern!r} did not come: {self.out[-2000:]!r}")

    def send(self, keys):
        os.write(self.master, keys if isinstance(keys, bytes) else keys.encode())

    def exit(self, seconds=20):
        end = time.monotonic() + seconds
        while self.status is None and time.monotonic() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise AssertionError(f"does not end: {self.out[-2000:]!r}")
        self.read(0.1)
        return self.status

    def as_before(self):
        eq(termios.tcgetattr(self.slave), self.before, "the terminal's mode")

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def spools():
    return sorted(p.name for p in SPOOL.glob("*.spool")) if SPOOL.exists() else []


def wait_for(what, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        v = what()
        if v:
            return v
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def plain():
    """Without a terminal: exit code, what the server is told, order of calls, nothing left behind."""
    s = Ingest()
    r = run(s, "--json", "--title", "Übung", "--subject", "oncall-2", "--tag", "a=b", "--tag", "flag", "--link", "ticket:OPS-1", "--env", "prod",
            "--class", "high", "--session", "s1", "--", "sh", "-c", "stty size; printf 'a\\n'; exit 3")
    eq(r.returncode, 3, "exit code")
    last = json.loads(r.stdout.splitlines()[-1])
    eq({k: last[k] for k in ("state", "events", "exit_status", "missing_events", "parts")},
       {"state": "complete", "events": len(s.only()["events"]), "exit_status": 3, "missing_events": 0, "parts": 1})
    c = s.only()["create"]
    eq({k: c[k] for k in c if k not in ("head", "started_at")},
       {"kind": "terminal", "title": "Übung", "subject": "oncall-2", "session": "s1", "env": "prod", "class": "high", "tags": {"a": "b", "flag": ""},
        "links": [{"type": "ticket", "id": "OPS-1"}]})
    eq((c["head"]["version"], c["head"]["width"], c["head"]["height"], c["head"]["env"]["TERM"]), (2, 80, 24, "xterm"))
    has(c["head"]["command"], "sh -c stty size")
    eq(text(s.only()), "24 80\r\na\r\n")
    eq(s.only()["events"][-1][1:], ["x", "3"])
    eq(sorted(e[0] for e in s.only()["events"]), [e[0] for e in s.only()["events"]], "times")
    if not 0 <= s.only()["events"][0][0] < 5:
        raise AssertionError(f"begins at {s.only()['events'][0][0]}")
    eq([x["route"] for x in s.calls][0], "recordings")
    eq([x["route"] for x in s.calls][-1], "end")
    eq([int(x["seq"]) for x in s.calls if x["route"] == "events"], list(range(s.only()["batches"])), "batches")
    eq(spools(), [], "spools")
    eq((os.stat(SPOOL).st_mode & 0o777, os.stat(SPOOL / "spool.key").st_mode & 0o777), (0o700, 0o600))
    eq(r.stdout.splitlines()[0], "24 80", "what the command wrote")


def codes():
    s = Ingest()
    for command, code in [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]:
        eq(run(s, "--quiet", "--", "sh", "-c", command).returncode, code, command)
    eq([r["events"][-1][2] for r in s.recordings.values()], ["0", "7", "137", "143"])
    before = len(s.recordings)
    r = run(s, "--", "no-such-command-here")
    eq((r.returncode, len(s.recordings)), (127, before))
    eq(run(s, "--quiet", "--", "true").stderr, "")
    eq(run(s, "--size", "0x3").returncode, 2)
    eq(run(s, "--marker-key", "X").returncode, 2)
    eq(run(s, "--spool-max", "1").returncode, 2)
    eq(run(s, "--size", "100x30", "--", "stty", "size").stdout, "30 100\n")


def refused_start():
    """A token that is not taken: nothing is run, nothing is left."""
    s = Ingest()
    r = run(s, "--", "sh", "-c", f"touch {TOP}/ran", KEYHOLE_TOKEN="kit_wrong")
    eq(r.returncode, 3)
    has(r.stderr, "unauthorized")
    eq((os.path.exists(TOP / "ran"), len(s.recordings), spools()), (False, 0, []))


def nothing_of_ours():
    """The command gets no descriptor of ours, and of the server's words only an id that is one."""
    s = Ingest()
    r = run(s, "--quiet", "--", "sh", "-c", "ls /proc/self/fd")
    eq(r.stdout.split(), ["0", "1", "2", "3"])  # 3: the directory
    keep, out = os.open("/dev/null", os.O_RDONLY), ""
    os.set_inheritable(keep, True)
    try:  # what the user hands over stays the command's
        out = subprocess.run([KEYHOLE, "rec", "--quiet", "--", "sh", "-c", f"readlink /proc/self/fd/{keep}"], env=env(s), capture_output=True,
                             text=True, timeout=30, stdin=subprocess.DEVNULL, pass_fds=[keep]).stdout
    finally:
        os.close(keep)
    eq(out.strip(), "/dev/null")
    s.create = lambda key, value: (201, {"id": "r\x1b]0;title\x07", "project": s.projects[0], "next_batch": 0})
    r = run(s, "--quiet", "--", "sh", "-c", "echo ran >&2; env | grep KEYHOLE_RECORDING", timeout=60)
    eq("\x1b" in r.stdout + r.stderr, False)
    eq("KEYHOLE_RECORDING=" in r.stdout, False)


def under_a_sign_in():
    """Without an ingest token: one is made for the only project, and revoked at the end; with several, --project says which."""
    s = Ingest()
    eq(run(s, "--quiet", "--", "true", KEYHOLE_TOKEN="kst_somebody").returncode, 0)
    eq((s.asked["kind"], s.asked["project"]), ("ingest", s.projects[0]))
    eq([c["route"] for c in s.calls], ["tokens", "recordings", "events", "end", "revoke"])
    s.projects.append("p_" + "1" * 16)
    r = run(s, "--quiet", "--", "true", KEYHOLE_TOKEN="kst_somebody")
    eq(r.returncode, 2)
    has(r.stderr, "say --project P")
    eq(run(s, "--quiet", "-p", "shop", "--", "true", KEYHOLE_TOKEN="kst_somebody").returncode, 0)
    eq(s.asked["project"], "shop")


def terminal():
    """A shell on a terminal: keys, sizes, a marker, and everything as it was afterwards."""
    s = Ingest()
    t = Tty(s, "--marker-key", "^]", "--", "bash", "--norc", "--noprofile", cols=90, rows=30)
    t.expect(r"\$ ")
    t.send("echo he''llo; stty size\r")
    t.expect("hello\r\n30 90")
    fcntl.ioctl(t.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
    os.kill(t.pid, signal.SIGWINCH)
    t.send("sleep 0.3; stty size\r")
    t.expect("20 70")
    t.send(b"\x1d")
    t.send("true; echo ma''rked\r")
    t.expect("marked")
    t.send("exit 5\r")
    eq(t.exit(), 5)
    t.as_before()
    has(t.out, "keyhole request r_")
    e = s.only()["events"]
    eq((s.only()["create"]["head"]["width"], s.only()["create"]["head"]["height"]), (90, 30))
    eq([x[2] for x in e if x[1] == "r"], ["70x20"])
    eq([x[2] for x in e if x[1] == "m"], [""])
    eq([x for x in e if x[1] == "i"], [], "input is off")
    shown = t.out[t.out.index("$ "):t.out.rindex("exit\r\n") + 6]
    has(text(s.only()), shown)
    if "\x1d" in text(s.only()):
        raise AssertionError("the marker's key was passed on")
    t.close()


PASSWORD = "correct horse battery"


def passwords():
    """Typed without echo: neither in the input nor in the output, whoever asks."""
    s = Ingest()
    ask = TOP / "ask"
    ask.write_text("#!/usr/bin/env python3\nimport getpass\nprint('GOT', len(getpass.getpass('[sudo] password for me: ')))\n")
    ask.chmod(0o755)
    t = Tty(s, "--input", "--", "dash")
    t.expect(r"\$ ")
    t.send("bash -c 'read -s -p Secret: x; echo; echo got ${#x}'")
    t.read(0.6)
    t.send("\r")
    t.expect("Secret:\\s*$")
    t.send(PASSWORD + "\r")
    t.expect(f"got {len(PASSWORD)}")
    t.send(f"{ask}\r")
    t.expect("password for me: $")
    t.send(PASSWORD + "\r")
    t.expect(f"GOT {len(PASSWORD)}")
    t.read(0.5)
    t.send("echo visible\r")
    t.expect("visible\r\nvisible")
    t.read(0.6)
    t.send("exit\r")
    eq(t.exit(), 0)
    t.as_before()
    everything = json.dumps(s.recordings)
    for part in (PASSWORD, "horse", "battery"):
        if part in everything:
            raise AssertionError("the password was recorded")
    has(text(s.only(), "i"), "echo visible\r")
    has(text(s.only(), "i"), "bash -c 'read")
    t.close()


def password_right_behind():
    """The password is typed before our next look, the moment the prompt is there: held back keys are dropped, too."""
    s = Ingest()
    t = Tty(s, "--input", "--", "dash")
    t.expect(r"\$ ")
    t.read(0.4)
    t.send("bash -c 'stty -echo; sleep 0.5; read x; stty echo; echo got ${#x}'\r")
    t.read(0.15)  # echo is off by now, no prompt says so
    t.send(PASSWORD + "\r")
    t.expect(f"got {len(PASSWORD)}")
    t.send("exit\r")
    eq(t.exit(), 0)
    if "horse" in json.dumps(s.recordings):
        raise AssertionError("the password was recorded")
    t.close()


def bytes_and_characters():
    """Characters split over writes come whole; what is no UTF-8 is U+FFFD; NUL and escapes pass."""
    s = Ingest()
    code = ("import os,time\nfor b in (b'\\xe2', b'\\x82', b'\\xac', b' \\xff\\xc3(', b'\\xf0\\x9f\\x98', b'\\x80', b'\\x00\\x1b[1mx', b'\\xe2\\x82'):\n"
            "    os.write(1, b); time.sleep(0.08)\n")
    eq(run(s, "--quiet", "--", sys.executable, "-c", code).returncode, 0)
    eq(text(s.only()), "€ �" + "�(😀\x00\x1b[1mx�")


def burst():
    """Much at once: all of it, in order, in batches of a limited size; the user sees all of it, too."""
    s = Ingest()
    r = run(s, "--quiet", "--", "seq", "1", "300000", timeout=60)
    want = "".join(f"{i}\r\n" for i in range(1, 300001))
    eq(r.stdout == want.replace("\r\n", "\n"), True, "what the user saw")
    eq(text(s.only()) == want, True, "what was recorded")


def prompt_quick():
    """An echo is with the server within a moment, not at the end of some interval."""
    s = Ingest()
    t = Tty(s, "--", "cat")
    wait_for(lambda: s.recordings)
    t.read(0.3)
    began = time.monotonic()
    t.send("x")
    wait_for(lambda: "x" in text(s.only()), 2)
    took = time.monotonic() - began
    t.send("\r\x04")
    eq(t.exit(), 0)
    if took > 0.5:
        raise AssertionError(f"{took * 1000:.0f} ms")
    t.close()


def lets_go_of_its_terminal():
    """A command that closes its terminal before it exits (cat does) is not hung up by that, and may open it again."""
    s = Ingest()
    t = Tty(s, "--", "sh", "-c", "echo before; exec </dev/null >/dev/null 2>&1; sleep 0.5; echo after >/dev/tty; sleep 0.3; exit 7")
    eq(t.exit(), 7)
    t.close()
    has(text(s.only()), "before")
    has(text(s.only()), "after")


def once_in_order(recording, n):
    eq(re.findall(r"line-(\d+);", text(recording)), [str(i) for i in range(n)], "lines")


LINES = "i=0; while [ $i -lt %d ]; do echo \"line-$i;\"; i=$((i+1)); sleep 0.01; done"


def away_and_back():
    """The server goes in the middle, for a while, and comes back: each line once, in order; the command did not notice."""
    s = Ingest()
    p = subprocess.Popen([KEYHOLE, "rec", "--json", "--", "sh", "-c", LINES % 300], env=env(s), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         stdin=subprocess.DEVNULL)
    wait_for(lambda: s.recordings and s.only()["batches"] > 5)
    s.stop()
    time.sleep(1)
    has_files = spools()
    s.start(s.port)
    out, _ = p.communicate(timeout=30)
    eq(p.returncode, 0)
    eq(json.loads(out.splitlines()[-1])["state"], "complete")
    once_in_order(s.only(), 300)
    eq((len(has_files), spools()), (1, []))


def answers_lost():
    """Batches arrive and their answers do not; others are refused for a moment; nothing is there twice."""
    s = Ingest()
    seen = {}

    def mood(call):
        if call["route"] == "events":
            n = seen[call["seq"]] = seen.get(call["seq"], 0) + 1
            if n == 1 and int(call["seq"]) % 3 == 1:
                return "cut"
            if n == 1 and int(call["seq"]) % 3 == 2:
                return (503, "ingest-space")
        if call["route"] == "end":
            n = seen["end"] = seen.get("end", 0) + 1
            if n == 1:
                return "cut"
        return None

    s.mood = mood
    r = run(s, "--json", "--", "sh", "-c", LINES % 200, timeout=60)
    eq(json.loads(r.stdout.splitlines()[-1])["state"], "complete")
    once_in_order(s.only(), 200)


def start_without_server():
    """Away from the start: the command runs at once; when the server comes, all of it is there."""
    s = Ingest()
    s.stop()
    began = time.monotonic()
    t = Tty(s, "--", "sh", "-c", f"echo begun; {LINES % 100}; sleep 3")
    t.expect("begun")
    if time.monotonic() - began > 2.5:
        raise AssertionError("the command waited for a server that is away")
    time.sleep(1)
    s.start(s.port)
    eq(t.exit(), 0)
    once_in_order(s.only(), 100)
    eq(spools(), [])
    t.close()


def plaintext_nowhere():
    found = subprocess.run(["grep", "-rlE", "line-|begun", str(TOP)], capture_output=True, text=True).stdout
    eq(found, "", "plaintext on disk")


def left_and_sent():
    """The server stays away: exit code and time as without it, the spool stays, --send-spool sends it and ends it."""
    s = Ingest()
    p = subprocess.Popen([KEYHOLE, "rec", "--json", "--", "sh", "-c", (LINES % 150) + "; exit 9"], env=env(s), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    wait_for(lambda: s.recordings and s.only()["batches"] > 3)
    s.stop()
    out, err = p.communicate(timeout=30)
    eq(p.returncode, 9)
    last = json.loads(out.splitlines()[-1])
    eq((last["state"], [last["spool"]]), ("spooled", spools()))
    plaintext_nowhere()
    eq(run(s, "--send-spool").returncode, 1, "while it is away")
    s.start(s.port)
    r = run(s, "--send-spool")
    eq(r.returncode, 0, r.stderr)
    has(r.stdout, "sent r_")
    once_in_order(s.only(), 150)
    eq((s.only()["events"][-1][1:], s.only()["ended"], spools()), (["x", "9"], True, []))
    eq(run(s, "--send-spool").returncode, 0, "nothing left")


def killed_recorder():
    """kill -9 of the recorder while the server is away: what it had written until then is sent later, each once."""
    s = Ingest()
    p = subprocess.Popen([KEYHOLE, "rec", "--", "sh", "-c", LINES % 100000], env=env(s), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         stdin=subprocess.DEVNULL)
    wait_for(lambda: s.recordings and s.only()["batches"] > 3)
    eq(run(s, "--send-spool", "--json").stdout, "", "a running recorder's spool is left alone")
    s.stop()
    time.sleep(1)
    p.kill()
    p.wait()
    eq(len(spools()), 1)
    plaintext_nowhere()
    s.start(s.port)
    r = run(s, "--send-spool")
    eq(r.returncode, 0, r.stderr)
    lines = re.findall(r"line-(\d+);", text(s.only()))
    eq(lines, [str(i) for i in range(len(lines))])
    if len(lines) < 60:
        raise AssertionError(f"only {len(lines)} lines of more than a second")
    eq((s.only()["ended"], spools()), (True, []))


def never_reached_then_sent():
    """No server at all while it was recorded: --send-spool makes the recording, with what was stated."""
    s = Ingest()
    s.stop()
    r = run(s, "--title", "T", "--quiet", "--", "sh", "-c", "echo line-0\\;")
    eq(r.returncode, 0)
    has(r.stderr, "keyhole rec --send-spool")
    s.start(s.port)
    eq(run(s, "--send-spool").returncode, 0)
    eq(s.only()["create"]["title"], "T")
    once_in_order(s.only(), 1)


def damaged_spool():
    """A torn last record is no harm; a changed byte is found; another server's is left alone."""
    s = Ingest()
    s.stop()
    for _ in range(2):
        run(s, "--quiet", "--", "sh", "-c", LINES % 20)
    a, b = (SPOOL / n for n in spools())
    a.write_bytes(a.read_bytes()[:-7])
    whole = bytearray(b.read_bytes())
    whole[len(whole) // 2] ^= 1
    b.write_bytes(whole)
    other = Ingest()
    r = run(other, "--send-spool")
    eq((r.returncode, len(other.recordings)), (1, 0))
    has(r.stderr, "it belongs to")
    s.start(s.port)
    r = run(s, "--send-spool")
    eq(r.returncode, 1)
    has(r.stderr, "is damaged")
    eq(len(s.recordings), 2)
    for recording in s.recordings.values():
        lines = re.findall(r"line-(\d+);", text(recording))
        eq(lines, [str(i) for i in range(len(lines))])
    eq(spools(), [])


def full_spool():
    """No room any more while the server is away: the command goes on, a marker says how much is missing, then it goes on."""
    s = Ingest()
    s.stop()
    go = TOP / "go"
    big = "head -c 3000000 /dev/urandom | base64 -w 76"
    p = subprocess.Popen([KEYHOLE, "rec", "--json", "--spool-max", "1M", "--", "sh", "-c",
                          f"{big}; while [ ! -e {go} ]; do sleep 0.05; done; sleep 1; echo behind"],
                         env=env(s), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    lines = 0
    while lines < 3000000 * 4 // 3 // 77:  # all of it reaches the user
        p.stdout.readline()
        lines += 1
    s.start(s.port)
    wait_for(lambda: s.recordings and len(text(s.only())) > 900000)
    go.touch()
    out, _ = p.communicate(timeout=30)
    go.unlink()
    last = json.loads(out.splitlines()[-1])
    eq(last["state"], "complete")
    if last["missing_events"] == 0 or len(text(s.only())) > 2000000:
        raise AssertionError(f"{last}, {len(text(s.only()))} bytes")
    marks = [e[2] for e in s.only()["events"] if e[1] == "m"]
    eq(len(marks), 1)
    has(marks[0], f"{last['missing_events']} events")
    has(text(s.only())[-20:], "behind")


def gap():
    """A server that lost confirmed batches: the recording goes on under the number that it wants, and the end says so."""
    s = Ingest()
    p = subprocess.Popen([KEYHOLE, "rec", "--json", "--", "sh", "-c", LINES % 200], env=env(s), stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    wait_for(lambda: s.recordings and s.only()["batches"] > 6)
    with s.lock:
        r = s.only()
        r["batches"] -= 2
        lost = [e for e in r["events"] if "line-" in e[2]]
        r["events"] = r["events"][:3]
    out, _ = p.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    eq(last["state"], "complete")
    lines = re.findall(r"line-(\d+);", text(s.only()))
    eq(len(set(lines)), len(lines), "nothing twice")
    eq(lines[-1], "199")
    if not lost:
        raise AssertionError("nothing was lost")


def ended_by_the_server():
    """The server has ended it meanwhile: the rest is a recording of its own that says so."""
    s = Ingest()
    p = subprocess.Popen([KEYHOLE, "rec", "--json", "--title", "T", "--", "sh", "-c", LINES % 200], env=env(s), stdout=subprocess.PIPE, text=True,
                         stdin=subprocess.DEVNULL)
    wait_for(lambda: s.recordings and s.only()["batches"] > 6)
    with s.lock:
        s.only()["ended"] = True
    out, _ = p.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    eq((last["state"], last["parts"]), ("complete", 2))
    first, second = s.recordings.values()
    eq(second["create"]["links"], [{"type": "continues", "id": last["id"]}])
    eq(second["create"]["title"], "T")
    lines = re.findall(r"line-(\d+);", text(first) + text(second))
    eq(lines, [str(i) for i in range(200)])
    eq(second["events"][0][0], 0, "its own time")


def token_gone():
    """The token is revoked in the middle: the command goes on, the spool keeps the rest for another token."""
    s = Ingest()
    state = {"revoked": False}
    s.mood = lambda call: (401, "unauthorized") if state["revoked"] else None
    p = subprocess.Popen([KEYHOLE, "rec", "--", "sh", "-c", LINES % 150], env=env(s), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         stdin=subprocess.DEVNULL)
    wait_for(lambda: s.recordings and s.only()["batches"] > 3)
    state["revoked"] = True
    _, err = p.communicate(timeout=30)
    eq(p.returncode, 0)
    has(err, "unauthorized")
    eq(len(spools()), 1)
    state["revoked"] = False
    eq(run(s, "--send-spool").returncode, 0)
    once_in_order(s.only(), 150)


def hanging_server():
    """A server that takes connections and says nothing: the command starts and ends in time."""
    import socket
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        quiet.listen(64)
        s = Ingest()
        began = time.monotonic()
        r = run(s, "--quiet", "--", "sh", "-c", "echo line-0\\;; exit 4", KEYHOLE_URL=f"http://127.0.0.1:{quiet.getsockname()[1]}")
        eq(r.returncode, 4)
        if time.monotonic() - began > 12:
            raise AssertionError(f"{time.monotonic() - began:.1f} s")
    shutil.rmtree(SPOOL)


def signals():
    """TERM, INT and QUIT go to the command; the terminal is put back; the recording is complete."""
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        s = Ingest()
        t = Tty(s, "--", "sleep", "60")
        wait_for(lambda: s.recordings)
        t.read(0.3)
        os.kill(t.pid, sig)
        eq(t.exit(), 128 + sig, f"signal {sig}")
        t.as_before()
        eq((s.only()["events"][-1][2], s.only()["ended"]), (str(128 + sig), True))
        t.close()


def crash():
    """Even then the terminal is put back."""
    for sig in (signal.SIGSEGV, signal.SIGABRT):
        s = Ingest()
        t = Tty(s, "--", "sleep", "60")
        wait_for(lambda: s.recordings)
        t.read(0.3)
        os.kill(t.pid, sig)
        eq(t.exit(), -sig)
        t.as_before()
        t.close()
        if spools():
            eq(run(s, "--send-spool").returncode, 0)
        eq(s.only()["ended"], True)


def hangup():
    """The user's terminal goes away: the command is told as it would be, the recording ends by itself."""
    s = Ingest()
    t = Tty(s, "--", "sh", "-c", f"trap 'echo hup > {TOP}/hup; exit 0' HUP; echo ready; while :; do sleep 0.1; done")
    t.expect("ready")
    os.close(t.slave)
    os.close(t.master)
    os.waitpid(t.pid, 0)
    eq(wait_for(lambda: os.path.exists(TOP / "hup")), True)
    wait_for(lambda: s.only()["ended"])
    os.unlink(TOP / "hup")


def job_control():
    """^Z inside is the inner shell's; stopping the recorder from outside gives the terminal back, and fg takes it again."""
    s = Ingest()
    t = Tty(s, "--", "bash", "--norc", "--noprofile", "-i")
    t.expect(r"\$ ")
    t.send("sleep 50\r")
    t.read(0.4)
    t.send(b"\x1a")
    t.expect("Stopped")
    t.send("jobs; kill -9 %1; wait %1; echo still he''re\r")
    t.expect("still here")
    os.kill(t.pid, signal.SIGTSTP)  # the leader of a session is not stopped: it goes on
    t.send("echo go''es on\r")
    t.expect("goes on")
    t.send("exit\r")
    t.exit()
    t.as_before()
    t.close()


def stopped_by_a_shell():
    """Under a shell with jobs: kill -TSTP stops it with the terminal as it was, fg goes on in raw mode."""
    s = Ingest()
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], env(s, PS1="outer> "))
    out = b""

    def expect(pattern, seconds=15):
        nonlocal out
        end = time.monotonic() + seconds
        while not re.search(pattern, out):
            if time.monotonic() > end:
                raise AssertionError(f"{pattern} did not come: {out!r}")
            if select.select([master], [], [], 0.05)[0]:
                out += os.read(master, 65536)

    expect(b"outer> ")
    os.write(master, f"PS1='in> ' {KEYHOLE} rec --quiet -- dash\r".encode())
    expect(b"in> $")
    raw = termios.tcgetattr(slave)
    if raw[3] & termios.ICANON:
        raise AssertionError("not raw")
    child = wait_for(lambda: subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split())[0]
    out = b""
    os.kill(int(child), signal.SIGTSTP)
    expect(b"Stopped.*outer> $|outer> $")
    eq(bool(termios.tcgetattr(slave)[3] & termios.ICANON), True, "given back")
    out = b""
    os.write(master, b"fg\r")
    time.sleep(0.5)
    os.write(master, b"echo a''gain\r")
    expect(b"again")
    eq(bool(termios.tcgetattr(slave)[3] & termios.ICANON), False, "raw again")
    os.write(master, b"exit\r")
    expect(b"outer> $")
    eq(termios.tcgetattr(slave)[3], before[3])
    os.write(master, b"exit\r")
    os.waitpid(pid, 0)
    os.close(master)
    os.close(slave)
    has(text(s.only()), "again")


def blocked_output():
    """A user who stopped the screen (^S) stops the command as ever, but not the recording of what was there."""
    s = Ingest()
    t = Tty(s, "--", "sh", "-c", "echo first; seq 1 200000; echo last")
    time.sleep(1.5)  # nobody reads our end
    has(text(s.only()), "first")
    t.expect("last\r\n", 30)
    eq(t.exit(), 0)
    has(text(s.only()), "last")
    t.close()


def login_shell():
    """As a login shell: options of the file, the shell knows that it is one, -c, and pipes without a terminal."""
    s = Ingest()
    options = TOP / "rec.options"
    options.write_text(f"# for all\n--url {s.url}\n--title Shift of the night\n\n--quiet\n")
    more = dict(KEYHOLE_REC_OPTIONS=str(options), KEYHOLE_URL="", SHELL=KEYHOLE)
    t = Tty(s, rec=False, argv0="-keyhole-rec", **more)
    t.expect(r"[$#] ")
    t.send("echo $0 $SHELL; shopt -q login_shell && echo is lo''gin; exit 3\r")
    t.expect("is login")
    eq(t.exit(), 3)
    has(t.out, "-bash /bin/bash")
    eq(s.only()["create"]["title"], "Shift of the night")
    t.close()
    link = TOP / "keyhole-rec"
    link.symlink_to(KEYHOLE)
    data = bytes(range(256)) * 300
    r = subprocess.run([str(link), "-c", "cat; echo err >&2; exit 6"], input=data, env=env(s, **more), capture_output=True, timeout=30)
    eq((r.returncode, r.stdout[:-4] == data, r.stdout[-4:]), (6, True, b"err\n"), "byte for byte")
    r = subprocess.run([KEYHOLE, "rec", "--login", "--quiet"], input=b"", env=env(s, SSH_ORIGINAL_COMMAND="echo forced; exit 2"), capture_output=True, timeout=30)
    eq((r.returncode, r.stdout), (2, b"forced\n"))
    eq(len(s.recordings), 3)
    eq(text(list(s.recordings.values())[2]), "forced\r\n")
    r = subprocess.run([str(link)], env=env(s, KEYHOLE_REC_OPTIONS="/nonexistent/x"), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    eq(r.returncode, 1)


def no_spool():
    """A spool that cannot be: said, and the recording goes on in memory."""
    s = Ingest()
    bad = TOP / "open-to-all"
    bad.mkdir()
    bad.chmod(0o755)
    r = run(s, "--spool", str(bad), "--", "sh", "-c", LINES % 5)
    eq(r.returncode, 0)
    has(r.stderr, "others can look into it")
    once_in_order(s.only(), 5)
    good = TOP / "deep" / "er"
    eq(run(s, "--quiet", "--spool", str(good), "--", "true").returncode, 0)
    eq(os.stat(good).st_mode & 0o777, 0o700)


def many_at_once():
    """Ten that start together in an empty spool agree on its key."""
    s = Ingest()
    shutil.rmtree(SPOOL, ignore_errors=True)
    s.stop()
    ps = [subprocess.Popen([KEYHOLE, "rec", "--quiet", "--", "sh", "-c", LINES % 20], env=env(s), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           stdin=subprocess.DEVNULL) for _ in range(10)]
    for p in ps:
        p.wait(30)
    eq(len(spools()), 10)
    s.start(s.port)
    r = run(s, "--send-spool")
    eq(r.returncode, 0, r.stderr)
    eq(len(s.recordings), 10)
    for r in s.recordings.values():
        once_in_order(r, 20)


try:
    main(plain, codes, refused_start, nothing_of_ours, under_a_sign_in, terminal, passwords, password_right_behind, bytes_and_characters,
         burst, prompt_quick, lets_go_of_its_terminal, away_and_back, answers_lost, start_without_server, left_and_sent, killed_recorder, never_reached_then_sent,
         damaged_spool, full_spool, gap, ended_by_the_server, token_gone, hanging_server, signals, crash, hangup, job_control,
         stopped_by_a_shell, blocked_output, login_shell, no_spool, many_at_once)
finally:
    shutil.rmtree(TOP, ignore_errors=True)
