"""Chunks over kept connections: TLS with 32 KiB, clear with 1 KiB, beside the same bytes as plain files behind nginx's secure_link.

Each block of a job file is one viewer with a key of its own: manifest, then every chunk once. So a round has the check of a key first seen, a lease
before each chunk, the release of the recording's key, reading and decrypting: all that a viewing costs but the waiting. "again" asks, on
the same connection, for chunks that are leased already.
"""
import contextlib
import json
import pathlib
import random
import re
import shutil
import string
import tempfile

from figures import case
from house import House, generator, measured
from nginx import Nghttpd, Nginx, available

CONNS = 64
ENCODING = "Accept-Encoding: zstd"
HEADER = pathlib.Path(__file__).resolve().parents[2] / "src" / "format" / "segment.h"


def chunk(which):
    return int(re.search(rf"^#define SEGMENT_CHUNK_{which}\s+\((\d+)u << 10\)", HEADER.read_text(encoding="utf-8"), re.M)[1]) << 10


def recording(n_chunks, packed, seed):
    """rrweb events: n_chunks chunks, or more, that zstd makes about 'packed' bytes of, by mixing noise with what repeats. What is all repetition (packed 0) may be cut longer."""
    r = random.Random(seed)
    page = {"type": 0, "id": 1, "childNodes": [{"type": 2, "id": 2, "tagName": "p", "attributes": {}, "childNodes": [{"type": 3, "id": 17, "textContent": ""}]}]}
    out = [json.dumps({"type": 4, "timestamp": 1000, "data": {"href": "https://shop.example/", "width": 800, "height": 600}}),
           json.dumps({"type": 2, "timestamp": 1000, "data": {"node": page, "initialOffset": {"top": 0, "left": 0}}})]
    line = json.dumps({"type": 3, "timestamp": 1000, "data": {"source": 0, "texts": [{"id": 17, "value": "%s"}]}})
    size = 1024
    per_chunk = chunk("USUAL" if packed else "MAX") // size
    noise = max(1, int((packed - 700) / per_chunk / 0.76)) if packed > 1500 else 0
    at = 1000
    for _ in range(n_chunks * per_chunk):
        at += 20
        text = "".join(r.choices(string.ascii_letters + string.digits + "-_", k=noise)) if noise else ""
        out.append(line.replace("1000", str(at), 1) % text.ljust(size - len(line), "."))
    return "\n".join(out).encode()


def small(packed, seed):
    """One short recording whose only chunk is about 'packed' bytes."""
    r = random.Random(seed)
    noise = "".join(r.choices(string.ascii_letters + string.digits + "-_", k=int((packed - 120) / 0.77)))
    return json.dumps({"type": 4, "timestamp": 1000, "data": {"href": "https://shop.example/" + noise, "width": 800, "height": 600}}).encode()


def write_jobs(path, jobs):
    path.write_text("\n\n".join("\n".join([*headers, *(f"GET {p}" for p in paths)]) for headers, paths in jobs) + "\n", encoding="ascii")
    return path


class Cast:
    """people × recordings: as many keys as there are pairs."""

    def __init__(self, house, recordings, people):
        self.house, self.recordings = house, recordings
        self.tokens = [house.viewer() for _ in range(people)]
        self.grants = [house.grant(t, recordings) for t in self.tokens]

    def pairs(self):
        return [(t, g, rid) for rid in self.recordings for t, g in zip(self.tokens, self.grants)]

    def jobs(self, n_chunks, repeat=1, manifest=True):
        pairs = self.pairs()
        keys = self.house.keys(pairs)
        return [([f"Authorization: Bearer {k}", ENCODING],
                 ([f"/v1/replay/{rid}/manifest"] if manifest else []) + [f"/v1/replay/{rid}/chunks/{n}" for n in range(n_chunks)] * repeat)
                for (_, _, rid), k in zip(pairs, keys)]


def save_chunks(house, cast, n_chunks, root, wanted=None):
    """The answers' bodies, as files for nginx: {recording: [paths]}. A row that says how large they are has to have them so."""
    paths, sizes = {}, []
    pairs = [(cast.tokens[0], cast.grants[0], rid) for rid in cast.recordings]
    for (_, _, rid), key in zip(pairs, house.keys(pairs)):
        paths[rid] = []
        for n in range(n_chunks):
            status, body = house.call("GET", f"/v1/replay/{rid}/chunks/{n}", token=key, headers={"Accept-Encoding": "zstd"})
            if status != 200:
                raise SystemExit(f"bench: chunk {n} of {rid}: {status} {body[:300]!r}")
            (root / f"{rid}-{n}").write_bytes(body)
            paths[rid].append(f"/{rid}-{n}")
            sizes.append(len(body))
    mean = sum(sizes) / len(sizes)
    if wanted and not 0.9 < mean / wanted < 1.1:
        raise SystemExit(f"bench: bodies of {mean:.0f} bytes, where {wanted} are wanted")
    return paths, mean


def run_get(build, address, ca, jobs, pids, seconds=None, http2=False):
    args = ["--conns", CONNS] + (["--http2"] if http2 else []) + (["--ca", ca] if ca else []) + (["--seconds", seconds, "--stay"] if seconds else [])
    report, used = measured(generator(build, "bench-get", *args, address, jobs), pids)
    if report["failed"]:
        raise SystemExit(f"bench: {report['failed']} requests failed, the first with {report['first_failed']}")
    return report, used


def us(report, used):
    return sum(used.values()) * 1e6 / report["requests"]


class Rounds(dict):
    def add(self, name, value):
        self.setdefault(name, []).append(value)


def compare(build, rounds, house, nginx, label, cast, n_chunks, paths, top, seconds, barred, nghttpd=None, http2=False):
    """The runs of each round: ours as viewers, ours again, nginx, and nghttpd where there is one. barred: which of ours the bar is for."""
    got = Rounds()
    for _ in range(rounds):
        jobs = write_jobs(top / "jobs", cast.jobs(n_chunks))
        report, used = run_get(build, house.address, house.ca, jobs, house.roles(), None, http2)
        got.add("cpu", us(report, used))
        got.add("rate", report["requests"] / report["seconds"])
        for role, s in used.items():
            got.add("cpu " + role, s * 1e6 / report["requests"])
        jobs = write_jobs(top / "jobs", [(h, p) for h, p in cast.jobs(n_chunks, manifest=False)][:CONNS])
        report, used = run_get(build, house.address, house.ca, jobs, house.roles(), seconds, http2)
        got.add("again cpu", us(report, used))
        got.add("again rate", report["requests"] / report["seconds"])
        got.add("again p99", report["p99_ms"])
        jobs = write_jobs(top / "jobs", [([ENCODING], [nginx.path(p) for p in ps]) for ps in paths.values() for _ in range(len(cast.tokens))])
        report, used = run_get(build, nginx.address, house.ca, jobs, nginx.pids(), seconds, http2)
        got.add("nginx cpu", us(report, used))
        got.add("nginx rate", report["requests"] / report["seconds"])
        got.add("nginx p99", report["p99_ms"])
        if nghttpd:
            jobs = write_jobs(top / "jobs", [([ENCODING], ps) for ps in paths.values() for _ in range(len(cast.tokens))])
            report, used = run_get(build, nghttpd.address, house.ca, jobs, nghttpd.pids(), seconds, http2)
            got.add("nghttpd cpu", us(report, used))
    ref = f"{label}: nginx secure_link, CPU"
    yield case(f"{label}: CPU per request, a viewing", "µs", got["cpu"], ref, ("ratio<=", 1.0) if barred == "viewing" else None)
    for role in ("gate", "keeper", "vault"):
        yield case(f"{label}: … of it {role}", "µs", got["cpu " + role])
    yield case(f"{label}: CPU per request, again", "µs", got["again cpu"], ref, ("ratio<=", 1.0) if barred == "again" else None)
    yield case(ref, "µs", got["nginx cpu"])
    if nghttpd:
        yield case(f"{label}: nghttpd, the same files unsigned, CPU", "µs", got["nghttpd cpu"], ref)
    rate = f"{label}: nginx, requests a second"
    yield case(f"{label}: requests a second, a viewing", "/s", got["rate"], rate)
    yield case(f"{label}: requests a second, again", "/s", got["again rate"], rate)
    yield case(rate, "/s", got["nginx rate"])
    yield case(f"{label}: again, p99 seen by the client", "ms", got["again p99"], f"{label}: nginx, p99 seen by the client")
    yield case(f"{label}: nginx, p99 seen by the client", "ms", got["nginx p99"])


def run(build, o):
    if not available():
        print("bench: without nginx there is nothing to hold chunks against: tools/setup --bench")
        return
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
        top = pathlib.Path(top)
        top.chmod(0o755)
        root = top / "files"
        root.mkdir()
        with House(build, tls=True) as house:
            cast = Cast(house, [house.store(recording(40, 32768, n)) for n in range(4)], 16 if o.quick else 32)
            paths, size = save_chunks(house, cast, 40, root, 32768)
            with Nginx.files(root, house.dir / "tls.pem", house.dir / "tls.key") as nginx:
                yield case("32 KiB, TLS: bytes of an answer", "bytes", [size])
                yield from compare(build, o.rounds, house, nginx, "32 KiB, TLS", cast, 40, paths, top, o.seconds, "viewing")
            pair = house.dir / "tls.pem", house.dir / "tls.key"
            with Nginx.files(root, *pair, http2=True) as nginx, Nghttpd(root, *pair) if shutil.which("nghttpd") else contextlib.nullcontext() as nghttpd:
                yield from compare(build, o.rounds, house, nginx, "32 KiB, HTTP/2", cast, 40, paths, top, o.seconds, "viewing", nghttpd, http2=True)
        with House(build) as house:
            cast = Cast(house, [house.store(small(1024, n)) for n in range(64)], 2 if o.quick else 4)
            paths, size = save_chunks(house, cast, 1, root, 1024)
            with Nginx.files(root) as nginx:
                yield case("1 KiB, plain: bytes of an answer", "bytes", [size])
                yield from compare(build, o.rounds, house, nginx, "1 KiB, plain", cast, 1, paths, top, o.seconds, "again")
