#!/usr/bin/env python3
"""keyhole mask test, show, set: on a real server and without one."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import Server, eq, has, main  # noqa: E402

S = Server(people=False)
EMAIL, STAFF = "jane.doe@example.com", "EMP-204518"
RULES = 'patterns = { card }\nreveal = keep\nown "staff number" { pattern = "emp-[0-9]{6}" nocase = yes words = yes }\n'


def write(name, text):
    path = S.top / name
    path.write_text(text)
    return str(path)


def cast():
    lines = [{"version": 2, "width": 80, "height": 24}, [0.1, "o", f"hello {EMAIL}\r\n"], [0.2, "o", f"{STAFF}\r\n"], [0.3, "o", "bye\r\n"]]
    return write("a.cast", "\n".join(map(json.dumps, lines)) + "\n")


def page():
    node = {"type": 3, "textContent": f"Write to {EMAIL}", "id": 2}
    events = [{"type": 4, "data": {"href": f"https://x.test/?mail={EMAIL}", "width": 1, "height": 1}, "timestamp": 1700000000000},
              {"type": 2, "data": {"node": {"type": 0, "childNodes": [node], "id": 1}, "initialOffset": {"top": 0, "left": 0}}, "timestamp": 1700000000001},
              {"type": 3, "data": {"source": 3, "id": 1, "x": 0, "y": 9}, "timestamp": 1700000000009}]
    return write("a.json", json.dumps(events))


def without_a_server():
    """Which needs neither address nor token."""
    alone = {"KEYHOLE_URL": "http://localhost:1"}
    r = S.run("mask", "test", cast(), env=alone)
    has(r.out, "email")
    has(r.err, "asciicast-v2: 1 of 3 events would be masked")
    r = S.run("mask", "test", page(), "--json", env=alone).json()
    eq((r["format"], r["events"], r["masked"], r["counts"]), ("rrweb-array", 3, 2, [{"rule": "email", "n": 2}]))
    r = S.run("mask", "test", page(), "--show", env=alone)
    eq(EMAIL in r.out, False, r.out)
    has(r.out, "Write to " + "*" * len(EMAIL))
    plain = write("plain.txt", f"x {EMAIL}, {STAFF}\n")
    r = S.run("mask", "test", plain, "--show", "--rules", write("rules", RULES), env=alone)
    eq(r.out, f"x {EMAIL}, {'*' * len(STAFF)}\n")
    has(r.err, "plain text")
    r = S.run("mask", "test", plain, "--rules", write("bad", "\n\nown \"x\" { pattern = \"(\" }\n"), env=alone, check=False)
    eq(r.code, 1)
    has(r.err, "masks:3: pattern of 'x'")
    eq(S.run("mask", "test", "/nonexistent", env=alone, check=False).code, 1)
    eq(S.run("mask", "test", env=alone, check=False).code, 2)


def of_a_project():
    r = S.run("mask", "show", "default", token=S.admin)
    has(r.err, "the default rules")
    has(r.err, "url-password")
    has(r.err, "dropped")
    rules = write("rules", RULES)
    eq(len(S.run("mask", "set", "default", rules, token=S.admin).last()), 43)
    r = S.run("mask", "show", "default", token=S.admin)
    eq(r.out, RULES)
    has(r.err, "own patterns: staff number")
    has(r.err, "kept")
    eq(S.run("mask", "show", "default", "--json", token=S.admin).json()["version"], 1)
    r = S.run("mask", "test", cast(), "--project", "default", "--json", token=S.admin).json()
    eq(r["counts"], [{"rule": "staff number", "n": 1}])
    r = S.run("mask", "set", "default", write("bad", "patterns = { nothing }\n"), token=S.admin, check=False)
    eq(r.code, 1)
    has(r.err, "[masks-invalid]")
    eq(S.run("mask", "set", "default", rules, "--default", token=S.admin, check=False).code, 2)
    eq(S.run("mask", "set", "default", token=S.admin, check=False).code, 2)
    S.run("mask", "set", "default", "--default", token=S.admin)
    eq(S.run("mask", "show", "default", "--json", token=S.admin).json()["default"], True)
    eq(S.run("mask", "show", "nowhere", token=S.admin, check=False).code != 0, True)


try:
    main(without_a_server, of_a_project)
finally:
    S.close()
