#!/usr/bin/env python3
"""Writes the example file of docs/formats/segment.md without our code: format and HKDF by hand, AES-GCM by python3-cryptography.

zstd frames are stored (raw blocks), so no compressor is needed. Prints plaintext and file in hex.
"""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RK = bytes(range(32))
SALT = bytes(range(0x40, 0x58))


def lp(x: bytes) -> bytes:
    return bytes([len(x)]) + x


CONTEXT = (b"KHSEG1\0" + lp(b"p_zNe2lKL4dQxW8s0b") + lp(b"r_2Dz2Sr-SnSlnd8aT") + struct.pack("<HBIB", 0, 0, 7, 1))


def expand(prk: bytes, info: bytes, n: int) -> bytes:
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha512).digest()
        out, i = out + block, i + 1
    return out[:n]


def encrypt(plain: bytes) -> bytes:
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + SALT + CONTEXT
    okm = expand(RK, info, 76)
    key, base, commitment = okm[:32], int.from_bytes(okm[32:44], "big"), okm[44:]
    out = SALT + commitment
    for k in range(len(plain) // 16384 + 1):
        nonce = (base ^ k).to_bytes(12, "big")
        out += AESGCM(key).encrypt(nonce, plain[k * 16384:(k + 1) * 16384], None)
    return out


def zstd_stored(raw: bytes) -> bytes:
    assert len(raw) < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(raw)]) + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw


def example() -> bytes:
    head, screen = b'{"version":2,"width":80,"height":24}', b"\x1b[H"
    chunk = b'[0.25,"o","hi"]\n[1.5,"m","deploy"]\n'
    counts = [0, 0, 0] + [0, 0, 0, 0, 0, 1, 0] + [0] * 5 + [0] * 6
    notes = struct.pack("<q", 250_000) + struct.pack("<21I", *counts)
    notes += struct.pack("<qBH", 250_000, 0, 1) + struct.pack("<I", 1)
    notes += struct.pack("<I", 1) + struct.pack("<BQqQ", 6, 39, 125_000, 100 | 30 << 32) + lp(b"wide")
    plain, at = b"", []
    for section in (head, screen, chunk, notes):
        frame = zstd_stored(section)
        at.append((len(plain), len(frame), len(section)))
        plain += frame
    index = struct.pack("<Q", 40) + struct.pack("<QII", *at[0]) + struct.pack("<QII", *at[3]) + struct.pack("<III", 1, 1, 1)
    index += struct.pack("<QIIIqq", *at[2], 2, 250_000, 1_500_000)
    index += struct.pack("<BQq", 2, 40, 250_000) + struct.pack("<HHQII", 80, 24, *at[1])
    index += struct.pack("<Qq", 41, 1_500_000) + lp(b"deploy")
    footer = struct.pack("<QIIHH", len(plain), len(index), 0, 1, 0) + b"KHIX"
    return plain + index + footer


if __name__ == "__main__":
    for name, data in ("plaintext", example()), ("file", encrypt(example())):
        print(name, len(data))
        for i in range(0, len(data), 48):
            print(data[i:i + 48].hex())
