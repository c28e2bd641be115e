#!/usr/bin/env python3
"""Writes the example of docs/formats/wrap.md without our code: the sealed box as libsodium describes it (X25519, BLAKE2b, XSalsa20-Poly1305),
with an ephemeral key that does not change."""
import ctypes
import ctypes.util
import hashlib
import textwrap

sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
assert sodium.sodium_init() >= 0


def public(private):
    out = ctypes.create_string_buffer(32)
    assert sodium.crypto_scalarmult_base(out, private) == 0
    return out.raw


epoch, ephemeral = bytes(range(32)), bytes(range(64, 96))
name, project = b"r_2Dz2Sr-SnSlnd8aT", b"p_zNe2lKL4dQxW8s0b"
plain = bytes([1, len(name)]) + name + bytes([len(project)]) + project + (3).to_bytes(4, "little") + bytes(range(128, 160))
to, by = public(epoch), public(ephemeral)
box = ctypes.create_string_buffer(len(plain) + 16)
nonce = hashlib.blake2b(by + to, digest_size=24).digest()
assert sodium.crypto_box_easy(box, plain, ctypes.c_ulonglong(len(plain)), nonce, to, ephemeral) == 0
print(plain.hex())
print("\n".join(textwrap.wrap((by + box.raw).hex(), 64)))
