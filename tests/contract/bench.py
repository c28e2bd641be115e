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
        ({"bar": ["<=", 1.0], "known": known}, 5.9, True), ({"bar": ["<=", 1.0], "known": known}, 6.1, False),
        ({"bar": ["<=", 1.0], "known": known, "wall": True}, 7.9, True), ({"bar": ["<=", 1.0], "known": known, "wall": True}, 8.1, False),
        ({"bar": [">=", 0.5], "known": {"ratio": 0.21, "cause": "x"}}, 0.15, True), ({"bar": [">=", 0.5], "known": {"ratio": 0.21, "cause": "x"}}, 0.13, False),
    ]:
        check(f"verdict of {ratio} against {row}", quick.verdict(row, ratio) == want, f"not {want}")


def rows(quick):
    text = quick.LIST.read_text(encoding="utf-8")
    check("quick.json", quick.as_text(json.loads(text)) == text, "is not as bench/quick --record writes it")
    for group, spec in json.loads(quick.LIST.read_text(encoding="utf-8")).items():
        source = (ROOT / "bench" / "rows" / f"{spec['module']}.py").read_text(encoding="utf-8")
        check(group, re.search(rf"^def {spec['function']}\(", source, re.M), f"no {spec['function']} in {spec['module']}.py")
        for row in spec["rows"]:
            good = row["what"] and re.compile(row["case"]) and row["bar"][0] in ("<=", ">=") and set(row) <= {"what", "case", "bar", "value", "known", "wall"}
            check(f"{group}: {row['case']}", good, "not a row")
            if "known" in row:
                at, bar = row["known"]["ratio"], row["bar"][1]
                check(f"{group}: {row['case']}", row["known"]["cause"] and (at < bar if row["bar"][0] == ">=" else at > bar), "a known miss has a cause and is one")


def retries(quick):
    """A row that fails is measured again, the best counts, and what cannot be measured fails."""
    spec = {"module": "m", "function": "f", "rows": [{"what": "w", "case": "^a$", "bar": ["<=", 1.0]}]}

    def by(*ratios):
        left = list(ratios)
        quick.measure = lambda *_: None if (r := left.pop(0)) is None else [{"name": "a", "value": 9.0, "ratio": r}]
        (_, ratio, good), = quick.check("g", spec, None)
        return ratio, good, len(left)

    check("the first will do", by(0.9, 5.0) == (0.9, True, 1), "")
    check("the second is better", by(5.0, 1.5, 9.0) == (1.5, True, 1), "")
    check("the best of three counts", by(5.0, 3.0, 4.0) == (3.0, False, 0), "")
    check("a row that breaks fails", by(None, None, None) == (None, False, 0), "")
    check("a row that breaks once", by(None, 1.0, None) == (1.0, True, 1), "")


def recording(quick):
    """Only better ratios are written down; what is met is no miss any more."""
    def after(bar, known, ratio):
        row = {"bar": bar, "known": {"ratio": known, "cause": "x"}}
        quick.record(row, ratio)
        return row.get("known", {}).get("ratio")

    check("better", after(["<=", 1.0], 2.0, 1.5) == 1.5 and after([">=", 0.5], 0.1, 0.21239) == 0.212, "")
    check("worse", after(["<=", 1.0], 2.0, 2.5) == 2.0 and after([">=", 0.5], 0.1, 0.05) == 0.1, "")
    check("met", after(["<=", 1.0], 2.0, 1.0) is None and after([">=", 0.5], 0.1, 0.6) is None, "")
    row = {"bar": ["<=", 1.0]}
    quick.record(row, 0.5)
    check("not a known miss", row == {"bar": ["<=", 1.0]}, row)


def judging(figures):
    """Ratios are of the same round; a bar that cannot be judged is neither met nor missed; the table says so."""
    cases = figures.judge([
        figures.case("ours", "µs", [10, 30, 20], "ref", ("ratio<=", 1.0)), figures.case("ref", "µs", [10, 10, 40]),
        figures.case("rate", "/s", [5.0], None, (">=", 6)), figures.case("alone", "µs", [1.0], "nobody", ("ratio<=", 1.0)),
        figures.case("zero", "", [0.0], "none", ("ratio<=", 2)), figures.case("none", "", [0.0])])
    by_name = {c["name"]: c for c in cases}
    check("the median of the rounds' ratios", (by_name["ours"]["ratio"], by_name["ours"]["met"]) == (1.0, True), by_name["ours"])
    check("a bar missed", by_name["rate"]["met"] is False, by_name["rate"])
    check("no reference, no verdict", by_name["alone"]["met"] is None and by_name["zero"]["met"] is None, by_name["alone"])
    words = figures.markdown("t", cases)
    check("words", "≤ 1.0 ×: met" in words and "≥ 6.00: **NOT MET**" in words and words.count("not measured") == 2, words)


def promised(figures):
    """Every figure of bench/figures.json names rows that exist, is found under its case, and is said to be missing when it is."""
    run = (ROOT / "bench" / "run").read_text(encoding="utf-8")
    listed = json.loads(figures.PROMISED.read_text(encoding="utf-8"))
    check("figures", len(listed) >= 18, len(listed))
    for f in listed:
        check(f["figure"], set(f) == {"figure", "reference", "bar", "cases"} and all(f[k] for k in f), "not a figure")
        for group, patterns in f["cases"].items():
            check(f"{f['figure']}: {group}", f'"{group}": (' in run and patterns and all(re.compile(p) for p in patterns), "bench/run has no such row")
    nothing = list(figures.promised({}))
    check("what is not there is said", all(r[-1] == "not measured" for r in nothing) and len(nothing) == sum(len(p) for f in listed for p in f["cases"].values()), "")
    some = figures.judge([figures.case("idle, TLS: PSS, all roles", "MiB", [50.0], None, ("<=", 40))])
    states = [r[-1] for r in figures.promised({"idle": some}) if r[3].startswith("idle")]
    check("what is missed is said", states == ["**NOT MET**"], states)
    check("and in text", "NOT MET" in figures.promised_text({"idle": some}) and "idle server" in figures.promised_text({"idle": some}), "")


def costs(figures):
    """Every constant of docs/scaling.md names rows that exist; what is not there is a dash."""
    run = (ROOT / "bench" / "run").read_text(encoding="utf-8")
    for c in json.loads(figures.CONSTANTS.read_text(encoding="utf-8")):
        check(c["of"], c["grows"] and all(f'"{group}": (' in run and re.compile(pattern) for _, group, pattern in c["what"]), "bench/run has no such row")
    cases = [figures.case("2000 streams: CPU of 1 000, of a core", "%", [3.0]), figures.case("15000 streams: CPU of 1 000, of a core", "%", [1.5])]
    line = next(row for row in figures.constants({"streams": cases}) if "1,000 paced streams" in row)
    check("the larger size counts", "CPU, of a core 1.50 %" in line and "over TLS –" in line, line)


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
        later = dict(SMALL, machine=dict(SMALL["machine"], at="2026-01-02T00:00:00+00:00", commit="def"),
                     cases=[dict(SMALL["cases"][1], value=2.6, rounds=[2.6]), dict(SMALL["cases"][3], value=1.0, rounds=[1.0])])
        (top / "streams.json").write_text(json.dumps(later), encoding="utf-8")
        charts.main([str(top / "streams.json"), str(top / "growth.json"), "--out", str(top / "out")])
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
        check("the later measured point counts", any("2.6" in t.text for t in root.iter("{http://www.w3.org/2000/svg}title")), "")
        check("it says where from", "commit abc" in root.find("s:desc", space).text and "commit def" in root.find("s:desc", space).text and "<cpu> & co" in root.find("s:desc", space).text, "")
    check("round_up", [charts.round_up(v) for v in (0, 0.3, 1, 2.1, 26, 501)] == [1.0, 0.5, 1, 2.5, 50, 1000], [charts.round_up(v) for v in (0.3, 2.1)])


sys.path.insert(0, str(ROOT / "bench" / "lib"))
import figures  # noqa: E402

quick, charts = load("quick"), load("charts")
verdicts(quick)
rows(quick)
retries(quick)
recording(quick)
judging(figures)
promised(figures)
costs(figures)
draws(charts)
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
