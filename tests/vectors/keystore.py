#!/usr/bin/env python3
"""Writes the example file of docs/formats/keystore.md without our code.

XChaCha20-Poly1305 = HChaCha20 by hand (draft-irtf-cfrg-xchacha 2.2), then python3-cryptography's ChaCha20-Poly1305.
"""
import hashlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

MASTER = bytes(range(32))


def hchacha20(key: bytes, nonce16: bytes) -> bytes:
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce16))

    def quarter(a, b, c, d):
        for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            v = s[z] ^ s[x]
            s[z] = ((v << r) | (v >> (32 - r))) & 0xffffffff

    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                  (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*q)
    return struct.pack("<8I", *s[0:4], *s[12:16])


def seal(nonce: bytes, aad: bytes, plain: bytes) -> bytes:
    return ChaCha20Poly1305(hchacha20(MASTER, nonce[:16])).encrypt(b"\0\0\0\0" + nonce[16:], plain, aad)


def lp(x: bytes) -> bytes:
    return bytes([len(x)]) + x


def entry(kind: int, ident: bytes, nonce: bytes, value: bytes) -> bytes:
    ct = seal(nonce, b"keyhole/keystore/v1\0" + bytes([kind]) + ident, value)
    return bytes([kind]) + lp(ident) + nonce + struct.pack("<H", len(ct)) + ct


def example() -> bytes:
    out = b"KHKEYS1\0"
    root = hashlib.sha256(b"").digest()
    out += entry(4, b"system", b"a" * 24, struct.pack("<BQqqq", 1, 12, 0, 0, 0) + lp(root) + lp(b""))
    out += entry(5, b"ids", b"b" * 24, struct.pack("<BQqqq", 1, 0, 1793000000000, 0, 0) + lp(b"") + lp(bytes(range(32, 64))))
    manifest = struct.pack("<QI", 3, 2) + hashlib.sha256(out).digest()
    return out + entry(0, b"", b"c" * 24, manifest)


if __name__ == "__main__":
    # draft-irtf-cfrg-xchacha 2.2.1
    assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex() == \
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    data = example()
    for i in range(0, len(data), 48):
        print(data[i:i + 48].hex())
