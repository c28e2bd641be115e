#!/usr/bin/env python3
"""What the command line says about itself: help as committed, man pages that agree with it, completion, mistakes.

KEYHOLE_UPDATE=1 writes tests/cli/golden-help.txt anew; tools/mkman writes the man pages.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import KEYHOLE, ROOT, eq, has, main  # noqa: E402

GOLDEN = ROOT / "tests" / "cli" / "golden-help.txt"
MAN = ROOT / "docs" / "man"


def run(*args, env=None, **more):
    e = {k: v for k, v in os.environ.items() if not k.startswith("KEYHOLE_")}
    e.update({"KEYHOLE_CONFIG_DIR": "/nonexistent", **(env or {})})
    return subprocess.run([KEYHOLE, *args], capture_output=True, text=True, env=e, stdin=subprocess.DEVNULL, **more)


def names():
    return re.findall(r"^  (\S+(?: \S+)*?)  +\S", run("help").stdout, re.M)


def golden():
    text = run("help").stdout
    for name in names():
        r = run(*name.split(), "--help")
        eq(r.returncode, 0, name)
        eq(run("help", *name.split()).stdout, r.stdout, f"help {name}")
        text += f"\n==== keyhole {name} --help\n{r.stdout}"
    if os.environ.get("KEYHOLE_UPDATE"):
        GOLDEN.write_text(text)
    want = GOLDEN.read_text()
    if text != want:
        at = next(i for i, (a, b) in enumerate(zip(text.splitlines() + [None], want.splitlines() + [None])) if a != b)
        raise AssertionError(f"line {at + 1}: {text.splitlines()[at:at + 3]} is not {want.splitlines()[at:at + 3]}")


def each_teaches():
    for name in names():
        text = run(*name.split(), "--help").stdout
        has(text, f"usage: keyhole {name}")
        has(text, "\nExample\n")
        has(text.split("\nExample\n")[1], "keyhole")
        for line in text.splitlines():
            if len(line) > 160:
                raise AssertionError(f"{name}: too long: {line}")


def man_pages():
    with tempfile.TemporaryDirectory() as d:
        eq(run("man-pages", d).returncode, 0)
        fresh = {p.name: p.read_text() for p in pathlib.Path(d).iterdir()}
    there = {p.name: p.read_text() for p in MAN.glob("*.1")}
    eq(sorted(there), sorted(fresh), "pages (tools/mkman)")
    for name, text in fresh.items():
        eq(there[name] == text, True, f"{name} as tools/mkman writes it")
    eq(sorted(re.findall(r"'(.*)'", (MAN / "meson.build").read_text())), sorted(fresh), "pages that are installed")


def man_options():
    """The page of each command has each option of its --help, and its --help each option of the page."""
    for name in names():
        page = (MAN / f"keyhole-{name.replace(' ', '-')}.1").read_text().replace("\\-", "-")
        helped = set(re.findall(r"^  (?:-\w, )?--([a-z-]+)", run(*name.split(), "--help").stdout.split("\nOptions\n")[1], re.M))
        paged = set(re.findall(r"^\\fB(?:-\w, )?--([a-z-]+)", page, re.M))
        eq(paged, helped, name)
        has(page, ".SH EXAMPLE")


def man_renders():
    for page in sorted(MAN.glob("*.1")):
        r = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(page)], capture_output=True, text=True,
                           env={**os.environ, "MANWIDTH": "100", "MANPAGER": "cat"})
        if r.returncode == 127 or "command not found" in r.stderr or "minimized" in r.stdout:
            return
        eq(r.stderr, "", page.name)


def mistakes():
    rid = "r_" + "x" * 16
    table = [
        ([], 2, "usage: keyhole COMMAND"),
        (["frobnicate"], 2, "there is no command 'frobnicate'"),
        (["aprove"], 2, "did you mean 'approve'"),
        (["audit"], 2, "keyhole audit verify"),
        (["audit", "frob"], 2, "keyhole audit tail"),
        (["request"], 2, "something is missing"),
        (["show", rid, rid], 2, "is too much"),
        (["ls", "--limt", "3"], 2, "did you mean --limit"),
        (["ls", "--limit"], 2, "--limit needs a value"),
        (["ls"], 2, "which server?"),
        (["--version"], 0, ""),
        (["help", "nothing"], 2, "there is no command 'nothing'"),
        (["completion", "fish"], 2, "bash and zsh"),
        (["role", "cook"], 2, "there is no role"),
        (["serve"], 2, "-c DIR/keyhole.conf"),
        (["config", "check", "/nonexistent"], 1, "/nonexistent"),
        (["find", "nothing"], 2, "TYPE:ID"),
        (["init", "/nonexistent/a", "--trusted-proxy", "10.0.0.0/8"], 2, "--behind-proxy"),
        (["token", "add", "--project", "p"], 2, "--ingest"),
        (["import", "x", "--link", "nocolon"], 2, "which server?"),
    ]
    for args, code, text in table:
        r = run(*args)
        eq(r.returncode, code, " ".join(args))
        has(r.stderr + r.stdout, text)
    url = {"KEYHOLE_URL": "http://127.0.0.1:9"}
    for args, code, text in [
        (["show", "r_1"], 2, "16 characters"),
        (["ls", "--after", "soon"], 2, "--after is a time"),
        (["ls", "--limit", "-1"], 2, "whole number"),
        (["request", rid, "--for", "90"], 2, "length of time"),
        (["request", rid, "--for", "0s"], 2, "from 1s"),
        (["request", rid, "--for", "1s"], 2, "--purpose is missing"),
        (["request", rid, "--for", "1s", "--purpose", "a"], 2, "--reason is missing"),
        (["import", "x", "--link", "nocolon"], 1, "No such file"),
        (["import", str(GOLDEN), "--link", "nocolon"], 2, "a link is TYPE:ID"),
        (["api", "get", "/v1/me"], 2, "a method is"),
        (["api", "GET", "v1/me"], 2, "begins with /"),
        (["api", "GET", "/v1/me", "--header", "Authorization: Bearer x"], 2, "never from the command line"),
        (["login"], 2, "--user"),
        (["login", "--user", "x"], 2, "--password-file"),
        (["whoami"], 1, "cannot reach"),
    ]:
        r = run(*args, env=url)
        eq(r.returncode, code, " ".join(args))
        has(r.stderr, text)


def addresses():
    for url in ("rec.example.com", "ftp://rec.example.com", "http://rec.example.com", "https://rec.example.com/path",
                "https://a@rec.example.com", "https://", "https://rec.example.com?x", "https://rec example.com", "http://127.0.0.1.evil.example"):
        r = run("whoami", env={"KEYHOLE_URL": url, "KEYHOLE_TOKEN": "kst_secret"})
        eq(r.returncode, 2, url)
        if "kst_secret" in r.stdout + r.stderr:
            raise AssertionError("the token is in an error")
    for url in ("https://127.0.0.1:9", "http://localhost:9/", "http://[::1]:9", "http://eng.localhost:9"):
        eq(run("whoami", env={"KEYHOLE_URL": url}).returncode, 1, url)


def complete(words, shell="bash"):
    script = run("completion", shell).stdout
    line = " ".join(f"'{w}'" for w in words)
    code = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _keyhole; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    r = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    eq(r.stderr, "", str(words))
    return r.stdout.split()


def completions():
    eq(complete(["keyhole", "appr"]), ["approve"])
    eq(complete(["keyhole", "audit", ""]), ["tail", "logs", "verify", "vkey", "proof", "unseal"])
    eq(complete(["keyhole", "audit", "verify", "--v"]), ["--vkey"])
    eq(complete(["keyhole", "request", "--pur"]), ["--purpose"])
    eq(complete(["keyhole", "user", "a"]), ["add"])
    eq(complete(["keyhole", "ls", "--js"]), ["--json"])
    if len(complete(["keyhole", ""])) < 25:
        raise AssertionError("not all commands are completed")
    has(run("completion", "zsh").stdout, "#compdef keyhole")


main(golden, each_teaches, man_pages, man_options, man_renders, mistakes, addresses, completions)
