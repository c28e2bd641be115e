#!/usr/bin/env python3
"""Signed notices of ticket systems, over HTTP: exact bytes, each header, each clock, once; what a closed ticket ends, and that a
notice opens nothing. Signatures are made here with Python's hmac."""
import base64
import datetime
import hashlib
import hmac
import json
import os
import signal
import time

from _server import Client, Server, Tests, b64u, cast, same, true, until

test = Tests()
s = Server(config="gate { threads = 2 }").cast()
PROJECT = s.admin.get("/v1/projects").want(200).json["items"][0]["name"]
KEY, OTHER_KEY, GITHUB, GITLAB = os.urandom(32), os.urandom(24), "github-" + b64u(os.urandom(24)), "gitlab-" + b64u(os.urandom(24))
KEY_TEXT = "whsec_" + base64.b64encode(KEY).decode()
s.secrets.update({KEY_TEXT, GITHUB, GITLAB})
CLOSED = {"ticket": "SHOP-7", "state": "closed"}
count = iter(range(1, 1 << 20))
sender = Client(s)


def standard(body, key=KEY, id=None, at=None, name="desk", headers=None, sign=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    id, at = id or f"msg_{next(count)}", int(time.time() if at is None else at)
    mac = hmac.new(key, f"{id}.{at}.".encode() + (raw if sign is None else sign), hashlib.sha256).digest()
    h = {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": "v1," + base64.b64encode(mac).decode(),
         "Content-Type": "application/json", **(headers or {})}
    return sender.post(f"/v1/hooks/{name}", raw, headers={k: v for k, v in h.items() if v is not None}, fresh=True)


def github(body, secret=GITHUB, event="issues", id=None, name="issues"):
    raw = json.dumps(body).encode()
    sig = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return sender.post(f"/v1/hooks/{name}", raw, headers={"X-GitHub-Event": event, "X-GitHub-Delivery": id or f"d-{next(count)}",
                                                         "X-Hub-Signature-256": sig, "Content-Type": "application/json"})


def issue(number, action="closed", **more):
    return {"action": action, "issue": {"number": number, "html_url": f"https://github.com/shop/web/issues/{number}", "title": "ü" * 70000, **more},
            "repository": {"full_name": "shop/web"}}


def refused(a):
    same((a.status, a.code), (401, "hook-refused"), repr(a))


def taken(a, **members):
    same(a.status, 202, repr(a))
    for k, v in members.items():
        same(a.json.get(k), v, f"{k} of {a.json}")
    return a.json


def ask(rid, ticket, start="approval", duration_s=1800):
    return s.viewer.ask(rid, start=start, duration_s=duration_s,
                        purpose={"code": "support", "ticket": ticket, "reason": "A customer reports an error that we can not explain."})


@test("before one is set up, and after a reload that sets it up: no restart is needed")
def _():
    refused(standard(CLOSED))
    (s.root / "desk.secret").write_text(base64.b64encode(OTHER_KEY).decode() + "\n" + KEY_TEXT + "\n")
    s.configure(f'''
hook "desk"   {{ project = "{PROJECT}"  format = standard  secret_file = "{s.root}/desk.secret" }}
hook "issues" {{ project = "{PROJECT}"  format = github    secret = "{GITHUB}" }}
hook "lab"    {{ project = "{PROJECT}"  format = gitlab    secret = "{GITLAB}" }}
''')
    s.signal(signal.SIGHUP)
    until(lambda: standard(CLOSED).status == 202, 5, "the hooks are there", step=0.2)
    taken(standard(CLOSED, key=OTHER_KEY))  # two secrets, while one is replaced by the other
    refused(standard(CLOSED, name="nowhere"))
    refused(standard(CLOSED, name="issues"))


@test("the signature is over the bytes as they came")
def _():
    odd = b'{ "state" :\t"closed",\r\n  "ticket":"\\u0053HOP-8", "more": [1.0e0, "\xc3\xbc"] }\n'
    taken(standard(odd))
    refused(standard(odd, sign=json.dumps(json.loads(odd)).encode()))
    refused(standard(odd + b" ", sign=odd))
    refused(standard(b"", sign=odd))


@test("each header: missing, twice, altered; the clock on both sides of five minutes")
def _():
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        refused(standard(CLOSED, headers={name: None}))
        refused(standard(CLOSED, headers={name: ""}))
    refused(standard(CLOSED, headers={"webhook-id": "msg_other"}))
    refused(standard(CLOSED, headers={"webhook-timestamp": str(int(time.time()) + 1)}))
    refused(standard(CLOSED, key=os.urandom(32)))
    taken(standard(CLOSED, at=time.time() - 297))
    refused(standard(CLOSED, at=time.time() - 303))
    taken(standard(CLOSED, at=time.time() + 297))
    refused(standard(CLOSED, at=time.time() + 303))
    raw, id, at = json.dumps(CLOSED).encode(), "msg_twice", int(time.time())
    sig = "v1," + base64.b64encode(hmac.new(KEY, f"{id}.{at}.".encode() + raw, hashlib.sha256).digest()).decode()
    head = (f"POST /v1/hooks/desk HTTP/1.1\r\nHost: {s.host}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
            f"webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: {sig}\r\n")
    true(b" 401 " in s.raw((head + f"webhook-signature: {sig}\r\nConnection: close\r\n\r\n").encode() + raw)[:20], "a header twice")
    true(b" 202 " in s.raw((head + "Connection: close\r\n\r\n").encode() + raw)[:20], "once")


@test("each delivery acts once, also on another connection, also after a restart of the keeper")
def _():
    taken(standard(CLOSED, id="msg_once"), repeated=None)
    taken(standard(CLOSED, id="msg_once"), repeated=True)
    s.kill("keeper")
    s.expect_ends = True
    s.wait_ready()
    taken(until(lambda: (lambda a: a if a.status == 202 else None)(standard(CLOSED, id="msg_once")), 10, "the keeper is back"), repeated=True)
    taken(github(issue(90), id="d-once"), repeated=None)
    taken(github(issue(90), id="d-once"), repeated=True)
    taken(github(issue(90), id="d-another"), repeated=True)  # GitHub does not sign the id: the same body is the same notice


@test("GitHub and GitLab: their signatures, what of theirs counts, and what does not")
def _():
    taken(github(issue(1)), ignored=None)
    refused(github(issue(2), secret=GITHUB + "x"))
    taken(github(issue(3), event="push"), ignored="event")
    taken(github(issue(4, action="labeled")), ignored="state")
    taken(github({"zen": "Keep it logically awesome."}, event="ping"), ignored="event")
    taken(github({**issue(5, action="deleted"), "comment": {"id": 1}}), ignored="event")  # a comment under an issue's name
    lab = {"object_kind": "issue", "object_attributes": {"iid": 7, "action": "close", "url": "https://lab.example/shop/web/-/issues/7"},
           "project": {"path_with_namespace": "shop/web"}}
    h = {"X-Gitlab-Event": "Issue Hook", "X-Gitlab-Event-UUID": "e-1", "Content-Type": "application/json"}
    refused(sender.post("/v1/hooks/lab", lab, headers=h))
    refused(sender.post("/v1/hooks/lab", lab, headers={**h, "X-Gitlab-Token": GITLAB[:-1]}))
    taken(sender.post("/v1/hooks/lab", lab, headers={**h, "X-Gitlab-Token": GITLAB}), ignored=None)
    taken(standard({**lab, "more": 1}, key=GITLAB.encode(), name="lab"), ignored=None)  # a signing token
    refused(standard({**lab, "more": 2}, key=KEY, name="lab", headers={"X-Gitlab-Token": GITLAB}))  # a wrong one is not saved by the other


@test("sizes and forms: up to 1 MiB of JSON, nothing else")
def _():
    taken(standard({**CLOSED, "text": "x" * ((1 << 20) - 200)}))
    same(standard({**CLOSED, "text": "x" * (1 << 20)}).status, 413, "over 1 MiB")
    same(standard(CLOSED, headers={"Content-Type": "application/x-www-form-urlencoded"}).status, 415, "a form")
    a = standard(b'{"ticket":"SHOP-7","ticket":"SHOP-8","state":"closed"}')
    same((a.status, a.code), (400, "bad-json"), "a member twice")


@test("a closed ticket cancels what waits, ends what is open in five minutes, and leaves other tickets alone")
def _():
    rids = [s.add(cast(200), f"recording {i}") for i in range(5)]
    taken(standard({"ticket": "SHOP-9", "state": "open"}), cancelled=0, ending=0)
    live = s.approver.approve(ask(rids[0], "SHOP-9"))["grant"]
    scheduled = s.approver.approve(ask(rids[1], " shop-9 ", start="first-use"))["grant"]
    pending = ask(rids[2], "SHOP-9")["id"]
    other = s.approver.approve(ask(rids[3], "SHOP-90"))["grant"]
    key = s.viewer.key(live, rids[0])
    began = time.time()
    taken(standard({"ticket": "shop-9", "state": "closed"}), cancelled=2, ending=1)
    same(s.viewer.get(f"/v1/requests/{pending}").json["state"], "CANCELLED", "what waited for a vote")
    same(s.viewer.get(f"/v1/grants/{scheduled}").json["state"], "CANCELLED", "what waited for its first use")
    g = s.viewer.get(f"/v1/grants/{live}").json
    end = datetime.datetime.fromisoformat(g["window"]["end"].replace("Z", "+00:00")).timestamp()
    same(g["state"], "ACTIVE", "what is open")
    true(began + 299 <= end <= time.time() + 301, f"ends {end - began:.1f} s from the notice")
    same(key.chunk(0).status, 200, "until then it goes on")
    g = s.viewer.get(f"/v1/grants/{other}").json
    end = datetime.datetime.fromisoformat(g["window"]["end"].replace("Z", "+00:00")).timestamp()
    true(g["state"] == "ACTIVE" and end > began + 1500, "another ticket's")
    taken(standard({"ticket": "SHOP-9", "state": "closed"}), cancelled=0)  # said again
    again = s.viewer.get(f"/v1/grants/{live}").json["window"]["end"]
    true(abs(datetime.datetime.fromisoformat(again.replace("Z", "+00:00")).timestamp() - began - 300) < 2, "the end does not move")
    a = s.viewer.post("/v1/requests", {"recordings": [rids[4]], "actions": ["play"], "duration_s": 60,
                                       "purpose": {"code": "support", "ticket": "SHOP-9", "reason": "A customer reports an error."}})
    same((a.status, a.json["errors"][0]["at"], a.json["errors"][0]["code"]), (422, "/purpose/ticket", "conflict"), "a closed ticket is no reason")
    for state in ("open", "reopened"):
        taken(standard({"ticket": "SHOP-9", "state": state}), cancelled=0, ending=0)
    same(s.viewer.get(f"/v1/grants/{scheduled}").json["state"], "CANCELLED", "opening a ticket opens nothing")
    same(s.viewer.get(f"/v1/requests/{pending}").json["state"], "CANCELLED", "opening a ticket opens nothing")
    ask(rids[4], "SHOP-9")


@test("GitHub's three spellings of a ticket")
def _():
    rids = [s.add(cast(5), f"spelling {i}") for i in range(3)]
    for rid, ticket in zip(rids, ("Shop/web#33", "#33", "https://github.com/shop/web/issues/33")):
        ask(rid, ticket)
    taken(github(issue(33)), cancelled=3)


@test("every notice is in the log; who guesses is slowed down, by source, and recorded")
def _():
    s.wait_leaf(lambda l: l["type"] == "request.cancelled" and l.get("actor") == "system", 5)
    s.wait_leaf(lambda l: l["type"] == "api.read" and l.get("obj") == "hook" and l.get("digest"), 5)
    codes = [standard(CLOSED, key=os.urandom(32)) for _ in range(40)]
    true(codes[-1].status == 429 and int(codes[-1].headers["retry-after"]) >= 1, f"{codes[-1]}")
    same(standard(CLOSED).status, 429, "… also with the right signature, from there")
    s.wait_leaf(lambda l: l["type"] == "login.failed" and l.get("outcome") == "hook-refused", 70, log="system", client=s.admin)


test.run()
