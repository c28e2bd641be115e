"""A client key: P-256 in plain Python (FIPS 186-4, SEC 1), proofs of possession (RFC 9449), thumbprints (RFC 7638).

Shares no code with the server. Slow (some 10 ms a signature) and not constant time: for tests.
"""
import base64
import hashlib
import json
import secrets
import time

P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest_of(body):
    """The digest of an act's body: base64url(SHA-256(JCS(body))), for bodies of plain texts and integers."""
    return b64u(hashlib.sha256(json.dumps(body or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).digest())


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        m = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) % P
    else:
        m = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (m * m - p[0] - q[0]) % P
    return x, (m * (p[0] - x) - p[1]) % P


def _times(k, p):
    out = None
    while k:
        if k & 1:
            out = _add(out, p)
        p, k = _add(p, p), k >> 1
    return out


class ClientKey:
    def __init__(self, d=None):
        self.d = d or secrets.randbelow(N - 1) + 1
        self.x, self.y = _times(self.d, G)
        self.jwk = {"kty": "EC", "crv": "P-256", "x": b64u(self.x.to_bytes(32, "big")), "y": b64u(self.y.to_bytes(32, "big"))}
        self.nonce = None  # the server's last

    @property
    def jkt(self):
        text = '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (self.jwk["x"], self.jwk["y"])
        return b64u(hashlib.sha256(text.encode()).digest())

    def sign(self, message):
        """r || s"""
        e = int.from_bytes(hashlib.sha256(message).digest(), "big")
        while True:
            k = secrets.randbelow(N - 1) + 1
            r = _times(k, G)[0] % N
            s = pow(k, -1, N) * (e + r * self.d) % N
            if r and s:
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def jws(self, header, payload):
        """Both as objects, or as text."""
        parts = [v if isinstance(v, str) else json.dumps(v, separators=(",", ":")) for v in (header, payload)]
        signed = ".".join(b64u(v.encode()) for v in parts)
        return f"{signed}.{b64u(self.sign(signed.encode()))}"

    def act(self, operation, url, digest, id=""):
        """The value of Keyhole-Act (docs/formats/act.md)."""
        iat = int(time.time())
        payload = {"act": operation, "digest": digest, "htu": url, "iat": iat, "id": id}
        text = self.jws({"alg": "ES256", "typ": "act+jws", "kid": self.jkt}, json.dumps(payload, sort_keys=True, separators=(",", ":")))
        return f"{iat}.{text.rsplit('.', 1)[1]}"

    def proof(self, method, url, key=None, header=None, **claims):
        """A proof for this request; header and claims replace members, None takes one out. key: for ath."""
        h = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk, **(header or {})}
        c = {"jti": b64u(secrets.token_bytes(16)), "htm": method, "htu": url.split("?")[0].split("#")[0], "iat": int(time.time())}
        if key:
            c["ath"] = b64u(hashlib.sha256(key.encode()).digest())
        if self.nonce:
            c["nonce"] = self.nonce
        c.update(claims)
        return self.jws({k: v for k, v in h.items() if v is not None}, {k: v for k, v in c.items() if v is not None})
