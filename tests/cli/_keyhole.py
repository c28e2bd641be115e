"""What the tests of the command line share: a server of their own, accounts, runs of keyhole, a terminal, and counting."""
import codecs
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import traceback
import unicodedata

ROOT = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parent.parent.parent))
BUILD = pathlib.Path(os.environ.get("KEYHOLE_BUILD", ROOT / "build"))
KEYHOLE = str(BUILD / "src" / "keyhole")
SHARED = pathlib.Path(os.environ.get("KEYHOLE_SHARED", ROOT.parent / "shared")) / "data"
PASSWORD = "a-password-for-tests-1"


class Skip(Exception):
    pass


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def last(self):
        return self.out.split()[-1]


class Server:
    """init + serve on loopback, with the accounts eng (viewer) and app (approver)."""

    def __init__(self, *init, people=True, tls=False, config=""):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-cli-"))
        self.dir = self.top / "state"
        port, player = free_ports(2)
        made = subprocess.run([KEYHOLE, "init", str(self.dir), "--listen", f"127.0.0.1:{port}", "--player-listen",
                               f"127.0.0.1:{player}", *([] if tls else ["--plain-loopback"]), *init], capture_output=True, text=True, check=True)
        self.ca = str(self.dir / "tls.pem") if tls else None
        self.url = re.search(r"^Made \S+ for (\S+)$", made.stdout, re.M).group(1)
        self.init_output = made.stdout
        self.admin = (self.dir / "admin.token").read_text().strip()
        self.password_file = self.top / "password"
        self.password_file.write_text(PASSWORD + "\n")
        with open(self.dir / "keyhole.conf", "a") as f:
            f.write(config)
        self.process = None
        self.start()
        if people:
            self.run("user", "add", "eng", "--password-file", str(self.password_file), token=self.admin)
            self.run("user", "add", "app", "--group", "approvers", "--password-file", str(self.password_file), token=self.admin)
            for who in ("eng", "app"):
                self.run("login", "--user", who, "--password-file", str(self.password_file), who=who)

    def start(self):
        self.log = open(self.top / "log", "ab")
        self.process = subprocess.Popen([KEYHOLE, "serve", "-c", str(self.dir / "keyhole.conf")], stdout=self.log,
                                        stderr=self.log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while self.run("api", "GET", "/readyz", token=self.admin, check=False).code != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the server does not start: " + (self.top / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self.process = None

    def close(self):
        self.stop()
        self.log.close()
        shutil.rmtree(self.top)

    def env(self, who=None, token=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("KEYHOLE_")}
        env.update(KEYHOLE_URL=self.url, KEYHOLE_CONFIG_DIR=str(self.top / f"config-{who}"), TERM="xterm", LANG="C.UTF-8")
        if token:
            env["KEYHOLE_TOKEN"] = token
        if self.ca:
            env["KEYHOLE_CA"] = self.ca
        return env

    def run(self, *args, who=None, token=None, stdin=None, check=True, env=None, timeout=60):
        e = self.env(who, token)
        e.update(env or {})
        r = subprocess.run([KEYHOLE, *args], input=stdin, capture_output=True, text=True, env=e, timeout=timeout,
                           stdin=subprocess.DEVNULL if stdin is None else None)
        if check and r.returncode != 0:
            raise AssertionError(f"keyhole {' '.join(args)}: exit {r.returncode}\n{r.stdout}{r.stderr}")
        return Result(r.returncode, r.stdout, r.stderr)

    def import_text(self, text, name="a.cast", **options):
        path = self.top / name
        path.write_text(text)
        options.setdefault("project", "default")
        args = [x for k, v in options.items() for x in (f"--{k}", v)]
        return self.run("import", str(path), *args, token=self.admin).last()

    def grant(self, rid, seconds=600, action="play"):
        """eng asks, app approves; the grant's id."""
        q = self.run("request", rid, "--purpose", "debugging", "--reason", "a test of the command line tool", "--for",
                     f"{seconds}s", "--action", action, who="eng").last()
        return self.run("approve", q, who="app").last()


class Screen:
    """A terminal that knows what keyhole may write and nothing else; every other sequence is kept in 'foreign'."""

    OURS = re.compile(r"\x1b\[([0-9;]*)([mHJK])|\x1b\[\?(25|1049|7)([hl])|\x1b\(B|\x0f")

    def __init__(self, cols, rows):
        self.foreign, self.rest, self.alternate, self.cursor = [], "", False, True
        self.size(cols, rows)

    def size(self, cols, rows):
        self.cols, self.rows = cols, rows
        self.clear()

    def clear(self):
        self.cells = [[" "] * self.cols for _ in range(self.rows)]
        self.col = self.row = 0

    def sequence(self, m):
        args, final, mode, onoff = m.groups()
        if mode == "1049":
            self.alternate = onoff == "h"
            self.clear()
        elif mode == "25":
            self.cursor = onoff == "h"
        elif final == "H":
            at = [int(x) if x else 1 for x in (args + ";").split(";")[:2]]
            self.row, self.col = min(at[0], self.rows) - 1, min(at[1], self.cols) - 1
        elif final == "J":
            self.cells = [[" "] * self.cols for _ in range(self.rows)]
        elif final == "K":
            self.cells[self.row][self.col:] = [" "] * (self.cols - self.col)

    def put(self, c):
        wide = unicodedata.east_asian_width(c) in "WF"
        if c == "\r":
            self.col = 0
        elif c == "\n":
            self.row = min(self.row + 1, self.rows - 1)
        elif ord(c) < 32 or 0x7f <= ord(c) <= 0x9f or c in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            self.foreign.append(c)
        elif unicodedata.combining(c) == 0 and self.col < self.cols:
            self.cells[self.row][self.col] = c
            if wide and self.col + 1 < self.cols:
                self.cells[self.row][self.col + 1] = ""
            self.col += 2 if wide else 1

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        while text:
            m = self.OURS.match(text)
            if m:
                self.sequence(m)
                text = text[m.end():]
            elif text[0] == "\x1b" and len(text) < 24 and not re.match(r"\x1b(\[[0-9;?]*[@-~]|[^\[(])", text):
                self.rest = text
                return
            elif text[0] == "\x1b":
                self.foreign.append(text[:24])
                text = text[1:]
            else:
                self.put(text[0])
                text = text[1:]

    def text(self):
        return "\n".join("".join(r).rstrip() for r in self.cells)


class Terminal:
    """A command on a pseudo terminal, and what it shows."""

    def __init__(self, server, *args, who="eng", cols=80, rows=24, http=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(KEYHOLE, [KEYHOLE, *args], {**server.env(who), **({"KEYHOLE_HTTP": http} if http else {})})
        self.screen = Screen(cols, rows)
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.size(cols, rows)
        self.bytes = b""
        self.seen = []  # every state of the screen
        self.status = None

    def size(self, cols, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.screen.size(cols, rows)

    def read(self, seconds, until=None):
        """What comes within that time, or until the pattern is on the screen."""
        end = time.monotonic() + seconds
        while until is None or not re.search(until, self.screen.text(), re.M):
            left = end - time.monotonic()
            if left <= 0:
                return until is None
            if not select.select([self.fd], [], [], min(left, 0.05))[0]:
                continue
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                got = b""
            if not got:
                return until is None
            self.bytes += got
            self.screen.feed(self.decoder.decode(got))
            self.seen.append(self.screen.text())
        return True

    def expect(self, pattern, seconds=10):
        if not self.read(seconds, pattern):
            raise AssertionError(f"{pattern!r} did not come:\n{self.screen.text()}")

    def forget(self):
        self.bytes = b""
        self.seen = []

    def ever(self, pattern):
        return any(re.search(pattern, s, re.M) for s in self.seen)

    def send(self, text):
        os.write(self.fd, text.encode())

    def exit(self, seconds=10):
        """The exit code (negative: signal), with everything that was still written read."""
        end = time.monotonic() + seconds
        while self.status is None and time.monotonic() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise AssertionError(f"does not end:\n{self.screen.text()}")
        self.read(0.2)
        os.close(self.fd)
        return self.status


def eq(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, expected {want!r}")


def has(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def main(*tests):
    """Runs them in order; the last line counts."""
    n = {"passed": 0, "failed": 0, "skipped": 0}
    for test in tests:
        try:
            test()
            n["passed"] += 1
        except Skip as e:
            n["skipped"] += 1
            print(f"skipped: {test.__name__}: {e}")
        except Exception:
            n["failed"] += 1
            print(f"FAILED: {test.__name__}")
            traceback.print_exc()
    print(f"{n['passed']} passed, {n['failed']} failed, {n['skipped']} skipped")
    raise SystemExit(1 if n["failed"] else 0)
