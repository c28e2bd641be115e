"""1 000 terminals recording at once, beside a real sudo_logsrvd that sudo's own client feeds with the same session on as many connections.

The session is made of real ones: sudo I/O logs and terminal recordings beside the checkout when they are there, else the demo's, one after the
other until it has as many events as wanted. Both send as fast as the server takes it: sudo_sendlog without waiting for anything, our recorders
with one batch on its way, of 250 events (7 KB; `keyhole rec` sends up to 256 KiB at once) and of 50. sudo_logsrvd writes plain files without fsync
and acknowledges every 10 s and at the end; what Keyhole acknowledges is encrypted and durable.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from chunks import Rounds
from figures import case
from house import Costs, House, cpu_of, cue, free_port, generator, go, stop

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = pathlib.Path(os.environ.get("KEYHOLE_SHARED", ROOT.parent / "shared")) / "data"
SUDO = {3: "i", 4: "o"}  # event types of sudo's timing files that have bytes


def sudo_session(path):
    """[(delay, "i"|"o", bytes)]"""
    files = {3: (path / "ttyin").read_bytes(), 4: (path / "ttyout").read_bytes()}
    for line in (path / "timing").read_text(encoding="ascii").splitlines():
        kind, delay, size = line.split()[:3]
        kind, size = int(kind), int(size)
        if kind in SUDO:
            yield float(delay), SUDO[kind], files[kind][:size]
            files[kind] = files[kind][size:]


def cast_session(path):
    before = 0.0
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        at, code, data = json.loads(line)
        if code == "o" and data:
            yield max(0.0, at - before), "o", data.encode()
            before = at


def session(n_events):
    sources = [sudo_session(p) for p in sorted((DATA / "sudo_iolog" / "iolog_filter").glob("test*"))] if DATA.exists() else []
    sources += [cast_session(ROOT / "demo" / "recordings" / "restart.cast")]
    parts = [list(s) for s in sources]
    out = []
    while len(out) < n_events:
        for part in parts:
            out += part
    return out[:n_events]


def write_sudo(events, path):
    """An I/O log directory."""
    path.mkdir()
    length = sum(delay for delay, _, _ in events)
    about = {"timestamp": {"seconds": 1700000000, "nanoseconds": 0}, "columns": 80, "lines": 24, "command": "/bin/sh", "runargv": ["sh"], "runuid": 0,
             "runuser": "root", "runcwd": "/root", "runenv": ["TERM=xterm"], "submitcwd": "/root", "submithost": "bench", "submituser": "root",
             "ttyname": "/dev/pts/1", "exit_value": 0, "run_time": {"seconds": int(length), "nanoseconds": 0}}
    (path / "log.json").write_text(json.dumps(about, indent=4) + "\n", encoding="ascii")  # its reader wants lines
    (path / "log").write_text("", encoding="ascii")
    with open(path / "timing", "w", encoding="ascii") as timing, open(path / "ttyin", "wb") as tin, open(path / "ttyout", "wb") as tout:
        for delay, code, data in events:
            timing.write(f"{3 if code == 'i' else 4} {delay:.9f} {len(data)}\n")
            (tin if code == "i" else tout).write(data)


def write_cast(events, path):
    at = 0.0
    with open(path, "w", encoding="utf-8") as f:
        for delay, code, data in events:
            at += delay
            f.write(json.dumps([round(at, 6), code, data.decode("utf-8", "replace")]) + "\n")


def sudo_round(top, log, n):
    port, where = free_port(), top / "iolog"
    (top / "logsrvd.conf").write_text(f"[server]\nlisten_address = 127.0.0.1:{port}\nserver_log = {top}/logsrvd.log\n"
                                      f"[iolog]\niolog_dir = {where}\niolog_file = %{{seq}}\n[eventlog]\nlog_type = none\n", encoding="ascii")
    with subprocess.Popen(["/usr/sbin/sudo_logsrvd", "-n", "-f", top / "logsrvd.conf"]) as server:
        time.sleep(0.5)
        before, began = cpu_of(server.pid), time.monotonic()
        done = subprocess.run(["/usr/sbin/sudo_sendlog", "-h", "127.0.0.1", "-p", str(port), "-t", str(n), log], capture_output=True, text=True, check=False)
        took, used = time.monotonic() - began, cpu_of(server.pid) - before
        stop(server)
    if done.returncode != 0:
        raise SystemExit(f"bench: sudo_sendlog: {done.stdout[-300:]}{done.stderr[-500:]}")
    wrote = sum(1 for p in where.rglob("timing"))
    shutil.rmtree(where)
    if wrote != n:
        raise SystemExit(f"bench: sudo_logsrvd wrote {wrote} of {n} logs")
    return took, used


def our_round(build, house, cast, n, batch):
    p = generator(build, "bench-record", "--n", n, "--batch", batch, house.address, house.ingest(), cast)
    cue(p)
    costs = Costs(house.roles())
    go(p)
    cue(p, "created")
    opening = costs.used()
    costs = Costs(house.roles())
    go(p)
    cue(p, "sent")
    sending, pss = costs.used(), house.pss()
    costs = Costs(house.roles())
    go(p)
    report = json.loads(p.stdout.readline())
    ending = costs.used()
    p.stdin.close()
    p.wait()
    return report, opening, sending, ending, pss


def run(build, o):
    n, n_events, batch = (200, 500, 250) if o.quick else (1000, 5000 if o.full else 1000, 250)
    rounds = o.few
    events = session(n_events)
    got = Rounds()
    sudo = shutil.which("sudo_sendlog", path=os.environ["PATH"] + ":/usr/sbin")
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
        top = pathlib.Path(top)
        write_sudo(events, top / "log")
        write_cast(events, top / "cast")
        packed = len(subprocess.run(["zstd", "-3", "-q", "-c", top / "cast"], stdout=subprocess.PIPE, check=True).stdout) if shutil.which("zstd") else 0
        for _ in range(rounds):
            with House(build) as house:
                report, opening, sending, ending, pss = our_round(build, house, top / "cast", n, batch)
                rest = house.pss()
                stored = sum(p.stat().st_size for p in (house.dir / "blobs").rglob("*.khs"))
            total = report["events"]
            with House(build) as house:
                small, _, used, _, _ = our_round(build, house, top / "cast", n, 50)
            got.add("small rate", total / small["send_s"])
            got.add("small cpu", sum(used.values()) * 1e6 / total)
            got.add("small p99", small["ack_p99_ms"])
            got.add("stored", stored / n / packed if packed else 0)
            got.add("rate", total / report["send_s"])
            got.add("cpu", sum(sending.values()) * 1e6 / total)
            for k in ("ack_p50_ms", "ack_p99_ms"):
                got.add(k, report[k])
            got.add("create", n / report["create_s"])
            got.add("create cpu", sum(opening.values()) * 1000 / n)
            got.add("end", n / report["end_s"])
            got.add("end cpu", sum(ending.values()) * 1000 / n)
            got.add("whole", total / (report["create_s"] + report["send_s"] + report["end_s"]))
            got.add("memory", (pss["gate"]) / 2**20)
            got.add("memory after", (rest["gate"]) / 2**20)
            if sudo:
                took, used = sudo_round(top, top / "log", n)
                got.add("sudo rate", total / took)
                got.add("sudo cpu", used * 1e6 / total)
    label = f"{n} terminals, {n_events} events each"
    ref = f"{label}: sudo_logsrvd, events a second" if sudo else None
    yield case(f"{label}: events a second, durable", "/s", got["rate"], ref, ("ratio>=", 3.0))
    yield case(f"{label}: … in batches of 50", "/s", got["small rate"], ref)
    yield case(f"{label}: … with opening and ending", "/s", got["whole"], ref)
    if sudo:
        yield case(ref, "/s", got["sudo rate"])
    ref = f"{label}: sudo_logsrvd, CPU of an event" if sudo else None
    yield case(f"{label}: CPU of an event", "µs", got["cpu"], ref)
    yield case(f"{label}: … in batches of 50", "µs", got["small cpu"], ref)
    if sudo:
        yield case(ref, "µs", got["sudo cpu"])
    yield case(f"{label}: batch of {batch} to its acknowledgement, median", "ms", got["ack_p50_ms"])
    yield case(f"{label}: batch of {batch} to its acknowledgement, p99", "ms", got["ack_p99_ms"])
    yield case(f"{label}: batch of 50 to its acknowledgement, p99", "ms", got["small p99"])
    yield case(f"{label}: opened a second", "/s", got["create"])
    yield case(f"{label}: CPU to open one", "ms", got["create cpu"])
    yield case(f"{label}: ended and sealed a second", "/s", got["end"])
    yield case(f"{label}: CPU to end one", "ms", got["end cpu"])
    if packed:
        yield case(f"{label}: zstd -3 of the lines of one", "bytes", [packed])
        yield case(f"{label}: stored after the end / zstd -3 of the same lines", "ratio", got["stored"], None, ("<=", 1.05))
    yield case(f"{label}: PSS of the gate while recording", "MiB", got["memory"])
    yield case(f"{label}: PSS of the gate after the ends", "MiB", got["memory after"])
