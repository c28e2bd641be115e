#!/usr/bin/env python3
"""Draws docs/pictures/story.svg: the story in five panels. Run it again after a change: python3 docs/pictures/story.py"""
import pathlib

W, H, GAP, LEFT, TOP = 196, 236, 14, 12, 12
INK, SOFT, LINE, PAPER, PANEL = "#1d2733", "#5b6878", "#c9d1da", "#ffffff", "#f5f7f9"
BLUE, GREEN, RED = "#1f5fbf", "#1a7f4b", "#b3362b"

out = []


def add(text):
    out.append(text)


def text(x, y, words, size=12, color=INK, weight=400, anchor="start", mono=False):
    family = "ui-monospace, Menlo, Consolas, monospace" if mono else "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
    add(f'<text x="{x}" y="{y}" font-family="{family}" font-size="{size}" font-weight="{weight}" fill="{color}" '
        f'text-anchor="{anchor}">{words}</text>')


def box(x, y, w, h, fill=PAPER, stroke=LINE, r=6):
    add(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{r}" fill="{fill}" stroke="{stroke}"/>')


def lock(x, y, color, is_open=False):
    shackle = f"M{x + 6} {y + 16} v-6 a8 8 0 0 1 16 0" + ("" if is_open else " v6")
    add(f'<path d="{shackle}" fill="none" stroke="{color}" stroke-width="3"/>')
    add(f'<rect x="{x}" y="{y + 16}" width="28" height="21" rx="4" fill="{color}"/>')
    add(f'<circle cx="{x + 14}" cy="{y + 26}" r="3" fill="#fff"/>')


def button(x, y, w, words, color):
    box(x, y, w, 26, color, color, 5)
    text(x + w / 2, y + 17.5, words, 12, "#fff", 600, "middle")


def screen(x, y, w, h, dim=False):
    box(x, y, w, h, "#e8edf3" if dim else "#eef4fb", LINE, 4)
    if dim:
        return
    for i, part in enumerate((0.55, 0.8, 0.7, 0.45)):
        add(f'<rect x="{x + 10}" y="{y + 12 + i * 13}" width="{(w - 20) * part:.0f}" height="6" rx="3" fill="#b9c9dc"/>')
    add(f'<rect x="{x + 10}" y="{y + 68}" width="52" height="13" rx="3" fill="{BLUE}"/>')
    add(f'<path d="M{x + 50} {y + 72} l0 13 l3.4 -3 l2.4 5 l2.4 -1.2 l-2.4 -4.8 l4.4 -0.4 z" fill="{INK}" stroke="#fff" stroke-width="0.8"/>')


def panel(n, title, who):
    x = LEFT + n * (W + GAP)
    box(x, TOP, W, H, PANEL, LINE, 8)
    add(f'<circle cx="{x + 20}" cy="{TOP + 22}" r="10" fill="{INK}"/>')
    text(x + 20, TOP + 26, str(n + 1), 12, "#fff", 600, "middle")
    text(x + 37, TOP + 26.5, title, 14, INK, 600)
    text(x + 14, TOP + H - 12, who, 11, SOFT)
    return x + 14, TOP + 44


# 1 locked
x, y = panel(0, "Locked", "for everybody, any role")
box(x, y, W - 28, 70)
text(x + 10, y + 20, "Checkout that fails", 12, INK, 600)
text(x + 10, y + 37, "web · 1 min · ERR-7F3A21", 11, SOFT)
text(x + 10, y + 57, "no page, no text of it", 11, SOFT)
lock(x + W / 2 - 28, y + 94, INK)

# 2 ask
x, y = panel(1, "Ask", "engineer, with a purpose")
for i, (name, value) in enumerate((("Purpose", "debugging"), ("Reason", "order refused, SUP-1482"), ("For", "15 min"))):
    text(x, y + 10 + i * 42, name, 11, SOFT)
    box(x, y + 15 + i * 42, W - 28, 22, PAPER, LINE, 4)
    text(x + 8, y + 30 + i * 42, value, 12)
button(x, y + 136, W - 28, "Ask for access", BLUE)

# 3 approve
x, y = panel(2, "Approve", "somebody else, never oneself")
box(x, y, W - 28, 96)
text(x + 10, y + 20, "engineer asks to play", 12, INK, 600)
text(x + 10, y + 38, "Checkout that fails", 12)
text(x + 10, y + 55, "debugging · SUP-1482", 11, SOFT)
text(x + 10, y + 72, "15 min from approval", 11, SOFT)
text(x + 10, y + 88, "digest 6f1c…9a", 10, SOFT, mono=True)
button(x, y + 136, 92, "Approve", GREEN)
box(x + 100, y + 136, W - 128, 26, PAPER, LINE, 5)
text(x + 100 + (W - 128) / 2, y + 153.5, "Deny", 12, INK, 600, "middle")

# 4 watch
x, y = panel(3, "Watch", "a fresh key every minute")
screen(x, y, W - 28, 96)
add(f'<rect x="{x}" y="{y + 110}" width="{W - 28}" height="5" rx="2.5" fill="{LINE}"/>')
add(f'<rect x="{x}" y="{y + 110}" width="{(W - 28) * 0.62:.0f}" height="5" rx="2.5" fill="{BLUE}"/>')
text(x, y + 136, "0:38 / 1:02", 11, SOFT)
box(x + 80, y + 123, W - 108, 21, "#e5f3eb", GREEN, 10)
text(x + 80 + (W - 108) / 2, y + 137.5, "04:12 left", 11.5, GREEN, 600, "middle")

# 5 closed
x, y = panel(4, "Closed", "by itself, also mid-stream")
screen(x, y, W - 28, 96, True)
lock(x + W / 2 - 28, y + 16, RED)
text(x + (W - 28) / 2, y + 76, "Access has ended", 12, RED, 600, "middle")
for i, line in enumerate(("#41 engineer asked", "#42 approver approved", "#45 leased 0:00–0:30", "#52 window ended")):
    text(x, y + 113 + i * 15, line, 10.5, SOFT, mono=True)

for n in range(4):
    cx = LEFT + (n + 1) * (W + GAP) - GAP / 2
    add(f'<path d="M{cx - 4} {TOP + H / 2 - 6} l7 6 l-7 6" fill="none" stroke="{SOFT}" stroke-width="2"/>')

width, height = LEFT * 2 + 5 * W + 4 * GAP, TOP * 2 + H
title = "Locked; ask with a purpose; somebody else approves; watch with the time left on screen; closed by itself, and in the audit log"
svg = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
       f'aria-label="{title}">\n<title>{title}</title>\n<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>\n'
       + "\n".join(out) + "\n</svg>\n")
pathlib.Path(__file__).with_name("story.svg").write_text(svg, encoding="utf-8")
