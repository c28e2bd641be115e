#!/usr/bin/env python3
"""keyhole import: what real sudo and real script recorded, directories, archives, what is broken, and the held files of each kind."""
import bz2
import gzip
import io
import json
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tarfile
import termios
import fcntl
import time
import urllib.request
import zipfile

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import KEYHOLE, SHARED, Server, Skip, eq, has, main  # noqa: E402

S = Server()
CAST = '{"version":2,"width":80,"height":24}\n[0.1,"o","hello\\r\\n"]\n[0.5,"o","there\\r\\n"]\n'
ID = r"r_[A-Za-z0-9_-]{16}$"


def run_import(*args, code=0, **kw):
    r = S.run("import", *map(str, args), "--project", "default", token=S.admin, check=False, **kw)
    if r.code != code:
        raise AssertionError(f"import {args}: exit {r.code}\n{r.out}{r.err}")
    return r


def last_screen(rid):
    """What a viewer sees at the end, cell by cell."""
    S.grant(rid)
    return S.run("play", rid, who="eng").out


def on_terminal(command, typed=(), cols=100, rows=30, cwd=None):
    """Runs it on a pseudo terminal of that size and types; what came out of it."""
    pid, fd = pty.fork()
    if pid == 0:
        if cwd:
            os.chdir(cwd)
        time.sleep(0.1)  # until it has its size
        os.execvp(command[0], command)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    out, typed, began = b"", list(typed), time.monotonic()
    while time.monotonic() - began < 20:
        if typed and re.search(typed[0][0], out):
            os.write(fd, typed.pop(0)[1])
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            got = os.read(fd, 65536)
        except OSError:
            break
        if not got:
            break
        out += got
    os.close(fd)
    os.waitpid(pid, 0)
    return out


SESSION = "stty size; printf '\\033[1;31mred\\033[0m caf\\303\\251 \\346\\274\\242\\n'; read x; echo got $x; printf '\\033[5;10Hplaced'; sleep 0.3; printf '\\033[7;1Hdone\\n'"


def looks(rid):
    screen = last_screen(rid)
    for part in ("30 100", "red café 漢", "got abc", "         placed", "done"):
        has(screen, part)
    lines = screen.splitlines()
    at = [i for i, line in enumerate(lines) if line == "         placed"]
    eq(at, [4], "placed stands on line 5")
    return screen


def real_script():
    """Both timing formats of util-linux script; the directory, the two files, and --timing."""
    screens = []
    for how in ("classic", "advanced"):
        d = S.top / f"script-{how}"
        d.mkdir()
        on_terminal(["script", "-q", "-c", SESSION, "--log-out", "typescript", "--log-timing", "timing", "--logging-format", how,
                     *(["--log-in", "input"] if how == "advanced" else [])], [(b"red", b"abc\r")], cwd=d)
        r = run_import(d)
        eq(len(re.findall(ID, r.out, re.M)), 1, how)
        screens.append(looks(r.last()))
        named = [d / "typescript", d / "timing"] + ([d / "input"] if how == "advanced" else [])
        r = run_import(*named)
        eq(len(re.findall(ID, r.out, re.M)), 1, f"{how}: files side by side are one recording")
        shutil.copy(d / "timing", S.top / f"elsewhere-{how}")
        r = run_import(d / "typescript", "--timing", S.top / f"elsewhere-{how}",
                       *(["--input-log", d / "input"] if how == "advanced" else []))
        eq(looks(r.last()), screens[-1])
        r = run_import(d / "typescript", code=1)
        has(r.err, "times")
    eq(screens[0], screens[1])
    # one file for what was typed and what was shown
    d = S.top / "script-io"
    d.mkdir()
    on_terminal(["script", "-q", "-c", SESSION, "--log-io", "io", "--log-timing", "t"], [(b"red", b"abc\r")], cwd=d)
    looks(run_import(d / "io", "--timing", d / "t").last())


def real_sudo():
    """sudo's I/O log of a session on a terminal, plain and compressed. Its sudoers file is ours, in a mount namespace of the test."""
    top = S.top / "sudo"
    top.mkdir()
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    for how in ("compress_io", "!compress_io"):
        logs = top / how.strip("!")[:4 if how[0] == "!" else 8]
        logs.mkdir(exist_ok=True)
        rules = top / "sudoers"
        rules.unlink(missing_ok=True)
        rules.write_text(f"Defaults iolog_dir={logs}, log_input, log_output, {how}, use_pty, !lecture\nroot ALL=(ALL) NOPASSWD: ALL\n")
        rules.chmod(0o440)
        if subprocess.run([*unshare, "mount", "--bind", str(rules), "/etc/sudoers"], capture_output=True).returncode != 0:
            raise Skip("no mount namespace of its own, or no sudo")
        session = top / "session"
        session.write_text(f"mount --bind {rules} /etc/sudoers && exec sudo sh {top}/inner\n")
        (top / "inner").write_text(SESSION + "\n")
        on_terminal([*unshare, "sh", str(session)], [(b"red", b"abc\r")])
        made = logs / "00" / "00" / "01"
        if not made.is_dir():
            raise AssertionError("sudo left no log")
        eq((made / "timing").read_bytes()[:2] == b"\x1f\x8b", how == "compress_io", "compressed")
        r = run_import(logs, "--json")
        eq(r.json()["format"], "sudo-iolog")
        looks(r.json()["id"])
        if how == "compress_io":
            (made / "log.json").unlink()  # the older form says as much
            rid = run_import(made).last()
            looks(rid)
            packed = S.top / "session.tar.gz"
            with tarfile.open(packed, "w:gz") as t:
                t.add(made, "000001")
            looks(run_import(packed).last())
            eq(post(packed.read_bytes())["format"], "sudo-iolog", "the server takes the tar as it is")


def directories_and_archives():
    top = S.top / "many"
    (top / "a" / "deep").mkdir(parents=True)
    (top / ".hidden").mkdir()
    (top / ".hidden" / "x.cast").write_text(CAST)
    (top / "one.cast").write_text(CAST)
    (top / "a" / "two.cast.gz").write_bytes(gzip.compress(CAST.encode()))
    (top / "a" / "three.cast.bz2").write_bytes(bz2.compress(CAST.encode()))
    (top / "a" / "README.md").write_text("# not a recording\n")
    (top / "a" / "deep" / "broken.cast").write_text('{"version":2,"width":80,"height":24}\n[0.1,"o","x"]\n[oops\n')
    (top / "a" / "deep" / "typescript").write_bytes(b"Script started on 2026-02-03 12:55:07+00:00 [COLUMNS=\"90\" LINES=\"20\"]\nhello\r\nScript done on 2026-02-03 12:55:08+00:00 [COMMAND_EXIT_CODE=\"4\"]\n")
    (top / "a" / "deep" / "timing").write_text("0.5 7\n")
    os.symlink("/etc", top / "link")
    r = run_import(top, code=1)
    eq(len(re.findall(ID, r.out, re.M)), 4, r.out + r.err)
    has(r.err, "broken.cast: line 3: ")
    has(r.err, "4 stored, 1 refused, 1 passed over")
    has(run_import(top, "--verbose", code=1).err, "README.md: ")
    for name in ("all.tar", "all.tar.xz", "all.zip"):
        box = S.top / name
        if name.endswith("zip"):
            with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as z:
                for f in sorted(top.rglob("*")):
                    if f.is_file() and ".hidden" not in f.parts:
                        z.write(f, f.relative_to(S.top))
        else:
            with tarfile.open(box, "w:xz" if name.endswith("xz") else "w") as t:
                t.add(top, "many", filter=lambda i: None if ".hidden" in i.name else i)
        r = run_import(box, code=1)
        eq(len(re.findall(ID, r.out, re.M)), 4, name + r.out + r.err)
        has(r.err, f"{box}: many/a/deep/broken.cast: line 3: ")
    r = run_import(top / "one.cast", S.top / "none", top / "a" / "two.cast.gz", code=1)
    eq(len(re.findall(ID, r.out, re.M)), 2)
    has(r.err, "none: No such file")
    cut = S.top / "cut.zip"
    cut.write_bytes((S.top / "all.zip").read_bytes()[:400])
    has(run_import(cut, code=1).err, "cut.zip: ")
    (S.top / "empty").mkdir()
    has(run_import(S.top / "empty", code=1).err, "no recording")
    (top / "one.cast").rename(S.top / "title.cast")
    rid = run_import(S.top / "title.cast", "--title-from-name").last()
    eq(S.run("show", rid, "--json", token=S.admin).json()["title"], "title.cast")
    odd = S.top / "odd names"  # not UTF-8, controls, longer than a title: each has one, and none stops the others
    odd.mkdir()
    for name in (b"caf\xe9.cast", b"a\x1b[31m\n.cast", b"n" * 240 + b".cast", "é".encode() * 120 + b".cast"):
        (pathlib.Path(os.fsdecode(os.fsencode(odd) + b"/" + name))).write_text(CAST)
    ids = re.findall(ID, run_import(odd, "--title-from-name").out, re.M)
    eq(sorted(S.run("show", i, "--json", token=S.admin).json()["title"] for i in ids),
       sorted(["caf\ufffd.cast", "a\\x1b[31m\\n.cast", "n" * 199 + "…", "é" * 120 + ".cast"]))
    has(run_import(S.top / "title.cast", S.top / "cut.zip", "--timing", "x", code=2).err, "one FILE")
    run_import("-", stdin=CAST)


def progress_bar():
    shown = on_terminal(["env", f"KEYHOLE_URL={S.url}", f"KEYHOLE_TOKEN={S.admin}", KEYHOLE, "import", str(S.top / "many"), "--project",
                         "default"])
    has(shown.decode(), "of 5  ")
    has(shown.decode(), "asciicast-v2")


def post(body):
    q = urllib.request.Request(S.url + "/v1/import?project=default", body, {"Authorization": "Bearer " + S.admin})
    with urllib.request.urlopen(q) as r:
        return json.load(r)


def hostile_tars():
    """A tar whose names and sizes lie writes nothing anywhere and is refused with words."""
    for name, info in {"up": dict(name="../../etc/evil", type=tarfile.REGTYPE), "abs": dict(name="/tmp/keyhole-evil", type=tarfile.REGTYPE),
                       "sym": dict(name="timing", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
                       "dev": dict(name="ttyout", type=tarfile.CHRTYPE)}.items():
        box = S.top / f"{name}.tar"
        with tarfile.open(box, "w") as t:
            i = tarfile.TarInfo(info["name"])
            i.type, i.linkname = info["type"], info.get("linkname", "")
            body = CAST.encode() if i.type == tarfile.REGTYPE else b""
            i.size = len(body)
            t.addfile(i, io.BytesIO(body))
        r = run_import(box, code=1 if name in ("sym", "dev") else 0)
        del r
    eq(pathlib.Path("/tmp/keyhole-evil").exists(), False)


def tlog_of_two():
    def line(rec, n, text):
        return json.dumps({"ver": "2.3", "host": "h", "rec": rec, "user": "u", "term": "xterm", "session": 1, "id": n, "pos": n * 100,
                           "timing": f"=80x24+5>{len(text)}", "in_txt": "", "in_bin": [], "out_txt": text, "out_bin": []})

    both = S.top / "two.tlog"
    both.write_text("\n".join([line("one", 1, "first é\r\n"), line("two", 1, "other\r\n"), line("one", 2, "second\r\n")]) + "\n")
    r = run_import(both)
    ids = re.findall(ID, r.out, re.M)
    eq(len(ids), 2, r.out + r.err)
    screens = sorted(last_screen(i).strip() for i in ids)
    eq(screens, ["first é\nsecond", "other"])


HELD = ("asciicast", "copyleft/asciicast", "script", "sudo_iolog", "ttyrec", "copyleft/ttyrec", "copyleft/tlog", "teleport")


def held_files():
    """Every held file of these kinds is stored or refused with a cause; counts and refusals are printed."""
    if not SHARED.is_dir():
        raise Skip("no held files beside the checkout")
    total = [0, 0]
    for folder in HELD:
        r = S.run("import", str(SHARED / folder), "--verbose", "--project", "default", token=S.admin, check=False, timeout=120)
        stored = len(re.findall(ID, r.out, re.M))
        refused = [x for x in r.err.splitlines() if x.startswith("keyhole: ")]
        total[0] += stored
        total[1] += len(refused)
        print(f"{folder}: {stored} stored, {len(refused)} not")
        for x in refused:
            name, _, cause = x[len("keyhole: " + str(SHARED)) + 1:].partition(": ")
            print(f"  {name}: {cause[:110]}")
            if len(cause) < 10:
                raise AssertionError(f"no cause: {x}")
        if r.code not in (0, 1):
            raise AssertionError(r.err)
    print(f"together: {total[0]} stored, {total[1]} not")
    if total[0] < 90:
        raise AssertionError("too few of the held files went in")


try:
    main(real_script, real_sudo, directories_and_archives, progress_bar, hostile_tars, tlog_of_two, held_files)
finally:
    S.close()
