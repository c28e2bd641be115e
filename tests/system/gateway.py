#!/usr/bin/env python3
"""Gateways (STANDARDS 1.12): Debian's real nginx, configured as docs/gateways/nginx.md says, serves its own files to whoever has access to
the recording they belong to: bound and bearer keys, revocation, expiry, other recordings, other projects, no key, no proof."""
import http.client
import os
import re
import shutil
import subprocess
import time
import urllib.parse

from _bound import BoundPerson, remember
from _server import SRC, Client, Server, Tests, cast, same, skip_all, take_port, true, until, verify_log

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
if not os.path.exists(NGINX):
    skip_all("nginx is not there")

test = Tests()
s = Server().cast()
PORT = take_port()
URL = f"http://casts.localhost:{PORT}"
SECRET = "only-for-those-who-may-see-it"
mine, other = s.project(), s.project("elsewhere")
rid, second = s.add(cast(40), "One"), s.add(cast(40), "Two")
foreign = s.add(cast(40), "Elsewhere", client=s.ingest(other))
token = s.admin.post("/v1/tokens", {"kind": "gateway", "project": mine, "url": URL + "/", "name": "casts"}).want(201).json
s.secrets.add(token["token"])
bound = BoundPerson.of(s.viewer)


def nginx():
    """The page's own block, with this machine's names."""
    text = (SRC / "docs/gateways/nginx.md").read_text(encoding="utf-8")
    conf = re.search(r"^```nginx\n(.*?)^```", text, re.M | re.S)[1]
    top = s.root / "nginx"
    for d in ("tmp", *(f"srv/casts/{r}" for r in (rid, second, foreign))):
        (top / d).mkdir(parents=True)
    for r in (rid, second, foreign):
        (top / f"srv/casts/{r}/part.txt").write_text(f"{SECRET} {r}\n")
    (top / "gateway.conf").write_text(f"proxy_set_header Keyhole-Gateway {token['token']};\n")
    for a, b in (("server rec.example.com:443", f"server 127.0.0.1:{s.port}"), ("listen 443 ssl", f"listen 127.0.0.1:{PORT}"),
                 ("https://keyhole/", "http://keyhole/"), ("/etc/nginx/keyhole-gateway.conf", f"{top}/gateway.conf"),
                 ("Host rec.example.com", f"Host {s.host}"), ("root /srv", f"root {top}/srv")):
        true(a in conf, f"{a!r} is not in the page any more")
        conf = conf.replace(a, b)
    conf = re.sub(r"^ *(ssl_|proxy_ssl_).*\n", "", conf, flags=re.M)
    as_root = "user root; " if os.geteuid() == 0 else ""  # the files lie in a directory of the test
    temp = "".join(f"{kind}_temp_path {top}/tmp/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (top / "nginx.conf").write_text(f"{as_root}daemon off; pid {top}/nginx.pid; error_log {top}/nginx.log; events {{ }}\n"
                                    f"http {{ access_log off; {temp}\n{conf}\n}}\n")
    p = subprocess.Popen([NGINX, "-p", str(top), "-c", str(top / "nginx.conf")], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: fetch("/").status is not None, 10, f"nginx: {(top / 'nginx.log').read_text() if (top / 'nginx.log').exists() else ''}")
    return p


class Got:
    def __init__(self, r):
        self.status, self.headers = r.status, {k.lower(): v for k, v in r.getheaders()}
        self.text = r.read().decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.status} {self.headers.get('www-authenticate')} {self.text[:80]!r}>"


def fetch(path, method="GET", **headers):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    try:
        c.putrequest(method, path, skip_host=True)
        c.putheader("Host", f"casts.localhost:{PORT}")
        for k, v in headers.items():
            c.putheader(k.replace("_", "-"), v)
        c.endheaders()
        return Got(c.getresponse())
    except OSError:
        return type("Away", (), {"status": None})
    finally:
        c.close()


def file_of(r):
    return f"/casts/{r}/part.txt"


def with_bearer(k, path, **more):
    return fetch(path, Authorization=f"Bearer {k.text}", **more)


def with_proof(k, path, url=None, method="GET", sent=None, again=True):
    a = fetch(path, method, Authorization=f"DPoP {k.text}",
              DPoP=k.client_key.proof(sent or method, url or URL + path, key=k.text))
    if remember(k.client_key, a) and again:
        return with_proof(k, path, url, method, sent, False)
    return a


def served(a, r):
    same((a.status, SECRET in a.text and r in a.text), (200, True), f"{a}")


def refused(a, status, word=None):
    true(a.status == status and SECRET not in a.text, f"{a}, want {status}")
    if word:
        true(word in a.headers.get("www-authenticate", ""), f"{a}: want {word}")


server = nginx()


@test("nobody gets in without a key, and the challenge comes through")
def _():
    refused(fetch(file_of(rid)), 401, 'DPoP realm="keyhole"')
    refused(fetch(file_of(rid), Authorization="Bearer nonsense"), 401, "invalid_token")
    refused(fetch(file_of(rid), Authorization=f"Bearer {s.viewer.token}"), 401)
    refused(fetch(file_of(rid), Authorization=f"Bearer {s.admin_token}"), 401)
    refused(fetch(file_of(rid), Keyhole_Gateway=token["token"]), 401)
    refused(fetch("/casts/none/part.txt"), 404)


@test("a bearer key opens the files of its recording, and of no other")
def _():
    s.bearer = s.keyed(rid)
    served(with_bearer(s.bearer, file_of(rid)), rid)
    served(with_bearer(s.bearer, file_of(rid) + "?v=1"), rid)
    refused(with_bearer(s.bearer, file_of(second)), 403)
    refused(with_bearer(s.bearer, f"/casts/{rid}/../{second}/part.txt"), 403)
    refused(with_bearer(s.bearer, f"/casts/{rid}/%2e%2e/{second}/part.txt"), 403)
    refused(with_bearer(s.bearer, f"/casts/{rid}/..%2f{second}/part.txt"), 403)
    refused(with_bearer(s.bearer, file_of(second), X_Keyhole_Recording=second), 403)
    refused(with_bearer(s.bearer, file_of(second), X_Original_URI=file_of(rid), X_Keyhole_Recording=rid), 403)
    a = with_bearer(s.bearer, file_of(rid))
    true("no-store" in a.headers["cache-control"], f"{a.headers}")
    refused(fetch(file_of(rid) + f"?access_token={s.bearer.text}"), 401)
    refused(with_bearer(s.bearer, file_of(rid) + f"?access_token={s.bearer.text}"), 401)


@test("a bound key needs a proof for exactly this address and method, with the server's nonce, once")
def _():
    grant = s.open(rid)
    k = s.bound = bound.key(grant, rid)
    k.client_key.nonce = None
    first = with_proof(k, file_of(rid), again=False)
    refused(first, 401, "use_dpop_nonce")
    true(first.headers.get("dpop-nonce"), "DPoP-Nonce comes through")
    served(with_proof(k, file_of(rid)), rid)
    served(with_proof(k, file_of(rid) + "?t=12", url=URL + file_of(rid)), rid)  # a query is not part of htu
    refused(with_bearer(k, file_of(rid)), 401)
    refused(fetch(file_of(rid), Authorization=f"DPoP {k.text}"), 401, "invalid_dpop_proof")
    refused(with_proof(k, file_of(rid), url=s.url + file_of(rid)), 401, "invalid_dpop_proof")   # another server's address
    refused(with_proof(k, file_of(rid), url=URL + file_of(second)), 401, "invalid_dpop_proof")  # another file's
    refused(with_proof(k, file_of(rid), sent="POST"), 401, "invalid_dpop_proof")
    one = k.client_key.proof("GET", URL + file_of(rid), key=k.text)
    served(fetch(file_of(rid), Authorization=f"DPoP {k.text}", DPoP=one), rid)
    refused(fetch(file_of(rid), Authorization=f"DPoP {k.text}", DPoP=one), 401, "invalid_dpop_proof")
    same(with_proof(k, file_of(rid), method="HEAD").status, 200, "HEAD")
    # a proof for the gateway is none for Keyhole, and the reverse
    a = k.get(f"{k.path}/chunks/0", headers={"DPoP": k.client_key.proof("GET", URL + f"{k.path}/chunks/0", key=k.text)})
    same((a.status, a.code), (401, "key-binding"), "a gateway's proof at Keyhole")


@test("the log says who was let in, by which gateway, before the first byte, once a minute")
def _():
    leaves = s.wait_leaf(lambda l: l["type"] == "gateway.allowed" and l["jti"] == s.bound.id, log=mine)
    same(len(leaves), 1, "records of this key")
    l = leaves[0]
    same((l["rid"], l["obj"], l["gid"], l["n"]), (rid, token["id"], s.bound.claims["gid"], {"seconds": 60}), "the record")
    true("act" in l and l["actor"] == s.bound.claims["sub"], f"{l}")
    same(len([x for _, x in s.leaves(mine) if x["type"] == "gateway.allowed" and x["jti"] == s.bearer.id]), 1, "the bearer's")
    same([x for x in s.leaf_types(mine) if x.startswith("replay.leased")], [], "nothing of our own was served")
    v = s.auditor.get(f"/v1/viewings?recording={rid}").want(200).json["items"]
    true(v, "the viewing is listed")
    verify_log(s, mine)


@test("other keys: of another project, of a scope that does not play, expired, given back")
def _():
    s.away = s.person("away", roles=[{"project": other, "role": "viewer"}])
    judge = s.person("judge", roles=[{"project": other, "role": "approver"}])
    k = s.away.key(s.open(foreign, viewer=s.away, approver=judge), foreign)
    k.chunk(0).want(200)
    refused(with_bearer(k, file_of(foreign)), 403)
    g = s.open(rid, actions=("play", "export"))
    e = s.viewer.key(g, rid, scope=["export"])
    refused(with_bearer(e, file_of(rid)), 403)
    p = s.viewer.key(g, rid)
    served(with_bearer(p, file_of(rid)), rid)
    s.viewer.post(f"/v1/keys/{p.id}/revoke").want(204)
    until(lambda: with_bearer(p, file_of(rid)).status == 401, 1, "a key that was given back")
    short = s.viewer.key(s.open(second, duration_s=2), second)
    served(with_bearer(short, file_of(second)), second)
    until(lambda: with_bearer(short, file_of(second)).status in (401, 403), 4, "a window that is over")
    true(SECRET not in with_bearer(short, file_of(second)).text, "after the window")


@test("a revocation works with the next request")
def _():
    grant = s.open(rid)
    k = bound.key(grant, rid)
    served(with_proof(k, file_of(rid)), rid)
    began = time.monotonic()
    s.approver.post(f"/v1/grants/{grant}/revoke", {}).want(200)
    until(lambda: with_proof(k, file_of(rid)).status == 403, 1, "revoked", step=0.005)
    print(f"                 {1000 * (time.monotonic() - began):.0f} ms")
    for _ in range(3):
        refused(with_proof(k, file_of(rid)), 403)


def introspect(k, gateway=None, raw=None):
    body = raw if raw is not None else urllib.parse.urlencode({"token": k if isinstance(k, str) else k.text})
    return Client(s).call("POST", "/v1/introspect", body.encode(), token=None,
                          headers={"Keyhole-Gateway": gateway or token["token"], "Content-Type": "application/x-www-form-urlencoded"})


@test("introspection (RFC 7662): live keys of the gateway's project, and of all others only that they are not active")
def _():
    grant = s.open(rid)
    k = bound.key(grant, rid)
    a = introspect(k).want(200)
    true("no-store" in a.headers["cache-control"], "no-store")
    same((a.json["active"], a.json["token_type"], a.json["rid"], a.json["jti"], a.json["cnf"]),
         (True, "DPoP", rid, k.id, {"jkt": bound.client_key.jkt}), "a live key")
    same({m: a.json[m] for m in k.claims if m not in ("ctx",)}, {m: v for m, v in k.claims.items() if m != "ctx"}, "its claims")
    inactive = {"active": False}
    for what in ("nonsense", k.text[:-4] + "AAAA", s.viewer.token, "x" * 3000):
        same(introspect(what).want(200).json, inactive, what[:20])
    away = s.away.key(s.away.get("/v1/grants?state=live&box=mine").json["items"][0]["id"], foreign)
    same(introspect(away).want(200).json, inactive, "another project's")
    s.approver.post(f"/v1/grants/{grant}/revoke", {}).want(200)
    until(lambda: introspect(k).want(200).json == inactive, 1, "a revoked one")
    introspect(k, raw="nothing=here").want(400)
    introspect(k, gateway="kgt_" + "A" * 43).want(401, "login-needed")
    Client(s).post("/v1/introspect", {"token": k.text}, headers={"Keyhole-Gateway": token["token"]}).want(415)


@test("a gateway token can nothing else, and ends at once")
def _():
    g = Client(s, token=token["token"])
    for path in ("/v1/me", "/v1/recordings", "/v1/projects", f"/v1/replay/{rid}/manifest", "/v1/audit/system/checkpoint"):
        true(g.get(path).status == 401, path)
    true(s.upload(cast(3), client=g).status == 401, "import")
    true(g.post("/v1/recordings", {"kind": "terminal"}).status == 401, "live")
    a = Client(s).get("/v1/authz", headers={"Keyhole-Gateway": s.recorder.token, "X-Original-URI": "/", "X-Keyhole-Recording": rid})
    same((a.status, a.body), (401, b""), "an ingest token is no gateway's")
    for who in (s.viewer, s.approver):
        who.post("/v1/tokens", {"kind": "gateway", "project": mine, "url": URL}).want(403)
    for bad in ({}, {"url": "ftp://x"}, {"url": "https://"}, {"url": "https://a/?x"}, {"url": "https://u@a"}, {"url": "https://A.example"},
                {"url": "https://a:443"}, {"url": "http://a:80/x"}, {"url": 5}):
        s.admin.post("/v1/tokens", {"kind": "gateway", "project": mine, **bad}).want(422)
    row = next(t for t in s.admin.get("/v1/tokens?kind=gateway").want(200).json["items"])
    same((row["kind"], row["url"], "token" in row), ("gateway", URL, False), "in the list")
    k = s.keyed(rid)
    served(with_bearer(k, file_of(rid)), rid)
    s.admin.call("DELETE", f"/v1/tokens/{token['id']}").want(204)
    until(lambda: with_bearer(k, file_of(rid)).status in (401, 500), 1, "the token's end")
    refused(with_bearer(k, file_of(rid)), 401)


@test("without a keeper, or without Keyhole, nothing is served")
def _():
    t = s.admin.post("/v1/tokens", {"kind": "gateway", "project": mine, "url": URL}).want(201).json["token"]
    s.secrets.add(t)
    (s.root / "nginx/gateway.conf").write_text(f"proxy_set_header Keyhole-Gateway {t};\n")
    server.send_signal(1)
    k = s.keyed(rid)
    until(lambda: with_bearer(k, file_of(rid)).status == 200, 5, "the new token")
    s.expect_ends = True
    s.kill("keeper", 19)  # SIGSTOP: silent
    until(lambda: with_bearer(k, file_of(rid)).status == 500, 5, "a silent keeper")
    s.kill("keeper", 18)
    until(lambda: with_bearer(s.viewer.key(k.claims["gid"], rid), file_of(rid)).status == 200, 10, "and back", step=0.5)
    s.stop()
    refused(with_bearer(k, file_of(rid)), 500)


try:
    test.run()
finally:
    server.terminate()
    server.wait(10)
