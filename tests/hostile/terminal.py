#!/usr/bin/env python3
"""
Hostile recordings of terminals, made here: what somebody could print while being recorded so that whoever watches is asked, answered
for, led somewhere, or loses the terminal. Each ends with a reset and "alive-N". Pure, the same every time.

  tests/hostile/terminal.py              all of them as JSON: [{n, name, cols, rows, events, secret}]
  tests/hostile/terminal.py --seeds DIR  each one's output as a file, for fuzzing
"""
import json
import pathlib
import sys

ESC, BEL, ST, CSI8, OSC8, DCS8, ST8 = "\x1b", "\x07", "\x1b\\", "\u009b", "\u009d", "\u0090", "\u009c"
ALL = []


def put(name, *pieces, cols=80, rows=24, secret=None):
    """pieces: output, or (code, data). secret: what must reach nobody's terminal as bytes."""
    n = len(ALL) + 1
    events, t = [], 0.01
    for p in pieces:
        code, data = ("o", p) if isinstance(p, str) else p
        events.append([round(t, 3), code, data])
        t += 0.01
    if cols != 80 or any(e[1] == "r" for e in events):
        events.append([round(t, 3), "r", "80x24"])
        t += 0.01
    events.append([round(t, 3), "o", f"{BEL}{ST}\x18{ESC}c{ESC}[?1049l\r\nalive-{n} \r\n"])
    ALL.append({"n": n, "name": name, "cols": cols, "rows": rows, "events": events, "secret": secret})


def osc():
    clip = "ZXZpbC1jbGlw"
    for end_name, end in (("BEL", BEL), ("ST", ST), ("8-bit ST", ST8), ("no end", "")):
        put(f"OSC 52 set, {end_name}", f"{ESC}]52;c;{clip}{end}", "after", secret=clip)
        put(f"OSC 52 query, {end_name}", f"{ESC}]52;c;?{end}", "after")
        put(f"OSC 8 link, {end_name}", f"{ESC}]8;;https://sink.example/{len(ALL)}{end}click{ESC}]8;;{end}", secret="https://sink.example")
    put("OSC 52 to every selection", *[f"{ESC}]52;{s};{clip}{BEL}" for s in "cpqs01234567"], secret=clip)
    put("OSC 52 in 8-bit form", f"{OSC8}52;c;{clip}{ST8}", secret=clip)
    put("OSC 52 cut in pieces", *(list(f"{ESC}]52;c;{clip}{BEL}")), secret=clip)
    put("OSC 52 of a mebibyte", f"{ESC}]52;c;" + "QUJD" * 262144 + BEL, secret="QUJDQUJDQUJD")
    for n in (0, 1, 2):
        put(f"OSC {n} title with controls", f"{ESC}]{n};evil\x01\u202etitle{ESC}[21t{BEL}")
        put(f"OSC {n} title, endless", f"{ESC}]{n};" + "A" * 100000)
    put("OSC 2 title, many", *[f"{ESC}]2;title {i}{BEL}" for i in range(300)])
    put("OSC 4 palette set and query", f"{ESC}]4;1;rgb:00/00/00;2;?{BEL}", f"{ESC}]4;?{BEL}")
    put("OSC 7 working directory", f"{ESC}]7;file://sink.example/etc{BEL}", secret="sink.example")
    put("OSC 9 notification", f"{ESC}]9;you have won{BEL}", f"{ESC}]9;4;1;50{BEL}", secret="you have won")
    put("OSC 777 notification", f"{ESC}]777;notify;title;body-777{BEL}", secret="body-777")
    put("OSC 99 notification", f"{ESC}]99;i=1:d=0;body-99{ST}", secret="body-99")
    for n in (10, 11, 12, 17, 19):
        put(f"OSC {n} colour query", f"{ESC}]{n};?{BEL}")
    put("OSC 104, 110 to 112 reset of colours", *[f"{ESC}]{n}{BEL}" for n in (104, 110, 111, 112)])
    put("OSC 133 prompt marks", *[f"{ESC}]133;{x}{BEL}" for x in ("A", "B", "C", "D;1")])
    put("OSC 633 editor integration", f"{ESC}]633;E;rm -rf ~;nonce{BEL}", secret="rm -rf ~")
    put("OSC 1337 file", f"{ESC}]1337;File=name=ZXZpbA==;size=4;inline=0:AAAABBBB{BEL}", secret="AAAABBBB")
    put("OSC 1337 clipboard", f"{ESC}]1337;Copy=;ZXZpbA=={BEL}", f"{ESC}]1337;CopyToClipboard=x{BEL}paste{ESC}]1337;EndCopy{BEL}")
    put("OSC 1337 open address", f"{ESC}]1337;OpenURL=:aHR0cDovL3NpbmsuZXhhbXBsZS8={BEL}", secret="OpenURL")
    put("OSC 1337 report of a variable", f"{ESC}]1337;ReportVariable=dXNlcg=={BEL}", f"{ESC}]1337;ReportCellSize{BEL}")
    put("OSC 50 font", f"{ESC}]50;?{BEL}", f"{ESC}]50;evil-font{BEL}", secret="evil-font")
    put("OSC 46 log file", f"{ESC}]46;/tmp/evil-log{BEL}", secret="/tmp/evil-log")
    put("OSC without a number", f"{ESC}];x{BEL}", f"{ESC}]{BEL}", f"{ESC}]abc{BEL}")
    put("OSC with a huge number", f"{ESC}]" + "9" * 5000 + ";x" + BEL)


def strings():
    put("DCS sixel", f"{ESC}Pq#0;2;0;0;0#0!400~-" + "~" * 2000 + ST)
    put("DCS sixel, endless", f"{ESC}Pq" + "#1!99999~-" * 20000)
    put("DCS sixel, huge raster", f'{ESC}Pq"1;1;99999999;99999999' + ST)
    put("DECRQSS", f"{ESC}P$qm{ST}", f'{ESC}P$q"p{ST}', f"{ESC}P$qr{ST}")
    put("XTGETTCAP", f"{ESC}P+q544e;436f{ST}")
    put("XTSETTCAP", f"{ESC}P+p544e=78{ST}")
    put("DECUDK, keys that type", f"{ESC}P0;1|17/726d202d7266207e0d{ST}", secret="726d202d")
    put("DECDLD, soft characters", f"{ESC}P1;1;1;10;1;2;20;0{{ @~~~~~~~~/~~~~~~~~{ST}")
    put("DCS tmux passthrough", f"{ESC}Ptmux;{ESC}{ESC}]52;c;ZXZpbA=={BEL}{ST}", secret="ZXZpbA==")
    put("DCS screen passthrough", f"{ESC}P{ESC}]0;through{BEL}{ST}")
    put("DCS tmux control mode", f"{ESC}P1000p%begin 1 1 0\r\n%output %1 evil\r\n", "more")
    put("DCS ReGIS", f"{ESC}P0pS(A[0,0][800,480])P[100,100]V[200,200]{ST}")
    put("DCS in 8-bit form", f"{DCS8}+q544e{ST8}")
    put("DCS without an end", f"{ESC}P" + "x" * 50000)
    put("APC kitty graphics", f"{ESC}_Ga=T,f=100,t=f;L2V0Yy9wYXNzd2Q={ST}", secret="L2V0Yy9wYXNzd2Q=")
    put("APC kitty query", f"{ESC}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA{ST}")
    put("APC endless", f"{ESC}_" + "A" * 200000)
    put("PM", f"{ESC}^private message{ST}", secret="private message")
    put("SOS", f"{ESC}Xstart of string{ST}", secret="start of string")
    put("APC, PM, SOS in 8-bit form", f"\u009fapc-8{ST8}\u009epm-8{ST8}\u0098sos-8{ST8}", secret="apc-8")
    put("string inside a string", f"{ESC}]0;a{ESC}P$qm{ESC}_x{ST}{BEL}{ST}")
    put("CAN and SUB in strings", f"{ESC}]52;c;AAAA\x18visible{ESC}P+q\x1avisible{ESC}[5\x18n")


def queries():
    for name, s in {"DSR 5": "[5n", "cursor position": "[6n", "DECXCPR": "[?6n", "printer": "[?15n", "user keys": "[?25n", "keyboard": "[?26n",
                    "locator": "[?55n", "checksum": "[?63;1n", "DA1": "[c", "DA2": "[>c", "DA3": "[=c", "DECID": "Z", "XTVERSION": "[>q",
                    "DECREQTPARM": "[x", "DECRQM": "[4$p", "DECRQM private": "[?2026$p", "DECRQCRA": "[1;0;1;1;24;80*y",
                    "kitty keyboard": "[?u", "mouse position": "['|", "DECRQPSR": "[1$w", "title stack": "[22;0t", "title report": "[21t",
                    "icon report": "[20t", "size in characters": "[18t", "size in pixels": "[14t", "window place": "[13t", "window state": "[11t",
                    "answerback": "\x05"}.items():
        put(f"query: {name}", (ESC + s if s != "\x05" else s) * 3, s.replace("[", CSI8) if s.startswith("[") else "x")
    put("title set, then reported", f"{ESC}]2;rm -rf ~{BEL}{ESC}[21t")
    put("queries by the thousand", f"{ESC}[6n{ESC}[c{ESC}]11;?{BEL}" * 5000)
    for n in (1, 2, 3, 4, 5, 6, 7, 8, 9):
        put(f"window: CSI {n} t", f"{ESC}[{n};2000;2000t{ESC}[{n}t")


def modes():
    for m in (9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 2004, 2026, 2027, 2031, 2048, 3, 5, 8, 40, 45, 66, 67, 69, 80, 95, 1070, 9001):
        put(f"mode {m}", f"{ESC}[?{m}h", "x", f"{ESC}[?{m};25;{m}h", f"{ESC}[?{m}s{ESC}[?{m}r")
    put("all modes at once", f"{ESC}[?" + ";".join(map(str, range(1, 3000))) + "h")
    put("keyboard modes", f"{ESC}[>1u{ESC}[=31;1u{ESC}[>4;2m{ESC}[2h{ESC}[12h{ESC}=")
    put("media copy", f"{ESC}[5i", "printed", f"{ESC}[4i{ESC}[i{ESC}[?5i")
    put("LEDs", f"{ESC}[1q{ESC}[2q{ESC}[3q{ESC}[0q")
    put("self tests", f"{ESC}[2;1y{ESC}[2;9y{ESC}[4;1y")
    put("VT52", f"{ESC}[?2l{ESC}Y##{ESC}Z{ESC}<")
    put("status line", f"{ESC}[1$}}{ESC}[2$~", "hidden line")
    put("insert mode and no wrap", f"{ESC}[4h{ESC}[?7l" + "w" * 5000)
    put("cursor styles", *[f"{ESC}[{n} q" for n in range(10)])


def floods():
    put("combining marks", "a" + "\u0301" * 20000)
    put("combining marks on each cell", *["a" + "\u0301\u0316\u20dd" * 30 for _ in range(200)])
    put("zero width", "\u200b\u200c\u200d\u2060\ufeff" * 10000)
    put("variation selectors and tags", "x" + "\ufe0f\U000e0001\U000e0041\U000e007f" * 3000)
    put("joined emoji", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 500)
    put("bidi controls", "safe \u202eelbisrever\u202c \u2066iso\u2069 \u061c\u200e\u200f end", secret="\u202e")
    put("bidi, never closed", "\u202a\u202b\u202d\u202e\u2066\u2067\u2068" * 2000, secret="\u2067")
    put("line and paragraph separators", "a\u2028b\u2029c\u0085d")
    put("private use and noncharacters", "\ue000\uf8ff\U000f0000\ufffe\uffff\U0010ffff")
    put("wide at the edge", f"{ESC}[1;80H" + "\u6f22" * 400, cols=80)
    put("bells", BEL * 20000)
    put("tabs", "\t" * 50000, f"{ESC}H{ESC}[3g" * 500)
    put("repeat", "x" + f"{ESC}[999999999b" * 200)
    put("huge parameters", *[f"{ESC}[{'9' * 400}{f}" for f in "ABCDEFGHIJKLMPSTXZ@`adef"])
    put("very many parameters", f"{ESC}[" + ";".join(["38;2;1;2;3"] * 20000) + "m")
    put("negative and odd parameters", f"{ESC}[-1A{ESC}[1.5B{ESC}[::::m{ESC}[;;;;H{ESC}[<1>2m{ESC}[1?h")
    put("line bombs", f"{ESC}[99999L{ESC}[99999M{ESC}[99999S{ESC}[99999T" * 2000)
    put("character bombs", f"{ESC}[99999@{ESC}[99999P{ESC}[99999X" * 2000)
    put("erase bombs", f"{ESC}[2J{ESC}[3J{ESC}[1J{ESC}[2K" * 5000)
    put("scroll regions", *[f"{ESC}[{a};{b}r" + "\n" * 100 for a in (0, 1, 23, 24, 99) for b in (0, 1, 2, 24, 65535)])
    put("save and restore", f"{ESC}7{ESC}[s" * 3000 + f"{ESC}8{ESC}[u" * 3000)
    put("alternate screens", f"{ESC}[?1049h{ESC}[?47h{ESC}[?1047h{ESC}[?1049l{ESC}[?47l" * 2000)
    put("resets", f"{ESC}c{ESC}[!p{ESC}#8" * 3000)
    put("line feeds", "\n\x0b\x0c" * 30000)
    put("reverse index", f"{ESC}M{ESC}D{ESC}E" * 20000)


def sizes():
    put("resize bombs", *[("r", f"{c}x{r}") for c, r in ((1, 1), (65535, 1), (1, 65535), (65535, 65535), (2, 2), (720, 200), (721, 201))], "x")
    put("resizes with output", *[x for i in range(200) for x in (("r", f"{1 + i * 7 % 300}x{1 + i * 3 % 100}"), "text \u6f22" * 20)])
    put("smallest terminal", "abc\u6f22\u0301" * 100, cols=1, rows=1)
    put("largest terminal", f"{ESC}[65535;65535Hx{ESC}[2J", cols=65535, rows=65535)
    put("DECCOLM and DECSLPP", f"{ESC}[?40h{ESC}[?3h{ESC}[144t{ESC}[99999t{ESC}[8;9999;9999t{ESC}[4;9999;9999t")
    put("DECSCPP and margins", f"{ESC}[132$|{ESC}[?69h{ESC}[20;10s{ESC}[48*|")


def charsets():
    put("charset tricks", *[f"{ESC}{g}{c}lqk" for g in "()*+-./" for c in "0AB<>%5`"], "\x0e\x0f")
    put("locking shifts", f"{ESC}n{ESC}o{ESC}|{ESC}}}{ESC}~{ESC}N{ESC}O" * 100)
    put("UTF-8 off", f"{ESC}%@", "caf\u00e9", f"{ESC}%G{ESC}%/I")
    put("7- and 8-bit answers", f"{ESC} F{ESC} G{ESC}[62;1\"p{ESC}[6n")
    put("all C0", "".join(map(chr, range(32))) + "\x7f")
    put("all C1", "".join(map(chr, range(0x80, 0xa0))))
    put("C1 CSI", f"{CSI8}31m{CSI8}6n{CSI8}?1000h{CSI8}2J")
    put("replacement characters", "\ufffd" * 2000)
    put("nothing after ESC", *[ESC for _ in range(300)])
    put("escape, each final", *[f"{ESC}{chr(c)}x" for c in range(0x20, 0x7f)])
    put("CSI, each final", *[f"{ESC}[{p}{chr(c)}" for c in range(0x40, 0x7f) for p in ("", "1", "?1", ">1", "1;2")])
    put("CSI, each intermediate", *[f"{ESC}[1{chr(i)}{chr(c)}" for i in range(0x20, 0x30) for c in range(0x60, 0x7f)])
    put("CSI without an end", f"{ESC}[" + "1;" * 50000)
    put("rectangles", f"{ESC}[1;1;24;80;1;1;1;1$v{ESC}[88;1;1;999;999$x{ESC}[1;1;99;99$z{ESC}[1;1;9;9${{{ESC}[1;1;9;9;7$r")
    put("colours that hide", f"{ESC}[8mhidden{ESC}[30;40mblack on black{ESC}[38;5;999m{ESC}[38;2;999;999;999m{ESC}[58;2;1;2;3m{ESC}[0m")
    put("typed input with escapes", ("i", f"{ESC}[6n{ESC}]52;c;aW5wdXQ={BEL}"), ("m", f"{ESC}]0;marker{BEL}"), ("zz", f"{ESC}[c"), secret="aW5wdXQ=")


def recordings():
    if not ALL:
        for part in (osc, strings, queries, modes, floods, sizes, charsets):
            part()
    return ALL


def cast(r):
    head = {"version": 2, "width": r["cols"], "height": r["rows"], "title": f"\x1b]0;{r['name']}\x07"}
    return "\n".join(json.dumps(x) for x in [head, *r["events"]]) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seeds"]:
        to = pathlib.Path(sys.argv[2])
        to.mkdir(parents=True, exist_ok=True)
        for one in recordings():
            text = "".join(e[2] for e in one["events"] if e[1] == "o")
            (to / f"hostile-{one['n']:03}").write_bytes(text.encode()[:4096])
    else:
        json.dump(recordings(), sys.stdout)
