"""The server as such: at rest, with many recordings, and what a lease costs."""
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from chunks import Cast, Rounds, recording, write_jobs
from figures import case
from house import House, generator, measured
from programs import program

HERE = pathlib.Path(__file__).resolve().parent.parent


def idle(build, o):
    got = Rounds()
    for tls in (True, False):
        label = "idle, TLS" if tls else "idle, plain"
        for _ in range(o.once):
            with House(build, tls=tls) as house:
                time.sleep(3)
                pss = house.pss()
                before, began = house.cpu(), time.monotonic()
                time.sleep(2)
                used = {k: v - before[k] for k, v in house.cpu().items()}
                got.add(label, sum(pss.values()) / 2**20)
                got.add(label + " cpu", sum(used.values()) / (time.monotonic() - began) * 100)
                for role, n in pss.items():
                    got.add(f"{label} {role}", n / 2**20)
        yield case(f"{label}: PSS, all roles", "MiB", got[label], None, ("<=", 40))
        for role in ("supervisor", "gate", "keeper", "vault"):
            yield case(f"{label}: … of it {role}", "MiB", got[f"{label} {role}"])
        yield case(f"{label}: CPU, of a core", "%", got[label + " cpu"])


# ---- many recordings ----

def starts_of(house, n):
    out = []
    for _ in range(n):
        out.append(house.start() * 1000)
        house.stop()
    return out


def queries(house, token):
    page, cursor = house.must("GET", "/v1/recordings", token=token), None
    rid = page["items"][7]["id"]
    for _ in range(40):
        cursor = page["cursor"]
        page = house.must("GET", f"/v1/recordings?cursor={cursor}", token=token)
    for line in (HERE / "queries.txt").read_text(encoding="utf-8").splitlines():
        if line and line[0] != "#":
            name, path = line.split("\t")
            yield name, path.replace("{deep}", cursor).replace("{rid}", rid)


def lists(build, o):
    n = 10_000_000 if o.full else 100_000
    rounds = o.few
    house = House(build)
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, house:
        token = house.viewer()
        project = house.must("GET", "/v1/projects")["items"][0]["id"]
        house.stop()
        empty = starts_of(house, rounds)
        began = time.monotonic()
        database = house.dir / "meta" / "keyhole.db"
        subprocess.run([build / "bench" / "bench-fill", database, project, str(n)], check=True)
        filled = time.monotonic() - began
        full = starts_of(house, rounds)
        house.start()
        label = f"{n} recordings"
        yield case("no recordings: start to ready", "ms", empty)
        yield case(f"{label}: start to ready", "ms", full, "no recordings: start to ready", ("<=", 200))
        yield case(f"{label}: written a second, straight into the database", "/s", [n / filled])
        yield case(f"{label}: database", "MiB", [database.stat().st_size / 2**20])
        for name, path in queries(house, token):
            got, half, cpu = [], [], []
            for _ in range(rounds):
                jobs = write_jobs(pathlib.Path(top) / "jobs", [([f"Authorization: Bearer {token}"], [path] * 200)])
                report, used = measured(generator(build, "bench-get", "--conns", 1, house.address, jobs), house.roles())
                if report["failed"]:
                    raise SystemExit(f"bench: {path}: {report['first_failed']}")
                got.append(report["p99_ms"])
                half.append(report["p50_ms"])
                cpu.append(sum(used.values()) * 1000 / report["requests"])
            yield case(f"{label}, {name}: p99", "ms", got, None, ("<=", 20), note=f"p50 {statistics.median(half):.2f} ms, CPU {statistics.median(cpu):.2f} ms")


# ---- leases ----

def audit(build, o):
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-", dir=os.environ.get("BENCH_TMP")) as top:
        for c in program(build, "bench-audit", top, rounds=o.rounds):
            if c["name"] == "audit: leases a second, commits of 256":
                c["bar"] = (">=", 20000)
            yield c
    got = Rounds()
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build) as house:
        cast = Cast(house, [house.store(recording(60, 0, n)) for n in range(2)], 32)
        for _ in range(o.rounds):
            jobs = write_jobs(pathlib.Path(top) / "jobs", cast.jobs(60))
            report, used = measured(generator(build, "bench-get", house.address, jobs), house.roles())
            if report["failed"]:
                raise SystemExit(f"bench: {report['failed']} requests failed, the first with {report['first_failed']}")
            got.add("rate", report["requests"] / report["seconds"])
            for role, s in used.items():
                got.add(role, s * 1e6 / report["requests"])
    label = "leases through replay, 64 connections"
    yield case(f"{label}: a second", "/s", got["rate"], "SQLite alone: rows a second, commits of 16")
    for role in ("gate", "keeper"):
        yield case(f"{label}: CPU of one, {role}", "µs", got[role])
