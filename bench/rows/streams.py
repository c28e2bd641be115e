"""Paced streams, ends, and starts: many viewers at once, each on a connection of its own.

Each stream has a person's key of its own: people × recordings. A recording has one event of 200 bytes a second. With 15 000 five streams share
a key: one client cannot fetch as many keys in the minute that a bearer key lives.
"""
import json
import pathlib
import resource
import subprocess
import tempfile
import time

from figures import case, point, quantile
from house import Costs, House, cue, free_port, generator, go, pss_of, stop

EVENT_BYTES = 200
SECONDS = 100


def terminal(seconds=SECONDS, step=1.0, size=EVENT_BYTES, seed=0):
    lines = ['{"version":2,"width":80,"height":24}']
    for i in range(int(seconds / step)):
        lines.append(json.dumps([round(i * step, 6), "o", f"{seed:04d} {i:06d} ".ljust(size, "x")], separators=(",", ":")))
    return ("\n".join(lines) + "\n").encode()


class Stage:
    """n streams: recordings (at most 100 a grant) times people."""

    def __init__(self, house, n, recordings, share=1):
        self.house, self.n, self.share = house, n, share
        self.rids = [house.store(terminal(seed=i), "terminal") for i in range(recordings)]
        self.people = []
        for _ in range(-(-n // (recordings * share))):
            token = house.viewer()
            grants = [house.grant(token, self.rids[i:i + 100]) for i in range(0, recordings, 100)]
            self.people.append((token, grants))
        self.pairs = [(token, grants[i // 100], rid) for token, grants in self.people for i, rid in enumerate(self.rids)]

    def lines(self):
        """Fresh keys, for they live a minute: ["PATH KEY"], and how many a second were given."""
        began = time.monotonic()
        keys = self.house.keys(self.pairs)
        rate = len(keys) / (time.monotonic() - began)
        return [f"/v1/replay/{rid}/stream {k}" for (_, _, rid), k in zip(self.pairs, keys) for _ in range(self.share)][:self.n], rate


class Run:
    """One bench-streams, step by step: open() -> begin() -> finish() -> close()."""

    def __init__(self, build, address, lines, top, ramp, seconds, ca=None, http2=False, **where):
        self.file, self.out = top / "streams", top / "out"
        self.file.write_text("\n".join(lines) + "\n", encoding="ascii")
        self.p = generator(build, "bench-streams", "--ramp", ramp, "--run", seconds, "--out", self.out, "--sources", 8,
                           *(("--ca", ca) if ca else ()), *(("--http2",) if http2 else ()), address, self.file, **where)

    def open(self):
        cue(self.p)
        return self

    def begin(self, lines=None):
        """lines: what is asked for, when that is known only now."""
        if lines:
            self.file.write_text("\n".join(lines) + "\n", encoding="ascii")
        go(self.p)
        cue(self.p, "begun")
        return self

    def finish(self):
        cue(self.p, "over")
        self.report = json.loads(self.p.stdout.readline())
        return self.report

    def tell(self):
        go(self.p)

    def streams(self):
        """[(asked, from, first, last, final, code, events, late)], and the marks [(sent, arrived)]; ns"""
        streams, marks = [], []
        for line in self.out.read_text(encoding="ascii").splitlines():
            if line[0] == "@":
                marks.append(tuple(map(int, line[2:].split())))
            else:
                streams.append(tuple(map(int, line.split())))
        return streams, marks

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def sizes(o):
    return (15000, 300) if o.full else (800, 80) if o.quick else (2000, 100)


def crowds(o, rounds):
    """[(streams, recordings, rounds)]: the ordinary size, and what was promised once; with --full that alone, as often."""
    if o.full or o.quick:
        return [(*sizes(o), rounds)]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most < 16000:
        print(f"bench: {most} open files are too few for 15 000 streams", flush=True)
    return [(*sizes(o), rounds)] + ([(15000, 300, o.once)] if most >= 16000 else [])


def no_refusals(report, n):
    if report["refused"] or report["streams"] != n:
        raise SystemExit(f"bench: {report['refused']} of {n} streams were refused, {report['streams']} had content")


def measure_paced(build, n, recordings, rounds, seconds, rest=False):
    ramp = max(2, n / 1500)
    got = {k: [] for k in ("late", "worst", "cpu", "bare late", "bare worst", "bare cpu", "growth", "growth gate", "open", "keys", "first", "cpu gate",
                           "cpu keeper", "bare growth", "rest")}
    for _ in range(rounds):  # a fresh server each: what an earlier round grew to would be there
        with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build) as house:
            stage = Stage(house, n, recordings, 5 if n > 5000 else 1)
            got["rest"].append(at_rest(house) if rest else 0.0)
            paced_round(build, house, stage, ramp, seconds, pathlib.Path(top), got)
            bare_round(build, n, ramp, seconds, pathlib.Path(top), got)
    return got


def stream_points(n, got):
    """Of few streams, what the server takes at rest would be all there is to see, and pages of memory that come and go: it is taken off, and memory
    is shown from 100 on."""
    axis = (n, "streams at once")
    for line, cpu in (("Keyhole", [max(0.0, c - r / (n / 1000)) for c, r in zip(got["cpu"], got["rest"])]), ("bare epoll program", got["bare cpu"])):
        yield point(f"growth, {n} streams: {line}, CPU of 1 000", "%", cpu, "streams-cpu", line, *axis, "CPU of 1 000 streams, % of a core")
    if n >= 100:
        yield point(f"growth, {n} streams: memory growth of one", "KiB", got["growth"], "streams-memory", "all roles", *axis, "memory growth of a stream, KiB")


def paced(build, o):
    for n, recordings, rounds in crowds(o, o.few):
        yield from paced_cases(n, measure_paced(build, n, recordings, rounds, 5 if o.quick else 10), o)


def paced_cases(n, got, o):
    label = f"{n} streams"
    yield case(f"{label}: CPU of 1 000, of a core", "%", got["cpu"], f"{label}: bare epoll program, CPU of 1 000", ("<=", 2.5))
    yield case(f"{label}: … of it gate", "%", got["cpu gate"])
    yield case(f"{label}: … of it keeper", "%", got["cpu keeper"])
    yield case(f"{label}: bare epoll program, CPU of 1 000", "%", got["bare cpu"])
    yield case(f"{label}: events later than due", "%", got["late"], None, ("<=", 0.1))
    yield case(f"{label}: bare, events later than due", "%", got["bare late"])
    yield case(f"{label}: least time ahead", "ms", got["worst"], f"{label}: bare, least time ahead")
    yield case(f"{label}: bare, least time ahead", "ms", got["bare worst"])
    yield case(f"{label}: memory growth a stream, all roles", "KiB", got["growth"], f"{label}: bare, memory growth a stream", ("<=", 16))
    yield case(f"{label}: memory growth of the gate over open connections", "KiB", got["growth gate"])
    yield case(f"{label}: bare, memory growth a stream", "KiB", got["bare growth"])
    yield case(f"{label}: CPU to open one", "ms", got["open"])
    yield case(f"{label}: first event after asking, p99", "ms", got["first"])
    yield case(f"{label}: keys issued a second, 8 callers", "/s", got["keys"])
    if not o.quick:
        yield from stream_points(n, got)


def at_rest(house):
    """What the server takes when nobody asks, % of a core."""
    time.sleep(3)  # what the preparations left to do is over
    costs, began = Costs(house.roles()), time.monotonic()
    time.sleep(4)
    return sum(costs.used().values()) / (time.monotonic() - began) * 100


def paced_round(build, house, stage, ramp, seconds, top, got):
    n = stage.n
    lines, rate = stage.lines()
    got["keys"].append(rate)
    before = house.pss()
    run = Run(build, house.address, lines, top, ramp, seconds).open()
    idle = house.pss()
    opening = Costs(house.roles())
    run.begin()
    got["open"].append(sum(opening.used().values()) * 1000 / n)
    costs, began = Costs(house.roles()), time.monotonic()
    time.sleep(seconds / 2)
    mid = house.pss()
    report = run.finish()
    used, took = costs.used(), time.monotonic() - began
    no_refusals(report, n)
    got["late"].append(100 * report["late"] / max(1, report["counted"]))
    got["worst"].append(report["margin_min_ms"])
    got["first"].append(report["first_p99_ms"])
    got["cpu"].append(sum(used.values()) / took * 100 / (n / 1000))
    for role in ("gate", "keeper"):
        got[f"cpu {role}"].append(used[role] / took * 100 / (n / 1000))
    got["growth"].append((sum(mid.values()) - sum(before.values())) / n / 1024)
    got["growth gate"].append((mid["gate"] - idle["gate"]) / n / 1024)
    run.close()


def bare_round(build, n, ramp, seconds, top, got):
    port = free_port()
    bare = subprocess.Popen([build / "bench" / "bench-bare", str(port), str(SECONDS), str(EVENT_BYTES)], stdout=subprocess.PIPE, text=True)
    cue(bare)
    before = pss_of(bare.pid)
    run = Run(build, f"127.0.0.1:{port}", ["/ -"] * n, top, ramp, seconds).open().begin()
    costs, began = Costs({"bare": bare.pid}), time.monotonic()
    report = run.finish()
    got["bare cpu"].append(costs.used()["bare"] / (time.monotonic() - began) * 100 / (n / 1000))
    got["bare late"].append(100 * report["late"] / max(1, report["counted"]))
    got["bare worst"].append(report["margin_min_ms"])
    got["bare growth"].append((pss_of(bare.pid) - before) / n / 1024)
    run.close()
    stop(bare)


def encrypted(build, o):
    """The same streams over TLS: what a connection of each kind costs in memory and CPU."""
    n, recordings = sizes(o)
    got = {(http2, k): [] for http2 in (False, True) for k in ("growth", "cpu", "late", "open")}
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
        for _ in range(o.once):
            for http2 in (False, True):
                with House(build, tls=True) as house:
                    stage = Stage(house, n, recordings, 5)
                    before = sum(house.pss().values())
                    run = Run(build, house.address, ["-"] * n, pathlib.Path(top), max(2, n / 1500), 6, house.ca, http2).open()
                    opened = sum(house.pss().values())
                    lines, _ = stage.lines()  # only now: 15 000 handshakes take as long as a key lives
                    issued = sum(house.pss().values()) - opened  # the keeper's part of keys is in no other row's growth
                    opening = Costs(house.roles())
                    run.begin(lines)
                    got[http2, "open"].append(sum(opening.used().values()) * 1000 / n)
                    costs, began = Costs(house.roles()), time.monotonic()
                    report = run.finish()
                    used, took, after = costs.used(), time.monotonic() - began, sum(house.pss().values())
                    run.close()
                    no_refusals(report, n)
                    got[http2, "growth"].append((after - before - issued) / n / 1024)
                    got[http2, "cpu"].append(sum(used.values()) / took * 100 / (n / 1000))
                    got[http2, "late"].append(100 * report["late"] / max(1, report["counted"]))
    for http2, aim in ((False, 48), (True, 56)):
        label = f"{n} streams, {'HTTP/2' if http2 else 'HTTP/1.1'} over TLS"
        yield case(f"{label}: memory growth a stream, all roles", "KiB", got[http2, "growth"], None, ("<=", aim))
        yield case(f"{label}: CPU of 1 000, of a core", "%", got[http2, "cpu"])
        yield case(f"{label}: events later than due", "%", got[http2, "late"])


# ---- ends ----

SINGLES = 20


def ends(build, o):
    """A crowd under one grant, and some on grants of their own that are revoked one by one while the crowd plays; then the crowd's is."""
    for n, recordings, rounds in crowds(o, o.rounds):
        yield from ends_of(build, n, min(recordings, 100), rounds)


def ends_of(build, n, recordings, rounds):
    got = {k: [] for k in ("one", "one final", "all", "all final", "all answered")}
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build) as house:
        top = pathlib.Path(top)
        rids = [house.store(terminal(seed=i), "terminal") for i in range(recordings)]
        quick = house.store(terminal(60, 0.02), "terminal")  # 50 events a second: a byte that should not come would
        for _ in range(rounds):
            crowd = house.viewer()
            grant = house.grant(crowd, rids)
            keys = house.keys([(crowd, grant, rid) for rid in rids])
            lines = [f"/v1/replay/{rids[i % recordings]}/stream {keys[i % recordings]}" for i in range(n - SINGLES)]
            singles = []
            for _ in range(SINGLES):
                token = house.viewer()
                singles.append((token, house.grant(token, [quick]), quick))
            lines += [f"/v1/replay/{quick}/stream {k}" for k in house.keys(singles)]
            run = Run(build, house.address, lines, top, max(2, n / 1500), 30).open().begin()
            revoked = []
            for _, g, _ in singles:
                time.sleep(0.1)
                revoked.append(time.monotonic_ns())
                house.must("POST", f"/v1/grants/{g}/revoke", {"comment": "bench"})
            time.sleep(1)
            all_at = time.monotonic_ns()
            house.must("POST", f"/v1/grants/{grant}/revoke", {"comment": "bench"})
            got["all answered"].append((time.monotonic_ns() - all_at) / 1e6)
            report = run.finish()
            streams, _ = run.streams()
            run.close()
            no_refusals(report, n)
            if any(s[4] == 0 or s[5] != 4411 for s in streams):
                raise SystemExit(f"bench: {sum(s[5] != 4411 for s in streams)} of {n} streams did not say that they were revoked")
            alone = list(zip(streams[n - SINGLES:], revoked))
            got["one"].append(quantile([max(0, s[3] - at) / 1e6 for s, at in alone], 0.99))
            got["one final"].append(quantile([(s[4] - at) / 1e6 for s, at in alone], 0.99))
            got["all"].append(quantile([max(0, s[3] - all_at) / 1e6 for s in streams[:n - SINGLES]], 0.99))
            got["all final"].append(quantile([(s[4] - all_at) / 1e6 for s in streams[:n - SINGLES]], 0.99))
    yield case(f"revoke one of {n}: last content byte, p99 of {SINGLES}", "ms", got["one"], None, ("<=", 100))
    yield case(f"revoke one of {n}: final event, p99 of {SINGLES}", "ms", got["one final"])
    yield case(f"revoke all {n}: last content byte, p99", "ms", got["all"], None, ("<=", 100))
    yield case(f"revoke all {n}: final event, p99", "ms", got["all final"], None, ("<=", 1500))
    yield case(f"revoke all {n}: the call's own answer", "ms", got["all answered"])


# ---- starts ----

def starts(build, o):
    n, recordings = 2000, 100
    got = {k: [] for k in ("p50", "p99", "max", "cpu", "cpu gate", "cpu keeper", "cpu vault")}
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build) as house:
        top = pathlib.Path(top)
        stage = Stage(house, n, recordings)
        for _ in range(o.rounds):
            lines, _ = stage.lines()
            run = Run(build, house.address, lines, top, 1, 1).open()
            costs = Costs(house.roles())
            run.begin()
            used = costs.used()
            report = run.finish()
            run.close()
            no_refusals(report, n)
            for k in ("p50", "p99", "max"):
                got[k].append(report[f"first_{k}_ms"])
            got["cpu"].append(sum(used.values()) * 1000 / n)
            for role in ("gate", "keeper", "vault"):
                got[f"cpu {role}"].append(used[role] * 1000 / n)
    label = f"{n} replays started within 1 s"
    yield case(f"{label}: first event, p99", "ms", got["p99"], None, ("<=", 500))
    yield case(f"{label}: first event, median", "ms", got["p50"])
    yield case(f"{label}: first event, slowest", "ms", got["max"])
    yield case(f"{label}: CPU of one", "ms", got["cpu"])
    for role in ("gate", "keeper", "vault"):
        yield case(f"{label}: … of it {role}", "ms", got[f"cpu {role}"])
