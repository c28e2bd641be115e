#!/usr/bin/env python3
"""The recorder for pages (sdk/recorder) as npm would pack it: its files, types, licence and size; the script form has everything in it and
needs no eval. Skipped until the web part has been built once (it builds the recorder, too)."""
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parents[2]))
SDK = ROOT / "sdk" / "recorder"
GZ_MAX = 30_000

results = []


def check(name, fault):
    results.append(not fault)
    if fault:
        print(f"{name}: {fault}")


def packed():
    """What npm puts into the archive, by npm itself; without a network and without scripts."""
    with tempfile.TemporaryDirectory() as home:
        r = subprocess.run(["npm", "pack", "--dry-run", "--json", "--ignore-scripts", "--offline", "--cache", home], cwd=SDK, capture_output=True, text=True)
    if r.returncode != 0:
        return None, r.stderr.strip()
    return {f["path"] for f in json.loads(r.stdout)[0]["files"]}, None


def main():
    script = SDK / "dist" / "recorder.min.js"
    if not script.exists() or shutil.which("npm") is None:
        print("sdk.py: the recorder was not built here")
        print("0 passed, 0 failed, 6 skipped")
        return
    about = json.loads((SDK / "package.json").read_text())
    files, fault = packed()
    want = {"package.json", "README.md", "LICENSE", "NOTICE", "dist/recorder.js", "dist/recorder.min.js", "dist/index.d.ts"}
    check("npm pack", fault or ", ".join(sorted(want - files)))
    check("only what belongs there", fault or ", ".join(sorted(f for f in files - want if not re.fullmatch(r"dist/\w+\.d\.ts", f))))
    named = [about["main"], about["types"], about["unpkg"], *(v for e in about["exports"].values() for v in (e.values() if isinstance(e, dict) else [e]))]
    check("what package.json names is there", ", ".join(n for n in named if not (SDK / n).exists()))
    web = json.loads((ROOT / "web" / "package.json").read_text())
    check("one version of rrweb", "" if about["dependencies"]["@rrweb/record"] == web["devDependencies"]["@rrweb/record"] else "package.json of web and sdk differ")
    text = script.read_bytes()
    size = len(gzip.compress(text, 9, mtime=0))
    print(f"recorder.min.js: {len(text)} bytes, {size} gzip, at most {GZ_MAX}")
    check("size", "" if size <= GZ_MAX else f"{size} > {GZ_MAX}")
    check("no eval, no worker of a blob, its licences named", "" if not re.search(rb"\beval\(|new Function\(|new Worker\(", text) and text.startswith(b"/*! Keyhole recorder") and b"MIT" in text[:200] else "see the script")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    raise SystemExit(0 if all(results) else 1)


main()
