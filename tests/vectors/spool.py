#!/usr/bin/env python3
"""Writes the example file of docs/formats/spool.md without our code."""
import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from keystore import hchacha20

SPOOL_KEY, KEY, SALT = bytes(range(32)), bytes(range(32, 64)), b"salt-of-16-bytes"


def seal(key: bytes, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
    return nonce + ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(b"\0\0\0\0" + nonce[16:], plain, aad)


def record(index: int, kind: int, data: bytes) -> bytes:
    sealed = seal(KEY, bytes([0x41 + index]) * 24, SALT + struct.pack("<Q", index), bytes([kind, 0]) + data)
    return struct.pack("<BIQ", 0xa5, len(sealed) - 24, index) + sealed


def event(us: int, code: bytes, text: bytes) -> bytes:
    return struct.pack("<QcI", us, code, len(text)) + text


def example() -> bytes:
    out = b"KHSPOOL1" + SALT + seal(SPOOL_KEY, b"n" * 24, b"KHSPOOL1" + SALT, KEY)
    out += record(0, 1, b'{"url":"https://rec.example.com"}')
    out += bytes(16)  # one that was confirmed and punched out
    out += record(2, 3, struct.pack("<QI", 5, 2) + event(1500000, b"o", b"hi\r\n") + event(2000000, b"x", b"0"))
    return out + record(3, 2, b'{"confirmed":6}')


if __name__ == "__main__":
    data = example()
    for i in range(0, len(data), 48):
        print(data[i:i + 48].hex())
