import { describe, expect, it } from "vitest";
import { safeFilter } from "./safe";

const E = "\x1b";
/* name, input, output, title */
const cases: [string, string, string, string?][] = [
  ["text", "hello wörld 漢字 😀", "hello wörld 漢字 😀"],
  ["line ends, tab, backspace", "a\r\n\tb\b", "a\r\n\tb\b"],
  ["bell and other C0", "a\x07\x00\x05b\x7f", "ab"],
  ["shift in and out", "\x0eq\x0f", "\x0eq\x0f"],
  ["colours", `${E}[1;38;2;1;2;3mx${E}[0m${E}[4:3m`, `${E}[1;38;2;1;2;3mx${E}[0m${E}[4:3m`],
  ["cursor moves", `${E}[H${E}[2;3H${E}[5A${E}[s${E}[u${E}[d`, `${E}[H${E}[2;3H${E}[5A${E}[s${E}[u${E}[d`],
  ["erase, insert, delete, scroll region", `${E}[2J${E}[K${E}[?2K${E}[3P${E}[1;20r${E}[2S`, `${E}[2J${E}[K${E}[?2K${E}[3P${E}[1;20r${E}[2S`],
  ["alternate screen and cursor", `${E}[?1049h${E}[?25l${E}[?1049l`, `${E}[?1049h${E}[?25l${E}[?1049l`],
  ["repeats", `x${E}[b${E}[5b${E}[720b${E}[0721b${E}[65535;2b`, `x${E}[b${E}[5b${E}[720b${E}[720b${E}[720b`],
  ["charset", `${E}(0qqq${E}(B${E})A`, `${E}(0qqq${E}(B${E})A`],
  ["save, restore, index, reset", `${E}7${E}8${E}D${E}M${E}c`, `${E}7${E}8${E}D${E}M${E}c`],
  ["clipboard", `a${E}]52;c;ZXZpbA==\x07b`, "ab"],
  ["link", `${E}]8;;https://evil.example/\x07text${E}]8;;\x07`, "text"],
  ["title", `${E}]0;my title\x07x`, "x", "my title"],
  ["title with ST", `${E}]2;my\u202e title${E}\\x`, "x", "my\u25c7 title"],
  ["icon name is not the title", `${E}]1;icon\x07x`, "x"],
  ["DCS: sixel, DECRQSS, XTGETTCAP", `a${E}Pq#0;2;0;0;0#0~~${E}\\b${E}P$qm${E}\\c${E}P+q544e${E}\\d`, "abcd"],
  ["APC, PM, SOS", `a${E}_Gx${E}\\b${E}^x${E}\\c${E}Xx${E}\\d`, "abcd"],
  ["bell does not end a DCS", `a${E}Pq\x07b${E}\\c`, "ac"],
  ["queries", `a${E}[c${E}[>c${E}[=c${E}[5n${E}[6n${E}[?6n${E}[?25$p${E}Z${E}[xb`, "ab"],
  ["window", `${E}[8;30;100t${E}[14tx`, "x"],
  ["mouse, focus, paste", `${E}[?1000h${E}[?1002h${E}[?1006h${E}[?1004h${E}[?2004hx`, "x"],
  ["a good mode beside a bad one", `${E}[?25;1000h`, `${E}[?25h`],
  ["modify other keys", `${E}[>4;2mx`, "x"],
  ["columns mode", `${E}[?3hx`, "x"],
  ["8-bit C1", "a\x9b31mb\x9d0;t\x07c\x90d", "a31mb0;tcd"],
  ["bidi", "a\u202eb\u2066c\u200fd", "a\u25c7b\u25c7c\u25c7d"],
  ["unknown finals", `${E}[1$~${E}[1y${E}nx`, "x"],
  ["cursor shape and soft reset", `${E}[4 q${E}[!p`, `${E}[4 q${E}[!p`],
  ["newline inside a sequence", `${E}[3\n1mx`, `\n${E}[31mx`],
  ["CAN ends a sequence", `${E}[31\x18mx`, "mx"],
  ["ESC restarts", `${E}[31${E}[32mx`, `${E}[32mx`],
  ["ESC inside an OSC", `${E}]0;t${E}[31mx`, `${E}[31mx`],
  ["wrong bytes in a CSI", `${E}[?1?25hx`, "x"],
  ["too long a CSI", `${E}[${"1;".repeat(200)}mx`, "x"],
  ["too long a title", `${E}]0;${"t".repeat(5000)}\x07x`, "x"],
  ["unfinished", `x${E}[31`, "x"],
];

describe("safe mode", () => {
  it.each(cases)("%s", (_, input, want, title) => {
    const titles: string[] = [];
    expect(safeFilter((x) => titles.push(x)).feed(input)).toBe(want);
    expect(titles).toEqual(title === undefined ? [] : [title]);
  });
  it.each(cases)("%s, one character at a time", (_, input, want) => {
    const f = safeFilter();
    expect([...input].map((c) => f.feed(c)).join("")).toBe(want);
  });
  it("passes nothing else, whatever comes", () => {
    // Own generator with a fixed seed: the same bytes each run.
    let x = 7;
    const rnd = (n: number) => (x = (x * 1103515245 + 12345) & 0x7fffffff) % n;
    const parts = [E, "[", "]", "P", "?", "0", "1", ";", "m", "h", "t", "c", "n", "\x07", "\\", "52", "$", "\x9b", "a", "\n", "8", ">", " ", "q", "_"];
    for (let i = 0; i < 3000; i++) {
      let s = "";
      for (let k = rnd(30); k >= 0; k--) s += parts[rnd(parts.length)];
      const out = safeFilter().feed(s);
      expect(out).not.toMatch(/\x1b[\]P_^X]|\x1b\[[\x20-\x3f]*[ctnx]|[\x80-\x9f\x07]/);
    }
  });
});
