#!/usr/bin/env python3
"""The disk fills up: recording gives way first, then new windows; what ends something is recorded to the last, out of the reserve; when
there is room again everything works, and the log verifies. Needs root, for a small file system of its own."""
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

import _server
from _server import Failed, Server, Tests, cast, same, skip_all, true, until, verify_log

MIB = 1 << 20
test = Tests()
_server.PORTS = range(28560, 28599)
if os.geteuid() != 0:
    skip_all("not root")
where = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-space-"))
if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={200 * MIB}", "none", where], capture_output=True).returncode != 0:
    where.rmdir()
    skip_all("no file system can be mounted here")


def unmount():
    for x in list(Server.all):
        with contextlib.suppress(Exception):
            x.die()
    subprocess.run(["umount", "-l", where], check=False)
    where.rmdir()


tempfile.tempdir = str(where)
try:
    s = Server().cast()
    s.expect_errors.update({"audit.space", "alarm.audit-reserve", "keeper.wal", "audit.tiles", "keeper.command-failed", "live.full", "audit.reserve", "checkpoint.failed", "alarm.checkpoint-refused"})
    rid = s.add(cast(40))
    filler = where / "filler"
    ballast = where / "ballast"
    reserve = s.dir / "meta" / "reserve"

    def free():
        v = os.statvfs(where)
        return v.f_bavail * v.f_frsize

    def fill(left, to=filler):
        """So many bytes are free afterwards."""
        with open(to, "ab") as f:
            while free() > left:
                f.write(bytes(min(MIB, free() - left)))
                f.flush()

    def state():
        return s.admin.get("/v1/status").want(200).json["audit"]["state"]

    def ask(who=None):
        body = {"recordings": [rid], "actions": ["play"], "purpose": {"code": "debugging", "reason": "a customer cannot check out"}, "duration_s": 600}
        return (who or s.viewer).post("/v1/requests", body)

    held = []

    @test("the reserve is there, allocated")
    def _():
        until(lambda: reserve.exists() and reserve.stat().st_size == 16 * MIB, 5, "the whole reserve")
        true(reserve.stat().st_blocks * 512 >= 16 * MIB, "its blocks")
        for i in range(3):
            who = s.person(f"viewer-{i}")
            held.append((who, s.open(rid, viewer=who)))

    @test("below 10 % free recording gives way, below 5 % new windows; closings go on")
    def _():
        fill(15 * MIB)
        until(lambda: s.recorder.post("/v1/recordings", {"kind": "terminal"}).code == "ingest-space", 5, "no room to record")
        same(state(), "ok", "windows still open")
        who, grant = held[0]
        key = who.key(grant, rid)
        key.manifest()
        fill(6 * MIB)
        until(lambda: state() == "space", 5, "low water")
        ask().want(503, "audit-space")
        who.post(f"/v1/grants/{grant}/keys", {"recording": rid}).want(503, "audit-space")
        true(key.chunk(0).status == 503, "a chunk is served without room for its record")
        who.post(f"/v1/grants/{grant}/relinquish").want(200)
        s.wait_leaf(lambda l: l["type"] == "grant.relinquished" and l["gid"] == grant, what="the closing")

    @test("not a byte is free: closings, refusals and sign-ins are recorded out of the reserve, nothing else is done")
    def _():
        fill(0, ballast)
        until(lambda: free() == 0, 5, "a full disk")
        end = time.monotonic() + 60
        while reserve.exists() and time.monotonic() < end:
            with contextlib.suppress(Failed):
                held[1][0].login()  # each one is a record, and a row that stays
            with contextlib.suppress(OSError):
                fill(0, ballast) if reserve.exists() else None
        true(not reserve.exists(), "the reserve was not given up")
        who, grant = held[1]
        who.post(f"/v1/grants/{grant}/relinquish").want(200)
        s.wait_leaf(lambda l: l["type"] == "grant.relinquished" and l["gid"] == grant, what="the closing")
        s.admin.post("/v1/projects", {"name": "another"}).want(503, "audit-space")
        ask().want(503, "audit-space")

    @test("there is room again: everything works, the reserve is back, the logs verify")
    def _():
        ballast.unlink()
        filler.unlink()
        until(lambda: state() == "ok" and reserve.exists(), 8, "the state")
        ask().want(201)
        who, grant = held[2]
        key = who.key(grant, rid)
        until(lambda: key.get(f"{key.path}/manifest").status == 200, 10, "playing")
        same(key.chunk(0).status, 200, "a chunk")
        verify_log(s, s.project())
        verify_log(s, "system")
        s.stop()
        s.start()
        verify_log(s, "system")

    test.run()
finally:
    unmount()
