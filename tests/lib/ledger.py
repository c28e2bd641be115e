#!/usr/bin/env python3
"""Reads a nonce ledger (tests/lib/ledger.c) and says whether a (key, nonce) came twice: that breaks AES-GCM.

  ledger.py FILE…    exit 1 when one did
"""
import sys

ENTRY = 28  # SHA-256(key)[:16] || nonce[12]


def entries(path):
    """Every entry. A last one that was cut by a killed process is left out: its encryption did not happen."""
    with open(path, "rb") as f:
        data = f.read()
    return [data[i:i + ENTRY] for i in range(0, len(data) - ENTRY + 1, ENTRY)]


def twice(found):
    """Entries that are there more than once."""
    seen, again = set(), []
    for e in found:
        if e in seen:
            again.append(e)
        seen.add(e)
    return again


if __name__ == "__main__":
    bad = 0
    for name in sys.argv[1:]:
        found = entries(name)
        again = twice(found)
        bad += len(again)
        print(f"{name}: {len(found)} encryptions under {len({e[:16] for e in found})} keys, {len(again)} nonces twice")
    sys.exit(1 if bad or len(sys.argv) < 2 else 0)
