#!/usr/bin/env python3
"""Recordings whose recorder, gate or keeper goes away: who has them, who ends them, what is left."""
import signal
import time

from _server import Server, Tests, cast_events, same, true, until, verify_log

test = Tests()
s = Server(config="gate { threads = 2 }\nlive { vanish_after = 3s }").cast()


class Live:
    def __init__(self, **headers):
        self.id = s.recorder.post("/v1/recordings", {"kind": "terminal"}, headers=headers).want(201).json["id"]
        self.at = 0

    def send(self, lines):
        a = s.recorder.post(f"/v1/recordings/{self.id}/events", "".join(x + "\n" for x in lines).encode(),
                            headers={"Batch-Seq": str(self.at), "Content-Type": "application/x-ndjson"})
        if a.status == 200:
            self.at = a.json["next_batch"]
        return a

    def row(self):
        return s.viewer.get(f"/v1/recordings/{self.id}").want(200).json

    def events(self):
        x = s.keyed(self.id, ["play"])
        return x.get(f"{x.path}/events").want(200).text.split("\n")[1:-2]


def sealed(rid):
    return [l for _, l in s.leaves(project) if l["type"] == "recording.sealed" and l["rid"] == rid]


project = s.viewer.get(f"/v1/recordings/{Live().id}").want(200).json["project"]
lines = cast_events(60)


@test("the gate dies and the recorder never comes back: what was acknowledged is there, ended by the server")
def _():
    r = Live()
    r.send(lines[:20]).want(200)
    r.send(lines[20:35]).want(200)
    s.kill("gate")
    until(s.ready, 10, "the next gate")
    until(lambda: not r.row()["live"], 12, "its end")
    same(r.row()["events"], 35, "events of its row")
    same(r.events(), lines[:35], "events")
    same([l["outcome"] for l in sealed(r.id)], ["vanished"], "who ended it")
    true(any(l["type"] == "recording.recovered" and l["rid"] == r.id and l["n"]["events"] == 35 for _, l in s.leaves(project)), "recovered")
    r.send(lines[35:]).want(409, "recording-ended")


@test("the keeper dies while a recorder is at work: the recording stays the gate's, past the time in which it would be given up")
def _():
    r, quiet = Live(), Live()
    r.send(lines[:5]).want(200)
    quiet.send(lines[:5]).want(200)
    s.kill("keeper")
    end = time.monotonic() + 8
    n = 5
    while time.monotonic() < end:
        r.send(lines[n:n + 2]).want(200)
        n += 2
        time.sleep(0.5)
    true(r.row()["live"], "it was ended")
    same(quiet.row()["live"], False, "the quiet one is ended by its gate")
    s.recorder.post(f"/v1/recordings/{r.id}/end", {"batches": r.at}).want(200)
    same(r.events(), lines[:n], "events")
    same([l["outcome"] for l in sealed(r.id)], ["recorder"], "who ended it")
    same([l["outcome"] for l in sealed(quiet.id)], ["vanished"], "who ended the quiet one")


@test("the whole server dies: who comes back goes on, who does not is ended")
def _():
    goes_on, lost = Live(), Live()
    goes_on.send(lines[:10]).want(200)
    lost.send(lines[:10]).want(200)
    s.signal(signal.SIGKILL)
    s.stop()
    s.start()
    until(lambda: goes_on.send(lines[10:20]).status == 200, 10, "the batch after the restart")
    end = time.monotonic() + 8
    n = 20
    while time.monotonic() < end and lost.row()["live"]:
        goes_on.send(lines[n:n + 1]).want(200)
        n += 1
        time.sleep(0.5)
    same((goes_on.row()["live"], lost.row()["live"]), (True, False), "live")
    s.recorder.post(f"/v1/recordings/{goes_on.id}/end", {"batches": goes_on.at}).want(200)
    same(goes_on.events(), lines[:n], "events of one that went on")
    same(lost.events(), lines[:10], "events of the lost one")


@test("begun twice under one Idempotency-Key it begins once")
def _():
    key = {"Idempotency-Key": "begin-1"}
    r = Live(**key)
    r.send(lines[:5]).want(200)
    same(Live(**key).id, r.id, "the id")
    a = s.recorder.post("/v1/recordings", {"kind": "rrweb"}, headers=key)
    a.want(422, "idempotency-mismatch")
    s.recorder.post(f"/v1/recordings/{r.id}/end", {"batches": 1}).want(200)
    same(Live(**key).id, r.id, "the id after the end")


@test("the log verifies")
def _():
    verify_log(s, project)


test.run()
