"""A server of the bench's own: a directory that goes away, a policy with raised quotas, people, keys, and a look at what its processes cost."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "lib"))
import proof  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")

# The bench asks as often as it wants, and nobody has to approve (but where approvals are measured). All else is as always.
POLICY = """
purpose "bench" { reason_min = 4 }
purpose "vote"  { reason_min = 4 }
rule "bench" {
  effect = auto
  who = { "role:viewer" }
  actions = { play, live, export }
  purposes = { "bench" }
  max = 8h
  binding = { dpop, bearer }
  quota { key_streams = 60000  grant_streams = 60000  person_streams = 60000  key_bytes = 1024GiB  key_rate = 1024GiB  key_requests = 10000000 }
}
rule "vote" {
  who = { "role:viewer" }
  actions = { play }
  purposes = { "vote" }
  max = 8h
  binding = { dpop, bearer }
  ask { need = 1  deny = 1  from = { "role:approver" } }
}
"""
LIVES = []  # of each server that the row ran: CPU seconds and PSS of each process when it was stopped; bench/run puts them into the JSON
PORTS = iter(range(int(os.environ.get("BENCH_PORTS", "27700")), 65536))


def free_port():
    for port in PORTS:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit("bench: no port is free")


def cpu_of(pid):
    """User and system time, all threads, seconds."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat[stat.rindex(")") + 2:].split()
    coarse, fine = (int(fields[11]) + int(fields[12])) / TICK, 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            fine += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        except (OSError, IndexError):  # it has just ended, or this kernel does not count so
            return coarse
    return coarse if coarse - fine / 1e9 > 2 / TICK else fine / 1e9  # threads that ended are in the former only


def pss_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def children(pid):
    out = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        out += map(int, (task / "children").read_text(encoding="ascii").split())
    return out


def stop(process):
    """Ends one that we started, and waits."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class House:
    """with House(build, tls=True) as h: …  A 'config' is added to keyhole.conf."""

    def __init__(self, build, tls=False, config="", init=(), url=None, quiet=True, cpus=None):
        self.cpus, self.began, self.kept = cpus, 0, False
        self.keyhole, self.tls, self.quiet = build / "src" / "keyhole", tls, quiet
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-bench-"))
        self.top.chmod(0o755)
        self.dir, self.port = self.top / "state", free_port()
        self.host, self.local = url or f"localhost:{self.port}", threading.local()
        how = list(init) or ([] if tls else ["--plain-loopback"])
        self.plain = "--plain-loopback" in how
        subprocess.run([self.keyhole, "init", self.dir, "--listen", f"127.0.0.1:{self.port}", "--player-listen", f"127.0.0.1:{free_port()}",
                        *how], check=True, stdout=subprocess.DEVNULL)
        conf = self.dir / "keyhole.conf"
        conf.write_text(conf.read_text(encoding="utf-8") + "\ngate {\n  streams = 19000\n  connections = 19000\n  per_source = 19000\n}\n" + config,
                        encoding="utf-8")
        self.admin = (self.dir / "admin.token").read_text(encoding="ascii").strip()
        self.ca = self.dir / "tls.pem" if tls else None
        self.address = f"127.0.0.1:{self.port}"
        self.process, self.people = None, 0

    @classmethod
    def of(cls, build, top):
        """One that BENCH_KEEP left, in clear: it stays."""
        self = cls.__new__(cls)
        self.keyhole, self.tls, self.quiet, self.plain, self.kept = build / "src" / "keyhole", False, True, True, True
        self.cpus, self.began, self.ca, self.process, self.local = None, 0, None, None, threading.local()
        self.top, self.dir = pathlib.Path(top), pathlib.Path(top) / "state"
        self.port = int(re.search(r'^listen = \{ "127\.0\.0\.1:(\d+)" \}', (self.dir / "keyhole.conf").read_text(encoding="utf-8"), re.M)[1])
        self.host, self.address = f"localhost:{self.port}", f"127.0.0.1:{self.port}"
        self.admin, self.people = (self.dir / "admin.token").read_text(encoding="ascii").strip(), int(time.time())  # names that nobody has
        return self

    # -- running --

    def start(self):
        with open(self.top / "log", "ab") as log:
            self.process = subprocess.Popen([*on_cpus(self.cpus), self.keyhole, "serve", "-c", self.dir / "keyhole.conf"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        began = self.began = time.monotonic()
        while time.monotonic() - began < 60:
            try:
                if self.call("GET", "/readyz", token=None)[0] == 200:
                    return time.monotonic() - began
            except OSError:
                self.local.conn = None
            time.sleep(0.005)
        raise SystemExit("bench: the server did not start: " + (self.top / "log").read_text(encoding="utf-8")[-2000:])

    def stop(self):
        if self.process and self.process.poll() is None:
            LIVES.append({"what": "keyhole", "lived_s": round(time.monotonic() - self.began, 2), "cpu_s": {k: round(v, 3) for k, v in self.cpu().items()},
                          "pss_kib": {k: v // 1024 for k, v in self.pss().items()}})
        if self.process:
            stop(self.process)
        self.process, self.local = None, threading.local()

    def __enter__(self):
        self.start()
        if not self.plain:
            self.with_bearer()
        else:
            self.must("POST", "/v1/policies", {"text": POLICY, "comment": "bench"}, want=201)
        return self

    def with_bearer(self):
        """Over TLS the starting policy takes signed acts only. Ours has bearer: afterwards a token without a client key will do."""
        key, url = proof.ClientKey(), f"https://{self.host}"

        def signed(operation, path, body):
            return self.must("POST", path, body, headers={"Keyhole-Act": key.act(operation, url + path, proof.digest_of(body))}, want=201)

        for _ in range(2):  # the first answer has the nonce
            status, _text = self.call("POST", "/v1/client-key", headers={"DPoP": key.proof("POST", url + "/v1/client-key")})
            key.nonce = self.local.headers.get("dpop-nonce", key.nonce)
        if status != 200:
            raise SystemExit(f"bench: the admin's token got no client key: {status}")
        signed("policy_propose", "/v1/policies", {"text": POLICY, "comment": "bench"})
        self.admin = signed("token_create", "/v1/tokens", {"kind": "api", "name": "bench"})["token"]

    def __exit__(self, *_):
        self.stop()
        if self.kept or os.environ.get("BENCH_KEEP"):
            print(f"bench: kept {self.top}")
        else:
            shutil.rmtree(self.top, ignore_errors=True)

    # -- what it costs --

    def roles(self):
        """{"supervisor": pid, "gate": pid, …}"""
        out = {"supervisor": self.process.pid}
        for pid in children(self.process.pid):
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"role" in words:
                out[words[words.index(b"role") + 1].decode()] = pid
        return out

    def cpu(self):
        return {role: cpu_of(pid) for role, pid in self.roles().items()}

    def pss(self):
        return {role: pss_of(pid) for role, pid in self.roles().items()}

    # -- calls --

    def connect(self, timeout=120):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=ssl.create_default_context(cafile=str(self.ca)))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, token="admin", headers=None):
        """On a kept connection of this thread: (status, bytes)."""
        h = {"Host": self.host, **(headers or {})}
        if token:
            h["Authorization"] = "Bearer " + (self.admin if token == "admin" else token)
        if isinstance(body, (dict, list)):
            body, h["Content-Type"] = json.dumps(body).encode(), "application/json"
        if hasattr(body, "read"):
            self.local.conn = None  # a file is sent once: not on a connection that the server may have closed meanwhile
        for again in (True, False):
            fresh = getattr(self.local, "conn", None) is None
            if fresh:
                self.local.conn = self.connect()
            try:
                self.local.conn.request(method, path, body, h)
                answer = self.local.conn.getresponse()
                self.local.headers = {k.lower(): v for k, v in answer.getheaders()}
                return answer.status, answer.read()
            except (http.client.HTTPException, ConnectionError):
                self.local.conn = None
                if fresh or not again:
                    raise

    def must(self, method, path, body=None, token="admin", headers=None, want=200):
        status, text = self.call(method, path, body, token, headers)
        if status != want:
            raise SystemExit(f"bench: {method} {path}: {status} {text[:400]!r}")
        return json.loads(text) if text[:1] in b"{[" else text

    # -- the cast --

    def store(self, body, kind="rrweb", title="bench"):
        return self.must("POST", f"/v1/import?kind={kind}", body, headers={"Keyhole-Title": f'"{title}"'}, want=201)["id"]

    def viewer(self):
        """A new person's API token."""
        self.people += 1
        name = f"viewer{self.people}"
        self.must("POST", "/v1/users", {"name": name}, want=201)
        return self.must("POST", "/v1/tokens", {"kind": "api", "user": name, "name": "bench"}, want=201)["token"]

    def approver(self):
        """One who votes, signed in: API tokens do not decide."""
        self.people += 1
        who = {"name": f"approver{self.people}", "password": "bench bench bench bench"}
        self.must("POST", "/v1/users", {**who, "groups": ["approvers"]}, want=201)
        return self.must("POST", "/v1/login", {"user": who["name"], "password": who["password"]}, token=None)["token"]

    def ingest(self):
        project = self.must("GET", "/v1/projects")["items"][0]["id"]
        return self.must("POST", "/v1/tokens", {"kind": "ingest", "project": project, "name": "bench"}, want=201)["token"]

    def grant(self, token, recordings, actions=("play",), duration_s=3600):
        body = {"recordings": list(recordings), "actions": list(actions), "duration_s": duration_s, "purpose": {"code": "bench", "reason": "bench"}}
        return self.must("POST", "/v1/requests", body, token, want=201)["grant"]

    def keys(self, asked, threads=8, **more):
        """[(token, grant, recording)] -> [key], several at a time."""
        def one(a):
            return self.must("POST", f"/v1/grants/{a[1]}/keys", {"recording": a[2], **more}, a[0], want=201)["key"]
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, asked))


class Costs:
    """CPU seconds of some processes between two looks. pids: {"name": pid}"""

    def __init__(self, pids):
        self.pids, self.before = pids, {k: cpu_of(p) for k, p in pids.items()}

    def used(self):
        return {k: cpu_of(p) - self.before[k] for k, p in self.pids.items()}


def on_cpus(cpus):
    """What goes before a command that shall run there; None: anywhere."""
    return ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []


def two_sides():
    """(processors of the server, of the generators), for rows about who takes whose time; (None, None) on a machine with one."""
    all_cpus = sorted(os.sched_getaffinity(0))
    half = len(all_cpus) // 2
    return (all_cpus[:half], all_cpus[half:]) if half and shutil.which("taskset") else (None, None)


def generator(build, name, *args, cpus=None, first=False):
    """Starts one of ours; it says 'ready', waits for a line, works, reports, waits for the end. first: it goes before others on its processors,
    where we may say so."""
    p = subprocess.Popen([*on_cpus(cpus), str(build / "bench" / name), *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if first:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, p.pid, -15)
    return p


def cue(process, words="ready"):
    line = process.stdout.readline().strip()
    if line != words:
        process.wait()
        raise SystemExit(f"bench: a load generator said {line!r}, not {words!r}")


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def measured(process, pids):
    """Of one that follows bench_cue: (its report, CPU seconds of the pids meanwhile)."""
    cue(process)
    costs = Costs(pids)
    go(process)
    report = json.loads(process.stdout.readline())
    cue(process)
    used = costs.used()
    process.stdin.close()
    if process.wait() != 0:
        raise SystemExit("bench: a load generator failed")
    return report, used
