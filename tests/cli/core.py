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
    person("adm1", "--group", "admins")
    person("adm2", "--group", "admins")
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


def reports():
    """Made of the log alone, as a table, as JSON, as CSV; about a recorded person without the staff."""
    rid = S.import_text(cast(), subject="customer-4711", title="A checkout")
    S.grant(rid)
    S.run("play", rid, who="eng")
    time.sleep(0.5)
    r = S.run("report", "recording", rid, token=S.admin)
    has(r.out, "eng")
    has(r.out, "A checkout")
    has(S.run("report", "person", "eng", "--from", "1h", token=S.admin).out, rid)
    r = S.run("report", "subject", "customer-4711", token=S.admin)
    has(r.out, rid)
    if "eng" in r.out.replace("engineer", ""):
        raise AssertionError("staff in what a recorded person may be told")
    eq(S.run("report", "recording", rid, "--json", token=S.admin).json()["items"][0]["recording"], rid)
    csv = S.run("report", "recording", rid, "--csv", token=S.admin).out.splitlines()
    has(csv[0], "recording,")
    eq(len(csv), 2)
    eq(S.run("report", "recording", rid, "--to", "1h", token=S.admin).out, "", "before it was watched")
    eq(S.run("report", "recording", rid, who="eng", check=False).code in (1, 3), True, "no auditor")
    for wrong in (["recording", "x"], ["recordings", rid], ["recording", rid, "--csv", "--json"], ["person", "eng", "--from", "x"]):
        eq(S.run("report", *wrong, token=S.admin, check=False).code, 2, str(wrong))


def gateway_tokens():
    at = ["--project", "default", "--at", "https://edge.example"]
    r = S.run("token", "add", "--gateway", *at, token=S.admin)
    if not r.last().startswith("kgt_"):
        raise AssertionError(r.out)
    listed = S.run("token", "list", "--kind", "gateway", token=S.admin)
    has(listed.out, r.out.split()[0])
    if r.last() in listed.out:
        raise AssertionError("a secret in a list")
    for wrong in (["--gateway", "--project", "default"], ["--gateway", "--at", "https://edge.example"], ["--gateway", "--ingest", *at],
                  ["--gateway", *at, "--user", "eng"], ["--ingest", *at]):
        eq(S.run("token", "add", *wrong, token=S.admin, check=False).code, 2, str(wrong))
    S.run("token", "revoke", r.out.split()[0], token=S.admin)


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


def rich_policy():
    """What later may be needed can be decided beforehand."""
    f = S.top / "rich"
    f.write_text(source().replace("  viewers = 1\n", "  viewers = 4\n  more { same = { link, subject }  max = 3 }\n  more_time { times = 2  each = 30min }\n"))
    S.run("policy", "apply", str(f), token=S.admin)


def state(g, who="eng"):
    return S.run("api", "GET", f"/v1/grants/{g}", who=who).json()


def more_time_goes_on():
    """Time granted beforehand opens at once, and what plays goes on under it."""
    rid = S.import_text(cast(400))
    q = S.run("request", rid, *WHY, "--for", "12s", "--more-time", "1x30s", who="eng").last()
    r = S.run("approve", q, who="app")
    has(r.err, "more_time    1 times 30s (30 s)")
    g = r.last()
    t = Terminal(S, "play", rid)
    t.expect("line 4$")
    r = S.run("more-time", g, who="eng")
    has(r.out, "request ACTIVE q_")
    further = r.last()
    if further == g or not further.startswith("g_"):
        raise AssertionError(r.out)
    t.expect(r"line 64$", 20)
    on = [int(x) for x in re.findall(r"^line (\d+)$", t.screen.text(), re.M)]
    eq(on, list(range(on[0], on[-1] + 1)), "nothing lost, nothing twice")
    t.send("q")
    eq(t.exit(), 0)
    eq(state(g)["state"], "EXPIRED", "the first one is not longer than it was")
    S.run("give-back", further, who="eng")
    # Without such time: an ordinary linked request.
    g = S.grant(rid, 60)
    r = S.run("more-time", g, "--for", "60s", "--reason", "It takes longer than I thought", who="eng")
    has(r.out, "request PENDING q_")
    r = S.run("approve", r.last(), who="app")
    has(r.err, f"belongs to   {g} (extend")
    eq(S.run("more-time", g, who="app", check=False).code in (1, 3), True, "somebody else's")
    eq(S.run("more-time", "x", who="eng", check=False).code, 2)
    eq(S.run("more-time", g, "--for", "0s", who="eng", check=False).code, 2)


def extended_while_playing():
    """An extension that is approved in time: the stream goes on, an export too."""
    rid = S.import_text(cast(400))
    g = S.grant(rid, 12)
    t = Terminal(S, "play", rid)
    t.expect("line 4$")
    q = S.run("extend", g, "--for", "40s", who="eng").last()
    eq(state(g)["state"], "ACTIVE")
    S.run("approve", q, who="app")
    t.expect("line 64$", 20)
    t.send("q")
    eq(t.exit(), 0)
    eq(S.run("extend", g, who="eng", check=False).code, 3, "it has ended")


def joined_and_widened():
    a, b, c = (S.import_text(cast(), link="order:77") for _ in range(3))
    other = S.import_text(cast())
    person("chris")
    q = S.run("request", a, *WHY, "--for", "5m", "--viewer", "chris", "--more", "link:1", who="eng").last()
    r = S.run("approve", q, who="app")
    has(r.err, "viewer       chris (u_")
    has(r.err, "more         up to 1 recordings of the same link")
    g = S.run("grants", "--mine", "--state", "active", "--recording", a, "--json", who="eng").json()["items"][0]["id"]
    has(S.run("play", a, who="chris").out, "line 39")
    # One more recording of the same order was decided already, two were not.
    r = S.run("widen", g, b, who="eng")
    eq(r.out, f"access ACTIVE {g}\n")
    has(S.run("play", b, who="eng").out, "line 39")
    r = S.run("widen", g, c, who="eng")
    has(r.out, "request PENDING q_")
    S.run("cancel", r.last(), who="eng")
    has(S.run("widen", g, other, who="eng").out, "request PENDING q_")
    eq(S.run("widen", g, "x", who="eng", check=False).code, 2)
    person("robin")
    r = S.run("join", g, who="robin")
    has(r.out, "request PENDING q_")
    r = S.run("approve", r.last(), who="app")
    has(r.err, f"belongs to   {g} (join, access of eng)")
    has(S.run("play", a, who="robin").out, "line 39")


def suspended_and_resumed():
    rid = S.import_text(cast(400))
    g = S.grant(rid)
    t = Terminal(S, "play", rid)
    t.expect("line 2$")
    eq(S.run("suspend", g, "--comment", "asking first", who="app").out, f"access SUSPENDED {g}\n")
    eq(t.exit(), 3, "what plays stops")
    has(t.screen.text(), "suspended")
    eq(S.run("play", rid, who="eng", check=False).code, 3)
    eq(S.run("suspend", g, who="eng", check=False).code, 3, "one's own")
    eq(S.run("resume", g, who="eng", check=False).code, 3, "one's own")
    eq(S.run("resume", g, who="app").out, f"access ACTIVE {g}\n")
    t = Terminal(S, "play", rid)
    t.expect("line 2$")
    t.send("q")
    eq(t.exit(), 0)


def broken_glass():
    rid = S.import_text(cast())
    person("oncall", "--role", "viewer", "--role", "breakglass")
    reason = ["--reason", "Payments fail for everybody since ten past nine"]
    eq(S.run("break-glass", rid, "--incident", "INC-1", *reason, who="eng", check=False).code, 3, "not everybody")
    eq(S.run("break-glass", rid, *reason, who="oncall", check=False).code, 2, "without an incident")
    eq(S.run("request", rid, *WHY, "--break-glass", who="oncall", check=False).code, 2)
    eq(S.run("request", rid, *WHY, "--incident", "INC-1", who="oncall", check=False).code, 2)
    r = S.run("break-glass", rid, "--incident", "INC-1", *reason, "--for", "5m", who="oncall")
    has(r.out, "request ACTIVE")
    has(r.err, "reviews it within 24 h")
    g = r.last()
    has(S.run("play", rid, who="oncall").out, "line 39")
    S.run("give-back", g, who="oncall")
    eq(S.run("review", g, who="app", check=False).code, 2, "without a comment")
    eq(S.run("review", g, "--comment", "I was right, of course", who="oncall", check=False).code, 3, "one's own")
    r = S.run("review", g, "--comment", "INC-1 was real, nothing else was watched", who="app")
    has(r.err, "incident     INC-1")
    eq(state(g, "app")["review"], "done")


def the_brake():
    rid = S.import_text(cast(400))
    S.grant(rid)
    t = Terminal(S, "play", rid)
    t.expect("line 2$")
    eq(S.run("freeze", who="app", check=False).code, 2, "without a reason")
    eq(S.run("freeze", "--reason", "A laptop was stolen", who="eng", check=False).code, 3)
    began = time.monotonic()
    has(S.run("freeze", "--reason", "A laptop was stolen", token=S.admin).out, "frozen: everything, since ")
    eq(t.exit(5), 3)
    if time.monotonic() - began > 4:
        raise AssertionError("the brake is slow")
    has(S.run("freeze", "show", who="eng").out, "A laptop was stolen")
    r = S.run("request", S.import_text(cast()), *WHY, "--for", "60s", who="eng", check=False)
    if r.code == 0:
        r = S.run("approve", r.last(), who="app", check=False)
    eq(r.code, 3, "nothing opens")
    has(r.err, "keyhole freeze show")
    r = S.run("freeze", "--lift", "--reason", "It was found again", who="adm1")
    has(r.out, "waiting until ")
    has(r.err, "a second person")
    S.run("freeze", "lift", "--reason", "It was found again", who="adm1", check=False)
    has(S.run("freeze", "show", who="eng").out, "A laptop was stolen")
    eq(S.run("freeze", "lift", "--reason", "It was found again", who="adm2").out, "nothing is frozen\n")
    eq(S.run("freeze", "show", who="eng").out, "nothing is frozen\n")
    has(S.run("grants", "--state", "active", who="app").out, rid)
    eq(S.run("freeze", "lift", "--reason", "It was found again", who="adm2", check=False).code, 3, "nothing is frozen")


def streams_at_once():
    """The fifth stream under one access is one too many: what is left is said, and one that ends makes room."""
    rids = [S.import_text(cast(400)) for _ in range(5)]
    q = S.run("request", *rids, *WHY, "--for", "5m", who="eng").last()
    S.run("approve", q, who="app")
    playing = [Terminal(S, "play", rid) for rid in rids[:4]]
    for t in playing:
        t.expect("line 1$")
    late = Terminal(S, "play", rids[4])
    late.read(10, "too much is playing at once")
    has(late.screen.text(), "too much is playing at once: 4 of 4 at once under this access, 0 left")
    eq(late.exit(), 3)
    playing[0].send("q")
    eq(playing[0].exit(), 0)
    again = Terminal(S, "play", rids[4])
    again.expect("line 1$")
    for t in [again] + playing[1:]:
        t.send("q")
        eq(t.exit(), 0)


try:
    main(rich_policy, more_time_goes_on, extended_while_playing, joined_and_widened, suspended_and_resumed, broken_glass,
         streams_at_once, policy_test, policy_dry_run, policy_of_two, guarded_changes, the_brake, reports, gateway_tokens,
         evidence)
finally:
    S.close()
