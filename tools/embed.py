#!/usr/bin/env python3
"""Turns web/dist into one C file: three tables of struct asset (src/gate/assets.h), sorted by path.

    embed.py DIST OUT.c      writes OUT.c only when it would change
    embed.py --empty OUT.c   tables without entries, for builds without the web app

The same input gives the same bytes: gzip without a time, no paths of the machine.
"""
import gzip
import hashlib
import os
import re
import sys

MIME = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".wasm": "application/wasm",
    ".json": "application/json", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}
PAGES = {"app": {"index.html": "/"}, "player": {"dom.html": "/dom", "terminal.html": "/terminal"}, "shop": {"index.html": "/"}}


def files(top):
    for folder, _, names in os.walk(top):
        for name in names:
            full = os.path.join(folder, name)
            yield os.path.relpath(full, top).replace(os.sep, "/"), full


def literal(data):
    """A C string literal; octal, so that no digit that follows can join an escape."""
    out, line = [], []
    for i, b in enumerate(data):
        if b in (0x22, 0x5C, 0x3F) or b < 0x20 or b > 0x7E:
            nxt = data[i + 1] if i + 1 < len(data) else 0
            line.append("\\%03o" % b if 0x30 <= nxt <= 0x37 else "\\%o" % b)
        else:
            line.append(chr(b))
        if len(line) >= 110:
            out.append('"%s"' % "".join(line))
            line = []
    out.append('"%s"' % "".join(line))
    return "\n    ".join(out)


def table(site, top, out):
    rows = []
    found = sorted(files(top)) if top else []
    same = {}  # a file under two names lies in the binary once
    for n, (rel, full) in enumerate(found):
        with open(full, "rb") as f:
            data = f.read()
        ext = os.path.splitext(rel)[1]
        if ext not in MIME:
            sys.exit("embed.py: no media type for %s" % rel)
        path = PAGES[site].get(rel, "/" + rel)
        packed = gzip.compress(data, 9, mtime=0)
        if len(packed) >= len(data):
            packed = b""
        var = same.get(data, "%s_%d" % (site, n))
        if data not in same:
            same[data] = var
            out.append("/* %s */\nstatic const unsigned char %s[] =\n    %s;\n" % (path, var, literal(data)))
            if packed:
                out.append("static const unsigned char %s_gz[] =\n    %s;\n" % (var, literal(packed)))
        rows.append((path.encode(), '    { "%s", "%s", "\\"%s\\"", { %s, %d }, { %s, %d }, %s, %s },' % (
            path, MIME[ext], hashlib.sha256(data).hexdigest()[:32], var, len(data),
            var + "_gz" if packed else "NULL", len(packed),
            "true" if re.search(r"^assets/.*-[A-Za-z0-9_-]{8}\.\w+$", rel) else "false",
            "true" if ext == ".html" else "false")))
    missing = set(PAGES[site]) - {rel for rel, _ in found}
    if top and missing:
        sys.exit("embed.py: %s lacks %s" % (top, ", ".join(sorted(missing))))
    rows.sort()
    # One entry too many, because C has no empty arrays; _n does not count it.
    body = "\n".join(r for _, r in rows) + ("\n" if rows else "") + "    { 0 },"
    out.append("const struct asset asset_%s_table[] = {\n%s\n};\nconst size_t asset_%s_table_n = %d;\n" % (site, body, site, len(rows)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    dist, target = sys.argv[1:]
    out = ['/* Written by tools/embed.py; not edited. */\n#include "gate/assets.h"\n\n'
           "extern const struct asset asset_app_table[], asset_player_table[], asset_shop_table[];\n"
           "extern const size_t asset_app_table_n, asset_player_table_n, asset_shop_table_n;\n"]
    for site in ("app", "player", "shop"):
        table(site, None if dist == "--empty" else os.path.join(dist, site), out)
    text = "\n".join(out)
    try:
        with open(target, encoding="ascii") as f:
            if f.read() == text:
                return
    except OSError:
        pass
    with open(target + ".tmp", "w", encoding="ascii") as f:
        f.write(text)
    os.replace(target + ".tmp", target)


main()
