#!/usr/bin/env python3
"""What the documents say about the repository is so: links and paths lead somewhere, make targets exist, settings and their
defaults are the code's, the folder table is the include rule, the message table is src/format/ipc.h.

  docs.py            check
  docs.py --write    write the generated table of docs/formats/ipc.md anew
"""
import ast
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("KEYHOLE_SRC", pathlib.Path(__file__).resolve().parents[2]))
SKIP = {"node_modules", ".git", ".mirror"}
TOP = ("src", "docs", "tests", "tools", "packaging", "demo", "bench", "web", "sdk", ".ci", "meson")
IPC_BEGIN, IPC_END = "<!-- ipc:begin (tests/contract/docs.py --write) -->\n", "<!-- ipc:end -->"

results = []


def check(name, faults):
    results.append(not faults)
    for fault in faults:
        print(f"{name}: {fault}")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def pages():
    for top, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in SKIP and not f.startswith("build"))
        for name in sorted(names):
            if name.endswith(".md"):
                yield (pathlib.Path(top) / name).relative_to(ROOT)


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(text):
    for heading in re.findall(r"^#+ (.*)$", without_code(text), re.M):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower())
        yield words.replace(" ", "-")


# ---- links, paths, targets ----

def broken_links(page):
    text = read(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", without_code(text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (ROOT / page).parent / path if path else ROOT / page
        if not to.exists():
            yield f"link to {target}"
        elif anchor and to.suffix == ".md" and anchor not in set(anchors(to.read_text(encoding="utf-8"))):
            yield f"no heading {target}"


def braces(path):
    if m := re.search(r"\{([^{}]*,[^{}]*)\}", path):
        return [p for part in m[1].split(",") for p in braces(path[:m.start()] + part + path[m.end():])]
    return [path]


def broken_paths(page):
    """Paths in `code` that begin with a folder of ours."""
    for quoted in re.findall(r"`([^`\n]+)`", without_code(read(page))):
        for word in quoted.split():
            if not re.fullmatch(r"(%s)/[\w./{},*-]*" % "|".join(map(re.escape, TOP)), word):
                continue
            group = re.fullmatch(r"tests/(\w+)/", word)
            if group and f'"{group[1]}"' in read("tests/run"):
                continue  # a group of tests may still be empty
            if word.startswith(("web/dist", "web/node_modules", "bench/out", "tests/e2e/out")):
                continue  # made by a build or a run
            for path in braces(word.rstrip(".,:;")):
                base = ROOT if (ROOT / path.split("/")[0]).exists() else (ROOT / page).parent
                # src/format/leaf stands for its .c and .h
                if not any(any(top.glob(path.rstrip("/") + end)) for top in (base, (ROOT / page).parent) for end in ("", ".[ch]")):
                    yield f"path {path}"


def unknown_targets(page, targets):
    text = read(page)
    named = re.findall(r"`make ((?:[a-z][a-z-]*)?)", text)
    for block in re.findall(r"^```.*?^```", text, re.M | re.S):
        named += re.findall(r"^(?:\$ )?make ([a-z][a-z-]*)", block, re.M)
    for name in named:
        if name and name not in targets:
            yield f"make {name}"


def unknown_commands(page, commands):
    """`keyhole WORD…` in code: the command exists."""
    text = read(page)
    spans = re.findall(r"`([^`\n]+)`", without_code(text)) + [line for block in re.findall(r"^```.*?^```", text, re.M | re.S)
                                                             for line in block.splitlines()]
    for span in spans:
        for words in re.findall(r"(?:^|(?<!-u)[ ;&])keyhole ([a-z-]+(?: [a-z-]+)?)", span):
            if words.split()[0] not in ("role", *commands) and words not in commands:
                yield f"keyhole {words}"


# ---- settings ----

UNITS = {"ms": 1, "s": 1000, "min": 60000, "h": 3600000, "d": 86400000, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
C_NAMES = {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "SECOND": 1000, "MINUTE": 60000, "HOUR": 3600000}


def product(expression):
    value = 1
    for factor in expression.split("*"):
        value *= C_NAMES.get(factor.strip()) or int(factor)
    return value


def code_settings():
    """name -> (kind, default or None)"""
    source = read("src/server/config.c")
    tables = {m[1]: re.findall(r'\.name = "(\w+)", \.type = CONFUSE_(\w+)(?:, \.opts = (\w+))?', m[2])
              for m in re.finditer(r"struct confuse_opt (\w+)\[\] = \{(.*?)\n\};", source, re.S)}
    fields = {(m[1] or "", m[2]): m[3] for m in
              re.finditer(r'get_(?:ms|u64|unsigned)\((?:section\(root, "(\w+)"\)|\w+), "(\w+)", &c->([\w.]+)\)', source)}
    by_variable = {(m[1], m[2]): m[3] for m in re.finditer(r'get_(?:ms|u64|unsigned)\((\w+), "(\w+)", &c->([\w.]+)\)', source)}
    defaults = {m[1]: m[2] for m in re.finditer(r"c->([\w.]+) = ([\d][\w *]*|[A-Z]+);", source)}
    found = {}
    for name, kind, opts in tables["schema"]:
        if kind != "SECTION":
            found[name] = (kind, None)
            continue
        for inner, inner_kind, _ in tables[opts]:
            field = fields.get((name, inner)) or by_variable.get((name, inner))
            value = product(defaults[field]) if field in defaults else 0 if field else None
            found[f"{name}.{inner}"] = (inner_kind, value)
    return found


def page_settings():
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]*) \|", read("docs/operations.md").split("## Settings")[1].split("\n## ")[0], re.M)
    return {name: default.strip().strip("`") for name, default in rows}


def as_number(text):
    m = re.match(r"(\d[\d,]*)\s*(ms|s|min|h|d|KiB|MiB|GiB)?\b", text)
    return int(m[1].replace(",", "")) * UNITS.get(m[2], 1) if m else None


def settings_differ():
    code, page = code_settings(), page_settings()
    for name in sorted(set(code) | set(page)):
        if name not in page:
            yield f"{name} is not in the table"
        elif name not in code:
            yield f"{name} is no setting of the code"
        elif code[name][0] in ("DURATION", "BYTES", "INT") and as_number(page[name]) != code[name][1]:
            yield f"{name}: the page says {page[name]}, the code {code[name][1]}"
    if len(code) < 20:
        yield "the code's tables were not read"


# ---- layers ----

def check_layers_table(name):
    source = read("tools/check-layers")
    return ast.literal_eval(re.search(r"^%s = (\{.*?^\}|\[.*?^\])" % name, source, re.M | re.S)[1])


def layers_differ():
    may = check_layers_table("MAY")
    section = read("ARCHITECTURE.md").split("## Folders are layers")[1].split("\n## ")[0]
    rows = {m[1]: m[2].split() for m in re.finditer(r"^\| `src/(\w+)` \|[^|]*\|[^|]*\| ([^|]*) \|", section, re.M)}
    for folder in sorted(set(may) | set(rows)):
        page = [w for w in rows.get(folder, []) if w != "–"]
        if folder not in rows or folder not in may or sorted(page) != sorted(may[folder]):
            yield f"src/{folder}: the page says {' '.join(page) or 'nothing'}, tools/check-layers {' '.join(may.get(folder, ['nothing']))}"
    for folder in may:
        if not (ROOT / "src" / folder).is_dir():
            yield f"src/{folder} does not exist"


# ---- threats ----

def tests_missing():
    n = 0
    for name, function in re.findall(r"`(\w+/\w+)` ([a-z]\w+)", read("docs/threat-model.md").split("## Attacks")[1]):
        n += 1
        path = ROOT / "tests" / "unit" / f"{name}.c"
        if not path.exists() or not re.search(r"\b(?:cmocka_unit_test\w*|[A-Z]+)\(%s\b" % function, path.read_text(encoding="utf-8")):
            yield f"no test {function} in tests/unit/{name}.c"
    if n < 20:
        yield "the table of attacks was not read"


# ---- messages ----

def ipc_table():
    source = re.sub(r"/\*.*?\*/", "", read("src/format/ipc.h"), flags=re.S).replace("\\\n", " ")
    fields = {m[1]: re.findall(r"(F|L)\((\w+), (\w+)\)", m[2])
              for m in re.finditer(r"#define IPC_(\w+)\(F, L\)(.*)", source)}

    def text(name):
        return ", ".join(f"`{n}` {k if form == 'L' else k.lower()}{'[]' if form == 'L' else ''}" for form, k, n in fields[name])

    lines = ["| Type | Message | Fields |", "|---|---|---|"]
    messages = re.search(r"#define IPC_MESSAGES\(X\)(.*)", source)[1]
    for number, (name, lower) in enumerate(re.findall(r"X\((\w+), (\w+)\)", messages), 1):
        lines.append(f"| {number} | `{lower}` | {text(name)} |")
    lines += ["", "| Row | Fields |", "|---|---|"]
    for name, lower in re.findall(r"X\((\w+), (\w+)\)", re.search(r"#define IPC_ROWS\(X\)(.*)", source)[1]):
        lines.append(f"| {lower} | {text('ROW_' + name)} |")
    return "\n".join(lines) + "\n"


def ipc_differs(write):
    page = read("docs/formats/ipc.md")
    head, rest = page.split(IPC_BEGIN)
    old, tail = rest.split(IPC_END)
    new = ipc_table()
    if write and old != new:
        (ROOT / "docs/formats/ipc.md").write_text(head + IPC_BEGIN + new + IPC_END + tail, encoding="utf-8")
        return []
    if old == new:
        return []
    return [f"table differs: {a!r} should be {b!r}" for a, b in zip(old.splitlines() + [""] * 99, new.splitlines()) if a != b][:3] or ["table differs"]


def main():
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.M))
    commands = {name for path in (ROOT / "src/cli").glob("*.c")
                for name in re.findall(r'^\s*\.name = "([a-z -]+)",', path.read_text(encoding="utf-8"), re.M)}
    n = 0
    for page in pages():
        n += 1
        check(str(page), [*broken_links(page), *broken_paths(page), *unknown_targets(page, targets), *unknown_commands(page, commands)])
    check("src/cli", [] if len(commands) > 10 else ["the commands were not read"])
    check("pages", [] if n >= 8 else [f"only {n} pages were found"])
    check("docs/operations.md", list(settings_differ()))
    check("ARCHITECTURE.md", list(layers_differ()))
    check("docs/threat-model.md", list(tests_missing()))
    check("docs/formats/ipc.md", ipc_differs("--write" in sys.argv[1:]))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


sys.exit(main())
