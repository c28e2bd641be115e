"""Each figure against its load, for the charts (bench/charts): streams, sizes of chunks, recordings in the database, length of a recording.

A case here has "growth": which chart and line it is a point of, and where. What should be flat is a figure of one: CPU of one request, of 1 000
streams, memory of a stream.
"""
import pathlib
import tempfile

from chunks import Cast, CONNS, ENCODING, Rounds, run_get, save_chunks, small, us, write_jobs
from figures import case
from house import House
from nginx import Nginx, available
from seek import PARTS, measure as measure_seeks, name_of
from server import Shelf, ask, queries
from streams import measure_paced

ASKED = ("newest page", "page 41", "by tag", "two words, rare", "a word in every eighth", "two words that never meet")


def point(chart, line, x, unit, rounds, x_name, y_name, name):
    c = case(name, unit, rounds)
    c["growth"] = {"chart": chart, "line": line, "x": x, "x_name": x_name, "y_name": y_name}
    return c


def streams(build, o):
    for n in (100, 400, 1000, 2000, 5000, 15000) if o.full else (100, 400, 1000):
        got = measure_paced(build, n, min(n, 300 if n > 2000 else 100), o.once, 8)
        for line, key in (("Keyhole", "cpu"), ("bare epoll program", "bare cpu")):
            yield point("streams-cpu", line, n, "%", got[key], "streams at once", "CPU of 1 000 streams, % of a core", f"{n} streams: {line}, CPU of 1 000")
        yield point("streams-memory", "all roles", n, "KiB", got["growth"], "streams at once", "memory growth of a stream, KiB", f"{n} streams: growth of one")


def chunks(build, o):
    if not available():
        return
    sizes = (1, 4, 16, 64, 256, 1024)
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build, tls=True) as house:
        top = pathlib.Path(top)
        top.chmod(0o755)
        root = top / "files"
        root.mkdir()
        with Nginx.files(root, house.dir / "tls.pem", house.dir / "tls.key") as nginx:
            for kib in sizes:
                cast = Cast(house, [house.store(small(kib * 1024, n)) for n in range(8)], 8)
                paths, _ = save_chunks(house, cast, 1, root)
                got = Rounds()
                for _ in range(o.once):
                    jobs = write_jobs(top / "jobs", [(h, p) for h, p in cast.jobs(1, manifest=False)][:CONNS])
                    got.add("ours", us(*run_get(build, house.address, house.ca, jobs, house.roles(), o.seconds)))
                    jobs = write_jobs(top / "jobs", [([ENCODING], [nginx.path(p) for p in ps]) for ps in paths.values() for _ in range(8)])
                    got.add("nginx", us(*run_get(build, nginx.address, house.ca, jobs, nginx.pids(), o.seconds)))
                for line, key in (("Keyhole, again", "ours"), ("nginx secure_link", "nginx")):
                    yield point("chunk-sizes", line, kib, "µs", got[key], "size of the answer, KiB", "CPU of a request, µs", f"{kib} KiB: {line}, CPU")


def recordings(build, o):
    for n in (1000, 10_000, 100_000, 1_000_000, 10_000_000) if o.full else (1000, 10_000, 100_000):
        with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, Shelf(build, max(n, 2100), o.once) as shelf:
            yield point("recordings-start", "from serve to ready", shelf.n, "ms", shelf.full, "recordings", "ms", f"{shelf.n} recordings: start to ready")
            for name, path in queries(shelf.house, shelf.token):
                if name in ASKED:
                    cpu = [ask(build, shelf.house, shelf.token, path, top, 100)[1] for _ in range(o.once)]
                    yield point("recordings-lists", name, shelf.n, "ms", cpu, "recordings", "CPU of a page of 50, ms", f"{shelf.n} recordings, {name}: CPU")


def lengths(build, o):
    seconds = (60, 600, 6000, 8 * 3600, 80 * 3600) if o.full else (60, 600, 6000)
    got, _ = measure_seeks(build, seconds, o.once, PARTS if o.full else 3)
    for s in seconds:
        for line, key in (("half of the seeks", "p50"), ("95 %", "p95")):
            yield point("seek", f"until the answer begins, {line}", s / 60, "ms", got[s, key], "length of the recording, minutes", "ms", f"{name_of(s)}: seek {key}")
        yield point("seek", "CPU", s / 60, "ms", got[s, "cpu"], "length of the recording, minutes", "ms", f"{name_of(s)}: CPU of a seek")


def run(build, o):
    for part in (streams, chunks, recordings, lengths):
        yield from part(build, o)
