#!/usr/bin/env python3
"""Records a shell session in a real pseudo-terminal: writes demo/recordings/restart.cast (asciicast v2).

    python3 demo/record-shell.py

A person on call reads an alert (ticket OPS-311), restarts `payments-api` where `payments-worker` was meant, sees the errors that follow,
and puts it right. The shell and every command are real; only the keys are pressed by this script, with a fixed random seed.
"""
import codecs
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import struct
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
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
  runbook  restart payments-worker, then watch the queue
"""


def main():
    home = tempfile.mkdtemp()
    units = os.path.join(home, ".units")
    os.mkdir(units)
    for name, unit in UNITS.items():
        with open(os.path.join(units, name + ".json"), "w", encoding="utf-8") as f:
            json.dump(unit, f)
    with open(os.path.join(home, "ticket-OPS-311.txt"), "w", encoding="utf-8") as f:
        f.write(TICKET)
    env = {"HOME": home, "PATH": os.path.join(HERE, "shell") + ":/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": r"\[\e[32m\]oncall@bastion\[\e[0m\]:\[\e[34m\]~\[\e[0m\]$ ",
           "UNITCTL_DIR": units, "HISTFILE": "", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], env)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))

    start = time.monotonic()
    events, decoder, seen = [], codecs.getincrementaldecoder("utf-8")("replace"), ""

    def listen(seconds, until=None):
        nonlocal seen
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([fd], [], [], 0.02)[0]:
                try:
                    text = decoder.decode(os.read(fd, 65536))
                except OSError:
                    return
                if text:
                    events.append([round(time.monotonic() - start, 6), "o", text])
                    seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
            if until is not None and seen.endswith(until):
                return

    listen(3, PROMPT)
    listen(1.0)
    for line, look in STORY:
        for c in line:
            os.write(fd, c.encode())
            listen(0.028 + rnd.random() * 0.05 + (0.12 if c == " " and rnd.random() < 0.3 else 0))
        listen(0.25 + rnd.random() * 0.3)
        seen = ""
        os.write(fd, b"\r")
        listen(20, PROMPT)
        listen(look)
    os.write(fd, b"exit\r")
    listen(1.0)
    os.close(fd)
    os.waitpid(pid, 0)
    shutil.rmtree(home)

    header = {"version": 2, "width": COLS, "height": ROWS, "timestamp": 1793007900, "title": "oncall on bastion", "env": {"SHELL": "/bin/bash", "TERM": "xterm-256color"}}
    # Markers, so that one can jump: where the wrong unit is restarted, and where it is noticed.
    for text, label in (("stopping payments-api", "restart of payments-api"), ("oh no", "noticed")):
        joined, at = "", None
        for e in events:
            joined += e[2]
            if text in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", joined):
                at = e[0]
                break
        if at is None:
            sys.exit("record-shell: the story did not happen: no %r" % text)
        events.append([at, "m", label])
    events.sort(key=lambda e: e[0])
    out = os.path.join(HERE, "recordings", "restart.cast")
    with open(out, "w", encoding="utf-8") as f:
        for row in [header] + events:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
    print("%d events, %.1f s, %d KiB" % (len(events), events[-1][0], os.path.getsize(out) // 1024))


main()
