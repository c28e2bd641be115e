"""Ten times as many connections as the server takes, by clients that ask again at once whatever they are told: bench-flood.

Old streams play on while that happens. The flood has keys that are good and keys of a grant that was revoked: the latter must never be served. The
server's limits are small here (CONNECTIONS, STREAMS), so that ten times as many fit on one machine beside it. Server and generators have half of the
processors each: what a flood on the server's own processors would take from it, no server can give back.

Lateness is that of an event behind its due time (docs/benchmarks.md, streams); since streams are sent a second ahead there should be none, so what
of that second is used up stands beside. Lateness of less than a millisecond counts as one.
"""
import pathlib
import tempfile
import threading
import time

from chunks import Cast, Rounds, recording
from figures import case
from house import House, cue, generator, go, two_sides
from streams import Run, Stage, no_refusals
import json

CONNECTIONS, STREAMS, OLD, FLOOD, SECONDS = 400, 300, 100, 4000, 8
SIDES = two_sides()


def keys_of(cast):
    return [(rid, key) for (_, _, rid), key in zip(cast.pairs(), cast.house.keys(cast.pairs()))]


def flood_jobs(house, good, bad):
    """Chunks and new streams with good keys; chunks with keys whose grant is revoked."""
    lines = [f"yes /v1/replay/{rid}/chunks/{n} {key}" for rid, key in keys_of(good) for n in range(4)]
    lines += [f"yes /v1/replay/{rid}/manifest {key}" for rid, key in keys_of(good)]
    revoked = keys_of(bad)
    for g in bad.grants:
        house.must("POST", f"/v1/grants/{g}/revoke", {"comment": "bench"})
    return lines + [f"no /v1/replay/{rid}/chunks/{n} {key}" for rid, key in revoked for n in range(4)]


def watch_memory(house, seen, over):
    while not over.wait(0.5):
        seen.append(sum(house.pss().values()))


def recover(house, key, rid):
    """Seconds until three calls in a row are answered, each within 50 ms."""
    began, good = time.monotonic(), 0
    while good < 3 and time.monotonic() - began < 60:
        at = time.monotonic()
        try:
            house.local.conn = None  # a connection of its own each time: a new client
            status, _ = house.call("GET", f"/v1/replay/{rid}/manifest", token=key)
        except OSError:
            status = 0
        good = good + 1 if status == 200 and time.monotonic() - at < 0.05 else 0
        time.sleep(0.02)
    return time.monotonic() - began


def one_round(build, house, top, got):
    stage = Stage(house, OLD, OLD)
    rids = [house.store(recording(4, 32768, n)) for n in range(2)]
    good, bad = Cast(house, rids, 16), Cast(house, rids, 4)
    lines, _ = stage.lines()
    where = {"cpus": SIDES[1], "first": True}
    run = Run(build, house.address, lines, top, 2, SECONDS, **where).open().begin()
    normal = run.finish()
    run.close()
    no_refusals(normal, OLD)
    lines, _ = stage.lines()
    (top / "jobs").write_text("\n".join(flood_jobs(house, good, bad)) + "\n", encoding="ascii")
    late_key = house.keys([(good.tokens[0], good.grants[0], rids[0])])[0]
    run = Run(build, house.address, lines, top, 2, SECONDS, **where).open().begin()
    flood = generator(build, "bench-flood", "--conns", FLOOD, "--seconds", SECONDS, "--sources", 8, house.address, top / "jobs", cpus=SIDES[1])
    cue(flood)
    before, seen, over = sum(house.pss().values()), [], threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(house, seen, over))
    watcher.start()
    go(flood)
    report = json.loads(flood.stdout.readline())
    over.set()
    watcher.join()
    cue(flood)
    flood.stdin.close()
    flood.wait()
    got.add("recovery", recover(house, late_key, rids[0]))
    crowded = run.finish()
    run.close()
    no_refusals(crowded, OLD)
    # A stream is sent a second ahead: what is left of that second when an event arrives says how late it was sent.
    for name, r in (("normal", normal), ("crowded", crowded)):
        got.add(name, max(1.0, -r["margin_p01_ms"]))
        got.add(name + " used", max(0.0, 1000 - r["margin_p01_ms"]))
    got.add("late", 100 * crowded["late"] / max(1, crowded["counted"]))
    half = len(seen) // 2
    got.add("early", max(seen[:half]) / 2**20)
    got.add("peak", max(seen[half:]) / 2**20)
    got.add("before", before / 2**20)
    got.add("wrong", report["served_wrongly"])
    got.add("ok", report["ok"] / SECONDS)
    got.add("refused", (report["later"] + report["closed"]) / SECONDS)
    answered = sum(report["retry_after"].values())
    got.add("common", 100 * max(report["retry_after"].values()) / answered if answered else 0)
    got.add("unsaid", report["retry_after"].get("0", 0))
    got.add("other", report["other"])


def run(build, o):
    got = Rounds()
    for _ in range(o.once):
        with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
            house = House(build, cpus=SIDES[0])
            conf = house.dir / "keyhole.conf"
            conf.write_text(conf.read_text(encoding="utf-8").replace("streams = 19000", f"streams = {STREAMS}")
                            .replace("connections = 19000", f"connections = {CONNECTIONS}"), encoding="utf-8")
            with house:
                one_round(build, house, pathlib.Path(top), got)
    label = f"{FLOOD} clients on {CONNECTIONS} connections"
    yield case(f"{label}: answers under a revoked grant", "", got["wrong"], None, ("<=", 0))
    yield case(f"{label}: old streams' lateness, p99", "ms", got["crowded"], "the same streams alone: lateness, p99", ("ratio<=", 2))
    yield case("the same streams alone: lateness, p99", "ms", got["normal"])
    yield case(f"{label}: of the second that old streams are ahead, used up, p99", "ms", got["crowded used"])
    yield case("the same streams alone: of that second used up, p99", "ms", got["normal used"])
    yield case(f"{label}: old streams' events later than due", "%", got["late"], None, ("<=", 0.1))
    yield case(f"{label}: memory, second half", "MiB", got["peak"], f"{label}: memory, first half", ("ratio<=", 1.15))
    yield case(f"{label}: memory, first half", "MiB", got["early"])
    yield case(f"{label}: memory before", "MiB", got["before"])
    yield case(f"{label}: served a second", "/s", got["ok"])
    yield case(f"{label}: refused or closed a second", "/s", got["refused"])
    yield case(f"{label}: of the refusals, those with the commonest Retry-After", "%", got["common"], None, ("<=", 60))
    yield case(f"{label}: refusals with 429 or 503 that do not say when", "", got["unsaid"], None, ("<=", 0))
    yield case(f"{label}: other answers", "", got["other"], None, ("<=", 0))
    yield case(f"{label}: until new clients are served as always", "s", got["recovery"], None, ("<=", 5))
