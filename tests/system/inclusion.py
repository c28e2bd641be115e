#!/usr/bin/env python3
"""The vault does not take the keeper's word (STANDARDS 1.9): a keeper that leaves a key's record out of the log, changes it,
forks the log or says nothing gets no key signed and no recording released. tests/lib/liar.c lies, on command, in a keeper that
is otherwise the real one."""
import os
import signal
import time

os.environ.setdefault("KEYHOLE_PROGRAM", "tests/keyhole-lying")

from _server import Server, Tests, cast, same, true, until, verify_log  # noqa: E402

test = Tests()
SLOW_S = 15


def manifest(k):
    return k.get(f"/v1/replay/{k.recording}/manifest")


class Liar(Server):
    def __init__(self):
        super().__init__(start=False)
        self.word = self.root / "lie"
        self.lie("")
        os.environ["KEYHOLE_LIE"] = str(self.word)
        self.start().cast()
        self.rid = self.add(cast(40))
        self.grant = self.open(self.rid)

    def lie(self, word):
        new = self.root / "lie.new"
        new.write_text(word)
        new.replace(self.word)

    def issue(self):
        return self.viewer.post(f"/v1/grants/{self.grant}/keys", {"recording": self.rid})

    def plays(self):
        return self.viewer.key(self.grant, self.rid).chunk(0)

    def events(self, name):
        return [e for e in self.log_events() if e.get("event") == name]

    def stopped(self, seconds=SLOW_S):
        """Nothing is signed any more; how long that took."""
        began = time.monotonic()
        until(lambda: self.issue().status == 503, seconds, "keys are still signed", step=0.1)
        return time.monotonic() - began


@test("an honest keeper: the records of keys and releases are the vault's own, and nothing stops")
def _():
    s = Liar()
    for _ in range(8):
        s.plays().want(200)
        time.sleep(1)
    leaves = [l for _, l in s.leaves()]
    keys = [l for l in leaves if l["type"] in ("key.issued", "key.renewed")]
    same([k["type"] for k in keys][:2], ["key.issued", "key.renewed"], "types")
    released = [l for l in leaves if l["type"] == "vault.released"]
    true(len(released) >= 8, f"{len(released)} releases")
    for k in keys:
        same((k["n"]["play"], k["n"]["exp"] - k["n"]["iat"] <= 60, k["gid"]), (1, True, s.grant), "a key's record")
        true("vid" in k and "q" in k and "policy" in k, f"{k}")
    for r in released:
        same((r["rid"], r["gid"], r["actor"]), (s.rid, s.grant, keys[0]["actor"]), "a release's record")
    same(s.events("alarm.raised"), [], "alarms")
    verify_log(s, s.project())
    same(s.finish(), [], "troubles")


@test("no checkpoint: after 5 s nothing is signed or released, and both go on when the log shows itself")
def _():
    s = Liar()
    s.expect_errors = {"alarm.raised"}
    k = s.viewer.key(s.grant, s.rid)
    k.chunk(0).want(200)
    time.sleep(1.5)  # its leaves are shown
    s.lie("mute")
    began = time.monotonic()
    first = s.viewer.key(s.grant, s.rid)
    time.sleep(max(0, began + 6.5 - time.monotonic()))
    a = manifest(first)  # signed in time, but what it opens is not released any more
    true(a.status == 503 and "line" not in a.text, f"release: {a}")
    a = s.issue()
    same((a.status, a.code), (503, "audit-unavailable"), "a key")
    true(s.ready(), "ready")  # what plays goes on
    s.lie("")
    until(lambda: s.issue().status == 201, SLOW_S, "it does not go on", step=0.2)
    s.plays().want(200)
    print(f"                 stopped {time.monotonic() - began:.1f} s")
    for what in ("alarm.raised", "alarm.cleared"):
        s.wait_leaf(lambda l, what=what: l["type"] == what and l.get("obj") == "leaf-not-shown", log="system", what=what,
                    seconds=SLOW_S)
    verify_log(s, s.project())
    same(s.finish(), [], "troubles")


def lies(word, alarm):
    s = Liar()
    s.expect_ends = True  # errors are what is looked for
    s.plays().want(200)
    time.sleep(1.5)
    s.lie(word)
    took = s.stopped()
    until(lambda: s.events(alarm), SLOW_S, f"no {alarm} in the log")
    for _ in range(3):  # and nothing comes through while it lies
        true(s.issue().status == 503, "a key was signed")
        time.sleep(0.3)
    print(f"                 noticed after {took:.1f} s")
    return s


@test("other leaves in their place: noticed with the next checkpoint, and it does not pass by itself")
def _():
    s = lies("swap", "alarm.leaf-hidden")
    s.lie("")
    time.sleep(2.5)
    true(s.issue().status == 503, "it was forgotten")
    s.finish()


@test("a fork of the log")
def _():
    lies("fork", "alarm.audit-fork").finish()


@test("a log that is smaller than what was signed")
def _():
    lies("small", "alarm.audit-fork").finish()


@test("a record that is said to stand where it never comes")
def _():
    lies("index", "alarm.raised").finish()


@test("a vault that was restarted knows none of its keys: they open nothing, new ones do")
def _():
    s = Liar()
    s.expect_ends = True
    k = s.viewer.key(s.grant, s.rid)
    k.chunk(0).want(200)
    k2 = s.viewer.key(s.grant, s.rid)
    s.kill("vault", signal.SIGKILL)
    s.wait_ready()
    until(lambda: manifest(k2).code == "key-revoked", SLOW_S, "an old key is revoked")
    true("renew" in manifest(k2).json, "renew")
    s.plays().want(200)
    same(s.events("alarm.raised"), [], "alarms")
    s.finish()


@test("a keeper that dies right after a key was signed: its successor shows the leaf, and nothing stops")
def _():
    s = Liar()
    s.expect_ends = True
    for _ in range(3):
        s.viewer.key(s.grant, s.rid)
        s.kill("keeper", signal.SIGKILL)
        time.sleep(0.5)
        s.wait_ready()
        until(lambda: s.issue().status == 201, SLOW_S, "keys", step=0.2)
    time.sleep(6)
    s.plays().want(200)
    same(s.events("alarm.raised"), [], "alarms")
    verify_log(s, s.project())
    s.finish()


test.run()
