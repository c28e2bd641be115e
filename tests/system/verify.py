#!/usr/bin/env python3
"""An outsider checks the log without our code (STANDARDS 3.10): docs/verify.py (Python's standard library), tests/verify/verify.go
(Debian's golang.org/x/mod/sumdb, by others) and `keyhole audit verify` see the same, accept what is whole and refuse what is not.

Logs made here, signed by openssl, stand beside those of a real server: the three programs then agree on what none of us wrote.
"""
import base64
import functools
import hashlib
import importlib.util
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

from _server import KEYHOLE, SRC, Failed, Server, Skip, Tests, cast, same, true, until

SEED = int(os.environ.get("KEYHOLE_SEED", "20261122"))
MUTATIONS = 10000

NEWLINE = b"\n"

test = Tests()
where = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-verify-"))

spec = importlib.util.spec_from_file_location("verify", SRC / "docs" / "verify.py")
outsider = importlib.util.module_from_spec(spec)
spec.loader.exec_module(outsider)
outsider.ed25519_good = functools.lru_cache(maxsize=None)(outsider.ed25519_good)  # the same signature a thousand times


# ---- the programs ----

@functools.lru_cache(maxsize=None)
def go():
    """The Go program, built once. Debian's Go keeps its libraries below /usr/share/gocode."""
    if shutil.which("go") is None or not pathlib.Path("/usr/share/gocode/src/golang.org/x/mod/sumdb").exists():
        raise Skip("golang-go or golang-golang-x-mod-dev is not there")
    out = where / "verify-go"
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(where / "gocache"), "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", out, SRC / "tests" / "verify" / "verify.go"], check=True, env=env, cwd=where)
    return out


def run(*argv, **env):
    p = subprocess.run([str(a) for a in argv], capture_output=True, text=True, cwd=where, env={**os.environ, **env}, timeout=600)
    true(p.returncode in (0, 1), f"{argv}: {p.returncode}: {p.stdout}{p.stderr}")
    return p.returncode == 0, p.stdout


def by_python(keys, *args, **env):
    return run("python3", SRC / "docs" / "verify.py", keys, *args, **env)


def by_go(keys, *args):
    args = ["-since" if a == "--since" else "-receipt" if a == "--receipt" else a for a in args]
    return run(go(), keys, *args)


def by_us(keys, *args):
    return run(KEYHOLE, "audit", "verify", "--vkey", keys, *args)


PROGRAMS = (by_python, by_go, by_us)


def agree(good, keys, *args):
    for program in PROGRAMS:
        try:
            said, text = program(keys, *args)
        except Skip:
            continue
        same(said, good, f"{program.__name__}{args}: {text}")


# ---- logs of our own making ----

class Signer:
    """An Ed25519 key, by openssl."""

    def __init__(self, name):
        self.pem = where / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.pem], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.pem, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        self.pk = der[-32:]

    def vkey(self, name):
        raw = b"\x01" + self.pk
        return f"{name}+{hashlib.sha256(name.encode() + NEWLINE + raw).hexdigest()[:8]}+{base64.b64encode(raw).decode()}"

    def note(self, origin, size, root):
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
        tbs = where / "tbs"
        tbs.write_bytes(text)
        sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.pem, "-in", tbs], check=True, capture_output=True).stdout
        id_ = hashlib.sha256(origin.encode() + b"\n\x01" + self.pk).digest()[:4]
        return text + f"\n— {origin} {base64.b64encode(id_ + sig).decode()}\n".encode()


def leaf(log, i, t=None, **more):
    t = t or f"2026-11-02T09:{i // 60000 % 60:02}:{i // 1000 % 60:02}.{i % 1000:03}Z"
    return json.dumps({"v": 1, "log": log, "i": i, "t": t, "type": "api.read", "actor": "u_8zYGTnU-_hqeQ2Lx", "outcome": "ok", **more},
                      separators=(",", ":")).encode()


class Log:
    """A log as tiles, written by the rules of docs/formats/audit.md and nothing else."""

    def __init__(self, name, size, signer, leaves=None, log="p_zNe2lKL4dQxW8s0b"):
        self.dir, self.signer, self.origin = where / name, signer, f"rec.example.com/v1/audit/{log}"
        self.leaves = leaves or [leaf(log, i) for i in range(size)]
        self.keys = where / f"{name}.vkey"
        self.keys.write_text(signer.vkey(self.origin) + "\n")
        self.write()

    def write(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        row = [hashlib.sha256(b"\x00" + x).digest() for x in self.leaves]
        self.root = outsider.root_of(row)
        level = 0
        while row:
            for n in range((len(row) + 255) // 256):
                part = row[256 * n:256 * n + 256]
                self.put(outsider.tile_name(level, n, len(part)), b"".join(part))
            if level == 0:
                for n in range((len(row) + 255) // 256):
                    part = self.leaves[256 * n:256 * n + 256]
                    self.put(outsider.tile_name("entries", n, len(part)), b"".join(len(x).to_bytes(2, "big") + x for x in part))
            row, level = [outsider.root_of(row[i:i + 256]) for i in range(0, len(row) - 255, 256)], level + 1
        self.checkpoint = self.signer.note(self.origin, len(self.leaves), self.root)
        self.put("checkpoint", self.checkpoint)
        return self

    def put(self, name, data):
        (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
        (self.dir / name).write_bytes(data)

    def receipt(self, index):
        row, path, at = [hashlib.sha256(b"\x00" + x).digest() for x in self.leaves], [], index
        path = inclusion(row, at)
        text = f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(self.leaves[index]).decode()}\nindex {index}\n"
        return (text + "".join(base64.b64encode(h).decode() + "\n" for h in path) + "\n").encode() + self.checkpoint


def inclusion(row, at):
    """RFC 6962 2.1.1, as it is written there."""
    if len(row) == 1:
        return []
    k = 1
    while 2 * k < len(row):
        k *= 2
    if at < k:
        return inclusion(row[:k], at) + [outsider.root_of(row[k:])]
    return inclusion(row[k:], at - k) + [outsider.root_of(row[:k])]


signer = Signer("log")
log700 = Log("log700", 700, signer)


# ---- whole logs ----

@test("logs of every shape are accepted by all three")
def _():
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 700):
        made = Log(f"shape{size}", size, signer)
        agree(True, made.keys, made.dir)


@test("a tree of three levels of tiles, 66 000 records")
def _():
    made = Log("large", 66000, signer)
    agree(True, made.keys, made.dir)
    (made.dir / "tile/1/001.p/1").unlink()
    agree(False, made.keys, made.dir)


@test("a log whose history was rewritten under the same key is found by a kept checkpoint")
def _():
    old = Log("old", 300, signer)
    kept = where / "kept"
    kept.write_bytes(old.checkpoint)
    agree(True, log700.keys, log700.dir, "--since", kept)
    forked = [leaf("p_zNe2lKL4dQxW8s0b", i, outcome="x") if i == 17 else x for i, x in enumerate(log700.leaves)]
    fork = Log("fork", 700, signer, forked)
    agree(True, fork.keys, fork.dir)  # by itself it is whole
    agree(False, fork.keys, fork.dir, "--since", kept)
    shorter = Log("shorter", 299, signer)
    agree(False, shorter.keys, shorter.dir, "--since", kept)


@test("another key, another log, no key: refused")
def _():
    other = Signer("other")
    keys = where / "other.vkey"
    keys.write_text(other.vkey(log700.origin) + "\n")
    agree(False, keys, log700.dir)
    moved = Log("moved", 3, signer, [leaf("p_zNe2lKL4dQxW8s0b", i) for i in range(3)], log="p_AAAAAAAAAAAAAAAA")
    agree(False, moved.keys, moved.dir)  # its records say another log


@test("records dropped, swapped, repeated, older than the one before, with tiles made anew and signed")
def _():
    name = "p_zNe2lKL4dQxW8s0b"
    whole = [leaf(name, i) for i in range(300)]
    for what, bad in (("dropped", whole[:100] + whole[101:]), ("swapped", whole[:100] + [whole[101], whole[100]] + whole[102:]),
                      ("repeated", whole[:100] + [whole[99]] + whole[100:]), ("no JSON", whole[:100] + [b"{}"] + whole[101:]),
                      ("older", whole[:100] + [leaf(name, 100, t="2026-11-02T08:00:00.000Z")] + whole[101:])):
        made = Log("bad-" + what.replace(" ", "-"), 0, signer, bad)
        agree(False, made.keys, made.dir)


def damage(data, r):
    """As the Go program does: a bit, a byte less or more, a cut, two pieces swapped."""
    while True:
        at, how, out = r.randrange(len(data)), r.randrange(5), bytearray(data)
        if how == 0:
            out[at] ^= 1 << r.randrange(8)
        elif how == 1:
            del out[at]
        elif how == 2:
            out.insert(at, r.randrange(256))
        elif how == 3:
            del out[at:]
        else:
            to = r.randrange(len(data))
            n = min(32, len(data) - at, len(data) - to)
            a, b = data[at:at + n], data[to:to + n]
            out[at:at + n] = b
            out[to:to + n] = a
        if bytes(out) != data:
            return bytes(out)


class Memory:
    def __init__(self, files):
        self.files = files

    def read(self, name):
        if name not in self.files:
            raise outsider.Bad(f"{name}: not there")
        return self.files[name]


def files_of(made):
    return {str(p.relative_to(made.dir)): p.read_bytes() for p in made.dir.rglob("*") if p.is_file()}


@test("damaged copies are refused, every one: Python, 10 000 of a log and 10 000 of a receipt")
def _():
    made = Log("short", 300, signer)
    keys, files, r = outsider.read_keys(made.keys), files_of(made), random.Random(SEED)
    receipt, names = made.receipt(123), sorted(files)
    outsider.check_log(Memory(files), keys)
    outsider.check_receipt(receipt, keys)
    for i in range(MUTATIONS):
        name = r.choice(names)
        copy = {**files, name: damage(files[name], r)}
        for what, check in ((name, lambda: outsider.check_log(Memory(copy), keys)),
                            ("receipt", lambda: outsider.check_receipt(damage(receipt, r), keys))):
            try:
                check()
            except outsider.Bad:
                continue
            raise Failed(f"mutation {i} of {what} was accepted (seed {SEED})")


@test("damaged copies are refused, every one: Go, 10 000 of a log and 10 000 of a receipt")
def _():
    made = Log("short-go", 300, signer)
    file = where / "receipt"
    file.write_bytes(made.receipt(299))
    good, text = run(go(), made.keys, made.dir, "-mutate", MUTATIONS, SEED)
    true(good, text)
    good, text = run(go(), made.keys, "-receipt", file, "-mutate", MUTATIONS, SEED)
    true(good, text)


@test("damaged files are refused: keyhole audit verify")
def _():
    made = Log("short-us", 300, signer)
    files, r = files_of(made), random.Random(SEED + 1)
    file = where / "receipt-us"
    file.write_bytes(made.receipt(42))
    agree(True, made.keys, "--receipt", file)
    for i in range(60):
        name = r.choice(sorted(files))
        made.put(name, damage(files[name], r))
        good, text = by_us(made.keys, made.dir)
        true(not good, f"damage {i} of {name} was accepted: {text}")
        made.put(name, files[name])
    for i in range(60):
        file.write_bytes(damage(made.receipt(42), r))
        good, text = by_us(made.keys, "--receipt", file)
        true(not good, f"damage {i} of the receipt was accepted: {text}")


@test("receipts of first, last and middle records, of trees of any size")
def _():
    for size in (1, 2, 3, 7, 8, 255, 256, 300):
        made = Log(f"receipts{size}", size, signer)
        for index in {0, size // 2, size - 1}:
            file = where / f"receipt{size}-{index}"
            file.write_bytes(made.receipt(index))
            agree(True, made.keys, "--receipt", file)


# ---- a real server ----

def busy_server():
    s = Server().cast()
    recording = s.add(cast(50))
    key = s.keyed(recording)
    for n in range(3):
        key.chunk(0)
    other = s.add(cast(50))
    for n in range(150):  # more than a tile of records in one log
        s.viewer.post("/v1/requests/" + s.viewer.ask([other])["id"] + "/cancel").want(200)
    return s


def settled(s, log):
    """Its tiles, when the checkpoint has caught up with the table."""
    directory = pathlib.Path(s.dir) / "audit" / log

    def done():
        size = s.auditor.get(f"/v1/audit/events?log={log}&limit=1").want(200).json["size"]
        note = directory / "checkpoint"
        return note.exists() and int(note.read_text().splitlines()[1]) >= size - 3
    until(done, 15, f"tiles of {log}")
    return directory


server = None


@test("the log of a server that was used: its directory, its address, a receipt of each kind of record")
def _():
    global server
    server = s = busy_server()
    keys = where / "server.vkey"
    keys.write_text("".join(s.auditor.get(f"/v1/audit/{log}/vkey").want(200).text for log in ("system", s.project())))
    for log in ("system", s.project()):
        settled(s, log)
        frozen = where / ("frozen-" + log)
        until(lambda: copy_whole(s, log, frozen, keys), 20, "a copy between two checkpoints")
        agree(True, keys, frozen)
        good, text = by_python(keys, f"{s.url}/v1/audit/{log}", KEYHOLE_TOKEN=s.auditor.token)
        true(good, text)
    seen, leaves = set(), s.leaves()
    for i, (_, record) in enumerate(leaves):
        if record["type"] in seen:
            continue
        seen.add(record["type"])
        answer = until(lambda: receipt_of(s, s.project(), i), 6, "a receipt")
        file = where / f"server-receipt-{i}"
        file.write_bytes(answer)
        agree(True, keys, "--receipt", file)
    true({"project.created", "request.created", "request.voted", "grant.activated", "key.issued", "replay.leased", "vault.released"} <= seen, sorted(seen))


def copy_whole(s, log, to, keys):
    shutil.rmtree(to, ignore_errors=True)
    try:
        shutil.copytree(pathlib.Path(s.dir) / "audit" / log, to)
    except shutil.Error:
        return False  # a partial tile went away meanwhile
    return by_python(keys, to)[0]


def receipt_of(s, log, index):
    a = s.auditor.get(f"/v1/audit/{log}/proof?index={index}")
    return a.body if a.status == 200 else None


@test("who may not read the log gets no tile, no checkpoint and no receipt")
def _():
    s, log = server, server.project()
    for path in ("checkpoint", "tile/0/000", "tile/entries/000", "proof?index=0"):
        for client, want in ((s.viewer, (403, 404)), (s.recorder, (401, 403, 404))):
            a = client.get(f"/v1/audit/{log}/{path}")
            true(a.status in want, f"{path}: {a}")


test.run()
