#!/usr/bin/env python3
"""The commands of the access core on a real server: linked requests, the brake, emergencies, policy, changes, evidence."""
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import PASSWORD, Server, Terminal, eq, has, main  # noqa: E402

S = Server()
WHY = ["--purpose", "support", "--reason", "Customer reports that checkout fails"]


def cast(n=40, every=0.25):
    lines = [json.dumps({"version": 2, "width": 80, "height": 24})]
    return "\n".join(lines + [json.dumps([round(i * every, 3), "o", f"line {i}\r\n"]) for i in range(n)]) + "\n"


def person(name, *more):
    r = S.run("user", "add", name, "--password-file", str(S.password_file), *more, token=S.admin)
    if r.out.startswith("change waiting"):
        has(r.err, "keyhole changes approve " + r.last())
        S.run("changes", "approve", r.last(), who="adm1")
    S.run("login", "--user", name, "--password-file", str(S.password_file), who=name)


def source():
    return S.run("policy", "show", "--json", token=S.admin).json()["print"]


CASES = '''
test "a viewer asks" { as = { "role:viewer" }  wants = { play }  purpose = "support"  for = 30min  expect = ask }
test "not for a day" { as = { "role:viewer" }  wants = { play }  purpose = "support"  for = 24h  expect = deny }
'''


def policy_test():
    f = S.top / "policy-test"
    f.write_text(source() + CASES)
    r = S.run("policy", "test", str(f), token=S.admin)
    has(r.out, "a viewer asks")
    eq(r.out.count("good"), 2 + source().count("\ntest "), r.out)
    f.write_text(source() + CASES.replace("expect = ask", "expect = deny"))
    r = S.run("policy", "test", str(f), token=S.admin, check=False)
    eq(r.code, 1, "a case that fails")
    has(r.out, "FAILED")
    r = S.run("policy", "test", str(f), "--json", token=S.admin, check=False)
    eq((r.code, r.json()["failed"]), (1, 1))
    f.write_text("rule {")
    r = S.run("policy", "test", str(f), token=S.admin, check=False)
    eq(r.code, 1)
    has(r.err, "[policy-invalid]")
    eq(S.run("policy", "test", str(f), who="eng", check=False).code in (1, 3), True, "not for a viewer")
    eq(S.run("policy", "test", "/nonexistent", token=S.admin, check=False).code, 1)
    eq(S.run("policy", "test", check=False).code, 2)


def policy_dry_run():
    rid = S.import_text(cast())
    q = S.run("request", rid, *WHY, "--for", "50m", who="eng").last()
    f = S.top / "policy-dry"
    f.write_text(re.sub(r"\b(max|default)(\s*)= \w+min", r"\1\2= 10min", source().replace("= 1h", "= 60min")))
    r = S.run("policy", "dry-run", str(f), "--days", "1", token=S.admin)
    has(r.out, "would be decided otherwise")
    has(r.out, q)
    r = S.run("policy", "dry-run", str(f), "--json", token=S.admin).json()
    eq([i["request"] for i in r["items"]], [q], source())
    eq(S.run("policy", "dry-run", str(f), "--days", "366", token=S.admin, check=False).code, 2)
    S.run("cancel", q, who="eng")


def policy_of_two():
    """With a second administrator a proposal waits; anybody who may vote can stop it; approving shows what is hashed."""
    person("adm1")
    person("adm2")
    S.run("group", "set", "admins", "--add", "adm1", "--add", "adm2", token=S.admin)
    f = S.top / "policy-two"
    f.write_text(source() + 'purpose "training" { }\n')
    r = S.run("policy", "apply", str(f), who="adm1")
    h = r.last()
    has(r.out, "policy proposed")
    has(r.err, "keyhole policy approve " + h)
    eq(S.run("policy", "approve", h, who="adm1", check=False).code, 3, "one's own")
    r = S.run("policy", "approve", h, who="adm2")
    has(r.err, f"hash {h} (computed from the above)")
    has(r.err, 'purpose "training"')
    has(source(), 'purpose "training"')
    f.write_text(source() + 'purpose "teaching" { }\n')
    h = S.run("policy", "apply", str(f), who="adm1").last()
    eq(S.run("policy", "stop", h, who="eng", check=False).code, 3, "who may not vote")
    eq(S.run("policy", "stop", h, "--comment", "not now", who="app").out, f"policy stopped {h}\n")
    eq(S.run("policy", "approve", h, who="adm2", check=False).code, 3, "it was stopped")
    eq(S.run("policy", "stop", "x", who="app", check=False).code, 2)


def guarded_changes():
    """Who may vote is guarded as the policy is: another administrator approves it, whoever may vote can stop it."""
    eq(S.run("changes", "list", who="adm2").out, "")
    r = S.run("group", "set", "approvers", "--add", "eng", who="adm1")
    has(r.out, "change waiting c_")
    change = r.last()
    r = S.run("changes", "list", who="adm2")
    has(r.out, change)
    has(r.out, "group_patch")
    eq(S.run("changes", "approve", change, who="adm1", check=False).code, 3, "one's own")
    eq(S.run("changes", "list", who="eng", check=False).code in (0, 3), True)
    r = S.run("changes", "approve", change, who="adm2")
    eq(r.out, f"change done {change}\n")
    has(r.err, "adm1 asked for group_patch approvers")
    has(S.run("group", "list", token=S.admin).out, "eng")
    change = S.run("group", "set", "approvers", "--remove", "eng", who="adm2").last()
    eq(S.run("changes", "stop", change, "--comment", "not so fast", who="app").out, f"change stopped {change}\n")
    eq(S.run("changes", "approve", change, who="adm1", check=False).code, 3, "it was stopped")
    has(S.run("changes", "list", "--all", who="adm2").out, "stopped")
    change = S.run("group", "set", "approvers", "--remove", "eng", who="adm2").last()
    eq(S.run("changes", "approve", change, "--json", who="adm1").json()["state"], "done")
    eq(S.run("changes", "approve", "c_x", who="adm1", check=False).code, 2)
    eq(S.run("changes", "stop", "c_AAAAAAAAAAAAAAAA", who="adm1", check=False).code, 1, "no such change")


def evidence():
    logs = S.run("audit", "logs", token=S.admin)
    has(logs.out, "system")
    has(logs.out, "default")
    eq(S.run("audit", "logs", who="eng").out.count("open"), 0, "of those one may read")
    newest = S.run("audit", "tail", "-n", "1", "--json", token=S.admin).json()["i"]
    out = S.top / "a.tlog-proof"
    began = time.monotonic()
    S.run("audit", "proof", str(newest), "-o", str(out), token=S.admin)
    text = out.read_text()
    has(text, "c2sp.org/tlog-proof@v1")
    has(text, f"\nindex {newest}\n")
    eq(S.run("audit", "proof", str(newest), "-o", str(out), token=S.admin, check=False).code, 1, "it is there already")
    eq(S.run("audit", "proof", "999999", token=S.admin, check=False).code, 1, "no such record")
    eq(S.run("audit", "proof", "x", token=S.admin, check=False).code, 2)
    eq(S.run("audit", "proof", "1", who="eng", check=False).code in (1, 3), True)
    keys = S.top / "vkey"
    keys.write_text(S.run("audit", "vkey", token=S.admin).out)
    eq(S.run("audit", "verify", "--receipt", str(out), "--vkey", str(keys)).code, 0, "without a server")
    bad = S.top / "bad.tlog-proof"
    bad.write_text(text.replace(f"\nindex {newest}\n", f"\nindex {newest - 1}\n"))
    eq(S.run("audit", "verify", "--receipt", str(bad), "--vkey", str(keys), check=False).code, 1)
    r = S.run("audit", "unseal", "system", "--reason", "Nothing is wrong with it", who="adm1", check=False)
    eq(r.code, 3, "it is not sealed")
    eq(S.run("audit", "unseal", "system", who="adm1", check=False).code, 2, "without a reason")
    r = S.run("clock", "trust", "--reason", "Nothing is wrong with it", who="adm1", check=False)
    eq(r.code, 3, "it is trusted")
    eq(S.run("clock", "trust", "--reason", "Nothing is wrong with it", who="eng", check=False).code, 3)


def streams_at_once():
    """The fifth stream under one access is one too many: what is left is said, and one that ends makes room."""
    rids = [S.import_text(cast(400)) for _ in range(5)]
    q = S.run("request", *rids, *WHY, "--for", "5m", who="eng").last()
    S.run("approve", q, who="app")
    playing = [Terminal(S, "play", rid) for rid in rids[:4]]
    for t in playing:
        t.expect("line 1$")
    late = Terminal(S, "play", rids[4])
    late.read(10, "too much is playing")
    has(late.screen.text(), "too much is playing: 4 of 4 at once under this access, 0 left")
    eq(late.exit(), 3)
    playing[0].send("q")
    eq(playing[0].exit(), 0)
    again = Terminal(S, "play", rids[4])
    again.expect("line 1$")
    for t in [again] + playing[1:]:
        t.send("q")
        eq(t.exit(), 0)


try:
    main(streams_at_once,policy_test, policy_dry_run, policy_of_two, guarded_changes, evidence)
finally:
    S.close()
