"""What needs no server: key checks and recordings in one process, CPU time of one core."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from figures import case

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RECORDING = ROOT / "demo" / "recordings" / "checkout.json"

BARS = {
    "key: first sight": ("ratio>=", 0.9),
    "key: known, with a new proof": ("ratio>=", 0.9),
    "key: by digest, with the live grant": (">=", 1e6),
    "key: same bytes on the connection": (">=", 5e6),
    "import to segments, masked, level 1": ("ratio>=", 0.5),
    "import to segments, masked, level 1, large pages": ("ratio>=", 0.5),
    "stored size: segments / zstd -3 of all of it": ("<=", 1.05),
}


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def program(build, name, *args, rounds, of="", **env):
    """of: what the cases are called besides, when the program runs twice."""
    done = subprocess.run([str(build / "bench" / name), *map(str, args)], stdout=subprocess.PIPE, text=True, check=True,
                          env=dict(os.environ, BENCH_ROUNDS=str(rounds), **env))
    for line in done.stdout.splitlines():
        c = json.loads(line)
        reference = c.get("reference")
        yield case(c["name"] + of, c["unit"], c.get("rounds", [c["rate"]]), reference and reference + of, BARS.get(c["name"] + of))


def key(build, o):
    yield from program(build, "bench-key", rounds=o.rounds)
    if shutil.which("openssl"):
        m = re.search(r"^\+F\d+:\d+:\d+:([\d.]+):([\d.]+)$", said("openssl", "speed", "-seconds", "1", "-mr", "ecdsap256"), re.M)
        if m:  # signs a second, checks a second; older ones print seconds each
            rate = float(m[2])
            yield case("openssl speed ecdsap256, verify", "checks/s", [rate if rate > 1 else 1 / rate])


def recording(build, o):
    yield from program(build, "bench-recording", RECORDING, rounds=o.rounds)
    if not getattr(o, "quick", False):
        with tempfile.NamedTemporaryFile(suffix=".json") as pages:
            subprocess.run([sys.executable, ROOT / "bench" / "pages.py"], stdout=pages, check=True)
            yield from program(build, "bench-recording", pages.name, rounds=o.rounds, of=", large pages")
    if shutil.which("node"):
        script = """const t=require('fs').readFileSync(process.argv[1]);const r=[];
            for(let i=0;i<9;i++){const c=process.cpuUsage();let n=0;for(let k=0;k<40;k++){JSON.parse(t.toString('utf8'));n+=t.length}
            const u=process.cpuUsage(c);r.push(n/(u.user+u.system))}
            r.sort((a,b)=>a-b);console.log(r[4])"""
        out = said("node", "-e", script, str(RECORDING))
        if out:
            yield case("node: JSON.parse of the same events", "MB/s", [float(out)])
