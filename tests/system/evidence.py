#!/usr/bin/env python3
"""The audit log's evidence: tiles, receipts, reports; a changed table and an older database are refused until two administrators
let the log go on, and both generations verify."""
import base64
import csv
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import time

from _server import KEYHOLE, Client, Server, Tests, cast, covered, leaf_hash, merkle_root, open_note, same, true, until, verify_log

test = Tests()
s = Server().cast()
project = s.project()
rid = s.add(cast(40), Keyhole_Subject='"customer-17"')
node = lambda a, b: hashlib.sha256(b"\x01" + a + b).digest()  # noqa: E731


def folder(log):
    return s.dir / "audit" / log


def written(log):
    """Leaves that the checkpoint on disk covers."""
    file = folder(log) / "checkpoint"
    return int(file.read_text().splitlines()[1]) if file.exists() else 0


def checkpoint(log, least=0, client=None):
    """(size, root) of the newest one, that covers at least so many leaves."""
    def newest():
        a = (client or s.auditor).get(f"/v1/audit/{log}/checkpoint")
        if a.status == 404:  # of a log that has just been made
            return None
        same(a.want(200).headers.get("cache-control"), "private, max-age=2", "Cache-Control")
        return a.text if int(a.text.splitlines()[1]) >= least else None

    note = until(newest, 8, f"a checkpoint of {log} over {least} leaves")
    vkey = (client or s.auditor).get(f"/v1/audit/{log}/vkey").want(200).text
    return open_note(note, vkey)[1:]


def path_of(n):
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return "/".join(groups)


def tiles(size):
    """Names and widths of all tiles of a tree, bundles first."""
    for level in ("entries", 0, 1, 2, 3):
        nodes = size >> (8 * (0 if level == "entries" else level))
        for n in range((nodes + 255) // 256):
            width = min(256, nodes - 256 * n)
            yield level, n, width, f"{level}/{path_of(n)}" + ("" if width == 256 else f".p/{width}")


def served(log, name, client=None):
    a = (client or s.auditor).get(f"/v1/audit/{log}/tile/{name}").want(200)
    same(a.headers.get("cache-control"), "private, max-age=31536000, immutable", "Cache-Control")
    same(a.headers.get("content-type"), "application/octet-stream", "Content-Type")
    return a.body


def entries(bundle):
    while bundle:
        n = int.from_bytes(bundle[:2], "big")
        true(len(bundle) >= 2 + n, "a bundle that is cut")
        yield bundle[2:2 + n]
        bundle = bundle[2 + n:]


def whole_tree(log, least=0, client=None):
    """Every tile as it is served, and as it lies on disk, up to the signed root; the leaves."""
    size, root = checkpoint(log, least, client)
    until(lambda: written(log) >= size, 5, "the checkpoint's file")
    hashes, leaves = [], []
    for level, n, width, name in tiles(size):
        data = served(log, name, client)
        lies = folder(log) / "tile" / name
        full = folder(log) / "tile" / f"{level}/{path_of(n)}"
        same((lies if lies.exists() else full).read_bytes()[:len(data)], data, f"tile {name}: file and answer")
        if level == "entries":
            leaves += list(entries(data))
            hashes = [leaf_hash(x) for x in leaves]
        elif level == 0:
            same(data, b"".join(hashes[256 * n:256 * n + width]), f"tile {name}")
        else:
            step = 256 ** level
            same(data, b"".join(merkle_root(hashes[(256 * n + i) * step:(256 * n + i + 1) * step]) for i in range(width)), f"tile {name}")
    same(merkle_root(hashes), root, f"root of {log}")
    return leaves


def make_noise(n):
    """Records of no consequence: sign-ins that fail."""
    for i in range(n):
        Client(s).post("/v1/login", {"user": f"nobody-{i % 7}-{time.monotonic_ns()}", "password": "wrong"})


@test("tiles and bundles, served and on disk, are the tree of the signed checkpoint; short forms are those of system")
def _():
    key = s.keyed(rid)
    key.manifest()
    key.chunk(0)
    for log in ("system", project):
        whole_tree(log)
    size, _ = checkpoint("system")
    name = next(tiles(size))[3]
    same(s.auditor.get(f"/v1/audit/tile/{name}").want(200).body, served("system", name), "short form of a tile")
    same(s.auditor.get("/v1/audit/checkpoint").want(200).text.splitlines()[0], f"{s.host}/v1/audit/system", "short form of the checkpoint")
    logs = {x["log"]: x for x in s.auditor.get("/v1/audit").want(200).json["items"]}
    same(set(logs), {"system", project}, "logs")
    same({x["state"] for x in logs.values()}, {"open"}, "states")
    true(logs["system"]["checkpoint"]["size"] >= size and logs[project]["origin"] == f"{s.host}/v1/audit/{project}", "what is said of them")
    first = json.loads(whole_tree(project)[0])
    same((first["type"], first["obj"]), ("project.created", project), "the first leaf of a project's log")


@test("only auditors, only what is signed, only one spelling")
def _():
    size, _ = checkpoint("system")
    for who, status in ((s.viewer, 403), (Client(s), 401)):
        for path in ("checkpoint", "tile/0/000.p/1", "proof?index=0", "vkey"):
            who.get(f"/v1/audit/system/{path}").want(status)
    for name in ("0/900", "0/0", "0/000.p/256", "0/000.p/0", "9/000", "entries/000.p/01", "0/x000/000", f"0/{path_of(size // 256 + 1)}.p/1"):
        s.auditor.get(f"/v1/audit/system/tile/{name}").want(404)
    for path in ("/v1/audit/system/tile/0/../checkpoint", "/v1/audit/system/tile/", "/v1/audit/system/tile/0//000"):
        true(s.auditor.get(path).status in (400, 404), path)
    same(s.viewer.get("/v1/audit").want(200).json["items"], [], "logs of somebody who is no auditor")


@test("lost files are made again, byte for byte; partial tiles go when the full one is there")
def _():
    make_noise(20)
    s.stop()
    before = {p.relative_to(folder("system")): p.read_bytes() for p in folder("system").rglob("*") if p.is_file()}
    shutil.rmtree(folder("system"))
    (folder(project) / "checkpoint").unlink()
    s.start()
    size, _ = checkpoint("system")
    until(lambda: (folder("system") / "checkpoint").exists() and (folder(project) / "checkpoint").exists(), 5, "the files")
    whole_tree("system")
    whole_tree(project)
    for name, data in before.items():
        if "tile" in name.parts and ".p" not in str(name):
            same((folder("system") / name).read_bytes(), data, str(name))


@test("a receipt proves one record with nothing but the log's key")
def _():
    verify_log(s, project)
    leaves = whole_tree(project)
    for i in (0, len(leaves) // 2, len(leaves) - 1):
        text = s.auditor.get(f"/v1/audit/{project}/proof?index={i}").want(200).text
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")
        same(lines[0], "c2sp.org/tlog-proof@v1", "first line")
        leaf = base64.b64decode(lines[1].removeprefix("extra "), validate=True)
        same(leaf, leaves[i], "the record in the receipt")
        same(lines[2], f"index {i}", "index")
        _, size, root = open_note(note, s.auditor.get(f"/v1/audit/{project}/vkey").want(200).text)
        path, at, last, h = [base64.b64decode(x, validate=True) for x in lines[3:]], i, size - 1, leaf_hash(leaf)
        for x in path:  # RFC 9162 2.1.3.2
            true(last > 0, "the path is too long")
            if at & 1 or at == last:
                h = node(x, h)
                while not at & 1 and at:
                    at, last = at >> 1, last >> 1
            else:
                h = node(h, x)
            at, last = at >> 1, last >> 1
        same((last, h), (0, root), "where the path leads")
    s.auditor.get(f"/v1/audit/{project}/proof?index={len(leaves) + 1000}").want(404)
    s.auditor.get(f"/v1/audit/{project}/proof").want(422)


@test("reports: who watched it, what somebody watched, and what a recorded person may be told")
def _():
    key = s.keyed(rid, ["play", "export"])
    key.manifest()
    key.chunk(0)
    me = s.viewer.get("/v1/me").want(200).json
    uid = (me.get("user") or me)["id"]
    gid = key.claims["gid"]
    row = until(lambda: [x for x in s.auditor.get(f"/v1/reports/recording?recording={rid}").want(200).json["items"] if x["grant"] == gid],
                5, "the viewing in the report")[0]
    same((row["recording"], row["person"]["id"], row["purpose"], row["log"]), (rid, uid, "debugging", project), "a row")
    true(row["reason"] and row["events"] > 0 and covered([0], row["ranges"]), f"what was seen: {row}")
    leaf = json.loads(whole_tree(project, row["last_index"] + 1)[row["first_index"]])
    same((leaf["type"], leaf["gid"], leaf["rid"]), ("replay.leased", gid, rid), "the record that a row names")
    mine = s.auditor.get(f"/v1/reports/person?person={uid}").want(200).json
    true(any(x["grant"] == gid for x in mine["items"]) and mine["kind"] == "person", "the person's report")
    same(s.auditor.get("/v1/reports/person?person=viewer").want(200).json["items"], mine["items"], "by name")
    told = s.auditor.get("/v1/reports/subject?subject=customer-17").want(200)
    true(any(x["grant"] == gid for x in told.json["items"]), "the subject's report")
    for word in (uid, "viewer", "person", row["reason"]):
        true(word not in told.text, f"the subject's report says {word!r}")
    same(s.auditor.get("/v1/reports/subject?subject=somebody-else").want(200).json["items"], [], "another subject")
    a = s.auditor.get(f"/v1/reports/recording?recording={rid}&format=csv").want(200)
    true(a.headers["content-type"].startswith("text/csv"), "CSV")
    table = list(csv.DictReader(io.StringIO(a.text)))
    true(any(x["grant"] == gid and x["person"] == uid and x["person_name"] == "viewer" for x in table), f"a row of the CSV: {table}")
    same(s.auditor.get(f"/v1/reports/recording?recording={rid}&to=2020-01-01T00:00:00Z").want(200).json["items"], [], "before there was anything")
    s.viewer.get(f"/v1/reports/recording?recording={rid}").want(403)
    s.viewer.get(f"/v1/reports/person?person={uid}").want(403)
    s.auditor.get("/v1/reports/recording?recording=r_AAAAAAAAAAAAAAAA").want(404)
    s.auditor.get("/v1/reports/recording").want(422)
    s.auditor.get("/v1/reports/everything?recording=x").want(404)
    s.wait_leaf(lambda l: l["type"] == "audit.read" and l.get("obj") == "report", what="the record of the report")


# ---- sealed, and going on ----

def administrators():
    """Two who are different people, made while there was one."""
    people = [s.person(name) for name in ("boss", "deputy")]
    s.admin.patch("/v1/groups/admins", {"add": ["boss", "deputy"]}).want(200)
    return people


def alive():
    s.expect_errors.update({"alarm.audit-sealed", "keeper.command-failed", "alarm.checkpoint-refused"})
    s.start(wait=False)
    until(lambda: probe("/v1/audit", s.admin_token) == 200, 20, "a server that is sealed")


def probe(path, token=None):
    try:
        return Client(s, token=token).get(path, timeout=2).status
    except OSError:
        return 0


def state_of(log="system"):
    return {x["log"]: x for x in s.admin.get("/v1/audit").want(200).json["items"]}[log]


def refused_everything():
    until(lambda: state_of()["state"] == "sealed", 5, "the state")
    same(probe("/readyz"), 503, "readyz")
    same(s.admin.get("/v1/status").want(200).json["audit"]["state"], "sealed", "status")
    body = {"recordings": [rid], "actions": ["play"], "purpose": {"code": "support", "reason": "a customer cannot check out"}, "duration_s": 60}
    s.viewer.post("/v1/requests", body).want(503, "audit-unavailable")
    s.admin.post("/v1/projects", {"name": "another"}).want(503)
    s.recorder.post("/v1/recordings", {"kind": "terminal"}).want(503)
    s.auditor.get("/v1/audit/system/checkpoint").want(200)


def unseal(one, two, log="all"):
    why = {"reason": "yesterday's database was put back"}
    one.post(f"/v1/audit/{log}/unseal", why).want(202)
    one.post(f"/v1/audit/{log}/unseal", why).want(202)  # the same person again is still one
    return two.post(f"/v1/audit/{log}/unseal", why).want(200).json["items"]


@test("an older database is put back: sealed, until two administrators let it go on; both generations verify")
def _():
    one, two = administrators()
    s.stop()
    shutil.copytree(s.dir / "meta", s.root / "meta.old")
    s.start()
    make_noise(5)
    s.add(cast(5))
    lost, _ = checkpoint("system", state_of()["size"])
    until(lambda: written("system") >= lost, 5, "the file")
    s.stop()
    shutil.rmtree(s.dir / "meta")
    shutil.move(s.root / "meta.old", s.dir / "meta")
    alive()
    refused_everything()
    same(state_of()["why"], "shorter", "what was found")
    s.viewer.post("/v1/audit/all/unseal", {"reason": "I would like to"}).want(403)
    fresh = unseal(one, two)
    true({"system~2"} <= {x["log"] for x in fresh}, f"the new logs: {fresh}")
    s.wait_ready()
    for log in [x["log"] for x in fresh]:
        old = log.removesuffix("~2")
        leaves = [json.loads(x) for x in whole_tree(log)]
        same((leaves[0]["type"], leaves[0]["obj"], leaves[0]["outcome"]), ("log.continued", old, "shorter"), "the first leaf")
        same(leaves[1]["type"], "audit.unsealed", "the second")
        vkey = s.auditor.get(f"/v1/audit/{old}/vkey").want(200).text
        origin, size, root = open_note(leaves[0]["note"], vkey)
        same((origin, size), (f"{s.host}/v1/audit/{old}", leaves[0]["n"]["size"]), "the note of the old log")
        true(size > leaves[0]["n"]["rows"], "the lost records are named")
        verify_log(s, log)
        verify_log_as_it_is(old)
    s.keyed(s.add(cast(5)) if "system~2" not in state_names() else rid)
    s.stop()
    s.start()
    verify_log(s, "system~2")


def state_names():
    return {x["log"] for x in s.admin.get("/v1/audit").want(200).json["items"]}


def verify_log_as_it_is(log):
    """A log that takes nothing any more: its leaves up to its checkpoint."""
    size, root = checkpoint(log)
    items = s.auditor.get(f"/v1/audit/events?log={log}&order=asc&limit=1000").want(200).json["items"]
    same(merkle_root([leaf_hash(x["raw"].encode()) for x in items[:size]]), root, f"{log}: its checkpoint")


@test("a record that was changed in the table, with its tiles: refused at the next start")
def _():
    s.stop()
    log = max((x for x in [p.name for p in (s.dir / "audit").iterdir()] if x.startswith("system")), key=len)
    d = sqlite3.connect(s.dir / "meta" / "keyhole.db")
    d.execute("DROP TRIGGER audit_no_update")
    raw = d.execute("SELECT leaf FROM audit WHERE log=? AND idx=2", (log,)).fetchone()[0]
    forged = raw.replace(b'"outcome":"', b'"outcome":"x', 1)
    true(forged != raw, "a change")
    d.execute("UPDATE audit SET leaf=? WHERE log=? AND idx=2", (forged, log))
    d.execute("UPDATE audit SET hash=? WHERE log=? AND idx=2", (leaf_hash(forged), log))
    d.commit()
    d.close()
    shutil.rmtree(s.dir / "audit" / log)  # nothing beside the table to compare it with
    alive()
    until(lambda: state_of(log)["state"] == "sealed", 10, "the state")
    same(state_of(log)["why"], "changed", "what was found")
    same(probe("/readyz"), 503, "readyz")


@test("one administrator alone: root at the console, with the server stopped, and marked so")
def _():
    lone = Server()
    run = lambda *more: subprocess.run([KEYHOLE, "audit", "unseal", "all", "--console", "-c", lone.conf, *more], capture_output=True, text=True)  # noqa: E731
    true(run().returncode != 0, "while the server runs")
    until(lambda: int((a.text.splitlines()[1]) if (a := lone.admin.get("/v1/audit/system/checkpoint")).status == 200 else 0) > 4, 5, "a checkpoint")
    lone.stop()
    true("sealed" in (r := run()).stderr and r.returncode != 0, f"nothing is sealed: {r}")
    d = sqlite3.connect(lone.dir / "meta" / "keyhole.db")
    d.execute("DROP TRIGGER audit_no_delete")
    d.execute("DELETE FROM audit WHERE log='system' AND idx > 3")
    d.commit()
    d.close()
    if os.geteuid() != 0:
        true("root" in run().stderr, "for root alone")
        return
    r = run()
    true(r.returncode == 0 and "goes on as system~2" in r.stdout, f"{r}")
    lone.start()
    items = lone.admin.get("/v1/audit/events?order=asc&limit=5").want(200).json["items"]
    leaves = [json.loads(x["raw"]) for x in items]
    same((leaves[0]["log"], leaves[0]["type"], leaves[0]["outcome"], leaves[0]["n"]["console"]), ("system~2", "log.continued", "shorter", 1), "the first leaf")
    same((leaves[1]["type"], leaves[1]["outcome"]), ("audit.unsealed", "console"), "the second")
    true(any(x["type"] == "service.started" for x in leaves), "the server began")


test.run()
