#!/usr/bin/env python3
"""Records a shell session with `keyhole rec` and takes it out of a server again: writes demo/recordings/restart.cast (asciicast v2).

    python3 demo/record-shell.py [BUILD-DIR]

A person on call reads an alert (ticket OPS-311), restarts `payments-api` where `payments-worker` was meant, sees the errors that follow,
and puts it right. The server, the recorder, the shell and every command are real; only the keys are pressed by this script, with a fixed
random seed, the marker's key among them. Afterwards the markers get their labels and the header the day on which the story happens.
"""
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = pathlib.Path(__file__).resolve().parent
KEYHOLE = str((pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "build").resolve() / "src" / "keyhole")
COLS, ROWS = 100, 28
PROMPT = "oncall@bastion:~$ "
rnd = random.Random(20261121)

UNITS = {
    "payments-api": {
        "about": "takes payments", "state": "running", "since": "Mon 06:12", "memory": "412 MiB", "clients": 184,
        "logs": ["09:41:02 INFO  settled 311 payments", "09:41:32 INFO  settled 298 payments", "09:42:02 INFO  settled 305 payments"],
        "after_restart": {
            "since": "just now", "memory": "96 MiB", "clients": 0,
            "logs": ["09:44:51 INFO  starting, build 2026.11.1", "09:44:52 WARN  184 clients were cut off in the middle of a payment",
                     "09:44:53 ERROR ERR-51C0DE payment 88213 left without an answer", "09:44:53 ERROR ERR-51C0DE payment 88214 left without an answer",
                     "09:44:55 INFO  accepting clients again"]}},
    "payments-worker": {
        "about": "sends receipts", "state": "failed", "since": "09:37", "memory": "0 MiB", "clients": 0,
        "logs": ["09:36:58 WARN  mail relay answers slowly", "09:37:20 ERROR out of connections, giving up", "09:37:20 ERROR stopped"],
        "after_restart": {"state": "running", "since": "just now", "memory": "38 MiB",
                          "logs": ["09:45:40 INFO  starting", "09:45:41 INFO  1 204 receipts waiting", "09:45:43 INFO  sending"]}},
    "ledger": {"about": "books payments", "state": "running", "since": "Mon 06:12", "memory": "1.2 GiB", "clients": 3, "logs": []},
}

# What is typed, and how long one looks at what comes.
STORY = [
    ("cat ticket-OPS-311.txt", 3.2),
    ("unitctl list", 2.6),
    ("unitctl logs payments-worker", 2.8),
    ("# restart the worker", 0.8),
    ("unitctl restart payments-api", 2.2),
    ("unitctl status payments-worker", 2.4),
    ("unitctl logs payments-api", 3.4),
    ("# oh no: that was the api, not the worker", 1.6),
    ("unitctl restart payments-worker", 1.6),
    ("unitctl list", 2.0),
    ("echo 'OPS-311: restarted the wrong unit, 2 payments to check (ERR-51C0DE)' >> ticket-OPS-311.txt", 1.4),
    ("tail -n 1 ticket-OPS-311.txt", 2.0),
]

TICKET = """OPS-311  receipts are late
  seen     09:40, by the monitor
  what     receipts queue is growing (1 204), customers ask for them
  first    customer-4711@example.com, who paid with 4000 0000 0000 0002
  runbook  restart payments-worker, then watch the queue
"""



# Where one may want to jump to: when this is on the screen the marker's key is pressed.
MARKERS = [("stopping payments-api", "restart of payments-api"), ("oh no", "noticed")]
MARKER_KEY = b"\x1d"
STORY_DAY = 1793007900


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server for one person, on loopback, gone afterwards."""

    def __init__(self, top):
        state = os.path.join(top, "state")
        subprocess.run([KEYHOLE, "init", state, "--listen", f"127.0.0.1:{free_port()}", "--plain-loopback", "--preset", "solo"], check=True,
                       stdout=subprocess.DEVNULL)
        conf = pathlib.Path(state, "keyhole.conf").read_text(encoding="utf-8")
        self.env = dict(os.environ, KEYHOLE_URL=re.search(r'public_url\s*=\s*"([^"]+)"', conf).group(1),
                        KEYHOLE_TOKEN=pathlib.Path(state, "admin.token").read_text().strip(), KEYHOLE_CONFIG_DIR=os.path.join(top, "config"))
        self.log = open(os.path.join(top, "log"), "wb")
        self.process = subprocess.Popen([KEYHOLE, "serve", "-c", os.path.join(state, "keyhole.conf")], stdout=self.log, stderr=self.log)
        for _ in range(200):
            if subprocess.run([KEYHOLE, "whoami"], env=self.env, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit("record-shell: the server does not start")

    def keyhole(self, *args):
        return subprocess.run([KEYHOLE, *args], env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()


def make_home(top):
    home = os.path.join(top, "home")
    units = os.path.join(home, ".units")
    os.makedirs(units)
    for name, unit in UNITS.items():
        with open(os.path.join(units, name + ".json"), "w", encoding="utf-8") as f:
            json.dump(unit, f)
    with open(os.path.join(home, "ticket-OPS-311.txt"), "w", encoding="utf-8") as f:
        f.write(TICKET)
    return home, {"HOME": home, "PATH": str(HERE / "shell") + ":/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8", "SHELL": "/bin/bash",
                  "PS1": r"\[\e[32m\]oncall@bastion\[\e[0m\]:\[\e[34m\]~\[\e[0m\]$ ", "UNITCTL_DIR": units, "HISTFILE": "",
                  "BASH_SILENCE_DEPRECATION_WARNING": "1"}


class Keyboard:
    def __init__(self, fd):
        self.fd, self.seen, self.all, self.marked = fd, "", "", 0

    def listen(self, seconds, until=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.02)[0]:
                try:
                    text = os.read(self.fd, 65536).decode("utf-8", "replace")
                except OSError:
                    return
                text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
                self.seen += text
                self.all += text
                if self.marked < len(MARKERS) and MARKERS[self.marked][0] in self.all:
                    self.marked += 1
                    os.write(self.fd, MARKER_KEY)
            if until is not None and self.seen.endswith(until):
                return

    def tell(self):
        self.listen(10, PROMPT)
        self.listen(1.0)
        for line, look in STORY:
            for c in line:
                os.write(self.fd, c.encode())
                self.listen(0.028 + rnd.random() * 0.05 + (0.12 if c == " " and rnd.random() < 0.3 else 0))
            self.listen(0.25 + rnd.random() * 0.3)
            self.seen = ""
            os.write(self.fd, b"\r")
            self.listen(20, PROMPT)
            self.listen(look)
        os.write(self.fd, b"exit\r")
        self.listen(3.0)


def record(server, top):
    token = os.path.join(top, "token")
    with open(os.open(token, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
        f.write(server.keyhole("token", "add", "--ingest", "--project", "default"))
    rules = os.path.join(top, "masks.conf")  # the demo hides things when it imports this: here nothing is hidden yet
    with open(rules, "w", encoding="utf-8") as f:
        f.write("patterns = { ssn }\nterminal { typed = none }\n")
    server.keyhole("mask", "set", "default", rules)
    home, env = make_home(top)
    env["KEYHOLE_URL"] = server.env["KEYHOLE_URL"]
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(home)
        time.sleep(0.2)  # until the terminal has its size
        os.execve(KEYHOLE, [KEYHOLE, "rec", "--quiet", "--title", "oncall on bastion", "--ingest-token-file", token, "--spool",
                            os.path.join(top, "spool"), "--marker-key", "^]", "--", "bash", "--norc", "--noprofile", "-i"], env)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
    keyboard = Keyboard(fd)
    keyboard.tell()
    os.waitpid(pid, 0)
    os.close(fd)
    if keyboard.marked != len(MARKERS):
        sys.exit("record-shell: the story did not happen: no %r" % MARKERS[keyboard.marked][0])
    recording = json.loads(subprocess.run([KEYHOLE, "ls", "--json"], env=server.env, check=True, stdout=subprocess.PIPE).stdout)["items"][0]["id"]
    server.keyhole("request", recording, "--action", "export", "--purpose", "debugging", "--reason", "the demo's recording is made anew", "--for", "5m")
    server.keyhole("export", recording, "-o", os.path.join(top, "out.cast"))
    with open(os.path.join(top, "out.cast"), encoding="utf-8") as f:
        header, *events = [json.loads(line) for line in f if not line.startswith("[ ")]
    header.pop("keyhole", None)  # who exported it
    return [header] + events


def main():
    top = tempfile.mkdtemp()
    server = Server(top)
    try:
        header, *events = record(server, top)
    finally:
        server.stop()
        shutil.rmtree(top)
    header["timestamp"] = STORY_DAY
    labels = [label for _, label in MARKERS]
    for e in events:
        if e[1] == "m":
            e[2] = labels.pop(0)
    out = HERE / "recordings" / "restart.cast"
    with open(out, "w", encoding="utf-8") as f:
        for row in [header] + events:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
    print("%d events, %.1f s, %d KiB" % (len(events), events[-1][0], out.stat().st_size // 1024))


main()
