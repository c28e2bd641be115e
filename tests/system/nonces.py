#!/usr/bin/env python3
"""The nonce ledger sees what the server encrypts, over deaths of the gate and full groups: imports, batches, seals. That none
comes twice is looked at after every system test (Server.finish); here, that there is something to look at."""
import signal

from _server import KEYHOLE, WATCHED, Server, Tests, cast, ledger, same, skip_all, true, until

if KEYHOLE != WATCHED:
    skip_all(f"{KEYHOLE.name} keeps no ledger")

test = Tests()
s = Server(config="store { seal_bytes = 64KiB }").cast()


def seen():
    """(encryptions, keys) so far"""
    found = ledger.entries(s.nonces) if s.nonces.exists() else []
    return len(found), len({e[:16] for e in found})


class Live:
    def __init__(self):
        self.id, self.at = s.recorder.post("/v1/recordings", {"kind": "terminal"}).want(201).json["id"], 0

    def add(self, lines):
        h = {"Batch-Seq": str(self.at), "Content-Type": "application/x-ndjson"}
        body = "".join(f'[{self.at}.{i:03},"o","{"x" * 200}{i}"]\n' for i in range(lines)).encode()

        def accepted():
            a = s.recorder.post(f"/v1/recordings/{self.id}/events", body, headers=h)
            true(a.status in (200, 503), f"{a.status} {a.text}")
            return a.status == 200

        until(accepted, 20, "a batch is not taken")
        self.at += 1


@test("a nonce that comes twice is found, one under two keys is none")
def _():
    a, b = b"k" * 16 + b"n" * 12, b"l" * 16 + b"n" * 12
    same(ledger.twice([a, b]), [], "two keys")
    same(ledger.twice([a, b, a]), [a], "one key")


@test("an import shows in the ledger")
def _():
    s.add(cast(60000, 0.01))
    n, keys = seen()
    true(n > keys >= 1, f"{n} encryptions under {keys} keys")


@test("so does each batch of recordings that are made, and each seal, also after the gate died")
def _():
    recordings = [Live() for _ in range(5)]
    before, keys_before = seen()
    for _ in range(10):
        for r in recordings:
            r.add(3)
    n, keys = seen()
    true(n - before >= 50, f"{n - before} encryptions for 50 batches")
    true(keys - keys_before >= 5, f"{keys - keys_before} keys for 5 recordings")
    s.expect_ends = True
    s.kill("gate", signal.SIGKILL)
    for _ in range(3):
        for r in recordings:
            r.add(100)
    for r in recordings:
        s.recorder.post(f"/v1/recordings/{r.id}/end").want(200)
    after, keys_after = seen()
    true(keys_after - keys >= 10, f"{keys_after - keys} keys: a new one of each recording for log and segment")
    same(ledger.twice(ledger.entries(s.nonces)), [], "nonces twice")
    print(f"                 {after} encryptions under {keys_after} keys")


test.run()
