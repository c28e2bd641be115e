"""What the system tests share: a real server in a directory of its own, clients of it, people, recordings, and proofs.

Nothing here shares code with the server: HTTP by sockets and http.client, JSON by Python, Merkle trees and signatures from
their RFCs. Only the standard library is used.

  KEYHOLE_PROGRAM what is run, in the build directory (tests/keyhole-watched)
  KEYHOLE_BUILD   the meson build directory (build), KEYHOLE_SRC the checkout, KEYHOLE_SHARED real data beside it
"""
import atexit
import base64
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SRC = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SRC / "tests" / "lib"))
import ledger  # noqa: E402
import proof  # noqa: E402

BUILD = pathlib.Path(os.environ.get("KEYHOLE_BUILD", SRC / "build"))
DATA = pathlib.Path(os.environ.get("KEYHOLE_SHARED", SRC.parent / "shared")) / "data"
# The program with a nonce ledger (tests/lib/ledger.c) where it is built; KEYHOLE_PROGRAM says another one.
WATCHED = BUILD / "tests" / "keyhole-watched"
KEYHOLE = BUILD / os.environ.get("KEYHOLE_PROGRAM", WATCHED if WATCHED.exists() else "src/keyhole")
PORTS = range(*map(int, os.environ.get("KEYHOLE_PORTS", "26000-26100").split("-")))


def sanitized():
    """Was the build made with a sanitizer? Then everything takes longer, and the logs have its reports."""
    options = BUILD / "meson-info" / "intro-buildoptions.json"
    with contextlib.suppress(OSError, ValueError):
        for o in json.loads(options.read_text()):
            if o["name"] == "b_sanitize":
                return o["value"] not in ("none", "", [])
    return False


def slow():
    """How much longer deadlines that only bound a wait are: under a sanitizer, and on a machine that has more to do than cores."""
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    return 4 if sanitized() else min(4, max(1, busy))


SLOW = slow()


# ---- running and counting ----

class Failed(Exception):
    pass


class Skip(Exception):
    pass


def same(got, want, what=""):
    if got != want:
        raise Failed(f"{what}: got {got!r:.600}, want {want!r:.600}")


def true(condition, what):
    if not condition:
        raise Failed(what)


class Tests:
    """Runs functions in the order of their definition. A test may need the one before it; then it says so by failing."""

    def __init__(self):
        self.tests = []

    def __call__(self, name):
        def add(fn):
            self.tests.append((name, fn))
            return fn
        return add

    def run(self):
        count = {"passed": 0, "failed": 0, "skipped": 0}
        only = sys.argv[1:]
        for name, fn in self.tests:
            if only and not any(word in name for word in only):
                continue
            began = time.monotonic()
            try:
                fn()
                how, why = "passed", ""
            except Skip as e:
                how, why = "skipped", f": {e}"
            except Failed as e:
                how, why = "failed", f": {e}"
                where = [f for f in traceback.extract_tb(e.__traceback__) if not f.filename.endswith("_server.py")]
                why += f"\n    {where[-1].filename}:{where[-1].lineno}: {where[-1].line}" if where else ""
            except Exception as e:
                where = [f for f in traceback.extract_tb(e.__traceback__) if f.filename.startswith(str(SRC))]
                how, why = "failed", f": {type(e).__name__}: {e}" + "".join(f"\n    {f.filename}:{f.lineno}: {f.line}" for f in where[1:])
            count[how] += 1
            print(f"{how:7} {time.monotonic() - began:6.2f} s  {name}{why}", flush=True)
        for server in list(Server.all):
            for trouble in server.finish():
                count["failed"] += 1
                print(f"failed           {trouble}", flush=True)
        skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
        print(f"{count['passed']} passed, {count['failed']} failed{skipped}")
        sys.exit(1 if count["failed"] else 0)


def until(fn, seconds, what, step=0.02):
    """Waits for fn() to be true, and returns what it returned."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = fn()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds * SLOW} s in vain: {what}")
        time.sleep(step)


def skip_all(why):
    print(f"skipped: {why}\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)


# ---- ports ----

_port_locks = []


def take_port():
    """A free port that no other test of this machine is about to use."""
    locks = pathlib.Path(tempfile.gettempdir()) / "keyhole-test-ports"
    locks.mkdir(mode=0o777, exist_ok=True)
    for port in PORTS:
        fd = os.open(locks / str(port), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
        except OSError:
            os.close(fd)
            continue
        _port_locks.append(fd)
        return port
    raise Failed("no port is free")


# ---- clients ----

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body, self.what = status, headers, body, ""

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The problem's code, or "" """
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return ""
        return self.json["code"]

    def want(self, status, code=None):
        if self.status != status or (code is not None and self.code != code):
            raise Failed(f"{self.what}: got {self.status} {self.text[:500]}, want {status} {code or ''}")
        return self

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


_UNSET = object()


class Client:
    """Calls over one kept connection a thread; a call on a connection that has gone is sent once more when it is safe."""

    def __init__(self, server, token=None, headers=None, port=None):
        """port: in clear to that port, past a proxy."""
        self.server, self.token, self.headers, self.port = server, token, dict(headers or {}), port
        self.local = threading.local()

    def connect(self, timeout):
        s = self.server
        port = self.port or s.front or s.port
        if s.tls and not self.port:
            return http.client.HTTPSConnection("localhost", port, timeout=timeout, context=s.ssl_context())
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, token=_UNSET, timeout=30, fresh=False):
        token = self.token if token is _UNSET else token
        h = {"Host": self.server.host, **self.headers, **(headers or {})}
        if token and "Authorization" not in h:
            h["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, (bytes, bytearray)) and not hasattr(body, "__next__"):  # an iterator: in chunks
            body = json.dumps(body).encode()
            h.setdefault("Content-Type", "application/json")
        conn = None if fresh else getattr(self.local, "conn", None)
        for again in (True, False):
            if conn is None:
                conn, again = self.connect(timeout * SLOW), False
            try:
                conn.request(method, path, body=body, headers=h)
                r = conn.getresponse()
                data = r.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, http.client.CannotSendRequest,
                    http.client.ResponseNotReady):
                conn.close()
                conn = None
                if not again:
                    raise
        self.local.conn = None if r.will_close else conn
        if r.will_close:
            conn.close()
        a = Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, data)
        a.all_headers, a.what = r.getheaders(), f"{method} {path}"
        self.server.saw(a, body)
        return a

    def get(self, path, **k):
        return self.call("GET", path, **k)

    def post(self, path, body=None, **k):
        return self.call("POST", path, body, **k)

    def patch(self, path, body=None, **k):
        return self.call("PATCH", path, body, **k)


class Person(Client):
    """Somebody with an account, signed in."""

    def __init__(self, server, name, password):
        super().__init__(server)
        self.name, self.password = name, password

    def login(self):
        a = Client(self.server).post("/v1/login", {"user": self.name, "password": self.password}).want(200)
        self.token, self.id = a.json["token"], a.json["user"]["id"]
        return self

    # The steps of the story, each as one call that has to succeed.

    def ask(self, recordings, actions=("play",), duration_s=60, start="approval", **more):
        recordings = [recordings] if isinstance(recordings, str) else list(recordings)
        body = {"recordings": recordings, "actions": list(actions), "duration_s": duration_s, "start": start,
                "purpose": {"code": "debugging", "reason": "A customer reports an error that we can not explain."}}
        body.update(more)
        return self.post("/v1/requests", body).want(201).json

    def approve(self, request):
        q = request if isinstance(request, dict) else self.get(f"/v1/requests/{request}").want(200).json
        return self.post(f"/v1/requests/{q['id']}/approve", {"digest": q["digest"]}).want(200).json

    def key(self, grant, recording, **more):
        """As clients do: 503 with Retry-After (a role has just been restarted) is asked again, for a while."""
        end = time.monotonic() + 5 * SLOW
        a = self.post(f"/v1/grants/{grant}/keys", {"recording": recording, **more})
        while a.status == 503 and time.monotonic() < end:
            time.sleep(float(a.headers["retry-after"]))
            a = self.post(f"/v1/grants/{grant}/keys", {"recording": recording, **more})
        a.want(201)
        return Key(self.server, a.json, recording)


class Key(Client):
    """A provisioning key: what its holder can call."""

    def __init__(self, server, answer, recording):
        super().__init__(server, token=answer["key"])
        self.answer, self.text, self.id, self.recording = answer, answer["key"], answer["key_id"], recording
        self.path = f"/v1/replay/{recording}"

    @property
    def claims(self):
        return json.loads(unb64u(self.text.split(".")[1]))

    def manifest(self):
        return self.get(f"{self.path}/manifest").want(200).json

    def chunk(self, n, encoding="identity"):
        return self.get(f"{self.path}/chunks/{n}", headers={"Accept-Encoding": encoding})

    def stream(self, query="", **headers):
        return Stream(self.server, f"{self.path}/stream{query}", self.text, headers)

    def routes(self):
        """The routes that serve content."""
        return [f"{self.path}/{r}" for r in ("manifest", "chunks/0", "events", "stream?speed=16", "export")]


class Stream:
    """Server-sent events, read by a thread. items: (when, event name, id, data)."""

    def __init__(self, server, path, token, headers=None, rcvbuf=None, paused=False):
        self.items, self.ended, self.status, self.headers, self.body = [], None, None, {}, b""
        self.raw_bytes, self.last_byte = 0, None
        self.cond = threading.Condition()
        self.sock = server.connect(timeout=60 * SLOW, rcvbuf=rcvbuf)
        lines = [f"GET {path} HTTP/1.1", f"Host: {server.host}", "Accept: text/event-stream"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in (headers or {}).items()]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.go = threading.Event()
        if not paused:
            self.go.set()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        self.go.wait()
        how = "error"
        try:
            f = self.sock.makefile("rb")
            status = f.readline()
            self.status = int(status.split()[1]) if status else 0
            while True:
                line = f.readline().strip()
                if not line:
                    break
                name, _, value = line.partition(b":")
                self.headers[name.decode().lower()] = value.strip().decode()
            with self.cond:
                self.cond.notify_all()
            if self.status != 200:
                self.body = f.read(int(self.headers.get("content-length", 0)))
                how = "refused"
            elif self.headers.get("transfer-encoding") == "chunked":
                how = self._chunks(f)
            else:
                how = "no framing"
        except OSError as e:
            how = "reset" if isinstance(e, ConnectionResetError) else f"error {e}"
        except (ValueError, IndexError):
            how = "cut"
        with self.cond:
            self.ended = how
            self.cond.notify_all()

    def _chunks(self, f):
        parts = []  # of an event that has not ended: an event can be 16 MiB
        while True:
            size = f.readline()
            if not size.endswith(b"\r\n"):
                return "cut"
            n = int(size.split(b";")[0], 16)
            data = f.read(n)
            if len(data) < n or f.read(2) != b"\r\n":
                self._lines(b"".join(parts) + data)
                return "cut"
            if n == 0:
                return "clean"
            self.raw_bytes += n
            self.last_byte = time.monotonic()
            parts.append(data)
            if b"\n\n" in (parts[-2][-1:] if len(parts) > 1 else b"") + data:
                parts = [self._lines(b"".join(parts))]

    def _lines(self, text):
        *whole, rest = text.split(b"\n\n")
        with self.cond:
            for block in whole:
                fields = {}
                for line in block.split(b"\n"):
                    k, _, v = line.partition(b": ")
                    fields[k.decode()] = v.decode()
                if "data" in fields:
                    self.items.append((time.monotonic(), fields.get("event", ""), fields.get("id"), fields["data"]))
            self.cond.notify_all()
        return rest

    def wait(self, fn, seconds, what):
        end = time.monotonic() + seconds * SLOW
        with self.cond:
            while not fn(self):
                left = end - time.monotonic()
                if left <= 0 or (self.ended is not None and not fn(self)):
                    raise Failed(f"stream: {what}: in vain; ended {self.ended}, status {self.status} {self.body[:300]!r}, "
                                 f"{len(self.items)} items, last {self.items[-1:]!r:.400}")
                self.cond.wait(left)
        return self

    def wait_events(self, n, seconds=20):
        return self.wait(lambda s: len(s.content()) >= n, seconds, f"{n} events")

    def wait_end(self, seconds=30):
        self.wait(lambda s: s.ended is not None, seconds, "the end")
        return self

    def content(self):
        """[(sequence, JSON text)]"""
        return [(int(i), d) for _, e, i, d in self.items if e == ""]

    def named(self, name):
        return [json.loads(d) for _, e, _, d in self.items if e == name]

    def final(self):
        """(event name, End) of the last event, when the stream ended with one."""
        if not self.items or self.items[-1][1] == "" or '"code"' not in self.items[-1][3]:
            return None, None
        return self.items[-1][1], json.loads(self.items[-1][3])

    def want_end(self, name, code, seconds=30):
        self.wait_end(seconds)
        got, end = self.final()
        true(got == name and end["code"] == code, f"stream ended with {got} {end} ({self.ended}), want {name} {code}")
        return end

    @property
    def code(self):
        return json.loads(self.body)["code"] if self.body else ""

    def close(self):
        self.go.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        if self.thread is not threading.current_thread():
            self.thread.join(10)  # it knows the descriptor by its number, which the next connection gets
        self.sock.close()


# ---- the server ----

class Server:
    all = []

    def __init__(self, *init, tls=False, config="", start=True, preset=None, front=None, cafile=None):
        """tls: clients speak it. front: the port of a proxy that clients go through (then 'init' says behind what)."""
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-test-"))
        self.dir, self.tls, self.front = self.root / "state", tls, front
        self.cafile = cafile or self.dir / "tls.pem"
        self.port, self.player_port = take_port(), take_port()
        self.host = f"localhost:{front or self.port}"
        self.url = f"{'https' if tls or front else 'http'}://{self.host}"
        self.log_path, self.nonces = self.root / "log", self.root / "nonces"
        self.secrets, self.expect_ends, self.expect_errors = set(), False, set()
        self.proc = None
        args = [str(KEYHOLE), "init", str(self.dir), "--listen", f"127.0.0.1:{self.port}",
                "--player-listen", f"127.0.0.1:{self.player_port}"]
        args += list(init) + ([] if tls or front else ["--plain-loopback"]) + (["--preset", preset] if preset else [])
        Server.all.append(self)
        done = subprocess.run(args, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * SLOW)
        if done.returncode != 0:
            raise Failed(f"init: {done.returncode} {done.stdout} {done.stderr}")
        self.init_output = done.stdout
        if config:
            self.configure(config)
        self.admin_token = (self.dir / "admin.token").read_text().strip()
        self.secrets.add(self.admin_token)
        self.admin = Client(self, token=self.admin_token)
        if start:
            self.start()

    @property
    def conf(self):
        return self.dir / "keyhole.conf"

    def configure(self, text):
        self.conf.write_text(self.conf.read_text() + text + "\n")

    # -- running --

    def start(self, wait=True):
        env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1", KEYHOLE_NONCE_LEDGER=str(self.nonces))
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen([str(KEYHOLE), "serve", "-c", str(self.conf)], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, env=env, cwd=self.root)
        if wait:
            self.wait_ready()
        return self

    def ready(self):
        if self.proc.poll() is not None:
            raise Failed(f"the server ended with {self.proc.returncode}:\n{self.log()[-3000:]}")
        try:
            direct = self.port if self.front else None
            return Client(self, port=direct).get("/readyz", timeout=2).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds=20):
        until(self.ready, seconds, f"the server is not ready:\n{self.log()[-3000:]}")
        return self

    def roles(self):
        """{"gate": pid, …} of the children that run."""
        out = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError, IndexError):
                stat = (entry / "stat").read_text()
                fields = stat[stat.rindex(")") + 2:].split()
                if int(fields[1]) != self.proc.pid or fields[0] == "Z":
                    continue
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"role" in words:
                    out[words[words.index(b"role") + 1].decode()] = int(entry.name)
        return out

    def kill(self, role, sig=signal.SIGKILL):
        self.expect_ends = True
        pid = self.roles()[role]
        os.kill(pid, sig)
        return pid

    def signal(self, sig):
        self.proc.send_signal(sig)

    def stop(self, seconds=15):
        """SIGTERM; the exit status."""
        if self.proc is None or self.proc.poll() is not None:
            return None if self.proc is None else self.proc.returncode
        self.proc.send_signal(signal.SIGTERM)
        try:
            return self.proc.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.die()
            raise Failed(f"the server did not stop:\n{self.log()[-3000:]}") from None

    def die(self):
        """kill -9 of the supervisor and, so that nothing stays behind, of its roles."""
        roles = self.roles() if self.proc.poll() is None else {}
        self.proc.kill()
        self.proc.wait()
        for pid in roles.values():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        return roles

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_events(self):
        out = []
        for line in self.log().splitlines():
            with contextlib.suppress(ValueError):
                out.append(json.loads(line))
        return out

    def finish(self):
        """Stops and removes everything; what went wrong beside the tests."""
        troubles = []
        if self in Server.all:
            Server.all.remove(self)
        if self.proc is not None and self.proc.poll() is None:
            try:
                status = self.stop()
                if status != 0:
                    troubles.append(f"the server ended with status {status}")
            except Failed as e:
                troubles.append(str(e))
        text = self.log()
        for sign in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "ThreadSanitizer", "Assertion", "stack smashing"):
            if sign in text:
                at = text.index(sign)
                troubles.append(f"{sign} in the log:\n{text[max(0, at - 300):at + 3000]}")
                break
        if not self.expect_ends:
            for e in self.log_events():
                if e.get("event") == "role.ended" and e.get("level") != "info":
                    troubles.append(f"a role ended by itself: {e}\n{text[-3000:]}")
        for e in self.log_events():
            if e.get("level") == "error" and e.get("event") not in self.expect_errors and not self.expect_ends:
                troubles.append(f"an error in the log: {e}")
                break
        if self.nonces.exists():
            again = ledger.twice(ledger.entries(self.nonces))
            if again:
                troubles.append(f"{len(again)} nonces came twice, the first: {again[0].hex()}")
        if troubles and os.environ.get("KEYHOLE_KEEP"):
            print(f"kept: {self.root}")
        else:
            shutil.rmtree(self.root, ignore_errors=True)
        return troubles

    # -- talking --

    def ssl_context(self, **versions):
        c = ssl.create_default_context(cafile=str(self.cafile))
        c.check_hostname = True
        for k, v in versions.items():
            setattr(c, k, v)
        return c

    def connect(self, timeout=10, rcvbuf=None, port=None, tls=True):
        s = socket.socket()
        if rcvbuf:  # a slow client far away: loopback's segments of 64 KiB would make every buffer on the way large
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
        s.settimeout(timeout)
        s.connect(("127.0.0.1", port or self.front or self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.ssl_context().wrap_socket(s, server_hostname="localhost") if self.tls and tls else s

    def raw(self, data, timeout=5, half_close=False, port=None):
        """Sends bytes as they are; everything that came back until the peer closed, was silent, or reset."""
        s = self.connect(timeout * SLOW, port=port)
        out = b""
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
            while True:
                try:
                    part = s.recv(65536)
                except (ConnectionResetError, ssl.SSLError):
                    break
                if not part:
                    break
                out += part
        except TimeoutError:
            out = out or b"(silence)"
        finally:
            s.close()
        return out

    def saw(self, answer, body):
        """Collects every secret that went either way, for the search in logs and files."""
        for m in re.finditer(rb"(kst|kit)_[A-Za-z0-9_-]{43}|eyJ[\w-]+\.[\w-]+\.[\w-]+", answer.body):
            self.secrets.add(m[0].decode())
        for name, value in getattr(answer, "all_headers", ()):
            if name.lower() == "set-cookie" and value.split(";")[0].split("=")[1]:
                self.secrets.add(value.split(";")[0].split("=", 1)[1])
        if isinstance(body, bytes) and b'"password"' in body:
            with contextlib.suppress(ValueError, TypeError):
                data = json.loads(body)
                if isinstance(data, dict):
                    self.secrets.update(data[k] for k in ("password", "current_password") if isinstance(data.get(k), str))

    # -- the cast --

    def person(self, name, *groups, roles=None, subjects=None, password=None, person=None):
        password = password or "pw-" + b64u(os.urandom(12))
        body = {"name": name, "password": password}
        for k, v in (("groups", list(groups) or None), ("roles", roles), ("subjects", subjects), ("person", person)):
            if v is not None:
                body[k] = v
        self.admin.post("/v1/users", body).want(201)
        return Person(self, name, password).login()

    def project(self, name=None):
        items = self.admin.get("/v1/projects").want(200).json["items"]
        for p in items:
            if name is None or p["name"] == name:
                return p["id"]
        return self.admin.post("/v1/projects", {"name": name}).want(201).json["id"]

    def ingest(self, project=None):
        a = self.admin.post("/v1/tokens", {"kind": "ingest", "project": project or self.project(), "name": "recorder"}).want(201)
        return Client(self, token=a.json["token"])

    def allow_bearer(self):
        """The policy of a plain server: tests of other things than bound keys make their calls without proofs."""
        key, admin = proof.ClientKey(), self.admin

        def register():
            a = admin.post("/v1/client-key", headers={"DPoP": key.proof("POST", self.url + "/v1/client-key")})
            key.nonce = a.headers.get("dpop-nonce", key.nonce)
            return a

        def signed(operation, path, body):
            return admin.post(path, body, headers={"Keyhole-Act": key.act(operation, self.url + path, proof.digest_of(body))}).want(201).json

        if register().status == 401:  # the nonce
            register().want(200)
        text = admin.get("/v1/policies/current").want(200).json["print"]
        signed("policy_propose", "/v1/policies", {"text": text.replace("binding = { dpop }", "binding = { dpop, bearer }")})
        # The first token has a client key now, and has to sign; another one has none.
        self.admin_token = signed("token_create", "/v1/tokens", {"kind": "api", "name": "tests"})["token"]
        self.secrets.add(self.admin_token)
        self.admin = Client(self, token=self.admin_token)

    def cast(self):
        """The people most tests need: a viewer, two approvers, an auditor, and a recorder."""
        if self.tls or self.front:
            self.allow_bearer()
        self.viewer = self.person("viewer")
        self.approver = self.person("approver", "approvers")
        self.second = self.person("second", "approvers")
        self.auditor = self.person("auditor", "auditors")
        self.recorder = self.ingest()
        return self

    def upload(self, data, title="A recording", client=None, **headers):
        """import; the answer as it came"""
        h = {"Keyhole-Title": f'"{title}"', "Content-Type": "application/octet-stream"}
        query = headers.pop("query", "")
        h.update({k.replace("_", "-"): v for k, v in headers.items() if v is not None})
        return (client or self.recorder).post("/v1/import" + query, bytes(data), headers=h, timeout=120)

    def add(self, data, title="A recording", **headers):
        return self.upload(data, title, **headers).want(201).json["id"]

    def open(self, recordings, actions=("play",), duration_s=600, viewer=None, approver=None, start="approval"):
        """request and approval; the grant's id. Access that an earlier test left open is given back first."""
        viewer = viewer or self.viewer
        for rid in [recordings] if isinstance(recordings, str) else recordings:
            for g in viewer.get(f"/v1/grants?state=live&box=mine&recording={rid}").want(200).json["items"]:
                viewer.post(f"/v1/grants/{g['id']}/relinquish").want(200)
        q = viewer.ask(recordings, actions, duration_s, start)
        return (approver or self.approver).approve(q["id"])["grant"]

    def keyed(self, recording, actions=("play",), duration_s=600, viewer=None):
        viewer = viewer or self.viewer
        return viewer.key(self.open(recording, actions, duration_s, viewer), recording)

    # -- the log --

    def leaves(self, log=None, client=None):
        """Every leaf of a log that is there now, as (text, object)."""
        log, client = log or self.project(), client or self.auditor
        out, size = [], None
        while size is None or len(out) < size:
            a = client.get(f"/v1/audit/events?log={log}&order=asc&from={len(out)}&limit=1000").want(200).json
            size = a["size"] if size is None else size
            if not a["items"]:
                break
            for e in a["items"]:
                same(e["index"], len(out), "index of a leaf")
                out.append((e["raw"], json.loads(e["raw"])))
        return out[:size]

    def leaf_types(self, log=None, **match):
        return [l["type"] for _, l in self.leaves(log) if all(l.get(k) == v for k, v in match.items())]

    def wait_leaf(self, fn, seconds=5, log=None, what="a record", client=None):
        return until(lambda: [l for _, l in self.leaves(log, client) if fn(l)], seconds, what, step=0.2)


@atexit.register
def _cleanup():
    for server in list(Server.all):
        if server.proc is not None and server.proc.poll() is None:
            server.die()
        shutil.rmtree(server.root, ignore_errors=True)


def _ended(signum, frame):
    sys.exit(128 + signum)


signal.signal(signal.SIGTERM, _ended)


# ---- bytes ----

def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unzstd(data):
    return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


def zstd(data):
    return subprocess.run(["zstd", "-cq"], input=data, stdout=subprocess.PIPE, check=True).stdout


def have_zstd():
    return shutil.which("zstd") is not None


# ---- recordings of our own ----

def cast_events(n, step=0.1, text="line {}\r\n", pad=0):
    """[text of an event as it is stored]"""
    out = []
    for i in range(n):
        t = round(i * step, 3)
        data = json.dumps(text.format(i) + "." * pad)
        out.append(f'[{t:.3f},"o",{data}]')
    return out


def cast(n=100, step=0.1, text="line {}\r\n", pad=0, head=None):
    header = {"version": 2, "width": 80, "height": 24, **(head or {})}
    return ("\n".join([json.dumps(header)] + cast_events(n, step, text, pad)) + "\n").encode()


def rrweb_events(n=50, step_ms=100, text="node {}", base=1700000000000, extra=None):
    doc = {"type": 0, "childNodes": [{"type": 2, "tagName": "html", "attributes": {}, "childNodes": [
        {"type": 2, "tagName": "body", "attributes": {}, "id": 4, "childNodes": [
            {"type": 3, "textContent": text.format(0), "id": 5}]}], "id": 3}], "id": 1}
    out = [{"type": 4, "data": {"href": "http://shop.example/", "width": 800, "height": 600}, "timestamp": base},
           {"type": 2, "data": {"node": doc, "initialOffset": {"left": 0, "top": 0}}, "timestamp": base + 1}]
    for i in range(2, n):
        out.append({"type": 3, "data": {"source": 0, "texts": [{"id": 5, "value": text.format(i)}], "attributes": [],
                                        "removes": [], "adds": []}, "timestamp": base + i * step_ms})
    return [json.dumps(e, separators=(",", ":")) for e in out]


def rrweb(*args, **kwargs):
    return ("[" + ",".join(rrweb_events(*args, **kwargs)) + "]").encode()


def unmarked(text):
    """An exported file without what Keyhole put into it: as a list of lines, or of a page's events. A blank behind the first bracket tells."""
    if text.startswith("[\n"):
        return [e for e in json.loads(text) if "keyhole" not in e]
    return [line for line in text.splitlines() if not line.startswith("[ ")]


# ---- RFC 6962, signed notes, Ed25519: written from their documents ----

def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def merkle_root(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + merkle_root(hashes[:k]) + merkle_root(hashes[k:])).digest()


_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _recover(y, sign):
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - x2) % _P or (x == 0 and sign):
        return None
    return _P - x if x % 2 != sign else x


def _ed_add(a, b):
    x1, y1, x2, y2 = *a, *b
    k = _D * x1 * x2 * y1 * y2 % _P
    return ((x1 * y2 + x2 * y1) * pow(1 + k, _P - 2, _P) % _P, (y1 * y2 + x1 * x2) * pow(1 - k, _P - 2, _P) % _P)


def _ed_mul(n, point):
    out = (0, 1)
    while n:
        if n & 1:
            out = _ed_add(out, point)
        point = _ed_add(point, point)
        n >>= 1
    return out


def _ed_point(data):
    v = int.from_bytes(data, "little")
    y = v & (2**255 - 1)
    x = _recover(y, v >> 255) if y < _P else None
    return None if x is None else (x, y)


def ed25519_verify(public, message, signature):
    """RFC 8032 5.1.7, slowly."""
    by = 4 * pow(5, _P - 2, _P) % _P
    a, r, s = _ed_point(public), _ed_point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    return _ed_mul(s, (_recover(by, 0), by)) == _ed_add(r, _ed_mul(h, a))


def open_note(note, vkey):
    """A C2SP signed checkpoint under a vkey: (origin, size, root). Fails when the signature does not hold."""
    name, key_id, key = vkey.strip().split("+", 2)
    raw = base64.b64decode(key, validate=True)
    same(raw[0], 1, "the kind of the note key")
    same(hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex(), key_id, "key id of the vkey")
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, who, sig = line.split(" ")
        sig = base64.b64decode(sig, validate=True)
        if dash == "\u2014" and who == name and sig[:4].hex() == key_id:
            true(ed25519_verify(raw[1:], text.encode(), sig[4:]), "the checkpoint's signature does not hold")
            origin, size, root = text.splitlines()
            same(origin, name, "the checkpoint's origin")
            return origin, int(size), base64.b64decode(root, validate=True)
    raise Failed(f"no signature of {name} in {note!r}")


def verify_log(server, log, client=None):
    """Fetches a whole log and holds it against its signed checkpoint; its leaves (text, object)."""
    client = client or server.auditor
    leaves = server.leaves(log, client)

    def checkpoint():
        answer = client.get(f"/v1/audit/{log}/checkpoint")
        if answer.status == 404:
            return None  # a new log's first one is there within 2 s
        note = answer.want(200).text
        return note if int(note.splitlines()[1]) >= len(leaves) else None

    note = until(checkpoint, 6, f"a checkpoint of {log} with {len(leaves)} leaves")
    vkey = client.get(f"/v1/audit/{log}/vkey").want(200).text
    origin, size, root = open_note(note, vkey)
    while len(leaves) < size:  # reading is a record too
        more = client.get(f"/v1/audit/events?log={log}&order=asc&from={len(leaves)}&limit=1000").want(200).json["items"]
        true(more, f"{log}: the checkpoint is of {size} leaves, there are {len(leaves)}")
        leaves += [(e["raw"], json.loads(e["raw"])) for e in more]
    leaves = leaves[:size]
    same(merkle_root([leaf_hash(raw.encode()) for raw, _ in leaves]), root, f"root of {log} over {size} leaves")
    for i, (raw, leaf) in enumerate(leaves):
        same((leaf["v"], leaf["log"], leaf["i"]), (1, log, i), "version, log and index of a leaf")
        true(len(raw.encode()) <= 4096, "a leaf is longer than 4096 bytes")
    return leaves


def leased(leaves, jti):
    """[(from, to)] of the leases of a key."""
    return [(l["n"]["from_seq"], l["n"]["to_seq"]) for _, l in leaves
            if l["type"] == "replay.leased" and l.get("jti") == jti and "to_seq" in l.get("n", {})]


def covered(seqs, ranges):
    return all(any(a <= s <= b for a, b in ranges) for s in seqs)


def jcs(value):
    """RFC 8785 over strings, integers, arrays, objects."""
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda kv: kv[0].encode("utf-16-be"))
        return "{" + ",".join(jcs(k) + ":" + jcs(v) for k, v in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(jcs(v) for v in value) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def request_digest(request):
    return b64u(hashlib.sha256(b"keyhole/request/v1\n" + jcs(request["digest_object"]).encode()).digest())


if not KEYHOLE.exists():
    skip_all(f"{KEYHOLE} is not built")
