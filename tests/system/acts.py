#!/usr/bin/env python3
"""Signed acts and the guard through a real server: decisions are signed by the sign-in's client key (plain Python signs, not our code),
the log names exactly what was signed; two administrators; everything of somebody's ends within a second."""
import hashlib
import threading
import time

from _bound import BoundPerson, proof
from _server import SLOW, Client, Server, Stream, Tests, cast, same, true, until

test = Tests()
s = Server(preset="team").cast()
me, voter = BoundPerson.of(s.viewer), BoundPerson.of(s.approver)
RID = s.add(cast(600, step=0.5))

BOUND = """purpose "debugging" { }
rule "watch" { who = { "role:viewer" } actions = { play } purposes = { "debugging" } max = 60min binding = { dpop }
               ask { need = 1 from = { "role:approver" } } }
"""


def asked():
    for state in ("PENDING",):
        for q in me.get(f"/v1/requests?box=mine&state={state}").want(200).json["items"]:
            me.post(f"/v1/requests/{q['id']}/cancel", {})
    for g in me.get("/v1/grants?state=live&box=mine").want(200).json["items"]:
        me.post(f"/v1/grants/{g['id']}/relinquish").want(200)
    return me.ask(RID, duration_s=600)


def vote(who, q, act, how="approve", digest=None):
    headers = {"Keyhole-Act": act} if act else None
    return who.post(f"/v1/requests/{q['id']}/{how}", {"digest": digest or q["digest"]}, headers=headers)


def act_of(who, q, how="approve", digest=None, url=None, id=None, key=None):
    url = url or f"{s.url}/v1/requests/{q['id']}/{how}"
    return (key or who.client_key).act(f"request_{how}", url, digest or q["digest"], id or q["id"])


def jws_of(who, operation, url, digest, id, header):
    """The signed act as a whole, put together from its values and the header that was sent."""
    iat, sig = header.split(".")
    payload = '{"act":"%s","digest":"%s","htu":"%s","iat":%s,"id":"%s"}' % (operation, digest, url, iat, id)
    head = '{"alg":"ES256","typ":"act+jws","kid":"%s"}' % who.client_key.jkt
    return ".".join((proof.b64u(head.encode()), proof.b64u(payload.encode()), sig))


@test("a vote of a sign-in with a client key has to be signed; the record carries SHA-256 of exactly what was signed")
def _():
    q = asked()
    a = vote(voter, q, None)
    same((a.status, a.code), (403, "act-needed"))
    act = act_of(voter, q)
    same(vote(voter, q, act).want(200).json["state"], "ACTIVE")
    whole = jws_of(voter, "request_approve", f"{s.url}/v1/requests/{q['id']}/approve", q["digest"], q["id"], act)
    want = proof.b64u(hashlib.sha256(whole.encode()).digest())
    voted = s.wait_leaf(lambda l: l["type"] == "request.voted" and l.get("q") == q["id"] and l["outcome"] == "approve")[0]
    same(voted.get("act"), want, "the hash of the signed act")
    true("unsigned" not in voted.get("n", {}), voted)
    opened = s.wait_leaf(lambda l: l["type"] == "grant.activated" and l.get("q") == q["id"])[0]
    same(opened.get("act"), want, "what the vote brought about")


@test("wrong, changed, repeated, for another request, another key, another address, old, from the future: nothing")
def _():
    q = asked()
    other = BoundPerson.of(s.second)
    good = act_of(voter, q)
    iat, sig = good.split(".")
    raw, n = proof.unb64u(sig), proof.N
    cases = {
        "no form": "x", "a changed time": f"{int(iat) + 1}.{sig}", "a changed signature": f"{iat}.{sig[:-2]}{'AA' if sig[-2:] != 'AA' else 'BA'}",
        "another person's key": act_of(voter, q, key=other.client_key), "another act": act_of(voter, q, "deny"),
        "another digest": act_of(voter, q, digest="A" * 43), "another address": act_of(voter, q, url=f"http://127.0.0.1:1/v1/requests/{q['id']}/approve"),
        "another request": act_of(voter, q, id="q_AAAAAAAAAAAAAAAA"),
        "with a query": act_of(voter, q, url=f"{s.url}/v1/requests/{q['id']}/approve?x=1"),
    }
    for name, act in cases.items():
        a = vote(voter, q, act)
        same((a.status, a.code), (401, "act-invalid"), name)
    for delta, cause in ((-125, "old"), (125, "ahead")):
        keep, time.time = time.time, lambda: keep() + delta
        try:
            act = act_of(voter, q)
        finally:
            time.time = keep
        a = vote(voter, q, act)
        same((a.status, a.code, a.json.get("cause")), (401, "act-invalid", cause))
    same(me.get(f"/v1/requests/{q['id']}").json["state"], "PENDING")
    # Once: the same bytes again, and their twin (r, n - s), are worth nothing.
    vote(voter, q, good, "approve").want(200)
    twin = f"{iat}.{proof.b64u(raw[:32] + (n - int.from_bytes(raw[32:], 'big')).to_bytes(32, 'big'))}"
    for act in (good, twin):
        a = vote(voter, q, act)
        same((a.status, a.code, a.json.get("cause")), (401, "act-invalid", "repeated"))
    s.wait_leaf(lambda l: l["type"] == "request.voted" and l["outcome"] == "act-invalid", log="system")


@test("twenty gates at once with one act: exactly one is taken")
def _():
    q = asked()
    act, got = act_of(voter, q, "deny"), []
    threads = [threading.Thread(target=lambda: got.append(vote(Client(s, token=voter.token), q, act, "deny").status)) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(got.count(200), 1, str(got))
    same(sorted(set(got)), [200, 401], str(got))


@test("a sign-in without a client key votes where the policy allows bearer, and the record says unsigned")
def _():
    q = asked()
    a = vote(s.approver, q, act_of(voter, q))  # somebody's act does not help a sign-in without a key
    same((a.status, a.code), (401, "act-invalid"))
    vote(s.approver, q, None).want(200)
    leaf = s.wait_leaf(lambda l: l["type"] == "request.voted" and l.get("q") == q["id"] and l["outcome"] == "approve")[0]
    same((leaf["n"].get("unsigned"), leaf.get("act")), (1, None))


@test("changes of people are signed, too, over the whole body; an account's other sign-ins hear of a new client key")
def _():
    boss = s.person("boss", "admins", "auditors", person=s.admin.get("/v1/me").json["user"]["name"])  # one human: still one administrator
    bound = BoundPerson.of(boss)
    same([k["client_key"] for k in boss.get("/v1/me").json["new_client_keys"]], [bound.client_key.jkt])
    body = {"name": "newcomer", "full_name": "Zoë \"N\" Comer"}
    a = bound.post("/v1/users", body)
    same((a.status, a.code), (403, "act-needed"))
    act = bound.client_key.act("user_create", s.url + "/v1/users", proof.digest_of(body))
    a = bound.post("/v1/users", {**body, "name": "intruder"}, headers={"Keyhole-Act": act})
    same((a.status, a.code), (401, "act-invalid"))
    made = bound.signed("user_create", "/v1/users", body).want(201).json
    leaf = s.wait_leaf(lambda l: l["type"] == "user.created" and l.get("obj") == made["id"], log="system", client=boss)[0]
    true(len(leaf.get("act", "")) == 43 and leaf["n"].get("sole_admin") == 1, leaf)
    body = {"kind": "api", "user": "boss"}
    token = bound.signed("token_create", "/v1/tokens", body).want(201).json
    path = f"/v1/tokens/{token['id']}"
    same(bound.call("DELETE", path).code, "act-needed")
    act = bound.client_key.act("token_revoke", s.url + path, proof.digest_of({}), token["id"])
    same(bound.call("DELETE", path, headers={"Keyhole-Act": act}).status, 204)


@test("disabling, another password, an ended token: streams of that person end within a second")
def _():
    for what in ("disabled", "password", "token"):
        who = s.person(f"goer-{what}")
        bound = BoundPerson.of(who)
        api = Client(s, token=bound.signed("token_create", "/v1/tokens", {"kind": "api"}).want(201).json["token"]) if what == "token" else None
        grant = s.open(RID, viewer=who)
        if api:
            answer = api.post(f"/v1/grants/{grant}/keys", {"recording": RID, "token_type": "Bearer"}).want(201).json
            stream = Stream(s, f"/v1/replay/{RID}/stream?speed=1", answer["key"])
        else:
            key = bound.key(grant, RID)
            path = f"/v1/replay/{RID}/stream?speed=1"
            if key.get(f"{key.path}/manifest").want(200):
                stream = Stream(s, path, None, key.head("GET", path))
        stream.wait_events(1)
        began = time.monotonic()
        if what == "disabled":
            s.admin.patch(f"/v1/users/goer-{what}", {"disabled": True}).want(200)
        elif what == "password":
            s.admin.patch(f"/v1/users/goer-{what}", {"password": "quite another one"}).want(200)
        else:
            id = [t["id"] for t in bound.get("/v1/tokens?kind=api").want(200).json["items"] if t["state"] == "active"][0]
            act = bound.client_key.act("token_revoke", f"{s.url}/v1/tokens/{id}", proof.digest_of({}), id)
            same(bound.call("DELETE", f"/v1/tokens/{id}", headers={"Keyhole-Act": act}).status, 204)
        stream.wait_end(10)
        took = time.monotonic() - began
        true(took < 1 * SLOW, f"{what}: {took:.2f} s")
        same((stream.final()[1] or {}).get("code"), 4411, f"{what}: {stream.final()}")
        if what != "token":
            same(bound.get("/v1/me").code, "login-needed", what)
        else:
            same(api.get("/v1/me").code, "login-needed", what)
            bound.get("/v1/me").want(200)


@test("where no bearer keys are: no act without a signature, and the first token of an installation gets its key by a proof")
def _():
    b = Server(preset="team").cast()
    b.admin.post("/v1/policies", {"text": BOUND}).want(201)
    a = b.admin.post("/v1/users", {"name": "late"})
    same((a.status, a.code), (403, "act-needed"))
    key = proof.ClientKey()
    a = b.admin.post("/v1/client-key", headers={"DPoP": key.proof("POST", b.url + "/v1/client-key")})
    key.nonce = a.headers["dpop-nonce"]
    a = b.admin.post("/v1/client-key", headers={"DPoP": key.proof("POST", b.url + "/v1/client-key")}).want(200)
    same(a.json["client_key"], key.jkt)
    act = key.act("user_create", b.url + "/v1/users", proof.digest_of({"name": "late"}))
    b.admin.post("/v1/users", {"name": "late"}, headers={"Keyhole-Act": act}).want(201)
    a = b.approver.post("/v1/tokens", {"kind": "api"})
    same((a.status, a.code), (403, "act-needed"))
    b.finish()


@test("a client key that is new to its account signs nothing for auth.new_key_wait")
def _():
    b = Server(preset="team", config="auth { new_key_wait = 3s }").cast()
    rid = b.add(cast(10))
    q = b.viewer.ask(rid)
    bound = BoundPerson.of(b.approver)
    path = f"/v1/requests/{q['id']}/approve"
    a = bound.signed("request_approve", path, {"digest": q["digest"]}, q["id"], q["digest"])
    same((a.status, a.code, a.json.get("cause")), (401, "act-invalid", "new-key"))
    true(bound.get("/v1/me").json["auth"]["acts_from"], "me says from when on")
    until(lambda: bound.signed("request_approve", path, {"digest": q["digest"]}, q["id"], q["digest"]).status == 200, 10, "the wait is over", 0.5)
    b.finish()


@test("two administrators: what the policy rests on waits for the other one, signed by both; who may vote can stop it")
def _():
    b = Server(preset="team").cast()
    for name in ("one", "two"):
        b.person(name, "auditors", password=f"password of {name}")
    b.admin.patch("/v1/groups/admins", {"add": ["one", "two"]}).want(200)
    one, two = (BoundPerson(b, name, f"password of {name}").login() for name in ("one", "two"))
    a = one.signed("user_create", "/v1/users", {"name": "third", "password": "password of third", "groups": ["approvers"]}).want(202).json
    same((a["state"], a["effective_at"], a["sole_admin"], a["operation"]), ("waiting", None, False, "user_create"))
    true("password" not in a["body"], a)
    same(Client(b).post("/v1/login", {"user": "third", "password": "password of third"}).status, 401)
    path = f"/v1/changes/{a['id']}/approve"
    r = one.signed("change_approve", path, {}, a["id"])
    same((r.status, r.code), (403, "not-eligible"))
    r = two.post(path, {})
    same((r.status, r.code), (403, "act-needed"))
    done = two.signed("change_approve", path, {}, a["id"]).want(200).json
    same((done["state"], done["decided_by"]["name"]), ("done", "two"))
    Client(b).post("/v1/login", {"user": "third", "password": "password of third"}).want(200)
    leaves = [l for _, l in b.leaves("system", two)]
    acts = {l["type"]: l.get("act") for l in leaves if l["type"] in ("change.proposed", "change.approved", "user.created") and l.get("act")}
    same(acts["user.created"], acts["change.proposed"], "what was done goes by the act of who proposed it")
    true(acts["change.approved"] not in (None, acts["change.proposed"]), acts)
    a = two.signed("user_create", "/v1/users", {"name": "fourth"}).want(202).json
    path = f"/v1/changes/{a['id']}/stop"
    same(b.viewer.post(path, {}).status, 404)
    same(b.approver.post(path, {"comment": "Why?"}).want(200).json["state"], "stopped")
    same([c["state"] for c in one.get("/v1/changes").want(200).json["items"]], ["stopped", "done"])
    b.finish()


test.run()
