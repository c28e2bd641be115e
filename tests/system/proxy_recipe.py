#!/usr/bin/env python3
"""packaging/proxy/nginx.conf does what docs/operations.md says: Debian's real nginx in front of a real server, app and player as
two names on one port, an upload that leaves nothing in a file of the proxy, the client's address taken from the proxy only."""
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parents[2]))
KEYHOLE = pathlib.Path(os.environ.get("KEYHOLE_BUILD", ROOT / "build")) / "src" / "keyhole"
APP, PLAYER = "rec.example.com", "rec-player.example.com"
CANARY = "canary-5c1f0e-of-a-recording"

results = []


def check(name, good, said=""):
    results.append(bool(good))
    if not good:
        print(f"{name}: {said}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(port, host, method, path, body=None, headers=(), context=None):
    """To 127.0.0.1, whatever the name: (status, bytes, headers)."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.sock = context.wrap_socket(raw, server_hostname=host.split(":")[0]) if context else raw
    c.request(method, path, body, {"Host": host, **dict(headers)})
    answer = c.getresponse()
    text = answer.read()
    c.close()
    return answer.status, text, answer.headers


def wait(port, host, context=None):
    for _ in range(200):
        try:
            if call(port, host, "GET", "/readyz", context=context)[0] == 200:
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def nginx_conf(top, port, upstream):
    recipe = (ROOT / "packaging/proxy/nginx.conf").read_text(encoding="utf-8")
    recipe = (recipe.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("127.0.0.1:8443", f"127.0.0.1:{upstream}")
              .replace("/etc/ssl/rec.example.com.pem", f"{top}/cert.pem").replace("/etc/ssl/rec.example.com.key", f"{top}/key.pem"))
    temp = "".join(f"{kind}_temp_path {top}/tmp/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (top / "nginx.conf").write_text(f"daemon off; pid {top}/nginx.pid; error_log {top}/nginx.log; events {{ }}\n"
                                    f"http {{ access_log off; {temp}\n{recipe}\n}}\n", encoding="utf-8")


def certificate(top):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={APP}", "-addext", f"subjectAltName=DNS:{APP},DNS:{PLAYER}",
                    "-keyout", top / "key.pem", "-out", top / "cert.pem"], check=True, capture_output=True)
    return ssl.create_default_context(cafile=str(top / "cert.pem"))


def make_server(top, port, upstream):
    subprocess.run([KEYHOLE, "init", top / "state", "--behind-proxy", "--url", f"https://{APP}:{port}", "--trusted-proxy", "127.0.0.1/32",
                    "--listen", f"127.0.0.1:{upstream}", "--player-listen", f"127.0.0.1:{free_port()}"], check=True, capture_output=True)
    conf = top / "state" / "keyhole.conf"
    lines = [line for line in conf.read_text(encoding="utf-8").splitlines() if not line.startswith(("player_listen", "player_url"))]
    conf.write_text("\n".join(lines).replace("header = forwarded", "header = x-forwarded-for")
                    + f'\nplayer_url = "https://{PLAYER}:{port}"\n', encoding="utf-8")
    return conf, (top / "state" / "admin.token").read_text(encoding="ascii").strip()


def recording():
    events = [{"type": 4, "timestamp": 1000, "data": {"href": "https://shop.example/", "width": 800, "height": 600}}]
    events += [{"type": 5, "timestamp": 1000 + i, "data": {"tag": CANARY, "payload": f"{i} {CANARY} {'x' * 1000}"}} for i in range(4000)]
    return json.dumps(events).encode()


def open_files(top):
    """nginx removes the names of its temporary files at once: they are found through the processes that have them open."""
    for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith(f"{top}/tmp/"):
                yield link
        except OSError:
            pass


def holds_canary(top):
    files = [p for p in top.rglob("*") if p.is_file()] + list(open_files(top))
    return [str(p) for p in files if CANARY.encode() in p.read_bytes()]


def upload_slowly(top, port, token, context):
    """Half of it, a look at every file below the proxy's paths and ours, the rest: (status, answer, files that held it)."""
    body = recording()
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname=APP)
    s.sendall((f"POST /v1/import?kind=rrweb HTTP/1.1\r\nHost: {APP}:{port}\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
               "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nConnection: close\r\n\r\n").encode() + body[:len(body) // 2])
    time.sleep(0.5)
    found = holds_canary(top)
    s.sendall(body[len(body) // 2:])
    answer = http.client.HTTPResponse(s)
    answer.begin()
    text = answer.read()
    s.close()
    return answer.status, text, found + holds_canary(top)


def story(top, port, upstream, token, context):
    def at(host, method, path, body=None, headers=()):
        return call(port, f"{host}:{port}", method, path, body, {"Authorization": "Bearer " + token, **dict(headers)}, context)

    status, text, _ = at(APP, "GET", "/v1/me")
    check("the API answers under its name", status == 200, (status, text))
    status, text, headers = at(APP, "GET", "/")
    check("the app is there", status == 200 and b"<html" in text.lower(), status)
    status, text, headers = at(PLAYER, "GET", "/dom")
    check("the player is there under the other name", status == 200 and "content-security-policy" in headers, (status, text[:200]))
    status, text, _ = at(PLAYER, "GET", "/v1/me")
    check("the player's name has no API", status == 404, (status, text[:200]))
    status, text, _ = call(upstream, "other.example.com", "GET", "/v1/me")
    check("other names are not ours", status == 421, (status, text[:200]))
    status, text, found = upload_slowly(top, port, token, context)
    check("an upload passes", status == 201 and json.loads(text)["events"] == 4001, (status, text[:300]))
    check("nothing of it is in a file, while it comes or afterwards", found == [], found)


def main():
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory(prefix="keyhole-proxy-") as name:
        top = pathlib.Path(name)
        (top / "tmp").mkdir()
        top.chmod(0o755)
        (top / "tmp").chmod(0o777)  # nginx started as root works as another account
        port, upstream = free_port(), free_port()
        context = certificate(top)
        conf, token = make_server(top, port, upstream)
        nginx_conf(top, port, upstream)
        with open(top / "serve.log", "wb") as log:
            server = subprocess.Popen([KEYHOLE, "serve", "-c", conf], stderr=log)
            proxy = subprocess.Popen(["nginx", "-c", top / "nginx.conf"], stderr=log)
        try:
            ready = wait(upstream, f"{APP}:{port}") and wait(port, f"{APP}:{port}", context)
            check("both are there", ready, (top / "serve.log").read_text(encoding="utf-8", errors="replace")[-2000:])
            if ready:
                story(top, port, upstream, token, context)
        finally:
            proxy.terminate()
            server.terminate()
            proxy.wait()
            check("the server ends cleanly", server.wait() == 0, server.returncode)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


sys.exit(main())
