#!/usr/bin/env python3
"""What must be nowhere: recorded content in any file of the server, credentials in any file or log, keys in a core dump, and
content in the files of a proxy in front."""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

os.environ.setdefault("KEYHOLE_PROGRAM", "src/keyhole")  # the very program that is installed
from _server import (SLOW, SRC, Client, Server, Skip, Tests, cast, cast_events, rrweb, same, take_port, true, until)

test = Tests()
s = Server().cast()
CANARY = {n: f"Canary{n}{os.urandom(12).hex()}" for n in ("Head", "Env", "Out", "In", "Marker", "Page", "Href", "Node", "Packed", "Broken", "Live")}


def forms(text):
    """The bytes of a text in the forms in which it could lie about."""
    raw = text.encode()
    yield text, raw
    yield f"{text} in hex", raw.hex().encode()
    yield f"{text} in HEX", raw.hex().upper().encode()
    yield f"{text} in UTF-16", text.encode("utf-16-le")
    for shift in range(3):  # base64 of it inside something longer
        b = base64.b64encode(b"\0" * shift + raw)
        yield f"{text} in base64", b[4 if shift else 0:-4]
        yield f"{text} in base64url", b[4 if shift else 0:-4].replace(b"+", b"-").replace(b"/", b"_")


def search(folder, needles, skip=()):
    """Where any of the needles is: [(file, needle)]"""
    found, n = [], 0
    for p in sorted(pathlib.Path(folder).rglob("*")):
        if p.is_symlink() or not p.is_file() or p.name in skip:
            continue
        try:
            data = p.read_bytes()
        except OSError:
            continue
        n += 1
        found += [(str(p), name) for name, needle in needles if needle in data]
    return found, n


CONTENT = [f for c in CANARY.values() for f in forms(c)]


def upload_all():
    head = {"version": 2, "width": 80, "height": 24, "title": CANARY["Head"], "env": {"NOTE": CANARY["Env"]}, "command": CANARY["Head"]}
    lines = [json.dumps(head), json.dumps([0.1, "o", f"it says: {CANARY['Out']}\r\n"]), json.dumps([0.2, "i", CANARY["In"]]),
             json.dumps([0.3, "m", CANARY["Marker"]])] + cast_events(400, 0.1, pad=500)
    terminal = s.add("\n".join(lines).encode() + b"\n", "A terminal")
    data = json.loads(rrweb(40, text=CANARY["Node"] + " {}"))
    data[0]["data"]["href"] = f"http://shop.example/?q={CANARY['Href']}"
    data.append({"type": 5, "timestamp": data[-1]["timestamp"], "data": {"tag": "note", "payload": CANARY["Page"]}})
    page = s.add(json.dumps(data).encode(), "A page")
    import gzip
    packed = s.add(gzip.compress(json.dumps(data).replace(CANARY["Node"], CANARY["Packed"]).encode()), "A packed page")
    broken = "\n".join(lines[:50] + [f'[9,"o","{CANARY["Broken"]}"', ""]).encode()
    a = s.upload(broken).want(422, "import-broken")
    true(CANARY["Broken"] not in a.text, "the problem repeats what was sent")
    return terminal, page, packed


state = {}


@test("recordings with canaries in head, output, input, markers, pages are played by every route")
def _():
    # A large import that is cut off: what it wrote so far must not lie about either.
    data = cast(60000, 0.01, text=CANARY["Broken"] + " {}\r\n")
    s.raw(f"POST /v1/import HTTP/1.1\r\nHost: {s.host}\r\nAuthorization: Bearer {s.recorder.token}\r\nContent-Length: {len(data) + 9}\r\n\r\n".encode() + data,
          half_close=True)
    state["rids"] = upload_all()
    for rid in state["rids"]:
        g = s.open(rid, ["play", "export"])
        k, x = s.viewer.key(g, rid), s.viewer.key(g, rid, scope=["export"])
        seen = json.dumps(k.manifest()) + k.get(f"{k.path}/events").want(200).text + k.chunk(0).want(200).text
        seen += x.get(f"{x.path}/export").want(200).text
        stream = k.stream("?speed=16").wait_end(20)
        same(stream.final()[0], "end", "stream")
        seen += "".join(t for _, t in stream.content())
        wanted = {"Head", "Env", "Out", "In", "Marker"} if rid == state["rids"][0] else {"Page", "Href", "Node" if rid == state["rids"][1] else "Packed"}
        for name in wanted:
            true(CANARY[name] in seen, f"{name} did not come out: the search below would prove nothing")


@test("one that is being made is on the disk when it is acknowledged, and what it holds can be watched")
def _():
    rid = s.recorder.post("/v1/recordings", {"kind": "terminal"}).want(201).json["id"]
    body = f'{{"version":2,"width":80,"height":24,"title":"{CANARY["Live"]}"}}\n[0.5,"o","{CANARY["Live"]}"]\n'
    s.recorder.post(f"/v1/recordings/{rid}/events", body.encode(),
                    headers={"Batch-Seq": "0", "Content-Type": "application/x-ndjson"}).want(200)
    logs = list((s.dir / "log").glob("*.khl"))
    true(logs and sum(p.stat().st_size for p in logs) > 300, f"no log: {logs}")
    k = s.keyed(rid, ["play"])
    true(CANARY["Live"] in k.get(f"{k.path}/events").want(200).text, "it did not come out: the search below would prove nothing")
    state["live"] = rid


@test("no canary in any file of the server, whole or in another form, nor in its log")
def _():
    found, n = search(s.root, CONTENT)
    true(n > 8, f"only {n} files were searched")
    true(not found, f"{found}")


@test("the search finds what is there: a file with a canary in base64")
def _():
    (s.root / "planted").write_bytes(b"xx" + base64.b64encode(b"--" + CANARY["Out"].encode() + b"--"))
    found, _ = search(s.root, CONTENT)
    (s.root / "planted").unlink()
    true(found, "the search is blind")


@test("no token, key, password or cookie in any file or log, nor in what a process shows of itself")
def _():
    origin = {"Origin": s.url}
    for p in (s.viewer, s.approver):  # more of each kind, also wrong ones
        cookie = Client(s).post("/v1/login", {"user": p.name, "password": p.password}, headers=origin).want(200).headers["set-cookie"]
        Client(s).get("/v1/me", headers={"Cookie": cookie.split(";")[0]}).want(200)
    Client(s).post("/v1/login", {"user": "viewer", "password": "a wrong password " + "x" * 20})
    forged = "kst_" + "Q" * 43
    Client(s).get("/v1/me", token=forged)
    s.secrets.add(forged)
    k = s.keyed(state["rids"][0])
    Client(s).get(f"{k.path}/manifest", token=k.text[:-8] + "AAAAAAAA")
    s.secrets.add(k.text[:-8] + "AAAAAAAA")
    Client(s).get(f"{k.path}/manifest?access_token={k.text}")
    s.viewer.patch(f"/v1/users/{s.viewer.name}", {"password": "another-password-of-mine", "current_password": s.viewer.password}).want(200)
    true(len(s.secrets) > 15, f"only {len(s.secrets)} secrets were collected")
    needles = [(t[:12] + "…", t.encode()) for t in s.secrets]
    needles += [("a part of a key", p.encode()) for t in s.secrets if t.count(".") == 2 for p in t.split(".")[1:] if len(p) > 40]
    needles += [("a token without its prefix", t[4:].encode()) for t in s.secrets if re.match(r"k[si]t_", t)]
    found, _ = search(s.root, needles, skip={"admin.token"})
    true(not found, f"{found}")
    true(s.admin_token in (s.dir / "admin.token").read_text(), "admin.token")
    for name, pid in {**s.roles(), "supervisor": s.proc.pid}.items():
        for what in ("cmdline", "environ"):
            data = pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
            true(not [n for n, needle in needles if needle in data], f"a secret in {what} of the {name}")


@test("files are the owner's alone; each role has only its own open; no core dumps; the vault's memory is locked")
def _():
    for p in [s.dir, *s.dir.rglob("*")]:
        if p.name in ("tls.pem", "checkpoint"):  # made to be shown; the directory is closed all the same
            continue
        same(p.stat().st_mode & 0o077, 0, f"mode of {p}")
    may = {"gate": ("blobs", "log"), "keeper": ("meta", "audit"), "vault": ("vault",)}
    for role, pid in s.roles().items():
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        true(re.search(r"Max core file size\s+0\s+0", limits), f"the {role} may dump core")
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = pathlib.Path(os.readlink(fd))
            except OSError:
                continue
            if target.is_relative_to(s.dir) and target != s.dir:
                true(target.relative_to(s.dir).parts[0] in may[role], f"the {role} has {target} open")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        same(re.search(r"NoNewPrivs:\s+(\d)", status)[1], "1", f"NoNewPrivs of the {role}")
        if role == "vault":
            true(int(re.search(r"VmLck:\s+(\d+)", status)[1]) > 0, "the vault locks no memory")


@test("nor after the server stopped and the database was put in order")
def _():
    same(s.stop(), 0, "exit")
    found, _ = search(s.root, CONTENT)
    true(not found, f"{found}")
    found, _ = search(s.root, [(t[:12], t.encode()) for t in s.secrets], skip={"admin.token"})
    true(not found, f"{found}")
    s.start()


# ---- with a real proxy in front ----

class Nginx:
    def __init__(self, config, port):
        self.dir = s.root.parent / f"{s.root.name}-nginx-{port}"
        (self.dir / "tmp").mkdir(parents=True)
        text = f"""
daemon off; master_process on; worker_processes 1; error_log {self.dir}/error.log warn; pid {self.dir}/pid;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 200; }}
http {{
  access_log off; default_type application/octet-stream;
  {' '.join(f'{kind}_temp_path {self.dir}/tmp/{kind};' for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
  {config}
}}"""
        (self.dir / "nginx.conf").write_text(text)
        self.proc = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(self.dir), "-c", str(self.dir / "nginx.conf"), "-e",
                                      str(self.dir / "error.log")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.largest, self.seen, self.stopping = 0, set(), threading.Event()
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()

    def _watch(self):
        """Files below the temporary paths, also those that live for a moment or have no name any more."""
        while not self.stopping.is_set():
            files = [p for p in (self.dir / "tmp").rglob("*") if p.is_file()]
            for pid in self.pids():
                try:
                    files += [fd for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir() if str(self.dir / "tmp") in os.readlink(fd)]
                except OSError:
                    pass
            for f in files:
                try:
                    data = f.read_bytes()
                except OSError:
                    continue
                self.largest = max(self.largest, len(data))
                self.seen.update(name for name, needle in CONTENT if needle in data)
            time.sleep(0.005)

    def pids(self):
        out = [self.proc.pid]
        try:
            out += [int(p) for p in pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text().split()]
        except OSError:
            pass
        return out

    def stop(self):
        self.stopping.set()
        self.watch.join()
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait(10)
        log = (self.dir / "error.log").read_text() if (self.dir / "error.log").exists() else ""
        shutil.rmtree(self.dir, ignore_errors=True)
        return log


def behind(config, front, header, tls=False, cafile=None):
    p = Server("--behind-proxy", "--url", f"https://localhost:{front}", "--trusted-proxy", "127.0.0.1/32", front=front, tls=tls, cafile=cafile, start=False)
    p.conf.write_text(p.conf.read_text().replace("header = forwarded", f"header = {header}"))
    n = Nginx(config.replace("@PORT@", str(p.port)), front)
    p.start()
    until(lambda: Client(p).get("/livez").status == 200, 10, "nginx")
    return p.cast(), n


def through_proxy(p, n, imports, bound):
    """The story through the proxy; nothing of it stays there; the cut at the window's end reaches the client."""
    data = cast(6000, 0.02, text=CANARY["Out"] + " {}\r\n", pad=1000)  # 6 MB
    if imports:
        rid = p.add(data)
    else:
        rid = p.upload(data, client=Client(p, token=p.recorder.token, port=p.port, headers={"Forwarded": "for=127.0.0.1;proto=https"})).want(201).json["id"]
    k = p.keyed(rid)
    same(len(k.get(f"{k.path}/events").want(200).text.splitlines()), 6002, "events through the proxy")
    k.stream("?speed=16&from_ms=0&to_ms=3000").wait_end(10)
    p.viewer.post(f"/v1/grants/{k.claims['gid']}/relinquish").want(200)
    # A slow client, a window that ends.
    k = p.keyed(rid, duration_s=4)
    slow = p.connect(timeout=10 * SLOW, rcvbuf=8192)
    slow.sendall(f"GET {k.path}/events HTTP/1.1\r\nHost: {p.host}\r\nAuthorization: Bearer {k.text}\r\n\r\n".encode())
    end, got, after = None, 0, 0
    end = time.mktime(time.localtime(k.claims["wend"])) + 1  # the key says whole seconds; the grant ends within the next
    slow.settimeout(3 * SLOW)
    try:
        while time.time() < end + 20:
            part = slow.recv(4096 if time.time() < end else 65536)
            if not part:
                break
            got += len(part)
            if time.time() >= end:
                after += len(part)
            else:
                time.sleep(0.05)
    except OSError:
        pass
    slow.close()
    true(got > 10000, f"the slow client got {got} bytes")
    true(got < len(data) / 2, f"the slow client got {got} of {len(data)} bytes: it was not slow")
    true(after <= bound, f"{after} bytes came after the window's end")
    true(not n.seen, f"content in the proxy's files: {n.seen}")
    return after


def forwarded(p, header):
    """Who the client is: the trusted proxy's word, and nobody else's."""
    def told(address):
        return {"Forwarded": f"for={address};proto=https"} if header == "forwarded" else {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    rid = p.upload(cast(10), client=Client(p, token=p.recorder.token, port=p.port, headers=told("127.0.0.1"))).want(201).json["id"]
    g = p.open(rid)
    direct = Client(p, token=p.viewer.token, port=p.port)
    a = direct.post(f"/v1/grants/{g}/keys", {"recording": rid}, headers=told("10.1.2.3")).want(201)
    key = Client(p, token=a.json["key"], port=p.port)
    path = f"/v1/replay/{rid}/manifest"
    same(key.get(path, headers=told("10.1.2.77")).status, 200, "the same /24")
    key.get(path, headers=told("10.1.3.3")).want(401, "key-binding")
    key.get(path, headers=told("203.0.113.9")).want(401, "key-binding")
    # the same words from an address that is not the proxy's are nobody's
    import http.client
    conn = http.client.HTTPConnection("127.0.0.1", p.port, timeout=10, source_address=("127.0.0.2", 0))
    conn.request("GET", path, headers={"Host": p.host, "Authorization": f"Bearer {a.json['key']}", **told("10.1.2.3")})
    r = conn.getresponse()
    body = r.read()
    true(r.status != 200 and b'"chunks"' not in body, f"from elsewhere: {r.status} {body[:300]}")
    conn.close()
    # what a client writes into the header itself is behind what the proxy says
    a = Client(p, token=a.json["key"]).get(path, headers=told("10.1.2.3"))
    same((a.status, a.code), (401, "key-binding"), "a client's own word through the proxy")
    p.viewer.post(f"/v1/grants/{g}/relinquish").want(200)


@test("nginx in front with its own defaults: content is in none of its files, the window's end reaches the client")
def _():
    if not (shutil.which("nginx") or os.path.exists("/usr/sbin/nginx")):
        raise Skip("no nginx here")
    front = take_port()
    p, n = behind(f"""server {{ listen 127.0.0.1:{front}; client_max_body_size 100m;
      location / {{ proxy_pass http://127.0.0.1:@PORT@; proxy_http_version 1.1; proxy_set_header Host $http_host;
                    proxy_set_header Forwarded "for=$remote_addr;proto=https"; }} }}""", front, "forwarded")
    try:
        after = through_proxy(p, n, imports=False, bound=2 << 20)  # the sockets of a proxy that nobody told
        forwarded(p, "forwarded")
        print(f"                 {after} bytes after the end, largest file {n.largest}")
    finally:
        log = n.stop()
    true("emerg" not in log, log)
    for trouble in p.finish():
        true(False, trouble)


@test("nginx in front with our recipe: the same, imports too")
def _():
    if not (shutil.which("nginx") or os.path.exists("/usr/sbin/nginx")):
        raise Skip("no nginx here")
    front, tls = take_port(), Server(tls=True, start=False)
    recipe = (SRC / "packaging" / "proxy" / "nginx.conf").read_text()
    for old, new in (("listen 443 ssl ", f"listen 127.0.0.1:{front} ssl "), ("rec.example.com rec-player.example.com", "localhost"),
                     ("/etc/ssl/rec.example.com.pem", f"{tls.dir}/tls.pem"), ("/etc/ssl/rec.example.com.key", f"{tls.dir}/tls.key"),
                     ("127.0.0.1:8443", "127.0.0.1:@PORT@")):
        true(old in recipe, f"the recipe has no {old}")
        recipe = recipe.replace(old, new)
    p, n = behind(recipe, front, "x-forwarded-for", tls=True, cafile=tls.dir / "tls.pem")
    try:
        after = through_proxy(p, n, imports=True, bound=512 << 10)
        forwarded(p, "x-forwarded-for")
        print(f"                 {after} bytes after the end, largest file {n.largest}")
        same(n.largest, 0, "bytes in a file of the proxy")
    finally:
        log = n.stop()
    true("emerg" not in log, log)
    tls.finish()
    for trouble in p.finish():
        true(False, trouble)


test.run()
