#!/usr/bin/env python3
"""HKDF-Expand with SHA-512 (RFC 5869 step 2) from Python's hmac alone; prints the vectors of tests/unit/crypto/hash.c."""
import hashlib
import hmac


def expand(prk: bytes, info: bytes, n: int) -> bytes:
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha512).digest()
        out, i = out + block, i + 1
    return out[:n]


if __name__ == "__main__":
    print(expand(bytes(range(32)), b"keyhole", 76).hex())
    print(expand(bytes(range(64)), b"", 200).hex())
