"""How long a refusal takes, by where the credential is wrong. One kept connection in clear, one request at a time, the kinds in random order; the
second row of each group is the first once more, so their difference is what this machine calls nothing."""
import hashlib
import json
import pathlib
import random
import socket
import statistics
import sys
import time

from figures import case
from house import House

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "lib"))
import proof  # noqa: E402


class Line:
    """A connection that asks and waits for the whole answer."""

    def __init__(self, house, instead=None):
        if instead:
            instead.sock.close()
        self.host, self.sock, self.rest = house.host, socket.create_connection(("127.0.0.1", house.port)), b""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, path, **headers):
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host}"] + [f"{k}: {v}" for k, v in headers.items() if v is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise SystemExit("bench: the server closed the connection")
        return data

    def ask(self, request):
        """(microseconds, status)"""
        began = time.perf_counter_ns()
        self.sock.sendall(request)
        data = self.rest
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        n = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < n:
            body += self.more()
        took = (time.perf_counter_ns() - began) / 1000
        self.rest = body[n:]
        return took, int(head.split()[1])


def other(text, at):
    """The text with another character there; at a place of a token that keeps it base64url."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]


def head_of(**members):
    return proof.b64u(json.dumps(members, separators=(",", ":")).encode())


def before_the_signature(line, path, key):
    """Everything up to step 5 of the check, and step 6."""
    h, p, s = key.split(".")
    kid = json.loads(proof.unb64u(h))["kid"]
    texts = {
        "no key": None,
        "no key, again": None,
        "not three parts": f"{h}.{p}{s}",
        "five parts": f"{key}.AAAA.AAAA",
        "over 1,024 bytes": key + "A" * 400,
        "not base64url, first character": "=" + key[1:],
        "not base64url, last character": key[:-1] + "=",
        "header not JSON": f"{other(h, 0)}.{p}.{s}",
        "another typ": f"{head_of(alg='ES256', typ='JWT', kid=kid)}.{p}.{s}",
        "alg none": f"{head_of(alg='none', typ='at+jwt', kid=kid)}.{p}.{s}",
        "unknown kid, first character": f"{head_of(alg='ES256', typ='at+jwt', kid=other(kid, 0))}.{p}.{s}",
        "unknown kid, last character": f"{head_of(alg='ES256', typ='at+jwt', kid=other(kid, 10))}.{p}.{s}",
    }
    return {k: line.request(path, Authorization=v and f"Bearer {v}") for k, v in texts.items()}


def at_the_signature(line, path, key):
    h, p, s = key.split(".")
    texts = {
        "signature, first character": f"{h}.{p}.{other(s, 0)}",
        "signature, first character, again": f"{h}.{p}.{other(s, 0)}",
        "signature, middle": f"{h}.{p}.{other(s, 43)}",
        "signature, last but one": f"{h}.{p}.{other(s, 84)}",
        "payload, first third": f"{h}.{other(p, len(p) // 3)}.{s}",
        "payload, last third": f"{h}.{other(p, 2 * len(p) // 3)}.{s}",
    }
    return {k: line.request(path, Authorization=f"Bearer {v}") for k, v in texts.items()}


def of_a_proof(line, house, path, key, client):
    """Proofs that are refused can be sent again: only a good one is used up."""
    url, nonce = f"http://{house.host}{path}", client.nonce
    ath = proof.b64u(hashlib.sha256(key.encode()).digest())
    good = client.proof("GET", url, key)
    texts = {
        "no proof": None,
        "no proof, again": None,
        "proof: signature": good[:-10] + other(good[-10:], 0),
        "proof: htm": client.proof("POST", url, key),
        "proof: htu, first character of the path": client.proof("GET", url.replace("/v1", "/w1"), key),
        "proof: htu, last character": client.proof("GET", other(url, len(url) - 1), key),
        "proof: ath, first character": client.proof("GET", url, key, ath=other(ath, 0)),
        "proof: ath, last but one": client.proof("GET", url, key, ath=other(ath, 41)),
        "proof: another client key": proof.ClientKey().proof("GET", url, key),
        "proof: nonce, first character of its MAC": client.proof("GET", url, key, nonce=other(nonce, 8)),
        "proof: nonce, last but one": client.proof("GET", url, key, nonce=other(nonce, 20)),
        "proof: no nonce": client.proof("GET", url, key, nonce=None),
    }
    return {k: line.request(path, Authorization=f"DPoP {key}", DPoP=v) for k, v in texts.items()}


def times(house, requests, n, want=(401,)):
    """{kind: median of n}. A connection has 400 proofs a second: each gets 300 requests."""
    got = {k: [] for k in requests}
    order, line = [k for k in requests for _ in range(n)], None
    random.shuffle(order)
    for i, k in enumerate(order):
        if i % 300 == 0:
            line = Line(house, line)
            line.ask(requests[k])
        took, status = line.ask(requests[k])
        if status not in want:
            raise SystemExit(f"bench: {k}: {status}")
        got[k].append(took)
    return {k: statistics.median(v) for k, v in got.items()}


def bound_key(house, token, grant, rid, client):
    """A key bound to the client, by an API token that gets its client key with it."""
    path = f"/v1/grants/{grant}/keys"
    for _ in range(2):
        conn = house.connect()
        conn.request("POST", path, json.dumps({"recording": rid}),
                     {"Host": house.host, "Authorization": f"Bearer {token}", "Content-Type": "application/json",
                      "DPoP": client.proof("POST", f"http://{house.host}{path}")})
        a = conn.getresponse()
        client.nonce = a.getheader("dpop-nonce", client.nonce)
        text = a.read()
        if a.status == 201:
            return json.loads(text)["key"]
    raise SystemExit(f"bench: no bound key: {a.status} {text[:300]!r}")


def run(build, o):
    n = 1000 if o.full else 300
    found = {}
    with House(build, tls=False) as house:
        rid = house.store(b'{"version":2,"width":80,"height":24}\n[0.5,"o","hello"]\n', "terminal")
        token, client = house.viewer(), proof.ClientKey()
        path = f"/v1/replay/{rid}/manifest"
        for _ in range(o.rounds):
            grant = house.grant(token, [rid])
            line = Line(house)
            bearer = house.keys([(token, grant, rid)])[0]
            bound = bound_key(house, token, grant, rid, client)
            for group in (before_the_signature(line, path, bearer), at_the_signature(line, path, bearer),
                          of_a_proof(line, house, path, bound, client)):
                first = None
                for kind, took in times(house, group, n).items():
                    first = first or kind
                    found.setdefault(kind, (first, []))[1].append(took)
            house.must("POST", f"/v1/grants/{grant}/relinquish", token=token)
    for kind, (first, rounds) in found.items():
        yield case(kind, "µs", rounds, None if kind == first else first)
