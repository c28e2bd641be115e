"""The server as such: at rest, with many recordings, and what a lease costs."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import tempfile
import time

from chunks import Cast, Rounds, recording, small, write_jobs
from figures import case, point
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


def ask(build, house, token, path, top, n):
    """One client, n times: its report, and CPU of one in ms."""
    jobs = write_jobs(pathlib.Path(top) / "jobs", [([f"Authorization: Bearer {token}"], [path] * n)])
    report, used = measured(generator(build, "bench-get", "--conns", 1, house.address, jobs), house.roles())
    if report["failed"]:
        raise SystemExit(f"bench: {path}: {report['first_failed']}")
    return report, sum(used.values()) * 1000 / report["requests"]


class Shelf:
    """with Shelf(build, n, rounds) as s: a server with n recordings; s.empty and s.full: ms from serve to ready, without and with them. kept: the
    directory of an earlier one, filled (BENCH_KEEP)."""

    def __init__(self, build, n, rounds, kept=None):
        self.build, self.n, self.rounds, self.kept, self.filled = build, n, rounds, kept, None
        self.house = House.of(build, kept) if kept else House(build)

    def __enter__(self):
        h = self.house
        if self.kept:
            self.database = h.dir / "meta" / "keyhole.db"
            h.start()  # a migration, if there is one, is not measured
            h.stop()
            with contextlib.closing(sqlite3.connect(self.database)) as db:
                self.n = db.execute("SELECT count(*) FROM recording").fetchone()[0]
            self.full = starts_of(h, self.rounds)
            h.start()
            self.token = h.viewer()
            return self
        h.__enter__()
        self.token = h.viewer()
        project = h.must("GET", "/v1/projects")["items"][0]["id"]
        h.stop()
        self.empty = starts_of(h, self.rounds)
        began = time.monotonic()
        self.database = h.dir / "meta" / "keyhole.db"
        subprocess.run([self.build / "bench" / "bench-fill", self.database, project, str(self.n)], check=True)
        self.filled = time.monotonic() - began
        self.full = starts_of(h, self.rounds)
        h.start()
        return self

    def __exit__(self, *exc):
        self.house.__exit__(*exc)


ASKED = ("newest page", "page 41", "by tag", "two words, rare", "a word in every eighth", "two words that never meet")


def list_points(n, starts, costs):
    """costs: {name of a query: [CPU of one, ms]}"""
    axis = (n, "recordings")
    yield point(f"growth, {n} recordings: start to ready", "ms", starts, "recordings-start", "from serve to ready", *axis, "ms")
    for name in ASKED:
        if name in costs:
            yield point(f"growth, {n} recordings, {name}: CPU", "ms", costs[name], "recordings-lists", name, *axis, "CPU of a page of 50, ms")


def lists(build, o):
    """Each query among few and among many: CPU of one beside, which should not grow."""
    few, n = 10_000, 10_000_000 if o.full else 40_000 if o.quick else 200_000
    times = 60 if o.quick else 200
    costs = {}
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
        with Shelf(build, few, o.few) as shelf:
            empty = shelf.empty
            for name, path in queries(shelf.house, shelf.token):
                costs[name] = [ask(build, shelf.house, shelf.token, path, top, times)[1] for _ in range(o.few)]
        with Shelf(build, n, o.few, os.environ.get("BENCH_SHELF") if o.full else None) as shelf:
            n = shelf.n
            label = f"{n} recordings"
            yield case("no recordings: start to ready", "ms", empty)
            yield case(f"{label}: start to ready", "ms", shelf.full, "no recordings: start to ready", ("<=", 200))
            if shelf.filled:
                yield case(f"{label}: written a second, straight into the database", "/s", [n / shelf.filled])
            yield case(f"{label}: database", "MiB", [shelf.database.stat().st_size / 2**20])
            slowest, many = [0.0] * o.few, {}
            for name, path in queries(shelf.house, shelf.token):
                got = [ask(build, shelf.house, shelf.token, path, top, times) for _ in range(o.few)]
                cpu = many[name] = [c for _, c in got]
                slowest = [max(a, r["p99_ms"]) for a, (r, _) in zip(slowest, got)]
                yield case(f"{label}, {name}: p99", "ms", [r["p99_ms"] for r, _ in got], None, ("<=", 20),
                           note=f"p50 {statistics.median(r['p50_ms'] for r, _ in got):.2f} ms, CPU {statistics.median(cpu):.2f} ms")
                yield case(f"{few} recordings, {name}: CPU of one", "ms", costs[name])
                yield case(f"{label}, {name}: CPU of one", "ms", cpu, f"{few} recordings, {name}: CPU of one")
            yield case(f"{label}: slowest p99 of all queries", "ms", slowest, None, ("<=", 20))
            if not o.quick:
                yield from list_points(n, shelf.full, many)


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
    yield from commands(build, o)


def post_all(build, house, top, blocks, got, name):
    """Each block's posts, one after the other on a connection of its own, 64 at once."""
    jobs = pathlib.Path(top) / "jobs"
    jobs.write_text("\n\n".join(f"Authorization: Bearer {token}\n" + "\n".join(f"POST {path} {body}" for path, body in posts) for token, posts in blocks) + "\n",
                    encoding="ascii")
    report, used = measured(generator(build, "bench-get", house.address, jobs), house.roles())
    if report["failed"]:
        raise SystemExit(f"bench: {name}: {report['failed']} of {report['requests']} failed, the first with {report['first_failed']}")
    got.add(name, report["requests"] / report["seconds"])
    got.add(name + " p99", report["p99_ms"])
    got.add(name + " cpu", sum(used.values()) * 1e6 / report["requests"])


def waiting_requests(house, tokens, rids):
    """[(id, digest)] of requests that wait for a vote: each person's for each recording."""
    why = {"actions": ["play"], "duration_s": 600, "purpose": {"code": "vote", "reason": "bench"}}

    def some(token):
        return [house.must("POST", "/v1/requests", {"recordings": [rid], **why}, token, want=201) for rid in rids]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return [(q["id"], q["digest"]) for part in pool.map(some, tokens) for q in part]


def commands(build, o):
    """Keys issued and approvals taken, over HTTP, 64 at once: a command each, with its records, signed and durable before the answer."""
    people, each, got = 64, 4 if o.quick else 12, Rounds()
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build) as house:
        open_one, *rids = [house.store(small(200, n)) for n in range(1 + each * o.rounds)]
        tokens, voters = [house.viewer() for _ in range(people)], [house.approver() for _ in range(4)]
        grants = [house.grant(t, [open_one]) for t in tokens]
        key = json.dumps({"recording": open_one})
        for n in range(o.rounds):
            post_all(build, house, top, [(t, [(f"/v1/grants/{g}/keys", key)] * each) for t, g in zip(tokens, grants)], got, "keys")
            asked = waiting_requests(house, tokens, rids[n * each:(n + 1) * each])
            votes = [(f"/v1/requests/{q}/approve", json.dumps({"digest": digest, "comment": "bench"})) for q, digest in asked]
            post_all(build, house, top, [(voters[i % len(voters)], votes[i::people]) for i in range(people)], got, "approvals")
    for name in ("keys", "approvals"):
        yield case(f"audit: {name} a second over HTTP, 64 connections", f"{name}/s", got[name], "SQLite alone: rows a second, commits of 16")
        yield case(f"audit: {name} over HTTP: p99", "ms", got[name + " p99"])
        yield case(f"audit: {name} over HTTP: CPU of one, all roles", "µs", got[name + " cpu"])
