#!/usr/bin/env python3
"""Provisioning keys and DPoP proofs, judged twice: by the code that the gate uses (tests/lib/verdicts.c) and by a checker written here from
docs/formats/key.md, RFC 9449 and STANDARDS 1.4 to 1.6, over openssl. Some thousand keys and proofs, signed for real, with everything
in them that may be wrong: both have to say the same of each. KEYHOLE_SEED repeats a run, KEYHOLE_LONG=1 takes ten times as many.
"""
import base64
import functools
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import urllib.parse

from _server import BUILD, Failed, Tests, same, true

SEED = int(os.environ.get("KEYHOLE_SEED", "20261122"))
CASES = 4000 if os.environ.get("KEYHOLE_LONG") else 200
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
NOW = 1793000060
ISS, AUD, ENV = "https://rec.example.com", "https://rec.example.com/v1/replay", "prod"

test = Tests()
where = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-differential-"))
rnd = random.Random(SEED)


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# ---- openssl ----

def openssl(*argv, data=None):
    return subprocess.run(["openssl", *map(str, argv)], input=data, capture_output=True)


class P256:
    def __init__(self, name):
        self.pem, self.pub_pem = where / f"{name}.pem", where / f"{name}.pub"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.pem)
        openssl("ec", "-in", self.pem, "-pubout", "-out", self.pub_pem)
        der = openssl("ec", "-in", self.pem, "-pubout", "-outform", "DER").stdout
        self.x, self.y = der[-64:-32], der[-32:]
        self.jwk = {"kty": "EC", "crv": "P-256", "x": b64u(self.x), "y": b64u(self.y)}
        self.thumb = hashlib.sha256(json.dumps({"crv": "P-256", "kty": "EC", "x": self.jwk["x"], "y": self.jwk["y"]},
                                               separators=(",", ":")).encode()).digest()
        self.jkt, self.kid = b64u(self.thumb), b64u(self.thumb[:8])

    def sign(self, data):
        der = openssl("dgst", "-sha256", "-sign", self.pem, data=data).stdout
        return b"".join(int.from_bytes(i, "big").to_bytes(32, "big") for i in integers(der))


def integers(der):
    """r and s of SEQUENCE { INTEGER, INTEGER }, both short."""
    at, out = 2, []
    for _ in range(2):
        n = der[at + 1]
        out.append(der[at + 2:at + 2 + n])
        at += 2 + n
    return out


def der_integer(n):
    raw = n.to_bytes((n.bit_length() // 8) + 1, "big")
    return b"\x02" + bytes([len(raw)]) + raw


@functools.lru_cache(maxsize=None)
def verifies(pub_pem, data, sig):
    if len(sig) != 64:
        return False
    r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")
    if not (1 <= r < N and 1 <= s < N):
        return False
    body = der_integer(r) + der_integer(s)
    file = where / "sig"
    file.write_bytes(b"\x30" + bytes([len(body)]) + body)
    return openssl("dgst", "-sha256", "-verify", pub_pem, "-signature", file, data=data).returncode == 0


@functools.lru_cache(maxsize=None)
def pem_of(x, y):
    """A public key that came in a proof; None: not a point of the curve."""
    der = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + x + y
    file = where / f"jwk-{hashlib.sha256(x + y).hexdigest()[:16]}.pem"
    p = openssl("pkey", "-pubin", "-inform", "DER", "-pubcheck", "-pubout", "-out", file, data=der)
    return file if p.returncode == 0 else None


# ---- the checker of ours, in the words of the documents ----

class Refused(Exception):
    pass


def part(text):
    if not text or re.fullmatch(rb"[A-Za-z0-9_-]+", text) is None or len(text) % 4 == 1:
        raise Refused("form")
    raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if b64u(raw).encode() != text:
        raise Refused("form")
    return raw


class Number:
    def __init__(self, text):
        self.text = text


def strict(raw, depth, string_max, whole=True):
    def pairs(items):
        if len({k for k, _ in items}) != len(items):
            raise ValueError("twice")
        return dict(items)

    def deny(x):
        raise ValueError(x)

    text = raw.decode("utf-8")
    value = json.loads(text, object_pairs_hook=pairs, parse_int=Number, parse_float=Number, parse_constant=deny)
    if not isinstance(value, dict) or text[:1] != "{" and text.lstrip(" \t\r\n")[:1] != "{":
        raise ValueError("no object")

    def walk(v, level):
        if isinstance(v, (dict, list)):
            if level > depth:
                raise ValueError("deep")
            for k in v if isinstance(v, dict) else ():
                walk(k, level)
            for c in v.values() if isinstance(v, dict) else v:
                walk(c, level + 1)
        elif isinstance(v, str):
            if len(v.encode("utf-8")) > string_max:  # lone surrogates raise here
                raise ValueError("long")
        elif isinstance(v, Number) and whole:
            if re.fullmatch(r"0|[1-9][0-9]*", v.text) is None or int(v.text) >= 2**53:
                raise ValueError("number")
    walk(value, 1)
    return value


def number(v, most=2**53 - 1):
    if not isinstance(v, Number) or re.fullmatch(r"0|[1-9][0-9]*", v.text) is None or int(v.text) > most:
        raise Refused("key-malformed")
    return int(v.text)


def text(v, pattern):
    if not isinstance(v, str) or re.fullmatch(pattern, v) is None:
        raise Refused("key-malformed")
    return v


def words_good(scope):
    words = scope.split(" ")
    if len(set(words)) != len(words) or not set(words) <= {"play", "live", "unmask", "export", "bg"}:
        return False
    rest = set(words) - {"bg"}
    if "export" in rest and rest != {"export"}:
        return False
    if "unmask" in rest and not rest & {"play", "live"}:
        return False
    return bool(rest)


def judge_key(token, key, now_ms):
    if not token:
        return "key-missing"
    try:
        if len(token) > 1024 or token.count(b".") != 2:
            raise Refused("form")
        h, p, s = token.split(b".")
        header, payload, sig = part(h), part(p), part(s)
        header = strict(header, 1, 200)
        if set(header) != {"alg", "typ", "kid"} or not all(isinstance(v, str) for v in header.values()):
            raise Refused("form")
        if header["typ"] not in ("at+jwt", "application/at+jwt"):
            raise Refused("form")
    except (Refused, ValueError):
        return "key-malformed"
    if header["kid"] != key.kid or header["alg"] != "ES256" or not verifies(key.pub_pem, h + b"." + p, sig):
        return "key-forged"
    try:
        c = strict(payload, 2, 200)
        if len(c) > 64:
            raise Refused("members")
        for name in ("iss", "aud", "env"):
            if not isinstance(c.get(name), str) or not 1 <= len(c[name].encode()) <= 200:
                raise Refused(name)
        for name, letter in (("sub", "u"), ("pid", "p"), ("gid", "g"), ("rid", "r")):
            text(c.get(name), letter + "_[A-Za-z0-9_-]{16}")
        text(c.get("client_id"), "web|cli|api")
        text(c.get("jti"), "[A-Za-z0-9_-]{21}[AQgw]")
        text(c.get("ctx"), "[A-Za-z0-9_-]{21}[AQgw]")
        iat, nbf, exp, wend = (number(c.get(n)) for n in ("iat", "nbf", "exp", "wend"))
        number(c.get("gen"), 2**32 - 1)
        if not isinstance(c.get("scope"), str) or not words_good(c["scope"]):
            raise Refused("scope")
        if "cnf" in c:
            if not isinstance(c["cnf"], dict) or set(c["cnf"]) != {"jkt"}:
                raise Refused("cnf")
            text(c["cnf"]["jkt"], "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
        if not (exp > iat and exp > nbf and exp <= wend and exp - iat <= (300 if "cnf" in c else 60)):
            raise Refused("times")
    except (Refused, ValueError):
        return "key-malformed"
    if c["iss"] != ISS or c["aud"] != AUD or c["env"] != ENV:
        return "key-binding"
    if nbf * 1000 > now_ms + 5000 or iat * 1000 > now_ms + 5000:
        return "key-not-yet"
    return "key-expired" if now_ms >= exp * 1000 else "ok"


# ---- the gate's own ----

class Verdicts:
    def __init__(self):
        self.p = subprocess.Popen([BUILD / "tests" / "verdicts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()
        answer = self.p.stdout.readline().strip()
        if not answer:
            raise Failed(f"no verdict on {line!r:.300}")
        return answer

    def key(self, token, key, now_ms):
        return self.ask(f"key {(key.x + key.y).hex()} {now_ms} {ISS} {AUD} {ENV} {base64.b64encode(token).decode() or '-'}")


gate = Verdicts()
signer, stranger = P256("signer"), P256("stranger")


# ---- keys ----

def claims(**more):
    c = {"iss": ISS, "aud": AUD, "sub": "u_8zYGTnU-_hqeQ2Lx", "client_id": "web", "jti": "BXqH0cJLlQzHgCOqSMGAMA", "iat": NOW - 60, "nbf": NOW - 60,
         "exp": NOW + 60, "scope": "play", "pid": "p_zNe2lKL4dQxW8s0b", "env": ENV, "gid": "g_P_52yi_zKORYBdCS", "gen": 3,
         "rid": "r_2Dz2Sr-SnSlnd8aT", "wend": NOW + 3540, "ctx": "24hjfBS6sxztL5EjzTrzXQ", "cnf": {"jkt": "ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo"}}
    c.update(more)
    return {k: v for k, v in c.items() if v is not DROP}


DROP = object()
ODD = [None, True, "", "x", "é" * 101, "a" * 200, "a" * 201, -1, 0, 1, 1.5, 1e3, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 10**30, [], {}, ["play"], {"jkt": "x"}, "play ", " play",
       "play  live", "play live", "live play", "export", "export play", "unmask", "play unmask", "bg", "play bg", "play play", "PLAY", "u_8zYGTnU-_hqeQ2Lx", "r_short",
       "at+jwt", "web", "cli", "api", "WEB", AUD, ISS + "/", NOW, NOW + 60, NOW + 3540, NOW - 60, NOW + 5, NOW + 6, "24hjfBS6sxztL5EjzTrzXR"]
HEADERS = [{}, {"alg": "none"}, {"alg": "None"}, {"alg": "HS256"}, {"alg": "ES384"}, {"alg": "es256"}, {"typ": "JWT"}, {"typ": "application/at+jwt"}, {"typ": "AT+JWT"},
           {"typ": "dpop+jwt"}, {"kid": "../../etc"}, {"kid": ""}, {"kid": 7}, {"crit": ["exp"]}, {"jwk": signer.jwk}, {"jku": "https://evil.example"}, {"x5u": "x"},
           {"b64": False}, {"zip": "DEF"}, {"alg": DROP}, {"typ": DROP}, {"kid": DROP}, {"kid": stranger.kid}, {"alg": None}, {"cty": "JWT"}]


def encode(obj):
    """JSON, sometimes with spaces, escapes, or another order."""
    how = rnd.randrange(8)
    if how == 0:
        obj = dict(rnd.sample(list(obj.items()), len(obj)))
    out = json.dumps(obj, separators=(", ", ": ") if how == 1 else (",", ":"), ensure_ascii=how != 2)
    if how == 3:
        out = out.replace("p", "\\u0070", 1)
    if how == 4:
        out = "\n" + out + " "
    return out.encode("utf-8", "surrogatepass")


def twist_text(raw):
    how = rnd.randrange(14)
    if how == 0:
        return raw[:-1] + b',"exp":9999999999}'  # a member twice
    if how == 1:
        return raw[:-1] + b',"x":' + b"[" * 3 + b"]" * 3 + b"}"
    if how == 2:
        return raw[:-1] + b',"x":[{}]}'
    if how == 3:
        return raw + b"{}"
    if how == 4:
        return b"\xef\xbb\xbf" + raw
    if how == 5:
        return raw[:-1] + b',"x":"\xff"}'
    if how == 6:
        return raw[:-1] + b',"x":"\\ud800"}'
    if how == 7:
        return raw[:-1] + b',"x":1.0}'
    if how == 8:
        return raw[:-1] + b',"x":1e2}'
    if how == 9:
        return raw[:-1] + b',"x":-0}'
    if how == 10:
        return raw[:-1] + b",}"
    if how == 11:
        return raw[:-1] + b',"x":"a\nb"}'
    if how == 12:
        return raw[:-1] + b',"x":NaN}'
    return raw[:-1] + b',"' + b"y" * rnd.choice((1, 200, 201)) + b'":true}'


def make_key(header=None, payload=None, key=signer):
    h = encode({k: v for k, v in {"alg": "ES256", "typ": "at+jwt", "kid": signer.kid, **(header or {})}.items() if v is not DROP})
    p = encode(payload if payload is not None else claims())
    return h, p, key


def compact(h, p, key, sig=None):
    first = f"{b64u(h)}.{b64u(p)}".encode()
    return first + b"." + b64u(sig if sig is not None else key.sign(first)).encode()


def random_key():
    how = rnd.randrange(10)
    if how < 4:  # one claim or two of another value
        c = claims()
        for _ in range(rnd.choice((1, 1, 2))):
            c[rnd.choice(list(c) + ["extra"])] = rnd.choice(ODD + [DROP])
        return compact(*make_key(payload={k: v for k, v in c.items() if v is not DROP}))
    if how == 4:
        return compact(*make_key(header=rnd.choice(HEADERS)))
    if how == 5:
        h, p, key = make_key()
        return compact(h, twist_text(p), key)
    if how == 6:
        h, p, key = make_key()
        return compact(twist_text(h), p, key)
    if how == 7:  # around each time
        exp = NOW + rnd.choice((-1, 0, 1, 60))
        iat = exp - rnd.choice((0, 1, 59, 60, 61, 120, 300, 301))
        return compact(*make_key(payload=claims(iat=iat, nbf=iat + rnd.choice((-1, 0, 1)), exp=exp, wend=exp + rnd.choice((-1, 0, 100)),
                                                cnf=rnd.choice((DROP, {"jkt": signer.jkt})))))
    if how == 8:
        h, p, key = make_key(key=rnd.choice((signer, stranger)))
        first = f"{b64u(h)}.{b64u(p)}".encode()
        good = signer.sign(first)
        r, s = good[:32], int.from_bytes(good[32:], "big")
        sig = rnd.choice((good, r + (N - s).to_bytes(32, "big"), bytes(64), r + bytes(32), r + N.to_bytes(32, "big"), bytes(32) + good[32:],
                          good[:-1], good + b"\0", b"\x30\x44" + good[:62], key.sign(first)))
        return compact(h, p, key, sig)
    return twist_bytes(compact(*make_key()))


def twist_bytes(token):
    how = rnd.randrange(9)
    at = rnd.randrange(len(token))
    return [token + b"=", token + b".", token.replace(b".", b"..", 1), token[:at], token[:at] + b"\n" + token[at:], token + b"A" * (1024 - len(token)),
            token + b"A" * (1025 - len(token)), token[:at] + bytes([token[at] ^ 1 << rnd.randrange(7)]) + token[at + 1:], b""][how]


@test("keys: both say the same, and each verdict comes up")
def _():
    seen, kinds = {}, {}
    for i in range(CASES * 3):
        token = random_key()
        now_ms = NOW * 1000 + rnd.choice((0, 0, 0, -1, 1, 59999, 60000, 60001, -65000, -65001))
        want = judge_key(token, signer, now_ms)
        got = gate.key(token, signer, now_ms)
        if got != want:
            raise Failed(f"case {i} (seed {SEED}): the gate says {got}, the document {want}: {token!r}\n"
                         + "".join(f"  {base64.urlsafe_b64decode(x + b'==')!r}\n" for x in token.split(b".")[:2] if len(x) % 4 != 1))
        seen[want] = seen.get(want, 0) + 1
        kinds[token] = 1
    true(len(kinds) > CASES * 2, "too few different keys")
    true({"ok", "key-missing", "key-malformed", "key-forged", "key-binding", "key-not-yet", "key-expired"} == set(seen), seen)
    print(f"    {len(kinds)} keys: {seen}")


# ---- proofs ----

NONCE_KEY, NODE, PATH, ORIGIN = bytes(range(32)), 7, "/v1/replay/r_2Dz2Sr-SnSlnd8aT/manifest", "https://rec.example.com"
client, other = P256("client"), P256("other")
ATH = hashlib.sha256(b"the key").digest()


def nonce(ts=NOW - 10, node=NODE, jkt=None, key=NONCE_KEY):
    first = ts.to_bytes(4, "little") + node.to_bytes(2, "little")
    return b64u(first + hmac.new(key, first + (jkt or client.jkt).encode(), hashlib.sha256).digest()[:10])


def same_url(htu):
    """RFC 9449 4.3 check 9 under RFC 3986 6.2.2 and 6.2.3, for the one origin there is. (A colon without a port is not taken: nobody writes it.)"""
    m = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", htu, re.S)
    if m is None:
        return False
    scheme, host, path = m[1].lower(), m[2].lower(), m[3] or "/"
    default = {"https": ":443", "http": ":80"}.get(scheme)
    if default and host.endswith(default):
        host = host[:-len(default)]
    return f"{scheme}://{host}" == ORIGIN and normal(path) == normal(PATH)


def normal(path):
    def one(m):
        c = chr(int(m[1], 16))
        return c if re.fullmatch(r"[A-Za-z0-9._~-]", c) else m[0].upper()
    return re.sub("%([0-9A-Fa-f]{2})", one, path)


def judge_proof(proof, ath):
    if not proof:
        return "missing"
    if len(proof) > 1536:
        return "too-long"
    try:
        if proof.count(b".") != 2:
            raise Refused("form")
        h, p, s = proof.split(b".")
        header, payload, sig = strict(part(h), 2, 1024, whole=False), part(p), part(s)
        if set(header) != {"typ", "alg", "jwk"}:
            raise Refused("form")
    except (Refused, ValueError):
        return "form"
    if header["typ"] != "dpop+jwt":
        return "typ"
    if header["alg"] != "ES256":
        return "alg"
    jwk = header["jwk"]
    try:
        if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or not {"x", "y"} <= set(jwk) <= set("kty crv x y alg use kid".split()):
            raise Refused("jwk")
        if jwk.get("alg", "ES256") != "ES256" or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid", ""), str):
            raise Refused("jwk")  # what a library may add says nothing new
        x, y = part(jwk["x"].encode()), part(jwk["y"].encode())
        if len(x) != 32 or len(y) != 32 or pem_of(x, y) is None:
            raise Refused("jwk")
    except (Refused, AttributeError):
        return "jwk"
    if not verifies(pem_of(x, y), h + b"." + p, sig):
        return "signature"
    try:
        c = strict(payload, 3, 1024, whole=False)  # what a client has beside the claims is its own
        for name, most in (("jti", 128), ("htm", 16), ("htu", 1024)):
            if not isinstance(c.get(name), str) or not 1 <= len(c[name].encode()) <= most or "\0" in c[name]:
                raise Refused(name)
        number(c.get("iat"))
        for name, most in (("ath", 43), ("nonce", 1024)):
            if name in c and (not isinstance(c[name], str) or not 1 <= len(c[name].encode()) <= most or "\0" in c[name]):
                raise Refused(name)
    except (Refused, ValueError):
        return "claims"
    if c["htm"] != "GET":
        return "htm"
    if not same_url(c["htu"]):
        return "htu"
    if c.get("ath", "") != (b64u(ath) if ath else ""):
        return "ath"
    jkt = b64u(hashlib.sha256(json.dumps({"crv": "P-256", "kty": "EC", "x": jwk["x"], "y": jwk["y"]}, separators=(",", ":")).encode()).digest())
    if jkt != client.jkt:
        return "jkt"
    n = c.get("nonce", "")
    if any(n == nonce(ts, jkt=jkt) for ts in range(NOW - 120, NOW + 1)):
        return "ok"
    return "nonce"


def gate_proof(proof, ath):
    return gate.ask(f"proof GET {PATH} {ORIGIN} {ath.hex() if ath else '-'} {client.jkt} {NONCE_KEY.hex()} {NODE} {NOW} {base64.b64encode(proof).decode() or '-'}")


URLS = [ORIGIN + PATH, ORIGIN + PATH + "?x=1", ORIGIN + PATH + "#f", ORIGIN.upper() + PATH, "https://REC.example.com:443" + PATH, "http://rec.example.com" + PATH,
        "https://rec.example.com:8443" + PATH, "https://evil.example" + PATH, ORIGIN + PATH + "/", ORIGIN + PATH.replace("replay", "%72eplay"),
        ORIGIN + PATH.replace("replay", "%52eplay"), ORIGIN + PATH.upper(), ORIGIN, PATH, "", "https://user@rec.example.com" + PATH, ORIGIN + "/v1/../v1" + PATH[3:],
        ORIGIN + "." + PATH, ORIGIN + ":" + PATH, "https:/rec.example.com" + PATH, ORIGIN + PATH.replace("/", "%2f", 2)]


def random_proof():
    ath = rnd.choice((ATH, ATH, None))
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": dict(client.jwk)}
    body = {"jti": b64u(rnd.randbytes(16)), "htm": "GET", "htu": ORIGIN + PATH, "iat": NOW, "nonce": nonce()}
    if ath:
        body["ath"] = b64u(ath)
    key, how = client, rnd.randrange(13)
    if how == 0:
        body["htu"] = rnd.choice(URLS)
    elif how == 1:
        body["nonce"] = rnd.choice([DROP, "", "x", nonce(NOW), nonce(NOW - 120), nonce(NOW - 121), nonce(NOW + 1), nonce(node=8), nonce(jkt=other.jkt), nonce(key=bytes(32)), 5, nonce()[:-1]])
    elif how == 2:
        body["ath"] = rnd.choice([DROP, "", b64u(ATH), b64u(bytes(32)), "x", 5, b64u(ATH) + "A"])
    elif how == 3:
        body[rnd.choice(("jti", "htm", "htu", "iat"))] = rnd.choice([DROP, "", None, 5, -5, 1.5, "GET", "POST", "get", "a" * 128, "a" * 129, [], {}, NOW])
    elif how == 4:
        header.update(rnd.choice(({"typ": "jwt"}, {"typ": "application/dpop+jwt"}, {"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"kid": "x"}, {"alg": DROP}, {"typ": DROP}, {"jwk": DROP},
                                  {"jwk": "x"}, {"crit": []}, {"typ": 1})))
    elif how == 5:
        header["jwk"].update(rnd.choice(({"d": b64u(bytes(32))}, {"kty": "RSA"}, {"crv": "P-384"}, {"x": b64u(bytes(32))}, {"y": client.jwk["x"]}, {"x": client.jwk["x"] + "A"}, {"use": "sig"},
                                         {"x": 5}, {"y": b64u(bytes(31))}, {"k": "x"}, {"kid": "any"}, {"alg": "ES256"}, {"alg": "ES384"}, {"use": "enc"}, {"x": client.jwk["x"] + "="})))
    elif how == 6:
        key = other
        if rnd.randrange(2):
            header["jwk"] = dict(other.jwk)
            body["nonce"] = nonce(jkt=rnd.choice((client.jkt, other.jkt)))
    if how == 11:
        body["htm"] = rnd.choice(("POST", "get", "HEAD"))
    h, p = (encode({k: v for k, v in o.items() if v is not DROP}) for o in (header, body))
    if how == 7:
        p = twist_text(p)
    if how == 8:
        h = twist_text(h)
    sig = None
    if how == 9:
        good = key.sign(f"{b64u(h)}.{b64u(p)}".encode())
        s = int.from_bytes(good[32:], "big")
        sig = rnd.choice((good[:32] + (N - s).to_bytes(32, "big"), bytes(64), good[:63], good[:32] + N.to_bytes(32, "big")))
    token = compact(h, p, key, sig)
    if how == 10:
        token = rnd.choice((token + b"=", token[:rnd.randrange(len(token))], b"", token + b"A" * (1537 - len(token)), token + b"." + token, token.replace(b".", b"", 1)))
    return token, ath


@test("proofs: both say the same, and each verdict comes up")
def _():
    seen = {}
    for i in range(CASES * 3):
        proof, ath = random_proof()
        want, got = judge_proof(proof, ath), gate_proof(proof, ath)
        if got != want:
            raise Failed(f"case {i} (seed {SEED}): the gate says {got}, the document {want}: {proof!r}\n"
                         + "".join(f"  {base64.urlsafe_b64decode(x + b'==')!r}\n" for x in proof.split(b".")[:2] if len(x) % 4 != 1))
        seen[want] = seen.get(want, 0) + 1
    true({"ok", "missing", "too-long", "form", "typ", "alg", "jwk", "signature", "claims", "htm", "htu", "ath", "jkt", "nonce"} == set(seen), seen)
    print(f"    {sum(seen.values())} proofs: {seen}")


test.run()
