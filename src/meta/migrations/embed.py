#!/usr/bin/env python3
"""Writes the numbered SQL files as one C table: embed.py OUT.c 0001_first.sql ..."""
import os
import sys


def literal(text):
    for line in text.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"')
        yield f'      "{escaped}\\n"'


out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
lines = ['#include "meta/migrations/migrations.h"', "", "const struct migration migrations[] = {"]
for want, path in enumerate(files, 1):
    number, name = os.path.basename(path)[:-4].split("_", 1)
    if int(number) != want:
        sys.exit(f"{path}: expected number {want:04d}")
    with open(path, encoding="utf-8") as f:
        lines += [f'    {{ {want}, "{name}",'] + list(literal(f.read())) + ["    },"]
lines += ["};", "const size_t n_migrations = sizeof(migrations) / sizeof(migrations[0]);", ""]
with open(out, "w", encoding="utf-8") as f:
    f.write("\n".join(lines))
