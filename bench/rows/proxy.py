"""Behind Debian's nginx, with its defaults and with our recipe: a client that reads slowly, a window that ends, and what still arrives."""
import json
import pathlib
import random
import socket
import ssl
import time

from chunks import Rounds
from figures import case
from house import House, free_port
from nginx import Nginx, available

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WINDOW_S = 4
DEFAULTS = """
  server {{
    listen 127.0.0.1:{front} ssl;
    ssl_certificate {dir}/tls.pem; ssl_certificate_key {dir}/tls.key;
    location / {{
      proxy_pass http://127.0.0.1:{port};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
"""


def recipe(front, port, where):
    text = (ROOT / "packaging" / "proxy" / "nginx.conf").read_text(encoding="utf-8")
    for old, new in (("listen 443 ssl ", f"listen 127.0.0.1:{front} ssl "), ("rec.example.com rec-player.example.com", "localhost"),
                     ("/etc/ssl/rec.example.com.pem", f"{where}/tls.pem"), ("/etc/ssl/rec.example.com.key", f"{where}/tls.key"),
                     ("127.0.0.1:8443", f"127.0.0.1:{port}")):
        if old not in text:
            raise SystemExit(f"bench: the recipe has no {old!r}")
        text = text.replace(old, new)
    return text


def terminal(rate):
    """40 s of noise, so many bytes a second in events each 20 ms: rate 0 gives all of 8 MB at once."""
    noise = random.Random(3)
    size = (rate or 200_000) // 50
    text = "".join(noise.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size * 7))
    lines = ['{"version":2,"width":80,"height":24}']
    lines += [json.dumps([i * 0.02, "o", text[i % (size * 6):][:size]]) for i in range(2000)]
    return "\n".join(lines).encode()


def connect(front, ca):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # far away: loopback's segments would make every buffer large
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
    s.settimeout(5)
    s.connect(("127.0.0.1", front))
    return ssl.create_default_context(cafile=str(ca)).wrap_socket(s, server_hostname="localhost")


def slowly(house, front, ca, what, rid, token):
    grant = house.grant(token, [rid], duration_s=WINDOW_S)
    key = house.keys([(token, grant, rid)])[0]
    end = house.must("GET", f"/v1/grants/{grant}", token=token)["window"]["end"]
    end = time.mktime(time.strptime(end[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + end[20:23])
    s = connect(front, ca)
    s.sendall(f"GET /v1/replay/{rid}/{what} HTTP/1.1\r\nHost: {house.host}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    before = after = 0
    last = end
    try:
        while time.time() < end + 15:
            part = s.recv(4096 if time.time() < end else 65536)
            if not part:
                break
            if time.time() < end:
                before += len(part)
                time.sleep(0.05)
            else:
                after += len(part)
                last = time.time()
    except OSError:
        pass
    s.close()
    if before < 20000:
        raise SystemExit(f"bench: the slow client had {before} bytes before the window's end")
    return after, last - end


def run(build, o):
    if not available():
        return
    front, got = free_port(), Rounds()
    with House(build, tls=True) as tls:  # for its certificate
        where = tls.dir
        house = House(build, init=("--behind-proxy", "--url", f"https://localhost:{front}", "--trusted-proxy", "127.0.0.1/32"), url=f"localhost:{front}")
        conf = house.dir / "keyhole.conf"
        conf.write_text(conf.read_text(encoding="utf-8").replace("header = forwarded", "header = x-forwarded-for"), encoding="utf-8")
        plain = house.call
        house.call = lambda method, path, body=None, token="admin", headers=None: plain(
            method, path, body, token, {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", **(headers or {})})
        with house:
            rid, paced = house.store(terminal(0), "terminal"), house.store(terminal(200_000), "terminal")
            token = house.viewer()
            for name, body in (("defaults", DEFAULTS.format(front=front, port=house.port, dir=where)), ("recipe", recipe(front, house.port, where))):
                with Nginx(body, front, workers=1):
                    for _ in range(o.once):
                        for what, which in (("events", rid), ("stream", paced)):
                            after, late = slowly(house, front, where / "tls.pem", what, which, token)
                            got.add((name, what), after / 1024)
                            got.add((name, what, "late"), late * 1000)
    for name in ("recipe", "defaults"):
        for what in ("events", "stream"):
            bar = 512 + (200 if what == "stream" else 0)
            yield case(f"nginx with our recipe: {what}, after the window's end" if name == "recipe" else f"nginx with its defaults: {what}, after the end",
                       "KiB", got[name, what], None, ("<=", bar) if name == "recipe" else None)
