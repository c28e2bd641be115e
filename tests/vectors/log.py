#!/usr/bin/env python3
"""Writes the examples of docs/formats/log.md without our code: KHLOG1 by hand, AES-GCM by python3-cryptography, CRC-32C by
its definition. Prints each part in hex; the first ones are the vector of the design.

zstd frames are stored (raw blocks), so no compressor is needed.
"""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RK = bytes(range(32))
SALT = bytes(range(0x40, 0x58))
PROJECT, RID = b"p_zNe2lKL4dQxW8s0b", b"r_2Dz2Sr-SnSlnd8aT"
FILE_NO, CODEC = 7, 2
HEAD, LAST = 1, 2


def lp(x: bytes) -> bytes:
    return bytes([len(x)]) + x


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def expand(prk: bytes, info: bytes, n: int) -> bytes:
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha512).digest()
        out, i = out + block, i + 1
    return out[:n]


CONTEXT = b"KHLOG1\0" + lp(PROJECT) + lp(RID) + struct.pack("<HBIB", 0, 0, FILE_NO, CODEC)
OKM = expand(RK, b"keyhole/log/v1\0" + SALT + CONTEXT, 76)
KEY, BASE, COMMITMENT = OKM[:32], OKM[32:44], OKM[44:]


def header(magic: bytes) -> bytes:
    head = magic + b"\0\0" + struct.pack("<I", FILE_NO)
    return head + struct.pack("<I", crc32c(head))


def record(kind: int, local: int, body: bytes) -> bytes:
    size = 16 + len(body)
    crc = crc32c(struct.pack("<IIII", size, 0, kind, local) + body)
    return struct.pack("<IIII", size, crc, kind, local) + body


def opening(local: int, wrap: bytes) -> bytes:
    return record(1, local, struct.pack("<HBB", 0, 0, CODEC) + SALT + COMMITMENT + lp(PROJECT) + lp(RID) + lp(wrap))


def data(local: int, number: int, n_events: int, batch: int, seq: int, flags: int, frame: bytes) -> bytes:
    fields = struct.pack("<IIQQI", number, n_events, batch, seq, flags)
    aad = struct.pack("<IIII", 16 + len(fields) + len(frame) + 16, 0, 2, local) + fields
    nonce = (int.from_bytes(BASE, "big") ^ number).to_bytes(12, "big")
    return record(2, local, fields + AESGCM(KEY).encrypt(nonce, frame, aad))


def close(local: int, number: int) -> bytes:
    return record(3, local, struct.pack("<I", number))


def zstd_stored(raw: bytes) -> bytes:
    assert len(raw) < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(raw)]) + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw


def example(magic: bytes) -> bytes:
    """Batch 0 is the head and two events in a chunk, batch 1 has no event, batch 2 one; number 2 was burnt."""
    head = zstd_stored(b'{"version":2,"width":80,"height":24}')
    two = zstd_stored(b'[0.25,"o","hi"]\n[1.5,"m","deploy"]\n')
    one = zstd_stored(b'[2,"o","\\r\\n"]\n')
    records = [data(0, 0, 0, 0, 0, HEAD, head), data(0, 1, 2, 0, 0, LAST, two), data(0, 3, 0, 1, 2, LAST, b""),
               data(0, 4, 1, 2, 2, LAST, one)]
    log = [header(magic), opening(0, b"\xaa" * 123)]
    return b"".join(log + (records + [close(0, 2)] if magic == b"KHLOG1" else records[2:]))


if __name__ == "__main__":
    assert crc32c(b"\0" * 32) == 0x8A9136AA and crc32c(b"123456789") == 0xE3069283  # RFC 3720 B.4, and the usual check
    design = [("key", KEY), ("base_nonce", BASE), ("commitment", COMMITMENT), ("header", header(b"KHLOG1")),
              ("open", opening(0, b"\xaa" * 123)), ("data 0", data(0, 0, 1, 0, 0, 0, b"keyhole"))]
    for name, part in design + [("log", example(b"KHLOG1")), ("piece", example(b"KHSPL1"))]:
        print(name, len(part), hashlib.sha256(part).hexdigest())
        for i in range(0, len(part), 48):
            print(part[i:i + 48].hex())
