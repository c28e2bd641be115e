"""Where playing goes on after a jump: `events` from random places of a long recording, by a viewer whose key is known, nothing of it cached.

What is timed is the beginning of the answer: index, lease (a commit), the chunk read, decrypted and decompressed. Each part has access and a key of
its own, and gives it back: what was leased, opened or kept for the part before is gone, so that each place is new, in a short recording as in a long one. The recording is 37 kB/s of
rrweb events with a full snapshot each 30 s, as 8 h and 1 GiB are; the page cache is emptied of its files again and again.
"""
import json
import os
import pathlib
import random
import tempfile

from chunks import Rounds
from figures import case, point, quantile
from house import House, generator, measured

SNAPSHOT_S = 30
EVENT_BYTES = 1000
PER_SECOND = 37
PLACES, PARTS = 25, 8 # each part begins with an empty page cache and looks at no piece twice


def write_recording(path, seconds):
    noise = random.Random(7)
    texts = ["".join(noise.choices("etaoin shrdlu cmfwyp", k=EVENT_BYTES - 140)) for _ in range(211)]
    node = json.dumps({"type": 0, "childNodes": [], "id": 1})
    with open(path, "w", encoding="ascii") as f:
        for s in range(seconds):
            at = 1_700_000_000_000 + s * 1000
            if s % SNAPSHOT_S == 0:
                f.write('{"type":4,"timestamp":%d,"data":{"href":"https://shop.example/","width":800,"height":600}}\n' % at)
                f.write('{"type":2,"timestamp":%d,"data":{"node":%s,"initialOffset":{"top":0,"left":0}}}\n' % (at, node))
            f.write("".join('{"type":3,"timestamp":%d,"data":{"source":0,"texts":[{"id":17,"value":"%06d %s"}],"attributes":[],"removes":[],"adds":[]}}\n'
                            % (at + 1 + k * 1000 // PER_SECOND, s * PER_SECOND + k, texts[(s * PER_SECOND + k) * 7 % 211])
                            for k in range(PER_SECOND)))


def forget(directory):
    """Its files leave the page cache."""
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def places(seconds, seed, n):
    """One in each n-th of the recording, in any order, in ms."""
    r = random.Random(seed)
    out = [int((k + r.random()) * seconds * 1000 / n) for k in range(n)]
    r.shuffle(out)
    return out


def name_of(seconds):
    return f"{seconds // 3600} h" if seconds >= 4 * 3600 else f"{seconds // 60} min"


def measure(build, lengths, rounds, parts, n_places=PLACES):
    """{(seconds, figure): [of each round]}, and the sizes of the files: {seconds: bytes}"""
    got = Rounds()
    config = "limits {\n  import_wire = 64GiB\n  import_unpacked = 64GiB\n}\n"
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build, config=config) as house:
        top = pathlib.Path(top)
        rids, sizes = {}, {}
        for seconds in lengths:
            write_recording(top / "recording", seconds)
            sizes[seconds] = (top / "recording").stat().st_size
            with open(top / "recording", "rb") as f:
                rids[seconds] = house.must("POST", "/v1/import?kind=rrweb", f, headers={"Content-Length": str(sizes[seconds])}, want=201)["id"]
            (top / "recording").unlink()
        token = house.viewer()
        for n in range(rounds):
            for seconds, rid in rids.items():
                begins, wholes, cpu = [], [], 0.0
                for part in range(parts):
                    grant = house.grant(token, [rid])
                    key = house.keys([(token, grant, rid)])[0]
                    forget(house.dir / "blobs")
                    (top / "jobs").write_text("\n".join([f"Authorization: Bearer {key}", f"WARM /v1/replay/{rid}/events?from_ms=0&to_ms=0",
                                                         *(f"GET /v1/replay/{rid}/events?from_ms={at}&to_ms={at}" for at in places(seconds, n * parts + part, n_places))])
                                              + "\n", encoding="ascii")
                    report, used = measured(generator(build, "bench-get", "--conns", 1, "--out", top / "out", house.address, top / "jobs"), house.roles())
                    house.must("POST", f"/v1/grants/{grant}/relinquish", token=token)
                    if report["failed"]:
                        raise SystemExit(f"bench: a seek failed with {report['first_failed']}")
                    pairs = [tuple(map(float, line.split())) for line in (top / "out").read_text(encoding="ascii").splitlines()]
                    begins += [a for a, _ in pairs]
                    wholes += [b for _, b in pairs]
                    cpu += sum(used.values())
                for q in (50, 95, 99):
                    got.add((seconds, f"p{q}"), quantile(begins, q / 100))
                got.add((seconds, "whole"), quantile(wholes, 0.5))
                got.add((seconds, "cpu"), cpu * 1000 / len(begins))
    return got, sizes


def points_of(got, seconds):
    axis = (seconds / 60, "length of the recording, minutes", "ms")
    for line, key in (("half of the seeks", "p50"), ("95 %", "p95")):
        yield point(f"growth, {name_of(seconds)}: seek {key}", "ms", got[seconds, key], "seek", f"until the answer begins, {line}", *axis)
    yield point(f"growth, {name_of(seconds)}: CPU of a seek", "ms", got[seconds, "cpu"], "seek", "CPU", *axis)


def run(build, o):
    short = 8 * 3600 if o.full else 5 * 60 if o.quick else 48 * 60  # the longer one: 80 h and 10 GiB; 8 h and 1 GiB
    parts, n_places = (12, 4) if o.quick else (PARTS, PLACES)  # five minutes have four segments: nobody comes to one twice
    got, sizes = measure(build, (short, short * 10), o.rounds, parts, n_places)
    first = name_of(short)
    for seconds in sizes:
        name, more = name_of(seconds), seconds != short
        yield case(f"seek in {name} ({sizes[seconds] / 2**20:.0f} MiB): p50", "ms", got[seconds, "p50"])
        yield case(f"seek in {name}: p95", "ms", got[seconds, "p95"], f"seek in {first}: p95" if more else None,
                   ("ratio<=", 1.2) if more else ("<=", 5))
        yield case(f"seek in {name}: p99", "ms", got[seconds, "p99"], None, ("<=", 20))
        yield case(f"seek in {name}: until what is shown is complete, p50", "ms", got[seconds, "whole"])
        yield case(f"seek in {name}: CPU of one", "ms", got[seconds, "cpu"], f"seek in {first}: CPU of one" if more else None)
    for seconds in sizes if not o.quick else ():
        yield from points_of(got, seconds)
