#!/usr/bin/env python3
"""The server as browsers meet it: TLS, cookies, who may send what from where, sign-in and its throttle."""
import http.client
import json
import re
import shutil
import signal
import ssl
import statistics
import time
import warnings

from _server import SLOW, Client, Server, Tests, cast, same, true, until

warnings.simplefilter("ignore", DeprecationWarning)  # of old TLS versions, which is the point
test = Tests()
s = Server(tls=True).cast()


def handshake(**versions):
    c = s.ssl_context(**versions)
    c.set_ciphers("ALL:@SECLEVEL=0")
    sock = s.connect(tls=False)
    try:
        with c.wrap_socket(sock, server_hostname="localhost") as t:
            return t.version(), t.cipher()[0]
    finally:
        sock.close()


@test("a certificate of our own that names us; TLS 1.2 and 1.3 and nothing older")
def _():
    same(handshake()[0], "TLSv1.3", "by default")
    v12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    version, cipher = handshake(**v12)
    same(version, "TLSv1.2", "at most 1.2")
    true("GCM" in cipher or "CHACHA20" in cipher, f"cipher {cipher}")
    for old in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1):
        try:
            got = handshake(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=old)
        except (ssl.SSLError, OSError):
            continue
        true(False, f"{old} was spoken: {got}")
    mode = (s.dir / "tls.key").stat().st_mode & 0o777
    same(mode, 0o600, "mode of the key")


@test("headers that a browser needs; plain HTTP on the TLS port gets words, not silence")
def _():
    a = Client(s).get("/v1/openapi.yaml").want(200)
    true(int(re.search(r"max-age=(\d+)", a.headers["strict-transport-security"])[1]) >= 180 * 86400, "HSTS")
    same(a.headers["x-content-type-options"], "nosniff", "X-Content-Type-Options")
    same(a.headers["referrer-policy"], "no-referrer", "Referrer-Policy")
    true("set-cookie" not in a.headers and "server" not in a.headers, f"{a.headers}")
    sock = s.connect(tls=False)
    sock.sendall(f"GET /v1/me HTTP/1.1\r\nHost: {s.host}\r\n\r\n".encode())
    out = b""
    sock.settimeout(5 * SLOW)
    try:
        while part := sock.recv(4096):
            out += part
    except OSError:
        pass
    sock.close()
    true(re.match(rb"HTTP/1\.1 (400|301|308|426) ", out), f"plain HTTP: {out[:200]!r}")
    true(b"https" in out.lower() or b"TLS" in out, f"the answer does not say what is wrong: {out!r}")
    same(Client(s).get("/livez").status, 200, "after that")


def cookie_of(a):
    return a.headers["set-cookie"].split(";")[0]


def sign_in(**headers):
    return Client(s).post("/v1/login", {"user": s.viewer.name, "password": s.viewer.password}, headers=headers)


@test("signing in from our page sets one cookie that scripts, other sites and plain HTTP never see")
def _():
    a = sign_in(Origin=s.url).want(200)
    true("token" not in a.json, "a browser's answer carries a token")
    parts = [p.strip() for p in a.headers["set-cookie"].split(";")]
    true(re.fullmatch(r"__Host-keyhole=[A-Za-z0-9_-]{40,}", parts[0]), parts[0])
    attributes = {p.split("=")[0].lower(): p for p in parts[1:]}
    same({"path", "secure", "httponly", "samesite"} <= set(attributes), True, f"attributes {parts[1:]}")
    same((attributes["path"], attributes["samesite"].lower()), ("Path=/", "samesite=strict"), "Path, SameSite")
    true("domain" not in attributes, "Domain")
    me = Client(s).get("/v1/me", headers={"Cookie": cookie_of(a)}).want(200).json
    same((me["user"]["name"], me["auth"]["kind"]), ("viewer", "cookie"), "me")
    b = sign_in().want(200)
    true("set-cookie" not in b.headers and b.json["token"].startswith("kst_"), "without an Origin: a token, no cookie")
    c = Client(s).post("/v1/login", {"user": s.viewer.name, "password": s.viewer.password, "token": True}, headers={"Origin": s.url})
    true("set-cookie" not in c.headers and "token" in c.json, "with token: true")
    for origin in ("https://evil.example", "null", f"https://localhost:{s.player_port}", s.url.replace("https", "http"), s.url + ".evil.example", ""):
        a = sign_in(Origin=origin)
        true(a.status in (400, 403) and "set-cookie" not in a.headers and "token" not in a.text, f"Origin {origin!r}: {a}")


@test("a change with the cookie needs our Origin and JSON; reading needs neither")
def _():
    cookie = cookie_of(sign_in(Origin=s.url).want(200))
    body = json.dumps({"recordings": ["r_AAAAAAAAAAAAAAAA"]}).encode()
    good = {"Cookie": cookie, "Origin": s.url, "Content-Type": "application/json"}
    path = "/v1/requests/check"

    def post(h):
        return Client(s).call("POST", path, body, headers={k: v for k, v in h.items() if v is not None})
    same(post(good).status, 404, "as it should be (the recording is not there)")
    same(post({**good, "Sec-Fetch-Site": "same-origin"}).status, 404, "Sec-Fetch-Site: same-origin")
    for change in ({"Origin": None}, {"Origin": "null"}, {"Origin": "https://evil.example"}, {"Origin": f"https://localhost:{s.player_port}"},
                   {"Origin": s.url + "/"}, {"Origin": s.url.upper()}, {"Origin": f"https://127.0.0.1:{s.port}"}, {"Content-Type": "text/plain"},
                   {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": None},
                   {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}):
        a = post({**good, **change})
        same((a.status, a.code), (403, "csrf"), str(change))
    for method, where in (("POST", "/v1/logout"), ("DELETE", "/v1/tokens/t_AAAAAAAAAAAAAAAA"), ("PATCH", "/v1/users/viewer"), ("PUT", "/v1/recordings/r_AAAAAAAAAAAAAAAA/links")):
        a = Client(s).call(method, where, body if method != "POST" else None, headers={"Cookie": cookie, "Content-Type": "application/json"})
        same((a.status, a.code), (403, "csrf"), f"{method} {where} without an Origin")
    same(Client(s).get("/v1/me", headers={"Cookie": cookie}).status, 200, "reading")
    same(Client(s).get("/v1/me", headers={"Cookie": cookie, "Origin": "https://evil.example"}).headers.get("access-control-allow-origin"), None, "CORS")
    a = Client(s).call("OPTIONS", path, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    true("access-control-allow-origin" not in a.headers, f"CORS: {a.headers}")
    a = Client(s).get("/v1/me", headers={"Cookie": f"{cookie}; {cookie}"})
    true(a.status in (400, 401), f"the cookie twice: {a}")
    a = Client(s).get("/v1/me", headers={"Cookie": cookie.replace("__Host-", "")})
    same(a.status, 401, "under the name of the plain listener")
    a = Client(s).get("/v1/me", headers={"Authorization": "Bearer " + cookie.split("=")[1]})
    true(a.status in (200, 401), f"the cookie's value as a token: {a}")


@test("the cookie opens no replay route, and nothing ever takes a credential from the address")
def _():
    cookie = cookie_of(sign_in(Origin=s.url).want(200))
    rid = s.add(cast(10))
    k = s.keyed(rid)
    for route in ("manifest", "chunks/0", "events", "stream", "export"):
        a = Client(s).get(f"/v1/replay/{rid}/{route}", headers={"Cookie": cookie})
        same((a.status, a.code), (401, "key-missing"), route)
        a = Client(s).get(f"/v1/replay/{rid}/{route}", headers={"Cookie": f"{cookie}; key={k.text}"})
        same((a.status, a.code), (401, "key-missing"), f"{route}, key in a cookie")
    for path in (f"/v1/me?access_token={s.viewer.token}", f"/v1/me?token={s.viewer.token}", f"/v1/replay/{rid}/manifest?key={k.text}"):
        true(Client(s).get(path).status in (400, 401), path.split("?")[0])
    a = k.get(f"{k.path}/manifest").want(200)
    true("authorization" in a.headers["vary"].lower(), "Vary")
    true("etag" not in a.headers, "content with an ETag")


@test("signing out ends the session and clears the cookie")
def _():
    cookie = cookie_of(sign_in(Origin=s.url).want(200))
    a = Client(s).post("/v1/logout", headers={"Cookie": cookie, "Origin": s.url})
    same(a.status, 204, "logout")
    true(re.match(r"__Host-keyhole=;", a.headers["set-cookie"]) or "max-age=0" in a.headers["set-cookie"].lower(), a.headers["set-cookie"])
    same(Client(s).get("/v1/me", headers={"Cookie": cookie}).status, 401, "after it")


@test("a vote needs a fresh sign-in; reauth makes it so; a wrong password does not")
def _():
    p = s.approver
    p.post("/v1/reauth", {"password": "wrong"}).want(401, "login-failed")
    true(p.post("/v1/reauth", {"password": p.password}).want(200).json["fresh_until"], "fresh_until")
    token = s.admin.post("/v1/tokens", {"kind": "api", "user": "approver"}).want(201).json["token"]
    Client(s, token=token).post("/v1/reauth", {"password": p.password}).want(403, "token-not-fresh")


@test("an unknown name and a wrong password answer the same, in about the same time")
def _():
    def once(user):
        began = time.monotonic()
        a = Client(s).post("/v1/login", {"user": user, "password": "wrong-password"})
        return time.monotonic() - began, a
    s.person("timed")
    times = {"timed": [], "nobody-here": []}
    for _ in range(4):
        for user in times:
            took, a = once(user)
            same((a.status, a.code), (401, "login-failed"), user)
            times[user].append(took)
    known, unknown = (statistics.median(t) for t in times.values())
    true(0.4 < known / unknown < 2.5, f"known {known * 1000:.1f} ms, unknown {unknown * 1000:.1f} ms")


@test("guessing is throttled: five failures of an account, thirty of a source")
def _():
    t = Server().cast()
    t.person("victim")

    def guess(user, password="wrong"):
        return Client(t).post("/v1/login", {"user": user, "password": password})
    for i in range(5):
        guess("victim").want(401, "login-failed")
    a = guess("victim").want(429, "login-throttled")
    true(int(a.headers["retry-after"]) > 0, "Retry-After")
    guess("victim", "still-wrong").want(429)
    same(guess(t.viewer.name, t.viewer.password).status, 200, "somebody else")
    n = 0
    while (a := guess(f"guess-{n}")).status == 401 and n < 60:
        n += 1
    same((a.status, a.code), (429, "login-throttled"), "many names from one source")
    true(15 <= n <= 30, f"{n} more failures were taken")
    t.wait_leaf(lambda l: l["type"] == "login.failed", log="system", client=t.admin)
    leaves = [l for _, l in t.leaves("system", t.admin) if l["type"] == "login.failed"]
    true(leaves and not any("victim" in json.dumps(l) for l in leaves), "login.failed")
    for trouble in t.finish():
        true(False, trouble)


@test("the player's port serves the player and nothing else, and knows no cookie")
def _():
    p = Client(s)
    p.connect = lambda timeout: http.client.HTTPSConnection("localhost", s.player_port, timeout=timeout, context=s.ssl_context())
    cookie = cookie_of(sign_in(Origin=s.url).want(200))
    for path in ("/v1/me", "/v1/recordings", "/v1/openapi.yaml", "/.well-known/jwks.json", "/v1/login"):
        a = p.call("POST" if "login" in path else "GET", path, headers={"Cookie": cookie, "Host": f"localhost:{s.player_port}"}, fresh=True)
        true(a.status in (404, 405), f"{path} on the player's port: {a}")
        true("set-cookie" not in a.headers, "a cookie from the player's port")


@test("HEAD, keep-alive, pipelining")
def _():
    sock = s.connect()
    one = f"GET /livez HTTP/1.1\r\nHost: {s.host}\r\n\r\n".encode()
    sock.sendall(one * 5 + one.replace(b"GET", b"HEAD") + f"GET /livez HTTP/1.1\r\nHost: {s.host}\r\nConnection: close\r\n\r\n".encode())
    out = b""
    while part := sock.recv(65536):
        out += part
    sock.close()
    same((out.count(b"HTTP/1.1 200 OK"), out.count(b"\r\n\r\nok\n")), (7, 6), "answers and bodies")


@test("SIGHUP brings a new certificate to new connections")
def _():
    other = Server(tls=True, start=False)
    before = ssl.get_server_certificate(("127.0.0.1", s.port))
    for f in ("tls.pem", "tls.key"):
        shutil.copy(other.dir / f, s.dir / f)
    s.signal(signal.SIGHUP)
    until(lambda: ssl.get_server_certificate(("127.0.0.1", s.port)) != before, 5, "another certificate", step=0.1)
    same(Client(s).get("/livez").status, 200, "with the new one")
    other.finish()


test.run()
