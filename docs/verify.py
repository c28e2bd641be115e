#!/usr/bin/env python3
"""Check an audit log of Keyhole, or the receipt of one record, without any code of Keyhole's. Python's standard library only.

    verify.py VKEY LOG                  a whole log: LOG is a directory with `checkpoint` and `tile/`, or the address
                                        https://<host>/v1/audit/<log> (an auditor's token in KEYHOLE_TOKEN)
    verify.py VKEY LOG --since FILE     also: the checkpoint in FILE, kept from before, is a beginning of this log
    verify.py VKEY --receipt FILE       one record, offline

VKEY is a file with the log's public key, as `keyhole audit vkey` printed it on a day when you trusted the server: one line for
each log. The rules are in docs/formats/audit.md; they are C2SP's tlog-tiles, tlog-checkpoint, signed-note and tlog-proof over RFC 6962
trees. Exit status 0: good; 1: it is not what was signed (the reason is printed); 2: wrong use.
"""
import base64
import hashlib
import json
import os
import re
import sys
import urllib.error
import urllib.request


class Bad(Exception):
    """The log, or the receipt, is not what was signed."""


# ---- Ed25519 (RFC 8032 5.1), verification only ----

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    x = (a[1] - a[0]) * (b[1] - b[0]) % P
    y = (a[1] + a[0]) * (b[1] + b[0]) % P
    z, t = 2 * a[2] * b[2] % P, 2 * a[3] * b[3] * D % P
    e, f, g, h = y - x, z - t, z + t, y + x
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(n, a):
    sum_ = (0, 1, 1, 0)
    while n:
        if n & 1:
            sum_ = point_add(sum_, a)
        a, n = point_add(a, a), n >> 1
    return sum_


def point_of(text):
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        raise Bad("a point that is not on the curve")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P or (x == 0 and sign):
        raise Bad("a point that is not on the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_good(pk, text, sig):
    a, r, s = point_of(pk), point_of(sig[:32]), int.from_bytes(sig[32:], "little")
    if s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + pk + text).digest(), "little") % Q
    left, right = point_mul(s, BASE), point_add(r, point_mul(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# ---- signed notes and checkpoints ----

def base64_strict(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as e:
        raise Bad(f"not base64: {e}") from None
    if base64.b64encode(raw).decode() != text:
        raise Bad("base64 in another spelling than the one there is")
    return raw


def decimal(text):
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text):
        raise Bad(f"not a size: {text[:20]!r}")
    return int(text)


class Key:
    def __init__(self, line):
        name, id_, rest = line.split("+", 2)
        raw = base64.b64decode(rest, validate=True)
        if len(raw) != 33 or raw[0] != 1 or hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != id_:
            raise ValueError(f"{name}: not an Ed25519 key of a log")
        self.name, self.id, self.pk = name, bytes.fromhex(id_), raw[1:]

    def of(self, origin):
        """The same public key under the name of another log of this server."""
        raw = b"\x01" + self.pk
        id_ = hashlib.sha256(origin.encode() + b"\n" + raw).hexdigest()[:8]
        return Key(f"{origin}+{id_}+{base64.b64encode(raw).decode()}")


def read_keys(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.strip() for line in f]
    return [Key(line) for line in lines if line and not line.startswith("#")]


def key_for(keys, origin):
    for k in keys:
        if k.name == origin:
            return k
    host = origin.partition("/v1/audit/")[0]
    same_server = {k.pk: k for k in keys if k.name.partition("/v1/audit/")[0] == host}
    if len(same_server) != 1:
        raise Bad(f"no key is given for {origin[:80]!r}")
    return next(iter(same_server.values())).of(origin)


def open_checkpoint(note, keys):
    """(origin, size, root) of a checkpoint that the log's key signed."""
    try:
        text, sep, signatures = note.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise Bad("the checkpoint is not text") from None
    if not sep or not signatures.endswith("\n"):
        raise Bad("the checkpoint is cut")
    lines = text.split("\n")
    if len(lines) != 3:
        raise Bad("a checkpoint has three lines: origin, size, root")
    key = key_for(keys, lines[0])
    size, root = decimal(lines[1]), base64_strict(lines[2])
    if len(root) != 32:
        raise Bad("the root is not 32 bytes")
    found = False
    for line in signatures[:-1].split("\n"):
        m = re.fullmatch(r"— ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        if m is None:
            raise Bad("a signature line of another form")
        raw = base64_strict(m[2])
        if m[1] != key.name or raw[:4] != key.id:
            continue  # another signer's, a witness's perhaps
        if found or len(raw) != 68 or not ed25519_good(key.pk, text.encode() + b"\n", raw[4:]):
            raise Bad("the checkpoint's signature is false")
        found = True
    if not found:
        raise Bad("the log's key has not signed this checkpoint")
    return lines[0], size, root


# ---- RFC 6962 trees ----

def leaf_hash(leaf):
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes):
    """Root of the leaves with these hashes (RFC 6962 2.1), by their perfect subtrees."""
    stack = []  # (leaves below, hash)
    for h in hashes:
        n = 1
        while stack and stack[-1][0] == n:
            h, n = node_hash(stack.pop()[1], h), n * 2
        stack.append((n, h))
    if not stack:
        return hashlib.sha256(b"").digest()
    h = stack.pop()[1]
    while stack:
        h = node_hash(stack.pop()[1], h)
    return h


def root_by_path(leaf, index, size, path):
    """RFC 9162 2.1.3.2: where the path leads from this leaf."""
    h, at, last = leaf, index, size - 1
    for p in path:
        if last == 0:
            raise Bad("the path is too long")
        if at & 1 or at == last:
            h = node_hash(p, h)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            h = node_hash(h, p)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Bad("the path is too short")
    return h


# ---- tiles ----

def group(n):
    text = f"{n % 1000:03}"
    while n >= 1000:
        n //= 1000
        text = f"x{n % 1000:03}/{text}"
    return text


def tiles_of(size):
    """(level, N, width) of every tile of a tree of 'size' leaves."""
    level, width = 0, size
    while width > 0:
        for n in range((width + 255) // 256):
            yield level, n, min(256, width - 256 * n)
        level, width = level + 1, width >> 8


def tile_name(level, n, width):
    return f"tile/{level}/{group(n)}" + (f".p/{width}" if width < 256 else "")


class Directory:
    def __init__(self, path):
        self.path = path

    def read(self, name):
        try:
            with open(os.path.join(self.path, name), "rb") as f:
                return f.read()
        except OSError as e:
            raise Bad(f"{name}: {e.strerror}") from None


class Address:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def read(self, name):
        request = urllib.request.Request(f"{self.url}/{name}")
        if "KEYHOLE_TOKEN" in os.environ:
            request.add_header("Authorization", "Bearer " + os.environ["KEYHOLE_TOKEN"])
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read()
        except urllib.error.HTTPError as e:
            raise Bad(f"{name}: HTTP {e.code}") from None


def entries_of(raw, n):
    out = []
    while raw:
        length = int.from_bytes(raw[:2], "big")
        if len(raw) < 2 + length:
            raise Bad("a bundle of entries is cut")
        out.append(raw[2:2 + length])
        raw = raw[2 + length:]
    if len(out) != n:
        raise Bad(f"a bundle has {len(out)} entries in place of {n}")
    return out


# ---- the log ----

def no_twins(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def read_leaf(raw, index, log):
    try:
        leaf = json.loads(raw.decode("utf-8"), object_pairs_hook=no_twins)
    except ValueError as e:
        raise Bad(f"record {index} is not JSON: {e}") from None
    if not isinstance(leaf, dict) or leaf.get("v") != 1 or leaf.get("i") != index or leaf.get("log") != log:
        raise Bad(f"record {index} says that it is another one")
    if not isinstance(leaf.get("type"), str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(leaf.get("t"))):
        raise Bad(f"record {index} has no type or no time")
    return leaf


def check_continued(leaf, log, origin, keys):
    """The first record of a later generation carries the newest checkpoint of the one before."""
    base, tilde, number = log.partition("~")
    if not tilde:
        return
    before = base if number == "2" else f"{base}~{int(number) - 1}"
    if leaf["type"] != "log.continued" or leaf.get("obj") != before:
        raise Bad(f"{log} does not name {before}, which it continues")
    if leaf.get("note"):
        old, _, _ = open_checkpoint(leaf["note"].encode(), keys)
        if old != origin.partition("/v1/audit/")[0] + "/v1/audit/" + before:
            raise Bad(f"{log} continues another log than {before}")


def check_log(source, keys, since=None):
    """Every record, every tile, the root, the signature. Returns (origin, size, root)."""
    origin, size, root = open_checkpoint(source.read("checkpoint"), keys)
    log = origin.rpartition("/")[2]
    hashes, time, kept = [], "", None
    if since is not None:
        old_origin, old_size, old_root = kept = open_checkpoint(since, keys)
        if old_origin != origin or old_size > size:
            raise Bad(f"the checkpoint that was kept is of {old_origin} with {old_size} records; this is {origin} with {size}")
    for level, n, width in tiles_of(size):
        if level > 0:
            continue
        bundle = source.read(tile_name("entries", n, width))
        for i, raw in enumerate(entries_of(bundle, width), 256 * n):
            leaf = read_leaf(raw, i, log)
            if leaf["t"] < time:
                raise Bad(f"record {i} is older than the one before it")
            if i == 0:
                check_continued(leaf, log, origin, keys)
            time = leaf["t"]
            hashes.append(leaf_hash(raw))
    if root_of(hashes) != root:
        raise Bad("the records are not those that were signed: another root")
    if kept is not None and root_of(hashes[:old_size]) != old_root:
        raise Bad("the checkpoint that was kept is not a beginning of this log: it was rewritten")
    row, at = hashes, 0
    for level, n, width in tiles_of(size):
        while at < level:
            row, at = [root_of(row[i:i + 256]) for i in range(0, len(row) - 255, 256)], at + 1
        if source.read(tile_name(level, n, width)) != b"".join(row[256 * n:256 * n + width]):
            raise Bad(f"{tile_name(level, n, width)} does not hold the hashes of the records")
    return origin, size, root


# ---- the receipt ----

def check_receipt(text, keys):
    """The record that a .tlog-proof is about: (origin, index, leaf)."""
    head, sep, note = text.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Bad("the receipt is not text") from None
    if not sep or len(lines) < 3 or lines[0] != "c2sp.org/tlog-proof@v1" or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise Bad("this is no receipt of a log's record")
    raw, index = base64_strict(lines[1][6:]), decimal(lines[2][6:])
    path = [base64_strict(line) for line in lines[3:]]
    origin, size, root = open_checkpoint(note, keys)
    if index >= size or any(len(p) != 32 for p in path):
        raise Bad("the receipt is about no record of its checkpoint")
    if root_by_path(leaf_hash(raw), index, size, path) != root:
        raise Bad("the record is not in the log that was signed")
    return origin, index, read_leaf(raw, index, origin.rpartition("/")[2])


def main(argv):
    args = argv[1:]
    option = next((a for a in args if a in ("--receipt", "--since")), None)
    at = args.index(option) if option else len(args)
    if any(a in ("-h", "--help") for a in args):
        print(__doc__.strip())
        return 0
    if len(args) != (at + 2 if option else 2) or at != (1 if option == "--receipt" else 2):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        keys = read_keys(args[0])
        kept = None
        if option:
            with open(args[at + 1], "rb") as f:
                kept = f.read()
    except (OSError, ValueError) as e:
        print(f"verify.py: {e}", file=sys.stderr)
        return 2
    try:
        if option == "--receipt":
            origin, index, leaf = check_receipt(kept, keys)
            print(f"good: record {index} of {origin}\n{json.dumps(leaf, ensure_ascii=True)}")
        else:
            source = Address(args[1]) if "://" in args[1] else Directory(args[1])
            origin, size, root = check_log(source, keys, kept)
            print(f"good: {origin}, {size} records, root {base64.b64encode(root).decode()}")
    except Bad as e:
        print(f"BAD: {e}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
