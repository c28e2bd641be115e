#!/usr/bin/env python3
"""The policy over HTTP: texts that do not hold together, cases that are run, what a change would have decided, a change that waits
and is stopped by whoever may vote, rules about networks."""
import json
import threading

from _server import Client, Server, Stream, Tests, cast, same, true, until

GOOD = """
purpose "debugging" { }
rule "short" { who = { "role:viewer" }  actions = { play }  purposes = { "debugging" }  max = 5min  binding = { dpop, bearer } }
test "asks" { as = { "role:viewer" }  wants = { play }  purpose = "debugging"  for = 5min  rule = "short"  expect = ask }
test "long" { as = { "role:viewer" }  wants = { play }  purpose = "debugging"  for = 301s  expect = deny }
"""
FAILING = GOOD + 'test "wrong" { as = { "role:viewer" }  wants = { play }  purpose = "debugging"  expect = auto }\n'
REFUSED = {  # text -> what the answer has to say, and in which line
    'purpose "a" { }\nrule "r" {\n who = { "role:viewer" }\n who = { "role:viewer" }\n}\n': (4, "'who' is given twice"),
    'purpose "a" { }\nrule "r" { actions = { play }': (None, ""),
    'purpose "a" { }\n/* never closed\n': (None, ""),
    'purpose "a" { }\nrule "r" { who = { "user:${HOME}" }  actions = { play }  purposes = { a } }\n': (2, ""),
    'include("/etc/passwd")\n': (None, "include"),
    'purpose "a" { }\nrule "two" { actions = { play }  purposes = { a }  ask { need = 2  from = { "user:x" } } }\n': (None, 'rule "two"'),
    'purpose "a" { }\nrule "z" { actions = { play }  purposes = { a }  hours = "07:00-08:00 Europe/Atlantis" }\n': (None, 'rule "z"'),
}

test = Tests()
s = Server().cast()
rid = s.add(cast(20), "A recording")


@test("a text that does not hold together is refused with what and where; nothing of it is kept")
def _():
    before = s.admin.get("/v1/policies").json["items"]
    for text, (line, says) in REFUSED.items():
        for path in ("/v1/policies/test", "/v1/policies/dry-run", "/v1/policies"):
            a = s.admin.post(path, {"text": text})
            same((a.status, a.code), (422, "policy-invalid"), f"{path} {text!r}")
            true(line is None or a.json.get("line") == line, f"{a.json}: want line {line}")
            true(says in json.dumps(a.json, ensure_ascii=False).replace('\\"', '"'), f"{a.json}: want {says}")
    same(s.admin.get("/v1/policies").json["items"], before, "the list")
    true(s.admin.post("/v1/policies/test", {"text": "x" * 65537}).status in (400, 422), "over 64 KiB")


@test("cases are run: each with what was expected, what came, and why; a failing one refuses the proposal with all of them")
def _():
    a = s.admin.post("/v1/policies/test", {"text": FAILING}).want(200).json
    same((a["passed"], a["failed"]), (2, 1), "counts")
    same([(t["name"], t["expect"], t["got"], t["ok"]) for t in a["tests"]],
         [("asks", "ask", "ask", True), ("long", "deny", "deny", True), ("wrong", "auto", "ask", False)], "cases")
    same((a["tests"][0]["rule"], a["tests"][1]["cause"]), ("short", "too-long"), "why")
    b = s.admin.post("/v1/policies", {"text": FAILING})
    same((b.status, b.code), (422, "policy-test-failed"), "proposal")
    same([t["ok"] for t in b.json["tests"]], [True, True, False], "its cases")
    same(s.approver.post("/v1/policies/test", {"text": GOOD}).want(200).json["failed"], 0, "an approver may try")
    s.viewer.post("/v1/policies/test", {"text": GOOD}).want(403)
    Client(s).post("/v1/policies/test", {"text": GOOD}).want(401)


@test("what it would have decided about past requests: those that differ, and how many")
def _():
    q = s.viewer.ask(rid, duration_s=600)
    p = s.viewer.ask(s.add(cast(5)), duration_s=60)
    a = s.auditor.post("/v1/policies/dry-run", {"text": GOOD, "days": 1}).want(200).json
    same((a["looked_at"], a["differ"], a["complete"]), (2, 2, True), "counts")
    by = {i["request"]: i for i in a["items"]}
    same((by[q["id"]]["was"]["verdict"], by[q["id"]]["now"]["verdict"], by[q["id"]]["now"]["cause"]), ("ask", "deny", "duration"), "too long now")
    same((by[p["id"]]["was"]["rule"], by[p["id"]]["now"]["rule"]), ("viewers-ask", "short"), "another rule")
    same(sum(c["n"] for c in a["counts"]), 2, "the sum")
    same(len(s.auditor.post("/v1/policies/dry-run", {"text": GOOD, "limit": 1}).json["items"]), 1, "limit")
    s.approver.post("/v1/policies/dry-run", {"text": GOOD}).want(403)
    true(all(i["state"] != "proposed" for i in s.admin.get("/v1/policies").json["items"]), "nothing is stored")


@test("with two administrators a proposal waits; who may vote hears of it, reads it, and can stop it")
def _():
    second = s.boss = s.person("boss", "admins")
    heard = Stream(s, "/v1/events", s.approver.token)
    until(lambda: heard.named("hello"), 5, "the stream is open")
    p = second.post("/v1/policies", {"text": GOOD}).want(201).json
    same(p["state"], "proposed", "state")
    until(lambda: any('"policy"' in d and '"proposed"' in d and p["hash"] in d for _, _, _, d in heard.items), 5, "the approver hears of it")
    same(s.approver.get("/v1/status").json["policy"]["waiting"][0]["hash"], p["hash"], "the status")
    true('rule "short"' in s.approver.get(f"/v1/policies/{p['hash']}").want(200).json["print"], "its text")
    s.viewer.get(f"/v1/policies/{p['hash']}").want(403)
    s.viewer.post(f"/v1/policies/{p['hash']}/stop").want(403)
    second.post(f"/v1/policies/{p['hash']}/approve").want(403)  # its own
    same(s.approver.post(f"/v1/policies/{p['hash']}/stop", {"comment": "too short"}).want(200).json["state"], "stopped", "stopped")
    until(lambda: any('"stopped"' in d for _, _, _, d in heard.items), 5, "that is told, too")
    heard.close()
    s.approver.post(f"/v1/policies/{p['hash']}/stop").want(409)
    true(s.admin.get("/v1/policies/current").json["hash"] != p["hash"], "it is not in force")
    s.wait_leaf(lambda l: l["type"] == "policy.stopped" and l.get("policy") == p["hash"], 5, log="system", client=s.admin)


@test("two stops of one proposal at once: one wins, the other hears so")
def _():
    for i in range(5):
        p = s.boss.post("/v1/policies", {"text": GOOD.replace("max = 5min", f"max = 5min  max_speed = {i + 2}")}).want(201).json
        same(p["state"], "proposed", "state")
        got = []
        threads = [threading.Thread(target=lambda who=who: got.append(who.post(f"/v1/policies/{p['hash']}/stop").status))
                   for who in (s.approver, s.second)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(sorted(got), [200, 409], "one wins")
        same(s.admin.get(f"/v1/policies/{p['hash']}").json["state"], "stopped", "state")


@test("rules about networks: the whole address, to its last bit")
def _():
    t = Server().cast()
    r = t.add(cast(5))
    text = GOOD.split("test ")[0]
    for net, status in (("127.0.0.1/32", 201), ("127.0.0.2/32", 403), ("127.0.0.0/30", 201), ("10.0.0.0/8", 403), ("::1/128", 403)):
        t.admin.post("/v1/policies", {"text": text.replace("max = 5min", f'max = 5min  network = {{ "{net}" }}')}).want(201)
        a = t.viewer.post("/v1/requests", {"recordings": [r], "actions": ["play"], "duration_s": 60,
                                           "purpose": {"code": "debugging", "reason": "A customer reports an error."}})
        same((net, a.status), (net, status), repr(a))
        if a.status == 201:
            t.viewer.post(f"/v1/requests/{a.json['id']}/cancel").want(200)


test.run()
