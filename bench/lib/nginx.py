"""Debian's nginx beside us: files behind `secure_link`, and a proxy in front."""
import base64
import hashlib
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import urllib.error
import ssl

from house import LIVES, children, cpu_of, free_port, pss_of, stop

SECRET = "bench"

# What Debian's nginx.conf says (sendfile, tcp_nopush, its gzip only for HTML), without the access log: in its favour. Two workers, as the gate has two
# loops.
CONF = """
daemon off;
worker_processes {workers};
worker_rlimit_nofile 19000;
pid {top}/nginx.pid;
error_log {top}/nginx.log;
user root;
events {{ worker_connections 9000; }}
http {{
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {top}/tmp; proxy_temp_path {top}/proxy; fastcgi_temp_path {top}/tmp; uwsgi_temp_path {top}/tmp; scgi_temp_path {top}/tmp;
  {body}
}}
"""
FILES = """
  server {{
    listen 127.0.0.1:{port}{tls};
    server_name localhost;
    {certificate}
    root {root};
    location / {{
      secure_link $arg_md5,$arg_expires;
      secure_link_md5 "$secure_link_expires$uri {secret}";
      if ($secure_link = "") {{ return 403; }}
      if ($secure_link = "0") {{ return 410; }}
      default_type application/x-ndjson;
    }}
  }}
"""


def available():
    return shutil.which("nginx") or pathlib.Path("/usr/sbin/nginx").exists()


def await_port(port, name):
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"bench: {name} did not start")


class Nginx:
    """with Nginx.files(root, ca_dir) as n: n.path("/a") is a signed address."""

    def __init__(self, body, port, workers=2):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="keyhole-bench-nginx-"))
        self.port, self.address, self.process = port, f"127.0.0.1:{port}", None
        (self.top / "nginx.conf").write_text(CONF.format(top=self.top, body=body, workers=workers), encoding="utf-8")

    @classmethod
    def files(cls, root, certificate=None, key=None, http2=False):
        port = free_port()
        tls = "" if certificate is None else " ssl http2" if http2 else " ssl"
        lines = "" if certificate is None else f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
        return cls(FILES.format(port=port, tls=tls, certificate=lines, root=root, secret=SECRET), port)

    def __enter__(self):
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(self.top / "nginx.conf"), "-p", str(self.top)])
        await_port(self.port, "nginx")
        return self

    def __exit__(self, *_):
        pids = self.pids()
        LIVES.append({"what": "nginx", "cpu_s": {k: round(cpu_of(p), 3) for k, p in pids.items()}, "pss_kib": {k: pss_of(p) // 1024 for k, p in pids.items()}})
        stop(self.process)
        shutil.rmtree(self.top, ignore_errors=True)

    def pids(self):
        return {f"worker{i}": pid for i, pid in enumerate(children(self.process.pid))}

    @staticmethod
    def path(uri, life_s=86400):
        expires = int(time.time()) + life_s
        digest = hashlib.md5(f"{expires}{uri} {SECRET}".encode()).digest()
        return f"{uri}?md5={base64.urlsafe_b64encode(digest).decode().rstrip('=')}&expires={expires}"


class Nghttpd:
    """nghttp2's own server with the same files: no signed addresses, printed beside nginx over HTTP/2."""

    def __init__(self, root, certificate, key):
        self.port, self.process = free_port(), None
        self.address, self.words = f"127.0.0.1:{self.port}", ["nghttpd", "-n", "2", "-d", str(root), str(self.port), str(key), str(certificate)]

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_port(self.port, "nghttpd")
        return self

    def __exit__(self, *_):
        stop(self.process)

    def pids(self):
        return {"nghttpd": self.process.pid}
