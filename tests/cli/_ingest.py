"""A small server that speaks the three ingest routes, and can misbehave: for the tests of keyhole rec alone."""
import http.server
import json
import subprocess
import threading
import time


class Ingest:
    """recordings: id -> {"create", "events", "batches", "ended"}. mood(request) may answer instead: (status, problem) or "cut"."""

    TOKEN = "kit_a-token-for-tests"

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.recordings, self.keys, self.calls = {}, {}, []
        self.mood = None
        self.projects = ["p_" + "0" * 16]
        self.server = None
        self.start(port)

    def start(self, port=0):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.post(self)

            def do_DELETE(self):
                outer.calls.append({"path": self.path, "route": "revoke", "seq": None})
                outer.answer(self, 204, None)

            def do_GET(self):
                outer.answer(self, 200, {"items": [{"id": p} for p in outer.projects], "cursor": None})

            def log_message(self, *args):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client):
                pass

        self.server = Threads(("127.0.0.1", port), Handler)
        self.server.connections = set()
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Gone: nothing is listened to, what is open is cut."""
        self.server.shutdown()
        self.server.server_close()
        self.gone = True
        for h in list(self.server.connections):
            try:
                h.connection.shutdown(2)
            except OSError:
                pass

    def answer(self, h, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        h.send_response(status)
        if status >= 400:
            h.send_header("Content-Type", "application/problem+json")
            if status in (429, 503):
                h.send_header("Retry-After", "1")
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body)

    def problem(self, h, status, code, **more):
        self.answer(h, status, {"type": "about:blank", "title": code, "status": status, "code": code, "retryable": status == 503, **more})

    def post(self, h):
        self.server.connections.add(h)
        body = h.rfile.read(int(h.headers.get("Content-Length", 0)))
        if h.headers.get("Content-Encoding") == "zstd":
            body = subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout
        parts = h.path.split("/")
        call = {"path": h.path, "route": parts[4] if len(parts) > 4 else parts[2], "seq": h.headers.get("Batch-Seq"), "at": time.monotonic()}
        self.calls.append(call)
        mood = self.mood(call) if self.mood else None
        if isinstance(mood, tuple):
            return self.problem(h, *mood)
        with self.lock:
            status, value = self.act(h, parts, body)
        if mood == "cut":  # it has arrived, and nobody is told
            h.connection.shutdown(2)
            h.close_connection = True
            return None
        if status >= 400:
            return self.problem(h, status, **value)
        return self.answer(h, status, value)

    def act(self, h, parts, body):
        if parts[2] == "tokens":
            self.asked = json.loads(body)
            return 201, {"id": "t_" + "0" * 16, "token": self.TOKEN}
        if h.headers.get("Authorization") != f"Bearer {self.TOKEN}":
            return 401, {"code": "unauthorized"}
        if len(parts) == 3:
            return self.create(h.headers.get("Idempotency-Key"), json.loads(body))
        r = self.recordings.get(parts[3])
        if r is None:
            return 404, {"code": "not-found"}
        if parts[4] == "end":
            r["ended"] = True
            return 200, {"id": parts[3], "kind": "terminal", "events": len(r["events"]), "duration_ms": 0}
        if r["ended"]:
            return 409, {"code": "recording-ended"}
        n = int(h.headers["Batch-Seq"])
        if n > r["batches"]:
            return 409, {"code": "batch-gap", "next_batch": r["batches"]}
        if n == r["batches"]:
            r["events"] += [json.loads(line) for line in body.decode().splitlines()]
            r["batches"] += 1
        return 200, {"batch": n, "next_batch": r["batches"], "durable_seq": len(r["events"]) - 1 if r["events"] else None}

    def create(self, key, body):
        if key not in self.keys:
            self.keys[key] = f"r_{len(self.keys):016d}"
            self.recordings[self.keys[key]] = {"create": body, "events": [], "batches": 0, "ended": False}
        return 201, {"id": self.keys[key], "project": "p_" + "0" * 16, "next_batch": self.recordings[self.keys[key]]["batches"]}

    def only(self):
        if len(self.recordings) != 1:
            raise AssertionError(f"{len(self.recordings)} recordings")
        return next(iter(self.recordings.values()))


def text(recording, code="o"):
    return "".join(e[2] for e in recording["events"] if e[1] == code)
