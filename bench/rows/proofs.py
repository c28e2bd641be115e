"""Chunks of 32 KiB over TLS with a proof of possession for each request, beside the least that one costs: bench-bare-tls, a program that checks one
ES256 signature and writes as many bytes over TLS 1.3.

As in chunks.py a viewing is a fresh key, the manifest, then each chunk once; "again" asks for the same under the same keys, with new proofs. A person
has a client key of its own. Proofs are made before anything is measured, with the server's nonce (good for two minutes).
"""
import json
import pathlib
import subprocess
import tempfile

from chunks import CONNS, Cast, ENCODING, Rounds, recording, run_get, save_chunks, write_jobs
from figures import case
from house import House, cue, free_port, proof, stop

CHUNKS = 40


class Bound:
    """The cast's people, each with a client key."""

    def __init__(self, house, cast):
        self.house, self.cast, self.origin = house, cast, f"https://{house.host}"
        self.clients = {t: proof.ClientKey() for t in cast.tokens}

    def keys(self):
        """[(client, recording, key)], one for each person and recording."""
        return [(self.clients[token], rid, self.key(token, grant, rid)) for token, grant, rid in self.cast.pairs()]

    def key(self, token, grant, rid):
        client, path = self.clients[token], f"/v1/grants/{grant}/keys"
        for _ in range(2):  # the first answer has the nonce
            status, text = self.house.call("POST", path, {"recording": rid}, token, {"DPoP": client.proof("POST", self.origin + path)})
            client.nonce = self.house.local.headers.get("dpop-nonce", client.nonce)
            if status == 201:
                return json.loads(text)["key"]
        raise SystemExit(f"bench: no bound key: {status} {text[:300]!r}")

    def jobs(self, build, top, keys):
        """A job file: each key's viewing, with proofs."""
        blocks = []
        for client, rid, key in keys:
            pub = client.x.to_bytes(32, "big") + client.y.to_bytes(32, "big")
            head = [f"PROOF {client.d.to_bytes(32, 'big').hex()} {pub.hex()} {client.nonce} {key}", f"Authorization: DPoP {key}", ENCODING]
            blocks.append((head, [f"/v1/replay/{rid}/manifest"] + [f"/v1/replay/{rid}/chunks/{n}" for n in range(CHUNKS)]))
        plain = write_jobs(top / "plain", blocks)
        with open(top / "jobs", "w", encoding="ascii") as f:
            subprocess.run([build / "bench" / "bench-proofs", plain, self.origin], stdout=f, check=True)
        return top / "jobs"


def per_cpu(report, used):
    return report["requests"] / sum(used.values())


def one_round(build, house, bound, bare, bare_pid, top, got):
    keys = bound.keys()
    for name in ("viewing", "again"):
        report, used = run_get(build, house.address, house.ca, bound.jobs(build, top, keys), house.roles())
        got.add(name, per_cpu(report, used))
        got.add(name + " rate", report["requests"] / report["seconds"])
        for role, s in used.items():
            got.add(f"{name} {role}", s * 1e6 / report["requests"])
    jobs = write_jobs(top / "bare jobs", [([ENCODING, "Authorization: DPoP " + "k" * 700, "DPoP: " + "p" * 700], ["/chunk"] * 60)] * CONNS)
    report, used = run_get(build, bare, house.ca, jobs, {"bare": bare_pid})
    got.add("bare", per_cpu(report, used))
    got.add("bare rate", report["requests"] / report["seconds"])


def run(build, o):
    got = Rounds()
    with tempfile.TemporaryDirectory(prefix="keyhole-bench-") as top, House(build, tls=True) as house:
        top = pathlib.Path(top)
        (top / "files").mkdir()
        cast = Cast(house, [house.store(recording(CHUNKS, 32768, n)) for n in range(4)], 8 if o.quick else 16)
        _, size = save_chunks(house, cast, CHUNKS, top / "files", 32768)
        bound = Bound(house, cast)
        port = free_port()
        bare = subprocess.Popen([build / "bench" / "bench-bare-tls", str(port), house.dir / "tls.pem", house.dir / "tls.key", str(int(size))],
                                stdout=subprocess.PIPE, text=True)
        try:
            cue(bare)
            for _ in range(o.rounds):
                one_round(build, house, bound, f"127.0.0.1:{port}", bare.pid, top, got)
        finally:
            stop(bare)
    ref = "a bare ES256 check and TLS write (OpenSSL)"
    yield case("32 KiB, TLS, a proof per request: requests a CPU second, a viewing", "/s", got["viewing"], ref, ("ratio>=", 0.9))
    yield case("32 KiB, TLS, a proof per request: requests a CPU second, again", "/s", got["again"], ref)
    yield case(ref, "/s", got["bare"])
    for role in ("gate", "keeper", "vault"):
        yield case(f"32 KiB, TLS, a proof per request: CPU of a viewing's request, {role}", "µs", got["viewing " + role])
    yield case("32 KiB, TLS, a proof per request: requests a second, a viewing", "/s", got["viewing rate"], "a bare ES256 check and TLS write: requests a second")
    yield case("a bare ES256 check and TLS write: requests a second", "/s", got["bare rate"])
