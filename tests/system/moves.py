#!/usr/bin/env python3
"""The moves of an access through a real server, while somebody watches: suspend and resume, more time and an extension without a cut,
another recording, a colleague who joins or watches beside, break-glass with its review, the brake. Everything within a second."""
import time

from _server import SLOW, Server, Tests, cast, same, true, until

test = Tests()
s = Server().cast()
boss, chief = (s.person(n, roles=[{"role": r, "project": "*"} for r in ("viewer", "project-admin")]) for n in ("boss", "chief"))
oncall = s.person("oncall", roles=[{"role": r, "project": "*"} for r in ("viewer", "breakglass")])
colleague = s.person("colleague")
POLICY = """purpose "debugging" { }
rule "watch" { who = { "role:viewer" } actions = { play, live } purposes = { "debugging" } max = 60min start = { approval, first-use }
  viewers = 4 more { same = { session } max = 1 } more_time { times = 1 each = 30min } binding = { dpop, bearer }
  ask { need = 1 from = { "role:approver" } } }
"""
s.admin.post("/v1/policies", {"text": POLICY}).want(201)
LONG = cast(3000, step=0.2)
RID = s.add(LONG)
SECOND = 1.0 * SLOW


def fresh():
    """Nobody has anything open."""
    for p in (s.viewer, colleague, oncall):
        for q in p.get("/v1/requests?box=mine&state=open").want(200).json["items"]:
            p.post(f"/v1/requests/{q['id']}/cancel", {}).want(200)
        for g in p.get("/v1/grants?state=live&box=mine").want(200).json["items"]:
            if g["state"] == "SUSPENDED":
                s.approver.post(f"/v1/grants/{g['id']}/revoke").want(200)
            elif g["state"] in ("ACTIVE", "SCHEDULED"):
                p.post(f"/v1/grants/{g['id']}/relinquish").want(200)
        until(lambda: not p.get("/v1/grants?state=live&box=mine").json["items"], 5 * SLOW, "what has ended to be written down")


def watching(person, gid, rid=RID):
    stream = person.key(gid, rid).stream("?speed=1")
    stream.wait_events(1)
    return stream


def ends_within(stream, name, code, began):
    end = stream.want_end(name, code, 5)
    true(stream.last_byte - began <= SECOND, f"the last byte came {stream.last_byte - began:.3f} s after")
    return end


def goes_on(person, stream, gid, rid=RID):
    """As a player does: the next stream under another grant, from where this one is. Returns it, with nothing missed."""
    before = stream.content()
    following = person.key(gid, rid).stream("?speed=1", Last_Event_ID=str(before[-1][0]))
    following.wait_events(1)
    same(following.content()[0][0], before[-1][0] + 1, "the next event")
    stream.close()
    return following


@test("suspended while streaming: 4423 within a second, no key; resumed: keys again, the window kept running")
def _():
    fresh()
    gid = s.open(RID)
    ends = s.viewer.get(f"/v1/grants/{gid}").json["window"]["end"]
    stream = watching(s.viewer, gid)
    began = time.monotonic()
    s.approver.post(f"/v1/grants/{gid}/suspend", {"comment": "one moment"}).want(200)
    ends_within(stream, "suspended", 4423, began)
    same(s.viewer.post(f"/v1/grants/{gid}/keys", {"recording": RID}).code, "grant-suspended")
    same(s.viewer.post(f"/v1/grants/{gid}/resume").code, "forbidden")
    s.second.post(f"/v1/grants/{gid}/resume").want(200)
    stream = goes_on(s.viewer, stream, gid)
    same(s.viewer.get(f"/v1/grants/{gid}").json["window"]["end"], ends)
    began = time.monotonic()
    s.viewer.post(f"/v1/grants/{gid}/relinquish").want(200)
    ends_within(stream, "window.ended", 4410, began)


@test("time granted beforehand: the stream goes on under the next grant without a cut; the first ends on its own time")
def _():
    fresh()
    q = s.viewer.ask(RID, duration_s=6, more_time={"times": 1, "each_s": 600})
    same(q["digest_object"]["more_time"], {"times": 1, "each_s": 600})
    gid = s.approver.approve(q)["grant"]
    stream = watching(s.viewer, gid)
    more = s.viewer.post(f"/v1/grants/{gid}/more-time").want(201).json
    same((more["state"], more["extends"]["kind"], more["purpose"]["reason"]), ("ACTIVE", "more-time", q["purpose"]["reason"]))
    stream = goes_on(s.viewer, stream, more["grant"])
    until(lambda: s.viewer.get(f"/v1/grants/{gid}").json["state"] == "EXPIRED", 10 * SLOW, "the first window's end")
    n = len(stream.content())
    stream.wait_events(n + 3)
    stream.close()
    s.wait_leaf(lambda l: l["type"] == "grant.activated" and l["outcome"] == "granted-beforehand")
    same(s.viewer.post(f"/v1/grants/{more['grant']}/more-time").want(201).json["state"], "PENDING", "it was granted once")


@test("an extension is a new decision with a grant of its own, and no cut")
def _():
    fresh()
    gid = s.open(RID, duration_s=6)
    stream = watching(s.viewer, gid)
    q = s.viewer.post(f"/v1/grants/{gid}/more-time", {"duration_s": 300}).want(201).json
    same((q["state"], q["extends"]), ("PENDING", {"grant": gid, "kind": "extend", "holder": q["requester"]}))
    same(q["digest_object"]["extends"], gid)
    following = s.approver.approve(q)["grant"]
    stream = goes_on(s.viewer, stream, following)
    until(lambda: s.viewer.get(f"/v1/grants/{gid}").json["state"] == "EXPIRED", 10 * SLOW, "the first window's end")
    stream.wait_events(len(stream.content()) + 3)
    # Suspended is the whole access, whichever of its grants is named.
    began = time.monotonic()
    s.approver.post(f"/v1/grants/{following}/suspend").want(200)
    ends_within(stream, "suspended", 4423, began)


@test("one more recording of the same session, decided beforehand: played under the same access, told to the approvers")
def _():
    fresh()
    rec = s.ingest()
    pair = [rec.post("/v1/recordings", {"kind": "terminal", "title": t, "session": "visit-7"}).want(201).json["id"] for t in "ab"]
    for rid in pair:
        rec.post(f"/v1/recordings/{rid}/events", [[0.1, "o", "x"], [0.2, "o", "y"]], headers={"Batch-Seq": "0"}).want(200)
        rec.post(f"/v1/recordings/{rid}/end", {}).want(200)
    until(lambda: all(not s.viewer.get(f"/v1/recordings/{r}").json["live"] for r in pair), 10 * SLOW, "the recordings to be sealed")
    q = s.viewer.ask(pair[0], duration_s=600, more={"same": "session", "max": 1})
    gid = s.approver.approve(q)["grant"]
    same(s.viewer.post(f"/v1/grants/{gid}/keys", {"recording": pair[1]}).code, "recording-mismatch")
    g = s.viewer.post(f"/v1/grants/{gid}/widen", {"recording": pair[1]}).want(200).json
    same((sorted(r["id"] for r in g["recordings"]), g["more"]["used"]), (sorted(pair), 1))
    s.viewer.key(gid, pair[1]).manifest()
    s.wait_leaf(lambda l: l["type"] == "grant.widened" and l["gid"] == gid and l["rid"] == pair[1])
    same(s.viewer.post(f"/v1/grants/{gid}/widen", {"recording": RID}).want(201).json["extends"]["kind"], "widen", "of no such session")


@test("a colleague joins by a linked request; another watches beside from the start: each with a grant, keys and an end of their own")
def _():
    fresh()
    gid = s.open(RID)
    q = colleague.post(f"/v1/grants/{gid}/join").want(201).json
    same((q["extends"]["kind"], q["purpose"]["code"]), ("join", "debugging"))
    same(colleague.post(f"/v1/requests/{q['id']}/approve", {"digest": q["digest"]}).code, "not-eligible")
    joined = s.approver.approve(q)["grant"]
    theirs, own = watching(colleague, joined), watching(s.viewer, gid)
    began = time.monotonic()
    s.approver.post(f"/v1/grants/{joined}/revoke").want(200)
    ends_within(theirs, "revoked", 4411, began)
    own.wait_events(len(own.content()) + 2)
    own.close()
    fresh()
    q = s.viewer.ask(RID, duration_s=600, viewers=["colleague"])
    q = s.approver.approve(q)
    same([g["holder"]["name"] for g in q["grants"]], ["viewer", "colleague"])
    a, b = (watching(p, g["grant"]) for p, g in zip((s.viewer, colleague), q["grants"]))
    began = time.monotonic()
    s.admin.patch(f"/v1/users/{colleague.id}", {"disabled": True}).want(200)
    ends_within(b, "revoked", 4411, began)
    a.wait_events(len(a.content()) + 2)
    a.close()
    s.admin.patch(f"/v1/users/{colleague.id}", {"disabled": False}).want(200)
    colleague.login()


@test("break-glass: at once, marked, alarmed; the approval beside takes over; its review is somebody else's")
def _():
    fresh()
    body = {"recordings": [RID], "actions": ["play"], "duration_s": 600, "purpose": {"code": "debugging", "reason": "The shop is down since 10:15."},
            "break_glass": {"incident": "INC-1", "reason": "The shop is down and nobody answers the phone."}}
    same(s.viewer.post("/v1/requests", body).code, "forbidden")
    same(s.admin.post("/v1/requests", body).status, 403)
    q = oncall.post("/v1/requests", body).want(201).json
    gid, beside = q["grant"], q["linked"][0]
    same((q["state"], beside["kind"], beside["state"]), ("ACTIVE", "break-glass", "PENDING"))
    key = oncall.key(gid, RID)
    true("bg" in key.claims["scope"].split(), key.claims)
    stream = watching(oncall, gid)
    s.wait_leaf(lambda l: l["type"] == "breakglass.used" and l["gid"] == gid)
    a = oncall.post("/v1/requests", body)
    same((a.code, a.json["cause"]), ("break-glass-limit", "incident"))
    approved = s.approver.approve(beside["request"])["grant"]
    stream = goes_on(oncall, stream, approved)
    review = {"outcome": "done", "comment": "Looked at what was watched; it was needed."}
    same(s.second.post(f"/v1/grants/{gid}/review", review).code, "grant-state-conflict", "it is open")
    oncall.post(f"/v1/grants/{gid}/relinquish").want(200)
    same(oncall.post(f"/v1/grants/{gid}/review", review).code, "forbidden")
    same(s.approver.post(f"/v1/grants/{gid}/review", review).code, "forbidden")
    g = s.second.post(f"/v1/grants/{gid}/review", review).want(200).json
    same((g["review"], g["reviewed"]["by"]["name"], g["state"]), ("done", "second", "RELINQUISHED"))
    stream.wait_events(len(stream.content()) + 2)
    stream.close()
    s.wait_leaf(lambda l: l["type"] == "review.done" and l["gid"] == gid)


@test("the brake: one pulls it, all streams stop within a second, nothing opens, recording goes on, two let go; it survives a restart")
def _():
    fresh()
    project = s.project()
    gid = s.open(RID)
    pending = oncall.ask(RID, duration_s=60)
    stream = watching(s.viewer, gid)
    body = {"project": project, "reason": "Something is very wrong here."}
    same(s.viewer.post("/v1/freeze", body).code, "forbidden")
    began = time.monotonic()
    boss.post("/v1/freeze", body).want(200)
    ends_within(stream, "suspended", 4423, began)
    same(s.approver.post(f"/v1/requests/{pending['id']}/approve", {"digest": pending["digest"]}).code, "restricted")
    same(s.approver.post(f"/v1/grants/{gid}/resume").code, "restricted")
    s.add(cast(5))  # recording goes on
    s.auditor.get(f"/v1/audit/{project}/checkpoint").want(200)
    s.stop()
    s.start()
    s.wait_ready()
    same(s.viewer.get("/v1/freeze").want(200).json["items"][0]["project"], project)
    same(s.viewer.get(f"/v1/grants/{gid}").json["suspended"]["cause"], "frozen")
    for _ in range(2):
        true(boss.post("/v1/freeze/lift", body).want(202).json["waiting"], "the same person twice is one")
    same(chief.post("/v1/freeze/lift", body).want(200).json["items"], [])
    same(s.viewer.get(f"/v1/grants/{gid}").json["state"], "ACTIVE")
    watching(s.viewer, gid).close()
    s.approver.approve(pending)


test.run()
