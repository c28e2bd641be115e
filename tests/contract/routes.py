#!/usr/bin/env python3
"""The contract and the route table say the same: every operationId of docs/api/openapi.yaml is a route of
src/format/route.h with the same method and path, and the other way round."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parents[2]))

# The few shapes of the document that matter here are plain lines, so no YAML library is needed.
contract, path, method = {}, None, None
for line in (ROOT / "docs/api/openapi.yaml").read_text(encoding="utf-8").splitlines():
    if m := re.match(r"^  (/\S*):\s*$", line):
        path = m.group(1)
    elif m := re.match(r"^    (get|post|put|patch|delete):\s*$", line):
        method = m.group(1).upper()
    elif m := re.match(r"^      operationId: (\w+)\s*$", line):
        contract[m.group(1)] = (method, path)

table = {m[1]: (m[2], m[3]) for m in re.finditer(r'\bR\((\w+), (\w+), "([^"]+)"',
                                                 (ROOT / "src/format/route.h").read_text(encoding="utf-8"))}
failed = 0
for name in sorted(set(contract) | set(table)):
    if contract.get(name) != table.get(name):
        failed += 1
        print(f"{name}: contract {contract.get(name)}, route table {table.get(name)}")
if not contract or not table:
    failed += 1
    print("nothing was read")
print(f"{len(set(contract) & set(table)) - failed if not failed else len(set(contract) & set(table))} passed, {failed} failed")
sys.exit(1 if failed else 0)
