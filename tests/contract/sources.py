#!/usr/bin/env python3
"""Rules about our sources that no compiler holds. One line per breach."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parents[2]))

RULES = [
    # A cleanup runs on every way out of the function, also before the line that would have filled the variable. (gcc fills it
    # with zeros by our flags and hides the mistake, clang does not.)
    (r"\.[ch]$", r"CLEANUP\(\w+\) [^=;]*;", "a CLEANUP variable needs a value where it is declared"),
    (r"\.(c|h|py|ts|tsx|mjs|sh|build)$", r"\b(TODO|FIXME|XXX)\b", "finish it, or say in an issue what is missing"),
    (r"^src/.*\.c$", r"\b(gets|strcpy|strcat|sprintf|vsprintf|strtok|rand_r|alloca)\s*\(", "not in this house"),
]


def files():
    try:
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
        return sorted(n for n in listed.decode().split("\0") if n and (ROOT / n).is_file())
    except (OSError, subprocess.CalledProcessError):  # a tree without git
        return sorted(str(p.relative_to(ROOT)) for top in ("src", "tests", "bench", "tools") for p in (ROOT / top).rglob("*") if p.is_file())


def main():
    found = seen = 0
    for name in files():
        wanted = [(p, words) for suffix, p, words in RULES if re.search(suffix, name)]
        if not wanted or name == "tests/contract/sources.py":
            continue
        seen += 1
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            for pattern, words in wanted:
                if re.search(pattern, line):
                    found += 1
                    print(f"{name}:{number}: {words}")
    if seen < 100:
        found += 1
        print(f"only {seen} files were read")
    print(f"{len(RULES)} passed, 0 failed" if not found else f"0 passed, {found} failed")
    return 1 if found else 0


sys.exit(main())
