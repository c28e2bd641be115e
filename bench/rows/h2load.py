"""h2load, nghttp2's own generator, as a check on ours: 8 connections with 10 streams each, TLS, one key. It asks for a manifest (h2load has one set of
headers for all it sends, and of chunks only two are on their way for a key at a time); nginx has the same bytes as a file behind secure_link."""
import pathlib
import re
import shutil
import subprocess
import tempfile

from chunks import Rounds, small
from figures import case
from house import Costs, House
from nginx import Nginx, available

REQUESTS = 20000


def load(address, path, pids, *headers):
    host = "https://localhost:" + address.split(":")[1]
    costs = Costs(pids)
    done = subprocess.run(["h2load", "-n", str(REQUESTS), "-c", "8", "-m", "10", *(w for h in headers for w in ("-H", h)), host + path],
                          capture_output=True, text=True, check=True)
    used = sum(costs.used().values())
    good, rate = re.search(r"status codes: (\d+) 2xx", done.stdout), re.search(r"([\d.]+) req/s", done.stdout)
    if not good or int(good[1]) != REQUESTS:
        raise SystemExit("bench: h2load: " + done.stdout[-600:])
    return used * 1e6 / REQUESTS, float(rate[1])


def run(build, o):
    if not (available() and shutil.which("h2load")):
        print("bench: without nginx and h2load there is nothing to see here: tools/setup --bench")
        return
    got = Rounds()
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build, tls=True) as house:
        root = pathlib.Path(top)
        root.chmod(0o755)
        rid, token = house.store(small(1024, 1)), house.viewer()
        grant = house.grant(token, [rid])
        with Nginx.files(root, house.dir / "tls.pem", house.dir / "tls.key", http2=True) as nginx:
            for _ in range(o.rounds):
                key = house.keys([(token, grant, rid)])[0]
                path = f"/v1/replay/{rid}/manifest"
                (root / "manifest").write_bytes(house.call("GET", path, token=key)[1])
                for who, one in (("keyhole", lambda: load(house.address, path, house.roles(), f"authorization: Bearer {key}")),
                                 ("nginx", lambda: load(nginx.address, nginx.path("/manifest"), nginx.pids()))):
                    cpu, rate = one()
                    got.add(who + " cpu", cpu)
                    got.add(who + " rate", rate)
    yield case("h2load, manifest: CPU per request", "µs", got["keyhole cpu"], "h2load, nginx secure_link: CPU per request")
    yield case("h2load, nginx secure_link: CPU per request", "µs", got["nginx cpu"])
    yield case("h2load, manifest: requests a second", "/s", got["keyhole rate"], "h2load, nginx secure_link: requests a second")
    yield case("h2load, nginx secure_link: requests a second", "/s", got["nginx rate"])
