#!/usr/bin/env python3
"""
Large ordinary pages as rrweb would record them: bench/pages.py [MB] > FILE, for bench-recording FILE.

The recording of the demo packs to an eighteenth and its copies have exchanged letters. Here nothing is a copy: texts are words of a vocabulary by
Zipf's law, each page of a site has the same style sheet and classes and other content; attributes, addresses, inline styles, pictures, forms, and
between snapshots what a visit brings: pointer moves, scrolls, inputs, mutations that add parts of the page. The same bytes each time.
"""
import json
import random
import sys

R = random.Random(20261122)
SYLLABLES = [c + v + e for c in "b c d f g h l m n p r s t v st tr pl ch".split() for v in "a e i o u ea io".split() for e in ["", "n", "r", "s", "l", "t"]]
WORDS = ["".join(R.choices(SYLLABLES, k=R.choice((1, 2, 2, 3, 3, 4)))) for _ in range(6000)]
ODD = ["café", "naïve", "Zürich", "—", "“so”", "10 €", "№ 5", "日本", "3.5", "2024", "A/B", "e.g.", "it's", "50 %", "C&A", "x + y", "1,299.00"]
WEIGHTS = [1 / (i + 8) for i in range(len(WORDS))]
TAGS = ["div"] * 30 + ["span"] * 20 + ["p"] * 14 + ["a"] * 14 + ["li"] * 10 + ["img"] * 5 + ["button", "h2", "h3", "ul", "section", "article", "strong", "em", "small", "td", "tr", "label", "svg", "path", "input", "figure", "time"]
PROPERTIES = ["color: rgb({0}, {1}, {2})", "margin: {0}px {1}px", "padding: 0px {0}px {1}px", "display: flex", "font: 400 {0}px / 1.5 Inter, \"Segoe UI\", sans-serif",
              "background: rgba({0}, {1}, {2}, 0.8)", "border: 1px solid rgb({0}, {1}, {2})", "width: calc(100% - {0}px)", "transition: opacity 0.{0}s ease-in-out 0s",
              "transform: translate({0}px, {1}px)", "line-height: 1.{0}", "grid-template-columns: repeat({0}, minmax(0px, 1fr))", "content: \"\\201c\"", "z-index: {0}",
              "max-width: {0}rem", "box-shadow: rgba(0, 0, 0, 0.1) 0px {0}px {1}px", "color: var(--brand-{0})", "overflow: hidden", "position: relative"]


def words(n):
    picked = R.choices(WORDS, WEIGHTS, k=n)
    for i in range(0, n, R.randint(9, 30)):
        picked[i] = R.choice(ODD) if R.random() < 0.5 else picked[i].capitalize()
    return " ".join(picked)


class Site:
    def __init__(self):
        self.host = f"www.{R.choice(WORDS)}-{R.choice(WORDS)}.example"
        self.classes = [R.choice(WORDS) + R.choice(["", "__" + R.choice(WORDS), "--" + R.choice(WORDS), "-" + str(R.randint(1, 12))]) for _ in range(500)]
        self.css = "".join(f".{c} {{ {'; '.join(p.format(R.randint(0, 255), R.randint(0, 64), R.randint(0, 255)) for p in R.sample(PROPERTIES, R.randint(1, 6)))}; }}"
                           for c in self.classes) + "@media (max-width: 40rem) { .a { display: none; } }"
        self.id = 0

    def number(self):
        self.id += 1
        return self.id

    def text(self, n):
        return {"type": 3, "textContent": words(n), "id": self.number()}

    def address(self):
        return f"https://{self.host}/{'/'.join(R.choices(WORDS, k=R.randint(1, 3)))}-{R.randint(1, 99999)}"

    def attributes(self, tag):
        a = {}
        if R.random() < 0.7:
            a["class"] = " ".join(R.choices(self.classes, k=R.randint(1, 4)))
        if tag == "a":
            a["href"] = self.address() + (f"?utm_source={R.choice(WORDS)}&page={R.randint(1, 9)}" if R.random() < 0.2 else "")
        elif tag == "img":
            a.update(src=self.address() + ".webp", alt=words(5), width=str(R.randint(20, 900)), height=str(R.randint(20, 900)), loading="lazy")
            if R.random() < 0.3:
                a["srcset"] = ", ".join(f"{self.address()}.webp {n}w" for n in (320, 640, 1280))
        elif tag == "input":
            a.update(type=R.choice(["text", "email", "checkbox", "search", "password"]), name=R.choice(WORDS), placeholder=words(3))
        elif tag == "path":
            a["d"] = "M" + " ".join(f"{R.uniform(0, 24):.2f} {R.uniform(0, 24):.2f}" for _ in range(R.randint(4, 30))) + "z"
        elif tag == "button":
            a.update(type="button", **{"aria-label": words(3), "aria-expanded": "false"})
        if R.random() < 0.08:
            a["id"] = f"{R.choice(WORDS)}-{R.randint(1, 999)}"
        if R.random() < 0.08:
            a["style"] = "; ".join(p.format(R.randint(0, 99), R.randint(0, 64), R.randint(0, 255)) for p in R.sample(PROPERTIES, 2)) + ";"
        if R.random() < 0.1:
            a["data-" + R.choice(WORDS)] = R.choice(WORDS) if R.random() < 0.5 else json.dumps({R.choice(WORDS): R.randint(0, 9999), "position": R.choice(WORDS)})
        return a

    def element(self, depth, budget):
        tag = R.choice(TAGS)
        node = {"type": 2, "tagName": tag, "attributes": self.attributes(tag), "childNodes": [], "id": self.number()}
        if tag in ("svg", "path"):
            node["isSVG"] = True
        if tag not in ("img", "input", "path"):
            for _ in range(R.randint(1, 5)):
                if budget[0] <= 0:
                    break
                budget[0] -= 1
                leaf = depth > 12 or R.random() < 0.45
                node["childNodes"].append(self.text(R.choice((1, 2, 3, 8, 25, 60))) if leaf else self.element(depth + 1, budget))
        return node

    def page(self):
        budget = [R.randint(1200, 5000)]
        self.id = 1
        head = [{"type": 2, "tagName": "meta", "attributes": {"charset": "utf-8"}, "childNodes": [], "id": self.number()},
                {"type": 2, "tagName": "title", "attributes": {}, "childNodes": [self.text(6)], "id": self.number()},
                {"type": 2, "tagName": "script", "attributes": {"src": self.address() + ".js", "async": ""}, "childNodes": [], "id": self.number()},
                {"type": 2, "tagName": "link", "attributes": {"_cssText": self.css}, "childNodes": [], "id": self.number()}]
        body = []
        while budget[0] > 0:
            body.append(self.element(4, budget))
        html = {"type": 2, "tagName": "html", "attributes": {"lang": "en"}, "id": self.number(), "childNodes": [
            {"type": 2, "tagName": "head", "attributes": {}, "childNodes": head, "id": self.number()},
            {"type": 2, "tagName": "body", "attributes": {"class": R.choice(self.classes)}, "childNodes": body, "id": self.number()}]}
        return {"type": 0, "childNodes": [{"type": 1, "name": "html", "publicId": "", "systemId": "", "id": self.number()}, html], "id": self.number()}


def visit(site, clock):
    """Events of one page: its snapshot, then what is done on it."""
    def ev(kind, data):
        nonlocal clock
        clock += R.randint(5, 900)
        return {"type": kind, "data": data, "timestamp": clock}

    def some():
        return R.randint(2, site.id)

    out = [ev(4, {"href": site.address(), "width": 1440, "height": 900}), ev(2, {"node": site.page(), "initialOffset": {"left": 0, "top": 0}})]
    for _ in range(R.randint(60, 250)):
        what = R.random()
        if what < 0.4:
            x, y = R.randint(0, 1440), R.randint(0, 900)
            out.append(ev(3, {"source": 1, "positions": [{"x": x + 7 * i, "y": y + 3 * i, "id": some(), "timeOffset": -50 * i} for i in range(R.randint(3, 12), 0, -1)]}))
        elif what < 0.55:
            out.append(ev(3, {"source": 3, "id": 1, "x": 0, "y": R.randint(0, 8000)}))
        elif what < 0.65:
            out.append(ev(3, {"source": 2, "type": R.randint(0, 6), "id": some(), "x": R.randint(0, 1440), "y": R.randint(0, 900)}))
        elif what < 0.7:
            out.append(ev(3, {"source": 5, "text": words(3), "isChecked": False, "id": some()}))
        else:
            adds = [{"parentId": some(), "nextId": None, "node": site.element(10, [R.randint(3, 40)])} for _ in range(R.randint(0, 3))]
            out.append(ev(3, {"source": 0, "texts": [{"id": some(), "value": words(4)} for _ in range(R.randint(0, 2))],
                              "attributes": [{"id": some(), "attributes": {"class": " ".join(R.choices(site.classes, k=2))}} for _ in range(R.randint(0, 3))],
                              "removes": [{"parentId": some(), "id": some()} for _ in range(R.randint(0, 2))], "adds": adds}))
    return out, clock


def main():
    most, size, clock, first = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 17_000_000, 0, 1_795_303_985_586, True
    while size < most:
        site = Site()
        for _ in range(6):
            events, clock = visit(site, clock)
            for e in events:
                line = ("[" if first else ",\n") + json.dumps(e, separators=(",", ":"), ensure_ascii=False)
                size += len(line.encode())
                first = False
                sys.stdout.write(line)
    print("]")


if __name__ == "__main__":
    main()
