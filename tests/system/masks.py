#!/usr/bin/env python3
"""Masking rules of a project over HTTP: set, shown, refused with the line, recorded; what comes in afterwards goes by them at once, live and
imported, whatever loop it arrives on; what uploaders state passes them; a server that was killed knows them still."""
import json
import signal
import threading

from _server import Server, Tests, same, true, until

EMAIL, CARD, STAFF = "jane.doe@example.com", "4111 1111 1111 1111", "EMP-204518"
RULES = """
# shop
patterns = { email }
own "staff number" { pattern = "EMP-[0-9]{6}" words = yes }
"""
REFUSED = {  # text -> line, and what the answer says
    "patterns = { email }\npatterns = { card }\n": (2, "given twice"),
    "\n\nown \"a\" { pattern = \"(x\" }\n": (3, "pattern of 'a'"),
    "own \"a\" { pattern = \"x\" }\nown \"b\" { pattern = \"(y{500}){500}\" }\n": (2, "repetitions"),
    "own \"a\" { pattern = \"x*\" }\n": (1, "where nothing is"),
    "own \"a\" { pattern = \"(?=x)y\" }\n": (1, "pattern of 'a'"),
    "own \"a\" { }\n": (1, "has no pattern"),
    "rrweb {\n mask = { \".a .b\" }\n}\n": (2, ".a .b"),
    "patterns = { everything }\n": (1, "takes words out of"),
    "reveal = maybe\n": (1, "drop, keep"),
    "own \"a\" { pattern = \"%s\" }\n" % ("x" * 600): (1, "512"),
    "include(\"/etc/passwd\")\n": (1, "include"),
    "".join(f'own "n{i}" {{ pattern = "x{i}" }}\n' for i in range(65)): (65, "at most 64"),
}

test = Tests()
s = Server().cast()
pid = s.project()


def put(text, client=s.admin, project=pid):
    return client.call("PUT", f"/v1/projects/{project}/masks", {"text": text})


def terminal(*lines):
    return "\n".join([json.dumps({"version": 2, "width": 80, "height": 24})] + [json.dumps([i * 0.1, "o", t + "\r\n"]) for i, t in enumerate(lines)]) + "\n"


def stored(rid):
    """What a viewer gets of it."""
    k = s.keyed(rid)
    m = k.manifest()
    return json.dumps(m) + "".join(k.chunk(c).want(200).text for c in range(len(m["chunks"])))


@test("the default rules are there from the start; another text is shown as it was set, recorded, and refused to others")
def _():
    a = s.admin.get(f"/v1/projects/{pid}/masks").want(200).json
    same((a["default"], a["reveal"], a["own"], a["version"], len(a["patterns"])), (True, "drop", [], 0, 11), "default")
    b = put(RULES).want(200).json
    same((b["default"], b["patterns"], b["own"], b["version"], b["text"]), (False, ["email"], ["staff number"], 1, RULES), "set")
    same(s.auditor.get(f"/v1/projects/{pid}/masks").want(200).json, b, "an auditor reads it")
    s.viewer.get(f"/v1/projects/{pid}/masks").want(403)
    put("", s.viewer).want(403)
    put("", s.recorder).want(401)
    put("", project="nowhere").want(404)
    s.wait_leaf(lambda l: l["type"] == "project.changed" and l.get("digest") == b["hash"] and l["n"]["masks"] == 1, 5, log=pid)


@test("a text that does not hold together is refused with line and cause by whoever finds it, and nothing changes")
def _():
    before = s.admin.get(f"/v1/projects/{pid}/masks").json
    for text, (line, says) in REFUSED.items():
        for a in (put(text), s.admin.post("/v1/masks/test", {"text": text, "sample": "x"})):
            same((a.status, a.code, a.json.get("line")), (422, "masks-invalid", line), text[:80])
            true(says in json.dumps(a.json), f"{a.json}: want {says}")
    true(put("x" * 65537).status in (400, 422), "over 64 KiB")
    put(RULES.replace("email", "card") * 2).want(422)
    same(s.admin.get(f"/v1/projects/{pid}/masks").json, before, "unchanged")


@test("a sample: by the project's rules, by a text, by the default ones; never stored")
def _():
    sample = f"{EMAIL} {CARD} {STAFF}"
    by = lambda **more: s.admin.post("/v1/masks/test", {"sample": sample, **more}).want(200).json
    a = by(project=pid)
    same(a["masked"], f"{'*' * len(EMAIL)} {CARD} {'*' * len(STAFF)}", "project")
    same(a["counts"], [{"rule": "email", "n": 1}, {"rule": "staff number", "n": 1}], "counts")
    same([sample[h["from"]:h["to"]] for h in a["hits"]], [EMAIL, STAFF], "hits")
    same(by()["masked"], f"{'*' * len(EMAIL)} **** **** **** **** {STAFF}", "default")
    same(by(text="patterns = { card }")["masked"], f"{EMAIL} **** **** **** **** {STAFF}", "text")
    s.admin.post("/v1/masks/test", {"sample": sample, "project": pid, "text": RULES}).want(422)
    s.viewer.post("/v1/masks/test", {"sample": "x"}).want(403)


@test("what is imported goes by the rules of that moment; titles, tags and links as well")
def _():
    put(RULES).want(200)
    rid = s.upload(terminal(EMAIL, CARD, STAFF).encode(), f"for {EMAIL}", Keyhole_Tag=f'"staff"="{STAFF}"', Keyhole_Link='"order:o-77"')
    if rid.status != 201:
        rid = s.upload(terminal(EMAIL, CARD, STAFF).encode(), f"for {EMAIL}")
    rid = rid.want(201).json["id"]
    text = stored(rid)
    true(EMAIL not in text and STAFF not in text and CARD in text, text[-300:])
    a = s.admin.get(f"/v1/recordings/{rid}").want(200)
    true(EMAIL not in a.text and STAFF not in a.text, a.text)
    s.recorder.call("PUT", f"/v1/recordings/{rid}/links", {"links": [{"type": "user", "id": EMAIL}, {"type": "error", "id": "e-1"}]}).want(200)
    a = s.admin.get(f"/v1/recordings/{rid}").want(200)
    true(EMAIL not in a.text and "e-1" in a.text, a.text)
    put("").want(200)
    text = stored(s.add(terminal(EMAIL, CARD, STAFF).encode()))
    true(EMAIL not in text and CARD not in text and STAFF in text, text[-300:])


@test("an event's code that is written as an escape is that code: what it shows and what is typed is masked")
def _():
    put("").want(200)
    head = json.dumps({"version": 2, "width": 80, "height": 24})
    text = head + f'\n[0.1,"\\u006f","mail {EMAIL[:6]}"]\n[0.2,"\\u006f","{EMAIL[6:]} now\\r\\nPassword: "]\n[0.3,"\\u0069","hunter2\\r"]\n'
    true("\\u006f" in text, text)
    got = stored(s.add(text.encode()))
    true(EMAIL[:6] not in got and EMAIL[6:] not in got and "hunter2" not in got and "mail ****" in got, got[-300:])


@test("rules change under recordings that are being made: each batch goes by those in force, on every loop")
def _():
    made = [s.recorder.post("/v1/recordings", {"kind": "terminal", "head": {"version": 2, "width": 80, "height": 24}}).want(201).json["id"] for _ in range(6)]

    def batch(n, text):
        def one(rid):
            s.recorder.post(f"/v1/recordings/{rid}/events", json.dumps([[float(n), "o", text + "\r\n"]]).encode(),
                            headers={"Batch-Seq": str(n), "Content-Type": "application/json"}).want(200)
        threads = [threading.Thread(target=one, args=(rid,)) for rid in made]
        [t.start() for t in threads]
        [t.join() for t in threads]

    batch(0, f"{EMAIL} {STAFF} zero")
    put(RULES).want(200)
    batch(1, f"{CARD} {STAFF} one")
    for rid in made:
        s.recorder.post(f"/v1/recordings/{rid}/end", {}).want(200)
        text = stored(rid)
        true(EMAIL not in text and f"{STAFF} zero" in text, text[-300:])
        true(f"{CARD} " in text and f"{STAFF} one" not in text, text[-300:])


@test("a server that was killed goes on with them")
def _():
    put(RULES).want(200)
    rid = s.recorder.post("/v1/recordings", {"kind": "terminal", "head": {"version": 2, "width": 80, "height": 24}}).want(201).json["id"]
    s.die()
    s.start()
    send = lambda: s.recorder.post(f"/v1/recordings/{rid}/events", json.dumps([[0.5, "o", f"{STAFF} {CARD}\r\n"]]).encode(),
                                   headers={"Batch-Seq": "0", "Content-Type": "application/json"})
    until(lambda: send().status == 200, 10, "the gate has what the log of the other one held")
    s.recorder.post(f"/v1/recordings/{rid}/end", {}).want(200)
    text = stored(rid)
    true(STAFF not in text and CARD in text, text[-300:])


@test("patterns at their limits: the server answers, and goes on answering others meanwhile")
def _():
    heavy = "".join(f'own "p{i}" {{ pattern = "{chr(97 + i % 26)}[a-z0-9]{{200,290}}{i}" }}\n' for i in range(64))
    a = put(heavy)
    true(a.status in (200, 422), a)
    put("").want(200)


test.run()
