"""Cases, medians, bars, and the table.

A case is {"name", "unit", "rounds": [figure of each round], "reference": name of a case or None, "bar": (how, number) or None, "note"}.
how: "ratio>=" and "ratio<=" hold the ratio to the reference, ">=" and "<=" the figure itself.
"""
import json
import pathlib
import re
import statistics

PROMISED = pathlib.Path(__file__).resolve().parents[1] / "figures.json"
CONSTANTS = PROMISED.parent / "constants.json"


def case(name, unit, rounds, reference=None, bar=None, note=""):
    rounds = list(rounds)
    return {"name": name, "unit": unit, "value": statistics.median(rounds), "rounds": rounds, "reference": reference, "bar": bar, "note": note}


def point(name, unit, rounds, chart, line, x, x_name, y_name):
    """A case that is a point of a chart, and no more."""
    return {**case(name, unit, rounds), "growth": {"chart": chart, "line": line, "x": x, "x_name": x_name, "y_name": y_name}}


def quantile(values, q):
    values = sorted(values)
    return values[min(int(q * len(values)), len(values) - 1)] if values else 0.0


def figure(value):
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.1f} k"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"


def judge(cases):
    """Adds 'ratio' (median of the rounds' ratios: what disturbs a round disturbs both) and 'met' to each case."""
    by_name = {c["name"]: c for c in cases}
    for c in cases:
        ref = by_name.get(c.get("reference"))
        c["ratio"] = None
        if ref:
            pairs = list(zip(c["rounds"], ref["rounds"])) if len(c["rounds"]) == len(ref["rounds"]) else [(c["value"], ref["value"])]
            c["ratio"] = statistics.median(a / b for a, b in pairs if b) if any(b for _, b in pairs) else None
        c["met"] = None
        if c.get("bar"):
            how, number = c["bar"]
            value = c["ratio"] if how.startswith("ratio") else c["value"]
            if value is not None:
                c["met"] = value >= number if how.endswith(">=") else value <= number
    return cases


def bar_words(c):
    if not c.get("bar"):
        return ""
    how, number = c["bar"]
    words = ("≥ " if how.endswith(">=") else "≤ ") + (f"{number} ×" if how.startswith("ratio") else figure(number))
    return f"{words}: {'met' if c['met'] else '**NOT MET**' if c['met'] is not None else 'not measured'}"


def rows(cases):
    for c in cases:
        spread = f"{figure(min(c['rounds']))} – {figure(max(c['rounds']))}" if len(c["rounds"]) > 1 else ""
        beside = f"{c['ratio']:.2f} × {c['reference']}" if c.get("ratio") is not None else c.get("note", "")
        yield [c["name"], f"{figure(c['value'])} {c['unit']}", spread, beside, bar_words(c)]


HEAD = ["", "median", "lowest – highest", "beside", "wanted"]


def shown(group, cases):
    """Points of charts have a table of their own."""
    return [c for c in cases if group == "growth" or not c.get("growth")]


def text_table(group, cases):
    cases = shown(group, cases)
    lines = [[group, *HEAD[1:]], *rows(cases)]
    widths = [max(len(r[i]) for r in lines) for i in range(len(HEAD))]
    lines.insert(1, ["-" * w for w in widths])
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip() for r in lines).replace("**", "") + "\n"


def markdown(group, cases):
    cases = shown(group, cases)
    lines = [[group, *HEAD[1:]], ["---"] * len(HEAD), *rows(cases)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in lines) + "\n"


def promised(by_group):
    """What was promised (bench/figures.json), in its order, and which case says how it stands: rows for a table. by_group: {name: judged cases}"""
    for figure in json.loads(PROMISED.read_text(encoding="utf-8")):
        words = [figure["figure"], figure["reference"], figure["bar"]]
        for group, patterns in figure["cases"].items():
            for pattern in patterns:
                found = [c for c in by_group.get(group, []) if re.search(pattern, c["name"])]
                for c in found:
                    _, value, spread, beside, _ = next(rows([c]))
                    state = "" if c["met"] is None else "met" if c["met"] else "**NOT MET**"
                    yield [*words, c["name"] if c["name"].startswith(group) else f"{group}: {c['name']}", value + (f" ({spread})" if spread else ""),
                           beside if c.get("ratio") is not None else "", state]
                    words = ["", "", ""]
                if not found:
                    yield [*words, f"{group}: {pattern.strip('^$').replace('[^(]*', 'N').replace(chr(92) + 'd+', 'N')}", "–", "", "not measured"]
                    words = ["", "", ""]


PROMISED_HEAD = ["figure", "reference", "bar", "row: case", "median (lowest – highest)", "beside", "state"]


def promised_markdown(by_group):
    lines = [PROMISED_HEAD, ["---"] * len(PROMISED_HEAD), *promised(by_group)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in lines) + "\n"


def promised_text(by_group):
    """For a terminal: the figure on a line of its own, its cases below."""
    out, lines = [], list(promised(by_group))
    wide, value = max(len(r[3]) for r in lines), max(len(r[4]) for r in lines)
    for figure, reference, bar, name, figures, beside, state in lines:
        if figure:
            out.append(f"{figure}  [{bar}; beside: {reference}]")
        out.append(f"  {name.ljust(wide)}  {figures.ljust(value)}  {state.replace('*', ''):<12}  {beside}".rstrip())
    return "\n".join(out) + "\n"


def constants(by_group):
    """What things cost (bench/constants.json), for docs/scaling.md: of two sizes the larger, which comes later."""
    yield "| Of | Cost | Grows with |\n| --- | --- | --- |"
    for c in json.loads(CONSTANTS.read_text(encoding="utf-8")):
        said = []
        for words, group, pattern in c["what"]:
            found = [d for d in by_group.get(group, []) if re.search(pattern, d["name"])]
            said.append(f"{words} {figure(found[-1]['value'])} {found[-1]['unit']}" if found else f"{words} –")
        yield f"| {c['of']} | {'; '.join(said)} | {c['grows']} |"
