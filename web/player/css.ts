/*
 * Style text, as src/codec/sanitize_css.c: the same tokens, the same verdicts. A tokenizer of CSS Syntax 3 as far as it has to be;
 * where it is coarser it sees a function where there is none, never the other way round.
 */
import { addressKind, cssFetches, cssProperty, cssRuns, lower, type Address } from "./names";
import { CSS_NOTHING } from "./table";

type Kind = "end" | "comment" | "string" | "at" | "function" | "url" | "name" | "open" | "close" | "semicolon" | "colon" | "blank" | "other";

interface Css {
  s: string;
  at: number;
  kind: Kind;
  open: boolean; // the text ended inside the token
  c: string; // of open, close: which
  name: string; // lower case, escapes decoded
  address: Address; // of url
}

const NEWLINE = /[\n\r\f]/;
const WHITE = /[\n\r\f \t]/;
const HEX = /[0-9a-fA-F]/;
const START = /[A-Za-z_\u0080-\uffff]/;
const PART = /[A-Za-z0-9_\u0080-\uffff-]/;

const char = (t: Css, i: number): string => t.s[i] ?? "";
const escape = (t: Css, i: number): boolean => char(t, i) === "\\" && !NEWLINE.test(char(t, i + 1));

/* The escape at i: where it ends, and the character it means. */
function takeEscape(t: Css, i: number): [number, string] {
  i++;
  if (i >= t.s.length) return [i, "\ufffd"];
  if (!HEX.test(char(t, i))) {
    const c = String.fromCodePoint(t.s.codePointAt(i) ?? 0xfffd);
    return [i + c.length, c];
  }
  let digits = "";
  for (; digits.length < 6 && HEX.test(char(t, i)); i++) digits += char(t, i);
  if (char(t, i) === "\r" && char(t, i + 1) === "\n") i += 2;
  else if (WHITE.test(char(t, i))) i++;
  const u = parseInt(digits, 16);
  return [i, u === 0 || u > 0x10ffff || (u >= 0xd800 && u < 0xe000) ? "\ufffd" : String.fromCodePoint(u)];
}

function takeName(t: Css): void {
  let name = "";
  for (;;) {
    if (PART.test(char(t, t.at))) name += char(t, t.at++);
    else if (t.at < t.s.length && escape(t, t.at)) {
      const [end, c] = takeEscape(t, t.at);
      name += c;
      t.at = end;
    } else break;
  }
  t.name = lower(name);
}

function beginsName(t: Css, i: number): boolean {
  const c = char(t, i);
  if (c === "-") return char(t, i + 1) === "-" || START.test(char(t, i + 1)) || escape(t, i + 1);
  return START.test(c) || escape(t, i);
}

/* Behind the closing quote of the string at i, or at the end of its line. */
function stringEnd(t: Css, i: number): [number, boolean] {
  const quote = t.s[i++];
  for (; i < t.s.length; i++) {
    const c = t.s[i] ?? "";
    if (c === quote) return [i + 1, false];
    if (NEWLINE.test(c)) return [i, false];
    if (c === "\\") i += char(t, i + 1) === "\r" && char(t, i + 2) === "\n" ? 2 : 1;
  }
  return [t.s.length, true];
}

function addressIn(t: Css, from: number, to: number): Address {
  const part: Css = { ...t, s: t.s.slice(0, Math.min(to, from + 1000)) };
  let text = "";
  let i = from;
  while (i < to && text.length < 500) {
    const c = char(part, i);
    if (c !== "\\") {
      text += c;
      i++;
    } else if (NEWLINE.test(char(part, i + 1))) i += 2;
    else {
      const [end, u] = takeEscape(part, i);
      text += u;
      i = end;
    }
  }
  const a = addressKind(text);
  return a === "EMPTY" && i < to ? "OTHER" : a; // so many blanks hide something
}

function takeUrl(t: Css): void {
  const from = t.at;
  t.kind = "url";
  while (t.at < t.s.length && t.s[t.at] !== ")") t.at = escape(t, t.at) ? takeEscape(t, t.at)[0] : t.at + 1;
  t.address = addressIn(t, from, t.at);
  t.open = t.at >= t.s.length;
  if (!t.open) t.at++;
}

function takeWord(t: Css): void {
  takeName(t);
  t.kind = "name";
  if (char(t, t.at) !== "(") return;
  t.at++;
  t.kind = "function";
  if (t.name !== "url") return;
  while (WHITE.test(char(t, t.at))) t.at++;
  if (char(t, t.at) !== '"' && char(t, t.at) !== "'") takeUrl(t);
}

const MARKS: Record<string, Kind> = { "(": "open", "[": "open", "{": "open", ")": "close", "]": "close", "}": "close", ";": "semicolon", ":": "colon" };

function next(t: Css): Kind {
  const c = char(t, t.at);
  t.open = false;
  if (t.at >= t.s.length) t.kind = "end";
  else if (c === "/" && char(t, t.at + 1) === "*") {
    const end = t.s.indexOf("*/", t.at + 2);
    t.kind = "comment";
    t.open = end < 0;
    t.at = end < 0 ? t.s.length : end + 2;
  } else if (c === '"' || c === "'") {
    t.kind = "string";
    [t.at, t.open] = stringEnd(t, t.at);
  } else if (c === "@" && beginsName(t, t.at + 1)) {
    t.at++;
    takeName(t);
    t.kind = "at";
  } else if (t.s.startsWith("<!--", t.at)) {
    t.at += 4;
    t.kind = "other";
  } else if (beginsName(t, t.at)) takeWord(t);
  else {
    t.at++;
    t.c = c;
    t.kind = MARKS[c] ?? (WHITE.test(c) ? "blank" : "other");
  }
  return t.kind;
}

/* Behind the ')' of the function that was opened just now. */
function skipFunction(t: Css): void {
  for (let depth = 1; depth > 0 && next(t) !== "end"; ) {
    if (t.kind === "function" || (t.kind === "open" && t.c === "(")) depth++;
    else if (t.kind === "close" && t.c === ")") depth--;
  }
}

/* The end of an at-rule: behind its ';' or block; before a '}' that closes what it stands in. */
function skipStatement(t: Css): void {
  let depth = 0;
  let braces = 0;
  for (;;) {
    const before = t.at;
    const kind = next(t);
    if (kind === "end" || (kind === "semicolon" && depth === 0)) return;
    if (kind === "function") depth++;
    else if (kind === "open") {
      if (t.c === "{" && depth === 0) braces++;
      depth++;
    } else if (kind === "close") {
      if (depth === 0 && t.c === "}") {
        t.at = before;
        return;
      }
      if (depth > 0) depth--;
      if (depth === 0 && braces > 0 && t.c === "}") return;
    }
  }
}

function beforeColon(t: Css): boolean {
  const ahead = { ...t };
  while (next(ahead) === "blank" || ahead.kind === "comment");
  return (ahead.kind as Kind) === "colon";
}

const fetched = (a: Address): boolean => a === "OTHER" || a === "BAD";

function quoted(t: Css): Address {
  const [end, open] = stringEnd(t, t.at);
  return addressIn(t, t.at + 1, end > t.at + 1 && !open ? end - 1 : end);
}

/* What becomes of the token that was taken; null: it stays. */
function judge(t: Css): string | null {
  if (t.kind === "at" && t.name === "import") {
    skipStatement(t);
    return " ";
  }
  if (t.kind === "at" && t.name === "namespace") {
    skipStatement(t); // names a name space: nothing is fetched
    return null;
  }
  if (t.kind === "url") return fetched(t.address) ? CSS_NOTHING : null;
  if (t.kind === "function" && (t.name === "url" ? fetched(quoted(t)) : cssFetches(t.name))) {
    skipFunction(t);
    return CSS_NOTHING;
  }
  if (t.kind === "function" && cssRuns(t.name)) {
    skipFunction(t);
    return "none";
  }
  if (t.kind === "name" && cssProperty(t.name) && beforeColon(t)) {
    skipStatement(t);
    return " ";
  }
  return null;
}

const JOINS = /[A-Za-z_\u0080-\uffff0-9@\\/<!#+.%&$~|^*=:>\u0000-]$/;

/* seal: other texts may follow in the same element: what is left open is closed, so that no token reaches over the end. */
export function cleanCss(css: string, seal = false): string {
  if (!seal && !/[(@\\]/.test(css)) return css;
  const t: Css = { s: css, at: 0, kind: "end", open: false, c: "", name: "", address: "EMPTY" };
  let out = "";
  let copied = 0;
  let last: Kind = "end";
  let lastOpen = false;
  const put = (from: number, to: number, text: string): void => {
    out += css.slice(copied, from) + text;
    copied = to;
  };
  for (let from = 0; next(t) !== "end"; from = t.at) {
    last = t.kind;
    lastOpen = t.open;
    if (seal && t.open && (last === "string" || last === "url")) put(from, css.length, " ");
    else {
      const with_ = judge(t);
      if (with_ !== null) put(from, t.at, with_);
    }
  }
  const n = css.length;
  if (seal && n > 0 && copied !== n) {
    if (last === "comment") {
      if (lastOpen) put(n, n, "*/");
    } else if (last !== "string" && JOINS.test(css)) {
      const slashes = /\\*$/.exec(css)?.[0].length ?? 0;
      put(slashes % 2 === 1 ? n - 1 : n, n, "/**/");
    }
  }
  return out + css.slice(copied);
}
