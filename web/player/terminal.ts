/* /terminal: asciinema-player draws; what it gets went through safe mode, and time is ours (its driver below plays nothing by itself). */
import "asciinema-player/dist/bundle/asciinema-player.css";
import "./base.css";
import { create, type Player, type Source } from "asciinema-player";
import { connect } from "./frame";
import type { Block, Screen, ToPlayer } from "./protocol";
import { safeFilter } from "./safe";
import { actsOf, after, clampSize, type Act } from "./timeline";

const TICK_MS = 33;
const TELL_MS = 100;
const IDLE_MS = 2000;
const IDLE_LEAD_MS = 400;

type Dispatch = (event: string, data?: unknown) => void;

document.body.classList.add("terminal");
const stage = document.createElement("div");
stage.id = "stage";
document.body.append(stage);

let player: Player | null = null;
let dispatch: Dispatch | null = null;
let start: Screen = { cols: 80, rows: 24, init: "" };
let colours: { foreground: string; background: string; palette: string[] } | null = null;
let acts: Act[] = [];
let done = 0; // acts already drawn
let screen: Screen | null = null;
let to_ms = 0;
let last = true;
let duration_ms = 0;
let at = 0;
let playing = false;
let stalled = false;
let finished = false;
let speed = 1;
let skipIdle = false;
let ended = false;
let before = performance.now();
let told = 0;

const tell = connect((m) => {
  try {
    hear(m);
  } catch (e) {
    tell({ say: "broken", what: e instanceof Error ? e.message.slice(0, 200) : "error" });
  }
});
const safe = safeFilter((title) => tell({ say: "title", title }));

/* asciicast themes: {fg, bg, palette: "#a:#b:…"}; anything that is not a colour is left out. */
function coloursOf(theme: unknown): typeof colours {
  if (typeof theme !== "object" || theme === null) return null;
  const { fg, bg, palette } = theme as Record<string, unknown>;
  const hex = (v: unknown): v is string => typeof v === "string" && /^#[0-9a-f]{6}$/i.test(v);
  const list = typeof palette === "string" ? palette.split(":").filter(hex) : [];
  return hex(fg) && hex(bg) && (list.length === 8 || list.length === 16) ? { foreground: fg, background: bg, palette: list } : null;
}

function apply(a: Act): void {
  if (a.kind === "output") dispatch?.("output", safe.feed(a.data));
  else dispatch?.("resize", { cols: a.cols, rows: a.rows });
}

/* Everything up to `at`, from the last screen that is known. */
function redraw(): void {
  if (dispatch === null) return;
  safe.reset();
  const from = screen ?? start;
  dispatch("reset", { size: clampSize(from.cols, from.rows), init: safe.feed(from.init), theme: colours });
  done = 0;
  catchUp();
}

function catchUp(): void {
  const until = after(acts, at);
  let text = "";
  for (; done < until; done++) {
    const a = acts[done];
    if (a === undefined) break;
    if (a.kind === "output") text += a.data;
    else {
      if (text !== "") dispatch?.("output", safe.feed(text));
      text = "";
      apply(a);
    }
  }
  if (text !== "") dispatch?.("output", safe.feed(text));
}

function tick(): void {
  const now = performance.now();
  const passed = now - before;
  before = now;
  if (ended || dispatch === null) return;
  if (playing && !stalled && !finished) {
    at += passed * speed;
    const next = acts[done]?.time;
    if (skipIdle && next !== undefined && next - at > IDLE_MS) at = next - IDLE_LEAD_MS;
    if (!last && at >= to_ms) {
      at = to_ms;
      stalled = true;
    }
    if (last && at >= duration_ms) {
      at = duration_ms;
      finished = true;
      playing = false;
    }
    catchUp();
  }
  if (now - told >= TELL_MS) {
    told = now;
    tell({ say: "at", at_ms: Math.round(at), playing, stalled, finished });
  }
}
setInterval(tick, TICK_MS);

function open(): void {
  // A driver function is part of the player, but not of its typings. It has no pause, so that the player's own controls do nothing.
  const driver = ({ dispatch: d }: { dispatch: Dispatch }) => ({
    init() {
      dispatch = d;
      d("play");
      redraw();
    },
    play: () => true,
    stop: () => { dispatch = null; },
    getCurrentTime: () => at / 1000,
    getDuration: () => duration_ms / 1000,
  });
  player = create(driver as unknown as Source, stage, {
    ...clampSize(start.cols, start.rows), controls: false, fit: "both", autoPlay: true, cursorMode: "steady",
    terminalFontFamily: "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace",
  });
}

function hear(m: ToPlayer): void {
  if (ended) return;
  switch (m.say) {
    case "open":
      start = { cols: m.cols, rows: m.rows, init: "" };
      colours = coloursOf(m.theme);
      duration_ms = m.duration_ms;
      speed = m.speed;
      skipIdle = m.skip_idle;
      open();
      break;
    case "block":
      take(m);
      break;
    case "play":
      if (!finished) playing = true;
      break;
    case "pause":
      playing = false;
      break;
    case "speed":
      speed = m.speed;
      break;
    case "skip-idle":
      skipIdle = m.on;
      break;
    case "step":
      step(m.by);
      break;
    case "end":
      ended = true;
      player?.dispose();
      player = null;
      dispatch = null;
      acts = [];
      screen = null;
      stage.replaceChildren();
      break;
  }
}

function take(b: Block): void {
  to_ms = b.to_ms;
  last = b.last;
  stalled = false;
  duration_ms = Math.max(duration_ms, to_ms);
  if (!b.reset) {
    for (const a of actsOf(b)) acts.push(a);
    if (b.live) {
      at = to_ms;
      catchUp();
      forget();
    }
    return;
  }
  acts = actsOf(b);
  screen = b.screen;
  at = b.at_ms;
  finished = false;
  redraw();
}

/* A day of following is not kept: what was drawn is drawn. */
function forget(): void {
  if (acts.length < 10_000) return;
  acts = acts.slice(done);
  done = 0;
}

function step(by: 1 | -1): void {
  if (playing) return;
  const i = by === 1 ? after(acts, at) : after(acts, at - 1) - 1;
  const a = acts[i];
  if (a === undefined) return;
  finished = false;
  at = by === 1 ? a.time : Math.max(0, a.time - 1);
  if (by === 1) catchUp();
  else redraw();
}
