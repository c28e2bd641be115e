#!/usr/bin/env python3
"""Every route of the contract, against everybody who may not use it: the status that the contract names, and not one byte
of what it guards."""
import re

from _server import SRC, Client, Server, Tests, cast, same, true

# The document has one shape; these plain lines are all that matters here (tests/contract/routes.py reads it the same way).
routes, path, current = [], None, None
for line in (SRC / "docs/api/openapi.yaml").read_text(encoding="utf-8").splitlines():
    if m := re.match(r"^  (/\S*):\s*$", line):
        path = m[1]
    elif m := re.match(r"^    (get|post|put|patch|delete):\s*$", line):
        current = {"method": m[1].upper(), "path": path, "auth": None}
        routes.append(current)
    elif m := re.match(r"^      (operationId|x-auth): (\w+)", line):
        current["id" if m[1] == "operationId" else "auth"] = m[2]

test = Tests()
s = Server().cast()
CANARY = "canary-in-the-metadata"
mine, other = s.project(), s.project("elsewhere")
rid = s.add(cast(20), CANARY)
foreign = s.add(cast(20), "Elsewhere", client=s.ingest(other))
s.away = s.person("away", roles=[{"project": other, "role": "viewer"}])
s.nobody = s.person("nobody", roles=[])
s.here = s.person("here", roles=[{"project": mine, "role": "viewer"}])
k = s.keyed(rid)
grant = k.claims["gid"]
q = s.viewer.get(f"/v1/grants/{grant}").json["request"]
pending = s.viewer.ask(s.add(cast(5), CANARY), start="first-use")
token = next(t["id"] for t in s.admin.get("/v1/tokens?kind=ingest").json["items"] if t["project"] == mine)
policy = s.admin.get("/v1/policies/current").json["hash"]
VALUES = {"rid": rid, "q": pending["id"], "g": grant, "jti": k.id, "v": k.answer["viewing"], "n": "0", "log": mine,
          "user": "approver", "group": "approvers", "project": mine, "token": token, "hash": policy, "slug": "not-found", "session": "s-1", "name": "nowhere",
          "change": "c_AAAAAAAAAAAAAAAA", "kind": "recording", "path": "0/000"}
BODIES = {
    "login": {"user": "viewer", "password": "wrong"}, "reauth": {"password": "wrong"},
    "user_create": {"name": "intruder"}, "user_patch": {"full_name": "Changed"}, "group_create": {"name": "intruders"},
    "group_patch": {"add": ["viewer"]}, "project_create": {"name": "mine"}, "project_patch": {"name": "mine"},
    "mask_put": {"text": "reveal = keep"}, "masks_test": {"sample": "a@b.example", "project": mine},
    "token_create": {"kind": "ingest", "project": mine}, "recording_links_put": {"links": []}, "recording_links_add": {"links": []},
    "requests_check": {"recordings": [rid]}, "recording_create": {"kind": "terminal"}, "recording_end": {},
    "request_create": {"recordings": [rid], "actions": ["play"], "duration_s": 60,
                       "purpose": {"code": "debugging", "reason": "To see whether this is possible at all."}},
    "request_approve": {"digest": pending["digest"]}, "request_deny": {"digest": pending["digest"]},
    "keys_issue": {"recording": rid}, "keys_rotate": {"reason": "to see"}, "policy_propose": {"text": 'purpose "debugging" { }'},
    "policy_test": {"text": 'purpose "debugging" { }'}, "policy_dry_run": {"text": 'purpose "debugging" { }'},
    "hook": {"ticket": "T", "state": "closed"}, "freeze_set": {"reason": "to see what it says"}, "freeze_lift": {"reason": "to see what it says"},
}
QUERY = {"audit_proof": "?index=0", "report": f"?recording={rid}", "keys_list": f"?grant={grant}", "audit_events": f"?log={mine}", "import": f"?project={mine}", "asciinema_upload": f"?project={mine}", "asciinema_recordings": f"?project={mine}"}
ANYBODY = {"me", "policy_current", "logout", "status", "events"}  # signed in is enough; they show what is the caller's
OWN = {"freeze_get", "audit_logs", "tokens_list", "recordings_list", "requests_list", "grants_list", "viewings_list", "projects_list"}  # lists of what is theirs


def call(client, r, **k):
    where = re.sub(r"\{(\w+)\}", lambda m: VALUES[m[1]], r["path"]) + QUERY.get(r["id"], "")
    body = b"x" if r["id"] == "import" else BODIES.get(r["id"])
    return client.call(r["method"], where, body, timeout=5, **k)


def no_content(a, what):
    for word in (CANARY, "line 0", "line 1", s.viewer.name + '"', pending["digest"]):
        true(word not in a.text, f"{what}: {word!r} is in {a}")


@test("the contract was read")
def _():
    true(len(routes) > 50 and all(r.get("id") and r["auth"] for r in routes), f"{len(routes)} routes")
    same({r["auth"] for r in routes}, {"none", "session", "token", "either", "ingest", "key", "gateway", "hook"} & {r["auth"] for r in routes}, "auth")


@test("without a credential: 401 everywhere but on open routes, and nothing of what is there")
def _():
    for r in routes:
        a = call(Client(s), r)
        if r["auth"] == "none":
            true(a.status < 500 and (a.status != 401 or r["id"] == "login"), f"{r['id']}: {a}")
        else:
            same((a.status, a.code), (401, {"authz": "", "replay": "key-missing", "hook": "hook-refused"}.get(r["id"].split("_")[0], "login-needed")), r["id"])
        no_content(a, r["id"])


@test("with a credential of the wrong kind, or one that is none")
def _():
    wrong = {"session": [s.recorder.token, k.text, "kst_" + "A" * 43, "nonsense"], "either": [k.text, "kit_" + "A" * 43],
             "token": [s.viewer.token, k.text], "ingest": [s.viewer.token, s.admin_token, k.text, "kit_" + "A" * 43, "nonsense"], "key": [s.viewer.token, s.recorder.token, "kst_" + "A" * 43],
             "gateway": [s.viewer.token, s.admin_token, s.recorder.token, k.text]}
    for r in routes:
        for t in wrong.get(r["auth"], []):
            a = call(Client(s), r, token=t)
            true(a.status in (401, 403), f"{r['id']} with {t[:6]}…: {a}")
            no_content(a, r["id"])


@test("somebody without a role: nothing is there for them")
def _():
    refused(s.nobody)


@test("somebody of another project: nothing of this one is there for them")
def _():
    refused(s.away)


def refused(client):
    for r in routes:
        if r["auth"] not in ("session", "either") or r["id"] in ANYBODY | {"reauth"}:
            continue
        a = call(client, r)
        if r["id"] in OWN:
            same(a.status, 200, r["id"])
        elif r["id"] == "token_create":  # there is no such project for them to make a token of
            true(a.status == 422 and a.json["errors"][0]["code"] == "not-found", f"{r['id']}: {a}")
        else:
            true(a.status in (403, 404), f"{r['id']}: {a}")
        no_content(a, r["id"])


@test("a viewer: what is an administrator's, an approver's or an auditor's is refused")
def _():
    for r in routes:
        if r["id"] in ("users_list", "user_create", "groups_list", "group_create", "group_patch", "project_create", "project_patch", "mask_get", "mask_put", "masks_test",
                       "token_create", "keys_rotate", "policies_list", "policy_get", "policy_test", "policy_dry_run", "policy_stop", "policy_propose", "policy_approve", "audit_events", "audit_checkpoint",
                       "audit_vkey", "request_approve", "request_deny", "grant_revoke", "viewing_stop", "key_revoke", "import"):
            a = call(s.here, r)
            true(a.status in (403, 404), f"{r['id']}: {a}")
            no_content(a, r["id"])
    true(s.here.patch("/v1/users/approver", {"password": "a-new-password"}).status in (403, 404), "another's password")
    s.here.patch("/v1/users/here", {"roles": [{"role": "admin"}]}).want(403)
    s.here.patch("/v1/users/here", {"groups": ["admins"]}).want(403)
    s.here.call("DELETE", f"/v1/tokens/{token}").want(404)


@test("what is not there and what one may not see answer the same")
def _():
    fake = "A" * 16
    for seen, none in ((f"/v1/recordings/{foreign}", f"/v1/recordings/r_{fake}"),
                       (f"/v1/requests/{pending['id']}", f"/v1/requests/q_{fake}"), (f"/v1/grants/{grant}", f"/v1/grants/g_{fake}"),
                       (f"/v1/keys?grant={grant}", f"/v1/keys?grant=g_{fake}"),
                       (f"/v1/audit/events?log={other}", f"/v1/audit/events?log=p_{fake}")):
        for who in (s.here if "recordings" in seen or "audit" in seen else s.away, s.nobody):
            a, b = who.get(seen), who.get(none)
            strip = {"trace_id"}
            same(({m: v for m, v in a.json.items() if m not in strip}, a.status),
                 ({m: v for m, v in b.json.items() if m not in strip}, b.status), f"{seen} and {none}")
            true(a.status in (403, 404), f"{seen}: {a}")
    # a key that is good for its own recording learns nothing about another
    a, b = k.get(f"/v1/replay/{foreign}/manifest"), k.get(f"/v1/replay/r_{fake}/manifest")
    same((a.status, a.code, a.json["detail"]), (b.status, b.code, b.json["detail"]), "replay of another recording")
    same(a.code, "recording-mismatch", "code")


@test("a recorder can add to its own project and read nothing")
def _():
    for r in routes:
        if r["id"] in ("import", "asciinema_upload", "asciinema_recordings", "recording_links_put", "recording_links_add") or r["auth"] in ("none", "ingest"):
            continue
        a = call(s.recorder, r)
        true(a.status in (401, 403), f"{r['id']}: {a}")
        no_content(a, r["id"])
    for what in ("events", "end"):
        s.recorder.post(f"/v1/recordings/{foreign}/{what}", b"", headers={"Batch-Seq": "0"}).want(404, "not-found")
        s.recorder.post(f"/v1/recordings/{rid}/{what}", b"", headers={"Batch-Seq": "0"})
    a = s.recorder.post(f"/v1/import?project={other}", cast(2))
    true(a.status in (403, 404), f"import into another project: {a}")
    s.recorder.call("PUT", f"/v1/recordings/{foreign}/links", {"links": []}).want(404, "not-found")
    links = [{"type": "ticket", "id": "SUP-1"}]
    a = s.recorder.call("PUT", f"/v1/recordings/{rid}/links", {"links": links}, headers={"Idempotency-Key": "links-1"}).want(200)
    same((a.json, CANARY in a.text), ({"id": rid, "links": links}, False), "the answer to a recorder")
    same(s.viewer.get(f"/v1/recordings/{rid}").json["links"], links, "links")


@test("methods that a path does not have are 405 with Allow; paths that are not there are 404")
def _():
    have = {}
    for r in routes:
        have.setdefault(r["path"], set()).add(r["method"])
    for path, methods in have.items():
        where = re.sub(r"\{(\w+)\}", lambda m: VALUES[m[1]], path)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            a = s.admin.call(method, where, {} if method != "GET" else None)
            clash = [p for p in have if p != path and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", p), where) and method in have[p]]
            if clash:  # /v1/requests/check is also /v1/requests/{q}
                continue
            same((a.status, a.code), (405, "method-not-allowed"), f"{method} {where}")
            true(methods <= {w.strip() for w in a.headers["allow"].split(",")}, f"Allow of {where}: {a.headers['allow']}")
            true(method not in a.headers["allow"].split(", "), f"Allow of {where}: {a.headers['allow']}")
    for where in ("/v1", "/v1/", "/v1/me/", "/v1//me", "/v1/users/approver/x", f"/v1/replay/{rid}", "/v1/replay/{rid}/secret",
                  "/v1/%6de/x", "/v1/audit/system", "/.well-known/openid-configuration", "/v1/me%2f", "/problems/no-such"):
        a = s.admin.get(where)
        true(a.status in (400, 404), f"{where}: {a}")
    for method in ("TRACE", "CONNECT", "BREW", "get"):
        out = s.raw(f"{method} /v1/me HTTP/1.1\r\nHost: {s.host}\r\nConnection: close\r\n\r\n".encode())
        true(out[9:12] in (b"400", b"405", b"501"), f"{method}: {out[:100]}")


@test("nothing of all this changed anything")
def _():
    names = {u["name"] for u in s.admin.get("/v1/users").json["items"]}
    true("intruder" not in names, "an account was made")
    same({p["name"] for p in s.admin.get("/v1/projects").json["items"]} & {"mine"}, set(), "a project was made or renamed")
    same(s.viewer.get(f"/v1/requests/{pending['id']}").json["state"], "PENDING", "the request")
    same(s.viewer.get(f"/v1/grants/{grant}").json["state"], "ACTIVE", "the grant")
    k.manifest()
    same(s.admin.get("/v1/policies/current").json["hash"], policy, "the policy")
    same(s.recorder.post("/v1/import", cast(3)).status, 201, "the ingest token")


test.run()
