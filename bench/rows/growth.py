"""Each figure against its load, for the charts (bench/charts): streams, sizes of chunks, recordings in the database, length of a recording.

A case here has "growth": which chart and line it is a point of, and where. What should be flat is a figure of one: CPU of one request, of 1 000
streams, memory of a stream. Cases of other rows are points, too: the full sizes of streams, lists and seeks (bench/charts puts them together).
"""
import pathlib
import tempfile

from chunks import Cast, CONNS, ENCODING, Rounds, run_get, save_chunks, small, us, write_jobs
from figures import point
from house import House
from nginx import Nginx, available
from seek import PARTS, measure as measure_seeks, name_of, points_of
from server import Shelf, ask, list_points, queries
from streams import measure_paced, stream_points


def streams(build, o):
    for n in (1, 10, 100, 1000, 5000) if o.full else (1, 30, 400):
        yield from stream_points(n, measure_paced(build, n, min(n, 300 if n > 2000 else 100), o.once, 8, rest=True))


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
                    yield point(f"{kib} KiB: {line}, CPU", "µs", got[key], "chunk-sizes", line, kib, "size of the answer, KiB", "CPU of a request, µs")


def recordings(build, o):
    for n in (1000, 10_000, 100_000, 1_000_000) if o.full else (1000, 30_000):
        with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, Shelf(build, max(n, 2100), o.once) as shelf:
            costs = {name: [ask(build, shelf.house, shelf.token, path, top, 100)[1] for _ in range(o.once)] for name, path in queries(shelf.house, shelf.token)}
            yield from list_points(shelf.n, shelf.full, costs)


def lengths(build, o):
    seconds = (60, 600, 6000)
    got, _ = measure_seeks(build, seconds, o.once, PARTS if o.full else 3)
    for s in seconds:
        yield from points_of(got, s)


def run(build, o):
    for part in (streams, chunks, recordings, lengths):
        yield from part(build, o)
