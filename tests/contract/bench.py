#!/usr/bin/env python3
"""The bench's own machinery, without measuring: verdicts of the short form, its list of rows, charts from a small JSON."""
import importlib.util
import json
import pathlib
import re
import sys
import tempfile
import xml.etree.ElementTree as ET
from importlib.machinery import SourceFileLoader

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
results = []


def load(name):
    spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(ROOT / "bench" / name)))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(what, good, detail=""):
    results.append(bool(good))
    if not good:
        print(f"{what}: {detail}")


def verdicts(quick):
    known = {"ratio": 4.0, "cause": "x"}
    for row, ratio, want in [
        ({"bar": [">=", 0.9]}, 0.9, True), ({"bar": [">=", 0.9]}, 0.46, True), ({"bar": [">=", 0.9]}, 0.44, False),
        ({"bar": ["<=", 1.0]}, 1.9, True), ({"bar": ["<=", 1.0]}, 2.1, False),
        ({"bar": ["<=", 1.0], "known": {"ratio": 1.2, "cause": "x"}}, 1.9, True), ({"bar": ["<=", 1.0], "known": {"ratio": 1.2, "cause": "x"}}, 2.1, False),
        ({"bar": ["<=", 1.0], "known": known}, 4.9, True), ({"bar": ["<=", 1.0], "known": known}, 5.1, False),
        ({"bar": [">=", 0.5], "known": {"ratio": 0.2, "cause": "x"}}, 0.17, True), ({"bar": [">=", 0.5], "known": {"ratio": 0.2, "cause": "x"}}, 0.15, False),
    ]:
        check(f"verdict of {ratio} against {row}", quick.verdict(row, ratio) == want, f"not {want}")


def rows(quick):
    text = quick.LIST.read_text(encoding="utf-8")
    check("quick.json", quick.as_text(json.loads(text)) == text, "is not as bench/quick --record writes it")
    for group, spec in json.loads(quick.LIST.read_text(encoding="utf-8")).items():
        source = (ROOT / "bench" / "rows" / f"{spec['module']}.py").read_text(encoding="utf-8")
        check(group, re.search(rf"^def {spec['function']}\(", source, re.M), f"no {spec['function']} in {spec['module']}.py")
        for row in spec["rows"]:
            good = row["what"] and re.compile(row["case"]) and row["bar"][0] in ("<=", ">=") and set(row) <= {"what", "case", "bar", "value", "known"}
            check(f"{group}: {row['case']}", good, "not a row")
            if "known" in row:
                at, bar = row["known"]["ratio"], row["bar"][1]
                check(f"{group}: {row['case']}", row["known"]["cause"] and (at < bar if row["bar"][0] == ">=" else at > bar), "a known miss has a cause and is one")


SMALL = {"machine": {"at": "2026-01-01T00:00:00+00:00", "commit": "abc", "cpu": "<cpu> & co", "cores": 2, "load_before": 0.5}, "cases": [
    {"name": "a", "value": 2.0, "rounds": [1.0, 2.0, 3.0], "growth": {"chart": "seek", "line": "half", "x": 1, "x_name": "minutes", "y_name": "ms"}},
    {"name": "b", "value": 2.5, "rounds": [2.5], "growth": {"chart": "seek", "line": "half", "x": 100, "x_name": "minutes", "y_name": "ms"}},
    {"name": "c", "value": 4.0, "rounds": [4.0], "growth": {"chart": "seek", "line": "most", "x": 10, "x_name": "minutes", "y_name": "ms"}},
    {"name": "d", "value": 0.0, "rounds": [0.0], "growth": {"chart": "one", "line": "<one>", "x": 7, "x_name": "n", "y_name": "ms"}},
    {"name": "no chart", "value": 1.0, "rounds": [1.0]},
]}


def draws(charts):
    with tempfile.TemporaryDirectory(prefix="keyhole-charts-") as top:
        top = pathlib.Path(top)
        (top / "growth.json").write_text(json.dumps(SMALL), encoding="utf-8")
        stdout, sys.stdout = sys.stdout, open(top / "said", "w", encoding="utf-8")
        charts.main([str(top / "growth.json"), "--out", str(top / "out")])
        sys.stdout.close()
        sys.stdout = stdout
        names = sorted(p.name for p in (top / "out").iterdir())
        check("charts", names == ["one.svg", "seek.svg"], names)
        root = ET.parse(top / "out" / "seek.svg").getroot()
        space = {"s": "http://www.w3.org/2000/svg"}
        dots = root.findall("s:circle", space)
        check("points", len(dots) == 3, len(dots))
        check("lines", len(root.findall("s:path", space)) == 2, "")
        by_x = sorted(dots, key=lambda d: float(d.get("cx")))
        xs = [float(d.get("cx")) for d in by_x]
        check("a logarithmic axis", abs((xs[1] - xs[0]) - (xs[2] - xs[1])) < 0.2, xs)
        check("higher is more", float(by_x[1].get("cy")) < float(by_x[2].get("cy")) < float(by_x[0].get("cy")) + 0.1, "")
        words = " ".join(t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text"))
        check("names", all(w in words for w in ("minutes", "ms", "half", "most", "100")), words)
        check("it says where from", "<cpu> & co" in root.find("s:desc", space).text, "")
    check("round_up", [charts.round_up(v) for v in (0, 0.3, 1, 2.1, 26, 501)] == [1.0, 0.5, 1, 2.5, 50, 1000], [charts.round_up(v) for v in (0.3, 2.1)])


quick, charts = load("quick"), load("charts")
verdicts(quick)
rows(quick)
draws(charts)
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
