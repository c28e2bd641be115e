"""Pages recorded live: batches of rrweb JSON to `POST .../events` until each is acknowledged, which is sanitised, masked, compressed, encrypted and
fsynced; beside `zstd -1` of the same events in chunks of as many bytes, each by itself, in a program that does nothing else.

Some recorders at once, each with one batch of at most 256 KiB on its way. The sum of all roles' CPU counts: HTTP, JSON, masks, zstd, AES, the log
and the keeper's part; ending and sealing is measured beside.
"""
import json
import pathlib
import subprocess
import tempfile

from chunks import Rounds
from figures import case
from house import Costs, House, cue, generator, go
from programs import RECORDING, program

RECORDERS, BATCH = 4, 262144
ZSTD = "zstd -1, chunks"  # a case of bench-recording


def ours(build, house, large):
    """(the generator's report, CPU seconds of sending, of ending)"""
    p = generator(build, "bench-record", "--n", RECORDERS, "--pages", BATCH, house.address, house.ingest(), large)
    cue(p)
    go(p)
    cue(p, "created")
    costs = Costs(house.roles())
    go(p)
    cue(p, "sent")
    sending, costs = costs.used(), Costs(house.roles())
    go(p)
    report = json.loads(p.stdout.readline())
    ending = costs.used()
    p.stdin.close()
    if p.wait() != 0:
        raise SystemExit("bench: recorders failed")
    return report, sending, ending


def zstd(build):
    """MB a CPU second of zstd -1 over the same events."""
    return next(program(build, "bench-recording", RECORDING, rounds=1, BENCH_CASE=ZSTD))["value"]


def run(build, o):
    got = Rounds()
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
        large = pathlib.Path(top) / "large.ndjson"
        subprocess.run([build / "bench" / "bench-recording", RECORDING, large], check=True)
        total = RECORDERS * large.stat().st_size / 1e6
        with House(build) as house:
            for _ in range(o.rounds):
                report, sending, ending = ours(build, house, large)
                got.add("cpu", total / sum(sending.values()))
                got.add("wall", total / report["send_s"])
                got.add("p99", report["ack_p99_ms"])
                got.add("end", sum(ending.values()) * 1000 / total)
                for role in ("gate", "keeper"):
                    got.add(role, sending[role] * 1000 / total)
                got.add("zstd", zstd(build))
    label, ref = "live pages over HTTP, masked, durable", "zstd -1 of the same events in chunks: MB a CPU second"
    yield case(f"{label}: MB a CPU second", "MB/s", got["cpu"], ref, ("ratio>=", 0.5))
    yield case(ref, "MB/s", got["zstd"])
    yield case(f"{label}: MB a second, {RECORDERS} recorders", "MB/s", got["wall"])
    yield case(f"{label}: batch of {BATCH // 1024} KiB to its acknowledgement, p99", "ms", got["p99"])
    for role in ("gate", "keeper"):
        yield case(f"{label}: CPU of a MB, {role}", "ms", got[role])
    yield case("ending and sealing what was recorded: CPU of a MB", "ms", got["end"])
