#!/usr/bin/env python3
"""Signs the example of docs/formats/key.md without our code: JWS (RFC 7515) by hand, ECDSA by python3-cryptography. The signature differs
each time; the page has one of them."""
import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

D = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"  # RFC 7515 A.3
PAYLOAD = {"iss": "https://rec.example.com", "aud": "https://rec.example.com/v1/replay", "sub": "u_8zYGTnU-_hqeQ2Lx", "client_id": "web",
           "jti": "BXqH0cJLlQzHgCOqSMGAMA", "iat": 1793000000, "nbf": 1793000000, "exp": 1793000120, "scope": "play",
           "pid": "p_zNe2lKL4dQxW8s0b", "env": "prod", "gid": "g_P_52yi_zKORYBdCS", "gen": 3, "rid": "r_2Dz2Sr-SnSlnd8aT",
           "wend": 1793003600, "ctx": "24hjfBS6sxztL5EjzTrzXQ", "cnf": {"jkt": "ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo"}}


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


key = ec.derive_private_key(int.from_bytes(base64.urlsafe_b64decode(D + "="), "big"), ec.SECP256R1())
at = key.public_key().public_numbers()
jwk = {"crv": "P-256", "kty": "EC", "x": b64u(at.x.to_bytes(32, "big")), "y": b64u(at.y.to_bytes(32, "big"))}
kid = b64u(hashlib.sha256(compact(jwk)).digest()[:8])
signed = b64u(compact({"alg": "ES256", "typ": "at+jwt", "kid": kid})) + "." + b64u(compact(PAYLOAD))
r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
print(json.dumps(jwk))
print(signed + "." + b64u(r.to_bytes(32, "big") + s.to_bytes(32, "big")))
