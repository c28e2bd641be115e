/*
 * Console, errors and network, as rrweb's plugins name them (rrweb/console@1, rrweb/network@1). What the page sees of its own functions
 * does not change: they are called with the same this and arguments, and what they give or throw is given on. Our part never throws.
 */
import { maskUrlsIn } from "./mask";
import type { ConsoleLevel } from "./options";

type Emit = (plugin: string, payload: unknown) => void;
const TEXT_MAX = 1000;
const ARGS_MAX = 10;
const PER_MINUTE = 600; // a page in a loop: the rest of the minute is counted, not kept

function limiter(now: () => number): () => boolean {
  let minute = 0;
  let n = 0;
  return () => {
    const m = Math.floor(now() / 60_000);
    if (m !== minute) [minute, n] = [m, 0];
    return ++n <= PER_MINUTE;
  };
}

function text(v: unknown, last?: (u: string) => string): string {
  let s: string;
  try {
    if (typeof v === "string") s = v;
    else if (v instanceof Error) s = v.stack?.includes(v.message) ? v.stack : `${v.name}: ${v.message}`;
    else if (v instanceof Element) s = `<${v.localName}>`;
    else if (typeof v === "object" && v !== null) s = JSON.stringify(v) ?? Object.prototype.toString.call(v);
    else s = String(v);
  } catch {
    s = Object.prototype.toString.call(v);
  }
  if (s.length > TEXT_MAX) s = s.slice(0, TEXT_MAX) + "…";
  return maskUrlsIn(s, last);
}

type Undo = () => void;

/* A function of a host object in a coat; `stop` takes it off unless somebody has put another one over it. */
function wrap(host: any, name: string, around: (original: (...a: any[]) => any) => (this: any, ...a: any[]) => any): Undo {
  const original = host?.[name];
  if (typeof original !== "function") return () => undefined;
  const made = around(original);
  let on = true;
  const coat = new Proxy(original, { apply: (target, self, args) => (on ? Reflect.apply(made, self, args) : Reflect.apply(target, self, args)) });
  try {
    host[name] = coat;
  } catch {
    return () => undefined; // frozen
  }
  return () => {
    on = false;
    if (host[name] === coat) host[name] = original;
  };
}

export function captureConsole(win: any, levels: ConsoleLevel[], emit: Emit, now: () => number, last?: (u: string) => string): Undo {
  const may = limiter(now);
  let inside = false; // a getter that logs, while we read it
  const undo = levels.map((level) => wrap(win.console, level, (original) => function (...args) {
    if (!inside && may()) {
      inside = true;
      try {
        emit("rrweb/console@1", { level, trace: [], payload: args.slice(0, ARGS_MAX).map((a) => JSON.stringify(text(a, last))) });
      } catch { /* ours */ }
      inside = false;
    }
    return Reflect.apply(original, this, args);
  }));
  return () => undo.forEach((u) => u());
}

/** Uncaught errors and rejections; `said` false: only told, not put into the recording. */
export function captureErrors(win: Window, emit: Emit, heard: () => void, record: boolean, now: () => number, last?: (u: string) => string): Undo {
  const may = limiter(now);
  const on = (what: unknown, where: string) => {
    try {
      if (record && may()) emit("rrweb/console@1", { level: "error", trace: where === "" ? [] : [maskUrlsIn(where, last)], payload: [JSON.stringify("Uncaught " + text(what, last))] });
      heard();
    } catch { /* ours */ }
  };
  const error = (e: ErrorEvent) => { if (e.message !== undefined || e.error !== undefined) on(e.error ?? e.message, e.filename ? `${e.filename}:${e.lineno}:${e.colno}` : ""); };
  const rejection = (e: PromiseRejectionEvent) => on(e.reason, "");
  win.addEventListener("error", error);
  win.addEventListener("unhandledrejection", rejection);
  return () => {
    win.removeEventListener("error", error);
    win.removeEventListener("unhandledrejection", rejection);
  };
}

/** Method, address with its values masked, status, times. Never a body or a header. `own`: our own requests are not told. */
export function captureNetwork(win: any, own: (url: string) => boolean, mask: (url: string) => string, emit: Emit): Undo {
  const clock = () => win.performance.now();
  const may = limiter(() => Date.now());
  const say = (initiatorType: string, method: string, url: string, began: number, status: number) => {
    try {
      const full = new URL(url, win.location.href).href;
      if (own(full) || !may()) return;
      const ended = clock();
      emit("rrweb/network@1", { requests: [{ name: mask(full), initiatorType, entryType: "resource", method: method.toUpperCase(), status, startTime: Math.round(began), endTime: Math.round(ended), duration: Math.round(ended - began) }] });
    } catch { /* ours */ }
  };
  const undoFetch = wrap(win, "fetch", (original) => function (...args) {
    const began = clock();
    const result = Reflect.apply(original, this, args);
    try {
      const r = args[0];
      const url = typeof r === "string" ? r : (r?.url ?? String(r));
      const method = args[1]?.method ?? (typeof r === "object" ? r?.method : undefined) ?? "GET";
      result.then((a: Response) => say("fetch", String(method), url, began, a.status), () => say("fetch", String(method), url, began, 0));
    } catch { /* ours */ }
    return result;
  });
  const seen = new WeakMap<object, { method: string; url: string }>();
  const proto = win.XMLHttpRequest?.prototype;
  const undoOpen = wrap(proto, "open", (original) => function (...args) {
    try { seen.set(this, { method: String(args[0]), url: String(args[1]) }); } catch { /* ours */ }
    return Reflect.apply(original, this, args);
  });
  const undoSend = wrap(proto, "send", (original) => function (...args) {
    try {
      const what = seen.get(this);
      const began = clock();
      if (what !== undefined) this.addEventListener("loadend", () => say("xmlhttprequest", what.method, what.url, began, this.status), { once: true });
    } catch { /* ours */ }
    return Reflect.apply(original, this, args);
  });
  return () => { undoFetch(); undoOpen(); undoSend(); };
}
