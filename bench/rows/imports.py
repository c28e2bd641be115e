"""Import over HTTP, one client, until the 201 that says it is durable. Wall time: an idle machine matters."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from figures import case
from house import House
from programs import RECORDING


def timed(fn):
    began = time.monotonic()
    fn()
    return time.monotonic() - began


def run(build, o):
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top:
        top = pathlib.Path(top)
        large = top / "large.ndjson"
        subprocess.run([build / "bench" / "bench-recording", RECORDING, large], check=True)
        files = {"checkout.json": RECORDING, f"{large.stat().st_size / 1e6:.0f} MB": large}
        took = {}

        def zstd(source):
            with open(source, "rb") as f, open(top / "ref.zst", "wb") as to:
                subprocess.run(["zstd", "-3", "-q", "-c"], stdin=f, stdout=to, check=True)
                os.fsync(to.fileno())

        with House(build) as house:
            for n in range(o.rounds + 1):
                for name, path in files.items():
                    body = path.read_bytes()
                    mine = timed(lambda: house.store(body))
                    theirs = timed(lambda: zstd(path)) if shutil.which("zstd") else None
                    if n > 0:  # the first round warms up
                        took.setdefault(f"import {name} over HTTP, durable", []).append(mine)
                        if theirs:
                            took.setdefault(f"zstd -3 {name} into a file, fsync", []).append(theirs)
        for name, path in files.items():
            size, ours, ref = path.stat().st_size / 1e6, f"import {name} over HTTP, durable", f"zstd -3 {name} into a file, fsync"
            for label in (ours, ref):
                if label in took:
                    yield case(label, "MB/s", [size / s for s in took[label]], ref if label == ours and ref in took else None)
                    yield case(label + ": time", "ms", [s * 1000 for s in took[label]])
